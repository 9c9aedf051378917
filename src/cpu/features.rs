//! Random features on the CPU: tiles of frequencies, made or read once for all rows, products through `gemm` or the fast
//! Hadamard transform.

use super::{
    frequencies::{self, hadamard},
    matmul::{Operand, matmul},
};
use crate::contract::{Layout, Projection};
use crate::simd::math::{self, simd};
use rayon::prelude::*;
use std::{borrow::Cow, ops::Range};

/// Where frequencies come from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// `[m, d]`
    Stored(&'a [f32]),
    Seed(u64, Projection),
}

/// A feature map.
#[derive(Clone, Copy)]
pub(crate) struct Space<'a> {
    /// Exponentials in place of waves.
    pub(crate) positive: bool,
    /// A second feature per frequency: the sine, or the exponential with the other sign.
    pub(crate) two: bool,
    pub(crate) m: usize,
    pub(crate) d: usize,
    /// States are multiplied by this, so that products are exponents, or phases in turns.
    pub(crate) unit: f32,
    /// `c` of the factor `exp(-c |x|^2)`.
    pub(crate) decay: f32,
    pub(crate) source: Source<'a>,
}

/// Frequencies of a tile, about.
const TILE: usize = 256;
/// Rows of patterns or states that go through a tile together.
const ROWS: usize = 128;
/// A step is cut into at most so many tasks, whatever the number of cores, so that results do not depend on it.
const TASKS: usize = 16;
/// Rows side by side in the Hadamard transform.
const LANES: usize = 16;

/// A tile of frequencies as products need it.
enum Tile<'a> {
    /// `[rows, d]`
    Dense(Cow<'a, [f32]>),
    /// The signs `[3, size]` of each block.
    Structured(Vec<Vec<f32>>),
}

impl<'a> Space<'a> {
    /// Rows of a block that cannot be cut.
    fn block(&self) -> usize {
        match self.source {
            Source::Stored(_) | Source::Seed(_, Projection::Gaussian) => 1,
            Source::Seed(_, Projection::Orthogonal) => self.d,
            Source::Seed(_, Projection::Structured) => self.d.next_power_of_two(),
        }
    }

    fn tiles(&self) -> Vec<Range<usize>> {
        let block = self.block();
        let rows = block * (TILE / block).max(1);
        (0..self.m).step_by(rows).map(|first| first..(first + rows).min(self.m)).collect()
    }

    fn tile(&self, range: &Range<usize>) -> Tile<'a> {
        match self.source {
            Source::Stored(all) => Tile::Dense(Cow::Borrowed(&all[range.start * self.d..range.end * self.d])),
            Source::Seed(seed, Projection::Structured) => {
                let size = self.block();
                let blocks = range.start / size..range.end.div_ceil(size);
                Tile::Structured(blocks.map(|block| frequencies::signs(seed, block, size)).collect())
            }
            Source::Seed(seed, projection) => {
                Tile::Dense(Cow::Owned(frequencies::rows(projection, seed, range.clone(), self.d)))
            }
        }
    }

    /// What is taken off the exponents of a row.
    fn shift(&self, row: &[f32]) -> f32 {
        if self.positive { self.decay * simd!(math::dot(row, row)) } else { 0.0 }
    }
}

