//! The benchmark of large-pattern capacity: closed forms and published shares against simulation.

use super::{Bench, Figure};
use crate::{failure::Result, input};
use attractor::{
    SharedRows,
    capacity::{
        Capacity, Corruption, Criterion, Ensemble, Generated, Growth, Heat, Outcome, Plan, Schedule, Trials,
        fit_growth, half_octaves, n50, nearest_law, run,
        theory::{Prior, iterated_capacity, one_step},
    },
    ops::Similarity,
};
use std::{collections::HashMap, sync::Arc};

/// A plan of one memory, to be changed where an experiment differs.
fn plan(bench: &Bench<'_>, memory: &str, d: usize, n: Vec<u64>) -> Result<Plan> {
    Ok(Plan {
        criteria: vec![Criterion::Identity],
        schedules: vec![Schedule::Steps(1)],
        n,
        d: vec![d],
        seeds: vec![bench.seed],
        mixing: 0,
        stops: false,
        ..Plan::new(memory.parse()?, bench.device.clone())
    })
}

fn outcomes(plan: &Plan) -> Result<Vec<Outcome>> {
    Ok(run(plan, &mut HashMap::new(), None)?)
}

/// A share that was published with a margin: three standard errors are that margin.
fn share(
    id: &'static str,
    setting: String,
    metric: &'static str,
    published: f64,
    trials: Trials,
    margin: f64,
) -> Figure {
    let counts = (trials.successes as usize, trials.trials as usize);
    let figure = Figure::of_trials(id, setting, metric, published, counts);
    Figure { error_published: margin / 3.0, ..figure }
}

/// A capacity that was published to within a factor: three standard errors are that factor.
fn capacity(
    id: &'static str,
    setting: String,
    metric: &'static str,
    published: f64,
    found: Option<Capacity>,
    factor: f64,
) -> Figure {
    let (got, error) = match found {
        Some(Capacity::At { n, low, high }) => (n, (high - low) / 3.92),
        _ => (f64::NAN, f64::INFINITY),
    };
    let error_published = published * (factor - 1.0) / 3.0;
    Figure { id, setting, metric, published, got, error, error_published, formula: None }
}

/// The nearest pattern against its exact law: sphere, masks, noise and bits with their ties.
pub(crate) fn nearest(bench: &Bench<'_>, quick: bool) -> Result<Vec<Figure>> {
    let cases: [(Ensemble, &str, usize, u64, f64); 12] = [
        (Ensemble::Sphere, "overlap:0.8", 16, 354, 0.980),
        (Ensemble::Sphere, "overlap:0.8", 16, 1063, 0.941),
        (Ensemble::Sphere, "overlap:0.8", 16, 3544, 0.815),
        (Ensemble::Sphere, "overlap:0.8", 16, 10_634, 0.541),
        (Ensemble::Sphere, "mask:0.5", 16, 100, 0.774),
        (Ensemble::Sphere, "mask:0.5", 32, 1000, 0.940),
        (Ensemble::Sphere, "mask:0.625", 64, 20_000, 0.954),
        (Ensemble::Sphere, "noise:1", 32, 1000, 0.9585),
        (Ensemble::Sphere, "noise:1.5", 64, 1000, 0.9573),
        (Ensemble::Bipolar, "flip:0.203125", 64, 65_536, 0.9625),
        (Ensemble::Bipolar, "flip:0.296875", 64, 128, 0.9332),
        (Ensemble::Bipolar, "flip:0.40625", 64, 2, 0.932),
    ];
    let mut figures = Vec::new();
    for (ensemble, corruption, d, n, published) in cases {
        let corruption: Corruption = corruption.parse()?;
        let queries = if quick && n * d as u64 > 1_000_000 { 500 } else { 2000 };
        // Few patterns are all alike to their seed: many seeds.
        let seeds: u64 = if n < 1000 { 10 } else { 1 };
        let plan = Plan {
            corruptions: vec![corruption],
            ensemble: ensemble.clone(),
            queries: queries / seeds as usize,
            seeds: (bench.seed..bench.seed + seeds).collect(),
            generated: if ensemble.is_bipolar() { Generated::Always } else { Generated::Never },
            ..plan(bench, "nearest", d, vec![n])?
        };
        let outcome = outcomes(&plan)?;
        let point = &outcome[0].points[0][0];
        let (shared, all) = (point.shared.unwrap_or(0.0), point.trials.trials as f64);
        let law = nearest_law(&ensemble, corruption, d)?.map(|l| l.success(n as f64));
        // A share of trials, ties counting in part.
        let error = ((shared * (1.0 - shared)).max(1.0 / all) / all).sqrt();
        figures.push(Figure {
            id: "6.1",
            setting: format!("{ensemble}, d {d}, {corruption}, N {n}, {all} queries"),
            metric: "nearest pattern right, ties shared",
            published,
            got: shared,
            error,
            error_published: 0.0,
            formula: law,
        });
        (bench.tell)();
    }
    Ok(figures)
}

