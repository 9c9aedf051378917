//! How sure a recall is, and like what: reports of queries, typicality, labels.

use crate::common::*;
use attractor::{
    memory::{Labels, NO_PATTERN, QueryReport},
    prelude::*,
    reference::similarity,
};

fn report(memory: &DenseMemory, q: &Rows<'_>, options: &RecallOptions<'_>) -> QueryReport {
    memory.describe_queries(q, options).unwrap().unwrap()
}

#[test]
fn queries_are_described_as_they_are() {
    let mut random = Random::new(970);
    let (x, q) = (random.rows(60, 5, 1.0), random.rows(9, 5, 1.0));
    for (name, device) in devices().into_iter().take(2) {
        for kind in Similarity::ALL {
            let memory = DenseMemory::builder().device(&device).similarity(kind).beta(2.0).build(&x).unwrap();
            let options = RecallOptions { top_k: Some(3), ..RecallOptions::default() };
            let got = report(&memory, &q, &options);
            let scores = similarity(&matrix(&q), &matrix(&x), kind);
            for (i, scores) in scores.iter().enumerate() {
                let weights = attractor::reference::softmax(scores, 2.0);
                for at in i * 3..(i + 1) * 3 {
                    let k = got.indices[at] as usize;
                    assert!(
                        (f64::from(got.similarity[at]) - scores[k]).abs() < 1e-6 * (1.0 + scores[k].abs()),
                        "{name} {kind}"
                    );
                    assert!((f64::from(got.weights[at]) - weights[k]).abs() < 1e-5, "{name} {kind}");
                }
                assert!(got.weights[i * 3] >= got.weights[i * 3 + 1], "{name} {kind}");
            }
            // Of the final states, other patterns are listed.
            let recall = memory.recall_with(&q, &options).unwrap();
            let of = memory.similarity_to(&recall.states, &recall.indices).unwrap().unwrap();
            let want = similarity(&matrix(&recall.states), &matrix(&x), kind);
            let (k, want) = (recall.indices[0] as usize, want.iter().next().unwrap());
            assert!((f64::from(of[0]) - want[k]).abs() < 1e-6 * (1.0 + want[k].abs()), "{name} {kind}");
            assert!(memory.similarity_to(&q, &[NO_PATTERN; 9]).unwrap().unwrap().iter().all(|s| s.is_nan()));
        }
    }
}

/// Typicality by its definition, in f64; strangers come out near 0, stored patterns at 1, and new ones of the same kind evenly in between.
#[test]
fn strangers_are_known_as_such() {
    let mut random = Random::new(971);
    let x = random.rows(400, 12, 1.0);
    let alike = random.rows(300, 12, 1.0);
    let far = random.rows(300, 12, 4.0);
    for similarity in [Similarity::L2, Similarity::L1, Similarity::Dot] {
        let memory =
            DenseMemory::builder().device(&Device::cpu()).similarity(similarity).beta(3.0).build(&x).unwrap();
        let of = |q: &Rows<'_>| report(&memory, q, &RecallOptions::default());
        assert!(of(&x).typicality.iter().all(|t| *t >= 0.99), "{similarity}");
        if similarity == Similarity::Dot {
            continue;
        }
        let strange = of(&far);
        assert!(strange.unlike() > 290, "{similarity}: {}", strange.unlike());
        let (usual, mean) = (of(&alike), |t: &[f32]| t.iter().sum::<f32>() / t.len() as f32);
        assert!((0.4..0.6).contains(&mean(&usual.typicality)), "{similarity}: {}", mean(&usual.typicality));
        assert!(usual.unlike() < 15, "{similarity}: {}", usual.unlike());
        let apart = |a: &[f32], b: &[f32]| -> f64 {
            let pairs = a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b));
            if similarity == Similarity::L2 { pairs.map(|d| d * d).sum() } else { pairs.map(f64::abs).sum() }
        };
        let nearest = |q: &[f32], but: usize| {
            (0..400).filter(|k| *k != but).map(|k| apart(q, x.row(k))).fold(f64::INFINITY, f64::min)
        };
        let own: Vec<f64> = (0..400).map(|k| nearest(x.row(k), k)).collect();
        for i in 0..20 {
            let distance = nearest(alike.row(i), usize::MAX);
            let want = own.iter().filter(|other| **other > distance).count() as f32 / 400.0;
            assert!(
                (usual.typicality[i] - want).abs() < 1e-6,
                "{similarity}: {} {want}",
                usual.typicality[i]
            );
        }
    }
}

