//! The command line. All commands share one convention for files, devices and output.

pub(crate) mod capacity;
pub(crate) mod code;
pub(crate) mod features;
pub(crate) mod kernelized;
pub(crate) mod search;
pub(crate) mod store;

use crate::{drivers, failure};
use attractor::{
    Device, DeviceName, Precision,
    gpu::Options,
    memory::{
        Beta, Energy, Order, Post,
        registry::{self, KindSetting},
    },
    ops::{Ensemble, Similarity, SimilarityForm},
    threads,
};
use clap::{Arg, ArgAction, ArgMatches, Args, CommandFactory, Parser, Subcommand};
use std::{convert::Infallible, fmt, path::PathBuf, str::FromStr};

#[derive(Parser)]
#[command(
    name = "attractor",
    version,
    about = "Associative memories: store patterns, complete damaged cues, on the GPU or the CPU",
    after_help = "Files are .npy, .npz or .safetensors, told by their suffix; FILE:NAME is one array of several. Exit status: 0 done, 2 wrong usage, 75 another program is at work on the store or folder, 130 and 143 stopped by a signal, 1 any other failure."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Threads that compute, those of a software GPU included [default: `ATTRACTOR_THREADS`, else one for each core]
    #[arg(long, global = true, value_parser = thread_count, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Say on stderr what is done and how long it takes: -v in short, -vv with details (`ATTRACTOR_LOG` does the same)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Store patterns and complete queries from them
    Recall(Box<Recall>),
    /// The patterns that are most similar to queries, exactly, without any update
    Search(search::Search),
    /// Why a recall ended where it did, and which beta would change it
    Explain(Explain),
    /// Energies of states under stored patterns
    Energy(Energies),
    /// A memory in a file: add, replace, forget and recall patterns by their ids
    #[command(subcommand)]
    Store(store::Store),
    /// Learn a matrix that moves patterns apart, for recalls through it (U-Hop, U-Hop+)
    Separate(kernelized::Separate),
    /// Make a memory in a file, for `recall --memory FILE` and `show`
    #[command(subcommand)]
    Learn(Box<Learn>),
    /// What is in a file of a memory or store: kind, shapes, parameters, figures
    Show(Show),
    /// A memory of fixed size through random features: encode, recall, merge and forget patterns
    #[command(subcommand)]
    Features(features::Features),
    /// Points on a sphere as far apart as can be: look for them, build known ones, measure given ones
    Code(code::Code),
    /// How much memories hold: success against the number of patterns, beside theory
    Capacity(Box<capacity::Capacity>),
    /// Store handwritten digits, damage them, recall them
    Demo(Demo),
    /// Compute published results anew, beside the published figures
    Reproduce(Reproduce),
    /// Measure this machine, and how fast the operations run on it
    Bench(Bench),
    /// Find out which kernels are fastest on a GPU, and keep that for all later runs
    Tune(Tune),
    /// List the GPU adapters, and which device would be chosen
    Devices(Devices),
}

impl Recall {
    /// Takes over the settings that kinds of memories in files have, from the table of kinds, and whether `beta` is to come from labels.
    pub(crate) fn take_settings(&mut self, line: &ArgMatches) {
        self.beta_by_labels = names_labels(line);
        let values = kind_settings()
            .into_iter()
            .filter_map(|setting| Some((setting, line.get_one::<String>(setting.name)?.clone())));
        self.settings = values.collect();
    }
}

/// Whether a command line says `--beta labels`.
pub(crate) fn names_labels(line: &ArgMatches) -> bool {
    line.get_raw("beta").is_some_and(|mut values| values.any(|value| value == "labels"))
}

/// `beta`; `labels` is for [`names_labels`].
fn beta(text: &str) -> attractor::Result<Beta> {
    if text == "labels" { Ok(Beta::Auto) } else { text.parse() }
}

