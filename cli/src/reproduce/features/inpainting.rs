//! Digits with their lower rows missing, and the two remedies for queries that see no pattern.

use super::{Bench, Figure, exact, features, mean};
use crate::{commands::demo::digits, failure::Result, sheet::Sheet};
use attractor::{
    Rows,
    io::write_bytes,
    memory::{FeatureDescent, FeatureMemory, Memory, RecallOptions, descend_ladder},
    ops::{FeatureMap, FeatureSpec},
};
use rand::RngExt;

/// Pixels of a side, rows of them that are known.
const SIDE: usize = 8;
const KNOWN: usize = 5;
const D: usize = SIDE * SIDE;
/// Draws of frequencies.
const DRAWS: u64 = 4;

/// Stored digits, and the same with their lower rows at 0.
struct Task {
    patterns: Rows<'static>,
    queries: Rows<'static>,
    clamp: Vec<bool>,
}

impl Task {
    /// `k` digits that follow each other in the set. Distances are 1 at most, as the experiments have them: values from 0 to 1
    /// over the root of `d`.
    fn new(bench: &Bench<'_>, k: usize, part: u64) -> Result<Self> {
        let all = digits()?;
        let first = bench.random(part).random_range(0..all.rows() - k);
        let root = (D as f32).sqrt();
        let patterns: Vec<f32> = all.slice(first..first + k).as_slice().iter().map(|v| v / root).collect();
        let clamp: Vec<bool> = (0..D).map(|i| i < KNOWN * SIDE).collect();
        let hidden = |(i, v): (usize, &f32)| if clamp[i % D] { *v } else { 0.0 };
        let queries = Rows::new(patterns.iter().enumerate().map(hidden).collect::<Vec<f32>>(), D)?;
        Ok(Self { patterns: Rows::new(patterns, D)?, queries, clamp })
    }

    /// What the exact memory makes of the queries.
    fn exact(&self, bench: &Bench<'_>, beta: f32) -> Result<Rows<'static>> {
        let options = RecallOptions {
            steps: 1000,
            step_size: 0.1,
            clamp: Some(&self.clamp),
            top_k: Some(0),
            ..RecallOptions::default()
        };
        Ok(exact(bench, &self.patterns, beta)?.recall_with(&self.queries, &options)?.states)
    }

    fn memory(&self, bench: &Bench<'_>, m: usize, beta: f32, draw: u64) -> Result<FeatureMemory> {
        let spec = FeatureSpec::new(FeatureMap::SinCos, m, D, beta, bench.seed + draw);
        let mut memory = features(bench, spec, Vec::new())?;
        memory.absorb(&self.patterns)?;
        Ok(memory)
    }

    fn descent(&self, steps: u32) -> FeatureDescent<'_> {
        FeatureDescent { steps, clamp: Some(&self.clamp), backtrack: false, ..FeatureDescent::default() }
    }

    /// How many states are nearest to their own digit.
    fn found(&self, states: &Rows<'_>) -> usize {
        let nearest = |x: &[f32]| {
            let far = |i: &usize| squared(x, self.patterns.row(*i));
            (0..self.patterns.rows()).min_by(|a, b| far(a).total_cmp(&far(b)))
        };
        (0..states.rows()).filter(|i| nearest(states.row(*i)) == Some(*i)).count()
    }
}

