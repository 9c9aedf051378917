//! `attractor capacity`

use crate::{
    arguments::{
        Cli, Command,
        capacity::{Capacity, Numbers},
    },
    capacity::{Experiment, folder, journal::Cells, record, row_name},
    failure::{Failure, Result, in_file},
    input,
    output::{complaint, line},
    progress::Progress,
    stop,
};
use attractor::{
    DeviceName,
    capacity::{
        BankSummary, Corruption, Criterion, Ensemble, Generated, Heat, Model, Plan, Radii, Series,
        half_octaves, plan_radii, run as run_plan, summarize,
    },
};
use clap::Parser;
use serde_json::{Value, json};
use std::{path::Path, time::Instant};

pub(crate) fn run(arguments: &Capacity) -> Result<()> {
    if let (true, Some(folder)) = (arguments.resume && arguments.memory.is_empty(), &arguments.out) {
        return resume(folder, arguments);
    }
    measure(arguments, words().collect())
}

/// What was typed after `attractor`, as text.
fn words() -> impl Iterator<Item = String> {
    std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned())
}

/// The first option beside those that a resumed run may have.
fn superfluous() -> Option<String> {
    let mut words = words();
    while let Some(word) = words.next() {
        let name = word.split('=').next().unwrap_or_default();
        match name {
            "capacity" | "--resume" | "--json" | "--quiet" | "--verbose" | "-v" | "-vv" => {}
            "--out" | "--device" | "--threads" if word == name => drop(words.next()),
            "--out" | "--device" | "--threads" => {}
            _ => return Some(word),
        }
    }
    None
}

/// Goes on with an experiment, with the options that it was started with.
fn resume(folder: &Path, now: &Capacity) -> Result<()> {
    if let Some(word) = superfluous() {
        let message = format!("--resume goes on with the options in {}: leave {word} out", folder.display());
        return Err(Failure::data(message));
    }
    folder::check_format(folder)?;
    let words = folder::arguments(folder)?;
    let given = std::iter::once("attractor".to_owned()).chain(words.iter().cloned());
    let parsed = Cli::try_parse_from(given).map(|cli| cli.command);
    let Ok(Command::Capacity(mut arguments)) = parsed else {
        let message = "its options are not those of this version; start it anew";
        return Err(Failure::data(format!("{}: {message}", folder.display())));
    };
    // The folder may have been moved since.
    arguments.out = Some(folder.to_owned());
    (arguments.common.json, arguments.common.quiet) = (now.common.json, now.common.quiet);
    if now.common.device != DeviceName::Auto {
        arguments.common.device.clone_from(&now.common.device);
    }
    measure(&arguments, words)
}

