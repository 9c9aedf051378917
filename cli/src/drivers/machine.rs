//! What a trial of the drivers holds for: this machine as it runs, its drivers and layers, its devices, and the part of the
//! environment that says which of them are loaded. Whatever of that changes gives another key.

use std::{
    collections::BTreeSet,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

/// Beginnings of the names of variables that drivers, their loader and their layers read. The number of threads of a software
/// adapter is left out: it changes from run to run, and no driver fails for it.
const VARIABLES: [&str; 26] = [
    "ACO_",
    "AMD_",
    "ANV_",
    "CUDA_",
    "DISABLE_",
    "DRI_",
    "ENABLE_",
    "GALLIUM_",
    "HOME",
    "INTEL_",
    "LD_",
    "LIBGL_",
    "LVP_",
    "MESA_",
    "NODEVICE_SELECT",
    "NVIDIA_",
    "NVK_",
    "RADV_",
    "VK_",
    "WGPU_",
    "XDG_CONFIG_",
    "XDG_DATA_",
    "XDG_RUNTIME_DIR",
    "ZINK_",
    "__GLX_",
    "__NV",
];

/// The key of this machine at this moment.
pub(super) fn key() -> String {
    let mut key = Key(DefaultHasher::new());
    env!("CARGO_PKG_VERSION").hash(&mut key.0);
    if let Ok(program) = std::env::current_exe() {
        key.file(&program);
    }
    let read = |name: &str| std::env::var_os(name).unwrap_or_default();
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let names: BTreeSet<String> = names.filter(|n| VARIABLES.iter().any(|v| n.starts_with(v))).collect();
    names.iter().for_each(|name| (name, read(name)).hash(&mut key.0));
    // What runs: another boot may have another kernel, with other modules. And who runs it: not everyone may use each device.
    for file in ["/proc/sys/kernel/random/boot_id", "/proc/driver/nvidia/version"] {
        fs::read(file).ok().hash(&mut key.0);
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let who = |line: &&str| ["Uid:", "Gid:", "Groups:"].iter().any(|name| line.starts_with(name));
    status.lines().filter(who).for_each(|line| line.hash(&mut key.0));
    key.nodes();
    // A package that is installed or removed changes the linker's cache.
    key.file(Path::new("/etc/ld.so.cache"));
    for folder in std::env::split_paths(&read("LD_LIBRARY_PATH")) {
        key.file(&folder);
    }
    let layers = ["explicit_layer.d", "implicit_layer.d"].map(folders);
    let named =
        ["VK_LAYER_PATH", "VK_ADD_LAYER_PATH", "VK_IMPLICIT_LAYER_PATH", "VK_ADD_IMPLICIT_LAYER_PATH"];
    let named = named.iter().flat_map(|name| std::env::split_paths(&read(name)).collect::<Vec<_>>());
    let layers: Vec<PathBuf> =
        layers.into_iter().flatten().chain(named).flat_map(|folder| manifests(&folder)).collect();
    drivers().iter().chain(&layers).for_each(|path| key.manifest(path));
    if !cfg!(target_os = "linux") {
        // Elsewhere there is no such list: once a day.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        (now.as_secs() / 86_400).hash(&mut key.0);
    }
    format!("{:016x}", key.0.finish())
}

struct Key(DefaultHasher);

impl Key {
    /// A file or a folder, as far as a look at it from outside tells whether it is the same.
    fn file(&mut self, path: &Path) {
        path.hash(&mut self.0);
        let Ok(about) = fs::metadata(path) else { return };
        (about.len(), about.modified().ok()).hash(&mut self.0);
    }

    /// Devices of GPUs, and who may use them.
    fn nodes(&mut self) {
        let mut nodes: Vec<PathBuf> = list(Path::new("/dev/dri"));
        nodes.extend(list(Path::new("/dev")).into_iter().filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            ["nvidia", "kfd", "dxg", "mali"].iter().any(|kind| name.starts_with(kind))
        }));
        for node in nodes {
            node.hash(&mut self.0);
            #[cfg(unix)]
            if let Ok(about) = fs::metadata(&node) {
                use std::os::unix::fs::MetadataExt;
                (about.mode(), about.uid(), about.gid(), about.rdev()).hash(&mut self.0);
            }
        }
    }

    /// A manifest, and the library that it names where it says where that is. One that is named alone is looked for by the linker.
    fn manifest(&mut self, path: &Path) {
        self.file(path);
        let bytes = fs::read(path).unwrap_or_default();
        let manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        for part in ["ICD", "layer"] {
            let Some(library) = manifest[part]["library_path"].as_str() else { continue };
            if library.contains('/') {
                self.file(&path.parent().unwrap_or(Path::new("")).join(library));
            }
            for folder in std::env::split_paths(&std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default()) {
                self.file(&folder.join(library));
            }
        }
    }
}

/// The manifests of Vulkan drivers, as the loader finds them on Linux and its kin; elsewhere none are found.
pub(super) fn drivers() -> Vec<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty());
    let listed = |text: std::ffi::OsString| {
        std::env::split_paths(&text).flat_map(|path| manifests(&path)).collect::<Vec<_>>()
    };
    if let Some(only) = of("VK_DRIVER_FILES").or_else(|| of("VK_ICD_FILENAMES")) {
        return listed(only);
    }
    let added = of("VK_ADD_DRIVER_FILES").map(listed).unwrap_or_default();
    added.into_iter().chain(folders("icd.d").iter().flat_map(|folder| manifests(folder))).collect()
}

/// The folders in which the loader looks for manifests of this kind.
fn folders(kind: &str) -> Vec<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty());
    let home = |rest: &str| of("HOME").map(|home| Path::new(&home).join(rest));
    let several = |name: &str, usual: &str| {
        let text = of(name).unwrap_or_else(|| usual.into());
        std::env::split_paths(&text).collect::<Vec<_>>()
    };
    let mut bases: Vec<PathBuf> = Vec::new();
    bases.extend(of("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| home(".config")));
    bases.extend(several("XDG_CONFIG_DIRS", "/etc/xdg"));
    bases.extend(["/etc", "/usr/local/etc"].map(PathBuf::from));
    bases.extend(of("XDG_DATA_HOME").map(PathBuf::from).or_else(|| home(".local/share")));
    bases.extend(several("XDG_DATA_DIRS", "/usr/local/share:/usr/share"));
    let mut seen = BTreeSet::new();
    bases
        .into_iter()
        .map(|base| base.join("vulkan").join(kind))
        .filter(|path| seen.insert(path.clone()))
        .collect()
}

/// A manifest, or those in a folder.
fn manifests(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        let mut all = list(path);
        all.retain(|path| path.extension().is_some_and(|suffix| suffix == "json"));
        return all;
    }
    path.exists().then(|| path.to_owned()).into_iter().collect()
}

/// What is in a folder, in order.
fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut all: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    all.sort_unstable();
    all
}
