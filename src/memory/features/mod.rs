//! A memory of fixed size through random features (`DrDAM`).

mod advice;
mod descent;
mod file;
mod noise;

pub use advice::{Advice, FeatureWarning, beta_for_isolation};
pub use descent::{FeatureDescent, descend_ladder};

use super::{Memory, Recall, RecallOptions};
use crate::{
    Device, Error, Result, Rows, Tensor, ToRows,
    ops::{FeatureSpec, FeatureVector, Features, FrequencySource, LARGEST, check_lengths},
};
use parking_lot::Mutex;
use std::{borrow::Cow, fmt, path::Path, sync::Arc};

/// Patterns or states that go to the device together.
const BATCH: usize = 1024;
/// How far rounding may move the phases of features, in radians.
const BLURRED: f64 = 0.01;
/// Patterns that a memory holds at most: as many as f64 can count.
const MOST_PATTERNS: u64 = 1 << 53;

/// How a [`FeatureMemory`] is kept, and what it does to its data.
#[derive(Clone, Debug)]
pub struct FeatureSettings {
    /// Where the memory lives; [`Device::best`] where `None`.
    pub device: Option<Device>,
    /// The memory works on `scale (x - shift)`: energies, gradients, steps and tolerances are in these units. Patterns whose
    /// distances are about 1 at most are what `beta` is usually chosen for.
    pub scale: f32,
    /// See `scale`; `[d]`, zeros where empty. With exponential features take the mean of the data: their noise grows with
    /// `exp(beta |x + y|^2)`.
    pub shift: Vec<f32>,
    /// Sums of kernels are clipped to at least this; 0.00001 where `None`, 0 for features that are never negative.
    pub epsilon: Option<f32>,
    /// Bytes that frequencies may take: where they do not fit, they are made anew at each step, `4 m d` bytes never exist.
    pub budget: u64,
}

impl Default for FeatureSettings {
    fn default() -> Self {
        Self { device: None, scale: 1.0, shift: Vec::new(), epsilon: None, budget: 64 << 20 }
    }
}

/// A dense associative memory in a vector `T` of fixed size: the sum of the random features of all patterns. Its energy
/// `-(1/beta) log max(phi(x).T, epsilon)` estimates that of the dense memory with the L2 similarity
/// ([`crate::ops::FeatureMap::DotExp`]: `-(1/beta) log sum_k exp(beta x.xi_k)`). Patterns are absorbed, forgotten and merged by adding; they are
/// not kept, so a recall has no indices, weights or effective number of patterns: [`Recall::indices`], [`Recall::weights`] and
/// [`Recall::effective`] are empty, and [`Recall::top_k`] is 0.
///
/// The price is noise: an isolated pattern among `K` stays where it is from about `1.36 K D` frequencies on, so that `T` is then
/// larger than the patterns themselves; see [`FeatureMemory::advise`]. (Source: B. Hoover et al., `NeurIPS` 2024, arXiv
/// 2410.24153.)
///
/// ```
/// use attractor::{memory::{FeatureMemory, Memory}, ops::{FeatureMap, FeatureSpec}};
/// let mut memory = FeatureMemory::new(FeatureSpec::new(FeatureMap::SinCos, 4000, 2, 30.0, 42))?;
/// memory.absorb(&[[0.6, 0.0], [0.0, 0.6]])?;
/// let recalled = memory.recall(&[[0.5, 0.1]])?;
/// assert!((recalled.states[(0, 0)] - 0.6).abs() < 0.03);
/// memory.forget(&[[0.6, 0.0]])?;
/// assert_eq!(memory.len(), 1);
/// # Ok::<(), attractor::Error>(())
/// ```
pub struct FeatureMemory {
    features: Features,
    settings: FeatureSettings,
    /// `T`, the master copy.
    t: Vec<f64>,
    /// Sum of the patterns as the memory sees them, `[d]`.
    sum: Vec<f64>,
    count: u64,
    /// Sum of the weights that patterns have in `T`: the count, where nothing has decayed.
    weight: f64,
    /// The largest squared length of a pattern that was absorbed, as the memory sees it; `None` where a file does not say.
    largest: Option<f64>,
    on_device: Mutex<Option<Arc<FeatureVector>>>,
}

impl FeatureMemory {
    /// An empty memory on [`Device::best`].
    ///
    /// # Errors
    /// As [`FeatureMemory::with`].
    pub fn new(spec: FeatureSpec) -> Result<Self> {
        Self::with(spec, FeatureSettings::default())
    }

