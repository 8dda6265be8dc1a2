//! JSON (RFC 8259) to a flat tape with the exact bytes of every value.
//!
//! Secrets are cut out of records by byte splices and numbers are never rounded, so each value must know its span in
//! the input and be read from those bytes. Strict: no comments, no trailing commas, no unpaired surrogates (§8.2),
//! valid UTF-8 (§8.1), at most [`MAX_DEPTH`] levels and [`MAX_VALUES`] values. Duplicate names are kept as they are; `read` refuses them.
//!
//! It does not know what a record is, and it never recurses.

mod parse;
mod text;

use std::borrow::Cow;
use std::ops::Range;

pub use parse::{AtEnd, Fault, FaultKind, MAX_DEPTH, MAX_VALUES, Prefix, Tape};
pub(crate) use parse::{Scope, Stop};
pub(crate) use text::{Decoded, Units, decode, encode_minimal};

/// AWS writes this in place of values that it hides; it stands for no value.
pub(crate) const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// What kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number, kept as written.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// One value of a parsed document.
#[derive(Clone, Copy)]
pub struct Value<'t> {
    nodes: &'t [Node],
    bytes: &'t [u8],
    index: usize,
}

/// A value on the tape. Offsets are 32 bits wide: the parser refuses longer inputs.
#[derive(Clone, Copy, Debug)]
struct Node {
    start: u32,
    end: u32,
    /// Index of the first node after this value.
    next: u32,
    kind: Kind,
    /// A string that holds at least one escape.
    escaped: bool,
}

impl Node {
    /// For a string: its length without the quotes.
    fn content_length(self) -> usize {
        (self.end - self.start) as usize - 2
    }
}

impl Tape {
    /// Parses `bytes`, and says whether they are one JSON value and nothing else.
    pub(crate) fn parses(&mut self, bytes: &[u8]) -> bool {
        self.parse_prefix(bytes, AtEnd::Yes) == Prefix::Complete { length: bytes.len() }
    }

    /// The parsed value. `bytes` is the slice that was parsed. An empty tape gives `null`.
    pub fn root<'t>(&'t self, bytes: &'t [u8]) -> Value<'t> {
        Value { nodes: self.nodes(), bytes, index: 0 }
    }
}

