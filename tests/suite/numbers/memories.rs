//! Every memory: the same errors on every device, and the same answers.

use super::*;
use attractor::{
    Error, Precision,
    memory::{
        Energy, EnergySettings, FeatureMemory, FeatureSettings, KernelizedMemory, KernelizedSettings,
        LinearMap,
    },
    ops::{FeatureMap, FeatureSpec},
    prelude::*,
};

const REAL: [&str; 13] = [
    "softmax",
    "entmax:1.5",
    "sparsemax",
    "normmax:2",
    "ksubsets:2",
    "epanechnikov",
    "lagrangian:b",
    "lagrangian:c:3",
    "universal:dot:softmax",
    "universal:cosine:power3",
    "universal:l2:max",
    "universal:js:max",
    "universal:l1:softmax",
];

fn build(
    energy: &str,
    rows: &Rows<'_>,
    device: &Device,
    similarity: Option<Similarity>,
) -> Result<Box<dyn Memory>, Error> {
    let energy: Energy = energy.parse().unwrap();
    let similarity = similarity.filter(|_| energy.takes_similarity());
    let takes_beta = !matches!(energy, Energy::Lagrangian(_));
    let settings = EnergySettings {
        device: Some(device.clone()),
        similarity,
        beta: if takes_beta || energy.to_string() == "lagrangian:b" { Beta::Fixed(2.0) } else { Beta::Auto },
        ..EnergySettings::default()
    };
    memory_of(energy, rows, &settings)
}

/// Patterns and queries of any kind: what a memory refuses, it refuses in the same words everywhere, and what it takes gives
/// numbers or says that it does not.
#[test]
fn errors_are_the_same() {
    let strategy = (
        (size(9), size(5), size(20)),
        (fill(&Kind::ALL), fill(&Kind::ALL)),
        prop::sample::select(&REAL[..]),
        prop::option::of(prop::sample::select(&Similarity::ALL[..])),
        any::<usize>(),
    );
    property("errors of memories", 150, strategy, |((n, b, d), (x, q), energy, similarity, pick)| {
        let (x, q) = (x.rows(n, d), q.rows(b, d));
        let options =
            RecallOptions { steps: 3, trace: !energy.starts_with("universal"), ..RecallOptions::default() };
        let recall = |device: &Device| build(energy, &x, device, similarity)?.recall_with(&q, &options);
        let results: Vec<_> =
            some_devices(pick).into_iter().map(|(name, device)| (name, recall(&device))).collect();
        if same_errors(&results) {
            return;
        }
        for (name, recall) in &results {
            let recall = recall.as_ref().unwrap();
            for (i, state) in recall.states.iter().enumerate() {
                let known = state.iter().all(|v| v.is_finite());
                assert!(
                    known || recall.status[i] == Status::NonFinite,
                    "{name} {energy}: {state:?} {:?}",
                    recall.status[i]
                );
                assert_eq!(
                    recall.status[i] == Status::NonFinite,
                    results[0].1.as_ref().unwrap().status[i] == Status::NonFinite,
                    "{name} {energy}"
                );
            }
        }
    });
}

