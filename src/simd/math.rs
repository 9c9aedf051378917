//! Vector loops that the compiler turns into the widest SIMD of the machine it runs on.
//!
//! Sums run over [`LANES`] independent lanes, which both fills the vector units and keeps rounding
//! errors near those of a pairwise sum.

use pulp::Arch;
use std::sync::OnceLock;

/// Independent partial sums: two AVX-512 registers, four AVX2, eight NEON.
const LANES: usize = 32;

/// The machine's instruction set, found once.
pub(crate) fn arch() -> Arch {
    static ARCH: OnceLock<Arch> = OnceLock::new();
    *ARCH.get_or_init(Arch::new)
}

/// Taken up by the closures of [`simd`].
pub(crate) struct Once;

/// Runs a block with the widest SIMD of this machine; everything it calls must inline into it.
///
/// The closure takes up a value, so that it can be called once only: a closure that could be called
/// again would be reached through a shim that is not inlined, and be compiled without the SIMD.
macro_rules! simd {
    ($body:expr) => {{
        let once = $crate::simd::math::Once;
        $crate::simd::math::arch().dispatch(
            #[inline(always)]
            || {
                let $crate::simd::math::Once = { once };
                $body
            },
        )
    }};
}
pub(crate) use simd;

/// `sum_i f(a_i, b_i)` over lanes.
#[inline(always)]
pub(crate) fn fold2(a: &[f32], b: &[f32], f: impl Fn(f32, f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for l in 0..LANES {
            lanes[l] = f(lanes[l], a[l], b[l]);
        }
    }
    for (l, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        lanes[l] = f(lanes[l], *a, *b);
    }
    sum_lanes(lanes)
}

/// Adds the lanes as a tree.
#[inline(always)]
fn sum_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for l in 0..width {
            lanes[l] += lanes[l + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// `sum_i a_i b_i`.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    fold2(a, b, |s, a, b| a.mul_add(b, s))
}

/// Largest value; the least finite f32 for an empty slice.
#[inline(always)]
pub(crate) fn maximum(v: &[f32]) -> f32 {
    let mut lanes = [f32::MIN; LANES];
    let (blocks, rest) = v.as_chunks::<LANES>();
    for block in blocks {
        for l in 0..LANES {
            lanes[l] = if block[l] > lanes[l] { block[l] } else { lanes[l] };
        }
    }
    lanes.into_iter().chain(rest.iter().copied()).fold(f32::MIN, f32::max)
}

/// Whether there is a NaN or plus infinity, of which no weight can be made. (Minus infinity weighs nothing.)
#[inline(always)]
pub(crate) fn spoiled(v: &[f32]) -> bool {
    v.iter().fold(false, |spoiled, v| spoiled | v.is_nan() | (*v == f32::INFINITY))
}

/// Sum over lanes.
#[inline(always)]
pub(crate) fn sum(v: &[f32]) -> f32 {
    fold2(v, v, |s, a, _| s + a)
}

/// `e^x` for `x <= 0` within 2 ulp; 0 below -87, where f32 runs out of normal numbers.
///
/// `2^n * e^r` with `|r| <= ln(2)/2` by a polynomial, branch-free so that loops over it vectorise.
#[inline(always)]
pub(crate) fn exp_nonpositive(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and taking away 1.5 * 2^23 rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    let clamped = if x > -87.0 { x } else { -87.0 };
    let shifted = clamped.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, clamped));
    let mut p = 1.987_569_1e-4_f32;
    p = p.mul_add(r, 1.398_199_9e-3);
    p = p.mul_add(r, 8.333_452e-3);
    p = p.mul_add(r, 4.166_579_6e-2);
    p = p.mul_add(r, 1.666_666_6e-1);
    p = p.mul_add(r, 0.5);
    let e = p.mul_add(r * r, r) + 1.0;
    // The integer sits in the low bits of `shifted`; moved to the exponent it multiplies by 2^n.
    let scaled = f32::from_bits(e.to_bits().wrapping_add(shifted.to_bits() << 23));
    if x > -87.0 { scaled } else { 0.0 }
}

/// `e^x` in f64 for `x <= 0` within 4 ulp; 0 below -700.
///
/// The same in more terms: the series of Taylor, whose first term left out is below `2e-17`.
#[inline(always)]
pub(crate) fn exp_nonpositive_f64(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    // Adding and taking away 1.5 * 2^52 rounds to the nearest integer.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    const TERMS: [f64; 13] = [
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
    ];
    let clamped = if x > -700.0 { x } else { -700.0 };
    let shifted = clamped.mul_add(std::f64::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, clamped));
    let e = TERMS.iter().fold(0.0, |p: f64, term| p.mul_add(r, *term)).mul_add(r, 1.0);
    let scaled = f64::from_bits(e.to_bits().wrapping_add(shifted.to_bits() << 52));
    if x > -700.0 { scaled } else { 0.0 }
}

/// `e^x` within 2 ulp; 0 below -87, infinite above 88.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // The polynomial and the exponent are right for positive numbers too, as long as the result is finite.
    let e = exp_nonpositive(if x < 88.0 { x } else { 88.0 });
    if x <= 88.0 { e } else { x * f32::MAX }
}

