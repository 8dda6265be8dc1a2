//! The capture policy from its file to the questions: what it withholds, what it records, what can be shown again.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::given::{Given, files_below, lines, record};

const POLICY: &str = r#"
version = 1

[class.reads]
verb = ["read"]

[[rule]]
name = "agents"
fields = ["userAgent"]
action = "seal"

[[rule]]
name = "addresses"
source = "aws_cloudtrail"
fields = ["sourceIPAddress"]
action = "hash"

[[rule]]
name = "bodies"
class = "reads"
fields = ["requestParameters", "requestID"]
action = "drop"
"#;

/// A policy of which every rule can be used.
fn usable() -> String {
    POLICY.replace(", \"requestID\"", "")
}

fn evidence_with(policy: &str) -> Given {
    let given = Given::evidence();
    fs::write(given.root().join("capture.toml"), policy).unwrap();
    given
}

fn rows(answer: &Value) -> Vec<Vec<String>> {
    let rules = answer["body"]["details"]["redactions"]["rules"].as_array().unwrap();
    let text = |row: &Value, name: &str| match &row[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    rules
        .iter()
        .map(|row| ["rule", "method", "values"].iter().map(|name| text(row, name)).collect())
        .collect()
}

/// The bytes of every file of the evidence but the keys.
fn stored(given: &Given) -> Vec<Vec<u8>> {
    let files = files_below(&given.root());
    files
        .iter()
        .filter(|path| !path.to_string_lossy().contains("/keys/"))
        .map(|path| fs::read(path).unwrap())
        .collect()
}

#[test]
fn what_a_policy_withholds_is_listed_and_what_it_seals_can_be_shown() {
    let given = evidence_with(&usable());
    let input =
        record(1).replace("\"bucketName\":\"b1\"", "\"bucketName\":\"b1\",\"prefix\":\"people/anna\"");
    let report = given.ingest(&[&given.input("a.json", input.as_bytes())]);
    assert_eq!(report["withheld"], 1, "{report:#}");
    given.assert_valid();
    let answer = given.json(&["redactions"]);
    assert_eq!(
        rows(&answer),
        [["policy.addresses", "hash", "1"], ["policy.agents", "seal", "1"], ["policy.bodies", "drop", "1"]]
    );
    let row = &answer["body"]["details"]["redactions"]["rules"][0];
    assert_eq!(row["policy"].as_str().unwrap().len(), 71, "{row:#}");
    assert_eq!(row["first"], row["last"]);
    let event = row["examples"][0].as_str().unwrap();
    assert_eq!(rows(&given.json(&["redactions", "--rule", "bodies"])).len(), 1);
    assert_eq!(rows(&given.json(&["redactions", "--source", "k8s_audit"])).len(), 0);
    let shown = given.json(&["redactions", "--unseal", event, "userAgent"]);
    assert_eq!((&shown["value"], &shown["event"]), (&"aws-cli/2".into(), &event.into()), "{shown:#}");
    let ran = given.run(&["redactions", "--unseal", event, "sourceIPAddress"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("is not sealed; sealed are `userAgent`"), "{}", ran.err);
    for needle in ["people/anna", "aws-cli/2", "10.0.0.1"] {
        let found = stored(&given)
            .iter()
            .any(|bytes| bytes.windows(needle.len()).any(|part| part == needle.as_bytes()));
        assert!(!found, "`{needle}` is on disk");
    }
    fs::remove_dir_all(given.root().join("sealed")).unwrap();
    let ran = given.run(&["redactions", "--unseal", event, "userAgent"]);
    assert!(ran.code == 2 && ran.err.contains("it was erased"), "{}", ran.err);
    given.assert_valid();
    let before = given.json(&["redactions"]);
    assert_eq!(given.run(&["rebuild"]).code, 0, "nothing needs sealed values");
    assert_eq!(given.json(&["redactions"]), before);
}

/// One sealed field leaves with its proof; its neighbours, and the same field of other records, do not.
#[test]
fn one_sealed_field_is_disclosed_and_nothing_else() {
    let policy = usable().replace("fields = [\"userAgent\"]", "fields = [\"userAgent\", \"errorMessage\"]");
    let given = evidence_with(&policy);
    let with = |number: usize, agent: &str| {
        let field = format!("\"userAgent\":\"{agent}\",\"errorMessage\":\"said of {agent}\"");
        record(number).replace("\"userAgent\":\"aws-cli/2\"", &field)
    };
    let input = format!("{}\n{}\n", with(1, "agent-of-anna"), with(2, "agent-of-bert"));
    given.ingest(&[&given.input("a.json", input.as_bytes())]);
    let file = given.root().join("../case.evb");
    let file = file.to_str().unwrap();
    let event = "11111111-2222-4333-8444-000000000001";
    let export = |more: &[&str]| {
        let basic =
            ["export", "--entries", "AKIAEXAMPLEDEPLOY001", "--force", "-o", file, "--output", "json"];
        given.run(&[&basic, more].concat())
    };
    let exported = export(&["--answer", "who", "--disclose", event, "userAgent"]);
    assert_eq!(exported.code, 0, "{}", exported.err);
    let report: Value = serde_json::from_str(&exported.out).unwrap();
    let disclosed = report["check"]["disclosed"].as_array().unwrap();
    assert_eq!(disclosed.len(), 1, "{report:#}");
    assert_eq!(
        (&disclosed[0]["field"], &disclosed[0]["value"]),
        (&"userAgent".into(), &"agent-of-anna".into())
    );
    let bundle = fs::read(file).unwrap();
    let holds = |needle: &str| bundle.windows(needle.len()).any(|part| part == needle.as_bytes());
    assert!(holds("agent-of-anna") && !holds("said of agent-of-anna") && !holds("agent-of-bert"));
    let again =
        export(&["--answer", "who", "--disclose", event, "userAgent", "--disclose", event, "userAgent"]);
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(fs::read(file).unwrap(), bundle, "equal requests to equal ledgers give equal bytes");
    let both = ["--disclose", event, "errorMessage", "--disclose", event, "userAgent"];
    let both: Value = serde_json::from_str(&export(&both).out).unwrap();
    assert_eq!(both["check"]["disclosed"].as_array().unwrap().len(), 2, "{both:#}");
    let other = export(&["--disclose", event, "sourceIPAddress"]);
    assert!(other.code == 2 && other.err.contains("is not sealed"), "{}", other.err);
    let ran = given.run(&[
        "export",
        "--entries",
        "11111111-2222-4333-8444-000000000002",
        "--force",
        "-o",
        file,
        "--disclose",
        event,
        "userAgent",
    ]);
    assert!(ran.code == 2 && ran.err.contains("which is not in this bundle"), "{}", ran.err);
    let accesses = given.json(&["access", "--verb", "export", "--limit", "1000"]);
    let asked = &accesses["accesses"].as_array().unwrap().last().unwrap()["access"]["options"]["disclose"];
    assert_eq!(*asked, serde_json::json!([event, "userAgent"]), "who disclosed what is on record");
    fs::remove_dir_all(given.root().join("sealed")).unwrap();
    let erased = export(&["--disclose", event, "userAgent"]);
    assert!(erased.code == 2 && erased.err.contains("it was erased"), "{}", erased.err);
}

/// A destroyed key is destroyed content: the value is in no file and cannot be shown by anybody, and every proof and
/// every answer stays as it was.
#[test]
fn a_destroyed_key_is_destroyed_content_and_nothing_else() {
    let given = evidence_with(&usable());
    let input = record(1).replace("aws-cli/2", "agent-of-anna");
    given.ingest(&[&given.input("a.json", input.as_bytes())]);
    let event = "11111111-2222-4333-8444-000000000001";
    let leaf = given.json(&["show", event])["proof"]["evidence"][0]["leaf"].as_u64().unwrap();
    let questions: [&[&str]; 4] =
        [&["who", "AKIAEXAMPLEDEPLOY001"], &["show", event], &["redactions"], &["sources"]];
    let bodies = || questions.map(|question| given.json(question)["body"].clone());
    let paths = ascribe_ledger::LedgerPaths::new(given.root().join("ledger"), given.root().join("anchor"));
    let key = fs::read_to_string(given.root().join("keys/ledger.vkey")).unwrap();
    let key = ascribe_ledger::VerifierKey::parse(key.trim_end()).unwrap();
    let note = fs::read(given.root().join("ledger/checkpoint")).unwrap();
    // The proofs under the checkpoint of now, as whoever kept that checkpoint has them.
    let proofs = || {
        let checkpoint = ascribe_ledger::SignedCheckpoint::open(&note, &key).unwrap();
        let reader = ascribe_ledger::Reader::at(&paths, checkpoint).unwrap();
        (0..reader.size()).map(|leaf| reader.offline_proof(leaf).unwrap().to_string()).collect::<Vec<_>>()
    };
    let (bodies_before, proofs_before) = (bodies(), proofs());
    assert_eq!(given.json(&["redactions", "--unseal", event, "userAgent"])["value"], "agent-of-anna");
    let asked = given.run(&["redactions", "--destroy-key", "--reason", "request 4711 of the data subject"]);
    assert_eq!(asked.code, 2, "{}", asked.out);
    assert!(asked.err.contains("destroys the 1 values that it sealed"), "{}", asked.err);
    let id = asked.err.split("--confirm ").nth(1).unwrap()[..32].to_owned();
    let destroy = |id: &str| {
        given.run(&[
            "redactions",
            "--destroy-key",
            "--reason",
            "request 4711 of the data subject",
            "--confirm",
            id,
        ])
    };
    assert!(destroy("0123").err.contains("is not the key that is here"));
    assert_eq!(given.json(&["redactions", "--unseal", event, "userAgent"])["value"], "agent-of-anna");
    let kept = fs::read(given.root().join("keys/seal.key")).unwrap();
    let done = destroy(&id);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.contains("1 can never be shown again"), "{}", done.out);
    assert!(!given.root().join("keys/seal.key").exists());
    let secret = &kept[kept.len() - 45..kept.len() - 1];
    for path in files_below(&given.root()) {
        let bytes = fs::read(&path).unwrap();
        for needle in [b"agent-of-anna".as_slice(), secret] {
            let found = bytes.windows(needle.len()).any(|part| part == needle);
            assert!(!found, "{} holds {}", path.display(), String::from_utf8_lossy(needle));
        }
    }
    assert_eq!(bodies(), bodies_before);
    assert_eq!(proofs(), proofs_before);
    given.assert_valid();
    let shown = given.json(&["show", &leaf.to_string()]);
    assert!(shown["body"]["details"]["show"]["record"].as_str().unwrap().contains("sealed="), "{shown:#}");
    let file = given.root().join("../case.evb");
    let export =
        ["export", "--entries", event, "-o", file.to_str().unwrap(), "--disclose", event, "userAgent"];
    for arguments in [&["redactions", "--unseal", event, "userAgent"][..], &export] {
        let ran = given.run(arguments);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("request 4711 of the data subject"), "{}", ran.err);
    }
    assert_eq!(given.run(&["rebuild"]).code, 0);
    assert_eq!(bodies(), bodies_before);
    a_new_key_seals_what_is_to_come(&given, event, &kept);
}

