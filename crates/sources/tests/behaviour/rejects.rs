//! What is rejected says why, in words that help.

use std::collections::BTreeSet;

use ascribe_sources::{Context, RejectReason};

use crate::whole_input::read_input;

#[test]
fn a_reject_says_what_was_expected_and_found() {
    let many: Vec<_> = (0..40).map(|number| format!("\"m{number}\":{number}")).collect();
    let many = format!("{{{},\"m7\":0}}", many.join(","));
    for (name, input, expected) in [
        ("no JSON", "Aug 14 09:12:00 host sshd[1]: x", "not_json at byte 0: expected `{` or `[`, found `A`"),
        (
            "a broken value",
            "{\"a\":tru}",
            "invalid_json at byte 8: expected `true`, `false` or `null`, found `}`",
        ),
        ("an ended input", "{\"a\":[1", "truncated at byte 7: expected the rest of the value, found the end"),
        (
            "a scalar in a list",
            "[17]",
            "unknown_source at byte 0: expected an audit record of a known source, found a number",
        ),
        (
            "a notification",
            r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{}}]}"#,
            "not_a_log at byte 0: expected an audit record of a known source, found an S3 event notification",
        ),
        (
            "a control message",
            r#"{"messageType":"CONTROL_MESSAGE","logEvents":[]}"#,
            "not_a_log at byte 0: expected an audit record of a known source, found a CloudWatch Logs control message",
        ),
        (
            "an object of the API",
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"}}"#,
            "not_a_log at byte 0: expected an audit record of a known source, found a Kubernetes object",
        ),
        (
            "an operational log",
            r#"{"@level":"info","@message":"revoked lease","@module":"expiration","@timestamp":"2026-08-14T09:12:00.000001Z"}"#,
            "not_a_log at byte 0: expected an audit record of a known source, found a message of a server's operational log",
        ),
        (
            "a name twice",
            r#"{"x":{"a":1,"b":2,"a":3}}"#,
            "duplicate_key at byte 18: expected each member name once, found `a` twice",
        ),
        (
            "a name twice, once escaped",
            r#"{"a":1,"\u0061":3}"#,
            "duplicate_key at byte 7: expected each member name once, found `a` twice",
        ),
        (
            "a name twice among many",
            &many,
            "duplicate_key at byte 341: expected each member name once, found `m7` twice",
        ),
        (
            "a wrapped event that is cut short",
            r#"{"CloudTrailEvent":"{\"eventVersion\":"}"#,
            "unreadable at byte 19: expected the rest of the value, found the end",
        ),
        (
            "a wrapped event with a name twice",
            r#"{"CloudTrailEvent":"{\"eventVersion\":\"1\",\"eventVersion\":\"2\"}"}"#,
            "unreadable at byte 19: expected each member name once, found one twice",
        ),
    ] {
        check(name, input, expected);
    }
}

#[test]
fn an_unknown_object_is_told_by_its_members() {
    let expected = |found| {
        format!("unknown_source at byte 0: expected an audit record of a known source, found {found}")
    };
    for (name, input, found) in [
        (
            "the first five plain names",
            r#"{"a":1,"b c":2,"<d>":3,"e":4,"f":5,"g":6,"h":7}"#,
            "an object with `a`, `b c`, `e`, `f`, `g`",
        ),
        (
            "a secret in place of a name",
            r#"{"ghp_16C7e42F292c6912E7710c838347Ae178B4a":1}"#,
            "another object",
        ),
    ] {
        check(name, input, &expected(found));
    }
}

fn check(name: &str, input: &str, expected: &str) {
    let whole = read_input(input.as_bytes(), &Context::default());
    let found: Vec<_> = whole.rejects.iter().map(|reject| reject.reject.to_string()).collect();
    assert_eq!(found, [expected], "{name}");
}

#[test]
fn codes_and_hints_differ() {
    let codes: BTreeSet<_> = RejectReason::ALL.iter().map(|reason| reason.code()).collect();
    let hints: BTreeSet<_> = RejectReason::ALL.iter().map(|reason| reason.hint()).collect();
    assert_eq!((codes.len(), hints.len()), (RejectReason::ALL.len(), RejectReason::ALL.len()));
}

#[test]
fn one_unreadable_message_does_not_take_the_others() {
    let event = r#"{"eventVersion":"1.08","eventSource":"x.amazonaws.com","eventName":"X","eventTime":"2026-08-14T09:12:00Z","userIdentity":{"type":"Root"},"eventID":"e"}"#;
    let cut = &event[..event.len() - 4];
    let delivery = serde_json::json!({
        "messageType": "DATA_MESSAGE",
        "owner": "111122223333",
        "logEvents": [{ "id": "1", "message": event }, { "id": "2", "message": cut }],
    });
    let whole = read_input(delivery.to_string().as_bytes(), &Context::default());
    assert_eq!((whole.records.len(), whole.events().len(), whole.rejects.len()), (1, 1, 0));
    let unread = &whole.records[0].read.unread;
    assert_eq!(unread.len(), 1);
    assert_eq!(unread[0].reason.to_string(), "expected the rest of the value, found the end");
}
