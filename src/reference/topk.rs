//! The largest entries of a row.

use std::cmp::Ordering;

/// Indices and values of the `k` largest entries, largest first, equal ones by lowest index.
/// Fewer than `k` where the row is shorter.
pub fn top_k(row: &[f64], k: usize) -> Vec<(usize, f64)> {
    let mut all: Vec<(usize, f64)> = row.iter().copied().enumerate().collect();
    all.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal).then(a.0.cmp(&b.0)));
    all.truncate(k);
    all
}
