//! The nearest pattern, whose success no memory exceeds: exact at every number of patterns and every dimension.

use super::super::special::{cap, ln_choose, simpson};
use crate::{Error, Result};
use puruspe::ln_gamma;

/// What becomes of patterns that are exactly as near as the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// A tie is a failure.
    Strict,
    /// One of the nearest is taken at random.
    Shared,
}

/// Chance that the nearest of `N` patterns is the one that was damaged, as a function of `N`: a mixture over how the damage has turned
/// out of `(1 - p)^(N-1)`, where `p` is the chance that another pattern is nearer.
///
/// ```
/// use attractor::capacity::theory::NearestLaw;
/// let law = NearestLaw::overlap(16, 0.8)?;
/// assert!((law.success(1063.0) - 0.941).abs() < 1e-3);
/// assert!((law.capacity(0.95) - 890.0).abs() < 1.0);
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct NearestLaw {
    /// Weight of each turn-out, `ln(1 - P(nearer))`, and `ln(1 - P(as near) / (1 - P(nearer)))`.
    terms: Vec<(f64, f64, f64)>,
    ties: Ties,
}

/// Normal deviates beyond this many standard deviations are left out of integrals.
const FAR: f64 = 9.0;

impl NearestLaw {
    /// Patterns uniform on the sphere of `d` dimensions, queries of exactly the cosine `c` (E1 with C1).
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for no dimension, or a cosine outside -1 to 1.
    pub fn overlap(d: usize, c: f64) -> Result<Self> {
        check_dim(d)?;
        check_overlap(c)?;
        Ok(Self::mixture([(1.0, tail(c, d))]))
    }

    /// Patterns uniform on the sphere, Gaussian noise of variance `sigma^2 / d` on each coordinate (E1 with C3): an average over the
    /// noise along the pattern and across it.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for fewer than 2 dimensions, or a noise that is negative or not finite.
    pub fn noise(d: usize, sigma: f64) -> Result<Self> {
        if d < 2 {
            return Err(Error::parameter("dimension", d, "at least 2 for noise on the sphere"));
        }
        if !(sigma >= 0.0 && sigma.is_finite()) {
            return Err(Error::parameter("noise", sigma, "0 or a positive, finite number"));
        }
        if sigma == 0.0 {
            return Self::overlap(d, 1.0);
        }
        let across = (d - 1) as f64;
        // The length of d - 1 normals is close to normal for any d: its density, normalised by its own sum.
        let (middle, spread) = ((across - 0.5).max(0.25).sqrt(), 0.5_f64.sqrt());
        let from = (middle - FAR * spread).max(0.0);
        let lengths: Vec<(f64, f64)> = simpson(from, middle + FAR * spread, 120)
            .map(|(r, w)| {
                let ln = if r > 0.0 {
                    (across - 1.0) * r.ln()
                } else if across > 1.0 {
                    -1e9
                } else {
                    0.0
                };
                (r, w * (ln - 0.5 * r * r - (across - 1.0) * middle.ln() + 0.5 * middle * middle).exp())
            })
            .collect();
        let total: f64 = lengths.iter().map(|(_, w)| w).sum();
        let scale = sigma / (d as f64).sqrt();
        let mut turns = Vec::new();
        for (g, w) in simpson(-FAR, FAR, 160) {
            let along = 1.0 + scale * g;
            let density = w * (-0.5 * g * g).exp() / std::f64::consts::TAU.sqrt();
            for (r, v) in &lengths {
                let weight = density * v / total;
                if weight > 1e-13 {
                    turns.push((weight, tail(along / along.hypot(scale * r), d)));
                }
            }
        }
        Ok(Self::mixture(turns))
    }

    /// Patterns uniform on the sphere, `k` coordinates of each query set to 0 (E1 with C4): an average over the length that is left, whose
    /// square has a beta distribution.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for no dimension, or more coordinates than there are.
    pub fn mask(d: usize, k: usize) -> Result<Self> {
        check_dim(d)?;
        if k > d {
            return Err(Error::parameter("masked coordinates", k, format!("at most the dimension, {d}")));
        }
        if k == 0 {
            return Self::overlap(d, 1.0);
        }
        if k == d {
            // Nothing is left: all patterns are as near.
            return Ok(Self::bits(0.0, 1.0, Ties::Shared));
        }
        let (a, b) = (0.5 * (d - k) as f64, 0.5 * k as f64);
        let ln_beta = ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
        // c = sin t takes the ends of the density away.
        let turns = simpson(0.0, std::f64::consts::FRAC_PI_2, 2000).filter_map(|(t, w)| {
            let (sin, cos) = t.sin_cos();
            let power = |base: f64, e: f64| if e == 0.0 { 0.0 } else { e * base.max(1e-300).ln() };
            let ln = power(sin, 2.0 * a - 1.0) + power(cos, 2.0 * b - 1.0) - ln_beta;
            let weight = 2.0 * w * ln.exp();
            (weight > 1e-13).then(|| (weight, tail(sin, d)))
        });
        Ok(Self::mixture(turns))
    }

