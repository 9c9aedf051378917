//! Which states of the plane end at a pattern, and pictures of it.

use super::{super::Bench, Figure, adam, identity, memory, sphere, trained, unit};
use crate::{
    chart::{Map, maps},
    failure::Result,
};
use attractor::{
    Rows,
    io::write_bytes,
    memory::{KernelizedMemory, LinearMap, Memory, RecallOptions},
    ops::Separation,
};

/// Cells of a side of the grid.
const SIDE: usize = 100;
/// How far the grid goes from the origin.
const REACH: f32 = 1.1;
const BETA: f32 = 20.0;
/// What pictures are drawn with: softmax never ends within 1e-3 of patterns that lie near to each other.
const DRAWN: Separation = Separation::Entmax(1.5);
const SEPARATIONS: [(Separation, &str); 3] = [
    (Separation::Softmax, "softmax"),
    (Separation::Entmax(1.5), "1.5-entmax"),
    (Separation::Entmax(2.0), "sparsemax"),
];

fn grid(side: usize, reach: f32) -> Result<Rows<'static>> {
    let at = |i: usize| reach * (2.0 * i as f32 / (side - 1) as f32 - 1.0);
    let values: Vec<f32> = (0..side * side).flat_map(|i| [at(i % side), at(i / side)]).collect();
    Ok(Rows::new(values, 2)?)
}

/// The pattern within 1e-3 of which each state of a grid is after five updates.
fn captured(memory: &KernelizedMemory, patterns: &Rows<'_>, states: &Rows<'_>) -> Result<Vec<Option<usize>>> {
    let options =
        RecallOptions { steps: 5, tolerance: Some(0.0), top_k: Some(1), ..RecallOptions::default() };
    let ends = memory.recall_with(states, &options)?.states;
    let near =
        |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f32>().sqrt() <= 1e-3;
    Ok(ends.iter().map(|x| patterns.iter().position(|y| near(x, y))).collect())
}

/// Shares of the plane that end at a pattern: regular polygons, and five random points.
pub(crate) fn basins(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let published = [(5, [0.9996, 1.0, 1.0]), (8, [0.0, 0.9976, 1.0]), (12, [0.0, 0.8984, 0.9728])];
    let (states, map) = (grid(SIDE, REACH)?, identity(2)?);
    let share = |patterns: &Rows<'_>, separation| -> Result<f64> {
        let memory = memory(bench, patterns, &map, separation, BETA, false)?;
        let captured = captured(&memory, patterns, &states)?;
        Ok(captured.iter().flatten().count() as f64 / captured.len() as f64)
    };
    let mut figures = Vec::new();
    for (n, published) in published {
        let angle = |i: usize| std::f32::consts::TAU * i as f32 / n as f32;
        let corners = unit((0..n).flat_map(|i| [angle(i).cos(), angle(i).sin()]).collect(), 2)?;
        for ((separation, name), published) in SEPARATIONS.into_iter().zip(published) {
            let got = share(&corners, separation)?;
            figures.push(Figure {
                id: "basins",
                setting: format!("regular {n}-gon, beta 20, {name}"),
                metric: "states that end at a pattern",
                published,
                got,
                // Grids differ by what lies on the borders.
                error: 0.01,
                error_published: 0.0,
                formula: None,
            });
        }
        (bench.tell)();
    }
    let mut shares = [const { Vec::new() }; 3];
    for draw in 0..20 {
        let patterns = sphere(&mut bench.random(54_000 + draw), 5, 2)?;
        for ((separation, _), shares) in SEPARATIONS.into_iter().zip(&mut shares) {
            shares.push(share(&patterns, separation)?);
        }
    }
    for (((_, name), published), shares) in SEPARATIONS.iter().zip([0.329, 0.679, 0.763]).zip(&shares) {
        let setting = format!("five random points, beta 20, {name}");
        figures.push(Figure::of_samples(
            "basins",
            setting,
            "states that end at a pattern",
            published,
            shares,
        ));
    }
    (bench.tell)();
    Ok(figures)
}

/// Energy landscapes and basins of four random points of the plane, before separation and after a few updates and many.
pub(crate) fn pictures(bench: &Bench<'_>) -> Result<Vec<Figure>> {
    let Some(out) = bench.out else {
        (bench.tell)();
        return Ok(Vec::new());
    };
    let patterns = sphere(&mut bench.random(55_001), 4, 2)?;
    let states = grid(SIDE, 1.5)?;
    let (mut energies, mut ends) = (Vec::new(), Vec::new());
    for (iterations, name) in
        [(0, "before"), (2, "2 iterations"), (5, "5 iterations"), (400, "400 iterations")]
    {
        let map: LinearMap = match iterations {
            0 => identity(2)?,
            n => trained(&patterns, &adam(0.1, 0.1, n), bench.seed + 1)?.0,
        };
        // The landscape is drawn among features, where the patterns have been moved; with unit features they lie on the circle.
        let memory = memory(bench, &patterns, &map, DRAWN, BETA, true)?;
        let features: Vec<f32> = memory.features()?.into_iter().map(|v| v as f32).collect();
        let keys = Rows::new(features, 2)?;
        let among = memory_of(bench, &keys)?;
        let energy = among.energy(&states)?;
        let (least, most) = energy.iter().fold((f32::MAX, f32::MIN), |(a, b), e| (a.min(*e), b.max(*e)));
        let marks: Vec<[f64; 2]> = keys.iter().map(|k| [f64::from(k[0]), f64::from(k[1])]).collect();
        // Wells are narrow: the root shows them.
        let share = |e: &f32| f64::from((e - least) / (most - least).max(f32::MIN_POSITIVE)).sqrt();
        let panel = |title: String, values: Vec<f64>, classes: bool| Map {
            title,
            side: SIDE,
            reach: 1.5,
            values,
            marks: marks.clone(),
            classes,
        };
        energies.push(panel(format!("energy, {name}"), energy.iter().map(share).collect(), false));
        let captured = captured(&among, &keys, &states)?;
        let held = captured.iter().flatten().count() as f64 / captured.len() as f64;
        let values = captured.iter().map(|c| c.map_or(-1.0, |k| k as f64 / 7.0)).collect();
        ends.push(panel(format!("basins, {name}: {:.0} %", 100.0 * held), values, true));
    }
    energies.extend(ends);
    write_bytes(out.folder.join("landscapes.svg"), maps(&energies, 4).as_bytes())?;
    (bench.tell)();
    Ok(Vec::new())
}

/// A memory of points of the plane as they are.
fn memory_of(bench: &Bench<'_>, keys: &Rows<'_>) -> Result<KernelizedMemory> {
    memory(bench, keys, &identity(2)?, DRAWN, BETA, false)
}
