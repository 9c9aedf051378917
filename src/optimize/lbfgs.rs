//! L-BFGS.

use super::{Limits, Reason, Report, Run, dot, search::search};
use crate::{Error, Result};
use std::collections::VecDeque;

/// Quasi-Newton steps from the last few changes of the gradient, each as long as a strong-Wolfe line search says
/// (J. Nocedal, S. Wright, "Numerical Optimization", algorithms 7.4, 3.5 and 3.6). The value never rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lbfgs {
    /// How many changes are remembered.
    pub history: usize,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Self { history: 12 }
    }
}

/// A change of the place and the gradient.
struct Change {
    place: Vec<f64>,
    gradient: Vec<f64>,
    /// Reciprocal of their product.
    rho: f64,
}

impl Lbfgs {
    /// Minimises `f` from `x`; see [`Optimizer::minimise`](super::Optimizer::minimise).
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// use attractor::optimize::{Lbfgs, Limits, Reason};
    /// let mut x = [-1.2, 1.0];
    /// let report = Lbfgs::default().minimise(&mut x, &Limits::default(), |x, g| {
    ///     let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
    ///     (g[0], g[1]) = (-2.0 * a - 400.0 * x[0] * b, 200.0 * b);
    ///     Ok(a * a + 100.0 * b * b)
    /// })?;
    /// assert!(report.reason == Reason::Converged && (x[0] - 1.0).abs() < 1e-9);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn minimise<F>(&self, x: &mut [f64], limits: &Limits<'_>, f: F) -> Result<Report>
    where
        F: FnMut(&[f64], &mut [f64]) -> Result<f64>,
    {
        if self.history == 0 {
            return Err(Error::parameter("history of L-BFGS", 0, "at least 1"));
        }
        let mut run = Run::new(f, limits)?;
        let mut gradient = vec![0.0; x.len()];
        let mut value = run.start(x, &mut gradient)?;
        run.tell(value);
        let mut changes: VecDeque<Change> = VecDeque::with_capacity(self.history);
        for _ in 0..limits.iterations {
            if run.converged(&gradient) {
                return Ok(run.report(Reason::Converged));
            }
            let mut direction = towards(&gradient, &changes);
            if dot(&direction, &gradient) >= 0.0 {
                changes.clear();
                direction = towards(&gradient, &changes);
            }
            let mut found =
                search(&mut run, x, value, &gradient, &direction, first_step(&gradient, &changes))?;
            if found.is_none() && !changes.is_empty() {
                // What was remembered misleads; the gradient alone does not.
                changes.clear();
                direction = towards(&gradient, &changes);
                found = search(&mut run, x, value, &gradient, &direction, first_step(&gradient, &changes))?;
            }
            let Some(point) = found else { return Ok(run.report(Reason::Stalled)) };
            let place: Vec<f64> = direction.iter().map(|d| point.step * d).collect();
            let change: Vec<f64> = point.gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
            let product = dot(&place, &change);
            x.iter_mut().zip(&place).for_each(|(x, p)| *x += p);
            (value, gradient) = (point.value, point.gradient);
            run.tell(value);
            // Only curvature that is positive beyond rounding keeps the direction one of descent.
            if product > f64::EPSILON * dot(&change, &change) {
                if changes.len() == self.history {
                    changes.pop_front();
                }
                changes.push_back(Change { place, gradient: change, rho: product.recip() });
            }
        }
        let reason = if run.converged(&gradient) { Reason::Converged } else { Reason::Iterations };
        Ok(run.report(reason))
    }
}

/// The first step to try: the Newton step, or one of length 1 at most where nothing is known of the curvature.
fn first_step(gradient: &[f64], changes: &VecDeque<Change>) -> f64 {
    if changes.is_empty() { dot(gradient, gradient).sqrt().recip().min(1.0) } else { 1.0 }
}

/// Minus the gradient times the inverse Hessian that the changes imply (two-loop recursion).
fn towards(gradient: &[f64], changes: &VecDeque<Change>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = Vec::with_capacity(changes.len());
    for change in changes.iter().rev() {
        let alpha = change.rho * dot(&change.place, &q);
        q.iter_mut().zip(&change.gradient).for_each(|(q, g)| *q -= alpha * g);
        alphas.push(alpha);
    }
    if let Some(last) = changes.back() {
        let scale = (last.rho * dot(&last.gradient, &last.gradient)).recip();
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for (change, alpha) in changes.iter().zip(alphas.into_iter().rev()) {
        let beta = change.rho * dot(&change.gradient, &q);
        q.iter_mut().zip(&change.place).for_each(|(q, p)| *q += (alpha - beta) * p);
    }
    q
}
