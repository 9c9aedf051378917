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
    output::line,
    progress::Progress,
};
use attractor::{
    io::{self, Source},
    memory::{FeatureDescent, FeatureMemory, Memory, descend_ladder},
};
use std::time::Instant;

pub(super) fn run(arguments: &Recall) -> Result<()> {
    io::check_writable(&arguments.out)?;
    let source = Source::open(&arguments.queries)?;
    let rows = source.matrix(&["queries", "state", "states"])?;
    let device = arguments.common.open()?;
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
    let started = Instant::now();
    let recall = descend_ladder(&memories, &rows, &options).map_err(|e| in_file(&files, e))?;
    let seconds = started.elapsed().as_secs_f64();
    drop(progress);
    write(&arguments.out, &recall, &[])?;
    let counts = statuses(&recall);
    if arguments.common.json {
        let mut summary = summary(last, &device);
        summary["queries"] = recall.len().into();
        summary["status"] = serde_json::json!(counts);
        summary["steps_most"] = recall.steps.iter().max().copied().into();
        summary["seconds"] = seconds.into();
        summary["out"] = arguments.out.display().to_string().into();
        line(&format!("{summary:#}"))?;
    } else if !arguments.common.quiet {
        line(&described(last))?;
        line(&ended(recall.len(), "queries", &device, &counts, &format!("{seconds:.3} s")))?;
        line(&format!("written: {}", arguments.out.display()))?;
    }
    Ok(())
}
