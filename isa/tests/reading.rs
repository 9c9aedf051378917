//! The driver's output, read.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

use attractor_isa::{
    Kernel, hot_loop,
    machine_code::{self, Line},
    mix::{Mix, is_fma},
};

/// What Mesa 22.3.6 wrote about the kernel `start.serial`.
const SAMPLE: &str = include_str!("samples/start.serial.txt");

/// Machine code as the driver lists it.
fn listing(code: &str) -> Vec<Line> {
    machine_code::parse(&format!("disasm:\n{code}\n*** SHADER STATS ***\n"))
}

/// The hottest loop's first and last line.
fn hot(code: &[Line]) -> Option<(String, String)> {
    let lines = hot_loop::find(code, |i| is_fma(i.name()))?;
    let text = |at: &usize| code[*at].to_string().trim().to_owned();
    Some((text(lines.first()?), text(lines.last()?)))
}

fn mix(names: &[&str]) -> Mix {
    let code = listing(&names.join("\n"));
    let instructions: Vec<_> = code
        .iter()
        .filter_map(|line| match line {
            Line::Instruction(i) => Some(i),
            Line::Label(_) => None,
        })
        .collect();
    assert_eq!(instructions.len(), names.len());
    Mix::of(instructions)
}

#[test]
fn a_real_kernel() {
    let kernel = Kernel::parse("start.serial", SAMPLE).unwrap();
    assert_eq!((kernel.vgprs, kernel.sgprs, kernel.spilled()), (16, 128, 0));
    assert_eq!((kernel.lds_bytes, kernel.scratch_bytes, kernel.waves), (0, 0, 32));
    assert_eq!((kernel.instructions, kernel.code_bytes), (61, 328));
    let instructions = kernel.code.iter().filter(|line| matches!(line, Line::Instruction(_))).count();
    assert_eq!(instructions, kernel.instructions, "as many as the driver counts");

    let (first, last) = hot(&kernel.code).unwrap();
    assert_eq!((first.as_str(), last.as_str()), ("BB2:", "s_branch BB2"));
    let mix = &kernel.mix;
    assert_eq!((mix.instructions, mix.fma, mix.valu, mix.salu, mix.smem), (18, 4, 2, 4, 2));
    assert_eq!((mix.waits, mix.branches, mix.other), (3, 2, 0));
    assert_eq!(mix.loads.to_string(), "1 x 16 B");
    assert_eq!(mix.stores.total(), 0, "what follows the loop is not of it");
    assert!(kernel.listing().contains("\n|     v_fmac_f32_e32 v4, v8, v8\n"));
    assert!(kernel.listing().contains("\n      v_rsq_f32_e32 v1, v7\n"));
}

#[test]
fn what_is_missing_is_named() {
    let error = Kernel::parse("k", &SAMPLE.replace("\nVGPRs:", "\nRegisters:")).unwrap_err();
    assert_eq!(error.to_string(), "the driver's output is not understood: k: no VGPRs");
    let error = Kernel::parse("k", &SAMPLE.replace("disasm:", "")).unwrap_err();
    assert_eq!(error.to_string(), "the driver's output is not understood: k: no machine code");
}

#[test]
fn repeated_lines_count_each_time() {
    let code = listing("BB0:\n\tv_nop ; 7e000000\n\t(then repeated 3 times)\n\ts_endpgm ; bf810000");
    assert_eq!(code.len(), 1 + 4 + 1);
}

#[test]
fn the_inner_loop_is_hotter() {
    let code = listing(
        "BB1:\n v_fmac_f32 v0, v1, v2\n v_fmac_f32 v0, v1, v2\n\
         BB2:\n v_fmac_f32 v0, v1, v2\n s_cbranch_scc1 BB2\n\
         BB3:\n v_mul_f32 v0, v1, v2\n s_branch BB1\nBB4:\n s_endpgm",
    );
    assert_eq!(hot(&code).unwrap(), ("BB2:".into(), "s_cbranch_scc1 BB2".into()));
}

#[test]
fn a_long_body_is_hotter_than_a_short_loop_in_it() {
    let long = " v_fmac_f32 v0, v1, v2\n".repeat(64);
    let code = listing(&format!(
        "BB1:\n{long}BB2:\n v_fmac_f32 v0, v1, v2\n s_cbranch_scc1 BB2\n\
         BB3:\n s_cbranch_scc0 BB1\nBB4:\n s_endpgm"
    ));
    assert_eq!(hot(&code).unwrap(), ("BB1:".into(), "s_cbranch_scc0 BB1".into()));
}

/// A loop may close in its middle, after a test at its head; a branch out of it does not belong to it.
#[test]
fn loops_are_found_by_control_flow() {
    let code = listing(
        "BB1:\n s_cbranch_scc1 BB9\nBB2:\n s_cbranch_execz BB4\n\
         BB3:\n v_exp_f32 v0, v0\n s_branch BB1\n\
         BB4:\n v_log_f32 v0, v0\n s_endpgm\nBB9:\n s_endpgm",
    );
    assert_eq!(hot(&code).unwrap(), ("BB1:".into(), "s_branch BB1".into()));
    assert_eq!(hot(&listing("BB0:\n v_exp_f32 v0, v0\n s_endpgm")), None);
}

#[test]
fn multiply_adds_are_those_of_floats() {
    for name in ["v_fmac_f32_e32", "v_fma_f32", "v_fmaak_f32", "v_fma_mix_f32", "v_pk_fma_f16"] {
        assert!(is_fma(name), "{name}");
    }
    for name in ["v_dot2_f32_f16", "v_mad_f32", "v_mac_f32_e32", "v_dual_fmac_f32", "v_mad_mix_f32"] {
        assert!(is_fma(name), "{name}");
    }
    for name in ["v_mad_u32_u24", "v_mad_u64_u32", "v_mul_f32_e32", "v_add_f32_e32", "s_mul_i32"] {
        assert!(!is_fma(name), "{name}");
    }
}

#[test]
fn memory_instructions_by_width() {
    let mix = mix(&[
        "ds_read_b128 v[0:3], v4",
        "ds_read2_b32 v[0:1], v4 offset1:1",
        "ds_read2_b64 v[0:3], v4 offset1:1",
        "ds_load_b32 v0, v4",
        "ds_write2st64_b32 v0, v1, v2",
        "ds_store_b64 v0, v[1:2]",
        "ds_add_u32 v0, v1",
        "buffer_load_dwordx4 v[0:3], v4, s[0:3], 0 offen",
        "buffer_load_dwordx3 v[0:2], v4, s[0:3], 0 offen",
        "buffer_load_ushort v0, v4, s[0:3], 0 offen",
        "buffer_load_short_d16 v0, v4, s[0:3], 0 offen",
        "global_load_dword v0, v[1:2], off",
        "global_load_b128 v[0:3], v[4:5], off",
        "buffer_load_u8 v0, v4, s[0:3], 0 offen",
        "buffer_store_dwordx2 v[0:1], v4, s[0:3], 0 offen",
        "buffer_atomic_add v0, v1, s[0:3], 0 offen",
    ]);
    assert_eq!(mix.lds_reads.to_string(), "2 x 16 B, 1 x 8 B, 1 x 4 B");
    assert_eq!(mix.lds_writes.to_string(), "2 x 8 B");
    assert_eq!(mix.loads.to_string(), "2 x 16 B, 1 x 12 B, 1 x 4 B, 2 x 2 B, 1 x 1 B");
    assert_eq!(mix.stores.to_string(), "1 x 8 B");
    assert_eq!(mix.other, 2, "atomics");
}
