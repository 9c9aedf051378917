//! What separation does to the gaps between patterns: metastable states, reach of linear maps, losses, and noise.

use super::{super::Bench, Figure, UNPUBLISHED, adam, error, identity, mean, memory, sphere, trained};
use crate::{
    chart::{Axis, COLOURS, Chart, Line, Look, Mark},
    failure::Result,
};
use attractor::{
    Rows,
    io::write_bytes,
    memory::{LinearMap, Memory, RecallOptions, SeparationSettings, separate_memories},
    ops::Separation,
};

/// Draws of the ten memories.
const DRAWS: u64 = 60;
/// From this weight on a recall is that of a single pattern.
const SINGLE: f32 = 0.99;

/// Share of recalls of the patterns that end at a single one: ten memories in five dimensions, softmax, twenty updates.
pub(crate) fn metastable(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let published = [(8.0, 0.093, 0.854), (16.0, 0.536, 0.987), (32.0, 0.848, 1.0)];
    let mut shares = [const { [Vec::new(), Vec::new()] }; 3];
    let mut gaps = [Vec::new(), Vec::new()];
    for draw in 0..DRAWS {
        let mut random = bench.random(50_000 + draw);
        let patterns = sphere(&mut random, 10, 5)?;
        let (map, report) = trained(&patterns, &adam(0.1, 0.02, 400), bench.seed + draw)?;
        gaps[0].push(report.gaps[0]);
        gaps[1].push(report.gap());
        for ((beta, ..), shares) in published.iter().zip(&mut shares) {
            for (map, shares) in [identity(5)?, map.clone()].iter().zip(shares) {
                let memory = memory(bench, &patterns, map, Separation::Softmax, *beta, false)?;
                let options = RecallOptions { steps: 20, top_k: Some(1), ..RecallOptions::default() };
                let weights = memory.recall_with(&patterns, &options)?.weights;
                let single = weights.iter().filter(|w| **w >= SINGLE).count();
                shares.push(single as f64 / weights.len() as f64);
            }
        }
    }
    (bench.tell)();
    let setting = |beta: Option<f32>, learned: bool| {
        let of_beta = beta.map_or(String::new(), |b| format!(", beta {b}"));
        format!("n 10, d D 5{of_beta}, {}", if learned { "learned" } else { "as they are (cosine)" })
    };
    let mut figures = Vec::new();
    for ((beta, raw, learned), shares) in published.into_iter().zip(&shares) {
        for (i, published) in [raw, learned].into_iter().enumerate() {
            let setting = setting(Some(beta), i == 1);
            let metric = "recalls with 99 % of one pattern";
            figures.push(Figure::of_samples("metastable", setting, metric, published, &shares[i]));
        }
    }
    for (i, published) in [0.142, 0.584].into_iter().enumerate() {
        figures.push(Figure::of_samples(
            "metastable",
            setting(None, i == 1),
            "smallest gap",
            published,
            &gaps[i],
        ));
    }
    Ok(figures)
}

/// The best gap of eight patterns in three features, by how many columns they have; 0.738796 is the best of any eight points.
pub(crate) fn reach(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let published =
        [(3, 0.304), (4, 0.574), (5, 0.625), (6, 0.709), (7, 0.738776), (8, 0.738776), (64, 0.738776)];
    let mut figures = Vec::new();
    for (d, published) in published {
        let gaps = bench.numbers(&format!("reach d {d}"), || {
            let one = |draw: u64| {
                let patterns = sphere(&mut bench.random(51_000 + 100 * d as u64 + draw), 8, d)?;
                let mut map = LinearMap::random(d, 3, false, bench.seed + draw)?;
                let settings =
                    SeparationSettings { iterations: 150, starts: 4, ..SeparationSettings::default() };
                Ok(separate_memories(&patterns, &mut map, &settings, None)?.gap())
            };
            (0..6).map(one).collect()
        })?;
        let setting = format!("n 8, D 3, d {d}");
        figures.push(Figure::of_samples("reach", setting, "best gap", published, &gaps));
        (bench.tell)();
    }
    Ok(figures)
}

