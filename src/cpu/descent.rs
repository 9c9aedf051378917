//! The softmax recall on the CPU.
//!
//! Work is cut into tasks of a tile of queries times a segment of patterns. A task goes through its
//! segment in blocks that stay in the cache: scores of the block, running maximum and sums, weighted
//! accumulation. The tasks' carries then merge. The cut depends on the shapes alone, so the result
//! does not depend on the number of cores.

use super::{
    math::{self, exp_nonpositive, simd},
    matmul::{Operand, matmul},
    similarity::{products, squared},
    topk::Best,
};
use crate::{
    Rows,
    ops::{
        Layout, MASKED, Similarity, Term,
        descent::{Carry, Form, Landscape, Outcome, Plan, clamp_row},
    },
    tensor::CpuShard,
};
use rayon::prelude::*;
use std::ops::Range;

/// Queries that share one pass over a block of patterns.
const TILE: usize = 128;
/// Queries whose recall runs together; bounds the scratch memory.
const BATCH: usize = 512;
/// Fewest patterns worth a task of their own.
const SEGMENT: usize = 4096;
/// Most tasks of one pass, whatever the shapes.
const TASKS: usize = 64;

/// What a pass over the patterns reads.
struct Source<'a> {
    patterns: Vec<CpuShard<'a>>,
    /// Rows that are summed with the weights; the patterns themselves, or nothing, or values.
    readout: Readout<'a>,
    terms: &'a [Term],
    form: Form,
}

/// What the weights are applied to.
enum Readout<'a> {
    Nothing,
    Patterns,
    Values(Vec<CpuShard<'a>>),
}

/// What one query has after a pass.
struct Found {
    carry: Carry,
    best: Best,
}

/// One task's share: of each query of its tile, and the weighted sums `[tile, v]`.
struct Part {
    found: Vec<Found>,
    sums: Vec<f32>,
}

impl Source<'_> {
    fn width(&self, d: usize) -> usize {
        match &self.readout {
            Readout::Nothing => 0,
            Readout::Patterns => d,
            Readout::Values(shards) => shards.first().map_or(0, |s| s.columns),
        }
    }

    /// Segments of whole rows: (shard, rows inside it).
    fn segments(&self, tiles: usize) -> Vec<(usize, Range<usize>)> {
        let n: usize = self.patterns.iter().map(|s| s.rows).sum();
        let wanted = (n / SEGMENT).clamp(1, (TASKS / tiles.max(1)).max(1));
        let length = n.div_ceil(wanted).max(1);
        let mut out = Vec::new();
        for (i, shard) in self.patterns.iter().enumerate() {
            let starts = (0..shard.rows).step_by(length);
            out.extend(starts.map(|start| (i, start..(start + length).min(shard.rows))));
        }
        out
    }

    /// One pass of `queries [b, d]` over all patterns: what each query found, and the weighted means
    /// `[b, v]` of the read-out rows.
    fn pass(&self, queries: &[f32], d: usize, top_k: usize) -> (Vec<Found>, Vec<f32>) {
        let b = queries.len() / d;
        let width = self.width(d);
        let tiles: Vec<Range<usize>> = (0..b).step_by(TILE).map(|t| t..(t + TILE).min(b)).collect();
        let segments = self.segments(tiles.len());
        let tasks: Vec<(usize, usize)> =
            (0..tiles.len()).flat_map(|t| (0..segments.len()).map(move |s| (t, s))).collect();
        let mut parts: Vec<Part> = tasks
            .par_iter()
            .map(|&(t, s)| {
                let tile = &queries[tiles[t].start * d..tiles[t].end * d];
                let (shard, rows) = &segments[s];
                self.task(Operand::new(tile, tiles[t].len(), d), *shard, rows.clone(), width, top_k)
            })
            .collect();
        let mut found = Vec::with_capacity(b);
        let mut means = Vec::with_capacity(b * width);
        for of_tile in parts.chunks_mut(segments.len().max(1)) {
            let Some((whole, rest)) = of_tile.split_first_mut() else { continue };
            rest.iter().for_each(|part| whole.merge(part, width));
            for (i, f) in whole.found.iter().enumerate() {
                let inverse = (1.0 / f.carry.l) as f32;
                means.extend(whole.sums[i * width..(i + 1) * width].iter().map(|v| v * inverse));
            }
            found.append(&mut whole.found);
        }
        (found, means)
    }

    fn task(
        &self,
        queries: Operand<'_>,
        shard: usize,
        rows: Range<usize>,
        width: usize,
        top_k: usize,
    ) -> Part {
        let (b, d) = queries.shape;
        let Form { similarity, beta, .. } = self.form;
        let mut part = Part {
            found: (0..b).map(|_| Found { carry: Carry::EMPTY, best: Best::new(top_k) }).collect(),
            sums: vec![0.0; b * width],
        };
        let scale: Vec<f32> =
            queries.data.chunks_exact(d).map(|x| beta * Term::of_query(similarity, squared(x)).0).collect();
        // A block of patterns takes about a quarter of a typical second-level cache.
        let length = (65_536 / d.max(width).max(1)).clamp(32, 512);
        let mut scores = vec![0.0_f32; b * length];
        let (mut widened, mut widened_values) = (Vec::new(), Vec::new());
        for start in rows.clone().step_by(length) {
            let range = start..(start + length).min(rows.end);
            let at = self.patterns[shard].first + start;
            let n = range.len();
            let terms = &self.terms[at..at + n];
            let patterns = self.patterns[shard].values(range.clone(), &mut widened);
            let scores = &mut scores[..b * n];
            products(scores, queries, Operand::new(patterns, n, d), similarity, 1);
            for (i, row) in scores.chunks_exact_mut(n).enumerate() {
                scale_scores(row, terms, scale[i]);
                let found = &mut part.found[i];
                found.best.scan(row, at as u32);
                let (carry, shrink) = exponentials(row, terms, found.carry, similarity);
                found.carry = carry;
                if shrink != 1.0 {
                    let sums = &mut part.sums[i * width..(i + 1) * width];
                    simd!(sums.iter_mut().for_each(|v| *v *= shrink));
                }
            }
            let readout = match &self.readout {
                Readout::Nothing => continue,
                Readout::Patterns => patterns,
                Readout::Values(shards) => shards[shard].values(range, &mut widened_values),
            };
            accumulate(&mut part.sums, Operand::new(scores, b, n), Operand::new(readout, n, width));
        }
        part
    }
}

