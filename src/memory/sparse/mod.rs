//! Memories whose weights are sparse.

mod beta;
mod marginal;
mod post;

pub use post::Post;

use super::{
    Beta, BetaChoice, Memory, Recall, RecallOptions, Status, check_columns,
    dense::{Limits, check_values, far_centre, is_exact, measure, shifted, unshifted},
    known::{self, KnownCache},
    mixture::{behind, best},
    relax::{Ask, Landscape, Look, relax},
};
use crate::{
    Device, Error, Result, Rows, Tensor, ToRows,
    ops::{
        Binary, Layout, MASKED, Resolution, Separation, Similarity, SimilarityForm, binary, check_beta,
        check_small, matmul, separate, similarity_in, weighted_sum,
    },
};
use parking_lot::Mutex;
use std::borrow::Cow;

/// A dense associative memory with a sparse separation: far patterns get no weight at all, so a stored pattern comes
/// back exactly (Santos et al., "Hopfield-Fenchel-Young Networks", arXiv 2411.08590; Hu et al., "On Sparse Modern Hopfield
/// Model", `NeurIPS` 2023; Hoover et al., "Dense Associative Memory with Epanechnikov Energy", arXiv 2506.10801).
///
/// Update `x <- post(sum_k p_k xi_k)`, `p = separation(beta * similarity(x, xi))`. Energies, with `Omega*` the convex function whose gradient the
/// separation is:
///
/// | similarity | energy of a state `x` |
/// | --- | --- |
/// | [`L2`](Similarity::L2) (default) | `-(1/beta) Omega*(-beta/2 \|x - xi_k\|^2)` |
/// | [`Dot`](Similarity::Dot) | `-(1/beta) Omega*(beta x.xi_k) + \|x\|^2/2 + M^2/2 - Omega(uniform)/beta` (`M` the largest length; 1-entmax gives the energy of [`DenseMemory`](super::DenseMemory)) |
/// | L2 with [`Separation::Epanechnikov`] | `-(1/beta) log sum_k max(0, 1 - beta/2 \|x - xi_k\|^2)`, 1e30 where no pattern is within `sqrt(2/beta)` |
///
/// No update raises the energy. But for k-subsets, a pattern is a fixed point exactly where its separation from all others is at least
/// [`margin`](Separation::margin)` / beta`, and a query whose scores lead by that much gets it back, bit by bit, in one update.
/// With k-subsets and the dot similarity states grow to the sum of `k` patterns; with L2 they are the mean of about `k`.
///
/// ```
/// use attractor::{memory::SparseMemory, ops::Separation, prelude::*};
/// let patterns = [[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0]];
/// let memory = SparseMemory::new(&patterns, Separation::Entmax(1.5))?;
/// let recalled = memory.recall(&[[0.1, -0.1, 0.8, 0.9]])?;
/// assert_eq!(recalled.states.row(0), patterns[0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub struct SparseMemory {
    settings: Settings,
    /// `[n, d]`, as they are compared: shifted by the centre, or post-transformed.
    patterns: Tensor,
    values: Option<Tensor>,
    centre: Option<Vec<f32>>,
    /// Whether the patterns lie far from the origin all the same.
    far: bool,
    squared: Vec<f32>,
    largest: f32,
    choice: Mutex<Option<BetaChoice>>,
    /// The same among the patterns of the mask that was last asked for.
    choice_among: Mutex<Option<(Vec<bool>, BetaChoice)>>,
    /// The memory of known coordinates that was last asked for.
    known: KnownCache,
}

/// Settings of a [`SparseMemory`].
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where the memory lives; [`Device::best`] where `None`.
    pub device: Option<Device>,
    /// [`Similarity::L2`] or [`Similarity::Dot`].
    pub similarity: Similarity,
    /// How similarities are worked out; as each recall needs it where `None`. With a post-transform always as products.
    pub similarity_form: Option<SimilarityForm>,
    /// How scores become weights.
    pub separation: Separation,
    /// The inverse temperature. Automatic: twice the smallest at which 99 % of the stored patterns that have no copy are fixed points, so that
    /// states near them come back (Epanechnikov: the smallest, which reaches farthest; k-subsets blend at any `beta`: that of sparsemax).
    pub beta: Beta,
    /// What happens to a read-out before it is the next state.
    pub post: Post,
}

