//! How many threads compute: what is asked for, and what a system gives.

use super::desk::Desk;
use attractor::io::ArrayData;
use std::process::{Command, Output};

fn desk() -> Desk {
    let desk = Desk::new(&[], &[]);
    let values: Vec<f32> = (0..4000).map(|i| (i * 7919 % 1009) as f32 / 500.0 - 1.0).collect();
    desk.save("p.npy", &[500, 8], ArrayData::F32(&values));
    desk.save("q.npy", &[100, 8], ArrayData::F32(&values[100..900]));
    desk
}

const RECALL: &str = "recall --patterns p.npy --queries q.npy --out o.npz --device cpu --steps 3";

fn told(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

/// The number of threads that the log of a line speaks of.
fn threads(out: &Output) -> usize {
    let text = told(out);
    assert!(out.status.success(), "{text}");
    let line = text.lines().find(|line| line.contains("threads compute")).unwrap_or_else(|| panic!("{text}"));
    let word = line.split_whitespace().rev().nth(2).unwrap();
    word.parse().unwrap_or_else(|_| panic!("{line}"))
}

#[test]
fn as_many_threads_as_are_asked_for() {
    let desk = desk();
    let run = |line: &str, variables: &[(&str, &str)]| {
        let mut command = desk.command(&format!("{line} -vv"));
        command.env_remove("RAYON_NUM_THREADS").envs(variables.iter().copied());
        threads(&command.output().unwrap())
    };
    assert_eq!(run(&format!("{RECALL} --threads 1"), &[]), 1);
    assert_eq!(run(&format!("{RECALL} --threads=3"), &[]), 3);
    assert_eq!(run(&format!("--threads 5 {RECALL}"), &[]), 5);
    assert_eq!(run(RECALL, &[("ATTRACTOR_THREADS", "4")]), 4);
    assert_eq!(run(RECALL, &[("RAYON_NUM_THREADS", "7")]), 7);
    // The nearer one counts.
    assert_eq!(run(RECALL, &[("ATTRACTOR_THREADS", "4"), ("RAYON_NUM_THREADS", "7")]), 4);
    assert_eq!(run(&format!("{RECALL} --threads 2"), &[("ATTRACTOR_THREADS", "4")]), 2);
    // As rayon has it, and where nothing is said.
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(run(RECALL, &[("RAYON_NUM_THREADS", "0")]), cores);
    assert_eq!(run(RECALL, &[("ATTRACTOR_THREADS", "")]), cores);
    // Of all that compute.
    for line in [
        "energy --patterns p.npy --states q.npy --out e.npy --device cpu",
        "explain --patterns p.npy --queries q.npy --device cpu",
        "store create s.safetensors --patterns p.npy",
        "store recall s.safetensors --queries q.npy --out o.npz --device cpu",
        "features encode --patterns p.npy --features 10 --beta 1 --device cpu --out f.safetensors",
        "separate --patterns q.npy --iterations 2 --device cpu --out w.npy",
        "code --points 5 --dim 2",
        "capacity --memory nearest --d 4 --n 4 --queries 5 --device cpu",
        "bench --op matmul --job 4,4,4 --repeat 1 --device cpu",
    ] {
        assert_eq!(run(&format!("{line} --threads 3"), &[]), 3, "{line}");
    }
}

#[test]
fn what_is_no_number_of_threads_is_refused() {
    let desk = desk();
    for wrong in ["0", "abc", "-1", "1.5", "100000", "18446744073709551616", "2 3"] {
        let mut command = desk.command(RECALL);
        let out = command.arg(format!("--threads={wrong}")).output().unwrap();
        assert_eq!(out.status.code(), Some(2), "{wrong}: {}", told(&out));
        assert!(
            told(&out).contains("--threads") && told(&out).contains("from 1 to"),
            "{wrong}: {}",
            told(&out)
        );
        for variable in ["ATTRACTOR_THREADS", "RAYON_NUM_THREADS"] {
            if (variable, wrong) == ("RAYON_NUM_THREADS", "0") {
                continue;
            }
            let out = desk.command(RECALL).env(variable, wrong).output().unwrap();
            let text = told(&out);
            assert!(out.status.code() == Some(2) && text.lines().count() == 1, "{variable}={wrong}: {text}");
            assert!(text.contains(&format!("{variable} is {wrong}")) && text.contains("from 1 to"), "{text}");
        }
    }
    assert!(!desk.path("o.npz").exists());
}

/// The software adapter's own threads are as many as are asked for: none more computes beside them.
#[cfg(target_os = "linux")]
#[test]
fn the_software_adapter_has_as_many_threads() {
    use std::{fs, process::Stdio, time::Duration};
    match attractor::gpu::Context::open("software") {
        Ok(context) if context.name().contains("llvmpipe") => {}
        Ok(other) => return eprintln!("skipping: {} makes its threads another way", other.name()),
        Err(error) => {
            assert!(std::env::var("ATTRACTOR_REQUIRE_GPU").is_err(), "ATTRACTOR_REQUIRE_GPU=1, but: {error}");
            return eprintln!("skipping: {error}");
        }
    }
    let desk = desk();
    let most = |threads: &str, given: Option<&str>| {
        // Longer than any look takes; ended below.
        let line = "bench --op step --job 64,4000,64 --repeat 100000 --device software --quiet --threads";
        let mut command = desk.command(line);
        command.arg(threads).env_remove("LP_NUM_THREADS");
        command.envs(given.map(|count| ("LP_NUM_THREADS", count)));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let count = || {
            let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).into_iter().flatten();
            let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
            names.filter(|name| name.starts_with("llvmpipe")).count()
        };
        let mut found = 0;
        for _ in 0..3000 {
            found = found.max(count());
            if found >= threads.parse().unwrap() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // All are made at once, or nearly so.
        std::thread::sleep(Duration::from_millis(300));
        found = found.max(count());
        child.kill().unwrap();
        child.wait().unwrap();
        found
    };
    let (one, three) = (most("1", None), most("3", None));
    assert!(three > one && (three - one) % 2 == 0, "{one} threads, then {three}");
    assert_eq!(most("1", Some("3")), three, "LP_NUM_THREADS itself counts");
}

/// A thread needs a stack: one that is larger than any memory cannot be made, by whomever.
#[test]
fn without_threads_the_recall_goes_on_with_the_one_there_is() {
    let desk = desk();
    desk.done(&format!("{RECALL} --threads 2"));
    let want = std::fs::read(desk.path("o.npz")).unwrap();
    for line in [RECALL.to_owned(), format!("{RECALL} --threads 8")] {
        std::fs::remove_file(desk.path("o.npz")).unwrap();
        let mut command = desk.command(&line);
        let out = command.env("RUST_MIN_STACK", "9000000000000000").output().unwrap();
        let text = told(&out);
        assert!(out.status.success(), "{line}: {text}");
        assert_eq!(std::fs::read(desk.path("o.npz")).unwrap(), want, "{line}");
        assert!(text.lines().count() <= 1, "{line}: {text}");
        if line.contains("--threads") {
            assert!(text.contains("the system allows 1 of 8 threads; going on with that"), "{text}");
        }
    }
    for line in [
        "store create s.safetensors --patterns p.npy",
        "store recall s.safetensors --queries q.npy --out o.npz --device cpu",
        "capacity --memory nearest,softmax --d 4 --n 4,16 --queries 10 --device cpu",
        "code --points 5 --dim 2",
        "features encode --patterns p.npy --features 10 --beta 1 --device cpu --out f.safetensors",
    ] {
        let out = desk.command(line).env("RUST_MIN_STACK", "9000000000000000").output().unwrap();
        assert!(out.status.success() && told(&out).lines().count() <= 1, "{line}: {}", told(&out));
    }
}

/// Memory for some of the stacks.
#[cfg(target_os = "linux")]
#[test]
fn with_room_for_some_threads_it_goes_on_with_those() {
    let desk = desk();
    desk.done(&format!("{RECALL} --threads 2"));
    let want = std::fs::read(desk.path("o.npz")).unwrap();
    let whole = desk.command(&format!("{RECALL} --threads 64 -vv"));
    let mut command = Command::new("prlimit");
    command.arg(format!("--as={}", 6_u64 << 30)).arg(whole.get_program()).args(whole.get_args());
    let out = command.current_dir(desk.path("")).env("RUST_MIN_STACK", "1073741824").output().unwrap();
    let made = threads(&out);
    assert!((2..64).contains(&made), "{made}: {}", told(&out));
    assert!(told(&out).contains(&format!("the system allows {made} of 64 threads")), "{}", told(&out));
    assert_eq!(std::fs::read(desk.path("o.npz")).unwrap(), want);
}

/// The limit that a shared machine sets: processes of a user. It does not bind root, who can be another user for a while.
#[cfg(target_os = "linux")]
#[test]
fn a_limit_on_processes_is_no_failure() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let desk = desk();
    desk.done(&format!("{RECALL} --threads 2"));
    let want = fs::read(desk.path("o.npz")).unwrap();
    let whole = desk.command(&format!("{RECALL} --threads 4"));
    // Whoever is not root has other processes, which count: then nothing can be said of how many may be made.
    let root = fs::metadata("/proc/self").is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0);
    let mut command = Command::new(if root { "setpriv" } else { "prlimit" });
    if root {
        let folder = desk.path("");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        fs::remove_file(desk.path("o.npz")).unwrap();
        command.args(["--reuid", "54321", "--clear-groups", "prlimit"]);
    }
    command.args(["--nproc=1", "--"]).arg(whole.get_program()).args(whole.get_args());
    let out = command.current_dir(desk.path("")).output().unwrap();
    let text = told(&out);
    if !root && !out.status.success() && text.starts_with("prlimit") {
        return eprintln!("skipping: {text}");
    }
    if root && text.contains("ermission denied") {
        return eprintln!("skipping: another user may not run the command: {text}");
    }
    assert!(out.status.success(), "{text}");
    assert!(text.contains("the system allows 1 of 4 threads") && text.lines().count() == 1, "{text}");
    assert_eq!(fs::read(desk.path("o.npz")).unwrap(), want);
}

/// Rust itself says that memory is out, and how much was asked for, with a note of its own on the line below.
#[cfg(target_os = "linux")]
#[test]
fn without_memory_there_is_a_line_and_status_1() {
    let desk = desk();
    for line in [
        "features encode --patterns p.npy --features 200000000 --beta 1 --device cpu --out f.safetensors",
        "features encode --patterns p.npy --features 900000000 --beta 1 --device cpu --out f.safetensors",
    ] {
        let whole = desk.command(&format!("{line} --threads 2"));
        let mut command = Command::new("prlimit");
        command.arg(format!("--as={}", 1_u64 << 30)).arg(whole.get_program()).args(whole.get_args());
        let out = command.current_dir(desk.path("")).env_remove("RUST_BACKTRACE").output().unwrap();
        let text = told(&out);
        assert_eq!(out.status.code(), Some(1), "{line}: {text}");
        assert!(text.starts_with("memory allocation of ") && text.lines().count() <= 2, "{line}: {text}");
        assert!(!desk.path("f.safetensors").exists(), "{line}");
    }
}
