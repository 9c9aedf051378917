//! What can go wrong, said so that it can be put right: what, where, and what would be right.

use crate::Short;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// A result of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every way in which this library fails. It never panics on what a user gives it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // ---- values ---------------------------------------------------------------------------
    /// A NaN or an infinity where finite numbers are needed. Rows and columns count from 0.
    #[error("{}: row {row}, column {column} is {value}; every value must be finite", Plain(what))]
    NonFinite {
        /// Which input, for example `patterns`.
        what: String,
        /// Row of the first such value.
        row: usize,
        /// Column of the first such value.
        column: usize,
        /// The value as a number: NaN or an infinity.
        value: f32,
    },
    /// A number that f32, in which is computed, cannot hold. Rows and columns count from 0.
    #[error(
        "row {row}, column {column} is {value:e}, which is beyond f32; every value must lie within ±{:e}",
        f32::MAX
    )]
    BeyondF32 {
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// The number.
        value: f64,
    },
    /// A parameter outside its range.
    #[error("{name} is {}; it must be {want}", Plain(value))]
    InvalidParameter {
        /// The parameter's name as the user writes it.
        name: &'static str,
        /// What was given.
        value: String,
        /// What would be right.
        want: String,
    },
    /// The direction of a row of zeros has no meaning (for a layer norm: of a constant row).
    #[error(
        "{what}: row {row} has a length of zero in f32 (for a layer norm: after its mean is taken off), and a direction is needed here; drop or scale the row, or use l2"
    )]
    ZeroNorm {
        /// Which input, for example `patterns`.
        what: &'static str,
        /// The first such row, from 0.
        row: usize,
    },
    /// A row that is no distribution, even after division by its sum.
    #[error(
        "{what}: row {row} {problem}; the similarity {similarity} compares distributions: no value below 0, and not all 0"
    )]
    NotADistribution {
        /// Which input, for example `patterns`.
        what: &'static str,
        /// The first such row, from 0.
        row: usize,
        /// What is wrong with it, with the value and its column.
        problem: String,
        /// The similarity that needs distributions.
        similarity: String,
    },
    /// A memory whose recall goes down no energy was asked for one.
    #[error(
        "{memory} has no energy: its recall is a single shot, not a descent; recall without a trace, or use a dense memory"
    )]
    NoEnergy {
        /// Which memory.
        memory: &'static str,
    },

    /// A memory of bits was given something other than -1 and 1.
    #[error("{what}: row {row}, column {column} is {}; {}", Short(f64::from(*value)), bits_of(*value))]
    NotBipolar {
        /// Which input, for example `patterns`.
        what: &'static str,
        /// The first such row, from 0.
        row: usize,
        /// Its column.
        column: usize,
        /// What is there.
        value: f32,
    },
    /// Patterns that depend on each other linearly have no pseudo-inverse.
    #[error(
        "pattern {row} is a linear combination of those before it, so there is no pseudo-inverse; leave it out, or use the Hebb or Storkey rule"
    )]
    Singular {
        /// The first such pattern, from 0.
        row: usize,
    },

    /// Two memories of features that differ in what their sums mean cannot be added.
    #[error(
        "the memories differ in {field} ({} and {}); only memories with the same {field} can be combined",
        Plain(left),
        Plain(right)
    )]
    IncompatibleMemory {
        /// What differs: `map`, `seed`, `beta`, ...
        field: &'static str,
        /// What it is in one.
        left: String,
        /// What it is in the other.
        right: String,
    },
    /// More patterns were to be forgotten than a memory holds.
    #[error("{rows} patterns cannot be forgotten: the memory holds {count}")]
    InvalidForget {
        /// How many were to be forgotten.
        rows: usize,
        /// How many there are.
        count: u64,
    },

    /// What was measured does not say what was asked.
    #[error("{what} cannot be told: {problem}")]
    NotIdentifiable {
        /// What was to be worked out.
        what: &'static str,
        /// What is missing.
        problem: String,
    },
    /// A grid whose values do not ascend.
    #[error("the grid of {what} has {value} at place {at}, not above the one before; give ascending values")]
    BadGrid {
        /// What it is a grid of.
        what: &'static str,
        /// The place of the first such value, from 0.
        at: usize,
        /// The value.
        value: String,
    },
    /// A file or a code holds fewer patterns than an experiment needs.
    #[error("{have} patterns are there, and {need} are needed; lower the largest number of patterns")]
    NotEnoughPatterns {
        /// How many there are.
        have: usize,
        /// How many are needed.
        need: usize,
    },

    /// Whoever follows the work has asked it to end ([`Progress`](crate::ops::Progress)).
    #[error("interrupted before it was done, as asked")]
    Interrupted,

    // ---- shapes ---------------------------------------------------------------------------
    /// Two shapes that must agree do not.
    #[error("{}: got {got}, want {want}", Plain(what))]
    DimensionMismatch {
        /// What was measured, for example `columns of queries`.
        what: String,
        /// What it is.
        got: usize,
        /// What it must be.
        want: usize,
    },
    /// Nothing is stored, so nothing can be recalled.
    #[error("the memory is empty: store at least one pattern first")]
    EmptyMemory,
    /// A mask hides every pattern.
    #[error("the mask hides all {patterns} patterns; at least one must stay eligible")]
    NoEligiblePattern {
        /// How many patterns are stored.
        patterns: usize,
    },
    /// A request beyond what the device can bind or address at once.
    #[error("{what} needs {needed} bytes, the limit of this device is {limit}")]
    TooLarge {
        /// What was to be made.
        what: String,
        /// Bytes asked for.
        needed: u64,
        /// Bytes that the device allows.
        limit: u64,
    },

    /// A weight of a layer that is missing, has another shape, or belongs to no part of the layer.
    #[error("weight '{}' {}; want {}", Plain(name), Plain(got), Plain(want))]
    Weight {
        /// The weight's name in its file.
        name: String,
        /// What is wrong with it, with its shape where it has another one.
        got: String,
        /// What would be right.
        want: String,
    },

    // ---- devices --------------------------------------------------------------------------
    /// No adapter answers to the selector.
    #[error("no GPU adapter for '{selector}': {found}")]
    NoAdapter {
        /// What was asked for.
        selector: String,
        /// What there is instead, and what to install where there is nothing.
        found: String,
    },
    /// The GPU went away (driver reset, unplugged, destroyed). Data on it is gone.
    #[error(
        "the GPU '{adapter}' was lost: {reason}; open it again (`Device::reopen`) and store anew what was on it"
    )]
    DeviceLost {
        /// Which adapter.
        adapter: String,
        /// The driver's words.
        reason: String,
    },
    /// The device has no room for an allocation.
    #[error("out of memory for {what} ({needed} bytes)")]
    OutOfMemory {
        /// What was to be made.
        what: String,
        /// Bytes asked for.
        needed: u64,
    },
    /// The GPU did not answer in time.
    #[error("the GPU did not finish '{what}' in {seconds} s")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        seconds: f64,
    },
    /// The graphics layer refused a command.
    #[error("GPU error in {what}: {message}")]
    Gpu {
        /// What was being done.
        what: String,
        /// The graphics layer's words.
        message: String,
    },
    /// Two tensors live on different devices.
    #[error("{what}: tensors are on different devices ({left} and {right}); move one with `to_device`")]
    DeviceMismatch {
        /// The operation.
        what: &'static str,
        /// One device.
        left: String,
        /// The other.
        right: String,
    },
    /// A shader's template is wrong.
    #[error("shader {file}, line {line}: {message}")]
    Shader {
        /// File name of the template.
        file: String,
        /// Line from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },

    // ---- files ----------------------------------------------------------------------------
    /// The operating system refused a file.
    #[error("{}: cannot {action}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What was tried: `open`, `read`, `write`, ...
        action: &'static str,
        /// The system's words.
        source: std::io::Error,
    },
    /// A file that one program at a time may change is in the hands of another one.
    #[error("{}: cannot {action}: {problem}", path.display())]
    Busy {
        /// Which file.
        path: PathBuf,
        /// What was tried: `lock` or `read`.
        action: &'static str,
        /// What the other program is doing, and what helps.
        problem: &'static str,
    },
    /// A file whose content is not what it must be.
    #[error("{}: {}; {}", path.display(), Plain(problem), Plain(want))]
    Format {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with its place where there is one.
        problem: String,
        /// What would be right.
        want: String,
    },
}

