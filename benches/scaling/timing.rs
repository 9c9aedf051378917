//! How long jobs take.

use crate::{job::Job, values::values};
use attractor::{
    Device, Result, Tensor,
    ops::{Similarity, step},
};
use std::{collections::HashMap, rc::Rc, time::Instant};

/// Bytes of patterns that a job goes through before it comes back to the same: beyond any cache, so that
/// short and long jobs alike read from memory.
const COLD: usize = 128 << 20;

/// How much to repeat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Samples of each job.
    pub(crate) rounds: usize,
    /// Seconds of a sample at least; short jobs run several times in one.
    pub(crate) seconds: f64,
}

/// Seconds of one job over all samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Seconds {
    /// Of at least one sample.
    fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let last = samples.len() - 1;
        Self { median: samples[last / 2], min: samples[0], max: samples[last] }
    }
}

/// A job with all that it needs.
struct Prepared {
    queries: Tensor,
    /// Equal patterns in different places.
    patterns: Rc<[Tensor]>,
    beta: f32,
    /// Which of the patterns come next.
    next: usize,
    /// How often it runs in a sample.
    calls: usize,
}

impl Prepared {
    fn new(device: &Device, job: Job, patterns: Rc<[Tensor]>, effort: Effort) -> Result<Self> {
        let queries = Tensor::from_flat(device, &values(job.b * job.d, 2), &[job.b, job.d])?;
        // As in attention: all weights matter, whatever the number of columns.
        let beta = (job.d as f32).sqrt().recip();
        let mut prepared = Self { queries, patterns, beta, next: 0, calls: 1 };
        // The first call may compile kernels.
        prepared.sample()?;
        let once = prepared.sample()?;
        prepared.calls = (effort.seconds / once.max(1e-7)).ceil().clamp(1.0, 1e6) as usize;
        Ok(prepared)
    }

    /// Seconds of one step, the mean over the calls of a sample.
    fn sample(&mut self) -> Result<f64> {
        let started = Instant::now();
        for _ in 0..self.calls {
            let patterns = &self.patterns[self.next % self.patterns.len()];
            self.next += 1;
            // The energies are few; having them on the host means that all is done.
            step(&self.queries, patterns, self.beta, Similarity::Dot)?.1.to_vec()?;
        }
        Ok(started.elapsed().as_secs_f64() / self.calls as f64)
    }
}

fn patterns(device: &Device, job: Job) -> Result<Rc<[Tensor]>> {
    let data = values(job.n * job.d, 1);
    let copies = COLD.div_ceil(4 * data.len());
    (0..copies).map(|_| Tensor::from_flat(device, &data, &[job.n, job.d])).collect()
}

/// Times jobs in turn, so that what disturbs the machine for a while disturbs all of them. A job that does
/// not fit the device is left out, and said to be.
pub(crate) fn in_turn(device: &Device, jobs: &[Job], effort: Effort) -> Result<Vec<(Job, Seconds)>> {
    let mut shared: HashMap<(usize, usize), Rc<[Tensor]>> = HashMap::new();
    let mut prepared = Vec::new();
    for job in jobs {
        let known = shared.get(&(job.n, job.d)).cloned();
        let made = known.map_or_else(|| patterns(device, *job), Ok).and_then(|patterns| {
            shared.insert((job.n, job.d), patterns.clone());
            Prepared::new(device, *job, patterns, effort)
        });
        match made {
            Ok(work) => prepared.push((*job, work, Vec::new())),
            Err(error) => eprintln!("leaving out {job}: {error}"),
        }
    }
    for _ in 0..effort.rounds {
        for (_, work, samples) in &mut prepared {
            samples.push(work.sample()?);
        }
    }
    Ok(prepared.into_iter().map(|(job, _, samples)| (job, Seconds::of(samples))).collect())
}
