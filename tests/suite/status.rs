//! What a recall says of its own end: at rest to within the tolerance, whatever the step; unable to move; or stopped by its energy.

use super::common::*;
use attractor::{
    Device, Rows,
    memory::{
        Beta, BinaryMemory, BinarySettings, DenseMemory, FeatureDescent, FeatureMemory, HopfieldMemory,
        HopfieldSettings, KernelizedMemory, KernelizedSettings, LagrangianMemory, LagrangianModel, Learning,
        LinearMap, Memory, Order, RecallOptions, SparseMemory, SparseSettings, SpreadMemory, StateSpace,
        Status,
    },
    ops::{FeatureMap, FeatureSpec, Interaction, Rule, Separation, Similarity},
};

fn bits(random: &mut Random, n: usize, d: usize) -> Rows<'static> {
    let bit = |_| if random.below(2) == 0 { -1.0 } else { 1.0 };
    Rows::new((0..n * d).map(bit).collect::<Vec<f32>>(), d).unwrap()
}

/// Every memory whose states move by a share of the way, on a device.
fn movable(device: &Device, patterns: &Rows<'_>) -> Vec<(&'static str, Box<dyn Memory>)> {
    let dense = || DenseMemory::builder().beta(2.0);
    let sparse = SparseSettings {
        device: Some(device.clone()),
        separation: Separation::Entmax(1.5),
        beta: Beta::Fixed(0.5),
        ..SparseSettings::default()
    };
    let kernelized = |space| {
        let map = LinearMap::random(patterns.columns(), patterns.columns(), false, 3).unwrap();
        let settings =
            KernelizedSettings { device: Some(device.clone()), beta: 0.5, space, ..Default::default() };
        Box::new(KernelizedMemory::new(patterns, map, settings).unwrap())
    };
    vec![
        ("dense", Box::new(dense().device(device).build(patterns).unwrap())),
        ("sparse", Box::new(SparseMemory::with(patterns, sparse).unwrap())),
        ("kernelized", kernelized(StateSpace::Patterns)),
        ("among features", kernelized(StateSpace::Features)),
    ]
}

/// A step of a ten-millionth moves nothing, and is no rest: what counts is how far the full update is.
#[test]
fn short_steps_do_not_converge() {
    let mut random = Random::new(301);
    let (patterns, queries) = (random.rows(7, 6, 1.0), random.rows(3, 6, 1.0));
    for (name, device) in varied() {
        let mut memories = movable(&device, &patterns);
        if name == "cpu" {
            let spread = SpreadMemory::new(&patterns, &[Device::cpu(), Device::cpu()], Similarity::L2, 2.0);
            memories.push(("spread", Box::new(spread.unwrap())));
        }
        for (kind, memory) in memories {
            let what = format!("{kind} on {name}");
            let short = RecallOptions { step_size: 1e-7, steps: 5, ..RecallOptions::default() };
            let recall = memory.recall_with(&queries, &short).unwrap();
            assert_eq!(recall.status, [Status::MaxSteps; 3], "{what}");
            assert_eq!(recall.steps, [5; 3], "{what}");
            // A tenth of the way at a time ends where the whole way does, and says so there only.
            let at = |step_size, steps| {
                let options =
                    RecallOptions { step_size, steps, tolerance: Some(1e-4), ..RecallOptions::default() };
                memory.recall_with(&queries, &options).unwrap()
            };
            let (whole, tenth) = (at(1.0, 3000), at(0.1, 3000));
            assert_eq!(tenth.status, [Status::Converged; 3], "{what}");
            assert_eq!(whole.status, [Status::Converged; 3], "{what}");
            if kind == "dense" {
                let update = at(0.1, 3000).states;
                let next = memory
                    .recall_with(&update, &RecallOptions { steps: 1, ..RecallOptions::default() })
                    .unwrap();
                let off = next.states.as_slice().iter().zip(update.as_slice()).map(|(a, b)| (a - b).abs());
                assert!(off.fold(0.0, f32::max) <= 1.1e-4, "{what}");
            }
        }
    }
}

