//! Folding ledger entries into the store: from memory while they are appended, or read back from the ledger.
//!
//! Both ways end in the same [`Folded`] values, so that a store built batch by batch equals a rebuilt one.

use std::collections::BTreeMap;

use ascribe_ledger::{Kind, Reader};
use ascribe_model::{ConfigEntry, KeyEntry, ObjectEntry, PulseEntry, RejectHeader, StreamEntry, Timestamp};
use ascribe_sources::{CapturedReader, Context};
use ascribe_store::{
    Config, Digest, Entry, Mark, Object, ObjectTotals, Outlines, RANGE, Record, Reject, SegmentBuilder,
    Sighting, Store, Stream, WithheldValues,
};

use super::piece::{Folded, WithheldValue, withheld_values};

/// The store could not take entries in. The ledger is not touched by that: `ascribe rebuild` derives it again.
#[derive(Debug, thiserror::Error)]
pub enum CatchUpError {
    /// An entry does not fit.
    #[error("the store cannot take entry {leaf} in")]
    Push {
        /// The entry.
        leaf: u64,
        /// Why.
        #[source]
        source: ascribe_store::PushError,
    },
    /// A segment's files cannot be written.
    #[error("cannot write the store's segment that ends at entry {end}")]
    Finish {
        /// First entry behind the segment.
        end: u64,
        /// Why.
        #[source]
        source: ascribe_store::FinishError,
    },
    /// The segments cannot be made current.
    #[error("cannot publish the store at {folded} entries")]
    Publish {
        /// Entries folded.
        folded: u64,
        /// Why.
        #[source]
        source: ascribe_store::PublishError,
    },
    /// The ledger cannot be read.
    #[error("cannot read the ledger to fold it")]
    Ledger(#[from] ascribe_ledger::ReadError),
    /// The store holds more than the ledger.
    #[error("the store has folded {folded} entries, but the ledger has {size}")]
    StoreAhead {
        /// Entries that the store has folded.
        folded: u64,
        /// Entries in the ledger.
        size: u64,
    },
}

/// How many events an ingest brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folding {
    /// Seen for the first time.
    pub new: u64,
    /// Held already.
    pub repeated: u64,
}

/// Folds entries as they are appended.
pub struct Folder {
    store: Store,
    builder: Option<SegmentBuilder>,
    next: u64,
    counted: Folding,
}

impl Folder {
    /// Goes on where the store ends.
    pub fn new(store: Store) -> Self {
        let next = store.folded();
        Self { store, builder: None, next, counted: Folding::default() }
    }

    /// Takes the entry behind the last one in. At the end of a range its segment is published: the caller sees to it
    /// that a checkpoint covers it by then.
    pub fn push(
        &mut self,
        received_at: Timestamp,
        folded: &Folded,
        outlines: &[Outlines],
    ) -> Result<(), CatchUpError> {
        let leaf = self.next;
        let builder = match &mut self.builder {
            Some(builder) => builder,
            none => none.insert(SegmentBuilder::new(leaf, &self.store)),
        };
        for sighting in push(builder, leaf, received_at, (folded, outlines))? {
            match sighting {
                Sighting::First => self.counted.new += 1,
                Sighting::Repeat { .. } => self.counted.repeated += 1,
            }
        }
        self.next += 1;
        if self.next.is_multiple_of(RANGE) {
            self.publish()?;
        }
        Ok(())
    }

    /// Publishes what is left. The store and the counts come back.
    pub fn finish(mut self) -> Result<(Store, Folding), CatchUpError> {
        self.publish()?;
        Ok((self.store, self.counted))
    }

    fn publish(&mut self) -> Result<(), CatchUpError> {
        let Some(builder) = self.builder.take() else { return Ok(()) };
        let end = self.next;
        let segment = builder.finish(end).map_err(|source| CatchUpError::Finish { end, source })?;
        self.store.publish(vec![segment], end).map_err(|source| CatchUpError::Publish { folded: end, source })
    }
}

/// Folds what the ledger holds beyond the store, and merges small segments. Returns how many entries were read.
pub fn catch_up(store: &mut Store, reader: &Reader) -> Result<u64, CatchUpError> {
    let size = reader.size();
    if store.folded() > size {
        return Err(CatchUpError::StoreAhead { folded: store.folded(), size });
    }
    let mut rereader = Rereader::default();
    let mut outlines = [Outlines::default()];
    let mut read = 0;
    for range in store.plan(size) {
        let mut builder = SegmentBuilder::new(range.start, store);
        for entry in reader.entries(range.clone()) {
            let entry = entry?;
            let received_at = Timestamp::from_nanoseconds(entry.envelope().received_at);
            outlines[0].clear();
            let folded = rereader.folded(reader, &entry, &mut outlines[0])?;
            push(&mut builder, entry.leaf(), received_at, (&folded, &outlines))?;
            read += 1;
        }
        let end = range.end;
        let segment = builder.finish(end).map_err(|source| CatchUpError::Finish { end, source })?;
        let folded = end.max(store.folded());
        store.publish(vec![segment], folded).map_err(|source| CatchUpError::Publish { folded, source })?;
    }
    Ok(read)
}

