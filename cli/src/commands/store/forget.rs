//! `attractor store forget`

use super::{lists, report};
use crate::{arguments::store::Forget, failure::Result, warnings::Warnings};
use attractor::store::{Id, Ledger};

pub(super) fn run(arguments: &Forget) -> Result<()> {
    let options = arguments.turn.options(!arguments.no_compact);
    let mut ledger = Ledger::open_with(&arguments.file, &options)?;
    let kind = ledger.info().settings.ids;
    let mut ids = match &arguments.ids {
        Some(path) => lists::ids(path, Some(kind))?,
        None => Vec::new(),
    };
    for id in &arguments.id {
        ids.push(Id::parse(id, kind)?);
    }
    ledger.forget(&ids)?;
    report(
        &arguments.report,
        &arguments.file,
        &ledger.info(),
        "forgotten",
        ids.len(),
        &Warnings::new(arguments.report.quiet),
    )
}
