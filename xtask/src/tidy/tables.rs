//! Tables, fixtures and documents say the same: each source and each join has its code, its cases and its place in
//! the documents, and nothing has cases without code.
//!
//! Reads the tables as text, so that a crate that does not compile still gets an answer.

use std::collections::BTreeSet;

use super::rust_text::{RustText, words_of};
use super::{Problem, Tree};

/// The file that holds the table of sources.
pub const SOURCES_FILE: &str = "crates/sources/src/lib.rs";

/// The documents in which each source is named by its id.
pub const SOURCE_DOCUMENTS: [&str; 2] = ["README.md", "docs/formats/event.md"];

const SOURCE_FIXTURES: &str = "crates/sources/fixtures";
const JOINS_FILE: &str = "crates/assess/src/joins.rs";
const JOIN_FIXTURES: &str = "crates/assess/fixtures";

/// Checks both tables.
pub fn check(tree: &Tree) -> Vec<Problem> {
    [check_sources(tree), check_joins(tree)].concat()
}

fn check_sources(tree: &Tree) -> Vec<Problem> {
    let problem = |message: String| Problem::at(SOURCES_FILE, "tables", message);
    let Some(text) = tree.text(SOURCES_FILE) else { return vec![problem("is missing".to_owned())] };
    let sources = listed_sources(text);
    let mut problems = Vec::new();
    if sources.is_empty() {
        problems.push(problem("the table `SOURCES` has no row".to_owned()));
    }
    for source in &sources {
        let file = format!("crates/sources/src/{source}.rs");
        let folder = format!("crates/sources/src/{source}/mod.rs");
        if !tree.exists(&file) && !tree.exists(&folder) {
            problems.push(problem(format!("the source `{source}` has no file `{file}`")));
        }
        for document in SOURCE_DOCUMENTS {
            if !tree.text(document).is_some_and(|text| words_of(text).any(|word| word.text == source)) {
                problems.push(problem(format!("the source `{source}` is not named in `{document}`")));
            }
        }
    }
    let folders = tree.folders_in(SOURCE_FIXTURES);
    problems.extend(disagreements("source", &sources, &folders, SOURCE_FIXTURES));
    problems
}

fn check_joins(tree: &Tree) -> Vec<Problem> {
    let problem = |message: String| Problem::at(JOINS_FILE, "tables", message);
    let Some(text) = tree.text(JOINS_FILE) else { return vec![problem("is missing".to_owned())] };
    let joins = listed_joins(text);
    let mut problems = Vec::new();
    if joins.is_empty() {
        problems.push(problem("the table `JOINS` has no row".to_owned()));
    }
    let folders = tree.folders_in(JOIN_FIXTURES);
    for join in joins.iter().filter(|join| folders.contains(join.as_str())) {
        let folder = format!("{JOIN_FIXTURES}/{join}");
        if !has_case(tree, &folder, "fires") {
            problems.push(problem(format!("the join `{join}` has no case `fires` in `{folder}`")));
        }
        if !has_case(tree, &folder, "candidates") && !has_case(tree, &folder, "silent") {
            problems.push(problem(format!(
                "the join `{join}` has no case `candidates` or `silent` in `{folder}`"
            )));
        }
    }
    problems.extend(disagreements("join", &joins, &folders, JOIN_FIXTURES));
    problems
}

/// A case is a folder or a file whose name starts with the kind: `fires/`, `fires.json`, `silent-other-key.json`.
fn has_case(tree: &Tree, folder: &str, kind: &str) -> bool {
    let (folders, files) = (tree.folders_in(folder), tree.files_in(folder));
    folders
        .union(&files)
        .any(|name| name.strip_prefix(kind).is_some_and(|it| !it.starts_with(char::is_alphanumeric)))
}

fn disagreements(
    word: &str,
    rows: &BTreeSet<String>,
    folders: &BTreeSet<&str>,
    fixtures: &str,
) -> Vec<Problem> {
    let without_folder = rows.iter().filter(|row| !folders.contains(row.as_str())).map(|row| {
        Problem::at(&format!("{fixtures}/{row}"), "tables", format!("the {word} `{row}` has no fixtures"))
    });
    let without_row = folders.iter().filter(|folder| !rows.contains(**folder)).map(|folder| {
        Problem::at(&format!("{fixtures}/{folder}"), "tables", format!("fixtures of no {word} in the table"))
    });
    without_folder.chain(without_row).collect()
}

