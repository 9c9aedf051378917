//! What a recall is asked for, and what it gives.

use crate::{
    Error, Result, Rows,
    contract::{Outcome, Plan},
    io::ArrayData,
    ops::{Progress, SimilarityForm},
};
use std::fmt;

/// Stands in [`Recall::indices`] where there is no further pattern, with weight 0: fewer may answer than were asked for. No pattern has
/// this number.
///
/// ```
/// use attractor::{memory::NO_PATTERN, prelude::*};
/// let memory = DenseMemory::builder().beta(8.0).build(&[[0.0, 1.0], [1.0, 0.0]])?;
/// let options = RecallOptions { mask: Some(&[false, true]), top_k: Some(3), ..RecallOptions::default() };
/// let recall = memory.recall_with(&[[0.9, 0.2]], &options)?;
/// assert_eq!((recall.indices, recall.weights), (vec![1, NO_PATTERN, NO_PATTERN], vec![1.0, 0.0, 0.0]));
/// # Ok::<(), attractor::Error>(())
/// ```
pub const NO_PATTERN: u32 = u32::MAX;

/// How to recall.
///
/// ```
/// use attractor::prelude::*;
/// let one_step = RecallOptions { steps: 1, top_k: Some(3), ..RecallOptions::default() };
/// assert_eq!(one_step.step_size, 1.0);
/// ```
#[derive(Clone)]
pub struct RecallOptions<'a> {
    /// Inverse temperature of this recall. `None`: that of the memory. A softer one (a smaller `beta`)
    /// lets hidden coordinates mix many patterns before they decide.
    pub beta: Option<f32>,
    /// Most updates of a state.
    pub steps: u32,
    /// A state has converged when its full update would change no coordinate by more than this, whatever share of it
    /// `step_size` takes. 0 makes exactly `steps` updates. `None`: a millionth of the largest stored coordinate, a common
    /// offset of all patterns left out.
    pub tolerance: Option<f32>,
    /// Share of the way to its update that a state goes: 1 is the full update. Up to 1 the energy
    /// cannot rise (see [`DenseMemory`](super::DenseMemory) for the exceptions); for the L2 similarity
    /// up to 2.
    pub step_size: f32,
    /// Coordinates that are known and stay as they are in the query: `[d]` for all queries, or
    /// `[b * d]`.
    pub clamp: Option<&'a [bool]>,
    /// Coordinates that are known, `[d]` for all queries, or `[b * d]`: only they are compared, they stay as they are, and the others are read out in
    /// one update, whatever they were (they may be NaN). Without, all coordinates of a query are compared, also those that `clamp` does not
    /// keep. An automatic `beta` is that of the known coordinates. For memories of patterns with softmax, sparse separations and bits, and for
    /// kernelized ones with a matrix; others refuse it. The columns that the last masks compare are kept, a copy of them. By the cosine, a pattern of
    /// which only zeros are known is like nothing, and does not answer.
    ///
    /// ```
    /// use attractor::prelude::*;
    /// let memory = DenseMemory::new(&[[1.0, 0.0, 5.0], [0.0, 1.0, -5.0]])?;
    /// let options = RecallOptions { known: Some(&[true, true, false]), ..RecallOptions::default() };
    /// let recalled = memory.recall_with(&[[0.9, 0.2, f32::NAN]], &options)?;
    /// assert_eq!(recalled.states.row(0)[..2], [0.9, 0.2]);
    /// assert!((recalled.states[(0, 2)] - 5.0).abs() < 0.5);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub known: Option<&'a [bool]>,
    /// Patterns `[n]` that may answer; all where `None`.
    pub mask: Option<&'a [bool]>,
    /// Whether to report the energy at every step.
    pub trace: bool,
    /// How many of the best patterns to report. `None`: 5, or all where fewer are stored. Where fewer may answer than are asked for,
    /// [`NO_PATTERN`] fills the list.
    pub top_k: Option<usize>,
    /// Called with `(done, total)` from time to time, and asked whether to go on.
    pub progress: Option<Progress<'a>>,
}

