//! Plots as SVG, drawn as one would print them: axes with units, intervals, theory as dashes, a legend below.

mod maps;
mod scale;
pub(crate) mod text;

pub(crate) use maps::{Map, maps};
pub(crate) use scale::Axis;

use scale::{Scale, tick};
use std::fmt::Write;
use text::{escaped, width};

/// Size of a plot, and the room round the part that is drawn in.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 40.0;
const AXIS: f64 = 48.0;

/// Colours that people with any sight tell apart (Okabe and Ito), without the yellow that paper swallows.
pub(crate) const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#555555"];

/// A name in the legend.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    name: String,
    colour: &'static str,
    look: Look,
    shape: usize,
}

/// A value with the ends of its interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) interval: Option<(f64, f64)>,
    /// Whether the value is only known to be at least this: drawn as an arrow.
    pub(crate) at_least: bool,
}

impl Mark {
    pub(crate) fn at(x: f64, y: f64) -> Self {
        Self { x, y, interval: None, at_least: false }
    }

    pub(crate) fn with(x: f64, y: f64, low: f64, high: f64) -> Self {
        Self { interval: Some((low, high)), ..Self::at(x, y) }
    }
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Points joined by a line, with the interval as a band.
    Band,
    /// Points with whiskers, not joined.
    Whiskers,
    /// Points joined by a thin line.
    Line,
    /// Dashes, for theory.
    Theory,
    /// Dots, for fits.
    Fit,
}

/// A line with its name in the legend; an empty name has none.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) colour: &'static str,
    pub(crate) look: Look,
    /// Which shape its points have.
    pub(crate) shape: usize,
    pub(crate) marks: Vec<Mark>,
}

/// A point as a path, of one of seven shapes.
fn symbol(shape: usize, x: f64, y: f64, r: f64) -> String {
    let polygon = |corners: &[(f64, f64)]| {
        let points: Vec<String> =
            corners.iter().map(|(a, b)| format!("{:.1} {:.1}", x + r * a, y + r * b)).collect();
        format!("M{}z", points.join("L"))
    };
    match shape % 7 {
        0 => format!("M{0:.1} {y:.1}a{r} {r} 0 1 0 {1} 0a{r} {r} 0 1 0 -{1} 0z", x - r, 2.0 * r),
        1 => polygon(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        2 => polygon(&[(0.0, -1.3), (1.15, 0.8), (-1.15, 0.8)]),
        3 => polygon(&[(0.0, -1.35), (1.35, 0.0), (0.0, 1.35), (-1.35, 0.0)]),
        4 => polygon(&[(0.0, 1.3), (1.15, -0.8), (-1.15, -0.8)]),
        5 => polygon(&[
            (-0.4, -1.2),
            (0.4, -1.2),
            (0.4, -0.4),
            (1.2, -0.4),
            (1.2, 0.4),
            (0.4, 0.4),
            (0.4, 1.2),
            (-0.4, 1.2),
            (-0.4, 0.4),
            (-1.2, 0.4),
            (-1.2, -0.4),
            (-0.4, -0.4),
        ]),
        _ => polygon(&[(-1.3, 0.0), (0.8, -1.15), (0.8, 1.15)]),
    }
}

/// A plot.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
    /// Places on the x axis that theory names: place, colour.
    pub(crate) verticals: Vec<(f64, &'static str)>,
    /// What the vertical lines are.
    pub(crate) verticals_are: String,
    /// Heights that are worth a thin line.
    pub(crate) levels: Vec<f64>,
}

/// Plots beside each other as one SVG document.
pub(crate) fn side_by_side(charts: &[Chart]) -> String {
    let mut height = 0.0_f64;
    let mut inside = String::new();
    for (i, chart) in charts.iter().enumerate() {
        let place =
            format!("<svg x=\"{}\" width=\"{WIDTH}\" height=\"{}\" ", i as f64 * WIDTH, chart.height());
        inside += &chart.svg().replacen("<svg ", &place, 1);
        height = height.max(chart.height());
    }
    let wide = WIDTH * charts.len() as f64;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {height}\">\n\
         <rect width=\"{wide}\" height=\"{height}\" fill=\"#fff\"/>\n{inside}</svg>\n"
    )
}

