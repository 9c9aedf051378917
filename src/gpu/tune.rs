//! Times the ways of an operation on this adapter.

use super::{Context, Matrix, Strategy, descent, features, matmul, reduce::reduce};
pub use crate::device::tuning::{Class, Op, Tuning, folder, winners};
use crate::{
    Error, Result, Rows,
    contract::{Axis, Layout, Reduction, Similarity},
    device::{Kernels, tuning::keep},
    random::{
        Stream,
        purpose::{NORMALS, TIMING},
    },
    simd::math::{self, simd},
};
use rayon::prelude::*;
use std::{sync::Arc, time::Instant};

/// Operations that one run may cost on hardware, and on a software adapter.
const WORK: [f64; 2] = [2e10, 1e9];

/// Seed of the frequencies that features are timed with, and most of them: a chain takes no more at a time.
const SEED: u64 = 1;

const FREQUENCIES: usize = 16_384;

/// Values that a thread works out at a time.
const BLOCK: usize = 1024;
/// Timed runs of a candidate.
const RUNS: usize = 3;

/// Seconds after which one run is enough.
const LONG: f64 = 0.5;

/// The fastest way for a class of jobs, where it has been timed; on hardware it is timed now where it has
/// not. `None` says to go by rule.
pub(super) fn fastest(context: &Arc<Context>, class: Class) -> Option<Strategy> {
    let options = &context.options;
    let by_rule = options.kernels != Kernels::Auto || options.strategy.is_some();
    if options.deterministic || by_rule {
        return None;
    }
    if let Some(known) = context.timed(class) {
        return Some(known);
    }
    if context.is_software() || std::env::var_os("ATTRACTOR_TUNE").is_some_and(|v| v == "off") {
        return None;
    }
    // No lock is held meanwhile: another thread that needs the same goes by rule, or times it too.
    match tune(context, class) {
        Ok(tuning) => {
            if let Some(why) = tuning.not_kept {
                tracing::warn!("the timing for {class} holds for this process alone: {why}");
            }
            Some(tuning.winner)
        }
        Err(error) => {
            tracing::warn!("no timing for {class}: {error}");
            None
        }
    }
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
        let mut random = Stream::new(SEED, TIMING, 0);
        let mut values = |rows: usize| {
            // Exact in f16 too, so that one expectation serves both.
            let value = |_| (random.word() >> 26) as f32 / 32.0 - 1.0;
            Rows::new((0..rows * d).map(value).collect::<Vec<f32>>(), d)
        };
        let queries = values(b)?;
        if class.op == Op::Features {
            let n = n.min(FREQUENCIES);
            let row = |row| Stream::new(SEED, NORMALS, row as u64).normals(d);
            let frequencies: Vec<f32> = (0..n).flat_map(row).map(|v| v as f32).collect();
            let patterns = Rows::new(frequencies, d)?;
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

    /// The result by plain loops over rows: what a kernel is held against knows no other back end.
    fn expected(&self) -> Vec<f32> {
        let (beta, m) = (self.beta(), self.sizes[1]);
        let mut z = self.products();
        match self.class.op {
            Op::Matmul => return z,
            Op::Step => z.par_chunks_mut(m).for_each(|z| {
                let largest = z.iter().fold(f32::MIN, |m, z| m.max(*z));
                z.iter_mut().for_each(|z| *z = (beta * (*z - largest)).exp());
                let sum: f64 = z.iter().map(|w| f64::from(*w)).sum();
                z.iter_mut().for_each(|w| *w = (f64::from(*w) / sum) as f32);
            }),
            Op::Features => {
                let sides = self.sides();
                let (first, second) = sides[..2 * m].split_at(m);
                z.par_chunks_mut(m).for_each(|z| {
                    for ((z, first), second) in z.iter_mut().zip(first).zip(second) {
                        // Products are in turns.
                        let (sin, cos) = (std::f64::consts::TAU * f64::from(*z)).sin_cos();
                        *z = (cos * f64::from(*second) - sin * f64::from(*first)) as f32;
                    }
                });
            }
        }
        self.weighted_sums(&z)
    }

    /// Queries times patterns, `[b, n]`.
    fn products(&self) -> Vec<f32> {
        let [b, n, d] = self.sizes;
        let (queries, patterns) = (self.queries.as_slice(), self.patterns.as_slice());
        let mut out = vec![0.0; b * n];
        out.par_chunks_mut(BLOCK.min(n)).enumerate().for_each(|(block, out)| {
            let first = block * BLOCK.min(n);
            simd!(for (i, out) in out.iter_mut().enumerate() {
                let (query, pattern) = ((first + i) / n, (first + i) % n);
                *out = math::dot(&queries[query * d..][..d], &patterns[pattern * d..][..d]);
            });
        });
        out
    }

    /// Patterns summed with weights `[b, n]`: `[b, d]`.
    fn weighted_sums(&self, weights: &[f32]) -> Vec<f32> {
        let [b, n, d] = self.sizes;
        let patterns = self.patterns.as_slice();
        let mut out = vec![0.0; b * d];
        out.par_chunks_mut(d).zip(weights.par_chunks(n)).for_each(|(out, weights)| {
            // Long sums in parts, which keeps their rounding small.
            let mut part = vec![0.0; d];
            for (weights, rows) in weights.chunks(BLOCK).zip(patterns.chunks(BLOCK * d)) {
                part.fill(0.0);
                simd!(for (weight, row) in weights.iter().zip(rows.chunks_exact(d)) {
                    for (sum, x) in part.iter_mut().zip(row) {
                        *sum += weight * x;
                    }
                });
                out.iter_mut().zip(&part).for_each(|(out, part)| *out += part);
            }
        });
        out
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
