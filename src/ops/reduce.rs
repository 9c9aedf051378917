//! Sums, means and extremes over rows or columns.

use super::matmul::zeros;
use super::{Axis, Reduction};
use crate::{Error, Result, Tensor, cpu, gpu, tensor::Place};

/// Reduces a matrix along an axis. Sums run in lanes and blocks, never one long chain; a sum of values whose sizes alone sum to more
/// than f32 holds is right or not finite. A NaN makes its result one, also of extremes.
///
/// # Errors
/// [`Error::InvalidParameter`] where there is nothing to reduce (mean, maximum or minimum of none).
///
/// ```
/// use attractor::{Device, Tensor, ops::{reduce, Axis, Reduction}};
/// let x = Tensor::new(&Device::cpu(), &[[1.0, 2.0], [3.0, 5.0]])?;
/// assert_eq!(reduce(&x, Reduction::Mean, Axis::Rows)?.to_vec()?, [2.0, 3.5]);
/// assert_eq!(reduce(&x, Reduction::Max, Axis::Columns)?.to_vec()?, [2.0, 5.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn reduce(x: &Tensor, how: Reduction, over: Axis) -> Result<Tensor> {
    let (rows, columns) = x.matrix_shape();
    let (count, kept) = if over == Axis::Rows { (rows, columns) } else { (columns, rows) };
    if count == 0 && how != Reduction::Sum {
        return Err(Error::parameter("length of the reduced axis", 0, "at least 1"));
    }
    if count == 0 {
        // As many as the other axis is long, which may be more than any memory has.
        return Tensor::from_flat(&x.device(), &zeros("sums of nothing", kept, 1)?, &[kept]);
    }
    match (x.place(), over) {
        (Place::Cpu(v), Axis::Columns) => Tensor::on_cpu(cpu::reduce::rows(v, columns, how), &[kept]),
        (Place::Cpu(v), Axis::Rows) => Tensor::on_cpu(cpu::reduce::columns(v, columns, how), &[kept]),
        (Place::Gpu(v), _) => Tensor::on_gpu(gpu::reduce::reduce(v, how, over)?, &[kept]),
    }
}
