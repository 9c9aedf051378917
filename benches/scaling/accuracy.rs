//! How near a step over a million patterns is to the same in f64.

use crate::values::values;
use attractor::{
    Device, Result, Tensor,
    ops::{Similarity, step},
    reference::{DenseModel, Matrix},
};

/// Patterns, columns and queries.
pub(crate) const SIZES: [usize; 3] = [1_000_000, 16, 4];

/// The largest deviations from f64.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Accuracy {
    /// Of a coordinate of a state, in the data's scale (the largest value is 1).
    pub(crate) state: f64,
    /// Of an energy, in its own size, or 1 where that is less.
    pub(crate) energy: f64,
}

/// Compares steps of two similarities, from even weights to a few that count.
pub(crate) fn measure(device: &Device) -> Result<Accuracy> {
    let [n, d, b] = SIZES;
    let (x, xi) = (values(b * d, 2), values(n * d, 1));
    let (queries, patterns) =
        (Tensor::from_flat(device, &x, &[b, d])?, Tensor::from_flat(device, &xi, &[n, d])?);
    let (x, xi) = (Matrix::from_f32(&x, d), Matrix::from_f32(&xi, d));
    let largest = xi.iter().map(squared).fold(0.0, f64::max);
    let mut model = DenseModel { patterns: xi, similarity: Similarity::Dot, beta: 1.0, mask: None };
    let mut worst = Accuracy::default();
    for similarity in [Similarity::Dot, Similarity::L2] {
        for beta in [0.25, 1.0, 4.0] {
            let (state, energy) = step(&queries, &patterns, beta, similarity)?;
            let (state, energy) = (state.to_vec()?, energy.to_vec()?);
            (model.similarity, model.beta) = (similarity, f64::from(beta));
            // The model's energy for dot has a constant with it, which a step leaves out.
            let constant = match similarity {
                Similarity::Dot => (n as f64).ln() / model.beta + 0.5 * largest,
                _ => 0.0,
            };
            for (i, x) in x.iter().enumerate() {
                let want = model.step(x);
                for (got, want) in state[i * d..].iter().zip(&want.state) {
                    worst.state = worst.state.max((f64::from(*got) - want).abs());
                }
                let want = want.energy - constant;
                let error = (f64::from(energy[i]) - want).abs() / want.abs().max(1.0);
                worst.energy = worst.energy.max(error);
            }
        }
    }
    Ok(worst)
}

fn squared(row: &[f64]) -> f64 {
    row.iter().map(|v| v * v).sum()
}
