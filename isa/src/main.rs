//! `cargo xtask isa`: what an AMD RDNA2 GPU would run for each kernel, without the GPU.

use attractor_isa::{
    Error, kept,
    radv::{self, Compilation},
    table,
};
use std::{
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

const HELP: &str = "\
cargo xtask isa [NAME...] [--isa] [--json | --markdown | --keep]

Compiles every kernel whose name contains one of NAME (all, where none is given) for an AMD RDNA2
GPU, with none present, and prints registers, spills, LDS, waves, and what the hottest loop is made of.

  --isa        print the machine code too, the hottest loop marked with `|`
  --json       print JSON
  --markdown   print the table that docs/performance.md keeps
  --keep       put that table into docs/performance.md (of all kernels)

Needs Mesa's RADV driver. Debian, Ubuntu: apt-get install mesa-vulkan-drivers libvulkan1";

/// What to do with the figures.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Text,
    Json,
    Markdown,
    Keep,
}

struct Arguments {
    names: Vec<String>,
    isa: bool,
    output: Output,
}

fn main() -> ExitCode {
    if let Some(compiled) = radv::child() {
        return if compiled { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "--help" || a == "-h") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let Some(arguments) = parse(arguments) else {
        eprintln!("{HELP}");
        return ExitCode::from(2);
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("isa: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `None` where they are wrong.
fn parse(arguments: Vec<String>) -> Option<Arguments> {
    let mut parsed = Arguments { names: Vec::new(), isa: false, output: Output::Text };
    for argument in arguments {
        let output = match argument.as_str() {
            "--isa" => {
                parsed.isa = true;
                continue;
            }
            "--json" => Output::Json,
            "--markdown" => Output::Markdown,
            "--keep" => Output::Keep,
            option if option.starts_with('-') => return None,
            _ => {
                parsed.names.push(argument);
                continue;
            }
        };
        if std::mem::replace(&mut parsed.output, output) != Output::Text {
            return None;
        }
    }
    // Other output than text has no place for machine code, and the kept table is of all kernels.
    let contradiction = (parsed.isa && parsed.output != Output::Text)
        || (parsed.output == Output::Keep && !parsed.names.is_empty());
    (!contradiction).then_some(parsed)
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::Failed(error.to_string());
    let program = std::env::current_exe().map_err(failed)?;
    let compilation = radv::compile(&program, &arguments.names)?;
    let text = match arguments.output {
        Output::Text if arguments.isa => listings(&compilation) + &table::text(&compilation),
        Output::Text => table::text(&compilation),
        Output::Json => format!("{:#}\n", table::json(&compilation)),
        Output::Markdown => table::markdown(&compilation),
        Output::Keep => {
            let path = document()?;
            kept::keep(&path, &compilation)
                .map_err(|error| Error::Failed(format!("{}: {error}", path.display())))?;
            format!("kept {} in {}\n", table::title(&compilation), path.display())
        }
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads may have seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(failed(error)),
        _ => Ok(()),
    }
}

/// The machine code of every kernel.
fn listings(compilation: &Compilation) -> String {
    compilation.kernels.iter().map(|kernel| format!("{}\n{}\n", kernel.name, kernel.listing())).collect()
}

/// The document that keeps the table, in the checkout that cargo runs this from. A path compiled in
/// could be that of another checkout, where they share a target folder.
fn document() -> Result<PathBuf, Error> {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR")
        .ok_or_else(|| Error::Failed("--keep works through cargo only: cargo xtask isa --keep".into()))?;
    let root = Path::new(&folder).parent().unwrap_or(Path::new("."));
    Ok(root.join("docs/performance.md"))
}
