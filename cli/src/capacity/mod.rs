//! The capacity benchmark: files, tables, plots and the report.

mod figures;
pub(crate) mod folder;
pub(crate) mod journal;
pub(crate) mod record;
mod report;
mod text;

use attractor::capacity::{BankSummary, Outcome, Plan, Series, Summary};
use serde_json::Value;

/// An experiment with all that came of it.
pub(crate) struct Experiment {
    pub(crate) plan: Plan,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) summaries: Vec<Summary>,
    /// How patterns stand to each other, by dimension.
    pub(crate) banks: Vec<(usize, BankSummary)>,
    /// Retrieval radii, where asked for.
    pub(crate) radii: Vec<Value>,
    pub(crate) seconds: f64,
    /// What was typed.
    pub(crate) command: String,
}

/// A row of the grid in a few words: memory, temperature, schedule.
pub(crate) fn row_name(series: &Series) -> String {
    let mut name = series.model.to_string();
    if let Some(heat) = series.heat {
        name += &format!(", {heat}");
    }
    match series.schedule {
        _ if name == "nearest" => name,
        attractor::capacity::Schedule::Steps(1) => name + ", 1 step",
        attractor::capacity::Schedule::Steps(n) => format!("{name}, {n} steps"),
        other => format!("{name}, {other}"),
    }
}
