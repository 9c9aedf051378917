//! Looks at generated patterns on the CPU: tiles of 64 queries lie in the lanes, patterns are made in blocks that stay in the cache
//! and are used by all tiles.
//!
//! A round of [`Look::chunk`] patterns is cut into segments that go to all cores; what they find merges in their order, so results do
//! not depend on the number of cores.

mod bits;

pub(crate) use bits::bits;

use super::{
    bank::fill,
    kernel::{LANES, Metric, Product},
};
use crate::simd::math::{exp_nonpositive, simd};
use crate::{
    Result,
    contract::{Look, Scan},
};
use rayon::prelude::*;
use std::ops::Range;

/// Patterns of a round, if nothing else is asked for.
const ROUND: usize = 1 << 20;
/// Patterns of a segment, the fewest and the most: enough segments for the cores, each long against its first block.
const SEGMENT: (usize, usize) = (1 << 11, 1 << 14);
/// Segments of a round of few patterns.
const SEGMENTS: usize = 32;
/// Values of a block: about a quarter of a typical second-level cache.
const BLOCK: usize = 65_536;
/// Rows of a block.
const BLOCK_ROWS: (usize, usize) = (32, 512);
/// Most queries that look at a pattern before it is forgotten.
const BATCH: usize = 1024;
/// Values that the moments of a batch may have, in each segment of a round.
const MOMENTS: usize = 1 << 17;
/// Rows whose sums are kept in f32 before they go to f64.
const CHAIN: usize = 64;
/// Below this a weight has underflowed.
const UNDERFLOW: f32 = -87.0;

/// The square of this is a normal number.
const SMALLEST_ROOT: f32 = 1.1e-19;

/// One number per query.
type Lane = [f32; LANES];

/// At most [`LANES`] queries.
struct Tile {
    queries: usize,
    /// `[d][LANES]`
    across: Vec<f32>,
    /// Scores of the targets; infinite where there is none.
    targets: Lane,
}

/// What a tile has found so far in a segment.
struct Found {
    best: Lane,
    second: Lane,
    index: [u64; LANES],
    ties: [u64; LANES],
    sum: [f64; LANES],
    squares: [f64; LANES],
    above: [u64; LANES],
    equal: [u64; LANES],
    /// `[d][LANES]`, where they are wanted.
    moments: Vec<f32>,
}

/// Rounds of segments of a range for batches of queries: `each(segment)` gives what a segment's queries found.
fn in_rounds(
    look: &Look<'_>,
    mut all: Vec<Scan>,
    done: u64,
    tell: &dyn Fn(u64) -> Result<()>,
    each: impl Fn(Range<u64>) -> Vec<Scan> + Sync,
) -> Result<Vec<Scan>> {
    let Range { start, end } = look.range;
    let round = if look.chunk == 0 { ROUND } else { look.chunk } as u64;
    let queries = all.len() as u64;
    let segment = ((end - start).min(round) / SEGMENTS as u64).clamp(SEGMENT.0 as u64, SEGMENT.1 as u64);
    let mut at = start;
    while at < end {
        let until = end.min(at.saturating_add(round));
        let segments: Vec<Range<u64>> = (at..until)
            .step_by(segment as usize)
            .map(|first| first..until.min(first.saturating_add(segment)))
            .collect();
        let parts: Vec<Vec<Scan>> = segments.into_par_iter().map(&each).collect();
        for part in &parts {
            all.iter_mut().zip(part).for_each(|(all, part)| all.absorb(part));
        }
        at = until;
        tell(done + (at - start) * queries)?;
    }
    Ok(all)
}

/// See [`crate::contract::Bank::scan_range`].
pub(crate) fn scan(look: &Look<'_>, tell: &dyn Fn(u64) -> Result<()>) -> Result<Vec<Scan>> {
    let (q, d) = (look.queries.rows(), look.bank.d());
    let batch = if look.update { (MOMENTS / d).clamp(LANES, BATCH) } else { BATCH };
    let mut all = Vec::with_capacity(q);
    for first in (0..q).step_by(batch) {
        let range = first..(first + batch).min(q);
        let starts: Vec<usize> = range.clone().step_by(LANES).collect();
        let of_tile = |from: &usize| Tile::new(look, *from..(from + LANES).min(range.end));
        let tiles: Vec<Tile> = starts.par_iter().map(of_tile).collect();
        let scores: Vec<f64> =
            tiles.iter().flat_map(|t| &t.targets[..t.queries]).map(|s| f64::from(*s)).collect();
        let empty = look.start(range, &scores);
        let done = all.len() as u64 * (look.range.end - look.range.start);
        all.extend(in_rounds(look, empty.clone(), done, tell, |s| segment(look, &tiles, s, &empty))?);
    }
    Ok(all)
}

