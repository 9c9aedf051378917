//! Checks that need a nightly toolchain: `cargo xtask miri` and `cargo xtask sanitize`.

use crate::driver;
use std::process::Command;

/// Tests of the library that go through the `unsafe` of the CPU side: the pointers that `gemm` is given, the tokens of
/// `pulp`, and what is built on both. Files are read from bytes: Miri has no memory maps.
const MIRI: [&str; 3] = ["cpu::matmul::", "cpu::bits::", "memory::small::"];

const MIRI_HELP: &str = "\
cargo xtask miri [FILTER ...]

Interprets tests of the CPU side that go through its unsafe code, and reports undefined behaviour. FILTERs are
names of unit tests of the library, in place of those.";

const SANITIZE_HELP: &str = "\
cargo xtask sanitize [address|thread] [FILTER ...]

Runs tests under AddressSanitizer and LeakSanitizer, then under ThreadSanitizer, or under the one that is named.
FILTERs are names of tests of tests/suite, in place of the selection: the CPU side, the store, threads on a GPU.";

/// The suite's share that runs under sanitizers: what has threads, pointers and files.
const SELECTION: [&str; 6] =
    ["stress::", "store::", "forget::", "binary::", "bank::", "devices::threads_share_a_device"];

/// Interprets the CPU side's unit tests.
pub(crate) fn miri(arguments: &[&str]) -> Result<(), String> {
    if wants_help(arguments, MIRI_HELP) {
        return Ok(());
    }
    needs("miri")?;
    let filters = if arguments.is_empty() { &MIRI[..] } else { arguments };
    let run = ["+nightly", "miri", "test", "--package", "attractor", "--lib", "--"];
    let flags = [
        "-Zmiri-tree-borrows",
        // Tests look at the environment and the clock.
        "-Zmiri-disable-isolation",
        // The threads of rayon's global pool never end.
        "-Zmiri-ignore-leaks",
    ];
    rustup_cargo(
        &[&run[..], filters].concat(),
        &[
            ("MIRIFLAGS", flags.join(" ")),
            ("RAYON_NUM_THREADS", "2".to_owned()),
            ("CARGO_TARGET_DIR", target("miri")?),
        ],
    )
}

/// Runs a selection of tests under sanitizers.
pub(crate) fn sanitize(arguments: &[&str]) -> Result<(), String> {
    if wants_help(arguments, SANITIZE_HELP) {
        return Ok(());
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("the sanitizers are set up for Linux on x86-64 alone".to_owned());
    }
    needs("rust-src")?;
    driver::provide()?;
    let (which, filters) = match arguments {
        ["address", rest @ ..] => (&["address"][..], rest),
        ["thread", rest @ ..] => (&["thread"][..], rest),
        rest => (&["address", "thread"][..], rest),
    };
    which.iter().try_for_each(|which| under(which, filters))
}

fn under(sanitizer: &str, filters: &[&str]) -> Result<(), String> {
    let suppressions = |name: &str| -> Result<String, String> {
        Ok(crate::root()?.join("xtask/sanitizers").join(name).display().to_string())
    };
    let options = match sanitizer {
        // The driver's library is closed before the end of the program: its leaks would have no names.
        "address" => vec![
            ("ASAN_OPTIONS", "detect_leaks=1:detect_odr_violation=0".to_owned()),
            ("LSAN_OPTIONS", format!("suppressions={}:print_suppressions=0", suppressions("leak.txt")?)),
        ],
        _ => vec![("TSAN_OPTIONS", format!("suppressions={}:history_size=4", suppressions("thread.txt")?))],
    };
    let run = [
        "+nightly",
        "test",
        "-Zbuild-std",
        "--target",
        "x86_64-unknown-linux-gnu",
        "--release",
        "--package",
        "attractor-tests",
        "--test",
        "suite",
        "--",
    ];
    let filters = if filters.is_empty() { &SELECTION[..] } else { filters };
    let environment = [
        ("RUSTFLAGS", format!("-Zsanitizer={sanitizer}")),
        ("CARGO_TARGET_DIR", target(sanitizer)?),
        // Quick to build, and near to what users run.
        ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1".to_owned()),
        ("ATTRACTOR_REQUIRE_GPU", "1".to_owned()),
    ];
    rustup_cargo(&[&run[..], filters].concat(), &[&environment[..], &options[..]].concat())
}

fn wants_help(arguments: &[&str], help: &str) -> bool {
    let wanted = arguments.iter().any(|argument| ["--help", "-h"].contains(argument));
    if wanted {
        println!("{help}");
    }
    wanted
}

/// Says what to install where the nightly toolchain or a component of it is missing.
fn needs(component: &str) -> Result<(), String> {
    let list = ["component", "list", "--toolchain", "nightly", "--installed"];
    let installed = Command::new("rustup").args(list).output();
    let found = installed.is_ok_and(|out| {
        out.status.success()
            && String::from_utf8_lossy(&out.stdout).lines().any(|line| line.starts_with(component))
    });
    if found {
        return Ok(());
    }
    Err(format!(
        "this needs a nightly toolchain; run: rustup toolchain install nightly --component {component}"
    ))
}

/// A folder of its own for what is built in another way.
fn target(name: &str) -> Result<String, String> {
    Ok(crate::root()?.join("target").join(name).display().to_string())
}

/// Runs cargo of another toolchain: that of the stable one, which runs this program, would not do.
fn rustup_cargo(arguments: &[&str], environment: &[(&str, String)]) -> Result<(), String> {
    eprintln!("xtask: cargo {}", arguments.join(" "));
    let mut command = Command::new("cargo");
    command.args(arguments).envs(environment.iter().map(|(name, value)| (*name, value.as_str())));
    crate::quiet(&mut command);
    for set_by_cargo in ["RUSTC", "RUSTDOC", "CARGO", "RUSTUP_TOOLCHAIN", "CARGO_MANIFEST_DIR"] {
        command.env_remove(set_by_cargo);
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("cargo {} failed ({status})", arguments.join(" "))),
        Err(error) => Err(format!("cargo {}: {error}", arguments.join(" "))),
    }
}
