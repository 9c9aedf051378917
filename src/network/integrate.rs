//! The dynamics of a network in time, held to its energy.

use super::{Layer, Moment, Network, ROUNDINGS};
use crate::{
    Device, Error, Result, Tensor,
    ops::{Axis, Binary, Reduction, Unary, binary, by_row, reduce, unary},
};
use std::fmt;

/// How often a step may be halved, for a state whose energy rises, before it is given up.
const HALVINGS: i32 = 24;

/// How far to follow the dynamics.
#[derive(Clone, Debug)]
pub struct Settings<'a> {
    /// Euler step in units of the smallest time constant above 0. A state whose energy would rise takes half the step
    /// from there on.
    pub dt: f32,
    /// Most steps of a state.
    pub steps: u32,
    /// A state has converged when no neuron's `|tau dx/dt|` is larger than this, or than this times the largest state of
    /// its layer where that is above 1 (f32 gives no more). 0 makes exactly `steps` steps.
    pub tolerance: f32,
    /// Layers with neurons that stay as they are: `[neurons]` for all states, or `[batch * neurons]`. The energy of a
    /// layer whose activation mixes its neurons (softmax, layer norm, spherical, ghostmax) may then rise, unless all of
    /// its neurons stay.
    pub clamp: &'a [(usize, &'a [bool])],
    /// Whether to keep the energy of every step.
    pub trace: bool,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self { dt: 0.01, steps: 10_000, tolerance: 1e-6, clamp: &[], trace: false }
    }
}

/// How a state's way ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// All neurons rest, to within the tolerance.
    Converged,
    /// All allowed steps were made.
    MaxSteps,
    /// The energy rises above the lowest so far, or is not finite, however small the step; the state is the last before that.
    EnergyRises,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Converged => "converged",
            Self::MaxSteps => "max-steps",
            Self::EnergyRises => "energy-rises",
        })
    }
}

/// Where a batch of states went.
#[derive(Clone, Debug)]
pub struct Run {
    /// Final states `[batch, neurons]` of each layer.
    pub states: Vec<Tensor>,
    /// Their activations.
    pub activations: Vec<Tensor>,
    /// Energy of each final state.
    pub energy: Vec<f32>,
    /// Energies at the start and after each step, where asked for.
    pub trace: Option<Vec<Vec<f32>>>,
    /// Steps made by each state.
    pub steps: Vec<u32>,
    /// How each ended.
    pub ending: Vec<Ending>,
    /// Largest `|tau dx/dt|` at the end, in units of the largest state of its layer where that is above 1.
    pub rate: Vec<f32>,
    /// The largest rise of the reported energy in a step that was taken, at least 0: rounding, since steps that raise the energy
    /// itself are not taken.
    pub worst_rise: Vec<f32>,
    /// The step at the end, in units of time.
    pub dt: Vec<f32>,
}

/// A tensor that is added to in small parts, with what rounding has cost it so far (Kahan's sum): steps are often below
/// the last place of a state.
#[derive(Clone)]
struct Compensated {
    value: Tensor,
    /// What is in `value` too much.
    excess: Tensor,
}

impl Compensated {
    fn new(value: &Tensor) -> Result<Self> {
        Ok(Self { value: value.clone(), excess: unary(Unary::Scale(0.0), value)? })
    }

    /// `value + by_row * more`.
    fn plus(&self, more: &Tensor, by: &Tensor) -> Result<Self> {
        let part = binary(Binary::Sub, &by_row(Binary::Mul, more, by)?, &self.excess)?;
        let value = binary(Binary::Add, &self.value, &part)?;
        let excess = binary(Binary::Sub, &binary(Binary::Sub, &value, &self.value)?, &part)?;
        Ok(Self { value, excess })
    }
}

impl Network {
    /// Follows `tau_a dx_a/dt = -dE/dg_a` from states `[batch, neurons]` by Euler steps, each state with its own: where
    /// a step would raise the energy above the lowest so far by more than rounding explains, it is not taken, and the state goes
    /// on with half the step.
    ///
    /// Sums of f32 tell the energy of many neurons to some thousandths, which is more than a step changes it. So where they do not say
    /// that a step leads lower than all before it, its change is worked out from the pulls that the dynamics follow:
    /// `dE = -sum_a (pull_a + pull'_a).(g'_a - g_a) / 2`, whose error falls with the cube of the step.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] for states or clamps of other shapes, [`Error::InvalidParameter`] for settings out
    /// of range or a clamp on a layer with `tau` 0, [`Error::NonFinite`] where the energy is not finite at the
    /// start; faults of the device.
    pub fn integrate(&self, start: &[Tensor], settings: &Settings<'_>) -> Result<Run> {
        match self.device {
            // From inside the pool: else each of the many small operations would wake it and wait.
            Device::Cpu => rayon::scope(|_| self.follow(start, settings)),
            Device::Gpu(_) => self.follow(start, settings),
        }
    }

