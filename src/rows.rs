//! Host matrices: what patterns and queries come in as, and what results go out as.

use crate::{Error, Result};
use half::f16;
use std::{borrow::Cow, ops::Index, sync::Arc};

/// Rows held by someone else, for example a memory-mapped file: f32, row-major.
pub type SharedRows = Arc<dyn AsRef<[f32]> + Send + Sync>;

/// A number type that a host matrix may hold; computation is in f32.
pub trait Element: Copy + 'static {
    /// The values as f32: borrowed where they are f32 already, else rounded to the nearest f32.
    fn to_f32(values: &[Self]) -> Cow<'_, [f32]>;
}

impl Element for f32 {
    fn to_f32(values: &[Self]) -> Cow<'_, [f32]> {
        Cow::Borrowed(values)
    }
}

macro_rules! element {
    ($($t:ty => $convert:expr;)*) => {$(
        impl Element for $t {
            fn to_f32(values: &[Self]) -> Cow<'_, [f32]> {
                Cow::Owned(values.iter().map(|&v| $convert(v)).collect())
            }
        }
    )*};
}
element! {
    f16 => f16::to_f32;
    f64 => |v| v as f32;
    i8 => f32::from;
    u8 => f32::from;
    i16 => f32::from;
    u16 => f32::from;
    i32 => |v| v as f32;
    u32 => |v| v as f32;
    i64 => |v| v as f32;
    u64 => |v| v as f32;
}

/// A row-major matrix of f32 on the host, borrowed or owned: `[rows, columns]`.
///
/// ```
/// use attractor::Rows;
/// let m = Rows::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3)?;
/// assert_eq!((m.rows(), m.columns()), (2, 3));
/// assert_eq!(m.row(1), [4.0, 5.0, 6.0]);
/// assert_eq!(m[(1, 2)], 6.0);
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows<'a> {
    data: Cow<'a, [f32]>,
    columns: usize,
}

impl<'a> Rows<'a> {
    /// A matrix with rows of `columns` values, from a flat slice (borrowed) or vector (owned).
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] where the length is no multiple of `columns`;
    /// [`Error::InvalidParameter`] where `columns` is 0.
    pub fn new(data: impl Into<Cow<'a, [f32]>>, columns: usize) -> Result<Self> {
        let data = data.into();
        if columns == 0 {
            return Err(Error::parameter("columns", 0, "at least 1"));
        }
        if !data.len().is_multiple_of(columns) {
            let whole = data.len() / columns * columns;
            return Err(Error::dimension(
                format!("values for rows of {columns} columns (a multiple of it)"),
                data.len(),
                whole,
            ));
        }
        Ok(Self { data, columns })
    }

    /// A matrix without rows.
    pub fn empty(columns: usize) -> Self {
        Self { data: Cow::Borrowed(&[]), columns }
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.data.len().checked_div(self.columns).unwrap_or(0)
    }

    /// How many columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All values, row after row.
    pub fn as_slice(&self) -> &[f32] {
        &self.data
    }

    /// Row `i`, counted from 0.
    ///
    /// # Panics
    /// As slice indexing does, where there is no such row.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.columns..(i + 1) * self.columns]
    }

    /// The rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.data.chunks_exact(self.columns.max(1))
    }

    /// Rows `range` as a view.
    ///
    /// # Panics
    /// As slice indexing does, where there are no such rows.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Rows<'_> {
        let data = &self.data[range.start * self.columns..range.end * self.columns];
        Rows { data: Cow::Borrowed(data), columns: self.columns }
    }

    /// All values as a vector, without a copy where they are owned.
    pub fn into_vec(self) -> Vec<f32> {
        self.data.into_owned()
    }

    /// The same matrix, owning its values.
    pub fn into_owned(self) -> Rows<'static> {
        Rows { data: Cow::Owned(self.data.into_owned()), columns: self.columns }
    }

    /// Refuses NaN and infinities.
    ///
    /// # Errors
    /// [`Error::NonFinite`] with the first row and column of such a value; `what` names the input.
    pub fn check_finite(&self, what: &str) -> Result<()> {
        match self.data.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(at) => Err(Error::NonFinite {
                what: what.to_owned(),
                row: at / self.columns,
                column: at % self.columns,
                value: self.data[at],
            }),
        }
    }
}

