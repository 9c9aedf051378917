//! Which format a file has, told by its suffix, and which of its arrays is meant.

use super::fault::{Checked, Fault};
use std::path::Path;

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

/// Of the arrays in `have`, the first that `names` asks for, or else the only one there is.
pub(super) fn choose<'a>(have: &'a [String], names: &[&str]) -> Checked<&'a str> {
    if let Some(found) = names.iter().find_map(|name| have.iter().find(|have| have == name)) {
        return Ok(found);
    }
    match have {
        [only] => Ok(only),
        [] => Err(Fault::new("the file holds no array", "it must hold one")),
        many => {
            // A checkpoint may hold thousands: enough of them to see what kind of file it is.
            const SHOWN: usize = 12;
            let mut list = many[..many.len().min(SHOWN)].join(", ");
            if many.len() > SHOWN {
                list += &format!(" and {} more", many.len() - SHOWN);
            }
            let want = match names {
                [] => "a file with a single array is needed here".to_owned(),
                [name] => format!("name one of them '{name}'"),
                [name, others @ ..] => format!("name one of them '{name}' (or '{}')", others.join("', '")),
            };
            Err(Fault::new(format!("the file holds the arrays {list}"), want))
        }
    }
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
        assert_eq!(choose(&two, &["c", "b", "a"]).unwrap(), "b");
        assert_eq!(choose(&two[..1], &["c"]).unwrap(), "a");
        let error = choose(&two, &["c", "d"]).unwrap_err().at(Path::new("f.npz")).to_string();
        assert_eq!(error, "f.npz: the file holds the arrays a, b; name one of them 'c' (or 'd')");
        assert!(choose(&[], &["c"]).is_err());
        let many: Vec<String> = (0..1000).map(|i| i.to_string()).collect();
        let error = choose(&many, &[]).unwrap_err().at(Path::new("f.npz")).to_string();
        assert!(error.contains("and 988 more"), "{error}");
    }
}
