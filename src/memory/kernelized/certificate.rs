//! What can be proved of stored patterns: gaps between them, and the inverse temperature from which on each is a fixed point.

use crate::{
    Device, Error, Result, Tensor,
    codes::certified_beta,
    cpu,
    ops::{Separation, Similarity, nearest},
};

/// Rows up to which gaps are worked out in f64 throughout.
const EXACT: usize = 4096;
/// The nearest rows in f32 that are looked at again in f64.
const CANDIDATES: usize = 4;
/// Rows that go through [`nearest`] together.
const TILE: usize = 1024;

pub(super) fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `K(i, i) - max_{j != i} K(i, j)` of rows of features `[M * D]`, `[M]`, with `K` their inner product. In f64; beyond 4096 rows the
/// candidates for the nearest are found in f32 on the device.
///
/// # Errors
/// [`Error::InvalidParameter`] for fewer than two rows; faults of the device.
///
/// ```
/// use attractor::{Device, memory::gaps};
/// assert_eq!(gaps(&[1.0, 0.0, 0.0, 1.0, -1.0, 0.0], 2, &Device::cpu())?, [1.0, 1.0, 1.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn gaps(features: &[f64], columns: usize, device: &Device) -> Result<Vec<f64>> {
    let rows = check_rows(features, columns)?;
    let own = features.chunks_exact(columns).map(|f| product(f, f));
    if rows <= EXACT {
        let stats = cpu::pairs::stats(features, columns, 1.0);
        return Ok(own.zip(stats).map(|(own, s)| own - s.largest).collect());
    }
    let narrow: Vec<f32> = features.iter().map(|v| *v as f32).collect();
    let all = Tensor::from_flat(device, &narrow, &[rows, columns])?;
    let mut best = Vec::with_capacity(rows);
    for first in (0..rows).step_by(TILE) {
        let count = TILE.min(rows - first);
        let part = &narrow[first * columns..(first + count) * columns];
        let part = Tensor::from_flat(device, part, &[count, columns])?;
        let found = nearest(&part, &all, CANDIDATES, Similarity::Dot)?.1;
        let row = |i: usize| &features[i * columns..(i + 1) * columns];
        for (i, candidates) in (first..).zip(found.chunks_exact(CANDIDATES)) {
            let others = candidates.iter().map(|j| *j as usize).filter(|j| *j != i);
            best.push(others.map(|j| product(row(i), row(j))).fold(f64::MIN, f64::max));
        }
    }
    Ok(own.zip(best).map(|(own, best)| own - best).collect())
}

/// The row nearest to row `i`.
pub(super) fn partner(features: &[f64], columns: usize, i: usize) -> usize {
    let own = &features[i * columns..(i + 1) * columns];
    let others = features.chunks_exact(columns).enumerate().filter(|(j, _)| *j != i);
    others.map(|(j, f)| (product(own, f), j)).fold((f64::MIN, i), |a, b| if b.0 > a.0 { b } else { a }).1
}

fn check_rows(features: &[f64], columns: usize) -> Result<usize> {
    let rows = features.len().checked_div(columns).unwrap_or(0);
    if rows < 2 {
        return Err(Error::parameter("number of memories whose separation is asked for", rows, "at least 2"));
    }
    Ok(rows)
}

/// Which patterns are proved to be stored at an inverse temperature, by the recall in f32 and not in exact arithmetic alone.
///
/// Softmax, features of length at most `m`: in exact arithmetic, where `beta gap >= 1 + ln(4 beta m^2 (M - 1))`, recall maps the ball of
/// radius `1 / (2 beta m)` around the pattern's features into itself and contracts it, so there is one fixed point in it, to which all of the
/// ball goes. An entmax with `alpha > 1` gives all weight to the pattern throughout that ball where `beta gap >= 1 + 1 / (alpha - 1)`.
///
/// In f32 the gap counts less what rounding may take off it ([`Certificate::rounding`]). A sum of mixtures is off by no more than `m` times the
/// weight of the others and 32 roundings of `m`, so that with `8` in place of `4` states stay in the ball, while `beta m^2` is at most 62,500.
/// Beyond that nothing is proved.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    /// Gap of each pattern, of the features as they are compared.
    pub gaps: Vec<f64>,
    /// Whether each is proved to be stored.
    pub stored: Vec<bool>,
    /// Radius of the balls, in features.
    pub radius: f64,
    /// The gap from which on a pattern is, rounding included; infinite where none is.
    pub needed: f64,
    /// By how much rounding may shrink a gap: twice the error of a score.
    pub rounding: f64,
}

