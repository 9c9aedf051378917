//! One writer at a time.

use crate::{Error, Result};
use fs4::{FileExt, TryLockError};
use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

/// The right to change a store, held until it is dropped (or its process ends in whatever way).
///
/// It is a lock on a file of its own, empty and left where it is: the store's file is replaced and its journal
/// removed at times, and a lock would go with them.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Self> {
        let failed = |source| Error::File { path: path.to_owned(), action: "lock", source };
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(failed)?;
        // By the trait's name: the standard library has a method of the same name since 1.89.
        match FileExt::try_lock(&file) {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                let held = "another program is writing to this store; try again when it is done";
                Err(failed(io::Error::new(io::ErrorKind::WouldBlock, held)))
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}
