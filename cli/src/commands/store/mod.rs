//! `attractor store`: one file per subcommand.

mod add;
mod compact;
mod create;
mod forget;
mod info;
mod lists;
mod recall;

use crate::{
    arguments::store::{Report, Store},
    failure::Result,
    output::{line, shown},
    warnings::Warnings,
};
use attractor::{memory::Beta, store::Info};
use std::path::Path;

pub(crate) fn run(command: &Store) -> Result<()> {
    match command {
        Store::Create(arguments) => create::run(arguments),
        Store::Add(arguments) => add::run(arguments),
        Store::Forget(arguments) => forget::run(arguments),
        Store::Info(arguments) => info::run(arguments),
        Store::Recall(arguments) => recall::run(arguments),
        Store::Compact(arguments) => compact::run(arguments),
    }
}

/// What a store says of itself, for JSON.
fn summary(file: &Path, info: &Info) -> serde_json::Value {
    serde_json::json!({
        "file": shown(file),
        "patterns": info.patterns,
        "dim": info.dim,
        "similarity": info.settings.similarity.name(),
        "beta": match info.settings.beta {
            Beta::Fixed(beta) => serde_json::json!(beta),
            auto => serde_json::json!(auto.to_string()),
        },
        "precision": info.settings.precision.to_string(),
        "ids": info.settings.ids.to_string(),
        "next": info.next,
        "empty": info.empty,
        "generation": info.generation,
        "checksums": info.checksums,
        "file_bytes": info.file_bytes,
        "journal_bytes": info.journal_bytes,
    })
}

/// Says what a change has done: in words, or the number of patterns concerned and the store's summary as JSON.
fn report(
    how: &Report,
    file: &Path,
    info: &Info,
    done: &str,
    count: usize,
    warnings: &Warnings,
) -> Result<()> {
    if how.json {
        let mut summary = summary(file, info);
        summary[done] = count.into();
        summary["warnings"] = warnings.list().into();
        line(&format!("{summary:#}"))
    } else if how.quiet {
        Ok(())
    } else {
        line(&format!(
            "{done}: {count}; {} patterns of {} values in {}",
            info.patterns,
            info.dim,
            file.display()
        ))
    }
}
