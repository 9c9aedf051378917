//! One writer at a time.

use crate::{Error, Result};
use fs4::{FileExt, TryLockError};
use std::{
    fs::{File, OpenOptions},
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How long it takes until one who waits looks again.
const LOOK: Duration = Duration::from_millis(10);

/// The right to change a store, held until it is dropped (or its process ends in whatever way).
///
/// It is a lock on a file of its own, empty and left where it is: the store's file is replaced and its journal
/// removed at times, and a lock would go with them.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or waits so long for who holds it.
    pub(super) fn take(path: &Path, wait: Duration) -> Result<Self> {
        let failed = |source| Error::File { path: path.to_owned(), action: "lock", source };
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let started = Instant::now();
        loop {
            // By the trait's name: the standard library has a method of the same name since 1.89.
            match FileExt::try_lock(&file) {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            let left = wait.saturating_sub(started.elapsed());
            if left.is_zero() {
                let problem =
                    "another program is writing to this store; try again when it is done, or wait for it";
                return Err(Error::Busy { path: path.to_owned(), action: "lock", problem });
            }
            thread::sleep(LOOK.min(left));
        }
    }
}
