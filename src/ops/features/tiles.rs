//! How a GPU goes through the frequencies: in one pass, or tile by tile as a chain of products.

use super::{Features, FrequencySource, Kept, Projection};
use crate::{
    Device, Error, Result, Rows, Tensor, cpu,
    gpu::{
        self, Context, Matrix, Strategy,
        features::{Frequencies, hadamard::Blocks},
    },
    ops::{Axis, Binary, Layout, Reduction, Unary, binary, matmul, reduce, unary},
    tensor::Place,
};
use std::{ops::Range, sync::Arc};

/// Values of a tile of frequencies at most: 16 MiB of them.
const TILE_VALUES: usize = 1 << 22;
/// Frequencies of a tile at most, where caches are small, and where a whole device is to be kept busy.
const TILE_ROWS: [usize; 2] = [4096, 16_384];
/// Patterns that go to the device together.
const ROWS: usize = 1024;

/// Products with a tile of frequencies.
enum Tile<'a> {
    /// `[rows, d]`
    Dense(Tensor),
    Structured(Blocks<'a>),
}

/// What a tensor on a GPU consists of.
fn on_gpu(tensor: &Tensor) -> Result<&Matrix> {
    match tensor.place() {
        Place::Gpu(matrix) => Ok(matrix),
        Place::Cpu(_) => Err(Error::Gpu { what: "features".into(), message: "a tensor on the CPU".into() }),
    }
}

impl Features {
    /// The adapter.
    pub(super) fn context(&self) -> Result<&Arc<Context>> {
        self.device
            .as_gpu()
            .ok_or_else(|| Error::Gpu { what: "features".into(), message: "these are on the CPU".into() })
    }

    /// The seed of frequencies that kernels can make.
    fn generator(&self) -> Option<u64> {
        match self.spec.source {
            FrequencySource::Seed { seed, projection: Projection::Gaussian } => Some(seed),
            _ => None,
        }
    }

    /// How `rows` states or patterns go through the frequencies; of an encoding in one pass rows may have any length.
    fn way(&self, rows: usize, encoding: bool) -> Result<Strategy> {
        if matches!(self.kept, Kept::Signs(_)) {
            // A chain, in which the Hadamard transform takes the place of products.
            return Ok(Strategy::Direct);
        }
        let sizes = [rows, self.spec.count, if encoding { 4 } else { self.spec.dim }];
        let (stored, generator) = (matches!(self.kept, Kept::Tiles(_)), self.generator().is_some());
        Ok(gpu::features::strategy(self.context()?, sizes, stored, generator, encoding))
    }

