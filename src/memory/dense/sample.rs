//! Some of the stored rows, kept on the host.

use crate::Rows;

/// Most rows of a sample.
const SAMPLE: usize = 2048;

/// Numbers of an even sample of `n` rows.
pub(in crate::memory) fn even_sample(n: usize) -> Vec<usize> {
    (0..n).step_by(n.div_ceil(SAMPLE).max(1)).collect()
}

/// An even sample of the stored rows.
#[derive(Default)]
pub(super) struct Sample {
    pub(super) rows: Vec<f32>,
    pub(super) indices: Vec<u32>,
    /// Every so many rows are in it.
    stride: usize,
}

impl Sample {
    /// Takes in rows of which the first has the number `first`.
    pub(super) fn take(&mut self, rows: &Rows<'_>, first: usize) {
        self.stride = self.stride.max(1);
        for (i, row) in rows.iter().enumerate() {
            let index = first + i;
            if !index.is_multiple_of(self.stride) {
                continue;
            }
            if self.indices.len() == SAMPLE {
                // Every other row goes; those that stay are the multiples of the new stride.
                self.stride *= 2;
                let d = row.len();
                self.rows = self.rows.chunks_exact(d).step_by(2).flatten().copied().collect();
                self.indices = self.indices.iter().copied().step_by(2).collect();
                if !index.is_multiple_of(self.stride) {
                    continue;
                }
            }
            self.rows.extend_from_slice(row);
            self.indices.push(index as u32);
        }
    }

    /// Forgets the rows from `rows` on.
    pub(super) fn truncate(&mut self, rows: usize, d: usize) {
        self.indices.retain(|i| (*i as usize) < rows);
        self.rows.truncate(self.indices.len() * d);
    }
}
