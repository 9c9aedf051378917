//! Random numbers that are functions of what they are for: the same on every machine and device, in any order, and independent of
//! what else is drawn.
//!
//! One rule: a *stream* is named by a seed, a purpose and a row, and its block `index` is the four words of Philox4x32-10 at the
//! counter `(row mod 2^32, index, purpose, row / 2^32)` with the seed as the key ([`words`]). No two streams of a seed share a counter.
//! Purposes stand in [`purpose`]. Whoever draws for several purposes of its own makes a seed for them with [`key`].
//!
//! The code here is scalar. `src/cpu/frequencies.rs` and `shaders/shared/philox.wgsl` have the same generator for whole rows.

mod philox;
mod splitmix;
mod stream;

pub(crate) use philox::{MULTIPLIERS, ROUNDS, WEYL, philox};
pub(crate) use splitmix::{key, permutation, tag};
pub(crate) use stream::Stream;

/// What numbers of a seed are drawn for: the third word of the counter.
pub(crate) mod purpose {
    /// Standard normals: Gaussian frequencies, generated patterns, weights of feature maps.
    pub(crate) const NORMALS: u32 = 0;
    /// Phases of random features.
    pub(crate) const PHASES: u32 = 1;
    /// Diagonals of signs of structured frequencies: this and the next two.
    pub(crate) const SIGNS: u32 = 2;
    /// Bits of generated patterns of -1 and 1.
    pub(crate) const BITS: u32 = 5;
    /// Orders of the batches of a training.
    pub(crate) const BATCHES: u32 = 0x6261_7463;

    // With seeds made by `key`: patterns of the capacity benchmark.
    /// A pattern.
    pub(crate) const PATTERN: u32 = 1;
    /// The centre of a cluster of patterns.
    pub(crate) const CLUSTER: u32 = 2;
    /// An axis of the manifold that patterns lie on.
    pub(crate) const AXIS: u32 = 3;
    /// The order of the rows of a file.
    pub(crate) const ORDER: u32 = 4;
    /// Which pattern a query asks for.
    pub(crate) const TARGET: u32 = 16;
    /// How a pattern is corrupted.
    pub(crate) const CORRUPTION: u32 = 17;
    /// Where a recall starts around a pattern.
    pub(crate) const START: u32 = 18;

    /// Hashes of rows, by their checksums.
    pub(crate) const SAMPLE: u32 = 31;
    /// Data to time kernels with.
    pub(crate) const TIMING: u32 = 32;
}

/// Block `index` of a stream: four uniform words.
pub(crate) fn words(seed: u64, purpose: u32, row: u64, index: u32) -> [u32; 4] {
    philox([row as u32, index, purpose, (row >> 32) as u32], seed)
}
