//! The exact nearest pattern, with its ties.

use crate::{
    Device, Result, Rows, Tensor,
    ops::{Similarity, similarity},
};
use rayon::prelude::*;

/// How the nearest patterns of a query compare with the right one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nearest {
    /// Number of the nearest pattern, of equally near ones the first that is not the right one.
    pub(super) best: usize,
    /// Whether none is nearer than the right one.
    pub(super) right: bool,
    /// How many are as near as the right one, itself among them, where none is nearer.
    pub(super) ties: u32,
    /// How many of these are the right one or copies of it.
    pub(super) copies: u32,
}

impl Nearest {
    /// The share of a success where ties are drawn for.
    pub(super) fn shared(self) -> f64 {
        if self.right { f64::from(self.copies) / f64::from(self.ties.max(self.copies).max(1)) } else { 0.0 }
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
    // The best score, who has it first, how many have it, and the right one's.
    let mut found = vec![(f32::NEG_INFINITY, 0, 0_u32, f32::NAN); b];
    for first in (0..patterns.rows()).step_by(block) {
        let end = (first + block).min(patterns.rows());
        let part = patterns.slice(first..end);
        let part = Tensor::from_flat(device, part.as_slice(), &[end - first, d])?;
        let scores = similarity(&x, &part, kind)?.to_vec()?;
        found.par_iter_mut().zip(scores.par_chunks_exact(end - first)).zip(targets).for_each(
            |(((best, at, ties, of_target), scores), target)| {
                for (i, s) in scores.iter().enumerate() {
                    if *s > *best {
                        (*best, *at, *ties) = (*s, first + i, 1);
                    } else if s == best {
                        *ties += 1;
                        if at == target {
                            *at = first + i;
                        }
                    }
                }
                if (first..end).contains(target) {
                    *of_target = scores[target - first];
                }
            },
        );
    }
    let judge = |((score, best, ties, of_target), target): ((f32, usize, u32, f32), &usize)| {
        let own = patterns.row(*target);
        // Copies of a pattern count as the pattern, even where rounding puts one of them first.
        let right = of_target >= score || patterns.row(best) == own;
        let ties = if right { ties } else { 1 };
        let copies = match (right, ties) {
            (true, 2..) => patterns.iter().filter(|row| *row == own).count().min(ties as usize) as u32,
            _ => 1,
        };
        Nearest { best, right, ties, copies }
    };
    Ok(found.into_par_iter().zip(targets).map(judge).collect())
}