/// The modules in the rows of `SOURCES`: a row is `module::SOURCE`.
pub fn listed_sources(text: &str) -> BTreeSet<String> {
    let code = RustText::new(text).code;
    let value = code.split_once("SOURCES: ").and_then(|(_, rest)| rest.split_once('='));
    // A longer table begins on a line of its own.
    let table = value.and_then(|(_, value)| value.trim_start().strip_prefix("&["));
    let rows = table.and_then(|rest| rest.split_once("];")).map_or("", |(rows, _)| rows);
    rows.split(',')
        .filter_map(|row| row.trim().trim_start_matches('&').strip_suffix("::SOURCE"))
        .map(str::to_owned)
        .collect()
}

/// The ids in the table of joins: string literals such as `"AWS-1"` outside tests.
fn listed_joins(text: &str) -> BTreeSet<String> {
    let rust = RustText::new(text);
    let literals = text.match_indices('"').filter(|(offset, _)| {
        // Quotes of literals stay in the code; those in comments are blanked.
        rust.code.as_bytes()[*offset] == b'"' && !rust.in_tests(*offset)
    });
    literals
        .filter_map(|(offset, _)| text[offset + 1..].split('"').next())
        .filter(|literal| is_join_id(literal))
        .map(str::to_owned)
        .collect()
}

fn is_join_id(literal: &str) -> bool {
    literal.split_once('-').is_some_and(|(family, number)| {
        family.starts_with(|it: char| it.is_ascii_uppercase())
            && family.chars().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit())
            && !number.is_empty()
            && number.chars().all(|it| it.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "mod okta;\n/// `SOURCES: &[` lists.\npub const SOURCES: &[Source] =\n    &[okta::SOURCE];\n";
    const JOINS: &str = "pub const JOINS: &[Join] = &[Join { id: \"AWS-1\" }]; // \"AWS-9\"";

    fn whole() -> Vec<(&'static str, &'static str)> {
        vec![
            (SOURCES_FILE, TABLE),
            ("crates/sources/src/okta.rs", ""),
            ("crates/sources/fixtures/okta/login.in.json", ""),
            ("README.md", "reads `okta`"),
            ("docs/formats/event.md", "okta: keys"),
            (JOINS_FILE, JOINS),
            ("crates/assess/fixtures/AWS-1/fires/one.json", ""),
            ("crates/assess/fixtures/AWS-1/silent-other-key.json", ""),
        ]
    }

    fn problems(files: Vec<(&'static str, &'static str)>) -> Vec<String> {
        check(&Tree::from_iter(files)).into_iter().map(|it| it.message).collect()
    }

    #[test]
    fn a_whole_source_and_a_whole_join_pass() {
        assert_eq!(problems(whole()), [""; 0]);
    }

    #[test]
    fn each_missing_piece_is_named() {
        let expected = [
            "is missing",
            "the source `okta` has no file",
            "the source `okta` has no fixtures",
            "the source `okta` is not named in `README.md`",
            "the source `okta` is not named in `docs/formats/event.md`",
            "is missing",
            "no case `fires`",
            "no case `candidates` or `silent`",
        ];
        for (missing, expected) in expected.iter().enumerate() {
            let mut files = whole();
            files.remove(missing);
            let found = problems(files);
            assert!(found.iter().any(|it| it.contains(expected)), "{expected}: {found:?}");
        }
    }

    #[test]
    fn a_folder_without_a_row_fails() {
        for path in ["crates/sources/fixtures/gone/a.in.json", "crates/assess/fixtures/AWS-2/fires/a.json"] {
            let mut files = whole();
            files.push((path, ""));
            assert_eq!(problems(files).len(), 1, "{path}");
        }
    }

    #[test]
    fn an_empty_table_fails() {
        let mut files = whole();
        files[0].1 = "pub const SOURCES: &[Source] = &[];";
        assert!(problems(files)[0].contains("has no row"));
    }
}
