//! The command line.

use std::path::PathBuf;

pub(crate) const HELP: &str = "\
cargo bench --bench scaling -- [OPTIONS]

Times one softmax step against the number of patterns, queries and columns, beside the limits of the device,
and prints tables.

  --quick          few repetitions: to see that it works
  --device NAME    cpu (default), gpu, gpu:N, gpu:NAME, software; without it ATTRACTOR_BENCH_DEVICE counts
  --json FILE      writes all figures there
  --svg FILE       draws them there";

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) help: bool,
    pub(crate) quick: bool,
    pub(crate) device: String,
    pub(crate) json: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
}

impl Arguments {
    /// Reads what follows the program's name.
    pub(crate) fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let device = std::env::var("ATTRACTOR_BENCH_DEVICE").unwrap_or_else(|_| "cpu".into());
        let mut arguments = Self { device, ..Self::default() };
        while let Some(argument) = given.next() {
            let mut value = || given.next().ok_or_else(|| format!("{argument} needs a value\n\n{HELP}"));
            match argument.as_str() {
                // Cargo's own.
                "--bench" => {}
                "--help" | "-h" => arguments.help = true,
                "--quick" => arguments.quick = true,
                "--device" => arguments.device = value()?,
                "--json" => arguments.json = Some(value()?.into()),
                "--svg" => arguments.svg = Some(value()?.into()),
                _ => return Err(format!("'{argument}' is not an option\n\n{HELP}")),
            }
        }
        Ok(arguments)
    }
}