/// Powers of a thousand, of overlaps a fifth of the dimension: `0.2^1000` is no f64, and yet the nearest pattern comes back.
#[test]
fn large_powers_find_the_nearest_pattern() {
    let mut random = Random::new(302);
    let (n, d) = (6, 60);
    let patterns = bits(&mut random, n, d);
    // Random bits, a few of which are taken from a pattern: overlaps of 12 to 20.
    let cues: Vec<f32> = (0..n)
        .flat_map(|k| {
            let noise = bits(&mut random, 1, d);
            let taken = |i: usize| if i.is_multiple_of(3) { patterns[(k, i)] } else { noise[(0, i)] };
            (0..d).map(taken).collect::<Vec<f32>>()
        })
        .collect();
    let cues = Rows::new(cues, d).unwrap();
    let overlap = |x: &[f32], k: usize| patterns.row(k).iter().zip(x).map(|(a, b)| a * b).sum::<f32>();
    for (name, device) in varied() {
        for order in [Order::Synchronous, Order::Asynchronous] {
            for rule in [Rule::Exact, Rule::Gradient, Rule::LeaveOneOut] {
                for interaction in [Interaction::Rectified(1000), Interaction::Polynomial(999)] {
                    let settings = BinarySettings {
                        device: Some(device.clone()),
                        rule,
                        order,
                        ..BinarySettings::new(interaction)
                    };
                    let recall = BinaryMemory::with(&patterns, settings).unwrap().recall(&cues).unwrap();
                    for (i, cue) in cues.iter().enumerate() {
                        // With such a power the pattern of the largest overlap decides alone.
                        let size = |k: usize| match interaction {
                            Interaction::Rectified(_) => overlap(cue, k),
                            _ => overlap(cue, k).abs(),
                        };
                        let mut order: Vec<usize> = (0..n).collect();
                        order.sort_by(|a, b| size(*b).total_cmp(&size(*a)));
                        if size(order[0]) < size(order[1]) + 4.0 {
                            continue;
                        }
                        let sign = if overlap(cue, order[0]) < 0.0 { -1.0 } else { 1.0 };
                        let want: Vec<f32> = patterns.row(order[0]).iter().map(|v| sign * v).collect();
                        let what = format!("{interaction} {rule:?} {order:?} on {name}, cue {i}");
                        assert_eq!(recall.states.row(i), want, "{what}");
                        assert_eq!(recall.status[i], Status::Converged, "{what}");
                    }
                }
            }
        }
    }
}

/// Where nothing acts on a state it stays, and this is not called convergence.
#[test]
fn what_cannot_move_is_inert() {
    assert_eq!((Status::Inert.code(), Status::Inert.to_string()), (8, "inert".to_owned()));
    let one = [[1.0_f32, 1.0, -1.0, 1.0, -1.0]];
    let opposite = [[-1.0_f32, -1.0, 1.0, -1.0, 1.0]];
    let pair = [one[0], opposite[0]];
    for (name, device) in varied() {
        for order in [Order::Synchronous, Order::Asynchronous] {
            let dense = |interaction, patterns: &[[f32; 5]]| {
                let settings = BinarySettings {
                    device: Some(device.clone()),
                    order,
                    ..BinarySettings::new(interaction)
                };
                BinaryMemory::with(&patterns.to_vec(), settings).unwrap()
            };
            // A rectified power has no part in a state that no pattern overlaps with.
            let recall = dense(Interaction::Rectified(4), &one).recall(&opposite).unwrap();
            assert_eq!(
                (recall.status[0], recall.states.row(0)),
                (Status::Inert, &opposite[0][..]),
                "{name} {order}"
            );
            // Of an odd power a pattern and its opposite cancel.
            let recall = dense(Interaction::Polynomial(3), &pair).recall(&one).unwrap();
            assert_eq!(
                (recall.status[0], recall.states.row(0)),
                (Status::Inert, &one[0][..]),
                "{name} {order}"
            );
            let recall = dense(Interaction::Rectified(4), &one).recall(&one).unwrap();
            assert_eq!(recall.status[0], Status::Converged, "{name} {order}");
            let known = RecallOptions { clamp: Some(&[true; 5]), ..RecallOptions::default() };
            let recall = dense(Interaction::Rectified(4), &one).recall_with(&one, &known).unwrap();
            assert_eq!(recall.status[0], Status::Inert, "{name} {order}");
            // As many patterns as dimensions: their couplings cancel, or are projections onto everything.
            let axes = [
                [1.0_f32, 1.0, 1.0, 1.0],
                [1.0, -1.0, 1.0, -1.0],
                [1.0, 1.0, -1.0, -1.0],
                [1.0, -1.0, -1.0, 1.0],
            ];
            for learning in [Learning::Hebb, Learning::PseudoInverse] {
                let settings =
                    HopfieldSettings { device: Some(device.clone()), learning, order, ..Default::default() };
                let memory = HopfieldMemory::with(&axes, settings.clone()).unwrap();
                let recall = memory.recall(&[[1.0, 1.0, 1.0, -1.0]]).unwrap();
                assert_eq!(recall.status, [Status::Inert], "{name} {learning} {order}");
                assert_eq!(recall.states.row(0), [1.0, 1.0, 1.0, -1.0], "{name} {learning} {order}");
                let memory = HopfieldMemory::with(&axes[..1].to_vec(), settings).unwrap();
                let recall = memory.recall(&[[1.0, 1.0, 1.0, -1.0]]).unwrap();
                assert_eq!(recall.status, [Status::Converged], "{name} {learning} {order}");
            }
        }
        let (patterns, query) = ([[1.0_f32, 0.0, 0.2], [0.0, 1.0, 0.4]], [[0.0_f32, 0.0, 2.0]]);
        for weights in [vec![0.0_f32; 6], vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0]] {
            for space in [StateSpace::Patterns, StateSpace::Features] {
                let map = LinearMap::given(&Rows::new(weights.clone(), 3).unwrap(), None).unwrap();
                let settings =
                    KernelizedSettings { device: Some(device.clone()), space, ..Default::default() };
                let memory = KernelizedMemory::new(&patterns, map, settings).unwrap();
                let recall = memory.recall(&query).unwrap();
                assert_eq!(
                    (recall.status[0], recall.states.row(0)),
                    (Status::Inert, &query[0][..]),
                    "{name} {space:?}"
                );
            }
        }
        let patterns = Rows::new(vec![1.0, 0.0, 0.2, 0.0, 1.0, 0.4], 3).unwrap();
        let known = RecallOptions { clamp: Some(&[true; 3]), ..RecallOptions::default() };
        for (kind, memory) in movable(&device, &patterns).into_iter().take(2) {
            let recall = memory.recall_with(&query, &known).unwrap();
            assert_eq!(
                (recall.status[0], recall.states.row(0)),
                (Status::Inert, &query[0][..]),
                "{kind} on {name}"
            );
        }
        let mut features = FeatureMemory::new(FeatureSpec::new(FeatureMap::SinCos, 400, 3, 2.0, 1)).unwrap();
        features.absorb(&patterns).unwrap();
        let fixed = FeatureDescent { clamp: Some(&[true; 3]), ..FeatureDescent::default() };
        let recall = features.descend(&[[0.9, 0.1, 0.2]], &fixed).unwrap();
        assert_eq!((recall.status[0], recall.states.row(0)), (Status::Inert, &[0.9, 0.1, 0.2][..]), "{name}");
    }
}