impl Chart {
    pub(crate) fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            title: title.into(),
            x,
            y,
            lines: Vec::new(),
            verticals: Vec::new(),
            verticals_are: String::new(),
            levels: Vec::new(),
        }
    }

    /// Whether there is nothing to draw.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.iter().all(|l| l.marks.iter().all(|m| !m.y.is_finite()))
    }

    /// Height of the plot, whose width is always the same.
    fn height(&self) -> f64 {
        TOP + HEIGHT + 20.0 * self.legend(WIDTH - RIGHT - LEFT).len() as f64 + 4.0
    }

    /// The plot as an SVG document.
    pub(crate) fn svg(&self) -> String {
        let all = || self.lines.iter().flat_map(|l| &l.marks);
        let (right, bottom) = (WIDTH - RIGHT, TOP + HEIGHT - AXIS - 6.0);
        let x = Scale::of(&self.x, all().map(|m| m.x), LEFT, right);
        // Theory may run far beyond what is measured; it does not set the scale of y.
        let of_y = self.lines.iter().filter(|l| !matches!(l.look, Look::Theory | Look::Fit)).flat_map(|l| {
            l.marks.iter().flat_map(|m| {
                let (low, high) = m.interval.unwrap_or((m.y, m.y));
                // Room for the arrow.
                [low, if m.at_least { 2.0 * m.y } else { m.y }, high]
            })
        });
        let y = Scale::of(&self.y, of_y, bottom, TOP);
        let legend = self.legend(right - LEFT);
        let height = self.height();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\" fill=\"#222\">\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
             <text x=\"{LEFT}\" y=\"22\" font-size=\"14\" font-weight=\"600\">{}</text>\n",
            escaped(&self.title)
        );
        self.axes(&mut svg, &x, &y, bottom, right);
        svg += &format!(
            "<clipPath id=\"{0}\"><rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{1}\" height=\"{2}\"/></clipPath>\n<g clip-path=\"url(#{0})\">\n",
            self.id(),
            right - LEFT,
            bottom - TOP
        );
        for (at, colour) in self.verticals.iter().filter(|(at, _)| x.holds(*at)) {
            let at = x.place(*at);
            _ = writeln!(
                svg,
                "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"{colour}\" stroke-width=\"1.2\" stroke-dasharray=\"2 3\"/>"
            );
        }
        for look in [Look::Theory, Look::Fit, Look::Band, Look::Line, Look::Whiskers] {
            let of: Vec<&Line> = self.lines.iter().filter(|l| l.look == look).collect();
            for (i, line) in of.iter().enumerate() {
                // Lines that lie on each other stay visible: the first ones are the widest.
                let under = (of.len() - 1 - i).min(3) as f64;
                draw(&mut svg, line, &x, &y, under);
            }
        }
        svg += "</g>\n";
        self.draw_legend(&mut svg, &legend);
        svg + "</svg>\n"
    }

    /// A name for parts of this plot that no other plot of a page has.
    fn id(&self) -> String {
        let text = format!("{}{}{}", self.title, self.x.label, self.y.label);
        format!("c{:x}", crc32fast::hash(text.as_bytes()))
    }

    fn axes(&self, svg: &mut String, x: &Scale, y: &Scale, bottom: f64, right: f64) {
        let (labels, small) = match self.x.labelled.is_empty() {
            true => x.ticks(),
            false => (self.x.labelled.clone(), Vec::new()),
        };
        for v in &labels {
            let at = x.place(*v);
            _ = writeln!(
                svg,
                "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"#e8e8e8\"/>\n\
                 <line x1=\"{at:.1}\" y1=\"{bottom}\" x2=\"{at:.1}\" y2=\"{}\" stroke=\"#444\"/>\n\
                 <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\">{}</text>",
                bottom + 5.0,
                bottom + 18.0,
                tick(*v, x.log)
            );
        }
        for v in small {
            let at = x.place(v);
            _ = writeln!(
                svg,
                "<line x1=\"{at:.1}\" y1=\"{bottom}\" x2=\"{at:.1}\" y2=\"{}\" stroke=\"#999\"/>",
                bottom + 3.0
            );
        }
        let (labels, small) = y.ticks();
        for v in &labels {
            let at = y.place(*v);
            _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"#e8e8e8\"/>\n\
                 <line x1=\"{}\" y1=\"{at:.1}\" x2=\"{LEFT}\" y2=\"{at:.1}\" stroke=\"#444\"/>\n\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" font-size=\"11\">{}</text>",
                LEFT - 5.0,
                LEFT - 8.0,
                at + 4.0,
                tick(*v, y.log)
            );
        }
        for v in small {
            let at = y.place(v);
            _ = writeln!(
                svg,
                "<line x1=\"{}\" y1=\"{at:.1}\" x2=\"{LEFT}\" y2=\"{at:.1}\" stroke=\"#999\"/>",
                LEFT - 3.0
            );
        }
        for level in self.levels.iter().filter(|v| y.holds(**v)) {
            let at = y.place(*level);
            _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"#aaa\" stroke-dasharray=\"1 3\"/>"
            );
        }
        let (middle, centre) = (0.5 * (LEFT + right), 0.5 * (TOP + bottom));
        _ = writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#444\"/>\n\
             <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
             <text x=\"16\" y=\"{centre}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {centre})\">{}</text>",
            right - LEFT,
            bottom - TOP,
            bottom + 38.0,
            escaped(&self.x.label),
            escaped(&self.y.label)
        );
    }

    /// Names in rows that fit.
    fn legend(&self, room: f64) -> Vec<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        for line in self.lines.iter().filter(|l| !l.name.is_empty() && !l.marks.is_empty()) {
            let Line { name, colour, look, shape, .. } = line.clone();
            let entry = Entry { name, colour, look, shape };
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        if !self.verticals.is_empty() && !self.verticals_are.is_empty() {
            let name = self.verticals_are.clone();
            entries.push(Entry { name, colour: "#555555", look: Look::Fit, shape: 0 });
        }
        let mut rows: Vec<Vec<Entry>> = Vec::new();
        let mut used = f64::INFINITY;
        for entry in entries {
            let wide = 40.0 + width(&entry.name, 12.0) + 18.0;
            if used + wide > room + 18.0 {
                rows.push(Vec::new());
                used = 0.0;
            }
            used += wide;
            if let Some(row) = rows.last_mut() {
                row.push(entry);
            }
        }
        rows
    }

    fn draw_legend(&self, svg: &mut String, rows: &[Vec<Entry>]) {
        for (r, row) in rows.iter().enumerate() {
            let y = TOP + HEIGHT + 8.0 + 20.0 * r as f64;
            let mut x = LEFT;
            for Entry { name, colour, look, shape } in row {
                let (from, to) = (x, x + 28.0);
                let dashes = dashes(*look);
                if *look == Look::Band {
                    _ = writeln!(
                        svg,
                        "<rect x=\"{from}\" y=\"{}\" width=\"28\" height=\"8\" fill=\"{colour}\" opacity=\"0.18\"/>",
                        y - 8.0
                    );
                }
                if *look != Look::Whiskers {
                    _ = writeln!(
                        svg,
                        "<line x1=\"{from}\" y1=\"{0}\" x2=\"{to}\" y2=\"{0}\" stroke=\"{colour}\" stroke-width=\"1.8\"{dashes}/>",
                        y - 4.0
                    );
                }
                if matches!(look, Look::Band | Look::Whiskers | Look::Line) {
                    _ = writeln!(
                        svg,
                        "<path d=\"{}\" fill=\"{colour}\"/>",
                        symbol(*shape, from + 14.0, y - 4.0, 3.2)
                    );
                }
                _ = writeln!(svg, "<text x=\"{}\" y=\"{y}\">{}</text>", to + 8.0, escaped(name));
                x += 40.0 + width(name, 12.0) + 18.0;
            }
        }
    }
}

