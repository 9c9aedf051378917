//! Files of each version of each format that this project writes or reads: `fixtures/formats` keeps one of each, and what was written
//! once is read for ever.

use super::folder;
use crate::common::without_checksums;
use attractor::{
    Device, Precision, Rows,
    io::{Array, ArrayData, Source, write, write_with_metadata},
    memory::{Beta, FeatureMemory, FeatureSettings, Memory},
    ops::{FeatureMap, FeatureSpec, Similarity},
    store::{Batch, Entry, Id, IdKind, Ledger, Settings},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn fixtures() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fixtures/formats"].iter().collect()
}

const PATTERNS: [f32; 6] = [0.5, -1.25, 3.0, 1e-3, 0.0, -7.5];

/// Writes what this version writes, under the names of the fixtures.
fn write_all(folder: &Path) {
    let patterns = || Array { name: "patterns", shape: vec![2, 3], data: ArrayData::F32(&PATTERNS) };
    let keep = Array { name: "keep", shape: vec![2], data: ArrayData::Bool(&[true, false]) };
    write(folder.join("own.npy"), &[patterns()]).unwrap();
    write(folder.join("own.npz"), &[patterns(), keep.clone()]).unwrap();
    write_with_metadata(
        folder.join("own.safetensors"),
        &[patterns(), keep],
        &[("beta", "8"), ("about", "é")],
    )
    .unwrap();
    write_store(&folder.join("store-numbers-1.safetensors"), IdKind::Number);
    write_store(&folder.join("store-strings-1.safetensors"), IdKind::Name);
    features_by_seed().save(folder.join("features-seed-1.safetensors")).unwrap();
    features_given().save(folder.join("features-given-1.safetensors")).unwrap();
}

fn id(kind: IdKind, number: u64) -> Id {
    if kind == IdKind::Number { Id::from(number) } else { Id::from(&*format!("é{number}")) }
}

fn store_settings(kind: IdKind) -> Settings {
    let precision = if kind == IdKind::Number { Precision::F32 } else { Precision::F16 };
    Settings { similarity: Similarity::Dot, beta: Beta::Fixed(2.5), precision, ids: kind }
}

/// A file of two patterns, and a journal of all kinds of changes.
fn write_store(path: &Path, kind: IdKind) {
    let ids = [7, 3].map(|number| id(kind, number));
    let payloads = [b"seven".to_vec(), Vec::new()];
    let batch = Batch::new(&[[0.5, -1.0], [2.0, 4.0]]);
    let mut ledger = Ledger::create(path, store_settings(kind), batch.ids(&ids).payloads(&payloads)).unwrap();
    let ids = [8, 9].map(|number| id(kind, number));
    ledger
        .add(Batch::new(&[[1.0, 1.5], [0.25, 0.0]]).ids(&ids).payloads(&[vec![0, 255], Vec::new()]))
        .unwrap();
    ledger.forget(&[id(kind, 3), id(kind, 8)]).unwrap();
    ledger.replace(Batch::new(&[[-3.0, 6.0]]).ids(&[id(kind, 9)]).payloads(&[b"nine".to_vec()])).unwrap();
    drop(ledger);
    fs::remove_file(format!("{}.lock", path.display())).unwrap();
}

#[track_caller]
fn is_that_store(ledger: &Ledger, kind: IdKind) {
    let entry =
        |pattern: [f32; 2], payload: &[u8]| Entry { pattern: pattern.to_vec(), payload: payload.to_vec() };
    assert_eq!(ledger.info().settings, store_settings(kind));
    assert_eq!(ledger.ids().unwrap(), [7, 9].map(|number| id(kind, number)));
    assert_eq!(ledger.get(&id(kind, 7)).unwrap(), Some(entry([0.5, -1.0], b"seven")));
    assert_eq!(ledger.get(&id(kind, 9)).unwrap(), Some(entry([-3.0, 6.0], b"nine")));
    assert_eq!(ledger.get(&id(kind, 3)).unwrap(), None);
}

fn cpu() -> FeatureSettings {
    FeatureSettings { device: Some(Device::cpu()), ..FeatureSettings::default() }
}

