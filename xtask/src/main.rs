//! Developer commands: `cargo xtask test`, `isa`, `peers`, `fuzz`.

mod driver;
mod fuzz;
mod peers;

use std::process::{Command, ExitCode};

const HELP: &str = "\
cargo xtask test    format, lints, tests of all crates on CPU and GPU, documentation
                    (provides a software Vulkan driver where there is none)
cargo xtask isa     what an AMD RDNA2 GPU would run for each kernel: registers, spills, hottest loop
                    (needs no GPU; `cargo xtask isa --help` has more)
cargo xtask peers   the same jobs by this library and by others, side by side (--help: what can be chosen)
cargo xtask fuzz [TARGET...] [--minutes N]
                    every reader of files and text under the fuzzer, 10 minutes each (needs nightly Rust)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["test"] => test(),
        ["isa", rest @ ..] => isa(rest),
        ["peers", rest @ ..] => peers::peers(rest),
        ["fuzz", rest @ ..] => fuzz::fuzz(rest),
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

/// Everything that must hold before a change is taken.
fn test() -> Result<(), String> {
    driver::provide()?;
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(
        &["clippy", "--workspace", "--all-targets", "--all-features", "--quiet", "--", "-D", "warnings"],
        &[],
    )?;
    // In release, since unoptimised CPU kernels take minutes where these take seconds.
    cargo(&["test", "--release", "--workspace", "--all-features"], &[("ATTRACTOR_REQUIRE_GPU", "1")])?;
    cargo(
        &["doc", "--workspace", "--all-features", "--no-deps", "--quiet"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    )?;
    println!("xtask: all passed");
    Ok(())
}

/// Machine code of the kernels; standard output is the tool's alone.
fn isa(arguments: &[&str]) -> Result<(), String> {
    let run = ["run", "--quiet", "--release", "--package", "attractor-isa", "--"];
    cargo(&[&run[..], arguments].concat(), &[])
}

/// Runs cargo in the workspace, saying so.
fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    eprintln!("xtask: cargo {}", arguments.join(" "));
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.iter().copied());
    // Mesa's device-selection layer complains about a missing display on every start.
    command.env("NODEVICE_SELECT", "1");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cargo {} failed ({status})", arguments.join(" "))),
        Err(error) => Err(format!("cargo {}: {error}", arguments.join(" "))),
    }
}
