//! A memory with a life: what is stored, changed and forgotten, on the disk and in memory.

use crate::common::{Random, devices, without_checksums};
use attractor::{
    Error,
    memory::NO_PATTERN,
    narrow::Offset,
    prelude::*,
    store::{self, Ask, Batch, Id, IdKind, Ledger, OpenOptions, Settings, Store},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tempfile::TempDir;

fn desk() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    (folder, path)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

fn numbers(range: std::ops::Range<u64>) -> Vec<Id> {
    range.map(Id::from).collect()
}

fn names(of: &[&str]) -> Vec<Id> {
    of.iter().map(|name| Id::from(*name)).collect()
}

fn named() -> Settings {
    Settings { ids: IdKind::Name, ..Settings::default() }
}

/// Patterns and payloads by id.
type Content = BTreeMap<Id, (Vec<f32>, Vec<u8>)>;

/// All that a ledger has.
fn content(ledger: &Ledger) -> Content {
    let entry = |id: Id| {
        let entry = ledger.get(&id).unwrap().unwrap();
        (id, (entry.pattern, entry.payload))
    };
    ledger.ids().unwrap().into_iter().map(entry).collect()
}

#[test]
fn what_is_stored_is_there_when_it_is_opened_again() {
    for precision in [Precision::F32, Precision::F16] {
        for kind in [IdKind::Number, IdKind::Name] {
            let (_folder, path) = desk();
            let id = |i: u64| match kind {
                IdKind::Number => Id::from(1000 - i),
                IdKind::Name => Id::from(&*format!("é{i}")),
            };
            let x = |i: u64| [i as f32, -0.5, 0.25];
            let payload = |i: u64| vec![i as u8; (i % 3) as usize];
            let settings =
                Settings { similarity: Similarity::L1, beta: Beta::Fixed(2.5), precision, ids: kind };
            let batch = |range: std::ops::Range<u64>| -> (Vec<[f32; 3]>, Vec<Id>, Vec<Vec<u8>>) {
                (
                    range.clone().map(x).collect(),
                    range.clone().map(id).collect(),
                    range.map(payload).collect(),
                )
            };
            let (rows, ids, payloads) = batch(0..6);
            let ledger =
                Ledger::create(&path, settings, Batch::new(&rows).ids(&ids).payloads(&payloads)).unwrap();
            drop(ledger);
            let mut want: Content = (0..6).map(|i| (id(i), (x(i).to_vec(), payload(i)))).collect();
            assert!(!beside(&path, ".journal").exists());

            let mut ledger = Ledger::open(&path).unwrap();
            assert_eq!(content(&ledger), want);
            let (rows, ids, payloads) = batch(6..9);
            assert_eq!(ledger.add(Batch::new(&rows).ids(&ids).payloads(&payloads)).unwrap(), ids);
            ledger.forget(&[id(1), id(7)]).unwrap();
            ledger.replace(Batch::new(&[[9.0, 9.0, 9.0], [8.0, 8.0, 8.0]]).ids(&[id(0), id(7)])).unwrap();
            want.extend((6..9).map(|i| (id(i), (x(i).to_vec(), payload(i)))));
            want.remove(&id(1));
            want.insert(id(0), (vec![9.0; 3], Vec::new()));
            want.insert(id(7), (vec![8.0; 3], Vec::new()));
            assert_eq!(content(&ledger), want);
            assert_eq!(ledger.info().empty, 3);
            drop(ledger);

            let ledger = Ledger::open_read_only(&path).unwrap();
            assert_eq!((content(&ledger), ledger.info().settings), (want.clone(), settings));
            assert!(ledger.info().journal_bytes > 0 && ledger.info().generation == 1);
            drop(ledger);
            let mut ledger = Ledger::open(&path).unwrap();
            ledger.compact().unwrap();
            assert_eq!(content(&ledger), want);
            ledger.forget(&[id(8)]).unwrap();
            want.remove(&id(8));
            drop(ledger);
            let ledger = Ledger::open_read_only(&path).unwrap();
            assert_eq!((content(&ledger), ledger.info().generation), (want, 2));
            assert!(!ledger.contains(&id(8)).unwrap() && ledger.get(&Id::from("?")).unwrap().is_none());
        }
    }
}

/// As Python's safetensors reads it.
#[test]
fn the_file_is_plain_safetensors() {
    let (_folder, path) = desk();
    let payloads = [b"one".to_vec(), Vec::new(), b"three".to_vec()];
    let ids = names(&["b", "é", "a"]);
    let rows = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    let settings = Settings { beta: Beta::Fixed(0.1), ..named() };
    Ledger::create(&path, settings, Batch::new(&rows).ids(&ids).payloads(&payloads)).unwrap();
    let bytes = fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let patterns = file.tensor("patterns").unwrap();
    assert_eq!((patterns.dtype(), patterns.shape()), (safetensors::Dtype::F32, &[3, 2][..]));
    let values: Vec<f32> =
        patterns.data().chunks(4).map(|v| f32::from_le_bytes(v.try_into().unwrap())).collect();
    assert_eq!(values, rows.concat());
    let ends = |name: &str| -> Vec<u64> {
        let ends = file.tensor(name).unwrap();
        assert_eq!((ends.dtype(), ends.shape()), (safetensors::Dtype::U64, &[3][..]));
        ends.data().chunks(8).map(|v| u64::from_le_bytes(v.try_into().unwrap())).collect()
    };
    assert_eq!((file.tensor("ids").unwrap().data(), ends("ids.ends")), ("béa".as_bytes(), vec![1, 3, 4]));
    assert_eq!(file.tensor("payloads").unwrap().data(), b"onethree");
    assert_eq!(ends("payloads.ends"), [3, 3, 8]);
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap();
    for (key, want) in [
        ("format", "attractor store"),
        ("similarity", "l2"),
        ("beta", "0.1"),
        ("precision", "f32"),
        ("ids", "string"),
    ] {
        assert_eq!(metadata[key], want);
    }
    // The library's own reader as well.
    assert_eq!(attractor::io::Source::open(&path).unwrap().matrix(&["patterns"]).unwrap().rows(), 3);
}

#[test]
fn what_is_wrong_is_named_and_changes_nothing() {
    let (folder, path) = desk();
    let mut ledger =
        Ledger::create(&path, Settings::default(), Batch::new(&[[0.0, 1.0], [1.0, 0.0]])).unwrap();
    let before = content(&ledger);
    let row: &[[f32; 2]] = &[[5.0, 5.0]];
    let two = [[5.0, 5.0], [6.0, 6.0]];
    let mut refused = |want: &str, batch: Batch<'_>| {
        let error = ledger.add(batch).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    };
    refused("id is '1'; it must be new", Batch::new(&row).ids(&numbers(1..2)));
    refused("'7', twice", Batch::new(&two).ids(&[Id::from(7), Id::from(7)]));
    refused("'x' (string)", Batch::new(&row).ids(&names(&["x"])));
    refused("ids (one per pattern): got 2, want 1", Batch::new(&row).ids(&numbers(5..7)));
    refused("payloads (one per pattern): got 1, want 2", Batch::new(&two).payloads(&[vec![1]]));
    refused("columns of patterns", Batch::new(&[[1.0, 2.0, 3.0]]));
    refused("row 0, column 1 is NaN", Batch::new(&[[1.0, f32::NAN]]));
    let error = ledger.forget(&numbers(1..5)).unwrap_err().to_string();
    assert!(error.contains("'2', '3', '4'; it must be that of a stored pattern"), "{error}");
    assert!(ledger.forget(&[Id::from(1), Id::from(1)]).unwrap_err().to_string().contains("twice"));
    assert_eq!((content(&ledger), ledger.info().journal_bytes), (before, 0));

    drop(ledger);
    let again = Ledger::create(&path, Settings::default(), Batch::new(&row)).unwrap_err().to_string();
    assert!(again.contains("there is a file of that name"), "{again}");
    let other = folder.path().join("m.npz");
    assert!(Ledger::create(&other, Settings::default(), Batch::new(&row)).is_err());
    assert!(matches!(Ledger::open(folder.path().join("no.safetensors")), Err(Error::File { .. })));
    let plain = folder.path().join("plain.safetensors");
    attractor::io::write(
        &plain,
        &[attractor::io::Array {
            name: "patterns",
            shape: vec![1, 1],
            data: attractor::io::ArrayData::F32(&[1.0]),
        }],
    )
    .unwrap();
    assert!(Ledger::open(&plain).unwrap_err().to_string().contains("it is no store"));
    let mut reader = Ledger::open_read_only(&path).unwrap();
    assert!(reader.forget(&numbers(0..1)).unwrap_err().to_string().contains("opened for reading"));
}

