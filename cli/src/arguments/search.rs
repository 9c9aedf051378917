//! Arguments of `attractor search`.

use super::{Common, Known};
use attractor::ops::Similarity;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Search {
    /// Patterns to search, [n, d]
    #[arg(long, required_unless_present = "memory", conflicts_with = "memory", value_name = "P")]
    pub(crate) patterns: Option<PathBuf>,
    /// A store to search, as it is now
    #[arg(long, value_name = "FILE")]
    pub(crate) memory: Option<PathBuf>,
    /// Queries, [b, d]
    #[arg(long, value_name = "Q")]
    pub(crate) queries: PathBuf,
    /// Results: .npy gets `indices` [b, k], best first; .npz and .safetensors get `indices` and `similarity` [b, k], and `ids` of a store.
    /// Where there is no k-th pattern: 4294967295 and NaN
    #[arg(long, value_name = "R")]
    pub(crate) out: PathBuf,
    /// How many of the most similar patterns
    #[arg(long, default_value_t = 5, value_name = "K")]
    pub(crate) top_k: usize,
    /// How queries and patterns are compared: l2 (-1/2 of the squared distance), dot, cosine or l1 [default: that of the store, else l2]
    #[arg(long, value_name = "S")]
    pub(crate) similarity: Option<Similarity>,
    /// Patterns that may be found, [n]: those that are 0 or false are not
    #[arg(long, value_name = "M")]
    pub(crate) mask: Option<PathBuf>,
    /// Coordinates that are compared: a file [d] or [b, d] of those that are (not 0 or false), or nan for all that are not NaN in the query
    #[arg(long, value_name = "M|nan")]
    pub(crate) known: Option<Known>,
    #[command(flatten)]
    pub(crate) common: Common,
}
