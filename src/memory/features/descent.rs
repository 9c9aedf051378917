//! Recall from a memory of features: descent on the estimated energy.

use super::{BATCH, FeatureMemory, Memory};
use crate::{
    Error, Result, Rows, ToRows,
    contract::{Plan, clamp_row},
    memory::{Recall, Status},
    ops::{End, FeatureRules, Progress, report},
};
use std::fmt;

/// How often the step of a query may be halved.
const HALVINGS: u32 = 5;

/// How to descend: `x <- x - step_size gradient`.
///
/// ```
/// use attractor::memory::FeatureDescent;
/// let plain = FeatureDescent { step_size: 0.03, steps: 300, backtrack: false, ..FeatureDescent::default() };
/// assert_eq!(plain.tolerance, 1e-6);
/// ```
#[derive(Clone, Copy)]
pub struct FeatureDescent<'a> {
    /// Most looks at a state after the first: steps, taken or taken back.
    pub steps: u32,
    /// Step size. The exact energy's curvature is at most 1, so that up to 1 is safe where the sum of kernels is far above its
    /// noise.
    pub step_size: f32,
    /// A state has converged when no component of the gradient is larger; 0 makes exactly `steps` steps.
    pub tolerance: f32,
    /// Whether a step that raises the energy beyond rounding is taken back and halved, up to 5 times for a query. Such a query
    /// then ends with [`Status::EnergyRises`].
    pub backtrack: bool,
    /// Longest gradient that is followed at full length; `None`: any. Where the sum of kernels is near its clip, gradients are
    /// huge; `10 / sqrt(beta)` is a safe bound.
    pub longest: Option<f32>,
    /// Coordinates that are known and stay as they are in the query: `[d]` for all queries, or `[b * d]`.
    pub clamp: Option<&'a [bool]>,
    /// Whether coordinates that are not known start at the mean of the patterns and not as in the query: nearer to every
    /// pattern.
    pub fill: bool,
    /// Whether to report the energies at every state.
    pub trace: bool,
    /// Called with `(done, total)` from time to time.
    pub progress: Option<Progress<'a>>,
}

impl Default for FeatureDescent<'_> {
    fn default() -> Self {
        Self {
            steps: 1000,
            step_size: 0.1,
            tolerance: 1e-6,
            backtrack: true,
            longest: None,
            clamp: None,
            fill: false,
            trace: false,
            progress: None,
        }
    }
}

impl fmt::Debug for FeatureDescent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeatureDescent")
            .field("steps", &self.steps)
            .field("step_size", &self.step_size)
            .field("tolerance", &self.tolerance)
            .field("backtrack", &self.backtrack)
            .field("fill", &self.fill)
            .finish_non_exhaustive()
    }
}

/// Where a query is, or has ended.
struct Place {
    x: Vec<f32>,
    u: f32,
    energy: f64,
    halvings: u32,
    steps: u32,
    /// `None` while it moves.
    status: Option<Status>,
    trace: Vec<f32>,
}

/// A query under way on the host.
struct Walk {
    at: Place,
    gradient: Vec<f32>,
    step_size: f32,
}

