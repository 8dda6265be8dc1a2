//! `ascribe ledger seal` and `ascribe ledger prove`: which entries have a name, that none is left out, and where nothing
//! is proven.

use std::fs;

use serde_json::{Value, json};

use crate::given::{Given, lines};

const KEY: &str = "ASIAQ3APPNODEEXAMPLE";

fn with_incident() -> Given {
    let given = Given::evidence();
    given.ingest_sample();
    given
}

fn found(proven: &Value, range: usize) -> &Value {
    &proven["ranges"][range]["found"][0]
}

/// The only file of a kind in the folder of the indexes.
fn index_file(given: &Given, extension: &str) -> std::path::PathBuf {
    let files = fs::read_dir(given.root().join("index")).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.pop().unwrap()
}

#[test]
fn what_is_sealed_is_proven_and_the_rest_is_said() {
    let given = with_incident();
    let nothing = given.json(&["ledger", "prove", KEY]);
    assert_eq!(nothing["ranges"], json!([]));
    assert_eq!(nothing["unsealed"]["to"], nothing["size"]);
    assert_eq!(given.run(&["ledger", "prove", KEY]).code, 5);

    let sealed = given.json(&["ledger", "seal"]);
    let size = sealed["sealed_to"].as_u64().unwrap();
    assert_eq!((&sealed["made"][0]["entry"]["from"], &sealed["made"][0]["leaf"]), (&json!(0), &json!(size)));
    assert_eq!(given.json(&["ledger", "seal"])["made"], json!([]), "an index of indexes proves nothing");

    let proven = given.json(&["ledger", "prove", KEY, "--recompute"]);
    assert_eq!(found(&proven, 0)["is"], "present");
    assert_eq!(proven["ranges"][0]["recomputed"], "same");
    assert_eq!(proven["unsealed"], Value::Null);
    assert_eq!(given.run(&["ledger", "prove", KEY]).code, 0);
    for absent in ["ASIAQ3APPNODEEXAMPLE0", "nobody", "aws.access_key:AKIAEXAMPLENOBODY"] {
        let proven = given.json(&["ledger", "prove", absent]);
        assert_eq!(found(&proven, 0)["is"], "absent", "{absent}");
    }
    given.assert_valid();

    // What comes later is not sealed, and goes into the next range.
    let more = given.input("more.jsonl", &lines(0, 3));
    given.ingest(&[&more]);
    let proven = given.json(&["ledger", "prove", "AKIAEXAMPLEDEPLOY001"]);
    assert_eq!(found(&proven, 0)["is"], "absent");
    assert!(proven["unsealed"]["from"].as_u64().unwrap() > size);
    assert_eq!(given.run(&["ledger", "prove", "AKIAEXAMPLEDEPLOY001"]).code, 5);
    assert_eq!(given.run(&["ledger", "prove", "AKIAEXAMPLEDEPLOY001", "--to", &size.to_string()]).code, 0);
    given.json(&["ledger", "seal"]);
    let proven = given.json(&["ledger", "prove", "AKIAEXAMPLEDEPLOY001"]);
    assert_eq!(found(&proven, 1)["entries"].as_array().unwrap().len(), 3);
    assert_eq!(proven["ranges"][1]["from"], json!(size));
    assert_eq!(given.run(&["ledger", "prove", "x", "--from", "99999"]).code, 2);
    // The store is derived, and finds the roots again.
    given.run(&["rebuild"]);
    assert_eq!(given.json(&["ledger", "prove", "AKIAEXAMPLEDEPLOY001"]), proven);
}

#[test]
fn every_delivery_of_an_event_is_an_entry_of_its_names() {
    let given = Given::evidence();
    let (one, two) = (given.input("one.jsonl", &lines(0, 2)), given.input("two.jsonl", &lines(1, 3)));
    given.ingest(&[&one]);
    given.ingest(&[&two]);
    given.json(&["ledger", "seal"]);
    let proven = given.json(&["ledger", "prove", "R00000001"]);
    assert_eq!(found(&proven, 0)["entries"].as_array().unwrap().len(), 2, "{proven:#}");
}

#[test]
fn a_damaged_lost_or_false_index_is_said_and_made_again() {
    let given = with_incident();
    given.json(&["ledger", "seal"]);
    let before = given.json(&["ledger", "prove", KEY]);
    for extension in ["idx", "salt"] {
        let path = index_file(&given, extension);
        let mut bytes = fs::read(&path).unwrap();
        // In the salt, or in the table of the rows.
        let place = bytes.len() - 20;
        bytes[place] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let proven = given.run(&["ledger", "prove", KEY, "--output", "json"]);
        assert_eq!(proven.code, 5, "{}", proven.err);
        assert!(proven.out.contains("unusable"), "{}", proven.out);
        let again = given.json(&["ledger", "seal", "--again"]);
        assert_eq!(again["made"].as_array().unwrap().len(), 1, "{again:#}");
        let proven = given.json(&["ledger", "prove", KEY, "--recompute"]);
        assert_eq!(found(&proven, 0)["entries"], found(&before, 0)["entries"]);
        assert_eq!(proven["ranges"][0]["recomputed"], "same");
    }
    assert_eq!(given.json(&["ledger", "seal", "--again"])["made"], json!([]), "nothing is outdated");
    fs::remove_dir_all(given.root().join("index")).unwrap();
    assert_eq!(given.run(&["ledger", "prove", KEY]).code, 5);
    assert_eq!(given.json(&["ledger", "seal", "--again"])["made"][0]["entry"]["generation"], 3);
    assert_eq!(given.run(&["ledger", "prove", KEY]).code, 0);
}

