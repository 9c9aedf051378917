//! A store on the disk, without a memory.

use super::{
    Settings,
    book::Book,
    change::Change,
    ids::Id,
    image::{self, Edition, Image},
    journal::{self, Journal},
    lock::Lock,
};
use crate::{
    Error, Result, Rows, ToRows,
    io::{
        Listed,
        atomic::{JOURNAL, beside, resolved},
        check_writable,
    },
    narrow::Offset,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// The files of a store.
#[derive(Clone, Debug)]
struct Paths {
    file: PathBuf,
    journal: PathBuf,
    lock: PathBuf,
    /// Where the file is written before it takes its place.
    new: PathBuf,
}

impl Paths {
    /// Through symbolic links, so that all names of a store lead to one journal and one lock.
    fn of(path: &Path) -> Self {
        let [journal, lock, new] = [JOURNAL, ".lock", ".new-store"].map(|suffix| beside(path, suffix));
        Self { file: resolved(path), journal, lock, new }
    }

    /// Refuses to make a store over what is there.
    fn check_free(&self) -> Result<()> {
        match [&self.file, &self.journal].into_iter().find(|path| path.exists()) {
            Some(path) => {
                let source = io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of that name");
                Err(Error::File { path: path.clone(), action: "create", source })
            }
            None => Ok(()),
        }
    }
}

/// The right to change a store, and where changes go.
pub(super) struct Log {
    paths: Paths,
    edition: Edition,
    journal: Journal,
    /// Bytes of the file.
    size: u64,
    /// Whether the file is written anew by itself.
    compact: bool,
    /// Where writing the file anew has failed: bytes of the journal and empty slots then. Both must double before it is tried again.
    failed: Option<(u64, usize)>,
    _lock: Lock,
}

/// Journals below this are not worth a new file.
const SMALL: u64 = 1 << 20;
/// The share of the file, 1 / SHARE, that a journal may grow to.
const SHARE: u64 = 8;
/// Empty slots below this are not worth a new file either.
const FEW: usize = 1024;
/// Files up to this are held against all of their checksums when they are opened, which takes a few milliseconds; of larger ones what is read.
const WHOLE: usize = 16 << 20;

/// How a store is opened to be changed.
///
/// ```
/// use attractor::store::{Batch, Ledger, OpenOptions, Settings};
/// use std::time::Duration;
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("memory.safetensors");
/// drop(Ledger::create(&path, Settings::default(), Batch::new(&[[0.0, 1.0]]))?);
/// let patient = OpenOptions { wait: Duration::from_secs(5), ..OpenOptions::default() };
/// assert_eq!(Ledger::open_with(&path, &patient)?.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// How long to wait while another program has the store open to change it. Default: not at all.
    pub wait: Duration,
    /// Whether a change writes the file anew by itself where the journal has grown long ([`Ledger::compact`]). Default: yes. Without, opening
    /// takes longer with every change.
    pub compact: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { wait: Duration::ZERO, compact: true }
    }
}

impl Log {
    /// Has a change on the disk when it returns. Gives the journal's length before.
    pub(super) fn append(&mut self, change: &Change) -> Result<u64> {
        self.journal.append(&change.encode())
    }

    pub(super) fn rewind(&mut self, length: u64) -> Result<()> {
        self.journal.rewind(length)
    }

    /// Whether it is time to write the file anew: the journal is an eighth as large as the file, or half of the slots are
    /// empty. So a byte is written anew some eight times, however many patterns come one by one, and the journal, which is read as a whole
    /// at each opening, stays short beside the file.
    pub(super) fn is_long(&self, book: &Book) -> bool {
        if !self.compact {
            return false;
        }
        let empty = book.slots() - book.live();
        if self
            .failed
            .is_some_and(|(journal, slots)| self.journal.length() < 2 * journal && empty < 2 * slots)
        {
            return false;
        }
        self.journal.length() > SMALL.max(self.size / SHARE) || (empty > FEW && 2 * empty > book.slots())
    }

