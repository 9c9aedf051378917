//! Writing while the n-th call to the system fails, for every n.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

use super::{Array, ArrayData, disk::failing, write, write_bytes};
use crate::{Error, Result};
use std::{fs, path::Path};

/// Writes one of two contents.
type Writer = fn(&Path, bool) -> Result<()>;

fn arrays(path: &Path, new: bool) -> Result<()> {
    // More than a buffer holds, so that there are several writes.
    let values: Vec<f32> = (0..5000).map(|i| if new { -(i as f32) } else { i as f32 }).collect();
    write(path, &[Array { name: "a", shape: vec![5000], data: ArrayData::F32(&values) }])
}

#[test]
fn a_write_with_a_fault_anywhere_leaves_the_old_file_or_the_new_one() {
    let writers: [(&str, Writer); 4] = [
        ("a.npy", arrays),
        ("a.npz", arrays),
        ("a.safetensors", arrays),
        ("a.html", |path, new| write_bytes(path, &vec![u8::from(new); 20_000])),
    ];
    for (name, write) in writers {
        for stays in [false, true] {
            let folder = failing::folder();
            let path = folder.path().join(name);
            write(&path, true).unwrap();
            let new = fs::read(&path).unwrap();
            let mut replaced = 0;
            let mut calls = 0;
            loop {
                write(&path, false).unwrap();
                let old = fs::read(&path).unwrap();
                let (result, reached) = failing::at(calls, stays, || write(&path, true));
                let now = fs::read(&path).unwrap();
                assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{name}: call {calls}");
                if !reached {
                    result.unwrap();
                    assert_eq!(now, new);
                    break;
                }
                let error = result.unwrap_err();
                assert!(matches!(error, Error::File { action: "write", .. }), "{error}");
                assert!(error.to_string().contains(name) && error.to_string().contains("no storage space"));
                assert!(now == old || now == new, "{name}: call {calls}");
                replaced += u32::from(now == new);
                calls += 1;
            }
            // To make the file, to fill it, its permissions, syncing, and the place; only what comes after that may find the new file.
            assert!(calls >= 6, "{name}: {calls}");
            assert_eq!(replaced, u32::from(cfg!(unix)), "{name}");
        }
    }
}
