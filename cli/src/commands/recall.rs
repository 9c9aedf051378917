//! `attractor recall`

use super::{
    beta_json, ended, given,
    labels::{self, Named},
    origin::{Origin, Through},
    read_mask, similarity_name,
};
use crate::{
    arguments::{self, Fill, Kind, Known},
    failure::{Failure, Result, in_file},
    ids::Ids,
    input::{self, Patterns, QUERIES},
    output::{line, shown},
    phases::{Phase, Phases},
    progress::Progress,
    warnings::Warnings,
};
use attractor::{
    Device, Rows,
    gpu::tune::Op,
    io::{self, Array, ArrayData},
    machine::variant,
    memory::{
        Beta, DenseMemory, Energy, Memory, QueryReport, Recall, RecallOptions, RecallSetting, SettingValue,
        Status, registry::Takes,
    },
    narrow::Offset,
    ops::SimilarityForm,
};
use std::{collections::BTreeMap, path::Path};

pub(crate) fn run(arguments: &arguments::Recall) -> Result<()> {
    let mut origin = Origin::of(arguments)?;
    io::check_writable(&arguments.out)?;
    let mut phases = Phases::start();
    let mut warnings = Warnings::new(arguments.common.quiet);
    let queries = input::open_as_kept(&arguments.queries)?;
    let patterns = origin.read(arguments, &mut warnings)?;
    let offset = patterns.as_ref().and_then(|patterns| patterns.narrowed.offset());
    let queries = input::beside(&queries, &arguments.queries, QUERIES, offset, &mut warnings)?;
    let rows = queries.rows();
    phases.end(Phase::Open, format_args!("{} queries of {} values", rows.rows(), rows.columns()));
    let device = arguments.common.open()?;
    phases.end(Phase::Device, &device);
    let mut by_labels = None;
    if let (Origin::Patterns { path, asked }, Some(patterns)) = (&mut origin, &patterns)
        && let (true, Some(labels)) = (arguments.beta_by_labels, &arguments.labels)
    {
        let (shared, columns) = patterns.narrowed.shared();
        let failed = |e| in_file(&[("patterns", Some(*path))], e);
        let similarity = asked.similarity.unwrap_or_default();
        let memory = DenseMemory::builder().device(&Device::cpu()).similarity(similarity);
        let memory = memory.build_shared(shared, columns).map_err(failed)?;
        let choice = memory.beta_by_labels(&Named::read(labels, memory.len())?.labels).map_err(failed)?;
        asked.beta = Beta::Fixed(choice.beta);
        by_labels = Some(choice);
        phases.end(Phase::Beta, "by labels");
    }
    let Through { mut memory, mask, ids, what } =
        origin.open(patterns.as_ref(), arguments, &device, &mut phases, &mut warnings)?;
    let files = [
        ("patterns", given(&arguments.patterns)),
        ("queries", Some(arguments.queries.as_path())),
        ("values", given(&arguments.values)),
        ("clamp", given(&arguments.clamp)),
        ("mask", given(&arguments.memory.mask)),
    ];
    if let Some(path) = &arguments.values {
        memory.associate(&read_values(path, memory.len())?).map_err(|e| in_file(&files, e))?;
    }
    let clamp = match &arguments.clamp {
        Some(path) => Some(read_clamp(path, rows.rows(), memory.dim())?),
        None => None,
    };
    let rows = match (arguments.fill, &clamp) {
        (Some(fill), Some(clamp)) => filled(&rows, clamp, fill, patterns.as_ref())?,
        _ => rows,
    };
    let known = known_of(arguments.known.as_ref(), &rows, memory.dim())?;
    let masks = masks_of(arguments, rows.rows(), memory.dim())?;
    let settings: Vec<RecallSetting<'_>> = settings_of(arguments, &masks).collect();
    let progress = Progress::new("recalling", arguments.common.quiet);
    let tell = |done, total| progress.tell(done, total);
    let beta = match (&origin, arguments.memory.beta) {
        (Origin::File { .. }, Beta::Fixed(beta)) => Some(beta),
        _ => None,
    };
    // What is asked of the queries as they are.
    let look = RecallOptions {
        beta,
        steps: 0,
        known: known.as_deref(),
        mask: mask.as_deref(),
        top_k: arguments.top_k,
        ..RecallOptions::default()
    };
    let options = RecallOptions {
        beta,
        steps: arguments.updates.steps,
        tolerance: arguments.updates.tol,
        step_size: arguments.updates.step_size,
        clamp: clamp.as_deref(),
        known: known.as_deref(),
        mask: mask.as_deref(),
        trace: arguments.trace,
        top_k: arguments.top_k,
        progress: Some(&tell),
    };
    log_strategy(arguments, &device, [rows.rows(), memory.len(), memory.dim()]);
    phases.end(Phase::Open, "values and known coordinates");
    let recalled = memory.recall_with_settings(&rows, &options, &settings);
    let recall = recalled.map_err(|e| unknown_hint(in_file(&files, e)))?;
    let most = recall.steps.iter().max().copied().unwrap_or(0);
    let seconds = phases.end(Phase::Recall, format_args!("{} queries, up to {most} updates", recall.len()));
    drop(progress);
    let plain = arguments.out.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy"));
    // A .npy file has no room for it.
    let report =
        if plain { None } else { memory.describe_queries(&rows, &look).map_err(|e| in_file(&files, e))? };
    let similarity = match plain || known.is_some() {
        true => None,
        false => memory.similarity_to(&recall.states, &recall.indices)?,
    };
    let labels = match &arguments.labels {
        Some(path) => Some(Named::read(path, memory.len())?.vote(&mut *memory, &rows, &look)?),
        None => None,
    };
    let shape = [recall.len(), recall.top_k];
    let ids = ids.map(|ids| Ids::of_rows(&ids, &recall.indices));
    let mut more =
        vec![Array { name: "indices", shape: shape.to_vec(), data: ArrayData::U32(&recall.indices) }];
    more.extend(ids.iter().flat_map(|ids| ids.arrays(&shape)));
    if let Some(similarity) = &similarity {
        more.push(Array { name: "similarity", shape: shape.to_vec(), data: ArrayData::F32(similarity) });
    }
    if let Some(report) = &report {
        more.extend(of_queries(report, &report.indices, rows.rows()));
    }
    more.extend(labels.iter().flat_map(|labels| labels.arrays()));
    // A memory that keeps no patterns has none to name.
    let more = if recall.effective.len() == recall.len() { &more[..] } else { &[] };
    write_restored(&arguments.out, &recall, offset, more)?;
    phases.end(Phase::Write, arguments.out.display());

    let converged = recall.status.iter().filter(|s| **s == Status::Converged).count();
    let rate = recall.len() as f64 / seconds.max(1e-9);
    if arguments.common.json {
        let summary = serde_json::json!({
            "memory": match &origin {
                Origin::File { kind, .. } => kind.key().to_owned(),
                Origin::Patterns { .. } => arguments.kind.to_string(),
            },
            "patterns": memory.len(),
            "dim": memory.dim(),
            "queries": recall.len(),
            "device": device.to_string(),
            "energy": match (&origin, &arguments.kind) {
                (Origin::File { .. }, _) => None,
                (_, Kind::Kernelized) => Some(arguments.kernel.separation.unwrap_or_default().to_string()),
                (Origin::Patterns { asked, .. }, _) => Some(asked.energy.to_string()),
            },
            "similarity": match (&origin, &arguments.kind) {
                (Origin::File { .. }, _) => None,
                (_, Kind::Kernelized) => Some("features"),
                (Origin::Patterns { asked, .. }, _) => similarity_name(asked),
            },
            "similarity_form": recall.similarity_form.map(SimilarityForm::name),
            "precision": arguments.memory.precision.to_string(),
            "beta": match &origin {
                _ if by_labels.is_some() => by_labels.as_ref().map(labels::beta_json).unwrap_or_default(),
                Origin::File { .. } => serde_json::json!({ "value": recall.beta, "auto": false }),
                // That of the known coordinates.
                Origin::Patterns { asked, .. } if known.is_some() => {
                    serde_json::json!({ "value": recall.beta, "auto": asked.beta.is_auto() })
                }
                Origin::Patterns { asked, .. } => beta_json(asked, &*memory, mask.as_deref())?,
            },
            "unlike": report.as_ref().map(QueryReport::unlike),
            "converged": converged,
            "status": statuses(&recall),
            "steps_most": recall.steps.iter().max(),
            "effective_most": recall.effective.iter().copied().fold(0.0, f32::max),
            "seconds": seconds,
            "seconds_by_phase": phases.json(),
            "recalls_per_second": rate,
            "warnings": warnings.list(),
            "out": shown(&arguments.out),
        });
        line(&format!("{summary:#}"))?;
    } else if !arguments.common.quiet {
        line(&what)?;
        let times = format!("{seconds:.3} s, {rate:.0} recalls per second");
        line(&ended(recall.len(), "queries", &device, &statuses(&recall), &times))?;
        if let Some(choice) = &by_labels {
            let (share, of) = (100.0 * choice.accuracy, choice.sampled);
            line(&format!("beta by labels: {share:.1} % of {of} patterns are called right by the others"))?;
        }
        if let Some(unlike) = report.as_ref().map(QueryReport::unlike).filter(|unlike| *unlike > 0) {
            line(&format!(
                "{unlike} of {} queries are unlike anything stored (typicality below 0.01)",
                recall.len()
            ))?;
        }
        line(&format!("written: {}", arguments.out.display()))?;
    }
    Ok(())
}

