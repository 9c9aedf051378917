//! Arrays of strings, as `NumPy` keeps them: each of one width, filled up with zeros.

use super::{
    fault::{Checked, Fault},
    layout::{Dtype, Layout},
};
use std::io::Read;

/// What the characters of a string are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// UTF-8 (`|S8`).
    Bytes,
    /// Four bytes for each (`<U8`).
    Utf32 {
        /// Whether the largest byte comes first.
        big_endian: bool,
    },
}

/// An array of strings.
#[derive(Clone, Debug)]
pub(super) struct Texts {
    kind: Kind,
    /// Bytes of a string.
    width: usize,
    shape: Vec<usize>,
}

impl Texts {
    /// Strings of `width` characters.
    pub(super) fn new(kind: Kind, width: u64, shape: &[u64], fortran: bool) -> Checked<Self> {
        let each = width.saturating_mul(if kind == Kind::Bytes { 1 } else { 4 });
        // As one of bytes with one more dimension, it is an array like others.
        let bytes = Layout::new(Dtype::U8, &[shape, &[each]].concat())?;
        let (width, shape) = match bytes.shape.split_last() {
            Some((width, shape)) if *width > 0 => (*width, shape.to_vec()),
            _ => return Err(Fault::new("holds strings without characters", "save strings of some length")),
        };
        if fortran && shape.iter().filter(|size| **size > 1).count() > 1 {
            return Err(Fault::new("has strings in Fortran order", "save numpy.ascontiguousarray(a)"));
        }
        Ok(Self { kind, width, shape })
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many bytes all take.
    pub(super) fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.width
    }

    /// Reads the strings from where they begin; `sure` bytes are known to be there.
    pub(super) fn read(&self, from: impl Read, sure: usize) -> Checked<Vec<String>> {
        let bytes: Vec<u8> = Layout::new(Dtype::U8, &[self.bytes() as u64])?.read(from, sure)?;
        let string = |(at, bytes): (usize, &[u8])| {
            let problem = || format!("has no text at position {at}");
            self.string(bytes)
                .ok_or_else(|| Fault::new(problem(), "strings must be Unicode (UTF-8 where they are bytes)"))
        };
        bytes.chunks_exact(self.width).enumerate().map(string).collect()
    }

    /// The string in these bytes, without the zeros at its end.
    fn string(&self, bytes: &[u8]) -> Option<String> {
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        match self.kind {
            Kind::Bytes => std::str::from_utf8(&bytes[..end]).ok().map(str::to_owned),
            Kind::Utf32 { big_endian } => {
                let read = if big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
                let characters = bytes[..end.next_multiple_of(4)].as_chunks::<4>().0;
                characters.iter().map(|character| char::from_u32(read(*character))).collect()
            }
        }
    }
}
