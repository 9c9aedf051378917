//! Every command that writes, on a disk that is full at some byte.

use super::{
    super::desk::{Desk, plain},
    names, timeless,
};
use attractor::io::ArrayData;
use std::{
    fs,
    process::{Command, Output},
};

/// Runs a line with files that can have so many bytes and no more.
fn limited(desk: &Desk, line: &str, bytes: u64) -> Output {
    let whole = desk.command(line);
    let mut command = Command::new("prlimit");
    command.arg(format!("--fsize={bytes}")).arg(whole.get_program()).args(whole.get_args());
    plain(&mut command, desk.cache());
    command.current_dir(desk.path("")).output().unwrap()
}

/// Fails unless a command did, with one line that names a file and the cause.
#[track_caller]
fn is_full(line: &str, out: &Output) {
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "{line}: {told}");
    assert_eq!(told.lines().count(), 1, "{line}: {told}");
    assert!(told.contains("File too large") && told.contains("cannot write"), "{line}: {told}");
}

#[test]
fn results_are_there_as_a_whole_or_not_at_all() {
    let desk = Desk::new(&["recall"], &[]);
    let values: Vec<f32> = (0..20).map(|i| (i * i % 7) as f32).collect();
    desk.save("p.npy", &[10, 2], ArrayData::F32(&values));
    desk.save("q.npy", &[2, 2], ArrayData::F32(&[0.9, 0.2, 0.1, 0.8]));
    for (line, file) in [
        ("recall: --patterns p.npy --queries q.npy --device cpu --out o.npy", "o.npy"),
        ("recall: --patterns p.npy --queries q.npy --device cpu --out o.npz", "o.npz"),
        ("energy: --patterns p.npy --states q.npy --device cpu --out o.safetensors", "o.safetensors"),
        ("code: --known polygon:7 --out c.npy", "c.npy"),
        ("code: --known polygon:7 --plot c.svg", "c.svg"),
        ("explain: --patterns p.npy --queries q.npy --device cpu --plot e.svg", "e.svg"),
        ("separate: --patterns p.npy --device cpu --iterations 3 --out s.npz", "s.npz"),
        (
            "features: encode --patterns p.npy --features 5 --beta 1 --device cpu --out f.safetensors",
            "f.safetensors",
        ),
        ("store: create m.safetensors --patterns p.npy", "m.safetensors"),
    ] {
        desk.done(line);
        let size = fs::metadata(desk.path(file)).unwrap().len();
        let store = line.starts_with("store");
        let old = b"what was there before".to_vec();
        if store {
            fs::remove_file(desk.path(file)).unwrap();
        } else {
            fs::write(desk.path(file), &old).unwrap();
        }
        let there = names(&desk.path(""));
        for part in 0..4 {
            is_full(line, &limited(&desk, line, part * (size - 1) / 3));
            assert_eq!(fs::read(desk.path(file)).ok(), (!store).then(|| old.clone()), "{line}");
            assert_eq!(names(&desk.path("")), there, "{line}");
        }
        assert!(limited(&desk, line, size).status.success(), "{line}: no room for all of it");
    }
    // A store that is there keeps what it has.
    let journal = "m.safetensors.journal";
    for line in ["store: add m.safetensors --patterns q.npy", "store: forget m.safetensors --id 1"] {
        let before = desk.json("store: info m.safetensors");
        is_full(line, &limited(&desk, line, fs::metadata(desk.path(journal)).map_or(10, |m| m.len() + 10)));
        let after = desk.json("store: info m.safetensors");
        assert_eq!((&before["patterns"], &before["generation"]), (&after["patterns"], &after["generation"]));
        desk.done(line);
    }
    let line = "store: compact m.safetensors";
    is_full(line, &limited(&desk, line, 100));
    assert_eq!(desk.json("store: info m.safetensors")["patterns"], 11);
    desk.done(line);
}

#[test]
fn an_experiment_without_room_goes_on_when_there_is_some() {
    const LINE: &str = "capacity: --memory nearest,softmax --d 4 --n 4,16,64 --queries 20 --seeds 1 --device cpu --quiet --out";
    let desk = Desk::new(&["capacity"], &[]);
    desk.done(&format!("{LINE} whole"));
    let want = timeless(&desk, "whole");
    let there = names(&desk.path("whole"));
    let sizes = there.iter().map(|name| fs::metadata(desk.path("whole").join(name)).unwrap().len());
    let (mut bytes, largest) = (0, sizes.max().unwrap());
    let mut failed = 0;
    while bytes < largest {
        let folder = format!("run{bytes}");
        let line = format!("{LINE} {folder}");
        let out = limited(&desk, &line, bytes);
        if !out.status.success() {
            failed += 1;
            is_full(&line, &out);
            // Every file but the journal is whole, and nothing else is there.
            let left = names(&desk.path(&folder));
            assert!(left.iter().all(|name| there.contains(name)), "{left:?}");
        }
        desk.done(&line);
        assert_eq!(timeless(&desk, &folder), want, "{bytes} bytes");
        bytes += largest / 12;
    }
    assert!(failed > 6, "{failed} failed");
}

#[test]
fn a_reproduction_without_room_goes_on_when_there_is_some() {
    const LINE: &str = "reproduce: uhop --quick --device cpu --quiet --out run";
    let desk = Desk::new(&["reproduce"], &[]);
    for bytes in [0, 30, 200] {
        is_full(LINE, &limited(&desk, LINE, bytes));
        assert_eq!(names(&desk.path("run")).iter().filter(|name| name.starts_with('.')).count(), 0);
    }
    desk.done(LINE);
    let lines = desk.read("run/kept.tsv").lines().count();
    // Nothing is computed anew.
    desk.done(LINE);
    assert_eq!(desk.read("run/kept.tsv").lines().count(), lines);
}
