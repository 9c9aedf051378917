//! The oracle: every operation in f64, by its formula, with plain loops.
//!
//! Nothing here is blocked, fused or fast; each function is short enough to check by eye. The CPU
//! and GPU back ends are tested against it, and nothing but tests uses it: a comparison of a function
//! with itself would show nothing. The generator of random numbers stands here once more, by its paper.

mod append;
mod bank;
mod bits;
mod dense;
mod divergence;
mod elementwise;
mod energy_transformer;
mod features;
mod kernelized;
mod known;
mod lagrangian;
mod matmul;
mod matrix;
mod network;
mod normalize;
mod pairs;
mod reduce;
mod separation;
mod similarity;
mod softmax;
mod sparse;
mod topk;
mod universal;

pub use append::append_row;
pub use bank::{bank_row, scan};
pub use bits::{BinaryModel, quadratic_energy};
pub use dense::{DenseModel, Step};
pub use divergence::divergence;
pub use elementwise::{binary, unary};
pub use energy_transformer::EnergyTransformerModel;
pub use features::{FeatureModel, frequencies, normals, phases, philox};
pub use kernelized::KernelizedModel;
pub use known::{KnownRecall, known_recall};
pub use lagrangian::{activation, lagrangian};
pub use matmul::matmul;
pub use matrix::Matrix;
pub use network::{NetworkModel, SynapseModel};
pub use normalize::normalize;
pub use pairs::separation_loss;
pub use reduce::{reduce_columns, reduce_rows};
pub use separation::{Separated, separate};
pub use similarity::similarity;
pub use softmax::{effective_number, log_sum_exp, softmax};
pub use sparse::{SparseModel, epanechnikov_minima};
pub use topk::top_k;
pub use universal::UniversalModel;
