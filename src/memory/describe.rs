//! What is known of queries themselves, before any update: which patterns they are like, and whether anything like them is stored.

use super::{
    DenseMemory, Memory, RecallOptions,
    beta::{pair_similarity, separation_of},
    recall::NO_PATTERN,
};
use crate::{Result, Rows, ToRows, ops::Similarity};

/// What is known of `b` queries before any update. See [`Memory::describe_queries`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueryReport {
    /// How many patterns are listed per query.
    pub top_k: usize,
    /// The patterns that weigh most at the query, `[b * top_k]`, best first; [`NO_PATTERN`] where fewer may answer.
    pub indices: Vec<u32>,
    /// Their weights there, `[b * top_k]`.
    pub weights: Vec<f32>,
    /// Their similarities to the query, `[b * top_k]`; NaN where there is no pattern.
    pub similarity: Vec<f32>,
    /// Share of the stored patterns (of the sample that the automatic `beta` is chosen from) that are farther from their nearest other pattern than
    /// the query is from its nearest, `[b]`: near 0, nothing like the query is stored.
    pub typicality: Vec<f32>,
}

impl QueryReport {
    /// Typicality below which nothing like a query is stored: it is farther from its nearest pattern than 99 % of the patterns are from theirs.
    pub const UNLIKE: f32 = 0.01;

    /// How many queries are unlike anything that is stored.
    pub fn unlike(&self) -> usize {
        self.typicality.iter().filter(|t| **t < Self::UNLIKE).count()
    }
}

impl DenseMemory {
    /// Similarities `[b * k]` of states `[b, d]` with the patterns of these numbers, worked out from the rows in f64; NaN for [`NO_PATTERN`].
    pub(super) fn similarities(&self, states: &Rows<'_>, indices: &[u32]) -> Result<Vec<f32>> {
        let patterns = self.rows_of(indices)?;
        let k = indices.len() / states.rows().max(1);
        let of = |(at, index): (usize, &u32)| match (*index, patterns.get(index)) {
            (NO_PATTERN, _) | (_, None) => f32::NAN,
            (_, Some(row)) => pair_similarity(states.row(at / k), row, self.similarity()) as f32,
        };
        Ok(indices.iter().enumerate().map(of).collect())
    }

    /// See [`Memory::describe_queries`].
    pub(super) fn describe(&self, queries: &dyn ToRows, options: &RecallOptions<'_>) -> Result<QueryReport> {
        let rows = queries.to_rows()?;
        let top_k = options.top_k.map(|k| k.max(1));
        let asked = RecallOptions { steps: 0, trace: false, top_k, ..options.clone() };
        let found = self.recall_with(&rows, &asked)?;
        let similarity = self.similarities(&rows, &found.indices)?;
        let mut report = QueryReport {
            top_k: found.top_k,
            indices: found.indices,
            weights: found.weights,
            similarity,
            typicality: Vec::new(),
        };
        let near = self.sampled_distances()?;
        let distances = match self.similarity() {
            // What is most similar need not be nearest.
            Similarity::Dot => self.distances_to_nearest(rows.as_slice(), 0)?,
            similarity => {
                let nearest = self.rows_of(&report.indices)?;
                let best = |i: usize| report.indices.get(i * report.top_k).and_then(|k| nearest.get(k));
                let of = |(i, x)| best(i).map_or(f64::INFINITY, |row| separation_of(x, row, similarity));
                rows.iter().enumerate().map(of).collect()
            }
        };
        for distance in distances {
            // Ascending: those that are farther come behind.
            let farther = near.len() - near.partition_point(|other| *other <= distance);
            report.typicality.push(if near.is_empty() {
                f32::NAN
            } else {
                farther as f32 / near.len() as f32
            });
        }
        if options.top_k == Some(0) {
            report = QueryReport { typicality: report.typicality, ..QueryReport::default() };
        }
        Ok(report)
    }
}
