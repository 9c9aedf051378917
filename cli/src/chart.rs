//! Charts as SVG: lines over an axis with their errors, and maps in bands of colour, several panels side by side.

use std::fmt::Write;

/// Size of a panel, and the room round it.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 64.0;
const RIGHT: f64 = 16.0;
/// Height of a row of a legend.
const ROW: f64 = 18.0;
/// Colours that are told apart without red and green (Okabe and Ito).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444"];

/// A line of a chart.
pub(crate) struct Series {
    pub(crate) name: String,
    /// Place, value, and its standard error.
    pub(crate) points: Vec<[f64; 3]>,
    pub(crate) dashed: bool,
}

/// A panel with an axis of places and one of values.
pub(crate) struct Lines {
    pub(crate) title: String,
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    /// Whether places are shown by their logarithms.
    pub(crate) log_x: bool,
    pub(crate) series: Vec<Series>,
}

/// A panel of a square from `-reach` to `reach` with a value in each cell, from the lower left on, row after row.
pub(crate) struct Map {
    pub(crate) title: String,
    pub(crate) side: usize,
    pub(crate) reach: f64,
    /// From 0 to 1.
    pub(crate) values: Vec<f64>,
    /// Points with a ring.
    pub(crate) marks: Vec<[f64; 2]>,
    /// Whether values are the numbers of points over the number of colours, and below 0 where there is none.
    pub(crate) classes: bool,
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn text(svg: &mut String, at: [f64; 2], anchor: &str, size: u32, words: &str) {
    let (x, y) = (at[0], at[1]);
    // A String takes whatever is written to it.
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{}</text>",
        escaped(words)
    );
}

fn page(width: f64, height: f64, inside: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n{inside}</svg>\n"
    )
}

/// Round steps that cut a range into about five parts.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let raw = (high - low) / 7.0;
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= raw).unwrap_or(raw);
    let first = (low / step).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

fn short(v: f64) -> String {
    if v != 0.0 && (v.abs() < 1e-3 || v.abs() >= 1e5) {
        return format!("{v:.0e}");
    }
    let words = format!("{v:.3}");
    words.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Panels of lines side by side, with one legend below for all of them: that of the first.
pub(crate) fn lines(panels: &[Lines]) -> String {
    let legend = panels.first().map_or(0, |p| p.series.len());
    let across = LEFT + WIDTH + RIGHT;
    let columns = 3;
    let height = TOP + HEIGHT + BOTTOM + ROW * legend.div_ceil(columns) as f64 + 8.0;
    let mut svg = String::new();
    for (number, panel) in panels.iter().enumerate() {
        panel.draw(&mut svg, number as f64 * across + LEFT);
    }
    let wide = across * panels.len() as f64;
    for (i, series) in panels.iter().take(1).flat_map(|p| &p.series).enumerate() {
        let x = LEFT + (i % columns) as f64 * (wide - LEFT) / columns as f64;
        let y = TOP + HEIGHT + BOTTOM + ROW * (i / columns) as f64;
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" {}/>",
            y - 4.0,
            x + 24.0,
            y - 4.0,
            stroke(i, series.dashed)
        );
        text(&mut svg, [x + 30.0, y], "start", 12, &series.name);
    }
    page(wide, height, &svg)
}

fn stroke(number: usize, dashed: bool) -> String {
    let dash = if dashed { " stroke-dasharray=\"6 4\"" } else { "" };
    format!("stroke=\"{}\" stroke-width=\"1.8\" fill=\"none\"{dash}", COLOURS[number % COLOURS.len()])
}

