//! Random features: the specification's worked numbers, the three implementations against each other, and the laws of the noise.

use super::common::*;
use attractor::{
    Device, Rows, Tensor,
    ops::{FeatureMap, FeatureSpec, Features, FrequencySource, Projection},
    reference::{self, FeatureModel, Matrix},
};
use std::f64::consts::TAU;

const FREQUENCIES: [[f64; 2]; 3] = [[1.0, -0.5], [0.3, 0.8], [-1.2, 0.4]];
const PHASES: [f64; 3] = [0.5, 2.0, 4.0];
const STATE: [f64; 2] = [0.6, 0.1];
const BETA: f64 = 2.0;

/// Map, u, energy and its gradient.
const GOLDEN: [(FeatureMap, f64, f64, [f64; 2]); 5] = [
    (FeatureMap::SinCos, 1.4497596454, -0.1856988904, [0.24747717, -0.15386944]),
    (FeatureMap::Cos, 1.8016799939, -0.2943597798, [0.22041166, -0.38290852]),
    (FeatureMap::Exp, 0.7656715125, 0.1335010181, [0.76969143, 0.15747583]),
    (FeatureMap::ExpExp, 0.7394227998, 0.1509426987, [0.65959827, 0.30027900]),
    (FeatureMap::DotExp, 1.8275896433, -0.3014989820, [0.16969143, 0.05747583]),
];

fn patterns() -> Matrix {
    let side = 0.5_f64.sqrt();
    Matrix::from_rows(&[[side, 0.0], [0.0, side]])
}

fn model(map: FeatureMap) -> FeatureModel {
    let phases = PHASES.iter().map(|p| p / TAU).collect();
    FeatureModel { map, frequencies: Matrix::from_rows(&FREQUENCIES), phases, beta: BETA }
}

