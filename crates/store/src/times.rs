//! When the events of some leaves happened, without reading the leaves: from the column `time` of the table `events`.
//!
//! It reads two columns of the segments concerned and nothing else. Like everything in the store it proves nothing: it
//! says which entries are worth reading first.

use std::collections::BTreeMap;
use std::fs::File;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt64Type};
use arrow_array::{BooleanArray, PrimitiveArray, RecordBatch};
use arrow_schema::ArrowError;
use ascribe_model::Timestamp;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowFilter,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;

use crate::Store;
use crate::error::{Damage, ReadError};
use crate::layout::table_file;
use crate::stored::StoredSegment;

/// The table whose rows are events.
const EVENTS: &str = "events";
/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 8_192;
/// A day, in nanoseconds.
const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// When the events of one leaf happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeafTimes {
    /// Events of the leaf at their first sighting.
    pub events: u64,
    /// How many of them have no time.
    pub undated: u64,
    /// Earliest time among those that have one.
    pub first: Option<Timestamp>,
    /// Latest time among those that have one.
    pub last: Option<Timestamp>,
}

impl Store {
    /// When the events of `leaves`, which are in order, happened, as far as that is in the window: a leaf whose events
    /// are all outside it may have none here. Events without a time are never left out.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub fn times(
        &self,
        leaves: &[u64],
        window: Option<(Timestamp, Timestamp)>,
    ) -> Result<BTreeMap<u64, LeafTimes>, ReadError> {
        let mut times: BTreeMap<u64, LeafTimes> =
            leaves.iter().map(|leaf| (*leaf, LeafTimes::default())).collect();
        let mut files = Vec::new();
        for segment in &self.segments {
            let range = segment.range();
            let start = leaves.partition_point(|leaf| *leaf < range.start);
            let end = leaves.partition_point(|leaf| *leaf < range.end);
            if start < end {
                let wanted = Arc::new(LeafSet::new(&leaves[start..end]));
                let of_segment = self.event_files(segment, window).into_iter();
                files.extend(of_segment.map(|file| (file, Arc::clone(&wanted))));
            }
        }
        for (leaf, moment) in read_all(&files)? {
            times.entry(leaf).or_default().add(moment);
        }
        Ok(times)
    }

    /// The files with the events of a segment: one, or one for each day that the window touches.
    fn event_files(&self, segment: &StoredSegment, window: Option<(Timestamp, Timestamp)>) -> Vec<PathBuf> {
        let name = table_file(EVENTS);
        if segment.summary.files.contains_key(&name) {
            return vec![segment.folder.join(name)];
        }
        let of_events = segment.summary.partitions.keys().filter(|path| {
            path.split('/').next() == Some(EVENTS) && window.is_none_or(|window| may_touch(path, window))
        });
        of_events.map(|path| self.layout.root.join(path)).collect()
    }
}

/// Whether the file of a day may hold an event of the window; that of events without a time may.
fn may_touch(path: &str, (since, until): (Timestamp, Timestamp)) -> bool {
    let day = path.split('/').find_map(|part| part.strip_prefix("day="));
    let starts: Option<Timestamp> = day.and_then(|day| format!("{day}T00:00:00Z").parse().ok());
    starts.is_none_or(|start| start <= until && since < start.plus_nanoseconds(DAY_NS))
}

impl LeafTimes {
    fn add(&mut self, time: Option<Timestamp>) {
        self.events += 1;
        self.undated += u64::from(time.is_none());
        self.first = [self.first, time].into_iter().flatten().min();
        self.last = self.last.max(time);
    }
}

/// Some leaves of one segment, a bit for each leaf from the first to the last: a segment has a row for each of its
/// million leaves, and few are asked for.
struct LeafSet {
    first: u64,
    bits: Vec<u64>,
}

impl LeafSet {
    /// `leaves` are in order.
    fn new(leaves: &[u64]) -> Self {
        let (first, last) = (leaves.first().copied().unwrap_or(0), leaves.last().copied().unwrap_or(0));
        let mut bits = vec![0; ((last - first) / 64 + 1) as usize];
        for leaf in leaves {
            bits[((leaf - first) / 64) as usize] |= 1 << ((leaf - first) % 64);
        }
        Self { first, bits }
    }

    fn contains(&self, leaf: u64) -> bool {
        let Some(offset) = leaf.checked_sub(self.first) else { return false };
        self.bits.get((offset / 64) as usize).is_some_and(|bits| bits >> (offset % 64) & 1 == 1)
    }
}

