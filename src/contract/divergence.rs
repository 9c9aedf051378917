//! Divergences of probability vectors.

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
