//! What memories that weigh their patterns one by one report of the weights.

use super::{recall::NO_PATTERN, relax::Best};
use crate::{
    Device, Error, Result, Rows, Tensor,
    ops::{Axis, Binary, Reduction, Unary, binary, reduce, top_k, unary, weighted_sum},
};

/// Scores `[b, n]` or states `[b, d]` of a batch of queries that are held at once: at most so many values.
const AT_ONCE: usize = 1 << 22;

/// Queries of a batch against `n` patterns of `d` columns.
pub(super) fn batch(n: usize, d: usize) -> usize {
    (AT_ONCE / n.max(d).max(1)).max(1)
}

/// What is added to weights `[n]` so that hidden patterns come behind those of no weight.
pub(super) fn behind(mask: &[bool], device: &Device) -> Result<Tensor> {
    let below: Vec<f32> = mask.iter().map(|answers| if *answers { 0.0 } else { -1.0 }).collect();
    Tensor::from_flat(device, &below, &[mask.len()])
}

/// The patterns behind states, from the weights `[b, n]` and the summary `[b * 4]` of a separation; `hidden` is [`behind`] of the mask.
pub(super) fn best(
    weights: &Tensor,
    summary: &[f32],
    values: Option<&Tensor>,
    hidden: Option<&Tensor>,
    k: usize,
) -> Result<Best> {
    let values = match values {
        Some(rows) => Some(Rows::new(weighted_sum(weights, rows)?.to_vec()?, rows.matrix_shape().1)?),
        None => None,
    };
    let (mut weights, mut indices) = match hidden {
        Some(hidden) => top_k(&binary(Binary::Add, weights, hidden)?, k)?,
        None => top_k(weights, k)?,
    };
    // Where weights are no numbers, even hidden patterns come before them.
    for (weight, index) in weights.iter_mut().zip(&mut indices).filter(|(weight, _)| **weight < 0.0) {
        (*weight, *index) = (0.0, NO_PATTERN);
    }
    Ok(Best {
        indices,
        weights,
        effective: summary.chunks_exact(4).map(|s| if s[2] > 0.0 { s[1].exp() } else { 0.0 }).collect(),
        support: Some(summary.chunks_exact(4).map(|s| s[2] as u32).collect()),
        values,
    })
}

/// `exp(H(p))` of weights `[b, n]`, taken in magnitude and divided by their sum; 0 where all are 0.
pub(super) fn effective(weights: &Tensor) -> Result<Vec<f32>> {
    let columns = weights.shape()[1];
    let w = unary(Unary::Abs, weights)?;
    // Keeps the logarithm finite where a weight is 0; its product with the weight is 0 then.
    let least = Tensor::from_flat(&weights.device(), &vec![f32::MIN_POSITIVE; columns], &[columns])?;
    let logs = unary(Unary::Log, &binary(Binary::Max, &w, &least)?)?;
    let sums = reduce(&w, Reduction::Sum, Axis::Columns)?.to_vec()?;
    let of_logs = reduce(&binary(Binary::Mul, &w, &logs)?, Reduction::Sum, Axis::Columns)?.to_vec()?;
    let number = |(sum, logs): (f32, f32)| {
        if sum > 0.0 { (sum.ln() - logs / sum).exp().max(1.0) } else { 0.0 }
    };
    Ok(sums.into_iter().zip(of_logs).map(number).collect())
}

/// The patterns that may answer, by their numbers.
///
/// # Errors
/// [`Error::NoEligiblePattern`]. The mask has one entry per pattern.
pub(super) fn eligible(mask: &[bool]) -> Result<Vec<u32>> {
    let kept: Vec<u32> = (0..mask.len() as u32).filter(|i| mask[*i as usize]).collect();
    if kept.is_empty() { Err(Error::NoEligiblePattern { patterns: mask.len() }) } else { Ok(kept) }
}

/// Rows of these numbers.
pub(super) fn pick(rows: &Rows<'_>, numbers: &[u32]) -> Result<Rows<'static>> {
    let picked: Vec<f32> = numbers.iter().flat_map(|i| rows.row(*i as usize)).copied().collect();
    Rows::new(picked, rows.columns())
}

/// Patterns by their numbers among all, from those among the eligible ones.
pub(super) fn among_all(indices: Vec<u32>, kept: &[u32]) -> Vec<u32> {
    indices.into_iter().map(|i| kept[i as usize]).collect()
}
