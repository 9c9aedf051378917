//! The trial: this command, started once more to load the drivers, list their adapters and open the best GPU.

use super::{Found, Outcome};
use crate::{
    commands::devices,
    failure::{Failure, Result},
    output::line,
    stop,
};
use attractor::{Device, gpu::adapters};
use serde_json::Value;
use std::{
    fs::File,
    io::{self, Read, Seek},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The only argument of a trial.
const ARGUMENT: &str = "--try-drivers";
/// How long drivers may take, in seconds, and the variable that says otherwise. Those of a machine with many GPUs that nobody uses
/// take ten and more to wake them.
const SECONDS: f64 = 30.0;
pub(crate) const VARIABLE: &str = "ATTRACTOR_DRIVER_SECONDS";

/// A driver, tried by itself.
pub(crate) struct Driver {
    /// Its manifest.
    pub(crate) manifest: PathBuf,
    /// Names of its adapters, or what is wrong with it.
    pub(crate) end: Result<Vec<String>, String>,
}

/// Whether this process is a trial.
pub(crate) fn is_trial() -> bool {
    std::env::args_os().skip(1).eq([ARGUMENT])
}

/// What a trial does.
pub(crate) fn answer() -> ExitCode {
    let adapters = adapters();
    let hardware = adapters.iter().any(|adapter| adapter.chosen);
    let refused = if hardware { Device::open("gpu").err().map(|error| error.to_string()) } else { None };
    let adapters: Vec<Value> = adapters.iter().map(devices::json).collect();
    // Last of all: who has said this has loaded and let go of all drivers.
    match line(&serde_json::json!({ "adapters": adapters, "refused": refused }).to_string()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The limit of time that the environment asks for.
pub(crate) fn limit() -> Result<Duration> {
    let Some(text) = std::env::var_os(VARIABLE).filter(|text| !text.is_empty()) else {
        return Ok(Duration::from_secs_f64(SECONDS));
    };
    let seconds =
        text.to_str().and_then(|text| text.trim().parse().ok()).filter(|s| (0.001..=86_400.0).contains(s));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| {
        let text = text.to_string_lossy();
        Failure::usage(format!("{VARIABLE} is {text}; it must be a number of seconds from 0.001 to 86400"))
    })
}

/// Tries all drivers together, and each by itself where that fails. Gives what has come of it, and whether that will stay so.
pub(super) fn run(manifests: &[PathBuf]) -> Result<(Found, bool)> {
    let limit = limit()?;
    let end = match start(None) {
        Ok(trial) => wait(vec![trial], limit)?.pop(),
        Err(error) => Some(End::fault(format!("cannot be tried: {error}"), false)),
    };
    let (fault, lasting) = match end {
        Some(End::Answer(answer)) => return Ok((sound(&answer), true)),
        Some(End::Fault { what, lasting }) => (what, lasting),
        None => ("gives no answer".to_owned(), false),
    };
    let drivers = if lasting { alone(manifests, limit)? } else { Vec::new() };
    let bad: Vec<String> = drivers
        .iter()
        .filter_map(|driver| Some((driver.manifest.display(), driver.end.as_ref().err()?)))
        .map(|(manifest, fault)| format!("the GPU driver {manifest} {fault}"))
        .collect();
    let why = if bad.is_empty() { format!("a GPU driver of this machine {fault}") } else { bad.join(", ") };
    Ok((Found { adapters: Vec::new(), drivers, outcome: Outcome::Broken(why) }, lasting))
}

fn sound(answer: &Value) -> Found {
    let adapters = answer["adapters"].as_array().cloned().unwrap_or_default();
    let chosen = adapters.iter().find(|adapter| adapter["chosen"] == true);
    let outcome = match (chosen, answer["refused"].as_str()) {
        (None, _) => Outcome::NoGpu,
        (Some(_), None) => Outcome::Gpu,
        (Some(gpu), Some(error)) => {
            let name = gpu["name"].as_str().unwrap_or_default();
            Outcome::Broken(format!("the GPU {name} cannot be opened ({error})"))
        }
    };
    Found { adapters, drivers: Vec::new(), outcome }
}

/// Tries each driver by itself, all at the same time.
fn alone(manifests: &[PathBuf], limit: Duration) -> Result<Vec<Driver>> {
    let (mut started, mut tried) = (Vec::new(), Vec::new());
    for manifest in manifests {
        if let Ok(trial) = start(Some(manifest)) {
            started.push(trial);
            tried.push(manifest.clone());
        }
    }
    let names = |answer: &Value| {
        let adapters = answer["adapters"].as_array().cloned().unwrap_or_default();
        adapters.iter().filter_map(|adapter| Some(adapter["name"].as_str()?.to_owned())).collect()
    };
    let ends = wait(started, limit)?;
    let driver = |(manifest, end)| match end {
        End::Answer(answer) => Driver { manifest, end: Ok(names(&answer)) },
        End::Fault { what, .. } => Driver { manifest, end: Err(what) },
    };
    Ok(tried.into_iter().zip(ends).map(driver).collect())
}

struct Trial {
    child: Child,
    /// What it says on stdout and stderr: files take all that a driver says, without anyone who reads it meanwhile, and end though a
    /// process that it has left behind still holds them.
    said: Option<File>,
    words: Option<File>,
}

/// How a trial has ended.
enum End {
    Answer(Value),
    Fault {
        /// As what "the driver" does.
        what: String,
        /// Whether the next trial would end so.
        lasting: bool,
    },
}

impl End {
    fn fault(what: String, lasting: bool) -> Self {
        Self::Fault { what, lasting }
    }
}

/// Starts a trial of all drivers, or of one.
fn start(manifest: Option<&Path>) -> io::Result<Trial> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(ARGUMENT).stdin(Stdio::null());
    let (said, out) = outlet(Stdio::piped);
    let (words, error) = outlet(Stdio::null);
    command.stdout(out).stderr(error);
    if let Some(manifest) = manifest {
        command.env("VK_DRIVER_FILES", manifest).env("VK_ICD_FILENAMES", manifest);
        command.env_remove("VK_ADD_DRIVER_FILES");
    }
    Ok(Trial { child: command.spawn()?, said, words })
}

/// A file without a name, and its end for a child; without a file, where there is no place for one, something else.
fn outlet(otherwise: fn() -> Stdio) -> (Option<File>, Stdio) {
    let both = tempfile::tempfile().and_then(|file| Ok((Some(file.try_clone()?), file.into())));
    both.unwrap_or_else(|_| (None, otherwise()))
}

/// Waits for trials, all together for so long. Those that take longer are ended.
fn wait(mut trials: Vec<Trial>, limit: Duration) -> Result<Vec<End>> {
    const LONGEST: Duration = Duration::from_millis(10);
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    let mut ends: Vec<Option<End>> = trials.iter().map(|_| None).collect();
    loop {
        let late = Instant::now() >= deadline;
        let stopped = stop::go_on();
        for (trial, end) in trials.iter_mut().zip(&mut ends).filter(|(_, end)| end.is_none()) {
            *end = match trial.child.try_wait() {
                Ok(Some(status)) => Some(trial.ended(status)),
                Ok(None) if late || stopped.is_err() => {
                    trial.kill();
                    Some(End::fault(format!("does not answer within {} s", limit.as_secs_f64()), true))
                }
                Ok(None) => None,
                Err(error) => Some(End::fault(format!("cannot be tried: {error}"), false)),
            };
        }
        stopped?;
        if ends.iter().all(Option::is_some) {
            return Ok(ends.into_iter().flatten().collect());
        }
        thread::sleep(pause);
        pause = (2 * pause).min(LONGEST);
    }
}

impl Trial {
    /// Ends it. One that is held by the kernel, within a driver, may not end even so, and is left.
    fn kill(&mut self) {
        let _ = self.child.kill();
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn ended(&mut self, status: ExitStatus) -> End {
        let mut bytes = Vec::new();
        let _ = match (&mut self.said, self.child.stdout.take()) {
            (Some(file), _) => file.rewind().and_then(|()| file.read_to_end(&mut bytes)),
            (None, Some(mut pipe)) => pipe.read_to_end(&mut bytes),
            (None, None) => Ok(0),
        };
        let said = String::from_utf8_lossy(&bytes);
        // Drivers may say something on stdout as well, before.
        let answer = said.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
        match answer {
            Some(answer) if status.success() && answer["adapters"].is_array() => End::Answer(answer),
            _ => {
                let (how, lasting) = fault(status);
                let words = self.last_words();
                End::fault(if words.is_empty() { how } else { format!("{how}: \"{words}\"") }, lasting)
            }
        }
    }

    /// The last line that it said on stderr, cut to what goes with a message of one line.
    fn last_words(&mut self) -> String {
        const LONGEST: usize = 200;
        const TAIL: u64 = 4096;
        let mut bytes = Vec::new();
        if let Some(file) = &mut self.words {
            let length = file.seek(io::SeekFrom::End(0)).unwrap_or(0);
            let _ = file.seek(io::SeekFrom::Start(length.saturating_sub(TAIL)));
            let _ = file.read_to_end(&mut bytes);
        }
        let text = String::from_utf8_lossy(&bytes);
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        last.chars().filter(|c| !c.is_control() && *c != '"').take(LONGEST).collect()
    }
}

/// How a process has failed, in words, and whether it would again: not where someone else has ended it.
fn fault(status: ExitStatus) -> (String, bool) {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        let name = match signal {
            1 => "SIGHUP",
            2 => "SIGINT",
            4 => "SIGILL",
            6 => "SIGABRT",
            8 => "SIGFPE",
            9 => "SIGKILL",
            11 => "SIGSEGV",
            15 => "SIGTERM",
            _ => "",
        };
        let name = if name.is_empty() { format!("signal {signal}") } else { name.to_owned() };
        return (format!("crashes ({name})"), ![1, 2, 9, 15].contains(&signal));
    }
    match status.code() {
        Some(0) => ("ends the process that loads it".to_owned(), true),
        Some(code) => (format!("ends the process that loads it, with status {code}"), true),
        None => ("crashes".to_owned(), true),
    }
}
