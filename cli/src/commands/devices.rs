//! `attractor devices`

use crate::{
    arguments,
    drivers::{self, Driver, Outcome},
    failure::Result,
    output::{line, shown},
};
use attractor::{DeviceName, gpu::AdapterReport, threads};
use serde_json::{Value, json};

pub(crate) fn run(arguments: &arguments::Devices) -> Result<()> {
    // Whatever is known: whoever asks wants to know how it is now.
    let found = drivers::tried_anew()?;
    let named = Some(DeviceName::Auto.resolved()?).filter(|name| *name != DeviceName::Auto);
    let (cpu_chosen, cpu_reason) = match &found.outcome {
        Outcome::Gpu => (false, "not chosen: there is a hardware GPU".to_owned()),
        Outcome::NoGpu => (true, "chosen: there is no hardware GPU".to_owned()),
        Outcome::Broken(why) => (true, format!("chosen: {why}")),
    };
    let cores = threads::cores();
    if arguments.json {
        let all = json!({
            "cpu": { "device": "cpu", "cores": cores, "chosen": cpu_chosen && named.is_none(), "reason": cpu_reason },
            "adapters": found.adapters,
            "drivers": found.drivers.iter().map(driver_json).collect::<Vec<_>>(),
            "named_by_environment": named.map(|name| name.to_string()),
        });
        return line(&format!("{all:#}"));
    }
    line(&format!("cpu      {cores} cores\n         {cpu_reason}"))?;
    found.adapters.iter().try_for_each(print_adapter)?;
    print_drivers(&found.drivers)?;
    match named {
        Some(name) => line(&format!("\nATTRACTOR_DEVICE={name} overrides the choice.")),
        None => Ok(()),
    }
}

/// Drivers that were tried one by one, since together they failed, and how to go without those that do.
fn print_drivers(drivers: &[Driver]) -> Result<()> {
    for driver in drivers {
        let manifest = driver.manifest.display();
        match &driver.end {
            Ok(names) if names.is_empty() => {
                line(&format!("\ndriver   {manifest}\n         sound, without a device"))?
            }
            Ok(names) => line(&format!("\ndriver   {manifest}\n         sound: {}", names.join(", ")))?,
            Err(fault) => line(&format!("\ndriver   {manifest}\n         broken: {fault}"))?,
        }
    }
    let sound = drivers.iter().filter(|driver| driver.end.as_ref().is_ok_and(|names| !names.is_empty()));
    let sound: Vec<String> = sound.map(|driver| shown(&driver.manifest)).collect();
    if sound.is_empty() {
        return Ok(());
    }
    line(&format!("\nVK_DRIVER_FILES={} leaves the broken ones out.", sound.join(":")))
}

fn driver_json(driver: &Driver) -> Value {
    let (names, fault) = match &driver.end {
        Ok(names) => (Some(names), None),
        Err(fault) => (None, Some(fault)),
    };
    json!({ "manifest": shown(&driver.manifest), "adapters": names, "fault": fault })
}

/// An adapter, as [`json`] gives it.
fn print_adapter(adapter: &Value) -> Result<()> {
    let text = |key: &str| adapter[key].as_str().unwrap_or_default();
    let number = |key: &str| adapter[key].as_u64().unwrap_or_default();
    let features = adapter["features"].as_object();
    let names = |wanted: bool| {
        let features = features.into_iter().flatten();
        let names: Vec<&str> = features
            .filter(|(_, has)| has.as_bool() == Some(wanted))
            .map(|(name, _)| name.as_str())
            .collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let subgroup = |at: usize| adapter["subgroup"][at].as_u64().unwrap_or_default();
    line(&format!("\n{:<8} {} ({}, {})", text("device"), text("name"), text("kind"), text("backend")))?;
    line(&format!("         {}", text("reason")))?;
    line(&format!("         driver {}", text("driver")))?;
    line(&format!(
        "         buffers up to {} MiB, bindings up to {} MiB, {} KiB workgroup memory, subgroups of {} to {}",
        number("max_buffer_bytes") >> 20,
        number("max_binding_bytes") >> 20,
        number("workgroup_memory_bytes") >> 10,
        subgroup(0),
        subgroup(1)
    ))?;
    line(&format!("         has {}; lacks {}", names(true), names(false)))
}

/// What is known of an adapter.
pub(crate) fn json(a: &AdapterReport) -> Value {
    json!({
        "device": format!("gpu:{}", a.index),
        "name": a.name,
        "kind": a.kind,
        "backend": a.backend,
        "driver": a.driver,
        "max_buffer_bytes": a.max_buffer,
        "max_binding_bytes": a.max_binding,
        "workgroup_memory_bytes": a.workgroup_memory,
        "subgroup": [a.subgroup.0, a.subgroup.1],
        "features": a.features.iter().map(|(n, h)| ((*n).to_owned(), (*h).into())).collect::<serde_json::Map<_, _>>(),
        "chosen": a.chosen,
        "reason": a.reason,
    })
}
