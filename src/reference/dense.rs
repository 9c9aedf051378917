//! The dense memory with log-sum-exp energy (see [`crate::memory::DenseMemory`]), one query at
//! a time.

use super::{Matrix, effective_number, log_sum_exp, similarity::of_pair, softmax};
use crate::contract::Similarity;

/// What one softmax step gives for one query.
#[derive(Clone, Debug)]
pub struct Step {
    /// The next state, `[d]`.
    pub state: Vec<f64>,
    /// Energy of the state **before** the step.
    pub energy: f64,
    /// Weights `[n]` of the patterns at the state before the step.
    pub weights: Vec<f64>,
    /// `exp(H(weights))`.
    pub effective: f64,
}

/// Stored patterns with similarity and inverse temperature.
#[derive(Clone, Debug)]
pub struct DenseModel {
    /// Patterns `[n, d]`.
    pub patterns: Matrix,
    /// How a query is compared with a pattern.
    pub similarity: Similarity,
    /// Inverse temperature.
    pub beta: f64,
    /// Which patterns may answer; all where `None`.
    pub mask: Option<Vec<bool>>,
}

impl DenseModel {
    fn eligible(&self) -> impl Iterator<Item = (usize, &[f64])> {
        self.patterns.iter().enumerate().filter(|(k, _)| self.mask.as_ref().is_none_or(|m| m[*k]))
    }

    fn scores(&self, x: &[f64]) -> Vec<f64> {
        self.eligible().map(|(_, xi)| of_pair(x, xi, self.similarity)).collect()
    }

    /// Energy of a state; see [`crate::memory::DenseMemory`] for the formulas.
    pub fn energy(&self, x: &[f64]) -> f64 {
        let s = self.scores(x);
        let squared = |v: &[f64]| v.iter().map(|c| c * c).sum::<f64>();
        let lse = log_sum_exp(&s, self.beta);
        match self.similarity {
            Similarity::L2 | Similarity::L1 => -lse,
            Similarity::Dot => {
                let largest = self.eligible().map(|(_, xi)| squared(xi)).fold(0.0, f64::max);
                -lse + 0.5 * squared(x) + (s.len() as f64).ln() / self.beta + 0.5 * largest
            }
            Similarity::Cosine => {
                // Norms weigh the exponentials: the update then never raises the energy.
                let weighted: Vec<f64> = self
                    .eligible()
                    .zip(&s)
                    .map(|((_, xi), s)| s + squared(xi).sqrt().ln() / self.beta)
                    .collect();
                -log_sum_exp(&weighted, self.beta)
            }
        }
    }

    /// One full update `x <- sum_k p_k xi_k`, `p = softmax(beta * similarity)`.
    pub fn step(&self, x: &[f64]) -> Step {
        let p = softmax(&self.scores(x), self.beta);
        let mut state = vec![0.0; x.len()];
        let mut weights = vec![0.0; self.patterns.rows];
        for ((k, xi), p) in self.eligible().zip(&p) {
            weights[k] = *p;
            state.iter_mut().zip(xi).for_each(|(s, v)| *s += p * v);
        }
        Step { state, energy: self.energy(x), effective: effective_number(&weights), weights }
    }
}
