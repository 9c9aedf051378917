//! The softmax recall: its energy, its plan, its outcome.

use super::{Progress, Resolution, Similarity, SimilarityForm, Term};
use crate::{
    Device, Error, Result, Rows,
    device::{Buffer, Context},
    tensor::Shards,
};
use std::sync::Arc;

/// The form of the energy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) similarity: Similarity,
    /// Inverse temperature.
    pub(crate) beta: f32,
    /// Constant part of the energy.
    pub(crate) offset: f64,
    /// How the similarities are worked out.
    pub(crate) resolution: Resolution,
    /// Whether coordinates of queries may be NaN, which are not compared (differences on the CPU); and if so, whether `beta` is that of all
    /// `d` of them, and `d / k` times as large for a query of which `k` are known.
    pub(crate) known: Option<KnownBeta>,
}

/// What `beta` is where coordinates of queries are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KnownBeta {
    /// The same for all queries.
    Same,
    /// That of all coordinates.
    OfAll,
}

impl KnownBeta {
    /// What `beta` is multiplied by for a query, whose coordinates are NaN or known.
    pub(crate) fn factor(self, is_nan: impl ExactSizeIterator<Item = bool>) -> f32 {
        let d = is_nan.len();
        match self {
            Self::Same => 1.0,
            Self::OfAll => d as f32 / is_nan.filter(|nan| !nan).count().max(1) as f32,
        }
    }
}

impl Form {
    /// Of a memory of `count` eligible patterns whose largest squared length is `widest`, with similarities as products.
    pub(crate) fn new(similarity: Similarity, beta: f32, count: usize, widest: f32) -> Self {
        let offset = match similarity {
            Similarity::Dot => (count as f64).ln() / f64::from(beta) + 0.5 * f64::from(widest),
            Similarity::L2 | Similarity::Cosine | Similarity::L1 => 0.0,
        };
        Self { similarity, beta, offset, resolution: Resolution::PRODUCT, known: None }
    }
}

impl Form {
    /// Without a constant part, with similarities as products.
    pub(crate) fn plain(similarity: Similarity, beta: f32) -> Self {
        Self { similarity, beta, offset: 0.0, resolution: Resolution::PRODUCT, known: None }
    }

    /// Whether squared distances take the place of products in the scores.
    pub(crate) fn squares(&self) -> bool {
        self.resolution.form == SimilarityForm::Difference
            && matches!(self.similarity, Similarity::L2 | Similarity::Cosine)
    }

    /// Whether rows are compared after they have been brought to length 1.
    pub(crate) fn unit_rows(&self) -> bool {
        self.squares() && self.similarity == Similarity::Cosine
    }

    /// What is the same for all patterns and not in the scores, in units of the similarity, for a state with this squared length.
    pub(crate) fn common(&self, squared: f64) -> f64 {
        match (self.similarity, self.squares()) {
            (Similarity::L2, false) => -0.5 * squared,
            // The cosine is (|x|^2 + |xi|^2 - |x - xi|^2) / 2 of unit rows; a state of zeros stays one.
            (Similarity::Cosine, true) if squared < f64::from(f32::MIN_POSITIVE) => 0.5,
            (Similarity::Cosine, true) => 1.0,
            _ => 0.0,
        }
    }
}

/// What the states descend on.
pub(crate) struct Landscape<'a, T: ?Sized = Terms> {
    /// Patterns `[n, d]`.
    pub(crate) patterns: &'a Shards,
    /// One [`Term`] per pattern, with the mask in it.
    pub(crate) terms: &'a T,
    pub(crate) form: Form,
}

/// One [`Term`] per pattern, where the patterns are.
pub(crate) enum Terms {
    Cpu(Vec<Term>),
    Gpu(GpuTerms),
}

/// The terms of patterns on a GPU, and of those that the GPU has no room for.
pub(crate) struct GpuTerms {
    /// One buffer per shard.
    pub(crate) resident: Vec<Buffer>,
    pub(crate) overflow: Vec<Term>,
    /// Number of the first pattern that is not on the device.
    pub(crate) first_overflow: usize,
}

impl Terms {
    /// Brings the terms to the device of the patterns.
    pub(crate) fn upload(terms: Vec<Term>, patterns: &Shards) -> Result<Self> {
        match patterns.device() {
            Device::Cpu => Ok(Self::Cpu(terms)),
            Device::Gpu(context) => Ok(Self::Gpu(GpuTerms::new(context, &terms, patterns)?)),
        }
    }

    /// Takes in the terms of the rows that the patterns have got last. After an error they are of no more use.
    pub(crate) fn extend(&mut self, more: &[Term], patterns: &Shards) -> Result<()> {
        match (self, patterns.device()) {
            (Self::Cpu(terms), _) => {
                terms.extend_from_slice(more);
                Ok(())
            }
            (Self::Gpu(terms), Device::Gpu(context)) => terms.extend(context, more, patterns),
            (Self::Gpu(_), Device::Cpu) => Err(misplaced()),
        }
    }

