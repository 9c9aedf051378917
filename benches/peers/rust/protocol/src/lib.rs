//! What a runner of the side-by-side benchmark reads and writes: a task a line on standard input, an
//! answer a line on standard output.

pub use attractor::Rows;
use attractor::io::{Array, ArrayData, Source, write};
use serde::{Deserialize, Serialize};
use std::{
    error::Error,
    io::{BufRead, Write},
    path::PathBuf,
    time::Instant,
};

/// Whatever went wrong, as the conductor will print it.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What is to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Softmax steps.
    Step,
    /// The indices of the largest inner products.
    TopK,
}

/// One line of the conductor.
#[derive(Debug, Deserialize)]
pub struct Task {
    pub op: Op,
    /// `.npy` of f32, `[n, d]`.
    pub patterns: PathBuf,
    /// `.npy` of f32, `[b, d]`.
    pub queries: PathBuf,
    pub beta: f32,
    pub steps: usize,
    pub k: usize,
    /// Runs before the clock counts.
    pub warm: usize,
    /// Runs that are timed.
    pub samples: usize,
    /// No further run starts after so many seconds; one is always timed.
    pub limit: f64,
    /// Where the result of the last run goes, as `.npy`; nowhere if `None`.
    pub out: Option<PathBuf>,
}

/// What an operation gives, on the host.
pub enum Output {
    /// States, `[b, d]`.
    States { values: Vec<f32>, columns: usize },
    /// Indices, `[b, k]`.
    Indices { values: Vec<u32>, columns: usize },
}

/// A program that holds data in its own form and computes with it.
pub trait Peer {
    /// Patterns and queries, ready on the device.
    type Data;

    fn load(&self, patterns: &Rows<'_>, queries: &Rows<'_>) -> Result<Self::Data>;

    /// The operation, until its result is on the host: this is what is timed.
    fn run(&self, data: &Self::Data, task: &Task) -> Result<Output>;

    /// The device and whatever else a reader should know.
    fn note(&self) -> String;
}

#[derive(Serialize)]
struct Answer {
    seconds: Vec<f64>,
    threads: usize,
    note: String,
}

#[derive(Serialize)]
struct Refusal {
    error: String,
}

/// Answers tasks until standard input ends.
pub fn serve<P: Peer>(peer: &P) -> Result<()> {
    let mut held = None;
    for line in std::io::stdin().lock().lines() {
        let answer = match answer(peer, &mut held, &line?) {
            Ok(answer) => serde_json::to_string(&answer)?,
            Err(error) => serde_json::to_string(&Refusal { error: error.to_string() })?,
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

/// The data that was loaded last, and the files that it came from: loading is no part of a job.
type Held<D> = Option<((PathBuf, PathBuf), D)>;

fn answer<P: Peer>(peer: &P, held: &mut Held<P::Data>, line: &str) -> Result<Answer> {
    let task: Task = serde_json::from_str(line)?;
    let files = (task.patterns.clone(), task.queries.clone());
    let (_, data) = match held.take().filter(|(from, _)| *from == files) {
        Some(same) => held.insert(same),
        None => {
            let (patterns, queries) = (Source::open(&files.0)?, Source::open(&files.1)?);
            let data = peer.load(&patterns.matrix(&[])?, &queries.matrix(&[])?)?;
            held.insert((files, data))
        }
    };

    let start = Instant::now();
    let in_time = || start.elapsed().as_secs_f64() < task.limit;
    for _ in 0..task.warm {
        if in_time() {
            std::hint::black_box(peer.run(data, &task)?);
        }
    }
    let (mut seconds, mut last) = (Vec::new(), None);
    while seconds.len() < task.samples && (seconds.is_empty() || in_time()) {
        let start = Instant::now();
        let output = peer.run(data, &task)?;
        seconds.push(start.elapsed().as_secs_f64());
        last = Some(output);
    }
    if let (Some(path), Some(output)) = (&task.out, &last) {
        save(path, output)?;
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Answer { seconds, threads, note: peer.note() })
}

fn save(path: &PathBuf, output: &Output) -> Result<()> {
    let (data, count, columns) = match output {
        Output::States { values, columns } => (ArrayData::F32(values), values.len(), *columns),
        Output::Indices { values, columns } => (ArrayData::U32(values), values.len(), *columns),
    };
    let shape = vec![count / columns.max(1), columns];
    Ok(write(path, &[Array { name: "result", shape, data }])?)
}
