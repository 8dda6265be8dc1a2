//! The parts of a bundle, in the order in which they are written. `docs/formats/bundle.md` states their bytes.

use ascribe_assess::Subject;
use ascribe_ledger::index::KeyProof;
use ascribe_ledger::{Hash, SALT_BYTES, Salt};
use ascribe_model::{Answer, Credential, EventId, KeyRef, SkewFact, StreamSummary};
use serde::{Deserialize, Serialize};

/// The first item of every bundle that is written: it names format and version.
pub const FIRST_ITEM: &str = "ascribe/bundle/v2";

/// The version that is written, and the latest that is read.
pub(crate) const VERSION: u32 = 2;

/// The earliest version that is read. It has the items up to the seal, and no others.
pub(crate) const VERSION_FIRST: u32 = 1;

/// What the first item of any version begins with.
pub(crate) const FIRST_ITEM_STEM: &str = "ascribe/bundle/v";

/// What the digest of the seal begins with.
pub(crate) const SEAL_DOMAIN: &[u8] = b"ascribe/bundle-seal/v1\0";

/// Largest captured bytes of one entry: the most that a ledger keeps for one.
pub const MAX_CAPTURED_BYTES: usize = 16 << 20;

/// Limits on what a reader takes in. None of them is met by a bundle that [`crate::BundleWriter`] writes.
pub(crate) mod limit {
    pub(crate) const FIRST_ITEM_BYTES: usize = 64;
    pub(crate) const ORIGIN_BYTES: usize = 1 << 10;
    pub(crate) const QUESTION_BYTES: usize = 1 << 13;
    pub(crate) const NAMES: u64 = 1 << 10;
    pub(crate) const NAME_BYTES: usize = 1 << 16;
    pub(crate) const PARSERS: u64 = 1 << 8;
    pub(crate) const WORD_BYTES: usize = 1 << 8;
    pub(crate) const KEY_BYTES: usize = 1 << 12;
    pub(crate) const EARLIER: u64 = 64;
    /// A gap is filled by at most two subtrees of each width; a consistency proof has no more.
    pub(crate) const HASHES: usize = 2 * 64;
    pub(crate) const PREMISES_BYTES: usize = 16 << 20;
    pub(crate) const ANSWER_BYTES: usize = 64 << 20;
    /// Captured bytes of the records from which an answer is derived again.
    pub(crate) const ANSWERING_BYTES: u64 = 1 << 30;
    /// Captured bytes of one stream or object entry.
    pub(crate) const CONTEXT_BYTES: usize = 1 << 20;
    /// Stream and object entries in one bundle.
    pub(crate) const CONTEXT: u64 = 1 << 20;
    /// A path in the tree of an index.
    pub(crate) const PATH: usize = 64;
    /// Path of a disclosed field.
    pub(crate) const FIELD_BYTES: usize = 1 << 16;
}

/// The items after the first, by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Number {
    Manifest = 1,
    Checkpoint = 2,
    Earlier = 3,
    Entry = 4,
    Rest = 5,
    Answer = 6,
    Seal = 7,
    Disclosure = 8,
    Completeness = 9,
}

/// What the bundle is and what was asked for. Nothing but the seal stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the ledger.
    pub origin: String,
    /// Leaves under the checkpoint.
    pub size: u64,
    /// What was asked for, as typed.
    pub question: String,
    /// What that was taken to mean: each entry that was asked for lists one of these. Sorted.
    pub names: Vec<KeyRef>,
    /// The parsers that found the entries. Sorted by source.
    pub parsers: Vec<Parser>,
    /// Verb of the answer that the bundle holds; empty where it holds none.
    pub answer: String,
    /// How many entries follow.
    pub counted: Counted,
}

/// A source and the version of its parser.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parser {
    /// Id of the source.
    pub source: String,
    /// Version of its parser.
    pub version: u64,
}

/// Entries by why they are in the bundle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Entries that list one of the names.
    pub asked: u64,
    /// Further entries that the answer was drawn from.
    pub read: u64,
    /// Stream, object and `index-root` entries that the others, or proofs, refer to.
    pub context: u64,
}

/// The signed checkpoint, and the key that the ledger claims as its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Text of the verifier key. Whoever checks trusts a key from elsewhere, never this one.
    pub key: String,
    /// The checkpoint note, byte for byte.
    pub note: String,
}

/// A checkpoint from before, and the proof that the ledger only grew since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its note, byte for byte.
    pub note: String,
    /// Consistency proof to the checkpoint of the bundle.
    pub proof: Vec<Hash>,
}

