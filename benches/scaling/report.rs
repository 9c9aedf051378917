//! The figures as tables and as JSON.

use crate::{
    Measured,
    accuracy::SIZES,
    job::Job,
    sweep::{By, Linear, Sweep, TOLERANCE},
    text::{duration, grouped},
    timing::Seconds,
};
use serde_json::{Value, json};
use std::fmt::Write;

/// What a job reaches of the limit that binds it.
struct Share {
    limit: &'static str,
    /// By the median time and by the least.
    median: f64,
    best: f64,
}

fn share(measured: &Measured, job: Job, seconds: Seconds) -> Share {
    let least = job.least_seconds(measured.limits);
    let memory = job.memory_seconds(measured.limits) == least;
    Share {
        limit: if memory { "read bandwidth" } else { "multiply-add peak" },
        median: least / seconds.median,
        best: least / seconds.min,
    }
}

/// Processors that take part, where the device is the CPU.
fn cores(measured: &Measured) -> Option<usize> {
    let cpu = measured.device.as_gpu().is_none();
    cpu.then(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Who computed, and the limits.
pub(crate) fn machine(measured: &Measured) -> String {
    let cores = cores(measured).map_or(String::new(), |n| format!(", {n} threads"));
    let limits = measured.limits;
    format!(
        "{}{cores}: reads {:.1} GB/s, multiply-adds {:.0} GFLOP/s",
        measured.device, limits.read_gbps, limits.fma_gflops
    )
}

/// Whether a cost is linear, in words.
fn verdict(sweep: &Sweep) -> String {
    let (axis, (job, _)) = (sweep.axis, sweep.reference());
    let (letter, unit, reference) = (axis.letter(), axis.unit(), grouped(axis.of(job)));
    let range = |by: By| {
        let linear = sweep.linear(by);
        format!(
            "{:.2} to {:.2}, within {:.0} % {}from {} to {}",
            linear.least,
            linear.most,
            100.0 * TOLERANCE,
            if linear.whole { "" } else { "only " },
            grouped(linear.from),
            grouped(linear.to)
        )
    };
    let mut text = format!(
        "{}: the cost of a {unit}, with that at {letter} = {reference} as 1, is {} (by the fastest runs {})",
        axis.rest(job),
        range(By::Median),
        range(By::Fastest)
    );
    if let Some(line) = sweep.line() {
        let (fixed, percent) = (duration(line.fixed), 100.0 * line.deviation);
        text += &format!(
            "; a straight line with {fixed} at {letter} = 0 is within {percent:.0} % of all medians"
        );
    }
    text
}

pub(crate) fn markdown(measured: &Measured) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_markdown(&mut out, measured);
    out
}

fn write_markdown(out: &mut String, measured: &Measured) -> std::fmt::Result {
    writeln!(out, "{}\n", machine(measured))?;
    for sweep in &measured.sweeps {
        let (axis, (job, _)) = (sweep.axis, sweep.reference());
        let (letter, unit) = (axis.letter(), axis.unit());
        writeln!(out, "### against {letter} ({})\n", axis.rest(job))?;
        writeln!(
            out,
            "| {letter} | median | least to most | limit of the machine | share of it | cost of a {unit}, relative |"
        )?;
        writeln!(out, "| ---: | ---: | ---: | ---: | ---: | ---: |")?;
        for point in &sweep.points {
            let (job, seconds) = *point;
            writeln!(
                out,
                "| {} | {} | {} to {} | {} | {:.0} % | {:.2} |",
                grouped(axis.of(job)),
                duration(seconds.median),
                duration(seconds.min),
                duration(seconds.max),
                duration(job.least_seconds(measured.limits)),
                100.0 * share(measured, job, seconds).median,
                sweep.relative(point, By::Median)
            )?;
        }
        writeln!(out)?;
    }
    write_shares(out, measured)?;
    writeln!(out, "### in words\n")?;
    for sweep in &measured.sweeps {
        writeln!(out, "- {}.", verdict(sweep))?;
    }
    let [n, d, b] = SIZES;
    let accuracy = measured.accuracy;
    writeln!(
        out,
        "- {b} queries over {} patterns of {d} columns: states within {:.1e} of f64 (of the data's scale), energies within {:.1e}.",
        grouped(n),
        accuracy.state,
        accuracy.energy
    )
}

fn write_shares(out: &mut String, measured: &Measured) -> std::fmt::Result {
    if measured.shares.is_empty() {
        return Ok(());
    }
    writeln!(out, "### shares of the limits\n")?;
    writeln!(out, "| queries x patterns x columns | median | limit | share | share of the best run |")?;
    writeln!(out, "| --- | ---: | --- | ---: | ---: |")?;
    for (job, seconds) in &measured.shares {
        let share = share(measured, *job, *seconds);
        let (median, best) = (100.0 * share.median, 100.0 * share.best);
        writeln!(
            out,
            "| {job} | {} | {} | {median:.0} % | {best:.0} % |",
            duration(seconds.median),
            share.limit
        )?;
    }
    writeln!(out)
}

pub(crate) fn json(measured: &Measured) -> Value {
    let limits = measured.limits;
    let [n, d, b] = SIZES;
    json!({
        "machine": {
            "device": measured.device.to_string(),
            "threads": cores(measured),
            "read_gbps": limits.read_gbps,
            "fma_gflops": limits.fma_gflops,
        },
        "sweeps": measured.sweeps.iter().map(|sweep| sweep_json(measured, sweep)).collect::<Vec<_>>(),
        "shares": measured.shares.iter().map(|(job, seconds)| job_json(measured, *job, *seconds)).collect::<Vec<_>>(),
        "accuracy": {
            "b": b, "n": n, "d": d,
            "state_error": measured.accuracy.state, "energy_error": measured.accuracy.energy,
        },
    })
}

fn sweep_json(measured: &Measured, sweep: &Sweep) -> Value {
    let points = sweep.points.iter().map(|point| {
        let mut json = job_json(measured, point.0, point.1);
        json["relative_cost"] = sweep.relative(point, By::Median).into();
        json
    });
    let line = sweep.line().map(|line| {
        json!({ "fixed_seconds": line.fixed, "seconds_per_unit": line.per_unit, "deviation": line.deviation })
    });
    json!({
        "axis": sweep.axis.letter(),
        "fixed": sweep.axis.rest(sweep.reference().0),
        "reference": sweep.axis.of(sweep.reference().0),
        "points": points.collect::<Vec<_>>(),
        "linear": linear_json(sweep.linear(By::Median)),
        "linear_by_fastest": linear_json(sweep.linear(By::Fastest)),
        "line": line,
    })
}

fn linear_json(linear: Linear) -> Value {
    json!({
        "tolerance": TOLERANCE, "from": linear.from, "to": linear.to, "whole": linear.whole,
        "least": linear.least, "most": linear.most,
    })
}

fn job_json(measured: &Measured, job: Job, seconds: Seconds) -> Value {
    let share = share(measured, job, seconds);
    json!({
        "b": job.b, "n": job.n, "d": job.d,
        "seconds_median": seconds.median, "seconds_min": seconds.min, "seconds_max": seconds.max,
        "gflops": job.operations() / seconds.median / 1e9,
        "gbps": job.bytes() / seconds.median / 1e9,
        "limit_seconds": job.least_seconds(measured.limits),
        "limit": share.limit, "share": share.median, "share_best": share.best,
    })
}
