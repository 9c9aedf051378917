//! Developer commands: `cargo xtask test` and those beside it.

mod coverage;
mod driver;
mod faults;
mod fuzz;
mod libtest;
mod mutants;
mod nightly;
mod peers;
mod portability;
mod soak;
mod supply;
mod test;
mod validation;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

const HELP: &str = "\
cargo xtask test           format, lints, tests of all crates on CPU and GPU, documentation
                           (provides a software Vulkan driver where there is none)
cargo xtask faults         every fault that is provoked, lost devices to damaged files, and what came of it
cargo xtask fuzz           every reader of files and texts under a fuzzer (nightly)
cargo xtask portability    the tests as other devices, drivers and tools see them
cargo xtask soak           everything over and over for an hour, watching that nothing grows
cargo xtask miri           the CPU side's unsafe code under Miri (needs a nightly toolchain, and says so)
cargo xtask sanitize       threads, store and CPU side under AddressSanitizer and ThreadSanitizer (nightly)
cargo xtask coverage       share of the library's lines that its tests run
cargo xtask mutants        seeded faults, and which tests notice them
cargo xtask supply         licences and known faults of dependencies, each feature alone, the oldest compiler
cargo xtask isa            what an AMD RDNA2 GPU would run for each kernel: registers, spills, hottest loop (needs no GPU)
cargo xtask peers          the same jobs by this library and by others, side by side

--help after any but the first says what can be chosen.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["test"] => test::test(),
        ["isa", rest @ ..] => isa(rest),
        ["portability", rest @ ..] => portability::portability(rest),
        ["peers", rest @ ..] => peers::peers(rest),
        ["coverage", rest @ ..] => coverage::coverage(rest),
        ["mutants", rest @ ..] => mutants::mutants(rest),
        ["supply", rest @ ..] => supply::supply(rest),
        ["soak", rest @ ..] => soak::soak(rest),
        ["miri", rest @ ..] => nightly::miri(rest),
        ["sanitize", rest @ ..] => nightly::sanitize(rest),
        ["fuzz", rest @ ..] => fuzz::fuzz(rest),
        ["faults", rest @ ..] => driver::provide().and_then(|()| faults::faults(rest)),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Machine code of the kernels; standard output is the tool's alone.
fn isa(arguments: &[&str]) -> Result<(), String> {
    let run = ["run", "--quiet", "--release", "--package", "attractor-isa", "--"];
    cargo(&[&run[..], arguments].concat(), &[])
}

/// Prints what a command can do.
fn help(text: &str) -> Result<(), String> {
    println!("{text}");
    Ok(())
}

/// The folder of the workspace. Cargo says where xtask lies when it runs it.
fn root() -> Result<PathBuf, String> {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let root = xtask.as_deref().and_then(Path::parent).map(Path::to_owned);
    root.ok_or_else(|| "run it as `cargo xtask`".to_owned())
}

/// Cargo, the one that runs this.
fn cargo_command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    quiet(&mut command);
    command
}

/// Keeps Mesa from saying in what a program prints that there is no display: its device-selection layer looks for one.
fn quiet(command: &mut Command) {
    command.env("NODEVICE_SELECT", "1");
}

/// Refuses where cargo lacks a subcommand that is installed by itself, and says how.
fn needs_subcommand(name: &str) -> Result<(), String> {
    let there = Command::new("cargo").args([name, "--version"]).output().is_ok_and(|o| o.status.success());
    match there {
        true => Ok(()),
        false => Err(format!("cargo-{name} is not installed; run: cargo install --locked cargo-{name}")),
    }
}

/// Runs cargo in the workspace, saying so.
fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    eprintln!("xtask: cargo {}", arguments.join(" "));
    match cargo_command().args(arguments).envs(environment.iter().copied()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cargo {} failed ({status})", arguments.join(" "))),
        Err(error) => Err(format!("cargo {}: {error}", arguments.join(" "))),
    }
}
