//! Updates from the host until nothing moves: the loop of the memories that are composed of operations.
//!
//! A step costs one trip to the device and back with the states `[b, d]`; the scores `[b, n]` stay there.

use super::{Recall, Status, dense::Limits};
use crate::{
    Result, Rows,
    ops::{
        Separated,
        descent::{Plan, advance, clamp_row},
        top_k,
    },
};

/// What a memory says of some states.
pub(super) struct Look {
    /// Energy of each.
    pub(super) energy: Vec<f32>,
    /// Where each would go, `[b * d]`.
    pub(super) updates: Vec<f32>,
    /// Whether a state has no pattern in reach; it stays where it is.
    pub(super) lost: Vec<bool>,
    /// The weights and their summary.
    pub(super) separated: Separated,
    /// Weighted values, where asked for and there are some.
    pub(super) values: Option<Rows<'static>>,
}

/// A memory as the loop sees it.
pub(super) trait Landscape {
    /// Looks at states `[b * d]`; `values` asks for the weighted values too.
    fn look(&self, states: &[f32], values: bool) -> Result<Look>;

    /// Whether a state can come back to where it was two steps ago, for ever (synchronous updates of bits).
    fn cycles(&self) -> bool {
        false
    }
}

/// Scores that may exist at once: 64 MiB of them.
const SCORES: usize = 1 << 24;

/// How many queries run together against `n` patterns.
fn batch(n: usize) -> usize {
    (SCORES / n.max(1)).clamp(1, 1024)
}

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
    let size = batch(limits.patterns);
    for first in (0..b).step_by(size) {
        let end = (first + size).min(b);
        let tell = |step: u64| {
            if let Some(progress) = plan.progress {
                let whole = u64::from(plan.steps) + 1;
                progress(first as u64 * whole + step * (end - first) as u64, b as u64 * whole);
            }
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
    tell: impl Fn(u64),
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
        let look = landscape.look(&moving, false)?;
        let mut still = Vec::with_capacity(active.len());
        let mut kept = Vec::new();
        for (at, &i) in active.iter().enumerate() {
            let x = &mut states[i * d..(i + 1) * d];
            let old = &moving[at * d..(at + 1) * d];
            if plan.trace {
                trace[i].push(look.energy[at]);
            }
            steps[i] += 1;
            if look.lost[at] {
                status[i] = Status::OutOfSupport;
                continue;
            }
            let clamp = plan.clamp.map(|c| clamp_row(c, first + i, d));
            let change = advance(x, &look.updates[at * d..(at + 1) * d], plan.step_size, clamp);
            status[i] = match change {
                c if c.is_nan() => Status::NonFinite,
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
                    kept.extend_from_slice(old);
                }
            }
        }
        (active, before) = (still, kept);
        tell(u64::from(step) + 1);
    }
    let look = landscape.look(&states, true)?;
    let (weights, indices) = top_k(&look.separated.weights, plan.top_k)?;
    let summary = look.separated.summary.to_vec()?;
    for (i, trace) in trace.iter_mut().enumerate().filter(|_| plan.trace) {
        trace.push(look.energy[i]);
    }
    for (status, _) in status.iter_mut().zip(&look.lost).filter(|(_, lost)| **lost) {
        *status = Status::OutOfSupport;
    }
    tell(u64::from(plan.steps) + 1);
    Ok(Recall {
        states: Rows::new(states, d)?,
        energy: look.energy,
        trace: plan.trace.then_some(trace),
        steps,
        status,
        indices,
        weights,
        top_k: plan.top_k,
        effective: summary.chunks_exact(4).map(|s| s[1].exp()).collect(),
        support: Some(summary.chunks_exact(4).map(|s| s[2] as u32).collect()),
        values: look.values,
        beta,
    })
}