/// Behind a destroyed key: sealing needs a new one, which opens nothing of before; the old one brought back opens
/// nothing either.
fn a_new_key_seals_what_is_to_come(given: &Given, event: &str, old: &[u8]) {
    let path = given.root().join("keys/seal.key");
    let second = given.input("b.json", record(2).as_bytes());
    let ran = given.run(&["ingest", &second]);
    assert!(ran.code == 2 && ran.err.contains("--new-key"), "{}", ran.err);
    fs::write(&path, old).unwrap();
    let refusals: [&[&str]; 3] = [
        &["redactions", "--unseal", event, "userAgent"],
        &["ingest", &second],
        &["redactions", "--new-key", "--reason", "go on"],
    ];
    for arguments in refusals {
        let ran = given.run(arguments);
        assert!(ran.code == 2 && ran.err.contains("was destroyed on"), "{arguments:?}: {}", ran.err);
    }
    let doctor = given.run(&["doctor"]);
    assert!(doctor.code == 1 && doctor.out.contains("seal key        broken"), "{}", doctor.out);
    let configs = || given.json(&["verify"])["entries"]["config"].as_u64().unwrap();
    let before = configs();
    let fix = doctor.out.split("redactions --destroy-key").nth(1).unwrap().lines().next().unwrap();
    let again: Vec<&str> =
        ["redactions", "--destroy-key"].into_iter().chain(fix.split_whitespace()).collect();
    assert_eq!(given.run(&again).code, 0, "what doctor names mends it");
    assert!(!path.exists());
    assert_eq!(configs(), before, "it is recorded once");
    let made = given.json(&["redactions", "--new-key", "--reason", "go on"]);
    assert_eq!(made["is"], "made", "{made:#}");
    let ran = given.run(&["redactions", "--new-key", "--reason", "go on"]);
    assert!(ran.code == 2 && ran.err.contains("there is a key to seal values already"), "{}", ran.err);
    given.ingest(&[&second]);
    let newer = "11111111-2222-4333-8444-000000000002";
    assert_eq!(given.json(&["redactions", "--unseal", newer, "userAgent"])["value"], "aws-cli/2");
    let ran = given.run(&["redactions", "--unseal", event, "userAgent"]);
    assert!(ran.code == 2 && ran.err.contains("another key"), "{}", ran.err);
    let accesses = given.json(&["access", "--verb", "redactions"]);
    let options: Vec<String> = accesses["accesses"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|access| {
            access["access"]["options"].as_object().into_iter().flat_map(|all| all.keys().cloned())
        })
        .collect();
    assert!(
        options.contains(&"destroy-key".to_owned()) && options.contains(&"new-key".to_owned()),
        "{options:?}"
    );
}