    /// Notes that the file was not written anew, or what it is for was not made.
    pub(super) fn put_off(&mut self, book: &Book) {
        self.failed = Some((self.journal.length().max(SMALL), (book.slots() - book.live()).max(FEW)));
    }

    /// Writes the file anew, with all that is in the book, and begins the journal anew.
    pub(super) fn fold(&mut self, book: &Book) -> Result<()> {
        let next = self.edition.next();
        if let Err(error) = image::write(&self.paths.file, &self.paths.new, book, next) {
            // Where the old file is not certainly the one that is there, nothing may be added to its journal.
            let is_old = |image: Image| image.edition == self.edition;
            if !Image::open(&self.paths.file).is_ok_and(is_old) {
                self.journal.give_up();
            }
            return Err(error);
        }
        self.edition = next;
        self.failed = None;
        self.size = size(&self.paths.file);
        // Were this process to end here, the journal would be known for one of the file before.
        self.journal.restart(next.stamp)
    }
}

fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

/// What a store says of itself.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Info {
    /// How many patterns are stored.
    pub patterns: usize,
    /// Their length.
    pub dim: usize,
    /// How the store was set up.
    pub settings: Settings,
    /// The number that the next pattern without an id gets.
    pub next: u64,
    /// Slots whose patterns have been forgotten or replaced; compacting gives their room back.
    pub empty: usize,
    /// How often the file has been written.
    pub generation: u64,
    /// Whether the file has checksums; those of earlier versions have none until they are written anew.
    pub checksums: bool,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
}

/// A stored pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The pattern, `[d]`.
    pub pattern: Vec<f32>,
    /// Its payload; empty where it has none.
    pub payload: Vec<u8>,
}

/// Patterns to store.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    patterns: &'a dyn ToRows,
    ids: Option<&'a [Id]>,
    payloads: &'a [Vec<u8>],
    offset: Option<&'a Offset>,
}

impl<'a> Batch<'a> {
    /// Patterns `[n, d]`, whose ids are numbers that count on from the largest there has been.
    pub fn new(patterns: &'a dyn ToRows) -> Self {
        Self { patterns, ids: None, payloads: &[], offset: None }
    }

    /// With these ids `[n]`, each once.
    #[must_use]
    pub fn ids(self, ids: &'a [Id]) -> Self {
        Self { ids: Some(ids), ..self }
    }

    /// With these payloads `[n]`, or none.
    #[must_use]
    pub fn payloads(self, payloads: &'a [Vec<u8>]) -> Self {
        Self { payloads, ..self }
    }

    /// Of patterns off which this has gone ([`crate::narrow`]). A store that is made of them keeps it for those that follow:
    /// [`Ledger::offset`].
    #[must_use]
    pub fn offset(self, offset: Option<&'a Offset>) -> Self {
        Self { offset, ..self }
    }

    pub(super) fn rows(&self) -> Result<Rows<'a>> {
        self.patterns.to_rows()
    }

    /// The change that stores the batch, whose rows are these.
    pub(super) fn change(&self, book: &Book, rows: &Rows<'_>, replace: bool) -> Result<Change> {
        if self.offset.is_some() && self.offset != book.offset.as_ref() {
            let want = "that of the store, which its patterns have lost";
            return Err(Error::parameter("offset of the patterns", "another one", want));
        }
        book.put(self.ids, rows, self.payloads, replace)
    }
}

impl std::fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("ids", &self.ids).finish_non_exhaustive()
    }
}

/// What is on the disk at one moment.
struct Found {
    book: Book,
    edition: Edition,
    /// Good bytes of the journal; 0 where none is for this file.
    journal: u64,
}

