//! Matrix products on the GPU.

use super::{
    Buffer, Context, Dispatch, MAX_TRIPS, Matrix, Strategy, padded, parameters,
    tune::{self, Class, Op},
};
use crate::{Error, Precision, Result, contract::Layout};
use std::sync::Arc;

/// The operands and sizes of one product; see `shaders/shared/store.wgsl`.
pub(super) struct Product<'a> {
    /// What the kernels' names start with.
    pub(super) family: &'a str,
    /// How many of the inner dimension one loop trip of the direct kernel takes.
    pub(super) per_trip: usize,
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
    /// How many products, one below the other, where it is not one.
    pub(super) batch: Option<usize>,
    /// Whether tiles of settled queries are left out.
    pub(super) skip: bool,
    /// What scores past the last column are.
    pub(super) padding: f32,
    /// The tile to take; by rule where it is `None`.
    pub(super) tile: Option<Strategy>,
}

/// Rows below which a staged tile of 64 rows wastes more than it saves.
const FEW: usize = 8;
/// Workgroups that keep a GPU busy.
const BUSY: usize = 64;
/// Bytes of workgroup memory of the largest tile.
const LARGE_MEMORY: u32 = 16_896;

/// Rows and columns of a tile, how many of the inner dimension are staged at a time.
fn shape(tile: Strategy) -> Option<(usize, usize)> {
    match tile {
        Strategy::Small => Some((32, 32)),
        Strategy::Medium => Some((64, 16)),
        Strategy::Large => Some((128, 16)),
        Strategy::Direct | Strategy::Fused | Strategy::Few | Strategy::Generated => None,
    }
}

/// Whether products can be made this way here.
pub(super) fn can(context: &Context, strategy: Strategy) -> bool {
    match strategy {
        Strategy::Direct | Strategy::Small | Strategy::Medium => true,
        Strategy::Large => context.workgroup_memory() >= LARGE_MEMORY,
        Strategy::Fused | Strategy::Few | Strategy::Generated => false,
    }
}

/// The tile for a product of this many rows and columns: the largest that keeps the device busy.
pub(super) fn tile(
    context: &Context,
    wanted: Option<Strategy>,
    m: usize,
    n: usize,
    splits: usize,
) -> Strategy {
    if let Some(tile) = wanted.or(context.strategy()).filter(|t| can(context, *t)) {
        return tile;
    }
    if !context.tiled() {
        return Strategy::Direct;
    }
    let groups = |side: usize| m.div_ceil(side) * n.div_ceil(side) * splits;
    if m > 64 && n > 64 && groups(128) >= BUSY && can(context, Strategy::Large) {
        Strategy::Large
    } else if m > 32 && n > 32 && groups(64) >= BUSY / 2 {
        Strategy::Medium
    } else {
        Strategy::Small
    }
}

impl Product<'_> {
    /// How many slices the inner dimension is cut into, or how many products these are.
    pub(super) fn splits(&self) -> usize {
        self.batch.unwrap_or_else(|| self.k.div_ceil(self.slice.max(1)).max(1))
    }

    /// Records the product.
    pub(super) fn record(&self, context: &Context) -> Result<()> {
        let Self { family, m, n, k, .. } = *self;
        let splits = self.splits();
        let slice = self.slice.min(k.next_multiple_of(4));
        let tile = tile(context, self.tile, m, n, splits);
        let (suffix, groups, trips) = match shape(tile) {
            Some((side, deep)) if m >= FEW || family.starts_with("matmul") => {
                // Whole slices, and the values that are left one by one.
                (tile.name(), m.div_ceil(side) * n.div_ceil(side) * splits, slice.div_ceil(deep) + deep)
            }
            _ if m < FEW && !family.starts_with("matmul") => {
                ("few", (m * n.div_ceil(8) * splits).div_ceil(64), slice.div_ceil(self.per_trip))
            }
            _ => {
                let across = n.div_ceil(8);
                let across = if context.extras().octets { across.next_multiple_of(8) } else { across };
                let tiles = m.div_ceil(8) * across * splits;
                ("direct", tiles.div_ceil(64), slice.div_ceil(self.per_trip))
            }
        };
        let width = |columns: usize| (padded(columns) / 4) as u32;
        let [a, b, c] = self.columns;
        context.dispatch(&Dispatch {
            kernel: &format!("{family}.{suffix}"),
            parameters: &parameters::Matmul {
                m: m as u32,
                n: n as u32,
                k: k as u32,
                a_width: width(a),
                b_width: width(b),
                c_width: width(c),
                b_first: self.b_first as u32,
                splits: splits as u32,
                slice: slice as u32,
                skip: u32::from(self.skip),
                padding: self.padding,
            },
            buffers: self.buffers,
            groups,
            trips,
            work: 2.0 * m as f64 * n as f64 * k as f64 * self.batch.unwrap_or(1) as f64,
        })
    }
}

