//! Random features: sums of kernels over patterns as one inner product with a vector of fixed size.
//!
//! B. Hoover et al., "Dense Associative Memory Through the Lens of Random Features", `NeurIPS` 2024 (arXiv 2410.24153);
//! cosine features: A. Rahimi, B. Recht, NIPS 2007; positive features: K. Choromanski et al., ICLR 2021; orthogonal and
//! structured frequencies: F. Yu et al., NIPS 2016. Shapes: states `[b, d]`, frequencies `[m, d]`, a memory `T` `[m]` or `[2 m]`.

use super::matmul::zeros;
use super::{Axis, Binary, Layout, Reduction, Unary, binary, by_row, check_beta, matmul, reduce, unary};
use crate::{
    Device, Error, Result, Rows, Tensor,
    cpu::{self, features::Space},
    gpu,
    tensor::Place,
};
use std::{fmt, ops::Range, str::FromStr, sync::Arc};

/// Features `phi(x)` whose inner products estimate a kernel; `z_j = sqrt(beta) omega_j . x`, `m` frequencies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FeatureMap {
    /// `m^-1/2 [cos z ; sin z]` for `exp(-beta/2 |x-y|^2)`: the least noise of the maps.
    #[default]
    SinCos,
    /// `(2/m)^1/2 cos(z + phase)` for the same kernel, with half as many numbers.
    Cos,
    /// `m^-1/2 exp(z - beta |x|^2)` for the same kernel: never negative, but of good use near the origin alone.
    Exp,
    /// `(2 m)^-1/2 [exp(z - beta |x|^2) ; exp(-z - beta |x|^2)]`, likewise.
    ExpExp,
    /// `m^-1/2 exp(z - beta |x|^2 / 2)` for `exp(beta x.y)`.
    DotExp,
}

impl FeatureMap {
    /// All of them, in the order of their names in help texts.
    pub const ALL: [Self; 5] = [Self::SinCos, Self::Cos, Self::Exp, Self::ExpExp, Self::DotExp];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::SinCos => "sincos",
            Self::Cos => "cos",
            Self::Exp => "exp",
            Self::ExpExp => "expexp",
            Self::DotExp => "dotexp",
        }
    }

    /// How many features `m` frequencies make.
    pub fn length(self, m: usize) -> usize {
        if self.has_two() { 2 * m } else { m }
    }

    /// Whether features are never negative.
    pub fn is_positive(self) -> bool {
        matches!(self, Self::Exp | Self::ExpExp | Self::DotExp)
    }

    /// Whether a frequency makes two features.
    pub(crate) fn has_two(self) -> bool {
        matches!(self, Self::SinCos | Self::ExpExp)
    }

    /// What every feature is multiplied by.
    fn scale(self, m: usize) -> f64 {
        match self {
            Self::SinCos | Self::Exp | Self::DotExp => (1.0 / m as f64).sqrt(),
            Self::Cos => (2.0 / m as f64).sqrt(),
            Self::ExpExp => (0.5 / m as f64).sqrt(),
        }
    }

    /// `c` of the factor `exp(-c beta |x|^2)`.
    fn decay(self) -> f64 {
        match self {
            Self::SinCos | Self::Cos => 0.0,
            Self::Exp | Self::ExpExp => 1.0,
            Self::DotExp => 0.5,
        }
    }
}

impl fmt::Display for FeatureMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FeatureMap {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let want = "one of sincos, cos, exp, expexp, dotexp";
        Self::ALL.into_iter().find(|k| k.name() == s).ok_or_else(|| Error::parameter("map", s, want))
    }
}

