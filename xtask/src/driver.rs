//! What the tests need from the system: a software Vulkan driver, and the tools that look at translated kernels.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Debian's packages: Mesa's software driver, and the loader that finds it.
const PACKAGES: [&str; 2] = ["mesa-vulkan-drivers", "libvulkan1"];

/// Tools that look at translated kernels, and Debian's packages of them.
pub(crate) const TOOLS: [(&str, &str); 2] =
    [("spirv-val", "spirv-tools"), ("glslangValidator", "glslang-tools")];

/// Makes sure that the GPU tests have a driver and tools, or says exactly what to install.
pub(crate) fn provide() -> Result<(), String> {
    provide_tools()?;
    if std::env::var_os("ATTRACTOR_TEST_GPU").is_some() {
        // The tests were told which adapter to take.
        return Ok(());
    }
    if cfg!(target_os = "linux") { provide_linux() } else { elsewhere() }
}

fn provide_linux() -> Result<(), String> {
    if has_software_driver() {
        return Ok(());
    }
    if !has_apt() {
        return Err("the GPU tests need Mesa's software Vulkan driver (lavapipe). Install it: \
                    Fedora `dnf install mesa-vulkan-drivers vulkan-loader`, \
                    Arch `pacman -S vulkan-swrast vulkan-icd-loader`, \
                    Alpine `apk add mesa-vulkan-swrast vulkan-loader`, \
                    openSUSE `zypper install libvulkan_lvp libvulkan1`; \
                    or set ATTRACTOR_TEST_GPU to the name or number of a GPU in `attractor devices`"
            .to_owned());
    }
    if install(&PACKAGES) && has_software_driver() {
        return Ok(());
    }
    Err(format!(
        "the software Vulkan driver could not be installed; run: apt-get install {}",
        PACKAGES.join(" ")
    ))
}

fn provide_tools() -> Result<(), String> {
    let missing = || TOOLS.into_iter().filter(|(program, _)| !runs(program));
    let packages: Vec<&str> = missing().map(|(_, package)| package).collect();
    if packages.is_empty() || has_apt() && install(&packages) && missing().next().is_none() {
        return Ok(());
    }
    Err(format!(
        "the tests of translated kernels need spirv-val and glslangValidator. Install them: Debian, Ubuntu \
         `apt-get install {}`, Fedora `dnf install spirv-tools glslang`, Arch `pacman -S spirv-tools glslang`, macOS \
         `brew install spirv-tools glslang`, Windows: the Vulkan SDK",
        TOOLS.map(|(_, package)| package).join(" ")
    ))
}

/// Whether a program is there.
fn runs(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// A file of a package of Debian, which is installed where it is missing.
pub(crate) fn file_of(package: &str, name: &str, elsewhere: &str) -> Result<PathBuf, String> {
    if let Some(path) = listed(package, name) {
        return Ok(path);
    }
    let other = Path::new(elsewhere);
    if other.is_file() {
        return Ok(other.to_owned());
    }
    if has_apt() && install(&[package]) {
        return listed(package, name)
            .ok_or_else(|| format!("Debian's package {package} has no {name} any more"));
    }
    Err(format!("{name} is missing; it is in Debian's package {package}"))
}

/// The file of this name among those that an installed package brought.
fn listed(package: &str, name: &str) -> Option<PathBuf> {
    let out = Command::new("dpkg-query").args(["--listfiles", package]).output().ok()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let mut paths = text.lines().map(PathBuf::from);
    paths.find(|path| path.file_name().is_some_and(|f| f == name) && path.is_file())
}

fn has_apt() -> bool {
    Path::new("/usr/bin/apt-get").exists()
}

/// Installs packages of Debian, saying so.
fn install(packages: &[&str]) -> bool {
    println!("xtask: installing {}", packages.join(", "));
    // A fresh image has no package lists; a failed update may still leave usable ones.
    let _ = apt(&["update", "--quiet=2"]);
    let mut arguments = vec!["install", "--quiet=2", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments)
}

/// Runs apt-get, through sudo where this user is not root and sudo asks nothing.
fn apt(arguments: &[&str]) -> bool {
    let run = |program: &str, before: &[&str]| {
        let mut command = Command::new(program);
        command.args(before).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command.status().is_ok_and(|status| status.success())
    };
    run("apt-get", &[]) || run("sudo", &["-n", "apt-get"])
}

/// Whether a Vulkan loader and Mesa's software driver are installed.
fn has_software_driver() -> bool {
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().any(|v| std::env::var_os(v).is_some());
    let manifests = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let lists = |folder: &str| {
        std::fs::read_dir(folder).is_ok_and(|mut entries| {
            entries.any(|e| e.is_ok_and(|e| e.file_name().to_string_lossy().contains("lvp")))
        })
    };
    let loader = Command::new("ldconfig")
        .arg("-p")
        .output()
        .or_else(|_| Command::new("/sbin/ldconfig").arg("-p").output())
        // Where the linker's cache cannot be asked, the manifest has to do.
        .map_or(true, |out| String::from_utf8_lossy(&out.stdout).contains("libvulkan.so.1"));
    loader && (named || manifests.iter().any(|folder| lists(folder)))
}

fn elsewhere() -> Result<(), String> {
    if cfg!(target_os = "windows") {
        // DX12 always has the software adapter WARP.
        return Ok(());
    }
    Err("set ATTRACTOR_TEST_GPU to the name or number of a GPU in `attractor devices` (on macOS: ATTRACTOR_TEST_GPU=0)"
        .to_owned())
}
