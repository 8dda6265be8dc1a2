//! Framing: which bytes of an object are records.
//!
//! Every byte of an input is framing, part of a record, or part of a reject, and the pieces depend on the bytes
//! alone, never on how they were delivered in chunks. Read are: JSON values one after the other, with or without
//! whitespace between them (JSON Lines, pretty-printed values, Kinesis); a top-level array; an object that lists
//! records under a name that a source declares (`{"Records":[…]}`), and arrays of such objects; a byte order mark;
//! lines that begin with an RFC 3339 moment (CloudWatch exports); a cookie such as `@cee:` before a value, by which
//! syslog daemons know that JSON follows.
//!
//! Where the bytes are not JSON, the smallest piece that is safe to leave out becomes a reject and reading goes on
//! behind it. The framer holds no bytes: the caller keeps the buffer and drops from its front what a step names.
//! It does not know what a record says.

mod skip;

use skip::{Extent, Skip};

use crate::json::{AtEnd, Prefix, Scope, Stop, Tape};
use crate::moment::dashed_length;
use crate::reject::{Reject, RejectReason, describe};
use crate::source::Source;

/// Longest value that is read as a record. Above CloudTrail's 256 KiB, the 1.5 MiB of a Kubernetes object (seen twice
/// in an update), and a CloudWatch Logs batch.
pub const MAX_RECORD_BYTES: usize = 16 << 20;

/// Longest reject. What is longer comes in parts, so that it can be stored without being held.
pub const MAX_REJECT_BYTES: usize = 8 << 20;

/// How deep containers of records nest: an array of objects that list records is two.
const MAX_CONTAINERS: usize = 4;

/// Longest line prefix: a moment takes at most 35 bytes, and a few blanks follow.
const MAX_LINE_PREFIX_BYTES: usize = 64;

/// How an input begins that is no text in UTF-8, and what it is.
const NO_TEXT: &[(&[u8], &str)] = &[
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
];

/// What stands at the front of the buffer. The caller drops `length` bytes from it before the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet: call again with the same bytes and more of them.
    NeedMore,
    /// Nothing is left.
    End {
        /// Whether an array or an object that lists records was still open. All records before it are whole, but
        /// whoever wrote the input was not done.
        open: bool,
    },
    /// Bytes that belong to no record. A run of framing may come in several steps.
    Framing {
        /// How many.
        length: usize,
    },
    /// One record, whole and valid JSON; [`Framer::tape`] is its tape until the next step.
    Record {
        /// Its length in bytes.
        length: usize,
    },
    /// Bytes that are no record.
    Reject {
        /// How many; at most [`MAX_REJECT_BYTES`].
        length: usize,
        /// Why.
        reject: Reject,
    },
}

/// Cuts one input into its pieces.
#[derive(Debug)]
pub struct Framer {
    lists: Vec<&'static str>,
    tape: Tape,
    /// The tape holds the beginning of the value at the front of the buffer.
    parsing: bool,
    /// A reject whose end is being looked for.
    skip: Option<Skip>,
    /// What is open, outermost first.
    containers: Vec<Container>,
    place: Place,
    /// Bytes that steps have named.
    passed: usize,
    /// Bytes that have been parsed as part of a value that turned out to be none.
    parsed_in_vain: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    /// An array whose elements are records.
    Array,
    /// An object with a member that lists records.
    Lister,
}

/// What may stand at the front of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    BetweenValues,
    Element,
    AfterElement,
    /// In a lister, behind a member's value.
    AfterMember,
    MemberName,
    Colon {
        lists_records: bool,
    },
    MemberValue {
        lists_records: bool,
    },
}

impl Framer {
    /// A framer for one input that may hold records of any of `sources`.
    pub fn new(sources: &[Source]) -> Self {
        let mut lists: Vec<_> = sources.iter().flat_map(|source| source.lists).copied().collect();
        lists.sort_unstable();
        lists.dedup();
        Self {
            lists,
            tape: Tape::new(),
            parsing: false,
            skip: None,
            containers: Vec::new(),
            place: Place::Start,
            passed: 0,
            parsed_in_vain: 0,
        }
    }

