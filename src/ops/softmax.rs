//! Softmax and log-sum-exp of rows, stabilised by the maximum.

use super::check_beta;
use crate::{Error, Result, Tensor, cpu, gpu, tensor::Place};

fn checked(x: &Tensor, beta: f32) -> Result<()> {
    check_beta(beta)?;
    if x.matrix_shape().1 == 0 {
        return Err(Error::parameter("columns of the softmax", 0, "at least 1"));
    }
    Ok(())
}

/// `p_ik = exp(beta z_ik) / sum_j exp(beta z_ij)` for each row of `z`. Minus infinity has no weight; a row with a NaN or plus
/// infinity, or with nothing but minus infinity, becomes NaN.
///
/// # Errors
/// [`Error::InvalidParameter`] where `beta <= 0` or a row is empty.
///
/// ```
/// use attractor::{Device, Tensor, ops::softmax};
/// let z = Tensor::new(&Device::cpu(), &[[0.0, 0.0, -1e5]])?;
/// assert_eq!(softmax(&z, 2.0)?.to_vec()?, [0.5, 0.5, 0.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn softmax(z: &Tensor, beta: f32) -> Result<Tensor> {
    checked(z, beta)?;
    match z.place() {
        Place::Cpu(v) => {
            let mut out = v.to_vec();
            cpu::softmax::softmax(&mut out, z.matrix_shape().1, beta);
            Tensor::on_cpu(out, z.shape())
        }
        Place::Gpu(v) => Tensor::on_gpu(gpu::softmax::softmax(v, beta)?, z.shape()),
    }
}

/// `(1/beta) log sum_k exp(beta z_ik)` for each row of `z`: `[rows]`; NaN where [`softmax()`] is.
///
/// # Errors
/// [`Error::InvalidParameter`] where `beta <= 0` or a row is empty.
///
/// ```
/// use attractor::{Device, Tensor, ops::log_sum_exp};
/// let z = Tensor::new(&Device::cpu(), &[[3.0, 3.0]])?;
/// assert!((log_sum_exp(&z, 1.0)?.to_vec()?[0] - (3.0 + 2f32.ln())).abs() < 1e-6);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn log_sum_exp(z: &Tensor, beta: f32) -> Result<Tensor> {
    checked(z, beta)?;
    let (rows, columns) = z.matrix_shape();
    match z.place() {
        Place::Cpu(v) => Tensor::on_cpu(cpu::softmax::log_sum_exp(v, columns, beta), &[rows]),
        Place::Gpu(v) => Tensor::on_gpu(gpu::softmax::log_sum_exp(v, beta)?, &[rows]),
    }
}
