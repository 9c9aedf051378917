//! `cargo xtask portability`: the tests again, as other devices, other drivers and the tools of other languages see them.
//!
//! What a stage needs and is not there is installed with apt, or named.

use super::{driver, validation};
use std::{
    io::{BufRead, BufReader},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// The stages in the order in which they run, and what each is about.
const STAGES: [(&str, &str, Run); 8] = [
    ("shaders", "every kernel in SPIR-V, Metal, HLSL and GLSL, each translation before its tool", shaders),
    ("swiftshader", "the smoke suite on another Vulkan driver", swiftshader),
    ("least", "the whole suite on devices of WebGPU's default limits and no features", least),
    ("plain", "the whole suite without features (no subgroups, immediates, f16)", plain),
    ("lanes", "the smoke suite with subgroups of 4 and of 16", lanes),
    ("checked", "the smoke suite with wgpu's runtime checks", checked),
    ("validation", "the whole suite under the Vulkan validation layers", validation::suite),
    ("inside", "the smoke suite under the layer that looks into kernels", validation::inside),
];

type Run = fn() -> Result<Vec<Row>, String>;

/// A line of the table.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) took: Duration,
    /// Driver, layer, tool.
    pub(crate) by: String,
}

/// Runs the stages that are named, or all of them, and prints a table.
pub(crate) fn portability(arguments: &[&str]) -> Result<(), String> {
    let stages = || STAGES.map(|(name, about, _)| format!("{name:12} {about}")).join("\n");
    if let ["--help" | "-h"] = arguments {
        return crate::help(&format!(
            "cargo xtask portability [STAGE...]    all of these, or those named:\n\n{}",
            stages()
        ));
    }
    let known = |name: &&&str| STAGES.iter().any(|(stage, ..)| *stage == **name);
    if let Some(other) = arguments.iter().find(|name| !known(name)) {
        return Err(format!("no stage '{other}' of portability; there are\n{}", stages()));
    }
    driver::provide()?;
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for (name, _, run) in STAGES.iter().filter(|(n, ..)| arguments.is_empty() || arguments.contains(n)) {
        match run() {
            Ok(of_stage) => rows.extend(of_stage.into_iter().map(|row| (*name, row))),
            Err(fault) => faults.push(format!("{name}: {fault}")),
        }
    }
    println!("\n{:12} {:58} {:>6} {:>6} {:>6}  by", "stage", "what", "passed", "failed", "s");
    for (name, Row { what, passed, failed, took, by }) in &rows {
        println!("{name:12} {what:58} {passed:6} {failed:6} {:6}  {by}", took.as_secs());
    }
    let failed = rows.iter().map(|(_, row)| row.failed).sum::<usize>();
    if failed > 0 {
        faults.push(format!("{failed} failed"));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// What a run of tests said.
pub(crate) struct Said {
    pub(crate) lines: Vec<String>,
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) took: Duration,
    /// How the program ended, which is after its result.
    pub(crate) ended: ExitStatus,
}

impl Said {
    pub(crate) fn row(self, what: impl Into<String>) -> Row {
        let by = self.device();
        Row { what: what.into(), passed: self.passed, failed: self.failed, took: self.took, by }
    }

    /// What the smoke suite says of the device that it ran on.
    fn device(&self) -> String {
        let line = self.lines.iter().find_map(|line| line.split_once("smoke: "));
        line.map_or_else(String::new, |(_, device)| device.to_owned())
    }
}

/// Runs tests of the library by the start of their names (all for none), and listens.
pub(crate) fn tests(names: &[&str], environment: &[(&str, &str)]) -> Result<Said, String> {
    let said = tests_under(names, environment)?;
    if !said.ended.success() && said.failed == 0 {
        return Err(format!("the tests ended early ({})", said.ended));
    }
    Ok(said)
}

/// The same where something else in the process, once the tests have said how they ended, may end it in its own way.
pub(crate) fn tests_under(names: &[&str], environment: &[(&str, &str)]) -> Result<Said, String> {
    let mut command = crate::cargo_command();
    command.args([
        "test",
        "--release",
        "--package",
        "attractor-tests",
        "--all-features",
        "--test",
        "suite",
        "--",
    ]);
    // Whole names of modules: `shaders::` is not `every_shaders::`.
    command.args(names).arg("--nocapture");
    command.env("ATTRACTOR_REQUIRE_GPU", "1").envs(environment.iter().copied());
    let shown: Vec<String> = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    eprintln!("xtask: tests {} with {}", names.join(" "), shown.join(" "));
    let start = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("cargo test: {error}"))?;
    let (mut lines, mut passed, mut failed) = (Vec::new(), 0, 0);
    for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).split(b'\n')) {
        // A layer writes whatever it likes.
        let line = String::from_utf8_lossy(&line.map_err(|error| error.to_string())?).into_owned();
        if line.ends_with("FAILED") || line.contains("panicked at") {
            eprintln!("{line}");
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            let count = |what: &str| {
                let before = result.split(what).next().unwrap_or_default();
                before.split_whitespace().last().and_then(|number| number.parse().ok()).unwrap_or(0)
            };
            passed += count(" passed");
            failed += count(" failed");
        }
        lines.push(line);
    }
    let (took, ended) = (start.elapsed(), child.wait().map_err(|error| format!("cargo test: {error}"))?);
    if passed + failed == 0 {
        return Err(format!("no test has come to its end ({ended})"));
    }
    Ok(Said { lines, passed, failed, took, ended })
}

