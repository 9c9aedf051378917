//! The largest entries of rows, and the patterns most similar to queries.

use super::{Similarity, SimilarityForm, lengths::longest, matmul::zeros};
use crate::{
    Error, Result, Rows, Tensor,
    cpu::{self, matmul::Operand},
    gpu,
    tensor::{Pair, Place, check_numbers},
};

/// Values `[rows * k]` and column indices `[rows * k]` of the `k` largest entries of each row, largest
/// first, equal ones by lowest index. They come to the host: they are few, and a person or a program
/// reads them next.
///
/// NaN and minus infinity are less than any other value.
///
/// # Errors
/// [`Error::InvalidParameter`] where `k` is beyond the number of columns; [`Error::NonFinite`] naming the first value that is not
/// finite of the first row where one is among the `k` best.
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
    check_numbers("columns of top_k", columns)?;
    let found = match x.place() {
        Place::Cpu(v) => cpu::topk::top_k(v, columns, k),
        Place::Gpu(v) if k > gpu::topk::MAX_TOP_K => cpu::topk::top_k(&v.download()?, columns, k),
        Place::Gpu(v) => gpu::topk::top_k(v, k)?,
    };
    if is_whole(&found, rows * k) {
        return Ok(found);
    }
    // A GPU's lists begin with the least finite value, which they take for none.
    let all = Rows::new(x.to_vec()?, columns)?;
    let found = cpu::topk::top_k(all.as_slice(), columns, k);
    if is_whole(&found, rows * k) {
        return Ok(found);
    }
    for (row, values) in all.iter().enumerate() {
        let spoiled = values.iter().filter(|v| v.is_finite()).count() < k || values.contains(&f32::INFINITY);
        if let Some(column) = values.iter().position(|v| !v.is_finite()).filter(|_| spoiled) {
            return Err(Error::NonFinite { what: "best values".into(), row, column, value: values[column] });
        }
    }
    Ok(found)
}

/// Whether there are `count` of the best, all finite.
fn is_whole((values, indices): &(Vec<f32>, Vec<u32>), count: usize) -> bool {
    values.len() == count && values.iter().all(|v| v.is_finite()) && !indices.contains(&u32::MAX)
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
/// similar first, equal ones by lowest number. On the CPU ranked in f64, exactly; on a GPU to the rounding of differences (of products, for dot) in f32.
/// The `[b, n]` similarities are never stored whole.
/// Cost: `2 b n d` operations; the patterns are read once.
///
/// # Errors
/// [`Error::DimensionMismatch`], [`Error::DeviceMismatch`]; [`Error::InvalidParameter`] where `k` is
/// beyond the number of patterns (on a GPU also beyond 1024), there are no columns, or the squared length of a row leaves
/// f32; [`Error::NonFinite`] naming a value of a row that is not finite, or the query and the pattern of a similarity that is
/// not and would be among the best.
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
    check_numbers("number of patterns", n)?;
    let pair = Pair::new("nearest", queries, patterns)?;
    let most =
        longest(queries, f32::MAX.into(), "queries")?.max(longest(patterns, f32::MAX.into(), "patterns")?);
    let found = match pair {
        Pair::Cpu(x, xi) => {
            cpu::descent::nearest(Operand::new(x, b, d), Operand::new(xi, n, d), k, similarity, most.into())
        }
        Pair::Gpu(x, xi) => gpu::descent::nearest(x, xi, k, similarity, most.into())?,
    };
    if is_whole(&found, b * k) {
        return Ok(found);
    }
    let (queries, patterns) = (queries.to_vec()?, patterns.to_vec()?);
    for (row, query) in queries.chunks_exact(d).enumerate() {
        let mut of_query = zeros("similarities", 1, n)?;
        let patterns = Operand::new(&patterns, n, d);
        let query = Operand::new(query, 1, d);
        cpu::similarity::similarity(&mut of_query, query, patterns, similarity, SimilarityForm::Product);
        if let Some(column) = of_query.iter().position(|s| !s.is_finite()) {
            let value = of_query[column];
            return Err(Error::NonFinite { what: "similarities".into(), row, column, value });
        }
    }
    Err(Error::parameter("similarities", "the least of f32", "finite where they are among the best"))
}
