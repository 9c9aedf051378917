//! How far estimated sums of kernels may be off, by the variance of each map.

use super::{FeatureMemory, FeatureVector, Memory};
use crate::{Error, Result, Tensor, ToRows, ops::FeatureMap};

impl FeatureMemory {
    /// The standard deviation of an estimated sum of kernels where no pattern is near, over draws of the frequencies: `|T| / sqrt(2 m)` for
    /// [`FeatureMap::SinCos`], `|T| / sqrt(m)` for [`FeatureMap::Cos`], with `|T|^2 = K` for `K` isolated patterns and more where they are
    /// alike. `None` for exponential features, whose noise depends on the place.
    pub fn noise(&self) -> Option<f64> {
        let (m, squared) = (self.spec().count as f64, self.t.iter().map(|t| t * t).sum::<f64>());
        match self.spec().map {
            FeatureMap::SinCos => Some((squared / (2.0 * m)).sqrt()),
            FeatureMap::Cos => Some((squared / m).sqrt()),
            FeatureMap::Exp | FeatureMap::ExpExp | FeatureMap::DotExp => None,
        }
    }

    /// Standard errors of estimated sums of kernels `u` `[b]` at states `[b, d]`: [`FeatureMemory::noise`], and for exponential features that of
    /// a sum of `m` terms, from the terms themselves. Where a few of these are all of the sum, it is as large as its error.
    ///
    /// # Errors
    /// [`crate::Error::DimensionMismatch`], [`crate::Error::NonFinite`], and faults of the device.
    ///
    /// ```
    /// use attractor::{memory::FeatureMemory, ops::{FeatureMap, FeatureSpec}};
    /// let mut memory = FeatureMemory::new(FeatureSpec::new(FeatureMap::Exp, 1000, 2, 1.0, 3))?;
    /// memory.absorb(&[[0.3, 0.1]])?;
    /// // At the pattern the kernel is 1, known to sqrt((exp(0.4) - 1) / 1000).
    /// let error = memory.standard_errors(&[[0.3, 0.1]], &[1.0])?[0];
    /// assert!((0.01..0.04).contains(&error));
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn standard_errors<S: ToRows + ?Sized>(&self, states: &S, u: &[f32]) -> Result<Vec<f64>> {
        let rows = states.to_rows()?;
        self.check(&rows, "states")?;
        if u.len() != rows.rows() {
            return Err(Error::dimension("sums of kernels (one per state)", u.len(), rows.rows()));
        }
        self.errors(self.inward(&rows).as_slice(), u)
    }

    /// The same at states `[b * d]` as the memory works on them.
    pub(super) fn errors(&self, states: &[f32], u: &[f32]) -> Result<Vec<f64>> {
        if let Some(noise) = self.noise() {
            return Ok(vec![noise; u.len()]);
        }
        let spec = self.spec();
        let (m, d, beta) = (spec.count as f64, spec.dim, f64::from(spec.beta));
        let (scale, decay) = (spec.map.scale(spec.count), spec.map.decay());
        let top = self.t.iter().fold(0.0_f64, |top, t| top.max(t.abs()));
        if u.is_empty() || top == 0.0 {
            return Ok(vec![f64::INFINITY; u.len()]);
        }
        // phi(x)^2 = scale phi(2 x) exp(2 c beta |x|^2): the sum of squares is itself a sum of features.
        let squares: Vec<f64> = self.t.iter().map(|t| (t / top).powi(2)).collect();
        let squares: FeatureVector = self.features.memory(&squares)?;
        let twice: Vec<f32> = states.iter().map(|v| 2.0 * v).collect();
        let twice = Tensor::from_flat(self.device(), &twice, &[u.len(), d])?;
        let sums = self.features.step(&twice, &squares)?.0.to_vec()?;
        // The two features of a frequency are one term.
        let (plus, minus) = self.t.split_at(spec.count);
        let pairs =
            2.0 * scale * scale * plus.iter().zip(minus).map(|(a, b)| (a / top) * (b / top)).sum::<f64>();
        let of = |((x, sum), u): ((&[f32], &f32), &f32)| {
            let squared: f64 = x.iter().map(|v| f64::from(*v).powi(2)).sum();
            let (sum, u) = (f64::from(*sum), f64::from(*u) / top);
            let grown = 2.0 * decay * beta * squared;
            let terms = scale * sum * grown.exp() + pairs * (-grown).exp();
            // Where f32 does not hold the squares, nothing is known of the error.
            if !(sum > 0.0 && terms.is_finite()) {
                return f64::INFINITY;
            }
            top * (terms - u * u / m).max(0.0).sqrt()
        };
        Ok(states.chunks_exact(d).zip(&sums).zip(u).map(of).collect())
    }
}
