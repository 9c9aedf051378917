//! The largest entries of rows on the CPU.

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

    /// What a value must be above to be taken in.
    #[inline(always)]
    pub(crate) fn floor(&self) -> f32 {
        self.floor
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

    /// Takes in a value above the floor, with an index after all that came before.
    pub(crate) fn push(&mut self, index: u32, value: f32) {
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
