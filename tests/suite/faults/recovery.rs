//! What has its patterns on the host goes on when its device is lost.

use super::jobs::{numbers, same};
use crate::common::{Random, fresh_gpu};
use attractor::{
    Device, Error, Rows,
    prelude::*,
    store::{Ask, Batch, Id, Settings, Store},
};
use std::{path::Path, thread, time::Duration};

/// A store of 50 patterns, 45 in its file and the others in its journal.
fn store(path: &Path, device: &Device, beta: Beta) -> Store {
    let mut random = Random::new(230);
    let settings = Settings { beta, ..Settings::default() };
    let store = Store::create(path, settings, Batch::new(&random.rows(45, 8, 1.0)), device).unwrap();
    store.add(Batch::new(&random.rows(6, 8, 1.0))).unwrap();
    store.forget(&[Id::from(7)]).unwrap();
    store
}

fn queries() -> Rows<'static> {
    Random::new(231).rows(5, 8, 1.0)
}

fn answer(store: &Store) -> Vec<f32> {
    let options = RecallOptions { trace: true, ..RecallOptions::default() };
    let answer = store.recall_with(&queries(), &Ask { options, ..Ask::default() }).unwrap();
    numbers(&answer.recall)
}

/// The device on which the next recall runs.
fn lose(store: &Store) {
    store.device().as_gpu().unwrap().destroy();
}

#[test]
fn a_store_goes_on() {
    let Some(device) = fresh_gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    for beta in [Beta::Fixed(0.7), Beta::Auto] {
        let path = folder.path().join(format!("{beta:?}.safetensors"));
        let store = store(&path, &device.reopen().unwrap(), beta);
        let want = answer(&store);
        for _ in 0..2 {
            lose(&store);
            assert!(same(&answer(&store), &want), "{beta:?}: another answer");
        }
        lose(&store);
        assert!(store.beta().unwrap() > 0.0);
        // Changes find a new device as well, and are made once.
        let more = Random::new(232).rows(3, 8, 1.0);
        lose(&store);
        let ids = store.add(Batch::new(&more)).unwrap();
        assert_eq!((ids.len(), store.len()), (3, 53));
        lose(&store);
        store.replace(Batch::new(&more).ids(&ids)).unwrap();
        lose(&store);
        store.forget(&ids).unwrap();
        assert_eq!(store.len(), 50);
        lose(&store);
        store.compact().unwrap();
        let whole = answer(&store);
        drop(store);
        let opened = Store::open(&path, &device).unwrap();
        assert_eq!(opened.len(), 50);
        assert!(same(&answer(&opened), &whole), "{beta:?}: another store in its file");
    }
}

/// In the middle of an answer and of a change, at each submission.
#[test]
fn a_store_goes_on_from_any_submission() {
    let Some(device) = fresh_gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let store = store(&path, &device, Beta::Auto);
    let want = answer(&store);
    let add = || {
        let ids = store.add(Batch::new(&Random::new(233).rows(2, 8, 1.0))).unwrap();
        store.forget(&ids).unwrap();
    };
    for at in 0..4 {
        store.device().as_gpu().unwrap().lose_at(at);
        add();
        assert!(same(&answer(&store), &want), "submission {at}");
        assert_eq!(store.len(), 50);
    }
}

/// All threads find out at once; one opens the device, all get the right answer.
#[test]
fn threads_recover_once() {
    use rayon::prelude::*;
    let Some(device) = fresh_gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder.path().join("m.safetensors"), &device, Beta::Fixed(0.7));
    let want = answer(&store);
    for round in 0..6 {
        let before = store.device();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..8 {
                        assert!(same(&answer(&store), &want), "round {round}");
                    }
                });
            }
            // In rayon's threads too, which may take up an answer while they wait for a part of another.
            scope.spawn(|| {
                (0..16).into_par_iter().for_each(|_| {
                    assert!(same(&answer(&store), &want), "round {round}");
                });
            });
            thread::sleep(Duration::from_millis(3 * round));
            before.as_gpu().unwrap().destroy();
        });
        assert!(same(&answer(&store), &want));
        let after = store.device();
        assert_ne!(before, after, "round {round}");
        // The device that was opened is the one: no thread opened one of its own and answered from that.
        assert!(after.is_alive());
        assert_eq!(store.recoveries(), round + 1);
    }
}

/// A memory whose only copy of the patterns was on the device says what to do, and that works.
#[test]
fn a_memory_is_stored_anew() {
    let Some(device) = fresh_gpu() else { return };
    let x = Random::new(234).rows(20, 5, 1.0);
    let q = Random::new(235).rows(3, 5, 1.0);
    let build = |device: &Device| DenseMemory::builder().device(device).build(&x).unwrap();
    let memory = build(&device);
    let want = numbers(&memory.recall(&q).unwrap());
    device.as_gpu().unwrap().destroy();
    let error = memory.recall(&q).unwrap_err();
    assert!(matches!(error, Error::DeviceLost { .. }) && error.to_string().contains("store anew"), "{error}");
    let again = build(&memory.device().reopen().unwrap());
    assert!(same(&numbers(&again.recall(&q).unwrap()), &want));
    assert_eq!(Device::cpu().reopen().unwrap(), Device::cpu());
}
