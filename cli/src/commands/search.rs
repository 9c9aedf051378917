//! `attractor search`

use super::{
    read_pattern_mask,
    recall::{known_of, unknown_hint},
};
use crate::{
    arguments::search::Search,
    failure::{Failure, Result, in_file},
    ids::Ids,
    input::{self, QUERIES},
    output::{line, shown},
    phases::{Phase, Phases},
    warnings::Warnings,
};
use attractor::{
    io::{self, Array, ArrayData},
    memory::{Beta, DenseMemory, Energy, Memory, Post, SearchOptions, registry},
    ops::Similarity,
    store::Id,
};
use std::path::Path;

pub(crate) fn run(arguments: &Search) -> Result<()> {
    io::check_writable(&arguments.out)?;
    let mut phases = Phases::start();
    let mut warnings = Warnings::new(arguments.common.quiet);
    let path = arguments.patterns.as_deref().or(arguments.memory.as_deref());
    let path = path.ok_or_else(|| Failure::usage("--patterns or --memory is needed"))?;
    let similarity = match (arguments.similarity, &arguments.memory) {
        (Some(similarity), _) => similarity,
        (None, Some(file)) => of_store(file)?,
        (None, None) => Similarity::L2,
    };
    let queries = input::open_as_kept(&arguments.queries)?;
    let is_movable = Energy::Softmax.is_translation_invariant(similarity, Post::None);
    let patterns = input::patterns(path, is_movable, &mut warnings)?;
    let offset = patterns.narrowed.offset();
    let queries = input::beside(&queries, &arguments.queries, QUERIES, offset, &mut warnings)?;
    let rows = queries.rows();
    phases.end(Phase::Open, format_args!("{} queries of {} values", rows.rows(), rows.columns()));
    let device = arguments.common.open()?;
    phases.end(Phase::Device, &device);
    let files = [("patterns", Some(path)), ("queries", Some(arguments.queries.as_path()))];
    let (shared, columns) = patterns.narrowed.shared();
    // No weights are made of the similarities.
    let builder = DenseMemory::builder().device(&device).similarity(similarity).beta(Beta::Fixed(1.0));
    let memory = builder.build_shared(shared, columns).map_err(|e| in_file(&files, e))?;
    let mask = arguments.mask.as_deref().map(|path| read_pattern_mask(path, memory.len())).transpose()?;
    let known = known_of(arguments.known.as_ref(), &rows, memory.dim())?;
    let options = SearchOptions { top_k: arguments.top_k, mask: mask.as_deref(), known: known.as_deref() };
    phases.end(Phase::Open, format_args!("{} patterns of {} values", memory.len(), memory.dim()));
    let found = memory.search(&rows, &options).map_err(|e| unknown_hint(in_file(&files, e)))?;
    let seconds = phases.end(Phase::Recall, format_args!("{} queries", rows.rows()));

    let shape = [rows.rows(), found.top_k];
    let indices = Array { name: "indices", shape: shape.to_vec(), data: ArrayData::U32(&found.indices) };
    let ids: Option<Vec<Id>> = patterns.ids()?;
    let ids = ids.map(|ids| Ids::of_rows(&ids, &found.indices));
    let mut arrays = vec![indices];
    if !arguments.out.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy")) {
        let data = ArrayData::F32(&found.similarity);
        arrays.push(Array { name: "similarity", shape: shape.to_vec(), data });
        arrays.extend(ids.iter().flat_map(|ids| ids.arrays(&shape)));
    }
    io::write(&arguments.out, &arrays)?;
    phases.end(Phase::Write, arguments.out.display());
    let rate = rows.rows() as f64 / seconds.max(1e-9);
    if arguments.common.json {
        let summary = serde_json::json!({
            "patterns": memory.len(),
            "dim": memory.dim(),
            "queries": rows.rows(),
            "top_k": found.top_k,
            "similarity": similarity.name(),
            "device": device.to_string(),
            "seconds": seconds,
            "seconds_by_phase": phases.json(),
            "queries_per_second": rate,
            "warnings": warnings.list(),
            "out": shown(&arguments.out),
        });
        line(&format!("{summary:#}"))?;
    } else if !arguments.common.quiet {
        let (n, d, k) = (memory.len(), memory.dim(), found.top_k);
        line(&format!("the {k} most similar of {n} patterns of {d} values, similarity {similarity}"))?;
        line(&format!("{} queries on {device}: {seconds:.3} s, {rate:.0} per second", rows.rows()))?;
        line(&format!("written: {}", arguments.out.display()))?;
    }
    Ok(())
}

/// The similarity of a store.
fn of_store(path: &Path) -> Result<Similarity> {
    let file = registry::describe(path)?;
    match (file.kind, file.metadata.get("similarity")) {
        (None, Some(similarity)) => Ok(similarity.parse()?),
        _ => Err(Failure::data(format!(
            "{}: is no store; search compares patterns, which --patterns names",
            path.display()
        ))),
    }
}