fn dashes(look: Look) -> &'static str {
    match look {
        Look::Theory => " stroke-dasharray=\"7 4\"",
        Look::Fit => " stroke-dasharray=\"2 3\"",
        _ => "",
    }
}

fn draw(svg: &mut String, line: &Line, x: &Scale, y: &Scale, under: f64) {
    let colour = line.colour;
    let finite: Vec<&Mark> = line.marks.iter().filter(|m| m.x.is_finite() && m.y.is_finite()).collect();
    let at = |m: &Mark, v: f64| format!("{:.1},{:.1}", x.place(m.x), y.place(v));
    if line.look == Look::Band && finite.len() > 1 {
        let upper = finite.iter().map(|m| at(m, m.interval.map_or(m.y, |i| i.1)));
        let lower = finite.iter().rev().map(|m| at(m, m.interval.map_or(m.y, |i| i.0)));
        let outline: Vec<String> = upper.chain(lower).collect();
        _ = writeln!(svg, "<polygon points=\"{}\" fill=\"{colour}\" opacity=\"0.18\"/>", outline.join(" "));
    }
    if line.look != Look::Whiskers {
        let points: Vec<String> = finite.iter().map(|m| at(m, m.y)).collect();
        let thick = if matches!(line.look, Look::Band | Look::Line) { 1.4 + 0.7 * under } else { 1.5 };
        _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{thick}\"{}/>",
            points.join(" "),
            dashes(line.look)
        );
    }
    if matches!(line.look, Look::Theory | Look::Fit) {
        return;
    }
    for mark in finite {
        let (px, py) = (x.place(mark.x), y.place(mark.y));
        if line.look == Look::Whiskers
            && let Some((low, high)) = mark.interval
        {
            let (a, b) = (y.place(low), y.place(high));
            _ = writeln!(
                svg,
                "<path d=\"M{px:.1} {a:.1}V{b:.1}M{0:.1} {a:.1}H{1:.1}M{0:.1} {b:.1}H{1:.1}\" stroke=\"{colour}\" stroke-width=\"1.2\"/>",
                px - 3.0,
                px + 3.0
            );
        }
        let (fill, arrow) = match mark.at_least {
            // Open, with an arrow upward: the grid ended here.
            true => ("#fff", format!("M{px:.1} {:.1}v-12m-3 4l3 -4l3 4", py - 3.0)),
            false => (colour, String::new()),
        };
        let size = 2.8 + 0.3 * under;
        _ = writeln!(
            svg,
            "<path d=\"{}\" fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"0.8\"/>",
            symbol(line.shape, px, py, size)
        );
        if !arrow.is_empty() {
            _ = writeln!(svg, "<path d=\"{arrow}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.4\"/>");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_is_well_formed_and_holds_what_it_is_given() {
        let mut chart = Chart::new("a < b", Axis::log("N"), Axis::linear("share").within(0.0, 1.0));
        chart.lines.push(Line {
            name: "softmax & co".to_owned(),
            colour: COLOURS[0],
            look: Look::Band,
            shape: 0,
            marks: vec![
                Mark::with(2.0, 1.0, 0.9, 1.0),
                Mark::with(8.0, 0.4, 0.3, 0.5),
                Mark::at(16.0, f64::NAN),
            ],
        });
        let svg = chart.svg();
        assert!(svg.contains("a &lt; b") && svg.contains("softmax &amp; co") && !svg.contains("NaN"));
        assert_eq!(svg.matches("<polygon").count(), 1);
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }
}
