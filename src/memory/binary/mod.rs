//! Dense memories of -1 and 1.

mod order;

pub use order::Order;

use super::{
    Memory, Recall, RecallOptions, Status, check_columns,
    dense::Limits,
    known::{self, KnownCache, Marginal, Stored},
    mixture::{among_all, eligible},
    relax::{Ask, Best, Landscape, Look, relax},
};
use crate::{
    Bits, Device, Error, Result, Rows, ToRows,
    contract::{Plan, clamp_row},
    ops::{FlipTable, Interaction, Rule, Similarity, Wanted, flips, sweep},
    random::permutation,
    tensor::check_bipolar,
};

/// A dense associative memory of -1 and 1, a bit to a coordinate: energy `-sum_k F(xi_k.x)`, updates that set each bit to where the energy is
/// lower (Krotov & Hopfield, "Dense Associative Memory for Pattern Recognition", NIPS 2016, eq. 2-3; Demircigil et al. 2017).
///
/// | [`Interaction`] | reported energy |
/// | --- | --- |
/// | `Polynomial(n)`, `Rectified(n)` | `-sum_k F(xi_k.x / d)` (0 where that is below what f32 holds; updates know it by its logarithm) |
/// | `Exponential` | `-log sum_k exp(xi_k.x)` |
///
/// [`Order::Asynchronous`] updates bit after bit: with [`Rule::Exact`] the energy never rises, and a recall always ends. [`Order::Synchronous`] updates all bits at
/// once: faster, but the energy may rise and the state may come back every second step ([`Status::Cycle2`](super::Status::Cycle2)). A bit whose field is 0, or
/// cannot be told from 0 in f32, stays; where that is so of all bits, the recall ends with [`Status::Inert`](super::Status::Inert). Overlaps are exact; a `step` of a recall is a sweep over all bits.
///
/// Of [`RecallOptions`], `beta` and `tolerance` have no meaning here (but a tolerance of 0 makes all steps), and `step_size` must be 1. Reported weights are the patterns' shares in the fields, with their signs.
///
/// ```
/// use attractor::{memory::{BinaryMemory, Order}, ops::Interaction, prelude::*};
/// let patterns = [[1.0, 1.0, 1.0, -1.0, -1.0], [-1.0, 1.0, -1.0, 1.0, -1.0]];
/// let memory = BinaryMemory::new(&patterns, Interaction::Rectified(3), Order::default())?;
/// let recalled = memory.recall(&[[1.0, 1.0, 1.0, -1.0, 1.0]])?;
/// assert_eq!(recalled.states.row(0), patterns[0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub struct BinaryMemory {
    patterns: Bits,
    settings: BinarySettings,
    table: FlipTable,
    /// The memory of known coordinates that was last asked for.
    known: KnownCache,
}

/// Settings of a [`BinaryMemory`].
#[derive(Clone, Debug)]
pub struct BinarySettings {
    /// Where the memory lives; [`Device::best`] where `None`.
    pub device: Option<Device>,
    /// How the overlap with a pattern counts.
    pub interaction: Interaction,
    /// What decides over a bit.
    pub rule: Rule,
    /// Whether bits change together or one after another.
    pub order: Order,
    /// Of the random orders of asynchronous sweeps.
    pub seed: u64,
}

impl BinarySettings {
    /// The exact rule, asynchronous, seed 0, on [`Device::best`].
    pub fn new(interaction: Interaction) -> Self {
        Self { device: None, interaction, rule: Rule::default(), order: Order::default(), seed: 0 }
    }
}

impl BinaryMemory {
    /// A memory of patterns `[n, d]` of -1 and 1 on [`Device::best`].
    ///
    /// # Errors
    /// As [`BinaryMemory::with`].
    pub fn new<P: ToRows + ?Sized>(patterns: &P, interaction: Interaction, order: Order) -> Result<Self> {
        Self::with(patterns, BinarySettings { order, ..BinarySettings::new(interaction) })
    }

