//! Mesa's RADV as a compiler for a GPU that is not there.
//!
//! With `RADV_FORCE_FAMILY` the driver stands in for a named chip, compiles for it and runs nothing;
//! with `RADV_DEBUG=shaders,shaderstats` it writes machine code and statistics to standard error. So
//! kernels are compiled in a child process, whose output is the result.

use crate::{Error, Kernel, Result, driver::Driver};
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

/// The chip: RDNA2, as Mesa calls it.
pub const CHIP: &str = "navi21";

/// Set in the child process.
const CHILD: &str = "ATTRACTOR_ISA_CHILD";

/// What begins the child's own lines, to tell them from the driver's.
const DRIVER: &str = "@@driver ";
const KERNEL: &str = "@@kernel ";
const ABSENT: &str = "@@absent ";
const FAILED: &str = "@@failed ";

/// Where Vulkan drivers are announced, most wanted first.
const MANIFESTS: [&str; 3] =
    ["/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/usr/share/vulkan/icd.d"];

/// What a compilation gave.
#[derive(Clone, Debug)]
pub struct Compilation {
    /// The driver's version, as `Mesa 22.3.6`.
    pub driver: String,
    /// The kernels, by name.
    pub kernels: Vec<Kernel>,
}

/// Compiles every kernel whose name contains one of `filters` (all, where there are none) through
/// `program`, an executable that calls [`child`] first.
///
/// # Errors
/// Where the driver is missing or not understood, or a kernel does not compile.
pub fn compile(program: &Path, filters: &[String]) -> Result<Compilation> {
    let manifest = manifest().ok_or_else(|| {
        Error::Absent(
            "AMD's Vulkan driver RADV is not installed (it needs no GPU here). \
             Debian, Ubuntu: apt-get install mesa-vulkan-drivers libvulkan1"
                .into(),
        )
    })?;
    let output = Command::new(program)
        .args(filters)
        .env(CHILD, "1")
        .env("RADV_FORCE_FAMILY", CHIP)
        .env("RADV_DEBUG", "shaders,shaderstats,nocache")
        .env_remove("RADV_PERFTEST")
        // The second is what older loaders call the first.
        .envs(["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].map(|name| (name, &manifest)))
        // Mesa's layer that sorts devices complains where there is no display.
        .env("NODEVICE_SELECT", "1")
        .output()
        .map_err(|error| Error::Failed(format!("{}: {error}", program.display())))?;
    let log = String::from_utf8_lossy(&output.stderr);
    // The child's last words may have several lines.
    let last_words = |mark| log.split_once(mark).map(|(_, message)| message.trim_end().to_owned());
    if let Some(message) = last_words(ABSENT) {
        return Err(Error::Absent(message));
    }
    if let Some(message) = last_words(FAILED) {
        return Err(Error::Failed(message));
    }
    if !output.status.success() {
        let message = format!("the compiling process ended with {}:\n{}", output.status, end_of(&log));
        return Err(Error::Failed(message));
    }
    let mut parts = log.split(KERNEL);
    let head = parts.next().unwrap_or_default();
    let driver = head.lines().find_map(|line| line.strip_prefix(DRIVER));
    let driver = driver.ok_or_else(|| Error::Unreadable("no version".into()))?.to_owned();
    let kernels = parts
        .map(|part| {
            let (name, log) = part.split_once('\n').unwrap_or((part, ""));
            Kernel::parse(name, log)
        })
        .collect::<Result<_>>()?;
    Ok(Compilation { driver, kernels })
}

/// In the process that [`compile`] starts: compiles, and says whether it could. In any other: `None`.
pub fn child() -> Option<bool> {
    std::env::var_os(CHILD)?;
    let filters: Vec<String> = std::env::args().skip(1).collect();
    match compile_here(&filters) {
        Ok(()) => return Some(true),
        Err(Error::Absent(message)) => eprintln!("{ABSENT}{message}"),
        Err(error) => eprintln!("{FAILED}{error}"),
    }
    Some(false)
}

fn compile_here(filters: &[String]) -> Result<()> {
    let driver = Driver::open().map_err(Error::Absent)?;
    eprintln!("{DRIVER}{}", driver.version);
    let variants = attractor::gpu::shader::variants().map_err(|e| Error::Failed(e.to_string()))?;
    let wanted = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter));
    let mut chosen = variants.values().filter(|variant| wanted(&variant.name)).peekable();
    if chosen.peek().is_none() {
        return Err(Error::Failed(format!("no kernel's name contains {}", filters.join(" or "))));
    }
    for variant in chosen {
        let name = &variant.name;
        let source = variant.source().map_err(|e| Error::Failed(e.to_string()))?;
        eprintln!("{KERNEL}{name}");
        driver.compile(&source).map_err(|message| Error::Failed(format!("{name}: {message}")))?;
    }
    Ok(())
}

/// RADV's manifest, where the driver is installed.
fn manifest() -> Option<PathBuf> {
    // Another processor's driver may be announced beside the right one.
    let suits = |path: &PathBuf| {
        let name = path.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
        let ours = std::env::consts::ARCH;
        let foreign = ["x86_64", "i686", "aarch64"].iter().any(|arch| *arch != ours && name.contains(arch));
        name.contains("radeon") && name.ends_with(".json") && !foreign
    };
    MANIFESTS.iter().find_map(|folder| {
        std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).find(suits)
    })
}

/// The last lines of a log.
fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
