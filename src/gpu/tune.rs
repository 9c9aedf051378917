//! Which way is fastest on this adapter, found by timing, and kept for the next time.
//!
//! Jobs are put into classes by their sizes, rounded to powers of four (columns: of two). For each class
//! the candidates run on random data of such sizes; whose result is not that of the CPU is out, the
//! fastest of the others wins. On hardware a class is timed when it first occurs, or ahead of time by
//! `attractor tune`; on a software adapter only when asked. The table lies in the user's cache folder, one
//! file per adapter, driver and set of kernels, so that nothing outlives what it was measured on.

use super::{Context, Matrix, Strategy, descent, features, matmul, reduce::reduce, shader};
use crate::{
    Error, Precision, Result, Rows,
    cpu::{self, matmul::Operand},
    io::write_bytes,
    ops::{Axis, Layout, Projection, Reduction, Similarity},
};
use fs4::{FileExt, TryLockError};
use std::{
    collections::BTreeMap,
    fmt,
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A softmax step.
    Step,
    /// A product of queries and patterns.
    Matmul,
    /// A look at random features: queries, frequencies and columns.
    Features,
}

impl Op {
    /// The name in tables and files.
    fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Matmul => "matmul",
            Self::Features => "features",
        }
    }
}

/// A class of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// What is done.
    pub op: Op,
    /// Queries, patterns and columns, rounded.
    pub sizes: [usize; 3],
    /// How patterns are kept.
    pub precision: Precision,
}

impl Class {
    /// The class of a job of `b` queries, `n` patterns and `d` columns.
    pub fn of(op: Op, [b, n, d]: [usize; 3], precision: Precision) -> Self {
        let to = |size: usize, bits: u32| 1 << ((size.max(1).ilog2() + bits / 2) / bits * bits);
        Self { op, sizes: [to(b, 2), to(n, 2), to(d.max(4), 1)], precision }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [b, n, d] = self.sizes;
        write!(f, "{} {b}x{n}x{d} {}", self.op.name(), self.precision)
    }
}

/// What timing has found for a class.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// The class.
    pub class: Class,
    /// The fastest candidate.
    pub winner: Strategy,
    /// Seconds of each candidate; `None` where it was wrong or failed.
    pub times: Vec<(Strategy, Option<f64>)>,
    /// Why other processes will not find it in the kept table, where that is so: there is no folder for it, or it cannot be written.
    pub not_kept: Option<String>,
}

/// Winners by class.
#[derive(Debug, Default)]
pub(super) struct Table {
    winners: BTreeMap<String, Strategy>,
}

/// Operations that one run may cost on hardware, and on a software adapter.
const WORK: [f64; 2] = [2e10, 1e9];
/// Seed of the frequencies that features are timed with, and most of them: a chain takes no more at a time.
const SEED: u64 = 1;
const FREQUENCIES: usize = 16_384;
/// Timed runs of a candidate.
const RUNS: usize = 3;
/// Seconds after which one run is enough.
const LONG: f64 = 0.5;

impl Table {
    /// The table of this adapter, as far as one has been kept.
    pub(super) fn load(context: &Context) -> Self {
        let Some(path) = path(context) else { return Self::default() };
        let text = kept(&path);
        let lines = text.lines().filter(|l| !l.starts_with('#')).count();
        let winners = winners(&text);
        if winners.len() < lines {
            let (path, lost) = (path.display(), lines - winners.len());
            tracing::warn!(
                "{path}: {lost} lines are no timings and are left out; `attractor tune` makes them anew"
            );
        }
        Self { winners }
    }

    pub(super) fn get(&self, class: Class) -> Option<Strategy> {
        self.winners.get(&class.to_string()).copied()
    }

    pub(super) fn insert(&mut self, class: Class, winner: Strategy) {
        self.winners.insert(class.to_string(), winner);
    }
}

