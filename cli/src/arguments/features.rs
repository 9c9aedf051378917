//! Arguments of `attractor features`.

use super::{Common, tolerance};
use attractor::ops::{FeatureMap, Projection};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What all of them say about their files.
const FILES: &str = "A memory of features is a .safetensors file of fixed size: the sum of the features of its patterns, which it \
does not keep. Memories of the same map, features, dim, beta, seed, projection, scale, epsilon and shift can be merged.";

#[derive(Subcommand)]
pub(crate) enum Features {
    /// Absorb patterns into a memory in a file
    #[command(after_help = FILES)]
    Encode(Encode),
    /// Energies of states and their gradients
    #[command(after_help = FILES)]
    Energy(Energies),
    /// Complete queries by descent on the energy
    #[command(after_help = FILES)]
    Recall(Recall),
    /// Add memories up
    #[command(after_help = FILES)]
    Merge(Merge),
    /// Take patterns off a memory again
    #[command(after_help = FILES)]
    Forget(Forget),
    /// How many features a memory needs, and which beta tells its patterns apart
    #[command(after_help = FILES)]
    Advise(Advise),
}

/// The feature map of a memory.
#[derive(Args)]
pub(crate) struct Space {
    /// Features: sincos, cos, exp, expexp (all for the kernel exp(-beta/2 |x-y|^2)) or dotexp (exp(beta x.y))
    #[arg(long, default_value_t = FeatureMap::SinCos, value_name = "MAP")]
    pub(crate) map: FeatureMap,
    /// How many frequencies; sincos and expexp make two numbers of each
    #[arg(long, value_name = "M")]
    pub(crate) features: Option<usize>,
    /// How the frequencies of a seed depend on each other: gaussian (not), orthogonal or structured
    #[arg(long, default_value_t = Projection::Gaussian, value_name = "P")]
    pub(crate) projection: Projection,
    /// Frequencies [m, d] in place of those of a seed
    #[arg(long, conflicts_with = "projection", value_name = "S")]
    pub(crate) frequencies: Option<PathBuf>,
    /// Their phases in radians, [m]; only the map cos has any
    #[arg(long, requires = "frequencies", value_name = "B")]
    pub(crate) phases: Option<PathBuf>,
    /// What patterns and states are multiplied by before features are made; energies, gradients and steps are in these units
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true, value_name = "F")]
    pub(crate) scale: f32,
    /// What estimated sums of kernels are clipped to, below which a state is dead [default: 0.00001; 0 for exponential features]
    #[arg(long, allow_negative_numbers = true, value_name = "F")]
    pub(crate) epsilon: Option<f32>,
    /// Take the mean of the patterns off patterns and states, which exponential features need
    #[arg(long)]
    pub(crate) centre: bool,
}

/// A memory from a file, or of patterns.
#[derive(Args)]
pub(crate) struct Source {
    /// A memory that `features encode` made
    #[arg(long, required_unless_present = "patterns", conflicts_with = "patterns", value_name = "FILE")]
    pub(crate) memory: Vec<PathBuf>,
    /// Patterns to make one of, [n, d]; needs --beta, and --features or --frequencies
    #[arg(long, value_name = "P")]
    pub(crate) patterns: Option<PathBuf>,
    /// Inverse temperature of the kernel
    #[arg(long, allow_negative_numbers = true, value_name = "F")]
    pub(crate) beta: Option<f32>,
    #[command(flatten)]
    pub(crate) space: Space,
}

#[derive(Args)]
pub(crate) struct Encode {
    /// Patterns to absorb, [n, d]
    #[arg(long, value_name = "P")]
    pub(crate) patterns: PathBuf,
    /// Inverse temperature of the kernel
    #[arg(long, allow_negative_numbers = true, value_name = "F")]
    pub(crate) beta: Option<f32>,
    #[command(flatten)]
    pub(crate) space: Space,
    /// The memory to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args)]
pub(crate) struct Energies {
    #[command(flatten)]
    pub(crate) source: Source,
    /// States, [b, d]
    #[arg(long, value_name = "Q")]
    pub(crate) states: PathBuf,
    /// energy [b] and gradient [b, d], a .npz or .safetensors
    #[arg(long, value_name = "O")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args)]
pub(crate) struct Recall {
    #[command(flatten)]
    pub(crate) source: Source,
    /// Queries to complete, [b, d]. With several memories (of several beta) the smallest beta goes first
    #[arg(long, value_name = "Q")]
    pub(crate) queries: PathBuf,
    /// Results: .npy gets the final states [b, d]; .npz and .safetensors get state, energy, steps, status (0 converged,
    /// 1 all steps made, 4 not finite, 5 the energy rises, 6 dead, 7 low signal), and trace where asked for
    #[arg(long, value_name = "O")]
    pub(crate) out: PathBuf,
    /// Most steps of a state
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) steps: u32,
    /// A fixed step size [default: 0.1, halved up to 5 times where a step raises the energy]
    #[arg(long, allow_negative_numbers = true, value_name = "A")]
    pub(crate) step_size: Option<f32>,
    /// A state has converged when no component of the gradient is larger; 0 makes exactly --steps steps
    #[arg(long, default_value_t = 1e-6, value_parser = tolerance, allow_negative_numbers = true, value_name = "F")]
    pub(crate) tol: f32,
    /// Known coordinates, [d] or [b, d]: those that are not 0 or false stay as in the query
    #[arg(long, value_name = "M")]
    pub(crate) clamp: Option<PathBuf>,
    /// Start coordinates that are not known at the mean of the patterns
    #[arg(long, requires = "clamp")]
    pub(crate) fill: bool,
    /// Also write the energy before the first and after each step, as `trace`
    #[arg(long)]
    pub(crate) trace: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args)]
pub(crate) struct Merge {
    /// The memories to add up
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The memory to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args)]
pub(crate) struct Forget {
    /// The memory
    pub(crate) file: PathBuf,
    /// Patterns to forget, [n, d]; that they were absorbed cannot be checked
    #[arg(long, value_name = "P")]
    pub(crate) patterns: PathBuf,
    /// The memory to write [default: FILE]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args)]
pub(crate) struct Advise {
    #[command(flatten)]
    pub(crate) source: Source,
    /// How many coordinates of queries are not known [default: all]
    #[arg(long, value_name = "D")]
    pub(crate) free: Option<usize>,
    /// Squared distance of queries from their pattern, after --scale
    #[arg(long, default_value_t = 0.0, value_parser = squared_distance, allow_negative_numbers = true, value_name = "F")]
    pub(crate) squared_distance: f64,
    #[command(flatten)]
    pub(crate) common: Common,
}

fn squared_distance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value >= 0.0 && value.is_finite() => Ok(value),
        _ => Err("want 0 or a positive, finite number".to_owned()),
    }
}
