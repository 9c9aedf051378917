//! `attractor bench`

mod bank;

use crate::{
    arguments,
    drivers::{self, Outcome},
    failure::Result,
    output::{complaint, line},
    stop,
};
use attractor::{
    Device, Precision, Tensor,
    gpu::{adapters, tune::Op},
    machine::{Limits, measure, variant},
    memory::{BinaryMemory, BinarySettings, DenseMemory, Order},
    ops::{Interaction, Layout, Similarity, matmul, nearest, top_k},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::time::Instant;

/// Jobs that cover what people do: few and many queries, short and long vectors.
pub(super) const STANDARD: [[usize; 3]; 5] =
    [[64, 20_000, 128], [1, 100_000, 384], [64, 100_000, 384], [1024, 100_000, 384], [256, 16_384, 64]];
/// The variant of the steps of bits.
const POPCOUNT: &str = "popcount";
/// How many of the best the top-k job asks for.
const BEST: usize = 10;

/// How fast a job ran.
struct Timing {
    job: [usize; 3],
    variant: &'static str,
    median: f64,
    least: f64,
    gflops: f64,
    gbps: f64,
}

pub(crate) fn run(arguments: &arguments::Bench) -> Result<()> {
    if arguments.op == "bank" {
        return bank::run(arguments);
    }
    let device = arguments.common.open()?;
    let speak = !arguments.common.json && !arguments.common.quiet;
    let machine = measure_all(&device, speak)?;
    let limits = machine[0].1;
    let mut random = StdRng::seed_from_u64(arguments.common.seed);
    let jobs: &[[usize; 3]] = if arguments.jobs.is_empty() { &STANDARD } else { &arguments.jobs };
    if speak {
        line(&format!(
            "\n{:<8} {:>24} {:>10} {:>12} {:>12} {:>9} {:>8} {:>16}",
            "op", "b x n x d", "variant", "median", "best", "GFLOP/s", "GB/s", "of the limit"
        ))?;
    }
    let mut timings = Vec::new();
    for job in jobs {
        stop::go_on()?;
        match run_job(&device, arguments, *job, &mut random) {
            Ok(timing) => {
                if speak {
                    print_timing(&arguments.op, &timing, limits)?;
                }
                timings.push(timing);
            }
            // The other jobs are still worth their time.
            Err(error) => complaint(&format!("left out {}: {error}", name(*job))),
        }
    }
    if arguments.common.json {
        let jobs: Vec<serde_json::Value> =
            timings.iter().map(|t| json(&device, arguments, t, limits)).collect();
        let devices: Vec<serde_json::Value> = machine.iter().map(|(name, limits)| {
            serde_json::json!({ "device": name, "read_gbps": limits.read_gbps, "fma_gflops": limits.fma_gflops })
        }).collect();
        let summary = serde_json::json!({
            "machine": {
                "device": device.to_string(), "read_gbps": limits.read_gbps, "fma_gflops": limits.fma_gflops,
                "devices": devices,
            },
            "jobs": jobs,
        });
        line(&format!("{summary:#}"))?;
    }
    Ok(())
}

/// The limits of the device of the jobs, then of the CPU and of every hardware GPU.
fn measure_all(device: &Device, speak: bool) -> Result<Vec<(String, Limits)>> {
    let mut devices = vec![device.clone()];
    if *device != Device::Cpu {
        devices.push(Device::Cpu);
    }
    let others = if drivers::outcome()? == Outcome::Gpu { adapters() } else { Vec::new() };
    for adapter in others.iter().filter(|a| a.kind != "software") {
        let chosen = device.as_gpu().is_some_and(|context| context.name() == adapter.name);
        if chosen {
            continue;
        }
        match Device::gpu(&adapter.index.to_string()) {
            Ok(device) => devices.push(device),
            Err(error) => complaint(&format!("left out {}: {error}", adapter.name)),
        }
    }
    let mut all = Vec::new();
    for device in devices {
        let limits = measure(&device)?;
        if speak {
            line(&format!(
                "{device}: reads {:.1} GB/s, multiply-adds {:.0} GFLOP/s",
                limits.read_gbps, limits.fma_gflops
            ))?;
        }
        all.push((device.to_string(), limits));
    }
    Ok(all)
}

/// One synchronous sweep of an exponential memory of bits. What it counts as its work is that of the same step in f32.
fn run_bits(
    device: &Device,
    arguments: &arguments::Bench,
    job: [usize; 3],
    random: &mut StdRng,
) -> attractor::Result<Timing> {
    let [b, n, d] = job;
    let patterns: Vec<f32> = (0..n * d).map(|_| if random.random_bool(0.5) { 1.0 } else { -1.0 }).collect();
    let queries: Vec<f32> = (0..b * d)
        .map(|i| {
            if random.random_bool(0.2) { -patterns[i % patterns.len()] } else { patterns[i % patterns.len()] }
        })
        .collect();
    let settings = BinarySettings {
        device: Some(device.clone()),
        order: Order::Synchronous,
        ..BinarySettings::new(Interaction::Exponential)
    };
    let memory = BinaryMemory::with(&attractor::Rows::new(patterns, d)?, settings)?;
    let queries = attractor::Rows::new(queries, d)?;
    let seconds = time(arguments.repeat, || memory.step(&queries).map(drop))?;
    let median = seconds[seconds.len() / 2];
    Ok(Timing {
        job,
        variant: POPCOUNT,
        median,
        least: seconds[0],
        gflops: 4.0 * b as f64 * n as f64 * d as f64 / median / 1e9,
        gbps: (n * d.div_ceil(8)) as f64 / median / 1e9,
    })
}

fn run_job(
    device: &Device,
    arguments: &arguments::Bench,
    job: [usize; 3],
    random: &mut StdRng,
) -> attractor::Result<Timing> {
    let [b, n, d] = job;
    if arguments.op == "bits" {
        return run_bits(device, arguments, job, random);
    }
    let mut values =
        |rows: usize| -> Vec<f32> { (0..rows * d).map(|_| random.random_range(-1.0..1.0)).collect() };
    let (queries, patterns) = (values(b), values(n));
    // Each ends with a result on the host, which waits for all of the work.
    let seconds = if arguments.op == "step" {
        let memory = DenseMemory::builder()
            .device(device)
            .similarity(Similarity::Dot)
            .beta(1.0)
            .precision(arguments.precision)
            .build(&attractor::Rows::new(patterns, d)?)?;
        let queries = attractor::Rows::new(queries, d)?;
        time(arguments.repeat, || memory.step(&queries).map(drop))?
    } else {
        let queries = Tensor::from_flat(device, &queries, &[b, d])?;
        let patterns = Tensor::from_flat(device, &patterns, &[n, d])?;
        time(arguments.repeat, || match arguments.op.as_str() {
            "topk" => nearest(&queries, &patterns, BEST.min(n), Similarity::Dot).map(drop),
            _ => top_k(&matmul(&queries, &patterns, Layout::NT)?, 1).map(drop),
        })?
    };
    let median = seconds[seconds.len() / 2];
    let operations = (if arguments.op == "step" { 4.0 } else { 2.0 }) * b as f64 * n as f64 * d as f64;
    let per_value = if arguments.precision == Precision::F16 { 2.0 } else { 4.0 };
    let bytes = (per_value * n as f64 + 4.0 * b as f64) * d as f64;
    // On the CPU the ten best come from the tiles and streams of the step.
    let like_step = arguments.op == "step" || (arguments.op == "topk" && *device == Device::Cpu);
    let op = if like_step { Op::Step } else { Op::Matmul };
    Ok(Timing {
        job,
        variant: variant(device, op, job, arguments.precision),
        median,
        least: seconds[0],
        gflops: operations / median / 1e9,
        gbps: bytes / median / 1e9,
    })
}

/// Seconds of each of `repeat` runs after a first one, shortest first.
fn time(repeat: u32, mut work: impl FnMut() -> attractor::Result<()>) -> attractor::Result<Vec<f64>> {
    work()?;
    let mut seconds = Vec::new();
    for _ in 0..repeat {
        let started = Instant::now();
        work()?;
        seconds.push(started.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds)
}

fn name([b, n, d]: [usize; 3]) -> String {
    format!("{b} x {n} x {d}")
}

/// Share of the limit that binds: of bandwidth for few queries, of arithmetic for many.
fn share(t: &Timing, limits: Limits) -> (f64, &'static str) {
    let (arithmetic, memory) = (t.gflops / limits.fma_gflops, t.gbps / limits.read_gbps);
    if t.variant == POPCOUNT {
        // Its operations are counted as those that f32 would take.
        return (memory, "memory");
    }
    if arithmetic >= memory { (arithmetic, "arithmetic") } else { (memory, "memory") }
}

fn print_timing(op: &str, t: &Timing, limits: Limits) -> Result<()> {
    let (share, limit) = share(t, limits);
    line(&format!(
        "{op:<8} {:>24} {:>10} {:>9.3} ms {:>9.3} ms {:>9.1} {:>8.1} {:>4.0} % {limit}",
        name(t.job),
        t.variant,
        1e3 * t.median,
        1e3 * t.least,
        t.gflops,
        t.gbps,
        100.0 * share
    ))
}

fn json(device: &Device, arguments: &arguments::Bench, t: &Timing, limits: Limits) -> serde_json::Value {
    let [b, n, d] = t.job;
    let (share, limit) = share(t, limits);
    serde_json::json!({
        "op": arguments.op, "b": b, "n": n, "d": d,
        "device": device.to_string(), "precision": arguments.precision.to_string(), "variant": t.variant,
        "seconds_median": t.median, "seconds_min": t.least, "gflops": t.gflops, "gbps": t.gbps,
        "share": share, "limit": limit,
    })
}