/// How the frequencies of a seed depend on each other. Every element has mean 0 and variance 1 in all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Projection {
    /// Independent standard normals.
    #[default]
    Gaussian,
    /// Gaussian rows made orthogonal in blocks of `d`, with the lengths that they had (chi-distributed). Less noise where the
    /// kernel is large. The host makes them, at a cost of `2 m d^2`.
    Orthogonal,
    /// `sqrt(p) H D1 H D2 H D3` in blocks of `p` rows, `d` padded to a power of two `p`: random signs and Hadamard matrices;
    /// all rows are `sqrt p` long. On the CPU products with them cost `log p` operations per value in place of `d`. About as little
    /// noise as orthogonal ones, with a bias of the order of `1/d` in the kernel.
    Structured,
}

impl Projection {
    /// All of them, in the order of their names in help texts.
    pub const ALL: [Self; 3] = [Self::Gaussian, Self::Orthogonal, Self::Structured];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gaussian => "gaussian",
            Self::Orthogonal => "orthogonal",
            Self::Structured => "structured",
        }
    }
}

impl fmt::Display for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Projection {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let want = "one of gaussian, orthogonal, structured";
        Self::ALL.into_iter().find(|k| k.name() == s).ok_or_else(|| Error::parameter("projection", s, want))
    }
}

/// Where frequencies come from.
#[derive(Clone, Debug, PartialEq)]
pub enum FrequencySource {
    /// From a generator with a counter: the same numbers on every device, in any order.
    Seed {
        /// The seed.
        seed: u64,
        /// How they depend on each other.
        projection: Projection,
    },
    /// Given as a matrix `[m, d]`.
    Given {
        /// Rows are frequencies.
        frequencies: Arc<Rows<'static>>,
        /// Phases in radians, `[m]`; only [`FeatureMap::Cos`] looks at them.
        phases: Arc<[f32]>,
    },
}

/// A feature map with its frequencies.
///
/// ```
/// use attractor::ops::{FeatureMap, FeatureSpec};
/// let spec = FeatureSpec::new(FeatureMap::SinCos, 1000, 64, 20.0, 42);
/// assert_eq!(spec.length(), 2000);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureSpec {
    /// Which features.
    pub map: FeatureMap,
    /// How many frequencies, `m`.
    pub count: usize,
    /// Length of a state, `d`.
    pub dim: usize,
    /// Inverse temperature of the kernel.
    pub beta: f32,
    /// Where the frequencies come from.
    pub source: FrequencySource,
}

impl FeatureSpec {
    /// Independent frequencies from a seed.
    pub fn new(map: FeatureMap, count: usize, dim: usize, beta: f32, seed: u64) -> Self {
        let source = FrequencySource::Seed { seed, projection: Projection::Gaussian };
        Self { map, count, dim, beta, source }
    }

