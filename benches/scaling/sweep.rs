//! Cost against one size.

use crate::{
    job::{Axis, Job},
    timing::Seconds,
};

/// How far from linear a cost may be that counts as linear.
pub(crate) const TOLERANCE: f64 = 0.15;

/// Jobs that differ in one size, ascending.
#[derive(Debug)]
pub(crate) struct Sweep {
    pub(crate) axis: Axis,
    pub(crate) points: Vec<(Job, Seconds)>,
    /// The point that the others are compared with.
    reference: usize,
}

/// Which of the samples count.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    /// What to expect.
    Median,
    /// What the machine does where nothing else disturbs it.
    Fastest,
}

impl By {
    fn of(self, seconds: Seconds) -> f64 {
        match self {
            Self::Median => seconds.median,
            Self::Fastest => seconds.min,
        }
    }
}

/// How linear a cost is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear {
    /// First and last size of the points around the reference whose cost per unit is within the
    /// tolerance of its.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Whether those are all.
    pub(crate) whole: bool,
    /// Least and largest cost per unit in that of the reference, over all points.
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// A fixed cost and a cost per unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// Seconds at size 0.
    pub(crate) fixed: f64,
    pub(crate) per_unit: f64,
    /// The largest share by which a point is off the line.
    pub(crate) deviation: f64,
}

impl Sweep {
    /// `reference` is the size of the point that the others are compared with; the middle one stands in
    /// where that job did not fit. Nothing, where none fitted.
    pub(crate) fn new(axis: Axis, points: Vec<(Job, Seconds)>, reference: usize) -> Option<Self> {
        let found = points.iter().position(|(job, _)| axis.of(*job) == reference);
        let reference = found.unwrap_or(points.len() / 2);
        (!points.is_empty()).then_some(Self { axis, points, reference })
    }

    /// The job that the others are compared with.
    pub(crate) fn reference(&self) -> (Job, Seconds) {
        self.points[self.reference]
    }

    /// Cost per unit of a point in that of the reference: 1 at every point where the cost is linear.
    pub(crate) fn relative(&self, point: &(Job, Seconds), by: By) -> f64 {
        let per_unit = |(job, seconds): &(Job, Seconds)| by.of(*seconds) / self.axis.of(*job) as f64;
        per_unit(point) / per_unit(&self.points[self.reference])
    }

    pub(crate) fn linear(&self, by: By) -> Linear {
        let relative: Vec<f64> = self.points.iter().map(|point| self.relative(point, by)).collect();
        let within = |i: &usize| (relative[*i] - 1.0).abs() <= TOLERANCE;
        let first = (0..self.reference).rev().take_while(within).last().unwrap_or(self.reference);
        let last = (self.reference..relative.len()).take_while(within).last().unwrap_or(self.reference);
        Linear {
            from: self.axis.of(self.points[first].0),
            to: self.axis.of(self.points[last].0),
            whole: first == 0 && last + 1 == relative.len(),
            least: relative.iter().copied().fold(f64::INFINITY, f64::min),
            most: relative.iter().copied().fold(0.0, f64::max),
        }
    }

    /// The straight line that fits best, by the squares of the relative deviations; nothing where there
    /// are too few points for one. Where parts of the cost do not depend on the size (the exponentials on
    /// the columns, reading the patterns on the queries), it says how linear the rest is.
    pub(crate) fn line(&self) -> Option<Line> {
        let points = || self.points.iter().map(|(job, s)| (self.axis.of(*job) as f64, s.median));
        // Least squares of (fixed + per_unit x) / t - 1.
        let sum = |f: fn(f64, f64) -> f64| points().map(|(x, t)| f(x, t)).sum::<f64>();
        let (a, b, c) = (sum(|_, t| 1.0 / (t * t)), sum(|x, t| x / (t * t)), sum(|x, t| x * x / (t * t)));
        let (d, e) = (sum(|_, t| 1.0 / t), sum(|x, t| x / t));
        let determinant = a * c - b * b;
        let (fixed, per_unit) = ((c * d - b * e) / determinant, (a * e - b * d) / determinant);
        let off = points().map(|(x, t)| ((fixed + per_unit * x) / t - 1.0).abs());
        let line = Line { fixed, per_unit, deviation: off.fold(0.0, f64::max) };
        (self.points.len() > 2 && per_unit.is_finite() && fixed.is_finite()).then_some(line)
    }
}
