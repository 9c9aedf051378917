//! One round: everything that the library does, small, on one device.

use attractor::{
    Device, Error, Precision, Result, Rows, Tensor,
    gpu::Options,
    io::{Array, ArrayData, Source, write},
    layers::Hopfield,
    memory::{
        DenseMemory, Energy, EnergySettings, FeatureDescent, FeatureMemory, FeatureSettings,
        KernelizedMemory, KernelizedSettings, LinearMap, Memory, RecallOptions, SeparationSettings,
        SpreadMemory, explain, separate_memories,
    },
    network::{Layer, Network},
    ops::{Bank, Ensemble, FeatureMap, FeatureSpec, Lagrangian, ScanOptions, Similarity, nearest},
    store::{Ask, Batch, Id, Settings, Store},
};
use std::{fs, path::Path, sync::Arc, thread};

/// What a round has to work with.
pub(crate) struct Desk<'a> {
    pub(crate) device: &'a Device,
    /// How a device is opened: `None` where the round should open none.
    pub(crate) selector: Option<&'a str>,
    pub(crate) folder: &'a Path,
    /// Number of the round, from which its data comes.
    pub(crate) seed: u64,
}

/// What is done in a part of a round.
pub(crate) type Part = fn(&Desk<'_>) -> Result<()>;

/// Parts of a round by their names, for messages.
pub(crate) const PARTS: [(&str, Part); 9] = [
    ("dense memory", dense),
    ("energies", energies),
    ("random features", features),
    ("separation, layers, networks", separation),
    ("banks and nearest patterns", banks),
    ("store", store),
    ("files", files),
    ("threads", threads),
    ("devices and errors", faults),
];

/// What only happens where it is named: a device opened and closed without this library, to tell its leaks from the driver's.
pub(crate) const BARE: &str = "bare driver";

/// Columns of patterns.
const D: usize = 12;
/// The energies of a round; most have a parameter.
const ENERGIES: [&str; 12] = [
    "softmax",
    "entmax:1.5",
    "sparsemax",
    "normmax:2",
    "ksubsets:2",
    "epanechnikov",
    "polynomial:3",
    "exponential",
    "hopfield",
    "hopfield:storkey",
    "lagrangian:b",
    "universal:js:max",
];

impl Desk<'_> {
    /// Normals, the same for a round and a salt.
    fn rows(&self, n: usize, salt: u64) -> Result<Rows<'static>> {
        Bank::new(Ensemble::Gaussian, self.seed * 16 + salt, n as u64, D)?.rows(0..n as u64)
    }
}

/// Says that something should have failed.
fn refused<T>(what: &str, got: Result<T>, right: fn(&Error) -> bool) -> Result<()> {
    match got {
        Err(error) if right(&error) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(Error::parameter("soak", what, "an error")),
    }
}

/// Builds, recalls in every way, grows, forgets.
fn dense(desk: &Desk<'_>) -> Result<()> {
    for precision in [Precision::F32, Precision::F16] {
        let builder = DenseMemory::builder().device(desk.device).precision(precision);
        let mut memory = builder.build(&desk.rows(60, 0)?)?;
        memory.append(&desk.rows(20, 1)?)?;
        memory.associate(&desk.rows(80, 2)?)?;
        let queries = desk.rows(5, 3)?;
        memory.recall(&queries)?;
        let (mask, clamp): (Vec<bool>, Vec<bool>) =
            ((0..80).map(|i| i % 3 != 0).collect(), (0..D).map(|i| i < 4).collect());
        let options = RecallOptions {
            mask: Some(&mask),
            clamp: Some(&clamp),
            trace: true,
            steps: 6,
            beta: Some(1.5),
            ..RecallOptions::default()
        };
        memory.recall_with(&queries, &options)?;
        memory.energy(&queries)?;
        memory.step(&queries)?;
        let mut other = builder.build(&desk.rows(30, 4)?)?;
        other.forget(&[1, 5, 29])?;
        other.recall(&queries)?;
    }
    Ok(())
}

fn energies(desk: &Desk<'_>) -> Result<()> {
    for name in ENERGIES {
        let energy: Energy = name.parse()?;
        let settings = EnergySettings { device: Some(desk.device.clone()), ..EnergySettings::default() };
        let settings = match energy {
            Energy::Sparse(_) | Energy::Softmax | Energy::Lagrangian(_) => {
                EnergySettings { beta: 0.5.into(), ..settings }
            }
            _ => settings,
        };
        let values = |n, salt| -> Result<Rows<'static>> {
            let rows = desk.rows(n, salt)?;
            Rows::new(
                rows.as_slice()
                    .iter()
                    .map(|v| if energy.is_binary() { v.signum() } else { v.abs() })
                    .collect::<Vec<_>>(),
                D,
            )
        };
        let mut memory = energy.memory(Arc::new(values(8, 5)?.into_vec()), D, &settings)?;
        memory.append(&values(2, 6)?)?;
        let options = RecallOptions { steps: 2, ..RecallOptions::default() };
        memory.recall_with(&values(3, 7)?, &options)?;
    }
    let patterns = desk.rows(10, 8)?;
    let memory = DenseMemory::builder().device(desk.device).beta(2.0).build(&patterns)?;
    let query = desk.rows(1, 9)?;
    explain(&memory, Energy::Softmax, Similarity::L2, &patterns, query.row(0), &RecallOptions::default())?;
    Ok(())
}

