//! The largest entries of rows on the CPU.

use super::kernel::LANES;
use crate::simd::math;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use std::cmp::Ordering;

/// The best entries so far. Candidates gather unsorted and are cut down to `k` from time to time, so
/// that an entry costs a constant, whatever `k` and the order they come in.
pub(crate) struct Best {
    /// (index, value).
    candidates: Vec<(u32, f32)>,
    k: usize,
    /// Entries must be above this: `k` at least as good ones came before.
    floor: f32,
}

/// Largest first, equal ones by lowest index; there is no NaN among them.
fn order(a: &(u32, f32), b: &(u32, f32)) -> Ordering {
    b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal).then(a.0.cmp(&b.0))
}

impl Best {
    pub(crate) fn new(k: usize) -> Self {
        Self { candidates: Vec::new(), k, floor: f32::NEG_INFINITY }
    }

    /// Takes the values in; their indices start at `first` and come after all that came before.
    pub(crate) fn scan(&mut self, values: &[f32], first: u32) {
        if self.k > 0 {
            for (i, &v) in values.iter().enumerate() {
                if v > self.floor {
                    self.push(first + i as u32, v);
                }
            }
        }
    }

    fn push(&mut self, index: u32, value: f32) {
        self.candidates.push((index, value));
        if self.candidates.len() >= 2 * self.k + 8 {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.candidates.len() > self.k && self.k > 0 {
            let (_, worst, _) = self.candidates.select_nth_unstable_by(self.k - 1, order);
            self.floor = worst.1;
            self.candidates.truncate(self.k);
        }
    }

    /// Takes in the best of the entries that follow.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.candidates.extend_from_slice(&other.candidates);
        self.cut();
    }

    /// The entries, best first.
    pub(crate) fn into_sorted(mut self) -> Vec<(u32, f32)> {
        self.cut();
        self.candidates.sort_unstable_by(order);
        self.candidates.truncate(self.k);
        self.candidates
    }
}

/// The best entries so far of [`LANES`] queries side by side, for small `k`: sorted lists into which a
/// value goes by comparisons alone, for many queries at once.
pub(crate) struct Ladder {
    k: usize,
    /// `[rungs][LANES]`, best first.
    values: Vec<f32>,
    indices: Vec<u32>,
}

impl Ladder {
    /// Longest lists that are worth it: they are kept in registers, and a value that is taken in is
    /// compared with all of a list.
    const MOST: usize = 12;

    fn new(k: usize) -> Self {
        let rungs = k.next_multiple_of(4);
        Self { k, values: vec![f32::NEG_INFINITY; rungs * LANES], indices: vec![u32::MAX; rungs * LANES] }
    }

    /// See [`Lists::scan`].
    fn scan(&mut self, rows: &[[f32; LANES]], first: usize, lanes: usize) {
        let rows = rows.as_flattened();
        match self.values.len() / LANES {
            4 => math::arch().dispatch(Climb::<4> { ladder: self, rows, first, lanes }),
            8 => math::arch().dispatch(Climb::<8> { ladder: self, rows, first, lanes }),
            12 => math::arch().dispatch(Climb::<12> { ladder: self, rows, first, lanes }),
            _ => {}
        }
    }

    /// The list of one query.
    fn best(&self, query: usize) -> Best {
        let mut best = Best::new(self.k);
        let indices = self.indices.iter().skip(query).step_by(LANES);
        let entries = indices.zip(self.values.iter().skip(query).step_by(LANES));
        let taken = entries.take(self.k).filter(|(index, _)| **index != u32::MAX);
        best.candidates.extend(taken.map(|(index, value)| (*index, *value)));
        best
    }
}

/// A scan with lists of `K` entries.
struct Climb<'a, const K: usize> {
    ladder: &'a mut Ladder,
    /// `[n][LANES]`
    rows: &'a [f32],
    first: usize,
    lanes: usize,
}

impl<const K: usize> WithSimd for Climb<'_, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let per_row = LANES / S::F32_LANES;
        let (rows, _) = S::as_simd_f32s(self.rows);
        let (values, _) = S::as_mut_simd_f32s(&mut self.ladder.values);
        let (indices, _) = S::as_mut_simd_u32s(&mut self.ladder.indices);
        for v in 0..self.lanes.div_ceil(S::F32_LANES) {
            let mut list = [simd.splat_f32s(0.0); K];
            let mut of = [simd.splat_u32s(0); K];
            for j in 0..K {
                list[j] = values[j * per_row + v];
                of[j] = indices[j * per_row + v];
            }
            let mut at = v;
            let mut row = self.first as u32;
            while at < rows.len() {
                let value = rows[at];
                let beats = simd.greater_than_f32s(value, list[K - 1]);
                if simd.first_true_m32s(beats) < S::F32_LANES {
                    let index = simd.splat_u32s(row);
                    // What the value beats moves down by one; it takes the place of the first of them.
                    for j in (1..K).rev() {
                        let beats = simd.greater_than_f32s(value, list[j]);
                        let above = simd.greater_than_f32s(value, list[j - 1]);
                        let moved = simd.select_f32s(above, list[j - 1], value);
                        let moved_index = simd.select_u32s(above, of[j - 1], index);
                        list[j] = simd.select_f32s(beats, moved, list[j]);
                        of[j] = simd.select_u32s(beats, moved_index, of[j]);
                    }
                    let beats = simd.greater_than_f32s(value, list[0]);
                    list[0] = simd.select_f32s(beats, value, list[0]);
                    of[0] = simd.select_u32s(beats, index, of[0]);
                }
                at += per_row;
                row += 1;
            }
            for j in 0..K {
                values[j * per_row + v] = list[j];
                indices[j * per_row + v] = of[j];
            }
        }
    }
}

/// The best entries so far of up to [`LANES`] queries side by side.
pub(crate) enum Lists {
    Short(Ladder),
    Long(Vec<Best>),
}

impl Lists {
    /// Empty lists of `k` entries.
    pub(crate) fn new(k: usize, queries: usize) -> Self {
        match k <= Ladder::MOST {
            true => Self::Short(Ladder::new(k)),
            false => Self::Long((0..queries).map(|_| Best::new(k)).collect()),
        }
    }

    /// Takes in rows of one value per query; their indices start at `first` and come after all that came
    /// before. Only the first `lanes` queries count.
    pub(crate) fn scan(&mut self, rows: &[[f32; LANES]], first: usize, lanes: usize) {
        match self {
            Self::Short(ladder) => ladder.scan(rows, first, lanes),
            Self::Long(lists) => {
                for (k, row) in rows.iter().enumerate() {
                    for (best, value) in lists.iter_mut().zip(row) {
                        best.scan(std::slice::from_ref(value), (first + k) as u32);
                    }
                }
            }
        }
    }

    /// The list of each of the first `queries`.
    pub(crate) fn into_best(self, queries: usize) -> Vec<Best> {
        match self {
            Self::Short(ladder) => (0..queries).map(|i| ladder.best(i)).collect(),
            Self::Long(lists) => lists,
        }
    }
}

/// Values and indices `[rows, k]` of the `k` largest entries of each row; `k <= columns`.
pub(crate) fn top_k(data: &[f32], columns: usize, k: usize) -> (Vec<f32>, Vec<u32>) {
    let lists: Vec<Vec<(u32, f32)>> = data
        .par_chunks_exact(columns.max(1))
        .map(|row| {
            let mut best = Best::new(k);
            best.scan(row, 0);
            best.into_sorted()
        })
        .collect();
    let entries = || lists.iter().flatten();
    (entries().map(|e| e.1).collect(), entries().map(|e| e.0).collect())
}
