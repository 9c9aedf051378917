//! One memory on several devices.

use super::{DenseMemory, Memory, Recall, RecallOptions, dense::Limits};
use crate::{
    Device, Error, Result, Rows, ToRows,
    contract::{Carry, Form, Outcome, Plan, settle},
    ops::{Similarity, check_beta, report},
};
use rayon::prelude::*;
use std::{ops::Range, thread};

/// A dense memory whose patterns are spread over several devices: each has an equal share of the rows, and
/// all work on every step. What they find merges on the host, a few numbers a query, so a step takes
/// one trip to each device.
///
/// ```
/// use attractor::{memory::SpreadMemory, ops::Similarity, prelude::*};
/// // As well several GPUs, or a GPU and the CPU.
/// let devices = [Device::cpu(), Device::cpu()];
/// let patterns = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
/// let memory = SpreadMemory::new(&patterns, &devices, Similarity::L2, 20.0)?;
/// assert_eq!(memory.recall(&[[0.9, 0.2]])?.indices[0], 1);
/// # Ok::<(), attractor::Error>(())
/// ```
pub struct SpreadMemory {
    parts: Vec<DenseMemory>,
    similarity: Similarity,
    beta: f32,
}

impl SpreadMemory {
    /// A memory of patterns `[n, d]` on these devices, which may be of different kinds.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] without devices or for `beta <= 0`; otherwise as [`DenseMemory::new`].
    pub fn new<P: ToRows + ?Sized>(
        patterns: &P,
        devices: &[Device],
        similarity: Similarity,
        beta: f32,
    ) -> Result<Self> {
        check_beta(beta)?;
        let rows = patterns.to_rows()?;
        if rows.rows() == 0 {
            return Err(Error::EmptyMemory);
        }
        if devices.is_empty() {
            return Err(Error::parameter("number of devices", 0, "at least 1"));
        }
        let share = rows.rows().div_ceil(devices.len());
        let parts = devices.iter().zip((0..rows.rows()).step_by(share)).map(|(device, start)| {
            let part = rows.slice(start..(start + share).min(rows.rows()));
            DenseMemory::builder().device(device).similarity(similarity).beta(beta).build(&part)
        });
        Ok(Self { parts: parts.collect::<Result<_>>()?, similarity, beta })
    }

    /// The devices that hold patterns, with how many each has.
    ///
    /// ```
    /// use attractor::{Device, memory::SpreadMemory, ops::Similarity};
    /// let devices = [Device::cpu(), Device::cpu()];
    /// let memory = SpreadMemory::new(&[[0.0], [1.0], [2.0]], &devices, Similarity::L2, 1.0)?;
    /// assert_eq!(memory.shares().map(|(_, n)| n).collect::<Vec<_>>(), [2, 1]);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn shares(&self) -> impl Iterator<Item = (&Device, usize)> {
        self.parts.iter().map(|part| (part.device(), part.len()))
    }

    /// The parts with the numbers of their patterns.
    fn ranges(&self) -> impl Iterator<Item = (&DenseMemory, Range<usize>)> {
        self.parts.iter().scan(0, |first, part| {
            let range = *first..*first + part.len();
            *first = range.end;
            Some((part, range))
        })
    }

    /// What each part that has eligible patterns makes of the plan, all at the same time; with the number of
    /// its first pattern.
    fn ask(
        &self,
        queries: &Rows<'_>,
        beta: f32,
        mask: Option<&[bool]>,
        plan: &Plan<'_>,
    ) -> Result<Vec<(u32, Outcome)>> {
        let asked = self.ranges().map(|(part, range)| (part, range.start, mask.map(|m| &m[range])));
        let asked: Vec<_> = asked.filter(|(part, _, mask)| part.eligible(*mask).0 > 0).collect();
        let run = |(part, first, mask): (&DenseMemory, usize, Option<&[bool]>)| {
            let plan = Plan { top_k: plan.top_k.min(part.eligible(mask).0), ..*plan };
            Ok((first as u32, part.partial(queries, beta, mask, &plan)?))
        };
        if rayon::current_thread_index().is_some() {
            // Threads of their own would wait for rayon's, which all may be waiting here.
            return asked.into_par_iter().map(run).collect();
        }
        thread::scope(|scope| {
            let run = &run;
            let start = |part| thread::Builder::new().spawn_scoped(scope, move || run(part));
            let started: Vec<_> = asked.into_iter().map(|part| (part, start(part))).collect();
            let lost =
                |_| Err(Error::Gpu { what: "recall".into(), message: "a thread of it has failed".into() });
            let answer =
                |(part, started): (_, std::io::Result<thread::ScopedJoinHandle<'_, _>>)| match started {
                    Ok(thread) => thread.join().unwrap_or_else(lost),
                    // Where the system makes no more threads, this one does it.
                    Err(_) => run(part),
                };
            started.into_iter().map(answer).collect()
        })
    }

    /// What queries and options are held against.
    fn limits(&self) -> Limits {
        let largest = self.parts.iter().map(|part| part.limits().largest).fold(0.0, f32::max);
        let live = self.parts.iter().map(DenseMemory::live).sum();
        Limits { patterns: self.len(), live, dim: self.dim(), similarity: self.similarity, largest }
    }

    /// The energy's form over all eligible patterns.
    fn form(&self, beta: f32, mask: Option<&[bool]>) -> Result<Form> {
        let eligible = self.ranges().map(|(part, range)| part.eligible(mask.map(|m| &m[range])));
        let (count, widest) = eligible.fold((0, 0.0_f32), |a, b| (a.0 + b.0, a.1.max(b.1)));
        match count {
            0 => Err(Error::NoEligiblePattern { patterns: self.len() }),
            _ => Ok(Form::new(self.similarity, beta, count, widest)),
        }
    }

    /// The energy of a state from what all patterns together have found.
    fn energy_of(&self, form: Form, carry: Carry, x: &[f32]) -> f32 {
        let own: f64 = match self.similarity {
            // Its carries have the state's own part in them.
            Similarity::L2 => 0.0,
            _ => x.iter().map(|v| f64::from(*v).powi(2)).sum(),
        };
        carry.energy(form, own)
    }

    fn run(&self, rows: &Rows<'_>, beta: f32, mask: Option<&[bool]>, plan: &Plan<'_>) -> Result<Outcome> {
        self.limits().check(rows, mask)?;
        check_beta(beta)?;
        let form = self.form(beta, mask)?;
        let (b, d) = (rows.rows(), self.dim());
        if b == 0 {
            return Ok(Outcome::default());
        }
        let total = b as u64 * (u64::from(plan.steps) + 1);
        let tell = |done: u64| report(plan.progress, done, total);
        let mut out = Outcome::start(rows, plan);
        let energy = |carry: Carry, x: &[f32]| self.energy_of(form, carry, x);
        let pass = |states: Vec<f32>| {
            let found = self.ask(&Rows::new(states.as_slice(), d)?, beta, mask, &Plan::step())?;
            let merged = (0..states.len() / d).map(|i| merged(&found, i, d));
            let (carries, means): (Vec<Carry>, Vec<Vec<f32>>) = merged.unzip();
            Ok((carries, means.concat()))
        };
        settle(&mut out, d, plan, b, energy, pass, tell)?;
        let states = Rows::new(out.states.clone(), d)?;
        let found = self.ask(&states, beta, mask, &Plan::evaluation(plan.top_k))?;
        out.form = found.iter().map(|part| part.1.form).max().unwrap_or_default();
        for (i, x) in states.iter().enumerate() {
            let (carry, _) = merged(&found, i, 0);
            out.conclude(carry, energy(carry, x));
            for (index, score) in best(&found, i, b, plan.top_k) {
                out.indices.push(index);
                out.weights.push(carry.weight(score));
            }
        }
        tell(total)?;
        Ok(out)
    }
}

