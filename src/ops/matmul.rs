//! Matrix products.

use crate::{
    Error, Result, Tensor,
    cpu::{self, matmul::Operand},
    gpu,
    tensor::Pair,
};

/// Which operand of a product `C = A B` is stored transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `A [m, k]`, `B [k, n]`.
    NN,
    /// `A [m, k]`, `B [n, k]`: all pairs of rows, as in `queries patterns^T`.
    NT,
    /// `A [k, m]`, `B [k, n]`: sums over rows, as in `patterns^T patterns`.
    TN,
}

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
    let (m, ka) = if layout == Layout::TN { (ac, ar) } else { (ar, ac) };
    let (kb, n) = if layout == Layout::NT { (bc, br) } else { (br, bc) };
    if ka != kb {
        return Err(Error::dimension("inner size of the right operand", kb, ka));
    }
    if m.checked_mul(n).is_none() {
        return Err(Error::OutOfMemory { what: "a product".into(), needed: u64::MAX });
    }
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
