//! Tests that are processes of their own: for what is a whole process's, as its memory and its environment are. Beside
//! others they would measure what those do, or change it.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    thread,
};

/// In such a process: the test that it is there for.
const ALONE: &str = "ATTRACTOR_TEST_ALONE";

/// Runs a test in a process of its own, which is this binary again with that test and no other: the function `name` of the
/// module `module` (its `module_path!()`). There `body` runs, under these variables of the environment (`None`: without
/// them). What the process says is said here.
pub(crate) fn alone(module: &str, name: &str, environment: &[(&str, Option<&OsStr>)], body: impl FnOnce()) {
    // Without the name of the binary, as `--exact` wants it.
    let test = match module.split_once("::") {
        Some((_, module)) => format!("{module}::{name}"),
        None => name.to_owned(),
    };
    if std::env::var_os(ALONE).is_some_and(|asked| asked == *test) {
        return body();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &test, "--include-ignored", "--nocapture", "--test-threads=1"]);
    command.env(ALONE, &test).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (variable, value) in environment {
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
    }
    let mut process = command.spawn().unwrap();
    let mut errors = process.stderr.take().unwrap();
    let errors = thread::spawn(move || {
        let mut text = Vec::new();
        let _ = errors.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    // A process that knows no test of this name would end well.
    let mut passed = false;
    for line in BufReader::new(process.stdout.take().unwrap()).split(b'\n') {
        let line = String::from_utf8_lossy(&line.unwrap()).into_owned();
        passed |= line.contains("1 passed");
        println!("{line}");
    }
    eprint!("{}", errors.join().unwrap());
    let status = process.wait().unwrap();
    assert!(status.success() && passed, "{test}, in a process of its own: {status}, see above");
}
