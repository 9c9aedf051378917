//! Every kernel with every set of constants: valid, portable, and as the house wants it.

use attractor::gpu::shader::{Extras, variants};
use naga::{
    ShaderStage,
    back::{hlsl, msl, spv},
    proc::BoundsCheckPolicies,
    valid::{Capabilities, ModuleInfo, ValidationFlags, Validator},
};

fn parsed(name: &str, source: &str) -> (naga::Module, ModuleInfo) {
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

/// Every variant for an adapter that offers nothing beyond the core, and for one that offers all.
fn sources() -> impl Iterator<Item = (String, String)> {
    let all = Extras { immediates: true, subgroups: true, octets: true, native_f16: true };
    variants().unwrap().values().flat_map(move |variant| {
        [("plain", Extras::default()), ("extras", all)]
            .map(|(kind, extras)| (format!("{} {kind}", variant.name), variant.source_for(extras).unwrap()))
    })
}

#[test]
fn every_variant_is_valid_and_translates() {
    for (name, source) in sources() {
        let name = &name;
        let (module, info) = parsed(name, &source);
        let entry = &module.entry_points[0];
        assert_eq!((entry.name.as_str(), entry.stage), ("main", ShaderStage::Compute), "{name}");

        let options = spv::Options { lang_version: (1, 3), ..spv::Options::default() };
        let words = spv::write_vec(&module, &info, &options, None).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(words.len() > 100, "{name}");

        let options = msl::Options {
            lang_version: (2, 3),
            fake_missing_bindings: true,
            bounds_check_policies: BoundsCheckPolicies::default(),
            ..msl::Options::default()
        };
        let (text, _) = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(text.contains("kernel"), "{name}");

        let options = hlsl::Options {
            fake_missing_bindings: true,
            shader_model: hlsl::ShaderModel::V6_2,
            immediates_target: Some(hlsl::BindTarget::default()),
            ..hlsl::Options::default()
        };
        let mut text = String::new();
        hlsl::Writer::new(&mut text, &options, &hlsl::PipelineOptions::default())
            .write(&module, &info, None)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(text.contains("numthreads"), "{name}");
    }
}

/// What WebGPU promises on every adapter: 8 storage buffers, 16 KiB of workgroup memory, 256
/// invocations.
#[test]
fn every_variant_keeps_to_the_default_limits() {
    for variant in variants().unwrap().values() {
        let name = &variant.name;
        let (module, _) = parsed(name, &variant.source().unwrap());
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
            .map(|(_, v)| layouter[v.ty].size)
            .sum();
        // Kernels that want more are chosen only where there is more.
        let large = ["step.", "features.fused.", "features.generated."];
        let large = name.ends_with(".large") || large.iter().any(|family| name.starts_with(family));
        let most = if large { 22_528 } else { 16_352 };
        assert!(shared <= most, "{name}: {shared} bytes of workgroup memory");
        let [x, y, z] = module.entry_points[0].workgroup_size;
        assert!(x * y * z <= 256, "{name}: {x} x {y} x {z} invocations");
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
    for (name, source) in sources() {
        assert!(!source.contains("enable subgroups"), "{name}");
        let (module, _) = parsed(&name, &source);
        for (_, function) in module.functions.iter() {
            barriers(&function.body, false, &mut false, &name);
        }
        barriers(&module.entry_points[0].function.body, false, &mut false, &name);
    }
}

/// Compilers take `v != v` for false and `v - v` for 0: a NaN is told by its bits (`numbers.wgsl`).
#[test]
fn no_number_is_compared_with_itself() {
    use naga::{BinaryOperator as Op, Expression};

    fn found(source: &str) -> usize {
        let (module, _) = parsed("a kernel", source);
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

    for (name, source) in sources() {
        assert!(!source.contains("isNan") && !source.contains("isInf"), "{name}");
        assert_eq!(found(&source), 0, "{name}: a value is compared with itself");
    }
    // That it would be found.
    let kernel = |test: &str| {
        format!(
            "@group(0) @binding(0) var<storage, read_write> x: array<f32>;
            @compute @workgroup_size(1) fn main() {{ let v = x[0]; var w = v; x[1] = f32({test}); }}"
        )
    };
    for test in ["v != v", "w != w", "v - v", "w == w"] {
        assert_eq!(found(&kernel(test)), 1, "{test}");
    }
    assert_eq!(found(&kernel("v != w")), 0);
}
