//! The largest entries of rows on the GPU.

use super::{Buffer, Context, Dispatch, MAX_TRIPS, Matrix, parameters, softmax::SERIAL_ROWS};
use crate::Result;
use std::sync::Arc;

/// One entry of a list, as in `shaders/top_k.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
struct Entry {
    value: f32,
    index: u32,
}

/// Most entries of a list: each round of the kernel looks through the whole list.
pub(crate) const MAX_TOP_K: usize = 1024;

/// Longest lists that each invocation keeps for itself; see `shaders/permutations`.
const LISTS: usize = 16;

/// How columns are taken into lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// One invocation a row: at worst every value goes through the whole list.
    Serial,
    /// A workgroup a row, each lane with a list of its own.
    Lists,
    /// A workgroup a row, which looks at all of it for each entry.
    Group,
}

impl Way {
    fn of(tiled: bool, k: usize) -> Self {
        match tiled {
            false if k <= 64 => Self::Serial,
            _ if k <= LISTS => Self::Lists,
            _ => Self::Group,
        }
    }

    /// Columns of one dispatch, a multiple of 4.
    fn step(self, k: usize) -> usize {
        match self {
            Self::Serial => MAX_TRIPS / (k + 1) / 4 * 4,
            Self::Lists => (MAX_TRIPS - k) * 256,
            Self::Group => (MAX_TRIPS / k).saturating_sub(k / 64 + 2).max(1) * 64,
        }
    }

    /// Loop trips for so many columns.
    fn trips(self, columns: usize, k: usize) -> usize {
        match self {
            Self::Serial => columns * (k + 1),
            Self::Lists => columns.div_ceil(256) + k,
            Self::Group => k * (columns.div_ceil(64) + k.div_ceil(64) + 1),
        }
    }
}

/// The best entries of some rows so far.
pub(super) struct Best {
    lists: Buffer,
    rows: usize,
    k: usize,
}

impl Best {
    /// Empty lists.
    pub(super) fn new(context: &Arc<Context>, rows: usize, k: usize) -> Result<Self> {
        let none = vec![Entry { value: f32::MIN, index: u32::MAX }; rows * k];
        Ok(Self { lists: context.upload("the best patterns", bytemuck::cast_slice(&none))?, rows, k })
    }

    /// Takes in the columns of a matrix whose rows are `width` vec4s long; their indices start at
    /// `first`.
    pub(super) fn scan(
        &mut self,
        context: &Arc<Context>,
        values: &Buffer,
        columns: usize,
        width: usize,
        first: usize,
    ) -> Result<()> {
        let Self { rows, k, .. } = *self;
        if k == 0 || rows == 0 {
            return Ok(());
        }
        let way = Way::of(context.tiled(), k);
        for from in (0..columns).step_by(way.step(k)) {
            let to = (from + way.step(k)).min(columns);
            let parameters = parameters::TopK {
                rows: rows as u32,
                begin: from as u32,
                end: to as u32,
                width: width as u32,
                first: first as u32,
                k: k as u32,
            };
            let work = (rows * (to - from)) as f64;
            let trips = way.trips(to - from, k);
            if way == Way::Serial {
                context.dispatch(&Dispatch {
                    kernel: "top_k.serial",
                    parameters: &parameters,
                    buffers: &[values, &self.lists],
                    groups: rows.div_ceil(SERIAL_ROWS),
                    trips,
                    work,
                })?;
                continue;
            }
            let next = context.storage("the best patterns", self.lists.bytes())?;
            let (kernel, rounds) = if way == Way::Lists { ("top_k.lists", 1) } else { ("top_k.group", k) };
            context.dispatch(&Dispatch {
                kernel,
                parameters: &parameters,
                buffers: &[values, &self.lists, &next],
                groups: rows,
                trips,
                work: work * rounds as f64,
            })?;
            self.lists = next;
        }
        Ok(())
    }

    pub(super) fn buffer(&self) -> &Buffer {
        &self.lists
    }

    /// Values and indices of lists that were read back.
    pub(super) fn unpack(bytes: &[u8]) -> (Vec<f32>, Vec<u32>) {
        let entries: Vec<Entry> = bytemuck::pod_collect_to_vec(bytes);
        (entries.iter().map(|e| e.value).collect(), entries.iter().map(|e| e.index).collect())
    }
}

/// See [`crate::ops::top_k`]; `k` is at most [`MAX_TOP_K`].
pub(crate) fn top_k(x: &Matrix, k: usize) -> Result<(Vec<f32>, Vec<u32>)> {
    let mut best = Best::new(x.context(), x.rows(), k)?;
    best.scan(x.context(), x.buffer(), x.columns(), x.width4(), 0)?;
    let bytes = x.context().read(&[best.buffer()])?;
    Ok(Best::unpack(&bytes[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_list_takes_too_many_trips() {
        for tiled in [false, true] {
            for k in 1..=MAX_TOP_K {
                let way = Way::of(tiled, k);
                let step = way.step(k);
                assert!(step >= 4 && step.is_multiple_of(4), "{way:?} {k}: {step}");
                for columns in [1, step - 1, step] {
                    assert!(way.trips(columns, k) <= MAX_TRIPS, "{way:?} {k}: {columns} columns");
                }
            }
        }
    }
}
