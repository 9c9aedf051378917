//! Divergences of distributions.

use super::Matrix;
use crate::contract::{Divergence, INFINITE, ZERO};

/// `sum_i a_i log(a_i / b_i)` with `0 log 0 = 0` and `b_i` at least [`ZERO`], and [`INFINITE`] on top where that is infinite.
fn relative_entropy(a: &[f64], b: &[f64]) -> f64 {
    let term = |(a, b): (&f64, &f64)| match (*a, *b) {
        (a, b) if a.is_nan() || b.is_nan() => f64::NAN,
        (a, b) if a > 0.0 => a * (a / b.max(f64::from(ZERO))).ln(),
        _ => 0.0,
    };
    let infinite = a.iter().zip(b).any(|(a, b)| *a >= f64::from(f32::MIN_POSITIVE) && *b <= f64::from(ZERO));
    a.iter().zip(b).map(term).sum::<f64>() + if infinite { f64::from(INFINITE) } else { 0.0 }
}

/// Divergence of two distributions, as [`Divergence`] defines it.
pub(crate) fn of_distributions(q: &[f64], p: &[f64], kind: Divergence) -> f64 {
    match kind {
        Divergence::Kl => relative_entropy(q, p),
        Divergence::ReverseKl => relative_entropy(p, q),
        Divergence::JensenShannon => {
            let m: Vec<f64> = q.iter().zip(p).map(|(q, p)| 0.5 * (q + p)).collect();
            0.5 * relative_entropy(q, &m) + 0.5 * relative_entropy(p, &m)
        }
    }
}

/// Divergences `[b, n]` of queries `[b, d]` and patterns `[n, d]`.
pub fn divergence(queries: &Matrix, patterns: &Matrix, kind: Divergence) -> Matrix {
    Matrix::from_fn(queries.rows, patterns.rows, |i, k| {
        of_distributions(queries.row(i), patterns.row(k), kind)
    })
}
