//! What the bytes of an array mean, and their conversion to what is asked for.

use super::fault::{Checked, Fault};
use half::{bf16, f16};
use std::io::Read;

/// The number types that are read; all little-endian.
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
pub(super) trait Target: Copy {
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

    /// Appends the values in `bytes`. Fails with the position and value of a number that is lost.
    fn decode<T: Target>(self, bytes: &[u8], values: &mut Vec<T>) -> Result<(), (usize, f64)> {
        macro_rules! numbers {
            ($t:ty) => {
                bytes.as_chunks::<{ size_of::<$t>() }>().0.iter().map(|&value| <$t>::from_le_bytes(value))
            };
        }
        match self {
            Self::Bool => values.extend(bytes.iter().map(|&byte| T::of(u8::from(byte != 0)))),
            Self::U8 => values.extend(bytes.iter().map(|&byte| T::of(byte))),
            Self::U16 => values.extend(numbers!(u16).map(T::of)),
            Self::U32 => values.extend(numbers!(u32).map(T::of)),
            Self::U64 => values.extend(numbers!(u64).map(T::of)),
            Self::I8 => values.extend(numbers!(i8).map(T::of)),
            Self::I16 => values.extend(numbers!(i16).map(T::of)),
            Self::I32 => values.extend(numbers!(i32).map(T::of)),
            Self::I64 => values.extend(numbers!(i64).map(T::of)),
            Self::F16 => values.extend(numbers!(f16).map(T::of)),
            Self::BF16 => values.extend(numbers!(bf16).map(T::of)),
            Self::F32 => values.extend(numbers!(f32).map(T::of)),
            Self::F64 => {
                if let Some(lost) = numbers!(f64).enumerate().find(|&(_, number)| T::loses(number)) {
                    return Err((values.len() + lost.0, lost.1));
                }
                values.extend(numbers!(f64).map(T::of));
            }
        }
        Ok(())
    }
}

/// Type and shape of an array, known to be of a size that memory can address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
}

impl Layout {
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
            Some(bytes) if isize::try_from(bytes).is_ok() => Ok(Self { dtype, shape }),
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

    /// Reads the values from where they begin, a piece at a time: the only full copy is the result. `sure` bytes of
    /// them are known to be there; room for what is only claimed beyond these is made as it comes.
    pub(super) fn read<T: Target>(&self, mut from: impl Read, sure: usize) -> Checked<Vec<T>> {
        const PIECE: usize = 1 << 16;
        let no_memory = |_| {
            let problem =
                format!("has the shape {}, for which there is no memory", shape_literal(&self.shape));
            Fault::new(problem, "split the file or use a machine with more memory")
        };
        let mut values: Vec<T> = Vec::new();
        values.try_reserve_exact(self.len().min(sure / self.dtype.size())).map_err(no_memory)?;
        let mut left = self.bytes();
        let mut buffer = vec![0; PIECE.min(left)];
        while left > 0 {
            let piece = &mut buffer[..PIECE.min(left)];
            from.read_exact(piece).map_err(|error| Fault::damaged(format!("cannot be read: {error}")))?;
            let count = piece.len() / self.dtype.size();
            if values.capacity() - values.len() < count {
                let room = self.len() - values.len();
                values.try_reserve_exact(room.min(values.len().max(count))).map_err(no_memory)?;
            }
            self.dtype.decode(piece, &mut values).map_err(|(at, value)| self.lost(at, value))?;
            left -= piece.len();
        }
        Ok(values)
    }

    fn lost(&self, at: usize, value: f64) -> Fault {
        let columns = match self.shape.as_slice() {
            [_, rest @ ..] if !rest.is_empty() => rest.iter().product(),
            _ => self.len(),
        };
        let (row, column) = (at / columns, at % columns);
        Fault::new(
            format!("has {value:e} in row {row}, column {column}, which is beyond f32"),
            format!("every value must lie within ±{:e}", f32::MAX),
        )
    }
}

/// A shape as Python writes it: `()`, `(3,)`, `(3, 4)`.
pub(super) fn shape_literal<T: std::fmt::Display>(shape: &[T]) -> String {
    match shape {
        [one] => format!("({one},)"),
        many => format!("({})", many.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}
