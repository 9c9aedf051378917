//! Closed forms of capacity, to hold measurements against.
//!
//! - [`NearestLaw`]: the nearest pattern, exact at finite sizes: the ceiling of every memory.
//! - [`alpha`], [`ln_half`], [`one_step`]: softmax at a finite temperature, by the random-energy argument of Lucibello and Mézard (PRL 2024).
//! - [`iterated`], [`iterated_capacity`]: what iterating leaves of it.
//! - [`hebb_bit_error`], [`polynomial_capacity`], [`exponential_rate`]: memories of bits.
//! - [`bits_of_bits`], [`identity_bits`]: what a capacity is worth.

mod binary;
mod efficiency;
mod nearest;
mod softmax;

pub use binary::{exponential_rate, hebb_bit_error, polynomial_capacity};
pub use efficiency::{bit_entropy, bits_of_bits, identity_bits};
pub use nearest::{NearestLaw, Ties, tail};
pub use softmax::{Prior, alpha, crowd, iterated, iterated_capacity, ln_half};

use crate::Result;

/// `N50` of one step of softmax on unit patterns of the sphere or on bits, from queries of the cosine `c`: the law of the crowd
/// ([`ln_half`]) under the ceiling of the nearest pattern.
///
/// # Errors
/// As [`ln_half`].
///
/// ```
/// use attractor::capacity::theory::{NearestLaw, Prior, one_step};
/// // Sharp: the nearest pattern decides. Soft: the crowd does.
/// let ceiling = NearestLaw::overlap(16, 0.8)?.capacity(0.5);
/// assert!((one_step(Prior::Sphere, 16, 16.0, 0.8)? / ceiling - 1.0).abs() < 1e-6);
/// assert!(one_step(Prior::Sphere, 16, 0.5, 0.8)? < 0.1 * ceiling);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn one_step(prior: Prior, d: usize, lambda: f64, c: f64) -> Result<f64> {
    let ln_crowd = ln_half(prior, d, lambda, c)?;
    let ln_ceiling = match prior {
        Prior::Sphere => softmax::ln_nearest_half(d, c),
        Prior::Bits => {
            let turned = (0.5 * (1.0 - c) * d as f64).round() as usize;
            NearestLaw::flips(d, turned, Ties::Shared)?.capacity(0.5).ln()
        }
    };
    // The crowd's law holds where the crowd lies below the target; sharper, it is only a bound that does not bind.
    let ln = if c > crowd(prior, lambda) { ln_crowd.min(ln_ceiling) } else { ln_ceiling };
    Ok(ln.exp())
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
