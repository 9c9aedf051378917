//! The memories: what stores patterns and completes cues.
//!
//! All memories share the trait [`Memory`]. A memory is written once, in operations of [`crate::ops`];
//! none knows on which device it runs.

mod beta;
mod dense;
mod recall;
mod spread;

pub use beta::{Beta, BetaChoice};
pub(crate) use dense::check_patterns;
pub use dense::{Builder, DenseMemory};
pub use recall::{Recall, RecallOptions, Status};
pub use spread::SpreadMemory;

use crate::{Device, Result, ToRows};

/// A store of patterns that completes damaged ones.
///
/// Patterns and queries are anything that reads as rows ([`ToRows`]): vectors of rows, arrays,
/// [`crate::Rows`], `ndarray` arrays behind the feature of that name. All methods take `&self` where
/// nothing changes, so threads can share a memory.
///
/// ```
/// use attractor::prelude::*;
/// /// Works for any memory.
/// fn complete(memory: &dyn Memory, cue: &[f32]) -> attractor::Result<Vec<f32>> {
///     Ok(memory.recall(&cue)?.states.into_vec())
/// }
/// let mut memory = DenseMemory::new(&[[0.0_f32, 1.0]])?;
/// memory.append(&[[1.0_f32, 0.0]])?;
/// assert!(complete(&memory, &[0.9, 0.2])?[0] > 0.98);
/// assert!(memory.energy(&[[1.0, 0.0]])? < memory.energy(&[[0.5, 0.5]])?);
/// # Ok::<(), attractor::Error>(())
/// ```
pub trait Memory: Send + Sync {
    /// How many patterns are stored.
    fn len(&self) -> usize;

    /// Whether nothing is stored.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length of a pattern.
    fn dim(&self) -> usize;

    /// Where the memory lives.
    fn device(&self) -> &Device;

    /// Stores more patterns `[m, d]` after those that are there.
    ///
    /// # Errors
    /// [`crate::Error::DimensionMismatch`], [`crate::Error::NonFinite`]; nothing is stored then.
    fn append(&mut self, patterns: &dyn ToRows) -> Result<()>;

    /// Completes cues `[b, d]` with options.
    ///
    /// # Errors
    /// [`crate::Error::EmptyMemory`], [`crate::Error::DimensionMismatch`], [`crate::Error::NonFinite`],
    /// [`crate::Error::InvalidParameter`], and faults of the device.
    fn recall_with(&self, queries: &dyn ToRows, options: &RecallOptions<'_>) -> Result<Recall>;

    /// Completes cues `[b, d]` with default options.
    ///
    /// # Errors
    /// As [`Memory::recall_with`].
    fn recall(&self, queries: &dyn ToRows) -> Result<Recall> {
        self.recall_with(queries, &RecallOptions::default())
    }

    /// Energies `[b]` of states `[b, d]`.
    ///
    /// # Errors
    /// As [`Memory::recall_with`].
    fn energy(&self, states: &dyn ToRows) -> Result<Vec<f32>>;
}
