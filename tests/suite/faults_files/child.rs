//! Tests that need a process of their own: to be killed, or to have limits that no other test is to feel.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Where the child works.
const FOLDER: &str = "ATTRACTOR_TEST_FOLDER";

/// The folder that a child was given; `None` in a process that is none.
pub(super) fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// This test binary, about to run one test that is left out otherwise.
pub(super) fn command(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    arguments(&mut command, test, folder);
    command
}

fn arguments(command: &mut Command, test: &str, folder: &Path) {
    command.args([
        "--exact",
        &format!("faults_files::{test}"),
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    command.env(FOLDER, folder);
}

/// The same in a mount namespace, after a line of shell in which `$1` is the folder; `None` where the system allows no such thing.
pub(super) fn with_mounts(line: &str, test: &str, folder: &Path) -> Option<Command> {
    let ask = |line: &str| {
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", line, "sh"]).arg(folder);
        command
    };
    if !ask(line).output().is_ok_and(|out| out.status.success()) {
        return None;
    }
    let mut command = ask(&format!("{line} && shift && exec \"$@\""));
    command.arg(std::env::current_exe().unwrap());
    arguments(&mut command, test, folder);
    Some(command)
}

/// Runs a child that must succeed, and that must have run its test.
pub(super) fn run(mut command: Command) {
    let out = command.output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success() && text.contains("1 passed"),
        "{}: {text}{}",
        out.status,
        String::from_utf8_lossy(&out.stderr)
    );
}
