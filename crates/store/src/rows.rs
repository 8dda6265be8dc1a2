//! How an entry becomes rows of tables and keys of the index.
//!
//! It deliberately does not know whether an event was seen before, nor where files lie.

use ascribe_model::{Role, Trust, is_lasting};

use crate::entry::{Config, Digest, Mark, Object, Record, Reject, Stream};
use crate::error::WriteError;
use crate::outline::{KeyOutline, Outline};
use crate::spare::Collected;
use crate::sums::Sums;
use crate::table_file::TableWriter;
use crate::tables::{
    CoverageColumns, DeliveryColumns, DeliveryRow, EffectColumns, EffectRow, EventColumns, EventRow,
    KeyColumns, KeyRow, ObjectColumns, ObjectRow, RejectColumns, RejectRow, SightingColumns, StreamColumns,
    StreamRow,
};
use crate::words;

/// Kind of the key under which it is found that an object is closed: its value is the leaf of the opening entry.
pub(crate) const OBJECT_CLOSED_KIND: &str = "ascribe.object_closed";

/// Kind of the key under which an object's digest is found.
pub(crate) const OBJECT_KIND: &str = "ascribe.object";
/// Kind of the key under which a stream's announcement is found.
pub(crate) const STREAM_KIND: &str = "ascribe.stream";
/// Kind under which configurations are found by name.
const CONFIG_KIND: &str = "ascribe.config";
/// Key under which the roots of completeness indexes are found.
const INDEX_KEY: (&str, &str) = ("ascribe.index", "index-root");
/// Kind of the keys under which identities are found by their names.
pub(crate) const NAME_KIND: &str = "name";
/// Key kind of what an event says about visibility, such as `recording_stopped`.
pub(crate) const HINT_KIND: &str = "hint";
/// Among the hints: that an event does something to credentials which it describes instead of naming one.
pub const ON_SET: &str = "effect_on_set";
/// Among the hints, before the kind of an identifier: that an event says by a lasting one, which its caller did not choose,
/// whom it concerns beside the one who acted.
pub const LASTING_SUBJECT: &str = "lasting_subject:";

/// The rows of a segment, and its keys.
pub(crate) struct Rows {
    pub(crate) events: TableWriter<EventColumns>,
    pub(crate) keys: TableWriter<KeyColumns>,
    pub(crate) effects: TableWriter<EffectColumns>,
    pub(crate) sightings: TableWriter<SightingColumns>,
    pub(crate) deliveries: TableWriter<DeliveryColumns>,
    pub(crate) coverage: TableWriter<CoverageColumns>,
    pub(crate) rejects: TableWriter<RejectColumns>,
    pub(crate) objects: TableWriter<ObjectColumns>,
    pub(crate) streams: TableWriter<StreamColumns>,
    pub(crate) collected: Collected,
    pub(crate) sums: Sums,
    /// Numbers of the keys of the event at hand, in its order.
    numbers: Vec<u32>,
}

/// Where an event stands.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) leaf: u64,
    pub(crate) ordinal: u32,
}

impl Rows {
    pub(crate) fn new(collected: Collected) -> Self {
        Self {
            events: TableWriter::new(),
            keys: TableWriter::new(),
            effects: TableWriter::new(),
            sightings: TableWriter::new(),
            deliveries: TableWriter::new(),
            coverage: TableWriter::new(),
            rejects: TableWriter::new(),
            objects: TableWriter::new(),
            streams: TableWriter::new(),
            collected,
            sums: Sums::default(),
            numbers: Vec::new(),
        }
    }

    /// Adds an event at its first sighting.
    pub(crate) fn push_event(
        &mut self,
        place: Place,
        record: &Record<'_>,
        event: &Outline<'_>,
    ) -> Result<(), WriteError> {
        let Place { leaf, ordinal } = place;
        self.events.push(EventRow {
            leaf,
            ordinal,
            object: record.object,
            received_at: record.received_at,
            withheld: record.withheld,
            ..event.row
        })?;
        self.push_keys(place, event)?;
        for effect in event.effects() {
            self.effects.push(EffectRow { leaf, ordinal, ..effect })?;
        }
        self.sums.add(event, &self.numbers, &mut self.collected.interned);
        Ok(())
    }

    /// Adds a further delivery of an event.
    pub(crate) fn push_delivery(&mut self, row: DeliveryRow<'_>) -> Result<(), WriteError> {
        self.deliveries.push(row)
    }

