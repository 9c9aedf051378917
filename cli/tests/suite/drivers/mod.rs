//! Choosing a device: names and numbers, drivers that are broken, what is kept of them, and what they say.

use super::desk::Desk;
use attractor::{
    gpu::{Context, adapters},
    io::ArrayData,
};
use std::process::{Command, Output};

#[cfg(target_os = "linux")]
mod broken;

/// A folder with patterns and queries.
fn desk() -> Desk {
    let desk = Desk::new(&[], &[]);
    desk.save("p.npy", &[3, 2], ArrayData::F32(&[1.0, 0.0, 0.0, 1.0, -1.0, 0.0]));
    desk.save("q.npy", &[2, 2], ArrayData::F32(&[0.9, 0.2, 0.1, 0.8]));
    desk
}

const RECALL: &str = "recall --patterns p.npy --queries q.npy --out o.npy --json";

/// Whether there is a software GPU; where there must be one, there is.
fn has_gpu() -> bool {
    match Context::open("software") {
        Ok(_) => true,
        Err(error) => {
            assert!(std::env::var("ATTRACTOR_REQUIRE_GPU").is_err(), "ATTRACTOR_REQUIRE_GPU=1, but: {error}");
            eprintln!("skipping: {error}");
            false
        }
    }
}

fn told(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

fn device(out: &Output) -> String {
    assert!(out.status.success(), "{}", told(out));
    let summary: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    summary["device"].as_str().unwrap().to_owned()
}

/// The names of adapters often have digits: none of them is a number of an adapter.
#[test]
fn a_number_is_a_number_and_never_part_of_a_name() {
    if !has_gpu() {
        return;
    }
    let desk = desk();
    let names: Vec<String> = adapters().into_iter().map(|adapter| adapter.name).collect();
    for (number, name) in names.iter().enumerate() {
        assert_eq!(device(&desk.run(&format!("{RECALL} --device gpu:{number}"))), format!("gpu {name}"));
    }
    let digits: Vec<String> = names
        .iter()
        .flat_map(|name| name.split(|c: char| !c.is_ascii_digit()))
        .filter(|digits| digits.parse::<usize>().is_ok_and(|number| number >= names.len()))
        .map(str::to_owned)
        .collect();
    for number in digits.into_iter().chain([names.len().to_string(), "5000".to_owned()]) {
        let text = desk.fails(&format!("{RECALL} --device gpu:{number}"));
        assert!(text.contains(&format!("gpu:{number}")), "{text}");
        assert!(names.iter().all(|name| text.contains(name.as_str())), "{text}");
    }
    // A name is one by a letter; in any case.
    let name = names.iter().find(|name| name.contains(char::is_alphabetic)).unwrap();
    let part: String = name.chars().take_while(|c| !c.is_whitespace()).collect();
    let out = desk.run(&format!("{RECALL} --device gpu:{}", part.to_uppercase()));
    assert!(device(&out).contains(&part));
    assert!(desk.fails(&format!("{RECALL} --device gpu:nosuchcard")).contains("nosuchcard"));
}

/// A server has no display, and no folder for one; nobody wants to read that of Mesa.
#[test]
fn drivers_complain_of_no_display() {
    if !has_gpu() {
        return;
    }
    let desk = desk();
    for folder in [None, Some(""), Some("not/absolute")] {
        for line in ["devices", &format!("{RECALL} --device software"), RECALL] {
            let mut command: Command = desk.command(line);
            // A folder of its own: drivers are tried anew.
            command.env("ATTRACTOR_CACHE", desk.path(&format!("cache {folder:?}")));
            command.env_remove("NODEVICE_SELECT").env_remove("XDG_RUNTIME_DIR");
            if let Some(folder) = folder {
                command.env("XDG_RUNTIME_DIR", folder);
            }
            let out = command.output().unwrap();
            assert!(out.status.success() && out.stderr.is_empty(), "{folder:?} {line}: {}", told(&out));
        }
    }
}

/// Tests and examples open GPUs within processes of their own; cargo tells them.
#[test]
fn cargo_tells_drivers_that_there_is_no_display() {
    let configuration = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../.cargo/config.toml"));
    assert!(configuration.contains("NODEVICE_SELECT = \"1\""));
    assert!(std::env::var_os("CARGO").is_none() || std::env::var_os("NODEVICE_SELECT").is_some());
}
