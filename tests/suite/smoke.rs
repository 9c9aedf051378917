//! Every kernel at least once, on small shapes, against the f64 reference: what a driver that nobody has tried yet should
//! pass first. `ATTRACTOR_TEST_GPU` names the adapter.

use super::{bank, binary, common::*, features, operations, pairs, separations};
use attractor::{
    Device, Precision, Rows, Tensor,
    gpu::{
        Kernels, Options, Strategy,
        shader::{Extras, variants, workgroup_bytes},
    },
    machine,
    memory::{
        DenseMemory, Energy, EnergySettings, FeatureDescent, FeatureMemory, FeatureSettings,
        KernelizedMemory, KernelizedSettings, LinearMap, Memory, RecallOptions,
    },
    ops::{
        self, Ensemble, FeatureMap, FeatureSpec, Interaction, Layout, Projection, Rule, Separation,
        Similarity, SimilarityForm,
    },
    reference::{self, DenseModel, KernelizedModel},
};
use std::{collections::BTreeSet, sync::OnceLock};

/// One pass for few queries with what surrounds it for software: no other test has this pair.
fn serial_few() -> Option<&'static Device> {
    static ONE: OnceLock<Option<Device>> = OnceLock::new();
    let options = Options { kernels: Kernels::Direct, strategy: Some(Strategy::Few), ..Options::default() };
    ONE.get_or_init(|| open(options)).as_ref()
}

/// The GPU with each kind of kernels, of these tests alone: what others compile does not count here.
fn own() -> &'static [(&'static str, Device)] {
    static ALL: OnceLock<Vec<(&'static str, Device)>> = OnceLock::new();
    ALL.get_or_init(|| kinds(false))
}

/// The GPU with some of its kinds of kernels.
fn some(names: &[&str]) -> Vec<(&'static str, Device)> {
    own().iter().filter(|(name, _)| names.contains(name)).cloned().collect()
}

/// A row by one invocation, and by a workgroup.
fn both() -> Vec<(&'static str, Device)> {
    some(&["direct", "tiled"])
}

/// Values that f16 keeps as they are.
fn coarse(random: &mut Random, rows: usize, columns: usize) -> Rows<'static> {
    let values: Vec<f32> =
        random.rows(rows, columns, 16.0).as_slice().iter().map(|v| v.round() / 16.0).collect();
    Rows::new(values, columns).unwrap()
}

/// A step of a dense memory, and its energies.
fn dense_case(
    name: &str,
    device: &Device,
    [b, n, d]: [usize; 3],
    similarity: Similarity,
    precision: Precision,
) {
    let mut random = Random::new((b * n * d) as u64);
    let (x, q) = (coarse(&mut random, n, d), random.rows(b, d, 1.0));
    let beta = 4.0 / d as f32;
    let model = DenseModel { patterns: matrix(&x), similarity, beta: beta.into(), mask: None };
    let want: Vec<f64> = matrix(&q).iter().flat_map(|row| model.step(row).state).collect();
    let builder =
        DenseMemory::builder().device(device).similarity(similarity).precision(precision).beta(beta);
    let options = RecallOptions { steps: 1, tolerance: Some(0.0), trace: true, ..RecallOptions::default() };
    for form in [SimilarityForm::Product, SimilarityForm::Difference] {
        let memory = builder.clone().similarity_form(form).build(&x).unwrap();
        let recall = memory.recall_with(&q, &options).unwrap();
        let what = format!("{name} {similarity} {form} {precision} {b}x{n}x{d}");
        // Exponents of about 4, rounded where scores are of the order of d.
        assert_close(&what, recall.states.as_slice(), &want, 1e-5);
        for (trace, row) in recall.trace.unwrap().iter().zip(matrix(&q).iter()) {
            let want = model.energy(row);
            assert_close(&what, &trace[..1], &[want], 1e-5 * (1.0 + want.abs() + d as f64));
        }
    }
}

mod parts {
    use super::*;

    pub(super) fn products() {
        operations::product_cases(&some(&["direct", "small", "medium", "large"]));
    }

    pub(super) fn batched_products() {
        operations::batched_cases(&both());
        // Many enough that a larger tile is worth its while.
        let (g, m, k) = (32, 33, 5);
        let mut random = Random::new(3);
        for layout in [Layout::NN, Layout::NT, Layout::TN] {
            let of = |transposed: bool| if transposed { [g, m, k] } else { [g, k, m] };
            let [left, right] = [of(layout != Layout::TN), of(layout == Layout::NT)];
            let [a, b] = [left, right].map(|s| random.rows(s[0] * s[1], s[2], 1.0));
            let one = |i: usize| {
                let part = |rows: &Rows<'_>, s: [usize; 3]| matrix(&rows.slice(i * s[1]..(i + 1) * s[1]));
                reference::matmul(&part(&a, left), &part(&b, right), layout).data
            };
            let want: Vec<f64> = (0..g).flat_map(one).collect();
            for (name, device) in some(&["tiled"]) {
                let [a, b] = [(&a, left), (&b, right)]
                    .map(|(r, s)| Tensor::from_flat(&device, r.as_slice(), &s).unwrap());
                let got = ops::batched_matmul(&a, &b, layout).unwrap().to_vec().unwrap();
                assert_close(&format!("{name} {layout:?}"), &got, &want, 20.0 * EPS * (1.0 + scale(&want)));
            }
        }
    }

