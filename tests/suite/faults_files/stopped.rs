//! Long work ends when whoever follows it asks for that.

use crate::{
    alone::alone,
    common::{Random, devices},
};
use attractor::{
    Device, Error, Result, Rows,
    capacity::{Cell, Journal, Model, Plan, run},
    codes::{CodeOptions, optimize},
    memory::{
        DenseMemory, Energy, EnergySettings, FeatureDescent, FeatureMemory, FeatureSettings,
        KernelizedMemory, KernelizedSettings, LinearMap, Memory, RecallOptions, SeparationSettings,
        SpreadMemory, separate_memories,
    },
    ops::{Bank, Ensemble, FeatureMap, FeatureSpec, Progress, ScanOptions, Similarity},
    store::{Ask, Batch, Settings, Store},
};
use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Work that is stopped when it first tells of itself, in its middle and at its end fails as asked, and soon. In a process of
/// its own: threads of rayon's that wait take up what other tests have to do.
#[track_caller]
fn stops<T>(what: &str, mut work: impl FnMut(Progress<'_>) -> Result<T>) {
    let calls = AtomicU64::new(0);
    let count = |_, _| {
        calls.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    work(&count).unwrap();
    let all = calls.into_inner();
    assert!(all > 0, "{what} never tells of itself");
    for last in [1, all.div_ceil(2), all] {
        let calls = AtomicU64::new(0);
        let stop = |_, _| match calls.fetch_add(1, Ordering::Relaxed) + 1 {
            call if call < last => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        };
        assert!(matches!(work(&stop), Err(Error::Interrupted)), "{what}, call {last} of {all}");
        // Other threads may have been at it too.
        let threads = rayon::current_num_threads() as u64;
        assert!(calls.into_inner() <= last + threads, "{what}: went on after call {last} of {all}");
    }
    work(&count_none).unwrap();
}

fn count_none(_: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn options(progress: Progress<'_>) -> RecallOptions<'_> {
    RecallOptions { steps: 4, tolerance: Some(0.0), progress: Some(progress), ..RecallOptions::default() }
}

#[test]
fn recalls_of_every_memory_stop() {
    alone(module_path!(), "recalls_of_every_memory_stop", &[], every_memory);
}

fn every_memory() {
    let mut random = Random::new(91);
    let bits: Vec<f32> = (0..24 * 8).map(|_| if random.uniform() < 0.5 { -1.0 } else { 1.0 }).collect();
    let queries = Rows::new(bits[..16 * 8].to_vec(), 8).unwrap();
    let settings = EnergySettings { device: Some(Device::cpu()), ..EnergySettings::default() };
    for entry in Energy::LIST {
        let name = entry.example();
        let energy: Energy = name.parse().unwrap();
        let memory = energy.memory(Arc::new(bits.clone()), 8, &settings).unwrap();
        stops(&name, |progress| memory.recall_with(&queries, &options(progress)));
    }
    let cpu = KernelizedSettings { device: Some(Device::cpu()), ..KernelizedSettings::default() };
    let map = LinearMap::random(8, 8, false, 1).unwrap();
    let memory = KernelizedMemory::new(&queries, map, cpu).unwrap();
    stops("kernelized", |progress| memory.recall_with(&queries, &options(progress)));
    let devices = [Device::cpu(), Device::cpu()];
    let memory = SpreadMemory::new(&queries, &devices, Similarity::Dot, 1.0).unwrap();
    stops("spread", |progress| memory.recall_with(&queries, &options(progress)));
    let folder = super::folder();
    let store = Store::create(
        folder.path().join("m.safetensors"),
        Settings::default(),
        Batch::new(&queries),
        &Device::cpu(),
    )
    .unwrap();
    stops("store", |progress| {
        store.recall_with(&queries, &Ask { options: options(progress), ..Ask::default() })
    });
}

#[test]
fn recalls_on_every_device_stop() {
    alone(module_path!(), "recalls_on_every_device_stop", &[], every_device);
}

fn every_device() {
    let mut random = Random::new(92);
    let (x, q) = (random.rows(50, 6, 1.0), random.rows(40, 6, 1.0));
    // One kind of kernels is enough: they are told of alike.
    for (name, device) in devices().into_iter().filter(|(name, _)| ["cpu", "tiled"].contains(name)) {
        let memory = DenseMemory::builder().device(&device).build(&x).unwrap();
        stops(name, |progress| memory.recall_with(&q, &options(progress)));
        let bank = Bank::new(Ensemble::Sphere, 1, 1000, 6).unwrap();
        stops(name, |progress| {
            let options = ScanOptions { chunk: 300, progress: Some(progress), ..ScanOptions::default() };
            bank.scan(&q, &[], 1.0, &device, &options)
        });
        let settings = FeatureSettings { device: Some(device), ..FeatureSettings::default() };
        let mut memory =
            FeatureMemory::with(FeatureSpec::new(FeatureMap::SinCos, 64, 6, 1.0, 3), settings).unwrap();
        memory.absorb(&x).unwrap();
        stops(name, |progress| {
            let options =
                FeatureDescent { steps: 130, tolerance: 0.0, progress: Some(progress), ..Default::default() };
            memory.descend(&q, &options)
        });
    }
    let bank = Bank::new(Ensemble::Bipolar, 1, 1000, 6).unwrap();
    let q = bank.gather(&[1, 2]).unwrap();
    stops("bits", |progress| {
        let options = ScanOptions { chunk: 300, progress: Some(progress), ..ScanOptions::default() };
        bank.scan(&q, &[], 1.0, &Device::cpu(), &options)
    });
}

#[test]
fn searches_and_training_stop() {
    alone(module_path!(), "searches_and_training_stop", &[], searches_and_training);
}

fn searches_and_training() {
    stops("codes", |progress| {
        // One start, so that the calls come in one order.
        optimize(
            6,
            3,
            &CodeOptions { starts: 1, iterations: 20, progress: Some(progress), ..CodeOptions::default() },
        )
    });
    let mut random = Random::new(93);
    let memories = random.rows(5, 4, 1.0);
    stops("separation", |progress| {
        let mut map = LinearMap::random(4, 4, false, 2).unwrap();
        separate_memories(&memories, &mut map, &SeparationSettings::default(), Some(progress))
    });
}

/// A journal that counts what it keeps.
#[derive(Default)]
struct Counting {
    cells: HashMap<String, Cell>,
    kept: usize,
}

impl Journal for Counting {
    fn find(&self, key: &str) -> Option<Cell> {
        self.cells.find(key)
    }

    fn keep(&mut self, key: &str, cell: &Cell) -> Result<()> {
        self.kept += 1;
        self.cells.keep(key, cell)
    }
}

/// An experiment that is stopped within a cell, again and again, comes to the same end, and measures no cell twice.
#[test]
fn experiments_stop_within_a_cell_and_go_on() {
    let mut plan = Plan::new(Model::Nearest, Device::cpu());
    plan.models.push("softmax".parse().unwrap());
    (plan.n, plan.d, plan.queries) = (vec![4, 16, 64], vec![4], 30);
    let counts = |journal: &Counting| -> Vec<(String, Vec<u64>)> {
        let mut all: Vec<_> = journal.cells.iter().map(|(k, c)| (k.clone(), c.successes.clone())).collect();
        all.sort();
        all
    };
    let mut whole = Counting::default();
    run(&plan, &mut whole, None).unwrap();
    let mut journal = Counting::default();
    let mut stopped = 0;
    for patience in (1..).step_by(7) {
        let calls = AtomicU64::new(0);
        let stop = |_, _| match calls.fetch_add(1, Ordering::Relaxed) < patience {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        };
        match run(&plan, &mut journal, Some(&stop)) {
            Ok(_) => break,
            Err(Error::Interrupted) => stopped += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(stopped > 5, "stopped {stopped} times");
    assert_eq!((journal.kept, counts(&journal)), (whole.kept, counts(&whole)));
}
