//! Where computation happens: the CPU, or one GPU adapter; adapters, their memory, compiled kernels, and work that is recorded and sent.

mod adapter;
mod allocate;
mod buffer;
mod context;
mod faults;
mod matrix;
mod pipeline;
mod recent;
mod record;
pub mod shader;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod sharing;
mod submit;
pub(crate) mod tuning;

pub use adapter::{AdapterReport, Selector, adapters};
pub(crate) use buffer::Buffer;
pub(crate) use context::LEAST_SUBGROUP;
pub use context::{Context, Counters, Kernels, Options, Strategy};
pub(crate) use matrix::{Matrix, unpadded};
pub(crate) use record::{Dispatch, Parameters};

use crate::{Error, Precision, Result};
use parking_lot::Mutex;
use std::{fmt, str::FromStr, sync::Arc};

/// Most loop trips of one invocation. Mesa's software driver silently ends all loops of an
/// invocation after 65,535 trips together, so no kernel is started with more than half of that.
pub(crate) const MAX_TRIPS: usize = 32_768;

/// Most columns of patterns and queries: a score takes a loop trip for each four of them.
pub(crate) const MAX_COLUMNS: usize = 4 * MAX_TRIPS;

/// Columns of a GPU row: padded with zeros to whole `vec4`s, so that every kernel loads 16 bytes at a
/// time and needs no special case for the last columns.
pub(crate) fn padded(columns: usize) -> usize {
    columns.next_multiple_of(4)
}

/// Columns of a stored row of patterns: like `padded`, but whole 16-byte loads also where a value takes two
/// bytes.
pub(crate) fn row_columns(columns: usize, precision: Precision) -> usize {
    columns.next_multiple_of(if precision == Precision::F16 { 8 } else { 4 })
}

/// The CPU or an opened GPU. Cheap to clone; clones share the adapter, its memory and its compiled
/// kernels, also from several threads.
///
/// ```
/// use attractor::Device;
/// assert_eq!(Device::cpu().to_string(), "cpu");
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Device {
    /// All cores of the CPU, with the widest SIMD that it has.
    Cpu,
    /// A GPU through Vulkan, Metal or DX12.
    Gpu(Arc<Context>),
}

impl Device {
    /// The CPU.
    pub fn cpu() -> Self {
        Self::Cpu
    }

    /// The device that suits this machine best: a hardware GPU if there is one, else the CPU. A
    /// software GPU is never chosen: the CPU back end is many times faster than it.
    ///
    /// The environment variable `ATTRACTOR_DEVICE` (as [`Device::open`] reads it) overrides the choice.
    /// The device is opened once per process and shared.
    ///
    /// Drivers are loaded into this process to find out: one that crashes ends it. The `attractor` command tries them in a
    /// process of their own first; a program that must survive any driver names the CPU, or asks `attractor devices --json`.
    /// On a machine without a display Mesa's device-selection layer may complain on stderr of `XDG_RUNTIME_DIR`; with
    /// `NODEVICE_SELECT=1` in the environment it does not.
    ///
    /// # Errors
    /// Those of [`Device::open`], where the variable names a device that cannot be had.
    pub fn best() -> Result<Self> {
        static BEST: Mutex<Option<Device>> = Mutex::new(None);
        let mut best = BEST.lock();
        if let Some(device) = best.as_ref().filter(|d| d.is_alive()) {
            return Ok(device.clone());
        }
        let device = Self::open_with("auto", Options::default())?;
        *best = Some(device.clone());
        Ok(device)
    }

    /// Opens a GPU: `""` the best hardware adapter, `"1"` the adapter of that number in
    /// [`crate::gpu::adapters`], `"software"` the first software adapter, anything else with a letter in it the first
    /// adapter whose name contains it (any case); see [`crate::gpu::Selector`].
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for what is neither a number nor a name; [`Error::NoAdapter`] naming what there is, and
    /// what to install where there is nothing.
    pub fn gpu(selector: &str) -> Result<Self> {
        Context::open(selector).map(Self::Gpu)
    }

    /// Opens a device by its name, as on the command line; see [`DeviceName`].
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for another name, [`Error::NoAdapter`].
    ///
    /// ```
    /// use attractor::Device;
    /// assert_eq!(Device::open("cpu")?, Device::cpu());
    /// assert!(Device::open("abacus").is_err());
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn open(name: &str) -> Result<Self> {
        if name == "auto" { Self::best() } else { Self::open_with(name, Options::default()) }
    }

