//! What the operator asserts: shown in `who`, told apart from evidence, and recorded by its version.

use std::fs;

use crate::given::{Given, lines};

const OWNERS: &str = "kind,value,owner,environment,name\n\
    aws.arn,arn:aws:iam::111122223333:user/deploy,platform team,production,\n\
    network,10.0.0.0/24,,,office\n";

fn evidence() -> Given {
    let given = Given::evidence();
    let settings = given.root().join("ascribe.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("{text}\n[enrichment]\nfiles = [\"owners.csv\"]\n")).unwrap();
    fs::write(given.root().join("owners.csv"), OWNERS).unwrap();
    given
}

#[test]
fn owners_and_networks_stand_beside_the_answer() {
    let given = evidence();
    given.ingest(&[&given.input("a.json", &lines(0, 3))]);
    let answer = given.json(&["who", "AKIAEXAMPLEDEPLOY001"]);
    let asserted = &answer["asserted"];
    assert_eq!(asserted["recorded"], true, "{asserted:#}");
    let identity = &asserted["identities"][0];
    assert_eq!(identity["owner"], "platform team", "{asserted:#}");
    assert_eq!(identity["identity"], answer["body"]["details"]["who"]["holders"][0]["identity"]["uid"]);
    assert_eq!(asserted["networks"][0]["name"], "office");
    let shown = given.run(&["who", "AKIAEXAMPLEDEPLOY001"]).out;
    assert!(shown.contains("ASSERTED BY THE OPERATOR, shown by no record (version sha256:"), "{shown}");
    fs::write(given.root().join("owners.csv"), OWNERS.replace("platform", "other")).unwrap();
    let later = given.json(&["who", "AKIAEXAMPLEDEPLOY001"]);
    assert_eq!(later["body"], answer["body"], "an assertion is no evidence");
    assert_eq!(later["asserted"]["recorded"], false);
    assert_ne!(later["asserted"]["version"], asserted["version"]);
    given.ingest(&[&given.input("b.json", &lines(3, 6))]);
    assert_eq!(given.json(&["who", "AKIAEXAMPLEDEPLOY001"])["asserted"]["recorded"], true);
    // One policy, two versions of the assertions, and the settings that name both.
    assert_eq!(given.json(&["verify"])["entries"]["config"], 5);
}

#[test]
fn a_file_that_is_wrong_is_said_with_its_line() {
    let given = evidence();
    given.ingest(&[&given.input("a.json", &lines(0, 3))]);
    fs::write(given.root().join("owners.csv"), format!("{OWNERS}network,here,,,x\n")).unwrap();
    for arguments in [["who", "AKIAEXAMPLEDEPLOY001"], ["ingest", &given.input("b.json", &lines(3, 6))]] {
        let ran = given.run(&arguments);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("owners.csv` line 4: `here` is no network"), "{}", ran.err);
    }
    assert_eq!(given.run(&["sources"]).code, 0, "what needs no assertions is answered");
}
