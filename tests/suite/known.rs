//! Known coordinates: only they are compared, they stay, the others are read out.

use crate::common::*;
use attractor::{
    Error,
    memory::{
        BinaryMemory, BinarySettings, KernelizedMemory, KernelizedSettings, LinearMap, Order, Recall,
        SparseMemory, SparseSettings,
    },
    ops::{Interaction, Separation},
    prelude::*,
    reference::{Matrix, known_recall},
};

fn known(mask: &[bool]) -> RecallOptions<'_> {
    RecallOptions { known: Some(mask), ..RecallOptions::default() }
}

/// Masks of which each has a known coordinate.
fn masks(b: usize, d: usize, random: &mut Random) -> Vec<bool> {
    let mut all: Vec<bool> = (0..b * d).map(|_| random.uniform() < 0.6).collect();
    all.chunks_exact_mut(d).for_each(|mask| mask[random.below(d)] = true);
    all
}

/// Queries with NaN where nothing is known.
fn hidden(q: &Rows<'_>, mask: &[bool]) -> Rows<'static> {
    let d = q.columns();
    let known = |at: usize| if mask.len() == d { mask[at % d] } else { mask[at] };
    let values = q.as_slice().iter().enumerate().map(|(at, v)| if known(at) { *v } else { f32::NAN });
    Rows::new(values.collect::<Vec<_>>(), d).unwrap()
}

#[test]
fn recalls_are_the_references() {
    let mut random = Random::new(901);
    for (n, d, b) in [(1, 2, 3), (30, 7, 9), (150, 20, 12)] {
        let (x, q) = (random.rows(n, d, 1.0), random.rows(b, d, 1.0));
        let shared = masks(1, d, &mut random);
        let each = masks(b, d, &mut random);
        let beta = 1.5;
        for (name, device) in devices().into_iter().take(2) {
            for mask in [&shared, &each] {
                for similarity in Similarity::ALL {
                    let memory = DenseMemory::builder()
                        .device(&device)
                        .similarity(similarity)
                        .beta(beta)
                        .build(&x)
                        .unwrap();
                    let what = format!("{name} {similarity} {n}x{d} {}", mask.len());
                    check(&what, &memory, &x, &q, mask, similarity, Separation::Softmax, beta);
                }
                for separation in [Separation::Entmax(1.5), Separation::Entmax(2.0), Separation::Epanechnikov]
                {
                    let beta = if separation == Separation::Epanechnikov { 0.02 } else { beta };
                    let settings = SparseSettings {
                        device: Some(device.clone()),
                        separation,
                        beta: Beta::Fixed(beta),
                        ..SparseSettings::default()
                    };
                    let memory = SparseMemory::with(&x, settings).unwrap();
                    let what = format!("{name} {separation} {n}x{d} {}", mask.len());
                    check(&what, &memory, &x, &q, mask, Similarity::L2, separation, beta);
                }
            }
        }
    }
}

#[track_caller]
#[allow(clippy::too_many_arguments, reason = "a case of a table")]
fn check(
    what: &str,
    memory: &dyn Memory,
    x: &Rows<'_>,
    q: &Rows<'_>,
    mask: &[bool],
    similarity: Similarity,
    separation: Separation,
    beta: f32,
) {
    let d = q.columns();
    let options = RecallOptions { trace: true, ..known(mask) };
    let got = memory.recall_with(&hidden(q, mask), &options).unwrap();
    for i in 0..q.rows() {
        let of_row = if mask.len() == d { mask } else { &mask[i * d..(i + 1) * d] };
        let query: Vec<f64> = q.row(i).iter().map(|v| f64::from(*v)).collect();
        let want = known_recall(&matrix(x), &query, of_row, similarity, separation, beta.into());
        assert_close(what, got.states.row(i), &want.state, 2e-5);
        for j in (0..d).filter(|j| of_row[*j]) {
            assert_eq!(got.states[(i, j)].to_bits(), q[(i, j)].to_bits(), "{what}");
        }
        for (k, weight) in got.top(i) {
            assert!((f64::from(weight) - want.weights[k as usize]).abs() < 2e-5, "{what}: {weight}");
        }
        // Those of dot and cosine have parts that do not depend on the weights.
        if matches!(similarity, Similarity::L2 | Similarity::L1) {
            let (energy, want) = (f64::from(got.energy[i]), want.energy);
            assert!((energy - want).abs() < 3e-5 * (1.0 + want.abs()), "{what}: {energy}, want {want}");
            assert_eq!(got.trace.as_ref().unwrap()[i], vec![got.energy[i]; 2], "{what}");
        }
    }
    for (i, status) in got.status.iter().enumerate() {
        let of_row = if mask.len() == d { mask } else { &mask[i * d..(i + 1) * d] };
        // Where all is known, nothing could move.
        let want = if of_row.contains(&false) { Status::Converged } else { Status::Inert };
        assert_eq!((got.steps[i], *status), (1, want), "{what}");
    }
    // Without a step nothing moves.
    let still = memory.recall_with(q, &RecallOptions { steps: 0, ..known(mask) }).unwrap();
    assert_eq!(still.states.as_slice(), q.as_slice(), "{what}");
}

#[test]
fn wide_data_is_told_apart() {
    // A time stamp, and small readings: products of whole rows lose the readings.
    let mut random = Random::new(902);
    let values = (0..60).flat_map(|k| {
        let noise: Vec<f32> = (0..3).map(|_| random.normal() as f32).collect();
        [vec![1.7e9 + 128.0 * k as f32], noise].concat()
    });
    let x = Rows::new(values.collect::<Vec<_>>(), 4).unwrap();
    let mut each = Vec::new();
    for k in 0..60 {
        each.extend([true, k % 5 != 0, k % 3 != 0, k % 2 == 0]);
    }
    for mask in [vec![true, true, true, false], vec![false, true, true, true], each] {
        let memory = DenseMemory::builder().device(&Device::cpu()).build(&x).unwrap();
        let recall = memory.recall_with(&hidden(&x, &mask), &known(&mask)).unwrap();
        for k in 0..60 {
            let (best, weight) = recall.top(k).next().unwrap();
            assert!(best as usize == k && weight > 0.98, "row {k}, mask {}: {best} {weight}", mask.len());
        }
    }
}

#[test]
fn hidden_halves_of_digits_are_found() {
    let values: Vec<f32> =
        include_bytes!("../../cli/data/digits.u8").iter().map(|v| f32::from(*v) / 16.0).collect();
    let x = Rows::new(values, 64).unwrap();
    let (n, d) = (x.rows(), x.columns());
    let half: Vec<bool> = (0..d).map(|j| j < d / 2).collect();
    let mut random = Random::new(903);
    let each = masks(n, d, &mut random);
    // Copies of what is known are no fault of a recall.
    let right = |mask: &[bool], recall: &Recall| {
        let of = |i: usize| if mask.len() == d { mask } else { &mask[i * d..(i + 1) * d] };
        let same = |i: usize, k: usize| (0..d).all(|j| !of(i)[j] || x[(i, j)] == x[(k, j)]);
        (0..n).filter(|i| recall.top(*i).next().is_some_and(|(k, _)| same(*i, k as usize))).count()
    };
    let memory = DenseMemory::builder().device(&Device::cpu()).build(&x).unwrap();
    for mask in [&half, &each] {
        let recall = memory.recall_with(&hidden(&x, mask), &known(mask)).unwrap();
        assert_eq!(right(mask, &recall), n, "{}", mask.len());
    }
}

#[test]
fn values_masks_and_forgotten_patterns_count() {
    let x = [[0.0, 0.0, 1.0], [1.0, 0.0, 2.0], [1.0, 0.1, 3.0], [5.0, 5.0, 4.0]];
    for (name, device) in devices().into_iter().take(2) {
        let mut memory = DenseMemory::builder().device(&device).beta(4000.0).build(&x).unwrap();
        memory.associate(&[[10.0], [20.0], [30.0], [40.0]]).unwrap();
        let mask = [true, true, false];
        let ask = |memory: &DenseMemory, may: Option<&[bool]>| {
            let recall =
                memory.recall_with(&[[1.0, 0.0, 9.0]], &RecallOptions { mask: may, ..known(&mask) }).unwrap();
            (recall.states[(0, 2)].round(), recall.values.unwrap()[(0, 0)].round(), recall.indices[0])
        };
        assert_eq!(ask(&memory, None), (2.0, 20.0, 1), "{name}");
        assert_eq!(ask(&memory, Some(&[true, false, true, true])), (3.0, 30.0, 2), "{name}");
        memory.forget(&[1]).unwrap();
        assert_eq!(ask(&memory, None), (3.0, 30.0, 2), "{name}");
        memory.append_pairs(&[[1.0, 0.0, 7.0]], &[[70.0]]).unwrap();
        assert_eq!(ask(&memory, None), (7.0, 70.0, 4), "{name}");
    }
}

/// Sparse memories whose queries have masks of their own, with values and hidden patterns, give what each query gets alone.
#[test]
fn sparse_masks_of_each_are_as_those_of_one() {
    let mut random = Random::new(906);
    let (x, q, values) = (random.rows(50, 8, 1.0), random.rows(12, 8, 1.0), random.rows(50, 2, 1.0));
    let each = masks(12, 8, &mut random);
    let may: Vec<bool> = (0..50).map(|k| k % 4 != 1).collect();
    for separation in [Separation::Entmax(1.5), Separation::KSubsets(2), Separation::Normmax(2.0)] {
        let settings = SparseSettings {
            device: Some(Device::cpu()),
            separation,
            beta: Beta::Fixed(1.2),
            ..SparseSettings::default()
        };
        let mut memory = SparseMemory::with(&x, settings).unwrap();
        memory.associate(&values).unwrap();
        let ask = |q: &Rows<'_>, mask: &[bool]| {
            memory.recall_with(&hidden(q, mask), &RecallOptions { mask: Some(&may), ..known(mask) }).unwrap()
        };
        let all = ask(&q, &each);
        for i in 0..12 {
            let one = ask(&q.slice(i..i + 1), &each[i * 8..(i + 1) * 8]);
            let near = |what: &str, a: &[f32], b: &[f32]| {
                assert!(
                    a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5 * (1.0 + b.abs())),
                    "{separation} {what} {i}: {a:?} {b:?}"
                );
            };
            near("state", all.states.row(i), one.states.row(0));
            near("value", all.values.as_ref().unwrap().row(i), one.values.as_ref().unwrap().row(0));
            near("energy", &all.energy[i..=i], &one.energy);
            assert!(all.top(i).all(|(k, _)| may[k as usize]), "{separation}");
        }
    }
}

