//! Reading: a file of numbers, opened.

#[cfg(feature = "parquet")]
use super::parquet;
use super::{
    atomic,
    fault::{Checked, Fault},
    format::{Format, Wanted, split_array},
    layout::{Dtype, Layout, Target, beyond_f32},
    mapped, npy, npz, safetensors,
    seal::Seal,
};
use crate::{
    Error, Result, Rows, SharedRows,
    narrow::{Narrowed, Narrowing, Wide},
};
use memmap2::Mmap;
use std::{
    borrow::Cow,
    fmt,
    fs::File,
    io,
    ops::{Deref, Range},
    path::{Path, PathBuf},
    sync::Arc,
};

/// An array: its name, its shape, its values as f32.
pub(crate) type Named = (String, Vec<usize>, Vec<f32>);

/// A file of numbers, opened: `.npy`, `.npz` or `.safetensors`, told by its suffix in either case; with the feature
/// `parquet` also `.parquet`.
///
/// The arrays of a `.parquet` file are its columns: one of lists of numbers of one length (fixed-size lists or not) is
/// a matrix, one of numbers a vector. Where none is named, the only column of lists is meant, whatever stands beside it,
/// or else all columns of numbers side by side. A null is an error that names its column and row.
///
/// The file is mapped into memory, and what it holds is read when it is asked for. While a `Source`
/// lives, the file must not be written to **in place** by anyone: that changes numbers already
/// borrowed, and cutting the file off ends the process. Replacing it, as [`write`](super::write())
/// does, is harmless.
///
/// ```
/// use attractor::io::{Array, ArrayData, Source, write};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("patterns.npy");
/// write(&path, &[Array { name: "", shape: vec![2, 3], data: ArrayData::F64(&[0.5; 6]) }])?;
///
/// let source = Source::open(&path)?;
/// assert_eq!(source.matrix(&[])?.row(1), [0.5, 0.5, 0.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    format: Format,
    file: Arc<Content>,
    /// The array that is meant, whatever names are asked for.
    array: Option<String>,
}

/// The bytes of a file.
pub(super) enum Content {
    Mapped(Mmap),
    /// What the file would hold, were it written anew.
    Made(Vec<u8>),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

impl AsRef<[u8]> for Content {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Made(bytes) => bytes,
        }
    }
}

