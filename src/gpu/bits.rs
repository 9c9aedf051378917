//! Updates of states of -1 and 1 on the GPU.

use super::{
    Buffer, Context, Dispatch, MAX_TRIPS, Matrix, parameters,
    softmax::{COMBINING, by_rows, check_trips},
    unpadded,
};
use crate::{
    Bits, Error, Result, Rows,
    contract::{FlipTable, Flips},
};
use std::sync::Arc;

fn buffer(bits: &Bits) -> Result<&Buffer> {
    bits.buffer()
        .ok_or_else(|| Error::Gpu { what: "bits".into(), message: "they are not on this device".into() })
}

/// Rows of bits on the device, `[rows, columns]` in whole `vec4<u32>`s.
#[derive(Clone, Copy)]
pub(super) struct RowsOfBits<'a> {
    pub(super) buffer: &'a Buffer,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl<'a> RowsOfBits<'a> {
    pub(super) fn of(bits: &'a Bits) -> Result<Self> {
        Ok(Self { buffer: buffer(bits)?, rows: bits.rows(), columns: bits.columns() })
    }

    /// `vec4<u32>`s of a row.
    fn width4(self) -> usize {
        self.columns.div_ceil(128)
    }
}

/// Overlaps `[b, n]`, exactly.
pub(crate) fn overlaps(context: &Arc<Context>, states: &Bits, patterns: &Bits) -> Result<Matrix> {
    overlaps_of(context, RowsOfBits::of(states)?, RowsOfBits::of(patterns)?)
}

/// [`overlaps`] of rows that need not be on the host too.
pub(super) fn overlaps_of(
    context: &Arc<Context>,
    states: RowsOfBits<'_>,
    patterns: RowsOfBits<'_>,
) -> Result<Matrix> {
    let (b, n, d) = (states.rows, patterns.rows, patterns.columns);
    let out = Matrix::new(context, "overlaps", b, n)?;
    context.dispatch(&Dispatch {
        kernel: "overlaps",
        parameters: &parameters::Overlaps {
            queries: b as u32,
            patterns: n as u32,
            columns: d as u32,
            width: patterns.width4() as u32,
            out_width: out.width4() as u32,
        },
        buffers: &[states.buffer, patterns.buffer, out.buffer()],
        groups: (4 * out.width4()).div_ceil(64) * b.div_ceil(4),
        trips: patterns.width4(),
        work: b as f64 * n as f64 * d as f64 / 8.0,
    })?;
    Ok(out)
}

/// See [`crate::ops::flips`]; beside all but the best patterns, the weights of all `[b, n]` and the sum of their sizes `[b]`.
pub(crate) fn flips(
    context: &Arc<Context>,
    states: &Bits,
    patterns: &Bits,
    table: &FlipTable,
    fields: bool,
) -> Result<(Flips, Matrix, Vec<f32>)> {
    let (b, n, d) = (states.rows(), patterns.rows(), patterns.columns());
    let weights = overlaps(context, states, patterns)?;
    let entries = context.upload("a table of weights", bytemuck::cast_slice(&table.entries))?;
    let exponential = table.energies.is_empty();
    let energies = if exponential { &[0.0][..] } else { &table.energies };
    let energies = context.upload("a table of energies", bytemuck::cast_slice(energies))?;
    let summary = Matrix::new(context, "a summary of weights", b, 4)?;
    let corrections = Matrix::new(context, "sizes of corrections", 1, b)?;
    let kernels = ("flip_weights.serial", "flip_weights.group");
    let (kernel, groups, trips) = by_rows(context, kernels, b, n, (3, 7));
    check_trips(trips, n)?;
    context.dispatch(&Dispatch {
        kernel,
        parameters: &parameters::FlipWeights {
            rows: b as u32,
            columns: n as u32,
            width: 4 * weights.width4() as u32,
            d: d as u32,
            exponential: u32::from(exponential),
        },
        buffers: &[weights.buffer(), &entries, &energies, summary.buffer(), corrections.buffer()],
        groups,
        trips,
        work: 20.0 * b as f64 * n as f64,
    })?;
    let sums = if fields { Some(signed_sum(&weights, RowsOfBits::of(patterns)?)?) } else { None };
    let (summary, corrections) = (summary.download()?, corrections.download()?);
    let mut fields = sums.map_or(Ok(Vec::new()), |sums| sums.download())?;
    for (i, (fields, s)) in fields.chunks_exact_mut(d).zip(summary.chunks_exact(4)).enumerate() {
        let noise = table.noise(f64::from(s[1] + corrections[i]));
        for (f, x) in fields.iter_mut().zip(states.row(i)) {
            *f += x * s[0];
            if f64::from(f.abs()) <= noise {
                *f = 0.0;
            }
        }
    }
    let flips = Flips {
        fields,
        energy: summary.chunks_exact(4).map(|s| s[2]).collect(),
        effective: summary.chunks_exact(4).map(|s| if s[1] > 0.0 { s[3].exp() } else { 0.0 }).collect(),
        ..Flips::default()
    };
    Ok((flips, weights, summary.chunks_exact(4).map(|s| s[1]).collect()))
}

