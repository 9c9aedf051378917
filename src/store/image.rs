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
//! | `checksums` | U8, `[4 (b + 1)]` | CRC-32 of each 65,536 bytes before it, and of these numbers (see `io/seal.rs`) |
//!
//! Metadata: `format` (`attractor store`), `version` (`1`), `similarity`, `beta` (`auto` or a number), `precision`, `ids`
//! (`u64` or `string`), `next` (the number that the next pattern without an id gets), `generation` (how often the
//! file has been written), `stamp` and `previous` (drawn at random for each file written: that of this one, and that of
//! the one before), `checksums` (how they are made). Files of earlier versions have neither tensor nor key `checksums`, and are read
//! unchecked until they are written anew.

use super::{
    Settings,
    book::Book,
    ids::{Id, IdKind},
    memory,
};
use crate::{
    Error, Precision, Result, SharedRows,
    io::{
        FileFormat, Source, atomic,
        safetensors::{Contents, Entry, STORE, contents},
        seal::{Seal, Sealing, sealed_header},
    },
    memory::{KeptNeighbours, NEAREST},
    narrow::Offset,
};
use std::{
    cmp::Ordering,
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, Write},
    ops::Range,
    path::{Path, PathBuf},
};

const FORMAT: FileFormat = FileFormat {
    name: STORE,
    version: "1",
    what: "store",
    want: "a file that `attractor store create` made is needed",
};

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
    /// `None` for a file of an earlier version.
    seal: Option<Seal>,
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
    /// What the automatic `beta` rests on: numbers of sampled rows, of the nearest others of each, and their separations.
    neighbours: Option<[Range<usize>; 3]>,
}

impl Image {
    /// Opens a file. Looks at its header and its offset alone.
    pub(super) fn open(path: &Path) -> Result<Self> {
        Self::of(Source::open_file(path)?)
    }

