//! Separation training: moves the features of memories apart.

use super::{
    FeatureTransform,
    certificate::{gaps, partner},
    objective::{FLOOR, Objective, relative_lengths, root_mean_square},
    spectrum::{cap_condition, condition},
};
use crate::{
    Device, Error, Result, ToRows,
    codes::Bounds,
    ops::{Progress, SeparationLoss, report, unit_rows},
    optimize::{Adam, Limits, Optimizer, Reason},
    random::{purpose::BATCHES, words},
};
use std::{cell::Cell, fmt};

/// Memories of such a batch.
const BATCH: usize = 2048;
/// How far rounding may put a gap outside of what its loss proves.
const ROUNDING: f64 = 1e-12;
/// Condition of a map from which on its noise is worth a warning.
const AMPLIFIES: f64 = 1e3;
/// Iterations between two projections onto maps of a capped condition.
const PROJECT: usize = 25;

/// How to train.
///
/// ```
/// use attractor::{memory::SeparationSettings, optimize::{Adam, Optimizer}};
/// let good_enough = SeparationSettings {
///     temperatures: vec![0.1],
///     optimizer: Optimizer::Adam(Adam::default()),
///     iterations: 400,
///     starts: 1,
///     ..SeparationSettings::default()
/// };
/// assert!(good_enough.condition.is_none());
/// ```
#[derive(Clone, Debug)]
pub struct SeparationSettings {
    /// What is minimised.
    pub loss: SeparationLoss,
    /// Temperatures, one after another; each goes on where the one before it ended. Towards 0 the pair loss asks for the largest minimal
    /// gap.
    pub temperatures: Vec<f64>,
    /// How.
    pub optimizer: Optimizer,
    /// Most iterations at each temperature.
    pub iterations: usize,
    /// How many random maps are trained; the one whose loss ends lowest is kept. The first is the map as it was given.
    pub starts: usize,
    /// Seed of further starts, batches and noise.
    pub seed: u64,
    /// How many memories a step sees. `None`: all of up to 20,000, else 2048. Batches are for Adam.
    pub batch: Option<usize>,
    /// The largest ratio of singular values of the matrix of a linear map: a map that stretches some directions much more than others
    /// amplifies noise in them.
    pub condition: Option<f64>,
    /// Standard deviation of noise on the memories: noisy copies are trained to stay nearest to their own memory.
    pub noise: Option<f64>,
    /// Where losses of many memories are worked out.
    pub device: Device,
    /// Whether losses are worked out in f64 on the CPU. `None`: for up to 4096 memories (512 where the device is a GPU).
    pub exact: Option<bool>,
}

impl Default for SeparationSettings {
    fn default() -> Self {
        Self {
            loss: SeparationLoss::Pair,
            temperatures: vec![0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4],
            optimizer: Optimizer::default(),
            iterations: 500,
            starts: 8,
            seed: 0,
            batch: None,
            condition: None,
            noise: None,
            device: Device::cpu(),
            exact: None,
        }
    }
}

impl SeparationSettings {
    /// Memories beyond which a step sees a batch of them.
    pub const WHOLE: usize = 20_000;

    fn check(&self) -> Result<()> {
        if self.temperatures.is_empty() {
            return Err(Error::parameter("number of temperatures", 0, "at least 1"));
        }
        let positive = |v: f64| v > 0.0 && v.is_finite();
        if let Some(tau) = self.temperatures.iter().find(|t| !positive(**t)) {
            return Err(Error::parameter("tau", tau, "a positive, finite number"));
        }
        if self.starts == 0 {
            return Err(Error::parameter("number of starts", 0, "at least 1"));
        }
        if let Some(batch) = self.batch.filter(|b| *b < 2) {
            return Err(Error::parameter("memories of a batch", batch, "at least 2"));
        }
        if let Some(most) = self.condition.filter(|c| !(*c >= 1.0 && c.is_finite())) {
            return Err(Error::parameter("cap of the condition", most, "1 or a larger, finite number"));
        }
        if let Some(noise) = self.noise.filter(|n| !(*n >= 0.0 && n.is_finite())) {
            return Err(Error::parameter("noise", noise, "0 or a positive, finite number"));
        }
        Ok(())
    }
}