impl Source {
    /// Opens a file. Its content is looked at by [`matrix`](Self::matrix) and [`mask`](Self::mask).
    ///
    /// The path may end in `:NAME`, as in `file.npz:embeddings` ([`split_array`]): this array is then meant by all that
    /// is read, whatever names are asked for.
    ///
    /// # Errors
    /// [`Error::Format`] where the suffix is unknown, the file is empty, a name follows that of a `.npy` file, whose one
    /// array has none, or where it is a store with later changes in a journal beside it ([`store::source`](crate::store::source) reads those
    /// too); [`Error::File`] where the file is missing, is not a regular file or cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let source = Self::open_named(path.as_ref())?.checked()?;
        if source.is_store() && atomic::has_journal(&source.path) {
            let problem = "this is a store, whose latest changes are in the journal beside it";
            let want =
                "compact it first (`attractor store compact`), or read it by `attractor::store::source`";
            return Err(Fault::new(problem, want).at(&source.path));
        }
        Ok(source)
    }

    /// Opens a file and the array in it that the path may name, whatever lies beside the file.
    pub(crate) fn open_named(path: &Path) -> Result<Self> {
        let (path, array) = split_array(path);
        let source = Self::open_file(&path)?;
        match &array {
            Some(name) if source.format == Format::Npy => {
                let problem = "is a .npy file, whose one array has no name";
                Err(Fault::new(problem, format!("leave ':{name}' out")).at(&path))
            }
            _ => Ok(Self { array, ..source }),
        }
    }

    /// Holds the bytes of a file that has checksums against them, on all cores.
    pub(crate) fn checked(self) -> Result<Self> {
        // A header that is none is said to be when arrays are asked for.
        if self.format == Format::Safetensors
            && let Ok(contents) = safetensors::contents(&self.file)
        {
            let want = "the file is damaged: take it from a backup";
            let damaged = |problem: String| Fault::new(problem, want).at(&self.path);
            if let Some(seal) = Seal::of(&self.file, &contents).map_err(damaged)? {
                seal.check_all(&self.file).map_err(damaged)?;
            }
        }
        Ok(self)
    }

    /// What a file would hold, were it written anew.
    pub(crate) fn made(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        let format = Format::of(path).map_err(|fault| fault.at(path))?;
        Ok(Self { path: path.to_owned(), format, file: Arc::new(Content::Made(bytes)), array: None })
    }

    /// The array that is meant, whatever names are asked for.
    pub(crate) fn array(&self) -> Option<&str> {
        self.array.as_deref()
    }

    /// The same file, of which the array is meant that is meant of another.
    pub(crate) fn meaning_as(self, other: &Self) -> Self {
        Self { array: other.array.clone(), ..self }
    }

    /// Whether the file is a store ([`crate::store`]).
    pub(crate) fn is_store(&self) -> bool {
        self.format == Format::Safetensors && safetensors::is_store(&self.file)
    }

    /// Opens a file by its path alone, whatever lies beside it.
    pub(crate) fn open_file(path: &Path) -> Result<Self> {
        let format = Format::of(path).map_err(|fault| fault.at(path))?;
        let failed = |action| move |source| Error::File { path: path.to_owned(), action, source };
        // Before it is opened, because opening a named pipe waits for a writer.
        let metadata = path.metadata().map_err(failed("open"))?;
        if metadata.is_dir() {
            return Err(failed("read")(io::ErrorKind::IsADirectory.into()));
        }
        if !metadata.is_file() {
            return Err(failed("read")(io::Error::other("it is not a regular file")));
        }
        let file = File::open(path).map_err(failed("open"))?;
        let file = mapped::map(&file).map_err(failed("read"))?;
        if file.is_empty() {
            return Err(Fault::damaged("the file is empty").at(path));
        }
        Ok(Self { path: path.to_owned(), format, file: Arc::new(Content::Mapped(file)), array: None })
    }

    /// The matrix `[n, d]` in the file, as f32.
    ///
    /// Of several arrays, it is the one that the path has named, or the first that `names` asks for, or else the only one
    /// there is. An array of one dimension is a single row; one of three or four, such as images `[n, h, w]`, is
    /// taken as `[n, h * w]`. Values of other types are rounded to the nearest f32, and `bool` is 0
    /// and 1; little-endian f32 in a `.npy` or `.safetensors` file is borrowed without a copy, unless
    /// it is in Fortran order and has several rows and columns. NaN and infinities are let through,
    /// for [`Rows::check_finite`] to find.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is damaged, where none of its arrays or several might be
    /// meant, and where the array is not one of 1 to 4 dimensions, has no columns, holds no real
    /// numbers, or has an f64 beyond the range of f32.
    pub fn matrix(&self, names: &[&str]) -> Result<Rows<'_>> {
        let (values, rows, columns) = self.read_matrix(names).map_err(|fault| fault.at(&self.path))?;
        if rows == 0 { Ok(Rows::empty(columns)) } else { Rows::new(values, columns) }
    }

    /// The matrix `[n, d]` in the file, as f64, and its columns: for what rounding to f32 would spoil.
    ///
    /// The array is chosen, and its shape is read, as by [`matrix`](Self::matrix).
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix), except for those about the range of f32.
    ///
    /// ```
    /// use attractor::io::{Array, ArrayData, Source, write};
    ///
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("points.npy");
    /// write(&path, &[Array { name: "", shape: vec![1, 2], data: ArrayData::F64(&[0.1, 1e300]) }])?;
    /// assert_eq!(Source::open(&path)?.matrix_f64(&[])?, (vec![0.1, 1e300], 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn matrix_f64(&self, names: &[&str]) -> Result<(Vec<f64>, usize)> {
        let read = || {
            let (layout, values) = match self.locate(names)? {
                Some((layout, bytes)) => {
                    let values = layout.values(bytes)?;
                    (layout, values)
                }
                None => self.read(names)?,
            };
            Ok((values, layout.matrix()?.1))
        };
        read().map_err(|fault: Fault| fault.at(&self.path))
    }

    /// The matrix in the file as rows that need no copy, and how many columns they have: what
    /// [`Builder::build_shared`](crate::memory::Builder::build_shared) takes. Where the file does not
    /// hold plain f32, the converted values are owned.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix).
    ///
    /// ```
    /// use attractor::{io::{Array, ArrayData, Source, write}, prelude::*};
    ///
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("patterns.npy");
    /// write(&path, &[Array { name: "", shape: vec![2, 3], data: ArrayData::F32(&[0., 0., 0., 1., 1., 1.]) }])?;
    ///
    /// let (rows, columns) = Source::open(&path)?.shared(&[])?;
    /// let memory = DenseMemory::builder().build_shared(rows, columns)?;
    /// assert_eq!(memory.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shared(&self, names: &[&str]) -> Result<(SharedRows, usize)> {
        let (values, _, columns) = self.read_matrix(names).map_err(|fault| fault.at(&self.path))?;
        let rows: SharedRows = match values {
            Cow::Owned(values) => Arc::new(values),
            Cow::Borrowed(values) => {
                let start = values.as_ptr() as usize - self.file.as_ptr() as usize;
                let bytes = start..start + size_of_val(values);
                Arc::new(MappedRows { file: Arc::clone(&self.file), bytes })
            }
        };
        Ok((rows, columns))
    }

    /// The matrix in the file as rows of f32, narrowed as asked for, and what that took: see [`crate::narrow`].
    ///
    /// The array is chosen, and its shape is read, as by [`matrix`](Self::matrix). Whole numbers of 64 bits are exact up to the
    /// rounding to f32 at the end; columns of unlike types that stand side by side in a `.parquet` file are read as f64. What f32 holds
    /// is used where it is, as by [`shared`](Self::shared), unless an offset is given.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix); [`Error::DimensionMismatch`] where a given offset is of other columns.
    ///
    /// ```
    /// use attractor::{io::{Array, ArrayData, Source, write}, narrow::Narrowing};
    ///
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("stamps.npy");
    /// let stamps = [1_700_000_000_000_000_000, 1_700_000_000_000_000_001];
    /// write(&path, &[Array { name: "", shape: vec![2, 1], data: ArrayData::I64(&stamps) }])?;
    /// let source = Source::open(&path)?;
    /// assert_eq!(source.narrowed(&[], Narrowing::Nearest)?.collisions().map(|c| c.rows), Some(2));
    /// let centred = source.narrowed(&[], Narrowing::Centred)?;
    /// let rows = centred.rows();
    /// assert_eq!((rows[(1, 0)] - rows[(0, 0)], centred.collisions()), (1.0, None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn narrowed(&self, names: &[&str], narrowing: Narrowing<'_>) -> Result<Narrowed> {
        let (dtype, is_wide) =
            self.dtype(names).map(|dtype| (dtype, dtype.is_wide())).map_err(|fault| fault.at(&self.path))?;
        let narrowed = if is_wide && dtype.is_whole() && dtype.size() == 8 {
            match dtype {
                Dtype::I64 => self.narrowed_from::<i64, i128>(dtype, names, narrowing),
                _ => self.narrowed_from::<u64, i128>(dtype, names, narrowing),
            }
        } else if is_wide || matches!(narrowing, Narrowing::As(_)) {
            self.narrowed_from::<f64, f64>(dtype, names, narrowing)
        } else {
            let (rows, columns) = self.shared(names)?;
            return Ok(Narrowed::plain(rows, columns));
        };
        narrowed.map_err(|error| match error {
            Error::BeyondF32 { row, column, value } => beyond_f32(row, column, value).at(&self.path),
            other => other,
        })
    }

    /// Narrows numbers that are read as `T`, or used where they are if they lie in the file as `InPlace`.
    fn narrowed_from<InPlace: Wide + bytemuck::AnyBitPattern, T: Wide + Target>(
        &self,
        dtype: Dtype,
        names: &[&str],
        narrowing: Narrowing<'_>,
    ) -> Result<Narrowed> {
        let at = |fault: Fault| fault.at(&self.path);
        let columns = |layout: &Layout| layout.matrix().map(|(_, columns)| columns).map_err(at);
        let (layout, values) = match self.locate(names).map_err(at)? {
            Some((layout, bytes)) => {
                let in_place = borrowed::<InPlace>(bytes);
                if let Some(values) =
                    in_place.filter(|_| layout.is(dtype) && size_of::<InPlace>() == dtype.size())
                {
                    return Narrowed::new(values, columns(&layout)?, narrowing);
                }
                let values = layout.values::<T>(bytes).map_err(at)?;
                (layout, values)
            }
            None => self.read::<T>(names).map_err(at)?,
        };
        Narrowed::new(&values, columns(&layout)?, narrowing)
    }

    /// How many columns the matrix in the file has.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix), where the header of the array says so.
    pub fn columns(&self, names: &[&str]) -> Result<usize> {
        let columns = || Ok(self.layout(names)?.matrix()?.1);
        columns().map_err(|fault: Fault| fault.at(&self.path))
    }

    /// The names of all arrays in the file, sorted; one empty name for a `.npy` file.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is damaged.
    pub fn names(&self) -> Result<Vec<String>> {
        self.names_of().map_err(|fault| fault.at(&self.path))
    }

    fn names_of(&self) -> Checked<Vec<String>> {
        match self.format {
            Format::Npy => Ok(vec![String::new()]),
            Format::Npz => npz::names(&self.file),
            Format::Safetensors => safetensors::names(&self.file),
            #[cfg(feature = "parquet")]
            Format::Parquet => parquet::names(&self.file),
        }
    }

    /// An array of the file as f32 values, and its shape, which may have any number of dimensions.
    ///
    /// The array is chosen, and its values are read, as by [`matrix`](Self::matrix).
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix), except for those about dimensions.
    ///
    /// ```
    /// use attractor::io::{Array, ArrayData, Source, write};
    ///
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("weights.safetensors");
    /// let gain = Array { name: "gain", shape: vec![], data: ArrayData::F32(&[0.5]) };
    /// let bias = Array { name: "bias", shape: vec![1, 1, 2], data: ArrayData::F32(&[1.0, 2.0]) };
    /// write(&path, &[gain, bias])?;
    ///
    /// let source = Source::open(&path)?;
    /// assert_eq!(source.names()?, ["bias", "gain"]);
    /// assert_eq!(source.values(&["bias"])?, ([1.0, 2.0][..].into(), vec![1, 1, 2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn values(&self, names: &[&str]) -> Result<(Cow<'_, [f32]>, Vec<usize>)> {
        let read = || self.read_values(names).map(|(layout, values)| (values, layout.shape));
        read().map_err(|fault: Fault| fault.at(&self.path))
    }

    /// An array of the file as a mask, and its shape: `false` where it is 0, `true` elsewhere.
    ///
    /// The array is chosen as by [`matrix`](Self::matrix); it may have any number of dimensions.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix), except for those about dimensions and the range of f32.
    pub fn mask(&self, names: &[&str]) -> Result<(Vec<bool>, Vec<usize>)> {
        let read = || match self.locate(names)? {
            Some((layout, bytes)) => Ok((layout.values(bytes)?, layout.shape)),
            None => self.read(names).map(|(layout, values)| (values, layout.shape)),
        };
        read().map_err(|fault: Fault| fault.at(&self.path))
    }

    /// An array of whole numbers, such as ids, and its shape; any integer type, exactly.
    ///
    /// The array is chosen as by [`matrix`](Self::matrix); it may have any number of dimensions.
    ///
    /// # Errors
    /// As [`mask`](Self::mask); [`Error::Format`] where the array is of another type, or has a number below 0.
    ///
    /// ```
    /// use attractor::io::{Array, ArrayData, Source, write};
    ///
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("ids.npy");
    /// write(&path, &[Array { name: "", shape: vec![2], data: ArrayData::U64(&[7, u64::MAX]) }])?;
    /// assert_eq!(Source::open(&path)?.integers(&["ids"])?, (vec![7, u64::MAX], vec![2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn integers(&self, names: &[&str]) -> Result<(Vec<u64>, Vec<usize>)> {
        let read = || {
            let (layout, values) = match self.locate(names)? {
                Some((layout, bytes)) => {
                    let values = layout.values::<i128>(bytes)?;
                    (layout, values)
                }
                None => self.read(names)?,
            };
            if !layout.dtype.is_whole() {
                let problem = "the array holds no whole numbers";
                return Err(Fault::new(problem, "save it as an integer type, such as a.astype('i8')"));
            }
            let whole = |(at, value): (usize, &i128)| {
                let problem = || format!("has {value} at position {at}");
                u64::try_from(*value).map_err(|_| Fault::new(problem(), "no number may be below 0"))
            };
            Ok((values.iter().enumerate().map(whole).collect::<Checked<_>>()?, layout.shape))
        };
        read().map_err(|fault: Fault| fault.at(&self.path))
    }

    /// An array of strings, such as names for ids, and its shape: `NumPy`'s types `U` and `S`, in `.npy` and `.npz` files. `None`
    /// where the array is of another type.
    ///
    /// The array is chosen as by [`matrix`](Self::matrix); it may have any number of dimensions. Zeros at the end of a string
    /// are no part of it, as in `NumPy`.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is damaged, where none of its arrays or several might be meant, and where a string is
    /// no Unicode, which is UTF-8 for the type `S`.
    pub fn texts(&self, names: &[&str]) -> Result<Option<(Vec<String>, Vec<usize>)>> {
        let read = || -> Checked<_> {
            let found = match self.format {
                Format::Npy => match npy::locate_texts(&self.file)? {
                    Some((texts, bytes)) => {
                        let strings = texts.read(bytes, bytes.len())?;
                        Some((texts, strings))
                    }
                    None => None,
                },
                Format::Npz => npz::read_texts(&self.file, self.wanted(names))?,
                _ => None,
            };
            Ok(found.map(|(texts, strings)| (strings, texts.shape().to_vec())))
        };
        read().map_err(|fault| fault.at(&self.path))
    }

    /// All arrays as f32 with their names and shapes. The file's header is read once, however many they are.
    pub(crate) fn all_values(&self) -> Result<Vec<Named>> {
        let read = || -> Checked<Vec<Named>> {
            match self.format {
                Format::Npz => {
                    let all = npz::read_all(&self.file)?;
                    Ok(all.into_iter().map(|(name, layout, values)| (name, layout.shape, values)).collect())
                }
                Format::Safetensors => {
                    let all = safetensors::locate_all(&self.file)?;
                    let each = |(name, layout, bytes): (String, Layout, &[u8])| -> Checked<_> {
                        let values = layout.values(bytes).map_err(|fault| fault.in_array(&name))?;
                        Ok((name, layout.shape, values))
                    };
                    all.into_iter().map(each).collect()
                }
                // A file of one array, or of columns.
                _ => {
                    let names = self.names_of()?;
                    let each = |name: String| -> Checked<_> {
                        let (layout, values) = self.read_values(&[&name])?;
                        Ok((name, layout.shape, values.into_owned()))
                    };
                    names.into_iter().map(each).collect()
                }
            }
        };
        read().map_err(|fault| fault.at(&self.path))
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// All bytes of the file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.file
    }

    /// Values, rows and columns.
    fn read_matrix(&self, names: &[&str]) -> Checked<(Cow<'_, [f32]>, usize, usize)> {
        let (layout, values) = self.read_values(names)?;
        let (rows, columns) = layout.matrix()?;
        Ok((values, rows, columns))
    }

    fn read_values(&self, names: &[&str]) -> Checked<(Layout, Cow<'_, [f32]>)> {
        match self.locate(names)? {
            Some((layout, bytes)) => match borrowed(bytes).filter(|_| layout.is(Dtype::F32)) {
                Some(values) => Ok((layout, Cow::Borrowed(values))),
                None => layout.values(bytes).map(|values| (layout, Cow::Owned(values))),
            },
            None => self.read(names).map(|(layout, values)| (layout, Cow::Owned(values))),
        }
    }

    /// Which array is meant where these names are asked for.
    fn wanted<'a>(&'a self, names: &'a [&'a str]) -> Wanted<'a> {
        self.array.as_deref().map_or(Wanted::OneOf(names), Wanted::Exactly)
    }

    /// Layout and bytes of the array, where the format has the bytes plainly in the file.
    fn locate(&self, names: &[&str]) -> Checked<Option<(Layout, &[u8])>> {
        match self.format {
            Format::Npy => npy::locate(&self.file).map(Some),
            Format::Safetensors => safetensors::locate(&self.file, self.wanted(names)).map(Some),
            _ => Ok(None),
        }
    }

    /// The layout of the array.
    fn layout(&self, names: &[&str]) -> Checked<Layout> {
        match self.format {
            Format::Npz => npz::layout(&self.file, self.wanted(names)),
            #[cfg(feature = "parquet")]
            // Nothing but all of the pages says how long the lists of a column are.
            Format::Parquet => self.read::<f32>(names).map(|(layout, _)| layout),
            _ => match self.locate(names)? {
                Some((layout, _)) => Ok(layout),
                None => Err(Fault::new("the file holds no array", "it must hold one")),
            },
        }
    }

    /// The type of the array's numbers.
    fn dtype(&self, names: &[&str]) -> Checked<Dtype> {
        match self.format {
            #[cfg(feature = "parquet")]
            Format::Parquet => parquet::dtype(&self.file, self.wanted(names)),
            _ => self.layout(names).map(|layout| layout.dtype),
        }
    }

    /// The array, where its values have to be unpacked.
    fn read<T: Target>(&self, names: &[&str]) -> Checked<(Layout, Vec<T>)> {
        match self.format {
            #[cfg(feature = "parquet")]
            Format::Parquet => parquet::read(&self.file, self.wanted(names)),
            _ => npz::read(&self.file, self.wanted(names)),
        }
    }
}

