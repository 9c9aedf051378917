//! Endurance: everything that the library does, over and over, while memory, handles and pools are watched. Without
//! settings it takes seconds; `cargo xtask soak` runs it for an hour. A program of its own, since what it measures is
//! the whole process's.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that fails should say where; tests are read by their names"
)]

#[path = "../common/alone.rs"]
mod alone;
#[path = "../common/counting.rs"]
#[allow(dead_code, reason = "other tests ask for more of it")]
mod counting;
mod report;
mod round;
mod sample;
mod trend;

use alone::alone;
use attractor::{
    Device,
    gpu::{Kernels, Options, Strategy},
};
use report::Record;
use round::{BARE, Desk, PARTS, Part, bare};
use std::{
    ffi::OsStr,
    path::PathBuf,
    time::{Duration, Instant},
};

#[global_allocator]
static COUNTING: counting::Counting = counting::Counting;

/// What `cargo xtask soak` asks for, by environment variables.
struct Plan {
    /// `None` for the short form.
    minutes: Option<f64>,
    /// `cpu` for that alone, else the GPU to run on beside it.
    device: String,
    /// Where files of the record go.
    out: Option<PathBuf>,
    /// Does those parts of a round alone whose names have this in them.
    only: String,
    /// Bytes that each round leaks on purpose, to see them found.
    leak: usize,
}

impl Plan {
    fn new() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        let gpu =
            || variable("ATTRACTOR_TEST_GPU").map_or("software".to_owned(), |name| format!("gpu:{name}"));
        Self {
            minutes: variable("ATTRACTOR_SOAK_MINUTES").map(|v| v.parse().unwrap()),
            device: variable("ATTRACTOR_SOAK_DEVICE").unwrap_or_else(gpu),
            out: variable("ATTRACTOR_SOAK_OUT").map(PathBuf::from),
            only: variable("ATTRACTOR_SOAK_ONLY").unwrap_or_default(),
            leak: variable("ATTRACTOR_SOAK_LEAK").map_or(0, |v| v.parse().unwrap()),
        }
    }

    /// What is done in a round.
    fn parts(&self) -> Vec<(&'static str, Part)> {
        match self.only.as_str() {
            BARE => vec![(BARE, bare)],
            only => PARTS.into_iter().filter(|(name, _)| name.contains(only)).collect(),
        }
    }

    /// The GPU in each way that its kernels go about their work; in the short form the usual one alone. Empty where
    /// there is none, or none is wanted.
    fn gpus(&self) -> Vec<Device> {
        if self.device == "cpu" {
            return Vec::new();
        }
        let tiled = |strategy| Options { kernels: Kernels::Tiled, strategy, ..Options::default() };
        let mut ways = vec![Options::default()];
        if self.minutes.is_some() {
            ways.extend([None, Some(Strategy::Small), Some(Strategy::Fused), Some(Strategy::Few)].map(tiled));
        }
        let open = |options| match Device::open_with(&self.device, options) {
            Ok(device) => Some(device),
            Err(error) => {
                let required = std::env::var("ATTRACTOR_REQUIRE_GPU").is_ok_and(|v| v == "1");
                assert!(!required && self.minutes.is_none(), "{error}");
                eprintln!("skipping the GPU: {error}");
                None
            }
        };
        ways.into_iter().map_while(open).collect()
    }
}

/// What is read when a process starts, by C's allocator and the driver, or for all of one.
const SETTINGS: [(&str, &str); 4] = [
    // glibc gives threads that come and go one of sixteen heaps each, which all fill up by and by: resident memory
    // would grow for hours without a byte that is not given back.
    ("MALLOC_ARENA_MAX", "1"),
    // A software GPU's kernels run where they are asked for. They are small here: to hand them to threads takes ten times
    // as long, and rounds are what tells a leak from a cache.
    ("LP_NUM_THREADS", "0"),
    ("RAYON_NUM_THREADS", "2"),
    // Kernels of a hardware GPU are not timed in between.
    ("ATTRACTOR_TUNE", "off"),
];
/// Rounds of the short form: enough for what fills up at first, page by page, to have done so in the first quarter.
const ROUNDS: usize = 320;
/// Parts that the short form runs on a GPU: a software GPU compiles each kernel for long.
const SHORT: [&str; 4] = ["dense memory", "store", "threads", "devices and errors"];
/// Least time between two samples of the long form.
const PAUSE: Duration = Duration::from_secs(2);
/// Time between two lines of progress.
const TELL: Duration = Duration::from_secs(60);

#[test]
fn nothing_grows() {
    let settings = SETTINGS.map(|(name, value)| (name, Some(OsStr::new(value))));
    alone(module_path!(), "nothing_grows", &settings, soak);
}

/// Goes round until the time is over.
fn soak() {
    let plan = Plan::new();
    let (gpus, parts) = (plan.gpus(), plan.parts());
    let folder = tempfile::tempdir().unwrap();
    let mut record = Record::new();
    let (start, mut told) = (Instant::now(), Instant::now());
    let end = plan.minutes.map(|minutes| Duration::from_secs_f64(60.0 * minutes));
    let ways = gpus.len().max(1);
    for number in 0.. {
        // The devices take turns, so that each round costs about as much as any other.
        let gpu = gpus.get(number % ways);
        for device in [Some(&Device::cpu()), gpu].into_iter().flatten() {
            let short = end.is_none() && device.as_gpu().is_some();
            for (name, part) in parts.iter().filter(|(name, _)| !short || SHORT.contains(name)) {
                let selector = device.as_gpu().map(|_| plan.device.as_str());
                let seed = (number / ways) as u64;
                part(&Desk { device, selector, folder: folder.path(), seed })
                    .unwrap_or_else(|error| panic!("round {number}, {name} on {device}: {error}"));
            }
        }
        std::mem::forget(Vec::<u8>::with_capacity(plan.leak));
        // What the last round has left to other threads gets its turn.
        std::thread::yield_now();
        if end.is_none() || record.last().is_none_or(|at| start.elapsed() - at >= PAUSE) {
            record.take(start.elapsed(), number + 1, &gpus);
        }
        if end.is_some() && told.elapsed() >= TELL {
            told = Instant::now();
            println!("{}", record.progress());
        }
        if end.map_or(number + 1 >= ROUNDS, |end| start.elapsed() >= end) {
            break;
        }
    }
    println!("{}", record.table());
    if let Some(out) = &plan.out {
        record.save(out).unwrap();
    }
    let leaks: Vec<&str> = record.leaks().collect();
    assert!(leaks.is_empty(), "these grow: {}\n{}", leaks.join(", "), record.table());
    assert!(record.says_something(), "too few rounds to tell in this time: {}", record.rounds());
}
