//! How far from a pattern one may start: retrieval radii, and the storage test of Ramsauer et al.

use super::{
    Plan, Schedule, Series,
    ensemble::in_order,
    recall::{Way, recall_from},
    run::memory_of,
    vectors::{dot, length},
};
use crate::{
    Device, Error, Result, Rows, Tensor,
    memory::Memory,
    ops::{Similarity, nearest},
    random::{Stream, key, purpose::START, tag},
};
use std::sync::Arc;

/// Starts on each sphere round a pattern, for radii.
const STARTS: usize = 64;
/// Share of the starts that must recover the pattern.
const MOST: f64 = 0.95;
/// Radii that are tried, evenly up to one and a half times the distance to the nearest other pattern.
const GRID: usize = 12;
/// Starts for the storage test.
const STORAGE_STARTS: usize = 16;
/// Queries that run together.
const AT_ONCE: usize = 4096;
/// Retrieval radii of some patterns.
#[derive(Clone, Debug, PartialEq)]
pub struct Radii {
    /// Largest radius of the grid at which 95 % of random starts, and at all smaller ones, recover each pattern; 0 where the smallest fails.
    /// Angles where `angular`.
    pub radii: Vec<f64>,
    /// Half the distance, or angle, to each pattern's nearest other one: no larger ball can belong to the pattern as a whole.
    pub half_nearest: Vec<f64>,
    /// Step of each pattern's grid.
    pub steps: Vec<f64>,
    /// Radius of the ball that softmax provably keeps, `1 / (2 beta m)` with the largest length `m`, for those patterns whose separation
    /// suffices for that; `None` for the others.
    pub certified: Vec<Option<f64>>,
    /// Whether starts lie on the patterns' sphere and radii are angles in radians.
    pub angular: bool,
}

impl Radii {
    /// Quantile `q` from 0 to 1 of the radii; 0 without patterns.
    pub fn quantile(&self, q: f64) -> f64 {
        quantile(&self.radii, q)
    }
}

/// Quantile of values, the lower of two.
pub(super) fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (q.clamp(0.0, 1.0) * sorted.len().saturating_sub(1) as f64).floor() as usize;
    sorted.get(at).copied().unwrap_or(0.0)
}

/// What a radius is measured with.
#[derive(Clone, Debug)]
pub struct RadiusOptions {
    /// How far recall goes.
    pub schedule: Schedule,
    /// How many patterns are looked at, from the first on.
    pub patterns: usize,
    /// Share of a pattern's length within which a recall must end.
    pub within: f64,
    /// Of the random directions.
    pub seed: u64,
}

impl Default for RadiusOptions {
    fn default() -> Self {
        Self { schedule: Schedule::Converged, patterns: 32, within: 0.1, seed: 0 }
    }
}

/// Distances, or angles where all patterns have one length, from each of the patterns `of` these numbers to its nearest other one.
fn nearest_distances(patterns: &Rows<'_>, of: &[usize], angular: bool) -> Result<Vec<f64>> {
    let tensor =
        |rows: &Rows<'_>| Tensor::from_flat(&Device::cpu(), rows.as_slice(), &[rows.rows(), rows.columns()]);
    let own: Vec<f32> = of.iter().flat_map(|i| patterns.row(*i)).copied().collect();
    let (_, indices) =
        nearest(&tensor(&Rows::new(own, patterns.columns())?)?, &tensor(patterns)?, 2, Similarity::L2)?;
    let distance = |(&i, pair): (&usize, &[u32])| {
        let own = patterns.row(i);
        // The nearest but itself; copies may stand first.
        let other = pair.iter().find(|j| **j as usize != i).map_or(own, |j| patterns.row(*j as usize));
        let squared: f64 = own.iter().zip(other).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
        match angular {
            // From the chord, which keeps small angles exact.
            true => 2.0 * (0.5 * squared.sqrt() / dot(own, own).sqrt().max(1e-300)).min(1.0).asin(),
            false => squared.sqrt(),
        }
    };
    Ok(of.iter().zip(indices.chunks_exact(2)).map(distance).collect())
}

