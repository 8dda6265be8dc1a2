//! What the caller hands in: one entry for each leaf of the ledger, already parsed.
//!
//! The store deliberately does not know the ledger: whoever reads it passes leaf numbers and plain values.

use ascribe_model::Timestamp;

use crate::outline::RecordOutlines;

/// One leaf of the ledger. Every leaf of a range is pushed, in order, so that nothing can be left out unnoticed.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// A captured record and what it says.
    Record(Record<'a>),
    /// Bytes that no parser could read.
    Reject(Reject<'a>),
    /// The opening or the closing entry of an object.
    Object(Object<'a>),
    /// The digest of an object.
    Digest(Digest<'a>),
    /// A stream is announced.
    Stream(Stream<'a>),
    /// Something that the operator configured is in force from here on.
    Config(Config<'a>),
    /// The root of a completeness index.
    IndexRoot {
        /// Position in the ledger.
        leaf: u64,
    },
    /// What the ledger says of itself.
    Mark(Mark<'a>),
    /// A leaf whose bytes were erased.
    Erased {
        /// Position in the ledger.
        leaf: u64,
    },
    /// A leaf of which the store keeps nothing else.
    Other {
        /// Position in the ledger.
        leaf: u64,
    },
}

/// A captured record and what it says.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Position in the ledger.
    pub leaf: u64,
    /// Leaf of the opening entry of the object that brought it.
    pub object: Option<u64>,
    /// Leaf of the entry that announces its stream.
    pub stream: Option<u64>,
    /// When it was received.
    pub received_at: Timestamp,
    /// Whether parts of it were withheld.
    pub withheld: bool,
    /// Length of the record in its object, in bytes.
    pub span_length: u64,
    /// What it says; may be empty.
    pub events: RecordOutlines<'a>,
}

/// Bytes that no parser could read.
#[derive(Clone, Copy, Debug)]
pub struct Reject<'a> {
    /// Position in the ledger.
    pub leaf: u64,
    /// Leaf of the opening entry of the object that brought it.
    pub object: Option<u64>,
    /// When it was received.
    pub received_at: Timestamp,
    /// Where the bytes lie in the object.
    pub span: Span,
    /// Why no parser could read them: a stable word, since rejects are counted by it.
    pub reason: &'a str,
    /// Source whose parser tried, where one did.
    pub source: Option<&'a str>,
}

/// Where bytes lie in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// The opening or the closing entry of an object.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// Position in the ledger.
    pub leaf: u64,
    /// Name under which it came.
    pub name: &'a str,
    /// Leaf of the opening entry that this one closes; `None` in an opening entry.
    pub closes: Option<u64>,
    /// What it holds, as far as the entry says.
    pub totals: ObjectTotals,
}

/// The digest of an object.
#[derive(Clone, Copy, Debug)]
pub struct Digest<'a> {
    /// Position in the ledger.
    pub leaf: u64,
    /// Leaf of the opening entry of the object.
    pub object: u64,
    /// The digest as the caller writes it.
    pub digest: &'a str,
}

/// What an object holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectTotals {
    /// Records.
    pub records: u64,
    /// Rejects.
    pub rejects: u64,
    /// Bytes that belong to no record.
    pub framing_bytes: u64,
    /// All bytes.
    pub bytes: u64,
}

/// A stream that the ledger announces.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a> {
    /// Position in the ledger.
    pub leaf: u64,
    /// Id of the source.
    pub source: &'a str,
    /// Native scope.
    pub scope: &'a str,
    /// Part of the scope that is delivered apart.
    pub partition: Option<&'a str>,
}

/// Something that the operator configured.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// Position in the ledger.
    pub leaf: u64,
    /// What is configured, such as `capture_policy`.
    pub name: &'a str,
}

/// An entry by which the ledger speaks of itself.
#[derive(Clone, Copy, Debug)]
pub struct Mark<'a> {
    /// Position in the ledger.
    pub leaf: u64,
    /// Kind of the key under which it is found, such as `ascribe.pulse`.
    pub kind: &'static str,
    /// Values of that kind under which it is found.
    pub names: &'a [String],
}

/// Whether an event was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// Nothing with this id stands at an earlier place.
    First,
    /// An earlier delivery holds the same event.
    Repeat {
        /// Leaf of the first sighting.
        first_leaf: u64,
    },
}

impl Entry<'_> {
    /// Position in the ledger.
    pub fn leaf(&self) -> u64 {
        match self {
            Self::Record(record) => record.leaf,
            Self::Reject(reject) => reject.leaf,
            Self::Object(object) => object.leaf,
            Self::Digest(digest) => digest.leaf,
            Self::Stream(stream) => stream.leaf,
            Self::Config(config) => config.leaf,
            Self::IndexRoot { leaf } | Self::Erased { leaf } | Self::Other { leaf } => *leaf,
            Self::Mark(mark) => mark.leaf,
        }
    }
}