/// Rows in a mapped file.
struct MappedRows {
    file: Arc<Content>,
    bytes: Range<usize>,
}

impl AsRef<[f32]> for MappedRows {
    fn as_ref(&self) -> &[f32] {
        // Made only of bytes that were f32 in place already, so the fallback is never taken.
        borrowed(&self.file[self.bytes.clone()]).unwrap_or_default()
    }
}

/// Little-endian bytes as numbers, where they are numbers in this machine's byte order and alignment.
fn borrowed<T: bytemuck::AnyBitPattern>(bytes: &[u8]) -> Option<&[T]> {
    if cfg!(target_endian = "little") { bytemuck::try_cast_slice(bytes).ok() } else { None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::{
        super::{Array, ArrayData, write},
        *,
    };
    use half::f16;

    const SUFFIXES: [&str; 3] = ["npy", "npz", "safetensors"];

    fn saved(suffix: &str, shape: &[usize], data: ArrayData<'_>) -> (tempfile::TempDir, Source) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(format!("a.{suffix}"));
        write(&path, &[Array { name: "a", shape: shape.to_vec(), data }]).unwrap();
        let source = Source::open(&path).unwrap();
        (directory, source)
    }

    #[test]
    fn every_type_survives_every_format() {
        for suffix in SUFFIXES {
            for (data, want) in [
                (ArrayData::Bool(&[true, false]), [1.0, 0.0]),
                (ArrayData::U8(&[255, 0]), [255.0, 0.0]),
                (ArrayData::U32(&[u32::MAX, 0]), [4294967296.0, 0.0]),
                (ArrayData::U64(&[(1 << 24) + 1, 0]), [16777216.0, 0.0]),
                (ArrayData::I64(&[i64::MIN, 0]), [-9223372036854775808.0, 0.0]),
                (ArrayData::F16(&[f16::MAX, f16::NEG_ZERO]), [65504.0, 0.0]),
                (ArrayData::F32(&[0.1, -0.0]), [0.1, 0.0]),
                (ArrayData::F64(&[0.1, 0.0]), [0.1, 0.0]),
            ] {
                let (_directory, source) = saved(suffix, &[2, 1], data);
                assert_eq!(
                    source.matrix(&[]).unwrap(),
                    Rows::new(&want[..], 1).unwrap(),
                    "{suffix} {data:?}"
                );
                assert_eq!(
                    source.values(&["a"]).unwrap(),
                    (want[..].into(), vec![2, 1]),
                    "{suffix} {data:?}"
                );
                assert_eq!(source.names().unwrap(), [if suffix == "npy" { "" } else { "a" }]);
                assert_eq!(
                    source.mask(&["a"]).unwrap(),
                    (vec![true, false], vec![2, 1]),
                    "{suffix} {data:?}"
                );
            }
        }
    }

    #[test]
    fn types_that_are_only_read_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.npy");
        for (descr, bytes) in [
            ("|i1", &[0xfe][..]),
            ("<i2", &[0xfe, 0xff]),
            ("<i4", &[0xfe, 0xff, 0xff, 0xff]),
            ("<f2", &[0, 0xc0]),
        ] {
            std::fs::write(&path, [&npy::header(descr, &[1]).unwrap(), bytes].concat()).unwrap();
            assert_eq!(Source::open(&path).unwrap().matrix(&[]).unwrap().as_slice(), [-2.0], "{descr}");
        }
        std::fs::write(&path, [&npy::header("<u2", &[1]).unwrap(), &[2, 1][..]].concat()).unwrap();
        assert_eq!(Source::open(&path).unwrap().matrix(&[]).unwrap().as_slice(), [258.0]);
    }

    #[test]
    fn large_arrays_are_read_in_pieces() {
        let values: Vec<f64> = (0..50_001).map(f64::from).collect();
        for suffix in SUFFIXES {
            let (_directory, source) = saved(suffix, &[50_001, 1], ArrayData::F64(&values));
            let rows = source.matrix(&[]).unwrap();
            assert!(rows.as_slice().iter().zip(&values).all(|(&got, &want)| f64::from(got) == want));
            assert_eq!(rows.rows(), values.len());
        }
    }

    #[test]
    fn aligned_f32_is_borrowed_from_the_map() {
        for (suffix, is_borrowed) in [("npy", true), ("safetensors", true), ("npz", false)] {
            let (_directory, source) = saved(suffix, &[2, 2], ArrayData::F32(&[1.0; 4]));
            let rows = source.matrix(&[]).unwrap();
            let within = source.file.as_ptr_range().contains(&rows.as_slice().as_ptr().cast());
            assert_eq!(within, is_borrowed && cfg!(target_endian = "little"), "{suffix}");
        }
    }

    /// A `.npy` file of values in some order of its bytes.
    fn ordered(descr: &str, fortran: bool, shape: &[usize], values: &[u8]) -> (tempfile::TempDir, Source) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.npy");
        let header = String::from_utf8_lossy(&npy::header(descr, shape).unwrap()[10..]).into_owned();
        let text = if fortran { header.replace("False", "True ") } else { header };
        let mut file = b"\x93NUMPY\x01\0".to_vec();
        file.extend((text.len() as u16).to_le_bytes());
        file.extend(text.as_bytes());
        file.extend(values);
        std::fs::write(&path, file).unwrap();
        let source = Source::open(&path).unwrap();
        (directory, source)
    }

    #[test]
    fn any_order_of_bytes_is_read_and_the_plain_one_mapped() {
        let values: Vec<f32> = (0..6).map(|i| i as f32).collect();
        let little: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let big: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
        let across = [0.0, 2.0, 4.0, 1.0, 3.0, 5.0];
        for (descr, fortran, shape, bytes, want, is_mapped) in [
            ("<f4", true, [2, 3], &little, &across[..], false),
            (">f4", true, [2, 3], &big, &across, false),
            (">f4", false, [2, 3], &big, &values, false),
            ("<f4", true, [6, 1], &little, &values, true),
            ("<f4", true, [1, 6], &little, &values, true),
            (">f4", true, [1, 6], &big, &values, false),
        ] {
            let (_directory, source) = ordered(descr, fortran, &shape, bytes);
            let rows = source.matrix(&[]).unwrap();
            assert_eq!((rows.as_slice(), rows.columns()), (want, shape[1]), "{descr} {fortran} {shape:?}");
            let within = source.file.as_ptr_range().contains(&rows.as_slice().as_ptr().cast());
            assert_eq!(within, is_mapped && cfg!(target_endian = "little"), "{descr} {fortran} {shape:?}");
            let (shared, columns) = source.shared(&[]).unwrap();
            assert_eq!(((*shared).as_ref(), columns), (want, shape[1]));
            assert_eq!(
                source.matrix_f64(&[]).unwrap().0,
                want.iter().map(|v| f64::from(*v)).collect::<Vec<_>>()
            );
        }
        let ids: Vec<u8> = [1_i64, 2, 3, 4].iter().flat_map(|v| v.to_be_bytes()).collect();
        let (_directory, source) = ordered(">i8", true, &[2, 2], &ids);
        assert_eq!(source.integers(&[]).unwrap(), (vec![1, 3, 2, 4], vec![2, 2]));
        let (_directory, source) = ordered("|b1", true, &[2, 2], &[1, 0, 0, 0]);
        assert_eq!(source.mask(&[]).unwrap().0, [true, false, false, false]);
        let (_directory, source) = ordered("|b1", true, &[2, 2], &[0, 1, 0, 0]);
        assert_eq!(source.mask(&[]).unwrap().0, [false, false, true, false]);
    }

    #[test]
    fn strings_are_read_and_are_no_numbers() {
        let wide: Vec<u8> = "ab\0é\0\0xyz".chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
        let (_directory, source) = ordered("<U3", false, &[3], &wide);
        assert_eq!(source.texts(&[]).unwrap(), Some((vec!["ab".into(), "é".into(), "xyz".into()], vec![3])));
        let message = source.matrix(&[]).unwrap_err().to_string();
        assert!(message.contains("holds strings ('<U3'), and numbers are needed"), "{message}");
        let big: Vec<u8> = "ab\0é".chars().flat_map(|c| (c as u32).to_be_bytes()).collect();
        let (_directory, source) = ordered(">U2", false, &[2, 1], &big);
        assert_eq!(source.texts(&[]).unwrap(), Some((vec!["ab".into(), "\0é".into()], vec![2, 1])));
        let (_directory, source) = ordered("|S3", true, &[1, 2], b"ab\0\xc3\xa9\0");
        assert_eq!(source.texts(&[]).unwrap(), Some((vec!["ab".into(), "é".into()], vec![1, 2])));
        let (_directory, source) = ordered("|S1", false, &[2], b"a\xff");
        assert!(source.texts(&[]).unwrap_err().to_string().contains("position 1"));
        let (_directory, source) = ordered("<f4", false, &[1], &[0; 4]);
        assert_eq!(source.texts(&[]).unwrap(), None);
    }

    #[test]
    fn an_array_is_taken_by_the_name_behind_the_path() {
        let directory = tempfile::tempdir().unwrap();
        for suffix in ["npz", "safetensors"] {
            let path = directory.path().join(format!("a.{suffix}"));
            let arrays = ["a", "model:weight", "patterns"].map(|name| Array {
                name,
                shape: vec![1, 1],
                data: ArrayData::F64(if name == "a" { &[1e9 + 1.0] } else { &[2.0] }),
            });
            write(&path, &arrays).unwrap();
            let named = |name: &str| Source::open(format!("{}:{name}", path.display())).unwrap();
            assert_eq!(named("a").matrix(&["patterns"]).unwrap().as_slice(), [1e9]);
            assert_eq!(named("a").matrix_f64(&["patterns"]).unwrap().0, [1e9 + 1.0]);
            assert_eq!(named("a").values(&["patterns"]).unwrap().0[..], [1e9]);
            assert_eq!((*named("a").shared(&["patterns"]).unwrap().0).as_ref(), [1e9]);
            assert_eq!(named("a").mask(&["patterns"]).unwrap().0, [true]);
            assert_eq!(
                named("a").narrowed(&["patterns"], Narrowing::Nearest).unwrap().rows().as_slice(),
                [1e9]
            );
            assert_eq!(named("model:weight").matrix(&["a"]).unwrap().as_slice(), [2.0]);
            let message = named("b").matrix(&["patterns"]).unwrap_err().to_string();
            let want = format!(
                "{}: the file holds no array 'b'; it holds a, model:weight, patterns",
                path.display()
            );
            assert_eq!(message, want);
        }
        let path = directory.path().join("a.npy");
        write(&path, &[Array { name: "", shape: vec![1], data: ArrayData::F32(&[1.0]) }]).unwrap();
        let message = Source::open(format!("{}:a", path.display())).unwrap_err().to_string();
        assert!(message.contains("leave ':a' out"), "{message}");
        let message = Source::open(directory.path().join("none.npz:a")).unwrap_err().to_string();
        assert!(message.contains("none.npz: cannot open"), "{message}");
    }

    #[test]
    fn numbers_are_narrowed_from_every_format_and_used_where_they_are() {
        let stamps: Vec<i64> = (0..20).map(|i| 1_700_000_000_000_000_003 + i).collect();
        let seconds: Vec<f64> = (0..20).map(|i| 1.7e9 + f64::from(i)).collect();
        let small: Vec<u32> = (0..20).map(|i| (1 << 30) + i).collect();
        for suffix in SUFFIXES {
            for data in [ArrayData::I64(&stamps), ArrayData::F64(&seconds), ArrayData::U32(&small)] {
                let (_directory, source) = saved(suffix, &[20, 1], data);
                let narrowed = source.narrowed(&[], Narrowing::Centred).unwrap();
                let rows = narrowed.rows();
                assert!(rows.as_slice().windows(2).all(|pair| pair[1] - pair[0] == 1.0), "{suffix} {data:?}");
                assert_eq!(narrowed.collisions(), None);
                assert_eq!(
                    source.narrowed(&[], Narrowing::Nearest).unwrap().collisions().map(|c| c.first),
                    Some([0, 1])
                );
                assert_eq!(source.columns(&[]).unwrap(), 1);
                let again = source.narrowed(&[], Narrowing::As(narrowed.offset().unwrap())).unwrap();
                assert_eq!(again.rows(), rows);
            }
            // Plain f32 stays in the file.
            let (_directory, source) = saved(suffix, &[2, 1], ArrayData::F32(&[1.0, 2.0]));
            let (shared, _) = source.narrowed(&[], Narrowing::Centred).unwrap().shared();
            let within = source.file.as_ptr_range().contains(&(*shared).as_ref().as_ptr().cast());
            assert_eq!(within, suffix != "npz" && cfg!(target_endian = "little"));
        }
        // Whatever the order of the bytes.
        let big: Vec<u8> = [0, 2, 1, 3].iter().flat_map(|i| (stamps[0] + i).to_be_bytes()).collect();
        let (_directory, source) = ordered(">i8", true, &[2, 2], &big);
        let narrowed = source.narrowed(&[], Narrowing::Centred).unwrap();
        let rows = narrowed.rows();
        let steps = [rows[(1, 0)] - rows[(0, 0)], rows[(1, 1)] - rows[(0, 1)]];
        assert_eq!(steps, [2.0, 2.0]);
    }

    #[test]
    fn unaligned_f32_is_read_as_well() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.npy");
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}";
        for padding in 0..4 {
            let length = (text.len() + padding) as u16;
            let mut file = b"\x93NUMPY\x01\0".to_vec();
            file.extend(length.to_le_bytes());
            file.extend(text.bytes().chain(std::iter::repeat_n(b' ', padding)));
            file.extend([1.5_f32, 2.5].iter().flat_map(|value| value.to_le_bytes()));
            std::fs::write(&path, file).unwrap();
            assert_eq!(Source::open(&path).unwrap().matrix(&[]).unwrap().as_slice(), [1.5, 2.5]);
        }
    }

    #[test]
    fn other_dimensions_become_rows() {
        let values = [1.0; 24];
        for (shape, want) in
            [(&[24][..], (1, 24)), (&[2, 12], (2, 12)), (&[2, 3, 4], (2, 12)), (&[4, 1, 2, 3], (4, 6))]
        {
            let (_directory, source) = saved("npy", shape, ArrayData::F32(&values));
            let rows = source.matrix(&[]).unwrap();
            assert_eq!((rows.rows(), rows.columns()), want);
        }
        for (shape, count) in [(&[][..], 1), (&[2, 1, 1, 1, 1], 2)] {
            let (_directory, source) = saved("npz", shape, ArrayData::F32(&values[..count]));
            let message = source.matrix(&[]).unwrap_err().to_string();
            assert!(message.contains(&format!("has {} dimensions", shape.len())), "{message}");
            assert_eq!(source.values(&[]).unwrap(), (values[..count].into(), shape.to_vec()));
            assert_eq!(source.mask(&[]).unwrap(), (vec![true; count], shape.to_vec()));
        }
    }

    #[test]
    fn whole_numbers_are_read_exactly_and_others_refused() {
        for suffix in SUFFIXES {
            let (_directory, source) = saved(suffix, &[2], ArrayData::U64(&[u64::MAX, (1 << 53) + 1]));
            assert_eq!(source.integers(&["a"]).unwrap(), (vec![u64::MAX, (1 << 53) + 1], vec![2]));
            let (_directory, source) = saved(suffix, &[2, 1], ArrayData::I64(&[i64::MAX, 0]));
            assert_eq!(source.integers(&[]).unwrap(), (vec![i64::MAX as u64, 0], vec![2, 1]));
            let (_directory, source) = saved(suffix, &[2], ArrayData::I64(&[3, -4]));
            assert!(source.integers(&[]).unwrap_err().to_string().contains("-4 at position 1"));
            let (_directory, source) = saved(suffix, &[1], ArrayData::F64(&[1.0]));
            assert!(source.integers(&[]).unwrap_err().to_string().contains("no whole numbers"));
        }
    }

    #[test]
    fn no_rows_are_a_matrix_and_no_columns_are_none() {
        for suffix in SUFFIXES {
            let (_directory, source) = saved(suffix, &[0, 3], ArrayData::F32(&[]));
            let rows = source.matrix(&[]).unwrap();
            assert_eq!((rows.rows(), rows.columns()), (0, 3));
            for shape in [&[3, 0][..], &[0], &[0, 0], &[2, 3, 0]] {
                let (_directory, source) = saved(suffix, shape, ArrayData::F64(&[]));
                let message = source.matrix(&[]).unwrap_err().to_string();
                assert!(message.contains("at least one column"), "{message}");
                assert_eq!(source.mask(&[]).unwrap(), (vec![], shape.to_vec()));
            }
        }
    }

    #[test]
    fn numbers_beyond_f32_are_refused_with_their_place() {
        let mut values = vec![0.0; 30_000];
        (values[1], values[29_999]) = (f64::INFINITY, -1e39);
        for suffix in SUFFIXES {
            let (_directory, source) = saved(suffix, &[3000, 2, 5], ArrayData::F64(&values));
            let message = source.matrix(&[]).unwrap_err().to_string();
            assert!(message.contains("-1e39 in row 2999, column 9, which is beyond f32"), "{message}");
            assert!(source.mask(&[]).unwrap().0[29_999]);
        }
        let (_directory, source) = saved("npy", &[2], ArrayData::F64(&[f64::NAN, 1e300]));
        let message = source.matrix(&[]).unwrap_err().to_string();
        assert!(message.contains("row 0, column 1"), "{message}");
        // Half a step above the largest f32 rounds up to infinity, anything below does not.
        let edge = f64::from(f32::MAX) + 2_f64.powi(103);
        let (_directory, source) = saved("npy", &[1], ArrayData::F64(&[edge.next_down()]));
        assert_eq!(source.matrix(&[]).unwrap().as_slice(), [f32::MAX]);
        let (_directory, source) = saved("npy", &[1], ArrayData::F64(&[edge]));
        assert!(source.matrix(&[]).is_err());
    }

    #[test]
    fn what_is_no_file_of_numbers_is_not_opened() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let message = |name: &str| Source::open(at(name)).unwrap_err().to_string();
        assert!(message("missing.npy").contains("missing.npy: cannot open"));
        std::fs::create_dir(at("directory.npy")).unwrap();
        assert!(message("directory.npy").contains("is a directory"));
        std::fs::write(at("empty.npz"), []).unwrap();
        assert!(message("empty.npz").contains("is empty"));
        std::fs::write(at("a.csv"), "1,2").unwrap();
        assert!(message("a.csv").contains("'.csv'"));
        std::fs::write(at("text.npy"), "1,2\n3,4\n5,6").unwrap();
        assert!(Source::open(at("text.npy")).unwrap().matrix(&[]).is_err());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/dev/zero", at("device.npy")).unwrap();
            assert!(message("device.npy").contains("not a regular file"));
        }
    }
}