impl SparseMemory {
    /// A memory of patterns `[n, d]` on [`Device::best`] with the L2 similarity and an automatic `beta`.
    ///
    /// # Errors
    /// As [`SparseMemory::with`].
    pub fn new<P: ToRows + ?Sized>(patterns: &P, separation: Separation) -> Result<Self> {
        Self::with(patterns, Settings { separation, ..Settings::default() })
    }

    /// A memory of patterns `[n, d]` with settings.
    ///
    /// # Errors
    /// [`Error::EmptyMemory`] without patterns, [`Error::DimensionMismatch`] for ragged rows, [`Error::NonFinite`],
    /// [`Error::InvalidParameter`] for settings that do not go together, and faults of the device.
    ///
    /// ```
    /// use attractor::{memory::{Post, SparseMemory, SparseSettings}, ops::Separation, prelude::*};
    /// let settings = SparseSettings {
    ///     similarity: Similarity::Dot,
    ///     separation: Separation::Entmax(2.0),
    ///     beta: Beta::Fixed(20.0),
    ///     post: Post::Normalize,
    ///     ..SparseSettings::default()
    /// };
    /// let memory = SparseMemory::with(&[[3.0, 4.0], [-1.0, 0.0]], settings)?;
    /// assert_eq!(memory.recall(&[[1.0, 1.0]])?.states.row(0), [0.6, 0.8]);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn with<P: ToRows + ?Sized>(patterns: &P, settings: Settings) -> Result<Self> {
        let rows = patterns.to_rows()?;
        if rows.rows() == 0 {
            return Err(Error::EmptyMemory);
        }
        let Settings { similarity, separation, post, .. } = settings;
        if !matches!(similarity, Similarity::L2 | Similarity::Dot) {
            let want = "l2 or dot here; the post-transform `normalize` makes dot the cosine";
            return Err(Error::parameter("similarity", similarity, want));
        }
        if separation == Separation::Epanechnikov && (similarity, post) != (Similarity::L2, Post::None) {
            let given = format!("{similarity} with post-transform {post}");
            return Err(Error::parameter("similarity of epanechnikov", given, "l2 without a post-transform"));
        }
        if let Beta::Fixed(beta) = settings.beta {
            check_beta(beta)?;
        }
        let device = match &settings.device {
            Some(device) => device.clone(),
            None => Device::best()?,
        };
        let mut memory = Self {
            settings: Settings { device: Some(device.clone()), ..settings },
            patterns: Tensor::from_flat(&device, &[], &[0, rows.columns()])?,
            values: None,
            centre: None,
            far: false,
            squared: Vec::new(),
            largest: 0.0,
            choice: Mutex::new(None),
            choice_among: Mutex::new(None),
            known: KnownCache::default(),
        };
        memory.add(&rows)?;
        separation.check(memory.len())?;
        Ok(memory)
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The inverse temperature that a recall uses: as given, or chosen now.
    ///
    /// # Errors
    /// Faults of the device.
    pub fn beta(&self) -> Result<f32> {
        match self.settings.beta {
            Beta::Fixed(beta) => Ok(beta),
            Beta::Auto | Beta::AutoExact => Ok(self.beta_choice()?.beta),
        }
    }

    /// The automatic choice of `beta`, whether or not it is used; see [`Settings::beta`]. For softmax patterns keep 99 % of the weight.
    ///
    /// # Errors
    /// Faults of the device.
    pub fn beta_choice(&self) -> Result<BetaChoice> {
        let kept = *self.choice.lock();
        if let Some(choice) = kept {
            return Ok(choice);
        }
        let choice = beta::choose(&self.patterns, None, &self.squared, &self.settings)?;
        *self.choice.lock() = Some(choice);
        Ok(choice)
    }

