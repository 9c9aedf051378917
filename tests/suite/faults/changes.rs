//! Changes that fail on their way: memory and store are what they were, and the change can be made again.

use super::jobs::{self, numbers, same};
use crate::common::{Random, open};
use attractor::{
    Device, Error, Result,
    gpu::Options,
    memory::{Energy, EnergySettings, FeatureMemory, FeatureSettings, LagrangianMemory},
    ops::{FeatureMap, FeatureSpec},
    prelude::*,
    store::{Batch, Id, Settings, Store},
};
use std::sync::Arc;

/// Lets each allocation of a change fail, also after its retry. Before and after `look` says what is stored.
fn each_allocation<M>(
    what: &str,
    device: &Device,
    make: impl Fn() -> M,
    change: impl Fn(&mut M) -> Result<()>,
    look: impl Fn(&M) -> Vec<f32>,
) {
    let context = device.as_gpu().unwrap();
    let mut whole = make();
    change(&mut whole).unwrap();
    let after = look(&whole);
    drop(whole);
    let (mut failed, mut n) = (0, 0);
    loop {
        let mut memory = make();
        let before = look(&memory);
        assert!(!same(&before, &after), "{what}: the change shows nowhere");
        context.release();
        let first = context.counters().allocations;
        context.fail_allocations(n..n + 2);
        let changed = change(&mut memory);
        let reached = context.counters().allocations > first + n;
        context.fail_allocations(0..0);
        match changed {
            Err(Error::OutOfMemory { .. }) if reached => {
                failed += 1;
                assert!(same(&look(&memory), &before), "{what}, allocation {n}: half a change");
                change(&mut memory).unwrap();
                assert!(
                    same(&look(&memory), &after),
                    "{what}, allocation {n}: the second try is not the first"
                );
            }
            // What is only kept for later is made then.
            Ok(()) => assert!(jobs::close(&look(&memory), &after), "{what}, allocation {n}: another change"),
            Err(error) => panic!("{what}, allocation {n}: {error}"),
        }
        if !reached {
            break;
        }
        n += 1;
    }
    assert!(failed > 0, "{what}: nothing failed");
}

fn recalled(memory: &dyn Memory, q: &Rows<'_>) -> Vec<f32> {
    let options = RecallOptions { steps: 3, top_k: Some(0), ..RecallOptions::default() };
    let mut all = numbers(&memory.recall_with(q, &options).unwrap());
    all.push(memory.len() as f32);
    all
}

#[test]
fn a_dense_memory_is_what_it_was() {
    let mut random = Random::new(210);
    let (x, more, q) = (random.rows(40, 10, 1.0), random.rows(700, 10, 1.0), random.rows(4, 10, 1.0));
    let (v, w) = (random.rows(40, 3, 1.0), random.rows(700, 3, 1.0));
    let look = |memory: &DenseMemory| recalled(memory, &q);
    // Without a way to the host, what finds no room is an error.
    for shard_rows in [100_000, 256] {
        let Some(device) = open(Options::default()) else { return };
        let make = |beta: Beta| {
            let builder = DenseMemory::builder().device(&device).beta(beta).shard_rows(shard_rows);
            builder.build(&x).unwrap()
        };
        let pairs = || {
            let mut memory = make(Beta::Fixed(0.4));
            memory.associate(&v).unwrap();
            memory
        };
        let change = |memory: &mut DenseMemory| memory.append_pairs(&more, &w);
        each_allocation("append_pairs", &device, pairs, change, look);
        let change = |memory: &mut DenseMemory| memory.associate(&v);
        each_allocation("associate", &device, || make(Beta::Auto), change, look);
    }
}

