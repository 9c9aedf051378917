//! Random frequencies on the CPU: the generator with a counter, see [`crate::reference::frequencies`].

use super::math::{self, simd};
use crate::{
    ops::Projection,
    reference::{self, SIGN_BITS},
    tensor::TOGETHER,
};
use rayon::prelude::*;
use std::ops::Range;

/// Counters that go through the generator together.
const LANES: usize = 32;

/// Numbers of the counters that go through the generator together; each in the lower half of 64 bits, where a multiplication
/// finds it and leaves both halves of its product.
type Lanes = [u64; LANES];

/// Words of the counters `(row, place, stream, row / 2^32)`. What the upper halves hold meanwhile is never read.
#[inline(always)]
fn philox(rows: &Lanes, places: &Lanes, stream: u32, seed: u64) -> [[u32; LANES]; 4] {
    const LOW: u64 = 0xffff_ffff;
    let (mut a, mut b, mut c, mut d) = (*rows, *places, [u64::from(stream); LANES], *rows);
    for d in &mut d {
        *d >>= 32;
    }
    let (mut low, mut high) = (seed as u32, (seed >> 32) as u32);
    for _ in 0..10 {
        for l in 0..LANES {
            let x = 0xD251_1F53 * (a[l] & LOW);
            let y = 0xCD9E_8D57 * (c[l] & LOW);
            a[l] = (y >> 32) ^ b[l] ^ u64::from(low);
            b[l] = y;
            c[l] = (x >> 32) ^ d[l] ^ u64::from(high);
            d[l] = x;
        }
        low = low.wrapping_add(0x9E37_79B9);
        high = high.wrapping_add(0xBB67_AE85);
    }
    // A loop, since `map` of an array is not always inlined.
    let mut words = [[0; LANES]; 4];
    for l in 0..LANES {
        (words[0][l], words[1][l]) = (a[l] as u32, b[l] as u32);
        (words[2][l], words[3][l]) = (c[l] as u32, d[l] as u32);
    }
    words
}

/// The 24 upper bits of a word as a number in `[0, 1)`, exactly.
#[inline(always)]
fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// Two normals of two words, by Box and Muller.
#[inline(always)]
fn normals(radius: u32, angle: u32) -> (f32, f32) {
    let r = (-2.0 * math::ln_positive(unit(radius) + 1.0 / 16_777_216.0)).max(0.0).sqrt();
    let (sin, cos) = math::sin_cos_turns(unit(angle));
    (r * cos, r * sin)
}

/// Writes the independent normals of a seed from row `first` on, `[rows, d]`. Counters of several short rows go through the
/// generator together.
pub(crate) fn gaussian(seed: u64, first: u64, d: usize, out: &mut [f32]) {
    let quads = d.div_ceil(4);
    let (whole, rest) = (LANES / quads, LANES % quads);
    let (mut rows, mut places) = ([0; LANES], [0; LANES]);
    for l in 0..LANES {
        (rows[l], places[l]) = (first + (l / quads) as u64, (l % quads) as u64);
    }
    simd!({
        let mut out = out;
        while !out.is_empty() {
            let [a, b, c, e] = philox(&rows, &places, 0, seed);
            let mut values = [[0.0_f32; 4]; LANES];
            for l in 0..LANES {
                let ((p, q), (r, s)) = (normals(a[l], b[l]), normals(c[l], e[l]));
                values[l] = [p, q, r, s];
            }
            if d.is_multiple_of(4) && out.len() >= 4 * LANES {
                // Of a length that the compiler knows.
                let (now, rest) = out.split_at_mut(4 * LANES);
                now.copy_from_slice(values.as_flattened());
                out = rest;
            } else {
                // The last four of a row are cut.
                for (four, place) in values.iter().zip(&places) {
                    let count = (d - 4 * *place as usize).min(4).min(out.len());
                    let (now, rest) = out.split_at_mut(count);
                    now.copy_from_slice(&four[..count]);
                    out = rest;
                }
            }
            for l in 0..LANES {
                let place = places[l] + rest as u64;
                let over = place >= quads as u64;
                places[l] = if over { place - quads as u64 } else { place };
                rows[l] += whole as u64 + u64::from(over);
            }
        }
    });
}

/// Random signs of the rows from `first` on of a seed, a bit each: 128 bits of a row to a counter. `out` is `[groups][width]` with the
/// words of eight rows side by side, bits beyond `d` clear.
pub(crate) fn bits(seed: u64, first: u64, d: usize, out: &mut [[u64; TOGETHER]]) {
    let width = d.div_ceil(64);
    let last = if d.is_multiple_of(64) { u64::MAX } else { (1 << (d % 64)) - 1 };
    let mut rows = [0; LANES];
    simd!(for (i, groups) in out.chunks_mut(width * LANES / TOGETHER).enumerate() {
        for (l, row) in rows.iter_mut().enumerate() {
            *row = first + (i * LANES + l) as u64;
        }
        for column in 0..d.div_ceil(128) {
            let words = philox(&rows, &[column as u64; LANES], SIGN_BITS, seed);
            for (g, group) in groups.chunks_exact_mut(width).enumerate() {
                for (half, out) in group[2 * column..].iter_mut().take(2).enumerate() {
                    for (lane, out) in out.iter_mut().enumerate() {
                        let l = g * TOGETHER + lane;
                        *out = u64::from(words[2 * half + 1][l]) << 32 | u64::from(words[2 * half][l]);
                    }
                }
            }
        }
        for group in groups.chunks_exact_mut(width) {
            group[width - 1].iter_mut().for_each(|word| *word &= last);
        }
    });
}

