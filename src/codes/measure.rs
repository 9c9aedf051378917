//! How far apart points are.

use crate::{Error, Matrix, Result};
use rayon::prelude::*;

/// Angles of a set of points, seen from the origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// How many points.
    pub points: usize,
    /// Their dimension.
    pub dim: usize,
    /// The largest cosine between two points.
    pub cosine: f64,
    /// `1 - cosine`, exact also where it is tiny.
    pub gap: f64,
    /// The smallest angle in radians.
    pub angle: f64,
    /// The two points of that angle, counted from 0; the first such pair.
    pub nearest: (usize, usize),
    /// Of each point, how far `1 - cos` to its nearest other is, `[points]`.
    pub gaps: Vec<f64>,
    /// How many pairs have a cosine in each of equal parts of `-1..1`.
    pub histogram: Vec<u64>,
}

/// Parts of the histogram.
const BINS: usize = 40;
/// Cosines that are as near as this to the border of a part belong to the upper one: regular codes lie on borders.
const SLACK: f64 = 1e-9;

/// The angles between points `[N, D]`, which need not have length 1. Cost: `N^2 D` operations.
///
/// # Errors
/// [`Error::InvalidParameter`] for fewer than two points or no columns; [`Error::NonFinite`]; [`Error::ZeroNorm`].
///
/// ```
/// use attractor::{Matrix, codes::measure};
/// let square = Matrix::from_rows(&[[2.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [0.0, -1.0]]);
/// let found = measure(&square)?;
/// assert_eq!((found.cosine, found.gap), (0.0, 1.0));
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn measure(points: &Matrix) -> Result<Measure> {
    let unit = to_unit(points)?;
    let (n, d) = (unit.rows, unit.columns);
    if n < 2 {
        return Err(Error::parameter("number of points", n, "at least 2"));
    }
    // Of a point: its nearest other, and the histogram of those after it.
    let of_point = |i: usize| {
        let (mut best, mut at, mut histogram) = (f64::NEG_INFINITY, 0, vec![0_u64; BINS]);
        for j in (0..n).filter(|j| *j != i) {
            let cosine = dot(unit.row(i), unit.row(j));
            if cosine > best {
                (best, at) = (cosine, j);
            }
            if j > i {
                let bin = (0.5 * (cosine + 1.0 + SLACK) * BINS as f64) as usize;
                histogram[bin.min(BINS - 1)] += 1;
            }
        }
        (gap(unit.row(i), unit.row(at)), at, histogram)
    };
    let found: Vec<_> = (0..n).into_par_iter().map(of_point).collect();
    let mut histogram = vec![0; BINS];
    for (_, _, part) in &found {
        histogram.iter_mut().zip(part).for_each(|(all, part)| *all += part);
    }
    let gaps: Vec<f64> = found.iter().map(|(gap, _, _)| *gap).collect();
    let first = (1..n).fold(0, |best, i| if gaps[i] < gaps[best] { i } else { best });
    let second = found[first].1;
    let least = gaps[first];
    Ok(Measure {
        points: n,
        dim: d,
        cosine: 1.0 - least,
        gap: least,
        // Twice the arc sine of half the distance: exact for small angles and large ones.
        angle: 2.0 * (0.5 * least).sqrt().min(1.0).asin(),
        nearest: (first.min(second), first.max(second)),
        gaps,
        histogram,
    })
}

impl Measure {
    /// The cosines where parts of the histogram begin and end.
    pub fn part(&self, bin: usize) -> (f64, f64) {
        let at = |i: usize| 2.0 * i as f64 / self.histogram.len() as f64 - 1.0;
        (at(bin), at(bin + 1))
    }
}

/// `1 - cos` of unit vectors.
fn gap(a: &[f64], b: &[f64]) -> f64 {
    0.5 * a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>()
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The points at length 1.
pub(super) fn to_unit(points: &Matrix) -> Result<Matrix> {
    if points.columns == 0 {
        return Err(Error::parameter("columns of points", 0, "at least 1"));
    }
    if let Some(at) = points.data.iter().position(|v| !v.is_finite()) {
        let (row, column, value) = (at / points.columns, at % points.columns, points.data[at] as f32);
        return Err(Error::NonFinite { what: "points".into(), row, column, value });
    }
    let mut unit = points.clone();
    for (row, values) in unit.data.chunks_exact_mut(points.columns).enumerate() {
        // In parts of the largest, so that no square leaves f64.
        let largest = values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        if largest == 0.0 {
            return Err(Error::ZeroNorm { what: "points", row });
        }
        values.iter_mut().for_each(|v| *v /= largest);
        let length = dot(values, values).sqrt();
        values.iter_mut().for_each(|v| *v /= length);
    }
    Ok(unit)
}