/// A failure that may come of NaN for what is unknown says how such queries are completed.
pub(super) fn unknown_hint(failure: Failure) -> Failure {
    match failure.to_string() {
        text if text.contains("is NaN") && text.contains("quer") => {
            failure.extended("; --known nan completes what is NaN from the rest")
        }
        _ => failure,
    }
}

/// What is known of `b` queries themselves, as arrays of a file; `indices` are the numbers of the patterns there.
pub(super) fn of_queries<'a>(report: &'a QueryReport, indices: &'a [u32], b: usize) -> [Array<'a>; 4] {
    let of = |name, data| Array { name, shape: vec![b, report.top_k], data };
    let typicality = ArrayData::F32(&report.typicality);
    [
        of("query_indices", ArrayData::U32(indices)),
        of("query_weights", ArrayData::F32(&report.weights)),
        of("query_similarity", ArrayData::F32(&report.similarity)),
        Array { name: "typicality", shape: vec![b], data: typicality },
    ]
}

/// Queries whose coordinates that the clamp does not keep start from something else.
fn filled<'r>(rows: &Rows<'r>, clamp: &[bool], fill: Fill, patterns: Option<&Patterns>) -> Result<Rows<'r>> {
    let d = rows.columns();
    let start = match (fill, patterns) {
        (Fill::Value(value), _) => vec![value; d],
        (Fill::Mean, Some(patterns)) => {
            let patterns = patterns.narrowed.rows();
            let mut sum = vec![0.0_f64; patterns.columns()];
            patterns.iter().for_each(|row| sum.iter_mut().zip(row).for_each(|(s, v)| *s += f64::from(*v)));
            sum.into_iter().map(|s| (s / patterns.rows().max(1) as f64) as f32).collect()
        }
        (Fill::Mean, None) => {
            return Err(Failure::usage("--fill mean needs --patterns: name a number for a memory in a file"));
        }
    };
    if start.len() != d {
        // The memory says what is wrong with them.
        return Ok(rows.clone());
    }
    let keeps = |at: usize| clamp[at % clamp.len()];
    let values = rows.as_slice().iter().enumerate();
    let values: Vec<f32> = values.map(|(at, v)| if keeps(at) { *v } else { start[at % d] }).collect();
    Ok(Rows::new(values, d)?)
}

