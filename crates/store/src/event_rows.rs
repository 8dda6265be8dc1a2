//! Some columns of the table `events` at some leaves, without reading the leaves.
//!
//! Rows of a unit stand by who acted and with what. Whoever can say near which texts the wanted rows are likely to stand
//! has only those pages read; the rest is looked for everywhere. Like everything in the store it proves nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::num::NonZero;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{BooleanArray, PrimitiveArray, RecordBatch};
use arrow_schema::ArrowError;
use ascribe_model::Timestamp;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowFilter,
    RowSelection,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;

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
/// Files whose metadata is kept: about a megabyte each.
const METADATA_KEPT: usize = 32;

/// Texts near which wanted rows are likely to stand. Where rows of a segment stand in another order, it is looked through.
#[derive(Clone, Debug, Default)]
pub struct Near {
    /// Values of `actor_uid`, by which rows of a unit stand first. Of a credential nothing is known before who used it.
    pub actors: BTreeSet<String>,
}

/// What is looked for.
pub(crate) struct Wanted<'w> {
    /// Leaves, in order.
    pub(crate) leaves: &'w [u64],
    /// Days that do not touch it are left out; events without a time never.
    pub(crate) window: Option<(Timestamp, Timestamp)>,
    /// Where to look in units; everywhere without.
    pub(crate) near: Option<&'w Near>,
    /// Columns beside `leaf`.
    pub(crate) columns: &'w [&'static str],
}

/// Metadata of the files that were read last; shared by all views of a store. Files are never changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata(Arc<Mutex<Vec<(PathBuf, ArrowReaderMetadata)>>>);

/// One file to be read.
struct Part<'p> {
    path: PathBuf,
    leaves: Arc<LeafSet>,
    /// Where to look; everywhere without.
    near: Option<&'p Near>,
}

/// What is made of a batch of rows, each with its leaf.
pub(crate) type Take<'t, T> =
    &'t (dyn Fn(&Path, &RecordBatch, &mut Vec<(u64, T)>) -> Result<(), ReadError> + Sync);

impl Store {
    /// Whether each record at `leaves`, which are in order, that says anything is one event, as far as is known.
    pub fn has_single_events(&self, leaves: &[u64]) -> bool {
        let mut concerned =
            self.segments.iter().filter(|segment| !within(leaves, &segment.range()).is_empty());
        concerned.all(|segment| segment.has_single_events())
    }

    /// The rows of the wanted leaves, in no order: of each leaf all or, where they stand elsewhere than it was looked, none.
    pub(crate) fn rows_at<T: Send>(
        &self,
        wanted: &Wanted<'_>,
        take: Take<'_, T>,
    ) -> Result<Vec<(u64, T)>, ReadError> {
        let mut parts = Vec::new();
        for segment in &self.segments {
            let leaves = within(wanted.leaves, &segment.range());
            if !leaves.is_empty() {
                parts.extend(self.parts(segment, leaves, wanted));
            }
        }
        self.read_all(&parts, wanted, take)
    }

    /// The files of a segment that may hold rows of `leaves`.
    fn parts<'w>(&self, segment: &StoredSegment, leaves: &[u64], wanted: &Wanted<'w>) -> Vec<Part<'w>> {
        // A leaf of several events has rows in several places: one that is found says nothing of the others.
        let near = wanted.near.filter(|_| segment.is_unit() && segment.has_single_events());
        let leaves = Arc::new(LeafSet::new(leaves));
        let files = self.event_files(segment, wanted.window).into_iter();
        files.map(|path| Part { path, leaves: Arc::clone(&leaves), near }).collect()
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

    /// Reads each file, on as many threads as there are cores: one has a million rows.
    fn read_all<T: Send>(
        &self,
        parts: &[Part<'_>],
        wanted: &Wanted<'_>,
        take: Take<'_, T>,
    ) -> Result<Vec<(u64, T)>, ReadError> {
        let read = |parts: &[Part<'_>]| {
            let mut rows = Vec::new();
            parts.iter().try_for_each(|part| self.read(part, wanted, take, &mut rows)).map(|()| rows)
        };
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        if threads == 1 || parts.len() < 2 {
            return read(parts);
        }
        let read: Vec<_> = std::thread::scope(|scope| {
            let parts = parts.chunks(parts.len().div_ceil(threads));
            let threads: Vec<_> = parts.map(|part| scope.spawn(move || read(part))).collect();
            let ended = threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked)));
            ended.collect()
        });
        let mut rows = Vec::new();
        for part in read {
            rows.extend(part?);
        }
        Ok(rows)
    }

    /// Adds the wanted rows of a file. Of others only the leaf is decoded.
    fn read<T>(
        &self,
        part: &Part<'_>,
        wanted: &Wanted<'_>,
        take: Take<'_, T>,
        rows: &mut Vec<(u64, T)>,
    ) -> Result<(), ReadError> {
        let path = &part.path;
        let table = |source| ReadError::Table { file: path.clone(), source };
        let file = File::open(path).map_err(|error| ReadError::io(path, error))?;
        let metadata = self.metadata.of(path, &file).map_err(table)?;
        let mut reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
        if let Some(pages) = part.near.and_then(|near| Pages::near(metadata.metadata(), near)) {
            if pages.groups.is_empty() {
                return Ok(());
            }
            reader = reader.with_row_groups(pages.groups).with_row_selection(pages.rows);
        }
        let columns = std::iter::once("leaf").chain(wanted.columns.iter().copied());
        let columns = ProjectionMask::columns(reader.parquet_schema(), columns);
        let leaf = ProjectionMask::columns(reader.parquet_schema(), ["leaf"]);
        let (named, leaves) = (path.clone(), Arc::clone(&part.leaves));
        let is_wanted = ArrowPredicateFn::new(leaf, move |batch| {
            let found =
                leaves_of(&named, &batch).map_err(|error| ArrowError::ExternalError(Box::new(error)))?;
            Ok(BooleanArray::from_unary(found, |leaf| leaves.contains(leaf)))
        });
        let reader =
            reader.with_projection(columns).with_row_filter(RowFilter::new(vec![Box::new(is_wanted)]));
        for batch in reader.with_batch_size(BATCH_ROWS).build().map_err(table)? {
            let batch = batch.map_err(|error| table(ParquetError::ArrowError(error.to_string())))?;
            take(path, &batch, rows)?;
        }
        Ok(())
    }
}

