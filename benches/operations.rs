//! Criterion benchmarks of each operation over a range of sizes, on the CPU or on the device that
//! `ATTRACTOR_BENCH_DEVICE` names (`software`, `gpu`, `gpu:1`, ...).
//!
//! `cargo bench --bench operations`, or a part of it: `cargo bench --bench operations -- step/64x`.
//! Throughput counts what the names say: multiplications and additions of `step`, `nearest`, `matmul` and
//! `similarity`, elements of the others.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

#[path = "scaling/values.rs"]
mod values;

use attractor::{
    Device, Result, Rows, Tensor,
    memory::{
        Beta, DenseMemory, KernelizedMemory, KernelizedSettings, LinearMap, Memory, SparseMemory,
        SparseSettings,
    },
    ops::{
        Axis, Binary, FeatureMap, FeatureSpec, Features, FrequencySource, Layout, Projection, Reduction,
        Similarity, Unary, binary, log_sum_exp, matmul, nearest, reduce, similarity, softmax, step, top_k,
        unary,
    },
};
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use std::{cell::RefCell, fmt::Display, process::exit, sync::OnceLock, time::Duration};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// Columns of the jobs that do not vary them.
const D: usize = 128;

fn device() -> &'static Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| {
        let name = std::env::var("ATTRACTOR_BENCH_DEVICE").unwrap_or_else(|_| "cpu".into());
        Device::open(&name).unwrap_or_else(|error| {
            eprintln!("ATTRACTOR_BENCH_DEVICE={name}: {error}");
            exit(2)
        })
    })
}

fn tensor(rows: usize, columns: usize) -> Result<Tensor> {
    Tensor::from_flat(device(), &values::values(rows * columns, 1), &[rows, columns])
}

/// Waits for the device: reading anything from it waits for all of its work. Results stay where they are,
/// so that large ones are not timed on their way to the host.
fn wait() -> Result<()> {
    static SMALL: OnceLock<Result<Tensor, String>> = OnceLock::new();
    if device().as_gpu().is_none() {
        return Ok(());
    }
    match SMALL.get_or_init(|| tensor(1, 1).map_err(|error| error.to_string())) {
        Ok(small) => small.to_vec().map(drop),
        Err(error) => Err(attractor::Error::Gpu { what: "a tensor".into(), message: error.clone() }),
    }
}

/// Times what `prepare` returns, `units` a call; leaves it out, saying so, where the device has no room.
fn job<T, W: FnMut() -> Result<T>>(
    group: &mut Group<'_>,
    name: impl Display,
    units: usize,
    prepare: impl FnOnce() -> Result<W>,
) {
    let tried = prepare().and_then(|mut work| {
        work()?;
        wait()?;
        Ok(work)
    });
    let mut work = match tried {
        Ok(work) => work,
        Err(error) => return eprintln!("leaving out {name}: {error}"),
    };
    group.throughput(Throughput::Elements(units as u64));
    group.bench_function(BenchmarkId::from_parameter(&name), |bench| {
        bench.iter(|| {
            // What has worked once fails only with the device, and then all that follows would.
            work().and_then(|result| wait().map(|()| result)).unwrap_or_else(|error| {
                eprintln!("{name}: {error}");
                exit(1)
            })
        });
    });
}

fn steps(c: &mut Criterion) {
    let mut group = c.benchmark_group("step");
    let mut time = |b, n, d, kind: Similarity| {
        let suffix = if kind == Similarity::L2 { String::new() } else { format!(" {kind}") };
        job(&mut group, format!("{b}x{n}x{d}{suffix}"), 4 * b * n * d, || {
            let (q, x) = (tensor(b, d)?, tensor(n, d)?);
            Ok(move || step(&q, &x, 1.0, kind))
        });
    };
    for n in [1_000, 10_000, 100_000] {
        for b in [1, 8, 64, 512] {
            time(b, n, D, Similarity::L2);
        }
    }
    for (b, n, d) in [(64, 20_000, 128), (1, 100_000, 384), (64, 100_000, 384), (256, 16_384, 64)] {
        time(b, n, d, Similarity::L2);
    }
    for kind in [Similarity::Dot, Similarity::Cosine, Similarity::L1] {
        time(64, 10_000, D, kind);
    }
}

fn nearest_ten(c: &mut Criterion) {
    let mut group = c.benchmark_group("nearest 10");
    for n in [1_000, 10_000, 100_000] {
        for b in [1, 8, 64] {
            job(&mut group, format!("{b}x{n}x{D}"), 2 * b * n * D, || {
                let (q, x) = (tensor(b, D)?, tensor(n, D)?);
                Ok(move || nearest(&q, &x, 10, Similarity::Dot))
            });
        }
    }
}

fn products(c: &mut Criterion) {
    for layout in [Layout::NN, Layout::NT, Layout::TN] {
        let mut group = c.benchmark_group(format!("matmul {layout:?}"));
        for (m, n, k) in [(128, 128, 128), (512, 512, 512), (1024, 1024, 1024), (64, 20_000, 128)] {
            job(&mut group, format!("{m}x{n}x{k}"), 2 * m * n * k, || {
                let a = if layout == Layout::TN { tensor(k, m) } else { tensor(m, k) }?;
                let b = if layout == Layout::NT { tensor(n, k) } else { tensor(k, n) }?;
                Ok(move || matmul(&a, &b, layout))
            });
        }
    }
}

