//! The energy transformer block (see [`crate::layers::EnergyTransformer`]), token by token.

use super::{Matrix, log_sum_exp, normalize, softmax};
use crate::contract::Normalization;

/// The weights of a block.
#[derive(Clone, Debug)]
pub struct EnergyTransformerModel {
    /// Key weights of each head, `[Y, D]`.
    pub keys: Vec<Matrix>,
    /// Query weights of each head, `[Y, D]`.
    pub queries: Vec<Matrix>,
    /// Memories `[M, D]`.
    pub memories: Matrix,
    /// Gain of the norm, one number for all columns.
    pub gain: f64,
    /// Bias of the norm, `[D]`.
    pub bias: Vec<f64>,
    /// Added to the variance.
    pub eps: f32,
    /// Inverse temperature of the attention.
    pub beta: f64,
    /// Whether a token attends to itself.
    pub self_attention: bool,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Each row of `x` through `weights`.
fn project(x: &Matrix, weights: &Matrix) -> Matrix {
    Matrix::from_fn(x.rows, weights.rows, |i, j| dot(x.row(i), weights.row(j)))
}

impl EnergyTransformerModel {
    /// Tokens `[N, D]` through the norm.
    pub fn norm(&self, x: &Matrix) -> Matrix {
        let rows: Vec<Vec<f64>> =
            x.iter().map(|row| normalize(row, Normalization::Layer { eps: self.eps })).collect();
        Matrix::from_fn(x.rows, x.columns, |i, j| self.gain * rows[i][j] + self.bias[j])
    }

    /// The tokens that token `c` of `n` attends to.
    fn attended(&self, c: usize, n: usize) -> impl Iterator<Item = usize> {
        (0..n).filter(move |b| self.self_attention || *b != c)
    }

    /// Energy of normalised tokens `g` `[N, D]`.
    pub fn energy(&self, g: &Matrix) -> f64 {
        let mut energy = 0.0;
        for (keys, queries) in self.keys.iter().zip(&self.queries) {
            let (keys, queries) = (project(g, keys), project(g, queries));
            for c in 0..g.rows {
                let scores: Vec<f64> =
                    self.attended(c, g.rows).map(|b| dot(keys.row(b), queries.row(c))).collect();
                energy -= log_sum_exp(&scores, self.beta);
            }
        }
        for h in project(g, &self.memories).data {
            energy -= 0.5 * h.max(0.0).powi(2);
        }
        energy
    }

    /// `dE/dg` `[N, D]` at normalised tokens.
    pub fn gradient(&self, g: &Matrix) -> Matrix {
        let mut down = Matrix::from_fn(g.rows, g.columns, |_, _| 0.0);
        let mut add = |row: usize, by: f64, weights: &Matrix, at: &[f64]| {
            for (y, a) in at.iter().enumerate() {
                for d in 0..g.columns {
                    down.data[row * g.columns + d] -= by * a * weights.at(y, d);
                }
            }
        };
        for (key_weights, query_weights) in self.keys.iter().zip(&self.queries) {
            let (keys, queries) = (project(g, key_weights), project(g, query_weights));
            for c in 0..g.rows {
                let others: Vec<usize> = self.attended(c, g.rows).collect();
                let scores: Vec<f64> = others.iter().map(|b| dot(keys.row(*b), queries.row(c))).collect();
                for (b, p) in others.into_iter().zip(softmax(&scores, self.beta)) {
                    add(c, p, query_weights, keys.row(b));
                    add(b, p, key_weights, queries.row(c));
                }
            }
        }
        let hidden = project(g, &self.memories);
        for c in 0..g.rows {
            let active: Vec<f64> = hidden.row(c).iter().map(|h| h.max(0.0)).collect();
            add(c, 1.0, &self.memories, &active);
        }
        down
    }

    /// One step `x <- x - alpha dE/dg` of tokens `[N, D]`, and the energy before it.
    pub fn step(&self, x: &Matrix, alpha: f64) -> (Matrix, f64) {
        let g = self.norm(x);
        let gradient = self.gradient(&g);
        let next = Matrix::from_fn(x.rows, x.columns, |i, j| x.at(i, j) - alpha * gradient.at(i, j));
        (next, self.energy(&g))
    }
}
