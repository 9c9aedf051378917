//! Dense memory through random features (Hoover et al., `NeurIPS` 2024), with the rows that make the method look bad.

use super::{Bench, Figure};
use crate::{commands::demo::digits, failure::Result};
use attractor::{
    Rows,
    memory::{DenseMemory, FeatureDescent, FeatureMemory, FeatureSettings, Memory, RecallOptions},
    ops::{FeatureMap, FeatureSpec, Similarity},
};
use rand::{RngExt, rngs::StdRng};

/// Bytes of frequencies that are kept rather than made anew.
const BUDGET: u64 = 512 << 20;
/// Patterns, and queries of each kind.
const PATTERNS: usize = 500;
const QUERIES: usize = 200;

/// Where queries lie.
const PLACES: [&str; 3] = ["at patterns", "10 % flipped", "random"];

/// Published mean errors of the energy and of the gradient, and the share of dead queries, by place.
type Row = [[f64; 3]; 3];

/// Columns, frequencies, `beta`, and what was published.
type Setting = (usize, usize, f32, Row);

const ERRORS: [Setting; 18] = [
    (30, 5_000, 10.0, [[0.0025, 0.054, 0.0], [0.0024, 0.054, 0.0], [0.0022, 0.055, 0.0]]),
    (30, 5_000, 30.0, [[0.0050, 0.165, 0.0], [0.0094, 0.349, 0.0], [0.0141, 0.57, 0.0]]),
    (30, 5_000, 50.0, [[0.0036, 0.178, 0.0], [0.080, 3.3, 0.36], [0.10, 4.4, 0.55]]),
    (30, 40_000, 10.0, [[0.0009, 0.019, 0.0], [0.0010, 0.019, 0.0], [0.0009, 0.019, 0.0]]),
    (30, 40_000, 30.0, [[0.0016, 0.055, 0.0], [0.0030, 0.108, 0.0], [0.0041, 0.150, 0.0]]),
    (30, 40_000, 50.0, [[0.0013, 0.060, 0.0], [0.029, 0.96, 0.10], [0.076, 2.0, 0.41]]),
    (30, 200_000, 10.0, [[0.0003, 0.008, 0.0], [0.0003, 0.008, 0.0], [0.0003, 0.008, 0.0]]),
    (30, 200_000, 30.0, [[0.0007, 0.025, 0.0], [0.0013, 0.048, 0.0], [0.0019, 0.065, 0.0]]),
    (30, 200_000, 50.0, [[0.0006, 0.027, 0.0], [0.0061, 0.56, 0.0], [0.054, 1.5, 0.28]]),
    (100, 5_000, 10.0, [[0.0025, 0.105, 0.0], [0.0024, 0.106, 0.0], [0.0026, 0.107, 0.0]]),
    (100, 5_000, 30.0, [[0.0052, 0.357, 0.0], [0.0165, 1.2, 0.0], [0.046, 4.2, 0.07]]),
    (100, 5_000, 50.0, [[0.0040, 0.336, 0.0], [0.074, 48.0, 0.34], [0.094, 2.8, 0.51]]),
    (100, 40_000, 10.0, [[0.0008, 0.037, 0.0], [0.0009, 0.037, 0.0], [0.0010, 0.038, 0.0]]),
    (100, 40_000, 30.0, [[0.0018, 0.120, 0.0], [0.0042, 0.293, 0.0], [0.0064, 0.491, 0.0]]),
    (100, 40_000, 50.0, [[0.0012, 0.112, 0.0], [0.040, 5.4, 0.16], [0.077, 3.1, 0.41]]),
    (100, 200_000, 10.0, [[0.0004, 0.017, 0.0], [0.0004, 0.017, 0.0], [0.0004, 0.017, 0.0]]),
    (100, 200_000, 30.0, [[0.0008, 0.055, 0.0], [0.0019, 0.130, 0.0], [0.0031, 0.216, 0.0]]),
    (100, 200_000, 50.0, [[0.0006, 0.050, 0.0], [0.0072, 0.77, 0.0], [0.078, 3.3, 0.51]]),
];

