//! Writing arrays.

use super::{
    atomic,
    fault::{Checked, Fault},
    format::Format,
    mapped, npy, npz, safetensors,
};
use crate::{Error, Result};
use bytemuck::NoUninit;
use half::f16;
use std::{borrow::Cow, io::Write, path::Path};

/// One named array to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Array<'a> {
    /// What it is called in a `.npz` or `.safetensors` file; a `.npy` file has no names.
    pub name: &'a str,
    /// How long it is in each dimension; `[n, d]` for a matrix.
    pub shape: Vec<usize>,
    /// Its values, row after row (in C order).
    pub data: ArrayData<'a>,
}

/// The values of an [`Array`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "each is named for the type that it holds")]
pub enum ArrayData<'a> {
    Bool(&'a [bool]),
    U8(&'a [u8]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    F16(&'a [f16]),
    F32(&'a [f32]),
    F64(&'a [f64]),
}

impl<'a> ArrayData<'a> {
    /// How many values.
    fn len(&self) -> usize {
        self.bytes().len() / self.value_size()
    }

    /// Bytes of one value.
    pub(super) fn value_size(&self) -> usize {
        match self {
            Self::Bool(_) | Self::U8(_) => 1,
            Self::F16(_) => 2,
            Self::U32(_) | Self::I32(_) | Self::F32(_) => 4,
            Self::U64(_) | Self::I64(_) | Self::F64(_) => 8,
        }
    }

    /// The type as a `.npy` header has it.
    pub(super) fn descr(&self) -> &'static str {
        match self {
            Self::Bool(_) => "|b1",
            Self::U8(_) => "|u1",
            Self::U32(_) => "<u4",
            Self::U64(_) => "<u8",
            Self::I32(_) => "<i4",
            Self::I64(_) => "<i8",
            Self::F16(_) => "<f2",
            Self::F32(_) => "<f4",
            Self::F64(_) => "<f8",
        }
    }

    /// The type as a `.safetensors` header has it.
    pub(super) fn safetensors_dtype(&self) -> &'static str {
        match self {
            Self::Bool(_) => "BOOL",
            Self::U8(_) => "U8",
            Self::U32(_) => "U32",
            Self::U64(_) => "U64",
            Self::I32(_) => "I32",
            Self::I64(_) => "I64",
            Self::F16(_) => "F16",
            Self::F32(_) => "F32",
            Self::F64(_) => "F64",
        }
    }

    /// The values as they stand in a file, without a copy on a little-endian machine.
    pub(super) fn bytes(&self) -> Cow<'a, [u8]> {
        match self {
            Self::Bool(values) => little_endian(values),
            Self::U8(values) => little_endian(values),
            Self::U32(values) => little_endian(values),
            Self::U64(values) => little_endian(values),
            Self::I32(values) => little_endian(values),
            Self::I64(values) => little_endian(values),
            Self::F16(values) => little_endian(values),
            Self::F32(values) => little_endian(values),
            Self::F64(values) => little_endian(values),
        }
    }
}

fn little_endian<T: NoUninit>(values: &[T]) -> Cow<'_, [u8]> {
    let bytes: &[u8] = bytemuck::cast_slice(values);
    if cfg!(target_endian = "little") {
        Cow::Borrowed(bytes)
    } else {
        Cow::Owned(bytes.chunks_exact(size_of::<T>()).flat_map(|value| value.iter().rev().copied()).collect())
    }
}

