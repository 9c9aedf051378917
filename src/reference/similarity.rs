//! Similarities of queries and patterns.

use super::Matrix;
use crate::contract::Similarity;

/// Similarity of two vectors, as [`Similarity`] defines it.
pub(super) fn of_pair(x: &[f64], xi: &[f64], kind: Similarity) -> f64 {
    let pairs = || x.iter().zip(xi);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(p, q)| p * q).sum::<f64>();
    match kind {
        Similarity::Dot => dot(x, xi),
        Similarity::Cosine => {
            // Squared lengths are those that f32 knows.
            let [a, b] = [dot(x, x), dot(xi, xi)];
            let least = f64::from(f32::MIN_POSITIVE);
            if [a, b].iter().any(|s| s.is_nan() || *s > f64::from(f32::MAX)) {
                f64::NAN
            } else if a < least || b < least {
                0.0
            } else {
                dot(x, xi) / (a.sqrt() * b.sqrt())
            }
        }
        Similarity::L2 => -0.5 * pairs().map(|(p, q)| (p - q).powi(2)).sum::<f64>(),
        Similarity::L1 => -pairs().map(|(p, q)| (p - q).abs()).sum::<f64>(),
    }
}

/// Similarities `[b, n]` of queries `[b, d]` and patterns `[n, d]`.
pub fn similarity(queries: &Matrix, patterns: &Matrix, kind: Similarity) -> Matrix {
    Matrix::from_fn(queries.rows, patterns.rows, |i, k| of_pair(queries.row(i), patterns.row(k), kind))
}
