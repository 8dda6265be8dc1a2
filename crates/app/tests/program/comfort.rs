//! `ascribe doctor`, `config show`, `completions`, `man`, colours: what makes the program easy to live with.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::given::{Given, Ran, lines};

fn with_records() -> Given {
    let given = Given::evidence();
    given.ingest(&[&given.input("a.json", &lines(0, 20))]);
    given
}

/// State and fix of each thing that the doctor looks at.
fn findings(given: &Given) -> BTreeMap<String, (String, String)> {
    let report = given.json(&["doctor"]);
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|it| (text(it, "what"), (text(it, "state"), text(it, "fix")))).collect()
}

#[test]
fn the_doctor_finds_good_evidence_good() {
    let given = with_records();
    let ran = given.run(&["doctor"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.contains("last event at 2026-08-14T09:00:19Z"), "{}", ran.out);
    let found = findings(&given);
    for what in
        ["folder", "writing", "room", "keys", "key files", "capture policy", "ledger", "clock", "store"]
    {
        assert_eq!(found[what].0, "good", "{what}: {found:#?}");
    }
    assert_eq!(found["anchor"].0, "advice", "it is on the same volume: {found:#?}");
    let left = fs::read_dir(given.root()).unwrap();
    let left =
        left.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".ascribe"));
    assert_eq!(left.count(), 0, "the file that it wrote is gone");
}

#[test]
fn a_fix_of_the_doctor_mends_what_it_is_for() {
    let given = with_records();
    let key = given.root().join("keys/ledger.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    fs::remove_dir_all(given.root().join("store")).unwrap();
    assert_eq!(given.run(&["doctor"]).code, 1);
    let found = findings(&given);
    for what in ["key files", "store"] {
        let (state, fix) = &found[what];
        assert_eq!(state, "broken", "{what}: {found:#?}");
        let fix = fix.replacen("ascribe ", &format!("{} ", env!("CARGO_BIN_EXE_ascribe")), 1);
        assert!(
            Command::new("sh").args(["-c", &fix]).stdout(Stdio::null()).status().unwrap().success(),
            "{fix}"
        );
    }
    assert_eq!(given.run(&["doctor"]).code, 0, "{:#?}", findings(&given));
}

#[test]
fn the_doctor_sees_a_ledger_that_was_put_back() {
    let given = with_records();
    let checkpoint = given.root().join("ledger/checkpoint");
    let before = fs::read(&checkpoint).unwrap();
    given.ingest(&[&given.input("b.json", &lines(20, 40))]);
    fs::write(&checkpoint, &before).unwrap();
    assert_eq!(findings(&given)["ledger"].0, "broken");
    fs::write(&checkpoint, b"nonsense").unwrap();
    let found = findings(&given);
    assert_eq!((found["ledger"].0.as_str(), found["store"].0.as_str()), ("broken", "unknown"), "{found:#?}");
    fs::write(given.root().join("capture.toml"), b"not = [toml").unwrap();
    assert_eq!(findings(&given)["capture policy"].0, "broken");
}

#[test]
fn the_doctor_of_no_evidence_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ascribe"))
        .args(["doctor", "--evidence"])
        .arg(folder.path().join("none"))
        .output()
        .unwrap();
    let ran = Ran::from(output);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("holds no evidence") && ran.out.contains("fix: `ascribe init"), "{}", ran.out);
}

#[test]
fn settings_say_where_they_come_from() {
    let given = Given::evidence();
    let origins = |arguments: &[&str]| -> BTreeMap<String, String> {
        let settings = given.json(arguments)["settings"].clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        settings.as_array().unwrap().iter().map(|it| (text(&it["name"]), text(&it["origin"]))).collect()
    };
    let file = format!("file {}", given.root().join("ascribe.toml").display());
    let found = origins(&["config", "show"]);
    assert_eq!((&found["evidence"], &found["anchor"]), (&"flag --evidence".to_owned(), &file), "{found:#?}");
    let settings = fs::read_to_string(given.root().join("ascribe.toml")).unwrap();
    let without_anchor: Vec<&str> = settings.lines().filter(|line| !line.starts_with("anchor")).collect();
    fs::write(given.root().join("ascribe.toml"), without_anchor.join("\n")).unwrap();
    fs::remove_file(given.root().join("capture.toml")).unwrap();
    let found = origins(&["config", "show"]);
    assert_eq!(
        (found["anchor"].as_str(), found["capture policy"].as_str()),
        ("default", "default"),
        "{found:#?}"
    );
    let text = given.run(&["config", "show"]).out;
    assert!(text.contains("ascribe.local/ledger") && !text.contains("default"), "{text}");
    assert!(given.run(&["config", "show", "--origin"]).out.contains("default"), "origins on request");
    let quiet = given.program(&["config", "show", "--origin"]).env("NO_COLOR", "1").output().unwrap();
    assert!(Ran::from(quiet).out.contains("environment NO_COLOR"));
}

#[test]
fn a_setting_that_nobody_knows_is_an_error_with_its_place() {
    let given = Given::evidence();
    let path = given.root().join("ascribe.toml");
    let settings = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{settings}\nanker = \"x\"\n")).unwrap();
    let ran = given.run(&["config", "show"]);
    assert_eq!(ran.code, 2);
    for expected in ["ascribe.toml", "anker", "line", "hint:"] {
        assert!(ran.err.contains(expected), "{expected}: {}", ran.err);
    }
}

#[test]
fn every_shell_gets_a_script_and_every_command_a_page() {
    let given = Given::evidence();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = given.run(&["completions", shell]);
        assert_eq!(script.code, 0);
        assert!(script.out.contains("doctor") && script.out.contains("lifecycle"), "{shell}");
    }
    let help = given.run(&["--help"]).out;
    let listed = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let commands: Vec<&str> = listed
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() > 10, "{help}");
    for command in commands {
        let page = given.run(&["man", command]);
        assert_eq!(page.code, 0, "{command}: {}", page.err);
        assert!(page.out.contains(&format!(".TH ascribe-{command}")), "{command}: {}", page.out);
    }
    assert!(given.run(&["man"]).out.contains(".TH ascribe 1"));
    assert_eq!(given.run(&["man", "nothing"]).code, 2);
}

#[test]
fn colours_are_for_those_who_want_them() {
    let given = Given::evidence();
    let run = |variables: &[(&str, &str)]| {
        let mut program = given.program(&["who", "R00000001", "--evidence", "nowhere"]);
        program.env_remove("NO_COLOR").envs(variables.iter().copied());
        Ran::from(program.output().unwrap()).err
    };
    assert!(!run(&[]).contains('\u{1b}'), "no terminal, no colour");
    assert!(run(&[("CLICOLOR_FORCE", "1")]).contains("\u{1b}[1;31merror:"));
    assert!(!run(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains('\u{1b}'));
    assert!(!run(&[("TERM", "dumb")]).contains('\u{1b}'));
}