/// What a user should know of a trained map.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SeparationWarning {
    /// Two memories whose features point the same way, so that no map of this kind tells them apart.
    DegeneratePair {
        /// The one.
        first: usize,
        /// The other.
        second: usize,
    },
    /// A linear map with more features than its memories have columns.
    RankLimited {
        /// Features, `D`.
        features: usize,
        /// Columns, `d`.
        dim: usize,
    },
    /// More memories than a linear map can place freely.
    Unreachable {
        /// Memories, `M`.
        memories: usize,
        /// How many it can.
        reach: usize,
    },
    /// Losses were those of batches.
    Batches {
        /// Memories of each.
        size: usize,
    },
    /// Memories are nearer to each other than before the training.
    Nearer {
        /// The smallest gap before.
        before: f64,
        /// And after.
        after: f64,
    },
    /// Memories whose features would vanish in what the loss asks for: they are held near to a thousandth of what the map makes of the
    /// others, so that noise of their queries counts a thousand times as much.
    Faint {
        /// How many.
        memories: usize,
        /// The first.
        first: usize,
    },
    /// The map stretches some directions far more than others, and noise with them.
    Amplifies {
        /// Largest over smallest singular value.
        condition: f64,
    },
}

impl fmt::Display for SeparationWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DegeneratePair { first, second } => write!(
                f,
                "memories {first} and {second} point the same way, so the smallest gap is 0; drop one of them"
            ),
            Self::RankLimited { features, dim } => write!(
                f,
                "{features} features of {dim} columns: the image of a linear map has rank {dim} at most, so more features than that gain nothing"
            ),
            Self::Unreachable { memories, reach } => write!(
                f,
                "{memories} memories, of which a linear map places {reach} freely: an optimal code may be out of reach; a non-linear map has no such limit"
            ),
            Self::Nearer { before, after } => write!(
                f,
                "the smallest gap fell from {before:.4} to {after:.4}: take a smaller step or temperature, or another loss"
            ),
            Self::Faint { memories, first } => write!(
                f,
                "the features of {memories} memories, {first} first, would vanish for a larger gap and are held at about {FLOOR} of what the map makes of others: noise on their queries is amplified as much; a larger tau or a capped condition keeps them longer"
            ),
            Self::Amplifies { condition } => write!(
                f,
                "the map stretches some directions {condition:.1e} times as much as others, and noise with them; cap its condition where queries are noisy"
            ),
            Self::Batches { size } => {
                write!(
                    f,
                    "each step saw {size} memories; pairs that never met in a batch may lie near to each other"
                )
            }
        }
    }
}

/// What happened at one temperature.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The temperature.
    pub tau: f64,
    /// Losses at the start and after each iteration (of batches, where there were any; with the noise's share, and with what keeps features
    /// from vanishing). Where the condition is capped, rounds of 25 iterations follow each other, each with its own start.
    pub trace: Vec<f64>,
    /// Iterations made.
    pub iterations: usize,
    /// Why it ended.
    pub reason: Reason,
}

/// What training did. All figures are those of the map as it is left, with parameters of f32.
#[derive(Clone, Debug)]
pub struct SeparationReport {
    /// The temperatures of the best start.
    pub stages: Vec<Stage>,
    /// The final loss of each start, at the last temperature.
    pub starts: Vec<f64>,
    /// Which start was kept.
    pub best: usize,
    /// The optimizer that was used: Adam for batches, whatever was asked for.
    pub optimizer: Optimizer,
    /// The smallest gap of the unit features `1 - max cos` of the memories themselves, of the first map before it was trained, and after.
    pub gaps: [f64; 3],
    /// Between which the loss alone proves the gap to lie: `1 - tau L - tau ln(M (M-1) / 2)` and `1 - tau L` for the pair loss `L`.
    pub bracket: [f64; 2],
    /// A gap that so many points in so many dimensions cannot exceed: [`crate::codes::Bounds`].
    pub most: f64,
    /// Ratio of the singular values of a linear map's matrix.
    pub condition: Option<f64>,
    /// What a user should know.
    pub warnings: Vec<SeparationWarning>,
}

impl SeparationReport {
    /// The smallest gap after training.
    pub fn gap(&self) -> f64 {
        self.gaps[2]
    }

    /// The loss at the end.
    pub fn loss(&self) -> f64 {
        self.starts[self.best]
    }
}

