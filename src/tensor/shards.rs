//! Rows that outgrow one buffer, and that grow: the store of a memory's patterns.

use crate::{
    Device, Error, Precision, Result, Rows, SharedRows, device,
    simd::{stored::Stored, widen::widen},
};
use half::f16;
use std::{ops::Range, sync::Arc};

/// A growing matrix `[n, d]`, cut into shards of whole rows that each fit a binding of the device.
/// Each appended batch that does not fit the last shard's spare room starts a new one; their sizes
/// grow with the whole, so there are few.
pub(crate) struct Shards {
    device: Device,
    columns: usize,
    rows: usize,
    precision: Precision,
    /// The rows where the device is the CPU; else those that a GPU has no room for, which come after those that
    /// it has.
    cpu: Vec<CpuBlock>,
    gpu: Vec<GpuShard>,
    /// Bytes that the rows may take on a GPU.
    budget: u64,
    /// Most rows of one shard.
    limit: usize,
}

enum CpuBlock {
    F32(Vec<f32>),
    F16(Vec<f16>),
    /// From this value on.
    Shared(SharedRows, usize),
}

/// Whole rows on the CPU.
#[derive(Clone, Copy)]
pub(crate) struct CpuShard<'a> {
    data: CpuData<'a>,
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    /// Number of the first row in the whole.
    pub(crate) first: usize,
}

#[derive(Clone, Copy)]
enum CpuData<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
}

impl<'a> CpuShard<'a> {
    /// A whole matrix as one shard.
    pub(crate) fn new(data: &'a [f32], columns: usize) -> Self {
        Self {
            data: CpuData::F32(data),
            columns,
            rows: data.len().checked_div(columns).unwrap_or(0),
            first: 0,
        }
    }

    /// Whether rows are kept as f16.
    pub(crate) fn is_half(&self) -> bool {
        matches!(self.data, CpuData::F16(_))
    }

    /// Rows of the shard where they are kept as f32, else `widened`.
    pub(crate) fn borrowed<'s>(&self, rows: Range<usize>, widened: &'s [f32]) -> &'s [f32]
    where
        'a: 's,
    {
        match self.data {
            CpuData::F32(v) => &v[rows.start * self.columns..rows.end * self.columns],
            CpuData::F16(_) => widened,
        }
    }

    /// Rows of the shard as they are kept, where vectors can be filled from that.
    pub(crate) fn stored(&self, rows: Range<usize>) -> Option<Stored<'a>> {
        let range = rows.start * self.columns..rows.end * self.columns;
        match self.data {
            CpuData::F32(v) => Some(Stored::Single(&v[range])),
            CpuData::F16(v) => Stored::half(&v[range]),
        }
    }

    /// Writes rows of the shard as f32.
    pub(crate) fn widen(&self, rows: Range<usize>, out: &mut [f32]) {
        let range = rows.start * self.columns..rows.end * self.columns;
        match self.data {
            CpuData::F32(v) => out.copy_from_slice(&v[range]),
            CpuData::F16(v) => widen(&v[range], out),
        }
    }

    /// Rows of the shard as f32: borrowed, or widened into `scratch`.
    pub(crate) fn values<'s>(&self, rows: Range<usize>, scratch: &'s mut Vec<f32>) -> &'s [f32]
    where
        'a: 's,
    {
        if self.is_half() {
            scratch.resize(rows.len() * self.columns, 0.0);
            self.widen(rows.clone(), scratch);
        }
        self.borrowed(rows, scratch)
    }
}

/// Whole rows in one GPU buffer.
pub(crate) struct GpuShard {
    pub(crate) buffer: device::Buffer,
    pub(crate) rows: usize,
    /// Rows that the buffer has room for.
    capacity: usize,
    /// Number of the first row in the whole.
    pub(crate) first: usize,
}

impl GpuShard {
    /// Rows that the buffer has room for.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }
}

/// Rows per upload: bounds the staging memory to about 16 MiB.
const UPLOAD_BYTES: usize = 16 << 20;