#[test]
fn numbers_count_on_and_are_not_given_twice() {
    let (_folder, path) = desk();
    let mut ledger = Ledger::create(&path, Settings::default(), Batch::new(&Rows::empty(2))).unwrap();
    assert_eq!(ledger.add(Batch::new(&[[1.0, 1.0], [2.0, 2.0]])).unwrap(), numbers(0..2));
    ledger.forget(&numbers(1..2)).unwrap();
    ledger.add(Batch::new(&[[3.0, 3.0]]).ids(&numbers(10..11))).unwrap();
    ledger.forget(&numbers(10..11)).unwrap();
    ledger.compact().unwrap();
    drop(ledger);
    let mut ledger = Ledger::open(&path).unwrap();
    assert_eq!(ledger.add(Batch::new(&[[4.0, 4.0]])).unwrap(), numbers(11..12));
    ledger.add(Batch::new(&[[5.0, 5.0]]).ids(&[Id::from(u64::MAX)])).unwrap();
    assert!(ledger.add(Batch::new(&[[6.0, 6.0]])).unwrap_err().to_string().contains("next id"));
}

/// A store with a journal of several records, and what it held after each.
fn lived() -> (TempDir, PathBuf, Vec<Content>) {
    let (folder, path) = desk();
    let mut ledger = Ledger::create(&path, named(), Batch::new(&[[0.0, 1.0]]).ids(&names(&["a"]))).unwrap();
    let mut states = vec![content(&ledger)];
    ledger
        .add(Batch::new(&[[2.0, 3.0], [4.0, 5.0]]).ids(&names(&["b", "c"])).payloads(&[vec![1, 2], vec![]]))
        .unwrap();
    states.push(content(&ledger));
    ledger.forget(&names(&["a"])).unwrap();
    states.push(content(&ledger));
    ledger.replace(Batch::new(&[[6.0, 7.0]]).ids(&names(&["c"])).payloads(&[vec![3]])).unwrap();
    states.push(content(&ledger));
    (folder, path, states)
}