    pub(crate) fn push_reject(&mut self, reject: &Reject<'_>) -> Result<(), WriteError> {
        self.rejects.push(RejectRow {
            leaf: reject.leaf,
            object: reject.object,
            received_at: reject.received_at,
            span_offset: reject.span.offset,
            span_length: reject.span.length,
            reason: reject.reason,
            source: reject.source,
        })
    }

    /// Notes the digest of an object. It is found at the leaf of the opening entry.
    pub(crate) fn note_digest(&mut self, digest: &Digest<'_>) {
        self.collected.occasions.start(digest.object, None);
        let key = self.collected.interned.intern(OBJECT_KIND, "", digest.digest);
        self.collected.occasions.note(key, Role::Native);
    }

    /// Adds an entry of an object. That it is closed is found by the leaf of its opening entry, and there.
    pub(crate) fn push_object(&mut self, object: &Object<'_>) -> Result<(), WriteError> {
        if let Some(opened) = object.closes {
            self.collected.occasions.start(opened, None);
            let key = self.collected.interned.intern(OBJECT_CLOSED_KIND, "", &opened.to_string());
            self.collected.occasions.note(key, Role::Ended);
        }
        self.objects.push(ObjectRow {
            leaf: object.leaf,
            name: object.name,
            closes: object.closes,
            records: object.totals.records,
            rejects: object.totals.rejects,
            framing_bytes: object.totals.framing_bytes,
            bytes: object.totals.bytes,
        })
    }

    /// Adds a stream. It is found by source, scope and partition, with a blank between.
    pub(crate) fn push_stream(&mut self, stream: &Stream<'_>) -> Result<(), WriteError> {
        self.collected.occasions.start(stream.leaf, None);
        let parts = [stream.source, stream.scope].into_iter().chain(stream.partition);
        let key = self.collected.interned.intern(STREAM_KIND, "", &parts.collect::<Vec<_>>().join(" "));
        self.collected.occasions.note(key, Role::Native);
        self.streams.push(StreamRow {
            leaf: stream.leaf,
            source: stream.source,
            scope: stream.scope,
            partition: stream.partition,
        })
    }

    /// Notes where something was configured. It is found by its name.
    pub(crate) fn note_config(&mut self, config: &Config<'_>) {
        self.collected.occasions.start(config.leaf, None);
        let key = self.collected.interned.intern(CONFIG_KIND, "", config.name);
        self.collected.occasions.note(key, Role::Native);
    }

    /// Notes where the root of a completeness index is.
    pub(crate) fn note_index_root(&mut self, leaf: u64) {
        self.collected.occasions.start(leaf, None);
        let (kind, value) = INDEX_KEY;
        let key = self.collected.interned.intern(kind, "", value);
        self.collected.occasions.note(key, Role::Native);
    }

    /// Notes where the ledger says something of itself.
    pub(crate) fn note_mark(&mut self, mark: &Mark<'_>) {
        self.collected.occasions.start(mark.leaf, None);
        for name in mark.names {
            let key = self.collected.interned.intern(mark.kind, "", name);
            self.collected.occasions.note(key, Role::Native);
        }
    }

    fn push_keys(&mut self, place: Place, event: &Outline<'_>) -> Result<(), WriteError> {
        let Place { leaf, ordinal } = place;
        self.collected.occasions.start(leaf, event.row.time);
        self.numbers.clear();
        for KeyOutline { role, row } in event.keys() {
            // A record's own identifiers hardly ever come again, so looking for them would be in vain.
            let number = match role {
                Role::Native => self.collected.interned.add(row.kind, row.scope, row.value),
                _ => self.collected.interned.intern(row.kind, row.scope, row.value),
            };
            self.numbers.push(number);
            self.collected.occasions.note(number, role);
            if matches!(role, Role::Subject | Role::Behalf)
                && is_lasting(row.kind, row.value)
                && row.trust != words::trust(Trust::SelfAsserted)
            {
                let hint = format!("{LASTING_SUBJECT}{}", row.kind);
                let number = self.collected.interned.intern(HINT_KIND, "", &hint);
                self.collected.occasions.note(number, Role::Name);
            }
            if !matches!(role, Role::Native | Role::Name) {
                self.keys.push(KeyRow { leaf, ordinal, ..row })?;
            }
        }
        let on_set = event.is_on_set.then_some(ON_SET);
        let hints = event.hints().chain(on_set).map(|hint| (HINT_KIND, hint));
        for (kind, name) in event.names().map(|name| (NAME_KIND, name)).chain(hints) {
            let number = self.collected.interned.intern(kind, "", name);
            self.collected.occasions.note(number, Role::Name);
        }
        Ok(())
    }
}
