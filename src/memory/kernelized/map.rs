//! Feature maps `Phi` of a kernelized memory.

use crate::{
    Device, Error, Result, Rows,
    cpu::{
        frequencies,
        matmul::{Operand, matmul},
    },
    ops::{FeatureMap, FeatureSpec, Features, Layout, Projection},
};
use std::{f64::consts::TAU, fmt};

/// A map `Phi` from rows `[n, d]` to features `[n, D]`, in f64 on the host. What trains it asks for the gradient by its parameters.
pub trait FeatureTransform: fmt::Debug + Send + Sync {
    /// Length of a row, `d`.
    fn dim(&self) -> usize;

    /// How many features a row has, `D`.
    fn features(&self) -> usize;

    /// Features `[n * D]` of rows `[n * d]`.
    fn apply(&self, rows: &[f64]) -> Vec<f64>;

    /// What can be trained; empty where nothing can.
    fn parameters(&self) -> &[f64];

    /// The same, to be changed.
    fn parameters_mut(&mut self) -> &mut [f64];

    /// The gradient by the parameters of a function of the features of rows `[n * d]` whose gradient by these is `slopes` `[n * D]`.
    fn pull_back(&self, rows: &[f64], slopes: &[f64]) -> Vec<f64>;

    /// Multiplies all features by a number.
    fn scale(&mut self, factor: f64);

    /// Makes the map give for rows what it gave for rows times `factor`, up to a factor that all features share. False, and nothing
    /// changes, where it cannot: it is then trained on rows of whatever size they have.
    fn rescale_rows(&mut self, _factor: f64) -> bool {
        false
    }

    /// Fresh random parameters.
    fn reset(&mut self, seed: u64);

    /// The matrix of a linear or affine map, `None` for others. Only with it do states of a recall have features that are the mixture of
    /// those of the patterns.
    fn as_linear(&self) -> Option<&LinearMap> {
        None
    }

    /// The same, to be changed.
    fn as_linear_mut(&mut self) -> Option<&mut LinearMap> {
        None
    }
}

/// Standard normals `[rows * columns]` of a seed: the numbers of Gaussian frequencies.
pub(super) fn normals(seed: u64, rows: usize, columns: usize) -> Vec<f64> {
    let all = frequencies::rows(Projection::Gaussian, seed, 0..rows, columns);
    all.into_iter().map(f64::from).collect()
}

/// `c = a b` of row-major matrices in the layout, on all cores.
fn product(a: (&[f64], usize), b: (&[f64], usize), layout: Layout) -> Vec<f64> {
    let operand = |(data, columns): (&'_ [f64], usize)| (data.len() / columns, columns);
    let ((ar, ac), (br, bc)) = (operand(a), operand(b));
    let m = if layout == Layout::TN { ac } else { ar };
    let n = if layout == Layout::NT { br } else { bc };
    let mut c = vec![0.0; m * n];
    let threads = rayon::current_num_threads();
    matmul(&mut c, Operand::new(a.0, ar, ac), Operand::new(b.0, br, bc), layout, false, threads);
    c
}

fn column_sums(rows: &[f64], columns: usize) -> Vec<f64> {
    let mut sums = vec![0.0; columns];
    for row in rows.chunks_exact(columns) {
        sums.iter_mut().zip(row).for_each(|(s, v)| *s += v);
    }
    sums
}

fn add_to_rows(rows: &mut [f64], bias: &[f64]) {
    if !bias.is_empty() {
        rows.chunks_exact_mut(bias.len()).for_each(|r| r.iter_mut().zip(bias).for_each(|(v, b)| *v += b));
    }
}

/// Parameters of a map at most.
const MOST_PARAMETERS: usize = 1 << 28;

fn check_sizes(dim: usize, features: usize) -> Result<()> {
    match (dim, features) {
        (0, _) => Err(Error::parameter("columns of patterns", 0, "at least 1")),
        (_, 0) => Err(Error::parameter("number of features", 0, "at least 1")),
        // A parameter takes 8 bytes, and its gradient and moments three times as many.
        _ if features.checked_mul(dim + 1).is_none_or(|size| size > MOST_PARAMETERS) => {
            let want = format!("at most {} with {dim} columns", MOST_PARAMETERS / (dim + 1));
            Err(Error::parameter("number of features", features, want))
        }
        _ => Ok(()),
    }
}

/// `Phi(x) = W x + b`.
///
/// ```
/// use attractor::{Rows, memory::{FeatureTransform, LinearMap}};
/// let map = LinearMap::given(&Rows::new(vec![2.0, 0.0, 0.0, 1.0], 2)?, None)?;
/// assert_eq!(map.apply(&[3.0, 4.0]), [6.0, 4.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LinearMap {
    dim: usize,
    features: usize,
    biased: bool,
    /// `W` `[D * d]`, then `b` `[D]` where there is one.
    parameters: Vec<f64>,
}

