//! An opened adapter: its memory, its kernels, its queue.

use super::{
    adapter::{self, Selector},
    buffer::Pool,
    faults::Faults,
    pipeline::{PARAMETER_BYTES, Pipeline},
    record::Recorder,
    shader::Extras,
    tuning,
};
use crate::{Error, Result};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use wgpu::{AdapterInfo, DeviceDescriptor, DeviceType, ExperimentalFeatures, Features, Limits, MemoryHints};

/// Which kernels a device uses where there are several for one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kernels {
    /// By the kind of adapter and the shape.
    #[default]
    Auto,
    /// Register tiles read straight from global memory, one invocation a row: best on software
    /// adapters, where barriers are dear.
    Direct,
    /// Tiles staged through workgroup memory, a workgroup a row: best on hardware.
    Tiled,
}

/// How a softmax step or a matrix product goes about its work, where there are several ways. The
/// default is by the kind of adapter and the shape, or what timing has found (see [`crate::gpu::tune`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Register tiles straight from global memory, 8 x 8 outputs an invocation. A step is a chain of
    /// products: scores, weights, weighted sums.
    Direct,
    /// The same with tiles of 32 x 32 outputs staged through workgroup memory.
    Small,
    /// 64 x 64 outputs.
    Medium,
    /// 128 x 128 outputs, 8 x 8 an invocation.
    Large,
    /// A step in one pass that writes no scores; rows of up to 256 columns.
    Fused,
    /// A step in one pass for a handful of queries, bound by memory; rows of up to 2048 columns.
    Few,
    /// A look at random features in one pass that makes its frequencies where it uses them; rows of up to 256 columns.
    Generated,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Direct, Self::Small, Self::Medium, Self::Large, Self::Fused, Self::Few, Self::Generated];

    /// The name in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
            Self::Fused => "fused",
            Self::Few => "few",
            Self::Generated => "generated",
        }
    }
}

/// How a GPU is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Build kernels with wgpu's bounds checks and loop counters, to find a fault in a kernel.
    pub checked: bool,
    /// Kernels to use.
    pub kernels: Kernels,
    /// Pretend that a storage binding holds at most so many bytes, to try the borders of shards.
    pub binding_limit: Option<u64>,
    /// Bytes that the patterns of a memory may take on the device. Those beyond it stay on the host (in a mapped
    /// file where they come from one) and go through the device at each step. Without a limit that happens
    /// where the device runs out of memory.
    pub memory_budget: Option<u64>,
    /// Use this wherever it can be used, whatever the shape.
    pub strategy: Option<Strategy>,
    /// Make no use of features beyond WebGPU's core (immediates, subgroups, native f16).
    pub plain: bool,
    /// Ask for no more than every WebGPU device has: no features, and WebGPU's default limits (8 storage buffers
    /// of a kernel, 16 KiB of workgroup memory, 256 invocations, bindings of 128 MiB, buffers of 256 MiB). What is
    /// faster with more is then not chosen, also where [`Options::strategy`] asks for it.
    pub least: bool,
    /// Always choose the same way for a shape: by rule, not by timing. Then equal inputs give
    /// bitwise equal results on one adapter and driver.
    pub deterministic: bool,
    /// Longest wait for work that was sent to the device; 600 s where `None`. Work that takes longer ends with
    /// [`Error::Timeout`]; what is asked for later waits behind it.
    pub patience: Option<Duration>,
}

/// What a device has done and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Command buffers sent.
    pub submissions: u64,
    /// Times the host waited for results.
    pub readbacks: u64,
    /// Kernels started.
    pub dispatches: u64,
    /// Bind groups made; a steady state makes no new ones.
    pub bind_groups: u64,
    /// Kernels compiled.
    pub pipelines: u64,
    /// Buffers that exist now, in use or waiting in the pool.
    pub buffers: u64,
    /// Buffers that were asked of the driver, those that it refused and those that are gone included.
    pub allocations: u64,
    /// Bytes of the buffers that wait in the pool.
    pub pool_bytes: u64,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) submissions: AtomicU64,
    pub(super) readbacks: AtomicU64,
    pub(super) dispatches: AtomicU64,
    pub(super) bind_groups: AtomicU64,
    pub(super) pipelines: AtomicU64,
    pub(super) buffers: AtomicU64,
    pub(super) allocations: AtomicU64,
}

