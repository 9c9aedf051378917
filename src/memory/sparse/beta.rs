//! The automatic `beta` of sparse separations.

use super::Settings;
use crate::{
    Result, Rows, Tensor,
    memory::{
        Beta, BetaChoice,
        beta::{interval, separation_of},
        sample::{hashes, sample, size},
    },
    ops::{Separation, check_small, nearest},
};

/// Share of the patterns that must be fixed points.
const SHARE: f64 = 0.99;
/// How much more than a fixed point needs: at just that, its basin is the point alone, and states near it hardly move.
const ROOM: f64 = 2.0;
/// For the Epanechnikov kernel, whose reach a larger `beta` shrinks: a little, for the rounding of scores.
const ROOM_OF_SUPPORT: f64 = 1.001;

/// `beta` at which most patterns lead all others by the margin, with some room; of those of a mask, where there is one.
pub(super) fn choose(
    patterns: &Tensor,
    mask: Option<&[bool]>,
    squared: &[f32],
    settings: &Settings,
) -> Result<BetaChoice> {
    let d = patterns.matrix_shape().1;
    let mut stored = patterns.to_vec()?;
    let mut patterns = patterns.clone();
    if let Some(mask) = mask {
        let rows = stored.chunks_exact(d).zip(mask).filter(|(_, may)| **may);
        stored = rows.flat_map(|(row, _)| row).copied().collect();
        patterns = Tensor::from_flat(&patterns.device(), &stored, &[stored.len() / d, d])?;
    }
    let n = patterns.matrix_shape().0;
    let most = if settings.beta == Beta::AutoExact { n } else { size(n, d) };
    let sample: Vec<usize> = sample(&hashes(&Rows::new(stored.as_slice(), d)?), most, |_| true)
        .into_iter()
        .map(|k| k as usize)
        .collect();
    let rows: Vec<f32> = sample.iter().flat_map(|k| &stored[k * d..(k + 1) * d]).copied().collect();
    let rows = Tensor::from_flat(&patterns.device(), &rows, &[sample.len(), d])?;
    let patterns = &patterns;
    let k = 2.min(n);
    let (_, indices) = nearest(&rows, patterns, k, settings.similarity)?;
    let mut separations = Vec::new();
    let (mut copied, mut outdone) = (0, 0);
    let row = |i: usize| &stored[i * d..(i + 1) * d];
    for (own, of) in sample.iter().zip(indices.chunks_exact(k)) {
        let Some(other) = of.iter().find(|i| **i as usize != *own) else { continue };
        match separation_of(row(*own), row(*other as usize), settings.similarity) {
            s if s > 0.0 => separations.push(s),
            s if s < 0.0 => outdone += 1,
            _ => copied += 1,
        }
    }
    separations.sort_by(f64::total_cmp);
    let margin = match settings.separation.margin() {
        m if m.is_finite() => f64::from(m),
        // Its patterns are no fixed points at any beta; this is where the nearest one begins to get less than all.
        _ if settings.separation.total() > 1.0 => 1.0,
        // Softmax: 99 % of the weight, were all others as near as the nearest.
        _ => (99.0 * (n as f64 - 1.0).max(1.0)).ln(),
    };
    // Small separations need a large beta.
    let at = ((1.0 - SHARE) * separations.len() as f64).floor() as usize;
    let widest = f64::from(squared.iter().copied().fold(0.0, f32::max));
    let fallback = if widest > 0.0 { 1.0 / widest } else { 1.0 };
    let room = if settings.separation == Separation::Epanechnikov { ROOM_OF_SUPPORT } else { ROOM };
    let beta = separations.get(at).map_or(fallback, |s| room * margin / s);
    check_small(beta, settings.similarity, d)?;
    let narrowed = |beta: f64| (beta as f32).clamp(f32::MIN_POSITIVE, 1e28);
    let beta = narrowed(beta);
    let needed: Vec<f64> = separations.iter().rev().map(|s| room * margin / s).collect();
    let (low, high) = interval(&needed, SHARE, beta, sample.len() < n, narrowed);
    let alone = settings.separation.total() == 1.0;
    let kept = separations.iter().filter(|s| alone && **s * f64::from(beta) >= margin).count();
    let unique = sample.len() - copied;
    Ok(BetaChoice {
        beta,
        low,
        high,
        outdone: outdone as f64 / sample.len().max(1) as f64,
        sampled: sample.len(),
        separated: match separations.len() + outdone {
            0 => 1.0,
            _ => kept as f64 / unique.max(1) as f64,
        },
        separation: separations.get(separations.len() / 2).map(|s| *s as f32),
    })
}