/// Products to scores `beta * similarity` without what is the same for all patterns; hidden patterns
/// to [`MASKED`].
fn scale_scores(row: &mut [f32], terms: &[Term], scale: f32) {
    simd!({
        for (s, t) in row.iter_mut().zip(terms) {
            let score = scale * (*s * t.scale + t.bias);
            *s = if t.eligible() { score } else { MASKED };
        }
    });
}

/// Scores to `exp(score - m)`, with the carry that includes them; also the factor by which what was
/// summed before must shrink.
fn exponentials(row: &mut [f32], terms: &[Term], before: Carry, similarity: Similarity) -> (Carry, f32) {
    simd!({
        let m = math::maximum(row).max(before.m as f32);
        let mut carry = Carry { m: f64::from(m), l: 0.0, h: 0.0, le: 0.0 };
        let mut entropies = [0.0_f32; 512];
        for (v, h) in row.iter_mut().zip(&mut entropies) {
            let z = *v - m;
            let e = if *v > 0.5 * MASKED { exp_nonpositive(z) } else { 0.0 };
            *v = e;
            *h = if e > 0.0 { e * z } else { 0.0 };
        }
        carry.l = f64::from(math::sum(row));
        carry.h = f64::from(math::sum(&entropies[..row.len()]));
        carry.le = if similarity == Similarity::Cosine {
            row.iter().zip(terms).map(|(e, t)| if t.scale > 0.0 { f64::from(e / t.scale) } else { 0.0 }).sum()
        } else {
            carry.l
        };
        let (merged, shrink, _) = before.merge(carry);
        (merged, if before.l > 0.0 { shrink as f32 } else { 1.0 })
    })
}

/// `sums += weights readout`, skipping where every weight has underflowed.
fn accumulate(sums: &mut [f32], weights: Operand<'_>, readout: Operand<'_>) {
    let ((b, n), (_, width)) = (weights.shape, readout.shape);
    if b < 3 {
        simd!({
            for (sum, row) in sums.chunks_exact_mut(width).zip(weights.data.chunks_exact(n)) {
                for (w, xi) in row.iter().zip(readout.data.chunks_exact(width)) {
                    if *w > 0.0 {
                        math::axpy(sum, *w, xi);
                    }
                }
            }
        });
    } else if weights.data.iter().any(|w| *w > 0.0) {
        matmul(sums, weights, readout, Layout::NN, true, 1);
    }
}

impl Part {
    /// Takes in the part of the patterns that follow.
    fn merge(&mut self, other: &Self, width: usize) {
        for (i, (a, b)) in self.found.iter_mut().zip(&other.found).enumerate() {
            let (carry, fa, fb) = a.carry.merge(b.carry);
            a.carry = carry;
            a.best.merge(&b.best);
            let range = i * width..(i + 1) * width;
            for (x, y) in self.sums[range.clone()].iter_mut().zip(&other.sums[range]) {
                *x = fa as f32 * *x + fb as f32 * *y;
            }
        }
    }
}

