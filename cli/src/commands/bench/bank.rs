//! `attractor bench --op bank`: a look at generated patterns, against what the generator and the product alone would take.

use crate::{
    arguments,
    failure::Result,
    output::{complaint, line},
    progress::Progress,
};
use attractor::{
    Device, Error, Tensor,
    ops::{Bank, Ensemble, Layout, ScanOptions, matmul, top_k},
};
use std::time::Instant;

/// The job that memory and speed are judged by.
const STANDARD: [usize; 3] = [256, 100_000_000, 64];
/// Patterns that are made or multiplied together where each is measured alone: the fastest of these counts.
const CHUNKS: [usize; 2] = [2048, 16_384];
/// Seconds that each of these takes.
const PATIENCE: f64 = 0.5;

/// Patterns per second of the generator alone, the product alone, and the scan.
struct Measured {
    job: [usize; 3],
    generated: f64,
    multiplied: f64,
    scanned: f64,
    /// Most bytes that the process has held, where the system tells.
    memory: Option<u64>,
}

impl Measured {
    /// Patterns per second of the generator and the product one after the other, and nothing else.
    fn possible(&self) -> f64 {
        (self.generated.recip() + self.multiplied.recip()).recip()
    }

    fn gflops(&self, patterns: f64) -> f64 {
        2.0 * patterns * self.job[0] as f64 * self.job[2] as f64 / 1e9
    }
}

pub(super) fn run(arguments: &arguments::Bench) -> Result<()> {
    let device = arguments.common.open()?;
    let jobs: &[[usize; 3]] = if arguments.jobs.is_empty() { &[STANDARD] } else { &arguments.jobs };
    let speak = !arguments.common.json && !arguments.common.quiet;
    let mut rows = Vec::new();
    for job in jobs {
        match measure(&device, arguments, *job) {
            Ok(measured) => {
                if speak {
                    print(arguments.ensemble, &measured)?;
                }
                rows.push(json(&device, arguments.ensemble, &measured));
            }
            Err(error @ Error::Interrupted) => return Err(error.into()),
            // The other jobs are still worth their time.
            Err(error) => complaint(&format!("left out {}: {error}", super::name(*job))),
        }
    }
    if arguments.common.json {
        line(&format!("{:#}", serde_json::json!({ "jobs": rows })))?;
    }
    Ok(())
}

fn measure(device: &Device, arguments: &arguments::Bench, job: [usize; 3]) -> attractor::Result<Measured> {
    let [q, n, d] = job;
    let bank = Bank::new(arguments.ensemble, arguments.common.seed, n as u64, d)?;
    let targets: Vec<u64> = (0..q).map(|i| (i * (n / q)) as u64).collect();
    let queries = bank.gather(&targets)?;
    let (mut generated, mut multiplied) = (0.0_f64, 0.0_f64);
    for chunk in CHUNKS.map(|chunk| chunk.min(n)) {
        generated = generated.max(speed(chunk, || bank.rows(0..chunk as u64).map(drop))?);
        let (x, patterns) =
            (Tensor::new(device, &queries)?, Tensor::new(device, &bank.rows(0..chunk as u64)?)?);
        multiplied = multiplied.max(speed(chunk, || {
            let product = matmul(&x, &patterns, Layout::NT)?;
            // A result on the host waits for a GPU.
            if *device == Device::Cpu { Ok(()) } else { top_k(&product, 1).map(drop) }
        })?);
    }
    let progress = Progress::new("looking at patterns", arguments.common.quiet || arguments.common.json);
    let tell = |done, total| progress.tell(done, total);
    let options = ScanOptions { progress: Some(&tell), ..ScanOptions::default() };
    // Unit patterns with as much weight on the target as others of length sqrt d have at 1.
    let beta = if arguments.ensemble == Ensemble::Sphere { d as f32 } else { 1.0 };
    let mut scanned = 0.0_f64;
    for _ in 0..arguments.repeat {
        let started = Instant::now();
        bank.scan(&queries, &targets, beta, device, &options)?;
        scanned = scanned.max(n as f64 / started.elapsed().as_secs_f64());
    }
    Ok(Measured { job, generated, multiplied, scanned, memory: peak_memory() })
}

/// Units per second of the fastest of several runs.
fn speed(units: usize, mut work: impl FnMut() -> attractor::Result<()>) -> attractor::Result<f64> {
    work()?;
    let (all, mut most) = (Instant::now(), 0.0_f64);
    while all.elapsed().as_secs_f64() < PATIENCE {
        let started = Instant::now();
        work()?;
        most = most.max(units as f64 / started.elapsed().as_secs_f64());
    }
    Ok(most)
}

/// Most bytes that this process has had in memory, where the system says so.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| 1024 * kilobytes)
}

fn print(ensemble: Ensemble, m: &Measured) -> Result<()> {
    line(&format!("{ensemble}, {}:", super::name(m.job)))?;
    for (what, speed) in [
        ("patterns alone", m.generated),
        ("products alone", m.multiplied),
        ("one after the other", m.possible()),
        ("the whole look", m.scanned),
    ] {
        let gflops =
            if speed == m.generated { String::new() } else { format!("{:>9.1} GFLOP/s", m.gflops(speed)) };
        line(&format!("  {what:<20} {:>9.3}e6 patterns/s {gflops}", speed / 1e6))?;
    }
    let memory =
        m.memory.map_or_else(String::new, |bytes| format!("; {:.0} MB of memory", bytes as f64 / 1e6));
    line(&format!("  {:.0} % of generator and product{memory}", 100.0 * m.scanned / m.possible()))
}

fn json(device: &Device, ensemble: Ensemble, m: &Measured) -> serde_json::Value {
    let [b, n, d] = m.job;
    serde_json::json!({
        "op": "bank", "ensemble": ensemble.name(), "b": b, "n": n, "d": d, "device": device.to_string(),
        "patterns_per_second": m.scanned, "gflops": m.gflops(m.scanned),
        "generated_per_second": m.generated, "multiplied_per_second": m.multiplied,
        "share": m.scanned / m.possible(), "peak_bytes": m.memory,
    })
}