/// A published capacity of one step: patterns, their damage as text and as a cosine, dimension, lambda, capacity, and the largest number of
/// patterns that is tried.
type OneStep = (Ensemble, Prior, &'static str, f64, usize, f64, f64, u64);

/// A memory of bits, its dimension, and the published shares by the number of patterns.
type Stable = (&'static str, usize, &'static [(u64, f64)]);

/// Softmax at finite temperatures: the law of one step, and the collapse under iteration.
pub(crate) fn softmax(bench: &Bench<'_>, quick: bool) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let one: [OneStep; 3] = [
        (Ensemble::Sphere, Prior::Sphere, "overlap:1", 1.0, 16, 1.0, 1.96e4, 1 << 17),
        (Ensemble::Sphere, Prior::Sphere, "overlap:1", 1.0, 24, 0.5, 1.065e4, 1 << 16),
        (Ensemble::Bipolar, Prior::Bits, "flip:0.1875", 0.625, 64, 0.25, 3043.0, 1 << 14),
    ];
    for (ensemble, prior, corruption, c, d, lambda, published, most) in one {
        let grid = half_octaves(most).into_iter().filter(|n| *n as f64 > published / 9.0).collect();
        let plan = Plan {
            corruptions: vec![corruption.parse()?],
            ensemble: ensemble.clone(),
            criteria: vec![Criterion::Weight],
            heats: vec![Heat::Lambda(lambda)],
            queries: if quick { 150 } else { 500 },
            seeds: (bench.seed..bench.seed + if quick { 1 } else { 3 }).collect(),
            stops: true,
            ..plan(bench, "softmax", d, grid)?
        };
        let found = n50(&outcomes(&plan)?[0].curve(0));
        let setting = format!("{ensemble}, d {d}, lambda {lambda}, {corruption}, one step");
        let figure = capacity("6.2", setting, "N50 by weight (within 1.5 x)", published, found, 1.5);
        figures.push(figure.with_formula(one_step(prior, d, lambda, c)?));
        (bench.tell)();
    }
    // From the pattern itself until convergence.
    let iterated =
        |d: usize, lambda: f64, n: Vec<u64>, schedule: Schedule, criterion: Criterion| -> Result<Outcome> {
            let plan = Plan {
                corruptions: vec![Corruption::Overlap(1.0)],
                criteria: vec![criterion],
                heats: vec![Heat::Lambda(lambda)],
                schedules: vec![schedule],
                queries: if quick { 150 } else { 500 },
                seeds: (bench.seed..bench.seed + if quick { 2 } else { 5 }).collect(),
                ..plan(bench, "softmax", d, n)?
            };
            let outcome = outcomes(&plan)?.swap_remove(0);
            (bench.tell)();
            Ok(outcome)
        };
    let close = Criterion::L2(0.1);
    for (d, lambda, shares) in [(16, 1.0, &[(2118, 0.94), (6356, 0.0)][..]), (24, 0.5, &[(1080, 0.17)])] {
        let grid = shares.iter().map(|(n, _)| *n).collect();
        let outcome = iterated(d, lambda, grid, Schedule::Converged, close)?;
        for ((n, published), point) in shares.iter().zip(&outcome.points[0]) {
            let setting = format!("sphere, d {d}, lambda {lambda}, N {n}, iterated from the pattern");
            figures.push(share(
                "6.3",
                setting,
                "ends within 0.1 of the pattern",
                *published,
                point.trials,
                0.08,
            ));
        }
    }
    let grid = vec![1024, 1448, 2048, 2896, 4096, 5793, 8192, 11_585];
    let found = n50(&iterated(16, 1.0, grid, Schedule::Converged, close)?.curve(0));
    let setting = "sphere, d 16, lambda 1, iterated from the pattern".to_owned();
    // Anything from 2,000 to 6,500.
    let figure = capacity("6.3", setting, "N50 within 0.1 (2e3 to 6.5e3)", 3600.0, found, 1.8);
    figures.push(figure.with_formula(iterated_capacity(16, 1.0, 0.5)?));
    // While the state still shrinks: at the end, all states that have collapsed are the same one.
    let outcome = iterated(16, 1.0, vec![4096], Schedule::Steps(8), Criterion::Identity)?;
    let setting = "sphere, d 16, lambda 1, N 4096, 8 steps from the pattern".to_owned();
    let point = &outcome.points[0][0];
    figures.push(share("6.3", setting, "pattern of most weight is right", 1.0, point.trials, 0.01));
    Ok(figures)
}

