//! A task of tiles of queries, with the queries in the lanes.

use super::{Found, Part, Source, Work};
use crate::simd::math::{exp_nonpositive, simd};
use crate::{
    contract::{Carry, MASKED, Similarity, Term},
    cpu::{
        kernel::{LANES, Metric, Product},
        matmul::Operand,
        topk::Lists,
    },
};

/// Rows whose sums are kept in f32 before they go to f64.
const CHAIN: usize = 64;

/// One number per query.
type Lane = [f32; LANES];

/// The carries of the tile's queries, side by side.
struct Carries {
    m: Lane,
    l: [f64; LANES],
    h: [f64; LANES],
    le: [f64; LANES],
}

/// At most [`LANES`] queries, and what they have found so far.
struct Tile {
    queries: usize,
    /// `[d][LANES]`
    across: Vec<f32>,
    scale: Lane,
    carries: Carries,
    best: Lists,
    /// `[width][LANES]`
    sums: Vec<f32>,
}

/// Patterns that stay in the cache while they are scored and summed.
struct Block<'a> {
    /// `[n, d]`
    patterns: &'a [f32],
    terms: &'a [Term],
    /// `[n, width]`, where anything is summed.
    readout: &'a [f32],
    /// Number of the first pattern in the whole.
    first: usize,
}

/// Memory that is used again from block to block.
#[derive(Default)]
struct Scratch {
    scores: Vec<f32>,
    /// The rows of a block that have weight for some query, ascending, and what they read out.
    live: Vec<usize>,
    readout: Vec<f32>,
}

/// Runs the task for queries `[b, d]`.
pub(super) fn run(work: &Work<'_>, queries: Operand<'_>) -> Part {
    let d = queries.shape.1;
    let mut tiles: Vec<Tile> = queries.data.chunks(LANES * d).map(|x| Tile::new(work, x, d)).collect();
    let (mut widened, mut widened_values) = (Vec::new(), Vec::new());
    let (mut unit, mut scratch) = (Vec::new(), Scratch::default());
    for rows in work.blocks() {
        let (terms, first) = work.terms(&rows);
        let patterns = work.patterns().values(rows.clone(), &mut widened);
        let readout = work.values(rows, &mut widened_values).unwrap_or(patterns);
        let patterns = work.compared(patterns, terms, &mut unit);
        for tile in &mut tiles {
            tile.take(work, &Block { patterns, terms, readout, first }, &mut scratch);
        }
    }
    let mut part = Part { found: Vec::new(), sums: Vec::with_capacity(queries.shape.0 * work.width) };
    tiles.into_iter().for_each(|tile| tile.finish(&mut part));
    part
}

impl Tile {
    fn new(work: &Work<'_>, queries: &[f32], d: usize) -> Self {
        let count = queries.len() / d;
        let mut scale = [0.0; LANES];
        scale.iter_mut().zip(queries.chunks_exact(d)).for_each(|(s, x)| *s = work.scale(x));
        Self {
            queries: count,
            across: side_by_side(queries, d),
            scale,
            carries: Carries { m: [MASKED; LANES], l: [0.0; LANES], h: [0.0; LANES], le: [0.0; LANES] },
            best: Lists::new(work.top_k, count),
            sums: vec![0.0; work.width * LANES],
        }
    }

    /// Takes a block of patterns in.
    fn take(&mut self, work: &Work<'_>, block: &Block<'_>, scratch: &mut Scratch) {
        let Scratch { scores, live, readout } = scratch;
        scores.resize(block.terms.len() * LANES, 0.0);
        Product {
            c: scores,
            a: block.patterns,
            row_stride: self.across.len() / LANES,
            step_stride: 1,
            b: &self.across,
            lanes: self.queries,
            add: false,
            metric: work.source.metric(),
        }
        .run();
        let rows = scores.as_chunks_mut::<LANES>().0;
        let (terms, scale, before) = (block.terms, &self.scale, &self.carries.m);
        let largest = match work.source.form.squares() {
            false => scale_scores::<false>(rows, terms, scale, before),
            true => scale_scores::<true>(rows, terms, scale, before),
        };
        self.best.scan(rows, block.first, self.queries);
        if !work.weighs() {
            return;
        }
        let shrink = exponentials(rows, block.terms, &largest, &mut self.carries, work.source);
        if work.width == 0 {
            return;
        }
        if shrink[..self.queries].iter().any(|s| *s != 1.0) {
            simd!(for row in self.sums.as_chunks_mut::<LANES>().0 {
                row.iter_mut().zip(&shrink).for_each(|(v, s)| *v *= s);
            });
        }
        // Where beta is large, most patterns have weight for none of the queries: the others are brought together.
        weighing(rows, work.source.least_weight(), self.queries, live);
        let (width, count) = (work.width, rows.len());
        let some = 4 * live.len() <= 3 * count;
        if some {
            readout.clear();
            for (to, &from) in live.iter().enumerate() {
                rows[to] = rows[from];
                readout.extend_from_slice(&block.readout[from * width..(from + 1) * width]);
            }
        }
        let (a, b) = match some {
            true => (&readout[..], &scores[..live.len() * LANES]),
            false => (block.readout, &scores[..]),
        };
        if !b.is_empty() {
            Product {
                c: &mut self.sums,
                a,
                row_stride: 1,
                step_stride: width,
                b,
                lanes: self.queries,
                add: true,
                metric: Metric::Product,
            }
            .run();
        }
    }

