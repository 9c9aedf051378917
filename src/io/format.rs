//! Which format a file has, told by its suffix, and which of its arrays is meant.

use super::fault::{Checked, Fault};
use std::path::{Path, PathBuf};

/// The formats that are read, and but for parquet written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Npy,
    Npz,
    Safetensors,
    #[cfg(feature = "parquet")]
    Parquet,
}

impl Format {
    /// The format that the suffix of `path` names, in either case.
    pub(super) fn of(path: &Path) -> Checked<Self> {
        let want = match cfg!(feature = "parquet") {
            true => "use .npy, .npz or .safetensors (.parquet is read, too)",
            false => "use .npy, .npz or .safetensors",
        };
        let Some(suffix) = path.extension() else {
            return Err(Fault::new("the file name has no suffix to tell the format by", want));
        };
        let suffix = suffix.to_string_lossy();
        match suffix.to_ascii_lowercase().as_str() {
            "npy" => Ok(Self::Npy),
            "npz" => Ok(Self::Npz),
            "safetensors" => Ok(Self::Safetensors),
            #[cfg(feature = "parquet")]
            "parquet" => Ok(Self::Parquet),
            #[cfg(not(feature = "parquet"))]
            "parquet" => Err(Fault::new(
                "this build reads no '.parquet' files",
                "build it with `--features parquet`, or save a .npy, .npz or .safetensors file",
            )),
            _ => Err(Fault::new(format!("'.{suffix}' is no format for arrays that is known here"), want)),
        }
    }
}

impl Format {
    /// The format for a file that is to be written.
    pub(super) fn of_written(path: &Path) -> Checked<Self> {
        match Self::of(path)? {
            #[cfg(feature = "parquet")]
            Self::Parquet => {
                Err(Fault::new("'.parquet' files are read alone", "use .npy, .npz or .safetensors"))
            }
            format => Ok(format),
        }
    }
}

/// A path as users write it: that of a file, or `FILE:NAME` for one array of a `.npz`, `.safetensors` or `.parquet` file.
///
/// A file that is there under the whole path is meant, whatever colons are in it. Otherwise the name begins behind the first colon
/// that follows a suffix of a format, so that names may have colons of their own, and drive letters remain what they are.
///
/// ```
/// use attractor::io::split_array;
/// use std::path::Path;
///
/// let plain = |path| split_array(Path::new(path));
/// assert_eq!(plain("a.npz:emb"), ("a.npz".into(), Some("emb".to_owned())));
/// assert_eq!(plain("C:/data/a.npz:model:weight"), ("C:/data/a.npz".into(), Some("model:weight".to_owned())));
/// assert_eq!(plain("C:/data/a.npz"), ("C:/data/a.npz".into(), None));
/// assert_eq!(plain("a.txt:emb"), ("a.txt:emb".into(), None));
/// ```
pub fn split_array(path: &Path) -> (PathBuf, Option<String>) {
    // An array's name is text; so is the path where one is named.
    let Some(text) = path.to_str().filter(|_| !path.exists()) else { return (path.to_owned(), None) };
    let ends_in_format = |file: &str| {
        let file = file.to_ascii_lowercase();
        [".npy", ".npz", ".safetensors", ".parquet"].iter().any(|suffix| file.ends_with(suffix))
    };
    let colons = || text.match_indices(':').map(|(at, _)| at).filter(|at| ends_in_format(&text[..*at]));
    // Where several colons follow a suffix, the one behind a file that is there.
    let at = colons().find(|at| Path::new(&text[..*at]).is_file()).or_else(|| colons().next());
    match at {
        Some(at) => (PathBuf::from(&text[..at]), Some(text[at + 1..].to_owned())),
        None => (path.to_owned(), None),
    }
}

/// Which array of a file is meant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted<'a> {
    /// The one of this name.
    Exactly(&'a str),
    /// The first of these names that is there, or else the only one.
    OneOf(&'a [&'a str]),
}

