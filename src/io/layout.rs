//! What the bytes of an array mean, and their conversion to what is asked for.

use super::fault::{Checked, Fault};
use half::{bf16, f16};
use std::io::Read;

/// The number types that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dtype {
    Bool,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F16,
    BF16,
    F32,
    F64,
}

/// What a caller makes of a number: its value in one of several types, or whether it is anything but zero.
pub(super) trait Target: Copy + Default {
    fn of(number: impl Number) -> Self;

    /// Whether a finite number has no counterpart.
    fn loses(number: f64) -> bool;
}

impl Target for f32 {
    fn of(number: impl Number) -> Self {
        number.to_f32()
    }

    fn loses(number: f64) -> bool {
        number.is_finite() && (number as f32).is_infinite()
    }
}

impl Target for f64 {
    fn of(number: impl Number) -> Self {
        number.to_f64()
    }

    fn loses(_: f64) -> bool {
        false
    }
}

impl Target for bool {
    fn of(number: impl Number) -> Self {
        number.is_true()
    }

    fn loses(_: f64) -> bool {
        false
    }
}

impl Target for i128 {
    fn of(number: impl Number) -> Self {
        number.to_whole()
    }

    fn loses(_: f64) -> bool {
        false
    }
}

/// A number in a file.
pub(super) trait Number: Copy {
    /// The nearest f32.
    fn to_f32(self) -> f32;
    /// The nearest f64.
    fn to_f64(self) -> f64;
    /// Whether it is anything but zero, as `NumPy` converts to bool.
    fn is_true(self) -> bool;
    /// The number without its fraction.
    fn to_whole(self) -> i128;
}

macro_rules! number {
    ($($t:ty => $convert:expr, $whole:expr, $wide:expr;)*) => {$(
        impl Number for $t {
            fn to_f32(self) -> f32 {
                $convert(self)
            }

            fn to_f64(self) -> f64 {
                $wide(self)
            }

            fn is_true(self) -> bool {
                self != <$t>::default()
            }

            fn to_whole(self) -> i128 {
                $whole(self)
            }
        }
    )*};
}
impl Target for u8 {
    fn of(number: impl Number) -> Self {
        number.to_whole() as Self
    }

    fn loses(_: f64) -> bool {
        false
    }
}

number! {
    u8 => f32::from, i128::from, f64::from;
    u16 => f32::from, i128::from, f64::from;
    u32 => |v| v as f32, i128::from, f64::from;
    u64 => |v| v as f32, i128::from, |v| v as f64;
    i8 => f32::from, i128::from, f64::from;
    i16 => f32::from, i128::from, f64::from;
    i32 => |v| v as f32, i128::from, f64::from;
    i64 => |v| v as f32, i128::from, |v| v as f64;
    f16 => f16::to_f32, |v: f16| v.to_f32() as i128, f16::to_f64;
    bf16 => bf16::to_f32, |v: bf16| v.to_f32() as i128, bf16::to_f64;
    f32 => |v| v, |v| v as i128, f64::from;
    f64 => |v| v as f32, |v| v as i128, |v| v;
}

impl Dtype {
    /// Bytes of one value.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Whether its values are whole numbers.
    pub(super) fn is_whole(self) -> bool {
        !matches!(self, Self::Bool | Self::F16 | Self::BF16 | Self::F32 | Self::F64)
    }

    /// Whether f32 does not hold all of its values.
    pub(super) fn is_wide(self) -> bool {
        matches!(self, Self::U32 | Self::U64 | Self::I32 | Self::I64 | Self::F64)
    }

    /// Makes values of little-endian bytes, as many as there are in both. Fails with the position and value of the first
    /// number that is lost.
    fn decode<T: Target>(self, bytes: &[u8], values: &mut [T]) -> Result<(), (usize, f64)> {
        macro_rules! decode {
            ($t:ty) => {{
                let numbers = bytes.as_chunks::<{ size_of::<$t>() }>().0;
                values.iter_mut().zip(numbers).for_each(|(v, n)| *v = T::of(<$t>::from_le_bytes(*n)));
            }};
        }
        match self {
            Self::Bool => values.iter_mut().zip(bytes).for_each(|(v, byte)| *v = T::of(u8::from(*byte != 0))),
            Self::U8 => decode!(u8),
            Self::U16 => decode!(u16),
            Self::U32 => decode!(u32),
            Self::U64 => decode!(u64),
            Self::I8 => decode!(i8),
            Self::I16 => decode!(i16),
            Self::I32 => decode!(i32),
            Self::I64 => decode!(i64),
            Self::F16 => decode!(f16),
            Self::BF16 => decode!(bf16),
            Self::F32 => decode!(f32),
            Self::F64 => {
                let numbers = || bytes.as_chunks::<8>().0.iter().map(|n| f64::from_le_bytes(*n));
                if let Some(lost) = numbers().enumerate().find(|(_, number)| T::loses(*number)) {
                    return Err(lost);
                }
                decode!(f64);
            }
        }
        Ok(())
    }
}