/// See [`crate::contract::matmul`]. The inner sizes agree.
pub(crate) fn matmul(a: &Matrix, b: &Matrix, layout: Layout) -> Result<Matrix> {
    let (m, n) = (a.rows(), if layout == Layout::NT { b.rows() } else { b.columns() });
    let class = Class::of(Op::Matmul, [m, n, a.columns()], Precision::F32);
    matmul_by(a, b, layout, tune::fastest(a.context(), class))
}

/// See [`crate::ops::batched_matmul`]: `batch` products, operands and results one below the other.
pub(crate) fn batched_matmul(
    (a, b): (&Matrix, &Matrix),
    [batch, m, n, k]: [usize; 4],
    layout: Layout,
) -> Result<Matrix> {
    let context = a.context();
    if batch * m * n * k == 0 {
        let zeros = vec![0.0; batch * m * n];
        return Matrix::upload(context, &crate::Rows::new(zeros, n.max(1))?, batch * m, n);
    }
    let (family, per_trip) = match layout {
        Layout::NN => ("matmul.batched.nn", 4),
        Layout::NT => ("matmul.batched.nt", 4),
        Layout::TN => ("matmul.batched.tn", 1),
    };
    let c = Matrix::new(context, "batched products", batch * m, n)?;
    // The many products keep the device busy; a large tile would have to pay for its edges in each.
    let medium = m > 32 && n > 32 && m.div_ceil(64) * n.div_ceil(64) * batch >= BUSY / 2;
    let tile = match (context.tiled(), medium) {
        (false, _) => Strategy::Direct,
        (true, true) => Strategy::Medium,
        (true, false) => Strategy::Small,
    };
    let product = Product {
        family,
        per_trip,
        buffers: &[a.buffer(), b.buffer(), c.buffer()],
        m,
        n,
        k,
        columns: [a.columns(), b.columns(), n],
        b_first: 0,
        slice: k.next_multiple_of(4),
        batch: Some(batch),
        skip: false,
        padding: 0.0,
        tile: Some(tile),
    };
    product.record(context)?;
    Ok(c)
}

/// The name of the way in which a product `[m, d] [n, d]^T` is made.
pub(crate) fn variant(context: &Arc<Context>, sizes: [usize; 3]) -> &'static str {
    let tuned = tune::fastest(context, Class::of(Op::Matmul, sizes, Precision::F32));
    tile(context, tuned, sizes[0], sizes[1], 1).name()
}

/// The same with the tile that is wanted.
pub(super) fn matmul_by(a: &Matrix, b: &Matrix, layout: Layout, tile: Option<Strategy>) -> Result<Matrix> {
    let context = a.context();
    let (m, k) = if layout == Layout::TN { (a.columns(), a.rows()) } else { (a.rows(), a.columns()) };
    let n = if layout == Layout::NT { b.rows() } else { b.columns() };
    if m == 0 || n == 0 || k == 0 {
        let zeros = vec![0.0; m * n];
        return Matrix::upload(context, &crate::Rows::new(zeros, n.max(1))?, m, n);
    }
    let (family, per_trip) = match layout {
        Layout::NN => ("matmul.nn", 4),
        Layout::NT => ("matmul.nt", 4),
        Layout::TN => ("matmul.tn", 1),
    };
    let slice = (MAX_TRIPS * per_trip).min(k.next_multiple_of(4));
    let splits = k.div_ceil(slice);
    let c = Matrix::new(context, "a product", m * splits, n)?;
    let product = Product {
        family,
        per_trip,
        buffers: &[a.buffer(), b.buffer(), c.buffer()],
        m,
        n,
        k,
        columns: [a.columns(), b.columns(), n],
        b_first: 0,
        slice,
        batch: None,
        skip: false,
        padding: 0.0,
        tile,
    };
    product.record(context)?;
    if splits == 1 { Ok(c) } else { sum_slices(context, &c, m, n, splits) }
}

/// Adds the parts of a product whose inner dimension was cut.
fn sum_slices(context: &Arc<Context>, parts: &Matrix, m: usize, n: usize, splits: usize) -> Result<Matrix> {
    let out = Matrix::new(context, "a product", m, n)?;
    // `accumulate` reads a query's state only where it scales or skips; here it does neither.
    let none = context.storage("no queries", 64)?;
    context.dispatch(&Dispatch {
        kernel: "accumulate",
        parameters: &parameters::Accumulate {
            rows: m as u32,
            width: out.width4() as u32,
            splits: splits as u32,
            skip: 0,
            fresh: 1,
        },
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
