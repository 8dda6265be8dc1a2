//! Event ids: the same for every delivery of an event, different for different events, and exactly the bytes that
//! `docs/formats/event.md` states.

use std::collections::BTreeSet;

use ascribe_model::EventId;
use ascribe_sources::Context;
use sha2::{Digest, Sha256};

use crate::whole_input::read_input;

const EVENT: &str = r#"{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDA2RGLD7EXAMPLE4QXY","arn":"arn:aws:iam::111122223333:user/ci","accountId":"111122223333","accessKeyId":"AKIA2RGLD7EXAMPLE4QX","userName":"ci"},"eventTime":"2026-08-14T09:12:00Z","eventSource":"iam.amazonaws.com","eventName":"ListUsers","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.24","userAgent":"aws-cli/2.17","requestParameters":{"path":"/a\"b","limit":150},"responseElements":null,"requestID":"r-1","eventID":"5d0f1b5e-7c3c-4f0e-9d1b-000000000001","eventType":"AwsApiCall","recipientAccountId":"111122223333"}"#;

#[test]
fn the_id_is_the_hash_that_the_format_states() {
    let content = r#"{"awsRegion":"us-east-1","eventID":"5d0f1b5e-7c3c-4f0e-9d1b-000000000001","eventName":"ListUsers","eventSource":"iam.amazonaws.com","eventTime":"2026-08-14T09:12:00Z","eventType":"AwsApiCall","eventVersion":"1.08","recipientAccountId":"111122223333","requestID":"r-1","requestParameters":{"limit":150,"path":"/a\"b"},"responseElements":null,"sourceIPAddress":"203.0.113.24","userAgent":"aws-cli/2.17","userIdentity":{"accessKeyId":"AKIA2RGLD7EXAMPLE4QX","accountId":"111122223333","arn":"arn:aws:iam::111122223333:user/ci","principalId":"AIDA2RGLD7EXAMPLE4QXY","type":"IAMUser","userName":"ci"}}"#;
    let mut hash = Sha256::new();
    hash.update(b"ascribe/event/v1\0");
    for part in ["aws_cloudtrail", "111122223333", "5d0f1b5e-7c3c-4f0e-9d1b-000000000001", "", content] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    assert_eq!(ids(EVENT), [EventId(hash.finalize().into())]);
}