fn measure(arguments: &Capacity, words: Vec<String>) -> Result<()> {
    let (common, quiet) = (&arguments.common, arguments.common.quiet);
    let plan = plan(arguments)?;
    plan.check()?;
    if let Some(n) = arguments.radius {
        check_radius(&plan, n)?;
    }
    let mut cells = match &arguments.out {
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|source| attractor::Error::File {
                path: folder.clone(),
                action: "make",
                source,
            })?;
            folder::check_format(folder)?;
            let cells = Cells::open(&folder.join("journal.jsonl"))?;
            folder::announce(folder, &words, &plan.device.to_string(), &plan.seeds)?;
            cells
        }
        None => Cells::in_memory(),
    };
    if cells.before > 0 && !quiet {
        complaint(&format!("{} cells were measured before and are kept", cells.before));
    }
    stop::keeps(match &arguments.out {
        Some(folder) => {
            let folder = folder.display();
            format!("finished cells are kept; go on with: attractor capacity --out {folder} --resume")
        }
        None => "nothing is kept without --out".to_owned(),
    });
    let banks = banks(&plan)?;
    let copied = banks.iter().map(|(_, b)| b.copies).max().unwrap_or(0);
    if copied > 0 && !quiet {
        complaint(&format!(
            "{copied} patterns are copies of others; a copy of the right pattern counts as right"
        ));
    }
    let started = Instant::now();
    let progress = Progress::new("measuring", quiet);
    let tell = |done, total| progress.tell(done, total);
    let outcomes = run_plan(&plan, &mut cells, Some(&tell))?;
    drop(progress);
    let mut experiment = Experiment {
        summaries: summarize(&plan, &outcomes)?,
        outcomes,
        banks,
        radii: Vec::new(),
        seconds: started.elapsed().as_secs_f64(),
        command: command(&words),
        plan,
    };
    let write = |experiment: &Experiment| match &arguments.out {
        Some(folder) => folder::write(folder, experiment),
        None => Ok(()),
    };
    write(&experiment)?;
    if let Some(n) = arguments.radius {
        // What has been measured is there already, should this be stopped.
        experiment.radii = radii(&experiment.plan, n)?;
        experiment.seconds = started.elapsed().as_secs_f64();
        write(&experiment)?;
    }
    if common.json {
        line(&format!("{:#}", record::json(&experiment)))?;
    } else if !quiet {
        for text in record::table(&experiment) {
            line(&text)?;
        }
        for r in &experiment.radii {
            line(&format!(
                "radius of {} among {n}, d {}: median {:.3} {} (5 % {:.3}, 95 % {:.3}); half the nearest distance {:.3}",
                r["memory"].as_str().unwrap_or_default(),
                r["d"],
                r["median"].as_f64().unwrap_or(0.0),
                r["unit"].as_str().unwrap_or_default(),
                r["q05"].as_f64().unwrap_or(0.0),
                r["q95"].as_f64().unwrap_or(0.0),
                r["half_nearest"].as_f64().unwrap_or(0.0),
                n = r["n"],
            ))?;
        }
        line(&format!(
            "{} patterns, {} queries of each of {} seeds per number of patterns; {:.1} s on {}",
            experiment.plan.ensemble,
            experiment.plan.queries,
            experiment.plan.seeds.len(),
            experiment.seconds,
            experiment.plan.device
        ))?;
        if let Some(folder) = &arguments.out {
            line(&format!("written: {}", folder.join("report.html").display()))?;
        }
    }
    Ok(())
}

/// Refuses radii that cannot be measured, before anything is.
fn check_radius(plan: &Plan, n: usize) -> Result<()> {
    let most = plan.ensemble.most().unwrap_or(usize::MAX);
    if !(2..=most).contains(&n) {
        let want = format!("a number of patterns from 2 to {most}");
        return Err(attractor::Error::parameter("--radius", n, want).into());
    }
    if plan.models.iter().all(|model| matches!(model, Model::Nearest)) {
        return Err(Failure::data("--radius needs a memory that recalls: nearest has no states that move"));
    }
    Ok(())
}

/// What was typed, for the report.
fn command(words: &[String]) -> String {
    let quoted = |w: &String| if w.contains([' ', '*']) { format!("'{w}'") } else { w.clone() };
    std::iter::once("attractor".to_owned()).chain(words.iter().map(quoted)).collect::<Vec<_>>().join(" ")
}