#[test]
fn a_journal_cut_anywhere_gives_the_operations_before_the_cut() {
    let (_folder, path, states) = lived();
    let journal = beside(&path, ".journal");
    let whole = fs::read(&journal).unwrap();
    let mut reached = 0;
    for length in 0..=whole.len() {
        fs::write(&journal, &whole[..length]).unwrap();
        let got = content(&Ledger::open_read_only(&path).unwrap());
        let at = states.iter().position(|state| *state == got).unwrap();
        assert!(at == reached || at == reached + 1, "{length} bytes: state {at} after {reached}");
        reached = at;
        if length % 5 == 0 {
            // A writer cuts what is torn and goes on behind it.
            let mut ledger = Ledger::open(&path).unwrap();
            assert_eq!(content(&ledger), got);
            ledger.add(Batch::new(&[[9.0, 9.0]]).ids(&names(&["z"]))).unwrap();
            let want = content(&ledger);
            drop(ledger);
            assert_eq!(content(&Ledger::open_read_only(&path).unwrap()), want);
        }
    }
    assert_eq!(reached, states.len() - 1);
}

#[test]
fn a_changed_byte_of_a_journal_is_found() {
    let (_folder, path, _) = lived();
    let journal = beside(&path, ".journal");
    let whole = fs::read(&journal).unwrap();
    for at in 0..whole.len() {
        for bit in [1, 0x80] {
            let mut changed = whole.clone();
            changed[at] ^= bit;
            fs::write(&journal, &changed).unwrap();
            let error = Ledger::open_read_only(&path).unwrap_err().to_string();
            assert!(error.contains("m.safetensors.journal: the record at byte"), "byte {at}: {error}");
            assert!(Ledger::open(&path).is_err());
            assert_eq!(fs::read(&journal).unwrap(), changed, "damage is left as it is");
        }
    }
}