/// Reads entries of one ledger back as what they were when they were appended. What it learns of objects serves the
/// entries that follow, so it is kept as long as the ledger is open.
#[derive(Default)]
pub struct Rereader {
    captured: CapturedReader,
    /// Scope that the operator gave with an object, by the leaf of its opening entry.
    scopes: BTreeMap<u64, Option<String>>,
}

/// Scopes that are kept; a question rarely touches more objects at once.
const SCOPES_MAX: usize = 4_096;

impl Rereader {
    /// What the entry is to the store; its events go into `outlines`.
    fn folded(
        &mut self,
        reader: &Reader,
        entry: &ascribe_ledger::Entry,
        outlines: &mut Outlines,
    ) -> Result<Folded, ascribe_ledger::ReadError> {
        let envelope = entry.envelope();
        // Of what was erased the store keeps the count.
        let Some(captured) = entry.captured() else { return Ok(Folded::Erased) };
        let span = envelope.span.unwrap_or(ascribe_ledger::Span { offset: 0, length: 0 });
        Ok(match envelope.kind {
            Kind::Record => Folded::Record {
                object: envelope.object,
                stream: envelope.stream,
                withheld: envelope.withheld(),
                withheld_values: withheld_in(entry),
                span_length: span.length,
                buffer: 0,
                events: outlines.push(&self.events(reader, entry)?),
            },
            Kind::Reject => Folded::Reject {
                object: envelope.object,
                span,
                reason: reject_reason(captured),
                withheld_values: withheld_in(entry),
            },
            Kind::Object => match serde_json::from_slice::<ObjectEntry>(captured) {
                Ok(object) => Folded::Object { object: envelope.object, entry: object },
                Err(_) => Folded::Other, // Written by a later version: the ledger keeps it, this store cannot show it.
            },
            Kind::Stream => match serde_json::from_slice::<StreamEntry>(captured) {
                Ok(stream) => Folded::Stream(stream),
                Err(_) => Folded::Other,
            },
            Kind::Config => match serde_json::from_slice::<ConfigEntry>(captured) {
                Ok(config) => Folded::Config(config.name()),
                Err(_) => Folded::Other,
            },
            Kind::IndexRoot => Folded::IndexRoot,
            Kind::Heartbeat => match serde_json::from_slice::<PulseEntry>(captured) {
                Ok(pulse) => pulse_mark(&pulse, envelope.stream),
                Err(_) => Folded::Other,
            },
            Kind::Key => match serde_json::from_slice::<KeyEntry>(captured) {
                Ok(key) => Folded::Mark("ascribe.signing_key", vec![key.name().to_owned()]),
                Err(_) => Folded::Other,
            },
            Kind::Decision => Folded::Config(crate::retention::DECISION),
            Kind::Tombstone => Folded::Config(crate::retention::TOMBSTONE),
            Kind::Timestamp => Folded::Mark(TIMESTAMP_KIND, vec![TIMESTAMP_NAME.to_owned()]),
        })
    }

    /// The events of a record entry, parsed again from its captured bytes; none once those were erased.
    pub fn events(
        &mut self,
        reader: &Reader,
        entry: &ascribe_ledger::Entry,
    ) -> Result<Vec<ascribe_model::Event>, ascribe_ledger::ReadError> {
        // A record that was captured by a version that could read it stays in the ledger, without events here.
        Ok(self.read(reader, entry)?.unwrap_or_default())
    }

    /// The same; `None` where these parsers cannot read the record, or it was erased.
    pub fn read(
        &mut self,
        reader: &Reader,
        entry: &ascribe_ledger::Entry,
    ) -> Result<Option<Vec<ascribe_model::Event>>, ascribe_ledger::ReadError> {
        let Some(captured) = entry.captured() else { return Ok(None) };
        let scope = self.scope_of(reader, entry.envelope().object)?;
        let context = Context { scope: scope.as_deref() };
        Ok(self.captured.events(captured, &context))
    }

    fn scope_of(
        &mut self,
        reader: &Reader,
        object: Option<u64>,
    ) -> Result<Option<String>, ascribe_ledger::ReadError> {
        let Some(leaf) = object else { return Ok(None) };
        if let Some(scope) = self.scopes.get(&leaf) {
            return Ok(scope.clone());
        }
        // What the operator gave is part of what the events say, so it has to be what was signed.
        let opening = reader.proven_entry(leaf)?;
        let scope = match serde_json::from_slice(opening.kept()?) {
            Ok(ObjectEntry::Opened { scope, .. }) => scope,
            _ => None,
        };
        if self.scopes.len() >= SCOPES_MAX {
            self.scopes.clear();
        }
        self.scopes.insert(leaf, scope.clone());
        Ok(scope)
    }
}

