//! The energy transformer block against its formulas.

use super::common::*;
use attractor::{
    Device, Error, Tensor,
    layers::{EnergyTransformer, EnergyTransformerOptions, Weights},
    reference::{EnergyTransformerModel, Matrix},
};

const TOKENS: usize = 6;
const COLUMNS: usize = 9;
const SPACE: usize = 5;
const HEADS: usize = 2;
const MEMORIES: usize = 11;

/// The same weights for the block and for the oracle.
fn weights(self_attention: bool) -> (Weights, EnergyTransformerModel) {
    let mut random = Random::new(70);
    let mut weights = Weights::default();
    let mut add = |name: &str, shape: &[usize], spread: f64| {
        let columns = shape.last().copied().unwrap_or(1);
        let rows = random.rows(shape.iter().product::<usize>() / columns, columns, spread);
        weights.insert(name, shape, rows.as_slice().to_vec()).unwrap();
        matrix(&rows)
    };
    let of_heads = |all: &Matrix| -> Vec<Matrix> {
        (0..HEADS).map(|h| Matrix::from_fn(SPACE, COLUMNS, |y, d| all.at(h * SPACE + y, d))).collect()
    };
    let keys = of_heads(&add("Wk", &[HEADS, SPACE, COLUMNS], 0.4));
    let queries = of_heads(&add("Wq", &[HEADS, SPACE, COLUMNS], 0.4));
    let memories = add("Xi", &[COLUMNS, MEMORIES], 0.3).transposed();
    let bias = add("LNORM_bias", &[COLUMNS], 0.2).data;
    weights.insert("LNORM_gamma", &[], vec![1.25]).unwrap();
    let beta = 1.0 / (SPACE as f64).sqrt();
    let model =
        EnergyTransformerModel { keys, queries, memories, gain: 1.25, bias, eps: 1e-5, beta, self_attention };
    (weights, model)
}

fn tokens(seed: u64) -> attractor::Rows<'static> {
    Random::new(seed).rows(TOKENS, COLUMNS, 1.0)
}

#[test]
fn the_gradient_is_that_of_the_energy() {
    for self_attention in [false, true] {
        let (_, model) = weights(self_attention);
        let g = model.norm(&matrix(&tokens(71)));
        let gradient = model.gradient(&g);
        let largest = scale(&gradient.data);
        for i in 0..g.data.len() {
            // Central differences are off by h^2 and by the energy's rounding error over h.
            let h = 1e-5;
            let at = |by: f64| {
                let mut moved = g.clone();
                moved.data[i] += by;
                model.energy(&moved)
            };
            let slope = (at(h) - at(-h)) / (2.0 * h);
            let error = (slope - gradient.data[i]).abs() / largest;
            assert!(error < 1e-8, "value {i}: {} and {slope}", gradient.data[i]);
        }
    }
}

#[test]
fn the_energy_falls_at_every_step() {
    for self_attention in [false, true] {
        for alpha in [0.1, 0.5, 1.0] {
            let (weights, model) = weights(self_attention);
            let mut x = matrix(&tokens(72));
            let mut energies = Vec::new();
            for _ in 0..100 {
                let (next, energy) = model.step(&x, alpha);
                energies.push(energy);
                x = next;
            }
            assert!(energies.windows(2).all(|pair| pair[1] < pair[0]), "alpha {alpha}: {energies:?}");

            let options = EnergyTransformerOptions {
                steps: 100,
                step_size: alpha as f32,
                self_attention,
                ..EnergyTransformerOptions::default()
            };
            let block = EnergyTransformer::load(&Device::cpu(), options, &weights).unwrap();
            let (_, energies) = block.forward_rows(&tokens(72)).unwrap();
            assert_eq!(energies.len(), 101);
            // Where it hardly falls any more, the rounding errors of its terms show.
            let slack = 4.0 * f32::EPSILON * energies[100].abs();
            assert!(energies.windows(2).all(|pair| pair[1] < pair[0] + slack), "{alpha}: {energies:?}");
        }
    }
}

