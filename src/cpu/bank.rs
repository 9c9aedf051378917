//! Generated patterns on the CPU, see [`crate::contract::Bank`].

use super::frequencies;
use crate::simd::math::{self, simd};
use crate::{
    contract::{Bank, Ensemble},
    tensor::{Packed, TOGETHER},
};
use rayon::prelude::*;
use std::ops::Range;

/// Values that a thread makes at a time.
const PIECE: usize = 16_384;

/// The patterns from `first` on, `[rows, d]`, by the calling thread.
pub(super) fn fill(bank: &Bank, first: u64, out: &mut [f32]) {
    let d = bank.d();
    match bank.ensemble() {
        Ensemble::Gaussian => frequencies::gaussian(bank.seed(), first, d, out),
        Ensemble::Sphere => {
            frequencies::gaussian(bank.seed(), first, d, out);
            simd!(for row in out.chunks_exact_mut(d) {
                to_length_one(row);
            });
        }
        Ensemble::Bipolar => {
            let width = d.div_ceil(64);
            let mut words = vec![[0; TOGETHER]; (out.len() / d).div_ceil(TOGETHER) * width];
            frequencies::bits(bank.seed(), first, d, &mut words);
            for (k, row) in out.chunks_exact_mut(d).enumerate() {
                let words = &words[k / TOGETHER * width..];
                for (values, word) in row.chunks_mut(64).zip(words) {
                    let word = word[k % TOGETHER];
                    simd!(for (i, v) in values.iter_mut().enumerate() {
                        *v = if word >> i & 1 == 1 { 1.0 } else { -1.0 };
                    });
                }
            }
        }
    }
}

#[inline(always)]
fn to_length_one(row: &mut [f32]) {
    let squares = math::dot(row, row);
    if squares > 0.0 {
        let inverse = 1.0 / squares.sqrt();
        row.iter_mut().for_each(|v| *v *= inverse);
    } else {
        row[0] = 1.0;
    }
}

/// The patterns of a range, on all cores.
pub(crate) fn rows(bank: &Bank, range: Range<u64>, out: &mut [f32]) {
    let rows = (PIECE / bank.d()).max(1);
    out.par_chunks_mut(rows * bank.d())
        .enumerate()
        .for_each(|(i, out)| fill(bank, range.start + (i * rows) as u64, out));
}

/// The bits of a range of patterns of -1 and 1, on all cores.
pub(crate) fn bits(bank: &Bank, range: Range<u64>) -> Packed {
    let (rows, width) = ((range.end - range.start) as usize, bank.d().div_ceil(64));
    let mut words = vec![[0; TOGETHER]; rows.div_ceil(TOGETHER) * width];
    // Pieces of whole groups, two of which the generator makes at a time.
    let groups = (PIECE / width / 2).max(1) * 2;
    words.par_chunks_mut(groups * width).enumerate().for_each(|(i, words)| {
        frequencies::bits(bank.seed(), range.start + (i * groups * TOGETHER) as u64, bank.d(), words);
    });
    // Rows beyond the range are clear.
    let over = words.len() / width * TOGETHER - rows;
    if let Some(last) = words.len().checked_sub(width) {
        for group in &mut words[last..] {
            group[TOGETHER - over..].fill(0);
        }
    }
    Packed { words, rows, columns: bank.d() }
}
