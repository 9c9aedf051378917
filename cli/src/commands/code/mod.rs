//! `attractor code`

mod plot;

use crate::{
    arguments,
    failure::{Failure, Result, in_file},
    input,
    output::{line, shown},
    progress::Progress,
};
use attractor::{
    Matrix,
    codes::{
        Bounds, CodeOptions, KnownCode, Measure, Optimum, certified_beta, known_optimum, measure, optimize,
        random_gap,
    },
    io::{Array, ArrayData, check_writable, check_writable_bytes, write, write_bytes},
};

/// Starts that end within this share of the best gap have found the same, or as good.
const ALIKE: f64 = 0.999;

/// Points, their angles, and what is known of the best there could be.
struct Report {
    title: String,
    points: Matrix,
    measure: Measure,
    known: Option<Optimum>,
    bounds: Bounds,
    /// The gap of each start of a search.
    starts: Vec<f64>,
    /// The shortest and the longest of given points.
    lengths: Option<(f64, f64)>,
}

pub(crate) fn run(arguments: &arguments::code::Code) -> Result<()> {
    if arguments.list {
        return list(arguments);
    }
    if let Some(path) = &arguments.out {
        check_writable(path)?;
    }
    if let Some(path) = &arguments.plot {
        check_writable_bytes(path)?;
    }
    let report = report(arguments)?;
    if let Some(path) = &arguments.out {
        let shape = vec![report.points.rows, report.points.columns];
        write(path, &[Array { name: "points", shape, data: ArrayData::F64(&report.points.data) }])?;
    }
    if let Some(path) = &arguments.plot {
        write_bytes(
            path,
            plot::code(&report.title, &report.points, &report.measure, report.known, report.bounds)
                .as_bytes(),
        )?;
    }
    if arguments.common.json {
        return line(&format!("{:#}", json(arguments, &report)?));
    }
    if arguments.common.quiet {
        return Ok(());
    }
    print(&report)?;
    for path in [&arguments.out, &arguments.plot].into_iter().flatten() {
        line(&format!("written: {}", path.display()))?;
    }
    Ok(())
}

/// Every known code.
fn list(arguments: &arguments::code::Code) -> Result<()> {
    let codes = KnownCode::all();
    if arguments.common.json {
        let code = |c: &KnownCode| {
            serde_json::json!({
                "name": c.name, "points": c.points(), "dim": c.dim(), "cosine": c.cosine(),
                "proven": c.is_proven(), "what": c.what,
            })
        };
        return line(&format!(
            "{:#}",
            serde_json::json!({ "codes": codes.iter().map(code).collect::<Vec<_>>() })
        ));
    }
    line(&format!(
        "{:<16} {:>6} {:>4} {:>18} {:>12}  {}",
        "name", "points", "dim", "cosine", "angle", "what"
    ))?;
    for c in codes {
        let proven = if c.is_proven() { "" } else { " (best known, not proven)" };
        line(&format!(
            "{:<16} {:>6} {:>4} {:>18.15} {:>11.6}\u{b0}  {}{proven}",
            c.name,
            c.points(),
            c.dim(),
            c.cosine(),
            c.cosine().acos().to_degrees(),
            c.what
        ))?;
    }
    line("and polygon:N, simplex:N,D for up to D + 1 points, orthoplex:N,D for up to 2 D")
}

fn report(arguments: &arguments::code::Code) -> Result<Report> {
    let (title, points, starts, lengths) = match (&arguments.known, &arguments.measure, arguments.points) {
        (Some(name), _, _) => {
            let code =
                KnownCode::find(name).map_err(|e| Failure::from(e).renamed("known code", "--known"))?;
            (code.what.to_owned(), code.build(), Vec::new(), None)
        }
        (None, Some(path), _) => {
            let (values, columns) =
                input::open(path)?.matrix_f64(&["points", "patterns", "state", "states"])?;
            let rows = values.len().checked_div(columns).unwrap_or(0);
            let points = Matrix { data: values, rows, columns };
            let lengths = lengths(&points);
            (path.display().to_string(), points, Vec::new(), Some(lengths))
        }
        (None, None, points) => {
            let progress =
                Progress::new("looking for a code", arguments.common.quiet || arguments.common.json);
            let tell = |done, total| progress.tell(done, total);
            let options = CodeOptions {
                starts: arguments.starts,
                seed: arguments.common.seed,
                progress: Some(&tell),
                ..CodeOptions::default()
            };
            let found = optimize(points.unwrap_or(0), arguments.dim.unwrap_or(0), &options)?;
            ("best arrangement found".to_owned(), found.points, found.gaps, None)
        }
    };
    let files = [("points", arguments.measure.as_deref())];
    let measure = measure(&points).map_err(|e| in_file(&files, e))?;
    let (known, bounds) =
        (known_optimum(measure.points, measure.dim), Bounds::new(measure.points, measure.dim)?);
    Ok(Report { title, points, measure, known, bounds, starts, lengths })
}

/// Of the shortest and of the longest row.
fn lengths(points: &Matrix) -> (f64, f64) {
    let length = |row: &[f64]| row.iter().fold(0.0, |l: f64, v| l.hypot(*v));
    points.iter().map(length).fold((f64::INFINITY, 0.0), |(a, b), l| (a.min(l), b.max(l)))
}

