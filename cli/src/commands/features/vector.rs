//! `attractor features encode`, `merge` and `forget`: what changes the vector.

use super::{of_patterns, report};
use crate::{
    arguments::features::{Encode, Forget, Merge},
    failure::{Failure, Result, in_file},
    input,
};
use attractor::{io, memory::FeatureMemory};

pub(in super::super) fn encode(arguments: &Encode) -> Result<()> {
    io::check_writable(&arguments.out)?;
    let device = arguments.common.open()?;
    let memory =
        of_patterns(&arguments.patterns, &arguments.space, arguments.beta, &arguments.common, &device)?;
    memory.save(&arguments.out)?;
    report(&arguments.common, &memory, &device, &arguments.out)
}

pub(super) fn merge(arguments: &Merge) -> Result<()> {
    io::check_writable(&arguments.out)?;
    let device = arguments.common.open()?;
    let mut merged: Option<FeatureMemory> = None;
    for path in &arguments.files {
        let memory = FeatureMemory::load(path, &device)?;
        match &mut merged {
            None => merged = Some(memory),
            Some(merged) => merged
                .merge(&memory)
                .map_err(|error| Failure::data(format!("{}: {error}", path.display())))?,
        }
    }
    let merged = merged.ok_or_else(|| Failure::data("there is no memory to merge"))?;
    merged.save(&arguments.out)?;
    report(&arguments.common, &merged, &device, &arguments.out)
}

pub(super) fn forget(arguments: &Forget) -> Result<()> {
    let out = arguments.out.as_deref().unwrap_or(&arguments.file);
    io::check_writable(out)?;
    let source = input::open(&arguments.patterns)?;
    let rows = source.matrix(input::PATTERNS)?;
    let device = arguments.common.open()?;
    let mut memory = FeatureMemory::load(&arguments.file, &device)?;
    let files = [("patterns", Some(arguments.patterns.as_path()))];
    memory.forget(&rows).map_err(|e| in_file(&files, e))?;
    memory.save(out)?;
    report(&arguments.common, &memory, &device, out)
}
