//! What an operation is asked and what it answers: types that [`crate::ops`] and its back ends share. No operation is
//! carried out here, and none is dispatched.

mod bank;
mod bits;
mod descent;
mod divergence;
mod elementwise;
mod features;
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
mod topk;
mod universal;

pub use bank::{Bank, Ensemble};
pub(crate) use bits::{FlipTable, Flips, Wanted, noise};
pub use bits::{Interaction, Rule};
pub(crate) use descent::{
    Carry, Form, GpuTerms, KnownBeta, Landscape, Outcome, Plan, Terms, advance, clamp_row, misplaced, settle,
};
pub use divergence::{Divergence, INFINITE, ZERO};
pub use elementwise::{Binary, Unary};
pub use features::{FeatureMap, FeatureSpec, FrequencySource, Projection};
pub use form::SimilarityForm;
pub(crate) use form::{Resolution, check_small, difference_error, product_error};
pub use lagrangian::Lagrangian;
pub(crate) use lengths::{LARGEST, check_reach};
pub use matmul::Layout;
pub use normalize::Normalization;
pub use pairs::SeparationLoss;
pub(crate) use pairs::{RowStats, Weighing};
pub use progress::Progress;
pub(crate) use progress::{go_on, report};
pub use reduce::{Axis, Reduction};
pub(crate) use scan::Look;
pub use scan::{Scan, ScanOptions, Target};
pub use separation::Separation;
pub use similarity::Similarity;
pub(crate) use similarity::{MASKED, Term};
pub(crate) use softmax::check_beta;
pub(crate) use topk::candidates;
pub use universal::{UniversalSeparation, UniversalSimilarity};
