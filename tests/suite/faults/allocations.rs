//! Memory that is not there: the n-th allocation fails, for every n, in work of every kind.

use super::jobs::{self, Job, close, same};
use crate::common::open;
use attractor::{
    Device, Error, Tensor,
    gpu::{Context, Options},
    ops::{Unary, unary},
};

/// Buffers that exist when nothing is kept that is not in use.
fn held(context: &Context) -> u64 {
    context.release();
    context.counters().buffers
}

/// What a run asks of the driver, and what it gives.
fn clean_run(device: &Device, job: Job) -> (u64, Vec<f32>) {
    let context = device.as_gpu().unwrap();
    // The first compiles kernels and makes what stays.
    job(device).unwrap();
    context.release();
    let before = context.counters().allocations;
    let answer = job(device).unwrap();
    (context.counters().allocations - before, answer)
}

/// Whether a call failed as it should. Patterns go by way of the host where the device has no room for them; all else says
/// what is missing.
fn out_of_memory(got: Result<Vec<f32>, Error>, want: &[f32]) -> Result<bool, String> {
    match got {
        Ok(got) if close(&got, want) => Ok(false),
        Ok(_) => Err("another answer".to_owned()),
        Err(Error::OutOfMemory { what, needed }) if !what.is_empty() && needed > 0 => Ok(true),
        Err(error) => Err(error.to_string()),
    }
}

/// The pool of free buffers may be all that is missing: it is let go, and nobody notices.
fn made_good(got: Result<Vec<f32>, Error>, want: &[f32]) -> Result<bool, String> {
    match got {
        Ok(got) if same(&got, want) => Ok(false),
        Ok(_) => Err("another answer".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Every allocation of every job: refused from then on, refused twice, and refused once. What the first two leave behind
/// would show in the third, whose answer is that of a call that is refused nothing.
#[test]
fn refusals_are_errors_or_made_good_and_leave_nothing() {
    type Right = fn(Result<Vec<f32>, Error>, &[f32]) -> Result<bool, String>;
    let faults: [(u64, Right); 3] = [(u64::MAX, out_of_memory), (2, out_of_memory), (1, made_good)];
    for (what, device, job) in jobs::all() {
        let context = device.as_gpu().unwrap();
        let (allocations, want) = clean_run(&device, job);
        assert!(allocations > 3, "{what}: {allocations} allocations");
        let level = held(context);
        let mut errors = [0; 3];
        for n in 0..allocations {
            for ((times, right), errors) in faults.iter().zip(&mut errors) {
                context.fail_allocations(n..n.saturating_add(*times));
                let got = job(&device);
                context.fail_allocations(0..0);
                let what = format!("{what}, allocation {n} of {allocations}, {times} refused");
                let failed = right(got, &want).unwrap_or_else(|problem| panic!("{what}: {problem}"));
                *errors += u64::from(failed);
                assert_eq!(held(context), level, "{what}: buffers are left behind");
            }
        }
        for errors in &errors[..2] {
            assert!(*errors > allocations / 2, "{what}: {errors} errors of {allocations}");
        }
        assert!(same(&job(&device).unwrap(), &want), "{what}: another answer in the end");
    }
}

/// The buffer of parameters is made with the first kernel, and once.
#[test]
fn parameters_find_no_room() {
    let mut failed = 0;
    for n in 0..20 {
        let Some(device) = open(Options { plain: true, ..Options::default() }) else { return };
        let context = device.as_gpu().unwrap();
        let work = || unary(Unary::Square, &Tensor::new(&device, &[[3.0_f32, 4.0]])?)?.to_vec();
        context.fail_allocations(n..n + 2);
        let got = work();
        let reached = context.counters().allocations > n;
        context.fail_allocations(0..0);
        if reached {
            assert!(matches!(got, Err(Error::OutOfMemory { .. })), "{n}: {got:?}");
            failed += 1;
        } else {
            assert_eq!(got.unwrap(), [9.0, 16.0]);
        }
        assert_eq!(work().unwrap(), [9.0, 16.0], "after {n}");
        if !reached {
            // The matrix, its square, the parameters, the readback.
            assert!(failed >= 4, "{failed} allocations");
            return;
        }
    }
    panic!("20 allocations for one kernel");
}
