//! The dense memory with log-sum-exp energy.

mod builder;
mod centre;
mod far;
mod forgotten;
mod intake;
mod marginal;
mod neighbours;

pub use builder::Builder;
pub(crate) use intake::check_patterns;

use super::{
    Beta, BetaChoice, Memory, QueryReport, Recall, RecallOptions, check_columns,
    known::{self, KnownCache},
    sample::hashes,
};
use crate::{
    Device, Error, Precision, Result, Rows, SharedRows, ToRows,
    contract::{Form, Landscape, Outcome, Plan, Terms},
    ops::{
        Resolution, Similarity, SimilarityForm, Term, check_beta, check_reach, check_small, descent::descend,
    },
    tensor::Shards,
};
pub(super) use centre::{far_centre, is_exact, shifted, unshifted};
use forgotten::Forgotten;
use intake::{Intake, Measured, rounded_to_f16};
pub(super) use intake::{check_values, measure};
use neighbours::Neighbours;
pub(crate) use neighbours::{KeptNeighbours, NEAREST};
use parking_lot::Mutex;
use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// A dense associative memory (modern Hopfield network): patterns `xi_k`, energy by log-sum-exp,
/// update `x <- sum_k p_k xi_k` with `p = softmax(beta * similarity(x, xi))`.
///
/// | similarity | energy of a state `x` |
/// | --- | --- |
/// | [`L2`](Similarity::L2) (default) | `-(1/beta) log sum_k exp(-beta/2 \|x - xi_k\|^2)` |
/// | [`Dot`](Similarity::Dot) | `-(1/beta) log sum_k exp(beta x.xi_k) + \|x\|^2/2 + log(n)/beta + M^2/2` (Ramsauer et al. 2021, eq. 2; `M` the largest length) |
/// | [`Cosine`](Similarity::Cosine) | `-(1/beta) log sum_k \|xi_k\| exp(beta cos(x, xi_k))` |
/// | [`L1`](Similarity::L1) | `-(1/beta) log sum_k exp(-beta \|x - xi_k\|_1)` |
///
/// For the first three, no update raises the energy: for L2 and dot by the concave-convex procedure,
/// for cosine because the update's direction is the gradient of the norm-weighted sum, as long as no
/// coordinate is clamped (that takes the state off this direction). For L1 the energy usually falls,
/// but need not: its own descent step would be a weighted median, not a mean.
/// Where all patterns have one length, L2 and dot give the same weights at the same `beta`.
///
/// ```
/// use attractor::prelude::*;
/// # let patterns = [[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0]];
/// # let cues = [[0.1, -0.1, 0.8, 0.9]];
/// let memory = DenseMemory::new(&patterns)?;
/// let recalled = memory.recall(&cues)?;
/// # assert_eq!(recalled.indices[0], 0);
/// # assert!((recalled.states[(0, 3)] - 1.0).abs() < 0.02);
/// # Ok::<(), attractor::Error>(())
/// ```
pub struct DenseMemory {
    patterns: Shards,
    values: Option<Shards>,
    similarity: Similarity,
    /// How similarities are worked out, where that is not decided anew for each recall.
    similarity_form: Option<SimilarityForm>,
    beta: Beta,
    /// What was taken off all patterns, without any rounding: the L2 and L1 similarities do not change by a shift, but
    /// rounding errors grow with the distance from the origin. `None` where that is harmless.
    centre: Option<Vec<f32>>,
    /// Whether the patterns lie far from the origin all the same.
    far: bool,
    /// Squared length of each stored row.
    squared: Vec<f32>,
    /// Largest of them.
    widest: f32,
    /// Largest coordinate of each stored row, and of all of them that are not forgotten.
    magnitudes: Vec<f32>,
    largest: f32,
    forgotten: Forgotten,
    /// Of each stored row: by them a sample is drawn.
    hashes: Vec<u32>,
    /// Made at first use, then kept up to date.
    terms: Mutex<Option<Arc<Terms>>>,
    neighbours: Mutex<Neighbours>,
    /// Dropped when patterns come or go.
    choice: Mutex<Option<BetaChoice>>,
    /// The same among the patterns of the mask that was last asked for.
    choice_among: Mutex<Option<(Vec<bool>, BetaChoice)>>,
    /// The memory of known coordinates that was last asked for.
    known: KnownCache,
}

