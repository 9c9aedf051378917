//! Which way is fastest on this adapter, found by timing, and kept for the next time.
//!
//! Jobs are put into classes by their sizes, rounded to powers of four (columns: of two). For each class
//! the candidates run on random data of such sizes; whose result is not that of the CPU is out, the
//! fastest of the others wins. On hardware a class is timed when it first occurs, or ahead of time by
//! `attractor tune`; on a software adapter only when asked. The table lies in the user's cache folder, one
//! file per adapter, driver and set of kernels, so that nothing outlives what it was measured on.

use super::{Context, Strategy, shader};
use crate::{Error, Precision, Result, io::write_bytes};
use fs4::{FileExt, TryLockError};
use std::{
    collections::BTreeMap,
    fmt,
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::Duration,
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
    let mut hash = crc32fast::Hasher::new();
    let mut take = |text: &str| hash.update(text.as_bytes());
    take(context.name());
    take(context.driver());
    take(env!("CARGO_PKG_VERSION"));
    for variant in shader::variants().into_iter().flat_map(BTreeMap::values) {
        take(&variant.name);
        take(&variant.source_for(context.extras()).unwrap_or_default());
    }
    format!("{:08x}", hash.finalize())
}

/// The name of this adapter's table.
fn table(context: &Context) -> String {
    format!("tuning-{}.tsv", fingerprint(context))
}

fn path(context: &Context) -> Option<PathBuf> {
    Some(folder()?.join(table(context)))
}

/// Adds what was found to the kept table. Other processes add to it too: their lines stay.
pub(crate) fn keep(context: &Context, tuning: &Tuning) -> Result<()> {
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
