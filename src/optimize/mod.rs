//! Minimisers of smooth functions of many numbers, in f64 on the host.
//!
//! A function is a closure that writes its gradient and returns its value. Adam (D. Kingma, J. Ba, ICLR 2015) takes noisy
//! gradients; L-BFGS (D. Liu, J. Nocedal, Mathematical Programming 45, 1989) gets far nearer to a minimum of an exact one.

mod adam;
mod lbfgs;
mod search;

pub use adam::Adam;
pub use lbfgs::Lbfgs;

use crate::{Error, Result};
use std::{fmt, str::FromStr};

/// When a minimisation ends, and who hears of it.
#[derive(Clone)]
pub struct Limits<'a> {
    /// Most iterations.
    pub iterations: usize,
    /// The minimisation has converged where no component of the gradient is larger than this.
    pub tolerance: f64,
    /// Called with the number of iterations made and the value there, from the start on.
    pub watch: Option<&'a dyn Fn(usize, f64)>,
}

impl Default for Limits<'_> {
    fn default() -> Self {
        Self { iterations: 500, tolerance: 1e-9, watch: None }
    }
}

impl fmt::Debug for Limits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { iterations, tolerance, .. } = self;
        f.debug_struct("Limits")
            .field("iterations", iterations)
            .field("tolerance", tolerance)
            .finish_non_exhaustive()
    }
}

/// Why a minimisation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The gradient is within the tolerance.
    Converged,
    /// All allowed iterations were made.
    Iterations,
    /// No step along the gradient lowers the value any more: it is as low as rounding errors allow.
    Stalled,
    /// Steps led out of the finite numbers: smaller ones may not. What is left is from before.
    Diverged,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Converged => "converged",
            Self::Iterations => "iterations",
            Self::Stalled => "stalled",
            Self::Diverged => "diverged",
        })
    }
}

/// What a minimisation did.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Values at the start and after each iteration.
    pub trace: Vec<f64>,
    /// Iterations made.
    pub iterations: usize,
    /// How often the function was asked.
    pub evaluations: usize,
    /// Why it ended.
    pub reason: Reason,
}

impl Report {
    /// The value at the end.
    pub fn value(&self) -> f64 {
        self.trace.last().copied().unwrap_or(f64::NAN)
    }
}

/// One of the minimisers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Gradient steps scaled by running moments.
    Adam(Adam),
    /// Quasi-Newton steps with a line search.
    Lbfgs(Lbfgs),
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Lbfgs(Lbfgs::default())
    }
}

impl Optimizer {
    /// Minimises `f` from `x`, which ends at the minimum that was found. `f` writes its gradient and returns its value.
    ///
    /// # Errors
    /// Those of `f`; [`Error::InvalidParameter`] for settings outside their range and where value or gradient at the start are not finite.
    ///
    /// ```
    /// use attractor::optimize::{Limits, Optimizer};
    /// let mut x = [3.0];
    /// Optimizer::default().minimise(&mut x, &Limits::default(), |x, g| {
    ///     g[0] = 2.0 * (x[0] - 1.0);
    ///     Ok((x[0] - 1.0).powi(2))
    /// })?;
    /// assert!((x[0] - 1.0).abs() < 1e-9);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn minimise<F>(&self, x: &mut [f64], limits: &Limits<'_>, f: F) -> Result<Report>
    where
        F: FnMut(&[f64], &mut [f64]) -> Result<f64>,
    {
        match self {
            Self::Adam(adam) => adam.minimise(x, limits, f),
            Self::Lbfgs(lbfgs) => lbfgs.minimise(x, limits, f),
        }
    }

    /// The name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Adam(_) => "adam",
            Self::Lbfgs(_) => "lbfgs",
        }
    }
}

impl fmt::Display for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Optimizer {
    type Err = Error;

    /// `adam` or `lbfgs`, with their default settings.
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "adam" => Ok(Self::Adam(Adam::default())),
            "lbfgs" => Ok(Self::Lbfgs(Lbfgs::default())),
            _ => Err(Error::parameter("optimizer", s, "adam or lbfgs")),
        }
    }
}

/// A function with a count of its calls, and the trace of a minimisation.
struct Run<'a, F> {
    f: F,
    limits: &'a Limits<'a>,
    trace: Vec<f64>,
    evaluations: usize,
}

impl<'a, F: FnMut(&[f64], &mut [f64]) -> Result<f64>> Run<'a, F> {
    fn new(f: F, limits: &'a Limits<'a>) -> Result<Self> {
        if limits.tolerance.is_nan() || limits.tolerance < 0.0 {
            return Err(Error::parameter("tolerance of the gradient", limits.tolerance, "0 or more"));
        }
        Ok(Self { f, limits, trace: Vec::new(), evaluations: 0 })
    }

    fn ask(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        self.evaluations += 1;
        (self.f)(x, gradient)
    }

    /// Value and gradient at the start, which must be finite.
    fn start(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let value = self.ask(x, gradient)?;
        let fault =
            if value.is_finite() { gradient.iter().copied().find(|g| !g.is_finite()) } else { Some(value) };
        match fault {
            Some(fault) => Err(Error::parameter("function or gradient at the start", fault, "finite")),
            None => Ok(value),
        }
    }

