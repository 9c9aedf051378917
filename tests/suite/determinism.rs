//! The same device, driver, kernels and seed give the same bits: run after run, on a device that is opened anew, with whatever lay in
//! its buffers, and on any number of threads. Other devices and kernels stay within their bounds.

use super::common::*;
use attractor::{
    Bits, Device, Rows, Tensor,
    capacity::{Plan, Schedule, run},
    codes::{CodeOptions, optimize},
    gpu::{Kernels, Options, Strategy},
    memory::{
        Energy, EnergySettings, FeatureMemory, FeatureSettings, KernelizedMemory, KernelizedSettings,
        LagrangianMemory, LagrangianModel, LinearMap, SeparationSettings, SpreadMemory, separate_memories,
    },
    ops::{
        self, Axis, Bank, Binary, Divergence, Ensemble, FeatureMap, FeatureSpec, Features, FrequencySource,
        Layout, Normalization, Projection, Reduction, ScanOptions, Separation, SeparationLoss, Similarity,
        Unary,
    },
    prelude::*,
};
use std::{collections::HashMap, sync::Arc};

/// Results by name, as bits.
type Found = Vec<(String, Vec<u64>)>;

#[track_caller]
fn assert_same(what: &str, got: &Found, want: &Found) {
    assert_eq!(got.len(), want.len(), "{what}");
    for ((name, got), (_, want)) in got.iter().zip(want) {
        assert!(got == want, "{what}: {name} differs");
    }
}

fn bits(values: &[f32]) -> Vec<u64> {
    values.iter().map(|v| u64::from(v.to_bits())).collect()
}

