//! The Vulkan driver that compiles. It is called in a process of its own (see [`crate::radv`]), since
//! it writes what it compiles to standard error.

#![allow(unsafe_code, reason = "Vulkan is a C interface")]

use crate::spirv::{self, Module};
use ash::{Device, Entry, Instance, vk};
use std::ffi::CStr;

/// The immediates that every RADV device offers, in bytes.
const IMMEDIATES: u32 = 128;

/// A driver ready to compile kernels. It runs none, and needs no GPU for that.
pub(crate) struct Driver {
    // Everything behind `device` belongs to libraries that have to stay loaded.
    _entry: Entry,
    instance: Instance,
    device: Device,
    /// What the driver calls itself, as `Mesa 22.3.6`.
    pub(crate) version: String,
    spirv_version: (u8, u8),
}

impl Driver {
    /// Opens the first device of the first driver that the loader finds.
    pub(crate) fn open() -> Result<Self, String> {
        // SAFETY: the loader is the system's Vulkan library, whose initialisation has no preconditions.
        let entry = unsafe { Entry::load() }.map_err(|e| format!("no Vulkan loader: {e}"))?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let create = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: `create` and what it points to live until the call returns.
        let instance = unsafe { entry.create_instance(&create, None) }
            .map_err(|e| format!("the driver does not start: {e}"))?;
        match open_device(&instance) {
            Ok((device, version, spirv_version)) => {
                Ok(Self { _entry: entry, instance, device, version, spirv_version })
            }
            Err(message) => {
                // SAFETY: no device of this instance was kept.
                unsafe { instance.destroy_instance(None) };
                Err(message)
            }
        }
    }

    /// Compiles a kernel; what comes of it is in the driver's output.
    pub(crate) fn compile(&self, source: &str) -> Result<(), String> {
        let module = spirv::from_wgsl(source, self.spirv_version)?;
        let mut made = Made::default();
        let result = self.pipeline(&module, &mut made).map_err(|e| format!("the driver refuses it: {e}"));
        // SAFETY: all these are of this device, none is in use, and `made` ends here.
        unsafe {
            self.device.destroy_pipeline(made.pipeline, None);
            self.device.destroy_pipeline_layout(made.layout, None);
            self.device.destroy_descriptor_set_layout(made.set, None);
            self.device.destroy_shader_module(made.shader, None);
        }
        result
    }

    fn pipeline(&self, module: &Module, made: &mut Made) -> Result<(), vk::Result> {
        let stage = vk::ShaderStageFlags::COMPUTE;
        let bindings: Vec<_> = module
            .bindings
            .iter()
            .map(|&(binding, uniform)| {
                vk::DescriptorSetLayoutBinding::default()
                    .binding(binding)
                    .descriptor_type(if uniform {
                        vk::DescriptorType::UNIFORM_BUFFER_DYNAMIC
                    } else {
                        vk::DescriptorType::STORAGE_BUFFER
                    })
                    .descriptor_count(1)
                    .stage_flags(stage)
            })
            .collect();
        let set = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        let immediates = [vk::PushConstantRange::default().stage_flags(stage).size(IMMEDIATES)];
        let shader = vk::ShaderModuleCreateInfo::default().code(&module.words);
        // SAFETY: every structure and what it points to lives until its call returns; handles are of
        // this device. The SPIR-V is naga's, from a validated module, with an entry point `main`, and
        // the layout lists its bindings.
        unsafe {
            made.set = self.device.create_descriptor_set_layout(&set, None)?;
            let sets = [made.set];
            let layout =
                vk::PipelineLayoutCreateInfo::default().set_layouts(&sets).push_constant_ranges(&immediates);
            made.layout = self.device.create_pipeline_layout(&layout, None)?;
            made.shader = self.device.create_shader_module(&shader, None)?;
            let stage =
                vk::PipelineShaderStageCreateInfo::default().stage(stage).module(made.shader).name(ENTRY);
            let create = [vk::ComputePipelineCreateInfo::default().stage(stage).layout(made.layout)];
            let pipelines = self.device.create_compute_pipelines(vk::PipelineCache::null(), &create, None);
            made.pipeline = pipelines.map_err(|(_, error)| error)?[0];
        }
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // SAFETY: everything that `compile` made is gone, and nothing uses these afterwards.
        unsafe {
            self.device.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}

/// [`spirv::ENTRY`] for C.
const ENTRY: &CStr = c"main";

/// Objects of one compilation; Vulkan lets null handles be destroyed.
#[derive(Default)]
struct Made {
    set: vk::DescriptorSetLayout,
    layout: vk::PipelineLayout,
    shader: vk::ShaderModule,
    pipeline: vk::Pipeline,
}

/// Opens the first device with the features that `wgpu` would ask of it: the device, the driver's
/// version, the SPIR-V version.
fn open_device(instance: &Instance) -> Result<(Device, String, (u8, u8)), String> {
    // SAFETY: the instance is alive.
    let devices = unsafe { instance.enumerate_physical_devices() }
        .map_err(|e| format!("the driver lists no devices: {e}"))?;
    let chip = *devices.first().ok_or("the driver stands in for no GPU")?;
    let mut driver = vk::PhysicalDeviceDriverProperties::default();
    let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
    // SAFETY: `chip` is of this instance; the structures are chained by `push_next`.
    unsafe { instance.get_physical_device_properties2(chip, &mut properties) };
    // As wgpu-hal picks it.
    let spirv_version =
        if properties.properties.api_version >= vk::API_VERSION_1_3 { (1, 6) } else { (1, 5) };
    let version = driver.driver_info_as_c_str().map_or("?".into(), CStr::to_string_lossy).into_owned();

    let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(0).queue_priorities(&[1.0])];
    // wgpu asks for robust buffers wherever they are, also for trusted shaders, and drivers may
    // merge fewer loads then.
    let core = vk::PhysicalDeviceFeatures::default().robust_buffer_access(true).shader_int16(true);
    let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(true);
    let mut v11 = vk::PhysicalDeviceVulkan11Features::default()
        .storage_buffer16_bit_access(true)
        .uniform_and_storage_buffer16_bit_access(true);
    let mut v12 = vk::PhysicalDeviceVulkan12Features::default()
        .shader_float16(true)
        .vulkan_memory_model(true)
        .vulkan_memory_model_device_scope(true);
    let extensions = [vk::EXT_ROBUSTNESS2_NAME.as_ptr()];
    let create = vk::DeviceCreateInfo::default()
        .queue_create_infos(&queues)
        .enabled_features(&core)
        .enabled_extension_names(&extensions)
        .push_next(&mut robust)
        .push_next(&mut v11)
        .push_next(&mut v12);
    // SAFETY: `create` and what it points to live until the call returns; a feature or extension that
    // is missing makes it fail.
    let device = unsafe { instance.create_device(chip, &create, None) }
        .map_err(|e| format!("the driver opens no device: {e}"))?;
    Ok((device, version, spirv_version))
}
