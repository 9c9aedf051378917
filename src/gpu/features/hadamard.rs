//! Products with structured frequencies by the fast Hadamard transform: `hadamard.wgsl`.

use super::super::{Dispatch, Matrix, parameters};
use crate::Result;
use std::ops::Range;

/// Longest block that fits workgroup memory.
pub(crate) const MOST: usize = 2048;

/// A tile of structured frequencies: blocks of `size` rows.
pub(crate) struct Blocks<'a> {
    /// The diagonals of all blocks, `[3 blocks * size]`.
    pub(crate) signs: &'a Matrix,
    pub(crate) size: usize,
    /// Frequencies of the tile, from the first of a block on.
    pub(crate) tile: Range<usize>,
}

impl Blocks<'_> {
    fn parameters(&self, rows: usize, states: &Matrix, products: &Matrix) -> parameters::Hadamard {
        parameters::Hadamard {
            rows: rows as u32,
            size: self.size as u32,
            blocks: self.count() as u32,
            first: (self.tile.start / self.size) as u32,
            columns: states.columns() as u32,
            stride: 4 * states.width4() as u32,
            products: products.columns() as u32,
            products_stride: 4 * products.width4() as u32,
        }
    }

    fn count(&self) -> usize {
        self.tile.len().div_ceil(self.size)
    }

    /// Loop trips of a block: three transforms with their diagonals, and what goes in and out.
    fn trips(&self) -> usize {
        let passes = self.size.ilog2() as usize;
        3 * (passes * (1 + (self.size / 2).div_ceil(256)) + self.size.div_ceil(256))
            + 3 * self.size.div_ceil(256)
    }
}

/// Products `[b, tile]` of states `x` `[b, d]`.
pub(crate) fn project(x: &Matrix, blocks: &Blocks<'_>) -> Result<Matrix> {
    let out = Matrix::new(x.context(), "products", x.rows(), blocks.tile.len())?;
    x.context().dispatch(&Dispatch {
        kernel: "hadamard.project",
        parameters: &blocks.parameters(x.rows(), x, &out),
        buffers: &[x.buffer(), blocks.signs.buffer(), out.buffer()],
        groups: x.rows() * blocks.count(),
        trips: blocks.trips(),
        work: (x.rows() * out.columns() * 3 * blocks.size.ilog2().max(1) as usize) as f64,
    })?;
    Ok(out)
}

/// The sums `[b, d]` of the frequencies by weights `r` `[b, tile]`.
pub(crate) fn back(r: &Matrix, blocks: &Blocks<'_>, d: usize) -> Result<Matrix> {
    let out = Matrix::new(r.context(), "sums of frequencies", r.rows(), d)?;
    r.context().dispatch(&Dispatch {
        kernel: "hadamard.back",
        parameters: &blocks.parameters(r.rows(), &out, r),
        buffers: &[r.buffer(), blocks.signs.buffer(), out.buffer()],
        groups: r.rows(),
        trips: blocks.count() * blocks.trips() + out.width4(),
        work: (r.rows() * r.columns() * 3 * blocks.size.ilog2().max(1) as usize) as f64,
    })?;
    Ok(out)
}
