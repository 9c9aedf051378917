//! A memory with a life: patterns that have ids and payloads, that come, change and go, on the disk and in a memory.
//!
//! A store is a safetensors file `F` (any program that reads such files can read it: the tensors `patterns`, `ids`,
//! `payloads`, and the settings in its metadata), beside it a journal `F.journal` of what has changed since the
//! file was written, and an empty file `F.lock` that keeps a second writer away. Adding and forgetting append to the
//! journal, in proportion to what is added or forgotten, and return when that is on the disk. When the journal has
//! grown to an eighth of the file, the file is written anew beside its place, synced and renamed, and the journal goes
//! ([`Ledger::compact`]). Whenever a program is stopped, what is read later is the store before or after an operation, and never something
//! between; what was acknowledged stays. Both files have checksums: a changed byte is noticed, and nothing is read of what it is in.
//!
//! [`Store`] has the patterns in a memory as well, and recalls; [`Ledger`] changes and reads a store without one; [`source()`] gives
//! what it holds now to whatever reads files of numbers.

mod book;
mod change;
#[cfg(test)]
mod faults;
mod ids;
mod image;
mod journal;
mod ledger;
mod lock;
mod memory;
mod source;

pub use ids::{Id, IdKind};
pub use ledger::{Batch, Entry, Info, Ledger, OpenOptions};
pub use source::{ids, offset, source};

use crate::{
    Device, Error, Precision, Result, Rows, ToRows,
    io::Ragged,
    memory::{
        Beta, BetaChoice, DenseMemory, Found, Memory, NO_PATTERN, QueryReport, Recall, RecallOptions,
        SearchOptions,
    },
    narrow::Offset,
    ops::Similarity,
};
use book::Book;
use change::Change;
use ledger::{Log, writable};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use std::{path::Path, sync::Arc, thread};

/// How a store is set up; kept in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// How queries and patterns are compared.
    pub similarity: Similarity,
    /// Inverse temperature of its recalls.
    pub beta: Beta,
    /// How patterns are kept, in the file and in memory.
    pub precision: Precision,
    /// Which kind of ids its patterns have.
    pub ids: IdKind,
}

impl Settings {
    /// Bytes of a row of `dim` values.
    fn row_bytes(&self, dim: usize) -> usize {
        dim * if self.precision == Precision::F16 { 2 } else { 4 }
    }
}

/// What a recall from a store is asked for.
#[derive(Clone, Debug, Default)]
pub struct Ask<'a> {
    /// How to recall; the mask must be `None`, and `progress` must not call the store: the recall holds it.
    pub options: RecallOptions<'a>,
    /// Ids of the patterns that may answer; all where `None`.
    pub among: Option<&'a [Id]>,
    /// Whether to bring the payloads of the best patterns.
    pub payloads: bool,
}

/// What a recall of `b` queries from a store gives.
#[derive(Clone, Debug)]
pub struct Answer {
    /// States, energies, weights and the like. `indices` are slots of the store at that moment; `ids` say more.
    pub recall: Recall,
    /// Ids of the best patterns of each query, best first, `[b * top_k]`; their confidence is `recall.weights`. `None` where fewer may answer.
    pub ids: Vec<Option<Id>>,
    /// Payloads of the best patterns `[b * top_k]`, where asked for; empty where there is no pattern.
    pub payloads: Option<Ragged>,
}

impl Answer {
    /// The best patterns of query `i` with their weights, best first: those that there are.
    ///
    /// # Panics
    /// As slice indexing does, where there is no such query.
    pub fn top(&self, i: usize) -> impl Iterator<Item = (&Id, f32)> {
        let range = i * self.recall.top_k..(i + 1) * self.recall.top_k;
        let of = self.ids[range.clone()].iter().zip(self.recall.weights[range].iter().copied());
        of.filter_map(|(id, weight)| Some((id.as_ref()?, weight)))
    }
}

/// What recalls need; book and memory always say the same.
struct State {
    book: Book,
    /// Locked to be looked up or replaced, not while it recalls. Whoever uses it holds the state as well.
    memory: Mutex<Arc<DenseMemory>>,
    /// What the store said of itself after the last change.
    info: Info,
}

