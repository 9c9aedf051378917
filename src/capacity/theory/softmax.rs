//! Softmax at a finite temperature: what one step retrieves, and what iterating leaves of it.

use super::{
    super::special::ln_sphere,
    nearest::{check_dim, check_overlap},
};
use crate::{Error, Result};

/// The patterns of a softmax law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prior {
    /// Uniform on a sphere.
    Sphere,
    /// Random bits, -1 and 1.
    Bits,
}

pub(super) fn check_lambda(lambda: f64) -> Result<()> {
    match lambda > 0.0 && lambda.is_finite() {
        true => Ok(()),
        false => Err(Error::parameter("lambda", lambda, "a positive, finite number")),
    }
}

/// The mean cosine of the crowd of patterns that carry the weight of all others at an inverse temperature `lambda` per dimension.
pub fn crowd(prior: Prior, lambda: f64) -> f64 {
    match prior {
        Prior::Sphere if lambda > 0.0 => {
            // (sqrt(1 + 4 l^2) - 1) / 2l without its cancellation.
            2.0 * lambda / ((1.0 + 4.0 * lambda * lambda).sqrt() + 1.0)
        }
        Prior::Sphere => 0.0,
        Prior::Bits => lambda.tanh(),
    }
}

/// Nats per dimension up to which one step retrieves a pattern from a query of the cosine `c`: `ln N < alpha d` as `d` grows. `lambda` is
/// `beta |xi|^2 / d`.
///
/// # Errors
/// [`Error::InvalidParameter`] for a `lambda` that is not positive, or a cosine outside 0 to 1.
///
/// ```
/// use attractor::capacity::theory::{Prior, alpha};
/// assert!((alpha(Prior::Sphere, 1.0, 1.0)? - 0.6226).abs() < 1e-4);
/// assert!((alpha(Prior::Bits, 4.0, 0.6)? - 0.1927).abs() < 1e-4);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn alpha(prior: Prior, lambda: f64, c: f64) -> Result<f64> {
    check_lambda(lambda)?;
    if !(0.0..=1.0).contains(&c) {
        return Err(Error::parameter("overlap", c, "from 0 to 1"));
    }
    let q = crowd(prior, lambda);
    Ok(match prior {
        // The crowd is nearer than the target can be told from the nearest other: the ceiling of the nearest pattern.
        _ if c <= q => ceiling(prior, c),
        Prior::Sphere => lambda * (c - q) - 0.5 * (-q * q).ln_1p(),
        // ln cosh without overflow.
        Prior::Bits => lambda * c - (lambda + (-2.0 * lambda).exp().ln_1p() - std::f64::consts::LN_2),
    })
}

/// Nats per dimension up to which the nearest pattern is the right one.
pub(super) fn ceiling(prior: Prior, c: f64) -> f64 {
    match prior {
        Prior::Sphere => -0.5 * (-c * c).ln_1p(),
        Prior::Bits => {
            let part = |x: f64| if x > 0.0 { x * x.ln() } else { 0.0 };
            0.5 * (part(1.0 + c) + part(1.0 - c))
        }
    }
}

/// `ln N50` of one step at a finite dimension: where the others' weights, `N E[exp(lambda d q)]`, come up to the target's,
/// `exp(lambda d c)`, on the mean. It is the limit of [`super::WeightLaw`] where many small weights make up the sum.
///
/// # Errors
/// As [`alpha`]; [`Error::InvalidParameter`] for no dimension.
///
/// ```
/// use attractor::capacity::theory::{Prior, ln_half};
/// assert!((ln_half(Prior::Sphere, 16, 1.0, 1.0)?.exp() / 1.96e4 - 1.0).abs() < 1e-3);
/// assert!((ln_half(Prior::Bits, 64, 0.25, 0.625)?.exp() - 3043.0).abs() < 1.0);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn ln_half(prior: Prior, d: usize, lambda: f64, c: f64) -> Result<f64> {
    check_dim(d)?;
    check_lambda(lambda)?;
    check_overlap(c)?;
    let d = d as f64;
    Ok(match prior {
        Prior::Sphere => lambda * d * c - ln_sphere(lambda * d, d).0,
        Prior::Bits => d * (lambda * c - (lambda + (-2.0 * lambda).exp().ln_1p() - std::f64::consts::LN_2)),
    })
}

/// Updates after which the map has come to rest.
const LONG: usize = 20_000;

/// Where iterating softmax from a stored pattern of the unit sphere ends among `n` patterns, in the mean field: the length along the
/// pattern. `m <- p + (1 - p) q`, where `p` is the pattern's weight and `q` the mean cosine of the others.
///
/// # Errors
/// As [`ln_half`].
///
/// ```
/// use attractor::capacity::theory::iterated;
/// assert!(iterated(16, 1.0, 3_000.0)? > 0.8);
/// assert!(iterated(16, 1.0, 10_000.0)? < 0.1);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn iterated(d: usize, lambda: f64, n: f64) -> Result<f64> {
    check_dim(d)?;
    check_lambda(lambda)?;
    Ok(settle(d as f64, lambda, n.max(1.0).ln(), LONG))
}

