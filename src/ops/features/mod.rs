//! Random features: sums of kernels over patterns as one inner product with a vector of fixed size.
//!
//! B. Hoover et al., "Dense Associative Memory Through the Lens of Random Features", `NeurIPS` 2024 (arXiv 2410.24153);
//! cosine features: A. Rahimi, B. Recht, NIPS 2007; positive features: K. Choromanski et al., ICLR 2021; orthogonal and
//! structured frequencies: F. Yu et al., NIPS 2016. Shapes: states `[b, d]`, frequencies `[m, d]`, a memory `T` `[m]` or `[2 m]`.

mod descent;
mod tiles;

use crate::contract::{FeatureMap, FeatureSpec, FrequencySource, Projection};
pub(crate) use descent::{End, FeatureRules};

use super::matmul::zeros;
use super::{Axis, Binary, LARGEST, Reduction, Unary, binary, by_row, check_lengths, reduce, unary};
use crate::{
    Device, Error, Result, Rows, Tensor,
    cpu::{self, features::Space},
    gpu::features::hadamard,
    tensor::Place,
};
use std::{fmt, ops::Range, sync::Arc};

impl FeatureSpec {
    /// The phases in turns, `[m]`.
    pub(crate) fn turns(&self) -> Vec<f32> {
        match (&self.source, self.map) {
            (FrequencySource::Seed { seed, .. }, FeatureMap::Cos) => {
                cpu::frequencies::phases(*seed, self.count)
            }
            (FrequencySource::Given { phases, .. }, FeatureMap::Cos) => {
                phases.iter().map(|p| (f64::from(*p) / std::f64::consts::TAU) as f32).collect()
            }
            _ => vec![0.0; self.count],
        }
    }
}

/// What is kept of the frequencies.
enum Kept {
    None,
    /// `[m, d]`
    Cpu(Arc<Rows<'static>>),
    /// On a GPU, one tensor per tile.
    Tiles(Vec<Tensor>),
    /// On a GPU, the signs of structured frequencies, three diagonals a block.
    Signs(Tensor),
}

/// A feature map on a device: encodes patterns, and looks at states through what was encoded.
///
/// Frequencies that fit `budget` bytes are made once and kept, others are made whenever they are needed, in tiles or in the kernel
/// that uses them; the numbers are the same. Structured frequencies are never written out (on a GPU: for rows of up to
/// 2048 columns). On a GPU those of [`Projection::Gaussian`] are made there; orthogonal ones that do not fit travel from the host at
/// each step.
///
/// ```
/// use attractor::{Device, Rows, Tensor, ops::{FeatureMap, FeatureSpec, Features}};
/// let device = Device::cpu();
/// let features = Features::new(&FeatureSpec::new(FeatureMap::SinCos, 2000, 2, 4.0, 1), &device, 1 << 20)?;
/// let patterns = Rows::new(vec![0.5, 0.0, 0.0, 0.5], 2)?;
/// let memory = features.memory(&features.encode(&patterns)?)?;
/// let (u, _gradient) = features.step(&Tensor::new(&device, &patterns)?, &memory)?;
/// let exact = 1.0 + (-4.0_f32 / 2.0 * 0.5).exp();
/// assert!((u.to_vec()?[0] - exact).abs() < 0.05);
/// # Ok::<(), attractor::Error>(())
/// ```
pub struct Features {
    spec: FeatureSpec,
    device: Device,
    kept: Kept,
    /// Phases in turns.
    turns: Vec<f32>,
}

/// Factors of a sum of features, of the sum of frequencies behind its gradient, and of the pull of that to the origin.
struct Factors {
    scale: f32,
    slope: f32,
    pull: f32,
}

/// A memory `T` where its features are.
pub struct FeatureVector {
    /// `[3, m]`: the first half of `T`, the second (or zeros), phases in turns.
    sides: Tensor,
}

impl Features {
    /// The map on a device; frequencies may take up to `budget` bytes.
    ///
    /// # Errors
    /// Those of [`FeatureSpec::check`], and faults of the device.
    pub fn new(spec: &FeatureSpec, device: &Device, budget: u64) -> Result<Self> {
        spec.check()?;
        let mut features =
            Self { spec: spec.clone(), device: device.clone(), kept: Kept::None, turns: spec.turns() };
        let fits = (spec.count as u64).saturating_mul(spec.dim as u64 * 4) <= budget;
        let fast = matches!(spec.source, FrequencySource::Seed { projection: Projection::Structured, .. });
        features.kept = match (&spec.source, device) {
            (FrequencySource::Given { frequencies, .. }, Device::Cpu) => Kept::Cpu(Arc::clone(frequencies)),
            (_, Device::Cpu) if fits && !fast => {
                let all = Rows::new(features.host_tile(0..spec.count), spec.dim)?;
                Kept::Cpu(Arc::new(all))
            }
            (FrequencySource::Seed { seed, .. }, Device::Gpu(_))
                if fast && features.block() <= hadamard::MOST =>
            {
                Kept::Signs(features.signs(*seed)?)
            }
            (_, Device::Gpu(_)) if fits => {
                Kept::Tiles(features.tiles().map(|tile| features.tile(tile)).collect::<Result<_>>()?)
            }
            _ => Kept::None,
        };
        Ok(features)
    }

