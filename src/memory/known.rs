//! Recalls of which some coordinates are known: only those are compared, they stay, and the others are read out.
//!
//! The memory is that of the known coordinates alone, with the others as values: weights `p = separation(beta * similarity(x_K, xi_K))` depend on the known
//! coordinates `K`, which do not move, so the others are `sum_k p_k xi_k` after one update, and the state is at rest. Its energy is that of the memory
//! of the known coordinates (for the kernel energies: of the marginal kernel), whatever the others are: for L2 `-(1/beta) log sum_k exp(-beta/2 |x_K - xi_K|^2)`.

use super::{Memory, QueryReport, Recall, RecallOptions, Status, recall::NO_PATTERN};
use crate::{Error, Result, Rows, contract::KnownBeta};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};

/// Masks up to so many have a memory of their columns each; more go through one memory of all columns, where there is such a one.
const FEW: usize = 4;

/// The memories over the columns of the last few masks, the latest last, or of all columns (`None`); dropped when patterns come or go.
#[derive(Default)]
pub(super) struct KnownCache(Mutex<Vec<Kept>>);

struct Kept {
    mask: Option<Vec<bool>>,
    memory: Arc<dyn Marginal>,
}

impl KnownCache {
    pub(super) fn clear(&mut self) {
        self.0.get_mut().clear();
    }

    fn get(
        &self,
        mask: Option<&[bool]>,
        make: impl FnOnce() -> Result<Box<dyn Marginal>>,
    ) -> Result<Arc<dyn Marginal>> {
        let is_it = |kept: &&Kept| kept.mask.as_deref() == mask;
        let kept = self.0.lock().iter().find(is_it).map(|kept| Arc::clone(&kept.memory));
        if let Some(memory) = kept {
            return Ok(memory);
        }
        // Not held while it is made: that runs on all cores.
        let memory: Arc<dyn Marginal> = Arc::from(make()?);
        let mut all = self.0.lock();
        if all.len() == FEW {
            all.remove(0);
        }
        all.push(Kept { mask: mask.map(<[bool]>::to_vec), memory: Arc::clone(&memory) });
        Ok(memory)
    }
}

/// What a memory stores.
pub(super) struct Stored {
    /// `[n, d]`, as they were given.
    pub(super) patterns: Rows<'static>,
    /// Associated values, `[n, v]`.
    pub(super) values: Option<Rows<'static>>,
}

/// A memory that can compare some of the coordinates alone.
pub(super) trait Marginal: Memory {
    /// What is stored.
    fn stored(&self) -> Result<Stored>;

    /// A memory of the same kind and settings, of these columns of the patterns `[n, columns]`, without those that are forgotten.
    fn of_columns(&self, patterns: &Rows<'_>, columns: &[usize]) -> Result<Box<dyn Marginal>>;

    /// Where its memory over the columns of a mask is kept.
    fn cache(&self) -> &KnownCache;

    /// What the weights sum to.
    fn total(&self) -> f32 {
        1.0
    }

    /// Whether states are bits, which are set by the signs of their fields.
    fn is_of_bits(&self) -> bool {
        false
    }

    /// How masks of each query are compared in one pass, where there is a way. Where `beta` is given, it is that of the recall.
    fn together(&self, _beta: Option<f32>) -> Option<Together> {
        None
    }

    /// The same patterns and values in a memory on the CPU.
    ///
    /// # Errors
    /// Where it has no such way.
    fn on_host(&self) -> Result<Box<dyn Marginal>> {
        Err(no_differences())
    }

    /// What queries `[b, d]`, whose coordinates are NaN where they are not known, get by differences; `values` have all coordinates, and
    /// then the values. For memories on the CPU.
    ///
    /// # Errors
    /// Where it has no such way; those of a recall.
    fn by_differences(&self, _: &Rows<'_>, _: (f32, KnownBeta), _: &RecallOptions<'_>) -> Result<Recall> {
        Err(no_differences())
    }
}

fn no_differences() -> Error {
    Error::parameter("known coordinates", "others for each query", "the same for all queries")
}

/// How queries with masks of their own are compared with patterns that are the same for all.
pub(super) struct Together {
    pub(super) compare: Compare,
    /// The inverse temperature, where it was given. Where it is chosen: that of `k` of `d` known coordinates is `d / k` times that of all, as
    /// separations are expected to be, so large that all of a few masks of the queries keep what their own choice promises.
    pub(super) beta: Option<f32>,
}

/// What stands for the known coordinates alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    /// Products with queries that are 0 where they are not known.
    Products,
    /// Sums of the differences of known coordinates. On the CPU.
    Differences,
}