fn bits_of_f64(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Every operation, on shapes with edges of tiles in them.
fn operations(device: &Device) -> Found {
    let mut found = Found::new();
    let mut random = Random::new(5);
    let (b, n, d) = (40, 70, 37);
    let (q, x) = (random.rows(b, d, 1.0), random.rows(n, d, 1.0));
    let (q, x) = (tensor(device, &q), tensor(device, &x));
    let mut add = |name: &str, t: &Tensor| found.push((name.to_owned(), bits(&t.to_vec().unwrap())));
    let scores = ops::matmul(&q, &x, Layout::NT).unwrap();
    add("product", &scores);
    add("product nn", &ops::matmul(&scores, &x, Layout::NN).unwrap());
    add("product tn", &ops::matmul(&q, &q, Layout::TN).unwrap());
    let pair = Tensor::from_flat(device, &x.to_vec().unwrap(), &[2, 35, d]).unwrap();
    add("batched", &ops::batched_matmul(&pair, &pair, Layout::NT).unwrap());
    for kind in Similarity::ALL {
        add(kind.name(), &ops::similarity(&q, &x, kind).unwrap());
        let (state, energy) = ops::step(&q, &x, 2.0, kind).unwrap();
        add("state of a step", &state);
        add("energy of a step", &energy);
    }
    add("softmax", &ops::softmax(&scores, 2.0).unwrap());
    add("log-sum-exp", &ops::log_sum_exp(&scores, 2.0).unwrap());
    for how in [Reduction::Sum, Reduction::Mean, Reduction::Max] {
        add("of rows", &ops::reduce(&scores, how, Axis::Columns).unwrap());
        add("of columns", &ops::reduce(&scores, how, Axis::Rows).unwrap());
    }
    for how in [Normalization::L2, Normalization::Layer { eps: 0.1 }] {
        add("normalised", &ops::normalize(&x, how).unwrap());
    }
    for f in [Unary::Tanh, Unary::Exp, Unary::Softplus, Unary::Sigmoid] {
        add("of elements", &ops::unary(f, &q).unwrap());
    }
    add("of pairs of elements", &ops::binary(Binary::Div, &q, &ops::unary(Unary::Exp, &q).unwrap()).unwrap());
    for kind in [Separation::Entmax(1.5), Separation::Normmax(2.0), Separation::KSubsets(3)] {
        let separated = ops::separate(&scores, 1.0, kind).unwrap();
        add("weights", &separated.weights);
        add("summary", &separated.summary);
    }
    let of = ops::softmax(&q, 1.0).unwrap();
    for kind in Divergence::ALL {
        add("divergence", &ops::divergence(&of, &of, kind).unwrap());
    }
    let unit = ops::normalize(&x, Normalization::L2).unwrap();
    let (loss, gradient) = ops::separation_loss(&unit, SeparationLoss::CrossEntropy, 0.1).unwrap();
    add("gradient of pairs", &gradient);
    let signs = ops::unary(Unary::Sign, &x).unwrap().to_vec().unwrap();
    let signs = Bits::new(device, &Rows::new(signs, d).unwrap()).unwrap();
    add("overlaps", &ops::overlaps(&signs, &signs).unwrap());
    found.push(("loss of pairs".into(), vec![loss.to_bits()]));
    for k in [3, 30, 70] {
        let (values, indices) = ops::nearest(&q, &x, k, Similarity::L2).unwrap();
        found.push(("nearest".into(), bits(&values)));
        found.push(("numbers of the nearest".into(), indices.iter().map(|i| u64::from(*i)).collect()));
    }
    found
}

/// Everything that comes of a seed.
fn seeded(device: &Device) -> Found {
    let mut found = Found::new();
    let rows = Random::new(9).rows(40, 6, 0.4);
    for projection in Projection::ALL {
        let mut spec = FeatureSpec::new(FeatureMap::SinCos, 130, 6, 2.0, 3);
        spec.source = FrequencySource::Seed { seed: 3, projection };
        for budget in [0, u64::MAX] {
            let features = Features::new(&spec, device, budget).unwrap();
            found.push((
                format!("frequencies {projection}"),
                bits(features.frequencies().unwrap().as_slice()),
            ));
            found.push((format!("encoding {projection}"), bits_of_f64(&features.encode(&rows).unwrap())));
        }
    }
    for ensemble in Ensemble::ALL {
        let bank = Bank::new(ensemble, 4, 900, 20).unwrap();
        let queries = bank.gather(&[3, 800]).unwrap();
        let options = ScanOptions { update: true, ..ScanOptions::default() };
        for scan in bank.scan(&queries, &[3, 800], 3.0, device, &options).unwrap() {
            let sums = [scan.best, scan.second, scan.sum, scan.squares];
            found.push((format!("scan {ensemble}"), bits_of_f64(&[&sums[..], &scan.moments].concat())));
        }
    }
    let settings = SeparationSettings {
        temperatures: vec![0.3, 0.1],
        iterations: 6,
        starts: 2,
        device: device.clone(),
        exact: Some(false),
        ..SeparationSettings::default()
    };
    let mut map = LinearMap::random(6, 6, false, 1).unwrap();
    separate_memories(&rows, &mut map, &settings, None).unwrap();
    found.push(("trained map".into(), bits_of_f64(map.weights())));
    let plan = Plan {
        n: vec![16, 32],
        d: vec![10],
        queries: 12,
        seeds: vec![0, 1],
        schedules: vec![Schedule::Converged],
        mixing: 8,
        ..Plan::new("softmax".parse().unwrap(), device.clone())
    };
    for outcome in run(&plan, &mut HashMap::new(), None).unwrap() {
        for point in outcome.points.iter().flatten() {
            let successes: Vec<f64> = point.seeds.iter().map(|t| t.successes as f64).collect();
            let cell = [point.cell.cosine, point.cell.end_cosine, point.cell.length, point.cell.updates];
            found.push((
                "cell of the capacity benchmark".into(),
                bits_of_f64(&[&successes[..], &cell].concat()),
            ));
        }
    }
    found
}

const ENERGIES: [&str; 10] = [
    "softmax",
    "entmax:1.5",
    "sparsemax",
    "normmax:2",
    "ksubsets:2",
    "epanechnikov",
    "polynomial:3",
    "exponential",
    "hopfield",
    "universal:l1:softmax",
];

fn recall_bits(name: &str, recall: &Recall, found: &mut Found) {
    found.push((format!("states of {name}"), bits(recall.states.as_slice())));
    found.push((format!("energies of {name}"), bits(&recall.energy)));
    found.push((format!("patterns of {name}"), recall.indices.iter().map(|i| u64::from(*i)).collect()));
    found.push((format!("weights of {name}"), bits(&recall.weights)));
    found.push((format!("steps of {name}"), recall.steps.iter().map(|s| u64::from(*s)).collect()));
}

/// Patterns and cues near to some of them; -1 and 1 for memories of bits.
fn data(binary: bool, n: usize, b: usize, d: usize) -> (Rows<'static>, Rows<'static>) {
    let mut random = Random::new(31);
    let (x, noise) = (random.rows(n, d, 1.0), random.rows(b, d, 0.3));
    let sign = |v: f32| if !binary { v } else { v.signum() };
    let cues: Vec<f32> = (0..b * d).map(|i| sign(x.row(i / d % n)[i % d] + noise.as_slice()[i])).collect();
    let x: Vec<f32> = x.as_slice().iter().map(|v| sign(*v)).collect();
    (Rows::new(x, d).unwrap(), Rows::new(cues, d).unwrap())
}

/// A recall by every memory.
fn memories(device: &Device) -> Found {
    let mut found = Found::new();
    let options = RecallOptions { steps: 6, ..RecallOptions::default() };
    for name in ENERGIES {
        let energy: Energy = name.parse().unwrap();
        let (x, cues) = data(energy.is_binary(), 24, 20, 18);
        let settings = EnergySettings { device: Some(device.clone()), ..EnergySettings::default() };
        let memory = energy.memory(Arc::new(x.as_slice().to_vec()), 18, &settings).unwrap();
        let steps = if name.starts_with("universal") { 1 } else { 6 };
        let recall = memory.recall_with(&cues, &RecallOptions { steps, ..options.clone() }).unwrap();
        recall_bits(name, &recall, &mut found);
    }
    let (x, cues) = data(false, 60, 20, 18);
    let builder = DenseMemory::builder().device(device).beta(1.0);
    let half = builder.clone().precision(Precision::F16).similarity(Similarity::Cosine).build(&x);
    recall_bits("f16", &half.unwrap().recall_with(&cues, &options).unwrap(), &mut found);
    let l1 = builder.similarity(Similarity::L1).build(&x).unwrap();
    recall_bits("l1", &l1.recall_with(&cues, &options).unwrap(), &mut found);
    // Few and long steps of the integrator: each is a trip to the device.
    let model = LagrangianModel::A { power: 3, beta: 1.0 };
    let bits = data(true, 60, 20, 18).0;
    let layers = LagrangianMemory::builder(model).device(device).dt(0.5).build(&bits).unwrap();
    recall_bits("lagrangian", &layers.recall_with(&cues, &options).unwrap(), &mut found);
    let spread = SpreadMemory::new(&x, &[device.clone(), Device::cpu()], Similarity::L2, 1.0).unwrap();
    recall_bits("spread", &spread.recall_with(&cues, &options).unwrap(), &mut found);
    let map = LinearMap::random(18, 30, false, 2).unwrap();
    let settings = KernelizedSettings { device: Some(device.clone()), ..KernelizedSettings::default() };
    let kernelized = KernelizedMemory::new(&x, map, settings).unwrap();
    recall_bits("kernelized", &kernelized.recall_with(&cues, &options).unwrap(), &mut found);
    let spec = FeatureSpec::new(FeatureMap::SinCos, 200, 18, 0.3, 5);
    let settings = FeatureSettings { device: Some(device.clone()), ..FeatureSettings::default() };
    let mut features = FeatureMemory::with(spec, settings).unwrap();
    features.absorb(&x).unwrap();
    let options = RecallOptions { top_k: None, tolerance: None, ..options };
    recall_bits("features", &features.recall_with(&cues, &options).unwrap(), &mut found);
    found
}

fn everything(device: &Device) -> Found {
    [operations(device), seeded(device), memories(device)].concat()
}

/// Two kinds of kernels that differ in every operation.
fn two_kinds() -> Vec<Options> {
    let tiled = Options { kernels: Kernels::Tiled, ..Options::default() };
    vec![
        Options { deterministic: true, ..Options::default() },
        Options { strategy: Some(Strategy::Fused), plain: true, ..tiled },
    ]
}

#[test]
fn runs_on_one_device_give_the_same_bits() {
    // The CPU, and the two that differ in every operation.
    for (name, device) in devices().into_iter().take(3) {
        assert_same(name, &memories(&device), &memories(&device));
        assert_same(name, &operations(&device), &operations(&device));
    }
}

#[test]
fn seeds_give_the_same_bits() {
    for (name, device) in devices().into_iter().take(2) {
        assert_same(name, &seeded(&device), &seeded(&device));
    }
    let options = CodeOptions { starts: 2, seed: 4, iterations: 50, ..CodeOptions::default() };
    let code = || bits_of_f64(&optimize(8, 3, &options).unwrap().points.data);
    assert_eq!(code(), code());
}

/// A device that is opened anew has other buffers and compiles its kernels again; and what lay in a buffer before must not show: the pool of
/// the second is full of NaN, in every size that is asked for.
#[test]
fn a_fresh_device_with_dirty_buffers_gives_the_same_bits() {
    for options in two_kinds() {
        let (Some(first), Some(second)) = (open(options), open(options)) else { return };
        let poison: Vec<Tensor> = (4..=16)
            .flat_map(|size| [8, 9, 10, 11, 12, 13, 14, 15].map(|eighth| (1_usize << size) / 8 * eighth))
            .flat_map(|count| [count; 4])
            .map(|count| Tensor::from_flat(&second, &vec![f32::NAN; count], &[count]).unwrap())
            .collect();
        // A wait for them, so that writes of the host may take them too.
        poison.last().unwrap().to_vec().unwrap();
        drop(poison);
        assert_same(&format!("{options:?}"), &everything(&second), &everything(&first));
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut found = everything(&Device::cpu());
            // Long enough for several segments of patterns, and for products that threads share.
            let mut random = Random::new(77);
            let (q, x) = (random.rows(300, 48, 1.0), random.rows(9000, 48, 1.0));
            let cpu = Device::cpu();
            let (tq, tx) = (tensor(&cpu, &q), tensor(&cpu, &x));
            let mut add = |t: Tensor| found.push(("a long one".into(), bits(&t.to_vec().unwrap())));
            add(ops::matmul(&tq, &tx, Layout::NT).unwrap());
            add(ops::matmul(&tx, &tx, Layout::TN).unwrap());
            add(ops::step(&tq, &tx, 0.5, Similarity::L2).unwrap().0);
            add(ops::reduce(&tx, Reduction::Sum, Axis::Rows).unwrap());
            add(ops::normalize(&tx, Normalization::L2).unwrap());
            let memory = DenseMemory::builder().device(&cpu).build(&x).unwrap();
            recall_bits("a long recall", &memory.recall(&q.slice(0..80)).unwrap(), &mut found);
            found
        })
    };
    let one = on(1);
    for threads in [2, 3] {
        assert_same(&format!("{threads} threads"), &on(threads), &one);
    }
}

