//! Inputs made to cost time or memory. Each is read in a moment; anything that looks at bytes again and again would
//! take minutes here.

use ascribe_sources::Context;

use crate::whole_input::read_input;

/// Long enough that a quadratic step shows, short enough for every run of the tests.
const LENGTH: usize = 1 << 18;

#[test]
fn repetition_costs_no_more_than_length() {
    for (name, before, part, behind) in [
        ("open braces on lines", "", "{\n", ""),
        ("open lines", "", "{\"a\":[\n", ""),
        ("open lists", "", "{\"Records\":[", ""),
        ("bad elements", "[", "{\"a\":],", ""),
        ("members", "{", "\"a\":1,", "\"b\":1}"),
        ("one escaped name", "{\"\\u0061\":1,", "\"a\":{},", "\"b\":1}"),
        ("objects of a secret name", "{\"eventVersion\":", "{\"password\":", ""),
        ("a broken list of secrets", "{\"data\":", "[\"x\",{\"data\":", ""),
        ("secret names", "{", "\"password\":", ""),
        ("backslashes", "{\"password", "\\", ""),
        ("quoted backslashes", "{\"data\":{\"", "\\", ""),
        ("keys without end", "[\"", "-----BEGIN PRIVATE KEY-----", "\"]"),
        ("labels without end", "[\"", "-----BEGIN ", "\"]"),
        ("anchors in one run", "[\"", "sk-", "\"]"),
        ("anchors in one mixed run", "[\"", "sk-aA1", "\"]"),
        ("token beginnings", "[\"", "-eyJhbGciOiJub25lIn0", "\"]"),
        ("tokens", "[\"", "-eyJhbGciOiJub25lIn0.e30.", "\"]"),
        ("hashed tokens", "[\"", "ghp_0123456789abcdefghijklmnopqrstuvwxyz ", "\"]"),
        ("schemes", "[\"", "a://", "\"]"),
        ("passwords", "[\"", "a://b:c@", "\"]"),
        ("escaped strings", "[", "\"\\n\",", "1]"),
        ("escaped tokens", "[\"\\n", "npm_0123456789abcdefghijklmnopqrstuvwxyz ", "\"]"),
        ("placeholders", "[\"", "[withheld:x]", "\"]"),
        (
            "messages",
            "{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[{\"message\":\"{\\\"eventVersion\\\":\\\"1\\\",\\\"eventSource\\\":1}\"}",
            ",{\"message\":\"\\\"eventVersion\\\"\\\"eventSource\\\"\"}",
            "]}",
        ),
    ] {
        let input = format!("{before}{}{behind}", part.repeat(LENGTH / part.len()));
        let whole = read_input(input.as_bytes(), &Context::default());
        let pieces = whole.records.len() + whole.rejects.len();
        assert!(pieces > 0 || whole.framing_bytes > 0, "{name}");
    }
}

#[test]
fn nested_secret_fields_are_taken_once() {
    let depth = 400;
    let open = r#"{"password":"#.repeat(depth);
    let leaves = r#""hush","#.repeat(LENGTH / 8);
    let input = format!(
        r#"{{"eventVersion":"1.08","eventSource":"x.amazonaws.com","eventName":"X","userIdentity":{{"type":"Root"}},"requestParameters":{open}[{leaves}1]{}}}"#,
        "}".repeat(depth)
    );
    let whole = read_input(input.as_bytes(), &Context::default());
    assert_eq!(whole.withheld_rules().len(), LENGTH / 8 + 1);
}
