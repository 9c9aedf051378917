//! Whole recalls that are small enough for an interpreter: Miri runs them, to see what `unsafe` code below is given.

use crate::{
    memory::{BinaryMemory, BinarySettings, FeatureMemory, FeatureSettings},
    ops::{FeatureMap, FeatureSpec, Interaction},
    prelude::*,
};

/// Rows of small numbers of which no two are alike.
fn rows(n: usize, d: usize) -> Rows<'static> {
    Rows::new((0..n * d).map(|i| ((i * i * 7 + i) % 23) as f32 / 8.0 - 1.0).collect::<Vec<_>>(), d).unwrap()
}

#[test]
fn dense_memories_recall_what_they_store() {
    // Few queries and many, which take other ways; rows that are no whole vectors.
    for (queries, similarity) in [(2, Similarity::L2), (10, Similarity::Dot), (3, Similarity::L1)] {
        for precision in [Precision::F32, Precision::F16] {
            let patterns = rows(12, 5);
            let builder = DenseMemory::builder()
                .device(&Device::cpu())
                .similarity(similarity)
                .precision(precision)
                .beta(8.0)
                .shard_rows(7);
            let mut memory = builder.build(&patterns).unwrap();
            memory.append(&rows(2, 5)).unwrap();
            memory.forget(&[12, 13]).unwrap();
            let options = RecallOptions { steps: 2, trace: true, ..RecallOptions::default() };
            let recalled = memory.recall_with(&patterns.slice(0..queries), &options).unwrap();
            assert!(recalled.states.as_slice().iter().all(|v| v.is_finite()));
            if similarity == Similarity::L2 {
                let best: Vec<u32> = recalled.indices.chunks(recalled.top_k).map(|list| list[0]).collect();
                assert_eq!(best, [0, 1]);
            }
        }
    }
}

#[test]
fn bits_are_counted_and_flipped() {
    let bits = |n: usize| {
        let signs = |i: usize| if (i * i + i / 3) % 5 < 2 { 1.0 } else { -1.0 };
        Rows::new((0..n * 70).map(signs).collect::<Vec<f32>>(), 70).unwrap()
    };
    let settings =
        BinarySettings { device: Some(Device::cpu()), ..BinarySettings::new(Interaction::Exponential) };
    let memory = BinaryMemory::with(&bits(3), settings).unwrap();
    let recalled = memory.recall(&bits(2)).unwrap();
    assert_eq!(recalled.states.row(0), bits(1).row(0));
}

#[test]
fn features_are_absorbed_and_looked_at() {
    let settings = FeatureSettings { device: Some(Device::cpu()), ..FeatureSettings::default() };
    let spec = FeatureSpec::new(FeatureMap::SinCos, 20, 3, 1.0, 7);
    let mut memory = FeatureMemory::with(spec, settings).unwrap();
    memory.absorb(&rows(2, 3)).unwrap();
    let (energy, gradient) = memory.energy_and_gradient(&rows(1, 3)).unwrap();
    assert!(energy[0].is_finite() && gradient.as_slice().iter().all(|v| v.is_finite()));
}
