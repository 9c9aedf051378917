//! The table of all kinds of memory: their names, what they take and promise, how they are built and loaded.
//!
//! Names are parsed, listed and explained from it; `capacity`, [`explain`](super::explain()), the command and the conformance suite go by it. A
//! kind of memory is one [`Kind`]; those of other crates are entered by [`register`].

use super::{
    Beta, BinaryMemory, BinarySettings, DenseMemory, Energy, EnergySettings, FeatureMemory, FeatureSettings,
    HopfieldMemory, HopfieldSettings, KernelizedMemory, KernelizedSettings, LagrangianMemory,
    LagrangianModel, Layers, Learning, LinearMap, Memory, Post, SeparationSettings, SparseMemory,
    SparseSettings, UniversalMemory, separate_memories,
};
use crate::{
    Device, Error, Precision, Result, Rows, SharedRows,
    io::{Source, safetensors},
    ops::{
        FeatureMap, FeatureSpec, Interaction, Separation, Similarity, UniversalSeparation,
        UniversalSimilarity,
    },
    optimize::{Adam, Optimizer},
};
use parking_lot::RwLock;
use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};

/// A kind of memory.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Name, with its parameters in capitals: `entmax:ALPHA`. What stands before the colon is shared by kinds of one family alone.
    pub name: &'static str,
    /// Its energy, and what is special about it.
    pub about: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// The parameters in its name, in their order.
    pub parameters: &'static [Parameter],
    /// The energy with the parameters that follow the name: [`Other::parse`] for those without a variant of [`Energy`].
    pub parse: fn(&'static Kind, Option<&str>) -> Result<Energy>,
    /// What memories of this kind have in common with others that are built alike.
    pub family: Family,
}

/// A parameter in the name of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// What stands for it in the name of its kind.
    pub name: &'static str,
    /// The values that it can have, in words.
    pub range: &'static str,
    /// Its value where it is left out.
    pub default: &'static str,
}

/// Builds a memory of patterns, rows of so many values, with an energy of the family.
pub type Build = fn(Energy, &SharedRows, usize, &EnergySettings) -> Result<Box<dyn Memory>>;

/// How memories are built and loaded, and what they take and promise.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// What a memory with this energy takes and promises.
    pub properties: fn(Energy) -> Properties,
    /// Builds a memory of these patterns, rows of so many values. Settings that it does not take have been refused before.
    pub build: Build,
    /// Its file, where it has one: what [`Memory::save`] writes.
    pub file: Option<File>,
}

/// The file of a kind of memory, a `.safetensors`.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// `format` in its metadata.
    pub format: &'static str,
    /// Reads a memory from it.
    pub load: fn(&Path, &Device) -> Result<Box<dyn Memory>>,
}

/// What a memory takes and promises.
#[derive(Clone, Copy, Debug)]
pub struct Properties {
    /// The settings that mean something to it.
    pub takes: &'static [Setting],
    /// What its patterns are.
    pub patterns: Data,
    /// What its states are.
    pub states: Data,
    /// How it weighs patterns.
    pub weights: Weights,
    /// How its states move.
    pub dynamics: Dynamics,
    /// What holds of it; the conformance suite tests each.
    pub promises: &'static [Promise],
    /// A law of its capacity, where one is known.
    pub law: Option<Law>,
    /// How many numbers it keeps for `n` patterns of `d` values.
    pub size: fn(f64, usize) -> f64,
}

/// Values of patterns or states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// Finite real numbers.
    Real,
    /// -1 and 1.
    Bipolar,
}

/// How a memory weighs its patterns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weights {
    /// A separation of `beta` times the similarities; the next state is the mean with these weights.
    Separation(Separation),
    /// Shares that sum to 1, otherwise.
    Shares,
    /// Overlaps with the patterns, from -1 to 1.
    Overlaps,
    /// It keeps no patterns: recalls have no indices and weights.
    None,
}

