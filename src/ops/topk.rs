//! The largest entries of rows, and the patterns most similar to queries.

use super::Similarity;
use crate::{
    Error, Result, Tensor,
    cpu::{self, matmul::Operand},
    gpu,
    tensor::{Pair, Place},
};

/// Values `[rows * k]` and column indices `[rows * k]` of the `k` largest entries of each row, largest
/// first, equal ones by lowest index. They come to the host: they are few, and a person or a program
/// reads them next.
///
/// # Errors
/// [`Error::InvalidParameter`] where `k` is beyond the number of columns, or a row has fewer than `k`
/// finite values that are larger than its others.
///
/// ```
/// use attractor::{Device, Tensor, ops::top_k};
/// let x = Tensor::new(&Device::cpu(), &[[1.0, 9.0, 4.0, 9.0]])?;
/// assert_eq!(top_k(&x, 3)?, (vec![9.0, 9.0, 4.0], vec![1, 3, 2]));
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn top_k(x: &Tensor, k: usize) -> Result<(Vec<f32>, Vec<u32>)> {
    let (rows, columns) = x.matrix_shape();
    if k > columns {
        return Err(Error::parameter("k", k, format!("at most the {columns} columns")));
    }
    let (values, indices) = match x.place() {
        Place::Cpu(v) => cpu::topk::top_k(v, columns, k),
        Place::Gpu(v) => gpu::topk::top_k(v, k)?,
    };
    if values.len() != rows * k || values.iter().any(|v| !v.is_finite()) || indices.contains(&u32::MAX) {
        return Err(Error::parameter(
            "values of top_k",
            "NaN or infinite",
            "finite where they are among the best",
        ));
    }
    Ok((values, indices))
}

/// Column of the largest entry of each row, the lowest of equal ones: `[rows]`.
///
/// # Errors
/// [`Error::InvalidParameter`] where there are no columns.
///
/// ```
/// use attractor::{Device, Tensor, ops::argmax};
/// let x = Tensor::new(&Device::cpu(), &[[1.0, 3.0], [5.0, 5.0]])?;
/// assert_eq!(argmax(&x)?, [1, 0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn argmax(x: &Tensor) -> Result<Vec<u32>> {
    Ok(top_k(x, 1)?.1)
}

/// The `k` patterns most similar to each query: similarities `[b * k]` and row numbers `[b * k]`, most
/// similar first, equal ones by lowest number. Exact; the `[b, n]` similarities are never stored whole.
/// Cost: `2 b n d` operations; the patterns are read once.
///
/// # Errors
/// [`Error::DimensionMismatch`], [`Error::DeviceMismatch`]; [`Error::InvalidParameter`] where `k` is
/// beyond the number of patterns (on a GPU also beyond 1024), or there are no columns.
///
/// ```
/// use attractor::{Device, Tensor, ops::{nearest, Similarity}};
/// let q = Tensor::new(&Device::cpu(), &[[0.0, 0.0]])?;
/// let x = Tensor::new(&Device::cpu(), &[[3.0, 4.0], [0.0, 1.0], [2.0, 0.0]])?;
/// assert_eq!(nearest(&q, &x, 2, Similarity::L2)?, (vec![-0.5, -2.0], vec![1, 2]));
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn nearest(
    queries: &Tensor,
    patterns: &Tensor,
    k: usize,
    similarity: Similarity,
) -> Result<(Vec<f32>, Vec<u32>)> {
    let ((b, d), (n, dn)) = (queries.matrix_shape(), patterns.matrix_shape());
    if d != dn {
        return Err(Error::dimension("columns of queries (as patterns have)", d, dn));
    }
    if d == 0 {
        return Err(Error::parameter("columns of queries", 0, "at least 1"));
    }
    if k > n {
        return Err(Error::parameter("k", k, format!("at most the {n} patterns")));
    }
    match Pair::new("nearest", queries, patterns)? {
        Pair::Cpu(x, xi) => {
            Ok(cpu::descent::nearest(Operand::new(x, b, d), Operand::new(xi, n, d), k, similarity))
        }
        Pair::Gpu(x, xi) => gpu::descent::nearest(x, xi, k, similarity),
    }
}
