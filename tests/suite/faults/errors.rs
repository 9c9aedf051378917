//! Errors of which no call is told, and commands that a device refuses.

use super::jobs::{numbers, same};
use crate::common::{Random, fresh_gpu};
use attractor::{Error, Tensor, ops, prelude::*};
use std::{sync::Barrier, thread};

#[test]
fn an_error_without_a_call_surfaces_once() {
    let Some(device) = fresh_gpu() else { return };
    let context = device.as_gpu().unwrap();
    let memory = DenseMemory::builder().device(&device).beta(1.0).build(&[[0.0, 1.0], [1.0, 0.0]]).unwrap();
    let want = numbers(&memory.recall(&[0.1, 0.8]).unwrap());
    for _ in 0..3 {
        // The first is told, what follows from it is not.
        context.provoke_error();
        context.provoke_error();
        let error = memory.recall(&[0.1, 0.8]).unwrap_err();
        assert!(
            matches!(&error, Error::Gpu { message, .. } if message.contains("provoked error")),
            "{error}"
        );
        assert!(same(&numbers(&memory.recall(&[0.1, 0.8]).unwrap()), &want));
    }
    assert!(device.is_alive());
}

#[test]
fn a_refused_recording_is_an_error_of_its_call() {
    let Some(device) = fresh_gpu() else { return };
    let context = device.as_gpu().unwrap();
    let mut random = Random::new(240);
    let (x, q) = (random.rows(30, 6, 1.0), random.rows(4, 6, 1.0));
    let memory = DenseMemory::builder().device(&device).beta(1.0).build(&x).unwrap();
    let want = numbers(&memory.recall(&q).unwrap());
    context.release();
    let level = context.counters().buffers;
    for _ in 0..3 {
        context.provoke_refusal().unwrap();
        let error = memory.recall(&q).unwrap_err();
        assert!(matches!(error, Error::Gpu { .. }), "{error}");
        assert!(same(&numbers(&memory.recall(&q).unwrap()), &want), "another answer");
    }
    context.release();
    assert_eq!(context.counters().buffers, level);
}

/// Threads share a recording. Where it is refused, the thread that sends it is told, and the others do not take what is in
/// their buffers for results.
#[test]
fn what_a_refused_recording_was_to_write_is_no_result() {
    let Some(device) = fresh_gpu() else { return };
    let context = device.as_gpu().unwrap();
    let x = Tensor::new(&device, &[[1.0_f32, 2.0], [3.0, 4.0]]).unwrap();
    let good = ops::matmul(&x, &x, ops::Layout::NT).unwrap();
    assert_eq!(good.to_vec().unwrap(), [5.0, 11.0, 11.0, 25.0]);
    let bad = ops::matmul(&x, &x, ops::Layout::NT).unwrap();
    context.provoke_refusal().unwrap();
    // Another thread sends it all.
    let told = thread::scope(|scope| scope.spawn(|| x.to_vec()).join().unwrap());
    assert!(matches!(told, Err(Error::Gpu { .. })), "{told:?}");
    let error = bad.to_vec().unwrap_err();
    assert!(matches!(&error, Error::Gpu { message, .. } if message.contains("submission")), "{error}");
    // Nor is what is computed from it.
    assert!(ops::matmul(&bad, &x, ops::Layout::NT).is_err());
    // What was there before is still there, and what comes is right.
    assert_eq!(x.to_vec().unwrap(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(good.to_vec().unwrap(), [5.0, 11.0, 11.0, 25.0]);
    assert_eq!(ops::matmul(&x, &x, ops::Layout::NT).unwrap().to_vec().unwrap(), [5.0, 11.0, 11.0, 25.0]);
}

/// Scopes belong to threads: a thread whose allocations fail gets its own errors, and the others none.
#[test]
fn errors_stay_with_their_threads() {
    let Some(device) = fresh_gpu() else { return };
    let start = Barrier::new(4);
    let small = [[1.0_f32, 2.0], [3.0, 4.0]];
    thread::scope(|scope| {
        for thread in 0..4 {
            let (device, start) = (&device, &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..60 {
                    if thread % 2 == 0 {
                        // Refused within a scope, by wgpu itself.
                        let error = device.as_gpu().unwrap().provoke_refused_buffer().unwrap_err();
                        let named = |what: &str| what.contains(&format!("{:?}", thread::current().id()));
                        assert!(matches!(&error, Error::Gpu { what, .. } if named(what)), "{round}: {error}");
                    } else {
                        let x = Tensor::new(device, &small).unwrap();
                        let product = ops::matmul(&x, &x, ops::Layout::NT).unwrap();
                        assert_eq!(product.to_vec().unwrap(), [5.0, 11.0, 11.0, 25.0], "{round}");
                    }
                }
            });
        }
    });
}
