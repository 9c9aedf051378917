//! Banks of generated patterns: which, and how many.

use crate::{Error, Result};
use std::{fmt, ops::Range, str::FromStr};

/// What the patterns of a bank are drawn from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ensemble {
    /// Uniform on the unit sphere.
    #[default]
    Sphere,
    /// Independent -1 and 1.
    Bipolar,
    /// Independent standard normals.
    Gaussian,
}

impl Ensemble {
    /// All of them, in the order of their names in help texts.
    pub const ALL: [Self; 3] = [Self::Sphere, Self::Bipolar, Self::Gaussian];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sphere => "sphere",
            Self::Bipolar => "bipolar",
            Self::Gaussian => "gaussian",
        }
    }
}

impl fmt::Display for Ensemble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Ensemble {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let want = "one of sphere, bipolar, gaussian";
        Self::ALL.into_iter().find(|k| k.name() == s).ok_or_else(|| Error::parameter("ensemble", s, want))
    }
}

/// `n` patterns of `d` values that are made when they are looked at.
///
/// Pattern `mu` depends on the ensemble, the seed, `d` and `mu` alone: a bank is a prefix of any larger bank of its seed. Normals
/// have 24 bits in their radius, so that none is beyond 5.8.
///
/// ```
/// use attractor::ops::{Bank, Ensemble};
/// let bank = Bank::new(Ensemble::Sphere, 42, 1_000_000_000_000, 64)?;
/// let rows = bank.rows(999_999_999_998..1_000_000_000_000)?;
/// assert_eq!((rows.rows(), rows.columns()), (2, 64));
/// let length: f32 = rows.row(1).iter().map(|v| v * v).sum();
/// assert!((length - 1.0).abs() < 1e-6);
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bank {
    ensemble: Ensemble,
    seed: u64,
    n: u64,
    d: usize,
}

impl Bank {
    /// A bank; nothing is made yet.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for no patterns, no columns, or more than 65,535 columns.
    pub fn new(ensemble: Ensemble, seed: u64, n: u64, d: usize) -> Result<Self> {
        if n == 0 {
            return Err(Error::parameter("number of patterns", n, "at least 1"));
        }
        if d == 0 || d > usize::from(u16::MAX) {
            return Err(Error::parameter("columns of patterns", d, "1 to 65535"));
        }
        Ok(Self { ensemble, seed, n, d })
    }

    /// What the patterns are drawn from.
    pub fn ensemble(&self) -> Ensemble {
        self.ensemble
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many patterns.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// Columns of a pattern.
    pub fn d(&self) -> usize {
        self.d
    }

    /// The first `n` patterns as a bank of their own.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] where there are fewer, or for 0.
    pub fn prefix(&self, n: u64) -> Result<Self> {
        self.check(&(0..n))?;
        Self::new(self.ensemble, self.seed, n, self.d)
    }

    /// How many patterns a range has; refuses one that the bank does not hold.
    pub(crate) fn check(&self, range: &Range<u64>) -> Result<usize> {
        let count = range.end.saturating_sub(range.start);
        match usize::try_from(count) {
            Ok(count) if range.start <= range.end && range.end <= self.n => Ok(count),
            _ => {
                let want = format!("within 0..{}", self.n);
                Err(Error::parameter("range of patterns", format!("{}..{}", range.start, range.end), want))
            }
        }
    }
}
