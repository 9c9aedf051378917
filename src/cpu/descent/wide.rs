//! A pass in f64, for queries so far from all patterns that f32 does not tell these apart. First the largest score of each query is
//! found; scores relative to it are then exact enough in f32, and go the way of all others.

use super::{
    Found, Part, Source, Work, few,
    few::{Sum, take_scores},
    for_each_task, inverse_length,
};
use crate::simd::{math::simd, stored::Stored};
use crate::{
    contract::{MASKED, Term},
    cpu::{kernel::Metric, matmul::Operand},
};
use parking_lot::Mutex;

/// Independent partial sums.
const LANES: usize = 16;

/// See [`Source::pass`].
pub(super) fn pass(source: &Source<'_>, queries: &[f32], d: usize, top_k: usize) -> (Vec<Found>, Vec<f32>) {
    let asked: Vec<Vec<f64>> = queries.chunks_exact(d).map(|x| prepared(source, x)).collect();
    let references = largest(source, &asked, d);
    let (mut found, means) = source.in_tasks(queries, d, top_k, |work, first, of| {
        let range = first..first + of.shape.0;
        run(work, of, &asked[range.clone()], &references[range])
    });
    for (found, reference) in found.iter_mut().zip(references) {
        found.reference = reference;
    }
    (found, means)
}

/// A query as it is compared.
fn prepared(source: &Source<'_>, x: &[f32]) -> Vec<f64> {
    let wide = x.iter().map(|v| f64::from(*v));
    match source.form.unit_rows() {
        true => {
            let scale = inverse_length(x);
            wide.map(|v| v * scale).collect()
        }
        false => wide.collect(),
    }
}

/// The largest score of each query among the patterns that may answer.
fn largest(source: &Source<'_>, asked: &[Vec<f64>], d: usize) -> Vec<f64> {
    let found: Vec<Mutex<f64>> = asked.iter().map(|_| Mutex::new(f64::NEG_INFINITY)).collect();
    let segments = source.segments();
    for_each_task(segments.len(), |task| {
        let (shard, rows) = segments[task].clone();
        let work = Work { source, shard, rows, width: 0, top_k: 0 };
        let (mut widened, mut scores) = (Vec::new(), Vec::new());
        for rows in work.blocks() {
            let terms = work.terms(&rows).0;
            let patterns = work.patterns().values(rows, &mut widened);
            for (x, found) in asked.iter().zip(&found) {
                score(source, x, patterns, terms, d, &mut scores);
                let here = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let mut found = found.lock();
                *found = found.max(here);
            }
        }
    });
    let value = |m: Mutex<f64>| m.into_inner();
    found.into_iter().map(value).collect()
}

/// Runs the task for queries `[b, d]`.
fn run(work: &Work<'_>, queries: Operand<'_>, asked: &[Vec<f64>], references: &[f64]) -> Part {
    let (b, d) = queries.shape;
    let width = work.width;
    let mut part = Part::empty(b, width, work.top_k);
    let mut block_sums = vec![0.0; b * width];
    let (mut widened, mut values, mut scores, mut relative) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for rows in work.blocks() {
        let n = rows.len();
        let (terms, first) = work.terms(&rows);
        let patterns = work.patterns().values(rows.clone(), &mut widened);
        relative.resize(b * n, 0.0);
        for (i, (x, row)) in asked.iter().zip(relative.chunks_exact_mut(n)).enumerate() {
            score(work.source, x, patterns, terms, d, &mut scores);
            for (out, s) in row.iter_mut().zip(&scores) {
                *out = if *s > f64::NEG_INFINITY { (s - references[i]) as f32 } else { MASKED };
            }
            let sums = &mut part.sums[i * width..(i + 1) * width];
            take_scores(work, row, terms, first, &mut part.found[i], sums);
        }
        if width == 0 {
            continue;
        }
        let readout = Stored::Single(work.values(rows, &mut values).unwrap_or(patterns));
        Sum { weights: &relative, readout, width, sums: &mut block_sums }.add(0..n, n);
        few::drain(&mut block_sums, &mut part.sums);
    }
    part
}

/// A difference, or 0 where a coordinate is not known.
#[inline(always)]
fn known(difference: f64) -> f64 {
    if difference.is_nan() { 0.0 } else { difference }
}

/// Scores of one query with rows `[n, d]`; minus infinity of those that may not answer.
fn score(source: &Source<'_>, x: &[f64], rows: &[f32], terms: &[Term], d: usize, out: &mut Vec<f64>) {
    let (form, metric) = (source.form, source.metric());
    let factor = form.known.map_or(1.0, |known| known.factor(x.iter().map(|v| v.is_nan())));
    let beta = f64::from(form.beta * factor);
    out.clear();
    out.extend(rows.chunks_exact(d).zip(terms).map(|(row, term)| {
        let similarity = match metric {
            _ if !term.eligible() => return f64::NEG_INFINITY,
            Metric::Product => simd!(fold(x, row, |s, x, y| x.mul_add(y, s))),
            Metric::KnownAbsolute => -simd!(fold(x, row, |s, x, y| s + known(x - y).abs())),
            Metric::KnownSquared => {
                -0.5 * simd!(fold(x, row, |s, x, y| known(x - y).mul_add(known(x - y), s)))
            }
            Metric::Absolute => -simd!(fold(x, row, |s, x, y| s + (x - y).abs())),
            Metric::Squared => {
                let scale = if form.unit_rows() { inverse_length(row) } else { 1.0 };
                // A row of zeros has the cosine 0.
                if scale == 0.0 {
                    return -beta;
                }
                -0.5 * simd!(fold(x, row, |s, x, y| {
                    let difference = x - scale * y;
                    difference.mul_add(difference, s)
                }))
            }
        };
        beta * similarity
    }));
}

/// `sum_i f(a_i, b_i)` over lanes.
#[inline(always)]
fn fold(a: &[f64], b: &[f32], f: impl Fn(f64, f64, f64) -> f64) -> f64 {
    let mut lanes = [0.0_f64; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for l in 0..LANES {
            lanes[l] = f(lanes[l], a[l], f64::from(b[l]));
        }
    }
    for (l, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        lanes[l] = f(lanes[l], *a, f64::from(*b));
    }
    lanes.iter().sum()
}
