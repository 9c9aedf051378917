//! Reductions of rows and columns.

/// How values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Sum.
    Sum,
    /// Arithmetic mean.
    Mean,
    /// Largest value.
    Max,
    /// Smallest value.
    Min,
}

/// What is reduced away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// The rows: one value per column, `[columns]`.
    Rows,
    /// The columns: one value per row, `[rows]`.
    Columns,
}
