//! `attractor reproduce`

use crate::{
    arguments,
    failure::{Failure, Result},
    output::line,
    progress::Progress,
    reproduce::{
        Bench, Figure, Out, bits, capacity, digits, epanechnikov, features, kept::Kept, theory, uhop, vectors,
    },
    stop,
};
use attractor::{Device, io::write_bytes};
use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

type Experiment = fn(&Bench<'_>) -> Result<Vec<Figure>>;

/// The experiments on dense memories, with how many settings each goes through.
const DENSE: [(Experiment, u64); 9] = [
    (bits::classical, 6),
    (bits::polynomial, 5),
    (bits::exponential, 3),
    (vectors::turned_bits, 3),
    (vectors::sphere, 4),
    (digits::damaged_digits, 4),
    (epanechnikov::emergent_minima, 1),
    (theory::falling_energies, 12),
    (theory::margins, 4),
];

/// Those on random features; retrieval takes minutes.
const DRDAM: [(Experiment, u64); 6] = [
    (|b| features::errors(b, false), 18),
    (features::populations, 2),
    (features::retrieval, 6),
    (features::inpainting, 3),
    (features::remedies, 4),
    (features::maps, 6),
];

/// The same in under a minute: fewer draws, fewer frequencies, no retrieval.
const DRDAM_QUICK: [(Experiment, u64); 4] = [
    (|b| features::errors(b, true), 12),
    (features::inpainting, 3),
    (features::remedies, 4),
    (features::maps, 6),
];

/// Those on kernelized memories.
const UHOP: [(Experiment, u64); 8] = [
    (uhop::metastable, 1),
    (uhop::reach, 7),
    (uhop::losses, 2),
    (uhop::robustness, 3),
    (uhop::basins, 4),
    (uhop::retrieval, 6),
    (uhop::noise, 1),
    (uhop::pictures, 1),
];

/// The same without images, in seconds.
const UHOP_QUICK: [(Experiment, u64); 5] =
    [(uhop::metastable, 1), (uhop::losses, 2), (uhop::robustness, 3), (uhop::basins, 4), (uhop::pictures, 1)];

/// The benchmark of capacity; similarities on digits only where a file has them.
const CAPACITY: [(Experiment, u64); 5] = [
    (|b| capacity::nearest(b, false), 12),
    (|b| capacity::softmax(b, false), 7),
    (|b| capacity::growth(b, false), 5),
    (|b| capacity::stable(b, false), 4),
    (|b| capacity::digits(b, false), 8),
];

/// The same in under a minute: fewer queries, seeds and dimensions.
const CAPACITY_QUICK: [(Experiment, u64); 5] = [
    (|b| capacity::nearest(b, true), 12),
    (|b| capacity::softmax(b, true), 7),
    (|b| capacity::growth(b, true), 4),
    (|b| capacity::stable(b, true), 4),
    (|b| capacity::digits(b, true), 8),
];

/// Figures beyond so many standard errors are marked.
const FAR: f64 = 3.0;

pub(crate) fn run(arguments: &arguments::Reproduce) -> Result<()> {
    let common = &arguments.common;
    let device = common.open()?;
    let name = arguments.experiment.as_str();
    let experiments = match (name, arguments.quick) {
        ("drdam", true) => &DRDAM_QUICK[..],
        ("drdam", false) => &DRDAM,
        ("uhop", true) => &UHOP_QUICK,
        ("uhop", false) => &UHOP,
        ("capacity", true) => &CAPACITY_QUICK,
        ("capacity", false) => &CAPACITY,
        _ => &DENSE,
    };
    let out = match &arguments.out {
        Some(folder) => Some(open(folder, &about(arguments, &device))?),
        None => None,
    };
    stop::keeps(match &arguments.out {
        Some(_) => "what was computed is kept; the same command goes on with it",
        None => "nothing is kept without --out",
    });
    let progress = Progress::new("reproducing", common.quiet);
    let total = experiments.iter().map(|(_, settings)| settings).sum();
    let done = AtomicU64::new(0);
    // Whether to go on is asked where numbers are kept.
    let tell = || _ = progress.tell(done.fetch_add(1, Ordering::Relaxed) + 1, total);
    let bench = Bench {
        device: &device,
        seed: common.seed,
        data: arguments.data.as_deref(),
        out: out.as_ref(),
        tell: &tell,
    };
    let started = Instant::now();
    let mut figures = Vec::new();
    for (experiment, _) in experiments {
        figures.extend(experiment(&bench)?);
    }
    drop(progress);
    // By number, and as they came within it.
    figures.sort_by_key(|f| f.id.strip_prefix('R').and_then(|n| n.parse::<u32>().ok()).unwrap_or(u32::MAX));
    let seconds = started.elapsed().as_secs_f64();
    let published = || figures.iter().filter(|f| !f.published.is_nan());
    let near = published().filter(|f| f.deviation() <= FAR).count();
    let results: Vec<serde_json::Value> = figures.iter().map(|figure| json(name, figure)).collect();
    let summary = serde_json::json!({
        "experiment": name,
        "device": device.to_string(),
        "seed": common.seed,
        "seconds": seconds,
        "within_3_standard_errors": near,
        "results": results,
    });
    let count = published().count();
    let mut table = table(&figures);
    table.extend(legend(name, &figures));
    table.push(format!(
        "{near} of {count} figures within {FAR} standard errors of the published ones; {seconds:.0} s on {device}"
    ));
    if let Some(out) = &out {
        let write = |name: &str, text: String| write_bytes(out.folder.join(name), text.as_bytes());
        write("figures.json", format!("{summary:#}\n"))?;
        write("figures.txt", table.join("\n") + "\n")?;
    }
    if common.json {
        line(&format!("{summary:#}"))?;
    } else if !common.quiet {
        table.iter().try_for_each(|text| line(text))?;
        if let Some(out) = &out {
            line(&format!("written: {}", out.folder.display()))?;
        }
    }
    Ok(())
}

/// What results depend on.
fn about(arguments: &arguments::Reproduce, device: &Device) -> String {
    let data = arguments.data.as_ref().map_or(String::new(), |path| format!(", data {}", path.display()));
    format!("{}, seed {}{data}, {device}", arguments.experiment, arguments.common.seed)
}

/// The folder for results, made where it is missing, with what an earlier run in it has computed.
fn open<'a>(folder: &'a Path, about: &str) -> Result<Out<'a>> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::data(format!("{}: cannot be made: {error}", folder.display())))?;
    let about = format!("attractor {}, {about}", env!("CARGO_PKG_VERSION"));
    Ok(Out { folder, kept: Kept::open(&folder.join("kept.tsv"), &about)? })
}

