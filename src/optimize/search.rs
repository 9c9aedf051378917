//! The line search of L-BFGS.

use super::{Run, dot};
use crate::Result;

/// Share of the decrease that the slope promises that a step must bring.
const DECREASE: f64 = 1e-4;
/// Share of the slope that may be left.
const CURVATURE: f64 = 0.9;
/// Most evaluations of one search.
const TRIES: usize = 40;

/// A point on the line.
#[derive(Clone)]
pub(super) struct Point {
    pub(super) step: f64,
    pub(super) value: f64,
    pub(super) gradient: Vec<f64>,
    /// Of the value along the line.
    slope: f64,
}

/// A step along `direction` that satisfies the strong Wolfe conditions, or, where rounding errors forbid it, the lowest point
/// that was found; `None` where none lies below the start.
pub(super) fn search<F: FnMut(&[f64], &mut [f64]) -> Result<f64>>(
    run: &mut Run<'_, F>,
    x: &[f64],
    value: f64,
    gradient: &[f64],
    direction: &[f64],
    first: f64,
) -> Result<Option<Point>> {
    let start = Point { step: 0.0, value, gradient: gradient.to_vec(), slope: dot(gradient, direction) };
    let mut at = |step: f64| -> Result<Point> {
        let there: Vec<f64> = x.iter().zip(direction).map(|(x, d)| x + step * d).collect();
        let mut gradient = vec![0.0; x.len()];
        let value = run.ask(&there, &mut gradient)?;
        let slope = dot(&gradient, direction);
        Ok(Point { step, value, gradient, slope })
    };
    let enough = |p: &Point| p.value <= value + DECREASE * p.step * start.slope;
    let flat = |p: &Point| p.slope.abs() <= -CURVATURE * start.slope;
    let mut best: Option<Point> = None;
    let mut keep = |p: &Point| {
        if p.value < best.as_ref().map_or(value, |b| b.value) && p.slope.is_finite() {
            best = Some(p.clone());
        }
    };
    // Longer steps until an interval holds a minimum, then shorter intervals: `low` is its better end.
    let (mut low, mut high) = (start.clone(), None);
    let mut step = first;
    for _ in 0..TRIES {
        let point = at(step)?;
        keep(&point);
        if !enough(&point) || point.value >= low.value && low.step > 0.0 || !point.value.is_finite() {
            high = Some(point);
        } else if flat(&point) {
            return Ok(Some(point));
        } else if point.slope * high.as_ref().map_or(1.0, |h: &Point| h.step - low.step) >= 0.0 {
            high = Some(std::mem::replace(&mut low, point));
        } else {
            low = point;
        }
        step = match &high {
            None => 4.0 * step,
            Some(high) => between(&low, high),
        };
        let width = high.as_ref().map_or(f64::INFINITY, |h| (h.step - low.step).abs());
        if width <= 1e-15 * step.abs() || step == 0.0 || !step.is_finite() {
            break;
        }
    }
    Ok(best)
}

/// The minimum of the cubic through two points and their slopes, held off the ends of the interval.
fn between(low: &Point, high: &Point) -> f64 {
    let width = high.step - low.step;
    let middle = low.step + 0.5 * width;
    if !high.value.is_finite() || !high.slope.is_finite() {
        return low.step + 0.1 * width;
    }
    let d = low.slope + high.slope - 3.0 * (high.value - low.value) / width;
    let root = (d * d - low.slope * high.slope).sqrt().copysign(width);
    let step = high.step - width * (high.slope + root - d) / (high.slope - low.slope + 2.0 * root);
    let share = (step - low.step) / width;
    if (0.05..=0.95).contains(&share) { step } else { middle }
}
