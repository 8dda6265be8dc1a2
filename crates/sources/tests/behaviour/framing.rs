//! Framing: which bytes are records, which are rejects, and that it never depends on the chunks.

use ascribe_sources::json::AtEnd;
use ascribe_sources::{Framer, MAX_RECORD_BYTES, MAX_REJECT_BYTES, SOURCES, Step};
use proptest::prelude::*;

/// A piece of an input; neighbouring framing is one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Framing(Vec<u8>),
    Record(Vec<u8>),
    Reject(&'static str, Vec<u8>),
    /// The input ended inside a list.
    Open,
}

#[test]
fn every_shape_of_input_gives_its_records() {
    for (name, input, expected) in [
        ("nothing", "", ""),
        ("one record", "{\"a\":1}", "R{\"a\":1}"),
        ("lines", "{\"a\":1}\n{\"a\":2}\n", "R{\"a\":1} F R{\"a\":2} F"),
        ("one behind the other", "{\"a\":1}{\"a\":2}", "R{\"a\":1} R{\"a\":2}"),
        ("pretty-printed", "{\n  \"a\": {\n  }\n}\n{\n}\n", "R{\n  \"a\": {\n  }\n} F R{\n} F"),
        ("an array", "[{\"a\":1}, {\"a\":2}]", "F R{\"a\":1} F R{\"a\":2} F"),
        ("an empty array", "[ ]\n", "F"),
        ("a list", "{\"Records\":[{\"a\":1},{\"a\":2}]}\n", "F R{\"a\":1} F R{\"a\":2} F"),
        ("an empty list", "{\"Records\":[]}", "F"),
        (
            "members around a list",
            "{\"kind\":\"EventList\",\"m\":{\"items\":[1]},\"items\":[{\"a\":1}] , \"x\" : [\"]\"] ,\"y\":null}",
            "F R{\"a\":1} F",
        ),
        ("two lists", "{\"Records\":[{\"a\":1}],\"items\":[{\"b\":1}]}", "F R{\"a\":1} F R{\"b\":1} F"),
        ("a list that is no array", "{\"Records\":1}", "R{\"Records\":1}"),
        ("a list further in", "{\"x\":{\"Records\":[1]}}", "R{\"x\":{\"Records\":[1]}}"),
        (
            "lists behind each other",
            "{\"Records\":[{\"a\":1}]}{\"Records\":[{\"a\":2}]}",
            "F R{\"a\":1} F R{\"a\":2} F",
        ),
        (
            "an array of lists",
            "[{\"Records\":[{\"a\":1}]},{\"items\":[{\"a\":2}]}]",
            "F R{\"a\":1} F R{\"a\":2} F",
        ),
        ("other elements", "[1, \"x\", null]", "F R1 F R\"x\" F Rnull F"),
        ("a byte order mark", "\u{feff}{\"a\":1}", "F R{\"a\":1}"),
        ("a mark on a later line", "{\"a\":1}\n\u{feff}{\"a\":2}", "R{\"a\":1} F R{\"a\":2}"),
        ("a mark cut short is none", "{\"a\":1}\n\u{fec0}", "R{\"a\":1} F X[not_json]\u{fec0}"),
        ("a zip archive", "PK\u{3}\u{4}\n{\"a\":1}\n", "X[not_text]PK\u{3}\u{4}\n{\"a\":1}\n"),
        (
            "a private key",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n0abc\n-----END RSA PRIVATE KEY-----\n{\"a\":1}",
            "X[not_json]-----BEGIN RSA PRIVATE KEY-----\nMIIE\n0abc\n-----END RSA PRIVATE KEY----- F R{\"a\":1}",
        ),
        (
            "a certificate",
            "-----BEGIN CERTIFICATE-----\nMIIE",
            "X[not_json]-----BEGIN CERTIFICATE----- F X[not_json]MIIE",
        ),
        ("no archive", "PK\n{\"a\":1}", "X[not_json]PK F R{\"a\":1}"),
        ("bzip2", "BZh9\n{", "X[not_text]BZh9\n{"),
        ("an export", "2026-08-14T09:12:00.123Z {\"a\":1}\n", "F R{\"a\":1} F"),
        ("a cookie", "@cee:{\"a\":1}\n@cee: {\"a\":2}\n", "F R{\"a\":1} F R{\"a\":2} F"),
        ("cookies without line breaks", "@cee: {\n\"a\":1}@cee: {\"a\":2}", "F R{\n\"a\":1} F R{\"a\":2}"),
        ("a cookie on some lines", "{\"a\":1}\n@json:{\"a\":2}", "R{\"a\":1} F R{\"a\":2}"),
        (
            "no cookies",
            "@cee:\n@cee: text\n@: {}\n@ {}\n@host-1: {}\n@cee {}\n@c",
            "X[not_json]@cee: F X[not_json]@cee: text F X[not_json]@: {} F X[not_json]@ {} F X[not_json]@host-1: {} F X[not_json]@cee {} F X[not_json]@c",
        ),
        (
            "a moment before text",
            "2026-08-14T09:12:00Z text\n{\"a\":1}",
            "X[not_json]2026-08-14T09:12:00Z text F R{\"a\":1}",
        ),
    ] {
        assert_eq!(notation(&pieces(input.as_bytes())), expected, "{name}");
    }
}

#[test]
fn damage_costs_as_little_as_possible() {
    for (name, input, expected) in [
        ("a line of text", "text {\"a\":1}\n{\"a\":2}", "X[not_json]text {\"a\":1} F R{\"a\":2}"),
        ("a number", "17\n{\"a\":2}", "X[not_json]17 F R{\"a\":2}"),
        ("a fault in a line", "{\"a\":tru}\n{\"a\":2}", "X[invalid_json]{\"a\":tru} F R{\"a\":2}"),
        (
            "a fault between neighbours",
            "{\"a\":1}{\"a\":x}{\"a\":2}",
            "R{\"a\":1} X[invalid_json]{\"a\":x} R{\"a\":2}",
        ),
        (
            "a line cut short",
            "{\"a\":{\"b\":\n{\"a\":2}\n{\"a\":3}",
            "X[invalid_json]{\"a\":{\"b\": F R{\"a\":2} F R{\"a\":3}",
        ),
        ("a quote that is missing", "{\"a\":\"b}\n{\"a\":2}", "X[invalid_json]{\"a\":\"b} F R{\"a\":2}"),
        (
            "a fault in a pretty-printed value",
            "{\n \"a\": x,\n \"b\": {}\n}\n{}",
            "X[invalid_json]{\n \"a\": x,\n \"b\": {}\n} F R{}",
        ),
        (
            "a fault in an export line",
            "{\"a\":[\n2026-08-14T09:12:00Z {\"a\":2}",
            "X[invalid_json]{\"a\":[ F R{\"a\":2}",
        ),
        (
            "a line with a cookie cut short",
            "@cee: {\"a\":[\n@cee: {\"a\":2}",
            "F X[invalid_json]{\"a\":[ F R{\"a\":2}",
        ),
        ("not UTF-8", "{\"a\":\"\u{0}\"}", "X[invalid_json]{\"a\":\"\u{0}\"}"),
        (
            "a fault in an element",
            "{\"Records\":[{\"a\":1},{\"a\":]},{\"a\":3}]}",
            "F R{\"a\":1} F X[invalid_json]{\"a\":]} F R{\"a\":3} F",
        ),
        (
            "an element that is no value",
            "[{\"a\":1},what (is, that],{\"a\":3}]",
            "F R{\"a\":1} F X[invalid_json]what (is F X[invalid_json]that F X[not_json],{\"a\":3}]",
        ),
        (
            "a missing comma",
            "[{\"a\":1} {\"a\":2},{\"a\":3}]",
            "F R{\"a\":1} F X[invalid_json]{\"a\":2} F R{\"a\":3} F",
        ),
        ("a comma too many", "[{\"a\":1},,{\"a\":3}]", "F R{\"a\":1} F X[invalid_json], R{\"a\":3} F"),
        ("a comma at the end", "[{\"a\":1},]", "F R{\"a\":1} F"),
        (
            "a fault behind a list",
            "{\"Records\":[{\"a\":1}],x:{}}\n{\"a\":2}",
            "F R{\"a\":1} F X[invalid_json]x:{}} F R{\"a\":2}",
        ),
        (
            "a fault before a list",
            "{x:1,\"Records\":[{\"a\":1}]}\n{\"a\":2}",
            "X[invalid_json]{x:1,\"Records\":[{\"a\":1}]} F R{\"a\":2}",
        ),
        (
            "a fault behind a list in an array",
            "[{\"Records\":[{\"a\":1}]!},{\"a\":2}]",
            "F R{\"a\":1} F X[invalid_json]!} F R{\"a\":2} F",
        ),
        ("an end in a record", "{\"a\":1}\n{\"a\":", "R{\"a\":1} F X[truncated]{\"a\":"),
        ("an end in a list", "{\"Records\":[{\"a\":1},{\"a\":", "F R{\"a\":1} F X[truncated]{\"a\": OPEN"),
        ("an end between records", "{\"Records\":[{\"a\":1},", "F R{\"a\":1} F OPEN"),
        ("an end behind a list", "{\"Records\":[{\"a\":1}],\"x", "F R{\"a\":1} F X[truncated]\"x"),
    ] {
        assert_eq!(notation(&pieces(input.as_bytes())), expected, "{name}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_rejected_alone() {
    let input = b"{\"a\":1}\n{\"a\":\"\xff\"}\n{\"a\":2}\n\xff\xfe\n{\"a\":3}";
    let found = pieces(input);
    let rejects = found.iter().filter_map(|piece| match piece {
        Piece::Reject(code, bytes) => Some((*code, bytes.as_slice())),
        _ => None,
    });
    let rejects: Vec<_> = rejects.collect();
    assert_eq!(rejects, [("invalid_utf8", &b"{\"a\":\"\xff\"}"[..]), ("not_json", &b"\xff\xfe"[..])]);
    assert_eq!(found.iter().filter(|piece| matches!(piece, Piece::Record(_))).count(), 3);
}

#[test]
fn a_value_that_is_too_deep_or_too_long_is_rejected_and_reading_goes_on() {
    let deep = format!("{{\"a\":{}1{}}}\n{{\"a\":2}}", "[".repeat(600), "]".repeat(600));
    let found = pieces(deep.as_bytes());
    assert!(matches!(&found[..], [Piece::Reject("too_deep", _), Piece::Framing(_), Piece::Record(_)]));

    let long = format!("[{{\"a\":\"{}\"}},{{\"a\":2}}]", "x".repeat(MAX_RECORD_BYTES));
    let found = pieces(long.as_bytes());
    let lengths = found.iter().map(|piece| match piece {
        Piece::Reject("oversize", bytes) => bytes.len(),
        _ => 0,
    });
    let lengths: Vec<_> = lengths.collect();
    assert_eq!(lengths, [0, MAX_REJECT_BYTES, MAX_REJECT_BYTES, 8, 0, 0, 0]);
    assert_eq!(found[5], Piece::Record(b"{\"a\":2}".to_vec()));
}

#[test]
fn a_record_as_long_as_allowed_is_read() {
    let value = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_RECORD_BYTES - 8));
    assert_eq!(pieces(value.as_bytes()), [Piece::Record(value.into_bytes())]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn pieces_tile_any_input_whatever_the_chunks(input in any_input(), chunks in prop::collection::vec(1_usize..40, 1..8)) {
        let whole = pieces(&input);
        let tiled: Vec<u8> = whole.iter().flat_map(|piece| match piece {
            Piece::Framing(bytes) | Piece::Record(bytes) | Piece::Reject(_, bytes) => bytes.clone(),
            Piece::Open => Vec::new(),
        }).collect();
        prop_assert_eq!(&tiled, &input);
        prop_assert_eq!(in_chunks(&input, &chunks), whole);
    }

    #[test]
    fn framing_holds_no_value_of_a_record(input in any_input()) {
        for piece in pieces(&input) {
            if let Piece::Record(bytes) = piece {
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_ok());
            }
        }
    }
}

/// Fragments that framing looks at, in any order.
fn any_input() -> impl Strategy<Value = Vec<u8>> {
    let fragments: Vec<&'static [u8]> = vec![
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"",
        b"\\",
        b"\n",
        b" ",
        b"1",
        b"tru",
        b"null",
        b"\"a\"",
        b"\"Records\"",
        b"\"items\":[",
        b"{\"Records\":[",
        b"{\"a\":1}",
        b"{\"a\":[{}]}",
        b"{\"b\":\"}\\\"]\"}",
        b"\n{",
        b"2026-08-14T09:12:00Z ",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\x00",
        b"text",
        b"]}",
        b"],\"x\":{}",
        b"\"\\u00",
        b"-",
        b"@cee: ",
        b"@",
    ];
    let fragment = prop::sample::select(fragments);
    prop::collection::vec(fragment, 0..24).prop_map(|fragments| fragments.concat())
}

