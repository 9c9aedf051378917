//! What a softmax step costs against the number of patterns, queries and columns, beside what the machine
//! could do at most; and how exact it is over a million patterns.
//!
//! `cargo bench --bench scaling`, with `-- --json docs/scaling.json --svg docs/scaling.svg` for the files.

mod accuracy;
mod arguments;
mod job;
mod plot;
mod report;
mod sweep;
mod text;
mod timing;
mod values;

use arguments::{Arguments, HELP};
use attractor::{
    Device, Result,
    machine::{Limits, measure},
};
use job::{Axis, Job};
use std::{fs, path::Path, process::ExitCode};
use sweep::Sweep;
use timing::{Effort, Seconds, in_turn};

/// All that was measured.
struct Measured {
    device: Device,
    limits: Limits,
    sweeps: Vec<Sweep>,
    /// The jobs of which a share of a limit is asked.
    shares: Vec<(Job, Seconds)>,
    accuracy: accuracy::Accuracy,
}

/// Few queries, which memory limits, and many, which arithmetic does.
const SHARES: [[usize; 3]; 2] = [[1, 100_000, 384], [1024, 100_000, 384]];

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    if arguments.help {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("scaling: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> std::result::Result<(), String> {
    let device = Device::open(&arguments.device).map_err(|error| error.to_string())?;
    let effort = match arguments.quick {
        true => Effort { rounds: 3, seconds: 0.005 },
        false => Effort { rounds: 15, seconds: 0.05 },
    };
    let measured = measure_all(device, effort).map_err(|error| error.to_string())?;
    print!("{}", report::markdown(&measured));
    if let Some(file) = &arguments.json {
        write(file, &format!("{:#}\n", report::json(&measured)))?;
    }
    if let Some(file) = &arguments.svg {
        write(file, &plot::svg(&measured))?;
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> std::result::Result<(), String> {
    fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

fn measure_all(device: Device, effort: Effort) -> Result<Measured> {
    // Between the jobs too: the best that was seen in the whole run is the limit.
    let mut limits = measure(&device)?;
    let mut again = || {
        let now = measure(&device)?;
        limits.read_gbps = limits.read_gbps.max(now.read_gbps);
        limits.fma_gflops = limits.fma_gflops.max(now.fma_gflops);
        Ok::<_, attractor::Error>(limits)
    };
    let [many, one] = [64, 1].map(|b| against(Axis::Patterns, Job::new(b, 0, 64), &PATTERNS));
    let queries = against(Axis::Queries, Job::new(0, 20_000, 128), &QUERIES);
    let columns = against(Axis::Columns, Job::new(64, 20_000, 0), &COLUMNS);

    eprintln!("timing against n ...");
    let mut of_patterns = in_turn(&device, &[many, one].concat(), effort)?;
    let of_one = of_patterns.extract_if(.., |(job, _)| job.b == 1).collect();
    again()?;
    eprintln!("timing against b ...");
    let of_queries = in_turn(&device, &queries, effort)?;
    again()?;
    eprintln!("timing against d ...");
    let of_columns = in_turn(&device, &columns, effort)?;
    again()?;
    eprintln!("timing shares of the limits ...");
    let shares = in_turn(&device, &SHARES.map(|[b, n, d]| Job::new(b, n, d)), effort)?;
    let limits = again()?;
    eprintln!("comparing with f64 ...");
    let accuracy = accuracy::measure(&device)?;
    let sweeps = [
        Sweep::new(Axis::Patterns, of_patterns, 100_000),
        Sweep::new(Axis::Patterns, of_one, 100_000),
        Sweep::new(Axis::Queries, of_queries, 128),
        Sweep::new(Axis::Columns, of_columns, 128),
    ];
    Ok(Measured { device, limits, sweeps: sweeps.into_iter().flatten().collect(), shares, accuracy })
}

const PATTERNS: [usize; 7] = [10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000];
const QUERIES: [usize; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
const COLUMNS: [usize; 7] = [16, 32, 64, 128, 256, 512, 1024];

/// A job in several sizes.
fn against(axis: Axis, job: Job, sizes: &[usize]) -> Vec<Job> {
    sizes.iter().map(|size| axis.with(job, *size)).collect()
}