/// Completes queries `[b, d]` of which the coordinates of `known` are known: `[d]` for all queries, or `[b * d]`. What is not known is not looked
/// at, and may be NaN.
pub(super) fn recall(
    memory: &dyn Marginal,
    queries: &Rows<'_>,
    known: &[bool],
    options: &RecallOptions<'_>,
) -> Result<Recall> {
    let (b, d) = (queries.rows(), memory.dim());
    check(memory, queries, known, options)?;
    let row = |i: usize| if known.len() == d { known } else { &known[i * d..(i + 1) * d] };
    let mut groups: Vec<(&[bool], Vec<usize>)> = Vec::new();
    let mut numbers: HashMap<&[bool], usize> = HashMap::new();
    for i in 0..b {
        let group = *numbers.entry(row(i)).or_insert_with(|| {
            groups.push((row(i), Vec::new()));
            groups.len() - 1
        });
        groups[group].1.push(i);
    }
    if groups.len() > FEW
        && let Some(together) = memory.together(options.beta)
    {
        let of = match together {
            Together { compare: Compare::Differences, beta: None } => KnownBeta::OfAll,
            _ => KnownBeta::Same,
        };
        let masks = groups.iter().map(|(mask, _)| *mask);
        let beta = together.beta.map_or_else(|| beta_of_some(memory, masks, of), Ok)?;
        let recall = in_one_pass(memory, queries, row, options, together.compare, (beta, of))?;
        return Ok(without_the_complete(recall, row));
    }
    let mut whole: Option<Recall> = None;
    let mut order = Vec::with_capacity(b);
    for (mask, rows) in groups {
        let part = of_mask(memory, queries, mask, &rows, options)?;
        order.extend(rows);
        match &mut whole {
            Some(whole) => whole.extend(part)?,
            None => whole = Some(part),
        }
    }
    match whole {
        Some(whole) => Ok(without_the_complete(whole.in_order(&order)?, row)),
        // Of no queries.
        None => memory.recall_with(queries, &RecallOptions { known: None, ..options.clone() }),
    }
}

/// Queries of which all is known have nothing that could move.
fn without_the_complete<'m>(mut recall: Recall, mask: impl Fn(usize) -> &'m [bool]) -> Recall {
    for (i, status) in recall.status.iter_mut().enumerate() {
        if *status == Status::Converged && !mask(i).contains(&false) {
            *status = Status::Inert;
        }
    }
    recall
}

/// The largest `beta` that some of the masks need, or that all coordinates would have by that.
fn beta_of_some<'m>(
    memory: &dyn Marginal,
    masks: impl ExactSizeIterator<Item = &'m [bool]>,
    of: KnownBeta,
) -> Result<f32> {
    const LOOKED_AT: usize = 4;
    let (every, patterns) = (masks.len().div_ceil(LOOKED_AT), memory.stored()?.patterns);
    let mut most = f32::MIN_POSITIVE;
    for mask in masks.step_by(every) {
        let columns: Vec<usize> = (0..mask.len()).filter(|j| mask[*j]).collect();
        let part = memory.of_columns(&picked(&patterns, &columns)?, &columns)?;
        if let Some(choice) = part.automatic_beta()? {
            most = most.max(choice.beta / of.factor(mask.iter().map(|known| !known)));
        }
    }
    Ok(most)
}

