//! Explanations: each verdict, and advice that holds when it is followed.

use super::common::*;
use attractor::{
    memory::{Beta, Energy, EnergySettings, Explanation, Verdict, explain},
    prelude::*,
};
use std::sync::Arc;

fn why(energy: &str, settings: EnergySettings, patterns: &Rows<'_>, query: &[f32]) -> Explanation {
    let energy: Energy = energy.parse().unwrap();
    let memory =
        energy.memory(Arc::new(patterns.as_slice().to_vec()), patterns.columns(), &settings).unwrap();
    let similarity = settings.similarity.unwrap_or_default();
    explain(&*memory, energy, similarity, patterns, query, &RecallOptions::default()).unwrap()
}

fn at(beta: f32, similarity: Similarity) -> EnergySettings {
    EnergySettings {
        device: Some(Device::cpu()),
        similarity: Some(similarity),
        beta: Beta::Fixed(beta),
        ..EnergySettings::default()
    }
}

/// Too small a beta blends; at the beta that is advised the pattern is a fixed point, for softmax and the sparse energies.
#[test]
fn the_advised_beta_separates() {
    let mut random = Random::new(61);
    let patterns = random.rows(40, 24, 1.0);
    for similarity in [Similarity::Dot, Similarity::L2] {
        for energy in ["softmax", "entmax:1.5", "sparsemax", "normmax:2"] {
            let soft = why(energy, at(1e-3, similarity), &patterns, patterns.row(7));
            assert!(
                matches!(soft.verdict, Verdict::Mean | Verdict::Blend(_)),
                "{energy}: {:?}",
                soft.verdict
            );
            let suspect =
                soft.suspects.iter().max_by(|a, b| a.similarity[0].total_cmp(&b.similarity[0])).unwrap();
            assert_eq!(suspect.pattern, 7, "{energy} {similarity}");
            let beta = suspect.stable_from.unwrap();
            assert!(soft.advice(energy.parse().unwrap()).contains(&format!("{beta:.4}")));
            let sharp = why(energy, at(1.001 * beta as f32, similarity), &patterns, patterns.row(7));
            assert_eq!(sharp.verdict, Verdict::Pattern(7), "{energy} {similarity} {beta}");
            assert!(soft.worst_rise <= 1e-4 && sharp.worst_rise <= 1e-4);
            if energy != "softmax" {
                // Exactly, and not far below it: there the pattern is no fixed point any more.
                assert_eq!(sharp.recall.states.row(0).len(), 24);
                let below = why(energy, at(0.98 * beta as f32, similarity), &patterns, patterns.row(7));
                assert!(below.recall.weights[0] < 1.0, "{energy} {similarity}");
            }
        }
    }
}

#[test]
fn verdicts_on_supports_bits_and_long_patterns() {
    let line = Rows::new(vec![0.0, 0.0, 1.0, 0.0, 3.0, 0.0], 2).unwrap();
    let lost = why("epanechnikov", at(2.5, Similarity::L2), &line, &[2.0, 0.0]);
    let Verdict::OutOfSupport { nearest, distance } = lost.verdict else { panic!("{:?}", lost.verdict) };
    assert!((nearest == 1 || nearest == 2) && distance == 1.0);
    let reached = why("epanechnikov", at(1.9, Similarity::L2), &line, &[2.0, 0.0]);
    assert!(!matches!(reached.verdict, Verdict::OutOfSupport { .. }));

    // The second is a longer copy of the first: with dot no beta brings the first back.
    let long = Rows::new(vec![1.0, 0.0, 2.0, 0.0, 0.0, 1.0], 2).unwrap();
    let outdone = why("softmax", at(3.0, Similarity::Dot), &long, &[1.0, 0.0]);
    let first = outdone.suspects.iter().find(|s| s.pattern == 0).unwrap();
    assert_eq!((first.stable_from, first.rival, first.separation), (None, Some(1), Some(-1.0)));

    let bits = EnergySettings { device: Some(Device::cpu()), ..EnergySettings::default() };
    let one = Rows::new(vec![1.0, 1.0, -1.0, 1.0, -1.0], 5).unwrap();
    let mirror: Vec<f32> = one.row(0).iter().map(|v| -v).collect();
    assert_eq!(why("hopfield", bits.clone(), &one, &mirror).verdict, Verdict::Mirror(0));
    assert_eq!(why("hopfield", bits.clone(), &one, one.row(0)).verdict, Verdict::Pattern(0));
    // A majority of three patterns is a classical spurious state.
    let three = [
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
        [1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0],
        [1.0, 1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0_f32],
    ];
    let three = Rows::new(three.concat(), 8).unwrap();
    let majority = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0];
    assert_eq!(why("hopfield", bits, &three, &majority).verdict, Verdict::Spurious);
}

