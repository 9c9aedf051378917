//! Ctrl-C and SIGTERM while a command is at work.

use super::{
    super::desk::{Desk, plain},
    names,
};
use attractor::io::ArrayData;
use signal_hook::flag;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Once, atomic::AtomicBool},
    time::Duration,
};

const SIGINT: u32 = 2;
const SIGTERM: u32 = 15;

/// Makes that children heed signals though this program was started to ignore them, as those in the background of a script are:
/// what is handled here is as usual there. Here it is as usual too.
fn heed() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in [SIGINT, SIGTERM] {
            let always = Arc::new(AtomicBool::new(true));
            flag::register_conditional_default(signal as i32, always).unwrap();
        }
    });
}

/// A command that has been started and listens to signals.
fn start(desk: &Desk, line: &str) -> Child {
    heed();
    let mut child = desk.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let listens = || {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0").trim();
        u64::from_str_radix(mask, 16).unwrap() & (1 << (SIGTERM - 1)) != 0
    };
    while !listens() {
        assert!(child.try_wait().unwrap().is_none(), "{line}: ended by itself");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn send(child: &Child, signal: u32) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status().unwrap();
    assert!(sent.success());
}

/// Fails unless a signal has ended a command in order; gives what it said.
#[track_caller]
fn ended(line: &str, out: &Output, signal: u32) -> String {
    let told = String::from_utf8(out.stderr.clone()).unwrap();
    assert_eq!(out.status.code(), Some(128 + signal as i32), "{line}: {told}");
    let name = if signal == SIGINT { "Ctrl-C" } else { "SIGTERM" };
    assert!(told.starts_with(&format!("attractor: stopped by {name}; ")), "{line}: {told}");
    assert_eq!(told.trim_end().lines().count(), 1, "{line}: {told}");
    assert!(out.stdout.is_empty(), "{line}: {}", String::from_utf8_lossy(&out.stdout));
    told
}

/// Data that keeps every command busy for a long while.
fn desk() -> Desk {
    let desk = Desk::new(&["recall"], &[]);
    let mut state = 1_u32;
    let mut value = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let many: Vec<f32> = (0..30_000 * 128).map(|_| value()).collect();
    desk.save("many.npy", &[30_000, 128], ArrayData::F32(&many));
    desk.save("some.npy", &[3000, 128], ArrayData::F32(&many[..3000 * 128]));
    fs::write(desk.path("o.npz"), "what was there before").unwrap();
    desk
}

/// Work that would take minutes.
const LONG: [&str; 8] = [
    "recall: --patterns many.npy --queries many.npy --beta 1 --tol 0 --steps 1000 --device cpu --out o.npz",
    "recall: --patterns some.npy --queries many.npy --energy sparsemax --beta 1 --tol 0 --steps 1000 --device cpu --out o.npz",
    "features: recall --patterns some.npy --queries many.npy --features 20000 --beta 0.01 --tol 0 --steps 1000 --device cpu --out o.npz",
    "separate: --patterns some.npy --iterations 100000 --device cpu --out o.npz",
    "code: --points 300 --dim 10 --starts 500 --out o.npz",
    "capacity: --memory softmax --d 64 --n 30000 --queries 20000 --steps converged --whole --device cpu",
    "bench: --op bank --job 512,4000000000,32 --device cpu --quiet",
    "bench: --op step --job 4096,100000,256 --repeat 1000 --device cpu --quiet",
];

#[test]
fn long_work_ends_at_a_signal_and_leaves_what_was_there() {
    let desk = desk();
    let there = names(&desk.path(""));
    // At once, since each waits a while.
    let running: Vec<(&str, u32, Child)> = LONG
        .iter()
        .zip([SIGINT, SIGTERM].iter().cycle())
        .map(|(line, signal)| (*line, *signal, start(&desk, line)))
        .collect();
    std::thread::sleep(Duration::from_millis(1500));
    for (line, signal, mut child) in running {
        assert!(child.try_wait().unwrap().is_none(), "{line}: ended by itself");
        send(&child, signal);
        ended(line, &child.wait_with_output().unwrap(), signal);
    }
    assert_eq!(names(&desk.path("")), there);
    assert_eq!(desk.read("o.npz"), "what was there before");
}

#[test]
fn a_second_signal_ends_a_command_at_once() {
    let desk = desk();
    let child = start(&desk, LONG[7]);
    std::thread::sleep(Duration::from_millis(300));
    // Twice within the time that work is given to end.
    for _ in 0..2 {
        send(&child, SIGINT);
    }
    let out = child.wait_with_output().unwrap();
    assert_eq!((out.status.code(), out.stdout.len()), (Some(130), 0));
}

#[test]
fn an_experiment_keeps_its_cells_and_goes_on() {
    const LINE: &str =
        "capacity: --memory nearest,softmax --d 6,8 --n ..512 --queries 200 --seeds 2 --device cpu";
    let desk = Desk::new(&["capacity"], &[]);
    desk.done(&format!("{LINE} --out whole --quiet"));
    let cells = |folder: &str| {
        fs::read_to_string(desk.path(folder).join("journal.jsonl")).map_or(0, |text| text.lines().count())
    };
    // Each goes on until a few cells more are there, however fast this machine is.
    let step = cells("whole") / 8;
    let (mut stopped, mut last) = (0, 0);
    loop {
        let line = format!("{LINE} --out run --quiet");
        let mut child = start(&desk, &line);
        let ended_before = loop {
            match child.try_wait().unwrap() {
                None if cells("run") < last + step => std::thread::sleep(Duration::from_millis(1)),
                ended => break ended.is_some(),
            }
        };
        if !ended_before {
            send(&child, SIGINT);
        }
        let out = child.wait_with_output().unwrap();
        let now = cells("run");
        assert!(now >= last);
        last = now;
        if out.status.success() {
            break;
        }
        let told = ended(&line, &out, SIGINT);
        assert!(told.contains("attractor capacity --out run --resume"), "{told}");
        stopped += 1;
    }
    assert!(stopped > 2, "stopped {stopped} times");
    desk.done("capacity: --out run --resume");
    assert_eq!(super::timeless(&desk, "run"), super::timeless(&desk, "whole"));
    assert_eq!(names(&desk.path("run")), names(&desk.path("whole")));
}

#[test]
fn a_reproduction_keeps_its_numbers() {
    let desk = Desk::new(&["reproduce"], &[]);
    let line = "reproduce: uhop --device cpu --out run";
    let mut child = start(&desk, line);
    while !fs::read_to_string(desk.path("run/kept.tsv")).is_ok_and(|text| text.lines().count() > 2) {
        assert!(child.try_wait().unwrap().is_none(), "{line}: ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    send(&child, SIGTERM);
    let told = ended(line, &child.wait_with_output().unwrap(), SIGTERM);
    assert!(told.contains("the same command goes on"), "{told}");
    assert!(desk.read("run/kept.tsv").ends_with('\n'));
    assert!(names(&desk.path("run")).iter().all(|name| !name.starts_with('.')));
}

/// A command that was started with signals ignored goes on ignoring them, as those in the background of a script are to.
#[test]
fn ignored_signals_stay_ignored() {
    let desk = Desk::new(&["capacity"], &[]);
    let whole = desk.command("capacity: --memory nearest --d 8 --n ..256 --queries 100 --device cpu --quiet");
    let mut shell = Command::new("sh");
    let script = "trap '' INT && echo && exec \"$@\"";
    shell.args(["-c", script, "sh"]).arg(whole.get_program()).args(whole.get_args());
    plain(&mut shell, desk.cache());
    shell.current_dir(desk.path("")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    // Before this line the shell itself would end.
    let mut told = BufReader::new(child.stdout.take().unwrap());
    told.read_line(&mut String::new()).unwrap();
    while child.try_wait().unwrap().is_none() {
        // Fails where it has ended meanwhile.
        let _ = Command::new("sh")
            .args(["-c", &format!("kill -INT {}", child.id())])
            .stderr(Stdio::null())
            .status();
        std::thread::sleep(Duration::from_millis(5));
    }
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// On a terminal: the keys Ctrl and C, a bar that is taken away, and a line.
#[test]
fn a_terminal_is_left_clean() {
    heed();
    let desk = desk();
    let whole = desk.command(LONG[0]);
    let words: Vec<String> = whole.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let line = format!("exec {} {}", whole.get_program().to_string_lossy(), words.join(" "));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--flush", "--command", &line, "typescript"]);
    plain(&mut command, desk.cache());
    command.current_dir(desk.path("")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut terminal = match command.spawn() {
        Ok(terminal) => terminal,
        Err(error) => return eprintln!("no terminal: `script` (Debian: bsdutils) cannot be run: {error}"),
    };
    let text =
        || String::from_utf8_lossy(&fs::read(desk.path("typescript")).unwrap_or_default()).into_owned();
    while !text().contains("recalling") {
        assert!(terminal.try_wait().unwrap().is_none(), "{}", text());
        std::thread::sleep(Duration::from_millis(50));
    }
    terminal.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    let out = terminal.wait_with_output().unwrap();
    let text = text();
    assert_eq!(out.status.code(), Some(130), "{text}");
    let (before, after) =
        text.split_once("attractor: stopped by Ctrl-C; ").unwrap_or_else(|| panic!("{text:?}"));
    assert!(!after.contains("recalling"), "{text:?}");
    let bar = before.rfind("recalling").unwrap();
    assert!(before[bar..].contains("\x1b[2K"), "the bar stays: {text:?}");
}
