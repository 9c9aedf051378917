//! Similarities on the GPU: the scores kernel of the recall with `beta = 1`.

use super::{
    Buffer, Context, Dispatch, Matrix,
    descent::{Queries, Start, scores_family},
    matmul::Product,
    parameters,
    softmax::by_rows,
};
use crate::{
    Precision, Result,
    contract::{Form, Resolution, Similarity, Term},
};
use std::sync::Arc;

/// The terms of patterns on the device.
pub(super) fn terms(context: &Arc<Context>, patterns: &Matrix, kind: Similarity) -> Result<Buffer> {
    let (rows, width) = (patterns.rows(), patterns.width4());
    let out = context.storage("terms", (rows * size_of::<Term>()) as u64)?;
    let code = match kind {
        Similarity::L2 => 0,
        Similarity::Dot => 1,
        Similarity::Cosine => 2,
        Similarity::L1 => 3,
    };
    let (kernel, groups, trips) = by_rows(context, ("terms.serial", "terms.group"), rows, width, (1, 1));
    context.dispatch(&Dispatch {
        kernel,
        parameters: &parameters::Terms { rows: rows as u32, width: width as u32, similarity: code },
        buffers: &[patterns.buffer(), &out],
        groups,
        trips,
        work: 2.0 * rows as f64 * patterns.columns() as f64,
    })?;
    Ok(out)
}

/// See [`crate::contract::similarity`]. The columns agree.
pub(crate) fn similarity(
    queries: &Matrix,
    patterns: &Matrix,
    kind: Similarity,
    resolution: Resolution,
) -> Result<Matrix> {
    let context = queries.context();
    let (b, n, d) = (queries.rows(), patterns.rows(), queries.columns());
    let out = Matrix::new(context, "similarities", b, n)?;
    if b == 0 || n == 0 {
        return Ok(out);
    }
    let terms = terms(context, patterns, kind)?;
    let state = Queries::new(context, b)?;
    // A length beyond f32 spoils a cosine; distances and products need none.
    let most = (kind == Similarity::Cosine).then_some(f32::MAX);
    let form = Form { resolution, ..Form::plain(kind, 1.0) };
    let complete = kind == Similarity::L2 && !form.squares();
    let start = Start { form, complete, most };
    state.start(context, queries.buffer(), d, start)?;
    Product {
        family: &scores_family(form, Precision::F32),
        per_trip: 4,
        buffers: &[queries.buffer(), patterns.buffer(), out.buffer(), &state.active, &state.queries, &terms],
        m: b,
        n,
        k: d,
        columns: [d, d, n],
        b_first: 0,
        slice: d.next_multiple_of(4),
        batch: None,
        skip: false,
        padding: 0.0,
        tile: None,
    }
    .record(context)?;
    Ok(out)
}
