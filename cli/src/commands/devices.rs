//! `attractor devices`

use crate::{arguments, failure::Result, output::line};
use attractor::gpu::{AdapterReport, adapters};

pub(crate) fn run(arguments: &arguments::Devices) -> Result<()> {
    let adapters = adapters();
    let cpu_chosen = !adapters.iter().any(|a| a.chosen);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let named = std::env::var("ATTRACTOR_DEVICE").ok().filter(|v| !v.is_empty() && v != "auto");
    let cpu_reason = match cpu_chosen {
        true => "chosen: there is no hardware GPU",
        false => "not chosen: there is a hardware GPU",
    };
    if arguments.json {
        let list: Vec<serde_json::Value> = adapters.iter().map(json).collect();
        let all = serde_json::json!({
            "cpu": { "device": "cpu", "cores": cores, "chosen": cpu_chosen && named.is_none(), "reason": cpu_reason },
            "adapters": list,
            "named_by_environment": named,
        });
        line(&format!("{all:#}"))?;
        return Ok(());
    }
    line(&format!("cpu      {cores} cores\n         {cpu_reason}"))?;
    for adapter in &adapters {
        print_adapter(adapter)?;
    }
    if let Some(name) = named {
        line(&format!("\nATTRACTOR_DEVICE={name} overrides the choice."))?;
    }
    Ok(())
}

fn print_adapter(a: &AdapterReport) -> Result<()> {
    let mib = |bytes: u64| bytes >> 20;
    let (have, lack): (Vec<_>, Vec<_>) = a.features.iter().partition(|(_, has)| *has);
    let names = |list: Vec<&(&str, bool)>| match list.is_empty() {
        true => "none".to_owned(),
        false => list.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
    };
    line(&format!("\ngpu:{:<4} {} ({}, {})", a.index, a.name, a.kind, a.backend))?;
    line(&format!("         {}", a.reason))?;
    line(&format!("         driver {}", a.driver))?;
    line(&format!(
        "         buffers up to {} MiB, bindings up to {} MiB, {} KiB workgroup memory, subgroups of {} to {}",
        mib(a.max_buffer),
        mib(a.max_binding),
        a.workgroup_memory >> 10,
        a.subgroup.0,
        a.subgroup.1
    ))?;
    line(&format!("         has {}; lacks {}", names(have), names(lack)))
}

fn json(a: &AdapterReport) -> serde_json::Value {
    serde_json::json!({
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
