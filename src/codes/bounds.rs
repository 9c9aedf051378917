//! How far apart points on a sphere can be, and what that means for a memory.
//!
//! R. Rankin 1955; L. Fejes Toth 1943; E. Gilbert 1952, C. Chabauty 1953, C. Shannon 1959, A. Wyner 1965 (packing and covering by
//! caps); J. Jiang et al., "Generalized Neural Collapse for a Large Number of Classes", ICML 2024; H. Ramsauer et al., "Hopfield
//! Networks is All You Need", ICLR 2021 (theorem 3).

use crate::{Error, Result, cpu::frequencies, ops::Projection};
use puruspe::{betai, ln_gamma};
use rayon::prelude::*;
use std::f64::consts::{FRAC_PI_2, LN_2, PI, TAU};

/// Share of the unit sphere in `dim` dimensions within an angle of a point, the angle from 0 to pi: `1/2 I_{sin^2}((dim-1)/2, 1/2)`
/// up to a right angle. 0 where it is below f64.
///
/// # Errors
/// [`Error::InvalidParameter`] for fewer than two dimensions or an angle outside its range.
///
/// ```
/// use attractor::codes::cap_fraction;
/// assert!((cap_fraction(std::f64::consts::FRAC_PI_2, 7)? - 0.5).abs() < 1e-12);
/// // In three dimensions it is (1 - cos) / 2.
/// assert!((cap_fraction(1.0, 3)? - 0.5 * (1.0 - 1.0_f64.cos())).abs() < 1e-12);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn cap_fraction(angle: f64, dim: usize) -> Result<f64> {
    check_dim(dim)?;
    if !(0.0..=PI).contains(&angle) {
        return Err(Error::parameter("angle of a cap", angle, "from 0 to pi"));
    }
    Ok(cap(angle, dim))
}

fn check_dim(dim: usize) -> Result<()> {
    if dim < 2 {
        return Err(Error::parameter("dimension of a sphere", dim, "at least 2"));
    }
    Ok(())
}

fn check_points(points: f64) -> Result<()> {
    if points >= 2.0 && points.is_finite() {
        return Ok(());
    }
    Err(Error::parameter("number of points", points, "at least 2"))
}

fn cap(angle: f64, dim: usize) -> f64 {
    if angle > FRAC_PI_2 {
        return 1.0 - cap(PI - angle, dim);
    }
    let square = angle.sin().powi(2).min(1.0);
    if square == 0.0 { 0.0 } else { 0.5 * betai(0.5 * (dim as f64 - 1.0), 0.5, square) }
}

