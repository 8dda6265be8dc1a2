//! The program `ascribe-verify`: arguments, exit codes, and what it says.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::completeness::nobody;
use crate::given::{Given, asked_key, disclosure, verifier};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ascribe-verify")).args(arguments).output().unwrap()
}

/// A file of the test's own.
fn file(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::File::create(&path).unwrap().write_all(bytes).unwrap();
    path
}

#[test]
fn exit_codes_are_those_of_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = Given::ledger(40).parts().write();
    let good = file(&folder, "good.evb", &bundle);
    let good = good.to_str().unwrap();
    let mut broken = bundle.clone();
    broken[3_000] ^= 1;
    let broken = file(&folder, "broken.evb", &broken);
    let later = file(&folder, "later.evb", b"\x71ascribe/bundle/v3\x80");
    let text = file(&folder, "text.evb", b"PK\x03\x04");
    let key = verifier().to_string();
    let key_file = file(&folder, "ledger.vkey", format!("{key}\n").as_bytes());
    let other = key.replace("example.com/ledger", "example.com/other");
    for (arguments, code, says) in [
        (vec!["--key", &key, good], 0, "VALID"),
        (vec![good, "-k", key_file.to_str().unwrap()], 0, "derived again"),
        (vec!["--output=json", "--key", &key, good], 0, "\"ascribe/bundle-check/v1\""),
        (vec![good], 5, "Anybody can claim a key"),
        (vec!["--key", &key, broken.to_str().unwrap()], 1, "INVALID"),
        (vec!["--key", &key, later.to_str().unwrap()], 2, "has version 3"),
        (vec![text.to_str().unwrap()], 2, "no bundle"),
        (vec!["--key", &other, good], 2, "no verifier key"),
        (vec!["--key", "nowhere.vkey", good], 2, "cannot read the key file"),
        (vec!["nowhere.evb"], 2, "cannot open"),
        (vec![], 2, "one bundle is checked at a time"),
        (vec![good, good], 2, "2 are named"),
        (vec!["--frob", good], 2, "no option"),
        (vec!["--output", "csv", good], 2, "neither"),
        (vec!["--key"], 2, "needs a value"),
        (vec!["--help"], 0, "Exit codes"),
        (vec!["--version"], 0, "ascribe-verify"),
    ] {
        let ran = run(&arguments);
        let said = String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap();
        assert_eq!(ran.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}

/// What the documents say is enough to read a bundle: somebody else's program comes to the same result.
#[test]
fn a_second_reader_written_from_the_documents_agrees() {
    if Command::new("python3").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: there is no python3 to run the second reader");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let reader = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stranger/second_reader.py");
    let holds = |bundle: &[u8]| {
        let path = file(&folder, "case.evb", bundle);
        Command::new("python3").arg(reader).arg(path).stderr(Stdio::null()).status().unwrap().success()
    };
    for size in [12, 40, 300] {
        let mut parts = Given::ledger(size).parts();
        assert!(holds(&parts.write()), "{size} entries");
        parts.disclosed = vec![disclosure()];
        assert!(holds(&parts.write()), "{size} entries, and a disclosed value");
        parts.disclosed[0].value.push('x');
        assert!(!holds(&parts.write()), "{size} entries, and another value");
        parts.disclosed.clear();
        parts.opened(2).captured[40] ^= 1;
        assert!(!holds(&parts.write()), "{size} entries, one of them changed");
    }
    let given = Given::sealed(40, &[(0, 17), (17, 40)]);
    let asked = given.asked_leaves();
    let complete = |leaves: &[u64]| given.complete_parts(leaves, vec![asked_key()]);
    assert!(holds(&complete(&asked).write()), "all entries of the name");
    assert!(holds(&given.complete_parts(&[], vec![nobody()]).write()), "none, and that is proven");
    assert!(!holds(&complete(&asked[1..]).write()), "one of them is left out");
    let mut parts = complete(&asked);
    parts.completeness[1].salt[0] ^= 1;
    assert!(!holds(&parts.write()), "another salt");
}

#[test]
fn a_bundle_is_read_from_standard_input() {
    let bundle = Given::ledger(12).parts().write();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ascribe-verify"))
        .args(["--output", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&bundle).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["integrity"]["is"], "valid");
}