/// How states move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dynamics {
    /// One update, and no energy.
    OneShot,
    /// Updates, until states are at rest.
    Updates,
    /// Updates of neurons, whose direction is that of a pattern.
    Neurons,
}

/// What holds of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// No update raises the energy (beyond rounding).
    Descends,
    /// A memory to which patterns were appended is the one that is built of all of them. (Where something is learned of the patterns at
    /// first, appending keeps that as it is.)
    Appends,
    /// Patterns can be left out of a recall.
    Masks,
    /// Stored patterns that are far enough apart are recalled bit by bit.
    RecallsExactly,
    /// Equal inputs give equal bits on the CPU and on every GPU.
    EqualOnAllDevices,
}

/// A law of the number of patterns that are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// `factor` times that of the polynomial interaction of this power (Krotov & Hopfield 2016).
    Polynomial {
        /// The power.
        power: u32,
        /// By how much more patterns are stored.
        factor: f64,
    },
    /// That of the exponential interaction (Demircigil et al. 2017).
    Exponential,
}

/// A setting of [`EnergySettings`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// [`EnergySettings::similarity`]
    Similarity,
    /// [`EnergySettings::similarity_form`]
    SimilarityForm,
    /// [`EnergySettings::beta`]
    Beta,
    /// [`EnergySettings::order`]
    Order,
    /// [`EnergySettings::precision`]
    Precision,
    /// [`EnergySettings::post`]
    Post,
}

impl Setting {
    /// What it is called, and which energies take it, in words.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Similarity => ("similarity", "softmax, entmax and their like"),
            Self::SimilarityForm => ("form of similarities", "softmax, entmax and their like"),
            Self::Beta => ("beta", "energies whose weights depend on it"),
            Self::Order => ("order", "energies of bits"),
            Self::Precision => ("precision", "softmax"),
            Self::Post => ("post-transform", "entmax, sparsemax, normmax and ksubsets"),
        }
    }
}

impl EnergySettings {
    /// The settings that are not as they are by default, with their values in words.
    pub(super) fn given(&self) -> impl Iterator<Item = (Setting, String)> {
        let text = |value: Option<&dyn fmt::Display>| value.map(ToString::to_string);
        let beta = if let Beta::Fixed(beta) = &self.beta { Some(beta as &dyn fmt::Display) } else { None };
        [
            (Setting::Similarity, text(self.similarity.as_ref().map(|s| s as _))),
            (Setting::SimilarityForm, text(self.similarity_form.as_ref().map(|s| s as _))),
            (Setting::Beta, text(beta)),
            (Setting::Order, text(self.order.as_ref().map(|o| o as _))),
            (Setting::Precision, (self.precision != Precision::F32).then(|| self.precision.to_string())),
            (Setting::Post, (self.post != Post::None).then(|| self.post.to_string())),
        ]
        .into_iter()
        .filter_map(|(setting, value)| Some((setting, value?)))
    }
}

/// A kind of memory that has no variant of [`Energy`] of its own, with its parameter.
#[derive(Clone, Copy, Debug)]
pub struct Other {
    /// The kind.
    pub kind: &'static Kind,
    /// Its parameter, where it has one.
    pub parameter: Option<u32>,
}

impl PartialEq for Other {
    fn eq(&self, other: &Self) -> bool {
        (self.kind.name, self.parameter) == (other.kind.name, other.parameter)
    }
}

impl Other {
    /// The energy of a kind with one parameter, a whole number above 0, or none.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for anything else.
    pub fn parse(kind: &'static Kind, text: Option<&str>) -> Result<Energy> {
        let parameter = match (kind.parameters.first(), text) {
            (None, None) => None,
            (None, Some(text)) => return Err(unknown(&format!("{}:{text}", kind.key()))),
            (Some(known), text) => match text.unwrap_or(known.default).parse() {
                Ok(value) if value > 0 => Some(value),
                _ => return Err(Error::parameter(known.name, text.unwrap_or_default(), known.range)),
            },
        };
        Ok(Energy::Other(Self { kind, parameter }))
    }
}

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.key())?;
        self.parameter.map_or(Ok(()), |value| write!(f, ":{value}"))
    }
}

