//! Patterns that come and go, against a memory built anew from those that are left.

use crate::common::{EPS, Random, assert_close, devices, open};
use attractor::{Error, gpu::Options, memory::NO_PATTERN, prelude::*};

/// All similarities on the CPU; on the software GPU, which is slow, one: the terms alone differ.
fn kinds(device: &str) -> &'static [Similarity] {
    if device == "cpu" { &Similarity::ALL } else { &[Similarity::L2] }
}

fn rows(of: &Rows<'_>, keep: impl Fn(usize) -> bool) -> Rows<'static> {
    let kept: Vec<f32> =
        of.iter().enumerate().filter(|(i, _)| keep(*i)).flat_map(|(_, r)| r).copied().collect();
    Rows::new(kept, of.columns()).unwrap()
}

/// A few steps: a GPU is given all that there may be at once, and the software one is slow.
fn few() -> RecallOptions<'static> {
    RecallOptions { steps: 3, ..RecallOptions::default() }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// Both recall the same, `numbers[k]` being the number in `got` of pattern `k` of `want`.
#[track_caller]
fn same(what: &str, got: &DenseMemory, want: &DenseMemory, numbers: &[u32], q: &Rows<'_>) {
    let (a, b) = (got.recall_with(q, &few()).unwrap(), want.recall_with(q, &few()).unwrap());
    // Sums of at most 200 terms of size 4, in another order.
    assert_close(what, a.states.as_slice(), &wide(b.states.as_slice()), 4.0 * 64.0 * EPS);
    assert_close(what, &a.energy, &wide(&b.energy), 64.0 * 64.0 * EPS);
    let best = |r: &Recall| -> Vec<u32> { r.indices.chunks(r.top_k).map(|list| list[0]).collect() };
    let mapped: Vec<u32> = best(&b).iter().map(|k| numbers[*k as usize]).collect();
    assert_eq!(best(&a), mapped, "{what}");
    assert!(a.indices.iter().all(|i| !got.is_forgotten(*i)), "{what}");
}

#[test]
fn a_forgotten_pattern_is_as_one_never_stored() {
    let mut random = Random::new(71);
    let (x, q) = (random.rows(200, 6, 1.0), random.rows(5, 6, 1.0));
    let gone: Vec<u32> = (0..200).filter(|i| i % 7 == 0 || (150..180).contains(i)).collect();
    let left: Vec<u32> = (0..200).filter(|i| !gone.contains(i)).collect();
    let want_rows = rows(&x, |i| left.contains(&(i as u32)));
    for (name, device) in devices() {
        for &kind in kinds(name) {
            for precision in [Precision::F32, Precision::F16] {
                let what = format!("{name} {kind} {precision}");
                let builder = DenseMemory::builder()
                    .device(&device)
                    .similarity(kind)
                    .precision(precision)
                    .shard_rows(64);
                let want = builder.build(&want_rows).unwrap();
                let mut got = builder.build(&x).unwrap();
                // Before any terms are made, and after.
                got.forget(&gone[..20]).unwrap();
                got.recall_with(&q, &few()).unwrap();
                got.forget(&gone[20..]).unwrap();
                assert_eq!((got.len(), got.live()), (200, left.len()));
                let (a, b) = (got.beta().unwrap(), want.beta().unwrap());
                // The same separations; those that come from scores are rounded to f32.
                assert!((a / b - 1.0).abs() < 1e-4, "{what}: beta {a}, want {b}");
                same(&what, &got, &want, &left, &q);
            }
        }
    }
}

#[test]
fn terms_and_beta_follow_what_comes_and_goes() {
    let mut random = Random::new(72);
    let (x, q) = (random.rows(200, 6, 1.0), random.rows(5, 6, 1.0));
    for (name, device) in devices() {
        for &kind in kinds(name) {
            let builder = DenseMemory::builder().device(&device).similarity(kind).shard_rows(40);
            let mut got = builder.build(&x.slice(0..24)).unwrap();
            let mut at = 24;
            let mut gone = Vec::new();
            for (more, less) in [(1, 3), (1, 0), (38, 8), (80, 1), (1, 12), (55, 36)] {
                // Terms, choice and neighbours are there when more come.
                got.recall_with(&q, &few()).unwrap();
                got.append(&x.slice(at..at + more)).unwrap();
                at += more;
                got.recall_with(&q, &few()).unwrap();
                let mut drop: Vec<u32> = Vec::new();
                while drop.len() < less {
                    let i = random.below(at) as u32;
                    if !got.is_forgotten(i) && !drop.contains(&i) {
                        drop.push(i);
                    }
                }
                got.forget(&drop).unwrap();
                gone.extend(drop);
                let left: Vec<u32> = (0..at as u32).filter(|i| !gone.contains(i)).collect();
                let want = builder.build(&rows(&x.slice(0..at), |i| left.contains(&(i as u32)))).unwrap();
                let what = format!("{name} {kind} {at}");
                let (a, b) = (got.beta_choice().unwrap(), want.beta_choice().unwrap());
                assert!((a.beta / b.beta - 1.0).abs() < 1e-4, "{what}: {a:?}, want {b:?}");
                assert_eq!(a.sampled, b.sampled, "{what}");
                same(&what, &got, &want, &left, &q);
            }
            assert_eq!((got.len(), got.live()), (200, 140));
        }
    }
}

#[test]
fn the_best_under_a_mask_are_neither_forgotten_nor_hidden_ones() {
    let x = [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 0.0]];
    for (name, device) in devices() {
        let mut memory = DenseMemory::builder().device(&device).beta(4.0).build(&x).unwrap();
        memory.forget(&[0, 2]).unwrap();
        let mask = [true, true, true, false, false];
        let options = RecallOptions { mask: Some(&mask), ..RecallOptions::default() };
        let recall = memory.recall_with(&[2.0, 0.0], &options).unwrap();
        assert_eq!(recall.indices, [1, NO_PATTERN, NO_PATTERN], "{name}");
        assert_eq!(recall.weights, [1.0, 0.0, 0.0], "{name}");
        let nobody = [true, false, true, false, false];
        let options = RecallOptions { mask: Some(&nobody), ..RecallOptions::default() };
        assert!(matches!(
            memory.recall_with(&[2.0, 0.0], &options),
            Err(Error::NoEligiblePattern { patterns: 3 })
        ));
    }
}

