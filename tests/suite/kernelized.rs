//! Kernelized memories: the specification's worked numbers, descent, certificates, and separation training.

use super::common::*;
use attractor::{
    Device, Rows,
    memory::{
        Certificate, FeatureTransform, Hidden, KernelizedMemory, KernelizedSettings, LinearMap, Memory,
        MlpMap, RandomMap, RecallOptions, SeparationReport, SeparationSettings, SeparationWarning,
        StateSpace, gaps, separate_memories,
    },
    ops::{FeatureMap, FeatureSpec, Separation, SeparationLoss},
    optimize::{Adam, Optimizer},
    reference::{KernelizedModel, Matrix},
};

const MAPS: [Separation; 3] = [Separation::Softmax, Separation::Entmax(1.5), Separation::Entmax(2.0)];

fn cpu(settings: KernelizedSettings) -> KernelizedSettings {
    KernelizedSettings { device: Some(Device::cpu()), ..settings }
}

/// Random rows of length 1.
fn sphere(random: &mut Random, rows: usize, columns: usize) -> Rows<'static> {
    let mut all = random.rows(rows, columns, 1.0).into_vec();
    for row in all.chunks_exact_mut(columns) {
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        row.iter_mut().for_each(|v| *v /= length);
    }
    Rows::new(all, columns).unwrap()
}

fn model(
    patterns: &Matrix,
    weights: Matrix,
    bias: Vec<f64>,
    separation: Separation,
    beta: f64,
) -> KernelizedModel {
    KernelizedModel { patterns: patterns.clone(), weights, bias, separation, beta, unit: false }
}

#[test]
fn the_worked_recall() {
    let patterns = Matrix::from_rows(&[[1.0, 0.0], [0.0, 1.0]]);
    let weights = Matrix::from_rows(&[[2.0, 0.0], [0.0, 1.0]]);
    let model = model(&patterns, weights, vec![0.0; 2], Separation::Softmax, 1.0);
    let want = [
        ([0.6_f64, 0.5], -1.69438676_f64),
        ([0.86989153, 0.13010847], -1.99218078),
        ([0.96608707, 0.03391293], -2.01859285),
        ([0.97876073, 0.02123927], -2.01903531),
    ];
    let mut x = vec![0.6, 0.5];
    for (state, energy) in want {
        assert!(x.iter().zip(state).all(|(a, b)| (a - b).abs() < 1e-8), "{x:?}, want {state:?}");
        assert!((model.energy(&x) - energy).abs() < 1e-8, "{}", model.energy(&x));
        x = model.step(&x);
    }
    let map = LinearMap::given(&Rows::new(vec![2.0, 0.0, 0.0, 1.0], 2).unwrap(), None).unwrap();
    for (name, device) in varied() {
        for space in [StateSpace::Patterns, StateSpace::Features] {
            let settings =
                KernelizedSettings { device: Some(device.clone()), beta: 1.0, space, ..Default::default() };
            let memory = KernelizedMemory::new(&[[1.0, 0.0], [0.0, 1.0]], map.clone(), settings).unwrap();
            let options = RecallOptions { steps: 3, tolerance: Some(0.0), trace: true, ..Default::default() };
            let recall = memory.recall_with(&[[0.6, 0.5]], &options).unwrap();
            assert_close(name, recall.states.as_slice(), &want[3].0, 1e-5);
            let energies: Vec<f64> = want.iter().map(|w| w.1).collect();
            assert_close(name, &recall.trace.unwrap()[0], &energies, 1e-5);
            assert_eq!(recall.indices[0], 0);
        }
    }
}

#[test]
fn separations_are_the_worked_ones() {
    // The scores are the query itself where the patterns are the axes.
    let axes = Matrix::from_fn(4, 4, |i, j| f64::from(u8::from(i == j)));
    for (separation, want) in MAPS.into_iter().zip([
        [0.47399085, 0.28748998, 0.17437149, 0.06414769],
        [0.62419753, 0.29166667, 0.0841358, 0.0],
        [0.75, 0.25, 0.0, 0.0],
    ]) {
        let model = model(&axes, axes.clone(), vec![0.0; 4], separation, 1.0);
        let x = model.step(&[1.0, 0.5, 0.0, -1.0]);
        assert!(x.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-8), "{separation}: {x:?}");
        let map = LinearMap::given(&Rows::new(narrow(&axes), 4).unwrap(), None).unwrap();
        for (name, device) in varied() {
            let settings = KernelizedSettings {
                device: Some(device),
                beta: 1.0,
                separation,
                ..KernelizedSettings::default()
            };
            let memory =
                KernelizedMemory::new(&Rows::new(narrow(&axes), 4).unwrap(), map.clone(), settings).unwrap();
            let once = RecallOptions { steps: 1, ..RecallOptions::default() };
            let recall = memory.recall_with(&[[1.0, 0.5, 0.0, -1.0]], &once).unwrap();
            assert_close(&format!("{name} {separation}"), recall.states.as_slice(), &want, 1e-5);
        }
    }
}

