//! The plots of an experiment.

use super::{
    Experiment,
    chart::{Axis, COLOURS, Chart, Line, Look, Mark},
    record::rate,
    row_name,
};
use attractor::capacity::{Capacity, Outcome, Point, Series, nearest_law};

/// A plot with its file's name and the chapter that it belongs to.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) chapter: Chapter,
    pub(crate) svg: String,
}

/// Where a plot stands in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chapter {
    Success,
    Growth,
    Mixing,
    Cost,
}

/// Grey of what is no measurement.
const CEILING: &str = "#777777";

/// All plots that have something to show.
pub(crate) fn figures(experiment: &Experiment) -> attractor::Result<Vec<Figure>> {
    let mut all = Vec::new();
    let plan = &experiment.plan;
    let mut add = |name: String, chapter: Chapter, chart: Chart| {
        if !chart.is_empty() {
            let name = name.replace([':', ' ', '/'], "-");
            all.push(Figure { name, chapter, svg: chart.svg() });
        }
    };
    for corruption in &plan.corruptions {
        for (c, criterion) in plan.criteria.iter().enumerate() {
            for d in &plan.d {
                let of = |o: &&Outcome| o.series.d == *d && o.series.corruption == *corruption;
                let rows: Vec<&Outcome> = experiment.outcomes.iter().filter(of).collect();
                let name = format!("success-{criterion}-{corruption}-d{d}");
                add(name, Chapter::Success, success(experiment, &rows, c, *d)?);
            }
            if plan.d.len() > 1 {
                let name = format!("growth-{criterion}-{corruption}");
                add(name, Chapter::Growth, growth(experiment, c, *corruption));
            }
        }
        let Some(d) = plan.d.last() else { continue };
        let of = |o: &&Outcome| o.series.d == *d && o.series.corruption == *corruption;
        let rows: Vec<&Outcome> = experiment.outcomes.iter().filter(of).collect();
        let title = |what: &str| format!("{what}: {corruption}, d = {d}");
        let name = |what: &str| format!("{what}-{corruption}-d{d}");
        let mut chart = Chart::new(
            title("Patterns that share the weight"),
            Axis::log("stored patterns N"),
            Axis::log("participation 1/\u{3a3}p\u{b2} (patterns)"),
        );
        curves(experiment, &mut chart, &rows, Look::Line, |p| {
            let mixing = p.cell.mixing.as_ref().map(|m| m.participation);
            mixing.or(p.cell.participation)
        });
        add(name("participation"), Chapter::Mixing, chart);
        let mut chart = Chart::new(
            title("Length of the final state"),
            Axis::log("stored patterns N"),
            Axis::linear("|x| / |\u{3be}| (mean over queries)"),
        );
        curves(experiment, &mut chart, &rows, Look::Line, |p| p.cell.beta.map(|_| p.cell.length));
        add(name("length"), Chapter::Mixing, chart);
        let mut chart = Chart::new(
            title("Information per neuron"),
            Axis::log("stored patterns N"),
            Axis::log("bits per neuron (I / d)"),
        );
        curves(experiment, &mut chart, &rows, Look::Line, |p| Some(p.bits_per_neuron));
        add(name("bits-per-neuron"), Chapter::Cost, chart);
        let mut chart = Chart::new(
            title("Information per stored number"),
            Axis::log("stored patterns N"),
            Axis::linear("bits per parameter"),
        );
        curves(experiment, &mut chart, &rows, Look::Line, |p| Some(p.bits_per_parameter));
        add(name("bits-per-parameter"), Chapter::Cost, chart);
        let mut chart = Chart::new(
            title("Speed of recall"),
            Axis::log("stored patterns N"),
            Axis::log("queries per second"),
        );
        curves(experiment, &mut chart, &rows, Look::Line, rate);
        add(name("throughput"), Chapter::Cost, chart);
    }
    Ok(all)
}

/// The colour of a row: the same in every plot.
pub(crate) fn colour(experiment: &Experiment, series: &Series) -> &'static str {
    let mut names: Vec<String> = Vec::new();
    for outcome in &experiment.outcomes {
        let name = row_name(&outcome.series);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let at = names.iter().position(|n| *n == row_name(series)).unwrap_or(0);
    COLOURS[at % COLOURS.len()]
}

