//! Going through a plan: cells, rows that stop early, points with their intervals.

use super::{
    Banks, Cell, Corruption, Criterion, Mixing, Model, Plan, Series, Trials,
    corruption::Damage,
    cues::Cues,
    decode,
    ensemble::{copies, in_order},
    generated, radius,
    recall::{Way, is_divergence, last_beta, mixing, recall},
    theory::{bits_of_bits, cue_bits, identity_bits},
};
use crate::{
    Result, Rows, SharedRows,
    memory::{Beta, EnergySettings, Memory, Order},
    ops::{Bank, Progress, Similarity, go_on},
};
use std::{collections::HashMap, ops::ControlFlow, sync::Arc, time::Instant};

/// Where finished cells are kept, so that an experiment that was stopped goes on.
pub trait Journal {
    /// The cell of a key, if it was finished before.
    fn find(&self, key: &str) -> Option<Cell>;

    /// Keeps a finished cell.
    ///
    /// # Errors
    /// Those of the place where cells are kept.
    fn keep(&mut self, key: &str, cell: &Cell) -> Result<()>;
}

/// Cells in memory alone.
impl Journal for HashMap<String, Cell> {
    fn find(&self, key: &str) -> Option<Cell> {
        self.get(key).cloned()
    }

    fn keep(&mut self, key: &str, cell: &Cell) -> Result<()> {
        self.insert(key.to_owned(), cell.clone());
        Ok(())
    }
}

/// All seeds of one row at one number of patterns, by one criterion.
#[derive(Clone, Debug)]
pub struct Point {
    /// The number of patterns.
    pub n: u64,
    /// When a recall counts as a success.
    pub criterion: Criterion,
    /// How many queries, and how many of them succeeded.
    pub trials: Trials,
    /// The same seed by seed.
    pub seeds: Vec<Trials>,
    /// Share of success where equally near patterns are drawn for, exactly (the nearest pattern alone).
    pub shared: Option<f64>,
    /// Bits per dimension that recalls of all patterns add to what their cues say: of bits `N ((1 - H(w)) - I)`, with the share `w` of wrong bits at
    /// the end and what a cue says of a bit, `I` ([`theory::cue_bits`](super::theory::cue_bits)); of real patterns the bits of knowing which one it is.
    pub bits_per_neuron: f64,
    /// The same per number that the memory keeps.
    pub bits_per_parameter: f64,
    /// Everything else, over all seeds.
    pub cell: Cell,
}

/// A row of the grid with its points, by criterion and ascending numbers of patterns.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The row.
    pub series: Series,
    /// Points of each criterion of the plan, in its order.
    pub points: Vec<Vec<Point>>,
    /// Whether the row ended before the largest number of patterns, because next to nothing succeeded any more.
    pub stopped: bool,
}

impl Point {
    /// The trials bank by bank: a seed is one.
    pub fn banks(&self) -> Banks {
        Banks { n: self.n, trials: self.seeds.clone() }
    }
}

impl Outcome {
    /// Trials against numbers of patterns, by one criterion.
    pub fn curve(&self, criterion: usize) -> Vec<Banks> {
        self.points.get(criterion).map_or(Vec::new(), |p| p.iter().map(Point::banks).collect())
    }
}

/// Share below which a row is hopeless, twice in a row.
const HOPELESS: f64 = 0.05;

/// Runs a plan. The rows come out by dimension, corruption, memory, temperature and schedule.
///
/// # Errors
/// Those of [`Plan::check`], of the memories, and of the journal; [`Error::Interrupted`](crate::Error::Interrupted) where `progress` asks for it, which it is within a cell too:
/// the journal has what was finished. A memory whose output leaves the finite numbers is no error: its queries have
/// failed.
///
/// ```
/// use attractor::{Device, capacity::{Model, Plan, run}};
/// use std::collections::HashMap;
/// let mut plan = Plan::new(Model::Nearest, Device::cpu());
/// (plan.n, plan.queries) = (vec![4, 16], 20);
/// let outcomes = run(&plan, &mut HashMap::new(), None)?;
/// assert_eq!(outcomes[0].curve(0)[0].all().trials, 60);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn run(plan: &Plan, journal: &mut dyn Journal, progress: Option<Progress<'_>>) -> Result<Vec<Outcome>> {
    plan.check()?;
    let mut outcomes = Vec::new();
    let rows: usize = plan.models.iter().map(|m| if m.takes_beta() { plan.heats.len() } else { 1 }).sum();
    // In units of patterns times dimensions, as the time goes.
    let size = |n: u64, d: usize| (n as f64 * d as f64).max(1e4) / 1e4;
    let all: f64 = plan.d.iter().flat_map(|d| plan.n.iter().map(|n| size(*n, *d))).sum();
    let total = all * (rows * plan.corruptions.len()) as f64;
    let mut done = 0.0;
    for d in &plan.d {
        for corruption in &plan.corruptions {
            let mut block = Block::new(plan, *corruption, *d);
            for n in &plan.n {
                let share = size(*n, *d) * rows as f64;
                let tell = |part: f64| {
                    let done = (done + part * share).min(total) as u64;
                    progress.map_or(ControlFlow::Continue(()), |progress| progress(done, total.ceil() as u64))
                };
                block.advance(*n, journal, &tell)?;
                go_on(tell(1.0))?;
                done += share;
            }
            outcomes.extend(block.rows.into_iter().map(|row| row.outcome));
        }
    }
    Ok(outcomes)
}

