//! `attractor store create`

use super::{lists, report};
use crate::{
    arguments::store::Create,
    failure::{Result, in_file},
    input,
    warnings::Warnings,
};
use attractor::store::{Batch, Id, IdKind, Ledger, Settings};

pub(super) fn run(arguments: &Create) -> Result<()> {
    let mut warnings = Warnings::new(arguments.report.quiet);
    let is_movable = arguments.similarity.is_translation_invariant();
    let patterns = input::patterns(&arguments.batch.patterns, is_movable, &mut warnings)?;
    let rows = patterns.narrowed.rows();
    let ids = arguments.batch.ids.as_deref().map(|path| lists::ids(path, None)).transpose()?;
    let payloads = arguments.batch.payloads.as_deref().map(lists::payloads).transpose()?.unwrap_or_default();
    let kind = ids.as_ref().and_then(|ids| ids.first()).map_or(IdKind::Number, Id::kind);
    let settings = Settings {
        similarity: arguments.similarity,
        beta: arguments.beta,
        precision: arguments.precision,
        ids: kind,
    };
    let mut batch = Batch::new(&rows).payloads(&payloads).offset(patterns.narrowed.offset());
    if let Some(ids) = &ids {
        batch = batch.ids(ids);
    }
    let files = super::add::files(&arguments.batch);
    let created = Ledger::create_with(&arguments.file, settings, batch, &arguments.turn.options(true));
    let ledger = created.map_err(|e| in_file(&files, e))?;
    report(&arguments.report, &arguments.file, &ledger.info(), "stored", rows.rows(), &warnings)
}
