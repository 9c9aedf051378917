//! The file of a store: a safetensors file with all patterns, their ids and payloads at one moment.
//!
//! | tensor | type, shape | |
//! | --- | --- | --- |
//! | `patterns` | F32 or F16, `[n, d]` | the patterns |
//! | `ids` | U64, `[n]`; or U8, `[bytes]` | numbers; or strings in UTF-8, one after another |
//! | `ids.ends` | U64, `[n]` | where each string ends (strings only) |
//! | `payloads` | U8, `[bytes]` | payloads, one after another |
//! | `payloads.ends` | U64, `[n]` | where each payload ends |
//! | `offset` | F64, `[d]` | what has gone off the columns of all patterns; not there where nothing has |
//! | `order` | U32, `[n]` | the rows in ascending order of their ids, to look ids up by |
//!
//! Metadata: `format` (`attractor store`), `version` (`1`), `similarity`, `beta` (`auto` or a number), `precision`, `ids`
//! (`u64` or `string`), `next` (the number that the next pattern without an id gets), `generation` (how often the
//! file has been written), `stamp` and `previous` (drawn at random for each file written: that of this one, and that of
//! the one before).

use super::{
    Settings,
    book::Book,
    ids::{Id, IdKind},
};
use crate::{
    Error, Precision, Result, SharedRows,
    io::{
        Source, atomic,
        fault::other_version,
        safetensors::{Contents, Entry, STORE as FORMAT, contents, header},
    },
    narrow::Offset,
};
use std::{
    cmp::Ordering,
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, Write},
    ops::Range,
    path::{Path, PathBuf},
};

const VERSION: &str = "1";

/// Which writing of a store's file this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edition {
    pub(super) generation: u64,
    pub(super) stamp: u64,
    pub(super) previous: u64,
}

impl Edition {
    pub(super) fn first() -> Self {
        Self { generation: 1, stamp: stamp(), previous: 0 }
    }

    pub(super) fn next(self) -> Self {
        Self { generation: self.generation.saturating_add(1), stamp: stamp(), previous: self.stamp }
    }
}

/// A number that no other file has. Never 0.
fn stamp() -> u64 {
    RandomState::new().build_hasher().finish().max(1)
}

/// A store's file, mapped.
pub(super) struct Image {
    source: Source,
    path: PathBuf,
    pub(super) settings: Settings,
    pub(super) edition: Edition,
    pub(super) next: u64,
    pub(super) rows: usize,
    pub(super) dim: usize,
    pub(super) offset: Option<Offset>,
    patterns: Range<usize>,
    ids: Range<usize>,
    id_ends: Range<usize>,
    payloads: Range<usize>,
    payload_ends: Range<usize>,
    order: Range<usize>,
}

