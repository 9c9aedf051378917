//! The two-layer memory: neurons that are seen, hidden neurons that stand for patterns, and a synapse between them.

use super::{
    Memory, Recall, RecallOptions, Status, check_columns,
    dense::{Limits, measure},
    mixture::{among_all, batch, effective, eligible, pick},
};
use crate::{
    Device, Error, Result, Rows, Tensor, ToRows,
    contract::Form,
    network::{Ending, Layer, Network, Run, Settings},
    ops::{Axis, Lagrangian, Reduction, Similarity, check_beta, reduce, report, top_k},
    tensor::check_bipolar,
};
use std::fmt;

/// Numbers of the layers.
const SEEN: usize = 0;
const HIDDEN: usize = 1;

/// Which Lagrangians the two layers have (Krotov, Hopfield, ICLR 2021). `v` are the states of the neurons that are
/// seen, `h` those of the hidden ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LagrangianModel {
    /// Patterns of -1 and 1, rectified polynomials: `f = max(h, 0)^(n-1)`, `g = tanh(beta v)`. The dense associative
    /// memory of Krotov and Hopfield (2016) in continuous time; at `beta` of 1 and less everything decays to 0.
    A {
        /// `n`, at least 2.
        power: u32,
        /// How steep the neurons that are seen are.
        beta: f32,
    },
    /// `f = softmax(beta h)`, `g = v`. With a hidden layer that rests ([`LagrangianBuilder::tau_hidden`] 0) this is
    /// the modern Hopfield network, whose update is an Euler step of one time constant.
    B {
        /// Inverse temperature of the hidden layer.
        beta: f32,
    },
    /// Rectified polynomials of directions: `f = max(h, 0)^(n-1)`, `g = v / |v|`.
    C {
        /// `n`, at least 2.
        power: u32,
    },
}

impl LagrangianModel {
    fn hidden(self) -> Lagrangian {
        match self {
            Self::A { power, .. } | Self::C { power } => Lagrangian::Repu { power },
            Self::B { beta } => Lagrangian::Softmax { beta },
        }
    }

    fn seen(self) -> Lagrangian {
        match self {
            Self::A { beta, .. } => Lagrangian::Tanh { beta },
            Self::B { .. } => Lagrangian::Identity,
            Self::C { .. } => Lagrangian::Spherical { gain: 1.0, epsilon: 1e-12 },
        }
    }

    fn beta(self) -> Option<f32> {
        match self {
            Self::A { beta, .. } | Self::B { beta } => Some(beta),
            Self::C { .. } => None,
        }
    }

    fn with_beta(self, beta: f32) -> Result<Self> {
        match self {
            Self::A { power, .. } => Ok(Self::A { power, beta }),
            Self::B { .. } => Ok(Self::B { beta }),
            Self::C { .. } => Err(Error::parameter("beta", beta, "absent: model C has none")),
        }
    }

    /// What patterns are multiplied by to be weights, so that a pattern that is met fully drives `v` to itself: the drive
    /// of the longest one is `s^n |xi|^(2n-2) xi` (A) or `s^n |xi|^(n-1) xi` (C).
    fn scale(self, widest: f32) -> f32 {
        let share = |n: u32| f64::from(n - 1) / f64::from(n);
        let squared = f64::from(if widest > 0.0 { widest } else { 1.0 });
        match self {
            Self::A { power, .. } => squared.powf(-share(power)) as f32,
            Self::B { .. } => 1.0,
            Self::C { power } => squared.powf(-0.5 * share(power)) as f32,
        }
    }
}

/// An associative memory of two layers of neurons in continuous time: `v` that is seen, with activations `g`, and `h`
/// hidden, one neuron per pattern, with activations `f`;
/// `tau_v dv/dt = W^T f - v`, `tau_h dh/dt = W g - h`, where `W` are the patterns (models A and C: scaled so that a pattern
/// that is met fully drives `v` to itself). The energy `[v.g - L_v] + [h.f - L_h] - f.W g` never rises; model B's has the
/// constants of [`DenseMemory`](super::DenseMemory) with the dot similarity added.
///
/// A cue is where `v` starts; `h` starts at rest. One step of [`RecallOptions::steps`] is the time `tau_v = 1`, made of
/// Euler steps; [`Recall::states`] are `v`, the weights are the hidden activations divided by their sum. With model C,
/// whose activation mixes neurons, clamped coordinates can make the energy rise: a recall then stops with
/// [`Status::EnergyRises`]. Patterns are also kept on the host, and appending sends all of them to the device anew.
///
/// ```
/// use attractor::memory::{LagrangianMemory, LagrangianModel, Memory};
/// let patterns = [[1.0, 1.0, 1.0, -1.0], [1.0, -1.0, -1.0, -1.0]];
/// let memory = LagrangianMemory::new(&patterns, LagrangianModel::A { power: 3, beta: 4.0 })?;
/// let recalled = memory.recall(&[[0.6, 0.8, -0.2, -0.9]])?;
/// assert!(recalled.states.row(0).iter().zip(patterns[0]).all(|(v, xi)| v * xi > 0.9));
/// # Ok::<(), attractor::Error>(())
/// ```
pub struct LagrangianMemory {
    device: Device,
    model: LagrangianModel,
    tau_hidden: f32,
    dt: f32,
    patterns: Rows<'static>,
    /// Largest squared length of a pattern.
    widest: f32,
    /// Scaled patterns on the device.
    weights: Tensor,
}

