//! The layers against `PyTorch`'s, on weights, inputs and outputs that `fixtures/layers/export.py` wrote.

use super::common::*;
use attractor::{
    Device, Error, Tensor,
    io::Source,
    layers::{
        Hopfield, HopfieldInput, HopfieldLayer, HopfieldOptions, HopfieldPooling, NormOptions, Weights,
    },
    ops::Unary,
    prelude::*,
};
use serde_json::Value;
use std::{path::PathBuf, sync::OnceLock};

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fixtures/layers", name].iter().collect()
}

/// One case of the fixture.
struct Case {
    name: String,
    kind: String,
    options: HopfieldOptions,
    weights: Weights,
    source: &'static Source,
}

impl Case {
    fn tensor(&self, device: &Device, what: &str) -> Option<Tensor> {
        let name = format!("{}.{what}", self.name);
        if !self.source.names().unwrap().contains(&name) {
            return None;
        }
        let (values, shape) = self.source.values(&[&name]).unwrap();
        Some(Tensor::from_flat(device, &values, &shape).unwrap())
    }

    fn mask(&self, what: &str) -> Option<Vec<bool>> {
        let mask = self.tensor(&Device::cpu(), what)?;
        Some(mask.to_vec().unwrap().iter().map(|v| *v != 0.0).collect())
    }
}

/// `PyTorch`'s arguments as options.
fn options(name: &str, arguments: &Value) -> HopfieldOptions {
    let size = |key: &str| arguments[key].as_u64().map(|v| v as usize);
    let flag = |key: &str, default: bool| arguments[key].as_bool().unwrap_or(default);
    let norm = |what: &str, default: bool| {
        flag(&format!("normalize_{what}"), default).then(|| NormOptions {
            affine: flag(&format!("normalize_{what}_affine"), default),
            eps: arguments[format!("normalize_{what}_eps")].as_f64().unwrap_or(1e-5) as f32,
        })
    };
    HopfieldOptions {
        input_size: size("input_size"),
        hidden_size: size("hidden_size"),
        pattern_size: size("pattern_size"),
        output_size: size("output_size"),
        stored_pattern_size: size("stored_pattern_size"),
        pattern_projection_size: size("pattern_projection_size"),
        num_heads: size("num_heads").unwrap_or(1),
        beta: match &arguments["scaling"] {
            Value::Number(beta) => vec![beta.as_f64().unwrap() as f32],
            Value::Array(each) => each.iter().map(|beta| beta.as_f64().unwrap() as f32).collect(),
            _ => Vec::new(),
        },
        update_steps: match arguments.get("update_steps_max") {
            None => Some(0),
            Some(steps) => steps.as_u64().map(|steps| steps as u32),
        },
        update_eps: 1e-4,
        normalize_stored_pattern: norm("stored_pattern", true),
        normalize_state_pattern: norm("state_pattern", true),
        normalize_pattern_projection: norm("pattern_projection", true),
        normalize_hopfield_space: norm("hopfield_space", false),
        stored_pattern_as_static: flag("stored_pattern_as_static", false),
        state_pattern_as_static: flag("state_pattern_as_static", false),
        pattern_projection_as_static: flag("pattern_projection_as_static", false),
        pattern_projection_as_connected: flag("pattern_projection_as_connected", false),
        input_bias: flag("input_bias", true),
        // The official code has weights for these, and no use.
        concat_bias_pattern: name == "appended_bias_rows",
        add_zero_association: flag("add_zero_association", false),
        disable_out_projection: flag("disable_out_projection", false),
        association_activation: arguments["association_activation"].as_str().map(|name| match name {
            "tanh" => Unary::Tanh,
            other => panic!("{other}"),
        }),
    }
}

fn cases() -> Vec<Case> {
    static SOURCE: OnceLock<Source> = OnceLock::new();
    let source = SOURCE.get_or_init(|| Source::open(fixture("layers.safetensors")).unwrap());
    let all = Weights::open(fixture("layers.safetensors")).unwrap();
    let text = std::fs::read_to_string(fixture("layers.json")).unwrap();
    let Value::Object(settings) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
    assert!(settings.len() >= 31);
    let case = |(name, settings): (&String, &Value)| Case {
        options: options(name, &settings["arguments"]),
        kind: settings["layer"].as_str().unwrap().to_owned(),
        weights: all.under(&format!("{name}.weights.")),
        name: name.clone(),
        source,
    };
    settings.iter().map(case).collect()
}

fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap()
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// What is promised: outputs are `PyTorch`'s to 1e-5, and so are weights of associations.
const PROMISED: f64 = 1e-5;

/// Layers know only operations, and those are tested with every kind of kernels.
fn some_devices() -> Vec<(&'static str, Device)> {
    varied().into_iter().filter(|(name, _)| ["cpu", "direct", "tiled"].contains(name)).collect()
}

#[test]
fn layers_give_what_pytorch_gives() {
    for case in cases() {
        let (padding, mask) = (case.mask("padding"), case.mask("association"));
        for (name, device) in some_devices() {
            let what = format!("{} {name}", case.name);
            let input = |what: &str| case.tensor(&device, what);
            let got = match case.kind.as_str() {
                "Hopfield" => {
                    let layer = Hopfield::load(&device, &case.options, &case.weights).unwrap();
                    let (stored, states) = (input("stored").unwrap(), input("states").unwrap());
                    let projection = input("projection").unwrap();
                    let input = HopfieldInput {
                        stored: &stored,
                        states: &states,
                        projection: &projection,
                        padding: padding.as_deref(),
                        association_mask: mask.as_deref(),
                    };
                    if let Some(matrix) = case.tensor(&Device::cpu(), "matrix") {
                        let &[batch, heads, rows, columns] = matrix.shape() else { panic!("{what}") };
                        let want = matrix.to_vec().unwrap();
                        let of_heads = layer.associations(&input).unwrap();
                        assert_eq!(of_heads.len(), heads);
                        for (head, got) in of_heads.iter().enumerate() {
                            assert_eq!(got.shape(), [batch, rows, columns], "{what}");
                            let each = rows * columns;
                            let of_entry = |i: usize| &want[(i * heads + head) * each..][..each];
                            let want: Vec<f32> = (0..batch).flat_map(of_entry).copied().collect();
                            assert_close(&what, &got.to_vec().unwrap(), &widened(&want), PROMISED);
                        }
                    }
                    layer.forward(&input).unwrap()
                }
                "HopfieldPooling" => {
                    let layer = HopfieldPooling::load(&device, &case.options, &case.weights).unwrap();
                    let (stored, projection) = (input("stored").unwrap(), input("projection").unwrap());
                    let pooled =
                        layer.forward(&stored, &projection, padding.as_deref(), mask.as_deref()).unwrap();
                    assert_eq!(pooled.shape(), [2, layer.quantity(), 6], "{what}");
                    pooled
                }
                "HopfieldLayer" => {
                    let layer = HopfieldLayer::load(&device, &case.options, &case.weights).unwrap();
                    layer.forward(&input("states").unwrap(), padding.as_deref(), mask.as_deref()).unwrap()
                }
                other => panic!("{other}"),
            };
            let want = case.tensor(&Device::cpu(), "output").unwrap();
            if case.kind != "HopfieldPooling" {
                assert_eq!(got.shape(), want.shape(), "{what}");
            }
            assert_close(&what, &got.to_vec().unwrap(), &widened(&want.to_vec().unwrap()), PROMISED);
        }
    }
}

/// Worked numbers: one update, and where updates end.
#[test]
fn the_static_mode_gives_the_worked_numbers() {
    for (name, device) in some_devices() {
        let recall = |update_steps: Option<u32>| {
            let options = HopfieldOptions {
                beta: vec![2.0],
                update_steps,
                update_eps: 1e-6,
                ..HopfieldOptions::default()
            };
            let layer = Hopfield::load(&device, &options, &Weights::default()).unwrap();
            layer.forward_rows(&[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], &[[0.6, 0.2]]).unwrap()
        };
        assert_close(name, recall(Some(0)).as_slice(), &[0.5904248997, 0.2917631658], 4.0 * EPS);
        assert_close(name, recall(Some(1)).as_slice(), &[0.5507551023, 0.3346113278], 8.0 * EPS);
        // The last change of the weights is up to 1e-6, and what is left of the way a few times that.
        assert_close(name, recall(None).as_slice(), &[0.0, 0.6448818283], 2e-5);
    }
}

