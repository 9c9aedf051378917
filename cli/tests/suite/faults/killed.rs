//! Experiments that are killed at any moment go on, and come to the same end.

use super::{super::desk::Desk, names, timeless};
use std::{fs, process::Stdio, time::Duration};

/// Starts a line again and again, killing it each time after a while that jumps about, and lets it go to its end at last. Gives how
/// often it was killed in the midst.
fn kill_and_go_on(desk: &Desk, line: &str, kills: u64, step: Duration, check: impl Fn()) -> u64 {
    let mut midst = 0;
    for kill in 0..kills {
        let mut child = desk.command(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(step * (1 + (kill * 7 % kills) as u32));
        let ended = child.try_wait().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(ended.is_none_or(|status| status.success()));
        midst += u64::from(ended.is_none());
        check();
    }
    desk.done(line);
    midst
}

#[test]
fn killed_at_any_moment_an_experiment_comes_to_the_same_end() {
    const LINE: &str = "capacity: --memory nearest,softmax --d 6,8 --n ..256 --queries 60 --seeds 2 --device cpu --quiet --out";
    let desk = Desk::new(&["capacity"], &[]);
    desk.done(&format!("{LINE} whole"));
    let want = timeless(&desk, "whole");
    let cells = desk.read("whole/journal.jsonl").lines().count();
    let mut midst = 0;
    for round in 0..3 {
        let folder = format!("run{round}");
        midst += kill_and_go_on(&desk, &format!("{LINE} {folder}"), 10, Duration::from_millis(4), || {
            // Files that are there are whole.
            for name in ["manifest.json", "results.json"] {
                if let Ok(text) = fs::read_to_string(desk.path(&folder).join(name)) {
                    serde_json::from_str::<serde_json::Value>(&text).unwrap();
                }
            }
        });
        assert_eq!(timeless(&desk, &folder), want);
        // No cell was measured twice, and nothing of the killed ones is left.
        assert_eq!(desk.read(&format!("{folder}/journal.jsonl")).lines().count(), cells);
        assert_eq!(names(&desk.path(&folder)), names(&desk.path("whole")));
    }
    assert!(midst > 10, "killed in the midst {midst} times");
}

#[test]
fn killed_at_any_moment_a_reproduction_comes_to_the_same_end() {
    const LINE: &str = "reproduce: uhop --quick --device cpu --quiet --out";
    let desk = Desk::new(&["reproduce"], &[]);
    desk.done(&format!("{LINE} whole"));
    // All but the line with the time.
    let figures = |folder: &str| {
        let text = desk.read(&format!("{folder}/figures.txt"));
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines[..lines.len() - 1].to_vec()
    };
    let kept = |folder: &str| {
        let mut lines: Vec<String> =
            desk.read(&format!("{folder}/kept.tsv")).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let midst = kill_and_go_on(&desk, &format!("{LINE} run"), 6, Duration::from_millis(60), || {});
    assert!(midst > 2, "killed in the midst {midst} times");
    assert_eq!((figures("run"), kept("run")), (figures("whole"), kept("whole")));
    assert_eq!(names(&desk.path("run")), names(&desk.path("whole")));
}

/// What a program that is killed leaves of a line may end within a letter of several bytes.
#[test]
fn a_line_that_ends_within_a_letter_is_dropped() {
    let desk = Desk::new(&["capacity"], &["--device", "cpu", "--quiet"]);
    let images: Vec<f32> = (0..16 * 4).map(|i| (i * 7 % 11) as f32).collect();
    desk.save("bildchen-é.npy", &[16, 4], attractor::io::ArrayData::F32(&images));
    let line = "--memory nearest --data bildchen-é.npy --n 4,16 --queries 10 --out run";
    desk.done(line);
    let want = timeless(&desk, "run");
    let journal = fs::read(desk.path("run/journal.jsonl")).unwrap();
    let letter = journal.windows(2).rposition(|bytes| bytes == "é".as_bytes()).unwrap();
    fs::write(desk.path("run/journal.jsonl"), &journal[..=letter]).unwrap();
    desk.done("--out run --resume");
    assert_eq!(timeless(&desk, "run"), want);
}
