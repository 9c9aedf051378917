//! Every kernel in the four languages that drivers read, written with the settings of wgpu's back ends, and looked at by
//! the tools of those languages where there are some: `spirv-val` (Debian: spirv-tools) for SPIR-V, `glslangValidator`
//! (Debian: glslang-tools) for GLSL and HLSL.
//!
//! The ordinary run puts one translation of each kernel before each tool; `ATTRACTOR_TRANSLATIONS=all` all of them.

use super::shaders::{parsed, sources};
use naga::{
    AddressSpace, Module, ShaderStage, StorageAccess,
    back::{glsl, hlsl, msl, spv},
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
    valid::ModuleInfo,
};
use rayon::prelude::*;
use std::{
    io::Write,
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

/// A kernel, ready to be translated.
struct Kernel {
    name: String,
    module: Module,
    info: ModuleInfo,
    /// Made for adapters that offer something beyond the core.
    extras: bool,
    /// Values of the type f16.
    f16: bool,
    subgroups: bool,
}

fn kernels() -> Vec<Kernel> {
    let kernel = |(name, source): (String, String)| {
        let (module, info) = parsed(&name, &source);
        let subgroups = source.contains("subgroup_id") || source.contains("subgroupAdd(");
        Kernel {
            extras: !name.ends_with(" plain"),
            f16: source.contains("enable f16;"),
            subgroups,
            name,
            module,
            info,
        }
    };
    sources().collect::<Vec<_>>().into_par_iter().map(kernel).collect()
}

/// Whether every translation goes to the tools.
fn all() -> bool {
    std::env::var("ATTRACTOR_TRANSLATIONS").is_ok_and(|v| v == "all")
}

/// Gives a translation to a tool, which must be content with it. Gives false where the tool is missing and may be.
fn content(tool: &str, package: &str, arguments: &[&str], text: &[u8], name: &str) -> bool {
    let child = Command::new(tool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            let required = std::env::var("ATTRACTOR_REQUIRE_GPU").is_ok_and(|v| v == "1");
            assert!(!required, "ATTRACTOR_REQUIRE_GPU=1, but {tool}: {error}; it is in Debian's {package}");
            return false;
        }
    };
    // A tool that stops before it has read all says why on its way out.
    let _ = child.stdin.take().unwrap().write_all(text);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{name}: {tool} {}: {}\n{}",
        arguments.join(" "),
        String::from_utf8_lossy(&said),
        if text.is_ascii() { String::from_utf8_lossy(text) } else { "".into() },
    );
    true
}

/// Says how many translations a tool has seen.
fn report(language: &str, tool: &str, written: usize, seen: &AtomicUsize) {
    let seen = seen.load(Ordering::Relaxed);
    println!("translations: {language}: {written} written, {seen} seen by {tool}");
    if seen == 0 {
        eprintln!("skipping {tool}: it is not installed");
    }
}

const UNCHECKED: BoundsCheckPolicies = BoundsCheckPolicies {
    index: BoundsCheckPolicy::Unchecked,
    buffer: BoundsCheckPolicy::Unchecked,
    image_load: BoundsCheckPolicy::Unchecked,
    binding_array: BoundsCheckPolicy::Unchecked,
};

fn policies(checked: bool) -> BoundsCheckPolicies {
    let policy = if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    BoundsCheckPolicies { index: policy, buffer: policy, image_load: policy, ..UNCHECKED }
}

/// As `wgpu_hal::vulkan` writes it for a device of this version of Vulkan.
fn spirv(kernel: &Kernel, version: (u8, u8), checked: bool) -> Vec<u32> {
    let mut capabilities = vec![spv::Capability::Shader, spv::Capability::Matrix];
    if kernel.extras {
        capabilities.extend([
            spv::Capability::GroupNonUniform,
            spv::Capability::GroupNonUniformVote,
            spv::Capability::GroupNonUniformArithmetic,
            spv::Capability::GroupNonUniformBallot,
            spv::Capability::GroupNonUniformShuffle,
            spv::Capability::GroupNonUniformShuffleRelative,
            spv::Capability::GroupNonUniformQuad,
            spv::Capability::Float16,
        ]);
    }
    let zero = match (checked, version >= (1, 6)) {
        (false, _) => spv::ZeroInitializeWorkgroupMemoryMode::None,
        (true, true) => spv::ZeroInitializeWorkgroupMemoryMode::Native,
        (true, false) => spv::ZeroInitializeWorkgroupMemoryMode::Polyfill,
    };
    let options = spv::Options {
        lang_version: version,
        flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
        capabilities: Some(capabilities.into_iter().collect()),
        bounds_check_policies: policies(checked),
        zero_initialize_workgroup_memory: zero,
        force_loop_bounding: checked,
        emit_int_div_checks: checked,
        ..spv::Options::default()
    };
    let entry = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: "main".into() };
    spv::write_vec(&kernel.module, &kernel.info, &options, Some(&entry))
        .unwrap_or_else(|e| panic!("{}: SPIR-V {version:?}: {e}", kernel.name))
}

