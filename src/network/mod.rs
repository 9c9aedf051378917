//! Layered networks of neurons with an energy (Krotov, Hopfield, ICLR 2021; HAMUX): each layer has a Lagrangian
//! ([`crate::ops::Lagrangian`]), synapses add energies of the layers' activations, and the dynamics follow.
//!
//! ```
//! use attractor::{Device, network::{Layer, Network, Settings}, ops::Lagrangian};
//! let mut network = Network::new(&Device::cpu());
//! let seen = network.add_layer(Layer::new(2, Lagrangian::Identity))?;
//! let hidden = network.add_layer(Layer::new(3, Lagrangian::Softmax { beta: 8.0 }).tau(0.2))?;
//! network.connect(hidden, seen, &[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])?;
//!
//! let start = network.start(&[(seen, &[[0.6, 0.2]])])?;
//! let run = network.integrate(&start, &Settings::default())?;
//! let end = run.states[seen].to_vec()?;
//! assert!(end[0] > 0.99 && end[1] < 0.01);
//! assert!(run.worst_rise[0] < 1e-6);
//! # Ok::<(), attractor::Error>(())
//! ```

mod integrate;

pub use integrate::{Ending, Run, Settings};

use crate::{
    Device, Error, Result, Tensor, ToRows,
    ops::{
        Axis, Binary, Lagrangian, Layout, Reduction, Unary, activation, binary, layer_energy, matmul, reduce,
        unary,
    },
};

/// A layer of neurons.
///
/// ```
/// use attractor::{network::Layer, ops::Lagrangian};
/// let hidden = Layer::new(100, Lagrangian::Softmax { beta: 8.0 }).tau(0.2);
/// assert_eq!(hidden.neurons, 100);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// How many neurons.
    pub neurons: usize,
    /// Its Lagrangian.
    pub lagrangian: Lagrangian,
    /// Time constant. 0 is the limit of a layer so fast that it always rests: its state is what its synapses make it.
    pub tau: f32,
}

impl Layer {
    /// A layer with the time constant 1.
    pub fn new(neurons: usize, lagrangian: Lagrangian) -> Self {
        Self { neurons, lagrangian, tau: 1.0 }
    }

    /// The same with another time constant.
    #[must_use]
    pub fn tau(mut self, tau: f32) -> Self {
        self.tau = tau;
        self
    }
}

/// What connects layers.
#[derive(Debug)]
enum Synapse {
    /// Energy `-g_left^T W g_right`, `W` of shape `[neurons of left, neurons of right]`.
    Dense { left: usize, right: usize, weights: Tensor },
    /// Energy `-b.g`, `b` of shape `[1, neurons]`, or `[batch, neurons]` with an own input for each state.
    Bias { layer: usize, bias: Tensor },
}

/// Layers of neurons and the synapses between them, with the energy
/// `E = sum_a [x_a.g_a - L_a(x_a)] + sum_s E_s(g)` and the dynamics `tau_a dx_a/dt = -dE/dg_a`, under which it never
/// rises (`L_a` are convex).
///
/// States are one tensor `[batch, neurons]` per layer, in the order of [`Network::add_layer`]; each row of a batch is a
/// network of its own. See the [module](crate::network) for an example.
#[derive(Debug)]
pub struct Network {
    device: Device,
    layers: Vec<Layer>,
    synapses: Vec<Synapse>,
}

/// The states of a network with what follows from them.
struct Moment {
    states: Vec<Tensor>,
    activations: Vec<Tensor>,
    inputs: Vec<Input>,
}

/// What synapses put into a layer, `[batch, neurons]`.
struct Input {
    /// `-dE_s/dg_a` of all synapses.
    all: Tensor,
    /// Of the dense ones.
    dense: Option<Tensor>,
}

/// How many units of the last place of its terms' magnitudes a state may climb above its lowest energy.
const ROUNDINGS: f32 = 16.0;

fn sum(x: &Tensor) -> Result<Tensor> {
    reduce(x, Reduction::Sum, Axis::Columns)
}

