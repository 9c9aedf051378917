//! The oracle: every operation in f64, by its formula, with plain loops.
//!
//! Nothing here is blocked, fused or fast; each function is short enough to check by eye. The CPU
//! and GPU back ends are tested against it.

mod append;
mod dense;
mod elementwise;
mod energy_transformer;
mod matmul;
mod matrix;
mod normalize;
mod reduce;
mod similarity;
mod softmax;
mod topk;

pub use append::append_row;
pub use dense::{DenseModel, Step};
pub use elementwise::{binary, unary};
pub use energy_transformer::EnergyTransformerModel;
pub use matmul::matmul;
pub use matrix::Matrix;
pub use normalize::normalize;
pub use reduce::{reduce_columns, reduce_rows};
pub(crate) use similarity::of_pair;
pub use similarity::similarity;
pub use softmax::{effective_number, log_sum_exp, softmax};
pub use topk::top_k;
