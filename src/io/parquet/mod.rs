//! The `.parquet` format: columns of numbers, and of lists of numbers.
//!
//! The crate that reads it trusts what a file says of its sizes, and panics at some files that are damaged. So all that
//! is claimed is compared with the file's size first ([`pages`]), columns are read a batch of rows at a time, and a panic
//! becomes an error like any other.

mod columns;
mod pages;
mod shape;
mod thrift;

use super::{
    fault::{Checked, Fault},
    format::Wanted,
    layout::{Dtype, Layout, Target},
    source::Content,
};
use ::parquet::{errors::ParquetError, file::serialized_reader::SerializedFileReader};
use bytes::Bytes;
use columns::Column;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

type File = SerializedFileReader<Bytes>;

/// The names of all columns that are read, sorted.
pub(super) fn names(file: &Arc<Content>) -> Checked<Vec<String>> {
    guarded(|| {
        let file = opened(file)?;
        let mut names: Vec<String> =
            columns::all(&file).into_iter().filter(Column::is_read).map(|column| column.name).collect();
        names.sort();
        Ok(names)
    })
}

/// Reads the column of that name, or the first of several that is there, or else the only one of lists, or else all side by side.
pub(super) fn read<T: Target>(file: &Arc<Content>, wanted: Wanted<'_>) -> Checked<(Layout, Vec<T>)> {
    guarded(|| {
        let bytes: &[u8] = file;
        let file = opened(file)?;
        let chosen = columns::choose(columns::all(&file), wanted)?;
        chosen.iter().try_for_each(|column| pages::check(bytes, &file, column))?;
        columns::read(&file, &chosen)
    })
}

/// The type of the numbers that [`read`] reads.
pub(super) fn dtype(file: &Arc<Content>, wanted: Wanted<'_>) -> Checked<Dtype> {
    guarded(|| columns::choose(columns::all(&opened(file)?), wanted).map(|chosen| columns::dtype(&chosen)))
}

/// Bytes in a mapped file.
struct Mapped(Arc<Content>);

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

fn opened(file: &Arc<Content>) -> Checked<File> {
    pages::check_footer(file)?;
    SerializedFileReader::new(Bytes::from_owner(Mapped(Arc::clone(file)))).map_err(|error| damaged(&error))
}

fn damaged(error: &ParquetError) -> Fault {
    Fault::damaged(format!("is not a sound parquet file: {error}"))
}

/// Makes of a panic an error. What is read is dropped with it, so nothing half done is seen by anyone.
fn guarded<T>(read: impl FnOnce() -> Checked<T>) -> Checked<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        Err(Fault::damaged(format!("is not a sound parquet file: {text}")))
    })
}
