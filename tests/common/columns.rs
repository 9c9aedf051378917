//! Parquet files made by the writer of the parquet crate.

use parquet::{
    basic::{Compression, ZstdLevel},
    column::writer::ColumnWriter,
    data_type::{ByteArray, FixedLenByteArray},
    file::{
        properties::{WriterProperties, WriterVersion},
        writer::SerializedFileWriter,
    },
    schema::parser::parse_message_type,
};
use std::sync::Arc;

/// Values of one column, with levels where its schema has them.
pub(crate) struct Column {
    values: Values,
    defined: Option<Vec<i16>>,
    repeated: Option<Vec<i16>>,
}

/// Values as they are stored.
pub(crate) enum Values {
    Bool(Vec<bool>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Text(Vec<&'static str>),
    Fixed(Vec<[u8; 2]>),
}

impl Column {
    /// Where nothing may be missing.
    pub(crate) fn flat(values: Values) -> Self {
        Self { values, defined: None, repeated: None }
    }

    /// Where some may: 1 for each row that has a value, 0 for the others.
    pub(crate) fn optional(values: Values, defined: &[i16]) -> Self {
        Self { values, defined: Some(defined.to_vec()), repeated: None }
    }

    /// Lists with levels as Dremel has them.
    pub(crate) fn lists(values: Values, defined: &[i16], repeated: &[i16]) -> Self {
        Self { values, defined: Some(defined.to_vec()), repeated: Some(repeated.to_vec()) }
    }

    /// Lists of `width` values each, none missing.
    pub(crate) fn rows(values: Values, count: usize, width: usize, level: i16) -> Self {
        let repeated: Vec<i16> = (0..count).map(|i| i16::from(i % width != 0)).collect();
        Self::lists(values, &vec![level; count], &repeated)
    }
}

/// How a file is written.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Plain,
    Snappy,
    Gzip,
    Zstd,
    /// Pages of the second version, without dictionaries.
    Second,
}

/// A file of one group of rows for each list of columns.
pub(crate) fn file(schema: &str, groups: Vec<Vec<Column>>, way: Way) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder().set_created_by("fixture".to_owned());
    let properties = match way {
        Way::Plain => properties,
        Way::Snappy => properties.set_compression(Compression::SNAPPY),
        Way::Gzip => properties.set_compression(Compression::GZIP(Default::default())),
        Way::Zstd => properties.set_compression(Compression::ZSTD(ZstdLevel::default())),
        Way::Second => {
            properties.set_writer_version(WriterVersion::PARQUET_2_0).set_dictionary_enabled(false)
        }
    };
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build())).unwrap();
    for columns in groups {
        let mut group = writer.next_row_group().unwrap();
        for Column { values, defined, repeated } in columns {
            let mut column = group.next_column().unwrap().unwrap();
            let (defined, repeated) = (defined.as_deref(), repeated.as_deref());
            match (column.untyped(), values) {
                (ColumnWriter::BoolColumnWriter(w), Values::Bool(v)) => w.write_batch(&v, defined, repeated),
                (ColumnWriter::Int32ColumnWriter(w), Values::I32(v)) => w.write_batch(&v, defined, repeated),
                (ColumnWriter::Int64ColumnWriter(w), Values::I64(v)) => w.write_batch(&v, defined, repeated),
                (ColumnWriter::FloatColumnWriter(w), Values::F32(v)) => w.write_batch(&v, defined, repeated),
                (ColumnWriter::DoubleColumnWriter(w), Values::F64(v)) => w.write_batch(&v, defined, repeated),
                (ColumnWriter::ByteArrayColumnWriter(w), Values::Text(v)) => {
                    let v: Vec<ByteArray> = v.into_iter().map(ByteArray::from).collect();
                    w.write_batch(&v, defined, repeated)
                }
                (ColumnWriter::FixedLenByteArrayColumnWriter(w), Values::Fixed(v)) => {
                    let v: Vec<FixedLenByteArray> =
                        v.into_iter().map(|b| ByteArray::from(b.to_vec()).into()).collect();
                    w.write_batch(&v, defined, repeated)
                }
                _ => panic!("values of another type than the column's"),
            }
            .unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.into_inner().unwrap()
}

/// A list of numbers as most writers have it: any list, and any number, may be missing.
pub(crate) const EMBEDDING: &str =
    "message m { optional group embedding (LIST) { repeated group list { optional float element; } } }";

/// Rows of [`EMBEDDING`].
pub(crate) fn embedding(values: &[f32], width: usize) -> Column {
    Column::rows(Values::F32(values.to_vec()), values.len(), width, 3)
}
