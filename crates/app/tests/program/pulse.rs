//! `ascribe pulse`, `config history`, `ledger rotate-key`, `ledger keys`: what the ledger says of itself, and who signs
//! it.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::given::{Given, lines};

/// Adds lines to the settings.
fn set(given: &Given, lines: &str) {
    let path = given.root().join("ascribe.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}\n{lines}")).unwrap();
}

fn names(pulsed: &Value) -> Vec<&str> {
    let entries = pulsed["entries"].as_array().unwrap();
    entries.iter().map(|entry| entry["entry"]["pulse"].as_str().unwrap()).collect()
}

#[test]
fn a_stream_that_falls_silent_and_speaks_again_is_in_the_timeline() {
    let given = Given::evidence();
    given.ingest(&[&given.input("a.jsonl", &lines(0, 3))]);
    set(&given, "[pulse]\nheartbeat_after = \"1d\"\nsilent_after = \"1s\"\n");
    let first = given.json(&["pulse"]);
    assert_eq!((names(&first), &first["settings_recorded"]), (vec![], &json!(true)), "{first:#}");
    thread::sleep(Duration::from_millis(1_100));
    let silent = given.json(&["pulse"]);
    assert_eq!(names(&silent), ["silent"], "{silent:#}");
    assert_eq!(names(&given.json(&["pulse"])), [""; 0], "nothing is recorded twice");

    let sources = given.json(&["sources"]);
    let stream = &sources["proof"]["streams"][0];
    assert_eq!(
        (&stream["coverage"], stream["silent_since"].is_string()),
        (&json!("gap"), true),
        "{stream:#}"
    );
    given.ingest(&[&given.input("b.jsonl", &lines(3, 6))]);
    let spoke = given.json(&["pulse"]);
    assert_eq!(names(&spoke), ["spoke"], "{spoke:#}");
    let sources = given.json(&["sources"]);
    let stream = &sources["proof"]["streams"][0];
    assert_eq!((&stream["coverage"], &stream["silences"]), (&json!("consistent"), &json!(1)), "{stream:#}");
    let text = given.run(&["sources"]).out;
    assert!(text.contains("LAST HEARD OF") && text.contains("every 1 s"), "{text}");

    let subject = "AKIAEXAMPLEDEPLOY001";
    let since = ["--since", "2020-01-01T00:00:00Z", "--until", "2200-01-01T00:00:00Z"];
    let timeline = given.json(&[&["timeline", subject][..], &since].concat());
    let rows = timeline["body"]["details"]["timeline"]["rows"].as_array().unwrap();
    let silences: Vec<&Value> =
        rows.iter().filter(|row| row["blind"]["kind"] == "silence").map(|row| &row["blind"]).collect();
    assert_eq!(silences.len(), 1, "{timeline:#}");
    let cited = &timeline["proof"]["entries"][0];
    assert_eq!(cited["entry"], silences[0]["entry"]);
    assert_eq!(cited["leaf"], spoke["entries"][0]["leaf"]);

    given.assert_valid();
    assert_eq!(given.run(&["rebuild"]).code, 0);
    let again = given.json(&[&["timeline", subject][..], &since].concat());
    assert_eq!(again["body"], timeline["body"], "silences are in the ledger");
}

#[test]
fn an_idle_ledger_has_a_heartbeat() {
    let given = Given::evidence();
    set(&given, "[pulse]\nheartbeat_after = \"1s\"\n");
    given.json(&["pulse"]);
    thread::sleep(Duration::from_millis(1_100));
    let ran = given.run(&["pulse"]);
    assert!(ran.out.contains("heartbeat, after 1 s without an entry"), "{}", ran.out);
    let ran = given.run(&["pulse"]);
    assert!(ran.out.contains("nothing is due; no stream is expected to speak"), "{}", ran.out);
    given.assert_valid();
}

#[test]
fn settings_that_cannot_be_read_are_refused() {
    for bad in [
        "[pulse]\nheartbeat_after = \"soon\"\n",
        "[pulse]\nheartbeat_after = \"0s\"\n",
        "[pulse]\nevery = \"1h\"\n",
        "[[pulse.stream]]\nsource = \"aws_cloudtrail\"\n",
        "[[pulse.stream]]\nsource = \"aws_cloudtrail\"\nsilent_after = \"1w\"\n",
    ] {
        let given = Given::evidence();
        set(&given, bad);
        let ran = given.run(&["pulse"]);
        assert_eq!(ran.code, 2, "{bad}: {}", ran.out);
        assert!(ran.err.contains("ascribe.toml") && ran.err.contains("hint:"), "{}", ran.err);
    }
}