/// The order of an array's bytes, other than that of a plain array: row after row, each number's least byte first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// Whether numbers begin with their largest byte.
    pub(super) big_endian: bool,
    /// Whether the first index runs fastest.
    pub(super) fortran: bool,
}

/// Type and shape of an array, known to be of a size that memory can address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    order: Order,
}

impl Layout {
    /// The same array with its bytes in another order. Where that is no other for this type and shape, as for a single column,
    /// the array is a plain one.
    pub(super) fn ordered(self, order: Order) -> Self {
        let big_endian = order.big_endian && self.dtype.size() > 1;
        let fortran = order.fortran && self.shape.iter().filter(|size| **size > 1).count() > 1;
        // Where there is nothing, there is no order.
        let fortran = fortran && !self.shape.contains(&0);
        Self { order: Order { big_endian, fortran }, ..self }
    }

    /// Whether its bytes are those of a plain array of this type.
    pub(super) fn is(&self, dtype: Dtype) -> bool {
        self.dtype == dtype && self.order == Order::default()
    }

    /// Checks that the shape is none that no memory could hold.
    pub(super) fn new(dtype: Dtype, dimensions: &[u64]) -> Checked<Self> {
        let too_large = || {
            let problem =
                format!("has the shape {}, more than memory can address", shape_literal(dimensions));
            Fault::damaged(problem)
        };
        let shape: Vec<usize> = dimensions
            .iter()
            .map(|&d| usize::try_from(d))
            .collect::<Result<_, _>>()
            .map_err(|_| too_large())?;
        // A dimension of 0 counts as 1 here, so that it cannot hide that the others overflow.
        let bytes = shape.iter().try_fold(dtype.size(), |bytes, &d| bytes.checked_mul(d.max(1)));
        match bytes {
            Some(bytes) if isize::try_from(bytes).is_ok() => {
                Ok(Self { dtype, shape, order: Order::default() })
            }
            _ => Err(too_large()),
        }
    }

    /// How many values.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// How many bytes the values take in the file.
    pub(super) fn bytes(&self) -> usize {
        self.len() * self.dtype.size()
    }

    /// Rows and columns of the array as a matrix: one row where it has one dimension, and all
    /// dimensions but the first as columns where it has more than two.
    pub(super) fn matrix(&self) -> Checked<(usize, usize)> {
        let (rows, columns) = match self.shape.as_slice() {
            [columns] => (1, *columns),
            [rows, rest @ ..] if (1..=3).contains(&rest.len()) => (*rows, rest.iter().product()),
            other => {
                let problem = format!("has {} dimensions", other.len());
                return Err(Fault::new(
                    problem,
                    "a matrix [rows, columns] is needed (1 to 4 dimensions are read)",
                ));
            }
        };
        if columns == 0 {
            let problem = format!("has the shape {}, rows without columns", shape_literal(&self.shape));
            return Err(Fault::new(problem, "at least one column is needed"));
        }
        Ok((rows, columns))
    }

    /// The values of an array all of whose bytes are there: the only full copy is the result.
    pub(super) fn values<T: Target>(&self, bytes: &[u8]) -> Checked<Vec<T>> {
        if self.order.fortran { self.transposed(bytes) } else { self.read_in_order(bytes, bytes.len()) }
    }

    /// Reads the values from where they begin, a piece at a time: the only full copy is the result, and where the order of
    /// the values changes the array's bytes. `sure` bytes of them are known to be there; room for what is only claimed beyond
    /// these is made as it comes.
    pub(super) fn read<T: Target>(&self, from: impl Read, sure: usize) -> Checked<Vec<T>> {
        if !self.order.fortran {
            return self.read_in_order(from, sure);
        }
        let bytes = Self { dtype: Dtype::U8, shape: vec![self.bytes()], order: Order::default() };
        self.transposed(&bytes.read_in_order::<u8>(from, sure)?)
    }

