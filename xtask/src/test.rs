//! `cargo xtask test`: everything that must hold before a change is taken.

use crate::{cargo, cargo_command, driver};
use serde_json::Value;
use std::{
    path::PathBuf,
    process::{Command, Stdio},
    sync::Mutex,
    thread,
    time::Instant,
};

/// The profile of `Cargo.toml` in which all is built, so that what two steps need is built once.
const PROFILE: [&str; 2] = ["--profile", "checks"];
const ALL: [&str; 2] = ["--workspace", "--all-features"];
/// The tests fail where there is no GPU.
const REQUIRE: (&str, &str) = ("ATTRACTOR_REQUIRE_GPU", "1");

pub(crate) fn test() -> Result<(), String> {
    driver::provide()?;
    cargo(&["fmt", "--all", "--check"], &[])?;
    let programs = build()?;
    // The longest first. What cargo does it does one thing after another anyway.
    let (long, short): (Vec<_>, Vec<_>) = programs.into_iter().partition(Program::is_long);
    let (long, short) = (long.into_iter().map(Work::Program), short.into_iter().map(Work::Program));
    let queue = Mutex::new(long.chain([Work::Cargo]).chain(short));
    // Some work keeps one core busy, some all of them: two at a time leave none idle.
    let failures = thread::scope(|scope| {
        let worker = || {
            let next = || queue.lock().unwrap_or_else(|e| e.into_inner()).next();
            std::iter::from_fn(next).flat_map(|work| work.run()).collect::<Vec<String>>()
        };
        let beside = scope.spawn(worker);
        let mut failures = worker();
        failures
            .extend(beside.join().unwrap_or_else(|_| vec!["the tests were not run to their end".to_owned()]));
        failures
    });
    if !failures.is_empty() {
        return Err(failures.join("\nxtask: "));
    }
    println!("xtask: all passed");
    Ok(())
}

/// What can be done once the tests are built.
enum Work {
    /// The tests of a program.
    Program(Program),
    /// Lints, the documentation, and the examples in it.
    Cargo,
}

impl Work {
    /// What has failed of it.
    fn run(&self) -> Vec<String> {
        match self {
            Self::Program(program) => program.run().err().into_iter().collect(),
            Self::Cargo => {
                // Examples and benches are held to their lints here, and not linked.
                let lints = ["--all-targets", "--quiet", "--", "-D", "warnings"];
                let steps = [
                    step(&[&["clippy"][..], &PROFILE, &ALL, &lints].concat(), &[]),
                    step(&[&["test", "--doc"][..], &PROFILE, &ALL].concat(), &[REQUIRE]),
                    step(
                        &[&["doc", "--no-deps", "--quiet"][..], &PROFILE, &ALL].concat(),
                        &[("RUSTDOCFLAGS", "-D warnings")],
                    ),
                ];
                steps.into_iter().filter_map(Result::err).collect()
            }
        }
    }
}

/// A program of tests.
struct Program {
    /// Of its target, as `suite`.
    name: String,
    package: String,
    /// The folder of its package, in which cargo would run it.
    folder: PathBuf,
    path: PathBuf,
}

impl Program {
    /// From a message of cargo's, where that tells of one.
    fn from_message(message: &Value) -> Option<Self> {
        let is_test = message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
        let program = message["executable"].as_str().filter(|_| is_test)?;
        let manifest = PathBuf::from(message["manifest_path"].as_str()?);
        let folder = manifest.parent()?.to_owned();
        // `path+file:///a/b/cli#attractor-cli@0.1.0`, or `path+file:///a/b/xtask#0.1.0` where the folder has the name.
        let (path, package) = message["package_id"].as_str()?.rsplit_once('#')?;
        let package = package.split_once('@').map_or(path.rsplit('/').next()?, |(name, _)| name);
        let name = message["target"]["name"].as_str()?.to_owned();
        Some(Self { name, package: package.to_owned(), folder, path: program.into() })
    }

