//! The softmax recall on the CPU.
//!
//! Work is cut into tasks of a group of query tiles times a segment of patterns. A task goes through
//! its segment in blocks that stay in the cache: scores of the block, running maximum and sums, weighted
//! accumulation, for one tile after another, so that patterns are read from memory once. The tasks' carries
//! then merge as a tree. The cut depends on the shapes alone, so the result does not depend on the number
//! of cores.

mod few;
mod nearest;
mod tile;
mod wide;

pub(crate) use nearest::nearest;

use super::{
    kernel::{LANES, Metric},
    matmul::Operand,
    similarity::{squared, terms},
    topk::Best,
};
use crate::{
    Result, Rows,
    contract::{Carry, Form, Landscape, Outcome, Plan, Similarity, Term, report, settle},
    tensor::CpuShard,
};
use parking_lot::Mutex;
use std::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Queries whose recall runs together; bounds the scratch memory.
const BATCH: usize = 512;
/// Fewest queries that fill lanes well enough: fewer are bound by memory, not by arithmetic.
const FEW: usize = 9;
/// Fewest patterns worth a task of their own.
const SEGMENT: usize = 2048;
/// Most segments, whatever the number of patterns: enough for the cores of any one processor.
const SEGMENTS: usize = 64;
/// Tasks below which the tiles of a pass are spread over several groups.
const TASKS: usize = 32;
/// Values of a block: about a quarter of a typical second-level cache.
const BLOCK: usize = 65_536;
/// Most patterns of a block.
const LONGEST_BLOCK: usize = 512;

/// What a pass over the patterns reads.
struct Source<'a> {
    patterns: Vec<CpuShard<'a>>,
    /// Rows that are summed with the weights; the patterns themselves, or nothing, or values.
    readout: Readout<'a>,
    terms: &'a [Term],
    form: Form,
    /// Whether the entropy of the weights is wanted.
    entropy: bool,
    /// The largest squared length of a query that anything is made of.
    most: f32,
}

/// What becomes of the scores.
enum Readout<'a> {
    /// Just the best of them are wanted.
    Best,
    /// Carries alone.
    Carry,
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

impl<'a> Work<'a> {
    /// The factor on a query's scores.
    fn scale(&self, x: &[f32]) -> f32 {
        let (squared, form) = (squared(x), self.source.form);
        if let Some(known) = form.known {
            let factor = if form.squares() { -0.5 } else { 1.0 };
            return form.beta * known.factor(x.iter().map(|v| v.is_nan())) * factor;
        }
        if squared <= self.source.most {
            // Of a squared distance, -1/2 is the similarity; unit rows have been made by then.
            let factor = if form.squares() { -0.5 } else { Term::of_query(form.similarity, squared).0 };
            form.beta * factor
        } else {
            f32::NAN
        }
    }

    /// Rows of the shard that stay in the cache while they are scored and summed.
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let length = (BLOCK / self.patterns().columns.max(self.width).max(1)).clamp(32, LONGEST_BLOCK);
        let end = self.rows.end;
        self.rows.clone().step_by(length).map(move |start| start..(start + length).min(end))
    }

    fn patterns(&self) -> &CpuShard<'a> {
        &self.source.patterns[self.shard]
    }

    /// The terms of some rows of the shard, and the number of the first in the whole.
    fn terms(&self, rows: &Range<usize>) -> (&'a [Term], usize) {
        let first = self.patterns().first;
        (&self.source.terms[first + rows.start..first + rows.end], first + rows.start)
    }

    /// What the weights of some rows are applied to, where it is not the patterns themselves.
    fn values<'s>(&self, rows: Range<usize>, scratch: &'s mut Vec<f32>) -> Option<&'s [f32]>
    where
        'a: 's,
    {
        match &self.source.readout {
            Readout::Values(shards) => Some(shards[self.shard].values(rows, scratch)),
            _ => None,
        }
    }

    /// Rows as they are compared with queries: themselves, or brought to length 1.
    fn compared<'s>(&self, rows: &'s [f32], terms: &[Term], unit: &'s mut Vec<f32>) -> &'s [f32] {
        if !self.source.form.unit_rows() {
            return rows;
        }
        unit.clear();
        for (row, term) in rows.chunks_exact(rows.len() / terms.len().max(1)).zip(terms) {
            unit.extend(row.iter().map(|v| v * term.scale));
        }
        unit
    }

    /// Whether scores become weights.
    fn weighs(&self) -> bool {
        !matches!(self.source.readout, Readout::Best)
    }
}