/// All settings of recalls that single kinds of memory have, each name once.
fn kind_settings() -> Vec<&'static KindSetting> {
    let mut settings: Vec<&'static KindSetting> = Vec::new();
    for setting in registry::kinds().into_iter().flat_map(|kind| kind.family.settings) {
        if !settings.iter().any(|known| known.name == setting.name) {
            settings.push(setting);
        }
    }
    settings
}

/// The command line, with the settings of each kind of memory among the options of `recall`.
pub(crate) fn line() -> clap::Command {
    let options = kind_settings().into_iter().map(|setting| {
        Arg::new(setting.name)
            .long(setting.name)
            .value_name(setting.value)
            .help(setting.about)
            .help_heading("With --memory FILE")
    });
    Cli::command().mut_subcommand("recall", |recall| recall.args(options))
}

impl Command {
    /// Whether it computes.
    pub(crate) fn computes(&self) -> bool {
        !matches!(self, Self::Devices(_) | Self::Show(_))
    }

    /// Whether it reads its files, computes, and says all that it has to say at the end: where a GPU is lost on the way, it can be
    /// done anew. (A store recovers by itself.)
    pub(crate) fn can_begin_again(&self) -> bool {
        matches!(self, Self::Recall(_) | Self::Search(_) | Self::Explain(_) | Self::Energy(_))
    }
}

/// What every command takes.
#[derive(Args)]
pub(crate) struct Common {
    /// Where to compute: auto, cpu, gpu, gpu:N, gpu:NAME or software
    #[arg(long, help_heading = "Running", default_value_t = DeviceName::Auto, value_name = "D")]
    pub(crate) device: DeviceName,
    /// On a GPU: choose kernels by rule and not by timing, so that equal inputs give equal bits
    #[arg(long, help_heading = "Running")]
    pub(crate) deterministic: bool,
    /// Seed of random numbers
    #[arg(long, help_heading = "Running", default_value_t = 0, value_name = "S")]
    pub(crate) seed: u64,
    /// Print a summary as JSON on stdout
    #[arg(long, help_heading = "Running")]
    pub(crate) json: bool,
    /// Print nothing but errors (and JSON where asked for)
    #[arg(long, help_heading = "Running")]
    pub(crate) quiet: bool,
}

impl Common {
    /// The device that is asked for.
    pub(crate) fn open(&self) -> failure::Result<Device> {
        let device =
            drivers::open(&self.device, Options { deterministic: self.deterministic, ..Options::default() })?;
        match device.as_gpu() {
            None => tracing::info!("device cpu, {} threads", threads::count()),
            Some(gpu) => tracing::info!("device {device}, {}, {:?} kernels", gpu.driver(), gpu.kernels()),
        }
        Ok(device)
    }
}

/// What makes a memory of patterns.
#[derive(Args, Clone)]
pub(crate) struct Memory {
    /// Energy of the memory, with its parameter: softmax, entmax:1.5, sparsemax, rectified:3, hopfield:storkey, ...
    /// (--list-energies explains them)
    #[arg(long, help_heading = "Memory of patterns", default_value_t = Energy::Softmax, value_name = "E")]
    pub(crate) energy: Energy,
    /// Explain every energy in a line, and do nothing else
    #[arg(long, help_heading = "Memory of patterns")]
    list_energies: bool,
    /// How queries and patterns are compared: l2, dot, cosine or l1 [default: l2]
    #[arg(long, help_heading = "Memory of patterns", value_name = "SIM")]
    pub(crate) similarity: Option<Similarity>,
    /// How similarities are worked out: product or difference [default: as the data and beta need it]
    #[arg(long, help_heading = "Memory of patterns", value_name = "FORM")]
    pub(crate) similarity_form: Option<SimilarityForm>,
    /// Inverse temperature: a number that multiplies the similarity, auto (from a sample of the patterns), auto:exact (from all), or
    /// labels (recall with --labels: at which the patterns tell each other's labels best)
    #[arg(long, help_heading = "Memory of patterns", default_value = "auto", value_parser = beta, allow_negative_numbers = true, value_name = "F")]
    pub(crate) beta: Beta,
    /// How patterns are kept: f32 or f16
    #[arg(long, help_heading = "Memory of patterns", default_value_t = Precision::F32, value_name = "T")]
    pub(crate) precision: Precision,
    /// What happens to a read-out before it is the next state, for sparse energies: none, normalize, layer-norm, tanh or sign
    #[arg(long, help_heading = "Memory of patterns", default_value_t = Post::None, value_name = "T")]
    pub(crate) post: Post,
    /// Whether the bits of a state change together or one after another, for energies of bits: sync or async [default: async]
    #[arg(long, help_heading = "Memory of patterns", value_name = "O")]
    pub(crate) order: Option<Order>,
    /// Patterns that may answer, [n]: those that are 0 or false do not
    #[arg(long, help_heading = "Memory of patterns", value_name = "M")]
    pub(crate) mask: Option<PathBuf>,
}