fn shaders() -> Result<Vec<Row>, String> {
    let said = tests(&["shaders::", "translation::", "uniformity::"], &[("ATTRACTOR_TRANSLATIONS", "all")])?;
    let (failed, took) = (said.failed, said.took);
    let mut rows = Vec::new();
    for line in said.lines.iter().filter_map(|line| line.split_once("translations: ").map(|(_, text)| text)) {
        let passed = line.split([' ', ',']).filter_map(|word| word.parse().ok()).next().unwrap_or(0);
        rows.push(Row { what: line.to_owned(), passed, failed: 0, took, by: String::new() });
    }
    let versions = driver::TOOLS.map(|(tool, _)| version(tool));
    rows.push(Row {
        what: "tests of kernels".into(),
        passed: said.passed,
        failed,
        took,
        by: versions.join("; "),
    });
    Ok(rows)
}

/// The first line of what a tool says of its version.
fn version(tool: &str) -> String {
    let text = Command::new(tool).arg("--version").output().map(|out| out.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    format!("{tool}: {}", text.lines().next().unwrap_or("no version"))
}

fn least() -> Result<Vec<Row>, String> {
    Ok(vec![
        tests(&[], &[("ATTRACTOR_TEST_OPTIONS", "least")])?.row("whole suite, default limits, no features"),
    ])
}

fn plain() -> Result<Vec<Row>, String> {
    Ok(vec![tests(&[], &[("ATTRACTOR_TEST_OPTIONS", "plain")])?.row("whole suite, no features")])
}

fn checked() -> Result<Vec<Row>, String> {
    Ok(vec![
        tests(&["smoke::"], &[("ATTRACTOR_TEST_OPTIONS", "checked")])?.row("smoke suite, runtime checks"),
    ])
}

/// Mesa's software driver has a lane for each 32 bits of the vectors that it is told to use.
fn lanes() -> Result<Vec<Row>, String> {
    let width = |(bits, lanes): (&str, usize)| {
        let row = tests(&["smoke::"], &[("LP_NATIVE_VECTOR_WIDTH", bits)])?
            .row(format!("smoke suite, subgroups of {lanes}"));
        if std::env::var_os("ATTRACTOR_TEST_GPU").is_none()
            && !row.by.ends_with(&format!("subgroups of {lanes} to {lanes}"))
        {
            return Err(format!("LP_NATIVE_VECTOR_WIDTH={bits} was not heeded: {}", row.by));
        }
        Ok(row)
    };
    [("128", 4), ("512", 16)].into_iter().map(width).collect()
}

fn swiftshader() -> Result<Vec<Row>, String> {
    let manifest = driver::file_of("chromium-common", "vk_swiftshader_icd.json", "")?;
    let manifest = manifest.to_string_lossy();
    // The older name of the variable is for older loaders.
    let environment = [
        ("VK_DRIVER_FILES", manifest.as_ref()),
        ("VK_ICD_FILENAMES", manifest.as_ref()),
        ("ATTRACTOR_TEST_GPU", "swiftshader"),
    ];
    Ok(vec![tests(&["smoke::"], &environment)?.row("smoke suite, another driver")])
}
