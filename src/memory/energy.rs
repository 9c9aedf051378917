//! Every energy by its name: `softmax`, `entmax:1.5`, `hopfield:storkey`, ...

use super::{
    Beta, BinaryMemory, BinarySettings, DenseMemory, HopfieldMemory, HopfieldSettings, LagrangianMemory,
    LagrangianModel, Learning, Memory, Order, Post, SparseMemory, SparseSettings, UniversalMemory,
};
use crate::{
    Device, Error, Precision, Result, Rows, SharedRows,
    ops::{Interaction, Separation, Similarity, SimilarityForm, UniversalSeparation, UniversalSimilarity},
};
use std::{fmt, str::FromStr, sync::Arc};

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
    /// [`DenseMemory`].
    Softmax,
    /// [`SparseMemory`].
    Sparse(Separation),
    /// [`BinaryMemory`].
    Binary(Interaction),
    /// [`HopfieldMemory`].
    Hopfield(Learning),
    /// [`LagrangianMemory`].
    Lagrangian(Layers),
    /// [`UniversalMemory`], which has none.
    Universal(UniversalSimilarity, UniversalSeparation),
}

/// Which two-layer network ([`LagrangianModel`] without its `beta`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layers {
    /// [`LagrangianModel::A`] of this power.
    A(u32),
    /// [`LagrangianModel::B`].
    B,
    /// [`LagrangianModel::C`] of this power.
    C(u32),
}