    /// Each coordinate of a query dropped with probability one half (E1 with C7): an average of [`NearestLaw::mask`].
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for no dimension.
    pub fn dropout(d: usize) -> Result<Self> {
        check_dim(d)?;
        let mut terms = Vec::new();
        for k in 0..=d {
            let weight = binomial(d, k);
            if weight > 1e-6 {
                let law = Self::mask(d, k)?;
                terms.extend(law.terms.into_iter().map(|(w, near, tie)| (w * weight, near, tie)));
            }
        }
        let total: f64 = terms.iter().map(|t| t.0).sum();
        terms.iter_mut().for_each(|t| t.0 /= total);
        Ok(Self { terms, ties: Ties::Shared })
    }

    /// Patterns of random bits, exactly `k` of which are turned in each query (E2 with C2).
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for no bit, or more turned bits than there are.
    pub fn flips(d: usize, k: usize, ties: Ties) -> Result<Self> {
        check_dim(d)?;
        if k > d {
            return Err(Error::parameter("turned bits", k, format!("at most the dimension, {d}")));
        }
        Ok(Self::bits((0..k).map(|j| binomial(d, j)).sum(), binomial(d, k), ties))
    }

    /// Patterns of random bits, `k` of which are hidden in each query (E2 with C4): only patterns that agree on all bits left are as near.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for no bit, or more hidden bits than there are.
    pub fn hidden_bits(d: usize, k: usize, ties: Ties) -> Result<Self> {
        check_dim(d)?;
        if k > d {
            return Err(Error::parameter("masked coordinates", k, format!("at most the dimension, {d}")));
        }
        Ok(Self::bits(0.0, (-((d - k) as f64)).exp2(), ties))
    }

    fn bits(nearer: f64, as_near: f64, ties: Ties) -> Self {
        let near = (-nearer).ln_1p();
        let tie = (1.0 - as_near / (1.0 - nearer)).max(0.0).ln().max(-1e300);
        // Where the chance of a tie is small, its logarithm needs all digits.
        let tie =
            if as_near < 0.5 { (-(as_near / (1.0 - nearer)).min(1.0)).ln_1p().max(-1e300) } else { tie };
        Self { terms: vec![(1.0, near, tie)], ties }
    }

    fn mixture(turns: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let terms = turns.into_iter().map(|(weight, p)| (weight, (-p).ln_1p().max(-1e300), 0.0)).collect();
        Self { terms, ties: Ties::Strict }
    }

    /// Chance of success among `n` patterns, which need be no whole number.
    pub fn success(&self, n: f64) -> f64 {
        let others = (n - 1.0).max(0.0);
        self.terms.iter().map(|(weight, near, tie)| weight * self.term(others, *near, *tie)).sum()
    }

    fn term(&self, others: f64, near: f64, tie: f64) -> f64 {
        match self.ties {
            Ties::Strict => (others * (near + tie)).exp(),
            Ties::Shared if tie == 0.0 => (others * near).exp(),
            Ties::Shared => {
                // [(1 - p)^N - (1 - p - t)^N] / (N t), with t = (1 - p) (1 - e^tie).
                let n = others + 1.0;
                let t = -near.exp() * tie.exp_m1();
                (n * near).exp() * -(n * tie).exp_m1() / (n * t)
            }
        }
    }

    /// The number of patterns, not whole, at which the chance of success is `share`; infinite where no number of patterns brings it
    /// down so far, 1 where a single pattern fails already.
    pub fn capacity(&self, share: f64) -> f64 {
        let (mut low, mut high) = (0.0_f64, 1.0_f64);
        // In ln N; far beyond any pattern that could be stored.
        while self.success(high.exp()) > share {
            low = high;
            high *= 2.0;
            if high > 600.0 {
                return f64::INFINITY;
            }
        }
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if self.success(middle.exp()) > share { low = middle } else { high = middle }
        }
        (0.5 * (low + high)).exp()
    }
}

/// Chance that a random direction of `d` dimensions is nearer to a query than the pattern with which the query has the cosine `c`:
/// half the regularised incomplete beta function `I_(1-c^2)((d-1)/2, 1/2)` for `c >= 0`.
///
/// ```
/// use attractor::capacity::theory::tail;
/// assert!((tail(0.8, 3) - 0.1).abs() < 1e-12);
/// ```
pub fn tail(c: f64, d: usize) -> f64 {
    cap(c.clamp(-1.0, 1.0), d as f64)
}

