//! Pictures of spherical codes.

use crate::plot::{HEIGHT, MARGIN, WIDTH, frame, panels};
use attractor::{
    Matrix,
    codes::{Bounds, Measure, Optimum},
};

const BLUE: &str = "#1565c0";
const GREY: &str = "#b0bec5";

/// How often each cosine occurs, and the points where they can be drawn.
pub(super) fn code(
    title: &str,
    points: &Matrix,
    measure: &Measure,
    known: Option<Optimum>,
    bounds: Bounds,
) -> String {
    let title = format!(
        "{title}: {} points in {} dimensions, {:.4}\u{b0} apart",
        measure.points,
        measure.dim,
        measure.angle.to_degrees()
    );
    let mut all = vec![histogram(measure, known, bounds)];
    if (2..=3).contains(&measure.dim) {
        all.push(sphere(points, measure, MARGIN + WIDTH + 2.0 * MARGIN));
    }
    panels(&title, &all)
}

fn x_of(cosine: f64) -> f64 {
    MARGIN + WIDTH * 0.5 * (cosine + 1.0)
}

/// Numbers of pairs on a logarithmic scale, with lines at the largest cosine and what is known of the least that it can be.
fn histogram(measure: &Measure, known: Option<Optimum>, bounds: Bounds) -> String {
    let mut out = frame(MARGIN, "cosine between two points");
    let most = measure.histogram.iter().copied().max().unwrap_or(1).max(1) as f64;
    let decades = most.log10().ceil().max(1.0);
    // Room above the bars for the lines' words.
    let height = |count: f64| (HEIGHT - 70.0) * (count.log10() + 0.3) / (decades + 0.3);
    let bottom = MARGIN + HEIGHT;
    for (bin, count) in measure.histogram.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (from, to) = measure.part(bin);
        let tall = height(*count as f64);
        out += &format!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\" fill=\"{GREY}\"/>\n",
            x_of(from) + 0.5,
            bottom - tall,
            x_of(to) - x_of(from) - 1.0
        );
    }
    for tick in [-1.0, -0.5, 0.0, 0.5, 1.0] {
        out += &text(x_of(tick), bottom + 16.0, "middle", &format!("{tick}"));
    }
    for decade in 0..=decades as u32 {
        let count = 10_f64.powi(decade as i32);
        let y = bottom - height(count);
        out += &format!(
            "<line x1=\"{}\" y1=\"{y:.1}\" x2=\"{MARGIN}\" y2=\"{y:.1}\" stroke=\"#999\"/>\n",
            MARGIN - 4.0
        );
        out += &text(MARGIN - 7.0, y + 4.0, "end", &format!("{count}"));
    }
    let middle = MARGIN + 0.5 * HEIGHT;
    out += &format!(
        "<text x=\"16\" y=\"{middle}\" text-anchor=\"middle\" font-size=\"12\" transform=\"rotate(-90 16 {middle})\">pairs</text>\n"
    );
    let mut lines = vec![(1.0 - bounds.most, "#2e7d32", "6 4", format!("bound ({})", bounds.by))];
    if let Some(best) = known {
        let name = if best.proven { "proven best" } else { "best known" };
        lines.push((best.cosine, "#ef6c00", "2 3", name.to_owned()));
    }
    lines.push((measure.cosine, BLUE, "none", "this code".to_owned()));
    // All words on the side of the lines that has more room.
    let (least, largest) = lines.iter().fold((1.0_f64, -1.0_f64), |(a, b), l| (a.min(l.0), b.max(l.0)));
    let (at, anchor) =
        if least + largest > 0.0 { (x_of(least) - 5.0, "end") } else { (x_of(largest) + 5.0, "start") };
    for (i, (cosine, colour, dashes, name)) in lines.iter().enumerate() {
        let (x, y) = (x_of(*cosine), MARGIN + 16.0 * (i as f64 + 1.0));
        out += &format!(
            "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"{colour}\" stroke-width=\"1.5\" stroke-dasharray=\"{dashes}\"/>\n",
            y - 8.0
        );
        out += &format!(
            "<text x=\"{at:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"11\" fill=\"{colour}\">{name}: {cosine:.6}</text>\n"
        );
    }
    out
}

fn text(x: f64, y: f64, anchor: &str, words: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"11\">{words}</text>\n")
}

/// The sphere seen from a little above, with edges between points at the smallest angle; what is behind it is pale.
fn sphere(points: &Matrix, measure: &Measure, left: f64) -> String {
    let mut out = frame(left, "the points, and pairs at the smallest angle");
    let (centre_x, centre_y) = (left + 0.5 * WIDTH, MARGIN + 0.5 * HEIGHT);
    let radius = 0.5 * HEIGHT - 16.0;
    out += &format!(
        "<circle cx=\"{centre_x}\" cy=\"{centre_y}\" r=\"{radius}\" fill=\"none\" stroke=\"#ccc\"/>\n"
    );
    let length = |row: &[f64]| row.iter().fold(0.0, |l: f64, v| l.hypot(*v));
    // Turned a little about two axes, so that few points hide others: x to the right, y up, z to the eye.
    let seen = |row: &[f64]| {
        let l = length(row);
        if row.len() == 2 {
            return [row[0] / l, row[1] / l, 1.0];
        }
        let [x, y, z] = [row[0] / l, row[1] / l, row[2] / l];
        let ((s, c), (u, v)) = (0.35_f64.sin_cos(), 0.3_f64.sin_cos());
        let (x, z) = (c * x + s * z, c * z - s * x);
        [x, v * z - u * y, -(v * y + u * z)]
    };
    let places: Vec<[f64; 3]> = points.iter().map(seen).collect();
    let at = |p: &[f64; 3]| (centre_x + radius * p[0], centre_y - radius * p[1]);
    let tight = 1.0 - measure.gap * 1.001;
    let near = |i: usize, j: usize| {
        let dot: f64 = points.row(i).iter().zip(points.row(j)).map(|(a, b)| a * b).sum();
        dot / (length(points.row(i)) * length(points.row(j))) >= tight
    };
    let pairs = (0..places.len()).flat_map(|i| (0..i).map(move |j| (i, j))).filter(|(i, j)| near(*i, *j));
    let mut edges: Vec<_> = pairs.collect();
    // What is behind goes first, so that what is in front covers it.
    edges.sort_by(|a, b| (places[a.0][2] + places[a.1][2]).total_cmp(&(places[b.0][2] + places[b.1][2])));
    for (i, j) in edges {
        let ((a, b), (c, d)) = (at(&places[i]), at(&places[j]));
        let colour = if places[i][2] + places[j][2] < 0.0 { "#dde3e8" } else { "#78909c" };
        out +=
            &format!("<line x1=\"{a:.1}\" y1=\"{b:.1}\" x2=\"{c:.1}\" y2=\"{d:.1}\" stroke=\"{colour}\"/>\n");
    }
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|a, b| places[*a][2].total_cmp(&places[*b][2]));
    for i in order {
        let (x, y) = at(&places[i]);
        let colour = if places[i][2] < 0.0 { GREY } else { BLUE };
        out += &format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>\n");
    }
    out
}