    /// The tape of the record that the last step named.
    pub fn tape(&self) -> &Tape {
        &self.tape
    }

    /// What stands at the front of `buffer`: the input's bytes from the first one that no step has named.
    pub fn next(&mut self, buffer: &[u8], at_end: AtEnd) -> Step {
        let step = self.next_step(buffer, at_end);
        if let Step::Framing { length } | Step::Record { length } | Step::Reject { length, .. } = step {
            self.passed += length;
        }
        step
    }

    fn next_step(&mut self, buffer: &[u8], at_end: AtEnd) -> Step {
        loop {
            if let Some(skip) = &mut self.skip {
                let (step, done) = skip.next(buffer, at_end);
                if done {
                    self.skip = None;
                }
                if let Some(step) = step {
                    return step;
                }
                continue;
            }
            let Some(&first) = buffer.first() else {
                return match at_end {
                    AtEnd::Yes => Step::End { open: !self.containers.is_empty() },
                    AtEnd::No => Step::NeedMore,
                };
            };
            if let Some(step) = self.step(first, buffer, at_end) {
                return step;
            }
        }
    }

    /// One step, or `None` where only the state changed.
    fn step(&mut self, first: u8, buffer: &[u8], at_end: AtEnd) -> Option<Step> {
        if self.place == Place::Start {
            return self.start(buffer, at_end);
        }
        if is_whitespace(first) {
            let length = buffer.iter().take_while(|byte| is_whitespace(**byte)).count();
            return Some(Step::Framing { length });
        }
        if let Some(then) = self.behind_punctuation(first) {
            self.place = then;
            return Some(Step::Framing { length: 1 });
        }
        match (self.place, first) {
            (Place::BetweenValues, b'{') => self.value(buffer, at_end, Place::BetweenValues),
            (Place::BetweenValues, b'0'..=b'9') => self.line_prefix(buffer, at_end),
            // Files that begin with a mark were put behind each other.
            (Place::BetweenValues, 0xef) => byte_order_mark(buffer, at_end).or_else(|| self.not_json(first)),
            (Place::BetweenValues, b'@') => self.cookie(buffer, at_end),
            (Place::BetweenValues, b'-') => self.perhaps_private_key(buffer, at_end),
            (Place::BetweenValues, _) => self.not_json(first),
            (Place::Element, b',') => {
                // Alone between two commas: taking it with what follows would cost a record.
                let reject = syntax_reject(first, "a value or `]`");
                Some(Step::Reject { length: 1, reject })
            }
            (Place::Element, _) => self.value(buffer, at_end, Place::AfterElement),
            (Place::AfterElement, _) => {
                self.skip(syntax_reject(first, "`,` or `]`"), Extent::element(first), Place::AfterElement)
            }
            (Place::MemberName, b'"') => self.member_name(buffer, at_end),
            (Place::MemberValue { .. }, _) => self.value(buffer, at_end, Place::AfterMember),
            (Place::AfterMember | Place::MemberName | Place::Colon { .. } | Place::Start, _) => {
                self.skip_lister(syntax_reject(first, "a member, `,` or `}`"))
            }
        }
    }

    /// The place behind a byte that is punctuation here, with the containers that it opens or closes.
    fn behind_punctuation(&mut self, byte: u8) -> Option<Place> {
        Some(match (self.place, byte) {
            (Place::BetweenValues, b'[') => {
                self.containers.push(Container::Array);
                Place::Element
            }
            (Place::AfterElement, b',') | (Place::MemberValue { lists_records: true }, b'[') => {
                Place::Element
            }
            (Place::Element | Place::AfterElement, b']') => match self.containers.last() {
                Some(Container::Lister) => Place::AfterMember,
                Some(Container::Array) | None => self.close_container(),
            },
            (Place::AfterMember, b',') => Place::MemberName,
            (Place::Colon { lists_records }, b':') => Place::MemberValue { lists_records },
            (Place::AfterMember | Place::MemberName, b'}') => self.close_container(),
            _ => return None,
        })
    }

