//! The GPU back end: the dispatch of the kernels in `shaders/`. Same names as in [`crate::reference`] and the CPU back end. What it runs
//! on, adapters, buffers and recorded submission, is in `device`.

pub(crate) mod append;
pub(crate) mod bits;
pub(crate) mod descent;
pub(crate) mod divergence;
pub(crate) mod elementwise;
pub(crate) mod features;
pub(crate) mod machine;
pub(crate) mod matmul;
pub(crate) mod normalize;
pub(crate) mod pairs;
mod parameters;
pub(crate) mod reduce;
pub(crate) mod scan;
pub(crate) mod separation;
pub(crate) mod similarity;
pub(crate) mod softmax;
pub(crate) mod topk;
pub mod tune;

pub use crate::device::{
    AdapterReport, Context, Counters, Kernels, Options, Selector, Strategy, adapters, shader,
};
pub(crate) use crate::device::{
    Buffer, Dispatch, LEAST_SUBGROUP, MAX_TRIPS, Matrix, padded, row_columns, unpadded,
};
