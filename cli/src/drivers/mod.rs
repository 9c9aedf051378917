//! GPU drivers, tried in a process of their own before this one loads any.
//!
//! A driver is a library of others that runs within the process that loads it: one that crashes or waits for ever takes the process
//! with it. So the command starts itself once more with a hidden argument ([`trial`]), with a limit of time, and goes by what comes
//! of that. What has come of it is kept in the cache folder for as long as drivers, devices and environment are the same
//! ([`machine`]), so that later runs need not load a driver to find out that there is no GPU.

mod kept;
mod machine;
mod trial;

use crate::{
    failure::{Failure, Result},
    output::complaint,
};
use attractor::{Device, DeviceName, gpu::Options};
pub(crate) use trial::{Driver, answer, is_trial, limit};

/// What has come of a trial, as far as a choice needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There is a hardware GPU, and it can be opened.
    Gpu,
    /// There is none, and all drivers are sound.
    NoGpu,
    /// Drivers that cannot be loaded; why.
    Broken(String),
}

/// All that has come of a trial.
pub(crate) struct Found {
    /// The adapters, as `attractor devices --json` lists them.
    pub(crate) adapters: Vec<serde_json::Value>,
    /// Each driver by itself, where all together failed.
    pub(crate) drivers: Vec<Driver>,
    /// For the choice.
    pub(crate) outcome: Outcome,
}

/// Opens a device. For `auto` this goes on with the CPU where drivers are broken, and says so.
pub(crate) fn open(name: &DeviceName, options: Options) -> Result<Device> {
    match name.clone().resolved()? {
        DeviceName::Cpu => Ok(Device::cpu()),
        DeviceName::Auto => match outcome()? {
            Outcome::Gpu => Ok(Device::open_with("auto", options)?),
            Outcome::NoGpu => Ok(Device::cpu()),
            Outcome::Broken(why) => {
                complaint(&format!(
                    "{why}; going on with the CPU (`attractor devices` tries the drivers anew, --device cpu never does)"
                ));
                Ok(Device::cpu())
            }
        },
        named => {
            // What is named is wanted: drivers that were broken are looked at once more.
            let outcome = match outcome()? {
                Outcome::Broken(_) => tried_anew()?.outcome,
                sound => sound,
            };
            match outcome {
                Outcome::Broken(why) => Err(Failure::data(format!(
                    "{why}; `attractor devices` says more, and --device cpu goes without"
                ))),
                _ => Ok(Device::open_with(&named.to_string(), options)?),
            }
        }
    }
}

/// What is known of this machine's drivers; tries them where nothing is.
pub(crate) fn outcome() -> Result<Outcome> {
    match kept::find(&machine::key()) {
        Some(outcome) => {
            tracing::debug!("GPU drivers were tried before: {outcome:?}");
            Ok(outcome)
        }
        None => Ok(tried_anew()?.outcome),
    }
}

/// Tries the drivers, whatever is known of them, and keeps what comes of it.
pub(crate) fn tried_anew() -> Result<Found> {
    let started = std::time::Instant::now();
    let (found, lasting) = trial::run(&machine::drivers())?;
    tracing::debug!("GPU drivers tried in {:.3} s: {:?}", started.elapsed().as_secs_f64(), found.outcome);
    if lasting && let Err(error) = kept::keep(&machine::key(), &found.outcome) {
        tracing::debug!("what has come of it is not kept: {error}");
    }
    Ok(found)
}
