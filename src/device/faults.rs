//! Faults of a device: those that the driver reports, and those that tests provoke.
//!
//! wgpu says little of itself. A lost device takes every call and does nothing; that it is lost comes by a callback. A
//! refused command is told to a handler, on the thread that gave it and before its call returns. So each call that can be
//! refused is made with an ear on that ([`Context::guarded`]), every send and readback looks for the rest
//! ([`Context::check`]), and what a refused recording was to write is known as such (`Recorder::sound`). wgpu's error scopes
//! would do for calls as well, but keep some memory for each thread that ever opened one.

use super::Context;
use crate::{Error, Result};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use std::{
    collections::HashMap,
    fmt::Display,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, ThreadId},
    time::Duration,
};
use wgpu::{PollError, PollStatus, PollType};

/// Longest wait for one submission, where no other is asked for.
const PATIENCE: Duration = Duration::from_secs(600);

/// What has gone wrong on a device, and what is to go wrong.
pub(super) struct Faults {
    /// Why the device was lost. Held for reading while mapped memory is copied, and for writing before wgpu may know of the
    /// loss.
    lost: RwLock<Option<String>>,
    /// The first fault that no call was told of yet, by the thread whose call it was: another's has nothing to do with it.
    untold: Mutex<HashMap<ThreadId, wgpu::Error>>,
    /// Nanoseconds.
    patience: AtomicU64,
    /// Allocations that are to fail, by their numbers.
    failing: Mutex<Range<u64>>,
    /// The submission with which the device is to be lost.
    losing: AtomicU64,
}