impl State {
    fn new(book: Book, memory: DenseMemory, info: Info) -> Self {
        Self { book, memory: Mutex::new(Arc::new(memory)), info }
    }

    fn memory(&self) -> Arc<DenseMemory> {
        Arc::clone(&self.memory.lock())
    }

    /// The memory, to change it.
    fn memory_mut(&mut self) -> Result<&mut DenseMemory> {
        let shared = || Error::Gpu { what: "store".into(), message: "its memory is still in use".into() };
        Arc::get_mut(self.memory.get_mut()).ok_or_else(shared)
    }
}

/// A store with its patterns in a memory.
///
/// All methods take `&self`, and threads may share a store: any number recall while one changes it. A recall sees the
/// store before or after an operation, never within one. An operation keeps recalls waiting just while it enters
/// the memory, not while it is checked and written to the disk. Recalls may run within tasks of rayon's; what
/// changes the store should not, since it waits for recalls that need rayon's threads.
///
/// A GPU that is lost does not end a store: all that it holds is on the host. The call that finds out opens the GPU anew, once
/// for all threads, makes the memory anew, and goes on.
///
/// ```
/// use attractor::{Device, store::{Batch, Id, Settings, Store}};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("memory.safetensors");
/// let ids = [Id::from("left"), Id::from("right")];
/// let settings = Settings { ids: attractor::store::IdKind::Name, ..Settings::default() };
/// let store = Store::create(&path, settings, Batch::new(&[[1.0, 0.0], [0.0, 1.0]]).ids(&ids), &Device::cpu())?;
/// let answer = store.recall(&[[0.9, 0.2]])?;
/// let (id, confidence) = answer.top(0).next().ok_or(attractor::Error::EmptyMemory)?;
/// assert!(*id == ids[0] && confidence > 0.9);
///
/// store.replace(Batch::new(&[[0.9, 0.3]]).ids(&ids[..1]))?;
/// store.forget(&ids[1..])?;
/// assert_eq!(store.recall(&[[0.0, 1.0]])?.recall.states.row(0), [0.9, 0.3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Store {
    state: RwLock<State>,
    /// `None` where it was opened for reading. Held by what changes the store, from its checks to its end.
    log: Mutex<Option<Log>>,
    /// How many times the memory was made anew on a device that was lost; held by the thread that does it.
    recoveries: Mutex<u64>,
}

impl Store {
    /// Makes a store in a new file, and its memory on a device.
    ///
    /// # Errors
    /// As [`Ledger::create`], and faults of the device.
    pub fn create(
        path: impl AsRef<Path>,
        settings: Settings,
        batch: Batch<'_>,
        device: &Device,
    ) -> Result<Self> {
        Self::create_with(path, settings, batch, device, &OpenOptions::default())
    }

