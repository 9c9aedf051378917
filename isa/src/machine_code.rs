//! A driver's disassembly, as text, in lines that mean something.

use std::fmt;

/// A line of machine code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The start of a block, as `BB4`.
    Label(String),
    /// An instruction with its operands.
    Instruction(Instruction),
}

/// An instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Name and operands, as `v_fmac_f32_e32 v1, v2, v3`.
    pub text: String,
}

impl Instruction {
    /// The name alone.
    pub fn name(&self) -> &str {
        self.text.split_whitespace().next().unwrap_or_default()
    }

    /// Where it may jump to.
    pub fn target(&self) -> Option<&str> {
        let jumps = self.name().starts_with("s_branch") || self.name().starts_with("s_cbranch");
        jumps.then(|| self.text.split_whitespace().last()).flatten()
    }

    /// Whether what follows in the text may follow in time.
    pub fn falls_through(&self) -> bool {
        !["s_branch", "s_endpgm", "s_setpc"].iter().any(|name| self.name().starts_with(name))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => write!(f, "{label}:"),
            Self::Instruction(instruction) => write!(f, "    {}", instruction.text),
        }
    }
}

/// What instruction names begin with.
const FAMILIES: [&str; 9] =
    ["s_", "v_", "ds_", "buffer_", "tbuffer_", "global_", "flat_", "scratch_", "image_"];

/// The machine code in a driver's log of one kernel.
pub fn parse(log: &str) -> Vec<Line> {
    let mut code = Vec::new();
    let listing = log
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("disasm:"))
        .skip(1)
        .take_while(|line| !line.contains("SHADER STATS"));
    for line in listing {
        // Behind `;` stands the encoding.
        let text = line.split(';').next().unwrap_or_default().trim();
        if let Some(label) = text.strip_suffix(':').filter(|label| !label.contains(char::is_whitespace)) {
            code.push(Line::Label(label.to_owned()));
        } else if FAMILIES.iter().any(|family| text.starts_with(family)) {
            code.push(Line::Instruction(Instruction { text: text.to_owned() }));
        } else if let Some(times) = repeated(text) {
            // Mesa's short form for a run of equal instructions.
            if let Some(last) = code.last().cloned() {
                code.extend(std::iter::repeat_n(last, times));
            }
        }
    }
    code
}

/// The number in `(then repeated 3 times)`.
fn repeated(text: &str) -> Option<usize> {
    text.strip_prefix("(then repeated ")?.strip_suffix(" times)")?.parse().ok()
}
