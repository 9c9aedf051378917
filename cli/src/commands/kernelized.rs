//! `attractor separate`, and recalls through a matrix.

use crate::{
    arguments::{
        Memory as Patterns,
        kernelized::{Kernel, Separate},
    },
    failure::{Failure, Result, in_file},
    input,
    output::{line, shown},
    progress::Progress,
    warnings::Warnings,
};
use attractor::{
    Device, Rows, Short,
    io::{self, Array, ArrayData, split_array},
    memory::{
        Beta, BetaChoice, FeatureTransform, KernelizedMemory, KernelizedSettings, LinearMap, Memory,
        SeparationReport, SeparationSettings, separate_memories,
    },
    ops::{Separation, SeparationLoss},
    optimize::{Adam, Optimizer},
    store::Id,
};
use std::{path::Path, time::Instant};

/// Step size of Adam.
const RATE: f64 = 0.02;
/// Adam is for a map that is good enough, at the one temperature that suffices for it.
const ADAM: (f64, usize) = (0.1, 400);

pub(crate) fn separate(arguments: &Separate) -> Result<()> {
    run(arguments, false)
}

/// As [`separate`], with the patterns beside the matrix: a memory in a file.
pub(crate) fn learn(arguments: &Separate) -> Result<()> {
    run(arguments, true)
}

fn run(arguments: &Separate, whole: bool) -> Result<()> {
    if whole && !arguments.out.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors")) {
        let message = format!("{}: a memory is a .safetensors file", arguments.out.display());
        return Err(Failure::data(message));
    }
    io::check_writable(&arguments.out)?;
    let mut warnings = Warnings::new(arguments.common.quiet);
    let plain = is_npy(&arguments.out);
    if arguments.bias && plain {
        return Err(Failure::data(
            "a .npy file holds the matrix alone; name a .npz or .safetensors for --bias",
        ));
    }
    let source = input::open(&arguments.patterns)?;
    let rows = source.matrix(input::PATTERNS)?;
    let common = &arguments.common;
    let device = common.open()?;
    let defaults = SeparationSettings::default();
    // Batches are for Adam, whatever was named.
    let asked = arguments.optimizer.unwrap_or(match arguments.loss {
        SeparationLoss::Max => Optimizer::Adam(Adam::default()),
        _ => defaults.optimizer,
    });
    let adam = matches!(asked, Optimizer::Adam(_))
        || arguments.batch.is_some()
        || rows.rows() > SeparationSettings::WHOLE;
    if arguments.optimizer.is_some_and(|named| matches!(named, Optimizer::Lbfgs(_)))
        && rows.rows() > SeparationSettings::WHOLE
    {
        return Err(Failure::data(format!(
            "--optimizer lbfgs needs all patterns at each step, up to {}; {} has {}: leave it out for adam, which takes batches",
            SeparationSettings::WHOLE,
            arguments.patterns.display(),
            rows.rows()
        )));
    }
    if arguments.rate.is_some() && !adam {
        return Err(Failure::data("--rate is the step size of adam: name --optimizer adam, or leave it out"));
    }
    let temperatures = match (&arguments.tau[..], adam) {
        ([], true) => vec![ADAM.0],
        ([], false) => defaults.temperatures,
        (given, _) => given.to_vec(),
    };
    let settings = SeparationSettings {
        loss: arguments.loss,
        temperatures,
        optimizer: if adam {
            Optimizer::Adam(Adam { rate: arguments.rate.unwrap_or(RATE), ..Adam::default() })
        } else {
            asked
        },
        iterations: arguments.iterations.unwrap_or(if adam { ADAM.1 } else { defaults.iterations }),
        starts: arguments.starts.unwrap_or(if adam { 1 } else { defaults.starts }),
        seed: common.seed,
        batch: arguments.batch,
        condition: arguments.cap_condition,
        noise: arguments.noise,
        device: device.clone(),
        exact: None,
    };
    let files = [("patterns", Some(arguments.patterns.as_path()))];
    let failed = |error| in_file(&files, error);
    let features = arguments.dim.unwrap_or(rows.columns());
    let mut map = LinearMap::random(rows.columns(), features, arguments.bias, common.seed).map_err(failed)?;
    let progress = Progress::new("separating", common.quiet);
    let tell = |done, total| progress.tell(done, total);
    let started = Instant::now();
    let report = separate_memories(&rows, &mut map, &settings, Some(&tell)).map_err(failed)?;
    let seconds = started.elapsed().as_secs_f64();
    drop(progress);
    if !whole {
        write(arguments, &map)?;
    }
    // What is certain is said of the recall that will be: of features of length 1, through the matrix that is written.
    let as_used =
        KernelizedSettings { device: Some(device.clone()), unit: true, ..KernelizedSettings::default() };
    let mut memory = KernelizedMemory::new(&rows, map.clone(), as_used).map_err(failed)?;
    let certain = memory.certified_betas()?;
    if whole {
        memory.choose_beta()?;
        memory.save(&arguments.out)?;
    }
    report.warnings.iter().for_each(|warning| warnings.push(warning));
    if common.json {
        let mut summary = json(arguments, &rows, &map, &report, certain, seconds, &device);
        summary["warnings"] = warnings.list().into();
        line(&format!("{summary:#}"))?;
    } else if !common.quiet {
        say(&rows, &map, &settings, &report, certain, seconds)?;
        line(&format!("written: {}", arguments.out.display()))?;
        if plain {
            line(
                "a .npy file holds the matrix alone: recall through it with --unit (.npz and .safetensors say so themselves)",
            )?;
        }
    }
    Ok(())
}