    /// [`Store::create`], with options for what is done to the store then.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub fn create_with(
        path: impl AsRef<Path>,
        settings: Settings,
        batch: Batch<'_>,
        device: &Device,
        options: &OpenOptions,
    ) -> Result<Self> {
        Self::of(Ledger::create_with(path, settings, batch, options)?, device)
    }

    /// Opens a store to recall from it and change it. On the CPU and in f32, the patterns of its file are used where
    /// they are. All of the file is held against its checksums first, on all cores.
    ///
    /// # Errors
    /// As [`Ledger::open`], and faults of the device.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        Self::open_with(path, device, &OpenOptions::default())
    }

    /// [`Store::open`], with options: whether to wait for another program, and whether to compact by itself.
    ///
    /// # Errors
    /// As [`Ledger::open`], and faults of the device.
    pub fn open_with(path: impl AsRef<Path>, device: &Device, options: &OpenOptions) -> Result<Self> {
        Self::of(Ledger::open_with(path, options)?, device)
    }

    /// Opens a store as it is now, to recall from it, whether or not another program has it open.
    ///
    /// # Errors
    /// As [`Ledger::open_read_only`], and faults of the device.
    pub fn open_read_only(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        Self::of(Ledger::open_read_only(path)?, device)
    }

    fn of(ledger: Ledger, device: &Device) -> Result<Self> {
        ledger.check()?;
        let info = ledger.info();
        let (book, log) = ledger.into_parts();
        let memory = memory::of(&book, device)?;
        let state = RwLock::new(State::new(book, memory, info));
        Ok(Self { state, log: Mutex::new(log), recoveries: Mutex::default() })
    }

    /// What the memory says. Where its device has been lost it is made anew first.
    fn ask<T>(&self, state: &State, question: impl Fn(&DenseMemory) -> Result<T>) -> Result<T> {
        let memory = state.memory();
        match question(&memory) {
            Err(Error::DeviceLost { .. }) => question(&*self.recovered(state)?),
            answer => answer,
        }
    }

    /// The memory on a device that is alive, made anew where it has to be.
    fn recovered(&self, state: &State) -> Result<Arc<DenseMemory>> {
        // The first thread that comes does it, the others wait for that.
        let mut recoveries = self.recoveries.lock();
        let memory = state.memory();
        if memory.device().is_alive() {
            return Ok(memory);
        }
        tracing::warn!("the device {} was lost; it is opened again", memory.device());
        let device = memory.device().reopen()?;
        let new = Arc::new(apart(|| memory::of(&state.book, &device))?);
        *state.memory.lock() = Arc::clone(&new);
        *recoveries += 1;
        Ok(new)
    }

    /// Where the memory is now. A GPU that was lost has another in its place after the call that found out.
    pub fn device(&self) -> Device {
        self.read().memory().device().clone()
    }

    /// How many times the memory has been made anew because its device was lost.
    pub fn recoveries(&self) -> u64 {
        *self.recoveries.lock()
    }

    /// The state, to read. A thread of rayon's may be within a recall that waits for it, so it does not wait
    /// behind a writer that waits for that recall; other threads do, so that the writer gets its turn.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        match rayon::current_thread_index() {
            Some(_) => self.state.read_recursive(),
            None => self.state.read(),
        }
    }

    /// How many patterns are stored.
    pub fn len(&self) -> usize {
        self.read().book.live()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the store says of itself.
    pub fn info(&self) -> Info {
        self.read().info.clone()
    }

    /// The inverse temperature of recalls: as set, or chosen now.
    ///
    /// # Errors
    /// As [`DenseMemory::beta`].
    pub fn beta(&self) -> Result<f32> {
        self.ask(&self.read(), DenseMemory::beta)
    }

    /// What had gone off the patterns: see [`Ledger::offset`]. States of a recall do not have it.
    pub fn offset(&self) -> Option<Offset> {
        self.read().book.offset.clone()
    }

    /// The automatic choice of `beta` for what is stored now, whether or not it is used.
    ///
    /// # Errors
    /// As [`DenseMemory::beta_choice`].
    pub fn beta_choice(&self) -> Result<BetaChoice> {
        self.ask(&self.read(), DenseMemory::beta_choice)
    }

    /// The pattern and the payload of an id, where it is stored.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is damaged.
    pub fn get(&self, id: &Id) -> Result<Option<Entry>> {
        let state = self.read();
        let Some(slot) = state.book.find(id)? else { return Ok(None) };
        ledger::entry(&state.book, slot as usize).map(Some)
    }

    /// Stores more patterns, and gives their ids.
    ///
    /// # Errors
    /// As [`Ledger::add`], and faults of the device. Nothing is stored then.
    pub fn add(&self, batch: Batch<'_>) -> Result<Vec<Id>> {
        self.put(batch, false)
    }

    /// Stores patterns in place of those that have their ids; where there is none, it is added.
    ///
    /// # Errors
    /// As [`Store::add`].
    pub fn replace(&self, batch: Batch<'_>) -> Result<Vec<Id>> {
        self.put(batch, true)
    }

    fn put(&self, batch: Batch<'_>, replace: bool) -> Result<Vec<Id>> {
        let mut log = self.log.lock();
        let rows = batch.rows()?;
        let mut put = || {
            let (change, intake) = {
                let state = self.read();
                let change = batch.change(&state.book, &rows, replace)?;
                (change, state.memory().prepare(&rows)?)
            };
            let ids = change.ids().to_vec();
            self.make(&mut log, change, |memory| memory.take(intake, None))?;
            Ok(ids)
        };
        match put() {
            Err(Error::DeviceLost { .. }) => {
                self.recovered(&self.read())?;
                put()
            }
            done => done,
        }
    }

    /// Forgets the patterns of these ids.
    ///
    /// # Errors
    /// As [`Ledger::forget`].
    pub fn forget(&self, ids: &[Id]) -> Result<()> {
        let mut log = self.log.lock();
        let change = self.read().book.forget(ids)?;
        self.make(&mut log, change, |_| Ok(()))
    }

    /// Makes a change, of which `enter` brings the new patterns to the memory.
    fn make(
        &self,
        log: &mut Option<Log>,
        change: Change,
        enter: impl FnOnce(&mut DenseMemory) -> Result<()>,
    ) -> Result<()> {
        let log = writable(log)?;
        if change.ids().is_empty() {
            return Ok(());
        }
        let before = log.append(&change)?;
        let long = {
            // Nothing in here may wait for another thread: all of rayon's may be waiting for this.
            let mut state = self.state.write();
            if let Err(error) = state.memory_mut().and_then(enter) {
                drop(state);
                log.rewind(before)?;
                return Err(error);
            }
            let emptied = state.book.apply(change)?;
            state.info = ledger::info(&state.book, log);
            state.memory_mut()?.forget_surely(&emptied);
            log.is_long(&state.book)
        };
        if long {
            // The change is made, whatever comes of this.
            if let Err(error) = self.fold(log) {
                tracing::warn!("the store was not written anew: {error}");
                log.put_off(&self.read().book);
            }
        }
        Ok(())
    }

    /// Writes the file anew, without what has been forgotten, and ends the journal. Happens by itself as [`Ledger::compact`] says. Recalls
    /// go on meanwhile: they wait just while the new memory takes the place of the old one.
    ///
    /// # Errors
    /// As [`Ledger::compact`], and faults of the device.
    pub fn compact(&self) -> Result<()> {
        self.fold(writable(&mut self.log.lock())?)
    }

    fn fold(&self, log: &mut Log) -> Result<()> {
        log.fold(&self.read().book)?;
        let book = Book::of(log.image()?);
        let device = self.recovered(&self.read())?.device().clone();
        let memory = memory::of(&book, &device)?;
        let info = ledger::info(&book, log);
        let new = State::new(book, memory, info);
        let old = std::mem::replace(&mut *self.state.write(), new);
        drop(old);
        Ok(())
    }

    /// Completes cues `[b, d]`, and says which patterns they are.
    ///
    /// # Errors
    /// As [`Memory::recall`].
    pub fn recall(&self, queries: &dyn ToRows) -> Result<Answer> {
        self.recall_with(queries, &Ask::default())
    }

    /// Completes cues `[b, d]`, and says which patterns they are, as asked.
    ///
    /// # Errors
    /// As [`Memory::recall_with`]; [`Error::InvalidParameter`] for ids that are not stored.
    pub fn recall_with(&self, queries: &dyn ToRows, ask: &Ask<'_>) -> Result<Answer> {
        if ask.options.mask.is_some() {
            return Err(Error::parameter("mask", "given", "left out for a store: name ids instead"));
        }
        let state = self.read();
        let book = &state.book;
        let mask = match ask.among {
            Some(ids) => {
                let mut mask = vec![false; book.slots()];
                book.find_all(ids)?.into_iter().for_each(|slot| mask[slot as usize] = true);
                Some(mask)
            }
            None => None,
        };
        let options = RecallOptions { mask: mask.as_deref(), ..ask.options.clone() };
        let recall = self.ask(&state, |memory| memory.recall_with(queries, &options))?;
        let slots = || recall.indices.iter().map(|slot| (*slot != NO_PATTERN).then_some(*slot as usize));
        let ids = slots().map(|slot| slot.map(|slot| book.id(slot)).transpose()).collect::<Result<_>>()?;
        let payloads = match ask.payloads {
            true => Some(payloads(book, slots())?),
            false => None,
        };
        Ok(Answer { recall, ids, payloads })
    }

    /// The stored patterns that are most similar to queries `[b, d]`, with their ids `[b * top_k]`. A mask has an entry for each row of the memory:
    /// name ids with [`Store::recall_with`] instead.
    ///
    /// # Errors
    /// As [`DenseMemory::search`]; [`Error::InvalidParameter`] for a mask.
    ///
    /// ```
    /// use attractor::{Device, memory::SearchOptions, store::{Batch, Id, Settings, Store}};
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("memory.safetensors");
    /// let store = Store::create(&path, Settings::default(), Batch::new(&[[0.0, 1.0], [1.0, 0.0]]), &Device::cpu())?;
    /// let (found, ids) = store.search(&[[0.9, 0.1]], &SearchOptions { top_k: 1, ..SearchOptions::default() })?;
    /// assert_eq!((ids, found.similarity.len()), (vec![Some(Id::from(1))], 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn search(
        &self,
        queries: &dyn ToRows,
        options: &SearchOptions<'_>,
    ) -> Result<(Found, Vec<Option<Id>>)> {
        if options.mask.is_some() {
            return Err(Error::parameter("mask", "given", "left out for a store"));
        }
        let state = self.read();
        let found = self.ask(&state, |memory| memory.search(queries, options))?;
        let id = |slot: &u32| match *slot {
            NO_PATTERN => Ok(None),
            slot => state.book.id(slot as usize).map(Some),
        };
        let ids = found.indices.iter().map(id).collect::<Result<_>>()?;
        Ok((found, ids))
    }

    /// What is known of queries themselves, before any update: see [`Memory::describe_queries`]. Numbers are those of slots, as in
    /// [`Answer::recall`].
    ///
    /// # Errors
    /// As [`Memory::recall_with`].
    pub fn describe_queries(
        &self,
        queries: &dyn ToRows,
        options: &RecallOptions<'_>,
    ) -> Result<Option<QueryReport>> {
        self.ask(&self.read(), |memory| memory.describe_queries(queries, options))
    }

    /// Similarities of states with the patterns that an answer lists: see [`Memory::similarity_to`].
    ///
    /// # Errors
    /// Faults of the device.
    pub fn similarity_to(&self, states: &Rows<'_>, indices: &[u32]) -> Result<Option<Vec<f32>>> {
        self.ask(&self.read(), |memory| memory.similarity_to(states, indices))
    }

    /// The rows of slots ([`Recall::indices`] of an [`Answer`]) among the patterns that are stored now, in the order in which they were
    /// stored; [`NO_PATTERN`] stays.
    pub fn rows(&self, slots: &[u32]) -> Vec<u32> {
        let mut rows = self.read().book.places(slots);
        rows.iter_mut()
            .zip(slots)
            .filter(|(_, slot)| **slot == NO_PATTERN)
            .for_each(|(row, _)| *row = NO_PATTERN);
        rows
    }
}

