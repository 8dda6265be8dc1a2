//! Building a segment: entries in leaf order become files in a folder of their own.
//!
//! A segment counts only once a manifest names it (`publish.rs`); until then its folder is a leftover that the next
//! publication removes.

use std::path::Path;
use std::sync::Arc;

use ascribe_model::{EventId, Timestamp};
use hashbrown::HashTable;
use sha2::{Digest, Sha256};

use crate::cell::Columns;
use crate::durable::Steps;
use crate::entry::{Entry, Record, Sighting};
use crate::error::{FinishError, PushError, ReadError, WriteError};
use crate::id_index::{self, IdAt, Ids};
use crate::key_index::{self, Occasions};
use crate::layout::{self, FORMAT, IDS_FILE, KEYS_FILE, Layout, SUMMARY_FILE};
use crate::outline::Outline;
use crate::plan::RANGE;
use crate::rows::{Place, Rows};
use crate::spare::{Collected, Spare};
use crate::stored::StoredSegment;
use crate::summary::{FileSummary, SegmentSummary, StreamReceipt};
use crate::table_file::TableWriter;
use crate::tables::DeliveryRow;
use crate::withheld::{WithheldSums, WithheldValues};
use crate::{Store, hex};

/// Name of the configuration under which values are withheld.
const POLICY: &str = "capture_policy";

/// Collects the entries of one segment.
pub struct SegmentBuilder {
    layout: Layout,
    steps: Steps,
    /// The segments of the store, of which those before this one are asked for known events.
    stored: Vec<Arc<StoredSegment>>,
    first: u64,
    next: u64,
    rows: Rows,
    spare: Spare,
    summary: SegmentSummary,
    withheld: WithheldSums,
    sightings: Vec<Sighting>,
}

/// A segment whose files are durable, ready for [`Store::publish`].
#[derive(Debug)]
pub struct Segment {
    pub(crate) summary: SegmentSummary,
    /// SHA-256 of `summary.json`.
    pub(crate) digest: [u8; 32],
}

impl SegmentBuilder {
    /// A segment that starts at leaf `first`. Events of earlier segments of the store count as seen.
    pub fn new(first: u64, store: &Store) -> Self {
        Self {
            layout: store.layout.clone(),
            steps: store.steps.clone(),
            stored: store.segments.clone(),
            first,
            next: first,
            rows: Rows::new(store.spare.take()),
            spare: store.spare.clone(),
            summary: SegmentSummary { format: FORMAT, first, end: first, ..SegmentSummary::default() },
            withheld: WithheldSums::default(),
            sightings: Vec::new(),
        }
    }

    /// Adds the next entry. For each event of a record, in order, says whether it was seen before.
    ///
    /// After an error the builder is of no further use.
    pub fn push(&mut self, entry: Entry<'_>) -> Result<&[Sighting], PushError> {
        let leaf = entry.leaf();
        let range_end = self.first - self.first % RANGE + RANGE;
        if leaf != self.next {
            return Err(PushError::Order { expected: self.next, found: leaf });
        }
        if leaf >= range_end {
            return Err(PushError::Range { leaf, end: range_end });
        }
        let events = if let Entry::Record(record) = &entry { record.events.count() } else { 1 };
        if self.rows.collected.occasions.count() + events > Occasions::LIMIT as usize {
            return Err(PushError::Full { leaf, limit: Occasions::LIMIT });
        }
        self.sightings.clear();
        match entry {
            Entry::Record(record) => self.push_record(&record)?,
            Entry::Reject(reject) => {
                match self.summary.rejects.get_mut(reject.reason) {
                    Some(count) => *count += 1,
                    None => {
                        self.summary.rejects.insert(reject.reason.to_owned(), 1);
                    }
                }
                self.summary.reject_bytes += reject.span.length;
                self.rows.push_reject(&reject)?;
            }
            Entry::Object(object) => {
                self.summary.objects_opened += u64::from(object.closes.is_none());
                self.summary.objects_closed += u64::from(object.closes.is_some());
                self.rows.push_object(&object)?;
            }
            Entry::Digest(digest) => {
                self.summary.others += 1;
                self.rows.note_digest(&digest);
            }
            Entry::Stream(stream) => self.rows.push_stream(&stream)?,
            Entry::Config(config) => {
                self.rows.note_config(&config);
                if config.name == POLICY {
                    self.withheld.policy(leaf);
                }
            }
            Entry::IndexRoot { .. } => self.rows.note_index_root(leaf),
            Entry::Mark(mark) => self.rows.note_mark(&mark),
            Entry::Erased { .. } => self.summary.erased += 1,
            Entry::Other { .. } => self.summary.others += 1,
        }
        self.next += 1;
        Ok(&self.sightings)
    }

