//! `cargo xtask fuzz`: the targets of `fuzz/` under libFuzzer, each for a time.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What can be chosen.
struct Choice {
    targets: Vec<String>,
    minutes: f64,
    /// `none` is the default: the readers are safe Rust, so what is looked for is panics, overflow and allocations,
    /// and that four times as fast.
    sanitizer: String,
}

/// What a run of a target came to.
struct Outcome {
    target: String,
    executions: String,
    per_second: String,
    /// Edges of the code that were reached, as the fuzzer counts them.
    coverage: String,
    /// What it says of a find.
    find: Option<String>,
}

/// Runs the targets; fails where one has a find.
pub(crate) fn fuzz(arguments: &[&str]) -> Result<(), String> {
    let root = crate::root()?;
    let folder = root.join("fuzz");
    let choice = choose(arguments, &all_targets(&folder)?)?;
    provide()?;
    let cargo_fuzz = |words: &[&str]| {
        let mut command = Command::new("rustup");
        command.args(["run", "nightly", "cargo", "fuzz"]).args(words).arg("--fuzz-dir").arg(&folder);
        command.arg("--sanitizer").arg(&choice.sanitizer).current_dir(&root);
        command
    };
    let built = cargo_fuzz(&["build"]).status().map_err(|error| format!("rustup: {error}"))?;
    if !built.success() {
        return Err("the fuzz targets do not build".to_owned());
    }
    let mut outcomes = Vec::new();
    for target in &choice.targets {
        eprintln!("xtask: fuzzing {target} for {} min", choice.minutes);
        // What the fuzzer learns goes beside the build; what is kept is only read.
        let learnt = folder.join("target/corpus").join(target);
        let log = folder.join("target/corpus").join(format!("{target}.log"));
        fs::create_dir_all(&learnt).map_err(|error| format!("{}: {error}", learnt.display()))?;
        let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let seconds = (choice.minutes * 60.0).ceil().max(1.0) as u64;
        let mut run = cargo_fuzz(&["run", target]);
        run.arg(&learnt).arg(folder.join("corpus").join(target)).arg("--");
        run.args(["-max_len=16384", "-timeout=30", "-rss_limit_mb=6144", "-print_final_stats=1"]);
        run.arg(format!("-max_total_time={seconds}"));
        let status = run.stderr(Stdio::from(file)).status().map_err(|error| format!("rustup: {error}"))?;
        // What was read in is not always text.
        let said = fs::read(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let outcome = outcome(target, &String::from_utf8_lossy(&said), status.success(), &log);
        eprintln!("{}", line(&outcome));
        outcomes.push(outcome);
    }
    println!("target         executions   per second    coverage  find");
    outcomes.iter().for_each(|outcome| println!("{}", line(outcome)));
    match outcomes.iter().filter(|outcome| outcome.find.is_some()).count() {
        0 => Ok(()),
        finds => Err(format!(
            "{finds} of {} targets have a find: the input is in fuzz/artifacts; when it is mended, keep it in fuzz/corpus",
            outcomes.len()
        )),
    }
}

/// The targets' names, sorted.
fn all_targets(folder: &Path) -> Result<Vec<String>, String> {
    let targets = folder.join("targets");
    let entries = fs::read_dir(&targets).map_err(|error| format!("{}: {error}", targets.display()))?;
    let stem = |path: PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
    let mut names: Vec<String> = entries.filter_map(|entry| stem(entry.ok()?.path())).collect();
    names.sort();
    Ok(names)
}

fn choose(arguments: &[&str], all: &[String]) -> Result<Choice, String> {
    let mut choice = Choice { targets: Vec::new(), minutes: 10.0, sanitizer: "none".to_owned() };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match *word {
            "--minutes" => {
                let minutes =
                    words.next().and_then(|n| n.parse().ok()).filter(|n: &f64| *n > 0.0 && n.is_finite());
                choice.minutes = minutes.ok_or("--minutes needs a number above 0")?;
            }
            "--sanitizer" => {
                choice.sanitizer =
                    (*words.next().ok_or("--sanitizer needs a name: none or address")?).to_owned();
            }
            name if all.iter().any(|target| target == name) => choice.targets.push(name.to_owned()),
            other => {
                let names = all.join(", ");
                return Err(format!(
                    "fuzz [TARGET...] [--minutes N] [--sanitizer none|address]; \"{other}\" is none of the targets {names}"
                ));
            }
        }
    }
    if choice.targets.is_empty() {
        choice.targets = all.to_vec();
    }
    Ok(choice)
}

/// Makes sure that there are nightly Rust and cargo-fuzz, or says what to install.
fn provide() -> Result<(), String> {
    let runs = |words: &[&str]| {
        let mut command = Command::new("rustup");
        command.args(["run", "nightly", "cargo"]).args(words).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !runs(&["--version"]) {
        return Err(
            "fuzzing needs nightly Rust: rustup toolchain install nightly --profile minimal".to_owned()
        );
    }
    if runs(&["fuzz", "--version"]) {
        return Ok(());
    }
    eprintln!("xtask: installing cargo-fuzz");
    let install = ["run", "nightly", "cargo", "install", "--quiet", "--locked", "cargo-fuzz"];
    match Command::new("rustup").args(install).status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err("cargo-fuzz could not be installed; run: cargo install cargo-fuzz".to_owned()),
    }
}

/// What the fuzzer's own words come to.
fn outcome(target: &str, said: &str, success: bool, log: &Path) -> Outcome {
    let last = |key: &str| {
        let after = said.rsplit_once(key)?.1;
        after.split_whitespace().next().map(str::to_owned)
    };
    let unknown = || "?".to_owned();
    let find = (!success).then(|| {
        let panic =
            said.split_once("panicked at ").and_then(|(_, rest)| rest.lines().nth(1)).map(str::to_owned);
        panic.unwrap_or_else(|| format!("see {}", log.display()))
    });
    Outcome {
        target: target.to_owned(),
        executions: last("stat::number_of_executed_units:").unwrap_or_else(unknown),
        per_second: last("stat::average_exec_per_sec:").unwrap_or_else(unknown),
        coverage: last("cov: ").unwrap_or_else(unknown),
        find,
    }
}

fn line(outcome: &Outcome) -> String {
    let Outcome { target, executions, per_second, coverage, find } = outcome;
    format!(
        "{target:<12} {executions:>12} {per_second:>12} {coverage:>11}  {}",
        find.as_deref().unwrap_or("none")
    )
}