fn settle(d: f64, lambda: f64, ln_n: f64, updates: usize) -> f64 {
    let mut m = 1.0_f64;
    for _ in 0..updates {
        let k = lambda * d * m;
        let (ln_z, q) = ln_sphere(k, d);
        let p = 1.0 / (1.0 + (ln_n + ln_z - k).exp());
        let next = p + (1.0 - p) * q;
        let moved = (next - m).abs();
        m = next;
        if moved < 1e-12 {
            break;
        }
    }
    m
}

/// Largest number of patterns among which iterating softmax keeps more than `length` of a stored pattern, and the pattern more than half of
/// the weight, in the mean field. A little beyond, no fixed point is left near the pattern and the state collapses, though the pattern may
/// stay the one of most weight.
///
/// # Errors
/// As [`ln_half`]; [`Error::InvalidParameter`] for a length outside 0 to 1.
///
/// ```
/// use attractor::capacity::theory::iterated_capacity;
/// assert!((iterated_capacity(16, 1.0, 0.8)? / 4550.0 - 1.0).abs() < 1e-3);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn iterated_capacity(d: usize, lambda: f64, length: f64) -> Result<f64> {
    if !(0.0..1.0).contains(&length) {
        return Err(Error::parameter("length of the state", length, "at least 0 and below 1"));
    }
    let half = ln_half(Prior::Sphere, d, lambda, 1.0)?.max(0.0);
    let d = d as f64;
    let held = |ln_n: f64| {
        let m = settle(d, lambda, ln_n, LONG);
        let (ln_z, _) = ln_sphere(lambda * d * m, d);
        m > length && ln_n + ln_z < lambda * d * m
    };
    let (mut low, mut high) = (0.0, half);
    if !held(low) {
        return Ok(1.0);
    }
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if held(middle) { low = middle } else { high = middle }
    }
    Ok(low.exp())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::{super::assert_printed, *};

    #[test]
    fn the_table_of_alpha() {
        let lambdas = [0.25, 0.5, 1.0, 2.0, 4.0, 16.0];
        let table = [
            (Prior::Sphere, 1.0, ["0.2197", "0.3870", "0.6226", "0.9088", "1.2244", "1.894"]),
            (Prior::Sphere, 0.8, ["0.1697", "0.2870", "0.4226", "0.5088", "0.5108", "0.5108"]),
            (Prior::Sphere, 0.6, ["0.1197", "0.1870", "0.2231", "0.2231", "0.2231", "0.2231"]),
            (Prior::Bits, 1.0, ["0.2191", "0.3799", "0.5662", "0.6750", "0.6928", "0.6931"]),
            (Prior::Bits, 0.6, ["0.1191", "0.1799", "0.1927", "0.1927", "0.1927", "0.1927"]),
        ];
        for (prior, c, row) in table {
            for (lambda, printed) in lambdas.into_iter().zip(row) {
                let got = alpha(prior, lambda, c).unwrap();
                assert_printed(&format!("{prior:?}, c {c}, lambda {lambda}"), got, printed);
            }
        }
        assert!(alpha(Prior::Sphere, 0.0, 1.0).is_err() && alpha(Prior::Bits, 1.0, 2.0).is_err());
    }

    #[test]
    fn one_step_at_finite_dimensions() {
        for (d, lambda, want) in
            [(16, 1.0, "1.96e4"), (24, 0.5, "1.065e4"), (32, 1.0, "4.15e8"), (64, 1.0, "1.86e17")]
        {
            let got = ln_half(Prior::Sphere, d, lambda, 1.0).unwrap().exp();
            assert_printed(&format!("d {d}, lambda {lambda}"), got, want);
        }
        for (c, want) in [(0.625, 3043.0), (1.0 - 26.0 / 64.0, 1845.0)] {
            let got = ln_half(Prior::Bits, 64, 0.25, c).unwrap().exp();
            assert!((got / want - 1.0).abs() < 1e-3, "{c}: {got}, want {want}");
        }
    }

    #[test]
    fn iterating_collapses() {
        for (d, lambda, want) in [(16, 1.0, 4550.0), (24, 0.5, 1124.0)] {
            let got = iterated_capacity(d, lambda, 0.8).unwrap();
            assert!((got / want - 1.0).abs() < 3e-3, "{d} {lambda}: {got}, want {want}");
        }
        for (d, printed) in [(32, "3.9e7"), (64, "7.9e15")] {
            assert_printed(&format!("d {d}"), iterated_capacity(d, 1.0, 0.8).unwrap(), printed);
        }
        // The last state that does not collapse keeps less than that of its length.
        assert!(iterated_capacity(16, 1.0, 0.5).unwrap() > 4580.0);
        assert!(iterated_capacity(16, 1.0, 1.0).is_err());
    }
}