    /// Puts another term in the place of that of pattern `at`. After an error they are of no more use.
    pub(crate) fn set(&mut self, at: usize, term: Term, patterns: &Shards) -> Result<()> {
        match (self, patterns.device()) {
            (Self::Cpu(terms), _) => {
                terms[at] = term;
                Ok(())
            }
            (Self::Gpu(terms), Device::Gpu(context)) => terms.set(context, at, term, patterns),
            (Self::Gpu(_), Device::Cpu) => Err(misplaced()),
        }
    }
}

pub(crate) fn misplaced() -> Error {
    Error::Gpu { what: "recall".into(), message: "terms and patterns in different places".into() }
}

impl GpuTerms {
    pub(crate) fn new(context: &Arc<Context>, terms: &[Term], patterns: &Shards) -> Result<Self> {
        let mut new = Self { resident: Vec::new(), overflow: Vec::new(), first_overflow: 0 };
        new.extend(context, terms, patterns)?;
        Ok(new)
    }

    /// Takes in the terms of the last rows of the patterns.
    fn extend(&mut self, context: &Arc<Context>, more: &[Term], patterns: &Shards) -> Result<()> {
        let start = patterns.rows() - more.len();
        let shards = patterns.gpu_shards();
        for (i, shard) in shards.iter().enumerate() {
            if i == self.resident.len() {
                // As much room to grow as the shard itself has.
                let bytes = (shard.capacity() * size_of::<Term>()) as u64;
                self.resident.push(context.storage_for_host("terms", bytes)?);
            }
            let (from, end) = (start.max(shard.first), shard.first + shard.rows);
            if from < end {
                let offset = ((from - shard.first) * size_of::<Term>()) as u64;
                let bytes = bytemuck::cast_slice(&more[from - start..end - start]);
                context.write(&self.resident[i], offset, bytes)?;
            }
        }
        self.first_overflow = shards.last().map_or(0, |s| s.first + s.rows);
        self.overflow.extend_from_slice(&more[self.first_overflow.max(start) - start..]);
        Ok(())
    }

    fn set(&mut self, context: &Arc<Context>, at: usize, term: Term, patterns: &Shards) -> Result<()> {
        if at >= self.first_overflow {
            self.overflow[at - self.first_overflow] = term;
            return Ok(());
        }
        let i = patterns.gpu_shards().partition_point(|s| s.first + s.rows <= at);
        let offset = (at - patterns.gpu_shards()[i].first) * size_of::<Term>();
        context.write(&self.resident[i], offset as u64, bytemuck::bytes_of(&term))
    }
}

/// How far, and what to report.
pub(crate) struct Plan<'a> {
    /// Most updates.
    pub(crate) steps: u32,
    /// A state whose full update would change no coordinate by more than this has converged; 0 never stops early.
    pub(crate) tolerance: f32,
    /// `x <- x + step_size (update - x)`.
    pub(crate) step_size: f32,
    /// Coordinates that stay as in the query: `[d]` or `[b * d]`.
    pub(crate) clamp: Option<&'a [bool]>,
    /// Whether to keep the energy at every step.
    pub(crate) trace: bool,
    /// How many of the best patterns to report per query.
    pub(crate) top_k: usize,
    /// Whether to look where the states ended: their energies, weights, best patterns and values. Costs a
    /// pass over the patterns.
    pub(crate) evaluate: bool,
    /// Associated values `[n, v]`; on the CPU in shards of the same rows as the patterns.
    pub(crate) values: Option<&'a Shards>,
    pub(crate) progress: Option<Progress<'a>>,
}

impl Plan<'_> {
    /// Whether no coordinate of query `i`, of `d`, may move.
    pub(crate) fn is_fixed(&self, i: usize, d: usize) -> bool {
        self.clamp.is_some_and(|clamp| clamp_row(clamp, i, d).iter().all(|known| *known))
    }

    /// No update, just what the states are.
    pub(crate) fn evaluation(top_k: usize) -> Self {
        Self {
            steps: 0,
            tolerance: 0.0,
            step_size: 1.0,
            clamp: None,
            trace: false,
            top_k,
            evaluate: true,
            values: None,
            progress: None,
        }
    }

    /// Takes states `[b * d]` back to where the queries were before a centre was taken off them; known coordinates exactly.
    pub(crate) fn outward(&self, states: &mut [f32], queries: &Rows<'_>, centre: &[f32]) {
        let d = centre.len();
        for (i, state) in states.chunks_exact_mut(d).enumerate() {
            let clamp = self.clamp.map(|c| clamp_row(c, i, d));
            for (j, (x, c)) in state.iter_mut().zip(centre).enumerate() {
                let moved = self.steps > 0 && clamp.is_none_or(|k| !k[j]);
                *x = if moved { *x + c } else { queries[(i, j)] };
            }
        }
    }

    /// One update and nothing else; the energy before it is in the trace.
    pub(crate) fn step() -> Self {
        Self { steps: 1, trace: true, evaluate: false, ..Self::evaluation(0) }
    }
}