impl Index<(usize, usize)> for Rows<'_> {
    type Output = f32;

    fn index(&self, (row, column): (usize, usize)) -> &f32 {
        &self.row(row)[column]
    }
}

/// What can be read as a matrix of patterns or queries: vectors of rows, arrays, slices, a single
/// row, [`Rows`], and `ndarray` arrays behind the feature of that name.
///
/// f64 and 64-bit integers are rounded to the nearest f32; where that would make rows alike, as with time stamps, see
/// [`narrow`](crate::narrow).
///
/// A flat `[f32]`, `Vec<f32>` or `[f32; D]` is **one row**; for a flat matrix use [`Rows::new`].
///
/// ```
/// use attractor::ToRows;
/// assert_eq!(vec![[0.0, 1.0], [1.0, 0.0]].to_rows()?.rows(), 2);
/// assert_eq!([0.5_f64, 1.0, 2.0].to_rows()?.columns(), 3);
/// # Ok::<(), attractor::Error>(())
/// ```
pub trait ToRows {
    /// The rows, borrowed where they already lie as f32 in row-major order.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] naming the first row of another length than row 0.
    fn to_rows(&self) -> Result<Rows<'_>>;
}

impl ToRows for Rows<'_> {
    fn to_rows(&self) -> Result<Rows<'_>> {
        Ok(Rows { data: Cow::Borrowed(&self.data), columns: self.columns })
    }
}

impl<T: Element> ToRows for [T] {
    fn to_rows(&self) -> Result<Rows<'_>> {
        Rows::new(T::to_f32(self), self.len())
    }
}

impl<T: Element> ToRows for Vec<T> {
    fn to_rows(&self) -> Result<Rows<'_>> {
        self.as_slice().to_rows()
    }
}

impl<T: Element, const D: usize> ToRows for [T; D] {
    fn to_rows(&self) -> Result<Rows<'_>> {
        self.as_slice().to_rows()
    }
}

impl<T: Element, const D: usize> ToRows for [[T; D]] {
    fn to_rows(&self) -> Result<Rows<'_>> {
        Rows::new(T::to_f32(self.as_flattened()), D)
    }
}

impl<T: Element, const D: usize> ToRows for Vec<[T; D]> {
    fn to_rows(&self) -> Result<Rows<'_>> {
        self.as_slice().to_rows()
    }
}

impl<T: Element, const D: usize, const N: usize> ToRows for [[T; D]; N] {
    fn to_rows(&self) -> Result<Rows<'_>> {
        self.as_slice().to_rows()
    }
}

/// Gathers rows of equal length; names the first that is not.
fn gather<'r, T: Element>(rows: impl ExactSizeIterator<Item = &'r [T]>) -> Result<Rows<'static>> {
    let count = rows.len();
    let mut columns = 0;
    let mut data = Vec::new();
    for (i, row) in rows.enumerate() {
        if i == 0 {
            columns = row.len();
            data.reserve(count * columns);
        } else if row.len() != columns {
            return Err(Error::dimension(format!("columns of row {i} (as row 0 has)"), row.len(), columns));
        }
        data.extend_from_slice(&T::to_f32(row));
    }
    if count == 0 {
        return Ok(Rows::empty(0));
    }
    Rows::new(data, columns)
}

impl<T: Element> ToRows for [Vec<T>] {
    fn to_rows(&self) -> Result<Rows<'_>> {
        gather(self.iter().map(Vec::as_slice))
    }
}

impl<T: Element, const N: usize> ToRows for [Vec<T>; N] {
    fn to_rows(&self) -> Result<Rows<'_>> {
        self.as_slice().to_rows()
    }
}