#[test]
fn bits_and_matrices() {
    let mut random = Random::new(904);
    let bits: Vec<f32> = (0..12 * 40).map(|_| if random.uniform() < 0.5 { -1.0 } else { 1.0 }).collect();
    let x = Rows::new(bits, 40).unwrap();
    let mask: Vec<bool> = (0..40).map(|j| j % 3 != 0).collect();
    for interaction in [Interaction::Exponential, Interaction::Rectified(5)] {
        let settings = BinarySettings {
            device: Some(Device::cpu()),
            order: Order::Synchronous,
            ..BinarySettings::new(interaction)
        };
        let memory = BinaryMemory::with(&x, settings).unwrap();
        let recall = memory.recall_with(&hidden(&x, &mask), &known(&mask)).unwrap();
        assert_eq!(recall.states, x, "{interaction}");
        assert_eq!((recall.top_k, recall.indices[5]), (5, 1));
    }
    let weights = random.rows(6, 9, 1.0);
    let map = LinearMap::given(&weights, None).unwrap();
    let x = random.rows(8, 9, 1.0);
    let settings =
        KernelizedSettings { device: Some(Device::cpu()), beta: 8.0, ..KernelizedSettings::default() };
    let memory = KernelizedMemory::new(&x, map, settings).unwrap();
    let mask: Vec<bool> = (0..9).map(|j| j != 4 && j != 7).collect();
    let recall = memory.recall_with(&hidden(&x, &mask), &known(&mask)).unwrap();
    // What is not known has no part in the products: as if it were 0 in queries and patterns.
    let zeroed = |row: &[f32]| {
        row.iter().zip(&mask).map(|(v, k)| if *k { f64::from(*v) } else { 0.0 }).collect::<Vec<_>>()
    };
    let features = |row: &[f32]| -> Vec<f64> {
        let row = zeroed(row);
        weights.iter().map(|w| w.iter().zip(&row).map(|(w, x)| f64::from(*w) * x).sum()).collect()
    };
    let keys = Matrix { data: x.iter().flat_map(features).collect(), rows: 8, columns: 6 };
    for i in 0..8 {
        let q = features(x.row(i));
        let scores: Vec<f64> = keys.iter().map(|k| k.iter().zip(&q).map(|(a, b)| a * b).sum()).collect();
        let p = attractor::reference::softmax(&scores, 8.0);
        let want: Vec<f64> =
            (0..9)
                .map(|j| {
                    if mask[j] { x[(i, j)].into() } else { (0..8).map(|k| p[k] * f64::from(x[(k, j)])).sum() }
                })
                .collect();
        assert_close("kernelized", recall.states.row(i), &want, 1e-4);
    }
}

