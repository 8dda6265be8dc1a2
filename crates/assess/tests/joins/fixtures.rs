//! `fixtures/<id>/<case>.in.jsonl` is read, the questions of `<case>.expected.json` are asked, and their answers are
//! compared with those beside them.
//!
//! A case `fires-…` shows the join; `candidates-…` one that stays a set; `silent-…` one that must not be made in the
//! answer to its first question.
//! `UPDATE=1` rewrites the answers, never the questions; what it wrote is to be read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ascribe_assess::{Direction, JOINS, Reach, Recorded, chain, who};
use ascribe_model::{Body, EdgeKind, Event, JoinGrade, Question, Scope};
use serde_json::{Value, json};

use crate::reading::{events_of, subject_of};
use crate::reduced::reduced;

#[test]
fn every_case_answers_as_expected() {
    let mut wrong = Vec::new();
    for id in folders() {
        for case in cases(&id) {
            wrong.extend(check(&id, &case));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nread what differs, and run with UPDATE=1 if it is right",
        wrong.join("\n")
    );
}

#[test]
fn every_join_has_a_case_that_fires_and_one_that_must_not_be_made_or_stays_open() {
    let rows: BTreeSet<&str> = JOINS.iter().map(|join| join.id).collect();
    for row in &rows {
        let has = |kind: &str| cases(row).iter().any(|case| case.starts_with(kind));
        assert!(has("fires-"), "`{row}` has no case `fires-…`");
        assert!(has("candidates-") || has("silent-"), "`{row}` has no case `candidates-…` or `silent-…`");
    }
    for folder in folders() {
        assert!(rows.contains(folder.as_str()), "`fixtures/{folder}` is of no join");
    }
}

/// Asks the case's questions; the sentence that says what is wrong, if anything is.
fn check(id: &str, case: &str) -> Vec<String> {
    let path = folder(id).join(format!("{case}.expected.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let expected: Value = serde_json::from_str(&text).unwrap();
    let events = events_of(&fs::read(folder(id).join(format!("{case}.in.jsonl"))).unwrap());
    let asks = expected["ask"].as_array().expect("a list `ask`");
    assert!(!asks.is_empty(), "{id}/{case} asks nothing");
    let bodies: Vec<Body> = asks.iter().map(|ask| answer(ask, &events)).collect();
    let found = json!({ "ask": asks, "answers": bodies.iter().map(reduced).collect::<Vec<_>>() });
    if update() {
        write(&path, &(serde_json::to_string_pretty(&found).unwrap() + "\n"));
        return Vec::new();
    }
    let mut wrong = Vec::new();
    for (position, answer) in found["answers"].as_array().unwrap().iter().enumerate() {
        let before = &expected["answers"][position];
        if before != answer {
            wrong.push(format!("{id}/{case} answer {position}:\n  expected {before:#}\n  found {answer:#}"));
        }
    }
    wrong.extend(missed(id, case, &bodies));
    wrong
}

/// Whether the case shows what its name says.
fn missed(id: &str, case: &str, bodies: &[Body]) -> Option<String> {
    let mut edges = bodies.iter().flat_map(|body| &body.edges).filter(|edge| edge.rule == id);
    let shows = match case.split_once('-').map(|(kind, _)| kind) {
        // AWS-1 and its like are the key itself: issued in one record, used in another. The edge is the issue's own.
        Some("fires") if is_the_key_itself(id) => !bodies.iter().any(|body| body.grade == Some(JoinGrade::D)),
        Some("fires") => edges.any(|edge| edge.grade < JoinGrade::D),
        Some("candidates") => edges.any(|edge| edge.grade == JoinGrade::D && edge.candidates > 1),
        Some("silent") => {
            let mut first = bodies[0].edges.iter().filter(|edge| edge.rule == id);
            first.all(|edge| edge.grade == JoinGrade::D && edge.candidates == 0)
        }
        _ => return Some(format!("{id}/{case} is neither `fires-`, `candidates-` nor `silent-`")),
    };
    (!shows).then(|| format!("{id}/{case} does not show what its name says"))
}

fn is_the_key_itself(id: &str) -> bool {
    let mut rows = JOINS.iter().filter(|join| join.id == id);
    rows.all(|join| join.says == EdgeKind::UsedAs && join.reach == Reach::Equal)
}

/// The body that answers `ask` over `events`.
pub fn answer(ask: &Value, events: &[Event]) -> Body {
    let word = |name: &str| ask[name].as_str().map(str::to_owned);
    let (verb, text) = (word("verb").expect("a verb"), word("subject").expect("a subject"));
    let subject = subject_of(&text, events);
    let question =
        Question { verb: verb.clone(), subject: Some(text), options: std::collections::BTreeMap::new() };
    let evidence = Recorded::new(events.to_vec(), Scope::default());
    match (verb.as_str(), word("direction").as_deref()) {
        ("who", None) => who(&evidence, &subject, question).unwrap(),
        ("chain", Some("back")) => chain(&evidence, &subject, Direction::Back, question).unwrap(),
        ("chain", Some("forward")) => chain(&evidence, &subject, Direction::Forward, question).unwrap(),
        other => panic!("nobody answers {other:?}"),
    }
}

/// The events of every case.
pub fn every_case() -> Vec<(String, Value, Vec<Event>)> {
    let mut all = Vec::new();
    for id in folders() {
        for case in cases(&id) {
            let path = folder(&id).join(format!("{case}.expected.json"));
            let expected: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
            let input = fs::read(folder(&id).join(format!("{case}.in.jsonl"))).unwrap();
            all.push((format!("{id}/{case}"), expected["ask"].clone(), events_of(&input)));
        }
    }
    all
}

fn folders() -> Vec<String> {
    let entries = fs::read_dir(root()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The cases of a join, sorted.
fn cases(id: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder(id)) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut cases: Vec<String> =
        names.filter_map(|name| name.strip_suffix(".in.jsonl").map(str::to_owned)).collect();
    cases.sort();
    cases
}

fn folder(id: &str) -> PathBuf {
    root().join(id)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

#[expect(clippy::disallowed_methods, reason = "the switch that rewrites expectations")]
pub fn update() -> bool {
    std::env::var("UPDATE").is_ok_and(|value| value == "1")
}

#[expect(clippy::disallowed_methods, reason = "a test's own expectation, rewritten on demand")]
pub fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}