/// An opened adapter. Everything that a memory does on a GPU goes through one; several threads may
/// share it.
pub struct Context {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    info: AdapterInfo,
    driver: String,
    pub(super) extras: Extras,
    pub(crate) options: Options,
    pub(super) limits: Limits,
    pub(super) recorder: Mutex<Recorder>,
    pub(super) pool: Mutex<Pool>,
    /// The readback buffer of last time.
    pub(super) staging: Mutex<Option<wgpu::Buffer>>,
    pub(super) pipelines: Mutex<HashMap<String, Arc<Pipeline>>>,
    /// What timing has found; read from the cache folder at first use.
    tuning: Mutex<Option<tuning::Table>>,
    pub(super) faults: Arc<Faults>,
    pub(super) counts: Counts,
}

/// Smallest subgroups that are made use of.
pub(crate) const LEAST_SUBGROUP: u32 = 4;

impl Context {
    /// The best hardware adapter, or `None`. An adapter that cannot be opened counts as none, with a
    /// warning: the CPU then takes its place.
    pub(crate) fn open_best(options: Options) -> Option<Arc<Self>> {
        let (_instance, adapters) = adapter::enumerate();
        let best = adapter::best(&adapters)?;
        match Self::from_adapter(&adapters[best], options) {
            Ok(context) => Some(context),
            Err(error) => {
                tracing::warn!("the GPU {} cannot be used: {error}", adapters[best].get_info().name);
                None
            }
        }
    }

    /// Opens the adapter that a selector names, written as [`Selector`] reads it.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for what is no selector; [`Error::NoAdapter`]; [`Error::Gpu`] where the driver refuses.
    pub fn open(selector: &str) -> Result<Arc<Self>> {
        Self::open_with(selector, Options::default())
    }

    /// Opens the adapter that a selector names, with options.
    ///
    /// ```no_run
    /// use attractor::{Device, gpu::{Context, Options}};
    /// let options = Options { checked: true, ..Options::default() };
    /// let device = Device::Gpu(Context::open_with("software", options)?);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Context::open`].
    pub fn open_with(selector: &str, options: Options) -> Result<Arc<Self>> {
        Self::open_selected(&selector.parse()?, options)
    }

    /// Opens the adapter that a selector names, with options.
    pub(crate) fn open_selected(selector: &Selector, options: Options) -> Result<Arc<Self>> {
        let (_instance, adapters) = adapter::enumerate();
        Self::from_adapter(&adapters[adapter::select(&adapters, selector)?], options)
    }

    fn from_adapter(adapter: &wgpu::Adapter, options: Options) -> Result<Arc<Self>> {
        let info = adapter.get_info();
        // Everything the adapter has for buffers and compute; WebGPU's defaults would cap a
        // binding at 128 MiB.
        let limits = if options.least { Limits::defaults() } else { adapter.limits() };
        let offered = adapter.features();
        let has = |feature| !options.plain && !options.least && offered.contains(feature);
        let extras = Extras {
            immediates: has(Features::IMMEDIATES) && u64::from(limits.max_immediate_size) >= PARAMETER_BYTES,
            // The subgroups of a workgroup are gone through one by one: smaller ones are no help.
            subgroups: has(Features::SUBGROUP) && info.subgroup_min_size >= LEAST_SUBGROUP,
            // Vulkan promises full subgroups to nobody, but software has no reason to leave lanes empty.
            octets: has(Features::SUBGROUP)
                && info.device_type == DeviceType::Cpu
                && (info.subgroup_min_size, info.subgroup_max_size) == (8, 8),
            native_f16: has(Features::SHADER_F16),
        };
        let mut features = Features::empty();
        features.set(Features::IMMEDIATES, extras.immediates);
        features.set(Features::SUBGROUP, extras.subgroups);
        features.set(Features::SHADER_F16, extras.native_f16);
        let request = adapter.request_device(&DeviceDescriptor {
            label: Some("attractor"),
            required_features: features,
            required_limits: limits.clone(),
            experimental_features: ExperimentalFeatures::disabled(),
            memory_hints: MemoryHints::Performance,
            trace: wgpu::Trace::Off,
        });
        let (device, queue) = pollster::block_on(request)
            .map_err(|e| Error::Gpu { what: format!("opening {}", info.name), message: e.to_string() })?;
        tracing::debug!("opened the GPU {} ({}), {extras:?}", info.name, info.driver_info);
        let faults = Faults::watch(&device, options.patience);
        let alignment = limits.min_uniform_buffer_offset_alignment;
        Ok(Arc::new(Self {
            device,
            queue,
            driver: format!("{} {} {}", info.backend, info.driver, info.driver_info),
            info,
            extras,
            options,
            limits,
            recorder: Mutex::new(Recorder::new(alignment, extras.immediates)),
            pool: Mutex::default(),
            staging: Mutex::default(),
            pipelines: Mutex::default(),
            tuning: Mutex::default(),
            faults,
            counts: Counts::default(),
        }))
    }