fn narrow(m: &Matrix) -> Vec<f32> {
    m.data.iter().map(|v| *v as f32).collect()
}

#[test]
fn fixed_points_of_pairs_and_simplices_are_known() {
    let settle = |model: &KernelizedModel, mut x: Vec<f64>| {
        for _ in 0..20_000 {
            x = model.step(&x);
        }
        x
    };
    let pair = Matrix::from_rows(&[[1.0], [-1.0]]);
    for (beta, want) in [(0.8, 0.0), (1.1, 0.5029405749), (2.0, 0.9575040241), (5.0, 0.9999091217)] {
        let model = model(&pair, Matrix::from_rows(&[[1.0]]), vec![0.0], Separation::Softmax, beta);
        let m = settle(&model, vec![0.9])[0];
        assert!((m - want).abs() < 1e-8, "{beta}: {m}");
    }
    for (count, beta, want) in
        [(3, 3.0, 0.9613662557), (5, 3.0, 0.7771346748), (10, 3.0, 0.0), (10, 10.0, 0.9998503180)]
    {
        // The corners of a simplex with its centre at 0, of length 1.
        let n = count as f64;
        let corner = |i: usize, j: usize| (f64::from(u8::from(i == j)) - 1.0 / n) * (n / (n - 1.0)).sqrt();
        let corners = Matrix::from_fn(count, count, corner);
        let axes = Matrix::from_fn(count, count, |i, j| f64::from(u8::from(i == j)));
        let model = model(&corners, axes, vec![0.0; count], Separation::Softmax, beta);
        let x = settle(&model, corners.row(0).to_vec());
        let m: f64 = x.iter().zip(corners.row(0)).map(|(a, b)| a * b).sum();
        assert!((m - want).abs() < 1e-8, "{count} {beta}: {m}");
    }
}

#[test]
fn no_step_raises_the_energy() {
    let mut random = Random::new(1);
    let (mut steps, mut unit_steps) = (0, 0);
    for case in 0..420 {
        let (count, d) = (2 + random.below(8), 2 + random.below(5));
        let features = 1 + random.below(2 * d);
        let patterns = Matrix::from_fn(count, d, |_, _| random.normal());
        let weights = Matrix::from_fn(features, d, |_, _| random.normal());
        let unit = case % 4 == 3;
        let biased = case % 2 == 0;
        let bias = (0..features).map(|_| if biased { random.normal() } else { 0.0 }).collect();
        let beta = (4.0 * random.uniform() - 2.0).exp();
        let model = KernelizedModel { unit, ..model(&patterns, weights, bias, MAPS[case % 3], beta) };
        for _ in 0..5 {
            let mut x: Vec<f64> = (0..d).map(|_| 2.0 * random.normal()).collect();
            let mut energy = model.energy(&x);
            for _ in 0..6 {
                let step = model.step(&x);
                // Part of the way goes down too.
                let share = if random.below(2) == 0 { 1.0 } else { 1.0 - random.uniform() };
                let damped = x.iter().zip(&step).map(|(a, b)| a + share * (b - a));
                x = damped.collect();
                let next = model.energy(&x);
                assert!(next <= energy + 1e-9 * (1.0 + energy.abs()), "{model:?}: {energy} to {next}");
                energy = next;
                if unit { unit_steps += 1 } else { steps += 1 }
            }
        }
    }
    assert!(steps + unit_steps >= 10_000 && unit_steps > 2000, "{steps} {unit_steps}");
}

