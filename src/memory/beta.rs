//! The inverse temperature, given or chosen from the stored patterns.
//!
//! A stored pattern `xi_i` keeps the weight `1 / (1 + sum_j exp(-beta D_ij))` at itself, where
//! `D_ij` is how much more similar it is to itself than to pattern `j` (its separation,
//! `papers/modern-hopfield.md` 3.4). The automatic choice is the smallest `beta` that keeps this at
//! 0.99 or more for 99 % of the patterns: smaller blurs stored patterns, larger needlessly sharpens
//! rounding errors and narrows what a blend can say.

use crate::{Error, Result};
use std::{fmt, str::FromStr};

/// The inverse temperature of a memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Beta {
    /// Chosen from the separations of the stored patterns; see [`BetaChoice`].
    #[default]
    Auto,
    /// This one.
    Fixed(f32),
}

impl From<f32> for Beta {
    fn from(beta: f32) -> Self {
        Self::Fixed(beta)
    }
}

impl FromStr for Beta {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        if s == "auto" {
            return Ok(Self::Auto);
        }
        match s.parse::<f32>() {
            Ok(beta) if beta > 0.0 && beta.is_finite() => Ok(Self::Fixed(beta)),
            _ => Err(Error::parameter("beta", s, "'auto' or a positive, finite number")),
        }
    }
}

/// An automatic choice of `beta`, and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BetaChoice {
    /// The inverse temperature.
    pub beta: f32,
    /// How many stored patterns were looked at; all of up to a few thousand, else an even sample.
    pub sampled: usize,
    /// Share of them that keep at least 0.99 of the weight when they are the query.
    pub separated: f64,
    /// Median separation from the nearest other pattern, in units of the similarity; `None` where
    /// there is no other.
    pub separation: Option<f32>,
}

impl fmt::Display for BetaChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { beta, sampled, separated, .. } = self;
        write!(f, "{beta} (auto: {:.1} % of {sampled} patterns keep 0.99 of the weight)", 100.0 * separated)
    }
}

/// Weight that a stored pattern must keep.
const KEEP: f64 = 0.99;
/// Share of the patterns that must.
const SHARE: f64 = 0.99;

/// What one pattern is separated from: its nearest others, ascending, and how many are farther still.
pub(super) struct Separations {
    pub(super) nearest: Vec<f64>,
    pub(super) farther: usize,
}

impl Separations {
    /// Weight of the others relative to the pattern's own, at most.
    fn others(&self, beta: f64) -> f64 {
        let e = |d: &f64| (-beta * d).exp();
        let last = self.nearest.last().map_or(0.0, e);
        self.nearest.iter().map(e).sum::<f64>() + self.farther as f64 * last
    }

    /// The smallest `beta` at which the pattern keeps its weight; `None` where none does, since
    /// another pattern is as similar to it as itself.
    fn needed(&self) -> Option<f64> {
        let room = 1.0 / KEEP - 1.0;
        let nearest = *self.nearest.first()?;
        if nearest <= 0.0 {
            return None;
        }
        // All others at the nearest distance is the worst case, so this is enough.
        let count = (self.nearest.len() + self.farther) as f64;
        let (mut low, mut high) = (0.0, (count / room).ln().max(0.0) / nearest);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if self.others(middle) <= room { high = middle } else { low = middle }
        }
        Some(high)
    }
}

/// Chooses `beta` for these separations of sampled patterns; `scale` is the largest squared length.
pub(super) fn choose(sample: &[Separations], scale: f64) -> BetaChoice {
    let mut needed: Vec<f64> = sample.iter().filter_map(Separations::needed).collect();
    needed.sort_by(f64::total_cmp);
    let rank = ((SHARE * needed.len() as f64).ceil() as usize).clamp(1, needed.len().max(1)) - 1;
    // One pattern, or copies of one: any beta recalls it.
    let fallback = if scale > 0.0 { 1.0 / scale } else { 1.0 };
    // Rounded up, so that the chosen f32 keeps what the f64 promised.
    let beta = needed.get(rank).map_or(fallback, |b| b * (1.0 + f64::from(f32::EPSILON)));
    let beta = (beta as f32).clamp(f32::MIN_POSITIVE, f32::MAX);
    let alone = |s: &&Separations| s.nearest.is_empty();
    let kept = needed.iter().filter(|b| **b <= f64::from(beta)).count() + sample.iter().filter(alone).count();
    let mut nearest: Vec<f64> = sample.iter().filter_map(|s| s.nearest.first().copied()).collect();
    nearest.sort_by(f64::total_cmp);
    BetaChoice {
        beta,
        sampled: sample.len(),
        separated: kept as f64 / sample.len().max(1) as f64,
        separation: nearest.get(nearest.len() / 2).map(|d| *d as f32),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn the_needed_beta_is_the_smallest() {
        let s = Separations { nearest: vec![0.5, 0.7, 2.0], farther: 0 };
        let beta = s.needed().unwrap();
        assert!(s.others(beta) <= 1.0 / KEEP - 1.0);
        assert!(s.others(0.999 * beta) > 1.0 / KEEP - 1.0);
    }

    #[test]
    fn copies_are_left_out_of_the_choice() {
        let sample = || {
            vec![
                Separations { nearest: vec![0.0], farther: 0 },
                Separations { nearest: vec![1.0], farther: 0 },
            ]
        };
        let choice = choose(&sample(), 1.0);
        assert!((choice.beta - 99.0_f32.ln()).abs() < 1e-4, "{choice:?}");
        assert_eq!(choice.separated, 0.5);
        assert_eq!(choose(&sample()[..1], 4.0).beta, 0.25);
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
