//! Documents are tested: what they name exists, and what exists is named.
//!
//! Titles, links, paths in backticks, crates and commands. Whether a sentence is true stays with its reader.

use std::collections::{BTreeMap, BTreeSet};

use super::rust_text::RustText;
use super::{Problem, Tree};

/// The documents of the map, which have to be there.
const REQUIRED: [&str; 5] =
    ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];

/// The documents whose paths in backticks have to exist.
const PATHS_CHECKED: [&str; 2] = ["ARCHITECTURE.md", "CONTRIBUTING.md"];

/// The file whose `enum Command` is the list of commands.
const COMMANDS_FILE: &str = "crates/app/src/cli/mod.rs";

/// Endings by which a name in backticks is a file even without a folder.
const FILE_ENDINGS: [&str; 5] = [".rs", ".md", ".toml", ".sh", ".lock"];

/// Options of `ascribe` that stand before the command and take a value.
const OPTIONS_WITH_VALUE: [&str; 4] = ["--evidence", "-e", "--output", "-o"];

/// Checks every Markdown file, and the map against the crates and commands.
pub fn check(tree: &Tree) -> Vec<Problem> {
    let documents: BTreeMap<&str, Markdown<'_>> =
        tree.texts(".md").map(|(path, text)| (path, Markdown::new(text))).collect();
    let missing = REQUIRED.iter().filter(|path| !tree.exists(path));
    let mut problems: Vec<_> = missing.map(|path| Problem::at(path, "documents", "is missing")).collect();
    for (path, document) in &documents {
        problems.extend(one_title(path, document));
        problems.extend(links(path, document, &Links { tree, documents: &documents }));
    }
    for path in PATHS_CHECKED {
        let spans = documents.get(path).map_or(&[][..], |document| &document.spans);
        problems.extend(spans.iter().filter_map(|span| missing_path(path, span, tree)));
    }
    problems.extend(crates(tree, documents.get("ARCHITECTURE.md")));
    problems.extend(commands(tree, &documents));
    problems
}

/// What the rules look at in one document.
#[derive(Debug, Default)]
struct Markdown<'t> {
    /// Headings with their level, in order.
    headings: Vec<Text<'t>>,
    /// Inline code.
    spans: Vec<Text<'t>>,
    /// Lines of code blocks.
    code_lines: Vec<Text<'t>>,
    /// Link targets.
    targets: Vec<Text<'t>>,
}

#[derive(Debug, Clone, Copy)]
struct Text<'t> {
    line: usize,
    text: &'t str,
}

impl<'t> Markdown<'t> {
    fn new(source: &'t str) -> Self {
        let mut document = Self::default();
        let mut fence = None;
        for (number, text) in source.lines().enumerate() {
            let line = number + 1;
            let trimmed = text.trim_start();
            let opening = ["```", "~~~"].into_iter().find(|it| trimmed.starts_with(it));
            match (fence, opening) {
                (None, Some(_)) => fence = opening,
                (Some(open), Some(mark)) if open == mark => fence = None,
                (Some(_), _) => document.code_lines.push(Text { line, text }),
                (None, None) if trimmed.starts_with('#') => {
                    document.headings.push(Text { line, text: trimmed });
                    document.prose(line, text);
                }
                (None, None) => document.prose(line, text),
            }
        }
        document
    }

    fn prose(&mut self, line: usize, text: &'t str) {
        for (place, part) in text.split('`').enumerate() {
            if place % 2 == 1 {
                self.spans.push(Text { line, text: part });
                continue;
            }
            self.targets.extend(part.split("](").skip(1).filter_map(|rest| {
                let target = rest.split_once(')')?.0;
                Some(Text { line, text: target.split_whitespace().next().unwrap_or_default() })
            }));
        }
    }

    /// The anchors that a link into this document can name.
    fn anchors(&self) -> BTreeSet<String> {
        self.headings.iter().map(|heading| slug(heading.text.trim_start_matches('#'))).collect()
    }
}

fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|it| if it == ' ' { '-' } else { it }).collect()
}

fn one_title(path: &str, document: &Markdown<'_>) -> Option<Problem> {
    let titles = document.headings.iter().filter(|heading| heading.text.starts_with("# ")).count();
    let message = || format!("has {titles} titles (`# …`); a document has one");
    (titles != 1).then(|| Problem::at(path, "documents", message()))
}

struct Links<'t, 'd> {
    tree: &'t Tree,
    documents: &'d BTreeMap<&'t str, Markdown<'t>>,
}

fn links(path: &str, document: &Markdown<'_>, all: &Links<'_, '_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let relative = |target: &&Text<'_>| !target.text.contains("://") && !target.text.starts_with("mailto:");
    for target in document.targets.iter().filter(relative) {
        let (file, anchor) = target.text.split_once('#').unwrap_or((target.text, ""));
        let file = if file.is_empty() { Some(path.to_owned()) } else { resolve(path, file) };
        let found = file.filter(|file| all.tree.exists(file));
        let Some(file) = found else {
            let message = format!("the link `{}` leads nowhere", target.text);
            problems.push(Problem::at_line(path, target.line, "documents", message));
            continue;
        };
        let is_anchor_missing = !anchor.is_empty()
            && all.documents.get(file.as_str()).is_some_and(|it| !it.anchors().contains(anchor));
        if is_anchor_missing {
            let message = format!("the link `{}` names no heading of `{file}`", target.text);
            problems.push(Problem::at_line(path, target.line, "documents", message));
        }
    }
    problems
}

