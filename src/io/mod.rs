//! Files of numbers: `.npy`, `.npz` and `.safetensors`, as `NumPy` and its kin read and write them.
//!
//! With the feature `parquet`, columns of `.parquet` files are read as well.
//!
//! A [`Source`] maps a file into memory and reads a matrix or a mask from it; [`write()`] and its
//! siblings replace a file as a whole or leave it as it was. A file is never trusted: what its
//! header says is checked against its size before anything is allocated.
//!
//! ```
//! use attractor::io::{Array, ArrayData, Source, write};
//!
//! let directory = tempfile::tempdir()?;
//! let path = directory.path().join("memory.npz");
//! let patterns = Array { name: "patterns", shape: vec![2, 3], data: ArrayData::F32(&[1.0; 6]) };
//! let keep = Array { name: "keep", shape: vec![2], data: ArrayData::Bool(&[true, false]) };
//! write(&path, &[patterns, keep])?;
//!
//! let source = Source::open(&path)?;
//! let rows = source.matrix(&["patterns"])?;
//! assert_eq!((rows.rows(), rows.columns()), (2, 3));
//! assert_eq!(source.mask(&["keep"])?, (vec![true, false], vec![2]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod atomic;
pub(crate) mod disk;
pub(crate) mod fault;
#[cfg(test)]
mod faults;
mod file_format;
mod format;
mod layout;
mod mapped;
mod npy;
mod npz;
#[cfg(feature = "parquet")]
mod parquet;
mod ragged;
pub(crate) mod safetensors;
pub(crate) mod seal;
mod source;
mod temporary;
mod text;
mod write;

pub use atomic::{check_writable_bytes, write_bytes};
pub use file_format::{FileFormat, FormattedFile};
pub use format::split_array;
pub use ragged::Ragged;
pub use source::Source;
pub(crate) use temporary::Listed;
pub use temporary::discard_unfinished;
pub use write::{Array, ArrayData, check_writable, write, write_with_metadata};
