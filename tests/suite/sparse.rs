//! Memories with sparse weights: worked numbers, the margin theorem, falling energies, every device against f64.

use super::common::*;
use attractor::{
    Error,
    memory::{Post, SparseMemory, SparseSettings},
    ops::Separation,
    prelude::*,
    reference::{self, Matrix, SparseModel, epanechnikov_minima},
};

const SPARSE: [Separation; 6] = [
    Separation::Entmax(1.25),
    Separation::Entmax(1.5),
    Separation::Entmax(2.0),
    Separation::Normmax(2.0),
    Separation::Normmax(5.0),
    Separation::KSubsets(2),
];

fn settings(device: &Device, similarity: Similarity, separation: Separation, beta: f32) -> SparseSettings {
    SparseSettings {
        device: Some(device.clone()),
        similarity,
        similarity_form: None,
        separation,
        beta: Beta::Fixed(beta),
        post: Post::None,
    }
}

#[track_caller]
fn near(got: &[f64], want: &[f64], bound: f64) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() <= bound, "{got:?}, want {want:?}");
    }
}

/// On a line: minima, saddles and the border of the support.
#[test]
fn epanechnikov_golden_values() {
    let line = Matrix::from_rows(&[[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]]);
    let minima = epanechnikov_minima(&line, 2.5);
    assert_eq!(minima.len(), 4);
    for (k, (x, energy)) in minima.iter().take(3).enumerate() {
        assert_eq!((&x[..], *energy), (line.row(k), -0.0));
    }
    assert_eq!(minima[3].0, [0.5, 0.0]);
    near(&[minima[3].1], &[-1.375_f64.ln() / 2.5], 1e-12);
    // Wide supports: the first pattern is no minimum any more, the mean of all three is one.
    let wide = epanechnikov_minima(&line, 0.5);
    let mean = wide.iter().find(|(x, _)| (x[0] - 4.0 / 3.0).abs() < 1e-12).unwrap();
    near(&[mean.1], &[-2.0 * (11.0_f64 / 6.0).ln()], 1e-12);
    assert!(wide.iter().all(|(x, _)| x[0] != 0.0));

    let stored = [[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]];
    for (name, device) in varied() {
        let at = |beta| {
            let settings = settings(&device, Similarity::L2, Separation::Epanechnikov, beta);
            SparseMemory::with(&stored, settings).unwrap()
        };
        let memory = at(2.5);
        let queries = [[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [0.45, 0.1], [2.0, 0.0], [3.2, 0.1]];
        let recall = memory.recall(&queries).unwrap();
        let want = [[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [0.5, 0.0], [2.0, 0.0], [3.0, 0.0]];
        assert_eq!(recall.states.as_slice(), want.as_flattened(), "{name}");
        let lost: Vec<bool> = recall.status.iter().map(|s| *s == Status::OutOfSupport).collect();
        assert_eq!(lost, [false, false, false, false, true, false], "{name}");
        assert_eq!(recall.support.clone().unwrap(), [1, 1, 1, 2, 0, 1], "{name}");
        let energy = [0.0, 0.0, 0.0, minima[3].1, 0.0, 0.0];
        let mut got = recall.energy.clone();
        assert_eq!(std::mem::take(&mut got[4]), 1e30, "{name}: outside the support");
        assert_close(name, &got, &energy, 8.0 * EPS);

        let wide = at(0.5).recall(&[[1.2, 0.0]]).unwrap();
        assert_close(name, wide.states.as_slice(), &[4.0 / 3.0, 0.0], 4.0 * EPS);
        assert_close(name, &wide.energy, &[-2.0 * (11.0_f64 / 6.0).ln()], 8.0 * EPS);
    }
}

/// 1-entmax is the softmax memory, energy and all.
#[test]
fn entmax_1_is_the_dense_memory() {
    let mut random = Random::new(5);
    let (patterns, queries) = (random.rows(40, 12, 1.0), random.rows(5, 12, 1.0));
    for (name, device) in varied() {
        for similarity in [Similarity::Dot, Similarity::L2] {
            let dense = DenseMemory::builder()
                .device(&device)
                .similarity(similarity)
                .beta(0.7)
                .build(&patterns)
                .unwrap();
            let settings = settings(&device, similarity, Separation::Entmax(1.0), 0.7);
            let sparse = SparseMemory::with(&patterns, settings).unwrap();
            let options = RecallOptions { steps: 1, trace: true, ..RecallOptions::default() };
            let (a, b) = (dense.recall_with(&queries, &options), sparse.recall_with(&queries, &options));
            let (a, b) = (a.unwrap(), b.unwrap());
            let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
            assert_close(name, b.states.as_slice(), &wide(a.states.as_slice()), 64.0 * EPS);
            assert_close(name, &b.energy, &wide(&a.energy), 64.0 * EPS * 12.0);
            let (ta, tb) = (a.trace.unwrap().concat(), b.trace.unwrap().concat());
            assert_close(name, &tb, &wide(&ta), 64.0 * EPS * 12.0);
            assert_eq!(a.indices, b.indices, "{name}");
        }
    }
}

#[test]
fn one_step_agrees_with_f64() {
    let mut random = Random::new(6);
    for (n, d, b) in [(1, 3, 2), (17, 5, 3), (130, 33, 4)] {
        let (patterns, queries) = (random.rows(n, d, 1.0), random.rows(b, d, 1.0));
        for similarity in [Similarity::Dot, Similarity::L2] {
            for separation in SPARSE.into_iter().filter(|s| s.total() as usize <= n) {
                let model = SparseModel { patterns: matrix(&patterns), similarity, separation, beta: 0.8 };
                let steps: Vec<_> = matrix(&queries).iter().map(|x| model.step(x)).collect();
                let states: Vec<f64> = steps.iter().flat_map(|s| s.state.clone()).collect();
                let energies: Vec<f64> = steps.iter().map(|s| s.energy).collect();
                for (name, device) in varied() {
                    let what = format!("{name} {similarity} {separation} {n}x{d}");
                    let memory =
                        SparseMemory::with(&patterns, settings(&device, similarity, separation, 0.8))
                            .unwrap();
                    let one = RecallOptions { steps: 1, trace: true, ..RecallOptions::default() };
                    let recall = memory.recall_with(&queries, &one).unwrap();
                    // A score has an error of eps sqrt(d) |x||xi|, of order eps d; weights follow 1-Lipschitz, but for
                    // gamma = 5, whose weights go as the fourth root of a distance from the threshold.
                    let of_score = EPS * (16.0 + 4.0 * d as f64);
                    let bound = match separation {
                        Separation::Normmax(5.0) => (2.0 * of_score).powf(0.25).min(0.04),
                        _ => 16.0 * of_score,
                    };
                    assert_close(&what, recall.states.as_slice(), &states, bound);
                    let of_energy = of_score * (4.0 + scale(&energies)) * f64::from(separation.total());
                    let before: Vec<f32> = recall.trace.unwrap().iter().map(|t| t[0]).collect();
                    assert_close(&what, &before, &energies, of_energy);
                }
            }
        }
    }
}

/// Where a query leads by the margin, one update gives the pattern back, bit by bit; and no update raises the energy.
#[test]
fn margin_theorem_and_falling_energy() {
    let mut random = Random::new(7);
    let patterns = random.rows(60, 16, 1.0);
    let queries: Vec<f32> = patterns.as_slice().iter().map(|v| v + 0.3 * random.normal() as f32).collect();
    let queries = Rows::new(queries, 16).unwrap();
    for (name, device) in varied() {
        let (mut eligible, mut worst) = (0, f32::MIN);
        for similarity in [Similarity::Dot, Similarity::L2] {
            for separation in SPARSE.into_iter().chain([Separation::Epanechnikov]) {
                for beta in [0.3_f32, 1.0] {
                    if separation == Separation::Epanechnikov && similarity == Similarity::Dot {
                        continue;
                    }
                    let memory =
                        SparseMemory::with(&patterns, settings(&device, similarity, separation, beta))
                            .unwrap();
                    let options = RecallOptions { steps: 1, ..RecallOptions::default() };
                    let one = memory.recall_with(&queries, &options).unwrap();
                    let scores = reference::similarity(&matrix(&queries), &matrix(&patterns), similarity);
                    for (i, row) in scores.iter().enumerate().filter(|_| separation.total() == 1.0) {
                        let best = reference::top_k(row, 2);
                        // A little more than the margin, for the rounding of the scores.
                        let leads = f64::from(beta) * (best[0].1 - best[1].1)
                            >= f64::from(separation.margin()) + 1e-4;
                        let alone = separation != Separation::Epanechnikov
                            || (f64::from(beta) * best[0].1 > -0.999 && f64::from(beta) * best[1].1 < -1.001);
                        if leads && alone {
                            assert_eq!(one.states.row(i), patterns.row(best[0].0), "{name} {separation}");
                            eligible += 1;
                        }
                    }
                    let all = RecallOptions { steps: 20, trace: true, ..RecallOptions::default() };
                    let recall = memory.recall_with(&queries, &all).unwrap();
                    for (i, trace) in recall.trace.unwrap().iter().enumerate() {
                        let size = 8.0 + trace.iter().fold(0.0_f32, |m, e| m.max(e.abs()));
                        for (a, b) in trace.iter().zip(&trace[1..]) {
                            worst = worst.max((b - a) / size);
                            assert!(
                                b - a <= 16.0 * f32::EPSILON * size,
                                "{name} {separation} {similarity} {i}: {trace:?}"
                            );
                        }
                    }
                }
            }
        }
        println!("{name}: {eligible} exact retrievals, worst relative rise {worst:e}");
        assert!(eligible > 300, "{name}: {eligible}");
    }
}

#[test]
fn post_transforms_descend_too() {
    let mut random = Random::new(8);
    let patterns: Vec<f32> = (0..30 * 12).map(|_| random.normal().tanh() as f32).collect();
    let queries: Vec<f32> = (0..6 * 12).map(|_| random.normal().tanh() as f32).collect();
    let sign = |v: &[f32]| v.iter().map(|v| v.signum()).collect::<Vec<f32>>();
    for (name, device) in varied() {
        for post in Post::ALL {
            let (patterns, queries) = match post {
                Post::Sign => (sign(&patterns), sign(&queries)),
                _ => (patterns.clone(), queries.clone()),
            };
            let settings =
                SparseSettings { post, ..settings(&device, Similarity::Dot, Separation::Entmax(1.5), 1.5) };
            let memory = SparseMemory::with(&Rows::new(patterns, 12).unwrap(), settings).unwrap();
            let options = RecallOptions { trace: true, steps: 30, ..RecallOptions::default() };
            let recall = memory.recall_with(&Rows::new(queries, 12).unwrap(), &options).unwrap();
            for trace in recall.trace.unwrap() {
                // The first state need not be one that the transform gives.
                let falls =
                    trace[1..].windows(2).all(|w| w[1] - w[0] <= 32.0 * f32::EPSILON * (8.0 + w[0].abs()));
                assert!(falls, "{name} {post}: {trace:?}");
            }
            let lengths: Vec<f32> =
                recall.states.iter().map(|x| x.iter().map(|v| v * v).sum::<f32>().sqrt()).collect();
            match post {
                Post::Normalize => assert_close(name, &lengths, &[1.0; 6], 8.0 * EPS),
                Post::LayerNorm => assert_close(name, &lengths, &[12_f64.sqrt(); 6], 32.0 * EPS),
                Post::Sign => assert!(recall.states.as_slice().iter().all(|v| v.abs() == 1.0)),
                Post::None | Post::Tanh => {}
            }
        }
    }
}

#[test]
fn masks_clamps_values_and_appending() {
    for (name, device) in varied() {
        let patterns = [[0.0, 0.0, 5.0], [4.0, 0.0, 0.0], [0.0, 4.0, 0.0]];
        let mut settings = settings(&device, Similarity::L2, Separation::Entmax(2.0), 1.0);
        settings.beta = Beta::Auto;
        let mut memory = SparseMemory::with(&patterns, settings).unwrap();
        memory.append(&[[4.0, 4.0, 4.0]]).unwrap();
        memory.associate(&[[1.0], [2.0], [3.0], [4.0]]).unwrap();
        assert_eq!((memory.len(), memory.dim()), (4, 3));
        let choice = memory.beta_choice().unwrap();
        assert_eq!((choice.sampled, choice.separated), (4, 1.0), "{name} {choice:?}");
        let mask = [true, false, true, true];
        let clamp = [true, false, false];
        let options = RecallOptions { mask: Some(&mask), clamp: Some(&clamp), ..RecallOptions::default() };
        let recall = memory.recall_with(&[[3.0, 0.5, 0.2], [3.5, 3.0, 3.0]], &options).unwrap();
        assert_eq!(recall.states[(0, 0)], 3.0, "{name}");
        assert!(recall.indices.chunks(4).all(|of| !of[..1].contains(&1)), "{name}");
        let values = memory.recall(&[[3.9, 3.9, 4.1]]).unwrap().values.unwrap();
        assert_eq!(values.as_slice(), [4.0], "{name}");
        let none = RecallOptions { mask: Some(&[false; 4]), ..RecallOptions::default() };
        assert!(matches!(
            memory.recall_with(&[[0.0; 3]], &none),
            Err(Error::NoEligiblePattern { patterns: 4 })
        ));
        let empty = memory.recall(&Rows::empty(3)).unwrap();
        assert!(empty.is_empty());
        assert!(memory.append(&[[1.0, 2.0, 3.0]]).is_err(), "{name}: values are missing");
    }
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let cpu = Device::cpu();
    let refused = |similarity, separation, post| {
        let settings = SparseSettings { post, ..settings(&cpu, similarity, separation, 1.0) };
        SparseMemory::with(&[[0.5, 0.25]], settings).is_err()
    };
    assert!(refused(Similarity::Cosine, Separation::Entmax(1.5), Post::None));
    assert!(refused(Similarity::Dot, Separation::Epanechnikov, Post::None));
    assert!(refused(Similarity::L2, Separation::Epanechnikov, Post::Normalize));
    assert!(refused(Similarity::Dot, Separation::KSubsets(2), Post::None));
    assert!(refused(Similarity::Dot, Separation::Entmax(2.0), Post::Sign));
    assert!(!refused(Similarity::Dot, Separation::Entmax(2.0), Post::Tanh));
}
