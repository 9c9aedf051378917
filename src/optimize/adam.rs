//! Adam.

use super::{Limits, Reason, Report, Run};
use crate::{Error, Result};

/// Steps along the running mean of the gradient, scaled by the running mean of its square
/// (D. Kingma, J. Ba, "Adam", ICLR 2015, algorithm 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Size of a step, about.
    pub rate: f64,
    /// Decay of the mean of the gradient.
    pub first: f64,
    /// Decay of the mean of its square.
    pub second: f64,
    /// Added to the root of that mean.
    pub epsilon: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self { rate: 0.02, first: 0.9, second: 0.999, epsilon: 1e-8 }
    }
}

impl Adam {
    /// Minimises `f` from `x`; see [`Optimizer::minimise`](super::Optimizer::minimise).
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// use attractor::optimize::{Adam, Limits};
    /// let mut x = [3.0];
    /// let adam = Adam { rate: 0.1, ..Adam::default() };
    /// let report = adam.minimise(&mut x, &Limits::default(), |x, g| {
    ///     g[0] = 2.0 * x[0];
    ///     Ok(x[0] * x[0])
    /// })?;
    /// assert!(report.value() < 1e-6);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn minimise<F>(&self, x: &mut [f64], limits: &Limits<'_>, f: F) -> Result<Report>
    where
        F: FnMut(&[f64], &mut [f64]) -> Result<f64>,
    {
        let positive = |v: f64| v > 0.0 && v.is_finite();
        if !positive(self.rate) || !positive(self.epsilon) {
            let value = if positive(self.rate) { self.epsilon } else { self.rate };
            return Err(Error::parameter("rate or epsilon of Adam", value, "a positive, finite number"));
        }
        if let Some(decay) = [self.first, self.second].into_iter().find(|d| !(0.0..1.0).contains(d)) {
            return Err(Error::parameter("decay of Adam", decay, "from 0 to below 1"));
        }
        let mut run = Run::new(f, limits)?;
        let mut gradient = vec![0.0; x.len()];
        let (mut mean, mut square) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        let mut before = x.to_vec();
        let value = run.start(x, &mut gradient)?;
        run.tell(value);
        for step in 1..=limits.iterations {
            if run.converged(&gradient) {
                return Ok(run.report(Reason::Converged));
            }
            // Both means start at 0, so early ones are too small by these factors.
            let unbias = |decay: f64| 1.0 / (1.0 - decay.powf(step as f64));
            let (a, b) = (unbias(self.first), unbias(self.second));
            before.copy_from_slice(x);
            for (((x, g), m), s) in x.iter_mut().zip(&gradient).zip(&mut mean).zip(&mut square) {
                *m = self.first * *m + (1.0 - self.first) * g;
                *s = self.second * *s + (1.0 - self.second) * g * g;
                *x -= self.rate * a * *m / ((b * *s).sqrt() + self.epsilon);
            }
            let value = run.ask(x, &mut gradient)?;
            run.tell(value);
            if !value.is_finite() {
                x.copy_from_slice(&before);
                return Ok(run.report(Reason::Diverged));
            }
        }
        Ok(run.report(Reason::Iterations))
    }
}
