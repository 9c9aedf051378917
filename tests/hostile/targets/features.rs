//! Saved memories of features.

use super::{Scratch, accepted, store::resealed, within};
use attractor::{
    Device,
    memory::{FeatureMemory, Memory, RecallOptions},
};

/// Header and vectors, each copied a few times on the way.
const PER_BYTE: usize = 64;
/// Frequencies that a memory keeps as it loads them, beside what it takes to make them.
const FIXED: usize = (2 * 64 + 8) << 20;

pub(super) fn features(bytes: &[u8], scratch: &Scratch) {
    // As it is, and as if all that is in it had been meant.
    for bytes in [bytes, &resealed(bytes)] {
        check(bytes, scratch);
    }
}

fn check(bytes: &[u8], scratch: &Scratch) {
    let path = scratch.file("read.safetensors", bytes);
    let load = || FeatureMemory::load(&path, &Device::cpu());
    let Some(memory) = accepted(within(PER_BYTE * bytes.len() + FIXED, load), &path) else { return };
    assert_eq!(memory.vector().len(), memory.spec().length());
    assert!(memory.vector().iter().all(|v| v.is_finite()));

    let saved = scratch.path("again.safetensors");
    memory.save(&saved).expect("what was read is saved");
    let again = FeatureMemory::load(&saved, &Device::cpu()).expect("what was saved is read");
    assert_eq!(again.vector(), memory.vector());
    assert_eq!((again.len(), again.weight()), (memory.len(), memory.weight()));
    assert_eq!(again.spec(), memory.spec());
    // Of a moderate size, also what it is for.
    if memory.spec().count * memory.spec().dim <= 1 << 12 {
        let query = vec![0.25; memory.spec().dim];
        let few = RecallOptions { steps: 3, ..RecallOptions::default() };
        if let Err(error) = memory.recall_with(&[query], &few) {
            super::legible(&error);
        }
    }
}
