//! Memories that compare features: kernelized Hopfield models, U-Hop and U-Hop+.

mod beta;
mod certificate;
mod file;
mod map;
mod objective;
mod spectrum;
mod train;

pub use certificate::{Certificate, gaps};
pub use map::{FeatureTransform, Hidden, LinearMap, MlpMap, RandomMap};
pub use train::{SeparationReport, SeparationSettings, SeparationWarning, Stage, separate_memories};

use self::{
    beta::Standing,
    certificate::{Grounds, ROUNDING},
};
use super::{
    BetaChoice, Memory, Recall, RecallOptions, Status, check_columns,
    dense::{Limits, check_values, measure},
    known::{self, KnownCache, Marginal, Stored},
    mixture::{behind, best},
    relax::{Ask, Landscape, Look, relax},
};
use crate::{
    Device, Error, Result, Rows, Tensor, ToRows,
    ops::{
        Axis, Binary, Layout, MASKED, Reduction, Separation, Similarity, Unary, binary, check_beta, matmul,
        reduce, separate, unary, unit_rows, weighted_sum,
    },
};
use parking_lot::Mutex;
use std::path::Path;

/// `beta m^2` beyond which scores in f32 are known to less than a thousandth.
const SHARPEST: f64 = 1e4;

/// A memory whose similarity is `K(xi, x) = Phi(xi) . Phi(x)` with a feature map `Phi`, learned or given (J. Hu et al., `NeurIPS` 2024,
/// arXiv 2410.23126; D. Wu et al., ICML 2024, arXiv 2404.03827).
///
/// Update `x <- sum_k p_k xi_k` with `p = separation(beta K(x))`; energy `E(x) = |Phi(x)|^2 / 2 - (1/beta) Omega*(beta K(x))`, which no update
/// raises. Among features it is an ordinary Hopfield network of the patterns' features, and the patterns are its values.
/// [`separate_memories`] moves features apart, which makes mixed recalls rarer at a given `beta`. It also amplifies noise along the
/// directions that it stretches: where queries are noisy and patterns have about one length, the plain cosine is the rule to beat.
///
/// ```
/// use attractor::{memory::{KernelizedMemory, KernelizedSettings, LinearMap, SeparationSettings, separate_memories}, prelude::*};
/// let patterns = [[1.0, 0.4, 0.0], [0.4, 1.0, 0.0], [0.6, 0.6, 0.8]];
/// let mut map = LinearMap::random(3, 3, false, 1)?;
/// separate_memories(&patterns, &mut map, &SeparationSettings::default(), None)?;
/// let settings = KernelizedSettings { unit: true, ..KernelizedSettings::default() };
/// let memory = KernelizedMemory::new(&patterns, map, settings)?;
/// let recalled = memory.recall(&[[1.0, 0.5, 0.1]])?;
/// assert_eq!(recalled.indices[0], 0);
/// assert!((recalled.states[(0, 0)] - 1.0).abs() < 1e-3);
/// # Ok::<(), attractor::Error>(())
/// ```
pub struct KernelizedMemory {
    settings: KernelizedSettings,
    map: Box<dyn FeatureTransform>,
    /// `W` `[D, d]` and `b` `[D]` on the device, of a linear map.
    linear: Option<(Tensor, Option<Tensor>)>,
    /// `[M, d]`
    patterns: Tensor,
    /// Patterns as the dynamics mix them, where that is not as they are.
    scaled: Option<Tensor>,
    /// Features of patterns as they are compared, `[M, D]`.
    keys: Tensor,
    values: Option<Tensor>,
    /// Largest coordinates of what states mix: of patterns, or of keys.
    largest: [f32; 2],
    /// Largest squared length of a key.
    widest: f64,
    /// Largest length of a row that states mix.
    longest: f64,
    /// Error of the features of a state that recall works out in f32.
    blur: f64,
    /// How `beta` was chosen, where it was.
    choice: Option<BetaChoice>,
    /// The memory of known coordinates that was last asked for.
    known: KnownCache,
}

