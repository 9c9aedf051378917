//! Files of numbers that commands read.

use attractor::{io::Source, store};
use std::path::Path;

/// Opens a file of numbers. A store is what it holds now: with its journal, without what it has forgotten.
pub(crate) fn open(path: impl AsRef<Path>) -> attractor::Result<Source> {
    store::source(path)
}
