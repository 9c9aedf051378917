//! In which order bits change.

use crate::{Error, Result};
use std::{fmt, str::FromStr};

/// Whether the bits of a state change together or one after another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// All at once.
    Synchronous,
    /// One after another, in a random order for each sweep. The energy never rises.
    #[default]
    Asynchronous,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Synchronous { "sync" } else { "async" })
    }
}

impl FromStr for Order {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "sync" => Ok(Self::Synchronous),
            "async" => Ok(Self::Asynchronous),
            _ => Err(Error::parameter("order", s, "sync or async")),
        }
    }
}
