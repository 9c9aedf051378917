//! Files of rows as commands take them: narrowed to f32 in one way, and what that costs is said.

use crate::{failure::Result, warnings::Warnings};
use attractor::{
    io::Source,
    narrow::{Narrowed, Narrowing, Offset},
};
use std::path::Path;

/// Names that patterns go by.
pub(super) const PATTERNS: &[&str] = &["patterns", "state", "states"];
/// Names that queries go by.
pub(super) const QUERIES: &[&str] = &["queries", "state", "states"];
/// Names that states go by.
pub(super) const STATES: &[&str] = &["states", "state", "queries"];

/// Patterns for a memory. Where it does not notice that everything moves by the same (`is_movable`), a common offset goes off
/// columns that f32 would spoil.
pub(super) fn patterns(path: &Path, is_movable: bool, warnings: &mut Warnings) -> Result<Narrowed> {
    let narrowing = if is_movable { Narrowing::Centred } else { Narrowing::Nearest };
    said(path, Source::open(path)?.narrowed(PATTERNS, narrowing)?, warnings)
}

/// Rows that go with patterns which have lost this offset: queries and states.
pub(super) fn beside(
    source: &Source,
    path: &Path,
    names: &[&str],
    offset: Option<&Offset>,
    warnings: &mut Warnings,
) -> Result<Narrowed> {
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
