//! The `.safetensors` format: a JSON header, then the values of all tensors.

use super::{
    fault::{Checked, Fault},
    format::Wanted,
    layout::{Dtype, Layout},
    seal::{Sealing, sealed_header},
    write::Array,
};
use ::safetensors::{Dtype as FileDtype, SafeTensors, tensor::TensorInfo};
use std::{
    cmp::Reverse,
    collections::HashMap,
    io::{self, Write},
    ops::Range,
};

/// One array of the file: its layout and its values.
pub(super) fn locate<'a>(file: &'a [u8], wanted: Wanted<'_>) -> Checked<(Layout, &'a [u8])> {
    let tensors = opened(file)?;
    let have = names_of(&tensors);
    let name = wanted.choose(&have)?;
    place(&tensors, name)
}

/// All arrays of the file with their names, sorted.
pub(super) fn locate_all(file: &[u8]) -> Checked<Vec<(String, Layout, &[u8])>> {
    let tensors = opened(file)?;
    let each = |name: String| place(&tensors, &name).map(|(layout, bytes)| (name, layout, bytes));
    names_of(&tensors).into_iter().map(each).collect()
}

fn place<'a>(tensors: &SafeTensors<'a>, name: &str) -> Checked<(Layout, &'a [u8])> {
    let tensor = tensors.tensor(name).map_err(|error| damaged(&error))?;
    let layout = dtype(tensor.dtype()).and_then(|dtype| {
        let dimensions: Vec<u64> = tensor.shape().iter().map(|&d| d as u64).collect();
        Layout::new(dtype, &dimensions)
    });
    Ok((layout.map_err(|fault| fault.in_array(name))?, tensor.data()))
}

/// The names of all arrays, sorted.
pub(super) fn names(file: &[u8]) -> Checked<Vec<String>> {
    opened(file).map(|tensors| names_of(&tensors))
}

/// The `format` in the metadata of a store ([`crate::store`]).
pub(crate) const STORE: &str = "attractor store";

/// Whether a file is a store.
pub(super) fn is_store(file: &[u8]) -> bool {
    let metadata = (!has_absurd_number(file)).then(|| SafeTensors::read_metadata(file).ok()).flatten();
    let format =
        metadata.and_then(|(_, m)| m.metadata().as_ref().and_then(|pairs| pairs.get("format").cloned()));
    format.is_some_and(|format| format == STORE)
}

fn names_of(tensors: &SafeTensors<'_>) -> Vec<String> {
    let mut names: Vec<String> = tensors.names().into_iter().map(str::to_owned).collect();
    names.sort();
    names
}

fn opened(file: &[u8]) -> Checked<SafeTensors<'_>> {
    if has_absurd_number(file) {
        return Err(damaged(&"a number is beyond any file's size"));
    }
    SafeTensors::deserialize(file).map_err(|error| damaged(&error))
}

fn damaged(error: &dyn std::fmt::Display) -> Fault {
    Fault::damaged(format!("has a bad safetensors header: {error}"))
}

/// Whether the header has a number of more than 18 digits outside its strings. The safetensors crate
/// adds the header's length to the last offset unchecked; numbers below 10^18 cannot overflow there.
fn has_absurd_number(file: &[u8]) -> bool {
    let Some((length, rest)) = file.split_first_chunk() else { return false };
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (mut digits, mut in_string, mut escaped) = (0, false, false);
    for &byte in &rest[..length.min(rest.len())] {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
        digits = if !in_string && byte.is_ascii_digit() { digits + 1 } else { 0 };
        if digits > 18 {
            return true;
        }
    }
    false
}

fn dtype(dtype: FileDtype) -> Checked<Dtype> {
    match dtype {
        FileDtype::BOOL => Ok(Dtype::Bool),
        FileDtype::U8 => Ok(Dtype::U8),
        FileDtype::U16 => Ok(Dtype::U16),
        FileDtype::U32 => Ok(Dtype::U32),
        FileDtype::U64 => Ok(Dtype::U64),
        FileDtype::I8 => Ok(Dtype::I8),
        FileDtype::I16 => Ok(Dtype::I16),
        FileDtype::I32 => Ok(Dtype::I32),
        FileDtype::I64 => Ok(Dtype::I64),
        FileDtype::F16 => Ok(Dtype::F16),
        FileDtype::BF16 => Ok(Dtype::BF16),
        FileDtype::F32 => Ok(Dtype::F32),
        FileDtype::F64 => Ok(Dtype::F64),
        other => Err(Fault::new(
            format!("holds {other} values, which are not read"),
            "save it as F16, BF16, F32, F64, an integer type or BOOL",
        )),
    }
}