/// Where states move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StateSpace {
    /// Among patterns for linear maps, among features for others and for unit features: what a map shrinks most is told apart best there.
    #[default]
    Auto,
    /// Among patterns `[b, d]`; for linear maps alone, with unit features only for those without a bias.
    Patterns,
    /// Among features `[b, D]`, with a reading of the patterns at each update.
    Features,
}

/// Settings of a [`KernelizedMemory`].
#[derive(Clone, Debug)]
pub struct KernelizedSettings {
    /// Where the memory lives; [`Device::best`] where `None`.
    pub device: Option<Device>,
    /// [`Separation::Softmax`], or [`Separation::Entmax`] from 1 to 2 (1.5-entmax; 2 is sparsemax).
    pub separation: Separation,
    /// Inverse temperature of the products of features, whose mean squared length is 1 after training.
    pub beta: f32,
    /// Whether each pattern counts as if its features had length 1: `K(xi, xi) = 1` for all, which is what [`separate_memories`] trains for.
    /// Recalls still give mixtures of the patterns as they are. Queries, and states whose energy is asked for, count likewise: they start
    /// from features of length 1 (those without features from none), and then move freely.
    pub unit: bool,
    /// Where states move; both ways give the same.
    pub space: StateSpace,
}

impl Default for KernelizedSettings {
    fn default() -> Self {
        Self {
            device: None,
            separation: Separation::Softmax,
            beta: 16.0,
            unit: false,
            space: StateSpace::Auto,
        }
    }
}