    /// An empty memory with settings.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for settings out of range, [`Error::DimensionMismatch`] for a shift of another length,
    /// [`Error::NonFinite`], and faults of the device.
    ///
    /// ```
    /// use attractor::{Device, memory::{FeatureMemory, FeatureSettings, Memory}, ops::{FeatureMap, FeatureSpec}};
    /// let settings = FeatureSettings { device: Some(Device::cpu()), scale: 0.1, ..FeatureSettings::default() };
    /// let memory = FeatureMemory::with(FeatureSpec::new(FeatureMap::Cos, 100, 3, 10.0, 1), settings)?;
    /// assert!(memory.is_empty());
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn with(spec: FeatureSpec, mut settings: FeatureSettings) -> Result<Self> {
        spec.check()?;
        if !(settings.scale > 0.0 && settings.scale.is_finite()) {
            return Err(Error::parameter("scale", settings.scale, "a positive, finite number"));
        }
        let epsilon = settings.epsilon.unwrap_or(if spec.map.is_positive() { 0.0 } else { 1e-5 });
        if !(epsilon >= 0.0 && epsilon.is_finite()) {
            return Err(Error::parameter("epsilon", epsilon, "0 or a positive, finite number"));
        }
        settings.epsilon = Some(epsilon);
        if !settings.shift.is_empty() {
            if settings.shift.len() != spec.dim {
                return Err(Error::dimension("length of the shift", settings.shift.len(), spec.dim));
            }
            Rows::new(&settings.shift[..], spec.dim)?.check_finite("shift")?;
        }
        let device = match &settings.device {
            Some(device) => device.clone(),
            None => Device::best()?,
        };
        let features = Features::new(&spec, &device, settings.budget)?;
        let (t, sum) = (vec![0.0; spec.length()], vec![0.0; spec.dim]);
        let (count, weight, largest) = (0, 0.0, Some(0.0));
        Ok(Self { features, settings, t, sum, count, weight, largest, on_device: Mutex::new(None) })
    }

    /// The feature map and its frequencies.
    pub fn spec(&self) -> &FeatureSpec {
        self.features.spec()
    }

    /// The settings, with the clip that is used.
    pub fn settings(&self) -> &FeatureSettings {
        &self.settings
    }

    /// The memory `T`, `[m]` or `[2 m]`: cosines before sines.
    pub fn vector(&self) -> &[f64] {
        &self.t
    }