impl Default for RecallOptions<'_> {
    fn default() -> Self {
        Self {
            beta: None,
            steps: 100,
            tolerance: None,
            step_size: 1.0,
            clamp: None,
            known: None,
            mask: None,
            trace: false,
            top_k: None,
            progress: None,
        }
    }
}

impl fmt::Debug for RecallOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecallOptions")
            .field("beta", &self.beta)
            .field("steps", &self.steps)
            .field("tolerance", &self.tolerance)
            .field("step_size", &self.step_size)
            .field("clamped", &self.clamp.map(|c| c.iter().filter(|v| **v).count()))
            .field("known", &self.known.map(|c| c.iter().filter(|v| **v).count()))
            .field("masked", &self.mask.map(|m| m.iter().filter(|v| !**v).count()))
            .field("trace", &self.trace)
            .field("top_k", &self.top_k)
            .finish_non_exhaustive()
    }
}

/// A setting of a recall that only one kind of memory has: see [`Memory::recall_with_settings`](super::Memory::recall_with_settings).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecallSetting<'a> {
    /// Its name, as [`KindSetting::name`](super::registry::KindSetting::name).
    pub name: &'a str,
    /// Its value.
    pub value: SettingValue<'a>,
}

/// The value of a [`RecallSetting`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SettingValue<'a> {
    /// A number or a name.
    Text(&'a str),
    /// Coordinates: `[d]` for all queries, or `[b * d]`.
    Mask(&'a [bool]),
}

/// How a query's recall ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The last full update would have changed no free coordinate by more than the tolerance: the state is a fixed point to within it.
    Converged,
    /// All allowed updates were made, and the state was not at rest.
    MaxSteps,
    /// Synchronous updates of bits have come back to the state of two steps ago, and will for ever.
    Cycle2,
    /// No pattern is in reach of the state, which stays as it is (Epanechnikov energy).
    OutOfSupport,
    /// An update left the finite numbers.
    NonFinite,
    /// Every further step, however small, would have raised the energy: the state is the last before that. With random
    /// features: the step was halved five times, and the energy still rose.
    EnergyRises,
    /// The estimated sum of kernels is at or below its clip: the state has no gradient, and stays (random features).
    Dead,
    /// The estimated sum of kernels is below three times its noise: where the state ended says little (random features).
    LowSignal,
    /// Nothing could move the state: all coordinates are known, the fields of all free bits are 0, or the map of a kernelized memory
    /// gives it no features. It stays, and that says nothing of the patterns.
    Inert,
}

impl Status {
    /// The code in files: 0 converged, 1 all steps made, 2 a cycle of two states, 3 out of support, 4 not finite, 5 the energy rises, 6 dead,
    /// 7 a low signal, 8 inert.
    pub fn code(self) -> u8 {
        match self {
            Self::Converged => 0,
            Self::MaxSteps => 1,
            Self::Cycle2 => 2,
            Self::OutOfSupport => 3,
            Self::NonFinite => 4,
            Self::EnergyRises => 5,
            Self::Dead => 6,
            Self::LowSignal => 7,
            Self::Inert => 8,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Converged => "converged",
            Self::MaxSteps => "max-steps",
            Self::Cycle2 => "cycle-2",
            Self::OutOfSupport => "out-of-support",
            Self::NonFinite => "non-finite",
            Self::EnergyRises => "energy-rises",
            Self::Dead => "dead",
            Self::LowSignal => "low-signal",
            Self::Inert => "inert",
        })
    }
}

