//! Rows brought to a common scale.

use super::Normalization;
use crate::{Error, Result, Tensor, cpu, gpu, tensor::Place};

/// Each row of `x` normalised; the result has the shape of `x`. Where the squares sum to less than f32's normal numbers
/// (`1.2e-38`) the row counts as zeros; where they leave f32, or a value is not finite, it becomes NaN.
///
/// # Errors
/// [`Error::InvalidParameter`] where `eps` is negative or not finite.
///
/// ```
/// use attractor::{Device, Tensor, ops::{normalize, Normalization}};
/// let x = Tensor::new(&Device::cpu(), &[[3.0, -4.0], [0.0, 0.0]])?;
/// assert_eq!(normalize(&x, Normalization::L2)?.to_vec()?, [0.6, -0.8, 0.0, 0.0]);
/// let centred = normalize(&x, Normalization::Layer { eps: 0.0 })?;
/// assert_eq!(centred.to_vec()?, [1.0, -1.0, 0.0, 0.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn normalize(x: &Tensor, how: Normalization) -> Result<Tensor> {
    if let Normalization::Layer { eps } = how
        && !(eps >= 0.0 && eps.is_finite())
    {
        return Err(Error::parameter("eps", eps, "0 or a positive, finite number"));
    }
    let (rows, columns) = x.matrix_shape();
    if rows * columns == 0 {
        return Ok(x.clone());
    }
    match x.place() {
        Place::Cpu(v) => {
            let mut out = v.to_vec();
            cpu::normalize::normalize(&mut out, columns, how);
            Tensor::on_cpu(out, x.shape())
        }
        Place::Gpu(v) => Tensor::on_gpu(gpu::normalize::normalize(v, how)?, x.shape()),
    }
}
