//! `attractor tune`

use super::bench::STANDARD;
use crate::{
    arguments,
    failure::{Failure, Result},
    output::{complaint, line},
    progress::Progress,
    stop,
};
use attractor::{
    Precision,
    gpu::{
        Strategy,
        tune::{Class, Op, Tuning, folder, tune},
    },
};

pub(crate) fn run(arguments: &arguments::Tune) -> Result<()> {
    let device = arguments.common.open()?;
    let Some(context) = device.as_gpu() else {
        return Err(Failure::data("there is nothing to tune on the CPU; name a GPU with --device"));
    };
    let jobs: &[[usize; 3]] = if arguments.jobs.is_empty() { &STANDARD } else { &arguments.jobs };
    let mut classes: Vec<Class> = Vec::new();
    for job in jobs {
        let kinds = [
            (Op::Step, Precision::F32),
            (Op::Step, Precision::F16),
            (Op::Matmul, Precision::F32),
            (Op::Features, Precision::F32),
        ];
        for class in kinds.map(|(op, precision)| Class::of(op, *job, precision)) {
            if !classes.contains(&class) {
                classes.push(class);
            }
        }
    }
    let speak = !arguments.common.json && !arguments.common.quiet;
    let progress = Progress::new("tuning", arguments.common.quiet);
    let mut found: Vec<Tuning> = Vec::new();
    stop::keeps("the classes that were timed are kept");
    for (i, class) in classes.iter().enumerate() {
        stop::go_on()?;
        match tune(context, *class) {
            Ok(tuning) => found.push(tuning),
            // The other classes are still worth their time.
            Err(error) => complaint(&format!("left out {class}: {error}")),
        }
        _ = progress.tell(i as u64 + 1, classes.len() as u64);
    }
    drop(progress);
    let kept = found.iter().filter(|tuning| tuning.not_kept.is_none()).count();
    if speak {
        print_table(&found)?;
        if let Some(folder) = folder().filter(|_| kept > 0) {
            line(&format!("\nkept in {}", folder.display()))?;
        }
    }
    if arguments.common.json {
        let classes: Vec<serde_json::Value> = found.iter().map(json).collect();
        let summary = serde_json::json!({ "device": device.to_string(), "kept": kept, "classes": classes });
        line(&format!("{summary:#}"))?;
    }
    match (found.iter().find_map(|tuning| tuning.not_kept.as_ref()), kept) {
        // What timing is for is later runs.
        (Some(why), _) => Err(Failure::data(format!(
            "{} of {} timings hold for this process alone: {why}",
            found.len() - kept,
            found.len()
        ))),
        (None, 0) => Err(Failure::data("no class could be timed, so nothing is kept")),
        (None, _) => Ok(()),
    }
}

/// Milliseconds of every candidate, the fastest marked.
fn print_table(found: &[Tuning]) -> Result<()> {
    let names: String = Strategy::ALL.iter().map(|s| format!("{:>11}", s.name())).collect();
    line(&format!("{:<30}{names}   (ms; * is taken)", "class"))?;
    for tuning in found {
        let cell = |strategy: &Strategy| match tuning.times.iter().find(|(s, _)| s == strategy) {
            Some((s, Some(seconds))) => {
                format!("{:>10.3}{}", 1e3 * seconds, if *s == tuning.winner { '*' } else { ' ' })
            }
            Some((_, None)) => format!("{:>10} ", "wrong"),
            None => format!("{:>10} ", "-"),
        };
        let cells: String = Strategy::ALL.iter().map(cell).collect();
        line(&format!("{:<30}{cells}", tuning.class.to_string()))?;
    }
    Ok(())
}

fn json(tuning: &Tuning) -> serde_json::Value {
    let seconds: serde_json::Map<String, serde_json::Value> =
        tuning.times.iter().map(|(s, t)| (s.name().to_owned(), serde_json::json!(t))).collect();
    serde_json::json!({
        "class": tuning.class.to_string(), "variant": tuning.winner.name(), "seconds": seconds,
        "not_kept": tuning.not_kept,
    })
}
