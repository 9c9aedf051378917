//! Worked numbers of the log-sum-exp energies: three patterns in the plane, computed in f64 by hand-made
//! scripts of the formulas.

use super::common::*;
use attractor::{prelude::*, reference};

const PATTERNS: [[f64; 2]; 3] = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]];
const CUE: [f64; 2] = [0.6, 0.2];

fn model(beta: f64, similarity: Similarity) -> reference::DenseModel {
    reference::DenseModel { patterns: reference::Matrix::from_rows(&PATTERNS), similarity, beta, mask: None }
}

fn memory(device: &Device, beta: f32, similarity: Similarity) -> DenseMemory {
    DenseMemory::builder().device(device).beta(beta).similarity(similarity).build(&PATTERNS).unwrap()
}

#[track_caller]
fn near(got: &[f64], want: &[f64], bound: f64) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() <= bound, "{got:?}, want {want:?}");
    }
}

#[test]
fn the_reference_gives_the_golden_values() {
    let dot = model(2.0, Similarity::Dot);
    let first = dot.step(&CUE);
    near(&first.weights, &[0.6493308669, 0.2917631658, 0.0589059673], 1e-9);
    near(&[first.energy], &[0.4333997034], 1e-9);
    near(&first.state, &[0.5904248997, 0.2917631658], 1e-9);
    let second = dot.step(&first.state);
    near(&[second.energy], &[0.4270138140], 1e-9);
    near(&second.state, &[0.5507551023, 0.3346113278], 1e-9);
    near(&[dot.energy(&second.state)], &[0.4236865188], 1e-9);
    let mut x = second.state;
    for _ in 0..20_000 {
        x = dot.step(&x).state;
    }
    near(&x, &[0.0, 0.6448818283], 1e-9);
    near(&[dot.energy(&x)], &[0.3930165068], 1e-9);

    let sharp = model(8.0, Similarity::Dot);
    let first = sharp.step(&CUE);
    near(&first.state, &[0.9607066821, 0.0391631742], 1e-9);
    // By 40-digit arithmetic.
    near(&[first.energy, sharp.energy(&first.state)], &[0.2323242351914, 0.1387868450477], 1e-9);

    let l2 = model(2.0, Similarity::L2);
    let step = l2.step(&CUE);
    near(&[step.energy], &[-0.1159064409], 1e-9);
    let gradient: Vec<f64> = CUE.iter().zip(&step.state).map(|(x, y)| x - y).collect();
    near(&gradient, &[0.0095751003, -0.0917631658], 1e-9);
    near(&[(-2.0 * step.energy).exp()], &[1.2608837725], 1e-9);
}

#[test]
fn every_device_gives_the_golden_values() {
    for (name, device) in devices() {
        let options =
            |steps| RecallOptions { steps, tolerance: Some(0.0), trace: true, ..RecallOptions::default() };
        let two = memory(&device, 2.0, Similarity::Dot).recall_with(&CUE, &options(2)).unwrap();
        assert_close(name, two.states.as_slice(), &[0.5507551023, 0.3346113278], 4.0 * EPS);
        assert_close(name, &two.trace.unwrap()[0], &[0.4333997034, 0.4270138140, 0.4236865188], 8.0 * EPS);
        let start = memory(&device, 2.0, Similarity::Dot).recall_with(&CUE, &options(0)).unwrap();
        assert_eq!(start.indices[..3], [0, 1, 2], "{name}");
        assert_close(name, &start.weights, &[0.6493308669, 0.2917631658, 0.0589059673], 4.0 * EPS);
        assert_eq!(start.states.as_slice(), [0.6, 0.2], "{name}");
        let p = model(2.0, Similarity::Dot).step(&CUE);
        assert_close(name, &start.effective, &[p.effective], 16.0 * EPS);

        let sharp = memory(&device, 8.0, Similarity::Dot).recall_with(&CUE, &options(1)).unwrap();
        assert_close(name, sharp.states.as_slice(), &[0.9607066821, 0.0391631742], 8.0 * EPS);
        assert_close(name, &sharp.trace.unwrap()[0], &[0.2323242351914, 0.1387868450477], 8.0 * EPS);

        let l2 = memory(&device, 2.0, Similarity::L2);
        assert_close(name, &l2.energy(&CUE).unwrap(), &[-0.1159064409], 8.0 * EPS);
        let step = l2.recall_with(&CUE, &options(1)).unwrap();
        assert_close(name, step.states.as_slice(), &[0.6 - 0.0095751003, 0.2 + 0.0917631658], 4.0 * EPS);
    }
}

/// At beta = 2 the state drifts from the first pattern's side to the second, slowly, past a saddle.
#[test]
fn low_beta_drifts_to_the_limit() {
    for (name, device) in devices() {
        let options = RecallOptions { steps: 1000, tolerance: Some(1e-7), ..RecallOptions::default() };
        let recall = memory(&device, 2.0, Similarity::Dot).recall_with(&CUE, &options).unwrap();
        assert_eq!(recall.status, [Status::Converged], "{name}");
        // A last change of 1e-7 leaves 1e-7 / (1 - rate) to go; the rate here is near 0.96.
        assert_close(name, recall.states.as_slice(), &[0.0, 0.6448818283], 1e-5);
        assert_close(name, &recall.energy, &[0.3930165068], 1e-6);
    }
}