    /// Adds what the tile has found to the task's part.
    fn finish(self, part: &mut Part) {
        let Carries { m, l, h, le } = &self.carries;
        part.found.extend(self.best.into_best(self.queries).into_iter().enumerate().map(|(i, best)| {
            let carry = Carry { m: m[i].into(), l: l[i], h: h[i], le: le[i] };
            Found { carry, best, reference: 0.0 }
        }));
        let rows = self.sums.as_chunks::<LANES>().0;
        (0..self.queries).for_each(|i| part.sums.extend(rows.iter().map(|row| row[i])));
    }
}

/// Queries `[b, d]` as `[d][LANES]`; lanes without a query are zero.
fn side_by_side(queries: &[f32], d: usize) -> Vec<f32> {
    let mut out = vec![0.0; d * LANES];
    for (i, x) in queries.chunks_exact(d).enumerate() {
        for (j, v) in x.iter().enumerate() {
            out[j * LANES + i] = *v;
        }
    }
    out
}

/// Products to scores, as in `few`; gives the largest so far.
fn scale_scores<const SQUARES: bool>(rows: &mut [Lane], terms: &[Term], scale: &Lane, before: &Lane) -> Lane {
    simd!({
        let mut largest = *before;
        for (row, t) in rows.iter_mut().zip(terms) {
            if t.eligible() {
                let t = if SQUARES { Term::PLAIN } else { *t };
                for i in 0..LANES {
                    row[i] = scale[i] * (row[i] * t.scale + t.bias);
                    largest[i] = if row[i] > largest[i] { row[i] } else { largest[i] };
                }
            } else {
                *row = [MASKED; LANES];
            }
        }
        largest
    })
}

/// The rows in which one of the first `lanes` queries has a weight above this.
fn weighing(rows: &[Lane], least: f32, lanes: usize, live: &mut Vec<usize>) {
    live.clear();
    simd!(for (k, row) in rows.iter().enumerate() {
        let mut most = [0.0_f32; LANES];
        for i in 0..LANES {
            most[i] = if i < lanes { row[i] } else { 0.0 };
        }
        let mut half = LANES / 2;
        while half > 0 {
            for i in 0..half {
                most[i] = if most[i + half] > most[i] { most[i + half] } else { most[i] };
            }
            half /= 2;
        }
        if most[0] > least {
            live.push(k);
        }
    });
}

/// Scores to `exp(score - m)`, taken into the carries; gives the factors by which what was summed
/// before must shrink.
fn exponentials(
    rows: &mut [Lane],
    terms: &[Term],
    largest: &Lane,
    carries: &mut Carries,
    source: &Source<'_>,
) -> Lane {
    let (similarity, entropy) = (source.form.similarity, source.entropy);
    simd!({
        let mut shrink = [1.0_f32; LANES];
        for i in 0..LANES {
            let gap = f64::from(carries.m[i]) - f64::from(largest[i]);
            let factor = if gap < 0.0 { gap.exp() } else { 1.0 };
            carries.h[i] = factor * (carries.h[i] + gap * carries.l[i]);
            carries.l[i] *= factor;
            carries.le[i] *= factor;
            carries.m[i] = largest[i];
            shrink[i] = factor as f32;
        }
        for (rows, terms) in rows.chunks_mut(CHAIN).zip(terms.chunks(CHAIN)) {
            let (mut l, mut h, mut le) = ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
            for (row, t) in rows.iter_mut().zip(terms) {
                if !t.eligible() {
                    *row = [0.0; LANES];
                    continue;
                }
                if entropy {
                    for i in 0..LANES {
                        let z = row[i] - largest[i];
                        let e = exp_nonpositive(z);
                        row[i] = e;
                        l[i] += e;
                        h[i] += if e > 0.0 { e * z } else { 0.0 };
                    }
                } else {
                    for i in 0..LANES {
                        let e = exp_nonpositive(row[i] - largest[i]);
                        row[i] = e;
                        l[i] += e;
                    }
                }
                if similarity == Similarity::Cosine {
                    let length = t.length();
                    le.iter_mut().zip(row.iter()).for_each(|(le, e)| *le += e * length);
                }
            }
            for i in 0..LANES {
                carries.l[i] += f64::from(l[i]);
                carries.h[i] += f64::from(h[i]);
                carries.le[i] += f64::from(if similarity == Similarity::Cosine { le[i] } else { l[i] });
            }
        }
        shrink
    })
}