/// Writes arrays to the file `path`, in the format that its suffix names: one array to a `.npy` file,
/// any number to a `.npz` (uncompressed) or `.safetensors` file.
///
/// The file is complete or not there at all: it is written beside its place under a temporary name,
/// synced, and renamed. A file that was there stays until then, and its permissions are kept; one that
/// may not be written to is not replaced either. What is no regular file, such as a pipe, is written to
/// directly. A program that is killed leaves its temporary file, `.attractor-*.tmp`, which the next write
/// into that directory removes.
///
/// ```
/// use attractor::io::{Array, ArrayData, write};
///
/// let directory = tempfile::tempdir()?;
/// let scores = Array { name: "scores", shape: vec![3], data: ArrayData::F32(&[0.1, 0.2, 0.3]) };
/// write(directory.path().join("scores.npy"), &[scores])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Format`] where the suffix is unknown, the format cannot hold that many arrays, or two
/// have one name; [`Error::DimensionMismatch`] where a shape does not fit its values; [`Error::File`]
/// where the file cannot be written.
pub fn write(path: impl AsRef<Path>, arrays: &[Array<'_>]) -> Result<()> {
    write_with_metadata(path, arrays, &[])
}

/// As [`write()`], with pairs of key and value that a `.safetensors` file keeps as its metadata. The
/// other formats have no place for them, and leave them out.
///
/// ```
/// use attractor::io::{Array, ArrayData, write_with_metadata};
///
/// let directory = tempfile::tempdir()?;
/// let patterns = Array { name: "patterns", shape: vec![1, 2], data: ArrayData::F32(&[1.0, -1.0]) };
/// write_with_metadata(directory.path().join("m.safetensors"), &[patterns], &[("beta", "8")])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`write()`].
pub fn write_with_metadata(
    path: impl AsRef<Path>,
    arrays: &[Array<'_>],
    metadata: &[(&str, &str)],
) -> Result<()> {
    write_as(path.as_ref(), arrays, metadata, false)
}

/// As [`write_with_metadata`] to a `.safetensors` file, with checksums of all of it ([`super::seal`]); the other formats have no place for them.
pub(crate) fn write_sealed(path: &Path, arrays: &[Array<'_>], metadata: &[(&str, &str)]) -> Result<()> {
    write_as(path, arrays, metadata, true)
}

fn write_as(path: &Path, arrays: &[Array<'_>], metadata: &[(&str, &str)], sealed: bool) -> Result<()> {
    check_no_store(path)?;
    let format = format_for(path, arrays).map_err(|fault| fault.at(path))?;
    for Array { name, shape, data } in arrays {
        let want = shape.iter().try_fold(1_usize, |product, &d| product.checked_mul(d)).unwrap_or(usize::MAX);
        if data.len() != want {
            let what = format!("values of array '{name}' with the shape {shape:?}");
            return Err(Error::dimension(what, data.len(), want));
        }
    }
    atomic::replace(path, |file| match format {
        Format::Npy => arrays.iter().try_for_each(|Array { shape, data, .. }| {
            file.write_all(&npy::header(data.descr(), shape)?)?;
            file.write_all(&data.bytes())
        }),
        Format::Npz => npz::write(file, arrays),
        Format::Safetensors if sealed => safetensors::write_sealed(file, arrays, metadata),
        Format::Safetensors => safetensors::write(file, arrays, metadata),
        // Refused above.
        #[cfg(feature = "parquet")]
        Format::Parquet => Ok(()),
    })
}

/// The format of `path`, if it can hold these arrays.
fn format_for(path: &Path, arrays: &[Array<'_>]) -> Checked<Format> {
    let format = Format::of_written(path)?;
    if format == Format::Npy {
        return match arrays {
            [_] => Ok(format),
            _ => {
                let problem = format!("a .npy file cannot hold {} arrays", arrays.len());
                Err(Fault::new(problem, "it holds one; use .npz or .safetensors"))
            }
        };
    }
    for (i, Array { name, .. }) in arrays.iter().enumerate() {
        if arrays[..i].iter().any(|other| other.name == *name) {
            return Err(Fault::new(format!("two arrays are called '{name}'"), "give each its own name"));
        }
        // What a zip archive has room for.
        if format == Format::Npz && name.len() > usize::from(u16::MAX) - 4 {
            let problem = format!("the name of array {i} takes {} bytes", name.len());
            return Err(Fault::new(problem, "a .npz file has room for 65531"));
        }
        // A reader takes it for the end of the name.
        if format == Format::Npz && name.contains('\0') {
            let problem = format!("the name of array {i} has a zero character in it");
            return Err(Fault::new(problem, "leave it out, or write a .safetensors file"));
        }
        if format == Format::Safetensors && *name == "__metadata__" {
            return Err(Fault::new(
                "an array is called '__metadata__'",
                "the format keeps that name for itself",
            ));
        }
    }
    Ok(format)
}

/// Checks that [`write()`] to this path could work, and leaves what is there as it is. For work that
/// computes for long before it writes.
///
/// ```
/// use attractor::io::check_writable;
///
/// let directory = tempfile::tempdir()?;
/// assert!(check_writable(directory.path().join("result.npy")).is_ok());
/// assert!(check_writable(directory.path().join("result.docx")).is_err());
/// assert!(check_writable(directory.path().join("missing/result.npy")).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// [`Error::Format`] where the suffix is unknown; [`Error::File`] where the target is a directory or a file that
/// may not be written to, or the directory that it is to be in is missing or cannot be written to.
pub fn check_writable(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    Format::of_written(path).map_err(|fault| fault.at(path))?;
    check_no_store(path)?;
    atomic::check_writable_bytes(path)
}

/// Refuses to replace a store ([`crate::store`]) by mere arrays: its patterns would be gone, and its journal would fit nothing.
fn check_no_store(path: &Path) -> Result<()> {
    let holds_store =
        |file: &std::fs::File| mapped::map(file).is_ok_and(|bytes| safetensors::is_store(&bytes));
    if path.is_file() && std::fs::File::open(path).is_ok_and(|file| holds_store(&file)) {
        return Err(Error::Format {
            path: path.to_owned(),
            problem: "there is a store in this file".to_owned(),
            want: "write to another file, or remove the store first".to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    const fn array<'a>(name: &'a str, shape: Vec<usize>) -> Array<'a> {
        Array { name, shape, data: ArrayData::F32(&[1.0; 6]) }
    }

    #[test]
    fn what_cannot_be_written_is_refused_before_a_file_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let refused = |name: &str, arrays: &[Array<'_>]| {
            write(directory.path().join(name), arrays).unwrap_err().to_string()
        };
        let (a, b) = (|| array("a", vec![2, 3]), || array("b", vec![6]));
        assert!(refused("a.npy", &[a(), b()]).contains("cannot hold 2 arrays"));
        assert!(refused("a.npy", &[]).contains("cannot hold 0 arrays"));
        assert!(refused("a.npz", &[a(), b(), a()]).contains("two arrays are called 'a'"));
        assert!(refused("a.npz", &[array("a\0b", vec![6])]).contains("zero character"));
        assert!(refused("a.safetensors", &[array("__metadata__", vec![6])]).contains("keeps that name"));
        assert!(refused("a.png", &[a()]).contains("'.png'"));
        assert!(refused("a.parquet", &[a()]).contains("parquet"));
        assert!(refused("a.npz", &[array(&"n".repeat(65_532), vec![6])]).contains("takes 65532 bytes"));
        assert!(refused("a.npy", &[array("a", vec![2, 4])]).contains("got 6, want 8"));
        assert!(refused("a.npy", &[array("a", vec![usize::MAX, 4])]).contains("got 6"));
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn the_same_arrays_give_the_same_file() {
        let directory = tempfile::tempdir().unwrap();
        for suffix in ["npy", "npz", "safetensors"] {
            let [one, two] = ["1", "2"].map(|name| {
                let path = directory.path().join(name).with_extension(suffix);
                write(&path, &[array("a", vec![3, 2])]).unwrap();
                std::fs::read(path).unwrap()
            });
            assert_eq!(one, two);
        }
    }
}
