//! Compiled kernels, each made once per device.
//!
//! Kernels are built without wgpu's bounds checks and loop counters unless the device was opened with
//! [`Options::checked`](super::Options): those checks cost a third of the multiply-add rate of a
//! tiled matrix product. This is the one place that trusts the shaders: they guard their own edges,
//! and the tests run every kernel both ways.

use super::shader::{self, Extras};
use crate::{Error, Result};
use wgpu::{
    BindGroupLayout, BindGroupLayoutDescriptor, BindGroupLayoutEntry, BindingType, BufferBindingType,
    ComputePipeline, ComputePipelineDescriptor, Device, PipelineCompilationOptions, PipelineLayoutDescriptor,
    ShaderModuleDescriptor, ShaderSource, ShaderStages,
};

/// Bytes of a kernel's parameters: 16 words, whatever it uses of them.
pub(super) const PARAMETER_BYTES: u64 = 64;

/// A compiled kernel.
pub(super) struct Pipeline {
    pub(super) template: &'static str,
    pub(super) raw: ComputePipeline,
    pub(super) layout: BindGroupLayout,
    /// For each storage buffer: whether the kernel writes to it.
    pub(super) writes: Vec<bool>,
}

impl Pipeline {
    /// Compiles a variant that has `memory` bytes of workgroup memory. Faults are told to the caller: see `Context::guarded`.
    pub(super) fn new(
        device: &Device,
        name: &str,
        checked: bool,
        extras: Extras,
        memory: u32,
    ) -> Result<Self> {
        let variant = shader::variants()?.get(name).ok_or_else(|| Error::Shader {
            file: "permutations".into(),
            line: 0,
            message: format!("there is no variant {name}"),
        })?;
        let source = variant.source_for(extras)?;
        // wgpu does not look at this limit, and what drivers do beyond it is theirs to say.
        let wants = shader::workgroup_bytes(&source);
        if wants > memory {
            let message =
                format!("it wants {wants} bytes of workgroup memory, the limit of this device is {memory}");
            return Err(Error::Gpu { what: format!("kernel {name}"), message });
        }
        let entry = |binding: u32, ty: BufferBindingType, dynamic: bool| BindGroupLayoutEntry {
            binding,
            visibility: ShaderStages::COMPUTE,
            ty: BindingType::Buffer { ty, has_dynamic_offset: dynamic, min_binding_size: None },
            count: None,
        };
        let mut entries = Vec::new();
        if !extras.immediates {
            entries.push(entry(0, BufferBindingType::Uniform, true));
        }
        let writes = shader::storage_bindings(&source);
        for (i, written) in writes.iter().enumerate() {
            entries.push(entry(i as u32 + 1, BufferBindingType::Storage { read_only: !written }, false));
        }
        let descriptor =
            ShaderModuleDescriptor { label: Some(name), source: ShaderSource::Wgsl(source.into()) };
        let module = if checked {
            device.create_shader_module(descriptor)
        } else {
            #[allow(unsafe_code, reason = "unchecked shaders are an unsafe call in wgpu")]
            // SAFETY: all loops are bounded by parameters that the host keeps below `MAX_TRIPS`,
            // kernels test their indices against the shapes they are given, and the host binds
            // buffers of those shapes. The test suite runs every kernel with the checks on as well.
            unsafe {
                device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
            }
        };
        let layout = device
            .create_bind_group_layout(&BindGroupLayoutDescriptor { label: Some(name), entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&PipelineLayoutDescriptor {
            label: Some(name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: if extras.immediates { PARAMETER_BYTES as u32 } else { 0 },
        });
        let raw = device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: PipelineCompilationOptions {
                // Kernels write workgroup memory before they read it.
                zero_initialize_workgroup_memory: checked,
                ..PipelineCompilationOptions::default()
            },
            cache: None,
        });
        Ok(Self { template: variant.template(), raw, layout, writes })
    }
}