    /// The sum of the weights that patterns have: their number, where nothing has decayed.
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Adds patterns `[k, d]`; equal to [`Memory::append`].
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`], [`Error::NonFinite`], and faults of the device; nothing changes then.
    pub fn absorb<P: ToRows + ?Sized>(&mut self, patterns: &P) -> Result<()> {
        self.add(&patterns.to_rows()?, 1.0)
    }

    /// Takes patterns `[k, d]` off again. The memory cannot tell patterns that were never absorbed: these leave a hole.
    ///
    /// # Errors
    /// As [`FeatureMemory::absorb`]; [`Error::InvalidForget`] where there are more than the memory holds.
    pub fn forget<P: ToRows + ?Sized>(&mut self, patterns: &P) -> Result<()> {
        let rows = patterns.to_rows()?;
        if rows.rows() as u64 > self.count {
            return Err(Error::InvalidForget { rows: rows.rows(), count: self.count });
        }
        self.add(&rows, -1.0)
    }

    /// Multiplies the weight of all that is stored by `factor`, so that what comes later counts for more.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for a factor not above 0 or above 1.
    ///
    /// ```
    /// # use attractor::{memory::FeatureMemory, ops::{FeatureMap, FeatureSpec}};
    /// let mut memory = FeatureMemory::new(FeatureSpec::new(FeatureMap::SinCos, 10, 2, 1.0, 0))?;
    /// memory.absorb(&[[0.0, 1.0]])?;
    /// memory.decay(0.5)?;
    /// assert_eq!(memory.weight(), 0.5);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn decay(&mut self, factor: f64) -> Result<()> {
        if !(factor > 0.0 && factor <= 1.0) {
            return Err(Error::parameter("decay", factor, "above 0 and at most 1"));
        }
        self.t.iter_mut().chain(&mut self.sum).for_each(|v| *v *= factor);
        self.weight *= factor;
        self.changed();
        Ok(())
    }

    /// Takes in all that another memory holds.
    ///
    /// # Errors
    /// [`Error::IncompatibleMemory`] naming the first of map, features, dim, beta, seed, projection, frequencies, phases, scale, epsilon
    /// and shift that differs; [`Error::InvalidParameter`] for more than 2^53 patterns.
    ///
    /// ```
    /// # use attractor::{memory::{FeatureMemory, Memory}, ops::{FeatureMap, FeatureSpec}};
    /// let spec = FeatureSpec::new(FeatureMap::SinCos, 10, 2, 1.0, 7);
    /// let (mut a, mut b) = (FeatureMemory::new(spec.clone())?, FeatureMemory::new(spec)?);
    /// a.absorb(&[[0.0, 1.0]])?;
    /// b.absorb(&[[1.0, 0.0]])?;
    /// a.merge(&b)?;
    /// assert_eq!(a.len(), 2);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        let differ = |field, left: String, right: String| {
            if left == right { Ok(()) } else { Err(Error::IncompatibleMemory { field, left, right }) }
        };
        let (a, b) = (self.spec(), other.spec());
        differ("map", a.map.to_string(), b.map.to_string())?;
        differ("features", a.count.to_string(), b.count.to_string())?;
        differ("dim", a.dim.to_string(), b.dim.to_string())?;
        differ("beta", a.beta.to_string(), b.beta.to_string())?;
        let unlike = |field, same: bool| {
            if same { Ok(()) } else { differ(field, "one matrix".into(), "another".into()) }
        };
        match (&a.source, &b.source) {
            (
                FrequencySource::Seed { seed, projection },
                FrequencySource::Seed { seed: other, projection: others },
            ) => {
                differ("seed", seed.to_string(), other.to_string())?;
                differ("projection", projection.to_string(), others.to_string())?;
            }
            (
                FrequencySource::Given { frequencies, phases },
                FrequencySource::Given { frequencies: other, phases: others },
            ) => {
                unlike("frequencies", frequencies == other)?;
                unlike("phases", phases == others)?;
            }
            (FrequencySource::Seed { .. }, _) => differ("frequencies", "a seed".into(), "a matrix".into())?,
            _ => differ("frequencies", "a matrix".into(), "a seed".into())?,
        }
        differ("scale", self.settings.scale.to_string(), other.settings.scale.to_string())?;
        let clip = |m: &Self| m.settings.epsilon.unwrap_or(0.0).to_string();
        differ("epsilon", clip(self), clip(other))?;
        let shift = |m: &Self| -> String {
            let any = m.settings.shift.iter().any(|s| *s != 0.0);
            if any { format!("{:?}", m.settings.shift) } else { "none".into() }
        };
        differ("shift", shift(self), shift(other))?;
        let count = self.counted(other.count)?;
        self.t.iter_mut().zip(&other.t).for_each(|(a, b)| *a += b);
        self.sum.iter_mut().zip(&other.sum).for_each(|(a, b)| *a += b);
        self.count = count;
        self.weight += other.weight;
        self.largest = self.largest.zip(other.largest).map(|(a, b)| a.max(b));
        self.changed();
        Ok(())
    }

    /// The weighted mean of the patterns, `[d]`.
    ///
    /// # Errors
    /// [`Error::EmptyMemory`].
    pub fn mean(&self) -> Result<Vec<f32>> {
        if self.count == 0 {
            return Err(Error::EmptyMemory);
        }
        let mut mean: Vec<f32> = self.sum.iter().map(|s| (s / self.weight) as f32).collect();
        self.outward(&mut mean);
        Ok(mean)
    }

    /// Energies `[b]` and their gradients `[b, d]` at states `[b, d]`, by the coordinates that the memory works in (see
    /// [`FeatureSettings::scale`]); the gradient is 0 where the sum of kernels is clipped.
    ///
    /// # Errors
    /// [`Error::EmptyMemory`], [`Error::DimensionMismatch`], [`Error::NonFinite`], and faults of the device.
    pub fn energy_and_gradient<S: ToRows + ?Sized>(&self, states: &S) -> Result<(Vec<f32>, Rows<'static>)> {
        let rows = states.to_rows()?;
        self.check(&rows, "states")?;
        let mut energy = Vec::with_capacity(rows.rows());
        let mut gradient = Vec::with_capacity(rows.as_slice().len());
        for first in (0..rows.rows()).step_by(BATCH) {
            let batch = rows.slice(first..(first + BATCH).min(rows.rows()));
            let look = self.look(self.inward(&batch).as_slice())?;
            energy.extend(look.energy.iter().map(|e| *e as f32));
            gradient.extend(look.gradient);
        }
        Ok((energy, Rows::new(gradient, self.dim())?))
    }

    /// Refuses rows of another length or that are not finite, and recalls from nothing.
    fn check(&self, rows: &Rows<'_>, what: &'static str) -> Result<()> {
        if self.count == 0 {
            return Err(Error::EmptyMemory);
        }
        if rows.rows() > 0 && rows.columns() != self.dim() {
            let what = format!("columns of {what} (as the memory has)");
            return Err(Error::dimension(what, rows.columns(), self.dim()));
        }
        self.check_values(rows, what)
    }

    /// Refuses values that no feature can be made of.
    fn check_values(&self, rows: &Rows<'_>, what: &'static str) -> Result<()> {
        rows.check_finite(what)?;
        let inward = self.inward(rows);
        let squared: Vec<f32> = inward.iter().map(crate::cpu::similarity::squared).collect();
        check_lengths(&inward, &squared, LARGEST, what)?;
        self.check_phases(&squared, what)
    }

    /// Refuses rows so far from the origin that f32 does not know their phases.
    fn check_phases(&self, squared: &[f32], what: &'static str) -> Result<()> {
        if self.spec().map.is_positive() {
            return Ok(());
        }
        // A phase is a sum of as many products as there are columns.
        let spec = self.spec();
        let most =
            BLURRED / (0.5 * f64::from(f32::EPSILON) * (f64::from(spec.beta) * spec.dim as f64).sqrt());
        let Some(row) = squared.iter().position(|s| f64::from(*s).sqrt() > most) else { return Ok(()) };
        let want = format!(
            "at most {most:.0}, beyond which f32 does not know the phases of the features: take a common offset off (--centre, \
             `FeatureSettings::shift`), or scale the data down"
        );
        let length = format!("{:.0} ({what}, row {row})", squared[row].sqrt());
        Err(Error::parameter("length of a row", length, want))
    }

    /// Adds patterns with a weight of 1 or -1.
    fn add(&mut self, rows: &Rows<'_>, sign: f64) -> Result<()> {
        if rows.rows() > 0 && rows.columns() != self.dim() {
            let what = "columns of patterns (as the memory has)";
            return Err(Error::dimension(what, rows.columns(), self.dim()));
        }
        self.check_values(rows, "patterns")?;
        let k = rows.rows() as u64;
        let count = if sign > 0.0 { self.counted(k)? } else { self.count.saturating_sub(k) };
        let rows = self.inward(rows);
        let lengths = || rows.iter().map(|x| x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>());
        let longest = lengths().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((row, _)) = longest.filter(|_| sign > 0.0 && self.spec().map.is_positive()) {
            // The longest underflows first, and its features are then lost among those of others.
            let alone = self.features.encode(&rows.slice(row..row + 1))?;
            if alone.iter().all(|v| *v == 0.0) {
                let want = "above 0 in f32: the row lies too far from the origin for exponential features; shift the data by its mean \
                            (--centre), scale it down, or take the map sincos";
                return Err(Error::parameter(
                    "largest feature of a row",
                    format!("0 (patterns, row {row})"),
                    want,
                ));
            }
        }
        let more = self.features.encode(&rows)?;
        if more.iter().any(|v| !v.is_finite()) {
            let want = "finite: scale the data down, or shift it by its mean";
            return Err(Error::parameter("features of the patterns", "beyond f32", want));
        }
        self.t.iter_mut().zip(more).for_each(|(t, v)| *t += sign * v);
        for row in rows.iter() {
            self.sum.iter_mut().zip(row).for_each(|(s, v)| *s += sign * f64::from(*v));
        }
        if let (Some(largest), Some((_, longest)), true) = (&mut self.largest, longest, sign > 0.0) {
            *largest = largest.max(longest);
        }
        self.count = count;
        self.weight = (self.weight + sign * k as f64).max(0.0);
        self.changed();
        Ok(())
    }

    /// How many patterns it holds with these too.
    fn counted(&self, more: u64) -> Result<u64> {
        let count = self.count.checked_add(more).filter(|count| *count <= MOST_PATTERNS);
        let want = || format!("at most {MOST_PATTERNS}, with the {} that are there", self.count);
        count.ok_or_else(|| Error::parameter("number of patterns", more, want()))
    }

    fn changed(&mut self) {
        *self.on_device.get_mut() = None;
    }

    /// `T` on the device.
    fn on_device(&self) -> Result<Arc<FeatureVector>> {
        let mut kept = self.on_device.lock();
        match kept.as_ref() {
            Some(vector) => Ok(Arc::clone(vector)),
            None => Ok(Arc::clone(kept.insert(Arc::new(self.features.memory(&self.t)?)))),
        }
    }

    /// Rows as the memory works on them.
    fn inward<'r>(&self, rows: &'r Rows<'r>) -> Rows<'r> {
        let FeatureSettings { scale, shift, .. } = &self.settings;
        if *scale == 1.0 && shift.is_empty() {
            return rows.slice(0..rows.rows());
        }
        let d = self.dim();
        let of = |i: usize| shift.get(i % d).copied().unwrap_or(0.0);
        let moved: Vec<f32> = rows.as_slice().iter().enumerate().map(|(i, v)| scale * (v - of(i))).collect();
        Rows::new(Cow::from(moved), d).unwrap_or_default()
    }

    /// Takes values of rows back.
    fn outward(&self, values: &mut [f32]) {
        let FeatureSettings { scale, shift, .. } = &self.settings;
        if *scale == 1.0 && shift.is_empty() {
            return;
        }
        for row in values.chunks_exact_mut(self.dim()) {
            for (i, v) in row.iter_mut().enumerate() {
                *v = *v / scale + shift.get(i).copied().unwrap_or(0.0);
            }
        }
    }

    /// What states `[b * d]`, as the memory works on them, look like from here.
    fn look(&self, states: &[f32]) -> Result<Look> {
        let d = self.dim();
        let b = states.len() / d;
        let vector = self.on_device()?;
        let x = Tensor::from_flat(self.device(), states, &[b, d])?;
        let (u, gradient) = self.features.step(&x, &vector)?;
        let (u, mut gradient) = (u.to_vec()?, gradient.to_vec()?);
        let (epsilon, beta) = (self.settings.epsilon.unwrap_or(0.0), f64::from(self.spec().beta));
        let of = |u: f32| -f64::from(u.max(epsilon)).ln() / beta;
        for (g, u) in gradient.chunks_exact_mut(d).zip(&u) {
            let scale = if *u > epsilon { -1.0 / (beta * f64::from(*u)) } else { 0.0 };
            g.iter_mut().for_each(|g| *g = (scale * f64::from(*g)) as f32);
        }
        Ok(Look { energy: u.iter().map(|u| of(*u)).collect(), u, gradient })
    }
}

