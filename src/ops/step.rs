//! One softmax step, the heart of every dense memory.

use super::{LARGEST, Similarity, check_beta, check_reach, lengths::longest};
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
/// [`Similarity::Cosine`] with the exponentials weighted by `|xi|`, for the same reason (infinite where all patterns are zeros).
///
/// The `[b, n]` scores are never stored whole. Cost: `4 b n d` operations; the patterns are read
/// once, and once more the first time that a tensor of patterns is used, to measure it.
///
/// Patterns that no score can be made of are refused. Queries stay where they are, so what they are is not looked at: of a
/// query with a value that is not finite, or with a squared length beyond 1e28 or `beta` times a similarity that can be, the state
/// and the energy are not finite.
///
/// # Errors
/// [`Error::DimensionMismatch`], [`Error::DeviceMismatch`], [`Error::EmptyMemory`] without patterns, [`Error::NonFinite`] naming a
/// pattern, [`Error::InvalidParameter`] where `beta <= 0`, where a pattern has a squared length beyond 1e28, or `beta` times
/// what similarities they can have is.
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
    let pair = Pair::new("step", queries, patterns)?;
    let widest = longest(patterns, LARGEST, "patterns")?;
    check_reach(beta, similarity.reach(f64::from(widest), d))?;
    let most = similarity.longest(beta, d);
    match pair {
        Pair::Cpu(x, xi) => {
            let (state, energy) =
                cpu::descent::step(Operand::new(x, b, d), Operand::new(xi, n, d), beta, similarity, most);
            Ok((Tensor::on_cpu(state, &[b, d])?, Tensor::on_cpu(energy, &[b])?))
        }
        Pair::Gpu(x, xi) => {
            let (state, energy) = gpu::descent::step(x, xi, beta, similarity, most)?;
            Ok((Tensor::on_gpu(state, &[b, d])?, Tensor::on_gpu(energy, &[b])?))
        }
    }
}