impl FeatureMemory {
    /// Completes queries `[b, d]` by descent on the estimated energy; see [`FeatureMemory`] for what of [`Recall`] is empty.
    ///
    /// # Errors
    /// [`Error::EmptyMemory`], [`Error::DimensionMismatch`], [`Error::NonFinite`]; [`Error::InvalidParameter`] for options out
    /// of range, and for `fill` without a clamp; faults of the device.
    ///
    /// ```
    /// use attractor::{memory::{FeatureDescent, FeatureMemory, Status}, ops::{FeatureMap, FeatureSpec}};
    /// let mut memory = FeatureMemory::new(FeatureSpec::new(FeatureMap::SinCos, 4000, 2, 30.0, 42))?;
    /// memory.absorb(&[[0.6, 0.2]])?;
    /// let known = FeatureDescent { clamp: Some(&[true, false]), fill: true, ..FeatureDescent::default() };
    /// let recalled = memory.descend(&[[0.6, 0.0]], &known)?;
    /// assert_eq!(recalled.status[0], Status::Converged);
    /// assert_eq!(recalled.states[(0, 0)], 0.6);
    /// assert!((recalled.states[(0, 1)] - 0.2).abs() < 0.01);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn descend<Q: ToRows + ?Sized>(&self, queries: &Q, options: &FeatureDescent<'_>) -> Result<Recall> {
        let rows = queries.to_rows()?;
        self.check(&rows, "queries")?;
        let (b, d) = (rows.rows(), self.dim());
        self.check_options(options, b)?;
        let plan = Plan { trace: options.trace, ..Plan::evaluation(0) };
        let mut all = Recall::none(d, &plan, self.spec().beta);
        for first in (0..b).step_by(BATCH) {
            let batch = rows.slice(first..(first + BATCH).min(b));
            let walks = self.walk(&batch, first, options, |steps| {
                let whole = u64::from(options.steps);
                let done = first as u64 * whole + u64::from(steps) * batch.rows() as u64;
                report(options.progress, done, b as u64 * whole)
            })?;
            all.extend(self.gather(&batch, first, walks, &plan, options)?)?;
        }
        Ok(all)
    }

    fn check_options(&self, options: &FeatureDescent<'_>, b: usize) -> Result<()> {
        let d = self.dim();
        if !(options.step_size > 0.0 && options.step_size.is_finite()) {
            return Err(Error::parameter("step size", options.step_size, "a positive, finite number"));
        }
        if !(options.tolerance >= 0.0 && options.tolerance.is_finite()) {
            return Err(Error::parameter("tolerance", options.tolerance, "0 or a positive, finite number"));
        }
        if let Some(longest) = options.longest.filter(|l| !(*l > 0.0 && l.is_finite())) {
            return Err(Error::parameter("longest gradient", longest, "a positive, finite number"));
        }
        if let Some(clamp) = options.clamp.filter(|c| c.len() != d && c.len() != b * d) {
            let what = format!("entries of the clamp ({d}, or {d} for each of {b} queries)");
            return Err(Error::dimension(what, clamp.len(), d));
        }
        if options.fill && options.clamp.is_none() {
            return Err(Error::parameter(
                "fill",
                true,
                "false where no clamp says which coordinates are known",
            ));
        }
        Ok(())
    }

    /// Walks a batch of queries, of which the first has the number `first`, to their ends.
    fn walk(
        &self,
        queries: &Rows<'_>,
        first: usize,
        options: &FeatureDescent<'_>,
        tell: impl Fn(u32) -> Result<()>,
    ) -> Result<Vec<Place>> {
        let d = self.dim();
        let clamp = |i: usize| options.clamp.map(|c| clamp_row(c, first + i, d));
        let mut starts = queries.as_slice().to_vec();
        if options.fill {
            let mean = self.mean()?;
            for (i, row) in starts.chunks_exact_mut(d).enumerate() {
                let known = clamp(i).unwrap_or_default();
                row.iter_mut().zip(&mean).zip(known).filter(|(_, k)| !**k).for_each(|((x, m), _)| *x = *m);
            }
        }
        let starts = Rows::new(starts, d)?;
        let starts = self.inward(&starts);
        if !options.trace {
            let free = |i: usize| (0..d).map(move |j| if clamp(i).is_some_and(|c| c[j]) { 0.0 } else { 1.0 });
            let free = || Rows::new((0..starts.rows()).flat_map(free).collect::<Vec<f32>>(), d);
            if let Some(walks) = self.walk_on_device(&starts, free, options, &tell)? {
                return Ok(walks);
            }
        }
        let look = self.look(starts.as_slice())?;
        let mut walks: Vec<Walk> = starts
            .iter()
            .enumerate()
            .map(|(i, x)| Walk {
                at: Place {
                    x: x.to_vec(),
                    u: look.u[i],
                    energy: look.energy[i],
                    halvings: 0,
                    steps: 0,
                    status: None,
                    trace: vec![look.energy[i] as f32],
                },
                gradient: free(&look.gradient[i * d..(i + 1) * d], clamp(i)),
                step_size: options.step_size,
            })
            .collect();
        for step in 0..options.steps {
            walks.iter_mut().for_each(|walk| self.rest(walk, options));
            let moving: Vec<usize> = (0..walks.len()).filter(|i| walks[*i].at.status.is_none()).collect();
            if moving.is_empty() {
                break;
            }
            let trials: Vec<f32> = moving.iter().flat_map(|i| walks[*i].trial(options.longest)).collect();
            let look = self.look(&trials)?;
            for (at, &i) in moving.iter().enumerate() {
                let Walk { at: place, gradient, step_size } = &mut walks[i];
                place.steps += 1;
                if options.backtrack && look.energy[at] > place.energy + self.rounding(place.u) {
                    *step_size *= 0.5;
                    place.halvings += 1;
                    if place.halvings > HALVINGS {
                        place.status = Some(Status::EnergyRises);
                    }
                    continue;
                }
                place.x.copy_from_slice(&trials[at * d..(at + 1) * d]);
                (place.u, place.energy) = (look.u[at], look.energy[at]);
                *gradient = free(&look.gradient[at * d..(at + 1) * d], clamp(i));
                place.trace.push(place.energy as f32);
            }
            tell(step + 1)?;
        }
        walks.iter_mut().for_each(|walk| self.rest(walk, options));
        tell(options.steps)?;
        Ok(walks.into_iter().map(|walk| walk.at).collect())
    }

    /// The same on a GPU, where states stay until they have ended; `None` on the CPU.
    fn walk_on_device(
        &self,
        starts: &Rows<'_>,
        free: impl FnOnce() -> Result<Rows<'static>>,
        options: &FeatureDescent<'_>,
        tell: &dyn Fn(u32) -> Result<()>,
    ) -> Result<Option<Vec<Place>>> {
        if self.device().as_gpu().is_none() {
            return Ok(None);
        }
        let rules = FeatureRules {
            steps: options.steps,
            step_size: options.step_size,
            backtrack: options.backtrack,
            tolerance: options.tolerance,
            longest: options.longest,
            epsilon: self.settings.epsilon.unwrap_or(0.0),
            weight: self.weight,
        };
        let vector = self.on_device()?;
        let Some(ends) = self.features.walk(starts, &free()?, &vector, &rules, tell)? else {
            return Ok(None);
        };
        let places = ends.walkers.iter().zip(ends.states.chunks_exact(self.dim())).map(|(end, x)| Place {
            x: x.to_vec(),
            u: end.u,
            energy: end.energy.into(),
            halvings: end.halvings,
            steps: end.steps,
            status: end.end().map(|end| match end {
                End::Converged => Status::Converged,
                End::NonFinite => Status::NonFinite,
                End::Dead => Status::Dead,
                End::Rises => Status::EnergyRises,
            }),
            trace: Vec::new(),
        });
        Ok(Some(places.collect()))
    }

    /// Whether a walk has come to its end.
    fn rest(&self, walk: &mut Walk, options: &FeatureDescent<'_>) {
        let largest = walk.gradient.iter().fold(0.0_f32, |m, g| if g.is_nan() { *g } else { m.max(g.abs()) });
        let place = &mut walk.at;
        if place.status.is_none() {
            place.status = if !largest.is_finite() || !place.energy.is_finite() {
                Some(Status::NonFinite)
            } else if place.u <= self.settings.epsilon.unwrap_or(0.0) {
                Some(Status::Dead)
            } else if largest < options.tolerance {
                Some(Status::Converged)
            } else {
                None
            };
        }
    }

    /// How far an energy may be off by rounding: the sum of kernels is a small difference of sums of about `sqrt K`, each known
    /// to a millionth.
    fn rounding(&self, u: f32) -> f64 {
        let u = f64::from(u.max(self.settings.epsilon.unwrap_or(0.0)).max(f32::MIN_POSITIVE));
        1e-6 * (1.0 + self.weight.sqrt() / u) / f64::from(self.spec().beta)
    }

    /// Where walks have ended.
    fn gather(
        &self,
        queries: &Rows<'_>,
        first: usize,
        places: Vec<Place>,
        plan: &Plan<'_>,
        options: &FeatureDescent<'_>,
    ) -> Result<Recall> {
        let d = self.dim();
        let mut recall = Recall::none(d, plan, self.spec().beta);
        let mut states: Vec<f32> = places.iter().flat_map(|place| place.x.iter().copied()).collect();
        let sums: Vec<f32> = places.iter().map(|place| place.u).collect();
        let errors = self.errors(&states, &sums)?;
        self.outward(&mut states);
        for (i, state) in states.chunks_exact_mut(d).enumerate() {
            let clamp = options.clamp.map(|c| clamp_row(c, first + i, d));
            for (j, x) in state.iter_mut().enumerate() {
                // Known coordinates, and states that have not moved, exactly: scale and shift round.
                let filled = options.fill && clamp.is_some_and(|c| !c[j]);
                if clamp.is_some_and(|c| c[j]) || (!places[i].has_moved() && !filled) {
                    *x = queries[(i, j)];
                }
            }
        }
        recall.states = Rows::new(states, d)?;
        for (i, (place, error)) in places.into_iter().zip(errors).enumerate() {
            let known = options.clamp.map(|c| clamp_row(c, first + i, d));
            let status = match place.status.unwrap_or(Status::MaxSteps) {
                Status::Converged if known.is_some_and(|k| k.iter().all(|known| *known)) => Status::Inert,
                status => status,
            };
            let low = f64::from(place.u) < 3.0 * error;
            let settled = matches!(status, Status::Converged | Status::MaxSteps);
            recall.status.push(if low && settled { Status::LowSignal } else { status });
            recall.energy.push(place.energy as f32);
            recall.steps.push(place.steps);
            if let Some(trace) = &mut recall.trace {
                trace.push(place.trace);
            }
        }
        Ok(recall)
    }
}

