//! What patterns of a store are called.

use crate::{Error, Result};
use std::{collections::HashSet, fmt, str::FromStr};

/// Which kind of ids a store has: one for all of its patterns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IdKind {
    /// Whole numbers from 0 to 2^64 - 1.
    #[default]
    Number,
    /// Strings.
    Name,
}

impl fmt::Display for IdKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Name { "string" } else { "u64" })
    }
}

impl FromStr for IdKind {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "u64" => Ok(Self::Number),
            "string" => Ok(Self::Name),
            _ => Err(Error::parameter("kind of ids", s, "u64 or string")),
        }
    }
}

/// The id of one pattern.
///
/// ```
/// use attractor::store::Id;
/// assert_eq!(Id::from(7).to_string(), "7");
/// assert_ne!(Id::from(7), Id::from("7"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Id {
    /// A number.
    Number(u64),
    /// A string.
    Name(String),
}

impl Id {
    /// Its kind.
    pub fn kind(&self) -> IdKind {
        match self {
            Self::Number(_) => IdKind::Number,
            Self::Name(_) => IdKind::Name,
        }
    }

    /// The id of this kind that a text means.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] where a number is wanted and the text is none.
    pub fn parse(text: &str, kind: IdKind) -> Result<Self> {
        match kind {
            IdKind::Name => Ok(Self::Name(text.to_owned())),
            IdKind::Number => text.parse().map(Self::Number).map_err(|_| {
                Error::parameter("id", format!("'{text}'"), "a whole number from 0 to 2^64 - 1")
            }),
        }
    }
}

impl From<u64> for Id {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Id {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// Ids of one kind.
pub(super) fn check_kind(ids: &[Id], kind: IdKind) -> Result<()> {
    match ids.iter().find(|id| id.kind() != kind) {
        Some(id) => {
            let want = format!("of the store's kind of ids, {kind}");
            Err(Error::parameter("id", format!("'{id}' ({})", id.kind()), want))
        }
        None => Ok(()),
    }
}

/// Refuses a list in which an id is twice.
pub(super) fn check_distinct(ids: &[Id]) -> Result<()> {
    let mut seen = HashSet::with_capacity(ids.len());
    match ids.iter().find(|id| !seen.insert(*id)) {
        Some(id) => Err(Error::parameter("id", format!("'{id}', twice in one list"), "there once")),
        None => Ok(()),
    }
}

/// Some ids in words, for a message: all of a few, or the first of many.
pub(super) fn listed(ids: &[&Id]) -> String {
    const SHOWN: usize = 8;
    let mut text: Vec<String> = ids.iter().take(SHOWN).map(|id| format!("'{id}'")).collect();
    if ids.len() > SHOWN {
        text.push(format!("and {} more", ids.len() - SHOWN));
    }
    text.join(", ")
}