#[test]
fn a_journal_of_the_file_before_is_not_applied_again() {
    let (_folder, path, states) = lived();
    let last = states.last().unwrap();
    let journal = beside(&path, ".journal");
    let stale = fs::read(&journal).unwrap();
    Ledger::open(&path).unwrap().compact().unwrap();
    assert!(!journal.exists());
    // As if the writer had been stopped between the new file and the end of the journal.
    fs::write(&journal, &stale).unwrap();
    assert_eq!(content(&Ledger::open_read_only(&path).unwrap()), *last);
    let mut ledger = Ledger::open(&path).unwrap();
    assert_eq!(content(&ledger), *last);
    ledger.forget(&names(&["b"])).unwrap();
    drop(ledger);
    let ledger = Ledger::open_read_only(&path).unwrap();
    assert_eq!(ledger.ids().unwrap(), names(&["c"]));
    // Two files later it is no one's.
    let mut ledger = Ledger::open(&path).unwrap();
    ledger.compact().unwrap();
    drop(ledger);
    fs::write(&journal, &stale).unwrap();
    for error in [Ledger::open_read_only(&path).unwrap_err(), Ledger::open(&path).unwrap_err()] {
        assert!(error.to_string().contains("does not go with"), "{error}");
    }
    assert_eq!(fs::read(&journal).unwrap(), stale);
}

#[test]
fn a_changed_byte_of_the_file_is_found_at_opening() {
    let (_folder, path, _) = lived();
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        for change in [1, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] ^= change;
            fs::write(&path, &changed).unwrap();
            let error = Ledger::open_read_only(&path).unwrap_err().to_string();
            assert!(error.contains("m.safetensors: "), "byte {at}: {error}");
            let read = store::source(&path).and_then(|source| source.matrix(&["patterns"]).map(drop));
            assert!(Ledger::open(&path).is_err() && read.is_err(), "byte {at}");
            assert!(Store::open_read_only(&path, &Device::cpu()).is_err(), "byte {at}");
        }
    }
    fs::write(&path, &whole).unwrap();
    assert!(Ledger::open_read_only(&path).unwrap().info().checksums);
}

/// Of a large file, what is read is looked at, and what is written anew is read.
#[test]
fn a_changed_byte_of_a_large_file_is_found_by_what_reads_it() {
    let (_folder, path) = desk();
    let rows = Random::new(83).rows(70_000, 64, 1.0);
    let payloads = vec![b"payload".to_vec(); 70_000];
    let batch = Batch::new(&rows).payloads(&payloads);
    drop(Ledger::create(&path, Settings::default(), batch).unwrap());
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() > 17 << 20);
    // In the midst of the patterns, which are the last but the payloads.
    let at = whole.len() - 70_000 * 7 - 35_000 * 64 * 4;
    let mut changed = whole.clone();
    changed[at] ^= 2;
    fs::write(&path, &changed).unwrap();
    let mut ledger = Ledger::open(&path).unwrap();
    assert!(ledger.get(&Id::from(2)).unwrap().is_some());
    let damaged = |error: Error| {
        let text = error.to_string();
        assert!(text.contains("do not fit their checksum") && text.contains("m.safetensors: "), "{text}");
    };
    // Its neighbours share the block.
    damaged(ledger.get(&Id::from(34_999)).unwrap_err());
    damaged(ledger.check().unwrap_err());
    ledger.add(Batch::new(&Rows::new(vec![0.5; 64], 64).unwrap())).unwrap();
    damaged(ledger.compact().unwrap_err());
    assert_eq!(fs::read(&path).unwrap(), changed, "damage is left as it is");
    drop(ledger);
    damaged(Store::open_read_only(&path, &Device::cpu()).unwrap_err());
    damaged(store::source(&path).unwrap_err());
    fs::write(&path, &whole).unwrap();
    let store = Store::open(&path, &Device::cpu()).unwrap();
    store.compact().unwrap();
    assert_eq!(store.len(), 70_001);
}

