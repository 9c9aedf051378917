//! One memory, some queries, one schedule: where they end.

use super::{
    Criterion, Mixing, Schedule,
    criterion::End,
    cues::Cues,
    decode::Nearest,
    vectors::{cosine, dot},
};
use crate::{
    Device, Error, Result, Rows, Tensor,
    memory::{Memory, RecallOptions, Status},
    ops::{Progress, Similarity, nearest},
};

/// Updates of a recall that goes on until it rests.
const MOST: u32 = 64;
/// Times that annealing doubles the inverse temperature.
const DOUBLINGS: u32 = 6;
/// Change of a state relative to its length below which it rests.
const REST: f64 = 1e-6;

/// Where queries have ended.
pub(super) struct Ended {
    pub(super) states: Rows<'static>,
    /// Whether the best pattern is the right one, or a copy of it, `[b]`.
    pub(super) right: Vec<bool>,
    /// The weight of the best pattern, `[b]`.
    pub(super) weights: Vec<f32>,
    pub(super) updates: Vec<u32>,
    /// Whether the end is not finite, `[b]`.
    pub(super) failed: Vec<bool>,
    pub(super) beta: f32,
}

/// How a schedule is carried out.
pub(super) struct Way<'a> {
    pub(super) schedule: Schedule,
    /// The inverse temperature, where it is known.
    pub(super) beta: Option<f32>,
    /// Length of a pattern.
    pub(super) length: f64,
    /// Whether the weights that judge are those of the last update, and not those at the state that it led to.
    pub(super) weights_of_update: bool,
    /// Whether recalls say which patterns they found.
    pub(super) names_patterns: bool,
    /// Asked whether to go on.
    pub(super) progress: Option<Progress<'a>>,
}

/// Recalls queries by a schedule.
pub(super) fn recall(memory: &dyn Memory, cues: &Cues, patterns: &Rows<'_>, way: &Way<'_>) -> Result<Ended> {
    recall_from(memory, &cues.queries, &cues.targets, patterns, way)
}

/// Recalls starts of patterns by their numbers.
pub(super) fn recall_from(
    memory: &dyn Memory,
    queries: &Rows<'_>,
    targets: &[usize],
    patterns: &Rows<'_>,
    way: &Way<'_>,
) -> Result<Ended> {
    let Way { schedule, beta, length, weights_of_update, names_patterns, progress } = *way;
    let plain = RecallOptions { top_k: Some(names_patterns.into()), progress, ..RecallOptions::default() };
    let options = |steps: u32, beta: Option<f32>| RecallOptions { beta, steps, ..plain.clone() };
    let exactly =
        |steps: u32, beta: Option<f32>| RecallOptions { tolerance: Some(0.0), ..options(steps, beta) };
    let (recall, before) = match schedule {
        Schedule::Steps(steps @ 1..) if weights_of_update => {
            let before = memory.recall_with(queries, &exactly(steps - 1, None))?;
            let mut last = memory.recall_with(&before.states, &exactly(1, None))?;
            (last.indices, last.weights) = (before.indices, before.weights);
            (last, steps - 1)
        }
        Schedule::Steps(steps) => (memory.recall_with(queries, &exactly(steps, None))?, 0),
        Schedule::Converged => (memory.recall_with(queries, &options(MOST, None))?, 0),
        Schedule::Annealed => {
            let mut states = queries.clone().into_owned();
            for doubling in 0..DOUBLINGS {
                let hot = beta.map(|b| b * 2_f32.powi(doubling as i32));
                states = memory.recall_with(&states, &exactly(1, hot))?.states;
            }
            let cold = beta.map(|b| b * 2_f32.powi(DOUBLINGS as i32));
            (memory.recall_with(&states, &options(MOST - DOUBLINGS, cold))?, DOUBLINGS)
        }
        Schedule::Renormalized => {
            let mut states = queries.clone().into_owned();
            let mut updates = 0;
            while updates < MOST {
                let mut moved = memory.recall_with(&states, &exactly(1, None))?.states.into_vec();
                updates += 1;
                let mut rests = true;
                for (x, old) in moved.chunks_exact_mut(states.columns()).zip(states.iter()) {
                    let size = dot(x, x).sqrt();
                    if size > 0.0 {
                        x.iter_mut().for_each(|v| *v = (f64::from(*v) * length / size) as f32);
                    }
                    rests &= x.iter().zip(old).all(|(a, b)| f64::from((a - b).abs()) <= REST * length);
                }
                states = Rows::new(moved, states.columns())?;
                if rests {
                    break;
                }
            }
            // A look at the end, without an update.
            (memory.recall_with(&states, &options(0, None))?, updates)
        }
    };
    let b = queries.rows();
    let (best, weights) = match recall.indices.len() == b {
        true => (recall.indices, recall.weights),
        // A memory that keeps no patterns: the nearest one to where it ended.
        false => (closest(&recall.states, patterns)?, vec![f32::NAN; b]),
    };
    let is_right = |(best, target): (&u32, &usize)| {
        let best = *best as usize;
        best == *target || (best < patterns.rows() && patterns.row(best) == patterns.row(*target))
    };
    let right = best.iter().zip(targets).map(is_right).collect();
    let finite = |x: &[f32]| x.iter().all(|v| v.is_finite());
    let failed = recall
        .states
        .iter()
        .zip(&recall.status)
        .map(|(x, s)| !finite(x) || *s == Status::NonFinite)
        .collect();
    let updates = recall.steps.iter().map(|s| s + before).collect();
    Ok(Ended { states: recall.states, right, weights, updates, failed, beta: recall.beta })
}