fn similarities(c: &mut Criterion) {
    for kind in Similarity::ALL {
        let mut group = c.benchmark_group(format!("similarity {kind}"));
        for n in [1_000, 20_000] {
            job(&mut group, format!("64x{n}x{D}"), 2 * 64 * n * D, || {
                let (q, x) = (tensor(64, D)?, tensor(n, D)?);
                Ok(move || similarity(&q, &x, kind))
            });
        }
    }
}

/// Looks at a memory of random features, by the kind of its frequencies, against their number and the columns.
fn random_features(c: &mut Criterion) {
    let kinds = [
        ("gaussian, stored", Projection::Gaussian, u64::MAX),
        ("gaussian, generated", Projection::Gaussian, 0),
        ("orthogonal, stored", Projection::Orthogonal, u64::MAX),
        ("structured", Projection::Structured, 0),
    ];
    for (kind, projection, budget) in kinds {
        let mut group = c.benchmark_group(format!("features step {kind}"));
        for (b, m, d) in [(64, 4_000, D), (64, 16_000, D), (64, 64_000, D), (64, 4_096, 32), (64, 4_096, 512)]
        {
            job(&mut group, format!("{b}x{m}x{d}"), 4 * b * m * d, || {
                let source = FrequencySource::Seed { seed: 1, projection };
                let spec = FeatureSpec { source, ..FeatureSpec::new(FeatureMap::SinCos, m, d, 1.0, 1) };
                let features = Features::new(&spec, device(), budget)?;
                let memory = features.memory(&vec![0.5; spec.length()])?;
                let x = tensor(b, d)?;
                Ok(move || features.step(&x, &memory))
            });
        }
    }
}

/// What goes over rows of scores.
fn rows(c: &mut Criterion) {
    fn over<T>(c: &mut Criterion, name: &str, f: impl Fn(&Tensor) -> Result<T>) {
        let mut group = c.benchmark_group(name);
        for columns in [1_000, 20_000, 200_000] {
            job(&mut group, format!("64x{columns}"), 64 * columns, || {
                let scores = tensor(64, columns)?;
                let f = &f;
                Ok(move || f(&scores))
            });
        }
    }
    over(c, "log_sum_exp", |z| log_sum_exp(z, 1.0));
    over(c, "softmax", |z| softmax(z, 1.0));
    over(c, "top_k 10", |z| top_k(z, 10));
}

fn reductions(c: &mut Criterion) {
    for (over, how) in [
        (Axis::Rows, Reduction::Sum),
        (Axis::Rows, Reduction::Max),
        (Axis::Columns, Reduction::Sum),
        (Axis::Columns, Reduction::Max),
    ] {
        let mut group = c.benchmark_group(format!("reduce {how:?} over {over:?}"));
        for size in [256, 1024, 4096] {
            job(&mut group, format!("{size}x{size}"), size * size, || {
                let x = tensor(size, size)?;
                Ok(move || reduce(&x, how, over))
            });
        }
    }
}

fn elementwise(c: &mut Criterion) {
    const SIZES: [usize; 3] = [256, 1024, 4096];
    for f in [Unary::Exp, Unary::Tanh, Unary::Scale(2.0)] {
        let mut group = c.benchmark_group(format!("unary {f:?}"));
        for size in SIZES {
            job(&mut group, format!("{size}x{size}"), size * size, || {
                let x = tensor(size, size)?;
                Ok(move || unary(f, &x))
            });
        }
    }
    for (name, row) in [("binary Add", false), ("binary Add of a row", true)] {
        let mut group = c.benchmark_group(name);
        for size in SIZES {
            job(&mut group, format!("{size}x{size}"), size * size, || {
                let (x, y) = (tensor(size, size)?, tensor(if row { 1 } else { size }, size)?);
                Ok(move || binary(Binary::Add, &x, &y))
            });
        }
    }
}

/// Sixteen patterns more, of memories that have more and more: the time must not grow with what is stored.
fn appends(c: &mut Criterion) {
    const MORE: usize = 16;
    let rows = |n: usize| Rows::new(values::values(n * D, 1), D);
    let make = |kind: &str, x: &Rows<'_>| -> Result<Box<dyn Memory>> {
        let device = Some(device().clone());
        Ok(match kind {
            "dense" => Box::new(DenseMemory::builder().device(self::device()).beta(1.0).build(x)?),
            "sparse" => {
                let settings = SparseSettings { device, beta: Beta::Fixed(1.0), ..SparseSettings::default() };
                Box::new(SparseMemory::with(x, settings)?)
            }
            _ => {
                let settings = KernelizedSettings { device, ..KernelizedSettings::default() };
                Box::new(KernelizedMemory::new(x, LinearMap::random(D, D, false, 1)?, settings)?)
            }
        })
    };
    for kind in ["dense", "sparse", "kernelized"] {
        let mut group = c.benchmark_group(format!("append {MORE} patterns, {kind}"));
        for n in [1_000, 10_000, 100_000] {
            job(&mut group, format!("{n}x{D}"), MORE * D, || {
                let (memory, more) = (RefCell::new(make(kind, &rows(n)?)?), rows(MORE)?);
                Ok(move || memory.borrow_mut().append(&more))
            });
        }
    }
}

criterion_group! {
    name = benches;
    // About a hundred jobs: a second and a half for each.
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = steps, nearest_ten, products, similarities, random_features, rows, reductions, elementwise, appends
}
criterion_main!(benches);
