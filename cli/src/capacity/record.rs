//! Results as JSON and as CSV.

use super::{Experiment, figures::shown, journal::mixing_json, row_name};
use attractor::capacity::{Capacity, Fit, Law, Outcome, Point};
use serde_json::{Value, json};

/// A capacity with its interval, or what is known of it.
pub(crate) fn capacity(capacity: Option<Capacity>) -> Value {
    match capacity {
        None => Value::Null,
        // JSON has no infinity: an interval that the grid does not close has no end.
        Some(Capacity::At { n, low, high }) => {
            json!({ "n": n, "low": low, "high": high.is_finite().then_some(high), "censored": null })
        }
        Some(Capacity::AtLeast(n)) => json!({ "n": n, "censored": "at least" }),
        Some(Capacity::Below(n)) => json!({ "n": n, "censored": "below" }),
    }
}

fn fit(fit: &Result<Fit, String>) -> Value {
    match fit {
        Ok(f) => json!({
            "growth": f.growth.name(), "slope": f.slope, "slope_low": f.slope_low, "slope_high": f.slope_high,
            "intercept": f.intercept, "r_squared": f.r_squared, "points": f.points,
        }),
        Err(why) => json!({ "refused": why }),
    }
}

fn law(law: &Law) -> Value {
    // JSON has no infinity.
    json!({ "name": law.name, "ceiling": law.ceiling, "n": law.at.is_finite().then_some(law.at) })
}

fn point(experiment: &Experiment, outcome: &Outcome, p: &Point) -> Value {
    let (series, cell) = (&outcome.series, &p.cell);
    let (low, high) = p.banks().interval();
    let ensemble = &experiment.plan.ensemble;
    json!({
        "memory": series.model.to_string(),
        "ensemble": ensemble.to_string(),
        "corruption": series.corruption.to_string(),
        "criterion": p.criterion.to_string(),
        "n": p.n,
        "d": series.d,
        "beta": cell.beta,
        "lambda": series.lambda(ensemble),
        "steps": series.schedule.to_string(),
        "trials": p.trials.trials,
        "successes": p.trials.successes,
        "share": p.trials.share(),
        "low": low,
        "high": high,
        "by_seed": p.seeds.iter().map(|t| t.successes).collect::<Vec<_>>(),
        "shared_ties": p.shared,
        "ties": cell.ties,
        "failed": cell.failed,
        "copies": cell.copies,
        "cosine": cell.cosine,
        "end_cosine": cell.end_cosine,
        "length": cell.length,
        "wrong_signs": cell.wrong_signs,
        "updates": cell.updates,
        "participation": cell.participation.or(cell.mixing.as_ref().map(|m| m.participation)),
        "mixing": cell.mixing.as_ref().map(|m| {
            let mut value = mixing_json(m);
            value["class"] = json!(m.class(p.n).to_string());
            value
        }),
        "seconds": cell.seconds,
        "queries_per_second": rate(p),
        "bits_per_neuron": p.bits_per_neuron,
        "bits_per_parameter": p.bits_per_parameter,
    })
}

/// Queries per second of recall, where it took time that can be told.
pub(crate) fn rate(p: &Point) -> Option<f64> {
    (p.cell.seconds > 0.0).then(|| p.cell.trials as f64 / p.cell.seconds)
}

/// Everything.
pub(crate) fn json(experiment: &Experiment) -> Value {
    let plan = &experiment.plan;
    let points: Vec<Value> = experiment
        .outcomes
        .iter()
        .flat_map(|outcome| outcome.points.iter().flatten().map(|p| point(experiment, outcome, p)))
        .collect();
    let summaries: Vec<Value> = experiment
        .summaries
        .iter()
        .map(|s| {
            let dims: Vec<Value> = s
                .dims
                .iter()
                .map(|dim| {
                    json!({
                        "d": dim.d,
                        "n95": capacity(dim.n95),
                        "n50": capacity(dim.n50),
                        "theory": dim.laws.iter().map(law).collect::<Vec<_>>(),
                        "stopped": experiment.outcomes[dim.outcome].stopped,
                    })
                })
                .collect();
            json!({
                "memory": s.series.model.to_string(),
                "corruption": s.series.corruption.to_string(),
                "criterion": s.criterion(plan).to_string(),
                "temperature": s.series.heat.map(|h| h.to_string()),
                "steps": s.series.schedule.to_string(),
                "capacities": dims,
                "fits": { "exponential": fit(&s.exponential), "power": fit(&s.power) },
                "theory_slope": s.law.as_ref().map(|(name, f)| json!({ "name": name, "slope": f.slope })),
            })
        })
        .collect();
    let banks: Vec<Value> = experiment
        .banks
        .iter()
        .map(|(d, b)| {
            json!({
                "d": d, "sampled": b.sampled, "mean_cosine": b.mean_cosine, "max_cosine": b.max_cosine,
                "min_separation": b.min_separation, "length_least": b.lengths[0], "length_most": b.lengths[1], "copies": b.copies,
            })
        })
        .collect();
    json!({
        "ensemble": plan.ensemble.to_string(),
        "device": plan.device.to_string(),
        "queries": plan.queries,
        "seeds": plan.seeds,
        "seconds": experiment.seconds,
        "patterns": banks,
        "points": points,
        "summaries": summaries,
        "radii": experiment.radii,
    })
}

