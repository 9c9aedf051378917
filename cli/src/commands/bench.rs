//! `attractor bench`

use crate::{
    arguments,
    failure::Result,
    output::{complaint, line},
};
use attractor::{
    Device, Tensor,
    gpu::Kernels,
    machine::{Limits, measure},
    ops::{Layout, Similarity, matmul, nearest, step, top_k},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::time::Instant;

/// Jobs that cover what people do: few and many queries, short and long vectors.
const STANDARD: [[usize; 3]; 5] =
    [[64, 20_000, 128], [1, 100_000, 384], [64, 100_000, 384], [1024, 100_000, 384], [256, 16_384, 64]];
/// How many of the best the top-k job asks for.
const BEST: usize = 10;

/// How fast a job ran.
struct Timing {
    job: [usize; 3],
    median: f64,
    least: f64,
    gflops: f64,
    gbps: f64,
}

pub(crate) fn run(arguments: &arguments::Bench) -> Result<()> {
    let device = Device::open(&arguments.common.device)?;
    let limits = measure(&device)?;
    let mut random = StdRng::seed_from_u64(arguments.common.seed);
    let jobs: &[[usize; 3]] = if arguments.jobs.is_empty() { &STANDARD } else { &arguments.jobs };
    let speak = !arguments.common.json && !arguments.common.quiet;
    if speak {
        line(&format!(
            "{device}, {}: reads {:.1} GB/s, multiply-adds {:.0} GFLOP/s\n",
            variant(&device),
            limits.read_gbps,
            limits.fma_gflops
        ))?;
        line(&format!(
            "{:<8} {:>24} {:>12} {:>12} {:>9} {:>8} {:>16}",
            "op", "b x n x d", "median", "best", "GFLOP/s", "GB/s", "of the limit"
        ))?;
    }
    let mut timings = Vec::new();
    for job in jobs {
        match run_job(&device, &arguments.op, *job, arguments.repeat, &mut random) {
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
            timings.iter().map(|t| json(&device, &arguments.op, t, limits)).collect();
        let summary = serde_json::json!({
            "machine": { "device": device.to_string(), "read_gbps": limits.read_gbps, "fma_gflops": limits.fma_gflops },
            "jobs": jobs,
        });
        line(&format!("{summary:#}"))?;
    }
    Ok(())
}

fn run_job(
    device: &Device,
    op: &str,
    job: [usize; 3],
    repeat: u32,
    random: &mut StdRng,
) -> attractor::Result<Timing> {
    let [b, n, d] = job;
    let mut values = |rows: usize| -> attractor::Result<Tensor> {
        let data: Vec<f32> = (0..rows * d).map(|_| random.random_range(-1.0..1.0)).collect();
        Tensor::from_flat(device, &data, &[rows, d])
    };
    let (queries, patterns) = (values(b)?, values(n)?);
    // Each ends with a small result on the host, which waits for all of the work.
    let work = || -> attractor::Result<Vec<f32>> {
        if op == "step" {
            return step(&queries, &patterns, 1.0, Similarity::Dot)?.1.to_vec();
        }
        if op == "topk" {
            return Ok(nearest(&queries, &patterns, BEST.min(n), Similarity::Dot)?.0);
        }
        Ok(top_k(&matmul(&queries, &patterns, Layout::NT)?, 1)?.0)
    };
    work()?;
    let mut seconds = Vec::new();
    for _ in 0..repeat {
        let started = Instant::now();
        work()?;
        seconds.push(started.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let operations = (if op == "step" { 4.0 } else { 2.0 }) * b as f64 * n as f64 * d as f64;
    let bytes = 4.0 * (n as f64 + b as f64) * d as f64;
    Ok(Timing {
        job,
        median,
        least: seconds[0],
        gflops: operations / median / 1e9,
        gbps: bytes / median / 1e9,
    })
}

fn name([b, n, d]: [usize; 3]) -> String {
    format!("{b} x {n} x {d}")
}

fn variant(device: &Device) -> &'static str {
    match device.as_gpu().map(|context| context.kernels()) {
        None => "all cores",
        Some(Kernels::Tiled) => "tiled kernels",
        Some(_) => "direct kernels",
    }
}

/// Share of the limit that binds: of bandwidth for few queries, of arithmetic for many.
fn share(t: &Timing, limits: Limits) -> (f64, &'static str) {
    let (arithmetic, memory) = (t.gflops / limits.fma_gflops, t.gbps / limits.read_gbps);
    if arithmetic >= memory { (arithmetic, "arithmetic") } else { (memory, "memory") }
}

fn print_timing(op: &str, t: &Timing, limits: Limits) -> Result<()> {
    let (share, limit) = share(t, limits);
    line(&format!(
        "{op:<8} {:>24} {:>9.3} ms {:>9.3} ms {:>9.1} {:>8.1} {:>4.0} % {limit}",
        name(t.job),
        1e3 * t.median,
        1e3 * t.least,
        t.gflops,
        t.gbps,
        100.0 * share
    ))
}

fn json(device: &Device, op: &str, t: &Timing, limits: Limits) -> serde_json::Value {
    let [b, n, d] = t.job;
    let (share, limit) = share(t, limits);
    serde_json::json!({
        "op": op, "b": b, "n": n, "d": d,
        "device": device.to_string(), "precision": "f32", "variant": variant(device),
        "seconds_median": t.median, "seconds_min": t.least, "gflops": t.gflops, "gbps": t.gbps,
        "share": share, "limit": limit,
    })
}
