//! Spherical codes: points on a sphere that lie as far apart as they can, the memories that are easiest to tell apart.
//!
//! [`measure`] says how far apart given points are, [`KnownCode`] has the best arrangements that are known, [`Bounds`] what no
//! arrangement can pass, and [`optimize`] looks for a good one. The gap of unit points is `Delta = 1 - cos` of the smallest angle
//! between two of them: how much more similar a pattern is to itself than to any other.

mod bounds;
mod construct;
mod known;
mod measure;
mod optimize;

pub use bounds::{
    Bounds, StoredPatterns, cap_fraction, certified_beta, dimension_needed, fejes_toth_angle,
    least_dimension, neural_collapse_bounds, packing_gaps, random_gap, rankin_gap, stored_patterns,
};
pub use known::{KnownCode, Optimum, known_optimum};
pub use measure::{Measure, measure};
pub use optimize::{CodeOptions, CodeSearch, optimize};
