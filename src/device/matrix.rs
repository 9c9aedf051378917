//! A matrix in one GPU buffer.

use super::{Buffer, Context, padded};
use crate::{Error, Result, Rows};
use std::sync::Arc;

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
        let width = padded(columns);
        let buffer = if width == columns {
            context.upload("a matrix", bytemuck::cast_slice(values.as_slice()))?
        } else {
            let mut padded = Vec::with_capacity(rows * width);
            for row in values.iter() {
                padded.extend_from_slice(row);
                padded.resize(padded.len() + width - columns, 0.0);
            }
            context.upload("a matrix", bytemuck::cast_slice(&padded))?
        };
        Ok(Self { context: Arc::clone(context), buffer, rows, columns })
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