/// An offset is read at opening, however large the file is.
#[test]
fn a_changed_byte_of_the_offset_of_a_large_file_is_found_at_opening() {
    let (_folder, path) = desk();
    let rows = Random::new(84).rows(70_000, 64, 1.0);
    let columns: Vec<f64> = (0..64).map(|column| 1234.5678 + f64::from(column)).collect();
    let offset = Offset::new(columns).unwrap();
    let batch = Batch::new(&rows).offset(Some(&offset));
    drop(Ledger::create(&path, Settings::default(), batch).unwrap());
    assert_eq!(Ledger::open_read_only(&path).unwrap().offset(), Some(&offset));
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 17 << 20);
    let at = bytes.windows(8).position(|bytes| bytes == 1234.5678_f64.to_le_bytes()).unwrap();
    bytes[at + 5] ^= 1;
    fs::write(&path, &bytes).unwrap();
    for error in [Ledger::open_read_only(&path).unwrap_err(), store::source(&path).unwrap_err()] {
        assert!(error.to_string().contains("do not fit their checksum"), "{error}");
    }
}

#[test]
fn a_file_of_an_earlier_version_is_read_and_has_checksums_when_it_is_written_anew() {
    let (_folder, path, states) = lived();
    fs::write(&path, without_checksums(&fs::read(&path).unwrap())).unwrap();
    let mut ledger = Ledger::open(&path).unwrap();
    assert_eq!((content(&ledger), ledger.info().checksums), (states.last().unwrap().clone(), false));
    ledger.check().unwrap();
    ledger.compact().unwrap();
    assert!(ledger.info().checksums);
    drop(ledger);
    assert_eq!(content(&Ledger::open_read_only(&path).unwrap()), *states.last().unwrap());
}

/// What reads files of numbers sees the store as it is, and never its file without the journal.
#[test]
fn a_store_is_read_as_it_is_now() {
    let (_folder, path, _) = lived();
    let ledger = Ledger::open_read_only(&path).unwrap();
    let ids = ledger.ids().unwrap();
    assert_eq!(ids, names(&["b", "c"]));
    let rows: Vec<f32> = ids.iter().flat_map(|id| ledger.get(id).unwrap().unwrap().pattern).collect();
    assert_eq!(rows, [2.0, 3.0, 6.0, 7.0]);
    for journal in [true, false] {
        let source = store::source(&path).unwrap();
        assert_eq!(source.matrix(&["patterns"]).unwrap().as_slice(), rows);
        assert_eq!(source.shared(&["patterns"]).unwrap().0.as_ref().as_ref(), rows);
        assert_eq!(source.matrix_f64(&["patterns"]).unwrap().1, 2);
        assert_eq!(store::ids(&source).unwrap(), Some(ids.clone()));
        let alone = attractor::io::Source::open(&path);
        assert_eq!(
            alone.is_err(),
            journal,
            "what does not know of journals must not read a store that has one"
        );
        if let Err(error) = alone {
            assert!(error.to_string().contains("in the journal beside it"), "{error}");
            Ledger::open(&path).unwrap().compact().unwrap();
        }
    }
    let plain = path.with_file_name("plain.safetensors");
    let data = attractor::io::ArrayData::F32(&[1.0]);
    attractor::io::write(&plain, &[attractor::io::Array { name: "patterns", shape: vec![1, 1], data }])
        .unwrap();
    let source = store::source(&plain).unwrap();
    assert_eq!((source.matrix(&[]).unwrap().rows(), store::ids(&source).unwrap()), (1, None));
}

#[test]
fn another_writer_can_be_waited_for() {
    let (_folder, path, _) = lived();
    let writer = Ledger::open(&path).unwrap();
    let briefly = OpenOptions { wait: Duration::from_millis(30), ..OpenOptions::default() };
    assert!(matches!(Ledger::open_with(&path, &briefly), Err(Error::Busy { .. })));
    let patient = OpenOptions { wait: Duration::from_secs(600), ..OpenOptions::default() };
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let store = Store::open_with(&path, &Device::cpu(), &patient)?;
            store.forget(&names(&["b"]))
        });
        std::thread::sleep(Duration::from_millis(50));
        drop(writer);
        waiting.join().unwrap().unwrap();
    });
    assert_eq!(Ledger::open_read_only(&path).unwrap().ids().unwrap(), names(&["c"]));
}

