//! Which stored patterns stand for all of them.
//!
//! A sample is the patterns whose contents have the smallest hashes. So it depends on what is stored alone, not on the order in which it came or on
//! what was forgotten in between, and it stays nearly the same as patterns come and go. Copies of a pattern have one hash: a sample has one of them.

use crate::{
    Rows,
    random::{purpose, words},
};
use rayon::prelude::*;

/// Most patterns of a sample.
pub(super) const MOST: usize = 2048;
/// Patterns of a sample at least, where so many are stored: fewer say little of the hundredth part that may fail.
pub(super) const LEAST: usize = 512;

/// How many of `n` patterns of `d` values stand for all, where each costs `n * d` multiply-adds.
pub(super) fn size(n: usize, d: usize) -> usize {
    const WORK: usize = 10_000_000_000;
    (WORK / n.saturating_mul(d).max(1)).clamp(LEAST, MOST)
}

/// A hash of each row's values.
pub(super) fn hashes(rows: &Rows<'_>) -> Vec<u32> {
    let of = |row: &[f32]| {
        // A checksum alone would sort rows by what they have in common.
        let sum = crc32fast::hash(bytemuck::cast_slice(row));
        words(0, purpose::SAMPLE, u64::from(sum), 0)[0]
    };
    rows.as_slice().par_chunks_exact(rows.columns().max(1)).map(of).collect()
}

/// The numbers, ascending, of `most` of the patterns with these hashes that pass, or of all where there are no more.
pub(super) fn sample(hashes: &[u32], most: usize, passes: impl Fn(usize) -> bool) -> Vec<u32> {
    let eligible: Vec<u32> = (0..hashes.len()).filter(|i| passes(*i)).map(|i| i as u32).collect();
    if eligible.len() <= most {
        return eligible;
    }
    // Below which hash so many lie, and somewhat more; twice that, where there are many copies.
    let mut bound = (most as u64 + most as u64 / 4 + 64) * (1 << 32) / eligible.len() as u64;
    loop {
        let below = eligible.iter().copied().filter(|i| u64::from(hashes[*i as usize]) < bound);
        let mut found: Vec<(u32, u32)> = below.map(|i| (hashes[i as usize], i)).collect();
        found.sort_unstable();
        found.dedup_by_key(|(hash, _)| *hash);
        if found.len() >= most || bound >= 1 << 32 {
            found.truncate(most);
            let mut numbers: Vec<u32> = found.into_iter().map(|(_, i)| i).collect();
            numbers.sort_unstable();
            return numbers;
        }
        bound *= 2;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    fn rows(n: usize, of: impl Fn(usize) -> f32) -> Rows<'static> {
        Rows::new((0..n).flat_map(|i| [of(i), 1.0]).collect::<Vec<f32>>(), 2).unwrap()
    }

    #[test]
    fn a_sample_does_not_depend_on_the_order_and_has_no_copies() {
        let n = 5000;
        let (forth, back) = (rows(n, |i| i as f32), rows(n, |i| (n - 1 - i) as f32));
        let of = |rows: &Rows<'_>, most| {
            let mut values: Vec<f32> =
                sample(&hashes(rows), most, |_| true).into_iter().map(|i| rows.row(i as usize)[0]).collect();
            values.sort_by(f32::total_cmp);
            values
        };
        assert_eq!(of(&forth, 700), of(&back, 700));
        // The smaller one is part of the larger.
        let large = of(&forth, 700);
        assert!(of(&forth, 200).iter().all(|v| large.contains(v)));
        // Spread evenly: as many of each half as chance allows.
        let low = large.iter().filter(|v| **v < n as f32 / 2.0).count();
        assert!((280..420).contains(&low), "{low}");
        // 4,990 copies of one row.
        let copies = of(&rows(n, |i| if i < 4990 { -1.0 } else { i as f32 }), 600);
        assert_eq!(copies.len(), 11);
        // Who is few is there as a whole.
        assert_eq!(sample(&hashes(&forth), 700, |i| i % 100 == 0).len(), 50);
    }
}