/// Rows of bits summed with weights `[b, n]`: `[b, d]`.
pub(super) fn signed_sum(weights: &Matrix, patterns: RowsOfBits<'_>) -> Result<Matrix> {
    let (context, b, n, d) = (weights.context(), weights.rows(), patterns.rows, patterns.columns);
    let sums = Matrix::new(context, "sums of patterns", b, d)?;
    for first in (0..n).step_by(MAX_TRIPS / 2) {
        let end = (first + MAX_TRIPS / 2).min(n);
        context.dispatch(&Dispatch {
            kernel: "signed_sum",
            parameters: &parameters::SignedSum {
                queries: b as u32,
                width: sums.width4() as u32,
                weights_width: weights.width4() as u32,
                bits_width: patterns.width4() as u32,
                columns: d as u32,
                first: first as u32,
                end: end as u32,
            },
            buffers: &[weights.buffer(), patterns.buffer, sums.buffer()],
            groups: (b * sums.width4()).div_ceil(64),
            trips: (end - first) + (end - first).div_ceil(64),
            work: 4.0 * b as f64 * (end - first) as f64 * d as f64,
        })?;
    }
    Ok(sums)
}

/// A sweep in portions that no invocation spends too many loop trips on.
struct Sweep<'a> {
    context: &'a Arc<Context>,
    kernel: &'static str,
    /// But for the places in the order.
    parameters: parameters::Sweep,
    buffers: Vec<&'a Buffer>,
    /// Loop trips and operations of one bit.
    trips: usize,
    work: f64,
}

impl Sweep<'_> {
    fn run(&self, order: usize) -> Result<()> {
        let portion = (MAX_TRIPS / self.trips).max(1);
        for first in (0..order).step_by(portion) {
            let end = (first + portion).min(order);
            let parameters = parameters::Sweep { first: first as u32, end: end as u32, ..self.parameters };
            self.context.dispatch(&Dispatch {
                kernel: self.kernel,
                parameters: &parameters,
                buffers: &self.buffers,
                groups: parameters.rows as usize,
                trips: (end - first) * self.trips,
                work: (end - first) as f64 * self.work,
            })?;
        }
        Ok(())
    }
}

fn flags(context: &Arc<Context>, clamp: &[bool]) -> Result<Buffer> {
    let flags: Vec<u32> = clamp.iter().map(|c| u32::from(*c)).collect();
    context.upload("clamped bits", bytemuck::cast_slice(&flags))
}

/// See [`crate::ops::sweep`].
pub(crate) fn sweep(
    context: &Arc<Context>,
    states: &Bits,
    patterns: &Bits,
    table: &FlipTable,
    order: &[u32],
    clamp: &[bool],
) -> Result<Vec<f32>> {
    let (b, n, d) = (states.rows(), patterns.rows(), patterns.columns());
    // Three loops over the patterns in that over the bits, and three combinations of lanes.
    let trips = 3 * n.div_ceil(64) + 1 + 3 * COMBINING;
    check_trips(trips, n)?;
    let kept = overlaps(context, states, patterns)?;
    let values: Vec<f32> = (0..b).flat_map(|i| states.row(i)).collect();
    let values = Matrix::upload(context, &Rows::new(values, d)?, b, d)?;
    let entries = context.upload("a table of weights", bytemuck::cast_slice(&table.entries))?;
    let order_buffer = context.upload("an order of bits", bytemuck::cast_slice(order))?;
    let clamped = flags(context, clamp)?;
    let parameters = parameters::Sweep {
        rows: b as u32,
        count: n as u32,
        kept_width: 4 * kept.width4() as u32,
        state_width: 4 * values.width4() as u32,
        bits_width: patterns.width4() as u32,
        d: d as u32,
        first: 0,
        end: 0,
        exact: u32::from(table.whole),
    };
    Sweep {
        context,
        kernel: "sweep.bits",
        parameters,
        buffers: vec![buffer(patterns)?, &order_buffer, &clamped, kept.buffer(), values.buffer(), &entries],
        trips,
        work: 12.0 * b as f64 * n as f64,
    }
    .run(order.len())?;
    values.download()
}

/// States `[b, d]` after a sweep under a symmetric matrix `[d, d]`; `fields [b, d]` are those of the states, and change with them;
/// up to `noise [d]` they are 0.
pub(crate) fn sweep_matrix(
    states: &Matrix,
    fields: &Matrix,
    matrix: &Matrix,
    noise: &[f32],
    order: &[u32],
    clamp: &[bool],
) -> Result<Vec<f32>> {
    let (context, b, d) = (states.context(), states.rows(), states.columns());
    let order_buffer = context.upload("an order of bits", bytemuck::cast_slice(order))?;
    let clamped = flags(context, clamp)?;
    let noise = context.upload("sizes of fields that are 0", bytemuck::cast_slice(noise))?;
    let parameters = parameters::Sweep {
        rows: b as u32,
        count: d as u32,
        kept_width: 4 * fields.width4() as u32,
        state_width: 4 * states.width4() as u32,
        bits_width: 4 * matrix.width4() as u32,
        d: d as u32,
        first: 0,
        end: 0,
        exact: 1,
    };
    Sweep {
        context,
        kernel: "sweep.matrix",
        parameters,
        buffers: vec![matrix.buffer(), &order_buffer, &clamped, fields.buffer(), states.buffer(), &noise],
        trips: d.div_ceil(64) + 1,
        work: 2.0 * b as f64 * d as f64,
    }
    .run(order.len())?;
    let bytes = context.read(&[states.buffer()])?;
    Ok(unpadded(&bytes[0], b, d))
}