/// Trains a map on memories `[M, d]`, without labels and without noise unless asked for: see the method's source in
/// [`KernelizedMemory`](super::KernelizedMemory). The map ends scaled so that the mean squared length of the features is 1, with parameters
/// that f32 holds, so that what is reported is true of the map in a file too. How large the memories are makes no difference to a linear map.
/// The losses know directions alone; features of a memory that they would let vanish are held at a thousandth of the others'.
/// `progress` hears of iterations done and of all that may be made; where it asks the work to end, the map is as far as it had come.
///
/// # Errors
/// [`Error::InvalidParameter`] for fewer than two memories, settings outside their range, or memories so small that the map leaves f32;
/// [`Error::DimensionMismatch`],
/// [`Error::NonFinite`], [`Error::ZeroNorm`] for a memory without features (a zero memory, or one that the map takes to zero); faults of
/// the device; [`Error::Interrupted`].
///
/// ```
/// use attractor::memory::{LinearMap, SeparationSettings, separate_memories};
/// let memories = [[1.0, 0.4, 0.0], [0.4, 1.0, 0.0], [0.6, 0.6, 0.8]];
/// let mut map = LinearMap::random(3, 3, false, 1)?;
/// let report = separate_memories(&memories, &mut map, &SeparationSettings::default(), None)?;
/// // Three points in a plane at 120 degrees: 1 - cos = 3/2.
/// assert!(report.gap() > 1.499 && report.gaps[0] < 0.35);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn separate_memories<P: ToRows + ?Sized>(
    memories: &P,
    map: &mut dyn FeatureTransform,
    settings: &SeparationSettings,
    progress: Option<Progress<'_>>,
) -> Result<SeparationReport> {
    settings.check()?;
    let rows = memories.to_rows()?;
    rows.check_finite("patterns")?;
    let count = rows.rows();
    if count < 2 {
        return Err(Error::parameter("number of memories to separate", count, "at least 2"));
    }
    if rows.columns() != map.dim() {
        return Err(Error::dimension("columns of patterns (as the map takes)", rows.columns(), map.dim()));
    }
    let memories: Vec<f64> = rows.as_slice().iter().map(|v| f64::from(*v)).collect();
    let columns = map.features();
    let device = &settings.device;
    let (of_memories, _) = unit_rows(&memories, map.dim())?;
    let raw = smallest(&gaps(&of_memories, map.dim(), device)?);
    let (before, _) = unit_rows(&map.apply(&memories), columns)?;
    let before = smallest(&gaps(&before, columns, device)?);
    let batch =
        settings.batch.unwrap_or(if count > SeparationSettings::WHOLE { BATCH } else { count }).min(count);
    let optimizer = match settings.optimizer {
        Optimizer::Lbfgs(_) if batch < count => Optimizer::Adam(Adam::default()),
        optimizer => optimizer,
    };
    // Steps and tolerances of the optimizers are those of memories of length 1.
    let lengths = memories.chunks_exact(map.dim()).map(|x| x.iter().map(|v| v * v).sum::<f64>().sqrt());
    let size = root_mean_square(&lengths.collect::<Vec<_>>());
    let size = if map.rescale_rows(size) { size } else { 1.0 };
    map.rescale_rows(size.recip());
    let inward: Vec<f64> = memories.iter().map(|v| v / size).collect();
    let mut best: Option<(f64, usize, Vec<f64>, Vec<Stage>)> = None;
    let mut losses = Vec::new();
    for start in 0..settings.starts {
        map.rescale_rows(size);
        if start > 0 {
            map.reset(settings.seed.wrapping_add(start as u64));
        }
        let course = Course { memories: &inward, size, settings, optimizer, batch, start, progress };
        let stages = course.run(map);
        map.rescale_rows(size.recip());
        let stages = stages?;
        round(map, &memories)?;
        let loss = course.whole(map, &memories)?;
        losses.push(loss);
        // A map without parameters has one course only.
        if best.as_ref().is_none_or(|b| loss < b.0) {
            best = Some((loss, start, map.parameters().to_vec(), stages));
        }
        if map.parameters().is_empty() {
            break;
        }
    }
    let Some((_, kept, parameters, stages)) = best else {
        return Err(Error::parameter(
            "loss",
            "NaN at every start",
            "finite; try a larger tau or another seed",
        ));
    };
    map.parameters_mut().copy_from_slice(&parameters);
    let (unit, lengths) = unit_rows(&map.apply(&memories), columns)?;
    let all = gaps(&unit, columns, device)?;
    let gap = smallest(&all);
    let tau = settings.temperatures[settings.temperatures.len() - 1];
    let pair = Objective {
        memories: &memories,
        loss: SeparationLoss::Pair,
        tau,
        noise: None,
        device,
        // Rounding to f32 would let the gap out of the bracket.
        exact: Some(true),
    };
    let upper = 1.0 - tau * pair.loss_of(&unit, columns)?.0 + ROUNDING;
    let pairs = 0.5 * count as f64 * (count - 1) as f64;
    let mut warnings = Vec::new();
    if let Some(first) = all.iter().position(|g| *g <= 1e-12) {
        warnings.push(SeparationWarning::DegeneratePair { first, second: partner(&unit, columns, first) });
    }
    if let Some(linear) = map.as_linear() {
        let (features, dim) = (linear.features(), linear.dim());
        if features > dim {
            warnings.push(SeparationWarning::RankLimited { features, dim });
        }
        if count > linear.reach() {
            warnings.push(SeparationWarning::Unreachable { memories: count, reach: linear.reach() });
        }
    }
    if batch < count {
        warnings.push(SeparationWarning::Batches { size: batch });
    }
    let relative = relative_lengths(map, &memories, &lengths);
    let floor = 2.0 * FLOOR * root_mean_square(&relative);
    let faint = || relative.iter().enumerate().filter(|(_, length)| **length < floor).map(|(i, _)| i);
    if let Some(first) = faint().next() {
        warnings.push(SeparationWarning::Faint { memories: faint().count(), first });
    }
    if gap < before - ROUNDING {
        warnings.push(SeparationWarning::Nearer { before, after: gap });
    }
    let condition = map.as_linear().map(|l| condition(l.weights(), l.features(), l.dim()));
    if let Some(condition) = condition.filter(|c| *c > AMPLIFIES) {
        warnings.push(SeparationWarning::Amplifies { condition });
    }
    let dimensions = map.as_linear().map_or(columns, |l| columns.min(l.reach() - 1));
    Ok(SeparationReport {
        stages,
        starts: losses,
        best: kept,
        optimizer,
        gaps: [raw, before, gap],
        bracket: [upper - tau * pairs.ln() - 2.0 * ROUNDING, upper],
        most: Bounds::new(count, dimensions)?.most,
        condition,
        warnings,
    })
}

