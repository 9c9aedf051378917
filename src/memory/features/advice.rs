//! How many features a memory needs, and which `beta`. Laws of the noise: derived from the variances of the feature maps, and
//! checked by experiment (`tests/suite/features.rs`).

use super::{FeatureMemory, Memory};
use crate::{Error, Result, Rows, ToRows, ops::FeatureMap};
use rayon::prelude::*;
use std::fmt;

/// Something about a memory of features that will disappoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FeatureWarning {
    /// Fewer frequencies than the patterns need to stay minima and the queries to reach them.
    UnderProvisioned {
        /// How many are needed.
        needed: usize,
    },
    /// `T` has more numbers than the patterns themselves.
    LargerThanPatterns {
        /// Numbers of `T`.
        numbers: usize,
        /// Numbers of the patterns.
        patterns: usize,
    },
    /// All patterns are so far from each other that their kernels underflow: `beta` is needlessly large.
    Isolated,
    /// Exponential features of patterns this far from the origin vary by a factor of `exp(exponent)`: fewer waves would do.
    Wild {
        /// The largest `4 beta |xi|^2`.
        exponent: f64,
        /// Frequencies that [`crate::ops::FeatureMap::SinCos`] needs.
        waves: usize,
    },
    /// How far from the origin the patterns lie is not in the file, which an earlier version wrote: how many exponential features they need
    /// cannot be told.
    LengthsUnknown,
    /// Exponential features this far from the origin are noise: shift the data by its mean, or scale it down.
    Overflow {
        /// The largest `beta |x + y|^2`; up to 30 is of use.
        exponent: f64,
    },
}

impl fmt::Display for FeatureWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnderProvisioned { needed } => {
                write!(f, "too few features: {needed} are needed for these patterns and queries")
            }
            Self::Wild { exponent, waves } => write!(
                f,
                "exponential features vary by a factor of exp({exponent:.1}) this far from the origin; the map sincos needs {waves} frequencies"
            ),
            Self::LengthsUnknown => f.write_str(
                "the file does not say how far from the origin its patterns lie, and so how many exponential features they need: encode them anew",
            ),
            Self::LargerThanPatterns { numbers, patterns } => {
                write!(f, "the memory has {numbers} numbers, its patterns {patterns}")
            }
            Self::Isolated => {
                f.write_str("all patterns are so far apart that their kernels underflow: beta is too large")
            }
            Self::Overflow { exponent } => write!(
                f,
                "beta |x + y|^2 is up to {exponent:.1}, beyond 30 exponential features are noise: centre the data or scale it down"
            ),
        }
    }
}

/// What [`FeatureMemory::advise`] says.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// Frequencies from which isolated patterns stay minima, with a margin: `4 S (D + v)` with `D` coordinates that are free (the limit
    /// is at about two thirds of that). `S` is the variance of the sum of kernels at a pattern, times the number of frequencies: `K / 2` and
    /// `v = 0` for [`crate::ops::FeatureMap::SinCos`], `K` and 0 for `Cos`; `exp(v) + K` with the largest `v = 4 beta |xi|^2` for `Exp` and
    /// `DotExp`, half of that for `ExpExp`. [`usize::MAX`] where that is not known.
    pub stable: usize,
    /// Frequencies from which queries at the given distance see their pattern: `9 S exp(beta distance^2)`.
    pub reach: usize,
    /// The larger of these.
    pub needed: usize,
    /// What to think about.
    pub warnings: Vec<FeatureWarning>,
}

impl FeatureMemory {
    /// How many frequencies this memory should have for what it holds, where queries have `free` coordinates that are not
    /// known, and lie at a squared distance of `squared_distance` from their pattern (in the coordinates that the memory
    /// works in). For isolated patterns; correlated ones need fewer.
    ///
    /// ```
    /// use attractor::{memory::{FeatureMemory, FeatureWarning}, ops::{FeatureMap, FeatureSpec}};
    /// let mut memory = FeatureMemory::new(FeatureSpec::new(FeatureMap::SinCos, 10, 2, 30.0, 42))?;
    /// memory.absorb(&[[0.6, 0.2], [0.1, 0.1]])?;
    /// let advice = memory.advise(2, 0.1);
    /// assert_eq!((advice.stable, advice.reach), (8, 181));
    /// assert!(advice.warnings.contains(&FeatureWarning::UnderProvisioned { needed: 181 }));
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn advise(&self, free: usize, squared_distance: f64) -> Advice {
        let (spec, k) = (self.spec(), self.weight());
        let beta = f64::from(spec.beta);
        let wild = spec.map.is_positive();
        // What is not known is taken to be beyond all numbers.
        let v = if wild { self.largest.map_or(f64::INFINITY, |largest| 4.0 * beta * largest) } else { 0.0 };
        let spread = match spec.map {
            FeatureMap::SinCos => 0.5 * k,
            FeatureMap::Cos => k,
            FeatureMap::Exp | FeatureMap::DotExp => v.exp() + k,
            FeatureMap::ExpExp => 0.5 * (v.exp() + k),
        };
        let both = |spread: f64, v: f64| {
            let stable = (4.0 * spread * (free as f64 + v)).ceil() as usize;
            (stable, (9.0 * spread * (beta * squared_distance).exp()).ceil() as usize)
        };
        let (stable, reach) = both(spread, v);
        let needed = stable.max(reach);
        let (numbers, patterns) = (spec.length(), self.len() * spec.dim);
        let mut warnings = Vec::new();
        if wild {
            let (stable, reach) = both(0.5 * k, 0.0);
            let waves = stable.max(reach);
            match self.largest {
                None => warnings.push(FeatureWarning::LengthsUnknown),
                Some(_) if waves < needed => warnings.push(FeatureWarning::Wild { exponent: v, waves }),
                Some(_) => {}
            }
        }
        if spec.count < needed {
            warnings.push(FeatureWarning::UnderProvisioned { needed });
        }
        if numbers > patterns {
            warnings.push(FeatureWarning::LargerThanPatterns { numbers, patterns });
        }
        Advice { stable, reach, needed, warnings }
    }