/// The plan that the arguments describe.
fn plan(arguments: &Capacity) -> Result<Plan> {
    // One of them that holds nothing but bits leaves no choice, nor does damage that turns them.
    let turned = arguments.corruption.iter().any(|c| matches!(c, Corruption::Flip(_)));
    let bits = turned || arguments.memory.iter().any(Model::stores_bits);
    let ensemble = ensemble(arguments, bits)?;
    let bipolar = ensemble.is_bipolar();
    let n = match (&arguments.n, ensemble.most()) {
        (Some(Numbers(list)), _) => list.clone(),
        (None, Some(most)) => {
            // All of them too: a code is a code as a whole.
            let mut n = half_octaves(most as u64);
            n.extend((n.last() != Some(&(most as u64))).then_some(most as u64));
            n
        }
        (None, None) => half_octaves(32_768),
    };
    let d = match (arguments.d.is_empty(), ensemble.dim()) {
        (false, _) => arguments.d.clone(),
        (true, Some(d)) => vec![d],
        (true, None) => vec![8, 10, 12, 14, 16],
    };
    let given = |list: &Vec<Corruption>| (!list.is_empty()).then(|| list.clone());
    let corruptions = given(&arguments.corruption)
        .unwrap_or_else(|| vec![if bipolar { Corruption::Flip(0.1) } else { Corruption::Overlap(0.8) }]);
    let criteria = match arguments.criterion.is_empty() {
        false => arguments.criterion.clone(),
        true if bipolar => vec![Criterion::Identity, Criterion::Sign],
        true => vec![Criterion::Identity, Criterion::Weight, Criterion::L2(0.1)],
    };
    let heats = match (&arguments.beta, &arguments.lambda) {
        (beta, _) if !beta.is_empty() => beta.clone(),
        (_, lambda) if !lambda.is_empty() => lambda.clone(),
        _ => vec![Heat::Lambda(1.0), Heat::Lambda(4.0)],
    };
    let first = arguments.common.seed;
    let Some(end) = first.checked_add(arguments.seeds).filter(|end| *end > first) else {
        let message = format!("--seed {first} leaves no room for --seeds {}", arguments.seeds);
        return Err(Failure::data(message));
    };
    Ok(Plan {
        models: arguments.memory.clone(),
        ensemble,
        corruptions,
        criteria,
        heats,
        schedules: arguments.steps.clone(),
        n,
        d,
        queries: arguments.queries,
        seeds: (first..end).collect(),
        similarity: arguments.similarity,
        order: arguments.order,
        device: arguments.common.open()?,
        stops: !arguments.whole,
        mixing: 32,
        generated: if arguments.generated { Generated::Always } else { Generated::Auto },
    })
}

fn ensemble(arguments: &Capacity, bits: bool) -> Result<Ensemble> {
    match (arguments.ensemble.as_deref(), &arguments.data) {
        (None | Some("file"), Some(path)) => of_file(path),
        (Some("file"), None) => Err(Failure::data("the ensemble file needs --data FILE")),
        (Some(name), Some(_)) => {
            Err(Failure::data(format!("--data gives the patterns; leave --ensemble {name} out")))
        }
        (Some(name), None) => Ok(name.parse()?),
        (None, None) if bits => Ok(Ensemble::Bipolar),
        (None, None) => Ok(Ensemble::Sphere),
    }
}

fn of_file(path: &Path) -> Result<Ensemble> {
    let (rows, columns) = input::open(path)?.shared(&["patterns"])?;
    let name = path.file_name().map_or("file".to_owned(), |n| format!("file:{}", n.to_string_lossy()));
    Ensemble::of_rows(name, rows, columns).map_err(|e| in_file(&[("patterns", Some(path))], e))
}

/// Retrieval radii as the results have them.
fn radii(plan: &Plan, n: usize) -> Result<Vec<Value>> {
    let median = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    };
    let all = plan_radii(plan, n)?;
    let entry = |(series, r): &(Series, Radii)| {
        let certified: Vec<f64> = r.certified.iter().flatten().copied().collect();
        json!({
            "memory": row_name(series), "n": n, "d": series.d, "patterns": r.radii.len(),
            "q05": r.quantile(0.05), "q25": r.quantile(0.25), "median": r.quantile(0.5), "q75": r.quantile(0.75), "q95": r.quantile(0.95),
            "half_nearest": median(&r.half_nearest), "certified": median(&certified), "certified_patterns": certified.len(),
            "grid_step": median(&r.steps), "unit": if r.angular { "radians" } else { "distance" },
        })
    };
    Ok(all.iter().map(entry).collect())
}

/// How the patterns of the first seed stand to each other.
fn banks(plan: &Plan) -> Result<Vec<(usize, BankSummary)>> {
    let most = plan.n.last().copied().unwrap_or(2).min(4096) as usize;
    let of_dim = |d: &usize| Ok((*d, BankSummary::of(&plan.ensemble.rows(plan.seeds[0], *d, most)?)));
    plan.d.iter().map(of_dim).collect()
}
