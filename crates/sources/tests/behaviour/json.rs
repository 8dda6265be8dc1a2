//! JSON: what is valid, what values and spans are, against a parser that others use.

use ascribe_sources::json::{AtEnd, FaultKind, Kind, MAX_DEPTH, MAX_VALUES, Prefix, Tape, Value};
use proptest::prelude::*;

#[test]
fn values_have_their_text_and_span() {
    let bytes = br#"{"a":"x\u0041\n\"","b":[1,-2.50e+3,true,null,[]],"c":{"d":{"e":"false"}},"a\u0062":"HIDDEN_DUE_TO_SECURITY_REASONS","":""}"#;
    let tape = parsed(bytes);
    let root = tape.root(bytes);
    assert_eq!(root.span(), 0..bytes.len());
    assert_eq!(root.get("a").unwrap().text().unwrap(), "xA\n\"");
    assert_eq!(root.get("a").unwrap().raw(), br#""x\u0041\n\"""#);
    assert!(root.get("a").unwrap().is_text("xA\n\"") && !root.get("a").unwrap().is_text("xA\n"));
    assert_eq!(root.get("b").unwrap().index(1).unwrap().number_text(), Some("-2.50e+3"));
    assert_eq!(root.get("b").unwrap().index(0).unwrap().integer(), Some(1));
    assert_eq!(root.get("b").unwrap().index(1).unwrap().integer(), None);
    assert_eq!(root.get("b").unwrap().items().count(), 5);
    assert_eq!(root.get("b").unwrap().index(5).map(Value::kind), None);
    assert_eq!(root.path(&["c", "d", "e"]).unwrap().truth(), Some(false));
    assert_eq!(root.path(&["c", "x", "e"]).map(Value::kind), None);
    assert_eq!(root.get("ab").unwrap().non_empty(), None);
    assert_eq!(root.get("").unwrap().non_empty(), None);
    assert_eq!(root.get("a").unwrap().non_empty().as_deref(), Some("xA\n\""));
    let names: Vec<_> = root.members().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["a", "b", "c", "ab", ""]);
    assert_eq!(root.get("b").unwrap().get("a").map(Value::kind), None, "an array has no members");
}