/// How far a recall goes.
#[derive(Args)]
pub(crate) struct Updates {
    /// Most updates of a state
    #[arg(long, help_heading = "Updates", default_value_t = 100, value_name = "N")]
    pub(crate) steps: u32,
    /// A state has converged when no coordinate changes by more; 0 makes exactly --steps updates
    /// [default: a millionth of the largest stored value, a common offset left out]
    #[arg(long, help_heading = "Updates", value_parser = tolerance, allow_negative_numbers = true, value_name = "F")]
    pub(crate) tol: Option<f32>,
    /// Share of the way to its update that a state goes
    #[arg(long, help_heading = "Updates", default_value_t = 1.0, value_parser = step_size, allow_negative_numbers = true, value_name = "A")]
    pub(crate) step_size: f32,
}

/// What a recall goes through.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The patterns themselves, with the energy of --energy.
    Patterns,
    /// The sum of their random features, softmax energy.
    RandomFeatures,
    /// The patterns, compared through a matrix.
    Kernelized,
    /// A memory of any kind in a file.
    File(PathBuf),
}

impl FromStr for Kind {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "patterns" => Self::Patterns,
            "random-features" => Self::RandomFeatures,
            "kernelized" => Self::Kernelized,
            file => Self::File(file.into()),
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Patterns => f.write_str("patterns"),
            Self::RandomFeatures => f.write_str("random-features"),
            Self::Kernelized => f.write_str("kernelized"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// What coordinates start from that are not known.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Fill {
    /// The mean of the patterns.
    Mean,
    /// A number.
    Value(f32),
}

fn fill(text: &str) -> Result<Fill, String> {
    match (text, text.parse::<f32>()) {
        ("mean", _) => Ok(Fill::Mean),
        (_, Ok(value)) if value.is_finite() => Ok(Fill::Value(value)),
        _ => Err("want mean or a finite number".to_owned()),
    }
}

/// Which coordinates of queries are known.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// Those that are not NaN.
    Nan,
    /// Those of a mask in a file.
    File(PathBuf),
}

impl FromStr for Known {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "nan" { Self::Nan } else { Self::File(text.into()) })
    }
}