    pub(super) fn rows() {
        operations::normalize_cases(&both());
        operations::append_cases(&both());
        operations::row_cases(&both());
        operations::top_k_cases(&both());
    }

    pub(super) fn elements() {
        operations::elementwise_cases(&both());
        operations::divergence_cases(&both());
    }

    pub(super) fn similarities() {
        operations::similarity_cases(&both());
        let mut random = Random::new(77);
        let (x, q) = (random.rows(70, 9, 1.0), random.rows(5, 9, 1.0));
        let nearest = |device: &Device, kind| {
            ops::nearest(&tensor(device, &q), &tensor(device, &x), 3, kind).unwrap().1
        };
        for (name, device) in both() {
            for kind in Similarity::ALL {
                assert_eq!(nearest(&device, kind), nearest(&Device::cpu(), kind), "{name} {kind}");
            }
        }
    }

    pub(super) fn separations() {
        separations::cases(&both(), &[(3, 4), (9, 65), (1, 1000)]);
    }

    pub(super) fn steps() {
        for (name, device) in both() {
            for kind in Similarity::ALL {
                operations::step_case(&[(name, device.clone())], (9, 65, 17), kind, 1.0);
            }
        }
    }

    pub(super) fn dense_memories() {
        for (name, device) in some(&["direct", "small", "medium", "large"]) {
            for precision in [Precision::F32, Precision::F16] {
                for kind in Similarity::ALL {
                    // One query has kernels of its own.
                    dense_case(name, &device, [1, 70, 9], kind, precision);
                    dense_case(name, &device, [9, 70, 20], kind, precision);
                }
            }
        }
    }

    /// Each width that there are kernels for.
    pub(super) fn steps_in_one_pass() {
        for precision in [Precision::F32, Precision::F16] {
            for (name, device) in some(&["fused"]) {
                for (d, kind) in [(40, Similarity::L2), (100, Similarity::Dot), (200, Similarity::L2)] {
                    dense_case(name, &device, [5, 150, d], kind, precision);
                }
            }
            let devices = some(&["few"]).into_iter().chain(serial_few().map(|d| ("few, serial", d.clone())));
            for (name, device) in devices {
                for d in [40, 100, 200, 400, 700, 1100] {
                    for b in [1, 3] {
                        dense_case(name, &device, [b, 30, d], Similarity::Cosine, precision);
                    }
                }
            }
        }
    }

    pub(super) fn bits() {
        binary::overlap_cases(&both(), &[(3, 8, 64), (9, 66, 300)]);
        // Together and one after another, by overlaps and by the matrix.
        binary::hebb_cases(&both());
        binary::sweep_case(&both(), (7, 130), Interaction::Exponential, Rule::Exact);
    }

    pub(super) fn banks() {
        for (name, device) in both() {
            for ensemble in Ensemble::ALL {
                bank::check_scan(&device, name, &bank::bank(ensemble, 70, 20), 9, 1.5, 0);
            }
        }
    }

    pub(super) fn losses_of_pairs() {
        pairs::cases(&both(), &[(5, 4), (66, 5)], &[1.0, 0.1]);
    }

    pub(super) fn random_features() {
        let devices = some(&["direct", "tiled", "fused"]);
        for (map, projection, shape) in [
            (FeatureMap::SinCos, Projection::Gaussian, [5, 3, 150, 5]),
            (FeatureMap::Cos, Projection::Structured, [3, 2, 40, 13]),
            (FeatureMap::SinCos, Projection::Orthogonal, [3, 2, 45, 6]),
            (FeatureMap::SinCos, Projection::Gaussian, [3, 5, 150, 70]),
            (FeatureMap::ExpExp, Projection::Gaussian, [2, 3, 41, 130]),
        ] {
            features::case(&devices, map, projection, shape);
        }
    }

    /// Descents on the device end where those of the CPU do.
    pub(super) fn descents_of_features() {
        let (d, spec) = (6, FeatureSpec::new(FeatureMap::SinCos, 300, 6, 8.0, 5));
        let patterns = Random::new(4).rows(4, d, 0.3);
        let on = |device: Device| {
            let settings = FeatureSettings { device: Some(device), ..FeatureSettings::default() };
            let mut memory = FeatureMemory::with(spec.clone(), settings).unwrap();
            memory.absorb(&patterns).unwrap();
            memory
                .descend(&patterns, &FeatureDescent { steps: 20, tolerance: 0.0, ..Default::default() })
                .unwrap()
        };
        let want = on(Device::cpu());
        let states: Vec<f64> = want.states.as_slice().iter().map(|v| f64::from(*v)).collect();
        for (name, device) in both() {
            let got = on(device);
            assert_eq!((&got.status, &got.steps), (&want.status, &want.steps), "{name}");
            assert_close(name, got.states.as_slice(), &states, 1e-3);
        }
    }