/// Whatever is forgotten, enough is left to choose `beta` from.
#[test]
fn a_sample_that_thins_out_is_drawn_anew() {
    let mut random = Random::new(73);
    let x = random.rows(5000, 4, 1.0);
    // All sampled rows are even ones: every fourth, once 4096 are passed.
    let gone: Vec<u32> = (0..5000).filter(|i| i % 4 == 0 || *i < 4000).collect();
    let want = DenseMemory::builder()
        .device(&Device::cpu())
        .build(&rows(&x, |i| !gone.contains(&(i as u32))))
        .unwrap();
    let mut all = vec![("cpu", Device::cpu())];
    all.extend(open(Options::default()).map(|device| ("gpu", device)));
    for (name, device) in all {
        for precision in [Precision::F32, Precision::F16] {
            let mut got = DenseMemory::builder()
                .device(&device)
                .precision(precision)
                .shard_rows(999)
                .build(&x)
                .unwrap();
            got.forget(&gone).unwrap();
            let (a, b) = (got.beta_choice().unwrap(), want.beta_choice().unwrap());
            assert_eq!((a.sampled, b.sampled), (750, 750), "{name}");
            let bound = if precision == Precision::F16 { 0.1 } else { 1e-4 };
            assert!((a.beta / b.beta - 1.0).abs() < bound, "{name} {precision}: {a:?}, want {b:?}");
        }
    }
}