/// What is known of queries whose known coordinates are the same for all, by these; `None` where they are others for each.
pub(super) fn describe(
    memory: &dyn Marginal,
    queries: &Rows<'_>,
    known: &[bool],
    options: &RecallOptions<'_>,
) -> Result<Option<QueryReport>> {
    let (b, d) = (queries.rows(), memory.dim());
    check(memory, queries, known, options)?;
    let Some(first) =
        known.get(..d).filter(|first| b > 0 && known.chunks_exact(d).all(|mask| mask == *first))
    else {
        return Ok(None);
    };
    let columns: Vec<usize> = (0..d).filter(|j| first[*j]).collect();
    let part = memory.cache().get(Some(first), || part_of(memory, first))?;
    part.describe_queries(&picked(queries, &columns)?, &asked(options))
}

/// Refuses what does not go together, queries of which nothing is known, and known values that are not finite.
fn check(
    memory: &dyn Marginal,
    queries: &Rows<'_>,
    known: &[bool],
    options: &RecallOptions<'_>,
) -> Result<()> {
    let (b, d) = (queries.rows(), memory.dim());
    if memory.is_empty() {
        return Err(Error::EmptyMemory);
    }
    if b > 0 && queries.columns() != d {
        return Err(Error::dimension("columns of queries (as patterns have)", queries.columns(), d));
    }
    if known.len() != d && known.len() != b * d {
        let what = format!("entries of the known coordinates ({d}, or {d} for each of {b} queries)");
        return Err(Error::dimension(what, known.len(), d));
    }
    if options.clamp.is_some() {
        let want = "left out where coordinates are known: those stay as they are, and only they are compared";
        return Err(Error::parameter("clamp", "given", want));
    }
    if options.step_size != 1.0 {
        let want = "1 where coordinates are known: the others are read out at once";
        return Err(Error::parameter("step size", options.step_size, want));
    }
    for (i, query) in queries.iter().enumerate() {
        let mask = if known.len() == d { known } else { &known[i * d..(i + 1) * d] };
        if !mask.contains(&true) {
            return Err(Error::parameter(
                "known coordinates",
                format!("none (queries, row {i})"),
                "at least one",
            ));
        }
        let wrong = |j: &usize| mask[*j] && !query[*j].is_finite();
        if let Some(column) = (0..d).find(wrong) {
            return Err(Error::NonFinite { what: "queries".into(), row: i, column, value: query[column] });
        }
    }
    Ok(())
}

/// What is asked of the memory of the known coordinates: what it says of the queries as they are.
fn asked<'a>(options: &RecallOptions<'a>) -> RecallOptions<'a> {
    RecallOptions { steps: 0, tolerance: None, clamp: None, known: None, trace: false, ..options.clone() }
}

/// Columns of rows.
fn picked(rows: &Rows<'_>, columns: &[usize]) -> Result<Rows<'static>> {
    let values: Vec<f32> = rows.iter().flat_map(|row| columns.iter().map(move |j| row[*j])).collect();
    Rows::new(values, columns.len())
}

/// Rows side by side.
pub(super) fn beside(left: &Rows<'_>, right: Option<&Rows<'_>>) -> Result<Rows<'static>> {
    let Some(right) = right else { return Ok(left.clone().into_owned()) };
    let joined: Vec<f32> =
        left.iter().zip(right.iter()).flat_map(|(a, b)| a.iter().chain(b)).copied().collect();
    Rows::new(joined, left.columns() + right.columns())
}

/// The memory of the known columns alone, with the others and what is associated as its values.
fn part_of(memory: &dyn Marginal, mask: &[bool]) -> Result<Box<dyn Marginal>> {
    let (columns, others): (Vec<usize>, Vec<usize>) = (0..mask.len()).partition(|j| mask[*j]);
    let Stored { patterns, values } = memory.stored()?;
    let mut part = memory.of_columns(&picked(&patterns, &columns)?, &columns)?;
    if !memory.is_of_bits() && (!others.is_empty() || values.is_some()) {
        part.associate(&match others.is_empty() {
            true => values.unwrap_or_else(|| Rows::empty(0)),
            false => beside(&picked(&patterns, &others)?, values.as_ref())?,
        })?;
    }
    Ok(part)
}

