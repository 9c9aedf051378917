//! Looks and encodings in one pass over the frequencies that writes no products: `features_fused.wgsl`, `features_sums.wgsl`.

use super::super::{
    Context, Dispatch, MAX_TRIPS, Matrix, Strategy,
    descent::fused_memory,
    matmul, padded, parameters,
    reduce::reduce,
    shader,
    tune::{self, Class, Op},
};
use crate::{
    Precision, Result,
    contract::{Axis, Binary, Reduction},
};
use std::sync::Arc;

/// Workgroups that keep a GPU busy.
const BUSY: usize = 256;
/// Most parts that one pass writes, and bytes of the sums in them.
const MOST_PARTS: usize = 256;
const SCRATCH: usize = 32 << 20;
/// Fewest states for which a tile is worth its while.
const MANY: usize = 32;
/// Loop trips of a generator's call.
const GENERATOR: usize = 10;

/// Frequencies of a pass, and what number the first has.
#[derive(Clone, Copy)]
pub(crate) enum Frequencies<'a> {
    /// `[rows, d]`
    Stored { rows: &'a Matrix, first: usize },
    /// The first so many independent normals of a seed.
    Generated { seed: u64, count: usize },
}

impl<'a> Frequencies<'a> {
    /// The stored rows, or what is bound in their place where a kernel makes them.
    fn rows_or(&self, other: &'a Matrix) -> &'a Matrix {
        match self {
            Self::Stored { rows, .. } => rows,
            Self::Generated { .. } => other,
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Stored { rows, .. } => rows.rows(),
            Self::Generated { count, .. } => *count,
        }
    }

    fn first(&self) -> usize {
        match self {
            Self::Stored { first, .. } => *first,
            Self::Generated { .. } => 0,
        }
    }

    /// Words of the generator's key and of the upper half of the rows' numbers.
    fn seed(&self) -> [u32; 3] {
        match self {
            Self::Stored { .. } => [0; 3],
            Self::Generated { seed, .. } => [*seed as u32, (*seed >> 32) as u32, 0],
        }
    }

    fn kind(&self) -> Strategy {
        match self {
            Self::Stored { .. } => Strategy::Fused,
            Self::Generated { .. } => Strategy::Generated,
        }
    }
}

/// How a kernel lays its work out.
struct Shape {
    kernel: String,
    /// Rows of a workgroup, and how many of the other operand it takes at a time.
    rows: usize,
    block: usize,
    /// Loop trips for each of those.
    trips: usize,
}

impl Shape {
    /// Of a look; `None` where no kernel has room for such rows.
    fn look(kind: Strategy, d: usize) -> Option<Self> {
        let all = shader::variants().ok()?;
        let widest = [64, 128, 256].into_iter().find(|widest| d <= *widest)?;
        let variant = all.get(&format!("features.{}.d{widest}", kind.name()))?;
        let (rows, block, across) =
            (variant.constant("BQ")?, variant.constant("BP")?, variant.constant("TX")?);
        let calls = if kind == Strategy::Generated { GENERATOR } else { 0 };
        let products = padded(d).div_ceil(16) * (1 + calls * block / 4 / across);
        let sums = block / 16 * (1 + calls * widest / across / 4);
        Some(Self { kernel: variant.name.clone(), rows, block, trips: products + sums + 1 })
    }

    /// Of an encoding.
    fn sums(kind: Strategy, d: usize) -> Option<Self> {
        let variant = shader::variants().ok()?.get(&format!("features.sums.{}", kind.name()))?;
        let (rows, block, across) =
            (variant.constant("BQ")?, variant.constant("BP")?, variant.constant("TX")?);
        let calls = if kind == Strategy::Generated { GENERATOR } else { 0 };
        let trips = padded(d).div_ceil(16) * (1 + calls * rows / 4 / across) + 1;
        Some(Self { kernel: variant.name.clone(), rows, block, trips })
    }