impl Network {
    /// A network without layers.
    pub fn new(device: &Device) -> Self {
        Self { device: device.clone(), layers: Vec::new(), synapses: Vec::new() }
    }

    /// Where the network lives.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The layers, in the order of their numbers.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Adds a layer and gives its number.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for a layer without neurons, a time constant below 0 or parameters of the Lagrangian
    /// outside of their range.
    pub fn add_layer(&mut self, layer: Layer) -> Result<usize> {
        if layer.neurons == 0 {
            return Err(Error::parameter("neurons of a layer", 0, "at least 1"));
        }
        if !(layer.tau >= 0.0 && layer.tau.is_finite()) {
            return Err(Error::parameter("tau", layer.tau, "0 or a positive, finite number"));
        }
        layer.lagrangian.check(layer.neurons)?;
        self.layers.push(layer);
        Ok(self.layers.len() - 1)
    }

    fn layer(&self, number: usize) -> Result<&Layer> {
        let want = || format!("the number of one of the {} layers, from 0", self.layers.len());
        self.layers.get(number).ok_or_else(|| Error::parameter("layer", number, want()))
    }

    /// Connects two layers (or one with itself) with weights `W` `[neurons of left, neurons of right]`: energy
    /// `-g_left^T W g_right`.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] where there is no such layer, or both have `tau` 0; [`Error::DimensionMismatch`],
    /// [`Error::NonFinite`]; faults of the device.
    pub fn connect(&mut self, left: usize, right: usize, weights: &dyn ToRows) -> Result<()> {
        let (l, r) = (self.layer(left)?, self.layer(right)?);
        if l.tau == 0.0 && r.tau == 0.0 {
            let want = "above 0 for at least one of two connected layers";
            return Err(Error::parameter("tau", 0, want));
        }
        let (rows, columns) = (l.neurons, r.neurons);
        let weights = weights.to_rows()?;
        if weights.rows() != rows {
            return Err(Error::dimension("rows of weights (one per neuron of left)", weights.rows(), rows));
        }
        if weights.columns() != columns {
            let what = "columns of weights (one per neuron of right)";
            return Err(Error::dimension(what, weights.columns(), columns));
        }
        weights.check_finite("weights")?;
        let weights = Tensor::new(&self.device, &weights)?;
        self.connect_by(left, right, weights);
        Ok(())
    }

    /// The same with weights that are on the device, of a fitting shape.
    pub(crate) fn connect_by(&mut self, left: usize, right: usize, weights: Tensor) {
        self.synapses.push(Synapse::Dense { left, right, weights });
    }

    /// Gives a layer a constant input `b`, `[1, neurons]` or one row for each state of a batch: energy `-b.g`. Together
    /// with [`Network::connect`] this is a dense synapse with bias.
    ///
    /// # Errors
    /// As [`Network::connect`].
    pub fn bias(&mut self, layer: usize, bias: &dyn ToRows) -> Result<()> {
        let neurons = self.layer(layer)?.neurons;
        let bias = bias.to_rows()?;
        if bias.columns() != neurons {
            return Err(Error::dimension("columns of a bias (one per neuron)", bias.columns(), neurons));
        }
        bias.check_finite("bias")?;
        self.synapses.push(Synapse::Bias { layer, bias: Tensor::new(&self.device, &bias)? });
        Ok(())
    }

