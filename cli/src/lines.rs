//! A file of finished work, a line each: what was stopped goes on where it was.

use crate::failure::{Failure, Result};
use attractor::Error;
use fs4::{FileExt, TryLockError};
use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// A file that lines are added to, by one program at a time.
pub(crate) struct Lines {
    path: PathBuf,
    file: File,
    /// Bytes of its whole lines.
    length: u64,
}

impl Lines {
    /// Opens a file, or makes one. `check` sees its whole lines, and what a program that was stopped has left of another one: this
    /// goes, unless `check` fails.
    pub(crate) fn open<T>(path: &Path, check: impl FnOnce(&str, &[u8]) -> Result<T>) -> Result<(Self, T)> {
        let failed =
            |action: &'static str| move |source| Error::File { path: path.to_owned(), action, source };
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed("write"))?;
        match FileExt::try_lock(&file) {
            Err(TryLockError::WouldBlock) => {
                let message = "another program is at work on it; wait for it, or name another folder";
                return Err(Failure::busy(format!("{}: {message}", path.display())));
            }
            // Where there are no locks, it goes without.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        // As bytes: a line may have been cut off within a character.
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut file, &mut bytes).map_err(failed("read"))?;
        let (whole, torn) = bytes.split_at(bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1));
        let text = std::str::from_utf8(whole).map_err(|error| {
            let line = 1 + whole[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count();
            let message = "is no text; remove the line, or the file";
            Failure::data(format!("{}, line {line}: {message}", path.display()))
        })?;
        let checked = check(text, torn)?;
        let length = whole.len() as u64;
        let cut = file.set_len(length).and_then(|()| file.seek(SeekFrom::Start(length)));
        cut.map_err(failed("write"))?;
        Ok((Self { path: path.to_owned(), file, length }, checked))
    }

    /// Adds a line. Where that fails, none of it stays.
    pub(crate) fn add(&mut self, line: &str) -> Result<(), Error> {
        let line = format!("{line}\n");
        // In one write, so that a line is there as a whole or cut off at the end.
        let written = self.file.write_all(line.as_bytes());
        match written {
            Ok(()) => self.length += line.len() as u64,
            Err(_) => {
                let _ = self.file.set_len(self.length);
                let _ = self.file.seek(SeekFrom::Start(self.length));
            }
        }
        written.map_err(|source| Error::File { path: self.path.clone(), action: "write", source })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_off_goes_unless_the_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        // Cut off within a letter of two bytes.
        let text = "one\ntwo\nthré".as_bytes();
        std::fs::write(&path, &text[..text.len() - 1]).unwrap();
        let refused = Lines::open::<()>(&path, |whole, torn| {
            assert_eq!((whole, torn), ("one\ntwo\n", &b"thr\xc3"[..]));
            Err(Failure::data("of another kind"))
        });
        assert!(refused.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), &text[..text.len() - 1]);
        let (mut lines, count) = Lines::open(&path, |whole, _| Ok(whole.lines().count())).unwrap();
        assert_eq!(count, 2);
        lines.add("three").unwrap();
        let second = Lines::open(&path, |_, _| Ok(())).err().unwrap().to_string();
        assert!(second.contains("another program"), "{second}");
        drop(lines);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
        std::fs::write(&path, b"one\n\xff\n").unwrap();
        let error = Lines::open(&path, |_, _| Ok(())).err().unwrap().to_string();
        assert!(error.contains("line 2"), "{error}");
    }
}
