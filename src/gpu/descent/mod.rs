//! The softmax recall on the GPU.
//!
//! A step goes through the patterns by one of the ways of [`Strategy`]: as a chain of products
//! (`chain`), or in one pass that writes no scores (`fused`). `finish` makes the next states and marks
//! what has settled; settled queries are left out by the kernels themselves, so all steps are recorded
//! at once: one submission, one readback.

mod chain;
mod fused;
mod nearest;
mod stream;

pub(in crate::gpu) use chain::scores_family;
pub(in crate::gpu) use fused::{can, fused_memory};
pub(crate) use nearest::nearest;

use super::{
    Buffer, Context, Dispatch, Matrix, Strategy, matmul,
    matmul::word,
    padded, parameters,
    similarity::terms,
    softmax::by_rows,
    topk::{Best, MAX_TOP_K},
    unpadded,
};
use crate::{
    Device, Error, Precision, Result, Rows,
    contract::{
        Carry, Form, GpuTerms, Landscape, MASKED, Outcome, Plan, Similarity, Term, clamp_row, report,
    },
    tensor::Shards,
};
use chain::Pass;
use fused::Shape;
use std::{ops::Range, sync::Arc};
use stream::Stream;

/// Most queries of one recording.
const BATCH: usize = 1024;
/// Bytes of the scores of one chunk, and of the slices of one product.
const SCRATCH: usize = 32 << 20;
/// Steps between looks at whether any query still moves. A recall of fewer steps is one submission.
const LOOK: u32 = 128;
/// Most patterns of one chunk.
const CHUNK: usize = 32_768;

/// One query's state on the device; see `shaders/shared/query.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
struct Query {
    m: f32,
    l: f32,
    h: f32,
    le: f32,
    shrink: f32,
    scale: f32,
    bias: f32,
    squared: f32,
    settled: u32,
    steps: u32,
    unit: f32,
    unused: u32,
}

/// What the device knows of a batch of queries.
pub(super) struct Queries {
    pub(super) queries: Buffer,
    /// Per 8 queries, how many still move.
    pub(super) active: Buffer,
    count: usize,
}

impl Queries {
    pub(super) fn new(context: &Arc<Context>, count: usize) -> Result<Self> {
        let active: Vec<u32> = (0..count).step_by(8).map(|i| (count - i).min(8) as u32).collect();
        Ok(Self {
            queries: context.storage("queries", (count * size_of::<Query>()) as u64)?,
            active: context.upload("activity", bytemuck::cast_slice(&active))?,
            count,
        })
    }

    /// Waits for what is recorded, and tells whether any query still moves.
    fn moving(&self, context: &Arc<Context>) -> Result<bool> {
        Ok(context.read(&[&self.active])?[0].iter().any(|byte| *byte != 0))
    }

    /// Records what comes before the first pass.
    pub(super) fn start(
        &self,
        context: &Arc<Context>,
        states: &Buffer,
        d: usize,
        start: Start,
    ) -> Result<()> {
        let Start { form, complete, most } = start;
        let width = padded(d) / 4;
        let (kernel, groups, trips) =
            by_rows(context, ("start.serial", "start.group"), self.count, width, (1, 1));
        context.dispatch(&Dispatch {
            kernel,
            parameters: &parameters::Start {
                rows: self.count as u32,
                width: width as u32,
                beta: form.beta,
                cosine: lengths(form),
                complete: u32::from(complete),
                most: most.map_or(u32::MAX, f32::to_bits),
            },
            buffers: &[states, &self.queries],
            groups,
            trips,
            work: (self.count * d) as f64,
        })
    }
}

/// What the kernels make of a state's length; see `shaders/start.wgsl`.
fn lengths(form: Form) -> u32 {
    match form.similarity {
        Similarity::Cosine if form.unit_rows() => 2,
        Similarity::Cosine => 1,
        _ => 0,
    }
}

/// Queries before their first pass.
pub(super) struct Start {
    pub(super) form: Form,
    /// Whether `-1/2 |x|^2` is added to all scores.
    pub(super) complete: bool,
    /// The largest squared length of a query that anything is made of, where that is not any.
    pub(super) most: Option<f32>,
}

