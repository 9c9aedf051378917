//! One more row for each of several matrices.

use crate::{Error, Result, Tensor, cpu, gpu, tensor::Pair};

/// Each of the matrices `x` `[g, n, d]` with `row` `[d]` after its last row: `[g, n + 1, d]`.
///
/// # Errors
/// [`Error::InvalidParameter`] for another rank, or where `n` or `d` is 0; [`Error::DimensionMismatch`]
/// where the row has another length; [`Error::DeviceMismatch`].
///
/// ```
/// use attractor::{Device, Tensor, ops::append_row};
/// let x = Tensor::from_flat(&Device::cpu(), &[1.0, 2.0], &[2, 1, 1])?;
/// let longer = append_row(&x, &Tensor::new(&Device::cpu(), &[9.0])?)?;
/// assert_eq!(longer.shape(), [2, 2, 1]);
/// assert_eq!(longer.to_vec()?, [1.0, 9.0, 2.0, 9.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn append_row(x: &Tensor, row: &Tensor) -> Result<Tensor> {
    let &[g, n, d] = x.shape() else {
        return Err(Error::parameter("rank of matrices that get one more row", x.shape().len(), "3"));
    };
    if n * d == 0 {
        return Err(Error::parameter("values of a matrix that gets one more row", 0, "at least 1"));
    }
    if row.matrix_shape() != (1, d) {
        return Err(Error::dimension("columns of the row", row.matrix_shape().1, d));
    }
    let shape = [g, n + 1, d];
    match Pair::new("append_row", x, row)? {
        Pair::Cpu(x, row) => Tensor::on_cpu(cpu::append::append_row(x, n * d, row), &shape),
        Pair::Gpu(x, row) => Tensor::on_gpu(gpu::append::append_row(x, n, row)?, &shape),
    }
}
