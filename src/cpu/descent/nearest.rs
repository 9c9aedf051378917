//! The patterns most similar to queries, exactly: candidates come from f32, and are ranked by f64. Where the error of f32 leaves it open
//! whether a pattern that is no candidate belongs among the best, the query is looked at again in the next, more exact form.

use super::{BATCH, Readout, Source};
use crate::{
    contract::{Form, Resolution, Similarity, SimilarityForm, candidates, difference_error, product_error},
    cpu::{
        matmul::Operand,
        similarity::{squared, terms},
    },
    tensor::CpuShard,
};
/// See [`crate::ops::nearest`]; `longest` is the largest squared length of a row.
pub(crate) fn nearest(
    queries: Operand<'_>,
    patterns: Operand<'_>,
    k: usize,
    kind: Similarity,
    longest: f64,
) -> (Vec<f32>, Vec<u32>) {
    let ((b, d), (n, _)) = (queries.shape, patterns.shape);
    if k == 0 || b == 0 {
        return (Vec::new(), Vec::new());
    }
    let terms = terms(patterns, kind);
    let row = |i: usize| &patterns.data[i * d..(i + 1) * d];
    let query = |i: usize| &queries.data[i * d..(i + 1) * d];
    let mut ranked: Vec<Vec<(u32, f64)>> = vec![Vec::new(); b];
    let mut asked: Vec<usize> = (0..b).collect();
    for &stage in Stage::of(kind) {
        let form = Form { resolution: stage.resolution(kind, d), ..Form::plain(kind, 1.0) };
        let source = Source {
            patterns: vec![CpuShard::new(patterns.data, d)],
            readout: Readout::Best,
            terms: &terms,
            form,
            entropy: false,
            most: f32::MAX,
        };
        let mut open = Vec::new();
        for batch in asked.chunks(BATCH) {
            let rows: Vec<f32> = batch.iter().flat_map(|i| query(*i)).copied().collect();
            let (found, _) = source.pass(&rows, d, candidates(k, n));
            for (i, found) in batch.iter().zip(found) {
                let x = query(*i);
                let squared = f64::from(squared(x));
                let frame = if kind == Similarity::Cosine { -1.0 } else { 0.0 };
                let shift = form.common(squared) + found.reference + frame;
                let candidates = found.best.into_sorted();
                let last = candidates.last().map(|c| f64::from(c.1) + shift);
                let mut best: Vec<(u32, f64)> =
                    candidates.iter().map(|c| (c.0, exactly(x, row(c.0 as usize), kind))).collect();
                best.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
                // A query of zeros has the cosine 0 with all: the first are as good as any.
                let nothing = kind == Similarity::Cosine && squared < f64::from(f32::MIN_POSITIVE);
                let all = best.len() == n || nothing;
                best.truncate(k);
                let error = stage.error(kind, longest, last.unwrap_or(f64::INFINITY), d);
                let sure = |(last, worst): (f64, &(u32, f64))| worst.1 > last + error;
                if !all && stage != Stage::Double && !last.zip(best.last()).is_some_and(sure) {
                    open.push(*i);
                }
                ranked[*i] = best;
            }
        }
        asked = open;
        if asked.is_empty() {
            break;
        }
    }
    let whole = if kind == Similarity::Cosine { 1.0 } else { 0.0 };
    let all = ranked.into_iter().flatten();
    all.map(|(index, similarity)| ((whole + similarity) as f32, index)).unzip()
}

/// How candidates are found.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Products,
    Differences,
    Double,
}

impl Stage {
    /// The stages, from the fastest to the most exact.
    fn of(kind: Similarity) -> &'static [Self] {
        match kind {
            Similarity::L2 | Similarity::Cosine => &[Self::Products, Self::Differences, Self::Double],
            Similarity::Dot => &[Self::Products, Self::Double],
            Similarity::L1 => &[Self::Differences, Self::Double],
        }
    }

    fn resolution(self, kind: Similarity, d: usize) -> Resolution {
        let form = match (self, kind) {
            (Self::Products, _) | (Self::Double, Similarity::Dot) => SimilarityForm::Product,
            _ => SimilarityForm::Difference,
        };
        let single = if self == Self::Double { -1.0 } else { f64::INFINITY };
        Resolution { single, ..Resolution::of(form, kind, 1.0, 0.0, d) }
    }

    /// By how much a similarity found in this stage may be off, where it is this one, without what is the same for all.
    fn error(self, kind: Similarity, longest: f64, similarity: f64, d: usize) -> f64 {
        match self {
            Self::Products => product_error(kind, longest, d),
            Self::Differences => difference_error(kind, similarity.abs(), d),
            Self::Double => 0.0,
        }
    }
}

/// A similarity in f64; of the cosine, that without 1.
fn exactly(x: &[f32], xi: &[f32], kind: Similarity) -> f64 {
    let pairs = || x.iter().zip(xi).map(|(x, y)| (f64::from(*x), f64::from(*y)));
    let length = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
    match kind {
        Similarity::L2 => -0.5 * pairs().map(|(x, y)| (x - y).powi(2)).sum::<f64>(),
        Similarity::L1 => -pairs().map(|(x, y)| (x - y).abs()).sum::<f64>(),
        // Not -0, which would come after 0.
        Similarity::Dot => pairs().map(|(x, y)| x * y).sum::<f64>() + 0.0,
        Similarity::Cosine => {
            let (of_x, of_xi) = (length(x), length(xi));
            // Rows without a length have the cosine 0.
            if of_x.min(of_xi) < f64::from(f32::MIN_POSITIVE) {
                return -1.0;
            }
            let (of_x, of_xi) = (of_x.sqrt(), of_xi.sqrt());
            -0.5 * pairs().map(|(x, y)| (x / of_x - y / of_xi).powi(2)).sum::<f64>()
        }
    }
}
