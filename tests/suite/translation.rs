//! Every kernel in the four languages that drivers read, written with the settings of wgpu's back ends, and looked at by
//! the tools of those languages where there are some: `spirv-val` (Debian: spirv-tools) for SPIR-V, `glslangValidator`
//! (Debian: glslang-tools) for GLSL and HLSL.
//!
//! The ordinary run makes two translations of each kernel to each language, as it is without runtime checks and with them, and
//! puts the former before the tools; `ATTRACTOR_TRANSLATIONS=all` makes all there are, and puts all before them.

use super::shaders::{Kernel, kernels};
use naga::{
    AddressSpace, Module, ShaderStage, StorageAccess,
    back::{glsl, hlsl, msl, spv},
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
};
use rayon::prelude::*;
use std::{
    io::Write,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

impl Kernel {
    /// Made for adapters that offer something beyond the core.
    fn extras(&self) -> bool {
        !self.name.ends_with(" plain")
    }

    /// Values of a 16-bit type.
    fn f16(&self) -> bool {
        self.module.types.iter().any(|(_, ty)| ty.inner.scalar_width() == Some(2))
    }

    fn subgroups(&self) -> bool {
        self.source.contains("subgroup_id") || self.source.contains("subgroupAdd(")
    }
}

/// Whether everything is to be tried.
fn all() -> bool {
    std::env::var("ATTRACTOR_TRANSLATIONS").is_ok_and(|v| v == "all")
}

/// Versions of a language without runtime checks and with them: all of both, or the first without and the last with.
fn versions<T: Copy>(of: &[T]) -> Vec<(T, bool)> {
    let checked = |checked: bool| of.iter().map(move |version| (*version, checked));
    match all() {
        true => checked(false).chain(checked(true)).collect(),
        false => checked(false).take(1).chain(checked(true).skip(of.len() - 1)).collect(),
    }
}

/// A program that looks at translations.
struct Tool {
    program: &'static str,
    package: &'static str,
    seen: AtomicUsize,
    faults: Mutex<Vec<String>>,
}

impl Tool {
    fn new(program: &'static str, package: &'static str) -> Self {
        Self { program, package, seen: AtomicUsize::new(0), faults: Mutex::default() }
    }

    /// Gives it a translation; where it is missing, there must be no need of it.
    fn look(&self, arguments: &[&str], text: &[u8], kernel: &str, checked: bool) {
        if checked && !all() {
            return;
        }
        let child = Command::new(self.program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => {
                let required = std::env::var("ATTRACTOR_REQUIRE_GPU").is_ok_and(|v| v == "1");
                let Self { program, package, .. } = self;
                assert!(
                    !required,
                    "ATTRACTOR_REQUIRE_GPU=1, but {program}: {error}; it is in Debian's {package}"
                );
                return;
            }
        };
        // A tool that stops before it has read all says why on its way out.
        let _ = child.stdin.take().unwrap().write_all(text);
        let output = child.wait_with_output().unwrap();
        self.seen.fetch_add(1, Ordering::Relaxed);
        if !output.status.success() {
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            let fault = format!("{kernel} ({}): {}", arguments.join(" "), said.trim());
            self.faults.lock().unwrap().push(fault);
        }
    }

    /// Fails where it has found anything; else says how much it has seen of what was written.
    fn report(self, language: &str, written: usize) {
        let (seen, faults) = (self.seen.into_inner(), self.faults.into_inner().unwrap());
        assert!(faults.is_empty(), "{} of {seen}:\n{}", faults.len(), faults.join("\n"));
        println!("translations: {language}: {written} written, {seen} seen by {}", self.program);
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
    if kernel.extras() {
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
    let targets =
        [("vulkan1.1", (1, 3)), ("vulkan1.0", (1, 0)), ("vulkan1.2", (1, 5)), ("vulkan1.3", (1, 6))];
    let (written, tool) = (AtomicUsize::new(0), Tool::new("spirv-val", "spirv-tools"));
    kernels().par_iter().for_each(|kernel| {
        // Subgroups came with Vulkan 1.1: wgpu offers none of the extras below it.
        let fits = |version| !kernel.extras() || version > (1, 0);
        for ((environment, version), checked) in versions(&targets).into_iter().filter(|((_, v), _)| fits(*v))
        {
            let words = spirv(kernel, version, checked);
            assert!(words.len() > 100, "{}", kernel.name);
            written.fetch_add(1, Ordering::Relaxed);
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            tool.look(&["--target-env", environment, "-"], &bytes, &kernel.name, checked);
        }
    });
    tool.report("SPIR-V", written.into_inner());
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
        for (version, checked) in versions(&[(2, 3), (3, 1)]) {
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
    let (written, tool) = (AtomicUsize::new(0), Tool::new("glslangValidator", "glslang-tools"));
    kernels().par_iter().for_each(|kernel| {
        // The older compiler knows neither subgroups nor f16; wgpu offers both from the model that has them.
        let oldest = if kernel.extras() { hlsl::ShaderModel::V6_2 } else { hlsl::ShaderModel::V5_1 };
        for (model, checked) in versions(&[oldest, hlsl::ShaderModel::V6_6]) {
            written.fetch_add(1, Ordering::Relaxed);
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
            // glslang reads the older models, but for arrays of zeros as naga writes them.
            if !kernel.extras() && model == oldest && !text.contains("])0") {
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
                tool.look(&arguments, text.as_bytes(), &kernel.name, checked);
            }
        }
    });
    tool.report("HLSL", written.into_inner());
}

/// GLSL has no 16-bit floats: the kernels that have them are those that cannot be written, and no others.
#[test]
fn glsl_is_valid_where_there_is_one() {
    // Before 4.5, `mix` does not choose between whole numbers.
    let both = [("310 es", glsl::Version::new_gles(310)), ("450", glsl::Version::Desktop(450))];
    let (written, tool) = (AtomicUsize::new(0), Tool::new("glslangValidator", "glslang-tools"));
    kernels().par_iter().for_each(|kernel| {
        for ((name, version), checked) in versions(&both) {
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
            assert_eq!(result.is_err(), kernel.f16(), "{}: GLSL {name}: {:?}", kernel.name, result.err());
            if kernel.f16() {
                continue;
            }
            written.fetch_add(1, Ordering::Relaxed);
            assert!(text.starts_with(&format!("#version {name}")), "{}", kernel.name);
            // glslang has subgroups for SPIR-V alone, and for that it wants places for uniforms, which naga leaves to OpenGL.
            if !kernel.subgroups() {
                tool.look(&["--stdin", "-S", "comp"], text.as_bytes(), &kernel.name, checked);
            }
        }
    });
    tool.report("GLSL", written.into_inner());
}
