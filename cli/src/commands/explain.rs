//! `attractor explain`

use super::{described, given, open_memory, open_patterns, similarity_name};
use crate::{
    arguments,
    failure::{Failure, Result, in_file},
    input::{self, QUERIES},
    output::{line, shown},
    phases::{Phase, Phases},
    plot::{self, Bar},
    warnings::Warnings,
};
use attractor::{
    Short,
    io::write_bytes,
    memory::{Explanation, RecallOptions, Suspect, Verdict, explain},
    store::Id,
};

pub(crate) fn run(arguments: &arguments::Explain) -> Result<()> {
    let common = &arguments.common;
    let mut phases = Phases::start();
    let mut warnings = Warnings::new(common.quiet);
    let source = input::open_as_kept(&arguments.queries)?;
    let patterns = open_patterns(&arguments.patterns, &arguments.memory, &mut warnings)?;
    let queries =
        input::beside(&source, &arguments.queries, QUERIES, patterns.narrowed.offset(), &mut warnings)?;
    let queries = queries.rows();
    if arguments.row >= queries.rows() {
        return Err(Failure::data(format!(
            "{}: there is no row {}; the file has {} (rows count from 0)",
            arguments.queries.display(),
            arguments.row,
            queries.rows()
        )));
    }
    phases.end(Phase::Open, format_args!("{} queries of {} values", queries.rows(), queries.columns()));
    let device = common.open()?;
    phases.end(Phase::Device, &device);
    let (memory, mask) = open_memory(&arguments.patterns, &arguments.memory, common, &patterns, &device)?;
    let ids = patterns.ids()?;
    let patterns = patterns.narrowed.rows();
    phases.end(Phase::Open, format_args!("{} patterns of {} values", memory.len(), memory.dim()));
    let what = described(&arguments.memory, &*memory, mask.as_deref())?;
    phases.end(Phase::Beta, &what);
    let energy = arguments.memory.energy;
    let similarity = arguments.memory.similarity.unwrap_or_default();
    let options = RecallOptions { steps: arguments.steps, mask: mask.as_deref(), ..RecallOptions::default() };
    let files = [
        ("patterns", Some(arguments.patterns.as_path())),
        ("queries", Some(arguments.queries.as_path())),
        ("mask", given(&arguments.memory.mask)),
    ];
    let why = explain(&*memory, energy, similarity, &patterns, queries.row(arguments.row), &options)
        .map_err(|e| in_file(&files, e))?;
    let advice = why.advice(energy);
    phases.end(Phase::Recall, format_args!("row {}", arguments.row));
    if let Some(path) = &arguments.plot {
        let trace = why.recall.trace.as_ref().and_then(|t| t.first()).map_or(&[][..], |t| t);
        let bar = |s: &Suspect| Bar { name: s.pattern.to_string(), weights: s.weights.map(f64::from) };
        let bars: Vec<Bar> = why.suspects.iter().take(12).map(bar).collect();
        let title = format!("row {}, energy {energy}: {}", arguments.row, headline(&why));
        write_bytes(path, plot::explanation(&title, trace, &bars).as_bytes())?;
        phases.end(Phase::Write, path.display());
    }
    if common.json {
        let mut summary = json(arguments, &why, &advice, ids.as_deref(), &warnings);
        summary["seconds_by_phase"] = phases.json();
        return line(&format!("{summary:#}"));
    }
    if common.quiet {
        return Ok(());
    }
    line(&format!("{} patterns of {} values, {what}", memory.len(), memory.dim()))?;
    line(&format!("row {}: {advice}", arguments.row))?;
    line(&format!("distance of the final state from the nearest pattern: {:.4}", why.distance))?;
    print_trace(&why)?;
    print_suspects(&why, energy.is_binary(), ids.as_deref())?;
    if let Some(path) = &arguments.plot {
        line(&format!("written: {}", path.display()))?;
    }
    Ok(())
}

fn headline(why: &Explanation) -> String {
    match why.verdict {
        Verdict::Pattern(k) => format!("pattern {k}"),
        Verdict::Mirror(k) => format!("mirror image of pattern {k}"),
        Verdict::Blend(n) => format!("a blend of about {n:.1} patterns"),
        Verdict::Mean => "the mean of all patterns".to_owned(),
        Verdict::Faded => "died away to 0".to_owned(),
        Verdict::OutOfSupport { .. } => "out of support".to_owned(),
        Verdict::Spurious => "a spurious state".to_owned(),
        Verdict::Cycle => "a cycle of two states".to_owned(),
        Verdict::Moving => "still moving".to_owned(),
        Verdict::Failed(status) => status.to_string(),
    }
}

