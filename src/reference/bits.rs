//! Memories of -1 and 1, by their definitions: dense memories by flipping each bit, classical networks by their matrix.

use super::Matrix;
use crate::contract::{Interaction, Rule};

/// `F(z)`.
fn interaction(f: Interaction, z: f64) -> f64 {
    match f {
        Interaction::Polynomial(n) => z.powi(n as i32),
        Interaction::Rectified(n) => z.max(0.0).powi(n as i32),
        Interaction::Exponential => z.exp(),
    }
}

/// `F'(z)`.
fn slope(f: Interaction, z: f64) -> f64 {
    match f {
        Interaction::Polynomial(n) => f64::from(n) * z.powi(n as i32 - 1),
        Interaction::Rectified(n) => f64::from(n) * z.max(0.0).powi(n as i32 - 1),
        Interaction::Exponential => z.exp(),
    }
}

/// A dense memory of bits: patterns `xi` of -1 and 1.
#[derive(Clone, Debug)]
pub struct BinaryModel {
    /// Patterns `[n, d]`.
    pub patterns: Matrix,
    /// How a pattern's overlap counts.
    pub interaction: Interaction,
    /// What decides over a bit.
    pub rule: Rule,
}

impl BinaryModel {
    /// Overlaps `[n]` of a state with the patterns.
    pub fn overlaps(&self, x: &[f64]) -> Vec<f64> {
        self.patterns.iter().map(|xi| xi.iter().zip(x).map(|(a, b)| a * b).sum()).collect()
    }

    /// `-sum_k F(xi_k.x / d)`; for the exponential `-log sum_k exp(xi_k.x)`.
    pub fn energy(&self, x: &[f64]) -> f64 {
        let h = self.overlaps(x);
        match self.interaction {
            Interaction::Exponential => -super::log_sum_exp(&h, 1.0),
            f => -h.iter().map(|h| interaction(f, h / x.len() as f64)).sum::<f64>(),
        }
    }

    /// What decides over each bit: it goes to the sign of this, or stays at 0. Divided by `F(d)` for the exponential.
    pub fn fields(&self, x: &[f64]) -> Vec<f64> {
        let h = self.overlaps(x);
        let unit = if self.interaction == Interaction::Exponential { (x.len() as f64).exp() } else { 1.0 };
        let f = |z: f64| interaction(self.interaction, z) / unit;
        let g = |z: f64| slope(self.interaction, z) / unit;
        (0..x.len())
            .map(|i| {
                let one = |k: usize| {
                    let xi = self.patterns.at(k, i);
                    let others = h[k] - xi * x[i];
                    match self.rule {
                        Rule::Exact => f(xi + others) - f(others - xi),
                        Rule::Gradient => xi * g(h[k]),
                        Rule::LeaveOneOut => xi * g(others),
                    }
                };
                (0..self.patterns.rows).map(one).sum()
            })
            .collect()
    }

    /// One synchronous sweep.
    pub fn sweep(&self, x: &[f64]) -> Vec<f64> {
        x.iter().zip(self.fields(x)).map(|(x, f)| decide(*x, f)).collect()
    }

    /// One asynchronous sweep: bit after bit in this order.
    pub fn sweep_in_order(&self, x: &[f64], order: &[usize]) -> Vec<f64> {
        let mut x = x.to_vec();
        for &i in order {
            x[i] = decide(x[i], self.fields(&x)[i]);
        }
        x
    }
}

/// The sign of a field; at 0 the bit stays.
fn decide(bit: f64, field: f64) -> f64 {
    if field > 0.0 {
        1.0
    } else if field < 0.0 {
        -1.0
    } else {
        bit
    }
}

/// `-1/2 x.W x - b.x`.
pub fn quadratic_energy(weights: &Matrix, bias: &[f64], x: &[f64]) -> f64 {
    let of_row = |row: &[f64]| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
    x.iter().enumerate().map(|(i, v)| -v * (0.5 * of_row(weights.row(i)) + bias[i])).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two patterns of four bits: the specification's worked fields.
    #[test]
    fn rectified_cube() {
        let model = BinaryModel {
            patterns: Matrix::from_rows(&[[1.0, 1.0, 1.0, 1.0], [1.0, -1.0, 1.0, -1.0]]),
            interaction: Interaction::Rectified(3),
            rule: Rule::Exact,
        };
        assert_eq!(model.fields(&[1.0, 1.0, 1.0, -1.0]), [16.0, -48.0, 16.0, 48.0]);
    }
}
