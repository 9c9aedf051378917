//! Closed forms of capacity, to hold measurements against.
//!
//! - [`NearestLaw`]: the nearest pattern, exact at finite sizes: the ceiling of every memory.
//! - [`WeightLaw`], [`one_step`]: one step of softmax at a finite temperature and size, by the weight of the right pattern.
//! - [`alpha`], [`ln_half`]: its limit of many dimensions, and of small weights, by the random-energy argument of Lucibello and Mézard (PRL 2024).
//! - [`iterated`], [`iterated_capacity`]: what iterating leaves of it.
//! - [`hebb_bit_error`], [`polynomial_capacity`], [`exponential_rate`]: memories of bits.
//! - [`bits_of_bits`], [`cue_bits`], [`identity_bits`]: what a capacity is worth.

mod binary;
mod efficiency;
mod nearest;
mod softmax;
mod weight;

pub use binary::{exponential_rate, hebb_bit_error, polynomial_capacity};
pub use efficiency::{bit_entropy, bits_of_bits, cue_bits, identity_bits, noisy_bit};
pub use nearest::{NearestLaw, Ties, tail};
pub use softmax::{Prior, alpha, crowd, iterated, iterated_capacity, ln_half};
pub use weight::WeightLaw;

use crate::Result;

/// `N50` of one step of softmax on unit patterns of the sphere or on bits, from queries of the cosine `c`: where the right pattern has more than
/// half of the weight for half of the queries, by [`WeightLaw`].
///
/// # Errors
/// As [`WeightLaw::new`].
///
/// ```
/// use attractor::capacity::theory::{NearestLaw, Prior, one_step};
/// // Sharp: the nearest pattern decides. Softer: those that are a little farther do too.
/// let ceiling = NearestLaw::overlap(16, 0.8)?.capacity(0.5);
/// assert!((one_step(Prior::Sphere, 16, 1000.0, 0.8)? / ceiling - 1.0).abs() < 0.01);
/// assert!(one_step(Prior::Sphere, 16, 0.5, 0.8)? < 0.1 * ceiling);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn one_step(prior: Prior, d: usize, lambda: f64, c: f64) -> Result<f64> {
    Ok(WeightLaw::new(prior, d, lambda, c)?.capacity(0.5))
}

/// Fails unless a value rounds to what is printed: half a unit of the last digit.
#[cfg(test)]
#[track_caller]
fn assert_printed(what: &str, got: f64, printed: &str) {
    let (digits, exponent) = printed.split_once('e').unwrap_or((printed, "0"));
    let decimals = digits.split_once('.').map_or(0, |(_, d)| d.len() as i32);
    let (value, power) = (printed.parse::<f64>(), exponent.parse::<i32>());
    let (value, power) = (value.unwrap_or(f64::NAN), power.unwrap_or(0));
    let unit = 10_f64.powi(power - decimals);
    assert!((got - value).abs() <= 0.501 * unit, "{what}: {got}, printed {printed}");
}
