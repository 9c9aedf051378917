//! What a look at a memory of random features costs, by the kind of its frequencies, beside the matrix products of the same
//! size and beside a memory that keeps its patterns: `cargo bench --bench features [-- BxMxD...]`.
//!
//! The ways of a job run in turn; each figure is a median. On the CPU, or the device that `ATTRACTOR_BENCH_DEVICE` names.

#[path = "../scaling/values.rs"]
mod values;

use attractor::{
    Device, Result, Rows, Tensor,
    ops::{FeatureMap, FeatureSpec, Features, FrequencySource, Layout, Projection, Similarity, matmul, step},
};
use std::{error::Error, time::Instant};

/// Rounds in which every way runs once.
const ROUNDS: usize = 9;
/// Seconds of a sample at least.
const SAMPLE: f64 = 0.02;
/// Bytes of frequencies that a stored way may keep.
const ROOM: u64 = 4 << 30;
const BETA: f32 = 10.0;

/// Queries, frequencies and columns.
const JOBS: [[usize; 3]; 12] = [
    // Against m.
    [64, 4_000, 128],
    [64, 16_000, 128],
    [64, 64_000, 128],
    // Against d; structured frequencies pay from long rows on.
    [64, 16_384, 32],
    [64, 16_384, 64],
    [64, 16_384, 256],
    [64, 16_384, 512],
    [64, 16_384, 1024],
    // Against b: what is made anew is shared by the queries.
    [1, 16_000, 128],
    [8, 16_000, 128],
    [32, 16_000, 128],
    [512, 16_000, 128],
];

/// A way to do a job.
struct Way<'a> {
    name: &'static str,
    work: Box<dyn FnMut() -> Result<()> + 'a>,
    samples: Vec<f64>,
}

impl<'a> Way<'a> {
    fn new(name: &'static str, work: impl FnMut() -> Result<()> + 'a) -> Self {
        Self { name, work: Box::new(work), samples: Vec::new() }
    }

    /// Seconds of a call, the mean over a sample.
    fn sample(&mut self) -> Result<f64> {
        let started = Instant::now();
        let mut calls = 0;
        while calls == 0 || started.elapsed().as_secs_f64() < SAMPLE {
            (self.work)()?;
            calls += 1;
        }
        Ok(started.elapsed().as_secs_f64() / f64::from(calls))
    }

    fn median(&self) -> f64 {
        let mut samples = self.samples.clone();
        samples.sort_by(f64::total_cmp);
        samples[samples.len() / 2]
    }
}

fn features(device: &Device, [_, m, d]: [usize; 3], kind: Projection, room: u64) -> Result<Features> {
    let source = FrequencySource::Seed { seed: 1, projection: kind };
    let spec = FeatureSpec { source, ..FeatureSpec::new(FeatureMap::SinCos, m, d, BETA, 1) };
    Features::new(&spec, device, room)
}

/// Runs the ways in turn and prints a line for each, with its time in shares of the first.
fn race(title: &str, operations: f64, mut ways: Vec<Way<'_>>) -> Result<()> {
    for way in &mut ways {
        // What is compiled or made once.
        way.sample()?;
    }
    for _ in 0..ROUNDS {
        for way in &mut ways {
            let seconds = way.sample()?;
            way.samples.push(seconds);
        }
    }
    let first = ways.first().map_or(f64::NAN, Way::median);
    for way in &ways {
        let seconds = way.median();
        println!(
            "{title:<22} {:<28} {:>10.3} ms {:>8.1} GFLOP/s {:>7.2}x",
            way.name,
            1e3 * seconds,
            operations / seconds / 1e9,
            seconds / first
        );
    }
    println!();
    Ok(())
}

fn job(device: &Device, sizes: [usize; 3]) -> Result<()> {
    let [b, m, d] = sizes;
    // Length 1 at most, as the experiments have it.
    let values: Vec<f32> = values::values(b * d, 1).iter().map(|v| v / (d as f32).sqrt()).collect();
    let rows = Rows::new(values, d)?;
    let x = Tensor::new(device, &rows)?;
    let frequencies = Tensor::from_flat(device, &values::values(m * d, 2), &[m, d])?;
    let slopes = Tensor::from_flat(device, &values::values(b * m, 3), &[b, m])?;
    let kinds = [
        ("gaussian, stored", features(device, sizes, Projection::Gaussian, ROOM)?),
        ("gaussian, generated", features(device, sizes, Projection::Gaussian, 0)?),
        ("structured", features(device, sizes, Projection::Structured, 0)?),
    ];
    // About as many patterns as so many features can hold.
    let k = (m / (2 * d)).max(1);
    let patterns = Tensor::from_flat(device, &values::values(k * d, 4), &[k, d])?;

    let name = format!("step {b}x{m}x{d}");
    let mut ways = vec![Way::new("two matrix products", || {
        matmul(&x, &frequencies, Layout::NT)?;
        matmul(&slopes, &frequencies, Layout::NN)?.to_vec().map(drop)
    })];
    for (kind, features) in &kinds {
        let memory = features.memory(&features.encode(&rows)?)?;
        ways.push(Way::new(kind, {
            let x = &x;
            move || features.step(x, &memory)?.0.to_vec().map(drop)
        }));
    }
    ways.push(Way::new("the patterns themselves", || {
        step(&x, &patterns, BETA, Similarity::L2)?.0.to_vec().map(drop)
    }));
    race(&name, 4.0 * (b * m * d) as f64, ways)?;

    let mut ways = vec![Way::new("a matrix product", || {
        matmul(&x, &frequencies, Layout::NT).map(drop)?;
        x.to_vec().map(drop)
    })];
    for (kind, features) in &kinds {
        let rows = &rows;
        ways.push(Way::new(kind, move || features.encode(rows).map(drop)));
    }
    race(&format!("encode {b}x{m}x{d}"), 2.0 * (b * m * d) as f64, ways)
}

/// Three whole numbers with `x` between them.
fn sizes(text: &str) -> Option<[usize; 3]> {
    let numbers: Option<Vec<usize>> = text.split('x').map(|n| n.parse().ok().filter(|n| *n > 0)).collect();
    numbers?.try_into().ok()
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let name = std::env::var("ATTRACTOR_BENCH_DEVICE").unwrap_or_else(|_| "cpu".into());
    let device = Device::open(&name)?;
    // Cargo's own arguments begin with a dash.
    let given: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let given: Option<Vec<[usize; 3]>> = given.iter().map(|text| sizes(text)).collect();
    let given = given.ok_or("want jobs as BxMxD: queries, frequencies, columns")?;
    println!("{device}; map sincos; medians of {ROUNDS}; the last column is time in shares of the first way");
    println!("of a step, \"the patterns themselves\" is one of the exact memory of m / 2 d patterns\n");
    for sizes in if given.is_empty() { JOBS.to_vec() } else { given } {
        job(&device, sizes)?;
    }
    Ok(())
}
