//! Updates of states of -1 and 1: the energies, and the table of their updates by overlap.

use crate::{Error, Result};
use std::fmt;

/// `F(z)`: how the overlap of a state with a pattern counts in the energy `-sum_k F(xi_k.x)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interaction {
    /// `z^n`, `n >= 2` (Krotov & Hopfield 2016). `n = 2` is the classical network with Hebb's rule.
    Polynomial(u32),
    /// `max(z, 0)^n`: no inverted attractors.
    Rectified(u32),
    /// `exp(z)` (Demircigil et al. 2017).
    Exponential,
}

impl fmt::Display for Interaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Polynomial(n) => write!(f, "polynomial:{n}"),
            Self::Rectified(n) => write!(f, "rectified:{n}"),
            Self::Exponential => f.write_str("exponential"),
        }
    }
}

/// What decides over a bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// The difference of the energies with the bit at 1 and at -1.
    #[default]
    Exact,
    /// `sum_k xi_ki F'(h_k)`.
    Gradient,
    /// `sum_k xi_ki F'(h_k - xi_ki x_i)`: the bit's own share left out.
    LeaveOneOut,
}

/// `F(z)`.
fn value(f: Interaction, z: f64) -> f64 {
    match f {
        Interaction::Polynomial(n) => z.powi(n as i32),
        Interaction::Rectified(n) => z.max(0.0).powi(n as i32),
        Interaction::Exponential => z.exp(),
    }
}

/// `F'(z)`.
fn slope(f: Interaction, z: f64) -> f64 {
    match f {
        Interaction::Polynomial(n) => f64::from(n) * value(Interaction::Polynomial(n - 1), z),
        Interaction::Rectified(n) => f64::from(n) * value(Interaction::Rectified(n - 1), z),
        Interaction::Exponential => z.exp(),
    }
}

/// Largest table value that is used as it is; beyond, the table holds logarithms.
const LARGEST: f64 = 1e24;

/// `w` and `c` of every overlap, and what an overlap counts in the energy.
#[derive(Clone, Debug)]
pub(crate) struct FlipTable {
    /// By `(h + d) / 2`: logarithm of the size in two parts, then `w` and `c` over that size. The logarithms are 0 where the values
    /// themselves fit; sums of whole numbers are then exact.
    pub(crate) entries: Vec<[f32; 4]>,
    /// Whether the values are whole numbers or halves: sums of them are exact while they stay below 2^23.
    pub(crate) whole: bool,
    /// `F(h / d)`; empty for the exponential, whose energy is `-log sum_k exp(h_k)`.
    pub(crate) energies: Vec<f32>,
}

impl FlipTable {
    pub(crate) fn new(f: Interaction, rule: Rule, d: usize) -> Result<Self> {
        match f {
            Interaction::Polynomial(n) | Interaction::Rectified(n) if !(2..=1000).contains(&n) => {
                return Err(Error::parameter("power of the energy", n, "2 to 1000"));
            }
            _ => {}
        }
        let size = d as f64;
        // Powers of z / d and exponentials of z - d stay within f64.
        let exponential = f == Interaction::Exponential;
        let scaled = |z: f64, unit: f64| if exponential { z - size } else { z / unit };
        let value = |z: f64, unit: f64| value(f, scaled(z, unit));
        let slope = |z: f64, unit: f64| slope(f, scaled(z, unit));
        // Beyond -d and d there are no overlaps: a pattern that is equal to the state differs from it nowhere.
        let (less, more) = (|z: f64, by: f64| (z - by).max(-size), |z: f64, by: f64| (z + by).min(size));
        // Powers in units of `unit`.
        let pair = |h: f64, unit: f64| match rule {
            Rule::Exact => {
                let [a, b, c] = [less(h, 2.0), h, more(h, 2.0)].map(|z| value(z, unit));
                (b - a, c - b)
            }
            Rule::Gradient => (slope(h, unit), slope(h, unit)),
            Rule::LeaveOneOut => (slope(less(h, 1.0), unit), slope(more(h, 1.0), unit)),
        };
        let halves = |(a, b): (f64, f64)| (0.5 * (a + b), 0.5 * (a - b));
        let overlaps = || (0..=d).map(|i| 2.0 * i as f64 - size);
        let power = match f {
            Interaction::Exponential => 0,
            Interaction::Polynomial(n) | Interaction::Rectified(n) => {
                if rule == Rule::Exact {
                    n
                } else {
                    n - 1
                }
            }
        };
        // What the scaling took away.
        let unit = if exponential { size.exp() } else { size.powi(power as i32) };
        let largest =
            overlaps().map(|h| halves(pair(h, size))).fold(0.0, |m: f64, (w, c)| m.max(w.abs()).max(c.abs()));
        let plain = largest * unit <= LARGEST;
        let entry = |h: f64| {
            if exponential && !plain {
                // By the formula: the values leave f64 where d is large.
                let (w, c) = halves(match rule {
                    Rule::Exact => (1.0 - (-2.0_f64).exp(), 2.0_f64.exp() - 1.0),
                    Rule::Gradient => (1.0, 1.0),
                    Rule::LeaveOneOut => ((-1.0_f64).exp(), 1.0_f64.exp()),
                });
                return [h as f32, 0.0, w as f32, c as f32];
            }
            if plain {
                let (w, c) = halves(pair(h, size));
                // Whole numbers for powers with the exact rule.
                let whole =
                    |v: f64| if exponential { v * unit } else { (v * unit * 1024.0).round() / 1024.0 };
                return [0.0, 0.0, whole(w) as f32, whole(c) as f32];
            }
            // In units of the largest power that there is at this overlap: a large power of a small share of `d` leaves f64.
            let top = match f {
                Interaction::Rectified(_) => more(h, 2.0).max(0.0),
                _ => more(h, 2.0).max(-less(h, 2.0)),
            };
            let (w, c) = if top > 0.0 { halves(pair(h, top)) } else { (0.0, 0.0) };
            let most = w.abs().max(c.abs());
            if most == 0.0 {
                return [-1e30, 0.0, 0.0, 0.0];
            }
            let log = f64::from(power) * (top / size).ln() + most.ln();
            let high = log as f32;
            [high, (log - f64::from(high)) as f32, (w / most) as f32, (c / most) as f32]
        };
        let energies = match exponential {
            true => Vec::new(),
            false => overlaps().map(|h| value(h, size) as f32).collect(),
        };
        Ok(Self { entries: overlaps().map(entry).collect(), whole: plain && !exponential, energies })
    }
}

