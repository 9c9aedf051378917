//! Many threads on one store, one memory, one device. Every answer must be one that some state between two operations
//! gives; nothing may panic, and nothing may wait for ever.

mod gpu;
mod rayon;
mod store;

use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

/// What each thread has said that it does.
#[derive(Clone, Default)]
struct Board(Arc<Mutex<BTreeMap<String, String>>>);

impl Board {
    /// Says what a thread is about to do.
    fn note(&self, who: impl ToString, what: impl ToString) {
        self.0.lock().unwrap().insert(who.to_string(), what.to_string());
    }
}

/// So long nothing here takes, however busy the machine.
const EVER: Duration = Duration::from_secs(1800);

/// Does some work; where it never ends, ends the whole process and says what each thread was about.
fn watched(what: &str, work: impl FnOnce(&Board)) {
    let board = Board::default();
    let (done, over) = mpsc::channel::<()>();
    let (seen, what) = (board.clone(), what.to_owned());
    let watch = thread::spawn(move || {
        if over.recv_timeout(EVER) == Err(mpsc::RecvTimeoutError::Timeout) {
            let mut out = std::io::stderr();
            let _ = writeln!(out, "{what}: no end after {EVER:?}; threads were last about to:");
            for (who, doing) in seen.0.lock().unwrap_or_else(|e| e.into_inner()).iter() {
                let _ = writeln!(out, "  {who}: {doing}");
            }
            std::process::abort();
        }
    });
    work(&board);
    drop(done);
    watch.join().unwrap();
}