/// The column of leaves.
pub(crate) fn leaves_of<'b>(
    path: &Path,
    batch: &'b RecordBatch,
) -> Result<&'b PrimitiveArray<UInt64Type>, ReadError> {
    let leaves = batch.column_by_name("leaf").and_then(|column| column.as_primitive_opt());
    leaves.ok_or_else(|| other_columns(path))
}

/// The file has other columns than this version writes.
pub(crate) fn other_columns(path: &Path) -> ReadError {
    Damage::new(path, 0, "the columns of the table `events`".to_owned(), "others".to_owned()).into()
}

/// Those of `leaves`, which are in order, that lie in the range.
fn within<'l>(leaves: &'l [u64], range: &Range<u64>) -> &'l [u64] {
    let start = leaves.partition_point(|leaf| *leaf < range.start);
    let end = leaves.partition_point(|leaf| *leaf < range.end);
    &leaves[start..end]
}

/// Whether the file of a day may hold an event of the window; that of events without a time may.
fn may_touch(path: &str, (since, until): (Timestamp, Timestamp)) -> bool {
    let day = path.split('/').find_map(|part| part.strip_prefix("day="));
    let starts: Option<Timestamp> = day.and_then(|day| format!("{day}T00:00:00Z").parse().ok());
    starts.is_none_or(|start| start <= until && since < start.plus_nanoseconds(DAY_NS))
}

impl Metadata {
    fn of(&self, path: &Path, file: &File) -> Result<ArrowReaderMetadata, ParquetError> {
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, metadata)) = kept().iter().find(|(known, _)| known == path) {
            return Ok(metadata.clone());
        }
        // Where pages lie and what they hold, so that whole pages are passed over.
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(file, options)?;
        let mut kept = kept();
        if kept.len() == METADATA_KEPT {
            kept.remove(0);
        }
        kept.push((path.to_owned(), metadata.clone()));
        Ok(metadata)
    }
}

/// Pages that may hold what is near.
struct Pages {
    /// Row groups that have any.
    groups: Vec<usize>,
    /// Their rows, counted over those groups alone.
    rows: RowSelection,
}

impl Pages {
    /// `None` where the file does not say what its pages hold.
    fn near(metadata: &ParquetMetaData, near: &Near) -> Option<Self> {
        let columns = metadata.file_metadata().schema_descr().columns();
        let column = columns.iter().position(|column| column.name() == "actor_uid")?;
        let (mut groups, mut ranges, mut before) = (Vec::new(), Vec::new(), 0);
        for (group, described) in metadata.row_groups().iter().enumerate() {
            let rows = usize::try_from(described.num_rows()).ok()?;
            let pages = metadata.column_index()?.get(group)?.get(column)?;
            let places = metadata.offset_index()?.get(group)?.get(column)?.page_locations();
            let starts = places.iter().map(|page| usize::try_from(page.first_row_index).ok());
            let starts: Vec<usize> = starts.collect::<Option<_>>()?;
            let held = pages_with(pages, &near.actors)?.map(|page| {
                let end = starts.get(page + 1).copied().unwrap_or(rows);
                starts[page]..end
            });
            let held: Vec<Range<usize>> = held.collect();
            if !held.is_empty() {
                groups.push(group);
                ranges.extend(held.into_iter().map(|range| before + range.start..before + range.end));
                before += rows;
            }
        }
        Some(Self { groups, rows: RowSelection::from_consecutive_ranges(ranges.into_iter(), before) })
    }
}

/// Numbers of the pages that may hold any of the texts; `None` where nothing is said of them.
fn pages_with<'p>(
    pages: &'p ColumnIndexMetaData,
    texts: &'p BTreeSet<String>,
) -> Option<impl Iterator<Item = usize> + 'p> {
    // Statistics are cut at some length, so that they bound what is in the page and need not be in it.
    let ColumnIndexMetaData::BYTE_ARRAY(bounds) = pages else { return None };
    Some((0..usize::try_from(pages.num_pages()).ok()?).filter(move |&page| {
        let (Some(least), Some(most)) = (bounds.min_value(page), bounds.max_value(page)) else {
            return !pages.is_null_page(page);
        };
        texts.iter().any(|text| least <= text.as_bytes() && text.as_bytes() <= most)
    }))
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
