//! A pass over the patterns in one kernel that writes no scores: for many queries over short rows
//! (`step_fused.wgsl`), or for a handful of queries (`step_few.wgsl`). The patterns are cut into parts
//! that run side by side; `merge` combines what they found.

use super::{
    super::{
        Context, Dispatch, LEAST_SUBGROUP, MAX_TRIPS, Strategy, matmul, padded, parameters, row_columns,
        shader,
        softmax::SERIAL_ROWS,
        tune::{self, Class, Op},
    },
    Batch, Chunk,
};
use crate::{Precision, Result, contract::Similarity};
use std::{ops::Range, sync::Arc};

/// Workgroups that keep a GPU busy.
const BUSY: usize = 256;
/// Most parts: `merge` goes through them one after another.
const MOST_PARTS: usize = 512;
/// Most queries that count as few.
const FEW: usize = 4;
/// Fewest queries for which a fused tile is worth its while.
const MANY: usize = 32;

/// How a kernel lays its work out.
pub(super) struct Shape {
    kernel: String,
    /// Whether the kernel is for a handful of queries.
    few: bool,
    /// Queries of a workgroup.
    queries: usize,
    /// Patterns that a workgroup takes at a time.
    block: usize,
    /// Loop trips for each of those.
    trips: usize,
    /// Parts that one workgroup writes.
    row_groups: usize,
}

impl Shape {
    /// The layout for rows of `d` columns, or `None` where the strategy is none of one pass or has no kernel for
    /// such rows. What the kernels are made with stands in `shaders/permutations`.
    pub(super) fn of(strategy: Strategy, d: usize, b: usize, precision: Precision) -> Option<Self> {
        let all = shader::variants().ok()?;
        // The kernel for the shortest rows that these fit.
        let shortest = |name: &dyn Fn(usize) -> String| {
            let widths = [64, 128, 256, 512, 1024, 2048].into_iter().filter(|widest| d <= *widest);
            widths.map(name).find_map(|name| all.get(&name))
        };
        match strategy {
            Strategy::Fused => {
                let variant = shortest(&|widest| format!("step.{precision}.d{widest}"))?;
                let block = variant.constant("BP")?;
                Some(Self {
                    kernel: variant.name.clone(),
                    few: false,
                    queries: variant.constant("BQ")?,
                    block,
                    trips: padded(d).div_ceil(16) + block / 16 + 1,
                    row_groups: 1,
                })
            }
            Strategy::Few => {
                let one = shortest(&|widest| format!("few.{precision}.d{widest}.q1"))?;
                let four = all.get(&one.name.replace(".q1", ".q4")).filter(|_| b > 1);
                let variant = four.unwrap_or(one);
                let row_groups = 64 / variant.constant("LANES_OF_ROW")?;
                Some(Self {
                    kernel: variant.name.clone(),
                    few: true,
                    queries: variant.constant("NQ")?,
                    block: row_groups * variant.constant("ROWS")?,
                    // The subgroups of a workgroup are gone through one by one.
                    trips: 1 + 64 / LEAST_SUBGROUP as usize,
                    row_groups,
                })
            }
            _ => None,
        }
    }

    /// Workgroups that are to share `n` patterns, and the most patterns that one may take.
    fn wanted(&self, b: usize, n: usize) -> (usize, usize) {
        let tiles = b.div_ceil(self.queries);
        let wanted = (BUSY / tiles).clamp(1, n.div_ceil(8 * self.block).max(1)).min(self.most());
        (wanted, MAX_TRIPS / self.trips * self.block)
    }

    fn most(&self) -> usize {
        (MOST_PARTS / self.row_groups).max(1)
    }

    /// Patterns of one workgroup, and how many workgroups share `n` of them.
    fn splits(&self, b: usize, n: usize) -> (usize, usize) {
        let (wanted, longest) = self.wanted(b, n);
        let slice = n.div_ceil(wanted).next_multiple_of(self.block).min(longest);
        (slice, n.div_ceil(slice).min(self.most()))
    }

    /// Parts that a pass over `n` patterns or fewer writes at most.
    pub(super) fn parts(&self, b: usize, n: usize) -> usize {
        let (wanted, longest) = self.wanted(b, n);
        wanted.max(n.div_ceil(longest)).min(self.most()) * self.row_groups
    }
}

/// Bytes of workgroup memory that fused kernels, and those of looks at random features, want for rows of `d` columns. The
/// shortest are at home on every device.
pub(in crate::gpu) fn fused_memory(d: usize) -> u32 {
    if d <= 64 { 16_384 } else { 22_528 }
}

/// Whether updates can be made this way here.
pub(in crate::gpu) fn can(
    context: &Context,
    strategy: Strategy,
    similarity: Similarity,
    [b, _, d]: [usize; 3],
    precision: Precision,
) -> bool {
    let shape = || Shape::of(strategy, d, b, precision).is_some();
    match strategy {
        // Lengths of patterns, which cosine needs for the energy, are none of its business.
        Strategy::Fused => {
            matches!(similarity, Similarity::L2 | Similarity::Dot)
                && context.workgroup_memory() >= fused_memory(d)
                && shape()
        }
        Strategy::Few => similarity != Similarity::L1 && shape(),
        tile => matmul::can(context, tile),
    }
}

