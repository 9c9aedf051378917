//! Kernels on their way: compiled, recorded, sent, waited for, read back.

use super::{
    Buffer, Context,
    buffer::size_class,
    pipeline::Pipeline,
    record::{Dispatch, Recorder},
};
use crate::{Error, Result};
use parking_lot::MutexGuard;
use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{self, RecvTimeoutError},
    },
};
use wgpu::{BufferUsages, MapMode, PollError, PollType, SubmissionIndex};

/// Submissions that may be under way before the host waits for the oldest.
const IN_FLIGHT: usize = 3;
/// Dispatches of one submission: bounds the memory of a recording of very many steps.
const MOST_DISPATCHES: usize = 4096;

/// Cuts sizes into runs that are together no more than `most`; one that is larger is a run of its own.
fn rounds(sizes: &[u64], most: u64) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (i, size) in sizes.iter().enumerate() {
        if i > start && sum + size > most {
            all.push(start..i);
            (start, sum) = (i, 0);
        }
        sum += size;
    }
    if start < sizes.len() {
        all.push(start..sizes.len());
    }
    all
}

impl Context {
    fn pipeline(&self, name: &str) -> Result<Arc<Pipeline>> {
        if let Some(pipeline) = self.pipelines.lock().get(name) {
            return Ok(Arc::clone(pipeline));
        }
        let make =
            || Pipeline::new(&self.device, name, self.options.checked, self.extras, self.workgroup_memory());
        let pipeline = Arc::new(self.guarded(&format!("kernel {name}"), make)??);
        self.counts.pipelines.fetch_add(1, Ordering::Relaxed);
        tracing::debug!("compiled the kernel {name}");
        Ok(Arc::clone(self.pipelines.lock().entry(name.to_owned()).or_insert(pipeline)))
    }

    /// Records a kernel's start. Kernels run in the order of their recording.
    pub(crate) fn dispatch(&self, dispatch: &Dispatch<'_>) -> Result<()> {
        let pipeline = self.pipeline(dispatch.kernel)?;
        let mut recorder = self.recorder.lock();
        recorder.dispatch(self, &pipeline, dispatch)?;
        self.counts.dispatches.fetch_add(1, Ordering::Relaxed);
        // A software adapter has no watchdog, and no one looks at its screen meanwhile.
        let budget = if self.is_software() { 200e9 } else { 50e9 };
        if recorder.work() > budget || recorder.dispatches() >= MOST_DISPATCHES {
            self.submit(recorder)?;
        }
        Ok(())
    }

    /// Records a copy of some bytes from a place in one buffer to a place in another.
    pub(crate) fn copy(&self, from: (&Buffer, u64), to: (&Buffer, u64), bytes: u64) -> Result<()> {
        let mut recorder = self.recorder.lock();
        recorder.sound("a copy", from.0)?;
        recorder.copy(&self.device, (from.0.raw(), from.1), (to.0.raw(), to.1), bytes);
        to.0.write_in(recorder.epoch() + 1);
        Ok(())
    }

    /// Sends what is recorded. Waits only where much is under way already.
    pub(crate) fn flush(&self) -> Result<()> {
        self.submit(self.recorder.lock()).map(drop)
    }

    /// Sends what is recorded and waits for its end.
    pub(crate) fn finish(&self) -> Result<()> {
        match self.submit(self.recorder.lock())? {
            Some(index) => self.wait("recorded work", index),
            None => Ok(()),
        }
    }

    /// Sends what is recorded.
    fn submit(&self, mut recorder: MutexGuard<'_, Recorder>) -> Result<Option<SubmissionIndex>> {
        let number = self.counts.submissions.load(Ordering::Relaxed);
        if self.faults.loses(number) {
            self.destroy();
        }
        let sent = match recorder.finish(self) {
            Ok(None) => return Ok(None),
            Ok(Some(encoder)) => self.guarded("a submission", || self.queue.submit([encoder.finish()])),
            Err(error) => Err(error),
        };
        self.counts.submissions.fetch_add(1, Ordering::Relaxed);
        let refuse = |error: &Error| {
            // Other threads' commands went with it. Of a lost device nothing is read anyway.
            if !matches!(error, Error::DeviceLost { .. }) {
                recorder.refuse(error.to_string());
            }
        };
        let index = sent.inspect_err(refuse)?;
        let oldest = recorder.sent(index.clone(), IN_FLIGHT);
        drop(recorder);
        if let Some(oldest) = oldest {
            self.wait("earlier work", oldest)?;
        } else {
            let _ = self.poll(PollType::Poll);
        }
        self.check("a submission")?;
        Ok(Some(index))
    }

    /// Sends what the host has written, ahead of what is recorded, and waits where much is under way already: writes
    /// hold memory until the device has taken them.
    pub(super) fn flush_writes(&self) -> Result<()> {
        let mut recorder = self.recorder.lock();
        let index = self.guarded("writes to the device", || self.queue.submit(None))?;
        self.counts.submissions.fetch_add(1, Ordering::Relaxed);
        recorder.flushed_writes();
        let oldest = recorder.sent(index, IN_FLIGHT);
        drop(recorder);
        match oldest {
            Some(oldest) => self.wait("earlier writes", oldest),
            None => self.poll(PollType::Poll).map(drop).or(Ok(())),
        }
    }

