//! When the events of some leaves happened, without reading the leaves: from the column `time` of the table `events`.
//!
//! It reads two columns of the segments concerned and nothing else. Like everything in the store it proves nothing: it
//! says which entries are worth reading first.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt64Type};
use arrow_array::{PrimitiveArray, RecordBatch};
use ascribe_model::Timestamp;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;

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
        for segment in &self.segments {
            let range = segment.range();
            let start = leaves.partition_point(|leaf| *leaf < range.start);
            let end = leaves.partition_point(|leaf| *leaf < range.end);
            if start < end {
                for file in self.event_files(segment, window) {
                    read_times(&file, &mut times)?;
                }
            }
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

/// Adds the times of those leaves that `times` has.
fn read_times(path: &Path, times: &mut BTreeMap<u64, LeafTimes>) -> Result<(), ReadError> {
    let file = File::open(path).map_err(|error| ReadError::io(path, error))?;
    let table = |source| ReadError::Table { file: path.to_owned(), source };
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(table)?;
    let columns = ProjectionMask::columns(reader.parquet_schema(), ["leaf", "time"]);
    for batch in reader.with_projection(columns).with_batch_size(BATCH_ROWS).build().map_err(table)? {
        let batch = batch.map_err(|error| table(ParquetError::ArrowError(error.to_string())))?;
        let (leaves, moments) = columns_of(path, &batch)?;
        for (leaf, moment) in leaves.values().iter().zip(moments) {
            if let Some(known) = times.get_mut(leaf) {
                known.add(moment.map(Timestamp::from_nanoseconds));
            }
        }
    }
    Ok(())
}

type Leaves<'b> = &'b PrimitiveArray<UInt64Type>;
type Moments<'b> = &'b PrimitiveArray<TimestampNanosecondType>;

fn columns_of<'b>(path: &Path, batch: &'b RecordBatch) -> Result<(Leaves<'b>, Moments<'b>), ReadError> {
    let leaves = batch.column_by_name("leaf").and_then(|column| column.as_primitive_opt());
    let moments = batch.column_by_name("time").and_then(|column| column.as_primitive_opt());
    leaves
        .zip(moments)
        .ok_or_else(|| Damage::new(path, 0, "columns leaf and time".to_owned(), "others".to_owned()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

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
