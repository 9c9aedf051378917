//! A driver that crashes, hangs or ends the process, when it is loaded or when it is asked for its devices.

use super::{Desk, RECALL, desk, device, has_gpu, told};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// The driver `fake.rs`, compiled once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/drivers/fake.rs");
        let library =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libfake-{}.so", std::process::id()));
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut command = Command::new(rustc);
        command.args(["--edition", "2021", "--crate-type", "cdylib", "-O", "-o"]).arg(&library).arg(source);
        // Whoever runs these tests has built them, with a compiler.
        let out = command.output().expect("rustc is needed to make a driver that fails");
        assert!(out.status.success(), "{}", told(&out));
        library
    })
}

/// A desk with a manifest of the driver, a cache, and a count of how often the driver was loaded.
struct Bench {
    desk: Desk,
    drivers: String,
}

impl Bench {
    fn new() -> Self {
        let desk = desk();
        let library = library().display().to_string();
        let manifest = serde_json::json!({
            "file_format_version": "1.0.0",
            "ICD": { "library_path": library, "api_version": "1.1.0" },
        });
        fs::write(desk.path("fake.json"), manifest.to_string()).unwrap();
        let drivers = desk.path("fake.json").display().to_string();
        Self { desk, drivers }
    }

    /// Runs a line where the driver fails so, and may take so many seconds.
    fn run(&self, line: &str, fault: &str) -> Output {
        // One that is sound may be slow: others use this machine too.
        let seconds = if fault.ends_with("-hang") { "1" } else { "300" };
        let mut command = self.desk.command(line);
        command
            .envs(["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].map(|name| (name, &self.drivers)))
            .env("FAKE_DRIVER", fault)
            .env("FAKE_LOG", self.desk.path("loaded"))
            .env("ATTRACTOR_CACHE", self.desk.path("cache"))
            .env("ATTRACTOR_DRIVER_SECONDS", seconds);
        command.output().unwrap()
    }

    fn loaded(&self) -> usize {
        fs::read(self.desk.path("loaded")).map_or(0, |bytes| bytes.len())
    }
}

/// What is said of each fault. (To end a process while a library is being loaded is, in glibc, to wait for ever.)
const FAULTS: [(&str, &str); 7] = [
    ("load-abort", "crashes (SIGABRT)"),
    ("load-crash", "crashes (SIGSEGV)"),
    ("load-hang", "does not answer within 1 s"),
    ("enumerate-abort", "crashes (SIGABRT)"),
    ("enumerate-crash", "crashes (SIGSEGV)"),
    ("enumerate-hang", "does not answer within 1 s"),
    ("enumerate-exit", "ends the process that loads it"),
];

#[test]
fn auto_goes_on_with_the_cpu_and_says_so_and_devices_names_the_driver() {
    if !has_gpu() {
        return;
    }
    for (fault, words) in FAULTS {
        let bench = Bench::new();
        let first = bench.run(RECALL, fault);
        let text = told(&first);
        assert_eq!(device(&first), "cpu", "{fault}");
        assert!(text.lines().count() == 1 && text.contains("going on with the CPU"), "{fault}: {text}");
        assert!(text.contains(words) && text.contains("fake.json"), "{fault}: {text}");
        if fault.ends_with("-abort") {
            assert!(text.contains("fake driver: assertion failed"), "{text}");
        }
        // The right numbers, and no driver loaded for it again.
        let result = fs::read(bench.desk.path("o.npy")).unwrap();
        let loaded = bench.loaded();
        assert!(loaded > 0, "{fault}: the driver was not loaded");
        let second = bench.run(RECALL, fault);
        assert_eq!((told(&second), bench.loaded()), (text, loaded), "{fault}");
        assert_eq!(device(&bench.run(&format!("{RECALL} --device cpu"), fault)), "cpu");
        assert_eq!(fs::read(bench.desk.path("o.npy")).unwrap(), result, "{fault}");
        assert_eq!(bench.loaded(), loaded, "{fault}");

        // Whoever asks is told how it is now.
        let out = bench.run("devices", fault);
        let list = String::from_utf8(out.stdout).unwrap();
        assert!(out.status.success() && out.stderr.is_empty(), "{fault}: {list}");
        assert!(
            list.contains("fake.json") && list.contains(words) && list.contains("broken"),
            "{fault}: {list}"
        );
        assert!(bench.loaded() > loaded, "{fault}");
        let json: serde_json::Value =
            serde_json::from_slice(&bench.run("devices --json", fault).stdout).unwrap();
        assert!(json["drivers"][0]["fault"].as_str().unwrap().contains(words), "{fault}: {json}");
        assert_eq!(json["cpu"]["chosen"], true);

        // What is named is not replaced by another.
        for name in ["software", "gpu:0", "gpu"] {
            let out = bench.run(&format!("{RECALL} --device {name}"), fault);
            let text = told(&out);
            assert_eq!(out.status.code(), Some(1), "{fault}, {name}: {text}");
            assert!(text.lines().count() == 1 && text.contains(words), "{fault}, {name}: {text}");
        }
        // It has been mended: what is named finds out, and then `auto` knows it too.
        let text = told(&bench.run(&format!("{RECALL} --device gpu"), ""));
        assert!(text.contains("no adapter at all"), "{fault}: {text}");
        let out = bench.run(RECALL, "");
        assert!(device(&out) == "cpu" && out.stderr.is_empty(), "{fault}: {}", told(&out));
    }
}

#[test]
fn sound_drivers_are_tried_once_for_as_long_as_nothing_changes() {
    if !has_gpu() {
        return;
    }
    let bench = Bench::new();
    let run = |line: &str| {
        let out = bench.run(line, "");
        assert!(out.stderr.is_empty(), "{line}: {}", told(&out));
        assert_eq!(device(&out), "cpu", "{line}");
        bench.loaded()
    };
    let first = run(RECALL);
    assert!(first > 0);
    for line in [RECALL, &format!("{RECALL} --threads 1"), &format!("{RECALL} --quiet")] {
        assert_eq!(run(line), first, "{line}");
    }
    // Another manifest, another environment: other drivers.
    let manifest = fs::read_to_string(bench.desk.path("fake.json")).unwrap();
    fs::write(bench.desk.path("fake.json"), format!("{manifest}\n")).unwrap();
    let second = run(RECALL);
    assert!(second > first);
    let mut command = bench.desk.command(RECALL);
    command
        .envs(["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].map(|name| (name, &bench.drivers)))
        .env("FAKE_LOG", bench.desk.path("loaded"))
        .env("ATTRACTOR_CACHE", bench.desk.path("cache"))
        .env("MESA_DEBUG", "silent");
    assert!(command.output().unwrap().status.success());
    assert!(bench.loaded() > second);
    assert_eq!(run(RECALL), bench.loaded());
    // Nonsense in the table is nothing.
    let third = bench.loaded();
    fs::write(bench.desk.path("cache/drivers.tsv"), b"\xff\tgpu\t\n0\tnone").unwrap();
    assert!(run(RECALL) > third);
    // Where there is no place for what was found, it is found anew, and all goes on.
    fs::remove_dir_all(bench.desk.path("cache")).unwrap();
    fs::write(bench.desk.path("cache"), "").unwrap();
    let fourth = run(RECALL);
    assert!(run(RECALL) > fourth);
}

#[test]
fn a_sound_driver_beside_a_broken_one_is_named() {
    if !has_gpu() {
        return;
    }
    let folders = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
    let mut files = files.map(|entry| entry.unwrap().path());
    let Some(lavapipe) = files.find(|path| path.to_string_lossy().contains("lvp")) else {
        eprintln!("skipping: the software driver is not lavapipe, or lies elsewhere");
        return;
    };
    let mut bench = Bench::new();
    bench.drivers = format!("{}:{}", bench.drivers, lavapipe.display());
    let out = bench.run("devices", "enumerate-abort");
    let list = String::from_utf8(out.stdout).unwrap();
    assert!(
        list.contains(&format!("VK_DRIVER_FILES={} leaves the broken ones out", lavapipe.display())),
        "{list}"
    );
    assert!(list.contains("broken: crashes (SIGABRT)") && list.contains("sound: "), "{list}");
    // As advised.
    bench.drivers = lavapipe.display().to_string();
    let out = bench.run(&format!("{RECALL} --device software"), "enumerate-abort");
    assert!(device(&out).starts_with("gpu ") && out.stderr.is_empty(), "{}", told(&out));
}

#[test]
fn the_limit_of_time_is_checked() {
    let bench = Bench::new();
    for wrong in ["0", "-1", "soon", "nan", "1e9"] {
        let mut command = bench.desk.command(RECALL);
        let out = command.env("ATTRACTOR_DRIVER_SECONDS", wrong).output().unwrap();
        assert_eq!(out.status.code(), Some(2), "{wrong}");
        assert!(told(&out).contains("ATTRACTOR_DRIVER_SECONDS"), "{wrong}: {}", told(&out));
    }
}