impl Image {
    /// Opens a file. Looks at its header alone.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let source = Source::open_file(path)?;
        const WANT: &str = "a file that `attractor store create` made is needed";
        let wrong = |problem: String| Error::Format { path: path.to_owned(), problem, want: WANT.to_owned() };
        let unfit = |error: Error| error.in_file(path, WANT);
        let Contents { metadata, tensors } = contents(source.bytes()).map_err(wrong)?;
        let get = |key: &str| {
            metadata.get(key).ok_or_else(|| wrong(format!("the metadata has no '{key}': it is no store")))
        };
        if get("format")? != FORMAT {
            return Err(wrong(format!("it is '{}', not '{FORMAT}'", get("format")?)));
        }
        if get("version")? != VERSION {
            return Err(other_version(path, FORMAT, get("version")?, VERSION));
        }
        let number = |key: &str, radix| {
            let text = get(key)?;
            u64::from_str_radix(text, radix)
                .map_err(|_| wrong(format!("'{key}' in the metadata is '{text}'")))
        };
        let edition = Edition {
            generation: number("generation", 10)?,
            stamp: number("stamp", 16)?,
            previous: number("previous", 16)?,
        };
        let precision = get("precision")?.parse().map_err(unfit)?;
        let ids = get("ids")?.parse().map_err(unfit)?;
        let similarity = get("similarity")?.parse().map_err(unfit)?;
        let beta = get("beta")?.parse().map_err(unfit)?;
        let settings = Settings { similarity, beta, precision, ids };
        let tensor = |name: &str, dtype: &str, shape: &[usize]| {
            let (found, dimensions, range) =
                tensors.get(name).ok_or_else(|| wrong(format!("it holds no array '{name}'")))?;
            if found.to_string() != dtype || (!shape.is_empty() && dimensions != shape) {
                return Err(wrong(format!(
                    "array '{name}' is {found} {dimensions:?}, want {dtype} {shape:?}"
                )));
            }
            Ok(range.clone())
        };
        let (rows, dim) = match tensors.get("patterns").map(|t| &t.1[..]) {
            Some([rows, dim]) if *dim > 0 && u32::try_from(*rows).is_ok() => (*rows, *dim),
            other => return Err(wrong(format!("array 'patterns' has the shape {other:?}, want [n, d]"))),
        };
        let offset = match tensors.contains_key("offset") {
            true => {
                let bytes = source.bytes().get(tensor("offset", "F64", &[dim])?).unwrap_or_default();
                let numbers = bytes.as_chunks::<8>().0.iter().map(|number| f64::from_le_bytes(*number));
                Some(Offset::new(numbers.collect()).map_err(unfit)?)
            }
            false => None,
        };
        let (id_type, id_shape) = if ids == IdKind::Name { ("U8", &[][..]) } else { ("U64", &[rows][..]) };
        Ok(Self {
            patterns: tensor("patterns", dtype_of(precision), &[rows, dim])?,
            ids: tensor("ids", id_type, id_shape)?,
            id_ends: if ids == IdKind::Name { tensor("ids.ends", "U64", &[rows])? } else { 0..0 },
            payloads: tensor("payloads", "U8", &[])?,
            payload_ends: tensor("payloads.ends", "U64", &[rows])?,
            order: tensor("order", "U32", &[rows])?,
            path: path.to_owned(),
            next: number("next", 10)?,
            settings,
            edition,
            rows,
            dim,
            offset,
            source,
        })
    }

    fn damaged(&self, what: &str, row: usize) -> Error {
        Error::Format {
            path: self.path.clone(),
            problem: format!("{what} of row {row} lies outside of the file's values"),
            want: "the file is damaged: take it from a backup".to_owned(),
        }
    }

    /// The `i`th number of 8 bytes in a section.
    fn number(&self, section: &Range<usize>, i: usize) -> u64 {
        let mut bytes = [0; 8];
        let start = section.start + 8 * i;
        bytes.copy_from_slice(&self.source.bytes()[start..start + 8]);
        u64::from_le_bytes(bytes)
    }

    /// Part `row` of values that lie one after another.
    fn part(&self, what: &str, values: &Range<usize>, ends: &Range<usize>, row: usize) -> Result<&[u8]> {
        let end = |i: usize| usize::try_from(self.number(ends, i)).ok();
        let from = if row == 0 { Some(0) } else { end(row - 1) };
        from.zip(end(row))
            .and_then(|(from, to)| self.source.bytes()[values.clone()].get(from..to))
            .ok_or_else(|| self.damaged(what, row))
    }

    /// The id of a row.
    pub(super) fn id(&self, row: usize) -> Result<Id> {
        match self.settings.ids {
            IdKind::Number => Ok(Id::Number(self.number(&self.ids, row))),
            IdKind::Name => {
                let bytes = self.part("the id", &self.ids, &self.id_ends, row)?;
                let name = std::str::from_utf8(bytes).map_err(|_| self.damaged("the id", row))?;
                Ok(Id::Name(name.to_owned()))
            }
        }
    }

    /// The row of an id: a search of the order.
    pub(super) fn find(&self, id: &Id) -> Result<Option<u32>> {
        let (mut low, mut high) = (0, self.rows);
        while low < high {
            let middle = low + (high - low) / 2;
            let start = self.order.start + 4 * middle;
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&self.source.bytes()[start..start + 4]);
            let row = u32::from_le_bytes(bytes);
            if row as usize >= self.rows {
                return Err(self.damaged("the order", middle));
            }
            match self.id(row as usize)?.cmp(id) {
                Ordering::Equal => return Ok(Some(row)),
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    pub(super) fn payload(&self, row: usize) -> Result<&[u8]> {
        self.part("the payload", &self.payloads, &self.payload_ends, row)
    }

    /// A row as it is stored.
    pub(super) fn pattern(&self, row: usize) -> &[u8] {
        let bytes = self.settings.row_bytes(self.dim);
        let start = self.patterns.start + row * bytes;
        &self.source.bytes()[start..start + bytes]
    }

    /// All rows as f32, in place where they are that.
    pub(super) fn shared(&self) -> Result<SharedRows> {
        Ok(self.source.shared(&["patterns"])?.0)
    }
}

fn dtype_of(precision: Precision) -> &'static str {
    if precision == Precision::F16 { "F16" } else { "F32" }
}

