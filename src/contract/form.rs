//! In which form similarities are worked out, and how exactly each form knows them.
//!
//! With `u = 2^-24`, a sum of `d` products of f32 numbers in any order is off by at most `(d + 3) u` times the sum of their sizes
//! (Higham, "Accuracy and Stability of Numerical Algorithms", 3.1), and typically by `(3 + 2 sqrt(d)) u` of it (Higham and Mary, "A New
//! Approach to Probabilistic Rounding Error Analysis", 2019). So a score, `beta` times a similarity, of rows of length up to `L`
//! is off by
//!
//! | form | off by, in units of the score, at most |
//! | --- | --- |
//! | product, L2 | `(d + 3) u beta 3/2 L^2`: `x.xi - \|xi\|^2/2` loses the distance in the lengths |
//! | product, dot | `(d + 3) u beta L^2` |
//! | product, cosine | `(d + 3) u beta` |
//! | difference | `(d + 3) u \|s\|`, where `s = -beta/2 \|x - xi\|^2` is the score itself: a difference of two f32 numbers is exact to its last bit |
//! | difference, cosine | as well `8 u sqrt(2 beta \|s\|) + beta/2 (8 u)^2`, since unit rows are rounded |
//!
//! Scores decide by `exp`: an error of 1/64 changes no weight by more than 1.6 %. Where the typical error of the product form is beyond
//! that, similarities are worked out from differences; a query so far from all patterns that even this is not enough is looked at in
//! f64, on the CPU.

use super::Similarity;
use crate::{Error, Result};
use std::{fmt, str::FromStr};

/// How similarities are worked out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SimilarityForm {
    /// From inner products and squared lengths: a matrix product, as fast as the machine is. It loses separations that are small
    /// beside the lengths of the rows.
    #[default]
    Product,
    /// From the differences of coordinates (of unit rows for the cosine): what has to be told apart is not lost, wherever the rows
    /// lie. Costs about twice the operations per similarity.
    Difference,
}

impl SimilarityForm {
    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Difference => "difference",
        }
    }
}

impl fmt::Display for SimilarityForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SimilarityForm {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "product" => Ok(Self::Product),
            "difference" => Ok(Self::Difference),
            _ => Err(Error::parameter("form of similarities", s, "product or difference")),
        }
    }
}

/// Half a unit in the last place of 1 in f32.
const UNIT: f64 = 1.0 / 16_777_216.0;
/// The typical error of a score that is allowed.
const TOLERATED: f64 = 1.0 / 64.0;
/// The same, for patterns far from the origin from which no offset could be taken: their products are worse than their spread asks for.
const TOLERATED_FAR: f64 = 1.0 / 65_536.0;
/// The least normal number of f32: below, processors may take numbers for zero.
const LEAST: f64 = f32::MIN_POSITIVE as f64;

/// Typical error of a sum of `d` products, relative to the sum of their sizes.
fn typical(d: usize) -> f64 {
    (3.0 + 2.0 * (d as f64).sqrt()) * UNIT
}

/// The certain bound of the error of a sum of `d` terms, relative to the sum of their sizes.
fn certain(d: usize) -> f64 {
    (d as f64 + 3.0) * UNIT
}

/// A form, and from where on f32 is not enough for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Resolution {
    pub(crate) form: SimilarityForm,
    /// Queries whose best score is farther from 0 than this are looked at in f64 where that can be: below 0 for all,
    /// infinite for none.
    pub(crate) single: f64,
}

impl Resolution {
    /// Similarities as products, whatever is lost.
    pub(crate) const PRODUCT: Self = Self { form: SimilarityForm::Product, single: f64::INFINITY };

    /// From what on f32 is not enough for a form, for rows of `d` columns with squared lengths of up to `longest`.
    pub(crate) fn of(
        form: SimilarityForm,
        similarity: Similarity,
        beta: f32,
        longest: f64,
        d: usize,
    ) -> Self {
        // The dot product has no differences, and the city-block distance nothing else.
        let form = match similarity {
            Similarity::Dot => SimilarityForm::Product,
            Similarity::L1 => SimilarityForm::Difference,
            Similarity::L2 | Similarity::Cosine => form,
        };
        let beta = f64::from(beta);
        let single = match (form, similarity) {
            // There are no differences to take: f64 for all, where f32 does not do.
            (SimilarityForm::Product, Similarity::Dot) if typical(d) * beta * longest > TOLERATED => -1.0,
            (SimilarityForm::Difference, Similarity::Cosine) => {
                (TOLERATED / typical(d)).min((TOLERATED / (8.0 * UNIT)).powi(2) / (2.0 * beta))
            }
            (SimilarityForm::Difference, _) => TOLERATED / typical(d),
            (SimilarityForm::Product, _) => f64::INFINITY,
        };
        Self { form, single }
    }

