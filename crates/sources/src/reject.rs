//! Why bytes are no record: a stable code, what was expected and found, and what to do about it.
//!
//! A reject's bytes are kept; so its text never repeats more than one character of them.

use std::fmt;

use crate::json::{Fault, FaultKind};

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// A name stands twice in one object, so that two readers could see two records.
    DuplicateKey,
    /// Begins like JSON and is not.
    InvalidJson,
    /// A string is not UTF-8.
    InvalidUtf8,
    /// Known, and known to be no audit record.
    NotALog,
    /// Does not begin like JSON.
    NotJson,
    /// Compressed, an archive, or text in another encoding than UTF-8.
    NotText,
    /// Longer than a record may be.
    Oversize,
    /// A parser failed in a way that it should not.
    ParserPanic,
    /// Nested deeper than is read.
    TooDeep,
    /// The input ends inside.
    Truncated,
    /// Whole JSON that no source recognises.
    UnknownSource,
    /// A source recognises it and cannot read it.
    Unreadable,
}

/// Bytes that no parser could read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Why.
    pub reason: RejectReason,
    /// Where in the rejected bytes it shows. A long reject comes in parts; this counts from the first part's start.
    pub offset: usize,
    /// What could have stood there.
    pub expected: String,
    /// What stands there, in at most a few words.
    pub found: String,
}

impl RejectReason {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::DuplicateKey,
        Self::InvalidJson,
        Self::InvalidUtf8,
        Self::NotALog,
        Self::NotJson,
        Self::NotText,
        Self::Oversize,
        Self::ParserPanic,
        Self::TooDeep,
        Self::Truncated,
        Self::UnknownSource,
        Self::Unreadable,
    ];

    /// The stable code, as written in formats.
    pub const fn code(self) -> &'static str {
        match self {
            Self::DuplicateKey => "duplicate_key",
            Self::InvalidJson => "invalid_json",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::NotALog => "not_a_log",
            Self::NotJson => "not_json",
            Self::NotText => "not_text",
            Self::Oversize => "oversize",
            Self::ParserPanic => "parser_panic",
            Self::TooDeep => "too_deep",
            Self::Truncated => "truncated",
            Self::UnknownSource => "unknown_source",
            Self::Unreadable => "unreadable",
        }
    }

    /// What whoever runs the program can do about it.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::DuplicateKey => "ask whoever forwards these records why one is written with a name twice",
            Self::InvalidJson => {
                "compare with the object at its origin: a copy or a shipper may have damaged it"
            }
            Self::InvalidUtf8 => "have the forwarder write UTF-8",
            Self::NotALog => {
                "give the audit records themselves, such as the objects that a notification names"
            }
            Self::NotJson => {
                "take prefixes such as syslog headers off, or give the files that the source itself writes"
            }
            Self::NotText => "unpack it, or convert it to UTF-8, and give what comes out",
            Self::Oversize => "no known source writes records this long: check what the file is",
            Self::ParserPanic => {
                "report it with the record; it is kept and can be read again by a later version"
            }
            Self::TooDeep => "no known source nests this deep: check what the file is",
            Self::Truncated => {
                "fetch the object again; if it is still being written, ingest it again when it is whole"
            }
            Self::UnknownSource => "check that the input is an audit log of a source that ascribe reads",
            Self::Unreadable => {
                "compare with the source's documented format; a newer version may have changed it"
            }
        }
    }
}

impl Reject {
    /// The reject for a fault in `bytes`.
    pub(crate) fn of_fault(fault: Fault, bytes: &[u8]) -> Self {
        let reason = match fault.kind {
            FaultKind::Syntax => RejectReason::InvalidJson,
            FaultKind::Utf8 => RejectReason::InvalidUtf8,
            FaultKind::TooDeep => RejectReason::TooDeep,
            FaultKind::TooLong => RejectReason::Oversize,
        };
        let found = describe(bytes.get(fault.offset).copied());
        Self { reason, offset: fault.offset, expected: fault.expected.to_owned(), found }
    }
}

/// One byte in words.
pub(crate) fn describe(byte: Option<u8>) -> String {
    match byte {
        None => "the end".to_owned(),
        Some(byte @ 0x21..0x7f) => format!("`{}`", char::from(byte)),
        Some(byte) => format!("byte 0x{byte:02x}"),
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

/// `invalid_json at byte 17: expected a value, found ],` without the code's hint.
impl fmt::Display for Reject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, offset, expected, found } = self;
        write!(formatter, "{reason} at byte {offset}: expected {expected}, found {found}")
    }
}