/// Copies share the weight of a pattern, hidden patterns are no rivals, and what is not known is not promised.
#[test]
fn copies_masks_and_what_is_not_known() {
    let rows = Rows::new(vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.9, 0.1], 2).unwrap();
    let copied = why("softmax", at(900.0, Similarity::L2), &rows, &[1.0, 0.0]);
    assert_eq!(copied.verdict, Verdict::Pattern(0));
    assert_eq!(copied.suspects[0].rival, Some(3));

    let memory = DenseMemory::builder().device(&Device::cpu()).beta(30.0).build(&rows).unwrap();
    let mask = [true, true, false, false];
    let options = RecallOptions { mask: Some(&mask), ..RecallOptions::default() };
    let hidden = explain(&memory, Energy::Softmax, Similarity::L2, &rows, &[0.9, 0.1], &options).unwrap();
    assert_eq!((hidden.verdict, hidden.suspects[0].rival), (Verdict::Pattern(0), Some(1)));

    for similarity in [Similarity::Cosine, Similarity::L1] {
        let soft = why("softmax", at(0.5, similarity), &rows, &[1.0, 0.0]);
        assert!(soft.suspects.iter().all(|s| s.stable_from.is_none()), "{similarity}");
    }
    let blend = why("ksubsets:2", at(5.0, Similarity::L2), &rows, &[0.5, 0.5]);
    assert!(!matches!(blend.verdict, Verdict::Pattern(_)), "{:?}", blend.verdict);
    assert!(blend.suspects.iter().all(|s| s.stable_from.is_none()));
    let energy: Energy = "universal".parse().unwrap();
    let options = RecallOptions::default();
    assert!(explain(&memory, energy, Similarity::L2, &rows, &[0.9, 0.1], &options).is_err());
}

/// Where a state is decides, not which pattern has the most of the weight that is left.
#[test]
fn a_state_that_has_died_is_no_pattern() {
    let bits = EnergySettings { device: Some(Device::cpu()), ..EnergySettings::default() };
    let mut random = Random::new(62);
    let values: Vec<f32> = (0..5 * 20).map(|_| if random.below(2) == 0 { -1.0 } else { 1.0 }).collect();
    let patterns = Rows::new(values, 20).unwrap();
    let opposite: Vec<f32> = patterns.row(4).iter().map(|v| -v).collect();
    let one = Rows::new(patterns.row(4), 20).unwrap();
    for energy in ["lagrangian:a:3", "lagrangian:a:2"] {
        // The pattern of most weight may be any; the state is none. Among several it may come to another one.
        let alone = why(energy, bits.clone(), &one, &opposite);
        assert_eq!(alone.verdict, Verdict::Faded, "{energy}");
        assert!(alone.advice(energy.parse().unwrap()).contains("died away"));
        assert!((alone.distance - 20.0_f64.sqrt()).abs() < 1e-3, "{energy}: {}", alone.distance);
        let why = why(energy, bits.clone(), &patterns, &opposite);
        assert_ne!(why.verdict, Verdict::Pattern(4), "{energy}");
        if let Verdict::Pattern(k) = why.verdict {
            let signs = why.recall.states.row(0).iter().zip(patterns.row(k as usize));
            assert!(signs.into_iter().all(|(v, xi)| v * xi > 0.5), "{energy}");
        }
    }
    for energy in ["lagrangian:a:3", "lagrangian:a:4"] {
        let near: Vec<f32> =
            patterns.row(2).iter().enumerate().map(|(i, v)| if i == 3 { -v } else { *v }).collect();
        assert_eq!(why(energy, bits.clone(), &patterns, &near).verdict, Verdict::Pattern(2), "{energy}");
    }
}

