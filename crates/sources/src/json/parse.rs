//! The parser: one pass, one explicit stack, and able to go on where the bytes ran out.
//!
//! It reads the one value at the start of the input (RFC 8259 §2 to §7) and stops behind it, so that a stream of
//! values can be read one after the other. When the value is not complete it keeps its place; [`Tape::resume`] then
//! reads only what is new. What it reports depends on the bytes alone, never on how they were cut into pieces.

use super::text::hexadecimal;
use super::{Kind, Node, Value};

/// Deepest nesting that is read: four times what any known source writes, and far from what a consumer's stack holds.
pub const MAX_DEPTH: usize = 512;

/// Most values (member names included) that are read: a tape of 32 MiB. A real record of 16 MiB has fewer.
pub const MAX_VALUES: usize = 1 << 21;

/// Whether more bytes will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// The input ends with the bytes given.
    Yes,
    /// More may follow.
    No,
}

/// What stands at the start of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// A whole value.
    Complete {
        /// Its length in bytes.
        length: usize,
    },
    /// The beginning of a value. When no more bytes come, it is truncated.
    Incomplete,
    /// Not JSON.
    Invalid(Fault),
}

/// Why bytes are not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Offset of the first byte that cannot stand where it stands.
    pub offset: usize,
    /// What could have stood there.
    pub expected: &'static str,
    /// What sort of fault.
    pub kind: FaultKind,
}

/// What sort of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The grammar does not allow it.
    Syntax,
    /// A string is not UTF-8.
    Utf8,
    /// Deeper than [`MAX_DEPTH`].
    TooDeep,
    /// Longer than offsets of 32 bits can express, or more than [`MAX_VALUES`].
    TooLong,
}

/// The nodes of one document, in a buffer that the next document uses again.
#[derive(Debug, Default)]
pub struct Tape {
    nodes: Vec<Node>,
    /// Indices of the containers that are open, outermost first.
    open: Vec<u32>,
    expect: Expect,
    position: usize,
    string: StringScan,
}

/// What part of an input is a document.
#[derive(Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// The whole value.
    Value,
    /// The whole value, unless it is an object with an array under one of these names: then all up to that array's
    /// opening bracket.
    UpToList(&'a [&'static str]),
}

/// Why the parser stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// As [`Tape::parse_prefix`] reports it.
    Prefix(Prefix),
    /// Behind the opening bracket of a list, at this offset.
    List {
        /// Length of the input up to and with the bracket.
        length: usize,
    },
}

/// What the grammar allows next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expect {
    #[default]
    Root,
    Element,
    FirstElementOrEnd,
    Name,
    FirstNameOrEnd,
    Colon,
    MemberValue,
    CommaOrEnd,
    /// Inside a string; a member's name or a value.
    NameString,
    ValueString,
    Done,
}

/// How far the scan of an unfinished string has come.
#[derive(Clone, Copy, Debug, Default)]
struct StringScan {
    /// Offset of the opening quote.
    start: usize,
    escaped: bool,
    /// Some byte is not ASCII, so the encoding needs a check at the closing quote.
    beyond_ascii: bool,
}

/// One step's result: `Err` ends the loop.
type Step = Result<(), Stop>;

const INCOMPLETE: Stop = Stop::Prefix(Prefix::Incomplete);

impl Tape {
    /// An empty tape.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses the one JSON value at the start of `bytes`; whitespace before it is not allowed.
    pub fn parse_prefix(&mut self, bytes: &[u8], at_end: AtEnd) -> Prefix {
        self.clear();
        match self.resume(bytes, at_end, Scope::Value) {
            Stop::Prefix(prefix) => prefix,
            Stop::List { length } => Prefix::Complete { length }, // Never: only `Scope::UpToList` stops there.
        }
    }

