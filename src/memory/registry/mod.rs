//! The table of all kinds of memory: their names, what they take and promise, how they are built and loaded.
//!
//! Names are parsed, listed and explained from it; `capacity`, [`explain`](super::explain()), the command and the conformance suite go by it. A
//! kind of memory is one [`Kind`]; those of other crates are entered by [`register`].

mod kinds;

pub(super) use kinds::{BINARY, DENSE, HOPFIELD, KINDS, LAGRANGIAN, SPARSE, UNIVERSAL};

use super::{Beta, Energy, EnergySettings, Memory, Post};
use crate::{
    Device, Error, Precision, Result, SharedRows,
    io::{Source, safetensors},
    ops::Separation,
};
use parking_lot::RwLock;
use std::{collections::BTreeMap, fmt, path::Path};

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
    /// Settings of a recall that only this kind has: see [`Memory::recall_with_settings`].
    pub settings: &'static [KindSetting],
}

/// A setting of a recall that only one kind of memory has. The command has an option of this name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindSetting {
    /// Its name, in lower case with hyphens.
    pub name: &'static str,
    /// What stands for its value in help texts.
    pub value: &'static str,
    /// What its value is.
    pub takes: Takes,
    /// What it does, with its range and default.
    pub about: &'static str,
}

/// What the value of a [`KindSetting`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A number, a name or both.
    Text,
    /// Coordinates: `[d]` or `[b, d]` of true and false.
    Mask,
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
