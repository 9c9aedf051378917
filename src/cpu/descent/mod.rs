//! The softmax recall on the CPU.
//!
//! Work is cut into tasks of a tile of queries times a segment of patterns. A task goes through its
//! segment in blocks that stay in the cache: scores of the block, running maximum and sums, weighted
//! accumulation, so that patterns are read once. The tasks' carries then merge. The cut depends on the shapes alone, so the result
//! does not depend on the number of cores.

mod few;
mod tile;

use super::{
    kernel::LANES,
    matmul::Operand,
    similarity::{squared, terms},
    topk::Best,
};
use crate::{
    Rows,
    ops::{
        Similarity, Term,
        descent::{Carry, Form, Landscape, Outcome, Plan, clamp_row},
    },
    tensor::CpuShard,
};
use rayon::prelude::*;
use std::ops::Range;

/// Queries whose recall runs together; bounds the scratch memory.
const BATCH: usize = 512;
/// Fewest queries that fill lanes well enough: fewer are bound by memory, not by arithmetic.
const FEW: usize = 3;
/// Fewest patterns worth a task of their own.
const SEGMENT: usize = 4096;
/// Most tasks of one pass, whatever the shapes.
const TASKS: usize = 64;
/// Most patterns of a block.
const LONGEST_BLOCK: usize = 512;

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

/// A task: some rows of one shard, for some queries.
struct Work<'a> {
    source: &'a Source<'a>,
    shard: usize,
    rows: Range<usize>,
    /// Columns of the rows that are summed.
    width: usize,
    top_k: usize,
}

/// Patterns that stay in the cache while they are scored and summed.
struct Block<'a> {
    /// `[n, d]`
    patterns: &'a [f32],
    terms: &'a [Term],
    /// `[n, width]`, where anything is summed.
    readout: Option<&'a [f32]>,
    /// Number of the first pattern in the whole.
    first: usize,
}

impl Work<'_> {
    /// The factor on a query's scores.
    fn scale(&self, x: &[f32]) -> f32 {
        self.source.form.beta * Term::of_query(self.source.form.similarity, squared(x)).0
    }

    fn for_each_block(&self, mut f: impl FnMut(&Block<'_>)) {
        let shard = &self.source.patterns[self.shard];
        // A block takes about a quarter of a typical second-level cache.
        let length = (65_536 / shard.columns.max(self.width).max(1)).clamp(32, LONGEST_BLOCK);
        let (mut widened, mut widened_values) = (Vec::new(), Vec::new());
        for start in self.rows.clone().step_by(length) {
            let rows = start..(start + length).min(self.rows.end);
            let first = shard.first + start;
            let terms = &self.source.terms[first..first + rows.len()];
            let patterns = shard.values(rows.clone(), &mut widened);
            let readout = match &self.source.readout {
                Readout::Nothing => None,
                Readout::Patterns => Some(patterns),
                Readout::Values(shards) => Some(shards[self.shard].values(rows, &mut widened_values)),
            };
            f(&Block { patterns, terms, readout, first });
        }
    }
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
        let tiles: Vec<Range<usize>> = (0..b).step_by(LANES).map(|t| t..(t + LANES).min(b)).collect();
        let segments = self.segments(tiles.len());
        // All tiles of a segment one after another, while its patterns are in a shared cache.
        let tasks: Vec<(usize, usize)> =
            (0..segments.len()).flat_map(|s| (0..tiles.len()).map(move |t| (t, s))).collect();
        let mut parts: Vec<Part> = tasks
            .par_iter()
            .map(|&(t, s)| {
                let tile = &queries[tiles[t].start * d..tiles[t].end * d];
                let tile = Operand::new(tile, tiles[t].len(), d);
                let (shard, rows) = segments[s].clone();
                let work = Work { source: self, shard, rows, width, top_k };
                if tile.shape.0 < FEW { few::run(&work, tile) } else { tile::run(&work, tile) }
            })
            .collect();
        let mut found = Vec::with_capacity(b);
        let mut means = Vec::with_capacity(b * width);
        for t in 0..tiles.len() {
            let (first, rest) = parts[t..].split_at_mut(1);
            let whole = &mut first[0];
            rest.iter().skip(tiles.len() - 1).step_by(tiles.len()).for_each(|part| whole.merge(part, width));
            for (i, f) in whole.found.iter().enumerate() {
                let inverse = (1.0 / f.carry.l) as f32;
                means.extend(whole.sums[i * width..(i + 1) * width].iter().map(|v| v * inverse));
            }
            found.append(&mut whole.found);
        }
        (found, means)
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
    let passes = u64::from(plan.steps) + 1;
    let total = b.div_ceil(BATCH) as u64 * passes;
    for (batch, start) in (0..b).step_by(BATCH).enumerate() {
        let tell = |pass: u64| {
            if let Some(progress) = plan.progress {
                progress(batch as u64 * passes + pass, total);
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
    tell: &dyn Fn(u64),
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
        tell(u64::from(step) + 1);
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
    tell(u64::from(plan.steps) + 1);
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
    kind: Similarity,
) -> (Vec<f32>, Vec<f32>) {
    let (_, d) = queries.shape;
    let terms = terms(patterns, kind);
    let form = Form { similarity: kind, beta, offset: 0.0 };
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