impl DenseMemory {
    /// A memory of patterns `[n, d]` on [`Device::best`], with the L2 similarity and an automatic
    /// `beta`.
    ///
    /// # Errors
    /// [`Error::EmptyMemory`] without patterns, [`Error::DimensionMismatch`] for ragged rows,
    /// [`Error::NonFinite`] for NaN and infinities, and faults of the device.
    pub fn new<P: ToRows + ?Sized>(patterns: &P) -> Result<Self> {
        Self::builder().build(patterns)
    }

    /// Settings other than the defaults.
    ///
    /// ```
    /// use attractor::prelude::*;
    /// let memory = DenseMemory::builder()
    ///     .device(&Device::cpu())
    ///     .similarity(Similarity::Dot)
    ///     .beta(8.0)
    ///     .build(&[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])?;
    /// assert_eq!(memory.beta()?, 8.0);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// How queries and patterns are compared.
    pub fn similarity(&self) -> Similarity {
        self.similarity
    }

    /// The inverse temperature that a recall uses: as given, or chosen now.
    ///
    /// # Errors
    /// [`Error::EmptyMemory`] where it is to be chosen from no patterns; faults of the device.
    pub fn beta(&self) -> Result<f32> {
        match self.beta {
            Beta::Fixed(beta) => Ok(beta),
            Beta::Auto | Beta::AutoExact => Ok(self.beta_choice()?.beta),
        }
    }

