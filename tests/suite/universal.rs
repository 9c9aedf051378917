//! The single-shot memory: every similarity with every separation against the oracle, options, bad input, and the
//! digits of the table of similarities.

use super::common::*;
use attractor::{
    Device, Error, Rows,
    memory::{Memory, RecallOptions, Status, UniversalBuilder, UniversalMemory},
    ops::{UniversalSeparation, UniversalSimilarity},
    reference::{Matrix, UniversalModel},
};

const SEPARATIONS: [UniversalSeparation; 9] = [
    UniversalSeparation::Identity,
    UniversalSeparation::Sqrt,
    UniversalSeparation::Log,
    UniversalSeparation::Power(2),
    UniversalSeparation::Power(3),
    UniversalSeparation::Power(4),
    UniversalSeparation::Power(10),
    UniversalSeparation::Softmax,
    UniversalSeparation::Max,
];

fn builder(
    device: &Device,
    similarity: UniversalSimilarity,
    separation: UniversalSeparation,
) -> UniversalBuilder {
    UniversalMemory::builder().device(device).similarity(similarity).separation(separation)
}

/// Rows without values below 0, about a third of them 0.
fn images(random: &mut Random, rows: usize, d: usize) -> Rows<'static> {
    let value = |at: usize, random: &mut Random| {
        if !at.is_multiple_of(d) && random.below(3) == 0 { 0.0 } else { (0.1 + random.uniform()) as f32 }
    };
    let data: Vec<f32> = (0..rows * d).map(|at| value(at, random)).collect();
    Rows::new(data, d).unwrap()
}

/// Whether this separation takes negative similarities.
fn takes_negative(separation: UniversalSeparation) -> bool {
    !matches!(separation, UniversalSeparation::Sqrt | UniversalSeparation::Log)
}

#[test]
fn names_are_read_back() {
    for kind in UniversalSimilarity::ALL {
        assert_eq!(kind.to_string().parse::<UniversalSimilarity>().unwrap(), kind);
    }
    for kind in SEPARATIONS {
        assert_eq!(kind.to_string().parse::<UniversalSeparation>().unwrap(), kind);
    }
    assert_eq!("js".parse::<UniversalSimilarity>().unwrap(), UniversalSimilarity::JensenShannon);
    assert!("euclid".parse::<UniversalSimilarity>().is_err());
    for wrong in ["power", "power0", "power-1", "powerful", "softmax2", ""] {
        assert!(wrong.parse::<UniversalSeparation>().is_err(), "{wrong}");
    }
}

/// Two patterns and a query whose numbers are worked by hand.
#[test]
fn the_reference_gives_what_the_formulas_say() {
    let model = |similarity, separation| UniversalModel {
        patterns: Matrix::from_rows(&[[1.0, 3.0], [2.0, 2.0]]),
        values: Matrix::from_rows(&[[1.0], [10.0]]),
        similarity,
        separation,
        beta: 2.0,
    };
    let x = [1.0, 1.0];
    let ln = f64::ln;
    let cases = [
        (UniversalSimilarity::Dot, [4.0, 4.0]),
        (UniversalSimilarity::NormalisedDot, [0.5, 0.5]),
        (UniversalSimilarity::Cosine, [4.0 / 20_f64.sqrt(), 1.0]),
        (UniversalSimilarity::L2, [-4.0, -2.0]),
        (UniversalSimilarity::L1, [-2.0, -2.0]),
        (UniversalSimilarity::Kl, [-0.5 * ln(2.0) - 0.5 * ln(2.0 / 3.0), 0.0]),
        (UniversalSimilarity::ReverseKl, [-0.25 * ln(0.5) - 0.75 * ln(1.5), 0.0]),
        (
            UniversalSimilarity::JensenShannon,
            // m = (3/8, 5/8)
            [
                -0.5 * (0.5 * ln(4.0 / 3.0) + 0.5 * ln(0.8)) - 0.5 * (0.25 * ln(2.0 / 3.0) + 0.75 * ln(1.2)),
                0.0,
            ],
        ),
    ];
    for (kind, want) in cases {
        let got = model(kind, UniversalSeparation::Identity).similarities(&x);
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-12), "{kind}: {got:?}, want {want:?}");
    }
    let out = |separation| model(UniversalSimilarity::L2, separation).recall(&x)[0];
    assert_eq!(out(UniversalSeparation::Identity), -24.0);
    assert_eq!(out(UniversalSeparation::Power(2)), 56.0);
    assert_eq!(out(UniversalSeparation::Max), 10.0);
    let e = (-4.0_f64).exp();
    assert!((out(UniversalSeparation::Softmax) - (e + 10.0) / (1.0 + e)).abs() < 1e-12);
    let out = |separation| model(UniversalSimilarity::Dot, separation).recall(&x)[0];
    assert_eq!(out(UniversalSeparation::Sqrt), 22.0);
    assert!((out(UniversalSeparation::Log) - 11.0 * ln(4.0)).abs() < 1e-12);
}

