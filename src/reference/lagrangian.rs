//! Lagrangians of layers of neurons and their activations, by the formulas of [`Lagrangian`].

use super::{log_sum_exp, softmax};
use crate::contract::Lagrangian;

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// `sqrt(mean((x - mean x)^2) + epsilon)`.
fn deviation(x: &[f64], epsilon: f64) -> f64 {
    let m = mean(x);
    (x.iter().map(|v| (v - m).powi(2)).sum::<f64>() / x.len() as f64 + epsilon).sqrt()
}

/// `sqrt(sum x^2 + epsilon)`.
fn length(x: &[f64], epsilon: f64) -> f64 {
    (x.iter().map(|v| v * v).sum::<f64>() + epsilon).sqrt()
}

/// `L(x)`.
pub fn lagrangian(kind: &Lagrangian, x: &[f64]) -> f64 {
    let sum = |f: &dyn Fn(f64) -> f64| x.iter().map(|v| f(*v)).sum::<f64>();
    match kind {
        Lagrangian::Identity => sum(&|v| 0.5 * v * v),
        Lagrangian::Repu { power } => sum(&|v| v.max(0.0).powi(*power as i32) / f64::from(*power)),
        Lagrangian::Exp { beta } => sum(&|v| (f64::from(*beta) * v).exp() / f64::from(*beta)),
        Lagrangian::RectifiedExp { beta } => {
            sum(&|v| (f64::from(*beta) * v.max(0.0)).exp() / f64::from(*beta) - v.max(0.0))
        }
        Lagrangian::Tanh { beta } => sum(&|v| {
            let z = (f64::from(*beta) * v).abs();
            (z + (-2.0 * z).exp().ln_1p() - std::f64::consts::LN_2) / f64::from(*beta)
        }),
        Lagrangian::Sigmoid { beta } => sum(&|v| {
            let z = f64::from(*beta) * v;
            (z.max(0.0) + (-z.abs()).exp().ln_1p()) / f64::from(*beta)
        }),
        Lagrangian::Softmax { beta } => log_sum_exp(x, f64::from(*beta)),
        Lagrangian::LayerNorm { gain, shift, epsilon } => {
            let linear: f64 = shift.iter().zip(x).map(|(s, v)| f64::from(*s) * v).sum();
            x.len() as f64 * f64::from(*gain) * deviation(x, f64::from(*epsilon)) + linear
        }
        Lagrangian::Spherical { gain, epsilon } => f64::from(*gain) * length(x, f64::from(*epsilon)),
        Lagrangian::Ghostmax => {
            let with_ghost: Vec<f64> = x.iter().copied().chain([0.0]).collect();
            log_sum_exp(&with_ghost, 1.0)
        }
    }
}

/// `g = dL/dx`, `[d]`.
pub fn activation(kind: &Lagrangian, x: &[f64]) -> Vec<f64> {
    let each = |f: &dyn Fn(f64) -> f64| x.iter().map(|v| f(*v)).collect::<Vec<f64>>();
    match kind {
        Lagrangian::Identity => x.to_vec(),
        Lagrangian::Repu { power } => each(&|v| v.max(0.0).powi(*power as i32 - 1)),
        Lagrangian::Exp { beta } => each(&|v| (f64::from(*beta) * v).exp()),
        Lagrangian::RectifiedExp { beta } => each(&|v| (f64::from(*beta) * v.max(0.0)).exp_m1()),
        Lagrangian::Tanh { beta } => each(&|v| (f64::from(*beta) * v).tanh()),
        Lagrangian::Sigmoid { beta } => each(&|v| 1.0 / (1.0 + (-f64::from(*beta) * v).exp())),
        Lagrangian::Softmax { beta } => softmax(x, f64::from(*beta)),
        Lagrangian::LayerNorm { gain, shift, epsilon } => {
            let (m, s) = (mean(x), deviation(x, f64::from(*epsilon)));
            let shift = |i: usize| shift.get(i).map_or(0.0, |v| f64::from(*v));
            x.iter().enumerate().map(|(i, v)| f64::from(*gain) * (v - m) / s + shift(i)).collect()
        }
        Lagrangian::Spherical { gain, epsilon } => {
            let s = length(x, f64::from(*epsilon));
            each(&|v| f64::from(*gain) * v / s)
        }
        Lagrangian::Ghostmax => {
            let with_ghost: Vec<f64> = x.iter().copied().chain([0.0]).collect();
            let mut p = softmax(&with_ghost, 1.0);
            p.truncate(x.len());
            p
        }
    }
}
