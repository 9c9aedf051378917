//! `cargo xtask faults`: every fault that is provoked, and what came of it.

mod rows;
mod run;

use crate::libtest::Outcome;
use rows::{ROWS, Row};
use run::{Target, Tests};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const HELP: &str = "\
cargo xtask faults [--json FILE]
provokes every fault in the table, by the tests that do it, and prints what came of each";

/// What came of a row's tests.
struct Verdict {
    passed: usize,
    /// Tests that failed or did not run, and filters that match none.
    problems: Vec<String>,
}

pub(crate) fn faults(arguments: &[&str]) -> Result<(), String> {
    let json = match arguments {
        [] => None,
        ["--json", file] => Some(*file),
        ["--help"] => {
            println!("{HELP}");
            return Ok(());
        }
        _ => return Err(format!("cargo xtask faults: what is {}?\n{HELP}", arguments.join(" "))),
    };
    let outcomes = run_all()?;
    let verdicts: Vec<Verdict> = ROWS.iter().map(|row| judge(row, &outcomes)).collect();
    if let Some(file) = json {
        std::fs::write(file, to_json(&verdicts)).map_err(|e| format!("{file}: cannot write: {e}"))?;
    }
    print!("{}", to_table(&verdicts));
    let bad: Vec<&str> = ROWS
        .iter()
        .zip(&verdicts)
        .filter(|(_, v)| !v.problems.is_empty())
        .map(|(row, _)| row.fault)
        .collect();
    if bad.is_empty() { Ok(()) } else { Err(format!("not as expected: {}", bad.join("; "))) }
}

/// Runs the tests of all rows, each binary once.
fn run_all() -> Result<BTreeMap<Target, BTreeMap<String, Outcome>>, String> {
    let mut wanted: BTreeMap<Target, Vec<&str>> = BTreeMap::new();
    for Tests { target, filter } in ROWS.iter().flat_map(|row| row.tests) {
        wanted.entry(*target).or_default().push(filter);
    }
    wanted.into_iter().map(|(target, filters)| Ok((target, run::run(target, &filters)?))).collect()
}

/// Whether each of a row's filters matches tests, and all of these passed.
fn judge(row: &Row, outcomes: &BTreeMap<Target, BTreeMap<String, Outcome>>) -> Verdict {
    let mut verdict = Verdict { passed: 0, problems: Vec::new() };
    for tests in row.tests {
        let ran = outcomes.get(&tests.target).into_iter().flatten();
        let mut matched = ran.filter(|(name, _)| name.starts_with(tests.filter)).peekable();
        if matched.peek().is_none() {
            verdict.problems.push(format!("no test {tests}"));
        }
        for (name, outcome) in matched {
            match outcome {
                Outcome::Passed => verdict.passed += 1,
                Outcome::Failed => verdict.problems.push(format!("{name} failed")),
                Outcome::Ignored => verdict.problems.push(format!("{name} did not run")),
            }
        }
    }
    verdict
}

fn result(verdict: &Verdict) -> String {
    match verdict.problems.is_empty() {
        true => format!("passed ({})", verdict.passed),
        false => format!("FAILED: {}", verdict.problems.join(", ")),
    }
}

fn named(row: &Row) -> String {
    row.tests.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The table in Markdown.
fn to_table(verdicts: &[Verdict]) -> String {
    let mut out = String::from(
        "| fault | how provoked | expected | tests | result |\n| --- | --- | --- | --- | --- |\n",
    );
    for (row, verdict) in ROWS.iter().zip(verdicts) {
        let line = [row.fault, row.provoked, row.expected, &named(row), &result(verdict)].join(" | ");
        out += &format!("| {line} |\n");
    }
    out
}

fn to_json(verdicts: &[Verdict]) -> String {
    let rows = ROWS.iter().zip(verdicts).map(|(row, verdict)| {
        json!({
            "fault": row.fault,
            "provoked": row.provoked,
            "expected": row.expected,
            "tests": row.tests.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "passed": verdict.passed,
            "problems": verdict.problems,
        })
    });
    format!("{:#}\n", rows.collect::<Value>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(of: &[(&str, Outcome)]) -> BTreeMap<Target, BTreeMap<String, Outcome>> {
        BTreeMap::from([(
            run::SUITE,
            of.iter().map(|(name, outcome)| ((*name).to_owned(), *outcome)).collect(),
        )])
    }

    #[test]
    fn only_tests_that_ran_and_passed_count() {
        const TWO: &[Tests] = &[run::SUITE.tests("a::"), run::SUITE.tests("b::c")];
        let row = Row { fault: "f", provoked: "p", expected: "e", tests: TWO };
        let passed =
            outcomes(&[("a::x", Outcome::Passed), ("a::y", Outcome::Passed), ("b::c", Outcome::Passed)]);
        assert_eq!(result(&judge(&row, &passed)), "passed (3)");
        // A name within another is not the same.
        let missing = outcomes(&[("a::x", Outcome::Passed), ("x::b::c", Outcome::Passed)]);
        assert_eq!(result(&judge(&row, &missing)), "FAILED: no test suite b::c");
        let failed = outcomes(&[("a::x", Outcome::Failed), ("b::c", Outcome::Ignored)]);
        assert_eq!(result(&judge(&row, &failed)), "FAILED: a::x failed, b::c did not run");
        assert!(!judge(&row, &BTreeMap::new()).problems.is_empty());
    }

    #[test]
    fn every_row_says_how_and_by_which_tests() {
        for row in &ROWS {
            assert!(!row.fault.is_empty() && !row.provoked.is_empty() && !row.expected.is_empty());
            assert!(!row.tests.is_empty(), "{}", row.fault);
            // Columns of a table.
            assert!(![row.fault, row.provoked, row.expected].concat().contains('|'), "{}", row.fault);
        }
    }
}