/// What a recall of `b` queries gives. Weights, energies and values are those at the final states. [`Recall::new`] makes one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recall {
    /// Final states `[b, d]`.
    pub states: Rows<'static>,
    /// Energy of the final state, `[b]`; empty for a memory that has none.
    pub energy: Vec<f32>,
    /// Energies of the states `0..=steps` of each query, where asked for.
    pub trace: Option<Vec<Vec<f32>>>,
    /// Updates made, `[b]`.
    pub steps: Vec<u32>,
    /// How each recall ended, `[b]`.
    pub status: Vec<Status>,
    /// Best patterns of each query, best first: `[b * top_k]`. Where fewer may answer, [`NO_PATTERN`] fills the list.
    pub indices: Vec<u32>,
    /// Their weights in the mixture, `[b * top_k]`; 0 where there is no pattern.
    pub weights: Vec<f32>,
    /// How many patterns are reported per query, [`NO_PATTERN`] included.
    pub top_k: usize,
    /// `exp(H(p))`, how many patterns the final state effectively mixes, `[b]`; 2 and more mark a blend. Empty for a memory
    /// that keeps no patterns.
    pub effective: Vec<f32>,
    /// How many patterns have weight, `[b]`; `None` where all have (softmax).
    pub support: Option<Vec<u32>>,
    /// Associated values `[b, v]`, where the memory has them.
    pub values: Option<Rows<'static>>,
    /// The inverse temperature that was used. With known coordinates that differ from query to query: that of the first, or the one of all coordinates that
    /// it grows from.
    pub beta: f32,
    /// How similarities were worked out; `None` for a memory that has no choice.
    pub similarity_form: Option<SimilarityForm>,
    /// What this kind of memory says beyond that, by names of its own.
    pub more: Vec<NamedArray>,
}

/// Values that a kind of memory gives beside the states: one row per query.
///
/// ```
/// use attractor::memory::{NamedArray, NamedValues};
/// let errors = NamedArray { name: "errors", columns: None, values: NamedValues::U32(vec![2, 0]) };
/// assert_eq!(errors.shape(2), [2]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NamedArray {
    /// Its name in files.
    pub name: &'static str,
    /// How many values a row has: `[b, columns]`; `None`: `[b]`.
    pub columns: Option<usize>,
    /// Its values, row after row.
    pub values: NamedValues,
}

/// The values of a [`NamedArray`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is named for the type that it holds")]
pub enum NamedValues {
    Bool(Vec<bool>),
    U8(Vec<u8>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    F32(Vec<f32>),
}

impl NamedArray {
    /// Its shape for `b` queries.
    pub fn shape(&self, b: usize) -> Vec<usize> {
        [b].into_iter().chain(self.columns).collect()
    }

    /// Its values as files take them.
    pub fn data(&self) -> ArrayData<'_> {
        match &self.values {
            NamedValues::Bool(values) => ArrayData::Bool(values),
            NamedValues::U8(values) => ArrayData::U8(values),
            NamedValues::U32(values) => ArrayData::U32(values),
            NamedValues::I32(values) => ArrayData::I32(values),
            NamedValues::F32(values) => ArrayData::F32(values),
        }
    }
}

impl Recall {
    /// A recall that gave these states `[b, d]` after so many updates and ended so, `[b]` each: all else is absent, to be set by memories that
    /// have it. (`beta` is 1.)
    ///
    /// ```
    /// use attractor::{memory::{Recall, Status}, prelude::*};
    /// let mut recall = Recall::new(Rows::new(vec![1.0, 0.0], 2)?, vec![1], vec![Status::Converged]);
    /// recall.energy = vec![-0.5];
    /// assert_eq!((recall.len(), recall.top(0).len()), (1, 0));
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn new(states: Rows<'static>, steps: Vec<u32>, status: Vec<Status>) -> Self {
        Self {
            states,
            energy: Vec::new(),
            trace: None,
            steps,
            status,
            indices: Vec::new(),
            weights: Vec::new(),
            top_k: 0,
            effective: Vec::new(),
            support: None,
            values: None,
            beta: 1.0,
            similarity_form: None,
            more: Vec::new(),
        }
    }

