//! Columns, and their values.

use super::{File, damaged};
use crate::io::{
    fault::{Checked, Fault},
    format::Wanted,
    layout::{Dtype, Layout, Target},
};
use ::parquet::{
    basic::{ConvertedType, LogicalType, Type},
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::{ByteArray, DataType, DoubleType, FixedLenByteArray},
    file::reader::FileReader,
    schema::types::ColumnDescriptor,
};
use half::f16;
use std::{collections::HashMap, iter::repeat_n};

/// Rows that are read at a time.
const BATCH: usize = 1024;

/// The kinds of numbers in columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Bool,
    I32,
    U32,
    I64,
    U64,
    F16,
    F32,
    F64,
}

impl Number {
    /// Of a column, or what else it holds.
    fn of(leaf: &ColumnDescriptor) -> Result<Self, &'static str> {
        use ConvertedType::{INT_8, INT_16, INT_32, INT_64, NONE, UINT_8, UINT_16, UINT_32, UINT_64};
        let is_signed = match (leaf.logical_type_ref(), leaf.converted_type()) {
            (Some(LogicalType::Integer(integer)), _) => integer.is_signed,
            (Some(LogicalType::Float16), _) if leaf.type_length() == 2 => return Ok(Self::F16),
            (None, UINT_8 | UINT_16 | UINT_32 | UINT_64) => false,
            (None, NONE | INT_8 | INT_16 | INT_32 | INT_64) => true,
            (Some(LogicalType::Decimal(_)), _) | (_, ConvertedType::DECIMAL) => return Err("decimals"),
            (Some(LogicalType::String), _) | (_, ConvertedType::UTF8) => return Err("strings"),
            _ => return Err("values that are no plain numbers"),
        };
        match leaf.physical_type() {
            Type::BOOLEAN => Ok(Self::Bool),
            Type::INT32 => Ok(if is_signed { Self::I32 } else { Self::U32 }),
            Type::INT64 => Ok(if is_signed { Self::I64 } else { Self::U64 }),
            Type::FLOAT => Ok(Self::F32),
            Type::DOUBLE => Ok(Self::F64),
            Type::INT96 => Err("times"),
            Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY => Err("strings"),
        }
    }

    fn dtype(self) -> Dtype {
        match self {
            Self::Bool => Dtype::Bool,
            Self::I32 => Dtype::I32,
            Self::U32 => Dtype::U32,
            Self::I64 => Dtype::I64,
            Self::U64 => Dtype::U64,
            Self::F16 => Dtype::F16,
            Self::F32 => Dtype::F32,
            Self::F64 => Dtype::F64,
        }
    }

    /// Bytes of one.
    pub(super) fn size(self) -> u64 {
        self.dtype().size() as u64
    }
}

/// A column as the user sees it.
#[derive(Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// Which of the leaves of the schema has its values.
    pub(super) leaf: usize,
    pub(super) number: Number,
    is_list: bool,
    /// The level at which a value is there.
    defined: i16,
    /// Why it is not read.
    refused: Option<&'static str>,
}

impl Column {
    pub(super) fn is_read(&self) -> bool {
        self.refused.is_none()
    }
}

/// All columns.
pub(super) fn all(file: &File) -> Vec<Column> {
    let schema = file.metadata().file_metadata().schema_descr();
    let mut leaves: HashMap<usize, usize> = HashMap::new();
    (0..schema.num_columns())
        .for_each(|leaf| *leaves.entry(schema.get_column_root_idx(leaf)).or_default() += 1);
    let column = |i: usize| {
        let (leaf, name) = (schema.column(i), schema.get_column_root(i).name().to_owned());
        let is_list = leaf.max_rep_level() == 1;
        let is_plain = if is_list { leaf.path().parts().len() <= 3 } else { leaf.path().parts().len() == 1 };
        let is_one = leaves.get(&schema.get_column_root_idx(i)) == Some(&1);
        let (number, refused) = match Number::of(&leaf) {
            _ if leaf.max_rep_level() > 1 => (Number::Bool, Some("lists of lists")),
            _ if !is_plain || !is_one => (Number::Bool, Some("structures")),
            Ok(number) => (number, None),
            Err(what) => (Number::Bool, Some(what)),
        };
        Column { name, leaf: i, number, is_list, defined: leaf.max_def_level(), refused }
    };
    (0..schema.num_columns()).map(column).collect()
}

