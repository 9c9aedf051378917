//! Dense memory through random features (Hoover et al., `NeurIPS` 2024), with the rows that make the method look bad.

mod errors;
mod inpainting;
mod maps;
mod plots;
mod retrieval;
mod theory;

pub(crate) use errors::{errors, populations};
pub(crate) use inpainting::{inpainting, remedies};
pub(crate) use maps::maps;
pub(crate) use retrieval::retrieval;

use super::{Bench, Figure};
use attractor::{
    Rows,
    memory::{DenseMemory, FeatureMemory, FeatureSettings},
    ops::{FeatureSpec, Similarity},
};
use rand::{RngExt, rngs::StdRng};

/// Bytes of frequencies that are kept rather than made anew.
const BUDGET: u64 = 512 << 20;
/// Patterns, and queries of each kind.
const PATTERNS: usize = 500;
const QUERIES: usize = 200;
/// Where queries lie.
const PLACES: [&str; 3] = ["at patterns", "10 % flipped", "random"];

/// Random patterns of 0 and 1 over the root of `d`: distances of about the root of a half.
fn binary(random: &mut StdRng, n: usize, d: usize) -> Vec<f32> {
    let one = 1.0 / (d as f32).sqrt();
    (0..n * d).map(|_| if random.random_bool(0.5) { one } else { 0.0 }).collect()
}

fn places(random: &mut StdRng, patterns: &[f32], d: usize) -> [Vec<f32>; 3] {
    let one = 1.0 / (d as f32).sqrt();
    let at = patterns[..QUERIES * d].to_vec();
    let near = at.iter().map(|v| if random.random_bool(0.1) { one - v } else { *v }).collect();
    [at, near, binary(random, QUERIES, d)]
}

fn exact(bench: &Bench<'_>, patterns: &Rows<'_>, beta: f32) -> attractor::Result<DenseMemory> {
    DenseMemory::builder().device(bench.device).similarity(Similarity::L2).beta(beta).build(patterns)
}

fn features(bench: &Bench<'_>, spec: FeatureSpec, shift: Vec<f32>) -> attractor::Result<FeatureMemory> {
    let device = Some(bench.device.clone());
    FeatureMemory::with(spec, FeatureSettings { device, shift, budget: BUDGET, ..FeatureSettings::default() })
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}
