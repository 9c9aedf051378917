//! `attractor store compact`

use super::report;
use crate::{arguments::store::Compact, failure::Result, warnings::Warnings};
use attractor::store::Ledger;

pub(super) fn run(arguments: &Compact) -> Result<()> {
    let mut ledger = Ledger::open_with(&arguments.file, &arguments.turn.options(true))?;
    ledger.compact()?;
    report(
        &arguments.report,
        &arguments.file,
        &ledger.info(),
        "written",
        ledger.len(),
        &Warnings::new(arguments.report.quiet),
    )
}