    fn read_in_order<T: Target>(&self, mut from: impl Read, sure: usize) -> Checked<Vec<T>> {
        const PIECE: usize = 1 << 16;
        let mut values: Vec<T> = Vec::new();
        let room = self.len().min(sure / self.dtype.size());
        values.try_reserve_exact(room).map_err(|_| self.too_much())?;
        let mut left = self.bytes();
        let mut buffer = vec![0; PIECE.min(left)];
        while left > 0 {
            let piece = &mut buffer[..PIECE.min(left)];
            from.read_exact(piece).map_err(|error| Fault::damaged(format!("cannot be read: {error}")))?;
            self.to_little_endian(piece);
            let (start, count) = (values.len(), piece.len() / self.dtype.size());
            if values.capacity() - start < count {
                let room = self.len() - start;
                values.try_reserve_exact(room.min(start.max(count))).map_err(|_| self.too_much())?;
            }
            values.resize(start + count, T::default());
            let decoded = self.dtype.decode(piece, &mut values[start..]);
            decoded.map_err(|(at, value)| self.lost(start + at, value))?;
            left -= piece.len();
        }
        Ok(values)
    }

    /// The values of an array whose first index runs fastest, with the last one running fastest: tile by tile, so that what is
    /// read and what is written stay in the cache meanwhile.
    fn transposed<T: Target>(&self, bytes: &[u8]) -> Checked<Vec<T>> {
        /// Rows and columns of a tile, each at most.
        const TILE: usize = 32;
        let (size, shape) = (self.dtype.size(), &self.shape[..]);
        let (rows, rest) = shape.split_first().map_or((1, &[][..]), |(rows, rest)| (*rows, rest));
        let columns: usize = rest.iter().product();
        let mut values: Vec<T> = Vec::new();
        values.try_reserve_exact(self.len()).map_err(|_| self.too_much())?;
        values.resize(self.len(), T::default());
        let mut tile = vec![0; TILE * TILE * size];
        let mut lost: Option<(usize, f64)> = None;
        let mut places = columns_in_file(rest);
        for first in (0..columns).step_by(TILE) {
            let width = TILE.min(columns - first);
            let starts: Vec<usize> = places.by_ref().take(width).map(|place| place * rows).collect();
            for top in (0..rows).step_by(TILE) {
                let height = TILE.min(rows - top);
                let tile = &mut tile[..height * width * size];
                match size {
                    1 => gather::<1>(bytes, &starts, top, tile),
                    2 => gather::<2>(bytes, &starts, top, tile),
                    4 => gather::<4>(bytes, &starts, top, tile),
                    _ => gather::<8>(bytes, &starts, top, tile),
                }
                self.to_little_endian(tile);
                for (row, piece) in tile.chunks_exact(width * size).enumerate() {
                    let start = (top + row) * columns + first;
                    if let Err((at, value)) = self.dtype.decode(piece, &mut values[start..start + width]) {
                        lost = lost.filter(|(other, _)| *other < start + at).or(Some((start + at, value)));
                    }
                }
            }
        }
        match lost {
            None => Ok(values),
            Some((at, value)) => Err(self.lost(at, value)),
        }
    }

    /// Turns the bytes of each number round, where its largest byte comes first.
    fn to_little_endian(&self, bytes: &mut [u8]) {
        if self.order.big_endian {
            match self.dtype.size() {
                2 => bytes.as_chunks_mut::<2>().0.iter_mut().for_each(|number| number.reverse()),
                4 => bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|number| number.reverse()),
                _ => bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|number| number.reverse()),
            }
        }
    }

    fn too_much(&self) -> Fault {
        let problem = format!("has the shape {}, for which there is no memory", shape_literal(&self.shape));
        Fault::new(problem, "split the file or use a machine with more memory")
    }

    fn lost(&self, at: usize, value: f64) -> Fault {
        let columns = match self.shape.as_slice() {
            [_, rest @ ..] if !rest.is_empty() => rest.iter().product(),
            _ => self.len(),
        };
        beyond_f32(at / columns, at % columns, value)
    }
}

/// A number that has no place in f32.
pub(super) fn beyond_f32(row: usize, column: usize, value: f64) -> Fault {
    Fault::new(
        format!("has {value:e} in row {row}, column {column}, which is beyond f32"),
        format!("every value must lie within ±{:e}", f32::MAX),
    )
}

/// For each column of a matrix, in the order of the columns, which one it is in a file where the first index runs fastest;
/// `shape` are the dimensions that make the columns.
fn columns_in_file(shape: &[usize]) -> impl Iterator<Item = usize> + use<> {
    // Those of one do not matter, and a header may have thousands.
    let shape: Vec<usize> = shape.iter().copied().filter(|size| *size > 1).collect();
    // How far apart neighbours along each dimension are.
    let strides: Vec<usize> = (0..shape.len()).map(|axis| shape[..axis].iter().product()).collect();
    (0..shape.iter().product()).map(move |column| {
        let mut left = column;
        let dimensions = shape.iter().zip(&strides).rev();
        dimensions.fold(0, |place, (size, stride)| {
            let index = left % size;
            left /= size;
            place + index * stride
        })
    })
}