/// Settings of a [`LagrangianMemory`] before it takes patterns.
#[derive(Clone, Debug)]
pub struct LagrangianBuilder {
    device: Option<Device>,
    model: LagrangianModel,
    tau_hidden: f32,
    dt: f32,
}

impl LagrangianBuilder {
    /// Where the memory lives; [`Device::best`] where this is not called.
    #[must_use]
    pub fn device(mut self, device: &Device) -> Self {
        self.device = Some(device.clone());
        self
    }

    /// Time constant of the hidden layer, where that of the other is 1. 0 for a hidden layer that always rests; 0.2 where
    /// this is not called.
    #[must_use]
    pub fn tau_hidden(mut self, tau: f32) -> Self {
        self.tau_hidden = tau;
        self
    }

    /// Euler step in units of the smallest time constant above 0, at most 1; 0.01 where this is not called. States
    /// whose energy would rise halve it.
    #[must_use]
    pub fn dt(mut self, dt: f32) -> Self {
        self.dt = dt;
        self
    }

    /// The memory, with these patterns `[n, d]`.
    ///
    /// # Errors
    /// As [`LagrangianMemory::new`].
    pub fn build<P: ToRows + ?Sized>(&self, patterns: &P) -> Result<LagrangianMemory> {
        let Self { model, tau_hidden, dt, .. } = *self;
        if !(tau_hidden >= 0.0 && tau_hidden.is_finite()) {
            return Err(Error::parameter(
                "tau of the hidden layer",
                tau_hidden,
                "0 or a positive, finite number",
            ));
        }
        if !(dt > 0.0 && dt <= 1.0) {
            return Err(Error::parameter("dt", dt, "above 0 and at most 1"));
        }
        let rows = patterns.to_rows()?;
        if rows.columns() == 0 {
            return Err(Error::EmptyMemory);
        }
        model.hidden().check(rows.rows())?;
        model.seen().check(rows.columns())?;
        let device = match &self.device {
            Some(device) => device.clone(),
            None => Device::best()?,
        };
        let (widest, weights) = weigh(&rows, model, &device)?;
        Ok(LagrangianMemory { device, model, tau_hidden, dt, patterns: rows.into_owned(), widest, weights })
    }
}

/// The largest squared length of patterns, and the weights that are made of them.
fn weigh(patterns: &Rows<'_>, model: LagrangianModel, device: &Device) -> Result<(f32, Tensor)> {
    check(patterns, model)?;
    let measured = measure(patterns, "patterns", Similarity::Dot)?;
    let widest = measured.squared.iter().copied().fold(0.0, f32::max);
    Ok((widest, scaled(patterns, model.scale(widest), device)?))
}

/// Refuses patterns that a model could not drive its states to: those of model A, whose states end at -1 and 1.
fn check(patterns: &Rows<'_>, model: LagrangianModel) -> Result<()> {
    match model {
        LagrangianModel::A { .. } => check_bipolar(patterns, "patterns"),
        LagrangianModel::B { .. } | LagrangianModel::C { .. } => Ok(()),
    }
}

/// Patterns times `scale` on the device.
fn scaled(patterns: &Rows<'_>, scale: f32, device: &Device) -> Result<Tensor> {
    let values: Vec<f32> = patterns.as_slice().iter().map(|v| scale * v).collect();
    Tensor::from_flat(device, &values, &[patterns.rows(), patterns.columns()])
}

impl LagrangianMemory {
    /// A memory of patterns `[n, d]` on [`Device::best`], with a hidden layer five times as fast as the other.
    ///
    /// # Errors
    /// [`Error::EmptyMemory`] without patterns, [`Error::DimensionMismatch`] for ragged rows,
    /// [`Error::NonFinite`] for NaN and infinities, [`Error::NotBipolar`] for other patterns than -1 and 1 in model A,
    /// [`Error::InvalidParameter`] for settings out of range, and faults of the device.
    pub fn new<P: ToRows + ?Sized>(patterns: &P, model: LagrangianModel) -> Result<Self> {
        Self::builder(model).build(patterns)
    }

