//! `attractor features`: memories of fixed size through random features.

mod advise;
mod energy;
mod recall;
mod vector;

pub(super) use vector::encode;

use crate::{
    arguments::{
        Common, Memory as Patterns,
        features::{Features, Source as From, Space},
    },
    failure::{Failure, Result, in_file},
    input,
    output::line,
};
use attractor::{
    Device, Rows, Short,
    memory::{Beta, DenseMemory, FeatureMemory, FeatureSettings, Memory},
    ops::{FeatureMap, FeatureSpec, FrequencySource, Similarity},
};
use std::path::Path;

pub(crate) fn run(command: &Features) -> Result<()> {
    match command {
        Features::Encode(arguments) => encode(arguments),
        Features::Energy(arguments) => energy::run(arguments),
        Features::Recall(arguments) => recall::run(arguments),
        Features::Merge(arguments) => vector::merge(arguments),
        Features::Forget(arguments) => vector::forget(arguments),
        Features::Advise(arguments) => advise::run(arguments),
    }
}

/// The memories that the arguments name, at least one.
fn open(from: &From, common: &Common, device: &Device) -> Result<Vec<FeatureMemory>> {
    match &from.patterns {
        Some(path) => Ok(vec![of_patterns(path, &from.space, from.beta, common, device)?]),
        None => from.memory.iter().map(|path| Ok(FeatureMemory::load(path, device)?)).collect(),
    }
}

/// The one memory that the arguments name.
fn open_one(from: &From, common: &Common, device: &Device) -> Result<FeatureMemory> {
    let mut memories = open(from, common, device)?;
    match (memories.pop(), memories.is_empty()) {
        (Some(memory), true) => Ok(memory),
        _ => Err(Failure::data("--memory is given several times; only `features recall` takes several")),
    }
}

/// A memory of the patterns in a file.
pub(super) fn of_patterns(
    path: &Path,
    space: &Space,
    beta: Option<f32>,
    common: &Common,
    device: &Device,
) -> Result<FeatureMemory> {
    let source = input::open(path)?;
    let rows = source.matrix(input::PATTERNS)?;
    let files = [
        ("patterns", Some(path)),
        ("frequencies", space.frequencies.as_deref()),
        ("phases", space.phases.as_deref()),
    ];
    let failed = |error| in_file(&files, error);
    let spec = spec(space, beta, common.seed, rows.columns()).map_err(|failure| match failure {
        Wrong::Library(error) => failed(error),
        Wrong::Usage(failure) => failure,
    })?;
    if rows.rows() > 0 && spec.dim != rows.columns() {
        let what = "columns of patterns (as the frequencies have)";
        return Err(failed(attractor::Error::dimension(what, rows.columns(), spec.dim)));
    }
    let settings = FeatureSettings {
        device: Some(device.clone()),
        scale: space.scale,
        epsilon: space.epsilon,
        shift: if space.centre { mean(&rows) } else { Vec::new() },
        ..FeatureSettings::default()
    };
    let mut memory = FeatureMemory::with(spec, settings).map_err(failed)?;
    memory.absorb(&rows).map_err(failed)?;
    Ok(memory)
}

/// The memory of features for a recall that could have been one of the patterns; `beta` is that of such a memory where none is
/// given.
pub(super) fn in_place_of(
    patterns: &Path,
    asked: &Patterns,
    space: &Space,
    common: &Common,
    device: &Device,
) -> Result<FeatureMemory> {
    let beta = match asked.beta {
        Beta::Fixed(beta) => beta,
        auto => {
            let source = input::open(patterns)?;
            let rows = scaled(source.matrix(input::PATTERNS)?, space.scale)?;
            let kernel = if space.map == FeatureMap::DotExp { Similarity::Dot } else { Similarity::L2 };
            let files = [("patterns", Some(patterns))];
            let exact = DenseMemory::builder().device(device).similarity(kernel).beta(auto).build(&rows);
            exact.and_then(|exact| exact.beta()).map_err(|e| in_file(&files, e))?
        }
    };
    of_patterns(patterns, space, Some(beta), common, device)
}