fn features(desk: &Desk<'_>) -> Result<()> {
    let make = || -> Result<FeatureMemory> {
        let settings =
            FeatureSettings { device: Some(desk.device.clone()), scale: 0.2, ..FeatureSettings::default() };
        let mut memory = FeatureMemory::with(FeatureSpec::new(FeatureMap::SinCos, 300, D, 6.0, 7), settings)?;
        memory.absorb(&desk.rows(6, 0)?)?;
        Ok(memory)
    };
    let (mut memory, other) = (make()?, make()?);
    memory.merge(&other)?;
    memory.forget(&desk.rows(6, 0)?)?;
    let path = desk.folder.join("features.safetensors");
    memory.save(&path)?;
    let loaded = FeatureMemory::load(&path, desk.device)?;
    loaded.descend(&desk.rows(2, 1)?, &FeatureDescent { steps: 20, ..FeatureDescent::default() })?;
    Ok(())
}

fn separation(desk: &Desk<'_>) -> Result<()> {
    let patterns = desk.rows(6, 0)?;
    let mut map = LinearMap::random(D, D, false, 1)?;
    let settings =
        SeparationSettings { iterations: 5, device: desk.device.clone(), ..SeparationSettings::default() };
    separate_memories(&patterns, &mut map, &settings, None)?;
    let settings = KernelizedSettings { device: Some(desk.device.clone()), ..KernelizedSettings::default() };
    KernelizedMemory::new(&patterns, map, settings)?.recall(&desk.rows(2, 1)?)?;
    Hopfield::new(desk.device).forward_rows(&patterns, &desk.rows(3, 2)?)?;
    let mut network = Network::new(desk.device);
    let seen = network.add_layer(Layer::new(D, Lagrangian::Identity))?;
    let hidden = network.add_layer(Layer::new(6, Lagrangian::Softmax { beta: 2.0 }).tau(0.2))?;
    network.connect(hidden, seen, &patterns)?;
    let start = network.start(&[(seen, &desk.rows(1, 3)?)])?;
    let settings = attractor::network::Settings { steps: 10, ..attractor::network::Settings::default() };
    network.integrate(&start, &settings)?;
    Ok(())
}

fn banks(desk: &Desk<'_>) -> Result<()> {
    let bank = Bank::new(Ensemble::Sphere, desk.seed, 3000, 16)?;
    let queries = bank.gather(&[5, 777])?;
    let options = ScanOptions { update: true, ..ScanOptions::default() };
    bank.scan(&queries, &[5, 777], 8.0, desk.device, &options)?;
    let queries = Tensor::new(desk.device, &desk.rows(4, 0)?)?;
    nearest(&queries, &Tensor::new(desk.device, &desk.rows(200, 1)?)?, 3, Similarity::L2)?;
    Ok(())
}

/// A store's life: made, changed, rewritten, closed, opened in both ways, refused to a second writer.
fn store(desk: &Desk<'_>) -> Result<()> {
    let path = desk.folder.join("store.safetensors");
    let settings = Settings { beta: 2.0.into(), ..Settings::default() };
    let payloads: Vec<Vec<u8>> = (0..20).map(|i| vec![7; i]).collect();
    let store =
        Store::create(&path, settings, Batch::new(&desk.rows(20, 0)?).payloads(&payloads), desk.device)?;
    let ids = store.add(Batch::new(&desk.rows(5, 1)?))?;
    store.replace(Batch::new(&desk.rows(5, 2)?).ids(&ids))?;
    store.forget(&ids[..2])?;
    let ask = Ask { payloads: true, among: Some(&ids[2..]), ..Ask::default() };
    store.recall_with(&desk.rows(2, 3)?, &ask)?;
    refused("a second writer", Store::open(&path, desk.device), |_| true)?;
    refused("an unknown id", store.forget(&[Id::from(10_000_u64)]), |_| true)?;
    Store::open_read_only(&path, desk.device)?.recall(&desk.rows(1, 4)?)?;
    drop(store);
    let store = Store::open(&path, desk.device)?;
    store.compact()?;
    store.recall(&desk.rows(2, 3)?)?;
    drop(store);
    for suffix in ["", ".journal", ".lock"] {
        let _ = fs::remove_file(format!("{}{suffix}", path.display()));
    }
    Ok(())
}