/// Which coordinates of queries `[b, d]` are known, where that is asked for.
pub(super) fn known_of(known: Option<&Known>, queries: &Rows<'_>, d: usize) -> Result<Option<Vec<bool>>> {
    match known {
        None => Ok(None),
        Some(Known::Nan) => Ok(Some(queries.as_slice().iter().map(|v| !v.is_nan()).collect())),
        Some(Known::File(path)) => read_coordinates(path, "known", queries.rows(), d).map(Some),
    }
}

/// The masks among the settings of a kind, in their order.
fn masks_of(arguments: &arguments::Recall, b: usize, d: usize) -> Result<Vec<Vec<bool>>> {
    let masks = arguments.settings.iter().filter(|(setting, _)| setting.takes == Takes::Mask);
    masks.map(|(setting, path)| read_coordinates(Path::new(path), setting.name, b, d)).collect()
}

/// The settings of a kind with their values; `masks` are those of [`masks_of`].
fn settings_of<'a>(
    arguments: &'a arguments::Recall,
    masks: &'a [Vec<bool>],
) -> impl Iterator<Item = RecallSetting<'a>> {
    let mut masks = masks.iter();
    arguments.settings.iter().filter_map(move |(setting, text)| {
        let value = match setting.takes {
            Takes::Text => SettingValue::Text(text),
            Takes::Mask => SettingValue::Mask(masks.next()?),
        };
        Some(RecallSetting { name: setting.name, value })
    })
}

/// Says in the log which way a recall goes, where there are several.
fn log_strategy(arguments: &arguments::Recall, device: &Device, sizes: [usize; 3]) {
    let plain = arguments.kind == Kind::Patterns && arguments.memory.energy == Energy::Softmax;
    // Not asked for nothing: on hardware the answer may take timings, which are then kept.
    if plain && tracing::enabled!(tracing::Level::INFO) {
        let way = variant(device, Op::Step, sizes, arguments.memory.precision);
        let [b, n, d] = sizes;
        tracing::info!("strategy {way} for {b} queries, {n} patterns, {d} values");
    }
}