/// Told of the share of a number of patterns that is done, and asked whether to go on.
type Tell<'a> = &'a (dyn Fn(f64) -> ControlFlow<()> + Sync);

/// All rows at one dimension and one corruption: they share patterns and queries.
struct Block<'a> {
    plan: &'a Plan,
    corruption: Corruption,
    d: usize,
    rows: Vec<Running>,
}

struct Running {
    outcome: Outcome,
    hopeless: u32,
}

/// Patterns and queries of one number of patterns and one seed.
struct Given {
    patterns: Patterns,
    copies: u64,
    cues: Cues,
    /// Which rows of a file the patterns are, where they are those of a file.
    order: Option<Vec<usize>>,
}

enum Patterns {
    Stored(Arc<Vec<f32>>),
    Generated(Bank),
}

impl<'a> Block<'a> {
    fn new(plan: &'a Plan, corruption: Corruption, d: usize) -> Self {
        let running = |series| {
            let points = vec![Vec::new(); plan.criteria.len()];
            Running { outcome: Outcome { series, points, stopped: false }, hopeless: 0 }
        };
        let rows = plan.series(corruption, d).into_iter().map(running).collect();
        Self { plan, corruption, d, rows }
    }

    /// Takes all rows that go on to the next number of patterns.
    fn advance(&mut self, n: u64, journal: &mut dyn Journal, tell: Tell<'_>) -> Result<()> {
        let going: Vec<usize> = (0..self.rows.len()).filter(|i| !self.rows[*i].outcome.stopped).collect();
        let mut cells: Vec<Vec<Cell>> = vec![Vec::new(); going.len()];
        let all = (self.plan.seeds.len() * going.len()).max(1) as f64;
        for (s, seed) in self.plan.seeds.iter().enumerate() {
            // Made for the first row that needs them.
            let mut given = None;
            for (at, row) in going.iter().enumerate() {
                let series = &self.rows[*row].outcome.series;
                let before = (s * going.len() + at) as f64;
                go_on(tell(before / all))?;
                let key = self.key(series, n, *seed);
                let cell = match journal.find(&key) {
                    Some(cell) => cell,
                    None => {
                        let given = match &given {
                            Some(given) => given,
                            None => given.insert(self.give(n, *seed)?),
                        };
                        let cell = self.cell(series, given, &|part| tell((before + part) / all))?;
                        journal.keep(&key, &cell)?;
                        cell
                    }
                };
                cells[at].push(cell);
            }
        }
        for (row, cells) in going.into_iter().zip(cells) {
            let running = &mut self.rows[row];
            let mut best = 0.0_f64;
            for (c, criterion) in self.plan.criteria.iter().enumerate() {
                let point = point(&running.outcome.series, self.plan, n, (c, *criterion), &cells);
                best = best.max(point.trials.share());
                running.outcome.points[c].push(point);
            }
            running.hopeless = if best < HOPELESS { running.hopeless + 1 } else { 0 };
            running.outcome.stopped =
                self.plan.stops && running.hopeless >= 2 && self.plan.n.last().is_some_and(|last| n < *last);
        }
        Ok(())
    }

