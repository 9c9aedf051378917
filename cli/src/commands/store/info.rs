//! `attractor store info`

use super::summary;
use crate::{arguments::store::Info, failure::Result, output::line};
use attractor::{Short, memory::Beta, store::Ledger};

pub(super) fn run(arguments: &Info) -> Result<()> {
    let ledger = Ledger::open_read_only(&arguments.file)?;
    ledger.check()?;
    let info = ledger.info();
    let summary = summary(&arguments.file, &info);
    if arguments.json {
        return line(&format!("{summary:#}"));
    }
    line(&format!("{} patterns of {} values in {}", info.patterns, info.dim, arguments.file.display()))?;
    let settings = &info.settings;
    line(&format!(
        "similarity {}, beta {}, {}, ids {}",
        settings.similarity,
        match settings.beta {
            Beta::Fixed(beta) => Short(beta.into()).to_string(),
            auto => auto.to_string(),
        },
        settings.precision,
        settings.ids
    ))?;
    line(&format!(
        "file {} bytes, written {} times; journal {} bytes; {} slots empty; {}",
        info.file_bytes,
        info.generation,
        info.journal_bytes,
        info.empty,
        if info.checksums { "all checksums fit" } else { "no checksums before it is written anew" }
    ))
}
