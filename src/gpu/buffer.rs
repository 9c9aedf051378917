//! Storage buffers that go back to a pool when they are dropped.

use super::Context;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

/// A storage buffer on a GPU.
pub(crate) struct Buffer {
    raw: wgpu::Buffer,
    /// Bytes in use; the buffer itself may be larger.
    bytes: u64,
    /// One more than the epoch of the recording that writes to it last; 0 for none.
    writer: AtomicU64,
    home: Weak<Context>,
}

impl Buffer {
    pub(super) fn new(raw: wgpu::Buffer, bytes: u64, home: &Arc<Context>) -> Self {
        Self { raw, bytes, writer: AtomicU64::new(0), home: Arc::downgrade(home) }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn raw(&self) -> &wgpu::Buffer {
        &self.raw
    }

    /// Notes that the recording of this epoch writes to it.
    pub(super) fn written_by(&self, epoch: u64) {
        self.writer.store(epoch + 1, Ordering::Relaxed);
    }

    /// Epoch of the recording that writes to it last.
    pub(super) fn writer(&self) -> Option<u64> {
        self.writer.load(Ordering::Relaxed).checked_sub(1)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        match self.home.upgrade() {
            Some(context) => context.recycle(self.raw.clone()),
            None => self.raw.destroy(),
        }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} bytes)", self.bytes)
    }
}

/// Free buffers by size. A buffer dropped while recorded commands still name it may serve later
/// commands of the same recording, which run after them; but a write from the host goes ahead of the
/// recording, so it must only take buffers that no unsubmitted command names: `epoch` counts
/// submissions and tells.
#[derive(Default)]
pub(super) struct Pool {
    free: BTreeMap<u64, Vec<(wgpu::Buffer, u64)>>,
    bytes: u64,
}

/// Most bytes that lie free; beyond it buffers are let go.
const KEEP: u64 = 256 << 20;

/// The size class of a request: the next step of an eighth of a power of two, so that at most an
/// eighth is wasted, and few classes occur. Large buffers are made to measure.
pub(super) fn size_class(bytes: u64) -> u64 {
    let bytes = bytes.max(16);
    let step = if bytes > 16 << 20 { 256 } else { (bytes.next_power_of_two() / 16).max(256) };
    bytes.next_multiple_of(step)
}

impl Pool {
    /// A free buffer of this class; `before` asks for one that no recording since that epoch names.
    pub(super) fn take(&mut self, class: u64, before: Option<u64>) -> Option<wgpu::Buffer> {
        let free = self.free.get_mut(&class)?;
        let at = free.iter().rposition(|(_, epoch)| before.is_none_or(|b| *epoch < b))?;
        let buffer = free.swap_remove(at).0;
        if free.is_empty() {
            self.free.remove(&class);
        }
        self.bytes -= class;
        Some(buffer)
    }

    /// Takes a buffer back; gives how many were let go to make room. Commands in flight keep the memory
    /// of those until they are done.
    pub(super) fn put(&mut self, buffer: wgpu::Buffer, epoch: u64) -> u64 {
        let class = buffer.size();
        if class > KEEP {
            return 1;
        }
        let mut evicted = 0;
        while self.bytes + class > KEEP {
            // The largest go first: few of them make room for many others.
            let Some(mut entry) = self.free.last_entry() else { break };
            if entry.get_mut().pop().is_some() {
                self.bytes -= *entry.key();
                evicted += 1;
            }
            if entry.get().is_empty() {
                entry.remove();
            }
        }
        self.bytes += class;
        self.free.entry(class).or_default().push((buffer, epoch));
        evicted
    }

    /// Bytes that lie free.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Lets all free buffers go; gives how many there were.
    pub(super) fn clear(&mut self) -> u64 {
        self.bytes = 0;
        std::mem::take(&mut self.free).values().map(|list| list.len() as u64).sum()
    }
}