    /// The form that tells apart what has to be told apart at this `beta`: products, where they do. `longest` is the largest squared
    /// length of patterns and queries; `far` tells that most of it is an offset that all patterns have in common.
    pub(crate) fn choose(similarity: Similarity, beta: f32, longest: f64, d: usize, far: bool) -> Self {
        let lost = match similarity {
            Similarity::L2 => 1.5 * longest,
            Similarity::Cosine => 1.0,
            // The one has no differences, the other nothing else.
            Similarity::Dot | Similarity::L1 => 0.0,
        };
        let tolerated = if far { TOLERATED_FAR } else { TOLERATED };
        let form = match typical(d) * f64::from(beta) * lost > tolerated || similarity == Similarity::L1 {
            true => SimilarityForm::Difference,
            false => SimilarityForm::Product,
        };
        Self::of(form, similarity, beta, longest, d)
    }
}

/// How far a score of rows with squared lengths of up to `longest` may be off in the product form, in units of the similarity:
/// the certain bound of the table above.
pub(crate) fn product_error(similarity: Similarity, longest: f64, d: usize) -> f64 {
    let size = match similarity {
        // With what is the same for all patterns.
        Similarity::L2 => 2.0 * longest,
        Similarity::Dot => longest,
        Similarity::Cosine => 1.0,
        Similarity::L1 => (d as f64 * longest).sqrt(),
    };
    certain(d) * size
}

/// How far a similarity of this size may be off in the difference form: the certain bound of the table above, at `beta` 1.
pub(crate) fn difference_error(similarity: Similarity, size: f64, d: usize) -> f64 {
    // Of unit rows: a little more than the table has.
    let of_unit_rows = if similarity == Similarity::Cosine { 1e-6 * (size.sqrt() + 1e-6) } else { 0.0 };
    certain(d) * size + of_unit_rows
}

/// Refuses a `beta` so large that it would tell apart what f32 takes for zero: squares of differences below its normal numbers.
pub(crate) fn check_small(beta: f64, similarity: Similarity, d: usize) -> Result<()> {
    let lost = d as f64 * LEAST;
    // Rows of the others are brought to length 1, or compared without squares.
    if matches!(similarity, Similarity::Cosine | Similarity::L1) || beta * lost <= TOLERATED {
        return Ok(());
    }
    let factor = (beta * lost / TOLERATED).sqrt().log2().ceil().exp2();
    let want = format!(
        "at most {:.1e} for rows of {d} columns: squares of f32 cannot be told from 0 beyond that; multiply patterns and queries by {factor} \
         or more (and a beta of your own by its square's inverse)",
        TOLERATED / lost
    );
    Err(Error::parameter("beta", format!("{beta:.4e}"), want))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn products_where_they_do_and_differences_where_not() {
        use SimilarityForm::{Difference, Product};
        let form =
            |similarity, beta, longest, d| Resolution::choose(similarity, beta, longest, d, false).form;
        // Unit embeddings at the beta that random ones get, and with near copies.
        assert_eq!(form(Similarity::L2, 20.0, 1.0, 384), Product);
        assert_eq!(form(Similarity::Cosine, 1000.0, 1.0, 384), Product);
        assert_eq!(form(Similarity::L2, 1e9, 1.0, 384), Difference);
        assert_eq!(form(Similarity::Cosine, 1e9, 1.0, 384), Difference);
        // Two places 9,000 apart with unit detail.
        assert_eq!(form(Similarity::L2, 10.0, 1.6e8, 2), Difference);
        assert_eq!(form(Similarity::L1, 1.0, 1.0, 2), Difference);
        assert_eq!(form(Similarity::Dot, 1e9, 1.0, 384), Product);
    }

    #[test]
    fn f64_where_f32_does_not_do() {
        let single =
            |similarity, beta, longest| Resolution::choose(similarity, beta, longest, 16, false).single;
        assert_eq!(single(Similarity::Dot, 1.0, 1.0), f64::INFINITY);
        assert_eq!(single(Similarity::Dot, 1e9, 1.0), -1.0);
        assert!((single(Similarity::L2, 1e9, 1.0) - 23_831.27).abs() < 0.01);
        assert!(single(Similarity::Cosine, 1e13, 1.0) < 1.0);
    }

    #[test]
    fn a_beta_for_squares_below_f32_is_refused_with_the_factor() {
        assert!(check_small(1e30, Similarity::L2, 100).is_ok());
        let said = check_small(4.6e40, Similarity::L2, 2).unwrap_err().to_string();
        assert!(said.contains("4.6000e40") && said.contains("multiply"), "{said}");
    }
}
