//! Answers over small evidence: their form, their names, and that arrival order does not change their bodies.

use std::path::PathBuf;

use serde_json::Value;

use crate::given::{Given, lines, record};

/// One record that issues a session, and one that uses it.
fn role_chain() -> [String; 2] {
    let issue = record(1)
        .replace("\"s3.amazonaws.com\"", "\"sts.amazonaws.com\"")
        .replace("\"GetBucketLocation\"", "\"AssumeRole\"")
        .replace("{\"bucketName\":\"b1\"}", "{\"roleArn\":\"arn:aws:iam::111122223333:role/Deploy\",\"roleSessionName\":\"ci\"}")
        .replace(
            "\"responseElements\":null",
            "\"responseElements\":{\"credentials\":{\"accessKeyId\":\"ASIAEXAMPLESESSION01\",\
             \"sessionToken\":\"IQoJb3JpZ2luX2VjEXAMPLETOKENEXAMPLETOKEN\",\"expiration\":\"Aug 14, 2026, 10:00:01 AM\"},\
             \"assumedRoleUser\":{\"assumedRoleId\":\"AROAEXAMPLEDEPLOY001:ci\",\
             \"arn\":\"arn:aws:sts::111122223333:assumed-role/Deploy/ci\"}}",
        );
    let usage = record(2).replace(
        "{\"type\":\"IAMUser\",\"principalId\":\"AIDAEXAMPLEDEPLOY0001\",\
         \"arn\":\"arn:aws:iam::111122223333:user/deploy\",\"accountId\":\"111122223333\",\
         \"accessKeyId\":\"AKIAEXAMPLEDEPLOY001\",\"userName\":\"deploy\"}",
        "{\"type\":\"AssumedRole\",\"principalId\":\"AROAEXAMPLEDEPLOY001:ci\",\
         \"arn\":\"arn:aws:sts::111122223333:assumed-role/Deploy/ci\",\"accountId\":\"111122223333\",\
         \"accessKeyId\":\"ASIAEXAMPLESESSION01\",\"sessionContext\":{\"sessionIssuer\":{\"type\":\"Role\",\
         \"principalId\":\"AROAEXAMPLEDEPLOY001\",\"arn\":\"arn:aws:iam::111122223333:role/Deploy\",\
         \"accountId\":\"111122223333\",\"userName\":\"Deploy\"},\"attributes\":{\"creationDate\":\"2026-08-14T09:00:01Z\"}}}",
    );
    [issue, usage]
}

fn with_chain() -> Given {
    let given = Given::evidence();
    let path = given.input("chain.json", (role_chain().join("\n") + "\n").as_bytes());
    assert_eq!(given.ingest(&[&path])["records"], 2);
    given
}

#[test]
fn every_answer_fits_the_schema() {
    let schema = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/answer.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(schema).unwrap()).unwrap();
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("urn:ascribe:answer:v1", schema).unwrap();
    let index = compiler.compile("urn:ascribe:answer:v1", &mut schemas).unwrap();
    let given = with_chain();
    for arguments in [
        &["who", "ASIAEXAMPLESESSION01"][..],
        &["who", "11111111-2222-4333-8444-000000000002"],
        &["who", "NOBODYHASTHISNAME"],
        &["who", "deploy"],
        &["chain", "ASIAEXAMPLESESSION01"],
        &["chain", "--forward", "AKIAEXAMPLEDEPLOY001"],
        &["lifecycle", "ASIAEXAMPLESESSION01"],
        &["timeline", "ASIAEXAMPLESESSION01"],
        &["session", "ASIAEXAMPLESESSION01"],
        &["why", "ASIAEXAMPLESESSION01"],
        &["why", "11111111-2222-4333-8444-000000000002"],
        &["timeline", "deploy", "--limit", "1"],
        &["show", "11111111-2222-4333-8444-000000000001"],
        &["sources"],
    ] {
        let answer = given.json(arguments);
        if let Err(error) = schemas.validate(&answer, index) {
            panic!("{arguments:?}: {error:#}\n{answer:#}");
        }
    }
}

