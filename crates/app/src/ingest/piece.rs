//! What a worker makes of an object, and what becomes of it in ledger and store.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use ascribe_ledger::Span;
use ascribe_model::{Event, ObjectClosed, ObjectEntry, RejectHeader, StreamEntry};

/// One message of a worker about the object that it reads.
#[derive(Debug)]
pub enum Message {
    /// Reading begins.
    Opened(ObjectStart),
    /// Some of its pieces, in order.
    Batch(Batch),
    /// Reading ended.
    Closed(ObjectClosed),
    /// Something that the operator should know about the object.
    Notice(Notice),
    /// The object cannot be read at all; nothing of it is in the ledger.
    Failed(Notice),
}

/// How reading of an object begins.
#[derive(Debug)]
pub enum ObjectStart {
    /// It was never met.
    New(ObjectEntry),
    /// It was met and closed: only a sighting is added.
    Known {
        /// Leaf of its opening entry.
        opened: u64,
        /// Its name this time.
        name: String,
    },
    /// It was met and not read to its end: reading goes on.
    Resumed {
        /// Leaf of its opening entry.
        opened: u64,
        /// Its digest.
        digest: String,
    },
}

/// Something that the operator should know.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Notice {
    /// The object's name.
    pub object: String,
    /// What is the case.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// Pieces of an object that lie in one buffer.
#[derive(Debug)]
pub struct Batch {
    /// Decoded bytes.
    pub bytes: Vec<u8>,
    /// The pieces in it, in order.
    pub pieces: Vec<Piece>,
}

/// Buffers of batches that were committed, for those to come: a buffer of a mebibyte that is asked for anew costs as
/// much as parsing a tenth of what it holds.
#[derive(Debug, Default)]
pub struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// More would only hold memory.
    const KEPT_MAX: usize = 16;

    /// An empty buffer.
    pub fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One that grew for a large record would pin its memory.
        if kept.len() < Self::KEPT_MAX && buffer.capacity() <= 4 * 1024 * 1024 {
            kept.push(buffer);
        }
    }
}

/// A record or a reject.
#[derive(Debug)]
pub struct Piece {
    /// Where it lies in the object's decoded bytes.
    pub span: Span,
    /// Where it lies in the batch's buffer.
    pub range: std::ops::Range<usize>,
    /// What it is.
    pub content: Content,
}

/// What a piece is.
#[derive(Debug)]
pub enum Content {
    /// A record and what it says.
    Record {
        /// The bytes to keep, where something was withheld from those received.
        spliced: Option<Vec<u8>>,
        /// What it says.
        events: Vec<Event>,
    },
    /// Bytes that no parser could read, behind a header that says why.
    Reject {
        /// Why.
        header: RejectHeader,
        /// The entry's bytes: the header and the rejected bytes, less what was withheld.
        entry: Vec<u8>,
        /// Whether something was withheld.
        withheld: bool,
    },
}

/// One entry of the ledger as the store takes it in.
#[derive(Debug)]
pub enum Folded {
    /// A record.
    Record {
        /// Leaf of the object's opening entry.
        object: Option<u64>,
        /// Leaf of the stream's entry.
        stream: Option<u64>,
        /// Whether something was withheld.
        withheld: bool,
        /// Length in the object, in bytes.
        span_length: u64,
        /// What it says.
        events: Vec<Event>,
    },
    /// A reject.
    Reject {
        /// Leaf of the object's opening entry.
        object: Option<u64>,
        /// Where it lies in the object.
        span: Span,
        /// Stable code.
        reason: String,
    },
    /// An object is opened, closed or met again.
    Object {
        /// Leaf of its opening entry; none in an opening entry.
        object: Option<u64>,
        /// What the entry says.
        entry: ObjectEntry,
    },
    /// A stream is announced.
    Stream(StreamEntry),
    /// An entry of which the store keeps nothing.
    Other,
}

impl Piece {
    /// The bytes that the ledger keeps.
    pub fn captured<'a>(&'a self, batch: &'a Batch) -> Cow<'a, [u8]> {
        match &self.content {
            Content::Record { spliced: Some(spliced), .. } => Cow::Borrowed(spliced),
            Content::Record { spliced: None, .. } => Cow::Borrowed(&batch.bytes[self.range.clone()]),
            Content::Reject { entry, .. } => Cow::Borrowed(entry),
        }
    }

    /// The bytes received, where they differ from those kept and have to be committed to.
    pub fn received<'a>(&self, batch: &'a Batch) -> Option<&'a [u8]> {
        let withheld = match &self.content {
            Content::Record { spliced, .. } => spliced.is_some(),
            Content::Reject { withheld, .. } => *withheld,
        };
        withheld.then(|| &batch.bytes[self.range.clone()])
    }
}