impl LinearMap {
    /// A random map, `W ~ N(0, 2/d)`, with a bias of zeros where `biased`.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] where a size is 0.
    pub fn random(dim: usize, features: usize, biased: bool, seed: u64) -> Result<Self> {
        check_sizes(dim, features)?;
        let length = features * (dim + usize::from(biased));
        let mut map = Self { dim, features, biased, parameters: vec![0.0; length] };
        map.reset(seed);
        Ok(map)
    }

    /// A given matrix `[D, d]` with a bias `[D]`.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for a matrix without rows or columns, [`Error::DimensionMismatch`] for a bias of another length,
    /// [`Error::NonFinite`].
    pub fn given(weights: &Rows<'_>, bias: Option<&[f32]>) -> Result<Self> {
        weights.check_finite("weights")?;
        let (features, dim) = (weights.rows(), weights.columns());
        check_sizes(dim, features)?;
        let mut parameters: Vec<f64> = weights.as_slice().iter().map(|v| f64::from(*v)).collect();
        if let Some(bias) = bias {
            if bias.len() != features {
                return Err(Error::dimension("values of the bias (one per feature)", bias.len(), features));
            }
            Rows::new(bias, features)?.check_finite("bias")?;
            parameters.extend(bias.iter().map(|v| f64::from(*v)));
        }
        Ok(Self { dim, features, biased: bias.is_some(), parameters })
    }

    /// The map of these rows of `dim` values each, and a bias.
    pub(super) fn of_parameters(dim: usize, weights: Vec<f64>, bias: Option<Vec<f64>>) -> Result<Self> {
        let features = weights.len().checked_div(dim).unwrap_or(0);
        check_sizes(dim, features)?;
        let (biased, mut parameters) = (bias.is_some(), weights);
        if let Some(bias) = bias {
            if bias.len() != features {
                return Err(Error::dimension("values of the bias (one per feature)", bias.len(), features));
            }
            parameters.extend(bias);
        }
        match parameters.iter().find(|v| !v.is_finite()) {
            None => Ok(Self { dim, features, biased, parameters }),
            Some(v) => Err(Error::parameter("weights and bias", v, "finite numbers")),
        }
    }

    /// `W`, `[D * d]`.
    pub fn weights(&self) -> &[f64] {
        &self.parameters[..self.features * self.dim]
    }

    /// `b`, `[D]`; empty where there is none.
    pub fn bias(&self) -> &[f64] {
        &self.parameters[self.features * self.dim..]
    }

    /// `W`, to be changed.
    pub(super) fn weights_mut(&mut self) -> &mut [f64] {
        let end = self.features * self.dim;
        &mut self.parameters[..end]
    }

    /// How many memories the map can place freely: `d + 1`, with a bias `d + 2`.
    pub fn reach(&self) -> usize {
        self.dim + 1 + usize::from(self.biased)
    }
}

impl FeatureTransform for LinearMap {
    fn dim(&self) -> usize {
        self.dim
    }