    /// Enters a value into the trace.
    fn tell(&mut self, value: f64) {
        if let Some(watch) = self.limits.watch {
            watch(self.trace.len(), value);
        }
        self.trace.push(value);
    }

    fn converged(&self, gradient: &[f64]) -> bool {
        gradient.iter().all(|g| g.abs() <= self.limits.tolerance)
    }

    fn report(self, reason: Reason) -> Report {
        Report {
            iterations: self.trace.len().saturating_sub(1),
            trace: self.trace,
            evaluations: self.evaluations,
            reason,
        }
    }
}

/// `a . b`
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    fn rosenbrock(x: &[f64], g: &mut [f64]) -> Result<f64> {
        g.fill(0.0);
        let mut value = 0.0;
        for i in 0..x.len() - 1 {
            let (a, b) = (1.0 - x[i], x[i + 1] - x[i] * x[i]);
            value += a * a + 100.0 * b * b;
            g[i] += -2.0 * a - 400.0 * x[i] * b;
            g[i + 1] += 200.0 * b;
        }
        Ok(value)
    }

    /// `sum_i i x_i^2 / 2` with a condition of as many as there are.
    fn quadratic(x: &[f64], g: &mut [f64]) -> Result<f64> {
        for (i, (x, g)) in x.iter().zip(g.iter_mut()).enumerate() {
            *g = (i + 1) as f64 * (x - 1.0);
        }
        Ok(x.iter().zip(g).map(|(x, g)| 0.5 * (x - 1.0) * *g).sum())
    }

    #[test]
    fn lbfgs_minimises_rosenbrock() {
        for n in [2, 10, 100] {
            let mut x: Vec<f64> = (0..n).map(|i| if i % 2 == 0 { -1.2 } else { 1.0 }).collect();
            let limits = Limits { iterations: 2000, ..Limits::default() };
            let report = Lbfgs::default().minimise(&mut x, &limits, rosenbrock).unwrap();
            assert_eq!(report.reason, Reason::Converged, "{n}: {report:?}");
            // There is a second local minimum near x_1 = -1 from 4 dimensions on; both have no gradient.
            let other = n > 2 && x[0] < 0.0;
            assert!(other || x.iter().all(|x| (x - 1.0).abs() < 1e-8), "{n}: {x:?}");
            assert!(report.trace.windows(2).all(|w| w[1] <= w[0]), "{n}: values rise");
        }
    }

    #[test]
    fn lbfgs_minimises_quadratics_in_few_iterations() {
        for n in [1, 5, 60] {
            let mut x = vec![0.0; n];
            let report = Lbfgs::default().minimise(&mut x, &Limits::default(), quadratic).unwrap();
            assert!(x.iter().all(|x| (x - 1.0).abs() < 1e-8), "{n}: {x:?}");
            assert!(report.iterations <= 3 * n + 20 && report.reason == Reason::Converged, "{report:?}");
        }
    }

    #[test]
    fn adam_minimises_both() {
        let limits = Limits { iterations: 4000, tolerance: 1e-6, watch: None };
        let mut x = vec![0.0; 20];
        Adam { rate: 0.05, ..Adam::default() }.minimise(&mut x, &limits, quadratic).unwrap();
        assert!(x.iter().all(|x| (x - 1.0).abs() < 1e-4), "{x:?}");
        let limits = Limits { iterations: 20_000, ..limits };
        let mut x = vec![-1.2, 1.0];
        Adam { rate: 0.01, ..Adam::default() }.minimise(&mut x, &limits, rosenbrock).unwrap();
        assert!(x.iter().all(|x| (x - 1.0).abs() < 1e-3), "{x:?}");
    }

    #[test]
    fn limits_are_kept_and_watched() {
        let seen = std::cell::RefCell::new(Vec::new());
        let watch = |i: usize, v: f64| seen.borrow_mut().push((i, v));
        for optimizer in ["adam", "lbfgs"] {
            seen.borrow_mut().clear();
            let limits = Limits { iterations: 3, tolerance: 0.0, watch: Some(&watch) };
            let mut x = vec![-1.2, 1.0];
            let report =
                optimizer.parse::<Optimizer>().unwrap().minimise(&mut x, &limits, rosenbrock).unwrap();
            assert_eq!((report.iterations, report.reason, report.trace.len()), (3, Reason::Iterations, 4));
            assert_eq!(seen.borrow().len(), 4);
            assert_eq!(seen.borrow()[3], (3, report.value()));
            let mut g = [0.0; 2];
            assert_eq!(rosenbrock(&x, &mut g).unwrap(), report.value());
        }
    }

    #[test]
    fn faults_are_named() {
        let fault = |x: &[f64], g: &mut [f64]| {
            g.fill(0.0);
            Ok(x[0] / 0.0)
        };
        let error = Lbfgs::default().minimise(&mut [1.0], &Limits::default(), fault).unwrap_err();
        assert!(error.to_string().contains("inf"), "{error}");
        assert!("sgd".parse::<Optimizer>().is_err());
        let adam = Adam { rate: 0.0, ..Adam::default() };
        assert!(adam.minimise(&mut [1.0], &Limits::default(), quadratic).is_err());
    }
}