    /// States of all layers for a batch, from rows `[batch, neurons]` of some; the others start at 0.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] where there is no such layer, or no rows are given; [`Error::DimensionMismatch`],
    /// [`Error::NonFinite`]; faults of the device.
    pub fn start(&self, known: &[(usize, &dyn ToRows)]) -> Result<Vec<Tensor>> {
        let Some((_, first)) = known.first() else {
            return Err(Error::parameter("layers with a start", 0, "at least 1"));
        };
        let batch = first.to_rows()?.rows();
        let zeros =
            |l: &Layer| Tensor::from_flat(&self.device, &vec![0.0; batch * l.neurons], &[batch, l.neurons]);
        let mut states = self.layers.iter().map(zeros).collect::<Result<Vec<_>>>()?;
        for (number, rows) in known {
            let neurons = self.layer(*number)?.neurons;
            let rows = rows.to_rows()?;
            rows.check_finite("states")?;
            if rows.columns() != neurons {
                let what = format!("columns of the states of layer {number} (one per neuron)");
                return Err(Error::dimension(what, rows.columns(), neurons));
            }
            if rows.rows() != batch {
                let what = format!("states of layer {number} (as the first layer with a start has)");
                return Err(Error::dimension(what, rows.rows(), batch));
            }
            states[*number] = Tensor::from_flat(&self.device, rows.as_slice(), &[batch, neurons])?;
        }
        Ok(states)
    }

    /// Activations of all layers. The given states of layers with `tau` 0 do not count.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] for states of other shapes; faults of the device.
    pub fn activations(&self, states: &[Tensor]) -> Result<Vec<Tensor>> {
        Ok(self.moment(states)?.activations)
    }

    /// Energies `[batch]`.
    ///
    /// # Errors
    /// As [`Network::activations`].
    ///
    /// ```
    /// use attractor::{Device, network::{Layer, Network}, ops::Lagrangian};
    /// let mut network = Network::new(&Device::cpu());
    /// let v = network.add_layer(Layer::new(2, Lagrangian::Identity))?;
    /// network.bias(v, &[1.0, -2.0])?;
    /// let states = network.start(&[(v, &[[3.0, 4.0], [1.0, -2.0]])])?;
    /// // 1/2 |x|^2 - b.x
    /// assert_eq!(network.energy(&states)?, [17.5, -2.5]);
    /// assert_eq!(network.gradient(&states)?[v].to_vec()?, [2.0, 6.0, 0.0, 0.0]);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn energy(&self, states: &[Tensor]) -> Result<Vec<f32>> {
        self.total(&self.moment(states)?)
    }

    /// Gradients `dE/dg_a` of all layers; those with `tau` 0 rest and have zeros.
    ///
    /// # Errors
    /// As [`Network::activations`].
    pub fn gradient(&self, states: &[Tensor]) -> Result<Vec<Tensor>> {
        let moment = self.moment(states)?;
        (0..self.layers.len()).map(|a| unary(Unary::Neg, &moment.pull(a)?)).collect()
    }

    fn check_states(&self, states: &[Tensor]) -> Result<()> {
        if states.len() != self.layers.len() {
            return Err(Error::dimension("states (one tensor per layer)", states.len(), self.layers.len()));
        }
        let batch = states.first().map_or(0, |s| s.matrix_shape().0);
        for (a, (state, layer)) in states.iter().zip(&self.layers).enumerate() {
            let (rows, columns) = state.matrix_shape();
            if columns != layer.neurons {
                let what = format!("columns of the states of layer {a} (one per neuron)");
                return Err(Error::dimension(what, columns, layer.neurons));
            }
            if rows != batch {
                return Err(Error::dimension(format!("states of layer {a} (as layer 0 has)"), rows, batch));
            }
        }
        Ok(())
    }

    /// What all synapses put into a layer at these activations, `-dE_s/dg_a`, and what of it comes through dense
    /// ones. Activations that are `None` do not count.
    fn input(&self, a: usize, state: &Tensor, g: &[Option<Tensor>]) -> Result<Input> {
        let mut dense: Option<Tensor> = None;
        let mut add = |more: Tensor| -> Result<()> {
            dense = Some(match &dense {
                Some(sum) => binary(Binary::Add, sum, &more)?,
                None => more,
            });
            Ok(())
        };
        for synapse in &self.synapses {
            if let Synapse::Dense { left, right, weights } = synapse {
                if let (true, Some(g)) = (*left == a, &g[*right]) {
                    add(matmul(g, weights, Layout::NT)?)?;
                }
                if let (true, Some(g)) = (*right == a, &g[*left]) {
                    add(matmul(g, weights, Layout::NN)?)?;
                }
            }
        }
        let mut all = match &dense {
            Some(dense) => dense.clone(),
            None => unary(Unary::Scale(0.0), state)?,
        };
        for synapse in &self.synapses {
            if let Synapse::Bias { layer, bias } = synapse
                && *layer == a
            {
                all = binary(Binary::Add, &all, bias)?;
            }
        }
        Ok(Input { all, dense })
    }

    /// Everything that follows from states.
    fn moment(&self, states: &[Tensor]) -> Result<Moment> {
        self.check_states(states)?;
        let mut states = states.to_vec();
        let mut known: Vec<Option<Tensor>> = Vec::with_capacity(states.len());
        for (layer, x) in self.layers.iter().zip(&states) {
            known.push(if layer.rests() { None } else { Some(activation(&layer.lagrangian, x)?) });
        }
        // Layers that rest see no other such layer, so what is known is all that they see.
        let mut activations = Vec::with_capacity(states.len());
        for (a, layer) in self.layers.iter().enumerate() {
            activations.push(match &known[a] {
                Some(g) => Some(g.clone()),
                None => {
                    states[a] = self.input(a, &states[a], &known)?.all;
                    Some(activation(&layer.lagrangian, &states[a])?)
                }
            });
        }
        let inputs: Vec<Input> =
            (0..states.len()).map(|a| self.input(a, &states[a], &activations)).collect::<Result<_>>()?;
        let activations = activations.into_iter().flatten().collect();
        Ok(Moment { states, activations, inputs })
    }

    /// Terms of the energy, each `[batch]`, to be added. A dense synapse is met at both of its ends, so half of what it
    /// puts in counts.
    fn energies(&self, moment: &Moment) -> Result<Vec<Tensor>> {
        let mut terms = Vec::new();
        for (a, layer) in self.layers.iter().enumerate() {
            let Input { all, dense } = &moment.inputs[a];
            let (x, g) = (&moment.states[a], &moment.activations[a]);
            terms.push(layer_energy(&layer.lagrangian, x, g)?);
            let counted = match dense {
                Some(dense) => binary(Binary::Sub, &unary(Unary::Scale(0.5), dense)?, all)?,
                None => unary(Unary::Neg, all)?,
            };
            terms.push(sum(&binary(Binary::Mul, g, &counted)?)?);
        }
        Ok(terms)
    }

    /// Energies `[batch]`.
    fn total(&self, moment: &Moment) -> Result<Vec<f32>> {
        let mut terms = self.energies(moment)?.into_iter();
        let Some(first) = terms.next() else { return Ok(Vec::new()) };
        terms.try_fold(first, |sum, term| binary(Binary::Add, &sum, &term))?.to_vec()
    }
}