    fn features(&self) -> usize {
        self.features
    }

    fn apply(&self, rows: &[f64]) -> Vec<f64> {
        let mut out = product((rows, self.dim), (self.weights(), self.dim), Layout::NT);
        add_to_rows(&mut out, self.bias());
        out
    }

    fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [f64] {
        &mut self.parameters
    }

    fn pull_back(&self, rows: &[f64], slopes: &[f64]) -> Vec<f64> {
        let mut gradient = product((slopes, self.features), (rows, self.dim), Layout::TN);
        if self.biased {
            gradient.extend(column_sums(slopes, self.features));
        }
        gradient
    }

    fn scale(&mut self, factor: f64) {
        self.parameters.iter_mut().for_each(|p| *p *= factor);
    }

    /// `W (factor x) + b = factor (W x + b / factor)`
    fn rescale_rows(&mut self, factor: f64) -> bool {
        let weights = self.features * self.dim;
        self.parameters[weights..].iter_mut().for_each(|b| *b /= factor);
        true
    }

    fn reset(&mut self, seed: u64) {
        let deviation = (2.0 / self.dim as f64).sqrt();
        let values = normals(seed, self.features, self.dim);
        self.parameters.fill(0.0);
        self.weights_mut().iter_mut().zip(values).for_each(|(w, v)| *w = deviation * v);
    }

    fn as_linear(&self) -> Option<&LinearMap> {
        Some(self)
    }

    fn as_linear_mut(&mut self) -> Option<&mut LinearMap> {
        Some(self)
    }
}

/// Random features (see [`crate::ops::Features`]): inner products estimate a kernel. Nothing is trained.
#[derive(Clone, Debug)]
pub struct RandomMap {
    spec: FeatureSpec,
    /// `[m * d]`.
    frequencies: Vec<f64>,
    /// In turns (1 is 2 pi), `[m]`; only [`FeatureMap::Cos`] has them.
    phases: Vec<f64>,
    factor: f64,
}

impl RandomMap {
    /// The features of a specification.
    ///
    /// # Errors
    /// Those of [`FeatureSpec::check`].
    ///
    /// ```
    /// use attractor::{memory::{FeatureTransform, RandomMap}, ops::{FeatureMap, FeatureSpec}};
    /// let map = RandomMap::new(FeatureSpec::new(FeatureMap::SinCos, 500, 2, 4.0, 1))?;
    /// let phi = map.apply(&[0.3, 0.1]);
    /// // The kernel of a point with itself is 1.
    /// assert!((phi.iter().map(|v| v * v).sum::<f64>() - 1.0).abs() < 1e-9);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn new(spec: FeatureSpec) -> Result<Self> {
        let features = Features::new(&spec, &Device::cpu(), u64::MAX)?;
        let frequencies = features.frequencies()?.as_slice().iter().map(|v| f64::from(*v)).collect();
        let phases = spec.turns().into_iter().map(f64::from).collect();
        Ok(Self { spec, frequencies, phases, factor: 1.0 })
    }

    /// Appends the features of a row, the first half of pairs before the second.
    fn append(&self, x: &[f64], out: &mut Vec<f64>) {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (beta, m) = (f64::from(self.spec.beta), self.phases.len() as f64);
        let z: Vec<f64> =
            self.frequencies.chunks_exact(x.len()).map(|omega| beta.sqrt() * dot(omega, x)).collect();
        let squared = beta * dot(x, x);
        let mut put = |f: &dyn Fn(f64) -> f64| out.extend(z.iter().map(|z| self.factor * f(*z)));
        match self.spec.map {
            FeatureMap::SinCos => {
                put(&|z| z.cos() / m.sqrt());
                put(&|z| z.sin() / m.sqrt());
            }
            FeatureMap::Cos => {
                let waves = z.iter().zip(&self.phases).map(|(z, turns)| (z + TAU * turns).cos());
                out.extend(waves.map(|wave| self.factor * ((2.0 / m).sqrt() * wave)));
            }
            FeatureMap::Exp => put(&|z| (z - squared).exp() / m.sqrt()),
            FeatureMap::ExpExp => {
                put(&|z| (z - squared).exp() / (2.0 * m).sqrt());
                put(&|z| (-z - squared).exp() / (2.0 * m).sqrt());
            }
            FeatureMap::DotExp => put(&|z| (z - squared / 2.0).exp() / m.sqrt()),
        }
    }
}