impl<'t> Value<'t> {
    /// What kind of value it is.
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// The member called `name`, the first one where there are several; `None` on other kinds.
    pub fn get(self, name: &str) -> Option<Value<'t>> {
        self.member_nodes().find(|(key, _)| key.is_text(name)).map(|(_, value)| value)
    }

    /// The member of the member …; `None` as soon as one is missing.
    pub fn path(self, names: &[&str]) -> Option<Value<'t>> {
        names.iter().try_fold(self, |value, name| value.get(name))
    }

    /// The `n`-th element of an array, counted from zero.
    pub fn index(self, n: usize) -> Option<Value<'t>> {
        self.items().nth(n)
    }

    /// The decoded text of a string; `None` on other kinds.
    pub fn text(self) -> Option<Cow<'t, str>> {
        let node = self.node();
        if node.kind != Kind::String {
            return None;
        }
        let content = self.content();
        if node.escaped {
            return Some(Cow::Owned(decode(content)));
        }
        // The parser has checked the encoding, so this never fails.
        std::str::from_utf8(content).ok().map(Cow::Borrowed)
    }

    /// The decoded text of a string that says something: not empty and not AWS's mark for a hidden value.
    pub fn non_empty(self) -> Option<String> {
        match self.text() {
            Some(text) if !text.is_empty() && text != HIDDEN => Some(text.into_owned()),
            _ => None,
        }
    }

    /// Whether this is the string `expected`. Does not allocate.
    pub fn is_text(self, expected: &str) -> bool {
        let node = self.node();
        if node.kind != Kind::String {
            return false;
        }
        if node.escaped {
            return text::equals(self.content(), expected.as_bytes());
        }
        // Looking up a member does this with every other member: lengths tell most of them apart.
        node.content_length() == expected.len() && equal(self.content(), expected.as_bytes())
    }

    /// The value of a number that is written as an integer and fits.
    pub fn integer(self) -> Option<i64> {
        self.number_text()?.parse().ok()
    }

    /// A number as written.
    pub fn number_text(self) -> Option<&'t str> {
        if self.kind() != Kind::Number {
            return None;
        }
        std::str::from_utf8(self.raw()).ok()
    }

    /// A truth value, also where it is written as the string `"true"` or `"false"`.
    pub fn truth(self) -> Option<bool> {
        match self.raw() {
            b"true" | b"\"true\"" => Some(true),
            b"false" | b"\"false\"" => Some(false),
            _ => None,
        }
    }

    /// The elements of an array; none on other kinds.
    pub fn items(self) -> impl Iterator<Item = Value<'t>> {
        let node = self.node();
        let mut index = if node.kind == Kind::Array { self.index + 1 } else { usize::MAX };
        let end = node.next as usize;
        std::iter::from_fn(move || {
            (index < end).then(|| {
                let item = Value { index, ..self };
                index = item.node().next as usize;
                item
            })
        })
    }

    /// The members of an object with their decoded names, in the order written; none on other kinds.
    pub fn members(self) -> impl Iterator<Item = (Cow<'t, str>, Value<'t>)> {
        self.member_nodes().map(|(key, value)| (key.text().unwrap_or_default(), value))
    }

    /// The members of an object, each name as the value that it is.
    pub(crate) fn member_nodes(self) -> impl Iterator<Item = (Value<'t>, Value<'t>)> {
        let node = self.node();
        let mut index = if node.kind == Kind::Object { self.index + 1 } else { usize::MAX };
        let end = node.next as usize;
        std::iter::from_fn(move || {
            (index < end).then(|| {
                let key = Value { index, ..self };
                let value = Value { index: index + 1, ..self };
                index = value.node().next as usize;
                (key, value)
            })
        })
    }

    /// The bytes of the value in the input; for a string with its quotes.
    pub fn span(self) -> Range<usize> {
        let node = self.node();
        node.start as usize..node.end as usize
    }

    /// The value as written; for a string with its quotes.
    pub fn raw(self) -> &'t [u8] {
        self.bytes.get(self.span()).unwrap_or_default()
    }

    /// A string's bytes between the quotes, escapes and all; empty on other kinds.
    pub(crate) fn content(self) -> &'t [u8] {
        let node = self.node();
        match node.kind {
            Kind::String => {
                self.bytes.get(node.start as usize + 1..node.end as usize - 1).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// Length of a string's bytes between the quotes, and the first and last of them; `None` if there is none.
    pub(crate) fn content_looks(self) -> Option<(usize, u8, u8)> {
        let node = self.node();
        if node.kind != Kind::String || node.content_length() == 0 {
            return None;
        }
        let first = *self.bytes.get(node.start as usize + 1)?;
        let last = *self.bytes.get(node.end as usize - 2)?;
        Some((node.content_length(), first, last))
    }

    /// Where the value stands on the tape. A member's value stands behind its name.
    pub(crate) fn position(self) -> usize {
        self.index
    }

    /// Where the first value stands that is not inside this one.
    pub(crate) fn end_position(self) -> usize {
        self.node().next as usize
    }

    /// Another value of the same document.
    pub(crate) fn at(self, position: usize) -> Self {
        Value { index: position, ..self }
    }

    /// The first eight bytes of a string's content as a number that orders as they do; shorter ones end in zeros.
    pub(crate) fn content_beginning(self) -> u64 {
        let content = self.content();
        match content.first_chunk::<8>() {
            Some(chunk) => u64::from_be_bytes(*chunk),
            None => content.iter().rev().fold(0, |number, byte| number >> 8 | u64::from(*byte) << 56),
        }
    }

    /// Whether this is a string with at least one escape.
    pub(crate) fn is_escaped(self) -> bool {
        self.node().escaped
    }

    /// Every value of the subtree in the order written, itself first; member names come as strings.
    pub(crate) fn subtree(self) -> impl Iterator<Item = Value<'t>> {
        (self.index..self.node().next as usize).map(move |index| Value { index, ..self })
    }

    fn node(self) -> Node {
        const NOTHING: Node = Node { start: 0, end: 0, next: 0, kind: Kind::Null, escaped: false };
        self.nodes.get(self.index).copied().unwrap_or(NOTHING)
    }
}

/// Whether two texts of the same length are equal. Names are short, and a call to compare memory costs more than this.
fn equal(left: &[u8], right: &[u8]) -> bool {
    let word = |chunk: &[u8; 8]| u64::from_ne_bytes(*chunk);
    match (left.first_chunk(), left.last_chunk(), right.first_chunk(), right.last_chunk()) {
        // Up to sixteen bytes, the first and the last eight are all of them.
        (Some(left_first), Some(left_last), Some(right_first), Some(right_last)) => {
            word(left_first) == word(right_first)
                && word(left_last) == word(right_last)
                && (left.len() <= 16 || left == right)
        }
        _ => left.iter().eq(right),
    }
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", String::from_utf8_lossy(self.raw()))
    }
}
