//! Evidence that somebody changed: no answer may rest on it, whatever its checksums say.

use std::fs;
use std::path::Path;

use crate::given::{Given, files_below, lines};

fn copy(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
}

#[test]
fn records_of_another_ledger_are_no_evidence_although_every_checksum_fits() {
    let [given, other] = [Given::evidence(), Given::evidence()];
    given.ingest(&[&given.input("a.json", &lines(0, 20))]);
    let forged = String::from_utf8(lines(0, 20)).unwrap().replace("10.0.0.", "10.9.9.");
    other.ingest(&[&other.input("a.json", forged.as_bytes())]);
    let segments = "ledger/segment";
    for file in files_below(&other.root().join(segments)) {
        fs::copy(&file, given.root().join(segments).join(file.file_name().unwrap())).unwrap();
    }
    // As long as a writer is at work the ledger is only read: each entry has to prove itself then.
    let lock = fs::File::create(given.root().join("fold.lock")).unwrap();
    lock.lock().unwrap();
    for arguments in [["who", "AKIAEXAMPLEDEPLOY001"], ["show", "5"], ["chain", "AKIAEXAMPLEDEPLOY001"]] {
        let ran = given.run(&arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.out);
        assert!(ran.err.contains("altered"), "{arguments:?}: {}", ran.err);
    }
    drop(lock);
    let ran = given.run(&["who", "AKIAEXAMPLEDEPLOY001"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("--- signed") && ran.err.contains("--- found"),
        "both states are shown: {}",
        ran.err
    );
    assert_eq!(given.run(&["verify"]).code, 1);
}

#[test]
fn a_ledger_put_back_to_an_older_state_gives_no_answer() {
    let given = Given::evidence();
    given.ingest(&[&given.input("a.json", &lines(0, 20))]);
    let backup = tempfile::tempdir().unwrap();
    copy(&given.root(), backup.path());
    given.ingest(&[&given.input("b.json", &lines(20, 40))]);
    for folder in ["ledger", "store"] {
        fs::remove_dir_all(given.root().join(folder)).unwrap();
        copy(&backup.path().join(folder), &given.root().join(folder));
    }
    for arguments in [
        &["who", "AKIAEXAMPLEDEPLOY001"][..],
        &["sources"],
        &["ingest", &given.input("c.json", &lines(40, 41))],
    ] {
        let ran = given.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.out);
        assert!(
            ran.err.contains("does not open") || ran.err.contains("cannot open the ledger"),
            "{}",
            ran.err
        );
    }
}

#[test]
fn evidence_is_never_taken_in_as_a_log() {
    let given = Given::evidence();
    let root = given.root();
    let [own, keys] = [root.clone(), root.join("keys")].map(|path| path.to_string_lossy().into_owned());
    for path in [&own, &keys, &format!("{keys}/*.key")] {
        let ran = given.run(&["ingest", path]);
        assert_eq!(ran.code, 2, "{path}: {}", ran.out);
        assert!(ran.err.contains("is an evidence folder, or lies in one"), "{path}: {}", ran.err);
    }
    given.input("a.json", &lines(0, 3));
    let parent = root.parent().unwrap().to_string_lossy().into_owned();
    let ran = given.run(&["ingest", &parent]);
    assert_eq!(ran.code, 2, "something was passed over");
    assert!(
        ran.out.contains("records       3") && ran.err.contains("evidence folder"),
        "{}{}",
        ran.out,
        ran.err
    );
    for file in files_below(&root.join("ledger")) {
        assert!(
            !fs::read(&file).unwrap().windows(12).any(|window| window == b"PRIVATE+KEY+"),
            "{}",
            file.display()
        );
    }
}
