//! Secrets in bytes that no parser could read: the bytes are kept, so they are searched all the same.
//!
//! Without a tape there are only words: a known field's name in quotes, a colon and a value; and the token formats.
//! Quotes may be escaped, where JSON was wrapped in a string, and so may characters of a name. Names in other
//! spellings, and what configuration files and shells write, are for the search of assignments.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Input};

use super::{
    Cut, Placeholder, Ruling, assignment, automaton, cuts_in_text, decoded_bytes, field, hashed_by_device,
    raw_spans,
};
use crate::json::HIDDEN;
use crate::source::{SecretField, Transform};

/// How much of a record the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wholeness {
    /// Whole JSON of no known source: only a name that alone says that its value is secret counts.
    Whole,
    /// A damaged record of nobody knows which source: every name that may hold a secret counts.
    Broken,
}

static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let fields = crate::SOURCES.iter().flat_map(|source| source.secrets);
    let mut names: Vec<_> = fields.filter_map(field::last_name).collect();
    names.sort_unstable();
    names.dedup();
    names
});

static FINDER: LazyLock<AhoCorasick> = LazyLock::new(|| automaton(NAMES.iter()));

/// Every secret of the bytes, as far as words show it.
pub(crate) fn cuts_in_bytes(bytes: &[u8], wholeness: Wholeness) -> Vec<Cut> {
    let mut cuts = Vec::new();
    cuts_by_name(bytes, wholeness, &mut cuts);
    let text = memchr::memchr(b'\\', bytes).map(|_| decoded_bytes(bytes));
    if let Some(text) = &text {
        cuts_by_escaped_name(bytes, text, wholeness, &mut cuts);
    }
    assignment::cuts(bytes, &mut cuts);
    cuts.extend(cuts_in_text(bytes));
    if let Some(text) = text {
        let decoded = cuts_in_text(&text);
        let texts: Vec<_> = decoded.iter().map(|cut| cut.span.clone()).collect();
        let spans = raw_spans(bytes, &texts);
        cuts.extend(decoded.into_iter().zip(spans).map(|(cut, span)| Cut { span, ..cut }));
    }
    cuts
}

/// Adds the values behind names as they are written.
fn cuts_by_name(bytes: &[u8], wholeness: Wholeness, cuts: &mut Vec<Cut>) {
    // Everything before this has been looked at; what is inside a secret value is not looked at again.
    let mut from = 0;
    while let Some(found) = FINDER.find(Input::new(bytes).span(from..bytes.len())) {
        from = found.start() + 1;
        for name in NAMES.iter().filter(|name| bytes[found.start()..].starts_with(name.as_bytes())) {
            if let Some(field) = rule_for(name, wholeness)
                && let Some(value) = value_behind(bytes, found.start()..found.start() + name.len())
            {
                from = from.max(value.cuts(bytes, Ruling::of(field), cuts));
            }
        }
    }
}

/// Adds the values behind names that hold an escape. `text` is what the bytes decode to.
fn cuts_by_escaped_name(bytes: &[u8], text: &[u8], wholeness: Wholeness, cuts: &mut Vec<Cut>) {
    let mut names = Vec::new();
    let mut spans = Vec::new();
    let mut from = 0;
    while let Some(found) = FINDER.find(Input::new(text).span(from..text.len())) {
        from = found.start() + 1;
        // In quotes only: the others were found as they are written, or are no names.
        let quoted = |name: &&&'static str| {
            let rest = &text[found.start()..];
            rest.starts_with(name.as_bytes()) && matches!(rest.get(name.len()), Some(b'"' | b'\\'))
        };
        for name in NAMES.iter().filter(quoted) {
            names.push(*name);
            spans.push(found.start()..found.start() + name.len());
        }
    }
    let taken = Taken::by(cuts);
    // A value is looked at once, however many names hostile bytes put in front of it.
    let mut behind = 0;
    for (name, span) in names.into_iter().zip(raw_spans(bytes, &spans)) {
        if span.len() > name.len()
            && span.start >= behind
            && !taken.holds(span.start)
            && !follows_placeholder(bytes, span.start)
            && let Some(field) = rule_for(name, wholeness)
            && let Some(value) = value_behind(bytes, span)
        {
            behind = value.cuts(bytes, Ruling::of(field), cuts);
        }
    }
}

fn rule_for(name: &str, wholeness: Wholeness) -> Option<&'static SecretField> {
    crate::SOURCES
        .iter()
        .flat_map(|source| source.secrets)
        .filter(|field| wholeness == Wholeness::Broken || field::tells_alone(field))
        .find(|field| field::last_name(field) == Some(name))
}

/// Whether the quote before a name is the one behind a placeholder, which stood for a value without quotes.
fn follows_placeholder(bytes: &[u8], name: usize) -> bool {
    let before = bytes[..name].strip_suffix(b"\"").unwrap_or_default();
    let backslashes = before.iter().rev().take(MOST_BACKSLASHES).take_while(|byte| **byte == b'\\').count();
    before[..before.len() - backslashes].ends_with(b"]")
}

/// What is cut out already. A name in there is no name when the captured bytes are read again, so it is none now.
pub(super) struct Taken {
    /// In order, and apart.
    spans: Vec<Range<usize>>,
}