    /// Forgets the document.
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.open.clear();
        self.expect = Expect::Root;
        self.position = 0;
    }

    /// Goes on after `Incomplete`. `bytes` is the same input with more bytes at its end.
    pub(crate) fn resume(&mut self, bytes: &[u8], at_end: AtEnd, scope: Scope<'_>) -> Stop {
        if u32::try_from(bytes.len()).is_err() {
            return fault(bytes.len(), "at most 4 GiB", FaultKind::TooLong);
        }
        loop {
            if let Err(stop) = self.step(bytes, at_end, scope) {
                return stop;
            }
        }
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn step(&mut self, bytes: &[u8], at_end: AtEnd, scope: Scope<'_>) -> Step {
        match self.expect {
            Expect::Done => return Err(Stop::Prefix(Prefix::Complete { length: self.position })),
            Expect::NameString | Expect::ValueString => return self.string(bytes),
            Expect::Root => {}
            _ => self.skip_whitespace(bytes),
        }
        let Some(&byte) = bytes.get(self.position) else { return Err(INCOMPLETE) };
        match (self.expect, byte) {
            (Expect::Element | Expect::FirstElementOrEnd | Expect::Root | Expect::MemberValue, b'"') => {
                self.begin_string(Expect::ValueString);
                self.string(bytes)
            }
            (Expect::Name | Expect::FirstNameOrEnd, b'"') => {
                self.begin_string(Expect::NameString);
                self.string(bytes)
            }
            (Expect::Colon, b':') => {
                self.position += 1;
                self.expect = Expect::MemberValue;
                Ok(())
            }
            (Expect::CommaOrEnd, b',') => {
                self.position += 1;
                self.expect = if self.innermost() == Kind::Object { Expect::Name } else { Expect::Element };
                Ok(())
            }
            (Expect::FirstElementOrEnd, b']') | (Expect::FirstNameOrEnd, b'}') => {
                self.close();
                Ok(())
            }
            (Expect::CommaOrEnd, b']' | b'}') if self.innermost() == container_closed_by(byte) => {
                self.close();
                Ok(())
            }
            (Expect::Element | Expect::FirstElementOrEnd | Expect::Root | Expect::MemberValue, _) => {
                self.value(bytes, at_end, scope)
            }
            _ => Err(self.fault(self.expected())),
        }
    }

    /// A value that is not a string.
    fn value(&mut self, bytes: &[u8], at_end: AtEnd, scope: Scope<'_>) -> Step {
        match bytes[self.position] {
            b'{' => self.open(Kind::Object, Expect::FirstNameOrEnd),
            b'[' => {
                if let Scope::UpToList(names) = scope
                    && self.is_list(bytes, names)
                {
                    return Err(Stop::List { length: self.position + 1 });
                }
                self.open(Kind::Array, Expect::FirstElementOrEnd)
            }
            b't' => self.literal(bytes, b"true", Kind::Bool),
            b'f' => self.literal(bytes, b"false", Kind::Bool),
            b'n' => self.literal(bytes, b"null", Kind::Null),
            b'-' | b'0'..=b'9' => self.number(bytes, at_end),
            _ => Err(self.fault(self.expected())),
        }
    }

    /// Whether the value that begins here is a member of the root object under one of `names`.
    fn is_list(&self, bytes: &[u8], names: &[&'static str]) -> bool {
        self.expect == Expect::MemberValue
            && self.open.len() == 1
            && self.nodes.len().checked_sub(1).is_some_and(|index| {
                let name = Value { nodes: &self.nodes, bytes, index };
                names.iter().any(|list| name.is_text(list))
            })
    }

    fn open(&mut self, kind: Kind, expect: Expect) -> Step {
        if self.open.len() == MAX_DEPTH {
            return Err(fault(self.position, "at most 512 levels", FaultKind::TooDeep));
        }
        self.push(kind, self.position, self.position, false)?;
        self.open.push(self.nodes.len() as u32 - 1);
        self.position += 1;
        self.expect = expect;
        Ok(())
    }

    fn close(&mut self) {
        self.position += 1;
        let next = self.nodes.len() as u32;
        if let Some(node) = self.open.pop().and_then(|index| self.nodes.get_mut(index as usize)) {
            node.end = self.position as u32;
            node.next = next;
        }
        self.after_value();
    }

    fn after_value(&mut self) {
        self.expect = if self.open.is_empty() { Expect::Done } else { Expect::CommaOrEnd };
    }

    fn literal(&mut self, bytes: &[u8], word: &'static [u8], kind: Kind) -> Step {
        let rest = &bytes[self.position..];
        if let Some(wrong) = word.iter().zip(rest).position(|(expected, found)| expected != found) {
            return Err(fault(self.position + wrong, "`true`, `false` or `null`", FaultKind::Syntax));
        }
        if rest.len() < word.len() {
            return Err(INCOMPLETE);
        }
        self.push(kind, self.position, self.position + word.len(), false)?;
        self.position += word.len();
        self.after_value();
        Ok(())
    }

    fn number(&mut self, bytes: &[u8], at_end: AtEnd) -> Step {
        match number_length(&bytes[self.position..]) {
            // A number at the end of the bytes may go on in the next ones.
            Ok(length) if self.position + length == bytes.len() && at_end == AtEnd::No => Err(INCOMPLETE),
            Ok(length) => {
                self.push(Kind::Number, self.position, self.position + length, false)?;
                self.position += length;
                self.after_value();
                Ok(())
            }
            Err(at) if self.position + at >= bytes.len() => Err(INCOMPLETE),
            Err(at) => Err(fault(self.position + at, "a digit", FaultKind::Syntax)),
        }
    }

    fn begin_string(&mut self, expect: Expect) {
        self.string = StringScan { start: self.position, escaped: false, beyond_ascii: false };
        self.position += 1;
        self.expect = expect;
    }

    /// Scans on in a string; `position` always stands before a whole character or escape.
    fn string(&mut self, bytes: &[u8]) -> Step {
        loop {
            self.skip_plain(bytes);
            match bytes.get(self.position) {
                None => return Err(INCOMPLETE),
                Some(b'"') => return self.end_string(bytes),
                Some(b'\\') => {
                    self.string.escaped = true;
                    self.position += escape_length(bytes, self.position)?;
                }
                Some(0..0x20) => return Err(self.fault("an escape in place of a control character")),
                Some(_) => self.position += 1,
            }
        }
    }

    /// Skips bytes that need no look, eight at a time.
    fn skip_plain(&mut self, bytes: &[u8]) {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGH: u64 = 0x8080_8080_8080_8080;
        while let Some(chunk) = bytes.get(self.position..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_le_bytes(*chunk);
            let quote = word ^ (ONES * u64::from(b'"'));
            let backslash = word ^ (ONES * u64::from(b'\\'));
            // A byte's high bit is set where the byte is zero after the subtraction borrowed; only bits above the
            // first true one can be wrong, and only the first one is used.
            let stops = ((quote.wrapping_sub(ONES) & !quote)
                | (backslash.wrapping_sub(ONES) & !backslash)
                | (word.wrapping_sub(ONES * 0x20) & !word))
                & HIGH;
            let plain = stops.trailing_zeros() / 8;
            let seen = if plain == 8 { u64::MAX } else { (1 << (plain * 8)) - 1 };
            self.string.beyond_ascii |= word & HIGH & seen != 0;
            self.position += plain as usize;
            if plain < 8 {
                return;
            }
        }
        while let Some(&byte) = bytes.get(self.position)
            && byte != b'"'
            && byte != b'\\'
            && byte >= 0x20
        {
            self.string.beyond_ascii |= byte >= 0x80;
            self.position += 1;
        }
    }

    fn end_string(&mut self, bytes: &[u8]) -> Step {
        let StringScan { start, escaped, beyond_ascii } = self.string;
        if beyond_ascii && let Err(error) = std::str::from_utf8(&bytes[start..self.position]) {
            return Err(fault(start + error.valid_up_to(), "UTF-8", FaultKind::Utf8));
        }
        self.position += 1;
        self.push(Kind::String, start, self.position, escaped)?;
        if self.expect == Expect::NameString {
            self.expect = Expect::Colon;
            return Ok(());
        }
        self.after_value();
        Ok(())
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize, escaped: bool) -> Step {
        if self.nodes.len() == MAX_VALUES {
            return Err(fault(start, "at most 2097152 values", FaultKind::TooLong));
        }
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node { start: start as u32, end: end as u32, next, kind, escaped });
        Ok(())
    }

    fn innermost(&self) -> Kind {
        self.open
            .last()
            .and_then(|index| self.nodes.get(*index as usize))
            .map_or(Kind::Null, |node| node.kind)
    }

    fn skip_whitespace(&mut self, bytes: &[u8]) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.position) {
            self.position += 1;
        }
    }

    fn fault(&self, expected: &'static str) -> Stop {
        fault(self.position, expected, FaultKind::Syntax)
    }

    fn expected(&self) -> &'static str {
        match self.expect {
            Expect::Root | Expect::Element | Expect::MemberValue => "a value",
            Expect::FirstElementOrEnd => "a value or `]`",
            Expect::Name => "a member name",
            Expect::FirstNameOrEnd => "a member name or `}`",
            Expect::Colon => "`:`",
            Expect::CommaOrEnd if self.innermost() == Kind::Array => "`,` or `]`",
            Expect::CommaOrEnd => "`,` or `}`",
            Expect::NameString | Expect::ValueString => "a string",
            Expect::Done => "the end",
        }
    }
}