impl Kind {
    /// The name without its parameters.
    pub fn key(&self) -> &'static str {
        self.name.split_once(':').map_or(self.name, |(key, _)| key)
    }

    /// The name with its parameters as they are by default: an energy to begin with.
    ///
    /// ```
    /// use attractor::memory::{Energy, registry};
    /// for kind in registry::kinds() {
    ///     kind.example().parse::<Energy>()?;
    /// }
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn example(&self) -> String {
        let values = self.parameters.iter().map(|p| format!(":{}", p.default));
        [self.key().to_owned()].into_iter().chain(values).collect()
    }
}

static REGISTERED: RwLock<Vec<&'static Kind>> = RwLock::new(Vec::new());

/// Enters a kind of memory, which can then be named wherever an energy is.
///
/// # Errors
/// [`Error::InvalidParameter`] where its name is taken.
pub fn register(kind: &'static Kind) -> Result<()> {
    let mut registered = REGISTERED.write();
    if KINDS.iter().chain(registered.iter().copied()).any(|known| known.key() == kind.key()) {
        return Err(Error::parameter("name of a kind of memory", kind.name, "one that is not taken"));
    }
    registered.push(kind);
    Ok(())
}

/// All kinds: those of this crate, and those that were registered.
pub fn kinds() -> Vec<&'static Kind> {
    KINDS.iter().chain(REGISTERED.read().iter().copied()).collect()
}

/// The energy of this name.
pub(super) fn parse(name: &str) -> Result<Energy> {
    let (key, parameters) = name.split_once(':').map_or((name, None), |(key, rest)| (key, Some(rest)));
    let kind = kinds().into_iter().find(|kind| kind.key() == key).ok_or_else(|| unknown(name))?;
    (kind.parse)(kind, parameters)
}

fn unknown(name: &str) -> Error {
    let names: Vec<&str> = kinds().iter().map(|kind| kind.name).collect();
    Error::parameter("energy", name, format!("one of {}", names.join(", ")))
}

/// What the header of a `.safetensors` file says: of a memory, a store, or any other file.
#[derive(Clone, Debug)]
pub struct Description {
    /// The kind of memory, where it is the file of one that is known here.
    pub kind: Option<&'static Kind>,
    /// The metadata, `format` and `version` among it.
    pub metadata: BTreeMap<String, String>,
    /// Types and shapes of the arrays, by their names.
    pub arrays: BTreeMap<String, (String, Vec<usize>)>,
}

/// Describes a file.
///
/// # Errors
/// [`Error::File`]; [`Error::Format`] where it is no `.safetensors` file or damaged.
pub fn describe(path: impl AsRef<Path>) -> Result<Description> {
    let path = path.as_ref();
    let source = Source::open_file(path)?;
    let contents = safetensors::contents(source.bytes()).map_err(|problem| Error::Format {
        path: path.to_owned(),
        problem,
        want: "a .safetensors file is needed".to_owned(),
    })?;
    let metadata: BTreeMap<_, _> = contents.metadata.into_iter().collect();
    let arrays = contents.tensors.into_iter();
    let arrays = arrays.map(|(name, (dtype, shape, _))| (name, (dtype.to_string(), shape))).collect();
    let format = metadata.get("format").map(String::as_str);
    let kind = kinds().into_iter().find(|kind| kind.family.file.is_some_and(|f| format == Some(f.format)));
    Ok(Description { kind, metadata, arrays })
}

