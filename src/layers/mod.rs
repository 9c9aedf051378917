//! Layers for neural networks, forward only: memories as a trained network has them within.
//!
//! [`Hopfield`], [`HopfieldPooling`] and [`HopfieldLayer`] are those of Ramsauer et al. 2021 ("Hopfield
//! Networks is All You Need") and take the weights of their `PyTorch` counterparts (package `hflayers`) from a
//! `.safetensors` file, under the names of its `state_dict`. [`EnergyTransformer`] is the block of Hoover
//! et al. 2023. Layers are written in operations of [`crate::ops`]: none knows on which device it runs.

mod energy_transformer;
mod hopfield;
mod linear;
mod norm;
mod weights;

pub use energy_transformer::{Descent, EnergyTransformer, EnergyTransformerOptions};
pub use hopfield::{Hopfield, HopfieldInput, HopfieldLayer, HopfieldOptions, HopfieldPooling};
pub use norm::NormOptions;
pub use weights::Weights;
