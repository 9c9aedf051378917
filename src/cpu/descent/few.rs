//! A task of one or two queries: a stream through the patterns, with the coordinates in the lanes.

use super::{Found, Part, Work};
use crate::{
    cpu::matmul::Operand,
    cpu::{
        math::{self, exp_nonpositive, simd},
        similarity::products,
        topk::Best,
    },
    ops::{MASKED, Similarity, Term, descent::Carry},
};

/// Runs the task for queries `[b, d]`.
pub(super) fn run(work: &Work<'_>, queries: Operand<'_>) -> Part {
    let (b, d) = queries.shape;
    let width = work.width;
    let mut part = Part {
        found: (0..b).map(|_| Found { carry: Carry::EMPTY, best: Best::new(work.top_k) }).collect(),
        sums: vec![0.0; b * width],
    };
    let scale: Vec<f32> = queries.data.chunks_exact(d).map(|x| work.scale(x)).collect();
    let mut scores = Vec::new();
    work.for_each_block(|block| {
        let n = block.terms.len();
        scores.resize(b * n, 0.0);
        products(&mut scores, queries, Operand::new(block.patterns, n, d), work.source.form.similarity, 1);
        for (i, row) in scores.chunks_exact_mut(n).enumerate() {
            scale_scores(row, block.terms, scale[i]);
            let found = &mut part.found[i];
            found.best.scan(row, block.first as u32);
            let (carry, shrink) = exponentials(row, block.terms, found.carry, work.source.form.similarity);
            found.carry = carry;
            let Some(readout) = block.readout else { continue };
            let sums = &mut part.sums[i * width..(i + 1) * width];
            simd!({
                if shrink != 1.0 {
                    sums.iter_mut().for_each(|v| *v *= shrink);
                }
                for (w, xi) in row.iter().zip(readout.chunks_exact(width)) {
                    // At large beta most weights have underflowed.
                    if *w > 0.0 {
                        math::axpy(sums, *w, xi);
                    }
                }
            });
        }
    });
    part
}

/// Products to scores `beta * similarity` without what is the same for all patterns; hidden patterns
/// to [`MASKED`].
fn scale_scores(row: &mut [f32], terms: &[Term], scale: f32) {
    simd!({
        for (s, t) in row.iter_mut().zip(terms) {
            let score = scale * (*s * t.scale + t.bias);
            *s = if t.eligible() { score } else { MASKED };
        }
    });
}

/// Scores to `exp(score - m)`, with the carry that includes them; also the factor by which what was
/// summed before must shrink.
fn exponentials(row: &mut [f32], terms: &[Term], before: Carry, similarity: Similarity) -> (Carry, f32) {
    simd!({
        let m = math::maximum(row).max(before.m as f32);
        let mut carry = Carry { m: f64::from(m), l: 0.0, h: 0.0, le: 0.0 };
        let mut entropies = [0.0_f32; super::LONGEST_BLOCK];
        for (v, h) in row.iter_mut().zip(&mut entropies) {
            let z = *v - m;
            let e = if *v > 0.5 * MASKED { exp_nonpositive(z) } else { 0.0 };
            *v = e;
            *h = if e > 0.0 { e * z } else { 0.0 };
        }
        carry.l = f64::from(math::sum(row));
        carry.h = f64::from(math::sum(&entropies[..row.len()]));
        carry.le = match similarity {
            Similarity::Cosine => row.iter().zip(terms).map(|(e, t)| f64::from(e * t.length())).sum(),
            _ => carry.l,
        };
        let (merged, shrink, _) = before.merge(carry);
        (merged, if before.l > 0.0 { shrink as f32 } else { 1.0 })
    })
}
