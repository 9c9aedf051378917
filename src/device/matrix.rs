//! A matrix in one GPU buffer.

use super::{Buffer, Context, padded};
use crate::{Error, Result, Rows};
use std::{borrow::Cow, sync::Arc};

/// A row-major f32 matrix on a GPU; rows are padded with zeros to whole `vec4`s.
#[derive(Debug)]
pub(crate) struct Matrix {
    context: Arc<Context>,
    buffer: Buffer,
    rows: usize,
    columns: usize,
}

impl Matrix {
    /// A matrix whose content is not defined yet.
    pub(crate) fn new(context: &Arc<Context>, what: &str, rows: usize, columns: usize) -> Result<Self> {
        let bytes = columns.checked_next_multiple_of(4).and_then(|c| c.checked_mul(4)?.checked_mul(rows));
        let limit = context.binding_limit();
        let bytes =
            bytes.ok_or_else(|| Error::TooLarge { what: what.to_owned(), needed: u64::MAX, limit })? as u64;
        Ok(Self { context: Arc::clone(context), buffer: context.storage(what, bytes)?, rows, columns })
    }

    /// A matrix `[rows, columns]` with these values.
    pub(crate) fn upload(
        context: &Arc<Context>,
        values: &Rows<'_>,
        rows: usize,
        columns: usize,
    ) -> Result<Self> {
        debug_assert!(values.rows() == rows || columns == 0);
        let buffer = context.upload("a matrix", bytemuck::cast_slice(&in_vectors(values, columns)))?;
        Ok(Self { context: Arc::clone(context), buffer, rows, columns })
    }

    /// Takes in more rows. Where the buffer has no room for them, the values move to one twice as large, so that rows that come a few at a time
    /// cost in proportion to what comes.
    ///
    /// # Errors
    /// Those of a GPU; the rows are as before then.
    pub(crate) fn append(&mut self, more: &Rows<'_>) -> Result<()> {
        let width = 4 * padded(self.columns) as u64;
        let (old, new) = (self.rows as u64 * width, more.rows() as u64 * width);
        if old + new > self.buffer.bytes() {
            let room = (old + new).max((2 * old).min(self.context.binding_limit()));
            let buffer = self.context.storage_for_host("a matrix", room)?;
            if old > 0 {
                self.context.copy((&self.buffer, 0), (&buffer, 0), old)?;
            }
            self.buffer = buffer;
        }
        let values = in_vectors(more, self.columns);
        self.context.write(&self.buffer, old, bytemuck::cast_slice(&values))?;
        self.rows += more.rows();
        Ok(())
    }

    /// A copy with values of its own.
    fn copied(&self) -> Result<Self> {
        let bytes = self.rows as u64 * 4 * padded(self.columns) as u64;
        let buffer = self.context.storage("a matrix", bytes.max(4))?;
        if bytes > 0 {
            self.context.copy((&self.buffer, 0), (&buffer, 0), bytes)?;
        }
        Ok(Self { context: Arc::clone(&self.context), buffer, ..*self })
    }

    /// What can be changed: this matrix, or a copy where others share it.
    pub(crate) fn own(matrix: &mut Arc<Self>) -> Result<&mut Self> {
        if Arc::get_mut(matrix).is_none() {
            *matrix = Arc::new(matrix.copied()?);
        }
        Arc::get_mut(matrix).ok_or_else(|| Error::Gpu {
            what: "a matrix".to_owned(),
            message: "is shared, though it was just made".to_owned(),
        })
    }

    /// Leaves out rows beyond the first `rows`.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
    }

    /// The same values, padding with them, as rows of another length.
    pub(crate) fn reshaped(self, rows: usize, columns: usize) -> Self {
        debug_assert_eq!(self.rows * padded(self.columns), rows * padded(columns));
        Self { rows, columns, ..self }
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    pub(crate) fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// `vec4`s per row.
    pub(crate) fn width4(&self) -> usize {
        padded(self.columns) / 4
    }

    /// The values without padding.
    pub(crate) fn download(&self) -> Result<Vec<f32>> {
        let bytes = self.context.read(&[&self.buffer])?;
        Ok(unpadded(&bytes[0], self.rows, self.columns))
    }
}

/// Rows of so many columns as a GPU has them: padded with zeros to whole vectors.
fn in_vectors<'a>(values: &'a Rows<'_>, columns: usize) -> Cow<'a, [f32]> {
    let width = padded(columns);
    if width == columns {
        return Cow::Borrowed(values.as_slice());
    }
    let mut all = Vec::with_capacity(values.rows() * width);
    for row in values.iter() {
        all.extend_from_slice(row);
        all.resize(all.len() + width - columns, 0.0);
    }
    Cow::Owned(all)
}

/// Values of padded rows; the buffer may be larger.
pub(crate) fn unpadded(bytes: &[u8], rows: usize, columns: usize) -> Vec<f32> {
    let mut values: Vec<f32> = bytemuck::pod_collect_to_vec(bytes);
    let width = padded(columns);
    if width == columns {
        values.truncate(rows * columns);
        return values;
    }
    values.chunks_exact(width).take(rows).flat_map(|row| &row[..columns]).copied().collect()
}
