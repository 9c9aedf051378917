//! Patterns that do not lie in one device's memory.

use super::common::*;
use attractor::{
    Precision, SharedRows,
    gpu::{Kernels, Options, Strategy},
    io::{Array, ArrayData, Source, write},
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
    let (n, d) = (1000, 10);
    let (x, q, v) = (random.rows(n, d, 1.0), random.rows(9, d, 1.0), random.rows(n, 4, 1.0));
    for precision in [Precision::F32, Precision::F16] {
        let builder = |device: &Device| DenseMemory::builder().device(device).beta(1.0).precision(precision);
        let mut whole = builder(&Device::cpu()).build(&x).unwrap();
        whole.associate(&v).unwrap();
        let want = whole.recall_with(&q, &exactly(3)).unwrap();
        // All rows take 48,000 bytes (f32) or 32,000 (f16): some stay, few stay, none stays.
        for budget in [40_000, 20_000, 6_000, 100] {
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
    let array = Array { name: "patterns", shape: vec![n, d], data: ArrayData::F32(x.as_slice().into()) };
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
