//! A store while the n-th call to the system fails, for every n.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

use super::{Batch, Entry, Id, IdKind, Ledger, Settings};
use crate::{Error, Result, Rows, io::disk::failing};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

const NAME: &str = "m.safetensors";
/// Patterns that are there at first.
const FIRST: u64 = 40;
const DIM: usize = 64;

fn ids(range: std::ops::Range<u64>) -> Vec<Id> {
    range.map(Id::from).collect()
}

fn rows(count: u64, value: f32) -> Rows<'static> {
    Rows::new(vec![value; count as usize * DIM], DIM).unwrap()
}

type Content = BTreeMap<Id, Entry>;

fn content(ledger: &Ledger) -> Content {
    ledger.ids().unwrap().into_iter().map(|id| (id.clone(), ledger.get(&id).unwrap().unwrap())).collect()
}

/// What is read of a folder, if there is a store.
fn read(folder: &Path) -> Option<Content> {
    let path = folder.join(NAME);
    path.exists().then(|| content(&Ledger::open_read_only(path).unwrap()))
}

/// A store with a journal, or one without.
fn lived(folder: &Path, journal: bool) {
    let settings = Settings { ids: IdKind::Number, ..Settings::default() };
    let mut ledger = Ledger::create(folder.join(NAME), settings, Batch::new(&rows(FIRST, 1.0))).unwrap();
    if journal {
        ledger.add(Batch::new(&rows(2, 2.0)).payloads(&[vec![1], vec![2; 300]])).unwrap();
        ledger.forget(&ids(3..6)).unwrap();
    }
}

/// What is done to a store.
type Change = fn(&mut Ledger) -> Result<()>;

const CHANGES: [(&str, Change); 5] = [
    ("add", |ledger| ledger.add(Batch::new(&rows(3, 5.0))).map(drop)),
    ("replace", |ledger| ledger.replace(Batch::new(&rows(3, 6.0)).ids(&ids(7..10))).map(drop)),
    ("forget", |ledger| ledger.forget(&ids(10..14))),
    ("compact", |ledger| ledger.compact()),
    // So much that the file is written anew behind it.
    ("add much", |ledger| {
        let payloads = [vec![7; 1 << 20], vec![8; 1000]];
        ledger.add(Batch::new(&rows(2, 7.0)).payloads(&payloads)).map(drop)
    }),
];

#[test]
fn a_change_with_a_fault_anywhere_is_made_or_not() {
    for (name, change) in CHANGES {
        for (journal, stays) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut calls = 0;
            loop {
                let at = format!("{name}, journal {journal}, all after {stays}, call {calls}");
                let folder = failing::folder();
                lived(folder.path(), journal);
                let mut ledger = Ledger::open(folder.path().join(NAME)).unwrap();
                let old = content(&ledger);
                let (result, reached) = failing::at(calls, stays, || change(&mut ledger));
                let now = content(&ledger);
                // In memory it is as was said, and on the disk so too: where a fault has no end, what failed may be there.
                let on_disk = read(folder.path()).unwrap();
                match &result {
                    Ok(()) => assert_eq!(on_disk, now, "{at}"),
                    Err(error) => {
                        assert!(error.to_string().contains(NAME), "{at}: {error}");
                        assert_eq!(now, old, "{at}");
                        assert!(on_disk == old || stays, "{at}");
                    }
                }
                // Whoever goes on does so from what is on the disk, or is told to open it again.
                match ledger.forget(&ids(0..1)) {
                    Ok(()) => {
                        let mut want = now;
                        want.remove(&Id::from(0));
                        assert_eq!(read(folder.path()).unwrap(), want, "{at}");
                    }
                    Err(error) => {
                        assert!(error.to_string().contains("open the store again"), "{at}: {error}");
                        assert_eq!(read(folder.path()).unwrap(), on_disk, "{at}");
                    }
                }
                drop(ledger);
                // The next writer finds all in order, and nothing is left.
                let mut ledger = Ledger::open(folder.path().join(NAME)).unwrap();
                ledger.add(Batch::new(&rows(1, 9.0))).unwrap();
                let want = content(&ledger);
                ledger.compact().unwrap();
                drop(ledger);
                assert_eq!(read(folder.path()).unwrap(), want, "{at}");
                let names = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name());
                let names: BTreeSet<String> = names.map(|n| n.to_string_lossy().into_owned()).collect();
                assert_eq!(names, [NAME.to_owned(), format!("{NAME}.lock")].into(), "{at}");
                if !reached {
                    result.unwrap();
                    break;
                }
                calls += 1;
            }
            assert!(calls >= 3, "{name}: {calls} calls");
        }
    }
}

#[test]
fn a_store_is_made_or_not() {
    for stays in [false, true] {
        let mut calls = 0;
        loop {
            let folder = failing::folder();
            let create = || {
                let payloads = [vec![9; 20_000]];
                let batch = Batch::new(&[[1.0, 2.0]]).payloads(&payloads);
                Ledger::create(folder.path().join(NAME), Settings::default(), batch).map(drop)
            };
            let (result, reached) = failing::at(calls, stays, create);
            match (result, read(folder.path())) {
                (Ok(()), found) => assert_eq!(found.unwrap().len(), 1),
                (Err(error), found) => {
                    assert!(matches!(error, Error::File { .. }), "{error}");
                    assert!(found.is_none_or(|found| found.len() == 1));
                }
            }
            if read(folder.path()).is_none() {
                create().unwrap();
            }
            Ledger::open(folder.path().join(NAME)).unwrap().add(Batch::new(&[[3.0, 4.0]])).unwrap();
            if !reached {
                break;
            }
            calls += 1;
        }
        assert!(calls >= 5, "{calls} calls");
    }
}