#[test]
fn each_change_of_policy_is_in_the_ledger_before_the_records_it_is_for() {
    let given = evidence_with(&usable());
    let with = |name: &str, from: usize| given.ingest(&[&given.input(name, &lines(from, from + 3))]);
    with("a.json", 0);
    with("b.json", 10);
    fs::write(given.root().join("capture.toml"), usable().replace("\"seal\"", "\"drop\"")).unwrap();
    with("c.json", 20);
    fs::remove_file(given.root().join("capture.toml")).unwrap();
    with("d.json", 30);
    let report = given.json(&["verify"]);
    // Each change is in the settings too, beside the policy itself.
    assert_eq!(report["entries"]["config"], 6, "two for each change, and none for what stays: {report:#}");
    let answer = given.json(&["redactions", "--rule", "agents"]);
    let rules = answer["body"]["details"]["redactions"]["rules"].as_array().unwrap().clone();
    let shown: Vec<_> = rules.iter().map(|row| (row["method"].clone(), row["values"].clone())).collect();
    assert_eq!(shown, [("drop".into(), 3.into()), ("seal".into(), 6.into())], "{rules:#?}");
    assert_ne!(rules[0]["policy"], rules[1]["policy"]);
    assert_eq!(given.run(&["rebuild"]).code, 0);
    assert_eq!(given.json(&["redactions", "--rule", "agents"])["body"], answer["body"]);
}