/// Some patterns of one shard.
struct Chunk<'a> {
    patterns: &'a Buffer,
    terms: &'a Buffer,
    /// Values in place of the patterns in the weighted sums, with their first row.
    readout: Option<(&'a Buffer, usize)>,
    rows: Range<usize>,
    /// Number of the first pattern in the whole.
    first: usize,
}

/// A batch of queries on its way.
struct Batch<'a> {
    context: &'a Arc<Context>,
    form: Form,
    d: usize,
    precision: Precision,
    states: &'a Buffer,
    queries: Queries,
    /// Weighted sums `[b, width]`.
    sums: Buffer,
    scores: Buffer,
    slices: Buffer,
    /// Patterns of a chunk of a chain.
    chunk: usize,
    /// How updates are made: in one pass of this shape, or by a chain of products of this tile.
    shape: Option<Shape>,
    tile: Option<Strategy>,
}

impl<'a> Batch<'a> {
    fn new(
        context: &'a Arc<Context>,
        form: Form,
        states: &'a Buffer,
        [b, n, d]: [usize; 3],
        precision: Precision,
        widest: usize,
        wanted: Option<Strategy>,
    ) -> Result<Self> {
        let scratch = SCRATCH.min(context.binding_limit() as usize);
        let chunk = (scratch / 4 / b).clamp(64, CHUNK).min(n.next_multiple_of(64)) / 64 * 64;
        let by_rule = || match form.squares() {
            true => matmul::tile(context, None, b, n.min(CHUNK), 1),
            false => fused::strategy(context, form.similarity, [b, n, d], precision),
        };
        let strategy = wanted.unwrap_or_else(by_rule);
        let shape = Shape::of(strategy, d, b, precision);
        let parts = shape.as_ref().map_or(1, |shape| shape.parts(b, n));
        let splits = parts.max(Self::most_splits(context, b, widest, chunk, scratch));
        let slices = (splits * b * padded(widest) * 4).min(scratch.max(b * padded(widest) * 4));
        Ok(Self {
            context,
            form,
            d,
            precision,
            states,
            queries: Queries::new(context, b)?,
            sums: context.storage("weighted sums", (b * padded(widest) * 4) as u64)?,
            // Also holds what each part of a pass in one kernel found.
            scores: context.storage("scores", (b * chunk * 4).max(splits * b * 16) as u64)?,
            slices: context.storage("slices", slices as u64)?,
            chunk,
            tile: Some(strategy).filter(|_| shape.is_none()),
            shape,
        })
    }

    /// Most patterns of one chunk of an update.
    fn longest(&self) -> usize {
        if self.shape.is_none() { self.chunk } else { usize::MAX }
    }

    /// Records a pass for an update of the states: weighted sums of the patterns.
    /// `fresh` says that nothing has been summed yet.
    fn update(&self, patterns: &[Chunk<'_>], skip: bool, fresh: bool) -> Result<()> {
        if let Some(shape) = &self.shape {
            return self.one_pass(shape, patterns, skip, fresh);
        }
        self.pass(
            patterns,
            &mut Pass { width: self.d, precision: self.precision, skip, weigh: true, best: None },
            fresh,
        )
    }

    /// The next states.
    fn finish(&self, finish: &Finish<'_>) -> Result<()> {
        let (b, width) = (self.queries.count, padded(self.d) / 4);
        let (kernel, groups, trips) =
            by_rows(self.context, ("finish.serial", "finish.group"), b, width, (1, 2));
        self.context.dispatch(&Dispatch {
            kernel,
            parameters: &parameters::Finish {
                rows: b as u32,
                width: width as u32,
                beta: self.form.beta,
                cosine: lengths(self.form),
                skip: u32::from(finish.skip),
                step_size: finish.step_size,
                tolerance: finish.tolerance,
                clamp_width: if finish.clamp_per_query { width as u32 } else { 0 },
                use_clamp: u32::from(finish.clamp.is_some()),
                trace_first: finish.trace_first as u32,
                use_trace: u32::from(finish.trace.is_some()),
            },
            buffers: &[
                &self.sums,
                self.states,
                finish.clamp.unwrap_or(&self.slices),
                &self.queries.queries,
                &self.queries.active,
                finish.trace.unwrap_or(&self.scores),
            ],
            groups,
            trips,
            work: 10.0 * b as f64 * self.d as f64,
        })
    }
}

/// How a step ends.
struct Finish<'a> {
    skip: bool,
    step_size: f32,
    tolerance: f32,
    clamp: Option<&'a Buffer>,
    clamp_per_query: bool,
    trace: Option<&'a Buffer>,
    trace_first: usize,
}

