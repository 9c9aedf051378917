//! Which patterns a recall lists: those that may answer, and where there are fewer than asked for, none.

use crate::common::{Random, devices, memory_of};
use attractor::{
    memory::{
        Energy, EnergySettings, KernelizedMemory, KernelizedSettings, LinearMap, NO_PATTERN, SpreadMemory,
    },
    ops::Separation,
    prelude::*,
};

const N: usize = 20;
const D: usize = 24;
/// Those that may answer: neither the first nor side by side.
const MAY: [u32; 3] = [7, 12, 18];

/// Patterns of -1 and 1, which all energies take.
fn patterns() -> Rows<'static> {
    let mut random = Random::new(1701);
    let bits: Vec<f32> = (0..N * D).map(|_| if random.uniform() < 0.5 { -1.0 } else { 1.0 }).collect();
    Rows::new(bits, D).unwrap()
}

/// The CPU and one GPU.
fn two() -> impl Iterator<Item = (&'static str, Device)> {
    devices().into_iter().take(2)
}

/// Memories of these patterns, of every kind that names patterns.
fn memories(x: &Rows<'_>, device: &Device) -> Vec<(String, Box<dyn Memory>)> {
    let energies = [
        "softmax",
        "entmax:1.5",
        "sparsemax",
        "normmax:2",
        "ksubsets:2",
        "epanechnikov",
        "polynomial:3",
        "rectified:3",
        "exponential",
        "hopfield",
        "lagrangian:a:3",
        "lagrangian:b",
        "lagrangian:c:3",
        "universal:l1:max",
        "universal:cosine:softmax",
    ];
    let mut all: Vec<(String, Box<dyn Memory>)> = Vec::new();
    // Most share the code of another one; the software GPU is slow.
    let few = ["softmax", "sparsemax", "exponential", "lagrangian:b", "universal:l1:max"];
    for name in energies.into_iter().filter(|name| device.as_gpu().is_none() || few.contains(name)) {
        let energy: Energy = name.parse().unwrap();
        let settings = EnergySettings { device: Some(device.clone()), ..EnergySettings::default() };
        all.push((name.to_owned(), memory_of(energy, x, &settings).unwrap()));
    }
    let spread = SpreadMemory::new(x, &[device.clone(), Device::cpu()], Similarity::L2, 2.0).unwrap();
    all.push(("spread".to_owned(), Box::new(spread)));
    for separation in [Separation::Softmax, Separation::Entmax(2.0)] {
        let map = LinearMap::random(D, D, false, 3).unwrap();
        let settings =
            KernelizedSettings { device: Some(device.clone()), separation, ..KernelizedSettings::default() };
        let memory = KernelizedMemory::new(x, map, settings).unwrap();
        all.push((format!("kernelized {separation}"), Box::new(memory)));
    }
    all
}

#[test]
fn a_mask_leaves_none_but_its_own_in_the_lists() {
    let x = patterns();
    // One that may answer, and one that may not.
    let q = Rows::new([x.row(12), x.row(3)].concat(), D).unwrap();
    let mask: Vec<bool> = (0..N as u32).map(|k| MAY.contains(&k)).collect();
    for (name, device) in two() {
        for (what, memory) in memories(&x, &device) {
            let options =
                RecallOptions { steps: 2, mask: Some(&mask), top_k: Some(5), ..RecallOptions::default() };
            if what == "hopfield" {
                assert!(memory.recall_with(&q, &options).is_err(), "couplings leave no pattern out");
                continue;
            }
            let recall = memory.recall_with(&q, &options).unwrap();
            assert_eq!((recall.top_k, recall.indices.len(), recall.weights.len()), (5, 10, 10));
            for (i, list) in recall.indices.chunks(5).enumerate() {
                let mut found = list[..3].to_vec();
                found.sort_unstable();
                assert_eq!((&found[..], &list[3..]), (&MAY[..], &[NO_PATTERN; 2][..]), "{name} {what}");
                assert_eq!(recall.weights[5 * i + 3..5 * i + 5], [0.0; 2], "{name} {what}");
                assert_eq!(recall.top(i).len(), 3, "{name} {what}");
            }
            if !what.starts_with("lagrangian") {
                assert_eq!(recall.indices[0], 12, "{name} {what}");
            }
        }
    }
}

#[test]
fn more_than_are_stored_are_filled_up() {
    let x = patterns();
    let q = x.slice(4..6);
    for (name, device) in two() {
        for (what, memory) in memories(&x, &device) {
            let ask = |k| RecallOptions { steps: 2, top_k: Some(k), ..RecallOptions::default() };
            let (all, more) =
                (memory.recall_with(&q, &ask(N)).unwrap(), memory.recall_with(&q, &ask(N + 6)).unwrap());
            assert_eq!(more.top_k, N + 6, "{name} {what}");
            for i in 0..2 {
                let list = &more.indices[i * (N + 6)..(i + 1) * (N + 6)];
                assert_eq!((&list[..N], &list[N..]), (&all.indices[i * N..][..N], &[NO_PATTERN; 6][..]));
                assert!(more.top(i).eq(all.top(i)), "{name} {what}");
            }
            let none: [[f32; D]; 0] = [];
            assert_eq!(memory.recall_with(&none, &ask(N + 6)).unwrap().top_k, N + 6, "{name} {what}");
            // Lists that no memory holds are refused, and not made.
            let refused = memory.recall_with(&q, &ask(usize::MAX)).unwrap_err().to_string();
            assert!(refused.contains("top_k"), "{name} {what}: {refused}");
        }
    }
}
