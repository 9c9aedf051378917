//! Rows as they are stored, read into vectors of f32: f16 is widened in registers, since writing it out widened
//! first would cost more than the memory traffic that it saves.

use half::f16;
use pulp::Simd;
use std::ops::Range;

/// Rows of values, one after another.
#[derive(Clone, Copy)]
pub(crate) enum Stored<'a> {
    Single(&'a [f32]),
    /// With the proof that the machine widens f16 by itself.
    #[cfg(target_arch = "x86_64")]
    Half(pulp::x86::V4, &'a [f16]),
}

impl<'a> Stored<'a> {
    /// f16 as it is, where this machine's vectors can be filled from it.
    pub(crate) fn half(values: &'a [f16]) -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return pulp::x86::V4::try_new().map(|simd| Self::Half(simd, values));
        #[cfg(not(target_arch = "x86_64"))]
        return None;
    }

    /// How many values.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Single(values) => values.len(),
            #[cfg(target_arch = "x86_64")]
            Self::Half(_, values) => values.len(),
        }
    }

    /// Some of the values.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        match *self {
            Self::Single(values) => Self::Single(&values[range]),
            #[cfg(target_arch = "x86_64")]
            Self::Half(simd, values) => Self::Half(simd, &values[range]),
        }
    }

    /// Runs a loop over the rows, compiled for how they are stored and for the widest SIMD of the machine.
    pub(crate) fn run(self, work: impl OverRows) {
        match self {
            Self::Single(rows) => super::math::arch().dispatch(OverSingle { rows, work }),
            #[cfg(target_arch = "x86_64")]
            Self::Half(simd, rows) => simd.vectorize(
                #[inline(always)]
                || work.run(simd, rows),
            ),
        }
    }
}

/// A loop over rows, for any way to store them.
pub(crate) trait OverRows {
    /// Marked `inline(always)` in its implementations, so that the SIMD reaches it.
    fn run<S: Simd, V: Value<S>>(self, simd: S, rows: &[V]);
}

struct OverSingle<'a, W> {
    rows: &'a [f32],
    work: W,
}

impl<W: OverRows> pulp::WithSimd for OverSingle<'_, W> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.work.run(simd, self.rows);
    }
}

/// A kind of value that fills vectors of f32.
pub(crate) trait Value<S: Simd>: Copy {
    /// As many values as there are lanes.
    type Vector: Copy;

    /// Whole vectors of a row, and what is left.
    fn vectors(row: &[Self]) -> (&[Self::Vector], &[Self]);

    /// The values as f32.
    fn load(simd: S, vector: Self::Vector) -> S::f32s;

    /// Fewer values than lanes; zeros in the other lanes.
    fn load_some(simd: S, values: &[Self]) -> S::f32s;
}

impl<S: Simd> Value<S> for f32 {
    type Vector = S::f32s;

    #[inline(always)]
    fn vectors(row: &[Self]) -> (&[S::f32s], &[Self]) {
        S::as_simd_f32s(row)
    }

    #[inline(always)]
    fn load(_: S, vector: S::f32s) -> S::f32s {
        vector
    }

    #[inline(always)]
    fn load_some(simd: S, values: &[Self]) -> S::f32s {
        simd.partial_load_f32s(values)
    }
}

#[cfg(target_arch = "x86_64")]
impl Value<pulp::x86::V4> for f16 {
    type Vector = [u16; 16];

    #[inline(always)]
    fn vectors(row: &[Self]) -> (&[[u16; 16]], &[Self]) {
        let whole = row.len() / 16 * 16;
        let bits: &[u16] = bytemuck::cast_slice(&row[..whole]);
        (bits.as_chunks().0, &row[whole..])
    }

    #[inline(always)]
    fn load(simd: pulp::x86::V4, vector: [u16; 16]) -> pulp::f32x16 {
        pulp::cast(simd.avx512f._mm512_cvtph_ps(pulp::cast(vector)))
    }

    #[inline(always)]
    fn load_some(simd: pulp::x86::V4, values: &[Self]) -> pulp::f32x16 {
        let mut vector = [0; 16];
        vector.iter_mut().zip(values).for_each(|(bits, value)| *bits = value.to_bits());
        Self::load(simd, vector)
    }
}
