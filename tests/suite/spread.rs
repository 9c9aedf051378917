//! Patterns that do not lie in one device's memory.

use super::common::*;
use attractor::{
    Precision, SharedRows,
    gpu::{Kernels, Options, Strategy},
    io::{Array, ArrayData, Source, write},
    memory::SpreadMemory,
    ops::Similarity,
    prelude::*,
};
use std::sync::Arc;

fn exactly(steps: u32) -> RecallOptions<'static> {
    RecallOptions { steps, tolerance: Some(0.0), trace: true, ..RecallOptions::default() }
}

fn states(recall: &Recall) -> Vec<f64> {
    recall.states.as_slice().iter().map(|v| f64::from(*v)).collect()
}

/// A GPU that may hold so many bytes of patterns.
fn small_gpu(memory_budget: u64, strategy: Option<Strategy>) -> Option<Device> {
    let kernels = if strategy.is_some() { Kernels::Tiled } else { Kernels::Direct };
    open(Options { memory_budget: Some(memory_budget), kernels, strategy, ..Options::default() })
}

#[test]
fn patterns_beyond_the_device_stream_through_it() {
    let mut random = Random::new(70);
    let (n, d) = (250, 10);
    let (x, q, v) = (random.rows(n, d, 1.0), random.rows(9, d, 1.0), random.rows(n, 4, 1.0));
    for precision in [Precision::F32, Precision::F16] {
        let builder = |device: &Device| DenseMemory::builder().device(device).beta(1.0).precision(precision);
        let mut whole = builder(&Device::cpu()).build(&x).unwrap();
        whole.associate(&v).unwrap();
        let want = whole.recall_with(&q, &exactly(3)).unwrap();
        // All rows take 12,000 bytes (f32) or 8,000 (f16): some stay, few stay, none stays.
        for budget in [10_000, 5_000, 1_500, 100] {
            for strategy in [None, Some(Strategy::Fused), Some(Strategy::Few)] {
                let Some(device) = small_gpu(budget, strategy) else { return };
                let what = format!("{precision} {budget} {strategy:?}");
                let mut memory = builder(&device).build(&x).unwrap();
                memory.associate(&v).unwrap();
                let got = memory.recall_with(&q, &exactly(3)).unwrap();
                assert_close(&what, got.states.as_slice(), &states(&want), 2e-6);
                assert_eq!(got.indices, want.indices, "{what}");
                let energies =
                    |r: &Recall| -> Vec<f32> { r.trace.iter().flatten().flatten().copied().collect() };
                let wanted: Vec<f64> = energies(&want).iter().map(|e| f64::from(*e)).collect();
                assert_close(&what, &energies(&got), &wanted, 1e-5);
                let values: Vec<f64> =
                    want.values.as_ref().unwrap().as_slice().iter().map(|v| f64::from(*v)).collect();
                assert_close(&what, got.values.unwrap().as_slice(), &values, 2e-6);
            }
        }
    }
}

#[test]
fn a_mapped_file_streams_without_a_copy() {
    let mut random = Random::new(71);
    let (n, d) = (800, 7);
    let (x, q) = (random.rows(n, d, 1.0), random.rows(5, d, 1.0));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("patterns.npy");
    let array = Array { name: "patterns", shape: vec![n, d], data: ArrayData::F32(x.as_slice()) };
    write(&path, &[array]).unwrap();
    let (rows, columns) = Source::open(&path).unwrap().shared(&["patterns"]).unwrap();
    let kept: SharedRows = Arc::clone(&rows);
    let want = DenseMemory::builder().device(&Device::cpu()).beta(1.0).build(&x).unwrap();
    let want = want.recall_with(&q, &exactly(2)).unwrap();
    let Some(device) = small_gpu(8_000, None) else { return };
    let mut memory = DenseMemory::builder().device(&device).beta(1.0).build_shared(rows, columns).unwrap();
    // The memory holds on to the file; it did not copy what it has no room for.
    assert_eq!(Arc::strong_count(&kept), 2);
    let got = memory.recall_with(&q, &exactly(2)).unwrap();
    assert_close("mapped", got.states.as_slice(), &states(&want), 2e-6);
    // More patterns come behind those of the file.
    let more = random.rows(300, d, 1.0);
    memory.append(&more).unwrap();
    let mut all = x.as_slice().to_vec();
    all.extend_from_slice(more.as_slice());
    let all = Rows::new(all, d).unwrap();
    let want = DenseMemory::builder().device(&Device::cpu()).beta(1.0).build(&all).unwrap();
    let want = want.recall_with(&q, &exactly(2)).unwrap();
    let got = memory.recall_with(&q, &exactly(2)).unwrap();
    assert_close("grown", got.states.as_slice(), &states(&want), 2e-6);
    assert_eq!(got.indices, want.indices);
}

