//! How many threads compute.
//!
//! The CPU side runs on rayon's global pool. Left alone, rayon makes it at its first use, with a thread for each core or as
//! `RAYON_NUM_THREADS` says; a value that is no number is passed over there, and a thread that cannot be made is a panic. A program
//! that calls [`start`] before anything else has neither: the number is checked, and the pool has as many threads as the system
//! lets it have. The `attractor` command does.

use crate::{Error, Result};
use rayon::{ThreadBuilder, ThreadPoolBuilder};
use std::{
    io,
    sync::mpsc::{Sender, channel},
    thread,
};

/// Most threads that may be asked for; more only where there are more cores.
pub const MOST: usize = 1024;

/// The cores that this process may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The threads of rayon's global pool; makes it as rayon does where there is none yet.
pub fn count() -> usize {
    rayon::current_num_threads()
}

/// A number of threads as text, from 1 to [`MOST`].
///
/// ```
/// use attractor::threads::parse;
/// assert_eq!(parse("--threads", "4")?, 4);
/// for wrong in ["0", "abc", "-1", "100000", ""] {
///     assert!(parse("--threads", wrong).is_err());
/// }
/// # Ok::<(), attractor::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidParameter`] with this name for anything else.
pub fn parse(name: &'static str, text: &str) -> Result<usize> {
    let most = MOST.max(cores());
    let number = text.trim().parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| Error::parameter(name, text, format!("a whole number of threads from 1 to {most}")))
}

/// The number of threads that the environment asks for: `ATTRACTOR_THREADS`, else `RAYON_NUM_THREADS` (where 0 stands for all cores,
/// as in rayon), else `None`.
///
/// # Errors
/// As [`parse`], with the variable's name; of a variable that does not count as well, so that it is not passed over.
pub fn environment() -> Result<Option<usize>> {
    let of = |name: &'static str, passed_over: &str| match std::env::var_os(name) {
        Some(text) if !text.is_empty() && text != passed_over => {
            parse(name, &text.to_string_lossy()).map(Some)
        }
        _ => Ok(None),
    };
    let rayon = of("RAYON_NUM_THREADS", "0")?;
    Ok(of("ATTRACTOR_THREADS", "")?.or(rayon))
}

/// Makes rayon's global pool, with so many threads where the system lets there be so many, else with those that could be made;
/// where there is not even one, all work is done by the thread that calls this, and no other one should ask for any. Gives the number of
/// threads that compute.
///
/// ```
/// let made = attractor::threads::start(2)?;
/// assert!(made == 2 && rayon::current_num_threads() == 2);
/// # Ok::<(), attractor::Error>(())
/// ```
///
/// # Errors
/// [`Error::InvalidParameter`] beyond [`MOST`] and for 0, and where the pool has been made or used before.
pub fn start(count: usize) -> Result<usize> {
    parse("number of threads", &count.to_string())?;
    let mut waiting = waiting(count);
    let builder = ThreadPoolBuilder::new();
    let made = match waiting.len() {
        0 => builder.num_threads(1).use_current_thread().build_global(),
        made => {
            builder.num_threads(made).spawn_handler(|thread| hand_over(&mut waiting, thread)).build_global()
        }
    };
    made.map_err(|_| Error::parameter("number of threads", count, "set before anything computes, and once"))?;
    Ok(rayon::current_num_threads())
}

/// Threads that wait for their part of a pool: up to so many, as far as the system makes them. Rayon itself gives up at the first
/// that it refuses, for good.
fn waiting(count: usize) -> Vec<Sender<ThreadBuilder>> {
    let one = || {
        let (hand, given) = channel::<ThreadBuilder>();
        // Without a part there is nothing to do.
        let run = move || given.recv().map(ThreadBuilder::run).unwrap_or_default();
        thread::Builder::new().name("compute".into()).spawn(run).ok().map(|_| hand)
    };
    std::iter::from_fn(one).take(count).collect()
}

fn hand_over(waiting: &mut Vec<Sender<ThreadBuilder>>, part: ThreadBuilder) -> io::Result<()> {
    let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
    waiting.pop().ok_or_else(gone)?.send(part).map_err(|_| gone())
}