#[test]
fn the_generator_gives_the_known_words_and_normals() {
    assert_eq!(reference::philox([0; 4], 0), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    let normals = reference::frequencies(Projection::Gaussian, 42, 1, 4);
    for (got, want) in normals.data.iter().zip([-0.970190, 0.194019, -1.235620, 1.923927]) {
        assert!((got - want).abs() < 1e-6, "{got} {want}");
    }
}

#[test]
fn the_reference_gives_the_golden_values() {
    for (map, u, energy, gradient) in GOLDEN {
        let model = model(map);
        let t = model.encode(&patterns());
        assert!((model.sum(&STATE, &t) - u).abs() < 1e-9, "{map}: {}", model.sum(&STATE, &t));
        assert!((model.energy(&STATE, &t, 0.0) - energy).abs() < 1e-9, "{map}");
        let got = model.gradient(&STATE, &t, 0.0);
        for (g, w) in got.iter().zip(gradient) {
            assert!((g - w).abs() < 1e-8, "{map}: {got:?}, want {gradient:?}");
        }
        assert_eq!(model.gradient(&STATE, &t, 10.0), [0.0, 0.0], "{map}: below epsilon");
    }
    let t = model(FeatureMap::SinCos).encode(&patterns());
    let want = [0.81861621, 0.95380759, 0.74098216, 0.20902704, 0.58478440, -0.31328223];
    assert!(t.iter().zip(want).all(|(t, w)| (t - w).abs() < 1e-8), "{t:?}");
}

#[test]
fn gradients_are_differences_of_energies() {
    for map in FeatureMap::ALL {
        let model = model(map);
        let t = model.encode(&patterns());
        let gradient = model.gradient(&STATE, &t, 0.0);
        for i in 0..2 {
            let at = |h: f64| {
                let mut x = STATE;
                x[i] += h;
                model.energy(&x, &t, 0.0)
            };
            let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((difference - gradient[i]).abs() < 1e-8, "{map} {i}: {difference} {gradient:?}");
        }
    }
}

#[test]
fn every_device_gives_the_golden_values() {
    let phases = PHASES.map(|p| p as f32);
    let frequencies = Rows::new(FREQUENCIES.as_flattened().iter().map(|v| *v as f32).collect::<Vec<_>>(), 2);
    let frequencies = frequencies.unwrap();
    let rows = Rows::new(patterns().data.iter().map(|v| *v as f32).collect::<Vec<_>>(), 2).unwrap();
    for (name, device) in devices() {
        for (map, u, _, gradient) in GOLDEN {
            let spec = FeatureSpec::given(map, frequencies.clone(), Some(&phases), BETA as f32).unwrap();
            let features = Features::new(&spec, &device, 0).unwrap();
            let memory = features.memory(&features.encode(&rows).unwrap()).unwrap();
            let state = Tensor::new(&device, &[STATE]).unwrap();
            let (got_u, got) = features.step(&state, &memory).unwrap();
            // A handful of roundings of numbers below 4.
            assert_close(&format!("{name} {map} u"), &got_u.to_vec().unwrap(), &[u], 16.0 * EPS);
            let want: Vec<f64> = gradient.iter().map(|g| -BETA * u * g).collect();
            // The gradient is known to 8 digits.
            assert_close(&format!("{name} {map}"), &got.to_vec().unwrap(), &want, 32.0 * EPS);
        }
    }
}

#[test]
fn frequencies_of_a_seed_agree_everywhere() {
    for (projection, m, d) in [
        (Projection::Gaussian, 37, 70),
        (Projection::Gaussian, 5, 1),
        (Projection::Orthogonal, 29, 6),
        (Projection::Structured, 19, 5),
        (Projection::Structured, 9, 8),
    ] {
        let want = reference::frequencies(projection, 7, m, d);
        let mut spec = FeatureSpec::new(FeatureMap::SinCos, m, d, 1.0, 0);
        spec.source = FrequencySource::Seed { seed: 7, projection };
        // Radii of up to 6 by a logarithm, a root and a sine, each within 2 ulp or so.
        let bound = 1e-6 * scale(&want.data).max(1.0);
        for (name, device) in devices() {
            let made = Features::new(&spec, &device, 0).unwrap().frequencies().unwrap();
            assert_close(&format!("{name} {projection} [{m}, {d}]"), made.as_slice(), &want.data, bound);
        }
    }
}

#[test]
fn a_gpu_makes_the_same_frequencies_in_tiles_and_at_once() {
    let (m, d) = (21, 6);
    let want = reference::frequencies(Projection::Gaussian, 1 << 40, m, d);
    let rows = Random::new(3).rows(2, d, 0.3);
    for (name, device) in gpus().iter().take(1) {
        // Patterns that are unit vectors times a small number show each frequency through sines.
        let spec = FeatureSpec::new(FeatureMap::SinCos, m, d, 1.0, 1 << 40);
        let model =
            FeatureModel { map: spec.map, frequencies: want.clone(), phases: vec![0.0; m], beta: 1.0 };
        let kept = Features::new(&spec, device, 1 << 20).unwrap().encode(&rows).unwrap();
        let made = Features::new(&spec, device, 0).unwrap().encode(&rows).unwrap();
        assert_eq!(kept, made, "{name}");
        for (got, want) in made.iter().zip(model.encode(&matrix(&rows))) {
            assert!((got - want).abs() < 1e-5 * (2.0 / m as f64).sqrt(), "{name}: {got} {want}");
        }
    }
}

#[test]
fn orthogonal_and_structured_rows_are_what_they_are_called() {
    let d = 8;
    for projection in [Projection::Orthogonal, Projection::Structured] {
        let s = reference::frequencies(projection, 3, 2 * d, d);
        for i in 0..2 * d {
            for j in i / d * d..i {
                let dot: f64 = s.row(i).iter().zip(s.row(j)).map(|(a, b)| a * b).sum();
                assert!(dot.abs() < 1e-12, "{projection} {i} {j}: {dot}");
            }
            let length = s.row(i).iter().map(|v| v * v).sum::<f64>().sqrt();
            let gaussian = reference::frequencies(Projection::Gaussian, 3, 2 * d, d);
            let want = match projection {
                Projection::Structured => (d as f64).sqrt(),
                _ => gaussian.row(i).iter().map(|v| v * v).sum::<f64>().sqrt(),
            };
            assert!((length - want).abs() < 1e-12, "{projection} {i}: {length} {want}");
        }
    }
}

#[test]
fn many_tiles_of_frequencies_and_of_patterns_add_up() {
    // More frequencies than a tile of a GPU or the tasks of the CPU, more patterns than go to a GPU together.
    for (map, k, m, d) in [(FeatureMap::SinCos, 3, 4103, 5), (FeatureMap::Cos, 1027, 31, 2)] {
        let mut random = Random::new(2);
        let (rows, states) = (random.rows(k, d, 0.2), random.rows(2, d, 0.2));
        let frequencies = reference::frequencies(Projection::Gaussian, 3, m, d);
        let model = FeatureModel { map, frequencies, phases: reference::phases(3, m), beta: 4.0 };
        let t = model.encode(&matrix(&rows));
        let bound = 1e-5 * (2.0 * k as f64 / m as f64).sqrt();
        for (name, device) in devices() {
            for budget in [0, 1 << 20] {
                let spec = FeatureSpec::new(map, m, d, 4.0, 3);
                let features = Features::new(&spec, &device, budget).unwrap();
                for (i, (got, want)) in features.encode(&rows).unwrap().iter().zip(&t).enumerate() {
                    assert!((got - want).abs() <= bound, "{name} {map}: T[{i}] {got} {want}");
                }
                let memory = features.memory(&t).unwrap();
                let (u, g) = features.step(&tensor(&device, &states), &memory).unwrap();
                let want_u: Vec<f64> = matrix(&states).iter().map(|x| model.sum(x, &t)).collect();
                let want_g: Vec<f64> =
                    matrix(&states).iter().flat_map(|x| model.sum_gradient(x, &t)).collect();
                // u is a sum of all products of features with T, which together are at most k.
                let of_u = 1e-5 * (k as f64).sqrt();
                assert_close(&format!("{name} {map} u"), &u.to_vec().unwrap(), &want_u, of_u);
                let of_g = of_u * (4.0 * d as f64).sqrt();
                assert_close(&format!("{name} {map} gradient"), &g.to_vec().unwrap(), &want_g, of_g);
            }
        }
    }
}

#[test]
fn structured_frequencies_beyond_a_gpus_transform_are_the_cpus() {
    let d = 2049;
    let mut spec = FeatureSpec::new(FeatureMap::SinCos, 9, d, 1.0, 0);
    spec.source = FrequencySource::Seed { seed: 11, projection: Projection::Structured };
    let rows = Random::new(5).rows(2, d, 0.01);
    let on = |device: &Device| Features::new(&spec, device, 0).unwrap().encode(&rows).unwrap();
    let want = on(&Device::cpu());
    for (name, device) in gpus().iter().take(1) {
        for (got, want) in on(device).iter().zip(&want) {
            assert!((got - want).abs() < 1e-5, "{name}: {got} {want}");
        }
    }
}

#[test]
fn encodings_and_steps_agree_with_the_reference() {
    // Odd shapes; more patterns than one block of the CPU, more frequencies than one of its tiles.
    for (map, projection, k, b, m, d) in [
        (FeatureMap::SinCos, Projection::Gaussian, 131, 3, 300, 5),
        (FeatureMap::SinCos, Projection::Gaussian, 1, 130, 7, 1),
        (FeatureMap::SinCos, Projection::Orthogonal, 9, 17, 45, 6),
        (FeatureMap::SinCos, Projection::Structured, 19, 18, 70, 13),
        (FeatureMap::Cos, Projection::Structured, 3, 1, 600, 16),
        (FeatureMap::Cos, Projection::Gaussian, 5, 4, 33, 9),
        (FeatureMap::Exp, Projection::Gaussian, 5, 4, 33, 9),
        (FeatureMap::ExpExp, Projection::Structured, 6, 2, 21, 3),
        (FeatureMap::DotExp, Projection::Gaussian, 5, 6, 31, 4),
        // Each width that a GPU has kernels for, and one that none has room for.
        (FeatureMap::SinCos, Projection::Gaussian, 3, 5, 150, 70),
        (FeatureMap::ExpExp, Projection::Gaussian, 2, 3, 41, 130),
        (FeatureMap::SinCos, Projection::Gaussian, 2, 3, 20, 261),
    ] {
        case(&devices(), map, projection, [k, b, m, d]);
    }
}

/// `k` patterns of `d` columns in `m` frequencies, seen from `b` states.
pub(crate) fn case(
    devices: &[(&'static str, Device)],
    map: FeatureMap,
    projection: Projection,
    [k, b, m, d]: [usize; 4],
) {
    let beta = 8.0;
    let mut spec = FeatureSpec::new(map, m, d, beta as f32, 0);
    spec.source = FrequencySource::Seed { seed: 11, projection };
    let mut random = Random::new(5);
    let side = 0.5 / (d as f64).sqrt();
    let (rows, states) = (random.rows(k, d, side), random.rows(b, d, side));
    let frequencies = reference::frequencies(projection, 11, m, d);
    let model = FeatureModel { map, frequencies, phases: reference::phases(11, m), beta };
    let t = model.encode(&matrix(&rows));
    for (name, device) in devices {
        let what = format!("{name} {map} {projection} k {k} b {b} m {m} d {d}");
        for budget in [0, 1 << 20] {
            let features = Features::new(&spec, device, budget).unwrap();
            let got = features.encode(&rows).unwrap();
            // Phases of up to 30 radians, each with the roundings of a sum of d products and of its frequencies.
            let of_t = 1e-5 * (2.0 * k as f64 / m as f64).sqrt() * scale(&t).max(1.0);
            for (i, (got, want)) in got.iter().zip(&t).enumerate() {
                assert!((got - want).abs() <= of_t, "{what}: T[{i}] {got} {want}");
            }
            let memory = features.memory(&t).unwrap();
            let (u, g) = features.step(&tensor(device, &states), &memory).unwrap();
            let each =
                |f: &dyn Fn(&[f64]) -> Vec<f64>| -> Vec<f64> { matrix(&states).iter().flat_map(f).collect() };
            let want_u = each(&|x| vec![model.sum(x, &t)]);
            let want_g = each(&|x| model.sum_gradient(x, &t));
            // Sums of m products, each with a relative error like that of T.
            let size: f64 = t.iter().map(|t| t * t).sum::<f64>().sqrt();
            let of_u = 4e-6 * size * if map.is_positive() { scale(&want_u).max(1.0) } else { 1.0 };
            assert_close(&format!("{what} u"), &u.to_vec().unwrap(), &want_u, of_u);
            let of_g = of_u * (beta * d as f64).sqrt().max(2.0);
            assert_close(&format!("{what} gradient"), &g.to_vec().unwrap(), &want_g, of_g);
        }
    }
}
