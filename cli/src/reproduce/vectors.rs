//! The softmax memory on random vectors: R6 to R8.

use super::{Bench, Figure, flipped, random_bits};
use crate::failure::Result;
use attractor::{
    Rows,
    memory::{DenseMemory, Memory, RecallOptions},
    ops::Similarity,
};
use rand_distr::{Distribution, StandardNormal};

fn memory(bench: &Bench<'_>, patterns: &Rows<'_>, beta: f32) -> attractor::Result<DenseMemory> {
    DenseMemory::builder().device(bench.device).similarity(Similarity::Dot).beta(beta).build(patterns)
}

/// R6, R7: -1 and 1 with bits turned; one step, and the best pattern.
pub(crate) fn turned_bits(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let (d, queries) = (64, 1000);
    let mut figures = Vec::new();
    for (at, (k, best)) in [(1000, 0.990), (10_000, 0.885), (100_000, 0.305)].into_iter().enumerate() {
        let mut random = bench.random(3000 + at as u64);
        let patterns = random_bits(&mut random, k, d)?;
        let memory = memory(bench, &patterns, 0.5)?;
        let asked = patterns.slice(0..queries);

        let cues = flipped(&mut random, &asked, 6)?;
        let one = RecallOptions { steps: 1, top_k: Some(0), ..RecallOptions::default() };
        let states = memory.recall_with(&cues, &one)?.states;
        let near = |(x, y): &(&[f32], &[f32])| {
            let squared = |f: &dyn Fn(usize) -> f32| (0..d).map(|i| f(i).powi(2)).sum::<f32>();
            squared(&|i| x[i] - y[i]) < 0.01 * squared(&|i| y[i])
        };
        let right = states.iter().zip(asked.iter()).filter(near).count();
        let setting = format!("softmax, beta 0.5, d {d}, 10 % flips, n {k}");
        figures.push(Figure::of_trials(
            "R6",
            setting,
            "relative error below 0.1 after one step",
            1.0,
            (right, queries),
        ));

        let cues = flipped(&mut random, &asked, 16)?;
        let look = RecallOptions { steps: 0, top_k: Some(1), ..RecallOptions::default() };
        let found = memory.recall_with(&cues, &look)?.indices;
        let right = found.iter().enumerate().filter(|(i, k)| *i == **k as usize).count();
        let setting = format!("dot, d {d}, 16 flips, n {k}");
        let figure =
            Figure::of_trials("R7", setting, "best pattern is the right one", best, (right, queries));
        figures.push(figure.with_formula(nobody_nearer(d, 16).powi(k as i32 - 1)));
        (bench.tell)();
    }
    Ok(figures)
}

/// Chance that a random pattern of `d` bits shares no more bits with a query than one with `flips` turned bits does.
fn nobody_nearer(d: usize, flips: usize) -> f64 {
    let mut chance = 0.5_f64.powi(d as i32);
    let mut below = 0.0;
    for shared in 0..=d - flips {
        below += chance;
        chance *= (d - shared) as f64 / (shared + 1) as f64;
    }
    below
}

/// R8: where a stored pattern of the unit sphere goes, by temperature.
pub(crate) fn sphere(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let (k, d) = (50, 16);
    let mut figures = Vec::new();
    for (at, (beta, published)) in
        [(0.5, 0.985), (2.0, 0.986), (8.0, 0.109), (32.0, 1e-6)].into_iter().enumerate()
    {
        let mut medians = Vec::new();
        for memory_of in 0..20 {
            let mut random = bench.random(4000 + 100 * at as u64 + memory_of);
            let mut values: Vec<f32> = (0..k * d).map(|_| StandardNormal.sample(&mut random)).collect();
            for row in values.chunks_exact_mut(d) {
                let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
                row.iter_mut().for_each(|v| *v /= length);
            }
            let patterns = Rows::new(values, d)?;
            let options = RecallOptions { steps: 2000, top_k: Some(0), ..RecallOptions::default() };
            let states = memory(bench, &patterns, beta)?.recall_with(&patterns, &options)?.states;
            let distance = |(x, y): (&[f32], &[f32])| {
                x.iter().zip(y).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>().sqrt()
            };
            let mut distances: Vec<f64> = states.iter().zip(patterns.iter()).map(distance).collect();
            distances.sort_by(f64::total_cmp);
            medians.push(0.5 * (distances[k / 2 - 1] + distances[k / 2]));
        }
        let setting = format!("softmax, dot, unit sphere, d {d}, n {k}, beta {beta}");
        figures.push(Figure::of_samples(
            "R8",
            setting,
            "median distance of the fixed point",
            published,
            &medians,
        ));
        (bench.tell)();
    }
    Ok(figures)
}