/// Where the states ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// `[b * d]`.
    pub(crate) states: Vec<f32>,
    /// Energy of the final state, `[b]`.
    pub(crate) energy: Vec<f32>,
    /// Energies of the states `0..=steps` one after another for each query, where asked for.
    pub(crate) trace: Vec<Vec<f32>>,
    /// Updates made, `[b]`.
    pub(crate) steps: Vec<u32>,
    /// Whether the last full update was within the tolerance of the state, `[b]`.
    pub(crate) settled: Vec<bool>,
    /// Best patterns `[b * k]`, with their weights.
    pub(crate) indices: Vec<u32>,
    pub(crate) weights: Vec<f32>,
    /// Their scores, `beta` times the similarity without what is the same for all patterns: in f64, since those of queries far away
    /// differ by less than f32 has there.
    pub(crate) scores: Vec<f64>,
    /// `exp(H(p))`, `[b]`.
    pub(crate) effective: Vec<f32>,
    /// Read-out values `[b * v]`, where values are given.
    pub(crate) values: Vec<f32>,
    /// What the last pass over the patterns found of each query, `[b]`.
    pub(crate) carries: Vec<Carry>,
    /// The largest size of a best score at any step, `[b]`, where the device could not go to f64 by itself (a GPU); else empty.
    pub(crate) farthest: Vec<f64>,
    /// How the similarities were worked out.
    pub(crate) form: SimilarityForm,
}

impl Outcome {
    /// Queries `[b, d]` before their first update.
    pub(crate) fn start(queries: &Rows<'_>, plan: &Plan<'_>) -> Self {
        let b = queries.rows();
        Self {
            states: queries.as_slice().to_vec(),
            steps: vec![0; b],
            settled: vec![false; b],
            trace: vec![Vec::new(); if plan.trace { b } else { 0 }],
            ..Self::default()
        }
    }

    /// Puts the outcomes of some queries in the place of these; all of the same plan.
    pub(crate) fn replace(&mut self, rows: &[usize], by: Self) {
        fn put<T: Clone>(all: &mut [T], rows: &[usize], by: &[T]) {
            let width = by.len() / rows.len().max(1);
            for (row, values) in rows.iter().zip(by.chunks_exact(width.max(1))) {
                all[row * width..(row + 1) * width].clone_from_slice(values);
            }
        }
        put(&mut self.states, rows, &by.states);
        put(&mut self.energy, rows, &by.energy);
        put(&mut self.trace, rows, &by.trace);
        put(&mut self.steps, rows, &by.steps);
        put(&mut self.settled, rows, &by.settled);
        put(&mut self.indices, rows, &by.indices);
        put(&mut self.weights, rows, &by.weights);
        put(&mut self.scores, rows, &by.scores);
        put(&mut self.effective, rows, &by.effective);
        put(&mut self.values, rows, &by.values);
        put(&mut self.carries, rows, &by.carries);
    }

    /// Notes what an evaluation has found of the next query.
    pub(crate) fn conclude(&mut self, carry: Carry, energy: f32) {
        // Traces are there for all queries, or for none.
        if let Some(trace) = self.trace.get_mut(self.energy.len()) {
            trace.push(energy);
        }
        self.energy.push(energy);
        self.carries.push(carry);
        self.effective.push(carry.effective());
    }

    /// Takes in the outcome of the queries that follow.
    pub(crate) fn append(&mut self, next: Self) {
        self.states.extend(next.states);
        self.energy.extend(next.energy);
        self.trace.extend(next.trace);
        self.steps.extend(next.steps);
        self.settled.extend(next.settled);
        self.indices.extend(next.indices);
        self.weights.extend(next.weights);
        self.scores.extend(next.scores);
        self.effective.extend(next.effective);
        self.values.extend(next.values);
        self.carries.extend(next.carries);
        self.farthest.extend(next.farthest);
        self.form = next.form;
    }
}

/// What is known of a state's scores after a pass over all patterns: their maximum `m`, and sums
/// over `e = exp(score - m)`. The carries of two parts of the patterns merge into that of the whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Carry {
    /// Largest `beta * similarity` (without what is the same for all patterns).
    pub(crate) m: f64,
    /// `sum e`.
    pub(crate) l: f64,
    /// `sum e (score - m)`, for the entropy.
    pub(crate) h: f64,
    /// `sum e |xi|` for the cosine energy; equal to `l` for other similarities.
    pub(crate) le: f64,
}

