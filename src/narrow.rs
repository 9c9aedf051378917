//! Narrowing: numbers of f64 and 64-bit integers as the f32 that is computed with, their fine detail kept.
//!
//! f32 has 24 bits. Of a time stamp of 1.7e9 s it knows 128 s, of a coordinate of 5,600,000.25 m half a metre; and rows that differ
//! by less become one. What tells such rows apart is not the size of their values but how far these lie from each other, so a
//! common offset per column goes off **before** the rounding: a value `v` with offset `o` is kept to `2^-24 |v - o|` in place of
//! `2^-24 |v|`. Distances do not notice ([`Similarity::is_translation_invariant`]); products and angles do, and for these there is
//! [`Narrowing::Nearest`] alone.
//!
//! ```
//! use attractor::{narrow::{Narrowed, Narrowing}, prelude::*};
//!
//! // Seconds, and a reading. As f32, the three time stamps would be one.
//! let patterns = [1_700_000_000.0, 0.5, 1_700_000_010.0, 0.5, 1_700_000_020.0, 0.25_f64];
//! let stored = Narrowed::new(&patterns, 2, Narrowing::Centred)?;
//! let offset = stored.offset().ok_or(attractor::Error::EmptyMemory)?;
//! let memory = DenseMemory::new(&stored.rows())?;
//!
//! // Queries are narrowed as the patterns were, and states get the offset back.
//! let queries = Narrowed::new(&[1_700_000_011.0, 0.5], 2, Narrowing::As(offset))?;
//! let recall = memory.recall(&queries.rows())?;
//! assert_eq!(recall.indices[0], 1);
//! assert!((offset.restored(&recall.states)[0] - 1_700_000_010.0).abs() < 0.1);
//! # Ok::<(), attractor::Error>(())
//! ```
//!
//! [`Similarity::is_translation_invariant`]: crate::ops::Similarity::is_translation_invariant

use crate::{Error, Result, Rows, SharedRows, rows::hash};
use rayon::prelude::*;
use std::{cmp::Ordering, fmt, sync::Arc};

/// Numbers that f32 may not hold: f64, and integers of 64 bits and more.
pub trait Wide: Copy + PartialEq + Send + Sync + 'static {
    /// The nearest f64.
    fn to_f64(self) -> f64;
    /// The nearest f32.
    fn to_f32(self) -> f32;
    /// The number without `offset`, as the nearest f32. Whole numbers lose nothing before.
    fn without(self, offset: f64) -> f32;
    /// How far [`Wide::without`] is from what it should be.
    fn error(self, offset: f64) -> f64;
    /// How far it is above another.
    fn above(self, other: Self) -> f64;
    /// Ascending order; NaN at an end.
    fn order(self, other: Self) -> Ordering;
}

impl Wide for f64 {
    fn to_f64(self) -> f64 {
        self
    }

    fn to_f32(self) -> f32 {
        self as f32
    }

    fn without(self, offset: f64) -> f32 {
        (self - offset) as f32
    }

    fn error(self, offset: f64) -> f64 {
        let exact = self - offset;
        (exact - Self::from(exact as f32)).abs()
    }

    fn above(self, other: Self) -> f64 {
        self - other
    }

    fn order(self, other: Self) -> Ordering {
        self.total_cmp(&other)
    }
}

macro_rules! whole {
    ($($t:ty)*) => {$(
        impl Wide for $t {
            fn to_f64(self) -> f64 {
                self as f64
            }

            fn to_f32(self) -> f32 {
                self as f32
            }

            fn without(self, offset: f64) -> f32 {
                let (whole, part) = split(offset);
                let rest = (self as i128).saturating_sub(whole);
                if part == 0.0 { rest as f32 } else { (rest as f64 - part) as f32 }
            }

            fn error(self, offset: f64) -> f64 {
                let (whole, part) = split(offset);
                let rest = (self as i128).saturating_sub(whole);
                let narrow = self.without(offset);
                // Exact where the offset is whole, as one that has been chosen is.
                let error = match part == 0.0 {
                    true => rest.saturating_sub(narrow as i128) as f64,
                    false => rest as f64 - part - f64::from(narrow),
                };
                error.abs()
            }

            fn above(self, other: Self) -> f64 {
                (self as i128).saturating_sub(other as i128) as f64
            }

            fn order(self, other: Self) -> Ordering {
                self.cmp(&other)
            }
        }
    )*};
}
whole!(i64 u64 i128);

/// An offset as a whole number and what is left of it.
fn split(offset: f64) -> (i128, f64) {
    (offset.floor() as i128, offset - offset.floor())
}

