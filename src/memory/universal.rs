//! The single-shot memory with any similarity and separation.

use super::{
    Memory, Recall, RecallOptions, Status,
    dense::{Limits, check_values, far_centre, measure, shifted},
    mixture::{among_all, batch, effective, eligible, pick},
};
use crate::{
    Device, Error, Result, Rows, Tensor, ToRows,
    contract::clamp_row,
    ops::{
        Layout, Similarity, UniversalSeparation, UniversalSimilarity, check_beta, matmul, report,
        separate_rows, top_k, universal_similarity,
    },
};
use std::{borrow::Cow, fmt};

/// The universal Hopfield network (B. Millidge et al., ICML 2022): one shot `x <- Xi^T sep(sim(Xi, x))` with any
/// similarity and separation, and associated values `V^T sep(sim(Xi, x))`.
///
/// There is no energy: [`Memory::energy`] and traces are an error, and [`Recall::energy`] is empty. A recall makes one
/// update (none where [`RecallOptions::steps`] is 0). Weights of other separations than softmax and max do not sum to 1,
/// and neither do the mixtures. Scores of a batch of queries and all patterns are held at once, a few million values
/// at a time; patterns are also kept on the host.
///
/// ```
/// use attractor::{memory::{Memory, UniversalMemory}, ops::UniversalSimilarity};
/// let memory = UniversalMemory::builder()
///     .similarity(UniversalSimilarity::JensenShannon)
///     .build(&[[0.0, 1.0, 3.0], [2.0, 2.0, 0.0]])?;
/// let recalled = memory.recall(&[[0.1, 0.3, 0.9]])?;
/// assert_eq!(recalled.states.row(0), [0.0, 1.0, 3.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub struct UniversalMemory {
    device: Device,
    similarity: UniversalSimilarity,
    separation: UniversalSeparation,
    beta: f32,
    stored: Stored,
}

/// Settings of a [`UniversalMemory`] before it takes patterns.
#[derive(Clone, Debug)]
pub struct UniversalBuilder {
    device: Option<Device>,
    similarity: UniversalSimilarity,
    separation: UniversalSeparation,
    beta: f32,
}

/// Patterns, and what belongs to them.
struct Stored {
    /// `[n, d]`.
    patterns: Rows<'static>,
    /// `[n, v]`.
    values: Option<Rows<'static>>,
    /// The same on the device.
    on_device: OnDevice,
}

struct OnDevice {
    /// What is taken off patterns and queries before their distances, where the data lie far from the origin.
    centre: Option<Vec<f32>>,
    /// Patterns as they are compared: without the centre, or divided by their sums where the similarity is one of distributions.
    keys: Tensor,
    patterns: Tensor,
    values: Option<Tensor>,
}

impl UniversalBuilder {
    /// Where the memory lives; [`Device::best`] where this is not called.
    #[must_use]
    pub fn device(mut self, device: &Device) -> Self {
        self.device = Some(device.clone());
        self
    }

    /// How queries and patterns are compared; L1 where this is not called.
    #[must_use]
    pub fn similarity(mut self, similarity: UniversalSimilarity) -> Self {
        self.similarity = similarity;
        self
    }

    /// How similarities become weights; the most similar pattern takes all where this is not called.
    #[must_use]
    pub fn separation(mut self, separation: UniversalSeparation) -> Self {
        self.separation = separation;
        self
    }

    /// The inverse temperature of the softmax; 1 where this is not called.
    #[must_use]
    pub fn beta(mut self, beta: f32) -> Self {
        self.beta = beta;
        self
    }

    /// The memory, with these patterns `[n, d]`.
    ///
    /// # Errors
    /// As [`UniversalMemory::new`].
    pub fn build<P: ToRows + ?Sized>(&self, patterns: &P) -> Result<UniversalMemory> {
        check_beta(self.beta)?;
        if self.separation == UniversalSeparation::Power(0) {
            return Err(Error::parameter("power", 0, "at least 1"));
        }
        let rows = patterns.to_rows()?;
        if rows.columns() == 0 {
            return Err(Error::EmptyMemory);
        }
        let device = match &self.device {
            Some(device) => device.clone(),
            None => Device::best()?,
        };
        let stored = Stored::new(rows.into_owned(), None, self.similarity, &device)?;
        Ok(UniversalMemory {
            device,
            similarity: self.similarity,
            separation: self.separation,
            beta: self.beta,
            stored,
        })
    }
}