impl FeatureTransform for RandomMap {
    fn dim(&self) -> usize {
        self.spec.dim
    }

    fn features(&self) -> usize {
        self.spec.length()
    }

    fn apply(&self, rows: &[f64]) -> Vec<f64> {
        let mut features = Vec::with_capacity(rows.len() / self.spec.dim * self.spec.length());
        rows.chunks_exact(self.spec.dim).for_each(|row| self.append(row, &mut features));
        features
    }

    fn parameters(&self) -> &[f64] {
        &[]
    }

    fn parameters_mut(&mut self) -> &mut [f64] {
        &mut []
    }

    fn pull_back(&self, _rows: &[f64], _slopes: &[f64]) -> Vec<f64> {
        Vec::new()
    }

    fn scale(&mut self, factor: f64) {
        self.factor *= factor;
    }

    fn reset(&mut self, _seed: u64) {}
}

/// What a hidden neuron gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hidden {
    /// `tanh z`
    #[default]
    Tanh,
    /// `z` times the share of standard normals below `z` (D. Hendrycks, K. Gimpel, arXiv 1606.08415).
    Gelu,
}

impl Hidden {
    /// The value and the derivative at `z`.
    fn at(self, z: f64) -> (f64, f64) {
        match self {
            Self::Tanh => {
                let t = z.tanh();
                (t, 1.0 - t * t)
            }
            Self::Gelu => {
                let share = 0.5 * puruspe::erfc(-z * std::f64::consts::FRAC_1_SQRT_2);
                let density = (-0.5 * z * z).exp() / TAU.sqrt();
                (z * share, share + z * density)
            }
        }
    }
}

/// `Phi(x) = W2 h(W1 x + b1)`: one hidden layer, which places more memories than a linear map can.
#[derive(Clone, Debug, PartialEq)]
pub struct MlpMap {
    dim: usize,
    hidden: usize,
    features: usize,
    kind: Hidden,
    /// `W1` `[H * d]`, `b1` `[H]`, `W2` `[D * H]`.
    parameters: Vec<f64>,
}

impl MlpMap {
    /// A random map with `hidden` neurons.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] where a size is 0.
    ///
    /// ```
    /// use attractor::memory::{FeatureTransform, Hidden, MlpMap};
    /// let map = MlpMap::random(3, 16, 2, Hidden::Gelu, 1)?;
    /// assert_eq!(map.apply(&[0.5, 0.0, 1.0]).len(), 2);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn random(dim: usize, hidden: usize, features: usize, kind: Hidden, seed: u64) -> Result<Self> {
        check_sizes(dim, features.min(hidden))?;
        let parameters = vec![0.0; hidden * (dim + 1 + features)];
        let mut map = Self { dim, hidden, features, kind, parameters };
        map.reset(seed);
        Ok(map)
    }

    fn parts(&self) -> (&[f64], &[f64], &[f64]) {
        let (first, rest) = self.parameters.split_at(self.hidden * self.dim);
        let (bias, second) = rest.split_at(self.hidden);
        (first, bias, second)
    }

    /// Values of the hidden neurons and their derivatives, `[n * H]` each.
    fn neurons(&self, rows: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (first, bias, _) = self.parts();
        let mut z = product((rows, self.dim), (first, self.dim), Layout::NT);
        add_to_rows(&mut z, bias);
        z.into_iter().map(|z| self.kind.at(z)).unzip()
    }
}

impl FeatureTransform for MlpMap {
    fn dim(&self) -> usize {
        self.dim
    }

