//! Shares with their intervals, capacities read from them, and the laws by which capacities grow.

use super::special::t_quantile;
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

    /// Wilson's interval of 95 % for the probability of success of independent trials; all of 0 to 1 without trials. Queries of one
    /// memory are not independent: see [`Banks::interval`].
    pub fn wilson(self) -> (f64, f64) {
        wilson(self.share(), self.trials as f64, Z95)
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { trials: self.trials + other.trials, successes: self.successes + other.successes }
    }
}

/// Wilson's interval for a share of `n` trials, which need be no whole number, at a quantile.
fn wilson(p: f64, n: f64, quantile: f64) -> (f64, f64) {
    if n <= 0.0 {
        return (0.0, 1.0);
    }
    let z2 = quantile * quantile;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = quantile / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    // Rounding must not leave a certain end of the interval a hair inside.
    let low = if p == 0.0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if p == 1.0 { 1.0 } else { (centre + half).min(1.0) };
    (low, high)
}

/// Trials at a number of stored patterns, bank by bank: each seed stores patterns of its own, and its queries share them.
///
/// ```
/// use attractor::capacity::{Banks, Trials};
/// let bank = |successes| Trials { trials: 200, successes };
/// let alike = Banks { n: 1000, trials: vec![bank(180), bank(182), bank(178), bank(180), bank(180)] };
/// let unlike = Banks { trials: vec![bank(200), bank(140), bank(200), bank(160), bank(200)], ..alike.clone() };
/// assert_eq!(alike.share(), unlike.share());
/// let width = |b: &Banks| b.interval().1 - b.interval().0;
/// assert!(width(&unlike) > 3.0 * width(&alike));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banks {
    /// The number of stored patterns.
    pub n: u64,
    /// The trials of each bank.
    pub trials: Vec<Trials>,
}

impl Banks {
    /// The trials of all banks.
    pub fn all(&self) -> Trials {
        self.trials.iter().fold(Trials::default(), |a, b| a.and(*b))
    }

    /// The share of all trials that succeeded.
    pub fn share(&self) -> f64 {
        self.all().share()
    }

    /// An interval of 95 % for the probability of success in a bank yet to be drawn: Wilson's, for as many independent trials as would give
    /// a share with the spread that is seen between banks, with the quantile of Student's t for that many banks (the design effect of
    /// cluster samples: L. Kish 1965; E. Korn and B. Graubard, Survey Methodology 24, 1998). Never for more trials than there are
    /// different patterns in all banks: that many queries of one pattern tell little more than one. One bank alone tells nothing of others;
    /// its interval is for its own patterns.
    pub fn interval(&self) -> (f64, f64) {
        let (all, banks) = (self.all(), self.trials.iter().filter(|t| t.trials > 0).count());
        let p = all.share();
        let different: u64 = self.trials.iter().map(|t| t.trials.min(self.n)).sum();
        let Some(quantile) = t_quantile(0.975, banks as f64 - 1.0).ok() else {
            return wilson(p, different as f64, Z95);
        };
        let off = |t: &Trials| (t.trials as f64 / all.trials.max(1) as f64 * (t.share() - p)).powi(2);
        let variance = banks as f64 / (banks as f64 - 1.0) * self.trials.iter().map(off).sum::<f64>();
        let worth = if variance > 0.0 { p * (1.0 - p) / variance } else { f64::INFINITY };
        wilson(p, worth.min(different as f64), quantile)
    }
}

/// Success against the number of stored patterns, which ascends.
pub type Curve = [Banks];

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

/// The largest number of patterns that surely succeed with a share, by place on the grid, and the smallest that surely do not, from the
/// intervals of all points: success falls with the number of patterns, so what holds of many holds of fewer.
fn surely(curve: &Curve, share: f64) -> (Option<usize>, Option<usize>) {
    let above = curve.iter().rposition(|banks| banks.interval().0 >= share);
    (above, curve.iter().position(|banks| banks.interval().1 < share))
}

/// `N95`: the largest number of patterns on the grid at which, as at all smaller ones, 95 % succeed. The interval of 95 % goes from the
/// largest number on the grid that surely passes (1 where none does) to the smallest that surely fails (infinite where none does). `None` for
/// an empty curve.
///
/// ```
/// use attractor::capacity::{Banks, Capacity, Trials, n95};
/// let at = |n, successes| Banks { n, trials: vec![Trials { trials: 1000, successes }; 4] };
/// assert_eq!(n95(&[at(800, 999), at(1600, 970), at(3200, 600)]), Some(Capacity::At { n: 1600.0, low: 1600.0, high: 3200.0 }));
/// assert_eq!(n95(&[at(8, 1000)]), Some(Capacity::AtLeast(8)));
/// ```
pub fn n95(curve: &Curve) -> Option<Capacity> {
    let passing = curve.iter().take_while(|banks| banks.share() >= RELIABLE).count();
    let first = curve.first()?;
    let Some(last) = passing.checked_sub(1) else { return Some(Capacity::Below(first.n)) };
    let n = curve[last].n;
    if passing == curve.len() {
        return Some(Capacity::AtLeast(n));
    }
    let (above, below) = surely(curve, RELIABLE);
    let n = n as f64;
    let low = above.map_or(1.0, |i| curve[i].n as f64).min(n);
    let high = below.map_or(f64::INFINITY, |i| curve[i].n as f64).max(n);
    Some(Capacity::At { n, low, high })
}

