//! Layered networks with Lagrangians, one state at a time; see [`crate::network`].

use super::{Matrix, activation, lagrangian};
use crate::contract::Lagrangian;

/// What a synapse adds to the energy.
#[derive(Clone, Debug)]
pub enum SynapseModel {
    /// `-g_left^T W g_right`.
    Dense {
        /// Number of the left layer.
        left: usize,
        /// Number of the right layer.
        right: usize,
        /// `W`, `[neurons of left, neurons of right]`.
        weights: Matrix,
    },
    /// `-b.g`.
    Bias {
        /// Number of the layer.
        layer: usize,
        /// `b`, one per neuron.
        bias: Vec<f64>,
    },
}

/// Layers and the synapses between them.
#[derive(Clone, Debug)]
pub struct NetworkModel {
    /// Lagrangian and time constant of each layer.
    pub layers: Vec<(Lagrangian, f64)>,
    /// What connects them.
    pub synapses: Vec<SynapseModel>,
}

impl NetworkModel {
    /// Activations of all layers at these states.
    pub fn activations(&self, states: &[Vec<f64>]) -> Vec<Vec<f64>> {
        self.layers.iter().zip(states).map(|((kind, _), x)| activation(kind, x)).collect()
    }

    /// What the synapses add to the energy at these activations.
    pub fn synaptic_energy(&self, g: &[Vec<f64>]) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(p, q)| p * q).sum::<f64>();
        let of = |synapse: &SynapseModel| match synapse {
            SynapseModel::Dense { left, right, weights } => {
                -(0..weights.rows).map(|i| g[*left][i] * dot(weights.row(i), &g[*right])).sum::<f64>()
            }
            SynapseModel::Bias { layer, bias } => -dot(bias, &g[*layer]),
        };
        self.synapses.iter().map(of).sum()
    }

    /// `E = sum_a [x_a.g_a - L_a(x_a)] + sum_s E_s(g)`.
    pub fn energy(&self, states: &[Vec<f64>]) -> f64 {
        let g = self.activations(states);
        let own: f64 = self
            .layers
            .iter()
            .zip(states)
            .zip(&g)
            .map(|(((kind, _), x), g)| x.iter().zip(g).map(|(x, g)| x * g).sum::<f64>() - lagrangian(kind, x))
            .sum();
        own + self.synaptic_energy(&g)
    }

    /// `dE/dg_a` of each layer.
    pub fn gradient(&self, states: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let g = self.activations(states);
        let mut gradient = states.to_vec();
        for synapse in &self.synapses {
            match synapse {
                SynapseModel::Dense { left, right, weights } => {
                    for i in 0..weights.rows {
                        for j in 0..weights.columns {
                            gradient[*left][i] -= weights.at(i, j) * g[*right][j];
                            gradient[*right][j] -= weights.at(i, j) * g[*left][i];
                        }
                    }
                }
                SynapseModel::Bias { layer, bias } => {
                    gradient[*layer].iter_mut().zip(bias).for_each(|(d, b)| *d -= b);
                }
            }
        }
        gradient
    }

    /// The states after the time `dt`, by one Euler step of `tau_a dx_a/dt = -dE/dg_a`.
    #[must_use]
    pub fn step(&self, states: &[Vec<f64>], dt: f64) -> Vec<Vec<f64>> {
        let gradient = self.gradient(states);
        let mut next = states.to_vec();
        for ((x, d), (_, tau)) in next.iter_mut().zip(&gradient).zip(&self.layers) {
            x.iter_mut().zip(d).for_each(|(x, d)| *x -= dt / tau * d);
        }
        next
    }
}