#[test]
fn every_similarity_and_separation_matches_the_reference() {
    let mut random = Random::new(90);
    for (b, n, d) in [(1, 1, 3), (3, 9, 7), (5, 66, 20)] {
        let (xi, q) = (images(&mut random, n, d), images(&mut random, b, d));
        let values = images(&mut random, n, 5);
        for similarity in UniversalSimilarity::ALL {
            for separation in SEPARATIONS {
                let beta = 3.0;
                let model = UniversalModel {
                    patterns: matrix(&xi),
                    values: matrix(&values),
                    similarity,
                    separation,
                    beta: f64::from(beta),
                };
                let auto = UniversalModel { values: matrix(&xi), ..model.clone() };
                let scores: Vec<f64> = matrix(&q).iter().flat_map(|x| model.similarities(x)).collect();
                let smallest = scores.iter().copied().fold(f64::INFINITY, f64::min);
                let fits = takes_negative(separation) || smallest > 0.0;
                for (name, device) in varied() {
                    let what = format!("{name} {similarity} {separation} {b}x{n}x{d}");
                    let mut memory = builder(&device, similarity, separation).beta(beta).build(&xi).unwrap();
                    memory.associate(&values).unwrap();
                    if !fits {
                        let error = memory.recall(&q).unwrap_err();
                        assert!(
                            matches!(error, Error::InvalidParameter { name: "similarity", .. }),
                            "{what}"
                        );
                        continue;
                    }
                    let got = memory.recall(&q).unwrap();
                    let got_values = got.values.as_ref().unwrap();
                    for (i, x) in matrix(&q).iter().enumerate() {
                        let scores = model.similarities(x);
                        let p = model.weights(&scores);
                        // A similarity errs like a sum of d products, in proportion to its terms; then comes what
                        // the separation makes of that, and a sum over all patterns.
                        let s = 16.0 * EPS * (d as f64).sqrt() * (1.0 + scale(&scores));
                        let slope = |score: f64, weight: f64| match separation {
                            UniversalSeparation::Identity => 1.0,
                            UniversalSeparation::Sqrt => 0.5 / score.sqrt(),
                            UniversalSeparation::Log => 1.0 / score,
                            UniversalSeparation::Power(n) => f64::from(n) * score.abs().powi(n as i32 - 1),
                            UniversalSeparation::Softmax => 2.0 * f64::from(beta) * weight,
                            UniversalSeparation::Max => 0.0,
                        };
                        let of_weight = |k: usize| slope(scores[k], p[k]) * s + 8.0 * EPS * p[k].abs();
                        let of = |rows: &Matrix| -> f64 {
                            (0..n).map(|k| of_weight(k) * scale(rows.row(k))).sum::<f64>().max(EPS)
                        };
                        assert_close(&what, got.states.row(i), &auto.recall(x), of(&auto.values));
                        assert_close(&what, got_values.row(i), &model.recall(x), of(&model.values));
                        // The best weights come first.
                        let top: Vec<(u32, f32)> = got.top(i).collect();
                        let (k, best) = attractor::reference::top_k(&p, 1)[0];
                        assert!((f64::from(top[0].1) - best).abs() <= of_weight(k), "{what}");
                    }
                    assert!(got.energy.is_empty() && got.trace.is_none());
                    assert_eq!((got.len(), got.steps[0]), (b, 1));
                }
            }
        }
    }
}

