//! Why a recall ended where it did, and what would change it.

use super::{Energy, Memory, Recall, RecallOptions, Status};
use crate::{Error, Result, Rows, ops::Similarity, reference::of_pair};

/// Patterns that are looked at closely.
const CLOSE: usize = 8;
/// Weight from which a state is a pattern's.
const KEEP: f64 = 0.99;

/// Where a recall ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// At a stored pattern.
    Pattern(u32),
    /// At the mirror image `-xi` of a stored pattern, which is as stable as the pattern (energies of bits without rectification).
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
    /// The pattern most similar to it, `None` where there is no other.
    pub rival: Option<u32>,
    /// By how much it is more similar to itself than to its rival, `Delta_i` (for bits: over `d`).
    pub separation: Option<f64>,
    /// The smallest `beta` that is sure to make it a fixed point of its own: for softmax by the bound of Ramsauer et al. 2021 (theorem 3),
    /// for sparse energies `margin / separation`, exactly. `None` where none does, or the energy has no `beta`.
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

/// Recalls one query `[d]` and explains the result. `memory` has this energy and similarity and was made of these patterns.
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
    let top_k = Some(CLOSE.min(memory.len()));
    let query = Rows::new(query, memory.dim())?;
    let recall = memory.recall_with(&query, &RecallOptions { trace: true, top_k, ..options.clone() })?;
    let start = memory.recall_with(&query, &RecallOptions { steps: 0, top_k, ..options.clone() })?;
    let view = View { energy, similarity, patterns };
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
    let widest = patterns.iter().map(|xi| squared(&wide(xi))).fold(0.0, f64::max);
    let suspects = numbers
        .into_iter()
        .map(|k| {
            let (rival, separation) = view.separation(k);
            let of = |x: &[f32]| view.similarity(x, patterns.row(k as usize));
            Suspect {
                pattern: k,
                weights: [weight_in(&start, k), weight_in(&recall, k)],
                similarity: [of(query.row(0)), of(recall.states.row(0))],
                rival,
                separation,
                stable_from: separation.and_then(|s| view.stable_from(s, widest)),
                sharp_from: separation
                    .filter(|s| *s > 0.0 && energy == Energy::Softmax)
                    .map(|s| ((patterns.rows() as f64 - 1.0) * KEEP / (1.0 - KEEP)).ln().max(0.0) / s),
            }
        })
        .collect();
    let trace = recall.trace.as_ref().map_or(&[][..], |t| &t[0]);
    let worst_rise = trace.windows(2).map(|w| w[1] - w[0]).fold(f32::NEG_INFINITY, f32::max);
    Ok(Explanation { verdict, suspects, worst_rise: worst_rise.max(-f32::MAX), recall })
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
}

impl View<'_> {
    fn similarity(&self, x: &[f32], xi: &[f32]) -> f64 {
        match self.energy.is_binary() {
            true => of_pair(&wide(x), &wide(xi), Similarity::Dot) / x.len() as f64,
            false => of_pair(&wide(x), &wide(xi), self.similarity),
        }
    }

    /// The rival of a pattern, and how far it is.
    fn separation(&self, k: u32) -> (Option<u32>, Option<f64>) {
        let own = self.patterns.row(k as usize);
        let others = self.patterns.iter().enumerate().filter(|(j, _)| *j != k as usize);
        let rival =
            others.map(|(j, xi)| (j as u32, self.similarity(own, xi))).max_by(|a, b| a.1.total_cmp(&b.1));
        (rival.map(|r| r.0), rival.map(|r| self.similarity(own, own) - r.1))
    }

    /// See [`Suspect::stable_from`].
    fn stable_from(&self, separation: f64, widest: f64) -> Option<f64> {
        if separation <= 0.0 {
            return None;
        }
        match self.energy {
            Energy::Sparse(s) if s.margin().is_finite() => Some(f64::from(s.margin()) / separation),
            Energy::Softmax | Energy::Sparse(_) => {
                let n = self.patterns.rows() as f64;
                let needs =
                    |beta: f64| 2.0 / (beta * n) + (2.0 * (n - 1.0) * n * beta * widest).max(1.0).ln() / beta;
                // What is needed falls with beta once it is not small; the last crossing is the one that stays.
                let mut high = 1.0 / separation;
                while needs(high) > separation || needs(2.0 * high) > separation {
                    high *= 2.0;
                    if !high.is_finite() {
                        return None;
                    }
                }
                let mut low = 0.5 * high;
                for _ in 0..60 {
                    let middle = 0.5 * (low + high);
                    if needs(middle) <= separation { high = middle } else { low = middle }
                }
                Some(high)
            }
            Energy::Binary(_) | Energy::Hopfield(_) | Energy::Lagrangian(_) | Energy::Universal(..) => None,
        }
    }

    fn verdict(&self, recall: &Recall) -> Verdict {
        let state = recall.states.row(0);
        match recall.status[0] {
            Status::OutOfSupport => return self.out_of_support(state),
            Status::Cycle2 => return Verdict::Cycle,
            Status::NonFinite | Status::EnergyRises | Status::Dead | Status::LowSignal => {
                return Verdict::Moving;
            }
            Status::Converged | Status::MaxSteps => {}
        }
        if self.energy.is_binary() {
            let at = |sign: f32| {
                let equal = |xi: &[f32]| xi.iter().zip(state).all(|(a, b)| *a == sign * b);
                self.patterns.iter().position(equal).map(|k| k as u32)
            };
            return match (at(1.0), at(-1.0)) {
                (Some(k), _) => Verdict::Pattern(k),
                (None, Some(k)) => Verdict::Mirror(k),
                (None, None) if recall.status[0] == Status::MaxSteps => Verdict::Moving,
                (None, None) => Verdict::Spurious,
            };
        }
        let (n, effective) = (self.patterns.rows() as f32, recall.effective[0]);
        match recall.top(0).next() {
            Some((k, weight)) if f64::from(weight) >= KEEP => Verdict::Pattern(k),
            _ if recall.status[0] == Status::MaxSteps => Verdict::Moving,
            _ if n > 2.0 && effective > 0.5 * n => Verdict::Mean,
            _ => Verdict::Blend(effective),
        }
    }

    fn out_of_support(&self, state: &[f32]) -> Verdict {
        let distance = |xi: &[f32]| {
            let squares = state.iter().zip(xi).map(|(a, b)| f64::from(a - b).powi(2));
            squares.sum::<f64>().sqrt()
        };
        let nearest = self.patterns.iter().map(distance).enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        let (nearest, distance) = nearest.map_or((0, 0.0), |(k, d)| (k as u32, d));
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
        }
    }
}