    /// For each event of the entry pushed last, whether it was seen before.
    pub fn sightings(&self) -> &[Sighting] {
        &self.sightings
    }

    /// Counts values that were withheld from the entry pushed last.
    pub fn note_withheld(&mut self, values: &WithheldValues<'_>) {
        self.withheld.add(self.next - 1, values);
    }

    /// Encodes the tables and indexes and makes them durable. Nothing is published yet.
    ///
    /// `end` is the first leaf after the segment, and has to be where the entries end.
    pub fn finish(mut self, end: u64) -> Result<Segment, FinishError> {
        if end != self.next {
            return Err(FinishError::End { expected: end, found: self.next });
        }
        if end == self.first {
            return Err(FinishError::Empty { first: end });
        }
        if self.stored.iter().any(|segment| segment.range() == (self.first..end)) {
            return Err(FinishError::Exists { first: self.first, end });
        }
        let folder = self.layout.segment_folder(self.first, end);
        self.summary.end = end;
        let mut summary = self.summary;
        (summary.withheld_values, summary.policy) = self.withheld.finish();
        let (files, collected) = encode(self.rows, &mut summary)?;
        self.spare.give(collected);
        // A folder of this name that no manifest names is what a crash left.
        self.steps.remove_folder(&folder)?;
        self.steps.create_folder(&folder)?;
        write_files(&self.steps, &folder, &files, &mut summary)?;
        Ok(seal(&self.steps, &self.layout, summary)?)
    }

    fn push_record(&mut self, record: &Record<'_>) -> Result<(), PushError> {
        self.summary.records += 1;
        self.summary.withheld += u64::from(record.withheld);
        self.summary.bytes += record.span_length;
        if let Some(stream) = record.stream {
            let heard = StreamReceipt { leaf: record.leaf, received_at: record.received_at };
            self.summary.heard.insert(stream, heard);
        }
        if record.events.count() == 0 {
            self.summary.records_without_events += 1;
        }
        let mut events = record.events;
        let mut ordinal = 0;
        while let Some(event) = events.take_event() {
            if ordinal == 0 {
                self.rows.sums.add_record(record, &event);
            }
            let sighting = self.push_event(Place { leaf: record.leaf, ordinal }, record, &event)?;
            self.sightings.push(sighting);
            ordinal += 1;
        }
        Ok(())
    }

    fn push_event(
        &mut self,
        place: Place,
        record: &Record<'_>,
        event: &Outline<'_>,
    ) -> Result<Sighting, PushError> {
        let id = event.row.event_id;
        let known = self.first_leaf(id, event.row.time);
        let known = known.map_err(|source| PushError::Known { leaf: place.leaf, source })?;
        let Some(first_leaf) = known else {
            self.rows.collected.seen.insert(id, place.leaf);
            self.summary.events.add(event.row.time);
            self.rows.push_event(place, record, event)?;
            return Ok(Sighting::First);
        };
        self.rows.collected.seen.repeats.push((id, place.leaf));
        self.summary.events.repeats += 1;
        self.rows.sums.add_repeat(event);
        self.rows.push_delivery(DeliveryRow {
            event_id: id,
            leaf: place.leaf,
            object: record.object,
            first_leaf,
        })?;
        Ok(Sighting::Repeat { first_leaf })
    }

    /// Where the event was seen first, if it was.
    fn first_leaf(&self, id: EventId, time: Option<Timestamp>) -> Result<Option<u64>, ReadError> {
        if let Some(leaf) = self.rows.collected.seen.find(&id) {
            return Ok(Some(leaf));
        }
        // Latest first: a repeat mostly follows soon. An id is in one segment only, so the order decides nothing.
        for segment in self.stored.iter().rev().filter(|segment| segment.range().end <= self.first) {
            // Equal ids mean equal content, so equal times, or nearly so.
            if segment.summary.events.may_hold(time)
                && let Some(leaf) = segment.ids()?.find(&id)?
            {
                return Ok(Some(leaf));
            }
        }
        Ok(None)
    }
}

