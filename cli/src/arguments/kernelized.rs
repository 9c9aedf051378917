//! Arguments of `attractor separate`, and of recalls through a matrix.

use super::Common;
use attractor::{
    ops::{Separation, SeparationLoss},
    optimize::Optimizer,
};
use clap::Args;
use std::path::PathBuf;

/// The matrix that patterns are compared through.
#[derive(Args)]
pub(crate) struct Kernel {
    /// Any matrix W, [D, d]: patterns and states are compared by the products of their W x. --beta multiplies these
    #[arg(long, value_name = "W")]
    pub(crate) weights: Option<PathBuf>,
    /// What is added to W x, [D] [default: the array `bias` beside the weights, where there is one]
    #[arg(long, requires = "weights", value_name = "B")]
    pub(crate) bias: Option<PathBuf>,
    /// How scores become weights: softmax, entmax15 or sparsemax [default: softmax]
    #[arg(long, requires = "weights", value_parser = separation, value_name = "S")]
    pub(crate) separation: Option<Separation>,
    /// Let each pattern and query count as if its W x had length 1, or not (--unit=false) [default: as the array `unit` beside the weights says,
    /// which `separate` writes to .npz and .safetensors; without one no, and refused where patterns would then lose to others]
    #[arg(long, requires = "weights", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) unit: Option<bool>,
}

fn separation(text: &str) -> Result<Separation, String> {
    match text {
        "softmax" => Ok(Separation::Softmax),
        "entmax15" => Ok(Separation::Entmax(1.5)),
        "sparsemax" => Ok(Separation::Entmax(2.0)),
        _ => Err("want softmax, entmax15 or sparsemax".to_owned()),
    }
}

#[derive(Args)]
pub(crate) struct Separate {
    /// Patterns to move apart, [n, d]
    #[arg(long, value_name = "P")]
    pub(crate) patterns: PathBuf,
    /// The matrix, [D, d], scaled so that the mean squared length of W x over the patterns is 1. A .npz or .safetensors also says that it
    /// was trained for features of length 1, and recall follows; a .npy is recalled with --unit. With --bias a .npz or .safetensors
    #[arg(long, value_name = "W")]
    pub(crate) out: PathBuf,
    /// Rows of the matrix, D [default: as many as patterns have columns]
    #[arg(long, value_name = "D")]
    pub(crate) dim: Option<usize>,
    /// Also learn a vector that is added
    #[arg(long)]
    pub(crate) bias: bool,
    /// What is minimised: average or max (U-Hop), pair or cross-entropy (U-Hop+), or self-free
    #[arg(long, default_value_t = SeparationLoss::Pair, value_name = "L")]
    pub(crate) loss: SeparationLoss,
    /// Temperatures, one after another [default: 0.1 for adam; 0.3,0.1,0.03,0.01,3e-3,1e-3,3e-4,1e-4 for lbfgs]
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true, value_name = "T")]
    pub(crate) tau: Vec<f64>,
    /// adam, which is good enough soon, or lbfgs, which gets to the best [default: lbfgs; adam for the loss max, which has no smooth gradient]
    #[arg(long, value_name = "O")]
    pub(crate) optimizer: Option<Optimizer>,
    /// Step size of adam [default: 0.02]
    #[arg(long, allow_negative_numbers = true, value_name = "F")]
    pub(crate) rate: Option<f64>,
    /// How many random matrices are trained; the best is kept [default: 1 for adam, 8 for lbfgs]
    #[arg(long, value_name = "N")]
    pub(crate) starts: Option<usize>,
    /// Most iterations at each temperature [default: 400 for adam, 500 for lbfgs]
    #[arg(long, value_name = "N")]
    pub(crate) iterations: Option<usize>,
    /// Patterns that a step sees [default: all of up to 20,000, else 2048, which is for adam]
    #[arg(long, value_name = "N")]
    pub(crate) batch: Option<usize>,
    /// Keep the largest singular value of the matrix within this factor of the smallest: noise is amplified by that ratio at most
    #[arg(long, allow_negative_numbers = true, value_name = "F")]
    pub(crate) cap_condition: Option<f64>,
    /// Train with noisy queries of this standard deviation as well
    #[arg(long, allow_negative_numbers = true, value_name = "F")]
    pub(crate) noise: Option<f64>,
    #[command(flatten)]
    pub(crate) common: Common,
}