/// What the tiles' queries find in a segment.
fn segment(look: &Look<'_>, tiles: &[Tile], range: Range<u64>, empty: &[Scan]) -> Vec<Scan> {
    let d = look.bank.d();
    let length = (BLOCK / d).clamp(BLOCK_ROWS.0, BLOCK_ROWS.1);
    let mut found: Vec<Found> = tiles.iter().map(|_| Found::new(look.moments())).collect();
    let rows = length.min((range.end - range.start) as usize);
    let (mut patterns, mut scores) = (vec![0.0; rows * d], vec![0.0; rows * LANES]);
    let mut at = range.start;
    while at < range.end {
        let rows = rows.min((range.end - at) as usize);
        let patterns = &mut patterns[..rows * d];
        fill(look.bank, at, patterns);
        for (tile, found) in tiles.iter().zip(&mut found) {
            let scores = &mut scores[..rows * LANES];
            tile.products(patterns, scores);
            found.take(tile, look.beta, at, patterns, scores);
        }
        at += rows as u64;
    }
    let mut scans = empty.to_vec();
    for ((tile, found), scans) in tiles.iter().zip(found).zip(scans.chunks_mut(LANES)) {
        for (i, scan) in scans.iter_mut().take(tile.queries).enumerate() {
            found.write(i, range.end - range.start, scan);
        }
    }
    scans
}

impl Tile {
    fn new(look: &Look<'_>, range: Range<usize>) -> Self {
        let d = look.bank.d();
        let mut across = vec![0.0; d * LANES];
        for (lane, i) in range.clone().enumerate() {
            for (j, v) in look.queries.row(i).iter().enumerate() {
                across[j * LANES + lane] = *v;
            }
        }
        let mut tile = Self { queries: range.len(), across, targets: [f32::INFINITY; LANES] };
        if let Some(targets) = look.targets.get(range) {
            // The same products as those of the stream, so that the target's own score is met there to the last bit.
            let mut patterns = vec![0.0; targets.len() * d];
            for (target, row) in targets.iter().zip(patterns.chunks_exact_mut(d)) {
                fill(look.bank, *target, row);
            }
            let mut scores = vec![0.0; targets.len() * LANES];
            tile.products(&patterns, &mut scores);
            (0..targets.len()).for_each(|i| tile.targets[i] = scores[i * LANES + i]);
        }
        tile
    }

    /// Products of patterns `[rows, d]` with the queries, `[rows][LANES]`.
    fn products(&self, patterns: &[f32], scores: &mut [f32]) {
        Product {
            c: scores,
            a: patterns,
            row_stride: self.across.len() / LANES,
            step_stride: 1,
            b: &self.across,
            lanes: self.queries,
            add: false,
            metric: Metric::Product,
        }
        .run();
    }
}

impl Found {
    fn new(moments: usize) -> Self {
        Self {
            best: [f32::NEG_INFINITY; LANES],
            second: [f32::NEG_INFINITY; LANES],
            index: [u64::MAX; LANES],
            ties: [0; LANES],
            sum: [0.0; LANES],
            squares: [0.0; LANES],
            above: [0; LANES],
            equal: [0; LANES],
            moments: vec![0.0; moments * LANES],
        }
    }

    /// Takes in the scores of patterns from number `first` on; they become weights.
    fn take(&mut self, tile: &Tile, beta: f32, first: u64, patterns: &[f32], scores: &mut [f32]) {
        let rows = scores.as_chunks_mut::<LANES>().0;
        let (largest, next) = two_largest(rows);
        if largest.iter().zip(&tile.targets).take(tile.queries).any(|(s, t)| s >= t) {
            self.compare(rows, &tile.targets);
        }
        let before = self.best;
        for lane in 0..tile.queries {
            // Rare where patterns are many: records of random numbers become fewer and fewer.
            if largest[lane] >= before[lane] {
                self.record(lane, largest[lane], first, rows);
            }
            let below = if largest[lane] > before[lane] { before[lane] } else { largest[lane] };
            self.second[lane] = self.second[lane].max(next[lane]).max(below);
        }
        let live = (0..tile.queries).any(|i| beta * (largest[i] - self.best[i]) >= UNDERFLOW);
        if !live {
            return;
        }
        let shrink = self.shrink(beta, &before, tile.queries);
        self.exponentials(rows, beta);
        if !self.moments.is_empty() {
            if shrink.iter().any(|s| *s != 1.0) {
                simd!(for row in self.moments.as_chunks_mut::<LANES>().0 {
                    row.iter_mut().zip(&shrink).for_each(|(v, s)| *v *= s);
                });
            }
            Product {
                c: &mut self.moments,
                a: patterns,
                row_stride: 1,
                step_stride: tile.across.len() / LANES,
                b: scores,
                lanes: tile.queries,
                add: true,
                metric: Metric::Product,
            }
            .run();
        }
    }