/// The columns that are meant: one, or several of numbers side by side.
pub(super) fn choose(all: Vec<Column>, wanted: Wanted<'_>) -> Checked<Vec<Column>> {
    let named = wanted.names().iter().find_map(|name| all.iter().find(|column| column.name == *name));
    if let Some(column) = named {
        return match column.refused {
            None => Ok(vec![column.clone()]),
            Some(what) => {
                let want = "name a column of numbers, or of lists of numbers";
                Err(in_column(Fault::new(format!("holds {what}"), want), column))
            }
        };
    }
    let (read, others): (Vec<Column>, Vec<Column>) = all.into_iter().partition(Column::is_read);
    let lists: Vec<&Column> = read.iter().filter(|column| column.is_list).collect();
    match (lists.as_slice(), wanted) {
        (_, Wanted::Exactly(_)) => {
            let have: Vec<String> = read.iter().chain(&others).map(|column| column.name.clone()).collect();
            wanted.choose(&have).map(|_| Vec::new())
        }
        ([only], _) => Ok(vec![(*only).clone()]),
        ([], _) if !read.is_empty() && others.is_empty() => Ok(read),
        _ => {
            let have: Vec<String> = read.iter().map(|column| column.name.clone()).collect();
            let chosen = wanted.choose(&have)?;
            Ok(read.iter().filter(|column| column.name == chosen).take(1).cloned().collect())
        }
    }
}

fn in_column(fault: Fault, column: &Column) -> Fault {
    fault.within(&format!("column '{}'", column.name))
}

/// The values of columns: of lists `[n, k]`, of numbers `[n]`, of several `[n, columns]`.
pub(super) fn read<T: Target>(file: &File, columns: &[Column]) -> Checked<(Layout, Vec<T>)> {
    let mut all = columns.iter().map(|column| {
        let values = read_column(file, column).map_err(|fault| in_column(fault, column))?;
        Ok(values)
    });
    let Some(first) = all.next() else {
        return Err(Fault::new("the file holds no column", "it must hold one"));
    };
    let Values { column, numbers, width, rows } = first?;
    let mut shape = vec![rows as u64];
    if columns.len() == 1 {
        shape.extend(column.is_list.then_some(width.unwrap_or(0) as u64));
        return Ok((Layout::new(column.number.dtype(), &shape)?, numbers));
    }
    shape.push(columns.len() as u64);
    let mut side_by_side: Vec<T> = numbers.iter().flat_map(|value| repeat_n(*value, columns.len())).collect();
    for (at, other) in all.enumerate() {
        let Values { column, numbers, .. } = other?;
        if numbers.len() != rows {
            let problem = format!("has {} rows, and column '{}' has {rows}", numbers.len(), columns[0].name);
            return Err(in_column(Fault::damaged(problem), column));
        }
        for (row, value) in side_by_side.chunks_exact_mut(columns.len()).zip(numbers) {
            row[at + 1] = value;
        }
    }
    Ok((Layout::new(dtype(columns), &shape)?, side_by_side))
}

/// The type of the numbers in columns. Of several types none is right but the widest; what is asked of it is whether all are whole.
pub(super) fn dtype(columns: &[Column]) -> Dtype {
    match columns {
        [only] => only.number.dtype(),
        all if all.iter().all(|column| column.number.dtype().is_whole()) => Dtype::I64,
        _ => Dtype::F64,
    }
}

/// What has been read of a column.
struct Values<'a, T> {
    column: &'a Column,
    numbers: Vec<T>,
    /// Numbers of a row, once there is one.
    width: Option<usize>,
    rows: usize,
}

fn read_column<'a, T: Target>(file: &File, column: &'a Column) -> Checked<Values<'a, T>> {
    let mut values = Values { column, numbers: Vec::new(), width: None, rows: 0 };
    for group in 0..file.num_row_groups() {
        let before = values.rows;
        let reader = file.get_row_group(group).and_then(|group| group.get_column_reader(column.leaf));
        match (reader.map_err(|error| damaged(&error))?, column.number) {
            (ColumnReader::BoolColumnReader(r), _) => values.take(r, |v: &bool| T::of(u8::from(*v)))?,
            (ColumnReader::Int32ColumnReader(r), Number::U32) => {
                values.take(r, |v: &i32| T::of(*v as u32))?
            }
            (ColumnReader::Int32ColumnReader(r), _) => values.take(r, |v: &i32| T::of(*v))?,
            (ColumnReader::Int64ColumnReader(r), Number::U64) => {
                values.take(r, |v: &i64| T::of(*v as u64))?
            }
            (ColumnReader::Int64ColumnReader(r), _) => values.take(r, |v: &i64| T::of(*v))?,
            (ColumnReader::FloatColumnReader(r), _) => values.take(r, |v: &f32| T::of(*v))?,
            (ColumnReader::DoubleColumnReader(r), _) => values.take_wide(r)?,
            (ColumnReader::FixedLenByteArrayColumnReader(r), Number::F16) => {
                values.take(r, |v: &FixedLenByteArray| T::of(half_of(v)))?;
            }
            _ => return Err(Fault::damaged("changes its type")),
        }
        let (have, want) = (values.rows - before, file.metadata().row_group(group).num_rows());
        if i64::try_from(have) != Ok(want) {
            return Err(Fault::damaged(format!("has {have} rows where there are said to be {want}")));
        }
    }
    Ok(values)
}

