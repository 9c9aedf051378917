//! Looks at generated patterns of bits: scores are whole numbers, so nearly all follows from how often each occurs.

use super::in_rounds;
use crate::simd::math::simd;
use crate::{
    Result,
    contract::{Look, Scan},
    cpu::{
        bits::{QUERIES, SignedSum, Tally, count_all, words_of},
        frequencies,
    },
    tensor::{Packed, TOGETHER},
};
use std::ops::Range;

/// Patterns whose counts stay in the first cache.
const BLOCK: usize = 2048;
/// Most queries that look at a pattern before it is forgotten.
const BATCH: usize = 4096;
/// Numbers that the tallies and moments of a batch may have, in each segment of a round.
const NUMBERS: usize = 1 << 20;

/// One query in a segment.
struct Found {
    words: Vec<u64>,
    tally: Tally,
    /// Most equal bits, and the first pattern that has them.
    best: u16,
    index: u64,
    sum: Option<SignedSum>,
}

/// See [`crate::contract::Bank::scan_range`].
pub(crate) fn bits(look: &Look<'_>, queries: &Packed, tell: &dyn Fn(u64) -> Result<()>) -> Result<Vec<Scan>> {
    let (q, d) = (queries.rows, look.bank.d());
    let batch = (NUMBERS / (4 * d + 1)).clamp(QUERIES, BATCH) / QUERIES * QUERIES;
    let mut all = Vec::with_capacity(q);
    for first in (0..q).step_by(batch) {
        let range = first..(first + batch).min(q);
        let score = |i: usize| {
            let words = target_words(look, *look.targets.get(i)?);
            let same = |(w, word): (usize, &u64)| (queries.word(i, w) ^ word).count_ones();
            let different: u32 = words.iter().enumerate().map(same).sum();
            Some(d as f64 - 2.0 * f64::from(different))
        };
        let scores: Vec<f64> = range.clone().filter_map(score).collect();
        let empty = look.start(range.clone(), &scores);
        let done = first as u64 * (look.range.end - look.range.start);
        all.extend(in_rounds(look, empty.clone(), done, tell, |s| {
            segment(look, queries, range.clone(), s, &empty)
        })?);
    }
    Ok(all)
}

/// The bits of one pattern.
fn target_words(look: &Look<'_>, target: u64) -> Vec<u64> {
    let mut group = vec![[0; TOGETHER]; look.bank.d().div_ceil(64)];
    frequencies::bits(look.bank.seed(), target, look.bank.d(), &mut group);
    group.iter().map(|words| words[0]).collect()
}

/// What queries find in a segment.
fn segment(
    look: &Look<'_>,
    queries: &Packed,
    of: Range<usize>,
    range: Range<u64>,
    empty: &[Scan],
) -> Vec<Scan> {
    let d = look.bank.d();
    let width = d.div_ceil(64);
    let new = |i: usize| Found {
        words: words_of(queries, i),
        tally: Tally::new(d),
        best: 0,
        index: u64::MAX,
        sum: look.update.then(|| SignedSum::new(d)),
    };
    let mut found: Vec<Found> = of.map(new).collect();
    let rows = (range.end - range.start) as usize;
    let mut patterns =
        Packed { words: vec![[0; TOGETHER]; rows.div_ceil(TOGETHER) * width], rows, columns: d };
    frequencies::bits(look.bank.seed(), range.start, d, &mut patterns.words);
    let mut counts = vec![0; QUERIES * BLOCK];
    for at in (0..rows).step_by(BLOCK) {
        let rows = BLOCK.min(rows - at);
        let groups = &patterns.words[at / TOGETHER * width..][..rows.div_ceil(TOGETHER) * width];
        let each = groups.len() / width * TOGETHER;
        for found in found.chunks_mut(QUERIES) {
            let words: Vec<Vec<u64>> = found.iter().map(|f| f.words.clone()).collect();
            let counts = &mut counts[..found.len() * each];
            count_all(groups, width, d, &words, counts);
            for (found, counts) in found.iter_mut().zip(counts.chunks_exact(each)) {
                found.take(look, &patterns, range.start, at, &counts[..rows]);
            }
        }
    }
    let scan = |(found, empty): (Found, &Scan)| found.finish(d, rows as u64, empty.clone());
    found.into_iter().zip(empty).map(scan).collect()
}

impl Found {
    /// Takes in numbers of equal bits with the patterns from row `at` of the segment on.
    fn take(&mut self, look: &Look<'_>, patterns: &Packed, first: u64, at: usize, counts: &[u16]) {
        self.tally.add(counts);
        let largest = simd!(counts.iter().fold(0, |m: u16, c| m.max(*c)));
        let before = self.best;
        if (self.index == u64::MAX || largest > self.best)
            && let Some(place) = counts.iter().position(|c| *c == largest)
        {
            self.best = largest;
            self.index = first + (at + place) as u64;
        }
        let Some(sum) = &mut self.sum else { return };
        let weight =
            |count: u16| (f64::from(look.beta) * 2.0 * (f64::from(count) - f64::from(self.best))).exp();
        if self.best > before {
            sum.scale(weight(before));
        }
        let table: Vec<f32> = (0..=self.best).map(|count| weight(count) as f32).collect();
        for (i, count) in counts.iter().enumerate() {
            let weight = table[usize::from(*count)];
            if weight > 0.0 {
                sum.add(patterns, at + i, weight);
            }
        }
    }

    /// What follows from the tally.
    fn finish(self, d: usize, count: u64, mut scan: Scan) -> Scan {
        let tally = self.tally.finish();
        let score = |bits: usize| 2.0 * bits as f64 - d as f64;
        let found = || tally.iter().enumerate().filter(|(_, n)| **n > 0).rev();
        scan.count = count;
        scan.index = self.index;
        let mut largest = found();
        if let Some((bits, n)) = largest.next() {
            scan.best = score(bits);
            scan.ties = u64::from(*n) - 1;
            let next = largest.next().map_or(f64::NEG_INFINITY, |(bits, _)| score(bits));
            scan.second = if *n > 1 { scan.best } else { next };
        }
        for (bits, n) in found() {
            let (n, weight) = (f64::from(*n), (scan.beta * (score(bits) - scan.best)).exp());
            scan.sum += n * weight;
            scan.squares += n * weight * weight;
        }
        if let Some(target) = &mut scan.target {
            for (bits, n) in found() {
                match score(bits).total_cmp(&target.score) {
                    std::cmp::Ordering::Greater => target.above += u64::from(*n),
                    std::cmp::Ordering::Equal => target.equal += u64::from(*n),
                    std::cmp::Ordering::Less => {}
                }
            }
        }
        if let Some(sum) = self.sum {
            scan.moments = sum.finish();
        }
        scan
    }
}
