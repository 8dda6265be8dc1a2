//! Comparing and checking whole stores: digests of tables and of the key index, and of every file.
//!
//! Table digests are over rows in leaf order, sums added up, so that a store built batch by batch equals a rebuilt
//! one, compacted or not. They read everything, and are for rebuilds and tests, not for questions.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fs;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt32Type, UInt64Type};
use ascribe_model::{KeyKind, Role};
use sha2::{Digest, Sha256};

use crate::Store;
use crate::cell::schema;
use crate::error::{Damage, ReadError};
use crate::hex;
use crate::key_index::Cursor;
use crate::stored::StoredSegment;
use crate::table_file;
use crate::tables::{TABLES, Table};

/// Name under which [`Store::table_digests`] gives the digest of the key index.
const KEY_INDEX: &str = "keys.index";

/// Columns that are added up where segments meet; the others name what is counted.
const SUM_COLUMNS: [&str; 3] = ["events", "first", "last"];

/// Bytes collected before they are hashed.
const HASHED_BYTES: usize = 64 * 1024;

impl Store {
    /// SHA-256 over the rows of each table, and over the keys, roles and leaves of the index. Equal for equal
    /// ledgers and parsers, wherever segments end.
    pub fn table_digests(&self) -> Result<BTreeMap<String, [u8; 32]>, ReadError> {
        let mut digests = BTreeMap::new();
        for table in &TABLES {
            let digest = if is_sum(table) { self.digest_sums(table)? } else { self.digest_rows(table)? };
            digests.insert(table.name.to_owned(), digest);
        }
        digests.insert(KEY_INDEX.to_owned(), self.digest_keys()?);
        Ok(digests)
    }

    /// Reads every file and compares it with the digest in its segment's summary.
    pub fn check_files(&self) -> Result<(), ReadError> {
        for segment in &self.segments {
            let summary = &segment.summary;
            let files = summary.files.iter().map(|(name, file)| (segment.folder.join(name), file));
            let partitions =
                summary.partitions.iter().map(|(path, file)| (self.layout.root.join(path), file));
            for (path, expected) in files.chain(partitions) {
                let bytes = fs::read(&path).map_err(|error| ReadError::io(&path, error))?;
                let digest = hex::digits(&Sha256::digest(&bytes));
                if digest != expected.sha256 {
                    let expected = format!("{} bytes with SHA-256 `{}`", expected.bytes, expected.sha256);
                    let found = format!("{} with `{digest}`", bytes.len());
                    return Err(Damage::new(&path, 0, expected, found).into());
                }
            }
        }
        Ok(())
    }

    /// Over the digests of all rows, sorted by leaf and ordinal and, where those are equal, by digest: a unit keeps
    /// rows in another order than its ranges did.
    fn digest_rows(&self, table: &Table) -> Result<[u8; 32], ReadError> {
        let mut digest = Stream::default();
        let mut cells = Vec::new();
        for segment in &self.segments {
            let mut rows: Vec<(u64, u32, [u8; 32])> = Vec::new();
            self.read_table(table, segment, |batch| {
                for row in 0..batch.num_rows() {
                    cells.clear();
                    for column in batch.columns() {
                        table_file::put_cell(&mut cells, column.as_ref(), row);
                    }
                    rows.push((leaf(batch, row), ordinal(batch, row), Sha256::digest(&cells).into()));
                }
                Ok(())
            })?;
            rows.sort_unstable();
            for (_, _, row) in rows {
                digest.pending.extend_from_slice(&row);
                digest.relieve();
            }
        }
        Ok(digest.finish())
    }

    fn digest_sums(&self, table: &Table) -> Result<[u8; 32], ReadError> {
        let mut sums: BTreeMap<Vec<u8>, Sum> = BTreeMap::new();
        for segment in &self.segments {
            self.read_table(table, segment, |batch| {
                for row in 0..batch.num_rows() {
                    let mut name = Vec::new();
                    for (column, array) in table.columns.iter().zip(batch.columns()) {
                        if !SUM_COLUMNS.contains(&column.name) {
                            table_file::put_cell(&mut name, array.as_ref(), row);
                        }
                    }
                    sums.entry(name).or_default().add(batch, row);
                }
                Ok(())
            })?;
        }
        let mut digest = Stream::default();
        for (name, sum) in sums {
            digest.pending.extend_from_slice(&name);
            table_file::put_fixed(&mut digest.pending, sum.events);
            for moment in [sum.first, sum.last] {
                digest.pending.push(u8::from(moment.is_some()));
                table_file::put_fixed(&mut digest.pending, moment.unwrap_or_default().cast_unsigned());
            }
            digest.relieve();
        }
        Ok(digest.finish())
    }