/// The frequencies `range` of a seed, `[rows, d]`, on all cores.
pub(crate) fn rows(projection: Projection, seed: u64, range: Range<usize>, d: usize) -> Vec<f32> {
    let mut all = vec![0.0; range.len() * d];
    match projection {
        Projection::Gaussian => {
            let rows = (4096 / d).max(1);
            all.par_chunks_mut(rows * d)
                .enumerate()
                .for_each(|(i, piece)| gaussian(seed, (range.start + i * rows) as u64, d, piece));
            return all;
        }
        Projection::Orthogonal | Projection::Structured => {}
    }
    let size = if projection == Projection::Orthogonal { d } else { d.next_power_of_two() };
    // Pieces of whole blocks of the matrix, of which the first and the last may be cut.
    let mut pieces = Vec::new();
    let (mut rest, mut at) = (&mut all[..], range.start);
    while at < range.end {
        let end = ((at / size + 1) * size).min(range.end);
        let (piece, more) = std::mem::take(&mut rest).split_at_mut((end - at) * d);
        pieces.push((at, piece));
        (rest, at) = (more, end);
    }
    pieces.into_par_iter().for_each(|(at, piece)| {
        let (block, skip) = (at / size, at % size);
        match projection {
            Projection::Orthogonal => {
                let made = orthogonal(seed, block, skip + piece.len() / d, d);
                piece.iter_mut().zip(&made[skip * d..]).for_each(|(to, v)| *to = *v as f32);
            }
            Projection::Structured | Projection::Gaussian => {
                let signs = signs(seed, block, size);
                for (j, row) in piece.chunks_exact_mut(d).enumerate() {
                    row.copy_from_slice(&structured_row(&signs, skip + j, size)[..d]);
                }
            }
        }
    });
    all
}

/// The first rows of a block of orthogonal frequencies, in f64 from the generator on: an orthogonalisation of rounded
/// numbers would differ between devices.
fn orthogonal(seed: u64, block: usize, rows: usize, d: usize) -> Vec<f64> {
    let words = |j: usize, i: usize| reference::philox([(block * d + j) as u32, i as u32, 0, 0], seed);
    let mut made = Vec::with_capacity(rows * d);
    for j in 0..rows {
        for i in 0..d.div_ceil(4) {
            made.extend_from_slice(&reference::normals(words(j, i))[..(d - 4 * i).min(4)]);
        }
    }
    reference::orthogonalise(&mut made, d);
    made
}

/// The three diagonals of signs of a block of structured frequencies, `[3, size]`.
pub(crate) fn signs(seed: u64, block: usize, size: usize) -> Vec<f32> {
    let mut all = vec![0.0; 3 * size];
    for (which, diagonal) in all.chunks_exact_mut(size).enumerate() {
        for (i, out) in diagonal.chunks_mut(4).enumerate() {
            let words = reference::philox([block as u32, i as u32, 2 + which as u32, 0], seed);
            out.iter_mut().zip(words).for_each(|(s, w)| *s = if w >> 31 == 1 { -1.0 } else { 1.0 });
        }
    }
    all
}

/// Row `j` of `sqrt(size) H D1 H D2 H D3`, by the transposed product with a unit vector.
fn structured_row(signs: &[f32], j: usize, size: usize) -> Vec<f32> {
    let mut row = vec![0.0; size];
    row[j] = 1.0 / size as f32;
    for diagonal in signs.chunks_exact(size) {
        hadamard(&mut row, 1);
        row.iter_mut().zip(diagonal).for_each(|(v, s)| *v *= s);
    }
    row
}

/// The product with the Hadamard matrix of entries 1 and -1, of vectors that lie in `lanes` side by side: `[size, lanes]`, `size`
/// a power of two.
pub(crate) fn hadamard(data: &mut [f32], lanes: usize) {
    simd!({
        let mut half = lanes;
        // Two rounds at a time: values are read and written half as often.
        while 4 * half <= data.len() {
            for four in data.chunks_exact_mut(4 * half) {
                let (front, back) = four.split_at_mut(2 * half);
                let ((a, b), (c, d)) = (front.split_at_mut(half), back.split_at_mut(half));
                for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
                    let (p, q, r, s) = (*a + *b, *a - *b, *c + *d, *c - *d);
                    (*a, *b, *c, *d) = (p + r, q + s, p - r, q - s);
                }
            }
            half *= 4;
        }
        while half < data.len() {
            for pair in data.chunks_exact_mut(2 * half) {
                let (a, b) = pair.split_at_mut(half);
                for (a, b) in a.iter_mut().zip(b) {
                    (*a, *b) = (*a + *b, *a - *b);
                }
            }
            half *= 2;
        }
    });
}

/// The phases of a seed in turns, `[count]`.
pub(crate) fn phases(seed: u64, count: usize) -> Vec<f32> {
    let words = |i: usize| reference::philox([i as u32, 0, 1, 0], seed);
    (0..count.div_ceil(4)).flat_map(words).take(count).map(unit).collect()
}
