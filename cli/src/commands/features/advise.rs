//! `attractor features advise`

use super::{described, open_one, scaled, summary};
use crate::{
    arguments::features::Advise,
    failure::{Result, in_file},
    input,
    output::line,
};
use attractor::{
    Short,
    memory::{Memory, beta_for_isolation},
};

/// Largest component of a gradient at a pattern that counts as a fixed point, as in published experiments.
const FIXED: f32 = 1e-6;

pub(super) fn run(arguments: &Advise) -> Result<()> {
    let device = arguments.common.open()?;
    let memory = open_one(&arguments.source, &arguments.common, &device)?;
    let free = arguments.free.unwrap_or_else(|| memory.dim());
    let advice = memory.advise(free, arguments.squared_distance);
    let mut warnings = advice.warnings;
    let mut beta = None;
    if let Some(path) = &arguments.source.patterns {
        let source = input::open(path)?;
        let rows = source.matrix(input::PATTERNS)?;
        let files = [("patterns", Some(path.as_path()))];
        warnings.extend(memory.inspect(&rows).map_err(|e| in_file(&files, e))?);
        let rows = scaled(rows, memory.settings().scale)?;
        // Where no beta isolates them, that says enough.
        beta = beta_for_isolation(&rows, FIXED).ok();
    }
    if arguments.common.json {
        let mut summary = summary(&memory, &device);
        summary["stable"] = advice.stable.into();
        summary["reach"] = advice.reach.into();
        summary["needed"] = advice.needed.into();
        summary["noise"] = memory.noise().into();
        summary["beta_for_isolation"] = beta.into();
        summary["warnings"] = warnings.iter().map(ToString::to_string).collect();
        return line(&format!("{summary:#}"));
    }
    if arguments.common.quiet {
        return Ok(());
    }
    line(&described(&memory))?;
    line(&format!(
        "features for patterns to stay: {}, for queries to reach them: {}",
        advice.stable, advice.reach
    ))?;
    if let Some(beta) = beta {
        line(&format!(
            "smallest beta at which every pattern is a fixed point of the exact energy: {}",
            Short(beta.into())
        ))?;
    }
    warnings.iter().try_for_each(|warning| line(&format!("warning: {warning}")))
}