/// The journal is an eighth of the file at most, unless that is not wanted.
#[test]
fn a_long_journal_is_ended_by_itself_or_not() {
    let (_folder, path) = desk();
    let mut random = Random::new(84);
    let first = random.rows(20_000, 128, 1.0);
    drop(Ledger::create(&path, Settings::default(), Batch::new(&first)).unwrap());
    let more = random.rows(400, 128, 1.0);
    let mut ledger = Ledger::open(&path).unwrap();
    let share = ledger.info().file_bytes / 8;
    let mut longest = 0;
    while ledger.info().generation == 1 {
        longest = ledger.info().journal_bytes;
        assert!(longest <= share, "{longest} of {share}");
        ledger.add(Batch::new(&more)).unwrap();
    }
    assert!(share > 1 << 20 && longest > share / 2, "{longest} of {share}");
    let stored = ledger.len();
    drop(ledger);
    let never = OpenOptions { compact: false, ..OpenOptions::default() };
    let mut ledger = Ledger::open_with(&path, &never).unwrap();
    for _ in 0..12 {
        ledger.add(Batch::new(&more)).unwrap();
    }
    ledger.forget(&numbers(0..15_000)).unwrap();
    let info = ledger.info();
    assert_eq!((info.generation, info.patterns), (2, stored + 4800 - 15_000));
    assert!(info.journal_bytes > info.file_bytes / 8);
    drop(ledger);
    // The next change of one who wants it makes up for that.
    let store = Store::open(&path, &Device::cpu()).unwrap();
    store.forget(&numbers(15_000..15_001)).unwrap();
    assert_eq!((store.info().generation, store.info().journal_bytes, store.info().empty), (3, 0, 0));
}

#[test]
fn a_second_writer_is_refused_and_readers_are_not() {
    let (_folder, path, states) = lived();
    let writer = Ledger::open(&path).unwrap();
    let error = Ledger::open(&path).unwrap_err().to_string();
    assert!(error.contains("cannot lock: another program is writing to this store"), "{error}");
    assert_eq!(content(&Ledger::open_read_only(&path).unwrap()), *states.last().unwrap());
    #[cfg(unix)]
    {
        let link = path.with_file_name("link.safetensors");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(Ledger::open(&link).is_err());
    }
    drop(writer);
    Ledger::open(&path).unwrap();
}

#[test]
fn the_file_is_written_anew_when_it_is_time() {
    let (_folder, path) = desk();
    let mut random = Random::new(81);
    let mut ledger =
        Ledger::create(&path, Settings::default(), Batch::new(&random.rows(3000, 64, 1.0))).unwrap();
    // 768 kB of patterns, of which an eighth is less than the least of a long journal, 1 MiB.
    for _ in 0..5 {
        ledger.add(Batch::new(&random.rows(1000, 64, 1.0))).unwrap();
    }
    assert_eq!((ledger.info().generation, ledger.len()), (2, 8000));
    ledger.forget(&numbers(0..3999)).unwrap();
    assert_eq!((ledger.info().generation, ledger.info().empty), (2, 3999));
    ledger.forget(&numbers(3999..4001)).unwrap();
    assert_eq!((ledger.info().generation, ledger.info().empty), (3, 0));
    drop(ledger);
    assert_eq!(Ledger::open_read_only(&path).unwrap().ids().unwrap(), numbers(4001..8000));
}

/// The recall of a store, however it came to be what it is, is that of a memory of its patterns.
#[test]
fn a_store_recalls_as_a_memory_of_what_it_has() {
    let mut random = Random::new(82);
    let x = random.rows(120, 5, 1.0);
    let q = random.rows(4, 5, 1.0);
    for (name, device) in devices() {
        for precision in [Precision::F32, Precision::F16] {
            if name != "cpu" && precision == Precision::F32 && name != "direct" {
                continue;
            }
            let (_folder, path) = desk();
            let settings = Settings { precision, ..Settings::default() };
            let store = Store::create(&path, settings, Batch::new(&x.slice(0..60)), &device).unwrap();
            store.recall(&q).unwrap();
            store.add(Batch::new(&x.slice(60..100))).unwrap();
            store.forget(&numbers(5..25)).unwrap();
            store.replace(Batch::new(&x.slice(100..120)).ids(&numbers(30..50))).unwrap();
            let left: Vec<u64> = (0..5).chain(25..30).chain(50..100).chain(30..50).collect();
            let of = |id: u64| x.row(if (30..50).contains(&id) { id as usize + 70 } else { id as usize });
            let rows: Vec<&[f32]> = left.iter().map(|id| of(*id)).collect();
            let rows = Rows::new(rows.concat(), 5).unwrap();
            let want = DenseMemory::builder().device(&device).precision(precision).build(&rows).unwrap();
            let want = want.recall(&q).unwrap();
            let check = |store: &Store| {
                let got = store.recall(&q).unwrap();
                assert!((got.recall.beta / want.beta - 1.0).abs() < 1e-4, "{name} {precision}");
                for i in 0..4 {
                    // Fixed points of 100 patterns of size 3 that a sharp beta tells apart.
                    let pairs = got.recall.states.row(i).iter().zip(want.states.row(i));
                    assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-3), "{name} {precision}");
                    let best = left[want.indices[i * 5] as usize];
                    assert_eq!(*got.top(i).next().unwrap().0, Id::from(best), "{name} {precision}");
                }
            };
            check(&store);
            drop(store);
            let store = Store::open(&path, &device).unwrap();
            check(&store);
            store.compact().unwrap();
            check(&store);
            check(&Store::open_read_only(&path, &device).unwrap());
        }
    }
}

