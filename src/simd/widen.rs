//! f16 to f32.

use super::math::{Once, simd};
use half::f16;

/// Writes finite half-precision values in single precision, exactly.
pub(crate) fn widen(values: &[f16], out: &mut [f32]) {
    let bits: &[u16] = bytemuck::cast_slice(values);
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V4::try_new() {
        let (bits, bits_rest) = bits.as_chunks::<16>();
        let (out, out_rest) = out.as_chunks_mut::<16>();
        let once = Once;
        simd.vectorize(
            #[inline(always)]
            || {
                // See `simd!` for why the closure takes up a value.
                let Once = { once };
                for (out, bits) in out.iter_mut().zip(bits) {
                    *out = pulp::cast(simd.avx512f._mm512_cvtph_ps(pulp::cast(*bits)));
                }
            },
        );
        return by_arithmetic(bits_rest, out_rest);
    }
    by_arithmetic(bits, out);
}

/// Exponent and mantissa moved to their places in an f32, then the difference of the exponents' biases
/// multiplied in, which is right for subnormal numbers too. (The `half` crate would call a function for
/// each eight values, and recalls of few queries would wait for it, not for memory.)
fn by_arithmetic(bits: &[u16], out: &mut [f32]) {
    const BIASES: f32 = f32::from_bits((127 + 127 - 15) << 23);
    simd!(for (out, bits) in out.iter_mut().zip(bits) {
        let bits = u32::from(*bits);
        let size = f32::from_bits((bits & 0x7fff) << 13) * BIASES;
        *out = f32::from_bits(size.to_bits() | (bits & 0x8000) << 16);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_value_comes_through() {
        let finite = |bits: &u16| f16::from_bits(*bits).is_finite();
        let all: Vec<f16> = (0..=u16::MAX).filter(finite).map(f16::from_bits).collect();
        // Odd lengths leave a rest behind the vectors.
        for length in [all.len(), 1, 7, 17, 40] {
            let mut out = vec![0.0; length];
            widen(&all[..length], &mut out);
            for (value, got) in all.iter().zip(&out) {
                assert_eq!(value.to_f32().to_bits(), got.to_bits());
            }
            by_arithmetic(bytemuck::cast_slice(&all[..length]), &mut out);
            for (value, got) in all.iter().zip(&out) {
                assert_eq!(value.to_f32().to_bits(), got.to_bits());
            }
        }
    }
}
