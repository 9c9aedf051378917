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

/// What a sum is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// `x y`
    Product,
    /// `|x - y|`
    Absolute,
    /// `(x - y)^2`
    Squared,
    /// `|x - y|`, 0 where one of them is NaN: a coordinate that is not known.
    KnownAbsolute,
    /// `(x - y)^2`, 0 where one of them is NaN.
    KnownSquared,
}

#[cfg(test)]
impl Metric {
    pub(crate) const ALL: [Self; 5] =
        [Self::Product, Self::Absolute, Self::Squared, Self::KnownAbsolute, Self::KnownSquared];

    /// The summand of two numbers.
    pub(crate) fn of(self, x: f32, y: f32) -> f32 {
        match self {
            Self::Product => x * y,
            Self::KnownAbsolute | Self::KnownSquared if (x - y).is_nan() => 0.0,
            Self::Absolute | Self::KnownAbsolute => (x - y).abs(),
            Self::Squared | Self::KnownSquared => (x - y) * (x - y),
        }
    }
}

/// A [`Metric`] in vectors.
pub(crate) trait Summand {
    /// `sum + f(x, y)`
    fn add<S: Simd>(simd: S, sum: S::f32s, x: S::f32s, y: S::f32s) -> S::f32s;
}

/// [`Metric::Product`].
pub(crate) struct Multiply;
/// [`Metric::Absolute`].
pub(crate) struct Absolute;
/// [`Metric::Squared`].
pub(crate) struct Square;
/// [`Metric::KnownAbsolute`].
pub(crate) struct KnownAbsolute;
/// [`Metric::KnownSquared`].
pub(crate) struct KnownSquare;

/// `x - y`, or 0 where that is NaN.
#[inline(always)]
fn known_difference<S: Simd>(simd: S, x: S::f32s, y: S::f32s) -> S::f32s {
    let difference = simd.sub_f32s(x, y);
    simd.select_f32s(simd.equal_f32s(difference, difference), difference, simd.splat_f32s(0.0))
}

impl Summand for KnownAbsolute {
    #[inline(always)]
    fn add<S: Simd>(simd: S, sum: S::f32s, x: S::f32s, y: S::f32s) -> S::f32s {
        simd.add_f32s(sum, simd.abs_f32s(known_difference(simd, x, y)))
    }
}

impl Summand for KnownSquare {
    #[inline(always)]
    fn add<S: Simd>(simd: S, sum: S::f32s, x: S::f32s, y: S::f32s) -> S::f32s {
        let difference = known_difference(simd, x, y);
        simd.mul_add_e_f32s(difference, difference, sum)
    }
}

impl Summand for Multiply {
    #[inline(always)]
    fn add<S: Simd>(simd: S, sum: S::f32s, x: S::f32s, y: S::f32s) -> S::f32s {
        simd.mul_add_e_f32s(x, y, sum)
    }
}

impl Summand for Absolute {
    #[inline(always)]
    fn add<S: Simd>(simd: S, sum: S::f32s, x: S::f32s, y: S::f32s) -> S::f32s {
        simd.add_f32s(sum, simd.abs_f32s(simd.sub_f32s(x, y)))
    }
}

impl Summand for Square {
    #[inline(always)]
    fn add<S: Simd>(simd: S, sum: S::f32s, x: S::f32s, y: S::f32s) -> S::f32s {
        let difference = simd.sub_f32s(x, y);
        simd.mul_add_e_f32s(difference, difference, sum)
    }
}

/// `c[r][lane] (+)= sum_t f(a(r, t), b[t][lane])`, where `a(r, t) = a[r * row_stride + t * step_stride]`
/// and the metric says what `f` is.
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
    pub(crate) metric: Metric,
}

impl Product<'_> {
    pub(crate) fn run(self) {
        crate::simd::math::arch().dispatch(self);
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
            match self.metric {
                Metric::Product => widest::<S, Multiply>(simd, &mut self, start..end),
                Metric::Absolute => widest::<S, Absolute>(simd, &mut self, start..end),
                Metric::Squared => widest::<S, Square>(simd, &mut self, start..end),
                Metric::KnownAbsolute => widest::<S, KnownAbsolute>(simd, &mut self, start..end),
                Metric::KnownSquared => widest::<S, KnownSquare>(simd, &mut self, start..end),
            }
            self.add = true;
        }
    }
}

/// Covers the product with the tiles that fill the registers: 24 accumulators of AVX-512's and NEON's 32, 12 of AVX2's 16.
#[inline(always)]
fn widest<S: Simd, M: Summand>(simd: S, p: &mut Product<'_>, steps: std::ops::Range<usize>) {
    match S::REGISTER_COUNT >= 32 {
        true => cover::<S, M, 4>(simd, p, steps),
        false => cover::<S, M, 2>(simd, p, steps),
    }
}

/// Covers the product with register tiles `V` vectors wide.
#[inline(always)]
fn cover<S: Simd, M: Summand, const V: usize>(simd: S, p: &mut Product<'_>, steps: std::ops::Range<usize>) {
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
                (true, 6..) => tile::<S, M, V, 6>(simd, p, steps.clone(), r, v),
                (true, _) => tile::<S, M, V, 1>(simd, p, steps.clone(), r, v),
                (false, 12..) => tile::<S, M, 1, 12>(simd, p, steps.clone(), r, v),
                (false, _) => tile::<S, M, 1, 1>(simd, p, steps.clone(), r, v),
            };
        }
        v += if wide { V } else { 1 };
    }
}

/// One register tile: `R` rows from `row` on, `V` vectors from `vector` on; gives `R`.
#[inline(always)]
fn tile<S: Simd, M: Summand, const V: usize, const R: usize>(
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
                *sum = M::add(simd, *sum, x, *y);
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
                    for metric in Metric::ALL {
                        // Small whole numbers: every sum is exact.
                        let a: Vec<f32> = (0..rows * steps).map(|i| (i % 7) as f32 - 3.0).collect();
                        let known = matches!(metric, Metric::KnownAbsolute | Metric::KnownSquared);
                        let value = |i: usize| {
                            if known && i.is_multiple_of(3) { f32::NAN } else { (i % 5) as f32 - 2.0 }
                        };
                        let b: Vec<f32> = (0..steps * LANES).map(value).collect();
                        let mut c = vec![1.0; rows * LANES];
                        let add = metric == Metric::Product;
                        let (row_stride, step_stride) = if add { (1, rows) } else { (steps, 1) };
                        Product { c: &mut c, a: &a, row_stride, step_stride, b: &b, lanes, add, metric }
                            .run();
                        for r in 0..rows {
                            for lane in 0..lanes {
                                let term = |t: usize| {
                                    let (x, y) = (a[r * row_stride + t * step_stride], b[t * LANES + lane]);
                                    metric.of(x, y)
                                };
                                let want = (0..steps).map(term).sum::<f32>() + if add { 1.0 } else { 0.0 };
                                assert_eq!(c[r * LANES + lane], want, "{rows} {steps} {lanes} {metric:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}