#[test]
fn every_device_goes_the_way_of_the_reference() {
    for self_attention in [false, true] {
        let (weights, model) = weights(self_attention);
        let batch = [tokens(73), tokens(74)];
        let mut want_tokens = Vec::new();
        let mut want_energies = Vec::new();
        for tokens in &batch {
            let mut x = matrix(tokens);
            let mut energies = Vec::new();
            for _ in 0..12 {
                let (next, energy) = model.step(&x, f64::from(0.1_f32));
                energies.push(energy);
                x = next;
            }
            energies.push(model.energy(&model.norm(&x)));
            want_tokens.extend(x.data);
            want_energies.push(energies);
        }
        let flat: Vec<f32> = batch.iter().flat_map(|tokens| tokens.as_slice().to_vec()).collect();
        for (name, device) in varied() {
            let options = EnergyTransformerOptions { self_attention, ..EnergyTransformerOptions::default() };
            let block = EnergyTransformer::load(&device, options, &weights).unwrap();
            let x = Tensor::from_flat(&device, &flat, &[2, TOKENS, COLUMNS]).unwrap();
            let got = block.forward(&x).unwrap();
            assert_eq!(got.tokens.shape(), x.shape());
            // A step is off by what its products are, and each step adds to that; the map contracts.
            let bound = 12.0 * 8.0 * EPS * (COLUMNS as f64).sqrt() * (1.0 + scale(&want_tokens)) * 0.1;
            assert_close(name, &got.tokens.to_vec().unwrap(), &want_tokens, bound);
            for (got, want) in got.energy.iter().zip(&want_energies) {
                assert_close(&format!("{name} energy"), got, want, 8.0 * EPS * scale(want));
            }
            // One of the batch by itself, on the host.
            let (alone, energy) = block.forward_rows(&batch[1]).unwrap();
            assert_close(name, alone.as_slice(), &want_tokens[TOKENS * COLUMNS..], bound);
            assert_eq!(energy.len(), 13);
        }
    }
}

#[test]
fn misuse_is_an_error() {
    let (weights, _) = weights(false);
    let cpu = Device::cpu();
    let load = |options, weights: &Weights| EnergyTransformer::load(&cpu, options, weights);
    let default = EnergyTransformerOptions::default;
    let message = |weights: &Weights| load(default(), weights).unwrap_err().to_string();
    assert!(message(&Weights::default()).contains("'Wk' is missing; want the shape [heads, Y, D]"));
    let mut wrong = weights.clone();
    wrong.insert("Xi", &[MEMORIES, 4], vec![0.0; MEMORIES * 4]).unwrap();
    assert_eq!(message(&wrong), "weight 'Xi' has the shape [11, 4]; want the shape [9, 4]");
    wrong.insert("Wq", &[SPACE, COLUMNS], vec![0.0; SPACE * COLUMNS]).unwrap();
    assert_eq!(message(&wrong), "weight 'Wq' has the shape [5, 9]; want the shape [2, 5, 9]");
    for options in [
        EnergyTransformerOptions { step_size: 0.0, ..default() },
        EnergyTransformerOptions { beta: Some(-1.0), ..default() },
    ] {
        assert!(matches!(load(options, &weights), Err(Error::InvalidParameter { .. })));
    }
    // Arrays of an encoder beside the block are none of its business.
    let mut more = weights.clone();
    more.insert("Wenc", &[1, 1], vec![0.0]).unwrap();
    let block = load(default(), &more).unwrap();
    let one = Tensor::from_flat(&cpu, &[0.0; COLUMNS], &[1, COLUMNS]).unwrap();
    assert!(matches!(block.forward(&one), Err(Error::InvalidParameter { .. })));
    assert!(block.forward_rows(&[[0.0; COLUMNS + 1]; 3]).is_err());
    assert!(matches!(block.forward_rows(&[[f32::NAN; COLUMNS]; 3]), Err(Error::NonFinite { .. })));
}
