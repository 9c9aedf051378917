//! Feature maps and their frequencies: what a memory of features has to agree on.

use super::check_beta;
use crate::{Error, Result, Rows};
use std::{fmt, str::FromStr, sync::Arc};

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
    pub(crate) fn scale(self, m: usize) -> f64 {
        match self {
            Self::SinCos | Self::Exp | Self::DotExp => (1.0 / m as f64).sqrt(),
            Self::Cos => (2.0 / m as f64).sqrt(),
            Self::ExpExp => (0.5 / m as f64).sqrt(),
        }
    }

    /// `c` of the factor `exp(-c beta |x|^2)`.
    pub(crate) fn decay(self) -> f64 {
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
    /// all rows are `sqrt p` long. Products with them cost `log p` operations per value in place of `d`. About as little
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
}