impl Faults {
    /// Listens to a device.
    pub(super) fn watch(device: &wgpu::Device, patience: Option<Duration>) -> Arc<Self> {
        let faults = Arc::new(Self {
            lost: RwLock::default(),
            untold: Mutex::default(),
            patience: AtomicU64::new(nanoseconds(patience.unwrap_or(PATIENCE))),
            failing: Mutex::new(0..0),
            losing: AtomicU64::new(submission_to_lose()),
        });
        let seen = Arc::clone(&faults);
        device.set_device_lost_callback(move |reason, message| {
            seen.lose(format!("{reason:?} {message}").trim());
        });
        let seen = Arc::clone(&faults);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            seen.untold.lock().entry(thread::current().id()).or_insert(error);
        }));
        faults
    }

    fn lose(&self, reason: &str) {
        self.lost.write().get_or_insert(reason.to_owned());
    }

    /// Takes the fault of this thread that no call was told of.
    fn take(&self) -> Option<wgpu::Error> {
        self.untold.lock().remove(&thread::current().id())
    }

    fn reason(&self) -> RwLockReadGuard<'_, Option<String>> {
        self.lost.read()
    }

    /// Longest wait for one submission.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_nanos(self.patience.load(Ordering::Relaxed))
    }

    /// Whether the allocation of this number is to fail.
    pub(super) fn fails(&self, allocation: u64) -> bool {
        self.failing.lock().contains(&allocation)
    }

    /// Whether the device is to be lost with the submission of this number.
    pub(super) fn loses(&self, submission: u64) -> bool {
        submission == self.losing.load(Ordering::Relaxed)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The environment variable `ATTRACTOR_LOSE_AT=N`, for tests of programs: the first GPU that the process opens is lost with
/// its submission `N`, from 0.
fn submission_to_lose() -> u64 {
    static FIRST: AtomicBool = AtomicBool::new(true);
    match std::env::var("ATTRACTOR_LOSE_AT") {
        Ok(number) if FIRST.swap(false, Ordering::Relaxed) => number.parse().unwrap_or(u64::MAX),
        _ => u64::MAX,
    }
}

impl Context {
    /// Makes calls of wgpu, and gives what they give, or the first fault that came of them; nobody else hears of it.
    pub(super) fn guarded<T>(&self, what: &str, work: impl FnOnce() -> T) -> Result<T> {
        let earlier = self.faults.take();
        let done = work();
        let fault = self.faults.take();
        if let Some(earlier) = earlier {
            self.faults.untold.lock().insert(thread::current().id(), earlier);
        }
        match fault {
            None => Ok(done),
            Some(wgpu::Error::OutOfMemory { .. }) => {
                self.alive()?;
                Err(Error::OutOfMemory { what: what.to_owned(), needed: 0 })
            }
            Some(error) => Err(self.fault(what, &error)),
        }
    }

    /// Polls the device. wgpu panics where the driver says while it is polled that the device is lost; that is an error
    /// like any other here.
    pub(super) fn poll(&self, poll: PollType) -> Result<PollStatus, PollError> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.device.poll(poll)));
        polled.unwrap_or_else(|_| {
            self.faults.lose("the driver failed");
            Err(PollError::Timeout)
        })
    }

    /// Whether the device has been lost.
    pub fn is_lost(&self) -> bool {
        self.faults.reason().is_some()
    }

    /// Refuses a lost device.
    pub(super) fn alive(&self) -> Result<()> {
        self.held().map(drop)
    }

    /// The same. As long as what it gives is held, the device is not lost, as far as this process has a say.
    pub(super) fn held(&self) -> Result<RwLockReadGuard<'_, Option<String>>> {
        let reason = self.faults.reason();
        match &*reason {
            Some(reason) => {
                Err(Error::DeviceLost { adapter: self.name().to_owned(), reason: reason.clone() })
            }
            None => Ok(reason),
        }
    }

    /// What came of a call that was refused: the loss of the device where that is behind it.
    pub(super) fn fault(&self, what: &str, error: &dyn Display) -> Error {
        // Word of a loss may come with a poll.
        let _ = self.poll(PollType::Poll);
        self.alive().err().unwrap_or_else(|| self.refusal(what, error))
    }

    pub(super) fn refusal(&self, what: &str, error: &dyn Display) -> Error {
        Error::Gpu { what: what.to_owned(), message: error.to_string() }
    }

    /// Surfaces faults of this thread's calls that were reported since the last look, and the loss of the device.
    pub(super) fn check(&self, what: &str) -> Result<()> {
        self.alive()?;
        match self.faults.take() {
            Some(error) => Err(self.fault(what, &error)),
            None => Ok(()),
        }
    }

    // ---- provoked by tests ----------------------------------------------------------------

    /// Ends the device as a driver reset would, for tests of what follows.
    pub fn destroy(&self) {
        self.faults.lose("destroyed");
        self.device.destroy();
    }

    /// For tests: loses the device with the submission of this number, counted from the next one, 0.
    pub fn lose_at(&self, submission: u64) {
        let next = self.counts.submissions.load(Ordering::Relaxed);
        self.faults.losing.store(next + submission, Ordering::Relaxed);
    }

    /// For tests: lets allocations fail for lack of memory, those with these numbers, counted from the next one, 0. An
    /// allocation that fails is made once more when the memory that is kept for later has been let go; that counts too.
    pub fn fail_allocations(&self, numbers: Range<u64>) {
        let next = self.counts.allocations.load(Ordering::Relaxed);
        *self.faults.failing.lock() = next + numbers.start..next.saturating_add(numbers.end);
    }

    /// For tests: the longest wait for work that was sent; see [`Options::patience`](super::Options::patience).
    pub fn set_patience(&self, patience: Duration) {
        self.faults.patience.store(nanoseconds(patience), Ordering::Relaxed);
    }

    /// For tests: an error of which no call is told.
    pub fn provoke_error(&self) {
        // A buffer for nothing.
        let _ = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("provoked error"),
            size: 4,
            usage: wgpu::BufferUsages::empty(),
            mapped_at_creation: false,
        });
    }

    /// For tests: a buffer that wgpu refuses.
    ///
    /// # Errors
    /// [`Error::Gpu`], which names the thread that asks.
    pub fn provoke_refused_buffer(&self) -> Result<()> {
        let what = format!("provoked by {:?}", thread::current().id());
        self.create(&what, 4, wgpu::BufferUsages::empty()).map(drop)
    }

    /// For tests: records a command that lets the device refuse all that is recorded with it.
    ///
    /// # Errors
    /// As any allocation.
    pub fn provoke_refusal(&self) -> Result<()> {
        let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffer = self.create("provoked refusal", 16, usage)?;
        // Beyond its end.
        self.recorder.lock().copy(&self.device, (&buffer, 0), (&buffer, 12), 16);
        self.counts.buffers.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }
}
