//! Divergences of distributions on the CPU: a sum of logarithms for each pair of rows.

use super::matmul::Operand;
use crate::contract::{Divergence, INFINITE, ZERO};
use crate::simd::math::{fold2, ln_positive, simd};
use rayon::prelude::*;

/// Logarithms that are worth a thread's while.
const WORK: usize = 1 << 16;

/// `a log(a / b)`; 0 where `a` is 0, since the logarithm stays finite. NaN where the ratio leaves f32, or `b` has.
#[inline(always)]
fn term(a: f32, b: f32) -> f32 {
    let ratio = a / if b <= ZERO { ZERO } else { b };
    a * if ratio < f32::INFINITY && b < f32::INFINITY { ln_positive(ratio) } else { f32::NAN }
}

/// What there is on top of a sum over `a log(a / b)` that is infinite.
#[inline(always)]
fn on_top(a: &[f32], b: &[f32]) -> f32 {
    let meets = |a: f32, b: f32| if a >= f32::MIN_POSITIVE && b <= ZERO { 1.0 } else { 0.0 };
    if fold2(a, b, |s, a, b| s + meets(a, b)) > 0.0 { INFINITE } else { 0.0 }
}

#[inline(always)]
fn of_pair(q: &[f32], p: &[f32], kind: Divergence) -> f32 {
    match kind {
        Divergence::Kl => fold2(q, p, |s, q, p| s + term(q, p)) + on_top(q, p),
        Divergence::ReverseKl => fold2(q, p, |s, q, p| s + term(p, q)) + on_top(p, q),
        Divergence::JensenShannon => fold2(q, p, |s, q, p| {
            let m = 0.5 * (q + p);
            s + 0.5 * (term(q, m) + term(p, m))
        }),
    }
}

/// Divergences `[b, n]` of queries `[b, d]` and patterns `[n, d]`; none of the sizes is 0.
pub(crate) fn divergence(out: &mut [f32], queries: Operand<'_>, patterns: Operand<'_>, kind: Divergence) {
    let ((_, d), (n, _)) = (queries.shape, patterns.shape);
    let chunk = (WORK / d).max(1);
    out.par_chunks_mut(chunk).enumerate().for_each(|(i, out)| {
        simd!(for (at, out) in out.iter_mut().enumerate() {
            let pair = i * chunk + at;
            let (q, p) = (pair / n * d, pair % n * d);
            *out = of_pair(&queries.data[q..q + d], &patterns.data[p..p + d], kind);
        });
    });
}
