//! The dense memory: the softmax update against the oracle, and its energies.

mod asked;
mod automatic;
mod forms;
mod kept;
mod large;
mod rounding;

use super::common::*;
use attractor::{ops, prelude::*, reference::DenseModel};

fn model(patterns: &Rows<'_>, similarity: Similarity, beta: f32) -> DenseModel {
    DenseModel { patterns: matrix(patterns), similarity, beta: beta.into(), mask: None }
}

fn build(device: &Device, patterns: &Rows<'_>, similarity: Similarity, beta: f32) -> DenseMemory {
    DenseMemory::builder().device(device).similarity(similarity).beta(beta).build(patterns).unwrap()
}

fn exactly(steps: u32) -> RecallOptions<'static> {
    RecallOptions { steps, tolerance: Some(0.0), ..RecallOptions::default() }
}

#[test]
fn several_steps_follow_the_oracle() {
    let mut random = Random::new(20);
    for (b, n, d) in [(1, 1, 1), (4, 30, 3), (9, 200, 17), (70, 90, 66)] {
        let (x, q) = (random.rows(n, d, 1.0), random.rows(b, d, 1.0));
        for kind in Similarity::ALL {
            let beta = 1.0 / (d as f32).sqrt();
            let oracle = model(&x, kind, beta);
            let mut want = Vec::new();
            for row in matrix(&q).iter() {
                want.extend((0..3).fold(row.to_vec(), |x, _| oracle.step(&x).state));
            }
            for (name, device) in devices() {
                let got = build(&device, &x, kind, beta).recall_with(&q, &exactly(3)).unwrap();
                assert_eq!(got.steps, vec![3; b]);
                let bound = if name == "cpu" { 2e-6 } else { 1e-5 };
                assert_close(
                    &format!("{name} {kind} {b}x{n}x{d}"),
                    got.states.as_slice(),
                    &want,
                    bound * 4.0,
                );
            }
        }
    }
}