/// Tame values: the same patterns are found, unless two are as near as the rounding, and the states are close.
#[test]
fn answers_are_the_same() {
    let strategy = (
        (2..40_usize, some(9), 2..20_usize),
        any::<u64>(),
        prop::sample::select(&REAL[..]),
        prop::option::of(prop::sample::select(&Similarity::ALL[..])),
        any::<usize>(),
    );
    property("answers of memories", 60, strategy, |((n, b, d), seed, energy, similarity, pick)| {
        let of_distributions = energy.contains("js");
        let mut x = Fill(Kind::Normal, seed).flat(n * d);
        if of_distributions {
            x.iter_mut().for_each(|v| *v = v.abs());
        }
        let x = Rows::new(x, d).unwrap();
        let noise = Fill(Kind::Normal, seed ^ 1).flat(b * d);
        let near = |(i, v): (usize, &f32)| {
            let v = x.row(i / d % n)[i % d] + 0.05 * v;
            if of_distributions { v.abs() } else { v }
        };
        let q = Rows::new(noise.iter().enumerate().map(near).collect::<Vec<_>>(), d).unwrap();
        let options = RecallOptions { steps: 2, tolerance: Some(0.0), ..RecallOptions::default() };
        let recall = |device: &Device| build(energy, &x, device, similarity)?.recall_with(&q, &options);
        let results: Vec<_> =
            some_devices(pick).into_iter().map(|(name, device)| (name, recall(&device))).collect();
        if same_errors(&results) {
            return;
        }
        let cpu = results[0].1.as_ref().unwrap();
        let k = cpu.indices.len() / b;
        for (name, recall) in &results[1..] {
            let recall = recall.as_ref().unwrap();
            let what = format!("{name} {energy} {similarity:?} {n}x{d}");
            for i in 0..b {
                if k == 0 {
                    continue;
                }
                let margin = if k > 1 { cpu.weights[i * k] - cpu.weights[i * k + 1] } else { 1.0 };
                if margin > 1e-3 {
                    assert_eq!(recall.indices[i * k], cpu.indices[i * k], "{what}");
                }
                let scale = x.as_slice().iter().fold(1.0_f32, |m, v| m.max(v.abs()));
                // One that is chosen outright goes either way where two are equally good.
                let loose = energy.ends_with("max") && margin <= 1e-3;
                for (got, want) in recall.states.row(i).iter().zip(cpu.states.row(i)) {
                    let bound =
                        if energy.contains("power") { 2e-3 * want.abs().max(scale) } else { 2e-4 * scale };
                    assert!(loose || (got - want).abs() <= bound, "{what}: {got} {want}");
                }
            }
        }
    });
}

#[test]
fn other_memories_refuse_the_same() {
    let strategy =
        ((size(5), size(5), some(9)), (fill(&Kind::ALL), fill(&Kind::ALL)), 0..4_usize, any::<usize>());
    property("errors of other memories", 80, strategy, |((n, b, d), (x, q), which, pick)| {
        let of = |fill: Fill, rows: usize| if rows == 0 { Rows::empty(d) } else { fill.rows(rows, d) };
        let (x, q) = (of(x, n), of(q, b));
        let results: Vec<_> = some_devices(pick)
            .into_iter()
            .map(|(name, device)| {
                let run = || -> attractor::Result<Vec<f32>> {
                    match which {
                        0 => {
                            let map = LinearMap::given(&Rows::new(vec![0.5; 3 * d], d)?, None)?;
                            let settings = KernelizedSettings {
                                device: Some(device.clone()),
                                ..KernelizedSettings::default()
                            };
                            KernelizedMemory::new(&x, map, settings)?.energy(&q)
                        }
                        1 => {
                            let spec = FeatureSpec::new(FeatureMap::SinCos, 20, d, 1.0, 3);
                            let settings = FeatureSettings {
                                device: Some(device.clone()),
                                ..FeatureSettings::default()
                            };
                            let mut memory = FeatureMemory::with(spec, settings)?;
                            memory.append(&x)?;
                            Ok(memory.recall(&q)?.states.into_vec())
                        }
                        2 => {
                            let builder = DenseMemory::builder().device(&device).precision(Precision::F16);
                            builder.beta(1.0).build(&x)?.energy(&q)
                        }
                        _ => {
                            let mut memory = DenseMemory::builder()
                                .device(&device)
                                .beta(1.0)
                                .build(&[vec![1.0_f32; d]])?;
                            memory.append(&x)?;
                            memory.associate(&Fill(Kind::Normal, 3).rows(x.rows() + 1, 2))?;
                            memory.forget(&[0])?;
                            Ok(memory.recall(&q)?.energy)
                        }
                    }
                };
                (name, run())
            })
            .collect();
        same_errors(&results);
    });
}