    /// A memory of patterns `[n, d]` of -1 and 1 with settings.
    ///
    /// # Errors
    /// [`Error::EmptyMemory`] without patterns, [`Error::NotBipolar`], [`Error::InvalidParameter`] for a power outside 2 to
    /// 1000 or more than 65,535 columns, and faults of the device.
    pub fn with<P: ToRows + ?Sized>(patterns: &P, settings: BinarySettings) -> Result<Self> {
        let rows = patterns.to_rows()?;
        if rows.rows() == 0 || rows.columns() == 0 {
            return Err(Error::EmptyMemory);
        }
        let device = match &settings.device {
            Some(device) => device.clone(),
            None => Device::best()?,
        };
        let table = FlipTable::new(settings.interaction, settings.rule, rows.columns())?;
        Ok(Self { patterns: Bits::new(&device, &rows)?, settings, table, known: KnownCache::default() })
    }

    /// The settings.
    pub fn settings(&self) -> &BinarySettings {
        &self.settings
    }

    /// One sweep of states `[b, d]`, and their energies before it `[b]`: for programs that bring a loop of their own.
    ///
    /// # Errors
    /// As [`Memory::energy`].
    ///
    /// ```
    /// use attractor::{memory::{BinaryMemory, Order}, ops::Interaction, prelude::*};
    /// let memory = BinaryMemory::new(&[[1.0, -1.0, 1.0]], Interaction::Exponential, Order::Synchronous)?;
    /// let (states, energy) = memory.step(&[[1.0, 1.0, 1.0]])?;
    /// assert_eq!((states.row(0), energy[0]), (&[1.0, -1.0, 1.0][..], -1.0));
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn step(&self, states: &dyn ToRows) -> Result<(Rows<'static>, Vec<f32>)> {
        let rows = states.to_rows()?;
        bit_limits(self.len(), self.dim()).check(&rows, None)?;
        check_bipolar(&rows, "states")?;
        if rows.rows() == 0 {
            return Ok((Rows::empty(self.dim()), Vec::new()));
        }
        let queries: Vec<usize> = (0..rows.rows()).collect();
        let view = View { memory: self, patterns: &self.patterns, eligible: None, clamp: None };
        let look = view.look(&Ask { states: rows.as_slice(), queries: &queries, step: 0, top_k: None })?;
        Ok((Rows::new(look.updates, self.dim())?, look.energy))
    }

    fn recall_rows(&self, rows: &Rows<'_>, options: &RecallOptions<'_>) -> Result<Recall> {
        let limits = bit_limits(self.len(), self.dim());
        limits.check(rows, options.mask)?;
        let plan = bit_plan(&limits, options, rows.rows())?;
        let listed = limits.listed(options)?;
        check_bipolar(rows, "queries")?;
        if rows.rows() == 0 {
            return Recall::none(self.dim(), &plan, 1.0).listing(listed);
        }
        // Bits without the hidden patterns: a copy of a 32nd of the data.
        let kept = options.mask.map(eligible).transpose()?;
        let some = kept.as_ref().map(|kept| self.patterns.select(kept)).transpose()?;
        let patterns = some.as_ref().unwrap_or(&self.patterns);
        let view = View { memory: self, patterns, eligible: kept.as_deref(), clamp: plan.clamp };
        relax(&view, rows, &limits, &plan, 1.0)?.listing(listed)
    }
}

/// What queries of bits are held against.
pub(super) fn bit_limits(patterns: usize, dim: usize) -> Limits {
    Limits { patterns, live: patterns, dim, similarity: Similarity::Dot, largest: 1.0 }
}

/// The plan for a recall of bits: they move by 2 or not at all.
pub(super) fn bit_plan<'a>(limits: &Limits, options: &RecallOptions<'a>, b: usize) -> Result<Plan<'a>> {
    if options.step_size != 1.0 {
        return Err(Error::parameter(
            "step size",
            options.step_size,
            "1 for bits: they change wholly or not",
        ));
    }
    let exactly = options.tolerance == Some(0.0);
    Ok(Plan { tolerance: if exactly { 0.0 } else { 0.5 }, ..limits.plan(options, b)? })
}

