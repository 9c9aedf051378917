//! What is asked of a scan of a bank, and what it answers.

use super::{Bank, Ensemble, Progress};
use crate::{Bits, Device, Error, Result, Rows};
use std::ops::Range;

/// What a query has found among the patterns of a bank, or of a range of it. The score of a pattern is its inner product with the
/// query. What was found in two ranges merges to what is found in both.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// How many patterns were looked at.
    pub count: u64,
    /// Inverse temperature of the sums.
    pub beta: f64,
    /// The largest score; minus infinity where nothing was looked at.
    pub best: f64,
    /// Number of the pattern of the largest score, the first of equal ones.
    pub index: u64,
    /// How many other patterns have the largest score too.
    pub ties: u64,
    /// The second largest score: the largest where others have it too; minus infinity for one pattern.
    pub second: f64,
    /// `sum_mu e^(beta (s_mu - best))`.
    pub sum: f64,
    /// `sum_mu e^(2 beta (s_mu - best))`.
    pub squares: f64,
    /// How the query's target fares, where there is one.
    pub target: Option<Target>,
    /// `sum_mu e^(beta (s_mu - best)) xi_mu`, `[d]`; empty where it was not asked for.
    pub moments: Vec<f64>,
}

/// How the pattern that a query was made from fares among the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Number of the pattern; it need not be in the range that was looked at.
    pub index: u64,
    /// Its score.
    pub score: f64,
    /// How many patterns have a larger score.
    pub above: u64,
    /// How many other patterns have the same score.
    pub equal: u64,
}

impl Scan {
    /// Nothing looked at yet.
    pub(crate) fn empty(beta: f64, target: Option<(u64, f64)>, moments: usize) -> Self {
        Self {
            count: 0,
            beta,
            best: f64::NEG_INFINITY,
            index: u64::MAX,
            ties: 0,
            second: f64::NEG_INFINITY,
            sum: 0.0,
            squares: 0.0,
            target: target.map(|(index, score)| Target { index, score, above: 0, equal: 0 }),
            moments: vec![0.0; moments],
        }
    }

    /// Takes in what the same query has found in another range. The order of merges does not matter, beyond rounding of the sums.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] where the other has another `beta` or target; [`Error::DimensionMismatch`] where one has moments
    /// and the other none.
    ///
    /// ```
    /// use attractor::{Device, Rows, ops::{Bank, Ensemble, ScanOptions}};
    /// let bank = Bank::new(Ensemble::Gaussian, 1, 100, 2)?;
    /// let (queries, options) = (Rows::new(vec![1.0, 0.5], 2)?, ScanOptions::default());
    /// let mut some = bank.scan_range(0..30, &queries, &[], 1.0, &Device::cpu(), &options)?;
    /// let others = bank.scan_range(30..100, &queries, &[], 1.0, &Device::cpu(), &options)?;
    /// some[0].merge(&others[0])?;
    /// let all = bank.scan(&queries, &[], 1.0, &Device::cpu(), &options)?;
    /// assert_eq!((some[0].index, some[0].best), (all[0].index, all[0].best));
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.beta != other.beta {
            return Err(Error::parameter("beta of a scan", other.beta, format!("{}", self.beta)));
        }
        let index = |scan: &Self| scan.target.map(|t| t.index);
        if index(self) != index(other) {
            let (left, right) = (format!("{:?}", index(other)), format!("{:?}", index(self)));
            return Err(Error::parameter("target of a scan", left, right));
        }
        if self.moments.len() != other.moments.len() {
            return Err(Error::dimension("moments of a scan", other.moments.len(), self.moments.len()));
        }
        self.absorb(other);
        Ok(())
    }

    /// [`Scan::merge`] of what is known to be of one query.
    pub(crate) fn absorb(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let best = self.best.max(other.best);
        let factor = |of: f64| if of == best { 1.0 } else { (self.beta * (of - best)).exp() };
        let (a, b) = (factor(self.best), factor(other.best));
        self.sum = a * self.sum + b * other.sum;
        self.squares = a * a * self.squares + b * b * other.squares;
        for (x, y) in self.moments.iter_mut().zip(&other.moments) {
            *x = a * *x + b * y;
        }
        if self.best == other.best {
            self.ties += other.ties + 1;
            self.index = self.index.min(other.index);
            self.second = best;
        } else if self.best < other.best {
            self.second = self.best.max(other.second);
            (self.index, self.ties) = (other.index, other.ties);
        } else {
            self.second = self.second.max(other.best);
        }
        self.best = best;
        self.count += other.count;
        if let (Some(mine), Some(theirs)) = (&mut self.target, other.target) {
            mine.above += theirs.above;
            mine.equal += theirs.equal;
        }
    }

    /// `log sum_mu e^(beta s_mu)`.
    pub fn log_sum_exp(&self) -> f64 {
        self.beta * self.best + self.sum.ln()
    }

    /// `(sum w)^2 / sum w^2` of the softmax weights: how many patterns share in an update.
    pub fn participation(&self) -> f64 {
        self.sum * self.sum / self.squares
    }

    /// The softmax weight of the target, where there is one; of all patterns only where it lies among them.
    pub fn target_weight(&self) -> Option<f64> {
        self.target.map(|t| (self.beta * (t.score - self.best)).exp() / self.sum)
    }

    /// The state after one softmax update, `[d]`; `None` where it was not asked for.
    pub fn state(&self) -> Option<Vec<f32>> {
        let mean = |moment: &f64| (moment / self.sum) as f32;
        (!self.moments.is_empty()).then(|| self.moments.iter().map(mean).collect())
    }
}

