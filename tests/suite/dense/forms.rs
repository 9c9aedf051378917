//! Data on which products of rows lose what has to be told apart: small differences far from the origin, or from each other.

use super::model;
use crate::common::*;
use attractor::{
    memory::{Memory, SparseMemory, SparseSettings},
    ops::{self, Separation, SimilarityForm},
    prelude::*,
};

/// Two groups of three patterns, one apart, 9,000 from each other.
fn two_places() -> Rows<'static> {
    let rows = [[0, 0], [1, 0], [0, 1], [9000, 9000], [9001, 9000], [9000, 9001]];
    Rows::new(rows.concat().into_iter().map(|v: i32| v as f32).collect::<Vec<f32>>(), 2).unwrap()
}

/// A lattice of points 5 m apart around some places of a country, in metres.
fn lattice() -> Rows<'static> {
    let mut random = Random::new(5);
    let mut rows = Vec::new();
    for _ in 0..6 {
        let place = [400_000.0 + 500_000.0 * random.uniform(), 5_300_000.0 + 700_000.0 * random.uniform()];
        for i in 0..4 {
            for j in 0..4 {
                rows.extend([
                    (place[0] + 5.0 * f64::from(i)).round(),
                    (place[1] + 5.0 * f64::from(j)).round(),
                ]);
            }
        }
    }
    Rows::new(rows.into_iter().map(|v| v as f32).collect::<Vec<f32>>(), 2).unwrap()
}

/// A count of seconds beside small readings.
fn time_and_readings() -> Rows<'static> {
    let mut random = Random::new(6);
    let row = |i: usize| [86_400.0 * i as f32, random.normal() as f32, 0.01 * random.normal() as f32];
    let rows: Vec<f32> = (0..60).map(|i| i / 6).flat_map(row).collect();
    Rows::new(rows, 3).unwrap()
}

/// Unit rows about 1e-4 apart, in a few bundles.
fn bundles(d: usize) -> Rows<'static> {
    let mut random = Random::new(7);
    let mut rows = Vec::new();
    for _ in 0..4 {
        let middle: Vec<f64> = (0..d).map(|_| random.normal()).collect();
        for _ in 0..10 {
            let row: Vec<f64> = middle.iter().map(|v| v + 1e-4 * random.normal()).collect();
            let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            rows.extend(row.into_iter().map(|v| (v / length) as f32));
        }
    }
    Rows::new(rows, d).unwrap()
}

fn hard() -> [(&'static str, Rows<'static>); 4] {
    [
        ("two places", two_places()),
        ("lattice", lattice()),
        ("time and readings", time_and_readings()),
        ("bundles", bundles(24)),
    ]
}

#[test]
fn every_pattern_is_recalled_by_itself_bit_by_bit() {
    for (what, x) in hard() {
        for similarity in [Similarity::L2, Similarity::Cosine, Similarity::L1] {
            if similarity == Similarity::Cosine && what != "bundles" {
                continue;
            }
            for (name, device) in devices() {
                let memory = DenseMemory::builder().device(&device).similarity(similarity).build(&x).unwrap();
                let recall = memory
                    .recall_with(&x, &RecallOptions { steps: 9, trace: true, ..Default::default() })
                    .unwrap();
                let choice = memory.beta_choice().unwrap();
                let what = format!("{name} {what} {similarity} beta {}", recall.beta);
                assert!(choice.separated >= 0.99, "{what}: {choice:?}");
                for i in 0..x.rows() {
                    assert_eq!(recall.top(i).next().map(|t| t.0), Some(i as u32), "{what}");
                    assert_eq!(recall.status[i], Status::Converged, "{what}");
                    if recall.weights[i * recall.top_k] == 1.0 && recall.effective[i] == 1.0 {
                        assert_eq!(recall.states.row(i), x.row(i), "{what}: pattern {i}");
                    }
                }
                let kept = (0..x.rows()).filter(|i| recall.weights[i * recall.top_k] >= 0.98).count();
                assert!(kept as f64 >= 0.97 * x.rows() as f64, "{what}: {kept} of {}", x.rows());
                if similarity != Similarity::L1 {
                    assert_eq!(recall.similarity_form, Some(SimilarityForm::Difference), "{what}");
                }
                // A state is known to the last places of its coordinates alone, which moves its energy. That of l1 need not fall.
                let column = |j: usize| x.iter().map(move |row| row[j]);
                let range =
                    |j: usize| column(j).fold(f32::MIN, f32::max) - column(j).fold(f32::MAX, f32::min);
                let widest = (0..x.columns()).map(range).fold(0.0, f32::max);
                let place = 4.0 * widest * f32::EPSILON * (x.columns() as f32).sqrt();
                let traces = recall.trace.as_ref().filter(|_| similarity != Similarity::L1);
                for trace in traces.into_iter().flatten() {
                    let bound = |e: f32| place * place + 1e-5 * (e.abs() + 1.0 / recall.beta);
                    assert!(!trace.windows(2).any(|e| e[1] > e[0] + bound(e[0])), "{what}: {trace:?}");
                }
            }
        }
    }
}

