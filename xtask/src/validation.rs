//! `cargo xtask portability validation inside`: the suite under Vulkan's validation layers, of which there are two at hand: Debian's,
//! and a newer one that comes with Chromium's `SwiftShader` and can also look into the kernels.

use super::{
    driver,
    portability::{Row, Said, tests, tests_under},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Messages that are not about this library: their name, and a line that says what each is about.
const KNOWN: [(&str, &str); 2] = [
    // naga gives types in workgroup memory and of local variables the strides and offsets of buffers, which have no
    // meaning there; wgpu issue 7696, and wgpu leaves this message out as well.
    ("VUID-StandaloneSpirv-None-10684", "storage class has an explicit layout from the "),
    // What the layer turns on for its own look into kernels.
    ("WARNING-Setting-Limit-Adjusted", "Warning that validation is adjusting settings"),
];

/// The newer layer's looks into kernels: for two invocations at one place of workgroup memory, and everything else. With both
/// at once kernels were still being compiled after 16 minutes, in 3.6 GB.
const RACES: &str = "\
khronos_validation.gpuav_enable = true
khronos_validation.validate_core = false
khronos_validation.gpuav_shared_memory_data_race = true
khronos_validation.gpuav_descriptor_checks = false
khronos_validation.gpuav_buffer_address_oob = false
khronos_validation.gpuav_post_process_descriptor_indexing = false
khronos_validation.gpuav_shader_sanitizer = false
khronos_validation.gpuav_buffers_validation = false
";
const ACCESSES: &str = "\
khronos_validation.gpuav_enable = true
khronos_validation.validate_core = false
khronos_validation.gpuav_shared_memory_data_race = false
";

/// What a layer says first, when it is at work.
const AT_WORK: [&str; 2] =
    ["UNASSIGNED-khronos-validation-createinstance-status-message", "CURRENT-VALIDATION-ENABLED"];

/// A layer with its settings.
struct Layer {
    name: &'static str,
    version: String,
    /// The folder of its manifest.
    manifest: PathBuf,
    settings: &'static str,
    /// Tests to run, by the start of their names.
    tests: &'static [&'static str],
    /// What else they need.
    environment: &'static [(&'static str, &'static str)],
    /// Whether it aborts at the end of a process that has devices open.
    aborts: bool,
}

const SETTINGS: &str = "\
khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG
khronos_validation.report_flags = error,warn,perf,info
khronos_validation.log_filename = stdout
";

/// Everything that calls of Vulkan can do wrong, over the whole suite.
pub(crate) fn suite() -> Result<Vec<Row>, String> {
    let debian = driver::file_of(
        "vulkan-validationlayers",
        "VkLayer_khronos_validation.json",
        "/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json",
    )?;
    let debian = Layer {
        name: "layer of Debian",
        version: version("vulkan-validationlayers"),
        manifest: debian.parent().unwrap_or(Path::new("/")).to_owned(),
        // Its look at synchronization, the first there was, ends in a crash of its own.
        settings: "",
        tests: &[],
        // It looks devices up in a table that it changes meanwhile where another thread opens one.
        environment: &[("RUST_TEST_THREADS", "1")],
        aborts: false,
    };
    let synchronization =
        "khronos_validation.validate_sync = true\nkhronos_validation.syncval_full_validation = true\n";
    let newer = newer("newer layer, also between submissions", synchronization, &[])?;
    [debian, newer].iter().map(under).collect()
}

/// What kernels can do wrong, over the suite that runs each of them.
pub(crate) fn inside() -> Result<Vec<Row>, String> {
    let looks =
        [("newer layer, races in workgroup memory", RACES), ("newer layer, all else in kernels", ACCESSES)];
    let look = |(name, settings)| under(&Layer { aborts: true, ..newer(name, settings, &["smoke::"])? });
    looks.into_iter().map(look).collect()
}

