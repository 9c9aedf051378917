//! What the command keeps of experiments, so that they go on where they were stopped.

use super::{Scratch, within};
use crate::{failure::Failure, journal::Cells, kept::Kept};
use attractor::capacity::Journal;
use std::{fs, path::Path};

/// A JSON value of a digit, in lists that grow.
const PER_BYTE: usize = 128;
const FIXED: usize = 1 << 15;
/// What the numbers of a run depend on, as their file begins.
const ABOUT: &str = "seed 1";

/// The first byte says of which kind the file is.
pub(super) fn results(bytes: &[u8], scratch: &Scratch) {
    let Some((kind, text)) = bytes.split_first() else { return };
    let limit = PER_BYTE * text.len() + FIXED;
    match kind {
        0 => cells(&scratch.file("journal.jsonl", text), limit),
        1 => numbers(&scratch.file("kept.tsv", text), limit),
        _ => {}
    }
}

fn cells(path: &Path, limit: usize) {
    let Some(mut cells) = accepted(within(limit, || Cells::open(path)), path) else { return };
    let before = cells.before;
    // Another cell goes behind the others, whatever the file ended with.
    cells.keep("one more", &Default::default()).expect("room for a cell");
    drop(cells);
    let again = Cells::open(path).unwrap_or_else(|error| panic!("what was added to is read: {error}"));
    assert!(again.find("one more").is_some() && again.before >= before.max(1));
}

fn numbers(path: &Path, limit: usize) {
    let Some(kept) = accepted(within(limit, || Kept::open(path, ABOUT)), path) else { return };
    let third = vec![1.0 / 3.0, -0.0, f64::INFINITY];
    let known = kept.numbers("one more", || Ok(third)).expect("room for numbers");
    drop(kept);
    assert!(fs::read(path).expect("the file").ends_with(b"\n"));
    let again = Kept::open(path, ABOUT).unwrap_or_else(|error| panic!("what was added to is read: {error}"));
    let same = again.numbers("one more", || Err(Failure::data("made twice"))).expect("what was kept");
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&same), bits(&known));
}

fn accepted<T>(result: Result<T, Failure>, path: &Path) -> Option<T> {
    result
        .inspect_err(|error| {
            let (message, file) = (error.to_string(), path.file_name().expect("a file").to_string_lossy());
            assert!(message.contains(&*file), "the file is not named: {message}");
            assert!(message.chars().count() < 2000 && !message.contains(char::is_control), "{message:?}");
        })
        .ok()
}
