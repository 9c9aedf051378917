//! Why a recall ended where it did, and what would change it.

use super::{Energy, Memory, Recall, RecallOptions, Status, dense::Limits};
use crate::{
    Error, Result, Rows,
    ops::{Separation, Similarity},
    reference::of_pair,
};

/// Patterns that are looked at closely.
const CLOSE: usize = 8;
/// Weight from which a state is a pattern's.
const KEEP: f64 = 0.99;

/// Where a recall ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// At a stored pattern.
    Pattern(u32),
    /// At the mirror image `-xi` of a stored pattern, as stable as the pattern (classical networks, even powers).
    Mirror(u32),
    /// At a mixture of about so many patterns that `beta` does not tell apart.
    Blend(f32),
    /// Near the mean of all patterns: `beta` is far too small for them.
    Mean,
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
    /// Its weight at the query and at the final state.
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
    /// The patterns behind it, heaviest at the end first, then those that were so at the start.
    pub suspects: Vec<Suspect>,
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
    if let Energy::Universal(..) = energy {
        return Err(Error::parameter("energy to explain", energy, "one that a recall descends on"));
    }
    Limits { patterns: memory.len(), live: memory.len(), dim: memory.dim(), similarity, largest: 1.0 }
        .check(&Rows::new(query, memory.dim())?, options.mask)?;
    let view = View { energy, similarity, patterns, mask: options.mask };
    let top_k = Some(CLOSE.min(view.eligible().count()));
    let query = Rows::new(query, memory.dim())?;
    let recall = memory.recall_with(&query, &RecallOptions { trace: true, top_k, ..options.clone() })?;
    let start = memory.recall_with(&query, &RecallOptions { steps: 0, top_k, ..options.clone() })?;
    let mut numbers: Vec<u32> = Vec::new();
    for (pattern, weight) in recall.top(0).chain(start.top(0)) {
        if weight.abs() > 1e-6 && !numbers.contains(&pattern) {
            numbers.push(pattern);
        }
    }
    let verdict = view.verdict(&recall);
    if let Verdict::OutOfSupport { nearest, .. } = verdict {
        numbers.push(nearest);
    }
    let weight_in = |recall: &Recall, k: u32| recall.top(0).find(|(i, _)| *i == k).map_or(0.0, |(_, w)| w);
    let widest = view.eligible().map(|(_, xi)| squared(&wide(xi))).fold(0.0, f64::max);
    let suspects = numbers
        .into_iter()
        .map(|k| {
            let (rival, separation) = view.separation(k);
            let of = |x: &[f32]| view.similarity(&wide(x), patterns.row(k as usize));
            Suspect {
                pattern: k,
                weights: [weight_in(&start, k), weight_in(&recall, k)],
                similarity: [of(query.row(0)), of(recall.states.row(0))],
                rival,
                separation,
                stable_from: separation.and_then(|s| view.stable_from(s, widest)),
                sharp_from: separation
                    .filter(|s| *s > 0.0 && energy == Energy::Softmax)
                    .map(|s| view.sharp_from(s)),
            }
        })
        .collect();
    let trace = recall.trace.as_ref().map_or(&[][..], |t| &t[0]);
    let worst_rise = trace.windows(2).map(|w| w[1] - w[0]).reduce(f32::max).unwrap_or(0.0);
    Ok(Explanation { verdict, suspects, worst_rise, recall })
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|v| f64::from(*v)).collect()
}

fn squared(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum()
}

struct View<'a> {
    energy: Energy,
    similarity: Similarity,
    patterns: &'a Rows<'a>,
    mask: Option<&'a [bool]>,
}

impl View<'_> {
    /// The patterns that may answer, with their numbers.
    fn eligible(&self) -> impl Iterator<Item = (u32, &[f32])> {
        let all = self.patterns.iter().enumerate().map(|(k, xi)| (k as u32, xi));
        all.filter(|(k, _)| self.mask.is_none_or(|mask| mask[*k as usize]))
    }

    fn similarity(&self, x: &[f64], xi: &[f32]) -> f64 {
        match self.energy.is_binary() {
            true => of_pair(x, &wide(xi), Similarity::Dot) / x.len() as f64,
            false => of_pair(x, &wide(xi), self.similarity),
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
        match self.energy {
            Energy::Sparse(s) if s.margin().is_finite() => Some(f64::from(s.margin()) / separation),
            // The theorem is one of dot products; distances are that with a bias.
            Energy::Softmax | Energy::Sparse(Separation::Softmax | Separation::Entmax(1.0))
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

    fn verdict(&self, recall: &Recall) -> Verdict {
        let state = recall.states.row(0);
        match recall.status[0] {
            Status::OutOfSupport => return self.out_of_support(state),
            Status::Cycle2 => return Verdict::Cycle,
            status @ (Status::NonFinite | Status::EnergyRises | Status::Dead | Status::LowSignal) => {
                return Verdict::Failed(status);
            }
            Status::Converged | Status::MaxSteps => {}
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
        let (n, effective) = (self.eligible().count() as f32, recall.effective[0]);
        // Copies of a pattern share its weight.
        let total = if let Energy::Sparse(s) = self.energy { f64::from(s.total()) } else { 1.0 };
        let of_copies = |k: u32| -> f64 {
            let row = self.patterns.row(k as usize);
            let copies = recall.top(0).filter(|(j, _)| self.patterns.row(*j as usize) == row);
            copies.map(|(_, weight)| f64::from(weight)).sum()
        };
        match recall.top(0).next() {
            Some((k, _)) if of_copies(k) >= KEEP * total => Verdict::Pattern(k),
            _ if recall.status[0] == Status::MaxSteps => Verdict::Moving,
            _ if n > 2.0 && effective > 0.8 * n => Verdict::Mean,
            _ => Verdict::Blend(effective),
        }
    }

    fn out_of_support(&self, state: &[f32]) -> Verdict {
        let distance = |xi: &[f32]| {
            let squares = state.iter().zip(xi).map(|(a, b)| f64::from(a - b).powi(2));
            squares.sum::<f64>().sqrt()
        };
        let nearest = self.eligible().map(|(k, xi)| (k, distance(xi))).min_by(|a, b| a.1.total_cmp(&b.1));
        let (nearest, distance) = nearest.unwrap_or((0, 0.0));
        Verdict::OutOfSupport { nearest, distance }
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
                let margin =
                    heaviest.and_then(|s| s.stable_from).map_or(String::new(), |from| match from <= beta {
                        true => format!("; its stability is guaranteed from beta {from:.4} on"),
                        false => format!("; the guarantee for it begins at beta {from:.4} only"),
                    });
                format!("recalled pattern {k}{margin}")
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
                let alternative = match energy {
                    Energy::Hopfield(_) => {
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
            Verdict::Failed(status) => format!(
                "ended early ({status}): smaller values, a smaller beta or a smaller time step may help"
            ),
        }
    }
}
