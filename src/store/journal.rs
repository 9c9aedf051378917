//! The journal beside a store's file: what has changed since the file was written, one record after another.
//!
//! Layout, all numbers little-endian: a head of 24 bytes (`ATTRJRN1`, the stamp of the file that the journal
//! goes with, CRC-32 of these 16 bytes, 4 zeros), then records: length of the body (u64), CRC-32 of stamp, place and
//! length (u32), CRC-32 of the body (u32), body. A record that the file ends within was never
//! acknowledged: its writer was stopped. Any other that does not fit its checksum is damage, and said to be.

use super::change::Change;
use crate::{
    Error, Result,
    io::{
        atomic::sync_directory,
        disk::{Out, call},
        fault::other_version,
    },
};
use crc32fast::Hasher;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

const MAGIC: &[u8; 8] = b"ATTRJRN1";
const HEAD: usize = 24;
const RECORD_HEAD: usize = 16;

/// What a journal holds.
pub(super) struct Content {
    /// Of the file that it goes with.
    pub(super) stamp: u64,
    pub(super) changes: Vec<Change>,
    /// Bytes up to the end of the last whole record.
    pub(super) length: u64,
}

fn head(stamp: u64) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(MAGIC);
    head[8..16].copy_from_slice(&stamp.to_le_bytes());
    let checksum = crc32fast::hash(&head[..16]);
    head[16..20].copy_from_slice(&checksum.to_le_bytes());
    head
}

/// Whether a journal begins with a head of whatever version, and not with a damaged one.
fn is_head(bytes: &[u8]) -> bool {
    number(bytes, 16).map(u32::from_le_bytes) == Some(crc32fast::hash(&bytes[..16]))
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// Checksum of what precedes a body, at this place in a journal of this stamp.
fn place_checksum(stamp: u64, at: usize, length: u64) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&stamp.to_le_bytes());
    hasher.update(&(at as u64).to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.finalize()
}

/// Reads a journal. `None` where there is none, or where its writer was stopped before its head was whole.
pub(super) fn read(path: &Path) -> Result<Option<Content>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::File { path: path.to_owned(), action: "read", source }),
    };
    // The last byte of the magic number is the version.
    let (name, version) = MAGIC.split_at(MAGIC.len() - 1);
    if bytes.len() >= HEAD && bytes.starts_with(name) && !bytes.starts_with(MAGIC) && is_head(&bytes) {
        let found = bytes[name.len()..MAGIC.len()].escape_ascii().to_string();
        let known = version.escape_ascii().to_string();
        return Err(other_version(path, "attractor store journal", &found, &known));
    }
    decode(&bytes).map_err(|(at, problem)| Error::Format {
        path: path.to_owned(),
        problem: format!("the record at byte {at} {problem}"),
        want: format!(
            "the journal is damaged: take it from a backup, or cut it to {at} bytes to lose what is there and after"
        ),
    })
}

/// Fails with the place of damage and its kind.
fn decode(bytes: &[u8]) -> Result<Option<Content>, (usize, String)> {
    let damaged = |at: usize| (at, "does not fit its checksum".to_owned());
    let Some(stamp) = number(bytes, 8).map(u64::from_le_bytes).filter(|_| bytes.len() >= HEAD) else {
        return Ok(None);
    };
    if bytes[..HEAD] != head(stamp) {
        return Err(damaged(0));
    }
    let (mut at, mut changes) = (HEAD, Vec::new());
    while let Some(start) = number(bytes, at) {
        let length = u64::from_le_bytes(start);
        let (Some(of_place), Some(of_body)) = (number(bytes, at + 8), number(bytes, at + 12)) else { break };
        if u32::from_le_bytes(of_place) != place_checksum(stamp, at, length) {
            return Err(damaged(at));
        }
        let body = at + RECORD_HEAD;
        let Some(body) = usize::try_from(length).ok().and_then(|l| bytes.get(body..body.checked_add(l)?))
        else {
            break;
        };
        if u32::from_le_bytes(of_body) != crc32fast::hash(body) {
            return Err(damaged(at));
        }
        let change = Change::decode(body).ok_or_else(|| (at, "is of no known kind".to_owned()))?;
        changes.push(change);
        at += RECORD_HEAD + body.len();
    }
    Ok(Some(Content { stamp, changes, length: at as u64 }))
}

