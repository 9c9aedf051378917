//! Generated patterns, and one look of queries at all of them.

use super::{features::SIGN_BITS, normals, philox};
use crate::ops::Ensemble;

/// Pattern `mu` of a seed, `[d]`: a function of these numbers alone.
pub fn bank_row(ensemble: Ensemble, seed: u64, mu: u64, d: usize) -> Vec<f64> {
    let words = |i: usize, stream: u32| philox([mu as u32, i as u32, stream, (mu >> 32) as u32], seed);
    match ensemble {
        Ensemble::Bipolar => (0..d)
            .map(|i| {
                let word = words(i / 128, SIGN_BITS)[i % 128 / 32];
                if word >> (i % 32) & 1 == 1 { 1.0 } else { -1.0 }
            })
            .collect(),
        Ensemble::Gaussian => (0..d).map(|i| normals(words(i / 4, 0))[i % 4]).collect(),
        Ensemble::Sphere => {
            let mut row = bank_row(Ensemble::Gaussian, seed, mu, d);
            let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            match length > 0.0 {
                true => row.iter_mut().for_each(|v| *v /= length),
                // A radius of the generator may be 0: once in 2^24 for one or two dimensions, never seen in more.
                false => row[0] = 1.0,
            }
            row
        }
    }
}