/// Most frequencies of a quick run.
const QUICK: usize = 40_000;

/// Random patterns of 0 and 1 over the root of `d`: distances of about the root of a half.
fn binary(random: &mut StdRng, n: usize, d: usize) -> Vec<f32> {
    let one = 1.0 / (d as f32).sqrt();
    (0..n * d).map(|_| if random.random_bool(0.5) { one } else { 0.0 }).collect()
}

fn places(random: &mut StdRng, patterns: &[f32], d: usize) -> [Vec<f32>; 3] {
    let one = 1.0 / (d as f32).sqrt();
    let at = patterns[..QUERIES * d].to_vec();
    let near = at.iter().map(|v| if random.random_bool(0.1) { one - v } else { *v }).collect();
    [at, near, binary(random, QUERIES, d)]
}

fn exact(bench: &Bench<'_>, patterns: &Rows<'_>, beta: f32) -> attractor::Result<DenseMemory> {
    DenseMemory::builder().device(bench.device).similarity(Similarity::L2).beta(beta).build(patterns)
}

fn features(bench: &Bench<'_>, spec: FeatureSpec, shift: Vec<f32>) -> attractor::Result<FeatureMemory> {
    let device = Some(bench.device.clone());
    FeatureMemory::with(spec, FeatureSettings { device, shift, budget: BUDGET, ..FeatureSettings::default() })
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

/// Errors of energies and gradients, and dead queries, against the exact memory.
pub(crate) fn errors(bench: &Bench<'_>, quick: bool) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let draws = if quick { 4 } else { 8 };
    for (at, (d, m, beta, published)) in ERRORS.into_iter().enumerate() {
        if quick && m > QUICK {
            continue;
        }
        // By place and figure, of each draw.
        let mut samples: [[Vec<f64>; 3]; 3] = Default::default();
        for draw in 0..draws {
            let mut random = bench.random(10_000 + 100 * at as u64 + draw);
            let patterns = binary(&mut random, PATTERNS, d);
            let rows = Rows::new(&patterns[..], d)?;
            let spec = FeatureSpec::new(FeatureMap::SinCos, m, d, beta, bench.seed + draw);
            let mut memory = features(bench, spec, Vec::new())?;
            memory.absorb(&rows)?;
            let exact = exact(bench, &rows, beta)?;
            for (states, samples) in places(&mut random, &patterns, d).into_iter().zip(&mut samples) {
                let states = Rows::new(states, d)?;
                let (means, energies) = exact.step(&states)?;
                let (estimates, gradients) = memory.energy_and_gradient(&states)?;
                let off = energies.iter().zip(&estimates).map(|(a, b)| f64::from((a - b).abs()));
                samples[0].push(mean(off));
                let row = |i: usize| -> f64 {
                    let exact = states.row(i).iter().zip(means.row(i)).map(|(x, y)| x - y);
                    let squares = exact.zip(gradients.row(i)).map(|(e, g)| f64::from(e - g).powi(2));
                    squares.sum::<f64>().sqrt()
                };
                samples[1].push(mean((0..QUERIES).map(row)));
                let dead = |i: usize| f64::from(u8::from(gradients.row(i).iter().all(|g| *g == 0.0)));
                samples[2].push(mean((0..QUERIES).map(dead)));
            }
        }
        for ((place, published), samples) in PLACES.iter().zip(published).zip(&samples) {
            let setting = format!("d {d}, m {m}, beta {beta}, {place}");
            let metrics = ["mean error of the energy", "mean L2 error of the gradient", "dead"];
            for ((metric, published), samples) in metrics.into_iter().zip(published).zip(samples) {
                // Shares of dead queries are given where there are some.
                if metric != "dead" || published > 0.0 || samples.iter().any(|s| *s > 0.02) {
                    figures.push(Figure::of_samples("F3", setting.clone(), metric, published, samples));
                }
            }
        }
        (bench.tell)();
    }
    Ok(figures)
}

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
    let (asked, m) = (20, 40_000);
    let mut figures = Vec::new();
    for (at, (d, beta, of_exact, of_features)) in settings.into_iter().enumerate() {
        let mut random = bench.random(20_000 + at as u64);
        let patterns = binary(&mut random, PATTERNS, d);
        let rows = Rows::new(&patterns[..], d)?;
        let mut memory =
            features(bench, FeatureSpec::new(FeatureMap::SinCos, m, d, beta, bench.seed), Vec::new())?;
        memory.absorb(&rows)?;
        let exact = exact(bench, &rows, beta)?;
        let [queries, near, _] = places(&mut random, &patterns, d);
        for (place, (queries, (of_exact, of_features))) in
            PLACES.iter().zip([queries, near].into_iter().zip(of_exact.into_iter().zip(of_features)))
        {
            let queries = Rows::new(&queries[..asked * d], d)?;
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
            let ends =
                [exact.recall_with(&queries, &options)?.states, memory.descend(&queries, &descent)?.states];
            let half = 0.5 / (d as f32).sqrt();
            let models = ["exact", "features"];
            for ((model, states), published) in models.into_iter().zip(ends).zip([of_exact, of_features]) {
                let right = states
                    .iter()
                    .zip(patterns.chunks_exact(d))
                    .filter(|(x, xi)| x.iter().zip(*xi).all(|(x, xi)| (*x > half) == (*xi > half)))
                    .count();
                let setting = format!("{model}, d {d}, m {m}, beta {beta}, {place}");
                figures.push(Figure::of_trials(
                    "T",
                    setting,
                    "recalled after 1000 steps",
                    published,
                    (right, asked),
                ));
            }
        }
        (bench.tell)();
    }
    Ok(figures)
}

