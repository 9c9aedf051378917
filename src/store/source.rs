//! A store as a file of numbers.

use super::{
    ids::Id,
    image::{self, Edition, Image},
    ledger::Ledger,
};
use crate::{Result, io::Source, narrow::Offset};
use std::path::Path;

/// Opens a file of numbers, as [`Source::open`] does; where it is a store, what that holds now: the rows of its
/// `patterns` are those that are stored, in the order in which they were, without forgotten ones, and with what its journal has
/// added. All of the file is held against its checksums. What had gone off the columns before ([`offset`]) is not added again.
///
/// A store without a journal is mapped and read in place; otherwise what it holds is made in memory.
///
/// ```
/// use attractor::store::{self, Batch, Id, Ledger, Settings};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("memory.safetensors");
/// let mut ledger = Ledger::create(&path, Settings::default(), Batch::new(&[[0.0, 1.0], [1.0, 0.0]]))?;
/// ledger.add(Batch::new(&[[1.0, 1.0]]))?;
/// ledger.forget(&[Id::from(0)])?;
///
/// let source = store::source(&path)?;
/// assert_eq!(source.matrix(&["patterns"])?.as_slice(), [1.0, 0.0, 1.0, 1.0]);
/// assert_eq!(store::ids(&source)?, Some(vec![Id::from(1), Id::from(2)]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those of [`Source::open`] and of [`Ledger::open_read_only`].
pub fn source(path: impl AsRef<Path>) -> Result<Source> {
    let path = path.as_ref();
    let named = Source::open_named(path)?;
    if !named.is_store() {
        return named.checked();
    }
    let path = named.path();
    let ledger = Ledger::open_read_only(path)?;
    ledger.check()?;
    let source = match ledger.book().image() {
        Some(image) if !ledger.book().differs() => image.source().clone(),
        _ => Source::made(path, image::bytes(path, ledger.book(), Edition::first())?)?,
    };
    Ok(source.meaning_as(&named))
}

/// Whether what is meant are the patterns of a store.
fn is_patterns(source: &Source) -> bool {
    source.is_store() && source.array().is_none_or(|name| name == "patterns")
}

/// What had gone off the columns of a store that [`source`] has opened ([`Ledger::offset`]); `None` where nothing
/// has, and for another file or array.
///
/// # Errors
/// [`Error::Format`](crate::Error::Format) where the file is damaged.
pub fn offset(source: &Source) -> Result<Option<Offset>> {
    if !is_patterns(source) {
        return Ok(None);
    }
    Ok(Image::of(source.clone())?.offset)
}

/// The ids of the rows of a store that [`source`] has opened; `None` where it is another file or array.
///
/// # Errors
/// [`Error::Format`](crate::Error::Format) where the file is damaged.
pub fn ids(source: &Source) -> Result<Option<Vec<Id>>> {
    if !is_patterns(source) {
        return Ok(None);
    }
    let image = Image::of(source.clone())?;
    (0..image.rows).map(|row| image.id(row)).collect::<Result<_>>().map(Some)
}