    /// Settings other than the defaults.
    ///
    /// ```
    /// use attractor::{memory::{LagrangianMemory, LagrangianModel, Memory}, Device};
    /// let memory = LagrangianMemory::builder(LagrangianModel::B { beta: 8.0 })
    ///     .device(&Device::cpu())
    ///     .tau_hidden(0.0)
    ///     .dt(1.0)
    ///     .build(&[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])?;
    /// assert!(memory.recall(&[[0.6, 0.2]])?.weights[0] > 0.99);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn builder(model: LagrangianModel) -> LagrangianBuilder {
        LagrangianBuilder { device: None, model, tau_hidden: 0.2, dt: 0.01 }
    }

    /// Which Lagrangians the two layers have.
    pub fn model(&self) -> LagrangianModel {
        self.model
    }

    /// The network with these weights.
    fn network(&self, weights: &Tensor, model: LagrangianModel, tau_hidden: f32) -> Result<Network> {
        let mut network = Network::new(&self.device);
        network.add_layer(Layer::new(self.dim(), model.seen()))?;
        network.add_layer(Layer::new(weights.shape()[0], model.hidden()).tau(tau_hidden))?;
        network.connect_by(HIDDEN, SEEN, weights.clone());
        Ok(network)
    }

    /// The constant part of the energy with this many patterns, the longest of a squared length of `widest`.
    fn offset(&self, model: LagrangianModel, count: usize, widest: f32) -> f32 {
        match model {
            LagrangianModel::B { beta } => Form::new(Similarity::Dot, beta, count, widest).offset as f32,
            LagrangianModel::A { .. } | LagrangianModel::C { .. } => 0.0,
        }
    }

    fn check(&self, queries: &Rows<'_>, mask: Option<&[bool]>) -> Result<Limits> {
        if self.is_empty() {
            return Err(Error::EmptyMemory);
        }
        let largest = self.patterns.as_slice().iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        let limits = Limits {
            patterns: self.len(),
            live: self.len(),
            dim: self.dim(),
            similarity: Similarity::Dot,
            largest,
        };
        limits.check(queries, mask)?;
        measure(queries, "queries", Similarity::Dot)?;
        Ok(limits)
    }
}

impl Memory for LagrangianMemory {
    fn len(&self) -> usize {
        self.patterns.rows()
    }

