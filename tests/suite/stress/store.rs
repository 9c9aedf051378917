//! One store and its memory, while they change.

use super::{Board, watched};
use crate::common::{Random, matrix};
use ::rayon::prelude::*;
use attractor::{
    gpu::Options,
    prelude::*,
    reference::DenseModel,
    store::{Ask, Batch, Id, Settings, Store},
};
use std::{
    collections::BTreeMap,
    sync::{
        RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

const D: usize = 6;
const BETA: f32 = 1.0;

/// The pattern that an operation stores under an id: what it says depends on both.
fn pattern(id: u64, version: usize) -> Vec<f32> {
    Random::new(id * 1000 + version as u64).rows(1, D, 1.0).into_vec()
}

/// Pattern and payload, which names the version that stored it, by id.
type Content = BTreeMap<u64, (Vec<f32>, Vec<u8>)>;

/// An operation on a store.
enum Operation {
    Add(Vec<u64>),
    Replace(Vec<u64>),
    Forget(Vec<u64>),
    Compact,
}

/// Operation `version`, of one or two ids: half of it would show.
fn operation(version: usize) -> Operation {
    let id = |k: usize| 100 + 2 * k as u64;
    let round = version / 4;
    match version % 4 {
        0 => Operation::Add(vec![id(round), id(round) + 1]),
        1 => Operation::Replace(vec![id(round), 0, 1]),
        2 if round >= 2 => Operation::Forget(vec![id(round - 2), id(round - 2) + 1]),
        2 => Operation::Replace(vec![2]),
        _ => Operation::Compact,
    }
}

fn put(content: &mut Content, ids: &[u64], version: usize) {
    for id in ids {
        content.insert(*id, (pattern(*id, version), version.to_le_bytes().to_vec()));
    }
}

/// What is stored before each operation, and after the last.
fn contents(operations: usize) -> Vec<Content> {
    let mut content = Content::new();
    put(&mut content, &[0, 1, 2, 3], 999);
    let mut all = vec![content.clone()];
    for version in 0..operations {
        match operation(version) {
            Operation::Add(ids) | Operation::Replace(ids) => put(&mut content, &ids, version),
            Operation::Forget(ids) => ids.iter().for_each(|id| drop(content.remove(id))),
            Operation::Compact => {}
        }
        all.push(content.clone());
    }
    all
}

fn rows_of(content: &Content) -> Rows<'static> {
    Rows::new(content.values().flat_map(|(x, _)| x).copied().collect::<Vec<f32>>(), D).unwrap()
}

/// The states after one update, of each state of the store: they tell one from the other.
fn answers(contents: &[Content], queries: &Rows<'_>) -> Vec<Vec<f64>> {
    let of = |content: &Content| {
        let patterns = matrix(&rows_of(content));
        let model = DenseModel { patterns, similarity: Similarity::L2, beta: f64::from(BETA), mask: None };
        let wide = |q: &[f32]| q.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        queries.iter().flat_map(|q| model.step(&wide(q)).state).collect()
    };
    contents.iter().map(of).collect()
}

fn distance(a: &[f32], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max)
}

/// Far more than f32 is off, far less than two states of the store differ.
const NEAR: f64 = 1e-3;

/// All that a reader needs to judge an answer.
struct Watch<'a> {
    store: &'a Store,
    contents: &'a [Content],
    answers: &'a [Vec<f64>],
    queries: &'a Rows<'a>,
    /// Operations that have begun, and that have ended.
    begun: AtomicUsize,
    ended: AtomicUsize,
    over: AtomicBool,
    read: AtomicUsize,
}

