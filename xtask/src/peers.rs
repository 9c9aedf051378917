//! `cargo xtask peers`: the side by side with other software, in `benches/peers`.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What the pinned versions of the peers ask for.
const PYTHON: (u32, u32) = (3, 11);

/// Prepares peers and runs them; the arguments are those of `benches/peers/run.py`.
pub(crate) fn peers(arguments: &[&str]) -> Result<(), String> {
    let root = crate::root()?;
    let (folder, target) = (root.join("benches/peers"), root.join("target/peers"));
    let python = environment(&folder, &target)?;
    let conduct = || {
        let mut command = Command::new(&python);
        command.arg(folder.join("run.py")).args(arguments);
        command
    };
    // A wrong argument should be told before the builds, not after.
    run(conduct().arg("--dry-run"))?;
    if arguments.iter().any(|argument| ["--help", "-h", "--list"].contains(argument)) {
        return Ok(());
    }
    build(&folder, &target, "attractor-runner")?;
    if wants_burn(arguments) {
        // It stands for itself: where it does not build, the others still run, and its absence is listed.
        if let Err(message) = build(&folder, &target, "burn-runner") {
            eprintln!("xtask: {message}; going on without burn");
        }
    }
    run(&mut conduct())
}

/// The Python of an environment with the peers of `requirements.txt`, made where there is none and made
/// complete where the requirements have changed.
fn environment(folder: &Path, target: &Path) -> Result<PathBuf, String> {
    let venv = target.join("venv");
    let python = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let requirements = folder.join("requirements.txt");
    let wanted = fs::read(&requirements).map_err(|error| format!("{}: {error}", requirements.display()))?;
    // Written last, so that an installation that was stopped is taken up again.
    let stamp = venv.join("requirements.installed");
    if python.exists() && fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    if !python.exists() {
        let system = system_python()?;
        eprintln!("xtask: making a Python environment in target/peers/venv");
        run(Command::new(system).args(["-m", "venv"]).arg(&venv))
            .map_err(|error| format!("{error} (Debian and Ubuntu have venv in the package python3-venv)"))?;
    }
    eprintln!("xtask: installing the peers, several gigabytes");
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--requirement"]);
    run(install.arg(&requirements))?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(python)
}

/// A Python that is new enough.
fn system_python() -> Result<&'static str, String> {
    let (major, minor) = PYTHON;
    let test = format!("import sys; sys.exit(sys.version_info < ({major}, {minor}))");
    let fits = |program: &&str| Command::new(program).args(["-c", &test]).status().is_ok_and(|s| s.success());
    ["python3", "python"]
        .into_iter()
        .find(fits)
        .ok_or_else(|| format!("the peers need Python {major}.{minor} or newer, as `python3`"))
}

/// Whether burn, with its 400 crates, is to run.
fn wants_burn(arguments: &[&str]) -> bool {
    let value = |option: &str| {
        arguments.iter().enumerate().find_map(|(i, argument)| {
            let rest = argument.strip_prefix(option)?;
            if rest.is_empty() { arguments.get(i + 1).copied() } else { rest.strip_prefix('=') }
        })
    };
    value("--group") != Some("cpu") && value("--peers").is_none_or(|names| names.contains("burn"))
}

/// Builds a runner of the workspace `benches/peers/rust`, in release. Not `--locked`: when the library gets a
/// new dependency, the lock file of the runners has to follow.
fn build(folder: &Path, target: &Path, package: &str) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--quiet", "--package", package, "--manifest-path"]);
    command.arg(folder.join("rust/Cargo.toml")).arg("--target-dir").arg(target);
    eprintln!("xtask: building {package}");
    run(&mut command)
}

/// Runs a command to its end, or says what it was that failed.
fn run(command: &mut Command) -> Result<(), String> {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_owned();
    let first: Vec<_> = command.get_args().take(2).map(|a| a.to_string_lossy().into_owned()).collect();
    let name = format!("{} {}", program.to_string_lossy(), first.join(" "));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{name} ...` failed ({status})")),
        Err(error) => Err(format!("`{name} ...`: {error}")),
    }
}