/// What a crash leaves before the `index-root` entry is appended: files that nothing seals.
#[test]
fn what_a_crash_left_of_a_seal_is_removed_by_the_next() {
    let given = Given::evidence();
    given.ingest(&[&given.input("one.jsonl", &lines(0, 3))]);
    let folder = given.root().join("index");
    fs::create_dir_all(&folder).unwrap();
    for name in ["0-4.0.salt", "0-4.0.idx", "0-5.0.salt", "notes.txt"] {
        fs::write(folder.join(name), "torn").unwrap();
    }
    given.json(&["ledger", "seal"]);
    let mut names: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 3, "what is not ours stays: {names:?}");
    assert_eq!(given.run(&["ledger", "prove", "AKIAEXAMPLEDEPLOY001"]).code, 0);
}

fn verified(given: &Given, arguments: &[&str]) -> Value {
    let path = given.root().parent().unwrap().join("case.evb");
    let export = given.json(&[&["export", "--force", "-o", path.to_str().unwrap()], arguments].concat());
    export["check"].clone()
}

#[test]
fn a_bundle_shows_that_its_entries_are_all() {
    let given = with_incident();
    let request = ["--entries", KEY, "--answer", "who"];
    assert_eq!(verified(&given, &request)["completeness"], Value::Null);
    let none = ["export", "--none", "--entries", "nobody", "-o", "none.evb"];
    assert_eq!(given.run(&none).code, 2, "nothing is sealed");
    given.json(&["ledger", "seal"]);
    let check = verified(&given, &request);
    assert_eq!(check["verdict"], "valid", "{check:#}");
    assert_eq!(check["completeness"]["open"], json!([]));
    let proven = given.json(&["ledger", "prove", KEY]);
    assert_eq!(check["counts"]["asked"], found(&proven, 0)["entries"].as_array().unwrap().len());
    // Several values, kinds and scopes at once, and an event in two deliveries.
    for name in ["app-node", "e477a048-8911-4725-a683-a73c6b7e986d", "60"] {
        let check = verified(&given, &["--entries", name]);
        assert_eq!(check["verdict"], "valid", "{name}: {check:#}");
        assert_eq!(check["completeness"]["open"], json!([]), "{name}");
    }
    let check = verified(&given, &["--none", "--entries", "nobody"]);
    assert_eq!((&check["verdict"], &check["counts"]["asked"]), (&json!("valid"), &json!(0)));
    assert_eq!(check["completeness"]["ranges"].as_array().unwrap().len(), 1);
    given.ingest(&[&given.input("more.jsonl", &lines(0, 3))]);
    let check = verified(&given, &request);
    assert_eq!(check["verdict"], "valid");
    assert_eq!(check["completeness"]["open"].as_array().unwrap().len(), 1, "{check:#}");
    fs::remove_dir_all(given.root().join("index")).unwrap();
    let path = given.root().parent().unwrap().join("lost.evb");
    let export = given.json(&[&["export", "-o", path.to_str().unwrap()], &request[..]].concat());
    assert_eq!(export["check"]["completeness"], Value::Null);
    assert_eq!(export["indexes_not_used"].as_array().unwrap().len(), 1, "what is not shown is said");
}

/// Bases of the premise that nothing was overlooked, over all claims of an answer.
fn bases(answer: &Value) -> Vec<&str> {
    let claims = answer["body"]["claims"].as_array().unwrap();
    let premises = claims.iter().flat_map(|claim| claim["premises"].as_array().unwrap());
    let searched =
        premises.filter(|premise| premise["statement"] == "the search saw every entry of the ledger");
    searched.map(|premise| premise["basis"].as_str().unwrap()).collect()
}

#[test]
fn that_nothing_was_overlooked_is_proven_where_everything_is_sealed() {
    let given = with_incident();
    let questions: [&[&str]; 3] = [&["chain", "--forward", KEY], &["session", KEY], &["lifecycle", KEY]];
    let mut statements = Vec::new();
    for question in questions {
        let before = given.json(question);
        statements.push(before["body"]["statement"].clone());
        assert!(!bases(&before).is_empty(), "{question:?}");
        assert!(bases(&before).iter().all(|basis| *basis == "asserted"), "{question:?}");
    }
    given.json(&["ledger", "seal"]);
    for (question, statement) in questions.into_iter().zip(&statements) {
        let sealed = given.json(question);
        assert!(bases(&sealed).iter().all(|basis| *basis == "proven_by_index"), "{question:?}: {sealed:#}");
        assert_eq!(sealed["body"]["statement"], *statement, "{question:?}");
    }
    // One record that no index covers, and it is somebody's word again.
    given.ingest(&[&given.input("more.jsonl", &lines(0, 1))]);
    for question in questions {
        assert!(bases(&given.json(question)).iter().all(|basis| *basis == "asserted"), "{question:?}");
    }
}
