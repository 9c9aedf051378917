//! Why a recall ended where it did, and what would change it.

use super::{
    Energy, Memory, Recall, RecallOptions, Status,
    dense::Limits,
    registry::{Dynamics, Properties, Weights},
};
use crate::{
    Error, Result, Rows,
    ops::{Separation, Similarity},
};

/// Patterns that are looked at closely.
const CLOSE: usize = 8;
/// Patterns that are asked for, so that copies of a few do not hide the others.
const LISTED: usize = 1024;
/// Weight that a pattern is to keep at a `beta` that is sharp for it.
const KEEP: f64 = 0.99;
/// A state is at a pattern where it is no farther from it than this share of the way to the nearest other pattern. Two patterns that
/// share the weight as 0.99 to 0.01 come to half of that.
const NEAR: f64 = 0.02;
/// The same for the direction of the state of a two-layer network, whose neurons stop short of their patterns, and never rest
/// exactly.
const NEAR_IN_TIME: f64 = 0.25;
/// Length, in those of its pattern, that a state of bits in time has at least.
const WHOLE: f64 = 0.5;
/// Length of a state, in those of patterns, below which a network's state has died away.
const FADED: f64 = 0.01;

/// Where a recall ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// At a stored pattern.
    Pattern(u32),
    /// At the mirror image `-xi` of a stored pattern, as stable as the pattern (classical networks, even powers).
    Mirror(u32),
    /// At a mixture of about so many different patterns that `beta` does not tell apart.
    Blend(f32),
    /// Near the mean of all patterns: `beta` is far too small for them.
    Mean,
    /// At 0: nothing drove the neurons of a network, and its state has died away.
    Faded,
    /// Outside the support of the Epanechnikov energy: so far from the nearest pattern.
    OutOfSupport {
        /// The nearest pattern.
        nearest: u32,
        /// Its distance.
        distance: f64,
    },
    /// At a state of bits that is no stored pattern.
    Spurious,
    /// In a cycle of two states.
    Cycle,
    /// Still moving when the updates ran out.
    Moving,
    /// It could not go on.
    Failed(Status),
}

/// One of the patterns behind a recall.
#[derive(Clone, Copy, Debug)]
pub struct Suspect {
    /// Its number.
    pub pattern: u32,
    /// Its weight at the query and at the final state, that of its copies included.
    pub weights: [f32; 2],
    /// Its similarity to the query and to the final state (for bits: the overlap over `d`).
    pub similarity: [f64; 2],
    /// The pattern most similar to it, its copies left out; `None` where there is no other.
    pub rival: Option<u32>,
    /// By how much it is more similar to itself than to its rival, `Delta_i` (for bits: over `d`).
    pub separation: Option<f64>,
    /// The smallest `beta` that is sure to make it a fixed point of its own: for softmax by the bound of Ramsauer et al. 2021 (theorem 3),
    /// for sparse energies `margin / separation`, exactly. `None` where none does, or nothing is known of the energy and similarity.
    pub stable_from: Option<f64>,
    /// The `beta` from which it keeps 99 % of the weight where the state is the pattern itself, were all others as near as the rival (softmax).
    pub sharp_from: Option<f64>,
}

/// Why a recall ended where it did.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The recall, with its trace of energies.
    pub recall: Recall,
    /// Where it ended.
    pub verdict: Verdict,
    /// The patterns behind it, heaviest at the end first, then those that were so at the start; of copies only one.
    pub suspects: Vec<Suspect>,
    /// Distance of the final state from the nearest pattern, over the coordinates that were free. For the two-layer models A and C
    /// the pattern is the one that the state points to.
    pub distance: f64,
    /// Largest rise of the energy in an update; 0 or below where theory holds.
    pub worst_rise: f32,
}

