//! Separations: scores to weights, by bisection where there is no closed form.

use super::{effective_number, log_sum_exp, softmax};
use crate::contract::{MASKED, Separation};
use std::ops::Neg;

/// What a separation makes of a row of scores.
#[derive(Clone, Debug)]
pub struct Separated {
    /// Weights `[n]`.
    pub weights: Vec<f64>,
    /// `(1/beta) Omega*(beta z)`, whose gradient the weights are; for the Epanechnikov kernel
    /// `(1/beta) log sum_k max(0, 1 + beta z_k)`, minus infinity where nothing is in reach.
    pub potential: f64,
    /// `exp(H(p))`, with the weights scaled to sum to 1.
    pub effective: f64,
    /// How many weights are not 0.
    pub support: usize,
}

/// Where a decreasing function is `target`, between `low` and `high`.
fn bisect(mut low: f64, mut high: f64, target: f64, f: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if f(middle) >= target { low = middle } else { high = middle }
    }
    low
}

/// `y` from `low` to `high`, both above 0, with `f(y) = 1` for an `f` that rises: to the last bit of `y`, however small that is.
fn bisect_small(low: f64, high: f64, f: impl Fn(f64) -> f64) -> f64 {
    bisect(-high.ln(), -low.ln(), 1.0, |l| f((-l).exp())).neg().exp()
}

/// The regulariser `Omega(p)` of a separation, 0 at a single pattern.
pub(super) fn regulariser(p: &[f64], kind: Separation) -> f64 {
    let power = |e: f64| p.iter().filter(|v| **v > 0.0).map(|v| v.powf(e)).sum::<f64>();
    match kind {
        Separation::Entmax(alpha) if alpha != 1.0 => {
            let alpha = f64::from(alpha);
            (power(alpha) - 1.0) / (alpha * (alpha - 1.0))
        }
        Separation::Softmax | Separation::Entmax(_) => {
            p.iter().filter(|v| **v > 0.0).map(|v| v * v.ln()).sum()
        }
        Separation::Normmax(gamma) => power(f64::from(gamma)).powf(1.0 / f64::from(gamma)) - 1.0,
        Separation::KSubsets(k) => 0.5 * (power(2.0) - f64::from(k)),
        Separation::Epanechnikov => 0.0,
    }
}

/// Weights of scores `z` at an inverse temperature; see [`Separation`] for the definitions. Hidden scores (at or below -5e29) get
/// none; where there is a NaN or plus infinity, nothing is known.
pub fn separate(z: &[f64], beta: f64, kind: Separation) -> Separated {
    let none = |weights: f64, potential: f64| {
        let effective = if weights == 0.0 { 1.0 } else { f64::NAN };
        Separated { weights: vec![weights; z.len()], potential, effective, support: 0 }
    };
    if z.iter().any(|v| v.is_nan() || *v == f64::INFINITY) {
        return none(f64::NAN, f64::NAN);
    }
    let hidden = 0.5 * f64::from(MASKED);
    let eligible: Vec<f64> = z.iter().copied().filter(|v| *v > hidden).collect();
    if eligible.is_empty() {
        return none(0.0, f64::NEG_INFINITY);
    }
    let found = of_eligible(&eligible, beta, kind);
    let mut of_found = found.weights.iter();
    let weights =
        z.iter().map(|v| if *v > hidden { *of_found.next().unwrap_or(&0.0) } else { 0.0 }).collect();
    Separated { weights, ..found }
}

