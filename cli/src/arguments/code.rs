//! Arguments of `attractor code`.

use super::Common;
use clap::{ArgGroup, Args};
use std::path::PathBuf;

#[derive(Args)]
#[command(group(ArgGroup::new("what").required(true).args(["points", "known", "list", "measure"])))]
pub(crate) struct Code {
    /// Look for so many points; takes --dim too
    #[arg(long, requires = "dim", value_name = "N")]
    pub(crate) points: Option<usize>,
    /// Dimension of the space whose unit sphere they lie on
    #[arg(long, requires = "points", value_name = "D")]
    pub(crate) dim: Option<usize>,
    /// Random arrangements that are improved, of which the best counts
    #[arg(long, default_value_t = 8, value_name = "S", requires = "points")]
    pub(crate) starts: usize,
    /// Build a known code: a name of --list, N,D, polygon:N, simplex:N,D or orthoplex:N,D
    #[arg(long, value_name = "NAME")]
    pub(crate) known: Option<String>,
    /// List the known codes
    #[arg(long, conflicts_with_all = ["out", "plot"])]
    pub(crate) list: bool,
    /// Measure the points of a file, [N, D]; only their directions count
    #[arg(long, value_name = "FILE")]
    pub(crate) measure: Option<PathBuf>,
    /// The points that were found or built, [N, D], as f64
    #[arg(long, value_name = "O")]
    pub(crate) out: Option<PathBuf>,
    /// A picture of all angles as SVG, with the points themselves in two and three dimensions
    #[arg(long, value_name = "F")]
    pub(crate) plot: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}
