//! Similarities of queries and patterns.

use super::{
    Axis, Reduction, Resolution, Similarity, SimilarityForm, lengths::largest, matmul::zeros, product_error,
    reduce,
};
use crate::{
    Error, Result, Tensor,
    cpu::{self, matmul::Operand},
    gpu,
    tensor::Pair,
};

/// Similarities `[b, n]` of queries `[b, d]` and patterns `[n, d]`. Cost: `2 b n d` operations.
///
/// L2 is worked out from squared lengths and products where these know every distance to a thousandth, and else from the differences of
/// coordinates, to `(d + 3) 6e-8` of itself; where the squares leave f32 it is not finite. For the cosine a squared length below f32's normal numbers (`1.2e-38`) is that of a row of zeros, and
/// with one beyond `3.4e38` it is NaN.
///
/// # Errors
/// [`Error::DimensionMismatch`] where the columns differ, [`Error::DeviceMismatch`],
/// [`Error::TooLarge`] where the result is beyond one buffer of the device.
///
/// ```
/// use attractor::{Device, Tensor, ops::{similarity, Similarity}};
/// let q = Tensor::new(&Device::cpu(), &[[0.0, 0.0]])?;
/// let x = Tensor::new(&Device::cpu(), &[[3.0, 4.0], [0.0, 1.0]])?;
/// assert_eq!(similarity(&q, &x, Similarity::L2)?.to_vec()?, [-12.5, -0.5]);
/// assert_eq!(similarity(&q, &x, Similarity::L1)?.to_vec()?, [-7.0, -1.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn similarity(queries: &Tensor, patterns: &Tensor, kind: Similarity) -> Result<Tensor> {
    let ((b, d), (n, _)) = (queries.matrix_shape(), patterns.matrix_shape());
    let products = similarity_in(queries, patterns, kind, Resolution::PRODUCT)?;
    if kind != Similarity::L2 || b * n * d == 0 {
        return Ok(products);
    }
    let longest = f64::from(largest(queries)?.max(largest(patterns)?));
    let close = SAFE * product_error(kind, longest, d);
    // Lengths that leave f32 leave it in either form.
    if !close.is_finite() {
        return Ok(products);
    }
    let best = reduce(&products, Reduction::Max, Axis::Columns)?.to_vec()?;
    match best.iter().any(|s| f64::from(*s) > -close) {
        true => similarity_in(
            queries,
            patterns,
            kind,
            Resolution::of(SimilarityForm::Difference, kind, 1.0, longest, d),
        ),
        false => Ok(products),
    }
}

/// How many times its error a distance must be for a product to be taken for it.
const SAFE: f64 = 1024.0;

/// [`similarity()`] in this form, whatever is lost.
pub(crate) fn similarity_in(
    queries: &Tensor,
    patterns: &Tensor,
    kind: Similarity,
    resolution: Resolution,
) -> Result<Tensor> {
    let ((b, d), (n, dn)) = (queries.matrix_shape(), patterns.matrix_shape());
    if d != dn {
        return Err(Error::dimension("columns of queries (as patterns have)", d, dn));
    }
    if d == 0 {
        return Tensor::from_flat(&queries.device(), &zeros("similarities", b, n)?, &[b, n]);
    }
    match Pair::new("similarity", queries, patterns)? {
        Pair::Cpu(q, x) => {
            let mut out = zeros("similarities", b, n)?;
            let (q, x) = (Operand::new(q, b, d), Operand::new(x, n, d));
            cpu::similarity::similarity(&mut out, q, x, kind, resolution.form);
            Tensor::on_cpu(out, &[b, n])
        }
        Pair::Gpu(q, x) => Tensor::on_gpu(gpu::similarity::similarity(q, x, kind, resolution)?, &[b, n]),
    }
}

/// L2 similarities `[b, n]` of those coordinates of queries `[b, d]` that are not NaN with the same of patterns `[n, d]`. On the CPU alone.
pub(crate) fn known_similarity(queries: &Tensor, patterns: &Tensor) -> Result<Tensor> {
    let ((b, d), (n, dn)) = (queries.matrix_shape(), patterns.matrix_shape());
    if d != dn || d == 0 {
        return Err(Error::dimension("columns of queries (as patterns have)", d, dn));
    }
    match Pair::new("similarity of known coordinates", queries, patterns)? {
        Pair::Cpu(q, x) => {
            let mut out = zeros("similarities", b, n)?;
            cpu::similarity::known_similarity(&mut out, Operand::new(q, b, d), Operand::new(x, n, d));
            Tensor::on_cpu(out, &[b, n])
        }
        Pair::Gpu(..) => Err(Error::parameter("device of known coordinates", "a GPU", "the CPU")),
    }
}
