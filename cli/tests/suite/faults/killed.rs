//! Experiments that are killed at any moment go on, and come to the same end.

use super::{super::desk::Desk, names, timeless};
use std::{fs, process::Stdio, time::Duration};

/// How often work is to be killed in the midst, and how many beginnings that may take.
const MIDST: u32 = 12;
const MOST: u32 = 60;

/// Runs a line in folder after folder, each from the start to its end. On the way there it is killed again and again, each time
/// after a while that jumps about; how long that is at most follows how fast this machine is just then. After each kill and
/// each end `check` looks at the folder.
fn kill_and_go_on(desk: &Desk, line: &str, folders: u32, check: impl Fn(&str, bool)) {
    let (mut midst, mut most, mut kills) = (0, Duration::from_millis(60), 0_u32);
    for number in 0.. {
        let folder = format!("run{number}");
        let mut killed = 0;
        loop {
            let mut child = desk.command(&format!("{line} {folder}"));
            let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(most * (1 + kills * 7 % 10) / 10);
            let ended = child.try_wait().unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            if let Some(status) = ended {
                assert!(status.success());
                most = most * 4 / 5;
                break;
            }
            most = most * 21 / 20;
            killed += 1;
            check(&folder, false);
        }
        // Where it went on, not where it came to its end at once.
        midst += killed;
        desk.done(&format!("{line} {folder}"));
        check(&folder, true);
        if number + 1 >= folders && midst >= MIDST {
            break;
        }
        assert!(number < MOST, "killed in the midst {midst} times in {number} folders");
    }
}

#[test]
fn killed_at_any_moment_an_experiment_comes_to_the_same_end() {
    const LINE: &str = "capacity: --memory nearest,softmax --d 6,8 --n ..256 --queries 60 --seeds 2 --device cpu --quiet --out";
    let desk = Desk::new(&["capacity"], &[]);
    desk.done(&format!("{LINE} whole"));
    let want = timeless(&desk, "whole");
    let cells = desk.read("whole/journal.jsonl").lines().count();
    kill_and_go_on(&desk, LINE, 3, |folder, whole| {
        // Files that are there are whole.
        for name in ["manifest.json", "results.json"] {
            if let Ok(text) = fs::read_to_string(desk.path(folder).join(name)) {
                serde_json::from_str::<serde_json::Value>(&text).unwrap();
            }
        }
        if whole {
            assert_eq!(timeless(&desk, folder), want);
            // No cell was measured twice, and nothing of the killed ones is left.
            assert_eq!(desk.read(&format!("{folder}/journal.jsonl")).lines().count(), cells);
            assert_eq!(names(&desk.path(folder)), names(&desk.path("whole")));
        }
    });
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
    kill_and_go_on(&desk, LINE, 1, |folder, whole| {
        if whole {
            assert_eq!((figures(folder), kept(folder)), (figures("whole"), kept("whole")));
            assert_eq!(names(&desk.path(folder)), names(&desk.path("whole")));
        }
    });
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
