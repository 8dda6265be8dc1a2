//! The access ledger: what was asked by whom is in it once, whatever happens to the programs that ask.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::given::{Given, files_below, lines};

/// Commands of the access ledger with their subjects, the oldest first.
fn asked(given: &Given) -> Vec<(String, String)> {
    let listed = given.json(&["access", "--limit", "100000"]);
    let accesses = listed["accesses"].as_array().unwrap_or_else(|| panic!("{listed:#}"));
    let word = |access: &Value, name: &str| access["access"][name].as_str().unwrap_or_default().to_owned();
    accesses
        .iter()
        .rev()
        .map(|access| {
            let subject = access["access"]["subject"][0].as_str().unwrap_or_default().to_owned();
            (word(access, "verb"), subject)
        })
        .collect()
}

fn with_records() -> Given {
    let given = Given::evidence();
    given.ingest(&[&given.input("a.json", &lines(0, 5))]);
    given
}

#[test]
fn what_is_asked_is_recorded_with_who_and_what_came_of_it() {
    let given = with_records();
    let size = given.json(&["verify"])["size"].clone();
    assert_eq!(given.run(&["who", "AKIAEXAMPLEDEPLOY001"]).code, 0);
    assert_eq!(given.run(&["timeline", "deploy", "--limit", "3", "--until", "2026-08-14T09:00:03Z"]).code, 0);
    assert_eq!(given.run(&["show", "nothing of that name"]).code, 5);
    assert_eq!(given.run(&["show", "AKIAEXAMPLEDEPLOY001"]).code, 2);
    let bundle = given.root().join("../case.evb");
    assert_eq!(
        given.run(&["export", "--entries", "AKIAEXAMPLEDEPLOY001", "-o", bundle.to_str().unwrap()]).code,
        0
    );
    let listed = given.json(&["access"]);
    let accesses = listed["accesses"].as_array().unwrap();
    assert_eq!(accesses.len(), 6, "{listed:#}");
    let [export, refused, nothing, timeline, who, verify] =
        std::array::from_fn(|place| accesses[place]["access"].clone());
    assert_eq!(verify["verb"], "verify");
    assert_eq!(verify["ended"]["verdict"], "valid");
    assert_eq!((&who["verb"], &who["subject"][0]), (&"who".into(), &"AKIAEXAMPLEDEPLOY001".into()));
    let ended = &who["ended"];
    assert_eq!(
        (&ended["how"], &ended["exit"], &ended["size"]),
        (&"ended".into(), &0.into(), &size),
        "{who:#}"
    );
    assert!(ended["results"].as_u64().unwrap() > 0, "{who:#}");
    assert!(who["by"]["user"]["uid"].is_u64() && who["by"]["host"].is_string(), "{who:#}");
    assert_eq!(timeline["options"]["until"], serde_json::json!(["2026-08-14T09:00:03Z"]));
    assert_eq!(timeline["options"]["limit"], serde_json::json!(["3"]));
    assert_eq!(nothing["ended"]["verdict"], "undecided");
    assert!(refused["ended"]["error"].as_str().unwrap().contains("not an event"), "{refused:#}");
    assert_eq!(export["ended"]["bundle"].as_str().unwrap().len(), 64, "{export:#}");
    assert_eq!(asked(&given).pop().unwrap().0, "access", "reading the access ledger is recorded too");
    let by_verb = given.json(&["access", "--verb", "who"]);
    assert_eq!(by_verb["accesses"].as_array().unwrap().len(), 1);
    let uid = who["by"]["user"]["uid"].to_string();
    assert!(!given.json(&["access", "--who", &uid])["accesses"].as_array().unwrap().is_empty());
    assert_eq!(given.json(&["access", "--who", "nobody-of-that-name"])["accesses"], serde_json::json!([]));
    let at = who["at"].as_str().unwrap();
    let since = given.json(&["access", "--since", at, "--verb", "who"]);
    assert_eq!(since["accesses"].as_array().unwrap().len(), 1, "{since:#}");
    assert_eq!(given.json(&["access", "--until", at, "--verb", "export"])["accesses"], serde_json::json!([]));
    let listed = given.json(&["access", "--limit", "2"]);
    assert!(listed["accesses"].as_array().unwrap().len() == 2 && listed["has_more"] == true);
}

