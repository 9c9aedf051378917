//! What theory promises of every recall: energies that never rise, and patterns that come back exactly.

use super::{Bench, Figure, random_bits};
use crate::failure::Result;
use attractor::{
    Rows, SharedRows,
    memory::{Beta, Energy, EnergySettings, Memory, RecallOptions},
    ops::Similarity,
};
use rand::{RngExt, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

/// Energies whose updates must not raise them.
const DESCENDING: [(&str, Similarity); 12] = [
    ("softmax", Similarity::Dot),
    ("softmax", Similarity::L2),
    ("entmax:1.5", Similarity::Dot),
    ("entmax:1.5", Similarity::L2),
    ("sparsemax", Similarity::Dot),
    ("normmax:2", Similarity::L2),
    ("ksubsets:2", Similarity::L2),
    ("epanechnikov", Similarity::L2),
    ("rectified:3", Similarity::Dot),
    ("exponential", Similarity::Dot),
    ("hopfield", Similarity::Dot),
    ("hopfield:storkey", Similarity::Dot),
];

/// Problems per energy.
const PROBLEMS: u64 = 20;
/// Maps of the margin theorem.
const SPARSE: [&str; 4] = ["entmax:1.5", "entmax:1.25", "sparsemax", "normmax:2"];

fn normal(random: &mut StdRng, n: usize, d: usize) -> Vec<f32> {
    (0..n * d).map(|_| StandardNormal.sample(random)).collect()
}

fn memory(
    bench: &Bench<'_>,
    energy: &str,
    similarity: Similarity,
    patterns: Vec<f32>,
    d: usize,
    beta: f32,
) -> Result<Box<dyn Memory>> {
    let energy: Energy = energy.parse()?;
    let settings = EnergySettings {
        device: Some(bench.device.clone()),
        similarity: energy.takes_similarity().then_some(similarity),
        beta: if energy.is_binary() { Beta::Auto } else { Beta::Fixed(beta) },
        ..EnergySettings::default()
    };
    let patterns: SharedRows = Arc::new(patterns);
    Ok(energy.memory(patterns, d, &settings)?)
}

/// Worst rise of an energy in an update, relative to its size, over random problems: 0, up to the rounding of f32.
pub(crate) fn falling_energies(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let (b, d) = (8, 24);
    let mut figures = Vec::new();
    for (at, (energy, similarity)) in DESCENDING.into_iter().enumerate() {
        let parsed: Energy = energy.parse()?;
        let mut worst = 0.0_f64;
        let mut updates = 0;
        for problem in 0..PROBLEMS {
            let mut random = bench.random(6000 + 100 * at as u64 + problem);
            let n = random.random_range(2..80);
            let beta = 10_f32.powf(random.random_range(-1.5..1.0));
            let patterns = match parsed.stores_bits() {
                true => random_bits(&mut random, n, d)?.into_vec(),
                false => normal(&mut random, n, d),
            };
            let queries = match parsed.is_binary() {
                true => random_bits(&mut random, b, d)?.into_vec(),
                false => normal(&mut random, b, d),
            };
            let memory = memory(bench, energy, similarity, patterns, d, beta)?;
            let options =
                RecallOptions { steps: 30, top_k: Some(0), trace: true, ..RecallOptions::default() };
            let recall = memory.recall_with(&Rows::new(queries, d)?, &options)?;
            for trace in recall.trace.iter().flatten() {
                // Sums of squared lengths enter with both signs.
                let size = trace.iter().fold(d as f64, |m, e| m.max(f64::from(e.abs())));
                for pair in trace.windows(2).filter(|w| w[0] < 1e29) {
                    worst = worst.max(f64::from(pair[1] - pair[0]) / size);
                    updates += 1;
                }
            }
        }
        let name =
            if parsed.takes_similarity() { format!("{energy}, {similarity}") } else { energy.to_owned() };
        figures.push(Figure {
            id: "3",
            setting: format!("{name}, d {d}, {PROBLEMS} random memories, {updates} updates"),
            metric: "worst relative rise of the energy",
            published: 0.0,
            got: worst,
            // A few units in the last place of f32.
            error: f64::from(f32::EPSILON),
            error_published: 0.0,
            formula: None,
        });
        (bench.tell)();
    }
    Ok(figures)
}

/// Where a query's scores lead by the margin over `beta`, one update gives the pattern back, bit by bit.
pub(crate) fn margins(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let (n, d, beta) = (60, 16, 0.5_f32);
    let mut figures = Vec::new();
    for (at, energy) in SPARSE.into_iter().enumerate() {
        let parsed: Energy = energy.parse()?;
        let Energy::Sparse(separation) = parsed else { continue };
        let (mut exact, mut eligible) = (0, 0);
        for problem in 0..PROBLEMS {
            let mut random = bench.random(8000 + 100 * at as u64 + problem);
            let patterns = normal(&mut random, n, d);
            let queries: Vec<f32> =
                patterns.iter().zip(normal(&mut random, n, d)).map(|(x, e)| x + 0.3 * e).collect();
            let memory = memory(bench, energy, Similarity::L2, patterns.clone(), d, beta)?;
            let options = RecallOptions { steps: 1, top_k: Some(0), ..RecallOptions::default() };
            let recall = memory.recall_with(&Rows::new(&queries[..], d)?, &options)?;
            for (query, state) in queries.chunks_exact(d).zip(recall.states.iter()) {
                let score = |xi: &[f32]| {
                    -0.5 * query.iter().zip(xi).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
                };
                let mut scores: Vec<(f64, usize)> = patterns.chunks_exact(d).map(score).zip(0..).collect();
                scores.sort_by(|a, b| b.0.total_cmp(&a.0));
                // A ten-thousandth beyond the margin, for the rounding of the scores.
                if f64::from(beta) * (scores[0].0 - scores[1].0) >= f64::from(separation.margin()) + 1e-4 {
                    eligible += 1;
                    exact += usize::from(*state == patterns[scores[0].1 * d..(scores[0].1 + 1) * d]);
                }
            }
        }
        let setting = format!("{energy}, l2, d {d}, n {n}, {eligible} queries beyond the margin");
        figures.push(Figure {
            id: "3.6",
            setting,
            metric: "bit-exact in one update",
            published: 1.0,
            got: f64::from(exact as u32) / f64::from(eligible.max(1) as u32),
            error: 0.0,
            error_published: 0.0,
            formula: None,
        });
        (bench.tell)();
    }
    Ok(figures)
}
