//! Files and processes that fail: full disks, refused targets, killed writers, stopped work, files of other versions.

#![cfg_attr(not(unix), allow(dead_code, reason = "much of it is for Unix alone"))]

mod formats;
mod stopped;

#[cfg(unix)]
mod child;
#[cfg(unix)]
mod full;
#[cfg(unix)]
mod killed;
#[cfg(unix)]
mod refused;

use attractor::{
    Result,
    io::{Array, ArrayData, write, write_bytes},
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A folder where waiting for the disk costs nothing, if the system has such.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A kind of file, and what writes one.
type Writer = (&'static str, fn(&Path, &[f32]) -> Result<()>);

/// The ways that this library writes a file of its own accord.
const WRITERS: [Writer; 4] = [
    ("a.npy", arrays),
    ("a.npz", arrays),
    ("a.safetensors", arrays),
    ("a.html", |path, values| write_bytes(path, bytemuck::cast_slice(values))),
];

fn arrays(path: &Path, values: &[f32]) -> Result<()> {
    write(path, &[Array { name: "a", shape: vec![values.len()], data: ArrayData::F32(values) }])
}

/// Writes with each writer; gives paths and what they wrote.
fn written(folder: &Path, values: &[f32]) -> Vec<(PathBuf, Vec<u8>)> {
    let write = |(name, write): &Writer| {
        let path = folder.join(name);
        write(&path, values).unwrap();
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    };
    WRITERS.iter().map(write).collect()
}

/// Names of what is in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// See [`formats`].
#[test]
#[ignore = "writes files of this repository, where they are missing"]
fn write_missing_fixtures() {
    formats::write_missing();
}