#[test]
fn spirv_is_valid() {
    // Vulkan, its SPIR-V, and whether the ordinary run looks at it, without checks and with.
    let targets = [
        ("vulkan1.0", (1, 0), [false, false]),
        ("vulkan1.1", (1, 3), [true, false]),
        ("vulkan1.2", (1, 5), [false, false]),
        ("vulkan1.3", (1, 6), [false, true]),
    ];
    let (written, seen) = (AtomicUsize::new(0), AtomicUsize::new(0));
    kernels().par_iter().for_each(|kernel| {
        for (environment, version, ordinary) in targets {
            // Subgroups came with Vulkan 1.1: wgpu offers none of the extras below it.
            for checked in [false, true].into_iter().filter(|_| !kernel.extras || version > (1, 0)) {
                let words = spirv(kernel, version, checked);
                assert!(words.len() > 100, "{}", kernel.name);
                written.fetch_add(1, Ordering::Relaxed);
                if all() || ordinary[usize::from(checked)] {
                    let arguments = ["--target-env", environment, "-"];
                    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                    let ok = content("spirv-val", "spirv-tools", &arguments, &bytes, &kernel.name);
                    seen.fetch_add(usize::from(ok), Ordering::Relaxed);
                }
            }
        }
    });
    report("SPIR-V", "spirv-val", written.into_inner(), &seen);
}

/// The slots that `wgpu_hal::metal` gives to the buffers of a kernel.
fn slots(module: &Module) -> msl::EntryPointResources {
    let mut resources = msl::EntryPointResources {
        immediates_buffer: Some(0),
        sizes_buffer: Some(1),
        ..msl::EntryPointResources::default()
    };
    let bound = module.global_variables.iter().filter_map(|(_, v)| Some((v.binding?, v.space)));
    for (slot, (binding, space)) in bound.enumerate() {
        let written =
            matches!(space, AddressSpace::Storage { access } if access.contains(StorageAccess::STORE));
        let target =
            msl::BindTarget { buffer: Some(slot as u8 + 2), mutable: written, ..msl::BindTarget::default() };
        resources.resources.insert(binding, target);
    }
    resources
}

#[test]
fn metal_is_written() {
    kernels().par_iter().for_each(|kernel| {
        for (version, checked) in [((2, 3), false), ((2, 3), true), ((3, 1), false), ((3, 1), true)] {
            let entry = Some((ShaderStage::Compute, "main".to_owned()));
            let options = msl::Options {
                lang_version: version,
                fake_missing_bindings: false,
                per_entry_point_map: [("main".to_owned(), slots(&kernel.module))].into_iter().collect(),
                bounds_check_policies: policies(checked),
                zero_initialize_workgroup_memory: checked,
                force_loop_bounding: checked,
                emit_int_div_checks: checked,
                ..msl::Options::default()
            };
            let pipeline = msl::PipelineOptions { entry_point: entry, ..msl::PipelineOptions::default() };
            let (text, info) = msl::write_string(&kernel.module, &kernel.info, &options, &pipeline)
                .unwrap_or_else(|e| panic!("{}: Metal {version:?}: {e}", kernel.name));
            assert!(text.contains("kernel void main_("), "{}", kernel.name);
            assert!(info.entry_point_names.iter().all(Result::is_ok), "{}", kernel.name);
        }
    });
}

