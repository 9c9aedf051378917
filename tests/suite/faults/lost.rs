//! A device that goes away: at each submission of work of every kind, and at any moment.

use super::jobs::{self, same};
use crate::common::{Random, open};
use attractor::{Device, Error, Tensor, gpu::Options, ops, prelude::*};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

fn is_lost(error: &Error) -> bool {
    matches!(error, Error::DeviceLost { .. })
}

/// Before, between and with each submission. Nothing that comes later hangs, and nothing that comes later gives a number.
#[test]
fn each_submission_may_be_the_last() {
    for (what, device, job) in jobs::all() {
        let before = device.as_gpu().unwrap().counters().submissions;
        let want = job(&device).unwrap();
        let submissions = device.as_gpu().unwrap().counters().submissions - before;
        assert!(submissions > 0, "{what}");
        // A few of many.
        let mut moments = vec![0, 1, submissions / 2, submissions - 1];
        moments.retain(|at| *at < submissions);
        moments.dedup();
        for at in moments {
            let device = device.reopen().unwrap();
            device.as_gpu().unwrap().lose_at(at);
            let error = job(&device).expect_err(&format!("{what}, submission {at} of {submissions}"));
            assert!(is_lost(&error), "{what}, submission {at}: {error}");
            assert!(!device.is_alive());
            let error = job(&device).unwrap_err();
            assert!(is_lost(&error), "{what}, submission {at}, then: {error}");
        }
        // The same adapter, opened anew, gives the same.
        let again = device.reopen().unwrap();
        assert_ne!(again, device);
        assert!(same(&job(&again).unwrap(), &want), "{what}: another answer");
    }
}

/// Destroyed by another thread while recalls run: each gives the right answer or says that the device is lost, and after the
/// first that says so none answers.
#[test]
fn any_moment_may_be_the_last() {
    let mut random = Random::new(220);
    let (x, q) = (random.rows(400, 16, 1.0), random.rows(40, 16, 1.0));
    let Some(first) = open(Options::default()) else { return };
    let build = |device: &Device| DenseMemory::builder().device(device).beta(0.2).build(&x).unwrap();
    let options = RecallOptions { steps: 300, tolerance: Some(0.0), ..RecallOptions::default() };
    let want = build(&first).recall_with(&q, &options).unwrap();
    for round in 0..12 {
        let device = first.reopen().unwrap();
        let memory = build(&device);
        let done = AtomicBool::new(false);
        let answers = thread::scope(|scope| {
            let recalls = || {
                let mut answers = 0;
                loop {
                    match memory.recall_with(&q, &options) {
                        Ok(got) => {
                            assert!(!done.load(Ordering::Relaxed), "round {round}: an answer after the end");
                            assert_eq!(got.states, want.states, "round {round}: a wrong answer");
                            assert_eq!(got.energy, want.energy, "round {round}: a wrong answer");
                            answers += 1;
                        }
                        Err(error) => {
                            assert!(is_lost(&error), "round {round}: {error}");
                            return answers;
                        }
                    }
                }
            };
            let threads: Vec<_> = (0..1 + round % 3).map(|_| scope.spawn(recalls)).collect();
            thread::sleep(Duration::from_millis(random.below(60) as u64));
            device.as_gpu().unwrap().destroy();
            let answers: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
            done.store(true, Ordering::Relaxed);
            answers
        });
        let _ = answers;
        let error = memory.recall_with(&q, &options).unwrap_err();
        assert!(is_lost(&error) && error.to_string().contains("reopen"), "{error}");
    }
}

/// Every door says so, also those that record and do not wait.
#[test]
fn whatever_is_asked_of_a_lost_device_fails() {
    let Some(device) = open(Options::default()) else { return };
    let x = Tensor::new(&device, &[[1.0_f32, 2.0], [3.0, 4.0]]).unwrap();
    let mut memory = DenseMemory::builder().device(&device).build(&[[0.0, 1.0], [1.0, 0.0]]).unwrap();
    let product = ops::matmul(&x, &x, ops::Layout::NT).unwrap();
    device.as_gpu().unwrap().destroy();
    assert!(is_lost(&x.to_vec().unwrap_err()));
    assert!(is_lost(&product.to_vec().unwrap_err()));
    assert!(is_lost(&Tensor::new(&device, &[1.0_f32]).unwrap_err()));
    assert!(is_lost(&x.to_device(&Device::cpu()).unwrap_err()));
    assert!(is_lost(&memory.append(&[[0.5, 0.5]]).unwrap_err()));
    assert!(is_lost(&memory.associate(&[[0.5], [0.5]]).unwrap_err()));
    assert!(is_lost(&memory.energy(&[[0.5, 0.5]]).unwrap_err()));
    assert!(is_lost(&memory.beta().unwrap_err()));
    assert_eq!(memory.len(), 2);
    let built = DenseMemory::builder().device(&device).build(&[[0.0, 1.0]]);
    assert!(is_lost(&built.unwrap_err()));
}
