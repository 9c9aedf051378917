//! Memories of bits: exact overlaps, updates against their definition, falling energies, cycles, learning rules.

use super::common::*;
use attractor::{
    Bits, Error,
    memory::{BinaryMemory, BinarySettings, HopfieldMemory, HopfieldSettings, Learning, NO_PATTERN, Order},
    ops::{Interaction, Rule, overlaps},
    prelude::*,
    reference::{self, BinaryModel, Matrix, quadratic_energy},
};

const INTERACTIONS: [Interaction; 7] = [
    Interaction::Polynomial(2),
    Interaction::Polynomial(3),
    Interaction::Polynomial(4),
    Interaction::Polynomial(60),
    Interaction::Rectified(3),
    Interaction::Rectified(30),
    Interaction::Exponential,
];

pub(crate) fn bits(random: &mut Random, rows: usize, columns: usize) -> Rows<'static> {
    let values: Vec<f32> = random
        .rows(rows, columns, 1.0)
        .as_slice()
        .iter()
        .map(|v| if *v < 0.0 { -1.0 } else { 1.0 })
        .collect();
    Rows::new(values, columns).unwrap()
}

/// Each coordinate turned with this chance.
fn flipped(random: &mut Random, rows: &Rows<'_>, chance: f64) -> Rows<'static> {
    let values: Vec<f32> =
        rows.as_slice().iter().map(|v| if random.uniform() < chance { -v } else { *v }).collect();
    Rows::new(values, rows.columns()).unwrap()
}

pub(crate) fn overlap_cases(devices: &[(&'static str, Device)], shapes: &[(usize, usize, usize)]) {
    let mut random = Random::new(41);
    for &(b, n, d) in shapes {
        let (x, xi) = (bits(&mut random, b, d), bits(&mut random, n, d));
        let want = reference::matmul(&matrix(&x), &matrix(&xi), attractor::ops::Layout::NT);
        let want: Vec<f32> = want.data.iter().map(|v| *v as f32).collect();
        for (name, device) in devices {
            let (x, xi) = (Bits::new(device, &x).unwrap(), Bits::new(device, &xi).unwrap());
            assert_eq!(overlaps(&x, &xi).unwrap().to_vec().unwrap(), want, "{name} {b}x{n}x{d}");
        }
    }
}

#[test]
fn overlaps_are_exact() {
    let shapes = [(1, 1, 1), (2, 7, 63), (3, 8, 64), (5, 9, 65), (4, 130, 128), (9, 66, 300), (1, 3, 1000)];
    overlap_cases(&varied(), &shapes);
    overlap_cases(checked_gpus().get(..1).unwrap_or_default(), &shapes);
    overlap_cases(&[("cpu", Device::cpu())], &[(5, 40_003, 17)]);
}

/// One synchronous sweep, and the energy before it, against the definition.
#[test]
fn sweeps_follow_the_definition() {
    for (n, d) in [(1, 1), (5, 9), (30, 40), (7, 130)] {
        for interaction in INTERACTIONS {
            for rule in [Rule::Exact, Rule::Gradient, Rule::LeaveOneOut] {
                sweep_case(&varied(), (n, d), interaction, rule);
            }
        }
    }
}

pub(crate) fn sweep_case(
    devices: &[(&'static str, Device)],
    (n, d): (usize, usize),
    interaction: Interaction,
    rule: Rule,
) {
    let mut random = Random::new(42);
    let patterns = bits(&mut random, n, d);
    let queries = flipped(&mut random, &patterns.slice(0..n.min(3)), 0.2);
    let model = BinaryModel { patterns: matrix(&patterns), interaction, rule };
    for (name, device) in devices {
        let what = format!("{name} {interaction} {rule:?} {n}x{d}");
        let settings = BinarySettings {
            device: Some(device.clone()),
            rule,
            order: Order::Synchronous,
            ..BinarySettings::new(interaction)
        };
        let memory = BinaryMemory::with(&patterns, settings).unwrap();
        let options = RecallOptions { steps: 1, trace: true, ..RecallOptions::default() };
        let recall = memory.recall_with(&queries, &options).unwrap();
        for (i, x) in matrix(&queries).iter().enumerate() {
            let fields = model.fields(x);
            let largest = scale(&fields);
            for (j, (got, field)) in recall.states.row(i).iter().zip(&fields).enumerate() {
                // Sums of n weights of f32; what is nearer to 0 is a tie that rounding may decide.
                if field.abs() > 8.0 * EPS * (n as f64).sqrt() * largest {
                    assert_eq!(f64::from(*got), field.signum(), "{what}: bit {j} of {fields:?}");
                }
            }
            let want = model.energy(x);
            let size = n as f64 + want.abs();
            assert_close(&what, &[recall.trace.as_ref().unwrap()[i][0]], &[want], 8.0 * EPS * size);
        }
    }
}

/// Bit after bit no update raises the energy, every recall ends, and all devices take the same way.
#[test]
fn asynchronous_recall_descends_and_ends() {
    let mut random = Random::new(43);
    let patterns = bits(&mut random, 12, 70);
    let queries = flipped(&mut random, &patterns, 0.15);
    for interaction in INTERACTIONS {
        let mut of_cpu: Option<Vec<f32>> = None;
        for (name, device) in varied() {
            let settings =
                BinarySettings { device: Some(device.clone()), ..BinarySettings::new(interaction) };
            let memory = BinaryMemory::with(&patterns, settings).unwrap();
            let options = RecallOptions { trace: true, ..RecallOptions::default() };
            let recall = memory.recall_with(&queries, &options).unwrap();
            assert!(recall.status.iter().all(|s| *s == Status::Converged), "{name} {interaction}");
            for trace in recall.trace.unwrap() {
                let size = 8.0 * f32::EPSILON * (12.0 + trace[0].abs());
                assert!(trace.windows(2).all(|w| w[1] <= w[0] + size), "{name} {interaction}: {trace:?}");
            }
            let states = recall.states.into_vec();
            assert_eq!(of_cpu.get_or_insert_with(|| states.clone()), &states, "{name} {interaction}");
            if interaction != Interaction::Polynomial(2) {
                assert_eq!(states, patterns.as_slice(), "{name} {interaction}");
            }
        }
    }
}

#[test]
fn masks_and_known_bits() {
    let mut random = Random::new(44);
    let patterns = bits(&mut random, 20, 50);
    for (name, device) in varied() {
        for order in [Order::Synchronous, Order::Asynchronous] {
            let settings = BinarySettings {
                device: Some(device.clone()),
                order,
                ..BinarySettings::new(Interaction::Exponential)
            };
            let memory = BinaryMemory::with(&patterns, settings).unwrap();
            let mut mask = [true; 20];
            mask[3] = false;
            let options = RecallOptions { mask: Some(&mask), top_k: Some(20), ..RecallOptions::default() };
            let recall = memory.recall_with(&Rows::new(patterns.row(3), 50).unwrap(), &options).unwrap();
            assert_ne!(recall.states.row(0), patterns.row(3), "{name} {order}");
            // It is not in the list either.
            assert_eq!((recall.indices[19], recall.weights[19]), (NO_PATTERN, 0.0), "{name} {order}");
            assert!(!recall.indices.contains(&3), "{name} {order}");

            let mut query = patterns.row(5).to_vec();
            let mut known = [false; 50];
            for i in 0..4 {
                query[i] = -query[i];
                known[i] = true;
            }
            let options = RecallOptions { clamp: Some(&known), ..RecallOptions::default() };
            let recall = memory.recall_with(&Rows::new(&query[..], 50).unwrap(), &options).unwrap();
            assert_eq!(recall.states.row(0), query, "{name} {order}: the rest is that of the pattern");
        }
    }
}

/// Two patterns of four bits; and a network of two that never comes to rest when both change at once.
#[test]
fn classical_golden_values() {
    let patterns = [[1.0, 1.0, 1.0, 1.0], [1.0, -1.0, 1.0, -1.0]];
    let cue = [1.0, 1.0, 1.0, -1.0];
    for (name, device) in varied() {
        for bias in [vec![], vec![0.0; 4]] {
            let network = |order| {
                let settings = HopfieldSettings {
                    device: Some(device.clone()),
                    order,
                    bias: bias.clone(),
                    ..HopfieldSettings::default()
                };
                HopfieldMemory::with(&patterns, settings).unwrap()
            };
            let sync = network(Order::Synchronous);
            assert_eq!(sync.energy(&cue).unwrap(), [0.0], "{name}");
            let one = RecallOptions { steps: 1, ..RecallOptions::default() };
            let recall = sync.recall_with(&cue, &one).unwrap();
            assert_eq!(recall.states.row(0), [1.0, -1.0, 1.0, 1.0], "{name}");
            let recall = network(Order::Asynchronous).recall(&cue).unwrap();
            assert!(patterns.iter().any(|p| recall.states.row(0) == p), "{name}");
            assert_eq!(recall.status, [Status::Converged], "{name}");
        }
        let settings = HopfieldSettings {
            device: Some(device.clone()),
            order: Order::Synchronous,
            ..HopfieldSettings::default()
        };
        let anti = HopfieldMemory::with(&[[1.0, -1.0]], settings).unwrap();
        let recall = anti.recall(&[[1.0, 1.0], [1.0, -1.0]]).unwrap();
        assert_eq!(recall.status, [Status::Cycle2, Status::Converged], "{name}");
    }
}

/// The matrix of Hebb's rule, with nothing on its diagonal.
fn hebb(patterns: &Rows<'_>) -> Matrix {
    let d = patterns.columns();
    Matrix::from_fn(d, d, |i, j| {
        let products = patterns.iter().map(|xi| f64::from(xi[i] * xi[j])).sum::<f64>();
        if i == j { 0.0 } else { products / d as f64 }
    })
}

/// The network with and without its matrix, and the dense memory with n = 2, are one model.
pub(crate) fn hebb_cases(devices: &[(&'static str, Device)]) {
    let mut random = Random::new(45);
    let patterns = bits(&mut random, 6, 60);
    let queries = flipped(&mut random, &patterns, 0.3);
    let weights = hebb(&patterns);
    let energies: Vec<f64> =
        matrix(&queries).iter().map(|x| quadratic_energy(&weights, &[0.0; 60], x)).collect();
    for (name, device) in devices {
        for order in [Order::Synchronous, Order::Asynchronous] {
            let settings = |bias| HopfieldSettings {
                device: Some(device.clone()),
                order,
                bias,
                ..HopfieldSettings::default()
            };
            let free = HopfieldMemory::with(&patterns, settings(vec![])).unwrap();
            let matrix = HopfieldMemory::with(&patterns, settings(vec![0.0; 60])).unwrap();
            let dense = BinarySettings {
                device: Some(device.clone()),
                order,
                ..BinarySettings::new(Interaction::Polynomial(2))
            };
            let dense = BinaryMemory::with(&patterns, dense).unwrap();
            let recalls = [&free as &dyn Memory, &matrix, &dense].map(|m| m.recall(&queries).unwrap());
            assert_eq!(recalls[0].states, recalls[1].states, "{name} {order}");
            assert_eq!(recalls[0].states, recalls[2].states, "{name} {order}");
            assert_eq!(recalls[0].status, recalls[1].status, "{name} {order}");
            for memory in [&free, &matrix] {
                assert_close(
                    name,
                    &memory.energy(&queries).unwrap(),
                    &energies,
                    8.0 * EPS * scale(&energies),
                );
            }
        }
    }
}

#[test]
fn three_ways_to_hebb() {
    hebb_cases(&varied());
}

#[test]
fn a_bias_pulls() {
    let mut random = Random::new(45);
    let patterns = bits(&mut random, 6, 60);
    let queries = flipped(&mut random, &patterns, 0.3);
    let weights = hebb(&patterns);
    // A bias pulls: a large one decides alone, and it counts in the energy.
    let bias: Vec<f32> = (0..60).map(|i| if i % 2 == 0 { 50.0 } else { -50.0 }).collect();
    let settings = HopfieldSettings {
        device: Some(Device::cpu()),
        order: Order::Asynchronous,
        bias: bias.clone(),
        ..HopfieldSettings::default()
    };
    let biased = HopfieldMemory::with(&patterns, settings).unwrap();
    let recall = biased.recall(&queries).unwrap();
    assert!(recall.states.iter().all(|x| x.iter().zip(&bias).all(|(x, b)| x * b > 0.0)));
    let bias: Vec<f64> = bias.iter().map(|b| f64::from(*b)).collect();
    let want: Vec<f64> = matrix(&queries).iter().map(|x| quadratic_energy(&weights, &bias, x)).collect();
    assert_close("bias", &biased.energy(&queries).unwrap(), &want, 8.0 * EPS * scale(&want));
}

#[test]
fn learning_rules() {
    let mut random = Random::new(46);
    let d = 40;
    let patterns = bits(&mut random, 12, d);
    for (name, device) in varied() {
        let network = |learning| HopfieldSettings {
            device: Some(device.clone()),
            learning,
            order: Order::Asynchronous,
            ..HopfieldSettings::default()
        };
        // The projection keeps every pattern; its energy there is -(d - trace)/2 with the trace of the projection, 12.
        let memory = HopfieldMemory::with(&patterns, network(Learning::PseudoInverse)).unwrap();
        let recall = memory.recall(&patterns).unwrap();
        assert_eq!(recall.states, patterns, "{name}");
        assert!(recall.steps.iter().all(|s| *s == 1), "{name}");
        // Storing one by one is storing all.
        for learning in [Learning::Hebb, Learning::Storkey, Learning::PseudoInverse] {
            let whole = HopfieldMemory::with(&patterns, network(learning)).unwrap();
            let mut grown = HopfieldMemory::with(&patterns.slice(0..5), network(learning)).unwrap();
            let queries = flipped(&mut random, &patterns, 0.1);
            grown.recall(&queries).unwrap();
            grown.append(&patterns.slice(5..12)).unwrap();
            let (a, b) = (whole.recall(&queries).unwrap(), grown.recall(&queries).unwrap());
            assert_eq!(a.states, b.states, "{name} {learning}");
            let energy: Vec<f64> = a.energy.iter().map(|e| f64::from(*e)).collect();
            assert_close(name, &b.energy, &energy, 16.0 * EPS * scale(&energy));
        }
        // Forgetting takes out exactly what was put in.
        let mut memory = HopfieldMemory::with(&patterns, network(Learning::Hebb)).unwrap();
        let mut with_bias = network(Learning::Hebb);
        with_bias.bias = vec![0.0; d];
        let mut by_matrix = HopfieldMemory::with(&patterns, with_bias).unwrap();
        by_matrix.recall(&patterns).unwrap();
        memory.forget(2).unwrap();
        by_matrix.forget(2).unwrap();
        let mut kept: Vec<f32> = patterns.as_slice()[..11 * d].to_vec();
        kept[2 * d..3 * d].copy_from_slice(patterns.row(11));
        let fresh = HopfieldMemory::with(&Rows::new(kept, d).unwrap(), network(Learning::Hebb)).unwrap();
        let want = fresh.recall(&patterns).unwrap();
        for memory in [&memory, &by_matrix] {
            let got = memory.recall(&patterns).unwrap();
            assert_eq!(got.states, want.states, "{name}");
            let energy: Vec<f64> = want.energy.iter().map(|e| f64::from(*e)).collect();
            assert_close(name, &got.energy, &energy, 16.0 * EPS * scale(&energy));
        }
    }
    let twice = [patterns.row(0), patterns.row(1), patterns.row(0)].concat();
    let settings = HopfieldSettings {
        device: Some(Device::cpu()),
        learning: Learning::PseudoInverse,
        ..HopfieldSettings::default()
    };
    let twice = HopfieldMemory::with(&Rows::new(twice, d).unwrap(), settings);
    assert!(matches!(twice, Err(Error::Singular { row: 2 })));
}

#[test]
fn bad_input_is_refused() {
    let settings =
        BinarySettings { device: Some(Device::cpu()), ..BinarySettings::new(Interaction::Exponential) };
    let wrong = BinaryMemory::with(&[[1.0, -1.0], [1.0, 0.0]], settings.clone());
    assert!(matches!(wrong, Err(Error::NotBipolar { row: 1, column: 1, .. })));
    let memory = BinaryMemory::with(&[[1.0, -1.0]], settings).unwrap();
    assert!(matches!(memory.recall(&[[0.5, 1.0]]), Err(Error::NotBipolar { what: "queries", .. })));
    assert!(matches!(memory.recall(&[[1.0]]), Err(Error::DimensionMismatch { .. })));
    for power in [0, 1, 1001] {
        let settings = BinarySettings {
            device: Some(Device::cpu()),
            ..BinarySettings::new(Interaction::Polynomial(power))
        };
        assert!(BinaryMemory::with(&[[1.0, -1.0]], settings).is_err(), "{power}");
    }
    let network = HopfieldMemory::new(&[[1.0, -1.0]], Learning::Hebb, Order::Synchronous).unwrap();
    let options = RecallOptions { mask: Some(&[true]), ..RecallOptions::default() };
    assert!(network.recall_with(&[[1.0, 1.0]], &options).is_err());
}

/// Two patterns that differ in one bit, and a query that is one of them: that bit's field is exactly 0, so it stays, and the recall ends.
#[test]
fn ties_stay_ties() {
    let mut random = Random::new(47);
    for d in [7, 11, 24, 88, 200] {
        let one = bits(&mut random, 1, d);
        let mut two = [one.row(0), one.row(0)].concat();
        two[d + 3] = -two[d + 3];
        let patterns = Rows::new(two, d).unwrap();
        for interaction in [
            Interaction::Polynomial(2),
            Interaction::Polynomial(5),
            Interaction::Rectified(3),
            Interaction::Rectified(10),
            Interaction::Exponential,
        ] {
            for (name, device) in varied() {
                for order in [Order::Synchronous, Order::Asynchronous] {
                    let settings = BinarySettings {
                        device: Some(device.clone()),
                        order,
                        ..BinarySettings::new(interaction)
                    };
                    let memory = BinaryMemory::with(&patterns, settings).unwrap();
                    let recall = memory.recall(&patterns).unwrap();
                    let what = format!("{name} {interaction} {order} {d}");
                    assert_eq!(recall.states, patterns, "{what}");
                    assert_eq!(recall.status, [Status::Converged; 2], "{what}");
                }
            }
        }
    }
}

/// A power far beyond what the length can hold.
#[test]
fn large_powers_of_short_patterns() {
    for (name, device) in varied() {
        for interaction in [Interaction::Polynomial(1000), Interaction::Rectified(1000)] {
            let settings =
                BinarySettings { device: Some(device.clone()), ..BinarySettings::new(interaction) };
            for patterns in [Rows::new(vec![1.0], 1).unwrap(), Rows::new(vec![1.0, -1.0, 1.0], 3).unwrap()] {
                let memory = BinaryMemory::with(&patterns, settings.clone()).unwrap();
                let recall = memory.recall(&patterns).unwrap();
                assert_eq!(recall.states, patterns, "{name} {interaction}");
                assert!(
                    recall.energy[0].is_finite() && recall.weights[0].is_finite(),
                    "{name} {interaction}"
                );
            }
        }
    }
}