    fn wait(&self, what: &'static str, index: SubmissionIndex) -> Result<()> {
        let patience = self.faults.patience();
        match self.poll(PollType::Wait { submission_index: Some(index), timeout: Some(patience) }) {
            Ok(_) => Ok(()),
            Err(PollError::Timeout) => {
                // A lost device is never done.
                self.alive()?;
                Err(Error::Timeout { what, seconds: patience.as_secs_f64() })
            }
            Err(error) => Err(self.fault(what, &error)),
        }
    }

    /// Brings buffers to the host: one submission with everything recorded, one wait. What is more than a buffer
    /// may hold comes in several rounds.
    pub(crate) fn read(self: &Arc<Self>, buffers: &[&Buffer]) -> Result<Vec<Vec<u8>>> {
        let bytes: Vec<u64> = buffers.iter().map(|b| b.bytes().next_multiple_of(4)).collect();
        let mut out = Vec::with_capacity(buffers.len());
        for round in rounds(&bytes, self.limits.max_buffer_size / 256 * 256) {
            out.extend(self.read_round(&buffers[round.clone()], bytes[round].iter().sum())?);
        }
        Ok(out)
    }

    fn read_round(&self, buffers: &[&Buffer], total: u64) -> Result<Vec<Vec<u8>>> {
        if total == 0 {
            return Ok(vec![Vec::new(); buffers.len()]);
        }
        let staging = self.staging(total)?;
        let result = self.read_through(&staging, total, buffers);
        if result.is_ok() {
            staging.unmap();
            let before = self.staging.lock().replace(staging);
            self.counts.buffers.fetch_sub(u64::from(before.is_some()), Ordering::Relaxed);
        } else {
            // It may still be written to, or about to be mapped: wgpu keeps its memory until that is over.
            staging.destroy();
            self.counts.buffers.fetch_sub(1, Ordering::Relaxed);
        }
        result
    }

    /// A buffer to read back through: that of last time where it is large enough.
    fn staging(&self, bytes: u64) -> Result<wgpu::Buffer> {
        match self.staging.lock().take() {
            Some(kept) if kept.size() >= bytes && kept.size() <= 16 * bytes.max(1 << 16) => return Ok(kept),
            Some(_) => drop(self.counts.buffers.fetch_sub(1, Ordering::Relaxed)),
            None => {}
        }
        let make =
            || self.create("readback", size_class(bytes), BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        match make() {
            Err(Error::OutOfMemory { .. }) => {
                self.release();
                make()
            }
            made => made,
        }
    }

    fn read_through(&self, staging: &wgpu::Buffer, total: u64, buffers: &[&Buffer]) -> Result<Vec<Vec<u8>>> {
        const WHAT: &str = "a readback";
        let mut recorder = self.recorder.lock();
        buffers.iter().try_for_each(|buffer| recorder.sound(WHAT, buffer))?;
        let mut offset = 0;
        for buffer in buffers {
            let bytes = buffer.bytes().next_multiple_of(4);
            recorder.copy(&self.device, (buffer.raw(), 0), (staging, offset), bytes);
            offset += bytes;
        }
        let index = self.submit(recorder)?;
        // A device that has become invalid takes no map: where it takes this one, it took all that was sent before.
        let (tell, told) = mpsc::channel();
        staging.map_async(MapMode::Read, 0..total, move |result| drop(tell.send(result)));
        if let Some(index) = index {
            self.wait(WHAT, index)?;
        }
        self.counts.readbacks.fetch_add(1, Ordering::Relaxed);
        self.check(WHAT)?;
        // Another thread's poll may have picked the callback up and be about to call it.
        let patience = self.faults.patience();
        match told.recv_timeout(patience) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.fault(WHAT, &error)),
            Err(RecvTimeoutError::Timeout) => {
                return Err(Error::Timeout { what: WHAT, seconds: patience.as_secs_f64() });
            }
            Err(error) => return Err(self.fault(WHAT, &error)),
        }
        // A lost device lets the memory under the view go: not as long as this is held.
        let _held = self.held()?;
        let view = staging.get_mapped_range(0..total).map_err(|error| self.refusal(WHAT, &error))?;
        let mut out = Vec::with_capacity(buffers.len());
        let mut offset = 0;
        for buffer in buffers {
            out.push(view[offset..offset + buffer.bytes() as usize].to_vec());
            offset += buffer.bytes().next_multiple_of(4) as usize;
        }
        Ok(out)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;
    use crate::device::{Options, sharing::open};

    #[test]
    fn a_kernel_that_wants_too_much_memory_is_refused() {
        let Some(context) = open(Options { least: true, ..Options::default() }) else { return };
        assert!(context.pipeline("matmul.nn.medium").is_ok());
        let error = context.pipeline("matmul.nn.large").err().unwrap();
        let message = "kernel matmul.nn.large: it wants 16896 bytes of workgroup memory, the limit of this device is 16384";
        assert!(error.to_string().ends_with(message), "{error}");
        assert_eq!(context.compiled(), ["matmul.nn.medium"]);
    }

    #[test]
    fn rounds_hold_no_more_than_a_buffer() {
        assert!(rounds(&[], 8).is_empty());
        assert_eq!(rounds(&[4, 4, 4], 8), [0..2, 2..3]);
        assert_eq!(rounds(&[4, 0, 4, 1], 8), [0..3, 3..4]);
        assert_eq!(rounds(&[9, 1, 7, 1], 8), [0..1, 1..3, 3..4]);
    }
}
