//! The calls to the system that writing is made of. They go through here, so that a test can have the n-th of them fail, for every n.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
};

/// Makes a call that may fail.
#[inline]
pub(crate) fn call<T>(make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    #[cfg(test)]
    if failing::now() {
        return Err(io::ErrorKind::StorageFull.into());
    }
    make()
}

/// A file that is written to.
pub(crate) struct Out<'a>(pub(crate) &'a File);

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(test)]
        if failing::now() {
            // As a disk that is full takes some of it.
            self.0.write_all(&bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Out<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// Calls that fail, in the thread of a test.
#[cfg(test)]
pub(crate) mod failing {
    use std::cell::Cell;

    /// Which call fails.
    #[derive(Clone, Copy)]
    struct Fault {
        /// How many go well before it.
        left: u64,
        /// Whether all after it fail too.
        stays: bool,
        met: bool,
    }

    thread_local! {
        static FAULT: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    /// Whether this call fails.
    pub(super) fn now() -> bool {
        let Some(mut fault) = FAULT.get() else { return false };
        let fails = if fault.met { fault.stays } else { fault.left == 0 };
        fault.met |= fails;
        fault.left = fault.left.saturating_sub(1);
        FAULT.set(Some(fault));
        fails
    }

    /// Does work whose call number `n`, from 0, fails; with `stays` all after it too, as if the program had been stopped there.
    /// Gives what came of it, and whether that call was made at all.
    pub(crate) fn at<T>(n: u64, stays: bool, work: impl FnOnce() -> T) -> (T, bool) {
        FAULT.set(Some(Fault { left: n, stays, met: false }));
        let done = work();
        (done, FAULT.take().is_some_and(|fault| fault.met))
    }

    /// A folder where waiting for the disk costs nothing, if the system has such.
    pub(crate) fn folder() -> tempfile::TempDir {
        let fast = std::path::Path::new("/dev/shm");
        let made = if fast.is_dir() { tempfile::tempdir_in(fast) } else { tempfile::tempdir() };
        #[allow(clippy::expect_used, reason = "of tests alone")]
        made.expect("there is room for a folder")
    }
}