#[test]
fn options_count() {
    let mut random = Random::new(91);
    let (xi, q) = (images(&mut random, 6, 4), images(&mut random, 3, 4));
    for (name, device) in varied() {
        for separation in [UniversalSeparation::Max, UniversalSeparation::Softmax] {
            let memory = builder(&device, UniversalSimilarity::L1, separation).beta(2.0).build(&xi).unwrap();
            let plain = memory.recall(&q).unwrap();
            // The patterns that answered step aside.
            let mask: Vec<bool> = (0..6).map(|k| k != plain.indices[0] && k != 5).collect();
            let options = RecallOptions { mask: Some(&mask), top_k: Some(6), ..RecallOptions::default() };
            let masked = memory.recall_with(&q, &options).unwrap();
            let kept: Vec<usize> = (0..6).filter(|k| mask[*k]).collect();
            let rows: Vec<f32> = kept.iter().flat_map(|k| xi.row(*k)).copied().collect();
            let alone = builder(&device, UniversalSimilarity::L1, separation)
                .beta(2.0)
                .build(&Rows::new(rows, 4).unwrap())
                .unwrap()
                .recall(&q)
                .unwrap();
            assert_eq!(masked.states, alone.states, "{name} {separation}");
            for i in 0..3 {
                let (of_all, of_kept): (Vec<_>, Vec<_>) = (masked.top(i).collect(), alone.top(i).collect());
                for (a, k) in of_all.iter().zip(&of_kept) {
                    assert_eq!(*a, (kept[k.0 as usize] as u32, k.1), "{name} {separation}");
                }
                let mut numbers: Vec<u32> = of_all.iter().map(|a| a.0).collect();
                numbers.sort_unstable();
                assert_eq!(
                    numbers,
                    kept.iter().map(|k| *k as u32).collect::<Vec<_>>(),
                    "{name} {separation}"
                );
            }
            let clamp = [false, true, false, true];
            let options = RecallOptions { clamp: Some(&clamp), top_k: Some(0), ..RecallOptions::default() };
            let clamped = memory.recall_with(&q, &options).unwrap();
            for i in 0..3 {
                for j in 0..4 {
                    let want = if clamp[j] { q[(i, j)] } else { plain.states[(i, j)] };
                    assert_eq!(clamped.states[(i, j)], want, "{name} {separation}");
                }
            }
            assert!(clamped.indices.is_empty());
            let none = RecallOptions { steps: 0, ..RecallOptions::default() };
            let still = memory.recall_with(&q, &none).unwrap();
            assert_eq!((still.states.as_slice(), still.steps), (q.as_slice(), vec![0; 3]), "{name}");
            assert_eq!(still.weights, plain.weights, "{name}");
        }
        // A stored pattern comes back to the bit, and is there already.
        let memory = builder(&device, UniversalSimilarity::L1, UniversalSeparation::Max).build(&xi).unwrap();
        let own = memory.recall(&xi).unwrap();
        assert_eq!((own.states, own.status), (xi.clone(), vec![Status::Converged; 6]), "{name}");
        // A uniform softmax mixes all patterns.
        let flat = builder(&device, UniversalSimilarity::L1, UniversalSeparation::Softmax).beta(1e-9);
        let mixed = flat.build(&xi).unwrap().recall(&q).unwrap();
        assert_close(name, &mixed.effective, &[6.0; 3], 1e-4);
    }
}