    /// The automatic choice of `beta` for a recall in which only the patterns of this mask may answer. That of the last mask is kept.
    ///
    /// # Errors
    /// [`Error::NoEligiblePattern`], [`Error::DimensionMismatch`] for a mask of another length; faults of the device.
    pub fn beta_choice_among(&self, mask: &[bool]) -> Result<BetaChoice> {
        self.limits().check(&Rows::empty(self.dim()), Some(mask))?;
        let kept = self.choice_among.lock().as_ref().filter(|(of, _)| of == mask).map(|(_, choice)| *choice);
        if let Some(choice) = kept {
            return Ok(choice);
        }
        if !mask.contains(&true) {
            return Err(Error::NoEligiblePattern { patterns: self.len() });
        }
        let choice = beta::choose(&self.patterns, Some(mask), &self.squared, &self.settings)?;
        *self.choice_among.lock() = Some((mask.to_vec(), choice));
        Ok(choice)
    }

    fn add(&mut self, rows: &Rows<'_>) -> Result<()> {
        check_columns(rows, self.dim())?;
        if rows.rows() == 0 {
            return Ok(());
        }
        let measured = measure(rows, "patterns", self.settings.similarity)?;
        if self.is_empty() && self.settings.similarity == Similarity::L2 && self.settings.post == Post::None {
            (self.centre, self.far) = far_centre(rows, &measured.squared);
        }
        if self.centre.as_ref().is_some_and(|centre| !is_exact(rows, centre)) {
            // Rows from which it cannot be taken without rounding: none is taken from any row any more.
            let kept = Rows::new(self.patterns.to_vec()?, self.dim())?;
            let back = match &self.centre {
                Some(centre) => unshifted(&kept, centre)?,
                None => kept,
            };
            let measured = measure(&back, "patterns", self.settings.similarity)?;
            self.patterns = Tensor::new(self.device(), &back)?;
            (self.centre, self.far) = (None, true);
            (self.squared, self.largest) = (measured.squared, measured.largest);
        }
        let kept = self.inward(rows, "patterns")?.into_owned();
        let measured = measure(&kept, "patterns", self.settings.similarity)?;
        self.patterns.append(&kept)?;
        self.squared.extend(measured.squared);
        self.largest = self.largest.max(measured.largest);
        *self.choice.get_mut() = None;
        *self.choice_among.get_mut() = None;
        self.known.clear();
        Ok(())
    }