    /// Opens the same adapter anew, with the same options: a device of its own, with nothing on it. Where this one has
    /// been lost, that is how to go on.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] where it is there no more, [`Error::Gpu`] where the driver refuses.
    pub fn reopen(&self) -> Result<Arc<Self>> {
        let (_instance, adapters) = adapter::enumerate();
        match adapters.iter().find(|adapter| adapter.get_info() == self.info) {
            Some(adapter) => Self::from_adapter(adapter, self.options),
            None => Err(Error::NoAdapter {
                selector: self.info.name.clone(),
                found: "it is there no more; see `attractor devices`".to_owned(),
            }),
        }
    }

    /// The adapter's name.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// Whether the adapter is a software one.
    pub fn is_software(&self) -> bool {
        self.info.device_type == DeviceType::Cpu
    }

    /// Back end, driver and its version.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// What timing has found to be the fastest way for a class of jobs, where it has been timed.
    pub(crate) fn timed(&self, class: tuning::Class) -> Option<Strategy> {
        self.tuning.lock().get_or_insert_with(|| tuning::Table::load(self)).get(class)
    }

    /// Notes what timing has found.
    pub(crate) fn learn(&self, class: tuning::Class, winner: Strategy) {
        self.tuning.lock().get_or_insert_with(|| tuning::Table::load(self)).insert(class, winner);
    }

    /// Bytes that the patterns of a memory may take on the device.
    pub(crate) fn memory_budget(&self) -> u64 {
        self.options.memory_budget.unwrap_or(u64::MAX)
    }

    /// The features beyond WebGPU's core that are in use.
    pub fn extras(&self) -> Extras {
        self.extras
    }

    /// Invocations of the smallest and of the largest subgroup, whether or not kernels make use of them.
    ///
    /// ```no_run
    /// let (least, most) = attractor::gpu::Context::open("software")?.subgroup();
    /// assert!(least <= most);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn subgroup(&self) -> (u32, u32) {
        (self.info.subgroup_min_size, self.info.subgroup_max_size)
    }

    /// Bytes of workgroup memory that a kernel may have.
    pub fn workgroup_memory(&self) -> u32 {
        self.limits.max_compute_workgroup_storage_size
    }

    /// The way that was asked for at opening.
    pub(crate) fn strategy(&self) -> Option<Strategy> {
        self.options.strategy
    }

    /// Names of the kernels that have been compiled so far, in order of the alphabet; see `shaders/permutations`.
    ///
    /// ```no_run
    /// let context = attractor::gpu::Context::open("software")?;
    /// println!("{} of {}: {:?}", context.driver(), context.name(), context.compiled());
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn compiled(&self) -> Vec<String> {
        let mut names: Vec<String> = self.pipelines.lock().keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// What the device has done so far, and holds.
    pub fn counters(&self) -> Counters {
        let read = |c: &AtomicU64| c.load(Ordering::Relaxed);
        Counters {
            submissions: read(&self.counts.submissions),
            readbacks: read(&self.counts.readbacks),
            dispatches: read(&self.counts.dispatches),
            bind_groups: read(&self.counts.bind_groups),
            pipelines: read(&self.counts.pipelines),
            buffers: read(&self.counts.buffers),
            allocations: read(&self.counts.allocations),
            pool_bytes: self.pool.lock().bytes(),
        }
    }

    /// Bytes of the largest storage binding.
    pub(crate) fn binding_limit(&self) -> u64 {
        let device = self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size);
        // Whole steps of the allocator, so that rounding a size up never passes the limit.
        self.options.binding_limit.unwrap_or(device).min(device) / 256 * 256
    }

    /// The kind of kernels that this device uses.
    pub fn kernels(&self) -> Kernels {
        if self.tiled() { Kernels::Tiled } else { Kernels::Direct }
    }

    /// Whether kernels staged through workgroup memory are to be used.
    pub(crate) fn tiled(&self) -> bool {
        match self.options.kernels {
            Kernels::Auto => !self.is_software(),
            Kernels::Direct => false,
            Kernels::Tiled => true,
        }
    }

    /// Invocations that fill the device.
    pub(crate) fn breadth(&self) -> usize {
        if self.is_software() { 256 } else { 16_384 }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "gpu::Context({})", self.name())
    }
}
