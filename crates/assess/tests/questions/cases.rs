//! `cases/<verb>/<case>.in.jsonl` is read, the question is asked about the subject that `<case>.expected.json` names,
//! and the answer is compared with the one there.
//!
//! A subject is named as `chain` and `who` name it in the cases of joins; `identity KEY` is an identity.
//! Ids of events are written as the position of the record in the input, so that a reader can follow them.
//! `UPDATE=1` rewrites the answers, never the subjects; what it wrote is to be read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ascribe_assess::{Recorded, Subject, TimelineOptions, lifecycle, session, timeline, who, why};
use ascribe_model::{Body, Event, Question, Scope, TimeSpan};
use serde_json::{Value, json};

use crate::reading::{events_of, subject_of};

#[test]
fn every_case_answers_as_expected() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for verb in names(&root()) {
        let folder = root().join(&verb);
        for case in names(&folder).iter().filter_map(|name| name.strip_suffix(".in.jsonl")) {
            wrong.extend(check(&verb, &folder, case));
            checked += 1;
        }
    }
    assert!(checked > 0, "no case below {}", root().display());
    assert!(
        wrong.is_empty(),
        "{}\nread what differs, and run with UPDATE=1 if it is right",
        wrong.join("\n")
    );
}

/// Asks the case's question; the sentence that says what is wrong, if anything is.
fn check(verb: &str, folder: &Path, case: &str) -> Option<String> {
    let path = folder.join(format!("{case}.expected.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let expected: Value = serde_json::from_str(&text).unwrap();
    let events = events_of(&fs::read(folder.join(format!("{case}.in.jsonl"))).unwrap());
    let subject = expected["subject"].as_str().expect("a subject");
    let found = json!({ "subject": subject, "answer": reduced(&answer(verb, subject, &events), &events) });
    if update() {
        write(&path, &(serde_json::to_string_pretty(&found).unwrap() + "\n"));
        return None;
    }
    (found["answer"] != expected["answer"]).then(|| {
        format!("{verb}/{case}:\n  expected {:#}\n  found {:#}", expected["answer"], found["answer"])
    })
}

fn answer(verb: &str, text: &str, events: &[Event]) -> Body {
    let subject = match text.strip_prefix("identity ") {
        Some(name) => match subject_of(name, events) {
            Subject::Key(key) => Subject::Identity(key.uid),
            other => panic!("an identity's key, not {other:?}"),
        },
        None => subject_of(text, events),
    };
    let question =
        Question { verb: verb.to_owned(), subject: Some(text.to_owned()), options: BTreeMap::new() };
    let times = || events.iter().filter_map(|event| event.time.at);
    let span = times().min().zip(times().max()).map(|(first, last)| TimeSpan { first, last });
    let evidence = Recorded::new(events.to_vec(), Scope { span, ..Scope::default() });
    match verb {
        "who" => who(&evidence, &subject, question).unwrap(),
        "why" => why(&evidence, &subject, question).unwrap(),
        "session" => session(&evidence, &subject, question).unwrap(),
        "timeline" => timeline(&evidence, &subject, TimelineOptions::default(), question).unwrap(),
        "lifecycle" => lifecycle(&evidence, &subject, question).unwrap(),
        other => panic!("nobody answers `{other}`"),
    }
}

/// What a reader of a case judges.
fn reduced(body: &Body, events: &[Event]) -> Value {
    let claims: Vec<Value> = body
        .claims
        .iter()
        .map(|claim| {
            let premises: Vec<String> = claim
                .premises
                .iter()
                .map(|premise| format!("{:?}: {}", premise.basis, premise.statement))
                .collect();
            json!({ "statement": claim.statement, "premises": premises })
        })
        .collect();
    let reduced = json!({
        "verdict": body.verdict,
        "statement": body.statement,
        "grade": body.grade,
        "claims": claims,
        "gaps": body.gaps,
        "details": body.details,
    });
    let mut text = reduced.to_string();
    for (position, event) in events.iter().enumerate() {
        text = text.replace(&event.id.to_string(), &format!("record {}", position + 1));
    }
    serde_json::from_str(&text).unwrap()
}

/// Names of what lies in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

#[expect(clippy::disallowed_methods, reason = "the switch that rewrites expectations")]
fn update() -> bool {
    std::env::var("UPDATE").is_ok_and(|value| value == "1")
}

#[expect(clippy::disallowed_methods, reason = "a test's own expectation, rewritten on demand")]
fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}