/// Loads a memory, whatever its kind.
///
/// # Errors
/// [`Error::Format`] for a file of no kind that is known here, of another version, or damaged; [`Error::File`]; faults of the device.
///
/// ```
/// use attractor::{Device, memory::{Energy, EnergySettings, Memory, registry}};
/// use std::sync::Arc;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("memory.safetensors");
/// let settings = EnergySettings { beta: 4.0.into(), ..EnergySettings::default() };
/// let memory = "random-features:100".parse::<Energy>()?.memory(Arc::new(vec![0.5, 0.1]), 2, &settings)?;
/// memory.save(&path)?;
/// assert_eq!(registry::load(&path, &Device::cpu())?.dim(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Box<dyn Memory>> {
    let path = path.as_ref();
    let description = describe(path)?;
    match description.kind.and_then(|kind| kind.family.file) {
        Some(file) => (file.load)(path, device),
        None => {
            let problem = match description.metadata.get("format") {
                Some(format) => format!("is '{format}', which is no kind of memory that is known here"),
                None => "is no memory: the metadata has no 'format'".to_owned(),
            };
            let files = kinds().into_iter().filter_map(|kind| kind.family.file);
            let formats: Vec<String> = files.map(|file| format!("'{}'", file.format)).collect();
            let want = format!("a file of {} is needed", formats.join(" or "));
            Err(Error::Format { path: path.to_owned(), problem, want })
        }
    }
}

const fn parameter(name: &'static str, range: &'static str, default: &'static str) -> Parameter {
    Parameter { name, range, default }
}

const POWER: Parameter = parameter("N", "a whole number from 2 to 1000", "3");
const MODEL: Parameter = parameter("MODEL", "a:N, b or c:N with a power N from 2 to 1000", "b");

