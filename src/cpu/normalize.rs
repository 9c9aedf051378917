//! Rows brought to a common scale, on the CPU.

use crate::contract::Normalization;
use crate::simd::math::{self, simd};

/// Normalises each row in place.
pub(crate) fn normalize(data: &mut [f32], columns: usize, how: Normalization) {
    super::for_each_row(data, columns, |_, row| {
        simd!({
            let square = match how {
                Normalization::Layer { eps } => {
                    let mean = (sum(row) / columns as f64) as f32;
                    row.iter_mut().for_each(|v| *v -= mean);
                    // Of what is left: the mean's own rounding error would count twice otherwise.
                    let rest = sum(row) / columns as f64;
                    let variance = squares(row) / columns as f64 - rest * rest;
                    if variance < 0.0 { f64::from(eps) } else { variance + f64::from(eps) }
                }
                Normalization::L2 => squares(row),
            };
            // Below the normal numbers it counts as 0; beyond the finite ones there is no knowing.
            let inverse = match square {
                s if s < f64::from(f32::MIN_POSITIVE) => 0.0,
                s if s <= f64::from(f32::MAX) => (1.0 / s.sqrt()) as f32,
                _ => f32::NAN,
            };
            row.iter_mut().for_each(|v| *v *= inverse);
        });
    });
}

/// Sum, by blocks.
#[inline(always)]
fn sum(row: &[f32]) -> f64 {
    let mut total = 0.0;
    for block in row.chunks(4096) {
        total += f64::from(math::sum(block));
    }
    total
}

/// Sum of squares, by blocks.
#[inline(always)]
fn squares(row: &[f32]) -> f64 {
    let mut total = 0.0;
    for block in row.chunks(4096) {
        total += f64::from(math::dot(block, block));
    }
    total
}