    /// The automatic choice of `beta` for the stored patterns, whether or not it is used.
    ///
    /// # Errors
    /// [`Error::EmptyMemory`]; faults of the device.
    ///
    /// ```
    /// use attractor::prelude::*;
    /// let memory = DenseMemory::new(&[[0.0, 0.0], [3.0, 4.0]])?;
    /// // Half the squared distance is 12.5: exp(-12.5 beta) = 0.01/0.99.
    /// assert!((memory.beta_choice()?.beta - 99f32.ln() / 12.5).abs() < 2e-3);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn beta_choice(&self) -> Result<BetaChoice> {
        // Not held while choosing: that runs on all cores, and a core that waits may take up another
        // recall of this memory.
        let kept = *self.choice.lock();
        if let Some(choice) = kept {
            return Ok(choice);
        }
        let choice = self.choose_beta()?;
        *self.choice.lock() = Some(choice);
        Ok(choice)
    }

    /// The automatic choice of `beta` for a recall in which only the patterns of this mask may answer. That of the last mask is kept.
    ///
    /// # Errors
    /// [`Error::NoEligiblePattern`], [`Error::DimensionMismatch`] for a mask of another length; faults of the device.
    ///
    /// ```
    /// use attractor::prelude::*;
    /// let memory = DenseMemory::new(&[[0.0, 0.0], [3.0, 4.0], [0.1, 0.0]])?;
    /// let choice = memory.beta_choice_among(&[true, true, false])?;
    /// assert!((choice.beta - 99f32.ln() / 12.5).abs() < 2e-3);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn beta_choice_among(&self, mask: &[bool]) -> Result<BetaChoice> {
        self.limits().check(&Rows::empty(self.dim()), Some(mask))?;
        let kept = self.choice_among.lock().as_ref().filter(|(of, _)| of == mask).map(|(_, choice)| *choice);
        if let Some(choice) = kept {
            return Ok(choice);
        }
        let choice = self.choose_beta_among(mask)?;
        *self.choice_among.lock() = Some((mask.to_vec(), choice));
        Ok(choice)
    }

    /// One update of states `[b, d]`, and their energies before it `[b]`, in one pass over the patterns: for
    /// programs that bring a loop of their own. [`Memory::recall`] is this until nothing moves, without
    /// a way back to the host in between, and then a look at where the states are.
    ///
    /// # Errors
    /// As [`Memory::energy`].
    ///
    /// ```
    /// use attractor::prelude::*;
    /// let memory = DenseMemory::builder().beta(8.0).build(&[[0.0, 1.0], [1.0, 0.0]])?;
    /// let (states, energy) = memory.step(&[[0.9, 0.2]])?;
    /// assert!(states[(0, 0)] > 0.99 && energy.len() == 1);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn step(&self, states: &dyn ToRows) -> Result<(Rows<'static>, Vec<f32>)> {
        let rows = states.to_rows()?;
        let outcome = self.run(&rows, None, None, &Plan::step())?.0;
        let energy = outcome.trace.into_iter().flatten().collect();
        Ok((Rows::new(outcome.states, self.dim())?, energy))
    }

    /// Stores patterns, `shared` being the same rows without a need to copy them.
    fn add(&mut self, rows: &Rows<'_>, shared: Option<SharedRows>) -> Result<()> {
        let intake = self.prepare(rows)?;
        self.take(intake, shared)
    }

    /// Makes rows ready to be stored: all checks, and all work that goes to several threads.
    pub(crate) fn prepare<'r>(&self, rows: &'r Rows<'r>) -> Result<Intake<'r>> {
        if rows.rows() == 0 {
            return Ok(Intake::default());
        }
        check_columns(rows, self.dim())?;
        let mut measured = measure(rows, "patterns", self.similarity)?;
        // In f16 the stored values are those given, rounded, whatever their offset.
        let half = self.patterns.precision() == Precision::F16;
        let movable = matches!(self.similarity, Similarity::L2 | Similarity::L1) && !half;
        let mut far = self.far;
        let centre = match self.is_empty() && movable {
            true => {
                let (centre, still) = far_centre(rows, &measured.squared);
                far = still;
                centre
            }
            // Rows from which it cannot be taken without rounding: none is taken from any row any more.
            false => self.centre.clone().filter(|centre| is_exact(rows, centre)),
        };
        // Rows as they will be kept; what is measured is that of the kept values.
        let mut kept = inward(rows, centre.as_deref())?;
        if let Cow::Owned(moved) = &kept {
            measured = measure(moved, "patterns", self.similarity)?;
        }
        if half {
            let rounded = rounded_to_f16(&kept, measured.largest)?;
            measured = measure(&rounded, "patterns", self.similarity)?;
            kept = Cow::Owned(rounded);
        }
        // Where the centre goes, the sample is still without it.
        let moved = self.centre.is_some() && centre.is_none();
        let nearest = if moved { Vec::new() } else { self.nearest_of(&kept)? };
        // Of the rows with their offset, which may come back.
        let hashes = hashes(if half { &kept } else { rows });
        Ok(Intake { rows: Some(kept), measured, hashes, centre, far, nearest })
    }

    /// Stores what has been prepared since this memory was last changed, `shared` being the same rows without a
    /// need to copy them. Costs in proportion to the rows, and waits for no thread.
    ///
    /// # Errors
    /// Faults of the device; nothing is stored then.
    pub(crate) fn take(&mut self, intake: Intake<'_>, shared: Option<SharedRows>) -> Result<()> {
        let Intake { rows: Some(kept), measured, hashes, centre, far, nearest } = intake else {
            return Ok(());
        };
        if self.centre.is_some() && centre.is_none() {
            self.uncenter()?;
        }
        self.patterns.append(&kept, shared.filter(|_| matches!(kept, Cow::Borrowed(_))))?;
        self.far |= far;
        self.centre = centre;
        self.hashes.extend(hashes);
        self.widest = measured.squared.iter().copied().fold(self.widest, f32::max);
        self.largest = self.largest.max(measured.largest);
        let similarity = self.similarity;
        let new: Vec<Term> = measured.squared.iter().map(|s| Term::new(similarity, *s)).collect();
        self.squared.extend(measured.squared);
        self.magnitudes.extend(measured.magnitudes);
        let terms = self.terms.get_mut();
        let extended = |terms: &mut Terms| terms.extend(&new, &self.patterns).is_ok();
        // No recall holds them while this memory is changed.
        if !terms.as_mut().and_then(Arc::get_mut).is_some_and(extended) {
            *terms = None;
        }
        self.neighbours.get_mut().merge(nearest);
        self.drop_choices();
        Ok(())
    }

    /// Stores more patterns `[m, d]` together with their values `[m, v]`.
    ///
    /// # Errors
    /// As [`Memory::associate`] and [`Memory::append`].
    ///
    /// ```
    /// use attractor::prelude::*;
    /// let mut memory = DenseMemory::new(&[[0.0, 1.0]])?;
    /// memory.associate(&[[10.0]])?;
    /// memory.append_pairs(&[[1.0, 0.0]], &[[20.0]])?;
    /// assert_eq!(memory.len(), 2);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn append_pairs(&mut self, patterns: &dyn ToRows, values: &dyn ToRows) -> Result<()> {
        let (rows, of_values) = (patterns.to_rows()?, values.to_rows()?);
        check_values(&of_values, rows.rows())?;
        let columns = self.values.as_ref().map_or(of_values.columns(), Shards::columns);
        if columns != of_values.columns() {
            return Err(Error::dimension(
                "columns of values (as those stored have)",
                of_values.columns(),
                columns,
            ));
        }
        if self.values.is_none() && !self.is_empty() {
            let want = "0: give all of them values first, with `associate`";
            return Err(Error::parameter("number of patterns without values", self.len(), want));
        }
        let mut shards = match self.values.take() {
            Some(shards) => shards,
            None => Shards::new(self.device(), columns, Precision::F32)?,
        };
        let before = shards.rows();
        let stored = match self.device() {
            Device::Cpu => {
                self.add(&rows, None).and_then(|()| shards.append_beside(&of_values, &self.patterns))
            }
            // Values first: they can be taken back.
            Device::Gpu(_) => shards
                .append(&of_values, None)
                .and_then(|()| self.add(&rows, None).inspect_err(|_| shards.truncate_gpu(before))),
        };
        self.values = Some(shards).filter(|s| s.rows() > 0);
        stored
    }

    /// Forgets what was chosen for the patterns as they were.
    fn drop_choices(&mut self) {
        *self.choice.get_mut() = None;
        *self.choice_among.get_mut() = None;
        self.known.clear();
    }

    /// Hashes of the stored rows, by which samples are drawn.
    pub(super) fn hashes(&self) -> &[u32] {
        &self.hashes
    }

    /// Stored rows by their numbers, as they were given.
    pub(super) fn rows_of(&self, numbers: &[u32]) -> Result<HashMap<u32, Vec<f32>>> {
        let wanted: BTreeSet<u32> = numbers.iter().copied().filter(|k| (*k as usize) < self.len()).collect();
        let wanted: Vec<u32> = wanted.into_iter().collect();
        let kept = Rows::new(self.patterns.gather(&wanted)?, self.dim())?;
        let rows = match &self.centre {
            Some(centre) => unshifted(&kept, centre)?,
            None => kept,
        };
        Ok(wanted.into_iter().zip(rows.iter().map(<[f32]>::to_vec)).collect())
    }

    /// Terms of all patterns, those that are forgotten or outside of the mask hidden.
    fn terms(&self, mask: Option<&[bool]>) -> Result<Arc<Terms>> {
        let of = |i: usize| {
            let term = Term::new(self.similarity, self.squared[i]);
            if self.forgotten.has(i) { Term::HIDDEN } else { term }
        };
        if let Some(mask) = mask {
            let terms = (0..self.len()).map(|i| if mask[i] { of(i) } else { Term::HIDDEN }).collect();
            return Ok(Arc::new(Terms::upload(terms, &self.patterns)?));
        }
        let mut kept = self.terms.lock();
        if let Some(terms) = &*kept {
            return Ok(Arc::clone(terms));
        }
        let terms = Arc::new(Terms::upload((0..self.len()).map(of).collect(), &self.patterns)?);
        *kept = Some(Arc::clone(&terms));
        Ok(terms)
    }

    /// The energy's form and the checks that need `beta`.
    fn form(&self, beta: f32, mask: Option<&[bool]>, queries: &Measured) -> Result<Form> {
        let (count, widest) = self.eligible(mask);
        if count == 0 {
            return Err(Error::NoEligiblePattern { patterns: self.live() });
        }
        let longest = f64::from(queries.squared.iter().copied().fold(widest, f32::max));
        let (similarity, d) = (self.similarity, self.dim());
        check_reach(beta, similarity.reach(longest, d))?;
        check_small(beta.into(), similarity, d)?;
        let resolution = match self.similarity_form {
            Some(form) => Resolution::of(form, similarity, beta, longest, d),
            None => Resolution::choose(similarity, beta, longest, d, self.far),
        };
        Ok(Form { resolution, ..Form::new(similarity, beta, count, widest) })
    }

    /// What queries and options are held against.
    pub(super) fn limits(&self) -> Limits {
        let Self { similarity, largest, .. } = *self;
        Limits { patterns: self.len(), live: self.live(), dim: self.dim(), similarity, largest }
    }

    /// Eligible patterns, and the largest squared length among them.
    pub(super) fn eligible(&self, mask: Option<&[bool]>) -> (usize, f32) {
        let Some(mask) = mask else { return (self.live(), self.widest) };
        let answers = |i: &usize| mask.get(*i) == Some(&true) && !self.forgotten.has(*i);
        let eligible = || (0..self.len()).filter(answers).map(|i| self.squared[i]);
        (eligible().count(), eligible().fold(0.0, f32::max))
    }

    /// What these patterns have to say in a larger memory: the plan's outcome, with carries and scores that
    /// can be compared with those of other patterns.
    pub(super) fn partial(
        &self,
        queries: &Rows<'_>,
        beta: f32,
        mask: Option<&[bool]>,
        plan: &Plan<'_>,
    ) -> Result<Outcome> {
        let mut outcome = self.run(queries, Some(beta), mask, plan)?.0;
        let top_k = outcome.indices.len() / queries.rows().max(1);
        let inward = inward(queries, self.centre.as_deref())?;
        for (i, x) in inward.iter().enumerate() {
            // What is the same for all patterns here is not so elsewhere: their centres and forms differ.
            let squared: f64 = x.iter().map(|v| f64::from(*v).powi(2)).sum();
            let resolution = Resolution { form: outcome.form, ..Resolution::PRODUCT };
            let form = Form { resolution, ..Form::plain(self.similarity, beta) };
            let shift = f64::from(beta) * form.common(squared);
            outcome.carries[i].m += shift;
            for score in &mut outcome.scores[i * top_k..(i + 1) * top_k] {
                *score += shift;
            }
        }
        Ok(outcome)
    }

    /// Checks queries, and runs a plan on them.
    fn run(
        &self,
        queries: &Rows<'_>,
        beta: Option<f32>,
        mask: Option<&[bool]>,
        plan: &Plan<'_>,
    ) -> Result<(Outcome, f32)> {
        if self.live() == 0 {
            return Err(Error::EmptyMemory);
        }
        self.limits().check(queries, mask)?;
        let beta = match (beta, mask) {
            (Some(beta), _) => beta,
            (None, Some(mask)) if self.beta.is_auto() => self.beta_choice_among(mask)?.beta,
            (None, _) => self.beta()?,
        };
        check_beta(beta)?;
        if queries.rows() == 0 {
            return Ok((Outcome::default(), beta));
        }
        let mut measured = measure(queries, "queries", self.similarity)?;
        let inward = inward(queries, self.centre.as_deref())?;
        if let Cow::Owned(moved) = &inward {
            measured = measure(moved, "queries", self.similarity)?;
        }
        let form = self.form(beta, mask, &measured)?;
        let terms = self.terms(mask)?;
        let landscape = Landscape { patterns: &self.patterns, terms: &*terms, form };
        let mut outcome = descend(&landscape, &inward, plan)?;
        self.mend_far(&mut outcome, form, &inward, mask, plan)?;
        if let Some(centre) = &self.centre {
            plan.outward(&mut outcome.states, queries, centre);
        }
        Ok((outcome, beta))
    }
}

