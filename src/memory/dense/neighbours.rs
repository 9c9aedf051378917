//! What the automatic choice of `beta` rests on: the nearest others of sampled patterns. It is kept up to date
//! as patterns come and go, so that the choice costs in proportion to what has changed.

use super::{DenseMemory, Sample};
use crate::{
    Device, Error, Result, Rows, Tensor,
    contract::{Form, Landscape, Plan},
    memory::{
        BetaChoice, Memory,
        beta::{Separations, choose, separation_of},
    },
    ops::{Resolution, Similarity, SimilarityForm, descent::descend, nearest, product_error},
};
use std::collections::{BTreeMap, HashSet};

/// Nearest patterns that the choice looks at one by one.
const NEAREST: usize = 16;
/// Multiply-adds that the choice may cost.
const SAMPLE_WORK: usize = 10_000_000_000;

/// The nearest others of a pattern, by their separations from it, ascending.
pub(super) type Nearest = Vec<(f64, u32)>;

/// Sampled patterns with their nearest others among all that are stored.
#[derive(Debug, Default)]
pub(super) struct Neighbours(BTreeMap<u32, Nearest>);

impl Neighbours {
    /// Takes in what new patterns are to each of those that are known; what nothing is said of is dropped.
    pub(super) fn merge(&mut self, new: Vec<(u32, Nearest)>) {
        let known = std::mem::take(&mut self.0);
        self.0 = new
            .into_iter()
            .filter_map(|(own, more)| {
                let mut all = known.get(&own)?.clone();
                all.extend(more);
                Some((own, shortened(all)))
            })
            .collect();
    }

    /// Drops what has been forgotten; `live` patterns are left. Where a pattern has lost one of its nearest, they
    /// are looked for anew when they are wanted.
    pub(super) fn drop_forgotten(&mut self, forgotten: impl Fn(u32) -> bool, live: usize) {
        self.0.retain(|own, near| {
            near.retain(|(_, other)| !forgotten(*other));
            !forgotten(*own) && (near.len() >= NEAREST || near.len() + 1 >= live)
        });
    }
}

fn shortened(mut near: Nearest) -> Nearest {
    near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    near.truncate(NEAREST);
    near
}

/// A separation as one: 0 where it is within the rounding of the similarities that it comes from.
fn cleaned(to_itself: f64, to_other: f64, least: f64) -> f64 {
    let separation = to_itself - to_other;
    if separation.abs() > least * to_itself.abs().max(to_other.abs()) { separation } else { 0.0 }
}

impl DenseMemory {
    /// Chooses `beta` from the sample's separations; those that are known are not computed again.
    pub(super) fn choose_beta(&self) -> Result<BetaChoice> {
        let (live, d) = (self.live(), self.dim());
        if live == 0 {
            return Err(Error::EmptyMemory);
        }
        // A power of two: when more patterns make it larger, what is known of those that stay is still good.
        let affordable = (SAMPLE_WORK / (self.len() * d)).max(64);
        let every = self.sample.indices.len().div_ceil(affordable).next_power_of_two();
        let wanted: Vec<u32> = self.sample.indices.iter().copied().step_by(every).collect();
        let neighbours = || self.neighbours.lock();
        // Not held while computing, as in `beta_choice`.
        let missing: Vec<u32> = {
            let known = neighbours();
            wanted.iter().copied().filter(|own| !known.0.contains_key(own)).collect()
        };
        let found = self.find_nearest(&missing)?;
        let mut known = neighbours();
        known.0.extend(missing.into_iter().zip(found));
        known.0.retain(|own, _| wanted.binary_search(own).is_ok());
        let sample: Vec<Separations> = known
            .0
            .values()
            .map(|near| {
                let separations: Vec<f64> = near.iter().map(|n| n.0).collect();
                let farther = live - 1 - separations.len().min(live - 1);
                Separations::new(separations, farther)
            })
            .collect();
        choose(&sample, self.similarity, f64::from(self.widest), self.dim())
    }