/// The ledger of the evidence has the same bytes, whatever was asked.
#[test]
fn asking_changes_nothing_of_the_evidence() {
    let given = with_records();
    let ledger = || -> BTreeMap<_, _> {
        let files = files_below(&given.root().join("ledger"));
        files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    };
    let mut before = ledger();
    let lock = given.root().join("ledger/lock");
    before.remove(&lock); // It holds the id of the process that had it last.
    let first = given.run(&["who", "AKIAEXAMPLEDEPLOY001", "--output", "json"]).out;
    for _ in 0..40 {
        assert_eq!(given.run(&["who", "AKIAEXAMPLEDEPLOY001", "--output", "json"]).out, first);
    }
    let mut after = ledger();
    after.remove(&lock);
    assert_eq!(before, after);
    assert_eq!(asked(&given).len(), 41);
    let verified = given.json(&["verify"]);
    assert_eq!(verified["access"]["valid"], true, "{verified:#}");
}

/// What is typed may be a secret: the tree of the access ledger holds commitments to it, and the segment the bytes.
#[test]
fn what_was_typed_is_in_the_erasable_bytes_only() {
    let given = with_records();
    given.run(&["who", "a-very-private-subject"]);
    assert_eq!(asked(&given)[0].1, "a-very-private-subject");
    let tree = files_below(&given.root().join("access/ledger/tile"));
    assert!(!tree.is_empty());
    for path in tree {
        let bytes = fs::read(&path).unwrap();
        let needle = b"a-very-private-subject";
        assert!(!bytes.windows(needle.len()).any(|part| part == needle), "{}", path.display());
    }
}