/// The recall of the queries of one mask.
fn of_mask(
    memory: &dyn Marginal,
    queries: &Rows<'_>,
    mask: &[bool],
    rows: &[usize],
    options: &RecallOptions<'_>,
) -> Result<Recall> {
    let (columns, others): (Vec<usize>, Vec<usize>) = (0..mask.len()).partition(|j| mask[*j]);
    let bits = memory.is_of_bits();
    let part = memory.cache().get(Some(mask), || part_of(memory, mask))?;
    let asking: Vec<f32> = rows.iter().flat_map(|i| columns.iter().map(|j| queries[(*i, *j)])).collect();
    let asking = Rows::new(asking, columns.len())?;
    let plain = asked(options);
    // Fields of bits are sums over all patterns.
    let inner = if bits { RecallOptions { top_k: Some(memory.len()), ..plain.clone() } } else { plain };
    let mut found = part.recall_with(&asking, &inner)?;
    let read = match bits {
        true => fields(memory, &found, &others)?,
        false => found.values.take().unwrap_or_else(|| Rows::empty(others.len())),
    };
    if bits {
        found = found.shortened(options.top_k.unwrap_or(5.min(memory.len())));
    }
    let (total, states) = (memory.total(), rows.iter().map(|i| queries.row(*i)));
    finish(found, states, &others, &read, total, bits, options)
}

/// Fields of bits `[b, others]`, from the weights of all patterns.
fn fields(memory: &dyn Marginal, found: &Recall, others: &[usize]) -> Result<Rows<'static>> {
    let patterns = memory.stored()?.patterns;
    let mut fields = Vec::with_capacity(found.len() * others.len());
    for i in 0..found.len() {
        let mut of_query = vec![0.0_f64; others.len()];
        for (k, weight) in found.top(i) {
            let row = patterns.row(k as usize);
            of_query.iter_mut().zip(others).for_each(|(f, j)| *f += f64::from(weight) * f64::from(row[*j]));
        }
        fields.extend(of_query.into_iter().map(|f| f as f32));
    }
    Rows::new(fields, others.len().max(1))
}

/// What the user gets: `read` `[b, others + v]` holds the coordinates that are not known, and values.
fn finish<'q>(
    mut found: Recall,
    queries: impl Iterator<Item = &'q [f32]>,
    others: &[usize],
    read: &Rows<'_>,
    total: f32,
    bits: bool,
    options: &RecallOptions<'_>,
) -> Result<Recall> {
    let (b, moves) = (found.len(), options.steps > 0);
    let mut states = Vec::new();
    for (i, query) in queries.enumerate() {
        let mut state = query.to_vec();
        let halted = found.status[i] == Status::OutOfSupport;
        if moves && !halted && !others.is_empty() {
            for (j, v) in others.iter().zip(read.row(i)) {
                state[*j] = match bits {
                    // A field of 0 says nothing: the bit stays, where it is one.
                    true if *v == 0.0 => {
                        if state[*j] == -1.0 {
                            -1.0
                        } else {
                            1.0
                        }
                    }
                    true => v.signum(),
                    false => v / total,
                };
            }
        }
        found.status[i] = match () {
            () if halted => Status::OutOfSupport,
            () if moves && state.iter().any(|v| !v.is_finite()) => Status::NonFinite,
            () if moves => Status::Converged,
            () => Status::MaxSteps,
        };
        states.extend(state);
    }
    let width = states.len().checked_div(b).unwrap_or(0);
    found.states = Rows::new(states, width)?;
    found.steps =
        found.status.iter().map(|status| u32::from(moves && *status != Status::OutOfSupport)).collect();
    let trace = |(e, steps): (&f32, &u32)| vec![*e; *steps as usize + 1];
    found.trace = options.trace.then(|| found.energy.iter().zip(&found.steps).map(trace).collect());
    let values = read.columns().saturating_sub(others.len());
    found.values = match values {
        0 => None,
        _ if bits => None,
        v => {
            let of_values = read.iter().flat_map(|row| &row[others.len()..]).copied().collect::<Vec<f32>>();
            Some(Rows::new(of_values, v)?)
        }
    };
    Ok(found)
}

