//! Lagrangians and layered networks: gradients by finite differences, the dynamics against the oracle, energies
//! that fall.

use super::common::*;
use attractor::{
    Device, Error, Rows, Tensor,
    network::{Ending, Layer, Network, Settings},
    ops::{self, Lagrangian, Similarity},
    reference::{self, Matrix, NetworkModel, SynapseModel},
};

/// Every Lagrangian, for layers of `d` neurons.
fn all(d: usize) -> Vec<Lagrangian> {
    let shift = (0..d).map(|i| 0.1 * i as f32 - 0.2).collect();
    vec![
        Lagrangian::Identity,
        Lagrangian::RELU,
        Lagrangian::Repu { power: 3 },
        Lagrangian::Repu { power: 6 },
        Lagrangian::Exp { beta: 0.7 },
        Lagrangian::RectifiedExp { beta: 0.7 },
        Lagrangian::Tanh { beta: 1.3 },
        Lagrangian::Sigmoid { beta: 1.3 },
        Lagrangian::Softmax { beta: 1.7 },
        Lagrangian::LayerNorm { gain: 1.2, shift, epsilon: 1e-3 },
        Lagrangian::LayerNorm { gain: 0.5, shift: Vec::new(), epsilon: 0.3 },
        Lagrangian::Spherical { gain: 1.2, epsilon: 1e-3 },
        Lagrangian::Ghostmax,
    ]
}

fn states(random: &mut Random, d: usize) -> Vec<f64> {
    (0..d).map(|_| 1.5 * random.normal()).collect()
}

/// Central differences of `f`.
fn slope(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    const H: f64 = 1e-5;
    let at = |i: usize, by: f64| {
        let mut x = x.to_vec();
        x[i] += by;
        f(&x)
    };
    (0..x.len()).map(|i| (at(i, H) - at(i, -H)) / (2.0 * H)).collect()
}

#[track_caller]
fn near(what: &str, got: &[f64], want: &[f64], bound: f64) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() <= bound, "{what}: {got:?}, want {want:?}");
    }
}

#[test]
fn activations_are_the_gradients_of_lagrangians() {
    let mut random = Random::new(80);
    for _ in 0..20 {
        let x = states(&mut random, 6);
        for kind in all(6) {
            let g = reference::activation(&kind, &x);
            let want = slope(&x, |x| reference::lagrangian(&kind, x));
            // The differences err by h^2 times a third derivative, and by eps / h times the value.
            let bound = 1e-7 * (1.0 + scale(&g)) + 1e-10 * reference::lagrangian(&kind, &x).abs();
            near(&format!("{kind:?}"), &g, &want, bound);
        }
    }
    // By hand.
    let x = [3.0, -4.0];
    assert_eq!(reference::lagrangian(&Lagrangian::Identity, &x), 12.5);
    assert_eq!(reference::lagrangian(&Lagrangian::Repu { power: 3 }, &x), 9.0);
    assert_eq!(reference::activation(&Lagrangian::Repu { power: 3 }, &x), [9.0, 0.0]);
    near("ghost", &reference::activation(&Lagrangian::Ghostmax, &[0.0, 0.0]), &[1.0 / 3.0; 2], 1e-15);
}