/// Digits with their lower three rows missing: the nearest stored digit, and the distance to what the exact memory makes of it.
pub(crate) fn inpainting(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let settings = [
        (4, 60.0, [(500, 1.0, 0.069), (2000, 1.0, 0.035), (10_000, 1.0, 0.014), (40_000, 1.0, 0.007)]),
        (20, 60.0, [(500, 0.95, 0.347), (2000, 1.0, 0.079), (10_000, 1.0, 0.032), (40_000, 1.0, 0.016)]),
        (20, 120.0, [(500, 0.75, 0.78), (2000, 0.85, 0.58), (10_000, 0.80, 0.44), (40_000, 0.95, 0.26)]),
    ];
    let all = digits()?;
    let d = all.columns();
    let clamp: Vec<bool> = (0..d).map(|i| i < 5 * d / 8).collect();
    let mut figures = Vec::new();
    for (at, (k, beta, sizes)) in settings.into_iter().enumerate() {
        let mut random = bench.random(30_000 + at as u64);
        let first = random.random_range(0..all.rows() - k);
        // Distances of 1 at most, as the experiments have them: values in 0..1 over the root of d.
        let patterns: Vec<f32> =
            all.slice(first..first + k).as_slice().iter().map(|v| v / (d as f32).sqrt()).collect();
        let patterns = Rows::new(patterns, d)?;
        let queries: Vec<f32> = patterns
            .as_slice()
            .iter()
            .enumerate()
            .map(|(i, v)| if clamp[i % d] { *v } else { 0.0 })
            .collect();
        let queries = Rows::new(queries, d)?;
        let options = RecallOptions {
            steps: 1000,
            step_size: 0.1,
            clamp: Some(&clamp),
            top_k: Some(0),
            ..RecallOptions::default()
        };
        let truth = exact(bench, &patterns, beta)?.recall_with(&queries, &options)?.states;
        for (m, identity, distance) in sizes {
            let mut samples = (0, Vec::new());
            for draw in 0..4 {
                let spec = FeatureSpec::new(FeatureMap::SinCos, m, d, beta, bench.seed + draw);
                let mut memory = features(bench, spec, Vec::new())?;
                memory.absorb(&patterns)?;
                let steps = if m == 40_000 { 400 } else { 1000 };
                let descent = FeatureDescent {
                    steps,
                    clamp: Some(&clamp),
                    backtrack: false,
                    ..FeatureDescent::default()
                };
                let states = memory.descend(&queries, &descent)?.states;
                let squared = |x: &[f32], y: &[f32]| -> f64 {
                    x.iter().zip(y).map(|(a, b)| f64::from(a - b).powi(2)).sum()
                };
                for (i, state) in states.iter().enumerate() {
                    let nearest = (0..k).min_by(|a, b| {
                        squared(state, patterns.row(*a)).total_cmp(&squared(state, patterns.row(*b)))
                    });
                    samples.0 += usize::from(nearest == Some(i));
                }
                let errors = states
                    .iter()
                    .zip(truth.iter())
                    .map(|(x, y)| (squared(x, y) / squared(y, &vec![0.0; d]).max(1e-30)).sqrt());
                samples.1.push(mean(errors));
            }
            let setting = format!("digits, n {k}, beta {beta}, m {m}, lower three rows missing");
            let found = (samples.0, 4 * k);
            figures.push(Figure::of_trials(
                "D",
                setting.clone(),
                "nearest is the right digit",
                identity,
                found,
            ));
            figures.push(Figure::of_samples(
                "D",
                setting,
                "relative distance to the exact end",
                distance,
                &samples.1,
            ));
        }
        (bench.tell)();
    }
    Ok(figures)
}

