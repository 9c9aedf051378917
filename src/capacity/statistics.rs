//! Shares with their intervals, capacities read from them, and the laws by which capacities grow.

use super::special::{normal_cdf, normal_quantile, t_quantile};
use crate::{Error, Result};

/// Trials and how many of them succeeded.
///
/// ```
/// use attractor::capacity::Trials;
/// let trials = Trials { trials: 200, successes: 190 };
/// let (low, high) = trials.wilson();
/// assert!((low - 0.9104).abs() < 1e-4 && (high - 0.9726).abs() < 1e-4);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trials {
    /// How many there were.
    pub trials: u64,
    /// How many succeeded.
    pub successes: u64,
}

/// The quantile of the normal distribution behind two-sided intervals of 95 %.
const Z95: f64 = 1.959_963_984_540_054;

impl Trials {
    /// The share that succeeded; 0 where there were none.
    pub fn share(self) -> f64 {
        if self.trials == 0 { 0.0 } else { self.successes as f64 / self.trials as f64 }
    }

    /// Wilson's interval of 95 % for the probability of success; all of 0 to 1 without trials.
    pub fn wilson(self) -> (f64, f64) {
        if self.trials == 0 {
            return (0.0, 1.0);
        }
        let (n, p, z2) = (self.trials as f64, self.share(), Z95 * Z95);
        let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z95 / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        // Rounding must not leave a certain end of the interval a hair inside.
        let low = if self.successes == 0 { 0.0 } else { (centre - half).max(0.0) };
        let high = if self.successes == self.trials { 1.0 } else { (centre + half).min(1.0) };
        (low, high)
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { trials: self.trials + other.trials, successes: self.successes + other.successes }
    }
}

/// Trials at a number of stored patterns.
pub type Curve = [(u64, Trials)];

/// A capacity read from a grid, which need not hold it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Capacity {
    /// The capacity, with an interval of 95 %.
    At {
        /// Number of patterns.
        n: f64,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// More than the grid holds: every number of patterns up to this one passes.
    AtLeast(u64),
    /// Less than the grid holds: the smallest number of patterns fails already.
    Below(u64),
}

impl Capacity {
    /// The number of patterns, where the grid holds it.
    pub fn value(self) -> Option<f64> {
        match self {
            Self::At { n, .. } => Some(n),
            Self::AtLeast(_) | Self::Below(_) => None,
        }
    }
}

/// Share that counts as reliable recall.
const RELIABLE: f64 = 0.95;

/// `N95`: the largest number of patterns on the grid at which, as at all smaller ones, 95 % succeed. The interval is the step of
/// the grid in which the crossing lies. `None` for an empty curve. Numbers of patterns ascend.
///
/// ```
/// use attractor::capacity::{Capacity, Trials, n95};
/// let at = |n, successes| (n, Trials { trials: 100, successes });
/// assert_eq!(n95(&[at(8, 100), at(16, 97), at(32, 60)]), Some(Capacity::At { n: 16.0, low: 16.0, high: 32.0 }));
/// assert_eq!(n95(&[at(8, 100)]), Some(Capacity::AtLeast(8)));
/// ```
pub fn n95(curve: &Curve) -> Option<Capacity> {
    let passing = curve.iter().take_while(|(_, t)| t.share() >= RELIABLE).count();
    match (curve.first(), passing.checked_sub(1)) {
        (None, _) => None,
        (Some((n, _)), None) => Some(Capacity::Below(*n)),
        (_, Some(last)) => {
            let n = curve[last].0;
            Some(match curve.get(passing) {
                Some((next, _)) => Capacity::At { n: n as f64, low: n as f64, high: *next as f64 },
                None => Capacity::AtLeast(n),
            })
        }
    }
}

/// Shares from this to one minus this lie about the middle.
const NEAR: f64 = 0.3;

