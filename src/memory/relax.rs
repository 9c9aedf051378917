//! Updates from the host until nothing moves: the loop of the memories that are composed of operations.
//!
//! A step costs one trip to the device and back with the states `[b, d]`; the scores `[b, n]` stay there.

use super::{Recall, Status, dense::Limits, mixture::batch};
use crate::{
    Result, Rows,
    contract::{Plan, advance, clamp_row},
    ops::report,
};

/// States that a memory is asked about.
pub(super) struct Ask<'a> {
    /// `[b * d]`
    pub(super) states: &'a [f32],
    /// The numbers of their queries.
    pub(super) queries: &'a [usize],
    /// The number of the update.
    pub(super) step: u32,
    /// How many of the best patterns are wanted, and no update; `None` where an update is.
    pub(super) top_k: Option<usize>,
}

/// What a memory says of them.
pub(super) struct Look {
    /// Energy of each.
    pub(super) energy: Vec<f32>,
    /// Where each would go, `[b * d]`; empty where patterns were asked for.
    pub(super) updates: Vec<f32>,
    /// Why a state cannot be moved, where it cannot: it stays where it is. Empty where that cannot be.
    pub(super) halted: Vec<Option<Status>>,
    /// The patterns behind it, where asked for.
    pub(super) best: Option<Best>,
}

/// The patterns behind some states: see [`Recall`].
pub(super) struct Best {
    pub(super) indices: Vec<u32>,
    pub(super) weights: Vec<f32>,
    pub(super) effective: Vec<f32>,
    pub(super) support: Option<Vec<u32>>,
    pub(super) values: Option<Rows<'static>>,
}

/// A memory as the loop sees it.
pub(super) trait Landscape {
    /// Looks at states.
    fn look(&self, ask: &Ask<'_>) -> Result<Look>;

    /// Whether a state can come back to where it was two steps ago, for ever (synchronous updates of bits).
    fn cycles(&self) -> bool {
        false
    }
}

/// Most queries that run together.
const BATCH: usize = 1024;

/// Completes queries `[b, d]`; shapes and values have been checked.
pub(super) fn relax(
    landscape: &dyn Landscape,
    queries: &Rows<'_>,
    limits: &Limits,
    plan: &Plan<'_>,
    beta: f32,
) -> Result<Recall> {
    let (b, d) = (queries.rows(), queries.columns());
    let mut all = Recall::none(d, plan, beta);
    // Few tensors of that size are alive here, and more queries share each reading of the patterns.
    let size = (4 * batch(limits.patterns, d)).min(BATCH);
    for first in (0..b).step_by(size) {
        let end = (first + size).min(b);
        let tell = |step: u64| {
            let whole = u64::from(plan.steps) + 1;
            report(plan.progress, first as u64 * whole + step * (end - first) as u64, b as u64 * whole)
        };
        let recall = relax_batch(landscape, &queries.slice(first..end), first, plan, beta, tell)?;
        all.extend(recall)?;
    }
    Ok(all)
}

fn relax_batch(
    landscape: &dyn Landscape,
    queries: &Rows<'_>,
    first: usize,
    plan: &Plan<'_>,
    beta: f32,
    tell: impl Fn(u64) -> Result<()>,
) -> Result<Recall> {
    let (b, d) = (queries.rows(), queries.columns());
    let mut states = queries.as_slice().to_vec();
    let mut before: Vec<f32> = Vec::new();
    let mut status = vec![Status::MaxSteps; b];
    let mut steps = vec![0; b];
    let mut trace = vec![Vec::new(); b];
    let mut active: Vec<usize> = (0..b).collect();
    for step in 0..plan.steps {
        if active.is_empty() {
            break;
        }
        let moving: Vec<f32> = active.iter().flat_map(|&i| &states[i * d..(i + 1) * d]).copied().collect();
        let queries: Vec<usize> = active.iter().map(|i| first + i).collect();
        let look = landscape.look(&Ask { states: &moving, queries: &queries, step, top_k: None })?;
        let mut still = Vec::with_capacity(active.len());
        let mut kept = Vec::new();
        for (at, &i) in active.iter().enumerate() {
            let x = &mut states[i * d..(i + 1) * d];
            if plan.trace {
                trace[i].push(look.energy[at]);
            }
            if let Some(Some(why)) = look.halted.get(at) {
                status[i] = *why;
                continue;
            }
            steps[i] += 1;
            let clamp = plan.clamp.map(|c| clamp_row(c, first + i, d));
            let change = advance(x, &look.updates[at * d..(at + 1) * d], plan.step_size, clamp);
            status[i] = match change {
                c if c.is_nan() => Status::NonFinite,
                c if c <= plan.tolerance && plan.is_fixed(first + i, d) => Status::Inert,
                c if c <= plan.tolerance => Status::Converged,
                // `before` holds the states two steps ago of those that are active now.
                _ if before.get(at * d..(at + 1) * d).is_some_and(|b| *b == *x) => Status::Cycle2,
                _ => Status::MaxSteps,
            };
            let goes_on =
                status[i] == Status::MaxSteps || (plan.tolerance == 0.0 && status[i] != Status::NonFinite);
            if goes_on {
                still.push(i);
                if landscape.cycles() {
                    kept.extend_from_slice(&moving[at * d..(at + 1) * d]);
                }
            }
        }
        (active, before) = (still, kept);
        tell(u64::from(step) + 1)?;
    }
    let queries: Vec<usize> = (first..first + b).collect();
    let ask = Ask { states: &states, queries: &queries, step: plan.steps, top_k: Some(plan.top_k) };
    let look = landscape.look(&ask)?;
    if plan.trace {
        trace.iter_mut().zip(&look.energy).for_each(|(trace, energy)| trace.push(*energy));
    }
    for (status, why) in status.iter_mut().zip(&look.halted) {
        *status = why.unwrap_or(*status);
    }
    tell(u64::from(plan.steps) + 1)?;
    let mut recall = Recall::none(d, plan, beta);
    recall.states = Rows::new(states, d)?;
    recall.energy = look.energy;
    recall.trace = plan.trace.then_some(trace);
    (recall.steps, recall.status) = (steps, status);
    if let Some(best) = look.best {
        (recall.indices, recall.weights) = (best.indices, best.weights);
        (recall.effective, recall.support, recall.values) = (best.effective, best.support, best.values);
    }
    Ok(recall)
}
