//! How long work is followed, and stopped.

use crate::{Error, Result};
use std::ops::ControlFlow;

/// Told of work done from time to time, `(done, total)`, and asked whether to go on: on a GPU once per thousand queries or so, elsewhere at
/// every step. Where it answers [`ControlFlow::Break`], the work ends with [`Error::Interrupted`], and what is stored is as it was.
///
/// ```
/// use attractor::{Error, prelude::*};
/// use std::{ops::ControlFlow, sync::atomic::{AtomicBool, Ordering}};
///
/// // Set by another thread, or when a signal comes.
/// let stop = AtomicBool::new(true);
/// let memory = DenseMemory::new(&[[1.0, 0.0], [0.0, 1.0]])?;
/// let ask = |_done, _total| if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
/// let options = RecallOptions { progress: Some(&ask), ..RecallOptions::default() };
/// assert!(matches!(memory.recall_with(&[[0.9, 0.1]], &options), Err(Error::Interrupted)));
/// # Ok::<(), Error>(())
/// ```
pub type Progress<'a> = &'a (dyn Fn(u64, u64) -> ControlFlow<()> + Sync);

/// Tells whoever wants to know, and fails where the work is to end.
pub(crate) fn report(progress: Option<Progress<'_>>, done: u64, total: u64) -> Result<()> {
    progress.map_or(Ok(()), |progress| go_on(progress(done, total)))
}

/// Fails where work is to end.
pub(crate) fn go_on(answer: ControlFlow<()>) -> Result<()> {
    match answer {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Interrupted),
    }
}
