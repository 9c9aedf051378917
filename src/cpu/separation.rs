//! Separations on the CPU. Only the scores that can get weight are looked at closely: those within the margin of the
//! largest, which are few where it matters.

use crate::contract::{MASKED, Separation};
use crate::simd::math::{self, simd};
use rayon::prelude::*;

/// A pattern that may get weight: its column, and `beta` (for entmax times `alpha - 1`) times its score less the largest (for
/// k-subsets: less the `k`-th largest; for the epanechnikov kernel: times its score).
struct Candidate {
    column: usize,
    u: f64,
}

/// Weights `[b, n]` and summaries `[b, 4]` of rows of scores; see [`crate::ops::separate`].
pub(crate) fn separate(z: &[f32], columns: usize, beta: f32, kind: Separation) -> (Vec<f32>, Vec<f32>) {
    let mut weights = vec![0.0; z.len()];
    let mut summary = vec![0.0; z.len() / columns * 4];
    let rows = weights.par_chunks_exact_mut(columns).zip(summary.par_chunks_exact_mut(4));
    rows.zip(z.par_chunks_exact(columns)).for_each(|((weights, summary), z)| {
        summary.copy_from_slice(&row(z, f64::from(beta), kind, weights));
    });
    (weights, summary)
}

fn row(z: &[f32], beta: f64, kind: Separation, weights: &mut [f32]) -> [f32; 4] {
    if simd!(math::spoiled(z)) {
        weights.fill(f32::NAN);
        return [f32::NAN; 4];
    }
    let m = f64::from(simd!(math::maximum(z)));
    if m <= f64::from(0.5 * MASKED) {
        return [MASKED, 0.0, 0.0, 0.0];
    }
    // What scores are seen from, their scale, and how far below they count.
    let (origin, scale, reach) = match kind {
        Separation::Entmax(alpha) => (m, beta * (f64::from(alpha) - 1.0), 1.0),
        Separation::Normmax(_) => (m, beta, 1.0),
        // Below, the exponential is nothing in f32.
        Separation::Softmax => (m, beta, 104.0),
        // Within 1 of the `k`-th largest the threshold lies, however far the largest is.
        Separation::KSubsets(k) => (kth_largest(z, k as usize), beta, 1.0),
        Separation::Epanechnikov => (0.0, beta, 1.0),
    };
    let mut found: Vec<Candidate> = Vec::new();
    let least = (origin - reach / scale) as f32;
    for (column, z) in z.iter().enumerate() {
        // `>=` keeps what rounding has put on the border; its weight comes out as 0 if it must.
        if *z >= least && *z > 0.5 * MASKED {
            found.push(Candidate { column, u: scale * (f64::from(*z) - origin) });
        }
    }
    let p = probabilities(&found, z.len(), kind);
    let (mut linear, mut entropy, mut support, mut largest, mut potential) = (0.0, 0.0, 0, 0.0_f64, 0.0);
    let total: f64 = p.iter().sum();
    for (candidate, p) in found.iter().zip(&p) {
        weights[candidate.column] = *p as f32;
        if *p > 0.0 {
            linear += p * candidate.u / scale;
            entropy -= p / total * (p / total).ln();
            support += usize::from(*p as f32 > 0.0);
            largest = largest.max(*p);
        }
        potential += match kind {
            Separation::Softmax => candidate.u.exp(),
            Separation::Epanechnikov => (1.0 + candidate.u).max(0.0),
            _ => 0.0,
        };
    }
    let potential = match kind {
        Separation::Softmax => m + potential.ln() / beta,
        Separation::Epanechnikov if potential > 0.0 => potential.ln() / beta,
        Separation::Epanechnikov => f64::from(MASKED),
        _ => f64::from(kind.total()) * origin + linear - regulariser(&p, kind) / beta,
    };
    [potential as f32, entropy as f32, support as f32, largest as f32]
}

/// The regulariser `Omega(p)` of a separation with a threshold, 0 at a single pattern.
fn regulariser(p: &[f64], kind: Separation) -> f64 {
    let sum = |e: f64| p.iter().map(|p| power(*p, e)).sum::<f64>();
    match kind {
        Separation::Entmax(alpha) => {
            let alpha = f64::from(alpha);
            (sum(alpha) - 1.0) / (alpha * (alpha - 1.0))
        }
        Separation::Normmax(gamma) => sum(f64::from(gamma)).powf(1.0 / f64::from(gamma)) - 1.0,
        Separation::KSubsets(k) => 0.5 * (sum(2.0) - f64::from(k)),
        Separation::Softmax | Separation::Epanechnikov => 0.0,
    }
}