/// Rows as they are compared, if they can be.
fn comparable<'r>(
    rows: &'r Rows<'r>,
    what: &'static str,
    similarity: UniversalSimilarity,
) -> Result<Cow<'r, Rows<'r>>> {
    if rows.rows() == 0 {
        return Ok(Cow::Borrowed(rows));
    }
    if !similarity.of_distributions() {
        let needs = match similarity {
            UniversalSimilarity::Cosine => Similarity::Cosine,
            _ => Similarity::Dot,
        };
        measure(rows, what, needs)?;
        return Ok(Cow::Borrowed(rows));
    }
    rows.check_finite(what)?;
    let mut divided = Vec::with_capacity(rows.as_slice().len());
    for (i, row) in rows.iter().enumerate() {
        let wrong =
            |problem| Error::NotADistribution { what, row: i, problem, similarity: similarity.to_string() };
        if let Some(column) = row.iter().position(|v| *v < 0.0) {
            return Err(wrong(format!("has the value {} in column {column}", row[column])));
        }
        let sum: f64 = row.iter().map(|v| f64::from(*v)).sum();
        if sum == 0.0 {
            return Err(wrong("is all 0".to_owned()));
        }
        divided.extend(row.iter().map(|v| (f64::from(*v) / sum) as f32));
    }
    Rows::new(divided, rows.columns()).map(Cow::Owned)
}

fn upload(rows: &Rows<'_>, device: &Device) -> Result<Tensor> {
    Tensor::from_flat(device, rows.as_slice(), &[rows.rows(), rows.columns()])
}

impl Stored {
    fn new(
        patterns: Rows<'static>,
        values: Option<Rows<'static>>,
        similarity: UniversalSimilarity,
        device: &Device,
    ) -> Result<Self> {
        let compared = comparable(&patterns, "patterns", similarity)?;
        // Distances do not notice a shift, but rounding errors grow with the distance from the origin.
        let centre = match similarity {
            UniversalSimilarity::L2 | UniversalSimilarity::L1 => {
                let squared = measure(&patterns, "patterns", Similarity::L2)?.squared;
                if patterns.rows() == 0 { None } else { far_centre(&patterns, &squared).0 }
            }
            _ => None,
        };
        let keys = match &centre {
            Some(centre) => upload(&shifted(&compared, centre)?, device)?,
            None => upload(&compared, device)?,
        };
        let as_they_are = !similarity.of_distributions() && centre.is_none();
        let on_device = OnDevice {
            centre,
            patterns: if as_they_are { keys.clone() } else { upload(&patterns, device)? },
            keys,
            values: values.as_ref().map(|v| upload(v, device)).transpose()?,
        };
        Ok(Self { patterns, values, on_device })
    }
}

/// What one batch of queries gives.
struct Shot {
    states: Vec<f32>,
    values: Vec<f32>,
    indices: Vec<u32>,
    weights: Vec<f32>,
    effective: Vec<f32>,
}

impl UniversalMemory {
    /// A memory of patterns `[n, d]` on [`Device::best`] with the L1 similarity, of which the most similar answers.
    ///
    /// # Errors
    /// [`Error::EmptyMemory`] without patterns, [`Error::DimensionMismatch`] for ragged rows,
    /// [`Error::NonFinite`] for NaN and infinities, [`Error::NotADistribution`], [`Error::ZeroNorm`] for rows that the
    /// similarity cannot compare, [`Error::InvalidParameter`] for settings out of range, and faults of the device.
    pub fn new<P: ToRows + ?Sized>(patterns: &P) -> Result<Self> {
        Self::builder().build(patterns)
    }

    /// Settings other than the defaults.
    pub fn builder() -> UniversalBuilder {
        UniversalBuilder {
            device: None,
            similarity: UniversalSimilarity::default(),
            separation: UniversalSeparation::default(),
            beta: 1.0,
        }
    }

    /// How queries and patterns are compared.
    pub fn similarity(&self) -> UniversalSimilarity {
        self.similarity
    }

    /// How similarities become weights.
    pub fn separation(&self) -> UniversalSeparation {
        self.separation
    }

