//! The command when files, disks and processes fail it.

#![cfg_attr(not(unix), allow(dead_code, reason = "much of it is for Unix alone"))]

mod odd;

#[cfg(target_os = "linux")]
mod full;
#[cfg(unix)]
mod killed;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(unix)]
mod tuning;

use super::desk::Desk;
use std::{fs, path::Path};

/// Names of all that is in a folder and the folders in it, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            names.push(path.strip_prefix(folder).unwrap().to_string_lossy().into_owned());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    names.sort();
    names
}

/// Of an experiment, all that does not depend on the clock.
fn timeless(desk: &Desk, folder: &str) -> Vec<serde_json::Value> {
    let results: serde_json::Value =
        serde_json::from_str(&desk.read(&format!("{folder}/results.json"))).unwrap();
    let mut points = results["points"].as_array().unwrap().clone();
    for point in &mut points {
        let clock = ["seconds", "queries_per_second"];
        point.as_object_mut().unwrap().retain(|key, _| !clock.contains(&key.as_str()));
    }
    points
}