/// Recalls one query `[d]` and explains the result. `memory` has this energy and similarity and was made of these patterns, of which none has
/// been forgotten and none transformed ([`super::Post`]).
///
/// Costs the recall, and a look at all patterns for each of some ten suspects.
///
/// # Errors
/// Those of the recall.
///
/// ```
/// use attractor::{Rows, memory::{Energy, Verdict, explain}, prelude::*};
/// let patterns = Rows::new(vec![0.0, 0.0, 1.0, 0.0, 1.0, 0.4], 2)?;
/// // Sharp for the first pattern, too soft for the two that are near each other.
/// let memory = DenseMemory::builder().beta(20.0).build(&patterns)?;
/// let why = explain(&memory, Energy::Softmax, Similarity::L2, &patterns, &[0.9, 0.2], &RecallOptions::default())?;
/// assert!(matches!(why.verdict, Verdict::Blend(n) if n > 1.5 && n < 2.5));
/// assert!(why.suspects[0].stable_from.is_some_and(|beta| beta > 20.0));
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn explain(
    memory: &dyn Memory,
    energy: Energy,
    similarity: Similarity,
    patterns: &Rows<'_>,
    query: &[f32],
    options: &RecallOptions<'_>,
) -> Result<Explanation> {
    if patterns.rows() != memory.len() || patterns.columns() != memory.dim() {
        return Err(Error::dimension("patterns (as many as are stored)", patterns.rows(), memory.len()));
    }
    let properties = energy.properties();
    if properties.dynamics == Dynamics::OneShot || properties.weights == Weights::None {
        return Err(Error::parameter("energy to explain", energy, "one that a recall descends on"));
    }
    Limits { patterns: memory.len(), live: memory.len(), dim: memory.dim(), similarity, largest: 1.0 }
        .check(&Rows::new(query, memory.dim())?, options.mask)?;
    let view = View { energy, properties, similarity, patterns, mask: options.mask, clamp: options.clamp };
    let top_k = Some(LISTED.min(view.eligible().count()));
    let query = Rows::new(query, memory.dim())?;
    let recall = memory.recall_with(&query, &RecallOptions { trace: true, top_k, ..options.clone() })?;
    let start = memory.recall_with(&query, &RecallOptions { steps: 0, top_k, ..options.clone() })?;
    let (ends, starts) = (view.shares(&recall), view.shares(&start));
    let mut numbers: Vec<u32> = Vec::new();
    for share in ends.iter().take(CLOSE).chain(starts.iter().take(CLOSE)) {
        if share.weight.abs() > 1e-6 && !numbers.iter().any(|k| view.are_copies(*k, share.pattern)) {
            numbers.push(share.pattern);
        }
    }
    let nearest = view.nearest(recall.states.row(0));
    let verdict = view.verdict(&recall, &ends, &nearest);
    let behind = match verdict {
        Verdict::OutOfSupport { nearest, .. } | Verdict::Pattern(nearest) => Some(nearest),
        _ => None,
    };
    if let Some(pattern) = behind.filter(|k| !numbers.iter().any(|of| view.are_copies(*of, *k))) {
        numbers.push(pattern);
    }
    let weight_in = |shares: &[Share], k: u32| {
        shares.iter().find(|share| view.are_copies(share.pattern, k)).map_or(0.0, |share| share.weight)
    };
    let widest = view.eligible().map(|(_, xi)| squared(&wide(xi))).fold(0.0, f64::max);
    let suspects = numbers
        .into_iter()
        .map(|k| {
            let (rival, separation) = view.separation(k);
            let of = |x: &[f32]| view.similarity(&wide(x), patterns.row(k as usize));
            Suspect {
                pattern: k,
                weights: [weight_in(&starts, k), weight_in(&ends, k)],
                similarity: [of(query.row(0)), of(recall.states.row(0))],
                rival,
                separation,
                stable_from: separation.and_then(|s| view.stable_from(s, widest)),
                sharp_from: separation
                    .filter(|s| *s > 0.0 && properties.weights == Weights::Separation(Separation::Softmax))
                    .map(|s| view.sharp_from(s)),
            }
        })
        .collect();
    let trace = recall.trace.as_ref().map_or(&[][..], |t| &t[0]);
    let worst_rise = trace.windows(2).map(|w| w[1] - w[0]).reduce(f32::max).unwrap_or(0.0);
    Ok(Explanation { verdict, suspects, distance: nearest.distance, worst_rise, recall })
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|v| f64::from(*v)).collect()
}

fn squared(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum()
}

/// Similarity of a state and a pattern; 0 for cosine where one has a squared length of less than f32 holds.
fn similarity(x: &[f64], xi: &[f64], kind: Similarity) -> f64 {
    let sum = |of: fn(f64, f64) -> f64| x.iter().zip(xi).map(|(a, b)| of(*a, *b)).sum::<f64>();
    let dot = || sum(|a, b| a * b);
    match kind {
        Similarity::Dot => dot(),
        Similarity::Cosine => {
            let lengths = [squared(x), squared(xi)];
            if !lengths.iter().all(|s| *s <= f64::from(f32::MAX)) {
                f64::NAN
            } else if lengths.iter().any(|s| *s < f64::from(f32::MIN_POSITIVE)) {
                0.0
            } else {
                dot() / (lengths[0].sqrt() * lengths[1].sqrt())
            }
        }
        Similarity::L2 => -0.5 * sum(|a, b| (a - b).powi(2)),
        Similarity::L1 => -sum(|a, b| (a - b).abs()),
    }
}

