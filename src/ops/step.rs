//! One softmax step, the heart of every dense memory.

use super::{Similarity, softmax::check_beta};
use crate::{
    Error, Result, Tensor,
    cpu::{self, matmul::Operand},
    gpu,
    tensor::Pair,
};

/// `(state, energy) = step(queries, patterns, beta)`: one update
/// `state = sum_k p_k xi_k` with `p = softmax(beta similarity(x, xi))`, `[b, d]`, and the
/// log-sum-exp energy `-(1/beta) log sum_k exp(beta similarity)` of the queries before it, `[b]`; for
/// [`Similarity::Dot`] with `1/2 |x|^2` added, so that the update never raises it, and for
/// [`Similarity::Cosine`] with the exponentials weighted by `|xi|`, for the same reason.
///
/// The `[b, n]` scores are never stored whole. Cost: `4 b n d` operations; the patterns are read
/// once.
///
/// # Errors
/// [`Error::DimensionMismatch`], [`Error::DeviceMismatch`], [`Error::EmptyMemory`] without patterns,
/// [`Error::InvalidParameter`] where `beta <= 0`.
///
/// ```
/// use attractor::{Device, Tensor, ops::{step, Similarity}};
/// let x = Tensor::new(&Device::cpu(), &[[0.6, 0.2]])?;
/// let xi = Tensor::new(&Device::cpu(), &[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])?;
/// let (state, _energy) = step(&x, &xi, 2.0, Similarity::Dot)?;
/// assert!((state.to_vec()?[0] - 0.5904249).abs() < 1e-6);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn step(
    queries: &Tensor,
    patterns: &Tensor,
    beta: f32,
    similarity: Similarity,
) -> Result<(Tensor, Tensor)> {
    check_beta(beta)?;
    let ((b, d), (n, dn)) = (queries.matrix_shape(), patterns.matrix_shape());
    if d != dn {
        return Err(Error::dimension("columns of queries (as patterns have)", d, dn));
    }
    if d == 0 {
        return Err(Error::parameter("columns of queries", 0, "at least 1"));
    }
    if n == 0 {
        return Err(Error::EmptyMemory);
    }
    match Pair::new("step", queries, patterns)? {
        Pair::Cpu(x, xi) => {
            let (state, energy) =
                cpu::descent::step(Operand::new(x, b, d), Operand::new(xi, n, d), beta, similarity);
            Ok((Tensor::on_cpu(state, &[b, d])?, Tensor::on_cpu(energy, &[b])?))
        }
        Pair::Gpu(x, xi) => {
            let (state, energy) = gpu::descent::step(x, xi, beta, similarity)?;
            Ok((Tensor::on_gpu(state, &[b, d])?, Tensor::on_gpu(energy, &[b])?))
        }
    }
}
