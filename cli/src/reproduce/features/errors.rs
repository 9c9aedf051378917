//! Errors of energies and gradients against the number of features, their dimension and `beta`.

use super::{
    Bench, Figure, PATTERNS, PLACES, QUERIES, binary, exact, features, mean, places,
    plots::{Measured, plots},
};
use crate::failure::Result;
use attractor::{
    Rows,
    ops::{FeatureMap, FeatureSpec},
};

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

/// Errors of energies and gradients, and dead queries, against the exact memory.
pub(crate) fn errors(bench: &Bench<'_>, quick: bool) -> Result<Vec<Figure>> {
    let (mut figures, mut measured) = (Vec::new(), Vec::new());
    let draws = if quick { 4 } else { 8 };
    for (at, (d, m, beta, published)) in ERRORS.into_iter().enumerate() {
        if quick && m > QUICK {
            continue;
        }
        let name = format!("errors d {d} m {m} beta {beta}, {draws} draws");
        let numbers = bench.numbers(&name, || {
            let part = 10_000 + 100 * at as u64;
            let drawn: Result<Vec<_>> =
                (0..draws).map(|draw| one_draw(bench, (d, m, beta), part + draw, draw)).collect();
            Ok(drawn?.into_iter().flatten().flatten().collect())
        })?;
        // By place and metric, one of each draw.
        let samples = |place: usize, metric: usize| -> Vec<f64> {
            numbers.chunks_exact(9).map(|draw| draw[3 * place + metric]).collect()
        };
        let of = |place: usize, metric: usize| mean_and_error(&samples(place, metric));
        measured.push(Measured { d, beta, m, errors: [0, 1, 2].map(|place| [of(place, 0), of(place, 1)]) });
        for (at, (place, published)) in PLACES.iter().zip(published).enumerate() {
            let setting = format!("d {d}, m {m}, beta {beta}, {place}");
            let metrics = ["mean error of the energy", "mean L2 error of the gradient", "dead"];
            for (number, (metric, published)) in metrics.into_iter().zip(published).enumerate() {
                let samples = samples(at, number);
                // Shares of dead queries are given where there are some.
                if metric != "dead" || published > 0.0 || samples.iter().any(|s| *s > 0.02) {
                    figures.push(Figure::of_samples("F3", setting.clone(), metric, published, &samples));
                }
            }
        }
        (bench.tell)();
    }
    plots(bench, &measured, PATTERNS)?;
    Ok(figures)
}

fn mean_and_error(samples: &[f64]) -> [f64; 2] {
    let n = samples.len() as f64;
    let mean = mean(samples.iter().copied());
    let variance = samples.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    [mean, (variance / n).sqrt()]
}

/// By place: the mean error of the energy, that of the gradient, and the share of dead queries, of one draw of patterns,
/// queries and frequencies.
fn one_draw(
    bench: &Bench<'_>,
    (d, m, beta): (usize, usize, f32),
    part: u64,
    draw: u64,
) -> Result<[[f64; 3]; 3]> {
    let mut random = bench.random(part);
    let patterns = binary(&mut random, PATTERNS, d);
    let rows = Rows::new(&patterns[..], d)?;
    let mut memory =
        features(bench, FeatureSpec::new(FeatureMap::SinCos, m, d, beta, bench.seed + draw), Vec::new())?;
    memory.absorb(&rows)?;
    let exact = exact(bench, &rows, beta)?;
    let mut all = [[0.0; 3]; 3];
    for (states, found) in places(&mut random, &patterns, d).into_iter().zip(&mut all) {
        let states = Rows::new(states, d)?;
        let (means, energies) = exact.step(&states)?;
        let (estimates, gradients) = memory.energy_and_gradient(&states)?;
        let off = energies.iter().zip(&estimates).map(|(a, b)| f64::from((a - b).abs()));
        let row = |i: usize| gap(states.row(i), means.row(i), gradients.row(i));
        let dead = |i: usize| f64::from(u8::from(gradients.row(i).iter().all(|g| *g == 0.0)));
        *found = [mean(off), mean((0..QUERIES).map(row)), mean((0..QUERIES).map(dead))];
    }
    Ok(all)
}

/// The error of the gradient at patterns against their number: its root where they are isolated, none where they are blended.
pub(crate) fn populations(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let (d, m) = (100, 200_000);
    let mut figures = Vec::new();
    for (beta, published) in [(50.0, [0.016, 0.031, 0.071]), (10.0, [0.015, 0.016, 0.017])] {
        for (k, published) in [50, 200, 1000].into_iter().zip(published) {
            let samples = bench.numbers(&format!("population {k} beta {beta}"), || {
                (0..4)
                    .map(|draw| {
                        let mut random = bench.random(50_000 + 10 * k as u64 + draw);
                        let patterns = Rows::new(binary(&mut random, k, d), d)?;
                        let spec = FeatureSpec::new(FeatureMap::SinCos, m, d, beta, bench.seed + draw);
                        let mut memory = features(bench, spec, Vec::new())?;
                        memory.absorb(&patterns)?;
                        let (means, _) = exact(bench, &patterns, beta)?.step(&patterns)?;
                        let (_, gradients) = memory.energy_and_gradient(&patterns)?;
                        Ok(mean((0..k).map(|i| gap(patterns.row(i), means.row(i), gradients.row(i)))))
                    })
                    .collect()
            })?;
            let setting = format!("d {d}, m {m}, beta {beta}, n {k}, at patterns");
            // Law L3: isolated patterns.
            let law = (d as f64 * k as f64 / (2.0 * f64::from(beta) * m as f64)).sqrt();
            let figure =
                Figure::of_samples("F5", setting, "mean L2 error of the gradient", published, &samples);
            figures.push(if beta == 50.0 { figure.with_formula(law) } else { figure });
        }
        (bench.tell)();
    }
    Ok(figures)
}

/// `|x - mean - gradient|`: how far an estimated gradient lies off the exact one.
fn gap(x: &[f32], mean: &[f32], gradient: &[f32]) -> f64 {
    let squares = x.iter().zip(mean).zip(gradient).map(|((x, y), g)| f64::from(x - y - g).powi(2));
    squares.sum::<f64>().sqrt()
}
