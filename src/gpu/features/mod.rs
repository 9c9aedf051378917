//! Random features on the GPU: frequencies from the generator with a counter, and what is made of their products with states.

mod fused;
pub(crate) mod hadamard;
pub(crate) mod walk;

pub(in crate::gpu) use fused::can;
pub(crate) use fused::{Frequencies, look, strategy, sums};

use super::{Context, Dispatch, Matrix, parameters};
use crate::Result;
use std::sync::Arc;

/// Rows `first..first + rows` of the independent normals of a seed, `[rows, d]`; they must not cross a multiple of 2^32.
pub(crate) fn frequencies(
    context: &Arc<Context>,
    seed: u64,
    first: u64,
    rows: usize,
    d: usize,
) -> Result<Matrix> {
    let out = Matrix::new(context, "frequencies", rows, d)?;
    let width = out.width4();
    context.dispatch(&Dispatch {
        kernel: "frequencies",
        parameters: &parameters::Frequencies {
            rows: rows as u32,
            columns: d as u32,
            width: width as u32,
            first: first as u32,
            seed_low: seed as u32,
            seed_high: (seed >> 32) as u32,
            high: (first >> 32) as u32,
        },
        buffers: &[out.buffer()],
        groups: (rows * width).div_ceil(64),
        trips: 10,
        // About as many operations as a value takes.
        work: 40.0 * (rows * d) as f64,
    })?;
    Ok(out)
}

/// Of products `z` `[b, columns]` the two features each, or (`step`) the products of these with `T` and their derivatives.
/// `sides` are the halves of `T` and the phases `[3, m]`, of which a tile starts at `first`, a multiple of 4; `shift` `[b]`
/// is taken off exponents.
pub(crate) fn combine(
    z: &Matrix,
    sides: &Matrix,
    shift: &Matrix,
    first: usize,
    waves: bool,
    step: bool,
) -> Result<(Matrix, Matrix)> {
    let (rows, columns, width) = (z.rows(), z.columns(), z.width4());
    let [a, b] = [0, 1].map(|_| Matrix::new(z.context(), "features", rows, columns));
    let (a, b) = (a?, b?);
    z.context().dispatch(&Dispatch {
        kernel: if step { "features.step" } else { "features.encode" },
        parameters: &parameters::Features {
            rows: rows as u32,
            columns: columns as u32,
            width: width as u32,
            side_width: sides.width4() as u32,
            first: (first / 4) as u32,
            waves: u32::from(waves),
        },
        buffers: &[z.buffer(), sides.buffer(), shift.buffer(), a.buffer(), b.buffer()],
        groups: (rows * width).div_ceil(64),
        trips: 1,
        work: 20.0 * (rows * columns) as f64,
    })?;
    Ok((a, b))
}