/// A journal that is written to.
pub(super) struct Journal {
    path: PathBuf,
    stamp: u64,
    /// Made with the first record.
    file: Option<File>,
    length: u64,
    /// Set where what the file holds is no longer known.
    broken: bool,
}

impl Journal {
    /// The journal at `path` of the file with this stamp, of which `length` bytes are good; 0 where there is none
    /// for this file. What is behind them goes.
    pub(super) fn open(path: &Path, stamp: u64, length: u64) -> Result<Self> {
        let mut journal = Self { path: path.to_owned(), stamp, file: None, length, broken: false };
        if length > 0 {
            let open = || {
                let file = OpenOptions::new().read(true).write(true).open(path)?;
                file.set_len(length)?;
                file.sync_all()?;
                Ok(file)
            };
            journal.file = Some(open().map_err(|source| journal.failed(source))?);
        } else {
            journal.remove()?;
        }
        Ok(journal)
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::File { path: self.path.clone(), action: "write", source }
    }

    /// Bytes of the journal.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Writes a record behind the others. When this returns, it is on the disk; where it fails, the journal is as
    /// before. Gives the length before.
    pub(super) fn append(&mut self, body: &[u8]) -> Result<u64> {
        if self.broken {
            let lost = "an earlier write failed halfway; open the store again";
            return Err(self.failed(io::Error::other(lost)));
        }
        let before = self.length;
        let written = self.try_append(body);
        if let Err(source) = written {
            let _ = self.rewind(before);
            return Err(self.failed(source));
        }
        Ok(before)
    }

    fn try_append(&mut self, body: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let options = OpenOptions::new().read(true).write(true).create(true).truncate(true).clone();
                let file = call(|| options.open(&self.path))?;
                Out(&file).write_all(&head(self.stamp))?;
                call(|| file.sync_all())?;
                sync_directory(&self.path)?;
                self.length = HEAD as u64;
                self.file.insert(file)
            }
        };
        let length = body.len() as u64;
        let mut start = Vec::with_capacity(RECORD_HEAD);
        start.extend(length.to_le_bytes());
        start.extend(place_checksum(self.stamp, self.length as usize, length).to_le_bytes());
        start.extend(crc32fast::hash(body).to_le_bytes());
        file.seek(SeekFrom::Start(self.length))?;
        Out(file).write_all(&start)?;
        Out(file).write_all(body)?;
        call(|| file.sync_data())?;
        self.length += RECORD_HEAD as u64 + length;
        Ok(())
    }

    /// Takes back what was written behind the first `length` bytes.
    pub(super) fn rewind(&mut self, length: u64) -> Result<()> {
        let cut = match &self.file {
            Some(file) => {
                call(|| file.set_len(length.max(HEAD as u64))).and_then(|()| call(|| file.sync_all()))
            }
            None => Ok(()),
        };
        self.length = if self.file.is_some() { length.max(HEAD as u64) } else { 0 };
        self.broken |= cut.is_err();
        cut.map_err(|source| self.failed(source))
    }

    /// Begins anew, for a file with this stamp that has all of what was in the journal.
    pub(super) fn restart(&mut self, stamp: u64) -> Result<()> {
        self.file = None;
        (self.stamp, self.length) = (stamp, 0);
        self.remove()
    }

    /// Makes that no more is written, because it is not known to which file it would belong.
    pub(super) fn give_up(&mut self) {
        self.broken = true;
    }

    fn remove(&self) -> Result<()> {
        match call(|| fs::remove_file(&self.path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }
}
