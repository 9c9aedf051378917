//! The operations: one file a family, with its contract (shapes, units, errors, source), its checks
//! and its dispatch to the CPU or the GPU. Each exists three times under one name: in
//! [`crate::reference`], in the CPU back end and as a shader.

pub(crate) mod descent;
mod elementwise;
mod flips;
mod matmul;
mod reduce;
mod separation;
mod similarity;
mod softmax;
mod step;
mod topk;

pub use descent::Progress;
pub use elementwise::{Binary, Unary, binary, unary};
pub(crate) use flips::{FlipTable, Flips, flips, matrix_sweep, sweep};
pub use flips::{Interaction, Rule, overlaps};
pub use matmul::{Layout, matmul};
pub use reduce::{Axis, Reduction, reduce};
pub use separation::{Separated, Separation, separate, weighted_sum};
pub(crate) use similarity::{MASKED, Term};
pub use similarity::{Similarity, similarity};
pub(crate) use softmax::check_beta;
pub use softmax::{log_sum_exp, softmax};
pub use step::step;
pub use topk::{argmax, nearest, top_k};