/// Handwritten digits, and which they show.
fn digits() -> (Rows<'static>, Vec<u32>) {
    let values: Vec<f32> =
        include_bytes!("../../cli/data/digits.u8").iter().map(|v| f32::from(*v) / 16.0).collect();
    let labels = include_bytes!("../../cli/data/labels.u8").iter().map(|v| u32::from(*v)).collect();
    (Rows::new(values, 64).unwrap(), labels)
}

/// Probabilities by `beta_by_labels` are as sure as they are right: each fifth of the digits held out in turn, in ten bins of confidence.
#[test]
fn probabilities_are_calibrated() {
    let (x, of) = digits();
    let mut bins = [(0.0_f64, 0.0_f64, 0.0_f64); 10];
    for fold in 0..5 {
        let part = |held: bool| (0..x.rows()).filter(move |i| (i % 5 == fold) == held);
        let rows = |held: bool| {
            let values: Vec<f32> = part(held).flat_map(|i| x.row(i)).copied().collect();
            Rows::new(values, 64).unwrap()
        };
        let labels = Labels::new(part(false).map(|i| of[i]).collect()).unwrap();
        let mut memory = DenseMemory::builder().device(&Device::cpu()).build(&rows(false)).unwrap();
        let choice = memory.beta_by_labels(&labels).unwrap();
        assert!(choice.beta < memory.beta().unwrap() && choice.accuracy > 0.95, "{choice:?}");
        assert!(choice.curve.iter().all(|(_, likelihood)| *likelihood <= choice.likelihood), "{choice:?}");
        memory.associate(&labels.values()).unwrap();
        let look = RecallOptions { steps: 0, beta: Some(choice.beta), ..RecallOptions::default() };
        let values = memory.recall_with(&rows(true), &look).unwrap().values.unwrap();
        let probabilities = labels.probabilities(&values).unwrap();
        let votes = labels.vote(&probabilities);
        for ((i, vote), p) in part(true).zip(votes).zip(probabilities.iter()) {
            let p = f64::from(p[vote as usize]);
            let bin = &mut bins[((p * 10.0) as usize).min(9)];
            *bin = (bin.0 + 1.0, bin.1 + p, bin.2 + f64::from(u8::from(vote == of[i])));
        }
    }
    let n: f64 = bins.iter().map(|b| b.0).sum();
    let error: f64 = bins.iter().map(|b| (b.1 - b.2).abs() / n).sum();
    assert!(error < 0.03, "expected calibration error {error}: {bins:?}");
    let right = bins.iter().map(|b| b.2).sum::<f64>() / n;
    assert!(right > 0.97, "{right}");
}

#[test]
fn what_does_not_fit_is_named() {
    let memory =
        DenseMemory::builder().device(&Device::cpu()).build(&[[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]).unwrap();
    assert!(
        memory.beta_by_labels(&Labels::new(vec![0, 1]).unwrap()).unwrap_err().to_string().contains("labels")
    );
    assert!(Labels::new(vec![0, 7]).unwrap_err().to_string().contains("class"));
    let labels = Labels::new(vec![0, 1, 1]).unwrap();
    assert!(labels.probabilities(&Rows::new(vec![1.0; 3], 3).unwrap()).is_err());
    assert_eq!(labels.values().as_slice(), [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
}
