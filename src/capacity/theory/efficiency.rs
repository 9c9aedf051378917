//! What a capacity is worth: bits per neuron, and bits per number that is kept.

use crate::{Error, Result, capacity::Corruption};

/// Entropy of a bit that is 1 with probability `p`, in bits.
pub fn bit_entropy(p: f64) -> f64 {
    let part = |p: f64| if p > 0.0 && p < 1.0 { -p * p.log2() } else { 0.0 };
    part(p) + part(1.0 - p)
}

/// What a bit of -1 or 1 that is seen through Gaussian noise of this standard deviation says of itself, in bits: the capacity of the binary-input
/// Gaussian channel, `1 - E log2(1 + exp(-2 y / s^2))` with `y` normal around 1.
///
/// ```
/// use attractor::capacity::theory::noisy_bit;
/// assert!((noisy_bit(1.0) - 0.4859).abs() < 1e-3);
/// assert!(noisy_bit(0.05) > 0.999 && noisy_bit(100.0) < 1e-3);
/// ```
pub fn noisy_bit(deviation: f64) -> f64 {
    if deviation == 0.0 {
        return 1.0;
    }
    // By the trapezoidal rule, which is exact to rounding for what falls off so fast.
    const STEPS: i32 = 400;
    let step = 16.0 / f64::from(STEPS);
    let lost = |t: f64| {
        let exponent = -2.0 * (1.0 + deviation * t) / (deviation * deviation);
        let bits = if exponent > 40.0 {
            exponent / std::f64::consts::LN_2
        } else {
            exponent.exp().ln_1p() / std::f64::consts::LN_2
        };
        (-0.5 * t * t).exp() * bits
    };
    let sum: f64 = (0..=STEPS).map(|i| lost(f64::from(i) * step - 8.0)).sum();
    (1.0 - sum * step / (2.0 * std::f64::consts::PI).sqrt()).clamp(0.0, 1.0)
}

/// What a corrupted cue of `d` bits already says of its pattern, in bits for each bit.
///
/// ```
/// use attractor::capacity::{Corruption, theory::cue_bits};
/// // One of sixteen is turned; half are gone.
/// assert!((cue_bits(Corruption::Flip(1.0 / 16.0), 16) - 0.6627).abs() < 1e-4);
/// assert_eq!(cue_bits(Corruption::Half, 16), 0.5);
/// ```
pub fn cue_bits(corruption: Corruption, d: usize) -> f64 {
    let share = |f: f64| Corruption::count(f, d) as f64 / d.max(1) as f64;
    match corruption {
        Corruption::Flip(f) => 1.0 - bit_entropy(share(f)),
        Corruption::Mask(f) => 1.0 - share(f),
        Corruption::Half | Corruption::Dropout => 0.5,
        Corruption::Noise(s) | Corruption::ImageNoise(s) => noisy_bit(s),
        // A direction at random beside the pattern's: noise of that share.
        Corruption::Overlap(0.0) => 0.0,
        Corruption::Overlap(c) => noisy_bit((1.0 - c * c).max(0.0).sqrt() / c.abs()),
    }
}

/// Information in `n` patterns of `d` bits of which a share `wrong` is wrong after recall: `n d (1 - H(wrong))` bits.
///
/// # Errors
/// [`Error::InvalidParameter`] for a share outside 0 to 1.
///
/// ```
/// use attractor::capacity::theory::bits_of_bits;
/// // The classical network at its limit: about .12 bit a weight.
/// let bits = bits_of_bits(0.138 * 1000.0, 1000, 0.016)?;
/// assert!((bits / (1000.0 * 1000.0) - 0.1216).abs() < 1e-3);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn bits_of_bits(n: f64, d: usize, wrong: f64) -> Result<f64> {
    match (0.0..=1.0).contains(&wrong) {
        true => Ok(n * d as f64 * (1.0 - bit_entropy(wrong))),
        false => Err(Error::parameter("share of wrong bits", wrong, "from 0 to 1")),
    }
}

/// Information in knowing which of `n` patterns is meant, for each of them, where a share `right` of recalls is: the least that a
/// channel with such errors carries, `n (log2 n - H(right) - (1 - right) log2(n - 1))` bits, and not below 0.
pub fn identity_bits(n: f64, right: f64) -> f64 {
    // Below the share of guesses the expression grows again: being wrong on purpose is no memory.
    if n < 2.0 || right <= 1.0 / n {
        return 0.0;
    }
    let lost = bit_entropy(right) + (1.0 - right) * (n - 1.0).log2();
    (n * (n.log2() - lost)).max(0.0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn ends() {
        assert_eq!(bit_entropy(0.5), 1.0);
        assert_eq!((bit_entropy(0.0), bit_entropy(1.0)), (0.0, 0.0));
        // An explicit store keeps a bit per stored bit at any number of patterns.
        assert_eq!(bits_of_bits(1e6, 64, 0.0).unwrap() / (1e6 * 64.0), 1.0);
        assert_eq!(identity_bits(1024.0, 1.0), 10_240.0);
        // Guessing carries nothing.
        assert_eq!((identity_bits(4.0, 0.25), identity_bits(2.0, 0.0)), (0.0, 0.0));
        assert!(bits_of_bits(1.0, 1, 1.5).is_err());
    }
}
