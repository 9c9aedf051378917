//! A matrix of f64 on the host.

/// A row-major matrix of f64, `[rows, columns]`: for what is computed on the host in full precision, such as the points of codes.
/// Patterns and queries are [`Rows`](crate::Rows) of f32.
///
/// ```
/// let square = attractor::Matrix::from_rows(&[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]);
/// assert_eq!((square.rows, square.row(2)), (4, &[-1.0, 0.0][..]));
/// ```
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
    pub fn from_fn(rows: usize, columns: usize, f: impl Fn(usize, usize) -> f64) -> Self {
        let data = (0..rows * columns).map(|at| f(at / columns, at % columns)).collect();
        Self { data, rows, columns }
    }

    /// The matrix of given rows.
    pub fn from_rows<const D: usize>(rows: &[[f64; D]]) -> Self {
        Self { data: rows.as_flattened().to_vec(), rows: rows.len(), columns: D }
    }

    /// Row `i`.
    ///
    /// # Panics
    /// As slice indexing does.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.columns..(i + 1) * self.columns]
    }

    /// The rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &[f64]> {
        (0..self.rows).map(|i| self.row(i))
    }
}
