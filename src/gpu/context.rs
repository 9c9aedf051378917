//! An opened adapter: its memory, its kernels, its queue.

use super::{
    adapter,
    buffer::{Buffer, Pool, size_class},
    pipeline::{PARAMETER_BYTES, Pipeline},
    record::{Dispatch, Recorder},
    shader::Extras,
    tune,
};
use crate::{Error, Result};
use std::{
    collections::HashMap,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};
use wgpu::{
    BufferDescriptor, BufferUsages, DeviceDescriptor, DeviceType, ErrorFilter, ExperimentalFeatures,
    Features, Limits, MapMode, MemoryHints, PollError, PollType, SubmissionIndex,
};

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
/// default is by the kind of adapter and the shape, or what timing has found (see [`super::tune`]).
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
    /// Kernels compiled.
    pub pipelines: u64,
    /// Buffers that exist now, in use or waiting in the pool.
    pub buffers: u64,
}

#[derive(Default)]
struct Counts {
    submissions: AtomicU64,
    readbacks: AtomicU64,
    dispatches: AtomicU64,
    pipelines: AtomicU64,
    buffers: AtomicU64,
}

/// Faults that the driver reports from outside of a call.
#[derive(Default)]
struct Faults {
    lost: Mutex<Option<String>>,
    uncaptured: Mutex<Option<String>>,
}

/// An opened adapter. Everything that a memory does on a GPU goes through one; several threads may
/// share it.
pub struct Context {
    device: wgpu::Device,
    queue: wgpu::Queue,
    name: String,
    software: bool,
    driver: String,
    subgroup: (u32, u32),
    extras: Extras,
    options: Options,
    limits: Limits,
    recorder: Mutex<Recorder>,
    pool: Mutex<Pool>,
    /// The readback buffer of last time.
    staging: Mutex<Option<wgpu::Buffer>>,
    pipelines: Mutex<HashMap<String, Arc<Pipeline>>>,
    /// What timing has found; read from the cache folder at first use.
    tuning: Mutex<Option<tune::Table>>,
    faults: Arc<Faults>,
    counts: Counts,
}

/// Longest wait for one submission.
const PATIENCE: Duration = Duration::from_secs(600);
/// Submissions that may be under way before the host waits for the oldest.
const IN_FLIGHT: usize = 3;
/// Dispatches of one submission: bounds the memory of a recording of very many steps.
const MOST_DISPATCHES: usize = 4096;
/// Host writes that may be pending before they are flushed.
const PENDING_WRITES: u64 = 64 << 20;

/// Smallest subgroups that are made use of.
pub(super) const LEAST_SUBGROUP: u32 = 4;

