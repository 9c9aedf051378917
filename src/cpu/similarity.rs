//! Similarities on the CPU: a matrix product with an epilogue, or a distance loop for L1.

use super::{
    dots::Dots,
    kernel::Metric,
    matmul::{Operand, matmul},
};
use crate::contract::{Layout, Similarity, SimilarityForm, Term};
use crate::simd::{
    math::{self, simd},
    stored::Stored,
};
use rayon::prelude::*;

/// Squared length of a row.
pub(crate) fn squared(row: &[f32]) -> f32 {
    simd!(math::dot(row, row))
}

/// The terms of patterns `[n, d]`.
pub(crate) fn terms(patterns: Operand<'_>, kind: Similarity) -> Vec<Term> {
    let (n, d) = patterns.shape;
    match kind {
        // Lengths do not matter to these.
        Similarity::Dot | Similarity::L1 => vec![Term::new(kind, 0.0); n],
        Similarity::L2 | Similarity::Cosine => {
            patterns.data.par_chunks_exact(d).map(|xi| Term::new(kind, squared(xi))).collect()
        }
    }
}

/// Raw products `[b, n]`: inner products, or L1 distances for [`Similarity::L1`].
pub(crate) fn products(
    out: &mut [f32],
    queries: Operand<'_>,
    patterns: Operand<'_>,
    similarity: Similarity,
    threads: usize,
) {
    let ((b, d), (n, _)) = (queries.shape, patterns.shape);
    // Below three queries the product is a stream through the patterns: packing them would cost more
    // than it gives.
    if similarity == Similarity::L1 || (b < 3 && threads == 1) {
        let metric = if similarity == Similarity::L1 { Metric::Absolute } else { Metric::Product };
        let rows = Stored::Single(&patterns.data[..n * d]);
        Dots { queries: &queries.data[..b * d], rows, d, out, stride: n, metric }.run();
    } else {
        matmul(out, queries, patterns, Layout::NT, false, threads);
    }
}

/// L2 similarities `[b, n]` of those coordinates of queries `[b, d]` that are not NaN with the same of patterns `[n, d]`; `d` is at least 1.
pub(crate) fn known_similarity(out: &mut [f32], queries: Operand<'_>, patterns: Operand<'_>) {
    let ((_, d), (n, _)) = (queries.shape, patterns.shape);
    super::for_each_row(out, n.max(1), |i, row| {
        let (queries, rows) = (&queries.data[i * d..(i + 1) * d], Stored::Single(&patterns.data[..n * d]));
        Dots { queries, rows, d, out: &mut *row, stride: n, metric: Metric::KnownSquared }.run();
        simd!(row.iter_mut().for_each(|s| *s *= -0.5));
    });
}

/// Similarities `[b, n]` of queries `[b, d]` and patterns `[n, d]`; `d` is at least 1.
pub(crate) fn similarity(
    out: &mut [f32],
    queries: Operand<'_>,
    patterns: Operand<'_>,
    kind: Similarity,
    form: SimilarityForm,
) {
    let ((_, d), (n, _)) = (queries.shape, patterns.shape);
    if n == 0 {
        return;
    }
    if kind == Similarity::L2 && form == SimilarityForm::Difference {
        super::for_each_row(out, n, |i, row| {
            let (queries, rows) =
                (&queries.data[i * d..(i + 1) * d], Stored::Single(&patterns.data[..n * d]));
            Dots { queries, rows, d, out: &mut *row, stride: n, metric: Metric::Squared }.run();
            simd!(row.iter_mut().for_each(|s| *s *= -0.5));
        });
        return;
    }
    let terms = terms(patterns, kind);
    products(out, queries, patterns, kind, rayon::current_num_threads());
    super::for_each_row(out, n, |i, row| {
        let x = squared(&queries.data[i * d..(i + 1) * d]);
        let (scale, bias) = Term::of_query(kind, x);
        simd!(row.iter_mut().zip(&terms).for_each(|(s, t)| *s = scale * (*s * t.scale + t.bias) + bias));
    });
}
