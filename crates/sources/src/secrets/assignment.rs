//! Secrets in bytes that no parser could read, behind names in any spelling and in other notations than JSON:
//! `AWS_SECRET_ACCESS_KEY=…` of a shell, `aws_session_token = …` of a credentials file, `'SecretAccessKey': '…'` of a
//! Python literal, `x-vault-token: …` of an HTTP dump.
//!
//! It knows words, and no grammar. Members of JSON with the sources' own names are for the search of words.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};

use super::lexical::{Found, MOST_BACKSLASHES, Taken, backslashes_at, string_cut};
use super::spelling::{TELLING_NAMES, TellingName, Tells};
use super::{Cut, Ruling, placeholder};
use crate::source::Transform;

/// Shortest value without quotes. What is shorter is a word like `no`, and no secret worth its name.
const SHORTEST_BARE_VALUE: usize = 4;

/// The spellings of each name: its words joined by nothing, by `_` and by `-`.
const JOINTS: [&str; 3] = ["", "_", "-"];

static FINDER: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let spellings = TELLING_NAMES.iter().flat_map(|telling| JOINTS.map(|joint| telling.joined(joint)));
    #[expect(
        clippy::expect_used,
        reason = "the patterns are few and fixed at build time, and every test builds them"
    )]
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        .kind(Some(AhoCorasickKind::DFA))
        .ascii_case_insensitive(true)
        .build(spellings)
        .expect("the automaton of few short patterns is small")
});

/// Adds the secrets that are assigned to a telling name. A name may have more before it (`MY_AWS_SECRET_ACCESS_KEY`).
pub(super) fn cuts(bytes: &[u8], out: &mut Vec<Cut>) {
    let taken = Taken::by(out);
    let mut from = 0;
    while let Some(found) = FINDER.find(Input::new(bytes).span(from..bytes.len())) {
        from = found.end();
        let Some(telling) = TELLING_NAMES.get(found.pattern().as_usize() / JOINTS.len()) else { continue };
        if !taken.holds(found.start())
            && let Some(value) = value_behind(bytes, found.range(), telling)
        {
            from = from.max(value.cuts(bytes, telling.ruling, out));
        }
    }
}

/// A value, by what stands in front of it.
enum Value {
    /// Of a member in double quotes, as in JSON.
    Json(Found),
    /// In single quotes, which stand before this offset.
    SingleQuoted(usize),
    /// Without quotes, from this offset on.
    Bare(usize),
}

/// The value that is assigned to the name at `name`, if one is.
fn value_behind(bytes: &[u8], name: Range<usize>, telling: &TellingName) -> Option<Value> {
    let backslashes = backslashes_at(bytes, name.end, MOST_BACKSLASHES);
    let quote = bytes.get(name.end + backslashes).copied().filter(|byte| matches!(byte, b'"' | b'\''));
    let sign = match quote {
        Some(_) => skip_spaces(bytes, name.end + backslashes + 1),
        None => skip_spaces(bytes, name.end),
    };
    let assigns = match bytes.get(sign)? {
        b'=' => quote.is_some() || telling.tells != Tells::AsMember,
        b':' => quote.is_some() || telling.tells == Tells::Everywhere,
        _ => false,
    };
    if !assigns {
        return None;
    }
    let start = skip_spaces(bytes, sign + 1);
    let backslashes = backslashes_at(bytes, start, MOST_BACKSLASHES);
    Some(match bytes.get(start + backslashes)? {
        b'"' => Value::Json(Found { start, backslashes }),
        b'\'' => Value::SingleQuoted(start + backslashes + 1),
        _ => Value::Bare(start),
    })
}

impl Value {
    /// Adds the value, and says where it ends.
    fn cuts(&self, bytes: &[u8], ruling: Ruling, out: &mut Vec<Cut>) -> usize {
        match *self {
            Self::Json(ref found) => found.cuts(bytes, ruling, out),
            Self::SingleQuoted(start) => {
                let rest = bytes.get(start..).unwrap_or_default();
                let length = memchr::memchr3(b'\'', b'\n', b'"', rest).unwrap_or(rest.len());
                // A key that was withheld may have spanned the line break that ended the value before.
                if placeholder::length_at_start(rest).is_none() {
                    out.extend(string_cut(bytes, start..start + length, ruling));
                }
                start + length
            }
            Self::Bare(start) => {
                let rest = bytes.get(start..).unwrap_or_default();
                let length = rest.iter().take_while(|byte| !ends_bare_value(**byte)).count();
                let value = &rest[..length];
                // `$PASSWORD` and `%PASSWORD%` name what a shell puts there.
                let names_secret = !matches!(value.first(), Some(b'$' | b'%' | b'<' | b'*'));
                if length >= SHORTEST_BARE_VALUE && names_secret && !is_word_of_json(value) {
                    let span = start..start + length;
                    out.push(Cut::new(span, ruling.rule, Transform::Nothing, &[]));
                }
                start + length
            }
        }
    }
}

fn is_word_of_json(value: &[u8]) -> bool {
    matches!(value, b"null" | b"true" | b"false" | b"None" | b"True" | b"False")
}

fn skip_spaces(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

fn ends_bare_value(byte: u8) -> bool {
    matches!(
        byte,
        0..=b' ' | b',' | b';' | b'&' | b'{' | b'}' | b'[' | b']' | b'(' | b')' | b'"' | b'\'' | b'\\'
    )
}