/// Whole numbers of which sums are exact, whatever the order.
const STORED: [[f32; 2]; 2] = [[1.0, -2.0], [3.0, 0.5]];

fn features_by_seed() -> FeatureMemory {
    let settings = FeatureSettings { scale: 0.5, shift: vec![0.25, -1.0], epsilon: Some(1e-4), ..cpu() };
    let mut memory =
        FeatureMemory::with(FeatureSpec::new(FeatureMap::SinCos, 5, 2, 4.0, 42), settings).unwrap();
    memory.absorb(&STORED).unwrap();
    memory.decay(0.5).unwrap();
    memory
}

fn features_given() -> FeatureMemory {
    let frequencies = Rows::new(vec![0.0, 1.0, -1.0, 0.5, 2.0, 0.0], 2).unwrap();
    let spec = FeatureSpec::given(FeatureMap::Cos, frequencies, Some(&[0.0, 0.5, 1.0]), 4.0).unwrap();
    let mut memory = FeatureMemory::with(spec, cpu()).unwrap();
    memory.absorb(&STORED).unwrap();
    memory
}

/// Those that are kept of this version are those that it writes; to be run when a format gets a new version.
pub(super) fn write_missing() {
    let new = folder();
    write_all(new.path());
    for name in super::names(new.path()) {
        let kept = fixtures().join(&name);
        if !kept.exists() {
            fs::copy(new.path().join(&name), &kept).unwrap();
            println!("written: {}", kept.display());
        }
    }
}

#[test]
fn arrays_of_every_version_are_read() {
    for name in [
        "numpy-1.npy",
        "numpy-2.npy",
        "numpy-3.npy",
        "numpy-deflated.npz",
        "own.npy",
        "own.npz",
        "own.safetensors",
    ] {
        let source = Source::open(fixtures().join(name)).unwrap();
        let (values, shape) = source.values(&["patterns"]).unwrap();
        assert_eq!((&values[..], shape), (&PATTERNS[..], vec![2, 3]), "{name}");
        if !name.ends_with(".npy") {
            assert_eq!(source.mask(&["keep"]).unwrap(), (vec![true, false], vec![2]), "{name}");
        }
    }
}

#[test]
fn stores_of_every_version_are_read_and_go_on() {
    for (name, kind) in
        [("store-numbers-1.safetensors", IdKind::Number), ("store-strings-1.safetensors", IdKind::Name)]
    {
        let folder = folder();
        for file in [name.to_owned(), format!("{name}.journal")] {
            fs::copy(fixtures().join(&file), folder.path().join(file)).unwrap();
        }
        let path = folder.path().join(name);
        is_that_store(&Ledger::open_read_only(&path).unwrap(), kind);
        let mut ledger = Ledger::open(&path).unwrap();
        ledger.compact().unwrap();
        is_that_store(&ledger, kind);
        ledger.add(Batch::new(&[[1.0, 2.0]]).ids(&[id(kind, 20)])).unwrap();
        drop(ledger);
        assert_eq!(Ledger::open_read_only(&path).unwrap().len(), 3);
    }
}

#[test]
fn feature_memories_of_every_version_are_read() {
    for (name, want) in [
        ("features-seed-1.safetensors", features_by_seed()),
        ("features-given-1.safetensors", features_given()),
    ] {
        let got = FeatureMemory::load(fixtures().join(name), &Device::cpu()).unwrap();
        assert_eq!((got.len(), got.weight()), (want.len(), want.weight()), "{name}");
        assert_eq!(got.mean().unwrap(), want.mean().unwrap());
        // The same frequencies and sums up to the rounding of another machine's cosines.
        let near = got.vector().iter().zip(want.vector()).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(near && got.vector().len() == want.vector().len(), "{name}: {:?}", got.vector());
    }
}

