//! `attractor store recall`

use super::{
    super::recall::{known_of, of_queries, unknown_hint, write_restored},
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
    memory::{Beta, QueryReport, RecallOptions, Status},
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
    // A .npy file has no room for more, and ids narrow a recall, not what is known of a query.
    let plain = arguments.out.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy"));
    let report = match plain || among.is_some() {
        true => None,
        false => {
            let look = RecallOptions {
                beta: Some(answer.recall.beta).filter(|_| known.is_none()),
                known: known.as_deref(),
                top_k: Some(arguments.top_k),
                ..RecallOptions::default()
            };
            store.describe_queries(&rows, &look).map_err(|e| in_file(&files, e))?
        }
    };
    let similarity = match plain || known.is_some() {
        true => None,
        false => store.similarity_to(&answer.recall.states, &answer.recall.indices)?,
    };
    let in_file = InFile {
        rows: &store.rows(&answer.recall.indices),
        query_rows: &report.as_ref().map_or_else(Vec::new, |report| store.rows(&report.indices)),
        report: report.as_ref(),
        similarity: similarity.as_deref(),
    };
    write_answer(&arguments.out, &answer, &in_file, info.settings.ids, offset.as_ref())?;
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
        summary["unlike"] = report.as_ref().map(QueryReport::unlike).into();
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

/// What a file of results has beside the answer.
struct InFile<'a> {
    /// Rows of the patterns that are listed, and of those that are listed for the queries themselves.
    rows: &'a [u32],
    query_rows: &'a [u32],
    report: Option<&'a QueryReport>,
    similarity: Option<&'a [f32]>,
}

fn write_answer(
    path: &Path,
    answer: &Answer,
    in_file: &InFile<'_>,
    kind: IdKind,
    offset: Option<&Offset>,
) -> Result<()> {
    let shape = [answer.recall.len(), answer.recall.top_k];
    let ids = Ids::new(kind, answer.ids.iter().map(Option::as_ref));
    let mut arrays = ids.arrays(&shape);
    arrays.push(Array { name: "indices", shape: shape.to_vec(), data: ArrayData::U32(in_file.rows) });
    if let Some(similarity) = in_file.similarity {
        arrays.push(Array { name: "similarity", shape: shape.to_vec(), data: ArrayData::F32(similarity) });
    }
    if let Some(report) = in_file.report {
        arrays.extend(of_queries(report, in_file.query_rows, shape[0]));
    }
    if let Some(payloads) = &answer.payloads {
        arrays.extend(payloads.arrays(["payloads_bytes", "payloads_ends"], &shape));
    }
    write_restored(path, &answer.recall, offset, &arrays)
}
