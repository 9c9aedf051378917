//! Weights of layers.

use super::{Scratch, accepted, legible, within};
use attractor::{
    Device,
    layers::{
        EnergyTransformer, EnergyTransformerOptions, Hopfield, HopfieldLayer, HopfieldOptions,
        HopfieldPooling, Weights,
    },
};

/// A name of one letter and its place in a tree, values as f32, each copied once.
const PER_BYTE: usize = 96;
const FIXED: usize = 1 << 18;
/// A layer of these columns makes matrices of its own size whatever the file says.
pub(crate) const COLUMNS: usize = 4;

pub(super) fn weights(bytes: &[u8], scratch: &Scratch) {
    let limit = PER_BYTE * bytes.len() + FIXED;
    let path = scratch.file("read.safetensors", bytes);
    let Some(weights) = accepted(within(limit, || Weights::open(&path)), &path) else { return };
    assert!(weights.names().is_sorted());
    let cpu = Device::cpu();
    let loads = |what: &dyn Fn(&Weights) -> attractor::Result<()>, weights: &Weights| {
        if let Err(error) = within(limit, || what(weights)) {
            legible(&error);
        }
    };
    let heads =
        HopfieldOptions { num_heads: 2, concat_bias_pattern: true, ..HopfieldOptions::pytorch(COLUMNS) };
    for options in [HopfieldOptions::pytorch(COLUMNS), heads, HopfieldOptions::default()] {
        loads(&|weights| Hopfield::load(&cpu, &options, weights).map(drop), &weights);
        loads(&|weights| HopfieldLayer::load(&cpu, &options, weights).map(drop), &weights);
        loads(&|weights| HopfieldPooling::load(&cpu, &options, weights).map(drop), &weights);
    }
    let options = EnergyTransformerOptions::default();
    loads(&|weights| EnergyTransformer::load(&cpu, options.clone(), weights).map(drop), &weights);
    loads(
        &|weights| EnergyTransformer::load(&cpu, options.clone(), &weights.under("block.")).map(drop),
        &weights,
    );
}
