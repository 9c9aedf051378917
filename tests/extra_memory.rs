//! How much memory a softmax step takes beside its patterns and queries, and that threads and recalls leave none behind,
//! counted by the allocator: a binary of its own, since that allocator is the whole program's, and each test a process of
//! its own, since what others have in use would be counted.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test that fails should say where")]

use alone::alone;
use attractor::{
    Device, Tensor,
    gpu::Options,
    ops::{Similarity, step},
    prelude::*,
    store::{Ask, Batch, Settings, Store},
};
use std::thread;

#[path = "common/alone.rs"]
mod alone;
#[path = "suite/common.rs"]
#[allow(dead_code, reason = "the suite uses all of it")]
mod common;
#[path = "common/counting.rs"]
#[allow(dead_code, reason = "other tests ask for more of it")]
mod counting;

#[global_allocator]
static COUNTING: counting::Counting = counting::Counting;

/// The most bytes that a step had in use at a time, its results included, beside its operands.
fn extra(b: usize, n: usize, d: usize, similarity: Similarity) -> usize {
    let cpu = Device::cpu();
    let tensor = |rows: usize| {
        let data: Vec<f32> = (0..rows * d).map(|i| (i * 7919 % 10_007) as f32 / 5003.5 - 1.0).collect();
        Tensor::from_flat(&cpu, &data, &[rows, d]).unwrap()
    };
    let (queries, patterns) = (tensor(b), tensor(n));
    let ((state, energy), use_of) = counting::counted(|| step(&queries, &patterns, 1.0, similarity).unwrap());
    assert!(state.to_vec().unwrap().iter().chain(&energy.to_vec().unwrap()).all(|v| v.is_finite()));
    use_of.most
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes where kernels are not optimised")]
fn a_step_over_a_million_patterns_takes_less_than_64_mb() {
    alone(module_path!(), "a_step_over_a_million_patterns_takes_less_than_64_mb", &[], || {
        for similarity in [Similarity::Dot, Similarity::L2] {
            let most = extra(512, 1_000_000, 64, similarity);
            println!("{similarity}: {:.1} MB", most as f64 / 1e6);
            assert!(most < 64_000_000, "{similarity}: {most} bytes");
            // An allocator that counts nothing would agree to anything: the states alone are this much.
            assert!(most >= 512 * 64 * 4, "{similarity}: {most} bytes");
        }
    });
}

/// One long payload takes its own room where it answers, and none where another does.
#[test]
fn payloads_take_the_room_of_their_own_lengths() {
    alone(module_path!(), "payloads_take_the_room_of_their_own_lengths", &[], || {
        const LONG: usize = 4 << 20;
        let folder = tempfile::tempdir().unwrap();
        let (n, b) = (64, 64);
        let rows: Vec<[f32; 2]> = (0..n).map(|i| [(i as f32).cos(), (i as f32).sin()]).collect();
        let payloads: Vec<Vec<u8>> = (0..n).map(|i| vec![7; if i == 9 { LONG } else { 5 }]).collect();
        let batch = Batch::new(&rows).payloads(&payloads);
        let settings = Settings { beta: Beta::Fixed(400.0), ..Settings::default() };
        let store =
            Store::create(folder.path().join("s.safetensors"), settings, batch, &Device::cpu()).unwrap();
        let options = RecallOptions { top_k: Some(1), ..RecallOptions::default() };
        let ask = Ask { options, payloads: true, ..Ask::default() };
        // Once before, so that threads and what they keep are there.
        store.recall_with(&rows, &ask).unwrap();
        let (answer, use_of) = counting::counted(|| store.recall_with(&rows, &ask).unwrap());
        let texts = answer.payloads.unwrap();
        assert_eq!((texts.len(), texts.get(9).unwrap().len()), (b, LONG));
        assert_eq!(texts.bytes().len(), LONG + 5 * (b - 1));
        println!(
            "{:.2} MB for texts of {:.2} MB",
            use_of.most as f64 / 1e6,
            texts.bytes().len() as f64 / 1e6
        );
        assert!(use_of.most >= LONG && use_of.most < LONG + LONG / 4, "{} bytes", use_of.most);
    });
}

/// Servers begin and end threads for as long as they run.
#[test]
fn threads_that_end_leave_nothing_with_a_device() {
    alone(module_path!(), "threads_that_end_leave_nothing_with_a_device", &[], || {
        const THREADS: usize = 500;
        let Some(device) = common::open(Options::default()) else { return };
        let threads = |count: usize| {
            for _ in 0..count {
                let work = || Tensor::from_flat(&device, &[1.0, 2.0], &[2]).unwrap().to_vec().unwrap();
                let got = thread::scope(|scope| scope.spawn(work).join().unwrap());
                assert_eq!(got, [1.0, 2.0]);
            }
        };
        // Pools fill meanwhile.
        threads(20);
        let before = counting::in_use();
        threads(THREADS);
        let left = counting::in_use().saturating_sub(before);
        println!("{left} bytes after {THREADS} threads");
        // Less than a word for each, whatever the device has put by meanwhile.
        assert!(left < 8 * THREADS, "{left} bytes after {THREADS} threads");
    });
}

/// Bytes of this process in memory, the driver's included; `None` where the system does not say.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/statm").ok()?;
    status.split_whitespace().nth(1)?.parse::<usize>().ok().map(|pages| pages * 4096)
}

#[test]
fn ten_thousand_recalls_leave_nothing_behind() {
    alone(module_path!(), "ten_thousand_recalls_leave_nothing_behind", &[], || {
        const RECALLS: usize = 10_000;
        let Some(device) = common::open(Options::default()) else { return };
        let context = device.as_gpu().unwrap();
        let mut random = common::Random::new(8);
        let patterns = random.rows(20, 8, 1.0);
        let memory = DenseMemory::builder().device(&device).beta(4.0).build(&patterns).unwrap();
        let cues = random.rows(3, 8, 1.0);
        let options = RecallOptions { steps: 2, ..RecallOptions::default() };
        let recall =
            |times: usize| (0..times).for_each(|_| drop(memory.recall_with(&cues, &options).unwrap()));
        recall(500);
        let (buffers, bytes, pages) = (context.counters().buffers, counting::in_use(), resident());
        recall(RECALLS);
        assert_eq!(context.counters().buffers, buffers);
        let left = counting::in_use().saturating_sub(bytes);
        println!(
            "{left} bytes after {RECALLS} recalls; resident before and after: {pages:?}, {:?}",
            resident()
        );
        // Less than a word for each.
        assert!(left < 8 * RECALLS, "{left} bytes after {RECALLS} recalls");
        // What the driver allocates is not counted above. A leak of 1 KiB a recall would be 10 MB.
        if let (Some(before), Some(after)) = (pages, resident()) {
            assert!(after < before + (8 << 20), "{before} bytes in memory before, {after} after");
        }
        drop(memory);
        assert!(context.counters().buffers <= buffers);
    });
}