/// The `k`-th largest score; of fewer that count, the smallest of these.
fn kth_largest(z: &[f32], k: usize) -> f64 {
    let mut z: Vec<f32> = z.iter().copied().filter(|z| *z > 0.5 * MASKED).collect();
    let k = k.min(z.len());
    f64::from(*z.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a)).1)
}

/// Weights of the candidates among `n` scores.
fn probabilities(found: &[Candidate], n: usize, kind: Separation) -> Vec<f64> {
    let scaled = |w: Vec<f64>| {
        let total: f64 = w.iter().sum();
        w.into_iter().map(|w| w / total).collect()
    };
    let above = |tau: f64, e: f64| found.iter().map(|c| power(c.u - tau, e)).collect::<Vec<f64>>();
    let n = n as f64;
    match kind {
        Separation::Softmax => scaled(found.iter().map(|c| c.u.exp()).collect()),
        Separation::Entmax(alpha) => {
            let e = 1.0 / (f64::from(alpha) - 1.0);
            scaled(above(threshold(found, e, n.powf(1.0 - f64::from(alpha))), e))
        }
        Separation::Normmax(gamma) => {
            let g = f64::from(gamma);
            scaled(above(threshold(found, g / (g - 1.0), n.powf((1.0 - g) / g)), 1.0 / (g - 1.0)))
        }
        Separation::KSubsets(k) => clipped(found, f64::from(k)),
        Separation::Epanechnikov => {
            let inside = |c: &Candidate| 1.0 + c.u > 0.0;
            let count = found.iter().filter(|c| inside(c)).count().max(1) as f64;
            found.iter().map(|c| if inside(c) { 1.0 / count } else { 0.0 }).collect()
        }
    }
}

/// `x^e`, 0 for `x <= 0`.
fn power(x: f64, e: f64) -> f64 {
    match x {
        x if x <= 0.0 => 0.0,
        x if e == 1.0 => x,
        x if e == 2.0 => x * x,
        x => x.powf(e),
    }
}

/// `tau` in `[-1, -least]` with `sum (u - tau)^e = 1`.
fn threshold(found: &[Candidate], e: f64, least: f64) -> f64 {
    let mass = |tau: f64, e: f64| found.iter().map(|c| power(c.u - tau, e)).sum::<f64>();
    if e < 1.0 {
        // Roots of small numbers are large: the threshold is needed to its last bit however near to 0 it is, so its logarithm is halved.
        let (mut low, mut high) = (0.0, least.max(f64::MIN_POSITIVE).ln());
        for _ in 0..64 {
            let middle = 0.5 * (low + high);
            if mass(-f64::exp(middle), e) >= 1.0 { low = middle } else { high = middle }
        }
        return -low.exp();
    }
    // The mass is convex and falls: Newton's steps from the left stay on the left.
    let mut tau = -1.0;
    for _ in 0..64 {
        let slope = match e {
            1.0 => found.iter().filter(|c| c.u > tau).count() as f64,
            _ => e * mass(tau, e - 1.0),
        };
        let next = tau + (mass(tau, e) - 1.0) / slope;
        if next <= tau || !next.is_finite() {
            break;
        }
        tau = next;
    }
    tau
}

/// `clip(u - tau, 0, 1)` with the sum `k`.
fn clipped(found: &[Candidate], k: f64) -> Vec<f64> {
    let at = |tau: f64| found.iter().map(move |c| (c.u - tau).clamp(0.0, 1.0));
    let (mut low, mut high) = (-1.0, 0.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if at(middle).sum::<f64>() >= k { low = middle } else { high = middle }
    }
    at(low).collect()
}

/// Sums `[b, v]` of rows `[n, v]`, if few of the weights `[b, n]` are not 0: else a matrix product is faster.
pub(crate) fn sparse_sum(weights: &[f32], rows: &[f32], n: usize, v: usize) -> Option<Vec<f32>> {
    let some = weights.par_iter().filter(|w| **w != 0.0).count();
    if v == 0 || n == 0 || some > weights.len() / 16 {
        return None;
    }
    let mut sums = vec![0.0_f32; weights.len() / n * v];
    sums.par_chunks_exact_mut(v).zip(weights.par_chunks_exact(n)).for_each(|(sum, weights)| {
        for (w, row) in weights.iter().zip(rows.chunks_exact(v)).filter(|(w, _)| **w != 0.0) {
            sum.iter_mut().zip(row).for_each(|(s, x)| *s = w.mul_add(*x, *s));
        }
    });
    Some(sums)
}
