//! No test depends on what runs beside it, nor on what else the machine has to do: read off the sources of all tests.

use crate::sources::{sources, tests_within};

/// What belongs to a whole process or to the machine, what to do instead, and the sources in which it is right.
const RULES: [(&[&str], &str, &[&str]); 12] = [
    (
        &["/proc/self", "/proc/stat", "/proc/mem", "getrusage"],
        "what a process has in use is measured by tests that are processes of their own (`alone`)",
        // The last asks who owns it.
        &["tests/extra_memory.rs", "tests/soak/sample.rs", "cli/tests/suite/threads.rs"],
    ),
    (
        &["global_allocator", "counting::"],
        "an allocator that counts belongs to a binary whose tests are processes of their own",
        &[
            "tests/extra_memory.rs",
            "tests/hostile/main.rs",
            "tests/hostile/targets/mod.rs",
            "tests/soak/main.rs",
            "tests/soak/sample.rs",
        ],
    ),
    (
        &["set_var(", "remove_var(", "set_current_dir("],
        "an environment is that of a process: `alone` starts one, `Command` another program",
        &[],
    ),
    (
        &["env::var"],
        "tests heed what asks for a GPU or for more cases, and what they have set for their own processes",
        &[
            "tests/common/alone.rs",
            "tests/hostile/main.rs",
            "tests/soak/main.rs",
            "tests/suite/common.rs",
            "tests/suite/faults_files/child.rs",
            "tests/suite/numbers/mod.rs",
            "tests/suite/sources.rs",
            "tests/suite/translation.rs",
            "tests/suite/tuning.rs",
            "cli/tests/suite/desk.rs",
            "cli/tests/suite/drivers/broken.rs",
            "cli/tests/suite/drivers/fake.rs",
            "cli/tests/suite/drivers/mod.rs",
            "cli/tests/suite/environment.rs",
            "cli/tests/suite/faults/tuning.rs",
            "cli/tests/suite/lost.rs",
            "cli/tests/suite/threads.rs",
            "isa/tests/kept.rs",
        ],
    ),
    (
        &["Instant", "SystemTime", "elapsed()"],
        "nothing is said of how long anything takes; `soak` goes on for a time, kills are spread over one, parts add up to a whole",
        &["tests/soak/main.rs", "tests/suite/faults_files/killed.rs", "cli/tests/suite/log.rs"],
    ),
    (
        &["sleep("],
        "a test waits for what it needs; sleeps are for moments that may be any",
        &[
            "tests/suite/faults/lost.rs",
            "tests/suite/faults/recovery.rs",
            "tests/suite/faults_files/killed.rs",
            "tests/suite/store.rs",
            "tests/suite/stress/rayon.rs",
            "cli/tests/suite/drivers/fake.rs",
            "cli/tests/suite/faults/killed.rs",
            "cli/tests/suite/faults/signals.rs",
            "cli/tests/suite/store.rs",
            "cli/tests/suite/threads.rs",
        ],
    ),
    (
        &["recv_timeout(", "wait_timeout("],
        "a wait has no end that a slow machine would come to, but one that tells a hang",
        &["tests/suite/stress/mod.rs"],
    ),
    (&["env::temp_dir", "\"/tmp", "/var/tmp"], "files lie in a folder of the test's own (`tempfile`)", &[]),
    (
        &["setrlimit", "set_hook(", "register_conditional"],
        "so for limits, hooks and signals",
        &["tests/hostile/main.rs", "tests/suite/faults_files/full.rs", "cli/tests/suite/faults/signals.rs"],
    ),
    (
        &["set_thread_res_uid", "setuid", "sched_setaffinity"],
        "and for users and processors",
        &["tests/suite/faults_files/refused.rs"],
    ),
    (&["TcpListener", "UdpSocket"], "there is one of each port", &[]),
    (
        &["CARGO_BIN_EXE_attractor\""],
        "the command runs without what its user has set and kept (`desk::command`)",
        &["cli/tests/suite/desk.rs"],
    ),
];

/// Sources of tests, and the tests within other sources, which end those.
fn tests() -> Vec<(String, String)> {
    let mut tests = ["tests", "cli/tests", "isa/tests"].map(sources).concat();
    let others = ["src", "cli/src", "isa/src", "xtask/src"].map(sources).concat();
    tests.extend(others.into_iter().map(|(name, text)| (name, tests_within(&text).to_owned())));
    // This one has all the words.
    tests.retain(|(name, _)| name != "tests/suite/neighbours.rs");
    assert!(tests.len() > 100, "{} sources", tests.len());
    tests
}

#[test]
fn what_is_a_whole_process_is_left_alone() {
    let tests = tests();
    let mut faults = Vec::new();
    for (words, why, allowed) in RULES {
        for (name, text) in &tests {
            let mut lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let found = lines.find(|line| words.iter().any(|word| line.contains(word)));
            match (found, allowed.contains(&name.as_str())) {
                (Some(line), false) => faults.push(format!("{name}: {}\n    {why}", line.trim())),
                (None, true) => faults.push(format!("{name}: has none of {words:?} any more")),
                _ => {}
            }
        }
        for name in allowed.iter().filter(|allowed| tests.iter().all(|(name, _)| name != **allowed)) {
            faults.push(format!("{name}: there is no such source"));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The functions of a source that begin at the margin, by name.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n}\n").filter(|part| part.contains("fn "))
}

#[test]
fn counters_are_of_devices_that_no_other_test_has() {
    for (name, text) in tests().iter().filter(|(name, _)| name.starts_with("tests/suite/")) {
        for function in functions(text).filter(|function| function.contains(".counters()")) {
            let shared = ["gpus()", "devices()", "varied()"].iter().any(|of_all| function.contains(of_all));
            assert!(!shared, "{name}: counts what all tests do on a device:\n{function}");
        }
    }
}

#[test]
fn tests_that_count_memory_are_processes_of_their_own() {
    let mut seen = 0;
    for (name, text) in tests().iter().filter(|(_, text)| text.contains("#[global_allocator]")) {
        for function in functions(text).filter(|function| function.contains("#[test]")) {
            assert!(["alone(", "counted("].iter().any(|own| function.contains(own)), "{name}:\n{function}");
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen} tests");
}
