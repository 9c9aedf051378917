//! One GPU under many threads: the recording, the pool of buffers, the buffer to read back through and the counters are all
//! shared.

use super::watched;
use crate::common::{Random, open};
use attractor::{
    Error, Tensor,
    gpu::Options,
    ops::{Binary, binary},
    prelude::*,
};
use std::{
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Barrier,
    thread,
};

/// Runs `work` on as many threads at once, each with its number.
fn on_threads(threads: usize, work: impl Fn(usize) + Sync) {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        for number in 0..threads {
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(number);
            });
        }
    });
}

#[test]
fn what_a_thread_reads_back_is_its_own() {
    let Some(device) = open(Options::default()) else { return };
    // Sizes of one class and of several, so that buffers go from thread to thread.
    watched("tensors", |board| {
        on_threads(8, |thread| {
            let mut random = Random::new(100 + thread as u64);
            for turn in 0..40 {
                board.note(thread, format!("turn {turn}"));
                let (rows, columns) = (1 + random.below(40), 1 + random.below(30));
                let value = |i: usize| (thread * 1_000_000 + turn * 10_000 + i) as f32;
                let values: Vec<f32> = (0..rows * columns).map(value).collect();
                let x = Tensor::from_flat(&device, &values, &[rows, columns]).unwrap();
                // Recorded, never read, dropped: its buffer goes back while the recording names it.
                drop(binary(Binary::Add, &x, &x).unwrap());
                let twice = binary(Binary::Add, &x, &x).unwrap();
                // The host writes to a buffer of the same class while what came before is recorded, not sent.
                let other =
                    Tensor::from_flat(&device, &vec![-1.0; rows * columns], &[rows, columns]).unwrap();
                let sum = binary(Binary::Add, &twice, &other).unwrap();
                assert_eq!(x.to_vec().unwrap(), values, "thread {thread}, turn {turn}");
                drop(x);
                let want: Vec<f32> = values.iter().map(|v| v + v - 1.0).collect();
                assert_eq!(sum.to_vec().unwrap(), want, "thread {thread}, turn {turn}");
            }
        });
    });
}

/// Memories of a thread's own, made, asked, grown and dropped, on one context and with others beside it.
#[test]
fn sixteen_threads_have_memories_of_their_own() {
    let contexts: Vec<Device> = (0..3).map_while(|_| open(Options::default())).collect();
    if contexts.is_empty() {
        return;
    }
    watched("sixteen memories", |board| {
        on_threads(16, |thread| {
            // Most of them share the first context.
            let device = &contexts[if thread < 12 { 0 } else { 1 + thread % 2 }];
            let mut random = Random::new(thread as u64);
            for turn in 0..4 {
                board.note(thread, format!("turn {turn}"));
                let (n, b) = (10 + 5 * random.below(6), 1 + random.below(4));
                let (x, q) = (random.rows(n, 12, 1.0), random.rows(b, 12, 1.0));
                let build =
                    |device| DenseMemory::builder().device(device).beta(1.0).build(&x.slice(0..n - 3));
                let (mut here, mut there) = (build(device).unwrap(), build(&Device::cpu()).unwrap());
                for grown in 0..2 {
                    let (got, want) = (here.recall(&q).unwrap(), there.recall(&q).unwrap());
                    let pairs = got.states.as_slice().iter().zip(want.states.as_slice());
                    let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    // Two back ends: as in the tests of either. Patterns differ by about 1.
                    assert!(off < 1e-3, "thread {thread}, turn {turn}, grown {grown}: off by {off}");
                    if grown == 0 {
                        let more = x.slice(n - 3..n);
                        here.append(&more).unwrap();
                        there.append(&more).unwrap();
                    }
                }
            }
        });
    });
}

/// Threads whose calls fail, or panic in the middle, beside threads whose calls are right.
#[test]
fn what_goes_wrong_in_a_thread_is_its_own() {
    let Some(device) = open(Options { binding_limit: Some(1 << 16), ..Options::default() }) else { return };
    let mut random = Random::new(12);
    let patterns = random.rows(50, 8, 1.0);
    let memory = DenseMemory::builder().device(&device).beta(1.0).build(&patterns).unwrap();
    let queries = random.rows(3, 8, 1.0);
    let want = memory.recall(&queries).unwrap().states;
    let before = device.as_gpu().unwrap().counters().buffers;
    watched("faults beside recalls", |board| {
        on_threads(6, |thread| {
            for turn in 0..12 {
                board.note(thread, format!("turn {turn}"));
                match thread {
                    0 => {
                        let wide = vec![0.0; 1 << 16];
                        let made = Tensor::from_flat(&device, &wide, &[1, 1 << 16]);
                        assert!(matches!(made, Err(Error::TooLarge { .. })));
                    }
                    1 => {
                        let nan = memory.recall(&[[f32::NAN; 8]]);
                        assert!(matches!(nan, Err(Error::NonFinite { .. })));
                    }
                    2 => {
                        // In the middle of a recall, with commands recorded.
                        let progress = |done: u64, _: u64| {
                            assert!(done < 1, "on purpose");
                            ControlFlow::Continue(())
                        };
                        let options = RecallOptions { progress: Some(&progress), ..RecallOptions::default() };
                        let hushed = || memory.recall_with(&queries, &options).map(drop);
                        let _ = catch_unwind(AssertUnwindSafe(hushed));
                    }
                    _ => assert_eq!(memory.recall(&queries).unwrap().states, want, "thread {thread}"),
                }
            }
        });
    });
    assert_eq!(memory.recall(&queries).unwrap().states, want);
    let after = device.as_gpu().unwrap().counters().buffers;
    // At most what six threads had in use at once stays in the pool.
    assert!(after <= before + 6 * 40, "{before} buffers before, {after} after");
}

/// Devices that are opened, used, lost and closed while others work.
#[test]
fn devices_come_and_go_beside_others() {
    let Some(lasting) = open(Options::default()) else { return };
    let mut random = Random::new(13);
    let (patterns, queries) = (random.rows(20, 8, 1.0), random.rows(2, 8, 1.0));
    let memory = DenseMemory::builder().device(&lasting).beta(1.0).build(&patterns).unwrap();
    let want = memory.recall(&queries).unwrap().states;
    watched("devices", |board| {
        on_threads(4, |thread| {
            for turn in 0..3 {
                board.note(thread, format!("turn {turn}"));
                if thread < 2 {
                    assert_eq!(memory.recall(&queries).unwrap().states, want);
                    continue;
                }
                let device = open(Options::default()).unwrap();
                let tensor = Tensor::new(&device, &patterns).unwrap();
                if thread == 3 {
                    // Another thread waits for it when it goes.
                    let reader = tensor.clone();
                    let reading = thread::spawn(move || reader.to_vec());
                    device.as_gpu().unwrap().destroy();
                    match reading.join().unwrap() {
                        Ok(values) => assert_eq!(values, patterns.as_slice()),
                        Err(error) => assert!(matches!(error, Error::DeviceLost { .. }), "{error}"),
                    }
                } else {
                    assert_eq!(tensor.to_vec().unwrap(), patterns.as_slice());
                    // The device goes first; what lies on it keeps it until it is dropped itself.
                    drop(device);
                    assert_eq!(tensor.to_vec().unwrap(), patterns.as_slice());
                }
            }
        });
    });
}
