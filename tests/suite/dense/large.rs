//! Sizes: beyond a binding, in shards, in batches.

use super::{build, exactly, model};
use crate::common::*;
use attractor::prelude::*;

#[test]
fn a_hundred_thousand_patterns() {
    let mut random = Random::new(33);
    let x = random.rows(100_000, 16, 1.0);
    let q = random.rows(6, 16, 1.0);
    let oracle = model(&x, Similarity::L2, 1.0);
    let want: Vec<f64> = matrix(&q).iter().flat_map(|row| oracle.step(row).state).collect();
    for (name, device) in devices() {
        let got = build(&device, &x, Similarity::L2, 1.0).recall_with(&q, &exactly(1)).unwrap();
        assert_close(name, got.states.as_slice(), &want, if name == "cpu" { 4e-6 } else { 1e-5 });
    }
}

/// 307 MB of patterns: beyond a binding of 128 MiB, so several shards.
#[test]
fn patterns_beyond_a_binding() {
    let (n, d) = (200_000, 384);
    let mut state = 1_u32;
    let data: Vec<f32> = (0..n * d)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    let x = Rows::new(data, d).unwrap();
    let wanted = [0, 87_381, 131_072, 199_999];
    let cues: Vec<f32> =
        wanted.iter().flat_map(|k| x.row(*k).iter().map(|v| v + 0.1).collect::<Vec<_>>()).collect();
    let q = Rows::new(cues, d).unwrap();
    let mut devices = vec![("cpu", Device::cpu())];
    devices.extend(gpus().first().cloned());
    for (name, device) in devices {
        let memory = build(&device, &x, Similarity::L2, 1.0);
        let recall = memory.recall_with(&q, &RecallOptions { steps: 3, ..RecallOptions::default() }).unwrap();
        for (i, k) in wanted.iter().enumerate() {
            assert_eq!(recall.indices[i * 5] as usize, *k, "{name}");
            let want: Vec<f64> = x.row(*k).iter().map(|v| f64::from(*v)).collect();
            assert_close(name, recall.states.row(i), &want, 1e-6);
        }
        assert_eq!(recall.status, [Status::Converged; 4], "{name}");
    }
}

/// Shards, forced small: the same answers as unsharded.
#[test]
fn shards_change_nothing() {
    let mut random = Random::new(34);
    let (x, q, v) = (random.rows(1000, 10, 1.0), random.rows(9, 10, 1.0), random.rows(1000, 4, 1.0));
    let mut devices = devices();
    devices.extend(gpu_with_limit(16 * 1024).map(|d| ("gpu of 16 KiB bindings", d)));
    let whole = build(&Device::cpu(), &x, Similarity::L2, 1.0);
    let want = whole.recall_with(&q, &exactly(2)).unwrap();
    let states: Vec<f64> = want.states.as_slice().iter().map(|v| f64::from(*v)).collect();
    for (name, device) in devices {
        for rows in [7, 64, 333] {
            let builder = DenseMemory::builder().device(&device).beta(1.0).shard_rows(rows);
            let mut memory = builder.build(&x).unwrap();
            memory.associate(&v).unwrap();
            let got = memory.recall_with(&q, &exactly(2)).unwrap();
            assert_close(&format!("{name} {rows}"), got.states.as_slice(), &states, 2e-6);
            assert_eq!(got.indices, want.indices, "{name} {rows}");
            let oracle = model(&x, Similarity::L2, 1.0);
            let weights = oracle.step(&states[..10]).weights;
            let value: f64 = (0..1000).map(|k| weights[k] * f64::from(v[(k, 1)])).sum();
            assert!((f64::from(got.values.unwrap()[(0, 1)]) - value).abs() < 1e-5, "{name} {rows}");
        }
    }
}

#[test]
fn many_queries_go_in_batches() {
    let mut random = Random::new(35);
    let (x, q) = (random.rows(20, 5, 1.0), random.rows(1500, 5, 1.0));
    let clamp: Vec<bool> = (0..1500 * 5).map(|i| i % 5 == 2).collect();
    let oracle = model(&x, Similarity::L2, 2.0);
    for (name, device) in devices() {
        let done = std::sync::atomic::AtomicU64::new(0);
        let progress = |now: u64, total: u64| {
            assert!(now <= total);
            done.fetch_max(now * 1000 / total, std::sync::atomic::Ordering::Relaxed);
            std::ops::ControlFlow::Continue(())
        };
        let options = RecallOptions { clamp: Some(&clamp), progress: Some(&progress), ..exactly(1) };
        let recall = build(&device, &x, Similarity::L2, 2.0).recall_with(&q, &options).unwrap();
        assert_eq!(done.into_inner(), 1000, "{name}");
        for i in [0, 511, 512, 1023, 1024, 1499] {
            let mut want = oracle.step(matrix(&q).row(i)).state;
            want[2] = q[(i, 2)].into();
            assert_close(name, recall.states.row(i), &want, 1e-5);
        }
    }
}

/// Energies of very many steps are more than a binding holds for all queries at once.
#[test]
fn long_traces_go_in_batches() {
    let Some(device) = gpu_with_limit(1 << 16) else { return };
    let mut random = Random::new(40);
    let (x, q) = (random.rows(9, 4, 1.0), random.rows(40, 4, 1.0));
    let options = RecallOptions { trace: true, ..exactly(300) };
    let on = |device: &Device| build(device, &x, Similarity::L2, 1.0).recall_with(&q, &options).unwrap();
    let (got, want) = (on(&device), on(&Device::cpu()));
    for (got, want) in got.trace.unwrap().iter().zip(want.trace.unwrap()) {
        let want: Vec<f64> = want.iter().map(|v| f64::from(*v)).collect();
        assert_close("trace", got, &want, 1e-5);
    }
}

/// Kernels with wgpu's checks on: the paths that only a memory takes.
#[test]
fn checked_kernels_recall_alike() {
    let mut random = Random::new(38);
    let (x, q) = (random.rows(90, 7, 1.0), random.rows(11, 7, 1.0));
    let clamp: Vec<bool> = (0..77).map(|i| i % 3 == 0).collect();
    for (name, device) in checked_gpus() {
        for precision in [Precision::F32, Precision::F16] {
            for kind in Similarity::ALL {
                let recall = |device: &Device| {
                    let builder = DenseMemory::builder().device(device).similarity(kind).precision(precision);
                    let options = RecallOptions {
                        clamp: Some(&clamp),
                        trace: true,
                        steps: 9,
                        ..RecallOptions::default()
                    };
                    builder.beta(1.0).build(&x).unwrap().recall_with(&q, &options).unwrap()
                };
                let (got, want) = (recall(device), recall(&Device::cpu()));
                let states: Vec<f64> = want.states.as_slice().iter().map(|v| f64::from(*v)).collect();
                assert_close(&format!("{name} {kind}"), got.states.as_slice(), &states, 2e-5);
                assert_eq!(got.indices, want.indices, "{name} {kind}");
            }
        }
    }
}