/// Bits of some queries that stay, `[b * d]`.
pub(super) fn known_bits(clamp: Option<&[bool]>, queries: &[usize], d: usize) -> Vec<bool> {
    match clamp {
        Some(clamp) => queries.iter().flat_map(|i| clamp_row(clamp, *i, d)).copied().collect(),
        None => vec![false; queries.len() * d],
    }
}

/// States moved by the signs of their fields; where a field is 0 the bit stays.
pub(super) fn decided(states: &[f32], fields: &[f32]) -> Vec<f32> {
    let bit = |(x, f): (&f32, &f32)| if *f == 0.0 { *x } else { f.signum() };
    states.iter().zip(fields).map(bit).collect()
}

/// Which states nothing can move: the fields of all their bits that are not known are 0.
pub(super) fn inert(fields: &[f32], known: &[bool], d: usize) -> Vec<Option<Status>> {
    let free = |(f, known): (&f32, &bool)| !known && *f != 0.0;
    let of = |(fields, known): (&[f32], &[bool])| !fields.iter().zip(known).any(free);
    let rows = fields.chunks_exact(d).zip(known.chunks_exact(d));
    rows.map(|row| of(row).then_some(Status::Inert)).collect()
}

/// The same after a sweep, whose fields are not known: those of the states that no bit of has changed are looked at.
pub(super) fn inert_after(
    (states, updates): (&[f32], &[f32]),
    known: &[bool],
    d: usize,
    fields: impl FnOnce(Vec<f32>) -> Result<Vec<f32>>,
) -> Result<Vec<Option<Status>>> {
    let same = |i: &usize| states[i * d..(i + 1) * d] == updates[i * d..(i + 1) * d];
    let stayed: Vec<usize> = (0..states.len() / d).filter(same).collect();
    let mut halted = vec![None; states.len() / d];
    if stayed.is_empty() {
        return Ok(halted);
    }
    let of_stayed: Vec<f32> = stayed.iter().flat_map(|i| &states[i * d..(i + 1) * d]).copied().collect();
    let known: Vec<bool> = stayed.iter().flat_map(|i| &known[i * d..(i + 1) * d]).copied().collect();
    for (i, why) in stayed.into_iter().zip(inert(&fields(of_stayed)?, &known, d)) {
        halted[i] = why;
    }
    Ok(halted)
}

struct View<'a> {
    memory: &'a BinaryMemory,
    patterns: &'a Bits,
    /// The numbers of the patterns, where some are hidden.
    eligible: Option<&'a [u32]>,
    clamp: Option<&'a [bool]>,
}

impl Landscape for View<'_> {
    fn look(&self, ask: &Ask<'_>) -> Result<Look> {
        let BinarySettings { order, seed, .. } = self.memory.settings;
        let table = &self.memory.table;
        let d = self.memory.dim();
        let states = Bits::new(self.memory.device(), &Rows::new(ask.states, d)?)?;
        // Bit after bit, fields are worked out anew for each; and who asks for patterns does not move the states.
        let fields = order == Order::Synchronous && ask.top_k.is_none();
        let wanted = Wanted { fields, top_k: ask.top_k.unwrap_or(0) };
        let found = flips(&states, self.patterns, table, wanted)?;
        let known = known_bits(self.clamp, ask.queries, d);
        // Leaving a bit's own share out, a large power leaves the fields of bits that agree below rounding: there only weights tell.
        let by_weights = self.memory.settings.rule == Rule::LeaveOneOut;
        let idle = || found.effective.iter().map(|n| (*n == 0.0).then_some(Status::Inert)).collect();
        let (updates, halted) = match order {
            _ if ask.top_k.is_some() => (Vec::new(), Vec::new()),
            Order::Synchronous => {
                let halted = if by_weights { idle() } else { inert(&found.fields, &known, d) };
                (decided(ask.states, &found.fields), halted)
            }
            Order::Asynchronous => {
                let order = permutation(d, seed, ask.step);
                let updates = sweep(&states, self.patterns, table, &order, &known)?;
                let halted = match by_weights {
                    true => idle(),
                    false => inert_after((ask.states, &updates), &known, d, |stayed| {
                        let states = Bits::new(self.memory.device(), &Rows::new(stayed, d)?)?;
                        let wanted = Wanted { fields: true, top_k: 0 };
                        Ok(flips(&states, self.patterns, table, wanted)?.fields)
                    })?,
                };
                (updates, halted)
            }
        };
        let best = ask.top_k.map(|_| Best {
            indices: match self.eligible {
                Some(kept) => among_all(found.indices, kept),
                None => found.indices,
            },
            weights: found.weights,
            effective: found.effective,
            support: None,
            values: None,
        });
        Ok(Look { energy: found.energy, updates, halted, best })
    }

    fn cycles(&self) -> bool {
        self.memory.settings.order == Order::Synchronous
    }
}

