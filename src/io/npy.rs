//! The `.npy` format: a Python dictionary of three keys, then the values.

use super::{
    fault::{Checked, Fault},
    layout::{Dtype, Layout, Order, shape_literal},
    text::{Kind, Texts},
};
use std::io::{self, Read, Write};

const MAGIC: &[u8] = b"\x93NUMPY";
/// Values begin at a multiple of this, so that they may be borrowed from a map.
const ALIGNMENT: usize = 64;
/// No header of a plain array comes near; `NumPy` itself stops at 10,000 bytes.
const LONGEST_HEADER: usize = 1 << 16;

/// The header of a `.npy` file.
#[derive(Debug)]
pub(super) struct Header {
    /// The type, such as `<f4`.
    descr: String,
    fortran: bool,
    shape: Vec<u64>,
    /// How many bytes the header takes.
    pub(super) length: usize,
}

impl Header {
    /// The layout of an array of numbers.
    pub(super) fn layout(&self) -> Checked<Layout> {
        let (dtype, big_endian) = dtype(&self.descr)?;
        Ok(Layout::new(dtype, &self.shape)?.ordered(Order { big_endian, fortran: self.fortran }))
    }

    /// What an array of strings is like; `None` where it is of another type.
    pub(super) fn texts(&self) -> Checked<Option<Texts>> {
        let mut characters = self.descr.chars();
        let big_endian = characters.next() == Some('>');
        let kind = match characters.next() {
            Some('U') => Kind::Utf32 { big_endian },
            Some('S' | 'a') => Kind::Bytes,
            _ => return Ok(None),
        };
        match characters.as_str().parse::<u64>() {
            Ok(width) => Texts::new(kind, width, &self.shape, self.fortran).map(Some),
            Err(_) => {
                let problem = format!("has the type '{}', which NumPy does not write", self.descr);
                Err(Fault::damaged(problem))
            }
        }
    }
}

/// The array in a whole file: its layout and its values.
pub(super) fn locate(file: &[u8]) -> Checked<(Layout, &[u8])> {
    let mut values = file;
    let header = read_header(&mut values)?;
    let layout = header.layout()?;
    check_length(file, header.length, layout.bytes(), &layout.shape)?;
    Ok((layout, values))
}

/// The strings in a whole file, where it holds strings, and their bytes.
pub(super) fn locate_texts(file: &[u8]) -> Checked<Option<(Texts, &[u8])>> {
    let mut values = file;
    let header = read_header(&mut values)?;
    let Some(texts) = header.texts()? else { return Ok(None) };
    check_length(file, header.length, texts.bytes(), texts.shape())?;
    Ok(Some((texts, values)))
}

/// Compares what a header says with the size of its file.
fn check_length(file: &[u8], header: usize, values: usize, shape: &[usize]) -> Checked<()> {
    let want = header + values;
    let shape = shape_literal(shape);
    if file.len() < want {
        let problem = format!("its header says {want} bytes (shape {shape}), the file has {}", file.len());
        return Err(Fault::damaged(problem));
    }
    if file.len() > want {
        let problem = format!("{} bytes follow after the array (shape {shape})", file.len() - want);
        return Err(Fault::new(problem, "a .npy file holds one array and nothing else"));
    }
    Ok(())
}

/// Reads a header and leaves `from` where the values begin.
///
/// Not by `npyz`: its parser takes time exponential in the depth of nested brackets, and it
/// multiplies the dimensions without a check.
pub(super) fn read_header(from: &mut impl Read) -> Checked<Header> {
    let cut_off = |error| Fault::damaged(format!("ends within the .npy header ({error})"));
    let mut start = [0; 8];
    from.read_exact(&mut start).map_err(cut_off)?;
    if !start.starts_with(MAGIC) {
        return Err(Fault::new("does not begin as the .npy format does", "write it with numpy.save"));
    }
    let [.., major, minor] = start;
    let (start_length, text_length) = match (major, minor) {
        (1, 0) => {
            let mut length = [0; 2];
            from.read_exact(&mut length).map_err(cut_off)?;
            (10, usize::from(u16::from_le_bytes(length)))
        }
        (2 | 3, 0) => {
            let mut length = [0; 4];
            from.read_exact(&mut length).map_err(cut_off)?;
            (12, u32::from_le_bytes(length) as usize)
        }
        _ => {
            let problem = format!("has version {major}.{minor} of the .npy format");
            return Err(Fault::new(problem, "versions 1.0, 2.0 and 3.0 are read"));
        }
    };
    if text_length > LONGEST_HEADER {
        let problem = format!("has a .npy header of {text_length} bytes");
        return Err(Fault::damaged(problem));
    }
    let mut text = vec![0; text_length];
    from.read_exact(&mut text).map_err(cut_off)?;
    header_of(&String::from_utf8_lossy(&text), start_length + text_length)
}