    /// What the outcome of a plan says to its user; states have `d` columns.
    pub(super) fn of(outcome: Outcome, plan: &Plan<'_>, d: usize, beta: f32) -> Result<Self> {
        let status = |(i, settled): (usize, &bool)| match settled {
            _ if outcome.states[i * d..(i + 1) * d].iter().any(|v| !v.is_finite()) => Status::NonFinite,
            true if plan.is_fixed(i, d) => Status::Inert,
            true => Status::Converged,
            false => Status::MaxSteps,
        };
        Ok(Self {
            status: outcome.settled.iter().enumerate().map(status).collect(),
            similarity_form: Some(outcome.form),
            states: Rows::new(outcome.states, d)?,
            energy: outcome.energy,
            trace: plan.trace.then_some(outcome.trace),
            steps: outcome.steps,
            indices: outcome.indices,
            weights: outcome.weights,
            top_k: plan.top_k,
            effective: outcome.effective,
            support: None,
            values: match plan.values {
                Some(values) => Some(Rows::new(outcome.values, values.columns())?),
                None => None,
            },
            beta,
            more: Vec::new(),
        })
    }

    /// The recall of no queries, to be extended.
    pub(super) fn none(d: usize, plan: &Plan<'_>, beta: f32) -> Self {
        Self {
            trace: plan.trace.then(Vec::new),
            top_k: plan.top_k,
            beta,
            ..Self::new(Rows::empty(d), Vec::new(), Vec::new())
        }
    }

    /// Takes in the recall of further queries.
    pub(super) fn extend(&mut self, more: Self) -> Result<()> {
        let joined = |a: Rows<'static>, b: Rows<'static>| {
            let columns = b.columns();
            let mut values = a.into_vec();
            values.extend(b.into_vec());
            Rows::new(values, columns)
        };
        self.states = joined(std::mem::take(&mut self.states), more.states)?;
        self.energy.extend(more.energy);
        if let (Some(trace), Some(more)) = (&mut self.trace, more.trace) {
            trace.extend(more);
        }
        self.steps.extend(more.steps);
        self.status.extend(more.status);
        self.indices.extend(more.indices);
        self.weights.extend(more.weights);
        self.effective.extend(more.effective);
        // Where some needed differences, that is what has been done.
        self.similarity_form = self.similarity_form.max(more.similarity_form);
        if let Some(more) = more.support {
            self.support.get_or_insert_default().extend(more);
        }
        self.values = match (self.values.take(), more.values) {
            (Some(a), Some(b)) => Some(joined(a, b)?),
            (a, b) => a.or(b),
        };
        Ok(())
    }

    /// This recall with lists of `k` patterns, where they are no longer: [`NO_PATTERN`] fills them.
    pub(super) fn listing(self, k: usize) -> Result<Self> {
        let (found, b) = (self.top_k, self.len());
        // A memory that keeps no patterns has none to name.
        if k <= found || self.effective.len() != b {
            return Ok(self);
        }
        let (mut indices, mut weights) = (Vec::new(), Vec::new());
        let enough = b
            .checked_mul(k)
            .is_some_and(|n| indices.try_reserve_exact(n).is_ok() && weights.try_reserve_exact(n).is_ok());
        if !enough {
            let needed = (b as u64).saturating_mul(8 * k as u64);
            return Err(Error::OutOfMemory { what: format!("the {k} best patterns of {b} queries"), needed });
        }
        for i in 0..b {
            let of = i * found..(i + 1) * found;
            indices.extend_from_slice(&self.indices[of.clone()]);
            weights.extend_from_slice(&self.weights[of]);
            indices.resize((i + 1) * k, NO_PATTERN);
            weights.resize((i + 1) * k, 0.0);
        }
        Ok(Self { indices, weights, top_k: k, ..self })
    }

    /// How many queries were recalled.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there were no queries.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The best patterns of query `i` with their weights, best first: those that there are, without [`NO_PATTERN`].
    ///
    /// # Panics
    /// As slice indexing does, where there is no such query.
    pub fn top(&self, i: usize) -> impl ExactSizeIterator<Item = (u32, f32)> {
        let start = i * self.top_k;
        let list = &self.indices[start..start + self.top_k];
        let range = start..start + list.iter().position(|k| *k == NO_PATTERN).unwrap_or(self.top_k);
        self.indices[range.clone()].iter().copied().zip(self.weights[range].iter().copied())
    }
}