fn squared(x: &[f32], y: &[f32]) -> f64 {
    x.iter().zip(y).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

/// The mean of `|x - y| / |y|`.
fn distance(x: &Rows<'_>, y: &Rows<'_>) -> f64 {
    let origin = [0.0; D];
    mean(x.iter().zip(y.iter()).map(|(x, y)| (squared(x, y) / squared(y, &origin).max(1e-30)).sqrt()))
}

/// The nearest stored digit, and the distance to what the exact memory makes of the query. Draws a picture of one setting.
pub(crate) fn inpainting(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let settings = [
        (4, 60.0, [(500, 1.0, 0.069), (2000, 1.0, 0.035), (10_000, 1.0, 0.014), (40_000, 1.0, 0.007)]),
        (20, 60.0, [(500, 0.95, 0.347), (2000, 1.0, 0.079), (10_000, 1.0, 0.032), (40_000, 1.0, 0.016)]),
        (20, 120.0, [(500, 0.75, 0.78), (2000, 0.85, 0.58), (10_000, 0.80, 0.44), (40_000, 0.95, 0.26)]),
    ];
    let mut figures = Vec::new();
    for (at, (k, beta, sizes)) in settings.into_iter().enumerate() {
        let task = Task::new(bench, k, 30_000 + at as u64)?;
        let truth = task.exact(bench, beta)?;
        let end = |m: usize, draw: u64| -> Result<Rows<'static>> {
            let steps = if m == 40_000 { 400 } else { 1000 };
            Ok(task.memory(bench, m, beta, draw)?.descend(&task.queries, &task.descent(steps))?.states)
        };
        for (m, identity, published) in sizes {
            let numbers = bench.numbers(&format!("inpainting n {k} beta {beta} m {m}"), || {
                let draws: Result<Vec<_>> = (0..DRAWS)
                    .map(|draw| end(m, draw).map(|x| [task.found(&x) as f64, distance(&x, &truth)]))
                    .collect();
                Ok(draws?.into_iter().flatten().collect())
            })?;
            let column = |i: usize| numbers.iter().skip(i).step_by(2).copied();
            let found = (column(0).sum::<f64>() as usize, DRAWS as usize * k);
            let setting = format!("digits, n {k}, beta {beta}, m {m}, lower three rows missing");
            let metric = "nearest is the right digit";
            figures.push(Figure::of_trials("D", setting.clone(), metric, identity, found));
            let samples: Vec<f64> = column(1).collect();
            let metric = "relative distance to the exact end";
            figures.push(Figure::of_samples("D", setting, metric, published, &samples));
        }
        if let (Some(out), 20, true) = (bench.out, k, beta == 60.0) {
            let mut rows = vec![&task.patterns, &task.queries, &truth];
            let ends: Result<Vec<_>> = sizes.iter().map(|(m, ..)| end(*m, 0)).collect();
            let ends = ends?;
            rows.extend(&ends);
            write_bytes(out.folder.join("inpainting.png"), &picture(&rows, &task.clamp)?)?;
        }
        (bench.tell)();
    }
    Ok(figures)
}

/// A row of digits for each of `rows`: what is stored, the queries, the exact end, and the ends with more and more features.
fn picture(rows: &[&Rows<'_>], clamp: &[bool]) -> Result<Vec<u8>> {
    let columns = rows.first().map_or(0, |stored| stored.rows());
    let mut sheet = Sheet::new(SIDE, 1, rows.len(), columns);
    let hidden: Vec<bool> = clamp.iter().map(|known| !known).collect();
    for (row, images) in rows.iter().enumerate() {
        for (column, image) in images.iter().enumerate() {
            let image: Vec<f32> = image.iter().map(|v| v * (D as f32).sqrt()).collect();
            sheet.put(0, row, column, &image, (row == 1).then_some(&hidden[..]));
        }
    }
    sheet.png()
}

/// Starting unknown pixels at the mean digit, and descending a smooth energy first, where most queries see no pattern at all.
pub(crate) fn remedies(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let settings: [(&str, bool, &[f32], f64); 4] = [
        ("beta 120, unknown pixels at 0", false, &[120.0], 0.602),
        ("beta 120, unknown pixels at the mean", true, &[120.0], 0.075),
        ("beta 60, then 120", false, &[60.0, 120.0], 0.075),
        ("beta 40, 80, 160", false, &[40.0, 80.0, 160.0], 0.064),
    ];
    let (k, m) = (20, 2000);
    let mut figures = Vec::new();
    for (name, fill, betas, published) in settings {
        let samples = bench.numbers(&format!("remedies {name}"), || {
            let task = Task::new(bench, k, 40_000)?;
            (0..DRAWS)
                .map(|draw| {
                    let memories: Result<Vec<_>> =
                        betas.iter().map(|beta| task.memory(bench, m, *beta, draw)).collect();
                    let memories = memories?;
                    let memories: Vec<&FeatureMemory> = memories.iter().collect();
                    let options = FeatureDescent { fill, ..task.descent(300) };
                    Ok(distance(&descend_ladder(&memories, &task.queries, &options)?.states, &task.patterns))
                })
                .collect()
        })?;
        let setting = format!("digits, n {k}, m {m}, {name}");
        figures.push(Figure::of_samples("D", setting, "relative distance to the digit", published, &samples));
        (bench.tell)();
    }
    Ok(figures)
}
