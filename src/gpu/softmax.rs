//! Softmax and log-sum-exp of rows on the GPU.

use super::{Context, Dispatch, MAX_TRIPS, Matrix, parameters};
use crate::Result;

/// Rows of a workgroup where each is one invocation's.
pub(super) const SERIAL_ROWS: usize = 8;

/// Most loop trips in which the lanes of a workgroup of 64 combine what they have: its subgroups one after another. None is
/// known of fewer than four invocations. (Without subgroups the lanes meet in a tree that has no loop.)
pub(super) const COMBINING: usize = 15;

/// Kernel, workgroups and loop trips for work on `rows` rows of `width` vec4s, `passes` times over, with as many
/// combinations of lanes as the second number says. One invocation a row where that is allowed and workgroups are dear; else
/// one workgroup a row.
pub(super) fn by_rows(
    context: &Context,
    (serial, group): (&'static str, &'static str),
    rows: usize,
    width: usize,
    (passes, combinations): (usize, usize),
) -> (&'static str, usize, usize) {
    // Blocks of 64 vec4s are an outer loop of their own.
    let trips = |width: usize| passes * (width + width.div_ceil(64) + 2);
    if !context.tiled() && trips(width) <= MAX_TRIPS {
        (serial, rows.div_ceil(SERIAL_ROWS), trips(width))
    } else {
        (group, rows, trips(width.div_ceil(64)) + combinations * COMBINING)
    }
}

/// Refuses rows of `patterns` scores that a kernel could not go through.
pub(super) fn check_trips(trips: usize, patterns: usize) -> Result<()> {
    if trips <= MAX_TRIPS {
        return Ok(());
    }
    let most = patterns / trips.div_ceil(MAX_TRIPS);
    let want = format!("about {most} at most on a GPU for this energy; the CPU has no such limit");
    Err(crate::Error::parameter("number of patterns", patterns, want))
}

/// See [`crate::contract::softmax`].
pub(crate) fn softmax(z: &Matrix, beta: f32) -> Result<Matrix> {
    run(z, beta, ("softmax.serial", "softmax.group"), z.columns())
}

/// See [`crate::ops::log_sum_exp`].
pub(crate) fn log_sum_exp(z: &Matrix, beta: f32) -> Result<Matrix> {
    run(z, beta, ("log_sum_exp.serial", "log_sum_exp.group"), 0)
}

/// `columns` of the result; 0 for one value per row.
fn run(z: &Matrix, beta: f32, kernels: (&'static str, &'static str), columns: usize) -> Result<Matrix> {
    let (rows, width) = (z.rows(), z.width4());
    let out = match columns {
        0 => Matrix::new(z.context(), "a log-sum-exp", 1, rows)?,
        _ => Matrix::new(z.context(), "a softmax", rows, columns)?,
    };
    let (kernel, groups, trips) = by_rows(z.context(), kernels, rows, width, (3, 3));
    z.context().dispatch(&Dispatch {
        kernel,
        parameters: &parameters::Softmax {
            rows: rows as u32,
            columns: z.columns() as u32,
            width: width as u32,
            beta,
        },
        buffers: &[z.buffer(), out.buffer()],
        groups,
        trips,
        work: 20.0 * rows as f64 * z.columns() as f64,
    })?;
    Ok(out)
}