#[derive(Args)]
pub(crate) struct Recall {
    /// Patterns to store, [n, d]; not with --memory FILE, which has what it needs
    #[arg(long, required_unless_present = "kind", value_name = "P")]
    pub(crate) patterns: Option<PathBuf>,
    /// Queries to complete, [b, d]
    #[arg(long, value_name = "Q")]
    pub(crate) queries: PathBuf,
    /// Results: .npy gets the final states [b, d]; .npz and .safetensors get state, energy, steps,
    /// status (0 converged, 1 all steps made, 2 a cycle of two states, 3 out of support, 4 not finite, 5 the energy rises), indices, weights,
    /// effective, support for sparse energies, and trace and values where asked for
    #[arg(long, value_name = "O")]
    pub(crate) out: PathBuf,
    /// What a recall goes through: patterns as they are, random-features (the sum of their features: needs --features or --frequencies),
    /// kernelized (patterns compared through a matrix: needs --weights, which `separate` makes), or a file that `learn` made, of any kind
    #[arg(long = "memory", default_value = "patterns", value_name = "KIND|FILE")]
    pub(crate) kind: Kind,
    #[command(flatten)]
    pub(crate) memory: Memory,
    #[command(flatten)]
    pub(crate) updates: Updates,
    /// Values associated with the patterns, [n, v] or [n]: their weighted mean goes out as `values`
    #[arg(long, value_name = "V")]
    pub(crate) values: Option<PathBuf>,
    /// Labels of the patterns: whole numbers [n] in an array file, or a text with a line for each. Adds the label of each query (`label`, or `label_bytes`
    /// and `label_ends`), `label_probability` [b, c] and `classes`, by the weights at the query itself
    #[arg(long, conflicts_with = "values", value_name = "L")]
    pub(crate) labels: Option<PathBuf>,
    /// Known coordinates: only they are compared, they stay as in the query, and the others are read out. A file [d] or [b, d] of those that
    /// are (not 0 or false), or nan where the queries mark what is unknown by NaN
    #[arg(long, conflicts_with = "clamp", value_name = "M|nan")]
    pub(crate) known: Option<Known>,
    /// Coordinates that stay as in the query, [d] or [b, d], while all coordinates are compared; see --known
    #[arg(long, value_name = "M")]
    pub(crate) clamp: Option<PathBuf>,
    /// What coordinates start from that --clamp does not keep: mean (of the patterns), or a number [default: the query's own]
    #[arg(long, requires = "clamp", value_parser = fill, allow_negative_numbers = true, value_name = "mean|VALUE")]
    pub(crate) fill: Option<Fill>,
    /// How many of the patterns that weigh most at the final state to report per query; `search` finds those that are most similar to the query
    /// [default: 5, or all where fewer are stored]
    #[arg(long, value_name = "K")]
    pub(crate) top_k: Option<usize>,
    /// Also write the energy before the first and after each step, as `trace`
    #[arg(long)]
    pub(crate) trace: bool,
    /// Whether `beta` is that at which the patterns tell each other's labels best.
    #[arg(skip)]
    pub(crate) beta_by_labels: bool,
    /// Settings of the kind of memory in a file: their names and values.
    #[arg(skip)]
    pub(crate) settings: Vec<(&'static KindSetting, String)>,
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten, next_help_heading = "With --memory random-features")]
    pub(crate) space: features::Space,
    #[command(flatten, next_help_heading = "With --memory kernelized")]
    pub(crate) kernel: kernelized::Kernel,
}

#[derive(Subcommand)]
pub(crate) enum Learn {
    /// As `features encode`: the sum of the patterns' random features
    RandomFeatures(features::Encode),
    /// As `separate`, with the patterns beside the matrix in one .safetensors
    Kernelized(kernelized::Separate),
}

#[derive(Args)]
pub(crate) struct Show {
    /// A .safetensors file that `learn`, `features encode` or `store create` made
    pub(crate) file: PathBuf,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Explain {
    /// Patterns to store, [n, d]
    #[arg(long, value_name = "P")]
    pub(crate) patterns: PathBuf,
    #[command(flatten)]
    pub(crate) memory: Memory,
    /// Queries, [b, d], of which one is explained
    #[arg(long, value_name = "Q")]
    pub(crate) queries: PathBuf,
    /// Which row of the queries, from 0
    #[arg(long, default_value_t = 0, value_name = "I")]
    pub(crate) row: usize,
    /// Most updates of the state
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) steps: u32,
    /// A picture of the energy's descent and of the patterns' weights, as SVG
    #[arg(long, value_name = "F")]
    pub(crate) plot: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args)]
