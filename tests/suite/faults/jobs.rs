//! Work of every kind, each from its data to its numbers, for tests that let it fail on its way.

use crate::common::{Random, open};
use attractor::{
    Device, Result, Tensor,
    gpu::{Kernels, Options, Strategy},
    memory::{
        Energy, EnergySettings, FeatureDescent, FeatureMemory, FeatureSettings, KernelizedMemory,
        KernelizedSettings, LagrangianMemory, LagrangianModel, LinearMap, SpreadMemory,
    },
    ops::{self, Bank, Ensemble, FeatureMap, FeatureSpec, Layout, ScanOptions, SeparationLoss},
    prelude::*,
};
use std::sync::Arc;

/// Does the work on a device and gives all its numbers.
pub(super) type Job = fn(&Device) -> Result<Vec<f32>>;

/// Work for every way of a recall.
pub(super) const RECALLS: [(&str, Job); 2] = [("dense", dense), ("dense f16", dense_f16)];

/// Work that goes the same way whatever the strategy of recalls.
pub(super) const OTHERS: [(&str, Job); 10] = [
    ("operations", operations),
    ("sparse", |device| by_energy(device, "entmax:1.5")),
    ("polynomial", |device| by_energy(device, "polynomial:3")),
    ("hopfield", |device| by_energy(device, "hopfield:storkey")),
    ("universal", |device| by_energy(device, "universal")),
    ("lagrangian", lagrangian),
    ("features", features),
    ("kernelized", kernelized),
    ("bank", bank),
    ("spread", spread),
];

/// A device for each way of a recall, of its own: what one test lets fail is nothing to others.
pub(super) fn ways() -> Vec<(&'static str, Device)> {
    let way = |strategy| Options {
        kernels: if strategy == Strategy::Direct { Kernels::Direct } else { Kernels::Tiled },
        strategy: Some(strategy),
        // Parameters in a buffer, where they do not travel with the commands.
        plain: matches!(strategy, Strategy::Medium | Strategy::Fused),
        ..Options::default()
    };
    let streamed = Options { memory_budget: Some(1500), ..way(Strategy::Direct) };
    let all = [
        ("direct", way(Strategy::Direct)),
        ("medium", way(Strategy::Medium)),
        ("fused", way(Strategy::Fused)),
        ("few", way(Strategy::Few)),
        ("streamed", streamed),
    ];
    all.into_iter().filter_map(|(name, options)| Some((name, open(options)?))).collect()
}

/// All work on all ways, the work that has one way on two of them.
pub(super) fn all() -> impl Iterator<Item = (String, Device, Job)> {
    ways().into_iter().flat_map(|(way, device)| {
        let others = if ["direct", "medium"].contains(&way) { &OTHERS[..] } else { &[] };
        let jobs: Vec<_> = RECALLS.iter().chain(others).collect();
        jobs.into_iter().map(move |(name, job)| (format!("{name}, {way}"), device.clone(), *job))
    })
}

/// The numbers of a recall, one after another.
pub(super) fn numbers(recall: &Recall) -> Vec<f32> {
    let wide = |values: &[u32]| values.iter().map(|v| *v as f32).collect::<Vec<f32>>();
    let mut all = recall.states.as_slice().to_vec();
    all.extend(recall.values.iter().flat_map(|values| values.as_slice()));
    all.extend(recall.trace.iter().flatten().flatten());
    for part in [&recall.energy, &recall.weights, &recall.effective] {
        all.extend_from_slice(part);
    }
    all.extend(wide(&recall.indices));
    all.extend(wide(&recall.steps));
    all
}

fn dense(device: &Device) -> Result<Vec<f32>> {
    let mut random = Random::new(200);
    let (x, more, q) = (random.rows(60, 10, 1.0), random.rows(12, 10, 1.0), random.rows(5, 10, 1.0));
    let v = random.rows(72, 3, 1.0);
    let mut memory = DenseMemory::builder().device(device).build(&x)?;
    memory.append(&more)?;
    memory.associate(&v)?;
    let mask: Vec<bool> = (0..72).map(|i| i % 5 != 0).collect();
    let clamp: Vec<bool> = (0..10).map(|j| j == 2).collect();
    let options = RecallOptions {
        mask: Some(&mask),
        clamp: Some(&clamp),
        steps: 4,
        trace: true,
        ..RecallOptions::default()
    };
    let mut all = numbers(&memory.recall_with(&q, &options)?);
    let (states, energy) = memory.step(&q)?;
    all.extend(states.as_slice());
    all.extend(energy);
    Ok(all)
}

fn dense_f16(device: &Device) -> Result<Vec<f32>> {
    let mut random = Random::new(201);
    let builder = DenseMemory::builder().device(device).similarity(Similarity::Cosine).beta(3.0);
    let mut memory = builder.precision(Precision::F16).build(&random.rows(70, 10, 1.0))?;
    memory.forget(&[1, 5, 64])?;
    memory.recall(&random.rows(5, 10, 1.0)).map(|recall| numbers(&recall))
}