impl<'a> Wanted<'a> {
    /// The names that will do.
    pub(super) fn names(&'a self) -> &'a [&'a str] {
        match self {
            Self::Exactly(name) => std::slice::from_ref(name),
            Self::OneOf(names) => names,
        }
    }

    /// Of the arrays in `have`, the one that is meant.
    pub(super) fn choose<'h>(&self, have: &'h [String]) -> Checked<&'h str> {
        let found = self.names().iter().find_map(|name| have.iter().find(|have| have == name));
        match (found, self, have) {
            (Some(found), ..) => Ok(found),
            (None, _, []) => Err(Fault::new("the file holds no array", "it must hold one")),
            (None, Self::Exactly(name), _) => Err(Fault::new(
                format!("the file holds no array '{name}'"),
                format!("it holds {}", list(have)),
            )),
            (None, Self::OneOf(_), [only]) => Ok(only),
            (None, Self::OneOf(names), [first, ..]) => {
                let rename = match names {
                    [] => String::new(),
                    [name] => format!("name one of them '{name}', or "),
                    [name, others @ ..] => {
                        format!("name one of them '{name}' (or '{}'), or ", others.join("', '"))
                    }
                };
                let want = format!("{rename}say which one behind the file's name, as in FILE:{first}");
                Err(Fault::new(format!("the file holds the arrays {}", list(have)), want))
            }
        }
    }
}

/// The names of arrays. A checkpoint may hold thousands: enough of them to see what kind of file it is.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut list = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        list += &format!(" and {} more", names.len() - SHOWN);
    }
    list
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_tells_the_format_in_either_case() {
        assert_eq!(Format::of(Path::new("a/b.NPY")).unwrap(), Format::Npy);
        assert_eq!(Format::of(Path::new("b.x.Npz")).unwrap(), Format::Npz);
        assert_eq!(Format::of(Path::new("b.safetensors")).unwrap(), Format::Safetensors);
        let parquet = Format::of(Path::new("b.parquet"));
        #[cfg(feature = "parquet")]
        assert_eq!(parquet.unwrap(), Format::Parquet);
        #[cfg(not(feature = "parquet"))]
        assert!(parquet.unwrap_err().at(Path::new("b")).to_string().contains("--features parquet"));
        for unknown in ["b.csv", "b", "npy", ""] {
            let error = Format::of(Path::new(unknown)).unwrap_err().at(Path::new(unknown)).to_string();
            assert!(error.contains(".npy, .npz or .safetensors"), "{error}");
        }
    }

    #[test]
    fn the_first_name_that_exists_is_chosen_or_the_only_array() {
        let two = ["a".to_owned(), "b".to_owned()];
        let message = |fault: Fault| fault.at(Path::new("f.npz")).to_string();
        assert_eq!(Wanted::OneOf(&["c", "b", "a"]).choose(&two).unwrap(), "b");
        assert_eq!(Wanted::OneOf(&["c"]).choose(&two[..1]).unwrap(), "a");
        assert_eq!(
            message(Wanted::OneOf(&["c", "d"]).choose(&two).unwrap_err()),
            "f.npz: the file holds the arrays a, b; name one of them 'c' (or 'd'), or say which one behind the file's name, as in FILE:a"
        );
        assert!(Wanted::OneOf(&["c"]).choose(&[]).is_err());
        let many: Vec<String> = (0..1000).map(|i| i.to_string()).collect();
        let error = message(Wanted::OneOf(&[]).choose(&many).unwrap_err());
        assert!(error.contains("and 988 more"), "{error}");
        // One that is asked for by its name is that one, or none.
        assert_eq!(Wanted::Exactly("b").choose(&two).unwrap(), "b");
        for have in [&two[..], &two[..1]] {
            let error = message(Wanted::Exactly("c").choose(have).unwrap_err());
            let want = format!("f.npz: the file holds no array 'c'; it holds {}", have.join(", "));
            assert_eq!(error, want);
        }
    }

    #[test]
    fn a_file_that_is_there_is_meant_whatever_colons_are_in_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let split = |name: &str| {
            let (file, array) = split_array(&at(name));
            (file.file_name().unwrap().to_string_lossy().into_owned(), array)
        };
        let named = |file: &str, array: &str| (file.to_owned(), Some(array.to_owned()));
        assert_eq!(split("a.npz:b.npz:c"), named("a.npz", "b.npz:c"));
        assert_eq!(split("a.NPZ:"), named("a.NPZ", ""));
        assert_eq!(split_array(Path::new("a.npz:b/c")), ("a.npz".into(), Some("b/c".to_owned())));
        if std::fs::write(at("a.npz:b.npz"), []).is_ok() {
            assert_eq!(split("a.npz:b.npz"), ("a.npz:b.npz".to_owned(), None));
            assert_eq!(split("a.npz:b.npz:c"), named("a.npz:b.npz", "c"));
        }
        assert_eq!(split("plain.npy"), ("plain.npy".to_owned(), None));
    }
}