impl<T: Element> ToRows for Vec<Vec<T>> {
    fn to_rows(&self) -> Result<Rows<'_>> {
        self.as_slice().to_rows()
    }
}

impl<T: Element> ToRows for [&[T]] {
    fn to_rows(&self) -> Result<Rows<'_>> {
        gather(self.iter().copied())
    }
}

impl<T: Element> ToRows for Vec<&[T]> {
    fn to_rows(&self) -> Result<Rows<'_>> {
        self.as_slice().to_rows()
    }
}

impl<T: ToRows + ?Sized> ToRows for &T {
    fn to_rows(&self) -> Result<Rows<'_>> {
        (**self).to_rows()
    }
}

#[cfg(feature = "ndarray")]
mod with_ndarray {
    use super::{Cow, Element, Result, Rows, ToRows};
    use ndarray::{Array2, ArrayBase, Data, Ix1, Ix2};

    impl<T: Element, S: Data<Elem = T>> ToRows for ArrayBase<S, Ix2> {
        fn to_rows(&self) -> Result<Rows<'_>> {
            match self.as_slice() {
                Some(flat) => Rows::new(T::to_f32(flat), self.ncols()),
                None => {
                    let flat: Vec<T> = self.iter().copied().collect();
                    Rows::new(T::to_f32(&flat).into_owned(), self.ncols())
                }
            }
        }
    }

    impl<T: Element, S: Data<Elem = T>> ToRows for ArrayBase<S, Ix1> {
        fn to_rows(&self) -> Result<Rows<'_>> {
            let flat: Cow<'_, [T]> = match self.as_slice() {
                Some(flat) => Cow::Borrowed(flat),
                None => Cow::Owned(self.iter().copied().collect()),
            };
            let columns = flat.len();
            match flat {
                Cow::Borrowed(flat) => Rows::new(T::to_f32(flat), columns),
                Cow::Owned(flat) => Rows::new(T::to_f32(&flat).into_owned(), columns),
            }
        }
    }

    impl From<Rows<'_>> for Array2<f32> {
        fn from(rows: Rows<'_>) -> Self {
            let (n, d) = (rows.rows(), rows.columns());
            let flat = rows.into_vec();
            // The shape is that of the flat vector by construction, so the fallback is never taken.
            Array2::from_shape_vec((n, d), flat).unwrap_or_else(|_| Array2::zeros((n, d)))
        }
    }
}

/// A number that equal rows share; 0 and -0 are equal. Other rows may have it too.
pub(crate) fn hash(row: &[f32]) -> u64 {
    row.iter().fold(0, |hash: u64, v| {
        let mixed =
            (hash.rotate_left(29) ^ u64::from((v + 0.0).to_bits())).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^ (mixed >> 32)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn ragged_rows_name_the_row() {
        let error = vec![vec![1.0_f32, 2.0], vec![3.0]].to_rows().unwrap_err();
        assert!(error.to_string().contains("row 1"), "{error}");
    }

    #[test]
    fn non_finite_values_name_their_place() {
        let rows = Rows::new(vec![0.0, 1.0, 2.0, f32::NAN], 2).unwrap();
        let error = rows.check_finite("queries").unwrap_err();
        assert_eq!(error.to_string(), "queries: row 1, column 1 is NaN; every value must be finite");
    }

    #[test]
    fn every_form_of_input_gives_the_same_rows() {
        let want = Rows::new(vec![1.0, 2.0, 3.0, 4.0], 2).unwrap();
        assert_eq!([[1.0_f32, 2.0], [3.0, 4.0]].to_rows().unwrap(), want);
        assert_eq!(vec![vec![1_u8, 2], vec![3, 4]].to_rows().unwrap(), want);
        assert_eq!(vec![[1.0_f64, 2.0], [3.0, 4.0]].to_rows().unwrap(), want);
        assert_eq!(vec![&[1_i32, 2][..], &[3, 4]].to_rows().unwrap(), want);
        assert_eq!(vec![f16::ONE; 3].to_rows().unwrap(), Rows::new(vec![1.0; 3], 3).unwrap());
    }
}