/// The kinds of this crate.
pub(super) static KINDS: [Kind; 15] = [
    Kind {
        name: "softmax",
        about: "-(1/beta) log sum_k exp(beta s_k); any similarity, blends and sharp recall by beta",
        source: "Ramsauer et al. 2021; L2: Hoover et al. 2023",
        parameters: &[],
        parse: |_, text| plain("softmax", text, Energy::Softmax),
        family: DENSE,
    },
    Kind {
        name: "entmax:ALPHA",
        about: "-(1/beta) Omega*(beta s), Tsallis entropy; exact recall, few patterns in a blend; 1 is softmax",
        source: "Hu et al. 2023; Santos et al. 2024",
        parameters: &[parameter("ALPHA", "a number from 1 on", "1.5")],
        parse: separation,
        family: SPARSE,
    },
    Kind {
        name: "sparsemax",
        about: "entmax:2: weights are the projection of the scores on the simplex",
        source: "Hu et al. 2023",
        parameters: &[],
        parse: separation,
        family: SPARSE,
    },
    Kind {
        name: "normmax:GAMMA",
        about: "as entmax with the norm entropy: more even weights among those that have some",
        source: "Santos et al. 2024",
        parameters: &[parameter("GAMMA", "a number above 1", "2")],
        parse: separation,
        family: SPARSE,
    },
    Kind {
        name: "ksubsets:K",
        about: "weights between 0 and 1 that sum to K: recalls a blend of about K patterns",
        source: "Santos et al. 2024",
        parameters: &[parameter("K", "a whole number from 1 to that of the patterns", "2")],
        parse: separation,
        family: SPARSE,
    },
    Kind {
        name: "epanechnikov",
        about: "-(1/beta) log sum_k max(0, 1 - beta/2 |x - xi_k|^2): exact recall beside new minima between patterns",
        source: "Hoover et al. 2025",
        parameters: &[],
        parse: separation,
        family: SPARSE,
    },
    Kind {
        name: "polynomial:N",
        about: "bits: -sum_k (xi_k.x)^N, stores about d^(N-1) / (2 (2N-3)!! ln d) patterns (N 3, d 50: 107); 2 is the classical network",
        source: "Krotov & Hopfield 2016",
        parameters: &[POWER],
        parse: |_, text| power("polynomial", text).map(|n| Energy::Binary(Interaction::Polynomial(n))),
        family: BINARY,
    },
    Kind {
        name: "rectified:N",
        about: "bits: -sum_k max(xi_k.x, 0)^N: no mirror images of patterns, and twice as many of them",
        source: "Krotov & Hopfield 2016",
        parameters: &[POWER],
        parse: |_, text| power("rectified", text).map(|n| Energy::Binary(Interaction::Rectified(n))),
        family: BINARY,
    },
    Kind {
        name: "exponential",
        about: "bits: -sum_k exp(xi_k.x), stores 2^(d/2) patterns for sure where d is large",
        source: "Demircigil et al. 2017",
        parameters: &[],
        parse: |_, text| plain("exponential", text, Energy::Binary(Interaction::Exponential)),
        family: BINARY,
    },
    Kind {
        name: "hopfield",
        about: "bits: -1/2 x.W x, W by Hebb's rule; stores about d / (2 ln d) patterns, 0.138 d with 1.6 % of their bits wrong",
        source: "Hopfield 1982",
        parameters: &[],
        parse: hopfield,
        family: HOPFIELD,
    },
    Kind {
        name: "hopfield:RULE",
        about: "the same with W by the rule hebb, storkey or pseudoinverse",
        source: "Storkey 1997; Personnaz et al. 1986",
        parameters: &[parameter("RULE", "hebb, storkey or pseudoinverse", "storkey")],
        parse: hopfield,
        family: HOPFIELD,
    },
    Kind {
        name: "lagrangian:MODEL",
        about: "two layers of neurons in continuous time: a:N (bits), b (softmax) or c:N (directions)",
        source: "Krotov & Hopfield 2021",
        parameters: &[MODEL],
        parse: lagrangian,
        family: LAGRANGIAN,
    },
    Kind {
        name: "universal:SIM:SEP",
        about: "one shot V^T sep(sim(Xi, x)), no energy: sim dot, normalised-dot, cosine, l2, l1, kl, reverse-kl, js; sep identity, sqrt, log, powerN, softmax, max",
        source: "Millidge et al. 2022",
        parameters: &[
            parameter("SIM", "dot, normalised-dot, cosine, l2, l1, kl, reverse-kl or js", "dot"),
            parameter("SEP", "identity, sqrt, log, powerN, softmax or max", "softmax"),
        ],
        parse: universal,
        family: UNIVERSAL,
    },
    Kind {
        name: "random-features:M",
        about: "softmax of l2 from the sum of M random frequencies' features, which is all that is kept",
        source: "Hoover et al. 2024",
        parameters: &[parameter("M", "a whole number from 1 on", "4096")],
        parse: Other::parse,
        family: RANDOM_FEATURES,
    },
    Kind {
        name: "kernelized",
        about: "softmax of the products of unit features W x, with W learned so that they lie far apart",
        source: "Wu et al. 2024; Hu et al. 2024",
        parameters: &[],
        parse: Other::parse,
        family: KERNELIZED,
    },
];

/// What every memory of patterns promises, and those with an energy.
const STORES: &[Promise] = &[Promise::Appends, Promise::Masks];
const DESCENDS: &[Promise] = &[Promise::Descends, Promise::Appends, Promise::Masks];

fn patterns(n: f64, d: usize) -> f64 {
    n * d as f64
}

/// Real patterns that are kept, mixed by shares, and descended among.
const REAL: Properties = Properties {
    takes: &[Setting::Beta],
    patterns: Data::Real,
    states: Data::Real,
    weights: Weights::Shares,
    dynamics: Dynamics::Updates,
    promises: DESCENDS,
    law: None,
    size: patterns,
};