/// `N50`: where the share of successes passes one half. `None` for an empty curve.
///
/// Between the two points of the grid about the crossing, `ln(-ln p)` is a line in `ln N`: exactly so for the nearest pattern and whatever
/// else fails by the first of many rivals, `p = exp(-N / N_0)`, and close to it for other falling shares where the grid is fine. Where the
/// grid steps over the whole transition, from all to none, its middle stands for it. Shares that rise by chance are pooled first, so that
/// the curve falls.
///
/// The interval of 95 % is where the ends of the points' intervals pass one half, by the widest of this line and its mirror image,
/// `ln(-ln(1 - p))`: no form of the curve between the points is taken for granted, so that a coarse grid gives a wide one. It begins at 1 and ends at
/// infinity where the grid does not hold it.
///
/// ```
/// use attractor::capacity::{Banks, Trials, n50};
/// let at = |n, successes| Banks { n, trials: vec![Trials { trials: 1000, successes }; 3] };
/// let n = n50(&[at(100, 990), at(200, 700), at(400, 240), at(800, 10)]).and_then(|c| c.value()).unwrap_or_default();
/// assert!((260.0..285.0).contains(&n), "{n}");
/// ```
pub fn n50(curve: &Curve) -> Option<Capacity> {
    let shares = falling(curve);
    let (first, last) = (curve.first()?, curve.last()?);
    let Some(after) = shares.iter().position(|p| *p < 0.5) else { return Some(Capacity::AtLeast(last.n)) };
    let Some(before) = after.checked_sub(1) else { return Some(Capacity::Below(first.n)) };
    // How far it is from one point to the next, where the share is one half: by both lines, the nearer first.
    let crossing = |i: usize, p: f64, q: f64| {
        let (from, to) = ((curve[i].n as f64).ln(), (curve[i + 1].n as f64).ln());
        let mut at =
            [along(rivals, p, q), along(|p| -rivals(1.0 - p), p, q)].map(|t| (from + t * (to - from)).exp());
        at.sort_by(f64::total_cmp);
        at
    };
    let (p, q) = (shares[before], shares[after]);
    let n = if p == 1.0 && q == 0.0 {
        (curve[before].n as f64 * curve[after].n as f64).sqrt()
    } else {
        // Half a trial keeps the logarithm of a certain share finite.
        let seen = |i: usize, p: f64| {
            let half = 0.5 / (curve[i].all().trials as f64 + 1.0);
            p.clamp(half, 1.0 - half)
        };
        let (from, to) = ((curve[before].n as f64).ln(), (curve[after].n as f64).ln());
        (from + along(rivals, seen(before, p), seen(after, q)) * (to - from)).exp()
    };
    let ends: Vec<(f64, f64)> = curve.iter().map(Banks::interval).collect();
    let (above, below) = surely(curve, 0.5);
    let low = match above {
        None => 1.0,
        Some(i) if i + 1 == curve.len() => curve[i].n as f64,
        // The lower ends of what follows, of which none is above one half.
        Some(i) => crossing(i, ends[i].0, ends[i + 1..].iter().map(|e| e.0).fold(0.0, f64::max))[0],
    };
    let high = match below {
        None => f64::INFINITY,
        Some(0) => first.n as f64,
        Some(i) => crossing(i - 1, ends[..i].iter().map(|e| e.1).fold(1.0, f64::min), ends[i].1)[1],
    };
    Some(Capacity::At { n, low: low.min(n), high: high.max(n) })
}

/// A line in `ln N` where the first of many rivals decides.
fn rivals(p: f64) -> f64 {
    (-p.ln()).ln()
}

/// The part of the way from a share of at least one half to a smaller one at which one half is passed, where `line` of the share rises evenly.
fn along(line: impl Fn(f64) -> f64, from: f64, to: f64) -> f64 {
    let (a, b) = (line(from), line(to));
    match (a.is_finite(), b.is_finite()) {
        // From a share that is certain it falls at once, or at the end.
        (false, false) => 0.5,
        (false, true) => 1.0,
        (true, false) => 0.0,
        (true, true) if b > a => ((line(0.5) - a) / (b - a)).clamp(0.0, 1.0),
        (true, true) => 1.0,
    }
}

