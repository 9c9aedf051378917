//! Replacing a file as a whole or not at all.

use super::{
    disk::{Out, call},
    temporary::{Listed, Temporary, sweep},
};
use crate::{Error, Result};
use parking_lot::Mutex;
use std::{
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, BufWriter, Seek, Write},
    path::{Path, PathBuf},
};

/// Pipes that have been checked, and not been written to yet.
static PIPES: Mutex<Vec<(PathBuf, File)>> = Mutex::new(Vec::new());

/// Writes bytes that are already made, such as a picture or JSON, to the file `path`, complete or not
/// at all as [`write`](super::write()) does.
///
/// ```
/// use attractor::io::write_bytes;
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("report.json");
/// write_bytes(&path, b"{}")?;
/// assert_eq!(std::fs::read(&path)?, b"{}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::File`] where the file cannot be written, or is a pipe that no program reads from.
pub fn write_bytes(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    replace(path.as_ref(), |file| file.write_all(bytes))
}

/// Checks that [`write_bytes`] to this path could work, and leaves what is there as it is. Any suffix
/// will do; [`check_writable`](super::check_writable) is for arrays. A named pipe is opened here already and kept open for the
/// write to come: its reader would take its closing for the end.
///
/// ```
/// use attractor::io::check_writable_bytes;
///
/// let directory = tempfile::tempdir()?;
/// assert!(check_writable_bytes(directory.path().join("picture.png")).is_ok());
/// assert!(check_writable_bytes(directory.path()).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] where the target is a directory or a file that may not be written to, the directory that it is
/// to be in is missing or cannot be written to, or the target is a pipe that no program reads from.
pub fn check_writable_bytes(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let check = || match Target::of(path)? {
        Target::Special => Ok(()),
        Target::Pipe(path) => {
            let mut pipes = PIPES.lock();
            if !pipes.iter().any(|(open, _)| *open == path) {
                let pipe = open_pipe(&path)?;
                pipes.push((path, pipe));
            }
            Ok(())
        }
        // Only making a file shows whether one can be made: permission bits know nothing of
        // read-only mounts, quotas and access lists. It is gone when dropped.
        Target::Regular { path, .. } => Temporary::beside(&path).map(drop),
    };
    check().map_err(|source| failed(path, source))
}

/// Has `content` write a file and puts it at `path` when it is complete.
pub(super) fn replace(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<Out<'_>>) -> io::Result<()>,
) -> Result<()> {
    let write = || match Target::of(path)? {
        Target::Special => {
            let file = call(|| OpenOptions::new().write(true).open(path))?;
            fill(&file, content)
        }
        Target::Pipe(path) => {
            let mut pipes = PIPES.lock();
            let checked = pipes.iter().position(|(open, _)| *open == path);
            let pipe = match checked.map(|at| pipes.swap_remove(at)) {
                Some((_, pipe)) => pipe,
                None => call(|| open_pipe(&path))?,
            };
            drop(pipes);
            // Some formats go back to what they have written, which a pipe does not let them.
            let mut whole = call(tempfile::tempfile)?;
            fill(&whole, content)?;
            whole.rewind()?;
            io::copy(&mut whole, &mut Out(&pipe)).map(drop)
        }
        Target::Regular { path, existing } => {
            sweep(directory(&path));
            let temporary = Temporary::beside(&path)?;
            fill(temporary.file(), content)?;
            if let Some(existing) = existing {
                call(|| temporary.file().set_permissions(existing.permissions()))?;
            }
            call(|| temporary.file().sync_all())?;
            temporary.persist(&path)?;
            sync_directory(&path)
        }
    };
    write().map_err(|source| failed(path, source))
}

