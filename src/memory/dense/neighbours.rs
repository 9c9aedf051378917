//! What the automatic choice of `beta` rests on: the nearest others of sampled patterns. It is kept up to date
//! as patterns come and go, so that the choice costs in proportion to what has changed.

use super::DenseMemory;
use crate::{
    Device, Error, Result, Rows, Tensor,
    contract::{Form, Landscape, Plan},
    memory::{
        Beta, BetaChoice, Memory, NO_PATTERN,
        beta::{Separations, choose, separation_of},
        sample::{sample, size},
    },
    ops::{Resolution, Similarity, SimilarityForm, descent::descend, nearest, product_error},
};
use std::collections::{BTreeMap, BTreeSet};

/// Nearest patterns that the choice looks at one by one.
pub(crate) const NEAREST: usize = 16;
/// Multiply-adds that keeping up with new patterns may cost.
const KEEPING: usize = 1_000_000_000;
/// Patterns whose nearest are looked for together.
const TOGETHER: usize = 512;

/// The nearest others of a pattern, by their separations from it, ascending.
pub(super) type Nearest = Vec<(f64, u32)>;

/// A sampled pattern.
#[derive(Debug)]
struct Known {
    row: Vec<f32>,
    nearest: Nearest,
}

/// Sampled patterns with their nearest others among all that are stored.
#[derive(Debug, Default)]
pub(super) struct Neighbours(BTreeMap<u32, Known>);

impl Neighbours {
    /// Takes in what new patterns are to each of those that are known; what nothing is said of is dropped.
    pub(super) fn merge(&mut self, new: Vec<(u32, Nearest)>) {
        let mut known = std::mem::take(&mut self.0);
        self.0 = new
            .into_iter()
            .filter_map(|(own, more)| {
                let Known { row, mut nearest } = known.remove(&own)?;
                nearest.extend(more);
                Some((own, Known { row, nearest: shortened(nearest) }))
            })
            .collect();
    }

    /// Drops what has been forgotten; `live` patterns are left. Where a pattern has lost one of its nearest, they
    /// are looked for anew when they are wanted.
    pub(super) fn drop_forgotten(&mut self, forgotten: impl Fn(u32) -> bool, live: usize) {
        self.0.retain(|own, Known { nearest, .. }| {
            nearest.retain(|(_, other)| !forgotten(*other));
            !forgotten(*own) && (nearest.len() >= NEAREST || nearest.len() + 1 >= live)
        });
    }
}

/// Sampled patterns with their nearest others, as a file keeps them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeptNeighbours {
    /// Numbers of the patterns, ascending, `[s]`.
    pub(crate) sample: Vec<u32>,
    /// Numbers of the nearest others of each, `[s * NEAREST]`; [`NO_PATTERN`] where there are fewer.
    pub(crate) nearest: Vec<u32>,
    /// Their separations.
    pub(crate) separations: Vec<f64>,
}

fn shortened(mut near: Nearest) -> Nearest {
    near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    near.truncate(NEAREST);
    near
}

/// How a pattern stands among `live` others and itself.
fn standing(near: &Nearest, live: usize) -> Separations {
    let separations: Vec<f64> = near.iter().map(|n| n.0).collect();
    let farther = (live - 1).saturating_sub(separations.len());
    Separations::new(separations, farther)
}

impl DenseMemory {
    /// Chooses `beta` from the separations of a sample, or of all patterns; those of a sample that are known are not computed again.
    pub(super) fn choose_beta(&self) -> Result<BetaChoice> {
        let live = self.live();
        if live == 0 {
            return Err(Error::EmptyMemory);
        }
        if self.beta == Beta::AutoExact {
            let all: Vec<u32> = (0..self.len() as u32).filter(|i| !self.is_forgotten(*i)).collect();
            return self.chosen(&self.separations(&all, None, live)?, live);
        }
        let wanted = sample(&self.hashes, size(live, self.dim()), |i| !self.is_forgotten(i as u32));
        // Not held while computing, as in `beta_choice`.
        let missing: Vec<u32> = {
            let known = self.neighbours.lock();
            wanted.iter().copied().filter(|own| !known.0.contains_key(own)).collect()
        };
        let found = self.find_nearest(&missing, None)?;
        let mut known = self.neighbours.lock();
        known.0.extend(missing.into_iter().zip(found));
        known.0.retain(|own, _| wanted.binary_search(own).is_ok());
        let sample: Vec<Separations> = known.0.values().map(|known| standing(&known.nearest, live)).collect();
        drop(known);
        self.chosen(&sample, live)
    }

