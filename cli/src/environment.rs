//! Variables of the environment: those of this command are checked before anything starts, and those of drivers are set.
//! `docs/environment.md` lists all that are read.

use crate::{
    arguments::Cli,
    drivers,
    failure::{Failure, Result},
    log,
};
use attractor::{DeviceName, threads};
use std::{ffi::OsStr, path::Path};
use tracing::level_filters::LevelFilter;

/// What options and environment ask of the whole command.
pub(crate) struct Settings {
    /// Threads that compute.
    pub(crate) threads: usize,
    /// What the log says.
    pub(crate) level: LevelFilter,
}

/// Checks every variable that this command reads, so that none is passed over for a slip of the pen, and tells the software
/// adapter how many threads it may have. Before any thread is started.
pub(crate) fn prepare(cli: &Cli) -> Result<Settings> {
    let usage = |error: attractor::Error| Failure::usage(error.to_string());
    DeviceName::Auto.resolved().map_err(usage)?;
    drivers::limit()?;
    one_of("ATTRACTOR_TUNE", |text| ["on", "off"].contains(&text), "on or off")?;
    one_of("ATTRACTOR_LOSE_AT", |text| text.parse::<u64>().is_ok(), "the number of a submission, from 0")?;
    let level = one_of("ATTRACTOR_LOG", |text| log::level(text).is_some(), log::LEVELS)?;
    let level = match cli.verbose {
        0 => level.as_deref().and_then(log::level).unwrap_or(LevelFilter::WARN),
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let asked = match (cli.threads, threads::environment().map_err(usage)?) {
        (None, asked) => asked,
        (asked, _) => asked,
    };
    if let Some(count) = asked {
        let count = count.to_string();
        // Whoever has set this for itself means it.
        set_unless_given("LP_NUM_THREADS", &count);
    }
    Ok(Settings { threads: asked.unwrap_or_else(threads::cores), level })
}

/// The text of a variable that is set, where it is right.
fn one_of(name: &str, right: impl Fn(&str) -> bool, want: &str) -> Result<Option<String>> {
    let Some(text) = std::env::var_os(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let text = text.to_string_lossy().into_owned();
    match right(&text) {
        true => Ok(Some(text)),
        false => Err(Failure::usage(format!("{name} is {text}; it must be {want}"))),
    }
}

/// Mesa's device-selection layer asks for a Wayland display and complains on stderr where there can be none, as on a server. This
/// command shows no windows, so the layer is told to stay out; not where it has been given something to do. First of all.
pub(crate) fn quiet_driver() {
    let set = |name: &str| std::env::var_os(name).is_some_and(|text| !text.is_empty());
    let display = std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|folder| Path::new(&folder).is_absolute());
    if !display && !set("MESA_VK_DEVICE_SELECT") && !set("DRI_PRIME") {
        set_unless_given("NODEVICE_SELECT", "1");
    }
}

fn set_unless_given(name: &str, value: impl AsRef<OsStr>) {
    if std::env::var_os(name).is_none() {
        #[allow(unsafe_code, reason = "the environment is changed")]
        // SAFETY: this runs in `main` before any thread is started that could read the environment meanwhile.
        unsafe {
            std::env::set_var(name, value);
        }
    }
}
