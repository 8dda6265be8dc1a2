//! `ascribe export`: what it writes holds for somebody who has nothing but the file and the key.

use std::fs;
use std::path::PathBuf;

use ascribe_bundle::{AnswerCheck, Authority, Check, Report, Verdict, check};
use ascribe_ledger::VerifierKey;

use crate::given::{Given, lines};

fn with_incident() -> Given {
    let given = Given::evidence();
    given.ingest_sample();
    given
}

/// Exports to a file and returns its bytes.
fn exported(given: &Given, file: &str, arguments: &[&str]) -> Vec<u8> {
    let path = path(given, file);
    let path = path.to_str().unwrap();
    let report = given.json(&[&["export", "-o", path], arguments].concat());
    assert_eq!(report["check"]["verdict"], "valid", "{report:#}");
    fs::read(path).unwrap()
}

fn path(given: &Given, file: &str) -> PathBuf {
    given.root().parent().unwrap().join(file)
}

fn key(given: &Given) -> VerifierKey {
    let text = fs::read_to_string(given.root().join("keys/ledger.vkey")).unwrap();
    VerifierKey::parse(text.trim_end()).unwrap()
}

fn checked(given: &Given, bundle: &[u8]) -> Report {
    check(bundle, Check { key: Some(&key(given)), ..Check::default() }).unwrap()
}

#[test]
fn every_answer_is_derived_again_from_its_bundle() {
    let given = with_incident();
    for name in ["ASIAQ3APPNODEEXAMPLE", "ASIAX5RELEASEEXAMPLE", "JTI=7591fde2-7a02-456f-a503-1cbf30a48f16"] {
        for answer in ["who", "why", "chain", "chain-forward", "session", "lifecycle"] {
            let file = format!("{answer}-{}.evb", name.len());
            let bundle = exported(&given, &file, &["--entries", name, "--answer", answer, "--force"]);
            let report = checked(&given, &bundle);
            assert_eq!(
                report.verdict(),
                Verdict::Valid,
                "{name} {answer}: {}",
                ascribe_bundle::text(&report)
            );
            let asked = match answer {
                "chain-forward" => given.json(&["chain", "--forward", name]),
                verb => given.json(&[verb, name]),
            };
            match report.answer {
                Some(AnswerCheck::Same { statement, .. }) => {
                    assert_eq!(asked["body"]["statement"], statement.as_str(), "{name} {answer}");
                }
                other => panic!("{name} {answer}: {other:?}"),
            }
        }
    }
}

#[test]
fn an_identity_goes_out_with_all_its_names() {
    let given = with_incident();
    for name in ["app-node", "AROAQ3APPNODE7EXAMPLE"] {
        let request = ["--entries", name, "--answer", "who", "--force"];
        let report = checked(&given, &exported(&given, "identity.evb", &request));
        assert!(matches!(report.answer, Some(AnswerCheck::Same { .. })), "{name}: {:?}", report.answer);
        assert!(report.counts.why.read > 0, "{name}: entries that only the answer reads");
    }
}

#[test]
fn equal_requests_give_equal_bytes() {
    let given = with_incident();
    let request = ["--entries", "ASIAQ3APPNODEEXAMPLE", "--answer", "who"];
    let first = exported(&given, "one.evb", &request);
    given.run(&["rebuild"]);
    assert_eq!(first, exported(&given, "two.evb", &request), "however often the store is derived");
}

#[test]
fn credentials_identities_events_and_entries_can_be_named() {
    let given = with_incident();
    let id = "e477a048-8911-4725-a683-a73c6b7e986d";
    let leaf = given.json(&["show", id])["proof"]["evidence"][0]["leaf"].to_string();
    for (name, expected) in [
        ("ASIAQ3APPNODE", "aws.access_key:ASIAQ3APPNODEEXAMPLE"),
        ("app-node", "name:app-node"),
        ("AROAQ3APPNODE7EXAMPLE", "aws.principal:AROAQ3APPNODE7EXAMPLE"),
        (id, "e477a048"),
        (&leaf, "ascribe.event:"),
    ] {
        let bundle = exported(&given, "named.evb", &["--entries", name, "--force"]);
        let report = checked(&given, &bundle);
        assert_eq!(report.verdict(), Verdict::Valid, "{name}");
        let manifest = report.manifest.unwrap();
        assert!(
            manifest.names.iter().any(|name| name.to_string().contains(expected)),
            "{:?}",
            manifest.names
        );
        assert!(report.counts.why.asked > 0 && report.counts.why.read == 0, "{name}: {:?}", report.counts);
    }
}