    /// Stores more patterns `[m, d]` together with their values `[m, v]`; those stored have values too.
    ///
    /// # Errors
    /// As [`Memory::associate`] and [`Memory::append`].
    ///
    /// ```
    /// use attractor::memory::{Memory, UniversalMemory};
    /// let mut memory = UniversalMemory::new(&[[0.0, 1.0]])?;
    /// memory.associate(&[[10.0]])?;
    /// memory.append_pairs(&[[1.0, 0.0]], &[[20.0]])?;
    /// assert_eq!(memory.len(), 2);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn append_pairs(&mut self, patterns: &dyn ToRows, values: &dyn ToRows) -> Result<()> {
        let (rows, of_values) = (patterns.to_rows()?, values.to_rows()?);
        check_values(&of_values, rows.rows())?;
        self.extend(&rows, Some(&of_values))
    }

    fn extend(&mut self, rows: &Rows<'_>, values: Option<&Rows<'_>>) -> Result<()> {
        let joined = |old: &Rows<'_>, new: &Rows<'_>, what: &str| {
            if new.columns() != old.columns() {
                return Err(Error::dimension(what, new.columns(), old.columns()));
            }
            Rows::new([old.as_slice(), new.as_slice()].concat(), old.columns())
        };
        let values = match (&self.stored.values, values) {
            (Some(old), Some(new)) => Some(joined(old, new, "columns of values (as those stored have)")?),
            (None, None) => None,
            (None, Some(new)) if self.is_empty() => Some(new.clone().into_owned()),
            (None, Some(_)) => {
                let want = "0: give all of them values first, with `associate`";
                return Err(Error::parameter("number of patterns without values", self.len(), want));
            }
            (Some(_), None) => {
                let want = "0 for a memory with values: use `append_pairs`";
                return Err(Error::parameter("number of patterns without values", rows.rows(), want));
            }
        };
        let patterns = joined(&self.stored.patterns, rows, "columns of patterns (as those stored have)")?;
        self.stored = Stored::new(patterns, values, self.similarity, &self.device)?;
        Ok(())
    }

    /// Weighs the patterns for queries, as they are compared, of which the first has the number `first`.
    fn shoot(&self, stored: &Stored, queries: &Rows<'_>, first: usize, beta: f32, k: usize) -> Result<Shot> {
        let here = &stored.on_device;
        let queries = match &here.centre {
            Some(centre) => Cow::Owned(shifted(queries, centre)?),
            None => Cow::Borrowed(queries),
        };
        let scores = universal_similarity(&upload(&queries, &self.device)?, &here.keys, self.similarity)?;
        if self.separation == UniversalSeparation::Max {
            // The best pattern as it is stored, without a product.
            let (_, indices) = top_k(&scores, k.max(1))?;
            let row_of = |rows: &Rows<'_>| -> Vec<f32> {
                indices.iter().step_by(k.max(1)).flat_map(|best| rows.row(*best as usize)).copied().collect()
            };
            let (states, values) =
                (row_of(&stored.patterns), stored.values.as_ref().map_or(Vec::new(), row_of));
            let indices = if k == 0 { Vec::new() } else { indices };
            let weights = (0..indices.len()).map(|at| if at % k.max(1) == 0 { 1.0 } else { 0.0 }).collect();
            return Ok(Shot { states, values, indices, weights, effective: vec![1.0; queries.rows()] });
        }
        let p = separate_rows(&scores, self.separation, beta, first)?;
        let (weights, indices) = top_k(&p, k)?;
        let values = match &here.values {
            Some(values) => matmul(&p, values, Layout::NN)?.to_vec()?,
            None => Vec::new(),
        };
        let states = matmul(&p, &here.patterns, Layout::NN)?.to_vec()?;
        Ok(Shot { states, values, indices, weights, effective: effective(&p)? })
    }
}

impl Memory for UniversalMemory {
    fn len(&self) -> usize {
        self.stored.patterns.rows()
    }

    fn dim(&self) -> usize {
        self.stored.patterns.columns()
    }

    fn device(&self) -> &Device {
        &self.device
    }

    /// Stores more patterns; all of them go to the device anew.
    fn append(&mut self, patterns: &dyn ToRows) -> Result<()> {
        let rows = patterns.to_rows()?;
        if rows.rows() == 0 { Ok(()) } else { self.extend(&rows, None) }
    }

