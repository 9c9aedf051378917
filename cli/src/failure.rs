//! How a command fails: one line on stderr, and an exit status: 1, 2 for wrong usage, or 75 where another program was in the way.

use attractor::Error;
use std::{fmt, path::Path};

/// A failure. Wrong arguments clap reports by itself, with the status of wrong usage.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    cause: Cause,
}

/// What a command does differently at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// What it was given, or what the system refused.
    Data,
    /// A variable of the environment that is not as it must be.
    Usage,
    /// It was to end.
    Signal,
    /// A GPU went away.
    Loss,
    /// Another program is at work on what it needs.
    Busy,
}

/// Exit status of what may well succeed a little later, as `sysexits.h` has it.
const BUSY: u8 = 75;

impl Failure {
    /// What the command was given does not fit.
    pub(crate) fn data(message: impl Into<String>) -> Self {
        Self { message: message.into(), cause: Cause::Data }
    }

    /// Another program is at work on what the command needs.
    pub(crate) fn busy(message: impl Into<String>) -> Self {
        Self { message: message.into(), cause: Cause::Busy }
    }

    /// The command was called wrongly.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), cause: Cause::Usage }
    }

    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        match self.cause {
            Cause::Busy => BUSY,
            Cause::Usage => 2,
            Cause::Data | Cause::Signal | Cause::Loss => 1,
        }
    }

    /// Whether this is how work ends that was asked to, when a signal came.
    pub(crate) fn is_interruption(&self) -> bool {
        self.cause == Cause::Signal
    }

    /// Whether a GPU went away on the way: what was on it can be made anew.
    pub(crate) fn is_loss(&self) -> bool {
        self.cause == Cause::Loss
    }

    /// The same failure with more words.
    pub(crate) fn extended(self, words: &str) -> Self {
        Self { message: self.message + words, ..self }
    }

    /// The same failure with a role called by the name that this command has for it.
    pub(crate) fn renamed(self, role: &str, name: &str) -> Self {
        Self { message: self.message.replace(role, name), ..self }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let cause = match error {
            Error::Interrupted => Cause::Signal,
            Error::DeviceLost { .. } => Cause::Loss,
            Error::Busy { .. } => Cause::Busy,
            _ => Cause::Data,
        };
        Self { message: error.to_string(), cause }
    }
}

/// A character of a text that may come out of a file, and that is to stay one line.
pub(crate) fn plain(c: char) -> char {
    if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        // Parts of it may come out of a file: it stays one line of bounded length.
        const LONGEST: usize = 2000;
        self.message.chars().take(LONGEST).try_for_each(|c| f.write_char(plain(c)))
    }
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Names the file that an error of the library is about: the first whose role its message mentions.
pub(crate) fn in_file<'p>(files: &[(&str, Option<&'p Path>)], error: Error) -> Failure {
    let message = error.to_string();
    let role = |name: &str| files.iter().find(|(role, _)| *role == name).and_then(|(_, path)| *path);
    let about: Option<&'p Path> = match &error {
        Error::EmptyMemory | Error::TooLarge { .. } | Error::Singular { .. } => role("patterns"),
        Error::NoEligiblePattern { .. } => role("mask"),
        Error::NonFinite { .. }
        | Error::NotBipolar { .. }
        | Error::ZeroNorm { .. }
        | Error::DimensionMismatch { .. }
        | Error::InvalidParameter { .. } => {
            // The role that is mentioned first is what is wrong; later ones say what it must fit.
            let mentioned = files.iter().filter_map(|(role, path)| Some((message.find(role)?, (*path)?)));
            mentioned.min_by_key(|(at, _)| *at).map(|(_, path)| path)
        }
        _ => None,
    };
    match about {
        Some(path) => Failure::data(format!("{}: {message}", path.display())),
        None => error.into(),
    }
}