/// Whether a file has room for one array alone.
fn is_npy(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy"))
}

fn write(arguments: &Separate, map: &LinearMap) -> Result<()> {
    let narrow = |values: &[f64]| values.iter().map(|v| *v as f32).collect::<Vec<_>>();
    let (weights, bias) = (narrow(map.weights()), narrow(map.bias()));
    let shape = vec![map.features(), map.dim()];
    let mut arrays = vec![Array { name: "weights", shape, data: ArrayData::F32(&weights) }];
    if arguments.bias {
        arrays.push(Array { name: "bias", shape: vec![bias.len()], data: ArrayData::F32(&bias) });
    }
    if !is_npy(&arguments.out) {
        // What it was trained for, and what recall does unless told otherwise.
        arrays.push(Array { name: "unit", shape: vec![1], data: ArrayData::U8(&[1]) });
    }
    Ok(io::write(&arguments.out, &arrays)?)
}

fn say(
    rows: &Rows<'_>,
    map: &LinearMap,
    settings: &SeparationSettings,
    report: &SeparationReport,
    certain: Option<[f64; 2]>,
    seconds: f64,
) -> Result<()> {
    let [raw, before, after] = report.gaps;
    let tau = report.stages.last().map_or(f64::NAN, |s| s.tau);
    let iterations: usize = report.stages.iter().map(|s| s.iterations).sum();
    line(&format!(
        "{} patterns of {} values to {} features, {} with {}, {seconds:.1} s",
        rows.rows(),
        rows.columns(),
        map.features(),
        settings.loss,
        report.optimizer
    ))?;
    line(&format!(
        "loss {:.6} at tau {tau}, start {} of {}, {iterations} iterations",
        report.loss(),
        report.best + 1,
        report.starts.len()
    ))?;
    line(&format!(
        "smallest gap 1 - max cos: {raw:.6} of the patterns, {before:.6} before training, {after:.6} after (at most {:.6})",
        report.most
    ))?;
    line(&format!("proved by the loss: {:.6} to {:.6}", report.bracket[0], report.bracket[1]))?;
    line(&match certain {
        Some([from, to]) => format!(
            "recalled with unit features, every pattern is proved to be a fixed point from beta {from:.1} to {to:.0}"
        ),
        None => "that every pattern is a fixed point is not proved at any beta: the smallest gap is too small for f32".to_owned(),
    })?;
    if let Some(condition) = report.condition {
        line(&format!("largest over smallest singular value: {condition:.3e}"))?;
    }
    Ok(())
}

fn json(
    arguments: &Separate,
    rows: &Rows<'_>,
    map: &LinearMap,
    report: &SeparationReport,
    certain: Option<[f64; 2]>,
    seconds: f64,
    device: &Device,
) -> serde_json::Value {
    let stages: Vec<serde_json::Value> = report
        .stages
        .iter()
        .map(|s| serde_json::json!({ "tau": s.tau, "losses": s.trace, "reason": s.reason.to_string() }))
        .collect();
    serde_json::json!({
        "patterns": rows.rows(),
        "dim": rows.columns(),
        "features": map.features(),
        "loss_name": arguments.loss.name(),
        "optimizer": report.optimizer.name(),
        "loss": report.loss(),
        "losses_of_starts": report.starts,
        "best_start": report.best,
        "gap_of_patterns": report.gaps[0],
        "gap_before": report.gaps[1],
        "gap": report.gap(),
        "certificate": report.bracket,
        "gap_at_most": report.most,
        "share_of_most": report.gap() / report.most,
        "certified_beta": certain.map(|range| range[0]),
        "certified_beta_to": certain.map(|range| range[1]),
        "unit": true,
        "condition": report.condition.filter(|c| c.is_finite()),
        "stages": stages,
        "device": device.to_string(),
        "seconds": seconds,
        "out": shown(&arguments.out),
    })
}