/// See [`crate::ops::descent::descend`].
pub(crate) fn descend(
    context: &Arc<Context>,
    landscape: &Landscape<'_, GpuTerms>,
    queries: &Rows<'_>,
    plan: &Plan<'_>,
) -> Result<Outcome> {
    descend_by(context, landscape, queries, plan, None)
}

/// The same, with the way of updating that is wanted.
fn descend_by(
    context: &Arc<Context>,
    landscape: &Landscape<'_, GpuTerms>,
    queries: &Rows<'_>,
    plan: &Plan<'_>,
    wanted: Option<Strategy>,
) -> Result<Outcome> {
    let b = queries.rows();
    word("number of patterns", landscape.patterns.rows())?;
    if plan.top_k > MAX_TOP_K {
        return Err(Error::parameter(
            "top_k",
            plan.top_k,
            format!("at most {MAX_TOP_K} on a GPU; use the CPU"),
        ));
    }
    let widest = landscape.patterns.columns().max(plan.values.map_or(0, Shards::columns));
    // A batch's states must fit a binding, and its scores of the smallest chunk.
    let limit = context.binding_limit() as usize;
    let mut batch = BATCH.min((limit / (padded(widest).max(64) * 4)).max(1));
    if plan.trace {
        batch = batch.min((limit / 16 / (plan.steps as usize).max(1)).max(1));
    }
    let total = b.div_ceil(batch) as u64;
    let mut outcome = Outcome::default();
    for (i, start) in (0..b).step_by(batch).enumerate() {
        outcome.append(descend_batch(
            context,
            landscape,
            queries,
            start..(start + batch).min(b),
            plan,
            wanted,
        )?);
        report(plan.progress, i as u64 + 1, total)?;
    }
    Ok(outcome)
}

fn descend_batch(
    context: &Arc<Context>,
    landscape: &Landscape<'_, GpuTerms>,
    queries: &Rows<'_>,
    range: Range<usize>,
    plan: &Plan<'_>,
    wanted: Option<Strategy>,
) -> Result<Outcome> {
    let (b, d) = (range.len(), queries.columns());
    let Landscape { patterns, terms, form } = *landscape;
    let widest = d.max(plan.values.map_or(0, Shards::columns));
    let states = Matrix::upload(context, &queries.slice(range.clone()), b, d)?;
    let batch = Batch::new(
        context,
        form,
        states.buffer(),
        [b, patterns.rows(), d],
        patterns.precision(),
        widest,
        wanted,
    )?;
    let (clamp, clamp_per_query) = upload_clamp(context, plan, range, d)?;
    // Where f32 may not be enough for some queries, the largest scores of all steps say for which.
    let single = form.resolution.single;
    let room = b as u64 * u64::from(plan.steps) * 16 <= context.binding_limit();
    let traced = plan.steps > 0 && (plan.trace || (single >= 0.0 && single.is_finite() && room));
    let trace = match traced {
        true => Some(context.storage("energy trace", b as u64 * u64::from(plan.steps) * 16)?),
        false => None,
    };
    let store = Stream::new(context, patterns, terms)?;
    let skip = plan.tolerance > 0.0;
    let start = Start { form, complete: false, most: None };
    batch.queries.start(context, states.buffer(), d, start)?;
    for step in 0..plan.steps {
        store.each(None, batch.longest(), |chunks, fresh| batch.update(chunks, skip, fresh))?;
        batch.finish(&Finish {
            skip,
            step_size: plan.step_size,
            tolerance: plan.tolerance,
            clamp: clamp.as_ref(),
            clamp_per_query,
            trace: trace.as_ref(),
            trace_first: step as usize * b,
        })?;
        // Most recalls settle within a few dozen steps and are over before this looks.
        if skip && (step + 1) % LOOK == 0 && step + 1 < plan.steps && !batch.queries.moving(context)? {
            break;
        }
    }
    // Where they ended: energies, weights, values.
    let mut best = Best::new(context, b, if plan.evaluate { plan.top_k } else { 0 })?;
    if plan.evaluate {
        let precision = plan.values.map_or(Precision::F32, Shards::precision);
        let width = plan.values.map_or(0, Shards::columns);
        let mut pass = Pass { width, precision, skip: false, weigh: true, best: Some(&mut best) };
        store.each(plan.values, batch.chunk, |chunks, fresh| batch.pass(chunks, &mut pass, fresh))?;
    }
    let mut wanted = vec![states.buffer(), &batch.queries.queries, best.buffer()];
    wanted.extend(trace.as_ref());
    wanted.extend(plan.values.map(|_| &batch.sums));
    let bytes = context.read(&wanted)?;
    let mut outcome = collect(form, plan, b, &bytes, traced)?;
    outcome.states = unpadded(&bytes[0], b, d);
    if let (Some(values), Some(last)) = (plan.values, bytes.last()) {
        outcome.values = unpadded(last, b, values.columns());
        let rows = outcome.values.chunks_exact_mut(values.columns());
        for (row, query) in rows.zip(bytemuck::pod_collect_to_vec::<u8, Query>(&bytes[1])) {
            row.iter_mut().for_each(|v| *v /= query.l);
        }
    }
    Ok(outcome)
}

