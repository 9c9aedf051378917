//! Which patterns are fixed points, and which queries find them: the exact memory's own rate beside that of the features.

use super::{Bench, Figure, PATTERNS, PLACES, binary, exact, features, places};
use crate::failure::Result;
use attractor::{
    Rows,
    memory::{FeatureDescent, Memory, RecallOptions},
    ops::{FeatureMap, FeatureSpec},
};

/// Queries of each kind.
const ASKED: usize = 20;

/// Recall by descent from patterns and near them: the exact memory's own rate first, that of the features beside it.
pub(crate) fn retrieval(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    // Columns, beta, published rates of the exact memory and of the features, at patterns and near.
    let settings = [
        (30, 30.0, [0.0, 0.0], [0.0, 0.0]),
        (30, 40.0, [0.0, 0.0], [0.10, 0.0]),
        (30, 50.0, [1.0, 1.0], [1.0, 0.65]),
        (100, 30.0, [0.0, 0.0], [0.0, 0.0]),
        (100, 40.0, [1.0, 1.0], [0.30, 0.05]),
        (100, 50.0, [1.0, 1.0], [0.55, 0.0]),
    ];
    let m = 40_000;
    let mut figures = Vec::new();
    for (at, (d, beta, of_exact, of_features)) in settings.into_iter().enumerate() {
        let name = format!("retrieval d {d} m {m} beta {beta}");
        let counts = bench.numbers(&name, || {
            let counts = recalled(bench, (d, m, beta), 20_000 + at as u64)?;
            Ok(counts.into_iter().flatten().map(|n| n as f64).collect())
        })?;
        let mut counts = counts.into_iter();
        for (place, published) in PLACES.iter().zip(of_exact.into_iter().zip(of_features)) {
            for (model, published) in ["exact", "features"].into_iter().zip([published.0, published.1]) {
                let right = counts.next().unwrap_or_default() as usize;
                let setting = format!("{model}, d {d}, m {m}, beta {beta}, {place}");
                let metric = "recalled after 1000 steps";
                figures.push(Figure::of_trials("T", setting, metric, published, (right, ASKED)));
            }
        }
        (bench.tell)();
    }
    Ok(figures)
}

/// How many of the queries end at their pattern, at patterns and near them: of the exact memory and of the features.
fn recalled(bench: &Bench<'_>, (d, m, beta): (usize, usize, f32), part: u64) -> Result<[[usize; 2]; 2]> {
    let mut random = bench.random(part);
    let patterns = binary(&mut random, PATTERNS, d);
    let rows = Rows::new(&patterns[..], d)?;
    let mut memory =
        features(bench, FeatureSpec::new(FeatureMap::SinCos, m, d, beta, bench.seed), Vec::new())?;
    memory.absorb(&rows)?;
    let exact = exact(bench, &rows, beta)?;
    let descent = FeatureDescent {
        steps: 1000,
        step_size: 0.03,
        tolerance: 0.0,
        backtrack: false,
        ..FeatureDescent::default()
    };
    let options = RecallOptions {
        steps: 1000,
        step_size: 0.03,
        tolerance: Some(0.0),
        top_k: Some(0),
        ..RecallOptions::default()
    };
    let half = 0.5 / (d as f32).sqrt();
    let right = |states: &Rows<'_>| {
        let equal = |(x, xi): &(&[f32], &[f32])| x.iter().zip(*xi).all(|(x, xi)| (*x > half) == (*xi > half));
        states.iter().zip(patterns.chunks_exact(d)).filter(equal).count()
    };
    let [at, near, _] = places(&mut random, &patterns, d);
    let mut counts = [[0; 2]; 2];
    for (queries, counts) in [at, near].into_iter().zip(&mut counts) {
        let queries = Rows::new(&queries[..ASKED * d], d)?;
        *counts = [
            right(&exact.recall_with(&queries, &options)?.states),
            right(&memory.descend(&queries, &descent)?.states),
        ];
    }
    Ok(counts)
}
