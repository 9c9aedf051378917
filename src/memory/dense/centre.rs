//! A common offset of all patterns, taken off so that products of what is left know distances better. It comes off and goes on again
//! without any rounding, so a stored row comes back bit by bit.

use super::{DenseMemory, Neighbours};
use crate::{Precision, Result, Rows, memory::Memory, tensor::Shards};
use rayon::prelude::*;

/// About the mean row, where the rows lie farther from the origin than is good for products; 0 in columns from which it could not be
/// taken without rounding. Also whether the rows still lie far from the origin without it.
pub(in crate::memory) fn far_centre(rows: &Rows<'_>, squared: &[f32]) -> (Option<Vec<f32>>, bool) {
    let (n, d) = (rows.rows(), rows.columns());
    let mut sum = vec![0.0_f64; d];
    let mut largest = vec![0.0_f32; d];
    for row in rows.iter() {
        for ((sum, largest), v) in sum.iter_mut().zip(&mut largest).zip(row) {
            *sum += f64::from(*v);
            *largest = largest.max(v.abs());
        }
    }
    let mean = || sum.iter().map(|s| s / n as f64);
    let of_mean: f64 = mean().map(|v| v.powi(2)).sum();
    let spread = squared.iter().map(|s| f64::from(*s)).sum::<f64>() / n as f64 - of_mean;
    if !is_far(of_mean, spread) {
        return (None, false);
    }
    // A multiple of the last place of the largest value: most differences from it are then numbers of f32.
    let mut centre: Vec<f32> = mean().zip(&largest).map(|(mean, most)| rounded(mean, *most)).collect();
    for row in rows.iter() {
        for (c, v) in centre.iter_mut().zip(row) {
            *c = if is_exact_of(*v, *c) { *c } else { 0.0 };
        }
    }
    let left: f64 = mean().zip(&centre).map(|(mean, c)| (mean - f64::from(*c)).powi(2)).sum();
    (centre.iter().any(|c| *c != 0.0).then_some(centre), is_far(left, spread))
}

/// Whether a mean of this squared length is long beside the rows' spread around it.
fn is_far(mean: f64, spread: f64) -> bool {
    mean > 0.5 * spread.max(0.0)
}

/// The nearest multiple of the last place of `most`.
fn rounded(mean: f64, most: f32) -> f32 {
    let place = f64::from(most.abs().max(f32::MIN_POSITIVE)).log2().floor().exp2() * f64::from(f32::EPSILON);
    ((mean / place).round() * place) as f32
}

/// Whether `v - c` is a number of f32.
fn is_exact_of(v: f32, c: f32) -> bool {
    f64::from(v - c) + f64::from(c) == f64::from(v)
}

/// Whether the centre can be taken off all rows without rounding.
pub(in crate::memory) fn is_exact(rows: &Rows<'_>, centre: &[f32]) -> bool {
    let exact = |row: &[f32]| row.iter().zip(centre).all(|(v, c)| is_exact_of(*v, *c));
    rows.as_slice().par_chunks_exact(centre.len().max(1)).all(exact)
}

/// The rows with the same vector taken off each.
pub(in crate::memory) fn shifted(rows: &Rows<'_>, by: &[f32]) -> Result<Rows<'static>> {
    let moved: Vec<f32> = rows
        .as_slice()
        .par_chunks_exact(by.len())
        .flat_map_iter(|row| row.iter().zip(by).map(|(v, c)| v - c))
        .collect();
    Rows::new(moved, rows.columns())
}

/// The rows with the vector put back on each.
pub(in crate::memory) fn unshifted(rows: &Rows<'_>, by: &[f32]) -> Result<Rows<'static>> {
    let negative: Vec<f32> = by.iter().map(|c| -c).collect();
    shifted(rows, &negative)
}

impl DenseMemory {
    /// Puts the centre back on all rows, for further ones from which it cannot be taken without rounding. Costs a copy of all patterns.
    ///
    /// It waits for no other thread, so not for rayon's: they may all be waiting for this memory.
    pub(super) fn uncenter(&mut self) -> Result<()> {
        let Some(centre) = self.centre.clone() else { return Ok(()) };
        let d = centre.len();
        let numbers: Vec<u32> = (0..self.len() as u32).collect();
        let back = |mut rows: Vec<f32>| {
            rows.chunks_exact_mut(d).for_each(|row| row.iter_mut().zip(&centre).for_each(|(v, c)| *v += c));
            rows
        };
        let rows = Rows::new(back(self.patterns.gather(&numbers)?), d)?;
        let magnitude = |row: &[f32]| row.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        let mut patterns = self.patterns.emptied()?;
        patterns.append(&rows, None)?;
        if let Some(values) = &self.values {
            let kept = Rows::new(values.gather(&numbers)?, values.columns())?;
            let mut moved = Shards::new(self.device(), values.columns(), Precision::F32)?;
            moved.append_beside(&kept, &patterns)?;
            self.values = Some(moved);
        }
        self.patterns = patterns;
        self.squared = rows.iter().map(crate::cpu::similarity::squared).collect();
        self.magnitudes = rows.iter().map(magnitude).collect();
        self.widest = self.most_of(&self.squared, f32::INFINITY);
        self.largest = self.most_of(&self.magnitudes, f32::INFINITY);
        *self.neighbours.get_mut() = Neighbours::default();
        *self.terms.get_mut() = None;
        (self.centre, self.far) = (None, true);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn a_centre_comes_off_without_rounding_or_not_at_all() {
        let centre = |rows: &[[f32; 2]]| {
            let flat: Vec<f32> = rows.concat();
            let rows = Rows::new(flat, 2).unwrap();
            let squared: Vec<f32> = rows.iter().map(|r| r.iter().map(|v| v * v).sum()).collect();
            far_centre(&rows, &squared)
        };
        let near = |at: f32, v: f32| [at + v, 0.001 * v];
        let some: Vec<[f32; 2]> = (0..9).map(|i| near(1000.0, i as f32 / 7.0)).collect();
        let found = centre(&some).0.unwrap();
        assert!((found[0] - 1000.57).abs() < 0.01, "{found:?}");
        for row in &some {
            assert_eq!(((row[0] - found[0]) + found[0]).to_bits(), row[0].to_bits());
        }
        // Small rows beside large ones would lose their digits.
        assert_eq!(centre(&[[1e-6, 0.0], [1e6, 0.0], [1e6, 0.0]]), (None, true));
        assert_eq!(centre(&[[1.0, 0.0], [-1.0, 0.0]]), (None, false));
    }
}
