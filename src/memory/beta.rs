//! The inverse temperature, given or chosen from the stored patterns.
//!
//! A stored pattern `xi_i` keeps the weight `1 / (1 + sum_j exp(-beta D_ij))` at itself, where
//! `D_ij` is how much more similar it is to itself than to pattern `j` (its separation, Ramsauer et
//! al. 2021). The automatic choice is the smallest `beta` that keeps this at 0.99 or more, in exact
//! arithmetic, for 99 % of the patterns that have no copy: smaller blurs stored patterns, larger
//! needlessly sharpens rounding errors and narrows what a blend can say.

use crate::{
    Error, Result, Short,
    ops::{Similarity, check_small},
};
use std::{fmt, str::FromStr};

/// The inverse temperature of a memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Beta {
    /// Chosen from the separations of the stored patterns; see [`BetaChoice`].
    #[default]
    Auto,
    /// The same from all stored patterns, where [`Beta::Auto`] takes a sample: `n^2 d` multiply-adds.
    AutoExact,
    /// This one.
    Fixed(f32),
}

impl Beta {
    /// Whether it is left to the memory.
    pub fn is_auto(self) -> bool {
        !matches!(self, Self::Fixed(_))
    }
}

impl fmt::Display for Beta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::AutoExact => f.write_str("auto:exact"),
            Self::Fixed(beta) => beta.fmt(f),
        }
    }
}

impl From<f32> for Beta {
    fn from(beta: f32) -> Self {
        Self::Fixed(beta)
    }
}

impl FromStr for Beta {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match (s, s.parse::<f32>()) {
            ("auto", _) => Ok(Self::Auto),
            ("auto:exact", _) => Ok(Self::AutoExact),
            (_, Ok(beta)) if beta > 0.0 && beta.is_finite() => Ok(Self::Fixed(beta)),
            _ => Err(Error::parameter("beta", s, "'auto', 'auto:exact' or a positive, finite number")),
        }
    }
}

/// An automatic choice of `beta`, and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BetaChoice {
    /// The inverse temperature.
    pub beta: f32,
    /// What all patterns would have given lies between this and `high`, with a probability of 95 % (order statistics of a quantile); both are
    /// `beta` where all were looked at.
    pub low: f32,
    /// See `low`; infinite where too few were looked at to know.
    pub high: f32,
    /// How many stored patterns were looked at; all of up to 2,048, else a sample of 512 or more that depends on the patterns alone, not on
    /// their order.
    pub sampled: usize,
    /// Share of them to which another pattern is more similar than they are to themselves, as the dot product allows: no `beta` recalls them.
    pub outdone: f64,
    /// Share of them, those with copies left out, that keep at least 0.99 of the weight when they are the
    /// query.
    pub separated: f64,
    /// Median separation from the nearest other pattern, in units of the similarity; `None` where
    /// there is no other.
    pub separation: Option<f32>,
}

impl fmt::Display for BetaChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { beta, sampled, separated, .. } = self;
        let beta = Short(f64::from(*beta));
        let share = 100.0 * separated;
        write!(
            f,
            "{beta} (auto: {share:.1} % of the {sampled} patterns looked at keep 0.99 of the weight{})",
            self.range()
        )
    }
}

impl BetaChoice {
    /// Where the choice from all patterns lies, in words; nothing where all were looked at.
    pub fn range(&self) -> String {
        let Self { beta, low, high, .. } = *self;
        match (low == beta && high == beta, high.is_finite()) {
            (true, _) => String::new(),
            (_, true) => format!("; of all, from {} to {}", Short(low.into()), Short(high.into())),
            _ => format!("; of all, from {}", Short(low.into())),
        }
    }
}

/// The numbers from 0 between whose values, of `n` in ascending order that were drawn at random, the quantile of a share lies with a probability
/// of 95 %; `None` for the second where it may be above all.
fn quantile_between(n: usize, share: f64) -> (usize, Option<usize>) {
    // How many of them lie above the quantile is binomial.
    let mut term = share.powi(n as i32);
    let (mut sum, mut fewest, mut most) = (0.0, None, n);
    for above in 0..=n {
        sum += term;
        if sum > 0.025 && fewest.is_none() {
            fewest = Some(above);
        }
        if sum >= 0.975 {
            most = above;
            break;
        }
        term *= (n - above) as f64 / (above + 1) as f64 * (1.0 - share) / share;
    }
    let high = fewest.filter(|above| *above > 0).map(|above| n - above);
    (n.saturating_sub(most + 1), high)
}

/// Weight that a stored pattern must keep.
const KEEP: f64 = 0.99;
/// Share of the patterns that must.
const SHARE: f64 = 0.99;

