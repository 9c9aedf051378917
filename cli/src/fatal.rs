//! What becomes of faults that nobody catches: exit status 1, as of any failure, and a line on stderr; where memory is out that line is
//! Rust's own, with a note below.

use crate::failure::{Failure, Result};
use std::{
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    path::Path,
    sync::{Mutex, PoisonError},
};

/// The last panic, in words. Some are caught on the way, and nothing is said of them.
static LAST: Mutex<Option<String>> = Mutex::new(None);

/// From now on, panics are kept to be told by [`caught`], and an abort ends the process with status 1. Where memory is out, Rust says so
/// on stderr, with the number of bytes, and aborts.
pub(crate) fn listen() {
    #[cfg(unix)]
    {
        use std::sync::{Arc, atomic::AtomicBool};
        const FAILURE: i32 = 1;
        let always = Arc::new(AtomicBool::new(true));
        let _ =
            signal_hook::flag::register_conditional_shutdown(signal_hook::consts::SIGABRT, FAILURE, always);
    }
    // Who wants the trace gets all of it.
    if std::env::var_os("RUST_BACKTRACE").is_none_or(|value| value == "0") {
        panic::set_hook(Box::new(|panic| {
            *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(words(panic));
        }));
    }
}

fn words(panic: &PanicHookInfo<'_>) -> String {
    let payload = panic.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = message.unwrap_or("without a message");
    // Where the file lay when this was built is of no interest.
    let place = panic.location().map(|place| {
        let file = Path::new(place.file()).file_name().unwrap_or_default().to_string_lossy();
        format!(" ({file}:{})", place.line())
    });
    format!("a fault of this program, please report it: {message}{}", place.unwrap_or_default())
}

/// Runs a command. A panic that comes out of it is a failure like others.
pub(crate) fn caught(run: impl FnOnce() -> Result<()>) -> Result<()> {
    panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(Failure::data(last.unwrap_or_else(|| "a fault of this program, please report it".to_owned())))
    })
}