/// CCCP: no update raises the energy, whatever beta, data, damage. The bound is rounding of the
/// energy's own terms.
#[test]
fn energy_never_rises() {
    for (name, device) in devices() {
        let mut random = Random::new(21);
        let problems = if name == "cpu" { 300 } else { 27 };
        for problem in 0..problems {
            let (n, d, b) = (1 + random.below(40), 1 + random.below(24), 1 + random.below(9));
            let spread = 10f64.powf(random.uniform() * 2.0 - 1.0);
            let beta = (10f64.powf(random.uniform() * 4.0 - 2.0) / (spread * spread * d as f64)) as f32;
            let kind = [Similarity::L2, Similarity::Dot, Similarity::Cosine][problem % 3];
            let (x, q) = (random.rows(n, d, spread), random.rows(b, d, spread));
            let step_size =
                if kind == Similarity::L2 { [0.3, 1.0, 1.9] } else { [0.3, 1.0, 1.0] }[problem / 3 % 3];
            let options = RecallOptions { steps: 30, step_size, trace: true, ..RecallOptions::default() };
            let recall = build(&device, &x, kind, beta).recall_with(&q, &options).unwrap();
            let magnitude = match kind {
                Similarity::Cosine => 1.0 + (spread.ln().abs() + 5.0) / f64::from(beta),
                _ => spread * spread * d as f64 * 4.0 + (n as f64).ln() / f64::from(beta),
            };
            for (i, trace) in recall.trace.unwrap().iter().enumerate() {
                assert_eq!(trace.len(), recall.steps[i] as usize + 1);
                assert_eq!(trace.last(), Some(&recall.energy[i]));
                for pair in trace.windows(2) {
                    let rise = f64::from(pair[1]) - f64::from(pair[0]);
                    assert!(
                        rise <= 16.0 * EPS * magnitude,
                        "{name} {kind} problem {problem}: {rise:e}, {trace:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn sharp_blended_and_huge_scores() {
    let mut random = Random::new(22);
    let (x, q) = (random.rows(500, 32, 1.0), random.rows(20, 32, 1.0));
    for (name, device) in devices() {
        for kind in Similarity::ALL {
            // Sharp: scores of 1e5 and more; the nearest pattern comes back whole.
            let sharp = build(&device, &x, kind, 1e4).recall_with(&q, &exactly(1)).unwrap();
            let oracle = model(&x, kind, 1e4);
            for (i, row) in matrix(&q).iter().enumerate() {
                let p = oracle.step(row).weights;
                let best = (0..500).max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap();
                // Where the two best are closer than f32 can tell, either may win.
                if p[best] > 1.0 - 1e-9 {
                    assert_eq!(sharp.indices[i * 5] as usize, best, "{name} {kind} {i}");
                    assert_close(name, sharp.states.row(i), matrix(&x).row(best), 1e-6);
                    assert!((sharp.effective[i] - 1.0).abs() < 1e-4, "{name} {kind}");
                }
            }
            // Blended: nearly the mean of all.
            let blended = build(&device, &x, kind, 1e-6).recall_with(&q, &exactly(1)).unwrap();
            let mean = attractor::reference::reduce_columns(&matrix(&x), ops::Reduction::Mean);
            assert_close(name, blended.states.row(3), &mean, 1e-4);
            assert!((blended.effective[3] - 500.0).abs() < 0.1, "{name} {kind} {}", blended.effective[3]);
        }
    }
}

#[test]
fn one_pattern_comes_back_in_one_step() {
    for (name, device) in devices() {
        for d in [1, 2, 5, 64] {
            let mut random = Random::new(23);
            let (x, q) = (random.rows(1, d, 1.0), random.rows(3, d, 2.0));
            let memory = DenseMemory::builder().device(&device).build(&x).unwrap();
            let options = RecallOptions { steps: 3, ..RecallOptions::default() };
            let recall = memory.recall_with(&q, &options).unwrap();
            for row in recall.states.iter() {
                assert_eq!(row, x.row(0), "{name}");
            }
            assert_eq!(recall.status, [Status::Converged; 3]);
            assert_eq!((recall.top_k, recall.weights.as_slice()), (1, &[1.0; 3][..]));
        }
    }
}

/// Permuting patterns permutes weights; storing all twice changes the energy by ln 2 / beta; the
/// output is in the hull.
#[test]
fn invariants() {
    let mut random = Random::new(24);
    let (x, q) = (random.rows(40, 9, 1.0), random.rows(6, 9, 1.0));
    let reversed: Vec<f32> = (0..40).rev().flat_map(|i| x.row(i).to_vec()).collect();
    let twice: Vec<f32> = [x.as_slice(), x.as_slice()].concat();
    let largest = matrix(&x).iter().map(|r| r.iter().map(|v| v * v).sum::<f64>().sqrt()).fold(0.0, f64::max);
    for (name, device) in devices() {
        let base = build(&device, &x, Similarity::L2, 0.7).recall_with(&q, &exactly(2)).unwrap();
        let want: Vec<f64> = base.states.as_slice().iter().map(|v| f64::from(*v)).collect();
        let other = build(&device, &Rows::new(&reversed[..], 9).unwrap(), Similarity::L2, 0.7);
        let other = other.recall_with(&q, &exactly(2)).unwrap();
        assert_close(name, other.states.as_slice(), &want, 1e-6);
        assert!(base.indices.iter().zip(&other.indices).all(|(a, b)| a + b == 39), "{name}");
        let double = build(&device, &Rows::new(&twice[..], 9).unwrap(), Similarity::L2, 0.7);
        let double = double.recall_with(&q, &exactly(2)).unwrap();
        assert_close(name, double.states.as_slice(), &want, 1e-6);
        let shifted: Vec<f64> = base.energy.iter().map(|e| f64::from(*e) - 2f64.ln() / 0.7).collect();
        assert_close(name, &double.energy, &shifted, 2e-5);
        for row in base.states.iter() {
            assert!(row.iter().map(|v| f64::from(v * v)).sum::<f64>().sqrt() <= largest * (1.0 + 4.0 * EPS));
        }
    }
}

#[test]
fn equal_lengths_make_l2_and_dot_agree() {
    let mut random = Random::new(25);
    let raw = random.rows(30, 8, 1.0);
    let unit: Vec<f32> = raw
        .iter()
        .flat_map(|r| {
            let norm = r.iter().map(|v| v * v).sum::<f32>().sqrt();
            r.iter().map(|v| v / norm).collect::<Vec<_>>()
        })
        .collect();
    let x = Rows::new(unit, 8).unwrap();
    let q = random.rows(5, 8, 1.0);
    for (name, device) in devices() {
        let l2 = build(&device, &x, Similarity::L2, 6.0).recall_with(&q, &exactly(2)).unwrap();
        let dot = build(&device, &x, Similarity::Dot, 6.0).recall_with(&q, &exactly(2)).unwrap();
        let want: Vec<f64> = dot.states.as_slice().iter().map(|v| f64::from(*v)).collect();
        assert_close(name, l2.states.as_slice(), &want, 1e-5);
    }
}

/// A step is what a recall of one step makes, with the energy before it.
#[test]
fn a_step_is_a_recall_of_one_step() {
    let mut random = Random::new(61);
    let (x, q) = (random.rows(150, 11, 1.0), random.rows(6, 11, 1.0));
    for (name, device) in devices() {
        for precision in [Precision::F32, Precision::F16] {
            let builder = DenseMemory::builder().device(&device).beta(1.5).precision(precision);
            let memory = builder.build(&x).unwrap();
            let (states, energy) = memory.step(&q).unwrap();
            let options = RecallOptions { trace: true, ..exactly(1) };
            let recall = memory.recall_with(&q, &options).unwrap();
            assert_eq!(states.as_slice(), recall.states.as_slice(), "{name} {precision}");
            let before: Vec<f32> = recall.trace.unwrap().iter().map(|t| t[0]).collect();
            assert_eq!(energy, before, "{name} {precision}");
        }
    }
}

#[test]
fn the_same_bits_again() {
    let mut random = Random::new(36);
    let (x, q) = (random.rows(5000, 24, 1.0), random.rows(40, 24, 1.0));
    for (name, device) in devices() {
        let memory = build(&device, &x, Similarity::L2, 0.3);
        let states = || memory.recall_with(&q, &exactly(2)).unwrap().states;
        let bits = || states().as_slice().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(), bits(), "{name}");
    }
}
