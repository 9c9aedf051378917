//! Checksums of a safetensors file within the file, so that a changed byte anywhere in it is noticed.
//!
//! The last tensor, [`NAME`], is U8 `[4 (b + 1)]`, whole numbers of 4 bytes, little-endian. All bytes before it, the
//! header's too, are cut into `b` blocks of [`BLOCK`] bytes, the last one shorter: the first `b` numbers are their CRC-32. The last number is
//! the CRC-32 of those numbers. The metadata has the key [`NAME`] with the value [`KIND`]. A file without key and tensor is of
//! an earlier version, and is read unchecked.

use super::safetensors::{Contents, Entry, header};
use crc32fast::Hasher;
use rayon::prelude::*;
use std::{
    io::{self, Write},
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
};

/// What the tensor of checksums and its key in the metadata are called.
pub(crate) const NAME: &str = "checksums";
/// What the key says.
const KIND: &str = "crc32 of 65536 bytes each";
/// Bytes that share a checksum.
const BLOCK: usize = 1 << 16;
/// Bytes of a checksum.
const SUM: usize = 4;

/// Bytes of the checksums for so many bytes before them.
fn length(before: usize) -> usize {
    SUM * (before.div_ceil(BLOCK) + 1)
}

/// The header of a file with these tensors, one after another, and with checksums behind them.
pub(crate) fn sealed_header(mut entries: Vec<Entry<'_>>, metadata: &[(&str, &str)]) -> Vec<u8> {
    let values: usize = entries.iter().map(|entry| entry.bytes).sum();
    let metadata = [metadata, &[(NAME, KIND)]].concat();
    let mut bytes = length(values);
    entries.push(Entry { name: NAME, dtype: "U8", shape: vec![bytes], bytes });
    loop {
        let made = header(&entries, &metadata);
        // The header's own length counts, and grows with the number of checksums by a digit at most.
        match length(made.len() + values) {
            found if found == bytes => return made,
            more => bytes = more,
        }
        if let Some(last) = entries.last_mut() {
            (last.shape, last.bytes) = (vec![bytes], bytes);
        }
    }
}

/// Writes a file's bytes on, and its checksums at the end.
pub(crate) struct Sealing<W> {
    to: W,
    hasher: Hasher,
    /// Bytes of the block that has begun.
    begun: usize,
    sums: Vec<u8>,
}