    /// Whether it is one of those that take minutes.
    fn is_long(&self) -> bool {
        self.name == "suite"
    }

    /// Runs its tests, and says how they ended as a whole.
    fn run(&self) -> Result<(), String> {
        let mut command = Command::new(&self.path);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder).env(REQUIRE.0, REQUIRE.1);
        crate::quiet(&mut command);
        said(&format!("tests {} of {}", self.name, self.package), command)
    }
}

/// Builds the programs of all tests.
fn build() -> Result<Vec<Program>, String> {
    let build = ["test", "--no-run", "--lib", "--bins", "--tests"];
    let build = [&build[..], &PROFILE, &ALL, &["--message-format", "json-render-diagnostics"]].concat();
    eprintln!("xtask: cargo {}", build.join(" "));
    let failed = |error| format!("cargo {}: {error}", build.join(" "));
    let out = cargo_command().args(&build).stdout(Stdio::piped()).stderr(Stdio::inherit()).output();
    let out = out.map_err(failed)?;
    if !out.status.success() {
        return Err(format!("cargo {} failed ({})", build.join(" "), out.status));
    }
    let text = String::from_utf8_lossy(&out.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    let programs: Vec<Program> = messages.filter_map(|message| Program::from_message(&message)).collect();
    match programs.iter().any(Program::is_long) {
        true => Ok(programs),
        false => Err("cargo has built no tests".to_owned()),
    }
}

/// Runs cargo beside something else.
fn step(arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    let mut command = cargo_command();
    command.args(arguments).envs(environment.iter().copied());
    said(&format!("cargo {}", arguments.join(" ")), command)
}

/// Runs a program, and prints what it said as a whole at its end.
fn said(what: &str, mut command: Command) -> Result<(), String> {
    eprintln!("xtask: {what}");
    let start = Instant::now();
    let out = command.stdin(Stdio::null()).output().map_err(|error| format!("{what}: {error}"))?;
    let text = [out.stdout, out.stderr].concat();
    let (text, took) = (String::from_utf8_lossy(&text), start.elapsed().as_secs());
    // In one go: something else may be printing too.
    eprintln!("\n{}\nxtask: {what}: {}, {took} s", text.trim_end(), out.status);
    if out.status.success() { Ok(()) } else { Err(format!("{what} failed ({})", out.status)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn programs_of_tests_are_found_among_what_cargo_says() {
        let message = |reason: &str, test: bool, executable: Option<&str>, package: &str| {
            json!({
                "reason": reason, "package_id": package, "manifest_path": "/a/b/Cargo.toml", "executable": executable,
                "target": { "name": "suite" }, "profile": { "test": test },
            })
        };
        let artifact = |executable, package| message("compiler-artifact", true, executable, package);
        let program =
            Program::from_message(&artifact(Some("/t/suite-1"), "path+file:///a/b#attractor@0.1.0"));
        let program = program.unwrap();
        assert_eq!((program.folder, program.path), ("/a/b".into(), "/t/suite-1".into()));
        assert_eq!((&*program.name, &*program.package), ("suite", "attractor"));
        for (package, name) in [
            ("path+file:///a/attractor#0.1.0", "attractor"),
            ("path+file:///a/b#attractor-cli@0.1.0", "attractor-cli"),
            ("path+file:///a/attractor/xtask#0.1.0", "xtask"),
        ] {
            let program = Program::from_message(&artifact(Some("/t/suite-1"), package));
            assert_eq!(program.unwrap().package, name, "{package}");
        }
        let package = "path+file:///a/b#attractor@0.1.0";
        // Libraries, commands, and other messages.
        assert!(Program::from_message(&artifact(None, package)).is_none());
        assert!(Program::from_message(&message("compiler-artifact", false, Some("/t/x"), package)).is_none());
        assert!(Program::from_message(&message("build-finished", true, Some("/t/x"), package)).is_none());
    }
}