    /// The frequencies for passes of this kind, one after another, and which they are; none where it is a chain that is wanted.
    fn passes(&self, way: Strategy) -> Result<Vec<(Range<usize>, Frequencies<'_>)>> {
        match (way, &self.kept, self.generator()) {
            (Strategy::Fused, Kept::Tiles(tiles), _) => self
                .tiles()
                .zip(tiles)
                .map(|(tile, rows)| {
                    let first = tile.start;
                    Ok((tile, Frequencies::Stored { rows: on_gpu(rows)?, first }))
                })
                .collect(),
            (Strategy::Generated, _, Some(seed)) => {
                let count = self.spec.count;
                Ok(vec![(0..count, Frequencies::Generated { seed, count })])
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Sums of features times `T` `[b]` and of derivatives times frequencies `[b, d]`, without scales, of states times their unit.
    pub(super) fn look_on_gpu(&self, x: &Tensor, shift: &Tensor, sides: &Tensor) -> Result<(Tensor, Tensor)> {
        let b = x.matrix_shape().0;
        let waves = !self.spec.map.is_positive();
        let mut sums: Option<(Tensor, Tensor)> = None;
        let mut add = |u: Tensor, g: Tensor| -> Result<()> {
            sums = Some(match sums.take() {
                None => (u, g),
                Some((a, c)) => (binary(Binary::Add, &a, &u)?, binary(Binary::Add, &c, &g)?),
            });
            Ok(())
        };
        let passes = self.passes(self.way(b, false)?)?;
        for (_, pass) in &passes {
            let (u, g) = gpu::features::look(on_gpu(x)?, on_gpu(shift)?, on_gpu(sides)?, *pass, waves)?;
            add(Tensor::on_gpu(u, &[b])?, Tensor::on_gpu(g, x.shape())?)?;
        }
        let chain = self.tiles().enumerate().filter(|_| passes.is_empty());
        for (number, range) in chain {
            let tile = self.tile_at(number, &range)?;
            let z = tile.project(x)?;
            let (parts, slopes) = self.combine(&z, sides, shift, range.start, true)?;
            add(reduce(&parts, Reduction::Sum, Axis::Columns)?, tile.back(&slopes, self.spec.dim)?)?;
        }
        sums.ok_or_else(|| Error::parameter("number of features", 0, "at least 1"))
    }

    /// Sums of the features of patterns `[k, d]`, without scale: `[m]` or `[2 m]`.
    pub(super) fn encode_on_gpu(&self, patterns: &Rows<'_>) -> Result<Vec<f64>> {
        let (m, halves) = (self.spec.count, if self.spec.map.has_two() { 2 } else { 1 });
        let waves = !self.spec.map.is_positive();
        let (sides, phases) = (self.sides(&[])?, self.tensor(&self.turns, &[1, m])?);
        let mut t = vec![0.0; halves * m];
        let mut add = |half: usize, tile: &Range<usize>, sums: &mut dyn Iterator<Item = f64>| {
            t[half * m + tile.start..half * m + tile.end].iter_mut().zip(sums).for_each(|(t, v)| *t += v);
        };
        for first in (0..patterns.rows()).step_by(ROWS) {
            let rows = patterns.slice(first..(first + ROWS).min(patterns.rows()));
            let (x, shift) = self.scaled(&Tensor::new(&self.device, &rows)?)?;
            let passes = self.passes(self.way(rows.rows(), true)?)?;
            for (tile, pass) in &passes {
                let sums = gpu::features::sums(on_gpu(&x)?, on_gpu(&shift)?, on_gpu(&phases)?, *pass, waves)?;
                for (half, sums) in sums.chunks_exact(tile.len()).take(halves).enumerate() {
                    add(half, tile, &mut sums.iter().copied());
                }
            }
            let chain = self.tiles().enumerate().filter(|_| passes.is_empty());
            for (number, range) in chain {
                let z = self.tile_at(number, &range)?.project(&x)?;
                let (first, second) = self.combine(&z, &sides, &shift, range.start, false)?;
                for (half, features) in [first, second].iter().take(halves).enumerate() {
                    let sums = reduce(features, Reduction::Sum, Axis::Rows)?.to_vec()?;
                    add(half, &range, &mut sums.into_iter().map(f64::from));
                }
            }
        }
        Ok(t)
    }

    /// States times [`Features::unit`], and what is taken off their exponents `[b]`.
    pub(super) fn scaled(&self, states: &Tensor) -> Result<(Tensor, Tensor)> {
        let x = unary(Unary::Scale(self.unit() as f32), states)?;
        let squares = reduce(&unary(Unary::Square, states)?, Reduction::Sum, Axis::Columns)?;
        Ok((x, unary(Unary::Scale(self.decay()), &squares)?))
    }

    /// Features of a tile from products `z` `[b, rows]`, or (`step`) their products with `T` and the derivatives of these.
    fn combine(
        &self,
        z: &Tensor,
        sides: &Tensor,
        shift: &Tensor,
        first: usize,
        step: bool,
    ) -> Result<(Tensor, Tensor)> {
        let waves = !self.spec.map.is_positive();
        let (first, second) =
            gpu::features::combine(on_gpu(z)?, on_gpu(sides)?, on_gpu(shift)?, first, waves, step)?;
        Ok((Tensor::on_gpu(first, z.shape())?, Tensor::on_gpu(second, z.shape())?))
    }

    /// Rows of a block of structured frequencies.
    pub(super) fn block(&self) -> usize {
        self.spec.dim.next_power_of_two()
    }

    /// The diagonals of all blocks of structured frequencies, `[3 blocks, size]`.
    pub(super) fn signs(&self, seed: u64) -> Result<Tensor> {
        let (size, blocks) = (self.block(), self.spec.count.div_ceil(self.block()));
        let signs: Vec<f32> =
            (0..blocks).flat_map(|block| cpu::frequencies::signs(seed, block, size)).collect();
        self.tensor(&signs, &[3 * blocks, size])
    }

    /// How many frequencies the device takes together.
    fn rows_of_tile(&self) -> usize {
        let most = TILE_ROWS[usize::from(self.device.as_gpu().is_some_and(|context| context.tiled()))];
        match self.kept {
            // Whole blocks.
            Kept::Signs(_) => (most / self.block()).max(1) * self.block().max(4),
            _ => (TILE_VALUES / self.spec.dim).clamp(4, most) / 4 * 4,
        }
    }

    /// The tiles in which the device takes the frequencies.
    pub(super) fn tiles(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (rows, m) = (self.rows_of_tile(), self.spec.count);
        (0..m).step_by(rows).map(move |first| first..(first + rows).min(m))
    }

    /// The frequencies of a tile, as products need them.
    fn tile_at(&self, number: usize, tile: &Range<usize>) -> Result<Tile<'_>> {
        match &self.kept {
            Kept::Signs(signs) => {
                let blocks = Blocks { signs: on_gpu(signs)?, size: self.block(), tile: tile.clone() };
                Ok(Tile::Structured(blocks))
            }
            _ => Ok(Tile::Dense(self.kept_tile(number, tile)?)),
        }
    }

    /// The frequencies of a tile, `[rows, d]`.
    pub(super) fn kept_tile(&self, number: usize, tile: &Range<usize>) -> Result<Tensor> {
        match &self.kept {
            Kept::Tiles(tiles) => Ok(tiles[number].clone()),
            _ => self.tile(tile.clone()),
        }
    }

    /// The frequencies of a tile, made on the device or brought there.
    pub(super) fn tile(&self, tile: Range<usize>) -> Result<Tensor> {
        let shape = [tile.len(), self.spec.dim];
        match (self.generator(), &self.device) {
            (Some(seed), Device::Gpu(context)) => {
                let made =
                    gpu::features::frequencies(context, seed, tile.start as u64, tile.len(), self.spec.dim)?;
                Tensor::on_gpu(made, &shape)
            }
            _ => self.tensor(&self.host_tile(tile), &shape),
        }
    }
}

impl Tile<'_> {
    /// `x S^T`.
    fn project(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Dense(s) => matmul(x, s, Layout::NT),
            Self::Structured(blocks) => {
                let z = gpu::features::hadamard::project(on_gpu(x)?, blocks)?;
                let shape = [z.rows(), z.columns()];
                Tensor::on_gpu(z, &shape)
            }
        }
    }

    /// `r S`, rows of `d` values.
    fn back(&self, r: &Tensor, d: usize) -> Result<Tensor> {
        match self {
            Self::Dense(s) => matmul(r, s, Layout::NN),
            Self::Structured(blocks) => {
                let g = gpu::features::hadamard::back(on_gpu(r)?, blocks, d)?;
                let shape = [g.rows(), d];
                Tensor::on_gpu(g, &shape)
            }
        }
    }
}
