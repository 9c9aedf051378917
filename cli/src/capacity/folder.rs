//! The folder of results: what was run, the numbers, the plots and the report.

use super::{Experiment, figures::figures, record, report};
use crate::failure::{Failure, Result};
use attractor::{Error, io::write_bytes};
use serde_json::{Value, json};
use std::path::Path;

const MANIFEST: &str = "manifest.json";
/// Version of what a folder holds; 1 where the manifest has none.
const FORMAT: u64 = 1;

/// Refuses a folder of a later version, which has been left as it is.
pub(crate) fn check_format(folder: &Path) -> Result<()> {
    let path = folder.join(MANIFEST);
    let manifest =
        std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
    match manifest.as_ref().and_then(|manifest| manifest.get("format")) {
        Some(found) if *found != FORMAT => Err(Failure::data(format!(
            "{}: is of format {found}, and format {FORMAT} is known here; use the version of attractor that wrote it, or a later one",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// What was typed after `attractor`, from the manifest of a folder.
pub(crate) fn arguments(folder: &Path) -> Result<Vec<String>> {
    let path = folder.join(MANIFEST);
    let text = std::fs::read_to_string(&path).map_err(|source| Error::File {
        path: path.clone(),
        action: "read",
        source,
    })?;
    let words = serde_json::from_str::<Value>(&text).ok().and_then(|manifest| {
        let words = manifest.get("arguments")?.as_array()?;
        words.iter().map(|w| w.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
    });
    words.ok_or_else(|| {
        Failure::data(format!("{}: no manifest of an experiment; start it anew", path.display()))
    })
}

/// Writes what is going to be run, so that it can be gone on with.
pub(crate) fn announce(folder: &Path, arguments: &[String], device: &str, seeds: &[u64]) -> Result<()> {
    let manifest = json!({
        "format": FORMAT,
        "program": format!("attractor {}", env!("CARGO_PKG_VERSION")),
        "arguments": arguments,
        "device": device,
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "seeds": seeds,
        "generator": "philox4x32-10",
        "files": ["journal.jsonl", "results.json", "points.csv", "report.html", "plots"],
    });
    Ok(write_bytes(folder.join(MANIFEST), format!("{manifest:#}\n").as_bytes())?)
}

/// Writes all results, each file as a whole.
pub(crate) fn write(folder: &Path, experiment: &Experiment) -> Result<()> {
    let figures = figures(experiment)?;
    let plots = folder.join("plots");
    std::fs::create_dir_all(&plots).map_err(|source| Error::File {
        path: plots.clone(),
        action: "make",
        source,
    })?;
    for figure in &figures {
        write_bytes(plots.join(format!("{}.svg", figure.name)), figure.svg.as_bytes())?;
    }
    write_bytes(folder.join("points.csv"), record::csv(experiment).as_bytes())?;
    write_bytes(folder.join("results.json"), format!("{:#}\n", record::json(experiment)).as_bytes())?;
    Ok(write_bytes(folder.join("report.html"), report::html(experiment, &figures).as_bytes())?)
}