/// Reads a store whose writer may be at work.
fn load(paths: &Paths) -> Result<Found> {
    // The writer replaces the file and then removes the journal: where the file is another one after the journal
    // has been read, the two may not belong together.
    const TRIES: usize = 100;
    for _ in 0..TRIES {
        let image = Image::open(&paths.file)?;
        let edition = image.edition;
        let journal = journal::read(&paths.journal);
        if Image::open(&paths.file)?.edition != edition {
            continue;
        }
        if image.bytes() <= WHOLE {
            image.check_all()?;
        }
        let mut book = Book::of(image);
        let Some(journal) = journal? else { return Ok(Found { book, edition, journal: 0 }) };
        if journal.stamp == edition.previous {
            // All of it is in the file; its writer was stopped before the journal went.
            return Ok(Found { book, edition, journal: 0 });
        }
        if journal.stamp != edition.stamp {
            return Err(Error::Format {
                path: paths.journal.clone(),
                problem: format!("the journal does not go with {}", paths.file.display()),
                want: "bring back the file that it goes with, or move the journal away".to_owned(),
            });
        }
        for change in journal.changes {
            if !book.fits(&change)? {
                return Err(Error::Format {
                    path: paths.journal.clone(),
                    problem: format!("it has a change that does not fit {}", paths.file.display()),
                    want: "take both from a backup".to_owned(),
                });
            }
            book.apply(change)?;
        }
        return Ok(Found { book, edition, journal: journal.length });
    }
    let problem = "it is being written anew all the time; try again later";
    Err(Error::Busy { path: paths.file.clone(), action: "read", problem })
}

/// A store on the disk: adds, replaces, forgets and looks up, each at a cost in proportion to what is asked,
/// whatever the number of patterns. Opening it reads the journal and the file's header, and files of up to 16 MiB as a whole. It recalls
/// nothing; [`Store`](super::Store) does.
///
/// A changed byte of the file is noticed at opening, or in files of more than 16 MiB by what reads it first:
/// [`Ledger::check`] and [`Store`](super::Store) read all.
///
/// What a method has done is on the disk when it returns. One program at a time may change a store, and any
/// number may read it meanwhile.
///
/// ```
/// use attractor::store::{Batch, Id, Ledger, Settings};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("memory.safetensors");
/// let mut ledger = Ledger::create(&path, Settings::default(), Batch::new(&[[0.0, 1.0], [1.0, 0.0]]))?;
/// let ids = ledger.add(Batch::new(&[[1.0, 1.0]]).payloads(&[b"both".to_vec()]))?;
/// assert_eq!(ids, [Id::from(2)]);
/// ledger.forget(&[Id::from(0)])?;
/// drop(ledger);
///
/// let ledger = Ledger::open_read_only(&path)?;
/// assert_eq!(ledger.len(), 2);
/// assert_eq!(ledger.get(&Id::from(2))?.map(|entry| entry.payload), Some(b"both".to_vec()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Ledger {
    book: Book,
    paths: Paths,
    edition: Edition,
    journal: u64,
    /// `None` where it was opened for reading.
    log: Option<Log>,
}

impl Ledger {
    /// Makes a store of these patterns in a new file, whose name ends in `.safetensors`. The patterns may be none, as
    /// long as they have columns ([`Rows::empty`]).
    ///
    /// # Errors
    /// [`Error::File`] where there is such a file or it cannot be written; those of [`Ledger::add`].
    pub fn create(path: impl AsRef<Path>, settings: Settings, batch: Batch<'_>) -> Result<Self> {
        Self::create_with(path, settings, batch, &OpenOptions::default())
    }

