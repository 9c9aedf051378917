//! Seeds of seeds, and orders: by G. Steele's `SplitMix64` (OOPSLA 2014).

/// What the state of `SplitMix64` moves on by.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// What `SplitMix64` gives at a state.
fn mixed(state: u64) -> u64 {
    let z = state.wrapping_add(STEP);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A seed made of a seed and of what is to be drawn with it; the order of the tags counts.
pub(crate) fn key(seed: u64, tags: &[u64]) -> u64 {
    tags.iter().fold(mixed(seed), |key, tag| mixed(key ^ mixed(*tag)))
}

/// A text as a tag of [`key`] (FNV-1a).
pub(crate) fn tag(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3))
}

/// A permutation of `0..n` for a round of something that goes on for many.
pub(crate) fn permutation(n: usize, seed: u64, round: u32) -> Vec<u32> {
    let mut state = seed ^ (u64::from(round) + 1).wrapping_mul(0xD1B5_4A32_D192_ED03);
    let mut order: Vec<u32> = (0..n as u32).collect();
    // Fisher and Yates; the bias of the remainder is below 2^-40 for any n that fits memory.
    for i in (1..n).rev() {
        order.swap(i, (mixed(state) % (i as u64 + 1)) as usize);
        state = state.wrapping_add(STEP);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of the seed 1234567, as published with the generator.
    #[test]
    fn known_answers() {
        let state = |i: u64| 1_234_567_u64.wrapping_add(i.wrapping_mul(STEP));
        assert_eq!(mixed(state(0)), 6_457_827_717_110_365_317);
        assert_eq!(mixed(state(1)), 3_203_168_211_198_807_973);
        assert_eq!(tag("foobar"), 0x8594_4171_F739_67E8);
    }

    #[test]
    fn keys_tell_seeds_and_tags_apart() {
        assert!(key(1, &[2, 3]) != key(1, &[3, 2]) && key(1, &[2]) != key(2, &[2]) && tag("a") != tag("b"));
    }

    #[test]
    fn permutations_hold_everything_once() {
        for n in [1, 2, 7, 100] {
            let mut order = permutation(n, 3, 5);
            order.sort_unstable();
            assert_eq!(order, (0..n as u32).collect::<Vec<u32>>());
        }
        assert_ne!(permutation(50, 0, 0), permutation(50, 0, 1));
        assert_ne!(permutation(50, 0, 0), permutation(50, 1, 0));
    }
}
