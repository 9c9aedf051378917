//! A software Vulkan driver for the tests, where there is none.

use std::{path::Path, process::Command};

/// Debian's packages: Mesa's software driver, and the loader that finds it.
const PACKAGES: [&str; 2] = ["mesa-vulkan-drivers", "libvulkan1"];

/// Makes sure that the GPU tests have a driver, or says exactly what to install.
pub(crate) fn provide() -> Result<(), String> {
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
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err("the GPU tests need Mesa's software Vulkan driver (lavapipe). Install it: \
                    Fedora `dnf install mesa-vulkan-drivers vulkan-loader`, \
                    Arch `pacman -S vulkan-swrast vulkan-icd-loader`, \
                    Alpine `apk add mesa-vulkan-swrast vulkan-loader`, \
                    openSUSE `zypper install libvulkan_lvp libvulkan1`; \
                    or set ATTRACTOR_TEST_GPU to the name or number of a GPU in `attractor devices`"
            .to_owned());
    }
    println!("xtask: installing {}", PACKAGES.join(", "));
    // A fresh image has no package lists; a failed update may still leave usable ones.
    let _ = apt(&["update", "--quiet=2"]);
    let mut install = vec!["install", "--quiet=2", "--yes", "--no-install-recommends"];
    install.extend(PACKAGES);
    if apt(&install) && has_software_driver() {
        return Ok(());
    }
    Err(format!(
        "the software Vulkan driver could not be installed; run: apt-get install {}",
        PACKAGES.join(" ")
    ))
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