#[test]
fn a_session_goes_back_to_the_key_and_its_user() {
    let given = with_chain();
    let answer = given.json(&["chain", "ASIAEXAMPLESESSION01"]);
    let body = &answer["body"];
    assert_eq!((&body["verdict"]["is"], &body["grade"]), (&"proven".into(), &"A".into()), "{answer:#}");
    let rules: Vec<&str> =
        body["edges"].as_array().unwrap().iter().map(|edge| edge["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["AWS-2", "REC-1"], "{answer:#}");
    let forward = given.json(&["chain", "--forward", "AKIAEXAMPLEDEPLOY001"]);
    assert_eq!(
        forward["body"]["verdict"]["is"], "bounded",
        "never more than the streams in scope: {forward:#}"
    );
    let child = &forward["body"]["edges"][0]["to"]["credential"]["uid"]["value"];
    assert_eq!(child, "ASIAEXAMPLESESSION01", "{forward:#}");
}

#[test]
fn a_session_without_an_issue_record_is_not_traced_further_than_the_evidence() {
    let given = Given::evidence();
    let [_, usage] = role_chain();
    given.ingest(&[&given.input("use.json", (usage + "\n").as_bytes())]);
    let ran = given.run(&["chain", "ASIAEXAMPLESESSION01", "--output", "json"]);
    assert_eq!(ran.code, 5, "undecided: {}", ran.out);
    let answer: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer["body"]["verdict"]["is"], "undecided");
    assert!(answer["body"]["gaps"][0]["settled_by"].as_str().unwrap().contains("CloudTrail"), "{answer:#}");
    let who = given.json(&["who", "ASIAEXAMPLESESSION01"]);
    assert_eq!(who["body"]["verdict"]["is"], "bounded", "the role is known, its user is not: {who:#}");
}

#[test]
fn secrets_are_in_no_file_and_in_no_answer() {
    let given = with_chain();
    let secret = "IQoJb3JpZ2luX2VjEXAMPLETOKEN";
    for file in crate::given::files_below(&given.root()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{}", file.display());
    }
    let shown = given.run(&["show", "11111111-2222-4333-8444-000000000001"]);
    assert!(
        !shown.out.contains(secret) && shown.out.contains("[withheld:aws.session_token]"),
        "{}",
        shown.out
    );
    assert!(shown.out.contains("withheld      aws.session_token at byte"), "{}", shown.out);
}

#[test]
fn anything_is_found_by_its_names_and_by_a_beginning_of_its_own() {
    let given = with_chain();
    for name in [
        "ASIAEXAMPLESESSION01",
        "ASIAEXAMPLES",
        "aws.access_key:ASIAEXAMPLESESSION01",
        "11111111-2222-4333-8444-000000000002",
        "R00000002",
    ] {
        let answer = given.json(&["who", name]);
        assert_eq!(
            answer["body"]["details"]["who"]["subject"]["value"], "ASIAEXAMPLESESSION01",
            "{name}: {answer:#}"
        );
    }
    let id = given.json(&["show", "R00000002"])["body"]["details"]["show"]["event"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(given.json(&["show", &id[..12]])["body"]["details"]["show"]["event"]["id"], id.as_str());
    let several = given.run(&["who", "R0000000"]);
    assert_eq!(several.code, 2);
    assert!(several.err.contains("could be any of") && several.err.contains("R00000001"), "{}", several.err);
    let nothing = given.run(&["who", "ASIAEXAMPLESESSION99"]);
    assert_eq!(nothing.code, 5);
    assert!(
        nothing.out.contains("ASIAEXAMPLESESSION01"),
        "a name that comes close is suggested: {}",
        nothing.out
    );
}

#[test]
fn an_identity_is_found_by_any_of_its_names() {
    let given = with_chain();
    for name in ["deploy", "AIDAEXAMPLEDEPLOY0001", "arn:aws:iam::111122223333:user/deploy"] {
        let answer = given.json(&["who", name]);
        let who = &answer["body"]["details"]["who"];
        assert_eq!(who["subject"]["value"], "AIDAEXAMPLEDEPLOY0001", "{name}: {answer:#}");
        assert_eq!(who["identities"][0]["names"].as_array().unwrap().len(), 3, "{answer:#}");
        assert_eq!(who["identities"][0]["credentials"][0]["credential"]["value"], "AKIAEXAMPLEDEPLOY001");
    }
    let role = given.json(&["who", "Deploy"]);
    assert_eq!(role["body"]["details"]["who"]["subject"]["value"], "AROAEXAMPLEDEPLOY001", "{role:#}");
    let alike = &role["body"]["details"]["who"]["identities"][0]["not_merged"];
    assert!(alike.to_string().contains("user_name"), "another case, another account: {alike:#}");
}

#[test]
fn pages_of_a_timeline_are_the_timeline() {
    let given = Given::evidence();
    // Two deliveries, the later events first: the order of arrival is not the order of time.
    for (from, to) in [(30, 60), (0, 30)] {
        given.ingest(&[&given.input(&format!("{from}.json"), &lines(from, to))]);
    }
    let whole = given.json(&["timeline", "deploy"]);
    let times = |answer: &Value| -> Vec<String> {
        let rows = answer["body"]["details"]["timeline"]["rows"].as_array().unwrap();
        rows.iter().filter_map(|row| row["event"]["at"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(times(&whole).len(), 60);
    assert!(times(&whole).is_sorted());
    let (mut paged, mut since) = (Vec::new(), "2026-08-14T00:00:00Z".to_owned());
    loop {
        let page = given.json(&["timeline", "deploy", "--limit", "7", "--since", &since]);
        paged.extend(times(&page));
        let Some(next) = page["body"]["details"]["timeline"]["next"].as_str() else { break };
        assert!(page["body"]["statement"].as_str().unwrap().contains("of "), "{page:#}");
        since = next.to_owned();
    }
    paged.dedup();
    assert_eq!(paged, times(&whole));
    let window = ["timeline", "deploy", "--since", "2026-08-14T09:00:10Z", "--until", "2026-08-14T09:00:19Z"];
    let part = given.json(&window);
    assert_eq!(times(&part), times(&whole)[10..20]);
    assert_eq!(part["body"]["details"]["timeline"]["total"], 10);
}

/// Before the role of the chain there was another of its name, to which sessions were issued and issued.
#[test]
fn what_another_of_its_name_did_before_does_not_crowd_an_identity_out() {
    let [issue, usage] = role_chain();
    let older = |number: usize| {
        let of_another = issue.replace("AROAEXAMPLEDEPLOY001", "AROAEXAMPLEDEPLOY000");
        let of_another = of_another.replace("ASIAEXAMPLESESSION01", &format!("ASIAEXAMPLEOLD{number:06}"));
        of_another
            .replace("11111111-2222-4333-8444-000000000001", &format!("11111111-2222-4333-8444-{number:012}"))
    };
    let later = |record: &str| record.replace("T09:00:", "T11:00:");
    let older: Vec<String> = (1_000..1_300).map(older).collect();
    let given = Given::evidence();
    for (name, records) in [("older.json", older), ("later.json", vec![later(&issue), later(&usage)])] {
        given.ingest(&[&given.input(name, (records.join("\n") + "\n").as_bytes())]);
    }
    for limit in ["200", "1"] {
        let timeline = given.json(&["timeline", "AROAEXAMPLEDEPLOY001", "--limit", limit]);
        let detail = &timeline["body"]["details"]["timeline"];
        let rows = detail["rows"].as_array().unwrap().iter().filter(|row| row["event"].is_object());
        assert_eq!(rows.count().to_string(), if limit == "1" { "1" } else { "2" }, "{timeline:#}");
        assert_eq!((&detail["total"], &detail["is_exact"]), (&2.into(), &true.into()), "{detail:#}");
    }
    let of_the_other = given.json(&["timeline", "AROAEXAMPLEDEPLOY000"]);
    assert_eq!(of_the_other["body"]["details"]["timeline"]["total"], 300);
}

#[test]
fn a_name_that_two_identities_have_is_not_resolved() {
    let given = Given::evidence();
    let clusters = ["kubernetes", "eks"]
        .map(|name| format!("{}/../../samples/incident/{name}", env!("CARGO_MANIFEST_DIR")));
    given.ingest(&["--scope", "staging", &clusters[0], &clusters[1]]);
    let ran = given.run(&["who", "payments/ledger-writer"]);
    assert_eq!(ran.code, 2, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("k8s.service_account@staging:payments/ledger-writer"), "{}", ran.err);
    let one = given.json(&["who", "k8s.service_account@staging:payments/ledger-writer"]);
    let not_merged = &one["body"]["details"]["who"]["identities"][0]["not_merged"];
    assert!(not_merged.to_string().contains("eks:444455556666/prod"), "{not_merged:#}");
}

#[test]
fn the_order_of_arrival_does_not_change_a_body() {
    let [issue, usage] = role_chain();
    let body = |files: [String; 3]| {
        let given = Given::evidence();
        for (index, content) in files.iter().enumerate() {
            given.ingest(&[&given.input(&format!("{index}.json"), content.as_bytes())]);
        }
        ["who", "chain", "lifecycle", "timeline"]
            .map(|verb| given.json(&[verb, "ASIAEXAMPLESESSION01"])["body"].clone())
    };
    let noise = String::from_utf8(lines(10, 40)).unwrap();
    let [issue, usage] = [issue + "\n", usage + "\n"];
    assert_eq!(
        body([issue.clone(), noise.clone(), usage.clone()]),
        body([usage, issue, noise]),
        "equal evidence gives equal bodies"
    );
}

#[test]
fn a_second_delivery_is_a_sighting_and_a_shared_native_id_is_no_merge() {
    let given = Given::evidence();
    let first = given.input("trail-1.json", &lines(0, 3));
    let records = format!("{{\"Records\":[{}]}}", [record(0), record(1), record(2)].join(","));
    let second = given.input("trail-2.json", records.as_bytes());
    let other = given.input("other.json", record(1).replace("\"b1\"", "\"b1-changed\"").as_bytes());
    let report = given.ingest(&[&first, &second, &other]);
    assert_eq!((&report["events"], &report["duplicates"]), (&4.into(), &3.into()), "{report:#}");
    let shown = given.run(&["show", "11111111-2222-4333-8444-000000000001"]);
    assert_eq!(shown.code, 2, "two events share this native id: {}{}", shown.out, shown.err);
}

#[test]
fn hostile_names_are_shown_not_obeyed() {
    let given = Given::evidence();
    let hostile =
        record(1).replace("\"userName\":\"deploy\"", "\"userName\":\"=cmd|' /C calc'!A0\\u001b[31m\\u202e\"");
    given.ingest(&[&given.input("hostile.json", hostile.as_bytes())]);
    let text = given.run(&["who", "AKIAEXAMPLEDEPLOY001"]).out;
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    let csv = given.run(&["who", "AKIAEXAMPLEDEPLOY001", "--output", "csv"]).out;
    assert!(csv.contains("'=cmd") && !csv.contains(",=cmd"), "{csv}");
}

#[test]
fn events_that_share_an_entry_are_all_counted() {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/incident/eks");
    let given = Given::evidence();
    given.ingest(&[samples]);
    let who = given.json(&["who", "JTI=7591fde2-7a02-456f-a503-1cbf30a48f16"]);
    let holders = &who["body"]["details"]["who"]["holders"];
    assert_eq!(holders[1]["events"], 9, "nine uses in four deliveries: {who:#}");
    assert!(!who["body"]["gaps"].to_string().contains("examined"), "every one was looked at: {who:#}");
}
