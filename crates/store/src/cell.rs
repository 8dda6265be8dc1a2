//! Cells: the few types that a column of the store can have, and the macro that defines a table once.
//!
//! A table is written down in one place, `tables.rs`; its row, its column builders, its Arrow schema and its lines in
//! `docs/formats/store.md` all follow from there. This file deliberately does not know which tables exist.

use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder as _, BooleanBuilder, StringBuilder, TimestampNanosecondBuilder, UInt32Builder,
    UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use ascribe_model::{EventId, Timestamp};

use crate::flat::{Cells, Flat};
use crate::hex;

/// How a column's values are packed in Parquet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Few distinct values: a dictionary, and no statistics. Rows stand in the order of arrival, so that nearly every
    /// page spans nearly all texts; to find that out means to compare every text with two others.
    Dictionary,
    /// Nearly every value is new: plain bytes, and no statistics, since they would span all values.
    Distinct,
    /// Numbers close to their neighbours: delta binary packed.
    Delta,
}

/// One column of a table, as the format document states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name.
    pub name: &'static str,
    /// Type in words: `text`, `u64`, `u32`, `timestamp` or `flag`.
    pub kind: &'static str,
    /// Whether the value may be absent.
    pub nullable: bool,
    /// What the value means.
    pub meaning: &'static str,
    pub(crate) packing: Packing,
}

