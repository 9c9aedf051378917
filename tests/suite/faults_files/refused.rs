//! Targets that cannot be written to, and odd ones that can.

use super::{WRITERS, arrays, child, folder, names, written};
use attractor::{
    Error,
    io::{Source, check_writable, check_writable_bytes, write_bytes},
    store::{Batch, Ledger, Settings},
};
use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::Path,
};

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Does something without the rights of the superuser, who may write where others may not.
fn as_user(work: impl FnOnce() + Send) {
    #[cfg(target_os = "linux")]
    if rustix::process::geteuid().is_root() {
        use rustix::{process::Uid, thread::set_thread_res_uid};
        let nobody = Uid::from_raw(65_534);
        let done = std::thread::scope(|scope| {
            scope
                .spawn(move || {
                    // Of this thread alone.
                    set_thread_res_uid(nobody, nobody, nobody).unwrap();
                    work();
                })
                .join()
        });
        return done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
    work();
}

/// Every writer is refused, at once and when it writes, and what was there stays.
#[track_caller]
fn all_refused(folder: &Path, old: &[(std::path::PathBuf, Vec<u8>)], cause: &str) {
    let there = names(folder);
    for ((path, old), (_, write)) in old.iter().zip(WRITERS) {
        let checked = check_writable_bytes(path).unwrap_err();
        for error in [checked, write(path, &[3.0; 9]).unwrap_err()] {
            assert!(matches!(error, Error::File { action: "write", .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains(&*path.to_string_lossy()) && text.to_lowercase().contains(cause), "{text}");
        }
        assert_eq!(&fs::read(path).unwrap(), old);
    }
    assert_eq!(names(folder), there);
}

#[test]
fn a_folder_that_may_not_be_changed_keeps_its_files() {
    let folder = folder();
    let old = written(folder.path(), &[1.0; 4]);
    let store = folder.path().join("m.safetensors");
    drop(Ledger::create(&store, Settings::default(), Batch::new(&[[1.0, 2.0]])).unwrap());
    // Anyone may write to the files, and no one may add one.
    old.iter().for_each(|(path, _)| mode(path, 0o666));
    mode(folder.path(), 0o555);
    as_user(|| {
        all_refused(folder.path(), &old, "permission denied");
        let new = folder.path().join("new.safetensors");
        assert!(Ledger::create(&new, Settings::default(), Batch::new(&[[1.0]])).is_err() && !new.exists());
        // It can be read, and says why it cannot be changed.
        assert_eq!(Ledger::open_read_only(&store).unwrap().len(), 1);
        let error = Ledger::open(&store).unwrap_err().to_string();
        assert!(error.contains("cannot lock") && error.contains("denied"), "{error}");
    });
    mode(folder.path(), 0o755);
}

#[test]
fn a_file_that_is_not_to_be_written_to_is_kept() {
    let folder = folder();
    let old = written(folder.path(), &[1.0; 4]);
    mode(folder.path(), 0o777);
    // For the superuser too.
    old.iter().for_each(|(path, _)| mode(path, 0o444));
    all_refused(folder.path(), &old, "permission denied");
    as_user(|| all_refused(folder.path(), &old, "permission denied"));
    // The folder would let this user replace the files of another one; the files do not.
    if rustix::process::geteuid().is_root() {
        old.iter().for_each(|(path, _)| mode(path, 0o644));
        as_user(|| all_refused(folder.path(), &old, "permission denied"));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_for_reading_keeps_its_files() {
    let folder = folder();
    written(folder.path(), &[1.0; 4]);
    let mount = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\"";
    match child::with_mounts(mount, "on a disk for reading", folder.path()) {
        Some(command) => child::run(command),
        None => {
            eprintln!("no disk for reading: this system lets no user mount one; permissions stand for it")
        }
    }
}

/// In a process of its own.
pub(super) fn on_a_disk_for_reading(folder: &Path) {
    let old: Vec<_> = WRITERS
        .iter()
        .map(|(name, _)| folder.join(name))
        .map(|p| (p.clone(), fs::read(p).unwrap()))
        .collect();
    all_refused(folder, &old, "read-only file system");
}

#[test]
fn what_is_no_place_for_a_file_is_named() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("folder.npy")).unwrap();
    fs::write(at("file.npy"), "x").unwrap();
    symlink(at("loop.npy"), at("loop.npy")).unwrap();
    let long = format!("{}.npy", "n".repeat(300));
    let deep = format!("{}a.npy", "d/".repeat(3000));
    for (name, cause) in [
        ("folder.npy", "is a directory"),
        ("missing/a.npy", "there is no directory"),
        ("file.npy/a.npy", "not a directory"),
        ("loop.npy", "symbolic links"),
        (long.as_str(), "name too long"),
        (deep.as_str(), "name too long"),
    ] {
        let path = at(name);
        for error in [check_writable(&path).unwrap_err(), arrays(&path, &[1.0]).unwrap_err()] {
            let text = error.to_string().to_lowercase();
            assert!(
                matches!(error, Error::File { action: "write", .. }) && text.contains(cause),
                "{name}: {text}"
            );
        }
    }
    assert_eq!(names(folder.path()), ["file.npy", "folder.npy", "loop.npy"]);
}

#[test]
fn a_name_that_is_no_text_is_a_name() {
    let folder = folder();
    let path = folder.path().join(OsStr::from_bytes(b"r\xe9sultat \xff.npy"));
    check_writable(&path).unwrap();
    arrays(&path, &[1.0, 2.0]).unwrap();
    assert_eq!(Source::open(&path).unwrap().values(&[]).unwrap().0[..], [1.0, 2.0]);
    mode(&path, 0o444);
    assert!(arrays(&path, &[3.0]).unwrap_err().to_string().contains("sultat"));
}

#[test]
fn a_link_to_nothing_leads_to_a_new_file() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("there")).unwrap();
    // From one link to another, relative to where they are.
    symlink("there/second.npy", at("first.npy")).unwrap();
    symlink("file.npy", at("there/second.npy")).unwrap();
    check_writable(at("first.npy")).unwrap();
    arrays(&at("first.npy"), &[1.0]).unwrap();
    assert!(at("first.npy").is_symlink() && at("there/second.npy").is_symlink());
    assert_eq!(Source::open(at("there/file.npy")).unwrap().values(&[]).unwrap().0[..], [1.0]);
    symlink("missing/file.npy", at("lost.npy")).unwrap();
    assert!(arrays(&at("lost.npy"), &[1.0]).unwrap_err().to_string().contains("there is no directory"));

    symlink("there/store.safetensors", at("m.safetensors")).unwrap();
    drop(Ledger::create(at("m.safetensors"), Settings::default(), Batch::new(&[[1.0]])).unwrap());
    assert_eq!(Ledger::open(at("there/store.safetensors")).unwrap().len(), 1);
    assert!(at("m.safetensors").is_symlink() && !at("m.safetensors.lock").exists());
}

#[test]
fn what_is_mapped_can_be_replaced_and_is_read_on() {
    let folder = folder();
    let path = folder.path().join("a.npy");
    let old: Vec<f32> = (0..100_000).map(|i| i as f32).collect();
    arrays(&path, &old).unwrap();
    let source = Source::open(&path).unwrap();
    // From its own mapped values.
    let values = source.values(&[]).unwrap().0;
    let new: Vec<f32> = values.iter().map(|v| v + 1.0).collect();
    arrays(&path, &new).unwrap();
    assert_eq!(values[..], old[..]);
    arrays(&path, &values).unwrap();
    assert_eq!(Source::open(&path).unwrap().values(&[]).unwrap().0[..], old[..]);
}

#[test]
fn files_of_stopped_programs_go_and_those_of_others_stay() {
    let folder = folder();
    for name in [".attractor-AbC123.tmp", ".attractor-notes", "attractor-x.tmp"] {
        fs::write(folder.path().join(name), "left").unwrap();
    }
    fs::create_dir(folder.path().join(".attractor-folder.tmp")).unwrap();
    // Checks leave all as it is.
    check_writable_bytes(folder.path().join("a")).unwrap();
    assert_eq!(names(folder.path()).len(), 4);
    write_bytes(folder.path().join("a"), b"new").unwrap();
    assert_eq!(names(folder.path()), [".attractor-folder.tmp", ".attractor-notes", "a", "attractor-x.tmp"]);
}
