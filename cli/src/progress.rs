//! A progress bar on stderr for work that takes long.

use crate::stop;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use std::{
    io::IsTerminal,
    ops::ControlFlow,
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

/// Work shorter than this shows no bar.
const PATIENCE: Duration = Duration::from_millis(700);

/// The bar that is shown, if one is.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Takes the bar off the terminal, from whatever thread.
pub(crate) fn clear() {
    if let Some(bar) = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).take() {
        bar.finish_and_clear();
    }
}

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

    /// `done` of `total` units. Answers whether to go on: until a signal comes.
    pub(crate) fn tell(&self, done: u64, total: u64) -> ControlFlow<()> {
        if stop::came().is_some() {
            return ControlFlow::Break(());
        }
        if !self.wanted || self.started.elapsed() < PATIENCE {
            return ControlFlow::Continue(());
        }
        let bar = self.bar.get_or_init(|| {
            let bar = ProgressBar::new(total);
            let style =
                ProgressStyle::with_template(&format!("{} {{bar:40}} {{percent}} %{{msg}}", self.what));
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
            bar
        });
        bar.set_position(done);
        bar.set_message(forecast(self.started.elapsed(), done, total));
        ControlFlow::Continue(())
    }
}

/// How long the rest will take, if it goes on as fast as all of it has so far: the bar knows nothing of what went before it was shown.
fn forecast(elapsed: Duration, done: u64, total: u64) -> String {
    if done == 0 {
        return String::new();
    }
    let left = elapsed.mul_f64(total.saturating_sub(done) as f64 / done as f64);
    format!(", {} left", HumanDuration(Duration::from_secs(left.as_secs_f64().ceil() as u64)))
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.bar.get().is_some() {
            clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forecasts_go_by_all_that_was_done() {
        let of = |done| forecast(Duration::from_secs(30), done, 100);
        assert_eq!(
            (of(0).as_str(), of(50).as_str(), of(100).as_str()),
            ("", ", 30 seconds left", ", 0 seconds left")
        );
        assert_eq!(of(10), ", 5 minutes left");
    }
}