/// The place where a rising function passes a value, by halving.
fn crossing(mut low: f64, mut high: f64, below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if below(middle) { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Gaps between which the best gap of `points` points lies, by caps: a code of an angle exists where caps of that angle do not cover
/// the sphere (`points Omega(angle) <= 1`), and none where caps of half of it would overlap (`points Omega(angle/2) > 1`).
///
/// # Errors
/// [`Error::InvalidParameter`] for fewer than two points or dimensions.
pub fn packing_gaps(points: f64, dim: usize) -> Result<(f64, f64)> {
    check_points(points)?;
    check_dim(dim)?;
    let exists = crossing(0.0, PI, |angle| points * cap(angle, dim) <= 1.0);
    let half = crossing(0.0, FRAC_PI_2, |angle| points * cap(angle, dim) <= 1.0);
    Ok((gap_of(exists), gap_of(2.0 * half)))
}

/// `1 - cos` without loss for small angles.
fn gap_of(angle: f64) -> f64 {
    2.0 * (0.5 * angle).sin().powi(2)
}

/// The largest gap by R. Rankin: `M/(M-1)` for up to `dim + 1` points, 1 for more.
///
/// # Errors
/// [`Error::InvalidParameter`] for fewer than two points or no dimensions.
pub fn rankin_gap(points: usize, dim: usize) -> Result<f64> {
    check_points(points as f64)?;
    if dim == 0 {
        return Err(Error::parameter("dimension of a sphere", 0, "at least 1"));
    }
    Ok(if points <= dim + 1 { points as f64 / (points as f64 - 1.0) } else { 1.0 })
}

/// The largest smallest angle of `points >= 3` points in three dimensions by L. Fejes Toth; it is reached for 3, 4, 6 and 12.
///
/// # Errors
/// [`Error::InvalidParameter`] for fewer than three points.
///
/// ```
/// use attractor::codes::fejes_toth_angle;
/// assert!((fejes_toth_angle(24)?.to_degrees() - 44.715).abs() < 1e-3);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn fejes_toth_angle(points: usize) -> Result<f64> {
    if points < 3 {
        return Err(Error::parameter("number of points", points, "at least 3"));
    }
    let n = points as f64;
    let omega = PI * n / (6.0 * (n - 2.0));
    Ok((0.5 * (omega.tan().powi(-2) - 1.0)).clamp(-1.0, 1.0).acos())
}

/// The pair of bounds on the best gap from the study of neural collapse, `None` for so few points that it does not hold
/// (`M < sqrt(2 pi sqrt(e) dim)`). [`packing_gaps`] is nearer to the truth.
///
/// # Errors
/// [`Error::InvalidParameter`] for fewer than two points or dimensions.
pub fn neural_collapse_bounds(points: f64, dim: usize) -> Result<Option<(f64, f64)>> {
    check_points(points)?;
    check_dim(dim)?;
    let d = dim as f64;
    if points < (2.0 * PI * 0.5_f64.exp() * d).sqrt() {
        return Ok(None);
    }
    let root = PI.sqrt().ln() - points.ln() + ln_gamma(0.5 * (d + 1.0));
    let lower = 0.5 * (2.0 / (d - 1.0) * (root - ln_gamma(0.5 * d + 1.0))).exp();
    let upper = 2.0 * ((LN_2 + root - ln_gamma(0.5 * d)) / (d - 1.0)).exp();
    Ok(Some((lower, upper)))
}

/// What is known of the best gap of a number of points without building a code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// A code of this gap exists.
    pub exists: f64,
    /// No code has a larger gap.
    pub most: f64,
    /// What the upper bound is.
    pub by: &'static str,
}

impl Bounds {
    /// The tightest of the bounds here.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for fewer than two points or no dimensions.
    ///
    /// ```
    /// use attractor::codes::Bounds;
    /// let bounds = Bounds::new(5, 4)?;
    /// assert_eq!((bounds.most, bounds.by), (1.25, "Rankin"));
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn new(points: usize, dim: usize) -> Result<Self> {
        let rankin = rankin_gap(points, dim)?;
        if dim == 1 {
            // There are two unit vectors.
            let gap = if points == 2 { 2.0 } else { 0.0 };
            return Ok(Self { exists: gap, most: gap, by: "one dimension" });
        }
        let (exists, packing) = packing_gaps(points as f64, dim)?;
        let mut all = vec![(rankin, "Rankin"), (packing, "packing of caps")];
        if dim == 2 {
            all.push((gap_of(2.0 * PI / points as f64), "regular polygon"));
        }
        if dim == 3 && points >= 3 {
            all.push((gap_of(fejes_toth_angle(points)?), "Fejes Toth"));
        }
        let least = |a: (f64, &'static str), b: (f64, &'static str)| if b.0 < a.0 - 1e-12 { b } else { a };
        let (most, by) = all.into_iter().fold((f64::INFINITY, ""), least);
        Ok(Self { exists: exists.min(most), most, by })
    }
}

fn check_gap(gap: f64) -> Result<()> {
    if gap > 0.0 && gap <= 2.0 {
        return Ok(());
    }
    Err(Error::parameter("gap", gap, "above 0 and up to 2"))
}

/// The smallest dimension in which caps leave room for `points` points of a gap: below it there is no such code.
///
/// # Errors
/// [`Error::InvalidParameter`] for fewer than two points, or a gap that is not above 0 and below 1: from 1 on the dimension grows as
/// the number of points does.
pub fn least_dimension(points: f64, gap: f64) -> Result<usize> {
    dimension(points, gap, 0.5)
}

/// The smallest dimension in which a code of `points` points and a gap is sure to exist.
///
/// # Errors
/// As [`least_dimension`].
///
/// ```
/// use attractor::codes::{dimension_needed, least_dimension};
/// assert_eq!((least_dimension(1e6, 0.5)?, dimension_needed(1e6, 0.5)?), (18, 81));
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn dimension_needed(points: f64, gap: f64) -> Result<usize> {
    dimension(points, gap, 1.0)
}

