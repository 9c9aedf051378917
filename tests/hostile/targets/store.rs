//! Stores: the file, and the journal beside it.

use super::{Scratch, accepted, bits, within};
use attractor::{
    Device, Rows,
    store::{Batch, Id, IdKind, Ledger, Settings, Store},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// Header, ids as strings in tables, rows and payloads; a change is in memory as read and as entered.
const PER_BYTE: usize = 128;
const FIXED: usize = 1 << 18;

/// The stamp that [`stamped`] gives a store.
pub(crate) const STAMP: u64 = 0x0123_4567_89ab_cdef;
const HEAD: usize = 24;

pub(super) fn image(bytes: &[u8], scratch: &Scratch) {
    // As it is, and as if all that is in it had been meant.
    for bytes in [bytes, &resealed(bytes)] {
        let path = scratch.file("read.safetensors", bytes);
        let _ = fs::remove_file(beside(&path, ".journal"));
        check(&path, PER_BYTE * bytes.len() + FIXED);
    }
}

/// The first byte says what the others are: 0 a journal of a store with numbers, 1 one of a store with strings; 2 and
/// 3 the same, but bodies of records, each behind its length (`u16`), to which head and checksums are made here; 4 as
/// 2, behind a file of its own and the length of that (`u32`).
pub(super) fn journal(bytes: &[u8], scratch: &Scratch) {
    let Some((mode, rest)) = bytes.split_first() else { return };
    static FILES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let [numbers, names] = FILES.get_or_init(|| [sample(IdKind::Number), sample(IdKind::Name)]);
    let (file, journal) = match mode {
        0 => (&numbers[..], rest.to_vec()),
        1 => (&names[..], rest.to_vec()),
        2 => (&numbers[..], recorded(rest, STAMP)),
        3 => (&names[..], recorded(rest, STAMP)),
        4 => {
            let Some((length, rest)) = rest.split_first_chunk() else { return };
            let length = (u32::from_le_bytes(*length) as usize).min(rest.len());
            let (file, records) = rest.split_at(length);
            (file, recorded(records, STAMP))
        }
        _ => return,
    };
    let path = scratch.file("read.safetensors", file);
    scratch.file("read.safetensors.journal", &journal);
    check(&path, PER_BYTE * (file.len() + journal.len()) + FIXED);
}

/// Opens a store in each way, and compares it with itself after it has been written anew.
fn check(path: &Path, limit: usize) {
    let Some(ledger) = accepted(within(limit, || Ledger::open_read_only(path)), path) else { return };
    let info = ledger.info();
    let ids = accepted(within(limit, || ledger.ids()), path);
    let mut entries = Vec::new();
    for id in ids.iter().flatten() {
        // Where the file's order is none, what is there may not be found: that is no error of reading.
        let entry = accepted(within(limit, || ledger.get(id)), path).flatten();
        if let Some(entry) = &entry {
            assert_eq!(entry.pattern.len(), info.dim);
        }
        entries.push(entry);
    }
    for absent in [Id::from(u64::MAX), Id::from("\u{0}absent")] {
        accepted(ledger.contains(&absent), path);
    }
    drop(ledger);
    if info.patterns * info.dim <= 1 << 10
        && let Err(error) = Store::open_read_only(path, &Device::cpu())
    {
        super::legible(&error);
    }

    let Some(mut ledger) = accepted(within(limit, || Ledger::open(path)), path) else { return };
    assert_eq!(ledger.info().patterns, info.patterns);
    // What is written goes through memory as well.
    if accepted(within(2 * limit, || ledger.compact()), path).is_none() {
        return;
    }
    drop(ledger);
    let again = Ledger::open_read_only(path).expect("what was written anew is read");
    let ids = ids.expect("nothing is written anew that cannot be read");
    assert_eq!(again.ids().expect("the ids"), ids);
    let after = again.info();
    assert_eq!((after.dim, after.next, after.settings), (info.dim, info.next, info.settings));
    for (id, before) in ids.iter().zip(entries) {
        let entry = again.get(id).expect("an entry").expect("every id is found in a file written anew");
        if let Some(before) = before {
            assert_eq!((bits(&entry.pattern), entry.payload), (bits(&before.pattern), before.payload));
        }
    }
}

/// The path with a suffix added to its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The file of a small store with this kind of ids.
pub(crate) fn sample(ids: IdKind) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("store.safetensors");
    let rows = Rows::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2).expect("rows");
    let names = [Id::from("b"), Id::from("a"), Id::from("é")];
    let payloads = [b"one".to_vec(), Vec::new(), b"three".to_vec()];
    let batch = Batch::new(&rows).payloads(&payloads);
    let batch = if ids == IdKind::Name { batch.ids(&names) } else { batch };
    drop(Ledger::create(&path, Settings { ids, ..Settings::default() }, batch).expect("a store"));
    stamped(fs::read(path).expect("its file"))
}

/// A store's file with the stamp of all that are made here, in place of the one that was drawn.
pub(crate) fn stamped(mut file: Vec<u8>) -> Vec<u8> {
    let key = b"\"stamp\":\"";
    let at = file.windows(key.len()).position(|part| part == key).expect("a stamp") + key.len();
    file[at..at + 16].copy_from_slice(format!("{STAMP:016x}").as_bytes());
    resealed(&file)
}

/// A file with the checksums that it should have, where it says that it has some: what it says can be looked into then.
pub(crate) fn resealed(file: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 1 << 16;
    let mut file = file.to_vec();
    let offset = |key: &str| -> Option<usize> {
        let length = usize::try_from(u64::from_le_bytes(*file.first_chunk()?)).ok()?;
        let header = std::str::from_utf8(file.get(8..8_usize.checked_add(length)?)?).ok()?;
        let of = &header[header.find(key)?..];
        let digits = of.split_once("\"data_offsets\":[")?.1;
        let from: usize = digits.split(',').next()?.parse().ok()?;
        from.checked_add(8 + length)
    };
    let Some(at) = offset("\"checksums\":{").filter(|at| *at <= file.len()) else { return file };
    let (before, sums) = file.split_at_mut(at);
    let mut made: Vec<u8> =
        before.chunks(BLOCK).flat_map(|block| crc32fast::hash(block).to_le_bytes()).collect();
    made.extend(crc32fast::hash(&made).to_le_bytes());
    if made.len() == sums.len() {
        sums.copy_from_slice(&made);
    }
    file
}

/// A journal of bodies that stand one after another, each behind its length.
pub(crate) fn recorded(mut bodies: &[u8], stamp: u64) -> Vec<u8> {
    let mut journal = journal_head(stamp);
    while let Some((length, rest)) = bodies.split_first_chunk() {
        let (body, rest) = rest.split_at(rest.len().min(u16::from_le_bytes(*length).into()));
        bodies = rest;
        let length = (body.len() as u64).to_le_bytes();
        let place = [stamp.to_le_bytes(), (journal.len() as u64).to_le_bytes(), length].concat();
        journal.extend(length);
        journal.extend(crc32fast::hash(&place).to_le_bytes());
        journal.extend(crc32fast::hash(body).to_le_bytes());
        journal.extend(body);
    }
    journal
}

/// What a journal begins with.
pub(crate) fn journal_head(stamp: u64) -> Vec<u8> {
    let mut head = [&b"ATTRJRN1"[..], &stamp.to_le_bytes()].concat();
    head.extend(crc32fast::hash(&head).to_le_bytes());
    head.resize(HEAD, 0);
    head
}