/// How updates are made: as was asked for, as timing has found, or by rule.
pub(super) fn strategy(
    context: &Arc<Context>,
    similarity: Similarity,
    sizes: [usize; 3],
    precision: Precision,
) -> Strategy {
    let [b, n, _] = sizes;
    let can = |strategy: &Strategy| can(context, *strategy, similarity, sizes, precision);
    let timed = || tune::fastest(context, Class::of(Op::Step, sizes, precision));
    if let Some(strategy) = context.strategy().filter(can).or_else(|| timed().filter(can)) {
        return strategy;
    }
    if !context.tiled() {
        Strategy::Direct
    } else if b <= FEW && can(&Strategy::Few) {
        Strategy::Few
    } else if b >= MANY && can(&Strategy::Fused) {
        Strategy::Fused
    } else {
        matmul::tile(context, None, b, n.min(super::CHUNK), 1)
    }
}

impl Batch<'_> {
    /// Records the pass over some chunks; `fresh` says that nothing has been summed yet.
    pub(super) fn one_pass(
        &self,
        shape: &Shape,
        chunks: &[Chunk<'_>],
        skip: bool,
        mut fresh: bool,
    ) -> Result<()> {
        let (b, width) = (self.queries.count, padded(self.d) / 4);
        let room = self.slices.bytes() as usize / (b * width * 16) / shape.row_groups;
        for chunk in chunks {
            let mut first = chunk.rows.start;
            while first < chunk.rows.end {
                let (slice, splits) = shape.splits(b, chunk.rows.end - first);
                let splits = splits.min(room.max(1));
                let last = chunk.rows.end.min(first + splits * slice);
                self.record_parts(shape, chunk, first..last, (slice, splits), skip)?;
                self.merge(splits * shape.row_groups, skip, fresh)?;
                fresh = false;
                first = last;
            }
        }
        Ok(())
    }

    fn record_parts(
        &self,
        shape: &Shape,
        chunk: &Chunk<'_>,
        rows: Range<usize>,
        (slice, splits): (usize, usize),
        skip: bool,
    ) -> Result<()> {
        let (b, width) = (self.queries.count, padded(self.d) / 4);
        let groups = b.div_ceil(shape.queries) * splits;
        let trips = slice / shape.block * shape.trips;
        let work = 4.0 * b as f64 * rows.len() as f64 * self.d as f64;
        let per_row = row_columns(self.d, self.precision);
        let tiles = parameters::StepFused {
            rows: b as u32,
            first: rows.start as u32,
            last: rows.end as u32,
            width: width as u32,
            pattern_width: (per_row / 4) as u32,
            splits: splits as u32,
            slice: slice as u32,
            skip: u32::from(skip),
        };
        // Few queries read 16 bytes at a time, others four values.
        let units = if self.precision == Precision::F16 { per_row / 8 } else { per_row / 4 };
        let stream = parameters::StepFew {
            rows: tiles.rows,
            first: tiles.first,
            last: tiles.last,
            width: tiles.width,
            units: units as u32,
            splits: tiles.splits,
            slice: tiles.slice,
            skip: tiles.skip,
            cosine: u32::from(self.form.similarity == Similarity::Cosine),
        };
        let mut buffers = vec![self.states, chunk.patterns, &self.slices];
        if !shape.few {
            buffers.push(&self.queries.active);
        }
        // The scores' buffer takes what the parts carry: there are no scores.
        buffers.extend([&self.queries.queries, chunk.terms, &self.scores]);
        self.context.dispatch(&Dispatch {
            kernel: &shape.kernel,
            parameters: if shape.few { &stream } else { &tiles },
            buffers: &buffers,
            groups,
            trips,
            work,
        })
    }

    /// Records the merge of what the parts found into what the queries had.
    fn merge(&self, parts: usize, skip: bool, fresh: bool) -> Result<()> {
        let (b, width) = (self.queries.count, padded(self.d) / 4);
        let trips = |width: usize| parts * (2 + width) + width;
        let serial = !self.context.tiled() && trips(width) <= MAX_TRIPS;
        let (kernel, groups, trips) = match serial {
            true => ("merge.serial", b.div_ceil(SERIAL_ROWS), trips(width)),
            false => ("merge.group", b, trips(width.div_ceil(64))),
        };
        self.context.dispatch(&Dispatch {
            kernel,
            parameters: &parameters::Accumulate {
                rows: b as u32,
                width: width as u32,
                splits: parts as u32,
                skip: u32::from(skip),
                fresh: u32::from(fresh),
            },
            buffers: &[&self.slices, &self.scores, &self.queries.queries, &self.sums],
            groups,
            trips,
            work: 2.0 * (parts * b * self.d) as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts about every border that these go over, up to rows of 16 bytes in a buffer of 4 GiB.
    const COUNTS: [usize; 12] =
        [1, 31, 33, 255, 2049, 65_535, 65_537, 1 << 20, (1 << 24) + 1, (1 << 27) - 1, 1 << 27, 1 << 28];

    #[test]
    fn every_pass_ends_and_none_takes_too_many_trips() {
        for strategy in [Strategy::Fused, Strategy::Few] {
            for precision in [Precision::F32, Precision::F16] {
                for d in [1, 64, 65, 256, 257, 2048] {
                    for b in [1, 2, 4, 5, 32, 1024] {
                        let Some(shape) = Shape::of(strategy, d, b, precision) else { continue };
                        for n in COUNTS {
                            let (slice, splits) = shape.splits(b, n);
                            let what = format!("{} b {b} n {n}: {splits} of {slice}", shape.kernel);
                            assert!(slice / shape.block * shape.trips <= MAX_TRIPS, "{what}");
                            assert!((1..=MOST_PARTS).contains(&splits) && slice % shape.block == 0, "{what}");
                            // Ends of slices are worked out in 32 bits.
                            assert!(u32::try_from(n + splits * slice).is_ok(), "{what}");
                            assert!(splits * shape.row_groups <= shape.parts(b, n), "{what}");
                        }
                    }
                }
            }
        }
    }
}
