//! Separations: scores to weights.

use super::*;
use attractor::{
    Error, Tensor,
    ops::{Separation, separate},
    reference,
};

const KINDS: [Separation; 8] = [
    Separation::Softmax,
    Separation::Entmax(1.5),
    Separation::Entmax(2.0),
    Separation::Normmax(1.5),
    Separation::Normmax(2.0),
    Separation::KSubsets(1),
    Separation::KSubsets(3),
    Separation::Epanechnikov,
];

#[test]
fn separations() {
    let strategy = (
        prop_oneof![(size(9), size(70)), (some(2), some(1100))],
        fill(&Kind::ALL),
        prop::sample::select(&KINDS[..]),
        prop::sample::select(vec![0.1_f32, 1.0, 30.0]),
        any::<usize>(),
    );
    property("separations", 80, strategy, |((rows, columns), values, kind, beta, pick)| {
        let z = values.flat(rows * columns);
        let results: Vec<_> = some_devices(pick)
            .into_iter()
            .map(|(name, device)| {
                let t = Tensor::from_flat(&device, &z, &[rows, columns]).unwrap();
                let of =
                    |s: attractor::ops::Separated| (s.weights.to_vec().unwrap(), s.summary.to_vec().unwrap());
                (name, separate(&t, beta, kind).map(of))
            })
            .collect();
        let k = if let Separation::KSubsets(k) = kind { k as usize } else { 0 };
        if same_errors(&results) {
            assert!(columns == 0 || k > columns);
            assert!(matches!(results[0].1, Err(Error::InvalidParameter { .. })));
            return;
        }
        for (name, result) in &results {
            let (weights, summary) = result.as_ref().unwrap();
            for ((z, weights), summary) in
                z.chunks(columns).zip(weights.chunks(columns)).zip(summary.chunks(4))
            {
                let what = format!("{name} {kind} beta {beta} of {z:?}");
                let z = wide(z);
                let want = reference::separate(&z, beta.into(), kind);
                if want.weights[0].is_nan() {
                    assert_all(&what, weights, &vec![Want::Nan; columns]);
                    assert_all(&what, summary, &[Want::Nan; 4]);
                    continue;
                }
                let eligible: Vec<f64> = z.iter().copied().filter(|v| *v > -5e29).collect();
                if eligible.is_empty() {
                    assert!(weights.iter().all(|w| *w == 0.0), "{what}");
                    assert_eq!(summary, [-1e30, 0.0, 0.0, 0.0], "{what}");
                    continue;
                }
                let largest = eligible.iter().copied().fold(f64::MIN, f64::max);
                // Weights depend on differences of the scores; those that are near enough to count are rounded.
                let beta = f64::from(beta);
                let scale = eligible
                    .iter()
                    .filter(|v| (largest - **v) * beta < 110.0 || k > 0)
                    .fold(0.0, |m: f64, v| m.max(v.abs()));
                if kind == Separation::Epanechnikov && eligible.iter().any(|v| (1.0 + beta * v).abs() < 1e-4)
                {
                    // On the border of the reach one may be in or out.
                    continue;
                }
                if k > 0 && beta * scale > 1e6 {
                    // The threshold lies between scores that f32 cannot tell apart from it.
                    assert!(weights.iter().all(|w| (0.0..=1.0).contains(w)), "{what}: {weights:?}");
                    continue;
                }
                let normmax = if matches!(kind, Separation::Normmax(_)) { 8.0 } else { 1.0 };
                let bound = normmax * EPS * (16.0 + 4.0 * (beta * scale).min(1e4) + (columns as f64).sqrt());
                let wanted: Vec<Want> = want.weights.iter().map(|w| Want::Near(*w, bound)).collect();
                assert_all(&what, weights, &wanted);
                assert_eq!(summary[2], weights.iter().filter(|w| **w > 0.0).count() as f32, "{what}");
            }
        }
    });
}
