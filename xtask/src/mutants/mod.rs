//! Whether the tests notice what they are for: seeded faults, one at a time, in a copy of the sources.

mod list;

use crate::libtest;
use list::{MUTATIONS, Mutation};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const HELP: &str = "\
cargo xtask mutants [NAME...]    puts each seeded fault into a copy of the sources, runs the tests that are to notice, and says which did

A name, or the beginning of one, chooses faults; --list prints them. Fails where a fault goes unnoticed.";

/// A run that takes longer has been noticed: something waits for what never comes.
const PATIENCE: Duration = Duration::from_secs(900);

/// What came of a run of tests.
enum Outcome {
    Passed(usize),
    Failed(Vec<String>),
    Hung,
}

pub(crate) fn mutants(arguments: &[&str]) -> Result<(), String> {
    match arguments {
        ["--help" | "-h"] => return crate::help(HELP),
        ["--list"] => {
            MUTATIONS.iter().for_each(|m| println!("{:<18} {:<32} {}", m.name, m.file, m.fault));
            return Ok(());
        }
        _ => {}
    }
    let chosen: Vec<&Mutation> = MUTATIONS
        .iter()
        .filter(|m| arguments.is_empty() || arguments.iter().any(|a| m.name.starts_with(a)))
        .collect();
    if chosen.is_empty() {
        return Err(format!("no seeded fault is called {}; --list prints them", arguments.join(", ")));
    }
    crate::driver::provide()?;
    let copy = Copy::make()?;
    let mut filters: Vec<&str> = chosen.iter().flat_map(|m| m.tests).copied().collect();
    filters.sort_unstable();
    filters.dedup();
    // A fault is only noticed by tests that pass without it.
    match copy.test(&filters)? {
        Outcome::Passed(tests) => println!("without a fault: {tests} tests pass"),
        Outcome::Failed(tests) => return Err(format!("without a fault these fail: {}", tests.join(", "))),
        Outcome::Hung => return Err("without a fault the tests do not end".to_owned()),
    }
    let mut unnoticed = Vec::new();
    for mutation in &chosen {
        let outcome = copy.with(mutation, || copy.test(mutation.tests))?;
        let noticed = match outcome {
            Outcome::Failed(tests) => format!("noticed by {}: {}", tests.len(), shortened(&tests)),
            Outcome::Hung => "noticed: the tests did not end".to_owned(),
            Outcome::Passed(tests) => {
                unnoticed.push(mutation.name);
                format!("NOT NOTICED by {tests} tests")
            }
        };
        println!("{:<18} {:<32} {}\n{:<18} {noticed}", mutation.name, mutation.file, mutation.fault, "");
    }
    println!("{} of {} seeded faults noticed", chosen.len() - unnoticed.len(), chosen.len());
    if unnoticed.is_empty() { Ok(()) } else { Err(format!("not noticed: {}", unnoticed.join(", "))) }
}

fn shortened(tests: &[String]) -> String {
    const SHOWN: usize = 6;
    let shown = tests[..tests.len().min(SHOWN)].join(", ");
    if tests.len() > SHOWN { format!("{shown}, ...") } else { shown }
}

/// The sources as they are in the work tree, and a place to build them.
struct Copy {
    sources: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn make() -> Result<Self, String> {
        let here = Path::new("target/mutants");
        let copy = Self { sources: here.join("sources"), target: here.join("target") };
        if copy.sources.exists() {
            fs::remove_dir_all(&copy.sources).map_err(|e| format!("{}: {e}", copy.sources.display()))?;
        }
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .output()
            .map_err(|e| format!("git: {e}"))?;
        for name in listed.stdout.split(|b| *b == 0).filter(|name| !name.is_empty()) {
            let name = String::from_utf8_lossy(name).into_owned();
            // A file that is gone from the work tree is still listed.
            if Path::new(&name).is_file() {
                let to = copy.sources.join(&name);
                let folder = to.parent().unwrap_or(&copy.sources);
                fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
                fs::copy(&name, &to).map_err(|e| format!("{}: {e}", to.display()))?;
            }
        }
        Ok(copy)
    }