    fn follow(&self, start: &[Tensor], settings: &Settings<'_>) -> Result<Run> {
        self.check_states(start)?;
        let batch = start.first().map_or(0, |s| s.matrix_shape().0);
        let free = self.free(settings, batch)?;
        let mut moment = self.moment(start)?;
        let energy = self.total(&moment)?;
        if let Some(row) = energy.iter().position(|e| !e.is_finite()) {
            let what = "energy of the start (scale states or weights down)".to_owned();
            return Err(Error::NonFinite { what, row, column: 0, value: energy[row] });
        }
        let taus = self.layers.iter().map(|l| l.tau).filter(|tau| *tau > 0.0);
        let dt = settings.dt * taus.reduce(f32::min).unwrap_or(1.0);
        let mut run = Run {
            states: Vec::new(),
            activations: Vec::new(),
            trace: settings.trace.then(|| energy.iter().map(|e| vec![*e]).collect()),
            energy,
            steps: vec![0; batch],
            ending: vec![Ending::MaxSteps; batch],
            rate: vec![0.0; batch],
            worst_rise: vec![0.0; batch],
            dt: vec![dt; batch],
        };
        let mut x = moment.states.iter().map(Compensated::new).collect::<Result<Vec<_>>>()?;
        let mut active = vec![true; batch];
        let mut floor: Vec<Floor> = run.energy.iter().map(|e| Floor { lowest: *e, above: 0.0 }).collect();
        loop {
            let pulls = self.pulls(&moment, &free)?;
            run.rate = largest(&pulls, &moment, batch)?;
            for (i, active) in active.iter_mut().enumerate().filter(|(_, active)| **active) {
                let settled = run.rate[i] <= settings.tolerance;
                run.ending[i] = if settled { Ending::Converged } else { Ending::MaxSteps };
                *active = run.steps[i] < settings.steps && (!settled || settings.tolerance == 0.0);
            }
            // The step of each state in this round; 0 stays where it is.
            let mut by: Vec<f32> = (0..batch).map(|i| if active[i] { run.dt[i] } else { 0.0 }).collect();
            while by.iter().any(|dt| *dt > 0.0) {
                let next = self.advance(&x, &pulls, &by)?;
                let values: Vec<Tensor> = next.iter().map(|x| x.value.clone()).collect();
                let after = self.moment(&values)?;
                let energy = self.total(&after)?;
                let looked = look(&floor, &energy, &by, (&moment, &after), self.terms())?;
                if looked.refused.is_empty() {
                    run.take(&energy, &by);
                    floor = looked.floor;
                    (x, moment) = (next, after);
                    break;
                }
                for i in looked.refused {
                    by[i] = 0.0;
                    run.dt[i] *= 0.5;
                    if run.dt[i] < dt * 0.5_f32.powi(HALVINGS) {
                        run.ending[i] = Ending::EnergyRises;
                        active[i] = false;
                    }
                }
            }
            if !active.contains(&true) {
                run.states = moment.states;
                run.activations = moment.activations;
                return Ok(run);
            }
        }
    }

    /// For each layer 1 where a neuron may move and 0 where it may not; `None` where all may.
    fn free(&self, settings: &Settings<'_>, batch: usize) -> Result<Vec<Option<Tensor>>> {
        let Settings { dt, tolerance, clamp, .. } = *settings;
        if !(dt > 0.0 && dt.is_finite()) {
            return Err(Error::parameter("dt", dt, "a positive, finite number"));
        }
        if !(tolerance >= 0.0 && tolerance.is_finite()) {
            return Err(Error::parameter("tolerance", tolerance, "0 or a positive, finite number"));
        }
        let mut free = vec![None; self.layers.len()];
        for (number, clamp) in clamp {
            let Layer { neurons, tau, .. } = *self.layer(*number)?;
            if tau == 0.0 {
                let want = "above 0 for a layer with a clamp";
                return Err(Error::parameter("tau", tau, want));
            }
            if clamp.len() != neurons && clamp.len() != batch * neurons {
                let what =
                    format!("entries of the clamp ({neurons}, or {neurons} for each of {batch} states)");
                return Err(Error::dimension(what, clamp.len(), neurons));
            }
            let values: Vec<f32> = clamp.iter().map(|c| if *c { 0.0 } else { 1.0 }).collect();
            free[*number] =
                Some(Tensor::from_flat(&self.device, &values, &[clamp.len() / neurons, neurons])?);
        }
        Ok(free)
    }

    /// `tau_a dx_a/dt` of the layers that move.
    fn pulls(&self, moment: &Moment, free: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let pull = |(a, layer): (usize, &Layer)| match &free[a] {
            _ if layer.rests() => Ok(None),
            Some(free) => binary(Binary::Mul, &moment.pull(a)?, free).map(Some),
            None => moment.pull(a).map(Some),
        };
        self.layers.iter().enumerate().map(pull).collect()
    }