#[test]
fn an_answer_can_be_narrowed_and_has_payloads() {
    let (_folder, path) = desk();
    let rows = [[0.0, 0.0], [1.0, 0.0], [4.0, 0.0]];
    let payloads = [b"zero".to_vec(), b"one".to_vec(), Vec::new()];
    let settings = Settings { beta: Beta::Fixed(4.0), ..named() };
    let batch = Batch::new(&rows).payloads(&payloads);
    let ids = names(&["zero", "one", "four"]);
    let store = Store::create(&path, settings, batch.ids(&ids), &Device::cpu()).unwrap();
    let ask = Ask { payloads: true, among: Some(&ids[1..]), ..Ask::default() };
    let answer = store.recall_with(&[0.0, 0.0], &ask).unwrap();
    // Two may answer, and there is no third.
    assert_eq!(answer.ids, [Some(Id::from("one")), Some(Id::from("four")), None]);
    assert_eq!((answer.recall.indices[2], answer.recall.weights[2]), (NO_PATTERN, 0.0));
    assert_eq!(answer.payloads.unwrap().iter().collect::<Vec<_>>(), [&b"one"[..], b"", b""]);
    assert!(answer.recall.weights[0] > 0.999);
    let unknown = names(&["one", "two"]);
    let ask = Ask { among: Some(&unknown), ..Ask::default() };
    assert!(store.recall_with(&[0.0, 0.0], &ask).unwrap_err().to_string().contains("'two'"));
    store.forget(&ids).unwrap();
    assert!(matches!(store.recall(&[0.0, 0.0]), Err(Error::EmptyMemory)));
    assert!(store.is_empty());
}