impl KernelizedMemory {
    /// A memory of patterns `[M, d]` that are compared through a map.
    ///
    /// # Errors
    /// [`Error::EmptyMemory`] without patterns, [`Error::DimensionMismatch`] where the map takes other rows, [`Error::NonFinite`],
    /// [`Error::ZeroNorm`] for a pattern without features in unit mode, [`Error::InvalidParameter`] for settings outside their range, and
    /// faults of the device.
    ///
    /// ```
    /// use attractor::{Rows, memory::{KernelizedMemory, KernelizedSettings, LinearMap}, prelude::*};
    /// let map = LinearMap::given(&Rows::new(vec![2.0, 0.0, 0.0, 1.0], 2)?, None)?;
    /// let settings = KernelizedSettings { beta: 1.0, ..KernelizedSettings::default() };
    /// let memory = KernelizedMemory::new(&[[1.0, 0.0], [0.0, 1.0]], map, settings)?;
    /// assert!((memory.energy(&[[0.6, 0.5]])?[0] + 1.694_386_8).abs() < 1e-5);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn new<P: ToRows + ?Sized>(
        patterns: &P,
        map: impl FeatureTransform + 'static,
        settings: KernelizedSettings,
    ) -> Result<Self> {
        Self::boxed(patterns, Box::new(map), settings)
    }

    /// The same with a map that is known at run time.
    ///
    /// # Errors
    /// As [`KernelizedMemory::new`].
    pub fn boxed<P: ToRows + ?Sized>(
        patterns: &P,
        map: Box<dyn FeatureTransform>,
        settings: KernelizedSettings,
    ) -> Result<Self> {
        let rows = patterns.to_rows()?;
        if rows.rows() == 0 {
            return Err(Error::EmptyMemory);
        }
        if rows.columns() != map.dim() {
            return Err(Error::dimension(
                "columns of patterns (as the map takes)",
                rows.columns(),
                map.dim(),
            ));
        }
        check_beta(settings.beta)?;
        match settings.separation {
            Separation::Softmax => {}
            Separation::Entmax(alpha) if (1.0..=2.0).contains(&alpha) => {}
            other => {
                let want = "softmax, or entmax with an alpha from 1 to 2 (sparsemax)";
                return Err(Error::parameter("separation of a kernelized memory", other, want));
            }
        }
        // A pattern that is divided by the length of its features has unit features only without a bias.
        let biased = map.as_linear().is_none_or(|l| !l.bias().is_empty());
        if settings.space == StateSpace::Patterns && (map.as_linear().is_none() || settings.unit && biased) {
            let want = "features, for a map that is not linear or has a bias and unit features";
            return Err(Error::parameter("space of states", "patterns", want));
        }
        let device = match &settings.device {
            Some(device) => device.clone(),
            None => Device::best()?,
        };
        let narrow = |values: &[f64]| values.iter().map(|v| *v as f32).collect::<Vec<_>>();
        let linear = match map.as_linear() {
            None => None,
            Some(l) => {
                let shape = [l.features(), l.dim()];
                let weights = Tensor::from_flat(&device, &narrow(l.weights()), &shape)?;
                let bias = match l.bias() {
                    [] => None,
                    bias => Some(Tensor::from_flat(&device, &narrow(bias), &[bias.len()])?),
                };
                Some((weights, bias))
            }
        };
        let none = |columns: usize| Tensor::from_flat(&device, &[], &[0, columns]);
        let mut memory = Self {
            patterns: none(map.dim())?,
            keys: none(map.features())?,
            settings: KernelizedSettings { device: Some(device.clone()), ..settings },
            map,
            linear,
            scaled: None,
            values: None,
            largest: [0.0; 2],
            widest: 0.0,
            longest: 0.0,
            blur: 0.0,
            choice: None,
            known: KnownCache::default(),
        };
        memory.add(&rows)?;
        Ok(memory)
    }

    /// The settings.
    pub fn settings(&self) -> &KernelizedSettings {
        &self.settings
    }

    /// The map.
    pub fn map(&self) -> &dyn FeatureTransform {
        &*self.map
    }

    /// Features of the stored patterns as they are compared, `[M * D]`.
    ///
    /// # Errors
    /// Faults of the device.
    pub fn features(&self) -> Result<Vec<f64>> {
        Ok(self.keys.to_vec()?.into_iter().map(f64::from).collect())
    }

    /// Which stored patterns are proved to be fixed points with a ball around them, at an inverse temperature: of the features as recall
    /// compares them, rounding included.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for fewer than two patterns or a `beta` that is not positive and finite; faults of the device.
    ///
    /// ```
    /// use attractor::{memory::{KernelizedMemory, KernelizedSettings, LinearMap}, prelude::*};
    /// let map = LinearMap::given(&Rows::new(vec![1.0, 0.0, 0.0, 1.0], 2)?, None)?;
    /// let memory = KernelizedMemory::new(&[[1.0, 0.0], [0.0, 1.0]], map, KernelizedSettings::default())?;
    /// let certificate = memory.certify(6.0)?;
    /// assert_eq!(certificate.stored, [true, true]);
    /// assert!((certificate.radius - 1.0 / 12.0).abs() < 1e-9);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn certify(&self, beta: f32) -> Result<Certificate> {
        check_beta(beta)?;
        Ok(self.grounds()?.at(f64::from(beta)))
    }

    /// From which to which `beta` every stored pattern is proved to be a fixed point (see [`KernelizedMemory::certify`]); `None` where there
    /// is no such `beta`.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for fewer than two patterns; faults of the device.
    pub fn certified_betas(&self) -> Result<Option<[f64; 2]>> {
        Ok(self.grounds()?.range())
    }

    fn grounds(&self) -> Result<Grounds> {
        let gaps = gaps(&self.features()?, self.map.features(), self.device())?;
        let (separation, longest) = (self.settings.separation, self.widest.sqrt());
        Ok(Grounds { separation, gaps, longest, error: self.score_error() })
    }

    /// How far a score of a state among the patterns may be off in f32: a sum of as many products as there are features, and those of a
    /// state that a matrix makes.
    fn score_error(&self) -> f64 {
        let sum = (self.map.features() + 6) as f64 * ROUNDING * self.widest;
        1.1 * (sum + self.widest.sqrt() * self.blur)
    }

    /// Sets `beta` as [`DenseMemory`](super::DenseMemory) chooses its own: the smallest at which 99 % of the stored patterns keep at least
    /// 0.99 of the weight (for sparse separations: are fixed points, with some room), rounding included. It is never so large that rounding
    /// decides; the share then says how many patterns are told apart.
    ///
    /// # Errors
    /// [`Error::EmptyMemory`]; faults of the device.
    ///
    /// ```
    /// use attractor::{memory::{KernelizedMemory, KernelizedSettings, LinearMap}, prelude::*};
    /// let map = LinearMap::given(&Rows::new(vec![1.0, 0.0, 0.0, 1.0], 2)?, None)?;
    /// let mut memory = KernelizedMemory::new(&[[1.0, 0.0], [0.0, 1.0]], map, KernelizedSettings::default())?;
    /// let choice = memory.choose_beta()?;
    /// assert!((choice.beta - 99f32.ln()).abs() < 0.02 && choice.separated == 1.0);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn choose_beta(&mut self) -> Result<BetaChoice> {
        if self.is_empty() {
            return Err(Error::EmptyMemory);
        }
        let standing = Standing::of(&self.keys, self.score_error())?;
        let choice = standing.choice(self.settings.separation, self.widest)?;
        self.settings.beta = choice.beta;
        self.known.clear();
        self.choice = Some(choice);
        Ok(choice)
    }

    /// Stored patterns, of all of up to a few thousand or an even sample, that are more similar to another than to themselves: no `beta`
    /// recalls them. With unit features there are none.
    ///
    /// # Errors
    /// [`Error::EmptyMemory`]; faults of the device.
    ///
    /// ```
    /// use attractor::{memory::{KernelizedMemory, KernelizedSettings, LinearMap}, prelude::*};
    /// let map = || -> attractor::Result<LinearMap> { LinearMap::given(&Rows::new(vec![1.0, 0.0, 0.0, 1.0], 2)?, None) };
    /// let patterns = [[1.0, 0.0], [2.0, 0.5]];
    /// let memory = KernelizedMemory::new(&patterns, map()?, KernelizedSettings::default())?;
    /// assert_eq!(memory.outdone()?, [0]);
    /// let unit = KernelizedSettings { unit: true, ..KernelizedSettings::default() };
    /// assert!(KernelizedMemory::new(&patterns, map()?, unit)?.outdone()?.is_empty());
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn outdone(&self) -> Result<Vec<usize>> {
        if self.is_empty() {
            return Err(Error::EmptyMemory);
        }
        Ok(Standing::of(&self.keys, self.score_error())?.outdone)
    }

    /// What makes recalls at this `beta` inexact: `beta` times the largest squared length of features, where f32 no longer resolves it.
    pub fn sharpness_beyond_f32(&self) -> Option<f64> {
        let sharpness = f64::from(self.settings.beta) * self.widest;
        (sharpness > SHARPEST).then_some(sharpness)
    }

    /// Features of patterns as they are compared, and what each pattern is divided by.
    fn features_of(&self, patterns: &[f32]) -> Result<(Vec<f64>, Vec<f64>)> {
        let wide: Vec<f64> = patterns.iter().map(|v| f64::from(*v)).collect();
        let features = self.map.apply(&wide);
        if self.settings.unit {
            return unit_rows(&features, self.map.features());
        }
        Ok((features, Vec::new()))
    }

    fn add(&mut self, rows: &Rows<'_>) -> Result<()> {
        check_columns(rows, self.dim())?;
        if rows.rows() == 0 {
            return Ok(());
        }
        measure(rows, "patterns", Similarity::Dot)?;
        let (features, lengths) = self.features_of(rows.as_slice())?;
        let keys = Rows::new(features.iter().map(|v| *v as f32).collect::<Vec<_>>(), self.map.features())?;
        let of_keys = measure(&keys, "features of patterns", Similarity::Dot)?;
        let d = self.dim();
        let divided =
            |(x, l): (&[f32], &f64)| -> Vec<f32> { x.iter().map(|v| (f64::from(*v) / l) as f32).collect() };
        let scaled: Vec<f32> = rows.iter().zip(&lengths).flat_map(divided).collect();
        let scaled = Rows::new(scaled, d)?;
        let before = self.len();
        if let Err(error) = self.keep(rows, &keys, &scaled) {
            self.keys.truncate(before)?;
            self.patterns.truncate(before)?;
            if let Some(scaled) = &mut self.scaled {
                scaled.truncate(before)?;
            }
            return Err(error);
        }
        self.known.clear();
        let mixed = if self.settings.unit { scaled.as_slice() } else { rows.as_slice() };
        let [of_mixed, of_features] = self.largest;
        let largest = mixed.iter().fold(of_mixed, |m, v| m.max(v.abs()));
        self.largest = [largest, of_features.max(of_keys.largest)];
        let squared = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
        self.widest = keys.iter().map(squared).fold(self.widest, f64::max);
        self.longest = mixed.chunks_exact(d).map(squared).map(f64::sqrt).fold(self.longest, f64::max);
        self.blur = if self.among_features() { 0.0 } else { self.blur_of(self.longest) };
        if self.choice.is_some() {
            self.choose_beta()?;
        }
        Ok(())
    }

    /// Puts rows behind those that are there: patterns, what they are compared by, and what is mixed where that is another thing.
    fn keep(&mut self, rows: &Rows<'_>, keys: &Rows<'_>, scaled: &Rows<'_>) -> Result<()> {
        self.keys.append(keys)?;
        if self.settings.unit && !self.among_features() {
            match &mut self.scaled {
                Some(all) => all.append(scaled)?,
                None => self.scaled = Some(Tensor::new(self.device(), scaled)?),
            }
        }
        self.patterns.append(rows)
    }

    /// How far the features of states no longer than this may be off in f32, of a linear map.
    fn blur_of(&self, longest: f64) -> f64 {
        let length = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
        let of = |map: &LinearMap| {
            let terms = (map.dim() + 2) as f64 * ROUNDING;
            terms * (length(map.weights()) * longest + length(map.bias()))
        };
        self.map.as_linear().map_or(0.0, of)
    }

    fn among_features(&self) -> bool {
        match self.settings.space {
            StateSpace::Auto => self.linear.is_none() || self.settings.unit,
            StateSpace::Patterns => false,
            StateSpace::Features => true,
        }
    }

    /// Where the states of queries start.
    fn starts<'r>(&self, rows: &'r Rows<'r>) -> Result<Rows<'r>> {
        let (among_features, columns) = (self.among_features(), self.map.features());
        if !among_features && !self.settings.unit {
            return Ok(rows.slice(0..rows.rows()));
        }
        let mut states: Vec<f64> = rows.as_slice().iter().map(|v| f64::from(*v)).collect();
        let features = self.map.apply(&states);
        if among_features {
            states.clone_from(&features);
        }
        if self.settings.unit {
            divided(&mut states, &features, columns);
        }
        let width = if among_features { columns } else { self.dim() };
        Rows::new(states.into_iter().map(|v| v as f32).collect::<Vec<_>>(), width)
    }

    fn recall_rows(&self, rows: &Rows<'_>, options: &RecallOptions<'_>) -> Result<Recall> {
        let among_features = self.among_features();
        let limits = |dim: usize, largest: f32| Limits {
            patterns: self.len(),
            live: self.len(),
            dim,
            similarity: Similarity::Dot,
            largest,
        };
        limits(self.dim(), 0.0).check(rows, options.mask)?;
        let limits = match among_features {
            true => limits(self.map.features(), self.largest[1]),
            false => limits(self.dim(), self.largest[0]),
        };
        if let Some(clamp) = options.clamp.filter(|_| among_features || self.settings.unit) {
            let given = format!("{} coordinates", clamp.iter().filter(|c| **c).count());
            let want = "none where states are features or scaled patterns, which do not keep the query's coordinates";
            return Err(Error::parameter("clamp", given, want));
        }
        let plan = limits.plan(options, rows.rows())?;
        let listed = limits.listed(options)?;
        let beta = options.beta.unwrap_or(self.settings.beta);
        check_beta(beta)?;
        measure(rows, "queries", Similarity::Dot)?;
        if rows.rows() == 0 {
            return Recall::none(self.dim(), &plan, beta).listing(listed);
        }
        let bias = match options.mask {
            None => None,
            Some(mask) if !mask.contains(&true) => {
                return Err(Error::NoEligiblePattern { patterns: self.len() });
            }
            Some(mask) => {
                let bias: Vec<f32> = mask.iter().map(|m| if *m { 0.0 } else { MASKED }).collect();
                Some(Tensor::from_flat(self.device(), &bias, &[self.len()])?)
            }
        };
        // What a user gets is another mixture than the state.
        let apart = among_features || self.settings.unit;
        let reading = Mutex::new(if apart { rows.as_slice().to_vec() } else { Vec::new() });
        let hidden = options.mask.map(|mask| behind(mask, self.device())).transpose()?;
        let step_size = plan.step_size;
        let view = View { memory: self, beta, bias, hidden, among_features, step_size, reading };
        let mut recall = relax(&view, &self.starts(rows)?, &limits, &plan, beta)?;
        if apart {
            let reading = view.reading.into_inner();
            recall.states = Rows::new(reading, self.dim())?;
        }
        recall.listing(listed)
    }
}