impl Shards {
    /// An empty store of rows of `columns` values.
    pub(crate) fn new(device: &Device, columns: usize, precision: Precision) -> Result<Self> {
        let limit = match device {
            Device::Cpu => usize::MAX,
            Device::Gpu(context) => {
                let row_bytes = Self::row_bytes(columns, precision) as u64;
                let longest = Self::row_bytes(device::MAX_COLUMNS, precision) as u64;
                let limit = context.binding_limit().min(longest);
                if row_bytes > limit {
                    return Err(Error::TooLarge {
                        what: format!("one row of {columns} columns"),
                        needed: row_bytes,
                        limit,
                    });
                }
                (context.binding_limit() / row_bytes) as usize
            }
        };
        Ok(Self {
            device: device.clone(),
            columns,
            rows: 0,
            precision,
            cpu: Vec::new(),
            gpu: Vec::new(),
            budget: u64::MAX,
            limit,
        })
    }

    /// An empty store with the settings of this one.
    pub(crate) fn emptied(&self) -> Result<Self> {
        let Self { budget, limit, .. } = *self;
        Ok(Self { budget, limit, ..Self::new(&self.device, self.columns, self.precision)? })
    }

    /// Bytes of one row on a GPU, where rows are padded to whole vectors.
    fn row_bytes(columns: usize, precision: Precision) -> usize {
        device::row_columns(columns, precision) * if precision == Precision::F16 { 2 } else { 4 }
    }

    /// Lets rows stay on the host where a GPU has no room for them, or where they would take more than
    /// `budget` bytes of its memory, of which a half is for rows on their way.
    pub(crate) fn may_overflow(&mut self, budget: u64) {
        self.budget = budget.min(1 << 60);
    }

    /// Bytes of a GPU's memory that rows may take altogether.
    pub(crate) fn budget(&self) -> usize {
        self.budget as usize
    }

    /// Bytes of one row on a GPU.
    pub(crate) fn row_size(&self) -> usize {
        Self::row_bytes(self.columns, self.precision)
    }

    /// Allows at most so many rows to a shard, to try the borders of shards with little data.
    pub(crate) fn limit_rows(&mut self, rows: usize) {
        self.limit = self.limit.min(rows.max(1));
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    pub(crate) fn gpu_shards(&self) -> &[GpuShard] {
        &self.gpu
    }

    pub(crate) fn cpu_shards(&self) -> Vec<CpuShard<'_>> {
        let mut first = self.gpu.last().map_or(0, |s| s.first + s.rows);
        let shards = self.cpu.iter().map(|block| {
            let (data, length) = match block {
                CpuBlock::F32(v) => (CpuData::F32(v), v.len()),
                CpuBlock::F16(v) => (CpuData::F16(v), v.len()),
                CpuBlock::Shared(v, from) => {
                    let values = &(**v).as_ref()[*from..];
                    (CpuData::F32(values), values.len())
                }
            };
            let rows = length / self.columns;
            first += rows;
            CpuShard { data, columns: self.columns, rows, first: first - rows }
        });
        shards.collect()
    }

    /// Takes in rows `[m, d]`, `shared` being the same rows for use in place: as f32 on the CPU they
    /// are not copied then.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] for more rows than have numbers of 32 bits, [`Error::OutOfMemory`] and other faults of the GPU; the store
    /// then has no part of the rows.
    pub(crate) fn append(&mut self, rows: &Rows<'_>, shared: Option<SharedRows>) -> Result<()> {
        check_numbers("number of patterns", self.rows.saturating_add(rows.rows()))?;
        match (self.device.clone(), shared) {
            (Device::Cpu, Some(shared)) if self.precision == Precision::F32 && self.limit == usize::MAX => {
                self.cpu.push(CpuBlock::Shared(shared, 0));
            }
            (Device::Cpu, _) => self.append_cpu(rows),
            (Device::Gpu(context), shared) => {
                let taken = match self.append_gpu(&context, rows) {
                    Ok(taken) => taken,
                    Err(error) => {
                        self.truncate_gpu(self.rows);
                        return Err(error);
                    }
                };
                match shared {
                    _ if taken == rows.rows() => {}
                    Some(shared) if self.precision == Precision::F32 => {
                        self.cpu.push(CpuBlock::Shared(shared, taken * self.columns));
                    }
                    _ => self.append_cpu(&rows.slice(taken..rows.rows())),
                }
            }
        }
        self.rows += rows.rows();
        Ok(())
    }

