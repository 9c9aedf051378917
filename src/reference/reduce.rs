//! Reductions over rows and columns.

use super::Matrix;
use crate::contract::Reduction;

fn reduce(values: impl Iterator<Item = f64>, how: Reduction) -> f64 {
    match how {
        Reduction::Sum => values.sum(),
        Reduction::Mean => {
            let (sum, count) = values.fold((0.0, 0.0), |(s, c), v| (s + v, c + 1.0));
            sum / count
        }
        Reduction::Max => values.fold(f64::NEG_INFINITY, |a, b| known(a, b, f64::max)),
        Reduction::Min => values.fold(f64::INFINITY, |a, b| known(a, b, f64::min)),
    }
}

/// An extreme of two numbers, which a NaN is never hidden by.
pub(super) fn known(a: f64, b: f64, extreme: impl Fn(f64, f64) -> f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { extreme(a, b) }
}

/// One value per row.
pub fn reduce_rows(m: &Matrix, how: Reduction) -> Vec<f64> {
    m.iter().map(|row| reduce(row.iter().copied(), how)).collect()
}

/// One value per column.
pub fn reduce_columns(m: &Matrix, how: Reduction) -> Vec<f64> {
    reduce_rows(&m.transposed(), how)
}