/// The memory for a recall through a matrix, and the ids of its patterns where they come from a store.
pub(super) fn memory(
    patterns: &Path,
    asked: &Patterns,
    kernel: &Kernel,
    device: &Device,
    warnings: &mut Warnings,
) -> Result<(KernelizedMemory, Option<Vec<Id>>)> {
    let Some(path) = &kernel.weights else {
        let message = "--memory kernelized needs --weights, a matrix [D, d]: `attractor separate` learns one";
        return Err(Failure::data(message));
    };
    let source = input::open(patterns)?;
    let rows = source.matrix(input::PATTERNS)?;
    let of_weights = input::open(path)?;
    let weights = of_weights.matrix(&["weights"])?;
    let beside = input::open(split_array(path).0)?;
    let bias = match &kernel.bias {
        Some(path) => Some(input::open(path)?.values(&["bias"])?.0.into_owned()),
        // `separate --bias` puts it there.
        None if beside.names()?.iter().any(|name| name == "bias") => {
            Some(beside.values(&["bias"])?.0.into_owned())
        }
        None => None,
    };
    let said = match beside.names()?.iter().any(|name| name == "unit") {
        true => Some(beside.values(&["unit"])?.0.first().is_some_and(|unit| *unit != 0.0)),
        false => None,
    };
    let files =
        [("patterns", Some(patterns)), ("weights", Some(path.as_path())), ("bias", kernel.bias.as_deref())];
    let failed = |error| in_file(&files, error);
    if rows.rows() > 0 && rows.columns() != weights.columns() {
        let what = "columns of weights (as patterns have)";
        return Err(failed(attractor::Error::dimension(what, weights.columns(), rows.columns())));
    }
    let map = LinearMap::given(&weights, bias.as_deref()).map_err(failed)?;
    let defaults = KernelizedSettings::default();
    let settings = KernelizedSettings {
        device: Some(device.clone()),
        separation: kernel.separation.unwrap_or_default(),
        beta: match asked.beta {
            Beta::Fixed(beta) => beta,
            _ => defaults.beta,
        },
        unit: kernel.unit.or(said).unwrap_or(false),
        ..defaults
    };
    let mut memory = KernelizedMemory::new(&rows, map, settings).map_err(failed)?;
    if memory.is_empty() {
        return Err(failed(attractor::Error::EmptyMemory));
    }
    if kernel.unit.or(said).is_none() {
        let outdone = memory.outdone()?;
        if let Some(first) = outdone.first() {
            return Err(Failure::data(format!(
                "{}: {} of {} patterns (row {first} first) are more similar to another than to themselves through this matrix, since their \
                 W x is shorter: --unit lets each count as if it had length 1, which `separate` trains for; --unit=false recalls so all the same",
                path.display(),
                outdone.len(),
                memory.len()
            )));
        }
    }
    if asked.beta.is_auto() {
        memory.choose_beta()?;
    }
    if let Some(sharpness) = memory.sharpness_beyond_f32() {
        warnings.push(format!(
            "beta times the squared length of W x is up to {sharpness:.0}: beyond 10,000 scores in f32 are inexact; scale W or beta down"
        ));
    }
    Ok((memory, attractor::store::ids(&source)?))
}

/// The memory in words.
pub(super) fn described(memory: &KernelizedMemory) -> Result<String> {
    let KernelizedSettings { separation, beta, unit, .. } = memory.settings();
    let beta = match memory.automatic_beta()? {
        Some(choice) if *separation == Separation::Softmax => choice.to_string(),
        Some(BetaChoice { beta, separated, sampled, .. }) => {
            format!(
                "{} (auto: {:.1} % of {sampled} patterns are fixed points)",
                Short(beta.into()),
                100.0 * separated
            )
        }
        None => Short((*beta).into()).to_string(),
    };
    Ok(format!(
        "{} patterns of {} values, compared by {} {}features, {separation}, beta {beta}",
        memory.len(),
        memory.dim(),
        memory.map().features(),
        if *unit { "unit " } else { "" }
    ))
}
