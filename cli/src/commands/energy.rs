//! `attractor energy`

use super::{beta_json, described, given, open_memory, open_patterns, similarity_name};
use crate::{
    arguments,
    failure::{Result, in_file},
    input::{self, STATES},
    output::{line, shown},
    phases::{Phase, Phases},
    warnings::Warnings,
};
use attractor::{
    Short,
    io::{self, Array, ArrayData},
    memory::RecallOptions,
};

pub(crate) fn run(arguments: &arguments::Energies) -> Result<()> {
    io::check_writable(&arguments.out)?;
    let mut phases = Phases::start();
    let mut warnings = Warnings::new(arguments.common.quiet);
    let states = input::open_as_kept(&arguments.states)?;
    let patterns = open_patterns(&arguments.patterns, &arguments.memory, &mut warnings)?;
    let states =
        input::beside(&states, &arguments.states, STATES, patterns.narrowed.offset(), &mut warnings)?;
    let rows = states.rows();
    phases.end(Phase::Open, format_args!("{} states of {} values", rows.rows(), rows.columns()));
    let device = arguments.common.open()?;
    phases.end(Phase::Device, &device);
    let (memory, mask) =
        open_memory(&arguments.patterns, &arguments.memory, &arguments.common, &patterns, &device)?;
    phases.end(Phase::Open, format_args!("{} patterns of {} values", memory.len(), memory.dim()));
    let what = described(&arguments.memory, &*memory, mask.as_deref())?;
    phases.end(Phase::Beta, &what);
    let files = [
        ("patterns", Some(arguments.patterns.as_path())),
        ("queries", Some(arguments.states.as_path())),
        ("mask", given(&arguments.memory.mask)),
    ];
    let options =
        RecallOptions { steps: 0, top_k: Some(0), mask: mask.as_deref(), ..RecallOptions::default() };
    let recalled = memory.recall_with(&rows, &options);
    // What the library calls queries are this command's states.
    let energy = recalled.map_err(|e| in_file(&files, e).renamed("queries", "states"))?.energy;
    phases.end(Phase::Recall, format_args!("{} energies", energy.len()));
    io::write(
        &arguments.out,
        &[Array { name: "energy", shape: vec![energy.len()], data: ArrayData::F32(&energy) }],
    )?;
    phases.end(Phase::Write, arguments.out.display());
    let range = || energy.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), e| (a.min(*e), b.max(*e)));
    let (least, most) = if energy.is_empty() { (0.0, 0.0) } else { range() };
    if arguments.common.json {
        let summary = serde_json::json!({
            "patterns": memory.len(),
            "dim": memory.dim(),
            "states": energy.len(),
            "device": device.to_string(),
            "energy": arguments.memory.energy.to_string(),
            "similarity": similarity_name(&arguments.memory),
            "beta": beta_json(&arguments.memory, &*memory, mask.as_deref())?,
            "least": least,
            "most": most,
            "seconds_by_phase": phases.json(),
            "warnings": warnings.list(),
            "out": shown(&arguments.out),
        });
        line(&format!("{summary:#}"))?;
    } else if !arguments.common.quiet {
        let (least, most) = (Short(least.into()), Short(most.into()));
        line(&format!("{} energies from {least} to {most} on {device}, {what}", energy.len()))?;
        line(&format!("written: {}", arguments.out.display()))?;
    }
    Ok(())
}
