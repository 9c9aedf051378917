//! Files in the making, beside the place that they are to take.
//!
//! They are called `.attractor-*.tmp` and locked while they are written. A program that is killed leaves its file behind,
//! but not the lock: the next write into that directory knows it by this, and removes it.

use super::{atomic::directory, disk::call};
use fs4::{FileExt, TryLockError};
use parking_lot::{Mutex, MutexGuard};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

const PREFIX: &str = ".attractor-";
const SUFFIX: &str = ".tmp";

/// Those of this process.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock()
}

/// An empty file, which goes when it is dropped.
pub(super) struct Temporary {
    file: NamedTempFile,
    _listed: Listed,
}

impl Temporary {
    /// In the directory of `path`.
    pub(super) fn beside(path: &Path) -> io::Result<Self> {
        loop {
            let new = Self::new(directory(path))?;
            match FileExt::try_lock(new.file()) {
                // Taken for one that was left behind, before it was locked.
                Err(TryLockError::WouldBlock) => {}
                Ok(()) if !new.file.path().exists() => {}
                // Without a lock where there are none: then it is never taken for one that was left.
                _ => return Ok(new),
            }
        }
    }

    fn new(directory: &Path) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        // As any new file: the default of 0600 would keep the result from others.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let made = call(|| builder.tempfile_in(directory)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                io::Error::new(error.kind(), format!("there is no directory {}", directory.display()))
            }
            // Without the name of the temporary file, which means nothing to a user.
            kind => error.raw_os_error().map_or_else(|| kind.into(), io::Error::from_raw_os_error),
        })?;
        Ok(Self { _listed: Listed::new(made.path()), file: made })
    }

    pub(super) fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Takes its place. Where that fails, it goes.
    pub(super) fn persist(self, path: &Path) -> io::Result<()> {
        call(|| Ok(self.file.persist(path).map(drop)?))
    }
}

/// A file among the unfinished ones of this process.
pub(crate) struct Listed(PathBuf);

impl Listed {
    pub(crate) fn new(path: &Path) -> Self {
        unfinished().push(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        unfinished().retain(|other| *other != self.0);
    }
}

/// Removes what programs that were stopped have left in a directory. Where that cannot be, it stays.
pub(super) fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        if ours && entry.file_type().is_ok_and(|kind| kind.is_file()) && is_left(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether no one is writing to a file any more.
fn is_left(path: &Path) -> bool {
    // Kept open, and so locked, until it is gone.
    File::open(path).is_ok_and(|file| FileExt::try_lock(&file).is_ok())
}

/// Removes the files that this process is writing and that are not complete, for a program that is about to end at once, as
/// at a signal. What is being written fails, and what was there stays.
///
/// A program that is killed leaves such files as `.attractor-*.tmp`; the next write into the same directory removes them.
///
/// ```
/// attractor::io::discard_unfinished();
/// ```
pub fn discard_unfinished() {
    for path in unfinished().drain(..) {
        let _ = fs::remove_file(path);
    }
}
