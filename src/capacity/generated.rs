//! Patterns that are made as they are needed: the nearest one and one step of softmax in constant memory.

use super::{
    Cell, Criterion, Model, Schedule, Series,
    corruption::Damage,
    cues::{Cues, targets},
    decode::Nearest,
    recall::Ended,
};
use crate::{
    Device, Result, Rows,
    ops::{Bank, Progress, Scan, ScanOptions},
};
use std::time::Instant;

/// Whether a row of the grid can do without stored patterns.
pub(super) fn can(model: &Model, schedule: Schedule) -> bool {
    matches!(model, Model::Nearest) || model.is_softmax() && schedule == Schedule::Steps(1)
}

/// Queries for a bank: the same as for its stored patterns.
pub(super) fn cues(bank: &Bank, seed: u64, queries: usize, damage: Damage) -> Result<Cues> {
    let (n, d) = (usize::try_from(bank.n()).unwrap_or(usize::MAX), bank.d());
    let (_, numbers) = targets(seed, d, n, queries, damage.corruption);
    let numbers: Vec<u64> = numbers.into_iter().map(|t| t as u64).collect();
    let rows = bank.gather(&numbers)?;
    let place = |target: usize| numbers.iter().position(|t| *t == target as u64).unwrap_or(0);
    Cues::new(seed, n, queries, damage, d, |target| Ok(rows.row(place(target)).to_vec()))
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
    let best: Vec<u64> = scans.iter().map(|s| s.index).collect();
    let winners = bank.gather(&best)?;
    if nearest {
        let of = |(i, s): (usize, &Scan)| {
            let best = usize::try_from(s.index).unwrap_or(usize::MAX);
            // A copy of the right pattern counts as the right one.
            let copied = best != cues.targets[i] && winners.row(i) == cues.patterns.row(i);
            match s.target {
                Some(t) if t.above == 0 || copied => {
                    let copies = 1 + u32::from(copied);
                    Nearest { best, right: true, ties: (t.equal as u32 + 1).max(copies), copies }
                }
                _ => Nearest { best, right: false, ties: 1, copies: 1 },
            }
        };
        let found: Vec<Nearest> = scans.iter().enumerate().map(of).collect();
        return Ok(Cell { seconds, ..Cell::of_nearest(&found, &winners, cues, criteria) });
    }
    let states: Vec<f32> = scans.iter().filter_map(Scan::state).flatten().collect();
    let failed = states.chunks_exact(bank.d()).map(|x| x.iter().any(|v| !v.is_finite())).collect();
    let ended = Ended {
        states: Rows::new(states, bank.d())?,
        // As where patterns are stored: the first of the best, or a copy of the right one.
        right: winners.iter().zip(cues.patterns.iter()).map(|(winner, pattern)| winner == pattern).collect(),
        weights: scans.iter().map(|s| (1.0 / s.sum) as f32).collect(),
        updates: vec![1; scans.len()],
        failed,
        beta: beta.unwrap_or(1.0) as f32,
    };
    let mut cell = Cell::judged(&ended, cues, criteria);
    (cell.seconds, cell.beta) = (seconds, beta);
    cell.participation = Some(scans.iter().map(Scan::participation).sum::<f64>() / scans.len().max(1) as f64);
    Ok(cell)
}
