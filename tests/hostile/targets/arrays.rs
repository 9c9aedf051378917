//! Files of arrays, as [`Source`] reads them.

use super::{Scratch, accepted, bits, within};
use attractor::io::{Array, ArrayData, Source, write};
use std::{io::Read, path::Path};

/// Bytes of memory for a byte of values: an i128 and the u64 that it becomes for a `u8`, twice that while a list grows.
const PER_BYTE: usize = 48;
/// Bytes of memory for a byte of the file around the values: a name of one letter and its entry in a table of names.
const PER_HEADER_BYTE: usize = 32;
/// Buffers, whatever the size.
const FIXED: usize = 1 << 18;

pub(super) fn npy(bytes: &[u8], scratch: &Scratch) {
    check("npy", bytes, bytes.len(), scratch);
}

pub(super) fn npz(bytes: &[u8], scratch: &Scratch) {
    check("npz", bytes, bytes.len().max(longest_inflation(bytes)), scratch);
}

pub(super) fn safetensors(bytes: &[u8], scratch: &Scratch) {
    check("safetensors", bytes, bytes.len(), scratch);
}

/// Values and pages may take 1024 bytes for each of the file, and 1 MiB in any; what they are unpacked through as much.
#[cfg(feature = "parquet")]
pub(super) fn parquet(bytes: &[u8], scratch: &Scratch) {
    check("parquet", bytes, 1024 * bytes.len() + (1 << 20), scratch);
}

/// How many bytes a deflate stream in the file makes, at most: what an entry of an archive may honestly take.
fn longest_inflation(bytes: &[u8]) -> usize {
    let word = |at: usize| bytes.get(at..at + 2).map_or(0, |b| usize::from(u16::from_le_bytes([b[0], b[1]])));
    let starts = bytes.windows(4).enumerate().filter(|(_, b)| *b == b"PK\x03\x04").map(|(at, _)| at);
    let mut longest = 0;
    for start in starts {
        let from = bytes.get(start + 30 + word(start + 26) + word(start + 28)..).unwrap_or_default();
        let mut stream = flate2::read::DeflateDecoder::new(from);
        let (mut buffer, mut length) = ([0; 1 << 14], 0);
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            length += count;
        }
        longest = longest.max(length);
    }
    longest
}

/// Asks a file for all that can be asked of it; `values` bytes of values are in it at most.
fn check(suffix: &str, bytes: &[u8], values: usize, scratch: &Scratch) {
    let limit = PER_BYTE * values + PER_HEADER_BYTE * bytes.len() + FIXED;
    let path = scratch.file(&format!("read.{suffix}"), bytes);
    let Some(source) = accepted(within(limit, || Source::open(&path)), &path) else { return };
    let Some(names) = accepted(within(limit, || source.names()), &path) else { return };
    assert!(names.is_sorted());
    // No name at all, and the first few: the last ones of many are read no other way.
    let asked = std::iter::once(None).chain(names.iter().take(4).map(|name| Some(name.as_str())));
    for asked in asked {
        let list: Vec<&str> = asked.into_iter().collect();
        let name = asked.unwrap_or("array");
        let again = scratch.path(&format!("again.{}", if suffix == "parquet" { "npz" } else { suffix }));
        if let Some((values, shape)) = accepted(within(limit, || source.values(&list)), &path) {
            assert_eq!(values.len(), shape.iter().product::<usize>());
            if let Some(again) = saved(&again, name, &shape, ArrayData::F32(&values)) {
                let (same, same_shape) = again.values(&[name]).expect("the array");
                assert_eq!((bits(&same), same_shape), (bits(&values), shape));
            }
        }
        if let Some(rows) = accepted(within(limit, || source.matrix(&list)), &path) {
            assert_eq!(rows.as_slice().len(), rows.rows() * rows.columns());
            let (shared, columns) = source.shared(&list).expect("a matrix is one for all");
            assert_eq!((bits((*shared).as_ref()), columns), (bits(rows.as_slice()), rows.columns()));
            let (wide, columns) = within(limit, || source.matrix_f64(&list)).expect("a matrix is one in f64");
            assert_eq!((wide.len(), columns), (rows.as_slice().len(), rows.columns()));
        }
        if let Some((mask, shape)) = accepted(within(limit, || source.mask(&list)), &path)
            && let Some(again) = saved(&again, name, &shape, ArrayData::Bool(&mask))
        {
            assert_eq!(again.mask(&[name]).expect("the mask"), (mask, shape));
        }
        if let Some((whole, shape)) = accepted(within(limit, || source.integers(&list)), &path)
            && let Some(again) = saved(&again, name, &shape, ArrayData::U64(&whole))
        {
            assert_eq!(again.integers(&[name]).expect("the numbers"), (whole, shape));
        }
        if let Some(Some((texts, shape))) = accepted(within(limit, || source.texts(&list)), &path) {
            assert_eq!(texts.len(), shape.iter().product::<usize>());
        }
        accepted(within(limit, || source.matrix_f64(&list)), &path);
        accepted(within(limit, || source.shared(&list).map(drop)), &path);
    }
}

/// A file with one array; `None` where its name or its shape has no room in a header.
fn saved(path: &Path, name: &str, shape: &[usize], data: ArrayData<'_>) -> Option<Source> {
    if shape.len() > 1000 || name == "__metadata__" || name.len() > 60_000 || name.contains('\0') {
        return None;
    }
    write(path, &[Array { name, shape: shape.to_vec(), data }]).expect("what was read is saved");
    Some(Source::open(path).expect("what was saved is read"))
}