/// What queries and the options of a recall are held against.
pub(super) struct Limits {
    pub(super) patterns: usize,
    /// How many of them are not forgotten.
    pub(super) live: usize,
    pub(super) dim: usize,
    pub(super) similarity: Similarity,
    /// Largest stored coordinate.
    pub(super) largest: f32,
}

impl Limits {
    /// Checks the shapes of queries and of a mask.
    pub(super) fn check(&self, queries: &Rows<'_>, mask: Option<&[bool]>) -> Result<()> {
        if queries.rows() > 0 && queries.columns() != self.dim {
            let what = "columns of queries (as patterns have)";
            return Err(Error::dimension(what, queries.columns(), self.dim));
        }
        if let Some(mask) = mask.filter(|m| m.len() != self.patterns) {
            let what = "entries of the pattern mask (one per pattern)";
            return Err(Error::dimension(what, mask.len(), self.patterns));
        }
        Ok(())
    }

    /// How many patterns a recall reports per query, [`NO_PATTERN`](crate::memory::NO_PATTERN) included.
    pub(super) fn listed(&self, options: &RecallOptions<'_>) -> Result<usize> {
        // Room is made for them, however few are stored.
        const MOST: usize = 1 << 16;
        let listed = options.top_k.unwrap_or(5.min(self.live));
        let most = MOST.max(self.live);
        if listed > most {
            let want = format!("at most {most} ({} patterns are stored)", self.live);
            return Err(Error::parameter("top_k", listed, want));
        }
        Ok(listed)
    }

