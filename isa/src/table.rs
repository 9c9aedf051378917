//! Figures as a table for people, a table for the documentation, and JSON.

use crate::{
    Kernel,
    mix::Widths,
    radv::{CHIP, Compilation},
};
use serde_json::{Value, json};

/// A column: its head, whether the documentation has it too, and its cells.
struct Column {
    head: &'static str,
    kept: bool,
    cell: fn(&Kernel) -> String,
}

/// Heads that [`crate::kept`] looks for.
pub(crate) mod heads {
    pub(crate) const KERNEL: &str = "kernel";
    pub(crate) const VGPRS: &str = "VGPRs";
    pub(crate) const SPILLED: &str = "spilled";
    pub(crate) const LDS: &str = "LDS";
    pub(crate) const WAVES: &str = "waves";
    pub(crate) const SHARE: &str = "FMA %";
}

const COLUMNS: &[Column] = &[
    Column { head: heads::KERNEL, kept: true, cell: |k| k.name.clone() },
    Column { head: heads::VGPRS, kept: true, cell: |k| k.vgprs.to_string() },
    Column { head: "SGPRs", kept: false, cell: |k| k.sgprs.to_string() },
    Column { head: heads::SPILLED, kept: true, cell: |k| k.spilled().to_string() },
    Column { head: "scratch", kept: false, cell: |k| k.scratch_bytes.to_string() },
    Column { head: heads::LDS, kept: true, cell: |k| k.lds_bytes.to_string() },
    Column { head: heads::WAVES, kept: true, cell: |k| k.waves.to_string() },
    Column { head: "all", kept: true, cell: |k| k.instructions.to_string() },
    Column { head: "bytes", kept: false, cell: |k| k.code_bytes.to_string() },
    Column { head: "loop", kept: true, cell: loop_length },
    Column { head: "FMA", kept: false, cell: |k| k.mix.fma.to_string() },
    Column { head: heads::SHARE, kept: true, cell: |k| format!("{:.1}", k.mix.fma_percent()) },
    Column { head: "VALU", kept: false, cell: |k| k.mix.valu.to_string() },
    Column { head: "SALU", kept: false, cell: |k| (k.mix.salu + k.mix.smem).to_string() },
    Column { head: "wait", kept: false, cell: |k| k.mix.waits.to_string() },
    Column { head: "jump", kept: false, cell: |k| k.mix.branches.to_string() },
    Column { head: "LDS reads", kept: true, cell: |k| k.mix.lds_reads.to_string() },
    Column { head: "LDS writes", kept: false, cell: |k| k.mix.lds_writes.to_string() },
    Column { head: "loads", kept: true, cell: |k| k.mix.loads.to_string() },
    Column { head: "stores", kept: false, cell: |k| k.mix.stores.to_string() },
];

/// Instructions of the loop; in brackets where there is none, and the figures are the kernel's.
fn loop_length(kernel: &Kernel) -> String {
    let length = kernel.mix.instructions;
    if kernel.hot.is_some() { length.to_string() } else { format!("({length})") }
}

/// Which kernels these are of what driver.
pub fn title(compilation: &Compilation) -> String {
    let count = compilation.kernels.len();
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} kernel{plural} for AMD RDNA2 ({CHIP}), compiled by {}", compilation.driver)
}

/// All figures, aligned.
pub fn text(compilation: &Compilation) -> String {
    let mut rows = vec![COLUMNS.iter().map(|c| c.head.to_owned()).collect::<Vec<_>>()];
    rows.extend(compilation.kernels.iter().map(|kernel| COLUMNS.iter().map(|c| (c.cell)(kernel)).collect()));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let mut out = format!("{}\n\n", title(compilation));
    for row in &rows {
        let mut line = format!("{:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push_str(
        "\nwaves per SIMD of 32 lanes each (these kernels' waves have 64 and count twice); from `loop` on: the hottest\n\
         loop, or in brackets the whole kernel where it has none. `--isa` shows the code.\n",
    );
    out
}

/// The figures that the documentation keeps, with a caption.
pub fn markdown(compilation: &Compilation) -> String {
    let kept: Vec<&Column> = COLUMNS.iter().filter(|c| c.kept).collect();
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut out = format!(
        "{}. `cargo xtask isa` makes these figures without a\nGPU and shows more of them; `cargo xtask isa --keep` \
         rewrites this table, to which a test compares.\n\n",
        title(compilation)
    );
    out.push_str(&line(kept.iter().map(|c| c.head.to_owned()).collect()));
    let rule = |c: &&Column| if c.head == heads::KERNEL { "---".into() } else { "---:".into() };
    out.push_str(&line(kept.iter().map(rule).collect()));
    for kernel in &compilation.kernels {
        out.push_str(&line(kept.iter().map(|c| (c.cell)(kernel)).collect()));
    }
    out.push_str(
        "\n`spilled` counts registers; `LDS` is in bytes; `waves` are those that a SIMD can hold, of 32 lanes each (the waves of these kernels have 64\n\
         and count twice, and 32 is the most). `all` are the kernel's instructions; the rest is about its hottest loop (in brackets the whole kernel, where\n\
         it has none): its instructions, the share of them that are multiply-adds, and how many bytes a lane moves with each LDS read and memory load.\n",
    );
    out
}

/// All figures for programs.
pub fn json(compilation: &Compilation) -> Value {
    let widths = |w: &Widths| -> Value {
        w.0.iter()
            .map(|(bytes, count)| (bytes.to_string(), json!(count)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let kernel = |k: &Kernel| {
        json!({
            "name": k.name,
            "vgprs": k.vgprs,
            "sgprs": k.sgprs,
            "spilled_vgprs": k.spilled_vgprs,
            "spilled_sgprs": k.spilled_sgprs,
            "lds_bytes": k.lds_bytes,
            "scratch_bytes": k.scratch_bytes,
            "waves": k.waves,
            "instructions": k.instructions,
            "code_bytes": k.code_bytes,
            "loop": {
                "whole_kernel": k.hot.is_none(),
                "instructions": k.mix.instructions,
                "fma": k.mix.fma,
                "fma_percent": k.mix.fma_percent(),
                "valu": k.mix.valu,
                "salu": k.mix.salu,
                "smem": k.mix.smem,
                "lds_reads": widths(&k.mix.lds_reads),
                "lds_writes": widths(&k.mix.lds_writes),
                "loads": widths(&k.mix.loads),
                "stores": widths(&k.mix.stores),
                "branches": k.mix.branches,
                "waits": k.mix.waits,
                "other": k.mix.other,
            },
        })
    };
    json!({
        "chip": CHIP,
        "driver": compilation.driver,
        "kernels": compilation.kernels.iter().map(kernel).collect::<Vec<_>>(),
    })
}
