//! `attractor show`

use crate::{
    arguments::Show,
    failure::{Failure, Result},
    output::{line, shown},
};
use attractor::memory::registry;

pub(crate) fn run(arguments: &Show) -> Result<()> {
    let file = registry::describe(&arguments.file)?;
    let Some(format) = file.metadata.get("format") else {
        return Err(Failure::data(format!(
            "{}: is no memory: the metadata has no 'format'",
            shown(&arguments.file)
        )));
    };
    let kind = file.kind.map_or(format.as_str(), |kind| kind.key());
    // Checksums are no content.
    let arrays = || file.arrays.iter().filter(|(name, _)| *name != "checksums");
    let parameters =
        || file.metadata.iter().filter(|(key, _)| !["format", "checksums"].contains(&key.as_str()));
    if arguments.json {
        let mut summary = serde_json::json!({ "kind": kind, "file": shown(&arguments.file) });
        for (key, text) in parameters() {
            // Numbers as such: all but the version, which is a name.
            let number = text.parse::<serde_json::Number>().ok().filter(|_| key != "version");
            summary[key] = number.map_or_else(|| text.as_str().into(), serde_json::Value::Number);
        }
        for (name, (dtype, shape)) in arrays() {
            summary[name] = serde_json::json!({ "type": dtype, "shape": shape });
        }
        return line(&format!("{summary:#}"));
    }
    line(&format!("{kind}: {}", file.kind.map_or(format.as_str(), |kind| kind.about)))?;
    for (key, text) in parameters() {
        line(&format!("{key:<16} {text}"))?;
    }
    for (name, (dtype, shape)) in arrays() {
        line(&format!("{name:<16} {dtype} {shape:?}"))?;
    }
    Ok(())
}
