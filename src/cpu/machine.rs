//! The multiply-add peak of the CPU.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Rounds of a core.
const ROUNDS: usize = 2_000_000;
/// Chains that run at once: more than latency times issue width on any core.
const CHAINS: usize = 12;

struct Chains;

impl WithSimd for Chains {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let factor = simd.splat_f32s(std::hint::black_box(0.999));
        let mut sums = [factor; CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, factor, factor);
            }
        }
        std::hint::black_box(sums);
        (2 * ROUNDS * CHAINS * S::F32_LANES) as f64
    }
}

/// Runs multiply-adds on all cores; gives how many operations they were.
pub(crate) fn multiply_adds() -> f64 {
    let cores = rayon::current_num_threads();
    (0..cores).into_par_iter().with_max_len(1).map(|_| crate::simd::math::arch().dispatch(Chains)).sum()
}
