//! `attractor store recall`

use super::{
    super::{
        input::{self, QUERIES},
        recall::write_restored,
    },
    lists, summary,
};
use crate::{
    arguments::store::Recall,
    failure::{Result, in_file},
    output::line,
    progress::Progress,
    warnings::Warnings,
};
use attractor::{
    Short,
    io::{self, Array, ArrayData, Source},
    memory::{Beta, RecallOptions, Status},
    narrow::Offset,
    store::{Answer, Ask, Id, IdKind, Store},
};
use std::{path::Path, time::Instant};

pub(super) fn run(arguments: &Recall) -> Result<()> {
    io::check_writable(&arguments.out)?;
    let source = Source::open(&arguments.queries)?;
    let mut warnings = Warnings::new(arguments.common.quiet);
    let device = arguments.common.open()?;
    let store = Store::open_read_only(&arguments.file, &device)?;
    let info = store.info();
    let offset = store.offset();
    let queries = input::beside(&source, &arguments.queries, QUERIES, offset.as_ref(), &mut warnings)?;
    let rows = queries.rows();
    let among =
        arguments.among.as_deref().map(|path| lists::ids(path, Some(info.settings.ids))).transpose()?;
    // Chosen before the clock starts: it is part of storing, not of recalling.
    let beta = match arguments.beta {
        Some(Beta::Fixed(beta)) => beta,
        Some(Beta::Auto) => store.beta_choice()?.beta,
        None => store.beta()?,
    };
    let progress = Progress::new("recalling", arguments.common.quiet);
    let tell = |done, total| progress.tell(done, total);
    let options = RecallOptions {
        beta: Some(beta),
        steps: arguments.updates.steps,
        tolerance: arguments.updates.tol,
        step_size: arguments.updates.step_size,
        top_k: Some(arguments.top_k),
        progress: Some(&tell),
        ..RecallOptions::default()
    };
    let ask = Ask { options, among: among.as_deref(), payloads: arguments.payloads };
    let started = Instant::now();
    let files = [("queries", Some(arguments.queries.as_path())), ("id", arguments.among.as_deref())];
    let answer = store.recall_with(&rows, &ask).map_err(|e| in_file(&files, e))?;
    let seconds = started.elapsed().as_secs_f64();
    drop(progress);
    write_answer(&arguments.out, &answer, info.settings.ids, offset.as_ref())?;

    let recall = &answer.recall;
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
        summary["recalls_per_second"] = rate.into();
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

fn write_answer(path: &Path, answer: &Answer, kind: IdKind, offset: Option<&Offset>) -> Result<()> {
    let shape = vec![answer.recall.len(), answer.recall.top_k];
    let numbers: Vec<u64> = answer
        .ids
        .iter()
        .filter_map(|id| if let Id::Number(number) = id { Some(*number) } else { None })
        .collect();
    let names: Vec<&[u8]> = answer
        .ids
        .iter()
        .filter_map(|id| if let Id::Name(name) = id { Some(name.as_bytes()) } else { None })
        .collect();
    let (names, width) = filled(&names);
    let mut arrays = vec![match kind {
        IdKind::Number => Array { name: "ids", shape: shape.clone(), data: ArrayData::U64(&numbers) },
        IdKind::Name => {
            Array { name: "ids", shape: [&shape[..], &[width]].concat(), data: ArrayData::U8(&names) }
        }
    }];
    let payloads = answer.payloads.as_deref().unwrap_or_default();
    let lengths: Vec<u64> = payloads.iter().map(|payload| payload.len() as u64).collect();
    let (bytes, width) = filled(payloads);
    if answer.payloads.is_some() {
        let data = ArrayData::U8(&bytes);
        arrays.push(Array { name: "payloads", shape: [&shape[..], &[width]].concat(), data });
        arrays.push(Array { name: "payload_lengths", shape, data: ArrayData::U64(&lengths) });
    }
    write_restored(path, &answer.recall, offset, &arrays)
}

/// Texts of one width, filled up with zeros, and that width: at least 1, so that it is one of bytes to view.
fn filled<T: AsRef<[u8]>>(texts: &[T]) -> (Vec<u8>, usize) {
    let width = texts.iter().map(|text| text.as_ref().len()).max().unwrap_or(0).max(1);
    let mut bytes = Vec::with_capacity(texts.len() * width);
    for text in texts {
        bytes.extend_from_slice(text.as_ref());
        bytes.resize(bytes.len() + width - text.as_ref().len(), 0);
    }
    (bytes, width)
}
