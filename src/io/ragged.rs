//! Entries of bytes of any length, one after another.

use super::{Array, ArrayData};
use std::collections::TryReserveError;

/// Entries of bytes, such as texts, of any length each: all bytes one after another, and where each entry ends. Takes
/// the entries' own lengths and 8 bytes for each.
///
/// In a file it is two arrays, by convention `NAME_bytes` (U8) and `NAME_ends` (U64): entry `i` is
/// `bytes[ends[i - 1]..ends[i]]`, the first one from 0.
///
/// ```
/// use attractor::io::Ragged;
/// let texts: Ragged = ["one", "", "three"].into_iter().collect();
/// assert_eq!((texts.bytes(), texts.ends()), (&b"onethree"[..], &[3, 3, 8][..]));
/// assert_eq!(texts.get(2), Some(&b"three"[..]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ragged {
    bytes: Vec<u8>,
    ends: Vec<u64>,
}

impl Ragged {
    /// None yet, with room for so many bytes.
    pub(crate) fn with_room(bytes: usize) -> Result<Self, TryReserveError> {
        let mut ragged = Self::default();
        ragged.bytes.try_reserve_exact(bytes)?;
        Ok(ragged)
    }

    /// Adds an entry.
    pub fn push(&mut self, entry: &[u8]) {
        self.bytes.extend_from_slice(entry);
        self.ends.push(self.bytes.len() as u64);
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// An entry, where there is one of this number.
    pub fn get(&self, i: usize) -> Option<&[u8]> {
        let end = *self.ends.get(i)? as usize;
        let start = i.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.bytes.get(start..end)
    }

    /// All entries, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|i| self.get(i))
    }

    /// The bytes of all entries.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each entry ends among the bytes.
    pub fn ends(&self) -> &[u64] {
        &self.ends
    }

    /// The two arrays of a file that hold the entries, under these names: the bytes, and the ends with the shape `[n]`, or another one
    /// of as many entries.
    pub fn arrays<'a>(&'a self, names: [&'a str; 2], shape: &[usize]) -> [Array<'a>; 2] {
        let [bytes, ends] = names;
        [
            Array { name: bytes, shape: vec![self.bytes.len()], data: ArrayData::U8(&self.bytes) },
            Array { name: ends, shape: shape.to_vec(), data: ArrayData::U64(&self.ends) },
        ]
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for Ragged {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        let mut ragged = Self::default();
        entries.into_iter().for_each(|entry| ragged.push(entry.as_ref()));
        ragged
    }
}
