//! Secrets: where they stand in a record, and the record without them.
//!
//! Two classes of rule. The sources' known fields are secret whatever they hold; known token formats are secret
//! wherever they stand, in any string, also inside JSON that is wrapped in a string. What is found is cut out of the
//! bytes and a placeholder put in its place; no other byte changes. Sensitive values (addresses, names, tags) are
//! not secrets and stay.
//!
//! Nothing here decides whether a record is stored.

mod assignment;
mod field;
mod lexical;
mod placeholder;
mod spelling;
mod token;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};
use ascribe_model::{Form, Key, KeyKind, Role, Trust};

pub(crate) use lexical::{Wholeness, cuts_in_bytes};
pub(crate) use placeholder::placeholder_spans;
pub use placeholder::{Placeholder, placeholders};
use token::{FORMATS, Found, Search};

use crate::identifiers::Sha256Digest;
use crate::json::{Decoded, Units, Value};
use crate::source::{KeyDeclaration, SecretField, Source, Transform};

/// A value that was withheld.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The rule that found it, such as `aws.session_token`.
    pub rule: &'static str,
    /// Where it stood in the received bytes.
    pub span: Range<usize>,
}

/// A secret that is to be cut out.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    span: Range<usize>,
    rule: &'static str,
    /// Transform and value that stay.
    kept: Option<(&'static str, String)>,
    /// What to put on both sides of the placeholder: quotes, where the value was no string.
    quote: &'static str,
    /// Among cuts of one span, the lowest wins.
    priority: usize,
}

/// What becomes of a value that was found.
#[derive(Clone, Copy)]
pub(crate) struct Ruling {
    rule: &'static str,
    transform: Transform,
    /// Whether a string there is a secret.
    holds_secret: fn(&str) -> bool,
}

/// A document whose secrets are looked for.
#[derive(Clone, Copy)]
pub(crate) struct Document<'t> {
    /// Which known fields count.
    pub fields: Fields,
    /// The bytes, all of one JSON value.
    pub bytes: &'t [u8],
    /// The value.
    pub root: Value<'t>,
    /// Whether some member name holds an escape.
    pub escaped_names: bool,
}

/// Which known fields count.
#[derive(Clone, Copy)]
pub(crate) enum Fields {
    /// Those of one source, at their paths.
    Of(&'static Source),
    /// Those of every source, below any object: nobody knows what the document is, or what it wraps.
    OfAnySource,
}

/// A string of a document whose text is a document of its own.
pub(crate) struct Wrapped<'t> {
    /// The string.
    pub holder: Value<'t>,
    /// Its text.
    pub text: &'t str,
    /// Where the document begins in the text.
    pub start: usize,
    /// The value that the text is from there on, and whether a member name in it holds an escape; `None` if it is not
    /// JSON.
    pub document: Option<(Value<'t>, bool)>,
}

/// Priority of field rules; formats follow in the order of their table.
const FIELD_PRIORITY: usize = 0;

/// Finds the places at which some format may begin: its anchors, in two automata of at most 64, the most that the packed
/// search of `aho-corasick` takes. Nearly every text has few of them, and two packed searches pass over the rest several
/// times as fast as one automaton of all.
static HALVES: LazyLock<[AhoCorasick; 2]> = LazyLock::new(|| {
    let anchors: Vec<_> = FORMATS.iter().flat_map(|format| format.anchors).collect();
    let (first, second) = anchors.split_at(anchors.len() / 2);
    [first, second].map(|half| automaton(half.iter().copied()))
});

/// Name in placeholders of [`Transform::Sha256Base64`].
const SHA256_BASE64: &str = "sha256_b64";

/// The key kinds that any event may list, because a rule keeps a hash of what it withholds.
pub fn withheld_keys() -> Vec<KeyDeclaration> {
    let meaning = "Base64 of the SHA-256 of a token that stood somewhere in the record and was withheld.";
    let kinds: BTreeSet<_> = hashing_rules().map(|(_, kind)| kind).collect();
    kinds.into_iter().map(|kind| KeyDeclaration { kind, meaning }).collect()
}

/// The rules that keep a hash, each with the kind of key that the hash is.
fn hashing_rules() -> impl Iterator<Item = (&'static str, &'static str)> {
    let fields = crate::SOURCES.iter().flat_map(|source| source.secrets);
    let fields = fields.map(|field| (field.rule, field.transform));
    let formats = FORMATS.iter().map(|format| (format.rule, format.transform));
    fields.chain(formats).filter_map(|(rule, transform)| match transform {
        Transform::Sha256Base64 { key } => Some((rule, key)),
        Transform::Nothing | Transform::JwtId => None,
    })
}

/// The tokens of which the captured bytes of an event keep a hash, as keys. Whoever wrote such a text, or a placeholder
/// itself, chose it: so it says what was shown, and proves nothing.
pub(crate) fn shown_tokens(captured: &[u8]) -> BTreeSet<Key> {
    let kept = placeholders(captured).into_iter().filter_map(|(_, placeholder)| {
        let (SHA256_BASE64, hash) = placeholder.kept? else { return None };
        let (_, kind) = hashing_rules().find(|(rule, _)| *rule == placeholder.rule)?;
        Some(Key {
            role: Role::Presented,
            kind: KeyKind::new(kind),
            scope: String::new(),
            value: Sha256Digest::read_base64(hash)?.to_base64(),
            form: Form::Sha256Base64,
            trust: Trust::SelfAsserted,
            at: None,
        })
    });
    kept.collect()
}

/// The name of every rule, sorted.
pub fn secret_rules() -> Vec<&'static str> {
    let fields = crate::SOURCES.iter().flat_map(|source| source.secrets).map(|field| field.rule);
    let names = spelling::TELLING_NAMES.iter().map(|telling| telling.ruling.rule);
    let mut rules: Vec<_> = fields.chain(names).chain(FORMATS.iter().map(|format| format.rule)).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

impl Document<'_> {
    /// Every secret of the document. `events` are the values at which the paths of known fields begin; `wrapped` are
    /// the strings in which a document of the same source is wrapped.
    pub(crate) fn cuts(self, events: &[Value<'_>], wrapped: &[Wrapped<'_>]) -> Vec<Cut> {
        let mut cuts = Vec::new();
        cuts_by_format(self.bytes, &mut cuts);
        let escaped: Vec<_> = self.root.subtree().filter(|value| value.is_escaped()).collect();
        // What stands in a string with escapes was matched in raw bytes; only the decoded text is right.
        cuts.retain(|cut| {
            let behind = escaped.partition_point(|value| value.span().start <= cut.span.start);
            behind == 0 || escaped[behind - 1].span().end <= cut.span.start
        });
        let holders: BTreeSet<_> = wrapped.iter().map(|wrapped| wrapped.holder.span().start).collect();
        for value in escaped.into_iter().filter(|value| !holders.contains(&value.span().start)) {
            place(self.cuts_in_string(&decoded_bytes(value.content())), value, &mut cuts);
        }
        for wrapped in wrapped {
            place(self.cuts_in_wrapped(wrapped), wrapped.holder, &mut cuts);
        }
        field::cuts(self, events, &mut cuts);
        cuts
    }