/// How a bank is scanned.
#[derive(Clone, Copy, Default)]
pub struct ScanOptions<'a> {
    /// Patterns between two reports of progress; on a GPU about as many scores per query are in memory. 0 lets the device choose.
    pub chunk: usize,
    /// Whether the state after one softmax update is wanted. It costs another product.
    pub update: bool,
    /// Told of patterns times queries that are done, and of all.
    pub progress: Option<Progress<'a>>,
}

impl std::fmt::Debug for ScanOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScanOptions")
            .field("chunk", &self.chunk)
            .field("update", &self.update)
            .finish_non_exhaustive()
    }
}

/// What the devices are asked: checked.
pub(crate) struct Look<'a> {
    pub(crate) bank: &'a Bank,
    pub(crate) range: Range<u64>,
    /// `[q, d]`, at least one.
    pub(crate) queries: &'a Rows<'a>,
    /// One a query, or none.
    pub(crate) targets: &'a [u64],
    pub(crate) beta: f32,
    pub(crate) chunk: usize,
    pub(crate) update: bool,
    /// Makes patterns of a range on the host, `[rows, d]`: a GPU takes those from there that it has no kernel for.
    pub(crate) on_host: fn(&Bank, Range<u64>, &mut [f32]),
}

impl Look<'_> {
    /// Columns of the moments.
    pub(crate) fn moments(&self) -> usize {
        if self.update { self.bank.d() } else { 0 }
    }

    /// Scans of these queries before any pattern, given their targets' scores.
    pub(crate) fn start(&self, queries: Range<usize>, scores: &[f64]) -> Vec<Scan> {
        let targets = self.targets.get(queries.clone()).unwrap_or(&[]);
        let target = |i: usize| Some((*targets.get(i)?, *scores.get(i)?));
        (0..queries.len()).map(|i| Scan::empty(self.beta.into(), target(i), self.moments())).collect()
    }

    /// Takes the targets themselves out of the numbers of equal scores, where they were among the patterns.
    pub(crate) fn without_targets(&self, scans: &mut [Scan]) {
        for target in scans.iter_mut().filter_map(|s| s.target.as_mut()) {
            if self.range.contains(&target.index) {
                target.equal = target.equal.saturating_sub(1);
            }
        }
    }

    /// The queries as bits, where they and the patterns are -1 and 1.
    pub(crate) fn bits(&self, device: &Device) -> Option<Result<Bits>> {
        let bipolar = self.bank.ensemble() == Ensemble::Bipolar
            && self.queries.as_slice().iter().all(|v| v.abs() == 1.0);
        bipolar.then(|| Bits::new(device, self.queries))
    }
}
