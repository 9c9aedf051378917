//! Every kernel with every set of constants: valid, portable, and as the house wants it.

use attractor::gpu::shader::{Extras, variants, workgroup_bytes};
use naga::{
    Module, ShaderStage,
    valid::{Capabilities, ModuleInfo, ValidationFlags, Validator},
};
use rayon::prelude::*;
use std::sync::OnceLock;

/// A kernel as naga reads it.
pub(crate) struct Kernel {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) module: Module,
    pub(crate) info: ModuleInfo,
}

/// Those of all [`sources`], read and validated once for all tests that look at them.
pub(crate) fn kernels() -> &'static [Kernel] {
    static ALL: OnceLock<Vec<Kernel>> = OnceLock::new();
    ALL.get_or_init(|| {
        let kernel = |(name, source): (String, String)| {
            let (module, info) = parsed(&name, &source);
            Kernel { name, source, module, info }
        };
        sources().collect::<Vec<_>>().into_par_iter().map(kernel).collect()
    })
}

pub(crate) fn parsed(name: &str, source: &str) -> (Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(source)));
    // `unpack2x16float` is core WGSL; its capability stands for drivers that lack it. The others are the
    // extras.
    let capabilities = Capabilities::SHADER_FLOAT16_IN_FLOAT32
        | Capabilities::SHADER_FLOAT16
        | Capabilities::SUBGROUP
        | Capabilities::IMMEDIATES;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(source)));
    (module, info)
}

const EXTRAS: Extras = Extras { immediates: true, subgroups: true, octets: false, native_f16: true };

/// Every variant for an adapter that offers nothing beyond the core, for one that offers all, and where it makes a
/// difference for one whose subgroups always have eight invocations.
fn sources() -> impl Iterator<Item = (String, String)> {
    variants().unwrap().values().flat_map(|variant| {
        let source = |extras| variant.source_for(extras).unwrap();
        let (extras, octets) = (source(EXTRAS), source(Extras { octets: true, ..EXTRAS }));
        let octets = Some(octets).filter(|octets| *octets != extras);
        let kinds =
            [("plain", Some(source(Extras::default()))), ("extras", Some(extras)), ("octets", octets)];
        let named =
            |(kind, source): (&str, Option<String>)| Some((format!("{} {kind}", variant.name), source?));
        kinds.into_iter().filter_map(named)
    })
}

#[test]
fn every_variant_is_valid() {
    for Kernel { name, module, .. } in kernels() {
        let entry = &module.entry_points[0];
        assert_eq!((entry.name.as_str(), entry.stage), ("main", ShaderStage::Compute), "{name}");
    }
}

/// What WebGPU promises on every adapter: 8 storage buffers, 16 KiB of workgroup memory, 256
/// invocations.
#[test]
fn every_variant_keeps_to_the_default_limits() {
    for Kernel { name, source, module, .. } in kernels() {
        let Some(name) = name.strip_suffix(" plain") else { continue };
        let storage = module
            .global_variables
            .iter()
            .filter(|(_, v)| matches!(v.space, naga::AddressSpace::Storage { .. }))
            .count();
        assert!(storage <= 8, "{name}: {storage} storage buffers");
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let shared: u32 = module
            .global_variables
            .iter()
            .filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup)
            .map(|(_, v)| layouter[v.ty].size.next_multiple_of(16))
            .sum();
        assert_eq!(workgroup_bytes(source), shared, "{name}: workgroup memory");
        // Kernels that want more are chosen only where there is more.
        let large = ["step.", "features.fused.", "features.generated."];
        let large = name.ends_with(".large") || large.iter().any(|family| name.starts_with(family));
        let most = if large { 22_528 } else { 16_352 };
        assert!(shared <= most, "{name}: {shared} bytes of workgroup memory");
        let [x, y, z] = module.entry_points[0].workgroup_size;
        assert!(x * y * z <= 256 && z <= 64, "{name}: {x} x {y} x {z} invocations");
        // Parameters are 16 words at most.
        for (_, v) in module.global_variables.iter().filter(|(_, v)| v.space == naga::AddressSpace::Uniform) {
            assert!(layouter[v.ty].size <= 64, "{name}");
        }
    }
}

