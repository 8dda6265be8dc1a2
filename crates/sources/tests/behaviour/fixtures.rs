//! `fixtures/<source>/<case>.in.json` (or `.jsonl`) is read and compared with `<case>.expected.json`.
//!
//! An optional `<case>.scope.txt` holds the scope that the operator names. `UPDATE=1` rewrites the expectations; what
//! it wrote is to be read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ascribe_model::Event;
use ascribe_sources::{Context, SOURCES, Source, withheld_keys};
use serde_json::{Value, json};

use crate::whole_input::{WholeInput, read_input};

#[test]
fn every_source_reads_its_fixtures() {
    for source in SOURCES {
        let cases = cases(source);
        assert!(!cases.is_empty(), "no fixtures for `{}` in {}", source.id, folder(source).display());
        for case in cases {
            check(&case);
        }
    }
}

#[test]
fn every_fixture_folder_has_a_source() {
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(SOURCES.iter().any(|source| source.id == name), "`fixtures/{name}` is no source");
    }
}

#[test]
fn every_key_kind_is_declared_and_shown() {
    for source in SOURCES {
        let declared: BTreeSet<_> = source.keys.iter().map(|key| key.kind.to_owned()).collect();
        assert_eq!(declared.len(), source.keys.len(), "`{}` declares a key kind twice", source.id);
        let mut shown = BTreeSet::new();
        for case in cases(source) {
            let events = read_case(&case).events();
            shown.extend(events.iter().flat_map(|event| &event.keys).map(|key| key.kind.name().to_owned()));
        }
        let of_any_source: BTreeSet<_> = withheld_keys().iter().map(|key| key.kind.to_owned()).collect();
        let undeclared: Vec<_> =
            shown.difference(&declared).filter(|kind| !of_any_source.contains(*kind)).collect();
        assert!(undeclared.is_empty(), "`{}` lists undeclared key kinds {undeclared:?}", source.id);
        let unshown: Vec<_> = declared.difference(&shown).collect();
        assert!(unshown.is_empty(), "`{}` declares key kinds that no fixture shows: {unshown:?}", source.id);
    }
}

/// Every event of every fixture.
pub fn all_events() -> Vec<Event> {
    SOURCES.iter().flat_map(cases).flat_map(|case| read_case(&case).events()).collect()
}

/// Every input of every fixture, with the scope that the operator names.
pub fn all_inputs() -> Vec<(Vec<u8>, Option<String>)> {
    let cases = SOURCES.iter().flat_map(cases);
    cases.map(|case| (fs::read(&case).unwrap(), scope_of(&case))).collect()
}

fn check(case: &Path) {
    let found = expectation(&read_case(case));
    let path = with_ending(case, ".expected.json");
    let text = serde_json::to_string_pretty(&found).unwrap() + "\n";
    if update() {
        write(&path, &text);
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == text,
        "{} differs; read it, and run with UPDATE=1 if it is right\n{}",
        path.display(),
        first_difference(&expected, &text)
    );
}

/// What an expectation states of an input.
fn expectation(whole: &WholeInput) -> Value {
    let rejects: Vec<_> = whole
        .rejects
        .iter()
        .map(|reject| {
            let found = &reject.reject;
            json!({
                "reason": found.reason.code(),
                "offset": found.offset,
                "expected": found.expected,
                "found": found.found,
            })
        })
        .collect();
    let unread: Vec<_> = whole.records.iter().flat_map(|record| &record.read.unread).collect();
    let unread: Vec<_> = unread.iter().map(|part| part.reason.to_string()).collect();
    json!({
        "records": whole.records.len(),
        "events": whole.events(),
        "withheld": whole.withheld_rules(),
        "rejects": rejects,
        "unread": unread,
    })
}

fn read_case(case: &Path) -> WholeInput {
    read_input(&fs::read(case).unwrap(), &Context { scope: scope_of(case).as_deref() })
}

fn scope_of(case: &Path) -> Option<String> {
    fs::read_to_string(with_ending(case, ".scope.txt")).ok().map(|scope| scope.trim().to_owned())
}

/// The inputs of a source's cases, sorted.
fn cases(source: &Source) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder(source)) else { return Vec::new() };
    let mut cases: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| is_input(path)).collect();
    cases.sort();
    cases
}

fn is_input(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".in.json") || name.ends_with(".in.jsonl")
}

fn with_ending(case: &Path, ending: &str) -> PathBuf {
    let name = case.to_string_lossy();
    let stem = name.strip_suffix(".in.json").or_else(|| name.strip_suffix(".in.jsonl")).unwrap();
    PathBuf::from(format!("{stem}{ending}"))
}

fn folder(source: &Source) -> PathBuf {
    root().join(source.id)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn first_difference(expected: &str, found: &str) -> String {
    let pairs = expected.lines().zip(found.lines()).enumerate();
    match pairs.into_iter().find(|(_, (expected, found))| expected != found) {
        Some((line, (expected, found))) => {
            format!("line {}:\n  expected {expected}\n  found    {found}", line + 1)
        }
        None => "one is the beginning of the other".to_owned(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the switch that rewrites expectations")]
pub fn update() -> bool {
    std::env::var("UPDATE").is_ok_and(|value| value == "1")
}

#[expect(clippy::disallowed_methods, reason = "a test's own expectation, rewritten on demand")]
pub fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}
