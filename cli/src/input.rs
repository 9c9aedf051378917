//! Files of rows as commands take them: narrowed to f32 in one way, and what that costs is said.

use crate::{
    failure::{Failure, Result},
    warnings::Warnings,
};
use attractor::{
    Error,
    io::Source,
    narrow::{Narrowed, Narrowing, Offset},
    store::{self, Id},
};
use std::path::Path;

/// Names that patterns go by.
pub(crate) const PATTERNS: &[&str] = &["patterns", "state", "states"];
/// Names that queries go by.
pub(crate) const QUERIES: &[&str] = &["queries", "state", "states"];
/// Names that states go by.
pub(crate) const STATES: &[&str] = &["states", "state", "queries"];

/// Opens a file of numbers, to be read as they are. A store is what it holds now: with its journal, without what it has forgotten.
///
/// A store that keeps its patterns without a common offset is refused: only [`patterns`] and [`beside`] know of it.
pub(crate) fn open(path: impl AsRef<Path>) -> attractor::Result<Source> {
    let path = path.as_ref();
    let source = open_as_kept(path)?;
    if store::offset(&source)?.is_some() {
        return Err(Error::Format {
            path: path.to_owned(),
            problem: "the store keeps its patterns without a common offset".to_owned(),
            want: "only recall, explain, energy and store know of it: name a file of the patterns themselves"
                .to_owned(),
        });
    }
    Ok(source)
}

/// Opens a file of numbers as it is kept, for [`beside`]: the patterns of a store may be without a common offset.
pub(crate) fn open_as_kept(path: impl AsRef<Path>) -> attractor::Result<Source> {
    store::source(path)
}

/// The patterns of a memory.
pub(crate) struct Patterns {
    /// The rows, and what has gone off them.
    pub(crate) narrowed: Narrowed,
    source: Source,
}

impl Patterns {
    /// What they are called in the store that they come from; `None` where the file is none.
    pub(crate) fn ids(&self) -> attractor::Result<Option<Vec<Id>>> {
        store::ids(&self.source)
    }
}

/// Patterns for a memory. Where it does not notice that everything moves by the same (`is_movable`), a common offset goes off
/// columns that f32 would spoil.
pub(crate) fn patterns(path: &Path, is_movable: bool, warnings: &mut Warnings) -> Result<Patterns> {
    let narrowing = if is_movable { Narrowing::Centred } else { Narrowing::Nearest };
    let source = open_as_kept(path)?;
    let rows = source.narrowed(PATTERNS, narrowing)?;
    // The rows of a store may have lost theirs already.
    let rows = match store::offset(&source)? {
        Some(offset) if is_movable => rows.with_offset(offset),
        Some(_) => {
            let message = "the store keeps its patterns without a common offset, which this memory would notice: use l2 or l1 with an energy whose states are means of \
                           patterns, such as softmax, or name a file of the patterns themselves";
            return Err(Failure::data(format!("{}: {message}", path.display())));
        }
        None => rows,
    };
    Ok(Patterns { narrowed: said(path, rows, warnings)?, source })
}

/// Rows that go with patterns which have lost this offset: queries and states.
pub(crate) fn beside(
    source: &Source,
    path: &Path,
    names: &[&str],
    offset: Option<&Offset>,
    warnings: &mut Warnings,
) -> Result<Narrowed> {
    // The rows of another store may have lost something else already.
    if let Some(own) = store::offset(source)? {
        if offset != Some(&own) {
            let message = "the store keeps its patterns without an offset that these have not lost; write them out as f64";
            return Err(Failure::data(format!("{}: {message}", path.display())));
        }
        return said(path, source.narrowed(names, Narrowing::Nearest)?, warnings);
    }
    let narrowing = match offset {
        // Rows of other columns are refused by the memory, which says what it wants.
        Some(offset) if source.columns(names)? == offset.columns().len() => Narrowing::As(offset),
        _ => Narrowing::Nearest,
    };
    said(path, source.narrowed(names, narrowing)?, warnings)
}

/// Warns of rows that have become equal.
fn said(path: &Path, rows: Narrowed, warnings: &mut Warnings) -> Result<Narrowed> {
    if let Some(collisions) = rows.collisions() {
        let cure = "scale the columns, or leave out what their values have in common";
        warnings.push(format!("{}: {collisions}; {cure}", path.display()));
    }
    Ok(rows)
}