/// What one query has after a pass.
struct Found {
    /// Of scores relative to the reference.
    carry: Carry,
    best: Best,
    /// 0, but for a query that was looked at in f64: its largest score.
    reference: f64,
}

impl Found {
    /// The carry of the scores themselves.
    fn absolute(&self) -> Carry {
        Carry { m: self.carry.m + self.reference, ..self.carry }
    }
}

/// One task's share: what its queries found, and their weighted sums `[queries, v]`.
struct Part {
    found: Vec<Found>,
    sums: Vec<f32>,
}

/// Some rows of one shard.
type Segment = (usize, Range<usize>);

impl Source<'_> {
    /// What scores are made of.
    fn metric(&self) -> Metric {
        match self.form.similarity {
            Similarity::L1 if self.form.known.is_some() => Metric::KnownAbsolute,
            Similarity::L1 => Metric::Absolute,
            _ if self.form.squares() && self.form.known.is_some() => Metric::KnownSquared,
            _ if self.form.squares() => Metric::Squared,
            _ => Metric::Product,
        }
    }

    /// The weight, relative to the largest, up to which patterns need not be summed: all of them together are below the last place of f32. Values
    /// of a pattern with so little weight may be any, and it may be longer than those with more by the dot product and the cosine: it is summed.
    fn least_weight(&self) -> f32 {
        match (&self.readout, self.form.similarity) {
            (Readout::Patterns, Similarity::L2 | Similarity::L1) => {
                let n: usize = self.patterns.iter().map(|s| s.rows).sum();
                2.0_f32.powi(-26) / n.max(1) as f32
            }
            _ => 0.0,
        }
    }

    fn width(&self, d: usize) -> usize {
        match &self.readout {
            Readout::Best | Readout::Carry => 0,
            Readout::Patterns => d,
            Readout::Values(shards) => shards.first().map_or(0, |s| s.columns),
        }
    }

    /// The patterns in segments of whole rows.
    fn segments(&self) -> Vec<Segment> {
        let n: usize = self.patterns.iter().map(|s| s.rows).sum();
        // A power of two, so that cores get equal shares.
        let wanted = 1 << (n / SEGMENT).clamp(1, SEGMENTS).ilog2();
        let length = n.div_ceil(wanted).max(1);
        let mut out = Vec::new();
        for (i, shard) in self.patterns.iter().enumerate() {
            let starts = (0..shard.rows).step_by(length);
            out.extend(starts.map(|start| (i, start..(start + length).min(shard.rows))));
        }
        out
    }

    /// One pass of `queries [b, d]` over all patterns: what each query found, and the weighted means
    /// `[b, v]` of the read-out rows. Queries for which f32 is not enough are looked at in f64.
    fn pass(&self, queries: &[f32], d: usize, top_k: usize) -> (Vec<Found>, Vec<f32>) {
        let single = self.form.resolution.single;
        if single < 0.0 {
            return wide::pass(self, queries, d, top_k);
        }
        let (mut found, mut means) = match self.form.unit_rows() {
            true => self.pass_in_f32(&unit_rows(queries, d), d, top_k),
            false => self.pass_in_f32(queries, d, top_k),
        };
        let far = |i: &usize| found[*i].carry.l > 0.0 && found[*i].carry.m.abs() > single;
        let far: Vec<usize> = (0..found.len()).filter(far).collect();
        if !far.is_empty() {
            let some: Vec<f32> = far.iter().flat_map(|i| &queries[i * d..(i + 1) * d]).copied().collect();
            let (again, of_again) = wide::pass(self, &some, d, top_k);
            let width = self.width(d);
            for (at, (i, again)) in far.into_iter().zip(again).enumerate() {
                found[i] = again;
                means[i * width..(i + 1) * width].copy_from_slice(&of_again[at * width..(at + 1) * width]);
            }
        }
        (found, means)
    }

    fn pass_in_f32(&self, queries: &[f32], d: usize, top_k: usize) -> (Vec<Found>, Vec<f32>) {
        self.in_tasks(queries, d, top_k, |work, _, queries| {
            if queries.shape.0 < FEW { few::run(work, queries) } else { tile::run(work, queries) }
        })
    }

    /// A pass cut into tasks; `run` is told the number of its first query.
    fn in_tasks(
        &self,
        queries: &[f32],
        d: usize,
        top_k: usize,
        run: impl Fn(&Work<'_>, usize, Operand<'_>) -> Part + Sync,
    ) -> (Vec<Found>, Vec<f32>) {
        let width = self.width(d);
        let segments = self.segments();
        let tiles = (queries.len() / d).div_ceil(LANES);
        let groups = TASKS.div_ceil(segments.len().max(1)).min(tiles);
        let group = tiles.div_ceil(groups.max(1)) * LANES * d;
        let groups: Vec<Operand<'_>> =
            queries.chunks(group.max(1)).map(|x| Operand::new(x, x.len() / d, d)).collect();
        let trees: Vec<Tree> = groups.iter().map(|_| Tree::new(segments.len(), width)).collect();
        // All groups of a segment one after another, while its patterns are in a shared cache.
        for_each_task(segments.len() * groups.len(), |task| {
            let (segment, at) = (task / groups.len(), task % groups.len());
            let (shard, rows) = segments[segment].clone();
            let work = Work { source: self, shard, rows, width, top_k };
            trees[at].deliver(segment, run(&work, at * (group / d), groups[at]));
        });
        let mut found = Vec::with_capacity(queries.len() / d);
        let mut means = Vec::with_capacity(queries.len() / d * width);
        for (tree, queries) in trees.into_iter().zip(&groups) {
            let part = tree.result().unwrap_or_else(|| Part::empty(queries.shape.0, width, top_k));
            for (i, f) in part.found.iter().enumerate() {
                let inverse = (1.0 / f.carry.l) as f32;
                means.extend(part.sums[i * width..(i + 1) * width].iter().map(|v| v * inverse));
            }
            found.extend(part.found);
        }
        (found, means)
    }
}