#[test]
fn what_is_not_json_is_refused_at_the_right_byte() {
    for (name, bytes, offset, kind) in [
        ("leading whitespace", &b" 1"[..], 0, FaultKind::Syntax),
        ("trailing comma in an array", b"[1,]", 3, FaultKind::Syntax),
        ("trailing comma in an object", b"{\"a\":1,}", 7, FaultKind::Syntax),
        ("single quotes", b"{'a':1}", 1, FaultKind::Syntax),
        ("a name without quotes", b"{a:1}", 1, FaultKind::Syntax),
        ("a comment", b"[1/**/]", 2, FaultKind::Syntax),
        ("a leading zero", b"[01]", 2, FaultKind::Syntax),
        ("a plus sign", b"[+1]", 1, FaultKind::Syntax),
        ("a bare fraction", b"[.5]", 1, FaultKind::Syntax),
        ("a fraction without digits", b"[1.]", 3, FaultKind::Syntax),
        ("an exponent without digits", b"[1e]", 3, FaultKind::Syntax),
        ("not a number", b"[NaN]", 1, FaultKind::Syntax),
        ("a wrong literal", b"[trux]", 4, FaultKind::Syntax),
        ("the wrong bracket", b"[1}", 2, FaultKind::Syntax),
        ("two values", b"[1 2]", 3, FaultKind::Syntax),
        ("a missing colon", b"{\"a\" 1}", 5, FaultKind::Syntax),
        ("a line break in a string", b"\"a\nb\"", 2, FaultKind::Syntax),
        ("a control character", b"\"a\x01\"", 2, FaultKind::Syntax),
        ("an unknown escape", b"\"\\x41\"", 2, FaultKind::Syntax),
        ("a short unicode escape", b"\"\\u12g4\"", 5, FaultKind::Syntax),
        ("a trailing surrogate alone", b"\"\\udc00\"", 1, FaultKind::Syntax),
        ("a leading surrogate alone", b"\"\\ud800x\"", 7, FaultKind::Syntax),
        ("two leading surrogates", b"\"\\ud800\\ud800\"", 7, FaultKind::Syntax),
        ("an overlong encoding", b"\"\xc0\xaf\"", 1, FaultKind::Utf8),
        ("Latin-1", b"[\"caf\xe9\"]", 5, FaultKind::Utf8),
        ("an encoded surrogate", b"\"\xed\xa0\x80\"", 1, FaultKind::Utf8),
    ] {
        match Tape::new().parse_prefix(bytes, AtEnd::Yes) {
            Prefix::Invalid(fault) => assert_eq!((fault.offset, fault.kind), (offset, kind), "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn what_ends_too_soon_is_incomplete() {
    for text in [
        "",
        "{",
        "{\"a",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "[1,",
        "\"\\",
        "\"\\u00",
        "\"\\ud800\\u",
        "tru",
        "-",
        "1.",
    ] {
        assert_eq!(Tape::new().parse_prefix(text.as_bytes(), AtEnd::Yes), Prefix::Incomplete, "{text}");
    }
    assert_eq!(Tape::new().parse_prefix(b"12", AtEnd::No), Prefix::Incomplete, "more digits may follow");
    assert_eq!(Tape::new().parse_prefix(b"12", AtEnd::Yes), Prefix::Complete { length: 2 });
    assert_eq!(Tape::new().parse_prefix(b"12 ", AtEnd::No), Prefix::Complete { length: 2 });
    assert_eq!(Tape::new().parse_prefix(b"{}{}", AtEnd::No), Prefix::Complete { length: 2 });
}

#[test]
fn depth_and_number_of_values_are_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(parse(nested(MAX_DEPTH).as_bytes()), Prefix::Complete { length: 2 * MAX_DEPTH });
    match parse(nested(MAX_DEPTH + 1).as_bytes()) {
        Prefix::Invalid(fault) => assert_eq!((fault.offset, fault.kind), (MAX_DEPTH, FaultKind::TooDeep)),
        other => panic!("{other:?}"),
    }
    let many = format!("[{}0]", "0,".repeat(MAX_VALUES));
    match parse(many.as_bytes()) {
        Prefix::Invalid(fault) => assert_eq!(fault.kind, FaultKind::TooLong),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn valid_is_what_serde_json_finds_valid(text in json_like()) {
        check_against_serde(text.trim_start_matches([' ', '\t', '\n', '\r']).as_bytes());
    }

    #[test]
    fn damaged_bytes_are_judged_alike(text in json_like(), at: prop::sample::Index, byte: u8) {
        let mut bytes = text.into_bytes();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check_against_serde(bytes.trim_ascii_start());
    }
}

/// Both find the bytes valid, with the same values; or neither does.
fn check_against_serde(bytes: &[u8]) {
    let theirs = serde_json::from_slice::<serde_json::Value>(bytes);
    let mut tape = Tape::new();
    let prefix = tape.parse_prefix(bytes, AtEnd::Yes);
    let valid = match prefix {
        Prefix::Complete { length } => bytes[length..].iter().all(|byte| b" \t\n\r".contains(byte)),
        Prefix::Incomplete | Prefix::Invalid(_) => false,
    };
    match theirs {
        Ok(theirs) => {
            assert!(valid, "refused: {prefix:?}: {}", String::from_utf8_lossy(bytes));
            check_value(tape.root(bytes), &theirs);
        }
        // Numbers past what a float can hold are refused there and kept as written here.
        Err(error) if error.to_string().contains("out of range") => {}
        Err(error) => assert!(!valid, "{error}: {}", String::from_utf8_lossy(bytes)),
    }
}

fn check_value(ours: Value<'_>, theirs: &serde_json::Value) {
    match theirs {
        serde_json::Value::Null => assert_eq!(ours.kind(), Kind::Null),
        serde_json::Value::Bool(truth) => assert_eq!((ours.kind(), ours.truth()), (Kind::Bool, Some(*truth))),
        serde_json::Value::Number(number) => {
            let written: serde_json::Number = serde_json::from_str(ours.number_text().unwrap()).unwrap();
            assert_eq!(written, *number);
        }
        serde_json::Value::String(text) => {
            assert_eq!(ours.text().unwrap(), *text);
            assert!(ours.is_text(text));
        }
        serde_json::Value::Array(items) => {
            assert_eq!(ours.items().count(), items.len());
            ours.items().zip(items).for_each(|(ours, theirs)| check_value(ours, theirs));
        }
        serde_json::Value::Object(members) => {
            // Where a name stands twice, serde_json keeps the last one.
            for (name, theirs) in members {
                let last = ours.members().filter(|(other, _)| other == name).last();
                check_value(last.unwrap().1, theirs);
            }
        }
    }
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(ours.raw()).unwrap(),
        *theirs,
        "the span is the value"
    );
}

/// JSON, with mistakes now and then.
fn json_like() -> impl Strategy<Value = String> {
    let string = prop::collection::vec(
        prop_oneof![
            4 => "[a-z é€𝄞/]{0,6}",
            1 => prop::sample::select(vec!["\\n", "\\\"", "\\\\", "\\/", "\\u0041", "\\ud834\\udd1e", "\\ud800", "\\x", "\t"])
                .prop_map(str::to_owned),
        ],
        0..4,
    )
    .prop_map(|parts| format!("\"{}\"", parts.concat()));
    let number = "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?";
    let word =
        prop::sample::select(vec!["true", "false", "null", "nul", "01", "-", "'a'"]).prop_map(str::to_owned);
    let leaf = prop_oneof![4 => string.clone(), 4 => number, 2 => word];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        let blank = prop::sample::select(vec!["", " ", "\n", "\t\r"]);
        let items = prop::collection::vec(inner.clone(), 0..5);
        let members = prop::collection::vec((string.clone(), inner), 0..5);
        prop_oneof![
            (items, blank.clone())
                .prop_map(|(items, blank)| format!("[{blank}{}]", items.join(&format!("{blank},")))),
            (members, blank).prop_map(|(members, blank)| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("{name}{blank}:{value}")).collect();
                format!("{{{}{blank}}}", members.join(","))
            }),
        ]
    })
}

fn parsed(bytes: &[u8]) -> Tape {
    let mut tape = Tape::new();
    assert_eq!(tape.parse_prefix(bytes, AtEnd::Yes), Prefix::Complete { length: bytes.len() });
    tape
}

fn parse(bytes: &[u8]) -> Prefix {
    Tape::new().parse_prefix(bytes, AtEnd::Yes)
}
