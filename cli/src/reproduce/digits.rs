//! Damaged digits and the similarity that finds them: R9 to R11.

use super::{Bench, Figure};
use crate::{commands::demo::digits, failure::Result};
use attractor::{
    Rows,
    memory::{Memory, RecallOptions, UniversalMemory},
    ops::{UniversalSeparation, UniversalSimilarity},
};
use rand::{RngExt, rngs::StdRng, seq::SliceRandom};
use rand_distr::{Distribution, StandardNormal};

const SIMILARITIES: [UniversalSimilarity; 5] = [
    UniversalSimilarity::Dot,
    UniversalSimilarity::NormalisedDot,
    UniversalSimilarity::Cosine,
    UniversalSimilarity::L2,
    UniversalSimilarity::L1,
];

/// Independent draws of the stored images.
const DRAWS: u64 = 20;

/// A damage: its number, name, how many images are stored, and the published shares, by similarity.
type Damage = (&'static str, &'static str, usize, [f64; 5]);

const DAMAGES: [Damage; 4] = [
    ("R9", "noise 0.2", 100, [0.35, 0.81, 0.994, 0.998, 0.994]),
    ("R10", "lower half hidden", 100, [0.28, 0.33, 0.50, 0.35, 0.79]),
    ("R10", "lower half hidden", 1000, [0.07, 0.10, 0.16, 0.11, 0.50]),
    ("R11", "half the pixels hidden", 100, [0.36, 0.51, 0.65, 0.43, 0.86]),
];

fn damaged(random: &mut StdRng, images: &Rows<'_>, id: &str) -> Vec<f32> {
    let pixels = images.columns();
    let mut damage = |i: usize, v: f32| match id {
        "R9" => {
            let noise: f32 = StandardNormal.sample(random);
            (v + 0.2 * noise).abs().min(1.0)
        }
        "R10" if i % pixels >= pixels / 2 => 0.0,
        "R11" if random.random_bool(0.5) => 0.0,
        _ => v,
    };
    images.as_slice().iter().enumerate().map(|(i, v)| damage(i, *v)).collect()
}

/// Each similarity with the separation that takes the best pattern alone; a recall is right where the squared error is below 0.5.
pub(crate) fn damaged_digits(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let all = digits()?;
    let mut figures = Vec::new();
    for (at, (id, name, n, published)) in DAMAGES.into_iter().enumerate() {
        let mut shares = [const { Vec::new() }; 5];
        for draw in 0..DRAWS {
            let mut random = bench.random(5000 + 100 * at as u64 + draw);
            let mut numbers: Vec<usize> = (0..all.rows()).collect();
            numbers.shuffle(&mut random);
            let images: Vec<f32> = numbers[..n].iter().flat_map(|k| all.row(*k)).copied().collect();
            let images = Rows::new(images, all.columns())?;
            let cues = Rows::new(damaged(&mut random, &images, id), all.columns())?;
            for (similarity, shares) in SIMILARITIES.into_iter().zip(&mut shares) {
                let memory = UniversalMemory::builder()
                    .device(bench.device)
                    .similarity(similarity)
                    .separation(UniversalSeparation::Max)
                    .build(&images)?;
                let options = RecallOptions { top_k: Some(0), ..RecallOptions::default() };
                let states = memory.recall_with(&cues, &options)?.states;
                let right = |(x, y): &(&[f32], &[f32])| {
                    x.iter().zip(*y).map(|(x, y)| (x - y).powi(2)).sum::<f32>() < 0.5
                };
                let right = states.iter().zip(images.iter()).filter(right).count();
                shares.push(right as f64 / n as f64);
            }
        }
        for ((similarity, shares), published) in SIMILARITIES.iter().zip(&shares).zip(published) {
            let setting = format!("digits, {name}, n {n}, {similarity}");
            figures.push(Figure::of_samples(id, setting, "recalled", published, shares));
        }
        (bench.tell)();
    }
    Ok(figures)
}
