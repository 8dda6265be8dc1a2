//! One table over all segments of a unit: read a column at a time, written anew in another order.
//!
//! A column of a unit fits in memory where a unit's rows would not, and a column that is encoded takes a tenth of that.
//! This file deliberately does not know what the order is, nor what a column means.

use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt32Array, new_empty_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::arrow::{ArrowSchemaConverter, ProjectionMask};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;

use crate::cell::{Column, Packing, schema};
use crate::error::{ReadError, WriteError};
use crate::layout::table_file;
use crate::stored::StoredSegment;
use crate::table_file::{ROW_GROUP_ROWS, check_columns, properties};
use crate::tables::Table;

use super::CompactError;

/// Most bytes, before compression, of one column of a unit. Arrow counts the bytes of texts in 31 bits, and a column is in
/// memory twice while it is put in order; a unit of ordinary records has a tenth of this.
const TEXT_BYTES_MAX: u64 = 1 << 30;

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 64 * 1024;

/// One table over all segments of a unit; its rows are numbered in leaf order.
pub(super) struct UnitTable {
    pub(super) table: Table,
    files: Vec<TableFile>,
}

struct TableFile {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
}

/// Rows in the order in which files hold them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arrangement {
    /// Numbers of the rows.
    pub(super) rows: Vec<u32>,
    /// Which of `rows` each file holds.
    pub(super) files: Vec<Range<usize>>,
}

impl Arrangement {
    /// All rows in leaf order, in one file.
    pub(super) fn as_they_are(rows: usize) -> Self {
        #[expect(clippy::single_range_in_vec_init, reason = "one file that holds every row")]
        Self { rows: (0..rows as u32).collect(), files: vec![0..rows] }
    }
}

impl UnitTable {
    pub(super) fn open(table: Table, segments: &[Arc<StoredSegment>]) -> Result<Self, ReadError> {
        let mut files = Vec::new();
        for segment in segments {
            let path = segment.folder.join(table_file(table.name));
            let file = File::open(&path).map_err(|error| ReadError::io(&path, error))?;
            let damaged = |source| ReadError::Table { file: path.clone(), source };
            let stored = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(damaged)?;
            check_columns(&path, stored.schema(), &schema(table.columns))?;
            let options = ArrowReaderOptions::new().with_schema(working_schema(&table));
            let metadata =
                ArrowReaderMetadata::try_new(Arc::clone(stored.metadata()), options).map_err(damaged)?;
            files.push(TableFile { path, metadata });
        }
        Ok(Self { table, files })
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        let rows = self.files.iter().map(|file| file.metadata.metadata().file_metadata().num_rows());
        rows.sum::<i64>().unsigned_abs() as usize
    }

    /// Whether texts are too long for a column of the unit to be held in memory. Either a segment's writer ended a row
    /// group early because of them, or they are many and distinct.
    pub(super) fn has_long_texts(&self) -> bool {
        let cut = self.files.iter().any(|file| {
            let groups = file.metadata.metadata().row_groups();
            let full = groups.len().saturating_sub(1);
            groups.iter().take(full).any(|group| group.num_rows().unsigned_abs() < ROW_GROUP_ROWS as u64)
        });
        let groups = || self.files.iter().flat_map(|file| file.metadata.metadata().row_groups());
        let bytes = |place: usize| {
            let chunks = groups().filter_map(|group| group.columns().get(place));
            chunks.map(|chunk| chunk.uncompressed_size().unsigned_abs()).sum::<u64>()
        };
        cut || (0..self.table.columns.len()).any(|place| bytes(place) > TEXT_BYTES_MAX)
    }

    /// A file that a complaint about the table can name.
    pub(super) fn path(&self) -> PathBuf {
        self.files.first().map(|file| file.path.clone()).unwrap_or_default()
    }

    /// One column over all segments.
    pub(super) fn column(&self, name: &str) -> Result<ArrayRef, ReadError> {
        let mut parts = Vec::new();
        for file in &self.files {
            file.read_column(name, &mut parts)
                .map_err(|source| ReadError::Table { file: file.path.clone(), source })?;
        }
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        if parts.is_empty() {
            let schema = working_schema(&self.table);
            let found = schema.field_with_name(name).map(|field| new_empty_array(field.data_type()));
            return found.map_err(|error| self.damaged(error.into()));
        }
        arrow_select::concat::concat(&parts).map_err(|error| self.damaged(error.into()))
    }