/// See [`crate::ops::descent::descend`].
pub(crate) fn descend(
    landscape: &Landscape<'_>,
    terms: &[Term],
    queries: &Rows<'_>,
    plan: &Plan<'_>,
) -> Outcome {
    let b = queries.rows();
    let mut outcome = Outcome::default();
    let total = b.div_ceil(BATCH) as u64 * u64::from(plan.steps + 1);
    for (batch, start) in (0..b).step_by(BATCH).enumerate() {
        let done = batch as u64 * u64::from(plan.steps + 1);
        let tell = |step: u32| {
            if let Some(progress) = plan.progress {
                progress(done + u64::from(step), total);
            }
        };
        outcome.append(descend_batch(landscape, terms, queries, start..(start + BATCH).min(b), plan, &tell));
    }
    outcome
}

fn descend_batch(
    landscape: &Landscape<'_>,
    terms: &[Term],
    queries: &Rows<'_>,
    range: Range<usize>,
    plan: &Plan<'_>,
    tell: &dyn Fn(u32),
) -> Outcome {
    let (b, d) = (range.len(), queries.columns());
    let origin = queries.slice(range.clone());
    let mut out = Outcome {
        states: origin.as_slice().to_vec(),
        steps: vec![0; b],
        settled: vec![false; b],
        trace: vec![Vec::new(); if plan.trace { b } else { 0 }],
        ..Outcome::default()
    };
    let mut source = Source {
        patterns: landscape.patterns.cpu_shards(),
        readout: Readout::Patterns,
        terms,
        form: landscape.form,
    };
    // Only states that still move take part in a step.
    let mut active: Vec<usize> = (0..b).collect();
    for step in 0..plan.steps {
        if active.is_empty() {
            break;
        }
        let states: Vec<f32> =
            active.iter().flat_map(|&i| &out.states[i * d..(i + 1) * d]).copied().collect();
        let (found, means) = source.pass(&states, d, 0);
        active = active
            .iter()
            .enumerate()
            .filter_map(|(at, &i)| {
                let x = &mut out.states[i * d..(i + 1) * d];
                if plan.trace {
                    out.trace[i].push(found[at].carry.energy(landscape.form, squared_f64(x)));
                }
                let clamp = plan.clamp.map(|c| clamp_row(c, range.start + i, d));
                let change = update(x, &means[at * d..(at + 1) * d], plan.step_size, clamp);
                out.steps[i] += 1;
                out.settled[i] = change <= plan.tolerance;
                (!out.settled[i] || plan.tolerance == 0.0).then_some(i)
            })
            .collect();
        tell(step + 1);
    }
    source.readout = plan.values.map_or(Readout::Nothing, |v| Readout::Values(v.cpu_shards()));
    let (found, values) = source.pass(&out.states, d, plan.top_k);
    out.values = values;
    for (i, f) in found.into_iter().enumerate() {
        let energy = f.carry.energy(landscape.form, squared_f64(&out.states[i * d..(i + 1) * d]));
        out.energy.push(energy);
        if plan.trace {
            out.trace[i].push(energy);
        }
        out.effective.push(f.carry.effective());
        let best = f.best.into_sorted();
        out.indices.extend(best.iter().map(|e| e.0));
        out.scores.extend(best.iter().map(|e| e.1));
        out.weights.extend(best.iter().map(|e| f.carry.weight(e.1)));
    }
    tell(plan.steps + 1);
    out
}

fn squared_f64(x: &[f32]) -> f64 {
    x.iter().map(|v| f64::from(*v) * f64::from(*v)).sum()
}

/// Moves a state towards its update; gives the largest coordinate change.
fn update(x: &mut [f32], mean: &[f32], step_size: f32, clamp: Option<&[bool]>) -> f32 {
    let mut change = 0.0_f32;
    for (j, (x, y)) in x.iter_mut().zip(mean).enumerate() {
        if clamp.is_some_and(|c| c[j]) {
            continue;
        }
        let next = if step_size == 1.0 { *y } else { *x + step_size * (*y - *x) };
        change = change.max((next - *x).abs());
        *x = next;
    }
    change
}

/// See [`crate::ops::step`].
pub(crate) fn step(
    queries: Operand<'_>,
    patterns: Operand<'_>,
    beta: f32,
    similarity: Similarity,
) -> (Vec<f32>, Vec<f32>) {
    let (_, d) = queries.shape;
    let terms: Vec<Term> =
        patterns.data.chunks_exact(d).map(|xi| Term::new(similarity, squared(xi))).collect();
    let form = Form { similarity, beta, offset: 0.0 };
    let whole = CpuShard::new(patterns.data, d);
    let source = Source { patterns: vec![whole], readout: Readout::Patterns, terms: &terms, form };
    let (mut states, mut energies) = (Vec::new(), Vec::new());
    for batch in queries.data.chunks(BATCH * d) {
        let (found, means) = source.pass(batch, d, 0);
        states.extend(means);
        energies.extend(
            found.iter().zip(batch.chunks_exact(d)).map(|(f, x)| f.carry.energy(form, squared_f64(x))),
        );
    }
    (states, energies)
}
