//! Element by element.

use super::{Binary, Unary};
use crate::{
    Error, Result, Tensor, cpu, gpu,
    tensor::{Pair, Place},
};

/// `f` of each element of `x`; the result has the shape of `x`. What is no number stays so on every device: NaN of NaN, and of infinities
/// what IEEE 754 says.
///
/// # Errors
/// Those of the device.
///
/// ```
/// use attractor::{Device, Tensor, ops::{unary, Unary}};
/// let x = Tensor::new(&Device::cpu(), &[[-2.0, 0.0, 3.0]])?;
/// assert_eq!(unary(Unary::Relu, &x)?.to_vec()?, [0.0, 0.0, 3.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn unary(f: Unary, x: &Tensor) -> Result<Tensor> {
    match x.place() {
        Place::Cpu(v) => Tensor::on_cpu(cpu::elementwise::unary(f, v), x.shape()),
        Place::Gpu(v) => Tensor::on_gpu(gpu::elementwise::unary(f, v)?, x.shape()),
    }
}

/// `f` of each pair of elements of `x` and `y`; `y` has the shape of `x`, or is one row `[columns]`
/// that goes with every row of `x`. The result has the shape of `x`. A NaN on either side gives NaN, for extremes too.
///
/// # Errors
/// [`Error::DimensionMismatch`] for other shapes, [`Error::DeviceMismatch`].
///
/// ```
/// use attractor::{Device, Tensor, ops::{binary, Binary}};
/// let x = Tensor::new(&Device::cpu(), &[[1.0, 2.0], [3.0, 4.0]])?;
/// let mean = Tensor::new(&Device::cpu(), &[2.0, 3.0])?;
/// assert_eq!(binary(Binary::Sub, &x, &mean)?.to_vec()?, [-1.0, -1.0, 1.0, 1.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn binary(f: Binary, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let ((xr, xc), (yr, yc)) = (x.matrix_shape(), y.matrix_shape());
    if xc != yc {
        return Err(Error::dimension("columns of the right operand", yc, xc));
    }
    if yr != 1 && yr != xr {
        return Err(Error::dimension("rows of the right operand (1 also fits)", yr, xr));
    }
    match Pair::new("elementwise", x, y)? {
        Pair::Cpu(a, b) => Tensor::on_cpu(cpu::elementwise::binary(f, a, b), x.shape()),
        Pair::Gpu(a, b) => Tensor::on_gpu(gpu::elementwise::binary(f, a, b)?, x.shape()),
    }
}

/// `f` of each element of `x` `[rows, columns]` and its row's value in `y` `[rows]`, as [`super::reduce`] gives
/// them; the result has the shape of `x`.
///
/// # Errors
/// [`Error::DimensionMismatch`] where `y` has not one value per row, [`Error::DeviceMismatch`].
///
/// ```
/// use attractor::{Device, Tensor, ops::{by_row, Binary}};
/// let x = Tensor::new(&Device::cpu(), &[[1.0, 2.0], [3.0, 4.0]])?;
/// let sums = Tensor::from_flat(&Device::cpu(), &[4.0, 8.0], &[2])?;
/// assert_eq!(by_row(Binary::Div, &x, &sums)?.to_vec()?, [0.25, 0.5, 0.375, 0.5]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn by_row(f: Binary, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let (rows, columns) = x.matrix_shape();
    if y.shape().len() != 1 || y.shape()[0] != rows {
        let got = y.shape().iter().product();
        return Err(Error::dimension("values of the right operand (one per row, rank 1)", got, rows));
    }
    match Pair::new("elementwise by row", x, y)? {
        Pair::Cpu(a, b) => Tensor::on_cpu(cpu::elementwise::by_row(f, a, columns, b), x.shape()),
        Pair::Gpu(a, b) => Tensor::on_gpu(gpu::elementwise::by_row(f, a, b)?, x.shape()),
    }
}

/// `x^n` of each element, by repeated multiplication.
///
/// # Errors
/// [`Error::InvalidParameter`] where `n` is 0; those of the device.
///
/// ```
/// use attractor::{Device, Tensor, ops::power};
/// let x = Tensor::new(&Device::cpu(), &[[-2.0, 0.0, 3.0]])?;
/// assert_eq!(power(&x, 5)?.to_vec()?, [-32.0, 0.0, 243.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn power(x: &Tensor, n: u32) -> Result<Tensor> {
    if n == 0 {
        return Err(Error::parameter("power", n, "at least 1"));
    }
    let mut square = x.clone();
    let mut result: Option<Tensor> = None;
    for bit in 0..n.ilog2() + 1 {
        if bit > 0 {
            square = unary(Unary::Square, &square)?;
        }
        if n >> bit & 1 == 1 {
            result = Some(match &result {
                Some(result) => binary(Binary::Mul, result, &square)?,
                None => square.clone(),
            });
        }
    }
    Ok(result.unwrap_or(square))
}