    fn damaged(&self, source: ParquetError) -> ReadError {
        ReadError::Table { file: self.path(), source }
    }

    /// The table's rows as files, in the order of `arrangement.files`.
    pub(super) fn encode(&self, arrangement: &Arrangement) -> Result<Vec<Vec<u8>>, CompactError> {
        let properties = Arc::new(
            properties(self.table.columns, EnabledStatistics::Page).map_err(|error| self.unwritten(error))?,
        );
        // For each file the row groups, for each of those the columns that are encoded.
        let mut files: Vec<Vec<Group>> = arrangement.files.iter().map(groups).collect();
        for column in self.table.columns {
            let array = self.column(column.name)?;
            let field = working_field(column);
            for group in files.iter_mut().flatten() {
                let rows = UInt32Array::from(arrangement.rows[group.rows.clone()].to_vec());
                let chunk = arrow_select::take::take(&array, &rows, None)
                    .map_err(ParquetError::from)
                    .and_then(|array| encode_column(&field, &array, &properties))
                    .map_err(|error| self.unwritten(error))?;
                group.columns.push(chunk);
            }
        }
        let schema = schema(self.table.columns);
        let mut encoded = Vec::new();
        for groups in files {
            let file = assemble(&schema, &properties, groups).map_err(|error| self.unwritten(error))?;
            encoded.push(file);
        }
        Ok(encoded)
    }

    fn unwritten(&self, source: ParquetError) -> WriteError {
        WriteError::Encode { table: self.table.name, source }
    }
}

impl TableFile {
    /// Appends the column to `parts`.
    fn read_column(&self, name: &str, parts: &mut Vec<ArrayRef>) -> Result<(), ParquetError> {
        let file = File::open(&self.path)?;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let mask = ProjectionMask::columns(reader.parquet_schema(), [name]);
        for batch in reader.with_projection(mask).with_batch_size(BATCH_ROWS).build()? {
            parts.extend(batch?.columns().first().cloned());
        }
        Ok(())
    }
}

/// A row group under way.
struct Group {
    /// Places in [`Arrangement::rows`].
    rows: Range<usize>,
    columns: Vec<ArrowColumnChunk>,
}

fn groups(file: &Range<usize>) -> Vec<Group> {
    let starts = file.clone().step_by(ROW_GROUP_ROWS);
    let groups =
        starts.map(|start| Group { rows: start..file.end.min(start + ROW_GROUP_ROWS), columns: Vec::new() });
    groups.collect()
}

/// The columns as they are held in memory: those with few distinct texts as dictionaries.
fn working_schema(table: &Table) -> SchemaRef {
    Arc::new(Schema::new(table.columns.iter().map(working_field).collect::<Vec<_>>()))
}

fn working_field(column: &Column) -> Field {
    let field = schema(std::slice::from_ref(column)).field(0).clone();
    let repeats = column.packing == Packing::Dictionary;
    if repeats && *field.data_type() == DataType::Utf8 {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        return field.with_data_type(dictionary);
    }
    field
}

/// Encodes one column of one row group, as a table of that column alone would.
fn encode_column(
    field: &Field,
    array: &ArrayRef,
    properties: &WriterPropertiesPtr,
) -> Result<ArrowColumnChunk, ParquetError> {
    let alone: SchemaRef = Arc::new(Schema::new(vec![field.clone()]));
    let converted = ArrowSchemaConverter::new().convert(&alone)?;
    let file = SerializedFileWriter::new(Vec::new(), converted.root_schema_ptr(), Arc::clone(properties))?;
    let mut writers = ArrowRowGroupWriterFactory::new(&file, alone).create_column_writers(0)?;
    let mut writer =
        writers.pop().ok_or_else(|| ParquetError::General("a column without a writer".into()))?;
    for leaf in compute_leaves(field, array)? {
        writer.write(&leaf)?;
    }
    writer.close()
}

fn assemble(
    schema: &SchemaRef,
    properties: &WriterPropertiesPtr,
    groups: Vec<Group>,
) -> Result<Vec<u8>, ParquetError> {
    let converted = ArrowSchemaConverter::new().convert(schema)?;
    let mut file =
        SerializedFileWriter::new(Vec::new(), converted.root_schema_ptr(), Arc::clone(properties))?;
    for group in groups {
        let mut writer = file.next_row_group()?;
        for column in group.columns {
            column.append_to_row_group(&mut writer)?;
        }
        writer.close()?;
    }
    file.into_inner()
}
