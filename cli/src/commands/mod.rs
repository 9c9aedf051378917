//! One file per command.

pub(crate) mod bench;
pub(crate) mod capacity;
pub(crate) mod code;
pub(crate) mod demo;
pub(crate) mod devices;
pub(crate) mod energy;
pub(crate) mod explain;
pub(crate) mod features;
pub(crate) mod kernelized;
pub(crate) mod recall;
pub(crate) mod reproduce;
pub(crate) mod store;
pub(crate) mod tune;

use crate::{
    arguments,
    failure::{Failure, Result, in_file},
    input,
    output::line,
};
use attractor::{
    Device,
    io::Source,
    memory::{Beta, Energy, EnergySettings, Memory},
    store::Id,
};
use std::path::Path;

/// Every energy in a line.
pub(crate) fn list_energies() -> Result<()> {
    for entry in Energy::LIST {
        line(&format!("{:<16} {} [{}]", entry.name, entry.about, entry.source))?;
    }
    Ok(())
}

/// What a file of patterns calls them, by which they are told from what else there is.
const PATTERNS: &[&str] = &["patterns", "state", "states"];

/// A memory of patterns.
struct Opened {
    memory: Box<dyn Memory>,
    /// Which patterns may answer.
    mask: Option<Vec<bool>>,
    /// The file of patterns.
    source: Source,
}

impl Opened {
    /// The ids of the patterns, where they come from a store.
    fn ids(&self) -> Result<Option<Vec<Id>>> {
        Ok(attractor::store::ids(&self.source)?)
    }
}

/// The memory that the arguments describe, and its pattern mask.
fn open_memory(arguments: &arguments::Memory, common: &arguments::Common, device: &Device) -> Result<Opened> {
    let source = input::open(&arguments.patterns)?;
    let (rows, columns) = source.shared(PATTERNS)?;
    let settings = EnergySettings {
        device: Some(device.clone()),
        similarity: arguments.similarity,
        similarity_form: arguments.similarity_form,
        beta: arguments.beta,
        precision: arguments.precision,
        post: arguments.post,
        order: arguments.order,
        seed: common.seed,
    };
    let files = [("patterns", Some(arguments.patterns.as_path()))];
    let memory = arguments.energy.memory(rows, columns, &settings).map_err(|e| in_file(&files, e))?;
    if memory.is_empty() {
        return Err(in_file(&files, attractor::Error::EmptyMemory));
    }
    let mask = match &arguments.mask {
        Some(path) => Some(read_pattern_mask(path, memory.len())?),
        None => None,
    };
    Ok(Opened { memory, mask, source })
}

/// A mask and its shape. Numbers must be finite: NaN is neither 0 nor anything else.
fn read_mask(path: &Path, role: &'static str) -> Result<(Vec<bool>, Vec<usize>)> {
    let source = input::open(path)?;
    let names = &[role, "mask"];
    if let Ok(numbers) = source.matrix(names) {
        numbers.check_finite(role).map_err(|e| in_file(&[(role, Some(path))], e))?;
    }
    Ok(source.mask(names)?)
}

/// Which patterns may answer: `[n]`, or a single row or column of `n`.
fn read_pattern_mask(path: &Path, n: usize) -> Result<Vec<bool>> {
    let (mask, shape) = read_mask(path, "mask")?;
    if mask.len() == n && shape.contains(&n) {
        return Ok(mask);
    }
    Err(Failure::data(format!(
        "{}: the mask has shape {shape:?}; want [{n}], one entry per pattern",
        path.display()
    )))
}

/// Energy, similarity and `beta` in a few words.
fn described(arguments: &arguments::Memory, memory: &dyn Memory) -> Result<String> {
    let energy = arguments.energy;
    let mut words = format!("energy {energy}");
    if energy.is_binary() {
        words += &format!(", order {}", arguments.order.unwrap_or_default());
    }
    if let Some(similarity) = similarity_name(arguments) {
        words += &format!(", similarity {similarity}");
    }
    match (arguments.beta, memory.automatic_beta()?) {
        (Beta::Fixed(beta), _) => words += &format!(", beta {beta}"),
        (Beta::Auto, Some(choice)) if energy == Energy::Softmax => words += &format!(", beta {choice}"),
        (Beta::Auto, Some(choice)) => {
            let (beta, share) = (choice.beta, 100.0 * choice.separated);
            words += &format!(
                ", beta {beta} (auto: {share:.1} % of {} patterns are fixed points)",
                choice.sampled
            );
        }
        (Beta::Auto, None) => {}
    }
    Ok(words)
}

/// The name of the similarity, where one can be chosen.
fn similarity_name(arguments: &arguments::Memory) -> Option<&'static str> {
    arguments.energy.takes_similarity().then(|| arguments.similarity.unwrap_or_default().name())
}

/// `beta` and how it came about, for JSON; null where the energy has none.
fn beta_json(arguments: &arguments::Memory, memory: &dyn Memory) -> Result<serde_json::Value> {
    Ok(match (arguments.beta, memory.automatic_beta()?) {
        (Beta::Fixed(beta), _) => serde_json::json!({ "value": beta, "auto": false }),
        (Beta::Auto, Some(choice)) => serde_json::json!({
            "value": choice.beta,
            "auto": true,
            "sampled": choice.sampled,
            "separated": choice.separated,
            "separation": choice.separation,
        }),
        (Beta::Auto, None) => serde_json::Value::Null,
    })
}

/// The path, where one was given.
fn given(path: &Option<std::path::PathBuf>) -> Option<&Path> {
    path.as_deref()
}
