//! Nothing is dropped: patterns that throw an error away without a trace.
//!
//! Looks for spellings, so it catches the habit, not every way to lose an error; `clippy` bans `let _ =` on results.

use super::rust_text::RustText;
use super::{Problem, Tree};

/// Adaptors that keep the good items of an iterator of results and lose the errors.
const SIEVES: [&str; 3] = ["filter_map", "flat_map", "map_while"];

/// Checks every Rust file outside tests.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in tree.texts(".rs").filter(|(path, _)| !super::is_test_file(path)) {
        let rust = RustText::new(text);
        for word in rust.words().filter(|word| !rust.in_tests(word.offset)) {
            let after = &rust.code[word.offset + word.text.len()..];
            let message = if SIEVES.contains(&word.text) && sieves_results(after) {
                format!("`{}` with `ok` drops every error: collect the errors or return the first", word.text)
            } else if word.text == "ok" && is_swallowed(&rust.code[..word.offset], after) {
                "`.ok();` drops the error: handle it or return it".to_owned()
            } else {
                continue;
            };
            problems.push(Problem::at_line(path, rust.line_of(word.offset), "drops", message));
        }
    }
    problems
}

/// Whether the argument list at the start of `after` is `Result::ok` or a closure that only calls `.ok()`.
fn sieves_results(after: &str) -> bool {
    let argument: String =
        after.chars().take_while(|it| *it != ';').filter(|it| !it.is_whitespace()).collect();
    if argument.starts_with("(Result::ok)") || argument.starts_with("(std::result::Result::ok)") {
        return true;
    }
    let Some((parameter, body)) = argument.strip_prefix("(|").and_then(|it| it.split_once('|')) else {
        return false;
    };
    body.starts_with(&format!("{parameter}.ok())"))
}

/// Whether `ok` ends a statement whose value nobody takes.
fn is_swallowed(before: &str, after: &str) -> bool {
    let ends_statement =
        after.trim_start().starts_with("()") && after.trim_start()[2..].trim_start().starts_with(';');
    let statement = before.rsplit([';', '{', '}']).next().unwrap_or_default();
    let is_taken = statement.contains('=') || ["return ", "break "].iter().any(|it| statement.contains(it));
    ends_statement && before.ends_with('.') && !is_taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, body: &str) -> usize {
        check(&Tree::from([(path, format!("fn f() {{ {body} }}").as_str())])).len()
    }

    #[test]
    fn errors_that_go_somewhere_pass() {
        for body in [
            "let a = text.parse().ok();",
            "return text.parse().ok();",
            "items.filter_map(|item| item.name).count()",
            "items.filter_map(|path| path.to_str().ok()).count()",
            "// filter_map(Result::ok)",
            "} #[cfg(test)] mod tests { fn g() { items.filter_map(Result::ok); } ",
        ] {
            assert_eq!(count("crates/a/src/lib.rs", body), 0, "{body}");
        }
        assert_eq!(count("crates/a/tests/a.rs", "items.filter_map(Result::ok);"), 0);
    }

    #[test]
    fn errors_that_vanish_fail() {
        for body in [
            "items.filter_map(Result::ok).count()",
            "items.filter_map(|x| x.ok()).count()",
            "items\n.flat_map( | line | line .ok() )",
            "items.map_while(Result::ok).count()",
            "std::fs::remove_file(path).ok();",
        ] {
            assert_eq!(count("crates/a/src/lib.rs", body), 1, "{body}");
        }
    }
}
