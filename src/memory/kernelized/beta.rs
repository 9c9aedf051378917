//! The automatic `beta` of a memory of features: as that of a dense memory, from the gaps between the features as they are compared.

use super::certificate::product;
use crate::{
    Result, Rows, Tensor,
    memory::{
        BetaChoice,
        beta::{Separations, choose_up_to, interval},
        sample::{hashes, sample, size},
    },
    ops::{Separation, Similarity, nearest},
};

/// Nearest others that are looked at one by one.
const NEAREST: usize = 16;
/// `beta` times the error of a score, at most: beyond it weights say more of rounding than of patterns.
const BLURRED: f64 = 0.02;
/// How much more than a fixed point needs, as for sparse memories.
const ROOM: f64 = 2.0;
/// Share of the patterns that must be fixed points.
const SHARE: f64 = 0.99;

/// How sampled patterns stand among the others.
pub(super) struct Standing {
    /// Of each that was looked at.
    separations: Vec<Separations>,
    /// Patterns that are more similar to another than to themselves: no `beta` recalls them.
    pub(super) outdone: Vec<usize>,
    error: f64,
    /// Of how many patterns they are a sample.
    stored: usize,
}

impl Standing {
    /// Of keys `[M, D]`; scores are known to within `error`.
    pub(super) fn of(keys: &Tensor, error: f64) -> Result<Self> {
        let (n, columns) = keys.matrix_shape();
        let rows = keys.to_vec()?;
        let row =
            |k: usize| rows[k * columns..(k + 1) * columns].iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let sample: Vec<usize> =
            sample(&hashes(&Rows::new(rows.as_slice(), columns)?), size(n, columns), |_| true)
                .into_iter()
                .map(|k| k as usize)
                .collect();
        let asked: Vec<f32> =
            sample.iter().flat_map(|k| &rows[k * columns..(k + 1) * columns]).copied().collect();
        let asked = Tensor::from_flat(&keys.device(), &asked, &[sample.len(), columns])?;
        let top = (NEAREST + 1).min(n);
        let (_, indices) = nearest(&asked, keys, top, Similarity::Dot)?;
        let (mut separations, mut outdone) = (Vec::new(), Vec::new());
        for (own, of) in sample.iter().zip(indices.chunks_exact(top)) {
            let x = row(*own);
            let to_itself = product(&x, &x);
            let others = of.iter().map(|k| *k as usize).filter(|k| k != own).take(NEAREST);
            let separation = |k: usize| {
                let other = row(k);
                if other == x { 0.0 } else { seen(to_itself - product(&x, &other), error) }
            };
            let found: Vec<f64> = others.map(separation).collect();
            if found.iter().any(|s| *s < -2.0 * error) {
                outdone.push(*own);
            }
            let farther = n - 1 - found.len();
            separations.push(Separations::new(found, farther));
        }
        Ok(Self { separations, outdone, error, stored: n })
    }

    /// The smallest `beta` at which most of them keep their weight, or for sparse separations are fixed points with some room; never one at
    /// which rounding would decide.
    pub(super) fn choice(&self, separation: Separation, widest: f64) -> Result<BetaChoice> {
        let most = BLURRED / self.error.max(f64::from(f32::MIN_POSITIVE));
        let margin = f64::from(separation.margin());
        if !margin.is_finite() {
            return choose_up_to(&self.separations, Similarity::Dot, widest, 1, self.stored, most);
        }
        let nearest = self.separations.iter().filter(|s| !s.outdone);
        let mut nearest: Vec<f64> = nearest.filter_map(|s| s.nearest.first().copied()).collect();
        nearest.sort_by(f64::total_cmp);
        let at = ((1.0 - SHARE) * nearest.len() as f64).floor() as usize;
        let fallback = if widest > 0.0 { 1.0 / widest } else { 1.0 };
        let beta = nearest.get(at).map_or(fallback, |s| ROOM * margin / s).min(most);
        let narrowed = |beta: f64| (beta.min(most) as f32).clamp(f32::MIN_POSITIVE, f32::MAX);
        let beta = narrowed(beta);
        let needed: Vec<f64> = nearest.iter().rev().map(|s| ROOM * margin / s).collect();
        let is_sample = self.separations.len() < self.stored;
        let (low, high) = interval(&needed, SHARE, beta, is_sample, narrowed);
        let kept = nearest.iter().filter(|s| **s * f64::from(beta) >= margin).count();
        let unique = self.separations.iter().filter(|s| !s.copied).count();
        Ok(BetaChoice {
            beta,
            low,
            high,
            outdone: self.outdone.len() as f64 / self.separations.len().max(1) as f64,
            sampled: self.separations.len(),
            separated: if unique == 0 { 1.0 } else { kept as f64 / unique as f64 },
            separation: nearest.get(nearest.len() / 2).map(|s| *s as f32),
        })
    }
}

/// The separation from a row that is no copy as recall sees it at worst: less by what rounding may take off it, and below 0 where nothing is
/// left, since no `beta` then tells the two apart in f32.
fn seen(separation: f64, error: f64) -> f64 {
    match separation {
        s if s < -2.0 * error => s,
        s if s <= 2.0 * error => -f64::MIN_POSITIVE,
        s => s - 2.0 * error,
    }
}
