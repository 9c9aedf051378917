//! Similarities and separations of single-shot recall: B. Millidge et al., "Universal Hopfield Networks", ICML 2022.

use super::{
    Axis, Divergence, Reduction, Similarity, Unary, argmax, divergence, power, reduce, similarity, softmax,
    unary,
};
use crate::{Error, Result, Tensor};
use std::{fmt, str::FromStr};

/// How a query `x` is compared with a pattern `xi` in a [`crate::memory::UniversalMemory`]; larger is more similar.
/// Distances enter with a minus, where the paper's code has `1/d`, which an exact match makes infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UniversalSimilarity {
    /// `x.xi`.
    Dot,
    /// `x.xi` of rows divided by their sums; no value below 0.
    NormalisedDot,
    /// `x.xi / (|x| |xi|)`.
    Cosine,
    /// `-|x - xi|^2`.
    L2,
    /// `-sum |x_i - xi_i|`.
    #[default]
    L1,
    /// `-sum x_i log(x_i / xi_i)` of rows divided by their sums; see [`Divergence::Kl`] for zeros. What the paper's
    /// code calls KL is [`UniversalSimilarity::ReverseKl`].
    Kl,
    /// `-sum xi_i log(xi_i / x_i)` of rows divided by their sums.
    ReverseKl,
    /// Minus the Jensen-Shannon divergence of rows divided by their sums.
    JensenShannon,
}

impl UniversalSimilarity {
    /// All of them, in the order of their names in help texts.
    pub const ALL: [Self; 8] = [
        Self::Dot,
        Self::NormalisedDot,
        Self::Cosine,
        Self::L2,
        Self::L1,
        Self::Kl,
        Self::ReverseKl,
        Self::JensenShannon,
    ];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dot => "dot",
            Self::NormalisedDot => "normalised-dot",
            Self::Cosine => "cosine",
            Self::L2 => "l2",
            Self::L1 => "l1",
            Self::Kl => "kl",
            Self::ReverseKl => "reverse-kl",
            Self::JensenShannon => "js",
        }
    }

    /// Whether it compares distributions: rows without values below 0, divided by their sums.
    pub fn of_distributions(self) -> bool {
        matches!(self, Self::NormalisedDot | Self::Kl | Self::ReverseKl | Self::JensenShannon)
    }
}

impl fmt::Display for UniversalSimilarity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for UniversalSimilarity {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let want = "one of dot, normalised-dot, cosine, l2, l1, kl, reverse-kl, js";
        Self::ALL.into_iter().find(|k| k.name() == s).ok_or_else(|| Error::parameter("similarity", s, want))
    }
}

/// How similarities become weights in a [`crate::memory::UniversalMemory`].
///
/// ```
/// use attractor::ops::UniversalSeparation;
/// let power: UniversalSeparation = "power10".parse()?;
/// assert_eq!(power, UniversalSeparation::Power(10));
/// assert_eq!(power.to_string(), "power10");
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UniversalSeparation {
    /// `s`.
    Identity,
    /// `sqrt s`; no similarity below 0.
    Sqrt,
    /// `log s`; only similarities above 0.
    Log,
    /// `s^n`, `n` at least 1. An even power of a negative similarity is positive: it favours what is far.
    Power(u32),
    /// `softmax(beta s)`.
    Softmax,
    /// 1 for the most similar pattern (the first of equal ones), 0 for all others.
    #[default]
    Max,
}

impl fmt::Display for UniversalSeparation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("identity"),
            Self::Sqrt => f.write_str("sqrt"),
            Self::Log => f.write_str("log"),
            Self::Power(n) => write!(f, "power{n}"),
            Self::Softmax => f.write_str("softmax"),
            Self::Max => f.write_str("max"),
        }
    }
}

impl FromStr for UniversalSeparation {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "identity" => Ok(Self::Identity),
            "sqrt" => Ok(Self::Sqrt),
            "log" => Ok(Self::Log),
            "softmax" => Ok(Self::Softmax),
            "max" => Ok(Self::Max),
            _ => {
                let power = s.strip_prefix("power").and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                let want = "one of identity, sqrt, log, powerN (as power2, power10), softmax, max";
                power.map(Self::Power).ok_or_else(|| Error::parameter("separation", s, want))
            }
        }
    }
}

