//! How long the parts of a command take: in the log as they end, and in summaries.

use std::{fmt, time::Instant};

/// What a command is busy with.
#[derive(Clone, Copy)]
pub(crate) enum Phase {
    /// Choosing and opening the device.
    Device,
    /// Reading files and making the memory.
    Open,
    /// Choosing `beta`.
    Beta,
    /// Recalling.
    Recall,
    /// Writing results.
    Write,
}

/// Their names, in their order.
const NAMES: [&str; 5] = ["device", "open", "beta", "recall", "write"];

/// A clock whose time since it was last read belongs to one phase.
pub(crate) struct Phases {
    last: Instant,
    seconds: [f64; NAMES.len()],
}

impl Phases {
    /// The clock starts.
    pub(crate) fn start() -> Self {
        Self { last: Instant::now(), seconds: [0.0; NAMES.len()] }
    }

    /// All since the last end was of this phase, and did that. A phase may have several parts. Gives the seconds of this one.
    pub(crate) fn end(&mut self, phase: Phase, what: impl fmt::Display) -> f64 {
        let seconds = self.last.elapsed().as_secs_f64();
        self.last = Instant::now();
        tracing::info!("{}: {what}, {seconds:.4} s", NAMES[phase as usize]);
        self.seconds[phase as usize] += seconds;
        seconds
    }

    /// Seconds by phase.
    pub(crate) fn json(&self) -> serde_json::Value {
        let entry = |(name, seconds): (&&str, &f64)| ((*name).to_owned(), (*seconds).into());
        serde_json::Map::from_iter(NAMES.iter().zip(&self.seconds).map(entry)).into()
    }
}
