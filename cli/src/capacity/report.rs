//! The report: one page that needs nothing else.

use super::{
    Experiment,
    figures::{Chapter, Figure, colour, main_criterion, shown},
    record::{rate, short},
    row_name,
    text::{asks, count, damage, symbols},
};
use crate::chart::text::escaped;
use attractor::capacity::{Capacity, Growth, Summary};
use std::fmt::Write;

const STYLE: &str = "\
body{font:16px/1.55 Georgia,'Times New Roman',serif;color:#222;background:#fff;margin:0 auto;max-width:1120px;padding:32px 24px 64px}
h1{font-size:30px;line-height:1.2;margin:0 0 6px}h2{font-size:21px;margin:44px 0 8px;border-bottom:1px solid #ddd;padding-bottom:4px}
p,li{max-width:46em}sup{line-height:0;font-size:.72em}li{margin:5px 0}ul{padding-left:1.1em;list-style:none}p.lead{font-size:18px;color:#444}code{font:13px/1.4 ui-monospace,Menlo,Consolas,monospace;background:#f5f5f3;padding:1px 4px;border-radius:3px}
pre{font:13px/1.45 ui-monospace,Menlo,Consolas,monospace;background:#f5f5f3;padding:10px 14px;border-radius:4px;white-space:pre-wrap;overflow-wrap:anywhere}
table{border-collapse:collapse;font:13.5px/1.4 Helvetica,Arial,sans-serif;margin:10px 0}th,td{padding:4px 12px 4px 0;text-align:right;vertical-align:top;font-variant-numeric:tabular-nums}
th{border-bottom:1.5px solid #444;font-weight:600}td{border-bottom:1px solid #eee}th.l,td.l{text-align:left}.wide{overflow-x:auto}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(480px,1fr));gap:18px}.grid svg{width:100%;height:auto}
.dot{display:inline-block;width:10px;height:10px;border-radius:5px;margin-right:7px}.note{color:#666;font-size:14px}
details{margin:12px 0}summary{cursor:pointer;font:14px Helvetica,Arial,sans-serif;color:#0072b2}
@media(max-width:560px){.grid{grid-template-columns:1fr}}@media print{body{max-width:none}details{display:none}.grid svg{break-inside:avoid}}";

/// The page.
pub(crate) fn html(experiment: &Experiment, figures: &[Figure]) -> String {
    let plan = &experiment.plan;
    let mut models: Vec<String> = plan.models.iter().map(ToString::to_string).collect();
    models.dedup();
    let title = format!("Capacity of {}", list(&models));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>{0}</title><style>{STYLE}</style></head><body>\n<h1>{0}</h1>\n",
        escaped(&title)
    );
    page += &lead(experiment);
    page += "<h2>In numbers</h2>\n";
    page += &headline(experiment);
    chapter(
        &mut page,
        figures,
        Chapter::Success,
        "Success against the number of patterns",
        "Points are shares of queries that succeed, over all seeds; bands are intervals of 95 % for a bank yet to be drawn, by the spread between the banks of the seeds (Wilson's, with the design effect and Student's t). The dashed grey curve is the exact chance that the \
         pattern nearest to the query is the right one: no memory can do better. Dotted vertical lines are predicted N\u{2085}\u{2080}. Thin dotted heights are 95 % and 50 %.",
    );
    chapter(
        &mut page,
        figures,
        Chapter::Growth,
        "Growth with the dimension",
        "N\u{2085}\u{2080} with its interval of 95 %; dotted lines are least squares of ln N\u{2085}\u{2080} on d, dashed lines are theory. An open circle with an arrow says that the grid ended before half of the queries failed.",
    );
    page += &fits(experiment);
    chapter(
        &mut page,
        figures,
        Chapter::Mixing,
        "What final states are made of",
        "Participation counts the patterns that share the weight at the end of a recall: 1 is a pattern alone. A state that is shorter than its pattern mixes many: the pattern of most weight may still be the right one while the state is not.",
    );
    page += &mixing(experiment);
    chapter(
        &mut page,
        figures,
        Chapter::Cost,
        "What it is worth and what it costs",
        "Information that recalls of all stored patterns add to what the cues say by themselves: of bits N d ((1 - H(w)) - I), with the share w of bits that are wrong at the end, the binary entropy H, and what a cue says of a bit, I (1 - H(f) for flips of a share f, 1 - f for masks, the capacity of the binary-input Gaussian channel for noise; Shannon 1948, Cover and Thomas, Elements of Information Theory, chapters 7 and 9); of real patterns N (log2 N - H(p) - (1 - p) log2(N - 1)) for a share p of right recalls (Fano). Capacity that is exponential per neuron is not so per stored number: a memory that keeps its patterns keeps N d numbers.",
    );
    page += &radii(experiment);
    page += &patterns(experiment);
    page += "<h2>How it was run</h2>\n";
    _ = writeln!(page, "<pre>{}</pre>", escaped(&experiment.command));
    page += &settings(experiment);
    page += &points(experiment);
    page + "</body></html>\n"
}

/// Words as a list.
fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn lead(experiment: &Experiment) -> String {
    let plan = &experiment.plan;
    let n = (plan.n.first().copied().unwrap_or(0), plan.n.last().copied().unwrap_or(0));
    let text = format!(
        "{} to {} {} patterns in {} dimensions were stored, and {} queries from each of {} {} asked for them: patterns {}.",
        n.0,
        count(n.1 as f64),
        plan.ensemble,
        list(&plan.d.iter().map(ToString::to_string).collect::<Vec<_>>()),
        plan.queries,
        plan.seeds.len(),
        if plan.seeds.len() == 1 { "seed" } else { "seeds" },
        list(&plan.corruptions.iter().map(|c| damage(*c)).collect::<Vec<_>>()),
    );
    let meaning: Vec<String> = plan
        .criteria
        .iter()
        .map(|c| format!("<b>{}</b>, where {}", escaped(&c.to_string()), asks(*c)))
        .collect();
    let mut out = format!(
        "<p class=\"lead\">{} A recall is a success by {}.</p>\n<ul>\n",
        escaped(&text),
        meaning.join("; by ")
    );
    findings(experiment).iter().for_each(|f| out += &format!("<li>{f}</li>\n"));
    out + "</ul>\n"
}

/// What the experiment has found, in sentences: how much each memory holds by the first criterion, and how that grows.
fn findings(experiment: &Experiment) -> Vec<String> {
    let main = main_criterion(experiment);
    let mut all = Vec::new();
    // One damage is enough for a beginning; the tables have the others.
    let first = experiment.plan.corruptions[0];
    for s in experiment.summaries.iter().filter(|s| s.criterion == main && s.series.corruption == first) {
        let Some(dim) = s.dims.last() else { continue };
        let mut text = format!("{}<b>{}</b>", dot(experiment, s), escaped(&symbols(&row_name(&s.series))));
        if experiment.plan.corruptions.len() > 1 {
            text += &format!(" ({})", s.series.corruption);
        }
        text += &match dim.n50 {
            Some(Capacity::At { n, .. }) => {
                format!(": half of the queries find their pattern among {} (d = {})", count(n), dim.d)
            }
            Some(Capacity::AtLeast(n)) => {
                format!(
                    ": more than half of the queries still find their pattern among {} (d = {})",
                    count(n as f64),
                    dim.d
                )
            }
            Some(Capacity::Below(n)) => {
                format!(": fewer than half of the queries find their pattern among {n} (d = {})", dim.d)
            }
            None => continue,
        };
        let ceiling = dim.laws.iter().find(|l| l.curve.is_some() && l.at.is_finite());
        if let (Some(law), Some(n)) = (ceiling, dim.n50.and_then(Capacity::value)) {
            text += &match 100.0 * n / law.at {
                share if share < 1.0 => format!(", where the nearest pattern allows {}", count(law.at)),
                share => format!(", {share:.0} % of the {} that the nearest pattern allows", count(law.at)),
            };
        }
        if let Ok(fit) = &s.exponential {
            text += &format!("; N\u{2085}\u{2080} grows as e<sup>{:.3} d</sup>", fit.slope);
            if let Some((name, law)) = &s.law {
                text += &format!(" (law: {name}, e<sup>{:.3} d</sup>)", law.slope);
            }
        }
        all.push(text + ".");
    }
    all
}

/// Capacities at the largest dimension.
fn headline(experiment: &Experiment) -> String {
    let plan = &experiment.plan;
    let mut out = String::from(
        "<div class=\"wide\"><table><tr><th class=\"l\">memory</th><th class=\"l\">damage</th><th class=\"l\">criterion</th><th>d</th>\
         <th>N\u{2089}\u{2085}</th><th>N\u{2085}\u{2080}</th><th>95 % interval</th><th>theory</th><th class=\"l\">which</th></tr>\n",
    );
    for s in shown(experiment) {
        let Some(dim) = s.dims.last() else { continue };
        let interval = match dim.n50 {
            Some(Capacity::At { low, high, .. }) if high.is_infinite() => format!("{} or more", count(low)),
            Some(Capacity::At { low, high, .. }) => format!("{} \u{2013} {}", count(low), count(high)),
            _ => String::new(),
        };
        let law = dim.laws.iter().find(|l| !l.ceiling).or(dim.laws.first());
        _ = writeln!(
            out,
            "<tr><td class=\"l\">{}{}</td><td class=\"l\">{}</td><td class=\"l\">{}</td><td>{}</td><td>{}</td><td><b>{}</b></td><td>{interval}</td><td>{}</td><td class=\"l\">{}</td></tr>",
            dot(experiment, s),
            escaped(&symbols(&row_name(&s.series))),
            s.series.corruption,
            s.criterion(plan),
            dim.d,
            known(dim.n95),
            known(dim.n50),
            law.map_or(String::new(), |l| count(l.at)),
            law.map_or("", |l| l.name),
        );
    }
    out + "</table></div>\n<p class=\"note\">N\u{2089}\u{2085}: the largest number of patterns of the grid up to which 95 % succeed. N\u{2085}\u{2080}: where half succeed, between two points of the grid by a line of ln(\u{2212}ln p) in ln N; its interval is where the ends of the points\u{2019} intervals pass one half. \
           \u{2265} and &lt; mark ends of the grid.</p>\n"
}

/// A capacity, or what is known of it.
fn known(capacity: Option<Capacity>) -> String {
    match capacity {
        None => String::new(),
        Some(Capacity::At { n, .. }) => count(n),
        Some(Capacity::AtLeast(n)) => format!("\u{2265}&#8201;{}", count(n as f64)),
        Some(Capacity::Below(n)) => format!("&lt;&#8201;{}", count(n as f64)),
    }
}

fn dot(experiment: &Experiment, s: &Summary) -> String {
    format!("<span class=\"dot\" style=\"background:{}\"></span>", colour(experiment, &s.series))
}

fn chapter(page: &mut String, figures: &[Figure], which: Chapter, title: &str, text: &str) {
    let of = |first: bool| figures.iter().filter(move |f| f.chapter == which && f.first == first);
    if of(true).next().is_none() {
        return;
    }
    _ = writeln!(page, "<h2>{title}</h2>\n<p>{text}</p>");
    let grid = |page: &mut String, first: bool| {
        page.push_str("<div class=\"grid\">\n");
        of(first).for_each(|f| page.push_str(&f.svg));
        page.push_str("</div>\n");
    };
    grid(page, true);
    if of(false).next().is_some() {
        page.push_str("<details><summary>The other dimensions</summary>\n");
        grid(page, false);
        page.push_str("</details>\n");
    }
}

fn fits(experiment: &Experiment) -> String {
    let plan = &experiment.plan;
    if plan.d.len() < 2 {
        return String::new();
    }
    let mut out = String::from(
        "<div class=\"wide\"><table><tr><th class=\"l\">memory</th><th class=\"l\">damage</th><th class=\"l\">criterion</th><th>nats per dimension</th><th>95 % interval</th>\
         <th>R\u{b2}</th><th>by theory</th><th>power of d</th><th>R\u{b2}</th></tr>\n",
    );
    for s in shown(experiment) {
        let start = format!(
            "<tr><td class=\"l\">{}{}</td><td class=\"l\">{}</td><td class=\"l\">{}</td>",
            dot(experiment, s),
            escaped(&symbols(&row_name(&s.series))),
            s.series.corruption,
            s.criterion(plan)
        );
        out += &start;
        match (&s.exponential, &s.power) {
            (Ok(e), Ok(p)) => {
                debug_assert_eq!((e.growth, p.growth), (Growth::Exponential, Growth::Power));
                let law = s.law.as_ref().map_or(String::new(), |(_, f)| format!("{:.4}", f.slope));
                _ = writeln!(
                    out,
                    "<td><b>{:.4}</b></td><td>{:.4} \u{2013} {:.4}</td><td>{:.4}</td><td>{law}</td><td>{:.2}</td><td>{:.4}</td></tr>",
                    e.slope, e.slope_low, e.slope_high, e.r_squared, p.slope, p.r_squared
                );
            }
            (Err(why), _) | (_, Err(why)) => {
                _ = writeln!(out, "<td class=\"l\" colspan=\"6\">{}</td></tr>", escaped(why));
            }
        }
    }
    out + "</table></div>\n"
}

/// Classes and support at the largest dimension, for the numbers of patterns about the capacity.
fn mixing(experiment: &Experiment) -> String {
    let Some(d) = experiment.plan.d.last() else { return String::new() };
    let mut rows = String::new();
    for outcome in experiment.outcomes.iter().filter(|o| o.series.d == *d) {
        let points = outcome.points.first().map_or(&[][..], Vec::as_slice);
        // A few along the curve: the first, the last, and what lies between.
        let step = points.len().div_ceil(5).max(1);
        for p in points.iter().skip((points.len().max(1) - 1) % step).step_by(step) {
            let Some(m) = &p.cell.mixing else { continue };
            let shares: Vec<String> =
                m.histogram[1..].iter().map(|h| format!("<td>{:.0}</td>", 100.0 * h)).collect();
            _ = writeln!(
                rows,
                "<tr><td class=\"l\">{}</td><td class=\"l\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.3}</td>{}</tr>",
                escaped(&symbols(&row_name(&outcome.series))),
                outcome.series.corruption,
                p.n,
                m.class(p.n),
                short(m.k90),
                short(m.participation),
                p.cell.length,
                shares.concat()
            );
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let counts: String = (1..=10).map(|k| format!("<th>{k}</th>")).collect();
    format!(
        "<details><summary>Classes of mixing and sizes of supports, d = {d}</summary><p class=\"note\">Class I: 90 % of the weight on more than half of the patterns, \
         II: an eighth, III: a 32nd, IV: fewer (median over queries). Columns 1 to &gt;10: per cent of queries with so many patterns of weight above 0.01.</p>\n\
         <div class=\"wide\"><table><tr><th class=\"l\">memory</th><th class=\"l\">damage</th><th>N</th><th>class</th><th>k\u{2089}\u{2080}</th><th>participation</th><th>|x|/|\u{3be}|</th>{counts}<th>&gt;10</th></tr>\n{rows}</table></div></details>\n"
    )
}

fn radii(experiment: &Experiment) -> String {
    if experiment.radii.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "<h2>How far one may start</h2>\n<p>The largest distance from a pattern at which 95 % of starts in random directions recover it, over patterns; beside it half the distance to the \
         nearest other pattern, which bounds what <em>all</em> starts can do, and the radius that theory certifies.</p>\n<div class=\"wide\"><table><tr><th class=\"l\">memory</th><th>N</th><th>d</th>\
         <th>5 %</th><th>median</th><th>95 %</th><th>half the nearest distance (median)</th><th>certified</th><th class=\"l\">unit</th></tr>\n",
    );
    for r in &experiment.radii {
        let number = |v: &serde_json::Value| v.as_f64().map_or(String::new(), |v| format!("{v:.3}"));
        _ = writeln!(
            out,
            "<tr><td class=\"l\">{}</td><td>{}</td><td>{}</td><td>{}</td><td><b>{}</b></td><td>{}</td><td>{}</td><td>{}</td><td class=\"l\">{}</td></tr>",
            escaped(r["memory"].as_str().unwrap_or_default()),
            r["n"],
            r["d"],
            number(&r["q05"]),
            number(&r["median"]),
            number(&r["q95"]),
            number(&r["half_nearest"]),
            number(&r["certified"]),
            escaped(r["unit"].as_str().unwrap_or_default()),
        );
    }
    out + "</table></div>\n"
}

fn patterns(experiment: &Experiment) -> String {
    let mut out = String::from(
        "<h2>How the patterns stand to each other</h2>\n<p>Correlated patterns hold far less than random ones of the same size.</p>\n<div class=\"wide\"><table><tr><th>d</th><th>looked at</th>\
         <th>mean |cos|</th><th>largest cos</th><th>least separation |\u{3be}|\u{b2} \u{2212} \u{3be}\u{b7}\u{3be}\u{2032}</th><th>lengths</th><th>copies</th></tr>\n",
    );
    for (d, b) in &experiment.banks {
        _ = writeln!(
            out,
            "<tr><td>{d}</td><td>{}</td><td>{:.4}</td><td>{:.4}</td><td>{}</td><td>{} \u{2013} {}</td><td>{}</td></tr>",
            b.sampled,
            b.mean_cosine,
            b.max_cosine,
            short(b.min_separation),
            short(b.lengths[0]),
            short(b.lengths[1]),
            b.copies
        );
    }
    out + "</table></div>\n"
}

fn settings(experiment: &Experiment) -> String {
    let plan = &experiment.plan;
    let rows = [
        ("version", format!("attractor {}", env!("CARGO_PKG_VERSION"))),
        ("device", plan.device.to_string()),
        ("seeds", format!("{:?}", plan.seeds)),
        ("queries per cell", plan.queries.to_string()),
        ("time", format!("{:.1} s", experiment.seconds)),
    ];
    let rows: String = rows
        .iter()
        .map(|(n, v)| format!("<tr><td class=\"l\">{n}</td><td class=\"l\">{}</td></tr>", escaped(v)))
        .collect();
    format!(
        "<table>{rows}</table>\n<p class=\"note\">Patterns of a seed are nested prefixes; every memory at every temperature got the same patterns and the same queries. Numbers come from a \
             generator with a counter, so the same command gives the same counts again.</p>\n"
    )
}

fn points(experiment: &Experiment) -> String {
    let mut out = String::from(
        "<details><summary>All points</summary><div class=\"wide\"><table><tr><th class=\"l\">memory</th><th class=\"l\">damage</th><th class=\"l\">criterion</th><th>d</th><th>N</th><th>successes</th><th>share</th>\
         <th>95 % interval</th><th>cosine</th><th>updates</th><th>queries/s</th><th>bits/neuron</th><th>bits/parameter</th></tr>\n",
    );
    for outcome in &experiment.outcomes {
        for p in outcome.points.iter().flatten() {
            let (low, high) = p.banks().interval();
            _ = writeln!(
                out,
                "<tr><td class=\"l\">{}</td><td class=\"l\">{}</td><td class=\"l\">{}</td><td>{}</td><td>{}</td><td>{} of {}</td><td>{:.3}</td><td>{low:.3} \u{2013} {high:.3}</td><td>{:.3}</td><td>{:.1}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(&symbols(&row_name(&outcome.series))),
                outcome.series.corruption,
                p.criterion,
                outcome.series.d,
                p.n,
                p.trials.successes,
                p.trials.trials,
                p.trials.share(),
                p.cell.cosine,
                p.cell.updates,
                rate(p).map_or(String::new(), short),
                short(p.bits_per_neuron),
                short(p.bits_per_parameter)
            );
        }
    }
    out + "</table></div></details>\n"
}