/// The energy of a recall with clamped neurons of directions never climbs: it stops where it would.
#[test]
fn an_energy_that_would_climb_stops_the_recall() {
    let mut random = Random::new(303);
    let mut stopped = 0;
    for (n, d, power) in [(3, 6, 2), (5, 8, 2), (4, 12, 3), (2, 4, 2), (6, 20, 2)] {
        let patterns = random.rows(n, d, 1.0);
        let queries = random.rows(6, d, 1.0);
        let clamp: Vec<bool> = (0..d).map(|i| i % 3 != 2).collect();
        for tau in [0.0, 0.2] {
            let memory = LagrangianMemory::builder(LagrangianModel::C { power })
                .device(&Device::cpu())
                .tau_hidden(tau)
                .dt(0.1)
                .build(&patterns)
                .unwrap();
            let options = RecallOptions { clamp: Some(&clamp), trace: true, ..RecallOptions::default() };
            let recall = memory.recall_with(&queries, &options).unwrap();
            for (i, trace) in recall.trace.as_ref().unwrap().iter().enumerate() {
                let mut lowest = f32::INFINITY;
                for energy in trace {
                    lowest = lowest.min(*energy);
                    assert!(energy - lowest < 1e-4 * (1.0 + lowest.abs()), "{n} x {d}, tau {tau}: {trace:?}");
                }
                stopped += usize::from(recall.status[i] == Status::EnergyRises);
            }
        }
    }
    assert!(stopped >= 10, "{stopped} of 60");
}

/// Sums over thousands of neurons are known to some thousandths only, which is no rise of the energy.
#[test]
fn many_neurons_come_to_rest() {
    let mut random = Random::new(304);
    let d = 4097;
    let patterns = bits(&mut random, 3, d);
    let query: Vec<f32> =
        patterns.row(1).iter().enumerate().map(|(i, v)| if i % 7 == 0 { -v } else { 0.9 * v }).collect();
    let memory = LagrangianMemory::builder(LagrangianModel::A { power: 3, beta: 4.0 })
        .device(&Device::cpu())
        .dt(0.05)
        .build(&patterns)
        .unwrap();
    let recall = memory.recall(&query).unwrap();
    assert_eq!(recall.status, [Status::Converged], "{} steps", recall.steps[0]);
    assert!(recall.states.row(0).iter().zip(patterns.row(1)).all(|(v, xi)| v * xi > 0.9));
}