/// Clamped coordinates as 1.0, padded; and whether each query has its own.
fn upload_clamp(
    context: &Arc<Context>,
    plan: &Plan<'_>,
    range: Range<usize>,
    d: usize,
) -> Result<(Option<Buffer>, bool)> {
    let Some(clamp) = plan.clamp else { return Ok((None, false)) };
    let per_query = clamp.len() != d;
    let rows = if per_query { range } else { 0..1 };
    let mut values = Vec::with_capacity(rows.len() * padded(d));
    for i in rows {
        values.extend(clamp_row(clamp, i, d).iter().map(|c| f32::from(u8::from(*c))));
        values.resize(values.len().next_multiple_of(padded(d)), 0.0);
    }
    Ok((Some(context.upload("known coordinates", bytemuck::cast_slice(&values))?), per_query))
}

/// The outcome but for states and values.
fn collect(form: Form, plan: &Plan<'_>, b: usize, bytes: &[Vec<u8>], traced: bool) -> Result<Outcome> {
    let mut out = Outcome { form: form.resolution.form, ..Outcome::default() };
    let queries: Vec<Query> = bytemuck::pod_collect_to_vec(&bytes[1]);
    let (scores, indices) = Best::unpack(&bytes[2]);
    let trace: Vec<[f32; 4]> = match traced {
        true => bytemuck::pod_collect_to_vec(&bytes[3]),
        false => Vec::new(),
    };
    for (i, q) in queries.iter().enumerate() {
        out.steps.push(q.steps);
        out.settled.push(q.settled != 0);
        let earlier = (0..q.steps as usize).filter_map(|t| trace.get(t * b + i)).map(|e| {
            let carry = Carry { m: e[0].into(), l: 1.0, h: 0.0, le: e[1].into() };
            carry.energy(form, e[2].into())
        });
        let largest = (0..q.steps as usize).filter_map(|t| trace.get(t * b + i)).map(|e| e[0].abs());
        let last = if plan.evaluate { q.m.abs() } else { 0.0 };
        out.farthest.push(largest.fold(last, f32::max).into());
        if !plan.evaluate {
            let energies: Vec<f32> = earlier.collect();
            if let Some(energy) = energies.iter().find(|e| !e.is_finite()) {
                let message = format!("query {i} came back without a weight (energy {energy})");
                return Err(Error::Gpu { what: "step".into(), message });
            }
            out.trace.push(energies);
            let last = q.steps.checked_sub(1).and_then(|t| trace.get(t as usize * b + i));
            out.carries.extend(last.map(|e| Carry {
                m: e[0].into(),
                l: e[3].into(),
                h: 0.0,
                le: e[1].into(),
            }));
            continue;
        }
        if !(q.m.is_finite() && q.l > 0.0) || q.m <= MASKED {
            let message = format!("query {i} came back without a weight (m {}, l {})", q.m, q.l);
            return Err(Error::Gpu { what: "recall".into(), message });
        }
        let carry = Carry { m: q.m.into(), l: q.l.into(), h: q.h.into(), le: q.le.into() };
        let energy = carry.energy(form, q.squared.into());
        out.energy.push(energy);
        if plan.trace {
            out.trace.push(earlier.chain([energy]).collect());
        }
        out.carries.push(carry);
        out.effective.push(carry.effective());
        let best = i * plan.top_k..(i + 1) * plan.top_k;
        out.weights.extend(scores[best].iter().map(|s| carry.weight(f64::from(*s))));
    }
    out.indices = indices;
    out.scores = scores.into_iter().map(f64::from).collect();
    Ok(out)
}