/// Head and rows.
fn table(figures: &[Figure]) -> Vec<String> {
    let wide = figures.iter().map(|f| f.setting.len()).max().unwrap_or(0);
    let ids = figures.iter().map(|f| f.id.len()).max().unwrap_or(0).max(4);
    let head = format!(
        "{:<ids$} {:<wide$} {:<40} {:>10} {:>10} {:>9} {:>10} {:>5}",
        "", "setting", "figure", "published", "here", "+-", "formula", "off"
    );
    std::iter::once(head).chain(figures.iter().map(|figure| row(figure, ids, wide))).collect()
}

/// What the columns mean, and where the figures come from.
fn legend(experiment: &str, figures: &[Figure]) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "+-: standard error of the figure here; off: how many standard errors (of both figures) it lies from the published one; !: more than {FAR}"
        ),
    ];
    let mut sources: Vec<(&str, Vec<&str>)> = Vec::new();
    for figure in figures {
        let source = source(experiment, figure.id);
        match sources.iter_mut().find(|(known, _)| *known == source) {
            Some((_, ids)) if ids.contains(&figure.id) => {}
            Some((_, ids)) => ids.push(figure.id),
            None => sources.push((source, vec![figure.id])),
        }
    }
    lines.extend(sources.into_iter().map(|(source, ids)| format!("{}: {source}", ids.join(", "))));
    lines
}

/// The paper, and what of it, that a figure is from or of.
fn source(experiment: &str, id: &str) -> &'static str {
    match (experiment, id) {
        ("dense", "R1" | "R2") => {
            "the classical network: Hopfield 1982; overlaps at its capacity: Amit, Gutfreund & Sompolinsky 1985; one-step errors by the Gaussian law"
        }
        ("dense", "R3" | "R4") => {
            "polynomial and rectified interactions: Krotov & Hopfield 2016, errors of one update"
        }
        ("dense", "R5") => "the exponential interaction: Demircigil et al. 2017",
        ("dense", "R6" | "R7" | "R8") => "the softmax memory: Ramsauer et al. 2021",
        ("dense", "R9" | "R10" | "R11") => "similarities on damaged images: Millidge et al. 2022",
        ("dense", "R12") => "minima beside the patterns, Epanechnikov energy: Hoover et al. 2025",
        ("dense", _) => "descent and exact recall: Ramsauer et al. 2021; Hu et al. 2023; Santos et al. 2024",
        ("drdam", "F3") => "Hoover et al. 2024 (dense memory through random features), figure 3",
        ("drdam", "F5") => "Hoover et al. 2024 (dense memory through random features), figure 5",
        ("drdam", _) => "Hoover et al. 2024 (dense memory through random features)",
        ("uhop", _) => "separation of memories: Wu et al. 2024 (U-Hop), Hu et al. 2024 (U-Hop+)",
        ("capacity", "15.5") => {
            "images recalled by number and damage: Millidge et al. 2022; exact nearest neighbour by its own law"
        }
        ("capacity", _) => {
            "closed forms of capacity: McEliece et al. 1987, Krotov & Hopfield 2016, Demircigil et al. 2017, Ramsauer et al. 2021, Lucibello & Mezard 2024"
        }
        _ => "see the documentation of the experiment",
    }
}

fn row(f: &Figure, ids: usize, wide: usize) -> String {
    let formula = f.formula.map_or(String::new(), number);
    let off = f.deviation();
    let off = if off.is_nan() {
        String::new()
    } else if off.is_finite() && off < 1e3 {
        format!("{off:.1}")
    } else {
        "far".to_owned()
    };
    let mark = if f.deviation() > FAR { "!" } else { "" };
    format!(
        "{:<ids$} {:<wide$} {:<40} {:>10} {:>10} {:>9} {:>10} {:>5}{mark}",
        f.id,
        f.setting,
        f.metric,
        number(f.published),
        number(f.got),
        number(f.error),
        formula,
        off
    )
}

/// A number with the digits that matter.
fn number(v: f64) -> String {
    match v.abs() {
        0.0 => "0".to_owned(),
        s if s.is_nan() => "-".to_owned(),
        s if s < 1e-4 => format!("{v:.1e}"),
        s if s < 0.01 => format!("{v:.5}"),
        s if s < 10.0 => format!("{v:.4}"),
        s if v.fract() == 0.0 || s >= 1000.0 => format!("{v:.0}"),
        _ => format!("{v:.3}"),
    }
}

fn json(experiment: &str, f: &Figure) -> serde_json::Value {
    serde_json::json!({
        "id": f.id, "source": source(experiment, f.id), "setting": f.setting, "figure": f.metric, "published": f.published, "value": f.got,
        "standard_error": f.error, "formula": f.formula, "standard_errors_off": f.deviation(),
    })
}
