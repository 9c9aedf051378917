//! What is done with the bytes of a file that nobody vouches for: one function per reader, which the fuzzer and the
//! ordinary tests call alike.
//!
//! Each reads the bytes as its reader would a file, and fails where that panics, where it asks for more memory than
//! the file is worth, where an error does not say on one line which file it is about, and where what was accepted
//! does not come back equal after it is saved again.

mod arrays;
mod features;
mod results;
pub(crate) mod store;
mod text;
mod weights;

pub(crate) use weights::COLUMNS;

use super::counting::{MOST_AT_ONCE, counted};
use attractor::{Error, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A reader, and how it is tried.
pub(crate) struct Target {
    /// Also of its folder of inputs.
    pub(crate) name: &'static str,
    run: fn(&[u8], &Scratch),
}

/// All of them.
pub(crate) const ALL: &[Target] = &[
    Target { name: "npy", run: arrays::npy },
    Target { name: "npz", run: arrays::npz },
    Target { name: "safetensors", run: arrays::safetensors },
    Target { name: "features", run: features::features },
    Target { name: "weights", run: weights::weights },
    Target { name: "store", run: store::image },
    Target { name: "journal", run: store::journal },
    Target { name: "tuning", run: text::tuning },
    Target { name: "names", run: text::names },
    Target { name: "results", run: results::results },
    #[cfg(feature = "parquet")]
    Target { name: "parquet", run: arrays::parquet },
];

/// Tries one input. Panics where the reader does not do what it promises.
pub(crate) fn run(name: &str, bytes: &[u8], scratch: &Scratch) {
    let target = ALL.iter().find(|target| target.name == name).expect("a target of this name");
    (target.run)(bytes, scratch);
}

/// A folder for files of one input, in memory where the system has such a place.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let shared = Path::new("/dev/shm");
        let made = tempfile::tempdir_in(shared).or_else(|_| tempfile::tempdir());
        Self(made.expect("a temporary folder"))
    }

    /// Where a file of this name is to be.
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file of this name and content.
    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("room for a file");
        path
    }
}

/// Reads something, with no more memory in use at a time than `limit` bytes, its result included.
fn within<T>(limit: usize, read: impl FnOnce() -> T) -> T {
    let (result, used) = counted(read);
    assert!(used.largest <= MOST_AT_ONCE, "{} bytes were asked for at once", used.largest);
    assert!(used.most <= limit, "{} bytes in use, {limit} are allowed", used.most);
    result
}

/// What was read, where it was accepted; an error must be fit to be read.
fn accepted<T>(result: Result<T>, path: &Path) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            legible(&error);
            let (message, file) = (error.to_string(), path.file_name().expect("a file").to_string_lossy());
            let is_named = message.contains(&*file) || matches!(error, Error::IncompatibleMemory { .. });
            assert!(is_named, "the file is not named: {message}");
            None
        }
    }
}

/// One line of bounded length.
fn legible(error: &Error) {
    let message = error.to_string();
    assert!(message.chars().count() < 2000, "a message of {} bytes", message.len());
    assert!(!message.contains(char::is_control), "{message:?}");
}

/// Bits, so that NaN equals itself.
fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}