fn closest(states: &Rows<'_>, patterns: &Rows<'_>) -> Result<Vec<u32>> {
    let tensor = |rows: &Rows<'_>| Tensor::new(&Device::cpu(), rows);
    Ok(nearest(&tensor(states)?, &tensor(patterns)?, 1, Similarity::L2)?.1)
}

/// What came of some queries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// How many queries.
    pub trials: u64,
    /// Successes by each criterion.
    pub successes: Vec<u64>,
    /// Sum of the shares of success where equally near patterns are drawn for (the nearest pattern alone).
    pub shared: Option<f64>,
    /// Queries whose right pattern is as near as others are, and none is nearer (the nearest pattern alone).
    pub ties: u64,
    /// Queries that ended beyond the finite numbers: they count as failures.
    pub failed: u64,
    /// Mean cosine between queries and patterns.
    pub cosine: f64,
    /// Mean cosine between ends and patterns.
    pub end_cosine: f64,
    /// Mean length of ends over that of the patterns.
    pub length: f64,
    /// Share of signs that are wrong at the end.
    pub wrong_signs: f64,
    /// Mean number of updates.
    pub updates: f64,
    /// `beta` that was used, where there is one.
    pub beta: Option<f64>,
    /// How patterns are mixed at the end.
    pub mixing: Option<Mixing>,
    /// Mean participation of the weights of the update, where nothing was stored that could be looked at again.
    pub participation: Option<f64>,
    /// Time of the recall, without the making of patterns and memories.
    pub seconds: f64,
    /// How many patterns are copies of others.
    pub copies: u64,
}

impl Cell {
    /// Judges where queries have ended.
    pub(super) fn judged(ended: &Ended, cues: &Cues, criteria: &[Criterion]) -> Self {
        let b = cues.targets.len();
        let mut cell = Self {
            trials: b as u64,
            successes: vec![0; criteria.len()],
            cosine: cues.cosine,
            ..Self::default()
        };
        for (i, (state, pattern)) in ended.states.iter().zip(cues.patterns.iter()).enumerate() {
            if ended.failed[i] {
                cell.failed += 1;
                cell.wrong_signs += 0.5;
                continue;
            }
            let end = End { state, pattern, right: ended.right[i], weight: ended.weights[i] };
            for (count, criterion) in cell.successes.iter_mut().zip(criteria) {
                *count += u64::from(criterion.holds(&end));
            }
            let squared = dot(pattern, pattern);
            cell.length += if squared > 0.0 { (dot(state, state) / squared).sqrt() } else { 0.0 };
            cell.end_cosine += cosine(state, pattern);
            let wrong = state.iter().zip(pattern).filter(|(a, b)| (**a > 0.0) != (**b > 0.0)).count();
            cell.wrong_signs += wrong as f64 / pattern.len() as f64;
        }
        cell.updates = ended.updates.iter().map(|u| f64::from(*u)).sum();
        for mean in [&mut cell.length, &mut cell.end_cosine, &mut cell.wrong_signs, &mut cell.updates] {
            *mean /= b as f64;
        }
        cell
    }