/// `N50`: where a probit curve in `ln N`, fitted to the shares about one half, passes one half. `None` for an empty
/// curve. Numbers of patterns ascend.
///
/// The fit is the most likely one for the trials, weighted by them; where the grid steps over the whole transition, the probits
/// of its two sides are joined by a line, and the interval is that step.
///
/// ```
/// use attractor::capacity::{Trials, n50};
/// let at = |n, successes| (n, Trials { trials: 1000, successes });
/// let n = n50(&[at(100, 990), at(200, 700), at(400, 240), at(800, 10)]).and_then(|c| c.value()).unwrap_or_default();
/// assert!((260.0..285.0).contains(&n), "{n}");
/// ```
pub fn n50(curve: &Curve) -> Option<Capacity> {
    let (smallest, first) = curve.first()?;
    if first.share() < 0.5 {
        return Some(Capacity::Below(*smallest));
    }
    let Some(after) = curve.iter().position(|(_, t)| t.share() < 0.5) else {
        return curve.last().map(|(n, _)| Capacity::AtLeast(*n));
    };
    // Success falls off faster than a probit curve where most fail already: only what lies about the middle tells where the middle is.
    let middle = |t: &Trials| (NEAR..=1.0 - NEAR).contains(&t.share());
    let from = curve[..after - 1].iter().rposition(|(_, t)| !middle(t)).map_or(0, |i| i + 1);
    let to = curve[after + 1..].iter().position(|(_, t)| !middle(t)).map_or(curve.len() - 1, |i| after + i);
    let (before, behind) = (curve[after - 1], curve[after]);
    let (low, high) = (before.0 as f64, behind.0 as f64);
    // Two points with one certain side each fix no slope: the likelihood has no maximum.
    let informative = |t: &Trials| t.successes > 0 && t.successes < t.trials;
    let inside = curve[from..=to].iter().filter(|(_, t)| informative(t)).count();
    if inside >= 2
        && let Some((centre, error)) = probit(&curve[from..=to])
    {
        let (n, spread) = (centre.exp(), (Z95 * error).exp());
        // A fit that leaves the transition says nothing of it.
        let (least, most) = (curve[from].0 as f64, curve[to].0 as f64);
        if (least..=most).contains(&n) && spread.is_finite() {
            return Some(Capacity::At { n, low: n / spread, high: n * spread });
        }
    }
    // Agresti and Coull keep the probit of a certain share finite.
    let score =
        |t: Trials| normal_quantile((t.successes as f64 + 0.5) / (t.trials as f64 + 1.0)).unwrap_or(0.0);
    let (a, b) = (score(before.1), score(behind.1));
    let along = if a > b { (a / (a - b)).clamp(0.0, 1.0) } else { 0.5 };
    let n = (low.ln() + along * (high.ln() - low.ln())).exp();
    Some(Capacity::At { n, low, high })
}

/// The most likely `ln N` at one half of `Phi(b (centre - ln N))`, and its standard error, by Fisher's scoring.
fn probit(curve: &Curve) -> Option<(f64, f64)> {
    let (ln, trials): (Vec<f64>, Vec<Trials>) = curve.iter().map(|(n, t)| ((*n as f64).ln(), *t)).unzip();
    let middle = ln.iter().sum::<f64>() / ln.len() as f64;
    let width = (ln[ln.len() - 1] - ln[0]).max(1e-9);
    // Phi(a - b (ln N - middle)).
    let (mut a, mut b) = (0.0_f64, 4.0 / width);
    let mut covariance = [0.0; 3];
    for _ in 0..100 {
        let (mut gradient, mut information) = ([0.0; 2], [0.0; 3]);
        for (x, t) in ln.iter().map(|x| x - middle).zip(&trials) {
            let eta = (a - b * x).clamp(-8.0, 8.0);
            let p = normal_cdf(eta).clamp(1e-15, 1.0 - 1e-15);
            let density = (-0.5 * eta * eta).exp() / std::f64::consts::TAU.sqrt();
            let (n, k) = (t.trials as f64, t.successes as f64);
            let score = (k - n * p) * density / (p * (1.0 - p));
            let weight = n * density * density / (p * (1.0 - p));
            gradient = [gradient[0] + score, gradient[1] - score * x];
            information =
                [information[0] + weight, information[1] - weight * x, information[2] + weight * x * x];
        }
        let determinant = information[0] * information[2] - information[1] * information[1];
        if determinant.is_nan() || determinant <= 1e-12 {
            return None;
        }
        covariance = [information[2], -information[1], information[0]].map(|v| v / determinant);
        let step = [
            covariance[0] * gradient[0] + covariance[1] * gradient[1],
            covariance[1] * gradient[0] + covariance[2] * gradient[1],
        ];
        // Short steps: far from the maximum the curve is no parabola.
        let size = (step[0].abs() / 2.0).max(step[1].abs() / (b.abs() + 1.0)).max(1.0);
        a += step[0] / size;
        b += step[1] / size;
        if step[0].abs() < 1e-10 && step[1].abs() < 1e-10 * (1.0 + b.abs()) {
            break;
        }
    }
    if b.is_nan() || b <= 0.0 {
        return None;
    }
    // By the delta rule for a / b.
    let (da, db) = (1.0 / b, -a / (b * b));
    let variance = da * da * covariance[0] + 2.0 * da * db * covariance[1] + db * db * covariance[2];
    Some((middle + a / b, variance.max(0.0).sqrt()))
}