/// What a list of energies says of one of them.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Name, with its parameter in capitals.
    pub name: &'static str,
    /// The energy, and what is special about it.
    pub about: &'static str,
    /// Where it comes from.
    pub source: &'static str,
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
    /// Every kind of energy.
    pub const LIST: [Entry; 13] = [
        Entry {
            name: "softmax",
            about: "-(1/beta) log sum_k exp(beta s_k); any similarity, blends and sharp recall by beta",
            source: "Ramsauer et al. 2021; L2: Hoover et al. 2023",
        },
        Entry {
            name: "entmax:ALPHA",
            about: "-(1/beta) Omega*(beta s), Tsallis entropy; exact recall, few patterns in a blend; 1 is softmax",
            source: "Hu et al. 2023; Santos et al. 2024",
        },
        Entry {
            name: "sparsemax",
            about: "entmax:2: weights are the projection of the scores on the simplex",
            source: "Hu et al. 2023",
        },
        Entry {
            name: "normmax:GAMMA",
            about: "as entmax with the norm entropy: more even weights among those that have some",
            source: "Santos et al. 2024",
        },
        Entry {
            name: "ksubsets:K",
            about: "weights between 0 and 1 that sum to K: recalls a blend of about K patterns",
            source: "Santos et al. 2024",
        },
        Entry {
            name: "epanechnikov",
            about: "-(1/beta) log sum_k max(0, 1 - beta/2 |x - xi_k|^2): exact recall beside new minima between patterns",
            source: "Hoover et al. 2025",
        },
        Entry {
            name: "polynomial:N",
            about: "bits: -sum_k (xi_k.x)^N, stores about d^(N-1) / (2 (2N-3)!! ln d) patterns (N 3, d 50: 107); 2 is the classical network",
            source: "Krotov & Hopfield 2016",
        },
        Entry {
            name: "rectified:N",
            about: "bits: -sum_k max(xi_k.x, 0)^N: no mirror images of patterns, and twice as many of them",
            source: "Krotov & Hopfield 2016",
        },
        Entry {
            name: "exponential",
            about: "bits: -sum_k exp(xi_k.x), stores 2^(d/2) patterns for sure where d is large",
            source: "Demircigil et al. 2017",
        },
        Entry {
            name: "hopfield",
            about: "bits: -1/2 x.W x, W by Hebb's rule; stores about d / (2 ln d) patterns, 0.138 d with 1.6 % of their bits wrong",
            source: "Hopfield 1982",
        },
        Entry {
            name: "hopfield:RULE",
            about: "the same with W by the rule hebb, storkey or pseudoinverse",
            source: "Storkey 1997; Personnaz et al. 1986",
        },
        Entry {
            name: "lagrangian:MODEL",
            about: "two layers of neurons in continuous time: a:N (bits), b (softmax) or c:N (directions)",
            source: "Krotov & Hopfield 2021",
        },
        Entry {
            name: "universal:SIM:SEP",
            about: "one shot V^T sep(sim(Xi, x)), no energy: sim dot, normalised-dot, cosine, l2, l1, kl, reverse-kl, js; sep identity, sqrt, log, powerN, softmax, max",
            source: "Millidge et al. 2022",
        },
    ];

    /// Whether a similarity can be chosen.
    pub fn takes_similarity(self) -> bool {
        matches!(self, Self::Softmax | Self::Sparse(_))
    }

    /// Whether an inverse temperature means anything to it.
    pub fn takes_beta(self) -> bool {
        match self {
            Self::Softmax | Self::Sparse(_) => true,
            Self::Lagrangian(layers) => !matches!(layers, Layers::C(_)),
            Self::Universal(_, separation) => separation == UniversalSeparation::Softmax,
            Self::Binary(_) | Self::Hopfield(_) => false,
        }
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
        // The next state must be a mean of patterns.
        let is_mean = match self {
            Self::Softmax => true,
            // For L2, the read-out is divided by the sum of the weights.
            Self::Sparse(separation) => {
                post == Post::None && (similarity == Similarity::L2 || separation.total() == 1.0)
            }
            _ => false,
        };
        is_mean && similarity.is_translation_invariant()
    }

    /// Whether patterns and queries are bits, -1 and 1.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Binary(_) | Self::Hopfield(_))
    }

    /// Whether patterns must be bits, -1 and 1, whatever the states are: the energies of bits, and model A of the two-layer networks.
    pub fn stores_bits(self) -> bool {
        self.is_binary() || matches!(self, Self::Lagrangian(Layers::A(_)))
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
        self.check(settings)?;
        let EnergySettings { device, similarity, similarity_form, beta, precision, post, order, seed } =
            settings.clone();
        let similarity = similarity.unwrap_or_default();
        let order = order.unwrap_or_default();
        let rows = match columns {
            0 => return Err(Error::EmptyMemory),
            _ => Rows::new((*patterns).as_ref(), columns)?,
        };
        Ok(match self {
            Self::Softmax => {
                let mut builder =
                    DenseMemory::builder().similarity(similarity).beta(beta).precision(precision);
                if let Some(device) = &device {
                    builder = builder.device(device);
                }
                if let Some(form) = similarity_form {
                    builder = builder.similarity_form(form);
                }
                Box::new(builder.build_shared(Arc::clone(&patterns), columns)?)
            }
            Self::Sparse(separation) => {
                let settings = SparseSettings { device, similarity, similarity_form, separation, beta, post };
                Box::new(SparseMemory::with(&rows, settings)?)
            }
            Self::Binary(interaction) => {
                let settings = BinarySettings { device, order, seed, ..BinarySettings::new(interaction) };
                Box::new(BinaryMemory::with(&rows, settings)?)
            }
            Self::Lagrangian(layers) => Box::new(two_layers(layers, &rows, beta, device)?),
            Self::Universal(similarity, separation) => {
                let mut builder = UniversalMemory::builder().similarity(similarity).separation(separation);
                if let Beta::Fixed(beta) = beta {
                    builder = builder.beta(beta);
                }
                if let Some(device) = &device {
                    builder = builder.device(device);
                }
                Box::new(builder.build(&rows)?)
            }
            Self::Hopfield(learning) => {
                let settings = HopfieldSettings { device, learning, order, seed, bias: Vec::new() };
                Box::new(HopfieldMemory::with(&rows, settings)?)
            }
        })
    }

    /// Refuses settings that would have no effect.
    fn check(self, settings: &EnergySettings) -> Result<()> {
        let useless = |name: &'static str, value: String, of: &str| {
            Err(Error::parameter(name, value, format!("left out for the energy {self}: it is for {of}")))
        };
        if let Some(similarity) = settings.similarity.filter(|_| !self.takes_similarity()) {
            return useless("similarity", similarity.to_string(), "softmax, entmax and their like");
        }
        if let Some(form) = settings.similarity_form.filter(|_| !self.takes_similarity()) {
            return useless("form of similarities", form.to_string(), "softmax, entmax and their like");
        }
        if self.is_binary() {
            if let Beta::Fixed(beta) = settings.beta {
                return useless("beta", beta.to_string(), "energies of real vectors");
            }
        } else if let Some(order) = settings.order {
            return useless("order", order.to_string(), "energies of bits");
        }
        if settings.precision != Precision::F32 && self != Self::Softmax {
            return useless("precision", settings.precision.to_string(), "softmax");
        }
        if settings.post != Post::None && !matches!(self, Self::Sparse(_)) {
            return useless(
                "post-transform",
                settings.post.to_string(),
                "entmax, sparsemax, normmax and ksubsets",
            );
        }
        Ok(())
    }
}