/// A leaf, and when one of its events happened.
type Moment = (u64, Option<Timestamp>);

/// Reads the wanted leaves of each file, on as many threads as there are cores: a file has a million rows.
fn read_all(files: &[(PathBuf, Arc<LeafSet>)]) -> Result<Vec<Moment>, ReadError> {
    let read = |files: &[(PathBuf, Arc<LeafSet>)]| {
        let mut moments = Vec::new();
        files.iter().try_for_each(|(file, wanted)| read_times(file, wanted, &mut moments)).map(|()| moments)
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    if threads == 1 || files.len() < 2 {
        return read(files);
    }
    let parts: Vec<_> = std::thread::scope(|scope| {
        let parts = files.chunks(files.len().div_ceil(threads));
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || read(part))).collect();
        let ended = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked)));
        ended.collect()
    });
    let parts: Vec<Vec<Moment>> = parts.into_iter().collect::<Result<_, _>>()?;
    Ok(parts.concat())
}

/// Adds the times of the wanted leaves. Of other rows only the leaf is decoded.
fn read_times(path: &Path, wanted: &Arc<LeafSet>, moments: &mut Vec<Moment>) -> Result<(), ReadError> {
    let file = File::open(path).map_err(|error| ReadError::io(path, error))?;
    let table = |source| ReadError::Table { file: path.to_owned(), source };
    // Where pages lie, so that whole pages of times are passed over.
    let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).map_err(table)?;
    let columns = ProjectionMask::columns(reader.parquet_schema(), ["leaf", "time"]);
    let leaf = ProjectionMask::columns(reader.parquet_schema(), ["leaf"]);
    let (named, wanted) = (path.to_owned(), Arc::clone(wanted));
    let is_wanted = ArrowPredicateFn::new(leaf, move |batch| {
        let leaves = leaves_of(&named, &batch).map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
        Ok(BooleanArray::from_unary(leaves, |leaf| wanted.contains(leaf)))
    });
    let reader = reader.with_projection(columns).with_row_filter(RowFilter::new(vec![Box::new(is_wanted)]));
    for batch in reader.with_batch_size(BATCH_ROWS).build().map_err(table)? {
        let batch = batch.map_err(|error| table(ParquetError::ArrowError(error.to_string())))?;
        let (leaves, times) = columns_of(path, &batch)?;
        let found = leaves.values().iter().zip(times);
        moments.extend(found.map(|(leaf, time)| (*leaf, time.map(Timestamp::from_nanoseconds))));
    }
    Ok(())
}

type Leaves<'b> = &'b PrimitiveArray<UInt64Type>;
type Times<'b> = &'b PrimitiveArray<TimestampNanosecondType>;

fn leaves_of<'b>(path: &Path, batch: &'b RecordBatch) -> Result<Leaves<'b>, ReadError> {
    let leaves = batch.column_by_name("leaf").and_then(|column| column.as_primitive_opt());
    leaves.ok_or_else(|| other_columns(path))
}

fn columns_of<'b>(path: &Path, batch: &'b RecordBatch) -> Result<(Leaves<'b>, Times<'b>), ReadError> {
    let times = batch.column_by_name("time").and_then(|column| column.as_primitive_opt());
    Ok((leaves_of(path, batch)?, times.ok_or_else(|| other_columns(path))?))
}

fn other_columns(path: &Path) -> ReadError {
    Damage::new(path, 0, "columns leaf and time".to_owned(), "others".to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_leaves_has_those_and_no_others() {
        let leaves = [5, 6, 69, 70, 1_000_000];
        let set = LeafSet::new(&leaves);
        let around = leaves.iter().flat_map(|leaf| leaf - 2..leaf + 3);
        for leaf in around.chain([0, u64::MAX]) {
            assert_eq!(set.contains(leaf), leaves.contains(&leaf), "{leaf}");
        }
    }

    #[test]
    fn days_outside_the_window_are_left_out_and_undated_events_never() {
        let window = ("2026-08-14T23:59:59Z".parse().unwrap(), "2026-08-15T00:00:00Z".parse().unwrap());
        for (day, expected) in [
            ("2026-08-13", false),
            ("2026-08-14", true),
            ("2026-08-15", true),
            ("2026-08-16", false),
            ("__HIVE_DEFAULT_PARTITION__", true),
        ] {
            assert_eq!(may_touch(&format!("events/day={day}/0-1048576.parquet"), window), expected, "{day}");
        }
    }
}
