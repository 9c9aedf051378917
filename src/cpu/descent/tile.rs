//! A task of a tile of queries, with the queries in the lanes.

use super::{Found, Part, Work};
use crate::{
    cpu::{
        kernel::{LANES, Product},
        math::{exp_nonpositive, simd},
        matmul::Operand,
        topk::Best,
    },
    ops::{MASKED, Similarity, Term, descent::Carry},
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

/// Runs the task for at most [`LANES`] queries `[b, d]`.
pub(super) fn run(work: &Work<'_>, queries: Operand<'_>) -> Part {
    let (b, d) = queries.shape;
    let width = work.width;
    let distance = work.source.form.similarity == Similarity::L1;
    let across = side_by_side(queries);
    let mut scale = [0.0; LANES];
    scale.iter_mut().zip(queries.data.chunks_exact(d)).for_each(|(s, x)| *s = work.scale(x));
    let mut carries = Carries { m: [MASKED; LANES], l: [0.0; LANES], h: [0.0; LANES], le: [0.0; LANES] };
    let mut best: Vec<Best> = (0..b).map(|_| Best::new(work.top_k)).collect();
    let mut sums = vec![0.0_f32; width * LANES];
    let mut scores = Vec::new();
    work.for_each_block(|block| {
        scores.resize(block.terms.len() * LANES, 0.0);
        let product = Product {
            c: &mut scores,
            a: block.patterns,
            row_stride: d,
            step_stride: 1,
            b: &across,
            lanes: b,
            add: false,
            distance,
        };
        product.run();
        let rows = scores.as_chunks_mut::<LANES>().0;
        let largest = scale_scores(rows, block.terms, &scale, &carries.m);
        if work.top_k > 0 {
            scan(rows, block.first, &mut best);
        }
        let (shrink, any) =
            exponentials(rows, block.terms, &largest, &mut carries, work.source.form.similarity, b);
        let Some(readout) = block.readout else { return };
        if shrink[..b].iter().any(|s| *s != 1.0) {
            simd!(for row in sums.as_chunks_mut::<LANES>().0 {
                row.iter_mut().zip(&shrink).for_each(|(v, s)| *v *= s);
            });
        }
        if any {
            Product {
                c: &mut sums,
                a: readout,
                row_stride: 1,
                step_stride: width,
                b: &scores,
                lanes: b,
                add: true,
                distance: false,
            }
            .run();
        }
    });
    let found = best.into_iter().enumerate().map(|(i, best)| {
        let carry = Carry { m: carries.m[i].into(), l: carries.l[i], h: carries.h[i], le: carries.le[i] };
        Found { carry, best }
    });
    let sums = (0..b).flat_map(|i| (0..width).map(move |j| (i, j))).map(|(i, j)| sums[j * LANES + i]);
    Part { found: found.collect(), sums: sums.collect() }
}

/// Queries `[b, d]` as `[d][LANES]`; lanes without a query are zero.
fn side_by_side(queries: Operand<'_>) -> Vec<f32> {
    let (_, d) = queries.shape;
    let mut out = vec![0.0; d * LANES];
    for (i, x) in queries.data.chunks_exact(d).enumerate() {
        for (j, v) in x.iter().enumerate() {
            out[j * LANES + i] = *v;
        }
    }
    out
}

/// Products to scores, as in `few`; gives the largest so far.
fn scale_scores(rows: &mut [Lane], terms: &[Term], scale: &Lane, before: &Lane) -> Lane {
    simd!({
        let mut largest = *before;
        for (row, t) in rows.iter_mut().zip(terms) {
            if t.eligible() {
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

/// Offers the scores to the lists of the best.
fn scan(rows: &[Lane], first: usize, best: &mut [Best]) {
    for (k, row) in rows.iter().enumerate() {
        for (best, score) in best.iter_mut().zip(row) {
            best.scan(std::slice::from_ref(score), (first + k) as u32);
        }
    }
}

/// Scores to `exp(score - m)`, taken into the carries; gives the factors by which what was summed
/// before must shrink, and whether any weight of the first `lanes` queries is above zero.
fn exponentials(
    rows: &mut [Lane],
    terms: &[Term],
    largest: &Lane,
    carries: &mut Carries,
    similarity: Similarity,
    lanes: usize,
) -> (Lane, bool) {
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
        let mut any = 0.0_f32;
        for (rows, terms) in rows.chunks_mut(CHAIN).zip(terms.chunks(CHAIN)) {
            let (mut l, mut h, mut le) = ([0.0_f32; LANES], [0.0_f32; LANES], [0.0_f32; LANES]);
            for (row, t) in rows.iter_mut().zip(terms) {
                if !t.eligible() {
                    *row = [0.0; LANES];
                    continue;
                }
                for i in 0..LANES {
                    let z = row[i] - largest[i];
                    let e = exp_nonpositive(z);
                    row[i] = e;
                    l[i] += e;
                    h[i] += if e > 0.0 { e * z } else { 0.0 };
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
                any += if i < lanes { l[i] } else { 0.0 };
            }
        }
        (shrink, any > 0.0)
    })
}