impl Error {
    /// An [`Error::InvalidParameter`].
    pub fn parameter(name: &'static str, value: impl ToString, want: impl Into<String>) -> Self {
        Self::InvalidParameter { name, value: brief(value.to_string()), want: want.into() }
    }

    /// An [`Error::DimensionMismatch`].
    pub fn dimension(what: impl Into<String>, got: usize, want: usize) -> Self {
        Self::DimensionMismatch { what: what.into(), got, want }
    }
    /// An error about a row of patterns that were stored in another order, with the number that the row has elsewhere.
    pub(crate) fn of_row(self, number: impl Fn(usize) -> usize) -> Self {
        const OF: &str = "patterns";
        match self {
            Self::NonFinite { what, row, column, value } if what == OF => {
                Self::NonFinite { what, row: number(row), column, value }
            }
            Self::ZeroNorm { what: OF, row } => Self::ZeroNorm { what: OF, row: number(row) },
            Self::NotADistribution { what: OF, row, problem, similarity } => {
                Self::NotADistribution { what: OF, row: number(row), problem, similarity }
            }
            Self::NotBipolar { what: OF, row, column, value } => {
                Self::NotBipolar { what: OF, row: number(row), column, value }
            }
            Self::Singular { row } => Self::Singular { row: number(row) },
            other => other,
        }
    }

