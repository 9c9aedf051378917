//! The GPU back end: adapters, buffers, kernels, recorded submission. Same names as in
//! [`crate::reference`] and the CPU back end; the kernels are in `shaders/`.

mod adapter;
mod allocate;
pub(crate) mod append;
pub(crate) mod bits;
mod buffer;
mod context;
pub(crate) mod descent;
pub(crate) mod divergence;
pub(crate) mod elementwise;
mod faults;
pub(crate) mod features;
pub(crate) mod machine;
pub(crate) mod matmul;
mod matrix;
pub(crate) mod normalize;
pub(crate) mod pairs;
mod pipeline;
mod recent;
mod record;
pub(crate) mod reduce;
pub(crate) mod scan;
pub(crate) mod separation;
pub mod shader;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod sharing;
pub(crate) mod similarity;
pub(crate) mod softmax;
mod submit;
pub(crate) mod topk;
pub mod tune;

pub use adapter::{AdapterReport, Selector, adapters};
pub(crate) use buffer::Buffer;
use context::LEAST_SUBGROUP;
pub use context::{Context, Counters, Kernels, Options, Strategy};
pub(crate) use matrix::Matrix;
pub(crate) use record::Dispatch;

/// Most loop trips of one invocation. Mesa's software driver silently ends all loops of an
/// invocation after 65,535 trips together, so no kernel is started with more than half of that.
pub(crate) const MAX_TRIPS: usize = 32_768;

/// Most columns of patterns and queries: a score takes a loop trip for each four of them.
pub(crate) const MAX_COLUMNS: usize = 4 * MAX_TRIPS;

/// Columns of a GPU row: padded with zeros to whole `vec4`s, so that every kernel loads 16 bytes at a
/// time and needs no special case for the last columns.
pub(crate) fn padded(columns: usize) -> usize {
    columns.next_multiple_of(4)
}

/// Columns of a stored row of patterns: like `padded`, but whole 16-byte loads also where a value takes two
/// bytes.
pub(crate) fn row_columns(columns: usize, precision: crate::Precision) -> usize {
    columns.next_multiple_of(if precision == crate::Precision::F16 { 8 } else { 4 })
}
