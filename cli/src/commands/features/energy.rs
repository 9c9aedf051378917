//! `attractor features energy`

use super::{open_one, report};
use crate::{
    arguments::features::Energies,
    failure::{Result, in_file},
    input,
};
use attractor::io::{self, Array, ArrayData};

pub(super) fn run(arguments: &Energies) -> Result<()> {
    io::check_writable(&arguments.out)?;
    let source = input::open(&arguments.states)?;
    let rows = source.matrix(input::STATES)?;
    let device = arguments.common.open()?;
    let memory = open_one(&arguments.source, &arguments.common, &device)?;
    let files =
        [("states", Some(arguments.states.as_path())), ("patterns", arguments.source.patterns.as_deref())];
    let (energy, gradient) = memory.energy_and_gradient(&rows).map_err(|e| in_file(&files, e))?;
    let shape = vec![gradient.rows(), gradient.columns()];
    let arrays = [
        Array { name: "energy", shape: vec![energy.len()], data: ArrayData::F32(&energy) },
        Array { name: "gradient", shape, data: ArrayData::F32(gradient.as_slice()) },
    ];
    io::write(&arguments.out, &arrays)?;
    report(&arguments.common, &memory, &device, &arguments.out)
}
