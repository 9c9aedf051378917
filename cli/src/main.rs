//! The `attractor` command: associative memories on files of numbers.

mod arguments;
mod capacity;
mod chart;
mod commands;
mod failure;
mod ids;
mod input;
mod lines;
mod output;
mod plot;
mod progress;
mod reproduce;
mod sheet;
mod stop;
mod useless;
mod warnings;

use arguments::{Cli, Command};
use clap::{CommandFactory, FromArgMatches, error::ErrorKind};
use std::process::ExitCode;

fn main() -> ExitCode {
    quiet_driver();
    // As `--help` does, this stands in for whatever else the command needs.
    if std::env::args_os().any(|argument| argument == "--list-energies") {
        return ended(commands::list_energies());
    }
    let line = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&line).unwrap_or_else(|error| error.exit());
    if let Some((option, why)) = useless::find(&cli.command, &line) {
        let message = format!("{option} would have no effect here: {why}");
        Cli::command().error(ErrorKind::ArgumentConflict, message).exit();
    }
    warnings::show();
    stop::listen();
    let run = || match &cli.command {
        Command::Recall(arguments) => commands::recall::run(arguments),
        Command::Explain(arguments) => commands::explain::run(arguments),
        Command::Energy(arguments) => commands::energy::run(arguments),
        Command::Store(command) => commands::store::run(command),
        Command::Separate(arguments) => commands::kernelized::separate(arguments),
        Command::Features(command) => commands::features::run(command),
        Command::Code(arguments) => commands::code::run(arguments),
        Command::Capacity(arguments) => commands::capacity::run(arguments),
        Command::Demo(arguments) => commands::demo::run(arguments),
        Command::Reproduce(arguments) => commands::reproduce::run(arguments),
        Command::Bench(arguments) => commands::bench::run(arguments),
        Command::Tune(arguments) => commands::tune::run(arguments),
        Command::Devices(arguments) => commands::devices::run(arguments),
    };
    let result = match run() {
        Err(failure) if failure.is_loss() && cli.command.can_begin_again() => {
            output::complaint(&format!("{failure}: doing that, from the files"));
            run()
        }
        result => result,
    };
    ended(result)
}

fn ended(result: failure::Result<()>) -> ExitCode {
    if let (Err(failure), Some(signal)) = (&result, stop::came())
        && failure.is_interruption()
    {
        stop::leave(signal);
    }
    stop::finish();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complaint(&failure.to_string());
            ExitCode::from(failure.status())
        }
    }
}

/// Mesa's device-selection layer asks for a Wayland display and complains on stderr where there is
/// none, as on a server. This command shows no windows, so the layer is told to stay out.
fn quiet_driver() {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        #[allow(unsafe_code, reason = "the environment is changed")]
        // SAFETY: this runs first in `main`, before any thread is started that could read the
        // environment meanwhile.
        unsafe {
            std::env::set_var("NODEVICE_SELECT", "1");
        }
    }
}