impl Watch<'_> {
    /// Recalls, and finds the state of the store that the answer comes from among those that there were meanwhile.
    fn recall(&self, what: &str) {
        let options =
            RecallOptions { steps: 1, tolerance: Some(0.0), top_k: Some(3), ..RecallOptions::default() };
        let ask = Ask { options, payloads: true, ..Ask::default() };
        let first = self.ended.load(SeqCst);
        let answer = self.store.recall_with(self.queries, &ask).unwrap();
        let last = self.begun.load(SeqCst);
        let payloads = answer.payloads.unwrap();
        let fits = |version: &usize| {
            let content = &self.contents[*version];
            let known = |(id, payload): (&Option<Id>, &[u8])| match id {
                Some(Id::Number(id)) => content.get(id).is_some_and(|(_, own)| own == payload),
                Some(Id::Name(_)) => false,
                // Fewer were stored than were asked for.
                None => content.len() < 3,
            };
            distance(answer.recall.states.as_slice(), &self.answers[*version]) < NEAR
                && answer.ids.iter().zip(payloads.iter()).all(known)
        };
        assert!(
            (first..=last).any(|version| fits(&version)),
            "{what}: no state of {first} to {last} gives {:?} of {:?}",
            answer.recall.states,
            answer.ids
        );
        self.read.fetch_add(1, SeqCst);
    }

    /// Looks at single patterns and at the store as a whole.
    fn look(&self, what: &str) {
        let first = self.ended.load(SeqCst);
        let entry = self.store.get(&Id::from(1_u64)).unwrap().unwrap();
        let info = self.store.info();
        let last = self.begun.load(SeqCst);
        let versions = || (first..=last).map(|version| &self.contents[version]);
        let stored = (entry.pattern, entry.payload);
        assert!(versions().any(|content| content[&1] == stored), "{what}: a torn pattern {stored:?}");
        assert!(versions().any(|content| content.len() == info.patterns), "{what}: {info:?}");
    }

    fn operate(&self, version: usize) {
        let store = self.store;
        let ids = |of: &[u64]| of.iter().map(|id| Id::from(*id)).collect::<Vec<_>>();
        let rows = |of: &[u64]| {
            Rows::new(of.iter().flat_map(|id| pattern(*id, version)).collect::<Vec<f32>>(), D).unwrap()
        };
        let payloads = |of: &[u64]| vec![version.to_le_bytes().to_vec(); of.len()];
        self.begun.store(version + 1, SeqCst);
        match operation(version) {
            Operation::Add(of) => {
                store.add(Batch::new(&rows(&of)).ids(&ids(&of)).payloads(&payloads(&of))).map(drop)
            }
            Operation::Replace(of) => {
                store.replace(Batch::new(&rows(&of)).ids(&ids(&of)).payloads(&payloads(&of))).map(drop)
            }
            Operation::Forget(of) => store.forget(&ids(&of)),
            Operation::Compact => store.compact(),
        }
        .unwrap();
        self.ended.store(version + 1, SeqCst);
    }
}

/// Changes a store `operations` times while threads, and tasks of rayon's, recall.
fn change_while_recalling(name: &str, device: &Device, operations: usize, board: &Board) {
    let contents = contents(operations);
    let queries = Random::new(5).rows(3, D, 1.0);
    let answers = answers(&contents, &queries);
    for (version, pair) in answers.windows(2).enumerate() {
        let apart = pair[0].iter().zip(&pair[1]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let changes = !matches!(operation(version), Operation::Compact);
        assert!(
            !changes || apart > 4.0 * NEAR,
            "states {version} and the next cannot be told apart: {apart}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<Id> = (0..4_u64).map(Id::from).collect();
    let payloads = vec![999_usize.to_le_bytes().to_vec(); 4];
    let settings = Settings { beta: BETA.into(), ..Settings::default() };
    let rows = rows_of(&contents[0]);
    let batch = Batch::new(&rows).ids(&ids).payloads(&payloads);
    let store = Store::create(folder.path().join("m.safetensors"), settings, batch, device).unwrap();
    let watch = Watch {
        store: &store,
        contents: &contents,
        answers: &answers,
        queries: &queries,
        begun: AtomicUsize::new(0),
        ended: AtomicUsize::new(0),
        over: AtomicBool::new(false),
        read: AtomicUsize::new(0),
    };
    let until_over = |who: String, work: &(dyn Fn() + Sync)| {
        while !watch.over.load(SeqCst) {
            board.note(&who, format!("read while {} of {operations} are done", watch.ended.load(SeqCst)));
            work();
        }
    };
    thread::scope(|scope| {
        for reader in 0..2 {
            let until_over = &until_over;
            let watch = &watch;
            scope.spawn(move || until_over(format!("reader {reader}"), &|| watch.recall(name)));
        }
        scope.spawn(|| until_over("looker".into(), &|| watch.look(name)));
        scope.spawn(|| {
            let tasks = || (0..8).into_par_iter().for_each(|_| watch.recall(name));
            until_over("rayon".into(), &tasks);
        });
        // Readers must end also where an operation fails.
        struct Over<'a>(&'a AtomicBool);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.store(true, SeqCst);
            }
        }
        let _over = Over(&watch.over);
        for version in 0..operations {
            board.note("writer", format!("operation {version}"));
            watch.operate(version);
            // Each state is looked at, not only the last.
            let seen = watch.read.load(SeqCst);
            while watch.read.load(SeqCst) < seen + 2 {
                thread::yield_now();
            }
        }
    });
    assert!(watch.read.load(SeqCst) >= 2 * operations);
}