/// Runs tasks on all cores. The calling thread takes its share: that is one thread less to wake, and where there are
/// few cores waking costs more than a short pass.
fn for_each_task(tasks: usize, run: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                break;
            }
            run(task);
        }
    };
    let helpers = rayon::current_num_threads().min(tasks).saturating_sub(1);
    rayon::in_place_scope(|scope| {
        (0..helpers).for_each(|_| scope.spawn(|_| work()));
        work();
    });
}

/// Parts of one group of queries on their way to a whole. They merge as a balanced tree, as soon as both
/// sides of a node are there: few of them are kept at a time, and their order is always the same.
struct Tree {
    /// One a node, from the root at 1 on: the side that came first.
    waiting: Vec<Mutex<Option<Part>>>,
    parts: usize,
    width: usize,
}

impl Tree {
    fn new(parts: usize, width: usize) -> Self {
        let nodes = parts.max(1).next_power_of_two();
        Self { waiting: (0..nodes).map(|_| Mutex::default()).collect(), parts, width }
    }

    /// Takes the part of a segment in.
    fn deliver(&self, segment: usize, mut part: Part) {
        let leaves = self.waiting.len();
        // The leaf; nodes that are only leaves have no entry of their own.
        let (mut node, mut span) = (leaves + segment, 1);
        while node > 1 {
            // Where the other side has no segments there is nothing to wait for.
            let other_starts = ((node ^ 1) * span) % leaves;
            if node % 2 == 1 || other_starts < self.parts {
                let mut waiting = self.waiting[node / 2].lock();
                match waiting.take() {
                    None => {
                        *waiting = Some(part);
                        return;
                    }
                    Some(mut other) if node % 2 == 1 => {
                        other.merge(&part, self.width);
                        part = other;
                    }
                    Some(other) => part.merge(&other, self.width),
                }
            }
            (node, span) = (node / 2, span * 2);
        }
        *self.waiting[0].lock() = Some(part);
    }

