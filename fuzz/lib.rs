//! The readers under the fuzzer. What is done with an input is in `tests/hostile/targets`, since the ordinary tests do
//! the same; `cargo xtask fuzz` runs it all.

#![allow(missing_docs, clippy::expect_used, reason = "a find is a panic that says what it is")]
#![allow(dead_code, reason = "parts of the command are taken as they are")]

use std::{
    panic,
    sync::{Mutex, Once},
};

#[path = "../tests/common/counting.rs"]
mod counting;
#[path = "../cli/src/failure.rs"]
mod failure;
#[path = "../cli/src/capacity/journal.rs"]
mod journal;
#[path = "../cli/src/reproduce/kept.rs"]
mod kept;
#[path = "../cli/src/lines.rs"]
mod lines;
#[path = "../tests/hostile/stop.rs"]
mod stop;
#[path = "../tests/hostile/targets/mod.rs"]
mod targets;

#[global_allocator]
static COUNTING: counting::Counting = counting::Counting;

thread_local! {
    static SCRATCH: targets::Scratch = targets::Scratch::new();
}

/// What the last panic said.
static SAID: Mutex<String> = Mutex::new(String::new());

/// Tries one input of a target.
pub fn run(target: &str, bytes: &[u8]) {
    static HOOK: Once = Once::new();
    // libFuzzer's hook ends the process at any panic, also at one that a reader makes an error of.
    HOOK.call_once(|| {
        panic::set_hook(Box::new(|panic| {
            if let Ok(mut said) = SAID.lock() {
                *said = panic.to_string();
            }
        }));
    });
    let tried = panic::catch_unwind(|| SCRATCH.with(|scratch| targets::run(target, bytes, scratch)));
    if let Err(find) = tried {
        eprintln!("{}", SAID.lock().map_or_else(|said| said.into_inner().clone(), |said| said.clone()));
        panic::resume_unwind(find);
    }
}