#[test]
fn other_memories_are_what_they_were() {
    let Some(device) = open(Options::default()) else { return };
    for name in ["entmax:1.5", "polynomial:3", "hopfield:storkey", "universal"] {
        let energy: Energy = name.parse().unwrap();
        let mut random = Random::new(212);
        let mut rows = |n| {
            let rows = random.rows(n, 12, 1.0).into_vec();
            let bits = rows.iter().map(|v| if energy.is_binary() { v.signum() } else { v.abs() });
            Rows::new(bits.collect::<Vec<f32>>(), 12).unwrap()
        };
        let (x, more, q) = (rows(40), rows(30), rows(6));
        let settings = EnergySettings { device: Some(device.clone()), ..EnergySettings::default() };
        let make = || energy.memory(Arc::new(x.as_slice().to_vec()), 12, &settings).unwrap();
        let change = |memory: &mut Box<dyn Memory>| memory.append(&more);
        each_allocation(name, &device, make, change, |memory| recalled(&**memory, &q));
    }
    let mut random = Random::new(213);
    let (x, more, q) = (random.rows(20, 7, 0.3), random.rows(30, 7, 0.3), random.rows(4, 7, 0.3));
    let make = || jobs::two_layers(&device, &x).unwrap();
    let change = |memory: &mut LagrangianMemory| memory.append(&more);
    each_allocation("lagrangian", &device, make, change, |memory| recalled(memory, &q));
    let (x, more, q) = (random.rows(9, 6, 0.3), random.rows(9, 6, 0.3), random.rows(4, 6, 0.3));
    let make = || {
        let settings = FeatureSettings { device: Some(device.clone()), ..FeatureSettings::default() };
        let spec = FeatureSpec::new(FeatureMap::SinCos, 300, 6, 10.0, 7);
        let mut memory = FeatureMemory::with(spec, settings).unwrap();
        memory.absorb(&x).unwrap();
        memory
    };
    let change = |memory: &mut FeatureMemory| memory.absorb(&more);
    each_allocation("absorb", &device, make, change, |memory| {
        let mut all = recalled(memory, &q);
        all.extend(memory.vector().iter().map(|v| *v as f32));
        all
    });
}

/// What was not stored is not in the file either.
#[test]
fn a_store_is_what_it_was() {
    // Patterns may not go by way of the host: a budget that has room for all.
    let Some(device) = open(Options::default()) else { return };
    let mut random = Random::new(214);
    let (x, more, q) = (random.rows(30, 6, 1.0), random.rows(400, 6, 1.0), random.rows(3, 6, 1.0));
    let settings = Settings { beta: Beta::Fixed(0.8), ..Settings::default() };
    let folder = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    let make = || {
        count.set(count.get() + 1);
        let path = folder.path().join(format!("{}.safetensors", count.get()));
        Store::create(path, settings, Batch::new(&x), &device).unwrap()
    };
    let ids: Vec<Id> = (0..400_u64).map(|i| Id::from(i + 20)).collect();
    let look = |store: &Store| {
        let answer = store.recall(&q).unwrap();
        let mut all = numbers(&answer.recall);
        all.extend([store.len() as f32, store.info().journal_bytes as f32]);
        all
    };
    let add = |store: &mut Store| store.add(Batch::new(&more)).map(drop);
    let replace = |store: &mut Store| store.replace(Batch::new(&more).ids(&ids)).map(drop);
    for (what, change) in [("add", &add as &dyn Fn(&mut Store) -> Result<()>), ("replace", &replace)] {
        // The patterns that find no room stay on the host: every change is made.
        let context = device.as_gpu().unwrap();
        for n in 0..4 {
            let mut store = make();
            let before = look(&store);
            context.release();
            context.fail_allocations(n..u64::MAX);
            let changed = change(&mut store);
            context.fail_allocations(0..0);
            match changed {
                Ok(()) => {}
                Err(Error::OutOfMemory { .. }) => {
                    assert!(same(&look(&store), &before), "{what} {n}: half a change");
                    change(&mut store).unwrap();
                }
                Err(error) => panic!("{what} {n}: {error}"),
            }
            let mut whole = make();
            change(&mut whole).unwrap();
            assert!(jobs::close(&look(&store), &look(&whole)), "{what} {n}: another store");
        }
    }
}