    fn associate(&mut self, values: &dyn ToRows) -> Result<()> {
        let rows = values.to_rows()?;
        check_values(&rows, self.len())?;
        self.stored.on_device.values = Some(upload(&rows, &self.device)?);
        self.stored.values = Some(rows.into_owned());
        Ok(())
    }

    fn recall_with(&self, queries: &dyn ToRows, options: &RecallOptions<'_>) -> Result<Recall> {
        let rows = queries.to_rows()?;
        let (b, d) = (rows.rows(), self.dim());
        if self.is_empty() {
            return Err(Error::EmptyMemory);
        }
        if options.trace {
            return Err(Error::NoEnergy { memory: "the universal memory" });
        }
        if options.step_size != 1.0 {
            return Err(Error::parameter("step size", options.step_size, "1 for a single shot"));
        }
        let beta = options.beta.unwrap_or(self.beta);
        check_beta(beta)?;
        let largest = self.stored.patterns.as_slice().iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        let limits =
            Limits { patterns: self.len(), live: self.len(), dim: d, similarity: Similarity::Dot, largest };
        limits.check(&rows, options.mask)?;
        let plan = limits.plan(options, b)?;
        let listed = limits.listed(options)?;
        let kept = options.mask.map(eligible).transpose()?;
        let part = match &kept {
            Some(kept) => {
                let values = self.stored.values.as_ref().map(|v| pick(v, kept)).transpose()?;
                let patterns = pick(&self.stored.patterns, kept)?;
                Some(Stored::new(patterns, values, self.similarity, &self.device)?)
            }
            None => None,
        };
        let stored = part.as_ref().unwrap_or(&self.stored);
        let n = stored.patterns.rows();
        let mut all = Shot {
            states: Vec::with_capacity(b * d),
            values: Vec::new(),
            indices: Vec::new(),
            weights: Vec::new(),
            effective: Vec::with_capacity(b),
        };
        let queries = comparable(&rows, "queries", self.similarity)?;
        for first in (0..b).step_by(batch(n, d)) {
            let end = b.min(first + batch(n, d));
            let shot = self.shoot(stored, &queries.slice(first..end), first, beta, plan.top_k)?;
            all.states.extend(shot.states);
            all.values.extend(shot.values);
            all.indices.extend(shot.indices);
            all.weights.extend(shot.weights);
            all.effective.extend(shot.effective);
            report(plan.progress, end as u64, b as u64)?;
        }
        if let Some(kept) = &kept {
            all.indices = among_all(all.indices, kept);
        }
        let mut status = Vec::with_capacity(b);
        for (i, (state, query)) in all.states.chunks_exact_mut(d).zip(rows.iter()).enumerate() {
            let clamp = plan.clamp.map(|c| clamp_row(c, i, d));
            let mut change = 0.0_f32;
            for (j, (x, q)) in state.iter_mut().zip(query).enumerate() {
                if plan.steps == 0 || clamp.is_some_and(|c| c[j]) {
                    *x = *q;
                }
                change = change.max((*x - q).abs());
            }
            let settled = plan.steps > 0 && change <= plan.tolerance;
            status.push(if settled { Status::Converged } else { Status::MaxSteps });
        }
        let states = Rows::new(all.states, d)?;
        states.check_finite("recalled states (weights times patterns, beyond f32: scale the data down)")?;
        let recall = Recall {
            states,
            energy: Vec::new(),
            trace: None,
            steps: vec![plan.steps.min(1); b],
            status,
            indices: all.indices,
            weights: all.weights,
            top_k: plan.top_k,
            effective: all.effective,
            support: None,
            values: match &self.stored.values {
                Some(values) => Some(Rows::new(all.values, values.columns())?),
                None => None,
            },
            beta,
            similarity_form: None,
            more: Vec::new(),
        };
        recall.listing(listed)
    }

    fn energy(&self, _states: &dyn ToRows) -> Result<Vec<f32>> {
        Err(Error::NoEnergy { memory: "the universal memory" })
    }
}

impl fmt::Debug for UniversalMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UniversalMemory")
            .field("patterns", &self.len())
            .field("dim", &self.dim())
            .field("similarity", &self.similarity)
            .field("separation", &self.separation)
            .field("beta", &self.beta)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}