impl Tile<'_> {
    /// `z <- x S^T`: rows `x` `[b, d]`, `z` `[b, rows]`.
    fn project(&self, x: &[f32], d: usize, z: &mut [f32], rows: usize) {
        let b = x.len() / d;
        match self {
            Self::Dense(s) => {
                let (x, s) = (Operand::new(x, b, d), Operand::new(s, rows, d));
                matmul(z, x, s, Layout::NT, false, 1);
            }
            Self::Structured(blocks) => {
                let size = d.next_power_of_two();
                let mut work = vec![0.0; size * LANES];
                let groups = x.chunks(d * LANES).zip(z.chunks_mut(rows * LANES));
                for (x, z) in groups {
                    let lanes = x.len() / d;
                    let work = &mut work[..size * lanes];
                    for (number, signs) in blocks.iter().enumerate() {
                        work.fill(0.0);
                        transpose(x, d, 0..d, work, lanes);
                        for diagonal in signs.chunks_exact(size).rev() {
                            flip(work, diagonal, lanes);
                            hadamard(work, lanes);
                        }
                        let first = number * size;
                        let scale = 1.0 / size as f32;
                        for (l, z) in z.chunks_exact_mut(rows).enumerate() {
                            let z = &mut z[first..(first + size).min(rows)];
                            z.iter_mut()
                                .zip(work[l..].iter().step_by(lanes))
                                .for_each(|(z, w)| *z = scale * w);
                        }
                    }
                }
            }
        }
    }

    /// `g <- g + r S`: slopes `r` `[b, rows]`, `g` `[b, d]`.
    fn back(&self, r: &[f32], rows: usize, g: &mut [f32], d: usize) {
        let b = r.len() / rows;
        match self {
            Self::Dense(s) => {
                let (r, s) = (Operand::new(r, b, rows), Operand::new(s, rows, d));
                matmul(g, r, s, Layout::NN, true, 1);
            }
            Self::Structured(blocks) => {
                let size = d.next_power_of_two();
                let mut work = vec![0.0; size * LANES];
                for (r, g) in r.chunks(rows * LANES).zip(g.chunks_mut(d * LANES)) {
                    let lanes = r.len() / rows;
                    let work = &mut work[..size * lanes];
                    for (number, signs) in blocks.iter().enumerate() {
                        let first = number * size;
                        work.fill(0.0);
                        transpose(r, rows, first..(first + size).min(rows), work, lanes);
                        for diagonal in signs.chunks_exact(size) {
                            hadamard(work, lanes);
                            flip(work, diagonal, lanes);
                        }
                        let scale = 1.0 / size as f32;
                        for (l, g) in g.chunks_exact_mut(d).enumerate() {
                            g.iter_mut()
                                .zip(work[l..].iter().step_by(lanes))
                                .for_each(|(g, w)| *g += scale * w);
                        }
                    }
                }
            }
        }
    }
}

/// Columns `range` of rows `[lanes, columns]` side by side.
fn transpose(x: &[f32], columns: usize, range: Range<usize>, work: &mut [f32], lanes: usize) {
    for (l, row) in x.chunks_exact(columns).enumerate() {
        work[l..].iter_mut().step_by(lanes).zip(&row[range.clone()]).for_each(|(w, v)| *w = *v);
    }
}

/// Multiplies each element of vectors side by side by its sign.
fn flip(work: &mut [f32], signs: &[f32], lanes: usize) {
    simd!(for (values, sign) in work.chunks_exact_mut(lanes).zip(signs) {
        values.iter_mut().for_each(|v| *v *= sign);
    });
}

/// The sums of the features of rows `x` `[k, d]`, without their scale: `[m]` or `[2 m]`. `turns` are phases `[m]`.
pub(crate) fn encode(space: &Space<'_>, x: &[f32], turns: &[f32]) -> Vec<f64> {
    let (m, d) = (space.m, space.d);
    let sums: Vec<(Range<usize>, Vec<f64>)> = space
        .tiles()
        .into_par_iter()
        .map(|range| {
            let (tile, rows) = (space.tile(&range), range.len());
            let turns = &turns[range.clone()];
            let mut sums = vec![0.0_f64; 2 * rows];
            let (mut z, mut scaled) = (vec![0.0; ROWS * rows], Vec::new());
            let mut parts = vec![0.0_f32; 2 * rows];
            for x in x.chunks(ROWS * d) {
                scaled.clear();
                scaled.extend(x.iter().map(|v| space.unit * v));
                let z = &mut z[..x.len() / d * rows];
                tile.project(&scaled, d, z, rows);
                parts.fill(0.0);
                let (first, second) = parts.split_at_mut(rows);
                for (z, x) in z.chunks_exact(rows).zip(x.chunks_exact(d)) {
                    add_features(space, z, turns, space.shift(x), first, second);
                }
                sums.iter_mut().zip(&parts).for_each(|(s, p)| *s += f64::from(*p));
            }
            (range, sums)
        })
        .collect();
    let mut t = vec![0.0; if space.two { 2 * m } else { m }];
    for (range, sums) in sums {
        let (first, second) = sums.split_at(range.len());
        t[range.clone()].copy_from_slice(first);
        if space.two {
            t[m + range.start..m + range.end].copy_from_slice(second);
        }
    }
    t
}

