//! Compaction: sixteen complete ranges become one unit, whose rows lie by day and stand by who acted.
//!
//! A unit is a function of the leaves that it covers: it is the same whoever made it and when, nothing that comes later
//! changes it, and making it costs the same however much is stored. Late records are in a later unit, in the partition of
//! their own day. `docs/formats/store.md` states the files. Deliberately does not know when it pays: that is the
//! caller's to decide.

mod order;
mod table;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::durable::Steps;
use crate::error::{CompactError, WriteError};
use crate::id_index;
use crate::key_index;
use crate::layout::{IDS_FILE, KEYS_FILE, Layout, part_file, table_file};
use crate::segment::seal;
use crate::store::paths_in;
use crate::stored::StoredSegment;
use crate::summary::{FileSummary, SegmentSummary};
use crate::tables::{TABLES, Table};
use crate::{Store, hex, plan, withheld};

use order::{ByDay, UnitOrder, order};
use table::{Arrangement, UnitTable};

/// The tables that a unit keeps by day, below folders of their names.
pub(crate) const PARTITIONED: [&str; 3] = ["events", "keys", "effects"];

/// Most days on which the events of a unit may lie: eleven years. Log text is hostile; without a limit a million made-up
/// moments would become a million folders.
const DAYS_MAX: usize = 4_096;

/// What came of compacting a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compaction {
    /// It is in force.
    Done,
    /// Its ranges stay as they are, and will each time: nothing is lost by that but speed.
    Left(Unfit),
}

/// Why the ranges of a unit stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Its events lie on too many days.
    #[error("its events lie on {found} days, more than {limit}")]
    Days {
        /// How many.
        found: usize,
        /// How many may be.
        limit: usize,
    },
    /// Its texts are so long that a column would not fit in memory.
    #[error("texts in its table `{table}` are too long")]
    Texts {
        /// The table.
        table: &'static str,
    },
}

/// The files of a unit, by name or path, as far as they are written.
type Written = BTreeMap<String, FileSummary>;

impl Store {
    /// The units that can be made, in leaf order: sixteen complete ranges each.
    pub fn units(&self) -> Vec<Range<u64>> {
        let segments: Vec<_> = self.segments.iter().map(|segment| segment.range()).collect();
        plan::units(&segments)
    }

    /// Makes one of [`Store::units`] a unit and puts it in force. The files of its ranges go with the publication after
    /// that. Holds the unit's largest column and its encoded
    /// tables in memory: some hundred bytes an event, where texts are not very long.
    ///
    /// # Errors
    /// [`CompactError`]; the old state is in force, as [`Store::publish`] says.
    pub fn compact(&mut self, unit: Range<u64>) -> Result<Compaction, CompactError> {
        if !self.units().contains(&unit) {
            return Err(CompactError::NotAUnit { first: unit.start, end: unit.end });
        }
        let within = |segment: &&Arc<StoredSegment>| unit.contains(&segment.range().start);
        let segments: Vec<_> = self.segments.iter().filter(within).cloned().collect();
        let mut tables = BTreeMap::new();
        for table in TABLES {
            let name = table.name;
            let opened = UnitTable::open(table, &segments)?;
            if opened.has_long_texts() {
                return Ok(Compaction::Left(Unfit::Texts { table: name }));
            }
            tables.insert(name, opened);
        }
        let [events, keys, effects] = PARTITIONED;
        let order = match order([&tables[events], &tables[keys], &tables[effects]], DAYS_MAX)? {
            Ok(order) => order,
            Err(reason) => return Ok(Compaction::Left(reason)),
        };
        // Files that a crash left under the names of this unit.
        self.sweep_partitions()?;
        let writer = UnitWriter { steps: &self.steps, layout: &self.layout, unit, segments: &segments };
        let segment = writer.write(&tables, &order)?;
        self.publish(vec![segment], self.folded())?;
        Ok(Compaction::Done)
    }

    /// Removes every file of a partitioned table that the manifest in force does not name. No older manifest names
    /// others: units are never replaced.
    pub(crate) fn sweep_partitions(&self) -> Result<(), WriteError> {
        let in_force = |path: &Path| {
            let named = |segment: &Arc<StoredSegment>| {
                let file = part_file(segment.reference.first, segment.reference.end);
                segment.is_unit() && path.file_name().is_some_and(|name| name == file.as_str())
            };
            self.segments.iter().any(named)
        };
        for table in PARTITIONED {
            let folder = self.layout.root.join(table);
            if !folder.exists() {
                continue;
            }
            for day in paths_in(&folder)? {
                let (kept, stale): (Vec<_>, Vec<_>) =
                    paths_in(&day)?.into_iter().partition(|path| in_force(path));
                if kept.is_empty() {
                    self.steps.remove_folder(&day)?;
                } else {
                    stale.iter().try_for_each(|path| self.steps.remove_file(path))?;
                }
            }
        }
        Ok(())
    }
}

