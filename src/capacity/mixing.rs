//! How many patterns a recall mixes at its end.

use std::fmt;

/// Queries whose support is counted one by one up to this; more go together.
const COUNTED: usize = 10;
/// Weight that counts a pattern as part of the support.
const SUPPORT: f64 = 0.01;

/// How queries mix patterns at their final states.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mixing {
    /// How many queries were looked at.
    pub queries: usize,
    /// Mean participation, `1 / sum p^2`.
    pub participation: f64,
    /// Mean effective number of patterns, `exp(H(p))`.
    pub effective: f64,
    /// Mean support, the number of patterns of weight above 0.01.
    pub support: f64,
    /// Median of the least number of patterns that have 90 % of the weight together.
    pub k90: f64,
    /// Share of queries with support 0, 1, ..., 10, and of those with more.
    pub histogram: [f64; COUNTED + 2],
    /// Whether all weights were seen; where not, those beyond the best are taken as even.
    pub exact: bool,
}

/// Classes of Ramsauer et al. by how many patterns have 90 % of the weight: all of them to few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// More than half of the patterns: an average of everything.
    I,
    /// More than an eighth.
    II,
    /// More than a 32nd.
    III,
    /// Few.
    IV,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::I => "I",
            Self::II => "II",
            Self::III => "III",
            Self::IV => "IV",
        })
    }
}

impl Mixing {
    /// From the best weights of each query among `n` patterns, `[b * k]`, largest first. `None` where they are no weights of a mixture.
    ///
    /// ```
    /// use attractor::capacity::Mixing;
    /// let mixing = Mixing::of(&[0.5, 0.3, 0.15, 0.05], 4, 4).unwrap_or_default();
    /// assert_eq!((mixing.k90, mixing.support, mixing.exact), (3.0, 4.0, true));
    /// assert!((mixing.participation - 1.0 / 0.365).abs() < 1e-6);
    /// assert_eq!(Mixing::of(&[-1.0, 0.5], 2, 2), None);
    /// ```
    pub fn of(weights: &[f32], k: usize, n: usize) -> Option<Self> {
        if k == 0 || weights.is_empty() {
            return None;
        }
        let mut mixing = Self { exact: k >= n, ..Self::default() };
        let mut k90 = Vec::new();
        for row in weights.chunks_exact(k) {
            let total: f64 = row.iter().map(|w| f64::from(*w)).sum();
            if row.iter().any(|w| w.is_nan() || *w < 0.0) || total <= 0.0 || total > 1.01 {
                return None;
            }
            // What all weights sum to: those that were seen where all were, else 1.
            let whole = if mixing.exact { total } else { 1.0 };
            let rest = (n - k.min(n)) as f64;
            let tail = if rest > 0.0 { (whole - total).max(0.0) / rest } else { 0.0 };
            let (mut squares, mut entropy, mut sum, mut needed) = (0.0, 0.0, 0.0, None);
            let mut support = 0;
            for (i, w) in row.iter().enumerate() {
                let p = f64::from(*w) / whole;
                squares += p * p;
                entropy -= if p > 0.0 { p * p.ln() } else { 0.0 };
                support += usize::from(p > SUPPORT);
                sum += p;
                if needed.is_none() && sum >= 0.9 - 1e-6 {
                    needed = Some((i + 1) as f64);
                }
            }
            squares += rest * tail * tail;
            entropy -= if tail > 0.0 { rest * tail * tail.ln() } else { 0.0 };
            let needed = needed.unwrap_or_else(|| {
                k as f64 + if tail > 0.0 { ((0.9 - sum) / tail).ceil().min(rest) } else { 0.0 }
            });
            k90.push(needed);
            mixing.participation += 1.0 / squares;
            mixing.effective += entropy.exp();
            mixing.support += support as f64;
            mixing.histogram[support.min(COUNTED + 1)] += 1.0;
        }
        let b = k90.len() as f64;
        k90.sort_by(f64::total_cmp);
        mixing.queries = k90.len();
        mixing.k90 = k90[k90.len() / 2];
        for value in [&mut mixing.participation, &mut mixing.effective, &mut mixing.support] {
            *value /= b;
        }
        mixing.histogram.iter_mut().for_each(|v| *v /= b);
        Some(mixing)
    }

    /// The class of Ramsauer et al. among `n` patterns.
    pub fn class(&self, n: u64) -> Class {
        let n = n as f64;
        match self.k90 {
            k if k > n / 2.0 => Class::I,
            k if k > n / 8.0 => Class::II,
            k if k > n / 32.0 => Class::III,
            _ => Class::IV,
        }
    }

    /// The mean of several, weighted by their queries; the largest `k90`.
    pub(super) fn mean(all: &[&Self]) -> Option<Self> {
        let queries: usize = all.iter().map(|m| m.queries).sum();
        if queries == 0 {
            return None;
        }
        let mean = |of: &dyn Fn(&Self) -> f64| {
            all.iter().map(|m| of(m) * m.queries as f64).sum::<f64>() / queries as f64
        };
        let mut histogram = [0.0; COUNTED + 2];
        for (i, share) in histogram.iter_mut().enumerate() {
            *share = mean(&|m| m.histogram[i]);
        }
        let mut k90: Vec<f64> = all.iter().map(|m| m.k90).collect();
        k90.sort_by(f64::total_cmp);
        Some(Self {
            queries,
            participation: mean(&|m| m.participation),
            effective: mean(&|m| m.effective),
            support: mean(&|m| m.support),
            k90: k90[k90.len() / 2],
            histogram,
            exact: all.iter().all(|m| m.exact),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_that_is_not_seen_counts_as_even() {
        // Ten of a thousand even weights are seen.
        let seen = [0.001_f32; 10];
        let mixing = Mixing::of(&seen, 10, 1000).unwrap_or_default();
        assert!(!mixing.exact);
        assert!((mixing.participation - 1000.0).abs() < 1e-2, "{mixing:?}");
        assert!((mixing.effective - 1000.0).abs() < 1e-2 && mixing.k90 >= 900.0 && mixing.k90 <= 901.0);
        assert_eq!((mixing.support, mixing.class(1000)), (0.0, Class::I));
        let sharp = Mixing::of(&[1.0, 0.0], 2, 1000).unwrap_or_default();
        assert_eq!((sharp.participation, sharp.k90, sharp.histogram[1]), (1.0, 1.0, 1.0));
        assert_eq!(sharp.class(1000), Class::IV);
    }

    #[test]
    fn overlaps_are_no_weights() {
        assert_eq!(Mixing::of(&[1.0, 0.5], 2, 2), None);
        assert_eq!(Mixing::of(&[f32::NAN, 0.5], 2, 2), None);
        assert_eq!(Mixing::of(&[], 0, 2), None);
    }
}