    /// The whole; `None` where there was nothing.
    fn result(self) -> Option<Part> {
        let root = self.waiting.into_iter().next()?;
        root.into_inner()
    }
}

impl Part {
    /// Of no patterns.
    fn empty(queries: usize, width: usize, top_k: usize) -> Self {
        let found = || Found { carry: Carry::EMPTY, best: Best::new(top_k), reference: 0.0 };
        Self { found: (0..queries).map(|_| found()).collect(), sums: vec![0.0; queries * width] }
    }

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
    landscape: &Landscape<'_, [Term]>,
    queries: &Rows<'_>,
    plan: &Plan<'_>,
) -> Result<Outcome> {
    let (b, d) = (queries.rows(), queries.columns());
    let mut out = Outcome::start(queries, plan);
    let Landscape { patterns, terms, form } = *landscape;
    out.form = form.resolution.form;
    let patterns = patterns.cpu_shards();
    let mut source =
        Source { patterns, readout: Readout::Patterns, terms, form, entropy: false, most: f32::MAX };
    let energy = |carry: Carry, x: &[f32]| carry.energy(form, squared_f64(x));
    let pass = |states: Vec<f32>| {
        let (found, means) = source.pass(&states, d, 0);
        Ok((found.iter().map(Found::absolute).collect(), means))
    };
    let updates = b as u64 * u64::from(plan.steps);
    let tell = |done: u64| report(plan.progress, done, updates + b as u64);
    settle(&mut out, d, plan, BATCH, energy, pass, tell)?;
    if !plan.evaluate {
        return Ok(out);
    }
    source.entropy = true;
    source.readout = plan.values.map_or(Readout::Carry, |v| Readout::Values(v.cpu_shards()));
    for start in (0..b).step_by(BATCH) {
        let end = (start + BATCH).min(b);
        let (found, values) = source.pass(&out.states[start * d..end * d], d, plan.top_k);
        out.values.extend(values);
        for (i, f) in (start..end).zip(found) {
            let absolute = f.absolute();
            let energy = energy(absolute, &out.states[i * d..(i + 1) * d]);
            out.conclude(absolute, energy);
            let best = f.best.into_sorted();
            out.indices.extend(best.iter().map(|e| e.0));
            out.scores.extend(best.iter().map(|e| f64::from(e.1) + f.reference));
            out.weights.extend(best.iter().map(|e| f.carry.weight(e.1.into())));
        }
        tell(updates + end as u64)?;
    }
    Ok(out)
}

/// Rows `[b, d]` brought to length 1; what has no length stays.
fn unit_rows(rows: &[f32], d: usize) -> Vec<f32> {
    let unit = |x: &[f32]| {
        let scale = inverse_length(x);
        x.iter().map(|v| (f64::from(*v) * scale) as f32).collect::<Vec<f32>>()
    };
    rows.chunks_exact(d).flat_map(unit).collect()
}

/// `1 / |x|`, or 0 of a row of zeros.
fn inverse_length(x: &[f32]) -> f64 {
    let squared = squared_f64(x);
    if squared < f64::from(f32::MIN_POSITIVE) { 0.0 } else { squared.sqrt().recip() }
}

fn squared_f64(x: &[f32]) -> f64 {
    x.iter().map(|v| f64::from(*v) * f64::from(*v)).sum()
}

/// The name of the way in which a step of `b` queries is made.
pub(crate) fn variant(b: usize) -> &'static str {
    if b < FEW { "stream" } else { "tiles" }
}

/// See [`crate::ops::step`].
pub(crate) fn step(
    queries: Operand<'_>,
    patterns: Operand<'_>,
    beta: f32,
    kind: Similarity,
    most: f32,
) -> (Vec<f32>, Vec<f32>) {
    let (_, d) = queries.shape;
    let terms = terms(patterns, kind);
    let form = Form::plain(kind, beta);
    let whole = CpuShard::new(patterns.data, d);
    let source = Source {
        patterns: vec![whole],
        readout: Readout::Patterns,
        terms: &terms,
        form,
        entropy: false,
        most,
    };
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