/// Rows divided by the lengths of features `[n * D]`; those without features stay.
fn divided(rows: &mut [f64], features: &[f64], columns: usize) {
    let width = rows.len() / (features.len() / columns).max(1);
    for (row, f) in rows.chunks_exact_mut(width.max(1)).zip(features.chunks_exact(columns)) {
        let length = f.iter().map(|v| v * v).sum::<f64>().sqrt();
        if length > f64::from(f32::MIN_POSITIVE) {
            row.iter_mut().for_each(|v| *v /= length);
        }
    }
}

/// The memory as the loop sees it.
struct View<'a> {
    memory: &'a KernelizedMemory,
    beta: f32,
    /// What is added to the scores of each pattern.
    bias: Option<Tensor>,
    /// What is added to weights to rank them.
    hidden: Option<Tensor>,
    among_features: bool,
    step_size: f32,
    /// What the user gets for each query, `[b * d]`; empty where that is the state.
    reading: Mutex<Vec<f32>>,
}

impl View<'_> {
    /// Features of states on the device.
    fn features(&self, x: Tensor) -> Result<Tensor> {
        match &self.memory.linear {
            Some((weights, bias)) if !self.among_features => {
                let y = matmul(&x, weights, Layout::NT)?;
                match bias {
                    Some(bias) => binary(Binary::Add, &y, bias),
                    None => Ok(y),
                }
            }
            _ => Ok(x),
        }
    }

    /// Mixes the patterns as they are into what the queries get, but for those that are halted.
    fn read(&self, weights: &Tensor, queries: &[usize], halted: &[Option<Status>]) -> Result<()> {
        let mut reading = self.reading.lock();
        if reading.is_empty() {
            return Ok(());
        }
        let d = self.memory.dim();
        let mixtures = weighted_sum(weights, &self.memory.patterns)?.to_vec()?;
        let moving =
            queries.iter().zip(mixtures.chunks_exact(d)).zip(halted).filter(|(_, why)| why.is_none());
        for ((query, mixture), _) in moving {
            let kept = reading[query * d..(query + 1) * d].iter_mut();
            kept.zip(mixture).for_each(|(x, y)| *x = self.step_size.mul_add(y - *x, *x));
        }
        Ok(())
    }
}