/// A start at a radius from a pattern, in a random direction.
fn start(pattern: &[f32], radius: f64, angular: bool, draw: &mut Stream) -> Vec<f32> {
    let d = pattern.len();
    let mut direction = draw.direction(d);
    if !angular {
        return pattern.iter().zip(direction).map(|(x, u)| (f64::from(*x) + radius * u) as f32).collect();
    }
    let size = dot(pattern, pattern).sqrt();
    let along: f64 = direction.iter().zip(pattern).map(|(u, x)| u * f64::from(*x) / size).sum();
    direction.iter_mut().zip(pattern).for_each(|(u, x)| *u -= along * f64::from(*x) / size);
    let across = length(&direction).max(1e-300);
    let (sin, cos) = radius.sin_cos();
    pattern
        .iter()
        .zip(direction)
        .map(|(x, u)| (cos * f64::from(*x) + sin * size * u / across) as f32)
        .collect()
}

/// Retrieval radii of the patterns `[n, d]` that a memory holds, by bisection: the starts of a round run together.
///
/// A start recovers its pattern where the state ends within [`RadiusOptions::within`] of it and the pattern has most weight. Where all patterns have
/// one length, starts are projected on their sphere and radii are angles.
///
/// # Errors
/// [`Error::NotEnoughPatterns`] for fewer than 2, [`Error::DimensionMismatch`] for others than the memory has, and those of recall.
///
/// ```
/// use attractor::{Rows, capacity::{RadiusOptions, retrieval_radii}, prelude::*};
/// // A regular octagon: sharp recall from half the angle between neighbours.
/// let corner = |k: f32| [(k * 0.785_398_2).cos(), (k * 0.785_398_2).sin()];
/// let patterns = Rows::new((0..8).flat_map(|k| corner(k as f32)).collect::<Vec<f32>>(), 2)?;
/// let memory = DenseMemory::builder().beta(100.0_f32).build(&patterns)?;
/// let radii = retrieval_radii(&memory, &patterns, Some(100.0), &RadiusOptions::default())?;
/// // Known to one step of the grid of radii, of which one lies on the border itself.
/// let half = std::f64::consts::FRAC_PI_8;
/// assert!(radii.angular && (radii.quantile(0.5) - half).abs() < 1.001 * radii.steps[0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn retrieval_radii(
    memory: &dyn Memory,
    patterns: &Rows<'_>,
    beta: Option<f32>,
    options: &RadiusOptions,
) -> Result<Radii> {
    check(memory, patterns)?;
    let count = options.patterns.clamp(1, patterns.rows());
    let squared: Vec<f64> = patterns.iter().map(|x| dot(x, x)).collect();
    let (least, most) = squared.iter().fold((f64::INFINITY, 0.0_f64), |(a, b), s| (a.min(*s), b.max(*s)));
    let angular = least > 0.0 && most <= least * (1.0 + 1e-4);
    let nearest = nearest_distances(patterns, &(0..count).collect::<Vec<_>>(), angular)?;
    let furthest = if angular { std::f64::consts::PI } else { f64::INFINITY };
    let steps: Vec<f64> = nearest.iter().map(|r| (1.5 * r).min(furthest) / GRID as f64).collect();
    // Places of the grid that hold and that fail, 0 and one beyond the last to begin with.
    let mut bounds = vec![(0, GRID + 1); count];
    let way = Way {
        schedule: options.schedule,
        beta,
        length: (most.max(1e-300)).sqrt(),
        weights_of_update: false,
        names_patterns: true,
        progress: None,
    };
    while bounds.iter().any(|(low, high)| high - low > 1) {
        let open: Vec<usize> = (0..count).filter(|i| bounds[*i].1 - bounds[*i].0 > 1).collect();
        let tried: Vec<(usize, f64)> =
            open.iter().map(|i| (*i, steps[*i] * ((bounds[*i].0 + bounds[*i].1) / 2) as f64)).collect();
        let share = recovered(memory, patterns, &tried, angular, &way, options)?;
        for (i, share) in open.into_iter().zip(share) {
            let middle = (bounds[i].0 + bounds[i].1) / 2;
            if share >= MOST { bounds[i].0 = middle } else { bounds[i].1 = middle }
        }
    }
    Ok(Radii {
        radii: bounds.iter().zip(&steps).map(|((low, _), step)| *low as f64 * step).collect(),
        half_nearest: nearest.iter().map(|r| 0.5 * r).collect(),
        certified: certified(patterns, count, beta, most.sqrt()),
        steps,
        angular,
    })
}

