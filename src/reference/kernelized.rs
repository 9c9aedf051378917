//! The kernelized memory: a Hopfield network among features.

use super::{Matrix, separate};
use crate::contract::Separation;

/// A kernelized memory with an affine map `Phi(x) = W x + b`.
#[derive(Clone, Debug)]
pub struct KernelizedModel {
    /// Patterns `[M, d]`.
    pub patterns: Matrix,
    /// `W`, `[D, d]`.
    pub weights: Matrix,
    /// `b`, `[D]`.
    pub bias: Vec<f64>,
    /// Softmax or an entmax.
    pub separation: Separation,
    /// Inverse temperature.
    pub beta: f64,
    /// Whether patterns are divided by the length of their features, within the dynamics.
    pub unit: bool,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl KernelizedModel {
    /// `Phi(x)`
    pub fn features(&self, x: &[f64]) -> Vec<f64> {
        self.weights.iter().zip(&self.bias).map(|(w, b)| dot(w, x) + b).collect()
    }

    /// What a pattern is divided by.
    fn scale(&self, k: usize) -> f64 {
        let f = self.features(self.patterns.row(k));
        if self.unit { dot(&f, &f).sqrt() } else { 1.0 }
    }

    /// Features of the patterns as they are compared, `[M, D]`.
    pub fn keys(&self) -> Matrix {
        let rows: Vec<Vec<f64>> = self.patterns.iter().map(|x| self.features(x)).collect();
        Matrix::from_fn(rows.len(), self.bias.len(), |k, j| rows[k][j] / self.scale(k))
    }

    /// Weights and energy of a state with features `y`.
    pub fn look(&self, y: &[f64]) -> (Vec<f64>, f64) {
        let scores: Vec<f64> = self.keys().iter().map(|f| dot(f, y)).collect();
        let separated = separate(&scores, self.beta, self.separation);
        (separated.weights, 0.5 * dot(y, y) - separated.potential)
    }

    /// `E(x) = |Phi(x)|^2 / 2 - (1/beta) Psi*(beta K(x))`
    pub fn energy(&self, x: &[f64]) -> f64 {
        self.look(&self.features(x)).1
    }

    /// The update of a state `x`.
    pub fn step(&self, x: &[f64]) -> Vec<f64> {
        let weights = self.look(&self.features(x)).0;
        let scaled: Vec<f64> = weights.iter().enumerate().map(|(k, p)| p / self.scale(k)).collect();
        mixture(&scaled, &self.patterns)
    }

    /// The update of a state among features.
    pub fn step_features(&self, y: &[f64]) -> Vec<f64> {
        mixture(&self.look(y).0, &self.keys())
    }
}

fn mixture(weights: &[f64], rows: &Matrix) -> Vec<f64> {
    (0..rows.columns).map(|j| weights.iter().zip(rows.iter()).map(|(p, row)| p * row[j]).sum()).collect()
}
