//! Commands gathered into one submission.

use super::{
    Buffer, Context, MAX_TRIPS,
    pipeline::{PARAMETER_BYTES, Pipeline},
    recent::Recent,
};
use crate::{Error, Result};
use std::{collections::VecDeque, sync::atomic::Ordering};
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, BufferBinding, BufferSize, BufferUsages,
    CommandEncoder, CommandEncoderDescriptor, ComputePass, ComputePassDescriptor, Device, SubmissionIndex,
};

/// What a kernel is told, as its template's `struct Parameters` has it.
pub(crate) trait Parameters {
    /// The templates that declare this struct.
    fn templates(&self) -> &'static [&'static str];

    /// Up to 16 words, in the order of the members.
    fn words(&self) -> &[u32];
}

/// A kernel's start.
pub(crate) struct Dispatch<'a> {
    /// Name of the variant.
    pub(crate) kernel: &'a str,
    pub(crate) parameters: &'a dyn Parameters,
    /// Storage buffers in the order of their bindings.
    pub(crate) buffers: &'a [&'a Buffer],
    /// Workgroups; kernels number them linearly.
    pub(crate) groups: usize,
    /// Most loop trips of one invocation, all loops together.
    pub(crate) trips: usize,
    /// Floating-point operations, about.
    pub(crate) work: f64,
}

/// Most workgroups along one dimension of a dispatch.
const MAX_GROUPS: usize = 65_535;
/// Bytes of one arena of parameters.
const ARENA: u64 = 1 << 20;
/// What a write of the host counts for at least: 64 of them are a batch.
const LEAST_WRITE: u64 = 1 << 20;
/// Most storage buffers of a kernel.
const BINDINGS: usize = 8;

/// Workgroups along two dimensions, at least so many in all; `None` beyond one for each row of the largest binding, which is below 4 GiB.
/// (Kernels with an invocation for an element number those in 32 bits too: they have 64 elements of 16 bytes to a workgroup.)
fn dimensions(groups: usize) -> Option<[u32; 2]> {
    const MOST: usize = (1 << 32) / 16;
    let x = groups.clamp(1, MAX_GROUPS);
    (groups <= MOST).then(|| [x as u32, groups.div_ceil(x) as u32])
}

/// What a bind group is made of: pipeline, arena, and buffers with the bytes in use.
type GroupKey = (usize, usize, [Option<(wgpu::Buffer, u64)>; BINDINGS]);

/// The open recording.
pub(super) struct Recorder {
    // The pass ends when it is dropped; it goes before its encoder.
    pass: Option<ComputePass<'static>>,
    encoder: Option<CommandEncoder>,
    /// Parameters of the recorded kernels, uploaded at submission: one uniform buffer read at dynamic
    /// offsets, so that a dispatch needs no buffer of its own.
    parameters: Vec<u8>,
    arenas: Vec<wgpu::Buffer>,
    stride: u64,
    /// Whether parameters travel with the commands instead.
    immediates: bool,
    /// Bind groups of earlier dispatches: a steady state makes no new ones.
    groups: Recent<GroupKey, BindGroup>,
    dispatches: usize,
    work: f64,
    epoch: u64,
    /// Recordings that the driver refused, with its words: what they were to write is not there. Few if any.
    refused: Vec<(u64, String)>,
    pending_writes: u64,
    in_flight: VecDeque<SubmissionIndex>,
}

impl Recorder {
    pub(super) fn new(alignment: u32, immediates: bool) -> Self {
        Self {
            pass: None,
            encoder: None,
            parameters: Vec::new(),
            arenas: Vec::new(),
            stride: PARAMETER_BYTES.next_multiple_of(u64::from(alignment)),
            immediates,
            groups: Recent::new(),
            dispatches: 0,
            work: 0.0,
            epoch: 0,
            refused: Vec::new(),
            pending_writes: 0,
            in_flight: VecDeque::new(),
        }
    }

    /// Counts submissions, and times when there was nothing to submit.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The epoch before which a buffer must have been freed for the host to write to it. Where nothing is recorded that
    /// is now: a new epoch begins, so that what others free from here on does not count.
    pub(super) fn epoch_for_host(&mut self) -> u64 {
        self.epoch += u64::from(self.encoder.is_none());
        self.epoch
    }

    /// Dispatches recorded since the last submission.
    pub(super) fn dispatches(&self) -> usize {
        self.dispatches
    }