    /// The map.
    pub fn spec(&self) -> &FeatureSpec {
        &self.spec
    }

    /// Where it is.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Frequencies `[m, d]` as the device makes them.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and faults of the device.
    ///
    /// ```
    /// use attractor::{Device, ops::{FeatureMap, FeatureSpec, Features}};
    /// let features = Features::new(&FeatureSpec::new(FeatureMap::SinCos, 3, 2, 1.0, 42), &Device::cpu(), 0)?;
    /// assert!((features.frequencies()?[(0, 0)] + 0.970190).abs() < 1e-6);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn frequencies(&self) -> Result<Rows<'static>> {
        let d = self.spec.dim;
        let mut all = zeros("frequencies", self.spec.count, d)?;
        for (number, tile) in self.tiles().enumerate() {
            let out = &mut all[tile.start * d..tile.end * d];
            match &self.device {
                Device::Cpu => out.copy_from_slice(&self.host_tile(tile)),
                Device::Gpu(_) => out.copy_from_slice(&self.kept_tile(number, &tile)?.to_vec()?),
            }
        }
        Rows::new(all, d)
    }

    /// The memory `T = sum_k phi(xi_k)` of patterns `[k, d]`, `[m]` or `[2 m]`: cosines before sines. Cost: `2 k m d` operations
    /// and a sine and cosine for each pair.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`]; [`Error::NonFinite`] and [`Error::InvalidParameter`] naming a pattern with a value that is not finite or
    /// a squared length beyond 1e28; faults of the device.
    pub fn encode(&self, patterns: &Rows<'_>) -> Result<Vec<f64>> {
        self.check(patterns.rows(), patterns.columns())?;
        let squared: Vec<f32> = patterns.iter().map(cpu::similarity::squared).collect();
        check_lengths(patterns, &squared, LARGEST, "patterns")?;
        let mut t = match &self.device {
            _ if patterns.rows() == 0 => vec![0.0; self.spec.length()],
            Device::Cpu => cpu::features::encode(&self.space(), patterns.as_slice(), &self.turns),
            Device::Gpu(_) => self.encode_on_gpu(patterns)?,
        };
        let scale = self.spec.map.scale(self.spec.count);
        t.iter_mut().for_each(|t| *t *= scale);
        Ok(t)
    }

    /// Brings a memory `T` to the device.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] where it has another length than [`FeatureSpec::length`].
    pub fn memory(&self, t: &[f64]) -> Result<FeatureVector> {
        if t.len() != self.spec.length() {
            return Err(Error::dimension("values of a memory of features", t.len(), self.spec.length()));
        }
        Ok(FeatureVector { sides: self.sides(t)? })
    }