fn degrees(cosine: f64) -> f64 {
    cosine.clamp(-1.0, 1.0).acos().to_degrees()
}

/// The smallest `beta` from which half of the points, and all of them, are provably stored.
fn betas(measure: &Measure) -> Result<(f64, f64)> {
    let mut gaps = measure.gaps.clone();
    gaps.sort_by(f64::total_cmp);
    let beta = |gap: f64| certified_beta(gap, measure.points as f64, 1.0);
    Ok((beta(gaps[gaps.len() / 2])?, beta(gaps[0])?))
}

fn print(report: &Report) -> Result<()> {
    let m = &report.measure;
    line(&format!("{}: {} points in {} dimensions", report.title, m.points, m.dim))?;
    if let Some((shortest, longest)) = report.lengths
        && longest - shortest > 1e-6 * longest
    {
        line(&format!("lengths from {shortest:.4} to {longest:.4}; all are taken at length 1"))?;
    }
    line(&format!(
        "smallest angle {:.6}\u{b0}, cosine {:.12}, gap {:.12}, between points {} and {}",
        m.angle.to_degrees(),
        m.cosine,
        m.gap,
        m.nearest.0,
        m.nearest.1
    ))?;
    if let Some(best) = report.known {
        let proven = if best.proven { "proven best" } else { "best known" };
        line(&format!(
            "{proven} ({}): angle {:.6}\u{b0}, gap {:.12}; this is {:.4} % of that gap",
            best.what,
            degrees(best.cosine),
            1.0 - best.cosine,
            100.0 * m.gap / (1.0 - best.cosine)
        ))?;
    }
    line(&format!(
        "bounds: a gap of {:.6} can be had, none beyond {:.6} ({}; this is {:.2} % of it)",
        report.bounds.exists,
        report.bounds.most,
        report.bounds.by,
        if report.bounds.most > 0.0 { 100.0 * m.gap / report.bounds.most } else { 100.0 }
    ))?;
    if m.dim > 1 {
        line(&format!("as many random points: median gap {:.6}", random_gap(m.points as f64, m.dim)?))?;
    }
    if !report.starts.is_empty() {
        let alike = report.starts.iter().filter(|gap| **gap >= ALIKE * m.gap).count();
        line(&format!(
            "{alike} of {} starts came within {:.1} % of it",
            report.starts.len(),
            100.0 * (1.0 - ALIKE)
        ))?;
    }
    let (half, all) = betas(m)?;
    match all.is_finite() {
        true => line(&format!(
            "a softmax memory of these points provably stores half from beta {half:.3} on, all from {all:.3}"
        ))?,
        false => line("points that coincide are never told apart: no beta stores all of them")?,
    }
    if report.lengths.is_some() {
        print_histogram(m)?;
    }
    Ok(())
}

/// The parts of the histogram that have pairs.
fn print_histogram(m: &Measure) -> Result<()> {
    let most = m.histogram.iter().copied().max().unwrap_or(0).max(1);
    line("pairs by cosine:")?;
    for (bin, count) in m.histogram.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (from, to) = m.part(bin);
        let bar = "#".repeat((40 * count).div_ceil(most) as usize);
        line(&format!("  {from:>5.2} to {to:>5.2} {count:>10} {bar}"))?;
    }
    Ok(())
}

fn json(arguments: &arguments::code::Code, report: &Report) -> Result<serde_json::Value> {
    let m = &report.measure;
    let (half, all) = betas(m)?;
    let beta =
        |gap: &f64| certified_beta(*gap, m.points as f64, 1.0).map(|beta| beta.is_finite().then_some(beta));
    // One a point is for given points: those of a code are all the same, or nearly so.
    let each = match report.lengths {
        Some(_) => Some(m.gaps.iter().map(beta).collect::<attractor::Result<Vec<_>>>()?),
        None => None,
    };
    let finite = |v: f64| v.is_finite().then_some(v);
    Ok(serde_json::json!({
        "what": report.title, "points": m.points, "dim": m.dim,
        "cosine": m.cosine, "angle_degrees": m.angle.to_degrees(), "gap": m.gap,
        "nearest": [m.nearest.0, m.nearest.1],
        "known": report.known.map(|best| serde_json::json!({
            "what": best.what, "cosine": best.cosine, "angle_degrees": degrees(best.cosine), "proven": best.proven,
            "share_of_gap": m.gap / (1.0 - best.cosine),
        })),
        "bounds": { "exists": report.bounds.exists, "most": report.bounds.most, "by": report.bounds.by },
        "random_gap": if m.dim > 1 { Some(random_gap(m.points as f64, m.dim)?) } else { None },
        "starts": report.starts,
        "certified_beta": { "half": finite(half), "all": finite(all), "each": each },
        "lengths": report.lengths.map(|(shortest, longest)| [shortest, longest]),
        "histogram": m.histogram,
        "out": arguments.out.as_deref().map(shown), "plot": arguments.plot.as_deref().map(shown),
    }))
}
