//! The operations: one file a family, with what it promises (shapes, units, errors, source), its checks
//! and its dispatch to the CPU or the GPU. Each exists three times under one name: in
//! [`crate::reference`], in the CPU back end and as a shader.

mod append;
mod bank;
mod bits;
pub(crate) mod descent;
mod divergence;
mod elementwise;
mod features;
mod lagrangian;
mod lengths;
mod matmul;
mod normalize;
mod pairs;
mod reduce;
mod scan;
mod separation;
mod similarity;
mod softmax;
mod step;
mod topk;
mod universal;

pub use crate::contract::{
    Axis, Bank, Binary, Divergence, Ensemble, FeatureMap, FeatureSpec, FrequencySource, INFINITE,
    Interaction, Lagrangian, Layout, Normalization, Progress, Projection, Reduction, Rule, Scan, ScanOptions,
    Separation, SeparationLoss, Similarity, SimilarityForm, Target, Unary, UniversalSeparation,
    UniversalSimilarity, ZERO,
};
pub(crate) use crate::contract::{
    FlipTable, Flips, LARGEST, Look, MASKED, Resolution, RowStats, Term, Wanted, check_beta, check_reach,
    check_small, go_on, noise, product_error, report,
};
pub use append::append_row;
pub use bits::overlaps;
pub(crate) use bits::{flips, matrix_sweep, sweep};
pub use divergence::divergence;
pub use elementwise::{binary, by_row, power, unary};
pub(crate) use features::{End, FeatureRules};
pub use features::{FeatureVector, Features};
pub use lagrangian::{activation, lagrangian, layer_energy};
pub(crate) use lengths::check_lengths;
pub use matmul::{batched_matmul, matmul};
pub use normalize::normalize;
pub(crate) use pairs::{by_rows, unit_rows};
pub use pairs::{separation_loss, separation_loss_f64};
pub use reduce::reduce;
pub use separation::{Separated, separate, weighted_sum};
pub use similarity::similarity;
pub(crate) use similarity::{known_similarity, similarity_in};
pub use softmax::{log_sum_exp, softmax};
pub use step::step;
pub use topk::{argmax, nearest, top_k};
pub(crate) use universal::separate_rows;
pub use universal::{universal_similarity, universal_weights};
