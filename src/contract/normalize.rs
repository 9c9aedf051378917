//! Normalizations of rows.

/// What a row is brought to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Normalization {
    /// Mean 0 and variance 1: `(x - mean) / sqrt(variance + eps)`, the variance with the divisor
    /// `columns` (Ba et al. 2016, "Layer Normalization", without its gain and bias).
    Layer {
        /// Added to the variance, so that a row of equal values becomes zeros.
        eps: f32,
    },
    /// Length 1: `x / |x|`; a row of zeros stays as it is.
    L2,
}