#[test]
fn recalls_see_a_store_between_two_operations() {
    watched("store on the cpu", |board| change_while_recalling("cpu", &Device::cpu(), 80, board));
    if let Some(device) = crate::common::open(Options::default()) {
        watched("store on a gpu", |board| change_while_recalling("gpu", &device, 24, board));
    }
}

/// A memory behind a lock: patterns are appended and forgotten between recalls of many threads, and what is kept with them
/// (terms, `beta`, its neighbours, the sample) must go with it.
#[test]
fn recalls_see_a_memory_between_two_changes() {
    let mut devices = vec![("cpu", Device::cpu(), 40)];
    devices.extend(crate::common::open(Options::default()).map(|device| ("gpu", device, 12)));
    for (name, device, changes) in devices {
        watched(&format!("memory on {name}"), |board| {
            let all = Random::new(6).rows(6 + 2 * changes, D, 1.0);
            let queries = Random::new(7).rows(4, D, 1.0);
            // Before each change two more rows; every other change forgets one as well.
            let live = |version: usize, i: usize| {
                i < 6 + 2 * version && (!i.is_multiple_of(4) || i / 4 >= version / 2)
            };
            let build = |version: usize| {
                let rows: Vec<f32> =
                    (0..all.rows()).filter(|i| live(version, *i)).flat_map(|i| all.row(i)).copied().collect();
                DenseMemory::builder().device(&Device::cpu()).build(&Rows::new(rows, D).unwrap()).unwrap()
            };
            let wide =
                |recall: Recall| recall.states.as_slice().iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
            let few = RecallOptions { steps: 4, ..RecallOptions::default() };
            let answers: Vec<Vec<f64>> =
                (0..=changes).map(|v| wide(build(v).recall_with(&queries, &few).unwrap())).collect();
            let memory = DenseMemory::builder().device(&device).build(&all.slice(0..6)).unwrap();
            // The version under the lock is that of the memory.
            let (state, over) = (RwLock::new((0, memory)), AtomicBool::new(false));
            let read = AtomicUsize::new(0);
            thread::scope(|scope| {
                for reader in 0..4 {
                    let (state, over, answers, queries, read) = (&state, &over, &answers, &queries, &read);
                    let few = &few;
                    scope.spawn(move || {
                        while !over.load(SeqCst) {
                            let held = state.read().unwrap();
                            let (version, memory) = &*held;
                            board.note(format!("reader {reader}"), format!("recall of version {version}"));
                            let got = memory.recall_with(queries, few).unwrap();
                            let off = distance(got.states.as_slice(), &answers[*version]);
                            assert!(off < NEAR, "{name}: version {version} is off by {off}");
                            drop(held);
                            read.fetch_add(1, SeqCst);
                            // The lock of the standard library lets a writer wait.
                            thread::yield_now();
                        }
                    });
                }
                for version in 1..=changes {
                    board.note("writer", format!("change {version}"));
                    let mut held = state.write().unwrap();
                    held.1.append(&all.slice(4 + 2 * version..6 + 2 * version)).unwrap();
                    if version % 2 == 0 {
                        held.1.forget(&[(4 * (version / 2 - 1)) as u32]).unwrap();
                    }
                    held.0 = version;
                    drop(held);
                    let seen = read.load(SeqCst);
                    while read.load(SeqCst) < seen + 4 {
                        thread::yield_now();
                    }
                }
                over.store(true, SeqCst);
            });
        });
    }
}
