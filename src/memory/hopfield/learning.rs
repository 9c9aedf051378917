//! How patterns become a matrix of couplings.

use crate::{Bits, Error, Result};
use rayon::prelude::*;
use std::{fmt, str::FromStr};

/// A rule by which a classical network stores patterns; all have a zero diagonal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Learning {
    /// `W = (1/d) sum_k xi_k xi_k^T` (Hopfield 1982): stores about `d / (2 ln d)` random patterns, and `0.138 d` with
    /// 1.6 % of their bits wrong.
    #[default]
    Hebb,
    /// `W += (xi xi^T - xi h^T - h^T xi) / d`, `h_ij = sum_{k not i, j} W_ik xi_k`, pattern after pattern (Storkey 1997): local too, and holds more.
    Storkey,
    /// `W = Xi^T (Xi Xi^T)^-1 Xi`: up to `d` linearly independent patterns are exactly stable.
    PseudoInverse,
}

impl fmt::Display for Learning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hebb => "hebb",
            Self::Storkey => "storkey",
            Self::PseudoInverse => "pseudoinverse",
        })
    }
}

impl FromStr for Learning {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "hebb" => Ok(Self::Hebb),
            "storkey" => Ok(Self::Storkey),
            "pseudoinverse" => Ok(Self::PseudoInverse),
            _ => Err(Error::parameter("learning rule", s, "hebb, storkey or pseudoinverse")),
        }
    }
}

/// Couplings `[d, d]`, times `d` for Hebb's rule: whole numbers then, and fields are exact.
pub(super) struct Couplings {
    pub(super) values: Vec<f64>,
    d: usize,
}

impl Couplings {
    pub(super) fn new(d: usize) -> Result<Self> {
        let mut values = Vec::new();
        if values.try_reserve_exact(d * d).is_err() {
            return Err(Error::OutOfMemory {
                what: "a matrix of couplings".into(),
                needed: 8 * (d * d) as u64,
            });
        }
        values.resize(d * d, 0.0);
        Ok(Self { values, d })
    }

    /// Adds (or takes away) a pattern by Hebb's rule.
    pub(super) fn hebb(&mut self, xi: &[f32], sign: f64) {
        let of_row = |(i, row): (usize, &mut [f64])| {
            let own = sign * f64::from(xi[i]);
            row.iter_mut().zip(xi).for_each(|(w, x)| *w += own * f64::from(*x));
            row[i] = 0.0;
        };
        self.values.par_chunks_exact_mut(self.d).enumerate().for_each(of_row);
    }

    /// Adds a pattern by Storkey's rule.
    pub(super) fn storkey(&mut self, xi: &[f32]) {
        let d = self.d;
        let x: Vec<f64> = xi.iter().map(|v| f64::from(*v)).collect();
        let sums: Vec<f64> =
            self.values.par_chunks_exact(d).map(|row| row.iter().zip(&x).map(|(w, x)| w * x).sum()).collect();
        let of_row = |(i, row): (usize, &mut [f64])| {
            for (j, w) in row.iter_mut().enumerate().filter(|(j, _)| *j != i) {
                // The couplings are symmetric: those of j to i are here.
                let h_ij = sums[i] - *w * x[j];
                let h_ji = sums[j] - *w * x[i];
                *w += (x[i] * x[j] - x[i] * h_ji - h_ij * x[j]) / d as f64;
            }
        };
        self.values.par_chunks_exact_mut(d).enumerate().for_each(of_row);
    }

    /// The projection on the patterns, without its diagonal.
    pub(super) fn pseudo_inverse(patterns: &Bits) -> Result<Self> {
        let (n, d) = (patterns.rows(), patterns.columns());
        // Orthonormal rows by Gram and Schmidt, twice over for accuracy; their products are the projection.
        let mut basis: Vec<Vec<f64>> = Vec::with_capacity(n);
        for k in 0..n {
            let mut row: Vec<f64> = patterns.row(k).iter().map(|v| f64::from(*v)).collect();
            for _ in 0..2 {
                for b in &basis {
                    let along: f64 = b.iter().zip(&row).map(|(b, r)| b * r).sum();
                    row.iter_mut().zip(b).for_each(|(r, b)| *r -= along * b);
                }
            }
            let length = row.iter().map(|r| r * r).sum::<f64>().sqrt();
            if length < 1e-8 * (d as f64).sqrt() {
                return Err(Error::Singular { row: k });
            }
            row.iter_mut().for_each(|r| *r /= length);
            basis.push(row);
        }
        let mut out = Self::new(d)?;
        out.values.par_chunks_exact_mut(d).enumerate().for_each(|(i, row)| {
            for b in &basis {
                row.iter_mut().zip(b).for_each(|(w, x)| *w += b[i] * x);
            }
            row[i] = 0.0;
        });
        Ok(out)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    /// Storkey's rule by its definition, with the sums written out.
    #[test]
    fn storkey_follows_its_definition() {
        let patterns = [[1.0_f32, -1.0, 1.0, 1.0], [1.0, 1.0, -1.0, 1.0], [-1.0, 1.0, 1.0, 1.0]];
        let mut got = Couplings::new(4).unwrap();
        let mut want = [[0.0_f64; 4]; 4];
        for xi in &patterns {
            let x = xi.map(f64::from);
            let h = |i: usize, j: usize| -> f64 {
                (0..4).filter(|k| *k != i && *k != j).map(|k| want[i][k] * x[k]).sum()
            };
            let mut next = want;
            for i in 0..4 {
                for j in (0..4).filter(|j| *j != i) {
                    next[i][j] += (x[i] * x[j] - x[i] * h(j, i) - h(i, j) * x[j]) / 4.0;
                }
            }
            want = next;
            got.storkey(xi);
        }
        for (got, want) in got.values.iter().zip(want.as_flattened()) {
            assert!((got - want).abs() < 1e-12);
        }
    }
}