    /// Queries answered by their nearest patterns, `winners` `[b, d]`. Where the right pattern is as near as others, one of them is drawn for, and
    /// the winner stands for all of the others: successes are what is to be expected of that, rounded.
    pub(super) fn of_nearest(
        found: &[Nearest],
        winners: &Rows<'_>,
        cues: &Cues,
        criteria: &[Criterion],
    ) -> Self {
        let mut cell = Self {
            trials: found.len() as u64,
            ties: found.iter().filter(|f| f.ties > 1).count() as u64,
            cosine: cues.cosine,
            updates: 1.0,
            ..Self::default()
        };
        let mut successes = vec![0.0; criteria.len()];
        let mut all = 0.0;
        for ((found, winner), pattern) in found.iter().zip(winners.iter()).zip(cues.patterns.iter()) {
            let share = found.shared();
            all += share;
            let rest = 1.0 - share;
            // Where the right pattern itself is named as the winner, the others that tie are not known: they fail, as random ones do.
            let known = winner != pattern;
            if !known {
                cell.wrong_signs += 0.5 * rest;
                cell.length += rest;
            }
            for (state, share) in [(pattern, share), (winner, if known { rest } else { 0.0 })] {
                let end = End { state, pattern, right: state == pattern, weight: 1.0 };
                for (count, criterion) in successes.iter_mut().zip(criteria) {
                    *count += share * f64::from(u8::from(criterion.holds(&end)));
                }
                let (size, own) = (dot(state, state), dot(pattern, pattern));
                cell.length += share * if own > 0.0 { (size / own).sqrt() } else { 0.0 };
                cell.end_cosine += share * cosine(state, pattern);
                let wrong = state.iter().zip(pattern).filter(|(a, b)| (**a > 0.0) != (**b > 0.0)).count();
                cell.wrong_signs += share * wrong as f64 / pattern.len() as f64;
            }
        }
        let trials = found.len().max(1) as f64;
        for mean in [&mut cell.length, &mut cell.end_cosine, &mut cell.wrong_signs] {
            *mean /= trials;
        }
        cell.successes = successes.into_iter().map(|s: f64| s.round() as u64).collect();
        cell.shared = Some(all);
        cell
    }

    /// All queries of a memory that did not come back.
    pub(super) fn lost(cues: &Cues, criteria: &[Criterion]) -> Self {
        let trials = cues.targets.len() as u64;
        Self {
            trials,
            failed: trials,
            successes: vec![0; criteria.len()],
            cosine: cues.cosine,
            wrong_signs: 0.5,
            ..Self::default()
        }
    }
}

/// Weights beyond this are not looked at, and on a GPU beyond that.
const LOOKED_AT: usize = 1 << 16;
const LOOKED_AT_ON_GPU: usize = 1024;

/// How the first queries mix patterns where they have ended.
pub(super) fn mixing(
    memory: &dyn Memory,
    ended: &Ended,
    queries: usize,
    beta: Option<f32>,
) -> Result<Option<Mixing>> {
    let usable: Vec<usize> = (0..ended.states.rows()).filter(|i| !ended.failed[*i]).take(queries).collect();
    if usable.is_empty() {
        return Ok(None);
    }
    let most = if *memory.device() == Device::Cpu { LOOKED_AT } else { LOOKED_AT_ON_GPU };
    let k = memory.len().min(most);
    let states: Vec<f32> = usable.iter().flat_map(|i| ended.states.row(*i)).copied().collect();
    let look = RecallOptions { beta, steps: 0, top_k: Some(k), ..RecallOptions::default() };
    let recall = memory.recall_with(&Rows::new(states, memory.dim())?, &look)?;
    Ok(Mixing::of(&recall.weights, recall.top_k, memory.len()))
}

/// Whether an error says that a memory's output left the finite numbers: a result of the experiment, not a fault of it.
pub(super) fn is_divergence(error: &Error) -> bool {
    matches!(error, Error::NonFinite { .. })
}

/// `beta` of the last look of a schedule.
pub(super) fn last_beta(schedule: Schedule, beta: Option<f32>) -> Option<f32> {
    match schedule {
        Schedule::Annealed => beta.map(|b| b * 2_f32.powi(DOUBLINGS as i32)),
        _ => None,
    }
}
