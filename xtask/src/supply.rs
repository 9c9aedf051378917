//! What comes from outside, and what a program that takes this library in gets: licences and known faults of the
//! dependencies, every feature by itself, the oldest compiler that is promised.

use serde_json::Value;
use std::process::Command;

const HELP: &str = "\
cargo xtask supply [deny] [features] [msrv]    all three where none is named

deny        licences, sources and duplicates of all dependencies (cargo-deny; deny.toml has the rules), and what is known
            against their versions, where the database of that can be reached
features    each package without its features, and with each of them alone
msrv        the workspace with the oldest compiler that Cargo.toml promises";

pub(crate) fn supply(arguments: &[&str]) -> Result<(), String> {
    if let ["--help" | "-h"] = arguments {
        return crate::help(HELP);
    }
    if let Some(unknown) = arguments.iter().find(|a| !["deny", "features", "msrv"].contains(a)) {
        return Err(format!("'{unknown}' is not one of deny, features, msrv\n{HELP}"));
    }
    let wanted = |name| arguments.is_empty() || arguments.contains(&name);
    let packages = packages()?;
    if wanted("features") {
        features(&packages)?;
    }
    if wanted("msrv") {
        msrv(&packages)?;
    }
    if wanted("deny") {
        deny()?;
    }
    Ok(())
}

/// A member of the workspace.
struct Package {
    name: String,
    features: Vec<String>,
    rust_version: Option<String>,
}

fn packages() -> Result<Vec<Package>, String> {
    let output = crate::cargo_command()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .map_err(|e| format!("cargo metadata: {e}"))?;
    let all: Value = serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let package = |value: &Value| {
        let features = value["features"].as_object()?.keys().filter(|f| *f != "default").cloned().collect();
        Some(Package { name: text(&value["name"])?, features, rust_version: text(&value["rust_version"]) })
    };
    let packages: Vec<Package> =
        all["packages"].as_array().into_iter().flatten().filter_map(package).collect();
    if packages.is_empty() { Err("cargo metadata names no packages".to_owned()) } else { Ok(packages) }
}

/// Each package with no feature, and with each alone: what is only there because of another feature shows.
fn features(packages: &[Package]) -> Result<(), String> {
    for package in packages {
        for feature in std::iter::once("").chain(package.features.iter().map(String::as_str)) {
            let check = ["check", "--quiet", "--all-targets", "--no-default-features", "--package"];
            crate::cargo(&[&check[..], &[&package.name, "--features", feature]].concat(), &[])?;
        }
    }
    println!("xtask: every feature builds by itself");
    Ok(())
}

/// The whole workspace, without tests and benchmarks: what they need may be newer.
fn msrv(packages: &[Package]) -> Result<(), String> {
    let library = packages.iter().find(|p| p.name == "attractor");
    let oldest = library.and_then(|p| p.rust_version.as_deref()).ok_or("Cargo.toml has no rust-version")?;
    let toolchain = format!("+{oldest}");
    let known = |name: &str| {
        Command::new("rustc").args([name, "--version"]).output().is_ok_and(|o| o.status.success())
    };
    let full = format!("{toolchain}.0");
    let toolchain = [&toolchain, &full].into_iter().find(|t| known(t)).ok_or_else(|| {
        format!("Rust {oldest} is not installed; run: rustup toolchain install {oldest} --profile minimal")
    })?;
    // Its own target folder, so that neither compiler throws away what the other has built. By rustup's cargo: the one
    // that runs this belongs to its own compiler.
    let status = Command::new("cargo")
        .args([
            toolchain,
            "check",
            "--workspace",
            "--all-features",
            "--locked",
            "--target-dir",
            "target/msrv",
        ])
        .env_remove("RUSTUP_TOOLCHAIN")
        .status()
        .map_err(|e| format!("cargo {toolchain}: {e}"))?;
    if !status.success() {
        return Err(format!("the workspace does not build with Rust {oldest}"));
    }
    println!("xtask: the workspace builds with Rust {oldest}");
    Ok(())
}

fn deny() -> Result<(), String> {
    crate::needs_subcommand("deny")?;
    crate::cargo(&["deny", "check", "bans", "licenses", "sources"], &[])?;
    if let Err(message) = crate::cargo(&["deny", "check", "advisories"], &[]) {
        return Err(format!(
            "{message}; where the database of advisories could not be fetched, run it where it can be"
        ));
    }
    Ok(())
}