impl Landscape for View<'_> {
    fn look(&self, ask: &Ask<'_>) -> Result<Look> {
        let memory = self.memory;
        let columns = ask.states.len() / ask.queries.len();
        let shape = [ask.queries.len(), columns];
        let y = self.features(Tensor::from_flat(memory.device(), ask.states, &shape)?)?;
        let mut scores = matmul(&y, &memory.keys, Layout::NT)?;
        if let Some(bias) = &self.bias {
            scores = binary(Binary::Add, &scores, bias)?;
        }
        let separated = separate(&scores, self.beta, memory.settings.separation)?;
        let updates = match (ask.top_k, self.among_features) {
            // Who asks for patterns does not move the states.
            (Some(_), _) => Vec::new(),
            (None, true) => weighted_sum(&separated.weights, &memory.keys)?.to_vec()?,
            (None, false) => {
                let mixed = memory.scaled.as_ref().unwrap_or(&memory.patterns);
                weighted_sum(&separated.weights, mixed)?.to_vec()?
            }
        };
        let summary = separated.summary.to_vec()?;
        let squares = reduce(&unary(Unary::Square, &y)?, Reduction::Sum, Axis::Columns)?.to_vec()?;
        // Features that are all 0 are as similar to one pattern as to any other: the weights say nothing.
        let largest = reduce(&unary(Unary::Abs, &y)?, Reduction::Max, Axis::Columns)?.to_vec()?;
        let halted: Vec<Option<Status>> =
            largest.iter().map(|largest| (*largest == 0.0).then_some(Status::Inert)).collect();
        if ask.top_k.is_none() {
            self.read(&separated.weights, ask.queries, &halted)?;
        }
        let energy = |(square, s): (&f32, &[f32])| (0.5 * f64::from(*square) - f64::from(s[0])) as f32;
        Ok(Look {
            energy: squares.iter().zip(summary.chunks_exact(4)).map(energy).collect(),
            updates,
            halted,
            best: match ask.top_k {
                Some(k) => {
                    let (values, hidden) = (memory.values.as_ref(), self.hidden.as_ref());
                    let mut best = best(&separated.weights, &summary, values, hidden, k)?;
                    if matches!(memory.settings.separation, Separation::Softmax | Separation::Entmax(1.0)) {
                        best.support = None;
                    }
                    Some(best)
                }
                None => None,
            },
        })
    }
}