fn operations(device: &Device) -> Result<Vec<f32>> {
    let mut random = Random::new(202);
    let x = Tensor::new(device, &random.rows(9, 10, 1.0))?;
    let y = Tensor::new(device, &random.rows(70, 10, 1.0))?;
    let products = ops::matmul(&x, &y, Layout::NT)?;
    let weights = ops::softmax(&products, 0.5)?;
    let (best, _) = ops::top_k(&weights, 70)?;
    let (near, which) = ops::nearest(&x, &y, 3, Similarity::L2)?;
    let distances = ops::similarity(&x, &y, Similarity::L1)?;
    let cube = |t: &Tensor| Tensor::from_flat(device, &t.to_vec()?[..60], &[3, 4, 5]);
    let batched = ops::batched_matmul(&cube(&x)?, &cube(&y)?, Layout::NT)?;
    let (loss, gradient) = ops::separation_loss(&y, SeparationLoss::CrossEntropy, 0.5)?;
    let sparse = ops::separate(&products, 0.3, ops::Separation::Entmax(1.5))?;
    let mut all = [weights.to_vec()?, best, near, distances.to_vec()?, batched.to_vec()?].concat();
    all.extend(which.into_iter().map(|i| i as f32));
    all.push(loss as f32);
    all.extend(gradient.to_vec()?);
    all.extend(sparse.weights.to_vec()?);
    Ok(all)
}

/// Some memory by the name of its energy: made, added to, recalled from.
fn by_energy(device: &Device, energy: &str) -> Result<Vec<f32>> {
    let mut random = Random::new(203);
    let energy: Energy = energy.parse()?;
    let mut rows = |n| -> Result<Rows<'static>> {
        let rows = random.rows(n, 12, 1.0).into_vec();
        // Some similarities are of values that are not negative.
        let bits = rows.iter().map(|v| if energy.is_binary() { v.signum() } else { v.abs() });
        Rows::new(bits.collect::<Vec<f32>>(), 12)
    };
    let (x, more, q) = (rows(40)?, rows(5)?, rows(6)?);
    let settings = EnergySettings { device: Some(device.clone()), ..EnergySettings::default() };
    let mut memory = energy.memory(Arc::new(x.into_vec()), 12, &settings)?;
    memory.append(&more)?;
    let options = RecallOptions { steps: 5, ..RecallOptions::default() };
    memory.recall_with(&q, &options).map(|recall| numbers(&recall))
}

/// A memory of two layers whose recalls are a few steps.
pub(super) fn two_layers(device: &Device, patterns: &Rows<'_>) -> Result<LagrangianMemory> {
    let model = LagrangianModel::B { beta: 4.0 };
    LagrangianMemory::builder(model).device(device).dt(0.5).build(patterns)
}

fn lagrangian(device: &Device) -> Result<Vec<f32>> {
    let mut random = Random::new(207);
    let mut memory = two_layers(device, &random.rows(20, 7, 0.3))?;
    memory.append(&random.rows(3, 7, 0.3))?;
    let options = RecallOptions { steps: 2, ..RecallOptions::default() };
    memory.recall_with(&random.rows(4, 7, 0.3), &options).map(|recall| numbers(&recall))
}

fn features(device: &Device) -> Result<Vec<f32>> {
    let mut random = Random::new(204);
    let mut all = Vec::new();
    // Frequencies that are kept, and frequencies that are made anew at each look.
    for budget in [64 << 20, 0] {
        let settings = FeatureSettings { device: Some(device.clone()), budget, ..FeatureSettings::default() };
        let mut memory =
            FeatureMemory::with(FeatureSpec::new(FeatureMap::SinCos, 300, 6, 10.0, 7), settings)?;
        memory.absorb(&random.rows(9, 6, 0.3))?;
        let q = random.rows(4, 6, 0.3);
        for trace in [false, true] {
            let descent = FeatureDescent { steps: 5, trace, ..FeatureDescent::default() };
            all.extend(numbers(&memory.descend(&q, &descent)?));
        }
    }
    Ok(all)
}

fn kernelized(device: &Device) -> Result<Vec<f32>> {
    let mut random = Random::new(205);
    let map = LinearMap::given(&random.rows(12, 8, 0.4), None)?;
    let settings =
        KernelizedSettings { device: Some(device.clone()), beta: 2.0, ..KernelizedSettings::default() };
    let mut memory = KernelizedMemory::new(&random.rows(30, 8, 1.0), map, settings)?;
    memory.append(&random.rows(3, 8, 1.0))?;
    memory.recall(&random.rows(4, 8, 1.0)).map(|recall| numbers(&recall))
}

fn bank(device: &Device) -> Result<Vec<f32>> {
    let mut all = Vec::new();
    for (ensemble, update) in [(Ensemble::Sphere, true), (Ensemble::Bipolar, false)] {
        let bank = Bank::new(ensemble, 5, 900, 8)?;
        let options = ScanOptions { update, chunk: 256, ..ScanOptions::default() };
        for scan in bank.scan(&bank.gather(&[3, 700])?, &[3, 700], 4.0, device, &options)? {
            all.extend([scan.best, scan.second, scan.sum, scan.index as f64].map(|v| v as f32));
            all.extend(scan.moments.iter().map(|v| *v as f32));
        }
    }
    Ok(all)
}

fn spread(device: &Device) -> Result<Vec<f32>> {
    let mut random = Random::new(206);
    let devices = [device.clone(), Device::cpu(), device.clone()];
    let mut memory = SpreadMemory::new(&random.rows(50, 9, 1.0), &devices, Similarity::Dot, 0.7)?;
    memory.append(&random.rows(4, 9, 1.0))?;
    let options = RecallOptions { steps: 2, ..RecallOptions::default() };
    memory.recall_with(&random.rows(4, 9, 1.0), &options).map(|recall| numbers(&recall))
}

/// Whether two answers are the same, bit by bit.
pub(super) fn same(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// Whether they are the same but for the order of sums.
pub(super) fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 2e-5 * (1.0 + b.abs()))
}