/// The CPU and two GPUs, or what of these there is.
fn several() -> Vec<Device> {
    let gpus = gpus().iter().filter(|(name, _)| ["direct", "tiled"].contains(name));
    gpus.map(|(_, device)| device.clone()).chain([Device::cpu()]).collect()
}

#[test]
fn devices_share_the_rows_of_a_memory() {
    let mut random = Random::new(72);
    let (n, d, b) = (230, 9, 8);
    for offset in [0.0_f32, 3.0] {
        let moved = |rows: Rows<'static>| {
            Rows::new(rows.as_slice().iter().map(|v| v + offset).collect::<Vec<f32>>(), d).unwrap()
        };
        let (x, q) = (moved(random.rows(n, d, 1.0)), moved(random.rows(b, d, 1.0)));
        // The first part has nothing to say.
        let mask: Vec<bool> = (0..n).map(|i| i >= 80 && i % 7 != 0).collect();
        let clamp: Vec<bool> = (0..d).map(|j| j == 3).collect();
        for kind in Similarity::ALL {
            let beta = 0.4;
            let whole = DenseMemory::builder().device(&Device::cpu()).similarity(kind).beta(beta);
            let whole = whole.build(&x).unwrap();
            let spread = SpreadMemory::new(&x, &several(), kind, beta).unwrap();
            assert_eq!(spread.shares().map(|s| s.1).sum::<usize>(), n);
            for mask in [None, Some(mask.as_slice())] {
                let options = RecallOptions { mask, clamp: Some(&clamp), top_k: Some(100), ..exactly(3) };
                let want = whole.recall_with(&q, &options).unwrap();
                let got = spread.recall_with(&q, &options).unwrap();
                let what = format!("{kind} {offset} {}", mask.is_some());
                let bound = 4e-6 * (1.0 + f64::from(offset));
                assert_close(&what, got.states.as_slice(), &states(&want), bound);
                let energies =
                    |r: &Recall| -> Vec<f32> { r.trace.iter().flatten().flatten().copied().collect() };
                let wanted: Vec<f64> = energies(&want).iter().map(|e| f64::from(*e)).collect();
                // Scores are of the size of |x|^2, and lie in f32.
                let size = f64::from(1.0 + offset * offset) * d as f64;
                assert_close(&what, &energies(&got), &wanted, 8.0 * EPS * size);
                let wanted: Vec<f64> = want.effective.iter().map(|e| f64::from(*e)).collect();
                assert_close(&what, &got.effective, &wanted, 2e-5 * size * scale(&wanted));
                // The largest weights, one by one; far ones may change places by a rounding.
                for i in 0..b {
                    let (a, b) = (want.top(i).next().unwrap(), got.top(i).next().unwrap());
                    assert_eq!(a.0, b.0, "{what}");
                    assert!((a.1 - b.1).abs() < 1e-4, "{what}");
                }
            }
            let energy = spread.energy(&q).unwrap();
            let wanted: Vec<f64> = whole.energy(&q).unwrap().iter().map(|e| f64::from(*e)).collect();
            assert_close("energy", &energy, &wanted, 8.0 * EPS * f64::from(1.0 + offset * offset) * d as f64);
        }
    }
}

#[test]
fn a_spread_memory_grows_and_refuses_like_any_other() {
    let devices = [Device::cpu(), Device::cpu(), Device::cpu()];
    let mut memory = SpreadMemory::new(&[[0.0, 1.0], [1.0, 0.0]], &devices, Similarity::L2, 20.0).unwrap();
    memory.append(&[[1.0, 1.0]]).unwrap();
    assert_eq!((memory.len(), memory.dim()), (3, 2));
    let recall = memory.recall(&[[0.9, 1.1], [0.1, 0.9]]).unwrap();
    assert_eq!((recall.top(0).next().unwrap().0, recall.top(1).next().unwrap().0), (2, 0));
    assert!(recall.status.iter().all(|s| *s == Status::Converged));
    let none: Vec<[f32; 2]> = Vec::new();
    assert_eq!(memory.recall(&none).unwrap().len(), 0);
    assert!(memory.recall(&[[1.0]]).unwrap_err().to_string().contains("columns"));
    let masked = RecallOptions { mask: Some(&[false; 3]), ..RecallOptions::default() };
    assert!(memory.recall_with(&[[0.0, 0.0]], &masked).is_err());
    assert!(memory.recall(&[[f32::NAN, 0.0]]).is_err());
    assert!(SpreadMemory::new(&[[1.0]], &[], Similarity::L2, 1.0).is_err());
    assert!(SpreadMemory::new(&none, &devices, Similarity::L2, 1.0).is_err());
}
