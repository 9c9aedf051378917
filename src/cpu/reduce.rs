//! Reductions on the CPU. Sums go over lanes and blocks, so that their error grows like that of a
//! pairwise sum.

use crate::contract::Reduction;
use crate::simd::math::{self, simd};
use rayon::prelude::*;

/// One value per row of rows of `columns`, which is not 0.
pub(crate) fn rows(data: &[f32], columns: usize, how: Reduction) -> Vec<f32> {
    data.par_chunks_exact(columns)
        .map(|row| {
            simd!(match how {
                Reduction::Sum => blocked_sum(row),
                Reduction::Mean => blocked_sum(row) / columns as f32,
                Reduction::Max => extreme(row, f32::NEG_INFINITY, f32::max),
                Reduction::Min => extreme(row, f32::INFINITY, f32::min),
            })
        })
        .collect()
}

/// The extreme of a row; NaN where there is one.
#[inline(always)]
fn extreme(row: &[f32], start: f32, of: impl Fn(f32, f32) -> f32) -> f32 {
    let (extreme, unknown) = row.iter().fold((start, false), |(e, u), v| (of(e, *v), u | v.is_nan()));
    if unknown { f32::NAN } else { extreme }
}

/// Sum of block sums.
#[inline(always)]
fn blocked_sum(row: &[f32]) -> f32 {
    row.chunks(4096).map(|block| f64::from(math::sum(block))).sum::<f64>() as f32
}

/// One value per column of `[rows, columns]`.
pub(crate) fn columns(data: &[f32], columns: usize, how: Reduction) -> Vec<f32> {
    let rows = data.len().checked_div(columns).unwrap_or(0);
    let start = match how {
        Reduction::Sum | Reduction::Mean => 0.0,
        Reduction::Max => f64::NEG_INFINITY,
        Reduction::Min => f64::INFINITY,
    };
    let mut out = vec![start; columns];
    for row in data.chunks_exact(columns.max(1)) {
        for (o, v) in out.iter_mut().zip(row) {
            let v = f64::from(*v);
            *o = match how {
                Reduction::Sum | Reduction::Mean => *o + v,
                Reduction::Max | Reduction::Min if o.is_nan() || v.is_nan() => f64::NAN,
                Reduction::Max => o.max(v),
                Reduction::Min => o.min(v),
            };
        }
    }
    let divisor = if how == Reduction::Mean { rows as f64 } else { 1.0 };
    out.into_iter().map(|v| (v / divisor) as f32).collect()
}
