//! Updates of states of -1 and 1 under stored patterns of bits.
//!
//! For any `F`, the change of `sum_k F(xi_k.x)` when bit `i` goes from -1 to 1 is
//! `sum_k xi_ki w(h_k) + x_i sum_k c(h_k)` with the overlaps `h_k = xi_k.x`: one product and a correction, not a loop over bits and
//! patterns. `w` and `c` depend on an overlap alone, which is one of `d + 1` whole numbers, so they are a table.

use super::{FlipTable, Flips, Unary, Wanted, top_k, unary};
use crate::{Bits, Error, Result, Rows, Tensor, cpu, gpu, tensor::Place};

/// Overlaps `[b, n]` of rows of bits: sums of products of -1 and 1, exactly. Cost: an exclusive or and a population count per 64
/// columns (32 on a GPU).
///
/// # Errors
/// [`Error::DimensionMismatch`] where the columns differ, [`Error::DeviceMismatch`], [`Error::TooLarge`].
///
/// ```
/// use attractor::{Bits, Device, ops::overlaps};
/// let x = Bits::new(&Device::cpu(), &[[1.0, 1.0, -1.0]])?;
/// let xi = Bits::new(&Device::cpu(), &[[1.0, 1.0, -1.0], [-1.0, 1.0, 1.0]])?;
/// assert_eq!(overlaps(&x, &xi)?.to_vec()?, [3.0, -1.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn overlaps(states: &Bits, patterns: &Bits) -> Result<Tensor> {
    if states.columns() != patterns.columns() {
        return Err(Error::dimension("columns of states", states.columns(), patterns.columns()));
    }
    if states.device() != patterns.device() {
        let (left, right) = (states.device().to_string(), patterns.device().to_string());
        return Err(Error::DeviceMismatch { what: "overlaps", left, right });
    }
    let shape = [states.rows(), patterns.rows()];
    match patterns.device().as_gpu() {
        _ if shape.contains(&0) => Tensor::from_flat(patterns.device(), &[], &shape),
        None => Tensor::on_cpu(cpu::bits::overlaps(states.packed(), patterns.packed()), &shape),
        Some(context) => Tensor::on_gpu(gpu::bits::overlaps(context, states, patterns)?, &shape),
    }
}

/// Energies of states, and what else is wanted.
pub(crate) fn flips(states: &Bits, patterns: &Bits, table: &FlipTable, wanted: Wanted) -> Result<Flips> {
    match patterns.device().as_gpu() {
        None => Ok(cpu::bits::flips(states.packed(), patterns.packed(), table, wanted)),
        Some(context) => {
            let (flips, weights, sizes) = gpu::bits::flips(context, states, patterns, table, wanted.fields)?;
            let weights = Tensor::on_gpu(weights, &[states.rows(), patterns.rows()])?;
            with_best(flips, &weights, &sizes, wanted.top_k)
        }
    }
}

/// Enters the `k` patterns with the largest weights, and their share of the sizes of all.
fn with_best(mut flips: Flips, weights: &Tensor, sizes: &[f32], k: usize) -> Result<Flips> {
    if k > 0 {
        let n = weights.matrix_shape().1;
        flips.indices = top_k(&unary(Unary::Abs, weights)?, k)?.1;
        let weights = weights.to_vec()?;
        let share = |(at, index): (usize, &u32)| {
            let row = at / k;
            weights[row * n + *index as usize] / sizes[row].max(f32::MIN_POSITIVE)
        };
        flips.weights = flips.indices.iter().enumerate().map(share).collect();
    }
    Ok(flips)
}

/// States `[b * d]` after one asynchronous sweep: bit after bit in this order, clamped ones left out.
pub(crate) fn sweep(
    states: &Bits,
    patterns: &Bits,
    table: &FlipTable,
    order: &[u32],
    clamp: &[bool],
) -> Result<Vec<f32>> {
    match patterns.device().as_gpu() {
        None => Ok(cpu::bits::sweep(states.packed(), patterns.packed(), table, order, clamp)),
        Some(context) => gpu::bits::sweep(context, states, patterns, table, order, clamp),
    }
}

/// States `[b * d]` after one asynchronous sweep under a symmetric matrix `[d, d]` with a zero diagonal; `fields` are those of the states. Up
/// to `noise [d]` they count as 0.
pub(crate) fn matrix_sweep(
    states: &[f32],
    fields: &[f32],
    matrix: &Tensor,
    noise: &[f32],
    order: &[u32],
    clamp: &[bool],
) -> Result<Vec<f32>> {
    let d = matrix.matrix_shape().1;
    match matrix.place() {
        Place::Cpu(matrix) => Ok(cpu::bits::sweep_matrix(states, fields, matrix, noise, order, clamp)),
        Place::Gpu(matrix) => {
            let upload = |values: &[f32]| {
                let rows = Rows::new(values, d)?;
                gpu::Matrix::upload(matrix.context(), &rows, rows.rows(), d)
            };
            gpu::bits::sweep_matrix(&upload(states)?, &upload(fields)?, matrix, noise, order, clamp)
        }
    }
}