impl Memory for KernelizedMemory {
    fn len(&self) -> usize {
        self.patterns.shape()[0]
    }

    fn dim(&self) -> usize {
        self.map.dim()
    }

    fn device(&self) -> &Device {
        self.settings.device.as_ref().unwrap_or(&Device::Cpu)
    }

    /// Stores more patterns, compared through the same map, at a cost in proportion to them (and of a choice of `beta`, where that was chosen).
    fn append(&mut self, patterns: &dyn ToRows) -> Result<()> {
        let rows = patterns.to_rows()?;
        if self.values.is_some() && rows.rows() > 0 {
            let want = "0 for a memory with values";
            return Err(Error::parameter("number of patterns without values", rows.rows(), want));
        }
        self.add(&rows)
    }

    fn automatic_beta(&self) -> Result<Option<BetaChoice>> {
        Ok(self.choice)
    }

    fn associate(&mut self, values: &dyn ToRows) -> Result<()> {
        let rows = values.to_rows()?;
        check_values(&rows, self.len())?;
        self.values = Some(Tensor::new(self.device(), &rows)?);
        self.known.clear();
        Ok(())
    }

    fn save(&self, path: &Path) -> Result<()> {
        Self::save(self, path)
    }

    /// Energies are those of the states that move: with unit features or among features, not of the mixtures that are given out.
    fn recall_with(&self, queries: &dyn ToRows, options: &RecallOptions<'_>) -> Result<Recall> {
        let rows = queries.to_rows()?;
        match options.known {
            Some(known) => known::recall(self, &rows, known, options),
            None => self.recall_rows(&rows, options),
        }
    }
}

