//! Divergences of distributions.

use super::Divergence;
use super::matmul::zeros;
use crate::{
    Error, Result, Tensor,
    cpu::{self, matmul::Operand},
    gpu,
    tensor::Pair,
};

/// Divergences `[b, n]` of queries `[b, d]` and patterns `[n, d]`, in nats; smaller is nearer. Rows are distributions:
/// not negative, with the sum 1. That is not checked here; of other rows the sums above are taken as they stand, of
/// negative values they have no meaning, and where a ratio leaves f32 (a value above `3e8` over a zero) they are NaN. Cost: `b n d` logarithms, twice that for Jensen-Shannon.
///
/// # Errors
/// [`Error::DimensionMismatch`] where the columns differ, [`Error::DeviceMismatch`], [`Error::TooLarge`] where the
/// result is beyond one buffer of the device.
///
/// ```
/// use attractor::{Device, Tensor, ops::{divergence, Divergence}};
/// let q = Tensor::new(&Device::cpu(), &[[0.5, 0.5, 0.0]])?;
/// let p = Tensor::new(&Device::cpu(), &[[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]])?;
/// let d = divergence(&q, &p, Divergence::Kl)?.to_vec()?;
/// assert!(d[0].abs() < 1e-6 && (d[1] - 2f32.ln()).abs() < 1e-6);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn divergence(queries: &Tensor, patterns: &Tensor, kind: Divergence) -> Result<Tensor> {
    let ((b, d), (n, dn)) = (queries.matrix_shape(), patterns.matrix_shape());
    if d != dn {
        return Err(Error::dimension("columns of queries (as patterns have)", d, dn));
    }
    if b == 0 || n == 0 || d == 0 {
        return Tensor::from_flat(&queries.device(), &zeros("divergences", b, n)?, &[b, n]);
    }
    match Pair::new("divergence", queries, patterns)? {
        Pair::Cpu(q, p) => {
            let mut out = zeros("divergences", b, n)?;
            cpu::divergence::divergence(&mut out, Operand::new(q, b, d), Operand::new(p, n, d), kind);
            Tensor::on_cpu(out, &[b, n])
        }
        Pair::Gpu(q, p) => Tensor::on_gpu(gpu::divergence::divergence(q, p, kind)?, &[b, n]),
    }
}
