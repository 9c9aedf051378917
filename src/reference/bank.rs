//! Generated patterns, and one look of queries at all of them.

use super::{Matrix, features::SIGN_BITS, normals, philox};
use crate::contract::{Ensemble, Scan};

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

/// What queries `[q, d]` find among all patterns `[n, d]`; `targets` may be empty.
pub fn scan(patterns: &Matrix, queries: &Matrix, targets: &[u64], beta: f64) -> Vec<Scan> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let of_query = |(q, x): (usize, &[f64])| {
        let scores: Vec<f64> = patterns.iter().map(|xi| dot(x, xi)).collect();
        let target = targets.get(q).map(|t| (*t, scores[*t as usize]));
        let mut scan = Scan::empty(beta, target, patterns.columns);
        scan.count = scores.len() as u64;
        scan.best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let at = scores.iter().position(|s| *s == scan.best).unwrap_or(0);
        scan.index = at as u64;
        scan.ties = scores.iter().filter(|s| **s == scan.best).count() as u64 - 1;
        let others = scores.iter().enumerate().filter(|(i, _)| *i != at);
        scan.second = others.map(|(_, s)| *s).fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (beta * (s - scan.best)).exp()).collect();
        scan.sum = weights.iter().sum();
        scan.squares = weights.iter().map(|w| w * w).sum();
        for (w, xi) in weights.iter().zip(patterns.iter()) {
            scan.moments.iter_mut().zip(xi).for_each(|(m, v)| *m += w * v);
        }
        if let Some(target) = &mut scan.target {
            target.above = scores.iter().filter(|s| **s > target.score).count() as u64;
            target.equal = scores.iter().filter(|s| **s == target.score).count() as u64 - 1;
        }
        scan
    };
    queries.iter().enumerate().map(of_query).collect()
}
