//! One word per concept: names that say nothing, names that mean two things, and notes to nobody.
//!
//! Judges identifiers, file names and comments; prose in Markdown is left to its reader.

use super::rust_text::{RustText, words_of};
use super::{Problem, Tree};

/// Parts of a name that say nothing about what it holds.
const EMPTY_PARTS: [&str; 8] =
    ["util", "utils", "utility", "utilities", "helper", "helpers", "manager", "managers"];

/// Whole names that are banned; as a part of a longer name they can be exact (`common_prefix`, `log2`).
const BANNED_NAMES: [(&str, &str); 4] = [
    ("common", "says nothing; name what is shared"),
    ("misc", "says nothing; name what it holds"),
    ("log", "is four things here: a ledger, a stream, an object or a trace"),
    ("logs", "is four things here: ledgers, streams, objects or traces"),
];

/// Names of other people's products, which are spelled as their owners spell them.
const PROPER_NAMES: [&str; 2] = ["secrets_manager", "systems_manager"];

/// Checks every Rust file and every file name.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems: Vec<_> = tree.paths().filter_map(file_name).collect();
    for (path, text) in tree.texts(".rs") {
        let rust = RustText::new(text);
        problems.extend(identifiers(path, &rust));
        problems.extend(open_notes(path, &rust));
    }
    problems
}

fn file_name(path: &str) -> Option<Problem> {
    let stem = path.strip_suffix(".rs")?;
    let (name, why) = stem.split('/').find_map(|name| Some((name, why_banned(name)?)))?;
    Some(Problem::at(path, "words", format!("the name `{name}` {why}")))
}

fn identifiers(path: &str, rust: &RustText) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut after_fn = false;
    for word in rust.words() {
        let line = || rust.line_of(word.offset);
        if let Some(why) = why_banned(word.text) {
            let message = format!("the name `{}` {why}", word.text);
            problems.push(Problem::at_line(path, line(), "words", message));
        }
        if let Some(rest) = word.text.strip_prefix("get_").filter(|_| after_fn) {
            let message = format!("`{}` is only `{rest}`: drop `get_`", word.text);
            problems.push(Problem::at_line(path, line(), "words", message));
        }
        after_fn = word.text == "fn";
    }
    problems
}

/// A note to come back to something has to say, in brackets right after it, where it is tracked.
fn open_notes(path: &str, rust: &RustText) -> Vec<Problem> {
    let mut problems = Vec::new();
    for word in words_of(&rust.comments) {
        let is_note = ["TODO", "FIXME", "XXX", "HACK"].contains(&word.text);
        let after = &rust.comments[word.offset + word.text.len()..];
        let has_reference = after.starts_with('(') && !after.starts_with("()");
        if is_note && !has_reference {
            let message =
                format!("`{}` without a reference: write `{}(where it is tracked)`", word.text, word.text);
            problems.push(Problem::at_line(path, rust.line_of(word.offset), "words", message));
        }
    }
    problems
}

/// Why a name is banned; `None` where it is not.
fn why_banned(name: &str) -> Option<&'static str> {
    let snake = snake_case(name);
    if PROPER_NAMES.contains(&snake.as_str()) {
        return None;
    }
    if let Some((_, why)) = BANNED_NAMES.iter().find(|(banned, _)| *banned == snake) {
        return Some(why);
    }
    let empty = snake.split('_').any(|part| EMPTY_PARTS.contains(&part));
    empty.then_some("says nothing; name what it does")
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut before_is_lower = false;
    for letter in name.chars() {
        if letter.is_uppercase() && before_is_lower {
            snake.push('_');
        }
        before_is_lower = letter.is_lowercase();
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, source: &str) -> Vec<String> {
        check(&Tree::from([(path, source)])).into_iter().map(|it| it.message).collect()
    }

    #[test]
    fn exact_names_pass() {
        let source = "fn common_prefix(tlog: &Log2) { let get_x = SecretsManager; prose.get(1) } // a log, utils\n\
                      // TODO(https://example.org/1): later.\nconst A: &str = \"helpers TODO\";";
        assert_eq!(problems("crates/a/src/ledger.rs", source), [""; 0]);
    }

    #[test]
    fn empty_and_ambiguous_names_fail() {
        for source in [
            "struct KeyManager;",
            "mod utils;",
            "fn helper() {}",
            "let log = 1;",
            "struct Log;",
            "use crate::common;",
            "fn get_name() {}",
            "// TODO: later",
            "//! FIXME()",
            "const MAX_HELPERS: u8 = 1;",
        ] {
            assert_eq!(problems("crates/a/src/ledger.rs", source).len(), 1, "{source}");
        }
    }

    #[test]
    fn file_names_are_judged() {
        assert_eq!(problems("crates/a/src/helpers.rs", "").len(), 1);
        assert_eq!(problems("crates/a/tests/common/mod.rs", "").len(), 1);
        assert_eq!(problems("crates/a/src/log.rs", "").len(), 1);
        assert_eq!(problems("crates/a/fixtures/log.json", ""), [""; 0]);
    }
}