impl Place {
    /// Whether any step has been taken and not taken back.
    fn has_moved(&self) -> bool {
        self.steps > self.halvings
    }
}

impl Walk {
    /// Where the next step leads.
    fn trial(&self, longest: Option<f32>) -> Vec<f32> {
        let length = self.gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        let scale = match longest {
            Some(longest) if length > f64::from(longest) => f64::from(longest) / length,
            _ => 1.0,
        };
        let step = (scale * f64::from(self.step_size)) as f32;
        self.at.x.iter().zip(&self.gradient).map(|(x, g)| x - step * g).collect()
    }
}

/// A gradient with zeros at known coordinates.
fn free(gradient: &[f32], clamp: Option<&[bool]>) -> Vec<f32> {
    let known = |i: usize| clamp.is_some_and(|c| c[i]);
    gradient.iter().enumerate().map(|(i, g)| if known(i) { 0.0 } else { *g }).collect()
}

/// Completes queries on memories of the same patterns with several `beta`, the smallest first: each starts where the one before
/// ended. A small `beta` reaches far, a large one tells patterns apart. The result is that of the largest `beta`, with the steps
/// of all.
///
/// # Errors
/// As [`FeatureMemory::descend`]; [`Error::EmptyMemory`] without memories.
///
/// ```
/// use attractor::{memory::{FeatureDescent, FeatureMemory, descend_ladder}, ops::{FeatureMap, FeatureSpec}};
/// let at = |beta| -> attractor::Result<FeatureMemory> {
///     let mut memory = FeatureMemory::new(FeatureSpec::new(FeatureMap::SinCos, 4000, 2, beta, 42))?;
///     memory.absorb(&[[0.5, 0.1], [-0.5, 0.2]])?;
///     Ok(memory)
/// };
/// let recalled = descend_ladder(&[&at(20.0)?, &at(80.0)?], &[[0.2, 0.0]], &FeatureDescent::default())?;
/// assert!((recalled.states[(0, 0)] - 0.5).abs() < 0.03);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn descend_ladder<Q: ToRows + ?Sized>(
    memories: &[&FeatureMemory],
    queries: &Q,
    options: &FeatureDescent<'_>,
) -> Result<Recall> {
    let mut order = memories.to_vec();
    order.sort_by(|a, b| a.spec().beta.total_cmp(&b.spec().beta));
    let mut last: Option<Recall> = None;
    let mut options = *options;
    for memory in order {
        last = Some(match last {
            None => memory.descend(queries, &options)?,
            Some(before) => {
                options.fill = false;
                let mut recall = memory.descend(&before.states, &options)?;
                recall.steps.iter_mut().zip(&before.steps).for_each(|(s, b)| *s += b);
                recall
            }
        });
    }
    last.ok_or(Error::EmptyMemory)
}