/// `beta m^2` up to which f32 keeps states within their balls.
const SHARPEST: f64 = 62_500.0;
/// A rounding of f32.
pub(super) const ROUNDING: f64 = 0.5 * f32::EPSILON as f64;

impl Certificate {
    /// The smallest gap.
    pub fn gap(&self) -> f64 {
        self.gaps.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

/// What the certificates of a memory rest on, whatever the inverse temperature.
pub(super) struct Grounds {
    pub(super) separation: Separation,
    /// Of each pattern.
    pub(super) gaps: Vec<f64>,
    /// Largest length of features, `m`.
    pub(super) longest: f64,
    /// Error of a score.
    pub(super) error: f64,
}

impl Grounds {
    /// The certificate at an inverse temperature.
    pub(super) fn at(self, beta: f64) -> Certificate {
        let rounding = 2.0 * self.error;
        let needed = rounding + self.needed(beta);
        let stored = self.gaps.iter().map(|gap| *gap >= needed).collect();
        Certificate { stored, radius: (2.0 * beta * self.longest).recip(), needed, rounding, gaps: self.gaps }
    }

    /// The gap, without what rounding takes off it, that is needed at an inverse temperature.
    fn needed(&self, beta: f64) -> f64 {
        if beta * self.longest.powi(2) > SHARPEST {
            return f64::INFINITY;
        }
        match margin(self.separation) {
            Some(margin) => (1.0 + margin) / beta,
            // The terms of f32 are as if there were twice as many others.
            None => needed_gap(2.0 * (self.gaps.len() - 1) as f64, beta, self.longest),
        }
    }

    /// The range of inverse temperatures at which all patterns are stored for sure; `None` where there is none.
    pub(super) fn range(&self) -> Option<[f64; 2]> {
        let least = self.gaps.iter().copied().fold(f64::INFINITY, f64::min) - 2.0 * self.error;
        if least.is_nan() || least <= 0.0 {
            return None;
        }
        let from = match margin(self.separation) {
            Some(margin) => (1.0 + margin) / least,
            None => certified_beta(least, 2.0 * (self.gaps.len() - 1) as f64 + 1.0, self.longest).ok()?,
        };
        let to = SHARPEST / self.longest.powi(2);
        (from <= to).then_some([from, to])
    }
}

/// By how much the product of `beta` and a score has to lead for all weight; `None` for softmax, which never gives all.
fn margin(separation: Separation) -> Option<f64> {
    let margin = f64::from(separation.margin());
    margin.is_finite().then_some(margin)
}

/// The gap that patterns beside so many others, with features of length at most `m`, need at an inverse temperature in exact arithmetic. Never
/// below `1 / beta`, where the inequality would hold for a memory so soft that all patterns blend.
fn needed_gap(others: f64, beta: f64, m: f64) -> f64 {
    ((1.0 + (4.0 * beta * m * m * others).ln()) / beta).max(beta.recip())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;
    #[test]
    fn certified_betas_are_where_the_certificate_begins() {
        for memories in [10, 100, 1000, 1_000_000] {
            for gap in [1.0, 0.5, 0.2, 0.1] {
                let beta = certified_beta(gap, memories as f64, 1.0).unwrap();
                assert!((needed_gap((memories - 1) as f64, beta, 1.0) - gap).abs() < 1e-12 * memories as f64);
            }
        }
    }
}