/// How capacity grows with the dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// `ln N` is linear in `d`.
    Exponential,
    /// `ln N` is linear in `ln d`.
    Power,
}

impl Growth {
    /// `exponential` or `power`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exponential => "exponential",
            Self::Power => "power",
        }
    }

    /// What `ln N` is linear in.
    pub fn abscissa(self, d: f64) -> f64 {
        match self {
            Self::Exponential => d,
            Self::Power => d.ln(),
        }
    }
}

/// A line through `ln N` against `d` or `ln d`, by least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// What the line is drawn against.
    pub growth: Growth,
    /// Nats per dimension, or the power of `d`.
    pub slope: f64,
    /// Ends of the interval of 95 % of the slope, by Student's t.
    pub slope_low: f64,
    /// The other end.
    pub slope_high: f64,
    /// `ln N` where the abscissa is 0.
    pub intercept: f64,
    /// Share of the variance of `ln N` that the line explains.
    pub r_squared: f64,
    /// How many capacities it goes through.
    pub points: usize,
}

/// Capacities that a fit needs at least.
const LEAST_POINTS: usize = 4;

/// Fits a law of growth to capacities `(d, N)` that no grid has cut off.
///
/// # Errors
/// [`Error::NotIdentifiable`] for fewer than 4 capacities, or fewer than 2 dimensions.
///
/// ```
/// use attractor::capacity::{Growth, fit_growth};
/// let capacities = [(8, 30.0), (16, 900.0), (24, 27_000.0), (32, 810_000.0)];
/// let fit = fit_growth(Growth::Exponential, &capacities)?;
/// assert!((fit.slope - 30.0_f64.ln() / 8.0).abs() < 1e-9 && fit.r_squared > 0.999_999);
/// assert!(fit_growth(Growth::Power, &capacities[..3]).is_err());
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn fit_growth(growth: Growth, capacities: &[(usize, f64)]) -> Result<Fit> {
    let usable = |(d, n): &&(usize, f64)| *d > 0 && *n > 0.0 && n.is_finite();
    let (x, y): (Vec<f64>, Vec<f64>) =
        capacities.iter().filter(usable).map(|(d, n)| (growth.abscissa(*d as f64), n.ln())).unzip();
    let points = x.len();
    let refused = |problem: String| Error::NotIdentifiable { what: "the law of growth", problem };
    if points < LEAST_POINTS {
        return Err(refused(format!(
            "there are {points} capacities within their grids, and {LEAST_POINTS} are needed"
        )));
    }
    let mean = |v: &[f64]| v.iter().sum::<f64>() / points as f64;
    let (mx, my) = (mean(&x), mean(&y));
    let product = |a: &[f64], ma: f64, b: &[f64], mb: f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum()
    };
    let (xx, xy, yy) = (product(&x, mx, &x, mx), product(&x, mx, &y, my), product(&y, my, &y, my));
    if xx <= 0.0 {
        return Err(refused("all capacities are of one dimension".to_owned()));
    }
    let slope = xy / xx;
    let residual = (yy - slope * xy).max(0.0);
    let error = (residual / (points - 2) as f64 / xx).sqrt() * t_quantile(0.975, points as f64 - 2.0)?;
    let r_squared = if yy > 0.0 { 1.0 - residual / yy } else { 1.0 };
    Ok(Fit {
        growth,
        slope,
        slope_low: slope - error,
        slope_high: slope + error,
        intercept: my - slope * mx,
        r_squared,
        points,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    fn at(n: u64, trials: u64, successes: u64) -> (u64, Trials) {
        (n, Trials { trials, successes })
    }

    #[test]
    fn wilson_holds_the_certain_ends() {
        let all = Trials { trials: 500, successes: 500 };
        assert_eq!(all.wilson().1, 1.0);
        assert!((all.wilson().0 - 0.992_375).abs() < 1e-5, "{:?}", all.wilson());
        assert_eq!(Trials { trials: 500, successes: 0 }.wilson().0, 0.0);
        assert_eq!(Trials::default().wilson(), (0.0, 1.0));
        // Newcombe 1998: 81 of 263 gives .2553 to .3662.
        let (low, high) = Trials { trials: 263, successes: 81 }.wilson();
        assert!((low - 0.2553).abs() < 1e-4 && (high - 0.3662).abs() < 1e-4);
    }

    #[test]
    fn capacities_beyond_the_grid_are_censored() {
        let curve = [at(2, 100, 100), at(4, 100, 96), at(8, 100, 94), at(16, 100, 97)];
        assert_eq!(n95(&curve), Some(Capacity::At { n: 4.0, low: 4.0, high: 8.0 }));
        assert_eq!(n50(&curve), Some(Capacity::AtLeast(16)));
        assert_eq!(n95(&curve[2..]), Some(Capacity::Below(8)));
        assert_eq!(n50(&[at(8, 100, 49)]), Some(Capacity::Below(8)));
        assert_eq!((n95(&[]), n50(&[])), (None, None));
    }

    #[test]
    fn the_probit_fit_finds_the_middle() {
        // Shares of Phi(2 (ln 300 - ln N)).
        let curve: Vec<_> = [50.0, 100.0, 150.0, 250.0, 400.0, 700.0, 1200.0]
            .map(|n: f64| {
                let p = normal_cdf(2.0 * (300.0_f64.ln() - n.ln()));
                at(n as u64, 100_000, (1e5 * p).round() as u64)
            })
            .to_vec();
        let Some(Capacity::At { n, low, high }) = n50(&curve) else { panic!("censored") };
        assert!((n - 300.0).abs() < 0.5, "{n}");
        assert!(low < 300.0 && high > 300.0 && high / low < 1.02);
    }

    #[test]
    fn a_step_is_found_within_the_grid() {
        let curve = [at(100, 500, 500), at(200, 500, 500), at(400, 500, 0), at(800, 500, 0)];
        let Some(Capacity::At { n, low, high }) = n50(&curve) else { panic!("censored") };
        assert!((n - 80_000.0_f64.sqrt()).abs() < 1.0);
        assert_eq!((low, high), (200.0, 400.0));
    }

    #[test]
    fn fits_have_their_interval() {
        // R: confint(lm(c(1,2.1,2.9,4.2) ~ c(1,2,3,4))) gives .756 to 1.324 for the slope.
        let n: Vec<(usize, f64)> =
            [(1, 1.0_f64), (2, 2.1), (3, 2.9), (4, 4.2)].map(|(d, y)| (d, y.exp())).to_vec();
        let fit = fit_growth(Growth::Exponential, &n).unwrap();
        assert!((fit.slope - 1.04).abs() < 1e-12);
        assert!((fit.slope_high - fit.slope - (fit.slope - fit.slope_low)).abs() < 1e-12);
        assert!((fit.r_squared - 1.04 * 1.04 * 5.0 / 5.45).abs() < 0.01, "{}", fit.r_squared);
        let power: Vec<(usize, f64)> = [4, 8, 16, 32].map(|d| (d, 0.3 * (d * d) as f64)).to_vec();
        assert!((fit_growth(Growth::Power, &power).unwrap().slope - 2.0).abs() < 1e-9);
        let error = fit_growth(Growth::Power, &[(4, 1.0); 5]).unwrap_err().to_string();
        assert!(error.contains("one dimension"), "{error}");
    }
}