/// What goes off each column before it is narrowed: finite numbers, 0 for columns that stay as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Offset(Vec<f64>);

impl Offset {
    /// An offset for each column.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] where one is not finite.
    pub fn new(columns: Vec<f64>) -> Result<Self> {
        match columns.iter().find(|offset| !offset.is_finite()) {
            Some(offset) => Err(Error::parameter("offset of a column", offset, "finite")),
            None => Ok(Self(columns)),
        }
    }

    /// The offset of each column.
    pub fn columns(&self) -> &[f64] {
        &self.0
    }

    /// Rows with the offset added again, row after row, in f64: states in the numbers that the patterns came in.
    pub fn restored(&self, rows: &Rows<'_>) -> Vec<f64> {
        rows.iter()
            .flat_map(|row| row.iter().zip(&self.0).map(|(v, offset)| f64::from(*v) + offset))
            .collect()
    }
}

/// How numbers become f32.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Narrowing<'a> {
    /// Each to the nearest f32.
    #[default]
    Nearest,
    /// As [`Narrowing::Nearest`], but columns that it would spoil lose a common offset first: those where the smallest difference of
    /// two values would change by more than a thousandth, and where the offset makes the rounding errors at least four times
    /// smaller.
    Centred,
    /// With the offset that other rows have lost.
    As(&'a Offset),
}

/// Rows that differ before they are narrowed, and not after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collisions {
    /// How many rows have become equal to one that they differed from.
    pub rows: usize,
    /// The first two of them, from 0.
    pub first: [usize; 2],
}

impl fmt::Display for Collisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, first: [one, other] } = self;
        write!(
            f,
            "{rows} rows differ in the file, but not once they are rounded to f32, in which is computed; the first two are rows {one} and {other}"
        )
    }
}

/// Rows of f32 made of wider numbers, and what that took.
#[derive(Clone)]
pub struct Narrowed {
    values: SharedRows,
    columns: usize,
    offset: Option<Offset>,
    collisions: Option<Collisions>,
}

impl Narrowed {
    /// Narrows rows of `columns` numbers. What f32 holds as it is stays as it is, unless an offset is given.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] where the numbers are no whole rows, or the given offset is of other columns;
    /// [`Error::BeyondF32`] for a number that is too large. NaN and infinities are let through, for
    /// [`Rows::check_finite`] to find.
    pub fn new<T: Wide>(data: &[T], columns: usize, narrowing: Narrowing<'_>) -> Result<Self> {
        if columns == 0 || !data.len().is_multiple_of(columns) {
            let what = format!("values for rows of {columns} columns (a multiple of it)");
            return Err(Error::dimension(what, data.len(), data.len() / columns.max(1) * columns));
        }
        if let Narrowing::As(offset) = narrowing
            && offset.0.len() != columns
        {
            return Err(Error::dimension("columns (as the offset has)", columns, offset.0.len()));
        }
        let is_lossy = data.par_iter().any(|v| v.error(0.0) > 0.0);
        let offset = match narrowing {
            Narrowing::Centred if is_lossy => choose(data, columns),
            Narrowing::Nearest | Narrowing::Centred => None,
            Narrowing::As(offset) => Some(offset.clone()),
        };
        let mut values = vec![0.0; data.len()];
        let none = vec![0.0; columns];
        let offsets = offset.as_ref().map_or(&none, |offset| &offset.0);
        values.par_chunks_exact_mut(columns).zip(data.par_chunks_exact(columns)).for_each(
            |(narrow, wide)| {
                for ((narrow, wide), offset) in narrow.iter_mut().zip(wide).zip(offsets) {
                    *narrow = if *offset == 0.0 { wide.to_f32() } else { wide.without(*offset) };
                }
            },
        );
        if let Some(at) = values.iter().zip(data).position(|(f, v)| f.is_infinite() && v.to_f64().is_finite())
        {
            return Err(Error::BeyondF32 {
                row: at / columns,
                column: at % columns,
                value: data[at].to_f64(),
            });
        }
        let collisions = if offset.is_some() || is_lossy { collisions(data, &values, columns) } else { None };
        Ok(Self { values: Arc::new(values), columns, offset, collisions })
    }

    /// Rows that were f32 all along.
    pub(crate) fn plain(values: SharedRows, columns: usize) -> Self {
        Self { values, columns, offset: None, collisions: None }
    }

    /// The same rows, which have lost this offset before.
    #[must_use]
    pub fn with_offset(self, offset: Offset) -> Self {
        Self { offset: Some(offset), ..self }
    }