    /// The plan for a recall of `b` queries, which looks for no more patterns than may answer.
    pub(super) fn plan<'a>(&self, options: &RecallOptions<'a>, b: usize) -> Result<Plan<'a>> {
        if options.known.is_some() {
            let want = "left out: this kind of memory cannot compare some coordinates alone";
            return Err(Error::parameter("known coordinates", "given", want));
        }
        let d = self.dim;
        // Of what is kept: a common offset does not count. Never 0, which would mean exactly so many steps.
        let tolerance = options.tolerance.unwrap_or((1e-6 * self.largest).max(f32::MIN_POSITIVE));
        if !(tolerance >= 0.0 && tolerance.is_finite()) {
            return Err(Error::parameter("tolerance", tolerance, "0 or a positive, finite number"));
        }
        let most = if self.similarity == Similarity::L2 { 2.0 } else { 1.0 };
        if !(options.step_size > 0.0 && options.step_size <= most) {
            let want = format!("above 0 and at most {most} for {}", self.similarity);
            return Err(Error::parameter("step size", options.step_size, want));
        }
        let eligible = options.mask.map_or(self.live, |mask| mask.iter().filter(|m| **m).count());
        let top_k = self.listed(options)?.min(eligible);
        if let Some(clamp) = options.clamp.filter(|c| c.len() != d && c.len() != b * d) {
            let what = format!("entries of the clamp ({d}, or {d} for each of {b} queries)");
            return Err(Error::dimension(what, clamp.len(), d));
        }
        Ok(Plan {
            steps: options.steps,
            tolerance,
            step_size: options.step_size,
            clamp: options.clamp,
            trace: options.trace,
            top_k,
            evaluate: true,
            values: None,
            progress: options.progress,
        })
    }
}

