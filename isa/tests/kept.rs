//! The kernels against the table in `docs/performance.md`.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

use attractor_isa::{
    Error, Kernel,
    kept::{self, Kept},
    radv::{self, Compilation},
};
use std::path::Path;

const SAMPLE: &str = include_str!("samples/start.serial.txt");

/// Where this is 1, a missing driver fails the test.
const REQUIRE: &str = "ATTRACTOR_REQUIRE_ISA";

#[test]
fn kernels_are_as_good_as_the_kept_table_says() {
    let required = std::env::var_os(REQUIRE).is_some_and(|value| value == "1");
    let fresh = match radv::compile(Path::new(env!("CARGO_BIN_EXE_attractor-isa")), &[]) {
        Ok(fresh) => fresh,
        Err(error @ (Error::Absent(_) | Error::Unreadable(_))) if !required => {
            println!("skipped: {error} ({REQUIRE}=1 makes this an error)");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    // Not the path compiled in, which is another checkout's where they share a target folder.
    let path = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../docs/performance.md");
    let kept = Kept::read(&std::fs::read_to_string(path).unwrap())
        .unwrap_or_else(|| panic!("docs/performance.md has no table; run `cargo xtask isa --keep`"));
    if kept.driver != fresh.driver {
        println!("the table is of {}, this is {}: only spills are compared", kept.driver, fresh.driver);
    }
    let complaints = kept.complaints(&fresh);
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn compilation(log: &str) -> Compilation {
    Compilation { driver: "Mesa 22.3.6".into(), kernels: vec![Kernel::parse("start.serial", log).unwrap()] }
}

/// A table of the sample.
fn table() -> Kept {
    Kept::read(&kept::renewed("# Performance\n", &compilation(SAMPLE))).unwrap()
}

#[test]
fn a_table_is_appended_once_and_then_renewed_in_place() {
    let first = kept::renewed("# Performance\n", &compilation(SAMPLE));
    assert!(first.starts_with("# Performance\n\n## What the GPU kernels compile to\n\n<!-- isa:begin -->\n"));
    let document = format!("{first}\nMore.\n");
    let second = kept::renewed(&document, &compilation(&SAMPLE.replace("\nVGPRs: 16", "\nVGPRs: 24")));
    assert_eq!(second, document.replace("| start.serial | 16 |", "| start.serial | 24 |"));
    assert_eq!(kept::renewed(&second, &compilation(SAMPLE)), document);
}

#[test]
fn what_was_kept_is_read_back() {
    let kept = table();
    assert_eq!(kept.driver, "Mesa 22.3.6");
    assert_eq!(kept.complaints(&compilation(SAMPLE)), [""; 0]);
    assert_eq!(Kept::read("# Performance\n"), None);
}

#[test]
fn worse_figures_are_named() {
    let kept = table();
    let accept = "run `cargo xtask isa --keep` to accept";
    for (from, to, message) in [
        ("\nVGPRs: 16", "\nVGPRs: 24", "more vector registers: kept 16, fresh 24"),
        ("Spilled VGPRs: 0", "Spilled VGPRs: 2", "registers spill: kept 0, fresh 2"),
        ("SIMD: 32", "SIMD: 20", "fewer waves: kept 32, fresh 20"),
        ("LDS size: 0", "LDS size: 512", "more bytes of workgroup memory: kept 0, fresh 512"),
        (
            "v_fmac_f32_e32 v1, v11, v11",
            "v_mul_f32_e32 v1, v11, v11",
            "fewer multiply-adds in the loop: kept 22.2 %, fresh 16.7 %",
        ),
    ] {
        let worse = compilation(&SAMPLE.replace(from, to));
        assert_eq!(kept.complaints(&worse), [format!("start.serial: {message}; {accept}")]);
        // And better ones are not.
        let kept = Kept::read(&kept::renewed("", &worse)).unwrap();
        assert_eq!(kept.complaints(&compilation(SAMPLE)), [""; 0]);
    }
}

#[test]
fn another_driver_may_allot_registers_differently() {
    let mut fresh = compilation(&SAMPLE.replace("\nVGPRs: 16", "\nVGPRs: 64"));
    fresh.driver = "Mesa 25.0.7".into();
    assert_eq!(table().complaints(&fresh), [""; 0]);
    fresh.kernels[0].spilled_sgprs = 1;
    assert_eq!(table().complaints(&fresh).len(), 1, "but spills are spills");
}

#[test]
fn new_kernels_and_gone_ones_are_named() {
    let mut fresh = compilation(SAMPLE);
    fresh.kernels[0].name = "start.parallel".into();
    let complaints = table().complaints(&fresh);
    assert!(complaints[0].starts_with("start.parallel: not in the kept table;"), "{complaints:?}");
    assert!(complaints[1].starts_with("start.serial: in the kept table, but no such kernel;"));
}
