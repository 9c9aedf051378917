//! Matrix products on the GPU.

use super::{Buffer, Context, Dispatch, MAX_TRIPS, Matrix, padded};
use crate::{Error, Result, ops::Layout};
use std::sync::Arc;

/// The operands and sizes of one product; see `shaders/store.wgsl`.
pub(super) struct Product<'a> {
    pub(super) kernels: KernelNames,
    /// Left operand, right operand, result, and what the epilogue reads.
    pub(super) buffers: &'a [&'a Buffer],
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    /// Row lengths in values.
    pub(super) columns: [usize; 3],
    /// First row of the right operand.
    pub(super) b_first: usize,
    /// Rows of the inner dimension per slice; the result has one part per slice.
    pub(super) slice: usize,
    /// Whether tiles of settled queries are left out.
    pub(super) skip: bool,
    /// What scores past the last column are.
    pub(super) padding: f32,
}

/// The same product as a register tile, the same for few rows, and as a staged tile.
pub(super) struct KernelNames {
    pub(super) direct: &'static str,
    pub(super) few: &'static str,
    pub(super) tiled: &'static str,
    /// How many of the inner dimension one loop trip of the direct kernel takes.
    pub(super) per_trip: usize,
}

/// Rows below which a staged tile of 64 rows wastes more than it saves.
const FEW: usize = 8;

impl Product<'_> {
    /// How many slices the inner dimension is cut into.
    pub(super) fn splits(&self) -> usize {
        self.k.div_ceil(self.slice.max(1)).max(1)
    }

    /// Records the product.
    pub(super) fn record(&self, context: &Context) -> Result<()> {
        let Self { m, n, k, .. } = *self;
        let splits = self.splits();
        let slice = self.slice.min(k.next_multiple_of(4));
        let (kernel, groups, trips) = if self.m < FEW {
            let rows = if self.kernels.few == self.kernels.direct { 8 } else { 1 };
            let tiles = m.div_ceil(rows) * n.div_ceil(8) * splits;
            (self.kernels.few, tiles.div_ceil(64), slice.div_ceil(self.kernels.per_trip))
        } else if context.tiled() {
            (self.kernels.tiled, m.div_ceil(64) * n.div_ceil(64) * splits, slice.div_ceil(16))
        } else {
            let tiles = m.div_ceil(8) * n.div_ceil(8) * splits;
            (self.kernels.direct, tiles.div_ceil(64), slice.div_ceil(self.kernels.per_trip))
        };
        let width = |columns: usize| (padded(columns) / 4) as u32;
        let [a, b, c] = self.columns;
        context.dispatch(&Dispatch {
            kernel,
            parameters: &[
                m as u32,
                n as u32,
                k as u32,
                width(a),
                width(b),
                width(c),
                self.b_first as u32,
                splits as u32,
                slice as u32,
                u32::from(self.skip),
                self.padding.to_bits(),
            ],
            buffers: self.buffers,
            groups,
            trips,
            work: 2.0 * m as f64 * n as f64 * k as f64,
        })
    }
}

/// See [`crate::ops::matmul`]. The inner sizes agree.
pub(crate) fn matmul(a: &Matrix, b: &Matrix, layout: Layout) -> Result<Matrix> {
    let context = a.context();
    let (m, k) = if layout == Layout::TN { (a.columns(), a.rows()) } else { (a.rows(), a.columns()) };
    let n = if layout == Layout::NT { b.rows() } else { b.columns() };
    if m == 0 || n == 0 || k == 0 {
        let zeros = vec![0.0; m * n];
        return Matrix::upload(context, &crate::Rows::new(zeros, n.max(1))?, m, n);
    }
    let (direct, tiled, per_trip) = match layout {
        Layout::NN => ("matmul.nn.direct", "matmul.nn.tiled", 4),
        Layout::NT => ("matmul.nt.direct", "matmul.nt.tiled", 4),
        Layout::TN => ("matmul.tn.direct", "matmul.tn.tiled", 1),
    };
    let slice = (MAX_TRIPS * per_trip).min(k.next_multiple_of(4));
    let splits = k.div_ceil(slice);
    let c = Matrix::new(context, "a product", m * splits, n)?;
    let product = Product {
        kernels: KernelNames { direct, few: direct, tiled, per_trip },
        buffers: &[a.buffer(), b.buffer(), c.buffer()],
        m,
        n,
        k,
        columns: [a.columns(), b.columns(), n],
        b_first: 0,
        slice,
        skip: false,
        padding: 0.0,
    };
    product.record(context)?;
    if splits == 1 { Ok(c) } else { sum_slices(context, &c, m, n, splits) }
}

/// Adds the parts of a product whose inner dimension was cut.
fn sum_slices(context: &Arc<Context>, parts: &Matrix, m: usize, n: usize, splits: usize) -> Result<Matrix> {
    let out = Matrix::new(context, "a product", m, n)?;
    // `accumulate` reads a query's state only where it scales or skips; here it does neither.
    let none = context.storage("no queries", 64)?;
    let (rows, width) = (m as u32, out.width4() as u32);
    context.dispatch(&Dispatch {
        kernel: "accumulate",
        parameters: &[rows, width, splits as u32, 0, 1],
        buffers: &[parts.buffer(), &none, out.buffer()],
        groups: (m * out.width4()).div_ceil(64),
        trips: splits,
        work: (m * n * splits) as f64,
    })?;
    Ok(out)
}

/// A size as a kernel parameter.
///
/// # Errors
/// [`Error::InvalidParameter`] beyond 32 bits.
pub(super) fn word(what: &'static str, size: usize) -> Result<u32> {
    u32::try_from(size).map_err(|_| Error::parameter(what, size, format!("at most {} on a GPU", u32::MAX)))
}