#[test]
fn a_policy_that_cannot_be_used_stops_an_ingest_before_anything_is_stored() {
    for (policy, said) in [
        (POLICY, "line 21: rule `bodies` withholds `requestID`"),
        ("version = 1\n[[rules]]\n", "is not a capture policy"),
        ("version = 9\n", "is a policy of version 9"),
    ] {
        let given = evidence_with(policy);
        let size = given.json(&["verify"])["size"].clone();
        let ran = given.run(&["ingest", &given.input("a.json", &lines(0, 3))]);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains(said) && ran.err.contains("hint: "), "{}", ran.err);
        assert_eq!(given.json(&["verify"])["size"], size);
    }
    let given = evidence_with(&usable());
    fs::remove_file(given.root().join("keys/seal.key")).unwrap();
    let ran = given.run(&["ingest", &given.input("a.json", &lines(0, 3))]);
    assert!(ran.code == 2 && ran.err.contains("needs a key to seal values"), "{}", ran.err);
}

#[test]
fn a_check_tells_what_a_policy_would_do_and_stores_nothing() {
    let given = Given::evidence();
    let sample = given.input("a.json", &lines(0, 4));
    let before = stored(&given);
    let file = given.input("usable.toml", usable().as_bytes());
    let trial = given.json(&["policy", "check", &file, &sample]);
    assert_eq!((&trial["usable"], &trial["records"]), (&true.into(), &4.into()), "{trial:#}");
    let example = &trial["rules"][1]["examples"][0];
    assert_eq!((&example["field"], &example["before"]), (&"sourceIPAddress".into(), &"10.0.0.0".into()));
    assert!(example["after"].as_str().unwrap().starts_with("[withheld:policy.addresses hmac="));
    assert_eq!(trial["rules"][2]["needed"]["requestParameters.bucketName"], 4, "{trial:#}");
    assert_eq!(given.run(&["policy", "check", &file, &sample]).code, 0);
    let file = given.input("breaks.toml", POLICY.as_bytes());
    let ran = given.run(&["policy", "check", &file, &sample]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.out.contains("NOT USABLE") && ran.out.contains("line 21: rule `bodies`"), "{}", ran.out);
    let file = given.input("invalid.toml", b"version = 1\nrule = 3\n");
    assert_eq!(given.run(&["policy", "check", &file, &sample]).code, 2);
    assert_eq!(stored(&given), before);
}