impl<W: Write> Sealing<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, hasher: Hasher::new(), begun: 0, sums: Vec::new() }
    }

    /// Writes the checksums of all that has been written.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if self.begun > 0 {
            self.end_block();
        }
        let own = crc32fast::hash(&self.sums);
        self.sums.extend(own.to_le_bytes());
        self.to.write_all(&self.sums)
    }

    fn end_block(&mut self) {
        let sum = std::mem::take(&mut self.hasher).finalize();
        self.sums.extend(sum.to_le_bytes());
        self.begun = 0;
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        let mut left = &bytes[..written];
        while !left.is_empty() {
            let (now, later) = left.split_at(left.len().min(BLOCK - self.begun));
            self.hasher.update(now);
            self.begun += now.len();
            if self.begun == BLOCK {
                self.end_block();
            }
            left = later;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The checksums of a file that is read, and which blocks have been held against them.
#[derive(Debug)]
pub(crate) struct Seal {
    /// Where the checksums lie.
    at: Range<usize>,
    checked: Vec<AtomicBool>,
}

impl Seal {
    /// The checksums of a file, held against themselves and against the header; `None` for a file that has none: one of an earlier version,
    /// or of another program.
    pub(crate) fn of(file: &[u8], contents: &Contents) -> Result<Option<Self>, String> {
        // Either of the two tells that there are some, so that no changed byte hides them.
        let announced = contents.metadata.get(NAME).is_some_and(|kind| kind == KIND);
        let at = contents.tensors.get(NAME).map(|(.., at)| at.clone()).filter(|at| fit_their_own(file, at));
        let at = match (announced, at) {
            (false, None) => return Ok(None),
            (true, Some(at)) => at,
            (true, None) => return Err(format!("its {NAME} do not fit their own, or are gone")),
            (false, Some(_)) => return Err(format!("it has {NAME}, and its metadata does not say so")),
        };
        let values = contents.tensors.values().map(|(.., range)| range.start).min().unwrap_or(at.start);
        let checked = (0..at.start.div_ceil(BLOCK)).map(|_| AtomicBool::new(false)).collect();
        let seal = Self { at, checked };
        seal.check(file, 0..values)?;
        Ok(Some(seal))
    }

    /// Whether these bytes are as they were written, and those that share their blocks. Costs nothing where they have been looked at.
    pub(crate) fn check(&self, file: &[u8], bytes: Range<usize>) -> Result<(), String> {
        if bytes.is_empty() {
            return Ok(());
        }
        (bytes.start / BLOCK..bytes.end.div_ceil(BLOCK)).try_for_each(|block| self.check_block(file, block))
    }

    /// Whether all bytes are as they were written; on all cores.
    pub(crate) fn check_all(&self, file: &[u8]) -> Result<(), String> {
        // Threads are not worth their start for less.
        const TOGETHER: usize = 16;
        let blocks = self.checked.len();
        let part = |first: usize| {
            (first..blocks.min(first + TOGETHER)).try_for_each(|block| self.check_block(file, block))
        };
        (0..blocks).into_par_iter().step_by(TOGETHER).try_for_each(part)
    }

    fn check_block(&self, file: &[u8], block: usize) -> Result<(), String> {
        let Some(checked) = self.checked.get(block) else { return Ok(()) };
        if checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let bytes = block * BLOCK..self.at.start.min((block + 1) * BLOCK);
        let want = &file[self.at.clone()][SUM * block..][..SUM];
        if crc32fast::hash(&file[bytes.clone()]).to_le_bytes() != *want {
            return Err(format!("the bytes {} to {} do not fit their checksum", bytes.start, bytes.end - 1));
        }
        checked.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Whether the bytes at the end of a file are checksums for all before them, by their number and their own checksum.
fn fit_their_own(file: &[u8], at: &Range<usize>) -> bool {
    let sums = file.get(at.clone()).filter(|sums| at.end == file.len() && sums.len() == length(at.start));
    sums.and_then(|sums| sums.split_last_chunk::<SUM>())
        .is_some_and(|(sums, own)| crc32fast::hash(sums).to_le_bytes() == *own)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::{super::safetensors::contents, *};

    fn sealed(values: usize) -> Vec<u8> {
        let data: Vec<u8> = (0..values).map(|i| (i * 31 % 251) as u8).collect();
        let entries = vec![Entry { name: "a", dtype: "U8", shape: vec![values], bytes: values }];
        let mut file = Vec::new();
        let mut to = Sealing::new(&mut file);
        to.write_all(&sealed_header(entries, &[("key", "value")])).unwrap();
        // In pieces that know nothing of blocks.
        data.chunks(50_001).for_each(|piece| to.write_all(piece).unwrap());
        to.finish().unwrap();
        file
    }

    fn looked_at(file: &[u8]) -> Result<(), String> {
        let contents = contents(file)?;
        let seal = Seal::of(file, &contents)?.ok_or("no checksums")?;
        seal.check_all(file)
    }

    #[test]
    fn files_of_all_sizes_fit_their_checksums() {
        for values in [0, 1, 65_000, 65_536, 65_536 - 200, 131_072, 700_001] {
            for values in values..values + 9 {
                let file = sealed(values);
                looked_at(&file).unwrap();
                safetensors::SafeTensors::deserialize(&file).unwrap();
            }
        }
    }

    #[test]
    fn a_changed_byte_is_noticed_wherever_it_is() {
        let file = sealed(300);
        for at in 0..file.len() {
            for change in [1, 0x80, 0xff] {
                let mut changed = file.clone();
                changed[at] ^= change;
                assert!(looked_at(&changed).is_err(), "byte {at} by {change}");
            }
        }
        let file = sealed(1 << 20);
        for at in [100, 65_535, 65_536, 500_000, file.len() - 1] {
            let mut changed = file.clone();
            changed[at] ^= 4;
            assert!(looked_at(&changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_block_is_looked_at_when_its_bytes_are_asked_for() {
        let mut file = sealed(1 << 20);
        file[600_000] ^= 1;
        let contents = contents(&file).unwrap();
        let seal = Seal::of(&file, &contents).unwrap().unwrap();
        seal.check(&file, 0..589_824).unwrap();
        let message = seal.check(&file, 599_000..599_001).unwrap_err();
        assert_eq!(message, "the bytes 589824 to 655359 do not fit their checksum");
    }
}
