//! What becomes of a command at Ctrl-C (SIGINT) and at SIGTERM.
//!
//! Work that can be is asked to end by [`Progress`](crate::progress::Progress), within a fraction of a second. What is still at it
//! after [`GRACE`] is left where it is: files are replaced as a whole, and journals are read up to their last whole record, so
//! that nothing is half there. A second signal ends the process at once.

use crate::{failure::Result, output::complaint, progress};
use attractor::Error;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag, low_level,
};
use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// How long work may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(1);
/// How long it may take until a signal is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The signal that has come; 0 before.
static SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();
/// What is there of the work, and how it goes on.
static KEPT: Mutex<Option<String>> = Mutex::new(None);
/// Whether someone is ending this process.
static LEAVING: AtomicBool = AtomicBool::new(false);

/// From now on, signals end the command in order. Where that cannot be had, they end it as they do any program.
pub(crate) fn listen() {
    let holder = SIGNAL.get_or_init(Arc::default);
    let mut listening = false;
    for signal in [SIGINT, SIGTERM] {
        // A command in the background of a script, for instance, is not meant by the Ctrl-C of the one in front.
        if is_ignored(signal) {
            continue;
        }
        // In this order: the first signal passes by the shutdown, and arms it for the second.
        let second = Arc::new(AtomicBool::new(false));
        listening |= flag::register_conditional_shutdown(signal, status(signal), second.clone())
            .and_then(|_| flag::register(signal, second))
            .and_then(|_| flag::register_usize(signal, holder.clone(), signal as usize))
            .is_ok();
    }
    // What exceeds a limit on the size of files is to be an error with the file's name, and not the end of the process.
    #[cfg(unix)]
    let _ = flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    if listening {
        let watch = || {
            let signal = loop {
                match came() {
                    Some(signal) => break signal,
                    None => thread::sleep(LOOK),
                }
            };
            thread::sleep(GRACE);
            leave(signal)
        };
        let _ = thread::Builder::new().name("signals".into()).spawn(watch);
    }
}

/// Whether this process was started with a signal ignored.
fn is_ignored(signal: i32) -> bool {
    // Other systems have no file that says so.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

/// Exit status of what a signal has ended, as shells have it.
fn status(signal: i32) -> i32 {
    128 + signal
}

/// The signal that has come, if one has.
pub(crate) fn came() -> Option<i32> {
    let signal = SIGNAL.get()?.load(Ordering::Relaxed);
    (signal != 0).then_some(signal as i32)
}

/// Fails where a signal has come: for work of many parts, between them.
pub(crate) fn go_on() -> Result<()> {
    came().map_or(Ok(()), |_| Err(Error::Interrupted.into()))
}

/// Notes what will be there of the work that is under way, should it be stopped, and how it goes on.
pub(crate) fn keeps(what: impl Into<String>) {
    *KEPT.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.into());
}

/// Lets this thread alone end the process; does not return where another one is about to.
pub(crate) fn finish() {
    if LEAVING.swap(true, Ordering::SeqCst) {
        loop {
            thread::park();
        }
    }
}

/// Ends the process at a signal, and says what is there.
pub(crate) fn leave(signal: i32) -> ! {
    finish();
    attractor::io::discard_unfinished();
    progress::clear();
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner).take();
    let kept = kept.unwrap_or_else(|| "what it was to write is complete, or as it was before".to_owned());
    let name = if signal == SIGINT { "Ctrl-C" } else { "SIGTERM" };
    complaint(&format!("stopped by {name}; {kept}"));
    // Without waiting for threads that are at work, or for drivers that do.
    low_level::exit(status(signal))
}