#[test]
fn no_secret_is_shown_by_a_check() {
    let given = Given::evidence();
    let token = "glpat-Ab3dEf6hIj9kLm2nOp5q";
    let sample = given.input("a.json", record(1).replace("aws-cli/2", &format!("agent {token}")).as_bytes());
    let file = given.input("p.toml", usable().replace("\"seal\"", "\"drop\"").as_bytes());
    for output in ["table", "json"] {
        let ran = given.run(&["policy", "check", &file, &sample, "--output", output]);
        assert!(!ran.out.contains(token) && ran.out.contains("withheld:token.gitlab"), "{}", ran.out);
    }
}

#[test]
fn no_record_is_stored_whose_sealed_values_cannot_be() {
    let given = evidence_with(&usable());
    let input = given.input("a.json", &lines(0, 20));
    // Where the folder should be.
    fs::write(given.root().join("sealed"), b"").unwrap();
    let ran = given.run(&["ingest", &input]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("cannot write sealed values"), "{}", ran.err);
    assert_eq!(given.json(&["verify"])["entries"]["record"], Value::Null);
    fs::remove_file(given.root().join("sealed")).unwrap();
    assert_eq!(given.ingest(&[&input])["records"], 20, "the same command goes on");
    assert_eq!(rows(&given.json(&["redactions", "--rule", "agents"])), [["policy.agents", "seal", "20"]]);
    given.assert_valid();
}

#[test]
fn a_killed_writer_leaves_no_record_without_its_sealed_values() {
    let given = evidence_with(&usable());
    let paths: Vec<String> = (0..4)
        .map(|part| given.input(&format!("{part}.json"), &lines(part * 1_000, (part + 1) * 1_000)))
        .collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let arguments = [&["ingest", "--progress", "json"], paths.as_slice()].concat();
    let mut shown = 0;
    for trial in 0..3 {
        let mut child =
            given.program(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
        told.by_ref().take(1 + 2 * trial).for_each(|line| drop(line.unwrap()));
        child.kill().unwrap();
        child.wait().unwrap();
        let size = given.json(&["sources"])["proof"]["size"].as_u64().unwrap();
        // The last records are those that a crash could have left without theirs; entries of objects stand among them.
        let mut records = 0;
        for leaf in (0..size).rev().take(16) {
            if records == 3 {
                break;
            }
            let ran =
                given.run(&["redactions", "--unseal", &leaf.to_string(), "userAgent", "--output", "json"]);
            let is_record = !ran.err.contains("names a ledger entry of kind");
            assert!(!is_record || ran.code == 0, "entry {leaf}: {}", ran.err);
            records += usize::from(is_record);
        }
        shown += records;
    }
    assert!(shown > 0, "some run was killed behind a record");
    given.ingest(&paths);
    given.assert_valid();
    let answer = given.json(&["redactions", "--rule", "agents"]);
    assert_eq!(rows(&answer), [["policy.agents", "seal", "4000"]]);
}
