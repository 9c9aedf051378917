//! The automatic `beta`: what it rests on, and how sure it is.

use crate::common::*;
use attractor::{
    memory::{SparseMemory, SparseSettings},
    ops::Separation,
    prelude::*,
};

fn memory(x: &Rows<'_>, beta: Beta) -> DenseMemory {
    DenseMemory::builder().device(&Device::cpu()).beta(beta).build(x).unwrap()
}

/// Rows in some other order.
fn shuffled(x: &Rows<'_>, random: &mut Random) -> Rows<'static> {
    let mut order: Vec<usize> = (0..x.rows()).collect();
    (1..order.len()).rev().for_each(|i| order.swap(i, random.below(i + 1)));
    let values: Vec<f32> = order.iter().flat_map(|i| x.row(*i)).copied().collect();
    Rows::new(values, x.columns()).unwrap()
}

/// Clusters of unequal widths, one after another: an even sample would see another mixture of them for each order.
fn clusters(n: usize, random: &mut Random) -> Rows<'static> {
    let values = (0..n).flat_map(|i| {
        let cluster = (i / 50) as f64;
        let width = 0.02 + 0.5 * ((cluster * 0.37) % 1.0);
        (0..6).map(|_| (4.0 * (cluster * 1.7).sin() + width * random.normal()) as f32).collect::<Vec<_>>()
    });
    Rows::new(values.collect::<Vec<_>>(), 6).unwrap()
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let mut random = Random::new(190);
    let x = clusters(6000, &mut random);
    let first = memory(&x, Beta::Auto).beta_choice().unwrap();
    assert!((512..=2048).contains(&first.sampled), "{first:?}");
    assert!(first.low <= first.beta && first.beta <= first.high && first.low < first.high, "{first:?}");
    for _ in 0..3 {
        let other = shuffled(&x, &mut random);
        assert_eq!(memory(&other, Beta::Auto).beta_choice().unwrap(), first);
        // Nor does it matter in how many batches they came, nor what was there in between.
        let mut grown = memory(&other.slice(0..1000), Beta::Auto);
        grown.beta_choice().unwrap();
        let passing = random.rows(300, 6, 1.0);
        grown.append(&other.slice(1000..1500)).unwrap();
        grown.append(&passing).unwrap();
        grown.beta_choice().unwrap();
        grown.append(&other.slice(1500..6000)).unwrap();
        grown.forget(&(1500..1800).collect::<Vec<u32>>()).unwrap();
        let grown = grown.beta_choice().unwrap();
        assert_eq!((grown.beta, grown.sampled), (first.beta, first.sampled));
    }
    let settings = || SparseSettings {
        device: Some(Device::cpu()),
        separation: Separation::Entmax(2.0),
        ..SparseSettings::default()
    };
    let sparse = |x: &Rows<'_>| SparseMemory::with(x, settings()).unwrap().beta_choice().unwrap();
    assert_eq!(sparse(&x), sparse(&shuffled(&x, &mut random)));
}

/// Of forty data sets, what all their patterns give lies within the interval of the sample in 95 % of cases, and so in at least 34 but for one
/// time in a hundred.
#[test]
fn the_interval_holds_what_all_patterns_give() {
    let mut held = 0;
    for seed in 0..40 {
        let x = clusters(3000, &mut Random::new(4000 + seed));
        let (sample, all) = (memory(&x, Beta::Auto), memory(&x, Beta::AutoExact));
        let (sample, all) = (sample.beta_choice().unwrap(), all.beta_choice().unwrap());
        assert_eq!((all.sampled, all.low, all.high), (3000, all.beta, all.beta));
        assert!(sample.sampled < 3000);
        held += usize::from(sample.low <= all.beta && all.beta <= sample.high);
    }
    assert!((34..=40).contains(&held), "{held} of 40");
}

/// By all patterns, 99 % keep their weight, and at a little less not: worked out in f64, one by one.
#[test]
fn from_all_patterns_it_keeps_its_promise() {
    let mut random = Random::new(191);
    let x = clusters(2500, &mut random);
    let choice = memory(&x, Beta::AutoExact).beta_choice().unwrap();
    let rows: Vec<Vec<f64>> = matrix(&x).iter().map(<[f64]>::to_vec).collect();
    let kept = |beta: f64| {
        let keeps = |i: &usize| {
            let own = &rows[*i];
            let others = rows.iter().enumerate().filter(|(j, _)| j != i);
            let weight: f64 = others
                .map(|(_, other)| {
                    (-0.5 * beta * own.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>()).exp()
                })
                .sum();
            1.0 / (1.0 + weight) >= 0.99
        };
        (0..rows.len()).filter(keeps).count() as f64 / rows.len() as f64
    };
    assert!(kept(f64::from(choice.beta)) >= 0.99, "{choice:?}");
    assert!(kept(0.9 * f64::from(choice.beta)) < 0.99, "{choice:?}");
}

#[test]
fn a_mask_counts() {
    let mut random = Random::new(192);
    let x = clusters(5000, &mut random);
    let mask: Vec<bool> = (0..5000).map(|i| i % 3 == 0).collect();
    let some: Vec<f32> =
        x.iter().zip(&mask).filter(|(_, may)| **may).flat_map(|(row, _)| row).copied().collect();
    let some = Rows::new(some, 6).unwrap();
    let q = random.rows(2, 6, 1.0);
    let options = RecallOptions { mask: Some(&mask), ..RecallOptions::default() };
    let without = memory(&some, Beta::Auto);
    let with = memory(&x, Beta::Auto);
    let (got, want) = (with.recall_with(&q, &options).unwrap(), without.recall(&q).unwrap());
    assert!((got.beta / want.beta - 1.0).abs() < 1e-6, "{} {}", got.beta, want.beta);
    assert_eq!(
        with.automatic_beta_among(&mask).unwrap().unwrap().sampled,
        without.beta_choice().unwrap().sampled
    );
    assert!(with.beta_choice_among(&mask[1..]).is_err() && with.beta_choice_among(&[false; 5000]).is_err());
    let settings =
        |separation| SparseSettings { device: Some(Device::cpu()), separation, ..SparseSettings::default() };
    let sparse = |x: &Rows<'_>| SparseMemory::with(x, settings(Separation::Entmax(1.5))).unwrap();
    let (got, want) = (sparse(&x).recall_with(&q, &options).unwrap(), sparse(&some).recall(&q).unwrap());
    assert!((got.beta / want.beta - 1.0).abs() < 1e-6, "{} {}", got.beta, want.beta);
}

#[test]
fn what_no_beta_can_tell_apart_is_said() {
    let mut random = Random::new(193);
    let values: Vec<f32> = (0..400)
        .flat_map(|i| (0..8).map(|_| random.normal() as f32 * (1.0 + i as f32 / 40.0)).collect::<Vec<_>>())
        .collect();
    let x = Rows::new(values, 8).unwrap();
    let dot = DenseMemory::builder().device(&Device::cpu()).similarity(Similarity::Dot).build(&x).unwrap();
    let longer = |i: usize| {
        let product =
            |j: usize| x.row(i).iter().zip(x.row(j)).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        (0..400).any(|j| product(j) > product(i))
    };
    let want = (0..400).filter(|i| longer(*i)).count() as f64 / 400.0;
    let choice = dot.beta_choice().unwrap();
    assert!(want > 0.3 && (choice.outdone - want).abs() < 1e-9, "{choice:?}, want {want}");
    assert_eq!(memory(&x, Beta::Auto).beta_choice().unwrap().outdone, 0.0);
}
