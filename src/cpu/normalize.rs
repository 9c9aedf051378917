//! Rows brought to a common scale, on the CPU.

use super::math::{self, simd};
use crate::ops::Normalization;

/// Normalises each row in place.
pub(crate) fn normalize(data: &mut [f32], columns: usize, how: Normalization) {
    super::for_each_row(data, columns, |_, row| {
        simd!({
            let scale = match how {
                Normalization::Layer { eps } => {
                    let mean = (sum(row, math::sum) / columns as f64) as f32;
                    row.iter_mut().for_each(|v| *v -= mean);
                    // Of what is left: the mean's own rounding error would count twice otherwise.
                    let rest = sum(row, math::sum) / columns as f64;
                    let variance = sum(row, |block| math::dot(block, block)) / columns as f64 - rest * rest;
                    (variance.max(0.0) + f64::from(eps)).sqrt()
                }
                Normalization::L2 => sum(row, |block| math::dot(block, block)).sqrt(),
            };
            let inverse = if scale > 0.0 { (1.0 / scale) as f32 } else { 0.0 };
            row.iter_mut().for_each(|v| *v *= inverse);
        });
    });
}

/// Sum of what `f` makes of blocks.
#[inline(always)]
fn sum(row: &[f32], f: impl Fn(&[f32]) -> f32) -> f64 {
    row.chunks(4096).map(|block| f64::from(f(block))).sum()
}
