//! The two-layer memory: its limits (softmax step, dense associative memory), energies that fall, options, bad input.

use super::common::*;
use attractor::{
    Device, Error, Rows,
    memory::{DenseMemory, LagrangianMemory, LagrangianModel, Memory, NO_PATTERN, RecallOptions, Status},
    ops::Similarity,
};

const MODELS: [LagrangianModel; 3] = [
    LagrangianModel::A { power: 3, beta: 4.0 },
    LagrangianModel::B { beta: 2.0 },
    LagrangianModel::C { power: 5 },
];

/// Patterns of -1 and 1.
fn bipolar(random: &mut Random, n: usize, d: usize) -> Rows<'static> {
    Rows::new((0..n * d).map(|_| if random.below(2) == 0 { -1.0 } else { 1.0 }).collect::<Vec<f32>>(), d)
        .unwrap()
}

/// The patterns with every `every`-th sign wrong.
fn damaged(patterns: &Rows<'_>, every: usize) -> Rows<'static> {
    let flip = |(i, v): (usize, &f32)| if i % every == every - 1 { -v } else { *v };
    let values: Vec<f32> = patterns.as_slice().iter().enumerate().map(flip).collect();
    Rows::new(values, patterns.columns()).unwrap()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// Model B with a hidden layer at rest: each Euler step of one time constant is the softmax update, the energy is that of
/// the dense memory.
#[test]
fn a_resting_model_b_is_the_dense_memory() {
    let mut random = Random::new(95);
    for (b, n, d) in [(1, 1, 1), (3, 9, 4), (5, 40, 17)] {
        let (xi, q) = (random.rows(n, d, 1.0), random.rows(b, d, 1.0));
        let steps =
            |steps| RecallOptions { steps, tolerance: Some(0.0), trace: true, ..RecallOptions::default() };
        for (name, device) in varied() {
            let dense = DenseMemory::builder()
                .device(&device)
                .similarity(Similarity::Dot)
                .beta(0.7)
                .build(&xi)
                .unwrap();
            let memory = LagrangianMemory::builder(LagrangianModel::B { beta: 0.7 })
                .device(&device)
                .tau_hidden(0.0)
                .dt(1.0)
                .build(&xi)
                .unwrap();
            for t in [0, 1, 4] {
                let what = format!("{name} {b}x{n}x{d} {t} steps");
                let (got, want) =
                    (memory.recall_with(&q, &steps(t)).unwrap(), dense.recall_with(&q, &steps(t)).unwrap());
                // Scores of up to d, their exponentials, and a mean of patterns; four times over.
                let bound = 16.0 * EPS * (1.0 + d as f64) * f64::from(t + 1);
                assert_close(&what, got.states.as_slice(), &wide(want.states.as_slice()), bound);
                assert_close(&what, &got.energy, &wide(&want.energy), bound * 4.0);
                assert_close(&what, &got.effective, &wide(&want.effective), bound * 8.0);
                assert_close(&what, &got.weights, &wide(&want.weights), bound);
                assert_eq!((got.steps, got.beta), (want.steps, want.beta), "{what}");
                for (got, want) in got.trace.unwrap().iter().zip(want.trace.unwrap()) {
                    assert_close(&what, got, &wide(&want), bound * 4.0);
                }
            }
            assert_close(
                name,
                &memory.energy(&q).unwrap(),
                &wide(&dense.energy(&q).unwrap()),
                16.0 * EPS * 40.0,
            );
        }
    }
}

/// A fast hidden layer comes close to one that rests, the closer the faster.
#[test]
fn fast_hidden_layers_approach_rest() {
    let mut random = Random::new(96);
    let (xi, q) = (random.rows(8, 6, 1.0), random.rows(4, 6, 1.0));
    let at = |tau: f32| {
        // Steps of 0.002 in time for all.
        let dt = if tau > 0.0 { 0.002 / tau } else { 0.002 };
        let memory = LagrangianMemory::builder(LagrangianModel::B { beta: 1.0 })
            .device(&Device::cpu())
            .tau_hidden(tau)
            .dt(dt)
            .build(&xi)
            .unwrap();
        let options = RecallOptions { steps: 1, tolerance: Some(0.0), ..RecallOptions::default() };
        memory.recall_with(&q, &options).unwrap().states
    };
    let rest = at(0.0);
    let off =
        |tau| at(tau).as_slice().iter().zip(rest.as_slice()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let distances = [0.4, 0.1, 0.02].map(off);
    // In proportion to tau.
    assert!(distances[1] < 0.5 * distances[0] && distances[2] < 0.3 * distances[1], "{distances:?}");
    assert!(distances[2] < 0.02, "{distances:?}");
}

#[test]
fn all_models_recall_and_their_energy_falls() {
    let mut random = Random::new(97);
    let xi = bipolar(&mut random, 6, 40);
    let q = damaged(&xi, 8);
    for model in MODELS {
        for tau in [0.0, 0.2] {
            for (name, device) in varied() {
                let what = format!("{name} {model:?} tau {tau}");
                // Software GPUs are slow: fewer, larger steps; the finest ones are tested with the network.
                let steps = if name == "cpu" { 100 } else { 2 };
                let dt = if name == "cpu" { 0.05 } else { 0.25 };
                let memory = LagrangianMemory::builder(model)
                    .device(&device)
                    .tau_hidden(tau)
                    .dt(dt)
                    .build(&xi)
                    .unwrap();
                let options = RecallOptions { steps, trace: true, ..RecallOptions::default() };
                let recall = memory.recall_with(&q, &options).unwrap();
                for i in 0..6 {
                    assert_eq!(recall.indices[i * recall.top_k], i as u32, "{what}");
                    let right = recall.states.row(i).iter().zip(xi.row(i)).all(|(v, x)| v * x > 0.0);
                    assert!(right, "{what}: {:?}", recall.states.row(i));
                    let trace = &recall.trace.as_ref().unwrap()[i];
                    assert_eq!(trace.len(), recall.steps[i] as usize + 1, "{what}");
                    assert_eq!(trace.last(), Some(&recall.energy[i]), "{what}");
                    let size = trace.iter().fold(1.0_f32, |m, e| m.max(e.abs()));
                    // The terms of the energy are some tens of times as large as it.
                    let bound = 64.0 * f32::EPSILON * 40.0 * size;
                    assert!(trace.windows(2).all(|w| w[1] <= w[0] + bound), "{what}: {trace:?}");
                    assert!(trace[0] > recall.energy[i], "{what}: {trace:?}");
                    if name == "cpu" {
                        assert_eq!(recall.status[i], Status::Converged, "{what}: {} steps", recall.steps[i]);
                        // At a fixed point the hidden layer rests.
                        let energy = memory.energy(&Rows::new(recall.states.row(i), 40).unwrap()).unwrap()[0];
                        assert!((energy - recall.energy[i]).abs() <= bound, "{what}");
                    }
                }
            }
        }
    }
}

/// Model A at a high beta against the signs of rectified polynomials, `sgn sum_k xi_k max(xi_k.x, 0)^(n-1)`, the gradient
/// update of dense associative memories: where the field of a state of signs is clear, an adiabatic step from it goes to
/// that field.
#[test]
fn model_a_follows_the_field_of_rectified_polynomials() {
    let mut random = Random::new(98);
    let (n, d, power) = (9, 12, 3_u32);
    let (xi, x) = (bipolar(&mut random, n, d), bipolar(&mut random, 5, d));
    let mut want = Vec::new();
    for x in x.iter() {
        let mut field = vec![0.0_f64; d];
        for xi in xi.iter() {
            let h: f64 = xi.iter().zip(x).map(|(a, b)| f64::from(a * b)).sum();
            let f = (h.max(0.0) / d as f64).powi(power as i32 - 1);
            field.iter_mut().zip(xi).for_each(|(v, a)| *v += f * f64::from(*a));
        }
        want.extend(field);
    }
    for (name, device) in varied() {
        // tanh(40) is 1 in f32, so the state's activations are its signs.
        let memory = LagrangianMemory::builder(LagrangianModel::A { power, beta: 40.0 })
            .device(&device)
            .tau_hidden(0.0)
            .dt(1.0)
            .build(&xi)
            .unwrap();
        let options = RecallOptions { steps: 1, tolerance: Some(0.0), ..RecallOptions::default() };
        let got = memory.recall_with(&x, &options).unwrap();
        // The scale of the weights, a power, and a sum of nine.
        assert_close(name, got.states.as_slice(), &want, 64.0 * EPS * (1.0 + scale(&want)));
        assert_eq!(got.status, [Status::MaxSteps; 5]);
    }
}

#[test]
fn options_of_the_two_layer_memory_count() {
    let mut random = Random::new(99);
    let xi = bipolar(&mut random, 5, 16);
    let q = damaged(&xi, 5);
    for model in MODELS {
        let memory = LagrangianMemory::builder(model)
            .device(&Device::cpu())
            .tau_hidden(0.0)
            .dt(0.2)
            .build(&xi)
            .unwrap();
        let mask = [true, false, true, true, false];
        let options = RecallOptions { mask: Some(&mask), top_k: Some(5), ..RecallOptions::default() };
        let masked = memory.recall_with(&q, &options).unwrap();
        let kept: Vec<f32> = [0, 2, 3].iter().flat_map(|k| xi.row(*k)).copied().collect();
        let alone = LagrangianMemory::builder(model)
            .device(&Device::cpu())
            .tau_hidden(0.0)
            .dt(0.2)
            .build(&Rows::new(kept, 16).unwrap())
            .unwrap()
            .recall(&q)
            .unwrap();
        assert_eq!(masked.states, alone.states, "{model:?}");
        assert_eq!(masked.energy, alone.energy, "{model:?}");
        for i in 0..5 {
            let best: Vec<(u32, f32)> = masked.top(i).collect();
            assert_eq!(masked.indices[5 * i + 3..5 * i + 5], [NO_PATTERN; 2], "{model:?}");
            let want: Vec<(u32, f32)> = alone.top(i).map(|(k, w)| ([0, 2, 3][k as usize], w)).collect();
            assert_eq!(best, want, "{model:?}");
            assert!((best.iter().map(|b| b.1).sum::<f32>() - 1.0).abs() < 1e-5, "{model:?}");
        }
        let clamp: Vec<bool> = (0..5 * 16).map(|i| i % 3 == 0).collect();
        let clamped = memory
            .recall_with(&q, &RecallOptions { clamp: Some(&clamp), ..RecallOptions::default() })
            .unwrap();
        for (at, clamp) in clamp.iter().enumerate().filter(|(_, c)| **c) {
            assert!(*clamp && clamped.states.as_slice()[at] == q.as_slice()[at], "{model:?}");
        }
    }
    let mut memory = LagrangianMemory::builder(MODELS[1]).device(&Device::cpu()).build(&xi).unwrap();
    let sharp = RecallOptions { beta: Some(50.0), ..RecallOptions::default() };
    assert_eq!(memory.recall_with(&q, &sharp).unwrap().beta, 50.0);
    memory.append(&[[2.0; 16]]).unwrap();
    assert_eq!(memory.len(), 6);
    assert_eq!(memory.recall(&[[0.6; 16]]).unwrap().indices[0], 5);
    assert_eq!(memory.recall(&Rows::empty(16)).unwrap().len(), 0);
}

#[test]
fn bad_settings_are_refused() {
    let xi = [[1.0_f32, -1.0], [1.0, 1.0]];
    let build = |model| LagrangianMemory::builder(model).device(&Device::cpu()).build(&xi);
    assert!(build(LagrangianModel::A { power: 1, beta: 1.0 }).is_err());
    assert!(build(LagrangianModel::A { power: 2, beta: 0.0 }).is_err());
    assert!(build(LagrangianModel::B { beta: f32::INFINITY }).is_err());
    let builder = LagrangianMemory::builder(MODELS[2]).device(&Device::cpu());
    assert!(builder.clone().tau_hidden(-1.0).build(&xi).is_err());
    assert!(builder.clone().dt(0.0).build(&xi).is_err());
    assert!(builder.clone().dt(1.5).build(&xi).is_err());
    assert!(matches!(builder.build(&[[f32::NAN, 0.0]]), Err(Error::NonFinite { .. })));
    assert!(matches!(builder.build(&Vec::<Vec<f32>>::new()), Err(Error::EmptyMemory)));
    let mut memory = builder.build(&xi).unwrap();
    let options = RecallOptions::default();
    let beta = RecallOptions { beta: Some(1.0), ..options.clone() };
    assert!(matches!(memory.recall_with(&xi, &beta), Err(Error::InvalidParameter { name: "beta", .. })));
    let half = RecallOptions { step_size: 0.5, ..options.clone() };
    assert!(matches!(memory.recall_with(&xi, &half), Err(Error::InvalidParameter { name: "step size", .. })));
    let masked = RecallOptions { mask: Some(&[false; 2]), ..options };
    assert!(matches!(memory.recall_with(&xi, &masked), Err(Error::NoEligiblePattern { patterns: 2 })));
    assert!(matches!(memory.recall(&[[1.0]]), Err(Error::DimensionMismatch { got: 1, want: 2, .. })));
    assert!(memory.energy(&[[f32::NAN, 0.0]]).is_err());
    assert!(memory.append(&[[1.0]]).is_err());
    assert_eq!(memory.len(), 2);
}

/// Model A drives its states to -1 and 1: other patterns would end at numbers of no meaning, and "converged".
#[test]
fn model_a_stores_bits_alone() {
    let a = || LagrangianMemory::builder(LagrangianModel::A { power: 8, beta: 4.0 }).device(&Device::cpu());
    let halves = [[0.5, -0.5, 0.5], [0.5, 0.5, -0.5]];
    let named = |error: Error| match error {
        Error::NotBipolar { what: "patterns", row, column, value } => (row, column, value),
        other => panic!("{other}"),
    };
    assert_eq!(named(a().build(&halves).err().unwrap()), (0, 0, 0.5));
    let mut memory = a().build(&[[1.0, -1.0, 1.0]]).unwrap();
    assert_eq!(named(memory.append(&[[1.0, 1.0, -1.0], [1.0, 0.0, 1.0]]).unwrap_err()), (1, 1, 0.0));
    assert_eq!(memory.len(), 1);
    memory.append(&[[1.0, 1.0, -1.0]]).unwrap();
    // States are real.
    let state = memory.recall(&[[0.5, -0.5, 0.5]]).unwrap().states;
    assert!(state.as_slice().iter().zip([1.0, -1.0, 1.0]).all(|(v, xi)| (v - xi).abs() < 0.1), "{state:?}");
    for name in [
        "lagrangian:a:8",
        "hopfield",
        "hopfield:storkey",
        "hopfield:pseudoinverse",
        "polynomial:3",
        "rectified:3",
        "exponential",
    ] {
        let energy: attractor::memory::Energy = name.parse().unwrap();
        assert!(energy.stores_bits(), "{name}");
        let settings =
            attractor::memory::EnergySettings { device: Some(Device::cpu()), ..Default::default() };
        let halves = std::sync::Arc::new(halves.concat());
        let error = energy.memory(halves, 3, &settings).err().unwrap();
        assert!(matches!(error, Error::NotBipolar { .. }), "{name}: {error}");
    }
}
