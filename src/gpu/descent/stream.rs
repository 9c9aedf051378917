//! Patterns on their way through a pass: those that lie on the device, then those that stay on the host
//! because the device has no room for them. The latter go through two buffers in turn: while the device
//! works on one, the host fills the other.

use super::{
    super::{Buffer, Context},
    Chunk,
};
use crate::{
    Result, Rows,
    contract::GpuTerms,
    tensor::{CpuShard, GpuShard, Shards, packed},
};
use std::{ops::Range, sync::Arc};

/// Bytes of one of the two buffers, where no limit makes them smaller.
const SLOT: usize = 64 << 20;

/// The patterns of a memory with their terms, and what is read out in their place.
pub(super) struct Stream<'a> {
    context: &'a Arc<Context>,
    patterns: &'a Shards,
    terms: &'a GpuTerms,
    slots: Vec<Slot>,
    /// Patterns that a slot has room for.
    rows: usize,
}

/// A buffer that the host fills.
struct Slot {
    patterns: Buffer,
    terms: Buffer,
}

impl<'a> Stream<'a> {
    pub(super) fn new(context: &'a Arc<Context>, patterns: &'a Shards, terms: &'a GpuTerms) -> Result<Self> {
        let overflow: usize = patterns.cpu_shards().iter().map(|s| s.rows).sum();
        let row_bytes = patterns.row_size();
        let most = SLOT.min(context.binding_limit() as usize).min(patterns.budget() / 4);
        let rows = (most / row_bytes).clamp(1, overflow.max(1));
        let slot = |_| -> Result<Slot> {
            Ok(Slot {
                patterns: context.storage_for_host("patterns", (rows * row_bytes) as u64)?,
                terms: context.storage_for_host("terms", (rows * 8) as u64)?,
            })
        };
        let slots = if overflow == 0 { Vec::new() } else { (0..2).map(slot).collect::<Result<_>>()? };
        Ok(Self { context, patterns, terms, slots, rows })
    }

    /// Calls `work` with all patterns, some chunks of at most `most` at a time; the flag says that nothing
    /// came before.
    pub(super) fn each(
        &self,
        values: Option<&Shards>,
        most: usize,
        mut work: impl FnMut(&[Chunk<'_>], bool) -> Result<()>,
    ) -> Result<()> {
        let resident = self.patterns.gpu_shards();
        let mut chunks = Vec::new();
        for (GpuShard { buffer, rows, first, .. }, terms) in resident.iter().zip(&self.terms.resident) {
            cut(&mut chunks, (buffer, terms), *first, *rows, values, most);
        }
        if !chunks.is_empty() {
            work(&chunks, true)?;
        }
        let mut turn = 0;
        for shard in self.patterns.cpu_shards() {
            for start in (0..shard.rows).step_by(self.rows) {
                let rows = start..(start + self.rows).min(shard.rows);
                let slot = &self.slots[turn % 2];
                self.fill(slot, &shard, rows.clone())?;
                let mut chunks = Vec::new();
                let first = shard.first + start;
                cut(&mut chunks, (&slot.patterns, &slot.terms), first, rows.len(), values, most);
                work(&chunks, resident.is_empty() && turn == 0)?;
                turn += 1;
            }
        }
        Ok(())
    }

    /// Brings rows to a slot. What was recorded is sent first: writes of the host go ahead of a recording, and
    /// the device takes both in their order.
    fn fill(&self, slot: &Slot, shard: &CpuShard<'_>, rows: Range<usize>) -> Result<()> {
        self.context.flush()?;
        let mut widened = Vec::new();
        let values = shard.values(rows.clone(), &mut widened);
        let bytes = packed(&Rows::new(values, shard.columns)?, self.patterns.precision());
        self.context.write(&slot.patterns, 0, &bytes)?;
        let first = shard.first - self.terms.first_overflow;
        let terms = &self.terms.overflow[first + rows.start..first + rows.end];
        self.context.write(&slot.terms, 0, bytemuck::cast_slice(terms))
    }
}

/// Cuts the rows of a buffer into chunks of at most `most`, none of which goes over the end of a shard of the
/// values: those have other row lengths.
fn cut<'c>(
    out: &mut Vec<Chunk<'c>>,
    (patterns, terms): (&'c Buffer, &'c Buffer),
    first_row: usize,
    rows: usize,
    values: Option<&'c Shards>,
    most: usize,
) {
    let mut start = 0;
    while start < rows {
        let first = first_row + start;
        let mut end = start.saturating_add(most).min(rows);
        let of_values = values.and_then(|v| v.gpu_shards().iter().rfind(|s| s.first <= first));
        if let Some(v) = of_values {
            end = end.min(start + (v.first + v.rows - first));
        }
        let readout = of_values.map(|v| (&v.buffer, first - v.first));
        out.push(Chunk { patterns, terms, readout, rows: start..end, first });
        start = end;
    }
}