/// A relative link as a path from the root; `None` where it leaves the checkout.
fn resolve(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// A name in backticks that is meant as a path and does not exist. `NAME`, `<name>`, `*` and `{a,b}` are
/// placeholders: what stands before them has to exist.
fn missing_path(document: &str, span: &Text<'_>, tree: &Tree) -> Option<Problem> {
    let text = span.text.trim_end_matches('/');
    let is_word = text.chars().all(|it| it.is_ascii_alphanumeric() || "._-/<>*{},".contains(it));
    let first = text.split('/').next().unwrap_or_default();
    let is_rooted = text.contains('/') && tree.exists(first);
    let is_file = FILE_ENDINGS.iter().any(|ending| text.len() > ending.len() && text.ends_with(ending));
    if !is_word || !(is_rooted || is_file) {
        return None;
    }
    let is_placeholder = |part: &&str| {
        part.contains(['<', '*', '{'])
            || part.split('.').any(|it| it.len() > 1 && it.chars().all(|it| it.is_ascii_uppercase()))
    };
    let fixed: Vec<_> =
        text.split('/').take_while(|part| tree_has(tree, part) || !is_placeholder(part)).collect();
    let exists = tree.exists(&fixed.join("/")) || (!text.contains('/') && named_anywhere(tree, text));
    (!exists).then(|| Problem::at_line(document, span.line, "documents", format!("`{text}` does not exist")))
}

/// `README.md` and `LICENSE` are in capitals and yet no placeholders.
fn tree_has(tree: &Tree, name: &str) -> bool {
    name.chars().any(|it| it.is_ascii_uppercase()) && named_anywhere(tree, name)
}

fn named_anywhere(tree: &Tree, name: &str) -> bool {
    tree.paths().any(|path| path.rsplit('/').next() == Some(name))
}

/// ARCHITECTURE.md names exactly the crates that exist, as `crates/<name>`.
fn crates(tree: &Tree, map: Option<&Markdown<'_>>) -> Vec<Problem> {
    let Some(map) = map else { return Vec::new() };
    let lines = map.code_lines.iter().chain(&map.spans);
    let named: BTreeSet<&str> = lines
        .flat_map(|line| line.text.split("crates/").skip(1))
        .filter_map(|rest| {
            rest.split(|it: char| !it.is_ascii_alphanumeric() && it != '-' && it != '_').next()
        })
        .filter(|name| !name.is_empty())
        .collect();
    let existing = tree.folders_in("crates");
    let unnamed = existing.difference(&named).map(|name| format!("does not name the crate `crates/{name}`"));
    let gone = named.difference(&existing).map(|name| format!("names `crates/{name}`, which does not exist"));
    unnamed.chain(gone).map(|message| Problem::at("ARCHITECTURE.md", "documents", message)).collect()
}

/// Each command that a document runs exists, and each command is in a document.
fn commands(tree: &Tree, documents: &BTreeMap<&str, Markdown<'_>>) -> Vec<Problem> {
    let Some(text) = tree.text(COMMANDS_FILE) else {
        return vec![Problem::at(COMMANDS_FILE, "documents", "is missing: it holds the list of commands")];
    };
    let existing = listed_commands(text);
    if existing.is_empty() {
        return vec![Problem::at(COMMANDS_FILE, "documents", "`enum Command` has no variant")];
    }
    let mut problems = Vec::new();
    let mut named = BTreeSet::new();
    for (path, document) in documents {
        for line in document.code_lines.iter().chain(&document.spans) {
            for command in commands_in(line.text) {
                if command != "help" && !existing.contains(command) {
                    let message = format!("`ascribe {command}` is no command");
                    problems.push(Problem::at_line(path, line.line, "documents", message));
                }
                named.insert(command);
            }
        }
    }
    let unnamed = existing.iter().filter(|command| !named.contains(command.as_str()));
    problems.extend(unnamed.map(|command| {
        Problem::at(COMMANDS_FILE, "documents", format!("no document shows `ascribe {command}`"))
    }));
    problems
}

/// The variants of `enum Command`, as the command line spells them.
fn listed_commands(text: &str) -> BTreeSet<String> {
    let code = RustText::new(text).code;
    let body = code.split_once("enum Command {").map_or("", |(_, rest)| rest);
    let mut commands = BTreeSet::new();
    let mut depth = 0_usize;
    let mut name = String::new();
    for letter in body.chars() {
        match letter {
            '(' | '{' | '[' => depth += 1,
            '}' if depth == 0 => break,
            ')' | '}' | ']' => depth = depth.saturating_sub(1),
            _ if depth > 0 => continue,
            it if it.is_alphanumeric() => {
                if it.is_uppercase() && !name.is_empty() {
                    name.push('-');
                }
                name.extend(it.to_lowercase());
                continue;
            }
            _ => {}
        }
        if !name.is_empty() {
            commands.insert(std::mem::take(&mut name));
        }
    }
    commands
}

/// The commands in a line such as `$ ascribe --evidence case ingest a.json`.
fn commands_in(line: &str) -> Vec<&str> {
    let mut commands = Vec::new();
    let mut tokens = line.split_whitespace().peekable();
    while let Some(token) = tokens.next() {
        if token != "ascribe" && !token.ends_with("/ascribe") {
            continue;
        }
        while let Some(option) = tokens.next_if(|it| it.starts_with('-') && *it != "--help") {
            if OPTIONS_WITH_VALUE.contains(&option) {
                tokens.next();
            }
        }
        let is_command =
            |it: &&&str| !it.starts_with('-') && it.chars().all(|it| it.is_ascii_lowercase() || it == '-');
        commands.extend(tokens.peek().filter(is_command).copied());
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "# Map\n## `crates/model`\n `xtask/src/tidy/documents.rs`, `crates/model/src/<word>.rs`, \
                       `README.md`, `lib.rs`, `ledger/checkpoint`, `a/b` and `crates/model/src/NAME.rs`.\n";

    fn whole() -> BTreeMap<&'static str, &'static str> {
        BTreeMap::from([
            (
                "README.md",
                "# Title\n\n```sh\n# not a title\n$ ascribe --evidence case ingest a.json\n```\n`ascribe`\n",
            ),
            ("ARCHITECTURE.md", MAP),
            (
                "CONTRIBUTING.md",
                "# Contributing\n[map](ARCHITECTURE.md#map) [gone](https://example.org/gone.md)\n",
            ),
            ("SECURITY.md", "# Security\n## How to report\nSee [above](#how-to-report).\n"),
            ("CHANGELOG.md", "# Changes\n"),
            ("docs/formats/ledger.md", "# Ledger\n[up](../../README.md) `ascribe why-not`\n"),
            ("crates/model/src/lib.rs", ""),
            ("xtask/src/tidy/documents.rs", ""),
            (
                COMMANDS_FILE_IN_MODEL,
                "#[derive(Subcommand)]\npub enum Command {\n    /// Reads.\n    Ingest(Ingest),\n    #[command(alias = \"x\")]\n    WhyNot { a: u8 },\n}\n",
            ),
        ])
    }

    // The tree of these tests has one crate; its commands still stand where the rule looks.
    const COMMANDS_FILE_IN_MODEL: &str = COMMANDS_FILE;

    fn problems(change: (&'static str, Option<&'static str>)) -> Vec<String> {
        let mut files = whole();
        let map = format!("{MAP}`crates/app`\n");
        match change {
            (path, Some(text)) => files.insert(path, text),
            (path, None) => files.remove(path),
        };
        if files.get("ARCHITECTURE.md") == Some(&MAP) {
            files.insert("ARCHITECTURE.md", &map);
        }
        check(&Tree::from_iter(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn documents_in_step_pass() {
        assert_eq!(problems(("LICENSE", Some(""))), [""; 0]);
    }

    #[test]
    fn documents_out_of_step_fail() {
        let cases = [
            ("SECURITY.md", None, "is missing"),
            ("CHANGELOG.md", Some("# One\n# Two\n"), "has 2 titles"),
            ("CHANGELOG.md", Some("No title.\n"), "has 0 titles"),
            ("CHANGELOG.md", Some("# C\n[a](gone.md)\n"), "leads nowhere"),
            ("CHANGELOG.md", Some("# C\n[`a`](docs/gone.md)\n"), "leads nowhere"),
            ("CHANGELOG.md", Some("# C\n[a](../../x.md)\n"), "leads nowhere"),
            ("CHANGELOG.md", Some("# C\n[a](SECURITY.md#gone)\n"), "names no heading"),
            ("CONTRIBUTING.md", Some("# C\n`crates/model/src/gone.rs`\n"), "does not exist"),
            ("CONTRIBUTING.md", Some("# C\n`gone.toml`\n"), "does not exist"),
            ("CONTRIBUTING.md", Some("# C\n`crates/gone/NAME.rs`\n"), "does not exist"),
            ("ARCHITECTURE.md", Some("# Map\n`crates/model`\n"), "does not name the crate `crates/app`"),
            (
                "ARCHITECTURE.md",
                Some("# Map\n```\ncrates/model\ncrates/app\ncrates/old\n```\n"),
                "names `crates/old`",
            ),
            ("CHANGELOG.md", Some("# C\n`ascribe gone`\n"), "`ascribe gone` is no command"),
            ("docs/formats/ledger.md", Some("# L\n"), "no document shows `ascribe why-not`"),
            (COMMANDS_FILE, Some("enum Other { A }"), "has no variant"),
        ];
        for (path, text, expected) in cases {
            let found = problems((path, text));
            assert_eq!(found.len(), 1, "{expected}: {found:?}");
            assert!(found[0].contains(expected), "{expected}: {found:?}");
        }
    }

    #[test]
    fn commands_are_found_behind_options() {
        let cases = [
            ("ascribe who EVENT|CREDENTIAL", vec!["who"]),
            ("./target/release/ascribe --evidence case --output json ingest a", vec!["ingest"]),
            ("ascribe -e case -o json verify", vec!["verify"]),
            ("ascribe VERB, ascribe --help and cargo xtask", vec![]),
            ("ascribe init a && ascribe verify", vec!["init", "verify"]),
        ];
        for (line, expected) in cases {
            assert_eq!(commands_in(line), expected, "{line}");
        }
    }
}
