//! The shape of a file: its header, its length, the length of its functions, and exemptions that give a reason.
//!
//! `clippy` counts the code lines of a function; this counts all lines that a reader has to hold, comments too.

use super::rust_text::RustText;
use super::{Problem, Tree};

/// Lines of a function from `fn` to its closing brace: what fits on a screen.
const FUNCTION_LINES_MAX: usize = 70;

/// Lines of a file, tests included.
const FILE_LINES_MAX: usize = 1_000;

/// Checks every Rust file.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in tree.texts(".rs") {
        let rust = RustText::new(text);
        if !text.starts_with("//! ") {
            problems.push(Problem::at_line(path, 1, "shape", "the file does not start with a `//!` header"));
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            let message = format!("the file has {lines} lines; the most is {FILE_LINES_MAX}");
            problems.push(Problem::at(path, "shape", message));
        }
        problems.extend(long_functions(path, &rust));
        problems.extend(exemptions(path, text, &rust));
    }
    problems
}

fn long_functions(path: &str, rust: &RustText) -> Vec<Problem> {
    let is_test_file = super::is_test_file(path);
    let too_long = |lines: usize| lines > FUNCTION_LINES_MAX;
    let mut problems = Vec::new();
    for function in rust.functions() {
        let is_exempt = function.attributes.contains("expect(clippy::too_many_lines");
        if too_long(function.lines) && !function.in_tests && !is_test_file && !is_exempt {
            let message =
                format!("`{}` has {} lines; the most is {FUNCTION_LINES_MAX}", function.name, function.lines);
            problems.push(Problem::at_line(path, function.line, "shape", message));
        }
    }
    problems
}

/// `#[allow]` outlives its cause unseen; `#[expect]` with a reason does not.
fn exemptions(path: &str, text: &str, rust: &RustText) -> Vec<Problem> {
    let mut problems = Vec::new();
    for word in rust.words() {
        let is_attribute = ["#[", "#!["].iter().any(|it| rust.code[..word.offset].ends_with(it));
        let line = || rust.line_of(word.offset);
        if word.text == "allow" && is_attribute {
            let message = "`#[allow]` is an exemption without an end: use `#[expect(lint, reason = \"…\")]`";
            problems.push(Problem::at_line(path, line(), "shape", message));
        }
        let attribute = rust.code[word.offset..].split(']').next().unwrap_or_default();
        if word.text == "expect" && is_attribute && !text[word.offset..][..attribute.len()].contains("reason")
        {
            problems.push(Problem::at_line(path, line(), "shape", "`#[expect]` without a `reason`"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, source: &str) -> Vec<String> {
        check(&Tree::from([(path, source)])).into_iter().map(|it| it.message).collect()
    }

    fn function(attributes: &str, lines: usize) -> String {
        format!("//! Header.\n{attributes}fn long() {{\n{}}}\n", "    step();\n".repeat(lines - 2))
    }

    #[test]
    fn files_within_the_limits_pass() {
        assert_eq!(problems("crates/a/src/lib.rs", &function("", 70)), [""; 0]);
        assert_eq!(problems("crates/a/src/lib.rs", &"//! Line.\n".repeat(1_000)), [""; 0]);
        assert_eq!(problems("crates/a/tests/long.rs", &function("", 90)), [""; 0]);
        assert_eq!(problems("crates/a/src/lib.rs", &function("#[test]\n", 90)), [""; 0]);
        let excused = "#[expect(clippy::too_many_lines, reason = \"one table\")]\n";
        assert_eq!(problems("crates/a/src/lib.rs", &function(excused, 90)), [""; 0]);
    }

    #[test]
    fn files_beyond_the_limits_fail() {
        let cases = [
            (function("", 71), "`long` has 71 lines"),
            ("//! Line.\n".repeat(1_001), "1001 lines"),
            ("fn a() {}\n".to_owned(), "header"),
            ("//! H.\n#[allow(dead_code)]\nfn a() {}\n".to_owned(), "`#[allow]`"),
            ("//! H.\n#![allow(dead_code)]\n".to_owned(), "`#[allow]`"),
            ("//! H.\n#[expect(dead_code)]\nfn a() {}\n".to_owned(), "without a `reason`"),
        ];
        for (source, expected) in cases {
            let found = problems("crates/a/src/lib.rs", &source);
            assert_eq!(found.len(), 1, "{expected}: {found:?}");
            assert!(found[0].contains(expected), "{expected}: {found:?}");
        }
    }
}
