//! `attractor capacity`: how much memories hold.

use super::Common;
use attractor::{
    capacity::{Corruption, Criterion, Heat, Model, Schedule, half_octaves},
    memory::Order,
    ops::Similarity,
};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "\
Examples:
  attractor capacity --memory softmax
      one step and convergence, on the sphere, beside the exact nearest-pattern ceiling
  attractor capacity --memory nearest,softmax --d 16,24,32,40 --corruption overlap:0.6 --lambda 2 --steps 1 --out run
      growth with the dimension; run/report.html has it all, and the same command goes on where it was stopped
  attractor capacity --memory hopfield,rectified:3,exponential --ensemble bipolar --d 64 --corruption flip:0,flip:0.1 --criterion sign
  attractor capacity --memory universal:dot:max,universal:cosine:max --data mnist.npy --corruption half --criterion identity,ssd:50 --n 100,1000
  attractor capacity --memory nearest --generated --d 64 --corruption overlap:0.7 --n 1e6,1e7,1e8 --queries 256 --seeds 1
      patterns are made as they are needed: memory stays the same")]
pub(crate) struct Capacity {
    /// What is measured: energies by their names (--list-energies explains them), and nearest, the exact nearest pattern
    #[arg(long, value_delimiter = ',', value_name = "NAME", required_unless_present = "resume")]
    pub(crate) memory: Vec<Model>,
    /// Where patterns come from: sphere, bipolar, gaussian, sparse:A, clusters:RHO, manifold:K, code:NAME, or file (with --data)
    /// [default: file with --data, else sphere; bipolar where a memory is of bits or signs are turned]
    #[arg(long, value_name = "E")]
    pub(crate) ensemble: Option<String>,
    /// Patterns from a file, [n, d] or [n, h, w]; each seed stores them in another order
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// Numbers of patterns: a list, or ..MOST for 2, 3, 4, 6, 8, 12, ... [default: ..32768, or as far as the data goes]
    #[arg(long, value_parser = numbers, value_name = "LIST")]
    pub(crate) n: Option<Numbers>,
    /// Dimensions: a list [default: 8,10,12,14,16; of a file or a code its own]
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub(crate) d: Vec<usize>,
    /// Damage: overlap:C, flip:F, noise:S, mask:F, half, image-noise:S (S times the range of the data, and clamped to it), dropout [default: overlap:0.8; flip:0.1 for bipolar]
    #[arg(long, value_delimiter = ',', value_name = "C")]
    pub(crate) corruption: Vec<Corruption>,
    /// Success: identity, l2:E, sign, hamming:H, ssd:T, weight, ball:R [default: identity,weight,l2:0.1; sign for bipolar]
    #[arg(long, value_delimiter = ',', value_name = "S")]
    pub(crate) criterion: Vec<Criterion>,
    /// Inverse temperatures as memories take them, or auto
    #[arg(long, value_delimiter = ',', value_parser = beta, value_name = "LIST", conflicts_with = "lambda")]
    pub(crate) beta: Vec<Heat>,
    /// Inverse temperatures in units of the dimension, beta |xi|^2 / d [default: 1,4]
    #[arg(long, value_delimiter = ',', value_parser = lambda, value_name = "LIST")]
    pub(crate) lambda: Vec<Heat>,
    /// Updates: numbers, converged, renormalized (the state gets its length back after each), annealed (beta doubles six times)
    #[arg(long, value_delimiter = ',', default_value = "1,converged", value_name = "LIST")]
    pub(crate) steps: Vec<Schedule>,
    /// Queries per number of patterns and seed
    #[arg(long, default_value_t = 200, value_name = "Q")]
    pub(crate) queries: usize,
    /// How many seeds, from --seed on
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000), value_name = "S")]
    pub(crate) seeds: u64,
    /// How queries and patterns are compared, where that can be chosen: l2, dot, cosine or l1 [default: l2]
    #[arg(long, value_name = "SIM")]
    pub(crate) similarity: Option<Similarity>,
    /// Whether bits change together or one after another: sync or async [default: sync]
    #[arg(long, value_name = "O")]
    pub(crate) order: Option<Order>,
    /// Make patterns as they are needed and store none (nearest, and one step of softmax); else only where they would take a gibibyte
    #[arg(long)]
    pub(crate) generated: bool,
    /// Also measure retrieval radii with this many patterns stored (of each memory, at the first dimension)
    #[arg(long, value_name = "N")]
    pub(crate) radius: Option<usize>,
    /// Go on to the largest number of patterns, even where next to nothing succeeds
    #[arg(long)]
    pub(crate) whole: bool,
    /// Results: results.json, points.csv, manifest.json, plots and report.html; what is finished is kept there as it goes
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Go on with what --out holds, with the options it was started with
    #[arg(long, requires = "out")]
    pub(crate) resume: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Numbers of patterns as they were asked for.
#[derive(Clone, Debug)]
pub(crate) struct Numbers(pub(crate) Vec<u64>);

/// A number of patterns, also as 1e6.
fn number(text: &str) -> Result<u64, String> {
    let whole = text.parse::<u64>().ok();
    let float = || text.parse::<f64>().ok().filter(|v| v.fract() == 0.0 && (0.0..1e15).contains(v));
    whole.or_else(|| float().map(|v| v as u64)).ok_or_else(|| format!("'{text}' is no number of patterns"))
}

fn numbers(text: &str) -> Result<Numbers, String> {
    match text.strip_prefix("..") {
        Some(most) => Ok(Numbers(half_octaves(number(most)?))),
        None => text.split(',').map(number).collect::<Result<_, _>>().map(Numbers),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value.is_finite() => Ok(value),
        _ => Err("want a positive, finite number".to_owned()),
    }
}

fn beta(text: &str) -> Result<Heat, String> {
    if text == "auto" { Ok(Heat::Auto) } else { positive(text).map(Heat::Beta) }
}

fn lambda(text: &str) -> Result<Heat, String> {
    positive(text).map(Heat::Lambda)
}
