//! Recall of a query of which some coordinates are known (see [`crate::memory::RecallOptions::known`]).

use super::{Matrix, separate, similarity::of_pair};
use crate::contract::{Separation, Similarity};

/// What a recall gives for one query.
#[derive(Clone, Debug)]
pub struct KnownRecall {
    /// The state, `[d]`: the known coordinates of the query, and the mixture of the patterns' others.
    pub state: Vec<f64>,
    /// Weights `[n]` of the patterns.
    pub weights: Vec<f64>,
    /// `-(1/beta) Omega*(beta s)` of the similarities `s` of the known coordinates.
    pub energy: f64,
}

/// Compares the known coordinates of a query `[d]` with those of patterns `[n, d]` alone.
pub fn known_recall(
    patterns: &Matrix,
    query: &[f64],
    known: &[bool],
    similarity: Similarity,
    separation: Separation,
    beta: f64,
) -> KnownRecall {
    let part =
        |row: &[f64]| row.iter().zip(known).filter(|(_, k)| **k).map(|(v, _)| *v).collect::<Vec<f64>>();
    let x = part(query);
    let scores: Vec<f64> = patterns.iter().map(|xi| of_pair(&x, &part(xi), similarity)).collect();
    let separated = separate(&scores, beta, separation);
    let total: f64 = separated.weights.iter().sum();
    let mixed =
        |j: usize| patterns.iter().zip(&separated.weights).map(|(xi, p)| p * xi[j]).sum::<f64>() / total;
    let state = (0..query.len()).map(|j| if known[j] { query[j] } else { mixed(j) }).collect();
    KnownRecall { state, weights: separated.weights, energy: -separated.potential }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_by_hand() {
        // Of the first coordinate, 0.25 away from one pattern and 0.75 from the other: weights e^(-1/32 beta), e^(-9/32 beta).
        let patterns = Matrix { data: vec![0.0, 4.0, 1.0, -4.0], rows: 2, columns: 2 };
        let known = [true, false];
        let got =
            known_recall(&patterns, &[0.25, f64::NAN], &known, Similarity::L2, Separation::Softmax, 4.0);
        let p = 1.0 / (1.0 + (-1.0_f64).exp());
        assert!((got.state[1] - 4.0 * (2.0 * p - 1.0)).abs() < 1e-12 && got.state[0] == 0.25);
        assert!((got.energy + ((-0.125_f64).exp() + (-1.125_f64).exp()).ln() / 4.0).abs() < 1e-12);
    }
}
