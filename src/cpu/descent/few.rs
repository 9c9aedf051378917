//! A task of a handful of queries: a stream through the patterns, with the coordinates in the lanes.
//!
//! Such a task is bound by memory, so memory must never rest: while the weights of one block are applied
//! to its rows, which are in the cache, the rows of the next block are read and scored.

use super::{Found, Part, Source, Work};
use crate::{
    contract::{Carry, MASKED, Similarity, Term},
    cpu::dots::Dots,
    cpu::matmul::Operand,
    simd::math::{self, exp_nonpositive, simd},
    simd::stored::{OverRows, Stored, Value},
};
use pulp::Simd;
use std::ops::Range;

/// Rows that are summed together: one load and store of the sums for all of them.
const TOGETHER: usize = 4;
/// Values that are read before those of the block before have their turn.
const TURN: usize = 16_384;

/// A block on its way: its rows, widened where vectors cannot be filled from them as they are kept, and their
/// scores `[b, n]`.
#[derive(Default)]
struct Block {
    rows: Range<usize>,
    widened: Vec<f32>,
    /// Some of the rows in f32 and brought to length 1, where such are compared.
    single: Vec<f32>,
    unit: Vec<f32>,
    scores: Vec<f32>,
}

/// Runs the task for queries `[b, d]`.
pub(super) fn run(work: &Work<'_>, queries: Operand<'_>) -> Part {
    let (b, d) = queries.shape;
    let width = work.width;
    let mut part = Part::empty(b, width, work.top_k);
    let scale: Vec<f32> = queries.data.chunks_exact(d).map(|x| work.scale(x)).collect();
    // Sums of one block: sums over many patterns are kept in two levels.
    let mut block_sums = vec![0.0; b * width];
    let (mut now, mut next) = (Block::default(), Block::default());
    let mut values = Vec::new();
    let mut blocks = work.blocks();
    next.start(b, blocks.next());
    read(work, queries, &mut next, None);
    while !next.rows.is_empty() {
        std::mem::swap(&mut now, &mut next);
        next.start(b, blocks.next());
        let n = now.rows.len();
        let (terms, first) = work.terms(&now.rows);
        for (i, row) in now.scores.chunks_exact_mut(n).enumerate() {
            let found = &mut part.found[i];
            weigh(work, row, terms, first, scale[i], found, &mut part.sums[i * width..(i + 1) * width]);
        }
        let readout = match work.values(now.rows.clone(), &mut values) {
            Some(values) => Stored::Single(values),
            None => work.patterns().stored(now.rows.clone()).unwrap_or(Stored::Single(&now.widened)),
        };
        let sum = (width > 0).then_some(Sum { weights: &now.scores, readout, width, sums: &mut block_sums });
        read(work, queries, &mut next, sum);
        drain(&mut block_sums, &mut part.sums);
    }
    part
}

/// Adds the sums of a block to those before, and leaves zeros.
pub(super) fn drain(block_sums: &mut [f32], sums: &mut [f32]) {
    simd!(for (sum, block) in sums.iter_mut().zip(block_sums) {
        *sum += *block;
        *block = 0.0;
    });
}

impl Block {
    fn start(&mut self, queries: usize, rows: Option<Range<usize>>) {
        self.rows = rows.unwrap_or(0..0);
        self.scores.resize(queries * self.rows.len(), 0.0);
    }
}

/// `sums [b, width] += weights [b, n] readout [n, width]`.
pub(super) struct Sum<'a> {
    pub(super) weights: &'a [f32],
    pub(super) readout: Stored<'a>,
    pub(super) width: usize,
    pub(super) sums: &'a mut [f32],
}

/// Reads and scores the rows of `block`, and sums those of the block before meanwhile.
fn read(work: &Work<'_>, queries: Operand<'_>, block: &mut Block, mut sum: Option<Sum<'_>>) {
    let d = queries.shape.1;
    let patterns = work.patterns();
    let widen = patterns.stored(0..0).is_none();
    let n = block.rows.len();
    block.widened.resize(if widen { n * d } else { 0 }, 0.0);
    let summed = sum.as_ref().map_or(0, |s| s.readout.len() / s.width);
    let metric = work.source.metric();
    let turn = (TURN / d).clamp(TOGETHER, 64).next_multiple_of(TOGETHER);
    for start in (0..n.max(summed)).step_by(turn) {
        if let Some(sum) = &mut sum
            && start < summed
        {
            sum.add(start..(start + turn).min(summed), summed);
        }
        if start >= n {
            continue;
        }
        let rows = start..(start + turn).min(n);
        let of_shard = block.rows.start + rows.start..block.rows.start + rows.end;
        if widen {
            patterns.widen(of_shard.clone(), &mut block.widened[rows.start * d..rows.end * d]);
        }
        let widened = &block.widened[if widen { rows.start * d..rows.end * d } else { 0..0 }];
        let values = match work.source.form.unit_rows() {
            true => {
                let terms = work.terms(&of_shard).0;
                let rows = patterns.values(of_shard, &mut block.single);
                Stored::Single(work.compared(rows, terms, &mut block.unit))
            }
            false => patterns.stored(of_shard).unwrap_or(Stored::Single(widened)),
        };
        let out = &mut block.scores[rows.start..];
        Dots { queries: queries.data, rows: values, d, out, stride: n, metric }.run();
    }
}

impl Sum<'_> {
    /// Adds some of the `n` rows.
    pub(super) fn add(&mut self, rows: Range<usize>, n: usize) {
        let width = self.width;
        let readout = self.readout.part(rows.start * width..rows.end * width);
        readout.run(Weighted { weights: self.weights, rows, n, width, sums: self.sums });
    }
}