#[test]
fn the_static_mode_is_the_dense_memory() {
    let mut random = Random::new(80);
    let (stored, states) = (random.rows(9, 7, 1.0), random.rows(4, 7, 1.0));
    for (name, device) in some_devices() {
        let builder = DenseMemory::builder().device(&device).similarity(Similarity::Dot);
        let memory = builder.beta(1.0).build(&stored).unwrap();
        let once = RecallOptions { steps: 1, tolerance: Some(0.0), ..RecallOptions::default() };
        let want = memory.recall_with(&states, &once).unwrap().states;
        let got = Hopfield::new(&device).forward_rows(&stored, &states).unwrap();
        // Two ways through the same sums.
        assert_close(name, got.as_slice(), &widened(want.as_slice()), 16.0 * EPS * 3.0);

        // Until convergence both stop near the fixed point, where updates contract.
        let options = HopfieldOptions { update_steps: None, update_eps: 1e-6, ..HopfieldOptions::default() };
        let layer = Hopfield::load(&device, &options, &Weights::default()).unwrap();
        let got = layer.forward_rows(&stored, &states).unwrap();
        let often = RecallOptions { steps: 1000, tolerance: Some(1e-6), ..RecallOptions::default() };
        let want = memory.recall_with(&states, &often).unwrap().states;
        assert_close(name, got.as_slice(), &widened(want.as_slice()), 1e-4);
    }
}

