//! One step of softmax judged by the weight of the right pattern, at finite sizes.
//!
//! The right pattern, of the cosine `c` to the query, has more than half of the weight exactly where the others' weights, in units of its own,
//! sum to less than 1: `S = sum_k exp(lambda d (q_k - c)) < 1`. The cosines `q_k` of the others are independent draws from a known
//! distribution, so those of each weight are as good as Poisson numbers, and `S` is a compound Poisson sum. Patterns as near as the
//! right one, or nearer, have a weight of 1 or more: with any of them it is lost. Of bits, ties are such patterns, and the next level, two
//! bits farther, has a weight of `exp(-2 lambda)`: at `lambda` 1 some seven of them are too many. Means alone (the random-energy argument,
//! [`super::ln_half`]) and the nearest pattern alone ([`super::NearestLaw`]) are the limits of small and of large `lambda`.
//!
//! The distribution of `S` up to 1 comes from Panjer's recursion (H. Panjer, ASTIN Bulletin 12, 1981) on a grid of weights; those below
//! the grid are as good as their mean.

use super::{
    super::special::{cap, ln_choose},
    Prior,
    nearest::{check_dim, check_overlap},
    softmax::check_lambda,
};
use crate::Result;

/// Steps of the grid of weights from 0 to 1.
const STEPS: usize = 2048;
/// Steps below which weights count by their mean.
const SMALL: f64 = 2.0;
/// Cells of an integral over cosines.
const CELLS: usize = 2000;
/// A mean of `S` at which less than `e^(1 - 0.63 * 60)` of all queries succeed.
const HOPELESS: f64 = 60.0;

/// Chance that after one look the right pattern has more than half of the weight, as a function of the number of patterns: unit patterns of the
/// sphere, or bits.
///
/// ```
/// use attractor::capacity::theory::{NearestLaw, Prior, Ties, WeightLaw};
/// // Very sharp weights: the nearest pattern, of which there must be one alone.
/// let (sharp, nearest) = (WeightLaw::new(Prior::Bits, 32, 20.0, 0.5)?, NearestLaw::flips(32, 8, Ties::Strict)?);
/// assert!((sharp.success(50.0) - nearest.success(50.0)).abs() < 1e-6);
/// // At lambda 1 those that are a little farther count too.
/// assert!(WeightLaw::new(Prior::Bits, 32, 1.0, 0.5)?.capacity(0.5) < nearest.capacity(0.5));
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct WeightLaw {
    /// `ln(1 - P(w >= 1))` of another pattern's weight `w`, in units of the right one's.
    ln_below: f64,
    /// Where `w < 1`: the chances of each step of the grid, with their places; neighbours share what lies between them.
    steps: Vec<(usize, f64)>,
    /// Where `w < 1`: the mean of what is below the grid.
    drift: f64,
    /// The mean of `w`.
    mean: f64,
}

impl WeightLaw {
    /// Patterns of `d` dimensions, queries of the cosine `c`, and the inverse temperature `lambda = beta |xi|^2 / d`.
    ///
    /// # Errors
    /// [`crate::Error::InvalidParameter`] for no dimension, a `lambda` that is not positive, or a cosine outside -1 to 1.
    pub fn new(prior: Prior, d: usize, lambda: f64, c: f64) -> Result<Self> {
        check_dim(d)?;
        check_lambda(lambda)?;
        check_overlap(c)?;
        let size = d as f64;
        let mut sums = Sums { grid: vec![0.0; STEPS + 1], drift: 0.0, beyond: 0.0 };
        match prior {
            Prior::Bits => {
                for k in 0..=d {
                    let chance = (ln_choose(size, k as f64) - size * std::f64::consts::LN_2).exp();
                    // Whole numbers, up to the rounding of the cosine.
                    let ahead = (2.0 * k as f64 - size) - size * c;
                    sums.add(chance, if ahead > -1e-6 { 1.0 } else { (lambda * ahead).exp() });
                }
            }
            Prior::Sphere => {
                sums.beyond = cap(c, size);
                let sharp = lambda * size;
                // The cosine at which a weight is as small as the grid can tell.
                let least = (c + (SMALL / STEPS as f64).ln() / sharp).max(-1.0);
                for (from, to) in [(-1.0, least), (least, c)] {
                    let step = (to - from) / CELLS as f64;
                    let mut before = cap(from, size);
                    for i in 0..CELLS {
                        let q = from + (i as f64 + 1.0) * step;
                        let after = cap(q, size);
                        // The mean of the exponential over the cell.
                        let width = sharp * step;
                        let mean = if width > 1e-9 { -(-width).exp_m1() / width } else { 1.0 };
                        sums.add(
                            (before - after).max(0.0),
                            ((sharp * (q - c)).exp() * mean).min(1.0 - 1e-12),
                        );
                        before = after;
                    }
                }
            }
        }
        let below = 1.0 - sums.beyond;
        let scaled = |v: f64| if below > 0.0 { v / below } else { 0.0 };
        let steps: Vec<(usize, f64)> =
            sums.grid.iter().enumerate().filter(|(_, p)| **p > 0.0).map(|(k, p)| (k, scaled(*p))).collect();
        let drift = scaled(sums.drift);
        let mean = drift + steps.iter().map(|(k, p)| *k as f64 / STEPS as f64 * p).sum::<f64>();
        Ok(Self { ln_below: (-sums.beyond).ln_1p().max(-1e300), steps, drift, mean })
    }

