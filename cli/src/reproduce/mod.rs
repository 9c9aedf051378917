//! Published results, computed anew: a figure beside the published one, with its statistical error.

pub(crate) mod bits;
pub(crate) mod capacity;
pub(crate) mod digits;
pub(crate) mod epanechnikov;
pub(crate) mod features;
pub(crate) mod kept;
pub(crate) mod theory;
pub(crate) mod uhop;
pub(crate) mod vectors;

use crate::failure::Result;
use attractor::{Device, Rows};
use kept::Kept;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::path::Path;

/// A figure, and what it is held against.
pub(crate) struct Figure {
    /// Number or letter of the result in its table, or the section of the theory.
    pub(crate) id: &'static str,
    /// Model, data and sizes.
    pub(crate) setting: String,
    /// What is measured.
    pub(crate) metric: &'static str,
    /// NaN where nobody has published one.
    pub(crate) published: f64,
    pub(crate) got: f64,
    /// Standard error of `got`.
    pub(crate) error: f64,
    /// Standard error of the published figure, as far as it can be told: that of one memory where `got` is the mean of several, that of as
    /// many trials where it is a share.
    pub(crate) error_published: f64,
    /// The figure by a formula, where there is one.
    pub(crate) formula: Option<f64>,
}

impl Figure {
    /// The mean of independent samples.
    pub(crate) fn of_samples(
        id: &'static str,
        setting: String,
        metric: &'static str,
        published: f64,
        samples: &[f64],
    ) -> Self {
        let n = samples.len() as f64;
        let mean = samples.iter().sum::<f64>() / n;
        let variance = samples.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let (error, error_published) = ((variance / n).sqrt(), variance.sqrt());
        Self { id, setting, metric, published, got: mean, error, error_published, formula: None }
    }

    /// A share of independent trials.
    pub(crate) fn of_trials(
        id: &'static str,
        setting: String,
        metric: &'static str,
        published: f64,
        (successes, trials): (usize, usize),
    ) -> Self {
        let (k, n) = (successes as f64, trials as f64);
        // By Agresti and Coull: an error also where all or none succeed.
        let p = (k + 2.0) / (n + 4.0);
        let error = (p * (1.0 - p) / (n + 4.0)).sqrt();
        Self { id, setting, metric, published, got: k / n, error, error_published: error, formula: None }
    }

    pub(crate) fn with_formula(mut self, formula: f64) -> Self {
        self.formula = Some(formula);
        self
    }

    /// What rounding to the published digits leaves open.
    fn rounding(&self) -> f64 {
        let digits = format!("{}", self.published).split_once('.').map_or(0, |(_, d)| d.len());
        // A published 0 has as many digits as its neighbours in the table.
        let digits = if self.published == 0.0 { 4 } else { digits.max(2) };
        0.5 * 10_f64.powi(-(digits as i32))
    }

    /// By how many standard errors the figure lies off the published one. That is an estimate as well: the errors of both count. NaN where
    /// there is none.
    pub(crate) fn deviation(&self) -> f64 {
        if self.published.is_nan() {
            return f64::NAN;
        }
        let beyond = ((self.got - self.published).abs() - self.rounding()).max(0.0);
        if beyond == 0.0 { 0.0 } else { beyond / self.error.hypot(self.error_published).max(1e-9) }
    }
}

/// What all experiments are given.
pub(crate) struct Bench<'a> {
    pub(crate) device: &'a Device,
    pub(crate) seed: u64,
    /// Images of the user's own in place of the digits.
    pub(crate) data: Option<&'a Path>,
    /// Where results and pictures go, where they are wanted.
    pub(crate) out: Option<&'a Out<'a>>,
    /// Tells that a figure is done.
    pub(crate) tell: &'a dyn Fn(),
}

/// A folder for the results of an experiment.
pub(crate) struct Out<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) kept: Kept,
}

impl Bench<'_> {
    /// Numbers that take long: from an earlier run that was stopped, or made.
    pub(crate) fn numbers(&self, name: &str, make: impl FnOnce() -> Result<Vec<f64>>) -> Result<Vec<f64>> {
        match self.out {
            Some(out) => out.kept.numbers(name, make),
            None => make(),
        }
    }

    /// Random numbers of their own for a part of an experiment.
    pub(crate) fn random(&self, part: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(part))
    }
}

/// Random rows of -1 and 1.
pub(crate) fn random_bits(random: &mut StdRng, n: usize, d: usize) -> Result<Rows<'static>> {
    let values: Vec<f32> = (0..n * d).map(|_| if random.random_bool(0.5) { 1.0 } else { -1.0 }).collect();
    Ok(Rows::new(values, d)?)
}

/// The rows with exactly `flips` random coordinates of each turned.
pub(crate) fn flipped(random: &mut StdRng, rows: &Rows<'_>, flips: usize) -> Result<Rows<'static>> {
    let d = rows.columns();
    let mut values = rows.as_slice().to_vec();
    for row in values.chunks_exact_mut(d) {
        // The first places of a random permutation.
        let mut places: Vec<usize> = (0..d).collect();
        for i in 0..flips.min(d) {
            let j = random.random_range(i..d);
            places.swap(i, j);
            row[places[i]] = -row[places[i]];
        }
    }
    Ok(Rows::new(values, d)?)
}

/// Rows of `x` that equal those of `y`.
pub(crate) fn equal_rows(x: &Rows<'_>, y: &Rows<'_>) -> usize {
    x.iter().zip(y.iter()).filter(|(x, y)| x == y).count()
}
