//! What is measured: memories by their energies, the exact nearest pattern, and any other memory; and how far recall goes.

use crate::{
    Error, Result, SharedRows,
    memory::{
        Beta, Energy, EnergySettings, Memory,
        registry::{Properties, Setting, Weights},
    },
};
use std::{fmt, str::FromStr, sync::Arc};

/// A kind of memory that is none of the library's energies: made anew for each number of patterns.
pub trait Subject: Send + Sync {
    /// What reports call it.
    fn name(&self) -> String;

    /// The memory of these patterns, rows of `columns` values, at an inverse temperature, where it has one.
    ///
    /// # Errors
    /// Those of the memory.
    fn memory(&self, patterns: SharedRows, columns: usize, beta: Beta) -> Result<Box<dyn Memory>>;

    /// Whether it has an inverse temperature.
    fn takes_beta(&self) -> bool {
        true
    }

    /// How many numbers it keeps for `n` patterns of `d` values.
    fn parameters(&self, n: f64, d: usize) -> f64 {
        n * d as f64
    }
}

/// What is measured.
#[derive(Clone)]
pub enum Model {
    /// `nearest`: the exact nearest pattern, the ceiling of every memory.
    Nearest,
    /// A memory of the library, by the name of its energy.
    Energy(Energy),
    /// Any other memory.
    Other(Arc<dyn Subject>),
}

impl Model {
    /// Whether it has an inverse temperature.
    pub fn takes_beta(&self) -> bool {
        match self {
            Self::Nearest => false,
            Self::Energy(energy) => energy.takes_beta(),
            Self::Other(subject) => subject.takes_beta(),
        }
    }

    /// Whether it holds -1 and 1 alone.
    pub fn is_binary(&self) -> bool {
        matches!(self, Self::Energy(energy) if energy.is_binary())
    }

    /// Whether its patterns are -1 and 1 alone, whatever its states are.
    pub fn stores_bits(&self) -> bool {
        matches!(self, Self::Energy(energy) if energy.stores_bits())
    }

    /// How many numbers it keeps for `n` patterns of `d` values: for bits per parameter.
    pub fn parameters(&self, n: f64, d: usize) -> f64 {
        match self {
            Self::Nearest => n * d as f64,
            Self::Energy(energy) => (energy.properties().size)(n, d),
            Self::Other(subject) => subject.parameters(n, d),
        }
    }

    /// What is known of it, where it is an energy.
    pub(super) fn properties(&self) -> Option<Properties> {
        if let Self::Energy(energy) = self { Some(energy.properties()) } else { None }
    }

    /// Whether its recalls say which patterns they found. (What another kind of memory cannot report, it refuses.)
    pub(super) fn names_patterns(&self) -> bool {
        self.properties().is_none_or(|properties| properties.weights != Weights::None)
    }

    /// Whether it is the softmax memory.
    pub(super) fn is_softmax(&self) -> bool {
        matches!(self, Self::Energy(Energy::Softmax))
    }

    /// The memory of some patterns; `None` for the nearest pattern, which is none.
    pub(super) fn memory(
        &self,
        patterns: SharedRows,
        columns: usize,
        beta: Beta,
        settings: &EnergySettings,
    ) -> Result<Option<Box<dyn Memory>>> {
        match self {
            Self::Nearest => Ok(None),
            Self::Other(subject) => subject.memory(patterns, columns, beta).map(Some),
            Self::Energy(energy) => {
                let settings = EnergySettings {
                    beta: if self.takes_beta() { beta } else { Beta::Auto },
                    // What has no meaning for an energy is left out: one list of settings serves all.
                    similarity: settings.similarity.filter(|_| energy.takes_similarity()),
                    order: settings.order.filter(|_| energy.takes(Setting::Order)),
                    ..settings.clone()
                };
                energy.memory(patterns, columns, &settings).map(Some)
            }
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nearest => f.write_str("nearest"),
            Self::Energy(energy) => energy.fmt(f),
            Self::Other(subject) => f.write_str(&subject.name()),
        }
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Model({self})")
    }
}

impl FromStr for Model {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "nearest" { Ok(Self::Nearest) } else { text.parse().map(Self::Energy) }
    }
}

/// An inverse temperature, in one of its units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heat {
    /// `beta` as memories take it.
    Beta(f64),
    /// `beta |xi|^2 / d` with the mean squared length of a pattern: the unit of the laws. For unit patterns `beta = lambda d`; for bits
    /// `beta = lambda`.
    Lambda(f64),
    /// Left to the memory, for each number of patterns.
    Auto,
}

impl fmt::Display for Heat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beta(beta) => write!(f, "beta {beta}"),
            Self::Lambda(lambda) => write!(f, "lambda {lambda}"),
            Self::Auto => f.write_str("beta auto"),
        }
    }
}

/// How far recall goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// So many updates, a number.
    Steps(u32),
    /// `converged`: until no coordinate changes by more than a millionth of the largest, at most 64 updates.
    Converged,
    /// `renormalized`: as `converged`, but after each update the state gets back the length of a pattern.
    Renormalized,
    /// `annealed`: `beta` doubles with each of six updates, then stays until convergence.
    Annealed,
}

impl Schedule {
    /// Whether it asks for more than one update.
    pub fn iterates(self) -> bool {
        !matches!(self, Self::Steps(0 | 1))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(n) => n.fmt(f),
            Self::Converged => f.write_str("converged"),
            Self::Renormalized => f.write_str("renormalized"),
            Self::Annealed => f.write_str("annealed"),
        }
    }
}

impl FromStr for Schedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "converged" => Ok(Self::Converged),
            "renormalized" | "renormalised" => Ok(Self::Renormalized),
            "annealed" => Ok(Self::Annealed),
            _ => match text.parse() {
                Ok(n) if n <= 10_000 => Ok(Self::Steps(n)),
                _ => Err(Error::parameter(
                    "steps",
                    text,
                    "a number of updates up to 10000, converged, renormalized or annealed",
                )),
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn names_parse_and_print() {
        for name in ["nearest", "softmax", "entmax:1.5", "hopfield", "universal:cosine:max"] {
            assert_eq!(name.parse::<Model>().unwrap().to_string(), name);
        }
        for name in ["0", "1", "20", "converged", "renormalized", "annealed"] {
            assert_eq!(name.parse::<Schedule>().unwrap().to_string(), name);
        }
        assert!("best".parse::<Model>().is_err());
        for wrong in ["-1", "x", "20000", ""] {
            assert!(wrong.parse::<Schedule>().is_err(), "{wrong}");
        }
        let takes = |name: &str| name.parse::<Model>().unwrap().takes_beta();
        assert!(takes("softmax") && takes("universal:dot:softmax") && !takes("universal:dot:max"));
        assert!(!takes("nearest") && !takes("hopfield") && !takes("rectified:3"));
        assert_eq!("hopfield".parse::<Model>().unwrap().parameters(5.0, 100), 4950.0);
    }
}