    /// Chance of success among `n` patterns, which need be no whole number.
    pub fn success(&self, n: f64) -> f64 {
        let others = (n - 1.0).max(0.0);
        let none_beyond = (others * self.ln_below).exp();
        if others * self.mean > HOPELESS || none_beyond == 0.0 {
            return 0.0;
        }
        // Room that the small weights leave, in steps.
        let room = STEPS as f64 * (1.0 - others * self.drift);
        if room <= 0.0 {
            return 0.0;
        }
        let rate: f64 = others * self.steps.iter().map(|(_, p)| p).sum::<f64>();
        let last = (room.ceil() as usize - 1).min(STEPS - 1);
        // Chances in units of e^scale.
        let (mut chances, mut scale, mut sum) = (vec![1.0_f64], -rate, 1.0);
        for s in 1..=last {
            let terms = self.steps.iter().take_while(|(k, _)| *k <= s);
            let of: f64 = terms.map(|(k, p)| *k as f64 * p * chances[s - k]).sum();
            let chance = others * of / s as f64;
            chances.push(chance);
            sum += chance;
            if sum > 1e200 {
                chances.iter_mut().for_each(|v| *v *= 1e-200);
                (sum, scale) = (sum * 1e-200, scale + 200.0 * std::f64::consts::LN_10);
            }
        }
        none_beyond * (sum.ln() + scale).exp().min(1.0)
    }

    /// The number of patterns, not whole, at which the chance of success is `share`; infinite where no number that can be told brings it
    /// down so far.
    pub fn capacity(&self, share: f64) -> f64 {
        let (mut low, mut high) = (0.0_f64, 1.0_f64);
        while self.success(high.exp()) > share {
            (low, high) = (high, 2.0 * high);
            if high > 600.0 {
                return f64::INFINITY;
            }
        }
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            if self.success(middle.exp()) > share { low = middle } else { high = middle }
        }
        (0.5 * (low + high)).exp()
    }
}

/// Weights of another pattern as they are collected.
struct Sums {
    grid: Vec<f64>,
    drift: f64,
    beyond: f64,
}

impl Sums {
    /// A weight that comes with some chance: on the grid its neighbours share it, so that means stay.
    fn add(&mut self, chance: f64, weight: f64) {
        let place = weight * STEPS as f64;
        if weight >= 1.0 {
            self.beyond += chance;
        } else if place < SMALL {
            self.drift += chance * weight;
        } else {
            let (k, part) = (place as usize, place.fract());
            self.grid[k] += chance * (1.0 - part);
            self.grid[k + 1] += chance * part;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;
    use crate::random::Stream;

    /// The share of draws by the definition: the others' weights sum to less than the right one's.
    fn drawn(prior: Prior, d: usize, lambda: f64, c: f64, n: usize, trials: usize) -> f64 {
        let mut right = 0;
        for trial in 0..trials {
            let mut draw = Stream::new(7, 1, trial as u64);
            let mut cosine = || match prior {
                // The first coordinate of a direction.
                Prior::Sphere => draw.direction(d)[0],
                Prior::Bits => {
                    (0..d).map(|_| if draw.below(2) == 0 { -1.0 } else { 1.0 }).sum::<f64>() / d as f64
                }
            };
            let sum: f64 = (1..n).map(|_| (lambda * d as f64 * (cosine() - c)).exp()).sum();
            right += usize::from(sum < 1.0 - 1e-9);
        }
        right as f64 / trials as f64
    }

    #[test]
    fn the_law_is_what_draws_give() {
        for (prior, d, lambda, c, trials) in [
            (Prior::Bits, 16, 1.0, 0.5, 2000),
            (Prior::Bits, 24, 1.0, 0.5, 1000),
            (Prior::Bits, 20, 0.4, 0.6, 2000),
            (Prior::Bits, 16, 3.0, 0.5, 2000),
            (Prior::Sphere, 8, 1.0, 0.5, 2000),
            (Prior::Sphere, 8, 1.0, 1.0, 1000),
            (Prior::Sphere, 10, 4.0, 0.6, 2000),
        ] {
            let law = WeightLaw::new(prior, d, lambda, c).unwrap();
            for share in [0.8, 0.5, 0.2] {
                let n = law.capacity(share).round();
                let (got, want) = (drawn(prior, d, lambda, c, n as usize, trials), law.success(n));
                // Four standard errors, and the grid of weights.
                let error = 4.0 * (want * (1.0 - want) / trials as f64).sqrt() + 0.01;
                assert!(
                    (got - want).abs() < error,
                    "{prior:?} d {d} lambda {lambda} c {c}, N {n}: drawn {got}, law {want}"
                );
            }
        }
    }

    #[test]
    fn the_limits_are_the_crowd_and_the_nearest() {
        use super::super::{NearestLaw, ln_half};
        // Many small weights: their mean decides.
        for (prior, d, lambda, c) in [(Prior::Sphere, 24, 0.3, 1.0), (Prior::Bits, 64, 0.2, 0.75)] {
            let law = WeightLaw::new(prior, d, lambda, c).unwrap().capacity(0.5);
            let crowd = ln_half(prior, d, lambda, c).unwrap().exp();
            assert!((law / crowd - 1.0).abs() < 0.1, "{prior:?}: {law}, crowd {crowd}");
        }
        let law = WeightLaw::new(Prior::Sphere, 16, 1000.0, 0.8).unwrap().capacity(0.5);
        let nearest = NearestLaw::overlap(16, 0.8).unwrap().capacity(0.5);
        assert!((law / nearest - 1.0).abs() < 0.01, "{law}, nearest {nearest}");
        assert!(WeightLaw::new(Prior::Bits, 0, 1.0, 0.5).is_err());
        assert!(WeightLaw::new(Prior::Bits, 8, 0.0, 0.5).is_err());
    }
}