#[test]
fn direct3d_is_written() {
    let seen = AtomicUsize::new(0);
    let all_kernels = kernels();
    all_kernels.par_iter().for_each(|kernel| {
        // The older compiler knows neither subgroups nor f16; wgpu offers both from the model that has them.
        let oldest = if kernel.extras { hlsl::ShaderModel::V6_2 } else { hlsl::ShaderModel::V5_1 };
        for (model, checked) in [
            (oldest, false),
            (oldest, true),
            (hlsl::ShaderModel::V6_6, false),
            (hlsl::ShaderModel::V6_6, true),
        ] {
            let mut options = hlsl::Options {
                shader_model: model,
                fake_missing_bindings: false,
                zero_initialize_workgroup_memory: checked,
                restrict_indexing: checked,
                force_loop_bounding: checked,
                immediates_target: Some(hlsl::BindTarget { space: 1, ..hlsl::BindTarget::default() }),
                ..hlsl::Options::default()
            };
            for (_, variable) in kernel.module.global_variables.iter() {
                if let Some(binding) = variable.binding {
                    let target = hlsl::BindTarget {
                        register: binding.binding,
                        restrict_indexing: checked,
                        ..hlsl::BindTarget::default()
                    };
                    options.binding_map.insert(binding, target);
                }
            }
            let mut text = String::new();
            let entry = Some((ShaderStage::Compute, "main".to_owned()));
            hlsl::Writer::new(&mut text, &options, &hlsl::PipelineOptions { entry_point: entry })
                .write(&kernel.module, &kernel.info, None)
                .unwrap_or_else(|e| panic!("{}: HLSL {model:?}: {e}", kernel.name));
            assert!(text.contains("[numthreads("), "{}", kernel.name);
            // glslang's reader of HLSL stops at the older models.
            if !kernel.extras && model == oldest && (all() || !checked) {
                let arguments = [
                    "--stdin",
                    "-D",
                    "-S",
                    "comp",
                    "-e",
                    "main",
                    "--target-env",
                    "vulkan1.1",
                    "-o",
                    "/dev/null",
                ];
                let ok =
                    content("glslangValidator", "glslang-tools", &arguments, text.as_bytes(), &kernel.name);
                seen.fetch_add(usize::from(ok), Ordering::Relaxed);
            }
        }
    });
    report("HLSL", "glslangValidator", 4 * all_kernels.len(), &seen);
}

/// GLSL has no 16-bit floats: the kernels that have them are those that cannot be written, and no others.
#[test]
fn glsl_is_valid_where_there_is_one() {
    let versions = [("310 es", glsl::Version::new_gles(310)), ("430", glsl::Version::Desktop(430))];
    let (written, seen) = (AtomicUsize::new(0), AtomicUsize::new(0));
    kernels().par_iter().for_each(|kernel| {
        for ((name, version), checked) in versions.into_iter().flat_map(|v| [(v, false), (v, true)]) {
            let mut options = glsl::Options {
                version,
                zero_initialize_workgroup_memory: checked,
                ..glsl::Options::default()
            };
            for (_, variable) in kernel.module.global_variables.iter() {
                if let Some(binding) = variable.binding {
                    options.binding_map.insert(binding, binding.binding as u8);
                }
            }
            let entry = glsl::PipelineOptions {
                shader_stage: ShaderStage::Compute,
                entry_point: "main".into(),
                multiview: None,
            };
            let mut text = String::new();
            let result =
                glsl::Writer::new(&mut text, &kernel.module, &kernel.info, &options, &entry, policies(false))
                    .and_then(|mut writer| writer.write());
            assert_eq!(result.is_err(), kernel.f16, "{}: GLSL {name}: {:?}", kernel.name, result.err());
            if kernel.f16 {
                continue;
            }
            written.fetch_add(1, Ordering::Relaxed);
            assert!(text.starts_with(&format!("#version {name}")), "{}", kernel.name);
            if (all() || !checked) && !kernel.subgroups {
                let arguments = ["--stdin", "-S", "comp"];
                let ok =
                    content("glslangValidator", "glslang-tools", &arguments, text.as_bytes(), &kernel.name);
                seen.fetch_add(usize::from(ok), Ordering::Relaxed);
            }
        }
    });
    report("GLSL", "glslangValidator", written.into_inner(), &seen);
}