/// What a header says of one tensor.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    /// As the format writes it, such as `F32`.
    pub(crate) dtype: &'static str,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: usize,
}

impl<'a> Entry<'a> {
    fn of(array: &Array<'a>) -> Self {
        Self {
            name: array.name,
            dtype: array.data.safetensors_dtype(),
            shape: array.shape.clone(),
            bytes: array.data.bytes().len(),
        }
    }
}

/// A file up to its first value: the header for tensors that follow one another, and its length.
pub(crate) fn header(entries: &[Entry<'_>], metadata: &[(&str, &str)]) -> Vec<u8> {
    let mut parts = Vec::with_capacity(entries.len() + 1);
    if !metadata.is_empty() {
        let pairs: Vec<String> =
            metadata.iter().map(|(key, value)| format!("{}:{}", json(key), json(value))).collect();
        parts.push(format!("\"__metadata__\":{{{}}}", pairs.join(",")));
    }
    let mut start = 0;
    for Entry { name, dtype, shape, bytes } in entries {
        let (name, end) = (json(name), start + bytes);
        parts.push(format!(
            "{name}:{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{start},{end}]}}"
        ));
        start = end;
    }
    let mut text = format!("{{{}}}", parts.join(",")).into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    [&(text.len() as u64).to_le_bytes(), &text[..]].concat()
}

/// Writes the arrays and, as strings, the metadata.
///
/// Not by the safetensors crate: it writes to a file that it makes itself, without a sync, or else
/// makes a second copy of all arrays in memory.
pub(super) fn write(to: &mut impl Write, arrays: &[Array<'_>], metadata: &[(&str, &str)]) -> io::Result<()> {
    let (ordered, entries) = ordered(arrays);
    to.write_all(&header(&entries, metadata))?;
    ordered.iter().try_for_each(|array| to.write_all(&array.data.bytes()))
}

/// As [`write`], with checksums of all of it behind.
pub(super) fn write_sealed(
    to: &mut impl Write,
    arrays: &[Array<'_>],
    metadata: &[(&str, &str)],
) -> io::Result<()> {
    let (ordered, entries) = ordered(arrays);
    let mut to = Sealing::new(to);
    to.write_all(&sealed_header(entries, metadata))?;
    ordered.iter().try_for_each(|array| to.write_all(&array.data.bytes()))?;
    to.finish()
}

/// Arrays in the order of the file: larger types first, so that each tensor lies at a multiple of its type's size.
fn ordered<'a, 'b>(arrays: &'b [Array<'a>]) -> (Vec<&'b Array<'a>>, Vec<Entry<'a>>) {
    let mut ordered: Vec<&Array<'_>> = arrays.iter().collect();
    ordered.sort_by_key(|array| Reverse(array.data.value_size()));
    let entries = ordered.iter().map(|array| Entry::of(array)).collect();
    (ordered, entries)
}

/// What the header of a file says: its metadata, and the type, shape and bytes of each tensor.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) metadata: HashMap<String, String>,
    pub(crate) tensors: HashMap<String, (FileDtype, Vec<usize>, Range<usize>)>,
}

/// Reads the header of a file.
pub(crate) fn contents(file: &[u8]) -> Result<Contents, String> {
    if has_absurd_number(file) {
        return Err("a number is beyond any file's size".to_owned());
    }
    let (length, header) = SafeTensors::read_metadata(file).map_err(|error| error.to_string())?;
    let start = 8 + length;
    let place = |info: &TensorInfo| {
        let (from, to) = info.data_offsets;
        (info.dtype, info.shape.clone(), start + from..start + to)
    };
    let tensors = header.tensors().into_iter().map(|(name, info)| (name, place(info))).collect();
    Ok(Contents { metadata: header.metadata().clone().unwrap_or_default(), tensors })
}

/// A JSON string.
fn json(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control @ '\0'..'\x20' => quoted += &format!("\\u{:04x}", control as u32),
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::{super::write::ArrayData, *};
    use std::path::Path;

    fn written(arrays: &[Array<'_>], metadata: &[(&str, &str)]) -> Vec<u8> {
        let mut file = Vec::new();
        write(&mut file, arrays, metadata).unwrap();
        file
    }

    fn with_header(header: &str, values: usize) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; values]].concat()
    }

    #[test]
    fn names_and_metadata_of_any_kind_are_quoted() {
        let odd = "a \"b\" \\ \n \u{1} é";
        let arrays = [
            Array { name: "bytes", shape: vec![3], data: ArrayData::U8(&[1, 2, 3]) },
            Array { name: odd, shape: vec![1, 2], data: ArrayData::F32(&[1.0, 2.0]) },
        ];
        let file = written(&arrays, &[(odd, odd)]);
        let (_, header) = SafeTensors::read_metadata(&file).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()[odd], odd);
        // The wider type comes first, so that it is aligned.
        assert_eq!(header.offset_keys(), [odd, "bytes"]);
        assert_eq!(
            locate(&file, Wanted::OneOf(&[odd])).unwrap().0,
            Layout::new(Dtype::F32, &[1, 2]).unwrap()
        );
        assert_eq!(locate(&file, Wanted::OneOf(&["bytes"])).unwrap().1, [1, 2, 3]);
        assert!(SafeTensors::deserialize(&written(&[], &[])).unwrap().is_empty());
    }

    #[test]
    fn a_cut_off_file_is_refused_at_every_length() {
        let file = written(&[Array { name: "a", shape: vec![2], data: ArrayData::F64(&[1.0, 2.0]) }], &[]);
        for length in 0..file.len() {
            let message =
                locate(&file[..length], Wanted::OneOf(&[])).unwrap_err().at(Path::new("f")).to_string();
            assert!(message.contains("safetensors header"), "{message}");
        }
        assert!(locate(&[file, vec![0]].concat(), Wanted::OneOf(&[])).is_err());
    }

    #[test]
    fn lying_headers_are_refused() {
        for header in [
            r#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#,
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
        ] {
            assert!(locate(&with_header(header, 8), Wanted::OneOf(&[])).is_err(), "{header}");
        }
        // Offsets whose sum with the header's length overflows.
        const EACH: u64 = (1 << 61) - 1;
        let tensors: Vec<String> = (0..8)
            .map(|i| (i, i * EACH, if i == 7 { u64::MAX - 7 } else { (i + 1) * EACH }))
            .map(|(i, start, end)| {
                let size = end - start;
                format!(r#""{i}":{{"dtype":"U8","shape":[{size}],"data_offsets":[{start},{end}]}}"#)
            })
            .collect();
        assert!(locate(&with_header(&format!("{{{}}}", tensors.join(",")), 0), Wanted::OneOf(&[])).is_err());
        assert!(locate(&with_header(&"[".repeat(100_000), 0), Wanted::OneOf(&[])).is_err());
        assert!(locate(&u64::MAX.to_le_bytes(), Wanted::OneOf(&[])).is_err());
    }

    #[test]
    fn long_numbers_within_names_are_no_offense() {
        let name = "run-20250101123456789012345 \\\" 20250101123456789012345";
        let file = written(&[Array { name, shape: vec![1], data: ArrayData::U8(&[1]) }], &[]);
        assert!(locate(&file, Wanted::OneOf(&[])).is_ok());
    }

    #[test]
    fn types_without_a_meaning_here_are_named() {
        let header = r#"{"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}"#;
        let message =
            locate(&with_header(header, 8), Wanted::OneOf(&[])).unwrap_err().at(Path::new("f")).to_string();
        assert!(message.contains("array 'a' holds F8_E4M3"), "{message}");
        let header = r#"{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}"#;
        assert_eq!(locate(&with_header(header, 4), Wanted::OneOf(&[])).unwrap().0.dtype, Dtype::BF16);
    }
}