    /// The nearest others of sampled patterns among all that are stored. Where products do not tell a pattern from its nearest, they are
    /// looked for by differences.
    fn find_nearest(&self, numbers: &[u32]) -> Result<Vec<Nearest>> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let (similarity, d) = (self.similarity, self.dim());
        let form = |form| Resolution::of(form, similarity, 1.0, 0.0, d);
        let mut found = self.nearest_by(numbers, form(SimilarityForm::Product))?;
        if matches!(similarity, Similarity::Dot | Similarity::L1) {
            return Ok(found);
        }
        // The nearest by products may be farther than the true one by twice their error.
        let error = product_error(similarity, self.widest.into(), d);
        let unsure = |near: &Nearest| near.first().is_some_and(|n| n.0 <= 8.0 * error);
        let again: Vec<usize> = (0..found.len()).filter(|i| unsure(&found[*i])).collect();
        let of_again: Vec<u32> = again.iter().map(|i| numbers[*i]).collect();
        let exactly = self.nearest_by(&of_again, form(SimilarityForm::Difference))?;
        again.into_iter().zip(exactly).for_each(|(i, near)| found[i] = near);
        Ok(found)
    }

    fn nearest_by(&self, numbers: &[u32], resolution: Resolution) -> Result<Vec<Nearest>> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let top_k = (NEAREST + 1).min(self.live());
        let rows: Vec<f32> =
            numbers.iter().filter_map(|i| self.sample.row(*i, self.dim())).flatten().copied().collect();
        let form = Form { resolution, ..Form::plain(self.similarity, 1.0) };
        let terms = self.terms(None)?;
        let landscape = Landscape { patterns: &self.patterns, terms: &*terms, form };
        let found = descend(&landscape, &Rows::new(rows, self.dim())?, &Plan::evaluation(top_k))?;
        let lists = found.indices.chunks_exact(top_k).zip(found.scores.chunks_exact(top_k));
        let nearest = lists.zip(numbers).map(|((of, scores), own)| {
            let others = of.iter().zip(scores).filter(|(k, _)| *k != own);
            shortened(others.map(|(k, score)| (self.separation(*own, *k, *score, form), *k)).collect())
        });
        Ok(nearest.collect())
    }

    /// How much more similar a sampled pattern is to itself than to another: exactly, where the other is
    /// in the sample too (all are, where few are stored), else from its score; 0 where that cannot tell
    /// the two apart.
    fn separation(&self, own: u32, other: u32, score: f64, form: Form) -> f64 {
        let row = |k: u32| self.sample.row(k, self.dim());
        if let (Some(x), Some(xi)) = (row(own), row(other)) {
            return separation_of(x, xi, self.similarity);
        }
        if form.squares() {
            // Unit rows are rounded: what is left between parallel ones is no separation.
            let rounding = if self.similarity == Similarity::Cosine { 1e-12 } else { 0.0 };
            return if -score > rounding { -score } else { 0.0 };
        }
        let squared = f64::from(self.squared[own as usize]);
        let to_itself = match self.similarity {
            // Scores leave out what is the same for all patterns.
            Similarity::L2 => 0.5 * squared,
            Similarity::Dot => squared,
            Similarity::Cosine => 1.0,
            Similarity::L1 => 0.0,
        };
        cleaned(to_itself, score, 2e-6)
    }

    /// What rows that are to be stored, as they will be kept, are to the sampled patterns whose nearest are
    /// known. Where that is more work than to look at all patterns anew when it is wanted: nothing.
    pub(super) fn nearest_of(&self, rows: &Rows<'_>) -> Result<Vec<(u32, Nearest)>> {
        let known: Vec<u32> = {
            let known = self.neighbours.lock();
            known.0.keys().copied().filter(|own| self.sample.row(*own, self.dim()).is_some()).collect()
        };
        let (m, d) = (rows.rows(), self.dim());
        let work = known.len().saturating_mul(m).saturating_mul(d);
        if known.is_empty() || work > SAMPLE_WORK / 8 {
            return Ok(Vec::new());
        }
        let sampled = |own: &u32| self.sample.row(*own, d).unwrap_or_default();
        let queries: Vec<f32> = known.iter().flat_map(sampled).copied().collect();
        // On the host, where both are.
        let queries = Tensor::from_flat(&Device::cpu(), &queries, &[known.len(), d])?;
        let patterns = Tensor::from_flat(&Device::cpu(), rows.as_slice(), &[m, d])?;
        let k = NEAREST.min(m);
        let (_, nearest) = nearest(&queries, &patterns, k, self.similarity)?;
        let first = self.len() as u32;
        let of_one = |(own, list): (&u32, &[u32])| {
            let separation = |i: &u32| separation_of(sampled(own), rows.row(*i as usize), self.similarity);
            (*own, list.iter().map(|i| (separation(i), first + i)).collect())
        };
        Ok(known.iter().zip(nearest.chunks_exact(k)).map(of_one).collect())
    }

    /// A new sample, where forgetting these patterns would leave too little of the one that there is.
    pub(super) fn sample_without(&self, numbers: &[u32]) -> Result<Option<Sample>> {
        let numbers: HashSet<u32> = numbers.iter().copied().collect();
        let left = self.sample.indices.iter().filter(|i| !numbers.contains(i)).count();
        if !Sample::is_thin(left, self.live() - numbers.len()) {
            return Ok(None);
        }
        let stays = |i: &u32| !self.is_forgotten(*i) && !numbers.contains(i);
        let live: Vec<u32> = (0..self.len() as u32).filter(stays).collect();
        Sample::of(&live, |numbers| self.patterns.gather(numbers)).map(Some)
    }
}