/// States from a memory's point of view.
struct Look {
    /// Estimated sums of kernels, `[b]`.
    u: Vec<f32>,
    /// `[b]`
    energy: Vec<f64>,
    /// Of the energy, `[b * d]`.
    gradient: Vec<f32>,
}

impl Memory for FeatureMemory {
    fn len(&self) -> usize {
        self.count as usize
    }

    fn dim(&self) -> usize {
        self.spec().dim
    }

    fn device(&self) -> &Device {
        self.features.device()
    }

    fn append(&mut self, patterns: &dyn ToRows) -> Result<()> {
        self.add(&patterns.to_rows()?, 1.0)
    }

    fn save(&self, path: &Path) -> Result<()> {
        Self::save(self, path)
    }

    /// [`FeatureMemory::descend`] with [`RecallOptions::steps`], [`RecallOptions::step_size`] and
    /// [`RecallOptions::tolerance`] (of the gradient; a millionth where `None`).
    fn recall_with(&self, queries: &dyn ToRows, options: &RecallOptions<'_>) -> Result<Recall> {
        if let Some(beta) = options.beta.filter(|beta| *beta != self.spec().beta) {
            let want = format!("{}: a memory of features belongs to one beta", self.spec().beta);
            return Err(Error::parameter("beta", beta, want));
        }
        if options.known.is_some() {
            let want = "left out: the memory keeps no patterns to compare; `clamp` keeps coordinates";
            return Err(Error::parameter("known coordinates", "given", want));
        }
        if options.mask.is_some() {
            return Err(Error::parameter("mask", "given", "absent: the memory keeps no patterns to hide"));
        }
        if let Some(top_k) = options.top_k.filter(|k| *k > 0) {
            return Err(Error::parameter("top_k", top_k, "0: the memory keeps no patterns to report"));
        }
        let defaults = FeatureDescent::default();
        let descent = FeatureDescent {
            steps: options.steps,
            step_size: options.step_size,
            tolerance: options.tolerance.unwrap_or(defaults.tolerance),
            clamp: options.clamp,
            trace: options.trace,
            progress: options.progress,
            ..defaults
        };
        self.descend(&queries.to_rows()?, &descent)
    }

    fn energy(&self, states: &dyn ToRows) -> Result<Vec<f32>> {
        Ok(self.energy_and_gradient(&states.to_rows()?)?.0)
    }
}

impl fmt::Debug for FeatureMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeatureMemory")
            .field("patterns", &self.count)
            .field("features", &self.features)
            .finish_non_exhaustive()
    }
}