/// A two-layer network. Without a `beta`, model A is steep enough to be bistable, and model B takes what the dense memory would choose.
fn two_layers(
    layers: Layers,
    rows: &Rows<'_>,
    beta: Beta,
    device: Option<Device>,
) -> Result<LagrangianMemory> {
    let device = match device {
        Some(device) => device,
        None => Device::best()?,
    };
    let model = match (layers, beta) {
        (Layers::A(power), Beta::Fixed(beta)) => LagrangianModel::A { power, beta },
        (Layers::A(power), Beta::Auto) => LagrangianModel::A { power, beta: 4.0 },
        (Layers::B, Beta::Fixed(beta)) => LagrangianModel::B { beta },
        (Layers::B, Beta::Auto) => {
            let dense = DenseMemory::builder().device(&device).similarity(Similarity::Dot).build(rows)?;
            LagrangianModel::B { beta: dense.beta()? }
        }
        (Layers::C(power), _) => LagrangianModel::C { power },
    };
    LagrangianMemory::builder(model).device(&device).build(rows)
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
        }
    }
}

impl FromStr for Energy {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let (name, parameter) = s.split_once(':').map_or((s, None), |(n, p)| (n, Some(p)));
        let power = || match parameter.unwrap_or("3").parse::<u32>() {
            Ok(n) if (2..=1000).contains(&n) => Ok(n),
            _ => Err(Error::parameter(
                "power of the energy",
                s,
                "a whole number from 2 to 1000, as in polynomial:3",
            )),
        };
        match (name, parameter) {
            ("softmax", None) => Ok(Self::Softmax),
            ("polynomial", _) => Ok(Self::Binary(Interaction::Polynomial(power()?))),
            ("rectified", _) => Ok(Self::Binary(Interaction::Rectified(power()?))),
            ("exponential", None) => Ok(Self::Binary(Interaction::Exponential)),
            ("hopfield", None) => Ok(Self::Hopfield(Learning::Hebb)),
            ("hopfield", Some(rule)) => Ok(Self::Hopfield(rule.parse()?)),
            ("lagrangian", Some("b")) => Ok(Self::Lagrangian(Layers::B)),
            ("lagrangian", Some(model)) => {
                let (kind, power) = model.split_once(':').unwrap_or((model, "3"));
                match (kind, power.parse::<u32>()) {
                    ("a", Ok(n)) if (2..=1000).contains(&n) => Ok(Self::Lagrangian(Layers::A(n))),
                    ("c", Ok(n)) if (2..=1000).contains(&n) => Ok(Self::Lagrangian(Layers::C(n))),
                    _ => Err(Error::parameter(
                        "two-layer model",
                        model,
                        "a:N, b or c:N with a power N from 2 to 1000",
                    )),
                }
            }
            ("universal", _) => {
                let (similarity, separation) = match parameter {
                    None => (UniversalSimilarity::default(), UniversalSeparation::default()),
                    Some(text) => match text.split_once(':') {
                        Some((similarity, separation)) => (similarity.parse()?, separation.parse()?),
                        None => (text.parse()?, UniversalSeparation::default()),
                    },
                };
                Ok(Self::Universal(similarity, separation))
            }
            ("entmax" | "sparsemax" | "normmax" | "ksubsets" | "epanechnikov", _) => {
                Ok(Self::Sparse(s.parse()?))
            }
            _ => {
                let names: Vec<&str> = Self::LIST.iter().map(|e| e.name).collect();
                Err(Error::parameter("energy", s, format!("one of {}", names.join(", "))))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

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
        ] {
            assert_eq!(name.parse::<Energy>().unwrap().to_string(), name);
        }
        for wrong in ["", "softmax:2", "polynomial:1", "polynomial:x", "hopfield:x", "entmax:0", "relu"] {
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
