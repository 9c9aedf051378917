//! The sweeps as a drawing: time on log axes, with the roofline.

use crate::{
    Measured,
    job::Axis,
    report,
    sweep::{Sweep, TOLERANCE},
    text::{decade, grouped},
};
use std::fmt::Write;

const WIDTH: f64 = 1230.0;
const HEIGHT: f64 = 500.0;
/// A panel's inside.
const PANEL: [f64; 2] = [315.0, 310.0];
const LEFT: f64 = 85.0;
const TOP: f64 = 95.0;
/// From one panel's left side to the next's.
const STRIDE: f64 = 395.0;
const COLOURS: [&str; 2] = ["#1a5fb4", "#b5500b"];
const STEPS: usize = 120;

/// A logarithmic scale onto pixels.
#[derive(Clone, Copy)]
struct Scale {
    from: f64,
    to: f64,
    start: f64,
    length: f64,
}

impl Scale {
    fn at(self, value: f64) -> f64 {
        self.start + self.length * (value / self.from).ln() / (self.to / self.from).ln()
    }
}

/// The drawing, as the text of an SVG file.
pub(crate) fn svg(measured: &Measured) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = draw(&mut out, measured);
    out
}

fn draw(out: &mut String, measured: &Measured) -> std::fmt::Result {
    writeln!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#222">
<title>Time of one softmax step against patterns, queries and columns</title>
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<text x="20" y="30" font-size="18" font-weight="bold">Time of one softmax step</text>
<text x="20" y="52">{}</text>"##,
        escaped(&report::machine(measured))
    )?;
    let seconds = seconds(measured);
    let axes = [(Axis::Patterns, "patterns n"), (Axis::Queries, "queries b"), (Axis::Columns, "columns d")];
    for (i, (axis, name)) in axes.into_iter().enumerate() {
        let sweeps: Vec<&Sweep> = measured.sweeps.iter().filter(|sweep| sweep.axis == axis).collect();
        let left = LEFT + STRIDE * i as f64;
        let y = Scale { start: TOP + PANEL[1], length: -PANEL[1], ..seconds };
        if let Some(x) = sizes(&sweeps, left) {
            panel(out, i, name, &sweeps, measured, (x, y))?;
        }
    }
    key(out)?;
    writeln!(out, "</svg>")
}

/// Whole decades around all times, the same for all panels.
fn seconds(measured: &Measured) -> Scale {
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    for (job, seconds) in measured.sweeps.iter().flat_map(|sweep| &sweep.points) {
        least = least.min(seconds.min).min(job.least_seconds(measured.limits));
        most = most.max(seconds.max);
    }
    let decades = |bound: f64| 10_f64.powf(bound);
    Scale { from: decades(least.log10().floor()), to: decades(most.log10().ceil()), start: 0.0, length: 0.0 }
}

/// The sizes of some sweeps, with a little room at both ends.
fn sizes(sweeps: &[&Sweep], left: f64) -> Option<Scale> {
    let all = || sweeps.iter().flat_map(|s| s.points.iter().map(|(job, _)| s.axis.of(*job) as f64));
    let (least, most) = (all().reduce(f64::min)?, all().reduce(f64::max)?);
    let room = (most / least).max(2.0).powf(0.05);
    Some(Scale { from: least / room, to: most * room, start: left, length: PANEL[0] })
}