/// The layer that comes with Chromium, which has no manifest of its own.
fn newer(
    name: &'static str,
    settings: &'static str,
    tests: &'static [&'static str],
) -> Result<Layer, String> {
    let library = driver::file_of("chromium-common", "libVkLayer_khronos_validation.so", "")?;
    let folder = folder()?.join("newer");
    write(&folder.join("VkLayer_khronos_validation.json"), &manifest(&library))?;
    let manifest = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(Layer {
        name,
        version: version("chromium-common"),
        manifest,
        settings,
        tests,
        environment: &[],
        aborts: false,
    })
}

fn folder() -> Result<PathBuf, String> {
    Ok(crate::root()?.join("target/portability"))
}

/// Runs tests under a layer.
fn under(layer: &Layer) -> Result<Row, String> {
    let settings = folder()?.join(layer.name.replace([' ', ','], "-"));
    write(&settings.join("vk_layer_settings.txt"), &format!("{SETTINGS}{}", layer.settings))?;
    let settings = settings.canonicalize().map_err(|error| error.to_string())?;
    let (manifest, place) = (layer.manifest.to_string_lossy(), settings.to_string_lossy());
    let environment = [
        ("VK_INSTANCE_LAYERS", "VK_LAYER_KHRONOS_validation"),
        ("VK_LAYER_PATH", &*manifest),
        ("VK_LAYER_SETTINGS_PATH", &*place),
        // Else naga names its language to the layer, which is one that Debian's does not know.
        ("WGPU_DEBUG", "0"),
    ];
    let run = if layer.aborts { tests_under } else { tests };
    let said = run(layer.tests, &[&environment, layer.environment].concat())?;
    write(&settings.join("log.txt"), &said.lines.join("\n"))?;
    let messages = messages(&said);
    let at_work = messages.iter().filter(|((_, id), _)| AT_WORK.contains(id)).map(|(_, n)| n).sum::<usize>();
    if at_work == 0 {
        return Err(format!("the {} was not at work", layer.name));
    }
    let mut bad = 0;
    for ((kind, id), count) in messages.iter().filter(|((kind, _), _)| *kind != "Information") {
        let known = KNOWN.iter().find(|(known, _)| known == id);
        let excused = known.map_or(0, |(_, line)| said.lines.iter().filter(|l| l.contains(line)).count());
        let left = count.saturating_sub(excused);
        if left > 0 {
            eprintln!("xtask: {kind} {id}: {left} times; see {}", settings.join("log.txt").display());
        }
        bad += left;
    }
    let what = format!("{}: {bad} messages, {at_work} instances", layer.name);
    let by = layer.version.clone();
    Ok(Row { what, passed: said.passed, failed: said.failed + bad, took: said.took, by })
}

/// Kind and name of each message, with how often it came.
fn messages(said: &Said) -> BTreeMap<(&str, &str), usize> {
    let names = said.lines.iter().filter_map(|line| {
        let (kind, rest) = line.split_once("Validation ")?.1.split_once(": [ ")?;
        Some((kind, rest.split_once(" ]")?.0))
    });
    names.fold(BTreeMap::new(), |mut all, name| {
        *all.entry(name).or_default() += 1;
        all
    })
}

fn manifest(library: &Path) -> String {
    format!(
        r#"{{"file_format_version": "1.2.0", "layer": {{"name": "VK_LAYER_KHRONOS_validation", "type": "GLOBAL",
"library_path": "{}", "api_version": "1.3.300", "implementation_version": "1", "description": "Khronos Validation Layer",
"instance_extensions": [{{"name": "VK_EXT_debug_utils", "spec_version": "1"}}, {{"name": "VK_EXT_layer_settings", "spec_version": "2"}}]}}}}"#,
        library.display()
    )
}

/// A package of Debian's with the version that is installed.
fn version(package: &str) -> String {
    let out = Command::new("dpkg-query").args(["--show", "--showformat=${Version}", package]).output();
    format!(
        "{package} {}",
        out.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default()
    )
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|e| format!("{}: {e}", path.display()))
}