/// Readers on threads of their own and in rayon's loops, while one thread changes the store: every recall sees whole
/// operations, and none waits for ever.
#[test]
fn threads_recall_while_one_changes() {
    use rayon::prelude::*;
    let (_folder, path) = desk();
    // In round `r`, the pattern of id `i` is (10 i + 1000 r, 1).
    let rows = |r: u64| (0..10).map(|i| [(10 * i + 1000 * r) as f32, 1.0]).collect::<Vec<_>>();
    let settings = Settings { beta: Beta::Fixed(4.0), ..Settings::default() };
    let store = Store::create(&path, settings, Batch::new(&rows(0)), &Device::cpu()).unwrap();
    let done = AtomicBool::new(false);
    let look = || {
        let ask =
            Ask { options: RecallOptions { top_k: Some(99), ..RecallOptions::default() }, ..Ask::default() };
        let answer = store.recall_with(&[[-1e5, 1.0], [1e5, 1.0]], &ask).unwrap();
        assert_eq!(answer.recall.top_k, 99);
        assert!(answer.ids[10..99].iter().all(Option::is_none));
        let mut ids: Vec<Id> = answer.top(0).map(|(id, _)| id.clone()).collect();
        ids.sort();
        assert_eq!(ids, numbers(0..10));
        assert_eq!((answer.top(0).next().unwrap().0, answer.top(1).next().unwrap().0), (&ids[0], &ids[9]));
        // Both ends are of one round.
        let (low, high) = (answer.recall.states.row(0), answer.recall.states.row(1));
        assert_eq!((low[0] + 90.0, low[0] % 1000.0), (high[0], 0.0));
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    look();
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                (0..16).into_par_iter().for_each(|_| look());
            }
        });
        for round in 1..30 {
            store.replace(Batch::new(&rows(round)).ids(&numbers(0..10))).unwrap();
            if round % 10 == 0 {
                store.compact().unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    look();
    assert_eq!((store.len(), store.info().generation), (10, 3));
}

/// Whoever opens a store while another writes it, and writes its file anew, sees whole operations, and never an
/// earlier state than before.
#[test]
fn a_store_can_be_opened_at_any_moment_of_writing() {
    let (_folder, path) = desk();
    let rows = [[1.0, 2.0]; 10];
    let mut writer = Ledger::create(&path, Settings::default(), Batch::new(&rows)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let (mut last, mut looks) = (0, 0);
                while !done.load(Ordering::Relaxed) {
                    let ids = Ledger::open_read_only(&path).unwrap().ids().unwrap();
                    let Some(Id::Number(largest)) = ids.last() else { panic!("{ids:?}") };
                    // Ten come and then the ten before them go.
                    assert!(matches!(ids.len(), 10 | 20) && largest % 10 == 9, "{ids:?}");
                    assert_eq!(ids, numbers(largest + 1 - ids.len() as u64..largest + 1));
                    let now = 2 * largest - ids.len() as u64;
                    assert!(now >= last, "{now} after {last}");
                    (last, looks) = (now, looks + 1);
                }
                assert!(looks > 3);
            });
        }
        for round in 0..60 {
            writer.add(Batch::new(&rows)).unwrap();
            writer.forget(&numbers(10 * round..10 * round + 10)).unwrap();
            if round % 3 == 0 {
                writer.compact().unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// The automatic `beta` is that of what is stored, whatever came in between, and the file keeps what it rests on.
#[test]
fn the_automatic_beta_is_kept_in_the_file() {
    let mut random = Random::new(515);
    let (x, more) = (random.rows(3000, 5, 1.0), random.rows(200, 5, 0.01));
    let want =
        |x: &Rows<'_>| DenseMemory::builder().device(&Device::cpu()).build(x).unwrap().beta_choice().unwrap();
    let now = |path: &Path| Store::open_read_only(path, &Device::cpu()).unwrap().beta_choice().unwrap();
    let same = |got: attractor::memory::BetaChoice, want: attractor::memory::BetaChoice| {
        assert_eq!(
            (got.beta, got.low, got.high, got.sampled),
            (want.beta, want.low, want.high, want.sampled)
        );
    };
    let (_folder, path) = desk();
    let mut ledger = Ledger::create(&path, Settings::default(), Batch::new(&x)).unwrap();
    same(now(&path), want(&x));
    ledger.add(Batch::new(&more)).unwrap();
    let gone: Vec<u64> = (0..3000).filter(|i| i % 3 == 1).collect();
    ledger.forget(&gone.iter().map(|i| Id::from(*i)).collect::<Vec<_>>()).unwrap();
    let left: Vec<f32> =
        (0..3000).filter(|i| i % 3 != 1).flat_map(|i| x.row(i)).chain(more.as_slice()).copied().collect();
    let left = Rows::new(left, 5).unwrap();
    let before = now(&path);
    same(before, want(&left));
    ledger.compact().unwrap();
    same(now(&path), before);
    drop(ledger);
    // What stands in the file is what is used: another separation of the nearest gives another choice.
    let mut file = fs::read(&path).unwrap();
    let header = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let text: serde_json::Value = serde_json::from_slice(&file[8..8 + header]).unwrap();
    let [from, to] =
        [0, 1].map(|i| text["beta.separation"]["data_offsets"][i].as_u64().unwrap() as usize + 8 + header);
    file[from..to].chunks_exact_mut(8).for_each(|s| s.copy_from_slice(&2.5_f64.to_le_bytes()));
    fs::write(&path, without_checksums(&file)).unwrap();
    assert!(now(&path).beta < before.beta);
    // Numbers of rows that are not there.
    let [from, to] =
        [0, 1].map(|i| text["beta.nearest"]["data_offsets"][i].as_u64().unwrap() as usize + 8 + header);
    file[from..to].fill(0x7f);
    fs::write(&path, without_checksums(&file)).unwrap();
    let error = Store::open_read_only(&path, &Device::cpu()).unwrap_err().to_string();
    assert!(error.contains("beta"), "{error}");
}