fn panel(
    out: &mut String,
    number: usize,
    name: &str,
    sweeps: &[&Sweep],
    measured: &Measured,
    (x, y): (Scale, Scale),
) -> std::fmt::Result {
    let (left, right, bottom) = (x.start, x.start + PANEL[0], TOP + PANEL[1]);
    let [width, height] = PANEL;
    writeln!(
        out,
        r#"<clipPath id="inside{number}"><rect x="{left}" y="{TOP}" width="{width}" height="{height}"/></clipPath>"#
    )?;
    grid(out, sweeps, (x, y))?;
    writeln!(out, r#"<g clip-path="url(#inside{number})">"#)?;
    for (sweep, colour) in sweeps.iter().zip(COLOURS) {
        band(out, sweep, colour, (x, y))?;
    }
    for (sweep, colour) in sweeps.iter().zip(COLOURS) {
        roofline(out, sweep, colour, measured, (x, y))?;
        points(out, sweep, colour, (x, y))?;
    }
    writeln!(out, "</g>")?;
    writeln!(
        out,
        r##"<rect x="{left}" y="{TOP}" width="{width}" height="{height}" fill="none" stroke="#666"/>"##
    )?;
    let middle = f64::midpoint(left, right);
    writeln!(out, r#"<text x="{middle}" y="{}" text-anchor="middle">{name}</text>"#, bottom + 42.0)?;
    for (i, (sweep, colour)) in sweeps.iter().zip(COLOURS).enumerate() {
        let text = sweep.axis.rest(sweep.reference().0);
        let line = TOP + 20.0 + 18.0 * i as f64;
        writeln!(
            out,
            r#"<text x="{}" y="{line}" fill="{colour}" font-weight="bold">{text}</text>"#,
            left + 10.0
        )?;
    }
    Ok(())
}

/// Lines and numbers of both axes: decades of seconds; the sizes that were timed, of which
/// round ones, or all that have room, get their numbers.
fn grid(out: &mut String, sweeps: &[&Sweep], (x, y): (Scale, Scale)) -> std::fmt::Result {
    let (left, right, bottom) = (x.start, x.start + PANEL[0], TOP + PANEL[1]);
    let powers = y.from.log10().round() as i32..=y.to.log10().round() as i32;
    for power in powers {
        let at = y.at(10_f64.powi(power));
        writeln!(out, r##"<path d="M{left:.1} {at:.1}H{right:.1}" stroke="#ddd"/>"##)?;
        let (x, y, text) = (left - 8.0, at + 4.0, decade(power));
        writeln!(out, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="end">{text}</text>"#)?;
    }
    let widest = sweeps.iter().max_by_key(|sweep| sweep.points.len());
    let sizes: Vec<usize> =
        widest.iter().flat_map(|s| s.points.iter().map(|(job, _)| s.axis.of(*job))).collect();
    let round = |size: usize| size == 10_usize.pow(size.max(1).ilog10());
    let only_round = sizes.iter().filter(|size| round(**size)).count() > 2;
    // From the right: the largest has its number in any case.
    let mut free = f64::INFINITY;
    for size in sizes.into_iter().rev() {
        let (at, text) = (x.at(size as f64), grouped(size));
        writeln!(out, r##"<path d="M{at:.1} {TOP}V{bottom}" stroke="#eee"/>"##)?;
        let half = 3.7 * text.len() as f64;
        if at + half < free && (round(size) || !only_round) {
            writeln!(out, r#"<text x="{at:.1}" y="{}" text-anchor="middle">{text}</text>"#, bottom + 19.0)?;
            free = at - half - 6.0;
        }
    }
    Ok(())
}

/// Where a cost in proportion to the reference's lies, give or take the tolerance.
fn band(out: &mut String, sweep: &Sweep, colour: &str, (x, y): (Scale, Scale)) -> std::fmt::Result {
    let (job, seconds) = sweep.reference();
    let per_unit = seconds.median / sweep.axis.of(job) as f64;
    let at = |size: f64, factor: f64| format!("{:.1} {:.1}", x.at(size), y.at(size * per_unit * factor));
    let corners = [
        at(x.from, 1.0 + TOLERANCE),
        at(x.to, 1.0 + TOLERANCE),
        at(x.to, 1.0 - TOLERANCE),
        at(x.from, 1.0 - TOLERANCE),
    ];
    writeln!(out, r#"<path d="M{}Z" fill="{colour}" fill-opacity="0.16"/>"#, corners.join("L"))
}

fn roofline(
    out: &mut String,
    sweep: &Sweep,
    colour: &str,
    measured: &Measured,
    (x, y): (Scale, Scale),
) -> std::fmt::Result {
    let job = sweep.reference().0;
    let steps = (0..=STEPS).map(|i| x.from * (x.to / x.from).powf(i as f64 / STEPS as f64));
    // Sizes are whole; the line between two of them is not seen.
    let corners = steps.filter(|size| *size >= 1.0).map(|size| {
        let least = sweep.axis.with(job, size.round() as usize).least_seconds(measured.limits);
        format!("{:.1} {:.1}", x.at(size.round()), y.at(least))
    });
    let path = corners.collect::<Vec<_>>().join("L");
    writeln!(
        out,
        r#"<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5" stroke-dasharray="6 4"/>"#
    )
}

/// Medians, with bars from the fastest to the slowest.
fn points(out: &mut String, sweep: &Sweep, colour: &str, (x, y): (Scale, Scale)) -> std::fmt::Result {
    for (job, seconds) in &sweep.points {
        let at = x.at(sweep.axis.of(*job) as f64);
        let [min, max, median] = [seconds.min, seconds.max, seconds.median].map(|s| y.at(s));
        writeln!(out, r#"<path d="M{at:.1} {min:.1}V{max:.1}" stroke="{colour}" stroke-width="1.5"/>"#)?;
        writeln!(out, r#"<circle cx="{at:.1}" cy="{median:.1}" r="4" fill="{colour}"/>"#)?;
    }
    Ok(())
}

/// What the signs mean.
fn key(out: &mut String) -> std::fmt::Result {
    let y = HEIGHT - 24.0;
    writeln!(
        out,
        r##"<g transform="translate({LEFT} {y})">
<path d="M6 -12V4" stroke="#444" stroke-width="1.5"/><circle cx="6" cy="-4" r="4" fill="#444"/>
<text x="20">median, fastest to slowest</text>
<path d="M225 -4H265" stroke="#444" stroke-width="1.5" stroke-dasharray="6 4"/>
<text x="273">the machine's limit (read bandwidth or multiply-add peak)</text>
<rect x="700" y="-11" width="34" height="14" fill="#444" fill-opacity="0.16"/>
<text x="742">in proportion within {:.0} %</text>
</g>"##,
        100.0 * TOLERANCE
    )
}

/// Text within an XML element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
