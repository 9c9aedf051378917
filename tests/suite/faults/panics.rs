//! Panics and errors in the middle of a call leave nothing behind that later calls meet.

use super::jobs::{numbers, same};
use crate::common::{Random, open};
use attractor::{
    Device, Error, Rows, Tensor,
    gpu::Options,
    memory::{FeatureDescent, FeatureMemory, FeatureSettings},
    ops::{self, Bank, Ensemble, FeatureMap, FeatureSpec, Progress, ScanOptions},
    prelude::*,
};
use std::{
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
};

fn places() -> Vec<Device> {
    [Some(Device::cpu()), open(Options::default())].into_iter().flatten().collect()
}

/// Runs work whose progress panics at each of its reports in turn; gives how many there were.
fn at_each_report(work: impl Fn(Progress<'_>)) -> usize {
    let mut at = 0;
    loop {
        let seen = std::sync::atomic::AtomicUsize::new(0);
        let report = |_: u64, _: u64| {
            let now = seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            // Without the hook that prints panics.
            if now == at {
                std::panic::resume_unwind(Box::new("enough"));
            }
            ControlFlow::Continue(())
        };
        match catch_unwind(AssertUnwindSafe(|| work(&report))) {
            Err(payload) => assert_eq!(payload.downcast_ref(), Some(&"enough")),
            Ok(()) => return at,
        }
        at += 1;
        assert!(at < 200);
    }
}

#[test]
fn a_panic_in_a_report_of_progress_leaves_the_memory_usable() {
    for device in places() {
        let mut random = Random::new(260);
        let (x, q) = (random.rows(50, 6, 1.0), random.rows(1100, 6, 1.0));
        let memory = DenseMemory::builder().device(&device).build(&x).unwrap();
        let plain = RecallOptions { steps: 2, ..RecallOptions::default() };
        let want = numbers(&memory.recall_with(&q, &plain).unwrap());
        let reports = at_each_report(|report| {
            let options = RecallOptions { progress: Some(report), ..plain.clone() };
            memory.recall_with(&q, &options).unwrap();
        });
        assert!(reports > 1, "{device}: {reports}");
        assert!(same(&numbers(&memory.recall_with(&q, &plain).unwrap()), &want), "{device}: another answer");
    }
}

#[test]
fn a_panic_in_a_descent_or_a_scan_leaves_nothing() {
    for device in places() {
        let mut random = Random::new(261);
        let settings = FeatureSettings { device: Some(device.clone()), ..FeatureSettings::default() };
        let spec = FeatureSpec::new(FeatureMap::SinCos, 200, 6, 10.0, 7);
        let mut memory = FeatureMemory::with(spec, settings).unwrap();
        memory.absorb(&random.rows(9, 6, 0.3)).unwrap();
        let q = random.rows(4, 6, 0.3);
        let plain = FeatureDescent { steps: 5, ..FeatureDescent::default() };
        let want = numbers(&memory.descend(&q, &plain).unwrap());
        let reports = at_each_report(|report| {
            memory.descend(&q, &FeatureDescent { progress: Some(report), ..plain }).unwrap();
        });
        assert!(reports > 0, "{device}");
        assert!(same(&numbers(&memory.descend(&q, &plain).unwrap()), &want), "{device}: another answer");

        let bank = Bank::new(Ensemble::Sphere, 5, 3000, 8).unwrap();
        let q = bank.gather(&[3, 700]).unwrap();
        let scan = |progress: Option<Progress<'_>>| {
            let options = ScanOptions { chunk: 512, progress, ..ScanOptions::default() };
            bank.scan(&q, &[], 4.0, &device, &options).unwrap()
        };
        let want = scan(None);
        let reports = at_each_report(|report| drop(scan(Some(report))));
        assert!(reports > 0, "{device}");
        let got = scan(None);
        assert!(got.iter().zip(&want).all(|(g, w)| g.sum == w.sum && g.index == w.index), "{device}");
    }
}

/// What a failed call had recorded already runs with the next one, and disturbs it not.
#[test]
fn commands_of_a_failed_call_disturb_no_later_one() {
    let Some(device) = open(Options::default()) else { return };
    let context = device.as_gpu().unwrap();
    let mut random = Random::new(262);
    let (a, b) = (random.rows(30, 20, 1.0), random.rows(30, 20, 1.0));
    let product = |rows: &Rows<'_>| {
        let x = Tensor::new(&device, rows)?;
        let first = ops::matmul(&x, &x, ops::Layout::NT)?;
        // As large as what the failed call held: they share the buffers of the pool.
        ops::softmax(&ops::matmul(&first, &x, ops::Layout::NN)?, 0.1)
    };
    let want = product(&a).and_then(|t| t.to_vec()).unwrap();
    context.release();
    for n in 0..6 {
        // Nothing is sent: all that is recorded waits for the next call.
        context.fail_allocations(n..n + 2);
        let failed = product(&b);
        context.fail_allocations(0..0);
        let expected = failed.as_ref().map_or_else(|e| matches!(e, Error::OutOfMemory { .. }), |_| true);
        assert!(expected, "{n}: {failed:?}");
        drop(failed);
        for _ in 0..3 {
            assert!(same(&product(&a).and_then(|t| t.to_vec()).unwrap(), &want), "{n}: another answer");
        }
        context.release();
    }
}