#[test]
fn what_is_appended_answers() {
    let mut memory = UniversalMemory::builder().device(&Device::cpu()).build(&[[0.0, 1.0]]).unwrap();
    memory.append(&[[1.0, 0.0]]).unwrap();
    assert_eq!(memory.recall(&[[0.9, 0.2]]).unwrap().indices[0], 1);
    assert!(memory.append(&[[1.0]]).is_err());
    assert!(memory.append_pairs(&[[1.0, 1.0]], &[[3.0]]).is_err());
    memory.associate(&[[1.0], [2.0]]).unwrap();
    assert!(memory.append(&[[1.0, 1.0]]).is_err());
    memory.append_pairs(&[[1.0, 1.0]], &[[3.0]]).unwrap();
    assert!(memory.append_pairs(&[[1.0, 1.0]], &[[3.0, 4.0]]).is_err());
    let recalled = memory.recall(&[[1.1, 0.9]]).unwrap();
    assert_eq!(recalled.values.unwrap().as_slice(), [3.0]);
    assert_eq!(memory.len(), 3);
}

#[test]
fn bad_input_is_refused() {
    let cpu = Device::cpu();
    let good = [[0.5_f32, 0.5], [0.0, 1.0]];
    let with = |similarity, separation| builder(&cpu, similarity, separation);
    for similarity in UniversalSimilarity::ALL.into_iter().filter(|s| s.of_distributions()) {
        let builder = with(similarity, UniversalSeparation::Max);
        let negative = builder.build(&[[0.5, 0.5], [1.0, -0.25]]).unwrap_err();
        assert!(matches!(negative, Error::NotADistribution { what: "patterns", row: 1, .. }), "{negative}");
        assert!(negative.to_string().contains("has the value -0.25 in column 1"), "{negative}");
        let zeros = builder.build(&good).unwrap().recall(&[[1.0, 0.0], [0.0, 0.0]]).unwrap_err();
        assert!(matches!(zeros, Error::NotADistribution { what: "queries", row: 1, .. }), "{zeros}");
        assert!(zeros.to_string().contains("is all 0"), "{zeros}");
    }
    let cosine = with(UniversalSimilarity::Cosine, UniversalSeparation::Max);
    assert!(matches!(cosine.build(&[[0.0, 0.0]]), Err(Error::ZeroNorm { row: 0, .. })));
    let sqrt = with(UniversalSimilarity::L1, UniversalSeparation::Sqrt).build(&good).unwrap();
    let error = sqrt.recall(&[[0.5, 0.5], [0.25, 1.0]]).unwrap_err().to_string();
    assert!(
        error.contains("similarity is -1 (query 0); it must be at least 0 for the separation sqrt"),
        "{error}"
    );
    let log = with(UniversalSimilarity::Dot, UniversalSeparation::Log).build(&good).unwrap();
    assert!(log.recall(&[[1.0, 0.0]]).unwrap_err().to_string().contains("above 0"));
    let power = with(UniversalSimilarity::Dot, UniversalSeparation::Power(10)).build(&good).unwrap();
    assert!(power.recall(&[[1e4, 0.0]]).unwrap_err().to_string().contains("fit f32"));
    assert!(with(UniversalSimilarity::Dot, UniversalSeparation::Power(0)).build(&good).is_err());
    assert!(with(UniversalSimilarity::Dot, UniversalSeparation::Softmax).beta(0.0).build(&good).is_err());

    let memory = with(UniversalSimilarity::L2, UniversalSeparation::Max).build(&good).unwrap();
    assert!(matches!(memory.energy(&good), Err(Error::NoEnergy { .. })));
    let options = RecallOptions::default();
    let traced = RecallOptions { trace: true, ..options.clone() };
    assert!(matches!(memory.recall_with(&good, &traced), Err(Error::NoEnergy { .. })));
    let half = RecallOptions { step_size: 0.5, ..options.clone() };
    assert!(matches!(
        memory.recall_with(&good, &half),
        Err(Error::InvalidParameter { name: "step size", .. })
    ));
    let masked = RecallOptions { mask: Some(&[false; 2]), ..options.clone() };
    assert!(matches!(memory.recall_with(&good, &masked), Err(Error::NoEligiblePattern { patterns: 2 })));
    let short = RecallOptions { mask: Some(&[true]), ..options };
    assert!(matches!(memory.recall_with(&good, &short), Err(Error::DimensionMismatch { .. })));
    assert!(matches!(memory.recall(&[[f32::NAN, 0.0]]), Err(Error::NonFinite { .. })));
    assert!(matches!(memory.recall(&[[1.0]]), Err(Error::DimensionMismatch { .. })));
    assert!(matches!(UniversalMemory::builder().build(&Vec::<Vec<f32>>::new()), Err(Error::EmptyMemory)));
    assert_eq!(memory.recall(&Rows::empty(2)).unwrap().len(), 0);
}