struct View<'a> {
    energy: Energy,
    properties: Properties,
    similarity: Similarity,
    patterns: &'a Rows<'a>,
    mask: Option<&'a [bool]>,
    /// Known coordinates `[d]`.
    clamp: Option<&'a [bool]>,
}

/// The weight of a pattern together with its copies.
struct Share {
    /// The first of them that was listed.
    pattern: u32,
    weight: f32,
    copies: usize,
}

/// The pattern nearest to a state.
struct Nearest {
    pattern: u32,
    distance: f64,
    /// The same with a network's state at the pattern's length.
    apart: f64,
    /// Its distance from the nearest pattern that is no copy of it; its length, where there is none.
    rival: f64,
}

impl View<'_> {
    /// The patterns that may answer, with their numbers.
    fn eligible(&self) -> impl Iterator<Item = (u32, &[f32])> {
        let all = self.patterns.iter().enumerate().map(|(k, xi)| (k as u32, xi));
        all.filter(|(k, _)| self.mask.is_none_or(|mask| mask[*k as usize]))
    }

    fn are_copies(&self, a: u32, b: u32) -> bool {
        a == b || self.patterns.row(a as usize) == self.patterns.row(b as usize)
    }

    /// The weights of different patterns, heaviest first. Copies have equal weights, and all of them count, listed or not.
    fn shares(&self, recall: &Recall) -> Vec<Share> {
        let mut shares: Vec<Share> = Vec::new();
        for (pattern, weight) in recall.top(0) {
            if shares.iter().any(|share| self.are_copies(share.pattern, pattern)) {
                continue;
            }
            let row = self.patterns.row(pattern as usize);
            // The weights of a classical network are overlaps, no shares.
            let copies = match self.properties.weights {
                Weights::Overlaps => 1,
                _ => self.eligible().filter(|(_, xi)| *xi == row).count(),
            };
            shares.push(Share { pattern, weight: copies as f32 * weight, copies });
            // What else there is is no suspect.
            if shares.len() == 2 * CLOSE {
                break;
            }
        }
        shares.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
        shares
    }

    /// How many different patterns a state effectively mixes: from the number that counts copies one by one, without what the
    /// listed ones add to its entropy.
    fn effective(&self, recall: &Recall, shares: &[Share]) -> f32 {
        let total =
            if let Weights::Separation(s) = self.properties.weights { f64::from(s.total()) } else { 1.0 };
        let of_copies = |s: &Share| f64::from(s.weight.abs()) / total * (s.copies as f64).ln();
        let entropy = f64::from(recall.effective[0]).ln() - shares.iter().map(of_copies).sum::<f64>();
        entropy.exp().max(1.0) as f32
    }

    /// Squared distance over the coordinates that are free.
    fn squared_distance(&self, x: &[f64], xi: &[f64]) -> f64 {
        let free = |j: &usize| self.clamp.is_none_or(|known| !known[*j]);
        (0..x.len()).filter(free).map(|j| (x[j] - xi[j]).powi(2)).sum()
    }

    /// Where a state stands among the patterns.
    fn nearest(&self, state: &[f32]) -> Nearest {
        let state = wide(state);
        let length = squared(&state).sqrt();
        let apart = |xi: &[f32]| {
            let xi = wide(xi);
            let scale = if self.is_in_time() && length > 0.0 { squared(&xi).sqrt() / length } else { 1.0 };
            let scaled: Vec<f64> = state.iter().map(|v| scale * v).collect();
            self.squared_distance(&scaled, &xi).sqrt()
        };
        let all = self.eligible().map(|(k, xi)| (k, apart(xi)));
        let (pattern, apart) = all.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, 0.0));
        let row = self.patterns.row(pattern as usize);
        let own = wide(row);
        let distance = self.squared_distance(&state, &own).sqrt();
        let others = self.eligible().filter(|(_, xi)| *xi != row);
        let rival = others.map(|(_, xi)| self.squared_distance(&own, &wide(xi))).min_by(f64::total_cmp);
        let rival = rival.unwrap_or_else(|| squared(&own)).sqrt();
        Nearest { pattern, distance, apart, rival }
    }

    /// Whether states are neurons in time, whose directions are the patterns.
    fn is_in_time(&self) -> bool {
        self.properties.dynamics == Dynamics::Neurons
    }

    /// Whether a state is where the mean of all patterns is, and nearer to that than to any of them.
    fn is_mean(&self, state: &[f32], nearest: &Nearest) -> bool {
        let mut mean = vec![0.0; state.len()];
        let mut count = 0.0;
        for (_, xi) in self.eligible() {
            mean.iter_mut().zip(xi).for_each(|(m, v)| *m += f64::from(*v));
            count += 1.0;
        }
        mean.iter_mut().for_each(|m| *m /= count);
        self.squared_distance(&wide(state), &mean).sqrt() < 0.5 * nearest.distance
    }

    fn similarity(&self, x: &[f64], xi: &[f32]) -> f64 {
        match self.energy.is_binary() {
            true => similarity(x, &wide(xi), Similarity::Dot) / x.len() as f64,
            false => similarity(x, &wide(xi), self.similarity),
        }
    }

    /// The rival of a pattern, its copies left out, and how far it is.
    fn separation(&self, k: u32) -> (Option<u32>, Option<f64>) {
        let row = self.patterns.row(k as usize);
        let own = wide(row);
        let others = self.eligible().filter(|(_, xi)| *xi != row);
        let rival = others.map(|(j, xi)| (j, self.similarity(&own, xi))).max_by(|a, b| a.1.total_cmp(&b.1));
        (rival.map(|r| r.0), rival.map(|r| self.similarity(&own, row) - r.1))
    }

    /// See [`Suspect::sharp_from`].
    fn sharp_from(&self, separation: f64) -> f64 {
        let others = self.eligible().count() as f64 - 1.0;
        (others * KEEP / (1.0 - KEEP)).ln().max(0.0) / separation
    }

    /// See [`Suspect::stable_from`].
    fn stable_from(&self, separation: f64, widest: f64) -> Option<f64> {
        if separation <= 0.0 {
            return None;
        }
        match self.properties.weights {
            Weights::Separation(s) if s.margin().is_finite() => Some(f64::from(s.margin()) / separation),
            // The theorem is one of dot products; distances are that with a bias.
            Weights::Separation(Separation::Softmax | Separation::Entmax(1.0))
                if matches!(self.similarity, Similarity::Dot | Similarity::L2) =>
            {
                let n = self.eligible().count() as f64;
                let needs =
                    |beta: f64| 2.0 / (beta * n) + (2.0 * (n - 1.0) * n * beta * widest).max(1.0).ln() / beta;
                // What is needed falls with beta once it is not small; the last crossing is the one that stays.
                let (mut low, mut high) = (0.0, 1.0 / separation);
                while needs(high) > separation || needs(2.0 * high) > separation {
                    low = high;
                    high *= 2.0;
                    if !high.is_finite() {
                        return None;
                    }
                }
                for _ in 0..60 {
                    let middle = 0.5 * (low + high);
                    if needs(middle) <= separation { high = middle } else { low = middle }
                }
                Some(high)
            }
            _ => None,
        }
    }

    fn verdict(&self, recall: &Recall, shares: &[Share], nearest: &Nearest) -> Verdict {
        let state = recall.states.row(0);
        match recall.status[0] {
            Status::OutOfSupport => {
                let Nearest { pattern, distance, .. } = *nearest;
                return Verdict::OutOfSupport { nearest: pattern, distance };
            }
            Status::Cycle2 => return Verdict::Cycle,
            Status::Converged | Status::MaxSteps => {}
            status => return Verdict::Failed(status),
        }
        if self.energy.is_binary() {
            let at = |sign: f32| {
                let equal = |xi: &[f32]| xi.iter().zip(state).all(|(a, b)| *a == sign * b);
                self.eligible().find(|(_, xi)| equal(xi)).map(|(k, _)| k)
            };
            return match (at(1.0), at(-1.0)) {
                (Some(k), _) => Verdict::Pattern(k),
                (None, Some(k)) => Verdict::Mirror(k),
                (None, None) if recall.status[0] == Status::MaxSteps => Verdict::Moving,
                (None, None) => Verdict::Spurious,
            };
        }
        let length = squared(&wide(state)).sqrt();
        let own = squared(&wide(self.patterns.row(nearest.pattern as usize))).sqrt();
        if self.is_in_time() && recall.status[0] == Status::Converged && length <= FADED * own {
            return Verdict::Faded;
        }
        // Where the state is decides, not the weights: a state that is nowhere near has a heaviest pattern too.
        let reach = if self.is_in_time() { NEAR_IN_TIME } else { NEAR };
        let shrunk = self.is_in_time() && self.energy.stores_bits() && length < WHOLE * own;
        let (n, effective) = (self.eligible().count() as f32, recall.effective[0]);
        match recall.status[0] {
            _ if !shrunk && nearest.apart <= reach * nearest.rival => Verdict::Pattern(nearest.pattern),
            Status::MaxSteps => Verdict::Moving,
            _ if n > 2.0 && effective > 0.8 * n && self.is_mean(state, nearest) => Verdict::Mean,
            _ => Verdict::Blend(self.effective(recall, shares)),
        }
    }
}