    /// The same among the patterns of a mask.
    pub(super) fn choose_beta_among(&self, mask: &[bool]) -> Result<BetaChoice> {
        let passes = |i: usize| mask[i] && !self.is_forgotten(i as u32);
        let live = (0..self.len()).filter(|i| passes(*i)).count();
        if live == 0 {
            return Err(Error::NoEligiblePattern { patterns: self.live() });
        }
        let most = if self.beta == Beta::AutoExact { live } else { size(live, self.dim()) };
        self.chosen(&self.separations(&sample(&self.hashes, most, passes), Some(mask), live)?, live)
    }

    /// What the automatic choice rests on, for [`DenseMemory::remember`].
    ///
    /// # Errors
    /// As [`DenseMemory::beta_choice`].
    pub(crate) fn kept_neighbours(&self) -> Result<KeptNeighbours> {
        self.choose_beta()?;
        let known = self.neighbours.lock();
        let mut kept = KeptNeighbours { sample: Vec::new(), nearest: Vec::new(), separations: Vec::new() };
        for (own, Known { nearest, .. }) in &known.0 {
            kept.sample.push(*own);
            let none = std::iter::repeat((0.0, NO_PATTERN));
            for (separation, other) in nearest.iter().copied().chain(none).take(NEAREST) {
                kept.nearest.push(other);
                kept.separations.push(separation);
            }
        }
        Ok(kept)
    }

    /// Takes over what another memory of the same patterns knew of them. False where it cannot be of these patterns.
    ///
    /// # Errors
    /// Faults of the device.
    pub(crate) fn remember(&mut self, kept: &KeptNeighbours) -> Result<bool> {
        let KeptNeighbours { sample, nearest, separations } = kept;
        let is_stored = |k: &u32| (*k as usize) < self.len();
        let fits = [nearest.len(), separations.len()] == [sample.len() * NEAREST; 2]
            && sample.is_sorted_by(|a, b| a < b)
            && sample.iter().all(is_stored)
            && nearest.iter().all(|k| *k == NO_PATTERN || is_stored(k))
            && !separations.iter().any(|s| s.is_nan());
        if !fits || sample.is_empty() {
            return Ok(fits);
        }
        let rows = self.patterns.gather(sample)?;
        let lists = nearest.chunks_exact(NEAREST).zip(separations.chunks_exact(NEAREST));
        let known = rows.chunks_exact(self.dim()).zip(lists).map(|(row, (of, separations))| {
            let nearest = separations.iter().copied().zip(of.iter().copied());
            Known { row: row.to_vec(), nearest: nearest.filter(|(_, k)| *k != NO_PATTERN).collect() }
        });
        self.neighbours.get_mut().0 = sample.iter().copied().zip(known).collect();
        Ok(true)
    }

    /// How far the patterns of the sample are from their nearest others, ascending.
    pub(in crate::memory) fn sampled_distances(&self) -> Result<Vec<f64>> {
        self.choose_beta()?;
        let known = self.neighbours.lock();
        let mut all: Vec<f64> = match self.similarity {
            // Its separations are no distances.
            Similarity::Dot => {
                let rows: Vec<Vec<f32>> = known.0.values().map(|known| known.row.clone()).collect();
                drop(known);
                // The row itself, or a copy of it, comes first.
                let mut all = self.distances_to_nearest(&rows.concat(), 1)?;
                all.sort_by(f64::total_cmp);
                return Ok(all);
            }
            _ => known.0.values().filter_map(|known| known.nearest.first()).map(|near| near.0).collect(),
        };
        all.sort_by(f64::total_cmp);
        Ok(all)
    }

    /// How far rows are from the stored row that comes after so many nearer ones, by L2.
    pub(in crate::memory) fn distances_to_nearest(&self, rows: &[f32], after: usize) -> Result<Vec<f64>> {
        let d = self.dim();
        let numbers: Vec<u32> = (0..self.len() as u32).filter(|i| !self.is_forgotten(*i)).collect();
        let stored = self.patterns.gather(&numbers)?;
        let k = after + 1;
        if numbers.len() < k || rows.is_empty() {
            return Ok(Vec::new());
        }
        let patterns = Tensor::from_flat(self.device(), &stored, &[numbers.len(), d])?;
        let asked = Tensor::from_flat(self.device(), rows, &[rows.len() / d, d])?;
        let (_, found) = nearest(&asked, &patterns, k, Similarity::L2)?;
        let other = |i: u32| &stored[i as usize * d..(i as usize + 1) * d];
        let of = |(row, list): (&[f32], &[u32])| separation_of(row, other(list[after]), Similarity::L2);
        Ok(rows.chunks_exact(d).zip(found.chunks_exact(k)).map(of).collect())
    }

    fn chosen(&self, sample: &[Separations], live: usize) -> Result<BetaChoice> {
        choose(sample, self.similarity, f64::from(self.widest), self.dim(), live)
    }