fn print_trace(why: &Explanation) -> Result<()> {
    let Some(trace) = why.recall.trace.as_ref().and_then(|t| t.first()) else { return Ok(()) };
    // Neighbouring energies may differ in their last digits alone.
    let word = |e: &f32| if *e > 1e29 { "out of support".to_owned() } else { format!("{e:?}") };
    let shown: Vec<String> = match trace.len() {
        0..=9 => trace.iter().map(word).collect(),
        n => {
            let ends = trace[..5].iter().map(word).chain([format!("... ({} more)", n - 8)]);
            ends.chain(trace[n - 3..].iter().map(word)).collect()
        }
    };
    line(&format!("energy, before and after each of {} updates: {}", why.recall.steps[0], shown.join(" ")))?;
    if trace.len() > 1 {
        line(&format!(
            "largest rise in an update: {} (0 or below, and rounding, where theory holds)",
            Short(why.worst_rise.into())
        ))?;
    }
    Ok(())
}

fn print_suspects(why: &Explanation, binary: bool, ids: Option<&[Id]>) -> Result<()> {
    let or = |v: Option<f64>| v.map_or("-".to_owned(), |v| Short(v).to_string());
    let similarity = if binary { "overlap" } else { "similarity" };
    line(&format!(
        "{:>8} {:>17} {:>25} {:>8} {:>11} {:>12} {:>11}",
        "pattern",
        "weight, then end",
        format!("{similarity}, then end"),
        "rival",
        "separation",
        "stable from",
        "sharp from"
    ))?;
    for s in &why.suspects {
        line(&format!(
            "{:>8} {:>8.4} {:>8.4} {:>12} {:>12} {:>8} {:>11} {:>12} {:>11}",
            s.pattern,
            s.weights[0],
            s.weights[1],
            Short(s.similarity[0]),
            Short(s.similarity[1]),
            s.rival.map_or("-".to_owned(), |r| r.to_string()),
            or(s.separation),
            or(s.stable_from),
            or(s.sharp_from)
        ))?;
    }
    why.suspects.iter().try_for_each(|s| match id_of(ids, s.pattern) {
        Some(id) => line(&format!("pattern {} has the id '{id}'", s.pattern)),
        None => Ok(()),
    })
}

/// The id of a pattern of a store.
fn id_of(ids: Option<&[Id]>, pattern: u32) -> Option<&Id> {
    ids?.get(pattern as usize)
}

fn json(
    arguments: &arguments::Explain,
    why: &Explanation,
    advice: &str,
    ids: Option<&[Id]>,
    warnings: &Warnings,
) -> serde_json::Value {
    let id = |pattern: u32| match id_of(ids, pattern) {
        Some(Id::Number(number)) => serde_json::json!(number),
        Some(Id::Name(name)) => serde_json::json!(name),
        None => serde_json::Value::Null,
    };
    let suspect = |s: &Suspect| {
        serde_json::json!({
            "id": id(s.pattern), "pattern": s.pattern, "weight_start": s.weights[0], "weight_end": s.weights[1],
            "similarity_start": s.similarity[0], "similarity_end": s.similarity[1], "rival": s.rival,
            "separation": s.separation, "beta_stable_from": s.stable_from, "beta_sharp_from": s.sharp_from,
        })
    };
    let (verdict, pattern) = match why.verdict {
        Verdict::Pattern(k) => ("pattern", Some(k)),
        Verdict::Mirror(k) => ("mirror", Some(k)),
        Verdict::Blend(_) => ("blend", None),
        Verdict::Mean => ("mean", None),
        Verdict::Faded => ("faded", None),
        Verdict::OutOfSupport { nearest, .. } => ("out-of-support", Some(nearest)),
        Verdict::Spurious => ("spurious", None),
        Verdict::Cycle => ("cycle", None),
        Verdict::Moving => ("moving", None),
        Verdict::Failed(_) => ("failed", None),
    };
    serde_json::json!({
        "row": arguments.row,
        "energy": arguments.memory.energy.to_string(),
        "similarity": similarity_name(&arguments.memory),
        "beta": why.recall.beta,
        "verdict": verdict,
        "pattern": pattern,
        "id": pattern.map(id),
        "effective": why.recall.effective.first(),
        "distance": why.distance,
        "advice": advice,
        "status": why.recall.status[0].to_string(),
        "steps": why.recall.steps[0],
        "trace": why.recall.trace.as_ref().and_then(|t| t.first()),
        "worst_rise": why.worst_rise,
        "patterns": why.suspects.iter().map(suspect).collect::<Vec<_>>(),
        "warnings": warnings.list(),
        "plot": arguments.plot.as_deref().map(shown),
    })
}
