//! One file per command.

pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod devices;
pub(crate) mod energy;
pub(crate) mod recall;
pub(crate) mod store;
pub(crate) mod tune;

use crate::{
    arguments,
    failure::{Failure, Result, in_file},
};
use attractor::{
    Device,
    io::Source,
    memory::{Beta, DenseMemory, Memory},
};
use std::path::Path;

/// The memory that the arguments describe, and its pattern mask.
fn open_memory(arguments: &arguments::Memory, device: &Device) -> Result<(DenseMemory, Option<Vec<bool>>)> {
    let (rows, columns) = Source::open(&arguments.patterns)?.shared(&["patterns", "state", "states"])?;
    let builder = DenseMemory::builder()
        .device(device)
        .similarity(arguments.similarity)
        .beta(arguments.beta)
        .precision(arguments.precision);
    let memory = builder
        .build_shared(rows, columns)
        .map_err(|e| in_file(&[("patterns", Some(&arguments.patterns))], e))?;
    if memory.is_empty() {
        return Err(in_file(&[("patterns", Some(&arguments.patterns))], attractor::Error::EmptyMemory));
    }
    let mask = match &arguments.mask {
        Some(path) => Some(read_pattern_mask(path, memory.len())?),
        None => None,
    };
    Ok((memory, mask))
}

/// A mask and its shape. Numbers must be finite: NaN is neither 0 nor anything else.
fn read_mask(path: &Path, role: &'static str) -> Result<(Vec<bool>, Vec<usize>)> {
    let source = Source::open(path)?;
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

/// One line on what `beta` is, where it was chosen.
fn beta_line(arguments: &arguments::Memory, memory: &DenseMemory) -> Result<String> {
    Ok(match arguments.beta {
        Beta::Fixed(beta) => beta.to_string(),
        Beta::Auto => memory.beta_choice()?.to_string(),
    })
}

/// `beta` and how it came about, for JSON.
fn beta_json(arguments: &arguments::Memory, memory: &DenseMemory) -> Result<serde_json::Value> {
    Ok(match arguments.beta {
        Beta::Fixed(beta) => serde_json::json!({ "value": beta, "auto": false }),
        Beta::Auto => {
            let choice = memory.beta_choice()?;
            serde_json::json!({
                "value": choice.beta,
                "auto": true,
                "sampled": choice.sampled,
                "separated": choice.separated,
                "separation": choice.separation,
            })
        }
    })
}

/// The path, where one was given.
fn given(path: &Option<std::path::PathBuf>) -> Option<&Path> {
    path.as_deref()
}
