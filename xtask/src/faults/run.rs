//! Tests by their names, and how they ended.

use crate::libtest::{Outcome, outcome};
use std::{
    collections::BTreeMap,
    fmt,
    io::{BufRead, BufReader},
    process::Stdio,
};

/// A binary of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    package: &'static str,
    name: &'static str,
    /// As the table calls it.
    called: &'static str,
}

pub(super) const SUITE: Target = Target { package: "attractor-tests", name: "suite", called: "suite" };
pub(super) const MEMORY: Target =
    Target { package: "attractor-tests", name: "extra_memory", called: "extra_memory" };
pub(super) const HOSTILE: Target = Target { package: "attractor-tests", name: "hostile", called: "hostile" };
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

/// Runs the tests of a binary that match any of the filters. Where the binary cannot be built no test has run, which is not
/// hidden: cargo says why, and the rows that want them fail.
pub(super) fn run(target: Target, filters: &[&str]) -> Result<BTreeMap<String, Outcome>, String> {
    let mut arguments = vec!["test", "--release", "--package", target.package, "--test", target.name, "--"];
    if !filters.contains(&"") {
        arguments.extend(filters);
    }
    eprintln!("xtask: cargo {}", arguments.join(" "));
    let failed = |error: std::io::Error| format!("cargo {}: {error}", arguments.join(" "));
    let mut cargo = crate::cargo_command()
        .args(&arguments)
        .env("ATTRACTOR_REQUIRE_GPU", "1")
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