/// One update of a query depends on how many are asked with it, not on which these are, nor on its place among them.
#[test]
fn an_update_does_not_depend_on_the_others_of_its_batch() {
    let (x, cues) = data(false, 300, 40, 18);
    let (_, other) = data(false, 7, 40, 18);
    for (name, device) in devices() {
        for b in [1, 2, 5, 9, 33, 40] {
            let memory = DenseMemory::builder().device(&device).beta(0.7).build(&x).unwrap();
            let options = RecallOptions { steps: 1, ..RecallOptions::default() };
            let states = |rows: &[&[f32]]| {
                let rows: Vec<Vec<f32>> = rows.iter().map(|r| r.to_vec()).collect();
                memory.recall_with(&rows, &options).unwrap().states
            };
            let asked: Vec<&[f32]> = cues.iter().take(b).collect();
            let together = states(&asked);
            let mut turned = asked.clone();
            turned.rotate_left(b / 2);
            let of_turned = states(&turned);
            for i in 0..b {
                assert_eq!(
                    bits(of_turned.row((i + b - b / 2) % b)),
                    bits(together.row(i)),
                    "{name} {b}: query {i} in another place"
                );
            }
            // The first alone among others.
            let mut among: Vec<&[f32]> = other.iter().take(b).collect();
            among[0] = asked[0];
            assert_eq!(bits(states(&among).row(0)), bits(together.row(0)), "{name} {b}: among others");
        }
    }
}

