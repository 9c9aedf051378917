//! Classes of patterns: what a query is called, how sure that is, and the `beta` at which the patterns themselves say it best.

use super::{DenseMemory, Memory, known::Marginal, sample::sample};
use crate::{
    Error, Result, Rows, Tensor,
    ops::{Resolution, SimilarityForm, similarity_in},
};
use rayon::prelude::*;

/// The classes of stored patterns.
///
/// Associated with the patterns as values ([`Labels::values`]), the values of a recall of no steps are the probabilities of the classes: sums of the
/// patterns' weights *at the query*. (At the state where a recall has converged nearly all weight is one pattern's, whatever the query was: that says
/// nothing of how sure it is.)
///
/// ```
/// use attractor::{memory::Labels, prelude::*};
/// let patterns = [[0.0, 0.0], [0.1, 0.0], [1.0, 1.0]];
/// let labels = Labels::new(vec![0, 0, 1])?;
/// let mut memory = DenseMemory::builder().beta(4.0).build(&patterns)?;
/// memory.associate(&labels.values())?;
/// let look = RecallOptions { steps: 0, ..RecallOptions::default() };
/// let values = memory.recall_with(&[[0.2, 0.1]], &look)?.values.ok_or(attractor::Error::EmptyMemory)?;
/// let probabilities = labels.probabilities(&values)?;
/// assert!(probabilities[(0, 0)] > 0.95 && labels.vote(&probabilities) == [0]);
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    of: Vec<u32>,
    classes: usize,
}

/// A choice of `beta` by labels.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelBeta {
    /// The inverse temperature of the largest likelihood.
    pub beta: f32,
    /// The mean logarithm of the probability that a stored pattern's label has by the others.
    pub likelihood: f64,
    /// Share of them whose label is the most probable one by the others.
    pub accuracy: f64,
    /// How many stored patterns were looked at.
    pub sampled: usize,
    /// Likelihoods at other `beta`, ascending.
    pub curve: Vec<(f32, f64)>,
}

impl Labels {
    /// The class of each pattern, `[n]`, numbers from 0 on.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for more classes than patterns.
    pub fn new(of: Vec<u32>) -> Result<Self> {
        let classes = of.iter().max().map_or(0, |most| *most as usize + 1);
        if classes > of.len() {
            let given = format!("{} for {} patterns", classes - 1, of.len());
            return Err(Error::parameter(
                "largest class",
                given,
                "classes counted from 0, each with a pattern",
            ));
        }
        Ok(Self { of, classes })
    }

    /// The class of each pattern.
    pub fn of(&self) -> &[u32] {
        &self.of
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// 1 for the class of each pattern and 0 for all others, `[n, classes]`: values to associate.
    pub fn values(&self) -> Rows<'static> {
        let mut values = vec![0.0; self.of.len() * self.classes];
        self.of.iter().enumerate().for_each(|(k, class)| values[k * self.classes + *class as usize] = 1.0);
        Rows::new(values, self.classes).unwrap_or_else(|_| Rows::empty(self.classes))
    }

