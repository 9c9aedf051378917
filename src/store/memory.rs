//! The memory of a store, and what its file keeps of it.

use super::{Settings, book::Book};
use crate::{
    Device, Error, Result, Rows,
    memory::{DenseMemory, KeptNeighbours, Memory, NO_PATTERN},
};
use std::sync::Arc;

/// A memory with a row for each slot of a book.
pub(super) fn of(book: &Book, device: &Device) -> Result<DenseMemory> {
    let Settings { similarity, beta, precision, .. } = book.settings;
    let builder =
        DenseMemory::builder().device(device).similarity(similarity).beta(beta).precision(precision);
    let mut memory = match book.image() {
        Some(image) => {
            let mut memory = builder.build_shared(Arc::clone(&image.shared()?), book.dim)?;
            if let Some(kept) = image.neighbours()?
                && !memory.remember(&kept)?
            {
                return Err(image.wrong("the arrays 'beta.*' are not of its patterns".to_owned()));
            }
            memory
        }
        None => builder.build(&Rows::empty(book.dim))?,
    };
    memory.append(&book.added()?)?;
    memory.forget(&book.empty_slots().collect::<Vec<_>>())?;
    Ok(memory)
}

/// What the automatic `beta` rests on, by the rows of the file that has the live slots alone: kept, so that nobody has to look for it at the first
/// recall. `None` where `beta` is given, or cannot be chosen.
pub(super) fn neighbours(book: &Book) -> Option<KeptNeighbours> {
    if !book.settings.beta.is_auto() || book.live() == 0 {
        return None;
    }
    let found = of(book, &Device::Cpu).and_then(|memory| memory.kept_neighbours());
    let told = |error: &Error| tracing::debug!("the automatic beta is not prepared: {error}");
    let mut kept = found.inspect_err(told).ok()?;
    kept.sample = book.places(&kept.sample);
    let slots: Vec<u32> = kept.nearest.iter().copied().filter(|k| *k != NO_PATTERN).collect();
    let mut places = book.places(&slots).into_iter();
    kept.nearest.iter_mut().filter(|k| **k != NO_PATTERN).zip(&mut places).for_each(|(k, place)| *k = place);
    Some(kept)
}
