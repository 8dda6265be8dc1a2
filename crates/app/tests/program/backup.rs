//! `ascribe backup` and `ascribe restore`, end to end.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::given::{Given, Ran, files_below, lines};

fn backup(given: &Given, dest: &Path, more: &[&str]) -> Value {
    let dest = dest.to_string_lossy().into_owned();
    given.json(&[&["backup", &dest], more].concat())
}

fn restored(given: &Given, dest: &Path, to: &Path) -> Value {
    let (dest, to) = (dest.to_string_lossy().into_owned(), to.to_string_lossy().into_owned());
    given.json(&["restore", &dest, &to])
}

/// Runs the program on another evidence folder.
fn on(evidence: &Path, arguments: &[&str]) -> Ran {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_ascribe"));
    Ran::from(program.arg("--evidence").arg(evidence).args(arguments).output().unwrap())
}

fn json_on(evidence: &Path, arguments: &[&str]) -> Value {
    let ran = on(evidence, &[arguments, &["--output", "json"]].concat());
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}\n{}\n{}", ran.out, ran.err))
}

#[test]
fn restored_evidence_answers_as_before_and_goes_on() {
    let given = Given::evidence();
    given.ingest(&[&given.input("a.json", &lines(0, 40))]);
    let outside = tempfile::tempdir().unwrap();
    let (dest, to) = (outside.path().join("backup"), outside.path().join("restored"));
    let first = backup(&given, &dest, &["--with-keys"]);
    assert_eq!(first["files_copied"], first["files"], "{first:#}");
    given.ingest(&[&given.input("b.json", &lines(40, 60))]);
    let second = backup(&given, &dest, &["--with-keys"]);
    let copied = second["files_copied"].as_u64().unwrap();
    assert!(copied < second["files"].as_u64().unwrap(), "{second:#}");
    assert!(second["contents_removed"].as_u64().unwrap() > 0, "{second:#}");

    let made = restored(&given, &dest, &to);
    assert_eq!((&made["entries"], &made["can_sign"]), (&second["entries"], &true.into()), "{made:#}");
    assert!(!outside.path().join("restored.restoring").exists());
    let sources = given.json(&["sources"]);
    assert_eq!(json_on(&to, &["sources"])["body"], sources["body"]);
    let fsck = on(&to, &["ledger", "fsck"]);
    assert_eq!(fsck.code, 0, "{}", fsck.out);
    let path = given.input("c.json", &lines(60, 70));
    assert_eq!(json_on(&to, &["ingest", &path])["events"], 10);
    assert_eq!(json_on(&to, &["verify"])["valid"], true);
}

#[test]
fn a_damaged_backup_is_refused_and_nothing_is_put_in_place() {
    let given = Given::evidence();
    given.ingest(&[&given.input("a.json", &lines(0, 10))]);
    let outside = tempfile::tempdir().unwrap();
    let (dest, to) = (outside.path().join("backup"), outside.path().join("restored"));
    backup(&given, &dest, &[]);
    for path in files_below(&dest).into_iter().filter(|path| !path.ends_with("lock")) {
        let whole = fs::read(&path).unwrap();
        if whole.is_empty() {
            continue;
        }
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        fs::write(&path, &flipped).unwrap();
        let ran = given.run(&["restore", &dest.to_string_lossy(), &to.to_string_lossy()]);
        assert_eq!(ran.code, 2, "{}: {}", path.display(), ran.out);
        assert!(ran.err.contains("hint:") && !to.exists(), "{}", ran.err);
        fs::write(&path, &whole).unwrap();
    }
    let made = restored(&given, &dest, &to);
    assert_eq!(made["can_sign"], false, "{made:#}");
    let ran = given.run(&["restore", &dest.to_string_lossy(), &to.to_string_lossy()]);
    assert!(ran.code == 2 && ran.err.contains("is not empty"), "{}", ran.err);
    let path = given.input("b.json", &lines(10, 11));
    let ran = on(&to, &["ingest", &path]);
    assert!(ran.code == 2 && ran.err.contains("keys/"), "{}", ran.err);
}

#[test]
fn an_older_backup_is_refused_with_both_notes_where_the_anchor_is_apart() {
    let given = Given::evidence();
    let outside = tempfile::tempdir().unwrap();
    let anchor = outside.path().join("anchor");
    fs::create_dir(&anchor).unwrap();
    for path in files_below(&given.root().join("anchor")) {
        fs::copy(&path, anchor.join(path.file_name().unwrap())).unwrap();
    }
    fs::remove_dir_all(given.root().join("anchor")).unwrap();
    let settings = given.root().join("ascribe.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace("\"anchor\"", &format!("{:?}", anchor.to_string_lossy()))).unwrap();
    given.ingest(&[&given.input("a.json", &lines(0, 10))]);
    let (dest, to) = (outside.path().join("backup"), outside.path().join("restored"));
    backup(&given, &dest, &["--with-keys"]);
    given.ingest(&[&given.input("b.json", &lines(10, 20))]);
    let made = restored(&given, &dest, &to);
    assert_eq!(made["anchor"], "differs", "{made:#}");
    let input = given.input("c.json", &lines(20, 21));
    for refused in [&["sources"][..], &["ingest", &input]] {
        let ran = on(&to, refused);
        let shows_both = ran.err.contains("--- anchor") && ran.err.contains("--- published");
        assert!(ran.code == 2 && shows_both, "{refused:?}: {}", ran.err);
    }
    // Read on purpose, beside an anchor of its own.
    let settings = to.join("ascribe.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace(&*anchor.to_string_lossy(), "anchor")).unwrap();
    fs::create_dir(to.join("anchor")).unwrap();
    fs::copy(to.join("ledger/checkpoint"), to.join("anchor/checkpoint")).unwrap();
    assert_eq!(json_on(&to, &["sources"])["body"]["scope"]["events"], 10);
    // Nor does it replace the backup that has more.
    backup(&given, &dest, &["--with-keys"]);
    let ran = on(&to, &["backup", &dest.to_string_lossy()]);
    assert!(ran.code == 2 && ran.err.contains("--- backup"), "{}", ran.err);
}

#[test]
fn a_backup_goes_nowhere_that_it_could_do_harm() {
    let given = Given::evidence();
    let inside = given.root().join("backup");
    let ran = given.run(&["backup", &inside.to_string_lossy()]);
    assert!(ran.code == 2 && ran.err.contains("in the evidence itself"), "{}", ran.err);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("letter"), b"!").unwrap();
    let ran = given.run(&["backup", &outside.path().to_string_lossy()]);
    assert!(ran.code == 2 && ran.err.contains("no backup"), "{}", ran.err);
}
