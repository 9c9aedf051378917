//! Single-shot recall with any similarity and separation (see [`crate::memory::UniversalMemory`]), one query at a time.

use super::{Matrix, divergence::of_distributions, similarity::of_pair, softmax, top_k};
use crate::contract::{Divergence, Similarity, UniversalSeparation, UniversalSimilarity};

/// Stored patterns with what is associated with them.
#[derive(Clone, Debug)]
pub struct UniversalModel {
    /// Patterns `[n, d]`.
    pub patterns: Matrix,
    /// Values `[n, v]`; the patterns themselves for auto-association.
    pub values: Matrix,
    /// How a query is compared with a pattern.
    pub similarity: UniversalSimilarity,
    /// How similarities become weights.
    pub separation: UniversalSeparation,
    /// Inverse temperature of the softmax.
    pub beta: f64,
}

fn over_sum(x: &[f64]) -> Vec<f64> {
    let sum: f64 = x.iter().sum();
    x.iter().map(|v| v / sum).collect()
}

impl UniversalModel {
    /// Similarities `[n]` of a query and the patterns.
    pub fn similarities(&self, x: &[f64]) -> Vec<f64> {
        let of = |xi: &[f64]| {
            let by = |kind| of_pair(x, xi, kind);
            let minus = |kind| -of_distributions(&over_sum(x), &over_sum(xi), kind);
            match self.similarity {
                UniversalSimilarity::Dot => by(Similarity::Dot),
                UniversalSimilarity::NormalisedDot => of_pair(&over_sum(x), &over_sum(xi), Similarity::Dot),
                UniversalSimilarity::Cosine => by(Similarity::Cosine),
                UniversalSimilarity::L2 => 2.0 * by(Similarity::L2),
                UniversalSimilarity::L1 => by(Similarity::L1),
                UniversalSimilarity::Kl => minus(Divergence::Kl),
                UniversalSimilarity::ReverseKl => minus(Divergence::ReverseKl),
                UniversalSimilarity::JensenShannon => minus(Divergence::JensenShannon),
            }
        };
        self.patterns.iter().map(of).collect()
    }

    /// Weights `[n]` of these similarities.
    pub fn weights(&self, similarities: &[f64]) -> Vec<f64> {
        let each = |f: &dyn Fn(f64) -> f64| similarities.iter().map(|s| f(*s)).collect();
        match self.separation {
            UniversalSeparation::Identity => similarities.to_vec(),
            UniversalSeparation::Sqrt => each(&f64::sqrt),
            UniversalSeparation::Log => each(&f64::ln),
            UniversalSeparation::Power(n) => each(&|s| s.powi(n as i32)),
            UniversalSeparation::Softmax => softmax(similarities, self.beta),
            UniversalSeparation::Max => {
                let mut weights = vec![0.0; similarities.len()];
                top_k(similarities, 1).iter().for_each(|(best, _)| weights[*best] = 1.0);
                weights
            }
        }
    }

    /// `V^T sep(sim(Xi, x))`, `[v]`.
    pub fn recall(&self, x: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.values.columns];
        for (row, weight) in self.values.iter().zip(self.weights(&self.similarities(x))) {
            out.iter_mut().zip(row).for_each(|(o, v)| *o += weight * v);
        }
        out
    }
}
