//! A folder that the command runs in.

use attractor::io::{Array, ArrayData, Source, write};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

/// The command without arguments, as a machine would run it that nobody has set anything up on: what it reads from the
/// environment comes from the test that runs it, and what it keeps for later runs goes into this folder.
pub(crate) fn command(cache: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attractor"));
    plain(&mut command, cache);
    command
}

/// Takes out of the environment of a program what the command would heed, however deep below it is started.
pub(crate) fn plain(command: &mut Command, cache: &Path) {
    const HEEDED: [&str; 8] = [
        "RUST_LOG",
        "RUST_BACKTRACE",
        "RAYON_NUM_THREADS",
        "LP_NUM_THREADS",
        "NODEVICE_SELECT",
        "XDG_RUNTIME_DIR",
        "WAYLAND_DISPLAY",
        "DISPLAY",
    ];
    let heeded = |name: &str| name.starts_with("ATTRACTOR_") || HEEDED.contains(&name);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(heeded)) {
        command.env_remove(name);
    }
    command.env("ATTRACTOR_CACHE", cache);
}

/// A folder of its own for each test, and what every line that is run there begins and ends with.
pub(crate) struct Desk {
    folder: TempDir,
    /// Beside it, what commands keep.
    cache: TempDir,
    before: &'static [&'static str],
    after: &'static [&'static str],
}

impl Desk {
    pub(crate) fn new(before: &'static [&'static str], after: &'static [&'static str]) -> Self {
        let folder = || tempfile::tempdir().unwrap();
        Self { folder: folder(), cache: folder(), before, after }
    }

    /// Where commands keep what they have found out about this machine.
    pub(crate) fn cache(&self) -> &Path {
        self.cache.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes an array under a name that says nothing.
    pub(crate) fn save(&self, name: &str, shape: &[usize], data: ArrayData<'_>) {
        write(self.path(name), &[Array { name: "array", shape: shape.to_vec(), data }]).unwrap();
    }

    /// The values of an array in a file.
    pub(crate) fn values(&self, file: &str, name: &str) -> Vec<f32> {
        Source::open(self.path(file)).unwrap().values(&[name]).unwrap().0.into_owned()
    }

    /// The text of a file.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The command with a line of arguments. A line `COMMAND: ARGUMENTS` does without what lines of this desk begin with.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = command(self.cache());
        match line.split_once(": ") {
            Some((name, rest)) => command.arg(name).args(rest.split_whitespace()),
            None => command.args(self.before).args(line.split_whitespace()),
        };
        command.args(self.after).current_dir(self.folder.path());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs a command that must succeed; gives its stdout.
    #[track_caller]
    pub(crate) fn done(&self, line: &str) -> String {
        let out = self.run(line);
        assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// Runs a command that must succeed; gives its summary.
    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> serde_json::Value {
        serde_json::from_str(&self.done(&format!("{line} --json"))).unwrap()
    }

    /// Runs a command that must fail, with one line on stderr, which it gives.
    #[track_caller]
    pub(crate) fn fails(&self, line: &str) -> String {
        self.fails_with(line, 1)
    }

    /// Runs a command that must fail with this status, 1 with one line on stderr; gives its stderr.
    #[track_caller]
    pub(crate) fn fails_with(&self, line: &str, status: i32) -> String {
        let out = self.run(line);
        let text = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(status), "{line}: {text}");
        assert!(!text.contains("panicked"), "{line}: {text}");
        if status == 1 {
            assert_eq!(text.trim().lines().count(), 1, "{line}: {text}");
        }
        text
    }
}
