//! `attractor features recall`

use super::{
    super::{
        ended,
        recall::{read_clamp, statuses, write},
    },
    described, open, summary,
};
use crate::{
    arguments::features::Recall,
    failure::{Failure, Result, in_file},
    input,
    output::line,
    phases::{Phase, Phases},
    progress::Progress,
};
use attractor::{
    io,
    memory::{FeatureDescent, FeatureMemory, Memory, descend_ladder},
};

pub(super) fn run(arguments: &Recall) -> Result<()> {
    io::check_writable(&arguments.out)?;
    let mut phases = Phases::start();
    let source = input::open(&arguments.queries)?;
    let rows = source.matrix(input::QUERIES)?;
    phases.end(Phase::Open, format_args!("{} queries of {} values", rows.rows(), rows.columns()));
    let device = arguments.common.open()?;
    phases.end(Phase::Device, &device);
    let memories = open(&arguments.source, &arguments.common, &device)?;
    let memories: Vec<&FeatureMemory> = memories.iter().collect();
    let last = memories.iter().max_by(|a, b| a.spec().beta.total_cmp(&b.spec().beta));
    let last = last.ok_or_else(|| Failure::data("there is no memory to recall from"))?;
    let clamp = match &arguments.clamp {
        Some(path) => Some(read_clamp(path, rows.rows(), last.dim())?),
        None => None,
    };
    let progress = Progress::new("recalling", arguments.common.quiet);
    let tell = |done, total| progress.tell(done, total);
    let defaults = FeatureDescent::default();
    let options = FeatureDescent {
        steps: arguments.steps,
        step_size: arguments.step_size.unwrap_or(defaults.step_size),
        backtrack: arguments.step_size.is_none(),
        tolerance: arguments.tol,
        clamp: clamp.as_deref(),
        fill: arguments.fill,
        trace: arguments.trace,
        progress: Some(&tell),
        ..defaults
    };
    let files = [
        ("queries", Some(arguments.queries.as_path())),
        ("patterns", arguments.source.patterns.as_deref()),
        ("clamp", arguments.clamp.as_deref()),
    ];
    phases.end(Phase::Open, described(last));
    let recall = descend_ladder(&memories, &rows, &options).map_err(|e| in_file(&files, e))?;
    let seconds = phases.end(Phase::Recall, format_args!("{} queries", recall.len()));
    drop(progress);
    write(&arguments.out, &recall, &[])?;
    phases.end(Phase::Write, arguments.out.display());
    let counts = statuses(&recall);
    if arguments.common.json {
        let mut summary = summary(last, &device);
        summary["queries"] = recall.len().into();
        summary["status"] = serde_json::json!(counts);
        summary["steps_most"] = recall.steps.iter().max().copied().into();
        summary["seconds"] = seconds.into();
        summary["seconds_by_phase"] = phases.json();
        summary["out"] = arguments.out.display().to_string().into();
        line(&format!("{summary:#}"))?;
    } else if !arguments.common.quiet {
        line(&described(last))?;
        line(&ended(recall.len(), "queries", &device, &counts, &format!("{seconds:.3} s")))?;
        line(&format!("written: {}", arguments.out.display()))?;
    }
    Ok(())
}
