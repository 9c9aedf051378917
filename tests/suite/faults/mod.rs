//! Faults of a device, provoked one after another: after each the call has given an error or the right answer, and the next
//! call works. `cargo xtask faults` lists them.

mod allocations;
mod changes;
mod errors;
mod jobs;
mod limits;
mod lost;
mod panics;
mod recovery;
mod waits;