/// The payloads of slots, one after another; nothing where there is no slot.
fn payloads(book: &Book, slots: impl Iterator<Item = Option<usize>> + Clone) -> Result<Ragged> {
    let of = |slot: Option<usize>| slot.map_or(Ok(&[][..]), |slot| book.payload(slot));
    let bytes = slots.clone().try_fold(0_usize, |sum, slot| Ok(sum.saturating_add(of(slot)?.len())))?;
    let mut all = Ragged::with_room(bytes).map_err(|_| Error::OutOfMemory {
        what: "the payloads of the best patterns".to_owned(),
        needed: bytes as u64,
    })?;
    for slot in slots {
        all.push(of(slot)?);
    }
    Ok(all)
}

/// Does work on threads of its own: those of rayon's may all be waiting for it, and a thread that waits for others of
/// rayon's may take up work that waits for it.
fn apart<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let failed = |message: String| Error::Gpu { what: "making the memory anew".into(), message };
    thread::scope(|scope| {
        let work = || {
            let count = rayon::current_num_threads();
            let threads = rayon::ThreadPoolBuilder::new().num_threads(count).build();
            threads.map_err(|e| failed(e.to_string()))?.install(work)
        };
        let started = thread::Builder::new().spawn_scoped(scope, work);
        let started = started.map_err(|error| failed(format!("no thread can be made: {error}")))?;
        started.join().unwrap_or_else(|_| Err(failed("its thread has failed".into())))
    })
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("info", &self.info()).finish_non_exhaustive()
    }
}