    /// Rows as they are compared.
    fn inward<'a>(&self, rows: &'a Rows<'a>, what: &'static str) -> Result<Cow<'a, Rows<'a>>> {
        let post = self.settings.post;
        if let Some(centre) = &self.centre {
            return Ok(Cow::Owned(shifted(rows, centre)?));
        }
        if post == Post::Tanh || post == Post::Sign {
            let outside = |v: &f32| if post == Post::Sign { v.abs() != 1.0 } else { v.abs() > 1.0 };
            if let Some(at) = rows.as_slice().iter().position(outside) {
                let (row, column) = (at / rows.columns(), at % rows.columns());
                let value = format!("{} ({what}, row {row}, column {column})", rows[(row, column)]);
                let want =
                    if post == Post::Sign { "-1 or 1 for the sign" } else { "within [-1, 1] for tanh" };
                return Err(Error::parameter("coordinate", value, want));
            }
        }
        if !post.prepares() {
            return Ok(Cow::Borrowed(rows));
        }
        let mut values = rows.as_slice().to_vec();
        for (row, values) in values.chunks_exact_mut(rows.columns()).enumerate() {
            if !post.has_direction(values) {
                return Err(Error::ZeroNorm { what, row });
            }
            post.apply(values);
        }
        Ok(Cow::Owned(Rows::new(values, rows.columns())?))
    }

    fn limits(&self) -> Limits {
        let similarity = self.settings.similarity;
        Limits { patterns: self.len(), live: self.len(), dim: self.dim(), similarity, largest: self.largest }
    }

    /// The memory as the loop sees it, with hidden patterns; `longest` is the largest squared length of a query.
    fn view(&self, beta: f32, mask: Option<&[bool]>, longest: f32) -> Result<View<'_>> {
        let Settings { similarity, separation, .. } = self.settings;
        let eligible = |k: usize| mask.is_none_or(|m| m[k]);
        let count = (0..self.len()).filter(|k| eligible(*k)).count();
        if count == 0 {
            return Err(Error::NoEligiblePattern { patterns: self.len() });
        }
        separation.check(count)?;
        let widest = (0..self.len()).filter(|k| eligible(*k)).map(|k| self.squared[k]).fold(0.0, f32::max);
        let resolution = match (similarity, self.settings.post) {
            (Similarity::L2, Post::None) => {
                let (longest, d) = (f64::from(widest.max(longest)), self.dim());
                match self.settings.similarity_form {
                    Some(form) => Resolution::of(form, similarity, beta, longest, d),
                    None => Resolution::choose(similarity, beta, longest, d, self.far),
                }
            }
            _ => Resolution::PRODUCT,
        };
        check_small(beta.into(), similarity, self.dim())?;
        let complete =
            separation == Separation::Epanechnikov || resolution.form == SimilarityForm::Difference;
        let distances = similarity == Similarity::L2 && !complete;
        let bias = |k: usize| match eligible(k) {
            false => MASKED,
            true if distances => -0.5 * self.squared[k],
            true => 0.0,
        };
        let offset = match similarity {
            Similarity::Dot => {
                let total = f64::from(separation.total());
                0.5 * f64::from(widest) * total * total - separation.at_uniform(count) / f64::from(beta)
            }
            _ => 0.0,
        };
        let biased = distances || mask.is_some();
        let bias: Vec<f32> = if biased { (0..self.len()).map(bias).collect() } else { Vec::new() };
        let bias = match biased {
            true => Some(Tensor::from_flat(self.device(), &bias, &[self.len()])?),
            false => None,
        };
        let hidden = mask.map(|mask| behind(mask, self.device())).transpose()?;
        Ok(View { memory: self, beta, bias, hidden, offset, resolution, complete })
    }

    fn recall_rows(&self, rows: &Rows<'_>, options: &RecallOptions<'_>) -> Result<Recall> {
        let limits = self.limits();
        limits.check(rows, options.mask)?;
        let plan = limits.plan(options, rows.rows())?;
        let listed = limits.listed(options)?;
        if self.settings.post != Post::None && options.step_size > 1.0 {
            return Err(Error::parameter("step size", options.step_size, "at most 1 with a post-transform"));
        }
        let beta = match (options.beta, options.mask) {
            (Some(beta), _) => beta,
            (None, Some(mask)) if self.settings.beta.is_auto() => self.beta_choice_among(mask)?.beta,
            (None, _) => self.beta()?,
        };
        check_beta(beta)?;
        let measured = measure(rows, "queries", self.settings.similarity)?;
        if rows.rows() == 0 {
            return Recall::none(self.dim(), &plan, beta).listing(listed);
        }
        let inward = self.inward(rows, "queries")?;
        let of =
            |rows: &Rows<'_>| Ok::<_, Error>(measure(rows, "queries", self.settings.similarity)?.squared);
        let squared = if self.centre.is_some() { of(&inward)? } else { measured.squared };
        let view = self.view(beta, options.mask, squared.into_iter().fold(0.0, f32::max))?;
        let mut recall = relax(&view, &inward, &limits, &plan, beta)?;
        recall.similarity_form = Some(view.resolution.form);
        if let Some(centre) = &self.centre {
            let mut states = recall.states.into_vec();
            plan.outward(&mut states, rows, centre);
            let stayed = |i: &usize| recall.status[*i] == Status::OutOfSupport && recall.steps[*i] == 0;
            for i in (0..rows.rows()).filter(stayed) {
                states[i * self.dim()..(i + 1) * self.dim()].copy_from_slice(rows.row(i));
            }
            recall.states = Rows::new(states, self.dim())?;
        }
        recall.listing(listed)
    }
}

struct View<'a> {
    memory: &'a SparseMemory,
    beta: f32,
    /// What is added to the scores of each pattern.
    bias: Option<Tensor>,
    /// What is added to weights to rank them.
    hidden: Option<Tensor>,
    offset: f64,
    resolution: Resolution,
    /// Whether scores have what is the same for all patterns in them.
    complete: bool,
}