    /// What is wrong with patterns `[k, d]` for this memory, where they are stored or not. Cost: `k^2 d / 2`.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`], [`Error::NonFinite`].
    pub fn inspect<P: ToRows + ?Sized>(&self, patterns: &P) -> Result<Vec<FeatureWarning>> {
        let rows = patterns.to_rows()?;
        if rows.rows() > 0 && rows.columns() != self.dim() {
            let what = "columns of patterns (as the memory has)";
            return Err(Error::dimension(what, rows.columns(), self.dim()));
        }
        rows.check_finite("patterns")?;
        let (rows, beta) = (self.inward(&rows), f64::from(self.spec().beta));
        let mut warnings = Vec::new();
        let apart = |i: usize| {
            let near = |j: usize| beta * squared(rows.row(i), rows.row(j)) <= 80.0;
            !(0..i).any(near)
        };
        if rows.rows() > 1 && (0..rows.rows()).into_par_iter().all(apart) {
            warnings.push(FeatureWarning::Isolated);
        }
        // |x + y| is largest for y = x.
        let origin = vec![0.0; self.dim()];
        let exponent = rows.iter().map(|x| 4.0 * beta * squared(x, &origin)).fold(0.0, f64::max);
        if self.spec().map.is_positive() && exponent > 30.0 {
            warnings.push(FeatureWarning::Overflow { exponent });
        }
        Ok(warnings)
    }
}

fn squared(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
}

/// The smallest `beta` from 0.0001 to 600, to within 0.001, at which every pattern `[n, d]` is a fixed point of the exact energy: no
/// component of the gradient is larger than `tolerance` (published experiments: 0.000001). By bisection; needs the patterns.
/// Cost: `2 n^2 d` operations for each of about 20 values.
///
/// # Errors
/// [`Error::EmptyMemory`], [`Error::NonFinite`]; [`Error::InvalidParameter`] for a tolerance that is not positive, and where even
/// the largest `beta` does not isolate all patterns.
///
/// ```
/// use attractor::memory::beta_for_isolation;
/// let beta = beta_for_isolation(&[[0.0, 0.0], [1.0, 0.0]], 1e-6)?;
/// // The gradient at a pattern is 1 / (1 + exp(beta / 2)).
/// assert!((beta - 2.0 * 1e6_f32.ln()).abs() < 0.01);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn beta_for_isolation<P: ToRows + ?Sized>(patterns: &P, tolerance: f32) -> Result<f32> {
    const RANGE: (f64, f64) = (1e-4, 600.0);
    let rows = patterns.to_rows()?;
    if rows.rows() == 0 || rows.columns() == 0 {
        return Err(Error::EmptyMemory);
    }
    rows.check_finite("patterns")?;
    if !(tolerance > 0.0 && tolerance.is_finite()) {
        return Err(Error::parameter("tolerance", tolerance, "a positive, finite number"));
    }
    let tolerance = f64::from(tolerance);
    let isolated = |beta: f64| (0..rows.rows()).into_par_iter().all(|i| slope(&rows, i, beta) <= tolerance);
    let (mut low, mut high) = RANGE;
    if !isolated(high) {
        let want = "patterns farther apart, or a larger tolerance: even beta 600 does not isolate them";
        return Err(Error::parameter("tolerance", tolerance, want));
    }
    for _ in 0..40 {
        if high - low <= 1e-3 {
            break;
        }
        let middle = 0.5 * (low + high);
        if isolated(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high as f32)
}

/// The largest component of the gradient of the exact energy at pattern `i`: `sum_k p_k (xi_i - xi_k)`.
fn slope(rows: &Rows<'_>, i: usize, beta: f64) -> f64 {
    let x = rows.row(i);
    let mut gradient = vec![0.0; x.len()];
    let mut total = 0.0;
    for xi in rows.iter() {
        let weight = (-0.5 * beta * squared(x, xi)).exp();
        total += weight;
        gradient.iter_mut().zip(x.iter().zip(xi)).for_each(|(g, (x, xi))| {
            *g += weight * (f64::from(*x) - f64::from(*xi));
        });
    }
    gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs())) / total
}
