//! What is wrong with a file's content, said before it is known which file it is.

use crate::Error;
use std::path::Path;

/// A result of looking into a file's content.
pub(super) type Checked<T> = Result<T, Fault>;

/// What is wrong, and what would be right.
#[derive(Debug)]
pub(super) struct Fault {
    problem: String,
    want: String,
}

impl Fault {
    pub(super) fn new(problem: impl Into<String>, want: impl Into<String>) -> Self {
        Self { problem: problem.into(), want: want.into() }
    }

    /// Content that no writer left on purpose.
    pub(super) fn damaged(problem: impl Into<String>) -> Self {
        Self::new(problem, "the file is cut off or damaged, write or copy it again")
    }

    /// The same fault, found in one array of several.
    pub(super) fn in_array(self, name: &str) -> Self {
        self.within(&format!("array '{name}'"))
    }

    /// The same fault, found in a part of the file.
    pub(super) fn within(self, part: &str) -> Self {
        Self { problem: format!("{part} {}", self.problem), want: self.want }
    }

    /// The same fault, in the file at `path`.
    pub(super) fn at(self, path: &Path) -> Error {
        Error::Format { path: path.to_owned(), problem: self.problem, want: self.want }
    }
}

/// A file in a version of its format that is not known here: most likely one of the future.
pub(crate) fn other_version(path: &Path, format: &str, found: &str, known: &str) -> Error {
    let problem = format!("is version {found} of the format '{format}', and version {known} is known here");
    Fault::new(problem, "use the version of attractor that wrote it, or a later one").at(path)
}