/// The rows as a memory with this centre holds them.
fn inward<'r>(rows: &'r Rows<'r>, centre: Option<&[f32]>) -> Result<Cow<'r, Rows<'r>>> {
    match centre {
        Some(centre) => Ok(Cow::Owned(shifted(rows, centre)?)),
        None => Ok(Cow::Borrowed(rows)),
    }
}

impl Memory for DenseMemory {
    fn len(&self) -> usize {
        self.patterns.rows()
    }

    fn dim(&self) -> usize {
        self.patterns.columns()
    }

    fn device(&self) -> &Device {
        self.patterns.device()
    }

    fn append(&mut self, patterns: &dyn ToRows) -> Result<()> {
        let rows = patterns.to_rows()?;
        if self.values.is_some() && rows.rows() > 0 {
            let want = "0 for a memory with values: use `append_pairs`";
            return Err(Error::parameter("number of patterns without values", rows.rows(), want));
        }
        self.add(&rows, None)
    }

    fn associate(&mut self, values: &dyn ToRows) -> Result<()> {
        let rows = values.to_rows()?;
        check_values(&rows, self.len())?;
        let mut shards = Shards::new(self.device(), rows.columns(), Precision::F32)?;
        shards.append_beside(&rows, &self.patterns)?;
        self.values = Some(shards);
        self.known.clear();
        Ok(())
    }

    fn automatic_beta(&self) -> Result<Option<BetaChoice>> {
        if self.beta.is_auto() { self.beta_choice().map(Some) } else { Ok(None) }
    }

    fn automatic_beta_among(&self, mask: &[bool]) -> Result<Option<BetaChoice>> {
        if self.beta.is_auto() { self.beta_choice_among(mask).map(Some) } else { Ok(None) }
    }

    fn describe_queries(
        &self,
        queries: &dyn ToRows,
        options: &RecallOptions<'_>,
    ) -> Result<Option<QueryReport>> {
        match options.known {
            None => self.describe(queries, options).map(Some),
            Some(known) => known::describe(self, &queries.to_rows()?, known, options),
        }
    }

    fn similarity_to(&self, states: &Rows<'_>, indices: &[u32]) -> Result<Option<Vec<f32>>> {
        self.similarities(states, indices).map(Some)
    }

    fn recall_with(&self, queries: &dyn ToRows, options: &RecallOptions<'_>) -> Result<Recall> {
        let rows = queries.to_rows()?;
        if let Some(known) = options.known {
            return known::recall(self, &rows, known, options);
        }
        let limits = self.limits();
        let plan = Plan { values: self.values.as_ref(), ..limits.plan(options, rows.rows())? };
        // A mask may name forgotten patterns.
        let plan = Plan { top_k: plan.top_k.min(self.eligible(options.mask).0), ..plan };
        let (outcome, beta) = self.run(&rows, options.beta, options.mask, &plan)?;
        Recall::of(outcome, &plan, self.dim(), beta)?.listing(limits.listed(options)?)
    }
}

impl std::fmt::Debug for DenseMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DenseMemory")
            .field("patterns", &self.len())
            .field("dim", &self.dim())
            .field("similarity", &self.similarity)
            .field("beta", &self.beta)
            .field("device", self.device())
            .finish_non_exhaustive()
    }
}
