//! Lagrangians of layers of neurons.

use super::check_beta;
use crate::{Error, Result};

/// A convex function `L` of a layer's state; its gradient `g = dL/dx` is the layer's activation.
#[derive(Clone, Debug, PartialEq)]
pub enum Lagrangian {
    /// `L = 1/2 sum x^2`, `g = x`.
    Identity,
    /// `L = sum max(x, 0)^n / n`, `g = max(x, 0)^(n-1)`: rectified polynomials; 2 is the rectified linear unit.
    Repu {
        /// `n`, at least 2.
        power: u32,
    },
    /// `L = sum e^(beta x) / beta`, `g = e^(beta x)`.
    Exp {
        /// Inverse temperature.
        beta: f32,
    },
    /// `L = sum e^(beta max(x, 0)) / beta - max(x, 0)`, `g = e^(beta max(x, 0)) - 1`.
    RectifiedExp {
        /// Inverse temperature.
        beta: f32,
    },
    /// `L = sum log cosh(beta x) / beta`, `g = tanh(beta x)`.
    Tanh {
        /// Inverse temperature.
        beta: f32,
    },
    /// `L = sum log(1 + e^(beta x)) / beta`, `g = 1 / (1 + e^(-beta x))`.
    Sigmoid {
        /// Inverse temperature.
        beta: f32,
    },
    /// `L = (1/beta) log sum e^(beta x)`, `g = softmax(beta x)`.
    Softmax {
        /// Inverse temperature.
        beta: f32,
    },
    /// `L = d gain s + shift.x` with `s = sqrt(mean((x - mean x)^2) + epsilon)`, `g = gain (x - mean x) / s + shift`.
    LayerNorm {
        /// One factor for all neurons, above 0: with one for each there would be no Lagrangian.
        gain: f32,
        /// One per neuron, or empty for none.
        shift: Vec<f32>,
        /// Keeps `s` above 0.
        epsilon: f32,
    },
    /// `L = gain s` with `s = sqrt(sum x^2 + epsilon)`, `g = gain x / s`.
    Spherical {
        /// Length of the activation, above 0.
        gain: f32,
        /// Keeps `s` above 0.
        epsilon: f32,
    },
    /// `L = log(1 + sum e^x)`, `g = e^x / (1 + sum e^x)`: a softmax that may answer "none".
    Ghostmax,
}

impl Lagrangian {
    /// The rectified linear unit, [`Lagrangian::Repu`] with power 2.
    pub const RELU: Self = Self::Repu { power: 2 };

    /// Refuses parameters outside of their range, for a layer of this many neurons.
    pub(crate) fn check(&self, neurons: usize) -> Result<()> {
        let positive = |name, value: f32| {
            if value > 0.0 && value.is_finite() {
                return Ok(());
            }
            Err(Error::parameter(name, value, "a positive, finite number"))
        };
        match self {
            Self::Identity | Self::Ghostmax => Ok(()),
            Self::Repu { power } if *power < 2 => {
                Err(Error::parameter("power of a layer", power, "at least 2"))
            }
            Self::Repu { .. } => Ok(()),
            Self::Exp { beta }
            | Self::RectifiedExp { beta }
            | Self::Tanh { beta }
            | Self::Sigmoid { beta }
            | Self::Softmax { beta } => check_beta(*beta),
            Self::LayerNorm { gain, shift, epsilon } => {
                if !shift.is_empty() && shift.len() != neurons {
                    return Err(Error::dimension("shifts of a layer (one per neuron)", shift.len(), neurons));
                }
                positive("gain", *gain).and_then(|()| positive("epsilon", *epsilon))
            }
            Self::Spherical { gain, epsilon } => {
                positive("gain", *gain).and_then(|()| positive("epsilon", *epsilon))
            }
        }
    }
}
