//! `cargo xtask soak`: the endurance test of `tests/soak`, for as long as one likes.

use crate::{cargo, driver};
use std::{path::Path, process::Command};

const HELP: &str = "\
cargo xtask soak [--minutes N] [--device NAME] [--out FOLDER] [--only PART] [--leak BYTES]

Does everything that the library does, over and over, on the CPU and a GPU, and watches memory, mapped regions,
file descriptors, threads, GPU buffers, pools and pipelines. Fails where one of them surely grows, in both halves
of the time after the first quarter. Takes about one core, at the lowest priority.

--minutes N     how long (60)
--device NAME   cpu (alone), software, gpu, gpu:N or gpu:NAME (software)
--out FOLDER    write soak.csv and soak.svg there
--only PART     just the parts of a round with this in their names: store, devices, ...
--leak BYTES    leak so many bytes a round on purpose, to see them found";

/// Runs it.
pub(crate) fn soak(arguments: &[&str]) -> Result<(), String> {
    let mut environment = vec![("ATTRACTOR_SOAK_MINUTES", "60".to_owned())];
    let mut rest = arguments.iter();
    while let Some(&option) = rest.next() {
        let name = match option {
            "--help" | "-h" => {
                println!("{HELP}");
                return Ok(());
            }
            "--minutes" => "ATTRACTOR_SOAK_MINUTES",
            "--device" => "ATTRACTOR_SOAK_DEVICE",
            "--out" => "ATTRACTOR_SOAK_OUT",
            "--only" => "ATTRACTOR_SOAK_ONLY",
            "--leak" => "ATTRACTOR_SOAK_LEAK",
            _ => return Err(format!("there is no option {option}\n{HELP}")),
        };
        let value = rest.next().ok_or_else(|| format!("{option} needs a value\n{HELP}"))?;
        let right = match option {
            "--minutes" => value.parse::<f64>().is_ok_and(|v| v > 0.0 && v.is_finite()),
            "--leak" => value.parse::<usize>().is_ok(),
            _ => !value.is_empty(),
        };
        if !right {
            return Err(format!("{option} {value}: this is no such value\n{HELP}"));
        }
        // Cargo runs tests in the folder of their crate.
        let value = match option {
            "--out" => {
                std::path::absolute(Path::new(value)).map_err(|e| e.to_string())?.display().to_string()
            }
            _ => (*value).to_owned(),
        };
        environment.retain(|(known, _)| *known != name);
        environment.push((name, value));
    }
    let device = environment.iter().find(|(name, _)| *name == "ATTRACTOR_SOAK_DEVICE");
    if device.is_none_or(|(_, device)| device == "software") {
        driver::provide()?;
    }
    lower_priority();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let test = [
        "test",
        "--release",
        "--package",
        "attractor-tests",
        "--test",
        "soak",
        "--",
        "--nocapture",
        "nothing_grows",
    ];
    cargo(&test, &environment)
}

/// Lets everything else on this machine go first, where there is a program for that.
fn lower_priority() {
    let pid = std::process::id().to_string();
    let _ = Command::new("renice").args(["-n", "19", "-p", &pid]).output();
}