/// Of masks of each query, the automatic `beta` grows with what is hidden; of a shared one it is that of the known columns.
#[test]
fn the_automatic_beta_is_of_what_is_known() {
    let mut random = Random::new(905);
    let x = random.rows(200, 24, 1.0);
    let memory = DenseMemory::builder().device(&Device::cpu()).build(&x).unwrap();
    let mask: Vec<bool> = (0..24).map(|j| j % 2 == 0).collect();
    let recall = memory.recall_with(&hidden(&x, &mask), &known(&mask)).unwrap();
    let part: Vec<f32> = x.iter().flat_map(|row| row.iter().step_by(2)).copied().collect();
    let part = DenseMemory::builder().device(&Device::cpu()).build(&Rows::new(part, 12).unwrap()).unwrap();
    assert_eq!(recall.beta, part.beta().unwrap());
    let kept = |recall: &Recall| recall.weights.iter().step_by(5).filter(|w| **w > 0.9899).count();
    assert!(kept(&recall) >= 198);
    // Half of the coordinates, others for each: most stored patterns are told apart as well.
    let each: Vec<bool> =
        (0..200).flat_map(|i| (0..24).map(move |j| (i * 7 + j * 5) % 11 < 6).collect::<Vec<_>>()).collect();
    let recall = memory.recall_with(&hidden(&x, &each), &known(&each)).unwrap();
    assert!(kept(&recall) >= 190, "{}", kept(&recall));
}

