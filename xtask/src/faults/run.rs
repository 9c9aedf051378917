//! Tests by their names, and how they ended.

use std::{
    collections::BTreeMap,
    fmt,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

/// A binary of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    package: &'static str,
    name: &'static str,
    /// As the table calls it.
    called: &'static str,
}

pub(super) const SUITE: Target = Target { package: "attractor", name: "suite", called: "suite" };
pub(super) const HOSTILE: Target = Target { package: "attractor", name: "hostile", called: "hostile" };
pub(super) const COMMAND: Target = Target { package: "attractor-cli", name: "suite", called: "command" };

impl Target {
    /// Those of its tests whose names begin like this.
    pub(super) const fn tests(self, filter: &'static str) -> Tests {
        Tests { target: self, filter }
    }
}

/// Tests of a binary.
#[derive(Clone, Copy)]
pub(super) struct Tests {
    pub(super) target: Target,
    pub(super) filter: &'static str,
}

impl fmt::Display for Tests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.target.called, if self.filter.is_empty() { "(all)" } else { self.filter })
    }
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    Ignored,
}

/// Runs the tests of a binary that match any of the filters. Where the binary cannot be built no test has run, which is not
/// hidden: cargo says why, and the rows that want them fail.
pub(super) fn run(target: Target, filters: &[&str]) -> Result<BTreeMap<String, Outcome>, String> {
    let mut arguments = vec!["test", "--release", "--package", target.package, "--test", target.name, "--"];
    if !filters.contains(&"") {
        arguments.extend(filters);
    }
    eprintln!("xtask: cargo {}", arguments.join(" "));
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let failed = |error: std::io::Error| format!("cargo {}: {error}", arguments.join(" "));
    let mut cargo = Command::new(program)
        .args(&arguments)
        .envs([("ATTRACTOR_REQUIRE_GPU", "1"), ("NODEVICE_SELECT", "1")])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (mut outcomes, mut whole) = (BTreeMap::new(), false);
    for line in cargo.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
        let line = line.map_err(failed)?;
        eprintln!("{line}");
        outcomes.extend(outcome(&line));
        whole |= line.starts_with("test result:");
    }
    let status = cargo.wait().map_err(failed)?;
    if !whole {
        // It ended before its tests did: what has not been seen has not passed.
        eprintln!("xtask: {} {}: {status}", target.package, target.name);
        outcomes.clear();
    }
    Ok(outcomes)
}

/// The test of a line `test NAME ... RESULT`, and how it ended.
fn outcome(line: &str) -> Option<(String, Outcome)> {
    let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let outcome = match result.split(',').next()?.trim() {
        "ok" => Outcome::Passed,
        "ignored" => Outcome::Ignored,
        _ => Outcome::Failed,
    };
    // `NAME - should panic`
    Some((name.split(' ').next()?.to_owned(), outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_libtest_are_read() {
        let read = |line: &str| outcome(line).map(|(name, outcome)| format!("{name} {outcome:?}"));
        assert_eq!(read("test a::b ... ok").as_deref(), Some("a::b Passed"));
        assert_eq!(read("test a::b ... FAILED").as_deref(), Some("a::b Failed"));
        assert_eq!(read("test a::b ... ignored, takes hours").as_deref(), Some("a::b Ignored"));
        assert_eq!(read("test a - should panic ... ok").as_deref(), Some("a Passed"));
        assert_eq!(read("test a::b has been running for over 60 seconds"), None);
        assert_eq!(read("test result: ok. 3 passed; 0 failed; 0 ignored"), None);
        assert_eq!(read("running 3 tests"), None);
    }
}