    /// Probabilities `[b, classes]` from the values of a recall: divided by their sum, where weights do not sum to 1.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] for values of another width.
    pub fn probabilities(&self, values: &Rows<'_>) -> Result<Rows<'static>> {
        if values.rows() > 0 && values.columns() != self.classes {
            return Err(Error::dimension("columns of values (classes)", values.columns(), self.classes));
        }
        let divided = |row: &[f32]| {
            let sum: f32 = row.iter().sum();
            row.iter().map(move |v| if sum > 0.0 { v / sum } else { f32::NAN }).collect::<Vec<f32>>()
        };
        Rows::new(values.iter().flat_map(divided).collect::<Vec<f32>>(), self.classes)
    }

    /// The most probable class of each row; the first of equal ones.
    pub fn vote(&self, probabilities: &Rows<'_>) -> Vec<u32> {
        let best = |row: &[f32]| {
            let first = row
                .iter()
                .enumerate()
                .fold((0, f32::NEG_INFINITY), |best, (c, p)| if *p > best.1 { (c, *p) } else { best });
            first.0 as u32
        };
        probabilities.iter().map(best).collect()
    }
}

/// Probabilities below this count as this: one pattern among strangers does not decide over `beta`.
const LEAST: f64 = 1e-9;
/// Scores that the choice may look at.
const SCORES: usize = 4_000_000;

/// What a pattern has of the others at a `beta`: the probability of its class, and whether it is the most probable.
fn by_others(scores: &[f32], own: usize, labels: &Labels, beta: f64) -> (f64, bool) {
    let mut of_class = vec![0.0_f64; labels.classes];
    let others = || scores.iter().enumerate().filter(|(k, _)| *k != own);
    let most = others().map(|(_, s)| f64::from(*s)).fold(f64::NEG_INFINITY, f64::max);
    for (k, score) in others() {
        of_class[labels.of[k] as usize] += (beta * (f64::from(*score) - most)).exp();
    }
    let total: f64 = of_class.iter().sum();
    let class = labels.of[own] as usize;
    let best = of_class.iter().all(|weight| *weight <= of_class[class]);
    (of_class[class] / total, best)
}

impl DenseMemory {
    /// The `beta` at which the stored patterns say each other's labels best: the largest mean likelihood of a pattern's label by the weights of all others at it
    /// (leave one out). It makes [`Labels::probabilities`] those that they say they are; as a rule it is far below the automatic `beta`, which is for
    /// recalling single patterns.
    ///
    /// # Errors
    /// [`Error::EmptyMemory`] for fewer than two patterns, [`Error::DimensionMismatch`] where there is not one label for each,
    /// [`Error::InvalidParameter`] where any is forgotten; faults of the device.
    pub fn beta_by_labels(&self, labels: &Labels) -> Result<LabelBeta> {
        let (n, d) = (self.len(), self.dim());
        if n < 2 {
            return Err(Error::EmptyMemory);
        }
        if labels.of.len() != n {
            return Err(Error::dimension("labels (one per pattern)", labels.of.len(), n));
        }
        if self.live() < n {
            let want = "0: a memory built anew without them has labels of its own";
            return Err(Error::parameter("number of forgotten patterns", n - self.live(), want));
        }
        let size = (SCORES / n).clamp(256, 2048);
        let numbers = sample(self.hashes(), size, |_| true);
        let patterns = self.stored()?.patterns;
        let cpu = crate::Device::Cpu;
        let all = Tensor::from_flat(&cpu, patterns.as_slice(), &[n, d])?;
        let mut scores = Vec::with_capacity(numbers.len() * n);
        for numbers in numbers.chunks((SCORES / n).max(1)) {
            let rows: Vec<f32> = numbers.iter().flat_map(|k| patterns.row(*k as usize)).copied().collect();
            let rows = Tensor::from_flat(&cpu, &rows, &[numbers.len(), d])?;
            let form = Resolution::of(SimilarityForm::Difference, self.similarity(), 1.0, 0.0, d);
            scores.extend(similarity_in(&rows, &all, self.similarity(), form)?.to_vec()?);
        }
        let at = |beta: f64| -> (f64, f64) {
            let one = |(row, own): (&[f32], &u32)| {
                let (p, best) = by_others(row, *own as usize, labels, beta);
                (p.max(LEAST).ln(), f64::from(u8::from(best)))
            };
            let found: Vec<(f64, f64)> = scores.par_chunks_exact(n).zip(&numbers).map(one).collect();
            let sum = found.iter().fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
            (sum.0 / numbers.len() as f64, sum.1 / numbers.len() as f64)
        };
        // Around the automatic choice, by factors of 2; then closer around the best.
        let middle = f64::from(self.beta_choice()?.beta);
        let mut curve: Vec<(f64, f64)> = Vec::new();
        for power in -14..=4 {
            let beta = middle * 2.0_f64.powi(power);
            curve.push((beta, at(beta).0));
        }
        for factor in [2.0_f64.powf(0.5), 2.0_f64.powf(0.25), 2.0_f64.powf(0.125)] {
            let best =
                curve.iter().copied().fold((middle, f64::NEG_INFINITY), |a, b| if b.1 > a.1 { b } else { a });
            for beta in [best.0 / factor, best.0 * factor] {
                curve.push((beta, at(beta).0));
            }
        }
        curve.sort_by(|a, b| a.0.total_cmp(&b.0));
        let best =
            curve.iter().copied().fold((middle, f64::NEG_INFINITY), |a, b| if b.1 > a.1 { b } else { a });
        Ok(LabelBeta {
            beta: best.0 as f32,
            likelihood: best.1,
            accuracy: at(best.0).1,
            sampled: numbers.len(),
            curve: curve.into_iter().map(|(beta, likelihood)| (beta as f32, likelihood)).collect(),
        })
    }
}