    /// This error as one about the content of a file, where it does not name one already.
    pub(crate) fn in_file(self, path: &Path, want: &str) -> Self {
        match self {
            named @ (Self::File { .. }
            | Self::Busy { .. }
            | Self::Format { .. }
            | Self::IncompatibleMemory { .. }) => named,
            other => {
                Self::Format { path: path.to_owned(), problem: other.to_string(), want: want.to_owned() }
            }
        }
    }
}

/// What makes bits of data with this value in it.
fn bits_of(value: f32) -> &'static str {
    match value == 0.0 {
        true => {
            "this memory holds bits, written as -1 and 1: of 0 and 1, or bool, make them by numpy.where(x > 0, 1, -1); of data with values below 0 by their signs, centred first"
        }
        false => {
            "this memory holds bits, written as -1 and 1: take the signs of centred data, numpy.where(x > x.mean(0), 1, -1)"
        }
    }
}

/// A value with an exponent where it is a number that would take many zeros.
fn brief(text: String) -> String {
    const LONG: usize = 20;
    match text.parse::<f64>() {
        Ok(value) if text.len() > LONG && !text.contains('e') => format!("{value:e}"),
        _ => text,
    }
}

/// Text that may come out of a file, or from anyone, on one line of bounded length.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        const LONGEST: usize = 500;
        let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        self.0.chars().take(LONGEST).try_for_each(|c| f.write_char(plain(c)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_on_one_line_whatever_a_file_or_a_user_says() {
        let odd = "two\nlines\u{1b}[2J ".repeat(1000);
        let path = PathBuf::from("f");
        for error in [
            Error::Format { path: path.clone(), problem: odd.clone(), want: odd.clone() },
            Error::Weight { name: odd.clone(), got: odd.clone(), want: odd.clone() },
            Error::NonFinite { what: odd.clone(), row: 0, column: 0, value: f32::NAN },
            Error::dimension(&odd[..], 1, 2),
            Error::parameter("energy", &odd, "right").in_file(&path, "another file"),
        ] {
            let message = error.to_string();
            assert!(message.chars().count() < 1600 && !message.contains(char::is_control), "{message:?}");
        }
    }
}
