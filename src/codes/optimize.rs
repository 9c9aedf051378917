//! Codes found by continuation in the temperature of the pair loss: at small temperatures its minima are those of the largest cosine.
//!
//! J. Hu et al., "Provably Optimal Memory Capacity for Modern Hopfield Models" (U-Hop+), `NeurIPS` 2024: the loss.

use super::{Measure, measure};
use crate::{
    Error, Matrix, Result,
    ops::{Progress, SeparationLoss, by_rows, report, separation_loss_f64, unit_rows},
    optimize::{Limits, Optimizer},
    random::{Stream, purpose::NORMALS},
};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a code is looked for.
#[derive(Clone, Copy)]
pub struct CodeOptions<'a> {
    /// Random arrangements that are improved; the best result counts.
    pub starts: usize,
    /// Seed of these arrangements.
    pub seed: u64,
    /// Temperatures, one after the other.
    pub taus: &'a [f64],
    /// Most iterations at each of them.
    pub iterations: usize,
    /// Told of temperatures that are done, over all starts, and how many there are.
    pub progress: Option<Progress<'a>>,
}

impl Default for CodeOptions<'_> {
    fn default() -> Self {
        const TAUS: &[f64] = &[0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5];
        Self { starts: 8, seed: 0, taus: TAUS, iterations: 500, progress: None }
    }
}

impl std::fmt::Debug for CodeOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { starts, seed, taus, iterations, .. } = self;
        f.debug_struct("CodeOptions")
            .field("starts", starts)
            .field("seed", seed)
            .field("taus", taus)
            .field("iterations", iterations)
            .finish_non_exhaustive()
    }
}

/// What a search has found.
#[derive(Clone, Debug, PartialEq)]
pub struct CodeSearch {
    /// The points `[N, D]`, of length 1.
    pub points: Matrix,
    /// Their angles.
    pub measure: Measure,
    /// The gap that each start ended with.
    pub gaps: Vec<f64>,
}

/// Looks for `points` points on the unit sphere in `dim` dimensions whose smallest angle is as large as can be. Cost: some
/// `5 starts taus iterations points^2 dim` operations at most.
///
/// # Errors
/// [`Error::InvalidParameter`] for fewer than two points, no dimensions, no starts, no temperatures or one that is not positive.
///
/// ```
/// use attractor::codes::{CodeOptions, optimize};
/// let found = optimize(4, 3, &CodeOptions { starts: 2, ..CodeOptions::default() })?;
/// assert!((found.measure.gap - 4.0 / 3.0).abs() < 1e-3);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn optimize(points: usize, dim: usize, options: &CodeOptions<'_>) -> Result<CodeSearch> {
    for (name, value, least) in [
        ("number of points", points, 2),
        ("dimension of a sphere", dim, 1),
        ("number of starts", options.starts, 1),
    ] {
        if value < least {
            return Err(Error::parameter(name, value, format!("at least {least}")));
        }
    }
    // The search keeps some tens of numbers for each coordinate.
    if points.checked_mul(dim).is_none_or(|size| size > 1 << 24) {
        let want = format!("at most {} in {dim} dimensions", (1 << 24) / dim);
        return Err(Error::parameter("number of points", points, want));
    }
    if options.taus.is_empty() {
        return Err(Error::parameter("temperatures", "none", "at least one"));
    }
    let done = AtomicU64::new(0);
    let total = (options.starts * options.taus.len()) as u64;
    let tell = |more: u64| {
        let before = done.fetch_add(more, Ordering::Relaxed);
        report(options.progress, before + more, total)
    };
    let start = |start: usize| search(points, dim, start, options, &tell);
    let found = (0..options.starts).into_par_iter().map(start).collect::<Result<Vec<_>>>()?;
    let gaps = found.iter().map(|(_, measure)| measure.gap).collect();
    let best = found.into_iter().reduce(|a, b| if b.1.gap > a.1.gap { b } else { a });
    let Some((points, measure)) = best else {
        return Err(Error::parameter("number of starts", 0, "at least 1"));
    };
    Ok(CodeSearch { points, measure, gaps })
}

/// Starts that begin at different temperatures.
const SKIPPED: usize = 4;
/// How far points are moved at random before a temperature, relative to it.
const JOLT: f64 = 0.1;

/// One start, and what became of it.
fn search(
    points: usize,
    dim: usize,
    start: usize,
    options: &CodeOptions<'_>,
    tell: &(dyn Fn(u64) -> Result<()> + Sync),
) -> Result<(Matrix, Measure)> {
    let row = |i: usize| Stream::new(options.seed, NORMALS, (start * points + i) as u64).direction(dim);
    let mut x: Vec<f64> = (0..points).flat_map(row).collect();
    let limits = Limits { iterations: options.iterations, tolerance: 1e-12, watch: None };
    let mut best: Option<(Matrix, Measure)> = None;
    // Soft losses have few minima, so that many starts would come to the same one: some begin at lower temperatures.
    let first = (start % SKIPPED).min(options.taus.len() - 1);
    tell(first as u64)?;
    for (stage, tau) in options.taus.iter().enumerate().skip(first) {
        // Symmetric arrangements are saddles of sharper losses, and no gradient leads away from them.
        for (i, row) in x.chunks_exact_mut(dim).enumerate() {
            let number = ((start * options.taus.len() + stage) * points + i) as u64;
            let mut noise = Stream::new(!options.seed, NORMALS, number);
            row.iter_mut().for_each(|v| *v += JOLT * tau * noise.normal());
        }
        Optimizer::default().minimise(&mut x, &limits, |x, gradient| {
            tell(0)?;
            value(x, dim, *tau, gradient)
        })?;
        x = unit_rows(&x, dim)?.0;
        let code = Matrix { data: x.clone(), rows: points, columns: dim };
        let found = measure(&code)?;
        if best.as_ref().is_none_or(|(_, best)| found.gap > best.gap) {
            best = Some((code, found));
        }
        tell(1)?;
    }
    best.ok_or_else(|| Error::parameter("temperatures", "none", "at least one"))
}

/// `tau` times the pair loss of the points at length 1, a smooth largest cosine, and its gradient by points that may be longer.
fn value(x: &[f64], dim: usize, tau: f64, gradient: &mut [f64]) -> Result<f64> {
    let (unit, lengths) = unit_rows(x, dim)?;
    let (loss, by_unit) = separation_loss_f64(&unit, dim, SeparationLoss::Pair, tau)?;
    gradient.copy_from_slice(&by_unit);
    by_rows(gradient, &unit, &lengths, tau);
    Ok(tau * loss)
}