#[test]
fn every_delivery_of_an_event_has_its_id() {
    let event: serde_json::Value = serde_json::from_str(EVENT).unwrap();
    let with = |name: &str, value: &str| {
        let mut event = event.clone();
        event[name] = value.into();
        event
    };
    let mut moved = with("@timestamp", "2026-08-14T09:12:00.000Z");
    moved.as_object_mut().unwrap().remove("eventTime");
    for (name, delivery) in [
        ("a trail's file", format!("{{\"Records\":[{EVENT}]}}")),
        ("another order, pretty-printed", serde_json::to_string_pretty(&event).unwrap()),
        ("EventBridge", format!(r#"{{"version":"0","id":"x","detail-type":"AWS API Call via CloudTrail","time":"2026-08-14T09:12:09Z","detail":{EVENT}}}"#)),
        ("LookupEvents", serde_json::json!({ "Events": [{ "EventId": "e", "CloudTrailEvent": EVENT }], "NextToken": "n" }).to_string()),
        ("a subscription", serde_json::json!({ "messageType": "DATA_MESSAGE", "owner": "111122223333", "logGroup": "g", "logStream": "s", "logEvents": [{ "id": "1", "timestamp": 1, "message": EVENT }] }).to_string()),
        ("an export", format!("2026-08-14T09:12:09.000Z {EVENT}")),
        ("Logstash", moved.to_string()),
        ("Logstash beside the event's time", with("@timestamp", "2026-08-14T09:15:00Z").to_string()),
        ("Panther", with("p_log_type", "AWS.CloudTrail").to_string()),
        ("another spelling of the time", with("eventTime", "2026-08-14 11:12:00+02:00").to_string()),
        ("another spelling of a string", EVENT.replace("ListUsers", "\\u004cistUsers").replace("\\\"", "\\u0022")),
        ("an escaped name", EVENT.replace("\"eventName\"", "\"event\\u004eame\"")),
    ] {
        assert_eq!(ids(&delivery), ids(EVENT), "{name}");
    }
}

#[test]
fn different_events_have_different_ids() {
    let variants = [
        EVENT.to_owned(),
        EVENT.replace("ListUsers", "ListRoles"),
        EVENT.replace("09:12:00Z", "09:12:01Z"),
        EVENT.replace("150", "150.0"),
        EVENT.replace("000000000001", "000000000002"),
        EVENT.replace("null", "{}"),
        EVENT.replace("\"recipientAccountId\":\"111122223333\"", "\"recipientAccountId\":\"444455556666\""),
        EVENT.replace("/a\\\"b", "/a\\\\b"),
        EVENT.replace("09:12:00Z", "a time that cannot be read"),
        EVENT.replace("09:12:00Z", "another one"),
    ];
    let found: BTreeSet<_> = variants.iter().flat_map(|variant| ids(variant)).collect();
    assert_eq!(found.len(), variants.len());
}

#[test]
fn the_copies_of_several_devices_are_one_event() {
    let copy = |salt: &str, time: &str| {
        let hash = format!("hmac-sha256:{}", salt.repeat(32));
        format!(
            r#"{{"time":"{time}","type":"response","auth":{{"client_token":"{hash}","accessor":"{hash}","display_name":"ci"}},"request":{{"id":"9714ba87-8309-dd3e-148a-a14c0ece37af","operation":"read","path":"secret/data/a"}},"response":{{"data":{{"data":{{"k":"{hash}"}}}}}}}}"#
        )
    };
    let first = copy("0a", "2026-08-14T10:00:00.1Z");
    let of_first = ids(&first);
    assert_eq!(ids(&copy("1b", "2026-08-14T10:00:00.2Z")), of_first);
    assert_eq!(ids(&format!("@cee: {first}")), of_first);
    for other in [
        first.replace("secret/data/a", "secret/data/b"),
        first.replace("9714ba87", "9714ba88"),
        first.replace("\"type\":\"response\"", "\"type\":\"request\""),
        first.replacen(&"0a".repeat(32), "plain", 1),
    ] {
        assert_ne!(ids(&other), of_first, "{other}");
    }
    let without_id = |time: &str| copy("0a", time).replace("\"id\"", "\"no_id\"");
    assert_ne!(ids(&without_id("2026-08-14T10:00:00.1Z")), ids(&without_id("2026-08-14T10:00:00.2Z")));
}

#[test]
fn the_scope_that_the_operator_names_is_in_the_id() {
    let event = br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"6780ab29-bdb9-4f60-9ac4-906f8901c0ac","stage":"ResponseComplete","requestURI":"/api","verb":"get","user":{"username":"u"},"requestReceivedTimestamp":"2026-08-14T09:12:00.000001Z","stageTimestamp":"2026-08-14T09:12:00.000002Z"}"#;
    let of_scope = |scope| read_input(event, &Context { scope }).events()[0].id;
    let found: BTreeSet<_> = [None, Some("a"), Some("b")].into_iter().map(of_scope).collect();
    assert_eq!(found.len(), 3);
    let text = String::from_utf8_lossy(event);
    let stages: BTreeSet<_> = ["ResponseComplete", "RequestReceived", "Panic"]
        .into_iter()
        .flat_map(|stage| ids(&text.replace("ResponseComplete", stage)))
        .collect();
    assert_eq!(stages.len(), 3);
}

fn ids(input: &str) -> Vec<EventId> {
    let whole = read_input(input.as_bytes(), &Context::default());
    assert_eq!(whole.rejects, [], "{input}");
    whole.events().iter().map(|event| event.id).collect()
}
