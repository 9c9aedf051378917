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
        Self { problem: format!("array '{name}' {}", self.problem), want: self.want }
    }

    /// The same fault, in the file at `path`, on one line of a bounded length: names and types in it
    /// may come out of the file.
    pub(super) fn at(self, path: &Path) -> Error {
        const LONGEST: usize = 500;
        let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        let problem = self.problem.chars().take(LONGEST).map(plain).collect();
        Error::Format { path: path.to_owned(), problem, want: self.want }
    }
}

/// A file in a version of its format that is not known here: most likely one of the future.
pub(crate) fn other_version(path: &Path, format: &str, found: &str, known: &str) -> Error {
    let problem = format!("is version {found} of the format '{format}', and version {known} is known here");
    Fault::new(problem, "use the version of attractor that wrote it, or a later one").at(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_on_one_line_whatever_the_file_says() {
        let name = "two\nlines\u{1b}[2J ".repeat(1000);
        let message = Fault::damaged("is odd").in_array(&name).at(Path::new("f")).to_string();
        assert!(message.len() < 1000 && !message.contains(char::is_control), "{message:?}");
    }
}