/// Share of the starts round each pattern that come back to it.
fn recovered(
    memory: &dyn Memory,
    patterns: &Rows<'_>,
    tried: &[(usize, f64)],
    angular: bool,
    way: &Way<'_>,
    options: &RadiusOptions,
) -> Result<Vec<f64>> {
    let d = patterns.columns();
    let mut shares = Vec::with_capacity(tried.len());
    for some in tried.chunks(AT_ONCE / STARTS) {
        let mut starts = Vec::with_capacity(some.len() * STARTS * d);
        for (i, radius) in some {
            let key = key(options.seed, &[tag("radius"), *i as u64]);
            for k in 0..STARTS as u64 {
                starts.extend(start(patterns.row(*i), *radius, angular, &mut Stream::new(key, START, k)));
            }
        }
        let targets: Vec<usize> = some.iter().flat_map(|(i, _)| [*i; STARTS]).collect();
        let ended = recall_from(memory, &Rows::new(starts, d)?, &targets, patterns, way)?;
        let back = |at: usize| {
            let (state, pattern) = (ended.states.row(at), patterns.row(targets[at]));
            let off: f64 =
                state.iter().zip(pattern).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
            !ended.failed[at] && ended.right[at] && off <= options.within.powi(2) * dot(pattern, pattern)
        };
        for p in 0..some.len() {
            let good = (p * STARTS..(p + 1) * STARTS).filter(|at| back(*at)).count();
            shares.push(good as f64 / STARTS as f64);
        }
    }
    Ok(shares)
}

/// `1 / (2 beta m)` where `beta Delta >= 1 + ln(4 beta m^2 (n - 1))`: recall then maps that ball into itself.
fn certified(patterns: &Rows<'_>, count: usize, beta: Option<f32>, m: f64) -> Vec<Option<f64>> {
    let Some(beta) = beta.map(f64::from) else { return vec![None; count] };
    let enough = 1.0 + (4.0 * beta * m * m * (patterns.rows() - 1) as f64).ln();
    let separation = |i: usize| {
        let own = patterns.row(i);
        let others = (0..patterns.rows()).filter(|j| *j != i).map(|j| dot(own, patterns.row(j)));
        dot(own, own) - others.fold(f64::NEG_INFINITY, f64::max)
    };
    (0..count).map(|i| (beta * separation(i) >= enough).then(|| 0.5 / (beta * m))).collect()
}

/// Retrieval radii of every memory of a plan, at its first dimension and seed, with `n` patterns stored. The nearest pattern is left out.
///
/// # Errors
/// Those of [`Plan::check`] and of [`retrieval_radii`].
pub fn plan_radii(plan: &Plan, n: usize) -> Result<Vec<(Series, Radii)>> {
    plan.check()?;
    let (d, corruption) = (plan.d[0], plan.corruptions[0]);
    let rows = plan.ensemble.rows(plan.seeds[0], d, n)?;
    let shared: Arc<Vec<f32>> = Arc::new(rows.as_slice().to_vec());
    let order = plan.ensemble.order(plan.seeds[0], d, n);
    let named = |error| in_order(error, order.as_deref());
    let mut all = Vec::new();
    for series in plan.series(corruption, d) {
        if let Some(memory) = memory_of(plan, &series, shared.clone()).map_err(named)? {
            let options =
                RadiusOptions { schedule: series.schedule, seed: plan.seeds[0], ..RadiusOptions::default() };
            let beta = series.beta(&plan.ensemble).map(|b| b as f32);
            all.push((series, retrieval_radii(&*memory, &rows, beta, &options)?));
        }
    }
    Ok(all)
}

fn check(memory: &dyn Memory, patterns: &Rows<'_>) -> Result<()> {
    if patterns.rows() < 2 {
        return Err(Error::NotEnoughPatterns { have: patterns.rows(), need: 2 });
    }
    if patterns.rows() != memory.len() || patterns.columns() != memory.dim() {
        let (got, want) = (patterns.rows() * patterns.columns(), memory.len() * memory.dim());
        return Err(Error::dimension("values of the patterns (as the memory holds them)", got, want));
    }
    Ok(())
}

