//! Retrieval of images from halves of their pixels and from noise, by number of patterns: with and without separation, and by the plain cosine.

use super::{super::Bench, Figure, UNPUBLISHED, adam, codes::point, identity, mean, memory, trained};
use crate::{
    chart::{Axis, COLOURS, Chart, Line, Look, Mark, side_by_side},
    commands::demo::digits,
    failure::{Failure, Result},
    input,
};
use attractor::{
    Rows,
    io::write_bytes,
    memory::{FeatureTransform, LinearMap, Memory, RecallOptions},
    ops::{Separation, SeparationLoss, separation_loss_f64},
};
use rand::{RngExt, rngs::StdRng, seq::SliceRandom};

/// Draws of patterns and damage.
const DRAWS: u64 = 5;
const COUNTS: [usize; 6] = [10, 20, 50, 100, 200, 500];
/// Patterns of the experiment with noise, and its levels.
const NOISY: usize = 100;
const LEVELS: [f32; 8] = [0.0, 0.05, 0.1, 0.3, 0.5, 0.7, 1.0, 1.4];

const METHODS: [&str; 6] = [
    "dot product, beta 1",
    "random W, beta 1",
    "U-Hop average, beta 1",
    "U-Hop max, beta 1",
    "U-Hop+ pair, unit features, beta 30",
    "plain cosine, beta 30",
];

/// Squared errors and shares of right best patterns on MNIST, by method as above.
const MNIST: [(usize, [[f64; 2]; 6]); 3] = [
    (50, [[7.09, 0.880], [8.79, 0.873], [8.45, 0.880], [0.0, 1.0], [UNPUBLISHED; 2], [0.05, 1.0]]),
    (100, [[9.69, 0.830], [21.4, 0.740], [20.2, 0.753], [0.50, 0.990], [UNPUBLISHED; 2], [0.09, 1.0]]),
    (200, [[17.8, 0.727], [27.6, 0.702], [25.1, 0.718], [0.72, 0.978], [UNPUBLISHED; 2], [0.21, 1.0]]),
];

/// Images with values from 0 to 1: those of the user's file, or the digits of the repository.
fn images(bench: &Bench<'_>) -> Result<(Rows<'static>, &'static str)> {
    let Some(path) = bench.data else { return Ok((digits()?, "digits")) };
    let source = input::open(path)?;
    let rows = source.matrix(&["images", "patterns", "x_train"])?;
    rows.check_finite("images")?;
    let most = rows.as_slice().iter().copied().fold(0.0, f32::max);
    if rows.rows() < NOISY || most <= 0.0 || rows.as_slice().iter().any(|v| *v < 0.0) {
        let want =
            format!("{}: want at least {NOISY} images [n, pixels] of values from 0 on", path.display());
        return Err(Failure::data(want));
    }
    // Bytes or shares.
    let scale = if most > 1.0 { 1.0 / 255.0 } else { 1.0 };
    let values: Vec<f32> = rows.as_slice().iter().map(|v| scale * v).collect();
    let name = if rows.columns() == 784 { "MNIST" } else { "images" };
    Ok((Rows::new(values, rows.columns())?, name))
}