fn of_eligible(z: &[f64], beta: f64, kind: Separation) -> Separated {
    let n = z.len() as f64;
    let m = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let above = |tau: f64, u: &[f64], e: f64| -> Vec<f64> {
        u.iter().map(|u| if *u > tau { (u - tau).powf(e) } else { 0.0 }).collect()
    };
    let scaled = |v: Vec<f64>| -> Vec<f64> {
        let total: f64 = v.iter().sum();
        v.iter().map(|v| v / total).collect()
    };
    let shifted = |factor: f64| -> Vec<f64> { z.iter().map(|v| factor * (v - m)).collect() };
    let weights = match kind {
        Separation::Softmax => softmax(z, beta),
        Separation::Entmax(1.0) => softmax(z, beta),
        Separation::Entmax(alpha) => {
            let alpha = f64::from(alpha);
            let (u, e) = (shifted(beta * (alpha - 1.0)), 1.0 / (alpha - 1.0));
            let least = n.powf(1.0 - alpha).max(f64::MIN_POSITIVE);
            let tau = -bisect_small(least, 1.0, |y| above(-y, &u, e).iter().sum());
            scaled(above(tau, &u, e))
        }
        Separation::Normmax(gamma) => {
            let g = f64::from(gamma);
            let u = shifted(beta);
            let mass = |tau| above(tau, &u, g / (g - 1.0)).iter().sum();
            let tau = bisect(-1.0, -n.powf((1.0 - g) / g), 1.0, mass);
            scaled(above(tau, &u, 1.0 / (g - 1.0)))
        }
        Separation::KSubsets(k) => {
            // Seen from the k-th largest, within 1 of which the threshold lies.
            let mut sorted = z.to_vec();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let origin = sorted[(k as usize).min(z.len()) - 1];
            let u: Vec<f64> = z.iter().map(|v| beta * (v - origin)).collect();
            let clipped = |tau: f64| u.iter().map(|u| (u - tau).clamp(0.0, 1.0)).collect::<Vec<f64>>();
            clipped(bisect(-1.0, 0.0, f64::from(k), |tau| clipped(tau).iter().sum()))
        }
        Separation::Epanechnikov => {
            let reached = z.iter().filter(|v| 1.0 + beta * **v > 0.0).count();
            z.iter().map(|v| if 1.0 + beta * v > 0.0 { 1.0 / reached as f64 } else { 0.0 }).collect()
        }
    };
    let potential = match kind {
        Separation::Softmax => log_sum_exp(z, beta),
        Separation::Epanechnikov => z.iter().map(|v| (1.0 + beta * v).max(0.0)).sum::<f64>().ln() / beta,
        _ => {
            let linear: f64 = weights.iter().zip(z).map(|(p, z)| p * z).sum();
            linear - regulariser(&weights, kind) / beta
        }
    };
    let total: f64 = weights.iter().sum();
    let p: Vec<f64> = weights.iter().map(|w| if total > 0.0 { w / total } else { 0.0 }).collect();
    Separated {
        effective: effective_number(&p),
        support: weights.iter().filter(|w| **w > 0.0).count(),
        weights,
        potential,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(got: &[f64], want: &[f64]) {
        for (g, w) in got.iter().zip(want) {
            assert!((g - w).abs() <= 1e-9, "{got:?}, want {want:?}");
        }
    }

    #[test]
    fn golden_values() {
        let z = [1.2, 0.4, -1.2];
        for (kind, want) in [
            (Separation::Entmax(2.0), [0.9, 0.1, 0.0]),
            (Separation::Entmax(1.5), [0.7712931993, 0.2287068007, 0.0]),
            (Separation::Entmax(1.25), [0.7192730510, 0.2701196494, 0.0106072997]),
            (Separation::Normmax(2.0), [0.8429971703, 0.1570028297, 0.0]),
            (Separation::Normmax(5.0), [0.6188852554, 0.3811147446, 0.0]),
        ] {
            near(&separate(&z, 1.0, kind).weights, &want);
        }
        near(&separate(&[2.0, 1.8, 1.5, 0.0], 1.0, Separation::KSubsets(2)).weights, &[0.9, 0.7, 0.4, 0.0]);
    }

    /// The weights are the gradient of the potential.
    #[test]
    fn weights_are_gradients() {
        let z = [0.3, 0.1, -0.2, 0.25];
        for kind in [
            Separation::Softmax,
            Separation::Entmax(1.25),
            Separation::Entmax(1.5),
            Separation::Entmax(2.0),
            Separation::Entmax(3.0),
            Separation::Normmax(2.0),
            Separation::Normmax(5.0),
            Separation::KSubsets(2),
        ] {
            let p = separate(&z, 1.7, kind).weights;
            for k in 0..z.len() {
                let at = |h: f64| {
                    let mut z = z;
                    z[k] += h;
                    separate(&z, 1.7, kind).potential
                };
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((slope - p[k]).abs() < 1e-6, "{kind}: {slope} {p:?}");
            }
        }
    }
}