    /// The states after a step of its own for each.
    fn advance(&self, x: &[Compensated], pulls: &[Option<Tensor>], by: &[f32]) -> Result<Vec<Compensated>> {
        let moved = |((x, pull), layer): ((&Compensated, &Option<Tensor>), &Layer)| match pull {
            Some(pull) => {
                let by: Vec<f32> = by.iter().map(|dt| dt / layer.tau).collect();
                x.plus(pull, &Tensor::from_flat(&self.device, &by, &[by.len()])?)
            }
            None => Ok(x.clone()),
        };
        x.iter().zip(pulls).zip(&self.layers).map(moved).collect()
    }
}

impl Run {
    /// Notes that the states with a step above 0 have taken it, and now have these energies.
    fn take(&mut self, energy: &[f32], by: &[f32]) {
        for i in (0..by.len()).filter(|i| by[*i] > 0.0) {
            self.worst_rise[i] = self.worst_rise[i].max(energy[i] - self.energy[i]);
            self.energy[i] = energy[i];
            self.steps[i] += 1;
            if let Some(trace) = &mut self.trace {
                trace[i].push(energy[i]);
            }
        }
    }
}

/// The lowest energy on a state's way.
#[derive(Clone, Copy)]
struct Floor {
    /// As sums of f32 tell it.
    lowest: f32,
    /// How far above it the state is by the pulls along its way.
    above: f64,
}

/// What has been found of a step of each state.
struct Looked {
    /// The states that must not take it: it leads higher, beyond rounding, or out of the finite numbers.
    refused: Vec<usize>,
    /// The floors after it, for those that take it.
    floor: Vec<Floor>,
}

/// Looks at a step of the states with `by` above 0, from a moment to another with the energies `after`. Sums have up to `terms` terms.
fn look(
    floor: &[Floor],
    after: &[f32],
    by: &[f32],
    (from, to): (&Moment, &Moment),
    terms: usize,
) -> Result<Looked> {
    let mut looked = Looked { refused: Vec::new(), floor: floor.to_vec() };
    let mut higher = Vec::new();
    for i in (0..by.len()).filter(|i| by[*i] > 0.0) {
        if !after[i].is_finite() {
            looked.refused.push(i);
        } else if after[i] > floor[i].lowest {
            higher.push(i);
        } else {
            looked.floor[i] = Floor { lowest: after[i], above: 0.0 };
        }
    }
    if higher.is_empty() {
        return Ok(looked);
    }
    let (at_start, at_end, change) = (from.magnitudes()?, to.magnitudes()?, change(from, to)?);
    for i in higher {
        let magnitude = f64::from(at_start[i] + at_end[i]);
        let above = (floor[i].above + change[i]).max(0.0);
        let rise = f64::from(after[i]) - f64::from(floor[i].lowest);
        // The sums themselves are wrong by no more than a rounding for each of their terms.
        let sure = rise > f64::from(f32::EPSILON) * terms as f64 * magnitude;
        if sure || above.is_nan() || above > f64::from(ROUNDINGS * f32::EPSILON) * magnitude {
            looked.refused.push(i);
        } else {
            looked.floor[i].above = above;
        }
    }
    looked.refused.sort_unstable();
    Ok(looked)
}

/// The change of the energy `[batch]` from a moment to another, by the pulls at both: the trapezoidal rule along the activations.
fn change(from: &Moment, to: &Moment) -> Result<Vec<f64>> {
    let mut all: Vec<f64> = Vec::new();
    for a in 0..from.states.len() {
        let pulls = binary(Binary::Add, &from.pull(a)?, &to.pull(a)?)?;
        let moved = binary(Binary::Sub, &to.activations[a], &from.activations[a])?;
        let of_layer =
            reduce(&binary(Binary::Mul, &pulls, &moved)?, Reduction::Sum, Axis::Columns)?.to_vec()?;
        all.resize(of_layer.len(), 0.0);
        all.iter_mut().zip(of_layer).for_each(|(sum, v)| *sum -= 0.5 * f64::from(v));
    }
    Ok(all)
}

/// The largest pull of each state, in units of the largest state of its layer where that is above 1.
fn largest(pulls: &[Option<Tensor>], moment: &Moment, batch: usize) -> Result<Vec<f32>> {
    let most = |x: &Tensor| reduce(&unary(Unary::Abs, x)?, Reduction::Max, Axis::Columns);
    let mut all: Option<Tensor> = None;
    for (pull, state) in pulls.iter().zip(&moment.states) {
        let Some(pull) = pull else { continue };
        let one = Tensor::from_flat(&state.device(), &vec![1.0; batch], &[batch])?;
        let of_layer = binary(Binary::Div, &most(pull)?, &binary(Binary::Max, &most(state)?, &one)?)?;
        all = Some(match &all {
            Some(all) => binary(Binary::Max, all, &of_layer)?,
            None => of_layer,
        });
    }
    all.map_or(Ok(vec![0.0; batch]), |all| all.to_vec())
}
