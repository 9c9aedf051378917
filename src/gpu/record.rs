//! Commands gathered into one submission.

use super::{
    Buffer, MAX_TRIPS,
    pipeline::{PARAMETER_BYTES, Pipeline},
};
use crate::{Error, Result};
use std::collections::VecDeque;
use wgpu::{
    BindGroupDescriptor, BindGroupEntry, BindingResource, BufferBinding, BufferDescriptor, BufferSize,
    BufferUsages, CommandBuffer, CommandEncoder, CommandEncoderDescriptor, ComputePass,
    ComputePassDescriptor, Device, Queue, SubmissionIndex,
};

/// A kernel's start.
pub(crate) struct Dispatch<'a> {
    /// Name of the variant.
    pub(crate) kernel: &'static str,
    /// Up to 16 words, in the order of the kernel's `Parameters`.
    pub(crate) parameters: &'a [u32],
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
    work: f64,
    epoch: u64,
    pending_writes: u64,
    in_flight: VecDeque<SubmissionIndex>,
}

impl Recorder {
    pub(super) fn new(alignment: u32) -> Self {
        Self {
            pass: None,
            encoder: None,
            parameters: Vec::new(),
            arenas: Vec::new(),
            stride: PARAMETER_BYTES.next_multiple_of(u64::from(alignment)),
            work: 0.0,
            epoch: 0,
            pending_writes: 0,
            in_flight: VecDeque::new(),
        }
    }

    /// Counts submissions.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Dispatches recorded since the last submission.
    pub(super) fn dispatches(&self) -> usize {
        self.parameters.len() / self.stride as usize
    }

    /// Operations recorded since the last submission.
    pub(super) fn work(&self) -> f64 {
        self.work
    }

    /// Notes bytes written by the host; gives how many await the next submission.
    pub(super) fn wrote(&mut self, bytes: u64) -> u64 {
        self.pending_writes += bytes;
        self.pending_writes
    }

    pub(super) fn flushed_writes(&mut self) {
        self.pending_writes = 0;
    }

    fn encoder(&mut self, device: &Device) -> &mut CommandEncoder {
        self.encoder.get_or_insert_with(|| {
            device.create_command_encoder(&CommandEncoderDescriptor { label: Some("recording") })
        })
    }

    pub(super) fn dispatch(
        &mut self,
        device: &Device,
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
        let at = self.parameters.len() as u64;
        let (arena, offset) = ((at / ARENA) as usize, at % ARENA);
        if arena == self.arenas.len() {
            self.arenas.push(device.create_buffer(&BufferDescriptor {
                label: Some("parameters"),
                size: ARENA,
                usage: BufferUsages::UNIFORM | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            }));
        }
        self.parameters.extend_from_slice(bytemuck::cast_slice(dispatch.parameters));
        self.parameters.resize((at + self.stride) as usize, 0);
        let whole = |buffer, bytes| {
            BindingResource::Buffer(BufferBinding { buffer, offset: 0, size: BufferSize::new(bytes) })
        };
        let mut entries =
            vec![BindGroupEntry { binding: 0, resource: whole(&self.arenas[arena], PARAMETER_BYTES) }];
        entries.extend(dispatch.buffers.iter().enumerate().map(|(i, b)| BindGroupEntry {
            binding: i as u32 + 1,
            resource: whole(b.raw(), b.bytes().next_multiple_of(16)),
        }));
        let group = device.create_bind_group(&BindGroupDescriptor {
            label: Some(dispatch.kernel),
            layout: &pipeline.layout,
            entries: &entries,
        });
        if self.pass.is_none() {
            let descriptor = ComputePassDescriptor { label: Some("recording"), timestamp_writes: None };
            self.pass = Some(self.encoder(device).begin_compute_pass(&descriptor).forget_lifetime());
        }
        if let Some(pass) = self.pass.as_mut() {
            pass.set_pipeline(&pipeline.raw);
            pass.set_bind_group(0, &group, &[offset as u32]);
            let x = dispatch.groups.min(MAX_GROUPS);
            pass.dispatch_workgroups(x as u32, dispatch.groups.div_ceil(x) as u32, 1);
        }
        self.work += dispatch.work;
        Ok(())
    }

    /// Records a copy of the first `bytes` of a buffer.
    pub(super) fn copy(
        &mut self,
        device: &Device,
        from: &wgpu::Buffer,
        to: &wgpu::Buffer,
        offset: u64,
        bytes: u64,
    ) {
        self.pass = None;
        self.encoder(device).copy_buffer_to_buffer(from, 0, to, offset, bytes);
    }

    /// Ends the recording; `None` where nothing was recorded.
    pub(super) fn finish(&mut self, queue: &Queue) -> Option<CommandBuffer> {
        self.pass = None;
        let encoder = self.encoder.take()?;
        for (arena, bytes) in self.arenas.iter().zip(self.parameters.chunks(ARENA as usize)) {
            // Runs after what was submitted before, and ahead of this submission.
            queue.write_buffer(arena, 0, bytes);
        }
        self.parameters.clear();
        self.work = 0.0;
        self.epoch += 1;
        self.pending_writes = 0;
        Some(encoder.finish())
    }

    /// Notes a submission; gives the oldest one to wait for where too many are under way.
    pub(super) fn sent(&mut self, index: SubmissionIndex, most: usize) -> Option<SubmissionIndex> {
        self.in_flight.push_back(index);
        if self.in_flight.len() > most { self.in_flight.pop_front() } else { None }
    }
}