    /// `u(x) = phi(x) . T` `[b]` and its gradient `[b, d]` for states `[b, d]`, in one pass over the frequencies. Cost: `4 b m d`
    /// operations and a sine and cosine for each pair. On a GPU it takes memory for `b` times 16384 features at most. Of a state whose
    /// squared length is not finite in f32 both are NaN.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`], [`Error::DeviceMismatch`], and faults of the device.
    pub fn step(&self, states: &Tensor, memory: &FeatureVector) -> Result<(Tensor, Tensor)> {
        let ((b, columns), d) = (states.matrix_shape(), self.spec.dim);
        self.check(b, columns)?;
        let (u, g) = match (states.place(), memory.sides.place()) {
            _ if b == 0 => return Ok((self.tensor(&[], &[0])?, self.tensor(&[], &[0, d])?)),
            (Place::Cpu(x), Place::Cpu(sides)) => {
                let (u, g) = cpu::features::step(&self.space(), x, sides);
                (Tensor::on_cpu(u, &[b])?, Tensor::on_cpu(g, &[b, d])?)
            }
            (Place::Gpu(_), Place::Gpu(_)) => {
                let (x, shift) = self.scaled(states)?;
                self.look_on_gpu(&x, &shift, &memory.sides)?
            }
            _ => {
                let (left, right) = (states.device().to_string(), memory.sides.device().to_string());
                return Err(Error::DeviceMismatch { what: "step of features", left, right });
            }
        };
        let Factors { scale, slope, pull } = self.factors();
        let u = unary(Unary::Scale(scale), &u)?;
        let mut g = unary(Unary::Scale(slope), &g)?;
        if self.spec.map.is_positive() {
            let pull = unary(Unary::Scale(pull), &u)?;
            g = binary(Binary::Sub, &g, &by_row(Binary::Mul, states, &pull)?)?;
        }
        // 0 where the squared length is finite, else NaN.
        let squares = reduce(&unary(Unary::Square, states)?, Reduction::Sum, Axis::Columns)?;
        let known = unary(Unary::Scale(0.0), &squares)?;
        Ok((binary(Binary::Add, &u, &known)?, by_row(Binary::Add, &g, &known)?))
    }

    /// What sums over frequencies are multiplied by.
    fn factors(&self) -> Factors {
        let scale = self.spec.map.scale(self.spec.count);
        let beta = f64::from(self.spec.beta);
        Factors {
            scale: scale as f32,
            slope: (scale * beta.sqrt()) as f32,
            pull: (2.0 * self.spec.map.decay() * beta) as f32,
        }
    }

    /// Refuses rows of another length.
    fn check(&self, rows: usize, columns: usize) -> Result<()> {
        if rows > 0 && columns != self.spec.dim {
            let what = "columns of rows to make features of (as the frequencies have)";
            return Err(Error::dimension(what, columns, self.spec.dim));
        }
        Ok(())
    }

    fn tensor(&self, values: &[f32], shape: &[usize]) -> Result<Tensor> {
        Tensor::from_flat(&self.device, values, shape)
    }

    /// `[3, m]`: see [`FeatureVector`].
    fn sides(&self, t: &[f64]) -> Result<Tensor> {
        let m = self.spec.count;
        let mut sides: Vec<f32> = t.iter().map(|t| *t as f32).collect();
        sides.resize(2 * m, 0.0);
        sides.extend_from_slice(&self.turns);
        self.tensor(&sides, &[3, m])
    }

    /// What phases are counted in: turns for waves, so that taking whole turns off is exact.
    fn unit(&self) -> f64 {
        let root = f64::from(self.spec.beta).sqrt();
        if self.spec.map.is_positive() { root } else { root / std::f64::consts::TAU }
    }

    /// `c` of the factor `exp(-c |x|^2)`.
    fn decay(&self) -> f32 {
        (self.spec.map.decay() * f64::from(self.spec.beta)) as f32
    }

    fn space(&self) -> Space<'_> {
        use cpu::features::Source;
        let source = match (&self.kept, &self.spec.source) {
            (Kept::Cpu(rows), _) => Source::Stored(rows.as_slice()),
            (_, FrequencySource::Given { frequencies, .. }) => Source::Stored(frequencies.as_slice()),
            (_, FrequencySource::Seed { seed, projection }) => Source::Seed(*seed, *projection),
        };
        Space {
            positive: self.spec.map.is_positive(),
            two: self.spec.map.has_two(),
            m: self.spec.count,
            d: self.spec.dim,
            unit: self.unit() as f32,
            decay: self.decay(),
            source,
        }
    }

    /// The frequencies of a tile on the host.
    fn host_tile(&self, tile: Range<usize>) -> Vec<f32> {
        match &self.spec.source {
            FrequencySource::Seed { seed, projection } => {
                cpu::frequencies::rows(*projection, *seed, tile, self.spec.dim)
            }
            FrequencySource::Given { frequencies, .. } => frequencies.slice(tile).as_slice().to_vec(),
        }
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Features")
            .field("spec", &self.spec)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}
