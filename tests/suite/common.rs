//! Devices, random data and comparisons.

use attractor::{
    Device, Error, Rows, Tensor,
    gpu::{Context, Kernels, Options, Strategy},
    memory::{Beta, Energy, EnergySettings, LagrangianMemory, LagrangianModel, Layers, Memory},
    reference::Matrix,
};
use std::sync::{Arc, OnceLock};

/// The GPU that tests run on: the software adapter, or what `ATTRACTOR_TEST_GPU` names. It goes by rule: what timing has
/// found on this machine, and its user has kept, is no matter of tests.
pub(crate) fn open(options: Options) -> Option<Device> {
    open_timed(Options { deterministic: true, ..options })
}

/// The same with what the kept table of timings says: for tests that have a table of their own.
pub(crate) fn open_timed(options: Options) -> Option<Device> {
    let options = asked(options);
    let selector = std::env::var("ATTRACTOR_TEST_GPU").unwrap_or_else(|_| "software".to_owned());
    match Context::open_with(&selector, options) {
        Ok(context) => Some(Device::Gpu(context)),
        Err(error) => {
            let required = std::env::var("ATTRACTOR_REQUIRE_GPU").is_ok_and(|v| v == "1");
            assert!(!required, "ATTRACTOR_REQUIRE_GPU=1, but: {error}");
            eprintln!("skipping the GPU: {error}");
            None
        }
    }
}

/// What `ATTRACTOR_TEST_OPTIONS` asks of every GPU of the tests: `plain`, `least` or `checked`; see [`Options`].
fn asked(options: Options) -> Options {
    match std::env::var("ATTRACTOR_TEST_OPTIONS").as_deref() {
        Err(_) | Ok("") => options,
        Ok("plain") => Options { plain: true, ..options },
        Ok("least") => Options { least: true, ..options },
        Ok("checked") => Options { checked: true, ..options },
        Ok(other) => panic!("ATTRACTOR_TEST_OPTIONS is {other}; it must be plain, least or checked"),
    }
}

/// What a device is opened with.
#[derive(Clone, Copy, PartialEq)]
enum Offer {
    All,
    Plain,
    Least,
}

/// Each way that kernels go about their work.
const KINDS: [(&str, Kernels, Option<Strategy>, Offer); 7] = [
    ("direct", Kernels::Direct, None, Offer::All),
    ("tiled", Kernels::Tiled, None, Offer::All),
    ("small", Kernels::Tiled, Some(Strategy::Small), Offer::Least),
    ("medium", Kernels::Tiled, Some(Strategy::Medium), Offer::Plain),
    ("large", Kernels::Tiled, Some(Strategy::Large), Offer::All),
    ("fused", Kernels::Tiled, Some(Strategy::Fused), Offer::Plain),
    ("few", Kernels::Tiled, Some(Strategy::Few), Offer::All),
];

/// Devices of their own, one for each kind.
pub(crate) fn kinds(checked: bool) -> Vec<(&'static str, Device)> {
    let open = |(name, kernels, strategy, offer)| {
        let (plain, least) = (offer == Offer::Plain, offer == Offer::Least);
        let options = Options { checked, kernels, strategy, plain, least, ..Options::default() };
        Some((name, open(options)?))
    };
    KINDS.into_iter().filter_map(open).collect()
}