    fn cuts_in_string(self, text: &[u8]) -> Vec<Cut> {
        match self.fields {
            Fields::Of(_) => cuts_in_text(text),
            Fields::OfAnySource => cuts_in_bytes(text, Wholeness::Whole),
        }
    }

    fn cuts_in_wrapped(self, wrapped: &Wrapped<'_>) -> Vec<Cut> {
        let text = wrapped.text.as_bytes();
        let Some((root, escaped_names)) = wrapped.document else {
            return cuts_in_bytes(text, Wholeness::Broken);
        };
        let (header, bytes) = text.split_at(wrapped.start.min(text.len()));
        let mut cuts = cuts_in_bytes(header, Wholeness::Whole);
        let inner = Document { bytes, root, escaped_names, ..self }.cuts(&[root], &[]);
        cuts.extend(inner.into_iter().map(|cut| {
            let span = cut.span.start + header.len()..cut.span.end + header.len();
            Cut { span, ..cut }
        }));
        cuts
    }
}

/// Whether a text holds a token of a known format.
pub(crate) fn shows_secret(text: &str) -> bool {
    !cuts_in_text(text.as_bytes()).is_empty()
}

/// Whether a device of some source hashed the text already: it is what other records carry of the secret.
fn hashed_by_device(text: &[u8]) -> bool {
    crate::SOURCES
        .iter()
        .filter_map(|source| source.identity.devices.as_ref())
        .any(|devices| devices.hashed(text))
}

/// The secrets that a text shows by their format.
fn cuts_in_text(text: &[u8]) -> Vec<Cut> {
    let mut cuts = Vec::new();
    cuts_by_format(text, &mut cuts);
    cuts
}

/// Adds the secrets that a text shows by their format.
fn cuts_by_format(text: &[u8], cuts: &mut Vec<Cut>) {
    let anchor_from = |half: &AhoCorasick, from: usize| {
        let found = half.find(Input::new(text).span(from..text.len()));
        found.map_or(usize::MAX, |anchor| anchor.start())
    };
    let mut next = HALVES.each_ref().map(|half| anchor_from(half, 0));
    if next == [usize::MAX; 2] {
        return;
    }
    let mut found = Vec::new();
    let mut search = Search::new(text);
    loop {
        let start = next[0].min(next[1]);
        if start == usize::MAX {
            break;
        }
        search.look_at(start, &mut found);
        for (next, half) in next.iter_mut().zip(HALVES.iter()) {
            if *next == start {
                // Another anchor may begin inside this one (`sk-----BEGIN `).
                *next = anchor_from(half, start + 1);
            }
        }
    }
    cuts.extend(found.into_iter().filter_map(|Found { format: index, span }| {
        let format = FORMATS.get(index)?;
        let cut = Cut::new(span.clone(), format.rule, format.transform, &text[span]);
        Some(Cut { priority: FIELD_PRIORITY + 1 + index, ..cut })
    }));
}

