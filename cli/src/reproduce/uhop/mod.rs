//! Kernelized memories, U-Hop (Wu et al., ICML 2024) and U-Hop+ (Hu et al., `NeurIPS` 2024): what separation gains, and what it costs. The plain
//! cosine of patterns of length 1 stands beside it everywhere.

mod basins;
mod codes;
mod retrieval;

pub(crate) use basins::{basins, pictures};
pub(crate) use codes::{losses, metastable, reach, robustness};
pub(crate) use retrieval::{noise, retrieval};

use super::{Bench, Figure};
use crate::failure::Result;
use attractor::{
    Rows,
    memory::{
        KernelizedMemory, KernelizedSettings, LinearMap, SeparationReport, SeparationSettings,
        separate_memories,
    },
    ops::Separation,
    optimize::{Adam, Optimizer},
};
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

/// A figure that nobody has published.
const UNPUBLISHED: f64 = f64::NAN;

fn normals(random: &mut StdRng, n: usize) -> Vec<f32> {
    (0..n).map(|_| StandardNormal.sample(random)).collect()
}

/// Rows of length 1.
fn unit(mut values: Vec<f32>, d: usize) -> Result<Rows<'static>> {
    for row in values.chunks_exact_mut(d) {
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        row.iter_mut().for_each(|v| *v /= length.max(f32::MIN_POSITIVE));
    }
    Ok(Rows::new(values, d)?)
}

/// Random points on the sphere.
fn sphere(random: &mut StdRng, n: usize, d: usize) -> Result<Rows<'static>> {
    unit(normals(random, n * d), d)
}

/// The map that leaves rows as they are.
fn identity(d: usize) -> Result<LinearMap> {
    let ones: Vec<f32> = (0..d * d).map(|i| if i % (d + 1) == 0 { 1.0 } else { 0.0 }).collect();
    Ok(LinearMap::given(&Rows::new(ones, d)?, None)?)
}

/// One start with Adam at one temperature.
fn adam(tau: f64, rate: f64, iterations: usize) -> SeparationSettings {
    SeparationSettings {
        temperatures: vec![tau],
        optimizer: Optimizer::Adam(Adam { rate, ..Adam::default() }),
        iterations,
        starts: 1,
        ..SeparationSettings::default()
    }
}

/// A square map trained on patterns.
fn trained(
    patterns: &Rows<'_>,
    settings: &SeparationSettings,
    seed: u64,
) -> Result<(LinearMap, SeparationReport)> {
    let d = patterns.columns();
    let mut map = LinearMap::random(d, d, false, seed)?;
    let report = separate_memories(patterns, &mut map, settings, None)?;
    Ok((map, report))
}

fn memory(
    bench: &Bench<'_>,
    patterns: &Rows<'_>,
    map: &LinearMap,
    separation: Separation,
    beta: f32,
    unit: bool,
) -> Result<KernelizedMemory> {
    let settings = KernelizedSettings {
        device: Some(bench.device.clone()),
        separation,
        beta,
        unit,
        ..KernelizedSettings::default()
    };
    Ok(KernelizedMemory::new(patterns, map.clone(), settings)?)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard error of a mean.
fn error(values: &[f64]) -> f64 {
    let (m, n) = (mean(values), values.len() as f64);
    (values.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (n - 1.0).max(1.0) / n).sqrt()
}
