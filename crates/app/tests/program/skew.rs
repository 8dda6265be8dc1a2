//! `ascribe skew`: what the records show of the clocks, and what is frozen.

use serde_json::{Value, json};

use crate::given::Given;

#[test]
fn what_is_frozen_stays_whatever_comes_later() {
    let given = Given::evidence();
    given.ingest(&["--scope", "prod", &given.input("a.jsonl", &presented(0..4, 20))]);
    let shown = given.json(&["skew"]);
    assert_eq!(shown["frozen"], json!([]));
    let estimated = &shown["estimated"][0];
    assert_eq!(estimated["pairs"], 4, "{shown:#}");
    assert_eq!(estimated["day"], "2026-08-14");
    let streams = estimated["streams"].as_array().unwrap();
    let kinds: Vec<&Value> = streams.iter().map(|stream| &stream["kind"]).collect();
    assert_eq!(kinds, ["aws_cloudtrail", "k8s_audit"]);
    let (offset, bound) = (estimated["offset_ns"].as_i64().unwrap(), estimated["bound_ns"].as_i64().unwrap());
    assert!(offset + bound < -10_000_000_000, "a use 20 s before its issue: {estimated:#}");

    let froze = given.json(&["skew", "--freeze"]);
    assert_eq!(froze["added"], shown["estimated"], "{froze:#}");
    // The clock of the cluster seems to be further behind now, and the day is frozen.
    given.ingest(&["--scope", "prod", &given.input("b.jsonl", &presented(4..8, 50))]);
    let again = given.json(&["skew", "--freeze"]);
    assert_eq!(again["added"], json!([]), "{again:#}");
    assert_eq!(again["frozen"], froze["frozen"]);
    assert_ne!(again["estimated"], again["frozen"], "{again:#}");

    given.assert_valid();
    assert_eq!(given.run(&["rebuild"]).code, 0);
    assert_eq!(given.json(&["skew"])["frozen"], froze["frozen"], "frozen facts are in the ledger");
    let text = given.run(&["skew"]).out;
    assert!(text.contains("FROZEN") && text.contains("(4 pairs)"), "{text}");
}

#[test]
fn without_pairs_the_stated_bound_is_named() {
    let given = Given::evidence();
    given.ingest(&[&given.input("a.jsonl", &presented(0..2, 20))]);
    let ran = given.run(&["skew", "--freeze"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("at most 5.0 s"), "{}", ran.out);
    assert_eq!(given.json(&["skew"])["frozen"], json!([]));
}

/// Access keys that are issued in one stream and, by the clock of the other, presented so many seconds before that.
fn presented(numbers: std::ops::Range<u32>, behind: u32) -> Vec<u8> {
    let mut lines = String::new();
    for number in numbers {
        let access_key = format!("ASIASKEW{number:04}EXAMPLE1");
        let issue = json!({
            "eventVersion": "1.11", "eventTime": format!("2026-08-14T09:{number:02}:55Z"),
            "eventSource": "sts.amazonaws.com", "eventName": "AssumeRole", "awsRegion": "eu-west-1",
            "eventType": "AwsApiCall", "recipientAccountId": "111122223333",
            "eventID": format!("d1000000-0000-4000-8000-{number:012}"),
            "userIdentity": { "type": "IAMUser", "principalId": "AIDASKEWEXAMPLE", "accountId": "111122223333",
                "accessKeyId": "AKIASKEW0000EXAMPLE1", "userName": "alice" },
            "requestParameters": { "roleArn": "arn:aws:iam::111122223333:role/Ops", "roleSessionName": "a" },
            "responseElements": { "credentials": { "accessKeyId": access_key } },
        });
        let second = 55 - behind;
        let at = format!("2026-08-14T09:{number:02}:{second:02}.000000Z");
        let usage = json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "stage": "ResponseComplete",
            "auditID": format!("d2000000-0000-4000-8000-{number:012}"), "verb": "get", "requestURI": "/api/v1/pods",
            "user": { "username": "ops", "uid": "aws-iam-authenticator:111122223333:AROAOPSEXAMPLE",
                "extra": { "accessKeyId": [access_key] } },
            "objectRef": { "resource": "pods", "apiVersion": "v1" }, "responseStatus": { "code": 200 },
            "requestReceivedTimestamp": at, "stageTimestamp": at,
        });
        lines.push_str(&format!("{issue}\n{usage}\n"));
    }
    lines.into_bytes()
}