/// An automaton that finds the first of `patterns` in a text.
fn automaton<'a>(patterns: impl Iterator<Item = &'a &'static str>) -> AhoCorasick {
    #[expect(
        clippy::expect_used,
        reason = "the patterns are few and fixed at build time, and every test builds them"
    )]
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .kind(Some(AhoCorasickKind::DFA))
        .build(patterns)
        .expect("the automaton of few short patterns is small")
}

/// Moves cuts in the decoded text of the string `holder` to where they stand in the document that holds it.
fn place(cuts: Vec<Cut>, holder: Value<'_>, out: &mut Vec<Cut>) {
    if cuts.is_empty() {
        return;
    }
    let content = holder.span().start + 1;
    let decoded: Vec<_> = cuts.iter().map(|cut| cut.span.clone()).collect();
    let spans = raw_spans(holder.content(), &decoded);
    out.extend(cuts.into_iter().zip(spans).map(|(cut, span)| {
        let span = content + span.start..content + span.end;
        let quote = match cut.quote {
            "" => "",
            "\"" => "\\\"",
            _ => "\\\\\\\"",
        };
        Cut { span, quote, ..cut }
    }));
}

/// The bytes of a string's content that decode to each of `texts`, spans of the decoded text.
pub(crate) fn raw_spans(content: &[u8], texts: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut spans = vec![0..0; texts.len()];
    let mut starts: Vec<_> = (0..texts.len()).collect();
    let mut ends = starts.clone();
    // From the back, so that the next one is always the last.
    starts.sort_by_key(|text| std::cmp::Reverse(texts[*text].start));
    ends.sort_by_key(|text| std::cmp::Reverse(texts[*text].end));
    let mut decoded = 0;
    for unit in Units::new(content) {
        decoded += unit.decoded.length();
        while let Some(text) = starts.pop_if(|text| texts[*text].start < decoded) {
            spans[text].start = unit.raw.start;
        }
        while let Some(text) = ends.pop_if(|text| texts[*text].end <= decoded) {
            spans[text].end = unit.raw.end;
        }
    }
    spans
}

/// The decoded content, also where it is not UTF-8 (in bytes that are no JSON).
fn decoded_bytes(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len());
    for unit in Units::new(content) {
        match unit.decoded {
            Decoded::Byte(byte) => bytes.push(byte),
            Decoded::Char(character) => {
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    bytes
}

/// The bytes with each cut replaced by its placeholder, and what was withheld.
pub(crate) fn splice(received: &[u8], cuts: Vec<Cut>) -> (Cow<'_, [u8]>, Vec<Withheld>) {
    if cuts.is_empty() {
        return (Cow::Borrowed(received), Vec::new());
    }
    let cuts = merged(cuts);
    let mut captured = Vec::with_capacity(received.len());
    let mut behind = 0;
    for cut in &cuts {
        captured.extend_from_slice(&received[behind..cut.span.start]);
        captured.extend_from_slice(cut.quote.as_bytes());
        placeholder::write(cut.rule, cut.kept.as_ref(), &mut captured);
        captured.extend_from_slice(cut.quote.as_bytes());
        behind = cut.span.end;
    }
    captured.extend_from_slice(&received[behind..]);
    let withheld = cuts.into_iter().map(|cut| Withheld { rule: cut.rule, span: cut.span }).collect();
    (Cow::Owned(captured), withheld)
}

/// The cuts in order, those that overlap as one: nothing that any rule found may stay.
fn merged(mut cuts: Vec<Cut>) -> Vec<Cut> {
    // The longest of those that begin together comes first, so that it is the one the others are merged into.
    cuts.sort_by_key(|cut| (cut.span.start, std::cmp::Reverse(cut.span.end), cut.priority));
    let mut merged: Vec<Cut> = Vec::with_capacity(cuts.len());
    for cut in cuts {
        match merged.last_mut() {
            Some(last) if cut.span.start < last.span.end => {
                if cut.span.end > last.span.end {
                    // Neither covers the other, so what either kept of its value no longer names all of it.
                    last.span.end = cut.span.end;
                    last.kept = None;
                }
            }
            _ => merged.push(cut),
        }
    }
    merged
}

impl Ruling {
    fn of(field: &SecretField) -> Self {
        Self { rule: field.rule, transform: field.transform, holds_secret: |_| true }
    }
}

impl Cut {
    /// A secret that is (part of) a string with the decoded text `secret`.
    fn new(span: Range<usize>, rule: &'static str, transform: Transform, secret: &[u8]) -> Self {
        let kept = match transform {
            Transform::Nothing => None,
            Transform::JwtId => token::jwt_id(secret).map(|id| ("jti", id)),
            Transform::Sha256Base64 { .. } => Some((SHA256_BASE64, Sha256Digest::of(secret).to_base64())),
        };
        Self { span, rule, kept, quote: "", priority: FIELD_PRIORITY }
    }
}
