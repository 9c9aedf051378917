//! One softmax step, from tensors to tensors.

use super::*;
use attractor::{
    Error, Tensor,
    ops::{self, Similarity},
    reference::DenseModel,
};

/// Steps of the same on the CPU and some GPUs: states and energies.
type Steps = Vec<(&'static str, attractor::Result<(Vec<f32>, Vec<f32>)>)>;

fn steps(q: &[f32], x: &[f32], d: usize, beta: f32, kind: Similarity, pick: usize) -> Steps {
    let of = |v: &[f32], device: &Device| {
        Tensor::from_flat(device, v, &[v.len().checked_div(d).unwrap_or(0), d]).unwrap()
    };
    some_devices(pick)
        .into_iter()
        .map(|(name, device)| {
            let step = ops::step(&of(q, &device), &of(x, &device), beta, kind);
            (name, step.map(|(s, e)| (s.to_vec().unwrap(), e.to_vec().unwrap())))
        })
        .collect()
}

#[test]
fn steps_of_tame_values() {
    let strategy = (
        prop_oneof![
            3 => (size(40), some(130), some(40)),
            1 => (some(9), some(2100), some(9)),
            1 => (some(4), some(20), some(600)),
        ],
        (fill(&Kind::TAME), fill(&Kind::TAME)),
        prop::sample::select(&Similarity::ALL[..]),
        prop::sample::select(vec![0.05_f32, 1.0, 8.0]),
        any::<usize>(),
    );
    property("steps", 60, strategy, |((b, n, d), (q, x), kind, beta, pick)| {
        let (q, x) = (q.flat(b * d), x.flat(n * d));
        let model = DenseModel {
            patterns: Matrix { data: wide(&x), rows: n, columns: d },
            similarity: kind,
            beta: beta.into(),
            mask: None,
        };
        // The energy of `step` has no constant.
        let offset = |energy: f64| match kind {
            Similarity::Dot => {
                let widest = x.chunks(d).map(|r| wide(r).iter().map(|v| v * v).sum()).fold(0.0, f64::max);
                energy - (n as f64).ln() / f64::from(beta) - 0.5 * widest
            }
            _ => energy,
        };
        let beta = f64::from(beta);
        for (name, result) in steps(&q, &x, d, beta as f32, kind, pick) {
            let (states, energies) = result.unwrap();
            assert_eq!((states.len(), energies.len()), (b * d, b), "{name}");
            for ((q, got), energy) in q.chunks(d).zip(states.chunks(d)).zip(&energies) {
                let what = format!("{name} {kind} beta {beta} {n}x{d}");
                let want = model.step(&wide(q));
                let squared = |r: &[f32]| wide(r).iter().map(|v| v * v).sum::<f64>();
                let longest = x.chunks(d).map(squared).fold(squared(q), f64::max);
                // How well a score is known, what that does to weights, and how well a sum of them is.
                let of_score = match kind {
                    Similarity::Cosine => 1.0,
                    Similarity::L1 => (d as f64 * longest).sqrt() * 2.0,
                    _ => longest,
                };
                let score = beta * EPS * (8.0 + 2.0 * (d as f64).sqrt()) * of_score;
                let largest = x.iter().fold(0.0_f64, |m, v| m.max(f64::from(v.abs())));
                let bound = largest * (2.5 * score + EPS * (16.0 + 2.0 * (n as f64).sqrt()));
                let close = |w: &f64| Want::Near(*w, bound);
                if score < 0.1 {
                    assert_all(&what, got, &want.state.iter().map(close).collect::<Vec<_>>());
                } else {
                    // Scores are not known to the place behind the point: still a blend of the patterns.
                    let least = x.iter().copied().fold(f32::MAX, f32::min);
                    let most = x.iter().copied().fold(f32::MIN, f32::max);
                    let slack = (1e-4 * largest) as f32;
                    assert!(got.iter().all(|v| *v >= least - slack && *v <= most + slack), "{what}: {got:?}");
                }
                let energy_want = offset(want.energy);
                let cosine = if kind == Similarity::Cosine && longest > 0.0 { 1.0 } else { 0.0 };
                if energy_want.is_finite() {
                    let close = (2.0 * score + EPS * (16.0 + 2.0 * (n as f64).sqrt()) * (1.0 + cosine))
                        / beta
                        + 4.0 * EPS * (energy_want.abs() + longest * (1.0 - cosine));
                    assert_all(&format!("{what} energy"), &[*energy], &[Want::Near(energy_want, close)]);
                }
            }
        }
    });
}

#[test]
fn steps_of_any_values() {
    let strategy = (
        (size(20), size(70), size(20)),
        (fill(&Kind::ALL), fill(&Kind::ALL)),
        prop::sample::select(&Similarity::ALL[..]),
        prop::sample::select(vec![-1.0_f32, f32::NAN, 1e-3, 1.0, 1e20]),
        any::<usize>(),
    );
    property("steps of any values", 90, strategy, |((b, n, d), (q, x), kind, beta, pick)| {
        let (q, x) = (q.flat(b * d), x.flat(n * d));
        let results = steps(&q, &x, d, beta, kind, pick);
        if same_errors(&results) {
            return;
        }
        assert!(x.iter().all(|v| v.is_finite()), "a pattern that is no number was taken");
        for (name, result) in &results {
            let (states, energies) = result.as_ref().unwrap();
            for ((q, state), energy) in q.chunks(d).zip(states.chunks(d)).zip(energies) {
                let what = format!("{name} {kind} beta {beta} of {q:?}");
                let squared: f64 = wide(q).iter().map(|v| v * v).sum();
                let reach = match kind {
                    Similarity::L1 => 2.0 * (d as f64 * squared).sqrt(),
                    Similarity::Cosine => 1.0,
                    _ => squared,
                };
                let over = squared.max(reach * f64::from(beta)) / 1e28;
                // The energy of a cosine weighs patterns by their lengths.
                let of_row = |r: &[f32]| wide(r).iter().map(|v| v * v).sum::<f64>();
                let lengths = kind != Similarity::Cosine || x.chunks(d).any(|x| of_row(x) > 1e3 * TINY);
                let known = (energy.is_finite() || !lengths) && state.iter().all(|v| v.is_finite());
                if over < 0.99 {
                    assert!(known, "{what}: {state:?} {energy}");
                } else if !squared.is_finite() || over > 1.01 {
                    assert!(!energy.is_finite(), "{what}: {energy}");
                    assert!(state.iter().all(|v| !v.is_finite()), "{what}: {state:?}");
                }
            }
        }
    });
}

#[test]
fn a_pattern_that_no_score_can_be_made_of_is_named() {
    for (name, device) in devices() {
        let of = |values: &[f32]| Tensor::from_flat(&device, values, &[values.len() / 2, 2]).unwrap();
        let good = of(&[1.0, 0.0, 0.0, 1.0]);
        for kind in Similarity::ALL {
            let step = |x: &Tensor, beta| ops::step(&good, x, beta, kind);
            let odd = of(&[0.0, 0.0, f32::INFINITY, 0.0]);
            let error = step(&odd, 1.0).unwrap_err();
            assert!(matches!(error, Error::NonFinite { row: 1, column: 0, .. }), "{name} {kind}: {error}");
            // The second time it is known.
            assert_eq!(step(&odd, 1.0).unwrap_err().to_string(), error.to_string(), "{name} {kind}");
            let error = step(&of(&[0.0, 0.0, 3e14, 0.0]), 1.0).unwrap_err().to_string();
            assert!(error.contains("patterns, row 1"), "{name} {kind}: {error}");
            let error = step(&of(&[1.0, 0.0, 0.0, 5.0]), 1e29).unwrap_err().to_string();
            assert!(error.contains("beta"), "{name} {kind}: {error}");
        }
    }
}