/// Without an update nothing has been recalled, however sharp the weights are at the query.
#[test]
fn no_update_is_no_recall() {
    let mut random = Random::new(63);
    let patterns = random.rows(6, 8, 1.0);
    let query: Vec<f32> = patterns.row(3).iter().map(|v| v + 0.2).collect();
    for (energy, name) in [(Energy::Softmax, "softmax"), ("sparsemax".parse().unwrap(), "sparsemax")] {
        let memory =
            energy.memory(Arc::new(patterns.as_slice().to_vec()), 8, &at(50.0, Similarity::L2)).unwrap();
        let none = RecallOptions { steps: 0, ..RecallOptions::default() };
        let at_query = explain(&*memory, energy, Similarity::L2, &patterns, &query, &none).unwrap();
        assert!(at_query.recall.weights[0] > 0.99);
        assert_eq!(at_query.verdict, Verdict::Moving, "{name}");
        assert!((at_query.distance - 0.2 * 8.0_f64.sqrt()).abs() < 1e-5, "{name}");
        let itself = explain(&*memory, energy, Similarity::L2, &patterns, patterns.row(3), &none).unwrap();
        assert_eq!(itself.verdict, Verdict::Pattern(3), "{name}");
        assert!(itself.advice(energy).contains("no update was made"), "{}", itself.advice(energy));
        let options = RecallOptions::default();
        let recalled = explain(&*memory, energy, Similarity::L2, &patterns, &query, &options).unwrap();
        assert_eq!(recalled.verdict, Verdict::Pattern(3), "{name}");
        assert!(recalled.advice(energy).starts_with("recalled pattern 3"));
    }
}

/// Any number of copies is one pattern: in verdicts, weights and the number that a blend mixes.
#[test]
fn copies_count_without_a_limit() {
    for copies in [9, 300, 2000] {
        let mut values = [1.0, 2.0, 3.0].repeat(copies);
        values.extend([4.0, 0.0, -1.0]);
        let rows = Rows::new(values, 3).unwrap();
        for energy in ["softmax", "sparsemax", "entmax:1.5"] {
            let why = why(energy, at(100.0, Similarity::L2), &rows, &[1.1, 2.0, 2.9]);
            assert_eq!(why.verdict, Verdict::Pattern(0), "{energy}, {copies} copies");
            // Sums of many equal weights round.
            let off = why.recall.states.row(0).iter().zip([1.0, 2.0, 3.0]).map(|(a, b)| (a - b).abs());
            assert!(off.fold(0.0, f32::max) < 1e-5, "{energy}, {copies} copies");
            assert!((why.suspects[0].weights[1] - 1.0).abs() < 1e-4, "{energy}: {:?}", why.suspects[0]);
            assert_eq!(why.suspects[0].rival, Some(copies as u32), "{energy}");
            let listed = |k: u32| {
                why.suspects.iter().filter(|s| rows.row(s.pattern as usize) == rows.row(k as usize)).count()
            };
            assert_eq!(listed(0), 1, "{energy}");
        }
        // Twenty of two rows each that the beta does not tell apart are two patterns.
        let mut values = [0.0, 0.0, 1.0].repeat(copies);
        values.extend([0.0, 0.1, 1.0].repeat(copies));
        values.extend([9.0, 9.0, 9.0]);
        let two = Rows::new(values, 3).unwrap();
        let why = why("softmax", at(1.0, Similarity::L2), &two, &[0.0, 0.05, 1.0]);
        // Where they are nearly all there is, their mean is the mean of all.
        if copies == 9 {
            assert!(matches!(why.verdict, Verdict::Blend(n) if (n - 2.0).abs() < 0.05), "{:?}", why.verdict);
        }
    }
}