    /// Operations recorded since the last submission.
    pub(super) fn work(&self) -> f64 {
        self.work
    }

    /// Notes bytes written by the host; gives how many await the next submission. Each write has a buffer of its own
    /// until then, so that a small one counts for more than it is.
    pub(super) fn wrote(&mut self, bytes: u64) -> u64 {
        self.pending_writes += bytes.max(LEAST_WRITE);
        self.pending_writes
    }

    pub(super) fn flushed_writes(&mut self) {
        self.pending_writes = 0;
    }

    /// Notes that the recording sent last was refused.
    pub(super) fn refuse(&mut self, message: String) {
        self.refused.push((self.epoch, message));
    }

    /// Refuses a buffer that a refused recording was to write to: several threads share a recording, and only one of
    /// them sends it.
    pub(super) fn sound(&self, what: &str, buffer: &Buffer) -> Result<()> {
        match self.refused.iter().find(|(recording, _)| *recording == buffer.written()) {
            Some((_, message)) => Err(Error::Gpu { what: what.to_owned(), message: message.clone() }),
            None => Ok(()),
        }
    }

    fn encoder(&mut self, device: &Device) -> &mut CommandEncoder {
        self.encoder.get_or_insert_with(|| {
            device.create_command_encoder(&CommandEncoderDescriptor { label: Some("recording") })
        })
    }

    pub(super) fn dispatch(
        &mut self,
        context: &Context,
        pipeline: &Pipeline,
        dispatch: &Dispatch<'_>,
    ) -> Result<()> {
        if dispatch.trips > MAX_TRIPS {
            let message =
                format!("too large for one kernel: {} loop trips of at most {MAX_TRIPS}", dispatch.trips);
            return Err(Error::Gpu { what: dispatch.kernel.to_owned(), message });
        }
        if dispatch.groups == 0 {
            return Ok(());
        }
        let Some([x, y]) = dimensions(dispatch.groups) else {
            let message = format!("too large for one kernel: {} workgroups", dispatch.groups);
            return Err(Error::Gpu { what: dispatch.kernel.to_owned(), message });
        };
        dispatch.buffers.iter().try_for_each(|buffer| self.sound(dispatch.kernel, buffer))?;
        let templates = dispatch.parameters.templates();
        debug_assert!(
            templates.contains(&pipeline.template),
            "{}: parameters of {templates:?}",
            dispatch.kernel
        );
        let parameters = dispatch.parameters.words();
        let (arena, offset) = self.lay_out(context, parameters)?;
        let group = self.group(context, pipeline, dispatch, arena)?;
        if self.pass.is_none() {
            let descriptor = ComputePassDescriptor { label: Some("recording"), timestamp_writes: None };
            let encoder = self.encoder(&context.device);
            self.pass = Some(encoder.begin_compute_pass(&descriptor).forget_lifetime());
        }
        if let Some(pass) = self.pass.as_mut() {
            pass.set_pipeline(&pipeline.raw);
            if self.immediates {
                let mut words = [0_u32; PARAMETER_BYTES as usize / 4];
                words[..parameters.len()].copy_from_slice(parameters);
                pass.set_immediates(0, bytemuck::cast_slice(&words));
                pass.set_bind_group(0, &group, &[]);
            } else {
                pass.set_bind_group(0, &group, &[offset as u32]);
            }
            pass.dispatch_workgroups(x, y, 1);
        }
        let written = dispatch.buffers.iter().zip(&pipeline.writes).filter(|(_, written)| **written);
        written.for_each(|(buffer, _)| buffer.write_in(self.epoch + 1));
        self.work += dispatch.work;
        self.dispatches += 1;
        Ok(())
    }

    /// Puts parameters where the kernel will read them: number and offset of the arena.
    fn lay_out(&mut self, context: &Context, parameters: &[u32]) -> Result<(usize, u64)> {
        if self.immediates {
            return Ok((0, 0));
        }
        let at = self.parameters.len() as u64;
        let (arena, offset) = ((at / ARENA) as usize, at % ARENA);
        if arena == self.arenas.len() {
            let make = || context.create("parameters", ARENA, BufferUsages::UNIFORM | BufferUsages::COPY_DST);
            let made = match make() {
                Err(Error::OutOfMemory { .. }) => {
                    context.release_with(self);
                    make()?
                }
                made => made?,
            };
            self.arenas.push(made);
        }
        self.parameters.extend_from_slice(bytemuck::cast_slice(parameters));
        self.parameters.resize((at + self.stride) as usize, 0);
        Ok((arena, offset))
    }