/// Columns of the table of points.
const COLUMNS: [&str; 26] = [
    "memory",
    "ensemble",
    "corruption",
    "criterion",
    "n",
    "d",
    "beta",
    "lambda",
    "steps",
    "trials",
    "successes",
    "share",
    "low",
    "high",
    "shared_ties",
    "ties",
    "failed",
    "cosine",
    "end_cosine",
    "length",
    "updates",
    "seconds",
    "queries_per_second",
    "bits_per_neuron",
    "bits_per_parameter",
    "k90",
];

/// The points as CSV.
pub(crate) fn csv(experiment: &Experiment) -> String {
    let mut text = COLUMNS.join(",") + "\n";
    for outcome in &experiment.outcomes {
        for p in outcome.points.iter().flatten() {
            let value = point(experiment, outcome, p);
            let field = |name: &&str| match (*name, &value[*name]) {
                ("k90", _) => value["mixing"]["k90"].as_f64().map_or(String::new(), |k| k.to_string()),
                (_, Value::String(s)) if s.contains([',', '"']) => format!("\"{}\"", s.replace('"', "\"\"")),
                (_, Value::String(s)) => s.clone(),
                (_, Value::Null) => String::new(),
                (_, v) => v.to_string(),
            };
            text += &COLUMNS.iter().map(field).collect::<Vec<_>>().join(",");
            text.push('\n');
        }
    }
    text
}

/// What a terminal shows: a line for each memory, criterion and dimension.
pub(crate) fn table(experiment: &Experiment) -> Vec<String> {
    let plan = &experiment.plan;
    let wide = experiment.summaries.iter().map(|s| row_name(&s.series).len()).max().unwrap_or(0).max(8);
    let damaged = plan.corruptions.iter().map(|c| c.to_string().len()).max().unwrap_or(0).max(6);
    let judged = plan.criteria.iter().map(|c| c.to_string().len()).max().unwrap_or(0).max(9);
    let mut lines = vec![format!(
        "{:<wide$} {:<damaged$} {:<judged$} {:>5} {:>10} {:>10} {:>21}  theory for N50",
        "memory", "damage", "criterion", "d", "N95", "N50", "95 % interval"
    )];
    for s in shown(experiment) {
        for dim in &s.dims {
            let interval = match dim.n50 {
                Some(Capacity::At { low, high, .. }) if high.is_infinite() => {
                    format!("{} or more", short(low))
                }
                Some(Capacity::At { low, high, .. }) => format!("{} to {}", short(low), short(high)),
                _ => String::new(),
            };
            let laws: Vec<String> =
                dim.laws.iter().map(|l| format!("{} ({})", short(l.at), l.name)).collect();
            lines.push(format!(
                "{:<wide$} {:<damaged$} {:<judged$} {:>5} {:>10} {:>10} {:>21}  {}",
                row_name(&s.series),
                s.series.corruption.to_string(),
                s.criterion(plan).to_string(),
                dim.d,
                brief(dim.n95),
                brief(dim.n50),
                interval,
                laws.join(", ")
            ));
        }
    }
    for s in shown(experiment) {
        if let Ok(f) = &s.exponential {
            let law = s
                .law
                .as_ref()
                .map_or(String::new(), |(name, l)| format!("; {:.4} by theory ({name})", l.slope));
            lines.push(format!(
                "growth of {}, {}, {}: ln N50 = {:.3} + {:.4} d (slope {:.4} to {:.4}, R^2 {:.4}){law}",
                row_name(&s.series),
                s.series.corruption,
                s.criterion(plan),
                f.intercept,
                f.slope,
                f.slope_low,
                f.slope_high,
                f.r_squared
            ));
        }
    }
    lines
}

/// A capacity in a few characters.
pub(crate) fn brief(capacity: Option<Capacity>) -> String {
    match capacity {
        None => "-".to_owned(),
        Some(Capacity::At { n, .. }) => short(n),
        Some(Capacity::AtLeast(n)) => format!(">={}", short(n as f64)),
        Some(Capacity::Below(n)) => format!("<{}", short(n as f64)),
    }
}

/// A number in about four digits.
pub(crate) fn short(v: f64) -> String {
    match v.abs() {
        s if !s.is_finite() => "unlimited".to_owned(),
        0.0 => "0".to_owned(),
        s if s >= 1e6 => {
            let text = format!("{v:.2e}");
            text.replace(".00e", "e")
        }
        s if s >= 1000.0 || v.fract() == 0.0 => format!("{v:.0}"),
        s if s >= 100.0 => format!("{v:.1}"),
        s if s >= 1.0 => format!("{v:.2}"),
        s if s >= 1e-3 => format!("{v:.4}"),
        _ => format!("{v:.1e}"),
    }
}