#[test]
fn a_file_is_replaced_only_by_force_and_nothing_is_left_where_it_fails() {
    let given = with_incident();
    let file = path(&given, "case.evb");
    let name = file.to_str().unwrap();
    exported(&given, "case.evb", &["--entries", "ASIAQ3APPNODEEXAMPLE"]);
    let again = given.run(&["export", "--entries", "ASIAQ3APPNODEEXAMPLE", "-o", name]);
    assert_eq!(again.code, 2);
    assert!(again.err.contains("exists") && again.err.contains("--force"), "{}", again.err);
    exported(&given, "case.evb", &["--entries", "ASIAQ3APPNODEEXAMPLE", "--force"]);
    let unknown = given.run(&[
        "export",
        "--entries",
        "ASIAQ3APPNOBODY00000",
        "-o",
        path(&given, "no.evb").to_str().unwrap(),
    ]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("ASIAQ3APPNODEEXAMPLE"), "a name that comes close: {}", unknown.err);
    let nowhere = given.run(&["export", "--entries", "ASIAQ3APPNODEEXAMPLE", "-o", "/nowhere/case.evb"]);
    assert_eq!(nowhere.code, 2);
    assert!(nowhere.err.contains("cannot write `/nowhere`"), "{}", nowhere.err);
    let left: Vec<String> = fs::read_dir(given.root().parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".ascribe") || name == "no.evb")
        .collect();
    assert_eq!(left, [""; 0], "no half of a bundle stays");
}

#[test]
fn a_kept_checkpoint_shows_that_the_ledger_only_grew() {
    let given = Given::evidence();
    let empty = path(&given, "empty.checkpoint");
    fs::copy(given.root().join("ledger/checkpoint"), &empty).unwrap();
    given.ingest(&[&given.input("a.json", &lines(0, 20))]);
    let kept = path(&given, "kept.checkpoint");
    fs::copy(given.root().join("ledger/checkpoint"), &kept).unwrap();
    given.ingest(&[&given.input("b.json", &lines(20, 700))]);
    let kept = kept.to_str().unwrap();
    let bundle = exported(&given, "grown.evb", &["--entries", "R00000030", "--earlier", kept]);
    let report = checked(&given, &bundle);
    assert_eq!(report.grown_from.len(), 1, "{}", ascribe_bundle::text(&report));
    let refused = |earlier: &str, expected: &str| {
        let file = path(&given, "refused.evb");
        let ran = given.run(&[
            "export",
            "--entries",
            "R00000030",
            "--earlier",
            earlier,
            "-o",
            file.to_str().unwrap(),
        ]);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains(expected), "{}", ran.err);
    };
    refused(empty.to_str().unwrap(), "checkpoint over 0 entries");
    let other = Given::evidence();
    refused(other.root().join("ledger/checkpoint").to_str().unwrap(), "is no checkpoint of this ledger");
    refused("nowhere.checkpoint", "cannot read the earlier checkpoint");
}

#[test]
fn another_key_is_refused_and_no_key_decides_nothing() {
    let given = with_incident();
    let bundle = exported(&given, "case.evb", &["--entries", "ASIAQ3APPNODEEXAMPLE"]);
    let other = Given::evidence();
    let stranger = check(bundle.as_slice(), Check { key: Some(&key(&other)), ..Check::default() }).unwrap();
    assert_eq!(stranger.verdict(), Verdict::Invalid);
    assert!(matches!(stranger.authority, Authority::Invalid(_)), "{:?}", stranger.authority);
    let unasked = check(bundle.as_slice(), Check { key: None, ..Check::default() }).unwrap();
    assert_eq!(unasked.verdict(), Verdict::Inconclusive);
}

#[test]
fn what_was_withheld_is_said_and_cannot_be_guessed() {
    let given = with_incident();
    let shown = given.run(&[
        "export",
        "--entries",
        "ASIAX5DEPLOYREXAMPLE",
        "-o",
        path(&given, "w.evb").to_str().unwrap(),
    ]);
    assert!(shown.out.contains("withheld              from "), "{}", shown.out);
    let bundle = fs::read(path(&given, "w.evb")).unwrap();
    for file in crate::given::files_below(&given.root().join("ledger/segment")) {
        if file.extension().is_some_and(|ending| ending == "salt") {
            let salts = fs::read(&file).unwrap();
            // Those of received bytes end the chunk; its checksum is behind them.
            let last = &salts[salts.len() - 36..salts.len() - 4];
            assert!(
                !bundle.windows(32).any(|window| window == last),
                "a salt of received bytes is in the bundle"
            );
        }
    }
}

#[test]
fn an_answer_that_rests_on_frozen_clocks_is_derived_with_them() {
    let given = with_incident();
    assert_eq!(given.run(&["skew", "--freeze"]).code, 0);
    for answer in ["who", "chain", "lifecycle"] {
        let request = ["--entries", "ASIAX5DEPLOYREXAMPLE", "--answer", answer, "--force"];
        let report = checked(&given, &exported(&given, "clocks.evb", &request));
        match report.answer {
            Some(AnswerCheck::Same { statement, .. }) => {
                let asked = given.json(&[answer, "ASIAX5DEPLOYREXAMPLE"]);
                assert_eq!(asked["body"]["statement"], statement.as_str(), "{answer}");
            }
            other => panic!("{answer}: {other:?}"),
        }
    }
}