/// Which map: errors of the energy at stored digits, as they are and centred.
pub(crate) fn maps(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let settings = [
        (FeatureMap::SinCos, false, [2.0e-4, 3.0e-4]),
        (FeatureMap::Cos, false, [4.8e-4, 4.2e-4]),
        (FeatureMap::Exp, false, [2.2e-2, 1.1e-1]),
        (FeatureMap::ExpExp, false, [9.4e-3, 5.5e-2]),
        (FeatureMap::Exp, true, [5.0e-4, 3.1e-3]),
        (FeatureMap::ExpExp, true, [2.5e-4, 2.6e-3]),
    ];
    let all = digits()?;
    let d = all.columns();
    let values: Vec<f32> = all.slice(0..PATTERNS).as_slice().iter().map(|v| v / (d as f32).sqrt()).collect();
    let patterns = Rows::new(values, d)?;
    let centre: Vec<f32> =
        (0..d).map(|j| patterns.iter().map(|x| x[j]).sum::<f32>() / PATTERNS as f32).collect();
    let mut figures = Vec::new();
    for (map, centred, published) in settings {
        for (beta, published) in [10.0, 60.0].into_iter().zip(published) {
            let mut samples = Vec::new();
            for draw in 0..4 {
                let shift = if centred { centre.clone() } else { Vec::new() };
                let spec = FeatureSpec::new(map, 40_000, d, beta, bench.seed + draw);
                let mut memory = features(bench, spec, shift)?;
                memory.absorb(&patterns)?;
                let (estimates, _) = memory.energy_and_gradient(&patterns)?;
                let energies = exact(bench, &patterns, beta)?.energy(&patterns)?;
                samples.push(mean(energies.iter().zip(&estimates).map(|(a, b)| f64::from((a - b).abs()))));
            }
            let how = if centred { "centred" } else { "as they are" };
            let setting = format!("digits, {}, beta {beta}, m 40000, {how}", map.name());
            figures.push(Figure::of_samples("A", setting, "mean error of the energy", published, &samples));
        }
        (bench.tell)();
    }
    Ok(figures)
}
