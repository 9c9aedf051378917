//! `attractor explain`

use super::{
    described, given,
    input::{self, QUERIES},
    open_memory, open_patterns, similarity_name,
};
use crate::{
    arguments,
    failure::{Failure, Result, in_file},
    output::{line, shown},
    plot::{self, Bar},
    warnings::Warnings,
};
use attractor::{
    Short,
    io::{Source, write_bytes},
    memory::{Explanation, Post, RecallOptions, Suspect, Verdict, explain},
};

pub(crate) fn run(arguments: &arguments::Explain) -> Result<()> {
    let common = &arguments.common;
    let mut warnings = Warnings::new(common.quiet);
    let source = Source::open(&arguments.queries)?;
    let patterns = open_patterns(&arguments.memory, &mut warnings)?;
    let queries = input::beside(&source, &arguments.queries, QUERIES, patterns.offset(), &mut warnings)?;
    let queries = queries.rows();
    if arguments.row >= queries.rows() {
        return Err(Failure::data(format!(
            "{}: there is no row {}; the file has {} (rows count from 0)",
            arguments.queries.display(),
            arguments.row,
            queries.rows()
        )));
    }
    if arguments.memory.post != Post::None {
        return Err(Failure::data(
            "--post: explain compares patterns as they are in the file; transform them first, and leave this out",
        ));
    }
    let device = common.open()?;
    let (memory, mask) = open_memory(&arguments.memory, common, &patterns, &device)?;
    let patterns = patterns.rows();
    let energy = arguments.memory.energy;
    let similarity = arguments.memory.similarity.unwrap_or_default();
    let options = RecallOptions { steps: arguments.steps, mask: mask.as_deref(), ..RecallOptions::default() };
    let files = [
        ("patterns", Some(arguments.memory.patterns.as_path())),
        ("queries", Some(arguments.queries.as_path())),
        ("mask", given(&arguments.memory.mask)),
    ];
    let why = explain(&*memory, energy, similarity, &patterns, queries.row(arguments.row), &options)
        .map_err(|e| in_file(&files, e))?;
    let advice = why.advice(energy);
    if let Some(path) = &arguments.plot {
        let trace = why.recall.trace.as_ref().and_then(|t| t.first()).map_or(&[][..], |t| t);
        let bar = |s: &Suspect| Bar { name: s.pattern.to_string(), weights: s.weights.map(f64::from) };
        let bars: Vec<Bar> = why.suspects.iter().take(12).map(bar).collect();
        let title = format!("row {}, energy {energy}: {}", arguments.row, headline(&why));
        write_bytes(path, plot::explanation(&title, trace, &bars).as_bytes())?;
    }
    if common.json {
        return line(&format!("{:#}", json(arguments, &why, &advice, &warnings)));
    }
    if common.quiet {
        return Ok(());
    }
    line(&format!(
        "{} patterns of {} values, {}",
        memory.len(),
        memory.dim(),
        described(&arguments.memory, &*memory)?
    ))?;
    line(&format!("row {}: {advice}", arguments.row))?;
    print_trace(&why)?;
    print_suspects(&why, energy.is_binary())?;
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

fn print_suspects(why: &Explanation, binary: bool) -> Result<()> {
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
    Ok(())
}

fn json(
    arguments: &arguments::Explain,
    why: &Explanation,
    advice: &str,
    warnings: &Warnings,
) -> serde_json::Value {
    let suspect = |s: &Suspect| {
        serde_json::json!({
            "pattern": s.pattern, "weight_start": s.weights[0], "weight_end": s.weights[1],
            "similarity_start": s.similarity[0], "similarity_end": s.similarity[1], "rival": s.rival,
            "separation": s.separation, "beta_stable_from": s.stable_from, "beta_sharp_from": s.sharp_from,
        })
    };
    let (verdict, pattern) = match why.verdict {
        Verdict::Pattern(k) => ("pattern", Some(k)),
        Verdict::Mirror(k) => ("mirror", Some(k)),
        Verdict::Blend(_) => ("blend", None),
        Verdict::Mean => ("mean", None),
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
        "effective": why.recall.effective.first(),
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
