//! All figures of a kernel.

use crate::{
    Error, Result, hot_loop,
    machine_code::{self, Line},
    mix::{Mix, is_fma},
};
use std::collections::BTreeSet;

/// A compiled kernel.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The variant's name.
    pub name: String,
    /// Vector registers of a lane.
    pub vgprs: usize,
    /// Scalar registers of a wave; RDNA2 always allots 128.
    pub sgprs: usize,
    /// Vector registers that had to go to memory.
    pub spilled_vgprs: usize,
    /// Scalar registers that had to go to vector registers.
    pub spilled_sgprs: usize,
    /// Workgroup memory, in bytes.
    pub lds_bytes: usize,
    /// Memory of a lane for spills and indexed private arrays, in bytes.
    pub scratch_bytes: usize,
    /// Waves that a SIMD can hold, in units of 32 lanes: RDNA2 has room for 32. A wave of 64 lanes,
    /// which is what RADV makes of compute kernels, counts twice.
    pub waves: usize,
    /// Instructions of the whole kernel.
    pub instructions: usize,
    /// Size of the whole kernel.
    pub code_bytes: usize,
    /// The machine code.
    pub code: Vec<Line>,
    /// Lines of the hottest loop, by their place in `code`; `None` where there is no loop.
    pub hot: Option<BTreeSet<usize>>,
    /// What the hottest loop is made of, or the whole kernel where there is no loop.
    pub mix: Mix,
}

impl Kernel {
    /// Reads what the driver wrote about a kernel.
    ///
    /// # Errors
    /// [`Error::Unreadable`] where something is missing in it.
    pub fn parse(name: &str, log: &str) -> Result<Self> {
        let missing = |what: &str| Error::Unreadable(format!("{name}: no {what}"));
        let figure = |key: &str| {
            let value = log.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            value.and_then(|value| value.trim().parse().ok()).ok_or_else(|| missing(key))
        };
        let code = machine_code::parse(log);
        if code.is_empty() {
            return Err(missing("machine code"));
        }
        let hot = hot_loop::find(&code, |instruction| is_fma(instruction.name()));
        let mix = Mix::of(code.iter().enumerate().filter_map(|(at, line)| match line {
            Line::Instruction(i) if hot.as_ref().is_none_or(|hot| hot.contains(&at)) => Some(i),
            _ => None,
        }));
        Ok(Self {
            name: name.to_owned(),
            vgprs: figure("VGPRs")?,
            sgprs: figure("SGPRs")?,
            spilled_vgprs: figure("Spilled VGPRs")?,
            spilled_sgprs: figure("Spilled SGPRs")?,
            lds_bytes: figure("LDS size")?,
            scratch_bytes: figure("Scratch size")?,
            waves: figure("Subgroups per SIMD")?,
            instructions: figure("Instructions")?,
            code_bytes: figure("Code size")?,
            code,
            hot,
            mix,
        })
    }

    /// All registers that spilled.
    pub fn spilled(&self) -> usize {
        self.spilled_vgprs + self.spilled_sgprs
    }

    /// The machine code for people, the hottest loop marked with `|`.
    pub fn listing(&self) -> String {
        let hot = |at| self.hot.as_ref().is_some_and(|hot| hot.contains(&at));
        let lines = self.code.iter().enumerate();
        lines.map(|(at, line)| format!("{} {line}\n", if hot(at) { '|' } else { ' ' })).collect()
    }
}
