//! The operations: one file a family, with its contract (shapes, units, errors, source), its checks
//! and its dispatch to the CPU or the GPU. Each exists three times under one name: in
//! [`crate::reference`], in the CPU back end and as a shader.

mod append;
mod bank;
pub(crate) mod descent;
mod divergence;
mod elementwise;
mod features;
mod flips;
mod form;
mod lagrangian;
mod lengths;
mod matmul;
mod normalize;
mod pairs;
mod progress;
mod reduce;
mod scan;
mod separation;
mod similarity;
mod softmax;
mod step;
mod topk;
mod universal;

pub use append::append_row;
pub use bank::{Bank, Ensemble};
pub use divergence::{Divergence, INFINITE, ZERO, divergence};
pub use elementwise::{Binary, Unary, binary, by_row, power, unary};
pub(crate) use features::{End, FeatureRules};
pub use features::{FeatureMap, FeatureSpec, FeatureVector, Features, FrequencySource, Projection};
pub(crate) use flips::{FlipTable, Flips, Wanted, flips, matrix_sweep, noise, sweep};
pub use flips::{Interaction, Rule, overlaps};
pub use form::SimilarityForm;
pub(crate) use form::{Resolution, check_small, difference_error, product_error};
pub use lagrangian::{Lagrangian, activation, lagrangian, layer_energy};
pub(crate) use lengths::{LARGEST, check_lengths, check_reach};
pub use matmul::{Layout, batched_matmul, matmul};
pub use normalize::{Normalization, normalize};
pub(crate) use pairs::{RowStats, Weighing};
pub use pairs::{SeparationLoss, separation_loss, separation_loss_f64};
pub(crate) use pairs::{by_rows, unit_rows};
pub use progress::Progress;
pub(crate) use progress::{go_on, report};
pub use reduce::{Axis, Reduction, reduce};
pub(crate) use scan::Look;
pub use scan::{Scan, ScanOptions, Target};
pub use separation::{Separated, Separation, separate, weighted_sum};
pub(crate) use similarity::similarity_in;
pub(crate) use similarity::{MASKED, Term};
pub use similarity::{Similarity, similarity};
pub(crate) use softmax::check_beta;
pub use softmax::{log_sum_exp, softmax};
pub use step::step;
pub use topk::{argmax, nearest, top_k};
pub(crate) use universal::separate_rows;
pub use universal::{UniversalSeparation, UniversalSimilarity, universal_similarity, universal_weights};