    fn features(&self) -> usize {
        self.features
    }

    fn apply(&self, rows: &[f64]) -> Vec<f64> {
        product((&self.neurons(rows).0, self.hidden), (self.parts().2, self.hidden), Layout::NT)
    }

    fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [f64] {
        &mut self.parameters
    }

    fn pull_back(&self, rows: &[f64], slopes: &[f64]) -> Vec<f64> {
        let (values, derivatives) = self.neurons(rows);
        let mut back = product((slopes, self.features), (self.parts().2, self.hidden), Layout::NN);
        back.iter_mut().zip(derivatives).for_each(|(b, d)| *b *= d);
        let mut gradient = product((&back, self.hidden), (rows, self.dim), Layout::TN);
        gradient.extend(column_sums(&back, self.hidden));
        gradient.extend(product((slopes, self.features), (&values, self.hidden), Layout::TN));
        gradient
    }

    fn scale(&mut self, factor: f64) {
        let start = self.hidden * (self.dim + 1);
        self.parameters[start..].iter_mut().for_each(|p| *p *= factor);
    }

    fn rescale_rows(&mut self, factor: f64) -> bool {
        let end = self.hidden * self.dim;
        self.parameters[..end].iter_mut().for_each(|p| *p *= factor);
        true
    }

    fn reset(&mut self, seed: u64) {
        let (d, h) = (self.dim, self.hidden);
        let first = normals(seed, h, d + 1).into_iter().collect::<Vec<_>>();
        let second = normals(seed ^ (1 << 63), self.features, h);
        for (i, row) in first.chunks_exact(d + 1).enumerate() {
            let weights = row[..d].iter().map(|v| v * (2.0 / d as f64).sqrt());
            self.parameters[i * d..(i + 1) * d].iter_mut().zip(weights).for_each(|(p, v)| *p = v);
            self.parameters[h * d + i] = row[d];
        }
        let deviation = (h as f64).sqrt().recip();
        self.parameters[h * (d + 1)..].iter_mut().zip(second).for_each(|(p, v)| *p = deviation * v);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn gradients_by_parameters_are_differences() {
        let (rows, slopes) = (normals(1, 5, 3), normals(2, 5, 4));
        let maps: [Box<dyn FeatureTransform>; 4] = [
            Box::new(LinearMap::random(3, 4, false, 3).unwrap()),
            Box::new(LinearMap::random(3, 4, true, 3).unwrap()),
            Box::new(MlpMap::random(3, 6, 4, Hidden::Tanh, 3).unwrap()),
            Box::new(MlpMap::random(3, 6, 4, Hidden::Gelu, 3).unwrap()),
        ];
        for mut map in maps {
            let gradient = map.pull_back(&rows, &slopes);
            assert_eq!(gradient.len(), map.parameters().len());
            for (i, got) in gradient.iter().enumerate() {
                let mut at = |h: f64| {
                    map.parameters_mut()[i] += h;
                    let value: f64 = map.apply(&rows).iter().zip(&slopes).map(|(a, b)| a * b).sum();
                    map.parameters_mut()[i] -= h;
                    value
                };
                let want = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((got - want).abs() < 1e-7, "{map:?}: {i}: {got} {want}");
            }
            let before = map.apply(&rows);
            map.scale(3.0);
            let scaled = map.apply(&rows);
            assert!(before.iter().zip(&scaled).all(|(a, b)| (3.0 * a - b).abs() < 1e-12), "{map:?}");
            // For rows times a number, the same up to a common factor.
            let far: Vec<f64> = rows.iter().map(|v| 1e-6 * v).collect();
            let want = map.apply(&far);
            assert!(map.rescale_rows(1e-6));
            let got = map.apply(&rows);
            let factor = want[0] / got[0];
            assert!(want.iter().zip(&got).all(|(w, g)| (factor * g / w - 1.0).abs() < 1e-6), "{map:?}");
        }
    }
}
