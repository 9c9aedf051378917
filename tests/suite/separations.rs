//! Separations on every device against their f64 reference.

use super::common::*;
use attractor::{
    Device, Tensor,
    ops::{Separated, Separation, separate},
    reference,
};

const KINDS: [Separation; 9] = [
    Separation::Softmax,
    Separation::Entmax(1.25),
    Separation::Entmax(1.5),
    Separation::Entmax(2.0),
    Separation::Normmax(1.5),
    Separation::Normmax(2.0),
    Separation::KSubsets(1),
    Separation::KSubsets(3),
    Separation::Epanechnikov,
];

fn run(device: &Device, z: &[f32], columns: usize, beta: f32, kind: Separation) -> (Vec<f32>, Vec<f32>) {
    let z = Tensor::from_flat(device, z, &[z.len() / columns, columns]).unwrap();
    let Separated { weights, summary } = separate(&z, beta, kind).unwrap();
    (weights.to_vec().unwrap(), summary.to_vec().unwrap())
}

/// Shapes of scores: rows, columns.
const SHAPES: [(usize, usize); 5] = [(1, 3), (3, 4), (9, 65), (2, 1000), (1, 4099)];

pub(crate) fn cases(devices: &[(&'static str, Device)], shapes: &[(usize, usize)]) {
    let mut random = Random::new(31);
    for &(rows, columns) in shapes {
        for beta in [0.1_f32, 1.0, 30.0] {
            let mut z = random.rows(rows, columns, 1.0).into_vec();
            z.iter_mut().for_each(|v| *v = -v.abs());
            for kind in KINDS {
                let oracle: Vec<reference::Separated> = z
                    .chunks(columns)
                    .map(|row| {
                        let row: Vec<f64> = row.iter().map(|v| f64::from(*v)).collect();
                        reference::separate(&row, f64::from(beta), kind)
                    })
                    .collect();
                let weights: Vec<f64> = oracle.iter().flat_map(|s| s.weights.clone()).collect();
                for (name, device) in devices {
                    let what = format!("{name} {kind} {rows}x{columns} beta {beta}");
                    let (got, summary) = run(device, &z, columns, beta, kind);
                    // A score of up to ~5 beta is rounded, the maps are 1-Lipschitz (their Omega is 1-strongly convex:
                    // entmax up to alpha = 2, normmax up to gamma = 2), and the sum of n powers has a rounding error.
                    let bound = EPS * (16.0 + 10.0 * f64::from(beta) + (columns as f64).sqrt());
                    let normmax = matches!(kind, Separation::Normmax(_));
                    // What is divided by there is the sum of the powers, not 1.
                    assert_close(&what, &got, &weights, if normmax { 8.0 * bound } else { bound });
                    for (s, want) in summary.chunks(4).zip(&oracle) {
                        if want.support == 0 {
                            assert_eq!(s, [-1e30, 0.0, 0.0, 0.0], "{what}");
                            continue;
                        }
                        // The logarithm of a mass below 1 has its relative error; a border pattern adds next to none.
                        let close = 64.0 * EPS * (1.0 + want.potential.abs() * f64::from(beta))
                            / f64::from(beta).min(1.0)
                            * (1.0 + (columns as f64).sqrt());
                        assert_close(&what, &s[..1], &[want.potential], close.min(0.04));
                        let largest = want.weights.iter().fold(0.0_f64, |m, w| m.max(*w));
                        assert_close(&what, &s[3..], &[largest], 8.0 * bound);
                        assert_close(
                            &what,
                            &[s[1].exp() / want.effective as f32],
                            &[1.0],
                            8.0 * bound * (1.0 + (want.support as f64).sqrt()),
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn separations_agree() {
    cases(&varied(), &SHAPES);
}

#[test]
fn separations_agree_with_runtime_checks() {
    cases(&differing(checked_gpus()), &SHAPES);
}

#[test]
fn golden_values_on_every_device() {
    for (name, device) in varied() {
        for (kind, want) in [
            (Separation::Entmax(2.0), [0.9, 0.1, 0.0]),
            (Separation::Entmax(1.5), [0.7712931993, 0.2287068007, 0.0]),
            (Separation::Entmax(1.25), [0.7192730510, 0.2701196494, 0.0106072997]),
            (Separation::Normmax(2.0), [0.8429971703, 0.1570028297, 0.0]),
            (Separation::Normmax(5.0), [0.6188852554, 0.3811147446, 0.0]),
        ] {
            let (got, _) = run(&device, &[1.2, 0.4, -1.2], 3, 1.0, kind);
            assert_close(&format!("{name} {kind}"), &got, &want, 16.0 * EPS);
        }
        let (got, _) = run(&device, &[2.0, 1.8, 1.5, 0.0], 4, 1.0, Separation::KSubsets(2));
        assert_close(name, &got, &[0.9, 0.7, 0.4, 0.0], 16.0 * EPS);
    }
}

/// Thresholds are found however sharp the scores are, and however near to 0 they lie.
#[test]
fn thresholds_at_their_ends_are_right() {
    let mut random = Random::new(32);
    for (name, device) in varied() {
        // Scores far beyond the resolution of a threshold between them.
        let z = [3.0, -2.0, 7.0, 5.0, 6.5, 0.1, 7.0];
        for beta in [1e6_f32, 1e20, 1e27] {
            let (got, summary) = run(&device, &z, 7, beta, Separation::KSubsets(3));
            assert_close(&format!("{name} {beta}"), &got, &[0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0], 16.0 * EPS);
            assert!((summary[0] - 20.5).abs() < 1e-4 && summary[2] == 3.0, "{name} {beta}: {summary:?}");
            // Two that tie share what is left.
            let (got, _) = run(&device, &z, 7, beta, Separation::KSubsets(1));
            assert_close(name, &got, &[0.0, 0.0, 0.5, 0.0, 0.0, 0.0, 0.5], 16.0 * EPS);
            // Fewer that count than are asked for.
            let (got, _) = run(&device, &[1.0, -1e30, 3.0, -1e30], 4, beta, Separation::KSubsets(3));
            assert_eq!(got, [1.0, 0.0, 1.0, 0.0], "{name} {beta}");
        }
        // Many that nearly tie: thresholds of 20^-9 and less.
        for alpha in [4.0_f32, 10.0, 30.0] {
            for (beta, columns) in [(1e-6_f32, 20), (1e-3, 40), (1.0, 40), (1e3, 30)] {
                let z = random.rows(8, columns, 1.0).into_vec();
                let (got, _) = run(&device, &z, columns, beta, Separation::Entmax(alpha));
                for (i, (got, row)) in got.chunks(columns).zip(z.chunks(columns)).enumerate() {
                    let row: Vec<f64> = row.iter().map(|v| f64::from(*v)).collect();
                    let want = reference::separate(&row, f64::from(beta), Separation::Entmax(alpha));
                    // A GPU has the threshold in f32: where a weight is the cube root of a small difference, so much of it is left. Higher
                    // roots are the CPU's.
                    let bound = if device == Device::Cpu || alpha > 4.0 { 1e-6 } else { 8e-3 };
                    assert_close(
                        &format!("{name} alpha {alpha}, beta {beta}, row {i}"),
                        got,
                        &want.weights,
                        bound,
                    );
                }
            }
        }
    }
}

/// Beyond the margin one pattern has all the weight, to the last bit; hidden ones have none.
#[test]
fn margins_and_hidden_patterns() {
    for (name, device) in varied() {
        for kind in KINDS.into_iter().filter(|k| k.margin().is_finite() && k.total() == 1.0) {
            let lead = kind.margin() / 4.0 * 1.0001;
            let (got, summary) = run(&device, &[0.0, -lead, -lead, -1e30, -5.0], 5, 4.0, kind);
            assert_eq!(got, [1.0, 0.0, 0.0, 0.0, 0.0], "{name} {kind}");
            assert_eq!(summary[1..], [0.0, 1.0, 1.0], "{name} {kind}");
        }
        for kind in KINDS {
            let (got, _) = run(&device, &[-1e30, 0.0, -0.01, -0.02, -1e30], 5, 1.0, kind);
            assert_eq!((got[0], got[4]), (0.0, 0.0), "{name} {kind}");
            let total: f32 = got.iter().sum();
            assert!((total - kind.total()).abs() < 1e-5, "{name} {kind}: {got:?}");
        }
    }
}

#[test]
fn wrong_parameters_are_refused() {
    let z = Tensor::new(&Device::cpu(), &[[1.0_f32, 0.0]]).unwrap();
    for kind in [
        Separation::Entmax(0.9),
        Separation::Entmax(f32::NAN),
        Separation::Normmax(1.0),
        Separation::KSubsets(0),
        Separation::KSubsets(3),
    ] {
        assert!(separate(&z, 1.0, kind).is_err(), "{kind}");
    }
    assert!(separate(&z, 0.0, Separation::Entmax(2.0)).is_err());
    for text in ["entmax:0.5", "normmax:1", "ksubsets:0", "ksubsets:1.5", "argmax", "sparsemax:3"] {
        assert!(text.parse::<Separation>().is_err(), "{text}");
    }
    for kind in KINDS {
        assert_eq!(kind.to_string().parse::<Separation>().unwrap(), kind);
    }
}