    fn dim(&self) -> usize {
        self.patterns.columns()
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn append(&mut self, patterns: &dyn ToRows) -> Result<()> {
        let rows = patterns.to_rows()?;
        check_columns(&rows, self.dim())?;
        if rows.rows() == 0 {
            return Ok(());
        }
        // Named by its place among the new ones.
        check(&rows, self.model)?;
        measure(&rows, "patterns", Similarity::Dot)?;
        let all = Rows::new([self.patterns.as_slice(), rows.as_slice()].concat(), self.dim())?;
        (self.widest, self.weights) = weigh(&all, self.model, &self.device)?;
        self.patterns = all;
        Ok(())
    }

    fn recall_with(&self, queries: &dyn ToRows, options: &RecallOptions<'_>) -> Result<Recall> {
        let rows = queries.to_rows()?;
        let (b, d) = (rows.rows(), self.dim());
        let limits = self.check(&rows, options.mask)?;
        if options.step_size != 1.0 {
            let want = "1: the Euler step is the memory's (`LagrangianBuilder::dt`)";
            return Err(Error::parameter("step size", options.step_size, want));
        }
        let plan = limits.plan(options, b)?;
        let listed = limits.listed(options)?;
        let model = match options.beta {
            Some(beta) => {
                check_beta(beta)?;
                self.model.with_beta(beta)?
            }
            None => self.model,
        };
        let kept = options.mask.map(eligible).transpose()?;
        let (weights, widest) = match &kept {
            Some(kept) => {
                let picked = pick(&self.patterns, kept)?;
                let measured = measure(&picked, "patterns", Similarity::Dot)?;
                let widest = measured.squared.into_iter().fold(0.0, f32::max);
                (scaled(&picked, model.scale(self.widest), &self.device)?, widest)
            }
            None => (self.weights.clone(), self.widest),
        };
        let n = weights.shape()[0];
        let offset = self.offset(model, n, widest);
        let moving = self.network(&weights, model, self.tau_hidden)?;
        let resting = self.network(&weights, model, 0.0)?;
        let smallest = if self.tau_hidden > 0.0 { self.tau_hidden.min(1.0) } else { 1.0 };
        let per_step = (1.0 / (self.dt * smallest)).ceil() as u32;
        let mut recall = Recall {
            states: Rows::empty(d),
            energy: Vec::with_capacity(b),
            trace: plan.trace.then(Vec::new),
            steps: Vec::with_capacity(b),
            status: Vec::with_capacity(b),
            indices: Vec::new(),
            weights: Vec::new(),
            top_k: plan.top_k,
            effective: Vec::with_capacity(b),
            support: None,
            values: None,
            beta: model.beta().unwrap_or(1.0),
            similarity_form: None,
            more: Vec::new(),
        };
        let mut states = Vec::with_capacity(b * d);
        for first in (0..b).step_by(batch(n, d)) {
            let end = b.min(first + batch(n, d));
            let clamp = plan.clamp.map(|c| (SEEN, if c.len() == d { c } else { &c[first * d..end * d] }));
            let still = Settings { steps: 0, ..Settings::default() };
            let start = resting.start(&[(SEEN, &rows.slice(first..end))])?;
            let start = resting.integrate(&start, &still)?.states;
            let settings = Settings {
                dt: self.dt,
                steps: plan.steps.saturating_mul(per_step),
                // In units of the largest state, where that is above 1.
                tolerance: plan.tolerance / limits.largest.max(1.0),
                clamp: clamp.as_slice(),
                trace: plan.trace,
            };
            let run = moving.integrate(&start, &settings)?;
            states.extend(run.states[SEEN].to_vec()?);
            note(&mut recall, run, per_step, offset, plan.top_k)?;
            report(plan.progress, end as u64, b as u64)?;
        }
        if let Some(kept) = &kept {
            recall.indices = among_all(recall.indices, kept);
        }
        for (i, status) in recall.status.iter_mut().enumerate() {
            if *status == Status::Converged && plan.is_fixed(i, d) {
                *status = Status::Inert;
            }
        }
        recall.states = Rows::new(states, d)?;
        recall.listing(listed)
    }

    /// Energies `[b]` of states `v` `[b, d]` with hidden neurons at rest.
    fn energy(&self, states: &dyn ToRows) -> Result<Vec<f32>> {
        let rows = states.to_rows()?;
        self.check(&rows, None)?;
        let resting = self.network(&self.weights, self.model, 0.0)?;
        let offset = self.offset(self.model, self.len(), self.widest);
        let mut energy = Vec::with_capacity(rows.rows());
        for first in (0..rows.rows()).step_by(batch(self.len(), self.dim())) {
            let end = rows.rows().min(first + batch(self.len(), self.dim()));
            let start = resting.start(&[(SEEN, &rows.slice(first..end))])?;
            energy.extend(resting.energy(&start)?.into_iter().map(|e| e + offset));
        }
        Ok(energy)
    }
}

/// Takes the outcome of a batch into the recall. A step of a recall is `per_step` Euler steps.
fn note(recall: &mut Recall, run: Run, per_step: u32, offset: f32, k: usize) -> Result<()> {
    let f = &run.activations[HIDDEN];
    let sums = reduce(f, Reduction::Sum, Axis::Columns)?.to_vec()?;
    let (weights, indices) = top_k(f, k)?;
    recall.indices.extend(indices);
    let of_sum = |(at, w): (usize, f32)| if w > 0.0 { w / sums[at / k.max(1)] } else { 0.0 };
    recall.weights.extend(weights.into_iter().enumerate().map(of_sum));
    recall.effective.extend(effective(f)?);
    recall.energy.extend(run.energy.iter().map(|e| e + offset));
    recall.steps.extend(run.steps.iter().map(|steps| steps.div_ceil(per_step)));
    recall.status.extend(run.ending.iter().map(|ending| match ending {
        Ending::Converged => Status::Converged,
        Ending::MaxSteps => Status::MaxSteps,
        Ending::EnergyRises => Status::EnergyRises,
    }));
    if let (Some(of_all), Some(traces)) = (&mut recall.trace, run.trace) {
        of_all.extend(traces.into_iter().map(|trace| {
            let last = trace.len() - 1;
            let whole = (0..last).step_by(per_step as usize).chain([last]);
            whole.map(|at| trace[at] + offset).collect::<Vec<f32>>()
        }));
    }
    Ok(())
}

impl fmt::Debug for LagrangianMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LagrangianMemory")
            .field("patterns", &self.len())
            .field("dim", &self.dim())
            .field("model", &self.model)
            .field("tau_hidden", &self.tau_hidden)
            .field("dt", &self.dt)
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}