/// Weights of noisy queries against f64, at the automatic `beta`.
#[test]
fn weights_are_those_of_f64() {
    let mut random = Random::new(8);
    for (what, x) in hard() {
        let beta = DenseMemory::builder().device(&Device::cpu()).build(&x).unwrap().beta().unwrap();
        let size = 0.5 / beta.sqrt();
        let noisy: Vec<f32> = x.as_slice().iter().map(|v| v + size * random.normal() as f32).collect();
        let q = Rows::new(noisy, x.columns()).unwrap();
        let oracle = model(&x, Similarity::L2, beta);
        for (name, device) in devices() {
            let memory = DenseMemory::builder().device(&device).beta(beta).build(&x).unwrap();
            let looked = RecallOptions { steps: 0, top_k: Some(3), ..Default::default() };
            let recall = memory.recall_with(&q, &looked).unwrap();
            for (i, row) in matrix(&q).iter().enumerate() {
                let want = oracle.step(row).weights;
                for (k, weight) in recall.top(i) {
                    let error = (f64::from(weight) - want[k as usize]).abs();
                    assert!(error < 0.01, "{name} {what}: query {i}, pattern {k}: off by {error}");
                }
            }
        }
    }
}

/// Farther from all patterns than f32 tells them apart: the CPU goes to f64, a GPU leaves such queries to it.
#[test]
fn queries_far_from_everything_are_looked_at_in_f64() {
    let x = Rows::new(vec![0.0, 0.0, 3.0, 0.0, 6.0, 0.0, 9.0, 0.0], 2).unwrap();
    let q = Rows::new(vec![2.5, 40_000.0, 6.6, -70_000.0, 8.9, 0.1], 2).unwrap();
    for similarity in [Similarity::L2, Similarity::L1] {
        let beta = 2.0;
        let oracle = model(&x, similarity, beta);
        for (name, device) in devices() {
            let memory =
                DenseMemory::builder().device(&device).similarity(similarity).beta(beta).build(&x).unwrap();
            let looked = RecallOptions { steps: 1, tolerance: Some(0.0), ..Default::default() };
            let recall = memory.recall_with(&q, &looked).unwrap();
            for (i, row) in matrix(&q).iter().enumerate() {
                let want = oracle.step(row).state;
                for (got, want) in recall.states.row(i).iter().zip(want) {
                    assert!(
                        (f64::from(*got) - want).abs() < 1e-3,
                        "{name} {similarity} query {i}: {got} {want}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_form_can_be_forced() {
    let x = two_places();
    for (name, device) in devices() {
        let with = |form| {
            let builder = DenseMemory::builder().device(&device).similarity_form(form);
            builder.beta(10.0).build(&x).unwrap().recall(&x).unwrap()
        };
        let (product, difference) = (with(SimilarityForm::Product), with(SimilarityForm::Difference));
        assert_eq!(product.similarity_form, Some(SimilarityForm::Product), "{name}");
        let found = |r: &Recall| (0..6).map(|i| r.indices[i * r.top_k]).collect::<Vec<u32>>();
        assert_eq!(found(&difference), [0, 1, 2, 3, 4, 5], "{name}");
        assert_ne!(found(&product), [0, 1, 2, 3, 4, 5], "{name}: products do not tell them apart");
    }
}

#[test]
fn sparse_energies_tell_them_apart_too() {
    for (what, x) in hard() {
        for separation in [Separation::Entmax(1.5), Separation::Entmax(2.0), Separation::Epanechnikov] {
            for (name, device) in devices() {
                let settings =
                    SparseSettings { device: Some(device.clone()), separation, ..SparseSettings::default() };
                let memory = SparseMemory::with(&x, settings).unwrap();
                let recall = memory.recall(&x).unwrap();
                let right = (0..x.rows()).filter(|i| {
                    recall.indices[i * recall.top_k] == *i as u32 && recall.states.row(*i) == x.row(*i)
                });
                let share = right.count() as f64 / x.rows() as f64;
                assert!(share >= 0.97, "{name} {what} {separation}: {share}");
            }
        }
    }
}

#[test]
fn the_nearest_are_the_nearest() {
    let mut random = Random::new(9);
    let mut all = hard().to_vec();
    all.push(("plain", random.rows(300, 40, 1.0)));
    let copies: Vec<f32> = (0..40).flat_map(|i| [(i / 20) as f32, 1000.0]).collect();
    all.push(("copies", Rows::new(copies, 2).unwrap()));
    for (what, x) in all {
        let noisy: Vec<f32> = x.as_slice().iter().map(|v| v + 1e-4 * random.normal() as f32).collect();
        let q = Rows::new(noisy, x.columns()).unwrap();
        for kind in Similarity::ALL {
            let similarity = |a: &[f32], b: &[f32]| -> f64 {
                let pairs = || a.iter().zip(b).map(|(p, q)| (f64::from(*p), f64::from(*q)));
                let length = |v: &[f32]| v.iter().map(|p| f64::from(*p).powi(2)).sum::<f64>().sqrt();
                match kind {
                    Similarity::L2 => -0.5 * pairs().map(|(p, q)| (p - q).powi(2)).sum::<f64>(),
                    Similarity::L1 => -pairs().map(|(p, q)| (p - q).abs()).sum::<f64>(),
                    Similarity::Dot => pairs().map(|(p, q)| p * q).sum(),
                    Similarity::Cosine => {
                        let (la, lb) = (length(a), length(b));
                        if la * lb == 0.0 {
                            -1.0
                        } else {
                            -0.5 * pairs().map(|(p, q)| (p / la - q / lb).powi(2)).sum::<f64>()
                        }
                    }
                }
            };
            for (name, device) in devices() {
                // Products in f32 are all that a GPU has for the dot product.
                if name != "cpu" && kind == Similarity::Dot && what != "plain" {
                    continue;
                }
                let (_, indices) = ops::nearest(&tensor(&device, &q), &tensor(&device, &x), 3, kind).unwrap();
                for i in 0..q.rows() {
                    let mut want: Vec<(f64, usize)> =
                        (0..x.rows()).map(|k| (similarity(q.row(i), x.row(k)), k)).collect();
                    want.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                    for j in 0..3 {
                        let got = indices[3 * i + j] as usize;
                        let found = similarity(q.row(i), x.row(got));
                        // f32 differences on a GPU; f64 on the CPU.
                        let slack = if name == "cpu" { 0.0 } else { 4e-6 * want[j].0.abs() + 1e-13 };
                        assert!(
                            found >= want[j].0 - slack,
                            "{name} {what} {kind} {i} {j}: {got} {:?}",
                            want[j]
                        );
                    }
                }
            }
        }
    }
}

/// The documented bound of each form, against f64, on data that is made to break it.
#[test]
fn no_score_is_farther_off_than_its_bound() {
    let mut random = Random::new(10);
    let unit = 2f64.powi(-24);
    for problem in 0..60 {
        let d = 1 + random.below(90);
        let (n, b) = (40, 5);
        let scale = |random: &mut Random| 10f64.powf(6.0 * random.uniform() - 3.0);
        let offset: Vec<f64> = (0..d).map(|_| random.normal() * scale(&mut random)).collect();
        let size = scale(&mut random);
        let row = |random: &mut Random| -> Vec<f32> {
            offset.iter().map(|o| (o + size * random.normal()) as f32).collect()
        };
        let x: Vec<f32> = (0..n).flat_map(|_| row(&mut random)).collect();
        let q: Vec<f32> = (0..b).flat_map(|_| row(&mut random)).collect();
        let (x, q) = (Rows::new(x, d).unwrap(), Rows::new(q, d).unwrap());
        let squared = |r: &[f32]| r.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
        let longest = x.iter().chain(q.iter()).map(squared).fold(0.0, f64::max);
        let beta = (1.0 / (size * size * d as f64)) as f32;
        for (name, device) in devices() {
            for form in [SimilarityForm::Product, SimilarityForm::Difference] {
                let memory =
                    DenseMemory::builder().device(&device).similarity_form(form).beta(beta).build(&x);
                let memory = memory.unwrap();
                let options = RecallOptions { steps: 0, top_k: Some(n), ..Default::default() };
                let recall = memory.recall_with(&q, &options).unwrap();
                for i in 0..b {
                    let score = |k: usize| {
                        let pairs = q.row(i).iter().zip(x.row(k));
                        -0.5 * f64::from(beta)
                            * pairs.map(|(p, q)| (f64::from(*p) - f64::from(*q)).powi(2)).sum::<f64>()
                    };
                    let best = recall.indices[i * n] as usize;
                    for (k, weight) in recall.top(i).filter(|t| t.1 > 1e-20) {
                        let first = recall.weights[i * n];
                        let got = (f64::from(weight) / f64::from(first)).ln();
                        let want = score(k as usize) - score(best);
                        let of_form = match form {
                            SimilarityForm::Product => 1.5 * f64::from(beta) * longest,
                            SimilarityForm::Difference => score(k as usize).abs().max(score(best).abs()),
                        };
                        // Two scores, and what exp and weights round.
                        let bound = 2.0 * (d as f64 + 3.0) * unit * of_form + 4e-6 + 2e-6 * got.abs();
                        assert!(
                            (got - want).abs() <= bound,
                            "{name} {problem} {form} d {d}: {got} {want} {bound}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn too_small_is_refused_with_the_cure() {
    for (name, device) in devices() {
        let tiny = Rows::new(vec![1e-20, 0.0, 0.0, 1e-20, -1e-20, 0.0], 2).unwrap();
        for similarity in [Similarity::L2, Similarity::Dot] {
            let memory = DenseMemory::builder().device(&device).similarity(similarity).build(&tiny).unwrap();
            let said = memory.recall(&tiny).unwrap_err().to_string();
            assert!(said.contains("multiply"), "{name} {similarity}: {said}");
        }
        let cosine = DenseMemory::builder().device(&device).similarity(Similarity::Cosine).build(&tiny);
        assert!(cosine.unwrap_err().to_string().contains("multiply the data"), "{name}");
        let half = DenseMemory::builder().device(&device).precision(Precision::F16);
        let said = half.build(&[[1e-8, 2e-8], [3e-8, 1e-8]]).unwrap_err().to_string();
        assert!(said.contains("f16") && said.contains("scale"), "{name}: {said}");
        // At the end of what beta can be.
        let end = DenseMemory::builder().device(&device).beta(3e38).build(&[[1e-19, 0.0], [0.0, 1e-19]]);
        let recall = end.unwrap().recall(&[[1e-19, 0.0]]);
        assert!(recall.is_err(), "{name}: {:?}", recall.map(|r| r.weights));
    }
}

/// Rows from which a common offset cannot be taken without rounding come back as they were, also those that come later.
#[test]
fn small_rows_beside_large_ones_keep_their_digits() {
    for (name, device) in devices() {
        let far: Vec<f32> = (0..8).flat_map(|i| [4096.0 + i as f32, 4096.0 - 2.0 * i as f32]).collect();
        let mut memory = DenseMemory::builder().device(&device).build(&Rows::new(far, 2).unwrap()).unwrap();
        memory.associate(&Rows::new((0..8).map(|v| v as f32).collect::<Vec<f32>>(), 1).unwrap()).unwrap();
        let small = [[1.234_567e-6, 3e-7], [-2.5e-6, 7e-7]];
        memory.append_pairs(&small, &[[8.0], [9.0]]).unwrap();
        let recall = memory.recall_with(&small, &RecallOptions { beta: Some(1e14), ..Default::default() });
        let recall = recall.unwrap();
        assert_eq!((recall.states.row(0), recall.states.row(1)), (&small[0][..], &small[1][..]), "{name}");
        assert_eq!(recall.values.unwrap().as_slice(), [8.0, 9.0], "{name}");
        let recall = memory
            .recall_with(&[[4098.0, 4092.0]], &RecallOptions { beta: Some(10.0), ..Default::default() });
        assert_eq!(recall.unwrap().states.row(0), [4098.0, 4092.0], "{name}");
    }
}