    fn read_table(
        &self,
        table: &Table,
        segment: &StoredSegment,
        mut visit: impl FnMut(&RecordBatch) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let schema = schema(table.columns);
        for path in segment.table_paths(&self.layout, table) {
            table_file::read(&path, &schema, &mut visit)?;
        }
        Ok(())
    }

    /// Walks over the indexes of all segments at once, in the order of keys.
    fn digest_keys(&self) -> Result<[u8; 32], ReadError> {
        let mut cursors = Vec::new();
        let mut next = BinaryHeap::new();
        for segment in &self.segments {
            let mut cursor = segment.keys()?.start();
            if cursor.advance()? {
                next.push(Reverse((sort_key(&cursor), cursors.len())));
            }
            cursors.push(cursor);
        }
        let mut digest = Stream::default();
        while let Some(Reverse((key, place))) = next.peek() {
            let (key, mut place) = (key.clone(), *place);
            let mut roles: BTreeMap<Role, BTreeSet<u64>> = BTreeMap::new();
            loop {
                let cursor = &mut cursors[place];
                for entry in cursor.roles()? {
                    roles.entry(entry.role).or_default().extend(cursor.leaves(&entry)?);
                }
                next.pop();
                if cursor.advance()? {
                    next.push(Reverse((sort_key(cursor), place)));
                }
                match next.peek() {
                    Some(Reverse((same, other))) if *same == key => place = *other,
                    _ => break,
                }
            }
            digest.add_key(&key, &roles);
        }
        Ok(digest.finish())
    }
}

/// Leaf of a row.
fn leaf(batch: &RecordBatch, row: usize) -> u64 {
    let column = batch.column_by_name("leaf");
    column.map_or(0, |column| column.as_primitive::<UInt64Type>().value(row))
}

/// Position of a row among those of its leaf; 0 in tables that have one row for each.
fn ordinal(batch: &RecordBatch, row: usize) -> u32 {
    let column = batch.column_by_name("ordinal");
    column.map_or(0, |column| column.as_primitive::<UInt32Type>().value(row))
}

type SortKey = (Vec<u8>, KeyKind, String);

fn sort_key(cursor: &Cursor) -> SortKey {
    (cursor.value().to_vec(), cursor.kind().clone(), cursor.scope().to_owned())
}

fn is_sum(table: &Table) -> bool {
    table.columns.iter().any(|column| column.name == SUM_COLUMNS[0])
}

/// Hashes what is pending, now and then.
#[derive(Default)]
struct Stream {
    hash: Sha256,
    pending: Vec<u8>,
}

impl Stream {
    fn relieve(&mut self) {
        if self.pending.len() > HASHED_BYTES {
            self.hash.update(&self.pending);
            self.pending.clear();
        }
    }

    fn add_key(&mut self, (value, kind, scope): &SortKey, roles: &BTreeMap<Role, BTreeSet<u64>>) {
        for text in [value.as_slice(), kind.name().as_bytes(), scope.as_bytes()] {
            table_file::put_fixed(&mut self.pending, text.len() as u64);
            self.pending.extend_from_slice(text);
        }
        for (role, leaves) in roles {
            self.pending.push(1 + *role as u8);
            table_file::put_fixed(&mut self.pending, leaves.len() as u64);
            for &leaf in leaves {
                table_file::put_fixed(&mut self.pending, leaf);
            }
        }
        self.pending.push(0);
        self.relieve();
    }

    fn finish(mut self) -> [u8; 32] {
        self.hash.update(&self.pending);
        self.hash.finalize().into()
    }
}

/// Events counted under one name, over segments. Moments are nanoseconds.
#[derive(Default)]
struct Sum {
    events: u64,
    first: Option<i64>,
    last: Option<i64>,
}

impl Sum {
    fn add(&mut self, batch: &RecordBatch, row: usize) {
        let number =
            |name| batch.column_by_name(name).map(|column| column.as_primitive::<UInt64Type>().value(row));
        self.events += number(SUM_COLUMNS[0]).unwrap_or_default();
        let moment = |name| {
            let column = batch.column_by_name(name)?.as_primitive::<TimestampNanosecondType>();
            arrow_array::Array::is_valid(column, row).then(|| column.value(row))
        };
        self.first = [self.first, moment(SUM_COLUMNS[1])].into_iter().flatten().min();
        self.last = self.last.max(moment(SUM_COLUMNS[2]));
    }
}