/// Similarities `[b, n]` of queries `[b, d]` and patterns `[n, d]`. Similarities of distributions take the rows as they
/// are: not negative, with the sum 1.
///
/// # Errors
/// As [`similarity()`] and [`divergence()`].
///
/// ```
/// use attractor::{Device, Tensor, ops::{universal_similarity, UniversalSimilarity}};
/// let q = Tensor::new(&Device::cpu(), &[[0.0, 0.0]])?;
/// let x = Tensor::new(&Device::cpu(), &[[3.0, 4.0]])?;
/// assert_eq!(universal_similarity(&q, &x, UniversalSimilarity::L2)?.to_vec()?, [-25.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn universal_similarity(
    queries: &Tensor,
    patterns: &Tensor,
    kind: UniversalSimilarity,
) -> Result<Tensor> {
    let minus = |kind| unary(Unary::Neg, &divergence(queries, patterns, kind)?);
    match kind {
        UniversalSimilarity::Dot | UniversalSimilarity::NormalisedDot => {
            similarity(queries, patterns, Similarity::Dot)
        }
        UniversalSimilarity::Cosine => similarity(queries, patterns, Similarity::Cosine),
        UniversalSimilarity::L2 => unary(Unary::Scale(2.0), &similarity(queries, patterns, Similarity::L2)?),
        UniversalSimilarity::L1 => similarity(queries, patterns, Similarity::L1),
        UniversalSimilarity::Kl => minus(Divergence::Kl),
        UniversalSimilarity::ReverseKl => minus(Divergence::ReverseKl),
        UniversalSimilarity::JensenShannon => minus(Divergence::JensenShannon),
    }
}

/// Weights `[b, n]` of similarities `[b, n]`; `beta` counts for [`UniversalSeparation::Softmax`] only.
///
/// # Errors
/// [`Error::InvalidParameter`] for a similarity below 0 under a square root, at or below 0 under a logarithm, or so
/// large that its power leaves f32, each with its row; [`Error::NonFinite`] naming the row of a NaN under these; for a `beta` out of range, and where there are no columns.
///
/// ```
/// use attractor::{Device, Tensor, ops::{universal_weights, UniversalSeparation}};
/// let s = Tensor::new(&Device::cpu(), &[[4.0, 9.0, 1.0]])?;
/// assert_eq!(universal_weights(&s, UniversalSeparation::Sqrt, 1.0)?.to_vec()?, [2.0, 3.0, 1.0]);
/// assert_eq!(universal_weights(&s, UniversalSeparation::Max, 1.0)?.to_vec()?, [0.0, 1.0, 0.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn universal_weights(scores: &Tensor, separation: UniversalSeparation, beta: f32) -> Result<Tensor> {
    separate_rows(scores, separation, beta, 0)
}

/// The same for rows of which the first has the number `first` in errors.
pub(crate) fn separate_rows(
    scores: &Tensor,
    separation: UniversalSeparation,
    beta: f32,
    first: usize,
) -> Result<Tensor> {
    /// Weights beyond could make sums that leave f32.
    const LARGEST: f32 = 1e30;
    let (rows, columns) = scores.matrix_shape();
    if columns == 0 {
        return Err(Error::parameter("columns of the separation", 0, "at least 1"));
    }
    let outside = |of_rows: &Tensor, wrong: &dyn Fn(f32) -> bool, want: &str| -> Result<()> {
        let extremes = of_rows.to_vec()?;
        if let Some(row) = extremes.iter().position(|s| s.is_nan()) {
            let (what, row) = ("similarities".into(), first + row);
            return Err(Error::NonFinite { what, row, column: 0, value: f32::NAN });
        }
        match extremes.iter().position(|s| wrong(*s)) {
            None => Ok(()),
            Some(row) => {
                let value = format!("{} (query {})", extremes[row], first + row);
                Err(Error::parameter("similarity", value, format!("{want} for the separation {separation}")))
            }
        }
    };
    let smallest = || reduce(scores, Reduction::Min, Axis::Columns);
    match separation {
        UniversalSeparation::Identity => Ok(scores.clone()),
        UniversalSeparation::Sqrt => {
            outside(&smallest()?, &|s| s < 0.0, "at least 0")?;
            unary(Unary::Sqrt, scores)
        }
        UniversalSeparation::Log => {
            outside(&smallest()?, &|s| s <= 0.0, "above 0")?;
            unary(Unary::Log, scores)
        }
        UniversalSeparation::Power(n) => {
            let largest = reduce(&unary(Unary::Abs, scores)?, Reduction::Max, Axis::Columns)?;
            let limit = LARGEST.powf((n.max(1) as f32).recip());
            outside(
                &largest,
                &|s| s > limit,
                &format!("at most {limit:.3e} in magnitude, so that weights fit f32,"),
            )?;
            power(scores, n)
        }
        UniversalSeparation::Softmax => softmax(scores, beta),
        UniversalSeparation::Max => {
            let mut weights = vec![0.0; rows * columns];
            for (row, best) in argmax(scores)?.into_iter().enumerate() {
                weights[row * columns + best as usize] = 1.0;
            }
            Tensor::from_flat(&scores.device(), &weights, scores.shape())
        }
    }
}