/// How one pattern stands among the others.
pub(super) struct Separations {
    /// Separations from its nearest others, ascending, copies of itself left out.
    pub(super) nearest: Vec<f64>,
    /// How many others are farther still.
    pub(super) farther: usize,
    /// Whether it has copies, which share its weight at any `beta`.
    pub(super) copied: bool,
    /// Whether another pattern is more similar to it than itself, as dot allows: no `beta` helps then.
    pub(super) outdone: bool,
}

impl Separations {
    /// From the separations from the nearest others, 0 for copies.
    pub(super) fn new(separations: Vec<f64>, farther: usize) -> Self {
        let copied = separations.contains(&0.0);
        let outdone = separations.iter().any(|s| *s < 0.0);
        let mut nearest = separations;
        nearest.retain(|s| *s > 0.0);
        nearest.sort_by(f64::total_cmp);
        Self { nearest, farther, copied, outdone }
    }

    /// Weight of the others relative to the pattern's own, at most.
    fn others(&self, beta: f64) -> f64 {
        let e = |d: &f64| (-beta * d).exp();
        let last = self.nearest.last().map_or(0.0, e);
        self.nearest.iter().map(e).sum::<f64>() + self.farther as f64 * last
    }

    /// The smallest `beta` at which the pattern, its copies left out, keeps its weight; `None` where
    /// there is nothing to keep it from, or none does.
    fn needed(&self) -> Option<f64> {
        // A little more than promised, for the rounding of scores.
        let room = (1.0 / KEEP - 1.0) * 0.99;
        let nearest = *self.nearest.first().filter(|_| !self.outdone)?;
        // All others at the nearest distance is the worst case, so this is enough.
        let count = (self.nearest.len() + self.farther) as f64;
        let (mut low, mut high) = (0.0, (count / room).ln().max(0.0) / nearest);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if self.others(middle) <= room { high = middle } else { low = middle }
        }
        Some(high)
    }

    /// Whether the pattern keeps its weight at this `beta`, if it has no copies.
    fn kept(&self, beta: f64) -> bool {
        !self.outdone && self.others(beta) <= 1.0 / KEEP - 1.0
    }
}

/// How much more similar, in f64, a row is to itself than to another: from differences, so 0 for copies alone.
pub(super) fn separation_of(own: &[f32], other: &[f32], similarity: Similarity) -> f64 {
    let length = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let pairs = || own.iter().zip(other).map(|(x, y)| (f64::from(*x), f64::from(*y)));
    match similarity {
        Similarity::L2 => 0.5 * pairs().map(|(x, y)| (x - y).powi(2)).sum::<f64>(),
        Similarity::L1 => pairs().map(|(x, y)| (x - y).abs()).sum(),
        Similarity::Dot => pairs().map(|(x, y)| x * (x - y)).sum(),
        Similarity::Cosine => {
            let (of_own, of_other) = (length(own), length(other));
            let half = 0.5 * pairs().map(|(x, y)| (x / of_own - y / of_other).powi(2)).sum::<f64>();
            // Parallel rows, but for the rounding of their lengths.
            if half > 1e-28 { half } else { 0.0 }
        }
    }
}

/// The similarity of two rows, in f64.
pub(super) fn pair_similarity(x: &[f32], xi: &[f32], similarity: Similarity) -> f64 {
    let pairs = || x.iter().zip(xi).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let length = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let product = || pairs().map(|(a, b)| a * b).sum::<f64>();
    match similarity {
        Similarity::L2 => -0.5 * pairs().map(|(a, b)| (a - b).powi(2)).sum::<f64>(),
        Similarity::L1 => -pairs().map(|(a, b)| (a - b).abs()).sum::<f64>(),
        Similarity::Dot => product(),
        // A row of zeros has the cosine 0.
        Similarity::Cosine => product() / (length(x) * length(xi)).max(f64::MIN_POSITIVE),
    }
}

/// Largest `beta` times similarity that is chosen: scores stay within the range of f32.
const SHARPEST: f64 = 1e20;

/// Chooses `beta` for these separations of sampled patterns of `d` columns, with squared lengths of up to `longest`; `stored` of which they are a
/// sample.
///
/// # Errors
/// [`Error::InvalidParameter`] where patterns differ by so little that f32 does not hold the squares.
pub(super) fn choose(
    sample: &[Separations],
    similarity: Similarity,
    longest: f64,
    d: usize,
    stored: usize,
) -> Result<BetaChoice> {
    choose_up_to(sample, similarity, longest, d, stored, f64::INFINITY)
}