/// Rows R9 to R11 of the specification's table: 100 of the 8 x 8 digits, damaged; how many come back with a squared error
/// below 0.5, by dot, normalised dot, cosine, L2 and L1.
#[test]
fn digits_come_back_as_often_as_they_should() {
    const SEEDS: u64 = 5;
    const IMAGES: usize = 100;
    let digits: Vec<f32> =
        include_bytes!("../../cli/data/digits.u8").iter().map(|v| f32::from(*v) / 16.0).collect();
    let kinds = [
        UniversalSimilarity::Dot,
        UniversalSimilarity::NormalisedDot,
        UniversalSimilarity::Cosine,
        UniversalSimilarity::L2,
        UniversalSimilarity::L1,
    ];
    let table = [
        ("noise", [0.35, 0.81, 0.994, 0.998, 0.994]),
        ("lower half", [0.28, 0.33, 0.50, 0.35, 0.79]),
        ("random half", [0.36, 0.51, 0.65, 0.43, 0.86]),
    ];
    for (damage, want) in table {
        let mut right = [0; 5];
        for seed in 0..SEEDS {
            let mut random = Random::new(92 + seed);
            let chosen: Vec<f32> = (0..IMAGES)
                .flat_map(|_| {
                    let at = 64 * random.below(digits.len() / 64);
                    digits[at..at + 64].to_vec()
                })
                .collect();
            let damaged: Vec<f32> = chosen
                .iter()
                .enumerate()
                .map(|(at, v)| match damage {
                    "noise" => ((f64::from(*v) + 0.2 * random.normal()).abs().min(1.0)) as f32,
                    "lower half" => {
                        if at % 64 < 32 {
                            *v
                        } else {
                            0.0
                        }
                    }
                    _ => {
                        if random.below(2) == 0 {
                            *v
                        } else {
                            0.0
                        }
                    }
                })
                .collect();
            let (xi, q) = (Rows::new(chosen, 64).unwrap(), Rows::new(damaged, 64).unwrap());
            for (kind, right) in kinds.into_iter().zip(&mut right) {
                let memory = builder(&Device::cpu(), kind, UniversalSeparation::Max).build(&xi).unwrap();
                let recalled = memory.recall(&q).unwrap();
                for i in 0..IMAGES {
                    let error: f32 =
                        recalled.states.row(i).iter().zip(xi.row(i)).map(|(a, b)| (a - b).powi(2)).sum();
                    *right += usize::from(error < 0.5);
                }
            }
        }
        let trials = (SEEDS as usize * IMAGES) as f64;
        for ((kind, right), want) in kinds.into_iter().zip(right).zip(want) {
            let got = right as f64 / trials;
            // Three standard errors of the difference of two such shares.
            let bound = 3.0 * (2.0 * want * (1.0 - want) / trials).sqrt() + 1e-9;
            assert!((got - want).abs() <= bound, "{damage} {kind}: {got}, want {want} within {bound}");
        }
    }
}

/// Far from the origin distances are still distances.
#[test]
fn an_offset_does_not_blind_distances() {
    let mut random = Random::new(97);
    let patterns: Vec<f32> = random.rows(200, 16, 0.1).as_slice().iter().map(|v| v + 1000.0).collect();
    let patterns = Rows::new(patterns, 16).unwrap();
    let queries: Vec<f32> = patterns.as_slice().iter().map(|v| v + 0.01 * random.normal() as f32).collect();
    let queries = Rows::new(queries, 16).unwrap();
    for (name, device) in varied().into_iter().take(2) {
        for similarity in [UniversalSimilarity::L2, UniversalSimilarity::L1] {
            let memory = builder(&device, similarity, UniversalSeparation::Max).build(&patterns).unwrap();
            assert_eq!(memory.recall(&queries).unwrap().states, patterns, "{name} {similarity}");
        }
    }
}