impl FlipTable {
    /// What a field must exceed to be told from 0: see [`noise`].
    pub(crate) fn noise(&self, sizes: f64) -> f64 {
        noise(sizes, self.whole)
    }
}

/// What a field must exceed to be told from 0, where the sizes of all that was summed come to `sizes`. Where the sum is exact, that is
/// 0; else two patterns that cancel would leave a rounding error to decide: another one on each device, and recall might never end.
pub(crate) fn noise(sizes: f64, whole: bool) -> f64 {
    if whole && sizes < EXACT { 0.0 } else { NOISE * sizes }
}

/// Sums of whole and half numbers below this are exact in f32.
const EXACT: f64 = 8_388_608.0;

/// Rounding errors of a sum of f32 in blocks, relative to the sizes of its terms.
const NOISE: f64 = 16.0 * f32::EPSILON as f64;

/// What is wanted of a look at some states, beside their energies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The fields, which cost the sums over all patterns.
    pub(crate) fields: bool,
    /// How many of the best patterns.
    pub(crate) top_k: usize,
}

/// What a look at some states gives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flips {
    /// What decides over each bit, `[b * d]`, up to a positive factor per state; empty where not wanted.
    pub(crate) fields: Vec<f32>,
    /// Energies `[b]`.
    pub(crate) energy: Vec<f32>,
    /// Best patterns by the size of their weight, `[b * top_k]`, and these weights as shares of all.
    pub(crate) indices: Vec<u32>,
    pub(crate) weights: Vec<f32>,
    /// `exp(H)` of the shares, `[b]`.
    pub(crate) effective: Vec<f32>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;
    use crate::{
        random::{Stream, purpose::BITS},
        reference::{BinaryModel, Matrix},
    };

    /// The table's form of the update is that of the definition, for every `F` and rule.
    #[test]
    fn tables_give_the_flip_differences() {
        let mut random = Stream::new(9, BITS, 0);
        let mut bit = || if random.below(2) == 1 { 1.0 } else { -1.0 };
        let d = 11;
        let patterns = Matrix::from_fn(7, d, |_, _| bit());
        let x: Vec<f64> = (0..d).map(|_| bit()).collect();
        for interaction in [
            Interaction::Polynomial(2),
            Interaction::Polynomial(3),
            Interaction::Polynomial(40),
            Interaction::Rectified(4),
            Interaction::Exponential,
        ] {
            for rule in [Rule::Exact, Rule::Gradient, Rule::LeaveOneOut] {
                let model = BinaryModel { patterns: patterns.clone(), interaction, rule };
                let table = FlipTable::new(interaction, rule, d).unwrap();
                let terms: Vec<(f64, f64)> = model
                    .overlaps(&x)
                    .iter()
                    .map(|h| {
                        let [high, low, w, c] = table.entries[(h + d as f64) as usize / 2].map(f64::from);
                        let size = (high + low).exp();
                        (w * size, c * size)
                    })
                    .collect();
                let got: Vec<f64> = (0..d)
                    .map(|i| {
                        let sum: f64 = terms.iter().enumerate().map(|(k, t)| patterns.at(k, i) * t.0).sum();
                        sum + x[i] * terms.iter().map(|t| t.1).sum::<f64>()
                    })
                    .collect();
                let want = model.fields(&x);
                let largest = want.iter().fold(0.0_f64, |m, w| m.max(w.abs()));
                // Up to the factor that the scaling of the logarithms leaves out.
                let (g, w) = got.iter().zip(&want).find(|(_, w)| w.abs() == largest).unwrap();
                let unit = g / w;
                assert!(unit > 0.0);
                for (g, w) in got.iter().zip(&want) {
                    assert!(
                        (g / unit - w).abs() <= 2e-6 * largest,
                        "{interaction} {rule:?}: {got:?} {want:?}"
                    );
                }
            }
        }
    }
}