/// The pair loss by iteration: Gaussian patterns in 64 dimensions, Adam.
pub(crate) fn losses(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let published = [
        (100, &[(0, 1.509), (1, 0.981), (5, 0.596), (20, 0.338), (100, 0.178)][..], [0.452, 0.834]),
        (200, &[(0, 1.438), (100, 0.468)], [0.415, 0.705]),
    ];
    let mut figures = Vec::new();
    let loss = Axis::linear("pair loss at tau 0.1");
    let mut chart = Chart::new("Separation training", Axis::linear("iteration of Adam"), loss);
    for (n, published, of_gaps) in published {
        let (mut traces, mut gaps) = (Vec::new(), [Vec::new(), Vec::new()]);
        for draw in 0..5 {
            let values = super::normals(&mut bench.random(52_000 + n as u64 + draw), n * 64);
            let (_, report) = trained(&Rows::new(values, 64)?, &adam(0.1, 0.05, 100), bench.seed + draw)?;
            gaps[0].push(report.gaps[1]);
            gaps[1].push(report.gap());
            traces.extend(report.stages.into_iter().next().map(|s| s.trace));
        }
        let at = |i: usize| -> Vec<f64> { traces.iter().filter_map(|t| t.get(i).copied()).collect() };
        for (iteration, published) in published {
            let setting = format!("n {n}, d D 64, tau 0.1, iteration {iteration}");
            figures.push(Figure::of_samples("loss", setting, "pair loss", *published, &at(*iteration)));
        }
        for (i, published) in of_gaps.into_iter().enumerate() {
            let setting = format!("n {n}, d D 64, tau 0.1, {}", ["random map", "learned"][i]);
            figures.push(Figure::of_samples("loss", setting, "smallest gap", published, &gaps[i]));
        }
        chart.lines.push(Line {
            name: format!("{n} patterns"),
            colour: COLOURS[chart.lines.len() % COLOURS.len()],
            look: Look::Line,
            shape: 0,
            marks: (0..=100).step_by(4).map(|i| Mark::at(f64::from(i), mean(&at(i as usize)))).collect(),
        });
        (bench.tell)();
    }
    if let Some(out) = bench.out {
        write_bytes(out.folder.join("loss.svg"), chart.svg().as_bytes())?;
    }
    Ok(figures)
}

/// Nearest-pattern accuracy under isotropic noise, as they are and learned; then with the remedies.
pub(crate) fn robustness(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let published = [(10, 5, 0.5, 0.918, 0.702), (16, 16, 1.0, 0.948, 0.520), (64, 16, 1.0, 0.863, 0.712)];
    let mut figures = Vec::new();
    for (at, (n, d, sigma, raw, learned)) in published.into_iter().enumerate() {
        let capped = SeparationSettings { condition: Some(10.0), ..adam(0.1, 0.02, 400) };
        let noisy =
            SeparationSettings { noise: Some(f64::from(sigma) / (d as f64).sqrt()), ..adam(0.1, 0.02, 200) };
        let best = SeparationSettings { iterations: 200, starts: 1, ..SeparationSettings::default() };
        let names = [
            "as they are (cosine)",
            "learned",
            "learned, tau to 1e-4",
            "condition at most 10",
            "trained with noise",
        ];
        let mut shares = [const { Vec::new() }; 5];
        for draw in 0..12 {
            let mut random = bench.random(53_000 + 100 * at as u64 + draw);
            let patterns = sphere(&mut random, n, d)?;
            let maps = [
                identity(d)?,
                trained(&patterns, &adam(0.1, 0.02, 400), bench.seed + draw)?.0,
                trained(&patterns, &best, bench.seed + draw)?.0,
                trained(&patterns, &capped, bench.seed + draw)?.0,
                trained(&patterns, &noisy, bench.seed + draw)?.0,
            ];
            // The noise is that long as a whole, about.
            let each = sigma / (d as f32).sqrt();
            let copies = 400_usize.div_ceil(n);
            let noise = super::normals(&mut random, copies * n * d);
            let queries: Vec<f32> =
                noise.iter().enumerate().map(|(i, v)| patterns.as_slice()[i % (n * d)] + each * v).collect();
            let queries = Rows::new(queries, d)?;
            for (map, shares) in maps.iter().zip(&mut shares) {
                let memory = memory(bench, &patterns, map, Separation::Softmax, 16.0, true)?;
                let look = RecallOptions { steps: 0, top_k: Some(1), ..RecallOptions::default() };
                let recall = memory.recall_with(&queries, &look)?;
                let right = recall.indices.iter().enumerate().filter(|(i, k)| **k as usize == i % n).count();
                shares.push(right as f64 / queries.rows() as f64);
            }
        }
        let published = [raw, UNPUBLISHED, learned, UNPUBLISHED, UNPUBLISHED];
        for ((name, published), shares) in names.into_iter().zip(published).zip(&shares) {
            let setting = format!("n {n}, d D {d}, noise {sigma}, {name}");
            let metric = "queries nearest to their pattern";
            figures.push(Figure::of_samples("noise", setting, metric, published, shares));
        }
        (bench.tell)();
    }
    Ok(figures)
}

/// The standard error of samples, for charts.
pub(super) fn point(x: f64, samples: &[f64]) -> [f64; 3] {
    [x, mean(samples), error(samples)]
}
