//! Making, rebuilding and checking evidence, and the demo.

use serde_json::Value;

use crate::given::{Given, lines};

#[test]
fn a_store_built_batch_by_batch_equals_a_rebuilt_one() {
    let given = Given::evidence();
    for part in 0..5 {
        given.ingest(&[&given.input(&format!("{part}.json"), &lines(part * 30, part * 30 + 40))]);
    }
    let before = given.json(&["sources"]);
    let first = given.json(&["rebuild"]);
    let second = given.json(&["rebuild"]);
    assert_eq!(first["digests"], second["digests"]);
    assert!(first["digests"].as_object().unwrap().len() > 5, "{first:#}");
    let after = given.json(&["sources"]);
    assert_eq!(before["body"], after["body"], "the same evidence, derived twice");
}

#[test]
fn a_store_that_is_gone_or_damaged_is_said_and_comes_back() {
    let given = Given::evidence();
    given.ingest(&[&given.input("a.json", &lines(0, 10))]);
    let manifest = crate::given::files_below(&given.root().join("store/manifest")).pop().unwrap();
    std::fs::write(&manifest, b"{").unwrap();
    let ran = given.run(&["sources"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("ascribe rebuild"), "{}", ran.err);
    assert_eq!(given.run(&["rebuild"]).code, 0);
    assert_eq!(given.json(&["sources"])["body"]["scope"]["events"], 10);
}

#[test]
fn a_store_too_small_for_a_unit_is_compacted_to_itself() {
    let given = Given::evidence();
    given.ingest(&[&given.input("a.json", &lines(0, 10))]);
    let compacted = given.json(&["compact"]);
    assert_eq!(
        (&compacted["made"], &compacted["left"]),
        (&0.into(), &serde_json::json!([])),
        "{compacted:#}"
    );
    assert_eq!(given.json(&["sources"])["body"]["scope"]["events"], 10);
}

#[test]
fn a_known_object_adds_one_sighting() {
    let given = Given::evidence();
    let path = given.input("a.json", &lines(0, 10));
    let first = given.ingest(&[&path]);
    let again = given.ingest(&[&path]);
    assert_eq!((&again["records"], &again["objects_known"]), (&0.into(), &1.into()), "{again:#}");
    let size = |report: &Value| report["ledger_size"].as_u64().unwrap();
    assert_eq!(size(&again), size(&first) + 1);
}

#[test]
fn standard_input_is_taken_in_like_a_file() {
    use std::io::Write as _;
    let given = Given::evidence();
    let mut child = given
        .program(&["ingest", "-", "--output", "json"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&crate::given::gzip(&lines(0, 7))).unwrap();
    let output = child.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["records"], 7, "{report:#}");
}

#[test]
fn init_twice_is_refused_and_the_key_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let given = Given::evidence();
    let ran = given.run(&["init"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("already holds evidence") && ran.err.contains("hint:"), "{}", ran.err);
    let mode = std::fs::metadata(given.root().join("keys/ledger.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_folder_without_evidence_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ascribe"))
        .arg("--evidence")
        .arg(folder.path().join("none"))
        .arg("sources")
        .output()
        .unwrap();
    let ran = crate::given::Ran::from(output);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("holds no evidence") && ran.err.contains("ascribe init"), "{}", ran.err);
}

#[test]
fn the_demo_runs_to_its_end() {
    let given = Given::evidence();
    let ran = given.run(&["demo"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("$ ascribe verify") && ran.out.contains("valid"), "{}", ran.out);
}

#[test]
fn only_one_program_at_a_time_folds_into_the_store() {
    let given = Given::evidence();
    let path = given.input("a.json", &lines(0, 10));
    let lock = std::fs::File::create(given.root().join("fold.lock")).unwrap();
    lock.lock().unwrap();
    let ran = given.run(&["ingest", &path]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("the store is being written by another program"), "{}", ran.err);
    assert_eq!(given.run(&["rebuild"]).code, 2);
    assert_eq!(given.run(&["sources"]).code, 0, "a question needs no lock");
    drop(lock);
    assert_eq!(given.ingest(&[&path])["events"], 10);
}