impl Taken {
    pub(super) fn by(cuts: &[Cut]) -> Self {
        let mut sorted: Vec<_> = cuts.iter().map(|cut| cut.span.clone()).collect();
        sorted.sort_by_key(|span| span.start);
        let mut spans: Vec<Range<usize>> = Vec::with_capacity(sorted.len());
        for span in sorted {
            match spans.last_mut() {
                Some(last) if span.start < last.end => last.end = last.end.max(span.end),
                _ => spans.push(span),
            }
        }
        Self { spans }
    }

    pub(super) fn holds(&self, at: usize) -> bool {
        let behind = self.spans.partition_point(|span| span.start <= at);
        behind > 0 && at < self.spans[behind - 1].end
    }
}

/// A member's value by its looks.
pub(super) struct Found {
    /// Offset of its first byte.
    pub start: usize,
    /// Backslashes that stand before each quote at this depth of wrapping.
    pub backslashes: usize,
}

/// Most backslashes before a quote: of a document wrapped in strings six times.
pub(super) const MOST_BACKSLASHES: usize = 63;

/// The value behind the member name at `name`, if that is one: in quotes, with a colon behind them.
fn value_behind(bytes: &[u8], name: Range<usize>) -> Option<Found> {
    let backslashes = backslashes_at(bytes, name.end, MOST_BACKSLASHES);
    let quote = name.end + backslashes;
    let opens = bytes[..name.start].last() == Some(&b'"');
    if !opens || bytes.get(quote) != Some(&b'"') {
        return None;
    }
    let colon = skip_blanks(bytes, quote + 1);
    (bytes.get(colon) == Some(&b':')).then(|| Found { start: skip_blanks(bytes, colon + 1), backslashes })
}

impl Found {
    /// Adds the value's secrets, and says where the value ends.
    pub(super) fn cuts(&self, bytes: &[u8], ruling: Ruling, out: &mut Vec<Cut>) -> usize {
        match bytes.get(self.start + self.backslashes_at(bytes, self.start)) {
            Some(b'"') => {
                let string = self.string(bytes, self.start);
                out.extend(string_cut(bytes, string.clone(), ruling));
                string.end
            }
            Some(b'{' | b'[') => self.container(bytes, ruling, out),
            _ => self.bare(bytes, ruling, out),
        }
    }

    /// A number, or a word that is no JSON.
    fn bare(&self, bytes: &[u8], ruling: Ruling, out: &mut Vec<Cut>) -> usize {
        let rest = bytes.get(self.start..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| !ends_bare_value(**byte)).count();
        let span = self.start..self.start + length;
        if length > 0 && !matches!(&rest[..length], b"null" | b"true" | b"false") {
            let quote = if self.backslashes == 0 { "\"" } else { "\\\"" };
            out.push(Cut { quote, ..Cut::new(span.clone(), ruling.rule, Transform::Nothing, &[]) });
        }
        span.end
    }

    /// Adds every string in the object or array that begins here which is not a member's name.
    fn container(&self, bytes: &[u8], ruling: Ruling, out: &mut Vec<Cut>) -> usize {
        let mut depth = 0_usize;
        let mut at = self.start;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b'"' | b'\\' if bytes.get(at + self.backslashes_at(bytes, at)) == Some(&b'"') => {
                    let string = self.string(bytes, at);
                    at = string.end + self.backslashes + 1;
                    if bytes.get(skip_blanks(bytes, at)) != Some(&b':') {
                        out.extend(string_cut(bytes, string, ruling));
                    }
                    continue;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
            at += 1;
        }
        at.min(bytes.len())
    }

    /// The content of the string whose quote (with its backslashes) begins at `at`.
    fn string(&self, bytes: &[u8], at: usize) -> Range<usize> {
        let start = at + self.backslashes_at(bytes, at) + 1;
        let mut from = start;
        while let Some(quote) = memchr::memchr(b'"', bytes.get(from..).unwrap_or_default()) {
            let quote = from + quote;
            let before = bytes[start..quote].iter().rev().take_while(|byte| **byte == b'\\').count();
            // A literal backslash takes `2 (n + 1)` of them where a quote takes n, so this many leave a bare quote.
            if before < self.backslashes
                || (before - self.backslashes).is_multiple_of(2 * (self.backslashes + 1))
            {
                return start..quote - before.min(self.backslashes);
            }
            from = quote + 1;
        }
        start.min(bytes.len())..bytes.len()
    }

    fn backslashes_at(&self, bytes: &[u8], at: usize) -> usize {
        backslashes_at(bytes, at, self.backslashes)
    }
}

pub(super) fn string_cut(bytes: &[u8], string: Range<usize>, ruling: Ruling) -> Option<Cut> {
    let content = &bytes[string.clone()];
    let known = std::str::from_utf8(content)
        .is_ok_and(|text| text.is_empty() || text == HIDDEN || Placeholder::read(text).is_some());
    (!known && !hashed_by_device(content))
        .then(|| Cut::new(string, ruling.rule, ruling.transform, &decoded_bytes(content)))
}

/// Backslashes from `at` on, at most `most`.
pub(super) fn backslashes_at(bytes: &[u8], at: usize, most: usize) -> usize {
    bytes.get(at..).unwrap_or_default().iter().take(most).take_while(|byte| **byte == b'\\').count()
}

fn skip_blanks(bytes: &[u8], at: usize) -> usize {
    let blanks = bytes.get(at..).unwrap_or_default();
    at + blanks.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

fn ends_bare_value(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | b',' | b'{' | b'}' | b'[' | b']' | b'"' | b'\\')
}