impl Explanation {
    /// What it means and what would help, in a few sentences.
    pub fn advice(&self, energy: Energy) -> String {
        let beta = f64::from(self.recall.beta);
        let heaviest = self.suspects.first();
        // What was meant, most likely.
        let nearest = self.suspects.iter().max_by(|a, b| a.similarity[0].total_cmp(&b.similarity[0]));
        let fix = |s: &Suspect| match (s.stable_from, s.separation) {
            // The theorem promises a fixed point near the pattern, not all of the weight.
            (Some(from), _) if from <= beta => {
                s.sharp_from.filter(|from| *from > beta).map_or(String::new(), |from| {
                    format!(
                        "a beta of {from:.4} or more gives pattern {} 99 % of the weight at itself",
                        s.pattern
                    )
                })
            }
            (Some(from), _) => {
                format!("a beta of {from:.4} or more is sure to make pattern {} a fixed point", s.pattern)
            }
            (None, Some(d)) if d <= 0.0 => format!(
                "no beta makes pattern {} a fixed point: another is at least as similar to it as itself; use l2, or normalise the patterns",
                s.pattern
            ),
            _ => String::new(),
        };
        match self.verdict {
            Verdict::Pattern(k) => {
                let own = self.suspects.iter().find(|s| s.pattern == k).or(heaviest);
                let margin =
                    own.and_then(|s| s.stable_from).map_or(String::new(), |from| match from <= beta {
                        true => format!("; its stability is guaranteed from beta {from:.4} on"),
                        false => format!("; the guarantee for it begins at beta {from:.4} only"),
                    });
                match self.recall.steps[0] {
                    0 => format!("pattern {k} itself: no update was made{margin}"),
                    _ => format!("recalled pattern {k}{margin}"),
                }
            }
            Verdict::Faded => {
                "the state has died away to 0: no pattern drove it; begin nearer to the pattern that is meant, or take a larger beta"
                    .to_owned()
            }
            Verdict::Mirror(k) => {
                format!(
                    "the mirror image of pattern {k}: as stable as the pattern itself; a rectified energy has no mirror images"
                )
            }
            Verdict::Blend(effective) => {
                let wanted = nearest.map(fix).filter(|f| !f.is_empty());
                format!(
                    "a blend of about {effective:.1} patterns, which beta {beta:.4} does not tell apart{}",
                    wanted.map_or(String::new(), |f| format!("; {f}"))
                )
            }
            Verdict::Mean => {
                let wanted = nearest.map(fix).filter(|f| !f.is_empty());
                format!(
                    "near the mean of all patterns: beta {beta:.4} is too small for any of them{}",
                    wanted.map_or(String::new(), |f| format!("; {f}"))
                )
            }
            Verdict::OutOfSupport { nearest, distance } => format!(
                "out of support: the nearest pattern, {nearest}, is {distance:.4} away and beta {beta:.4} reaches {:.4}; a beta below {:.4} would reach it",
                (2.0 / beta).sqrt(),
                2.0 / (distance * distance)
            ),
            Verdict::Spurious => {
                let alternative = match energy.properties().weights {
                    Weights::Overlaps => {
                        "store fewer patterns, or take the energy rectified:3 or exponential, which hold more"
                    }
                    _ => {
                        "store fewer patterns, or take a higher power or the exponential energy, which hold more"
                    }
                };
                let overlap = heaviest.map_or(String::new(), |s| {
                    format!(", most like pattern {} (overlap {:.3})", s.pattern, s.similarity[1])
                });
                format!("a spurious state, no stored pattern{overlap}; {alternative}")
            }
            Verdict::Cycle => {
                "a cycle of two states: synchronous updates of bits can do that; asynchronous ones end"
                    .to_owned()
            }
            Verdict::Moving => "not at rest yet: allow more steps".to_owned(),
            Verdict::Failed(Status::Inert) => {
                "nothing could move the state: no pattern has a say in it, or all of its coordinates are known".to_owned()
            }
            Verdict::Failed(status) => format!(
                "ended early ({status}): smaller values, a smaller beta or a smaller time step may help"
            ),
        }
    }
}