/// Writes all that a book has to the file at `path`, in place of what is there, through the file `through`.
pub(super) fn write(path: &Path, through: &Path, book: &Book, edition: Edition) -> Result<()> {
    let settings = &book.settings;
    let mut slots: Vec<usize> = Vec::with_capacity(book.live());
    let mut ids: Vec<Id> = Vec::with_capacity(book.live());
    let (mut id_ends, mut payload_ends, mut id_bytes, mut payload_bytes) = (Vec::new(), Vec::new(), 0, 0);
    for slot in book.live_slots() {
        let id = book.id(slot)?;
        payload_bytes += book.payload(slot)?.len() as u64;
        payload_ends.extend(payload_bytes.to_le_bytes());
        if let Id::Name(name) = &id {
            id_bytes += name.len() as u64;
            id_ends.extend(id_bytes.to_le_bytes());
        }
        slots.push(slot);
        ids.push(id);
    }
    let n = slots.len();
    let mut order: Vec<u32> = (0..n as u32).collect();
    order.sort_by(|a, b| ids[*a as usize].cmp(&ids[*b as usize]));
    // Of a damaged file alone, whose order hid it.
    if let Some(pair) = order.windows(2).find(|pair| ids[pair[0] as usize] == ids[pair[1] as usize]) {
        return Err(Error::Format {
            path: path.to_owned(),
            problem: format!("the id '{}' is there twice", ids[pair[0] as usize]),
            want: "the file is damaged: take it from a backup".to_owned(),
        });
    }
    let order: Vec<u8> = order.iter().flat_map(|row| row.to_le_bytes()).collect();

    let entry = |name, dtype, shape: &[usize], bytes| Entry { name, dtype, shape: shape.to_vec(), bytes };
    // Larger types first, so that each lies at a multiple of its size.
    let mut entries = Vec::new();
    match settings.ids {
        IdKind::Number => entries.push(entry("ids", "U64", &[n], 8 * n)),
        IdKind::Name => entries.push(entry("ids.ends", "U64", &[n], 8 * n)),
    }
    entries.push(entry("payloads.ends", "U64", &[n], 8 * n));
    let offset = book.offset.as_ref().map_or(&[][..], Offset::columns);
    if !offset.is_empty() {
        entries.push(entry("offset", "F64", &[book.dim], 8 * book.dim));
    }
    entries.push(entry("order", "U32", &[n], 4 * n));
    let patterns = n * settings.row_bytes(book.dim);
    entries.push(entry("patterns", dtype_of(settings.precision), &[n, book.dim], patterns));
    if settings.ids == IdKind::Name {
        entries.push(entry("ids", "U8", &[id_bytes as usize], id_bytes as usize));
    }
    entries.push(entry("payloads", "U8", &[payload_bytes as usize], payload_bytes as usize));

    let metadata = [
        ("format", FORMAT.to_owned()),
        ("version", VERSION.to_owned()),
        ("similarity", settings.similarity.to_string()),
        ("beta", settings.beta_text()),
        ("precision", settings.precision.to_string()),
        ("ids", settings.ids.to_string()),
        ("next", book.next.to_string()),
        ("generation", edition.generation.to_string()),
        ("stamp", format!("{:016x}", edition.stamp)),
        ("previous", format!("{:016x}", edition.previous)),
    ];
    let metadata: Vec<(&str, &str)> = metadata.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let broken = |error: Error| io::Error::other(error.to_string());
    atomic::replace_through(path, through, |file| {
        file.write_all(&header(&entries, &metadata))?;
        let names = || ids.iter().filter_map(|id| if let Id::Name(name) = id { Some(name) } else { None });
        match settings.ids {
            IdKind::Number => ids.iter().try_for_each(|id| match id {
                Id::Number(number) => file.write_all(&number.to_le_bytes()),
                Id::Name(_) => Ok(()),
            })?,
            IdKind::Name => file.write_all(&id_ends)?,
        }
        file.write_all(&payload_ends)?;
        offset.iter().try_for_each(|number| file.write_all(&number.to_le_bytes()))?;
        file.write_all(&order)?;
        slots.iter().try_for_each(|slot| file.write_all(book.pattern(*slot)))?;
        names().try_for_each(|name| file.write_all(name.as_bytes()))?;
        slots.iter().try_for_each(|slot| file.write_all(book.payload(*slot).map_err(broken)?))
    })
}