fn drawn(random: &mut StdRng, all: &Rows<'_>, n: usize) -> Result<Rows<'static>> {
    let mut numbers: Vec<usize> = (0..all.rows()).collect();
    numbers.shuffle(random);
    let values: Vec<f32> = numbers[..n].iter().flat_map(|k| all.row(*k)).copied().collect();
    Ok(Rows::new(values, all.columns())?)
}

/// Half of the pixels at 0, the others doubled.
fn dropped(random: &mut StdRng, x: &Rows<'_>) -> Result<Rows<'static>> {
    let values: Vec<f32> =
        x.as_slice().iter().map(|v| if random.random_bool(0.5) { 2.0 * v } else { 0.0 }).collect();
    Ok(Rows::new(values, x.columns())?)
}

/// Gradient descent as the published code has it: no momentum, no scaling, the map not rescaled.
fn descend(
    map: &mut LinearMap,
    patterns: &Rows<'_>,
    loss: SeparationLoss,
    rates: impl Iterator<Item = f64>,
) -> Result<()> {
    let wide: Vec<f64> = patterns.as_slice().iter().map(|v| f64::from(*v)).collect();
    let columns = map.features();
    for rate in rates {
        let mut features = map.apply(&wide);
        let lengths: Vec<f64> = features
            .chunks_exact(columns)
            .map(|f| f.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12))
            .collect();
        let rows = features.chunks_exact_mut(columns).zip(&lengths);
        rows.for_each(|(f, l)| f.iter_mut().for_each(|v| *v /= l));
        // t = 2
        let (_, mut slopes) = separation_loss_f64(&features, columns, loss, 0.25)?;
        for ((g, f), length) in
            slopes.chunks_exact_mut(columns).zip(features.chunks_exact(columns)).zip(&lengths)
        {
            let along: f64 = g.iter().zip(f).map(|(g, f)| g * f).sum();
            g.iter_mut().zip(f).for_each(|(g, f)| *g = (*g - along * f) / length);
        }
        let gradient = map.pull_back(&wide, &slopes);
        map.parameters_mut().iter_mut().zip(gradient).for_each(|(w, g)| *w -= rate * g);
    }
    Ok(())
}

/// Each way of comparing: its map, inverse temperature, and whether features are of length 1.
fn methods(patterns: &Rows<'_>, seed: u64) -> Result<Vec<(LinearMap, f32, bool)>> {
    let d = patterns.columns();
    let mut random_map = LinearMap::random(d, d, false, seed)?;
    // W ~ N(0, 1), as published, where training starts from N(0, 2/d).
    random_map.scale((d as f64 / 2.0).sqrt());
    let (mut average, mut max) = (random_map.clone(), random_map.clone());
    // A rate of 1 that is divided by the root of the number of each step, again and again.
    let fading = (1..=100).scan(1.0, |rate, k| {
        let now = *rate;
        *rate /= f64::from(k + 1).sqrt();
        Some(now)
    });
    descend(&mut average, patterns, SeparationLoss::Average, fading)?;
    descend(&mut max, patterns, SeparationLoss::Max, std::iter::repeat_n(10.0, 100))?;
    let (pair, _) = trained(patterns, &adam(0.1, 0.02, 200), seed)?;
    Ok(vec![
        (identity(d)?, 1.0, false),
        (random_map, 1.0, false),
        (average, 1.0, false),
        (max, 1.0, false),
        (pair, 30.0, true),
        (identity(d)?, 30.0, true),
    ])
}

/// The mean squared error and the share of right best patterns of one update, by method.
fn measured(
    bench: &Bench<'_>,
    patterns: &Rows<'_>,
    queries: &Rows<'_>,
    methods: &[(LinearMap, f32, bool)],
) -> Result<Vec<[f64; 2]>> {
    let clamped = |v: f32| f64::from(v.clamp(0.0, 1.0));
    methods
        .iter()
        .map(|(map, beta, of_unit)| {
            // One update may compare unit features of both sides: the cosine.
            let asked = if *of_unit {
                of_unit_features(map, queries)?
            } else {
                queries.slice(0..queries.rows()).into_owned()
            };
            let memory = memory(bench, patterns, map, Separation::Softmax, *beta, *of_unit)?;
            let once = RecallOptions { steps: 1, ..RecallOptions::default() };
            let states = memory.recall_with(&asked, &once)?.states;
            let look = RecallOptions { steps: 0, top_k: Some(1), ..RecallOptions::default() };
            let best = memory.recall_with(&asked, &look)?.indices;
            let off = |(x, y): (&[f32], &[f32])| {
                x.iter().zip(y).map(|(x, y)| (clamped(*x) - clamped(*y)).powi(2)).sum::<f64>()
            };
            let errors: Vec<f64> = states.iter().zip(patterns.iter()).map(off).collect();
            let right = best.iter().enumerate().filter(|(i, k)| **k as usize == *i).count();
            Ok([mean(&errors), right as f64 / best.len() as f64])
        })
        .collect()
}

/// Rows divided by the lengths of their features.
fn of_unit_features(map: &LinearMap, rows: &Rows<'_>) -> Result<Rows<'static>> {
    let wide: Vec<f64> = rows.as_slice().iter().map(|v| f64::from(*v)).collect();
    let features = map.apply(&wide);
    let length = |f: &[f64]| f.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
    let divided = |(x, f): (&[f32], &[f64])| -> Vec<f32> {
        let length = length(f);
        x.iter().map(|v| (f64::from(*v) / length) as f32).collect()
    };
    let values = rows.iter().zip(features.chunks_exact(map.features())).flat_map(divided);
    Ok(Rows::new(values.collect::<Vec<f32>>(), rows.columns())?)
}

/// Samples of one metric of a method: numbers are draws of methods of metrics.
fn samples(numbers: &[f64], method: usize, metric: usize) -> Vec<f64> {
    numbers.iter().skip(2 * method + metric).step_by(2 * METHODS.len()).copied().collect()
}

/// Images from half of their pixels, by how many are stored.
pub(crate) fn retrieval(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let (all, name) = images(bench)?;
    let (mut figures, mut points) = (Vec::new(), [const { [Vec::new(), Vec::new()] }; METHODS.len()]);
    for n in COUNTS.into_iter().filter(|n| *n <= all.rows()) {
        let numbers = bench.numbers(&format!("retrieval {name} n {n}"), || {
            let mut numbers = Vec::new();
            for draw in 0..DRAWS {
                let mut random = bench.random(56_000 + 10 * n as u64 + draw);
                let patterns = drawn(&mut random, &all, n)?;
                let queries = dropped(&mut random, &patterns)?;
                let methods = methods(&patterns, bench.seed + draw)?;
                numbers.extend(measured(bench, &patterns, &queries, &methods)?.into_iter().flatten());
            }
            Ok(numbers)
        })?;
        let published = MNIST.iter().find(|m| m.0 == n && name == "MNIST").map(|m| m.1);
        for (i, method) in METHODS.iter().enumerate() {
            for (metric, words) in ["squared error", "best pattern is the right one"].into_iter().enumerate()
            {
                let samples = samples(&numbers, i, metric);
                points[i][metric].push(point(n as f64, &samples));
                if n == 50 || n == 100 || n == 200 {
                    let published = published.map_or(UNPUBLISHED, |p| p[i][metric]);
                    let setting = format!("{name}, n {n}, half of the pixels, {method}");
                    figures.push(Figure::of_samples("images", setting, words, published, &samples));
                }
            }
        }
        (bench.tell)();
    }
    draw(bench, "retrieval.svg", &format!("{name}, half of the pixels"), ("patterns stored", true), points)?;
    Ok(figures)
}

/// A hundred images from noise of each level.
pub(crate) fn noise(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let (all, name) = images(bench)?;
    let (mut figures, mut points) = (Vec::new(), [const { [Vec::new(), Vec::new()] }; METHODS.len()]);
    let by_level = bench.numbers(&format!("noise {name}"), || {
        let mut numbers = vec![Vec::new(); LEVELS.len()];
        for draw in 0..DRAWS {
            let mut random = bench.random(57_000 + draw);
            let patterns = drawn(&mut random, &all, NOISY)?;
            let methods = methods(&patterns, bench.seed + draw)?;
            for (level, numbers) in LEVELS.into_iter().zip(&mut numbers) {
                let noise = super::normals(&mut random, patterns.as_slice().len());
                let values = patterns.as_slice().iter().zip(noise);
                let queries: Vec<f32> = values.map(|(v, e)| (v + level * e).abs().min(1.0)).collect();
                let queries = Rows::new(queries, patterns.columns())?;
                numbers.extend(measured(bench, &patterns, &queries, &methods)?.into_iter().flatten());
            }
        }
        Ok(numbers.into_iter().flatten().collect())
    })?;
    let each = by_level.len() / LEVELS.len();
    for (level, numbers) in LEVELS.into_iter().zip(by_level.chunks_exact(each)) {
        for (i, method) in METHODS.iter().enumerate() {
            for (metric, points) in points[i].iter_mut().enumerate() {
                let samples = samples(numbers, i, metric);
                points.push(point(f64::from(level), &samples));
                if metric == 0 && level == 0.5 {
                    let setting = format!("{name}, n {NOISY}, noise {level}, {method}");
                    figures.push(Figure::of_samples(
                        "images",
                        setting,
                        "squared error",
                        UNPUBLISHED,
                        &samples,
                    ));
                }
            }
        }
    }
    (bench.tell)();
    draw(
        bench,
        "noise.svg",
        &format!("{name}, {NOISY} patterns"),
        ("standard deviation of the noise", false),
        points,
    )?;
    Ok(figures)
}

fn draw(
    bench: &Bench<'_>,
    file: &str,
    title: &str,
    (x, log_x): (&'static str, bool),
    points: [[Vec<[f64; 3]>; 2]; METHODS.len()],
) -> Result<()> {
    let Some(out) = bench.out else { return Ok(()) };
    let axis = if log_x { Axis::log(x) } else { Axis::linear(x) };
    let mut charts = ["squared error of one update", "share of right best patterns"]
        .map(|y| Chart::new(title, axis.clone(), Axis::linear(y)));
    for (i, (name, points)) in METHODS.iter().zip(points).enumerate() {
        for (chart, points) in charts.iter_mut().zip(points) {
            let mark = |[x, y, error]: [f64; 3]| Mark::with(x, y, y - error, y + error);
            chart.lines.push(Line {
                name: (*name).to_owned(),
                colour: COLOURS[i % COLOURS.len()],
                look: Look::Band,
                shape: i,
                marks: points.into_iter().map(mark).collect(),
            });
        }
    }
    Ok(write_bytes(out.folder.join(file), side_by_side(&charts).as_bytes())?)
}