/// The same, with a largest `beta`.
pub(super) fn choose_up_to(
    sample: &[Separations],
    similarity: Similarity,
    longest: f64,
    d: usize,
    stored: usize,
    most: f64,
) -> Result<BetaChoice> {
    let scale = similarity.reach(longest, d);
    let mut needed: Vec<f64> = sample.iter().filter_map(Separations::needed).collect();
    needed.sort_by(f64::total_cmp);
    let rank = ((SHARE * needed.len() as f64).ceil() as usize).clamp(1, needed.len().max(1)) - 1;
    // Nothing but copies of one pattern (any beta recalls it), or nothing that any beta would separate.
    let fallback = if scale > 0.0 { 1.0 / scale } else { 1.0 };
    if let Some(needed) = needed.get(rank) {
        check_small(needed.min(most), similarity, d)?;
    }
    let narrowed = |b: f64| (b.min(SHARPEST * fallback).min(most) as f32).clamp(f32::MIN_POSITIVE, f32::MAX);
    let beta = narrowed(needed.get(rank).copied().unwrap_or(fallback));
    let (low, high) = interval(&needed, SHARE, beta, sample.len() < stored, narrowed);
    let unique = || sample.iter().filter(|s| !s.copied);
    let kept = unique().filter(|s| s.kept(f64::from(beta))).count();
    let mut nearest: Vec<f64> = sample.iter().filter_map(|s| s.nearest.first().copied()).collect();
    nearest.sort_by(f64::total_cmp);
    Ok(BetaChoice {
        beta,
        low,
        high,
        outdone: sample.iter().filter(|s| s.outdone).count() as f64 / sample.len().max(1) as f64,
        sampled: sample.len(),
        separated: if unique().count() == 0 { 1.0 } else { kept as f64 / unique().count() as f64 },
        separation: nearest.get(nearest.len() / 2).map(|d| *d as f32),
    })
}

/// Between which values of `beta` the one that this share of all patterns needs lies, from those that a sample needs, ascending; `beta` itself
/// where they are not a sample.
pub(super) fn interval(
    needed: &[f64],
    share: f64,
    beta: f32,
    is_sample: bool,
    narrowed: impl Fn(f64) -> f32,
) -> (f32, f32) {
    if !is_sample || needed.is_empty() {
        return (beta, beta);
    }
    let (low, high) = quantile_between(needed.len(), share);
    let low = needed.get(low).map_or(beta, |b| narrowed(*b).min(beta));
    let high = high.and_then(|at| needed.get(at)).map_or(f32::INFINITY, |b| narrowed(*b).max(beta));
    (low, high)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_quantile_is_that_of_the_binomial() {
        // From tables of the binomial: of 512, between 1 and 10 are beyond the 0.99 quantile with a probability of 95 %.
        assert_eq!(quantile_between(512, 0.99), (512 - 11, Some(512 - 1)));
        assert_eq!(quantile_between(2048, 0.99), (2048 - 31, Some(2048 - 12)));
        // Of 100, none may be.
        assert_eq!(quantile_between(100, 0.99), (100 - 4, None));
        assert_eq!(quantile_between(0, 0.99).1, None);
    }

    #[test]
    fn the_needed_beta_is_the_smallest() {
        let s = Separations::new(vec![0.5, 0.7, 2.0], 0);
        let beta = s.needed().unwrap();
        assert!(s.others(beta) <= 1.0 / KEEP - 1.0);
        assert!(s.others(0.99 * beta) > 1.0 / KEEP - 1.0);
    }

    #[test]
    fn copies_are_left_out_of_the_choice() {
        let copied = || Separations::new(vec![0.0], 0);
        let apart = || Separations::new(vec![1.0], 0);
        let twin = || Separations::new(vec![0.0, 1.0], 0);
        let outdone = || Separations::new(vec![-1.0], 0);
        let choose = |sample: &[Separations], longest| {
            choose(sample, Similarity::Dot, longest, 2, sample.len()).unwrap()
        };
        let choice = choose(&[copied(), apart()], 1.0);
        assert!((choice.beta - 99.0_f32.ln()).abs() < 0.02, "{choice:?}");
        assert_eq!(choice.separated, 1.0);
        // Where every pattern has a twin, the twins are separated from the others.
        assert!((choose(&[twin(), twin()], 1.0).beta - 99.0_f32.ln()).abs() < 0.02);
        assert_eq!(choose(&[copied()], 4.0).beta, 0.25);
        let lost = choose(&[outdone(), outdone()], 4.0);
        assert_eq!((lost.beta, lost.separated, lost.separation), (0.25, 0.0, None));
    }

    #[test]
    fn names_parse() {
        assert_eq!("auto".parse::<Beta>().unwrap(), Beta::Auto);
        assert_eq!("0.5".parse::<Beta>().unwrap(), Beta::Fixed(0.5));
        for wrong in ["0", "-1", "nan", "inf", "x"] {
            assert!(wrong.parse::<Beta>().unwrap_err().to_string().contains("positive"), "{wrong}");
        }
    }
}
