//! Plots as SVG: a line of energies, and bars of weights beside it.

use crate::chart::text::escaped;
use attractor::Short;

/// Size of one panel, and the room round it.
pub(crate) const WIDTH: f64 = 420.0;
pub(crate) const HEIGHT: f64 = 260.0;
pub(crate) const MARGIN: f64 = 56.0;

/// What the bars show of one pattern: its name, and its weight at the start and at the end.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) weights: [f64; 2],
}

/// The energy over the updates, and the weights of the patterns behind the recall.
pub(crate) fn explanation(title: &str, trace: &[f32], bars: &[Bar]) -> String {
    panels(title, &[energies(trace), weights(bars)])
}

/// A picture of panels side by side.
pub(crate) fn panels(title: &str, panels: &[String]) -> String {
    let (width, height) = (panels.len() as f64 * (WIDTH + 2.0 * MARGIN), HEIGHT + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"24\" font-size=\"15\">{}</text>\n",
        escaped(title)
    );
    svg.extend(panels.iter().map(String::as_str));
    svg.push_str("</svg>\n");
    svg
}

pub(crate) fn frame(left: f64, label: &str) -> String {
    format!(
        "<rect x=\"{left}\" y=\"{MARGIN}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"#999\"/>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{label}</text>\n",
        left + WIDTH / 2.0,
        MARGIN + HEIGHT + 40.0
    )
}

fn energies(trace: &[f32]) -> String {
    let mut out = frame(MARGIN, "energy after each update");
    let finite = || trace.iter().map(|e| f64::from(*e)).filter(|e| e.abs() < 1e29);
    let (least, most) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), e| (a.min(e), b.max(e)));
    if least > most {
        let (x, y) = (MARGIN + WIDTH / 2.0, MARGIN + HEIGHT / 2.0);
        return out
            + &format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">outside the support</text>\n");
    }
    let span = (most - least).max(f64::MIN_POSITIVE);
    let x = |i: usize| MARGIN + 12.0 + (WIDTH - 24.0) * i as f64 / (trace.len().max(2) - 1) as f64;
    let y = |e: f64| MARGIN + 12.0 + (HEIGHT - 24.0) * (most - e) / span;
    let points: Vec<String> = finite().enumerate().map(|(i, e)| format!("{:.1},{:.1}", x(i), y(e))).collect();
    out += &format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#1565c0\" stroke-width=\"2\"/>\n",
        points.join(" ")
    );
    for point in points.iter().take(200) {
        if let Some((x, y)) = point.split_once(',') {
            out += &format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"#1565c0\"/>\n");
        }
    }
    for (e, y) in [(most, MARGIN + 14.0), (least, MARGIN + HEIGHT - 4.0)] {
        out += &format!(
            "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\" font-size=\"11\">{}</text>\n",
            MARGIN - 4.0,
            Short(e)
        );
    }
    for i in [0, trace.len() - 1] {
        out += &format!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\">{i}</text>\n",
            x(i),
            MARGIN + HEIGHT + 16.0
        );
    }
    out
}

fn weights(bars: &[Bar]) -> String {
    let left = 3.0 * MARGIN + WIDTH;
    let mut out = frame(left, "weights of patterns: at the query (grey) and at the end");
    let most = bars.iter().flat_map(|b| b.weights).fold(f64::MIN_POSITIVE, |m, w| m.max(w.abs()));
    let each = (WIDTH - 16.0) / bars.len().max(1) as f64;
    for (i, bar) in bars.iter().enumerate() {
        let at = left + 8.0 + i as f64 * each;
        for (half, (weight, colour)) in bar.weights.iter().zip(["#b0bec5", "#1565c0"]).enumerate() {
            let size = (HEIGHT - 40.0) * weight.abs() / most;
            out += &format!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{size:.1}\" fill=\"{colour}\"/>\n",
                at + each * (0.1 + 0.4 * half as f64),
                MARGIN + HEIGHT - size,
                0.38 * each
            );
        }
        let middle = at + each / 2.0;
        out += &format!(
            "<text x=\"{middle:.1}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\">{}</text>\n",
            MARGIN + HEIGHT + 16.0,
            escaped(&bar.name)
        );
        let top = MARGIN + HEIGHT - (HEIGHT - 40.0) * bar.weights[1].abs() / most - 4.0;
        out += &format!(
            "<text x=\"{:.1}\" y=\"{top:.1}\" text-anchor=\"middle\" font-size=\"11\">{:.3}</text>\n",
            middle + 0.2 * each,
            bar.weights[1]
        );
    }
    out
}
