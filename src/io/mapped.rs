//! The one place where a file is mapped into memory.

use memmap2::Mmap;
use std::{fs::File, io};

/// Maps a file, read-only.
#[allow(unsafe_code, reason = "mapping a file is unsafe by nature; see the comment below")]
pub(super) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is read-only and private to `Source`, whose documentation forbids that the file
    // be written to in place while it lives; that is all that mapping a file can ask for, since the
    // system offers no lock that would enforce it. The writers of this library replace files and
    // never change them in place.
    unsafe { Mmap::map(file) }
}