impl Lines {
    fn draw(&self, svg: &mut String, left: f64) {
        let place = |x: f64| if self.log_x { x.log10() } else { x };
        let all = || self.series.iter().flat_map(|s| &s.points);
        let range = |f: &dyn Fn(&[f64; 3]) -> [f64; 2]| {
            let ends = all()
                .map(f)
                .fold([f64::INFINITY, f64::NEG_INFINITY], |a, b| [a[0].min(b[0]), a[1].max(b[1])]);
            let room = 0.04 * (ends[1] - ends[0]).max(1e-9);
            [ends[0] - room, ends[1] + room]
        };
        let xs = range(&|p| [place(p[0]); 2]);
        let ys = range(&|p| [p[1] - p[2], p[1] + p[2]]);
        let x = |v: f64| left + WIDTH * (place(v) - xs[0]) / (xs[1] - xs[0]);
        let y = |v: f64| TOP + HEIGHT * (ys[1] - v) / (ys[1] - ys[0]);
        let floor = TOP + HEIGHT;
        text(svg, [left + WIDTH / 2.0, TOP - 14.0], "middle", 14, &self.title);
        let mut places: Vec<f64> = match self.log_x {
            true => all().map(|p| p[0]).collect(),
            false => ticks(xs[0], xs[1]),
        };
        places.sort_by(f64::total_cmp);
        places.dedup();
        for v in places {
            let at = x(v);
            let _ = writeln!(
                svg,
                "<line x1=\"{at:.1}\" y1=\"{floor}\" x2=\"{at:.1}\" y2=\"{:.1}\" stroke=\"#333\"/>",
                floor + 4.0
            );
            text(svg, [at, floor + 17.0], "middle", 11, &short(v));
        }
        for v in ticks(ys[0], ys[1]) {
            let at = y(v);
            let _ = writeln!(
                svg,
                "<line x1=\"{left}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\" stroke=\"#e4e4e4\"/>",
                left + WIDTH
            );
            text(svg, [left - 6.0, at + 4.0], "end", 11, &short(v));
        }
        let _ = writeln!(
            svg,
            "<rect x=\"{left}\" y=\"{TOP}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"#333\"/>"
        );
        text(svg, [left + WIDTH / 2.0, floor + 36.0], "middle", 12, self.x);
        let (tx, ty) = (left - 46.0, TOP + HEIGHT / 2.0);
        let _ = writeln!(
            svg,
            "<text x=\"{tx:.1}\" y=\"{ty:.1}\" text-anchor=\"middle\" transform=\"rotate(-90 {tx:.1} {ty:.1})\">{}</text>",
            escaped(self.y)
        );
        for (number, series) in self.series.iter().enumerate() {
            let points: Vec<String> =
                series.points.iter().map(|p| format!("{:.1},{:.1}", x(p[0]), y(p[1]))).collect();
            let style = stroke(number, series.dashed);
            let _ = writeln!(svg, "<polyline points=\"{}\" {style}/>", points.join(" "));
            for p in series.points.iter().filter(|p| p[2] > 0.0) {
                let (at, low, high) = (x(p[0]), y(p[1] - p[2]), y(p[1] + p[2]));
                let _ = writeln!(
                    svg,
                    "<line x1=\"{at:.1}\" y1=\"{low:.1}\" x2=\"{at:.1}\" y2=\"{high:.1}\" {style}/>"
                );
            }
            if series.points.len() <= 30 {
                let fill = COLOURS[number % COLOURS.len()];
                for p in &series.points {
                    let _ = writeln!(
                        svg,
                        "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.6\" fill=\"{fill}\"/>",
                        x(p[0]),
                        y(p[1])
                    );
                }
            }
        }
    }
}

/// Bands of a map.
const BANDS: usize = 24;

/// From dark blue to pale yellow, evenly in lightness.
fn shade(value: f64) -> String {
    const STOPS: [[f64; 3]; 5] = [
        [20.0, 30.0, 90.0],
        [40.0, 95.0, 150.0],
        [60.0, 155.0, 150.0],
        [150.0, 205.0, 120.0],
        [250.0, 240.0, 170.0],
    ];
    let at = value.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let (low, share) = ((at as usize).min(STOPS.len() - 2), at - at.floor());
    let share = if at as usize == STOPS.len() - 1 { 1.0 } else { share };
    let mixed: Vec<u8> =
        (0..3).map(|c| (STOPS[low][c] * (1.0 - share) + STOPS[low + 1][c] * share) as u8).collect();
    format!("#{:02x}{:02x}{:02x}", mixed[0], mixed[1], mixed[2])
}

/// Maps in rows of `columns`.
pub(crate) fn maps(panels: &[Map], columns: usize) -> String {
    const SIDE: f64 = 240.0;
    const GAP: f64 = 24.0;
    let mut svg = String::new();
    for (number, panel) in panels.iter().enumerate() {
        let left = GAP + (number % columns) as f64 * (SIDE + GAP);
        let top = TOP + (number / columns) as f64 * (SIDE + TOP + 8.0);
        text(&mut svg, [left + SIDE / 2.0, top - 10.0], "middle", 13, &panel.title);
        let cell = SIDE / panel.side as f64;
        let colour = |v: f64| match panel.classes {
            true if v < 0.0 => "#f2f2f2".to_owned(),
            true => COLOURS[(v * COLOURS.len() as f64).round() as usize % COLOURS.len()].to_owned(),
            false => shade(((v * BANDS as f64).floor() + 0.5) / BANDS as f64),
        };
        for (row, values) in panel.values.chunks_exact(panel.side).enumerate() {
            let y = top + SIDE - (row + 1) as f64 * cell;
            let mut start = 0;
            // Neighbours of one colour are one rectangle.
            for end in 1..=panel.side {
                if end < panel.side && colour(values[end]) == colour(values[start]) {
                    continue;
                }
                let (x, wide) = (left + start as f64 * cell, (end - start) as f64 * cell + 0.3);
                let fill = colour(values[start]);
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{:.1}\" fill=\"{fill}\" shape-rendering=\"crispEdges\"/>",
                    cell + 0.3
                );
                start = end;
            }
        }
        for mark in &panel.marks {
            let place = |v: f64| SIDE * (v / panel.reach + 1.0) / 2.0;
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"5\" fill=\"white\" stroke=\"black\" stroke-width=\"1.5\"/>",
                left + place(mark[0]),
                top + SIDE - place(mark[1])
            );
        }
        let _ = writeln!(
            svg,
            "<rect x=\"{left}\" y=\"{top}\" width=\"{SIDE}\" height=\"{SIDE}\" fill=\"none\" stroke=\"#333\"/>"
        );
    }
    let rows = panels.len().div_ceil(columns.max(1)) as f64;
    page(GAP + columns as f64 * (SIDE + GAP), rows * (SIDE + TOP + 8.0) + 8.0, &svg)
}