#[test]
fn all_can_be_forgotten_and_others_come() {
    for (name, device) in devices() {
        let mut memory = DenseMemory::builder().device(&device).build(&[[0.0, 1.0], [1.0, 0.0]]).unwrap();
        memory.recall(&[0.0, 1.0]).unwrap();
        memory.forget(&[1, 0]).unwrap();
        assert!(matches!(memory.recall(&[0.0, 1.0]), Err(Error::EmptyMemory)), "{name}");
        assert!(matches!(memory.beta(), Err(Error::EmptyMemory)), "{name}");
        memory.append(&[[5.0, 5.0]]).unwrap();
        let recall = memory.recall(&[0.0, 1.0]).unwrap();
        assert_eq!((recall.states.row(0), &recall.indices[..]), (&[5.0, 5.0][..], &[2][..]), "{name}");
    }
}

#[test]
fn wrong_numbers_are_named_and_nothing_is_forgotten() {
    let mut memory = DenseMemory::builder().device(&Device::cpu()).build(&[[0.0], [1.0], [2.0]]).unwrap();
    memory.forget(&[1]).unwrap();
    for wrong in [[0, 3], [0, 1], [2, 2]] {
        let error = memory.forget(&wrong).unwrap_err().to_string();
        assert!(error.contains(&format!("is {}", wrong[1])) && error.contains("2 stored"), "{error}");
        assert_eq!(memory.live(), 2);
    }
    memory.forget(&[]).unwrap();
    let options = RecallOptions { top_k: Some(3), ..RecallOptions::default() };
    assert_eq!(memory.recall_with(&[0.0], &options).unwrap().indices, [0, 2, NO_PATTERN]);
}

/// The constant of the dot energy has the largest length that is left in it.
#[test]
fn lengths_of_forgotten_patterns_do_not_count() {
    let x = [[1.0, 0.0], [0.0, 9.0], [0.0, 1.0]];
    let builder = DenseMemory::builder().device(&Device::cpu()).similarity(Similarity::Dot).beta(2.0);
    let mut memory = builder.build(&x).unwrap();
    memory.forget(&[1]).unwrap();
    let want = builder.build(&[x[0], x[2]]).unwrap().energy(&[0.5, 0.2]).unwrap();
    assert_close("energy", &memory.energy(&[0.5, 0.2]).unwrap(), &wide(&want), 4.0 * EPS);
}

/// The default tolerance follows what is left: a forgotten giant no longer makes every recall stop at once.
#[test]
fn a_forgotten_giant_leaves_no_tolerance_behind() {
    let mut random = Random::new(93);
    let rows = random.rows(50, 3, 1.0);
    let giant = Rows::new([rows.as_slice(), &[1e6, 0.0, 0.0]].concat(), 3).unwrap();
    let build = |rows: &Rows<'_>| {
        DenseMemory::builder()
            .device(&Device::cpu())
            .similarity(Similarity::Dot)
            .beta(0.8)
            .build(rows)
            .unwrap()
    };
    let (fresh, mut forgetful) = (build(&rows), build(&giant));
    forgetful.forget(&[50]).unwrap();
    let query = [0.5, 0.4, -0.3];
    let (a, b) = (fresh.recall(&query).unwrap(), forgetful.recall(&query).unwrap());
    assert_eq!((a.steps, a.states.as_slice()), (b.steps, b.states.as_slice()));
    assert!(forgetful.recall(&query).unwrap().steps[0] > 3);
}

/// No queries and no patterns are nothing to do, for every memory.
#[test]
fn nothing_is_no_trouble() {
    use attractor::memory::{Energy, EnergySettings};
    let empty: Vec<Vec<f32>> = Vec::new();
    for name in [
        "softmax",
        "entmax:1.5",
        "epanechnikov",
        "rectified:3",
        "exponential",
        "hopfield",
        "lagrangian:a:3",
        "lagrangian:b",
        "lagrangian:c:3",
        "universal:l2:max",
        "universal:js:softmax",
    ] {
        let energy: Energy = name.parse().unwrap();
        let settings = EnergySettings { device: Some(Device::cpu()), ..EnergySettings::default() };
        let patterns = std::sync::Arc::new(vec![1.0, 1.0, 1.0, 1.0]);
        let mut memory = energy.memory(patterns, 2, &settings).unwrap();
        assert!(memory.recall(&empty).unwrap().is_empty(), "{name}");
        memory.append(&empty).unwrap();
        assert_eq!(memory.len(), 2, "{name}");
    }
}
