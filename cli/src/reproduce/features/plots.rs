//! Errors against the number of features, measured and by theory.

use super::{Bench, PLACES, binary, places, theory::laws};
use crate::{
    chart::{Axis, COLOURS, Chart, Line, Look, Mark},
    failure::Result,
};
use attractor::{Rows, io::write_bytes};

/// Measured errors of one setting: of the energy and of the gradient, mean and standard error, by place.
pub(super) struct Measured {
    pub(super) d: usize,
    pub(super) beta: f32,
    pub(super) m: usize,
    pub(super) errors: [[[f64; 2]; 2]; 3],
}

/// A plot for each number of columns, `beta` and kind of error, into the folder for results.
pub(super) fn plots(bench: &Bench<'_>, measured: &[Measured], patterns: usize) -> Result<()> {
    let Some(out) = bench.out else { return Ok(()) };
    let mut settings: Vec<(usize, f32)> = measured.iter().map(|of| (of.d, of.beta)).collect();
    settings.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    settings.dedup();
    for (d, beta) in settings {
        let points: Vec<&Measured> = measured.iter().filter(|of| (of.d, of.beta) == (d, beta)).collect();
        let most = points.iter().map(|of| of.m).max().unwrap_or(1);
        let mut random = bench.random(60_000 + d as u64);
        let stored = binary(&mut random, patterns, d);
        let queries = places(&mut random, &stored, d);
        let stored = Rows::new(&stored[..], d)?;
        let mut theory = Vec::new();
        for queries in queries {
            theory.push(laws(&stored, &Rows::new(queries, d)?, f64::from(beta), most));
        }
        for (kind, name) in ["energy", "gradient"].into_iter().enumerate() {
            let title = format!("Error of the {name}: {patterns} random patterns, d = {d}, beta = {beta}");
            let y = if kind == 0 { "mean |E - exact E|" } else { "mean |gradient - exact gradient|" };
            let x = Axis::log("frequencies m").labelled(points.iter().map(|of| of.m as f64));
            let mut chart = Chart::new(title, x, Axis::log(y));
            let mut lines_of_theory: Vec<Line> = Vec::new();
            for (place, colour) in COLOURS.iter().enumerate().take(PLACES.len()) {
                let marks = points.iter().map(|of| {
                    let [mean, error] = of.errors[place][kind];
                    Mark::with(of.m as f64, mean, (mean - 2.0 * error).max(0.2 * mean), mean + 2.0 * error)
                });
                let line = Line {
                    name: PLACES[place].to_owned(),
                    colour,
                    look: Look::Whiskers,
                    shape: place,
                    marks: marks.collect(),
                };
                chart.lines.push(line);
                if let Some(factors) = theory[place] {
                    let law = |of: &&Measured| Mark::at(of.m as f64, factors[kind] / (of.m as f64).sqrt());
                    let name =
                        if place == 0 { "theory: variance of the map".to_owned() } else { String::new() };
                    let marks = points.iter().map(law).collect();
                    lines_of_theory.push(Line { name, colour, look: Look::Theory, shape: place, marks });
                }
            }
            chart.lines.extend(lines_of_theory);
            let file = format!("error-of-the-{name}-d{d}-beta{beta}.svg");
            write_bytes(out.folder.join(file), chart.svg().as_bytes())?;
        }
    }
    Ok(())
}
