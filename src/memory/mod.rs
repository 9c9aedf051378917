//! The memories: what stores patterns and completes cues.
//!
//! All memories share the trait [`Memory`]. A memory is written once, in operations of [`crate::ops`];
//! none knows on which device it runs.

mod beta;
mod binary;
mod dense;
mod describe;
mod energy;
mod explain;
mod features;
mod hopfield;
mod kernelized;
mod known;
mod labels;
mod lagrangian;
mod mixture;
mod recall;
pub mod registry;
mod relax;
mod sample;
mod search;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod small;
mod sparse;
mod spread;
mod universal;

pub use beta::{Beta, BetaChoice};
pub use binary::{BinaryMemory, BinarySettings, Order};
pub use dense::{Builder, DenseMemory};
pub(crate) use dense::{KeptNeighbours, NEAREST, check_patterns};
pub use describe::QueryReport;
pub use energy::{Energy, EnergySettings, Layers};
pub use explain::{Explanation, Suspect, Verdict, explain};
pub use features::{
    Advice, FeatureDescent, FeatureMemory, FeatureSettings, FeatureWarning, beta_for_isolation,
    descend_ladder,
};
pub use hopfield::{HopfieldMemory, HopfieldSettings, Learning};
pub use kernelized::{
    Certificate, FeatureTransform, Hidden, KernelizedMemory, KernelizedSettings, LinearMap, MlpMap,
    RandomMap, SeparationReport, SeparationSettings, SeparationWarning, Stage, StateSpace, gaps,
    separate_memories,
};
pub use labels::{LabelBeta, Labels};
pub use lagrangian::{LagrangianBuilder, LagrangianMemory, LagrangianModel};
pub use recall::{
    NO_PATTERN, NamedArray, NamedValues, Recall, RecallOptions, RecallSetting, SettingValue, Status,
};
pub use search::{Found, SearchOptions};
pub use sparse::{Post, Settings as SparseSettings, SparseMemory};
pub use spread::SpreadMemory;
pub use universal::{UniversalBuilder, UniversalMemory};

