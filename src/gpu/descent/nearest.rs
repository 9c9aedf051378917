//! The patterns most similar to queries: candidates by products, ranked by differences. Where the error of products leaves it open whether
//! a pattern that is no candidate belongs among the best, all are looked at by differences.

use super::{Batch, Pass, Queries, Start, chunks_of_matrix};
use crate::{
    Error, Precision, Result,
    contract::{Form, Resolution, Similarity, SimilarityForm, candidates, difference_error, product_error},
    gpu::{
        Buffer, Dispatch, Matrix, parameters,
        similarity::terms,
        topk::{Best, MAX_TOP_K},
    },
};

/// See [`crate::ops::nearest`]; `longest` is the largest squared length of a row.
pub(crate) fn nearest(
    queries: &Matrix,
    patterns: &Matrix,
    k: usize,
    similarity: Similarity,
    longest: f64,
) -> Result<(Vec<f32>, Vec<u32>)> {
    if k > MAX_TOP_K {
        return Err(Error::parameter("k", k, format!("at most {MAX_TOP_K} on a GPU; use the CPU")));
    }
    let (b, d, n) = (queries.rows(), queries.columns(), patterns.rows());
    if b == 0 || k == 0 {
        return Ok((Vec::new(), Vec::new()));
    }
    let product = Form::plain(similarity, 1.0);
    let terms = terms(queries.context(), patterns, similarity)?;
    if matches!(similarity, Similarity::Dot | Similarity::L1) {
        let best = scan(queries, patterns, &terms, k, product)?;
        return Ok(Best::unpack(&queries.context().read(&[best.buffer()])?[0]));
    }
    let resolution = Resolution::of(SimilarityForm::Difference, similarity, 1.0, longest, d);
    let difference = Form { resolution, ..product };
    let whole = if similarity == Similarity::Cosine { 1.0 } else { 0.0 };
    let most = candidates(k, n).min(MAX_TOP_K);
    let candidates = scan(queries, patterns, &terms, most, product)?;
    let (products, indices, exact) = rescored(queries, patterns, &terms, &candidates, most, difference)?;
    let error = product_error(similarity, longest, d);
    let (mut values, mut numbers) = (Vec::with_capacity(b * k), Vec::with_capacity(b * k));
    let mut open = Vec::new();
    for i in 0..b {
        let range = i * most..(i + 1) * most;
        let mut ranked: Vec<(u32, f32)> =
            indices[range.clone()].iter().copied().zip(exact[range.clone()].iter().copied()).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let worst = f64::from(ranked[k - 1].1);
        let last = f64::from(products[range.end - 1]) - whole;
        let least = worst - difference_error(similarity, worst.abs(), d);
        // Candidates that are all at the cosine of a row of zeros: the query is one.
        let nothing = whole > 0.0 && exact[range.clone()].iter().all(|s| *s == -1.0);
        let sure = most == n || nothing || least > last + error;
        if !sure {
            open.push(i);
        }
        numbers.extend(ranked[..k].iter().map(|c| c.0));
        values.extend(ranked[..k].iter().map(|c| c.1));
    }
    if !open.is_empty() {
        let best = scan(queries, patterns, &terms, k, difference)?;
        let (exact, indices) = Best::unpack(&queries.context().read(&[best.buffer()])?[0]);
        for range in open.into_iter().map(|i| i * k..(i + 1) * k) {
            values[range.clone()].copy_from_slice(&exact[range.clone()]);
            numbers[range.clone()].copy_from_slice(&indices[range]);
        }
    }
    values.iter_mut().for_each(|v| *v += whole as f32);
    Ok((values, numbers))
}

/// The best patterns of each query in this form.
fn scan(queries: &Matrix, patterns: &Matrix, terms: &Buffer, k: usize, form: Form) -> Result<Best> {
    let context = queries.context();
    let (b, d, n) = (queries.rows(), queries.columns(), patterns.rows());
    let batch = Batch::new(context, form, queries.buffer(), [b, n, d], Precision::F32, d, None)?;
    let complete = form.similarity == Similarity::L2 && !form.squares();
    batch.queries.start(context, queries.buffer(), d, Start { form, complete, most: None })?;
    let mut best = Best::new(context, b, k)?;
    let parts = chunks_of_matrix(patterns, terms, batch.chunk);
    let mut pass =
        Pass { width: 0, precision: Precision::F32, skip: false, weigh: false, best: Some(&mut best) };
    batch.pass(&parts, &mut pass, true)?;
    Ok(best)
}

/// Values and numbers of the candidates, and their similarities from differences (of the cosine, without 1).
fn rescored(
    queries: &Matrix,
    patterns: &Matrix,
    terms: &Buffer,
    candidates: &Best,
    k: usize,
    form: Form,
) -> Result<(Vec<f32>, Vec<u32>, Vec<f32>)> {
    let context = queries.context();
    let count = queries.rows() * k;
    let state = Queries::new(context, queries.rows())?;
    state.start(context, queries.buffer(), queries.columns(), Start { form, complete: false, most: None })?;
    let out = context.storage("similarities of candidates", (count * 4) as u64)?;
    context.dispatch(&Dispatch {
        kernel: "rescore",
        parameters: &parameters::Rescore { count: count as u32, k: k as u32, width: queries.width4() as u32 },
        buffers: &[queries.buffer(), patterns.buffer(), candidates.buffer(), &state.queries, terms, &out],
        groups: count.div_ceil(64),
        trips: queries.width4(),
        work: 3.0 * count as f64 * queries.columns() as f64,
    })?;
    let bytes = context.read(&[candidates.buffer(), &out])?;
    let (values, numbers) = Best::unpack(&bytes[0]);
    Ok((values, numbers, bytemuck::pod_collect_to_vec(&bytes[1])))
}