impl Memory for BinaryMemory {
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
        check_columns(&rows, self.dim())?;
        self.known.clear();
        self.patterns.append(&rows, "patterns")
    }

    fn recall_with(&self, queries: &dyn ToRows, options: &RecallOptions<'_>) -> Result<Recall> {
        let rows = queries.to_rows()?;
        match options.known {
            Some(known) => known::recall(self, &rows, known, options),
            None => self.recall_rows(&rows, options),
        }
    }
}

impl Marginal for BinaryMemory {
    fn stored(&self) -> Result<Stored> {
        let rows: Vec<f32> = (0..self.len()).flat_map(|k| self.patterns.row(k)).collect();
        Ok(Stored { patterns: Rows::new(rows, self.dim())?, values: None })
    }

    fn of_columns(&self, patterns: &Rows<'_>, _: &[usize]) -> Result<Box<dyn Marginal>> {
        let device = Some(self.device().clone());
        Ok(Box::new(Self::with(patterns, BinarySettings { device, ..self.settings.clone() })?))
    }

    fn cache(&self) -> &KnownCache {
        &self.known
    }

    fn is_of_bits(&self) -> bool {
        true
    }
}

impl std::fmt::Debug for BinaryMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BinaryMemory")
            .field("patterns", &self.len())
            .field("dim", &self.dim())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;
    use crate::reference::{BinaryModel, Matrix};

    /// An asynchronous sweep is its definition, bit after bit in the same order.
    #[test]
    fn asynchronous_sweeps_follow_the_definition() {
        let d = 23;
        // Bits of a square pattern's digits: no order to them that matters here.
        let value =
            |k: usize, i: usize| if (k * k * 37 + i * i * 11 + k * i) % 7 < 3 { 1.0_f32 } else { -1.0 };
        let patterns: Vec<Vec<f32>> = (0..9).map(|k| (0..d).map(|i| value(k, i)).collect()).collect();
        let query: Vec<f32> =
            (0..d).map(|i| if i % 5 == 0 { -patterns[4][i] } else { patterns[4][i] }).collect();
        for interaction in [Interaction::Polynomial(3), Interaction::Rectified(5), Interaction::Exponential] {
            let settings =
                BinarySettings { device: Some(Device::Cpu), seed: 7, ..BinarySettings::new(interaction) };
            let memory = BinaryMemory::with(&patterns, settings).unwrap();
            let options = RecallOptions { steps: 1, ..RecallOptions::default() };
            let got = memory.recall_with(&query, &options).unwrap();
            let rule = Rule::Exact;
            let of = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
            let rows = Matrix { data: patterns.iter().flat_map(|p| of(p)).collect(), rows: 9, columns: d };
            let model = BinaryModel { patterns: rows, interaction, rule };
            let order: Vec<usize> = permutation(d, 7, 0).into_iter().map(|i| i as usize).collect();
            assert_eq!(of(got.states.row(0)), model.sweep_in_order(&of(&query), &order), "{interaction}");
        }
    }
}
