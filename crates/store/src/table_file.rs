//! Tables as Parquet files: encoding rows and reading them back. It deliberately does not know which tables exist.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampNanosecondType, UInt32Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::cell::{Column, Columns, Packing, schema};
use crate::error::{Damage, ReadError, WriteError};

/// Rows in a row group and in a page, after the measurements in which they were quickest to search.
pub(crate) const ROW_GROUP_ROWS: usize = 128 * 1024;
const PAGE_ROWS: usize = 8 * 1024;

/// Rows that are encoded at a time.
const ENCODED_ROWS: usize = 8 * 1024;

/// Bytes of text in a column at which rows are encoded early, and their row group ends: a kilobyte a row. Arrow counts the
/// bytes of a column in 31 bits, texts are as long as a hostile record makes them, and whoever reads a file can tell by
/// its row groups.
const TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of a text that statistics keep.
const STATISTICS_BYTES: usize = 64;

/// Rows between two looks at the bytes of text: few enough that 16 of the longest records stay below 2 GiB.
const ROWS_BETWEEN_CHECKS: usize = 16;

/// Collects the rows of one table and encodes them, a row group at a time: encoding 40 columns by turns drives each
/// other's state out of the processor's cache, so it pays to stay with one.
pub(crate) struct TableWriter<C: Columns> {
    schema: SchemaRef,
    columns: C,
    buffered: usize,
    writer: Option<ArrowWriter<Vec<u8>>>,
}

impl<C: Columns> TableWriter<C> {
    pub(crate) fn new() -> Self {
        Self { schema: schema(C::COLUMNS), columns: C::default(), buffered: 0, writer: None }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: C::Row<'_>) -> Result<(), WriteError> {
        self.columns.push(row);
        self.buffered += 1;
        if self.buffered.is_multiple_of(ROWS_BETWEEN_CHECKS) && self.columns.text_bytes_max() > TEXT_BYTES_MAX
        {
            self.encode()?;
            return self.writer.as_mut().map_or(Ok(()), ArrowWriter::flush).map_err(Self::error);
        }
        if self.buffered == ENCODED_ROWS { self.encode() } else { Ok(()) }
    }

    /// The whole file.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, WriteError> {
        self.encode()?;
        let writer = match self.writer {
            Some(writer) => writer,
            None => Self::writer(&self.schema)?,
        };
        writer.into_inner().map_err(Self::error)
    }

    /// Hands the rows collected so far to the encoder.
    fn encode(&mut self) -> Result<(), WriteError> {
        if self.buffered == 0 {
            return Ok(());
        }
        let batch = self.columns.batch(&self.schema).map_err(|error| Self::error(error.into()))?;
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => Self::writer(&self.schema)?,
        };
        writer.write(&batch).map_err(Self::error)?;
        self.writer = Some(writer);
        self.buffered = 0;
        Ok(())
    }

    fn writer(schema: &SchemaRef) -> Result<ArrowWriter<Vec<u8>>, WriteError> {
        // Nothing of the writing program is in the file: equal rows give equal bytes.
        let properties = properties(C::COLUMNS, EnabledStatistics::None).map_err(Self::error)?;
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(schema), options).map_err(Self::error)
    }

    fn error(source: ParquetError) -> WriteError {
        WriteError::Encode { table: C::TABLE, source }
    }
}

/// How the columns of a table are written; statistics over texts are worth their price where rows are sorted by them.
pub(crate) fn properties(
    columns: &[Column],
    of_texts: EnabledStatistics,
) -> Result<WriterProperties, ParquetError> {
    let mut builder = WriterProperties::builder()
        .set_created_by("ascribe store 1".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_statistics_truncate_length(Some(STATISTICS_BYTES));
    for column in columns {
        let path = ColumnPath::from(column.name);
        builder = match column.packing {
            Packing::Dictionary => builder
                .set_column_dictionary_enabled(path.clone(), true)
                .set_column_statistics_enabled(path, of_texts),
            Packing::Distinct => builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path, EnabledStatistics::None),
            Packing::Delta => builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
        };
    }
    Ok(builder.build())
}

/// Reads a table, batch by batch, and refuses other columns than `expected`.
pub(crate) fn read(
    path: &Path,
    expected: &SchemaRef,
    mut visit: impl FnMut(&RecordBatch) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let file = File::open(path).map_err(|error| ReadError::io(path, error))?;
    let table = |source| ReadError::Table { file: path.to_owned(), source };
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(table)?;
    check_columns(path, reader.schema(), expected)?;
    for batch in reader.with_batch_size(PAGE_ROWS).build().map_err(table)? {
        let batch = batch.map_err(|error| table(ParquetError::ArrowError(error.to_string())))?;
        visit(&batch)?;
    }
    Ok(())
}

/// Refuses a file of other columns.
pub(crate) fn check_columns(path: &Path, found: &SchemaRef, expected: &SchemaRef) -> Result<(), ReadError> {
    if found.fields() == expected.fields() {
        return Ok(());
    }
    Err(Damage::new(path, 0, names(expected), names(found)).into())
}

fn names(schema: &SchemaRef) -> String {
    let fields = schema.fields().iter();
    format!("columns {}", fields.map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

/// Appends a cell: a byte 0 for an absent value, else 1 and the value.
///
/// Numbers and moments are 8 bytes, little-endian; text is its length in 8 bytes and its bytes; flags are one byte.
pub(crate) fn put_cell(out: &mut Vec<u8>, column: &dyn Array, row: usize) {
    if column.is_null(row) {
        out.push(0);
        return;
    }
    out.push(1);
    match column.data_type() {
        DataType::UInt64 => put_fixed(out, column.as_primitive::<UInt64Type>().value(row)),
        DataType::UInt32 => put_fixed(out, u64::from(column.as_primitive::<UInt32Type>().value(row))),
        DataType::Boolean => out.push(u8::from(column.as_boolean().value(row))),
        DataType::Timestamp(..) => {
            put_fixed(out, column.as_primitive::<TimestampNanosecondType>().value(row).cast_unsigned());
        }
        _ => {
            let text = column.as_string::<i32>().value(row);
            put_fixed(out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

/// Appends a number as 8 bytes, little-endian.
pub(crate) fn put_fixed(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{ObjectColumns, ObjectRow};

    #[test]
    fn long_texts_are_encoded_early() {
        let name = "x".repeat(1 << 20);
        let mut writer = TableWriter::<ObjectColumns>::new();
        for leaf in 0..100 {
            let row = ObjectRow {
                leaf,
                name: &name,
                closes: None,
                records: 0,
                rejects: 0,
                framing_bytes: 0,
                bytes: 0,
            };
            writer.push(row).unwrap();
        }
        assert!(writer.buffered < 50, "{} rows wait", writer.buffered);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("objects.parquet");
        std::io::Write::write_all(&mut File::create(&path).unwrap(), &writer.finish().unwrap()).unwrap();
        let mut leaves: Vec<u64> = Vec::new();
        read(&path, &schema(ObjectColumns::COLUMNS), |batch| {
            leaves.extend(batch.column(0).as_primitive::<UInt64Type>().values());
            Ok(())
        })
        .unwrap();
        assert_eq!(leaves, (0..100).collect::<Vec<_>>());
    }
}
