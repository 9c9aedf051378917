//! `x W^T + b`.

use crate::{
    Device, Result, Tensor,
    ops::{Binary, Layout, binary, matmul},
};

/// A linear map of the last axis.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    /// `[out, in]`.
    weight: Tensor,
    /// `[out]`.
    bias: Option<Tensor>,
}

impl Linear {
    /// The map of weights `[out, in]`, row after row, and a bias `[out]`.
    pub(super) fn new(device: &Device, weight: &[f32], inputs: usize, bias: Option<&[f32]>) -> Result<Self> {
        let vector = |values: &[f32]| Tensor::from_flat(device, values, &[values.len()]);
        Ok(Self {
            weight: Tensor::from_flat(device, weight, &[weight.len() / inputs.max(1), inputs])?,
            bias: bias.map(vector).transpose()?,
        })
    }

    /// The map that puts `columns` values at the place of block `block` of `blocks`, zeros elsewhere.
    pub(super) fn placing(device: &Device, columns: usize, block: usize, blocks: usize) -> Result<Self> {
        let mut weight = vec![0.0; blocks * columns * columns];
        for i in 0..columns {
            weight[(block * columns + i) * columns + i] = 1.0;
        }
        Self::new(device, &weight, columns, None)
    }

    /// `[..., out]` to `[..., in]`, through the transposed map and without the bias.
    pub(super) fn back(&self, x: &Tensor) -> Result<Tensor> {
        with_rows_of(x, &matmul(x, &self.weight, Layout::NN)?)
    }

    /// `[..., in]` to `[..., out]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mapped = with_rows_of(x, &matmul(x, &self.weight, Layout::NT)?)?;
        match &self.bias {
            None => Ok(mapped),
            Some(bias) => binary(Binary::Add, &mapped, bias),
        }
    }
}

/// A matrix `[rows, columns]` in the shape of `x`, but with its own columns.
fn with_rows_of(x: &Tensor, mapped: &Tensor) -> Result<Tensor> {
    let mut shape = x.shape().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = mapped.shape()[1];
    }
    mapped.with_shape(&shape)
}
