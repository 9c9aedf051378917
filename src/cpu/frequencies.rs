//! Random frequencies on the CPU: the generator with a counter, see [`crate::random`].

use crate::simd::math::{self, simd};
use crate::{
    contract::Projection,
    random::{
        MULTIPLIERS, ROUNDS, Stream, WEYL,
        purpose::{BITS, NORMALS, PHASES, SIGNS},
        words,
    },
    tensor::TOGETHER,
};
use rayon::prelude::*;
use std::ops::Range;

/// Counters that go through the generator together.
const LANES: usize = 32;

/// A word of each counter, in the lower half of 64 bits, where a multiplication finds it and leaves both halves of its product.
/// What the upper halves hold is never read.
type Words = [u64; LANES];

/// Counters of rows of `width` counters each, row after row: the lanes of the generator.
struct Counters {
    row: Words,
    column: Words,
    width: u64,
    step: (u64, u64),
}

impl Counters {
    #[inline(always)]
    fn new(first: u64, width: usize) -> Self {
        let (mut row, mut column) = ([0; LANES], [0; LANES]);
        for l in 0..LANES {
            row[l] = first + (l / width) as u64;
            column[l] = (l % width) as u64;
        }
        let step = ((LANES / width) as u64, (LANES % width) as u64);
        Self { row, column, width: width as u64, step }
    }

    /// The words of the next counters `(row, column, stream, row / 2^32)`.
    #[inline(always)]
    fn next(&mut self, stream: u32, seed: u64) -> [[u32; LANES]; 4] {
        let words = philox(&self.row, &self.column, stream, seed);
        for l in 0..LANES {
            let column = self.column[l] + self.step.1;
            let over = u64::from(column >= self.width);
            self.column[l] = column - over * self.width;
            self.row[l] += self.step.0 + over;
        }
        words
    }
}

/// The words of the counters `(row, column, stream, row / 2^32)`.
#[inline(always)]
fn philox(row: &Words, column: &Words, stream: u32, seed: u64) -> [[u32; LANES]; 4] {
    const LOW: u64 = 0xffff_ffff;
    let (mut a, mut b, mut c) = (*row, *column, [u64::from(stream); LANES]);
    let mut d = [0; LANES];
    for l in 0..LANES {
        d[l] = row[l] >> 32;
    }
    let (mut low, mut high) = (seed as u32, (seed >> 32) as u32);
    let [first, third] = MULTIPLIERS.map(u64::from);
    for _ in 0..ROUNDS {
        for l in 0..LANES {
            let x = first * (a[l] & LOW);
            let y = third * (c[l] & LOW);
            a[l] = (y >> 32) ^ b[l] ^ u64::from(low);
            b[l] = y;
            c[l] = (x >> 32) ^ d[l] ^ u64::from(high);
            d[l] = x;
        }
        low = low.wrapping_add(WEYL[0]);
        high = high.wrapping_add(WEYL[1]);
    }
    // Loops, since `map` of an array is not always inlined.
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

/// Writes the rows from `first` on of the independent normals of a seed, `[rows, d]`.
pub(crate) fn gaussian(seed: u64, first: u64, d: usize, out: &mut [f32]) {
    simd!({
        let width = d.div_ceil(4);
        let mut counters = Counters::new(first, width);
        let mut at = 0;
        while at < out.len() {
            let (row, column) = (counters.row, counters.column);
            let [a, b, c, e] = counters.next(NORMALS, seed);
            let mut values = [[0.0_f32; LANES]; 4];
            for l in 0..LANES {
                (values[0][l], values[1][l]) = normals(a[l], b[l]);
            }
            for l in 0..LANES {
                (values[2][l], values[3][l]) = normals(c[l], e[l]);
            }
            if d.is_multiple_of(4) {
                let end = (at + 4 * LANES).min(out.len());
                let (of_four, rest) = out[at..end].as_chunks_mut::<{ 4 * LANES }>();
                for out in of_four {
                    interleave(&values, out);
                }
                for (i, out) in rest.iter_mut().enumerate() {
                    *out = values[i % 4][i / 4];
                }
                at = end;
                continue;
            }
            for l in 0..LANES {
                let at_row = (row[l] - first) as usize * d;
                let column = 4 * column[l] as usize;
                for (i, out) in out.iter_mut().skip(at_row + column).take((d - column).min(4)).enumerate() {
                    *out = values[i][l];
                }
            }
            at = (row[LANES - 1] - first) as usize * d + 4 * (column[LANES - 1] as usize + 1);
        }
    });
}

/// Four rows of lanes to one of fours.
#[inline(always)]
fn interleave(values: &[[f32; LANES]; 4], out: &mut [f32; 4 * LANES]) {
    for l in 0..LANES {
        for (i, values) in values.iter().enumerate() {
            out[4 * l + i] = values[l];
        }
    }
}

/// Random signs of the rows from `first` on of a seed, a bit each: 128 bits of a row to a counter. `out` is `[groups][width]` with the
/// words of eight rows side by side, bits beyond `d` clear.
pub(crate) fn bits(seed: u64, first: u64, d: usize, out: &mut [[u64; TOGETHER]]) {
    let width = d.div_ceil(64);
    let last = if d.is_multiple_of(64) { u64::MAX } else { (1 << (d % 64)) - 1 };
    let mut row = [0; LANES];
    simd!(for (i, groups) in out.chunks_mut(width * LANES / TOGETHER).enumerate() {
        row.iter_mut().enumerate().for_each(|(l, row)| *row = first + (i * LANES + l) as u64);
        for column in 0..d.div_ceil(128) {
            let words = philox(&row, &[column as u64; LANES], BITS, seed);
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
            let rows = (4096 / d.max(1)).max(1);
            all.par_chunks_mut((rows * d).max(1)).enumerate().for_each(|(i, block)| {
                gaussian(seed, (range.start + i * rows) as u64, d, block);
            });
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
    let row = |j: usize| Stream::new(seed, NORMALS, (block * d + j) as u64).normals(d);
    let mut made: Vec<f64> = (0..rows).flat_map(row).collect();
    orthogonalise(&mut made, d);
    made
}

/// Makes rows orthogonal by Gram and Schmidt, each against those before it, with the lengths that they had. The directions
/// of Gaussian rows do not depend on their lengths, so the lengths stay chi-distributed and independent.
fn orthogonalise(rows: &mut [f64], d: usize) {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let length = |row: &[f64]| dot(row, row).sqrt();
    for j in 0..rows.len() / d {
        let (before, rest) = rows.split_at_mut(j * d);
        let row = &mut rest[..d];
        let wanted = length(row);
        // Twice, because the first time leaves rounding errors of what it takes away.
        for other in before.chunks_exact(d).chain(before.chunks_exact(d)) {
            let share = dot(row, other) / length(other).powi(2);
            row.iter_mut().zip(other).for_each(|(a, b)| *a -= share * b);
        }
        let scale = wanted / length(row);
        row.iter_mut().for_each(|v| *v *= scale);
    }
}

/// The three diagonals of signs of a block of structured frequencies, `[3, size]`.
pub(crate) fn signs(seed: u64, block: usize, size: usize) -> Vec<f32> {
    let mut all = vec![0.0; 3 * size];
    for (which, diagonal) in all.chunks_exact_mut(size).enumerate() {
        for (i, out) in diagonal.chunks_mut(4).enumerate() {
            let words = words(seed, SIGNS + which as u32, block as u64, i as u32);
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
    (0..count.div_ceil(4)).flat_map(|i| words(seed, PHASES, i as u64, 0)).take(count).map(unit).collect()
}
