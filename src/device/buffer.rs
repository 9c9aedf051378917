//! Storage buffers that go back to a pool when they are dropped.

use super::Context;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// A storage buffer on a GPU.
pub(crate) struct Buffer {
    raw: wgpu::Buffer,
    /// Bytes in use; the buffer itself may be larger.
    bytes: u64,
    /// The recording that wrote to it last, from 1; 0 where none has. Changes under the recorder's lock.
    written: AtomicU64,
    home: Weak<Context>,
}

impl Buffer {
    pub(super) fn new(raw: wgpu::Buffer, bytes: u64, home: &Arc<Context>) -> Self {
        Self { raw, bytes, written: AtomicU64::new(0), home: Arc::downgrade(home) }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn raw(&self) -> &wgpu::Buffer {
        &self.raw
    }

    /// The recording that wrote to it last.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    pub(super) fn write_in(&self, recording: u64) {
        self.written.store(recording, Relaxed);
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
///
/// Of those that will do, the first in the buffers' own order is taken. What a step of an iteration gets then hangs on
/// what is in use when it begins, not on the order in which that became free: after a step or two the same buffers come
/// round, and with them the bind groups that were made before.
pub(super) struct Pool<B = wgpu::Buffer> {
    /// By size, each with the epoch when it became free.
    free: BTreeMap<u64, BTreeMap<B, u64>>,
    bytes: u64,
}

impl<B> Default for Pool<B> {
    fn default() -> Self {
        Self { free: BTreeMap::new(), bytes: 0 }
    }
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

impl<B: Ord + Clone> Pool<B> {
    /// A free buffer of this class; `before` asks for one that no recording since that epoch names.
    pub(super) fn take(&mut self, class: u64, before: Option<u64>) -> Option<B> {
        let free = self.free.get_mut(&class)?;
        let (buffer, _) = free.iter().find(|(_, epoch)| before.is_none_or(|b| **epoch < b))?;
        let buffer = buffer.clone();
        free.remove(&buffer);
        if free.is_empty() {
            self.free.remove(&class);
        }
        self.bytes -= class;
        Some(buffer)
    }

    /// Takes a buffer of this class back; gives how many were let go to make room. Commands in flight keep the memory
    /// of those until they are done.
    pub(super) fn put(&mut self, buffer: B, class: u64, epoch: u64) -> u64 {
        if class > KEEP {
            return 1;
        }
        let mut evicted = 0;
        while self.bytes + class > KEEP {
            // The largest go first: few of them make room for many others.
            let Some(mut entry) = self.free.last_entry() else { break };
            if entry.get_mut().pop_last().is_some() {
                self.bytes -= *entry.key();
                evicted += 1;
            }
            if entry.get().is_empty() {
                entry.remove();
            }
        }
        self.bytes += class;
        self.free.entry(class).or_default().insert(buffer, epoch);
        evicted
    }

    /// Bytes that lie free.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Lets all free buffers go; gives how many there were.
    pub(super) fn clear(&mut self) -> u64 {
        self.bytes = 0;
        std::mem::take(&mut self.free).values().map(|free| free.len() as u64).sum()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails should say where")]
mod tests {
    use super::*;

    /// What a thread does, in the steps between which others may run: locks are held for one of them each.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Step {
        /// Asks for a buffer that the host will write to: reads the epoch.
        AskForHost,
        /// Gets it from the pool, or a new one.
        TakeForHost,
        /// Gets one for a kernel's results.
        TakeForKernel,
        HostWrites,
        /// Records a kernel that reads its buffer.
        RecordsReading,
        /// Drops it: reads the epoch.
        Drops,
        /// Puts it into the pool.
        Puts,
        /// Sends what all threads have recorded.
        Submits,
    }
    use Step::*;

    /// The pool, and what matters of everything else: which buffers the recording names.
    #[derive(Default)]
    struct World {
        pool: Pool<u32>,
        made: u32,
        epoch: u64,
        recorded: Vec<u32>,
    }

    /// A thread's own variables.
    #[derive(Clone, Copy, Default)]
    struct Own {
        epoch: u64,
        buffer: u32,
    }

    impl World {
        fn step(&mut self, step: Step, own: &mut Own) -> Result<(), String> {
            match step {
                AskForHost => {
                    self.epoch += u64::from(self.recorded.is_empty());
                    own.epoch = self.epoch;
                }
                Drops => own.epoch = self.epoch,
                TakeForHost | TakeForKernel => {
                    let before = (step == TakeForHost).then_some(own.epoch);
                    own.buffer = self.pool.take(256, before).unwrap_or_else(|| {
                        self.made += 1;
                        self.made
                    });
                }
                HostWrites if self.recorded.contains(&own.buffer) => {
                    return Err(format!(
                        "the host writes to buffer {} ahead of a recorded reader",
                        own.buffer
                    ));
                }
                HostWrites => {}
                RecordsReading => self.recorded.push(own.buffer),
                Puts => drop(self.pool.put(own.buffer, 256, own.epoch)),
                Submits => {
                    self.epoch += 1;
                    self.recorded.clear();
                }
            }
            Ok(())
        }
    }

    /// Runs threads in every order that there is; gives how many, and how many buffers the thriftiest made.
    fn in_every_order(threads: &[&[Step]]) -> Result<(u64, u32), String> {
        fn go(
            threads: &[&[Step]],
            order: &mut Vec<usize>,
            at: &mut [usize],
            seen: &mut (u64, u32),
        ) -> Result<(), String> {
            if at.iter().zip(threads).all(|(at, steps)| *at == steps.len()) {
                // From the start: the world is small, and cannot be taken back.
                let (mut world, mut own) = (World::default(), vec![Own::default(); threads.len()]);
                let mut next = vec![0; threads.len()];
                for &thread in order.iter() {
                    world
                        .step(threads[thread][next[thread]], &mut own[thread])
                        .map_err(|e| format!("{e}: {order:?}"))?;
                    next[thread] += 1;
                }
                *seen = (seen.0 + 1, seen.1.min(world.made));
                return Ok(());
            }
            for thread in 0..threads.len() {
                if at[thread] < threads[thread].len() {
                    at[thread] += 1;
                    order.push(thread);
                    go(threads, order, at, seen)?;
                    order.pop();
                    at[thread] -= 1;
                }
            }
            Ok(())
        }
        let mut seen = (0, u32::MAX);
        go(threads, &mut Vec::new(), &mut vec![0; threads.len()], &mut seen)?;
        Ok(seen)
    }

    #[test]
    fn in_no_order_does_the_host_write_ahead_of_a_reader() {
        let host = [AskForHost, TakeForHost, HostWrites, RecordsReading, Drops, Puts];
        let kernel = [TakeForKernel, RecordsReading, Drops, Puts];
        let (orders, fewest) = in_every_order(&[&host, &host, &[Submits, Submits]]).unwrap();
        // 14! / (6! 6! 2!), and a buffer that is free is used again.
        assert_eq!((orders, fewest), (84_084, 1));
        let (orders, fewest) = in_every_order(&[&host, &kernel, &[Submits]]).unwrap();
        assert_eq!((orders, fewest), (2310, 1));
        let twice: Vec<Step> = host.iter().chain(&host).copied().collect();
        assert_eq!(in_every_order(&[&twice, &[Submits]]).unwrap(), (13, 1));
        // Nothing is ever recorded or sent: the host's own buffers are free again nevertheless.
        let unread = [AskForHost, TakeForHost, HostWrites, Drops, Puts].repeat(3);
        assert_eq!(in_every_order(&[&unread]).unwrap(), (1, 1));
    }

    #[test]
    fn a_write_to_a_buffer_for_results_would_be_seen() {
        // What the rule is against: a buffer of the pool that is taken whatever names it.
        let careless = [TakeForKernel, HostWrites, RecordsReading, Drops, Puts];
        assert!(in_every_order(&[&careless, &careless]).unwrap_err().contains("ahead of a recorded reader"));
    }
}
