//! `attractor store add`

use super::{lists, report};
use crate::{
    arguments::store::{self, Add},
    failure::{Result, in_file},
    input::{self, PATTERNS},
    warnings::Warnings,
};
use attractor::store::{Batch, Ledger};
use std::path::Path;

pub(super) fn run(arguments: &Add) -> Result<()> {
    let source = input::open_as_kept(&arguments.batch.patterns)?;
    let mut warnings = Warnings::new(arguments.report.quiet);
    let options = arguments.turn.options(!arguments.no_compact);
    let mut ledger = Ledger::open_with(&arguments.file, &options)?;
    let offset = ledger.offset();
    let path = &arguments.batch.patterns;
    let patterns = input::beside(&source, path, PATTERNS, offset, &mut warnings)?;
    let rows = patterns.rows();
    let kind = ledger.info().settings.ids;
    let ids = arguments.batch.ids.as_deref().map(|path| lists::ids(path, Some(kind))).transpose()?;
    let payloads = arguments.batch.payloads.as_deref().map(lists::payloads).transpose()?.unwrap_or_default();
    let mut batch = Batch::new(&rows).payloads(&payloads);
    if let Some(ids) = &ids {
        batch = batch.ids(ids);
    }
    let stored = if arguments.replace { ledger.replace(batch) } else { ledger.add(batch) };
    let count = stored.map_err(|e| in_file(&files(&arguments.batch), e))?.len();
    report(&arguments.report, &arguments.file, &ledger.info(), "stored", count, &warnings)
}

/// The files of a batch by their roles.
pub(super) fn files(batch: &store::Batch) -> [(&'static str, Option<&Path>); 3] {
    [
        ("patterns", Some(batch.patterns.as_path())),
        ("payloads", batch.payloads.as_deref()),
        ("id", batch.ids.as_deref()),
    ]
}
