//! Secrets: every known format goes, ordinary text stays, and what is gone stays gone.

use std::borrow::Cow;

use ascribe_model::{Form, Role, Trust};
use ascribe_sources::identifiers::Sha256Digest;
use ascribe_sources::json::{AtEnd, Prefix, Tape};
use ascribe_sources::{Context, Placeholder, Reject, RejectReason, read_reject};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::whole_input::{read_input, read_record};

/// A token of each known format, and the rule that finds it.
fn tokens() -> Vec<(&'static str, String)> {
    let run =
        |length: usize| "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z".chars().cycle().take(length).collect::<String>();
    let hexadecimal = "0123456789abcdef".repeat(4);
    vec![
        ("token.jwt", jwt(r#"{"jti":"17ab4926-813f-4ffe-9173-f288d07c1b31"}"#)),
        ("token.aws_session", format!("IQoJb3JpZ2luX2VjE{}==", run(320))),
        ("token.aws_session", format!("FwoGZXIvYXdzE{}", run(320))),
        (
            "token.private_key",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----".to_owned(),
        ),
        ("token.private_key", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk".to_owned()),
        ("token.github", format!("ghp_{}", run(36))),
        ("token.github", format!("gho_{}", run(36))),
        ("token.github", format!("ghu_{}", run(36))),
        ("token.github", format!("ghs_{}", run(36))),
        ("token.github", format!("ghr_{}", run(76))),
        ("token.github", format!("github_pat_{}_{}", run(22), run(59))),
        ("token.vault", format!("hvs.{}", run(90))),
        ("token.vault", format!("hvb.{}", run(120))),
        ("token.slack", format!("xoxb-123456789012-{}", run(24))),
        ("token.gitlab", format!("glpat-{}", run(20))),
        ("token.npm", format!("npm_{}", run(36))),
        ("token.pypi", format!("pypi-AgEIcHlwaS5vcmc{}", run(100))),
        ("token.anthropic", format!("sk-ant-api03-{}", run(90))),
        ("token.openai", format!("sk-proj-{}", run(60))),
        ("token.google_oauth", format!("ya29.{}", run(100))),
        ("token.google_api_key", format!("AIza{}", run(35))),
        ("token.digitalocean", format!("dop_v1_{hexadecimal}")),
        ("token.sendgrid", format!("SG.{}.{}", run(22), run(43))),
        ("token.note_key", format!("PRIVATE+KEY+ledger.example.com/a+0123abcd+{}", run(44))),
    ]
}

fn jwt(payload: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(r#"{"alg":"RS256","kid":"k1"}"#), part(payload), part("not a real signature"))
}

/// A CloudTrail event with `text` where text may stand.
fn record_with(text: &str) -> Vec<u8> {
    let event = serde_json::json!({
        "eventVersion": "1.08",
        "eventSource": "example.amazonaws.com",
        "eventName": "Example",
        "eventTime": "2026-08-14T09:12:00Z",
        "eventID": "5d0f1b5e-7c3c-4f0e-9d1b-000000000001",
        "userIdentity": { "type": "IAMUser", "principalId": "AIDA2RGLD7EXAMPLE4QXY", "accountId": "111122223333" },
        "recipientAccountId": "111122223333",
        "requestParameters": { "text": text },
    });
    serde_json::to_vec(&event).unwrap()
}

/// The text that a captured record has where `record_with` put one.
fn text_of(captured: &[u8]) -> String {
    let event: serde_json::Value = serde_json::from_slice(captured).unwrap();
    event["requestParameters"]["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_of_every_format_goes_and_the_text_around_it_stays() {
    for (rule, token) in tokens() {
        for (before, behind) in
            [("", ""), ("export TOKEN=", " \"&& run\"\n"), ("x=%3D", "&y=é"), ("café\t", "\u{2028}/")]
        {
            if token.starts_with("-----") && !token.ends_with("-----") && !behind.is_empty() {
                continue; // Without its end, a key goes on to the end of the text.
            }
            let read = read_record(&record_with(&format!("{before}{token}{behind}")));
            let rules: Vec<_> = read.withheld.iter().map(|withheld| withheld.rule).collect();
            assert_eq!(rules, [rule], "{before}{token}{behind}");
            let found = text_of(&read.captured);
            let placeholder = found.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind));
            let placeholder = Placeholder::read(placeholder.unwrap_or_default());
            assert_eq!(placeholder.map(|placeholder| placeholder.rule), Some(rule), "{found}");
        }
    }
}

#[test]
fn what_announces_a_secret_stays_and_the_secret_goes() {
    let signature = "0123456789abcdef".repeat(4);
    let account_key = format!("{}==", "Ab3/".repeat(21) + "Ab");
    for (text, expected) in [
        ("postgres://app:s3cr3t@db/x".to_owned(), "postgres://app:[withheld:url.password]@db/x".to_owned()),
        ("http://:pw@h http://u@h".to_owned(), "http://:[withheld:url.password]@h http://u@h".to_owned()),
        (
            "curl -H 'Authorization: Bearer 0123456789abcdefghijk' x".to_owned(),
            "curl -H 'Authorization: Bearer [withheld:http.bearer]' x".to_owned(),
        ),
        (
            format!("https://b.s3.amazonaws.com/k?X-Amz-Signature={signature}&X-Amz-Expires=60"),
            "https://b.s3.amazonaws.com/k?X-Amz-Signature=[withheld:url.aws_signature]&X-Amz-Expires=60"
                .to_owned(),
        ),
        (
            "?X-Amz-Security-Token=abcdefgh%2Fijklmnop%3D&z".to_owned(),
            "?X-Amz-Security-Token=[withheld:url.aws_security_token]&z".to_owned(),
        ),
        (
            format!("https%3A%2F%2Fb%2Fk%3FX-Amz-Signature%3D{signature}%26X-Amz-Security-Token%3Dabcdefghijklmnop x"),
            "https%3A%2F%2Fb%2Fk%3FX-Amz-Signature%3D[withheld:url.aws_signature]%26X-Amz-Security-Token%3D[withheld:url.aws_security_token] x".to_owned(),
        ),
        (
            "?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrMWFzoEXAMPLEuNDDw%3D&Expires=1".to_owned(),
            "?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=[withheld:url.signature]&Expires=1".to_owned(),
        ),
        (
            "/api/v1/pods?watch=1&access_token=opaque-0123&token=opaque.0123".to_owned(),
            "/api/v1/pods?watch=1&access_token=[withheld:url.token]&token=[withheld:url.token]".to_owned(),
        ),
        (
            "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== x".to_owned(),
            "Authorization: Basic [withheld:http.basic] x".to_owned(),
        ),
        (
            "auth/token/revoke/s.8ZbXq1Example0Token00000 auth/token/lookup/self".to_owned(),
            "auth/token/revoke/s.[withheld:token.vault] auth/token/lookup/self".to_owned(),
        ),
        (
            format!("AccountName=a;AccountKey={account_key};E=x"),
            "AccountName=a;AccountKey=[withheld:token.azure_account_key];E=x".to_owned(),
        ),
    ] {
        assert_eq!(text_of(&read_record(&record_with(&text)).captured), expected);
    }
}

#[test]
fn ordinary_text_stays() {
    for text in [
        "AKIAIOSFODNN7EXAMPLE ASIAIOSFODNN7EXAMPLE AROAIN5ATK5U7KEXAMPLE:session",
        "arn:aws:iam::111122223333:role/service-role/sk-learn-runner",
        "https://example.com:8443/path?x=1@2#y",
        "docker pull registry.example.com:5000/app@sha256:0123",
        "eyJub3QiOiJhIHRva2VuIn0 is base64 JSON, and eyJ is how it begins",
        "eyJhbGciOiJub25lIn0",
        "ghp_short npm_run_build_and_test_all hvs.short xoxb-too-short glpat-x AIzaShort SG.x.y",
        "the bearer of this letter; Bearer token required; bearer authentication failed",
        "task-runner-with-a-rather-long-name-of-many-words desk-0123456789abcdefghijklmnopqrstuvwxyz",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        "HIDDEN_DUE_TO_SECURITY_REASONS",
        "PRIVATE+KEY+short PRIVATE+KEY+of-a-rather-long-name-that-is-no-key-because-it-has-no-hash",
        "Basic authentication is off, Basic auth, basic configuration options",
        "/search?nextToken=abcdefghijklmnop&token=1&sig=short&Signature=short",
        "X-Amz-Signature=short X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260814",
        "[withheld:token.github sha256_b64=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=]",
    ] {
        let received = record_with(text);
        let read = read_record(&received);
        assert_eq!(read.withheld, [], "{text}");
        assert!(matches!(read.captured, Cow::Owned(bytes) if bytes == received));
    }
}

#[test]
fn what_other_logs_carry_of_a_token_stays() {
    let token = format!("ghs_{}", "a1".repeat(18));
    let captured = read_record(&record_with(&token)).captured;
    let hash = STANDARD.encode(Sha256::digest(&token));
    assert_eq!(text_of(&captured), format!("[withheld:token.github sha256_b64={hash}]"));

    let id = "17ab4926-813f-4ffe-9173-f288d07c1b31";
    for (payload, expected) in [
        (format!(r#"{{"sub":"x","jti":"{id}"}}"#), format!("[withheld:token.jwt jti={id}]")),
        (r#"{"sub":"x"}"#.to_owned(), "[withheld:token.jwt]".to_owned()),
        (r#"{"jti":"] and more"}"#.to_owned(), "[withheld:token.jwt]".to_owned()),
        ("no JSON".to_owned(), "[withheld:token.jwt]".to_owned()),
    ] {
        assert_eq!(text_of(&read_record(&record_with(&jwt(&payload))).captured), expected);
    }
    let url = format!("https://x-access-token:{token}@github.com/o/r");
    let expected = format!("https://x-access-token:[withheld:token.github sha256_b64={hash}]@github.com/o/r");
    assert_eq!(text_of(&read_record(&record_with(&url)).captured), expected);
}

#[test]
fn known_fields_go_whatever_they_hold() {
    let record = br#"{"eventVersion":"1.08","eventSource":"sts.amazonaws.com","eventName":"GetSessionToken","eventTime":"2026-08-14T09:12:00Z","userIdentity":{"type":"IAMUser","accountId":"111122223333"},"requestParameters":{"tokenCode":123456,"serialNumber":"arn:aws:iam::111122223333:mfa/x"},"responseElements":{"credentials":{"accessKeyId":"ASIA2RGLD7EXAMPLE4QXY","session\u0054oken":"short","secretAccessKey":""}}}"#;
    let read = read_record(record);
    let rules: Vec<_> = read.withheld.iter().map(|withheld| withheld.rule).collect();
    assert_eq!(rules, ["aws.mfa_code", "aws.session_token"]);
    let captured: serde_json::Value = serde_json::from_slice(&read.captured).unwrap();
    assert_eq!(captured["requestParameters"]["tokenCode"], "[withheld:aws.mfa_code]");
    assert_eq!(captured["responseElements"]["credentials"]["sessionToken"], "[withheld:aws.session_token]");
    assert_eq!(captured["responseElements"]["credentials"]["accessKeyId"], "ASIA2RGLD7EXAMPLE4QXY");
}

#[test]
fn names_that_tell_alone_are_known_in_every_spelling() {
    for (name, value, rule) in [
        ("SecretAccessKey", "hush-1", "aws.secret_access_key"),
        ("secret_access_key", "hush-1", "aws.secret_access_key"),
        ("AWS_SECRET_ACCESS_KEY", "hush-1", "aws.secret_access_key"),
        ("aws-session-token", "hush-1", "aws.session_token"),
        ("SessionToken", "hush-1", "aws.session_token"),
        ("session\\u0054oken", "hush-1", "aws.session_token"),
        ("X-Vault-Token", "hush-1", "http.header"),
        ("x-api-key", "hush-1", "http.header"),
        ("Authorization", "AWS4-HMAC-SHA256 hush-1", "http.header"),
        ("cookie", "session=hush-1", "http.header"),
    ] {
        let text = String::from_utf8(record_with("TEXT")).unwrap();
        let holder = format!("{{\"{name}\":[\"{value}\"],\"x\":{{\"{name}\":\"{value}\"}}}}");
        let read = read_record(text.replace("\"TEXT\"", &holder).as_bytes());
        let rules: Vec<_> = read.withheld.iter().map(|withheld| withheld.rule).collect();
        assert_eq!(rules, [rule, rule], "{name}");
        assert!(!String::from_utf8_lossy(&read.captured).contains("hush-1"), "{name}");
    }
    for member in [
        r#""sessionTokens":"x""#,
        r#""secretAccessKeyId":"x""#,
        r#""authorization":"AWS_IAM""#,
        r#""authorization":{"type":"by the owner"}"#,
        r#""cookie":"all""#,
        r#""secretAccessKey":null"#,
        r#""password_policy":"strict""#,
    ] {
        let text = String::from_utf8(record_with("TEXT")).unwrap();
        let read = read_record(text.replace("\"TEXT\"", &format!("{{{member}}}")).as_bytes());
        assert_eq!(read.withheld, [], "{member}");
    }
}

/// A Kubernetes audit event about `object`.
fn audit_event(object: &str) -> Vec<u8> {
    format!(r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a","stage":"ResponseComplete","verb":"create","user":{{"username":"u"}},"requestURI":"/api","requestReceivedTimestamp":"2026-08-14T09:12:00.000000Z","requestObject":{object}}}"#).into_bytes()
}

#[test]
fn contents_of_secrets_and_variables_that_are_named_so_go() {
    for (object, expected) in [
        (r#"{"kind":"Secret","binaryData":{"p":"aHVzaA=="}}"#, &["k8s.secret_content"][..]),
        (r#"{"kind":"ConfigMap","binaryData":{"p":"aHVzaA=="},"data":{"p":"x"}}"#, &[]),
        (
            r#"{"kind":"Pod","spec":{"containers":[{"env":[{"name":"DB_PASSWORD","value":"hush"},{"name":"HOST","value":"db"}]}]}}"#,
            &["k8s.environment_variable"],
        ),
        (
            r#"{"kind":"Deployment","spec":{"template":{"spec":{"containers":[{"env":[{"name":"apiToken","value":"hush"}]}]}}}}"#,
            &["k8s.environment_variable"],
        ),
        (r#"{"kind":"Pod","spec":{"tolerations":[{"name":"TOKEN","value":"x"}]}}"#, &[]),
        (r#"{"kind":"Pod","spec":{"env":[{"name":"KEYBOARD","value":"x"},{"value":"y"}]}}"#, &[]),
    ] {
        let read = read_record(&audit_event(object));
        let rules: Vec<_> = read.withheld.iter().map(|withheld| withheld.rule).collect();
        assert_eq!(rules, expected, "{object}");
    }
}

/// The entries of a device with `log_raw`; what is secret in them begins with `hush`.
const RAW: [&str; 6] = [
    r#"{"time":"2026-08-14T10:00:00Z","type":"response","auth":{"client_token":"hush-1","accessor":"kept-a","display_name":"kept-b","metadata":{"username":"kept-c"}},"request":{"id":"kept-d","operation":"update","client_token":"hush-2","client_token_accessor":"kept-e","mount_type":"userpass","path":"auth/userpass/login/kept-f","data":{"password":"hush-3"}},"response":{"auth":{"client_token":"hush-4","accessor":"kept-a"}}}"#,
    r#"{"time":"2026-08-14T10:00:00Z","type":"response","auth":{"client_token":"hush-1"},"request":{"id":"kept-a","operation":"read","mount_type":"kv","path":"secret/data/kept-b"},"response":{"data":{"data":{"username":"hush-2","pin":"hush-3","list":["hush-4",{"type":"hush-5"}]},"metadata":{"created_time":"kept-c"}}}}"#,
    r#"{"time":"2026-08-14T10:00:00Z","type":"response","auth":{"client_token":"hush-1"},"request":{"id":"kept-a","operation":"read","path":"apps/kept-b"},"response":{"data":{"value":"hush-2","name":"hush-3"}}}"#,
    r#"{"time":"2026-08-14T10:00:00Z","type":"response","auth":{"client_token":"hush-1"},"request":{"id":"kept-a","operation":"read","mount_type":"database","path":"database/creds/kept-b"},"response":{"secret":{"lease_id":"database/creds/kept-b/kept-c"},"data":{"username":"kept-d","password":"hush-2"}}}"#,
    r#"{"time":"2026-08-14T10:00:00Z","type":"response","auth":{"client_token":"hush-1"},"request":{"id":"kept-a","operation":"update","mount_type":"system","path":"sys/wrapping/unwrap","data":{"token":"hush-2"}},"response":{"data":{"username":"hush-3"},"wrap_info":{"token":"hush-4","accessor":"kept-b"}}}"#,
    r#"{"time":"2026-08-14T10:00:00Z","type":"request","auth":{},"request":{"id":"kept-a","operation":"update","mount_type":"approle","path":"auth/approle/login","data":{"role_id":"hush-1","secret_id":"hush-2","role_name":"kept-b"}},"headers":{"x-vault-token":["hush-3"]}}"#,
];

#[test]
fn a_raw_vault_device_leaves_names_and_no_secret() {
    for entry in RAW {
        let captured = read_record(entry.as_bytes()).captured;
        let captured = String::from_utf8_lossy(&captured);
        assert!(!captured.contains("hush"), "{captured}");
        assert_eq!(captured.matches("kept").count(), entry.matches("kept").count(), "{captured}");
    }
}

#[test]
fn what_a_vault_device_hashed_stays() {
    let hash = format!("hmac-sha256:{}", "0123456789abcdef".repeat(4));
    for entry in RAW {
        let secrets = (1..6).map(|number| format!("hush-{number}"));
        let hashed = secrets.fold(entry.to_owned(), |text, secret| text.replace(&secret, &hash));
        assert_eq!(read_record(hashed.as_bytes()).withheld, [], "{hashed}");
    }
}

#[test]
fn a_vault_entry_that_is_cut_off_keeps_no_token() {
    for entry in RAW {
        for length in entry.match_indices(',').map(|(at, _)| at) {
            let whole = read_input(&entry.as_bytes()[..length], &Context::default());
            let captured = String::from_utf8_lossy(&whole.rejects[0].captured);
            for name in ["client_token", "secret_id", "password", "x-vault-token"] {
                let value = format!("\"{name}\":\"hush");
                assert!(!captured.contains(&value), "{captured}");
            }
        }
    }
}

#[test]
fn secrets_go_from_json_that_is_wrapped_in_a_string() {
    let event = r#"{"eventVersion":"1.08","eventSource":"sts.amazonaws.com","eventName":"GetSessionToken","eventTime":"2026-08-14T09:12:00Z","eventID":"e1","userIdentity":{"type":"IAMUser","accountId":"111122223333"},"requestParameters":{"tokenCode":123456,"note":"a \"quoted\" \\npm_ word"},"responseElements":{"credentials":{"sessionToken":"s\u0065cret"}}}"#;
    let wrapped = serde_json::json!({ "EventId": "e1", "CloudTrailEvent": event }).to_string();
    let read = read_record(wrapped.as_bytes());
    let outer: serde_json::Value = serde_json::from_slice(&read.captured).unwrap();
    let inner: serde_json::Value = serde_json::from_str(outer["CloudTrailEvent"].as_str().unwrap()).unwrap();
    assert_eq!(inner["responseElements"]["credentials"]["sessionToken"], "[withheld:aws.session_token]");
    assert_eq!(inner["requestParameters"]["tokenCode"], "[withheld:aws.mfa_code]");
    assert_eq!(inner["requestParameters"]["note"], "a \"quoted\" \\npm_ word");
}

#[test]
fn rejects_keep_no_secret_either() {
    let token = format!("ghp_{}", "a1".repeat(18));
    for (name, input) in [
        ("a record cut short", format!(r#"{{"responseElements":{{"credentials":{{"sessionToken":"hush-1","x":"{token}""#)),
        ("a value cut short", r#"{"responseElements":{"credentials":{"secretAccessKey":"hush-1"#.to_owned()),
        ("a line of text", format!("user logged in with {token} hush: \"password\" : \"hush-1\"")),
        ("a wrapped record cut short", r#"{"CloudTrailEvent":"{\"responseElements\":{\"credentials\":{\"sessionToken\":\"hush-1\\\"x\",\"y\":1"#.to_owned()),
        ("a wrapped record cut short in a whole one", serde_json::json!({ "CloudTrailEvent": r#"{"sessionToken":"hush-1"#}).to_string()),
        ("whole JSON of an unknown source", r#"{"x":{"password":"hush-1"},"y":"z"}"#.to_owned()),
        ("an unknown wrapper", serde_json::json!({ "log": r#"{"a":{"secretAccessKey":"hush-1"}}"#}).to_string()),
        ("a name twice", r#"{"eventVersion":"1","eventVersion":"1","responseElements":{"credentials":{"sessionToken":"hush-1"}}}"#.to_owned()),
        ("an object of secrets", r#"{"kind":"Secret","data":{"a":"hush-1","b":["hush-1"]},"c":"#.to_owned()),
        ("an escaped name", r#"{"pass\u0077ord":"hush-1"}"#.to_owned()),
        ("a token with escapes", format!(r#"{{"x":"\u{:04x}{}""#, u32::from('g'), &token[1..])),
    ] {
        let whole = read_input(input.as_bytes(), &Context::default());
        assert!(!whole.rejects.is_empty(), "{name}");
        for reject in &whole.rejects {
            let text = String::from_utf8_lossy(&reject.captured);
            assert!(!text.contains("hush-1") && !text.contains(&token[4..]), "{name}: {text}");
            assert!(!reject.reject.to_string().contains("hush-1"), "{name}");
        }
    }
}

#[test]
fn assignments_in_rejects_go_in_every_notation() {
    let mark = "[withheld:";
    for (text, expected) in [
        (
            "export AWS_SECRET_ACCESS_KEY=hush-1 x",
            "export AWS_SECRET_ACCESS_KEY=[withheld:aws.secret_access_key] x",
        ),
        ("aws_session_token = hush-1\tx", "aws_session_token = [withheld:aws.session_token]\tx"),
        (
            "a='SecretAccessKey': 'hush-1', 'x'",
            "a='SecretAccessKey': '[withheld:aws.secret_access_key]', 'x'",
        ),
        (
            "a \"secret_access_key\" : \"hush\\\"-1\"",
            "a \"secret_access_key\" : \"[withheld:aws.secret_access_key]\"",
        ),
        (
            "a \\\"session-token\\\":\\\"hush-1\\\",",
            "a \\\"session-token\\\":\\\"[withheld:aws.session_token]\\\",",
        ),
        ("> X-Vault-Token: hush-1", "> X-Vault-Token: [withheld:http.header]"),
        ("run --db-password=hush-1 --x", "run --db-password=[withheld:aws.password] --x"),
        ("PGPASSWORD=\"hush-1\" psql", "PGPASSWORD=\"[withheld:aws.password]\" psql"),
        ("x {\"Authorization\":\"hush-1\"}", "x {\"Authorization\":\"[withheld:http.header]\"}"),
        (
            "x {\"\\u0073essionToken\":\"hush\\\"-1\"}",
            "x {\"\\u0073essionToken\":\"[withheld:aws.session_token]\"}",
        ),
    ] {
        let whole = read_input(text.as_bytes(), &Context::default());
        assert_eq!(String::from_utf8_lossy(&whole.rejects[0].captured), expected);
    }
    for text in [
        "password: required by the server",
        "password = $PASSWORD, passwd=%P% secret_access_key=<none>",
        "the session token: it was used; sessionTokens=17 of many",
        "cookie: a question of taste, authorization: denied",
        "x-api-key-id=abcdefgh PASSWORD_FILE=/run/secrets/x",
        "session_token=null secretAccessKey: None",
    ] {
        let whole = read_input(text.as_bytes(), &Context::default());
        let captured = String::from_utf8_lossy(&whole.rejects[0].captured);
        assert!(captured == text && !captured.contains(mark), "{captured}");
    }
}

#[test]
fn no_line_of_a_private_key_stays_in_a_text() {
    let text = "x\n-----BEGIN RSA PRIVATE KEY-----\nhush1\n0hush2\n-----END RSA PRIVATE KEY-----\nafter\n";
    let whole = read_input(text.as_bytes(), &Context::default());
    let captured: Vec<_> =
        whole.rejects.iter().map(|reject| String::from_utf8_lossy(&reject.captured)).collect();
    assert_eq!(captured, ["x", "[withheld:token.private_key]\nafter"]);
}

#[test]
fn a_reject_of_whole_json_stays_whole_json() {
    let input = br#"{"x":[{"password":12345,"note":"\"\npm_0"}],"log":"{\"tokenCode\":123456}"}"#;
    let whole = read_input(input, &Context::default());
    let captured: serde_json::Value = serde_json::from_slice(&whole.rejects[0].captured).unwrap();
    assert_eq!(captured["x"][0]["password"], "[withheld:aws.password]");
    assert_eq!(captured["log"], "{\"tokenCode\":\"[withheld:aws.mfa_code]\"}");
}

#[test]
fn placeholders_are_read_as_written() {
    for (text, expected) in [
        ("[withheld:aws.session_token]", Some(("aws.session_token", None))),
        ("[withheld:token.jwt jti=a-b=c]", Some(("token.jwt", Some(("jti", "a-b=c"))))),
        ("[withheld:x] ", None),
        ("[withheld:x", None),
        ("[withheld:x y]", None),
        ("[withheld:a]b]", None),
        ("[withheld:\"]", None),
    ] {
        let found = Placeholder::read(text).map(|placeholder| (placeholder.rule, placeholder.kept));
        assert_eq!(found, expected, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// `read_record` itself checks that reading the captured bytes again changes nothing.
    #[test]
    fn no_token_survives_in_any_text(
        parts in prop::collection::vec((".{0,6}", prop::sample::select(tokens())), 1..4),
        separator in prop::sample::select(vec![" ", "\n", "\"", "\\", "=", ";", "/", "\u{1F600}"]),
    ) {
        let text: Vec<_> = parts.iter().flat_map(|(text, (_, token))| [text, separator, token, separator]).collect();
        let text: String = text.concat();
        let read = read_record(&record_with(&text));
        let found = text_of(&read.captured);
        for (_, (_, token)) in &parts {
            prop_assert!(!found.contains(&token[12..]), "{}", found);
        }
    }

    #[test]
    fn any_text_leaves_valid_json_behind(text in secret_like()) {
        let read = read_record(&record_with(&text));
        prop_assert!(read.captured.len() < 1 << 20);
    }

    #[test]
    fn any_bytes_can_be_searched(bytes in secret_like()) {
        let reject = Reject { reason: RejectReason::NotJson, offset: 0, expected: String::new(), found: String::new() };
        let found = read_reject(bytes.as_bytes(), reject.clone());
        let again = read_reject(&found.captured, reject);
        prop_assert_eq!(&again.captured, &found.captured);
    }

    #[test]
    fn any_json_of_an_unknown_source_stays_json(text in secret_like(), name in "[a-z]{1,8}|password|sessionToken") {
        let input = serde_json::json!({ name: [text.clone(), 17], "inner": format!("{{\"password\":{text:?}}}") }).to_string();
        for reject in read_input(input.as_bytes(), &Context::default()).rejects {
            let prefix = Tape::new().parse_prefix(&reject.captured, AtEnd::Yes);
            prop_assert_eq!(prefix, Prefix::Complete { length: reject.captured.len() });
        }
    }
}

/// Texts made of what the search looks for.
fn secret_like() -> impl Strategy<Value = String> {
    let mut fragments: Vec<String> = tokens().into_iter().map(|(_, token)| token).collect();
    for text in [
        "-----BEGIN ",
        "PRIVATE KEY-----",
        "-----END ",
        "-----",
        "eyJ",
        "eyJhbGciOiJub25lIn0.",
        ".",
        "ghp_",
        "npm_",
        "sk-",
        "SG.",
        "://",
        "a:b@",
        "https://u:",
        "@",
        "[withheld:",
        "[withheld:x]",
        "]",
        "Bearer ",
        "bearer%20",
        "Basic ",
        "&token=",
        "?Signature=",
        "PRIVATE+KEY+",
        "+0123abcd+",
        "\\",
        "\"",
        "\n",
        "\\\"",
        "{",
        "}",
        "\"password\":",
        "AWS_SESSION_TOKEN=",
        "'SecretAccessKey': '",
        "'",
        "=",
        "\\u0070assword\":",
        "\"sessionToken\":\"",
        "\"data\":{",
        "\\\"password\\\":\\\"",
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
        " ",
        "é",
        ",",
        "7",
    ] {
        fragments.push(text.to_owned());
    }
    prop::collection::vec(prop::sample::select(fragments), 0..8).prop_map(|fragments| fragments.concat())
}

#[test]
fn a_token_that_a_record_of_any_source_shows_is_a_key_of_its_event() {
    let token = "ghp_EXAMPLEexample0000EXAMPLEexample0000";
    let hash = Sha256Digest::of(token.as_bytes()).to_base64();
    for input in [
        format!(
            r#"{{"eventVersion":"1.11","eventSource":"s3.amazonaws.com","eventName":"PutObject","userIdentity":{{"type":"AWSService"}},"userAgent":"curl {token}"}}"#
        ),
        format!(
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a","stage":"ResponseComplete","verb":"get","requestURI":"/x?token={token}","user":{{"username":"jane"}}}}"#
        ),
        format!(
            r#"{{"action":"api.request","actor":"mona","org":"octo","created_at":1787390400000,"query_string":"access_token={token}"}}"#
        ),
    ] {
        let whole = read_input(input.as_bytes(), &Context { scope: Some("test") });
        let events = whole.events();
        let shown: Vec<_> =
            events.iter().flat_map(|event| &event.keys).filter(|key| key.value == hash).collect();
        assert_eq!(shown.len(), 1, "{input}");
        assert_eq!(shown[0].kind.name(), "github.token");
        assert_eq!(
            (shown[0].role, shown[0].trust, shown[0].form),
            (Role::Presented, Trust::SelfAsserted, Form::Sha256Base64)
        );
        assert!(
            !events
                .iter()
                .flat_map(|event| &event.keys)
                .any(|key| key.role == Role::Parent && key.value == hash)
        );
    }
}

#[test]
fn an_event_lists_a_bounded_number_of_tokens_and_says_how_many_it_leaves_out() {
    let tokens: Vec<_> =
        (0..300).map(|number| format!("\"ghp_EXAMPLEexample0000EXAMPLEexample{number:04}\"")).collect();
    let input = format!(
        r#"{{"action":"api.request","actor":"mona","org":"octo","created_at":1787390400000,"labels":[{}]}}"#,
        tokens.join(",")
    );
    let whole = read_input(input.as_bytes(), &Context::default());
    let events = whole.events();
    let shown = events[0].keys.iter().filter(|key| key.kind.name() == "github.token").count();
    assert_eq!(shown, 256);
    let hints: Vec<_> = events[0].coverage_hints.iter().map(|hint| hint.note.as_str()).collect();
    assert_eq!(hints, ["the record shows 44 more tokens than are listed as keys"]);
}