    /// The rows.
    pub fn rows(&self) -> Rows<'_> {
        // Whole rows by construction, so the fallback is never taken.
        Rows::new((*self.values).as_ref(), self.columns).unwrap_or_else(|_| Rows::empty(self.columns))
    }

    /// The rows without a copy, for [`build_shared`](crate::memory::Builder::build_shared), and how many columns they have.
    pub fn shared(&self) -> (SharedRows, usize) {
        (Arc::clone(&self.values), self.columns)
    }

    /// What has gone off the columns; `None` where nothing has.
    pub fn offset(&self) -> Option<&Offset> {
        self.offset.as_ref()
    }

    /// Rows that have become equal; `None` where none have.
    pub fn collisions(&self) -> Option<Collisions> {
        self.collisions
    }
}

impl fmt::Debug for Narrowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { columns, offset, collisions, .. } = self;
        let mut fields = f.debug_struct("Narrowed");
        fields.field("rows", &self.rows().rows()).field("columns", columns);
        fields.field("offset", offset).field("collisions", collisions).finish()
    }
}

/// How many times smaller an offset must make the rounding errors.
const GAIN: f64 = 4.0;
/// The largest share of the smallest difference in a column by which rounding may change it.
const SHARE: f64 = 1e-3;

/// The offset for these rows; `None` where no column needs any.
fn choose<T: Wide>(data: &[T], columns: usize) -> Option<Offset> {
    const SAMPLE: usize = 1025;
    // Columns that lie side by side in a line of the cache are looked at together.
    const TOGETHER: usize = 8;
    let rows = data.len() / columns;
    let every = rows.div_ceil(SAMPLE).max(1);
    let mut offset = vec![0.0; columns];
    offset.par_chunks_mut(TOGETHER).enumerate().for_each(|(block, offsets)| {
        let first = block * TOGETHER;
        let mut sample = vec![Vec::new(); offsets.len()];
        gather(data.chunks_exact(columns).step_by(every), first, &mut sample);
        let candidates: Vec<Option<f64>> = sample.iter_mut().map(|column| candidate(column)).collect();
        if candidates.iter().all(Option::is_none) {
            return;
        }
        let mut all = vec![Vec::new(); offsets.len()];
        gather(data.chunks_exact(columns), first, &mut all);
        for ((offset, candidate), column) in offsets.iter_mut().zip(candidates).zip(&mut all) {
            *offset = candidate.filter(|candidate| is_needed(column, *candidate)).unwrap_or(0.0);
        }
    });
    offset.iter().any(|offset| *offset != 0.0).then_some(Offset(offset))
}

/// Adds the columns from `first` on of some rows, without what is not finite.
fn gather<'d, T: Wide>(rows: impl Iterator<Item = &'d [T]>, first: usize, columns: &mut [Vec<T>]) {
    for row in rows {
        for (column, value) in columns.iter_mut().zip(&row[first..]) {
            if value.to_f64().is_finite() {
                column.push(*value);
            }
        }
    }
}

/// An offset for a column, where it would help: the value in the middle of a sample. A few values that lie elsewhere, such as a 0 for
/// what is missing, do not move it, and from its neighbours it goes off without a rounding.
fn candidate<T: Wide>(sample: &mut [T]) -> Option<f64> {
    sample.sort_unstable_by(|a, b| a.order(*b));
    let offset = sample.get(sample.len() / 2)?.to_f64();
    helps(sample, offset).then_some(offset)
}

/// Whether an offset makes the rounding errors of a column much smaller.
fn helps<T: Wide>(column: &[T], offset: f64) -> bool {
    let total = |offset: f64| column.iter().map(|v| v.error(offset)).sum::<f64>();
    let plain = total(0.0);
    plain > 0.0 && GAIN * total(offset) <= plain
}

/// Whether a column needs this offset: it makes the errors smaller, and without it they would matter.
fn is_needed<T: Wide>(column: &mut [T], offset: f64) -> bool {
    if !helps(column, offset) {
        return false;
    }
    let worst = column.iter().map(|v| v.error(0.0)).fold(0.0, f64::max);
    column.sort_unstable_by(|a, b| a.order(*b));
    let differences = column.windows(2).map(|pair| pair[1].above(pair[0])).filter(|gap| *gap > 0.0);
    // Either end of a difference may be off.
    2.0 * worst > SHARE * differences.fold(f64::INFINITY, f64::min)
}