impl Network {
    /// The most terms of a sum behind an energy, and some for the functions of each.
    fn terms(&self) -> usize {
        let widest = self.layers.iter().map(|l| l.neurons).max().unwrap_or(0);
        widest * (1 + self.synapses.len()) + ROUNDINGS as usize
    }
}

impl Layer {
    /// Whether its state is always what its synapses make it.
    fn rests(&self) -> bool {
        self.tau == 0.0
    }
}

impl Moment {
    /// `-dE/dg_a`; zeros for a layer that rests.
    fn pull(&self, a: usize) -> Result<Tensor> {
        binary(Binary::Sub, &self.inputs[a].all, &self.states[a])
    }

    /// Sums of the magnitudes that go into the energies, and 1, `[batch]`: rounding is in proportion to them.
    fn magnitudes(&self) -> Result<Vec<f32>> {
        let mut magnitudes = vec![1.0; self.states.first().map_or(0, |s| s.matrix_shape().0)];
        for ((x, g), input) in self.states.iter().zip(&self.activations).zip(&self.inputs) {
            for factor in [x, &input.all] {
                let sums = sum(&unary(Unary::Abs, &binary(Binary::Mul, factor, g)?)?)?.to_vec()?;
                magnitudes.iter_mut().zip(sums).for_each(|(m, s)| *m += s);
            }
        }
        Ok(magnitudes)
    }
}