    /// The bind group of a dispatch, made now or earlier.
    fn group(
        &mut self,
        context: &Context,
        pipeline: &Pipeline,
        dispatch: &Dispatch<'_>,
        arena: usize,
    ) -> Result<BindGroup> {
        if dispatch.buffers.len() > BINDINGS {
            let message = format!("{} buffers of at most {BINDINGS}", dispatch.buffers.len());
            return Err(Error::Gpu { what: dispatch.kernel.to_owned(), message });
        }
        let bytes = |b: &Buffer| b.bytes().next_multiple_of(16);
        let mut key: GroupKey = (std::ptr::from_ref(pipeline).addr(), arena, [const { None }; BINDINGS]);
        for (slot, buffer) in key.2.iter_mut().zip(dispatch.buffers) {
            *slot = Some((buffer.raw().clone(), bytes(buffer)));
        }
        if let Some(group) = self.groups.get(&key) {
            return Ok(group);
        }
        let whole = |buffer, bytes| {
            BindingResource::Buffer(BufferBinding { buffer, offset: 0, size: BufferSize::new(bytes) })
        };
        let mut entries = Vec::new();
        if !self.immediates {
            let resource = whole(&self.arenas[arena], PARAMETER_BYTES);
            entries.push(BindGroupEntry { binding: 0, resource });
        }
        entries.extend(
            dispatch
                .buffers
                .iter()
                .enumerate()
                .map(|(i, b)| BindGroupEntry { binding: i as u32 + 1, resource: whole(b.raw(), bytes(b)) }),
        );
        let descriptor =
            BindGroupDescriptor { label: Some(dispatch.kernel), layout: &pipeline.layout, entries: &entries };
        let group = context.guarded(dispatch.kernel, || context.device.create_bind_group(&descriptor))?;
        context.counts.bind_groups.fetch_add(1, Ordering::Relaxed);
        self.groups.insert(key, group.clone());
        Ok(group)
    }

    /// Lets kept bind groups go: they keep their buffers alive.
    pub(super) fn forget_groups(&mut self) {
        self.groups.clear();
    }

    /// Records a copy of some bytes from a place in one buffer to a place in another.
    pub(super) fn copy(
        &mut self,
        device: &Device,
        from: (&wgpu::Buffer, u64),
        to: (&wgpu::Buffer, u64),
        bytes: u64,
    ) {
        self.pass = None;
        self.encoder(device).copy_buffer_to_buffer(from.0, from.1, to.0, to.1, bytes);
    }

    /// Ends the recording; `None` where nothing was recorded.
    pub(super) fn finish(&mut self, context: &Context) -> Result<Option<CommandEncoder>> {
        self.pass = None;
        let Some(encoder) = self.encoder.take() else { return Ok(None) };
        let upload = || {
            for (arena, bytes) in self.arenas.iter().zip(self.parameters.chunks(ARENA as usize)) {
                // Runs after what was submitted before, and ahead of this submission.
                context.queue.write_buffer(arena, 0, bytes);
            }
        };
        let uploaded = context.guarded("parameters", upload);
        self.parameters.clear();
        self.dispatches = 0;
        self.work = 0.0;
        self.epoch += 1;
        self.pending_writes = 0;
        uploaded.map(|()| Some(encoder))
    }

    /// Notes a submission; gives the oldest one to wait for where too many are under way.
    pub(super) fn sent(&mut self, index: SubmissionIndex, most: usize) -> Option<SubmissionIndex> {
        self.in_flight.push_back(index);
        if self.in_flight.len() > most { self.in_flight.pop_front() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_go_over_to_a_second_dimension() {
        for groups in [1, 2, 65_534, 65_535, 65_536, 131_070, 131_071, 1 << 26, 1 << 28] {
            let [x, y] = dimensions(groups).unwrap_or_default().map(|v| v as usize);
            assert!(x * y >= groups && x * y < groups + MAX_GROUPS, "{groups}: {x} x {y}");
            assert!(x <= MAX_GROUPS && y <= MAX_GROUPS && u32::try_from(x * y).is_ok(), "{groups}");
        }
        for groups in [(1 << 28) + 1, 1 << 31, (1 << 32) + 1, usize::MAX] {
            assert_eq!(dimensions(groups), None, "{groups}");
        }
    }
}