/// Growth of the nearest pattern's capacity at an overlap of 0.6.
pub(crate) fn growth(bench: &Bench<'_>, quick: bool) -> Result<Vec<Figure>> {
    let published = [(16, 4.852), (24, 6.815), (32, 8.733), (40, 10.622), (48, 12.493)];
    let mut figures = Vec::new();
    let mut capacities = Vec::new();
    for (d, ln) in published.into_iter().take(if quick { 4 } else { 5 }) {
        let law = nearest_law(&Ensemble::Sphere, Corruption::Overlap(0.6), d)?;
        let exact = law.map_or(ln, |l| l.capacity(0.5).ln());
        let about = |half: i32| (exact + 0.5 * f64::from(half) * std::f64::consts::LN_2).exp().round() as u64;
        let plan = Plan {
            corruptions: vec![Corruption::Overlap(0.6)],
            queries: if quick { 300 } else { 500 },
            seeds: (bench.seed..bench.seed + if quick { 1 } else { 3 }).collect(),
            ..plan(bench, "nearest", d, (-4..=3).map(about).collect())?
        };
        let found = n50(&outcomes(&plan)?[0].curve(0));
        if let Some(Capacity::At { n, low, high }) = found {
            capacities.push((d, n));
            figures.push(Figure {
                id: "15.5",
                setting: format!("nearest, sphere, d {d}, overlap 0.6"),
                metric: "ln N50",
                published: ln,
                got: n.ln(),
                error: (high / low).ln() / 3.92,
                error_published: 0.0,
                formula: Some(exact),
            });
        }
        (bench.tell)();
    }
    let fit = fit_growth(Growth::Exponential, &capacities)?;
    figures.push(Figure {
        id: "15.5",
        setting: format!("nearest, sphere, overlap 0.6, d 16 to {}", if quick { 40 } else { 48 }),
        metric: "slope of ln N50 (.2386 +- .012)",
        published: 0.2386,
        got: fit.slope,
        error: (fit.slope_high - fit.slope_low) / 6.4,
        error_published: 0.004,
        formula: None,
    });
    Ok(figures)
}

/// Memories of bits: the share of stored patterns that are exactly stable.
pub(crate) fn stable(bench: &Bench<'_>, quick: bool) -> Result<Vec<Figure>> {
    let lists: [Stable; 4] = [
        ("hopfield", 100, &[(8, 1.0), (11, 0.97), (14, 0.91), (20, 0.43), (30, 0.06)]),
        ("polynomial:3", 50, &[(50, 1.0), (107, 0.87), (214, 0.30)]),
        ("polynomial:4", 30, &[(120, 0.99), (265, 0.86), (600, 0.26)]),
        ("exponential", 20, &[(300, 1.0), (1024, 0.99), (4000, 0.95), (12_000, 0.86)]),
    ];
    let mut figures = Vec::new();
    for (memory, d, list) in lists {
        let seeds: u64 = match (memory, quick) {
            ("hopfield", false) => 100,
            ("hopfield", true) => 30,
            (_, false) => 10,
            (_, true) => 3,
        };
        let plan = Plan {
            ensemble: Ensemble::Bipolar,
            corruptions: vec![Corruption::Flip(0.0)],
            criteria: vec![Criterion::Sign],
            queries: 500,
            seeds: (bench.seed..bench.seed + seeds).collect(),
            ..plan(bench, memory, d, list.iter().map(|(n, _)| *n).collect())?
        };
        for ((n, published), point) in list.iter().zip(&outcomes(&plan)?[0].points[0]) {
            let setting = format!("{memory}, d {d}, N {n}, {seeds} memories");
            figures.push(share(
                "6",
                setting,
                "stored patterns that are stable",
                *published,
                point.trials,
                0.08,
            ));
        }
        (bench.tell)();
    }
    Ok(figures)
}