pub(super) const DENSE: Family = Family {
    properties: |_| Properties {
        takes: &[Setting::Similarity, Setting::SimilarityForm, Setting::Beta, Setting::Precision],
        weights: Weights::Separation(Separation::Softmax),
        ..REAL
    },
    build: |_, patterns, columns, settings| {
        let mut builder = DenseMemory::builder()
            .similarity(settings.similarity.unwrap_or_default())
            .beta(settings.beta)
            .precision(settings.precision);
        if let Some(device) = &settings.device {
            builder = builder.device(device);
        }
        if let Some(form) = settings.similarity_form {
            builder = builder.similarity_form(form);
        }
        Ok(Box::new(builder.build_shared(Arc::clone(patterns), columns)?))
    },
    file: None,
};

pub(super) const SPARSE: Family = Family {
    properties: |energy| Properties {
        takes: &[Setting::Similarity, Setting::SimilarityForm, Setting::Beta, Setting::Post],
        weights: Weights::Separation(separation_of(energy)),
        promises: match separation_of(energy) {
            Separation::Entmax(alpha) if alpha <= 1.0 => DESCENDS,
            Separation::Entmax(_) | Separation::Normmax(_) => {
                &[Promise::Descends, Promise::Appends, Promise::Masks, Promise::RecallsExactly]
            }
            _ => DESCENDS,
        },
        ..REAL
    },
    build: |energy, patterns, columns, settings| {
        let separation = separation_of(energy);
        let EnergySettings { device, similarity, similarity_form, beta, post, .. } = settings.clone();
        let similarity = similarity.unwrap_or_default();
        let settings = SparseSettings { device, similarity, similarity_form, separation, beta, post };
        Ok(Box::new(SparseMemory::with(&rows(patterns, columns)?, settings)?))
    },
    file: None,
};

/// Bits, whose updates are exact.
const BITS: Properties = Properties {
    takes: &[Setting::Order],
    patterns: Data::Bipolar,
    states: Data::Bipolar,
    promises: &[
        Promise::Descends,
        Promise::Appends,
        Promise::Masks,
        Promise::RecallsExactly,
        Promise::EqualOnAllDevices,
    ],
    ..REAL
};

pub(super) const BINARY: Family = Family {
    properties: |energy| Properties {
        law: match interaction_of(energy) {
            Interaction::Polynomial(power) => Some(Law::Polynomial { power, factor: 1.0 }),
            // Of rectified powers the half of the overlaps that are negative makes no noise: twice as many patterns.
            Interaction::Rectified(power) => Some(Law::Polynomial { power, factor: 2.0 }),
            Interaction::Exponential => Some(Law::Exponential),
        },
        ..BITS
    },
    build: |energy, patterns, columns, settings| {
        let EnergySettings { device, order, seed, .. } = settings.clone();
        let order = order.unwrap_or_default();
        let settings = BinarySettings { device, order, seed, ..BinarySettings::new(interaction_of(energy)) };
        Ok(Box::new(BinaryMemory::with(&rows(patterns, columns)?, settings)?))
    },
    file: None,
};

pub(super) const HOPFIELD: Family = Family {
    properties: |energy| Properties {
        weights: Weights::Overlaps,
        promises: &[Promise::Descends, Promise::Appends, Promise::RecallsExactly],
        law: (learning_of(energy) == Learning::Hebb).then_some(Law::Polynomial { power: 2, factor: 1.0 }),
        size: |_, d| 0.5 * d as f64 * (d as f64 - 1.0),
        ..BITS
    },
    build: |energy, patterns, columns, settings| {
        let EnergySettings { device, order, seed, .. } = settings.clone();
        let (learning, order) = (learning_of(energy), order.unwrap_or_default());
        let settings = HopfieldSettings { device, learning, order, seed, bias: Vec::new() };
        Ok(Box::new(HopfieldMemory::with(&rows(patterns, columns)?, settings)?))
    },
    file: None,
};

