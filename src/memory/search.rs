//! Exact search: the patterns that are most similar to queries, without any update.

use super::{DenseMemory, Memory, known::Marginal, recall::NO_PATTERN};
use crate::{
    Device, Error, Result, Rows, Tensor, ToRows,
    ops::{Similarity, nearest},
};
use std::collections::HashMap;

/// What a search is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchOptions<'a> {
    /// How many of the most similar patterns.
    pub top_k: usize,
    /// Patterns `[n]` that may answer; all where `None`.
    pub mask: Option<&'a [bool]>,
    /// Coordinates that are compared, `[d]` for all queries, or `[b * d]`; all where `None`. The others may be NaN.
    pub known: Option<&'a [bool]>,
}

impl Default for SearchOptions<'_> {
    fn default() -> Self {
        Self { top_k: 5, mask: None, known: None }
    }
}

/// The patterns that are most similar to `b` queries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// How many are listed per query.
    pub top_k: usize,
    /// Their numbers `[b * top_k]`, best first, equal ones by their numbers; [`NO_PATTERN`] where fewer may answer.
    pub indices: Vec<u32>,
    /// Their similarities to the query `[b * top_k]`; NaN where there is no pattern.
    pub similarity: Vec<f32>,
}

impl DenseMemory {
    /// The patterns that are most similar to queries `[b, d]` by this memory's similarity: all are compared, and equal results are in the order of their
    /// numbers. (A recall lists patterns by their weights at its *final state*.) Patterns are brought together for each call, at a cost of
    /// one copy.
    ///
    /// # Errors
    /// [`Error::EmptyMemory`], [`Error::NoEligiblePattern`], [`Error::DimensionMismatch`], [`Error::NonFinite`]; [`Error::InvalidParameter`] for a
    /// query of which nothing is known, and on a GPU for a `top_k` above 1024; faults of the device.
    ///
    /// ```
    /// use attractor::{memory::SearchOptions, prelude::*};
    /// let memory = DenseMemory::new(&[[0.0, 1.0], [1.0, 0.0], [3.0, 3.0]])?;
    /// let found = memory.search(&[[0.9, 0.0]], &SearchOptions { top_k: 2, ..SearchOptions::default() })?;
    /// assert_eq!(found.indices, [1, 0]);
    /// assert!((found.similarity[0] + 0.005).abs() < 1e-6);
    /// # Ok::<(), attractor::Error>(())
    /// ```
    pub fn search(&self, queries: &dyn ToRows, options: &SearchOptions<'_>) -> Result<Found> {
        let rows = queries.to_rows()?;
        let SearchOptions { top_k, mask, known } = *options;
        if self.live() == 0 {
            return Err(Error::EmptyMemory);
        }
        self.limits().check(&rows, mask)?;
        let (b, d) = (rows.rows(), self.dim());
        if let Some(known) = known.filter(|known| known.len() != d && known.len() != b * d) {
            let what = format!("entries of the known coordinates ({d}, or {d} for each of {b} queries)");
            return Err(Error::dimension(what, known.len(), d));
        }
        let mut found =
            Found { top_k, indices: vec![NO_PATTERN; b * top_k], similarity: vec![f32::NAN; b * top_k] };
        let may = |k: &usize| mask.is_none_or(|m| m[*k]) && !self.is_forgotten(*k as u32);
        let numbers: Vec<usize> = (0..self.len()).filter(may).collect();
        if numbers.is_empty() {
            return Err(Error::NoEligiblePattern { patterns: self.live() });
        }
        let mut groups: HashMap<Option<&[bool]>, Vec<usize>> = HashMap::new();
        for i in 0..b {
            let of_row = match known {
                Some(known) if known.len() == d => Some(known),
                Some(known) => Some(&known[i * d..(i + 1) * d]),
                None => None,
            };
            groups.entry(of_row).or_default().push(i);
        }
        let patterns = self.stored()?.patterns;
        if known.is_none() && numbers.len() == self.len() && self.similarity() != Similarity::Cosine {
            // As they are, without another copy.
            let (all, columns): (Vec<usize>, Vec<usize>) = ((0..b).collect(), (0..d).collect());
            let among = patterns.into_vec();
            self.search_among(&rows, among, [&all, &columns, &numbers], &mut found)?;
            return Ok(found);
        }
        for (compared, of) in groups {
            let columns: Vec<usize> = (0..d).filter(|j| compared.is_none_or(|known| known[*j])).collect();
            if columns.is_empty() {
                let given = format!("none (queries, row {})", of[0]);
                return Err(Error::parameter("known coordinates", given, "at least one"));
            }
            // Of which nothing is left has no cosine with anything.
            let has_direction = |k: &usize| {
                self.similarity() != Similarity::Cosine || columns.iter().any(|j| patterns[(*k, *j)] != 0.0)
            };
            let numbers: Vec<usize> = numbers.iter().copied().filter(has_direction).collect();
            let among = picked(&patterns, &numbers, &columns);
            self.search_among(&rows, among, [&of, &columns, &numbers], &mut found)?;
        }
        Ok(found)
    }

    /// The search of some queries by some columns among the patterns of these numbers, of which `among` has the columns.
    fn search_among(
        &self,
        rows: &Rows<'_>,
        among: Vec<f32>,
        [queries, columns, numbers]: [&[usize]; 3],
        found: &mut Found,
    ) -> Result<()> {
        let asked = picked(rows, queries, columns);
        if let Some(at) = asked.iter().position(|v| !v.is_finite()) {
            let (row, column) = (queries[at / columns.len()], columns[at % columns.len()]);
            return Err(Error::NonFinite { what: "queries".into(), row, column, value: asked[at] });
        }
        let k = found.top_k.min(numbers.len());
        if k == 0 || queries.is_empty() {
            return Ok(());
        }
        let shape = [numbers.len(), columns.len()];
        let among = match self.device() {
            Device::Cpu => Tensor::on_cpu(among, &shape)?,
            gpu => Tensor::from_flat(gpu, &among, &shape)?,
        };
        let asked = Tensor::from_flat(self.device(), &asked, &[queries.len(), columns.len()])?;
        let (similarity, indices) = nearest(&asked, &among, k, self.similarity())?;
        for (at, i) in queries.iter().enumerate() {
            let (from, to) = (at * k..(at + 1) * k, i * found.top_k..i * found.top_k + k);
            found.similarity[to.clone()].copy_from_slice(&similarity[from.clone()]);
            let of = indices[from].iter().map(|k| numbers[*k as usize] as u32);
            found.indices[to].iter_mut().zip(of).for_each(|(to, k)| *to = k);
        }
        Ok(())
    }
}

/// Some columns of some rows, one after another.
fn picked(rows: &Rows<'_>, of: &[usize], columns: &[usize]) -> Vec<f32> {
    of.iter().flat_map(|i| columns.iter().map(|j| rows[(*i, *j)])).collect()
}