pub(crate) struct Energies {
    /// Patterns to store, [n, d]
    #[arg(long, value_name = "P")]
    pub(crate) patterns: PathBuf,
    #[command(flatten)]
    pub(crate) memory: Memory,
    /// States, [b, d]
    #[arg(long, value_name = "S")]
    pub(crate) states: PathBuf,
    /// Energies, [b]
    #[arg(long, value_name = "O")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args)]
pub(crate) struct Demo {
    /// Where the picture and the numbers go
    #[arg(long, default_value = "attractor-demo", value_name = "DIR")]
    pub(crate) out_dir: PathBuf,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args)]
pub(crate) struct Reproduce {
    /// What to reproduce: dense (classical, polynomial, exponential, softmax and Epanechnikov memories; similarities on digits) or
    /// drdam (random features: errors, retrieval beside the exact memory's own, inpainting, maps), uhop (separation: metastable states,
    /// basins, images by number and noise, beside the plain cosine) or capacity (closed forms of capacity against simulation)
    #[arg(value_parser = ["dense", "drdam", "uhop", "capacity"], value_name = "EXPERIMENT")]
    pub(crate) experiment: String,
    /// Images to recall in place of the digits, [n, pixels], as bytes or from 0 to 1: MNIST's, say (uhop, capacity)
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// Fewer draws and sizes, in under a minute (drdam, uhop, capacity)
    #[arg(long)]
    pub(crate) quick: bool,
    /// Folder for figures.json, figures.txt and pictures. What takes long is kept there as it comes: the same command again goes on
    /// where it was stopped
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args)]
pub(crate) struct Bench {
    /// Queries, patterns and columns of a job, as B,N,D; may be given several times [default: five jobs]
    #[arg(long = "job", value_parser = job, value_name = "B,N,D")]
    pub(crate) jobs: Vec<[usize; 3]>,
    /// What is measured: the softmax step, all inner products, these and the ten best, or the step of a memory of bits
    /// (exponential, all bits at once, a fifth of the queries' bits turned), or a look at patterns that are made as they are needed
    #[arg(long, default_value = "step", value_parser = ["step", "matmul", "topk", "bits", "bank"])]
    pub(crate) op: String,
    /// What generated patterns are: sphere, bipolar or gaussian (--op bank)
    #[arg(long, default_value_t = Ensemble::Sphere, value_name = "E")]
    pub(crate) ensemble: Ensemble,
    /// How patterns are kept: f32, or f16 (step alone)
    #[arg(long, default_value_t = Precision::F32, value_name = "T")]
    pub(crate) precision: Precision,
    /// How often each job runs
    #[arg(long, default_value_t = 10, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: u32,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args)]
pub(crate) struct Tune {
    /// Queries, patterns and columns of a job, as B,N,D; may be given several times [default: what
    /// people do most]
    #[arg(long = "job", value_parser = job, value_name = "B,N,D")]
    pub(crate) jobs: Vec<[usize; 3]>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args)]
pub(crate) struct Devices {
    /// Print the list as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn thread_count(text: &str) -> attractor::Result<usize> {
    threads::parse("number of threads", text)
}

fn job(text: &str) -> Result<[usize; 3], String> {
    let sizes: Result<Vec<usize>, _> = text.split(',').map(str::parse).collect();
    match sizes.as_deref() {
        Ok([b, n, d]) if *b > 0 && *n > 0 && *d > 0 => Ok([*b, *n, *d]),
        _ => Err("want three whole numbers above 0: queries,patterns,columns".to_owned()),
    }
}

fn step_size(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value > 0.0 && value <= 2.0 => Ok(value),
        _ => Err("want a number above 0 and at most 1 (2 for l2)".to_owned()),
    }
}

fn tolerance(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value >= 0.0 && value.is_finite() => Ok(value),
        _ => Err("want 0 or a positive, finite number".to_owned()),
    }
}