/// The winners in the text of a kept table, by the names of their classes. What cannot be read is left out, and timed
/// again.
///
/// ```
/// use attractor::gpu::tune::winners;
/// let table = "# class, fastest, seconds of each\nstep 64x16384x128 f32\tdirect\tdirect=1e-3\nhalf a li";
/// assert_eq!(winners(table)["step 64x16384x128 f32"].name(), "direct");
/// ```
pub fn winners(text: &str) -> BTreeMap<String, Strategy> {
    text.lines().filter_map(entry).map(|(class, winner)| (class.to_owned(), winner)).collect()
}

/// The class and the winner of a line of a kept table, where it is one.
fn entry(line: &str) -> Option<(&str, Strategy)> {
    let mut fields = line.split('\t');
    let (class, winner) = (fields.next()?, fields.next()?);
    Some((class, Strategy::ALL.into_iter().find(|s| s.name() == winner)?)).filter(|_| !line.starts_with('#'))
}

/// The folder of kept tables: `ATTRACTOR_CACHE`, else `attractor` in the user's cache folder; `None` where
/// there is no such place.
pub fn folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(folder) = variable("ATTRACTOR_CACHE") {
        return Some(folder);
    }
    let base = if cfg!(target_os = "windows") {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library").join("Caches"))
    } else {
        variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))
    };
    base.map(|base| base.join("attractor"))
}