    /// What names a cell among all that this or another plan may have.
    fn key(&self, series: &Series, n: u64, seed: u64) -> String {
        let plan = self.plan;
        let heat = series.heat.map_or(String::new(), |h| h.to_string());
        let similarity = plan.similarity.map_or("l2", Similarity::name);
        let order = if series.model.is_binary() {
            plan.order.unwrap_or(Order::Synchronous).to_string()
        } else {
            String::new()
        };
        let criteria: Vec<String> = plan.criteria.iter().map(ToString::to_string).collect();
        format!(
            "{}|{}{}|{}|d{}|{heat}|{}|{similarity}|{order}|{}n{n}|s{seed}|q{}|m{}|{}|{}",
            series.model,
            plan.ensemble,
            // Of a file, what is in it.
            plan.ensemble.checksum().map_or(String::new(), |sum| format!(" {sum:08x}")),
            // Of images, the range that noise is clamped to.
            match self.range() {
                Some([low, high]) if series.corruption.is_clamped() && [low, high] != [0.0, 1.0] => {
                    format!("{} in {low}..{high}", series.corruption)
                }
                _ => series.corruption.to_string(),
            },
            series.d,
            series.schedule,
            if plan.generates(n, series.d) { "generated|" } else { "" },
            plan.queries,
            plan.mixing,
            criteria.join(","),
            plan.device
        )
    }

    /// The range of the values of patterns, where it is known.
    fn range(&self) -> Option<[f32; 2]> {
        self.plan.ensemble.range()
    }

    fn give(&self, n: u64, seed: u64) -> Result<Given> {
        let Plan { ensemble, queries, .. } = self.plan;
        let damage = Damage { corruption: self.corruption, range: self.range() };
        if self.plan.generates(n, self.d)
            && let Some(bank) = ensemble.bank(seed, self.d, n)?
        {
            let cues = generated::cues(&bank, seed, *queries, damage)?;
            return Ok(Given { patterns: Patterns::Generated(bank), copies: 0, cues, order: None });
        }
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        let rows = ensemble.rows(seed, self.d, n)?;
        let cues = Cues::new(seed, n, *queries, damage, self.d, |i| Ok(rows.row(i).to_vec()))?;
        let copies = copies(&rows) as u64;
        let order = ensemble.order(seed, self.d, n);
        Ok(Given { patterns: Patterns::Stored(Arc::new(rows.into_vec())), copies, cues, order })
    }

    /// One memory, one number of patterns, one seed.
    fn cell(&self, series: &Series, given: &Given, tell: Tell<'_>) -> Result<Cell> {
        let Plan { device, criteria, .. } = self.plan;
        let cues = &given.cues;
        let stored = match &given.patterns {
            Patterns::Generated(bank) => {
                let progress = |done: u64, total: u64| tell(done as f64 / total.max(1) as f64);
                let beta = series.beta(&self.plan.ensemble);
                return generated::cell(series, bank, cues, beta, device, criteria, Some(&progress));
            }
            Patterns::Stored(stored) => stored,
        };
        let patterns = Rows::new(&stored[..], self.d)?;
        // What is wrong with a pattern is said of the row of the file.
        let named = |error| in_order(error, given.order.as_deref());
        let Model::Nearest = series.model else {
            let shared: SharedRows = stored.clone();
            let progress = |_, _| tell(0.0);
            let cell = self.recalled(series, cues, shared, &patterns, &progress).map_err(named)?;
            return Ok(Cell { copies: given.copies, ..cell });
        };
        let kind = self.plan.similarity.unwrap_or(Similarity::L2);
        let started = Instant::now();
        let found = decode::nearest(device, &cues.queries, &patterns, &cues.targets, kind).map_err(named)?;
        let seconds = started.elapsed().as_secs_f64();
        let winners: Vec<f32> = found.iter().flat_map(|f| patterns.row(f.best)).copied().collect();
        let cell = Cell::of_nearest(&found, &Rows::new(winners, self.d)?, cues, criteria);
        Ok(Cell { seconds, copies: given.copies, ..cell })
    }

