//! Maps of a square in bands of colour.

use super::{COLOURS, text::escaped};
use std::fmt::Write;

/// Room above a map.
const TOP: f64 = 44.0;

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
