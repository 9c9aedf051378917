//! Files of rows as commands take them: narrowed to f32 in one way, and what that costs is said.

use crate::{
    failure::{Failure, Result},
    warnings::Warnings,
};
use attractor::{
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

/// Opens a file of numbers. A store is what it holds now: with its journal, without what it has forgotten.
pub(crate) fn open(path: impl AsRef<Path>) -> attractor::Result<Source> {
    store::source(path)
}

/// What the rows of a store are called; `None` where the file is none.
pub(crate) fn ids(path: &Path) -> attractor::Result<Option<Vec<Id>>> {
    store::ids(&open(path)?)
}

/// Patterns for a memory. Where it does not notice that everything moves by the same (`is_movable`), a common offset goes off
/// columns that f32 would spoil.
pub(crate) fn patterns(path: &Path, is_movable: bool, warnings: &mut Warnings) -> Result<Narrowed> {
    let narrowing = if is_movable { Narrowing::Centred } else { Narrowing::Nearest };
    let source = open(path)?;
    let rows = source.narrowed(PATTERNS, narrowing)?;
    // The rows of a store may have lost theirs already.
    let rows = match store::offset(&source)? {
        Some(offset) if is_movable => rows.with_offset(offset),
        Some(_) => {
            let message = "the store keeps its patterns without a common offset, which only l2 and l1 do not notice: take one of these";
            return Err(Failure::data(format!("{}: {message}", path.display())));
        }
        None => rows,
    };
    said(path, rows, warnings)
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
