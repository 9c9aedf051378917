//! The memory with a sparse separation (see [`crate::memory::SparseMemory`]), one query at a time.

use super::{Matrix, Step, separate, separation::regulariser, similarity::of_pair};
use crate::contract::{Separation, Similarity};

/// Stored patterns with similarity (L2 or dot), separation and inverse temperature; no post-transform.
#[derive(Clone, Debug)]
pub struct SparseModel {
    /// Patterns `[n, d]`.
    pub patterns: Matrix,
    /// [`Similarity::L2`] or [`Similarity::Dot`].
    pub similarity: Similarity,
    /// How scores become weights.
    pub separation: Separation,
    /// Inverse temperature.
    pub beta: f64,
}

impl SparseModel {
    fn scores(&self, x: &[f64]) -> Vec<f64> {
        self.patterns.iter().map(|xi| of_pair(x, xi, self.similarity)).collect()
    }

    /// Energy of a state; infinite where no pattern is in reach.
    pub fn energy(&self, x: &[f64]) -> f64 {
        let potential = separate(&self.scores(x), self.beta, self.separation).potential;
        let squared = |v: &[f64]| v.iter().map(|c| c * c).sum::<f64>();
        if self.similarity == Similarity::L2 {
            return -potential;
        }
        let n = self.patterns.rows;
        let total = f64::from(self.separation.total());
        let uniform = vec![total / n as f64; n];
        let largest = self.patterns.iter().map(squared).fold(0.0, f64::max);
        let constant = 0.5 * largest * total * total - regulariser(&uniform, self.separation) / self.beta;
        0.5 * squared(x) - potential + constant
    }

    /// One full update. Outside the support of the Epanechnikov kernel the state stays.
    pub fn step(&self, x: &[f64]) -> Step {
        let found = separate(&self.scores(x), self.beta, self.separation);
        let total: f64 = if self.similarity == Similarity::L2 { found.weights.iter().sum() } else { 1.0 };
        let mut state = vec![0.0; x.len()];
        for (xi, p) in self.patterns.iter().zip(&found.weights) {
            state.iter_mut().zip(xi).for_each(|(s, v)| *s += p * v / total.max(f64::MIN_POSITIVE));
        }
        if found.support == 0 {
            state = x.to_vec();
        }
        Step { state, energy: self.energy(x), effective: found.effective, weights: found.weights }
    }
}

/// All minima of the Epanechnikov energy of at most 20 patterns, with their energies: the centroids of those subsets that are
/// just the patterns within `sqrt(2/beta)` of their centroid (Hoover et al. 2025). Those of single patterns come first, by number.
pub fn epanechnikov_minima(patterns: &Matrix, beta: f64) -> Vec<(Vec<f64>, f64)> {
    let n = patterns.rows.min(20);
    let model = SparseModel {
        patterns: patterns.clone(),
        similarity: Similarity::L2,
        separation: Separation::Epanechnikov,
        beta,
    };
    let mut subsets: Vec<u32> = (1..1_u32 << n).collect();
    subsets.sort_by_key(|s| s.count_ones());
    let mut found = Vec::new();
    for subset in subsets {
        let members = || (0..n).filter(|k| subset >> k & 1 == 1);
        let count = f64::from(subset.count_ones());
        let centroid: Vec<f64> = (0..patterns.columns)
            .map(|j| members().map(|k| patterns.at(k, j)).sum::<f64>() / count)
            .collect();
        let reached = |k: usize| 1.0 + beta * of_pair(&centroid, patterns.row(k), Similarity::L2) > 0.0;
        if (0..n).all(|k| reached(k) == (subset >> k & 1 == 1)) {
            let energy = model.energy(&centroid);
            found.push((centroid, energy));
        }
    }
    found
}
