//! The plots of an experiment.

use super::{Experiment, record::rate, row_name, text::symbols};
use crate::chart::{Axis, COLOURS, Chart, Line, Look, Mark};
use attractor::capacity::{
    AtDim, Capacity, Corruption, Criterion, Law, Model, Outcome, Point, Series, Summary, nearest_law,
};

/// A plot with its file's name and the chapter that it belongs to.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) chapter: Chapter,
    /// Whether it stands among the first, and not behind a fold.
    pub(crate) first: bool,
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
    let mut add_to = |name: String, chapter: Chapter, first: bool, chart: Chart| {
        if !chart.is_empty() {
            let name = name.replace([':', ' ', '/'], "-");
            all.push(Figure { name, chapter, first, svg: chart.svg() });
        }
    };
    for corruption in &plan.corruptions {
        for (c, criterion) in plan.criteria.iter().enumerate() {
            for d in &plan.d {
                let of = |o: &&Outcome| o.series.d == *d && o.series.corruption == *corruption;
                let rows: Vec<&Outcome> = experiment.outcomes.iter().filter(of).collect();
                let name = format!("success-{criterion}-{corruption}-d{d}");
                let chart = success(experiment, &rows, c, *d)?;
                add_to(name, Chapter::Success, Some(d) == plan.d.last(), chart);
            }
            if plan.d.len() > 1 {
                let name = format!("growth-{criterion}-{corruption}");
                add_to(name, Chapter::Growth, true, growth(experiment, c, *corruption));
            }
        }
        let Some(d) = plan.d.last() else { continue };
        let mut add = |name, chapter, chart| add_to(name, chapter, true, chart);
        let of = |o: &&Outcome| o.series.d == *d && o.series.corruption == *corruption;
        let rows: Vec<&Outcome> = experiment.outcomes.iter().filter(of).collect();
        let title = |what: &str| format!("{what}: {corruption}, d = {d}");
        let name = |what: &str| format!("{what}-{corruption}-d{d}");
        let mut chart = Chart::new(
            title("Patterns that share the weight"),
            Axis::log("stored patterns N"),
            Axis::log("participation 1/\u{3a3}p\u{b2} (patterns)"),
        );
        curves(experiment, &mut chart, &rows, |p| {
            let mixing = p.cell.mixing.as_ref().map(|m| m.participation);
            mixing.or(p.cell.participation)
        });
        add(name("participation"), Chapter::Mixing, chart);
        let mut chart = Chart::new(
            title("Length of the final state"),
            Axis::log("stored patterns N"),
            Axis::linear("|x| / |\u{3be}| (mean over queries)"),
        );
        curves(experiment, &mut chart, &rows, |p| p.cell.beta.map(|_| p.cell.length));
        add(name("length"), Chapter::Mixing, chart);
        let mut chart = Chart::new(
            title("Information per neuron"),
            Axis::log("stored patterns N"),
            Axis::log("bits per neuron (I / d)"),
        );
        curves(experiment, &mut chart, &rows, |p| Some(p.bits_per_neuron));
        add(name("bits-per-neuron"), Chapter::Cost, chart);
        let mut chart = Chart::new(
            title("Information per stored number"),
            Axis::log("stored patterns N"),
            Axis::linear("bits per parameter"),
        );
        curves(experiment, &mut chart, &rows, |p| Some(p.bits_per_parameter));
        add(name("bits-per-parameter"), Chapter::Cost, chart);
        let mut chart = Chart::new(
            title("Speed of recall"),
            Axis::log("stored patterns N"),
            Axis::log("queries per second"),
        );
        curves(experiment, &mut chart, &rows, rate);
        add(name("throughput"), Chapter::Cost, chart);
    }
    Ok(all)
}

/// The place of a row among the rows: the same colour and shape in every plot.
fn place(experiment: &Experiment, series: &Series) -> usize {
    let mut names: Vec<String> = Vec::new();
    for outcome in &experiment.outcomes {
        let name = row_name(&outcome.series);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.iter().position(|n| *n == row_name(series)).unwrap_or(0)
}

/// The colour of a row.
pub(crate) fn colour(experiment: &Experiment, series: &Series) -> &'static str {
    COLOURS[place(experiment, series) % COLOURS.len()]
}

/// A line of a row, in its colour and with its shape.
fn line(experiment: &Experiment, series: &Series, look: Look, marks: Vec<Mark>) -> Line {
    let (colour, place) = (colour(experiment, series), place(experiment, series));
    // When colours come round again, they come with other shapes.
    let shape = place + place / COLOURS.len();
    Line { name: symbols(&row_name(series)), colour, look, shape, marks }
}

/// The law that no memory exceeds.
fn ceiling(marks: Vec<Mark>) -> Line {
    let name = "nearest pattern, exact law".to_owned();
    Line { name, colour: CEILING, look: Look::Theory, shape: 0, marks }
}

/// Summaries without those that say the same again: the nearest pattern is right or wrong by any criterion.
pub(crate) fn shown(experiment: &Experiment) -> impl Iterator<Item = &Summary> {
    let main = main_criterion(experiment);
    let again = move |s: &Summary| matches!(s.series.model, Model::Nearest) && s.criterion != main;
    experiment.summaries.iter().filter(move |s| !again(s))
}

