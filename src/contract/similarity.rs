//! Similarities of queries and patterns.

use crate::{Error, Result};
use std::{fmt, str::FromStr};

/// How a query `x` is compared with a pattern `xi`; larger is more similar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Similarity {
    /// Half the negative squared Euclidean distance, `-1/2 |x - xi|^2`. Right for patterns of any
    /// length; where all patterns have one length it gives the same weights as [`Similarity::Dot`].
    #[default]
    L2,
    /// Inner product `x . xi` (attention). With patterns of unequal length it favours the long ones.
    Dot,
    /// `x . xi / (|x| |xi|)`; 0 where one of them is all zeros.
    Cosine,
    /// Negative city-block distance `-sum_i |x_i - xi_i|`.
    L1,
}

impl Similarity {
    /// All of them, in the order of their names in the command line's help.
    pub const ALL: [Self; 4] = [Self::L2, Self::Dot, Self::Cosine, Self::L1];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::Dot => "dot",
            Self::Cosine => "cosine",
            Self::L1 => "l1",
        }
    }

    /// Whether it stays the same where both of its vectors move by the same: distances do, products and angles do not.
    pub fn is_translation_invariant(self) -> bool {
        matches!(self, Self::L2 | Self::L1)
    }
}

impl fmt::Display for Similarity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Similarity {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|k| k.name() == s)
            .ok_or_else(|| Error::parameter("similarity", s, "one of l2, dot, cosine, l1"))
    }
}

/// What a pattern adds to its inner product (or L1 distance) with a query: the score is
/// `(product * scale + bias) * query scale + query bias`. Same layout as in the shaders.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Term {
    pub(crate) scale: f32,
    /// At or below half of [`MASKED`] it hides the pattern, if the scale is 0: a long pattern has a low bias too.
    pub(crate) bias: f32,
}

/// Stands for minus infinity: finite, since shader compilers may assume that infinities never occur,
/// and far below the score of any eligible pattern.
pub(crate) const MASKED: f32 = -1e30;

impl Term {
    /// The term of a pattern of this squared length.
    pub(crate) fn new(similarity: Similarity, squared: f32) -> Self {
        match similarity {
            Similarity::Dot => Self { scale: 1.0, bias: 0.0 },
            Similarity::L2 => Self { scale: 1.0, bias: -0.5 * squared },
            Similarity::L1 => Self { scale: -1.0, bias: 0.0 },
            Similarity::Cosine => {
                // Below the normal numbers a length is 0; beyond the finite ones there is no knowing.
                let scale = match squared {
                    s if s < f32::MIN_POSITIVE => 0.0,
                    s if s < f32::INFINITY => s.sqrt().recip(),
                    _ => f32::NAN,
                };
                Self { scale, bias: 0.0 }
            }
        }
    }

    /// Of a pattern whose product is the score already.
    pub(crate) const PLAIN: Self = Self { scale: 1.0, bias: 0.0 };

    /// The term of a pattern that may not answer.
    pub(crate) const HIDDEN: Self = Self { scale: 0.0, bias: MASKED };

    /// Whether the pattern may answer.
    pub(crate) fn eligible(self) -> bool {
        self.scale != 0.0 || self.bias > 0.5 * MASKED
    }

    /// Length of the pattern, where its scale is the inverse of that (cosine).
    pub(crate) fn length(self) -> f32 {
        if self.scale > 0.0 { self.scale.recip() } else { 0.0 }
    }

    /// Factor and bias that a query of this squared length puts on all its scores.
    pub(crate) fn of_query(similarity: Similarity, squared: f32) -> (f32, f32) {
        match similarity {
            Similarity::Cosine => (Self::new(similarity, squared).scale, 0.0),
            Similarity::L2 => (1.0, -0.5 * squared),
            Similarity::Dot | Similarity::L1 => (1.0, 0.0),
        }
    }
}
