//! Memories of bits: Hebb's rule, polynomial and exponential energies.

use super::super::special::{normal_cdf, normal_quantile};
use crate::{Error, Result};

/// Chance that a bit of a stored pattern is wrong after one step of the classical network with `load = N / d` patterns per neuron:
/// `Q(1 / sqrt(load))`.
///
/// # Errors
/// [`Error::InvalidParameter`] for a load that is not positive.
///
/// ```
/// use attractor::capacity::theory::hebb_bit_error;
/// assert!((hebb_bit_error(0.138)? - 0.00355).abs() < 5e-6);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn hebb_bit_error(load: f64) -> Result<f64> {
    match load > 0.0 && load.is_finite() {
        true => Ok(normal_cdf(-1.0 / load.sqrt())),
        false => Err(Error::parameter("load", load, "a positive, finite number of patterns per neuron")),
    }
}

/// Patterns that the polynomial energy of power `n` stores without an error, and with 0.5 % of wrong bits:
/// `d^(n-1) / (2 (2n-3)!! ln d)` and `d^(n-1) / (6.635 (2n-3)!!)` (Krotov and Hopfield 2016). A rectified power stores twice as many: the
/// overlaps that are negative, half of all, make no noise.
///
/// # Errors
/// [`Error::InvalidParameter`] for a power below 2 or fewer than 2 bits.
///
/// ```
/// use attractor::capacity::theory::polynomial_capacity;
/// let (errorless, half_percent) = polynomial_capacity(50, 3)?;
/// assert!((errorless - 106.5).abs() < 0.05 && (half_percent - 125.6).abs() < 0.1);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn polynomial_capacity(d: usize, n: u32) -> Result<(f64, f64)> {
    if n < 2 {
        return Err(Error::parameter("power", n, "at least 2"));
    }
    if d < 2 {
        return Err(Error::parameter("dimension", d, "at least 2"));
    }
    // In logarithms: powers and double factorials leave f64 long before their quotient does.
    let ln_double: f64 = (0..n - 1).map(|i| f64::from(2 * i + 1).ln()).sum();
    let d = d as f64;
    let ln = f64::from(n - 1) * d.ln() - ln_double;
    // A bit is wrong where a normal deviate exceeds sqrt(d^(n-1) / ((2n-3)!! N)).
    let half_percent = normal_quantile(0.995).unwrap_or(f64::NAN).powi(2);
    Ok(((ln - (2.0 * d.ln()).ln()).exp(), (ln - half_percent.ln()).exp()))
}

/// Nats per dimension up to which the exponential energy provably corrects a share `flipped` of turned bits in one step:
/// `I(1 - 2 flipped) / 2` with `I(x) = ((1+x) ln(1+x) + (1-x) ln(1-x)) / 2` (Demircigil et al. 2017). It stores more than that.
///
/// # Errors
/// [`Error::InvalidParameter`] for a share outside 0 to 1/2.
///
/// ```
/// use attractor::capacity::theory::exponential_rate;
/// assert!((exponential_rate(0.1)? - 0.1840).abs() < 1e-4);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn exponential_rate(flipped: f64) -> Result<f64> {
    match (0.0..=0.5).contains(&flipped) {
        true => Ok(0.5 * super::softmax::ceiling(super::Prior::Bits, 1.0 - 2.0 * flipped)),
        false => Err(Error::parameter("share of turned bits", flipped, "from 0 to 0.5")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::{super::assert_printed, *};

    #[test]
    fn tables() {
        for (load, want) in [(0.10, "0.00078"), (0.138, "0.00355"), (0.15, "0.00491"), (0.20, "0.0127")] {
            assert_printed(&format!("load {load}"), hebb_bit_error(load).unwrap(), want);
        }
        for (d, n, errorless, half) in [
            (50, 3, "106.5", "125.6"),
            (100, 3, "362", "502"),
            (30, 4, "265", "271"),
            (784, 2, "58.8", "118"),
            (784, 3, "1.54e4", "3.09e4"),
        ] {
            let (a, b) = polynomial_capacity(d, n).unwrap();
            assert_printed(&format!("errorless, d {d}, n {n}"), a, errorless);
            assert_printed(&format!("half a percent, d {d}, n {n}"), b, half);
        }
        for (rho, want) in [(0.0, "0.3466"), (0.1, "0.1840"), (0.2, "0.0964"), (0.3, "0.0411")] {
            assert_printed(&format!("flipped {rho}"), exponential_rate(rho).unwrap(), want);
        }
        assert!(hebb_bit_error(0.0).is_err() && exponential_rate(0.6).is_err());
        assert!(polynomial_capacity(1, 3).is_err() && polynomial_capacity(10, 1).is_err());
    }
}