    /// Drops the rows from `rows` on, on a GPU.
    pub(crate) fn truncate_gpu(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
        let mut left = rows.saturating_sub(self.gpu.last().map_or(0, |s| s.first + s.rows));
        for block in &mut self.cpu {
            let (columns, length) = (self.columns, block.length() / self.columns);
            block.truncate(left.min(length) * columns);
            left -= left.min(length);
        }
        self.cpu.retain(|block| block.length() > 0);
        self.gpu.retain(|s| s.first < rows);
        if let Some(last) = self.gpu.last_mut() {
            last.rows = last.rows.min(rows - last.first);
        }
    }

    /// Takes in rows that go with those of `other` beyond the ones that are here, in shards of the
    /// same rows where the device is the CPU.
    pub(crate) fn append_beside(&mut self, rows: &Rows<'_>, other: &Self) -> Result<()> {
        if let Device::Gpu(_) = self.device {
            return self.append(rows, None);
        }
        let mut from = 0;
        for (i, shard) in other.cpu_shards().iter().enumerate() {
            if i == self.cpu.len() {
                self.cpu.push(CpuBlock::F32(Vec::new()));
            }
            if let CpuBlock::F32(block) = &mut self.cpu[i] {
                let to = from + shard.rows - block.len() / self.columns;
                block.extend_from_slice(rows.slice(from..to).as_slice());
                from = to;
            }
        }
        self.rows += rows.rows();
        Ok(())
    }

    /// Some rows as f32, one after another, brought to the host where they are on a GPU. Their numbers ascend.
    pub(crate) fn gather(&self, numbers: &[u32]) -> Result<Vec<f32>> {
        let first_on_host = self.gpu.last().map_or(0, |s| s.first + s.rows);
        let (on_gpu, on_host) = numbers.split_at(numbers.partition_point(|i| (*i as usize) < first_on_host));
        let mut values = self.gather_gpu(on_gpu)?;
        let shards = self.cpu_shards();
        for &i in on_host {
            let shard = &shards[shards.partition_point(|s| s.first + s.rows <= i as usize)];
            let start = values.len();
            values.resize(start + self.columns, 0.0);
            let row = i as usize - shard.first;
            shard.widen(row..row + 1, &mut values[start..]);
        }
        Ok(values)
    }

    fn gather_gpu(&self, numbers: &[u32]) -> Result<Vec<f32>> {
        let Device::Gpu(context) = &self.device else { return Ok(Vec::new()) };
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let row_bytes = self.row_size();
        let gathered = context.storage("gathered rows", (numbers.len() * row_bytes) as u64)?;
        for (to, &i) in numbers.iter().enumerate() {
            let shard = &self.gpu[self.gpu.partition_point(|s| s.first + s.rows <= i as usize)];
            let from = (i as usize - shard.first) * row_bytes;
            context.copy(
                (&shard.buffer, from as u64),
                (&gathered, (to * row_bytes) as u64),
                row_bytes as u64,
            )?;
        }
        let bytes = context.read(&[&gathered])?.concat();
        let rows = bytes.chunks_exact(row_bytes);
        Ok(match self.precision {
            Precision::F32 => rows
                .flat_map(|row| row.chunks_exact(4).take(self.columns))
                .map(|v| f32::from_le_bytes([v[0], v[1], v[2], v[3]]))
                .collect(),
            Precision::F16 => rows
                .flat_map(|row| row.chunks_exact(2).take(self.columns))
                .map(|v| f16::from_le_bytes([v[0], v[1]]).to_f32())
                .collect(),
        })
    }