/// A row of the published table of similarities on digits: damage, number of patterns, and by similarity the shares by squared distance and by
/// identity.
type Digits = (&'static str, u64, [(f64, f64); 4]);

const DIGITS: [Digits; 8] = [
    ("half", 100, [(0.76, 0.71), (0.996, 0.994), (0.67, 0.59), (0.81, 0.78)]),
    ("half", 1000, [(0.29, 0.22), (0.99, 0.97), (0.52, 0.32), (0.69, 0.61)]),
    ("mask:0.5", 100, [(0.93, 0.87), (1.0, 1.0), (0.89, 0.82), (0.98, 0.96)]),
    ("mask:0.5", 1000, [(0.59, 0.44), (1.0, 0.994), (0.73, 0.53), (0.89, 0.84)]),
    ("image-noise:0.3", 1000, [(0.10, 0.09), (0.99, 0.99), (1.0, 1.0), (1.0, 0.999)]),
    ("image-noise:0.5", 100, [(0.08, 0.07), (0.55, 0.53), (1.0, 0.98), (1.0, 0.98)]),
    ("image-noise:0.5", 1000, [(0.02, 0.01), (0.32, 0.30), (0.99, 0.96), (0.99, 0.95)]),
    ("image-noise:1", 1000, [(0.005, 0.005), (0.01, 0.01), (0.02, 0.02), (0.02, 0.02)]),
];

/// Similarities on digits of 28 x 28 pixels from a file.
pub(crate) fn digits(bench: &Bench<'_>, quick: bool) -> Result<Vec<Figure>> {
    let Some(path) = bench.data else { return Ok(Vec::new()) };
    let (rows, columns) = input::open(path)?.shared(&["patterns", "images"])?;
    // Bytes or shares: what is published counts in shares.
    let most = (*rows).as_ref().iter().copied().fold(0.0, f32::max);
    let rows: SharedRows = match most > 1.0 {
        true => Arc::new((*rows).as_ref().iter().map(|v| v / 255.0).collect::<Vec<f32>>()),
        false => rows,
    };
    let ensemble = Ensemble::of_rows("digits", rows, columns)?;
    let similarities = [Similarity::Dot, Similarity::Cosine, Similarity::L2, Similarity::L1];
    let mut figures = Vec::new();
    for (corruption, n, published) in DIGITS {
        // Which digits are stored matters more than which of them are asked for.
        let draws: u64 = match (n, quick) {
            (100, true) => 10,
            (100, false) => 50,
            (_, true) => 3,
            (_, false) => 10,
        };
        for (similarity, (by_distance, by_identity)) in similarities.into_iter().zip(published) {
            let memory = format!("universal:{}:max", similarity.name());
            let plan = Plan {
                ensemble: ensemble.clone(),
                corruptions: vec![corruption.parse()?],
                criteria: vec![Criterion::Ssd(50.0), Criterion::Identity],
                queries: n.min(if quick { 500 } else { 1000 }) as usize,
                seeds: (bench.seed..bench.seed + draws).collect(),
                ..plan(bench, &memory, columns, vec![n])?
            };
            let outcome = &outcomes(&plan)?[0];
            let setting = format!("digits, {corruption}, N {n}, {}", similarity.name());
            let margin = if n == 100 { 0.06 } else { 0.05 };
            for (points, metric, published) in [
                (&outcome.points[0], "squared distance at most 50", by_distance),
                (&outcome.points[1], "the very digit", by_identity),
            ] {
                figures.push(share("11", setting.clone(), metric, published, points[0].trials, margin));
            }
        }
        (bench.tell)();
    }
    Ok(figures)
}