/// What a header's text says.
fn header_of(text: &str, length: usize) -> Checked<Header> {
    let odd = || {
        let shown: String = text.trim_end().chars().take(100).collect();
        Fault::damaged(format!("has a .npy header that NumPy does not write: {shown:?}"))
    };
    let mut text = Literal(text);
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    text.token("{").ok_or_else(odd)?;
    while text.token("}").is_none() {
        let key = text.string().ok_or_else(odd)?;
        text.token(":").ok_or_else(odd)?;
        match key {
            "descr" if text.token("[").is_some() => {
                return Err(Fault::new("has a structured type", "save one field as a plain numeric array"));
            }
            "descr" => descr = Some(text.string().ok_or_else(odd)?),
            "fortran_order" => fortran = Some(text.boolean().ok_or_else(odd)?),
            "shape" => shape = Some(text.shape().ok_or_else(odd)?),
            _ => return Err(odd()),
        }
        // Only the last entry may go without a comma.
        if text.token(",").is_none() && !text.0.trim_start().starts_with('}') {
            return Err(odd());
        }
    }
    let (Some(descr), Some(fortran), Some(shape), true) = (descr, fortran, shape, text.0.trim().is_empty())
    else {
        return Err(odd());
    };
    Ok(Header { descr: descr.to_owned(), fortran, shape, length })
}

/// What is left of a header's text.
struct Literal<'a>(&'a str);

impl<'a> Literal<'a> {
    /// Skips space and `token`, if it is next.
    fn token(&mut self, token: &str) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(token)?;
        Some(())
    }

    /// A string without escapes; no key and no plain type needs any.
    fn string(&mut self) -> Option<&'a str> {
        let quote = if self.token("'").is_some() { '\'' } else { self.token("\"").map(|()| '"')? };
        let (string, rest) = self.0.split_once(quote)?;
        self.0 = rest;
        Some(string)
    }

    fn boolean(&mut self) -> Option<bool> {
        if self.token("True").is_some() { Some(true) } else { self.token("False").map(|()| false) }
    }

    /// A tuple of whole numbers.
    fn shape(&mut self) -> Option<Vec<u64>> {
        self.token("(")?;
        let mut shape = Vec::new();
        while self.token(")").is_none() {
            let text = self.0.trim_start();
            let (digits, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
            shape.push(digits.parse().ok()?);
            self.0 = rest;
            if self.token(",").is_none() && !self.0.trim_start().starts_with(')') {
                return None;
            }
        }
        Some(shape)
    }
}

/// The type that a type string such as `<f4` names, and whether it is big-endian.
fn dtype(descr: &str) -> Checked<(Dtype, bool)> {
    let mut characters = descr.chars();
    let order = characters.next();
    let unordered = characters.as_str();
    let dtype = match unordered {
        "b1" => Dtype::Bool,
        "u1" => Dtype::U8,
        "u2" => Dtype::U16,
        "u4" => Dtype::U32,
        "u8" => Dtype::U64,
        "i1" => Dtype::I8,
        "i2" => Dtype::I16,
        "i4" => Dtype::I32,
        "i8" => Dtype::I64,
        "f2" => Dtype::F16,
        "f4" => Dtype::F32,
        "f8" => Dtype::F64,
        other => return Err(refused(descr, other)),
    };
    match order {
        Some('<' | '=') => Ok((dtype, false)),
        Some('>') => Ok((dtype, true)),
        Some('|') if dtype.size() == 1 => Ok((dtype, false)),
        _ => Err(Fault::damaged(format!("has the type '{descr}', which NumPy does not write"))),
    }
}

/// Why a type that is no number is not read.
fn refused(descr: &str, unordered: &str) -> Fault {
    let kind = match unordered.chars().next() {
        Some('O') => {
            return Fault::new(
                "holds pickled Python objects, which are never loaded",
                "save a plain numeric array, for example a.astype('f4')",
            );
        }
        Some('c') => "complex numbers",
        Some('S' | 'a' | 'U') => {
            return Fault::new(
                format!("holds strings ('{descr}'), and numbers are needed here"),
                "save real numbers; where the strings are written numbers, a.astype('f8')",
            );
        }
        Some('V') => "raw or structured data",
        Some('m' | 'M') => "times",
        _ => "a type that is not read",
    };
    Fault::new(
        format!("holds {kind} ('{descr}')"),
        "save real numbers: float16 to float64, int8 to int64, uint8 to uint64 or bool",
    )
}

