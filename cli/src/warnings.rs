//! Warnings of a command about its answer.
//!
//! A warning is for a result that is there, but not quite what was asked for: it is a line `warning: ...` on stderr, an entry of
//! `warnings` in the JSON summary, and the exit status stays 0.

use crate::output::said;
use std::fmt;

/// What a command has warned of so far.
///
/// A command makes one, hands it to whatever may have to warn, and puts [`Warnings::list`] into its summary as `warnings`:
///
/// ```ignore
/// let mut warnings = Warnings::new(common.quiet);
/// warnings.push("3 rows are equal once they are rounded to f32");
/// let summary = serde_json::json!({ "warnings": warnings.list() });
/// ```
pub(crate) struct Warnings {
    quiet: bool,
    all: Vec<String>,
}

impl Warnings {
    /// None yet. Where `quiet`, they are kept for the summary alone.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, all: Vec::new() }
    }

    /// Says a warning on stderr at once, and keeps it. One that has been said before is not said again.
    pub(crate) fn push(&mut self, warning: impl fmt::Display) {
        let warning = warning.to_string();
        if self.all.contains(&warning) {
            return;
        }
        if !self.quiet {
            said("warning", &warning);
        }
        self.all.push(warning);
    }

    /// All of them, in the order in which they came.
    pub(crate) fn list(&self) -> &[String] {
        &self.all
    }
}
