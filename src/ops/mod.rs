//! The operations: one file a family, with its contract (shapes, units, errors, source), its checks
//! and its dispatch to the CPU or the GPU. Each exists three times under one name: in
//! [`crate::reference`], in the CPU back end and as a shader.

mod append;
pub(crate) mod descent;
mod elementwise;
mod matmul;
mod normalize;
mod reduce;
mod similarity;
mod softmax;
mod step;
mod topk;

pub use append::append_row;
pub use descent::Progress;
pub use elementwise::{Binary, Unary, binary, unary};
pub use matmul::{Layout, batched_matmul, matmul};
pub use normalize::{Normalization, normalize};
pub use reduce::{Axis, Reduction, reduce};
pub(crate) use similarity::{MASKED, Term};
pub use similarity::{Similarity, similarity};
pub(crate) use softmax::check_beta;
pub use softmax::{log_sum_exp, softmax};
pub use step::step;
pub use topk::{argmax, nearest, top_k};