/// The header that goes before values of the type `descr`, such as `<f4`.
pub(super) fn header(descr: &str, shape: &[usize]) -> io::Result<Vec<u8>> {
    let shape = shape_literal(shape);
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}").into_bytes();
    let start = MAGIC.len() + 4;
    let end = (start + text.len() + 1).next_multiple_of(ALIGNMENT);
    text.resize(end - start - 1, b' ');
    text.push(b'\n');
    let length =
        u16::try_from(text.len()).map_err(|_| io::Error::other("the shape has too many dimensions"))?;

    let mut header = Vec::with_capacity(end);
    header.write_all(MAGIC)?;
    header.write_all(&[1, 0])?;
    header.write_all(&length.to_le_bytes())?;
    header.write_all(&text)?;
    Ok(header)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;
    use std::path::Path;

    fn file(text: &str, values: &[u8]) -> Vec<u8> {
        let length = u16::try_from(text.len()).unwrap();
        [MAGIC, &[1, 0], &length.to_le_bytes(), text.as_bytes(), values].concat()
    }

    fn described(descr: &str, fortran: &str, shape: &str) -> Vec<u8> {
        file(&format!("{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"), &[0; 24])
    }

    fn message(file: &[u8]) -> String {
        locate(file).unwrap_err().at(Path::new("f.npy")).to_string()
    }

    #[test]
    fn a_header_is_read_back_and_leaves_the_values_aligned() {
        for shape in [&[][..], &[0], &[7], &[2, 3], &[1_000_000, 1, 2, 3]] {
            let header = header("<f4", shape).unwrap();
            assert!(header.len().is_multiple_of(ALIGNMENT));
            let read = read_header(&mut header.as_slice()).unwrap();
            assert_eq!((read.layout().unwrap().shape.as_slice(), read.length), (shape, header.len()));
        }
    }

    #[test]
    fn headers_of_other_writers_are_read() {
        for text in [
            "{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<f4\"}",
            "{ 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 2 , 3 , ) , }  \n",
        ] {
            assert_eq!(locate(&file(text, &[0; 24])).unwrap().0, Layout::new(Dtype::F32, &[2, 3]).unwrap());
        }
        let mut version_2 = described("'<f4'", "False", "(2, 3)");
        version_2[6] = 2;
        version_2.splice(10..10, [0, 0]);
        assert!(locate(&version_2).is_ok());
    }

    #[test]
    fn what_is_no_plain_array_is_named_with_its_remedy() {
        for (descr, fortran, shape, want) in [
            ("'|O'", "False", "(3,)", "plain numeric array"),
            ("'<c8'", "False", "(3,)", "complex"),
            ("'<U2'", "False", "(3,)", "strings"),
            ("'|S8'", "False", "(3,)", "strings"),
            ("'<M8[s]'", "False", "(3,)", "times"),
            ("'|V8'", "False", "(3,)", "structured"),
            ("'<f16'", "False", "(3,)", "not read"),
            ("[('x', '<f4'), ('y', '<f4')]", "False", "(3,)", "structured"),
            ("'|f4'", "False", "(2, 3)", "does not write"),
            ("''", "False", "(2, 3)", "not read"),
        ] {
            let message = message(&described(descr, fortran, shape));
            assert!(message.contains(want) && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn a_lying_shape_is_refused_before_anything_is_allocated() {
        for shape in [
            "(4611686018427387904, 4)",
            "(4611686018427387904, 4, 0)",
            "(0, 9223372036854775807, 9223372036854775807)",
            "(18446744073709551615,)",
            "(1000000000000, 4)",
            "(99999999999999999999999,)",
            "(-1, 3)",
            "(2, 3",
            "(,)",
            "(2 3)",
        ] {
            message(&described("'<f4'", "False", shape));
        }
    }

    #[test]
    fn headers_that_are_no_dictionary_are_refused() {
        for text in [
            "",
            "{",
            "{}",
            "{'descr'",
            "{'descr': '<f4'}",
            "{'descr': '<f4' 'shape': (6,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} x",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'extra': 1}",
            "{'descr': '<f4\u{e9}', 'fortran_order': False, 'shape': (6,)}",
            &"[".repeat(60_000),
            &"{".repeat(60_000),
        ] {
            assert!(message(&file(text, &[0; 24])).len() < 300);
        }
        assert!(message(b"PK").contains("ends within"));
        assert!(message(b"\x93NUMPX\x01\0\0\0").contains("numpy.save"));
        assert!(message(b"\x93NUMPY\x04\0\0\0").contains("4.0"));
        assert!(message(b"\x93NUMPY\x02\0\xff\xff\xff\xff").contains("4294967295"));
    }

    #[test]
    fn a_cut_off_or_overlong_file_says_by_how_much() {
        let whole = described("'<f4'", "False", "(2, 3)");
        for length in 0..whole.len() {
            assert!(locate(&whole[..length]).is_err(), "{length}");
        }
        let cut = message(&whole[..whole.len() - 1]);
        assert!(cut.contains(&format!("says {} bytes", whole.len())), "{cut}");
        assert!(message(&[whole, vec![0; 5]].concat()).contains("5 bytes follow"));
    }
}
