//! What a stretch of machine code is made of.

use crate::machine_code::Instruction;
use std::{collections::BTreeMap, fmt};

/// Instructions by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mix {
    /// All of them.
    pub instructions: usize,
    /// Floating-point multiply-adds; a packed one counts once, since it takes one issue.
    pub fma: usize,
    /// The other vector arithmetic.
    pub valu: usize,
    /// Scalar arithmetic and moves.
    pub salu: usize,
    /// Scalar loads: uniforms, buffer descriptors.
    pub smem: usize,
    /// Workgroup memory, read.
    pub lds_reads: Widths,
    /// Workgroup memory, written.
    pub lds_writes: Widths,
    /// Memory, read.
    pub loads: Widths,
    /// Memory, written.
    pub stores: Widths,
    /// Jumps.
    pub branches: usize,
    /// Waits, barriers and hints, which do no work.
    pub waits: usize,
    /// Whatever is none of these: atomics, for example.
    pub other: usize,
}

/// Memory instructions by how many bytes each moves per lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Widths(pub BTreeMap<usize, usize>);

impl Widths {
    /// How many instructions, of all widths.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    fn add(&mut self, bytes: usize) {
        *self.0.entry(bytes).or_default() += 1;
    }
}

impl fmt::Display for Widths {
    /// `8 x 16 B, 2 x 4 B`, or `-`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.0.iter().rev().map(|(bytes, count)| format!("{count} x {bytes} B")).collect();
        f.pad(&if parts.is_empty() { "-".to_owned() } else { parts.join(", ") })
    }
}

impl Mix {
    /// Counts instructions.
    pub fn of<'a>(code: impl IntoIterator<Item = &'a Instruction>) -> Self {
        let mut mix = Self::default();
        code.into_iter().for_each(|instruction| mix.count(instruction.name()));
        mix
    }

    /// The share of multiply-adds in all instructions, in percent.
    pub fn fma_percent(&self) -> f64 {
        100.0 * self.fma as f64 / self.instructions.max(1) as f64
    }

    fn count(&mut self, name: &str) {
        self.instructions += 1;
        if is_fma(name) {
            self.fma += 1;
        } else if name.starts_with("v_") {
            self.valu += 1;
        } else if let Some(rest) = name.strip_prefix("ds_") {
            match rest {
                _ if rest.starts_with("read") || rest.starts_with("load") => self.lds_reads.add(bytes(rest)),
                _ if rest.starts_with("write") || rest.starts_with("store") => {
                    self.lds_writes.add(bytes(rest))
                }
                _ => self.other += 1,
            }
        } else if name.starts_with("s_") {
            match name {
                _ if name.starts_with("s_branch") || name.starts_with("s_cbranch") => self.branches += 1,
                _ if name.starts_with("s_load") || name.starts_with("s_buffer_load") => self.smem += 1,
                _ if IDLE.iter().any(|idle| name.starts_with(idle)) => self.waits += 1,
                _ => self.salu += 1,
            }
        } else if name.contains("_load_") {
            self.loads.add(bytes(name));
        } else if name.contains("_store_") {
            self.stores.add(bytes(name));
        } else {
            self.other += 1;
        }
    }
}

/// What begins the names of scalar instructions that do no work.
const IDLE: [&str; 9] = [
    "s_wait",
    "s_barrier",
    "s_clause",
    "s_nop",
    "s_sleep",
    "s_inst_prefetch",
    "s_set_inst_prefetch",
    "s_delay_alu",
    "s_endpgm",
];

/// Whether an instruction multiplies and adds floating-point numbers.
pub fn is_fma(name: &str) -> bool {
    // `v_mad_u32_u24` and its like are address arithmetic.
    let mad = ["v_mad", "v_mac"].iter().any(|start| name.starts_with(start))
        && (name.contains("_f32") || name.contains("_f16") || name.contains("_mix"));
    mad || ["v_fma", "v_pk_fma", "v_dual_fma", "v_dot2"].iter().any(|start| name.starts_with(start))
}

/// Bytes per lane that a memory instruction moves, by its name: `dwordx4`, `b128`, `read2_b32`,
/// `ushort`, `d16_u8`.
fn bytes(name: &str) -> usize {
    let two = name.contains("read2") || name.contains("write2") || name.contains("_2addr");
    name.split('_').find_map(width).unwrap_or(4) * if two { 2 } else { 1 }
}

fn width(word: &str) -> Option<usize> {
    match word {
        "dword" => Some(4),
        "ushort" | "sshort" | "short" => Some(2),
        "ubyte" | "sbyte" | "byte" => Some(1),
        _ => {
            if let Some(words) = word.strip_prefix("dwordx") {
                return Some(4 * words.parse::<usize>().ok()?);
            }
            let bits: usize = word.strip_prefix(['b', 'u', 'i'])?.parse().ok()?;
            Some(bits / 8)
        }
    }
}
