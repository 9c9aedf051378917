//! Criterion benchmarks of the softmax step and its parts on the CPU, and on the device that
//! `ATTRACTOR_BENCH_DEVICE` names.
//!
//! `cargo bench --bench operations`

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may fail loudly")]

use attractor::{
    Device, Tensor,
    ops::{Layout, Similarity, matmul, step, top_k},
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::sync::OnceLock;

fn device() -> &'static Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let name = || std::env::var("ATTRACTOR_BENCH_DEVICE").unwrap_or_else(|_| "cpu".into());
    DEVICE.get_or_init(|| Device::open(&name()).unwrap())
}

/// Values in -1 to 1 that are the same in every run.
fn values(rows: usize, columns: usize) -> attractor::Result<Tensor> {
    let mut state = 1_u32;
    let data: Vec<f32> = (0..rows * columns)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_flat(device(), &data, &[rows, columns])
}

fn steps(c: &mut Criterion) {
    let mut group = c.benchmark_group("step");
    group.sample_size(10);
    for (b, n, d) in [(64, 20_000, 128), (1, 100_000, 384), (64, 100_000, 384), (256, 16_384, 64)] {
        let q = values(b, d).unwrap();
        let x = match values(n, d) {
            Ok(x) => x,
            Err(error) => {
                eprintln!("leaving out {b}x{n}x{d}: {error}");
                continue;
            }
        };
        group.throughput(Throughput::Elements(4 * (b * n * d) as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{b}x{n}x{d}")), |bench| {
            bench.iter(|| step(&q, &x, 1.0, Similarity::L2).unwrap().1.to_vec().unwrap());
        });
    }
}

fn products(c: &mut Criterion) {
    let mut group = c.benchmark_group("matmul");
    group.sample_size(10);
    for size in [256, 1024] {
        let (a, b) = (values(size, size).unwrap(), values(size, size).unwrap());
        group.throughput(Throughput::Elements(2 * (size * size * size) as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bench| {
            bench.iter(|| matmul(&a, &b, Layout::NT).unwrap().to_vec().unwrap());
        });
    }
}

fn top(c: &mut Criterion) {
    let mut group = c.benchmark_group("top_k");
    group.sample_size(10);
    let scores = values(64, 20_000).unwrap();
    group.bench_function("10 of 64x20000", |bench| bench.iter(|| top_k(&scores, 10).unwrap()));
}

criterion_group!(benches, steps, products, top);
criterion_main!(benches);