/// A type of cell: what is put in, what collects it, and how it is stored.
pub(crate) trait Cell {
    type Value<'a>;
    type Builder: Default + Send;
    const KIND: &'static str;
    const NULLABLE: bool;
    const PACKING: Packing;
    fn append(builder: &mut Self::Builder, value: Self::Value<'_>);
    /// Bytes of text that the builder holds.
    fn text_bytes(_builder: &Self::Builder) -> usize {
        0
    }
    fn finish(builder: &mut Self::Builder) -> ArrayRef;
    /// Lays a value flat.
    fn put(value: &Self::Value<'_>, cells: &mut Flat);
    /// Takes a value back that was put.
    fn take<'a>(cells: &mut Cells<'a>) -> Self::Value<'a>;
}

/// A row that can be laid flat.
pub(crate) trait FlatRow<'a> {
    /// Lays its cells flat.
    fn put(&self, cells: &mut Flat);
    /// Takes a row back that was put.
    fn take(cells: &mut Cells<'a>) -> Self;
}

/// The column builders of one table.
pub(crate) trait Columns: Default + Send {
    const TABLE: &'static str;
    const ABOUT: &'static str;
    const COLUMNS: &'static [Column];
    type Row<'a>;
    fn push(&mut self, row: Self::Row<'_>);
    /// Bytes of text in the fullest column.
    fn text_bytes_max(&self) -> usize;
    fn arrays(&mut self) -> Vec<ArrayRef>;

    /// Takes the rows collected so far.
    fn batch(&mut self, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        RecordBatch::try_new(Arc::clone(schema), self.arrays())
    }
}

/// One of the words that the event format lists for the field.
pub(crate) enum Choice {}
/// One of the words that the event format lists for the field, or none.
pub(crate) enum MaybeChoice {}
/// Text with few distinct values.
pub(crate) enum Word {}
/// Text with few distinct values, or none.
pub(crate) enum MaybeWord {}
/// Text that is nearly always new, or none.
pub(crate) enum MaybeText {}
/// Text that is nearly always new.
pub(crate) enum Text {}
/// An event id, stored as 64 hexadecimal digits.
pub(crate) enum Id {}
/// A count or a position.
pub(crate) enum Whole {}
/// A count or a position, or none.
pub(crate) enum MaybeWhole {}
/// A small count.
pub(crate) enum Small {}
/// A moment.
pub(crate) enum Moment {}
/// A moment, or none.
pub(crate) enum MaybeMoment {}
/// Yes or no.
pub(crate) enum Flag {}

/// Defines a table: its name, its row type, its column builders and the meaning of each column.
macro_rules! table {
    ($(#[doc = $about:literal])+ $table:literal, $row:ident, $columns:ident {
        $($(#[doc = $meaning:literal])+ $name:ident: $cell:ident,)+
    }) => {
        $(#[doc = $about])+
        pub(crate) struct $row<'a> {
            $(pub(crate) $name: <$cell as crate::cell::Cell>::Value<'a>,)+
        }

        #[derive(Default)]
        pub(crate) struct $columns {
            $($name: <$cell as crate::cell::Cell>::Builder,)+
        }

        impl<'a> crate::cell::FlatRow<'a> for $row<'a> {
            fn put(&self, cells: &mut crate::flat::Flat) {
                $(<$cell as crate::cell::Cell>::put(&self.$name, cells);)+
            }

            fn take(cells: &mut crate::flat::Cells<'a>) -> Self {
                Self { $($name: <$cell as crate::cell::Cell>::take(cells),)+ }
            }
        }

        impl crate::cell::Columns for $columns {
            const TABLE: &'static str = $table;
            const ABOUT: &'static str = concat!($($about),+);
            const COLUMNS: &'static [crate::cell::Column] = &[$(crate::cell::Column {
                name: stringify!($name),
                kind: <$cell as crate::cell::Cell>::KIND,
                nullable: <$cell as crate::cell::Cell>::NULLABLE,
                meaning: concat!($($meaning),+),
                packing: <$cell as crate::cell::Cell>::PACKING,
            },)+];
            type Row<'a> = $row<'a>;

            fn push(&mut self, row: $row<'_>) {
                $(<$cell as crate::cell::Cell>::append(&mut self.$name, row.$name);)+
            }

            fn text_bytes_max(&self) -> usize {
                0 $(.max(<$cell as crate::cell::Cell>::text_bytes(&self.$name)))+
            }

            fn arrays(&mut self) -> Vec<arrow_array::ArrayRef> {
                vec![$(<$cell as crate::cell::Cell>::finish(&mut self.$name),)+]
            }
        }
    };
}
pub(crate) use table;

/// The Arrow schema of a list of columns.
pub(crate) fn schema(columns: &[Column]) -> SchemaRef {
    let fields = columns.iter().map(|column| {
        let data_type = match column.kind {
            "u64" => DataType::UInt64,
            "u32" => DataType::UInt32,
            "timestamp" => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            "flag" => DataType::Boolean,
            _ => DataType::Utf8,
        };
        Field::new(column.name, data_type, column.nullable)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

macro_rules! text_cell {
    ($cell:ident, $value:ty, $nullable:literal, $packing:ident, $append:ident, $put:ident, $take:ident) => {
        impl Cell for $cell {
            type Value<'a> = $value;
            type Builder = StringBuilder;
            const KIND: &'static str = "text";
            const NULLABLE: bool = $nullable;
            const PACKING: Packing = Packing::$packing;
            fn append(builder: &mut StringBuilder, value: Self::Value<'_>) {
                builder.$append(value);
            }
            fn text_bytes(builder: &StringBuilder) -> usize {
                builder.values_slice().len()
            }
            fn finish(builder: &mut StringBuilder) -> ArrayRef {
                // The next rows are likely to need as much room: it need not grow into it.
                let (rows, bytes) = (builder.len(), builder.values_slice().len());
                let array = builder.finish();
                *builder = StringBuilder::with_capacity(rows, bytes + bytes / 8);
                Arc::new(array)
            }
            fn put(value: &Self::Value<'_>, cells: &mut Flat) {
                cells.$put(*value);
            }
            fn take<'a>(cells: &mut Cells<'a>) -> Self::Value<'a> {
                cells.$take()
            }
        }
    };
}
text_cell!(Choice, &'a str, false, Dictionary, append_value, put_text, take_text);
text_cell!(MaybeChoice, Option<&'a str>, true, Dictionary, append_option, put_maybe_text, take_maybe_text);
text_cell!(Word, &'a str, false, Dictionary, append_value, put_text, take_text);
text_cell!(MaybeWord, Option<&'a str>, true, Dictionary, append_option, put_maybe_text, take_maybe_text);
text_cell!(Text, &'a str, false, Distinct, append_value, put_text, take_text);
text_cell!(MaybeText, Option<&'a str>, true, Distinct, append_option, put_maybe_text, take_maybe_text);

macro_rules! number_cell {
    ($cell:ident, $value:ty, $builder:ident, $kind:literal, $nullable:literal, $append:ident, $put:ident, $take:ident) => {
        impl Cell for $cell {
            type Value<'a> = $value;
            type Builder = $builder;
            const KIND: &'static str = $kind;
            const NULLABLE: bool = $nullable;
            const PACKING: Packing = Packing::Delta;
            fn append(builder: &mut $builder, value: $value) {
                builder.$append(value);
            }
            fn finish(builder: &mut $builder) -> ArrayRef {
                let rows = builder.len();
                let array = builder.finish();
                *builder = $builder::with_capacity(rows);
                Arc::new(array)
            }
            fn put(value: &$value, cells: &mut Flat) {
                cells.$put(*value);
            }
            fn take(cells: &mut Cells<'_>) -> $value {
                cells.$take()
            }
        }
    };
}
number_cell!(Whole, u64, UInt64Builder, "u64", false, append_value, put_number, take_number);
number_cell!(
    MaybeWhole,
    Option<u64>,
    UInt64Builder,
    "u64",
    true,
    append_option,
    put_maybe_number,
    take_maybe_number
);
number_cell!(Small, u32, UInt32Builder, "u32", false, append_value, put_small, take_small);

impl Cell for Id {
    type Value<'a> = EventId;
    type Builder = StringBuilder;
    const KIND: &'static str = "text";
    const NULLABLE: bool = false;
    const PACKING: Packing = Packing::Distinct;
    fn append(builder: &mut StringBuilder, value: EventId) {
        builder.append_value(hex::digits(&value.0));
    }
    fn finish(builder: &mut StringBuilder) -> ArrayRef {
        Arc::new(builder.finish())
    }
    fn put(value: &EventId, cells: &mut Flat) {
        for part in value.0.as_chunks::<4>().0 {
            cells.put_small(u32::from_le_bytes(*part));
        }
    }
    fn take(cells: &mut Cells<'_>) -> EventId {
        let mut id = EventId([0; 32]);
        for part in id.0.as_chunks_mut::<4>().0 {
            *part = cells.take_small().to_le_bytes();
        }
        id
    }
}

impl Cell for Moment {
    type Value<'a> = Timestamp;
    type Builder = TimestampNanosecondBuilder;
    const KIND: &'static str = "timestamp";
    const NULLABLE: bool = false;
    const PACKING: Packing = Packing::Delta;
    fn append(builder: &mut TimestampNanosecondBuilder, value: Timestamp) {
        builder.append_value(value.nanoseconds());
    }
    fn finish(builder: &mut TimestampNanosecondBuilder) -> ArrayRef {
        Arc::new(builder.finish().with_timezone("UTC"))
    }
    fn put(value: &Timestamp, cells: &mut Flat) {
        cells.put_number(value.nanoseconds().cast_unsigned());
    }
    fn take(cells: &mut Cells<'_>) -> Timestamp {
        Timestamp::from_nanoseconds(cells.take_number().cast_signed())
    }
}

impl Cell for MaybeMoment {
    type Value<'a> = Option<Timestamp>;
    type Builder = TimestampNanosecondBuilder;
    const KIND: &'static str = "timestamp";
    const NULLABLE: bool = true;
    const PACKING: Packing = Packing::Delta;
    fn append(builder: &mut TimestampNanosecondBuilder, value: Option<Timestamp>) {
        builder.append_option(value.map(Timestamp::nanoseconds));
    }
    fn finish(builder: &mut TimestampNanosecondBuilder) -> ArrayRef {
        Arc::new(builder.finish().with_timezone("UTC"))
    }
    fn put(value: &Option<Timestamp>, cells: &mut Flat) {
        cells.put_maybe_moment(*value);
    }
    fn take(cells: &mut Cells<'_>) -> Option<Timestamp> {
        cells.take_maybe_moment()
    }
}

impl Cell for Flag {
    type Value<'a> = bool;
    type Builder = BooleanBuilder;
    const KIND: &'static str = "flag";
    const NULLABLE: bool = false;
    const PACKING: Packing = Packing::Dictionary;
    fn append(builder: &mut BooleanBuilder, value: bool) {
        builder.append_value(value);
    }
    fn finish(builder: &mut BooleanBuilder) -> ArrayRef {
        Arc::new(builder.finish())
    }
    fn put(value: &bool, cells: &mut Flat) {
        cells.put_small(u32::from(*value));
    }
    fn take(cells: &mut Cells<'_>) -> bool {
        cells.take_small() != 0
    }
}
