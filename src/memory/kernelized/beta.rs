//! The automatic `beta` of a memory of features: as that of a dense memory, from the gaps between the features as they are compared.

use super::certificate::product;
use crate::{
    Result, Tensor,
    memory::{
        BetaChoice,
        beta::{Separations, choose_up_to},
        dense::even_sample,
    },
    ops::{Separation, Similarity, nearest},
};

/// Nearest others that are looked at one by one.
const NEAREST: usize = 16;
/// Multiply-adds that the choice may cost.
const WORK: usize = 10_000_000_000;
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
}

impl Standing {
    /// Of keys `[M, D]`; scores are known to within `error`.
    pub(super) fn of(keys: &Tensor, error: f64) -> Result<Self> {
        let (n, columns) = keys.matrix_shape();
        let rows = keys.to_vec()?;
        let row =
            |k: usize| rows[k * columns..(k + 1) * columns].iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let affordable = (WORK / (n * columns).max(1)).max(64);
        let sample = even_sample(n);
        let sample: Vec<usize> =
            sample.iter().copied().step_by(sample.len().div_ceil(affordable).max(1)).collect();
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
        Ok(Self { separations, outdone, error })
    }

    /// The smallest `beta` at which most of them keep their weight, or for sparse separations are fixed points with some room; never one at
    /// which rounding would decide.
    pub(super) fn choice(&self, separation: Separation, widest: f64) -> Result<BetaChoice> {
        let most = BLURRED / self.error.max(f64::from(f32::MIN_POSITIVE));
        let margin = f64::from(separation.margin());
        if !margin.is_finite() {
            return choose_up_to(&self.separations, Similarity::Dot, widest, 1, most);
        }
        let nearest = self.separations.iter().filter(|s| !s.outdone);
        let mut nearest: Vec<f64> = nearest.filter_map(|s| s.nearest.first().copied()).collect();
        nearest.sort_by(f64::total_cmp);
        let at = ((1.0 - SHARE) * nearest.len() as f64).floor() as usize;
        let fallback = if widest > 0.0 { 1.0 / widest } else { 1.0 };
        let beta = nearest.get(at).map_or(fallback, |s| ROOM * margin / s).min(most);
        let beta = (beta as f32).clamp(f32::MIN_POSITIVE, f32::MAX);
        let kept = nearest.iter().filter(|s| **s * f64::from(beta) >= margin).count();
        let unique = self.separations.iter().filter(|s| !s.copied).count();
        Ok(BetaChoice {
            beta,
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
