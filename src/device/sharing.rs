//! Tests of what threads that share a GPU have to do with each other's faults.

use super::{Context, Options};
use crate::Error;
use std::{sync::Arc, thread};

/// The GPU of the tests; `None` where there is none and none is required.
pub(super) fn open(options: Options) -> Option<Arc<Context>> {
    let selector = std::env::var("ATTRACTOR_TEST_GPU").unwrap_or_else(|_| "software".to_owned());
    match Context::open_with(&selector, options) {
        Ok(context) => Some(context),
        Err(error) => {
            let required = std::env::var("ATTRACTOR_REQUIRE_GPU").is_ok_and(|v| v == "1");
            assert!(!required, "ATTRACTOR_REQUIRE_GPU=1, but: {error}");
            None
        }
    }
}

/// Records a copy beyond the end of a buffer, which the driver refuses when it is sent.
fn record_a_fault(context: &Arc<Context>) {
    let from = context.upload("a source", &[7; 64]).unwrap();
    let to = context.storage("a target", 64).unwrap();
    context.copy((&from, 0), (&to, 1 << 20), 64).unwrap();
}

#[test]
fn a_refused_recording_is_told_to_all_who_had_a_part() {
    let Some(context) = open(Options::default()) else { return };
    let (mine, before) = (context.upload("mine", &[1; 64]).unwrap(), context.storage("before", 64).unwrap());
    context.copy((&mine, 0), (&before, 0), 64).unwrap();
    context.flush().unwrap();
    // The readback buffer of last time has these bytes in it.
    assert_eq!(context.read(&[&mine]).unwrap()[0], [1; 64]);
    let (out, derived) = (context.storage("out", 64).unwrap(), context.storage("derived", 64).unwrap());
    context.copy((&mine, 0), (&out, 0), 64).unwrap();
    let sender = Arc::clone(&context);
    let sent = thread::spawn(move || {
        record_a_fault(&sender);
        sender.flush()
    });
    assert!(matches!(sent.join().unwrap(), Err(Error::Gpu { .. })));
    // What the refused recording was to write is not there, and nothing may be made of it.
    assert!(matches!(context.read(&[&out]), Err(Error::Gpu { .. })));
    assert!(matches!(context.copy((&out, 0), (&derived, 0), 64), Err(Error::Gpu { .. })));
    // What it read, and what came before it, is; the next recording is right.
    assert_eq!(context.read(&[&mine, &before]).unwrap(), [[1; 64], [1; 64]]);
    drop(out);
    let again = context.storage("again", 64).unwrap();
    context.copy((&before, 0), (&again, 0), 64).unwrap();
    assert_eq!(context.read(&[&again]).unwrap()[0], [1; 64]);
}

#[test]
fn a_fault_belongs_to_the_thread_whose_call_it_was() {
    let Some(context) = open(Options::default()) else { return };
    let mine = context.upload("mine", &[3; 64]).unwrap();
    let faulty = Arc::clone(&context);
    // A call of another thread that the driver refuses at once, and that thread's own look at it afterwards.
    let (made, look) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
    let other = thread::spawn(move || {
        let own = faulty.upload("own", &[4; 64]).unwrap();
        faulty.provoke_error();
        made.0.send(()).unwrap();
        look.1.recv().unwrap();
        faulty.write(&own, 0, &[5; 64])
    });
    made.1.recv().unwrap();
    assert_eq!(context.read(&[&mine]).unwrap()[0], [3; 64], "another thread's fault");
    look.0.send(()).unwrap();
    assert!(matches!(other.join().unwrap(), Err(Error::Gpu { .. })), "nobody was told");
}

#[test]
fn writes_without_a_submission_hold_no_more_than_a_few_batches() {
    let Some(context) = open(Options::default()) else { return };
    // 640 MB, 8 at a time, of which nothing is ever recorded or read.
    let (bytes, resident) = (vec![5; 8 << 20], resident_bytes());
    let buffer = context.storage_for_host("a target", bytes.len() as u64).unwrap();
    let mut most = 0;
    for _ in 0..80 {
        context.write(&buffer, 0, &bytes).unwrap();
        most = most.max(resident_bytes().unwrap_or(0));
    }
    if let Some(before) = resident {
        // Three batches of 64 MB under way, one on its way, and what other tests do meanwhile.
        assert!(most < before + (480 << 20), "{before} bytes before, {most} at most");
    }
    assert_eq!(context.read(&[&buffer]).unwrap()[0], bytes);
}

#[test]
fn many_small_writes_are_sent_though_nothing_is_submitted() {
    let Some(context) = open(Options::default()) else { return };
    let buffer = context.storage_for_host("a target", 64).unwrap();
    (0..1000_u32).for_each(|i| context.write(&buffer, 0, &[i as u8; 64]).unwrap());
    // Each holds a buffer of the driver's until it is sent: 64 of them at most.
    let sent = context.counters().submissions;
    assert!((10..=20).contains(&sent), "{sent}");
    assert_eq!(context.read(&[&buffer]).unwrap()[0], [999_u32 as u8; 64]);
}

#[test]
fn uploads_that_nobody_uses_take_no_new_buffers() {
    let Some(context) = open(Options::default()) else { return };
    let upload = || drop(context.upload("unused", &[1; 64]).unwrap());
    upload();
    let before = context.counters();
    (0..100).for_each(|_| upload());
    let after = context.counters();
    assert_eq!((after.buffers, after.pool_bytes), (before.buffers, before.pool_bytes));
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/statm").ok()?;
    status.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * 4096)
}
