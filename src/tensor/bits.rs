//! Rows of -1 and 1, a bit each.

use crate::{Device, Error, Result, Rows, ToRows, device};
use std::sync::Arc;

/// A matrix of -1 and 1, `[rows, columns]`, a bit to an entry: a 32nd of its size in f32. Rows can be appended.
///
/// ```
/// use attractor::{Bits, Device};
/// let bits = Bits::new(&Device::cpu(), &[[1.0, -1.0, -1.0], [1.0, 1.0, -1.0]])?;
/// assert_eq!((bits.rows(), bits.columns()), (2, 3));
/// assert_eq!(bits.row(0), [1.0, -1.0, -1.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bits {
    device: Device,
    packed: Packed,
    /// The same on a GPU: rows of whole `vec4<u32>`s.
    buffer: Option<Arc<device::Buffer>>,
}

/// Rows side by side in one group of words.
pub(crate) const TOGETHER: usize = 8;

/// Packed rows on the host: in groups of eight, word after word, the words of the eight rows side by side. A set bit is a 1, a clear
/// one a -1; bits beyond the columns and rows are clear.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed {
    pub(crate) words: Vec<[u64; TOGETHER]>,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Packed {
    /// Words of a row.
    pub(crate) fn width(&self) -> usize {
        self.columns.div_ceil(64)
    }

    /// Word `w` of row `k`.
    pub(crate) fn word(&self, k: usize, w: usize) -> u64 {
        self.words[k / TOGETHER * self.width() + w][k % TOGETHER]
    }

    fn push(&mut self, row: &[f32]) {
        let (width, lane) = (self.width(), self.rows % TOGETHER);
        if lane == 0 {
            self.words.resize(self.words.len() + width, [0; TOGETHER]);
        }
        let first = self.rows / TOGETHER * width;
        for (word, bits) in self.words[first..].iter_mut().zip(row.chunks(64)) {
            word[lane] = bits.iter().enumerate().fold(0, |w, (i, v)| w | u64::from(*v > 0.0) << i);
        }
        self.rows += 1;
    }
}

impl Bits {
    /// Packs rows `[n, d]` of -1 and 1 for a device.
    ///
    /// # Errors
    /// [`Error::NotBipolar`] for another value, [`Error::InvalidParameter`] beyond 65,535 columns, faults of the device.
    pub fn new<M: ToRows + ?Sized>(device: &Device, values: &M) -> Result<Self> {
        let rows = values.to_rows()?;
        let mut bits = Self::empty(device, rows.columns())?;
        bits.append(&rows, "patterns")?;
        Ok(bits)
    }

    /// No rows yet.
    pub(crate) fn empty(device: &Device, columns: usize) -> Result<Self> {
        if columns > usize::from(u16::MAX) {
            return Err(Error::parameter("columns of bits", columns, "at most 65535"));
        }
        let packed = Packed { columns, ..Packed::default() };
        Ok(Self { device: device.clone(), packed, buffer: None })
    }

    /// Rows that are packed already.
    pub(crate) fn from_packed(device: &Device, packed: Packed, what: &'static str) -> Result<Self> {
        let mut bits = Self::empty(device, packed.columns)?;
        bits.packed = packed;
        bits.upload(what)?;
        Ok(bits)
    }

    /// Brings the rows to the device.
    fn upload(&mut self, what: &'static str) -> Result<()> {
        if let Some(context) = self.device.as_gpu()
            && self.rows() > 0
        {
            let buffer = context.upload(what, bytemuck::cast_slice(&self.by_row()))?;
            self.buffer = Some(Arc::new(buffer));
        }
        Ok(())
    }

    /// Packs more rows; `what` names them in errors.
    pub(crate) fn append(&mut self, rows: &Rows<'_>, what: &'static str) -> Result<()> {
        check(rows, what)?;
        let before = self.packed.clone();
        rows.iter().for_each(|row| self.packed.push(row));
        let uploaded = self.upload(what);
        if uploaded.is_err() {
            self.packed = before;
        }
        uploaded
    }

    /// Row after row, in words of 32 bits, padded to whole vec4s.
    fn by_row(&self) -> Vec<u32> {
        let width = self.width4() * 4;
        let mut out = vec![0; self.rows() * width];
        for (k, row) in out.chunks_exact_mut(width.max(1)).enumerate() {
            for (w, pair) in row.chunks_mut(2).enumerate().take(self.packed.width()) {
                let word = self.packed.word(k, w);
                pair[0] = word as u32;
                if let Some(high) = pair.get_mut(1) {
                    *high = (word >> 32) as u32;
                }
            }
        }
        out
    }

    /// These rows alone.
    pub(crate) fn select(&self, rows: &[u32]) -> Result<Self> {
        let values: Vec<f32> = rows.iter().flat_map(|k| self.row(*k as usize)).collect();
        Self::new(&self.device, &Rows::new(values, self.columns())?)
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.packed.rows
    }

    /// How many columns.
    pub fn columns(&self) -> usize {
        self.packed.columns
    }

    /// Where the rows are used.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A row as -1 and 1.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn row(&self, k: usize) -> Vec<f32> {
        assert!(k < self.rows(), "row {k} of {}", self.rows());
        let set = |i: usize| self.packed.word(k, i / 64) >> (i % 64) & 1 == 1;
        (0..self.columns()).map(|i| if set(i) { 1.0 } else { -1.0 }).collect()
    }

    /// `vec4<u32>`s of a row on a GPU.
    pub(crate) fn width4(&self) -> usize {
        self.columns().div_ceil(128)
    }

    pub(crate) fn packed(&self) -> &Packed {
        &self.packed
    }

    pub(crate) fn buffer(&self) -> Option<&device::Buffer> {
        self.buffer.as_deref()
    }
}

/// Refuses what is neither -1 nor 1.
pub(crate) fn check(rows: &Rows<'_>, what: &'static str) -> Result<()> {
    match rows.as_slice().iter().position(|v| v.abs() != 1.0) {
        None => Ok(()),
        Some(at) => {
            let (row, column) = (at / rows.columns(), at % rows.columns());
            Err(Error::NotBipolar { what, row, column, value: rows[(row, column)] })
        }
    }
}
