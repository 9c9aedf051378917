//! The readers under the fuzzer. What is done with an input is in `tests/hostile/targets`, since the ordinary tests do
//! the same; `cargo xtask fuzz` runs it all.

#![allow(missing_docs, clippy::expect_used, reason = "a find is a panic that says what it is")]
#![allow(dead_code, reason = "parts of the command are taken as they are")]

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

/// Tries one input of a target.
pub fn run(target: &str, bytes: &[u8]) {
    SCRATCH.with(|scratch| targets::run(target, bytes, scratch));
}
