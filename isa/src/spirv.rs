//! WGSL to SPIR-V, as `wgpu` does it for a trusted module: the driver gets here what it gets from the
//! engine (`src/device/pipeline.rs`).

use naga::{
    AddressSpace, ShaderStage,
    back::spv,
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
    valid::{Capabilities, ValidationFlags, Validator},
};

/// The entry point of every kernel.
pub(crate) const ENTRY: &str = "main";

/// A kernel as the driver takes it.
pub(crate) struct Module {
    pub(crate) words: Vec<u32>,
    /// Bindings of group 0, and whether each is the uniform one.
    pub(crate) bindings: Vec<(u32, bool)>,
}

/// Translates a kernel: no bounds checks, no loop counters, no checks of divisors, no zeroed
/// workgroup memory.
pub(crate) fn from_wgsl(source: &str, version: (u8, u8)) -> Result<Module, String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::all())
        .validate(&module)
        .map_err(|e| e.emit_to_string(source))?;
    let unchecked = BoundsCheckPolicy::Unchecked;
    let options = spv::Options {
        lang_version: version,
        flags: spv::WriterFlags::empty(),
        bounds_check_policies: BoundsCheckPolicies {
            index: unchecked,
            buffer: unchecked,
            image_load: unchecked,
            binding_array: unchecked,
        },
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        emit_int_div_checks: false,
        use_storage_input_output_16: false,
        // Which is to say: number bindings as the source does.
        fake_missing_bindings: true,
        ..spv::Options::default()
    };
    let pipeline = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: ENTRY.into() };
    let words =
        spv::write_vec(&module, &info, &options, Some(&pipeline)).map_err(|error| error.to_string())?;
    let bindings = module
        .global_variables
        .iter()
        .filter_map(|(_, v)| Some((v.binding.as_ref()?.binding, v.space == AddressSpace::Uniform)))
        .collect();
    Ok(Module { words, bindings })
}