/// Copies numbers of `SIZE` bytes: `tile` gets rows from `top` on, of the columns that begin at `starts`.
fn gather<const SIZE: usize>(bytes: &[u8], starts: &[usize], top: usize, tile: &mut [u8]) {
    let numbers = bytes.as_chunks::<SIZE>().0;
    let rows = tile.as_chunks_mut::<SIZE>().0.chunks_exact_mut(starts.len());
    for (row, numbers_of_row) in rows.enumerate() {
        for (number, start) in numbers_of_row.iter_mut().zip(starts) {
            *number = numbers[start + top + row];
        }
    }
}

/// A shape as Python writes it: `()`, `(3,)`, `(3, 4)`.
pub(super) fn shape_literal<T: std::fmt::Display>(shape: &[T]) -> String {
    match shape {
        [one] => format!("({one},)"),
        many => format!("({})", many.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The bytes of an array in some order, and a plain walk through its indices that says where each number is.
    fn naive(bytes: &[u8], shape: &[usize], size: usize, order: Order) -> Vec<u8> {
        let count: usize = shape.iter().product();
        let mut plain = Vec::with_capacity(bytes.len());
        for number in 0..count {
            let (mut index, mut left) = (vec![0; shape.len()], number);
            for axis in (0..shape.len()).rev() {
                index[axis] = left % shape[axis];
                left /= shape[axis];
            }
            let place = match order.fortran {
                true => index.iter().zip(shape).rev().fold(0, |place, (i, size)| place * size + i),
                false => number,
            };
            let mut value = bytes[place * size..(place + 1) * size].to_vec();
            if order.big_endian {
                value.reverse();
            }
            plain.extend(value);
        }
        plain
    }

    const ALL: [Dtype; 13] = [
        Dtype::Bool,
        Dtype::U8,
        Dtype::U16,
        Dtype::U32,
        Dtype::U64,
        Dtype::I8,
        Dtype::I16,
        Dtype::I32,
        Dtype::I64,
        Dtype::F16,
        Dtype::BF16,
        Dtype::F32,
        Dtype::F64,
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_order_of_bytes_gives_the_values_of_a_plain_array(
            shape in prop::collection::vec(prop_oneof![1_usize..8, 30_usize..36, 60_usize..70], 0..4),
            which in 0..ALL.len(),
            big_endian: bool,
            fortran: bool,
            seed: u64,
        ) {
            let (dtype, order) = (ALL[which], Order { big_endian, fortran });
            let dimensions: Vec<u64> = shape.iter().map(|size| *size as u64).collect();
            prop_assume!(shape.iter().product::<usize>() < 40_000);
            let plain = Layout::new(dtype, &dimensions).unwrap();
            let mut random = crate::random::Stream::new(seed, crate::random::purpose::BITS, 0);
            let bytes: Vec<u8> = (0..plain.bytes()).map(|_| random.word() as u8).collect();
            let layout = plain.clone().ordered(order);
            let want = plain.values::<f64>(&naive(&bytes, &shape, dtype.size(), order)).unwrap();
            let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
            let want = bits(want);
            prop_assert_eq!(bits(layout.values(&bytes).unwrap()), want.clone());
            prop_assert_eq!(bits(layout.read(&bytes[..], 100).unwrap()), want);
        }
    }

    #[test]
    fn what_has_one_order_only_is_plain() {
        let both = Order { big_endian: true, fortran: true };
        let is_plain = |dtype, shape: &[u64]| Layout::new(dtype, shape).unwrap().ordered(both).is(dtype);
        for shape in [&[][..], &[7], &[7, 1], &[1, 7], &[1, 7, 1], &[0, 7], &[7, 0, 3]] {
            assert!(is_plain(Dtype::U8, shape), "{shape:?}");
            assert!(!is_plain(Dtype::F32, shape), "{shape:?}");
        }
        assert!(!is_plain(Dtype::U8, &[2, 2]) && !is_plain(Dtype::U8, &[1, 2, 2]));
    }

    #[test]
    fn a_number_that_is_lost_is_named_by_its_place_in_the_matrix() {
        let mut values = vec![0.0_f64; 40 * 50];
        // Column 3 comes before column 45 in the file, and row 2 before row 39 in the matrix.
        (values[3 * 40 + 39], values[45 * 40 + 2]) = (1e300, -1e300);
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let fortran = Order { fortran: true, big_endian: false };
        let layout = Layout::new(Dtype::F64, &[40, 50]).unwrap().ordered(fortran);
        let message = layout.values::<f32>(&bytes).unwrap_err().at(std::path::Path::new("f")).to_string();
        assert!(message.contains("-1e300 in row 2, column 45"), "{message}");
    }
}