/// Programs that ask at the same time, some of them killed: each answer that was shown is recorded, and each once.
#[test]
fn many_ask_at_once_and_some_are_killed() {
    let given = with_records();
    let mut shown = Vec::new();
    for round in 0..4 {
        let mut running: Vec<_> = (0..6)
            .map(|number| {
                let subject = format!("subject-{round}-{number}");
                let verb = if number == 0 { "verify" } else { "who" };
                let mut arguments = vec![verb, "--output", "json"];
                if verb == "who" {
                    arguments.push(&subject);
                }
                let mut program = given.program(&arguments);
                (subject.clone(), program.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
            })
            .collect();
        for (number, (_, child)) in running.iter_mut().enumerate() {
            if number % 3 == 1 {
                std::thread::sleep(std::time::Duration::from_millis(10 * (round + 1)));
                child.kill().unwrap_or_default(); // It may have ended.
            }
        }
        for (subject, child) in running {
            let output = child.wait_with_output().unwrap();
            if !output.stdout.is_empty() && String::from_utf8_lossy(&output.stdout).contains(&subject) {
                shown.push(subject);
            }
        }
    }
    let recorded = asked(&given);
    assert!(shown.len() >= 12, "{shown:?}");
    for subject in shown {
        let times = recorded.iter().filter(|(_, found)| *found == subject).count();
        assert_eq!(times, 1, "{subject}");
    }
    let subjects: Vec<&String> =
        recorded.iter().map(|(_, subject)| subject).filter(|subject| !subject.is_empty()).collect();
    let once: std::collections::BTreeSet<&&String> = subjects.iter().collect();
    assert_eq!(once.len(), subjects.len(), "none is recorded twice: {subjects:?}");
    assert_eq!(given.json(&["verify"])["access"]["valid"], true);
    let mut left = files_below(&given.root().join("access/spool"));
    left.retain(|path| path.extension().is_some_and(|ending| ending == "entry"));
    assert_eq!(left.len(), 0, "`verify` is in the ledger at once: {left:?}");
}

/// A file of the spool that was left by a crash after its access went into the ledger, and others that were torn.
#[test]
fn what_a_crash_leaves_in_the_spool_is_taken_in_once() {
    let given = with_records();
    given.run(&["who", "left-behind"]);
    let spool = given.root().join("access/spool");
    let [left] = files_below(&spool).try_into().unwrap();
    let bytes = fs::read(&left).unwrap();
    assert_eq!(asked(&given).len(), 1);
    for _ in 0..3 {
        fs::write(&left, &bytes).unwrap(); // As if the machine had stopped before the file was removed.
        let times = asked(&given).iter().filter(|(_, subject)| subject == "left-behind").count();
        assert_eq!(times, 1);
        assert!(!left.exists());
    }
    let line = bytes.split_inclusive(|&byte| byte == b'\n').next().unwrap();
    let name = left.file_stem().unwrap().to_str().unwrap().to_owned();
    let other = format!("{}9", &name[..name.len() - 1]);
    let renamed = String::from_utf8(line.to_vec()).unwrap().replace(&name, &other);
    let torn = [
        (other.as_str(), renamed.as_bytes(), 1, 0),
        ("00000000000000000001-1-00000001", &bytes[..40], 0, 1),
        ("00000000000000000001-1-00000002", b"\0\0\0\0", 0, 1),
        ("00000000000000000001-1-00000003", b"", 0, 1),
        ("00000000000000000001-1-00000004", bytes.as_slice(), 0, 1), // The access of another file.
        ("no number", b"{}", 0, 1),
    ];
    for (name, bytes, accesses, unread) in torn {
        let before = given.json(&["access", "--limit", "100000"]);
        fs::write(spool.join(format!("{name}.entry")), bytes).unwrap();
        let after = given.json(&["access", "--limit", "100000"]);
        let interrupted = |listed: &Value| {
            let all = listed["accesses"].as_array().unwrap().iter();
            all.filter(|access| access["access"]["ended"]["how"] == "interrupted").count()
        };
        assert_eq!(interrupted(&after), interrupted(&before) + accesses, "{name}");
        assert_eq!(after["unread"].as_u64().unwrap(), before["unread"].as_u64().unwrap() + unread, "{name}");
    }
    assert_eq!(given.json(&["verify"])["access"]["valid"], true);
}

#[test]
fn evidence_that_cannot_be_written_is_answered_and_says_that_nothing_was_recorded() {
    let given = with_records();
    let before = given.run(&["who", "AKIAEXAMPLEDEPLOY001", "--output", "json"]);
    // A file in the place of the spool, since the rights of a folder do not hold back every user.
    let spool = given.root().join("access/spool");
    fs::remove_dir_all(&spool).unwrap();
    fs::write(&spool, b"").unwrap();
    let ran = given.run(&["who", "AKIAEXAMPLEDEPLOY001", "--output", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.err.matches("note: this access is not recorded").count(), 1, "{}", ran.err);
    let mut answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer.as_object_mut().unwrap().remove("recorded"), Some(false.into()));
    assert_eq!(answer, serde_json::from_str::<Value>(&before.out).unwrap(), "only that stands beside it");
    let sources = given.run(&["skew", "--output", "json"]);
    assert!(sources.out.contains("\"recorded\": false"), "{}", sources.out);
    let settings = given.root().join("ascribe.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("{text}\n[access]\nrequired = true\n")).unwrap();
    let ran = given.run(&["who", "AKIAEXAMPLEDEPLOY001"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
    assert!(ran.err.contains("require that every access is recorded"), "{}", ran.err);
    let shown = given.run(&["config", "show", "--origin"]).out;
    assert!(
        shown.lines().any(|line| line.starts_with("access required") && line.contains("true")),
        "{shown}"
    );
}

#[test]
fn an_access_ledger_that_was_changed_or_taken_away_is_said_and_never_made_anew() {
    let given = with_records();
    given.run(&["verify"]);
    let segment = given.root().join("access/ledger/segment/00000000.0.seg");
    let mut bytes = fs::read(&segment).unwrap();
    let last = bytes.len() - 10;
    bytes[last] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let verified = given.run(&["verify", "--output", "json"]);
    assert_eq!(verified.code, 1);
    let report: Value = serde_json::from_str(&verified.out).unwrap();
    assert_eq!((&report["valid"], &report["access"]["valid"]), (&true.into(), &false.into()), "{report:#}");
    fs::remove_dir_all(given.root().join("access/ledger")).unwrap();
    let ran = given.run(&["verify"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert!(ran.err.contains("are not in the access ledger yet"), "{}", ran.err);
    assert!(!given.root().join("access/ledger/checkpoint").exists());
    let ran = given.run(&["doctor"]);
    assert!(ran.code == 1 && ran.out.contains("access ledger   broken"), "{}", ran.out);
    assert_eq!(given.run(&["who", "AKIAEXAMPLEDEPLOY001"]).code, 0, "the evidence is another ledger");
}
