//! The oracle's matrix.

/// A row-major f64 matrix, `[rows, columns]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Values, row after row.
    pub data: Vec<f64>,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
}

impl Matrix {
    /// The matrix `[rows, columns]` whose element is `f(row, column)`.
    pub fn from_fn(rows: usize, columns: usize, mut f: impl FnMut(usize, usize) -> f64) -> Self {
        let mut data = Vec::with_capacity(rows * columns);
        for i in 0..rows {
            for j in 0..columns {
                data.push(f(i, j));
            }
        }
        Self { data, rows, columns }
    }

    /// The matrix of given rows.
    ///
    /// # Panics
    /// Where a row's length differs.
    pub fn from_rows<const D: usize>(rows: &[[f64; D]]) -> Self {
        Self::from_fn(rows.len(), D, |i, j| rows[i][j])
    }

    /// An f32 matrix, widened.
    pub fn from_f32(data: &[f32], columns: usize) -> Self {
        let rows = data.len().checked_div(columns).unwrap_or(0);
        Self { data: data.iter().map(|&v| f64::from(v)).collect(), rows, columns }
    }

    /// Row `i`.
    ///
    /// # Panics
    /// As slice indexing does.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.columns..(i + 1) * self.columns]
    }

    /// Element `(i, j)`.
    ///
    /// # Panics
    /// As slice indexing does.
    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.row(i)[j]
    }

    /// The rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &[f64]> {
        (0..self.rows).map(|i| self.row(i))
    }

    /// The transposed matrix.
    #[must_use]
    pub fn transposed(&self) -> Self {
        Self::from_fn(self.columns, self.rows, |i, j| self.at(j, i))
    }
}
