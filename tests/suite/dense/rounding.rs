//! Where rounding would show: far from the origin, many equal weights, scores near the end of f32.

use super::{build, exactly, model};
use crate::common::*;
use attractor::prelude::*;

/// Sums of many equal addends round the same way each time, unless they are cut.
#[test]
fn many_equal_weights_keep_the_promised_accuracy() {
    let mut random = Random::new(46);
    for (n, d) in [(500, 3), (1000, 3), (4000, 5)] {
        let bits: Vec<f32> = (0..n * d).map(|_| if random.uniform() < 0.5 { 1.0 } else { 0.0 }).collect();
        let x = Rows::new(bits, d).unwrap();
        let q = Rows::new(x.slice(0..9).as_slice().iter().map(|v| v * 0.7 + 0.1).collect::<Vec<f32>>(), d)
            .unwrap();
        for kind in [Similarity::L2, Similarity::Dot, Similarity::L1] {
            for beta in [0.1, 2.0, 5.0] {
                let oracle = model(&x, kind, beta);
                let want: Vec<f64> = matrix(&q).iter().flat_map(|row| oracle.step(row).state).collect();
                for (name, device) in devices() {
                    let got = build(&device, &x, kind, beta).recall_with(&q, &exactly(1)).unwrap();
                    let bound = if name == "cpu" { 2e-6 } else { 1e-5 };
                    assert_close(&format!("{name} {kind} {n}x{d}"), got.states.as_slice(), &want, bound);
                }
            }
        }
    }
}

/// A common offset of a thousand would drown the distances in rounding, were it not taken off.
#[test]
fn patterns_far_from_the_origin() {
    let mut random = Random::new(31);
    let near = random.rows(100, 10, 1.0);
    let cue = random.rows(8, 10, 1.0);
    let moved = |r: &Rows<'_>| {
        Rows::new(r.as_slice().iter().map(|v| v + 4096.0).collect::<Vec<f32>>(), r.columns()).unwrap()
    };
    let oracle = model(&moved(&near), Similarity::L2, 1.0);
    for (name, device) in devices() {
        let memory = build(&device, &moved(&near), Similarity::L2, 1.0);
        let recall = memory.recall_with(&moved(&cue), &exactly(2)).unwrap();
        for (i, row) in matrix(&moved(&cue)).iter().enumerate() {
            let want = oracle.step(&oracle.step(row).state).state;
            // One rounding of a number near 4096.
            assert_close(name, recall.states.row(i), &want, 4096.0 * EPS);
        }
        assert_eq!(recall.energy.len(), 8);
    }
}

#[test]
fn scores_beyond_f32_are_refused() {
    for (name, device) in devices() {
        let cosine = DenseMemory::builder().device(&device).similarity(Similarity::Cosine);
        let memory = cosine.clone().beta(1e36).build(&[[1e-5, 0.0]]).unwrap();
        assert!(memory.recall(&[[-1e-5, 0.0]]).unwrap_err().to_string().contains("beta"), "{name}");
        // The cosine does not depend on lengths, so these are fine.
        let long = cosine.beta(1000.0).build(&[[1e13, 0.0], [0.0, 1e13]]).unwrap();
        assert_eq!(long.recall(&[[1.0, 0.5]]).unwrap().indices[0], 0, "{name}");
        let l1 = DenseMemory::builder().device(&device).similarity(Similarity::L1).beta(3e38);
        assert!(l1.build(&[vec![1.0; 100]]).unwrap().recall(&[vec![0.0; 100]]).is_err(), "{name}");
    }
}

/// Far from the origin by a few spreads, as images and counts are, at the automatic beta, between two
/// patterns: where a wrong last bit of a score shows most.
#[test]
fn uncentred_data_keeps_the_promised_accuracy() {
    let mut random = Random::new(44);
    let uniform: Vec<f32> = (0..1000 * 64).map(|_| random.uniform() as f32).collect();
    let x = Rows::new(uniform, 64).unwrap();
    let between: Vec<f32> = (0..50)
        .flat_map(|i| x.row(i).iter().zip(x.row(i + 50)).map(|(a, b)| 0.5 * (a + b)).collect::<Vec<_>>())
        .collect();
    let q = Rows::new(between, 64).unwrap();
    for (name, device) in devices() {
        let memory = DenseMemory::builder().device(&device).build(&x).unwrap();
        let recall = memory.recall_with(&q, &exactly(1)).unwrap();
        let oracle = model(&x, Similarity::L2, recall.beta);
        let want: Vec<f64> = matrix(&q).iter().flat_map(|row| oracle.step(row).state).collect();
        assert_close(name, recall.states.as_slice(), &want, if name == "cpu" { 2e-6 } else { 1e-5 });
    }
}
