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

    thread_local! {
        /// How many calls go well before one fails, and whether all after it fail too; `None` where none does.
        static LEFT: Cell<Option<(u64, bool)>> = const { Cell::new(None) };
    }

    /// Whether this call fails.
    pub(super) fn now() -> bool {
        LEFT.with(|left| match left.get() {
            Some((0, stays)) => {
                left.set(stays.then_some((0, true)));
                true
            }
            Some((n, stays)) => {
                left.set(Some((n - 1, stays)));
                false
            }
            None => false,
        })
    }

    /// Does work whose call number `n`, from 0, fails; with `stays` all after it too, as if the program had been stopped there.
    /// Gives what came of it, and whether that call was made at all.
    pub(crate) fn at<T>(n: u64, stays: bool, work: impl FnOnce() -> T) -> (T, bool) {
        LEFT.with(|left| left.set(Some((n, stays))));
        let done = work();
        let reached = LEFT.with(Cell::take).is_none_or(|(left, _)| left == 0 && stays);
        (done, reached)
    }
}