/// The storage test S6 of the patterns `targets`: whether the ball of radius `r`, or of half the distance to the nearest other pattern where that
/// is less, holds a fixed point to which all of 16 random starts on its surface converge.
pub(super) fn stored(
    memory: &dyn Memory,
    patterns: &Rows<'_>,
    targets: &[usize],
    r: f64,
    way: &Way<'_>,
    seed: u64,
) -> Result<Vec<bool>> {
    check(memory, patterns)?;
    let d = patterns.columns();
    let nearest = nearest_distances(patterns, targets, false)?;
    let radii: Vec<f64> = nearest.iter().map(|distance| r.min(0.5 * distance)).collect();
    let mut found = Vec::with_capacity(targets.len());
    let most = AT_ONCE / (STORAGE_STARTS + 1);
    for (some, radii) in targets.chunks(most).zip(radii.chunks(most)) {
        let mut starts = Vec::new();
        let mut of = Vec::new();
        for (target, radius) in some.iter().zip(radii) {
            let pattern = patterns.row(*target);
            // The pattern itself leads to the fixed point, if there is one.
            starts.extend_from_slice(pattern);
            let key = key(seed, &[tag("ball"), *target as u64]);
            for k in 0..STORAGE_STARTS as u64 {
                starts.extend(start(pattern, *radius, false, &mut Stream::new(key, START, k)));
            }
            of.extend([*target; STORAGE_STARTS + 1]);
        }
        let ended = recall_from(memory, &Rows::new(starts, d)?, &of, patterns, way)?;
        for (p, (target, radius)) in some.iter().zip(radii).enumerate() {
            let first = p * (STORAGE_STARTS + 1);
            let (pattern, fixed) = (patterns.row(*target), ended.states.row(first));
            let apart = |a: &[f32], b: &[f32]| {
                a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
            };
            // To the precision of convergence.
            let near = 1e-3 * radius + 1e-4 * dot(pattern, pattern).sqrt();
            let good = (first..=first + STORAGE_STARTS)
                .all(|at| !ended.failed[at] && apart(ended.states.row(at), fixed) <= near);
            found.push(good && apart(fixed, pattern) <= *radius);
        }
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;
    use crate::memory::DenseMemory;

    fn polygon(m: usize) -> Rows<'static> {
        let corner = |k: usize| {
            let turn = std::f64::consts::TAU * k as f64 / m as f64;
            [turn.cos() as f32, turn.sin() as f32]
        };
        Rows::new((0..m).flat_map(corner).collect::<Vec<f32>>(), 2).unwrap()
    }

    fn memory(patterns: &Rows<'_>, beta: f32) -> DenseMemory {
        DenseMemory::builder().device(&Device::cpu()).beta(beta).build(patterns).unwrap()
    }

    #[test]
    fn a_polygon_is_recalled_from_half_the_angle() {
        for m in [3, 5, 12] {
            let patterns = polygon(m);
            let radii =
                retrieval_radii(&memory(&patterns, 300.0), &patterns, Some(300.0), &RadiusOptions::default())
                    .unwrap();
            assert_eq!(radii.radii.len(), m);
            for (radius, step) in radii.radii.iter().zip(&radii.steps) {
                let want = std::f64::consts::PI / m as f64;
                assert!((radius - want).abs() <= 1.001 * step, "{m}: {radius}, want {want}");
            }
            assert!((radii.half_nearest[0] - std::f64::consts::PI / m as f64).abs() < 1e-6);
            assert!(radii.certified.iter().flatten().all(|r| (r - 1.0 / 600.0).abs() < 1e-9));
        }
    }

    #[test]
    fn storage_needs_a_temperature() {
        let patterns = polygon(5);
        let way = Way {
            schedule: Schedule::Converged,
            beta: None,
            length: 1.0,
            weights_of_update: false,
            names_patterns: true,
            progress: None,
        };
        let all: Vec<usize> = (0..5).collect();
        let stored = |beta: f32| stored(&memory(&patterns, beta), &patterns, &all, 0.1, &way, 0).unwrap();
        assert_eq!(stored(60.0), [true; 5]);
        assert_eq!(stored(0.5), [false; 5]);
    }

    #[test]
    fn other_patterns_are_refused() {
        let (patterns, other) = (polygon(5), polygon(6));
        assert!(retrieval_radii(&memory(&patterns, 1.0), &other, None, &RadiusOptions::default()).is_err());
    }
}
