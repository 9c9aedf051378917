//! Files of ids and of payloads.

use crate::failure::{Failure, Result};
use attractor::{
    io::{Source, split_array},
    store::{Id, IdKind},
};
use std::{fs, path::Path};

/// Ids from a file, of the kind of a store, or where that is yet to be made of what the file has.
pub(super) fn ids(path: &Path, kind: Option<IdKind>) -> Result<Vec<Id>> {
    let (file, _) = split_array(path);
    let suffix = file.extension().map(|suffix| suffix.to_string_lossy().to_ascii_lowercase());
    let failed = |problem: String| Failure::data(format!("{}: {problem}", path.display()));
    let parsed = |text: &str, kind| Id::parse(text, kind).map_err(|error| failed(error.to_string()));
    match suffix.as_deref() {
        Some("txt") => {
            let kind = kind.unwrap_or(IdKind::Name);
            lines(path)?.iter().map(|line| parsed(line, kind)).collect()
        }
        Some("json") => {
            let values: Vec<serde_json::Value> = serde_json::from_str(&text(path)?)
                .map_err(|e| failed(format!("want a JSON list of ids: {e}")))?;
            let id = |value: &serde_json::Value| match (value.as_u64(), value.as_str()) {
                (Some(number), _) => Ok(Id::Number(number)),
                (_, Some(name)) => Ok(Id::Name(name.to_owned())),
                _ => Err(failed(format!("the id {value} is neither a whole number nor a string"))),
            };
            values.iter().map(id).collect()
        }
        _ => {
            let source = Source::open(path)?;
            let (ids, shape) = match source.texts(&["ids"])? {
                Some((names, shape)) => {
                    let kind = kind.unwrap_or(IdKind::Name);
                    (names.iter().map(|name| parsed(name, kind)).collect::<Result<Vec<_>>>()?, shape)
                }
                None => {
                    let (numbers, shape) = source.integers(&["ids"])?;
                    (numbers.into_iter().map(Id::Number).collect(), shape)
                }
            };
            if shape.iter().filter(|size| **size != 1).count() > 1 {
                return Err(failed(format!("the ids have shape {shape:?}; want [n]")));
            }
            Ok(ids)
        }
    }
}

/// Payloads from a file: its lines.
pub(super) fn payloads(path: &Path) -> Result<Vec<Vec<u8>>> {
    let lines = lines(path)?;
    if path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("jsonl")) {
        for (i, line) in lines.iter().enumerate() {
            if let Err(error) = serde_json::from_str::<serde_json::Value>(line) {
                let message = format!("{}: line {} is no JSON: {error}", path.display(), i + 1);
                return Err(Failure::data(message));
            }
        }
    }
    Ok(lines.into_iter().map(String::into_bytes).collect())
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path)
        .map_err(|error| Failure::data(format!("{}: cannot read: {error}", path.display())))
}

fn lines(path: &Path) -> Result<Vec<String>> {
    Ok(text(path)?.lines().map(str::to_owned).collect())
}