/// Cuts sizes into runs that are together no more than `most`; one that is larger is a run of its own.
fn rounds(sizes: &[u64], most: u64) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (i, size) in sizes.iter().enumerate() {
        if i > start && sum + size > most {
            all.push(start..i);
            (start, sum) = (i, 0);
        }
        sum += size;
    }
    if start < sizes.len() {
        all.push(start..sizes.len());
    }
    all
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked while it held the lock left plain data behind; it stays usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

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

    /// Opens the adapter that a selector names; see [`crate::Device::gpu`].
    ///
    /// # Errors
    /// [`Error::NoAdapter`]; [`Error::Gpu`] where the driver refuses.
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
    /// [`Error::NoAdapter`]; [`Error::Gpu`] where the driver refuses.
    pub fn open_with(selector: &str, options: Options) -> Result<Arc<Self>> {
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
        let software = info.device_type == DeviceType::Cpu;
        let extras = Extras {
            immediates: has(Features::IMMEDIATES) && u64::from(limits.max_immediate_size) >= PARAMETER_BYTES,
            // The subgroups of a workgroup are gone through one by one: smaller ones are no help.
            subgroups: has(Features::SUBGROUP) && info.subgroup_min_size >= LEAST_SUBGROUP,
            // Vulkan promises full subgroups to nobody, but software has no reason to leave lanes empty.
            octets: has(Features::SUBGROUP)
                && software
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
        let faults = Arc::new(Faults::default());
        let seen = Arc::clone(&faults);
        device.set_device_lost_callback(move |reason, message| {
            *lock(&seen.lost) = Some(format!("{reason:?} {message}").trim().to_owned());
        });
        let seen = Arc::clone(&faults);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&seen.uncaptured).get_or_insert(error.to_string());
        }));
        let alignment = limits.min_uniform_buffer_offset_alignment;
        Ok(Arc::new(Self {
            device,
            queue,
            name: info.name,
            software,
            driver: format!("{} {} {}", info.backend, info.driver, info.driver_info),
            subgroup: (info.subgroup_min_size, info.subgroup_max_size),
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

    /// The adapter's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the adapter is a software one.
    pub fn is_software(&self) -> bool {
        self.software
    }

    /// Back end, driver and its version.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// The fastest way for a class of jobs, where it has been timed; on hardware it is timed now where it has
    /// not. `None` says to go by rule.
    pub(crate) fn tuned(self: &Arc<Self>, class: tune::Class) -> Option<Strategy> {
        let by_rule = self.options.kernels != Kernels::Auto || self.options.strategy.is_some();
        if self.options.deterministic || by_rule {
            return None;
        }
        let load = || tune::Table::load(self);
        if let Some(known) = lock(&self.tuning).get_or_insert_with(load).get(class) {
            return Some(known);
        }
        if self.software || std::env::var_os("ATTRACTOR_TUNE").is_some_and(|v| v == "off") {
            return None;
        }
        // Not held meanwhile: another thread that needs the same goes by rule, or times it too.
        match tune::tune(self, class) {
            Ok(tuning) => Some(tuning.winner),
            Err(error) => {
                tracing::warn!("no timing for {class}: {error}");
                None
            }
        }
    }

    /// Notes what timing has found.
    pub(super) fn learn(self: &Arc<Self>, class: tune::Class, winner: Strategy) {
        lock(&self.tuning).get_or_insert_with(|| tune::Table::load(self)).insert(class, winner);
    }

    /// Sends what is recorded. Waits only where much is under way already.
    pub(crate) fn flush(&self) -> Result<()> {
        self.submit(lock(&self.recorder)).map(drop)
    }

    /// Bytes that the patterns of a memory may take on the device.
    pub(crate) fn memory_budget(&self) -> u64 {
        self.options.memory_budget.unwrap_or(u64::MAX)
    }

    /// Sends what is recorded and waits for its end.
    pub(crate) fn finish(&self) -> Result<()> {
        match self.submit(lock(&self.recorder))? {
            Some(index) => self.wait("recorded work", index),
            None => Ok(()),
        }
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
        self.subgroup
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
        let mut names: Vec<String> = lock(&self.pipelines).keys().cloned().collect();
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
            pipelines: read(&self.counts.pipelines),
            buffers: read(&self.counts.buffers),
        }
    }

    /// Whether the device has been lost.
    pub fn is_lost(&self) -> bool {
        lock(&self.faults.lost).is_some()
    }

    /// Ends the device as a driver reset would, to try what follows.
    pub fn destroy(&self) {
        self.device.destroy();
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
            Kernels::Auto => !self.software,
            Kernels::Direct => false,
            Kernels::Tiled => true,
        }
    }

    /// Invocations that fill the device.
    pub(crate) fn breadth(&self) -> usize {
        if self.software { 256 } else { 16_384 }
    }

    /// Surfaces faults that were reported since the last look.
    fn check(&self, what: &str) -> Result<()> {
        let uncaptured = lock(&self.faults.uncaptured).take();
        if uncaptured.is_some() {
            // A lost device first shows as a refused command; word of the loss comes with a poll.
            let _ = self.device.poll(PollType::Poll);
        }
        if let Some(reason) = lock(&self.faults.lost).as_ref() {
            return Err(Error::DeviceLost { adapter: self.name.clone(), reason: reason.clone() });
        }
        match uncaptured {
            Some(message) => Err(Error::Gpu { what: what.to_owned(), message }),
            None => Ok(()),
        }
    }

    // ---- memory ---------------------------------------------------------------------------

    /// A storage buffer for results of kernels. Its content is not defined.
    pub(crate) fn storage(self: &Arc<Self>, what: &str, bytes: u64) -> Result<Buffer> {
        self.allocate(what, bytes, None)
    }

    /// A storage buffer that the host will write to: one that no recorded command still names, since
    /// such writes go ahead of the recording.
    pub(crate) fn storage_for_host(self: &Arc<Self>, what: &str, bytes: u64) -> Result<Buffer> {
        let epoch = lock(&self.recorder).epoch();
        self.allocate(what, bytes, Some(epoch))
    }

    /// A storage buffer with this content.
    pub(crate) fn upload(self: &Arc<Self>, what: &str, bytes: &[u8]) -> Result<Buffer> {
        let buffer = self.storage_for_host(what, bytes.len() as u64)?;
        self.write(&buffer, 0, bytes)?;
        Ok(buffer)
    }

    fn allocate(self: &Arc<Self>, what: &str, bytes: u64, before: Option<u64>) -> Result<Buffer> {
        let limit = self.binding_limit();
        if bytes > limit {
            return Err(Error::TooLarge { what: what.to_owned(), needed: bytes, limit });
        }
        let class = size_class(bytes);
        if let Some(raw) = lock(&self.pool).take(class, before) {
            return Ok(Buffer::new(raw, bytes, self));
        }
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let raw = match self.create(what, class, usage) {
            Err(Error::OutOfMemory { .. }) => {
                // What lies in the pool may be all that is missing.
                let freed = lock(&self.pool).clear();
                lock(&self.recorder).forget_groups();
                self.counts.buffers.fetch_sub(freed, Ordering::Relaxed);
                let _ = self.device.poll(PollType::Poll);
                self.create(what, class, usage)?
            }
            made => made?,
        };
        Ok(Buffer::new(raw, bytes, self))
    }

    fn create(&self, what: &str, bytes: u64, usage: BufferUsages) -> Result<wgpu::Buffer> {
        let memory = self.device.push_error_scope(ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(ErrorFilter::Validation);
        let raw = self.device.create_buffer(&BufferDescriptor {
            label: Some(what),
            size: bytes,
            usage,
            mapped_at_creation: false,
        });
        let invalid = pollster::block_on(validation.pop());
        if pollster::block_on(memory.pop()).is_some() {
            return Err(Error::OutOfMemory { what: what.to_owned(), needed: bytes });
        }
        if let Some(error) = invalid {
            self.check(what)?;
            return Err(Error::Gpu { what: format!("a buffer for {what}"), message: error.to_string() });
        }
        self.counts.buffers.fetch_add(1, Ordering::Relaxed);
        Ok(raw)
    }

    /// Writes from the host, ahead of everything that is recorded but not yet submitted: the target
    /// must not be read by that.
    pub(crate) fn write(&self, buffer: &Buffer, offset: u64, bytes: &[u8]) -> Result<()> {
        self.queue.write_buffer(buffer.raw(), offset, bytes);
        let pending = lock(&self.recorder).wrote(bytes.len() as u64);
        if pending > PENDING_WRITES {
            self.queue.submit(None);
            lock(&self.recorder).flushed_writes();
            let _ = self.device.poll(PollType::Poll);
        }
        self.check("a write to the device")
    }

    pub(super) fn recycle(&self, raw: wgpu::Buffer) {
        let epoch = lock(&self.recorder).epoch();
        let evicted = lock(&self.pool).put(raw, epoch);
        if evicted > 0 {
            lock(&self.recorder).forget_groups();
            self.counts.buffers.fetch_sub(evicted, Ordering::Relaxed);
        }
    }

    // ---- kernels --------------------------------------------------------------------------

    fn pipeline(&self, name: &str) -> Result<Arc<Pipeline>> {
        if let Some(pipeline) = lock(&self.pipelines).get(name) {
            return Ok(Arc::clone(pipeline));
        }
        let scope = self.device.push_error_scope(ErrorFilter::Validation);
        let made =
            Pipeline::new(&self.device, name, self.options.checked, self.extras, self.workgroup_memory());
        let fault = pollster::block_on(scope.pop());
        let pipeline = Arc::new(made?);
        if let Some(error) = fault {
            return Err(Error::Gpu { what: format!("kernel {name}"), message: error.to_string() });
        }
        self.counts.pipelines.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::clone(lock(&self.pipelines).entry(name.to_owned()).or_insert(pipeline)))
    }

    /// Records a kernel's start. Kernels run in the order of their recording.
    pub(crate) fn dispatch(&self, dispatch: &Dispatch<'_>) -> Result<()> {
        let pipeline = self.pipeline(dispatch.kernel)?;
        let mut recorder = lock(&self.recorder);
        recorder.dispatch(&self.device, &pipeline, dispatch)?;
        self.counts.dispatches.fetch_add(1, Ordering::Relaxed);
        // A software adapter has no watchdog, and no one looks at its screen meanwhile.
        let budget = if self.software { 200e9 } else { 50e9 };
        if recorder.work() > budget || recorder.dispatches() >= MOST_DISPATCHES {
            self.submit(recorder)?;
        }
        Ok(())
    }

    /// Sends what is recorded.
    fn submit(&self, mut recorder: MutexGuard<'_, Recorder>) -> Result<Option<SubmissionIndex>> {
        let Some(commands) = recorder.finish(&self.queue) else { return Ok(None) };
        let index = self.queue.submit([commands]);
        self.counts.submissions.fetch_add(1, Ordering::Relaxed);
        let oldest = recorder.sent(index.clone(), IN_FLIGHT);
        drop(recorder);
        if let Some(oldest) = oldest {
            self.wait("earlier work", oldest)?;
        } else {
            let _ = self.device.poll(PollType::Poll);
        }
        self.check("a submission")?;
        Ok(Some(index))
    }

    fn wait(&self, what: &'static str, index: SubmissionIndex) -> Result<()> {
        let wait = PollType::Wait { submission_index: Some(index), timeout: Some(PATIENCE) };
        match self.device.poll(wait) {
            Ok(_) => Ok(()),
            Err(PollError::Timeout) => Err(Error::Timeout { what, seconds: PATIENCE.as_secs() }),
            Err(error) => {
                self.check(what)?;
                Err(Error::Gpu { what: what.to_owned(), message: error.to_string() })
            }
        }
    }

    /// Records a copy of some bytes from a place in one buffer to a place in another.
    pub(crate) fn copy(&self, from: (&Buffer, u64), to: (&Buffer, u64), bytes: u64) {
        lock(&self.recorder).copy(&self.device, (from.0.raw(), from.1), (to.0.raw(), to.1), bytes);
    }

    /// Brings buffers to the host: one submission with everything recorded, one wait. What is more than a buffer
    /// may hold comes in several rounds.
    pub(crate) fn read(self: &Arc<Self>, buffers: &[&Buffer]) -> Result<Vec<Vec<u8>>> {
        let bytes: Vec<u64> = buffers.iter().map(|b| b.bytes().next_multiple_of(4)).collect();
        let mut out = Vec::with_capacity(buffers.len());
        for round in rounds(&bytes, self.limits.max_buffer_size / 256 * 256) {
            out.extend(self.read_round(&buffers[round.clone()], bytes[round].iter().sum())?);
        }
        Ok(out)
    }

    fn read_round(&self, buffers: &[&Buffer], total: u64) -> Result<Vec<Vec<u8>>> {
        if total == 0 {
            return Ok(vec![Vec::new(); buffers.len()]);
        }
        let staging = self.staging(total)?;
        let result = self.read_through(&staging, total, buffers);
        if result.is_ok() {
            staging.unmap();
            let before = lock(&self.staging).replace(staging);
            self.counts.buffers.fetch_sub(u64::from(before.is_some()), Ordering::Relaxed);
        } else {
            staging.destroy();
            self.counts.buffers.fetch_sub(1, Ordering::Relaxed);
        }
        result
    }

    /// A buffer to read back through: that of last time where it is large enough.
    fn staging(&self, bytes: u64) -> Result<wgpu::Buffer> {
        match lock(&self.staging).take() {
            Some(kept) if kept.size() >= bytes && kept.size() <= 16 * bytes.max(1 << 16) => return Ok(kept),
            Some(_) => drop(self.counts.buffers.fetch_sub(1, Ordering::Relaxed)),
            None => {}
        }
        self.create("readback", size_class(bytes), BufferUsages::MAP_READ | BufferUsages::COPY_DST)
    }

    fn read_through(&self, staging: &wgpu::Buffer, total: u64, buffers: &[&Buffer]) -> Result<Vec<Vec<u8>>> {
        let mut recorder = lock(&self.recorder);
        let mut offset = 0;
        for buffer in buffers {
            let bytes = buffer.bytes().next_multiple_of(4);
            recorder.copy(&self.device, (buffer.raw(), 0), (staging, offset), bytes);
            offset += bytes;
        }
        let index = self.submit(recorder)?;
        let (tell, told) = mpsc::channel();
        staging.map_async(MapMode::Read, 0..total, move |result| drop(tell.send(result)));
        if let Some(index) = index {
            self.wait("a readback", index)?;
        }
        self.counts.readbacks.fetch_add(1, Ordering::Relaxed);
        self.check("a readback")?;
        // Another thread's poll may have picked the callback up and be about to call it.
        match told.recv_timeout(PATIENCE) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                return Err(Error::Gpu { what: "a readback".into(), message: error.to_string() });
            }
            Err(_) => return Err(Error::Timeout { what: "a readback", seconds: PATIENCE.as_secs() }),
        }
        let view = staging
            .get_mapped_range(0..total)
            .map_err(|e| Error::Gpu { what: "a readback".into(), message: e.to_string() })?;
        let mut out = Vec::with_capacity(buffers.len());
        let mut offset = 0;
        for buffer in buffers {
            out.push(view[offset..offset + buffer.bytes() as usize].to_vec());
            offset += buffer.bytes().next_multiple_of(4) as usize;
        }
        Ok(out)
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "gpu::Context({})", self.name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_wants_too_much_memory_is_refused() {
        let Ok(context) = Context::open_with("software", Options { least: true, ..Options::default() })
        else {
            return;
        };
        assert!(context.pipeline("matmul.nn.medium").is_ok());
        let error = context.pipeline("matmul.nn.large").err().unwrap();
        let message = "kernel matmul.nn.large: it wants 16896 bytes of workgroup memory, the limit of this device is 16384";
        assert!(error.to_string().ends_with(message), "{error}");
        assert_eq!(context.compiled(), ["matmul.nn.medium"]);
    }

    #[test]
    fn rounds_hold_no_more_than_a_buffer() {
        assert!(rounds(&[], 8).is_empty());
        assert_eq!(rounds(&[4, 4, 4], 8), [0..2, 2..3]);
        assert_eq!(rounds(&[4, 0, 4, 1], 8), [0..3, 3..4]);
        assert_eq!(rounds(&[9, 1, 7, 1], 8), [0..1, 1..3, 3..4]);
    }
}
