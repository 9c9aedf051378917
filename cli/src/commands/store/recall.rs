//! `attractor store recall`

use super::{
    super::recall::{known_of, unknown_hint, write_restored},
    lists, summary,
};
use crate::{
    arguments::store::Recall,
    failure::{Result, in_file},
    ids::Ids,
    input::{self, QUERIES},
    output::line,
    phases::{Phase, Phases},
    progress::Progress,
    warnings::Warnings,
};
use attractor::{
    Short,
    io::{self, Array, ArrayData},
    memory::{Beta, RecallOptions, Status},
    narrow::Offset,
    ops::SimilarityForm,
    store::{Answer, Ask, IdKind, Store},
};
use std::path::Path;

pub(super) fn run(arguments: &Recall) -> Result<()> {
    io::check_writable(&arguments.out)?;
    let mut phases = Phases::start();
    let source = input::open_as_kept(&arguments.queries)?;
    let mut warnings = Warnings::new(arguments.common.quiet);
    phases.end(Phase::Open, arguments.queries.display());
    let device = arguments.common.open()?;
    phases.end(Phase::Device, &device);
    let store = Store::open_read_only(&arguments.file, &device)?;
    let info = store.info();
    let offset = store.offset();
    let queries = input::beside(&source, &arguments.queries, QUERIES, offset.as_ref(), &mut warnings)?;
    let rows = queries.rows();
    let among =
        arguments.among.as_deref().map(|path| lists::ids(path, Some(info.settings.ids))).transpose()?;
    phases.end(Phase::Open, format_args!("{} patterns of {} values", info.patterns, info.dim));
    // Chosen before the clock starts: it is part of storing, not of recalling.
    let beta = match arguments.beta {
        Some(Beta::Fixed(beta)) => beta,
        Some(_) => store.beta_choice()?.beta,
        None => store.beta()?,
    };
    phases.end(Phase::Beta, format_args!("beta {beta}"));
    let known = known_of(arguments.known.as_ref(), &rows, info.dim)?;
    let progress = Progress::new("recalling", arguments.common.quiet);
    let tell = |done, total| progress.tell(done, total);
    let options = RecallOptions {
        // That of the known coordinates is another one.
        beta: Some(beta).filter(|_| known.is_none() || matches!(arguments.beta, Some(Beta::Fixed(_)))),
        steps: arguments.updates.steps,
        tolerance: arguments.updates.tol,
        step_size: arguments.updates.step_size,
        known: known.as_deref(),
        top_k: Some(arguments.top_k),
        progress: Some(&tell),
        ..RecallOptions::default()
    };
    let ask = Ask { options, among: among.as_deref(), payloads: arguments.payloads };
    let files = [("queries", Some(arguments.queries.as_path())), ("id", arguments.among.as_deref())];
    let answer = store.recall_with(&rows, &ask).map_err(|e| unknown_hint(in_file(&files, e)))?;
    let seconds = phases.end(Phase::Recall, format_args!("{} queries", rows.rows()));
    drop(progress);
    write_answer(
        &arguments.out,
        &answer,
        &store.rows(&answer.recall.indices),
        info.settings.ids,
        offset.as_ref(),
    )?;
    phases.end(Phase::Write, arguments.out.display());

    let recall = &answer.recall;
    let beta = recall.beta;
    let converged = recall.status.iter().filter(|s| **s == Status::Converged).count();
    let rate = recall.len() as f64 / seconds.max(1e-9);
    if arguments.common.json {
        let mut summary = summary(&arguments.file, &info);
        summary["queries"] = recall.len().into();
        summary["device"] = device.to_string().into();
        summary["beta_used"] = beta.into();
        summary["top_k"] = recall.top_k.into();
        summary["converged"] = converged.into();
        summary["seconds"] = seconds.into();
        summary["seconds_by_phase"] = phases.json();
        summary["recalls_per_second"] = rate.into();
        summary["similarity_form"] = recall.similarity_form.map(SimilarityForm::name).into();
        summary["warnings"] = warnings.list().into();
        summary["out"] = arguments.out.display().to_string().into();
        line(&format!("{summary:#}"))?;
    } else if !arguments.common.quiet {
        line(&format!("{} patterns of {} values, beta {}", info.patterns, info.dim, Short(beta.into())))?;
        line(&format!(
            "{} queries on {device}: {converged} converged, {seconds:.3} s, {rate:.0} recalls per second",
            recall.len()
        ))?;
        line(&format!("written: {}", arguments.out.display()))?;
    }
    Ok(())
}

fn write_answer(
    path: &Path,
    answer: &Answer,
    rows: &[u32],
    kind: IdKind,
    offset: Option<&Offset>,
) -> Result<()> {
    let shape = [answer.recall.len(), answer.recall.top_k];
    let ids = Ids::new(kind, answer.ids.iter().map(Option::as_ref));
    let mut arrays = ids.arrays(&shape);
    arrays.push(Array { name: "indices", shape: shape.to_vec(), data: ArrayData::U32(rows) });
    if let Some(payloads) = &answer.payloads {
        arrays.extend(payloads.arrays(["payloads_bytes", "payloads_ends"], &shape));
    }
    write_restored(path, &answer.recall, offset, &arrays)
}