use crate::{Device, Result, Rows, ToRows};
use std::path::Path;

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

    /// Associates a value row with each stored pattern `[n, v]`: recalls then also give the weighted
    /// values (hetero-association).
    ///
    /// # Errors
    /// [`crate::Error::DimensionMismatch`] where their number is not that of the patterns,
    /// [`crate::Error::NonFinite`]; [`crate::Error::InvalidParameter`] where the memory cannot have values.
    ///
    /// ```
    /// use attractor::prelude::*;
    /// let mut memory = DenseMemory::new(&[[0.0, 1.0], [1.0, 0.0]])?;
    /// memory.associate(&[[10.0], [20.0]])?;
    /// let values = memory.recall(&[[0.9, 0.1]])?.values.ok_or(attractor::Error::EmptyMemory)?;
    /// assert!((values[(0, 0)] - 20.0).abs() < 0.2);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    fn associate(&mut self, values: &dyn ToRows) -> Result<()> {
        let want = "none: the states of this memory are no mixtures of patterns with weights";
        Err(crate::Error::parameter("associated values", format!("{} rows", values.to_rows()?.rows()), want))
    }

    /// How `beta` was chosen, where that was left to the memory; `None` where it was given or has no meaning.
    ///
    /// # Errors
    /// Faults of the device.
    fn automatic_beta(&self) -> Result<Option<BetaChoice>> {
        Ok(None)
    }

    /// The same for a recall in which only the patterns of this mask `[n]` may answer.
    ///
    /// # Errors
    /// As [`Memory::automatic_beta`]; [`crate::Error::DimensionMismatch`] for a mask of another length,
    /// [`crate::Error::NoEligiblePattern`] for one that leaves nothing.
    fn automatic_beta_among(&self, mask: &[bool]) -> Result<Option<BetaChoice>> {
        let _ = mask;
        self.automatic_beta()
    }

    /// Writes the memory to a `.safetensors` file, whole or not at all; [`registry::load`] reads it.
    ///
    /// # Errors
    /// [`crate::Error::InvalidParameter`] for a memory that has no file of its own, [`crate::Error::Format`] for another suffix,
    /// [`crate::Error::File`].
    fn save(&self, path: &Path) -> Result<()> {
        let want = "that of a memory with a file of its own; patterns are kept in a store";
        Err(crate::Error::parameter("file to save to", path.display().to_string(), want))
    }

    /// Completes cues `[b, d]` with options.
    ///
    /// # Errors
    /// [`crate::Error::EmptyMemory`], [`crate::Error::DimensionMismatch`], [`crate::Error::NonFinite`],
    /// [`crate::Error::InvalidParameter`], and faults of the device.
    fn recall_with(&self, queries: &dyn ToRows, options: &RecallOptions<'_>) -> Result<Recall>;

    /// Completes cues `[b, d]` with options, and with settings that only this kind of memory has
    /// ([`registry::Family::settings`]).
    ///
    /// # Errors
    /// As [`Memory::recall_with`]; [`crate::Error::InvalidParameter`] for a setting that this kind does not have.
    fn recall_with_settings(
        &self,
        queries: &dyn ToRows,
        options: &RecallOptions<'_>,
        settings: &[RecallSetting<'_>],
    ) -> Result<Recall> {
        match settings.first() {
            None => self.recall_with(queries, options),
            Some(setting) => {
                let want = "none: this kind of memory has no settings of its own";
                Err(crate::Error::parameter("setting of the recall", setting.name, want))
            }
        }
    }

    /// What is known of queries `[b, d]` themselves, before any update: the patterns that are most like them, and whether anything like them is
    /// stored. `None` for a memory that does not say. Costs an evaluation, and where it is not known yet that of a sample of the patterns.
    ///
    /// # Errors
    /// As [`Memory::recall_with`].
    ///
    /// ```
    /// use attractor::{memory::RecallOptions, prelude::*};
    /// let memory = DenseMemory::new(&[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])?;
    /// let report = memory.describe_queries(&[[0.1, 0.9], [9.0, 9.0]], &RecallOptions::default())?;
    /// let report = report.ok_or(attractor::Error::EmptyMemory)?;
    /// assert_eq!((report.indices[0], report.unlike()), (1, 1));
    /// assert_eq!(report.typicality, [1.0, 0.0]);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    fn describe_queries(
        &self,
        queries: &dyn ToRows,
        options: &RecallOptions<'_>,
    ) -> Result<Option<QueryReport>> {
        let _ = (queries, options);
        Ok(None)
    }

    /// Similarities `[b * k]` of states `[b, d]` with the patterns that a recall lists for them ([`Recall::indices`]); NaN for [`NO_PATTERN`].
    /// `None` for a memory that does not say.
    ///
    /// # Errors
    /// Faults of the device.
    fn similarity_to(&self, states: &Rows<'_>, indices: &[u32]) -> Result<Option<Vec<f32>>> {
        let _ = (states, indices);
        Ok(None)
    }

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
    /// As [`Memory::recall_with`]; [`crate::Error::NoEnergy`] for a memory that has none.
    fn energy(&self, states: &dyn ToRows) -> Result<Vec<f32>> {
        let look = RecallOptions { steps: 0, top_k: Some(0), ..RecallOptions::default() };
        let found = self.recall_with(states, &look)?;
        if found.energy.len() != found.len() {
            return Err(crate::Error::NoEnergy { memory: "this kind of memory" });
        }
        Ok(found.energy)
    }
}

/// Refuses patterns of another length than `dim`, unless there are none.
pub(crate) fn check_columns(patterns: &Rows<'_>, dim: usize) -> Result<()> {
    if patterns.rows() == 0 || patterns.columns() == dim {
        return Ok(());
    }
    Err(crate::Error::dimension("columns of patterns (as those stored have)", patterns.columns(), dim))
}