/// Adds the features of a row to sums.
fn add_features(
    space: &Space<'_>,
    z: &[f32],
    turns: &[f32],
    shift: f32,
    first: &mut [f32],
    second: &mut [f32],
) {
    let n = z.len();
    let (turns, first, second) = (&turns[..n], &mut first[..n], &mut second[..n]);
    if space.positive {
        simd!(for j in 0..n {
            first[j] += math::exp(z[j] - shift);
            second[j] += math::exp(-z[j] - shift);
        });
    } else {
        simd!(for j in 0..n {
            let (sin, cos) = math::sin_cos_turns(z[j] + turns[j]);
            first[j] += cos;
            second[j] += sin;
        });
    }
}

/// `u` `[b]` and its gradient `[b, d]` at rows `x`, without their scales. `sides` are the halves of `T` and the phases, `[3, m]`.
pub(crate) fn step(space: &Space<'_>, x: &[f32], sides: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (m, d) = (space.m, space.d);
    let b = x.len() / d;
    let scaled: Vec<f32> = x.iter().map(|v| space.unit * v).collect();
    let shifts: Vec<f32> = x.chunks_exact(d).map(|row| space.shift(row)).collect();
    let tiles = space.tiles();
    let parts: Vec<(Vec<f64>, Vec<f32>)> = tiles
        .par_chunks(tiles.len().div_ceil(TASKS))
        .map(|tiles| {
            let (mut u, mut g) = (vec![0.0_f64; b], vec![0.0_f32; b * d]);
            let (mut z, mut products) = (Vec::new(), Vec::new());
            for range in tiles {
                let (tile, rows) = (space.tile(range), range.len());
                let [first, second, turns] = [0, 1, 2].map(|i| &sides[i * m..][range.clone()]);
                products.resize(rows, 0.0);
                z.resize(ROWS.min(b) * rows, 0.0);
                let chunks = scaled.chunks(ROWS * d).zip(g.chunks_mut(ROWS * d));
                for (chunk, (x, g)) in chunks.enumerate() {
                    let count = x.len() / d;
                    let z = &mut z[..count * rows];
                    tile.project(x, d, z, rows);
                    for (i, z) in z.chunks_exact_mut(rows).enumerate() {
                        let q = chunk * ROWS + i;
                        couple(space, z, turns, shifts[q], (first, second), &mut products);
                        u[q] += f64::from(simd!(math::sum(&products)));
                    }
                    tile.back(z, rows, g, d);
                }
            }
            (u, g)
        })
        .collect();
    let (mut u, mut g) = (vec![0.0_f64; b], vec![0.0_f64; b * d]);
    for (part_u, part_g) in parts {
        u.iter_mut().zip(part_u).for_each(|(u, p)| *u += p);
        g.iter_mut().zip(part_g).for_each(|(g, p)| *g += f64::from(p));
    }
    (u.into_iter().map(|u| u as f32).collect(), g.into_iter().map(|g| g as f32).collect())
}

/// The features of a row times `T`, and in the place of `z` the derivatives of these by `z`.
fn couple(
    space: &Space<'_>,
    z: &mut [f32],
    turns: &[f32],
    shift: f32,
    (first, second): (&[f32], &[f32]),
    products: &mut [f32],
) {
    let n = z.len();
    let (turns, first, second, products) = (&turns[..n], &first[..n], &second[..n], &mut products[..n]);
    if space.positive {
        simd!(for j in 0..n {
            let plus = math::exp(z[j] - shift) * first[j];
            let minus = math::exp(-z[j] - shift) * second[j];
            products[j] = plus + minus;
            z[j] = plus - minus;
        });
    } else {
        simd!(for j in 0..n {
            let (sin, cos) = math::sin_cos_turns(z[j] + turns[j]);
            products[j] = cos * first[j] + sin * second[j];
            z[j] = cos * second[j] - sin * first[j];
        });
    }
}
