//! Memory on a device: buffers from the pool, or made where it has none.

use super::{Buffer, Context, buffer::size_class, record::Recorder};
use crate::{Error, Result};
use std::sync::{Arc, atomic::Ordering};
use wgpu::{BufferDescriptor, BufferUsages, PollType};

/// Host writes that may be pending before they are flushed.
const PENDING_WRITES: u64 = 64 << 20;

impl Context {
    /// A storage buffer for results of kernels. Its content is not defined.
    pub(crate) fn storage(self: &Arc<Self>, what: &str, bytes: u64) -> Result<Buffer> {
        self.allocate(what, bytes, None)
    }

    /// A storage buffer that the host will write to: one that no recorded command still names, since
    /// such writes go ahead of the recording.
    pub(crate) fn storage_for_host(self: &Arc<Self>, what: &str, bytes: u64) -> Result<Buffer> {
        let epoch = self.recorder.lock().epoch_for_host();
        self.allocate(what, bytes, Some(epoch))
    }

    /// A storage buffer with this content.
    pub(crate) fn upload(self: &Arc<Self>, what: &str, bytes: &[u8]) -> Result<Buffer> {
        let buffer = self.storage_for_host(what, bytes.len() as u64)?;
        self.write(&buffer, 0, bytes)?;
        Ok(buffer)
    }

    fn allocate(self: &Arc<Self>, what: &str, bytes: u64, before: Option<u64>) -> Result<Buffer> {
        let limit = self.binding_limit();
        if bytes > limit {
            return Err(Error::TooLarge { what: what.to_owned(), needed: bytes, limit });
        }
        let class = size_class(bytes);
        if let Some(raw) = self.pool.lock().take(class, before) {
            return Ok(Buffer::new(raw, bytes, self));
        }
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let raw = match self.create(what, class, usage) {
            Err(Error::OutOfMemory { .. }) => {
                self.release();
                self.create(what, class, usage)?
            }
            made => made?,
        };
        Ok(Buffer::new(raw, bytes, self))
    }

    /// Asks the driver for a buffer.
    pub(super) fn create(&self, what: &str, bytes: u64, usage: BufferUsages) -> Result<wgpu::Buffer> {
        // For wgpu that is a wrong command, not a lack of memory.
        let limit = self.limits.max_buffer_size;
        if bytes > limit {
            return Err(Error::TooLarge { what: what.to_owned(), needed: bytes, limit });
        }
        let number = self.counts.allocations.fetch_add(1, Ordering::Relaxed);
        let out_of_memory = || Error::OutOfMemory { what: what.to_owned(), needed: bytes };
        if self.faults.fails(number) {
            return Err(out_of_memory());
        }
        let descriptor =
            BufferDescriptor { label: Some(what), size: bytes, usage, mapped_at_creation: false };
        let raw =
            self.guarded(what, || self.device.create_buffer(&descriptor)).map_err(|error| match error {
                Error::OutOfMemory { .. } => out_of_memory(),
                other => other,
            })?;
        self.counts.buffers.fetch_add(1, Ordering::Relaxed);
        Ok(raw)
    }

    /// Lets memory go that is kept for later use: free buffers of the pool, and the buffer for readbacks. Happens by
    /// itself where memory runs out.
    pub fn release(&self) {
        self.release_with(&mut self.recorder.lock());
    }

    pub(super) fn release_with(&self, recorder: &mut Recorder) {
        // Kept bind groups keep their buffers alive.
        recorder.forget_groups();
        let staging = self.staging.lock().take();
        let freed = self.pool.lock().clear() + u64::from(staging.is_some());
        self.counts.buffers.fetch_sub(freed, Ordering::Relaxed);
        drop(staging);
        // wgpu lets go of what no command needs any more.
        let _ = self.poll(PollType::Poll);
    }

    /// Writes from the host, ahead of everything that is recorded but not yet submitted: the target
    /// must not be read by that.
    pub(crate) fn write(&self, buffer: &Buffer, offset: u64, bytes: &[u8]) -> Result<()> {
        self.guarded("a write to the device", || self.queue.write_buffer(buffer.raw(), offset, bytes))?;
        let pending = self.recorder.lock().wrote(bytes.len() as u64);
        if pending > PENDING_WRITES {
            self.flush_writes()?;
        }
        self.check("a write to the device")
    }

    pub(super) fn recycle(&self, raw: wgpu::Buffer) {
        let epoch = self.recorder.lock().epoch();
        let class = raw.size();
        let evicted = self.pool.lock().put(raw, class, epoch);
        if evicted > 0 {
            self.recorder.lock().forget_groups();
            self.counts.buffers.fetch_sub(evicted, Ordering::Relaxed);
        }
    }
}
