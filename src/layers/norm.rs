//! Layer normalisation with weights.

use super::weights::Reader;
use crate::{
    Result, Tensor,
    ops::{Binary, Normalization, binary, normalize},
};

/// A layer norm, as `PyTorch`'s `LayerNorm` has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormOptions {
    /// Whether it has weights: a gain and a bias per column.
    pub affine: bool,
    /// Added to the variance.
    pub eps: f32,
}

impl Default for NormOptions {
    /// With weights, and 1e-5.
    fn default() -> Self {
        Self { affine: true, eps: 1e-5 }
    }
}

/// `gain (x - mean) / sqrt(variance + eps) + bias` along the last axis.
#[derive(Clone, Debug)]
pub(super) struct Norm {
    eps: f32,
    /// Gain and bias, `[columns]` each.
    affine: Option<(Tensor, Tensor)>,
}

impl Norm {
    /// Without weights where `affine` is `None`.
    pub(super) fn new(eps: f32, affine: Option<(Tensor, Tensor)>) -> Self {
        Self { eps, affine }
    }

    /// With the weights of these names, where it has such.
    pub(super) fn load(
        options: NormOptions,
        columns: usize,
        (gain, bias): (&str, &str),
        reader: &mut Reader<'_>,
    ) -> Result<Self> {
        let affine = if options.affine {
            Some((reader.tensor(gain, &[columns])?, reader.tensor(bias, &[columns])?))
        } else {
            None
        };
        Ok(Self::new(options.eps, affine))
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = normalize(x, Normalization::Layer { eps: self.eps })?;
        match &self.affine {
            None => Ok(x),
            Some((gain, bias)) => binary(Binary::Add, &binary(Binary::Mul, &x, gain)?, bias),
        }
    }
}
