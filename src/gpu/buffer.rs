//! Storage buffers that go back to a pool when they are dropped.

use super::Context;
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

/// A storage buffer on a GPU.
pub(crate) struct Buffer {
    raw: wgpu::Buffer,
    /// Bytes in use; the buffer itself may be larger.
    bytes: u64,
    home: Weak<Context>,
}

impl Buffer {
    pub(super) fn new(raw: wgpu::Buffer, bytes: u64, home: &Arc<Context>) -> Self {
        Self { raw, bytes, home: Arc::downgrade(home) }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn raw(&self) -> &wgpu::Buffer {
        &self.raw
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

/// Most bytes that lie free; beyond it buffers are destroyed.
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
        self.bytes -= class;
        Some(free.swap_remove(at).0)
    }

    /// Takes a buffer back; false where the pool is full and the buffer is let go. Commands in flight
    /// keep its memory until they are done.
    pub(super) fn put(&mut self, buffer: wgpu::Buffer, epoch: u64) -> bool {
        let class = buffer.size();
        if self.bytes + class > KEEP {
            return false;
        }
        self.bytes += class;
        self.free.entry(class).or_default().push((buffer, epoch));
        true
    }
}