#[test]
fn lagrangians_match_the_reference() {
    let mut random = Random::new(81);
    for (rows, d) in [(1, 1), (3, 5), (17, 66)] {
        let x = random.rows(rows, d, 1.5);
        let m = matrix(&x);
        for kind in all(d) {
            let values: Vec<f64> = m.iter().map(|x| reference::lagrangian(&kind, x)).collect();
            let g: Vec<f64> = m.iter().flat_map(|x| reference::activation(&kind, x)).collect();
            let energies: Vec<f64> = m
                .iter()
                .zip(&values)
                .zip(g.chunks_exact(d))
                .map(|((x, l), g)| x.iter().zip(g).map(|(x, g)| x * g).sum::<f64>() - l)
                .collect();
            for (name, device) in varied() {
                let t = tensor(&device, &x);
                let what = format!("{name} {kind:?} {rows}x{d}");
                // Exponentials of up to 6 err by 20 eps relative, tanh by 1e-5 by WGSL; the rest are sums of d terms.
                let tanh = if matches!(kind, Lagrangian::Tanh { .. }) { 1e-5 } else { 0.0 };
                let rounding = 24.0 * EPS;
                let got = ops::lagrangian(&kind, &t).unwrap();
                assert_eq!(got.shape(), [rows]);
                let bound = rounding * (d as f64).sqrt() * (1.0 + scale(&values));
                assert_close(&what, &got.to_vec().unwrap(), &values, bound);
                let got = ops::activation(&kind, &t).unwrap();
                assert_close(&what, &got.to_vec().unwrap(), &g, tanh + rounding * (1.0 + scale(&g)));
                let got = ops::layer_energy(&kind, &t, &got).unwrap();
                // x.g and L are of this size where they are subtracted.
                let size = match kind {
                    Lagrangian::LayerNorm { .. } | Lagrangian::Spherical { .. } => scale(&energies),
                    _ => scale(&values) + scale(&energies),
                };
                let bound = tanh * d as f64 + rounding * (d as f64).sqrt() * (1.0 + size);
                assert_close(&format!("energy {what}"), &got.to_vec().unwrap(), &energies, bound);
            }
        }
    }
}

/// Three layers in a ring, one of them with a synapse to itself, two with inputs.
struct Ring {
    model: NetworkModel,
    sizes: [usize; 3],
}

impl Ring {
    fn new(random: &mut Random, kinds: [Lagrangian; 3]) -> Self {
        let sizes = [4, 5, 3];
        let mut weights = |l: usize, r: usize| {
            Matrix::from_fn(sizes[l], sizes[r], |_, _| f64::from((0.4 * random.normal()) as f32))
        };
        let dense = |left, right, weights| SynapseModel::Dense { left, right, weights };
        let synapses = vec![
            dense(0, 1, weights(0, 1)),
            dense(1, 2, weights(1, 2)),
            dense(2, 0, weights(2, 0)),
            dense(1, 1, weights(1, 1)),
            SynapseModel::Bias { layer: 0, bias: vec![0.5, -0.25, 0.125, 0.0] },
            SynapseModel::Bias { layer: 2, bias: vec![-0.5, 0.25, 1.0] },
        ];
        let taus = [1.0, 0.5, 2.0];
        Self { model: NetworkModel { layers: kinds.into_iter().zip(taus).collect(), synapses }, sizes }
    }

    fn network(&self, device: &Device) -> Network {
        let mut network = Network::new(device);
        for ((kind, tau), neurons) in self.model.layers.iter().zip(self.sizes) {
            network.add_layer(Layer::new(neurons, kind.clone()).tau(*tau as f32)).unwrap();
        }
        for synapse in &self.model.synapses {
            let rows = |values: &[f64], columns| {
                Rows::new(values.iter().map(|v| *v as f32).collect::<Vec<_>>(), columns).unwrap()
            };
            match synapse {
                SynapseModel::Dense { left, right, weights } => {
                    network.connect(*left, *right, &rows(&weights.data, weights.columns)).unwrap();
                }
                SynapseModel::Bias { layer, bias } => network.bias(*layer, &rows(bias, bias.len())).unwrap(),
            }
        }
        network
    }

    fn states(&self, random: &mut Random, batch: usize) -> Vec<Rows<'static>> {
        self.sizes.iter().map(|d| random.rows(batch, *d, 1.0)).collect()
    }
}