impl Landscape for View<'_> {
    fn look(&self, ask: &Ask<'_>) -> Result<Look> {
        let states = ask.states;
        let Settings { similarity: kind, separation, post, .. } = self.memory.settings;
        let patterns = &self.memory.patterns;
        let d = self.memory.dim();
        let x = Tensor::from_flat(self.memory.device(), states, &[states.len() / d, d])?;
        let mut scores = match self.complete {
            true => similarity_in(&x, patterns, Similarity::L2, self.resolution)?,
            // What is the same for all patterns shifts the potential alone; it is left out.
            false => matmul(&x, patterns, Layout::NT)?,
        };
        if let Some(bias) = &self.bias {
            scores = binary(Binary::Add, &scores, bias)?;
        }
        let separated = separate(&scores, self.beta, separation)?;
        let total = separation.total();
        let updates = match ask.top_k {
            // Who asks for patterns does not move the states.
            Some(_) => Vec::new(),
            None => {
                let mut updates = weighted_sum(&separated.weights, patterns)?.to_vec()?;
                if kind == Similarity::L2 && total != 1.0 {
                    updates.iter_mut().for_each(|v| *v /= total);
                }
                updates.chunks_exact_mut(d).for_each(|y| post.apply(y));
                updates
            }
        };
        let summary = separated.summary.to_vec()?;
        let energy = |(x, s): (&[f32], &[f32])| {
            let own = match kind {
                _ if self.complete => 0.0,
                Similarity::L2 => f64::from(total) * post.own(x),
                _ => post.own(x),
            };
            (own - f64::from(s[0]) + self.offset) as f32
        };
        Ok(Look {
            energy: states.chunks_exact(d).zip(summary.chunks_exact(4)).map(energy).collect(),
            updates,
            halted: summary.chunks_exact(4).map(|s| (s[2] == 0.0).then_some(Status::OutOfSupport)).collect(),
            best: match ask.top_k {
                Some(k) => {
                    let values = self.memory.values.as_ref();
                    Some(best(&separated.weights, &summary, values, self.hidden.as_ref(), k)?)
                }
                None => None,
            },
        })
    }
}

impl Memory for SparseMemory {
    fn len(&self) -> usize {
        self.patterns.matrix_shape().0
    }

    fn dim(&self) -> usize {
        self.patterns.matrix_shape().1
    }

    fn device(&self) -> &Device {
        self.settings.device.as_ref().unwrap_or(&Device::Cpu)
    }

    /// Stores more patterns, at a cost in proportion to them (but for rows that a common offset cannot be taken off, which costs a copy of all).
    fn append(&mut self, patterns: &dyn ToRows) -> Result<()> {
        let rows = patterns.to_rows()?;
        if self.values.is_some() && rows.rows() > 0 {
            let want = "0 for a memory with values";
            return Err(Error::parameter("number of patterns without values", rows.rows(), want));
        }
        self.add(&rows)
    }

    fn associate(&mut self, values: &dyn ToRows) -> Result<()> {
        let rows = values.to_rows()?;
        check_values(&rows, self.len())?;
        self.values = Some(Tensor::new(self.device(), &rows)?);
        self.known.clear();
        Ok(())
    }

    fn automatic_beta(&self) -> Result<Option<BetaChoice>> {
        if self.settings.beta.is_auto() { self.beta_choice().map(Some) } else { Ok(None) }
    }

    fn automatic_beta_among(&self, mask: &[bool]) -> Result<Option<BetaChoice>> {
        if self.settings.beta.is_auto() { self.beta_choice_among(mask).map(Some) } else { Ok(None) }
    }

    fn recall_with(&self, queries: &dyn ToRows, options: &RecallOptions<'_>) -> Result<Recall> {
        let rows = queries.to_rows()?;
        match options.known {
            Some(known) => known::recall(self, &rows, known, options),
            None => self.recall_rows(&rows, options),
        }
    }
}