    /// Counts scores above the targets', and equal ones.
    fn compare(&mut self, rows: &[Lane], targets: &Lane) {
        let (above, equal) = simd!({
            let (mut above, mut equal) = ([0_u32; LANES], [0_u32; LANES]);
            for row in rows {
                for i in 0..LANES {
                    above[i] += u32::from(row[i] > targets[i]);
                    equal[i] += u32::from(row[i] == targets[i]);
                }
            }
            (above, equal)
        });
        for i in 0..LANES {
            self.above[i] += u64::from(above[i]);
            self.equal[i] += u64::from(equal[i]);
        }
    }

    /// Notes where a score that is the largest so far was met, and how often.
    fn record(&mut self, lane: usize, largest: f32, first: u64, rows: &[Lane]) {
        let mut places = rows.iter().enumerate().filter(|(_, row)| row[lane] == largest);
        let Some((at, _)) = places.next() else { return };
        let others = places.count() as u64;
        if largest > self.best[lane] {
            self.best[lane] = largest;
            self.index[lane] = first + at as u64;
            self.ties[lane] = others;
        } else {
            self.ties[lane] += others + 1;
        }
    }

    /// Brings the sums to the largest score of now; gives the factors.
    fn shrink(&mut self, beta: f32, before: &Lane, queries: usize) -> Lane {
        let mut factors = [1.0; LANES];
        for i in 0..queries {
            if self.best[i] > before[i] {
                let factor = (f64::from(beta) * (f64::from(before[i]) - f64::from(self.best[i]))).exp();
                self.sum[i] *= factor;
                self.squares[i] *= factor * factor;
                factors[i] = factor as f32;
            }
        }
        factors
    }

    /// Scores to `e^(beta (score - best))`, taken into the sums.
    fn exponentials(&mut self, rows: &mut [Lane], beta: f32) {
        let best = self.best;
        simd!(for rows in rows.chunks_mut(CHAIN) {
            let (mut sum, mut squares) = ([0.0_f32; LANES], [0.0_f32; LANES]);
            for row in rows {
                for i in 0..LANES {
                    let e = exp_nonpositive(beta * (row[i] - best[i]));
                    row[i] = e;
                    sum[i] += e;
                    // Squares that are subnormal would take a hundred times as long, and do not count.
                    let e = if e > SMALLEST_ROOT { e } else { 0.0 };
                    squares[i] += e * e;
                }
            }
            for i in 0..LANES {
                self.sum[i] += f64::from(sum[i]);
                self.squares[i] += f64::from(squares[i]);
            }
        });
    }

    /// What one query has found.
    fn write(&self, lane: usize, count: u64, scan: &mut Scan) {
        scan.count = count;
        scan.best = self.best[lane].into();
        scan.second = self.second[lane].into();
        scan.index = self.index[lane];
        scan.ties = self.ties[lane];
        scan.sum = self.sum[lane];
        scan.squares = self.squares[lane];
        if let Some(target) = &mut scan.target {
            target.above = self.above[lane];
            target.equal = self.equal[lane];
        }
        for (out, row) in scan.moments.iter_mut().zip(self.moments.as_chunks::<LANES>().0) {
            *out = row[lane].into();
        }
    }
}

/// The two largest scores of each lane: equal where the largest occurs twice.
fn two_largest(rows: &[Lane]) -> (Lane, Lane) {
    simd!({
        let (mut first, mut second) = ([f32::NEG_INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
        for row in rows {
            for i in 0..LANES {
                let s = row[i];
                let lower = if s < first[i] { s } else { first[i] };
                second[i] = if lower > second[i] { lower } else { second[i] };
                first[i] = if s > first[i] { s } else { first[i] };
            }
        }
        (first, second)
    })
}
