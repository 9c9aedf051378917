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

/// Kills come anywhere in the time that one file takes to be written, however fast the machine is just then.
#[test]
fn killed_at_any_moment_a_file_is_the_old_one_or_the_new_one() {
    const KILLS: u32 = 200;
    let folder = folder();
    let new = written(folder.path(), &content(true));
    let old = written(folder.path(), &content(false));
    let (mut midst, mut seen) = (0, [0; 2]);
    for kill in 0.. {
        let mut child = child::command("in turns", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // A line for each file that it begins.
        let told = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut begins = told.map(Result::unwrap).filter(|line| line == BEGINS);
        // In the last file of the first round, or any of the two rounds that follow.
        let count = WRITERS.len() as u32 + kill % (2 * WRITERS.len() as u32);
        begins.next().unwrap();
        let begun = Instant::now();
        (1..count).for_each(|_| drop(begins.next().unwrap()));
        let file = begun.elapsed() / (count - 1);
        // In an order that jumps about.
        std::thread::sleep(file * (kill * 61 % KILLS) / KILLS);
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
        let enough = midst > 5 && seen[0] > 5 && seen[1] > 5;
        if kill + 1 >= KILLS && enough {
            break;
        }
        assert!(kill < 10 * KILLS, "after {kill} kills: {midst} in the midst, {seen:?}");
    }
    println!("{midst} killed in the midst of a file; {} old files, {} new ones", seen[0], seen[1]);
    written(folder.path(), &content(true));
    assert_eq!(names(folder.path()).len(), WRITERS.len(), "{:?}", names(folder.path()));
}

/// What the process that writes says before each file.
const BEGINS: &str = "begins";

/// In a process of its own.
pub(super) fn in_turns(folder: &Path) {
    let both = [content(false), content(true)];
    println!();
    // Should the test above have ended without it, this ends too.
    for round in 0..10_000 {
        for (name, write) in WRITERS {
            println!("{BEGINS}");
            write(&folder.join(name), &both[round % 2]).unwrap();
        }
    }
}
