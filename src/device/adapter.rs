//! Which adapters there are, and which one is taken.

use crate::{Error, Result};
use std::{fmt, str::FromStr};
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

/// Which adapter is meant. As text: nothing, `software`, a number, or part of a name.
///
/// ```
/// use attractor::gpu::Selector;
/// assert_eq!("".parse::<Selector>()?, Selector::Best);
/// assert_eq!("1".parse::<Selector>()?, Selector::Number(1));
/// assert_eq!("RTX 4090".parse::<Selector>()?, Selector::Name("RTX 4090".to_owned()));
/// // Without a letter it is a number, and this is none that an adapter can have.
/// assert!("-1".parse::<Selector>().is_err());
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The best hardware adapter.
    Best,
    /// The first software adapter.
    Software,
    /// The adapter of this number in [`adapters`].
    Number(usize),
    /// The first adapter whose name contains this, in upper or lower case.
    Name(String),
}

impl FromStr for Selector {
    type Err = Error;

    /// # Errors
    /// [`Error::InvalidParameter`] for what has no letter and is no whole number from 0.
    fn from_str(text: &str) -> Result<Self> {
        let trimmed = text.trim();
        if text.is_empty() {
            Ok(Self::Best)
        } else if trimmed.eq_ignore_ascii_case("software") {
            Ok(Self::Software)
        } else if trimmed.contains(char::is_alphabetic) {
            Ok(Self::Name(trimmed.to_owned()))
        } else {
            let digits = !trimmed.is_empty() && trimmed.bytes().all(|b| b.is_ascii_digit());
            let number = if digits { trimmed.parse().ok() } else { None };
            let want = "the number of an adapter, from 0, or part of its name with a letter in it; see `attractor devices`";
            number.map(Self::Number).ok_or_else(|| Error::parameter("GPU", text, want))
        }
    }
}

impl fmt::Display for Selector {
    /// As it is written behind `--device`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best => f.write_str("gpu"),
            Self::Software => f.write_str("software"),
            Self::Number(number) => write!(f, "gpu:{number}"),
            Self::Name(name) => write!(f, "gpu:{name}"),
        }
    }
}

/// Number of the adapter that a selector names.
pub(crate) fn select(adapters: &[Adapter], selector: &Selector) -> Result<usize> {
    let kinds: Vec<(String, DeviceType)> =
        adapters.iter().map(|adapter| adapter.get_info()).map(|info| (info.name, info.device_type)).collect();
    let found = match selector {
        Selector::Best => best(adapters),
        Selector::Software => kinds.iter().position(|(_, kind)| *kind == DeviceType::Cpu),
        Selector::Number(number) => Some(*number).filter(|number| *number < adapters.len()),
        Selector::Name(name) => {
            let wanted = name.to_lowercase();
            kinds.iter().position(|(name, _)| name.to_lowercase().contains(&wanted))
        }
    };
    found.ok_or_else(|| Error::NoAdapter {
        selector: selector.to_string(),
        found: what_there_is(&kinds, selector),
    })
}

/// What there is in place of what was asked for.
fn what_there_is(kinds: &[(String, DeviceType)], selector: &Selector) -> String {
    let names: Vec<String> = kinds.iter().enumerate().map(|(i, (name, _))| format!("{i}: {name}")).collect();
    let names = names.join(", ");
    match selector {
        _ if kinds.is_empty() => {
            "no adapter at all; install a Vulkan driver (Debian, Ubuntu: mesa-vulkan-drivers), or use the CPU"
                .to_owned()
        }
        Selector::Best if kinds.iter().all(|(_, kind)| rank(*kind).is_none()) => {
            format!("only software adapters ({names}); name one as 'software', or use the CPU")
        }
        Selector::Number(_) => format!(
            "there are {names}; numbers go from 0 to {}, and a name needs a letter to be one",
            kinds.len() - 1
        ),
        _ => format!("there are {names}; see `attractor devices`"),
    }
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_letter_is_a_number_and_never_part_of_a_name() {
        for (text, want) in [("0", 0), ("007", 7), (" 3 ", 3), ("15", 15)] {
            assert_eq!(text.parse::<Selector>().unwrap(), Selector::Number(want), "{text}");
        }
        for text in ["-1", "+1", "1.5", "1 2", " ", "#", "0,1", "99999999999999999999999"] {
            let error = text.parse::<Selector>().unwrap_err().to_string();
            assert!(error.contains("number of an adapter") && error.contains("devices"), "{text}: {error}");
        }
        assert_eq!("Software".parse::<Selector>().unwrap(), Selector::Software);
        assert_eq!("LLVM 15".parse::<Selector>().unwrap(), Selector::Name("LLVM 15".into()));
    }

    #[test]
    fn a_number_beyond_the_last_names_what_there_is() {
        let kinds =
            [("card 15".to_owned(), DeviceType::DiscreteGpu), ("llvmpipe".to_owned(), DeviceType::Cpu)];
        let text = what_there_is(&kinds, &Selector::Number(15));
        assert!(text.contains("0: card 15, 1: llvmpipe") && text.contains("from 0 to 1"), "{text}");
        let text = what_there_is(&kinds[1..], &Selector::Best);
        assert!(text.contains("only software adapters (0: llvmpipe)"), "{text}");
        assert!(what_there_is(&[], &Selector::Number(0)).contains("no adapter at all"));
    }
}
