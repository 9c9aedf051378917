//! Which lines of the library the tests run.

use std::{fs, path::Path};

const HELP: &str = "\
cargo xtask coverage [--lines]    share of the library's lines that its tests run, file by file; fails below 90 %

--lines also names the lines that no test runs. Needs cargo-llvm-cov (cargo install --locked cargo-llvm-cov).";

/// Per cent of the lines below which it fails.
const LEAST: f64 = 90.0;
const REPORT: &str = "target/coverage.lcov";

pub(crate) fn coverage(arguments: &[&str]) -> Result<(), String> {
    let lines = match arguments {
        [] => false,
        ["--lines"] => true,
        _ => return crate::help(HELP),
    };
    crate::driver::provide()?;
    crate::needs_subcommand("llvm-cov")?;
    // The library's own tests and no others: what only the command runs has no test here.
    let packages = ["--package", "attractor", "--package", "attractor-tests"];
    let run = ["llvm-cov", "--release", "--all-features"];
    let programs = ["--lib", "--test", "suite", "--test", "hostile"];
    let report = ["--lcov", "--output-path", REPORT];
    crate::cargo(&[&run[..], &packages, &programs, &report].concat(), &[("ATTRACTOR_REQUIRE_GPU", "1")])?;
    let text = fs::read_to_string(REPORT).map_err(|e| format!("{REPORT}: {e}"))?;
    let mut files = files(&text);
    files.sort_by(|a, b| b.missed.len().cmp(&a.missed.len()).then(a.name.cmp(&b.name)));
    let (mut all, mut missed) = (0, 0);
    for file in &files {
        (all, missed) = (all + file.lines, missed + file.missed.len());
        println!(
            "{:5.1} %  {:4} of {:4} lines missed  {}",
            percent(file.missed.len(), file.lines),
            file.missed.len(),
            file.lines,
            file.name
        );
        if lines && !file.missed.is_empty() {
            println!("         {}", ranges(&file.missed));
        }
    }
    let share = percent(missed, all);
    println!("{share:5.1} %  {missed} of {all} lines missed in all");
    if all == 0 || share < LEAST { Err(format!("less than {LEAST} % of the lines are run")) } else { Ok(()) }
}

fn percent(missed: usize, all: usize) -> f64 {
    100.0 * (1.0 - missed as f64 / all.max(1) as f64)
}

/// What the tests run of a file.
struct File {
    name: String,
    lines: usize,
    /// Numbers of the lines that no test runs.
    missed: Vec<usize>,
}

/// The files of the library in a report, without the tests in them: those begin at `#[cfg(test)]` and end the file.
fn files(report: &str) -> Vec<File> {
    let root = std::env::current_dir().unwrap_or_default().join("src");
    let mut files = Vec::new();
    for record in report.split("end_of_record") {
        let Some(path) = record.lines().find_map(|line| line.strip_prefix("SF:")) else { continue };
        let Ok(name) = Path::new(path).strip_prefix(&root) else { continue };
        let source = fs::read_to_string(path).unwrap_or_default();
        let tests = source.lines().position(|line| line == "#[cfg(test)]").map_or(usize::MAX, |at| at + 1);
        let counts = record.lines().filter_map(|line| {
            let (number, count) = line.strip_prefix("DA:")?.split_once(',')?;
            Some((number.parse::<usize>().ok()?, count != "0"))
        });
        let (mut lines, mut missed) = (0, Vec::new());
        for (number, run) in counts.filter(|(number, _)| *number < tests) {
            lines += 1;
            if !run {
                missed.push(number);
            }
        }
        files.push(File { name: format!("src/{}", name.display()), lines, missed });
    }
    files
}

/// Numbers as ranges: `3, 7-9`.
fn ranges(numbers: &[usize]) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let text = |(a, b): &(usize, usize)| if a == b { a.to_string() } else { format!("{a}-{b}") };
    ranges.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_lines_are_named_in_ranges() {
        assert_eq!(ranges(&[3, 7, 8, 9, 12]), "3, 7-9, 12");
        assert_eq!(ranges(&[]), "");
    }
}