/// A whole recall, alone or among others: the same within the bound, and the same patterns unless two are as near as that.
#[test]
fn a_recall_alone_is_close_to_that_among_others() {
    let (x, cues) = data(false, 300, 40, 18);
    for (name, device) in devices() {
        let memory = DenseMemory::builder().device(&device).beta(2.0).build(&x).unwrap();
        let options = RecallOptions { steps: 9, ..RecallOptions::default() };
        let together = memory.recall_with(&cues, &options).unwrap();
        for i in [0, 17, 39] {
            let alone = memory.recall_with(&cues.slice(i..i + 1), &options).unwrap();
            let want: Vec<f64> = together.states.row(i).iter().map(|v| f64::from(*v)).collect();
            assert_close(&format!("{name} query {i}"), alone.states.row(0), &want, 2e-5);
            assert_eq!(alone.indices[0], together.indices[i * 5], "{name} query {i}");
        }
    }
}

/// Other devices and kernels: states within the bound, and the same best pattern unless its lead is below that.
#[test]
fn devices_agree_on_the_best_pattern() {
    let mut random = Random::new(8);
    let (n, d, b) = (400, 24, 30);
    let x = random.rows(n, d, 1.0);
    // Cues halfway between two patterns, a little nearer to one of them: by nothing, or by up to a thousandth.
    let cues: Vec<f32> = (0..b * d)
        .map(|i| {
            let (i, j) = (i / d, i % d);
            let share = 0.5 + 1e-3 * (i as f32 / b as f32);
            share * x.row(2 * i)[j] + (1.0 - share) * x.row(2 * i + 1)[j]
        })
        .collect();
    let cues = Rows::new(cues, d).unwrap();
    for similarity in Similarity::ALL {
        let options = RecallOptions { steps: 1, top_k: Some(2), ..RecallOptions::default() };
        let look = RecallOptions { steps: 0, ..options.clone() };
        let build = |device: &Device| {
            let builder = DenseMemory::builder().device(device).similarity(similarity).beta(2.0);
            builder.build(&x).unwrap()
        };
        let cpu = build(&Device::cpu());
        let (states, want) =
            (cpu.recall_with(&cues, &options).unwrap().states, cpu.recall_with(&cues, &look).unwrap());
        let mut decided = 0;
        for (name, device) in gpus() {
            let memory = build(device);
            let got = memory.recall_with(&cues, &options).unwrap().states;
            let wanted: Vec<f64> = states.as_slice().iter().map(|v| f64::from(*v)).collect();
            assert_close(&format!("{name} {similarity}"), got.as_slice(), &wanted, 2e-5 * 4.0);
            let got = memory.recall_with(&cues, &look).unwrap();
            for i in 0..b {
                // Scores of up to 30 times beta are known to a few roundings of that.
                let lead = (want.weights[2 * i] / want.weights[2 * i + 1]).ln();
                if lead > 2e-4 {
                    assert_eq!(
                        got.indices[2 * i],
                        want.indices[2 * i],
                        "{name} {similarity} {i}: lead {lead}"
                    );
                    decided += 1;
                }
            }
        }
        assert!(gpus().is_empty() || decided > 20, "{similarity}: {decided}");
    }
}

/// Generated numbers are the same on every device: those of banks to the bit, frequencies to rounding.
#[test]
fn seeds_mean_the_same_everywhere() {
    let spec = FeatureSpec::new(FeatureMap::SinCos, 33, 7, 1.0, 12);
    let of = |device: &Device| Features::new(&spec, device, 0).unwrap().frequencies().unwrap();
    let cpu = of(&Device::cpu());
    let wanted: Vec<f64> = cpu.as_slice().iter().map(|v| f64::from(*v)).collect();
    let bank = Bank::new(Ensemble::Bipolar, 12, 500, 70).unwrap();
    let queries = bank.gather(&[7, 8]).unwrap();
    let scan = |device: &Device| bank.scan(&queries, &[7, 8], 1.0, device, &ScanOptions::default()).unwrap();
    for (name, device) in gpus() {
        assert_close(name, of(device).as_slice(), &wanted, 6e-6);
        for (got, want) in scan(device).iter().zip(scan(&Device::cpu())) {
            assert_eq!(
                (got.index, got.best, got.second, got.ties),
                (want.index, want.best, want.second, want.ties),
                "{name}"
            );
            assert_eq!(got.target, want.target, "{name}");
        }
    }
}