/// `(sin 2 pi x, cos 2 pi x)` within 1.5e-7 for `x` up to 500,000 turns: quarter turns are taken off exactly, the rest goes into
/// polynomials (S. Moshier, Cephes); branch-free so that loops over it vectorise.
#[inline(always)]
pub(crate) fn sin_cos_turns(x: f32) -> (f32, f32) {
    const ROUND: f32 = 12_582_912.0;
    let shifted = x.mul_add(4.0, ROUND);
    let quarters = shifted - ROUND;
    let t = std::f32::consts::TAU * quarters.mul_add(-0.25, x);
    let z = t * t;
    let sin = ((-1.951_529_6e-4_f32).mul_add(z, 8.332_161e-3).mul_add(z, -1.666_665_5e-1) * z).mul_add(t, t);
    let cos = 2.443_315_7e-5_f32
        .mul_add(z, -1.388_731_6e-3)
        .mul_add(z, 4.166_664_6e-2)
        .mul_add(z * z, (-0.5_f32).mul_add(z, 1.0));
    // The number of quarter turns sits in the low bits of `shifted`.
    let bits = shifted.to_bits();
    let (a, b) = if bits & 1 == 1 { (cos, sin) } else { (sin, cos) };
    let sin_sign = (bits & 2) << 30;
    let cos_sign = (bits.wrapping_add(1) & 2) << 30;
    (f32::from_bits(a.to_bits() ^ sin_sign), f32::from_bits(b.to_bits() ^ cos_sign))
}

/// `ln x` for positive normal numbers within 2 ulp or 1e-7 near 1; finite for 0 and subnormal numbers.
///
/// `x = 2^n m` with `m` from `1/sqrt 2` to `sqrt 2`; a polynomial in `m - 1`, branch-free so that loops over it
/// vectorise.
#[inline(always)]
pub(crate) fn ln_positive(x: f32) -> f32 {
    const HALF_ROOT: u32 = 0x3f35_04f3;
    // The exponent counts from 1/sqrt 2, so that `m` is around 1.
    let shifted = x.to_bits().wrapping_sub(HALF_ROOT);
    let n = ((shifted as i32) >> 23) as f32;
    let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(HALF_ROOT));
    let t = m - 1.0;
    let mut p = 7.037_683_6e-2_f32;
    p = p.mul_add(t, -1.151_461e-1);
    p = p.mul_add(t, 1.167_699_9e-1);
    p = p.mul_add(t, -1.242_014_1e-1);
    p = p.mul_add(t, 1.424_932_3e-1);
    p = p.mul_add(t, -1.666_805_8e-1);
    p = p.mul_add(t, 2.000_071_5e-1);
    p = p.mul_add(t, -2.499_999_4e-1);
    p = p.mul_add(t, 3.333_333e-1);
    let z = t * t;
    let low = n.mul_add(-2.121_944_4e-4, (t * z).mul_add(p, -0.5 * z));
    n.mul_add(0.693_359_4, low + t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_ulp() {
        for i in 0..1_000_000 {
            let x = -87.0 * (i as f32) / 1e6;
            let (got, want) = (f64::from(exp_nonpositive(x)), f64::from(x).exp());
            assert!((got - want).abs() <= 2.0 * f64::from(f32::EPSILON) * want, "{x}: {got} {want}");
        }
        assert_eq!(exp_nonpositive(0.0), 1.0);
        assert_eq!(exp_nonpositive(-1e30), 0.0);
    }

    #[test]
    fn exp_in_f64_is_within_four_ulp() {
        for i in 0..1_000_000 {
            let x = -700.0 * f64::from(i) / 1e6;
            let (got, want) = (exp_nonpositive_f64(x), x.exp());
            assert!((got - want).abs() <= 4.0 * f64::EPSILON * want, "{x}: {got} {want}");
        }
        assert_eq!((exp_nonpositive_f64(0.0), exp_nonpositive_f64(-1e30)), (1.0, 0.0));
    }

    #[test]
    fn exp_of_positive_numbers_is_within_two_ulp() {
        for i in 0..1_000_000 {
            let x = 88.0 * (i as f32) / 1e6;
            let (got, want) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((got - want).abs() <= 2.0 * f64::from(f32::EPSILON) * want, "{x}: {got} {want}");
        }
        assert_eq!(
            (exp(88.5), exp(f32::INFINITY), exp(f32::NEG_INFINITY)),
            (f32::INFINITY, f32::INFINITY, 0.0)
        );
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn sine_and_cosine_are_within_their_bound() {
        for i in 0..1_000_000 {
            let u = f64::from(i) / 5e5 - 1.0;
            // Around 0, and out to hundreds of radians.
            for x in [u as f32, (100.0 * u) as f32] {
                let (sin, cos) = sin_cos_turns(x);
                let (a, b) = (std::f64::consts::TAU * f64::from(x)).sin_cos();
                let error = (f64::from(sin) - a).abs().max((f64::from(cos) - b).abs());
                assert!(error <= 1.5e-7, "{x}: {sin} {a} {cos} {b}: {error:e}");
            }
        }
        assert_eq!(sin_cos_turns(0.0), (0.0, 1.0));
    }

    #[test]
    fn ln_is_within_two_ulp() {
        for i in 0..1_000_000 {
            // From 1e-37 to 1e37, and densely around 1.
            let u = f64::from(i) / 1e6;
            for x in [10f64.powf(74.0 * u - 37.0) as f32, (0.5 + u) as f32] {
                let (got, want) = (f64::from(ln_positive(x)), f64::from(x).ln());
                let bound = 2.0 * f64::from(f32::EPSILON) * want.abs().max(0.5);
                assert!((got - want).abs() <= bound, "{x}: {got} {want}");
            }
        }
        assert_eq!(ln_positive(1.0), 0.0);
        assert!(ln_positive(0.0).is_finite() && ln_positive(1e-40).is_finite());
    }

    #[test]
    fn sums_cover_every_length() {
        for n in 0..200 {
            let a: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let ones = vec![1.0; n];
            let want = (n * n.saturating_sub(1) / 2) as f32;
            assert_eq!(dot(&a, &ones), want);
            assert_eq!(sum(&a), want);
            assert_eq!(maximum(&a), if n == 0 { f32::MIN } else { (n - 1) as f32 });
        }
    }
}