/// The shares of a curve, those that rise pooled with the ones before them.
fn falling(curve: &Curve) -> Vec<f64> {
    let mut blocks: Vec<(Trials, usize)> = Vec::new();
    for banks in curve {
        let mut block = (banks.all(), 1);
        while let Some(before) = blocks.pop_if(|(before, _)| before.share() < block.0.share()) {
            block = (before.0.and(block.0), before.1 + block.1);
        }
        blocks.push(block);
    }
    blocks.into_iter().flat_map(|(trials, count)| std::iter::repeat_n(trials.share(), count)).collect()
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

    /// Three banks of these trials together.
    fn at(n: u64, trials: u64, successes: u64) -> Banks {
        let of = |k: u64| Trials { trials: (trials + k) / 3, successes: (successes + k) / 3 };
        Banks { n, trials: vec![of(0), of(1), of(2)] }
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
    fn intervals_are_those_of_banks() {
        // By hand: shares .9, .8, .7 of 100 each: p = .8, variance of the mean .01 / 3 = .16 / 48, t = 4.3027.
        let bank = |successes| Trials { trials: 100, successes };
        let banks = Banks { n: 1000, trials: vec![bank(90), bank(80), bank(70)] };
        let (t2, n) = (4.302_653_f64.powi(2), 48.0_f64);
        let centre = (0.8 + t2 / (2.0 * n)) / (1.0 + t2 / n);
        let half = (t2 * (0.16 / n + t2 / (4.0 * n * n))).sqrt() / (1.0 + t2 / n);
        let (low, high) = banks.interval();
        assert!(
            (low - (centre - half)).abs() < 1e-6 && (high - (centre + half)).abs() < 1e-6,
            "{low} {high}"
        );
        // Two patterns of each bank: six different ones, whatever is asked of them.
        let few = Banks { n: 2, trials: vec![bank(100); 3] };
        assert!((few.interval().0 - 6.0 / (6.0 + t2)).abs() < 1e-6 && few.interval().1 == 1.0);
        // One bank: its own patterns.
        let one = Banks { n: 1000, trials: vec![bank(80)] };
        assert_eq!(one.interval(), bank(80).wilson());
        assert_eq!(Banks { n: 10, trials: Vec::new() }.interval(), (0.0, 1.0));
    }

    #[test]
    fn capacities_beyond_the_grid_are_censored() {
        let curve =
            [at(2000, 3000, 3000), at(4000, 3000, 2920), at(8000, 3000, 2820), at(16_000, 3000, 2910)];
        let Some(Capacity::At { n, low, high }) = n95(&curve) else { panic!("censored") };
        assert_eq!((n, low), (4000.0, 4000.0));
        assert!(high >= 8000.0);
        assert_eq!(n50(&curve), Some(Capacity::AtLeast(16_000)));
        assert_eq!(n95(&curve[2..]), Some(Capacity::Below(8000)));
        assert_eq!(n50(&[at(8, 99, 48)]), Some(Capacity::Below(8)));
        assert_eq!((n95(&[]), n50(&[])), (None, None));
        // Nothing is sure of few trials.
        let Some(Capacity::At { low, high, .. }) = n50(&[at(8, 3, 2), at(16, 3, 1)]) else {
            panic!("censored")
        };
        assert_eq!((low, high), (1.0, f64::INFINITY));
    }

    /// Shares of `exp(-N ln 2 / 1353)`: exact between any two points, on fine grids and coarse ones; and the interval holds it.
    #[test]
    fn coarse_grids_do_not_bend_the_capacity() {
        for grid in [&[32, 8192][..], &[100, 1000, 10_000], &[724, 1024, 1448, 2048], &[8, 64, 512, 4096]] {
            let share = |n: u64| (-(n as f64) * std::f64::consts::LN_2 / 1353.0).exp();
            let curve: Vec<Banks> =
                grid.iter().map(|n| at(*n, 60_000, (6e4 * share(*n)).round() as u64)).collect();
            let Some(Capacity::At { n, low, high }) = n50(&curve) else { panic!("censored") };
            assert!((n / 1353.0 - 1.0).abs() < 0.02, "{grid:?}: {n}");
            assert!(low < 1353.0 && 1353.0 < high, "{grid:?}: {low} to {high}");
        }
        // A normal curve in ln N, of another form: on a fine grid that matters little.
        let normal = |n: f64| super::super::special::normal_cdf(2.0 * (300.0_f64.ln() - n.ln()));
        let curve: Vec<Banks> = [50.0, 100.0, 150.0, 250.0, 400.0, 700.0, 1200.0]
            .map(|n: f64| at(n as u64, 90_000, (9e4 * normal(n)).round() as u64))
            .to_vec();
        let Some(Capacity::At { n, low, high }) = n50(&curve) else { panic!("censored") };
        assert!((n / 300.0 - 1.0).abs() < 0.03, "{n}");
        assert!(low < 300.0 && high > 300.0 && low > 250.0 && high < 400.0, "{low} to {high}");
    }

    #[test]
    fn a_step_is_found_within_the_grid() {
        let curve = [at(100, 600, 600), at(200, 600, 600), at(400, 600, 0), at(800, 600, 0)];
        let Some(Capacity::At { n, low, high }) = n50(&curve) else { panic!("censored") };
        assert!((n - 80_000.0_f64.sqrt()).abs() < 1.0);
        assert_eq!((low.round(), high.round()), (200.0, 400.0));
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