    fn recalled(
        &self,
        series: &Series,
        cues: &Cues,
        shared: SharedRows,
        patterns: &Rows<'_>,
        progress: Progress<'_>,
    ) -> Result<Cell> {
        let plan = self.plan;
        let beta = series.beta(&plan.ensemble).map(|b| b as f32);
        let Some(memory) = memory_of(plan, series, shared)? else {
            return Ok(Cell::lost(cues, &plan.criteria));
        };
        let way = Way {
            schedule: series.schedule,
            beta,
            length: plan.ensemble.squared_length(self.d).sqrt(),
            // Bits are judged by where they are; of a mixture, the weights that made it tell which pattern was found.
            weights_of_update: series.model.takes_beta(),
            names_patterns: series.model.names_patterns(),
            progress: Some(progress),
        };
        let started = Instant::now();
        let ended = match recall(&*memory, cues, patterns, &way) {
            Ok(ended) => ended,
            Err(error) if is_divergence(&error) => return Ok(Cell::lost(cues, &plan.criteria)),
            Err(error) => return Err(error),
        };
        let seconds = started.elapsed().as_secs_f64();
        let mut cell = Cell::judged(&ended, cues, &plan.criteria);
        for (count, criterion) in cell.successes.iter_mut().zip(&plan.criteria) {
            if let Criterion::Ball(r) = criterion {
                // A test of storage: it asks nothing of the queries but which patterns they are of.
                let stored = radius::stored(&*memory, patterns, &cues.targets, *r, &way, cues.key)?;
                *count = stored.into_iter().filter(|s| *s).count() as u64;
            }
        }
        cell.seconds = seconds;
        cell.beta = series.model.takes_beta().then(|| f64::from(ended.beta));
        if plan.mixing > 0 && way.names_patterns {
            cell.mixing = mixing(&*memory, &ended, plan.mixing, last_beta(series.schedule, beta))?;
        }
        Ok(cell)
    }
}

/// The memory of a row for some patterns; `None` for the nearest pattern, which is none.
pub(super) fn memory_of(
    plan: &Plan,
    series: &Series,
    patterns: SharedRows,
) -> Result<Option<Box<dyn Memory>>> {
    let settings = EnergySettings {
        device: Some(plan.device.clone()),
        similarity: plan.similarity,
        order: Some(plan.order.unwrap_or(Order::Synchronous)),
        ..EnergySettings::default()
    };
    let heat = series.beta(&plan.ensemble).map_or(Beta::Auto, |b| Beta::Fixed(b as f32));
    series.model.memory(patterns, series.d, heat, &settings)
}

/// All seeds together.
fn point(series: &Series, plan: &Plan, n: u64, (at, criterion): (usize, Criterion), cells: &[Cell]) -> Point {
    let seeds: Vec<Trials> = cells
        .iter()
        .map(|c| Trials { trials: c.trials, successes: c.successes.get(at).copied().unwrap_or(0) })
        .collect();
    let trials = seeds.iter().fold(Trials::default(), |a, b| a.and(*b));
    let all = trials.trials.max(1) as f64;
    let mean = |of: &dyn Fn(&Cell) -> f64| cells.iter().map(|c| of(c) * c.trials as f64).sum::<f64>() / all;
    let mixed: Vec<&Mixing> = cells.iter().filter_map(|c| c.mixing.as_ref()).collect();
    let cell = Cell {
        trials: trials.trials,
        successes: vec![trials.successes],
        shared: cells.iter().map(|c| c.shared).sum(),
        ties: cells.iter().map(|c| c.ties).sum(),
        failed: cells.iter().map(|c| c.failed).sum(),
        cosine: mean(&|c| c.cosine),
        end_cosine: mean(&|c| c.end_cosine),
        length: mean(&|c| c.length),
        wrong_signs: mean(&|c| c.wrong_signs),
        updates: mean(&|c| c.updates),
        beta: cells.first().and_then(|c| c.beta),
        mixing: Mixing::mean(&mixed),
        participation: cells
            .iter()
            .map(|c| c.participation)
            .sum::<Option<f64>>()
            .map(|p| p / cells.len().max(1) as f64),
        seconds: cells.iter().map(|c| c.seconds).sum(),
        copies: cells.iter().map(|c| c.copies).max().unwrap_or(0),
    };
    let shared = cell.shared.map(|s| s / all);
    // Bits count bit by bit; of real patterns, which one it is.
    let identity = plan.criteria.iter().position(|c| *c == Criterion::Identity);
    let named: u64 = cells.iter().filter_map(|c| c.successes.get(identity.unwrap_or(at))).sum();
    let right = named as f64 / all;
    let bits = match plan.ensemble.is_bipolar() {
        true => {
            // What the cue says by itself the memory has not given.
            let all = bits_of_bits(n as f64, series.d, cell.wrong_signs.clamp(0.0, 0.5)).unwrap_or(0.0);
            (all - n as f64 * series.d as f64 * cue_bits(series.corruption, series.d)).max(0.0)
        }
        false => identity_bits(n as f64, right),
    };
    Point {
        n,
        criterion,
        trials,
        seeds,
        shared,
        bits_per_neuron: bits / series.d as f64,
        bits_per_parameter: bits / series.model.parameters(n as f64, series.d),
        cell,
    }
}
