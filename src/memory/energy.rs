//! Every energy by its name: `softmax`, `entmax:1.5`, `hopfield:storkey`, ...

use super::{
    Beta, Learning, Memory, Order, Post,
    registry::{self, Data, Family, Kind, Other, Promise, Properties, Setting, Weights},
};
use crate::{
    Device, Error, Precision, Result, Rows, SharedRows,
    ops::{Interaction, Separation, Similarity, SimilarityForm, UniversalSeparation, UniversalSimilarity},
};
use std::{fmt, str::FromStr};

/// The energy of a memory, by name and parameter: what `--energy` of the command line takes.
///
/// ```
/// use attractor::memory::Energy;
/// let energy: Energy = "entmax:1.5".parse()?;
/// assert_eq!(energy.to_string(), "entmax:1.5");
/// assert!("entmax:0.5".parse::<Energy>().is_err());
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Energy {
    /// [`DenseMemory`](super::DenseMemory).
    Softmax,
    /// [`SparseMemory`](super::SparseMemory).
    Sparse(Separation),
    /// [`BinaryMemory`](super::BinaryMemory).
    Binary(Interaction),
    /// [`HopfieldMemory`](super::HopfieldMemory).
    Hopfield(Learning),
    /// [`LagrangianMemory`](super::LagrangianMemory).
    Lagrangian(Layers),
    /// [`UniversalMemory`](super::UniversalMemory), which has none.
    Universal(UniversalSimilarity, UniversalSeparation),
    /// A kind of the registry that has no variant of its own, with its parameter.
    Other(Other),
}

/// Which two-layer network ([`LagrangianModel`](super::LagrangianModel) without its `beta`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    /// [`LagrangianModel::A`](super::LagrangianModel::A) of this power.
    A(u32),
    /// [`LagrangianModel::B`](super::LagrangianModel::B).
    B,
    /// [`LagrangianModel::C`](super::LagrangianModel::C) of this power.
    C(u32),
}

/// What energies need beside patterns. What an energy has no use for must be left as it is by default.
#[derive(Clone, Debug, Default)]
pub struct EnergySettings {
    /// Where the memory lives; [`Device::best`] where `None`.
    pub device: Option<Device>,
    /// How queries and patterns are compared; [`Similarity::L2`] where `None`.
    pub similarity: Option<Similarity>,
    /// How similarities are worked out; as each recall needs it where `None` (softmax and sparse energies).
    pub similarity_form: Option<SimilarityForm>,
    /// The inverse temperature.
    pub beta: Beta,
    /// How patterns are kept (softmax).
    pub precision: Precision,
    /// What happens to a read-out before it is the next state (sparse energies).
    pub post: Post,
    /// Whether bits change together or one after another; asynchronously where `None`.
    pub order: Option<Order>,
    /// Of the random orders of asynchronous sweeps.
    pub seed: u64,
}

impl Energy {
    /// Every kind of energy of this crate; [`registry::kinds`] has those that others registered as well.
    pub const LIST: &'static [Kind] = &registry::KINDS;

    fn family(self) -> Family {
        match self {
            Self::Softmax => registry::DENSE,
            Self::Sparse(_) => registry::SPARSE,
            Self::Binary(_) => registry::BINARY,
            Self::Hopfield(_) => registry::HOPFIELD,
            Self::Lagrangian(_) => registry::LAGRANGIAN,
            Self::Universal(..) => registry::UNIVERSAL,
            Self::Other(other) => other.kind.family,
        }
    }

    /// What memories with this energy take and promise.
    pub fn properties(self) -> Properties {
        (self.family().properties)(self)
    }

    /// Whether a setting means something to it.
    pub fn takes(self, setting: Setting) -> bool {
        self.properties().takes.contains(&setting)
    }

    /// Whether this holds of it.
    pub fn promises(self, promise: Promise) -> bool {
        self.properties().promises.contains(&promise)
    }

    /// Whether a similarity can be chosen.
    pub fn takes_similarity(self) -> bool {
        self.takes(Setting::Similarity)
    }

    /// Whether an inverse temperature means anything to it.
    pub fn takes_beta(self) -> bool {
        self.takes(Setting::Beta)
    }

    /// Whether a recall stays the same, moved with them, where patterns and queries all move by the same. Then a common offset may go
    /// off them before they are narrowed to f32 ([`crate::narrow`]).
    ///
    /// ```
    /// use attractor::{memory::{Energy, Post}, ops::Similarity};
    /// let movable = |similarity| Energy::Softmax.is_translation_invariant(similarity, Post::None);
    /// assert!(movable(Similarity::L2) && movable(Similarity::L1) && !movable(Similarity::Cosine));
    /// ```
    pub fn is_translation_invariant(self, similarity: Similarity, post: Post) -> bool {
        // The next state must be a mean of patterns; for L2, the read-out is divided by the sum of the weights.
        let is_mean = match self.properties().weights {
            Weights::Separation(separation) => {
                (post == Post::None || !self.takes(Setting::Post))
                    && (similarity == Similarity::L2 || separation.total() == 1.0)
            }
            _ => false,
        };
        is_mean && similarity.is_translation_invariant()
    }

