//! The formats of this crate's own `.safetensors` files: what their metadata says of them.

use super::{fault::other_version, safetensors::Contents};
use crate::{Error, Result};
use std::path::Path;

/// A format: the entries `format` and `version` of a file's metadata, and its words in errors.
pub(crate) struct OwnFormat {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// What is in such a file, as in "it is no store".
    pub(crate) what: &'static str,
    /// What is needed where a file is none.
    pub(crate) want: &'static str,
}

impl OwnFormat {
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