#[test]
fn what_is_configured_is_recorded_when_it_changes() {
    let given = Given::evidence();
    let nothing = given.run(&["config", "history"]).out;
    assert!(nothing.contains("Nothing is recorded yet"), "{nothing}");
    given.ingest(&[&given.input("a.jsonl", &lines(0, 2))]);
    given.ingest(&[&given.input("b.jsonl", &lines(2, 4))]);
    let settings = || -> Vec<Value> {
        let history = given.json(&["config", "history"]);
        let changes = history["changes"].as_array().unwrap();
        changes.iter().filter(|change| change["entry"]["config"] == "settings").cloned().collect()
    };
    assert_eq!(settings().len(), 1, "the second run found nothing changed");
    set(&given, "[pulse]\nheartbeat_after = \"2h\"\n");
    given.ingest(&[&given.input("c.jsonl", &lines(4, 6))]);
    let changes = settings();
    assert_eq!(changes.len(), 2);
    assert_eq!(
        changes[1]["entry"]["changed"],
        json!([{ "name": "pulse.heartbeat_after", "old": "1h", "new": "2h" }])
    );
    assert!(changes[1]["entry"]["by"].as_str().unwrap().contains("uid "), "{changes:#?}");
    let text = given.run(&["config", "history"]).out;
    assert!(text.contains("pulse.heartbeat_after") && text.contains("1h -> 2h"), "{text}");
    let rules = "version = 1\n[[rule]]\nname = \"trail\"\nsource = \"aws_cloudtrail\"\nkeep = \"9999d\"\n";
    fs::write(given.root().join("retention.toml"), rules).unwrap();
    given.json(&["ledger", "seal"]);
    let changes = settings();
    assert_eq!(changes.len(), 3, "whatever writes records what is configured by then");
    assert_eq!(changes[2]["entry"]["changed"][0]["name"], "retention.policy_version");
    assert!(changes[2]["entry"]["changed"][0]["old"].is_null(), "{changes:#?}");
    given.assert_valid();
}

/// A copy of the current verifier key, as an auditor keeps it.
fn kept_key(given: &Given, name: &str) -> String {
    let path = given.root().with_file_name(name);
    fs::copy(given.root().join("keys/ledger.vkey"), &path).unwrap();
    path.to_string_lossy().into_owned()
}

#[test]
fn a_key_that_was_kept_leads_to_the_one_that_signs() {
    let given = Given::evidence();
    given.ingest(&[&given.input("a.jsonl", &lines(0, 3))]);
    let (old, earlier) = (kept_key(&given, "old.vkey"), given.root().with_file_name("kept.note"));
    fs::copy(given.root().join("ledger/checkpoint"), &earlier).unwrap();
    assert_eq!(given.run(&["ledger", "rotate-key", "--reason", " "]).code, 2);
    let rotated = given.json(&["ledger", "rotate-key", "--reason", "yearly"]);
    assert!(Path::new(rotated["kept"].as_str().unwrap()).exists(), "{rotated:#}");
    let both = rotated["checkpoint"].as_str().unwrap();
    assert_eq!(both.matches('\u{2014}').count(), 2, "{both}");
    given.ingest(&[&given.input("b.jsonl", &lines(3, 6))]);
    given.assert_valid();

    let bundle = given.root().with_file_name("case.evb");
    let bundle = bundle.to_string_lossy();
    let subject = "AKIAEXAMPLEDEPLOY001";
    let earlier = earlier.to_string_lossy();
    let ran = given.run(&["export", "--entries", subject, "-o", &bundle, "--earlier", &earlier]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for (key, says) in [
        (old.as_str(), "which succeeded the key that you named"),
        (kept_key(&given, "new.vkey").as_str(), "is signed by the key that you named"),
    ] {
        let report = ascribe_bundle_check(&bundle, key);
        assert!(report.contains("VALID") && report.contains(says), "{report}");
    }

    let keys = given.json(&["ledger", "keys"]);
    assert_eq!(keys["keys"][0]["until"]["reason"], "yearly", "{keys:#}");
    assert_eq!(keys["keys"][1]["standing"], "current");
    // Once a key is given up, whoever holds it is told to get the new one elsewhere.
    let stolen = kept_key(&given, "stolen.vkey");
    let rotated =
        given.json(&["ledger", "rotate-key", "--reason", "stolen", "--compromised", "--destroy-old"]);
    assert_eq!(rotated["kept"], Value::Null);
    fs::remove_file(&*bundle).unwrap();
    assert_eq!(given.run(&["export", "--entries", subject, "-o", &bundle]).code, 0);
    for key in [&old, &stolen] {
        let report = ascribe_bundle_check(&bundle, key);
        assert!(report.contains("INCONCLUSIVE") && report.contains("in other hands"), "{report}");
    }
    given.assert_valid();
    assert_eq!(given.run(&["doctor"]).code, 0, "{}", given.run(&["doctor"]).out);
}

/// What a stranger's check says.
fn ascribe_bundle_check(bundle: &str, key: &str) -> String {
    let key = fs::read_to_string(key).unwrap();
    let key = ascribe_ledger::VerifierKey::parse(key.trim_end()).unwrap();
    let file = fs::File::open(bundle).unwrap();
    let report =
        ascribe_bundle::check(file, ascribe_bundle::Check { key: Some(&key), ..Default::default() }).unwrap();
    ascribe_bundle::text(&report)
}