/// A half, little-endian in two bytes.
fn half_of(bytes: &ByteArray) -> f16 {
    match *bytes.data() {
        [low, high] => f16::from_le_bytes([low, high]),
        _ => f16::NAN,
    }
}

impl<T: Target> Values<'_, T> {
    /// Reads all values of a group of rows.
    fn take<D: DataType>(
        &mut self,
        mut reader: ColumnReaderImpl<D>,
        mut convert: impl FnMut(&D::T) -> T,
    ) -> Checked<()> {
        let (mut defined, mut repeated, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            defined.clear();
            repeated.clear();
            numbers.clear();
            let read = reader.read_records(BATCH, Some(&mut defined), Some(&mut repeated), &mut numbers);
            let (rows, _, levels) = read.map_err(|error| damaged(&error))?;
            if rows == 0 && levels == 0 {
                return Ok(());
            }
            self.check_values(&defined, &repeated)?;
            if self.column.is_list {
                self.check_lengths(&repeated)?;
            }
            // The crate gives what it found where a damaged page has fewer values than it is said to have.
            let want = if self.column.is_list { levels } else { rows };
            if numbers.len() != want {
                return Err(Fault::damaged(format!(
                    "has {} values where there should be {want}",
                    numbers.len()
                )));
            }
            if self.numbers.try_reserve(numbers.len()).is_err() {
                let want = "split the file or use a machine with more memory";
                return Err(Fault::new("has more values than there is memory for", want));
            }
            self.numbers.extend(numbers.iter().map(&mut convert));
            self.rows += rows;
        }
    }

    /// As [`Values::take`], for numbers that may have no counterpart.
    fn take_wide(&mut self, reader: ColumnReaderImpl<DoubleType>) -> Checked<()> {
        let (mut lost, mut at) = (None, self.numbers.len());
        self.take(reader, |v: &f64| {
            if lost.is_none() && T::loses(*v) {
                lost = Some((at, *v));
            }
            at += 1;
            T::of(*v)
        })?;
        let Some((at, value)) = lost else { return Ok(()) };
        let row = at / self.width.unwrap_or(1).max(1);
        Err(Fault::new(
            format!("has {value:e} in row {row}, which is beyond f32"),
            format!("every value must lie within ±{:e}", f32::MAX),
        ))
    }

    /// Sees that no value of a batch is missing.
    fn check_values(&self, defined: &[i16], repeated: &[i16]) -> Checked<()> {
        let Some(at) = defined.iter().position(|level| *level < self.column.defined) else { return Ok(()) };
        let (row, what) = match self.column.is_list {
            true => {
                let begun = repeated[..=at].iter().filter(|level| **level == 0).count();
                ((self.rows + begun).saturating_sub(1), "a null, or an empty list,")
            }
            false => (self.rows + at, "a null"),
        };
        Err(Fault::new(format!("has {what} in row {row}"), "fill it in or leave the row out"))
    }

    /// Sees that all lists of a batch are as long as the first.
    fn check_lengths(&mut self, repeated: &[i16]) -> Checked<()> {
        if repeated.first().is_some_and(|level| *level != 0) {
            return Err(Fault::damaged("begins within a list"));
        }
        let mut lists = repeated.split(|level| *level == 0).map(|rest| rest.len() + 1).enumerate();
        // What is before the first beginning is no list.
        lists.next();
        for (number, length) in lists {
            let width = *self.width.get_or_insert(length);
            if length != width {
                let row = self.rows + number - 1;
                let problem = format!("has {width} numbers in row 0 and {length} in row {row}");
                return Err(Fault::new(problem, "lists of one length are needed"));
            }
        }
        Ok(())
    }
}