/// How many queries ended how.
pub(super) fn statuses(recall: &Recall) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::from([(Status::Converged.to_string(), 0)]);
    for status in &recall.status {
        *counts.entry(status.to_string()).or_default() += 1;
    }
    counts
}

/// Values of `n` patterns: `[n, v]`, or `[n]` for one each, such as a label.
fn read_values(path: &Path, n: usize) -> Result<Rows<'static>> {
    let source = input::open(path)?;
    let (values, shape) = source.values(&["values"])?;
    if let [_] | [1, _] = shape[..]
        && (shape.len() == 1 || values.len() == n)
    {
        return Ok(Rows::new(values.into_owned(), 1)?);
    }
    Ok(source.matrix(&["values"])?.into_owned())
}

/// Known coordinates: `[d]`, or `[b, d]`.
pub(super) fn read_clamp(path: &Path, b: usize, d: usize) -> Result<Vec<bool>> {
    read_coordinates(path, "clamp", b, d)
}

/// A choice of coordinates of this name: `[d]`, or `[b, d]`.
fn read_coordinates(path: &Path, name: &'static str, b: usize, d: usize) -> Result<Vec<bool>> {
    let (chosen, shape) = read_mask(path, name)?;
    // One image for all queries, or one for each, first axis first: a transposed file must not pass.
    if chosen.len() == d || (chosen.len() == b * d && shape.first() == Some(&b)) {
        return Ok(chosen);
    }
    let message = format!("{}: the {name} has shape {shape:?}; want [{d}] or [{b}, {d}]", path.display());
    Err(Failure::data(message))
}

/// Writes what the format of the file holds; `more` where that is several arrays.
pub(super) fn write(path: &Path, recall: &Recall, more: &[Array<'_>]) -> Result<()> {
    write_restored(path, recall, None, more)
}

/// As [`write`], where this offset had gone off the patterns and queries: states get it back, in f64.
pub(super) fn write_restored(
    path: &Path,
    recall: &Recall,
    offset: Option<&Offset>,
    more: &[Array<'_>],
) -> Result<()> {
    let (b, d) = (recall.len(), recall.states.columns());
    let restored = offset.map(|offset| offset.restored(&recall.states));
    let data = match &restored {
        None => ArrayData::F32(recall.states.as_slice()),
        Some(restored) => ArrayData::F64(restored),
    };
    let state = Array { name: "state", shape: vec![b, d], data };
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy")) {
        return Ok(io::write(path, &[state])?);
    }
    let status: Vec<u8> = recall.status.iter().map(|s| s.code()).collect();
    let mut arrays = vec![
        state,
        Array { name: "steps", shape: vec![b], data: ArrayData::U32(&recall.steps) },
        Array { name: "status", shape: vec![b], data: ArrayData::U8(&status) },
    ];
    // A memory that keeps no patterns has none to name.
    if recall.effective.len() == b {
        let best = vec![b, recall.top_k];
        arrays.push(Array { name: "weights", shape: best, data: ArrayData::F32(&recall.weights) });
        arrays.push(Array { name: "effective", shape: vec![b], data: ArrayData::F32(&recall.effective) });
    }
    // A single shot has no energy.
    if recall.energy.len() == b {
        arrays.push(Array { name: "energy", shape: vec![b], data: ArrayData::F32(&recall.energy) });
    }
    if let Some(support) = &recall.support {
        arrays.push(Array { name: "support", shape: vec![b], data: ArrayData::U32(support) });
    }
    let trace = recall.trace.as_ref().map(|t| rectangular(t));
    if let Some((values, columns)) = &trace {
        arrays.push(Array { name: "trace", shape: vec![b, *columns], data: ArrayData::F32(values) });
    }
    if let Some(values) = &recall.values {
        let shape = vec![b, values.columns()];
        arrays.push(Array { name: "values", shape, data: ArrayData::F32(values.as_slice()) });
    }
    for array in &recall.more {
        arrays.push(Array { name: array.name, shape: array.shape(b), data: array.data() });
    }
    arrays.extend_from_slice(more);
    Ok(io::write(path, &arrays)?)
}

/// Traces of unequal length as one matrix; a state that stopped early keeps its last energy.
pub(super) fn rectangular(traces: &[Vec<f32>]) -> (Vec<f32>, usize) {
    let columns = traces.iter().map(Vec::len).max().unwrap_or(0);
    let mut values = Vec::with_capacity(traces.len() * columns);
    for trace in traces {
        values.extend_from_slice(trace);
        let last = trace.last().copied().unwrap_or(0.0);
        values.extend(std::iter::repeat_n(last, columns - trace.len()));
    }
    (values, columns)
}