    /// How patterns stand among `live` ones, those of the mask.
    fn separations(&self, numbers: &[u32], mask: Option<&[bool]>, live: usize) -> Result<Vec<Separations>> {
        let mut all = Vec::with_capacity(numbers.len());
        for numbers in numbers.chunks(TOGETHER) {
            all.extend(self.find_nearest(numbers, mask)?.iter().map(|known| standing(&known.nearest, live)));
        }
        Ok(all)
    }

    /// The nearest others of patterns, whose numbers ascend, among all that may answer. Where products do not tell a pattern from its nearest,
    /// they are looked for by differences.
    fn find_nearest(&self, numbers: &[u32], mask: Option<&[bool]>) -> Result<Vec<Known>> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let (similarity, d) = (self.similarity, self.dim());
        let form = |form| Resolution::of(form, similarity, 1.0, 0.0, d);
        let mut found = self.nearest_by(numbers, mask, form(SimilarityForm::Product))?;
        if matches!(similarity, Similarity::Dot | Similarity::L1) {
            return Ok(found);
        }
        // The nearest by products may be farther than the true one by twice their error.
        let error = product_error(similarity, self.widest.into(), d);
        let unsure = |known: &Known| known.nearest.first().is_some_and(|n| n.0 <= 8.0 * error);
        let again: Vec<usize> = (0..found.len()).filter(|i| unsure(&found[*i])).collect();
        let of_again: Vec<u32> = again.iter().map(|i| numbers[*i]).collect();
        let exactly = self.nearest_by(&of_again, mask, form(SimilarityForm::Difference))?;
        again.into_iter().zip(exactly).for_each(|(i, near)| found[i] = near);
        Ok(found)
    }

    /// The nearest by similarities in this form; how far they are is worked out from the rows in f64.
    fn nearest_by(
        &self,
        numbers: &[u32],
        mask: Option<&[bool]>,
        resolution: Resolution,
    ) -> Result<Vec<Known>> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let d = self.dim();
        let top_k = (NEAREST + 1).min(self.eligible(mask).0);
        let rows = self.patterns.gather(numbers)?;
        let form = Form { resolution, ..Form::plain(self.similarity, 1.0) };
        let terms = self.terms(mask)?;
        let landscape = Landscape { patterns: &self.patterns, terms: &*terms, form };
        let found = descend(&landscape, &Rows::new(rows.as_slice(), d)?, &Plan::evaluation(top_k))?;
        let others: Vec<u32> = found.indices.iter().copied().collect::<BTreeSet<u32>>().into_iter().collect();
        let of_others = self.patterns.gather(&others)?;
        let other = |k: &u32| others.binary_search(k).map_or(&[][..], |at| &of_others[at * d..(at + 1) * d]);
        let known = |((row, own), list): ((&[f32], &u32), &[u32])| {
            let separation = |k: &u32| (separation_of(row, other(k), self.similarity), *k);
            let nearest = shortened(list.iter().filter(|k| *k != own).map(separation).collect());
            Known { row: row.to_vec(), nearest }
        };
        Ok(rows.chunks_exact(d).zip(numbers).zip(found.indices.chunks_exact(top_k)).map(known).collect())
    }

    /// What rows that are to be stored, as they will be kept, are to the sampled patterns whose nearest are
    /// known. Where that is more work than to look at all patterns anew when it is wanted: nothing.
    pub(super) fn nearest_of(&self, rows: &Rows<'_>) -> Result<Vec<(u32, Nearest)>> {
        let known = self.neighbours.lock();
        let (m, d) = (rows.rows(), self.dim());
        let work = known.0.len().saturating_mul(m).saturating_mul(d);
        if known.0.is_empty() || (work > KEEPING && 4 * m > self.len()) {
            return Ok(Vec::new());
        }
        let (numbers, sampled): (Vec<u32>, Vec<Vec<f32>>) =
            known.0.iter().map(|(own, known)| (*own, known.row.clone())).unzip();
        // Not held while computing.
        drop(known);
        // On the host, where both are.
        let queries = Tensor::from_flat(&Device::cpu(), &sampled.concat(), &[numbers.len(), d])?;
        let patterns = Tensor::from_flat(&Device::cpu(), rows.as_slice(), &[m, d])?;
        let k = NEAREST.min(m);
        let (_, nearest) = nearest(&queries, &patterns, k, self.similarity)?;
        let first = self.len() as u32;
        let of_one = |((own, row), list): ((&u32, &Vec<f32>), &[u32])| {
            let separation = |i: &u32| separation_of(row, rows.row(*i as usize), self.similarity);
            (*own, list.iter().map(|i| (separation(i), first + i)).collect())
        };
        Ok(numbers.iter().zip(&sampled).zip(nearest.chunks_exact(k)).map(of_one).collect())
    }
}