/// What is read and saved again is the same file, byte by byte, but for checksums that it did not have.
#[test]
fn what_is_loaded_and_saved_again_is_the_same_file() {
    let folder = folder();
    let same = |name: &str, again: &Path| {
        assert!(fs::read(again).unwrap() == fs::read(fixtures().join(name)).unwrap(), "{name}");
    };
    for name in ["own.npy", "own.npz", "own.safetensors"] {
        let source = Source::open(fixtures().join(name)).unwrap();
        let (values, shape) = source.values(&["patterns"]).unwrap();
        let patterns = Array { name: "patterns", shape, data: ArrayData::F32(&values) };
        let again = folder.path().join(name);
        if name.ends_with(".npy") {
            write(&again, &[patterns]).unwrap();
        } else {
            let (keep, shape) = source.mask(&["keep"]).unwrap();
            let keep = Array { name: "keep", shape, data: ArrayData::Bool(&keep) };
            write_with_metadata(&again, &[patterns, keep], &[("beta", "8"), ("about", "é")]).unwrap();
        }
        same(name, &again);
    }
    for name in ["features-seed-1.safetensors", "features-given-1.safetensors"] {
        let again = folder.path().join(name);
        FeatureMemory::load(fixtures().join(name), &Device::cpu()).unwrap().save(&again).unwrap();
        // The same but for checksums, which the earlier version did not have.
        let parts = |bytes: &[u8]| {
            let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            let header: serde_json::Value = serde_json::from_slice(&bytes[8..end]).unwrap();
            (header, bytes[end..].to_vec())
        };
        let new = without_checksums(&fs::read(&again).unwrap());
        assert_eq!(parts(&new), parts(&fs::read(fixtures().join(name)).unwrap()), "{name}");
    }
    // A store is written with a number drawn for each writing, and the count of writings: all else is the same, journals too.
    let new = folder.path().join("store.safetensors");
    for (name, kind) in
        [("store-numbers-1.safetensors", IdKind::Number), ("store-strings-1.safetensors", IdKind::Name)]
    {
        write_store(&new, kind);
        let tensors = |bytes: Vec<u8>| {
            let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
            bytes[8 + header..].to_vec()
        };
        let old = fs::read(fixtures().join(name)).unwrap();
        assert_eq!(tensors(without_checksums(&fs::read(&new).unwrap())), tensors(old), "{name}");
        let records = |path: &Path| fs::read(format!("{}.journal", path.display())).unwrap().len();
        assert_eq!(records(&new), records(&fixtures().join(name)), "{name}");
        fs::remove_file(&new).unwrap();
        fs::remove_file(format!("{}.journal", new.display())).unwrap();
    }
}

/// A file of a version to come is refused by its version, and left as it is.
#[test]
fn files_of_versions_to_come_are_refused() {
    let folder = folder();
    let changed = |name: &str, from: &[u8], to: &[u8]| {
        let mut bytes = fs::read(fixtures().join(name)).unwrap();
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        bytes.splice(at..at + from.len(), to.iter().copied());
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let version = (br#""version":"1""#, br#""version":"2""#);
    let store = changed("store-numbers-1.safetensors", version.0, version.1);
    let features = changed("features-seed-1.safetensors", version.0, version.1);
    let npy = changed("numpy-3.npy", b"NUMPY\x03", b"NUMPY\x04");
    let refusals = [
        (
            Ledger::open(&store).unwrap_err(),
            "version 2 of the format 'attractor store', and version 1 is known",
        ),
        (Ledger::open_read_only(&store).unwrap_err(), "a later one"),
        (
            FeatureMemory::load(&features, &Device::cpu()).err().unwrap(),
            "version 2 of the format 'attractor features'",
        ),
        (Source::open(&npy).unwrap().values(&[]).unwrap_err(), "version 4.0 of the .npy format"),
    ];
    for (error, want) in refusals {
        assert!(error.to_string().contains(want), "{error}");
    }

    let store = changed("store-strings-1.safetensors", b"F16", b"F16");
    let mut journal = fs::read(fixtures().join("store-strings-1.safetensors.journal")).unwrap();
    journal[7] = b'2';
    let checksum = crc32fast::hash(&journal[..16]);
    journal[16..20].copy_from_slice(&checksum.to_le_bytes());
    let beside = folder.path().join("store-strings-1.safetensors.journal");
    fs::write(&beside, &journal).unwrap();
    for error in [Ledger::open(&store).unwrap_err(), Ledger::open_read_only(&store).unwrap_err()] {
        assert!(error.to_string().contains("version 2 of the format 'attractor store journal'"), "{error}");
    }
    assert_eq!(fs::read(beside).unwrap(), journal);
}