/// The carry of query `i` over the patterns of all parts, and its weighted mean `[d]` of them.
fn merged(found: &[(u32, Outcome)], i: usize, d: usize) -> (Carry, Vec<f32>) {
    let mut whole = Carry::EMPTY;
    let mut sum = vec![0.0_f64; d];
    for (_, part) in found {
        let carry = part.carries[i];
        let (together, before, share) = whole.merge(carry);
        for (sum, mean) in sum.iter_mut().zip(&part.states[i * d..(i + 1) * d]) {
            *sum = before * *sum + share * carry.l * f64::from(*mean);
        }
        whole = together;
    }
    (whole, sum.iter().map(|s| (s / whole.l) as f32).collect())
}

/// The best patterns of query `i` of `b` with their scores, best first, equal ones by lowest number.
fn best(found: &[(u32, Outcome)], i: usize, b: usize, k: usize) -> Vec<(u32, f64)> {
    let mut all: Vec<(u32, f64)> = Vec::new();
    for (first, part) in found {
        let per_query = part.indices.len() / b;
        let range = i * per_query..(i + 1) * per_query;
        all.extend(
            part.indices[range.clone()].iter().map(|k| first + k).zip(part.scores[range].iter().copied()),
        );
    }
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.truncate(k);
    all
}

impl Memory for SpreadMemory {
    fn len(&self) -> usize {
        self.parts.iter().map(DenseMemory::len).sum()
    }

    fn dim(&self) -> usize {
        self.parts[0].dim()
    }

    /// The first of them.
    fn device(&self) -> &Device {
        self.parts[0].device()
    }

    /// The new patterns go to the last device, so that the numbers of the others stay.
    fn append(&mut self, patterns: &dyn ToRows) -> Result<()> {
        match self.parts.last_mut() {
            Some(part) => part.append(patterns),
            None => Err(Error::EmptyMemory),
        }
    }

    fn recall_with(&self, queries: &dyn ToRows, options: &RecallOptions<'_>) -> Result<Recall> {
        let rows = queries.to_rows()?;
        let limits = self.limits();
        let plan = limits.plan(options, rows.rows())?;
        let beta = options.beta.unwrap_or(self.beta);
        let outcome = self.run(&rows, beta, options.mask, &plan)?;
        Recall::of(outcome, &plan, self.dim(), beta)?.listing(limits.listed(options)?)
    }

    fn energy(&self, states: &dyn ToRows) -> Result<Vec<f32>> {
        Ok(self.run(&states.to_rows()?, self.beta, None, &Plan::evaluation(0))?.energy)
    }
}
