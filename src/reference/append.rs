//! One more row for each of several matrices.

use super::Matrix;

/// The matrices of `rows` rows that lie one below the other in `x`, each with `row` after its last row.
pub fn append_row(x: &Matrix, rows: usize, row: &[f64]) -> Matrix {
    let matrices = x.rows.checked_div(rows).unwrap_or(0);
    Matrix::from_fn(matrices * (rows + 1), x.columns, |i, j| {
        let (matrix, of_matrix) = (i / (rows + 1), i % (rows + 1));
        if of_matrix == rows { row[j] } else { x.at(matrix * rows + of_matrix, j) }
    })
}