    /// What is no text at all is one reject: its line breaks mean nothing.
    fn start(&mut self, buffer: &[u8], at_end: AtEnd) -> Option<Step> {
        if let Some((_, found)) = NO_TEXT.iter().find(|(magic, _)| buffer.starts_with(magic)) {
            let (expected, found) = ("text in UTF-8".to_owned(), (*found).to_owned());
            let reject = Reject { reason: RejectReason::NotText, offset: 0, expected, found };
            return self.skip(reject, Extent::Rest, Place::BetweenValues);
        }
        if at_end == AtEnd::No && NO_TEXT.iter().any(|(magic, _)| magic.starts_with(buffer)) {
            return Some(Step::NeedMore);
        }
        let step = byte_order_mark(buffer, at_end);
        if step != Some(Step::NeedMore) {
            self.place = Place::BetweenValues;
        }
        step
    }

    /// A moment before JSON on the same line is framing; anything else that begins with a digit is not JSON.
    fn line_prefix(&mut self, buffer: &[u8], at_end: AtEnd) -> Option<Step> {
        if buffer.len() < MAX_LINE_PREFIX_BYTES && at_end == AtEnd::No && !buffer.contains(&b'\n') {
            return Some(Step::NeedMore);
        }
        let window = &buffer[..buffer.len().min(MAX_LINE_PREFIX_BYTES)];
        let value = dashed_length(window).map(|moment| {
            let blanks = window[moment..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            moment + blanks
        });
        match value {
            Some(length) if matches!(window.get(length), Some(b'{' | b'[')) => Some(Step::Framing { length }),
            _ => self.not_json(buffer[0]),
        }
    }

    /// `@cee:` before a value is framing, and so is any other word of letters between `@` and a colon: it says how to
    /// read the rest and nothing of what happened. Longer prefixes may say something, so they are not JSON.
    fn cookie(&mut self, buffer: &[u8], at_end: AtEnd) -> Option<Step> {
        let window = &buffer[..buffer.len().min(MAX_LINE_PREFIX_BYTES)];
        let letters = window[1..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let colon = 1 + letters;
        let blanks = window.iter().skip(colon + 1).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let length = colon + 1 + blanks;
        let is_whole = window.len() == MAX_LINE_PREFIX_BYTES || at_end == AtEnd::Yes;
        match (window.get(colon), window.get(length)) {
            (Some(b':'), Some(b'{' | b'[')) if letters > 0 => Some(Step::Framing { length }),
            (None, _) | (Some(b':'), None) if !is_whole => Some(Step::NeedMore),
            _ => self.not_json(buffer[0]),
        }
    }

    /// The lines of a private key stay together: only its first one says that the others are secret.
    fn perhaps_private_key(&mut self, buffer: &[u8], at_end: AtEnd) -> Option<Step> {
        let window = &buffer[..buffer.len().min(MAX_LINE_PREFIX_BYTES)];
        let line = memchr::memchr(b'\n', window).map(|end| &window[..end]);
        if line.is_none() && window.len() < MAX_LINE_PREFIX_BYTES && at_end == AtEnd::No {
            return Some(Step::NeedMore);
        }
        let line = line.unwrap_or(window);
        let begins = line.starts_with(b"-----BEGIN ") && memchr::memmem::find(line, b"PRIVATE KEY").is_some();
        self.line_reject(buffer[0], if begins { Extent::PrivateKey } else { Extent::Line })
    }

    fn not_json(&mut self, first: u8) -> Option<Step> {
        self.line_reject(first, Extent::Line)
    }

    fn line_reject(&mut self, first: u8, extent: Extent) -> Option<Step> {
        let expected = "`{` or `[`".to_owned();
        let reject =
            Reject { reason: RejectReason::NotJson, offset: 0, expected, found: describe(Some(first)) };
        self.skip(reject, extent, Place::BetweenValues)
    }

    /// A value that may be a record, a lister, or framing inside a lister; `then` is the place behind it.
    fn value(&mut self, buffer: &[u8], at_end: AtEnd, then: Place) -> Option<Step> {
        let window = &buffer[..buffer.len().min(MAX_RECORD_BYTES)];
        let full = window.len() == MAX_RECORD_BYTES;
        let window_at_end = if full { AtEnd::No } else { at_end };
        let scope = if then != Place::AfterMember && self.containers.len() < MAX_CONTAINERS {
            Scope::UpToList(&self.lists)
        } else {
            Scope::Value
        };
        if !self.parsing {
            self.tape.clear();
        }
        let stop = self.tape.resume(window, window_at_end, scope);
        self.parsing = stop == Stop::Prefix(Prefix::Incomplete) && !full && at_end == AtEnd::No;
        let reject = match stop {
            Stop::List { length } => {
                self.containers.push(Container::Lister);
                self.place = Place::Element;
                return Some(Step::Framing { length });
            }
            Stop::Prefix(Prefix::Complete { length }) => {
                self.place = then;
                return Some(match then {
                    Place::AfterMember => Step::Framing { length },
                    _ => Step::Record { length },
                });
            }
            Stop::Prefix(Prefix::Incomplete) if self.parsing => return Some(Step::NeedMore),
            Stop::Prefix(Prefix::Incomplete) => unfinished_reject(window.len(), full),
            Stop::Prefix(Prefix::Invalid(fault)) => Reject::of_fault(fault, window),
        };
        match then {
            Place::AfterMember => self.skip_lister(reject),
            Place::AfterElement => self.skip(reject, Extent::element(window[0]), Place::AfterElement),
            _ => {
                let extent = self.lines_from(reject.offset, 0);
                self.skip(reject, extent, Place::BetweenValues)
            }
        }
    }

    /// The name of a member behind a list.
    fn member_name(&mut self, buffer: &[u8], at_end: AtEnd) -> Option<Step> {
        let step = self.value(buffer, at_end, Place::AfterMember)?;
        if let Step::Framing { length } = step {
            let name = self.tape.root(&buffer[..length]);
            let lists_records = self.lists.iter().any(|list| name.is_text(list));
            self.place = Place::Colon { lists_records };
        }
        Some(step)
    }

    /// Closes the innermost container; the place behind it.
    fn close_container(&mut self) -> Place {
        self.containers.pop();
        if self.containers.is_empty() { Place::BetweenValues } else { Place::AfterElement }
    }

    /// Rejects the rest of a lister.
    fn skip_lister(&mut self, reject: Reject) -> Option<Step> {
        let then = self.close_container();
        let extent = match then {
            Place::BetweenValues => self.lines_from(reject.offset, 1),
            _ => Extent::element_inside(),
        };
        self.skip(reject, extent, then)
    }

    /// How far a reject outside of lists goes whose fault is at `fault`.
    ///
    /// A line before the fault may well be a record that a damaged one before it swallowed, so reading goes on there.
    /// But hostile lines could each be parsed up to one far fault: once more bytes have been parsed in vain than
    /// have been read otherwise (and a start of 1 MiB), only lines behind the fault count.
    fn lines_from(&mut self, fault: usize, open: usize) -> Extent {
        const START: usize = 1 << 20;
        self.parsed_in_vain = self.parsed_in_vain.saturating_add(fault);
        let spent = self.parsed_in_vain > self.passed.saturating_add(START);
        Extent::Value { open, not_before: if spent { fault } else { 0 } }
    }

    fn skip(&mut self, reject: Reject, extent: Extent, then: Place) -> Option<Step> {
        self.place = then;
        self.skip = Some(Skip::new(reject, extent));
        None
    }
}

fn byte_order_mark(buffer: &[u8], at_end: AtEnd) -> Option<Step> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    if buffer.starts_with(MARK) {
        return Some(Step::Framing { length: MARK.len() });
    }
    (MARK.starts_with(buffer) && at_end == AtEnd::No).then_some(Step::NeedMore)
}

fn syntax_reject(first: u8, expected: &str) -> Reject {
    let found = describe(Some(first));
    Reject { reason: RejectReason::InvalidJson, offset: 0, expected: expected.to_owned(), found }
}

fn unfinished_reject(length: usize, full: bool) -> Reject {
    let (reason, expected, found) = if full {
        (RejectReason::Oversize, "the end of the value within 16 MiB", "more")
    } else {
        (RejectReason::Truncated, "the rest of the value", "the end")
    };
    Reject { reason, offset: length, expected: expected.to_owned(), found: found.to_owned() }
}

fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