impl Marginal for KernelizedMemory {
    fn stored(&self) -> Result<Stored> {
        let values = self.values.as_ref().map(|v| Rows::new(v.to_vec()?, v.matrix_shape().1)).transpose()?;
        Ok(Stored { patterns: Rows::new(self.patterns.to_vec()?, self.dim())?, values })
    }

    /// Through the columns of the matrix that belong to them.
    fn of_columns(&self, patterns: &Rows<'_>, columns: &[usize]) -> Result<Box<dyn Marginal>> {
        let Some(map) = self.map.as_linear() else {
            let want = "left out: only a matrix has columns for some coordinates";
            return Err(Error::parameter("known coordinates", "given", want));
        };
        let row = |row: &[f64]| columns.iter().map(|j| row[*j]).collect::<Vec<f64>>();
        let weights: Vec<f64> = map.weights().chunks_exact(self.dim()).flat_map(row).collect();
        let bias = if map.bias().is_empty() { None } else { Some(map.bias().to_vec()) };
        let map = LinearMap::of_parameters(columns.len(), weights, bias)?;
        let mut memory = Self::new(patterns, map, self.settings.clone())?;
        if self.choice.is_some() {
            memory.choose_beta()?;
        }
        Ok(Box::new(memory))
    }

    fn cache(&self) -> &KnownCache {
        &self.known
    }
}