/// Chance of `k` ones among `d` fair bits.
fn binomial(d: usize, k: usize) -> f64 {
    (ln_choose(d as f64, k as f64) - d as f64 * std::f64::consts::LN_2).exp()
}

pub(super) fn check_dim(d: usize) -> Result<()> {
    if d == 0 { Err(Error::parameter("dimension", d, "at least 1")) } else { Ok(()) }
}

pub(super) fn check_overlap(c: f64) -> Result<()> {
    if (-1.0..=1.0).contains(&c) { Ok(()) } else { Err(Error::parameter("overlap", c, "from -1 to 1")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::{super::assert_printed, *};

    #[track_caller]
    fn near(got: f64, want: f64, relative: f64) {
        assert!((got - want).abs() <= relative * want.abs(), "{got}, want {want}");
    }

    #[test]
    fn the_table_of_n95() {
        let table = [
            (8, ["1.17e3", "110", "11.6", "3.8", "2.1", "1.6"]),
            (16, ["1.85e7", "1.19e5", "890", "59.4", "10.4", "3.5"]),
            (32, ["3.2e15", "9.9e10", "4.4e6", "1.77e4", "460", "34.6"]),
            (64, ["6.8e31", "4.85e22", "7.8e13", "1.19e9", "8.0e5", "4.6e3"]),
        ];
        for (d, row) in table {
            for (c, want) in [0.95, 0.9, 0.8, 0.7, 0.6, 0.5].into_iter().zip(row) {
                let got = NearestLaw::overlap(d, c).unwrap().capacity(0.95);
                assert_printed(&format!("d {d}, c {c}"), got, want);
            }
        }
    }

    #[test]
    fn success_on_the_sphere() {
        let law = NearestLaw::overlap(16, 0.8).unwrap();
        for (n, want) in [(354.0, 0.980), (1063.0, 0.941), (3544.0, 0.815), (10634.0, 0.541)] {
            near(law.success(n), want, 1e-3);
        }
        for (d, n, k, want) in [(16, 100.0, 8, 0.774), (32, 1000.0, 16, 0.940), (64, 20_000.0, 40, 0.954)] {
            near(NearestLaw::mask(d, k).unwrap().success(n), want, 1e-3);
        }
        for (d, n, sigma, want) in
            [(32, 1000.0, 1.0, 0.9585), (64, 1000.0, 1.5, 0.9573), (16, 100.0, 1.0, 0.823)]
        {
            near(NearestLaw::noise(d, sigma).unwrap().success(n), want, 1e-3);
        }
    }

    #[test]
    fn success_of_bits() {
        for (d, k, n, strict, shared) in [
            (64, 13, 65_536.0, 0.9402, 0.9625),
            (64, 19, 64.0, 0.9519, 0.9663),
            (64, 19, 128.0, 0.9055, 0.9332),
            (64, 26, 2.0, 0.9157, 0.932),
            (48, 10, 1024.0, 0.9689, 0.9805),
        ] {
            near(NearestLaw::flips(d, k, Ties::Strict).unwrap().success(n), strict, 1e-3);
            near(NearestLaw::flips(d, k, Ties::Shared).unwrap().success(n), shared, 1e-3);
        }
        // One bit left, two patterns: they agree on it half of the time.
        near(NearestLaw::hidden_bits(8, 7, Ties::Strict).unwrap().success(2.0), 0.5, 1e-12);
        near(NearestLaw::hidden_bits(8, 7, Ties::Shared).unwrap().success(2.0), 0.75, 1e-12);
        near(NearestLaw::hidden_bits(8, 8, Ties::Shared).unwrap().success(4.0), 0.25, 1e-9);
    }

    #[test]
    fn ln_n50_at_an_overlap_of_three_fifths() {
        for (d, want) in [(16, 4.852), (24, 6.815), (32, 8.733), (40, 10.622), (48, 12.493)] {
            let got = NearestLaw::overlap(d, 0.6).unwrap().capacity(0.5).ln();
            assert!((got - want).abs() < 1e-3, "{d}: {got}");
        }
    }

    #[test]
    fn averages_are_whole() {
        for law in [
            NearestLaw::mask(16, 1).unwrap(),
            NearestLaw::mask(16, 15).unwrap(),
            NearestLaw::noise(2, 1.0).unwrap(),
            NearestLaw::noise(64, 0.01).unwrap(),
            NearestLaw::dropout(24).unwrap(),
        ] {
            near(law.success(1.0), 1.0, 1e-6);
        }
        assert!(NearestLaw::overlap(8, 1.0).unwrap().capacity(0.5).is_infinite());
        assert!(NearestLaw::overlap(8, 1.5).is_err() && NearestLaw::mask(4, 5).is_err());
    }
}
