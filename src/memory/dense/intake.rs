//! What is done with rows on their way into a memory.

use super::neighbours::Nearest;
use crate::{
    Error, Precision, Result, Rows,
    ops::{LARGEST, Similarity, check_lengths},
};
use half::f16;
use rayon::prelude::*;
use std::borrow::Cow;

/// Rows that are ready to be stored.
#[derive(Default)]
pub(crate) struct Intake<'r> {
    /// As they will be kept; `None` where there are none.
    pub(super) rows: Option<Cow<'r, Rows<'r>>>,
    pub(super) measured: Measured,
    pub(super) hashes: Vec<u32>,
    /// The memory's centre with them.
    pub(super) centre: Option<Vec<f32>>,
    /// Whether they lie far from the origin all the same.
    pub(super) far: bool,
    pub(super) nearest: Vec<(u32, Nearest)>,
}

/// What is measured of a batch of rows on the way in.
#[derive(Default)]
pub(in crate::memory) struct Measured {
    pub(in crate::memory) squared: Vec<f32>,
    /// Largest coordinate of each row, and of all.
    pub(in crate::memory) magnitudes: Vec<f32>,
    pub(in crate::memory) largest: f32,
}

/// Squared lengths and the largest coordinate; refuses what no score could be made of.
pub(in crate::memory) fn measure(
    rows: &Rows<'_>,
    what: &'static str,
    similarity: Similarity,
) -> Result<Measured> {
    if rows.rows() == 0 {
        return Ok(Measured::default());
    }
    let d = rows.columns();
    let squared: Vec<f32> =
        rows.as_slice().par_chunks_exact(d).map(crate::cpu::similarity::squared).collect();
    check_lengths(rows, &squared, LARGEST, what)?;
    if similarity == Similarity::Cosine
        && let Some(row) = squared.iter().position(|s| *s < f32::MIN_POSITIVE)
    {
        let largest = rows.row(row).iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        if largest == 0.0 {
            return Err(Error::ZeroNorm { what, row });
        }
        let given = format!("{largest:e} at most ({what}, row {row})");
        let want = "large enough for its square to be an f32: multiply the data by 1e20";
        return Err(Error::parameter("size of a row's values", given, want));
    }
    let magnitude = |row: &[f32]| row.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    let magnitudes: Vec<f32> = rows.as_slice().par_chunks_exact(d).map(magnitude).collect();
    let largest = magnitudes.iter().copied().fold(0.0, f32::max);
    Ok(Measured { squared, magnitudes, largest })
}

/// Refuses rows that a memory of this kind could not store.
pub(crate) fn check_patterns(rows: &Rows<'_>, similarity: Similarity, precision: Precision) -> Result<()> {
    let largest = measure(rows, "patterns", similarity)?.largest;
    if precision == Precision::F16 { check_f16(largest) } else { Ok(()) }
}

/// Refuses a largest value beyond f16.
fn check_f16(largest: f32) -> Result<()> {
    if largest > f16::MAX.to_f32() {
        let want = format!("at most {} in f16; use f32 or scale the data down", f16::MAX);
        return Err(Error::parameter("largest value", format!("{largest} (patterns)"), want));
    }
    Ok(())
}

/// Refuses values that were not given as they must be.
pub(in crate::memory) fn check_values(rows: &Rows<'_>, patterns: usize) -> Result<()> {
    if rows.rows() != patterns {
        return Err(Error::dimension("rows of values (one per pattern)", rows.rows(), patterns));
    }
    if rows.columns() == 0 {
        return Err(Error::parameter("columns of values", 0, "at least 1"));
    }
    rows.check_finite("values")
}

/// Share of a row's largest value that rounding to f16 may change: its normal numbers keep eleven bits.
const LOST_IN_F16: f32 = 1.0 / 1024.0;

/// The nearest f16 to each value, widened again. Refuses rows of which that leaves little, since they are below the normal numbers of
/// f16.
pub(super) fn rounded_to_f16(rows: &Rows<'_>, largest: f32) -> Result<Rows<'static>> {
    check_f16(largest)?;
    let values: Vec<f32> = rows.as_slice().par_iter().map(|v| f16::from_f32(*v).to_f32()).collect();
    let rounded = Rows::new(values, rows.columns())?;
    for (i, (row, kept)) in rows.iter().zip(rounded.iter()).enumerate() {
        let largest = row.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        let lost = row.iter().zip(kept).fold(0.0_f32, |m, (v, k)| m.max((v - k).abs()));
        if lost > LOST_IN_F16 * largest {
            let given = format!("{largest:e} at most (patterns, row {i})");
            let want = "at least 1e-4 in f16, which has no digits left for it; use f32 or scale the data up";
            return Err(Error::parameter("size of a row's values", given, want));
        }
    }
    Ok(rounded)
}
