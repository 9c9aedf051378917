//! The exact nearest pattern, with its ties.

use crate::{
    Device, Result, Rows, Tensor,
    ops::{Similarity, similarity},
};
use rayon::prelude::*;

/// How the nearest patterns of a query compare with the right one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nearest {
    /// Whether none is nearer than the right one.
    pub(super) right: bool,
    /// How many are as near as the right one, itself among them, where none is nearer.
    pub(super) ties: u32,
}

impl Nearest {
    /// The share of a success where ties are drawn for.
    pub(super) fn shared(self) -> f64 {
        if self.right { 1.0 / f64::from(self.ties.max(1)) } else { 0.0 }
    }
}

/// Similarities that are held at once.
const AT_ONCE: usize = 1 << 22;

/// The nearest of the patterns for each query, of which `targets` are right.
pub(super) fn nearest(
    device: &Device,
    queries: &Rows<'_>,
    patterns: &Rows<'_>,
    targets: &[usize],
    kind: Similarity,
) -> Result<Vec<Nearest>> {
    let (b, d) = (queries.rows(), queries.columns());
    let x = Tensor::from_flat(device, queries.as_slice(), &[b, d])?;
    let block = (AT_ONCE / b.max(1)).clamp(1, patterns.rows().max(1));
    // The best score, how many have it, and the right one's.
    let mut found = vec![(f32::NEG_INFINITY, 0_u32, f32::NAN); b];
    for first in (0..patterns.rows()).step_by(block) {
        let end = (first + block).min(patterns.rows());
        let part = patterns.slice(first..end);
        let part = Tensor::from_flat(device, part.as_slice(), &[end - first, d])?;
        let scores = similarity(&x, &part, kind)?.to_vec()?;
        found.par_iter_mut().zip(scores.par_chunks_exact(end - first)).zip(targets).for_each(
            |(((best, ties, of_target), scores), target)| {
                for s in scores {
                    if *s > *best {
                        (*best, *ties) = (*s, 1);
                    } else if s == best {
                        *ties += 1;
                    }
                }
                if (first..end).contains(target) {
                    *of_target = scores[target - first];
                }
            },
        );
    }
    Ok(found
        .into_iter()
        .map(|(best, ties, right)| {
            let right = right >= best;
            Nearest { right, ties: if right { ties } else { 1 } }
        })
        .collect())
}
