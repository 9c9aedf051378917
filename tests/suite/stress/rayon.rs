//! Recalls within tasks of rayon's. A thread that waits for work of its own takes up other tasks meanwhile: what it holds a
//! lock on then may be what the other task waits for.

use super::watched;
use crate::common::{Random, open};
use ::rayon::prelude::*;
use attractor::{
    gpu::Options,
    memory::{FeatureMemory, FeatureSettings, HopfieldMemory, HopfieldSettings, Learning, SpreadMemory},
    ops::{FeatureMap, FeatureSpec},
    prelude::*,
};
use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

/// Tasks at a time: more than any machine's threads would take up at once.
const TASKS: usize = 64;

/// All tasks of a fresh memory at once: what it makes at first use is made under all of them. They must agree.
fn at_once(what: &str, memory: &(dyn Memory + Sync), queries: &Rows<'_>) {
    watched(what, |board| {
        let recall = |task: usize| {
            board.note(task, "recall");
            let states = memory.recall(queries).unwrap().states;
            board.note(task, "done");
            states
        };
        let all: Vec<_> = (0..TASKS).into_par_iter().map(recall).collect();
        assert!(all.iter().all(|states| *states == all[0]), "{what}");
    });
}

fn bits(random: &mut Random, n: usize, d: usize) -> Rows<'static> {
    let rows = random.rows(n, d, 1.0);
    Rows::new(rows.as_slice().iter().map(|v| v.signum()).collect::<Vec<_>>(), d).unwrap()
}

#[test]
fn memories_are_first_used_within_tasks() {
    let mut random = Random::new(3);
    // Large enough for work that is shared among threads.
    let patterns = random.rows(600, 24, 1.0);
    let queries = random.rows(8, 24, 1.0);
    at_once("dense", &DenseMemory::builder().device(&Device::cpu()).build(&patterns).unwrap(), &queries);
    let spec = FeatureSpec::new(FeatureMap::SinCos, 2000, 24, 1.0, 7);
    let settings = FeatureSettings { device: Some(Device::cpu()), scale: 0.1, ..FeatureSettings::default() };
    let mut features = FeatureMemory::with(spec, settings).unwrap();
    features.absorb(&patterns.slice(0..4)).unwrap();
    at_once("features", &features, &queries);
    for learning in [Learning::Hebb, Learning::Storkey, Learning::PseudoInverse] {
        let settings =
            HopfieldSettings { learning, device: Some(Device::cpu()), ..HopfieldSettings::default() };
        let d = 160;
        let patterns = bits(&mut random, 90, d);
        let memory = HopfieldMemory::with(&patterns, settings).unwrap();
        at_once(&format!("{learning:?}"), &memory, &bits(&mut random, 3, d));
    }
}

#[test]
fn memories_on_several_devices_recall_within_tasks() {
    let mut random = Random::new(4);
    let (patterns, queries) = (random.rows(400, 16, 1.0), random.rows(3, 16, 1.0));
    let cpus = vec![Device::cpu(); 3];
    at_once("spread", &SpreadMemory::new(&patterns, &cpus, Similarity::L2, 1.0).unwrap(), &queries);
    if let Some(gpu) = open(Options::default()) {
        let (patterns, queries) = (random.rows(40, 8, 1.0), random.rows(2, 8, 1.0));
        let spread = SpreadMemory::new(&patterns, &[gpu, Device::cpu()], Similarity::L2, 2.0).unwrap();
        at_once("spread over a gpu", &spread, &queries);
    }
}

/// A recall comes to a pool whose threads are making what the first recall needs: one that waits for its share takes the
/// second up, which needs the same.
#[test]
fn a_recall_that_comes_while_couplings_are_made_waits_for_nobody() {
    let mut random = Random::new(9);
    let d = 160;
    let (patterns, query) = (bits(&mut random, 60, d), bits(&mut random, 1, d));
    let pool = ::rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    watched("couplings", |board| {
        for turn in 0..60_u32 {
            board.note("turn", turn);
            let settings = HopfieldSettings {
                learning: Learning::Storkey,
                device: Some(Device::cpu()),
                ..HopfieldSettings::default()
            };
            let memory = Arc::new(HopfieldMemory::with(&patterns, settings).unwrap());
            let (tell, told) = mpsc::channel();
            for _ in 0..4 {
                let (memory, query, tell) = (Arc::clone(&memory), query.clone(), tell.clone());
                pool.spawn(move || tell.send(memory.recall(&query).unwrap().states).unwrap());
                thread::sleep(Duration::from_micros(u64::from(100 * (turn % 12))));
            }
            drop(tell);
            let all: Vec<_> = told.iter().collect();
            assert!(all.len() == 4 && all.iter().all(|states| *states == all[0]), "turn {turn}");
        }
    });
}