fn container_closed_by(bracket: u8) -> Kind {
    if bracket == b']' { Kind::Array } else { Kind::Object }
}

fn fault(offset: usize, expected: &'static str, kind: FaultKind) -> Stop {
    Stop::Prefix(Prefix::Invalid(Fault { offset, expected, kind }))
}

/// Length of the number at the start of `bytes`, or the offset at which a digit is missing (RFC 8259 §6).
fn number_length(bytes: &[u8]) -> Result<usize, usize> {
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    at += match bytes.get(at) {
        Some(b'0') => 1,
        Some(b'1'..=b'9') => digits(at),
        _ => return Err(at),
    };
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return Err(at + 1);
        }
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return Err(at + 1 + sign);
        }
        at += 1 + sign + exponent;
    }
    Ok(at)
}

/// Length of the escape at `position`; both halves of a surrogate pair count as one.
fn escape_length(bytes: &[u8], position: usize) -> Result<usize, Stop> {
    match bytes.get(position + 1) {
        None => return Err(INCOMPLETE),
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => return Ok(2),
        Some(b'u') => {}
        Some(_) => return Err(fault(position + 1, "an escape letter", FaultKind::Syntax)),
    }
    match four_digits(bytes, position + 2)? {
        0xdc00..0xe000 => Err(fault(position, "a leading surrogate", FaultKind::Syntax)),
        0xd800..0xdc00 => {
            for (offset, expected) in [(6, b'\\'), (7, b'u')] {
                match bytes.get(position + offset) {
                    None => return Err(INCOMPLETE),
                    Some(byte) if *byte == expected => {}
                    Some(_) => return Err(fault(position + 6, "a trailing surrogate", FaultKind::Syntax)),
                }
            }
            match four_digits(bytes, position + 8)? {
                0xdc00..0xe000 => Ok(12),
                _ => Err(fault(position + 6, "a trailing surrogate", FaultKind::Syntax)),
            }
        }
        _ => Ok(6),
    }
}

fn four_digits(bytes: &[u8], from: usize) -> Result<u32, Stop> {
    let found = bytes.get(from..).unwrap_or_default();
    let digits = &found[..found.len().min(4)];
    if let Some(wrong) = digits.iter().position(|byte| !byte.is_ascii_hexdigit()) {
        return Err(fault(from + wrong, "four hexadecimal digits", FaultKind::Syntax));
    }
    if digits.len() < 4 {
        return Err(INCOMPLETE);
    }
    Ok(hexadecimal(digits).unwrap_or_default())
}