/// As [`replace`], through a file of a given name beside it: for what only one program does at a time. What one that
/// was stopped has left there is written over.
pub(crate) fn replace_through(
    path: &Path,
    through: &Path,
    content: impl FnOnce(&mut BufWriter<Out<'_>>) -> io::Result<()>,
) -> Result<()> {
    let write = || {
        // A program that is ended by a signal leaves nothing of it.
        let _listed = Listed::new(through);
        let file = call(|| File::create(through))?;
        fill(&file, content)?;
        if let Ok(existing) = fs::metadata(path) {
            call(|| file.set_permissions(existing.permissions()))?;
        }
        call(|| file.sync_all())?;
        call(|| fs::rename(through, path))?;
        sync_directory(path)
    };
    let written = write();
    if written.is_err() {
        let _ = call(|| fs::remove_file(through));
    }
    written.map_err(|source| failed(path, source))
}

/// Makes sure that files which were made, renamed or removed beside `path` stay so when the machine stops.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    // Elsewhere a directory cannot be opened as a file; renaming is durable there by itself.
    if cfg!(unix) {
        let synced = call(|| File::open(directory(path))?.sync_all());
        // Some network file systems have no such call, and a directory may be one to write to and not to read.
        let without = |kind| matches!(kind, io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied);
        return synced.or_else(|error| if without(error.kind()) { Ok(()) } else { Err(error) });
    }
    Ok(())
}

/// The directory that `path` is in.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Where symbolic links lead to, which need not be there: what they point to is replaced, and not the links.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    const LINKS: usize = 40;
    fs::canonicalize(path).unwrap_or_else(|_| {
        let mut at = path.to_owned();
        for _ in 0..LINKS {
            let Ok(next) = fs::read_link(&at) else { break };
            let next = directory(&at).join(next);
            // What a process has open without a name, such as a pipe at /dev/stdout, is reached through its link alone.
            if at.exists() && !next.exists() {
                break;
            }
            at = next;
        }
        at
    })
}

/// The path with a suffix added to its name, for a file beside it; through symbolic links, so that all names of a file lead to one.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(resolved(path));
    name.push(suffix);
    name.into()
}

/// What the journal of a store is called, behind the store's name.
pub(crate) const JOURNAL: &str = ".journal";

/// Whether the store in a file has a journal that says something.
pub(super) fn has_journal(path: &Path) -> bool {
    fs::metadata(beside(path, JOURNAL)).is_ok_and(|journal| journal.len() > 0)
}

/// Opens a named pipe to write to, without waiting for one who reads.
fn open_pipe(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use rustix::{
            fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open},
            io::Errno,
        };
        let opened = open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
        let pipe = opened.map_err(|error| match error {
            Errno::NXIO => {
                let message = "no program reads from this pipe; start the one that is to, or name a file";
                io::Error::new(io::ErrorKind::NotConnected, message)
            }
            other => other.into(),
        })?;
        // From here on, a reader that is slow is waited for.
        fcntl_setfl(&pipe, fcntl_getfl(&pipe)? - OFlags::NONBLOCK)?;
        Ok(pipe.into())
    }
    #[cfg(not(unix))]
    {
        OpenOptions::new().write(true).open(path)
    }
}

/// Whether a file is a named pipe.
fn is_pipe(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type())
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        false
    }
}

/// What there is at a path that is to be written.
enum Target {
    /// A device: it cannot be replaced, only written to.
    Special,
    /// A named pipe, under the name that it is opened by.
    Pipe(PathBuf),
    /// A file, or nothing yet.
    Regular { path: PathBuf, existing: Option<Metadata> },
}

impl Target {
    fn of(path: &Path) -> io::Result<Self> {
        let path = resolved(path);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if metadata.is_file() => {
                // Replacing a file asks for no right to it. Who has taken that right away wants to keep the file: this holds for
                // the superuser too, who may open it.
                if metadata.permissions().readonly() {
                    return Err(io::ErrorKind::PermissionDenied.into());
                }
                OpenOptions::new().write(true).open(&path)?;
                Ok(Self::Regular { path, existing: Some(metadata) })
            }
            Ok(metadata) if is_pipe(&metadata) => Ok(Self::Pipe(path)),
            Ok(_) => Ok(Self::Special),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self::Regular { path, existing: None })
            }
            Err(error) => Err(error),
        }
    }
}

