//! `.safetensors` files with a format and a version of their own: those of memories and stores.

use super::{
    Source,
    fault::other_version,
    safetensors::{Contents, contents},
    seal::Seal,
    write::{Array, write_sealed},
};
use crate::{Error, Result};
use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

/// A format of `.safetensors` files, that of one kind of memory: `format` and `version` in the metadata, checksums of all the rest.
///
/// ```
/// use attractor::io::{Array, ArrayData, FileFormat};
/// const FORMAT: FileFormat = FileFormat {
///     name: "my memory",
///     version: "1",
///     what: "memory of mine",
///     want: "a file that `my-program learn` made is needed",
/// };
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("memory.safetensors");
/// let patterns = Array { name: "patterns", shape: vec![1, 2], data: ArrayData::F32(&[1.0, -1.0]) };
/// FORMAT.write(&path, &[patterns], &[("power", "3")])?;
///
/// let file = FORMAT.open(&path)?;
/// assert_eq!(file.number::<u32>("power")?, 3);
/// assert_eq!(file.source().matrix(&["patterns"])?.row(0), [1.0, -1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FileFormat {
    /// `format` in the metadata.
    pub name: &'static str,
    /// `version` in the metadata: files of other versions are refused.
    pub version: &'static str,
    /// What is in such a file, as in "it is no store".
    pub what: &'static str,
    /// What is needed where a file is none.
    pub want: &'static str,
}

/// A file of a [`FileFormat`], whose checksums are right.
#[derive(Debug)]
pub struct FormattedFile<'f> {
    format: &'f FileFormat,
    path: PathBuf,
    source: Source,
    contents: Contents,
}

impl FileFormat {
    /// Writes arrays and entries of the metadata to a file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Format`] for another suffix than `.safetensors`, [`Error::DimensionMismatch`] where a shape does not fit its values,
    /// [`Error::File`].
    pub fn write(&self, path: &Path, arrays: &[Array<'_>], entries: &[(&str, &str)]) -> Result<()> {
        self.check_suffix(path)?;
        let own = [("format", self.name), ("version", self.version)];
        write_sealed(path, arrays, &[&own[..], entries].concat())
    }

    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Format`] where it has another format or version, or is damaged.
    pub fn open(&self, path: &Path) -> Result<FormattedFile<'_>> {
        self.check_suffix(path)?;
        let source = Source::open_file(path)?;
        let wrong = |problem| self.wrong(path, problem);
        let contents = contents(source.bytes()).map_err(wrong)?;
        self.check(path, &contents)?;
        if let Some(seal) = Seal::of(source.bytes(), &contents).map_err(wrong)? {
            let damaged = |problem| {
                let want = "the file is damaged: take it from a backup, or make it again".to_owned();
                Error::Format { path: path.to_owned(), problem, want }
            };
            seal.check_all(source.bytes()).map_err(damaged)?;
        }
        Ok(FormattedFile { format: self, path: path.to_owned(), source, contents })
    }

    /// That a file is none of this format, or not as it must be.
    pub(crate) fn wrong(&self, path: &Path, problem: String) -> Error {
        Error::Format { path: path.to_owned(), problem, want: self.want.to_owned() }
    }

    /// An entry of the metadata.
    pub(crate) fn entry<'c>(&self, path: &Path, contents: &'c Contents, key: &str) -> Result<&'c str> {
        let missing = || self.wrong(path, format!("the metadata has no '{key}': it is no {}", self.what));
        contents.metadata.get(key).map(String::as_str).ok_or_else(missing)
    }

    /// Refuses files of other formats and versions.
    pub(crate) fn check(&self, path: &Path, contents: &Contents) -> Result<()> {
        let format = self.entry(path, contents, "format")?;
        if format != self.name {
            return Err(self.wrong(path, format!("it is '{format}', not '{}'", self.name)));
        }
        let version = self.entry(path, contents, "version")?;
        if version != self.version {
            return Err(other_version(path, self.name, version, self.version));
        }
        Ok(())
    }

    /// Refuses other suffixes: only safetensors files have metadata.
    pub(crate) fn check_suffix(&self, path: &Path) -> Result<()> {
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors")) {
            return Ok(());
        }
        let problem = format!("a {} needs metadata", self.what);
        Err(Error::Format { path: path.to_owned(), problem, want: "use a .safetensors file".to_owned() })
    }
}

impl FormattedFile<'_> {
    /// The arrays.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether there is an array of this name.
    pub fn has(&self, name: &str) -> bool {
        self.contents.tensors.contains_key(name)
    }

    /// Where its arrays are in the bytes of the file, with their types and shapes.
    pub(crate) fn contents(&self) -> &Contents {
        &self.contents
    }

    /// An entry of the metadata.
    ///
    /// # Errors
    /// [`Error::Format`] where there is none.
    pub fn entry(&self, key: &str) -> Result<&str> {
        self.format.entry(&self.path, &self.contents, key)
    }

    /// An entry of the metadata as the number or name that it is.
    ///
    /// # Errors
    /// [`Error::Format`] where there is none, or another thing.
    pub fn number<T: FromStr>(&self, key: &str) -> Result<T> {
        self.entry(key)?.parse().map_err(|_| self.bad(key))
    }

    /// That an entry of the metadata is not as it must be.
    pub fn bad(&self, key: &str) -> Error {
        let text = self.contents.metadata.get(key).map_or("", String::as_str);
        self.wrong(format!("'{key}' in the metadata is '{text}'"))
    }

    /// That something in the file is not as it must be.
    pub fn wrong(&self, problem: String) -> Error {
        self.format.wrong(&self.path, problem)
    }

    /// An error that came of what the file says, as one of the file; those of devices and files stay as they are.
    pub fn unfit(&self, error: Error) -> Error {
        match error {
            Error::InvalidParameter { .. }
            | Error::DimensionMismatch { .. }
            | Error::NonFinite { .. }
            | Error::EmptyMemory => error.in_file(&self.path, self.format.want),
            other => other,
        }
    }
}