/// The GPU with each kind of kernels, unchecked as users run them.
pub(crate) fn gpus() -> &'static [(&'static str, Device)] {
    static ALL: OnceLock<Vec<(&'static str, Device)>> = OnceLock::new();
    ALL.get_or_init(|| kinds(false))
}

/// The GPU with runtime checks in its kernels.
pub(crate) fn checked_gpus() -> &'static [(&'static str, Device)] {
    static ALL: OnceLock<Vec<(&'static str, Device)>> = OnceLock::new();
    ALL.get_or_init(|| kinds(true))
}

/// Those of all kinds whose kernels differ in more than products, steps and looks at features.
pub(crate) fn differing(devices: &[(&'static str, Device)]) -> Vec<(&'static str, Device)> {
    devices.iter().filter(|(name, _)| ["direct", "tiled", "medium"].contains(name)).cloned().collect()
}

/// The CPU, and those kinds of GPU: for memories that are made of products and of kernels that these kinds differ in.
pub(crate) fn varied() -> Vec<(&'static str, Device)> {
    [("cpu", Device::cpu())].into_iter().chain(differing(gpus())).collect()
}

/// A fresh device of the default kind with a small limit on bindings.
pub(crate) fn gpu_with_limit(binding_limit: u64) -> Option<Device> {
    open(Options { binding_limit: Some(binding_limit), ..Options::default() })
}

/// The default GPU, opened anew.
pub(crate) fn fresh_gpu() -> Option<Device> {
    open(Options::default())
}

/// The CPU and every kind of GPU.
pub(crate) fn devices() -> Vec<(&'static str, Device)> {
    let mut all = vec![("cpu", Device::cpu())];
    all.extend(gpus().iter().cloned());
    all
}

/// The memory of an energy as [`Energy::memory`] makes it, but that two layers take 10 Euler steps in a unit of time, not
/// 500: each starts thirty kernels, which the software GPU is slow to start.
pub(crate) fn memory_of(
    energy: Energy,
    patterns: &Rows<'_>,
    settings: &EnergySettings,
) -> Result<Box<dyn Memory>, Error> {
    let memory = energy.memory(Arc::new(patterns.as_slice().to_vec()), patterns.columns(), settings)?;
    let model = match (energy, settings.beta) {
        (Energy::Lagrangian(Layers::A(power)), Beta::Fixed(beta)) => LagrangianModel::A { power, beta },
        (Energy::Lagrangian(Layers::A(power)), Beta::Auto) => LagrangianModel::A { power, beta: 4.0 },
        (Energy::Lagrangian(Layers::B), Beta::Fixed(beta)) => LagrangianModel::B { beta },
        (Energy::Lagrangian(Layers::B), Beta::Auto) => LagrangianModel::B { beta: 1.0 },
        (Energy::Lagrangian(Layers::C(power)), _) => LagrangianModel::C { power },
        _ => return Ok(memory),
    };
    let mut builder = LagrangianMemory::builder(model).dt(0.5);
    if let Some(device) = &settings.device {
        builder = builder.device(device);
    }
    Ok(Box::new(builder.build(patterns)?))
}

/// Random numbers that are the same in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x1234_5678)
    }

    fn bits(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform whole number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }

    /// Standard normal.
    pub(crate) fn normal(&mut self) -> f64 {
        let u = 1.0 - self.uniform();
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A matrix of standard normals times `scale`.
    pub(crate) fn rows(&mut self, rows: usize, columns: usize, scale: f64) -> Rows<'static> {
        let data: Vec<f32> = (0..rows * columns).map(|_| (scale * self.normal()) as f32).collect();
        Rows::new(data, columns).unwrap()
    }
}

/// The oracle's matrix with the same values.
pub(crate) fn matrix(rows: &Rows<'_>) -> Matrix {
    Matrix::from_f32(rows.as_slice(), rows.columns())
}

/// The same values on a device.
pub(crate) fn tensor(device: &Device, rows: &Rows<'_>) -> Tensor {
    Tensor::from_flat(device, rows.as_slice(), &[rows.rows(), rows.columns()]).unwrap()
}

/// Fails unless each value is within `bound` of what is wanted; names the worst.
#[track_caller]
pub(crate) fn assert_close(what: &str, got: &[f32], want: &[f64], bound: f64) {
    assert_eq!(got.len(), want.len(), "{what}: number of values");
    assert!(
        bound < 0.05 * (1.0 + want.iter().fold(0.0, |m: f64, v| m.max(v.abs()))),
        "{what}: loose bound {bound}"
    );
    let mut worst = (0.0, 0);
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(*g) - w).abs();
        assert!(!error.is_nan(), "{what}: value {i} is {g}, want {w}");
        if error > worst.0 {
            worst = (error, i);
        }
    }
    let (error, i) = worst;
    assert!(
        error <= bound,
        "{what}: value {i} is {}, want {}: off by {error:e}, bound {bound:e}",
        got[i],
        want[i]
    );
}

/// Largest magnitude.
pub(crate) fn scale(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

pub(crate) const EPS: f64 = f32::EPSILON as f64;

/// A store's or a memory's file as earlier versions wrote it: without checksums.
pub(crate) fn without_checksums(file: &[u8]) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let header = header.as_object_mut().unwrap();
    let sums = header.remove("checksums").unwrap()["data_offsets"][0].as_u64().unwrap() as usize;
    header["__metadata__"].as_object_mut().unwrap().remove("checksums").unwrap();
    let mut text = serde_json::to_vec(&header).unwrap();
    text.resize(text.len().next_multiple_of(8), b' ');
    [&(text.len() as u64).to_le_bytes()[..], &text, &file[8 + length..8 + length + sums]].concat()
}
