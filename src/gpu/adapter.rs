//! Which adapters there are, and which one is taken.

use crate::{Error, Result};
use wgpu::{Adapter, Backends, DeviceType, Features, Instance, InstanceDescriptor, MemoryBudgetThresholds};

/// What is known of one adapter.
#[derive(Clone, Debug)]
pub struct AdapterReport {
    /// Number for `gpu:N`.
    pub index: usize,
    /// The adapter's name.
    pub name: String,
    /// `vulkan`, `metal` or `dx12`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: &'static str,
    /// Driver name and version.
    pub driver: String,
    /// Bytes of the largest buffer.
    pub max_buffer: u64,
    /// Bytes of the largest storage binding: the size of a shard of patterns.
    pub max_binding: u64,
    /// Bytes of workgroup memory.
    pub workgroup_memory: u32,
    /// Smallest and largest subgroup.
    pub subgroup: (u32, u32),
    /// Optional features that this library makes use of, and whether the adapter has them.
    pub features: Vec<(&'static str, bool)>,
    /// Whether `Device::best()` would take it.
    pub chosen: bool,
    /// Why, or why not.
    pub reason: String,
}

/// Adapters with their driver instance.
pub(crate) fn enumerate() -> (Instance, Vec<Adapter>) {
    let backends = Backends::VULKAN | Backends::METAL | Backends::DX12;
    // Drivers let memory that they do not have lie on the host, and everything crawls; a refusal at nine tenths of what the
    // system has for this process lets patterns stream from there instead. Only where the driver reports it (DX12, Vulkan
    // with VK_EXT_memory_budget). No device is given up for its load: that would lose what is on it.
    let memory_budget_thresholds =
        MemoryBudgetThresholds { for_resource_creation: Some(90), for_device_loss: None };
    let descriptor = InstanceDescriptor::new_without_display_handle();
    // WGPU_VALIDATION=1 and the like ask the driver's own checks to report what they see.
    let flags = descriptor.flags.with_env();
    let instance =
        Instance::new(InstanceDescriptor { backends, flags, memory_budget_thresholds, ..descriptor });
    let adapters = pollster::block_on(instance.enumerate_adapters(backends));
    (instance, adapters)
}

/// Rank of a kind of hardware; `None` for software, which is only taken when named.
fn rank(kind: DeviceType) -> Option<u32> {
    match kind {
        DeviceType::DiscreteGpu => Some(4),
        DeviceType::IntegratedGpu => Some(3),
        DeviceType::VirtualGpu => Some(2),
        DeviceType::Other => Some(1),
        DeviceType::Cpu => None,
    }
}

/// Number of the adapter that `Device::best()` takes.
pub(crate) fn best(adapters: &[Adapter]) -> Option<usize> {
    let ranked = adapters.iter().enumerate().filter_map(|(i, a)| Some((rank(a.get_info().device_type)?, i)));
    // The highest rank; among equals the first.
    ranked.max_by_key(|(rank, i)| (*rank, std::cmp::Reverse(*i))).map(|(_, i)| i)
}

/// Number of the adapter that a selector names; see [`crate::Device::gpu`].
pub(crate) fn select(adapters: &[Adapter], selector: &str) -> Result<usize> {
    let wanted = selector.to_lowercase();
    let found = match (wanted.as_str(), wanted.parse::<usize>()) {
        ("", _) => best(adapters),
        ("software", _) => adapters.iter().position(|a| a.get_info().device_type == DeviceType::Cpu),
        (_, Ok(index)) if index < adapters.len() => Some(index),
        (name, _) => adapters.iter().position(|a| a.get_info().name.to_lowercase().contains(name)),
    };
    found.ok_or_else(|| {
        let names: Vec<String> =
            adapters.iter().enumerate().map(|(i, a)| format!("{i}: {}", a.get_info().name)).collect();
        let software =
            !adapters.is_empty() && adapters.iter().all(|a| rank(a.get_info().device_type).is_none());
        let found = if software && selector.is_empty() {
            format!("only software adapters ({}); name one as 'software', or use the CPU", names.join(", "))
        } else if names.is_empty() {
            "no adapter at all; install a Vulkan driver (Debian, Ubuntu: mesa-vulkan-drivers), or use the CPU"
                .to_owned()
        } else {
            format!("there are {}; see `attractor devices`", names.join(", "))
        };
        Error::NoAdapter { selector: if selector.is_empty() { "gpu".into() } else { selector.into() }, found }
    })
}

/// Every adapter of this machine, in the order of `gpu:N`.
///
/// ```
/// for adapter in attractor::gpu::adapters() {
///     println!("{}: {} ({})", adapter.index, adapter.name, adapter.reason);
/// }
/// ```
pub fn adapters() -> Vec<AdapterReport> {
    let (_instance, adapters) = enumerate();
    let best = best(&adapters);
    adapters.iter().enumerate().map(|(index, adapter)| report(index, adapter, best)).collect()
}

fn report(index: usize, adapter: &Adapter, best: Option<usize>) -> AdapterReport {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let chosen = best == Some(index);
    let kind = match info.device_type {
        DeviceType::DiscreteGpu => "discrete",
        DeviceType::IntegratedGpu => "integrated",
        DeviceType::VirtualGpu => "virtual",
        DeviceType::Cpu => "software",
        DeviceType::Other => "other",
    };
    let reason = match (chosen, info.device_type) {
        (true, _) => format!("chosen: the first {kind} GPU"),
        (false, DeviceType::Cpu) => {
            "not chosen: software, taken only when named (--device software); the CPU back end is faster"
                .into()
        }
        (false, _) => {
            "not chosen: another adapter ranks higher (discrete, integrated, virtual, other)".into()
        }
    };
    AdapterReport {
        index,
        name: info.name,
        backend: info.backend.to_string(),
        kind,
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        max_buffer: limits.max_buffer_size,
        max_binding: limits.max_storage_buffer_binding_size,
        workgroup_memory: limits.max_compute_workgroup_storage_size,
        subgroup: (info.subgroup_min_size, info.subgroup_max_size),
        features: vec![
            ("timestamps", features.contains(Features::TIMESTAMP_QUERY)),
            ("pipeline cache", features.contains(Features::PIPELINE_CACHE)),
            ("subgroups", features.contains(Features::SUBGROUP)),
            ("native f16", features.contains(Features::SHADER_F16)),
        ],
        chosen,
        reason,
    }
}
