//! Writers that are killed at any moment.

use super::{WRITERS, child, folder, names, written};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
    time::Instant,
};

/// What is written in turns.
fn content(new: bool) -> Vec<f32> {
    // Of different lengths, so that a mix would show.
    (0..if new { 200_000 } else { 150_000 }).map(|i| if new { i as f32 } else { -(i as f32) }).collect()
}

#[test]
fn killed_at_any_moment_a_file_is_the_old_one_or_the_new_one() {
    const KILLS: u32 = 200;
    let folder = folder();
    let start = Instant::now();
    let new = written(folder.path(), &content(true));
    let old = written(folder.path(), &content(false));
    // Kills come over the time of some rounds, however long those take here.
    let while_written = 2 * start.elapsed();
    let (mut midst, mut seen) = (0, [0; 2]);
    for kill in 0..KILLS {
        let mut child = child::command("in turns", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(told.any(|line| line.unwrap().contains("begins")));
        // In an order that jumps about.
        std::thread::sleep(while_written * (kill * 61 % KILLS) / KILLS);
        child.kill().unwrap();
        child.wait().unwrap();
        for ((path, old), (_, new)) in old.iter().zip(&new) {
            let now = std::fs::read(path).unwrap();
            assert!(now == *old || now == *new, "{}: neither old nor new", path.display());
            seen[usize::from(now == *new)] += 1;
        }
        // One of its own at most: those before it were swept by the writer after.
        let left = names(folder.path()).len() - WRITERS.len();
        assert!(left <= 1, "{:?}", names(folder.path()));
        midst += left;
    }
    println!("{midst} of {KILLS} killed in the midst of a file; {} old files, {} new ones", seen[0], seen[1]);
    assert!(midst > 5 && seen[0] > 5 && seen[1] > 5, "{midst} in the midst, {seen:?}");
    written(folder.path(), &content(true));
    assert_eq!(names(folder.path()).len(), WRITERS.len(), "{:?}", names(folder.path()));
}

/// In a process of its own.
pub(super) fn in_turns(folder: &Path) {
    let both = [content(false), content(true)];
    let write = |path: &Path, round: usize| {
        for (name, write) in WRITERS {
            write(&path.join(name), &both[round % 2]).unwrap();
        }
    };
    write(folder, 0);
    println!("\nbegins");
    // Should the test above have ended without it, this ends too.
    (1..10_000).for_each(|round| write(folder, round));
}