/// Stored patterns without a batch stand for as many copies as the states have entries.
#[test]
fn stored_patterns_may_be_shared() {
    let case = case("masks");
    let (padding, mask) = (case.mask("padding"), case.mask("association"));
    for (name, device) in some_devices() {
        let layer = Hopfield::load(&device, &case.options, &case.weights).unwrap();
        let first = |what: &str| {
            let values = case.tensor(&device, what).unwrap();
            let [_, rows, columns] = *values.shape() else { panic!("{what}") };
            (values.to_vec().unwrap()[..rows * columns].to_vec(), [rows, columns])
        };
        let states = case.tensor(&device, "states").unwrap();
        let ((stored, s_shape), (projection, p_shape)) = (first("stored"), first("projection"));
        let forward = |stored: Tensor, projection: Tensor| {
            let (padding, association_mask) = (padding.as_deref(), mask.as_deref());
            let (stored, projection) = (&stored, &projection);
            let input = HopfieldInput { stored, states: &states, projection, padding, association_mask };
            layer.forward(&input).unwrap().to_vec().unwrap()
        };
        let shared = forward(
            Tensor::from_flat(&device, &stored, &s_shape).unwrap(),
            Tensor::from_flat(&device, &projection, &p_shape).unwrap(),
        );
        let copied = forward(
            Tensor::from_flat(&device, &stored.repeat(2), &[2, s_shape[0], s_shape[1]]).unwrap(),
            Tensor::from_flat(&device, &projection.repeat(2), &[2, p_shape[0], p_shape[1]]).unwrap(),
        );
        assert_close(name, &shared, &widened(&copied), 16.0 * EPS * scale(&widened(&copied)));
    }
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let cpu = Device::cpu();
    let case = case("sizes");
    let message = |options: &HopfieldOptions, weights: &Weights| {
        Hopfield::load(&cpu, options, weights).unwrap_err().to_string()
    };
    let mut wrong = case.weights.clone();
    wrong.insert("association_core.k_proj_weight", &[8, 7], vec![0.0; 56]).unwrap();
    assert_eq!(
        message(&case.options, &wrong),
        "weight 'association_core.k_proj_weight' has the shape [8, 7]; want the shape [8, 5]"
    );
    let without_bias = HopfieldOptions { input_bias: false, ..case.options.clone() };
    let text = message(&without_bias, &case.weights);
    assert!(text.starts_with("weight 'association_core.in_proj_bias' is not part of this layer"), "{text}");
    let with_norm =
        HopfieldOptions { normalize_hopfield_space: Some(NormOptions::default()), ..case.options.clone() };
    let text = message(&with_norm, &case.weights);
    assert_eq!(text, "weight 'association_core.p_norm_weight' is missing; want the shape [4]");

    let text = HopfieldPooling::load(&cpu, &case.options, &case.weights).unwrap_err().to_string();
    assert_eq!(text, "weight 'pooling_weights' is missing; want the shape [1, quantity, 7]");
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let refused = |options: HopfieldOptions| {
        matches!(
            Hopfield::load(&Device::cpu(), &options, &Weights::default()),
            Err(Error::InvalidParameter { .. } | Error::DimensionMismatch { .. })
        )
    };
    let torch = || HopfieldOptions::pytorch(6);
    assert!(refused(HopfieldOptions { num_heads: 0, ..torch() }));
    assert!(refused(HopfieldOptions { num_heads: 4, ..torch() }));
    assert!(refused(HopfieldOptions { num_heads: 3, beta: vec![1.0, 2.0], ..torch() }));
    assert!(refused(HopfieldOptions { beta: vec![-1.0], ..torch() }));
    assert!(refused(HopfieldOptions { update_eps: 0.0, ..torch() }));
    assert!(refused(HopfieldOptions { input_size: None, ..torch() }));
    assert!(refused(HopfieldOptions { hidden_size: Some(0), ..torch() }));
    let connected = HopfieldOptions { pattern_projection_as_connected: true, ..torch() };
    assert!(refused(HopfieldOptions { pattern_size: Some(2), ..connected.clone() }));
    assert!(refused(HopfieldOptions { stored_pattern_size: Some(2), ..connected }));
    assert!(refused(HopfieldOptions { concat_bias_pattern: true, ..HopfieldOptions::default() }));
    let normed = Some(NormOptions::default());
    assert!(refused(HopfieldOptions { normalize_state_pattern: normed, ..HopfieldOptions::default() }));
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let cpu = Device::cpu();
    let layer = Hopfield::new(&cpu);
    let zeros = |shape: &[usize]| Tensor::from_flat(&cpu, &vec![0.0; shape.iter().product()], shape).unwrap();
    let (stored, states) = (zeros(&[2, 5, 3]), zeros(&[2, 4, 3]));
    let forward = |stored: &Tensor, states: &Tensor| layer.forward(&HopfieldInput::new(stored, states));
    assert_eq!(forward(&stored, &states).unwrap().shape(), [2, 4, 3]);
    assert!(forward(&zeros(&[3, 5, 3]), &states).is_err());
    assert!(forward(&zeros(&[2, 5, 4]), &states).is_err());
    assert!(forward(&stored, &zeros(&[4, 3])).is_err());
    assert!(forward(&zeros(&[3]), &states).is_err());
    assert!(matches!(forward(&zeros(&[2, 0, 3]), &states), Err(Error::EmptyMemory)));
    assert_eq!(forward(&zeros(&[0, 5, 3]), &zeros(&[0, 4, 3])).unwrap().shape(), [0, 4, 3]);
    assert_eq!(forward(&stored, &zeros(&[2, 0, 3])).unwrap().shape(), [2, 0, 3]);
    let other = zeros(&[2, 4, 3]);
    let input = HopfieldInput { projection: &other, ..HopfieldInput::new(&stored, &states) };
    assert!(layer.forward(&input).is_err());

    // The third state sees only the last pattern, which is padding in the second entry.
    let mut mask = vec![false; 20];
    mask[10..14].fill(true);
    let mut padding = vec![false; 10];
    let masked = |padding: &[bool], mask: &[bool]| {
        let input = HopfieldInput {
            padding: Some(padding),
            association_mask: Some(mask),
            ..HopfieldInput::new(&stored, &states)
        };
        layer.forward(&input)
    };
    assert!(masked(&padding, &mask).is_ok());
    padding[9] = true;
    assert!(matches!(masked(&padding, &mask), Err(Error::NoEligiblePattern { patterns: 5 })));
    assert!(masked(&padding[1..], &mask).is_err());
    assert!(masked(&padding, &mask[1..]).is_err());
    assert!(matches!(layer.forward_rows(&[[0.0, f32::NAN]], &[[0.0, 0.0]]), Err(Error::NonFinite { .. })));
    for (_, device) in some_devices().into_iter().skip(1) {
        let far = stored.to_device(&device).unwrap();
        assert!(matches!(forward(&far, &states), Err(Error::DeviceMismatch { .. })));
    }
}
