//! Waits that end: work that takes longer than the patience of a device.

use super::jobs::{numbers, same};
use crate::common::{Random, open};
use attractor::{Error, gpu::Options, prelude::*};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(600);

#[test]
fn work_beyond_the_patience_is_an_error_and_no_later_answer() {
    let mut random = Random::new(250);
    let (x, q, small) = (random.rows(4000, 32, 1.0), random.rows(300, 32, 1.0), random.rows(4, 32, 1.0));
    let options = Options { patience: Some(Duration::from_millis(1)), ..Options::default() };
    let Some(device) = open(options) else { return };
    let context = device.as_gpu().unwrap();
    // Kernels are compiled, and there is an answer to compare with.
    context.set_patience(LONG);
    let memory = DenseMemory::builder().device(&device).beta(0.1).build(&x).unwrap();
    let exactly = |steps| RecallOptions { steps, tolerance: Some(0.0), ..RecallOptions::default() };
    let want = numbers(&memory.recall_with(&small, &exactly(3)).unwrap());
    memory.recall_with(&q, &exactly(1)).unwrap();
    context.release();
    let level = context.counters().buffers;
    for round in 0..3 {
        context.set_patience(Duration::from_millis(1));
        // Seconds of work on a software adapter; more of it until any adapter takes longer than that.
        let work = (3..16).map(|bits| memory.recall_with(&q, &exactly(1 << bits)));
        let error = work.filter_map(Result::err).next().unwrap();
        assert!(
            matches!(&error, Error::Timeout { what, seconds } if !what.is_empty() && *seconds < 0.01),
            "{error}"
        );
        assert!(error.to_string().contains("0.001 s"), "{error}");
        assert!(device.is_alive());
        // With the device still at the work that nobody waits for any more.
        context.set_patience(LONG);
        assert!(same(&numbers(&memory.recall_with(&small, &exactly(3)).unwrap()), &want), "round {round}");
        context.release();
        assert_eq!(context.counters().buffers, level, "round {round}: buffers are left behind");
    }
}

/// The option is what a device is opened with.
#[test]
fn the_patience_is_an_option() {
    let Some(device) = open(Options { patience: Some(Duration::ZERO), ..Options::default() }) else { return };
    let mut random = Random::new(251);
    let memory = DenseMemory::builder().device(&device).beta(0.1).build(&random.rows(3000, 32, 1.0)).unwrap();
    let error = memory.recall(&random.rows(200, 32, 1.0)).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}
