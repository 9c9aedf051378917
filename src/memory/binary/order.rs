//! In which order bits change.

use crate::{Error, Result};
use std::{fmt, str::FromStr};

/// Whether the bits of a state change together or one after another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// All at once.
    Synchronous,
    /// One after another, in a random order for each sweep. The energy never rises.
    #[default]
    Asynchronous,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Synchronous { "sync" } else { "async" })
    }
}

impl FromStr for Order {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "sync" => Ok(Self::Synchronous),
            "async" => Ok(Self::Asynchronous),
            _ => Err(Error::parameter("order", s, "sync or async")),
        }
    }
}

/// The order of the bits in a sweep: a permutation of `0..d`, the same on every device.
pub(in crate::memory) fn permutation(d: usize, seed: u64, sweep: u32) -> Vec<u32> {
    let mut state = seed ^ (u64::from(sweep) + 1).wrapping_mul(0xD1B5_4A32_D192_ED03);
    // SplitMix64.
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let mut order: Vec<u32> = (0..d as u32).collect();
    // Fisher and Yates; the bias of the remainder is below 2^-40 for any d that fits memory.
    for i in (1..d).rev() {
        order.swap(i, (next() % (i as u64 + 1)) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutations_hold_everything_once() {
        for d in [1, 2, 7, 100] {
            let mut order = permutation(d, 3, 5);
            order.sort_unstable();
            assert_eq!(order, (0..d as u32).collect::<Vec<u32>>());
        }
        assert_ne!(permutation(50, 0, 0), permutation(50, 0, 1));
        assert_ne!(permutation(50, 0, 0), permutation(50, 1, 0));
    }
}
