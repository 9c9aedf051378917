//! Softmax and log-sum-exp of rows on the CPU.

use crate::simd::math::{self, exp_nonpositive, simd};
use rayon::prelude::*;

/// Turns `z` into `exp(beta (z - max))` and gives their sum and the maximum of `z`; NaN where there is a NaN or plus infinity, or
/// nothing but minus infinity.
fn exponentials(z: &mut [f32], beta: f32) -> (f64, f32) {
    simd!({
        let m = math::maximum(z);
        if math::spoiled(z) || z.iter().all(|v| *v < f32::MIN) {
            z.fill(f32::NAN);
            return (f64::NAN, f32::NAN);
        }
        let mut total = 0.0_f64;
        for block in z.chunks_mut(4096) {
            block.iter_mut().for_each(|v| *v = exp_nonpositive(beta * (*v - m)));
            total += f64::from(math::sum(block));
        }
        (total, m)
    })
}

/// `softmax(beta z)` of each row, in place.
pub(crate) fn softmax(data: &mut [f32], columns: usize, beta: f32) {
    super::for_each_row(data, columns, |_, row| {
        let (total, _) = exponentials(row, beta);
        let inverse = (1.0 / total) as f32;
        row.iter_mut().for_each(|v| *v *= inverse);
    });
}

/// `(1/beta) log sum exp(beta z)` of each row.
pub(crate) fn log_sum_exp(data: &[f32], columns: usize, beta: f32) -> Vec<f32> {
    data.par_chunks_exact(columns.max(1))
        .map(|row| {
            let (total, m) = exponentials(&mut row.to_vec(), beta);
            (f64::from(m) + total.ln() / f64::from(beta)) as f32
        })
        .collect()
}
