//! Divergences of distributions.

use super::matmul::zeros;
use crate::{
    Error, Result, Tensor,
    cpu::{self, matmul::Operand},
    gpu,
    tensor::Pair,
};

/// What a zero of the distribution in the denominator counts as, beside [`INFINITE`]: each share `s` of the other distribution that lies on
/// such zeros costs about `s (69 + log s)` nats, so that of patterns that contradict a query those are nearer that do so less.
pub const ZERO: f32 = 1e-30;

/// What an infinite divergence has on top, in place of infinity: more than any finite one of distributions can be in f32 (70 nats), so that
/// a pattern that contradicts a query, in however small a share, is farther than all that do not.
pub const INFINITE: f32 = 128.0;

/// How far a distribution `q` (the query) is from another, `p` (the pattern), in nats. Terms `0 log 0` are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Divergence {
    /// Kullback-Leibler, `sum_i q_i log(q_i / p_i)`; `p_i` counts as at least [`ZERO`], and where any `p_i` up to that meets a `q_i` that is not 0 in f32
    /// there is [`INFINITE`] on top. Where the query is 0 nothing is asked of the pattern.
    Kl,
    /// The other way round, `sum_i p_i log(p_i / q_i)`, with the same for zeros of the query.
    ReverseKl,
    /// Jensen-Shannon, `1/2 KL(q, m) + 1/2 KL(p, m)` with `m = (p + q) / 2`: from 0 to `log 2`.
    JensenShannon,
}

impl Divergence {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Kl, Self::ReverseKl, Self::JensenShannon];
}

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
