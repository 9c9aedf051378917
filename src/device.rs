//! Where computation happens: the CPU, or one GPU adapter.

use crate::{Error, Result, gpu};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

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
    Gpu(Arc<gpu::Context>),
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
    /// # Errors
    /// Those of [`Device::open`], where the variable names a device that cannot be had.
    pub fn best() -> Result<Self> {
        static BEST: Mutex<Option<Device>> = Mutex::new(None);
        let mut best = BEST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(device) = best.as_ref().filter(|d| d.is_alive()) {
            return Ok(device.clone());
        }
        let device = Self::open_with("auto", gpu::Options::default())?;
        *best = Some(device.clone());
        Ok(device)
    }

    /// Opens a GPU: `""` the best hardware adapter, `"1"` the adapter of that number in
    /// [`crate::gpu::adapters`], `"software"` the first software adapter, anything else the first adapter
    /// whose name contains it (any case).
    ///
    /// # Errors
    /// [`Error::NoAdapter`] naming what there is, and what to install where there is nothing.
    pub fn gpu(selector: &str) -> Result<Self> {
        gpu::Context::open(selector).map(Self::Gpu)
    }

    /// Opens a device by the name used on the command line: `auto`, `cpu`, `gpu`, `gpu:N`,
    /// `gpu:NAME`, `software`.
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
        if name == "auto" { Self::best() } else { Self::open_with(name, gpu::Options::default()) }
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
    pub fn open_with(name: &str, options: gpu::Options) -> Result<Self> {
        let gpu = |selector: &str| gpu::Context::open_with(selector, options).map(Self::Gpu);
        match name {
            "auto" => match std::env::var("ATTRACTOR_DEVICE") {
                Ok(name) if !name.is_empty() && name != "auto" => Self::open_with(&name, options),
                _ => Ok(gpu::Context::open_best(options).map_or(Self::Cpu, Self::Gpu)),
            },
            "cpu" => Ok(Self::Cpu),
            "gpu" => gpu(""),
            "software" => gpu("software"),
            _ => match name.strip_prefix("gpu:") {
                Some(selector) if !selector.is_empty() => gpu(selector).map_err(|error| match error {
                    Error::NoAdapter { found, .. } => Error::NoAdapter { selector: name.to_owned(), found },
                    other => other,
                }),
                _ => {
                    Err(Error::parameter("device", name, "one of auto, cpu, gpu, gpu:N, gpu:NAME, software"))
                }
            },
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
    pub fn as_gpu(&self) -> Option<&Arc<gpu::Context>> {
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