/// The smallest dimension in which caps of `share` of the angle do not take more than the sphere.
fn dimension(points: f64, gap: f64, share: f64) -> Result<usize> {
    check_points(points)?;
    check_gap(gap)?;
    if gap >= 1.0 {
        return Err(Error::parameter("gap", gap, "below 1"));
    }
    let angle = share * (1.0 - gap).acos();
    let fits = |dim: usize| points * cap(angle, dim) <= 1.0;
    let mut high = 2;
    while !fits(high) {
        high *= 2;
        if high > 1 << 40 {
            return Err(Error::parameter("gap", gap, "smaller: the dimension leaves all bounds"));
        }
    }
    let mut low = (high / 2).max(1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) { high = middle } else { low = middle }
    }
    Ok(high)
}

/// The median gap of `points` random points in `dim` dimensions: in closed form for two points and in the plane, from a simulation
/// for few points in few dimensions (to about 1 %), and else as if pairs were independent, which many of them nearly are.
///
/// # Errors
/// [`Error::InvalidParameter`] for fewer than two points or dimensions.
///
/// ```
/// use attractor::codes::random_gap;
/// assert!((random_gap(1000.0, 64)? - 0.456).abs() < 1e-3);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn random_gap(points: f64, dim: usize) -> Result<f64> {
    check_points(points)?;
    check_dim(dim)?;
    if dim == 2 {
        // The chance that `n` arcs around a circle are all longer than `a` is (1 - n a / 2 pi)^(n - 1).
        return Ok(gap_of(-TAU / points * (-LN_2 / (points - 1.0)).exp_m1()));
    }
    // Three points already make pairs that depend on each other, the less the more directions there are.
    if (3..FEW_DIMENSIONS).contains(&dim) && points > 2.0 && points < FEW_POINTS {
        return Ok(simulated_gap(points.ceil() as usize, dim));
    }
    let pairs = 0.5 * points * (points - 1.0);
    Ok(gap_of(crossing(0.0, PI, |angle| pairs * (-cap(angle, dim)).ln_1p() >= -LN_2)))
}

/// Points and dimensions from which on pairs are as good as independent.
const FEW_POINTS: f64 = 64.0;
const FEW_DIMENSIONS: usize = 16;

/// The median gap of random points in many draws, the same ones at each call.
fn simulated_gap(points: usize, dim: usize) -> f64 {
    const DRAWS: usize = 20_001;
    const SEED: u64 = 0x6761_7073;
    let gap = |draw: usize| {
        let of_draw = draw * points..(draw + 1) * points;
        let mut rows = frequencies::rows(Projection::Gaussian, SEED, of_draw, dim);
        for row in rows.chunks_exact_mut(dim) {
            let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
            row.iter_mut().for_each(|v| *v /= length);
        }
        let row = |i: usize| &rows[i * dim..(i + 1) * dim];
        let product = |i: usize, j: usize| row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum::<f32>();
        let pairs = (1..points).flat_map(|i| (0..i).map(move |j| (i, j)));
        1.0 - f64::from(pairs.map(|(i, j)| product(i, j)).fold(-1.0, f32::max))
    };
    let mut gaps: Vec<f64> = (0..DRAWS).into_par_iter().map(gap).collect();
    let middle = DRAWS / 2;
    *gaps.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// The smallest `beta` at which a pattern of a gap among `points` patterns, none longer than `longest`, is provably stored: where
/// `beta gap >= 1 + ln(4 beta longest^2 (points - 1))`, a softmax update maps the ball of radius `1 / (2 beta longest)` around the
/// pattern into itself and contracts it. Infinite where there is no gap.
///
/// # Errors
/// [`Error::InvalidParameter`] for fewer than two points, a negative gap or one beyond `2 longest^2`, a length that is not positive.
///
/// ```
/// use attractor::codes::certified_beta;
/// assert!((certified_beta(0.5, 100.0, 1.0)? - 19.95).abs() < 0.01);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn certified_beta(gap: f64, points: f64, longest: f64) -> Result<f64> {
    check_points(points)?;
    if !(longest > 0.0 && longest.is_finite()) {
        return Err(Error::parameter("length of patterns", longest, "positive and finite"));
    }
    // Rounding may leave a gap a hair outside.
    let most = 2.0 * longest * longest;
    if !(gap >= 0.0 && gap <= most * (1.0 + 1e-9)) {
        return Err(Error::parameter("gap", gap, format!("from 0 to {most}")));
    }
    if gap == 0.0 {
        return Ok(f64::INFINITY);
    }
    // x - ln x = level with x = beta gap; the smaller root is no use: there the ball is larger than all patterns.
    let level = 1.0 + (2.0 * most * (points - 1.0)).ln() - gap.ln();
    let mut x = level + level.ln();
    for _ in 0..60 {
        x -= (x - x.ln() - level) / (1.0 - 1.0 / x);
    }
    Ok(x / gap)
}

