//! Odd names, readers that go away, results in place of what they were made of.

use super::{super::desk::Desk, names};
use attractor::io::ArrayData;
use std::process::Stdio;

fn desk() -> Desk {
    let desk = Desk::new(&["recall"], &[]);
    desk.save("p.npy", &[3, 2], ArrayData::F32(&[1.0, 0.0, 0.0, 1.0, -1.0, 0.0]));
    desk.save("q.npy", &[2, 2], ArrayData::F32(&[0.9, 0.2, 0.1, 0.8]));
    desk
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let desk = desk();
    for line in [
        "capacity: --memory nearest --d 4 --n 4,16 --queries 10 --device cpu",
        "code: --list",
        "code: --help",
        "devices: ",
        "demo: --device cpu --quiet --json",
        "recall: --device cpu --patterns p.npy --queries q.npy --out o.npy --json",
        "features: advise --patterns p.npy --help",
    ] {
        let mut child = desk.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // As `| head` does when it has seen enough.
        drop(child.stdout.take());
        let out = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success() && told.is_empty(), "{line}: {} {told}", out.status);
    }
    // What it was to write is there all the same.
    assert_eq!(desk.values("o.npy", "").len(), 4);
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_is_full_is_a_failure() {
    let desk = desk();
    for line in ["code: --list", "recall: --device cpu --patterns p.npy --queries q.npy --out o.npy"] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let out = desk.command(line).stdout(full).output().unwrap();
        let told = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{line}: {told}");
        assert!(told.lines().count() == 1 && told.contains("standard output cannot be written"), "{told}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_are_names() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let desk = desk();
    let [odd, folder] = [&b"r\xe9.npz"[..], b"f\xff"].map(OsStr::from_bytes);
    for (line, name) in [
        ("recall: --device cpu --patterns p.npy --queries q.npy --json --out", odd),
        ("energy: --device cpu --patterns p.npy --states q.npy --json --out", odd),
        ("separate: --device cpu --patterns p.npy --json --out", odd),
        ("code: --known polygon:5 --json --out", odd),
        (
            "explain: --device cpu --patterns p.npy --queries q.npy --json --plot",
            OsStr::from_bytes(b"\xfe.svg"),
        ),
        ("demo: --device cpu --json --out-dir", folder),
        ("capacity: --memory nearest --d 4 --n 4,16 --queries 10 --device cpu --json --out", folder),
    ] {
        let mut command = desk.command(line);
        let out = command.arg(name).output().unwrap();
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!told.contains("panicked"), "{line}: {told}");
        assert!(out.status.success(), "{line}: {told}");
        serde_json::from_slice::<serde_json::Value>(&out.stdout).unwrap();
        assert!(desk.path("").join(name).exists(), "{line}");
    }
}

#[test]
fn a_result_may_take_the_place_of_what_it_was_made_of() {
    let desk = desk();
    let before = names(&desk.path(""));
    for (at, line) in
        ["--device cpu --patterns p.npy --queries q.npy", "--device cpu --patterns q.npy --queries p.npy"]
            .iter()
            .enumerate()
    {
        desk.done(&format!("{line} --out other{at}.npy"));
        let want = desk.values(&format!("other{at}.npy"), "");
        std::fs::remove_file(desk.path(&format!("other{at}.npy"))).unwrap();
        // The patterns are mapped while they are replaced.
        desk.done(&format!("{line} --out p.npy"));
        assert_eq!(desk.values("p.npy", ""), want);
        desk.save("p.npy", &[3, 2], ArrayData::F32(&[1.0, 0.0, 0.0, 1.0, -1.0, 0.0]));
    }
    assert_eq!(names(&desk.path("")), before);
}

#[test]
fn an_experiment_of_a_version_to_come_is_left_as_it_is() {
    let desk = desk();
    desk.done("capacity: --memory nearest --d 4 --n 4,16 --queries 10 --device cpu --out run --quiet");
    let manifest = desk.read("run/manifest.json").replace("\"format\": 1", "\"format\": 2");
    std::fs::write(desk.path("run/manifest.json"), &manifest).unwrap();
    for line in [
        "capacity: --out run --resume",
        "capacity: --memory nearest --d 4 --n 4,16 --queries 10 --device cpu --out run",
    ] {
        let text = desk.fails(line);
        assert!(text.contains("format 2") && text.contains("a later one"), "{text}");
    }
    assert_eq!(desk.read("run/manifest.json"), manifest);
}

#[test]
fn two_experiments_do_not_share_a_folder() {
    let desk = desk();
    let line = "capacity: --memory nearest --d 4 --n 4,16 --queries 10 --device cpu --out run --quiet";
    desk.done(line);
    let held = std::fs::File::open(desk.path("run/journal.jsonl")).unwrap();
    fs4::FileExt::lock(&held).unwrap();
    assert!(desk.fails_with(line, 75).contains("another program is at work"));
    drop(held);
    desk.done(line);
}

/// A pipe that no one reads from is refused, and at once: what would be computed for it would be lost. One with a reader gets what a
/// file would.
#[cfg(unix)]
#[test]
fn a_pipe_is_written_to_if_someone_reads_it() {
    use std::process::Command;
    let desk = desk();
    let pipe = |name: &str| assert!(Command::new("mkfifo").arg(desk.path(name)).status().unwrap().success());
    for (line, name) in [
        ("recall: --device cpu --patterns p.npy --queries q.npy --quiet --out", "r.npz"),
        ("energy: --device cpu --patterns p.npy --states q.npy --quiet --out", "e.npy"),
        ("explain: --device cpu --patterns p.npy --queries q.npy --quiet --plot", "w.svg"),
        ("separate: --device cpu --patterns p.npy --iterations 2 --quiet --out", "s.npz"),
        ("code: --known polygon:5 --quiet --out", "c.npy"),
        (
            "features: encode --device cpu --patterns p.npy --features 4 --beta 1 --quiet --out",
            "f.safetensors",
        ),
    ] {
        let plain = format!("plain-{name}");
        desk.done(&format!("{line} {plain}"));
        pipe(name);
        let text = desk.fails(&format!("{line} {name}"));
        assert!(text.contains(name) && text.contains("no program reads from this pipe"), "{line}: {text}");
        let reader = Command::new("cat").arg(desk.path(name)).stdout(Stdio::piped()).spawn().unwrap();
        // Opening it is what makes a reader of it, at a moment of its own.
        let mut out = desk.run(&format!("{line} {name}"));
        while String::from_utf8_lossy(&out.stderr).contains("no program reads") {
            out = desk.run(&format!("{line} {name}"));
        }
        assert!(out.status.success(), "{line}: {}", String::from_utf8_lossy(&out.stderr));
        let got = reader.wait_with_output().unwrap().stdout;
        assert!(got == std::fs::read(desk.path(&plain)).unwrap(), "{line}: {} bytes", got.len());
    }
}

/// Devices, and what a process has open, are written to as they are.
#[cfg(target_os = "linux")]
#[test]
fn what_is_no_file_is_written_to() {
    use std::os::unix::fs::symlink;
    let desk = desk();
    let line = "recall: --device cpu --patterns p.npy --queries q.npy --quiet --out";
    desk.done(&format!("{line} plain.npy"));
    symlink("/dev/null", desk.path("null.npy")).unwrap();
    desk.done(&format!("{line} null.npy"));
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
    // Standard output, a pipe here.
    symlink("/dev/stdout", desk.path("out.npy")).unwrap();
    let out = desk.run(&format!("{line} out.npy"));
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.stdout, std::fs::read(desk.path("plain.npy")).unwrap());
}