/// Writes the summary into the segment's folder, where the other files are. The manifest follows.
pub(crate) fn seal(steps: &Steps, layout: &Layout, summary: SegmentSummary) -> Result<Segment, WriteError> {
    let folder = layout.segment_folder(summary.first, summary.end);
    let bytes = summary.to_bytes().map_err(|error| WriteError::io(&folder, error))?;
    steps.write_file(&folder.join(SUMMARY_FILE), &bytes)?;
    // From here the folder is complete, and so are the names in it.
    steps.sync_folder(&folder)?;
    steps.sync_folder(&layout.segments())?;
    Ok(Segment { summary, digest: Sha256::digest(&bytes).into() })
}

impl Segment {
    /// What the segment holds.
    pub fn summary(&self) -> &SegmentSummary {
        &self.summary
    }
}

/// The event ids of this segment.
#[derive(Default)]
pub(crate) struct Seen {
    /// Places in `new`.
    places: HashTable<u32>,
    new: Vec<IdAt>,
    repeats: Vec<IdAt>,
}

impl Seen {
    fn find(&self, id: &EventId) -> Option<u64> {
        let same = |&place: &u32| self.new[place as usize].0 == *id;
        self.places.find(hash(id), same).map(|&place| self.new[place as usize].1)
    }

    /// Forgets all ids; the memory stays for others.
    pub(crate) fn clear(&mut self) {
        self.places.clear();
        self.new.clear();
        self.repeats.clear();
    }

    fn ids(&self, first: u64) -> Ids<'_> {
        Ids { first, new: &self.new, repeats: &self.repeats }
    }

    fn insert(&mut self, id: EventId, leaf: u64) {
        let place = self.new.len() as u32;
        self.new.push((id, leaf));
        let new = &self.new;
        self.places.insert_unique(hash(&id), place, |&other| hash(&new[other as usize].0));
    }
}

/// An id is a hash already.
fn hash(id: &EventId) -> u64 {
    id.0.iter().take(8).fold(0, |hash, &byte| hash << 8 | u64::from(byte))
}

/// A file of a segment: name and content.
type FileBytes = (String, Vec<u8>);

/// Encodes all files but the summary, those of keys and those of events on a thread each. What was collected comes
/// back: its memory serves the next segment.
fn encode(rows: Rows, summary: &mut SegmentSummary) -> Result<(Vec<FileBytes>, Collected), WriteError> {
    let (mut sightings, mut coverage) = (rows.sightings, rows.coverage);
    let Collected { interned, occasions, seen } = &rows.collected;
    let order = interned.sorted();
    summary.streams = rows.sums.finish(interned, &order, &mut coverage, &mut sightings)?;
    let first = summary.first;
    let of_keys = || {
        let keys_index = key_index::encode(first, interned, &order, occasions)?;
        Ok(vec![table(rows.keys)?, (KEYS_FILE.to_owned(), keys_index)])
    };
    let of_events = || {
        Ok(vec![
            table(rows.events)?,
            table(rows.effects)?,
            table(sightings)?,
            table(rows.deliveries)?,
            table(coverage)?,
            table(rows.rejects)?,
            table(rows.objects)?,
            table(rows.streams)?,
            (IDS_FILE.to_owned(), id_index::encode(seen.ids(first))),
        ])
    };
    let (of_keys, of_events) = std::thread::scope(|scope| {
        let of_keys = scope.spawn(of_keys);
        let of_events = of_events();
        let of_keys = of_keys.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (of_keys, of_events)
    });
    let (of_keys, mut files): (Vec<FileBytes>, Vec<FileBytes>) = (of_keys?, of_events?);
    files.extend(of_keys);
    Ok((files, rows.collected))
}

fn table<C: Columns>(writer: TableWriter<C>) -> Result<FileBytes, WriteError> {
    Ok((layout::table_file(C::TABLE), writer.finish()?))
}

/// Writes the files one by one. A crash in between leaves a folder that no manifest names.
fn write_files(
    steps: &Steps,
    folder: &Path,
    files: &[FileBytes],
    summary: &mut SegmentSummary,
) -> Result<(), WriteError> {
    for (name, bytes) in files {
        steps.write_file(&folder.join(name), bytes)?;
        let digest = FileSummary { bytes: bytes.len() as u64, sha256: hex::digits(&Sha256::digest(bytes)) };
        summary.files.insert(name.clone(), digest);
    }
    Ok(())
}
