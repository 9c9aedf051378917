//! What it costs to add to a store, to forget and to replace, against the number of patterns that it has:
//! `cargo bench --bench store [-- PATTERNS...]`.
//!
//! Each figure is the median of some runs, with everything that must be on the disk synced to it.

use attractor::{
    Device, Rows,
    store::{Ask, Batch, Id, Ledger, Settings, Store},
};
use std::{
    error::Error,
    path::Path,
    time::{Duration, Instant},
};

const DIM: usize = 64;
/// How many patterns come and go at a time.
const BATCH: usize = 1000;
const RUNS: usize = 7;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Rows of numbers from -1 to 1 that are the same in every run.
fn rows(count: usize, seed: u64) -> attractor::Result<Rows<'static>> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        // A linear congruential generator: its upper bits are good enough to be unlike each other.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    Rows::new((0..count * DIM).map(|_| next()).collect::<Vec<_>>(), DIM)
}

fn timed<T>(work: impl FnOnce() -> attractor::Result<T>) -> Outcome<Duration> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}

/// `RUNS` times of each of some operations, in ms.
struct Figures {
    open: f64,
    first: f64,
    add: f64,
    forget: f64,
    replace: f64,
    /// Of one query; `None` where there is no memory.
    recall: Option<f64>,
    compact: f64,
}

/// On the disk alone.
fn ledger(path: &Path, n: usize) -> Outcome<Figures> {
    let (mut open, mut add, mut forget, mut replace, mut compact) = (vec![], vec![], vec![], vec![], vec![]);
    let mut first = Vec::new();
    for run in 0..RUNS {
        let mut ledger = None;
        open.push(timed(|| {
            ledger = Some(Ledger::open(path)?);
            Ok(())
        })?);
        let Some(mut ledger) = ledger else { continue };
        let more = rows(BATCH, run as u64 + 1)?;
        let mut ids = Vec::new();
        let before = rows(BATCH, run as u64 + 50)?;
        first.push(timed(|| ledger.add(Batch::new(&before)))?);
        add.push(timed(|| {
            ids = ledger.add(Batch::new(&more))?;
            Ok(())
        })?);
        let some: Vec<Id> = spread(n, run).collect();
        replace.push(timed(|| ledger.replace(Batch::new(&more).ids(&some)))?);
        forget.push(timed(|| ledger.forget(&ids))?);
        // So that no operation has to write the file anew by itself.
        compact.push(timed(|| ledger.compact())?);
    }
    let [open, first, add, forget, replace, compact] =
        [open, first, add, forget, replace, compact].map(median);
    Ok(Figures { open, first, add, forget, replace, recall: None, compact })
}

/// Ids all over the store, others in each run.
fn spread(n: usize, run: usize) -> impl Iterator<Item = Id> {
    (0..BATCH).map(move |i| Id::from((i * (n / BATCH) + run) as u64))
}

/// With the memory on the CPU, which has recalled before: `beta` is chosen from the patterns.
fn store(path: &Path, n: usize) -> Outcome<Figures> {
    let (mut open, mut add, mut forget, mut replace, mut recall) = (vec![], vec![], vec![], vec![], vec![]);
    let (mut compact, mut first) = (Vec::new(), Vec::new());
    let query = rows(1, 77)?;
    let mut store = None;
    open.push(timed(|| {
        store = Some(Store::open(path, &Device::cpu())?);
        Ok(())
    })?);
    let Some(store) = store else { return Err("not opened".into()) };
    for run in 0..RUNS {
        // Terms and beta are there, as between recalls.
        store.recall_with(&query, &Ask::default())?;
        let more = rows(BATCH, run as u64 + 100)?;
        let mut ids = Vec::new();
        let before = rows(BATCH, run as u64 + 150)?;
        first.push(timed(|| store.add(Batch::new(&before)))?);
        store.recall(&query)?;
        add.push(timed(|| {
            ids = store.add(Batch::new(&more))?;
            Ok(())
        })?);
        recall.push(timed(|| store.recall(&query))?);
        let some: Vec<Id> = spread(n, run).collect();
        replace.push(timed(|| store.replace(Batch::new(&more).ids(&some)))?);
        store.recall(&query)?;
        forget.push(timed(|| store.forget(&ids))?);
        compact.push(timed(|| store.compact())?);
    }
    let [open, first, add, forget, replace, recall, compact] =
        [open, first, add, forget, replace, recall, compact].map(median);
    Ok(Figures { open, first, add, forget, replace, recall: Some(recall), compact })
}

fn main() -> Outcome {
    let given: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if given.is_empty() { vec![10_000, 100_000, 1_000_000] } else { given };
    println!("{BATCH} patterns of {DIM} values at a time; ms, median of {RUNS}");
    println!(
        "{:>10} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "patterns", "", "open", "first", "add", "forget", "replace", "recall 1", "compact"
    );
    for n in sizes {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("m.safetensors");
        drop(Ledger::create(&path, Settings::default(), Batch::new(&rows(n.max(BATCH), 0)?))?);
        for (what, figures) in [("ledger", ledger(&path, n)?), ("store", store(&path, n)?)] {
            let Figures { open, first, add, forget, replace, recall, compact } = figures;
            println!(
                "{n:>10} {what:>8} {open:>9.2} {first:>9.2} {add:>9.2} {forget:>9.2} {replace:>9.2} {:>9} {compact:>9.2}",
                recall.map_or(String::new(), |r| format!("{r:.2}"))
            );
        }
    }
    Ok(())
}