#[test]
fn what_does_not_fit_is_named() {
    let memory = DenseMemory::builder().device(&Device::cpu()).build(&[[0.0, 1.0], [1.0, 0.0]]).unwrap();
    let ask = |q: &[[f32; 2]], mask: &[bool]| {
        memory.recall_with(&q.to_vec(), &known(mask)).unwrap_err().to_string()
    };
    assert!(ask(&[[0.0, 1.0], [0.5, 0.5]], &[true, true, false, false]).contains("row 1"));
    assert!(ask(&[[0.0, 1.0], [f32::NAN, 0.5]], &[true, false]).contains("row 1"));
    assert!(ask(&[[0.0, 1.0]], &[true, true, true]).contains("known"));
    let both = RecallOptions { clamp: Some(&[true, false]), ..known(&[true, false]) };
    assert!(memory.recall_with(&[[0.0, 1.0]], &both).unwrap_err().to_string().contains("clamp"));
    let slow = RecallOptions { step_size: 0.5, ..known(&[true, false]) };
    assert!(memory.recall_with(&[[0.0, 1.0]], &slow).is_err());
    // What is known as a whole cannot move.
    let whole = memory.recall_with(&[[0.1, 0.9]], &known(&[true, true])).unwrap();
    assert_eq!((whole.states.row(0), whole.status[0], whole.indices[0]), (&[0.1, 0.9][..], Status::Inert, 0));
    let hopfield: attractor::memory::Energy = "hopfield".parse().unwrap();
    let settings = attractor::memory::EnergySettings { device: Some(Device::cpu()), ..Default::default() };
    let other = memory_of(hopfield, &Rows::new(vec![1.0, -1.0], 2).unwrap(), &settings).unwrap();
    let error = other.recall_with(&[[1.0, 1.0]], &known(&[true, false])).unwrap_err();
    assert!(
        matches!(error, Error::InvalidParameter { .. }) && error.to_string().contains("known"),
        "{error}"
    );
    for mask in [&[true, false][..], &[]] {
        assert!(memory.recall_with(&Rows::empty(2), &known(mask)).unwrap().is_empty());
        assert!(memory.describe_queries(&Rows::empty(2), &known(mask)).unwrap().is_none());
    }
    let report = memory.describe_queries(&[[0.1, f32::NAN]], &known(&[true, false])).unwrap().unwrap();
    assert_eq!((report.indices[0], report.typicality.len()), (0, 1));
}