/// Rows summed with the weights that they have: `weights [b, n]`, of which those of `rows` count.
struct Weighted<'a> {
    weights: &'a [f32],
    rows: Range<usize>,
    n: usize,
    width: usize,
    sums: &'a mut [f32],
}

impl OverRows for Weighted<'_> {
    #[inline(always)]
    fn run<S: Simd, V: Value<S>>(self, simd: S, readout: &[V]) {
        let width = self.width;
        for (weights, sums) in self.weights.chunks_exact(self.n).zip(self.sums.chunks_exact_mut(width)) {
            let parts = weights[self.rows.clone()].chunks(TOGETHER).zip(readout.chunks(TOGETHER * width));
            for (weights, readout) in parts {
                // At large beta most weights have underflowed.
                if weights.iter().all(|w| *w == 0.0) {
                    continue;
                }
                add_rows(simd, weights, readout, sums);
            }
        }
    }
}

/// `sums += weights readout` for [`TOGETHER`] rows; where there are fewer, the last weighs nothing more.
#[inline(always)]
fn add_rows<S: Simd, V: Value<S>>(simd: S, weights: &[f32], readout: &[V], sums: &mut [f32]) {
    let width = sums.len();
    let row = |r: usize| &readout[r.min(weights.len() - 1) * width..][..width];
    let [a, b, c, d] = [0, 1, 2, 3].map(|r| simd.splat_f32s(weights.get(r).copied().unwrap_or(0.0)));
    let [(xa, ta), (xb, tb), (xc, tc), (xd, td)] = [0, 1, 2, 3].map(|r| V::vectors(row(r)));
    let (head, tail) = S::as_mut_simd_f32s(sums);
    let add = |sum, xa, xb, xc, xd| {
        let sum = simd.mul_add_e_f32s(b, xb, simd.mul_add_e_f32s(a, xa, sum));
        simd.mul_add_e_f32s(d, xd, simd.mul_add_e_f32s(c, xc, sum))
    };
    for ((((sum, xa), xb), xc), xd) in head.iter_mut().zip(xa).zip(xb).zip(xc).zip(xd) {
        let (xa, xb, xc, xd) =
            (V::load(simd, *xa), V::load(simd, *xb), V::load(simd, *xc), V::load(simd, *xd));
        *sum = add(*sum, xa, xb, xc, xd);
    }
    if !tail.is_empty() {
        let [xa, xb, xc, xd] = [ta, tb, tc, td].map(|t| V::load_some(simd, t));
        let sum = simd.partial_load_f32s(tail);
        simd.partial_store_f32s(tail, add(sum, xa, xb, xc, xd));
    }
}

/// Products of a block to scores, and those to weights, taken into what was found before; `sums` shrink
/// as the largest score rises.
fn weigh(
    work: &Work<'_>,
    row: &mut [f32],
    terms: &[Term],
    first: usize,
    scale: f32,
    found: &mut Found,
    sums: &mut [f32],
) {
    scale_scores(row, terms, scale, work.source.form.squares());
    take_scores(work, row, terms, first, found, sums);
}

/// Scores of a block to weights, taken into what was found before; `sums` shrink as the largest score rises.
pub(super) fn take_scores(
    work: &Work<'_>,
    row: &mut [f32],
    terms: &[Term],
    first: usize,
    found: &mut Found,
    sums: &mut [f32],
) {
    found.best.scan(row, first as u32);
    if !work.weighs() {
        return;
    }
    let (carry, shrink) = exponentials(row, terms, found.carry, work.source);
    found.carry = carry;
    if shrink != 1.0 {
        sums.iter_mut().for_each(|v| *v *= shrink);
    }
}

/// Products to scores `beta * similarity` without what is the same for all patterns; hidden patterns
/// to [`MASKED`].
fn scale_scores(row: &mut [f32], terms: &[Term], scale: f32, squares: bool) {
    simd!({
        for (s, t) in row.iter_mut().zip(terms) {
            let t = &if squares && t.eligible() { Term::PLAIN } else { *t };
            let score = scale * (*s * t.scale + t.bias);
            *s = if t.eligible() { score } else { MASKED };
        }
    });
}

/// Scores to `exp(score - m)`, with the carry that includes them; also the factor by which what was
/// summed before must shrink.
fn exponentials(row: &mut [f32], terms: &[Term], before: Carry, source: &Source<'_>) -> (Carry, f32) {
    simd!({
        let m = math::maximum(row).max(before.m as f32);
        let mut carry = Carry { m: f64::from(m), l: 0.0, h: 0.0, le: 0.0 };
        if source.entropy {
            let mut entropies = [0.0_f32; super::LONGEST_BLOCK];
            for (v, h) in row.iter_mut().zip(&mut entropies) {
                let (z, e) = (*v - m, weight(*v, m));
                *v = e;
                *h = if e > 0.0 { e * z } else { 0.0 };
            }
            carry.h = f64::from(math::sum(&entropies[..row.len()]));
        } else {
            row.iter_mut().for_each(|v| *v = weight(*v, m));
        }
        carry.l = f64::from(math::sum(row));
        carry.le = match source.form.similarity {
            Similarity::Cosine => row.iter().zip(terms).map(|(e, t)| f64::from(e * t.length())).sum(),
            _ => carry.l,
        };
        let (merged, shrink, _) = before.merge(carry);
        (merged, if before.l > 0.0 { shrink as f32 } else { 1.0 })
    })
}

/// Weight of a score below or at the largest.
#[inline(always)]
fn weight(score: f32, largest: f32) -> f32 {
    if score > 0.5 * MASKED { exp_nonpositive(score - largest) } else { 0.0 }
}
