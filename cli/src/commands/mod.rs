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
mod labels;
pub(crate) mod learn;
mod origin;
pub(crate) mod recall;
pub(crate) mod reproduce;
pub(crate) mod search;
pub(crate) mod show;
pub(crate) mod store;
pub(crate) mod tune;

use crate::{
    arguments,
    failure::{Failure, Result, in_file},
    input::{self, Patterns},
    output::line,
    warnings::Warnings,
};
use attractor::{
    Device, Short,
    memory::{Beta, BetaChoice, Energy, EnergySettings, Memory},
};
use std::{collections::BTreeMap, path::Path};

/// Every energy in a line.
pub(crate) fn list_energies() -> Result<()> {
    for entry in Energy::LIST {
        line(&format!("{:<16} {} [{}]", entry.name, entry.about, entry.source))?;
    }
    Ok(())
}

/// A memory, and its pattern mask.
type Opened = (Box<dyn Memory>, Option<Vec<bool>>);

/// The patterns of the memory that the arguments describe.
fn open_patterns(path: &Path, arguments: &arguments::Memory, warnings: &mut Warnings) -> Result<Patterns> {
    let similarity = arguments.similarity.unwrap_or_default();
    let is_movable = arguments.energy.is_translation_invariant(similarity, arguments.post);
    input::patterns(path, is_movable, warnings)
}

/// The memory of these patterns that the arguments describe, and its pattern mask.
fn open_memory(
    path: &Path,
    arguments: &arguments::Memory,
    common: &arguments::Common,
    patterns: &Patterns,
    device: &Device,
) -> Result<Opened> {
    let (rows, columns) = patterns.narrowed.shared();
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
    let files = [("patterns", Some(path))];
    let memory = arguments.energy.memory(rows, columns, &settings).map_err(|e| in_file(&files, e))?;
    if memory.is_empty() {
        return Err(in_file(&files, attractor::Error::EmptyMemory));
    }
    let mask = match &arguments.mask {
        Some(path) => Some(read_pattern_mask(path, memory.len())?),
        None => None,
    };
    Ok((memory, mask))
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
fn described(arguments: &arguments::Memory, memory: &dyn Memory, mask: Option<&[bool]>) -> Result<String> {
    let energy = arguments.energy;
    let mut words = format!("energy {energy}");
    if energy.is_binary() {
        words += &format!(", order {}", arguments.order.unwrap_or_default());
    }
    if let Some(similarity) = similarity_name(arguments) {
        words += &format!(", similarity {similarity}");
    }
    let eligible = mask.map_or(memory.len(), |mask| mask.iter().filter(|may| **may).count());
    match (arguments.beta, automatic_beta(memory, mask)?) {
        (Beta::Fixed(beta), _) => words += &format!(", beta {}", Short(beta.into())),
        (_, Some(choice)) => {
            let (beta, share) = (Short(choice.beta.into()), 100.0 * choice.separated);
            let what = if energy == Energy::Softmax { "keep 0.99 of the weight" } else { "are fixed points" };
            let (of, range) = (looked_at(&choice, eligible), choice.range());
            words += &format!(", beta {beta} (auto: {share:.1} % of {of} {what}{range})");
        }
        (_, None) => {}
    }
    Ok(words)
}

/// How `beta` was chosen among the patterns of a mask, where it was.
fn automatic_beta(memory: &dyn Memory, mask: Option<&[bool]>) -> attractor::Result<Option<BetaChoice>> {
    mask.map_or_else(|| memory.automatic_beta(), |mask| memory.automatic_beta_among(mask))
}

/// Why the automatic `beta` does not keep what it promises, and what would, where that is so.
fn warn_of_beta(choice: Option<BetaChoice>, warnings: &mut Warnings) {
    if let Some(choice) = choice.filter(|choice| choice.outdone > 0.01) {
        warnings.push(format!(
            "{:.1} % of the patterns are less similar to themselves than to a longer one: no beta recalls them; take l2 or cosine, or \
             make the lengths of all patterns equal",
            100.0 * choice.outdone
        ));
    }
}

/// Which patterns the share of a choice is one of.
fn looked_at(choice: &BetaChoice, patterns: usize) -> String {
    match choice.sampled {
        all if all >= patterns => format!("{patterns} patterns"),
        sampled => format!("a sample of {sampled} of {patterns} patterns"),
    }
}

/// How a number of rows has ended, and how long it took.
fn ended(
    rows: usize,
    what: &str,
    device: &Device,
    statuses: &BTreeMap<String, usize>,
    times: &str,
) -> String {
    let counts = statuses.iter().filter(|(_, count)| **count > 0).map(|(status, n)| format!("{n} {status}"));
    let parts: Vec<String> = counts.chain([times.to_owned()]).collect();
    format!("{rows} {what} on {device}: {}", parts.join(", "))
}

/// The name of the similarity, where one can be chosen.
fn similarity_name(arguments: &arguments::Memory) -> Option<&'static str> {
    arguments.energy.takes_similarity().then(|| arguments.similarity.unwrap_or_default().name())
}

/// `beta` and how it came about, for JSON; null where the energy has none.
fn beta_json(
    arguments: &arguments::Memory,
    memory: &dyn Memory,
    mask: Option<&[bool]>,
) -> Result<serde_json::Value> {
    Ok(match (arguments.beta, automatic_beta(memory, mask)?) {
        (Beta::Fixed(beta), _) => serde_json::json!({ "value": beta, "auto": false }),
        (_, Some(choice)) => serde_json::json!({
            "value": choice.beta,
            "auto": true,
            "low": choice.low,
            "high": choice.high,
            "sampled": choice.sampled,
            "outdone": choice.outdone,
            "separated": choice.separated,
            "separation": choice.separation,
        }),
        (_, None) => serde_json::Value::Null,
    })
}

/// The path, where one was given.
fn given(path: &Option<std::path::PathBuf>) -> Option<&Path> {
    path.as_deref()
}
