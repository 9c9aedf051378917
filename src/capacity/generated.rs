//! Patterns that are made as they are needed: the nearest one and one step of softmax in constant memory.

use super::{
    Cell, Criterion, Model, Schedule, Series,
    cues::{Cues, targets},
    decode::Nearest,
    recall::Ended,
};
use crate::{
    Device, Result, Rows,
    memory::Energy,
    ops::{Bank, Progress, Scan, ScanOptions},
};
use std::time::Instant;

/// Whether a row of the grid can do without stored patterns.
pub(super) fn can(model: &Model, schedule: Schedule) -> bool {
    match model {
        Model::Nearest => true,
        Model::Energy(Energy::Softmax) => schedule == Schedule::Steps(1),
        _ => false,
    }
}

/// Queries for a bank: the same as for its stored patterns.
pub(super) fn cues(bank: &Bank, seed: u64, queries: usize, corruption: super::Corruption) -> Result<Cues> {
    let (n, d) = (usize::try_from(bank.n()).unwrap_or(usize::MAX), bank.d());
    let (_, numbers) = targets(seed, d, n, queries, corruption);
    let numbers: Vec<u64> = numbers.into_iter().map(|t| t as u64).collect();
    let rows = bank.gather(&numbers)?;
    let place = |target: usize| numbers.iter().position(|t| *t == target as u64).unwrap_or(0);
    Cues::new(seed, n, queries, corruption, d, |target| Ok(rows.row(place(target)).to_vec()))
}

/// One row of the grid among the patterns of a bank.
pub(super) fn cell(
    series: &Series,
    bank: &Bank,
    cues: &Cues,
    beta: Option<f64>,
    device: &Device,
    criteria: &[Criterion],
    progress: Option<Progress<'_>>,
) -> Result<Cell> {
    let targets: Vec<u64> = cues.targets.iter().map(|t| *t as u64).collect();
    let nearest = matches!(series.model, Model::Nearest);
    let options = ScanOptions { update: !nearest, progress, ..ScanOptions::default() };
    let started = Instant::now();
    let scans = bank.scan(&cues.queries, &targets, beta.unwrap_or(1.0) as f32, device, &options)?;
    let seconds = started.elapsed().as_secs_f64();
    if nearest {
        let of = |s: &Scan| match s.target {
            Some(t) if t.above == 0 => Nearest { right: true, ties: t.equal as u32 + 1 },
            _ => Nearest { right: false, ties: 1 },
        };
        let found: Vec<Nearest> = scans.iter().map(of).collect();
        return Ok(Cell { seconds, ..Cell::of_nearest(&found, cues, criteria) });
    }
    let states: Vec<f32> = scans.iter().filter_map(Scan::state).flatten().collect();
    let ended = Ended {
        states: Rows::new(states, bank.d())?,
        // Copies of a pattern are as good as itself.
        right: scans.iter().map(|s| s.target.is_some_and(|t| t.above == 0)).collect(),
        weights: scans.iter().map(|s| (1.0 / s.sum) as f32).collect(),
        updates: vec![1; scans.len()],
        failed: vec![false; scans.len()],
        beta: beta.unwrap_or(1.0) as f32,
    };
    let mut cell = Cell::judged(&ended, cues, criteria);
    (cell.seconds, cell.beta) = (seconds, beta);
    cell.participation = Some(scans.iter().map(Scan::participation).sum::<f64>() / scans.len().max(1) as f64);
    Ok(cell)
}