/// See [`crate::ops::step`]: from tensors on the device to tensors on the device.
pub(crate) fn step(
    queries: &Matrix,
    patterns: &Matrix,
    beta: f32,
    similarity: Similarity,
    most: f32,
) -> Result<(Matrix, Matrix)> {
    let context = queries.context();
    let (b, d, n) = (queries.rows(), queries.columns(), patterns.rows());
    let energies = Matrix::new(context, "energies", 1, b)?;
    let states = Matrix::new(context, "states", b, d)?;
    if b == 0 {
        return Ok((states, energies));
    }
    let form = Form::plain(similarity, beta);
    let terms = terms(context, patterns, similarity)?;
    context.copy(
        (queries.buffer(), 0),
        (states.buffer(), 0),
        queries.buffer().bytes().min(states.buffer().bytes()),
    )?;
    let batch = Batch::new(context, form, states.buffer(), [b, n, d], Precision::F32, d, None)?;
    let kept = context.storage("energy trace", b as u64 * 16)?;
    let start = Start { form, complete: false, most: Some(most) };
    batch.queries.start(context, states.buffer(), d, start)?;
    let parts = chunks_of_matrix(patterns, &terms, batch.longest());
    batch.update(&parts, false, true)?;
    batch.finish(&Finish {
        skip: false,
        step_size: 1.0,
        tolerance: 0.0,
        clamp: None,
        clamp_per_query: false,
        trace: Some(&kept),
        trace_first: 0,
    })?;
    let quadratic = matches!(similarity, Similarity::Dot | Similarity::L2);
    context.dispatch(&Dispatch {
        kernel: "energy",
        parameters: &parameters::Energy { rows: b as u32, beta, quadratic: u32::from(quadratic) },
        buffers: &[&kept, energies.buffer()],
        groups: b.div_ceil(256),
        trips: 4,
        work: 10.0 * b as f64,
    })?;
    Ok((states, energies))
}

/// A matrix of patterns in chunks of at most `most` rows.
fn chunks_of_matrix<'a>(patterns: &'a Matrix, terms: &'a Buffer, most: usize) -> Vec<Chunk<'a>> {
    let n = patterns.rows();
    let chunk = |start: usize| Chunk {
        patterns: patterns.buffer(),
        terms,
        readout: None,
        rows: start..start.saturating_add(most).min(n),
        first: start,
    };
    (0..n).step_by(most.max(1)).map(chunk).collect()
}

/// The name of the way in which a step of these sizes is made.
pub(crate) fn variant(
    context: &Arc<Context>,
    similarity: Similarity,
    sizes: [usize; 3],
    precision: Precision,
) -> &'static str {
    fused::strategy(context, similarity, sizes, precision).name()
}

/// A step over random patterns, ready to run: what the tuner times.
pub(super) struct Prepared<'a> {
    context: &'a Arc<Context>,
    patterns: Shards,
    terms: GpuTerms,
    queries: &'a Rows<'static>,
    form: Form,
    strategy: Strategy,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(
        context: &'a Arc<Context>,
        queries: &'a Rows<'static>,
        rows: &Rows<'_>,
        precision: Precision,
        beta: f32,
        strategy: Strategy,
    ) -> Result<Self> {
        let similarity = Similarity::Dot;
        let mut patterns = Shards::new(&Device::Gpu(Arc::clone(context)), rows.columns(), precision)?;
        patterns.append(rows, None)?;
        let terms = GpuTerms::new(context, &vec![Term::new(similarity, 0.0); rows.rows()], &patterns)?;
        let form = Form::plain(similarity, beta);
        Ok(Self { context, patterns, terms, queries, form, strategy })
    }

    /// The states after the step.
    pub(super) fn run(&self) -> Result<Vec<f32>> {
        let landscape = Landscape { patterns: &self.patterns, terms: &self.terms, form: self.form };
        let strategy = Some(self.strategy);
        Ok(descend_by(self.context, &landscape, self.queries, &Plan::step(), strategy)?.states)
    }
}