    /// Whether patterns and queries are bits, -1 and 1.
    pub fn is_binary(self) -> bool {
        self.properties().states == Data::Bipolar
    }

    /// Whether patterns must be bits, -1 and 1, whatever the states are: the energies of bits, and model A of the two-layer networks.
    pub fn stores_bits(self) -> bool {
        self.properties().patterns == Data::Bipolar
    }

    /// The memory with this energy and these patterns, rows of `columns` values. Softmax uses them where they are, if it can.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for a setting that the energy has no use for; otherwise those of the memory.
    ///
    /// ```
    /// use attractor::{memory::{Energy, EnergySettings}, prelude::*};
    /// use std::sync::Arc;
    /// let energy: Energy = "sparsemax".parse()?;
    /// let memory = energy.memory(Arc::new(vec![0.0, 1.0, 1.0, 0.0]), 2, &EnergySettings::default())?;
    /// assert_eq!(memory.recall(&[[0.9, 0.2]])?.states.row(0), [1.0, 0.0]);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn memory(
        self,
        patterns: SharedRows,
        columns: usize,
        settings: &EnergySettings,
    ) -> Result<Box<dyn Memory>> {
        // One `beta` for several energies passes where states are real, taken or not.
        let passes = |setting| setting == Setting::Beta && !self.is_binary();
        let unused = settings.given().find(|(setting, _)| !self.takes(*setting) && !passes(*setting));
        if let Some((setting, value)) = unused {
            let (name, of) = setting.words();
            let want = format!("left out for the energy {self}: it is for {of}");
            return Err(Error::parameter(name, value, want));
        }
        if columns == 0 {
            return Err(Error::EmptyMemory);
        }
        // Before anything is made of them.
        Rows::new((*patterns).as_ref(), columns)?;
        (self.family().build)(self, &patterns, columns, settings)
    }
}

impl fmt::Display for Energy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Softmax => f.write_str("softmax"),
            Self::Sparse(separation) => separation.fmt(f),
            Self::Binary(interaction) => interaction.fmt(f),
            Self::Hopfield(Learning::Hebb) => f.write_str("hopfield"),
            Self::Hopfield(learning) => write!(f, "hopfield:{learning}"),
            Self::Lagrangian(Layers::A(n)) => write!(f, "lagrangian:a:{n}"),
            Self::Lagrangian(Layers::B) => f.write_str("lagrangian:b"),
            Self::Lagrangian(Layers::C(n)) => write!(f, "lagrangian:c:{n}"),
            Self::Universal(similarity, separation) => write!(f, "universal:{similarity}:{separation}"),
            Self::Other(other) => other.fmt(f),
        }
    }
}

impl FromStr for Energy {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        registry::parse(s)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn names_parse_and_print() {
        for name in [
            "softmax",
            "entmax:1.5",
            "sparsemax",
            "normmax:2",
            "ksubsets:2",
            "epanechnikov",
            "polynomial:3",
            "rectified:4",
            "exponential",
            "hopfield",
            "hopfield:storkey",
            "hopfield:pseudoinverse",
            "lagrangian:a:3",
            "lagrangian:b",
            "lagrangian:c:2",
            "universal:js:max",
            "universal:dot:power10",
            "random-features:100",
            "kernelized",
        ] {
            assert_eq!(name.parse::<Energy>().unwrap().to_string(), name);
        }
        for wrong in [
            "",
            "softmax:2",
            "polynomial:1",
            "polynomial:x",
            "hopfield:x",
            "entmax:0",
            "relu",
            "random-features:0",
        ] {
            assert!(wrong.parse::<Energy>().is_err(), "{wrong}");
        }
        let unknown = "relu".parse::<Energy>().unwrap_err().to_string();
        assert!(unknown.contains("epanechnikov") && unknown.contains("rectified:N"), "{unknown}");
    }

    #[test]
    fn settings_without_effect_are_refused() {
        let cpu = EnergySettings { device: Some(Device::Cpu), ..EnergySettings::default() };
        let memory = |name: &str, settings: &EnergySettings| {
            name.parse::<Energy>().unwrap().memory(Arc::new(vec![1.0, -1.0]), 2, settings).map(drop)
        };
        for name in ["softmax", "entmax:1.5", "rectified:3", "hopfield"] {
            memory(name, &cpu).unwrap();
        }
        let order = EnergySettings { order: Some(Order::Synchronous), ..cpu.clone() };
        let beta = EnergySettings { beta: Beta::Fixed(1.0), ..cpu.clone() };
        let similarity = EnergySettings { similarity: Some(Similarity::Dot), ..cpu.clone() };
        let half = EnergySettings { precision: Precision::F16, ..cpu.clone() };
        let post = EnergySettings { post: Post::Tanh, ..cpu.clone() };
        for (name, settings) in [
            ("softmax", &order),
            ("hopfield", &beta),
            ("rectified:3", &similarity),
            ("sparsemax", &half),
            ("softmax", &post),
        ] {
            let error = memory(name, settings).unwrap_err().to_string();
            assert!(error.contains("left out for the energy"), "{error}");
        }
    }
}
