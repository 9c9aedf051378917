//! The fast CPU back end: all cores, SIMD chosen at run time, patterns read in blocks that fit the
//! cache. Same names as [`crate::reference`] and the shaders.

pub(crate) mod append;
pub(crate) mod bank;
pub(crate) mod bits;
pub(crate) mod descent;
pub(crate) mod divergence;
pub(crate) mod dots;
pub(crate) mod elementwise;
pub(crate) mod features;
pub(crate) mod frequencies;
pub(crate) mod kernel;
pub(crate) mod machine;
pub(crate) mod matmul;
pub(crate) mod normalize;
pub(crate) mod pairs;
pub(crate) mod reduce;
pub(crate) mod scan;
pub(crate) mod separation;
pub(crate) mod similarity;
pub(crate) mod softmax;
pub(crate) mod topk;

use rayon::prelude::*;

/// Calls `f(row index, row)` for each row of a matrix, on all cores.
pub(crate) fn for_each_row(data: &mut [f32], columns: usize, f: impl Fn(usize, &mut [f32]) + Sync + Send) {
    // A few thousand values are worth a thread's while.
    let rows = 4096_usize.checked_div(columns).unwrap_or(0).max(1);
    data.par_chunks_mut((rows * columns).max(1)).enumerate().for_each(|(i, block)| {
        for (j, row) in block.chunks_exact_mut(columns).enumerate() {
            f(i * rows + j, row);
        }
    });
}