    /// Given frequencies `[m, d]` with phases `[m]` in radians (none where the map has none, or where all are 0).
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] where there is not one phase per frequency; [`Error::NonFinite`].
    pub fn given(
        map: FeatureMap,
        frequencies: Rows<'static>,
        phases: Option<&[f32]>,
        beta: f32,
    ) -> Result<Self> {
        let (count, dim) = (frequencies.rows(), frequencies.columns());
        frequencies.check_finite("frequencies")?;
        let phases = phases.map_or_else(|| vec![0.0; count], <[f32]>::to_vec);
        if phases.len() != count {
            return Err(Error::dimension("phases (one per frequency)", phases.len(), count));
        }
        Rows::new(&phases[..], 1)?.check_finite("phases")?;
        let source = FrequencySource::Given { frequencies: Arc::new(frequencies), phases: phases.into() };
        Ok(Self { map, count, dim, beta, source })
    }

    /// How many numbers a memory has.
    pub fn length(&self) -> usize {
        self.map.length(self.count)
    }

    /// Refuses what is no space of features.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for no frequencies, no columns, or a `beta` that is not positive and finite.
    pub fn check(&self) -> Result<()> {
        check_beta(self.beta)?;
        if self.count == 0 || u32::try_from(self.count).is_err() {
            return Err(Error::parameter("number of features", self.count, "at least 1 and below 2^32"));
        }
        if self.dim == 0 || u32::try_from(self.dim).is_err() {
            return Err(Error::parameter("columns of patterns", self.dim, "at least 1 and below 2^32"));
        }
        Ok(())
    }

    /// The phases in turns, `[m]`.
    fn turns(&self) -> Vec<f32> {
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

/// Values of a tile of frequencies at most on a GPU: 16 MiB of them.
const TILE_VALUES: usize = 1 << 22;
/// Frequencies of a tile at most.
const TILE_ROWS: usize = 4096;
/// Patterns that go to a GPU together.
const ROWS: usize = 1024;

/// Frequencies that are kept.
enum Kept {
    None,
    /// `[m, d]`
    Cpu(Arc<Rows<'static>>),
    /// One tensor per tile.
    Gpu(Vec<Tensor>),
}

/// A feature map on a device: encodes patterns, and looks at states through what was encoded.
///
/// Frequencies that fit `budget` bytes are made once and kept, others are made tile by tile whenever they are needed; the
/// numbers are the same. On the CPU structured frequencies are never written out. On a GPU those of
/// [`Projection::Gaussian`] are made there; orthogonal and structured ones that do not fit travel from the host at each step.
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
            (_, Device::Gpu(_)) if fits => {
                Kept::Gpu(features.tiles().map(|tile| features.tile(tile)).collect::<Result<_>>()?)
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
    /// [`Error::DimensionMismatch`], and faults of the device.
    pub fn encode(&self, patterns: &Rows<'_>) -> Result<Vec<f64>> {
        self.check(patterns.rows(), patterns.columns())?;
        let mut t = match &self.device {
            _ if patterns.rows() == 0 => vec![0.0; self.spec.length()],
            Device::Cpu => cpu::features::encode(&self.space(), patterns.as_slice(), &self.turns),
            Device::Gpu(_) => self.encode_in_tiles(patterns)?,
        };
        let scale = self.spec.map.scale(self.spec.count);
        t.iter_mut().for_each(|t| *t *= scale);
        Ok(t)
    }

    /// The sums of an encoding tile by tile.
    fn encode_in_tiles(&self, patterns: &Rows<'_>) -> Result<Vec<f64>> {
        let (m, halves) = (self.spec.count, if self.spec.map.has_two() { 2 } else { 1 });
        let mut t = vec![0.0; halves * m];
        let sides = self.sides(&[])?;
        for first in (0..patterns.rows()).step_by(ROWS) {
            let rows = patterns.slice(first..(first + ROWS).min(patterns.rows()));
            let (x, shift) = self.scaled(&Tensor::new(&self.device, &rows)?)?;
            for (number, tile) in self.tiles().enumerate() {
                let z = matmul(&x, &self.kept_tile(number, &tile)?, Layout::NT)?;
                let (first, second) = self.combine(&z, &sides, &shift, tile.start, false)?;
                for (half, features) in [first, second].iter().take(halves).enumerate() {
                    let sums = reduce(features, Reduction::Sum, Axis::Rows)?.to_vec()?;
                    let at = half * m + tile.start..half * m + tile.end;
                    t[at].iter_mut().zip(sums).for_each(|(t, v)| *t += f64::from(v));
                }
            }
        }
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
    /// operations and a sine and cosine for each pair. On a GPU it takes memory for `b` times 4096 features.
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
            (Place::Gpu(_), Place::Gpu(_)) => self.step_in_tiles(states, &memory.sides)?,
            _ => {
                let (left, right) = (states.device().to_string(), memory.sides.device().to_string());
                return Err(Error::DeviceMismatch { what: "step of features", left, right });
            }
        };
        let scale = self.spec.map.scale(self.spec.count);
        let beta = f64::from(self.spec.beta);
        let u = unary(Unary::Scale(scale as f32), &u)?;
        let mut g = unary(Unary::Scale((scale * beta.sqrt()) as f32), &g)?;
        if self.spec.map.is_positive() {
            let pull = unary(Unary::Scale((2.0 * self.spec.map.decay() * beta) as f32), &u)?;
            g = binary(Binary::Sub, &g, &by_row(Binary::Mul, states, &pull)?)?;
        }
        Ok((u, g))
    }

    /// The sums of a step tile by tile.
    fn step_in_tiles(&self, states: &Tensor, sides: &Tensor) -> Result<(Tensor, Tensor)> {
        let (x, shift) = self.scaled(states)?;
        let mut sums: Option<(Tensor, Tensor)> = None;
        for (number, tile) in self.tiles().enumerate() {
            let s = self.kept_tile(number, &tile)?;
            let z = matmul(&x, &s, Layout::NT)?;
            let (parts, slopes) = self.combine(&z, sides, &shift, tile.start, true)?;
            let u = reduce(&parts, Reduction::Sum, Axis::Columns)?;
            let g = matmul(&slopes, &s, Layout::NN)?;
            sums = Some(match sums {
                None => (u, g),
                Some((a, b)) => (binary(Binary::Add, &a, &u)?, binary(Binary::Add, &b, &g)?),
            });
        }
        sums.ok_or_else(|| Error::parameter("number of features", 0, "at least 1"))
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

    /// States on a GPU times [`Features::unit`], and what is taken off their exponents `[b]`.
    fn scaled(&self, states: &Tensor) -> Result<(Tensor, Tensor)> {
        let x = unary(Unary::Scale(self.unit() as f32), states)?;
        let squares = reduce(&unary(Unary::Square, states)?, Reduction::Sum, Axis::Columns)?;
        let decay = self.spec.map.decay() * f64::from(self.spec.beta);
        Ok((x, unary(Unary::Scale(decay as f32), &squares)?))
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
            decay: (self.spec.map.decay() * f64::from(self.spec.beta)) as f32,
            source,
        }
    }

    /// Features of a tile from products `z` `[b, rows]`, or (`step`) their products with `T` and the derivatives of these.
    fn combine(
        &self,
        z: &Tensor,
        sides: &Tensor,
        shift: &Tensor,
        first: usize,
        step: bool,
    ) -> Result<(Tensor, Tensor)> {
        match (z.place(), sides.place(), shift.place()) {
            (Place::Gpu(a), Place::Gpu(sides), Place::Gpu(shift)) => {
                let waves = !self.spec.map.is_positive();
                let (first, second) = gpu::features::combine(a, sides, shift, first, waves, step)?;
                Ok((Tensor::on_gpu(first, z.shape())?, Tensor::on_gpu(second, z.shape())?))
            }
            _ => Err(Error::Gpu { what: "features".into(), message: "tensors in different places".into() }),
        }
    }

    /// How many frequencies a GPU takes together.
    fn rows_of_tile(&self) -> usize {
        (TILE_VALUES / self.spec.dim).clamp(4, TILE_ROWS) / 4 * 4
    }

    /// The tiles in which a GPU takes the frequencies.
    fn tiles(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (rows, m) = (self.rows_of_tile(), self.spec.count);
        (0..m).step_by(rows).map(move |first| first..(first + rows).min(m))
    }

    /// The frequencies of a tile on a GPU.
    fn kept_tile(&self, number: usize, tile: &Range<usize>) -> Result<Tensor> {
        match &self.kept {
            Kept::Gpu(tiles) => Ok(tiles[number].clone()),
            _ => self.tile(tile.clone()),
        }
    }

    /// The frequencies of a tile, made or brought to the GPU.
    fn tile(&self, tile: Range<usize>) -> Result<Tensor> {
        let shape = [tile.len(), self.spec.dim];
        match (&self.spec.source, &self.device) {
            (FrequencySource::Seed { seed, projection: Projection::Gaussian }, Device::Gpu(context)) => {
                let made =
                    gpu::features::frequencies(context, *seed, tile.start as u64, tile.len(), self.spec.dim)?;
                Tensor::on_gpu(made, &shape)
            }
            _ => self.tensor(&self.host_tile(tile), &shape),
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