fn smallest(gaps: &[f64]) -> f64 {
    gaps.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The training of one start.
struct Course<'a> {
    /// Over `size`.
    memories: &'a [f64],
    size: f64,
    settings: &'a SeparationSettings,
    optimizer: Optimizer,
    batch: usize,
    start: usize,
    progress: Option<Progress<'a>>,
}

impl Course<'_> {
    /// Of memories over `size`.
    fn objective<'b>(&'b self, memories: &'b [f64], size: f64, tau: f64, noise: u64) -> Objective<'b> {
        let SeparationSettings { loss, device, exact, .. } = self.settings;
        let noise = self.settings.noise.map(|n| (n / size, noise));
        Objective { memories, loss: *loss, tau, noise, device, exact: *exact }
    }

    fn run(&self, map: &mut dyn FeatureTransform) -> Result<Vec<Stage>> {
        if map.parameters().is_empty() {
            rescale(map, self.memories);
            return Ok(Vec::new());
        }
        let settings = self.settings;
        let stages = settings.temperatures.len();
        let mut all = Vec::with_capacity(stages);
        for (number, tau) in settings.temperatures.iter().copied().enumerate() {
            let mut stage = Stage { tau, trace: Vec::new(), iterations: 0, reason: Reason::Iterations };
            let capped = settings.condition.filter(|_| map.as_linear().is_some());
            // Projections come between rounds of steps.
            let round = if capped.is_some() { PROJECT } else { settings.iterations };
            let mut done = 0;
            loop {
                let iterations = round.min(settings.iterations - done);
                let before = ((self.start * stages + number) * settings.iterations + done) as u64;
                let total = (settings.starts * stages * settings.iterations) as u64;
                let at = Cell::new(0);
                let watch = |iteration: usize, _: f64| at.set(iteration as u64);
                let limits = Limits { iterations, tolerance: 1e-9, watch: Some(&watch) };
                let mut x = map.parameters().to_vec();
                let mut draw = Draw::new(self, (number * settings.iterations + done) as u64);
                let found = self.optimizer.minimise(&mut x, &limits, |x, gradient| {
                    report(self.progress, before + at.get(), total)?;
                    map.parameters_mut().copy_from_slice(x);
                    let (batch, noise) = draw.next(map.dim());
                    self.objective(batch, self.size, tau, noise).at(map, gradient)
                })?;
                map.parameters_mut().copy_from_slice(&x);
                stage.trace.extend(found.trace.iter().map(|v| v / tau));
                stage.iterations += found.iterations;
                stage.reason = found.reason;
                done += iterations;
                if let (Some(most), Some(linear)) = (capped, map.as_linear_mut()) {
                    let (rows, columns) = (linear.features(), linear.dim());
                    // Rounding to f32 comes after it.
                    let room = f64::from(f32::EPSILON) * (rows.min(columns) as f64).sqrt() * most;
                    cap_condition(linear.weights_mut(), rows, columns, (most * (1.0 - room)).max(1.0));
                }
                if done >= settings.iterations || capped.is_none() {
                    break;
                }
            }
            rescale(map, self.memories);
            all.push(stage);
        }
        Ok(all)
    }

    /// The loss of all memories, as they were given, at the last temperature.
    fn whole(&self, map: &dyn FeatureTransform, memories: &[f64]) -> Result<f64> {
        let tau = self.settings.temperatures[self.settings.temperatures.len() - 1];
        let objective = self.objective(memories, 1.0, tau, 0);
        if self.settings.noise.is_some_and(|noise| noise > 0.0) {
            // What was trained, with the same noise for every start.
            return Ok(objective.at(map, &mut vec![0.0; map.parameters().len()])? / tau);
        }
        let (unit, _) = unit_rows(&map.apply(memories), map.features())?;
        Ok(objective.loss_of(&unit, map.features())?.0)
    }
}