/// Why there is no feature map.
enum Wrong {
    Library(attractor::Error),
    Usage(Failure),
}

impl<T: Into<Failure>> std::convert::From<T> for Wrong {
    fn from(failure: T) -> Self {
        Self::Usage(failure.into())
    }
}

fn spec(space: &Space, beta: Option<f32>, seed: u64, d: usize) -> Result<FeatureSpec, Wrong> {
    let beta = beta.ok_or_else(|| Failure::data("patterns need --beta, the inverse temperature"))?;
    let Some(path) = &space.frequencies else {
        let count = space
            .features
            .ok_or_else(|| Failure::data("patterns need --features, the number of frequencies"))?;
        let source = FrequencySource::Seed { seed, projection: space.projection };
        return Ok(FeatureSpec { source, ..FeatureSpec::new(space.map, count, d, beta, seed) });
    };
    let source = input::open(path)?;
    let frequencies = source.matrix(&["frequencies"])?;
    if let Some(count) = space.features.filter(|count| *count != frequencies.rows()) {
        let what = "--features (as there are rows of frequencies)";
        return Err(Wrong::Library(attractor::Error::dimension(what, count, frequencies.rows())));
    }
    let phases = match &space.phases {
        Some(path) => Some(input::open(path)?.values(&["phases"])?.0.into_owned()),
        None if space.map == FeatureMap::Cos => {
            let message = "the map cos needs --phases with its --frequencies: without them it is biased";
            return Err(Failure::data(message).into());
        }
        None => None,
    };
    FeatureSpec::given(space.map, frequencies.into_owned(), phases.as_deref(), beta).map_err(Wrong::Library)
}

/// Rows as a memory with this scale sees them.
fn scaled(rows: Rows<'_>, scale: f32) -> Result<Rows<'_>> {
    if scale == 1.0 {
        return Ok(rows);
    }
    let columns = rows.columns();
    let values: Vec<f32> = rows.as_slice().iter().map(|v| scale * v).collect();
    Ok(Rows::new(values, columns)?)
}

/// The mean of rows.
fn mean(rows: &Rows<'_>) -> Vec<f32> {
    let mut sum = vec![0.0; rows.columns()];
    for row in rows.iter() {
        sum.iter_mut().zip(row).for_each(|(s, v)| *s += f64::from(*v));
    }
    sum.iter().map(|s| (s / rows.rows().max(1) as f64) as f32).collect()
}

/// What a memory says of itself, for JSON.
fn summary(memory: &FeatureMemory, device: &Device) -> serde_json::Value {
    let spec = memory.spec();
    let (seed, projection) = match &spec.source {
        FrequencySource::Seed { seed, projection } => (Some(*seed), Some(projection.to_string())),
        FrequencySource::Given { .. } => (None, None),
    };
    serde_json::json!({
        "patterns": memory.len(),
        "dim": spec.dim,
        "map": spec.map.name(),
        "features": spec.count,
        "numbers": spec.length(),
        "beta": spec.beta,
        "seed": seed,
        "projection": projection,
        "scale": memory.settings().scale,
        "device": device.to_string(),
    })
}

/// A memory in a line.
pub(super) fn described(memory: &FeatureMemory) -> String {
    let spec = memory.spec();
    format!(
        "{} patterns of {} values in {} numbers: {} frequencies, map {}, beta {}",
        memory.len(),
        spec.dim,
        spec.length(),
        spec.count,
        spec.map,
        Short(spec.beta.into())
    )
}

/// Says what has been written: in words, or as JSON.
fn report(common: &Common, memory: &FeatureMemory, device: &Device, out: &Path) -> Result<()> {
    if common.json {
        let mut summary = summary(memory, device);
        summary["out"] = out.display().to_string().into();
        line(&format!("{summary:#}"))
    } else if common.quiet {
        Ok(())
    } else {
        line(&described(memory))?;
        line(&format!("written: {}", out.display()))
    }
}
