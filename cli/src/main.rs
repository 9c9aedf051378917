//! The `attractor` command: associative memories on files of numbers.

mod arguments;
mod capacity;
mod chart;
mod commands;
mod drivers;
mod environment;
mod failure;
mod fatal;
mod ids;
mod input;
mod lines;
mod log;
mod output;
mod phases;
mod plot;
mod progress;
mod reproduce;
mod sheet;
mod stop;
mod useless;
mod warnings;

use arguments::{Cli, Command};
use attractor::threads;
use clap::{FromArgMatches, error::ErrorKind};
use std::process::ExitCode;

fn main() -> ExitCode {
    environment::quiet_driver();
    if drivers::is_trial() {
        return drivers::answer();
    }
    // As `--help` does, this stands in for whatever else the command needs.
    if std::env::args_os().any(|argument| argument == "--list-energies") {
        return ended(commands::list_energies());
    }
    let line = arguments::line().get_matches();
    let mut cli = Cli::from_arg_matches(&line).unwrap_or_else(|error| error.exit());
    if let (Command::Recall(recall), Some((_, line))) = (&mut cli.command, line.subcommand()) {
        recall.take_settings(line);
    }
    if let Some((option, why)) = useless::find(&cli.command, &line) {
        let message = format!("--{} would have no effect here: {why}", option.trim_start_matches('-'));
        arguments::line().error(ErrorKind::ArgumentConflict, message).exit();
    }
    fatal::listen();
    ended(fatal::caught(|| run(&cli)))
}

fn run(cli: &Cli) -> failure::Result<()> {
    let settings = environment::prepare(cli)?;
    log::start(settings.level);
    stop::listen();
    if cli.command.computes() {
        start_threads(settings.threads)?;
    }
    let run = || match &cli.command {
        Command::Recall(arguments) => commands::recall::run(arguments),
        Command::Search(arguments) => commands::search::run(arguments),
        Command::Explain(arguments) => commands::explain::run(arguments),
        Command::Energy(arguments) => commands::energy::run(arguments),
        Command::Store(command) => commands::store::run(command),
        Command::Separate(arguments) => commands::kernelized::separate(arguments),
        Command::Learn(kind) => commands::learn::run(kind),
        Command::Show(arguments) => commands::show::run(arguments),
        Command::Features(command) => commands::features::run(command),
        Command::Code(arguments) => commands::code::run(arguments),
        Command::Capacity(arguments) => commands::capacity::run(arguments),
        Command::Demo(arguments) => commands::demo::run(arguments),
        Command::Reproduce(arguments) => commands::reproduce::run(arguments),
        Command::Bench(arguments) => commands::bench::run(arguments),
        Command::Tune(arguments) => commands::tune::run(arguments),
        Command::Devices(arguments) => commands::devices::run(arguments),
    };
    match run() {
        Err(failure) if failure.is_loss() && cli.command.can_begin_again() => {
            output::complaint(&format!("{failure}: doing that, from the files"));
            run()
        }
        result => result,
    }
}

/// Makes the threads that compute, or as many of them as the system allows.
fn start_threads(count: usize) -> failure::Result<()> {
    let made = threads::start(count)?;
    if made < count {
        output::complaint(&format!("the system allows {made} of {count} threads; going on with that"));
    }
    tracing::debug!("{made} threads compute");
    Ok(())
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