    /// The same with options for a GPU; a device of its own, also for `auto`.
    ///
    /// # Errors
    /// As [`Device::open`].
    ///
    /// ```
    /// use attractor::{Device, gpu::Options};
    /// let options = Options { deterministic: true, ..Options::default() };
    /// assert_eq!(Device::open_with("cpu", options)?, Device::cpu());
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn open_with(name: &str, options: Options) -> Result<Self> {
        match name.parse::<DeviceName>()?.resolved()? {
            DeviceName::Auto => Ok(Context::open_best(options).map_or(Self::Cpu, Self::Gpu)),
            DeviceName::Cpu => Ok(Self::Cpu),
            DeviceName::Gpu(selector) => Context::open_selected(&selector, options).map(Self::Gpu),
        }
    }

    /// The same device opened anew, with the same options: what to do where a GPU has been lost
    /// ([`Error::DeviceLost`]). Nothing of what was on it is on the new one. The CPU is itself.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] where the adapter is there no more, [`Error::Gpu`] where the driver refuses.
    ///
    /// ```
    /// use attractor::prelude::*;
    /// let mut device = Device::cpu();
    /// let patterns = [[0.0, 1.0], [1.0, 0.0]];
    /// let memory = DenseMemory::builder().device(&device).build(&patterns)?;
    /// if let Err(attractor::Error::DeviceLost { .. }) = memory.recall(&[0.1, 0.9]) {
    ///     device = device.reopen()?;
    ///     let memory = DenseMemory::builder().device(&device).build(&patterns)?;
    ///     memory.recall(&[0.1, 0.9])?;
    /// }
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn reopen(&self) -> Result<Self> {
        match self {
            Self::Cpu => Ok(Self::Cpu),
            Self::Gpu(context) => context.reopen().map(Self::Gpu),
        }
    }

    /// Whether the device still answers; a GPU may be lost by a driver reset.
    pub fn is_alive(&self) -> bool {
        match self {
            Self::Cpu => true,
            Self::Gpu(context) => !context.is_lost(),
        }
    }

    /// The opened GPU, if it is one.
    pub fn as_gpu(&self) -> Option<&Arc<Context>> {
        match self {
            Self::Cpu => None,
            Self::Gpu(context) => Some(context),
        }
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Cpu, Self::Cpu) => true,
            (Self::Gpu(a), Self::Gpu(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(context) => write!(f, "gpu {}", context.name()),
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name of a device: `auto`, `cpu`, `gpu`, `gpu:N`, `gpu:NAME` or `software`.
///
/// ```
/// use attractor::{DeviceName, gpu::Selector};
/// assert_eq!("gpu:1".parse::<DeviceName>()?, DeviceName::Gpu(Selector::Number(1)));
/// assert_eq!("software".parse::<DeviceName>()?.to_string(), "software");
/// assert!("cuda".parse::<DeviceName>().is_err());
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceName {
    /// What suits the machine best, or what `ATTRACTOR_DEVICE` names; see [`Device::best`].
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU.
    Gpu(Selector),
}

impl DeviceName {
    /// The names that there are.
    const ALLOWED: &str = "one of auto, cpu, gpu, gpu:N (its number in `attractor devices`), gpu:NAME (part of its name), software";

    /// What the environment variable `ATTRACTOR_DEVICE` names, in place of `auto`; any other name stays. Where the variable is
    /// not set, or empty, `auto` stays too.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] where the variable names no device.
    pub fn resolved(self) -> Result<Self> {
        const VARIABLE: &str = "ATTRACTOR_DEVICE";
        match std::env::var_os(VARIABLE) {
            Some(name) if self == Self::Auto && !name.is_empty() => {
                let name = name.to_string_lossy();
                name.parse().map_err(|_| Error::parameter(VARIABLE, &name, Self::ALLOWED))
            }
            _ => Ok(self),
        }
    }
}

impl FromStr for DeviceName {
    type Err = Error;

    /// # Errors
    /// [`Error::InvalidParameter`] for what names no device, with what does.
    fn from_str(name: &str) -> Result<Self> {
        let unknown = || Error::parameter("device", name, Self::ALLOWED);
        match name {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu(Selector::Best)),
            "software" => Ok(Self::Gpu(Selector::Software)),
            _ => match name.strip_prefix("gpu:") {
                Some(selector) if !selector.is_empty() => {
                    selector.parse().map(Self::Gpu).map_err(|_| unknown())
                }
                _ => Err(unknown()),
            },
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(selector) => fmt::Display::fmt(selector, f),
        }
    }
}