/// Rows that differ in `data` and not in `values`.
fn collisions<T: Wide>(data: &[T], values: &[f32], columns: usize) -> Option<Collisions> {
    let row = |i: usize| &values[i * columns..(i + 1) * columns];
    let wide = |i: usize| &data[i * columns..(i + 1) * columns];
    // What is not finite is refused later, and would be equal to nothing.
    let hashed = |(i, row): (usize, &[f32])| row.iter().all(|v| v.is_finite()).then(|| (hash(row), i));
    let mut hashes: Vec<(u64, usize)> =
        values.par_chunks_exact(columns).enumerate().filter_map(hashed).collect();
    hashes.par_sort_unstable();
    let mut found: Option<Collisions> = None;
    for group in hashes.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
        // The first of each kind of row, how many there are, and the first that was another before. Different rows of one hash
        // are as good as never there.
        let mut kinds: Vec<(usize, usize, Option<usize>)> = Vec::new();
        for (_, i) in group {
            match kinds.iter_mut().find(|(first, ..)| row(*first) == row(*i)) {
                Some((first, count, other)) => {
                    *count += 1;
                    if other.is_none() && wide(*first) != wide(*i) {
                        *other = Some(*i);
                    }
                }
                None => kinds.push((*i, 1, None)),
            }
        }
        for (first, count, other) in kinds {
            let Some(other) = other else { continue };
            let found = found.get_or_insert(Collisions { rows: 0, first: [first, other] });
            found.rows += count;
            found.first = found.first.min([first, other]);
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn centred<T: Wide>(data: &[T], columns: usize) -> Narrowed {
        Narrowed::new(data, columns, Narrowing::Centred).unwrap()
    }

    #[test]
    fn what_f32_holds_stays_as_it_is() {
        let data = [1e9, 0.5, -3.25, 1.0, f64::from(0.1_f32), -0.0];
        for narrowing in [Narrowing::Centred, Narrowing::Nearest] {
            let narrowed = Narrowed::new(&data, 2, narrowing).unwrap();
            assert_eq!((narrowed.offset(), narrowed.collisions()), (None, None));
            let bits = |v: &f32| v.to_bits();
            let got: Vec<u32> = narrowed.rows().as_slice().iter().map(bits).collect();
            assert_eq!(got, data.map(|v| (v as f32).to_bits()));
        }
        // Nor do numbers that lose nothing that would tell rows apart: measured to a tenth, or spread around 0.
        for data in [&[5.1, 4.9, 7.9, 4.3, 5.8][..], &[0.1, -0.3, 0.7, -1e-9, 0.2]] {
            assert_eq!(centred(data, 1).offset(), None, "{data:?}");
        }
    }

    #[test]
    fn time_stamps_and_coordinates_keep_their_detail() {
        let seconds: Vec<f64> =
            (0..500).flat_map(|i| [1.7e9 + f64::from(i), f64::from(i % 7) * 0.1]).collect();
        let narrowed = centred(&seconds, 2);
        let offset = narrowed.offset().unwrap();
        // The readings beside them keep their own zero.
        assert_eq!((offset.columns()[0], offset.columns()[1]), (1.7e9 + 250.0, 0.0));
        assert_eq!(narrowed.collisions(), None);
        for (got, want) in offset.restored(&narrowed.rows()).chunks(2).zip(seconds.chunks(2)) {
            assert_eq!(got[0], want[0]);
            assert_eq!(got[1] as f32, want[1] as f32);
        }
        let metres = [5_600_000.25, 5_600_000.5, 5_600_000.75, 5_600_005.25];
        let narrowed = centred(&metres, 1);
        assert_eq!(narrowed.offset().unwrap().restored(&narrowed.rows()), metres);
        assert_eq!(narrowed.collisions(), None);
        // A value that is missing does not spoil the others.
        let mut gap = vec![1.7e9 + 1.0; 50];
        gap.iter_mut().enumerate().for_each(|(i, v)| *v += i as f64);
        gap[7] = 0.0;
        let narrowed = centred(&gap, 1);
        let restored = narrowed.offset().unwrap().restored(&narrowed.rows());
        assert!(restored.iter().zip(&gap).enumerate().all(|(i, (got, want))| i == 7 || got == want));
    }

    #[test]
    fn nanoseconds_in_64_bits_lose_nothing_that_f64_would() {
        // As f64 these differ by less than its resolution there, 256.
        let stamps: Vec<i64> = (0..100).map(|i| 1_700_000_000_000_000_003 + i).collect();
        let narrowed = centred(&stamps, 1);
        assert_eq!(narrowed.collisions(), None);
        let rows = narrowed.rows();
        let steps: Vec<f32> = rows.as_slice().windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(steps, [1.0; 99]);
        let query = Narrowed::new(&[stamps[40]], 1, Narrowing::As(narrowed.offset().unwrap())).unwrap();
        assert_eq!(query.rows().row(0), rows.row(40));
        for stamps in [&[i64::MIN, i64::MIN + 1, i64::MIN + 2][..], &[i64::MAX - 2, i64::MAX - 1, i64::MAX]] {
            let narrowed = centred(stamps, 1);
            assert_eq!(narrowed.collisions(), None, "{stamps:?} {narrowed:?}");
        }
        let narrowed = centred(&[u64::MAX, u64::MAX - 1, u64::MAX - 2], 1);
        assert_eq!(narrowed.collisions(), None);
    }

    #[test]
    fn rows_that_become_equal_are_counted_and_named() {
        let plain =
            |data: &[f64], columns| Narrowed::new(data, columns, Narrowing::Nearest).unwrap().collisions();
        // Rows 1, 3 and 4 become one; rows 0 and 2 always were.
        let data = [5.0, 1.0, 1e9, 2.0, 5.0, 1.0, 1e9 + 1.0, 2.0, 1e9, 2.0];
        assert_eq!(plain(&data, 2), Some(Collisions { rows: 3, first: [1, 3] }));
        assert_eq!(plain(&[1e9, 1.0, 1e9, 2.0, 1e9 + 1.0, 3.0], 2), None);
        // Two groups far from each other in one column: no offset holds both.
        let far: Vec<f64> =
            (0..40).map(|i| f64::from(i % 20) * 1e-4 + if i < 20 { 0.1 } else { 1e9 }).collect();
        assert_eq!(centred(&far, 1).collisions().map(|c| (c.rows, c.first)), Some((20, [20, 21])));
        let zeros = plain(&[0.0, -0.0, 1e-60, 0.1], 1).unwrap();
        assert_eq!((zeros.rows, zeros.first), (3, [0, 2]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |data: &[f64], columns, narrowing| {
            Narrowed::new(data, columns, narrowing).unwrap_err().to_string()
        };
        let beyond = refused(&[0.0, 1.0, 0.0, 1e39], 2, Narrowing::Nearest);
        assert!(beyond.contains("row 1, column 1 is 1e39"), "{beyond}");
        assert!(refused(&[0.0; 3], 2, Narrowing::Nearest).contains("multiple"));
        let offset = Offset::new(vec![1.0]).unwrap();
        assert!(refused(&[0.0; 4], 2, Narrowing::As(&offset)).contains("got 2, want 1"));
        assert!(Offset::new(vec![f64::NAN]).is_err());
        let odd = Narrowed::new(&[f64::NAN, 0.1, f64::INFINITY, 0.2], 2, Narrowing::Centred).unwrap();
        assert!(odd.rows().check_finite("patterns").is_err());
        assert_eq!(Narrowed::new::<f64>(&[], 3, Narrowing::Centred).unwrap().rows().rows(), 0);
    }

    proptest! {
        /// Wherever numbers lie, and whatever is taken off: each comes back to within half a step of f32 at its distance from the offset.
        #[test]
        fn no_number_is_off_by_more_than_promised(
            base in prop_oneof![Just(0.0), -1e15..1e15_f64, -1e3..1e3_f64],
            spread in prop_oneof![Just(1.0), 1e-6..1e6_f64],
            units in prop::collection::vec(-1.0..1.0_f64, 1..40),
        ) {
            let data: Vec<f64> = units.iter().map(|u| base + spread * u).collect();
            let narrowed = centred(&data, 1);
            let none = Offset(vec![0.0]);
            let offset = narrowed.offset().unwrap_or(&none);
            for (got, want) in offset.restored(&narrowed.rows()).iter().zip(&data) {
                let bound = (want - offset.0[0]).abs() * 2_f64.powi(-24) + want.abs() * 2_f64.powi(-51);
                prop_assert!((got - want).abs() <= bound, "{} is {}", want, got);
            }
            // It is never worse than without.
            let total = |values: &[f64]| values.iter().zip(&data).map(|(a, b)| (a - b).abs()).sum::<f64>();
            let plain: Vec<f64> = data.iter().map(|v| f64::from(*v as f32)).collect();
            prop_assert!(total(&offset.restored(&narrowed.rows())) <= total(&plain) * (1.0 + 1e-9));
        }
    }
}