/// How many random patterns are stored for sure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StoredPatterns {
    /// `2 (1 + ln(2 beta K^2 p (d-1))) / (d-1)`.
    pub a: f64,
    /// `2 K^2 beta / 5`.
    pub b: f64,
    /// The base of the exponential, `b / W0(exp(a + ln b))`.
    pub c: f64,
    /// The smallest `c` for which the theorem says anything.
    pub needed: f64,
    /// Natural logarithm of the number of patterns, `sqrt p c^((d-1)/4)`.
    pub ln_patterns: f64,
}

impl StoredPatterns {
    /// Whether the theorem holds for these numbers.
    pub fn holds(&self) -> bool {
        self.c >= self.needed
    }

    /// The number of patterns, where the theorem holds; infinite beyond f64.
    pub fn patterns(&self) -> Option<f64> {
        self.holds().then(|| self.ln_patterns.exp())
    }
}

/// How many random patterns of length `k sqrt(dim - 1)` a softmax memory stores but for a chance of `p` (Ramsauer et al., theorem 3).
/// `W0` is the principal branch of Lambert's function, worked out from the logarithm of its argument, which may leave f64.
///
/// # Errors
/// [`Error::InvalidParameter`] for values outside their ranges.
///
/// ```
/// use attractor::codes::stored_patterns;
/// let bound = stored_patterns(1.0, 1.0, 75, 0.001)?;
/// assert!((bound.c - 1.3719).abs() < 1e-4);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn stored_patterns(beta: f64, k: f64, dim: usize, p: f64) -> Result<StoredPatterns> {
    check_dim(dim)?;
    for (name, value) in [("beta", beta), ("radius of patterns", k)] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(Error::parameter(name, value, "positive and finite"));
        }
    }
    if !(p > 0.0 && p <= 1.0) {
        return Err(Error::parameter("chance of failure", p, "above 0 and up to 1"));
    }
    let free = dim as f64 - 1.0;
    // As logarithms: beta k^2 may leave f64.
    let ln_square = beta.ln() + 2.0 * k.ln();
    let a = 2.0 * (1.0 + LN_2 + ln_square + p.ln() + free.ln()) / free;
    let ln_b = 0.4_f64.ln() + ln_square;
    // b / w = exp(w - a), since w exp(w) = b exp(a).
    let ln_c = lambert_of_exponential(a + ln_b) - a;
    let needed = (4.0 / free * (LN_2 - 0.5 * p.ln())).exp();
    Ok(StoredPatterns {
        a,
        b: ln_b.exp(),
        c: ln_c.exp(),
        needed,
        ln_patterns: 0.5 * p.ln() + 0.25 * free * ln_c,
    })
}

/// `W0(exp(x))`: the `w` for which `w + ln w = x`, for any `x`.
fn lambert_of_exponential(x: f64) -> f64 {
    if x < -700.0 {
        // w = exp(x - w), and w is nothing beside x.
        return x.exp();
    }
    let mut w = if x > 1.0 { x - x.ln() } else { x.exp() / (1.0 + x.exp()) };
    for _ in 0..60 {
        // Newton in ln w, which cannot leave the positive numbers.
        let step = (w + w.ln() - x) / (1.0 + w);
        w *= (-step).exp();
    }
    w
}