pub(super) const LAGRANGIAN: Family = Family {
    properties: |energy| match layers_of(energy) {
        Layers::A(_) => Properties { patterns: Data::Bipolar, dynamics: Dynamics::Neurons, ..REAL },
        Layers::B => REAL,
        Layers::C(_) => Properties { takes: &[], dynamics: Dynamics::Neurons, ..REAL },
    },
    // Without a `beta`, model A is steep enough to be bistable, and model B takes what the dense memory would choose.
    build: |energy, patterns, columns, settings| {
        let (rows, device) = (rows(patterns, columns)?, device(settings)?);
        let model = match (layers_of(energy), settings.beta) {
            (Layers::A(power), Beta::Fixed(beta)) => LagrangianModel::A { power, beta },
            (Layers::A(power), Beta::Auto) => LagrangianModel::A { power, beta: 4.0 },
            (Layers::B, beta) => {
                LagrangianModel::B { beta: beta_for(&rows, Similarity::Dot, beta, &device)? }
            }
            (Layers::C(power), _) => LagrangianModel::C { power },
        };
        Ok(Box::new(LagrangianMemory::builder(model).device(&device).build(&rows)?))
    },
    file: None,
};

pub(super) const UNIVERSAL: Family = Family {
    properties: |energy| Properties {
        takes: match universal_of(energy).1 {
            UniversalSeparation::Softmax => &[Setting::Beta],
            _ => &[],
        },
        dynamics: Dynamics::OneShot,
        promises: STORES,
        ..REAL
    },
    build: |energy, patterns, columns, settings| {
        let (similarity, separation) = universal_of(energy);
        let mut builder = UniversalMemory::builder().similarity(similarity).separation(separation);
        if let Beta::Fixed(beta) = settings.beta {
            builder = builder.beta(beta);
        }
        if let Some(device) = &settings.device {
            builder = builder.device(device);
        }
        Ok(Box::new(builder.build(&rows(patterns, columns)?)?))
    },
    file: None,
};

const RANDOM_FEATURES: Family = Family {
    properties: |_| Properties { weights: Weights::None, promises: &[Promise::Appends], ..REAL },
    build: |energy, patterns, columns, settings| {
        let (rows, device) = (rows(patterns, columns)?, device(settings)?);
        let count =
            if let Energy::Other(Other { parameter: Some(count), .. }) = energy { count } else { 4096 };
        let beta = beta_for(&rows, Similarity::L2, settings.beta, &device)?;
        let spec = FeatureSpec::new(FeatureMap::SinCos, count as usize, columns, beta, settings.seed);
        let features = FeatureSettings { device: Some(device), ..FeatureSettings::default() };
        let mut memory = FeatureMemory::with(spec, features)?;
        memory.absorb(&rows)?;
        Ok(Box::new(memory))
    },
    file: Some(File {
        format: "attractor features",
        load: |path, device| Ok(Box::new(FeatureMemory::load(path, device)?)),
    }),
};

const KERNELIZED: Family = Family {
    // What is appended goes through the matrix that was learned before.
    properties: |_| Properties { promises: &[Promise::Descends, Promise::Masks], ..REAL },
    build: |_, patterns, columns, settings| {
        let (rows, device) = (rows(patterns, columns)?, device(settings)?);
        if rows.rows() == 0 {
            return Err(Error::EmptyMemory);
        }
        let mut map = LinearMap::random(columns, columns, false, settings.seed)?;
        // One pattern has none to be moved away from.
        if rows.rows() > 1 {
            let training = SeparationSettings {
                temperatures: vec![0.1],
                optimizer: Optimizer::Adam(Adam::default()),
                iterations: 400,
                starts: 1,
                seed: settings.seed,
                device: device.clone(),
                ..SeparationSettings::default()
            };
            separate_memories(&rows, &mut map, &training, None)?;
        }
        let kernel = KernelizedSettings { device: Some(device), unit: true, ..KernelizedSettings::default() };
        let beta = if let Beta::Fixed(beta) = settings.beta { beta } else { kernel.beta };
        let mut memory = KernelizedMemory::new(&rows, map, KernelizedSettings { beta, ..kernel })?;
        if settings.beta == Beta::Auto {
            memory.choose_beta()?;
        }
        Ok(Box::new(memory))
    },
    file: Some(File {
        format: "attractor kernelized",
        load: |path, device| Ok(Box::new(KernelizedMemory::load(path, device)?)),
    }),
};