#[test]
fn recalls_agree_with_the_reference_on_every_device_and_in_both_spaces() {
    let mut random = Random::new(2);
    for (case, (count, d, features)) in [(7, 5, 3), (6, 4, 4), (9, 3, 8), (1, 3, 2)].into_iter().enumerate() {
        let patterns = random.rows(count, d, 1.0);
        let weights = random.rows(features, d, 0.7);
        let bias = (case % 2 == 0).then(|| random.rows(1, features, 0.5).into_vec());
        let queries = random.rows(3, d, 1.0);
        let map = LinearMap::given(&weights, bias.as_deref()).unwrap();
        for separation in MAPS {
            for unit in [false, true] {
                if unit && bias.is_some() {
                    continue;
                }
                let wide = bias.clone().unwrap_or_else(|| vec![0.0; features]);
                let model = KernelizedModel {
                    unit,
                    ..model(
                        &matrix(&patterns),
                        matrix(&weights),
                        wide.into_iter().map(f64::from).collect(),
                        separation,
                        2.0,
                    )
                };
                // In unit mode what is given out mixes the patterns as they are.
                let mut want = Vec::new();
                for query in queries.iter() {
                    let mut x: Vec<f64> = query.iter().map(|v| f64::from(*v)).collect();
                    if unit {
                        // Queries start from features of length 1, as patterns have them.
                        let length = model.features(&x).iter().map(|v| v * v).sum::<f64>().sqrt();
                        x.iter_mut().for_each(|v| *v /= length);
                    }
                    x = model.step(&model.step(&x));
                    let weights = model.look(&model.features(&x)).0;
                    want.extend((0..d).map(|j| {
                        weights.iter().zip(model.patterns.iter()).map(|(p, r)| p * r[j]).sum::<f64>()
                    }));
                }
                for (name, device) in varied() {
                    for space in [StateSpace::Patterns, StateSpace::Features] {
                        let settings = KernelizedSettings {
                            device: Some(device.clone()),
                            separation,
                            beta: 2.0,
                            unit,
                            space,
                        };
                        let memory = KernelizedMemory::new(&patterns, map.clone(), settings).unwrap();
                        let three = RecallOptions { steps: 3, tolerance: Some(0.0), ..Default::default() };
                        let recall = memory.recall_with(&queries, &three).unwrap();
                        let what =
                            format!("{name} {separation} {space:?} unit {unit} {count}x{d}x{features}");
                        assert_close(&what, recall.states.as_slice(), &want, 2e-4);
                        assert_eq!(recall.support.is_some(), separation != Separation::Softmax, "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn patterns_in_another_order_give_the_same_recalls() {
    let mut random = Random::new(3);
    let (patterns, queries) = (random.rows(9, 4, 1.0), random.rows(5, 4, 1.0));
    let order = [3, 0, 8, 1, 7, 2, 6, 5, 4];
    let turned: Vec<&[f32]> = order.iter().map(|i| patterns.row(*i)).collect();
    let map = LinearMap::random(4, 4, true, 5).unwrap();
    let settings = || cpu(KernelizedSettings { beta: 3.0, ..KernelizedSettings::default() });
    let a = KernelizedMemory::new(&patterns, map.clone(), settings()).unwrap().recall(&queries).unwrap();
    let b = KernelizedMemory::new(&turned, map, settings()).unwrap().recall(&queries).unwrap();
    let want: Vec<f64> = a.states.as_slice().iter().map(|v| f64::from(*v)).collect();
    assert_close("states", b.states.as_slice(), &want, 1e-5);
    for i in 0..5 {
        assert_eq!(a.indices[i * a.top_k] as usize, order[b.indices[i * b.top_k] as usize]);
    }
}

#[test]
fn options_of_a_recall_are_kept() {
    let mut random = Random::new(4);
    let patterns = sphere(&mut random, 8, 4);
    let map = LinearMap::random(4, 4, false, 1).unwrap();
    let mut memory =
        KernelizedMemory::new(&patterns.slice(0..5), map.clone(), cpu(KernelizedSettings::default()))
            .unwrap();
    memory.append(&patterns.slice(5..8)).unwrap();
    assert_eq!(memory.len(), 8);
    memory.associate(&[[0.0], [1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0]]).unwrap();
    let mut mask = [true; 8];
    mask[6] = false;
    let options = RecallOptions { mask: Some(&mask), beta: Some(80.0), ..RecallOptions::default() };
    let recall = memory.recall_with(&patterns.slice(6..8), &options).unwrap();
    assert!(recall.indices[0] != 6 && recall.beta == 80.0);
    assert_eq!(recall.values.unwrap().columns(), 1);
    let clamp = [true, false, false, false];
    let options = RecallOptions { clamp: Some(&clamp), ..RecallOptions::default() };
    let recall = memory.recall_with(&[[0.25, 0.1, 0.2, 0.3]], &options).unwrap();
    assert_eq!(recall.states[(0, 0)], 0.25);
    let hidden = [false; 8];
    let options = RecallOptions { mask: Some(&hidden), ..RecallOptions::default() };
    assert!(memory.recall_with(&patterns, &options).is_err());
    assert!(memory.append(&patterns).is_err(), "values are missing");
    assert_eq!(memory.recall(&Rows::empty(4)).unwrap().len(), 0);
    // Among features no coordinate of a query can be kept.
    let among = KernelizedSettings { space: StateSpace::Features, ..KernelizedSettings::default() };
    let among = KernelizedMemory::new(&patterns, map, cpu(among)).unwrap();
    let options = RecallOptions { clamp: Some(&clamp), ..RecallOptions::default() };
    assert!(among.recall_with(&patterns, &options).unwrap_err().to_string().contains("clamp"));
}

#[test]
fn maps_that_are_not_linear_recall_and_descend() {
    let mut random = Random::new(5);
    let patterns = sphere(&mut random, 12, 3);
    let spec = FeatureSpec::new(FeatureMap::SinCos, 2000, 3, 80.0, 7);
    let mut mlp = MlpMap::random(3, 24, 6, Hidden::Tanh, 2).unwrap();
    let settings = SeparationSettings { starts: 1, iterations: 200, ..SeparationSettings::default() };
    let report = separate_memories(&patterns, &mut mlp, &settings, None).unwrap();
    // Twelve points in six dimensions can all be at right angles; no linear map of three columns brings them there.
    assert!(report.gap() > 0.9 && report.gaps[0] < 0.5, "{report:?}");
    assert!(report.warnings.is_empty() && report.condition.is_none());
    let maps: [Box<dyn FeatureTransform>; 2] = [Box::new(RandomMap::new(spec).unwrap()), Box::new(mlp)];
    for map in maps {
        let settings = cpu(KernelizedSettings { beta: 30.0, unit: true, ..KernelizedSettings::default() });
        let memory = KernelizedMemory::boxed(&patterns, map, settings).unwrap();
        let options = RecallOptions { trace: true, ..RecallOptions::default() };
        let recall = memory.recall_with(&patterns, &options).unwrap();
        let what = format!("{} features", memory.map().features());
        for (i, trace) in recall.trace.unwrap().into_iter().enumerate() {
            assert_eq!(recall.indices[i * recall.top_k] as usize, i, "{what}");
            assert!(trace.windows(2).all(|w| w[1] <= w[0] + 1e-5), "{trace:?}");
            let off = recall.states.row(i).iter().zip(patterns.row(i)).map(|(a, b)| (a - b).abs());
            assert!(off.fold(0.0, f32::max) < 0.05, "pattern {i}");
        }
    }
}

#[test]
fn the_bracket_holds_the_gap() {
    let mut random = Random::new(6);
    for _ in 0..300 {
        let (count, d) = (2 + random.below(20), 1 + random.below(6));
        let phi: Vec<f64> = sphere(&mut random, count, d).as_slice().iter().map(|v| f64::from(*v)).collect();
        let mut unit = phi;
        for row in unit.chunks_exact_mut(d) {
            let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            row.iter_mut().for_each(|v| *v /= length);
        }
        let gap = gaps(&unit, d, &Device::cpu()).unwrap().into_iter().fold(f64::INFINITY, f64::min);
        let tau = (-8.0 * random.uniform()).exp();
        let loss = attractor::ops::separation_loss_f64(&unit, d, SeparationLoss::Pair, tau).unwrap().0;
        let pairs = 0.5 * (count * (count - 1)) as f64;
        let (low, high) = (1.0 - tau * loss - tau * pairs.ln(), 1.0 - tau * loss);
        assert!(low <= gap + 1e-12 && gap <= high + 1e-12, "{low} {gap} {high}");
    }
}

#[test]
fn a_certified_pattern_is_stored() {
    let mut random = Random::new(7);
    let (mut certified, mut cases) = (0, 0);
    while cases < 208 {
        let (count, d) = (2 + random.below(12), 2 + random.below(12));
        let patterns = sphere(&mut random, count, d);
        let map = LinearMap::random(d, d, false, cases as u64).unwrap();
        let beta = (1.0 + 5.0 * random.uniform()).exp();
        let settings = KernelizedSettings { beta: beta as f32, ..KernelizedSettings::default() };
        let unit = KernelizedSettings { unit: cases % 2 == 0, ..settings };
        let memory = KernelizedMemory::new(&patterns, map, cpu(unit)).unwrap();
        let Certificate { stored, radius, .. } = memory.certify(beta as f32).unwrap();
        cases += 1;
        let columns = memory.map().features();
        let features = memory.features().unwrap();
        let keys = Matrix { data: features, rows: count, columns };
        let axes = Matrix::from_fn(columns, columns, |i, j| f64::from(u8::from(i == j)));
        let network = model(&keys, axes, vec![0.0; columns], Separation::Softmax, f64::from(beta as f32));
        for k in (0..count).filter(|k| stored[*k]).take(2) {
            certified += 1;
            let mut ends: Vec<Vec<f64>> = Vec::new();
            for _ in 0..20 {
                let direction: Vec<f64> = (0..columns).map(|_| random.normal()).collect();
                let length = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
                let reach = radius * random.uniform().sqrt();
                let mut y: Vec<f64> =
                    keys.row(k).iter().zip(&direction).map(|(f, v)| f + reach * v / length).collect();
                for _ in 0..60 {
                    y = network.step(&y);
                    let away = y.iter().zip(keys.row(k)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                    assert!(away <= radius * (1.0 + 1e-9), "left the ball: {away} > {radius}");
                }
                ends.push(y);
            }
            let first = &ends[0];
            let same = |end: &Vec<f64>| end.iter().zip(first).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(ends.iter().all(same), "more than one fixed point");
        }
    }
    assert!(certified > 100, "{certified}");
}

/// The smallest gap of the features that a matrix gives, at length 1, in f64.
fn gap_through(weights: &Rows<'_>, patterns: &Rows<'_>) -> f64 {
    let (weights, patterns) = (matrix(weights), matrix(patterns));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let features: Vec<Vec<f64>> =
        patterns.iter().map(|x| weights.iter().map(|w| dot(w, x)).collect()).collect();
    let cosine = |i: usize, j: usize| {
        let (a, b) = (&features[i], &features[j]);
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    let pairs = (0..features.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
    1.0 - pairs.map(|(i, j)| cosine(i, j)).fold(-1.0, f64::max)
}

/// `d + 1` patterns are where a loss of directions alone shrinks one to nothing, and with it what f32 knows of its direction.
#[test]
fn what_is_said_of_a_trained_map_holds_for_the_matrix_in_f32() {
    let mut sets = vec![(Rows::new(vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0], 2).unwrap(), 2)];
    for case in 0..12 {
        let d = 2 + case % 4;
        sets.push((Random::new(500 + case as u64).rows(d + 1, d, 1.0), d));
    }
    let settings = SeparationSettings { iterations: 150, starts: 2, ..SeparationSettings::default() };
    for (at, (patterns, d)) in sets.iter().enumerate() {
        let mut map = LinearMap::random(*d, *d, false, 3).unwrap();
        let report = separate_memories(patterns, &mut map, &settings, None).unwrap();
        let narrow: Vec<f32> = map.weights().iter().map(|v| *v as f32).collect();
        let written = Rows::new(narrow, *d).unwrap();
        let gap = gap_through(&written, patterns);
        assert!((gap - report.gap()).abs() < 1e-9, "set {at}: {gap} in f32, {} said", report.gap());
        assert!(report.bracket[0] <= gap && gap <= report.bracket[1], "set {at}: {gap} {:?}", report.bracket);
        let features = map.apply(&matrix(patterns).data);
        let gains: Vec<f64> = features
            .chunks(*d)
            .zip(patterns.iter())
            .map(|(f, x)| {
                let length = |v: f64, w: f64| v + w * w;
                let of = f.iter().copied().fold(0.0, length);
                (of / x.iter().map(|v| f64::from(*v)).fold(0.0, length)).sqrt()
            })
            .collect();
        let most = gains.iter().copied().fold(0.0, f64::max);
        assert!(gains.iter().all(|g| *g > 3e-4 * most), "set {at}: {gains:?}");
        if at == 0 {
            // At a right angle between two that point away from each other it would be 1, with nothing left of the third.
            assert!(gap > 0.98, "{gap}");
            assert!(
                report.warnings.iter().any(|w| matches!(w, SeparationWarning::Faint { first: 2, .. })),
                "{:?}",
                report.warnings
            );
        }
        // As it is used.
        let map = LinearMap::given(&written, None).unwrap();
        let unit = KernelizedSettings { unit: true, ..KernelizedSettings::default() };
        let mut memory = KernelizedMemory::new(patterns, map, cpu(unit)).unwrap();
        let [from, to] = memory.certified_betas().unwrap().unwrap();
        assert!(from < to && memory.certify(1.001 * from as f32).unwrap().stored.iter().all(|s| *s));
        let one_is_not = memory.certify(0.999 * from as f32).unwrap();
        assert!(one_is_not.stored.contains(&false) && (one_is_not.gap() - gap).abs() < 1e-6, "set {at}");
        let options = RecallOptions { beta: Some(1.001 * from as f32), ..RecallOptions::default() };
        let recall = memory.recall_with(patterns, &options).unwrap();
        for i in 0..=*d {
            assert_eq!(recall.indices[i * recall.top_k] as usize, i, "set {at}");
            assert!(recall.weights[i * recall.top_k] > 0.5, "set {at}: {:?}", recall.weights);
        }
        let choice = memory.choose_beta().unwrap();
        assert_eq!(choice.separated, 1.0, "set {at}: {choice:?}");
        let recall = memory.recall(patterns).unwrap();
        assert!(recall.weights.chunks(recall.top_k).all(|w| w[0] > 0.98), "set {at}: {:?}", recall.weights);
    }
}

/// Rows times a number are the same directions.
#[test]
fn memories_of_any_size_train_alike() {
    let memories = Random::new(12).rows(6, 4, 1.0);
    for biased in [false, true] {
        let train = |scale: f32, optimizer: Optimizer| {
            let rows: Vec<f32> = memories.as_slice().iter().map(|v| scale * v).collect();
            let mut map = LinearMap::random(4, 4, biased, 3).unwrap();
            let settings =
                SeparationSettings { optimizer, iterations: 60, starts: 2, ..SeparationSettings::default() };
            separate_memories(&Rows::new(rows, 4).unwrap(), &mut map, &settings, None).unwrap()
        };
        for optimizer in [Optimizer::default(), Optimizer::Adam(Adam::default())] {
            let want = train(1.0, optimizer);
            // Powers of two, so that all rows are the same but for their size.
            for power in [-30, -66, 10, 40] {
                let scale = 2_f32.powi(power);
                let got = train(scale, optimizer);
                let what = format!("{optimizer}, bias {biased}, times {scale}");
                let steps = |r: &SeparationReport| r.stages.iter().map(|s| s.iterations).sum::<usize>();
                assert!(steps(&got) > steps(&want) / 2, "{what}: {} of {}", steps(&got), steps(&want));
                assert!((got.gap() - want.gap()).abs() < 1e-6, "{what}: {} for {}", got.gap(), want.gap());
            }
        }
    }
}

/// A pattern whose features are short starts where it is stored.
#[test]
fn short_features_are_no_longer_short_where_they_are_unit() {
    let map = || LinearMap::given(&Rows::new(vec![1.0, 0.0, 0.0, 1e-3], 2).unwrap(), None).unwrap();
    let patterns = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]];
    for (name, device) in varied() {
        for space in [StateSpace::Auto, StateSpace::Patterns, StateSpace::Features] {
            let settings = KernelizedSettings {
                device: Some(device.clone()),
                unit: true,
                space,
                ..KernelizedSettings::default()
            };
            let memory = KernelizedMemory::new(&patterns, map(), settings).unwrap();
            let recall = memory.recall(&patterns).unwrap();
            assert_eq!(recall.indices.iter().step_by(3).copied().collect::<Vec<_>>(), [0, 1, 2], "{name}");
            assert!(recall.weights.iter().step_by(3).all(|w| *w > 0.99), "{name} {space:?}: {recall:?}");
            // A query without features has no direction, and stays.
            assert!(memory.recall(&[[0.0, 0.0]]).unwrap().states.row(0).iter().all(|v| v.is_finite()));
        }
    }
}

/// Two features nearer than f32 can tell apart: no automatic `beta` is so large that rounding decides which of them answers.
#[test]
fn what_rounding_hides_is_not_said_to_be_told_apart() {
    let patterns = [[1.0_f32, 0.0], [1.0, 2e-4], [0.0, 1.0], [-1.0, 0.3]];
    let map = LinearMap::given(&Rows::new(vec![1.0, 0.0, 0.0, 1.0], 2).unwrap(), None).unwrap();
    for separation in MAPS {
        let settings = cpu(KernelizedSettings { unit: true, separation, ..KernelizedSettings::default() });
        let mut memory = KernelizedMemory::new(&patterns, map.clone(), settings).unwrap();
        assert_eq!(memory.certified_betas().unwrap(), None, "{separation}");
        let choice = memory.choose_beta().unwrap();
        assert_eq!((choice.separated, choice.sampled), (0.5, 4), "{separation}: {choice:?}");
        let recall = memory.recall(&patterns).unwrap();
        for (i, (indices, weights)) in
            recall.indices.chunks(recall.top_k).zip(recall.weights.chunks(recall.top_k)).enumerate()
        {
            assert!(
                indices[0] as usize == i || weights[0] < 0.9,
                "{separation} {i}: {indices:?} {weights:?}"
            );
        }
    }
}

/// What a sparse separation gives all weight to needs a gap of its margin, and is a fixed point bit by bit.
#[test]
fn certificates_of_sparse_separations_are_their_own() {
    let patterns = sphere(&mut Random::new(13), 6, 8);
    let map = LinearMap::random(8, 8, false, 4).unwrap();
    for (separation, margin) in [(Separation::Entmax(1.5), 2.0), (Separation::Entmax(2.0), 1.0)] {
        let settings = cpu(KernelizedSettings { unit: true, separation, ..KernelizedSettings::default() });
        let memory = KernelizedMemory::new(&patterns, map.clone(), settings).unwrap();
        let [from, _] = memory.certified_betas().unwrap().unwrap();
        let certificate = memory.certify(from as f32).unwrap();
        let least = certificate.gap() - certificate.rounding;
        assert!((from - (1.0 + margin) / least).abs() < 1e-9 * from, "{separation}: {from}");
        let options = RecallOptions { beta: Some(1.001 * from as f32), ..RecallOptions::default() };
        let recall = memory.recall_with(&patterns, &options).unwrap();
        assert_eq!(recall.states, patterns, "{separation}");
    }
}

#[test]
fn linear_maps_reach_what_they_can() {
    // The best gap of eight points in three dimensions is 0.738796. Six columns and more reach it whatever the memories, fewer do not,
    // and how near they come depends on the memories.
    let (mut found, mut before) = (Vec::new(), 0.0);
    for (d, low, high) in [
        (3, 0.05, 0.45),
        (4, 0.45, 0.64),
        (5, 0.60, 0.7375),
        (6, 0.738, 0.738_797),
        (7, 0.738, 0.738_797),
        (8, 0.738, 0.738_797),
    ] {
        let memories = sphere(&mut Random::new(100), 8, d);
        let mut map = LinearMap::random(d, 3, false, 1).unwrap();
        let settings = SeparationSettings { iterations: 120, starts: 4, ..SeparationSettings::default() };
        let report = separate_memories(&memories, &mut map, &settings, None).unwrap();
        let gap = report.gap();
        found.push((d, gap));
        assert!(report.bracket[0] <= gap + 1e-9 && gap <= report.bracket[1] + 1e-9, "{report:?}");
        assert!(low <= gap && gap <= high, "{found:?}, want {low} to {high}");
        assert!(gap >= before - 1e-4, "{found:?}");
        before = gap;
        // More features than columns gain nothing.
        if d == 3 {
            let mut wide = LinearMap::random(d, 8, false, 1).unwrap();
            let wide = separate_memories(&memories, &mut wide, &settings, None).unwrap().gap();
            assert!((wide - gap).abs() < 0.01, "{wide} {gap}");
        }
    }
}

#[test]
fn losses_fall_as_published() {
    for (count, start, end, gap) in [(100, 1.509, 0.178, 0.834), (200, 1.438, 0.468, 0.705)] {
        let memories = Random::new(8).rows(count, 64, 1.0);
        let mut map = LinearMap::random(64, 64, false, 3).unwrap();
        let settings = SeparationSettings {
            temperatures: vec![0.1],
            optimizer: Optimizer::Adam(Adam { rate: 0.05, ..Adam::default() }),
            iterations: 100,
            starts: 1,
            ..SeparationSettings::default()
        };
        let report = separate_memories(&memories, &mut map, &settings, None).unwrap();
        let trace = &report.stages[0].trace;
        assert!((trace[0] - start).abs() < 0.15, "{}", trace[0]);
        assert!((report.loss() - end).abs() < 0.08, "{}", report.loss());
        assert!((report.gap() - gap).abs() < 0.08, "{}", report.gap());
        if count == 100 {
            assert!(trace[0] - trace[5] >= 0.6 * (trace[0] - end), "{trace:?}");
        }
        let features = map.apply(&memories.as_slice().iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
        let mean = features.iter().map(|v| v * v).sum::<f64>() / count as f64;
        // Up to the rounding of the parameters to f32, a sum of so many of them.
        assert!((mean - 1.0).abs() < 64.0 * f64::from(f32::EPSILON), "{mean}");
    }
}

#[test]
fn every_device_and_precision_trains_alike() {
    let memories = Random::new(9).rows(24, 6, 1.0);
    let train = |device: Device, exact: bool| {
        let mut map = LinearMap::random(6, 5, true, 3).unwrap();
        let settings = SeparationSettings {
            temperatures: vec![0.2],
            optimizer: Optimizer::Adam(Adam::default()),
            iterations: 12,
            starts: 1,
            device,
            exact: Some(exact),
            ..SeparationSettings::default()
        };
        separate_memories(&memories, &mut map, &settings, None).unwrap().stages[0].trace.clone()
    };
    let want = train(Device::cpu(), true);
    let some = varied().into_iter().take(3);
    for (name, device) in some {
        let got = train(device, false);
        for (g, w) in got.iter().zip(&want) {
            assert!((g - w).abs() < 1e-4 * (1.0 + w.abs()), "{name}: {got:?}, want {want:?}");
        }
    }
}

#[test]
fn batches_caps_and_noise_do_what_they_say() {
    let mut random = Random::new(10);
    let memories = random.rows(60, 12, 1.0);
    let train = |settings: SeparationSettings| {
        let mut map = LinearMap::random(12, 12, false, 3).unwrap();
        let report = separate_memories(&memories, &mut map, &settings, None).unwrap();
        (map, report)
    };
    let base = || SeparationSettings { starts: 1, iterations: 100, ..SeparationSettings::default() };
    let (_, free) = train(base());
    let (_, capped) = train(SeparationSettings { condition: Some(3.0), ..base() });
    assert!(capped.condition.unwrap() <= 3.0 && free.condition.unwrap() > 3.0);
    assert!(capped.gap() > capped.gaps[1] && free.gap() >= capped.gap());
    let (_, batched) = train(SeparationSettings { batch: Some(16), temperatures: vec![0.1], ..base() });
    assert!(batched.warnings.contains(&SeparationWarning::Batches { size: 16 }));
    assert!(matches!(batched.optimizer, Optimizer::Adam(_)) && batched.gap() > batched.gaps[1]);
    // What was trained with noise holds its own under noise better.
    let share = |map: &LinearMap| {
        let settings = cpu(KernelizedSettings { unit: true, beta: 50.0, ..KernelizedSettings::default() });
        let memory = KernelizedMemory::new(&memories, map.clone(), settings).unwrap();
        let mut random = Random::new(11);
        let noisy: Vec<f32> =
            memories.as_slice().iter().map(|v| v + (1.0 * random.normal()) as f32).collect();
        let once = RecallOptions { steps: 0, top_k: Some(1), ..RecallOptions::default() };
        let recall = memory.recall_with(&Rows::new(noisy, 12).unwrap(), &once).unwrap();
        (0..60).filter(|i| recall.indices[*i] as usize == *i).count()
    };
    let (plain, _) = train(base());
    let (robust, _) = train(SeparationSettings { noise: Some(1.0), temperatures: vec![0.1], ..base() });
    assert!(share(&robust) > share(&plain), "{} {}", share(&robust), share(&plain));
}

#[test]
fn bad_input_is_named() {
    let map = || LinearMap::random(2, 3, false, 1).unwrap();
    let settings = SeparationSettings { starts: 1, iterations: 20, ..SeparationSettings::default() };
    let refuse = |memories: &[[f32; 2]], settings: &SeparationSettings| {
        separate_memories(memories, &mut map(), settings, None).unwrap_err().to_string()
    };
    assert!(refuse(&[[1.0, 0.0]], &settings).contains("at least 2"));
    assert!(refuse(&[[1.0, 0.0], [0.0, 0.0]], &settings).contains("row 1"));
    assert!(refuse(&[[1.0, 0.0], [f32::NAN, 1.0]], &settings).contains("row 1, column 0"));
    let pair = [[1.0, 0.0], [0.0, 1.0]];
    for (bad, word) in [
        (SeparationSettings { temperatures: vec![0.0], ..settings.clone() }, "tau"),
        (SeparationSettings { temperatures: vec![], ..settings.clone() }, "temperatures"),
        (SeparationSettings { starts: 0, ..settings.clone() }, "starts"),
        (SeparationSettings { condition: Some(0.5), ..settings.clone() }, "condition"),
        (SeparationSettings { noise: Some(-1.0), ..settings.clone() }, "noise"),
    ] {
        assert!(refuse(&pair, &bad).contains(word), "{word}");
    }
    assert!(separate_memories(&[[1.0, 0.0, 0.0]; 2], &mut map(), &settings, None).is_err());
    // Parallel memories stay together, and that is said.
    let double = [[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [-1.0, 0.5], [0.3, -1.0]];
    let report = separate_memories(&double, &mut map(), &settings, None).unwrap();
    assert!(report.gap().abs() < 1e-9);
    assert_eq!(
        report.warnings,
        [
            SeparationWarning::DegeneratePair { first: 0, second: 2 },
            SeparationWarning::RankLimited { features: 3, dim: 2 },
            SeparationWarning::Unreachable { memories: 5, reach: 3 },
        ]
    );
    assert!(report.warnings.iter().all(|w| !w.to_string().is_empty()));
    let make = |patterns: &[[f32; 2]], settings| KernelizedMemory::new(patterns, map(), cpu(settings));
    assert!(make(&[], KernelizedSettings::default()).is_err());
    assert!(make(&pair, KernelizedSettings { beta: 0.0, ..Default::default() }).is_err());
    let three = KernelizedSettings { separation: Separation::Entmax(3.0), ..Default::default() };
    assert!(make(&pair, three).is_err());
    let unit = || KernelizedSettings { unit: true, ..KernelizedSettings::default() };
    assert!(make(&[[0.0, 0.0], [1.0, 0.0]], unit()).err().unwrap().to_string().contains("row 0"));
    let biased = LinearMap::random(2, 2, true, 1).unwrap();
    let biased = LinearMap::given(
        &Rows::new(biased.weights().iter().map(|v| *v as f32).collect::<Vec<_>>(), 2).unwrap(),
        Some(&[0.5, 0.5]),
    );
    let among_patterns = KernelizedSettings { space: StateSpace::Patterns, ..unit() };
    assert!(KernelizedMemory::new(&pair, biased.unwrap(), cpu(among_patterns)).is_err());
    assert!(LinearMap::random(0, 2, false, 1).is_err() && LinearMap::random(2, 0, false, 1).is_err());
    let memory = make(&pair, KernelizedSettings::default()).unwrap();
    assert!(memory.recall(&[[1.0, 2.0, 3.0]]).is_err());
    assert!(memory.certify(-1.0).is_err());
    assert!(make(&pair[..1], KernelizedSettings::default()).unwrap().certify(1.0).is_err());
    // One pattern comes back from anywhere.
    let one = make(&pair[..1], KernelizedSettings::default()).unwrap().recall(&[[0.3, -7.0]]).unwrap();
    assert_eq!(one.states.row(0), [1.0, 0.0]);
    let sharp = KernelizedSettings { beta: 1e6, ..KernelizedSettings::default() };
    assert!(make(&pair, sharp).unwrap().sharpness_beyond_f32().is_some());
    assert!(memory.sharpness_beyond_f32().is_none());
}
