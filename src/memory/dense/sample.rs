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

    /// An even sample of the rows with these numbers, which `read` gives.
    pub(super) fn of(
        numbers: &[u32],
        read: impl FnOnce(&[u32]) -> crate::Result<Vec<f32>>,
    ) -> crate::Result<Self> {
        let stride = numbers.len().div_ceil(SAMPLE).max(1);
        let indices: Vec<u32> = numbers.iter().copied().step_by(stride).collect();
        let rows = read(&indices)?;
        Ok(Self { rows, indices, stride })
    }

    /// Whether so many rows are too few to stand for `live` ones.
    pub(super) fn is_thin(rows: usize, live: usize) -> bool {
        rows < live.min(SAMPLE).div_ceil(4)
    }

    /// The row with this number, where it is in the sample; `d` columns.
    pub(super) fn row(&self, number: u32, d: usize) -> Option<&[f32]> {
        let at = self.indices.binary_search(&number).ok()?;
        Some(&self.rows[at * d..(at + 1) * d])
    }

    /// Keeps only rows whose numbers pass.
    pub(super) fn retain(&mut self, d: usize, mut keep: impl FnMut(u32) -> bool) {
        let kept = self.indices.iter().zip(self.rows.chunks_exact(d)).filter(|(i, _)| keep(**i));
        let (indices, rows): (Vec<u32>, Vec<&[f32]>) = kept.unzip();
        (self.rows, self.indices) = (rows.concat(), indices);
    }
}
