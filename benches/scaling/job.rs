//! What is timed, and what it costs at least.

use attractor::machine::Limits;
use std::fmt;

/// One softmax step of `b` queries over `n` patterns of `d` columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) b: usize,
    pub(crate) n: usize,
    pub(crate) d: usize,
}

impl Job {
    pub(crate) fn new(b: usize, n: usize, d: usize) -> Self {
        Self { b, n, d }
    }

    /// Multiplications and additions.
    pub(crate) fn operations(self) -> f64 {
        4.0 * self.b as f64 * self.n as f64 * self.d as f64
    }

    /// Bytes that must move: patterns and queries in, states out.
    pub(crate) fn bytes(self) -> f64 {
        4.0 * (self.n as f64 + 2.0 * self.b as f64) * self.d as f64
    }

    /// Seconds that the memory needs.
    pub(crate) fn memory_seconds(self, limits: Limits) -> f64 {
        self.bytes() / (1e9 * limits.read_gbps)
    }

    /// Seconds that the arithmetic needs.
    pub(crate) fn arithmetic_seconds(self, limits: Limits) -> f64 {
        self.operations() / (1e9 * limits.fma_gflops)
    }

    /// Seconds below which no implementation gets: the roofline.
    pub(crate) fn least_seconds(self, limits: Limits) -> f64 {
        self.memory_seconds(limits).max(self.arithmetic_seconds(limits))
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {} x {}", self.b, crate::text::grouped(self.n), self.d)
    }
}

/// Which of a job's sizes varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    Patterns,
    Queries,
    Columns,
}

impl Axis {
    pub(crate) fn letter(self) -> &'static str {
        match self {
            Self::Patterns => "n",
            Self::Queries => "b",
            Self::Columns => "d",
        }
    }

    /// What one of it is called.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Patterns => "pattern",
            Self::Queries => "query",
            Self::Columns => "column",
        }
    }

    pub(crate) fn of(self, job: Job) -> usize {
        match self {
            Self::Patterns => job.n,
            Self::Queries => job.b,
            Self::Columns => job.d,
        }
    }

    /// The job with another size.
    pub(crate) fn with(self, job: Job, size: usize) -> Job {
        match self {
            Self::Patterns => Job { n: size, ..job },
            Self::Queries => Job { b: size, ..job },
            Self::Columns => Job { d: size, ..job },
        }
    }

    /// The sizes that stay.
    pub(crate) fn rest(self, job: Job) -> String {
        let (b, n, d) = (job.b, crate::text::grouped(job.n), job.d);
        match self {
            Self::Patterns => format!("b = {b}, d = {d}"),
            Self::Queries => format!("n = {n}, d = {d}"),
            Self::Columns => format!("b = {b}, n = {n}"),
        }
    }
}