    fn append_cpu(&mut self, rows: &Rows<'_>) {
        let mut from = 0;
        while from < rows.rows() {
            let spare = match self.cpu.last() {
                Some(CpuBlock::F32(v)) => self.limit - v.len() / self.columns,
                Some(CpuBlock::F16(v)) => self.limit - v.len() / self.columns,
                Some(CpuBlock::Shared(..)) | None => 0,
            };
            if spare == 0 {
                self.cpu.push(match self.precision {
                    Precision::F32 => CpuBlock::F32(Vec::new()),
                    Precision::F16 => CpuBlock::F16(Vec::new()),
                });
                continue;
            }
            let to = rows.rows().min(from.saturating_add(spare));
            let part = rows.slice(from..to);
            match self.cpu.last_mut() {
                Some(CpuBlock::F32(v)) => v.extend_from_slice(part.as_slice()),
                Some(CpuBlock::F16(v)) => v.extend(part.as_slice().iter().map(|x| f16::from_f32(*x))),
                Some(CpuBlock::Shared(..)) | None => {}
            }
            from = to;
        }
    }

    /// Takes in rows as far as there is room, and gives how many.
    fn append_gpu(&mut self, context: &Arc<device::Context>, rows: &Rows<'_>) -> Result<usize> {
        if !self.cpu.is_empty() {
            return Ok(0);
        }
        let row_bytes = self.row_size();
        let overflows = self.budget < u64::MAX;
        let mut from = 0;
        while from < rows.rows() {
            let left = rows.rows() - from;
            let first = self.gpu.last().map_or(0, |s| s.first + s.rows);
            if self.gpu.last().is_none_or(|s| s.rows == s.capacity) {
                let taken: usize = self.gpu.iter().map(|s| s.capacity).sum();
                // Half of the budget is for the rows that are on their way, unless all have room.
                let all = (taken + left) as u64 * row_bytes as u64 <= self.budget;
                let budget = if all { self.budget } else { self.budget / 2 };
                let free = (budget / row_bytes as u64).saturating_sub(taken as u64) as usize;
                // The first batch gets what it needs; later ones also room to grow.
                let room = if first == 0 { left } else { left.max(first).max(256) };
                let capacity = room.min(self.limit).min(free);
                if capacity == 0 {
                    break;
                }
                let buffer = match context.storage_for_host("patterns", (capacity * row_bytes) as u64) {
                    Err(Error::OutOfMemory { .. }) if overflows => break,
                    made => made?,
                };
                self.gpu.push(GpuShard { buffer, rows: 0, capacity, first });
            }
            let Some(shard) = self.gpu.last_mut() else { continue };
            let step = left.min(shard.capacity - shard.rows).min((UPLOAD_BYTES / row_bytes).max(1));
            let bytes = packed(&rows.slice(from..from + step), self.precision);
            context.write(&shard.buffer, (shard.rows * row_bytes) as u64, &bytes)?;
            shard.rows += step;
            from += step;
        }
        Ok(from)
    }
}

impl CpuBlock {
    /// Values in it.
    fn length(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F16(v) => v.len(),
            // Never taken back: it comes with the first rows of a memory.
            Self::Shared(v, from) => (**v).as_ref().len() - from,
        }
    }

    fn truncate(&mut self, length: usize) {
        match self {
            Self::F32(v) => v.truncate(length),
            Self::F16(v) => v.truncate(length),
            Self::Shared(..) => {}
        }
    }
}

/// Refuses more rows than have numbers of 32 bits; the last of those stands for none.
pub(crate) fn check_numbers(what: &'static str, rows: usize) -> Result<()> {
    match u32::try_from(rows) {
        Ok(rows) if rows < u32::MAX => Ok(()),
        _ => Err(Error::parameter(what, rows, format!("below {}", u32::MAX))),
    }
}

/// Rows as the GPU has them: padded with zeros to whole vectors.
pub(crate) fn packed(rows: &Rows<'_>, precision: Precision) -> Vec<u8> {
    let padded = device::row_columns(rows.columns(), precision);
    let mut out = Vec::with_capacity(rows.rows() * padded * 4);
    for row in rows.iter() {
        match precision {
            Precision::F32 => {
                out.extend_from_slice(bytemuck::cast_slice(row));
                out.resize(out.len() + (padded - row.len()) * 4, 0);
            }
            Precision::F16 => {
                row.iter().for_each(|v| out.extend_from_slice(&f16::from_f32(*v).to_le_bytes()));
                out.resize(out.len() + (padded - row.len()) * 2, 0);
            }
        }
    }
    out
}