/// The criterion that the nearest pattern is shown by.
pub(crate) fn main_criterion(experiment: &Experiment) -> usize {
    experiment.plan.criteria.iter().position(|c| *c == Criterion::Identity).unwrap_or(0)
}

fn success(experiment: &Experiment, rows: &[&Outcome], c: usize, d: usize) -> attractor::Result<Chart> {
    let plan = &experiment.plan;
    let corruption = rows.first().map_or(plan.corruptions[0], |o| o.series.corruption);
    let mut chart = Chart::new(
        format!("{}: {corruption}, d = {d}", plan.criteria[c]),
        Axis::log("stored patterns N"),
        Axis::linear("share of successes").within(0.0, 1.02),
    );
    chart.levels = vec![0.5, 0.95];
    let (mut least, mut most) = (u64::MAX, 2);
    let main = c == main_criterion(experiment);
    for outcome in rows.iter().filter(|o| main || !matches!(o.series.model, Model::Nearest)) {
        let points = outcome.points.get(c).map_or(&[][..], Vec::as_slice);
        least = points.iter().fold(least, |m, p| m.min(p.n));
        most = points.iter().fold(most, |m, p| m.max(p.n));
        let mark = |p: &Point| {
            let (low, high) = p.banks().interval();
            Mark::with(p.n as f64, p.trials.share(), low, high)
        };
        let marks = points.iter().map(mark).collect();
        chart.lines.push(line(experiment, &outcome.series, Look::Band, marks));
    }
    if let Some(law) = nearest_law(&plan.ensemble, corruption, d)? {
        let (low, high) = ((least as f64).ln(), (most as f64).ln());
        let n = (0..=120).map(|i| (low + (high - low) * f64::from(i) / 120.0).exp());
        chart.lines.push(ceiling(n.map(|n| Mark::at(n, law.success(n))).collect()));
    }
    for summary in shown(experiment).filter(|s| s.criterion == c && s.series.corruption == corruption) {
        for law in summary.dims.iter().filter(|dim| dim.d == d).flat_map(|dim| &dim.laws) {
            if !law.ceiling && law.curve.is_none() && law.at.is_finite() {
                chart.verticals.push((law.at, colour(experiment, &summary.series)));
                chart.verticals_are = format!("predicted: {}", law.name);
            }
        }
    }
    Ok(chart)
}

fn growth(experiment: &Experiment, c: usize, corruption: Corruption) -> Chart {
    let plan = &experiment.plan;
    let title = format!("Capacity against dimension: {}, {corruption}", plan.criteria[c]);
    let dimension = Axis::linear("dimension d").labelled(plan.d.iter().map(|d| *d as f64));
    let mut chart = Chart::new(title, dimension, Axis::log("N\u{2085}\u{2080} (patterns)"));
    let (mut best, mut fitted, mut named) = (Vec::new(), false, Vec::new());
    for summary in shown(experiment).filter(|s| s.criterion == c && s.series.corruption == corruption) {
        let measured = |dim: &AtDim| match dim.n50 {
            // An interval that the grid does not close ends with the grid.
            Some(Capacity::At { n, low, high }) => {
                let ends = [plan.n[0], plan.n[plan.n.len() - 1]].map(|n| n as f64);
                Some(Mark::with(dim.d as f64, n, low.max(ends[0]), high.min(ends[1])))
            }
            Some(Capacity::AtLeast(n)) => Some(Mark { at_least: true, ..Mark::at(dim.d as f64, n as f64) }),
            _ => None,
        };
        let marks = summary.dims.iter().filter_map(measured).collect();
        let row = line(experiment, &summary.series, Look::Whiskers, marks);
        if let Ok(fit) = &summary.exponential {
            let ends = [summary.dims.first(), summary.dims.last()];
            let at = |d: f64| Mark::at(d, (fit.intercept + fit.slope * d).exp());
            let marks = ends.into_iter().flatten().map(|dim| at(dim.d as f64)).collect();
            // One entry of the legend for all of them.
            let name = if fitted { "" } else { "least squares, ln N\u{2085}\u{2080} on d" };
            chart.lines.push(Line { name: name.to_owned(), look: Look::Fit, marks, ..row.clone() });
            fitted = true;
        }
        let by_law = |nearest: bool| {
            let of = move |l: &&Law| l.curve.is_some() == nearest && l.at.is_finite();
            let at =
                move |dim: &AtDim| dim.laws.iter().find(of).map(|l| (l.name, Mark::at(dim.d as f64, l.at)));
            summary.dims.iter().filter_map(at).collect::<Vec<_>>()
        };
        let predicted = by_law(false);
        if let Some((law, _)) = predicted.first() {
            let name = if named.contains(law) { String::new() } else { format!("{law}, law") };
            named.push(law);
            let marks = predicted.iter().map(|(_, m)| *m).collect();
            chart.lines.push(Line { name, look: Look::Theory, marks, ..row.clone() });
        }
        if best.is_empty() {
            best = by_law(true).into_iter().map(|(_, m)| m).collect();
        }
        chart.lines.push(row);
    }
    chart.lines.push(ceiling(best));
    chart
}

/// A line for each row: what a point says, where it says something that the axis can show.
fn curves(
    experiment: &Experiment,
    chart: &mut Chart,
    rows: &[&Outcome],
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
            chart.lines.push(line(experiment, &outcome.series, Look::Line, marks));
        }
    }
}
