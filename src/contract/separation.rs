//! Separations: how scores become weights.

use crate::{Error, Result};
use std::{fmt, str::FromStr};

/// How scores `z = beta * similarity` become weights of the patterns.
///
/// All but the last are gradients of a convex function, `p = argmax_p p.z - Omega(p)` (Santos et al.,
/// "Hopfield-Fenchel-Young Networks", arXiv 2411.08590): with all but softmax and k-subsets of several patterns, one that leads by the
/// [margin](Separation::margin) gets all the weight, exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Separation {
    /// `p ~ exp(z)`; `Omega` is the negative Shannon entropy.
    #[default]
    Softmax,
    /// `p ~ max((alpha-1) z - tau, 0)^(1/(alpha-1))`, `alpha >= 1`; `Omega = (sum p^alpha - 1) / (alpha (alpha-1))`.
    /// 1 is softmax, 2 is sparsemax. Beyond 2 weights are roots of small differences: on a GPU, which has these in f32, to about 0.002.
    Entmax(f32),
    /// `p ~ max(z - tau, 0)^(1/(gamma-1))`, `gamma > 1`; `Omega = |p|_gamma - 1`.
    Normmax(f32),
    /// `p = clip(z - tau, 0, 1)` with `sum p = k`: a blend of about `k` patterns; `Omega = (|p|^2 - k) / 2`. The
    /// weights sum to `k`.
    KSubsets(u32),
    /// Equal weights for the patterns with `1 + z > 0`: for the L2 similarity those within `sqrt(2/beta)`
    /// (Hoover et al., "Dense Associative Memory with Epanechnikov Energy", arXiv 2506.10801). All 0 where there are none.
    Epanechnikov,
}

impl Separation {
    /// By how much `beta` times the score of a pattern must exceed those of all others for it to get all the
    /// weight: exactly 1 where the margin is reached. Infinite for softmax, and for k-subsets of more than one pattern.
    ///
    /// ```
    /// use attractor::ops::Separation;
    /// assert_eq!(Separation::Entmax(1.5).margin(), 2.0);
    /// assert_eq!(Separation::Softmax.margin(), f32::INFINITY);
    /// ```
    pub fn margin(self) -> f32 {
        match self {
            Self::Softmax => f32::INFINITY,
            Self::KSubsets(k) if k > 1 => f32::INFINITY,
            Self::Entmax(alpha) => (alpha - 1.0).recip(),
            Self::Normmax(_) | Self::KSubsets(_) | Self::Epanechnikov => 1.0,
        }
    }

    /// Sum of the weights.
    pub fn total(self) -> f32 {
        if let Self::KSubsets(k) = self { k as f32 } else { 1.0 }
    }

    /// `Omega` of equal weights for `n` patterns.
    pub(crate) fn at_uniform(self, n: usize) -> f64 {
        let n = n as f64;
        match self {
            Self::Entmax(alpha) if alpha != 1.0 => {
                let alpha = f64::from(alpha);
                (n.powf(1.0 - alpha) - 1.0) / (alpha * (alpha - 1.0))
            }
            Self::Softmax | Self::Entmax(_) => -n.ln(),
            Self::Normmax(gamma) => n.powf(1.0 / f64::from(gamma) - 1.0) - 1.0,
            Self::KSubsets(k) => 0.5 * f64::from(k) * (f64::from(k) / n - 1.0),
            Self::Epanechnikov => 0.0,
        }
    }

    /// Refuses parameters outside their range, for rows of `n` scores.
    pub(crate) fn check(self, n: usize) -> Result<()> {
        match self {
            Self::Entmax(alpha) if !(alpha >= 1.0 && alpha.is_finite()) => {
                Err(Error::parameter("alpha of entmax", alpha, "1 (softmax) or a larger, finite number"))
            }
            Self::Normmax(gamma) if !(gamma > 1.0 && gamma.is_finite()) => {
                Err(Error::parameter("gamma of normmax", gamma, "a finite number above 1"))
            }
            Self::KSubsets(k) if k == 0 || k as usize > n => {
                Err(Error::parameter("k of ksubsets", k, format!("1 to the {n} eligible patterns")))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Separation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Softmax => f.write_str("softmax"),
            Self::Entmax(2.0) => f.write_str("sparsemax"),
            Self::Entmax(alpha) => write!(f, "entmax:{alpha}"),
            Self::Normmax(gamma) => write!(f, "normmax:{gamma}"),
            Self::KSubsets(k) => write!(f, "ksubsets:{k}"),
            Self::Epanechnikov => f.write_str("epanechnikov"),
        }
    }
}

impl FromStr for Separation {
    type Err = Error;

    /// `softmax`, `entmax:ALPHA` (1.5 without), `sparsemax`, `normmax:GAMMA` (2), `ksubsets:K` (2) or `epanechnikov`.
    fn from_str(s: &str) -> Result<Self> {
        let (name, parameter) = s.split_once(':').map_or((s, None), |(n, p)| (n, Some(p)));
        let number = |otherwise: f32| match parameter {
            None => Ok(otherwise),
            Some(text) => text
                .parse::<f32>()
                .map_err(|_| Error::parameter("parameter of the separation", text, "a number")),
        };
        let kind = match (name, parameter) {
            ("softmax", None) => Self::Softmax,
            ("sparsemax", None) => Self::Entmax(2.0),
            ("epanechnikov", None) => Self::Epanechnikov,
            ("entmax", _) => Self::Entmax(number(1.5)?),
            ("normmax", _) => Self::Normmax(number(2.0)?),
            ("ksubsets", _) => match number(2.0)? {
                k if k >= 1.0 && k.fract() == 0.0 && k < 1e9 => Self::KSubsets(k as u32),
                k => return Err(Error::parameter("k of ksubsets", k, "a whole number from 1 on")),
            },
            _ => {
                let want = "softmax, entmax:ALPHA, sparsemax, normmax:GAMMA, ksubsets:K or epanechnikov";
                return Err(Error::parameter("separation", s, want));
            }
        };
        kind.check(usize::MAX)?;
        Ok(kind)
    }
}
