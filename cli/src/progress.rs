//! A progress bar on stderr for work that takes long.

use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::IsTerminal,
    sync::OnceLock,
    time::{Duration, Instant},
};

/// Work shorter than this shows no bar.
const PATIENCE: Duration = Duration::from_millis(700);

/// A bar that appears when work has gone on for a while, where stderr is a terminal.
pub(crate) struct Progress {
    started: Instant,
    wanted: bool,
    what: &'static str,
    bar: OnceLock<ProgressBar>,
}

impl Progress {
    /// A bar for work that is called so, as in "recalling".
    pub(crate) fn new(what: &'static str, quiet: bool) -> Self {
        Self {
            started: Instant::now(),
            what,
            wanted: !quiet && std::io::stderr().is_terminal(),
            bar: OnceLock::new(),
        }
    }

    /// `done` of `total` units.
    pub(crate) fn tell(&self, done: u64, total: u64) {
        if !self.wanted || self.started.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_init(|| {
            let bar = ProgressBar::new(total);
            let style =
                ProgressStyle::with_template(&format!("{} {{bar:40}} {{percent}} % {{eta}} left", self.what));
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