impl Carry {
    /// Of no patterns.
    pub(crate) const EMPTY: Self = Self { m: super::MASKED as f64, l: 0.0, h: 0.0, le: 0.0 };

    /// The carry of both parts together, and the factors by which their weighted sums count in it.
    pub(crate) fn merge(self, other: Self) -> (Self, f64, f64) {
        let m = self.m.max(other.m);
        let (a, b) = ((self.m - m).exp(), (other.m - m).exp());
        let shifted = |c: Self, f: f64| f * (c.h + (c.m - m) * c.l);
        let merged = Self {
            m,
            l: a * self.l + b * other.l,
            h: shifted(self, a) + shifted(other, b),
            le: a * self.le + b * other.le,
        };
        (merged, a, b)
    }

    /// `exp(H(p))`: how many patterns the weights effectively mix.
    pub(crate) fn effective(&self) -> f32 {
        (self.l.ln() - self.h / self.l).exp().max(1.0) as f32
    }

    /// Weight of a pattern with this score.
    pub(crate) fn weight(&self, score: f64) -> f32 {
        ((score - self.m).exp() / self.l) as f32
    }

    /// Energy of a state with squared length `squared`.
    pub(crate) fn energy(&self, form: Form, squared: f64) -> f32 {
        let lse = (self.m + self.le.ln()) / f64::from(form.beta);
        let own = if form.similarity == Similarity::Dot { 0.5 * squared } else { 0.0 };
        (own - form.common(squared) - lse + form.offset) as f32
    }
}

/// Moves a state towards its update; gives the largest distance of a free coordinate from it before, whatever share of that the
/// step takes, and NaN where one is not a number.
pub(crate) fn advance(x: &mut [f32], update: &[f32], step_size: f32, clamp: Option<&[bool]>) -> f32 {
    let mut change = 0.0_f32;
    for (j, (x, y)) in x.iter_mut().zip(update).enumerate() {
        if clamp.is_some_and(|c| c[j]) {
            continue;
        }
        let next = if step_size == 1.0 { *y } else { *x + step_size * (*y - *x) };
        let off = (*y - *x).abs();
        if off > change || off.is_nan() {
            change = off;
        }
        *x = next;
    }
    change
}

/// The clamp row of query `i`: `[d]`.
pub(crate) fn clamp_row(clamp: &[bool], i: usize, d: usize) -> &[bool] {
    if clamp.len() == d { clamp } else { &clamp[i * d..(i + 1) * d] }
}

/// Updates states from the host until none moves or all steps are made, `window` of them at a time: where some have come to rest, others take their
/// place, so that the few that move for long do so together. `pass` gives the carry of each of the states `[b, d]` that it is handed and their
/// updates `[b, d]`; `tell` is told how many of the updates that may be made have been, or are no longer needed.
pub(crate) fn settle(
    out: &mut Outcome,
    d: usize,
    plan: &Plan<'_>,
    window: usize,
    energy: impl Fn(Carry, &[f32]) -> f32,
    mut pass: impl FnMut(Vec<f32>) -> Result<(Vec<Carry>, Vec<f32>)>,
    tell: impl Fn(u64) -> Result<()>,
) -> Result<()> {
    let b = out.steps.len();
    if !plan.evaluate {
        out.carries = vec![Carry::EMPTY; b];
    }
    let mut waiting = 0..if plan.steps > 0 { b } else { 0 };
    let mut active: Vec<usize> = waiting.by_ref().take(window).collect();
    let mut done = 0;
    while !active.is_empty() {
        let moving = active.iter().flat_map(|&i| &out.states[i * d..(i + 1) * d]).copied().collect();
        let (carries, updates) = pass(moving)?;
        let mut still = Vec::with_capacity(active.len());
        for (at, &i) in active.iter().enumerate() {
            let x = &mut out.states[i * d..(i + 1) * d];
            if plan.trace {
                out.trace[i].push(energy(carries[at], x));
            }
            let clamp = plan.clamp.map(|c| clamp_row(c, i, d));
            let change = advance(x, &updates[at * d..(at + 1) * d], plan.step_size, clamp);
            out.steps[i] += 1;
            out.settled[i] = change <= plan.tolerance;
            if !plan.evaluate {
                out.carries[i] = carries[at];
            }
            let rests = out.settled[i] && plan.tolerance != 0.0;
            if rests || out.steps[i] == plan.steps {
                done += u64::from(plan.steps - out.steps[i]);
            } else {
                still.push(i);
            }
            done += 1;
        }
        still.extend(waiting.by_ref().take(window - still.len()));
        active = still;
        tell(done)?;
    }
    Ok(())
}