    /// Every memory takes the steps that it takes on the CPU.
    pub(super) fn every_energy() {
        let mut random = Random::new(9);
        let patterns = binary::bits(&mut random, 5, 64);
        let mut queries = patterns.clone().into_vec();
        queries.chunks_exact_mut(64).for_each(|row| row[3..8].iter_mut().for_each(|v| *v = -*v));
        let queries = Rows::new(queries, 64).unwrap();
        for name in [
            "softmax",
            "entmax:1.5",
            "sparsemax",
            "normmax:2",
            "ksubsets:1",
            "epanechnikov",
            "polynomial:3",
            "rectified:3",
            "exponential",
            "hopfield",
            "hopfield:storkey",
            "hopfield:pseudoinverse",
            "lagrangian:a:3",
            "lagrangian:b",
            "lagrangian:c:3",
            "universal:dot:softmax",
            "universal:cosine:max",
            "universal:l1:max",
            "universal:l2:softmax",
        ] {
            let energy: Energy = name.parse().unwrap();
            let on = |device: Device| {
                let settings = EnergySettings { device: Some(device), ..EnergySettings::default() };
                let memory = memory_of(energy, &patterns, &settings).unwrap();
                memory.recall_with(&queries, &RecallOptions { steps: 3, ..RecallOptions::default() }).unwrap()
            };
            let want = on(Device::cpu());
            let states: Vec<f64> = want.states.as_slice().iter().map(|v| f64::from(*v)).collect();
            for (way, device) in both() {
                let got = on(device);
                assert_close(&format!("{way} {name}"), got.states.as_slice(), &states, 2e-3);
                assert_eq!(got.indices, want.indices, "{way} {name}");
            }
        }
    }

    pub(super) fn kernelized_memories() {
        let mut random = Random::new(12);
        let (x, w, q) = (random.rows(7, 5, 1.0), random.rows(6, 5, 0.5), random.rows(3, 5, 1.0));
        for separation in [Separation::Softmax, Separation::Entmax(1.5)] {
            let model = KernelizedModel {
                patterns: matrix(&x),
                weights: matrix(&w),
                bias: vec![0.0; 6],
                separation,
                beta: 1.0,
                unit: false,
            };
            let want: Vec<f64> = matrix(&q).iter().flat_map(|row| model.step(row)).collect();
            for (name, device) in both() {
                let settings =
                    KernelizedSettings { device: Some(device), beta: 1.0, separation, ..Default::default() };
                let map = LinearMap::given(&w, None).unwrap();
                let memory = KernelizedMemory::new(&x, map, settings).unwrap();
                let options = RecallOptions { steps: 1, tolerance: Some(0.0), ..Default::default() };
                let got = memory.recall_with(&q, &options).unwrap();
                assert_close(&format!("{name} {separation}"), got.states.as_slice(), &want, 1e-5);
            }
        }
    }

    /// What counts multiply-adds does run.
    pub(super) fn limits_of_the_machine() {
        for (name, device) in some(&["direct"]) {
            let limits = machine::measure(&device).unwrap();
            assert!(limits.read_gbps > 0.0 && limits.fma_gflops > 0.0, "{name}: {limits:?}");
        }
    }
}

macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        /// Runs a part, or all for an empty name; each once in a process, whoever comes first.
        fn run(which: &str) {
            $(if which.is_empty() || which == stringify!($name) {
                static DONE: OnceLock<()> = OnceLock::new();
                DONE.get_or_init(parts::$name);
            })*
        }
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*
    };
}

tests![
    products,
    batched_products,
    rows,
    elements,
    similarities,
    separations,
    steps,
    dense_memories,
    steps_in_one_pass,
    bits,
    banks,
    losses_of_pairs,
    random_features,
    descents_of_features,
    every_energy,
    kernelized_memories,
    limits_of_the_machine,
];

/// The parts above leave no kernel out, but for those that want more than the device has.
#[test]
fn no_kernel_is_left_out() {
    run("");
    let devices: Vec<&Device> = own().iter().map(|(_, device)| device).chain(serial_few()).collect();
    let Some(context) = devices.first().and_then(|device| device.as_gpu()) else { return };
    let compiled: BTreeSet<String> =
        devices.iter().filter_map(|device| device.as_gpu()).flat_map(|context| context.compiled()).collect();
    let memory = context.workgroup_memory();
    let fits = |name: &str| {
        workgroup_bytes(&variants().unwrap()[name].source_for(Extras::default()).unwrap()) <= memory
    };
    let left: Vec<&String> =
        variants().unwrap().keys().filter(|name| fits(name) && !compiled.contains(*name)).collect();
    assert!(left.is_empty(), "never compiled: {left:?}");
    let (name, driver, (least, most)) = (context.name(), context.driver(), context.subgroup());
    println!("smoke: {} kernels on {name} ({driver}), subgroups of {least} to {most}", compiled.len());
}
