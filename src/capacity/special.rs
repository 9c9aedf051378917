//! Functions that the laws need, in f64, with their arguments checked.

use crate::{Error, Result};
use puruspe::{betai, erfc, inverfc, ln_gamma};
use std::f64::consts::SQRT_2;

/// The distribution function of the standard normal.
pub(super) fn normal_cdf(x: f64) -> f64 {
    if x.is_nan() { x } else { 0.5 * erfc(-x / SQRT_2) }
}

/// Its inverse; `None` outside 0 to 1.
pub(super) fn normal_quantile(p: f64) -> Option<f64> {
    (p > 0.0 && p < 1.0).then(|| -SQRT_2 * inverfc(2.0 * p))
}

/// The quantile `p >= 1/2` of Student's t with some degrees of freedom, by bisection of its distribution function.
pub(super) fn t_quantile(p: f64, freedom: f64) -> Result<f64> {
    if !(0.5..1.0).contains(&p) || freedom.is_nan() || freedom < 1.0 {
        return Err(Error::parameter("degrees of freedom", freedom, "at least 1"));
    }
    let beyond = |t: f64| 0.5 * betai(0.5 * freedom, 0.5, freedom / (freedom + t * t));
    let (mut low, mut high) = (0.0, 1.0);
    while beyond(high) > 1.0 - p && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if beyond(middle) > 1.0 - p { low = middle } else { high = middle }
    }
    Ok(0.5 * (low + high))
}

/// Chance that a random direction of `d` dimensions has a cosine of more than `c` with a given one: the normalised area of a cap.
pub(super) fn cap(c: f64, d: f64) -> f64 {
    let (c, below) = if c < 0.0 { (-c, true) } else { (c, false) };
    let share = if d <= 1.0 {
        // Two directions.
        if c < 1.0 { 0.5 } else { 0.0 }
    } else {
        0.5 * betai(0.5 * (d - 1.0), 0.5, (1.0 - c * c).clamp(0.0, 1.0))
    };
    if below { 1.0 - share } else { share }
}

/// Size from which the series for the sphere would be long, and its asymptote is exact enough.
const SERIES: f64 = 1e5;

/// `ln E[exp(k q)]` for the cosine `q` between random directions of `d` dimensions, and its derivative in `k`, the mean of the
/// cosine under that weight. It is `Gamma(d/2) (2/k)^(d/2-1) I_(d/2-1)(k)`, from its series, whose terms are all positive.
pub(super) fn ln_sphere(k: f64, d: f64) -> (f64, f64) {
    let nu = 0.5 * d - 1.0;
    let k = k.abs();
    if k == 0.0 {
        return (0.0, 0.0);
    }
    if k > SERIES {
        // Debye's expansion in the order, to its second term.
        let order = nu.max(1e-9);
        let z = k / order;
        let root = (1.0 + z * z).sqrt();
        let t = 1.0 / root;
        let eta = root + (z / (1.0 + root)).ln();
        let first = (3.0 * t - 5.0 * t.powi(3)) / 24.0 / order;
        let ln_bessel = order * eta - 0.5 * (std::f64::consts::TAU * order * root).ln() + first.ln_1p();
        let mean = k / (nu + 0.5 + (k * k + (nu + 1.5).powi(2)).sqrt());
        return (ln_gamma(nu + 1.0) + nu * (2.0 / k).ln() + ln_bessel, mean);
    }
    let quarter = 0.25 * k * k;
    let (mut term, mut sum, mut weighted, mut scale) = (1.0_f64, 1.0_f64, 0.0_f64, 0.0);
    let mut i = 1.0_f64;
    loop {
        let ratio = quarter / (i * (i + nu));
        term *= ratio;
        sum += term;
        weighted += i * term;
        if sum > 1e250 {
            let down = 1e-250;
            (term, sum, weighted, scale) = (term * down, sum * down, weighted * down, scale - down.ln());
        }
        if ratio < 1.0 && term < 1e-17 * sum {
            break;
        }
        i += 1.0;
    }
    (scale + sum.ln(), 2.0 / k * weighted / sum)
}

/// Logarithm of the binomial coefficient.
pub(super) fn ln_choose(n: f64, k: f64) -> f64 {
    ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0)
}

/// `[(x, weight)]` of Simpson's rule on `intervals` (even) pieces of a range.
pub(super) fn simpson(from: f64, to: f64, intervals: usize) -> impl Iterator<Item = (f64, f64)> {
    let step = (to - from) / intervals as f64;
    (0..=intervals).map(move |i| {
        let weight = if i == 0 || i == intervals {
            1.0
        } else if i % 2 == 1 {
            4.0
        } else {
            2.0
        };
        (from + i as f64 * step, weight * step / 3.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert!((normal_cdf(1.0) - 0.841_344_746_068_543).abs() < 1e-12);
        assert!(normal_quantile(0.975).is_some_and(|z| (z - 1.959_963_984_540_054).abs() < 1e-9));
        assert!(normal_quantile(1.0).is_none());
        for (freedom, t) in [(1.0, 12.706_205), (2.0, 4.302_653), (3.0, 3.182_446), (30.0, 2.042_272)] {
            assert!(t_quantile(0.975, freedom).is_ok_and(|v| (v - t).abs() < 1e-5), "{freedom}");
        }
        assert!((ln_choose(10.0, 3.0).exp() - 120.0).abs() < 1e-8);
        assert!((simpson(0.0, 2.0, 8).map(|(x, w)| w * x.powi(3)).sum::<f64>() - 4.0).abs() < 1e-12);
    }

    #[test]
    fn three_dimensions_are_elementary() {
        for k in [0.1_f64, 3.0, 40.0, 600.0] {
            let (ln, mean) = ln_sphere(k, 3.0);
            let want = k + (-(-2.0 * k).exp()).ln_1p() - (2.0 * k).ln();
            assert!((ln - want).abs() < 1e-9 * (1.0 + want.abs()), "{k}: {ln} {want}");
            assert!((mean - (1.0 / k.tanh() - 1.0 / k)).abs() < 1e-9, "{k}");
        }
        for c in [0.0, 0.3, 0.99, -0.4] {
            assert!((cap(c, 3.0) - 0.5 * (1.0 - c)).abs() < 1e-12, "{c}");
        }
    }

    #[test]
    fn the_asymptote_meets_the_series() {
        for d in [3.0, 64.0, 4096.0] {
            let (below, above) = (ln_sphere(SERIES, d), ln_sphere(SERIES * (1.0 + 1e-9), d));
            assert!((below.0 - above.0).abs() < 1e-3, "{d}: {below:?} {above:?}");
            assert!((below.1 - above.1).abs() < 1e-6, "{d}: {below:?} {above:?}");
        }
    }
}