/// Writes the files of one unit. A crash in between leaves files that no manifest names.
struct UnitWriter<'a> {
    steps: &'a Steps,
    layout: &'a Layout,
    unit: Range<u64>,
    segments: &'a [Arc<StoredSegment>],
}

impl UnitWriter<'_> {
    /// Everything but the manifest: what remains is to publish it.
    fn write(
        &self,
        tables: &BTreeMap<&'static str, UnitTable>,
        order: &UnitOrder,
    ) -> Result<crate::Segment, CompactError> {
        let folder = self.layout.segment_folder(self.unit.start, self.unit.end);
        self.steps.remove_folder(&folder)?;
        self.steps.create_folder(&folder)?;
        let [events, keys, effects] = PARTITIONED;
        let others = tables.iter().filter(|(name, _)| !PARTITIONED.contains(*name));
        // Events are about half of the work.
        let (of_events, of_others) = std::thread::scope(|scope| {
            let of_events = scope.spawn(|| self.write_by_day(&tables[events], &order.events));
            let of_others = || {
                let mut partitions = self.write_by_day(&tables[keys], &order.keys)?;
                partitions.extend(self.write_by_day(&tables[effects], &order.effects)?);
                let mut files = self.write_indexes(&folder)?;
                for (name, table) in others {
                    let encoded = table.encode(&Arrangement::as_they_are(table.rows()))?;
                    for bytes in encoded {
                        let path = folder.join(table_file(name));
                        files.insert(table_file(name), self.write_file(&path, &bytes)?);
                    }
                }
                Ok::<_, CompactError>((partitions, files))
            };
            let of_others = of_others();
            let of_events = of_events.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (of_events, of_others)
        });
        let (mut partitions, (more, files)) = (of_events?, of_others?);
        partitions.extend(more);
        // The tables' own folders may be new.
        self.steps.sync_folder(&self.layout.root)?;
        let summary = SegmentSummary { files, partitions, ..self.totals() };
        Ok(seal(self.steps, self.layout, summary)?)
    }

    /// What the ranges hold together.
    fn totals(&self) -> SegmentSummary {
        let mut policy = None;
        let mut withheld = Vec::new();
        for segment in self.segments {
            withheld.push((segment.summary.withheld_values.as_slice(), policy));
            policy = segment.summary.policy.or(policy);
        }
        let withheld_values = withheld::merge(withheld.into_iter());
        let sum = SegmentSummary::sum(self.segments.iter().map(|segment| &segment.summary));
        SegmentSummary { withheld_values, ..sum }
    }

    fn write_by_day(&self, table: &UnitTable, by_day: &ByDay) -> Result<Written, CompactError> {
        let name = table.table.name;
        let mut written = Written::new();
        let encoded = table.encode(&by_day.arrangement)?;
        for (day, bytes) in by_day.days.iter().zip(encoded) {
            let day = day.folder();
            let folder = self.layout.day_folder(name, &day);
            let file = part_file(self.unit.start, self.unit.end);
            self.steps.create_folder(&folder)?;
            let summary = self.write_file(&folder.join(&file), &bytes)?;
            self.steps.sync_folder(&folder)?;
            written.insert(format!("{name}/{day}/{file}"), summary);
        }
        if !written.is_empty() {
            self.steps.sync_folder(&self.layout.root.join(name))?;
        }
        Ok(written)
    }

    fn write_indexes(&self, folder: &Path) -> Result<Written, CompactError> {
        let mut written = Written::new();
        let mut keys = Vec::new();
        let mut ids = Vec::new();
        for segment in self.segments {
            keys.push(Arc::clone(segment.keys()?));
            ids.push(segment.ids()?);
        }
        let earliest = self.segments.iter().filter_map(|segment| segment.summary.events.first).min();
        let bytes = key_index::merge(self.unit.start, earliest, &keys)?;
        written.insert(KEYS_FILE.to_owned(), self.write_file(&folder.join(KEYS_FILE), &bytes)?);
        drop(bytes);
        let bytes = id_index::merge(self.unit.start, &ids)?;
        written.insert(IDS_FILE.to_owned(), self.write_file(&folder.join(IDS_FILE), &bytes)?);
        Ok(written)
    }

    fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<FileSummary, WriteError> {
        self.steps.write_file(path, bytes)?;
        Ok(FileSummary { bytes: bytes.len() as u64, sha256: hex::digits(&Sha256::digest(bytes)) })
    }
}

impl StoredSegment {
    /// Whether this is a unit, which keeps some tables by day.
    pub(crate) fn is_unit(&self) -> bool {
        self.reference.end - self.reference.first == plan::UNIT
    }

    /// The files that hold the segment's rows of a table.
    pub(crate) fn table_paths(&self, layout: &Layout, table: &Table) -> Vec<PathBuf> {
        if !self.is_unit() || !PARTITIONED.contains(&table.name) {
            return vec![self.folder.join(table_file(table.name))];
        }
        let of_table = |path: &&String| path.split('/').next() == Some(table.name);
        self.summary.partitions.keys().filter(of_table).map(|path| layout.root.join(path)).collect()
    }
}