    /// [`Ledger::create`], with options for what is done to the store then.
    ///
    /// # Errors
    /// As [`Ledger::create`].
    pub fn create_with(
        path: impl AsRef<Path>,
        settings: Settings,
        batch: Batch<'_>,
        options: &OpenOptions,
    ) -> Result<Self> {
        let path = path.as_ref();
        let paths = Paths::of(path);
        // Before there is a lock, so that none is left beside a file that is no store.
        paths.check_free()?;
        check_writable(path)?;
        if !path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("safetensors")) {
            let problem = "a store is a safetensors file".to_owned();
            return Err(Error::Format {
                path: path.to_owned(),
                problem,
                want: "use .safetensors".to_owned(),
            });
        }
        let rows = batch.rows()?;
        if rows.columns() == 0 {
            return Err(Error::parameter("columns of patterns", 0, "at least 1"));
        }
        if let crate::memory::Beta::Fixed(beta) = settings.beta {
            crate::ops::check_beta(beta)?;
        }
        let mut book = Book::new(settings, rows.columns());
        if let Some(offset) = batch.offset {
            if !settings.similarity.is_translation_invariant() {
                let want = "none: this similarity does notice where vectors lie; use l2 or l1";
                return Err(Error::parameter("offset of the patterns", settings.similarity, want));
            }
            if offset.columns().len() != rows.columns() {
                let what = "columns of the offset (as patterns have)";
                return Err(Error::dimension(what, offset.columns().len(), rows.columns()));
            }
            book.offset = Some(offset.clone());
        }
        let change = batch.change(&book, &rows, false)?;
        let is_new = !paths.lock.exists();
        let lock = Lock::take(&paths.lock, options.wait)?;
        // A program that is ended by a signal before there is a store leaves no lock either; it is this one's by now.
        let _listed = is_new.then(|| Listed::new(&paths.lock));
        paths.check_free()?;
        book.apply(change)?;
        let edition = Edition::first();
        image::write(&paths.file, &paths.new, &book, edition)?;
        Self::with_lock(Paths::of(path), lock, options)
    }

    /// Opens a store to read and change it.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be opened; [`Error::Busy`] where another program has it open to change it; [`Error::Format`]
    /// where it is no store, or damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, &OpenOptions::default())
    }

    /// [`Ledger::open`], with options: whether to wait for another program, and whether to compact by itself.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_with(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self> {
        let paths = Paths::of(path.as_ref());
        // First, so that no lock is made for a store that is not there.
        Image::open(&paths.file)?;
        let lock = Lock::take(&paths.lock, options.wait)?;
        Self::with_lock(paths, lock, options)
    }

    fn with_lock(paths: Paths, lock: Lock, options: &OpenOptions) -> Result<Self> {
        let Found { book, edition, journal } = load(&paths)?;
        // Left by a writer that was stopped, if at all; where it stays, the next file is written over it.
        let _ = fs::remove_file(&paths.new);
        let log = Log {
            journal: Journal::open(&paths.journal, edition.stamp, journal)?,
            size: size(&paths.file),
            paths: paths.clone(),
            edition,
            compact: options.compact,
            failed: None,
            _lock: lock,
        };
        Ok(Self { book, paths, edition, journal, log: Some(log) })
    }

    /// Opens a store as it is now, to read it. Other programs may read and change it meanwhile; their changes are
    /// seen when it is opened again.
    ///
    /// # Errors
    /// As [`Ledger::open`], but for other programs.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self> {
        let paths = Paths::of(path.as_ref());
        let Found { book, edition, journal } = load(&paths)?;
        Ok(Self { book, paths, edition, journal, log: None })
    }

    /// Holds all bytes of the file against their checksums, on all cores; the journal is, when it is read. A file of an earlier version has no
    /// checksums ([`Info::checksums`]), and passes.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is damaged.
    pub fn check(&self) -> Result<()> {
        self.book.image().map_or(Ok(()), Image::check_all)
    }

    /// What is stored.
    pub(super) fn book(&self) -> &Book {
        &self.book
    }

    /// What a store takes over.
    pub(super) fn into_parts(self) -> (Book, Option<Log>) {
        (self.book, self.log)
    }

    /// How many patterns are stored.
    pub fn len(&self) -> usize {
        self.book.live()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the store says of itself.
    pub fn info(&self) -> Info {
        match &self.log {
            Some(log) => info(&self.book, log),
            None => Info {
                generation: self.edition.generation,
                file_bytes: size(&self.paths.file),
                journal_bytes: self.journal,
                ..described(&self.book)
            },
        }
    }

    /// What had gone off the patterns that the store was made of ([`Batch::offset`]): patterns that are added and queries must lose
    /// it as well ([`Narrowing::As`](crate::narrow::Narrowing::As)), and states get it back
    /// ([`Offset::restored`]). `None` where nothing had.
    pub fn offset(&self) -> Option<&Offset> {
        self.book.offset.as_ref()
    }

    /// Whether there is a pattern of this id.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is damaged.
    pub fn contains(&self, id: &Id) -> Result<bool> {
        Ok(self.book.find(id)?.is_some())
    }

    /// The pattern and the payload of an id, where it is stored.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is damaged.
    pub fn get(&self, id: &Id) -> Result<Option<Entry>> {
        let Some(slot) = self.book.find(id)? else { return Ok(None) };
        entry(&self.book, slot as usize).map(Some)
    }

    /// All ids, in the order in which their patterns were stored. Costs in proportion to all patterns.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is damaged.
    pub fn ids(&self) -> Result<Vec<Id>> {
        self.book.live_slots().map(|slot| self.book.id(slot)).collect()
    }

    /// Stores more patterns, and gives their ids.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for an id that is stored already, is there twice or of another kind than the
    /// store's; [`Error::DimensionMismatch`], [`Error::NonFinite`], [`Error::ZeroNorm`]; [`Error::File`] where it cannot
    /// be written. Nothing is stored then.
    pub fn add(&mut self, batch: Batch<'_>) -> Result<Vec<Id>> {
        self.put(batch, false)
    }

    /// Stores patterns in place of those that have their ids; where there is none, it is added.
    ///
    /// # Errors
    /// As [`Ledger::add`].
    pub fn replace(&mut self, batch: Batch<'_>) -> Result<Vec<Id>> {
        self.put(batch, true)
    }

    fn put(&mut self, batch: Batch<'_>, replace: bool) -> Result<Vec<Id>> {
        let change = batch.change(&self.book, &batch.rows()?, replace)?;
        let ids = change.ids().to_vec();
        self.make(change)?;
        Ok(ids)
    }

    /// Forgets the patterns of these ids.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for ids of which no pattern is stored, or that are there twice; [`Error::File`].
    /// Nothing is forgotten then.
    pub fn forget(&mut self, ids: &[Id]) -> Result<()> {
        let change = self.book.forget(ids)?;
        self.make(change)
    }

    fn make(&mut self, change: Change) -> Result<()> {
        let log = writable(&mut self.log)?;
        if change.ids().is_empty() {
            return Ok(());
        }
        log.append(&change)?;
        self.book.apply(change)?;
        if log.is_long(&self.book) {
            // The change is made, whatever comes of this.
            if let Err(error) = self.compact() {
                tracing::warn!("the store was not written anew: {error}");
                let log = writable(&mut self.log)?;
                log.put_off(&self.book);
            }
        }
        Ok(())
    }

    /// Writes the file anew, without what has been forgotten, and ends the journal. Happens by itself, unless [`OpenOptions::compact`] is
    /// off, when a change makes the journal longer than an eighth of the file (and than 1 MiB), or when half of the patterns have been
    /// forgotten (and more than 1024). Who reads the store meanwhile reads on.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Format`] where the file is damaged. The store is as it was then.
    pub fn compact(&mut self) -> Result<()> {
        let log = writable(&mut self.log)?;
        log.fold(&self.book)?;
        self.book = Book::of(log.image()?);
        Ok(())
    }
}

pub(super) fn entry(book: &Book, slot: usize) -> Result<Entry> {
    Ok(Entry { pattern: book.values(slot)?.collect(), payload: book.payload(slot)?.to_vec() })
}

pub(super) fn writable(log: &mut Option<Log>) -> Result<&mut Log> {
    log.as_mut()
        .ok_or_else(|| Error::parameter("store", "opened for reading", "opened with `open` to be changed"))
}

/// What a book knows.
fn described(book: &Book) -> Info {
    Info {
        patterns: book.live(),
        dim: book.dim,
        settings: book.settings,
        next: book.next,
        empty: book.slots() - book.live(),
        generation: 0,
        checksums: book.image().is_some_and(Image::has_checksums),
        file_bytes: 0,
        journal_bytes: 0,
    }
}

pub(super) fn info(book: &Book, log: &Log) -> Info {
    Info {
        generation: log.edition.generation,
        file_bytes: log.size,
        journal_bytes: log.journal.length(),
        ..described(book)
    }
}

impl Log {
    /// The file as it is now.
    pub(super) fn image(&self) -> Result<Image> {
        Image::open(&self.paths.file)
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("file", &self.paths.file).field("info", &self.info()).finish()
    }
}
