//! Tests of the command as a user meets it: one binary, so that it is linked once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails should say where")]

mod capacity;
mod code;
mod command;
mod desk;
mod drivers;
mod environment;
mod faults;
mod features;
mod forms;
mod input;
mod kernelized;
mod log;
mod lost;
mod store;
mod threads;
mod useless;