fn pieces(input: &[u8]) -> Vec<Piece> {
    in_chunks(input, &[input.len().max(1)])
}

/// The pieces of an input that comes in chunks of the given lengths, again and again.
fn in_chunks(input: &[u8], chunks: &[usize]) -> Vec<Piece> {
    let mut framer = Framer::new(SOURCES);
    let mut chunks = chunks.iter().cycle();
    let (mut position, mut arrived) = (0, 0);
    let mut pieces = Vec::new();
    loop {
        let at_end = if arrived == input.len() { AtEnd::Yes } else { AtEnd::No };
        let buffer = &input[position..arrived];
        let length = match framer.next(buffer, at_end) {
            Step::NeedMore => {
                assert_eq!(at_end, AtEnd::No, "nothing more will come");
                arrived = (arrived + chunks.next().unwrap()).min(input.len());
                continue;
            }
            Step::End { open } => {
                assert!(buffer.is_empty());
                pieces.extend(open.then_some(Piece::Open));
                return pieces;
            }
            Step::Framing { length } => {
                match pieces.last_mut() {
                    Some(Piece::Framing(bytes)) => bytes.extend_from_slice(&buffer[..length]),
                    _ => pieces.push(Piece::Framing(buffer[..length].to_vec())),
                }
                length
            }
            Step::Record { length } => {
                let bytes = &buffer[..length];
                assert_eq!(framer.tape().root(bytes).span(), 0..length, "the tape is the record's");
                pieces.push(Piece::Record(bytes.to_vec()));
                length
            }
            Step::Reject { length, reject } => {
                assert!(length <= MAX_REJECT_BYTES);
                assert!(
                    reject.offset <= length
                        || length == MAX_REJECT_BYTES
                        || pieces.last().is_some_and(is_reject)
                );
                pieces.push(Piece::Reject(reject.reason.code(), buffer[..length].to_vec()));
                length
            }
        };
        assert!(length > 0, "a step takes bytes");
        position += length;
    }
}

fn is_reject(piece: &Piece) -> bool {
    matches!(piece, Piece::Reject(..))
}

fn notation(pieces: &[Piece]) -> String {
    let notation = pieces.iter().map(|piece| match piece {
        Piece::Framing(_) => "F".to_owned(),
        Piece::Record(bytes) => format!("R{}", String::from_utf8_lossy(bytes)),
        Piece::Reject(code, bytes) => format!("X[{code}]{}", String::from_utf8_lossy(bytes)),
        Piece::Open => "OPEN".to_owned(),
    });
    notation.collect::<Vec<_>>().join(" ")
}