    /// How many of `n` go to one workgroup, and how many workgroups share them, of `rows` rows; `room` parts at most.
    fn splits(&self, rows: usize, n: usize, room: usize) -> (usize, usize) {
        let wanted = (BUSY / rows.div_ceil(self.rows).max(1)).clamp(1, n.div_ceil(8 * self.block).max(1));
        let longest = (MAX_TRIPS / self.trips).max(1) * self.block;
        let slice = n.div_ceil(wanted.min(room)).next_multiple_of(self.block).min(longest);
        (slice, n.div_ceil(slice).min(room))
    }
}

/// Whether looks at `m` frequencies can be made this way here.
pub(in crate::gpu) fn can(context: &Context, strategy: Strategy, d: usize) -> bool {
    match strategy {
        Strategy::Fused | Strategy::Generated => {
            context.workgroup_memory() >= fused_memory(d) && Shape::look(strategy, d).is_some()
        }
        Strategy::Few => false,
        tile => matmul::can(context, tile),
    }
}

/// How looks of `b` states at `m` frequencies are made: as was asked for, as timing has found, or by rule. `stored` says whether
/// the frequencies are, `generator` whether a kernel can make them, `encoding` that it is no look but an encoding of `b` patterns,
/// whose kernel has room for rows of any length, on any device.
pub(crate) fn strategy(
    context: &Arc<Context>,
    [b, m, d]: [usize; 3],
    stored: bool,
    generator: bool,
    encoding: bool,
) -> Strategy {
    let can = |strategy: &Strategy| {
        let there = match strategy {
            Strategy::Fused => stored,
            Strategy::Generated => generator,
            _ => true,
        };
        let sums = || encoding && Shape::sums(*strategy, d).is_some();
        there && (sums() || can(context, *strategy, d))
    };
    let timed = || tune::fastest(context, Class::of(Op::Features, [b, m, d], Precision::F32));
    // Who asks for one pass gets one, however the frequencies come.
    let asked =
        context.strategy().map(|s| if s == Strategy::Fused && !stored { Strategy::Generated } else { s });
    if let Some(strategy) = asked.filter(can).or_else(|| timed().filter(can)) {
        return strategy;
    }
    let one_pass = context.tiled() && b >= MANY;
    let ways = [Strategy::Fused, Strategy::Generated];
    match ways.into_iter().find(|way| one_pass && can(way)) {
        Some(way) => way,
        None => matmul::tile(context, None, b, m, 1),
    }
}

/// Sums of features times `T` `[1, b]` and of their derivatives times frequencies `[b, d]`, without scales, of states `x` times
/// their unit. `sides` are the halves of `T` and the phases `[3, m]`; `shift` `[1, b]` is taken off exponents.
pub(crate) fn look(
    x: &Matrix,
    shift: &Matrix,
    sides: &Matrix,
    frequencies: Frequencies<'_>,
    waves: bool,
) -> Result<(Matrix, Matrix)> {
    let (context, b, d, width) = (x.context(), x.rows(), x.columns(), x.width4());
    let shape = shape(Shape::look(frequencies.kind(), d))?;
    let n = frequencies.count();
    let room = (SCRATCH / (b * width * 16)).clamp(1, MOST_PARTS);
    let (slice, splits) = shape.splits(b, n, room);
    let stored = frequencies.rows_or(x);
    let [low, high, rows] = frequencies.seed();
    let mut whole: Option<(Matrix, Matrix)> = None;
    for first in (0..n).step_by(slice * splits) {
        let last = n.min(first + slice * splits);
        let splits = (last - first).div_ceil(slice);
        let slices = Matrix::new(context, "sums of frequencies", splits, b * 4 * width)?;
        let parts = Matrix::new(context, "sums of features", splits, b)?;
        context.dispatch(&Dispatch {
            kernel: &shape.kernel,
            parameters: &parameters::FeaturesFused {
                rows: b as u32,
                first: first as u32,
                last: last as u32,
                width: width as u32,
                pattern_width: width as u32,
                splits: splits as u32,
                slice: slice as u32,
                side_width: 4 * sides.width4() as u32,
                base: frequencies.first() as u32,
                waves: u32::from(waves),
                columns: d as u32,
                seed_low: low,
                seed_high: high,
                high: rows,
            },
            buffers: &[
                x.buffer(),
                stored.buffer(),
                slices.buffer(),
                sides.buffer(),
                shift.buffer(),
                parts.buffer(),
            ],
            groups: b.div_ceil(shape.rows) * splits,
            trips: slice / shape.block * shape.trips,
            work: 4.0 * (b * d) as f64 * (last - first) as f64,
        })?;
        let (u, g) = (added_up(parts)?, added_up(slices)?.reshaped(b, d));
        whole = Some(match whole {
            None => (u, g),
            Some((a, c)) => (add(&a, &u)?, add(&c, &g)?),
        });
    }
    match whole {
        Some(whole) => Ok(whole),
        None => Err(crate::Error::parameter("number of features", 0, "at least 1")),
    }
}

/// The sums of the first features and of the second, `[2 frequencies]`, of patterns `x` `[k, d]` times their unit.
pub(crate) fn sums(
    x: &Matrix,
    shift: &Matrix,
    phases: &Matrix,
    frequencies: Frequencies<'_>,
    waves: bool,
) -> Result<Vec<f64>> {
    let (context, k, d, width) = (x.context(), x.rows(), x.columns(), x.width4());
    let shape = shape(Shape::sums(frequencies.kind(), d))?;
    let m = frequencies.count();
    let (slice, splits) = shape.splits(m, k, MOST_PARTS);
    let stored = frequencies.rows_or(x);
    let [low, high, rows] = frequencies.seed();
    let mut all = vec![0.0; 2 * m];
    for first in (0..k).step_by(slice * splits) {
        let last = k.min(first + slice * splits);
        let splits = (last - first).div_ceil(slice);
        let out = Matrix::new(context, "sums of features", 2 * splits, m)?;
        context.dispatch(&Dispatch {
            kernel: &shape.kernel,
            parameters: &parameters::FeaturesSums {
                rows: m as u32,
                first: first as u32,
                last: last as u32,
                width: width as u32,
                pattern_width: width as u32,
                splits: splits as u32,
                slice: slice as u32,
                base: frequencies.first() as u32,
                waves: u32::from(waves),
                columns: d as u32,
                seed_low: low,
                seed_high: high,
                high: rows,
            },
            buffers: &[stored.buffer(), x.buffer(), phases.buffer(), shift.buffer(), out.buffer()],
            groups: m.div_ceil(shape.rows) * splits,
            trips: slice / shape.block * shape.trips,
            work: 2.0 * (m * d) as f64 * (last - first) as f64,
        })?;
        for part in out.download()?.chunks_exact(2 * m) {
            all.iter_mut().zip(part).for_each(|(sum, part)| *sum += f64::from(*part));
        }
    }
    Ok(all)
}

fn shape(shape: Option<Shape>) -> Result<Shape> {
    shape.ok_or_else(|| crate::Error::Gpu {
        what: "features in one pass".into(),
        message: "no kernel for rows of this length".into(),
    })
}

/// The sum of rows `[1, columns]`.
fn added_up(parts: Matrix) -> Result<Matrix> {
    if parts.rows() == 1 { Ok(parts) } else { reduce(&parts, Reduction::Sum, Axis::Rows) }
}

fn add(a: &Matrix, b: &Matrix) -> Result<Matrix> {
    super::super::elementwise::binary(Binary::Add, a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pass_ends_and_none_takes_too_many_trips() {
        for kind in [Strategy::Fused, Strategy::Generated] {
            for d in [1, 64, 65, 256, 257, 4000] {
                for shape in [Shape::look(kind, d), Shape::sums(kind, d)].into_iter().flatten() {
                    for n in [1, 33, 65_537, 1 << 24, (1 << 31) - 1, 1 << 31] {
                        for (rows, room) in [(1, 1), (70, MOST_PARTS), (1 << 20, 3)] {
                            let (slice, splits) = shape.splits(rows, n, room);
                            let what = format!("{} {rows} x {n}: {splits} of {slice}", shape.kernel);
                            assert!(slice / shape.block * shape.trips <= MAX_TRIPS, "{what}");
                            assert!((1..=room).contains(&splits) && slice % shape.block == 0, "{what}");
                            assert!(u32::try_from(n + splits * slice).is_ok(), "{what}");
                        }
                    }
                }
            }
        }
    }
}