    /// The store in a file that is open.
    pub(super) fn of(source: Source) -> Result<Self> {
        let path = source.path();
        let wrong = |problem: String| FORMAT.wrong(path, problem);
        let unfit = |error: Error| error.in_file(path, FORMAT.want);
        let contents = contents(source.bytes()).map_err(wrong)?;
        let Contents { tensors, .. } = &contents;
        let get = |key: &str| FORMAT.entry(path, &contents, key);
        FORMAT.check(path, &contents)?;
        let number = |key: &str, radix| {
            let text = get(key)?;
            u64::from_str_radix(text, radix)
                .map_err(|_| wrong(format!("'{key}' in the metadata is '{text}'")))
        };
        let seal = Seal::of(source.bytes(), &contents).map_err(|problem| damaged(path, problem))?;
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
                let range = tensor("offset", "F64", &[dim])?;
                if let Some(seal) = &seal {
                    seal.check(source.bytes(), range.clone()).map_err(|problem| damaged(path, problem))?;
                }
                let bytes = source.bytes().get(range).unwrap_or_default();
                let numbers = bytes.as_chunks::<8>().0.iter().map(|number| f64::from_le_bytes(*number));
                Some(Offset::new(numbers.collect()).map_err(unfit)?)
            }
            false => None,
        };
        let neighbours = match tensors.get("beta.sample").map(|t| &t.1[..]) {
            None => None,
            Some([sampled]) => Some([
                tensor("beta.sample", "U32", &[*sampled])?,
                tensor("beta.nearest", "U32", &[*sampled, NEAREST])?,
                tensor("beta.separation", "F64", &[*sampled, NEAREST])?,
            ]),
            other => return Err(wrong(format!("array 'beta.sample' has the shape {other:?}, want [s]"))),
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
            seal,
            settings,
            edition,
            rows,
            dim,
            offset,
            neighbours,
            source,
        })
    }

    fn damaged(&self, what: &str, row: usize) -> Error {
        damaged(&self.path, format!("{what} of row {row} lies outside of the file's values"))
    }

    /// That the file is not as it must be.
    pub(super) fn wrong(&self, problem: String) -> Error {
        FORMAT.wrong(&self.path, problem)
    }

    /// What the automatic `beta` rests on, where the file keeps it.
    pub(super) fn neighbours(&self) -> Result<Option<KeptNeighbours>> {
        let Some([sample, nearest, separations]) = &self.neighbours else { return Ok(None) };
        let numbers = |range: &Range<usize>| -> Result<Vec<u32>> {
            Ok(self.sound(range.clone())?.as_chunks::<4>().0.iter().map(|n| u32::from_le_bytes(*n)).collect())
        };
        let separations = self.sound(separations.clone())?.as_chunks::<8>().0;
        Ok(Some(KeptNeighbours {
            sample: numbers(sample)?,
            nearest: numbers(nearest)?,
            separations: separations.iter().map(|s| f64::from_le_bytes(*s)).collect(),
        }))
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> usize {
        self.source.bytes().len()
    }

    /// The file.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    pub(super) fn has_checksums(&self) -> bool {
        self.seal.is_some()
    }

    /// Holds all bytes against their checksums, on all cores.
    pub(super) fn check_all(&self) -> Result<()> {
        let Some(seal) = &self.seal else { return Ok(()) };
        seal.check_all(self.source.bytes()).map_err(|problem| damaged(&self.path, problem))
    }

    /// Some bytes, which are as they were written.
    fn sound(&self, bytes: Range<usize>) -> Result<&[u8]> {
        if let Some(seal) = &self.seal {
            let checked = seal.check(self.source.bytes(), bytes.clone());
            checked.map_err(|problem| damaged(&self.path, problem))?;
        }
        Ok(&self.source.bytes()[bytes])
    }

    /// The `i`th number of `N` bytes in a section.
    fn number<const N: usize>(&self, section: &Range<usize>, i: usize) -> Result<[u8; N]> {
        let mut number = [0; N];
        let start = section.start + N * i;
        number.copy_from_slice(self.sound(start..start + N)?);
        Ok(number)
    }

    /// Part `row` of values that lie one after another.
    fn part(&self, what: &str, values: &Range<usize>, ends: &Range<usize>, row: usize) -> Result<&[u8]> {
        let end = |i: usize| -> Result<Option<usize>> {
            Ok(usize::try_from(u64::from_le_bytes(self.number(ends, i)?)).ok())
        };
        let from = if row == 0 { Some(0) } else { end(row - 1)? };
        match from.zip(end(row)?) {
            Some((from, to)) if from <= to && to <= values.len() => {
                self.sound(values.start + from..values.start + to)
            }
            _ => Err(self.damaged(what, row)),
        }
    }

    /// The id of a row.
    pub(super) fn id(&self, row: usize) -> Result<Id> {
        match self.settings.ids {
            IdKind::Number => Ok(Id::Number(u64::from_le_bytes(self.number(&self.ids, row)?))),
            IdKind::Name => {
                let bytes = self.part("the id", &self.ids, &self.id_ends, row)?;
                let name = std::str::from_utf8(bytes).map_err(|_| self.damaged("the id", row))?;
                Ok(Id::Name(name.to_owned()))
            }
        }
    }

    /// How the id of a row stands to another one.
    fn compare(&self, row: usize, id: &Id) -> Result<Ordering> {
        match (self.settings.ids, id) {
            // As texts compare: UTF-8 keeps the order.
            (IdKind::Name, Id::Name(name)) => {
                Ok(self.part("the id", &self.ids, &self.id_ends, row)?.cmp(name.as_bytes()))
            }
            _ => Ok(self.id(row)?.cmp(id)),
        }
    }

    /// The row of the largest id.
    fn last(&self) -> Result<Option<usize>> {
        let Some(last) = self.rows.checked_sub(1) else { return Ok(None) };
        let row = u32::from_le_bytes(self.number(&self.order, last)?) as usize;
        if row < self.rows { Ok(Some(row)) } else { Err(self.damaged("the order", last)) }
    }

    /// The row of an id: a search of the order, which new numbers mostly need not: they count on from the largest.
    pub(super) fn find(&self, id: &Id) -> Result<Option<u32>> {
        match self.last()? {
            Some(row) if self.compare(row, id)?.is_ge() => {}
            _ => return Ok(None),
        }
        let (mut low, mut high) = (0, self.rows);
        while low < high {
            let middle = low + (high - low) / 2;
            let row = u32::from_le_bytes(self.number(&self.order, middle)?);
            if row as usize >= self.rows {
                return Err(self.damaged("the order", middle));
            }
            match self.compare(row as usize, id)? {
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
    pub(super) fn pattern(&self, row: usize) -> Result<&[u8]> {
        let bytes = self.settings.row_bytes(self.dim);
        let start = self.patterns.start + row * bytes;
        self.sound(start..start + bytes)
    }

    /// All rows as f32, in place where they are that. They are as the file has them: see [`Image::check_all`].
    pub(super) fn shared(&self) -> Result<SharedRows> {
        Ok(self.source.shared(&["patterns"])?.0)
    }
}

fn dtype_of(precision: Precision) -> &'static str {
    if precision == Precision::F16 { "F16" } else { "F32" }
}

fn damaged(path: &Path, problem: String) -> Error {
    let want = "the file is damaged: take it from a backup".to_owned();
    Error::Format { path: path.to_owned(), problem, want }
}

/// Writes all that a book has to the file at `path`, in place of what is there, through the file `through`.
pub(super) fn write(path: &Path, through: &Path, book: &Book, edition: Edition) -> Result<()> {
    let draft = Draft::of(book, edition, path, memory::neighbours(book))?;
    atomic::replace_through(path, through, |file| draft.write(file))
}

/// What a file would hold that has all of a book.
pub(super) fn bytes(path: &Path, book: &Book, edition: Edition) -> Result<Vec<u8>> {
    let draft = Draft::of(book, edition, path, None)?;
    let mut bytes = Vec::new();
    if bytes.try_reserve_exact(draft.bytes).is_err() {
        let what = format!("the patterns of {}", path.display());
        return Err(Error::OutOfMemory { what, needed: draft.bytes as u64 });
    }
    let failed = |source| Error::File { path: path.to_owned(), action: "read", source };
    draft.write(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// A file in the making: all of a book that is live, in the order of the slots.
struct Draft<'a> {
    book: &'a Book,
    slots: Vec<usize>,
    ids: Vec<Id>,
    id_ends: Vec<u8>,
    payload_ends: Vec<u8>,
    order: Vec<u8>,
    neighbours: Option<KeptNeighbours>,
    header: Vec<u8>,
    /// Of the whole file, or a few more.
    bytes: usize,
}

impl<'a> Draft<'a> {
    /// Reads all that is to be written, so that damage is found before anything is.
    fn of(book: &'a Book, edition: Edition, path: &Path, neighbours: Option<KeptNeighbours>) -> Result<Self> {
        let settings = &book.settings;
        let mut slots: Vec<usize> = Vec::with_capacity(book.live());
        let mut ids: Vec<Id> = Vec::with_capacity(book.live());
        let (mut id_ends, mut payload_ends, mut id_bytes, mut payload_bytes) = (Vec::new(), Vec::new(), 0, 0);
        for slot in book.live_slots() {
            book.pattern(slot)?;
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
            return Err(damaged(path, format!("the id '{}' is there twice", ids[pair[0] as usize])));
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
        if let Some(offset) = &book.offset {
            entries.push(entry("offset", "F64", &[offset.columns().len()], 8 * offset.columns().len()));
        }
        if let Some(kept) = &neighbours {
            let s = kept.sample.len();
            entries.push(entry("beta.separation", "F64", &[s, NEAREST], 8 * s * NEAREST));
            entries.push(entry("beta.sample", "U32", &[s], 4 * s));
            entries.push(entry("beta.nearest", "U32", &[s, NEAREST], 4 * s * NEAREST));
        }
        entries.push(entry("order", "U32", &[n], 4 * n));
        let patterns = n * settings.row_bytes(book.dim);
        entries.push(entry("patterns", dtype_of(settings.precision), &[n, book.dim], patterns));
        if settings.ids == IdKind::Name {
            entries.push(entry("ids", "U8", &[id_bytes as usize], id_bytes as usize));
        }
        entries.push(entry("payloads", "U8", &[payload_bytes as usize], payload_bytes as usize));
        let values: usize = entries.iter().map(|entry| entry.bytes).sum();

        let metadata = [
            ("format", FORMAT.name.to_owned()),
            ("version", FORMAT.version.to_owned()),
            ("similarity", settings.similarity.to_string()),
            ("beta", settings.beta.to_string()),
            ("precision", settings.precision.to_string()),
            ("ids", settings.ids.to_string()),
            ("next", book.next.to_string()),
            ("generation", edition.generation.to_string()),
            ("stamp", format!("{:016x}", edition.stamp)),
            ("previous", format!("{:016x}", edition.previous)),
        ];
        let metadata: Vec<(&str, &str)> =
            metadata.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let header = sealed_header(entries, &metadata);
        // One checksum of 4 bytes for 65,536.
        let bytes = header.len() + values + values / 8192 + 64;
        Ok(Self { book, slots, ids, id_ends, payload_ends, order, neighbours, header, bytes })
    }

    fn write(&self, to: impl Write) -> io::Result<()> {
        let mut file = Sealing::new(to);
        let broken = |error: Error| io::Error::other(error.to_string());
        let book = self.book;
        file.write_all(&self.header)?;
        match book.settings.ids {
            IdKind::Number => self.ids.iter().try_for_each(|id| match id {
                Id::Number(number) => file.write_all(&number.to_le_bytes()),
                Id::Name(_) => Ok(()),
            })?,
            IdKind::Name => file.write_all(&self.id_ends)?,
        }
        file.write_all(&self.payload_ends)?;
        let offset = book.offset.as_ref().map_or(&[][..], Offset::columns);
        offset.iter().try_for_each(|number| file.write_all(&number.to_le_bytes()))?;
        if let Some(KeptNeighbours { sample, nearest, separations }) = &self.neighbours {
            separations.iter().try_for_each(|s| file.write_all(&s.to_le_bytes()))?;
            sample.iter().chain(nearest).try_for_each(|k| file.write_all(&k.to_le_bytes()))?;
        }
        file.write_all(&self.order)?;
        self.slots.iter().try_for_each(|slot| file.write_all(book.pattern(*slot).map_err(broken)?))?;
        self.ids.iter().try_for_each(|id| match id {
            Id::Name(name) => file.write_all(name.as_bytes()),
            Id::Number(_) => Ok(()),
        })?;
        self.slots.iter().try_for_each(|slot| file.write_all(book.payload(*slot).map_err(broken)?))?;
        file.finish()
    }
}