/// Where a sign of life is found: those of a stream together and by its leaf, the others by what they are.
pub(super) fn pulse_mark(pulse: &PulseEntry, stream: Option<u64>) -> Folded {
    let names = match stream {
        Some(stream) => vec![SILENCES_MARK.to_owned(), stream_mark(stream)],
        None => vec![pulse.name().to_owned()],
    };
    Folded::Mark("ascribe.pulse", names)
}

/// The name under which the silences of all streams are found.
pub const SILENCES_MARK: &str = "silence";

/// The name under which the silences of a stream are found.
pub fn stream_mark(stream: u64) -> String {
    format!("stream {stream}")
}

/// Kind of the key under which timestamps are found.
pub const TIMESTAMP_KIND: &str = "ascribe.timestamp";

/// Its value.
pub const TIMESTAMP_NAME: &str = "token";

fn reject_reason(captured: &[u8]) -> String {
    let line = captured.split(|&byte| byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice::<RejectHeader>(line).map_or_else(|_| "unknown".to_owned(), |header| header.reason)
}

fn withheld_in(entry: &ascribe_ledger::Entry) -> Vec<WithheldValue> {
    entry.captured().filter(|_| entry.envelope().withheld()).map(withheld_values).unwrap_or_default()
}

fn push<'b>(
    builder: &'b mut SegmentBuilder,
    leaf: u64,
    received_at: Timestamp,
    (folded, outlines): (&Folded, &[Outlines]),
) -> Result<&'b [Sighting], CatchUpError> {
    let entry = match folded {
        Folded::Record { object, stream, withheld, span_length, buffer, events, .. } => {
            Entry::Record(Record {
                leaf,
                object: *object,
                stream: *stream,
                received_at,
                withheld: *withheld,
                span_length: *span_length,
                events: outlines[*buffer].record(*events),
            })
        }
        Folded::Reject { object, span, reason, .. } => Entry::Reject(Reject {
            leaf,
            object: *object,
            received_at,
            span: ascribe_store::Span { offset: span.offset, length: span.length },
            reason,
            source: None,
        }),
        Folded::Object { object, entry } => object_entry(leaf, *object, entry),
        Folded::Stream(stream) => Entry::Stream(Stream {
            leaf,
            source: &stream.source,
            scope: &stream.scope,
            partition: stream.partition.as_deref(),
        }),
        Folded::Config(name) => Entry::Config(Config { leaf, name }),
        Folded::IndexRoot => Entry::IndexRoot { leaf },
        Folded::Mark(kind, names) => Entry::Mark(Mark { leaf, kind, names }),
        Folded::Erased => Entry::Erased { leaf },
        Folded::Other => Entry::Other { leaf },
    };
    builder.push(entry).map_err(|source| CatchUpError::Push { leaf, source })?;
    note_withheld(builder, (folded, outlines));
    Ok(builder.sightings())
}

fn note_withheld(builder: &mut SegmentBuilder, (folded, outlines): (&Folded, &[Outlines])) {
    let (values, event) = match folded {
        Folded::Record { withheld_values, .. } | Folded::Reject { withheld_values, .. }
            if withheld_values.is_empty() =>
        {
            return;
        }
        Folded::Record { withheld_values, buffer, events, .. } => {
            (withheld_values, outlines[*buffer].record(*events).first())
        }
        Folded::Reject { withheld_values, .. } => (withheld_values, None),
        _ => return,
    };
    for value in values {
        builder.note_withheld(&WithheldValues {
            source: event.map_or("", |(source, _)| source),
            rule: &value.rule,
            method: value.method,
            count: value.count,
            time: event.and_then(|(_, time)| time),
        });
    }
}

fn object_entry(leaf: u64, opened: Option<u64>, entry: &ObjectEntry) -> Entry<'_> {
    match entry {
        ObjectEntry::Opened { name, .. } => {
            Entry::Object(Object { leaf, name, closes: None, totals: ObjectTotals::default() })
        }
        ObjectEntry::Digest { digest, .. } => {
            Entry::Digest(Digest { leaf, object: opened.unwrap_or(leaf), digest })
        }
        ObjectEntry::Closed(closed) => Entry::Object(Object {
            leaf,
            name: "",
            closes: opened,
            totals: ObjectTotals {
                records: closed.records,
                rejects: closed.rejects,
                framing_bytes: closed.framing_bytes,
                bytes: closed.decoded_bytes,
            },
        }),
        ObjectEntry::SeenAgain { .. } => Entry::Other { leaf },
    }
}