    /// Runs something while the fault is in the sources.
    fn with<T>(&self, mutation: &Mutation, run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        let path = self.sources.join(mutation.file);
        let failed = |e| format!("{}: {e}", path.display());
        let sound = fs::read_to_string(&path).map_err(failed)?;
        fs::write(&path, mutation.put_into(&sound)?).map_err(failed)?;
        let outcome = run().map_err(|e| format!("{}: {e}", mutation.name));
        fs::write(&path, sound).map_err(failed)?;
        outcome
    }

    /// Builds and runs the library's tests whose names contain one of the filters.
    fn test(&self, filters: &[&str]) -> Result<Outcome, String> {
        let cargo = || {
            let mut command = crate::cargo_command();
            command.current_dir(&self.sources);
            command.env("CARGO_TARGET_DIR", std::env::current_dir().unwrap_or_default().join(&self.target));
            command.env("CARGO_PROFILE_RELEASE_INCREMENTAL", "true");
            command.env("ATTRACTOR_REQUIRE_GPU", "1");
            command.args(["test", "--release", "--package", "attractor", "--package", "attractor-tests"]);
            command.args(["--lib", "--test", "suite"]);
            command
        };
        let built = cargo().arg("--no-run").output().map_err(|e| format!("cargo: {e}"))?;
        if !built.status.success() {
            return Err(format!("does not build:\n{}", String::from_utf8_lossy(&built.stderr)));
        }
        let log = self.target.join("tests.log");
        let file = fs::File::create(&log).map_err(|e| format!("{}: {e}", log.display()))?;
        let mut command = cargo();
        command.args(["--no-fail-fast", "--", "--format", "pretty"]).args(filters);
        let mut tests =
            command.stdout(file).stderr(Stdio::null()).spawn().map_err(|e| format!("cargo: {e}"))?;
        let start = Instant::now();
        let status = loop {
            match tests.try_wait().map_err(|e| format!("cargo: {e}"))? {
                Some(status) => break status,
                None if start.elapsed() > PATIENCE => {
                    let _ = tests.kill();
                    let _ = tests.wait();
                    return Ok(Outcome::Hung);
                }
                None => thread::sleep(Duration::from_millis(50)),
            }
        };
        let text = fs::read_to_string(&log).map_err(|e| format!("{}: {e}", log.display()))?;
        Ok(outcome(&text, status.success()))
    }
}

/// What the output of the tests says.
fn outcome(text: &str, success: bool) -> Outcome {
    let ended = |how| {
        let all = text.lines().filter_map(libtest::outcome);
        all.filter(move |(_, ended)| *ended == how).map(|(name, _)| name)
    };
    if success {
        return Outcome::Passed(ended(libtest::Outcome::Passed).count());
    }
    let mut failed: Vec<String> = ended(libtest::Outcome::Failed).collect();
    if failed.is_empty() {
        failed.push("the test program itself, which ended before its time".to_owned());
    }
    Outcome::Failed(failed)
}

impl Mutation {
    /// The file's text with the fault in it.
    fn put_into(&self, sound: &str) -> Result<String, String> {
        match sound.matches(self.was).count() {
            1 => Ok(sound.replacen(self.was, self.now, 1)),
            n => Err(format!(
                "{}: {} has {n} places like\n{}\nbut must have one",
                self.name, self.file, self.was
            )),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn every_seeded_fault_has_its_one_place() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for mutation in MUTATIONS {
            let sound = fs::read_to_string(root.join(mutation.file)).unwrap();
            let faulty = mutation.put_into(&sound).unwrap_or_else(|e| panic!("{e}"));
            assert_ne!(sound, faulty, "{}", mutation.name);
        }
    }

    #[test]
    fn what_tests_print_is_understood() {
        let text = "running 2 tests\ntest a::b ... ok\ntest a::c ... FAILED\ntest d - should panic ... ok\n";
        assert!(matches!(outcome(text, false), Outcome::Failed(f) if f == ["a::c"]));
        assert!(matches!(outcome("test a ... ok\ntest b ... ignored\n", true), Outcome::Passed(1)));
        assert!(matches!(outcome("test a ... ok\n", false), Outcome::Failed(f) if f.len() == 1));
    }
}
