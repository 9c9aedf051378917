//! Similarities and separations of single-shot recall: B. Millidge et al., "Universal Hopfield Networks", ICML 2022.

use super::{
    Axis, Divergence, Reduction, Similarity, Unary, UniversalSeparation, UniversalSimilarity, argmax,
    divergence, power, reduce, similarity, softmax, unary,
};
use crate::{Error, Result, Tensor};

/// Similarities `[b, n]` of queries `[b, d]` and patterns `[n, d]`. Similarities of distributions take the rows as they
/// are: not negative, with the sum 1.
///
/// # Errors
/// As [`similarity()`] and [`divergence()`].
///
/// ```
/// use attractor::{Device, Tensor, ops::{universal_similarity, UniversalSimilarity}};
/// let q = Tensor::new(&Device::cpu(), &[[0.0, 0.0]])?;
/// let x = Tensor::new(&Device::cpu(), &[[3.0, 4.0]])?;
/// assert_eq!(universal_similarity(&q, &x, UniversalSimilarity::L2)?.to_vec()?, [-25.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn universal_similarity(
    queries: &Tensor,
    patterns: &Tensor,
    kind: UniversalSimilarity,
) -> Result<Tensor> {
    let minus = |kind| unary(Unary::Neg, &divergence(queries, patterns, kind)?);
    match kind {
        UniversalSimilarity::Dot | UniversalSimilarity::NormalisedDot => {
            similarity(queries, patterns, Similarity::Dot)
        }
        UniversalSimilarity::Cosine => similarity(queries, patterns, Similarity::Cosine),
        UniversalSimilarity::L2 => unary(Unary::Scale(2.0), &similarity(queries, patterns, Similarity::L2)?),
        UniversalSimilarity::L1 => similarity(queries, patterns, Similarity::L1),
        UniversalSimilarity::Kl => minus(Divergence::Kl),
        UniversalSimilarity::ReverseKl => minus(Divergence::ReverseKl),
        UniversalSimilarity::JensenShannon => minus(Divergence::JensenShannon),
    }
}

/// Weights `[b, n]` of similarities `[b, n]`; `beta` counts for [`UniversalSeparation::Softmax`] only.
///
/// # Errors
/// [`Error::InvalidParameter`] for a similarity below 0 under a square root, at or below 0 under a logarithm, or so
/// large that its power leaves f32, each with its row; [`Error::NonFinite`] naming the row of a NaN under these; for a `beta` out of range, and where there are no columns.
///
/// ```
/// use attractor::{Device, Tensor, ops::{universal_weights, UniversalSeparation}};
/// let s = Tensor::new(&Device::cpu(), &[[4.0, 9.0, 1.0]])?;
/// assert_eq!(universal_weights(&s, UniversalSeparation::Sqrt, 1.0)?.to_vec()?, [2.0, 3.0, 1.0]);
/// assert_eq!(universal_weights(&s, UniversalSeparation::Max, 1.0)?.to_vec()?, [0.0, 1.0, 0.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn universal_weights(scores: &Tensor, separation: UniversalSeparation, beta: f32) -> Result<Tensor> {
    separate_rows(scores, separation, beta, 0)
}

/// The same for rows of which the first has the number `first` in errors.
pub(crate) fn separate_rows(
    scores: &Tensor,
    separation: UniversalSeparation,
    beta: f32,
    first: usize,
) -> Result<Tensor> {
    /// Weights beyond could make sums that leave f32.
    const LARGEST: f32 = 1e30;
    let (rows, columns) = scores.matrix_shape();
    if columns == 0 {
        return Err(Error::parameter("columns of the separation", 0, "at least 1"));
    }
    let outside = |of_rows: &Tensor, wrong: &dyn Fn(f32) -> bool, want: &str| -> Result<()> {
        let extremes = of_rows.to_vec()?;
        if let Some(row) = extremes.iter().position(|s| s.is_nan()) {
            let (what, row) = ("similarities".into(), first + row);
            return Err(Error::NonFinite { what, row, column: 0, value: f32::NAN });
        }
        match extremes.iter().position(|s| wrong(*s)) {
            None => Ok(()),
            Some(row) => {
                let value = format!("{} (query {})", extremes[row], first + row);
                Err(Error::parameter("similarity", value, format!("{want} for the separation {separation}")))
            }
        }
    };
    let smallest = || reduce(scores, Reduction::Min, Axis::Columns);
    match separation {
        UniversalSeparation::Identity => Ok(scores.clone()),
        UniversalSeparation::Sqrt => {
            outside(&smallest()?, &|s| s < 0.0, "at least 0")?;
            unary(Unary::Sqrt, scores)
        }
        UniversalSeparation::Log => {
            outside(&smallest()?, &|s| s <= 0.0, "above 0")?;
            unary(Unary::Log, scores)
        }
        UniversalSeparation::Power(n) => {
            let largest = reduce(&unary(Unary::Abs, scores)?, Reduction::Max, Axis::Columns)?;
            let limit = LARGEST.powf((n.max(1) as f32).recip());
            outside(
                &largest,
                &|s| s > limit,
                &format!("at most {limit:.3e} in magnitude, so that weights fit f32,"),
            )?;
            power(scores, n)
        }
        UniversalSeparation::Softmax => softmax(scores, beta),
        UniversalSeparation::Max => {
            let mut weights = vec![0.0; rows * columns];
            for (row, best) in argmax(scores)?.into_iter().enumerate() {
                weights[row * columns + best as usize] = 1.0;
            }
            Tensor::from_flat(&scores.device(), &weights, scores.shape())
        }
    }
}