fn success(experiment: &Experiment, rows: &[&Outcome], c: usize, d: usize) -> attractor::Result<Chart> {
    let plan = &experiment.plan;
    let corruption = rows.first().map_or(plan.corruptions[0], |o| o.series.corruption);
    let title = format!("{}: {corruption}, d = {d}", plan.criteria[c]);
    let mut chart = Chart::new(
        title,
        Axis::log("stored patterns N"),
        Axis::linear("share of successes").within(0.0, 1.02),
    );
    chart.levels = vec![0.5, 0.95];
    let (mut least, mut most) = (u64::MAX, 2);
    for outcome in rows {
        let points = outcome.points.get(c).map_or(&[][..], Vec::as_slice);
        least = points.iter().fold(least, |m, p| m.min(p.n));
        most = points.iter().fold(most, |m, p| m.max(p.n));
        let mark = |p: &Point| {
            let (low, high) = p.trials.wilson();
            Mark::with(p.n as f64, p.trials.share(), low, high)
        };
        chart.lines.push(Line {
            name: row_name(&outcome.series),
            colour: colour(experiment, &outcome.series),
            look: Look::Band,
            marks: points.iter().map(mark).collect(),
        });
    }
    if let Some(law) = nearest_law(&plan.ensemble, corruption, d)? {
        let (low, high) = ((least as f64).ln(), (most as f64).ln());
        let marks = (0..=120).map(|i| (low + (high - low) * f64::from(i) / 120.0).exp());
        chart.lines.push(Line {
            name: "nearest pattern, exact law".to_owned(),
            colour: CEILING,
            look: Look::Theory,
            marks: marks.map(|n| Mark::at(n, law.success(n))).collect(),
        });
    }
    for summary in
        experiment.summaries.iter().filter(|s| s.criterion == c && s.series.corruption == corruption)
    {
        for law in summary.dims.iter().filter(|dim| dim.d == d).flat_map(|dim| &dim.laws) {
            if !law.ceiling && law.curve.is_none() && law.at.is_finite() {
                chart.verticals.push((law.at, colour(experiment, &summary.series)));
                chart.verticals_are = format!("predicted: {}", law.name);
            }
        }
    }
    Ok(chart)
}

fn growth(experiment: &Experiment, c: usize, corruption: attractor::capacity::Corruption) -> Chart {
    let plan = &experiment.plan;
    let title = format!("Capacity against dimension: {}, {corruption}", plan.criteria[c]);
    let mut chart = Chart::new(title, Axis::linear("dimension d"), Axis::log("N\u{2085}\u{2080} (patterns)"));
    let mut ceiling: Vec<Mark> = Vec::new();
    for summary in
        experiment.summaries.iter().filter(|s| s.criterion == c && s.series.corruption == corruption)
    {
        let colour = colour(experiment, &summary.series);
        let name = row_name(&summary.series);
        let mark = |dim: &attractor::capacity::AtDim| match dim.n50 {
            Some(Capacity::At { n, low, high }) => Some(Mark::with(dim.d as f64, n, low, high)),
            Some(Capacity::AtLeast(n)) => Some(Mark { at_least: true, ..Mark::at(dim.d as f64, n as f64) }),
            _ => None,
        };
        let marks = summary.dims.iter().filter_map(mark).collect();
        chart.lines.push(Line { name: name.clone(), colour, look: Look::Whiskers, marks });
        if let Ok(fit) = &summary.exponential {
            let ends = [summary.dims.first(), summary.dims.last()];
            let at = |d: f64| Mark::at(d, (fit.intercept + fit.slope * d).exp());
            chart.lines.push(Line {
                name: String::new(),
                colour,
                look: Look::Fit,
                marks: ends.into_iter().flatten().map(|dim| at(dim.d as f64)).collect(),
            });
        }
        let predicted = |dim: &attractor::capacity::AtDim| {
            let law = dim.laws.iter().find(|l| !l.ceiling)?;
            law.at.is_finite().then(|| (law.name, Mark::at(dim.d as f64, law.at)))
        };
        let laws: Vec<(&str, Mark)> = summary.dims.iter().filter_map(predicted).collect();
        if let Some((law, _)) = laws.first() {
            let name = format!("{law} (law)");
            chart.lines.push(Line {
                name,
                colour,
                look: Look::Theory,
                marks: laws.iter().map(|(_, m)| *m).collect(),
            });
        }
        if ceiling.is_empty() {
            ceiling = summary
                .dims
                .iter()
                .filter_map(|dim| {
                    let law = dim.laws.iter().find(|l| l.ceiling && l.at.is_finite())?;
                    Some(Mark::at(dim.d as f64, law.at))
                })
                .collect();
        }
    }
    let (name, colour) = ("nearest pattern, exact law".to_owned(), CEILING);
    chart.lines.push(Line { name, colour, look: Look::Theory, marks: ceiling });
    chart
}

/// A line for each row: what a point says, where it says something positive.
fn curves(
    experiment: &Experiment,
    chart: &mut Chart,
    rows: &[&Outcome],
    look: Look,
    value: impl Fn(&Point) -> Option<f64>,
) {
    for outcome in rows {
        let points = outcome.points.first().map_or(&[][..], Vec::as_slice);
        let mark = |p: &Point| {
            let v = value(p).filter(|v| v.is_finite() && (!chart.y.log || *v > 0.0))?;
            Some(Mark::at(p.n as f64, v))
        };
        let marks: Vec<Mark> = points.iter().filter_map(mark).collect();
        if !marks.is_empty() {
            let colour = colour(experiment, &outcome.series);
            chart.lines.push(Line { name: row_name(&outcome.series), colour, look, marks });
        }
    }
}