/// Files of each kind, read in place and copied, and refused where something is wrong.
fn files(desk: &Desk<'_>) -> Result<()> {
    let rows = desk.rows(40, 0)?;
    for suffix in ["npy", "npz", "safetensors"] {
        let path = desk.folder.join(format!("file.{suffix}"));
        let name = if suffix == "npy" { "" } else { "patterns" };
        write(&path, &[Array { name, shape: vec![40, D], data: ArrayData::F32(rows.as_slice()) }])?;
        let source = Source::open(&path)?;
        source.matrix(&["patterns"])?;
        let (shared, columns) = source.shared(&["patterns"])?;
        DenseMemory::builder()
            .device(desk.device)
            .beta(1.0)
            .build_shared(shared, columns)?
            .recall(&rows.slice(0..2))?;
        drop(source);
        let bytes =
            fs::read(&path).map_err(|source| Error::File { path: path.clone(), action: "read", source })?;
        let broken = desk.folder.join(format!("broken.{suffix}"));
        attractor::io::write_bytes(&broken, &bytes[..bytes.len() / 2])?;
        refused(
            "half a file",
            Source::open(&broken).and_then(|s| s.matrix(&["patterns"]).map(|_| ())),
            |_| true,
        )?;
    }
    refused("a file that is not there", Source::open(desk.folder.join("no.npy")), |e| {
        matches!(e, Error::File { .. })
    })
}

/// Several threads on one memory, and one memory on two devices.
fn threads(desk: &Desk<'_>) -> Result<()> {
    let memory = DenseMemory::builder().device(desk.device).beta(1.0).build(&desk.rows(30, 0)?)?;
    let queries = desk.rows(3, 1)?;
    thread::scope(|scope| {
        let running: Vec<_> = (0..3).map(|_| scope.spawn(|| memory.recall(&queries).map(drop))).collect();
        running.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(Error::parameter("soak", "a thread", "one without a panic")))
        })
    })?;
    let devices = [desk.device.clone(), Device::cpu()];
    let spread = SpreadMemory::new(&desk.rows(30, 0)?, &devices, Similarity::L2, 1.0)?;
    let options = RecallOptions { steps: 3, ..RecallOptions::default() };
    spread.recall_with(&queries, &options)?;
    Ok(())
}

/// Bad input, too much, devices that come, go, and are lost.
fn faults(desk: &Desk<'_>) -> Result<()> {
    let memory = DenseMemory::builder().device(desk.device).beta(1.0).build(&desk.rows(10, 0)?)?;
    refused("a NaN", memory.recall(&[[f32::NAN; D]]), |e| matches!(e, Error::NonFinite { .. }))?;
    refused("wrong columns", memory.recall(&[[0.0; D + 1]]), |e| {
        matches!(e, Error::DimensionMismatch { .. })
    })?;
    let mask = vec![false; 10];
    let none = RecallOptions { mask: Some(&mask), ..RecallOptions::default() };
    refused("no pattern", memory.recall_with(&[[0.0; D]], &none), |e| {
        matches!(e, Error::NoEligiblePattern { .. })
    })?;
    refused("no such device", Device::open("gpu:no such card"), |e| matches!(e, Error::NoAdapter { .. }))?;
    let Some(selector) = desk.selector else { return Ok(()) };
    let small = Options { binding_limit: Some(4096), ..Options::default() };
    let device = Device::open_with(selector, small)?;
    refused("more than a binding", Tensor::from_flat(&device, &[0.0; 2048], &[1, 2048]), |e| {
        matches!(e, Error::TooLarge { .. })
    })?;
    let tensor = Tensor::new(&device, &[[1.0_f32, 2.0]])?;
    tensor.to_vec()?;
    if let Some(context) = device.as_gpu().filter(|_| desk.seed.is_multiple_of(2)) {
        context.destroy();
        refused("a lost device", tensor.to_vec(), |e| matches!(e, Error::DeviceLost { .. }))?;
    }
    Ok(())
}

/// The same as a device that is opened and closed by this library, by wgpu alone.
pub(crate) fn bare(_: &Desk<'_>) -> Result<()> {
    let backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let descriptor =
        wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
    let instance = wgpu::Instance::new(descriptor);
    let failed = |message: String| Error::Gpu { what: BARE.into(), message };
    let adapters = pollster::block_on(instance.enumerate_adapters(backends));
    let adapter = adapters.first().ok_or_else(|| failed("there is no adapter".into()))?;
    let request = adapter.request_device(&wgpu::DeviceDescriptor::default());
    let (device, queue) = pollster::block_on(request).map_err(|error| failed(error.to_string()))?;
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    queue.write_buffer(&buffer, 0, &[1; 64]);
    queue.submit(None);
    device.poll(wgpu::PollType::wait_indefinitely()).map_err(|error| failed(error.to_string()))?;
    Ok(())
}
