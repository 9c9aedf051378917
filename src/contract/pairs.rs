//! Losses of pairs of rows.

use crate::{Error, Result};
use std::{fmt, str::FromStr};

/// A loss of unit rows `phi_i`, `i` from 1 to `M`, with `s_ij = phi_i . phi_j` and a temperature `tau`. All fall as rows move apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SeparationLoss {
    /// `ln mean_{i<j} exp(-t |phi_i - phi_j|^2)` with `t = 1/(2 tau)`: the pair loss minus `2 t` (U-Hop).
    Average,
    /// `max_{i<j} -t |phi_i - phi_j|^2` with `t = 1/(2 tau)`: the nearest pair alone (U-Hop).
    Max,
    /// `ln mean_{i<j} exp(s_ij / tau)` (U-Hop+).
    #[default]
    Pair,
    /// `mean_i [ln sum_j exp(s_ij / tau) - 1/tau]`, `j = i` included. Its gradient fades where rows are far apart at small `tau`.
    CrossEntropy,
    /// `mean_i ln sum_{j != i} exp(s_ij / tau)`.
    SelfFree,
}

impl SeparationLoss {
    /// All of them, in the order of their names in help texts.
    pub const ALL: [Self; 5] = [Self::Average, Self::Max, Self::Pair, Self::CrossEntropy, Self::SelfFree];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Average => "average",
            Self::Max => "max",
            Self::Pair => "pair",
            Self::CrossEntropy => "cross-entropy",
            Self::SelfFree => "self-free",
        }
    }

    /// The loss from what is known of each row, and how pairs weigh in its gradient.
    pub(crate) fn of(self, rows: &[RowStats], tau: f64) -> (f64, Weighing) {
        let (n, sharp) = (rows.len() as f64, tau.recip());
        match self {
            Self::Max => {
                let mut row = 0;
                for (i, stats) in rows.iter().enumerate() {
                    if stats.largest > rows[row].largest {
                        row = i;
                    }
                }
                (sharp * (rows[row].largest - 1.0), Weighing::Nearest { row, factor: sharp })
            }
            Self::Average | Self::Pair => {
                let largest = rows.iter().map(|r| r.largest).fold(f64::MIN, f64::max);
                let total: f64 = rows.iter().map(|r| (sharp * (r.largest - largest) + r.log_sum).exp()).sum();
                let log_sum = total.ln();
                let pair = sharp * largest + log_sum - (n * (n - 1.0)).ln();
                let value = if self == Self::Average { pair - sharp } else { pair };
                let terms = vec![RowStats { largest, log_sum }; rows.len()];
                (value, Weighing::Terms { terms, factor: sharp })
            }
            Self::CrossEntropy => {
                // A row's own product of 1 is the largest.
                let own = |r: &RowStats| (sharp * (r.largest - 1.0) + r.log_sum).exp().ln_1p();
                let terms: Vec<_> = rows.iter().map(|r| RowStats { largest: 1.0, log_sum: own(r) }).collect();
                let value = terms.iter().map(|t| t.log_sum).sum::<f64>() / n;
                (value, Weighing::Terms { terms, factor: sharp / n })
            }
            Self::SelfFree => {
                let value = rows.iter().map(|r| sharp * r.largest + r.log_sum).sum::<f64>() / n;
                (value, Weighing::Terms { terms: rows.to_vec(), factor: sharp / n })
            }
        }
    }
}

impl fmt::Display for SeparationLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SeparationLoss {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let want = "one of average, max, pair, cross-entropy, self-free";
        Self::ALL.into_iter().find(|k| k.name() == s).ok_or_else(|| Error::parameter("loss", s, want))
    }
}

/// Of a row's products with the others: the largest, and `ln sum exp((s - largest) / tau)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowStats {
    pub(crate) largest: f64,
    pub(crate) log_sum: f64,
}

/// How the gradient weighs pairs.
pub(crate) enum Weighing {
    /// `factor (w_i + w_j)` with `w = exp((s_ij - largest) / tau - log_sum)` of a row's terms.
    Terms { terms: Vec<RowStats>, factor: f64 },
    /// `factor` for the pair of this row and its nearest.
    Nearest { row: usize, factor: f64 },
}
