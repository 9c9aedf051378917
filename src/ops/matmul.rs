//! Matrix products.

use super::Layout;
use crate::{
    Error, Result, Tensor,
    cpu::{self, matmul::Operand},
    gpu,
    tensor::Pair,
};
use rayon::prelude::*;

/// A matrix of zeros on the host, if there can be one.
pub(super) fn zeros(what: &str, rows: usize, columns: usize) -> Result<Vec<f32>> {
    let mut values = Vec::new();
    let count = rows.checked_mul(columns).filter(|count| values.try_reserve_exact(*count).is_ok());
    let Some(count) = count else {
        let needed = (rows as u64).saturating_mul(columns as u64).saturating_mul(4);
        return Err(Error::OutOfMemory { what: what.to_owned(), needed });
    };
    values.resize(count, 0.0);
    Ok(values)
}

/// Rows and columns of the product of two matrices, and the inner size.
fn sizes((ar, ac): (usize, usize), (br, bc): (usize, usize), layout: Layout) -> Result<[usize; 3]> {
    let (m, ka) = if layout == Layout::TN { (ac, ar) } else { (ar, ac) };
    let (kb, n) = if layout == Layout::NT { (bc, br) } else { (br, bc) };
    if ka != kb {
        return Err(Error::dimension("inner size of the right operand", kb, ka));
    }
    if m.checked_mul(n).is_none() {
        return Err(Error::OutOfMemory { what: "a product".into(), needed: u64::MAX });
    }
    Ok([m, n, ka])
}

/// The product of `a` and `b`, `[m, n]`. Cost: `2 m n k` operations.
///
/// # Errors
/// [`Error::DimensionMismatch`] where the inner sizes differ, [`Error::DeviceMismatch`],
/// [`Error::TooLarge`] where the result is beyond one buffer of the device, [`Error::OutOfMemory`].
///
/// ```
/// use attractor::{Device, Tensor, ops::{matmul, Layout}};
/// let a = Tensor::new(&Device::cpu(), &[[1.0, 2.0], [3.0, 4.0]])?;
/// assert_eq!(matmul(&a, &a, Layout::NN)?.to_vec()?, [7.0, 10.0, 15.0, 22.0]);
/// assert_eq!(matmul(&a, &a, Layout::NT)?.to_vec()?, [5.0, 11.0, 11.0, 25.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn matmul(a: &Tensor, b: &Tensor, layout: Layout) -> Result<Tensor> {
    let ((ar, ac), (br, bc)) = (a.matrix_shape(), b.matrix_shape());
    let [m, n, _] = sizes((ar, ac), (br, bc), layout)?;
    match Pair::new("matmul", a, b)? {
        Pair::Cpu(a, b) => {
            let mut c = zeros("a product", m, n)?;
            let threads = rayon::current_num_threads();
            cpu::matmul::matmul(
                &mut c,
                Operand::new(a, ar, ac),
                Operand::new(b, br, bc),
                layout,
                false,
                threads,
            );
            Tensor::on_cpu(c, &[m, n])
        }
        Pair::Gpu(a, b) => Tensor::on_gpu(gpu::matmul::matmul(a, b, layout)?, &[m, n]),
    }
}

/// Products of pairs of matrices: `a` is `[g, m, k]`, `b` `[g, k, n]`, or with their last two axes turned
/// as the layout says; the result is `[g, m, n]`. Cost: `2 g m n k` operations.
///
/// # Errors
/// Those of [`matmul`]; [`Error::InvalidParameter`] for another rank than 3,
/// [`Error::DimensionMismatch`] where there are not as many matrices on both sides. On a GPU, an inner
/// size beyond 131,072 (with [`Layout::TN`] 32,768) is refused unless `g` is 1.
///
/// ```
/// use attractor::{Device, Tensor, ops::{batched_matmul, Layout}};
/// let a = Tensor::from_flat(&Device::cpu(), &[1.0, 2.0, 3.0, 4.0], &[2, 1, 2])?;
/// let b = Tensor::from_flat(&Device::cpu(), &[1.0, 1.0, 10.0, 1.0], &[2, 1, 2])?;
/// let products = batched_matmul(&a, &b, Layout::NT)?;
/// assert_eq!(products.shape(), [2, 1, 1]);
/// assert_eq!(products.to_vec()?, [3.0, 34.0]);
/// # Ok::<(), attractor::Error>(())
/// ```
pub fn batched_matmul(a: &Tensor, b: &Tensor, layout: Layout) -> Result<Tensor> {
    let (&[batch, ar, ac], &[batch_b, br, bc]) = (a.shape(), b.shape()) else {
        let rank = if a.shape().len() == 3 { b.shape().len() } else { a.shape().len() };
        return Err(Error::parameter("rank of batched matrices", rank, "3"));
    };
    if batch != batch_b {
        return Err(Error::dimension("matrices on the right", batch_b, batch));
    }
    let [m, n, k] = sizes((ar, ac), (br, bc), layout)?;
    if batch == 1 {
        return matmul(&a.with_shape(&[ar, ac])?, &b.with_shape(&[br, bc])?, layout)?.with_shape(&[1, m, n]);
    }
    match Pair::new("batched_matmul", a, b)? {
        Pair::Cpu(a, b) => {
            let mut c = zeros("batched products", batch * m, n)?;
            let one = |(i, c): (usize, &mut [f32]), threads: usize| {
                let a = Operand::new(&a[i * ar * ac..], ar, ac);
                let b = Operand::new(&b[i * br * bc..], br, bc);
                cpu::matmul::matmul(c, a, b, layout, false, threads);
            };
            let threads = rayon::current_num_threads();
            if batch >= threads {
                c.par_chunks_mut((m * n).max(1)).enumerate().for_each(|c| one(c, 1));
            } else {
                c.chunks_mut((m * n).max(1)).enumerate().for_each(|c| one(c, threads));
            }
            Tensor::on_cpu(c, &[batch, m, n])
        }
        Pair::Gpu(a, b) => {
            Tensor::on_gpu(gpu::matmul::batched_matmul((a, b), [batch, m, n, k], layout)?, &[batch, m, n])
        }
    }
}