fn fill(file: &File, content: impl FnOnce(&mut BufWriter<Out<'_>>) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::new(Out(file));
    let written = content(&mut writer).and_then(|()| writer.flush());
    if written.is_err() {
        // Dropped as it is, it would write once more what could not be written.
        let _ = writer.into_parts();
    }
    written
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::File { path: path.to_owned(), action: "write", source }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.bin");
        for old in [None, Some(b"old")] {
            if let Some(old) = old {
                write_bytes(&path, old).unwrap();
            }
            let error = replace(&path, |file| {
                file.write_all(&[0; 100_000])?;
                Err(io::ErrorKind::StorageFull.into())
            });
            let message = error.unwrap_err().to_string();
            assert!(message.contains("a.bin: cannot write: no storage space"), "{message}");
            let through = directory.path().join("a.new");
            fs::write(&through, "left by one that was stopped").unwrap();
            let error = replace_through(&path, &through, |file| {
                file.write_all(&[0; 100_000])?;
                Err(io::ErrorKind::StorageFull.into())
            });
            assert!(error.unwrap_err().to_string().contains("a.bin: cannot write: no storage space"));
            assert_eq!(fs::read(&path).ok(), old.map(|old| old.to_vec()));
            assert_eq!(directory.path().read_dir().unwrap().count(), old.iter().count());
        }
        write_bytes(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn what_cannot_be_a_target_is_refused_by_check_and_write() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        for (name, want) in
            [("", "is a directory"), ("no/a.bin", "there is no directory"), ("file/a.bin", "")]
        {
            let path = directory.path().join(name);
            for error in [check_writable_bytes(&path).unwrap_err(), write_bytes(&path, b"").unwrap_err()] {
                assert!(matches!(error, Error::File { action: "write", .. }));
                assert!(error.to_string().contains(want), "{error}");
            }
        }
        assert!(check_writable_bytes("a-bare-name.bin").is_ok());
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    }

    #[cfg(unix)]
    mod unix {
        use super::*;
        use std::os::unix::fs::{PermissionsExt, symlink};

        fn mode(path: &Path) -> u32 {
            fs::metadata(path).unwrap().permissions().mode() & 0o777
        }

        #[test]
        fn permissions_are_those_of_any_new_file_or_of_the_old_one() {
            let directory = tempfile::tempdir().unwrap();
            let [usual, path] = ["usual", "path"].map(|name| directory.path().join(name));
            fs::write(&usual, "").unwrap();
            write_bytes(&path, b"1").unwrap();
            assert_eq!(mode(&path), mode(&usual));
            fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
            check_writable_bytes(&path).unwrap();
            write_bytes(&path, b"2").unwrap();
            assert_eq!((mode(&path), fs::read(&path).unwrap()), (0o604, b"2".to_vec()));
        }

        #[test]
        fn a_read_only_directory_is_refused() {
            let directory = tempfile::tempdir().unwrap();
            fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
            // Permission bits do not stop root.
            if fs::write(directory.path().join("probe"), "").is_err() {
                let error = check_writable_bytes(directory.path().join("a")).unwrap_err().to_string();
                assert!(error.contains("cannot write: permission denied"), "{error}");
                assert!(write_bytes(directory.path().join("a"), b"1").is_err());
            }
        }

        #[test]
        fn a_symbolic_link_keeps_pointing_to_what_is_replaced() {
            let directory = tempfile::tempdir().unwrap();
            let [file, link] = ["file", "link"].map(|name| directory.path().join(name));
            fs::write(&file, "old").unwrap();
            symlink(&file, &link).unwrap();
            write_bytes(&link, b"new").unwrap();
            assert!(link.is_symlink());
            assert_eq!(fs::read(&file).unwrap(), b"new");
        }

        #[cfg(target_os = "linux")]
        #[test]
        fn a_full_device_is_an_error_and_stays_a_device() {
            use super::super::super::{Array, ArrayData, write};
            let directory = tempfile::tempdir().unwrap();
            for suffix in ["npy", "npz", "safetensors"] {
                let link = directory.path().join("full").with_extension(suffix);
                symlink("/dev/full", &link).unwrap();
                let array = Array { name: "a", shape: vec![1], data: ArrayData::U8(&[1]) };
                let error = write(&link, &[array]).unwrap_err();
                assert!(matches!(error, Error::File { action: "write", .. }), "{error}");
            }
            assert!(write_bytes("/dev/full", &[0; 100_000]).is_err());
            assert!(!fs::metadata("/dev/full").unwrap().is_file());
        }
    }
}