fn rows(patterns: &SharedRows, columns: usize) -> Result<Rows<'_>> {
    Rows::new((**patterns).as_ref(), columns)
}

fn device(settings: &EnergySettings) -> Result<Device> {
    settings.device.clone().map_or_else(Device::best, Ok)
}

/// `beta`, or what the dense memory would choose.
fn beta_for(rows: &Rows<'_>, similarity: Similarity, beta: Beta, device: &Device) -> Result<f32> {
    match beta {
        Beta::Fixed(beta) => Ok(beta),
        Beta::Auto => DenseMemory::builder().device(device).similarity(similarity).build(rows)?.beta(),
    }
}

// An energy of another family never gets to these.

fn separation_of(energy: Energy) -> Separation {
    if let Energy::Sparse(separation) = energy { separation } else { Separation::Softmax }
}

fn interaction_of(energy: Energy) -> Interaction {
    if let Energy::Binary(interaction) = energy { interaction } else { Interaction::Exponential }
}

fn learning_of(energy: Energy) -> Learning {
    if let Energy::Hopfield(learning) = energy { learning } else { Learning::Hebb }
}

fn layers_of(energy: Energy) -> Layers {
    if let Energy::Lagrangian(layers) = energy { layers } else { Layers::B }
}

fn universal_of(energy: Energy) -> (UniversalSimilarity, UniversalSeparation) {
    match energy {
        Energy::Universal(similarity, separation) => (similarity, separation),
        _ => Default::default(),
    }
}

/// An energy without parameters.
fn plain(key: &str, text: Option<&str>, energy: Energy) -> Result<Energy> {
    text.map_or(Ok(energy), |text| Err(unknown(&format!("{key}:{text}"))))
}

fn power(key: &str, text: Option<&str>) -> Result<u32> {
    match text.unwrap_or(POWER.default).parse::<u32>() {
        Ok(n) if (2..=1000).contains(&n) => Ok(n),
        _ => {
            let name = format!("{key}:{}", text.unwrap_or_default());
            let want = "a whole number from 2 to 1000, as in polynomial:3";
            Err(Error::parameter("power of the energy", name, want))
        }
    }
}

fn separation(kind: &'static Kind, text: Option<&str>) -> Result<Energy> {
    let name = text.map_or(kind.key().to_owned(), |text| format!("{}:{text}", kind.key()));
    name.parse().map(Energy::Sparse)
}

fn hopfield(_: &'static Kind, text: Option<&str>) -> Result<Energy> {
    text.map_or(Ok(Learning::Hebb), str::parse).map(Energy::Hopfield)
}

fn lagrangian(_: &'static Kind, text: Option<&str>) -> Result<Energy> {
    let Some(model) = text else { return Err(unknown("lagrangian")) };
    let (kind, power) = model.split_once(':').unwrap_or((model, POWER.default));
    match (kind, power.parse::<u32>()) {
        _ if model == "b" => Ok(Energy::Lagrangian(Layers::B)),
        ("a", Ok(n)) if (2..=1000).contains(&n) => Ok(Energy::Lagrangian(Layers::A(n))),
        ("c", Ok(n)) if (2..=1000).contains(&n) => Ok(Energy::Lagrangian(Layers::C(n))),
        _ => Err(Error::parameter("two-layer model", model, MODEL.range)),
    }
}

fn universal(_: &'static Kind, text: Option<&str>) -> Result<Energy> {
    let (similarity, separation) = match text {
        None => Default::default(),
        Some(text) => match text.split_once(':') {
            Some((similarity, separation)) => (similarity.parse()?, separation.parse()?),
            None => (text.parse()?, UniversalSeparation::default()),
        },
    };
    Ok(Energy::Universal(similarity, separation))
}
