//! Queries: which patterns are asked for, and how they are damaged.

use super::{
    Corruption,
    corruption::{Damage, mean_cosine},
};
use crate::{
    Result, Rows,
    random::{Stream, key, purpose::TARGET, tag},
};

/// Damaged patterns, and which they are.
pub(super) struct Cues {
    /// Numbers of the patterns, `[q]`.
    pub(super) targets: Vec<usize>,
    /// The patterns themselves, `[q, d]`.
    pub(super) patterns: Rows<'static>,
    /// The damaged patterns, `[q, d]`.
    pub(super) queries: Rows<'static>,
    /// Mean cosine between the two.
    pub(super) cosine: f64,
    /// What they were drawn with.
    pub(super) key: u64,
}

/// Which patterns are asked for: random ones, or each at most once where a query of the same pattern would be the same query.
pub(super) fn targets(
    seed: u64,
    d: usize,
    n: usize,
    queries: usize,
    corruption: Corruption,
) -> (u64, Vec<usize>) {
    let key = key(seed, &[tag("cues"), d as u64, n as u64, tag(&corruption.to_string())]);
    let targets = if corruption.is_fixed() && n <= 4 * queries {
        Stream::new(key, TARGET, 0).choose(queries.min(n), n)
    } else {
        (0..queries as u64).map(|i| Stream::new(key, TARGET, i).below(n as u64) as usize).collect()
    };
    (key, targets)
}

impl Cues {
    /// Queries for the first `n` patterns of a seed: the same for every memory and temperature.
    pub(super) fn new(
        seed: u64,
        n: usize,
        queries: usize,
        damage: Damage,
        d: usize,
        pattern: impl Fn(usize) -> Result<Vec<f32>>,
    ) -> Result<Self> {
        let (key, targets) = targets(seed, d, n, queries, damage.corruption);
        let mut patterns = Vec::with_capacity(targets.len() * d);
        let mut damaged = Vec::with_capacity(targets.len() * d);
        for (i, target) in targets.iter().enumerate() {
            let row = pattern(*target)?;
            damaged.extend(damage.apply(&row, key, i as u64));
            patterns.extend(row);
        }
        let (patterns, queries) = (Rows::new(patterns, d)?, Rows::new(damaged, d)?);
        let cosine = mean_cosine(queries.iter().zip(patterns.iter()));
        Ok(Self { targets, patterns, queries, cosine, key })
    }
}
