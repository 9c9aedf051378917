//! Arguments of `attractor store`.

use super::{Common, Known, Updates};
use attractor::{Precision, memory::Beta, ops::Similarity, store::OpenOptions};
use clap::{Args, Subcommand};
use std::{path::PathBuf, time::Duration};

/// What all of them say about their files.
const FILES: &str = "FILE is a safetensors file; beside it lie FILE.journal with the latest changes and FILE.lock, and the \
three belong together (after `store compact` FILE alone is the store). A change is on the disk when its command \
ends. One program at a time may change a store (--wait waits for it; without, exit status 75 says that another one does), any number may \
read it. When a change makes the journal longer than an eighth of FILE and than 1 MiB, or half of the patterns have been forgotten and more \
than 1024, FILE is written anew (--no-compact leaves that to `store compact`).

Ids are whole numbers or strings, one kind for a store. IDS is a .npy (.npz, .safetensors: `ids`) of integers, a .txt \
with one id per line, or a .json list. Payloads are lines of text, one per pattern, from a .txt or .jsonl file.";

#[derive(Subcommand)]
pub(crate) enum Store {
    /// Make a new store
    #[command(after_help = FILES)]
    Create(Create),
    /// Store more patterns, or replace some
    #[command(after_help = FILES)]
    Add(Add),
    /// Forget patterns by their ids
    #[command(after_help = FILES)]
    Forget(Forget),
    /// Say what a store holds, and whether its files are sound
    Info(Info),
    /// Complete queries, and say which patterns they are
    #[command(after_help = FILES)]
    Recall(Recall),
    /// Write the file anew, without what has been forgotten, and end the journal
    Compact(Compact),
}

/// Patterns with what belongs to them.
#[derive(Args)]
pub(crate) struct Batch {
    /// Patterns to store, [n, d]
    #[arg(long, value_name = "P")]
    pub(crate) patterns: PathBuf,
    /// Their ids, [n] [default: numbers that count on from the largest]
    #[arg(long, value_name = "IDS")]
    pub(crate) ids: Option<PathBuf>,
    /// Their payloads, one line each
    #[arg(long, value_name = "F")]
    pub(crate) payloads: Option<PathBuf>,
}

/// How a command that changes a store comes by it.
#[derive(Args)]
pub(crate) struct Turn {
    /// How long to wait while another program is changing the store
    #[arg(long, default_value = "0", value_parser = seconds, allow_negative_numbers = true, value_name = "SECONDS")]
    pub(crate) wait: Duration,
}

impl Turn {
    /// How to open the store; `compact` says whether it may be written anew by itself.
    pub(crate) fn options(&self, compact: bool) -> OpenOptions {
        OpenOptions { wait: self.wait, compact }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "want a number of seconds from 0 on".to_owned())
}

/// How a command reports.
#[derive(Args)]
pub(crate) struct Report {
    /// Print a summary as JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
    /// Print nothing but errors (and JSON where asked for)
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Args)]
pub(crate) struct Create {
    /// The store to make, a .safetensors file
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) batch: Batch,
    /// How queries and patterns are compared: l2, dot, cosine or l1
    #[arg(long, default_value_t = Similarity::L2, value_name = "SIM")]
    pub(crate) similarity: Similarity,
    /// Inverse temperature: a number that multiplies the similarity, auto or auto:exact
    #[arg(long, default_value = "auto", allow_negative_numbers = true, value_name = "F")]
    pub(crate) beta: Beta,
    /// How patterns are kept: f32 or f16
    #[arg(long, default_value_t = Precision::F32, value_name = "T")]
    pub(crate) precision: Precision,
    #[command(flatten)]
    pub(crate) turn: Turn,
    #[command(flatten)]
    pub(crate) report: Report,
}

#[derive(Args)]
pub(crate) struct Add {
    /// The store
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) batch: Batch,
    /// Put patterns in place of those that have their ids, where there are any
    #[arg(long, requires = "ids")]
    pub(crate) replace: bool,
    /// Leave a long journal as it is
    #[arg(long)]
    pub(crate) no_compact: bool,
    #[command(flatten)]
    pub(crate) turn: Turn,
    #[command(flatten)]
    pub(crate) report: Report,
}

#[derive(Args)]
pub(crate) struct Forget {
    /// The store
    pub(crate) file: PathBuf,
    /// Ids of the patterns to forget
    #[arg(long, value_name = "IDS", required_unless_present = "id")]
    pub(crate) ids: Option<PathBuf>,
    /// An id; may be given several times
    #[arg(long, value_name = "X")]
    pub(crate) id: Vec<String>,
    /// Leave a long journal, and the room of forgotten patterns, as they are
    #[arg(long)]
    pub(crate) no_compact: bool,
    #[command(flatten)]
    pub(crate) turn: Turn,
    #[command(flatten)]
    pub(crate) report: Report,
}

#[derive(Args)]
pub(crate) struct Info {
    /// The store
    pub(crate) file: PathBuf,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Recall {
    /// The store
    pub(crate) file: PathBuf,
    /// Queries to complete, [b, d]
    #[arg(long, value_name = "Q")]
    pub(crate) queries: PathBuf,
    /// Results: .npy gets the final states [b, d]; .npz and .safetensors get state, energy, steps, status (0 converged,
    /// 1 all steps made), effective, and of the K best patterns weights, indices (rows in the order in which they were stored) and
    /// ids, u64 [b, k]; strings in UTF-8 as `ids_bytes` u8, one after another, and `ids_ends` u64 [b, k], where each ends. Where fewer than K may
    /// answer: index 4294967295, id 2^64 - 1 or an empty string, weight 0
    #[arg(long, value_name = "O")]
    pub(crate) out: PathBuf,
    /// How many of the best patterns to report per query
    #[arg(long, default_value_t = 5, value_name = "K")]
    pub(crate) top_k: usize,
    /// Known coordinates: only they are compared, they stay, and the others are read out. A file [d] or [b, d] of those that are (not 0 or
    /// false), or nan where the queries mark what is unknown by NaN
    #[arg(long, value_name = "M|nan")]
    pub(crate) known: Option<Known>,
    /// Inverse temperature of this recall: a number, or auto [default: that of the store]
    #[arg(long, allow_negative_numbers = true, value_name = "F")]
    pub(crate) beta: Option<Beta>,
    #[command(flatten)]
    pub(crate) updates: Updates,
    /// Ids of the patterns that may answer [default: all]
    #[arg(long, value_name = "IDS")]
    pub(crate) among: Option<PathBuf>,
    /// Also write the payloads of the best patterns: `payloads_bytes` u8, one after another, and `payloads_ends` u64 [b, k],
    /// where each ends
    #[arg(long)]
    pub(crate) payloads: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Args)]
pub(crate) struct Compact {
    /// The store
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) turn: Turn,
    #[command(flatten)]
    pub(crate) report: Report,
}
