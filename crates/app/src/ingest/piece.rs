//! What a worker makes of an object, and what becomes of it in ledger and store.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ascribe_ledger::Span;
use ascribe_model::{Event, ObjectClosed, ObjectEntry, RejectHeader, StreamEntry, Timestamp};
use ascribe_store::{Outlined, Outlines};

use crate::capture::SealedValue;

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
    /// The capture policy cannot be applied, so that no more records may be stored.
    Uncapturable(std::io::Error),
}

/// How reading of an object begins.
#[derive(Debug)]
pub enum ObjectStart {
    /// It was never met.
    New {
        /// Its opening entry.
        entry: ObjectEntry,
        /// The entry with its digest, where that is known beforehand.
        digest: Option<ObjectEntry>,
    },
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
    /// What its records say.
    pub said: Said,
}

/// What the records of a batch say, in the form in which the store takes it in.
#[derive(Debug, Default)]
pub struct Said {
    /// The events.
    pub outlines: Outlines,
    /// Streams that the records name, in the order in which they are named first.
    pub streams: Vec<StreamEntry>,
    /// Events without a readable time.
    pub undated: u64,
    /// First and last event time.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Whether a record does not say where it comes from.
    pub unnamed: bool,
}

/// Memory of batches that were committed, for those to come: a buffer of a mebibyte that is asked for anew costs as
/// much as parsing a tenth of what it holds.
#[derive(Debug, Default)]
pub struct Buffers {
    bytes: Mutex<Vec<Vec<u8>>>,
    outlines: Mutex<Vec<Outlines>>,
}

impl Buffers {
    /// More would only hold memory.
    const KEPT_MAX: usize = 16;
    /// One that grew beyond this for a large record would pin its memory.
    const BYTES_MAX: usize = 4 * 1024 * 1024;

    /// An empty buffer.
    pub fn take(&self) -> Vec<u8> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut kept = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < Self::KEPT_MAX && buffer.capacity() <= Self::BYTES_MAX {
            kept.push(buffer);
        }
    }

    /// Room for what records say.
    pub fn take_outlines(&self) -> Outlines {
        self.outlines.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Gives the room back.
    pub fn give_outlines(&self, mut outlines: Outlines) {
        let small = outlines.bytes() <= Self::BYTES_MAX;
        outlines.clear();
        let mut kept = self.outlines.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < Self::KEPT_MAX && small {
            kept.push(outlines);
        }
    }
}

impl Said {
    /// Coverage hint of an event whose record does not name its scope (`docs/formats/event.md`).
    const UNNAMED_HINT: &str = "scope_unnamed";

    /// Nothing yet, with room for more.
    pub fn with_room(outlines: Outlines) -> Self {
        Self { outlines, ..Self::default() }
    }

    /// Adds the events of one record, and says where they lie and which of the streams they are of.
    pub fn add(&mut self, events: &[Event]) -> Saying {
        for event in events {
            match event.time.at {
                Some(at) => {
                    self.span =
                        Some(self.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
                }
                None => self.undated += 1,
            }
            self.unnamed |= event.coverage_hints.iter().any(|hint| hint.kind == Self::UNNAMED_HINT);
        }
        Saying { events: self.outlines.push(events), stream: events.first().map(|event| self.stream(event)) }
    }

    fn stream(&mut self, event: &Event) -> usize {
        let source = &event.source;
        let same = |known: &StreamEntry| {
            known.source == source.kind && known.scope == source.scope && known.partition == source.partition
        };
        self.streams.iter().position(same).unwrap_or_else(|| {
            self.streams.push(StreamEntry {
                source: source.kind.clone(),
                scope: source.scope.clone(),
                partition: source.partition.clone(),
            });
            self.streams.len() - 1
        })
    }
}

/// What one record says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Saying {
    /// Its events.
    pub events: Outlined,
    /// Position of its stream in [`Said::streams`]; none where it has no event.
    pub stream: Option<usize>,
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
        saying: Saying,
        /// Values that have to be durable before the record is.
        sealed: Vec<SealedValue>,
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
        /// What was withheld, as its placeholders tell.
        withheld_values: Vec<WithheldValue>,
        /// Length in the object, in bytes.
        span_length: u64,
        /// Number of the buffer in which its events lie, among those of its group.
        buffer: usize,
        /// Where they lie in it.
        events: Outlined,
    },
    /// A reject.
    Reject {
        /// Leaf of the object's opening entry.
        object: Option<u64>,
        /// Where it lies in the object.
        span: Span,
        /// Stable code.
        reason: String,
        /// What was withheld, as its placeholders tell.
        withheld_values: Vec<WithheldValue>,
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
    /// Something that the operator configured is in force, by name.
    Config(&'static str),
    /// The root of a completeness index.
    IndexRoot,
    /// The ledger speaks of itself: kind and values of the keys under which that is found.
    Mark(&'static str, Vec<String>),
    /// Its bytes were erased.
    Erased,
    /// An entry of which the store keeps nothing.
    Other,
}

/// Values of one entry that one rule withheld in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithheldValue {
    /// The rule.
    pub rule: String,
    /// What became of them.
    pub method: &'static str,
    /// How many.
    pub count: u64,
}

/// What was withheld from captured bytes, by rule and method. A record may hold a text that looks like a placeholder; it
/// counts only in an entry from which something was withheld.
pub fn withheld_values(captured: &[u8]) -> Vec<WithheldValue> {
    let mut counts = BTreeMap::new();
    for (_, placeholder) in ascribe_sources::placeholders(captured) {
        *counts.entry((placeholder.rule, placeholder.method())).or_insert(0) += 1;
    }
    let values = counts.into_iter();
    values.map(|((rule, method), count)| WithheldValue { rule: rule.to_owned(), method, count }).collect()
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

    /// Values that have to be durable before the entry is.
    pub fn sealed(&self) -> &[SealedValue] {
        match &self.content {
            Content::Record { sealed, .. } => sealed,
            Content::Reject { .. } => &[],
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
