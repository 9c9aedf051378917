//! Divergences of distributions on the GPU.

use super::{Dispatch, MAX_TRIPS, Matrix, parameters};
use crate::{Result, contract::Divergence};

/// Queries and patterns whose pairs are one invocation's.
const SIDE: usize = 4;

/// `vec4`s that one invocation takes, so that its trips, blocks of 64 included, stay within the limit.
const SLICE: usize = MAX_TRIPS / 2;

/// See [`crate::contract::divergence`]. The columns agree, and no size is 0.
pub(crate) fn divergence(queries: &Matrix, patterns: &Matrix, kind: Divergence) -> Result<Matrix> {
    let context = queries.context();
    let (b, n, width) = (queries.rows(), patterns.rows(), queries.width4());
    let out = Matrix::new(context, "divergences", b, n)?;
    let kernel = match kind {
        Divergence::Kl => "divergence.kl",
        Divergence::ReverseKl => "divergence.reverse_kl",
        Divergence::JensenShannon => "divergence.js",
    };
    // Rows beyond the trips of one invocation are summed in turns.
    for begin in (0..width).step_by(SLICE) {
        let end = width.min(begin + SLICE);
        context.dispatch(&Dispatch {
            kernel,
            parameters: &parameters::Divergence {
                b: b as u32,
                n: n as u32,
                width: width as u32,
                out_width: out.width4() as u32,
                begin: begin as u32,
                end: end as u32,
            },
            buffers: &[queries.buffer(), patterns.buffer(), out.buffer()],
            groups: (b.div_ceil(SIDE) * n.div_ceil(SIDE)).div_ceil(64),
            trips: (end - begin) + (end - begin).div_ceil(64),
            work: 30.0 * b as f64 * n as f64 * 4.0 * (end - begin) as f64,
        })?;
    }
    Ok(out)
}