/// What the figures hold for: adapter, driver, version of this library and its kernels.
fn fingerprint(context: &Context) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |text: &str| {
        for byte in text.bytes() {
            // FNV-1a.
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    take(context.name());
    take(context.driver());
    take(env!("CARGO_PKG_VERSION"));
    for variant in shader::variants().into_iter().flat_map(BTreeMap::values) {
        take(&variant.name);
        take(&variant.source_for(context.extras()).unwrap_or_default());
    }
    format!("{hash:016x}")
}

/// The name of this adapter's table.
fn table(context: &Context) -> String {
    format!("tuning-{}.tsv", fingerprint(context))
}

fn path(context: &Context) -> Option<PathBuf> {
    Some(folder()?.join(table(context)))
}

/// Adds what was found to the kept table. Other processes add to it too: their lines stay.
fn keep(context: &Context, tuning: &Tuning) -> Result<()> {
    let Some(folder) = folder() else {
        return Err(Error::parameter("cache folder", "none", "named by ATTRACTOR_CACHE"));
    };
    let about =
        format!("# {} ({}), attractor {}", context.name(), context.driver(), env!("CARGO_PKG_VERSION"));
    add(&folder, &table(context), &about, tuning)
}

/// Adds what was found to a table in a folder, whose first line says what it is about.
fn add(folder: &Path, table: &str, about: &str, tuning: &Tuning) -> Result<()> {
    let failed = |source| Error::File { path: folder.to_owned(), action: "create", source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let path = folder.join(table);
    let _lock = turn(folder);
    write_bytes(&path, with_line(&kept(&path), about, tuning).as_bytes())
}

/// Waits until no other process changes a table in a folder. Where one takes long, or there are no locks, this goes on without: a line
/// of another process may be lost then, and is timed again.
fn turn(folder: &Path) -> Option<File> {
    const WAIT: Duration = Duration::from_millis(10);
    const TRIES: u32 = 500;
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(folder.join("lock")).ok()?;
    for _ in 0..TRIES {
        match FileExt::try_lock(&file) {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(WAIT),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// The text of a table, whatever is in the file.
fn kept(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|error| {
        if error.kind() != io::ErrorKind::NotFound {
            tracing::warn!(
                "{}: cannot read: {error}; kernels are taken by rule, or timed anew",
                path.display()
            );
        }
        Vec::new()
    });
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The text of a table with the line of one class replaced or added.
fn with_line(text: &str, about: &str, tuning: &Tuning) -> String {
    let class = tuning.class.to_string();
    let times = tuning.times.iter().map(|(strategy, time)| match time {
        Some(seconds) => format!("{}={seconds:e}", strategy.name()),
        None => format!("{}=wrong", strategy.name()),
    });
    let line = format!("{class}\t{}\t{}", tuning.winner.name(), times.collect::<Vec<_>>().join(" "));
    let mut lines: Vec<&str> = text
        .lines()
        .filter(|l| entry(l).is_some_and(|(other, _)| other != class))
        .chain([line.as_str()])
        .collect();
    lines.sort_unstable();
    format!("{about}\n# class, fastest, seconds of each\n{}\n", lines.join("\n"))
}

/// Times the candidates of a class, keeps the result for other processes where that can be, and uses it from now on.
///
/// # Errors
/// Faults of the device. That the result cannot be kept is none: [`Tuning::not_kept`] says so.
///
/// ```no_run
/// use attractor::{Precision, gpu::{Context, tune::{Class, Op, tune}}};
/// let context = Context::open("")?;
/// let tuning = tune(&context, Class::of(Op::Step, [64, 20_000, 128], Precision::F32))?;
/// println!("{}: {}", tuning.class, tuning.winner.name());
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn tune(context: &Arc<Context>, class: Class) -> Result<Tuning> {
    let mut tuning = time(context, class)?;
    context.learn(class, tuning.winner);
    tracing::debug!("timed {class}: {} is fastest", tuning.winner.name());
    tuning.not_kept = keep(context, &tuning).err().map(|error| error.to_string());
    Ok(tuning)
}

/// Times the candidates of a class.
pub(super) fn time(context: &Arc<Context>, class: Class) -> Result<Tuning> {
    let job = Job::new(context, class)?;
    let expected = job.expected();
    let mut times = Vec::new();
    for strategy in job.candidates(context) {
        times.push((strategy, job.time(context, strategy, &expected)?));
    }
    let fastest = times.iter().filter_map(|(s, t)| Some((*s, (*t)?))).min_by(|a, b| a.1.total_cmp(&b.1));
    match fastest {
        Some((winner, _)) => Ok(Tuning { class, winner, times, not_kept: None }),
        None => Err(Error::Gpu {
            what: format!("tuning of {class}"),
            message: "no kernel gives the CPU's result; please report this adapter and driver".into(),
        }),
    }
}

/// Random data of the sizes of a class, or smaller where those would take long.
struct Job {
    class: Class,
    sizes: [usize; 3],
    queries: Rows<'static>,
    patterns: Rows<'static>,
}

impl Job {
    fn new(context: &Context, class: Class) -> Result<Self> {
        let [b, n, d] = class.sizes;
        let work = WORK[usize::from(context.is_software())];
        let room = context.binding_limit() as usize / 4 / d.next_multiple_of(8).max(b);
        let n = n.min((work / (4.0 * b as f64 * d as f64)) as usize).min(room).max(64.min(n));
        let mut state = 1_u32;
        let mut values = |rows: usize| {
            let value = |_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let uniform = (state >> 8) as f32 / (1 << 24) as f32;
                // Exact in f16 too, so that one expectation serves both.
                (uniform * 64.0).floor() / 32.0 - 1.0
            };
            Rows::new((0..rows * d).map(value).collect::<Vec<f32>>(), d)
        };
        let queries = values(b)?;
        if class.op == Op::Features {
            let n = n.min(FREQUENCIES);
            let patterns = Rows::new(cpu::frequencies::rows(Projection::Gaussian, SEED, 0..n, d), d)?;
            return Ok(Self { class, sizes: [b, n, d], queries, patterns });
        }
        Ok(Self { class, sizes: [b, n, d], queries, patterns: values(n)? })
    }

    fn candidates(&self, context: &Arc<Context>) -> Vec<Strategy> {
        let can = |strategy: &Strategy| match self.class.op {
            Op::Step => descent::can(context, *strategy, Similarity::Dot, self.sizes, self.class.precision),
            Op::Matmul => matmul::can(context, *strategy),
            Op::Features => features::can(context, *strategy, self.sizes[2]),
        };
        Strategy::ALL.into_iter().filter(can).collect()
    }

    /// Small enough that the weights are many, large enough that they differ.
    fn beta(&self) -> f32 {
        1.0 / (self.sizes[2] as f32).sqrt()
    }

    fn expected(&self) -> Vec<f32> {
        let [b, n, d] = self.sizes;
        let queries = Operand::new(self.queries.as_slice(), b, d);
        let patterns = Operand::new(self.patterns.as_slice(), n, d);
        match self.class.op {
            Op::Step => cpu::descent::step(queries, patterns, self.beta(), Similarity::Dot, f32::MAX).0,
            Op::Matmul => {
                let mut out = vec![0.0; b * n];
                cpu::matmul::matmul(
                    &mut out,
                    queries,
                    patterns,
                    Layout::NT,
                    false,
                    rayon::current_num_threads(),
                );
                out
            }
            Op::Features => cpu::features::step(&self.space(), self.queries.as_slice(), &self.sides()).1,
        }
    }

    /// Sines and cosines of products in turns.
    fn space(&self) -> cpu::features::Space<'_> {
        let source = cpu::features::Source::Stored(self.patterns.as_slice());
        let [_, m, d] = self.sizes;
        cpu::features::Space { positive: false, two: true, m, d, unit: 1.0, decay: 0.0, source }
    }

    /// A memory that no feature is left out of, `[3, m]`.
    fn sides(&self) -> Vec<f32> {
        let m = self.sizes[1];
        [vec![1.0; m], vec![0.5; m], vec![0.0; m]].concat()
    }

    /// Seconds of a run; `None` where the result is wrong, or there is none. What may be otherwise the next time is an error,
    /// since what is found is kept.
    fn time(&self, context: &Arc<Context>, strategy: Strategy, expected: &[f32]) -> Result<Option<f64>> {
        match self.try_to_time(context, strategy, expected) {
            Err(Error::Gpu { .. } | Error::Shader { .. } | Error::TooLarge { .. }) => Ok(None),
            timed => timed,
        }
    }

    fn try_to_time(
        &self,
        context: &Arc<Context>,
        strategy: Strategy,
        expected: &[f32],
    ) -> Result<Option<f64>> {
        let prepared = match self.class.op {
            Op::Step => Prepared::Step(descent::Prepared::new(
                context,
                &self.queries,
                &self.patterns,
                self.class.precision,
                self.beta(),
                strategy,
            )?),
            Op::Matmul => Prepared::Matmul(
                Matrix::upload(context, &self.queries, self.sizes[0], self.sizes[2])?,
                Matrix::upload(context, &self.patterns, self.sizes[1], self.sizes[2])?,
            ),
            Op::Features => {
                let upload = |values: Rows<'_>| {
                    let (rows, columns) = (values.rows(), values.columns());
                    Matrix::upload(context, &values, rows, columns)
                };
                let [b, m, _] = self.sizes;
                Prepared::Features {
                    states: upload(self.queries.slice(0..b))?,
                    frequencies: upload(self.patterns.slice(0..m))?,
                    sides: upload(Rows::new(self.sides(), m)?)?,
                    shift: upload(Rows::new(vec![0.0; b], b)?)?,
                }
            }
        };
        // The first run also compiles. Its result has to be right before its time may count.
        let got = prepared.run(strategy, true)?;
        let largest = expected.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        let right = |(got, want): (&f32, &f32)| (got - want).abs() <= 1e-4 * largest;
        if got.len() != expected.len() || !got.iter().zip(expected).all(right) {
            tracing::warn!(
                "{} gives wrong results for {} on {}",
                strategy.name(),
                self.class,
                context.name()
            );
            return Ok(None);
        }
        let mut best = f64::INFINITY;
        for _ in 0..RUNS {
            let started = Instant::now();
            prepared.run(strategy, false)?;
            best = best.min(started.elapsed().as_secs_f64());
            if best > LONG {
                break;
            }
        }
        Ok(Some(best))
    }
}

/// A job whose data is on the device.
enum Prepared<'a> {
    Step(descent::Prepared<'a>),
    Matmul(Matrix, Matrix),
    Features { states: Matrix, frequencies: Matrix, sides: Matrix, shift: Matrix },
}

impl Prepared<'_> {
    /// Runs the job to its end; the result itself only where it is wanted, since reading it back takes as
    /// long for all candidates.
    fn run(&self, strategy: Strategy, whole: bool) -> Result<Vec<f32>> {
        let out = match self {
            Self::Step(step) => return step.run(),
            Self::Matmul(a, b) => matmul::matmul_by(a, b, Layout::NT, Some(strategy))?,
            Self::Features { states, frequencies: rows, sides, shift } => match strategy {
                Strategy::Fused => {
                    let stored = features::Frequencies::Stored { rows, first: 0 };
                    features::look(states, shift, sides, stored, true)?.1
                }
                Strategy::Generated => {
                    let made = features::Frequencies::Generated { seed: SEED, count: rows.rows() };
                    features::look(states, shift, sides, made, true)?.1
                }
                tile => {
                    let z = matmul::matmul_by(states, rows, Layout::NT, Some(tile))?;
                    let (parts, slopes) = features::combine(&z, sides, shift, 0, true, true)?;
                    reduce(&parts, Reduction::Sum, Axis::Columns)?;
                    matmul::matmul_by(&slopes, rows, Layout::NN, Some(tile))?
                }
            },
        };
        if whole { out.download() } else { out.context().finish().map(|()| Vec::new()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    /// A class that no other number has, and what timing it has found.
    fn tuning(number: u32) -> Tuning {
        let class = Class::of(Op::Step, [1, 1 << (2 * (number % 10)), 4 << (number / 10)], Precision::F32);
        let times = vec![(Strategy::Few, Some(1e-3)), (Strategy::Direct, None)];
        Tuning { class, winner: Strategy::Few, times, not_kept: None }
    }

    #[test]
    fn writers_at_the_same_time_lose_no_line() {
        let folder = crate::io::disk::failing::folder();
        let cache = folder.path().join("made/anew");
        // Each opens the lock for itself, as processes do.
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let cache = &cache;
                scope.spawn(move || {
                    (0..15).for_each(|i| add(cache, "t.tsv", "# about", &tuning(15 * writer + i)).unwrap());
                });
            }
        });
        let text = kept(&cache.join("t.tsv"));
        let winners = winners(&text);
        assert_eq!((winners.len(), text.lines().count()), (60, 62), "{text}");
        assert!((0..60).all(|i| winners.contains_key(&tuning(i).class.to_string())));
        let names: Vec<_> = std::fs::read_dir(&cache).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }

    #[test]
    fn a_table_of_nonsense_is_replaced_and_a_full_disk_leaves_it() {
        use crate::io::disk::failing;
        let folder = failing::folder();
        let path = folder.path().join("t.tsv");
        std::fs::write(&path, b"# head\nstep 1x1x4 f32\tfew\tfew=1\nstep 4x4\xff\tfe").unwrap();
        assert_eq!(winners(&kept(&path)).len(), 1);
        add(folder.path(), "t.tsv", "# about", &tuning(5)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!((winners(&text).len(), text.lines().count()), (2, 4), "{text}");
        let mut calls = 0;
        while let (result, true) =
            failing::at(calls, false, || add(folder.path(), "t.tsv", "# about", &tuning(7)))
        {
            assert!(result.is_err());
            assert!([2, 3].contains(&winners(&kept(&path)).len()));
            std::fs::write(&path, &text).unwrap();
            calls += 1;
        }
        assert!(calls > 3 && winners(&kept(&path)).len() == 3);
    }

    #[test]
    fn classes_round_to_powers() {
        let class = |sizes| Class::of(Op::Step, sizes, Precision::F32).to_string();
        assert_eq!(class([1, 1, 1]), "step 1x1x4 f32");
        assert_eq!(class([64, 20_000, 128]), "step 64x16384x128 f32");
        assert_eq!(class([33, 100_000, 384]), "step 64x65536x256 f32");
        assert_eq!(class([1024, 1_000_000, 12_288]), "step 1024x1048576x8192 f32");
    }

    #[test]
    fn tables_survive_what_is_wrong_in_them() {
        let text = "# head\nstep 1x1x4 f32\tfew\tfew=1e-3\nnonsense\nmatmul 4x4x4 f32\tabacus\t\n\n";
        let winners = winners(text);
        assert_eq!(winners.len(), 1);
        assert_eq!(winners.get("step 1x1x4 f32"), Some(&Strategy::Few));
        assert!(super::winners("\0\u{fffd}\t\t\t").is_empty());
    }
}