/// Scales a map so that the mean squared length of the features of memories is 1.
fn rescale(map: &mut dyn FeatureTransform, memories: &[f64]) {
    // Steps may have led so far out that squares leave f64.
    let largest = map.apply(memories).iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    if largest > 0.0 && largest.is_finite() {
        map.scale(largest.recip());
    }
    let features = map.apply(memories);
    let mean = features.iter().map(|v| v * v).sum::<f64>() / (memories.len() / map.dim()) as f64;
    if mean > 0.0 && mean.is_finite() {
        map.scale(mean.sqrt().recip());
    }
}

/// Leaves a map as a file can hold it: scaled, with parameters of f32.
fn round(map: &mut dyn FeatureTransform, memories: &[f64]) -> Result<()> {
    rescale(map, memories);
    map.parameters_mut().iter_mut().for_each(|p| *p = f64::from(*p as f32));
    match map.parameters().iter().find(|p| !p.is_finite()) {
        Some(_) => {
            let want = "within f32: scale the memories up or down";
            Err(Error::parameter("parameters of the map", "beyond f32", want))
        }
        None => Ok(()),
    }
}

/// The memories that each step sees.
struct Draw<'a, 'b> {
    course: &'a Course<'b>,
    /// Of random words.
    counter: u64,
    /// Numbers of memories in the order of an epoch, and how many have been seen.
    order: Vec<usize>,
    seen: usize,
    rows: Vec<f64>,
}

impl<'a, 'b> Draw<'a, 'b> {
    fn new(course: &'a Course<'b>, first: u64) -> Self {
        Self { course, counter: first, order: Vec::new(), seen: 0, rows: Vec::new() }
    }

    /// Memories, and the seed of their noise: for L-BFGS always the same, since its function must not change.
    fn next(&mut self, d: usize) -> (&[f64], u64) {
        let Course { memories, settings, optimizer, batch, .. } = self.course;
        let fixed = matches!(optimizer, Optimizer::Lbfgs(_));
        if !fixed {
            self.counter += 1;
        }
        let noise = settings.seed ^ (self.counter << 8) ^ (1 << 62);
        let count = memories.len() / d;
        if *batch == count {
            return (memories, noise);
        }
        if self.seen + batch > self.order.len() {
            self.order = (0..count).collect();
            for i in (1..count).rev() {
                let word = words(settings.seed, BATCHES, i as u64, self.counter as u32)[0];
                self.order.swap(i, ((u64::from(word) * (i as u64 + 1)) >> 32) as usize);
            }
            self.seen = 0;
        }
        let numbers = &self.order[self.seen..self.seen + batch];
        self.seen += batch;
        self.rows.clear();
        self.rows.extend(numbers.iter().flat_map(|i| &memories[i * d..(i + 1) * d]));
        (&self.rows, noise)
    }
}