/// The states of row `i` in f64.
fn row(states: &[Rows<'_>], i: usize) -> Vec<Vec<f64>> {
    states.iter().map(|s| s.row(i).iter().map(|v| f64::from(*v)).collect()).collect()
}

fn rings(random: &mut Random) -> Vec<Ring> {
    let kinds = [
        [Lagrangian::Identity, Lagrangian::Softmax { beta: 2.0 }, Lagrangian::Tanh { beta: 1.5 }],
        [
            Lagrangian::Spherical { gain: 1.0, epsilon: 1e-2 },
            Lagrangian::Sigmoid { beta: 2.0 },
            Lagrangian::LayerNorm { gain: 1.0, shift: vec![0.1, 0.0, -0.1], epsilon: 1e-2 },
        ],
        [Lagrangian::RELU, Lagrangian::Ghostmax, Lagrangian::Identity],
    ];
    kinds.into_iter().map(|k| Ring::new(random, k)).collect()
}

/// `dE/dg` is the state plus the slope of the synapses' energy; and it carries over to `dE/dx = H(L) dE/dg`.
#[test]
fn gradients_match_finite_differences() {
    let mut random = Random::new(82);
    for ring in rings(&mut random) {
        let model = &ring.model;
        let x = row(&ring.states(&mut random, 1), 0);
        let (g, gradient) = (model.activations(&x), model.gradient(&x));
        for a in 0..3 {
            let with = |all: &[Vec<f64>], of_a: &[f64]| {
                let mut all = all.to_vec();
                all[a] = of_a.to_vec();
                all
            };
            let synaptic = slope(&g[a], |of_a| model.synaptic_energy(&with(&g, of_a)));
            let want: Vec<f64> = x[a].iter().zip(&synaptic).map(|(x, s)| x + s).collect();
            near("dE/dg", &gradient[a], &want, 1e-9);

            let got = slope(&x[a], |of_a| model.energy(&with(&x, of_a)));
            let kind = &model.layers[a].0;
            let want = slope(&x[a], |of_a| {
                reference::activation(kind, of_a).iter().zip(&gradient[a]).map(|(g, d)| g * d).sum()
            });
            near("dE/dx", &got, &want, 1e-7);
        }
    }
}

#[test]
fn energies_and_gradients_match_the_reference() {
    let mut random = Random::new(83);
    for ring in rings(&mut random) {
        let x = ring.states(&mut random, 5);
        let energies: Vec<f64> = (0..5).map(|i| ring.model.energy(&row(&x, i))).collect();
        for (name, device) in varied() {
            let network = ring.network(&device);
            let known: Vec<(usize, &dyn attractor::ToRows)> =
                x.iter().enumerate().map(|(a, x)| (a, x as &dyn attractor::ToRows)).collect();
            let start = network.start(&known).unwrap();
            // A dozen terms of order one; tanh by WGSL.
            assert_close(name, &network.energy(&start).unwrap(), &energies, 2e-5);
            for (a, gradient) in network.gradient(&start).unwrap().iter().enumerate() {
                let want: Vec<f64> =
                    (0..5).flat_map(|i| ring.model.gradient(&row(&x, i))[a].clone()).collect();
                assert_close(&format!("{name} layer {a}"), &gradient.to_vec().unwrap(), &want, 2e-5);
            }
        }
    }
}

#[test]
fn trajectories_follow_the_reference() {
    let mut random = Random::new(84);
    for ring in rings(&mut random) {
        let x = ring.states(&mut random, 3);
        let steps = 20;
        let settings = Settings { dt: 0.1, steps, tolerance: 0.0, trace: true, ..Settings::default() };
        for (name, device) in varied() {
            let network = ring.network(&device);
            let known: Vec<(usize, &dyn attractor::ToRows)> =
                x.iter().enumerate().map(|(a, x)| (a, x as &dyn attractor::ToRows)).collect();
            let run = network.integrate(&network.start(&known).unwrap(), &settings).unwrap();
            assert_eq!(run.steps, [steps; 3], "{name}");
            assert_eq!(run.ending, [Ending::MaxSteps; 3], "{name}");
            // The smallest time constant is 0.5.
            assert_eq!(run.dt, [0.05; 3], "{name}");
            for i in 0..3 {
                let mut at = row(&x, i);
                let mut energies = vec![ring.model.energy(&at)];
                for _ in 0..steps {
                    at = ring.model.step(&at, f64::from(0.1_f32) * 0.5);
                    energies.push(ring.model.energy(&at));
                }
                assert_close(name, &run.trace.as_ref().unwrap()[i], &energies, 4e-5);
                for (a, want) in at.iter().enumerate() {
                    let got = run.states[a].to_vec().unwrap();
                    let d = want.len();
                    assert_close(&format!("{name} layer {a}"), &got[i * d..(i + 1) * d], want, 2e-5);
                }
            }
        }
    }
}

/// Krotov and Hopfield's models A (tanh), B (softmax) and C (spherical) as the paper has them.
fn krotov(random: &mut Random, model: char) -> (NetworkModel, Matrix) {
    let (n, d) = (5, 8);
    let xi = Matrix::from_fn(n, d, |_, _| if random.below(2) == 0 { -1.0 } else { 1.0 });
    let (visible, hidden, xi) = match model {
        'A' => (Lagrangian::Tanh { beta: 1.0 }, Lagrangian::Repu { power: 2 }, xi),
        'B' => (Lagrangian::Identity, Lagrangian::Softmax { beta: 1.0 }, xi),
        _ => (Lagrangian::Spherical { gain: 1.0, epsilon: 1e-6 }, Lagrangian::Repu { power: 3 }, xi),
    };
    let synapses = vec![SynapseModel::Dense { left: 1, right: 0, weights: xi.clone() }];
    (NetworkModel { layers: vec![(visible, 1.0), (hidden, 0.2)], synapses }, xi)
}

#[test]
fn the_oracles_energy_falls_at_every_step() {
    let mut random = Random::new(85);
    for model in ['A', 'B', 'C'] {
        for dt in [0.002, 0.01] {
            let (model, xi) = krotov(&mut random, model);
            let mut x: Vec<Vec<f64>> = [xi.columns, xi.rows].map(|d| states(&mut random, d)).to_vec();
            let mut energy = model.energy(&x);
            let start = energy;
            for _ in 0..2000 {
                x = model.step(&x, dt);
                let next = model.energy(&x);
                assert!(next <= energy + 1e-12 * (1.0 + energy.abs()), "{energy} to {next}");
                energy = next;
            }
            assert!(energy < start - 0.1);
        }
    }
}

#[test]
fn energy_falls_on_every_device() {
    let mut random = Random::new(86);
    for kind in ['A', 'B', 'C'] {
        let (model, xi) = krotov(&mut random, kind);
        let v = random.rows(4, xi.columns, 1.0);
        let h = random.rows(4, xi.rows, 1.0);
        for (name, device) in varied() {
            let mut network = Network::new(&device);
            for ((kind, tau), neurons) in model.layers.iter().zip([xi.columns, xi.rows]) {
                network.add_layer(Layer::new(neurons, kind.clone()).tau(*tau as f32)).unwrap();
            }
            let weights: Vec<f32> = xi.data.iter().map(|v| *v as f32).collect();
            network.connect(1, 0, &Rows::new(weights, xi.columns).unwrap()).unwrap();
            let start = network.start(&[(0, &v), (1, &h)]).unwrap();
            // dt = 0.002 in units of time.
            let steps = if name == "cpu" { 3000 } else { 40 };
            let settings = Settings { steps, tolerance: 0.0, trace: true, ..Settings::default() };
            let run = network.integrate(&start, &settings).unwrap();
            assert_eq!(run.dt, [0.01 * 0.2; 4], "{name} {kind}: a step was taken back");
            for (i, trace) in run.trace.unwrap().iter().enumerate() {
                let size = trace.iter().fold(0.0_f32, |m, e| m.max(e.abs()));
                let rise = trace.windows(2).map(|w| w[1] - w[0]).fold(0.0, f32::max);
                assert_eq!(rise, run.worst_rise[i]);
                // Rounding of a dozen terms, which may be several times the energy.
                assert!(rise <= 32.0 * f32::EPSILON * (10.0 + size), "{name} {kind}: {rise:e} at {size}");
                assert!(trace[steps as usize] < trace[0], "{name} {kind}");
            }
        }
    }
}

/// Steps of three time constants overshoot more and more; halved until the energy falls they converge.
#[test]
fn steps_are_halved_where_the_energy_rises() {
    for (name, device) in varied() {
        let mut network = Network::new(&device);
        let v = network.add_layer(Layer::new(2, Lagrangian::Identity)).unwrap();
        network.bias(v, &[1.0, -2.0]).unwrap();
        let start = network.start(&[(v, &[[5.0, 5.0], [1.0, -2.0]])]).unwrap();
        let settings = Settings { dt: 3.0, steps: 200, ..Settings::default() };
        let run = network.integrate(&start, &settings).unwrap();
        assert_eq!(run.ending, [Ending::Converged; 2], "{name}");
        assert_eq!((run.dt[0], run.dt[1], run.steps[1]), (1.5, 3.0, 0), "{name}");
        assert_close(name, &run.states[v].to_vec().unwrap(), &[1.0, -2.0, 1.0, -2.0], 2e-6);
        // 1/2 |x|^2 - b.x
        assert_close(name, &run.energy, &[-2.5, -2.5], 1e-6);
    }
}

/// Exponential neurons that excite themselves run away: the state before the overflow is kept, and said so.
#[test]
fn a_runaway_is_reported() {
    for (name, device) in varied() {
        let mut network = Network::new(&device);
        let x = network.add_layer(Layer::new(1, Lagrangian::Exp { beta: 1.0 })).unwrap();
        network.connect(x, x, &[[1.0]]).unwrap();
        let start = network.start(&[(x, &[[2.0], [-30.0]])]).unwrap();
        let settings = Settings { dt: 0.05, steps: 200, tolerance: 1e-3, ..Settings::default() };
        let run = network.integrate(&start, &settings).unwrap();
        assert_eq!(run.ending[0], Ending::EnergyRises, "{name}");
        assert!(run.energy[0].is_finite() && run.states[x].to_vec().unwrap()[0].is_finite(), "{name}");
        assert!(run.steps[1] > run.steps[0], "{name}: the other state goes on");
    }
}

/// A hidden softmax layer that rests makes an Euler step of one time constant the softmax step.
#[test]
fn a_resting_softmax_layer_is_the_softmax_step() {
    let mut random = Random::new(87);
    let (xi, q) = (random.rows(7, 5, 1.0), random.rows(3, 5, 1.0));
    for (name, device) in varied() {
        let mut network = Network::new(&device);
        let v = network.add_layer(Layer::new(5, Lagrangian::Identity)).unwrap();
        let h = network.add_layer(Layer::new(7, Lagrangian::Softmax { beta: 1.5 }).tau(0.0)).unwrap();
        network.connect(h, v, &xi).unwrap();
        let start = network.start(&[(v, &q)]).unwrap();
        let settings = Settings { dt: 1.0, steps: 1, tolerance: 0.0, ..Settings::default() };
        let run = network.integrate(&start, &settings).unwrap();
        let (state, energy) =
            ops::step(&tensor(&device, &q), &tensor(&device, &xi), 1.5, Similarity::Dot).unwrap();
        let wide = |t: &Tensor| t.to_vec().unwrap().iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        assert_close(name, &run.states[v].to_vec().unwrap(), &wide(&state), 16.0 * EPS);
        assert_close(name, &network.energy(&start).unwrap(), &wide(&energy), 32.0 * EPS);
        // A layer that rests is where its energy is least.
        assert!(network.gradient(&start).unwrap()[h].to_vec().unwrap().iter().all(|d| *d == 0.0), "{name}");
    }
}

#[test]
fn clamped_neurons_stay() {
    for (name, device) in varied() {
        let mut network = Network::new(&device);
        let v = network.add_layer(Layer::new(2, Lagrangian::Identity)).unwrap();
        let h = network.add_layer(Layer::new(2, Lagrangian::Softmax { beta: 9.0 }).tau(0.5)).unwrap();
        network.connect(h, v, &[[1.0, 1.0], [-1.0, -1.0]]).unwrap();
        let start = network.start(&[(v, &[[0.3, -0.4], [0.3, -0.4]])]).unwrap();
        let clamp: &[bool] = &[true, false, false, true];
        let settings = Settings { dt: 0.2, steps: 100, clamp: &[(v, clamp)], ..Settings::default() };
        let run = network.integrate(&start, &settings).unwrap();
        let end = run.states[v].to_vec().unwrap();
        assert_eq!((end[0], end[3]), (0.3, -0.4), "{name}");
        // The free coordinate of each follows the known one to its pattern.
        assert!(end[1] > 0.99 && end[2] < -0.99, "{name}: {end:?}");
        assert!(run.worst_rise.iter().all(|r| *r <= 1e-6), "{name}");
    }
}

#[test]
fn misuse_of_a_network_is_an_error() {
    let mut network = Network::new(&Device::cpu());
    assert!(network.add_layer(Layer::new(0, Lagrangian::Identity)).is_err());
    assert!(network.add_layer(Layer::new(1, Lagrangian::Identity).tau(-1.0)).is_err());
    assert!(network.add_layer(Layer::new(1, Lagrangian::Repu { power: 1 })).is_err());
    assert!(network.add_layer(Layer::new(1, Lagrangian::Softmax { beta: f32::NAN })).is_err());
    let norm = |gain, shift| Lagrangian::LayerNorm { gain, shift, epsilon: 1e-5 };
    assert!(network.add_layer(Layer::new(2, norm(1.0, vec![0.0]))).is_err());
    assert!(network.add_layer(Layer::new(2, norm(0.0, vec![]))).is_err());
    let a = network.add_layer(Layer::new(2, Lagrangian::Identity)).unwrap();
    let fast = network.add_layer(Layer::new(3, Lagrangian::Identity).tau(0.0)).unwrap();
    let w = [[0.0; 3]; 2];
    assert!(matches!(network.connect(a, 7, &w), Err(Error::InvalidParameter { name: "layer", .. })));
    assert!(matches!(network.connect(fast, a, &w), Err(Error::DimensionMismatch { got: 2, want: 3, .. })));
    assert!(matches!(network.connect(fast, fast, &w), Err(Error::InvalidParameter { name: "tau", .. })));
    assert!(matches!(network.connect(a, fast, &[[f32::NAN; 3]; 2]), Err(Error::NonFinite { .. })));
    assert!(network.bias(a, &[1.0]).is_err());
    assert!(network.start(&[]).is_err());
    assert!(network.start(&[(a, &[1.0])]).is_err());
    assert!(network.start(&[(a, &[1.0, 2.0]), (fast, &[[0.0; 3]; 2])]).is_err());
    let start = network.start(&[(a, &[1.0, 2.0])]).unwrap();
    assert!(network.energy(&start[..1]).is_err());
    for settings in [
        Settings { dt: 0.0, ..Settings::default() },
        Settings { tolerance: -1.0, ..Settings::default() },
        Settings { clamp: &[(fast, &[true; 3])], ..Settings::default() },
        Settings { clamp: &[(a, &[true; 3])], ..Settings::default() },
    ] {
        assert!(network.integrate(&start, &settings).is_err(), "{settings:?}");
    }
}
