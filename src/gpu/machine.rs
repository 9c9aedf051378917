//! The multiply-add peak of a GPU.

use super::{Context, Dispatch, parameters};
use crate::Result;
use std::sync::Arc;

/// Loop trips of an invocation, and operations of a trip (see `shaders/multiply_adds.wgsl`).
const TRIPS: usize = 4096;
const PER_TRIP: usize = 8 * 4 * 2;

/// Runs multiply-adds on the whole device; gives how many operations they were.
pub(crate) fn multiply_adds(context: &Arc<Context>) -> Result<f64> {
    let groups = (context.breadth() * 8 / 64).max(1);
    let work = (groups * 64 * TRIPS * PER_TRIP) as f64;
    let out = context.storage("multiply-adds", 16)?;
    context.dispatch(&Dispatch {
        kernel: "multiply_adds",
        parameters: &parameters::MultiplyAdds { trips: TRIPS as u32, factor: 0.999 },
        buffers: &[&out],
        groups,
        trips: TRIPS,
        work,
    })?;
    context.read(&[&out])?;
    Ok(work)
}