/// A barrier that some invocations do not reach is undefined, and drivers do not tell.
#[test]
fn no_barrier_stands_in_a_branch_or_behind_a_return() {
    fn barriers(block: &naga::Block, in_branch: bool, seen_return: &mut bool, name: &str) {
        for statement in block {
            match statement {
                naga::Statement::ControlBarrier(_) => {
                    assert!(!in_branch && !*seen_return, "{name}: a barrier in a branch or behind a return");
                }
                naga::Statement::Return { .. } => *seen_return = true,
                naga::Statement::If { accept, reject, .. } => {
                    // The test of a loop is an `if` that holds a lone `break`; it is uniform here.
                    let leaves =
                        |b: &naga::Block| b.iter().any(|s| matches!(s, naga::Statement::Return { .. }));
                    barriers(accept, true, &mut false, name);
                    barriers(reject, true, &mut false, name);
                    *seen_return |= leaves(accept) || leaves(reject);
                }
                naga::Statement::Switch { cases, .. } => {
                    cases.iter().for_each(|c| barriers(&c.body, true, &mut false, name));
                }
                naga::Statement::Loop { body, continuing, .. } => {
                    barriers(body, in_branch, seen_return, name);
                    barriers(continuing, in_branch, seen_return, name);
                }
                naga::Statement::Block(inner) => barriers(inner, in_branch, seen_return, name),
                _ => {}
            }
        }
    }
    for Kernel { name, source, module, .. } in kernels() {
        assert!(!source.contains("enable subgroups"), "{name}");
        for (_, function) in module.functions.iter() {
            barriers(&function.body, false, &mut false, name);
        }
        barriers(&module.entry_points[0].function.body, false, &mut false, name);
    }
}

/// Sums and extremes over a subgroup, and which and how many there are, mean the same for subgroups of 4 and of 128
/// invocations, full or not.
#[test]
fn subgroups_may_have_any_size() {
    let mut found = 0;
    for (name, source) in sources().filter(|(name, _)| !name.ends_with(" octets")) {
        let words = source.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let of_subgroups = words.filter(|word| {
            let after = word.strip_prefix("subgroup").unwrap_or_default();
            after.starts_with(|c: char| c.is_ascii_uppercase())
                || after == "_size"
                || after == "_invocation_id"
        });
        for word in of_subgroups {
            assert!(["subgroupAdd", "subgroupMax", "subgroupMin"].contains(&word), "{name}: {word}");
            assert!(name.ends_with(" extras"), "{name}: {word}");
            found += 1;
        }
    }
    assert!(found > 0);
}

/// Compilers take `v != v` for false and `v - v` for 0: a NaN is told by its bits (`shared/numbers.wgsl`).
#[test]
fn no_number_is_compared_with_itself() {
    use naga::{BinaryOperator as Op, Expression};

    fn found(module: &Module) -> usize {
        let functions = module.functions.iter().map(|(_, f)| f);
        let all = functions.chain(module.entry_points.iter().map(|e| &e.function));
        all.map(|function| {
            let of = |handle| &function.expressions[handle];
            // The same value, or the same place read twice.
            let same = |a, b| {
                let place = |e: &Expression| match e {
                    Expression::Load { pointer } => Some(*pointer),
                    _ => None,
                };
                a == b || place(of(a)).is_some_and(|p| place(of(b)) == Some(p))
            };
            let with_itself = |e: &Expression| match e {
                Expression::Binary {
                    op: Op::Equal | Op::NotEqual | Op::Subtract | Op::Divide,
                    left,
                    right,
                } => same(*left, *right),
                _ => false,
            };
            function.expressions.iter().filter(|(_, e)| with_itself(e)).count()
        })
        .sum()
    }

    for Kernel { name, source, module, .. } in kernels() {
        assert!(!source.contains("isNan") && !source.contains("isInf"), "{name}");
        assert_eq!(found(module), 0, "{name}: a value is compared with itself");
    }
    // That it would be found.
    let kernel = |test: &str| {
        let source = format!(
            "@group(0) @binding(0) var<storage, read_write> x: array<f32>;
            @compute @workgroup_size(1) fn main() {{ let v = x[0]; var w = v; x[1] = f32({test}); }}"
        );
        parsed("a kernel", &source).0
    };
    for test in ["v != v", "w != w", "v - v", "w == w"] {
        assert_eq!(found(&kernel(test)), 1, "{test}");
    }
    assert_eq!(found(&kernel("v != w")), 0);
}
