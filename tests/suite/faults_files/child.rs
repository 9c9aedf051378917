//! Work of tests that needs a process of its own: to be killed, or to have limits that no other test is to feel.

use super::{full, killed, refused};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// What the child does, and where.
const WORK: &str = "ATTRACTOR_TEST_WORK";
const FOLDER: &str = "ATTRACTOR_TEST_FOLDER";

/// A kind of work, and what does it in a folder.
type Work = (&'static str, fn(&Path));

/// All that children do, by name.
const ALL: [Work; 4] = [
    ("at every byte", full::at_every_byte),
    ("on a small disk", full::on_a_small_disk),
    ("on a disk for reading", refused::on_a_disk_for_reading),
    ("in turns", killed::in_turns),
];

#[test]
#[ignore = "run by other tests, in processes of their own"]
fn work() {
    // Nothing, where no other test has asked for it.
    let (Ok(wanted), Some(folder)) = (std::env::var(WORK), std::env::var_os(FOLDER)) else { return };
    let (_, work) = ALL.iter().find(|(name, _)| *name == wanted).unwrap();
    work(&PathBuf::from(folder));
}

/// This test binary, about to do some work.
pub(super) fn command(work: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    arguments(&mut command, work, folder);
    command
}

fn arguments(command: &mut Command, work: &str, folder: &Path) {
    command.args(["--exact", "faults_files::child::work", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(WORK, work).env(FOLDER, folder);
}

/// The same in a mount namespace, after a line of shell in which `$1` is the folder; `None` where the system allows no such thing.
pub(super) fn with_mounts(line: &str, work: &str, folder: &Path) -> Option<Command> {
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
    arguments(&mut command, work, folder);
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
