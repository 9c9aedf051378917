//! The largest entries of rows on the CPU.

use rayon::prelude::*;

/// A list of the best entries so far: largest first, equal ones by lowest index.
pub(crate) struct Best {
    /// (index, value), at most `k`.
    pub(crate) entries: Vec<(u32, f32)>,
    k: usize,
}

impl Best {
    pub(crate) fn new(k: usize) -> Self {
        Self { entries: Vec::with_capacity(k + 1), k }
    }

    /// Takes the values in; their indices start at `first` and come after all that came before.
    pub(crate) fn scan(&mut self, values: &[f32], first: u32) {
        if self.k == 0 {
            return;
        }
        for (i, &v) in values.iter().enumerate() {
            let full = self.entries.len() == self.k;
            if !full || self.entries.last().is_some_and(|worst| v > worst.1) {
                self.insert(first + i as u32, v);
            }
        }
    }

    /// Takes one entry in.
    pub(crate) fn insert(&mut self, index: u32, value: f32) {
        let at = self.entries.partition_point(|e| e.1 > value || (e.1 == value && e.0 < index));
        self.entries.insert(at, (index, value));
        self.entries.truncate(self.k);
    }
}

/// Values and indices `[rows, k]` of the `k` largest entries of each row; `k <= columns`.
pub(crate) fn top_k(data: &[f32], columns: usize, k: usize) -> (Vec<f32>, Vec<u32>) {
    let lists: Vec<Best> = data
        .par_chunks_exact(columns.max(1))
        .map(|row| {
            let mut best = Best::new(k);
            best.scan(row, 0);
            best
        })
        .collect();
    let entries = || lists.iter().flat_map(|l| &l.entries);
    (entries().map(|e| e.1).collect(), entries().map(|e| e.0).collect())
}
