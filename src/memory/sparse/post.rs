//! What happens to a read-out before it is the next state.

use crate::{Error, Result};
use std::{fmt, str::FromStr};

/// A transform of the read-out (Santos et al., arXiv 2411.08590, section 4): each is the gradient of a convex function
/// `Psi*`, and the energy has `Psi(x)` in place of `|x|^2 / 2`. Patterns and queries pass through it once as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Post {
    /// The read-out as it is.
    #[default]
    None,
    /// `y / |y|`: states on the unit sphere, scores are cosines.
    Normalize,
    /// `(y - mean) / sqrt(variance)`.
    LayerNorm,
    /// Coordinates to `tanh(y)`. Patterns and queries are taken as they are, in [-1, 1].
    Tanh,
    /// Coordinates to -1 or 1; 0 goes to 1. Patterns and queries are taken as they are.
    Sign,
}

impl Post {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::None, Self::Normalize, Self::LayerNorm, Self::Tanh, Self::Sign];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Normalize => "normalize",
            Self::LayerNorm => "layer-norm",
            Self::Tanh => "tanh",
            Self::Sign => "sign",
        }
    }

    /// Transforms a read-out.
    pub(super) fn apply(self, y: &mut [f32]) {
        let of = |f: &dyn Fn(f64) -> f64| y.iter().map(|v| f(f64::from(*v))).sum::<f64>();
        match self {
            Self::None => {}
            Self::Normalize => {
                let length = of(&|v| v * v).sqrt();
                if length > 0.0 {
                    y.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
                }
            }
            Self::LayerNorm => {
                let mean = of(&|v| v) / y.len() as f64;
                let deviation = (of(&|v| (v - mean).powi(2)) / y.len() as f64).sqrt();
                if deviation > 0.0 {
                    y.iter_mut().for_each(|v| *v = ((f64::from(*v) - mean) / deviation) as f32);
                }
            }
            Self::Tanh => y.iter_mut().for_each(|v| *v = v.tanh()),
            Self::Sign => y.iter_mut().for_each(|v| *v = if *v < 0.0 { -1.0 } else { 1.0 }),
        }
    }

    /// Whether the transform of a row is defined: it has a length, or is not constant.
    pub(super) fn has_direction(self, row: &[f32]) -> bool {
        match self {
            Self::Normalize => row.iter().any(|v| *v != 0.0),
            Self::LayerNorm => row.iter().any(|v| *v != row[0]),
            Self::None | Self::Tanh | Self::Sign => true,
        }
    }

    /// Whether patterns and queries pass through it first; else they must be what it gives.
    pub(super) fn prepares(self) -> bool {
        matches!(self, Self::Normalize | Self::LayerNorm)
    }

    /// What stands for `|x|^2 / 2` in the energy of a state: `Psi(x)`, 0 where it says only where states can be.
    pub(super) fn own(self, x: &[f32]) -> f64 {
        match self {
            Self::None => x.iter().map(|v| 0.5 * f64::from(*v).powi(2)).sum(),
            Self::Normalize | Self::LayerNorm | Self::Sign => 0.0,
            Self::Tanh => {
                let half = |v: f64| if v > 0.0 { 0.5 * v * v.ln() } else { 0.0 };
                let of = |v: f32| half(1.0 + f64::from(v)) + half(1.0 - f64::from(v));
                x.iter().map(|v| of(*v)).sum()
            }
        }
    }
}

impl fmt::Display for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Post {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|p| p.name() == s);
        found
            .ok_or_else(|| Error::parameter("post-transform", s, "none, normalize, layer-norm, tanh or sign"))
    }
}