/// Why an entry is in the bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It lists one of the names.
    Asked,
    /// The answer was drawn from it.
    Read,
    /// Another entry refers to it, as its stream or object, or a proof of completeness, as the root of its index.
    Context,
}

/// One ledger entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPart {
    /// Index of its leaf.
    pub leaf: u64,
    /// Why it is here.
    pub why: Why,
    /// The subtrees between the leaf before and this one.
    pub gap: Vec<Hash>,
    /// Its envelope, byte for byte.
    pub envelope: Vec<u8>,
    /// What opens its commitment; absent where the ledger has it no more.
    pub opened: Option<Opened>,
}

/// What opens the commitment to captured bytes. The salt of the *received* bytes is never in a bundle: with it, what
/// was withheld could be guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The salt.
    pub salt: Salt,
    /// The captured bytes.
    pub captured: Vec<u8>,
}

/// What the completeness index of one range shows of the names of the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletenessPart {
    /// Leaf of its `index-root` entry, which is among the entries.
    pub root_leaf: u64,
    /// Salt of its digests.
    pub salt: Salt,
    /// A proof for each value of the names, in the order of values, each value once.
    pub proofs: Vec<KeyProof>,
}

/// An answer, and what it was drawn from beside the entries.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerPart {
    /// The exporter's word.
    pub premises: AnswerPremises,
    /// The answer.
    pub answer: Answer,
}

/// A value that was sealed before its record was stored, opened again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Disclosure {
    /// Index of the entry's leaf.
    pub leaf: u64,
    /// Position of the event in the record, from 0.
    pub event: u64,
    /// The field, from the event object on.
    pub field: String,
    /// The salt of the commitment that stands in the field's place.
    pub salt: Salt,
    /// The value.
    pub value: String,
}

/// What an answer rests on that no entry shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerPremises {
    /// What the name that was typed stands for.
    pub subject: AnswerSubject,
    /// What each stream of the ledger holds.
    pub streams: Vec<StreamSummary>,
    /// What the operator froze of the clocks of streams. Sorted.
    pub clocks: Vec<SkewFact>,
}

/// What an answer is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AnswerSubject {
    /// A credential, or an identity to start from.
    Key(Credential),
    /// One event.
    Event(EventId),
    /// An identity.
    Identity(KeyRef),
}

impl From<&Subject> for AnswerSubject {
    fn from(subject: &Subject) -> Self {
        match subject {
            Subject::Key(credential) => Self::Key(credential.clone()),
            Subject::Event(event) => Self::Event(event.id),
            Subject::Identity(identity) => Self::Identity(identity.clone()),
        }
    }
}

impl Why {
    /// Its number in an entry.
    pub(crate) const fn number(self) -> u64 {
        self as u64
    }

    pub(crate) const fn from_number(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Asked),
            1 => Some(Self::Read),
            2 => Some(Self::Context),
            _ => None,
        }
    }
}

impl Number {
    pub(crate) const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Manifest),
            2 => Some(Self::Checkpoint),
            3 => Some(Self::Earlier),
            4 => Some(Self::Entry),
            5 => Some(Self::Rest),
            6 => Some(Self::Answer),
            7 => Some(Self::Seal),
            8 => Some(Self::Disclosure),
            9 => Some(Self::Completeness),
            _ => None,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Manifest => "the manifest",
            Self::Checkpoint => "the checkpoint",
            Self::Earlier => "an earlier checkpoint",
            Self::Entry => "an entry",
            Self::Rest => "the rest of the tree",
            Self::Answer => "the answer",
            Self::Seal => "the seal",
            Self::Disclosure => "a disclosure",
            Self::Completeness => "an index of a range",
        }
    }

    /// The version that has it first.
    pub(crate) const fn since(self) -> u32 {
        match self {
            Self::Disclosure | Self::Completeness => VERSION,
            _ => VERSION_FIRST,
        }
    }

    /// Elements of the item's array, its number included. An entry without its bytes has two fewer.
    pub(crate) const fn elements(self) -> u64 {
        match self {
            Self::Manifest => 8,
            Self::Entry => 7,
            Self::Disclosure => 6,
            Self::Completeness => 4,
            Self::Checkpoint | Self::Earlier | Self::Answer => 3,
            Self::Rest | Self::Seal => 2,
        }
    }
}

/// Elements of an entry without salt and captured bytes.
pub(crate) const ENTRY_CLOSED_ELEMENTS: u64 = 5;

const _: () = assert!(SALT_BYTES == 32, "the format says so");
