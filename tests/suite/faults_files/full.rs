//! A disk that is full at any byte of a save: a limit on the size of files, which every Unix has, and a small disk where one can be had.

use super::{WRITERS, child, folder, names, written};
use attractor::{
    Error, Rows,
    store::{Batch, Ledger, Settings},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{fs, path::Path, process::Command};

/// Lets files of this process grow to so many bytes and no further.
fn limit(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
}

fn assert_full(error: &Error, path: &Path, cause: &str) {
    assert!(matches!(error, Error::File { action: "write", .. }), "{error}");
    let text = error.to_string().to_lowercase();
    let name = path.file_name().unwrap().to_string_lossy();
    assert!(text.contains(&*name) && text.contains(cause), "{error}");
}

#[test]
fn a_file_that_may_not_grow_at_any_byte_leaves_the_old_one() {
    let folder = folder();
    // The signal that goes with the limit ends a process unless it is ignored, which is passed on.
    let child = child::command("at every byte", folder.path());
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ && exec \"$@\"", "sh"]).arg(child.get_program()).args(child.get_args());
    shell.envs(child.get_envs().filter_map(|(key, value)| Some((key, value?))));
    child::run(shell);
}

/// In a process of its own.
pub(super) fn at_every_byte(folder: &Path) {
    let old = written(folder, &[1.0; 20]);
    let new: Vec<f32> = (0..60).map(|i| i as f32).collect();
    let there = names(folder);
    for ((path, old), (_, write)) in old.iter().zip(WRITERS) {
        write(path, &new).unwrap();
        let size = path.metadata().unwrap().len();
        fs::write(path, old).unwrap();
        for bytes in 0..size {
            limit(Some(bytes));
            let result = write(path, &new);
            limit(None);
            assert_full(&result.unwrap_err(), path, "too large");
            assert_eq!((&fs::read(path).unwrap(), names(folder)), (old, there.clone()), "{bytes} bytes");
        }
        // There is room for just it.
        limit(Some(size));
        let result = write(path, &new);
        limit(None);
        result.unwrap();
    }
    store_at_every_byte(folder);
}

/// A store that is made, changed and written anew while there is no room for all of it.
fn store_at_every_byte(folder: &Path) {
    let path = folder.join("m.safetensors");
    let journal = folder.join("m.safetensors.journal");
    let rows = |value: f32| Rows::new(vec![value; 6], 3).unwrap();
    let payloads = [vec![1; 30], vec![2; 10]];
    let create = || Ledger::create(&path, Settings::default(), Batch::new(&rows(1.0)).payloads(&payloads));
    drop(create().unwrap());
    let size = path.metadata().unwrap().len();
    fs::remove_file(&path).unwrap();
    for bytes in 0..size {
        limit(Some(bytes));
        let result = create().map(drop);
        limit(None);
        assert_full(&result.unwrap_err(), &path, "too large");
        assert!(!path.exists() && !journal.exists());
    }
    let mut ledger = create().unwrap();
    // A first change, which makes the journal, and a second one.
    for round in 0..2 {
        let (ids, before) = (ledger.ids().unwrap(), ledger.info().journal_bytes);
        let add = |ledger: &mut Ledger| ledger.add(Batch::new(&rows(2.0)).payloads(&payloads));
        let mut bytes = before;
        loop {
            limit(Some(bytes));
            let result = add(&mut ledger);
            limit(None);
            if result.is_ok() {
                break;
            }
            assert_full(&result.unwrap_err(), &journal, "too large");
            assert_eq!(ledger.ids().unwrap(), ids);
            assert_eq!(Ledger::open_read_only(&path).unwrap().ids().unwrap(), ids, "{bytes} bytes");
            bytes += 1;
        }
        assert!(
            bytes > before + 100 && bytes == ledger.info().journal_bytes,
            "{bytes} bytes in round {round}"
        );
    }
    let (ids, mut bytes) = (ledger.ids().unwrap(), 0);
    loop {
        limit(Some(bytes));
        let result = ledger.compact();
        limit(None);
        if result.is_ok() {
            break;
        }
        assert_full(&result.unwrap_err(), &path, "too large");
        assert_eq!(Ledger::open_read_only(&path).unwrap().ids().unwrap(), ids);
        assert!(!folder.join("m.safetensors.new-store").exists());
        bytes += 1;
    }
    assert!(bytes > size && bytes == path.metadata().unwrap().len(), "{bytes} bytes");
    assert_eq!((ledger.ids().unwrap(), ledger.info().generation, journal.exists()), (ids, 2, false));
}

#[test]
#[cfg(target_os = "linux")]
fn a_small_disk_that_is_full_leaves_the_old_file() {
    let folder = folder();
    let mount = "mount -t tmpfs -o size=128k tmpfs \"$1\"";
    match child::with_mounts(mount, "on a small disk", folder.path()) {
        Some(command) => child::run(command),
        // The limits above are felt everywhere.
        None => eprintln!("no small disk: this system lets no user mount one; limits on files stand for it"),
    }
}

/// In a process of its own.
pub(super) fn on_a_small_disk(folder: &Path) {
    let old = written(folder, &[1.0; 20]);
    // Ten pages.
    let new = vec![2.0; 10 * 1024];
    let ballast = folder.join("ballast");
    let (mut failed, mut fitted) = (0, 0);
    for pages in 0..32_usize {
        // All but about so many pages are taken.
        for (path, bytes) in &old {
            fs::write(path, bytes).unwrap();
        }
        let taken = fs::write(&ballast, vec![0; (32 - pages) * 4096]);
        if taken.is_err() {
            // As much as there is.
            assert!(ballast.exists());
        }
        for ((path, old), (_, write)) in old.iter().zip(WRITERS) {
            match write(path, &new) {
                Ok(()) => fitted += 1,
                Err(error) => {
                    failed += 1;
                    assert_full(&error, path, "no space left");
                    assert_eq!(&fs::read(path).unwrap(), old);
                }
            }
            fs::write(path, old).unwrap();
        }
        assert_eq!(names(folder).len(), old.len() + 1);
        fs::remove_file(&ballast).unwrap();
    }
    assert!(failed > 20 && fitted > 20, "{failed} failed, {fitted} fitted");
}
