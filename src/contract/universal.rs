//! The universal memory.

use crate::{Error, Result};
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
    /// `-sum x_i log(x_i / xi_i)` of rows divided by their sums; see [`Divergence::Kl`](super::Divergence::Kl) for zeros. What the paper's
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