/// The recall of queries with masks of their own, compared with patterns that are the same for all.
fn in_one_pass<'m>(
    memory: &dyn Marginal,
    queries: &Rows<'_>,
    mask: impl Fn(usize) -> &'m [bool],
    options: &RecallOptions<'_>,
    compare: Compare,
    (beta, of): (f32, KnownBeta),
) -> Result<Recall> {
    let (b, d) = (queries.rows(), memory.dim());
    let unknown = if compare == Compare::Differences { f32::NAN } else { 0.0 };
    let asking = (0..b).flat_map(|i| {
        let (row, mask) = (queries.row(i), mask(i));
        (0..d).map(move |j| if mask[j] { row[j] } else { unknown })
    });
    let asking = Rows::new(asking.collect::<Vec<f32>>(), d)?;
    let inner = asked(options);
    let mut found = match compare {
        Compare::Differences if memory.device().as_gpu().is_none() => {
            memory.by_differences(&asking, (beta, of), &inner)?
        }
        // No GPU has a kernel for it.
        Compare::Differences => {
            let part = memory.cache().get(None, || memory.on_host())?;
            part.by_differences(&asking, (beta, of), &inner)?
        }
        Compare::Products => {
            let part = memory.cache().get(None, || {
                let Stored { patterns, values } = memory.stored()?;
                let columns: Vec<usize> = (0..d).collect();
                let mut part = memory.of_columns(&patterns, &columns)?;
                part.associate(&beside(&patterns, values.as_ref())?)?;
                Ok(part)
            })?;
            part.recall_with(&asking, &RecallOptions { beta: Some(beta), ..inner })?
        }
    };
    let read = found.values.take().unwrap_or_else(|| Rows::empty(d));
    // All coordinates were read out; those that are known stay.
    let mut complete =
        finish(found, queries.iter(), &(0..d).collect::<Vec<usize>>(), &read, 1.0, false, options)?;
    let mut states = complete.states.into_vec();
    for (i, state) in states.chunks_exact_mut(d).enumerate() {
        let kept = state.iter_mut().zip(queries.row(i)).zip(mask(i)).filter(|(_, known)| **known);
        kept.for_each(|((v, x), _)| *v = *x);
    }
    complete.states = Rows::new(states, d)?;
    Ok(complete)
}

impl Recall {
    /// This recall with lists of `k` patterns, where they are longer.
    fn shortened(self, k: usize) -> Self {
        let (b, found) = (self.len(), self.top_k);
        if k >= found {
            return self;
        }
        let kept = |i: usize| i * found..i * found + k;
        let indices = (0..b).flat_map(|i| self.indices[kept(i)].to_vec()).collect();
        let weights = (0..b).flat_map(|i| self.weights[kept(i)].to_vec()).collect();
        Self { indices, weights, top_k: k, ..self }
    }

    /// This recall, whose rows are those of the numbers `order`, in the order of their numbers.
    fn in_order(self, order: &[usize]) -> Result<Self> {
        if order.is_sorted() {
            return Ok(self);
        }
        let mut places = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, i)| places[*i] = at);
        let of = |width: usize| places.iter().flat_map(move |at| at * width..(at + 1) * width);
        let each = |values: &[f32], width: usize| of(width).map(|at| values[at]).collect::<Vec<f32>>();
        let rows = |rows: &Rows<'_>| Rows::new(each(rows.as_slice(), rows.columns()), rows.columns());
        let per_query = |values: &[f32]| if values.is_empty() { Vec::new() } else { each(values, 1) };
        Ok(Self {
            states: rows(&self.states)?,
            energy: per_query(&self.energy),
            trace: self.trace.map(|trace| places.iter().map(|at| trace[*at].clone()).collect()),
            steps: places.iter().map(|at| self.steps[*at]).collect(),
            status: places.iter().map(|at| self.status[*at]).collect(),
            indices: of(self.top_k).map(|at| self.indices.get(at).copied().unwrap_or(NO_PATTERN)).collect(),
            weights: each(&self.weights, self.top_k),
            effective: per_query(&self.effective),
            support: self.support.map(|support| places.iter().map(|at| support[*at]).collect()),
            values: self.values.as_ref().map(rows).transpose()?,
            ..self
        })
    }
}
