//! The multiply-add kernel of the recall: queries lie side by side in the lanes of vectors.
//!
//! With queries in the lanes, the maximum, the exponentials and the sums of a softmax are plain
//! vector operations without a reduction across lanes, and patterns are read as they are stored, one
//! broadcast a value, without packing.

use pulp::{Simd, WithSimd};

/// Queries of a tile.
pub(crate) const LANES: usize = 64;
/// Longest chain of additions; partial sums of longer products are added up.
const CHAIN: usize = 128;

/// `c[r][lane] (+)= sum_t a(r, t) b[t][lane]`, where `a(r, t) = a[r * row_stride + t * step_stride]`;
/// with `distance`, `|a(r, t) - b[t][lane]|` takes the place of the product.
pub(crate) struct Product<'a> {
    /// `[rows][LANES]`.
    pub(crate) c: &'a mut [f32],
    pub(crate) a: &'a [f32],
    pub(crate) row_stride: usize,
    pub(crate) step_stride: usize,
    /// `[steps][LANES]`.
    pub(crate) b: &'a [f32],
    /// Lanes in use; what others get is not defined.
    pub(crate) lanes: usize,
    /// Add to `c` rather than replace it.
    pub(crate) add: bool,
    pub(crate) distance: bool,
}

impl Product<'_> {
    pub(crate) fn run(self) {
        super::math::arch().dispatch(self);
    }
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let steps = self.b.len() / LANES;
        // Parts of even length: a short last one would spend its time on loading and storing sums.
        let part = steps.div_ceil(steps.div_ceil(CHAIN).max(1)).max(1);
        for start in (0..steps.max(1)).step_by(part) {
            let end = (start + part).min(steps);
            // 24 accumulators of AVX-512's and NEON's 32 registers, 12 of AVX2's 16.
            match (self.distance, S::REGISTER_COUNT >= 32) {
                (false, true) => cover::<S, 4, false>(simd, &mut self, start..end),
                (false, false) => cover::<S, 2, false>(simd, &mut self, start..end),
                (true, true) => cover::<S, 4, true>(simd, &mut self, start..end),
                (true, false) => cover::<S, 2, true>(simd, &mut self, start..end),
            }
            self.add = true;
        }
    }
}

/// Covers the product with register tiles `V` vectors wide.
#[inline(always)]
fn cover<S: Simd, const V: usize, const DISTANCE: bool>(
    simd: S,
    p: &mut Product<'_>,
    steps: std::ops::Range<usize>,
) {
    let vectors = p.lanes.div_ceil(S::F32_LANES).min(LANES / S::F32_LANES);
    let rows = p.c.len() / LANES;
    let mut v = 0;
    while v < vectors {
        // A wide tile where there are queries to fill it; else one vector and more rows.
        let wide = vectors - v >= V;
        let mut r = 0;
        while r < rows {
            let left = rows - r;
            r += match (wide, left) {
                (true, 6..) => tile::<S, V, 6, DISTANCE>(simd, p, steps.clone(), r, v),
                (true, _) => tile::<S, V, 1, DISTANCE>(simd, p, steps.clone(), r, v),
                (false, 12..) => tile::<S, 1, 12, DISTANCE>(simd, p, steps.clone(), r, v),
                (false, _) => tile::<S, 1, 1, DISTANCE>(simd, p, steps.clone(), r, v),
            };
        }
        v += if wide { V } else { 1 };
    }
}

/// One register tile: `R` rows from `row` on, `V` vectors from `vector` on; gives `R`.
#[inline(always)]
fn tile<S: Simd, const V: usize, const R: usize, const DISTANCE: bool>(
    simd: S,
    p: &mut Product<'_>,
    steps: std::ops::Range<usize>,
    row: usize,
    vector: usize,
) -> usize {
    let per_row = LANES / S::F32_LANES;
    let (b, _) = S::as_simd_f32s(p.b);
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    let first = row * p.row_stride;
    for t in steps {
        let y = &b[t * per_row + vector..][..V];
        let at = first + t * p.step_stride;
        for (r, sums) in sums.iter_mut().enumerate() {
            let x = simd.splat_f32s(p.a[at + r * p.row_stride]);
            for (sum, y) in sums.iter_mut().zip(y) {
                *sum = if DISTANCE {
                    simd.add_f32s(*sum, simd.abs_f32s(simd.sub_f32s(x, *y)))
                } else {
                    simd.mul_add_e_f32s(x, *y, *sum)
                };
            }
        }
    }
    let (c, _) = S::as_mut_simd_f32s(p.c);
    for (r, sums) in sums.iter().enumerate() {
        let c = &mut c[(row + r) * per_row + vector..][..V];
        for (c, sum) in c.iter_mut().zip(sums) {
            *c = if p.add { simd.add_f32s(*c, *sum) } else { *sum };
        }
    }
    R
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_tile_is_covered() {
        for rows in [1, 5, 6, 7, 12, 13, 25] {
            for steps in [1, 3, 129, 300] {
                for lanes in [1, 8, 16, 17, 33, 64] {
                    for distance in [false, true] {
                        // Small whole numbers: every sum is exact.
                        let a: Vec<f32> = (0..rows * steps).map(|i| (i % 7) as f32 - 3.0).collect();
                        let b: Vec<f32> = (0..steps * LANES).map(|i| (i % 5) as f32 - 2.0).collect();
                        let mut c = vec![1.0; rows * LANES];
                        let (row_stride, step_stride) = if distance { (steps, 1) } else { (1, rows) };
                        let add = !distance;
                        Product { c: &mut c, a: &a, row_stride, step_stride, b: &b, lanes, add, distance }
                            .run();
                        for r in 0..rows {
                            for lane in 0..lanes {
                                let term = |t: usize| {
                                    let (x, y) = (a[r * row_stride + t * step_stride], b[t * LANES + lane]);
                                    if distance { (x - y).abs() } else { x * y }
                                };
                                let want = (0..steps).map(term).sum::<f32>() + if add { 1.0 } else { 0.0 };
                                assert_eq!(c[r * LANES + lane], want, "{rows} {steps} {lanes} {distance}");
                            }
                        }
                    }
                }
            }
        }
    }
}
